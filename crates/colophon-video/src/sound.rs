//! The audio mark in the sound tracks of a video: decoded and encoded by ffmpeg, marked in between as it flows.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use colophon_audio::watermark::{self, DetectOptions, Detector, EmbedOptions, Embedder};
use colophon_core::{RenderCx, Result, WatermarkRecord, WatermarkSpec};
use colophon_signal::key::MarkKey;

use crate::child;
use crate::probe::{Probe, Stream};

/// Sample frames handled at a time.
const PIECE: usize = 1 << 15;

/// A sound track that was marked, waiting to be encoded.
#[derive(Debug)]
pub(crate) struct Marked {
    /// The stream it takes the place of.
    pub(crate) index: usize,
    /// 32-bit floats, the lower byte first, channels interleaved.
    pub(crate) path: PathBuf,
    pub(crate) rate: u32,
    pub(crate) channels: u16,
    /// Seconds from the start of the file to the first sample.
    pub(crate) start_s: f64,
    pub(crate) record: WatermarkRecord,
    encoder: &'static str,
    bits: Option<u64>,
}

impl Marked {
    /// What the encoder is told about the sound stream with this number.
    pub(crate) fn arguments(&self, number: usize) -> Vec<String> {
        let mut out = vec![format!("-c:a:{number}"), self.encoder.to_owned()];
        if let Some(bits) = self.bits {
            out.extend([format!("-b:a:{number}"), bits.to_string()]);
        }
        out
    }
}

/// Marks every sound track that can carry the mark. Silent and short ones, and those of a codec without an encoder, are
/// left out: they are copied as they are.
///
/// # Errors
/// `MissingTool`, `Limit`, `Io`; `Unsupported` when a track cannot be decoded.
pub(crate) fn mark_all(
    id: &'static str,
    (before, demuxer): (&Path, &str),
    folder: &Path,
    probe: &Probe,
    spec: &WatermarkSpec,
    (key, strength): (&MarkKey, f32),
    cx: &RenderCx<'_>,
) -> Result<Vec<Marked>> {
    let mut out = Vec::new();
    for stream in probe.streams.iter().filter(|s| s.codec_type == "audio") {
        let Some((encoder, floor)) = encoder(&stream.codec_name) else { continue };
        if demuxer == "avi" && floor.is_some() {
            // Encoders begin before zero, which AVI has no way to say: every picture would be shown later.
            continue;
        }
        let Some((rate, channels)) = stream.sound() else { continue };
        let options = EmbedOptions::with_strength(strength);
        let Ok(embedder) = Embedder::new(rate, channels, spec.payload, key, &options) else { continue };
        let path = folder.join(format!("sound-{}", stream.index));
        let mut writer = Writer {
            embedder,
            out: BufWriter::new(File::create(&path)?),
            ready: Vec::new(),
            bytes: Vec::new(),
        };
        listen(id, (before, demuxer), stream, cx, &mut |samples| writer.push(samples))?;
        let done = writer.finish()?;
        if done.change_db == f64::NEG_INFINITY || done.duration_s < watermark::SHORTEST_S {
            continue;
        }
        out.push(Marked {
            index: stream.index,
            path,
            rate,
            channels,
            start_s: probe.starts_s(stream),
            record: WatermarkRecord {
                scheme: watermark::SCHEME.to_owned(),
                payload: format!("{:016x}", spec.payload),
                key: if spec.key.is_some() { "private" } else { "public" }.to_owned(),
                quality: Some(format!("change {:.1} dB below the sound", -done.change_db)),
                kept: false,
            },
            encoder,
            // No lower rate than the source's.
            bits: floor.map(|per_channel| stream.bits().unwrap_or(0).max(per_channel * u64::from(channels))),
        });
    }
    Ok(out)
}

/// What a detector finds in one sound track, named as ffmpeg maps it; `None` for a track that cannot be read.
///
/// # Errors
/// As [`mark_all`].
pub(crate) fn read(
    id: &'static str,
    (path, demuxer): (&Path, &str),
    map: &str,
    (key, own): (&MarkKey, bool),
    seconds: f64,
    cx: &RenderCx<'_>,
) -> Result<Option<watermark::Detection>> {
    let mut command = child::ffmpeg(id, cx)?;
    command.args(["-f", demuxer, "-i"]).arg(child::file(path)).args(heard(map, "pipe:1"));
    let (mut found, mut enough) = (None, false);
    let done = child::stream(id, &mut command, cx.limits, &mut |pipe| {
        (found, enough) = hear(pipe, (key, own), seconds)?;
        Ok(())
    });
    // Whoever stops listening ends the child in the middle of a word.
    if !enough {
        done?;
    }
    Ok(found)
}

/// The output of ffmpeg that [`hear`] listens to: an AU file, whose head says rate and channels.
pub(crate) fn heard(map: &str, pipe: &str) -> Vec<String> {
    ["-map", map, "-vn", "-sn", "-dn", "-c:a", "pcm_f32be", "-f", "au", pipe].map(str::to_owned).to_vec()
}

/// Head of an AU file: magic, place of the samples, length, encoding, rate, channels, each 4 bytes, the higher first.
const AU_HEAD: usize = 24;
/// 32-bit floats.
const AU_FLOATS: u32 = 6;

