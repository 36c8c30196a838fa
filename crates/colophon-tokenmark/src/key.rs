//! Keys: parsing, refusing published ones, deriving engine keys from one master secret.

use crate::error::{Error, Result};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A 64-bit engine key: hidden from `Debug`, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Key64(u64);

impl Key64 {
    /// Keys that documentation, examples and defaults print.
    const PUBLISHED: [u64; 9] =
        [0, 1, 42, 1234, 12_345, 123_456_789, 15_485_863, 0x0123_4567_89AB_CDEF, u64::MAX];

    /// A key from its value.
    pub fn new(value: u64) -> Self {
        Self(value)
    }

    /// A key from 1 to 16 hexadecimal digits, as SGLang writes them.
    pub fn from_hex(digits: &str) -> Result<Self> {
        const SCHEME: &str = "64-bit key";
        if digits.is_empty() || digits.len() > 16 {
            return Err(Error::KeyLength {
                scheme: SCHEME,
                expected: "1 to 16 hexadecimal digits",
                found: digits.len(),
            });
        }
        digits.bytes().enumerate().try_fold(Self(0), |key, (offset, byte)| {
            let digit = char::from(byte).to_digit(16).ok_or(Error::KeyDigit { scheme: SCHEME, offset })?;
            Ok(Self(key.0 << 4 | u64::from(digit)))
        })
    }

    /// A key from decimal digits up to 2^64 - 1, as vLLM writes them.
    pub fn from_decimal(digits: &str) -> Result<Self> {
        const SCHEME: &str = "64-bit key";
        if let Some(offset) = digits.bytes().position(|b| !b.is_ascii_digit()) {
            return Err(Error::KeyDigit { scheme: SCHEME, offset });
        }
        digits.parse().map(Self).map_err(|_| Error::KeyLength {
            scheme: SCHEME,
            expected: "a decimal number up to 18446744073709551615",
            found: digits.len(),
        })
    }

    /// Whether the key is printed somewhere as an example or default, so that it keeps nothing secret.
    pub fn is_published(&self) -> bool {
        Self::PUBLISHED.contains(&self.0)
    }

    pub(crate) fn value(&self) -> u64 {
        self.0
    }

    /// Low and high word.
    pub(crate) fn words(&self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }
}

impl Drop for Key64 {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key64(hidden)")
    }
}

/// A 256-bit secret from which every engine key is derived (HKDF-SHA-256, RFC 5869, without salt).
///
/// Deriving keeps tenants, models and epochs apart, and no engine key is ever typed by a person. The label is public;
/// note it beside the text's record so that the same key can be derived again.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A master key from its 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| Error::KeyLength {
            scheme: "master key",
            expected: "32 bytes",
            found: bytes.len(),
        })?;
        if bytes.iter().all(|&b| b == bytes[0]) {
            return Err(Error::PublishedKey { scheme: "master key" });
        }
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// A master key from 64 hexadecimal digits.
    pub fn from_hex(digits: &str) -> Result<Self> {
        const SCHEME: &str = "master key";
        if digits.len() != 64 {
            return Err(Error::KeyLength {
                scheme: SCHEME,
                expected: "64 hexadecimal digits",
                found: digits.len(),
            });
        }
        let mut bytes = Zeroizing::new([0u8; 32]);
        for (offset, byte) in digits.bytes().enumerate() {
            let digit = char::from(byte).to_digit(16).ok_or(Error::KeyDigit { scheme: SCHEME, offset })?;
            if let Some(slot) = bytes.get_mut(offset / 2) {
                *slot = *slot << 4 | digit as u8;
            }
        }
        Self::new(&bytes[..])
    }

    /// The engine key of `label`, for instance `vllm-gumbel/tenant-7/model-a/2026-11`.
    pub fn derive(&self, label: &str) -> Key64 {
        Key64(self.derive_words::<1>(label)[0])
    }

    /// `N` engine keys of one label, `N` up to 128.
    pub(crate) fn derive_words<const N: usize>(&self, label: &str) -> [u64; N] {
        const { assert!(N <= 128, "HKDF gives at most 8,160 bytes") };
        let mut words = [0; N];
        let mut bytes = Zeroizing::new(vec![0u8; 8 * N]);
        let expanded =
            Hkdf::<Sha256>::new(None, &self.0[..]).expand_multi_info(&[INFO, label.as_bytes()], &mut bytes);
        debug_assert!(expanded.is_ok(), "the length is bounded above");
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        }
        words
    }
}

/// Domain of every derivation, before the label.
const INFO: &[u8] = b"org.colophon.text.1/";

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(hidden)")
    }
}

/// A short public name of secret `material`: the first 8 bytes of a tagged SHA-256, in hexadecimal.
pub(crate) fn fingerprint(scheme: &str, material: &[u8]) -> String {
    use fmt::Write;
    let digest = Sha256::new()
        .chain_update(b"org.colophon.text.key-id.1")
        .chain_update(scheme.as_bytes())
        .chain_update([0])
        .chain_update(material)
        .finalize();
    digest.iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        // writing to a string cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_strictly() {
        assert_eq!(Key64::from_hex("fF").unwrap().value(), 255);
        assert_eq!(Key64::from_decimal("18446744073709551615").unwrap().value(), u64::MAX);
        assert!(matches!(Key64::from_hex(""), Err(Error::KeyLength { found: 0, .. })));
        assert!(matches!(Key64::from_hex("00112233445566778"), Err(Error::KeyLength { found: 17, .. })));
        assert!(matches!(Key64::from_hex("12+4"), Err(Error::KeyDigit { offset: 2, .. })));
        assert!(matches!(Key64::from_decimal("-1"), Err(Error::KeyDigit { offset: 0, .. })));
        assert!(matches!(Key64::from_decimal("18446744073709551616"), Err(Error::KeyLength { .. })));
        assert!(matches!(MasterKey::new(&[1; 31]), Err(Error::KeyLength { found: 31, .. })));
        assert!(matches!(MasterKey::new(&[7; 32]), Err(Error::PublishedKey { .. })));
        assert!(matches!(MasterKey::from_hex(&"0g".repeat(32)), Err(Error::KeyDigit { offset: 1, .. })));
    }

    #[test]
    fn published_keys_are_known() {
        assert!(Key64::new(42).is_published());
        assert!(!Key64::new(0x9A1C_66F0_2B7D_5E31).is_published());
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        assert_eq!(format!("{:?}", Key64::new(77)), "Key64(hidden)");
        let bytes: Vec<u8> = (0..32).collect();
        assert_eq!(format!("{:?}", MasterKey::new(&bytes).unwrap()), "MasterKey(hidden)");
    }

    /// HKDF-SHA-256 without salt, computed with Python's `hmac` module.
    #[test]
    fn derivation_is_fixed() {
        let bytes: Vec<u8> = (0..32).collect();
        let master = MasterKey::new(&bytes).unwrap();
        assert_eq!(master.derive("vllm-gumbel/a").value(), DERIVED);
        assert_ne!(master.derive("vllm-gumbel/b"), master.derive("vllm-gumbel/a"));
    }

    const DERIVED: u64 = 0x3ab9_e122_89eb_e963;
}
