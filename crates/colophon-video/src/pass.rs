//! One pass of ffmpeg over a video: the shown pictures are encoded again with their label and their mark, marked sound takes
//! the place of the sound it was made from, and everything else is copied.
//!
//! Without a watermark no picture enters this process: ffmpeg lays the label over them itself. With one, a first child
//! decodes, the frames are marked here, and a second child encodes them while more arrive.

use std::path::Path;
use std::process::Command;

use colophon_core::{Error, ErrorKind, Placed, RenderCx, Result, SignalOp, WatermarkRecord, WatermarkSpec};
use colophon_signal::key::MarkKey;

use crate::probe::{Probe, Stream, Timed};
use crate::raw::{self, Raw};
use crate::watermark::{FrameMarker, MarkerOptions, Plane, SCHEME, Strength};
use crate::{burn, child, overlay, sound};

/// What is to be encoded, from where to where.
pub(crate) struct Pass<'a> {
    pub(crate) id: &'static str,
    pub(crate) cx: &'a RenderCx<'a>,
    /// The source and what ffmpeg calls its container.
    pub(crate) before: &'a Path,
    pub(crate) demuxer: &'static str,
    /// The result likewise.
    pub(crate) after: &'a Path,
    pub(crate) muxer: &'static str,
    /// For what is made on the way.
    pub(crate) folder: &'a Path,
    pub(crate) source: &'a Timed,
    /// The label and when it stands.
    pub(crate) label: Option<(&'a overlay::Coded, overlay::Times)>,
    pub(crate) mark: Option<&'a WatermarkSpec>,
    /// The encoder of the video stream with this number.
    pub(crate) encoder: &'a (dyn Fn(usize) -> Result<Vec<String>> + Sync),
    /// What else the muxer is told.
    pub(crate) options: Vec<String>,
}

/// The operations of a request, each at most once.
///
/// # Errors
/// `Unsupported` for anything else.
pub(crate) fn split<'a>(
    id: &'static str,
    ops: &'a [SignalOp],
) -> Result<(Option<&'a colophon_core::LabelSpec>, Option<&'a WatermarkSpec>)> {
    let (mut label, mut mark) = (None, None);
    for op in ops {
        let twice = match op {
            SignalOp::Label(spec) => label.replace(spec).is_some(),
            SignalOp::Watermark(spec) => mark.replace(spec).is_some(),
            _ => true,
        };
        if twice {
            return Err(Error::unsupported(id, "a video takes one visible label and one watermark"));
        }
    }
    Ok((label, mark))
}

