//! TIFF pixels.

use ::tiff::ColorType;
use ::tiff::decoder::{Decoder, DecodingResult};
use colophon_container::tiff::Tiff as File;
use colophon_core::{Error, ErrorKind, Limits, Result, Source, SourceReader};

use super::ID;
use crate::raster::{Color, Raster, Samples, check_size};

/// The first picture as stored.
///
/// # Errors
/// `Limit`, `Malformed`, and `Unsupported` for kinds of samples that are not handled.
pub(super) fn decode(source: &dyn Source, file: &File, limits: &Limits) -> Result<Raster> {
    let Some(first) = file.directories.first() else {
        return Err(Error::malformed(ID, "there is no directory"));
    };
    let side = |tag| -> Result<u32> {
        let v = file.number(source, first, tag)?.unwrap_or(0);
        u32::try_from(v).map_err(|_| Error::limit(format!("a side of {v} pixels")).in_format(ID))
    };
    let (width, height) = (side(256)?, side(257)?);
    let per_pixel = file.number(source, first, 277)?.unwrap_or(1).clamp(1, 64);
    let bits = file.number(source, first, 258)?.unwrap_or(1).clamp(1, 64);
    check_size(ID, width, height, per_pixel * bits.div_ceil(8), limits)?;
    let mut bounds = ::tiff::decoder::Limits::default();
    bounds.decoding_buffer_size = usize::try_from(limits.decoded_bytes).unwrap_or(usize::MAX);
    bounds.intermediate_buffer_size = bounds.decoding_buffer_size;
    bounds.ifd_value_size = usize::try_from(limits.metadata_bytes).unwrap_or(usize::MAX);
    let input = std::io::BufReader::new(SourceReader::new(source));
    let mut decoder = Decoder::new(input).map_err(failed)?.with_limits(bounds);
    if decoder.dimensions().map_err(failed)? != (width, height) {
        return Err(Error::malformed(ID, "the first directory says two sizes"));
    }
    let planar = file.number(source, first, 284)?.unwrap_or(1);
    if planar != 1 && per_pixel > 1 {
        return Err(Error::unsupported(ID, "pictures in separate planes are not decoded"));
    }
    let kind = decoder.colortype().map_err(failed)?;
    let color = match kind {
        ColorType::Gray(1 | 8 | 16) | ColorType::Palette(8) => Color::Grey,
        ColorType::GrayA(8 | 16) => Color::GreyAlpha,
        ColorType::RGB(8 | 16) => Color::Rgb,
        ColorType::RGBA(8 | 16) => Color::Rgba,
        ColorType::CMYK(8) => Color::Cmyk,
        other => {
            return Err(Error::unsupported(ID, format!("samples of the kind {other:?} are not decoded")));
        }
    };
    let samples = match decoder.read_image().map_err(failed)? {
        DecodingResult::U8(s) => Samples::U8(s),
        DecodingResult::U16(s) => Samples::U16(s),
        _ => return Err(Error::unsupported(ID, "samples that are not whole numbers of 8 or 16 bits")),
    };
    let (color, samples) = match (kind, samples) {
        (ColorType::Palette(_), Samples::U8(s)) => {
            let map = first.field(320).map(|f| file.numbers(source, f, 768)).transpose()?.unwrap_or_default();
            let level = |i: usize| map.get(i).map_or(0, |v| (v >> 8) as u8);
            let third = map.len() / 3;
            let rgb = s
                .iter()
                .map(|i| usize::from(*i))
                .flat_map(|i| [level(i), level(third + i), level(2 * third + i)]);
            (Color::Rgb, Samples::U8(rgb.collect()))
        }
        // One bit a pixel, rows padded to bytes; 1 is white.
        (ColorType::Gray(1), Samples::U8(s)) => {
            let row = (width as usize).div_ceil(8);
            let bit = |line: &[u8], x: usize| line.get(x / 8).is_some_and(|b| b >> (7 - x % 8) & 1 == 1);
            let levels = s
                .chunks_exact(row.max(1))
                .flat_map(|line| (0..width as usize).map(move |x| if bit(line, x) { 255 } else { 0 }));
            (Color::Grey, Samples::U8(levels.collect()))
        }
        // Inks are stored as ink: the full value is all of it.
        (ColorType::CMYK(_), Samples::U8(mut s)) => {
            for v in &mut s {
                *v = 255 - *v;
            }
            (color, Samples::U8(s))
        }
        (_, s) => (color, s),
    };
    let len = match &samples {
        Samples::U8(s) => s.len(),
        Samples::U16(s) => s.len(),
    };
    if len != width as usize * height as usize * color.channels() {
        return Err(Error::malformed(
            ID,
            "the decoder gave another number of pixels than the size announces",
        ));
    }
    Ok(Raster { width, height, color, samples })
}

fn failed(e: ::tiff::TiffError) -> Error {
    use ::tiff::TiffError as E;
    match e {
        E::LimitsExceeded => Error::limit("the decoder ran into its memory limit").in_format(ID),
        E::UnsupportedError(e) => Error::unsupported(ID, "the coding is not decoded").because(e),
        E::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Io, "reading failed").in_format(ID).because(e)
        }
        e => Error::malformed(ID, "the pixels cannot be decoded").because(e),
    }
}
