//! Picture formats, pixels, the visible label on them and the image watermark.
#![forbid(unsafe_code)]

mod apply;
mod blend;
pub mod bmp;
mod entries;
pub mod gif;
pub mod heif;
pub mod jpeg;
pub mod jxl;
mod label;
mod observe;
mod ocr;
pub mod png;
mod raster;
pub mod svg;
pub mod tiff;
pub mod watermark;
pub mod webp;

use colophon_core::Format;

pub use ocr::read_label;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] = &[
    &png::FORMAT,
    &jpeg::FORMAT,
    &webp::FORMAT,
    &gif::FORMAT,
    &tiff::FORMAT,
    &heif::HEIC,
    &heif::AVIF,
    &jxl::FORMAT,
    &bmp::FORMAT,
    &svg::FORMAT,
];
