//! Keys, Ed25519 signatures and the certificate chains that carry them.
//!
//! * [`KeyPair`]: a key made, read from and written to PKCS#8;
//! * [`secret_from_uri`]: `file:`, `env:` and `cmd:` as the places secrets come from, never the command line itself;
//! * [`make_chain`]: an own root and a signing certificate that C2PA accepts;
//! * [`CertifiedSigner`]: a key with its chain, checked to belong together; the key is in memory, or on a PKCS #11 token
//!   that a `pkcs11:` URI names (feature `pkcs11`).
//!
//! No type of a cryptographic library is part of the interface.
#![forbid(unsafe_code)]

mod certificate;
mod chain;
mod key;
#[cfg(feature = "passphrase")]
mod passphrase;
#[cfg(not(feature = "passphrase"))]
mod passphrase_missing;
#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(not(feature = "pkcs11"))]
#[path = "pkcs11_missing.rs"]
mod pkcs11;
mod signer;
mod uri;

pub use certificate::{CertificateInfo, parse_chain, read_certificates};
pub use chain::{Chain, ChainRequest, issue_leaf, make_chain};
pub use key::{KeyPair, is_encrypted, keyed_hash, verify_ed25519};
pub use signer::{CertifiedSigner, key_from_uri};
pub use uri::{secret_from_uri, shown_uri};

use colophon_core::{Error, ErrorKind};

fn key_error(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Key, text)
}
