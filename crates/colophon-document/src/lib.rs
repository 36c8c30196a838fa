//! Documents with pages: PDF.
//!
//! PDF syntax is read by a walker of its own ([`pdf`]) that resolves objects one at a time and within bounds; the object
//! model, the stream filters and the font encodings are those of `lopdf`. Everything is written as an incremental
//! update: the bytes of the input stay as they are, so earlier signatures keep covering what they covered.
#![forbid(unsafe_code)]

use colophon_core::Format;

pub mod pdf;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] = &[&pdf::PDF];
