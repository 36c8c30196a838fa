//! A changed picture back into the file it came from.

use std::io::Write;

use colophon_container::jpeg::{self, Jpeg as File, is_application, marker, preview};
use colophon_core::{Error, ErrorKind, Limits, PictureEncoding, RenderCx, Result, Source};
use jpeg_encoder::{
    ChromaSubsamplingMethod, ColorType, Encoder, ImageBuffer, JpegColorType, QuantizationTableType,
    SamplingFactor, rgb_to_ycbcr,
};

use super::decode::Transform;
use super::{ID, quality};
use crate::raster::{Raster, Samples};

/// Order in which the coefficients of a table stand in the file (T.81, figure A.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];
/// The AC table of luma that every encoder without optimisation writes begins so (T.81, table K.5).
const STANDARD_AC: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d];

/// Writes the picture with the source's tables, subsampling and kind of coding, and with every application segment of
/// the source but previews. What stood behind the end of the picture goes: further pictures would show the old one.
///
/// # Errors
/// Encoder errors, `Io`.
pub(super) fn write(
    source: &dyn Source,
    file: &File,
    raster: &Raster,
    transform: Transform,
    cx: &RenderCx<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    let mut coded = encode(source, file, raster, transform, cx.tools.picture)?;
    let made = jpeg::walk(&coded, &Limits::default())?;
    rename_components(file, &made, &mut coded);

    out.write_all(&[0xff, marker::SOI])?;
    for segment in file.segments.iter().filter(|s| is_application(s.marker)) {
        if let Some(bytes) = preview::without(segment, source, cx.limits)? {
            out.write_all(&bytes)?;
        }
    }
    for range in &made.coded {
        out.write_all(coded.get(range.start as usize..range.end as usize).unwrap_or_default())?;
    }
    out.write_all(&[0xff, marker::EOI])?;
    Ok(())
}

fn encode(
    source: &dyn Source,
    file: &File,
    raster: &Raster,
    transform: Transform,
    encoding: PictureEncoding,
) -> Result<Vec<u8>> {
    let Samples::U8(samples) = &raster.samples else {
        return Err(Error::unsupported(ID, "16 bits per sample cannot be written"));
    };
    let tables = tables(source, file)?;
    let table = |component: usize| {
        let id = file.frame.components.get(component).map_or(0, |c| c.table);
        tables.get(usize::from(id)).and_then(Option::as_ref).copied()
    };
    // Inks are written with the luma table for black and the chroma table for the rest.
    let (first, second) = match transform {
        Transform::Cmyk { .. } => (table(3), table(0)),
        _ => (table(0), table(1).or(table(0))),
    };
    let missing = || Error::malformed(ID, "a component has no quantisation table").at_place("DQT");
    let (mut first, mut second) = (first.ok_or_else(missing)?, second.or(first).ok_or_else(missing)?);
    if let Some(quality) = encoding.least_quality {
        quality::at_least(&mut first, &quality::LUMA, quality);
        quality::at_least(&mut second, &quality::CHROMA, quality);
    }

    let mut out = Vec::with_capacity(samples.len() / 4 + 1024);
    let mut encoder = Encoder::new(&mut out, 90);
    encoder.set_quantization_tables(
        QuantizationTableType::Custom(Box::new(first)),
        QuantizationTableType::Custom(Box::new(second)),
    );
    encoder.set_sampling_factor(sampling(file, transform));
    // What decoders reverse by smooth interpolation, and what other encoders do.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    let progressive = file.frame.marker == 0xc2;
    if progressive {
        encoder.set_progressive(true);
    }
    // With tables of its own the encoder writes a scan for each component of a sequential picture, which `decode`
    // refuses and other readers meet rarely. One interleaved scan with the standard tables is a few percent larger.
    let one_scan = progressive || transform == Transform::Grey;
    encoder.set_optimized_huffman_tables(one_scan && optimised(source, file)?);
    if let Some(interval) = restart_interval(source, file)? {
        encoder.set_restart_interval(interval);
    }
    // A strip makes the picture higher than the source.
    let side = |v: u32| {
        u16::try_from(v)
            .map_err(|_| Error::unsupported(ID, "a JPEG picture has at most 65535 rows and columns"))
    };
    let (width, height) = (side(raster.width)?, side(raster.height)?);
    let planes = Planes { samples, width, height, transform };
    match transform {
        Transform::Grey => encoder.encode(samples, width, height, ColorType::Luma),
        Transform::Ycc => encoder.encode(samples, width, height, ColorType::Rgb),
        Transform::Rgb | Transform::Cmyk { .. } | Transform::Ycck => encoder.encode_image(planes),
    }
    .map_err(|e| {
        Error::new(ErrorKind::Unsupported, "the pixels cannot be encoded").in_format(ID).because(e)
    })?;
    Ok(out)
}

