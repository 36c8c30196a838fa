//! Private keys protected by a passphrase: PBES2 of RFC 8018, as OpenSSL writes them.

use colophon_core::Result;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use pkcs8_encryption::pkcs5::pbes2;
use pkcs8_encryption::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use crate::{KeyPair, key_error};

/// Rounds of PBKDF2 with HMAC-SHA-256 (OWASP, 2023: at least 600 000).
const PBKDF2_ROUNDS: u32 = 600_000;

impl KeyPair {
    /// Reads PKCS#8 in PEM that is protected by a passphrase (PBES2 of RFC 8018 with scrypt or PBKDF2 and AES, as OpenSSL
    /// writes it).
    ///
    /// # Errors
    /// `Key` for a wrong passphrase, and as [`KeyPair::from_pkcs8_pem`].
    pub fn from_encrypted_pkcs8_pem(pem: &str, passphrase: &[u8]) -> Result<Self> {
        let (label, document) = SecretDocument::from_pem(pem.trim())
            .map_err(|e| key_error("not a private key in PEM").because(e.to_string()))?;
        if label != "ENCRYPTED PRIVATE KEY" {
            return Err(key_error("the private key is not protected by a passphrase"));
        }
        let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
            .map_err(|e| key_error("the protected private key cannot be read").because(e.to_string()))?;
        let plain = info
            .decrypt(passphrase)
            .map_err(|_| key_error("the passphrase does not open the private key"))?;
        SigningKey::from_pkcs8_der(plain.as_bytes())
            .map(|key| Self { key })
            .map_err(|e| key_error("not an Ed25519 private key").because(e.to_string()))
    }

    /// Writes PKCS#8 in PEM, protected by a passphrase (PBKDF2 with HMAC-SHA-256 and AES-256-CBC, which OpenSSL reads).
    ///
    /// # Errors
    /// `Key` when encoding fails, or the system gives no randomness.
    pub fn to_encrypted_pkcs8_pem(&self, passphrase: &[u8]) -> Result<Zeroizing<String>> {
        let failed = |e: String| key_error("the private key cannot be encoded").because(e);
        let plain = self.in_short_form(EncodePrivateKey::to_pkcs8_der).map_err(|e| failed(e.to_string()))?;
        let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|e| failed(e.to_string()))?;
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        for bytes in [&mut salt, &mut iv] {
            getrandom::fill(bytes)
                .map_err(|e| key_error("the system gives no randomness").because(e.to_string()))?;
        }
        let params = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, &salt, iv)
            .map_err(|e| failed(e.to_string()))?;
        let encrypted = info.encrypt_with_params(params, passphrase).map_err(|e| failed(e.to_string()))?;
        encrypted.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).map_err(|e| failed(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::is_encrypted;

    #[test]
    fn a_passphrase_opens_what_it_closed_and_nothing_else_does() {
        let key = KeyPair::generate().unwrap();
        let pem = key.to_encrypted_pkcs8_pem(b"open sesame").unwrap();
        assert!(is_encrypted(&pem));
        assert_eq!(KeyPair::from_encrypted_pkcs8_pem(&pem, b"open sesame").unwrap().key_id(), key.key_id());
        let e = KeyPair::from_encrypted_pkcs8_pem(&pem, b"wrong").unwrap_err();
        assert!(e.to_string().contains("does not open"), "{e}");
        let e = KeyPair::from_pkcs8_pem(&pem).unwrap_err();
        assert!(e.to_string().contains("none was given"), "{e}");
        let plain = key.to_pkcs8_pem().unwrap();
        assert!(KeyPair::from_encrypted_pkcs8_pem(&plain, b"x").is_err());
    }
}