/// Listens to what [`heard`] asked for: what was found, and whether it was enough before the end.
///
/// # Errors
/// `Io`.
pub(crate) fn hear(
    pipe: &mut dyn Read,
    (key, own): (&MarkKey, bool),
    seconds: f64,
) -> Result<(Option<watermark::Detection>, bool)> {
    let mut head = [0u8; AU_HEAD];
    if fill(pipe, &mut head)? < AU_HEAD {
        return Ok((None, false));
    }
    let words: Vec<u32> = head.as_chunks::<4>().0.iter().map(|b| u32::from_be_bytes(*b)).collect();
    let [_, start, _, AU_FLOATS, rate, channels] = words[..] else { return Ok((None, true)) };
    let rest = u64::from(start).saturating_sub(AU_HEAD as u64);
    std::io::copy(&mut pipe.take(rest), &mut std::io::sink())?;
    let channels = u16::try_from(channels).unwrap_or(0);
    let detector = Detector::new(rate, channels, key, &DetectOptions::default(), seconds);
    let Some(mut detector) = detector.filter(|_| channels > 0) else { return Ok((None, true)) };
    let enough = pieces(pipe, channels, f32::from_be_bytes, &mut |samples| {
        detector.push(samples);
        Ok(!(own && detector.certain()))
    })?;
    Ok((Some(detector.finish()), enough))
}

/// Hands what comes through a pipe to `each`, in pieces of whole frames of interleaved samples, until it says no; whether it did.
fn pieces(
    pipe: &mut dyn Read,
    channels: u16,
    number: fn([u8; 4]) -> f32,
    each: &mut dyn FnMut(&[f32]) -> Result<bool>,
) -> Result<bool> {
    let mut bytes = vec![0u8; PIECE * usize::from(channels) * 4];
    let mut samples = Vec::with_capacity(bytes.len() / 4);
    loop {
        let filled = fill(pipe, &mut bytes)?;
        samples.clear();
        let words = bytes.get(..filled).unwrap_or_default().as_chunks::<4>().0;
        samples.extend(words.iter().map(|b| finite(number(*b))));
        if !each(&samples)? {
            return Ok(true);
        }
        if filled < bytes.len() {
            return Ok(false);
        }
    }
}

fn finite(v: f32) -> f32 {
    if v.is_finite() { v } else { 0.0 }
}

/// Decodes a sound track; `each` gets whole frames of interleaved samples.
fn listen(
    id: &'static str,
    (path, demuxer): (&Path, &str),
    stream: &Stream,
    cx: &RenderCx<'_>,
    each: &mut (dyn FnMut(&[f32]) -> Result<()> + Send),
) -> Result<()> {
    let Some((rate, channels)) = stream.sound() else { return Ok(()) };
    let mut command = child::ffmpeg(id, cx)?;
    command.args(["-f", demuxer, "-i"]).arg(child::file(path));
    command.args(["-map", &format!("0:{}", stream.index), "-c:a", "pcm_f32le", "-f", "f32le"]);
    command.args(["-ar", &rate.to_string(), "-ac", &channels.to_string(), "pipe:1"]);
    child::stream(id, &mut command, cx.limits, &mut |pipe| {
        let mut all = |samples: &[f32]| each(samples).map(|()| true);
        pieces(pipe, channels, f32::from_le_bytes, &mut all).map(|_| ())
    })
}

/// Reads until the buffer is full or the pipe ends.
pub(crate) fn fill(pipe: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|r| !r.is_empty()) {
        match pipe.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(filled)
}

struct Writer {
    embedder: Embedder,
    out: BufWriter<File>,
    ready: Vec<f32>,
    bytes: Vec<u8>,
}

impl Writer {
    fn push(&mut self, samples: &[f32]) -> Result<()> {
        self.embedder.push(samples, &mut self.ready);
        self.flush()
    }

    fn finish(mut self) -> Result<watermark::Embedded> {
        let mut rest = std::mem::take(&mut self.ready);
        let done = self.embedder.finish(&mut rest);
        write(&rest, &mut self.bytes, &mut self.out)?;
        self.out.flush()?;
        Ok(done)
    }

    fn flush(&mut self) -> Result<()> {
        write(&self.ready, &mut self.bytes, &mut self.out)?;
        self.ready.clear();
        Ok(())
    }
}

fn write(samples: &[f32], bytes: &mut Vec<u8>, out: &mut dyn Write) -> Result<()> {
    bytes.clear();
    bytes.extend(samples.iter().flat_map(|v| v.to_le_bytes()));
    out.write_all(bytes)?;
    Ok(())
}

/// The encoder of a codec and, where it is told a rate, the least bits a second and channel.
fn encoder(codec: &str) -> Option<(&'static str, Option<u64>)> {
    Some(match codec {
        "aac" => ("aac", Some(64_000)),
        "mp3" => ("libmp3lame", Some(64_000)),
        "opus" => ("libopus", Some(48_000)),
        "vorbis" => ("libvorbis", Some(64_000)),
        "ac3" => ("ac3", Some(64_000)),
        "flac" => ("flac", None),
        "alac" => ("alac", None),
        "pcm_s16le" => ("pcm_s16le", None),
        "pcm_s16be" => ("pcm_s16be", None),
        "pcm_s24le" => ("pcm_s24le", None),
        "pcm_f32le" => ("pcm_f32le", None),
        _ => return None,
    })
}
