//! A changed picture back into the file it came from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use colophon_container::exif;
use colophon_container::png::{self, Chunk, Header, Png as File, SIGNATURE};
use colophon_core::{Error, ErrorKind, Limits, Result, Source};

use super::ID;
use super::only::Only;
use crate::raster::{Color, Raster, Samples};

/// Coarsest step that colours of a label are rounded to so that they fit into a palette.
const COARSEST: u8 = 16;

/// Writes the picture with every chunk of the source that is still true. With `palette`, as indices when they suffice.
///
/// # Errors
/// Encoder errors, `Io`.
pub(super) fn write(
    source: &dyn Source,
    file: &File,
    raster: &Raster,
    palette: bool,
    limits: &Limits,
    out: &mut dyn Write,
) -> Result<()> {
    let indexed = if palette { Indexed::of(raster) } else { None };
    let (color, depth) = match &indexed {
        Some(_) => (::png::ColorType::Indexed, ::png::BitDepth::Eight),
        None => form(raster),
    };
    let header = Header {
        width: raster.width,
        height: raster.height,
        depth: depth as u8,
        color: color as u8,
        interlaced: false,
    };

    out.write_all(&SIGNATURE)?;
    let mut pixels_written = false;
    for chunk in &file.chunks {
        match &chunk.id {
            b"IHDR" => {
                let [width, height] = [header.width, header.height].map(u32::to_be_bytes);
                let form = [header.depth, header.color, 0, 0, 0];
                out.write_all(&png::encode(*b"IHDR", &[&width[..], &height[..], &form[..]].concat())?)?;
            }
            b"IDAT" => {
                if std::mem::replace(&mut pixels_written, true) {
                    continue;
                }
                let bytes = match &indexed {
                    Some(indexed) => {
                        out.write_all(&png::encode(*b"PLTE", &indexed.colors)?)?;
                        if !indexed.alpha.is_empty() {
                            out.write_all(&png::encode(*b"tRNS", &indexed.alpha)?)?;
                        }
                        Cow::Borrowed(indexed.indices.as_slice())
                    }
                    None => samples(raster),
                };
                encode(raster, (color, depth), &bytes, &mut Only::new(*b"IDAT", out))?;
            }
            _ => {
                if let Some(bytes) = carried(source, file, chunk, header, limits)? {
                    out.write_all(&bytes)?;
                }
            }
        }
    }
    Ok(())
}

/// The picture as a file of its own, without any metadata.
///
/// # Errors
/// Encoder errors.
pub(super) fn coded(raster: &Raster) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    encode(raster, form(raster), &samples(raster), &mut out)?;
    Ok(out)
}

/// Colour type and depth of the picture without a palette.
fn form(raster: &Raster) -> (::png::ColorType, ::png::BitDepth) {
    let color = match raster.color {
        Color::Grey => ::png::ColorType::Grayscale,
        Color::GreyAlpha => ::png::ColorType::GrayscaleAlpha,
        Color::Rgb => ::png::ColorType::Rgb,
        Color::Rgba | Color::Cmyk => ::png::ColorType::Rgba,
    };
    let depth = match raster.samples {
        Samples::U8(_) => ::png::BitDepth::Eight,
        Samples::U16(_) => ::png::BitDepth::Sixteen,
    };
    (color, depth)
}

/// The samples in the order of the file: the high byte first.
fn samples(raster: &Raster) -> Cow<'_, [u8]> {
    match &raster.samples {
        Samples::U8(s) => Cow::Borrowed(s),
        Samples::U16(s) => s.iter().flat_map(|v| v.to_be_bytes()).collect(),
    }
}

/// A chunk of the source as it goes into the result: `None` when it is no longer true.
pub(super) fn carried(
    source: &dyn Source,
    file: &File,
    chunk: &Chunk,
    new: Header,
    limits: &Limits,
) -> Result<Option<Vec<u8>>> {
    let old = file.header;
    let same = (old.color, old.depth) == (new.color, new.depth);
    let whole =
        || Ok(Some(source.bytes(chunk.range.start, chunk.range.end - chunk.range.start)?.into_owned()));
    match &chunk.id {
        // Written anew, or resolved into the pixels.
        b"PLTE" | b"tRNS" | b"hIST" => Ok(None),
        b"sBIT" if !same => Ok(None),
        b"bKGD" if !same => {
            let data = file.data(source, chunk, limits)?;
            match background(source, file, &data, new)? {
                Some(data) => png::encode(chunk.id, &data).map(Some),
                None => Ok(None),
            }
        }
        b"bKGD" if new.color == 3 => Ok(None),
        // The thumbnail would show the picture as it was.
        b"eXIf" => {
            let data = file.data(source, chunk, limits)?;
            match exif::without_thumbnail(&data, limits).ok().flatten() {
                Some(data) => png::encode(chunk.id, &data).map(Some),
                None => whole(),
            }
        }
        _ => whole(),
    }
}

