//! A stream encoded anew with labels around the same samples.

use std::io::Write;
use std::ops::Range;

use colophon_container::flac::{self as container, Flac as Stream, StreamInfo, kind};
use colophon_core::{Error, ErrorKind, Placed, Result, Source};
use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, StreamInfo as Description};
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};

use super::{ID, verbatim};
use crate::decode::Decoder;
use crate::pass::Pass;

/// Samples per channel in a frame, as the reference encoder chooses them for CD audio.
const BLOCK: usize = 4096;
/// Frames encoded at a time: enough for many threads, a few megabytes of samples.
const BATCH: usize = 64;
/// Metadata block of type 5 (RFC 9639, 8.7).
const CUESHEET: u8 = 5;
/// Cue points of a CD lie on sectors of 588 samples.
const SECTOR: u64 = 588;
/// A seek point that holds none (RFC 9639, 8.5.1).
const PLACEHOLDER: u64 = u64::MAX;

/// The grid that positions of the stream keep to: the sectors of a CD, when a cue sheet says it is one.
///
/// # Errors
/// Reading errors.
pub(super) fn grid(source: &dyn Source, stream: &Stream) -> Result<Option<u64>> {
    for block in stream.blocks.iter().filter(|b| b.kind == CUESHEET) {
        // 128 bytes catalogue number, 8 bytes lead-in, then a bit that says "this is a CD".
        let flags = source.bytes_up_to(block.data.start + 136, 1)?;
        if flags.first().is_some_and(|b| b & 0x80 != 0) {
            return Ok(Some(SECTOR));
        }
    }
    Ok(None)
}

/// Writes the whole file: the metadata blocks with what depends on the samples brought up to date, then the samples
/// as they come out of `pass`.
///
/// # Errors
/// `Unsupported` for depths the encoder does not have; `Malformed` when the samples do not match their digest:
/// damaged sound is not encoded anew as if it were whole; `Io`.
pub(super) fn encode(
    source: &dyn Source,
    stream: &Stream,
    mut decoder: Decoder<'_>,
    mut pass: Pass<'_>,
    out: &mut dyn Write,
) -> Result<Vec<Placed>> {
    let info = stream.info;
    let mut encoder = Encoder::new(info)?;
    let full = f64::from(info.bits - 1).exp2();
    let part = full.recip();
    let mut original = Context::new(usize::from(info.bits), usize::from(info.channels));
    let shift = info.bits_below();
    let inserts = pass.inserts();
    let (mut wide, mut samples, mut floats, mut ready) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while decoder.next_i32(&mut wide)? {
        samples.clear();
        samples.extend(wide.iter().map(|s| s >> shift));
        original.fill_interleaved(&samples).map_err(failed)?;
        // Up to 24 bits, which is what the encoder takes, a float holds every sample exactly.
        floats.clear();
        floats.extend(samples.iter().map(|s| (f64::from(*s) * part) as f32));
        pass.push(&floats, &mut ready);
        encoder.push(&quantised(&ready, full))?;
        ready.clear();
    }
    let whole = info.md5 == [0; 16] || info.md5 == original.md5_digest();
    if decoder.skipped() > 0 || !whole {
        return Err(Error::malformed(
            ID,
            "the samples do not match the digest of the stream: the file is damaged",
        ));
    }
    let placed = pass.finish(&mut ready)?;
    encoder.push(&quantised(&ready, full))?;
    encoder.finish()?.write(source, stream, &inserts, out)?;
    Ok(placed)
}

/// Sample frames inserted at or before a place of the programme as it was.
fn added(inserts: &[(u64, u64)], place: u64) -> u64 {
    inserts.iter().filter(|(at, _)| *at <= place).map(|(_, n)| n).sum()
}

fn quantised(samples: &[f32], full: f64) -> Vec<i32> {
    // Half away from zero; the cast cuts off the fraction. `round` would be a call per sample.
    let level = |s: &f32| {
        let level = f64::from(*s) * full;
        (level + 0.5_f64.copysign(level)).clamp(-full, full - 1.0) as i32
    };
    samples.iter().map(level).collect()
}

trait Depth {
    fn bits_below(&self) -> u32;
}

impl Depth for StreamInfo {
    /// Bits below the sample when it is aligned to the top of 32.
    fn bits_below(&self) -> u32 {
        32 - u32::from(self.bits).min(32)
    }
}

/// Samples in, frames out.
struct Encoder {
    config: Verified<flacenc::config::Encoder>,
    description: Description,
    digest: Context,
    channels: usize,
    /// Interleaved samples that do not fill a batch yet.
    pending: Vec<i32>,
    frames: Vec<u8>,
    /// First sample and byte range of every frame.
    index: Vec<(u64, Range<usize>)>,
    samples: u64,
}

