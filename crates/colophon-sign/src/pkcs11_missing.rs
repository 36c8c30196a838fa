//! The build without the feature `pkcs11`.

use std::convert::Infallible;

use colophon_core::Result;

use crate::key_error;

/// A key on a token, which this build does not have.
#[derive(Clone, Debug)]
pub(crate) struct TokenKey(Infallible);

impl TokenKey {
    pub(crate) fn open(_: &str) -> Result<Self> {
        Err(key_error("this build knows no tokens; build it with the feature pkcs11"))
    }

    pub(crate) fn sign(&self, _: &[u8]) -> Result<[u8; 64]> {
        match self.0 {}
    }

    pub(crate) fn is_of(&self, _: &[u8; 32]) -> Result<bool> {
        match self.0 {}
    }
}

/// Nothing but the scheme: what stands behind it may hold a PIN.
pub(crate) fn without_pin(uri: &str) -> String {
    if uri.starts_with("pkcs11:") { "pkcs11:…".to_owned() } else { uri.to_owned() }
}
