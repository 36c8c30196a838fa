//! A changed picture back into the file it came from.

use std::io::Write;

use colophon_container::exif;
use colophon_container::riff::{self, Chunk};
use colophon_container::webp::{self, EXIF, VP8X, Webp as File, flag};
use colophon_core::{Error, ErrorKind, Limits, PictureEncoding, Result, Source};

use super::{ID, exif_block, value};
use crate::raster::{Color, Raster, Samples};

/// Effort of the lossy encoder, 0 to 6: what the reference program takes by default.
const METHOD: i32 = 4;

/// Collects frames and writes the file around them.
pub(super) struct Writer<'a> {
    source: &'a dyn Source,
    file: &'a File,
    /// Chunks of the picture, or one `ANMF` chunk for every frame.
    coded: Vec<u8>,
    alpha: bool,
    /// Size of the canvas: the source's, or larger with a strip.
    size: (u32, u32),
    encoding: PictureEncoding,
}

impl<'a> Writer<'a> {
    pub(super) fn new(source: &'a dyn Source, file: &'a File, encoding: PictureEncoding) -> Self {
        Self { source, file, coded: Vec::new(), alpha: false, size: (file.width, file.height), encoding }
    }

    fn animated(&self) -> bool {
        self.file.of(*b"ANMF").next().is_some()
    }

    /// Adds a frame that fills the canvas.
    ///
    /// # Errors
    /// Encoder errors.
    pub(super) fn frame(&mut self, raster: &Raster, duration: u32, limits: &Limits) -> Result<()> {
        self.size = (raster.width, raster.height);
        if raster.width.max(raster.height) > 16_383 {
            return Err(Error::unsupported(ID, "a WebP picture has at most 16383 rows and columns"));
        }
        let made = self.encode(raster)?;
        let walked = webp::walk(&made, limits)?;
        self.alpha |= walked.alpha;
        let mut picture = Vec::new();
        for chunk in walked.riff.chunks.iter().filter(|c| matches!(&c.id, b"ALPH" | b"VP8 " | b"VP8L")) {
            picture.extend_from_slice(
                made.get(chunk.range.start as usize..chunk.range.end as usize).unwrap_or_default(),
            );
        }
        if self.animated() {
            // Place 0, 0; the frame replaces what was there and stays (RFC 9649, 2.7.1.1).
            let mut frame = vec![0; 6];
            let [_, _, _, _, size @ ..] = webp::header(0, raster.width, raster.height);
            frame.extend_from_slice(&size);
            frame.extend(duration.min(0x00ff_ffff).to_le_bytes().iter().take(3));
            frame.push(0b10);
            frame.extend_from_slice(&picture);
            picture = riff::encode(*b"ANMF", &frame)?;
        }
        self.coded.extend_from_slice(&picture);
        Ok(())
    }

    /// Writes everything.
    ///
    /// # Errors
    /// `Io`, `Limit`.
    pub(super) fn finish(self, limits: &Limits, out: &mut dyn Write) -> Result<()> {
        let mut body = b"WEBP".to_vec();
        let mut coded = Some(&self.coded);
        if let Some(flags) = self.file.flags {
            let flags = if self.alpha { flags | flag::ALPHA } else { flags & !flag::ALPHA };
            body.extend(riff::encode(VP8X, &webp::header(flags, self.size.0, self.size.1))?);
        }
        for chunk in &self.file.riff.chunks {
            match &chunk.id {
                b"VP8X" => {}
                b"VP8 " | b"VP8L" | b"ALPH" | b"ANMF" => {
                    if let Some(coded) = coded.take() {
                        body.extend_from_slice(coded);
                    }
                }
                _ => body.extend(self.carried(chunk, limits)?),
            }
        }
        let len = u32::try_from(body.len()).map_err(|_| Error::limit("more than 4 GiB").in_format(ID))?;
        out.write_all(b"RIFF")?;
        out.write_all(&len.to_le_bytes())?;
        out.write_all(&body)?;
        Ok(())
    }

    /// A chunk of the source; an Exif block without its thumbnail, which would show the picture as it was.
    fn carried(&self, chunk: &Chunk, limits: &Limits) -> Result<Vec<u8>> {
        if chunk.id == EXIF {
            let (at, block) = exif_block(self.source, &chunk.data, limits)?;
            if let Some(block) = exif::without_thumbnail(&block, limits).ok().flatten() {
                let mut data = value(self.source, &(chunk.data.start..at), "EXIF", limits)?;
                data.extend(block);
                return riff::encode(EXIF, &data);
            }
        }
        let data = self.source.bytes(chunk.data.start, chunk.data.end - chunk.data.start)?;
        riff::encode(chunk.id, &data)
    }

    fn encode(&self, raster: &Raster) -> Result<Vec<u8>> {
        let refused = |why: &str| Error::new(ErrorKind::Unsupported, why).in_format(ID);
        let Samples::U8(samples) = &raster.samples else {
            return Err(refused("16 bits per sample cannot be written"));
        };
        let encoder = match raster.color {
            Color::Rgb => ::webp::Encoder::from_rgb(samples, raster.width, raster.height),
            Color::Rgba => ::webp::Encoder::from_rgba(samples, raster.width, raster.height),
            _ => return Err(refused("only colour pictures can be written")),
        };
        let mut config =
            ::webp::WebPConfig::new().map_err(|()| refused("the encoder does not fit its library"))?;
        config.method = METHOD;
        // Colours under full transparency are part of the picture.
        config.exact = 1;
        if self.file.lossless {
            config.lossless = 1;
            // For lossless coding this is effort, not quality.
            config.quality = 50.0;
            config.method = 2;
        } else {
            let least = self.encoding.least_quality.map_or(0.0, f32::from);
            config.quality = quality(self.source, self.file)?.max(least).min(100.0);
            config.alpha_quality = 100;
        }
        let made = encoder.encode_advanced(&config);
        let made = made.map_err(|e| refused("the pixels cannot be encoded").because(format!("{e:?}")))?;
        Ok(made.to_vec())
    }
}

