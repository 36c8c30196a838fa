//! Documents with pages: PDF.
#![forbid(unsafe_code)]

use colophon_core::Format;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] = &[];
