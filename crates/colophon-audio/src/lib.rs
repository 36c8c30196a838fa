//! Sound formats, samples, the audible label in them and the audio watermark.
//!
//! Every format inspects and edits its metadata without touching coded sound, inserts the audible label so that the
//! samples of the programme stay what they are, and finds the label again.
#![forbid(unsafe_code)]

use colophon_core::Format;

pub mod adts;
pub mod aiff;
mod audible;
pub mod caf;
mod decode;
mod ffmpeg;
pub mod flac;
mod frames;
mod inaudible;
mod loudness;
pub mod m4a;
pub mod mp3;
mod observe;
pub mod ogg;
mod pass;
mod pcm;
mod resample;
mod spoken;
mod tag;
pub mod watermark;
pub mod wav;

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] = &[
    &wav::FORMAT,
    &flac::FORMAT,
    &mp3::FORMAT,
    &adts::FORMAT,
    &ogg::VORBIS,
    &ogg::OPUS,
    &aiff::FORMAT,
    &caf::FORMAT,
    &m4a::FORMAT,
];
