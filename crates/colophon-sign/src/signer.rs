//! A key with its certificate chain.

use colophon_core::{Result, Signer};

use crate::certificate::{CertificateInfo, parse_chain};
use crate::key::{KeyPair, hex, is_encrypted, key_id};
use crate::pkcs11::TokenKey;
use crate::{key_error, secret_from_uri};

/// Signs with an Ed25519 key whose chain was checked to belong to it.
#[derive(Clone, Debug)]
pub struct CertifiedSigner {
    key: Held,
    public: [u8; 32],
    chain: Vec<CertificateInfo>,
}

/// Where the private key is.
#[derive(Clone, Debug)]
enum Held {
    Here(KeyPair),
    OnToken(TokenKey),
}

impl CertifiedSigner {
    /// A signer from a key and a PEM chain, leaf first. A self-signed root at the end is left out of what is signed
    /// with (C2PA: all intermediates, no root).
    ///
    /// # Errors
    /// `Key` when the leaf is not the key's, is a CA, or has no usage that C2PA accepts.
    pub fn new(key: KeyPair, chain_pem: &str) -> Result<Self> {
        Self::with(Held::Here(key), chain_pem)
    }

    fn with(key: Held, chain_pem: &str) -> Result<Self> {
        let mut chain = parse_chain(chain_pem)?;
        let leaf = chain.first().ok_or_else(|| key_error("there is no certificate in the chain"))?;
        let public = leaf.ed25519.ok_or_else(|| key_error("the certificate's key is not Ed25519"))?;
        let own = match &key {
            Held::Here(key) => key.public_key() == public,
            Held::OnToken(key) => key.is_of(&public)?,
        };
        if !own {
            return Err(key_error("the certificate belongs to another key"));
        }
        if leaf.is_ca {
            return Err(key_error("the signing certificate is a certificate authority's"));
        }
        if !leaf.extended_key_usage.iter().any(|oid| ACCEPTED_USAGES.contains(&oid.as_str())) {
            return Err(key_error("the certificate has no extended key usage that C2PA accepts"));
        }
        if chain.len() > 1 {
            chain.retain(|c| !(c.is_ca && c.subject == c.issuer));
        }
        Ok(Self { key, public, chain })
    }

    /// A signer from a key URI and a PEM chain. `pkcs11:` (RFC 7512) names a key on a token: `token`, `serial`, `object`,
    /// `id`, `slot-id`; `module-path` is the token's library; the PIN comes from `pin-source` (a path, or another key URI),
    /// from `COLOPHON_PIN`, or from `pin-value`, which others may read.
    ///
    /// # Errors
    /// As [`secret_from_uri`], [`KeyPair::from_pkcs8_pem`] and [`CertifiedSigner::new`]; for tokens `Key`: no module, token
    /// or key, a wrong PIN, a key of another kind.
    pub fn from_uri(uri: &str, chain_pem: &str) -> Result<Self> {
        Self::from_uri_with_passphrase(uri, None, chain_pem)
    }

    /// As [`CertifiedSigner::from_uri`], for keys that a passphrase protects.
    ///
    /// # Errors
    /// As [`CertifiedSigner::from_uri`] and [`KeyPair::from_encrypted_pkcs8_pem`].
    pub fn from_uri_with_passphrase(uri: &str, passphrase: Option<&[u8]>, chain_pem: &str) -> Result<Self> {
        if uri.starts_with("pkcs11:") {
            return Self::with(Held::OnToken(TokenKey::open(uri)?), chain_pem);
        }
        Self::new(key_from_uri(uri, passphrase)?, chain_pem)
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateInfo] {
        &self.chain
    }

    /// The public key in hex.
    pub fn public_key_hex(&self) -> String {
        hex(&self.public)
    }
}

/// A key from a URI that can be read, opened with a passphrase where it is protected by one.
///
/// # Errors
/// As [`secret_from_uri`], [`KeyPair::from_pkcs8_pem`] and [`KeyPair::from_encrypted_pkcs8_pem`].
pub fn key_from_uri(uri: &str, passphrase: Option<&[u8]>) -> Result<KeyPair> {
    let secret = secret_from_uri(uri)?;
    let pem = std::str::from_utf8(&secret).map_err(|_| key_error("the private key is not PEM"))?;
    match passphrase {
        Some(passphrase) if is_encrypted(pem) => KeyPair::from_encrypted_pkcs8_pem(pem, passphrase),
        _ => KeyPair::from_pkcs8_pem(pem),
    }
}

/// Usages the C2PA certificate profile allows: claim signing, e-mail protection, document signing.
const ACCEPTED_USAGES: [&str; 3] = ["1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36"];

impl Signer for CertifiedSigner {
    fn algorithm(&self) -> &'static str {
        "EdDSA"
    }

    fn key_id(&self) -> String {
        key_id(&self.public)
    }

    fn public_key(&self) -> Vec<u8> {
        self.public.to_vec()
    }

    fn certificates(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|c| c.der.clone()).collect()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(match &self.key {
            Held::Here(key) => key.sign(message),
            Held::OnToken(key) => key.sign(message)?,
        }
        .to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChainRequest, make_chain};

    #[test]
    fn a_chain_of_another_key_is_refused() {
        let (root, leaf) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let chain = make_chain(&root, &leaf, &ChainRequest::new("Acme", 30).unwrap()).unwrap();
        assert!(CertifiedSigner::new(leaf.clone(), &chain.leaf_pem).is_ok());
        let e = CertifiedSigner::new(root.clone(), &chain.leaf_pem).unwrap_err();
        assert!(e.to_string().contains("another key"));
        let e = CertifiedSigner::new(root, &chain.root_pem).unwrap_err();
        assert!(e.to_string().contains("authority"), "{e}");
        let both = format!("{}{}", chain.leaf_pem, chain.root_pem);
        assert_eq!(
            CertifiedSigner::new(leaf, &both).unwrap().certificates().len(),
            1,
            "the root is not carried"
        );
    }
}