impl Pass<'_> {
    /// Runs it, checks that the result has the same streams and the same pictures at the same times, and says what marks were
    /// placed.
    ///
    /// # Errors
    /// `MissingTool` without ffmpeg; `Unsupported` for what cannot be encoded or marked; `Key`, `Usage` for the mark;
    /// `Check` when the result differs in more than it should; `Limit`; `Io`.
    pub(crate) fn run(&self) -> Result<Vec<Placed>> {
        let stream = self.source.stream()?;
        let key = self.mark.map(|spec| key(spec.key.as_deref())).transpose()?;
        let both = self.mark.zip(key.as_ref());
        let sounds = match both {
            Some((spec, key)) => {
                let (_, loudness) = strength(self.id, &spec.strength)?;
                let file = (self.before, self.demuxer);
                sound::mark_all(
                    self.id,
                    file,
                    self.folder,
                    &self.source.probe,
                    spec,
                    (key, loudness),
                    self.cx,
                )?
            }
            None => Vec::new(),
        };
        let mut command = self.command(stream, &sounds)?;
        let Some((spec, key)) = both else {
            child::output(self.id, &mut command, 1 << 16, self.cx.limits)?;
            self.checked()?;
            return Ok(Vec::new());
        };
        let raw = Raw::new(self.id, &stream.pix_fmt, stream.width, stream.height)?;
        let (frames, _) = strength(self.id, &spec.strength)?;
        let options = MarkerOptions::with_strength(frames);
        let mut marker = FrameMarker::new(raw.width, raw.height, spec.payload, key, &options)
            .map_err(|e| Error::unsupported(self.id, e.to_string()))?;
        let times = self.times(stream)?;
        child::fed(self.id, &mut command, self.cx.limits, &mut |encoder| {
            raw::head(&raw, &times, stream.distance_s(), encoder)?;
            self.frames(stream, &raw, &times, &mut |at, picture| {
                mark(&mut marker, &raw, picture, times.get(at).copied().unwrap_or(0.0))
                    .map_err(|e| e.in_format(self.id))?;
                let us = times.get(at).map_or(0.0, |s| s * 1e6).round() as u64;
                raw::picture(us, picture, encoder)
            })
        })?;
        let result = self.checked()?;
        let record = WatermarkRecord {
            scheme: SCHEME.to_owned(),
            payload: format!("{:016x}", spec.payload),
            key: if spec.key.is_some() { "private" } else { "public" }.to_owned(),
            quality: Some(format!("psnr {:.1} dB", marker.psnr_db())),
            kept: false,
        };
        let mut placed = vec![Placed::Watermark(record)];
        for sound in sounds {
            // Some encoders leave too little of some sound: what does not read back was not marked. The pictures carry the
            // mark too.
            if placed.len() == 1 && self.reads_back(&result, &sound, spec.payload, key)? {
                placed.push(Placed::Watermark(sound.record));
            }
        }
        Ok(placed)
    }

    /// The result, with the same streams and the same pictures at the same times.
    fn checked(&self) -> Result<Timed> {
        let result = Timed::of_stream(self.id, self.after, self.source.number(), self.cx)?;
        self.source.same(self.id, &result)?;
        Ok(result)
    }

    /// Whether the mark of a sound track is in the result.
    fn reads_back(&self, result: &Timed, sound: &sound::Marked, payload: u64, key: &MarkKey) -> Result<bool> {
        let number = self.source.probe.kept().position(|s| s.index == sound.index);
        let Some(stream) = number.and_then(|n| result.probe.kept().nth(n)) else { return Ok(false) };
        let (file, map) = ((self.after, self.demuxer), format!("0:{}", stream.index));
        let found = sound::read(self.id, file, &map, (key, true), 0.0, self.cx)?;
        Ok(found.is_some_and(|f| f.payload == Some(payload)))
    }

    /// The encoding child.
    fn command(&self, stream: &Stream, sounds: &[sound::Marked]) -> Result<Command> {
        let probe = &self.source.probe;
        let first = probe.starts_s(stream);
        let mut command = child::ffmpeg(self.id, self.cx)?;
        command.arg("-y");
        command.args(["-threads", &burn::threads(), "-noautorotate", "-f", self.demuxer, "-i"]);
        command.arg(child::file(self.before));
        let mut inputs = 1;
        let (mut pictures, mut graph) = (format!("[0:{}]", stream.index), String::new());
        if self.mark.is_some() {
            command.args(["-itsoffset", &format!("{first:.6}"), "-f", "matroska", "-i", "pipe:0"]);
            // What raw pictures do not say about themselves.
            (pictures, graph) = ("[marked]".to_owned(), format!("[{inputs}:0]{}[marked];", looks(stream)));
            inputs += 1;
        }
        match self.label {
            Some((coded, times)) => {
                coded.input(&mut command, self.folder)?;
                let blend = burn::blend_format(self.id, &stream.pix_fmt)?;
                graph.push_str(&coded.filter(&pictures, inputs, blend, times, first));
                inputs += 1;
            }
            None => graph.push_str(&format!("{pictures}null[shown]")),
        }
        for s in sounds {
            command.args([
                "-itsoffset",
                &format!("{:.6}", s.start_s),
                "-f",
                "f32le",
                "-ar",
                &s.rate.to_string(),
            ]);
            command.args(["-ac", &s.channels.to_string(), "-i"]).arg(child::file(&s.path));
        }
        command.args(["-filter_complex", &graph]);
        let number = map(&mut command, probe, stream, sounds, inputs);
        command.args((self.encoder)(number)?);
        say_colours(&mut command, stream);
        command.args(["-fps_mode", "passthrough", "-enc_time_base", &burn::clock(stream)]);
        command.args(["-threads", &burn::threads(), "-map_metadata", "0", "-map_chapters", "0"]);
        command.args(&self.options);
        command.args(["-f", self.muxer]).arg(child::file(self.after));
        Ok(command)
    }

    /// When each picture is shown, in seconds from the first.
    fn times(&self, stream: &Stream) -> Result<Vec<f64>> {
        let Some((num, den)) = stream.tick() else {
            let text = "the clock of the pictures is not known";
            return Err(Error::new(ErrorKind::Check, text).in_format(self.id));
        };
        let tick = num as f64 / den as f64;
        Ok(self.source.stamps.iter().map(|t| *t as f64 * tick).collect())
    }

    /// Decodes the shown pictures and hands each to `each`.
    fn frames(
        &self,
        stream: &Stream,
        raw: &Raw,
        times: &[f64],
        each: &mut (dyn FnMut(usize, &mut [u8]) -> Result<()> + Send),
    ) -> Result<()> {
        let mut command = child::ffmpeg(self.id, self.cx)?;
        command.args(["-threads", &burn::threads(), "-noautorotate", "-f", self.demuxer, "-i"]);
        command.arg(child::file(self.before)).args(["-map", &format!("0:{}", stream.index)]);
        command.args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", &stream.pix_fmt, "pipe:1"]);
        let mut seen = 0;
        child::stream(self.id, &mut command, self.cx.limits, &mut |pipe| {
            let mut picture = vec![0; raw.len()];
            while sound::fill(pipe, &mut picture)? == picture.len() {
                each(seen, &mut picture)?;
                seen += 1;
            }
            Ok(())
        })?;
        if seen != times.len() {
            let text = format!("{seen} pictures were decoded, {} are listed in the container", times.len());
            return Err(Error::new(ErrorKind::Check, text).in_format(self.id));
        }
        Ok(())
    }
}

