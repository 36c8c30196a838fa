//! The Common chunk: what the samples are ("Audio Interchange File Format 1.3", Common Chunk; AIFF-C draft, 1991).

use colophon_core::{Error, Result};

use super::ID;
use crate::pcm::Coding;

/// What the chunk says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Common {
    pub(super) channels: u16,
    /// Sample frames.
    pub(super) frames: u32,
    pub(super) bits: u16,
    pub(super) rate: u32,
    /// Name of the coding.
    pub(super) codec: String,
    /// How samples are stored; `None` when they are compressed.
    pub(super) coding: Option<Coding>,
}

impl Common {
    pub(super) fn parse(bytes: &[u8], compressed: bool) -> Result<Self> {
        let short = || Error::malformed(ID, "the chunk is too short");
        let u16_at = |at: usize| {
            bytes.get(at..).and_then(<[u8]>::first_chunk).map(|b| u16::from_be_bytes(*b)).ok_or_else(short)
        };
        let frames = bytes.get(2..).and_then(<[u8]>::first_chunk).map(|b| u32::from_be_bytes(*b));
        let (channels, frames, bits) = (u16_at(0)?, frames.ok_or_else(short)?, u16_at(6)?);
        let rate = bytes.get(8..).and_then(<[u8]>::first_chunk).map(extended).ok_or_else(short)?;
        if channels == 0 || !(1.0..4e9).contains(&rate) {
            return Err(Error::malformed(ID, format!("{channels} channels at {rate} Hz")));
        }
        let kind = if compressed {
            bytes.get(18..).and_then(<[u8]>::first_chunk::<4>).copied().ok_or_else(short)?
        } else {
            *b"NONE"
        };
        let whole = bits.div_ceil(8);
        let (float, little, width, used) = match &kind {
            b"NONE" | b"twos" => (false, false, whole, bits),
            b"sowt" => (false, true, whole, bits),
            b"in24" => (false, false, 3, 24),
            b"in32" => (false, false, 4, 32),
            b"fl32" | b"FL32" => (true, false, 4, 32),
            b"fl64" | b"FL64" => (true, false, 8, 64),
            _ => (false, false, 0, 0),
        };
        let fits = if float { true } else { (1..=4).contains(&width) && (1..=32).contains(&used) };
        let coding =
            fits.then_some(Coding { float, little, width, bits: used, channels, rate: rate.round() as u32 });
        let codec = match (&coding, float) {
            (Some(_), true) => "float".to_owned(),
            (Some(_), false) => "pcm".to_owned(),
            (None, _) => String::from_utf8_lossy(&kind).into_owned(),
        };
        Ok(Self { channels, frames, bits, rate: rate.round() as u32, codec, coding })
    }
}

/// An 80-bit IEEE 754 extended number; 0 for what is none.
fn extended(bytes: &[u8; 10]) -> f64 {
    let [sign, low, mantissa @ ..] = bytes;
    let exponent = i32::from(u16::from_be_bytes([sign & 0x7f, *low])) - 16_383;
    let value = u64::from_be_bytes(*mantissa) as f64 / (1u64 << 63) as f64
        * f64::from(exponent.clamp(-1000, 1000)).exp2();
    if sign & 0x80 == 0 && value.is_finite() { value } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::extended;

    #[test]
    fn rates_are_read() {
        assert_eq!(extended(&[0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]), 44_100.0);
        assert_eq!(extended(&[0x40, 0x0e, 0xbb, 0x80, 0, 0, 0, 0, 0, 0]), 48_000.0);
        assert_eq!(extended(&[0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0]), 8_000.0);
        assert_eq!(extended(&[0xff; 10]), 0.0);
    }
}
