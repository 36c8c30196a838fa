//! JPEG pixels.

use colophon_container::jpeg::{Jpeg as File, marker};
use colophon_core::{Error, Limits, Result, Source};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::ID;
use crate::raster::{Color, Raster, Samples, check_size};

/// How the stored components become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    /// One component.
    Grey,
    /// Luma and chroma (JFIF).
    Ycc,
    /// Red, green and blue as they are (Adobe transform 0).
    Rgb,
    /// Four inks as they are; `inverted` as Adobe stores them: the full value is no ink.
    Cmyk {
        /// Stored as light.
        inverted: bool,
    },
    /// Inks as luma, chroma and black (Adobe transform 2).
    Ycck,
}

/// The stored picture, as grey, RGB or inks.
///
/// # Errors
/// `Limit`, `Malformed`, and `Unsupported` for lossless, hierarchical and arithmetic coding and for 12 bits.
pub(super) fn decode(source: &dyn Source, file: &File, limits: &Limits) -> Result<(Raster, Transform)> {
    decode_as(source, file, false, limits)
}

/// The same with nothing but the brightness, where it is stored apart from the colours: the rest costs half the time.
///
/// # Errors
/// As [`decode`].
pub(super) fn brightness(source: &dyn Source, file: &File, limits: &Limits) -> Result<Raster> {
    Ok(decode_as(source, file, true, limits)?.0)
}

fn decode_as(
    source: &dyn Source,
    file: &File,
    brightness: bool,
    limits: &Limits,
) -> Result<(Raster, Transform)> {
    let frame = &file.frame;
    if !matches!(frame.marker, 0xc0..=0xc2) || frame.precision != 8 {
        let text = format!("coding SOF{} with {} bits is not decoded", frame.marker & 0xf, frame.precision);
        return Err(Error::unsupported(ID, text));
    }
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    // A progressive picture is held as 16-bit coefficients while it is decoded.
    let bytes = frame.components.len() as u64 * if frame.marker == 0xc2 { 3 } else { 1 };
    check_size(ID, width, height, bytes, limits)?;
    let all = source.all(limits.input_bytes)?;
    // Previews behind the end are no business of the decoder.
    let picture = all.get(..file.end as usize).unwrap_or(&all);
    let options = DecoderOptions::default()
        .set_max_width(usize::from(frame.width))
        .set_max_height(usize::from(frame.height))
        .jpeg_set_max_scans(256);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(picture), options);
    decoder.decode_headers().map_err(failed)?;
    let stored = decoder.input_colorspace();
    let (transform, output) = match (frame.components.len(), stored) {
        (1, _) => (Transform::Grey, ColorSpace::Luma),
        (3, Some(ColorSpace::RGB)) => (Transform::Rgb, ColorSpace::RGB),
        (3, _) => (Transform::Ycc, ColorSpace::RGB),
        (4, Some(ColorSpace::YCCK)) => (Transform::Ycck, ColorSpace::YCCK),
        (4, _) => (Transform::Cmyk { inverted: adobe(source, file)? }, ColorSpace::CMYK),
        (n, _) => return Err(Error::unsupported(ID, format!("a picture of {n} components is not decoded"))),
    };
    let output = if brightness && transform == Transform::Ycc { ColorSpace::Luma } else { output };
    // zune-jpeg 0.5 gives wrong pixels, and no error, for sequential pictures whose components have scans of their own.
    let scans = file.segments.iter().filter(|s| s.marker == marker::SOS).count();
    let mut all_of_it = true;
    let mut samples = if frame.marker != 0xc2 && scans > 1 {
        separate(picture, limits)?
    } else {
        all_of_it = output != ColorSpace::Luma;
        decoder.set_options(options.jpeg_set_out_colorspace(output));
        decoder.decode().map_err(failed)?
    };
    let color = match transform {
        Transform::Ycc if !all_of_it => Color::Grey,
        Transform::Grey => Color::Grey,
        Transform::Ycc | Transform::Rgb => Color::Rgb,
        Transform::Cmyk { inverted } => {
            if !inverted {
                for v in &mut samples {
                    *v = 255 - *v;
                }
            }
            Color::Cmyk
        }
        Transform::Ycck => {
            samples.chunks_exact_mut(4).for_each(to_inks);
            Color::Cmyk
        }
    };
    if samples.len() != width as usize * height as usize * color.channels() {
        return Err(Error::malformed(ID, "the decoder gave fewer pixels than the header announces"));
    }
    Ok((Raster { width, height, color, samples: Samples::U8(samples) }, transform))
}

/// A sequential picture in several scans, by the decoder that reads them: grey or colours.
fn separate(picture: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let bad = |e: jpeg_decoder::Error| Error::malformed(ID, "the pixels cannot be decoded").because(e);
    let mut decoder = jpeg_decoder::Decoder::new(picture);
    decoder.set_max_decoding_buffer_size(usize::try_from(limits.decoded_bytes).unwrap_or(usize::MAX));
    decoder.read_info().map_err(bad)?;
    match decoder.info().map(|i| i.pixel_format) {
        Some(jpeg_decoder::PixelFormat::L8 | jpeg_decoder::PixelFormat::RGB24) => {
            decoder.decode().map_err(bad)
        }
        _ => Err(Error::unsupported(ID, "inks in several scans are not decoded").at_place("SOS")),
    }
}

/// Whether there is an Adobe segment: its writers store inks as light.
fn adobe(source: &dyn Source, file: &File) -> Result<bool> {
    for s in file.segments.iter().filter(|s| s.marker == marker::APP14) {
        if s.bytes(source)?.starts_with(b"Adobe") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One pixel of luma, chroma and black as inks. Luma and chroma code the reverse of the stored inks (Adobe Technical
/// Note 5116, section 18).
fn to_inks(p: &mut [u8]) {
    let [y, b, r, _] = p else { return };
    let (l, cb, cr) = (f32::from(*y), f32::from(*b) - 128.0, f32::from(*r) - 128.0);
    let level = |v: f32| 255 - (v + 0.5).clamp(0.0, 255.0) as u8;
    // T.871, clause 7.
    *y = level(l + 1.402 * cr);
    *b = level(l - 0.344_136 * cb - 0.714_136 * cr);
    *r = level(l + 1.772 * cb);
}

fn failed(e: zune_jpeg::errors::DecodeErrors) -> Error {
    use zune_jpeg::errors::DecodeErrors as E;
    match e {
        E::LargeDimensions(_) => Error::limit("the picture is too large").in_format(ID),
        E::Unsupported(_) => Error::unsupported(ID, "the coding is not decoded").because(format!("{e:?}")),
        e => Error::malformed(ID, "the pixels cannot be decoded").because(format!("{e:?}")),
    }
}
