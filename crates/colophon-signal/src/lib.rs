//! Signal-processing parts shared by the watermarks: keyed streams, codes, soft decoding, statistics.
//!
//! Nothing here knows a medium. Every function is deterministic: the same arguments give the same result, bit for bit
//! where integers are returned and within rounding where floats are.
#![forbid(unsafe_code)]

pub mod conv;
pub mod crc;
pub mod fft2;
pub mod key;
pub mod simd;
pub mod stats;