impl Encoder {
    fn new(info: StreamInfo) -> Result<Self> {
        let (channels, bits) = (usize::from(info.channels), usize::from(info.bits));
        let unsupported = |e: &dyn std::fmt::Display| {
            Error::unsupported(ID, format!("{bits} bits, {channels} channels cannot be encoded: {e}"))
        };
        let mut config = flacenc::config::Encoder::default();
        // Measured on music: the size of the reference encoder's default, in two thirds of the time.
        config.subframe_coding.use_fixed = false;
        config.subframe_coding.qlpc.lpc_order = 8;
        let config = config.into_verified().map_err(|(_, e)| {
            Error::new(ErrorKind::Usage, "the encoder refuses its own settings").because(e.to_string())
        })?;
        let mut description =
            Description::new(info.rate as usize, channels, bits).map_err(|e| unsupported(&e))?;
        description.set_block_sizes(BLOCK, BLOCK).map_err(|e| unsupported(&e))?;
        Ok(Self {
            config,
            description,
            digest: Context::new(bits, channels),
            channels,
            pending: Vec::new(),
            frames: Vec::new(),
            index: Vec::new(),
            samples: 0,
        })
    }

    fn push(&mut self, samples: &[i32]) -> Result<()> {
        self.pending.extend_from_slice(samples);
        let batch = BATCH * BLOCK * self.channels;
        if self.pending.len() < batch {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let mut whole = pending.chunks_exact(batch);
        whole.try_for_each(|b| self.batch(b))?;
        self.pending = whole.remainder().to_vec();
        Ok(())
    }

    /// Encodes whole frames, the last of the stream excepted, on as many threads as the machine has.
    fn batch(&mut self, samples: &[i32]) -> Result<()> {
        let frames: Vec<&[i32]> = samples.chunks(BLOCK * self.channels).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = frames.len().div_ceil(threads).max(1);
        let first = self.index.len();
        let (config, description, channels) = (&self.config, &self.description, self.channels);
        let digest = &mut self.digest;
        let (coded, summed) = std::thread::scope(|scope| {
            let workers: Vec<_> = frames
                .chunks(share)
                .enumerate()
                .map(|(i, part)| {
                    scope.spawn(move || {
                        let number = |n: usize| first + i * share + n;
                        let coded = part.iter().enumerate();
                        coded.map(|(n, f)| frame(config, description, channels, number(n), f)).collect()
                    })
                })
                .collect();
            // The digest goes over the samples in order, meanwhile.
            let summed = digest.fill_interleaved(samples).map_err(failed);
            let coded: Vec<Result<Vec<Vec<u8>>>> = workers
                .into_iter()
                .map(|w| w.join().unwrap_or_else(|_| Err(failed("the encoder stopped"))))
                .collect();
            (coded, summed)
        });
        summed?;
        let mut sizes = frames.iter().map(|f| (f.len() / self.channels) as u64);
        for part in coded {
            for bytes in part? {
                let start = self.frames.len();
                self.frames.extend_from_slice(&bytes);
                self.index.push((self.samples, start..self.frames.len()));
                self.samples += sizes.next().unwrap_or(0);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Encoded> {
        if !self.pending.is_empty() {
            let rest = std::mem::take(&mut self.pending);
            self.batch(&rest)?;
        }
        Ok(Encoded {
            md5: self.digest.md5_digest(),
            frames: self.frames,
            index: self.index,
            samples: self.samples,
        })
    }
}

/// One frame as bytes.
fn frame(
    config: &Verified<flacenc::config::Encoder>,
    description: &Description,
    channels: usize,
    number: usize,
    samples: &[i32],
) -> Result<Vec<u8>> {
    if samples.len() / channels < verbatim::SHORTEST {
        return Ok(verbatim::frame(samples, channels, description.bits_per_sample() as u32, number as u32));
    }
    let mut buffer = FrameBuf::with_size(channels, samples.len() / channels).map_err(failed)?;
    buffer.fill_interleaved(samples).map_err(failed)?;
    let frame = flacenc::encode_fixed_size_frame(config, &buffer, number, description).map_err(failed)?;
    let mut sink = ByteSink::new();
    frame.write(&mut sink).map_err(|e| failed(format!("{e:?}")))?;
    Ok(sink.as_slice().to_vec())
}

struct Encoded {
    frames: Vec<u8>,
    index: Vec<(u64, Range<usize>)>,
    samples: u64,
    md5: [u8; 16],
}

impl Encoded {
    fn write(
        &self,
        source: &dyn Source,
        stream: &Stream,
        inserts: &[(u64, u64)],
        out: &mut dyn Write,
    ) -> Result<()> {
        // A tag in front, and the signature.
        out.write_all(&source.bytes(0, stream.start)?)?;
        out.write_all(b"fLaC")?;
        let last = stream.blocks.len().saturating_sub(1);
        for (i, block) in stream.blocks.iter().enumerate() {
            let mut data = source.bytes(block.data.start, block.data.end - block.data.start)?.into_owned();
            match block.kind {
                kind::STREAMINFO => self.describe(&mut data),
                kind::SEEKTABLE => self.seek_points(&mut data, inserts),
                CUESHEET => shift_cues(&mut data, inserts),
                _ => {}
            }
            out.write_all(&container::encode(block.kind, i == last, &data).map_err(|e| e.in_format(ID))?)?;
        }
        out.write_all(&self.frames)?;
        Ok(())
    }

    /// Block sizes, frame sizes, number of samples and digest (RFC 9639, 8.2); rate, channels and depth stay.
    fn describe(&self, data: &mut [u8]) {
        let sizes = || self.index.iter().map(|(_, r)| r.len() as u32);
        let frame = |n: Option<u32>| n.unwrap_or(0).min(0xff_ffff).to_be_bytes();
        let put = |data: &mut [u8], at: usize, bytes: &[u8]| {
            if let Some(field) = data.get_mut(at..at + bytes.len()) {
                field.copy_from_slice(bytes);
            }
        };
        put(data, 0, &(BLOCK as u16).to_be_bytes());
        put(data, 2, &(BLOCK as u16).to_be_bytes());
        put(data, 4, frame(sizes().min()).get(1..).unwrap_or_default());
        put(data, 7, frame(sizes().max()).get(1..).unwrap_or_default());
        if let Some(packed) = data.get_mut(10..18).and_then(|b| <&mut [u8; 8]>::try_from(b).ok()) {
            let keep = u64::from_be_bytes(*packed) & !0xf_ffff_ffff;
            *packed = (keep | (self.samples & 0xf_ffff_ffff)).to_be_bytes();
        }
        put(data, 18, &self.md5);
    }

    /// As many seek points as before, each at the frame that holds the sample it pointed to.
    fn seek_points(&self, data: &mut [u8], inserts: &[(u64, u64)]) {
        let mut last = None;
        for point in data.chunks_exact_mut(18) {
            let Some(target) = point.first_chunk::<8>().map(|b| u64::from_be_bytes(*b)) else { continue };
            if target == PLACEHOLDER {
                continue;
            }
            let target = if target == 0 { 0 } else { target.saturating_add(added(inserts, target)) };
            let i = self.index.partition_point(|(first, _)| *first <= target).saturating_sub(1);
            let Some((first, range)) = self.index.get(i) else { continue };
            let size = self.index.get(i + 1).map_or(self.samples, |n| n.0) - first;
            // Points must be unique: one that falls into the frame of the last becomes a placeholder.
            let first = if last == Some(i) { PLACEHOLDER } else { *first };
            last = Some(i);
            let mut now = first.to_be_bytes().to_vec();
            now.extend_from_slice(&(range.start as u64).to_be_bytes());
            now.extend_from_slice(&(size as u16).to_be_bytes());
            point.copy_from_slice(&now);
        }
        // Placeholders stand at the end of the table.
        let mut points: Vec<Vec<u8>> = data.chunks_exact(18).map(<[u8]>::to_vec).collect();
        points.sort_by_key(|p| p.first_chunk::<8>().is_some_and(|b| u64::from_be_bytes(*b) == PLACEHOLDER));
        for (old, new) in data.chunks_exact_mut(18).zip(points) {
            old.copy_from_slice(&new);
        }
    }
}

/// Moves the tracks of a cue sheet (RFC 9639, 8.7); index points are relative to them.
fn shift_cues(data: &mut [u8], inserts: &[(u64, u64)]) {
    // Catalogue number, lead-in, flags and reserved bytes, number of tracks.
    let Some(tracks) = data.get(395).copied() else { return };
    let mut at = 396;
    for _ in 0..tracks {
        let Some(offset) = data.get_mut(at..at + 8).and_then(|b| <&mut [u8; 8]>::try_from(b).ok()) else {
            return;
        };
        let was = u64::from_be_bytes(*offset);
        *offset = was.saturating_add(added(inserts, was)).to_be_bytes();
        // Offset, number, ISRC, flags and reserved bytes, number of index points of 12 bytes.
        let Some(points) = data.get(at + 35).copied() else { return };
        at += 36 + 12 * usize::from(points);
    }
}

fn failed(e: impl std::fmt::Display) -> Error {
    Error::unsupported(ID, "the samples cannot be encoded").because(e.to_string())
}
