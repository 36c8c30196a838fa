//! Video formats, frames through ffmpeg, the visible label on them, the video watermark.
//!
//! Containers are walked and edited by `colophon-container`; pictures are decoded and encoded by `ffmpeg` as a child
//! process ([`child`]), never in this one. Without ffmpeg, metadata and signatures work and the rest is refused.
#![forbid(unsafe_code)]

use colophon_core::Format;

mod avi;
mod burn;
mod child;
mod cut;
mod encoding;
mod flv;
#[cfg(test)]
mod foreign;
mod local;
mod look;
mod loss;
mod marks;
mod matroska;
mod mp4;
mod overlay;
mod pass;
mod probe;
mod raw;
mod sound;
#[cfg(test)]
mod tests;
pub mod watermark;
mod whole;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] =
    &[&mp4::MP4, &mp4::MOV, &matroska::MKV, &matroska::WEBM, &avi::AVI, &flv::FLV];
