//! Picture formats, pixels, the visible label on them and the image watermark.
#![forbid(unsafe_code)]

mod apply;
mod blend;
mod entries;
pub mod jpeg;
mod label;
mod observe;
pub mod png;
mod raster;
pub mod watermark;
pub mod webp;

use colophon_core::Format;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] = &[&png::FORMAT, &jpeg::FORMAT, &webp::FORMAT];