/// The background colour in terms of the new colour type (PNG third edition, 11.3.4.1).
fn background(source: &dyn Source, file: &File, data: &[u8], new: Header) -> Result<Option<Vec<u8>>> {
    let wide = |levels: &[u8]| levels.iter().flat_map(|v| [0, *v]).collect::<Vec<u8>>();
    Ok(match (file.header.color, new.color, data) {
        (3, 2 | 6, [index]) => {
            let Some(palette) = file.of(*b"PLTE").next() else { return Ok(None) };
            let palette = source.bytes(palette.data.start, palette.data.end - palette.data.start)?;
            palette.chunks_exact(3).nth(usize::from(*index)).map(wide)
        }
        (0, 0 | 4, [_, level]) if new.depth == 8 && file.header.depth < 8 => {
            let top = (1_u16 << file.header.depth) - 1;
            Some(wide(&[(u16::from(*level).min(top) * 255 / top) as u8]))
        }
        // Grey with a transparent colour to grey and alpha, and the same for RGB: the form does not change.
        (0, 4, _) | (2, 6, _) => Some(data.to_vec()),
        _ => None,
    })
}

/// How hard and in which way pixels are compressed.
#[derive(Clone, Copy)]
enum Effort {
    /// The fast coder of the library, with a filter chosen for every row: right for photographs.
    Fast,
    /// Deflate at its lowest level without filters: right for text, screens and flat art, which repeat themselves.
    Repeating,
    /// Deflate at its lowest level with filters: right for smooth drawings.
    Smooth,
    /// Deflate at its usual level: for palettes, which are small.
    Indices,
}

fn encode(
    raster: &Raster,
    (color, depth): (::png::ColorType, ::png::BitDepth),
    bytes: &[u8],
    out: &mut dyn Write,
) -> Result<()> {
    let coding = Coding { width: raster.width, color, depth };
    let effort = match color {
        ::png::ColorType::Indexed => Effort::Indices,
        _ => coding.effort(raster.height, bytes)?,
    };
    coding.encode(raster.height, bytes, effort, out)
}

/// The form of coded rows.
#[derive(Clone, Copy)]
struct Coding {
    width: u32,
    color: ::png::ColorType,
    depth: ::png::BitDepth,
}

impl Coding {
    /// Tries the ways on a few bands of the picture. The fast one is left when another saves a fifth, which is not even tried
    /// where the fast one leaves more than a fifth of the bytes, as with photographs: there it never did.
    fn effort(self, height: u32, bytes: &[u8]) -> Result<Effort> {
        /// Bands that are tried, and rows in each.
        const BANDS: (usize, usize) = (4, 8);
        let rows = height as usize;
        let row = bytes.len() / rows.max(1);
        let (bands, high) = BANDS;
        let mut sample = Vec::with_capacity(bands * high * row);
        if rows > 4 * bands * high {
            for band in 0..bands {
                let first = (2 * band + 1) * rows / (2 * bands);
                sample.extend_from_slice(bytes.get(first * row..(first + high) * row).unwrap_or_default());
            }
        } else {
            sample.extend_from_slice(bytes);
        }
        let height = sample.len().checked_div(row).unwrap_or(0) as u32;
        let size = |effort| {
            let mut coded = Vec::with_capacity(sample.len() / 2);
            self.encode(height, &sample, effort, &mut coded).map(|()| coded.len())
        };
        let fast = size(Effort::Fast)?;
        if fast > sample.len() / 5 {
            return Ok(Effort::Fast);
        }
        let mut best = (Effort::Fast, fast * 4 / 5);
        for effort in [Effort::Repeating, Effort::Smooth] {
            let len = size(effort)?;
            if len < best.1 {
                best = (effort, len);
            }
        }
        Ok(best.0)
    }

    /// A whole file.
    fn encode(self, height: u32, bytes: &[u8], effort: Effort, out: &mut dyn Write) -> Result<()> {
        use ::png::{Compression, DeflateCompression, Filter};
        let mut encoder = ::png::Encoder::new(out, self.width, height);
        encoder.set_color(self.color);
        encoder.set_depth(self.depth);
        if self.color == ::png::ColorType::Indexed {
            // The palette is written by hand: the encoder only has to believe that there is one.
            encoder.set_palette(vec![0; 768]);
        }
        let (level, filter) = match effort {
            Effort::Fast => (None, Filter::Adaptive),
            Effort::Repeating => (Some(1), Filter::NoFilter),
            Effort::Smooth => (Some(1), Filter::Adaptive),
            Effort::Indices => (Some(6), Filter::NoFilter),
        };
        encoder.set_compression(Compression::Fast);
        if let Some(level) = level {
            encoder.set_deflate_compression(DeflateCompression::Level(level));
        }
        encoder.set_filter(filter);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(bytes).map_err(failed)?;
        writer.finish().map_err(failed)
    }
}

fn failed(e: ::png::EncodingError) -> Error {
    match e {
        ::png::EncodingError::IoError(e) => e.into(),
        e => Error::new(ErrorKind::Unsupported, "the pixels cannot be encoded").in_format(ID).because(e),
    }
}

/// A picture of at most 256 colours.
struct Indexed {
    colors: Vec<u8>,
    /// Alpha of the first colours; the rest is opaque.
    alpha: Vec<u8>,
    indices: Vec<u8>,
}

