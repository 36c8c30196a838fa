//! Picture formats, pixels, the visible label on them and the image watermark.
#![forbid(unsafe_code)]

pub mod watermark;

use colophon_core::Format;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] = &[];
