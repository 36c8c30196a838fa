//! Video formats, frames through ffmpeg, the visible label on them.
//!
//! Containers are walked and edited by `colophon-container`; pictures are decoded and encoded by `ffmpeg` as a child
//! process ([`child`]), never in this one. Without ffmpeg, metadata and signatures work and the rest is refused.
#![forbid(unsafe_code)]

use colophon_core::Format;

mod avi;
mod burn;
mod child;
mod flv;
#[cfg(test)]
mod foreign;
mod look;
mod matroska;
mod mp4;
mod overlay;
mod probe;
#[cfg(test)]
mod tests;
mod whole;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] =
    &[&mp4::MP4, &mp4::MOV, &matroska::MKV, &matroska::WEBM, &avi::AVI, &flv::FLV];