/// Marks one picture.
fn mark(marker: &mut FrameMarker, raw: &Raw, picture: &mut [u8], at_s: f64) -> Result<()> {
    let luma = picture.get_mut(..raw.luma() * raw.bytes()).unwrap_or_default();
    let stride = raw.width;
    let done = if raw.depth == 8 {
        marker.push(Plane::U8 { samples: luma, stride }, at_s)
    } else {
        let mut samples: Vec<u16> = luma.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
        let done = marker.push(Plane::U16 { samples: &mut samples, stride, depth: raw.depth }, at_s);
        for (b, v) in luma.as_chunks_mut::<2>().0.iter_mut().zip(samples) {
            *b = v.to_le_bytes();
        }
        done
    };
    done.map_err(|e| Error::new(ErrorKind::Check, e.to_string()))
}

/// The key schedule of a secret; the public one without.
///
/// # Errors
/// `Key`.
pub(crate) fn key(secret: Option<&[u8]>) -> Result<MarkKey> {
    match secret {
        None => Ok(MarkKey::public()),
        Some(secret) => MarkKey::from_secret(secret).map_err(|e| Error::new(ErrorKind::Key, e.to_string())),
    }
}

/// A named strength, for pictures and for sound.
fn strength(id: &'static str, name: &str) -> Result<(Strength, f32)> {
    Ok(match name {
        "gentle" => (Strength::Gentle, 0.7),
        "" | "default" => (Strength::Default, 1.0),
        "strong" => (Strength::Strong, 1.4),
        other => {
            let text = format!("{other:?} is no strength: gentle, default or strong");
            return Err(Error::new(ErrorKind::Usage, text).in_format(id));
        }
    })
}

/// The filters that say about raw pictures what their stream said.
fn looks(stream: &Stream) -> String {
    let aspect = stream.sample_aspect_ratio.as_deref().filter(|s| *s != "0:1").unwrap_or("1:1");
    // Without a bound ffmpeg rounds to numbers up to 100.
    let mut out = format!("setsar={}:max=65535", aspect.replace(':', "/"));
    let parts: Vec<String> = [
        ("range", &stream.color_range),
        ("colorspace", &stream.color_space),
        ("color_trc", &stream.color_transfer),
        ("color_primaries", &stream.color_primaries),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.as_ref().filter(|v| said(v)).map(|v| format!("{name}={v}")))
    .collect();
    if !parts.is_empty() {
        out.push_str(&format!(",setparams={}", parts.join(":")));
    }
    out
}

/// Tells the encoder the form and the colours of the pictures, as far as their stream says them.
pub(crate) fn say_colours(command: &mut Command, stream: &Stream) {
    for (flag, value) in [
        ("-pix_fmt", Some(&stream.pix_fmt)),
        ("-color_range", stream.color_range.as_ref()),
        ("-colorspace", stream.color_space.as_ref()),
        ("-color_trc", stream.color_transfer.as_ref()),
        ("-color_primaries", stream.color_primaries.as_ref()),
        ("-chroma_sample_location", stream.chroma_location.as_ref()),
    ] {
        if let Some(value) = value.filter(|v| said(v)) {
            command.args([flag, value]);
        }
    }
}

fn said(value: &str) -> bool {
    !value.is_empty() && !matches!(value, "unknown" | "reserved" | "unspecified")
}

/// Maps every stream in its order, marked sound from the inputs that begin with number `inputs`; answers the number of the
/// shown one among the video streams.
fn map(
    command: &mut Command,
    probe: &Probe,
    shown: &Stream,
    sounds: &[sound::Marked],
    inputs: usize,
) -> usize {
    let (mut videos, mut audios, mut number) = (0, 0, 0);
    let mut said: Vec<String> = Vec::new();
    for (at, s) in probe.kept().enumerate() {
        let marked = sounds.iter().enumerate().find(|(_, m)| m.index == s.index);
        let default = if s.disposition.default == 1 { "default" } else { "0" };
        if s.index == shown.index {
            number = videos;
            command.args(["-map", "[shown]"]);
            // What comes out of a filter is no default stream unless it is said to be.
            said.extend([format!("-disposition:v:{videos}"), default.to_owned()]);
        } else if let Some((n, marked)) = marked {
            command.args(["-map", &format!("{}:0", inputs + n)]);
            said.extend(marked.arguments(audios));
            said.extend([format!("-disposition:a:{audios}"), default.to_owned()]);
        } else {
            command.args(["-map", &format!("0:{}", s.index)]);
        }
        // What comes out of a filter has no language and no name unless they are said, and said for one stream, it has to
        // be said for all.
        said.extend([format!("-map_metadata:s:{at}"), format!("0:s:{}", s.index)]);
        videos += usize::from(s.codec_type == "video");
        audios += usize::from(s.codec_type == "audio");
    }
    command.args(["-c", "copy"]).args(said);
    number
}

#[cfg(test)]
mod tests;
