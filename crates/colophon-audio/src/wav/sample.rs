//! The `fmt ` chunk, and samples in its coding.

use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};
use colophon_signal::simd::vectorised;

use super::ID;
use crate::decode::Sound;

/// Format tags (RFC 2361): integers, IEEE floats, "see the GUID".
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;
/// The last 14 bytes of a GUID whose first two are a format tag.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// How one sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Unsigned 8 bits.
    Unsigned8,
    /// Signed little-endian integers of this many bytes.
    Signed(u16),
    /// IEEE floats of 32 bits.
    Float32,
    /// IEEE floats of 64 bits.
    Float64,
    /// A codec.
    Other,
}

/// What the `fmt ` chunk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleFormat {
    pub(super) coding: Coding,
    pub(super) channels: u16,
    pub(super) rate: u32,
    /// Bytes of one sample frame, or of one block of a codec.
    pub(super) align: u16,
    /// Bits that carry sound; the rest of the container is zero, at the low end.
    pub(super) valid_bits: u16,
    tag: u16,
}

impl SampleFormat {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let short = || Error::malformed(ID, "the chunk is too short");
        let u16_at = |at: usize| {
            bytes
                .get(at..at + 2)
                .and_then(<[u8]>::first_chunk)
                .map(|b| u16::from_le_bytes(*b))
                .ok_or_else(short)
        };
        let rate = bytes
            .get(4..8)
            .and_then(<[u8]>::first_chunk)
            .map(|b| u32::from_le_bytes(*b))
            .ok_or_else(short)?;
        let (mut tag, channels, align, bits) = (u16_at(0)?, u16_at(2)?, u16_at(12)?, u16_at(14).unwrap_or(0));
        let mut valid_bits = bits;
        if tag == EXTENSIBLE {
            if bytes.get(26..40) != Some(&GUID_TAIL) {
                return Err(Error::unsupported(ID, "the coding of the samples is named by an unknown GUID"));
            }
            tag = u16_at(24)?;
            valid_bits = Some(u16_at(18)?).filter(|v| (1..=bits).contains(v)).unwrap_or(bits);
        }
        if channels == 0 || rate == 0 || align == 0 {
            return Err(Error::malformed(
                ID,
                format!("{channels} channels, {rate} Hz, {align} bytes per frame"),
            ));
        }
        let coding = match (tag, bits) {
            (PCM, 1..=8) => Coding::Unsigned8,
            (PCM, 9..=32) => Coding::Signed(bits.div_ceil(8)),
            (FLOAT, 32) => Coding::Float32,
            (FLOAT, 64) => Coding::Float64,
            _ => Coding::Other,
        };
        let width = match coding {
            Coding::Unsigned8 => 1,
            Coding::Signed(n) => n,
            Coding::Float32 => 4,
            Coding::Float64 => 8,
            Coding::Other => 0,
        };
        if coding != Coding::Other && u32::from(width) * u32::from(channels) != u32::from(align) {
            return Err(Error::malformed(
                ID,
                format!("{channels} channels of {bits} bits do not make frames of {align} bytes"),
            ));
        }
        Ok(Self { coding, channels, rate, align, valid_bits, tag })
    }

    /// The coding in words.
    pub(super) fn name(&self) -> String {
        match self.coding {
            Coding::Unsigned8 | Coding::Signed(_) => "pcm".to_owned(),
            Coding::Float32 | Coding::Float64 => "float".to_owned(),
            Coding::Other => match self.tag {
                2 => "ms-adpcm".to_owned(),
                6 => "a-law".to_owned(),
                7 => "mu-law".to_owned(),
                0x11 => "ima-adpcm".to_owned(),
                0x50 => "mpeg".to_owned(),
                0x55 => "mp3".to_owned(),
                tag => format!("tag {tag:#06x}"),
            },
        }
    }

    /// A remark about a coding that labels cannot be written in.
    pub(super) fn note(&self) -> Option<String> {
        (self.coding == Coding::Other)
            .then(|| format!("the samples are coded ({}); metadata only can be written", self.name()))
    }

    /// Appends interleaved samples in this coding.
    ///
    /// # Errors
    /// `Unsupported` for codecs.
    pub(super) fn encode(&self, samples: &[f32], out: &mut Vec<u8>) -> Result<()> {
        out.reserve(samples.len().saturating_mul(usize::from(self.align / self.channels)));
        // Integers fill the valid bits from the top; what is below stays zero.
        let full = f64::from(self.valid_bits.saturating_sub(1)).exp2();
        let integer = |s: f32, shift: u16| {
            let level = f64::from(s) * full;
            // Half away from zero; the cast cuts off the fraction. `round` would be a call per sample.
            i64::from((level + 0.5_f64.copysign(level)).clamp(-full, full - 1.0) as i32) << shift
        };
        if self.coding == Coding::Signed(2) {
            let shift = 16 - self.valid_bits;
            let start = out.len();
            out.resize(start + 2 * samples.len(), 0);
            let to = out.get_mut(start..).unwrap_or_default().chunks_exact_mut(2);
            vectorised(
                #[inline(always)]
                || {
                    for (to, s) in to.zip(samples) {
                        to.copy_from_slice(&(integer(*s, shift) as i16).to_le_bytes());
                    }
                },
            );
            return Ok(());
        }
        let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
        for s in samples {
            match self.coding {
                Coding::Unsigned8 => put(&[(integer(*s, 8 - self.valid_bits) + 128) as u8]),
                Coding::Signed(width) => {
                    let bytes = integer(*s, width * 8 - self.valid_bits).to_le_bytes();
                    put(bytes.get(..usize::from(width)).unwrap_or_default());
                }
                Coding::Float32 => put(&s.to_le_bytes()),
                Coding::Float64 => put(&f64::from(*s).to_le_bytes()),
                Coding::Other => {
                    return Err(Error::unsupported(
                        ID,
                        format!("a label cannot be inserted into sound coded as {}", self.name()),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Samples of a `data` chunk as floats, a quarter of a mebibyte at a time.
pub(super) struct Reader<'a> {
    source: &'a dyn Source,
    format: SampleFormat,
    data: Range<u64>,
    at: u64,
    /// Where the time limit ends the reading.
    limit: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        source: &'a dyn Source,
        format: SampleFormat,
        data: Range<u64>,
        limits: &Limits,
    ) -> Self {
        let bytes =
            limits.seconds.saturating_mul(u64::from(format.rate)).saturating_mul(u64::from(format.align));
        Self { source, format, at: data.start, limit: data.start.saturating_add(bytes), data }
    }
}

impl Sound for Reader<'_> {
    fn rate(&self) -> u32 {
        self.format.rate
    }

    fn channels(&self) -> u16 {
        self.format.channels
    }

    fn seek(&mut self, seconds: f64) -> Result<f64> {
        let align = u64::from(self.format.align);
        let frame = (seconds.max(0.0) * f64::from(self.format.rate)) as u64;
        self.at = self.data.start.saturating_add(frame.saturating_mul(align)).min(self.data.end);
        Ok(((self.at - self.data.start) / align) as f64 / f64::from(self.format.rate))
    }

    fn next_f32(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        let align = u64::from(self.format.align);
        let want = (1 << 18) / align * align;
        let len = (self.data.end - self.at).min(want.max(align)) / align * align;
        if len == 0 {
            return Ok(false);
        }
        if self.at + len > self.limit {
            return Err(Error::limit("the sound is longer than allowed").in_format(ID));
        }
        let bytes = self.source.bytes(self.at, len)?;
        self.at += len;
        out.clear();
        match self.format.coding {
            Coding::Unsigned8 => out.extend(bytes.iter().map(|b| (f32::from(*b) - 128.0) / 128.0)),
            Coding::Signed(2) => {
                let pairs = bytes.as_chunks::<2>().0;
                out.resize(pairs.len(), 0.0);
                vectorised(
                    #[inline(always)]
                    || {
                        let each = out.iter_mut().zip(pairs);
                        each.for_each(|(to, c)| *to = f32::from(i16::from_le_bytes(*c)) / 32_768.0);
                    },
                );
            }
            Coding::Signed(width) => out.extend(bytes.chunks_exact(usize::from(width)).map(|c| {
                // Into the upper bytes of 32 bits: the sign comes along.
                let mut wide = [0; 4];
                if let Some(top) = wide.get_mut(4 - c.len()..) {
                    top.copy_from_slice(c);
                }
                i32::from_le_bytes(wide) as f32 / 2_147_483_648.0
            })),
            Coding::Float32 => {
                out.extend(
                    bytes.chunks_exact(4).filter_map(<[u8]>::first_chunk).map(|c| f32::from_le_bytes(*c)),
                );
            }
            Coding::Float64 => out.extend(
                bytes.chunks_exact(8).filter_map(<[u8]>::first_chunk).map(|c| f64::from_le_bytes(*c) as f32),
            ),
            Coding::Other => return Ok(false),
        }
        Ok(true)
    }

    fn pass_over(&mut self, frames: u64) -> u64 {
        let align = u64::from(self.format.align);
        let frames = frames.min((self.data.end - self.at) / align);
        self.at += frames * align;
        frames
    }
}
