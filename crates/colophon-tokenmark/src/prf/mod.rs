//! The keyed functions of the engines, bit for bit.
//!
//! Each file is one published generator or hash; nothing here knows about watermarks.

pub mod lcg;
pub mod mersenne;
pub mod murmur;
pub mod pcg;
pub mod philox;
