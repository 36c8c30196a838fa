//! SHA-256 of inputs, in hex.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::{Result, Source};

/// A SHA-256 digest as 64 lower-case hex digits.
pub type Sha256Hex = String;

/// SHA-256 of bytes in memory.
pub fn sha256_hex(bytes: &[u8]) -> Sha256Hex {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a whole source, streamed.
pub fn sha256_source(source: &dyn Source) -> Result<Sha256Hex> {
    if let Some(all) = source.as_bytes() {
        return Ok(sha256_hex(all));
    }
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < source.len() {
        let part = source.bytes_up_to(at, 1 << 20)?;
        hash.update(&part);
        at += part.len() as u64;
    }
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn digest_of_nothing_is_the_published_value() {
        assert_eq!(
            super::sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
