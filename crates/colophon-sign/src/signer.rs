//! A key with its certificate chain.

use colophon_core::{Result, Signer};

use crate::certificate::{CertificateInfo, parse_chain};
use crate::key::{KeyPair, hex, is_encrypted};
use crate::{key_error, secret_from_uri};

/// Signs with an Ed25519 key whose chain was checked to belong to it.
#[derive(Clone, Debug)]
pub struct CertifiedSigner {
    key: KeyPair,
    chain: Vec<CertificateInfo>,
}

impl CertifiedSigner {
    /// A signer from a key and a PEM chain, leaf first. A self-signed root at the end is left out of what is signed
    /// with (C2PA: all intermediates, no root).
    ///
    /// # Errors
    /// `Key` when the leaf is not the key's, is a CA, or has no usage that C2PA accepts.
    pub fn new(key: KeyPair, chain_pem: &str) -> Result<Self> {
        let mut chain = parse_chain(chain_pem)?;
        let leaf = chain.first().ok_or_else(|| key_error("there is no certificate in the chain"))?;
        match leaf.ed25519 {
            None => return Err(key_error("the certificate's key is not Ed25519")),
            Some(public) if public != key.public_key() => {
                return Err(key_error("the certificate belongs to another key"));
            }
            Some(_) => {}
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
        Ok(Self { key, chain })
    }

    /// A signer from a key URI and a PEM chain.
    ///
    /// # Errors
    /// As [`secret_from_uri`], [`KeyPair::from_pkcs8_pem`] and [`CertifiedSigner::new`].
    pub fn from_uri(uri: &str, chain_pem: &str) -> Result<Self> {
        Self::from_uri_with_passphrase(uri, None, chain_pem)
    }

    /// As [`CertifiedSigner::from_uri`], for keys that a passphrase protects.
    ///
    /// # Errors
    /// As [`CertifiedSigner::from_uri`] and [`KeyPair::from_encrypted_pkcs8_pem`].
    pub fn from_uri_with_passphrase(uri: &str, passphrase: Option<&[u8]>, chain_pem: &str) -> Result<Self> {
        Self::new(key_from_uri(uri, passphrase)?, chain_pem)
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateInfo] {
        &self.chain
    }

    /// The public key in hex.
    pub fn public_key_hex(&self) -> String {
        hex(&self.key.public_key())
    }
}

/// A key from a URI, opened with a passphrase where it is protected by one.
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
        self.key.key_id()
    }

    fn public_key(&self) -> Vec<u8> {
        self.key.public_key().to_vec()
    }

    fn certificates(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|c| c.der.clone()).collect()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.key.sign(message).to_vec())
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
