//! The build without the feature `passphrase`.

use colophon_core::Result;
use zeroize::Zeroizing;

use crate::{KeyPair, key_error};

const WHY: &str =
    "this build handles no keys protected by a passphrase; build it with the feature passphrase";

impl KeyPair {
    /// Says that this build cannot.
    ///
    /// # Errors
    /// `Key`, always.
    pub fn from_encrypted_pkcs8_pem(_: &str, _: &[u8]) -> Result<Self> {
        Err(key_error(WHY))
    }

    /// Says that this build cannot.
    ///
    /// # Errors
    /// `Key`, always.
    pub fn to_encrypted_pkcs8_pem(&self, _: &[u8]) -> Result<Zeroizing<String>> {
        Err(key_error(WHY))
    }
}
