//! The video watermark `org.colophon.video.1`: the lattice of the image mark on the brightness of every frame.
//!
//! The pattern stands still: the same tile at the same place on every frame of a clip, as strong as the picture there
//! hides. Whatever moves averages out against it, so a reader that adds up frames sees the mark ever more clearly, needs no
//! time alignment, and does not care about frame rates, cuts, or where a clip was trimmed. Geometry (scale, turn, mirror,
//! crop, shear) is searched once, on the mean.
//!
//! Nothing here knows containers or ffmpeg: planes of samples in memory in, planes or a [`Reading`] out.
//!
//! ```
//! use colophon_signal::key::MarkKey;
//! use colophon_video::watermark::{FrameMarker, FrameReader, MarkerOptions, Plane};
//!
//! let (width, height) = (480, 270);
//! let key = MarkKey::from_secret(b"studio").unwrap();
//! let mut marker = FrameMarker::new(width, height, 0x0001_8899_aabb_ccdd, &key, &MarkerOptions::default()).unwrap();
//! let mut reader = FrameReader::new(width, height, &key).unwrap();
//! for n in 0..24 {
//!     // a moving ramp with some texture
//!     let at = |i: usize| ((i % width + 3 * n) / 3 % 160 + (i * 7919 + n) % 23 + 30) as u8;
//!     let mut luma: Vec<u8> = (0..width * height).map(at).collect();
//!     marker.push(Plane::U8 { samples: &mut luma, stride: width }, n as f64 / 24.0).unwrap();
//!     reader.push(&luma, n as f64 / 24.0);
//! }
//! assert_eq!(reader.finish().payload, Some(0x0001_8899_aabb_ccdd));
//! ```
//!
//! What it does not do: a pattern that stands still can be estimated from many frames and taken away by someone who wants
//! it gone. It labels; it is no lock.

mod marker;
mod reader;
#[cfg(test)]
mod tests;

pub use marker::{FrameMarker, MarkerOptions, Plane, PlaneError};
pub use reader::{FrameReader, NotChecked, Reading, Segment, sampled_size};

pub use colophon_image::watermark::{EmbedError, MIN_MOVING_SIDE as MIN_SIDE, Strength};

/// Name of the scheme, as it goes into records and C2PA soft bindings.
pub const SCHEME: &str = "org.colophon.video.1";
