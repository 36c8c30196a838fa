//! Video formats, frames through ffmpeg, the visible label on them.
#![forbid(unsafe_code)]

use colophon_core::Format;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] = &[];
