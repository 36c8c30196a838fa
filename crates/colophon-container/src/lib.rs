//! Bounded, byte-exact walkers and editors of media containers.
//!
//! Each module knows one container syntax and nothing of marks: it lists parts with their byte ranges and computes
//! [`colophon_core::Patch`]es. Formats of the media crates are built from them.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod avi;
pub mod bmff;
pub mod caf;
pub mod ebml;
pub mod exif;
pub mod flac;
pub mod flv;
pub mod gif;
pub mod heif;
pub mod id3;
pub mod iff;
pub mod jpeg;
pub mod matroska;
pub mod ogg;
pub mod png;
pub mod riff;
pub mod svg;
pub mod tiff;
pub mod vorbis_comment;
pub mod webp;
pub mod xmp;
