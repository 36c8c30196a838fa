//! Samples that are stored as they are, in the codings of AIFF and CAF.

use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};

use crate::decode::Sound;

/// How the samples of a stretch of a file are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coding {
    /// IEEE floats, not signed integers.
    pub(crate) float: bool,
    /// Least significant byte first.
    pub(crate) little: bool,
    /// Bytes of one sample: 1 to 4 for integers, 4 or 8 for floats.
    pub(crate) width: u16,
    /// Bits of an integer that carry sound, at its upper end.
    pub(crate) bits: u16,
    /// Channels, interleaved.
    pub(crate) channels: u16,
    /// Samples per second and channel.
    pub(crate) rate: u32,
}

impl Coding {
    /// Bytes of one sample frame.
    pub(crate) fn align(&self) -> u64 {
        u64::from(self.width) * u64::from(self.channels)
    }

    /// Appends interleaved samples in this coding, rounded to nearest, integers cut off at full scale.
    pub(crate) fn encode(&self, samples: &[f32], out: &mut Vec<u8>) {
        let full = f64::from(self.bits.saturating_sub(1)).exp2();
        let shift = (self.width * 8).saturating_sub(self.bits);
        let mut put = |bytes: &[u8]| {
            if self.little {
                out.extend_from_slice(bytes);
            } else {
                out.extend(bytes.iter().rev());
            }
        };
        for s in samples {
            match (self.float, self.width) {
                (true, 8) => put(&f64::from(*s).to_le_bytes()),
                (true, _) => put(&s.to_le_bytes()),
                (false, width) => {
                    let value = (f64::from(*s) * full).round().clamp(-full, full - 1.0) as i64;
                    put((value << shift).to_le_bytes().get(..usize::from(width)).unwrap_or_default());
                }
            }
        }
    }

    fn decode(&self, bytes: &[u8], out: &mut Vec<f32>) {
        out.extend(bytes.chunks_exact(usize::from(self.width.max(1))).map(|sample| {
            // Most significant byte first, from here on.
            let mut wide = [0u8; 8];
            for (i, slot) in wide.iter_mut().enumerate().take(sample.len()) {
                let at = if self.little { sample.len() - 1 - i } else { i };
                *slot = sample.get(at).copied().unwrap_or(0);
            }
            match (self.float, self.width) {
                (true, 8) => f64::from_be_bytes(wide) as f32,
                (true, _) => f32::from_bits((u64::from_be_bytes(wide) >> 32) as u32),
                // In the upper bytes of 32 bits the sign comes along.
                (false, _) => (i64::from_be_bytes(wide) >> 32) as f32 / 2_147_483_648.0,
            }
        }));
    }
}

/// The samples of a stretch of a file, a quarter of a mebibyte at a time.
pub(crate) struct Reader<'a> {
    id: &'static str,
    source: &'a dyn Source,
    coding: Coding,
    data: Range<u64>,
    at: u64,
    /// Where the time limit ends the reading.
    limit: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        id: &'static str,
        source: &'a dyn Source,
        coding: Coding,
        data: Range<u64>,
        limits: &Limits,
    ) -> Self {
        let bytes = limits.seconds.saturating_mul(u64::from(coding.rate)).saturating_mul(coding.align());
        Self { id, source, coding, at: data.start, limit: data.start.saturating_add(bytes), data }
    }
}

impl Sound for Reader<'_> {
    fn rate(&self) -> u32 {
        self.coding.rate
    }

    fn channels(&self) -> u16 {
        self.coding.channels
    }

    fn seek(&mut self, seconds: f64) -> Result<f64> {
        let frame = (seconds.max(0.0) * f64::from(self.coding.rate)) as u64;
        let align = self.coding.align();
        self.at = self.data.start.saturating_add(frame.saturating_mul(align)).min(self.data.end);
        Ok(((self.at - self.data.start) / align) as f64 / f64::from(self.coding.rate))
    }

    fn next_f32(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        let align = self.coding.align();
        let want = ((1 << 18) / align * align).max(align);
        let len = (self.data.end - self.at).min(want) / align * align;
        if len == 0 {
            return Ok(false);
        }
        if self.at + len > self.limit {
            return Err(Error::limit("the sound is longer than allowed").in_format(self.id));
        }
        let bytes = self.source.bytes(self.at, len)?;
        self.at += len;
        out.clear();
        self.coding.decode(&bytes, out);
        Ok(true)
    }

    fn pass_over(&mut self, frames: u64) -> u64 {
        let align = self.coding.align();
        let frames = frames.min((self.data.end - self.at) / align);
        self.at += frames * align;
        frames
    }
}
