//! The image watermark `org.colophon.image.1`: 64 bits in the pixels, blind, keyed, robust to the usual handling.
//!
//! Two layers carry the same payload, and either suffices to read it:
//!
//! * the **lattice**: a periodic tile whose spectrum is a keyed, sparse set of equal peaks. Their places give rotation,
//!   scale, mirror and aspect without a separate template, their phases carry the code word. It survives crops.
//! * the **registered layer**: the code word, quantised into low cosines of the whole frame. It survives strong
//!   compression, blur and reduction of uncropped pictures.
//!
//! Nothing here knows containers, files or law: pixels in memory in, pixels or a [`Detection`] out.
//!
//! ```
//! use colophon_image::watermark::{DetectOptions, EmbedOptions, Pixels, PixelsMut, detect, embed};
//! use colophon_signal::key::MarkKey;
//!
//! let (width, height) = (320, 256);
//! let mut picture: Vec<u8> = (0..width * height * 3).map(|i| (i / 7 % 200) as u8).collect();
//! let key = MarkKey::from_secret(b"studio").unwrap();
//! let mut pixels = PixelsMut::packed8(&mut picture, width, height, 3).unwrap();
//! let embedded = embed(&mut pixels, 0x0001_8899_aabb_ccdd, &key, &EmbedOptions::default()).unwrap();
//! assert!(embedded.psnr_db > 40.0);
//!
//! let pixels = Pixels::packed8(&picture, width, height, 3).unwrap();
//! let detection = detect(&pixels, &key, &DetectOptions::default());
//! assert_eq!(detection.payload, Some(0x0001_8899_aabb_ccdd));
//! ```
//!
//! What it does not do: withstand someone who wants it gone. Equal peaks can be seen and notched by anyone who looks at
//! the spectrum, a generative redraw removes it, and a mark can be copied from one picture to another; a payload alone
//! proves nothing until its record is compared with the content.

mod demodulate;
mod detect;
mod embed;
mod evidence;
mod mask;
mod moving;
mod pixels;
mod plane;
mod reduce;
mod registered;
mod schedule;
mod search;
mod spectrum;
mod tile;
mod whiten;

pub use detect::{
    DetectOptions, Detection, EXPECTED, Effort, Geometry, Layer, NotChecked, Pose, Reader, detect,
    working_size,
};
pub use embed::{EmbedError, EmbedOptions, Embedded, Strength, embed};
pub use moving::{Change, Motion, Pattern};
pub use pixels::{Layout, LayoutError, MAX_SIDE, Pixels, PixelsMut, Samples, SamplesMut};
pub use tile::{MIN_MOVING_SIDE, MIN_SIDE, moving_period};

/// Name of the scheme, as it goes into records and C2PA soft bindings.
pub const SCHEME: &str = "org.colophon.image.1";