/// The quality at which the reference encoder would have taken the quantiser of the source's first frame.
///
/// The encoder maps quality q (0 to 1) to c = (2q - 1, or 2q/3 below 0.75)^(1/3) and takes 127 (1 - c) as the base
/// quantiser (libwebp, quant_enc.c); this is the reverse. Without a readable header: 90.
fn quality(source: &dyn Source, file: &File) -> Result<f32> {
    let Some(at) = key_frame(source, file)? else { return Ok(90.0) };
    let head = source.bytes_up_to(at + 10, 64)?;
    let Some(quantiser) = base_quantiser(&head) else { return Ok(90.0) };
    let linear = (1.0 - f32::from(quantiser) / 127.0).powi(3);
    let quality = if linear < 0.5 { linear * 1.5 } else { f32::midpoint(linear, 1.0) };
    Ok((quality * 100.0).clamp(1.0, 100.0))
}

/// Where the first lossy key frame begins.
fn key_frame(source: &dyn Source, file: &File) -> Result<Option<u64>> {
    if let Some(chunk) = file.of(*b"VP8 ").next() {
        return Ok(Some(chunk.data.start));
    }
    let Some(frame) = file.of(*b"ANMF").next() else { return Ok(None) };
    let mut at = frame.data.start + 16;
    while at + 8 <= frame.data.end {
        let head = source.bytes(at, 8)?;
        let (Some(id), Some(size)) = (head.first_chunk::<4>(), head.last_chunk::<4>()) else { break };
        if id == b"VP8 " {
            return Ok(Some(at + 8));
        }
        let size = u64::from(u32::from_le_bytes(*size));
        at += 8 + size + (size & 1);
    }
    Ok(None)
}

/// The base quantiser index from the first bytes of the first partition (RFC 6386, 9.2 to 9.6, 19.2).
fn base_quantiser(partition: &[u8]) -> Option<u8> {
    let mut bits = BoolReader::new(partition)?;
    bits.literal(2)?; // colour space, clamping
    if bits.literal(1)? == 1 {
        // Segmentation: whether the map and the data follow.
        let (map, data) = (bits.literal(1)?, bits.literal(1)?);
        let mut quantisers = Vec::new();
        if data == 1 {
            let absolute = bits.literal(1)? == 1;
            for width in [7, 6] {
                for _ in 0..4 {
                    let value = if bits.literal(1)? == 1 {
                        Some((bits.literal(width)?, bits.literal(1)?))
                    } else {
                        None
                    };
                    if width == 7 && absolute {
                        quantisers.push(value.map_or(0, |(v, _)| v));
                    }
                }
            }
        }
        if map == 1 {
            for _ in 0..3 {
                if bits.literal(1)? == 1 {
                    bits.literal(8)?;
                }
            }
        }
        if let Some(mean) = quantisers.iter().sum::<u32>().checked_div(quantisers.len() as u32) {
            return u8::try_from(mean).ok();
        }
    }
    bits.literal(10)?; // filter type, level, sharpness
    if bits.literal(1)? == 1 && bits.literal(1)? == 1 {
        for _ in 0..8 {
            if bits.literal(1)? == 1 {
                bits.literal(7)?;
            }
        }
    }
    bits.literal(2)?; // number of partitions
    u8::try_from(bits.literal(7)?).ok()
}

/// The arithmetic decoder of VP8 for even odds (RFC 6386, 7.3).
struct BoolReader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    value: u32,
    range: u32,
    count: u32,
}

impl<'a> BoolReader<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut bytes = bytes.iter();
        let value = u32::from(*bytes.next()?) << 8 | u32::from(*bytes.next()?);
        Some(Self { bytes, value, range: 255, count: 0 })
    }

    /// `n` bits, most significant first.
    fn literal(&mut self, n: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..n {
            value = value << 1 | self.bit()?;
        }
        Some(value)
    }

    fn bit(&mut self) -> Option<u32> {
        let split = 1 + (((self.range - 1) * 128) >> 8);
        let bit = if self.value >= split << 8 {
            self.range -= split;
            self.value -= split << 8;
            1
        } else {
            self.range = split;
            0
        };
        while self.range < 128 {
            self.value <<= 1;
            self.range <<= 1;
            self.count += 1;
            if self.count == 8 {
                self.count = 0;
                self.value |= u32::from(*self.bytes.next()?);
            }
        }
        Some(bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quality_of_the_reference_encoder_is_found_again() {
        let samples: Vec<u8> = (0..96 * 96 * 3).map(|i| (i * i / 97 % 251) as u8).collect();
        for wanted in [20.0, 50.0, 75.0, 90.0, 98.0] {
            let made = ::webp::Encoder::from_rgb(&samples, 96, 96).encode(wanted).to_vec();
            let file = webp::walk(&made, &Limits::default()).unwrap();
            let found = quality(&made, &file).unwrap();
            assert!((found - wanted).abs() < 12.0, "{wanted} → {found}");
        }
    }
}