/// The last definition of each quantisation table, natural order. The encoder writes 8-bit tables: larger steps, which
/// only qualities below 5 have, are cut to 255.
fn tables(source: &dyn Source, file: &File) -> Result<[Option<[u16; 64]>; 4]> {
    let mut tables = [None; 4];
    for s in file.segments.iter().filter(|s| s.marker == marker::DQT) {
        let bytes = s.bytes(source)?;
        let mut rest = &*bytes;
        while let Some((head, values)) = rest.split_first() {
            let width = if head >> 4 == 0 { 1 } else { 2 };
            let Some((values, behind)) = values.split_at_checked(64 * width) else { break };
            let mut table = [1_u16; 64];
            for (value, place) in values.chunks_exact(width).zip(ZIGZAG) {
                let value = value.iter().fold(0_u16, |n, b| n << 8 | u16::from(*b));
                if let Some(t) = table.get_mut(usize::from(place)) {
                    *t = value.clamp(1, 255);
                }
            }
            if let Some(slot) = tables.get_mut(usize::from(head & 0xf)) {
                *slot = Some(table);
            }
            rest = behind;
        }
    }
    Ok(tables)
}

/// The subsampling of chroma relative to luma, as far as the encoder has it; else none.
fn sampling(file: &File, transform: Transform) -> SamplingFactor {
    let c = &file.frame.components;
    let ratio = || {
        let (luma, chroma) = (c.first()?, c.get(1)?);
        let whole = |a: u8, b: u8| a.is_multiple_of(b).then(|| a / b);
        SamplingFactor::from_factors(
            whole(luma.horizontal, chroma.horizontal)?,
            whole(luma.vertical, chroma.vertical)?,
        )
    };
    match transform {
        // Ratios of four cannot be interleaved by the encoder; full chroma loses nothing.
        Transform::Ycc | Transform::Ycck => ratio()
            .filter(|f| !matches!(f, SamplingFactor::F_4_1 | SamplingFactor::F_4_2))
            .unwrap_or(SamplingFactor::F_1_1),
        _ => SamplingFactor::F_1_1,
    }
}

/// Whether the source was written with Huffman tables of its own.
fn optimised(source: &dyn Source, file: &File) -> Result<bool> {
    for s in file.segments.iter().filter(|s| s.marker == 0xc4) {
        let bytes = s.bytes(source)?;
        let mut rest = &*bytes;
        while let Some((head, behind)) = rest.split_first() {
            let Some((counts, behind)) = behind.split_at_checked(16) else { break };
            if *head == 0x10 {
                return Ok(counts != STANDARD_AC);
            }
            let values: usize = counts.iter().map(|c| usize::from(*c)).sum();
            rest = behind.get(values..).unwrap_or_default();
        }
    }
    Ok(true)
}

/// The restart interval in units of the new scan, when the source has one.
fn restart_interval(source: &dyn Source, file: &File) -> Result<Option<u16>> {
    let Some(s) = file.segments.iter().rev().find(|s| s.marker == 0xdd) else { return Ok(None) };
    Ok(s.bytes(source)?.first_chunk().map(|b| u16::from_be_bytes(*b)).filter(|n| *n > 0))
}

/// Gives the components of the new frame the identifiers of the source: some readers take colours from them.
fn rename_components(file: &File, made: &File, coded: &mut [u8]) {
    let names: Vec<(u8, u8)> =
        made.frame.components.iter().zip(&file.frame.components).map(|(new, old)| (new.id, old.id)).collect();
    let mut rename = |at: u64| {
        if let Some(id) = coded.get_mut(at as usize)
            && let Some((_, old)) = names.iter().find(|(new, _)| new == id)
        {
            *id = *old;
        }
    };
    for s in &made.segments {
        match s.marker {
            // Behind precision, height, width and count, three bytes for each component.
            0xc0..=0xc2 => (0..names.len() as u64).for_each(|i| rename(s.data.start + 6 + 3 * i)),
            // Behind the count, two bytes for each component; three bytes follow.
            marker::SOS => {
                let count = (s.data.end - s.data.start).saturating_sub(4) / 2;
                (0..count).for_each(|i| rename(s.data.start + 1 + 2 * i));
            }
            _ => {}
        }
    }
}

/// Samples that go into the frame without the encoder's own colour conversion.
struct Planes<'a> {
    samples: &'a [u8],
    width: u16,
    height: u16,
    transform: Transform,
}

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        match self.transform {
            Transform::Grey => JpegColorType::Luma,
            Transform::Ycc | Transform::Rgb => JpegColorType::Ycbcr,
            Transform::Cmyk { .. } => JpegColorType::Cmyk,
            Transform::Ycck => JpegColorType::Ycck,
        }
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let channels = if self.transform == Transform::Rgb { 3 } else { 4 };
        let len = usize::from(self.width) * channels;
        let row = self.samples.chunks_exact(len).nth(usize::from(y)).unwrap_or_default();
        let [a, b, c, d] = buffers;
        for p in row.chunks_exact(channels) {
            match (p, self.transform) {
                (&[r, g, bl], _) => {
                    a.push(r);
                    b.push(g);
                    c.push(bl);
                }
                (&[r, g, bl, k], Transform::Ycck) => {
                    let (y, cb, cr) = rgb_to_ycbcr(255 - r, 255 - g, 255 - bl);
                    a.push(y);
                    b.push(cb);
                    c.push(cr);
                    d.push(k);
                }
                (&[r, g, bl, k], transform) => {
                    let inverted = transform != (Transform::Cmyk { inverted: false });
                    let level = |v: u8| if inverted { v } else { 255 - v };
                    a.push(level(r));
                    b.push(level(g));
                    c.push(level(bl));
                    d.push(level(k));
                }
                _ => {}
            }
        }
    }
}
