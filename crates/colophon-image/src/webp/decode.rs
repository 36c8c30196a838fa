//! WebP pixels.

use std::io::BufReader;

use colophon_container::webp::Webp as File;
use colophon_core::{Error, Limits, Result, Source, SourceReader};
use image_webp::{DecodingError, WebPDecoder};

use super::ID;
use crate::raster::{Color, Raster, Samples, check_size};

/// The frames of a file, each as the whole canvas looks while it is shown. A still picture is one frame.
pub(super) struct Frames<'a> {
    decoder: WebPDecoder<BufReader<SourceReader<'a>>>,
    width: u32,
    height: u32,
    color: Color,
    animated: bool,
    left: u32,
}

impl<'a> Frames<'a> {
    /// # Errors
    /// `Limit`, `Malformed`.
    pub(super) fn open(source: &'a dyn Source, file: &File, limits: &Limits) -> Result<Self> {
        check_size(ID, file.width, file.height, 4, limits)?;
        let mut decoder = WebPDecoder::new(BufReader::new(SourceReader::new(source))).map_err(failed)?;
        decoder.set_memory_limit(usize::try_from(limits.decoded_bytes).unwrap_or(usize::MAX));
        let (width, height) = decoder.dimensions();
        // The header of the picture itself decides; it was the extended header that was checked.
        check_size(ID, width, height, 4, limits)?;
        let color = if decoder.has_alpha() { Color::Rgba } else { Color::Rgb };
        let animated = decoder.is_animated();
        let left = if animated { decoder.num_frames() } else { 1 };
        let cost = u64::from(left) * u64::from(width) * u64::from(height);
        if left as usize > limits.parts || cost > limits.pixels.saturating_mul(64) {
            return Err(Error::limit(format!("{left} frames of {width} × {height} pixels")).in_format(ID));
        }
        Ok(Self { decoder, width, height, color, animated, left })
    }

    /// The next frame and how long it is shown, in milliseconds.
    ///
    /// # Errors
    /// `Malformed`.
    pub(super) fn next_frame(&mut self) -> Result<Option<(Raster, u32)>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let mut samples = vec![0; self.width as usize * self.height as usize * self.color.channels()];
        let duration = if self.animated {
            self.decoder.read_frame(&mut samples).map_err(failed)?
        } else {
            self.decoder.read_image(&mut samples).map_err(failed)?;
            0
        };
        let samples = Samples::U8(samples);
        Ok(Some((Raster { width: self.width, height: self.height, color: self.color, samples }, duration)))
    }
}

fn failed(e: DecodingError) -> Error {
    match e {
        DecodingError::MemoryLimitExceeded => {
            Error::limit("the decoder ran into its memory limit").in_format(ID)
        }
        DecodingError::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => e.into(),
        e => Error::malformed(ID, "the pixels cannot be decoded").because(e),
    }
}