impl Indexed {
    /// The picture as indices: exactly, or with the colours that only a few pixels have rounded a little. `None` when
    /// that does not suffice.
    fn of(raster: &Raster) -> Option<Self> {
        let Samples::U8(samples) = &raster.samples else { return None };
        let pixel = |p: &[u8]| match *p {
            [r, g, b] => Some([r, g, b, 255]),
            [r, g, b, a] => Some([r, g, b, a]),
            _ => None,
        };
        let mut counts: BTreeMap<[u8; 4], u32> = BTreeMap::new();
        for p in samples.chunks_exact(raster.color.channels()) {
            *counts.entry(pixel(p)?).or_default() += 1;
            // A label adds some thousand colours at most; a photograph is not worth counting out.
            if counts.len() > 1 << 16 {
                return None;
            }
        }
        // The most frequent colours are the picture's own: they are kept exactly.
        let mut by_count: Vec<[u8; 4]> = counts.keys().copied().collect();
        by_count.sort_by_key(|c| std::cmp::Reverse(counts.get(c).copied()));
        let mut step = 1_u8;
        let (colors, place) = loop {
            let kept = if step == 1 { by_count.len() } else { 192.min(by_count.len()) };
            let mut place: BTreeMap<[u8; 4], usize> = BTreeMap::new();
            let mut colors: BTreeMap<[u8; 4], usize> = BTreeMap::new();
            for (i, color) in by_count.iter().enumerate() {
                let rounded = if i < kept { *color } else { color.map(|v| round(v, step)) };
                let next = colors.len();
                place.insert(*color, *colors.entry(rounded).or_insert(next));
            }
            if colors.len() <= 256 {
                break (colors, place);
            }
            if step >= COARSEST {
                return None;
            }
            step *= 2;
        };
        let mut table = vec![[0; 4]; colors.len()];
        // Transparent colours first: `tRNS` then covers only them.
        let mut order: Vec<(&[u8; 4], &usize)> = colors.iter().collect();
        order.sort_by_key(|(c, at)| (c.last() == Some(&255), **at));
        let mut moved = vec![0_u8; colors.len()];
        for (new, (color, old)) in order.into_iter().enumerate() {
            *table.get_mut(new)? = *color;
            *moved.get_mut(*old)? = new as u8;
        }
        let indices = samples
            .chunks_exact(raster.color.channels())
            .map(|p| pixel(p).and_then(|c| place.get(&c)).and_then(|at| moved.get(*at)).copied())
            .collect::<Option<Vec<u8>>>()?;
        let colors = table.iter().flat_map(|c| c.iter().take(3).copied()).collect();
        let alpha = table.iter().filter_map(|c| c.last().copied()).take_while(|a| *a < 255).collect();
        Some(Self { colors, alpha, indices })
    }
}

/// The nearest multiple of `step`, at most 255.
fn round(value: u8, step: u8) -> u8 {
    let step = u16::from(step);
    ((u16::from(value) + step / 2) / step * step).min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(pixels: &[[u8; 4]]) -> Raster {
        Raster {
            width: pixels.len() as u32,
            height: 1,
            color: Color::Rgba,
            samples: Samples::U8(pixels.concat()),
        }
    }

    fn colors(indexed: &Indexed) -> Vec<[u8; 4]> {
        let alpha = |i: u8| indexed.alpha.get(usize::from(i)).copied().unwrap_or(255);
        let color = |i: u8| {
            let c = &indexed.colors[usize::from(i) * 3..][..3];
            [c[0], c[1], c[2], alpha(i)]
        };
        indexed.indices.iter().map(|i| color(*i)).collect()
    }

    #[test]
    fn few_colours_are_kept_exactly_with_alpha() {
        let pixels = [[1, 2, 3, 255], [9, 9, 9, 0], [1, 2, 3, 255], [5, 5, 5, 128]];
        let indexed = Indexed::of(&raster(&pixels)).unwrap();
        assert_eq!(colors(&indexed), pixels);
        assert_eq!(indexed.alpha.len(), 2);
    }

    #[test]
    fn many_rare_colours_are_rounded_and_frequent_ones_kept() {
        let mut pixels = vec![[201, 33, 47, 255]; 1000];
        pixels.extend((0..=255).map(|v| [v, v, v, 255]));
        pixels.extend((0..=255).map(|v| [v, v, 255, 255]));
        let indexed = Indexed::of(&raster(&pixels)).unwrap();
        for (before, after) in pixels.iter().zip(colors(&indexed)) {
            assert!(
                before.iter().zip(after).all(|(b, a)| b.abs_diff(a) <= COARSEST / 2),
                "{before:?} {after:?}"
            );
        }
        assert_eq!(colors(&indexed)[0], pixels[0]);
    }

    #[test]
    fn a_photograph_is_no_palette() {
        let pixels: Vec<[u8; 4]> =
            (0..40_000_u32).map(|i| [(i * 7) as u8, (i >> 5) as u8, ((i * 13) >> 3) as u8, 255]).collect();
        assert!(Indexed::of(&raster(&pixels)).is_none());
    }
}
