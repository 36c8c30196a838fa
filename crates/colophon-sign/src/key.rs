//! Ed25519 key pairs (RFC 8032) in PKCS#8 (RFC 8410).

use std::fmt::{self, Write as _};

use colophon_core::Result;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, KeypairBytes};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::key_error;

/// A private key with its public half. Zeroed when dropped, never shown.
#[derive(Clone)]
pub struct KeyPair {
    pub(crate) key: SigningKey,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

impl KeyPair {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// `Key` when the system gives none.
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())
            .map_err(|e| key_error("the system gives no randomness").because(e.to_string()))?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a 32-byte seed (RFC 8032, 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(seed) }
    }

    /// Reads PKCS#8 in PEM.
    ///
    /// # Errors
    /// `Key` for anything but an unencrypted Ed25519 key. The text is never part of the message.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self> {
        if is_encrypted(pem) {
            return Err(key_error("the private key is protected by a passphrase, and none was given"));
        }
        if pem.contains("BEGIN CERTIFICATE") && !pem.contains("PRIVATE KEY") {
            return Err(key_error("this is a certificate, not a private key"));
        }
        // OpenSSL writes the short form of RFC 5958 without the public key; both are read.
        SigningKey::from_pkcs8_pem(pem.trim())
            .map(|key| Self { key })
            .map_err(|e| key_error("not an Ed25519 private key in PKCS#8 PEM").because(e.to_string()))
    }

    /// Writes PKCS#8 in PEM: version 1, without the public key, the only form that OpenSSL 3.0 and SoftHSM read.
    ///
    /// # Errors
    /// `Key` when encoding fails.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>> {
        self.in_short_form(|key| key.to_pkcs8_pem(LineEnding::LF))
            .map_err(|e| key_error("the private key cannot be encoded").because(e.to_string()))
    }

    /// Works with the key as version 1 of PKCS#8 holds it, and zeroes that afterwards.
    pub(crate) fn in_short_form<T>(&self, work: impl FnOnce(&KeypairBytes) -> T) -> T {
        let mut key = KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        let out = work(&key);
        key.secret_key.zeroize();
        out
    }

    /// The 32-byte public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The public key as SubjectPublicKeyInfo in PEM (RFC 8410), which OpenSSL reads.
    pub fn public_key_pem(&self) -> String {
        self.key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// Hex SHA-256 of the public key. Its first 16 bits are the issuer number of watermarks.
    pub fn key_id(&self) -> String {
        key_id(&self.public_key())
    }

    /// The 64-byte signature over `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// Whether a PEM text is a private key protected by a passphrase.
pub fn is_encrypted(pem: &str) -> bool {
    pem.contains("BEGIN ENCRYPTED PRIVATE KEY")
}

/// Whether `signature` (64 bytes) is that of `public` over `message` (RFC 8032, strict: small-order keys never are).
pub fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(public), Signature::from_slice(signature))
    else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}

/// Hex HMAC-SHA-256 (RFC 2104) of a reference that must not be readable in a log.
pub fn keyed_hash(secret: &[u8], text: &[u8]) -> String {
    let mut key = Zeroizing::new([0_u8; 64]);
    if secret.len() > key.len() {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    } else {
        key[..secret.len()].copy_from_slice(secret);
    }
    let pad = |byte: u8| -> Zeroizing<Vec<u8>> { Zeroizing::new(key.iter().map(|k| k ^ byte).collect()) };
    let inner = Sha256::new().chain_update(pad(0x36).as_slice()).chain_update(text).finalize();
    hex(&Sha256::new().chain_update(pad(0x5c).as_slice()).chain_update(inner).finalize())
}

/// See [`KeyPair::key_id`].
pub(crate) fn key_id(public: &[u8; 32]) -> String {
    hex(&Sha256::digest(public))
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, test 1.
    #[test]
    fn rfc8032_test_vector_1() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
            0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = KeyPair::from_seed(&seed);
        assert_eq!(
            hex(&key.public_key()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert!(hex(&key.sign(b"")).starts_with("e5564300c360ac729086e2cc806e828a"));
    }

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn rfc4231_test_vectors() {
        assert!(
            keyed_hash(b"Jefe", b"what do ya want for nothing?")
                .starts_with("5bdcc146bf60754e6a042426089575c7")
        );
        let long = keyed_hash(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert!(long.starts_with("60e431591ee0b67f0d8a26aacbf5b77f"), "{long}");
    }

    #[test]
    fn pkcs8_round_trip_and_the_short_form_of_openssl() {
        let key = KeyPair::generate().unwrap();
        let again = KeyPair::from_pkcs8_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        assert_eq!(again.key_id(), key.key_id());
        // What is written is the short form too: 48 bytes, 64 characters.
        let pem = key.to_pkcs8_pem().unwrap();
        assert_eq!(pem.lines().nth(1).map(str::len), Some(64), "one line of base64");
        assert_eq!(pem.lines().count(), 3);
        let openssl = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        assert!(hex(&KeyPair::from_pkcs8_pem(openssl).unwrap().public_key()).starts_with("d75a98"));
    }

    #[test]
    fn wrong_keys_are_named_and_never_quoted() {
        for (text, part) in [
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "a certificate"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
                "passphrase",
            ),
            ("hunter2", "not an Ed25519"),
            ("", "not an Ed25519"),
        ] {
            let e = KeyPair::from_pkcs8_pem(text).unwrap_err();
            assert_eq!(e.kind(), colophon_core::ErrorKind::Key);
            assert!(e.to_string().contains(part), "{e}");
            assert!(text.is_empty() || !e.to_string().contains("hunter2"));
        }
        assert!(!format!("{:?}", KeyPair::from_seed(&[7; 32])).contains("0707"));
    }
}
