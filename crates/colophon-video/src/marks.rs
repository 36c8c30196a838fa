//! Watermarks looked for in the pictures and in the sound of a movie.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use colophon_audio::watermark::Detection;
use colophon_core::{
    Confidence, ErrorKind, Observation, RenderCx, Result, State, WatermarkEvidence, WatermarkStream, Why,
};
use colophon_signal::key::MarkKey;

use crate::look::{self, Clip};
use crate::probe;
use crate::watermark::{FrameReader, NotChecked, Reading, SCHEME, sampled_size};
use crate::{child, pass, sound};

/// Pictures read in each second.
const RATE: u32 = 12;
/// Seconds in which a mark written just now is seen by the way.
const GLANCE_S: &str = "3";
/// From how many digits of improbability on a mark counts as found: the bound of the readers over all their searches.
const THRESHOLD: f64 = 8.0;

/// Looks for a mark under this secret. `own`: it was written just now, so that the first sure sight is enough, which may have
/// been had `already`.
///
/// # Errors
/// `Key` for a bad secret; `MissingTool`, `Limit`, `Unsupported`, `Io` of the decoder.
pub(crate) fn look(
    id: &'static str,
    path: &Path,
    clip: &Clip,
    secret: Option<&[u8]>,
    (own, already): (bool, Option<Reading>),
    cx: &RenderCx<'_>,
) -> Result<Observation> {
    let key = pass::key(secret)?;
    let file = File { id, path, clip, streams: Streams::of(id, path, clip, cx)?, cx };
    let Seen { pictures, heard: mut already } = match already.filter(|_| own) {
        Some(reading) => Seen { pictures: Some(reading), heard: Vec::new() },
        None => file.look(&key, own)?,
    };
    let mut streams = Vec::new();
    if let Some(reading) = pictures.as_ref().filter(|r| r.payload.is_some()) {
        streams.push(WatermarkStream {
            stream: "picture".to_owned(),
            scheme: SCHEME.to_owned(),
            payload: reading.payload.map(|p| format!("{p:016x}")),
            segments: reading.segments.iter().map(|s| (s.start_s, s.end_s)).collect(),
            log10_p: reading.log10_p,
        });
    }
    let mut heard = None;
    // Sound that was written was read back before it was recorded (`pass`): what the pictures show is enough here.
    let enough = own && !streams.is_empty();
    for map in file.streams.sounds.iter().filter(|_| !enough) {
        let found = match already.pop() {
            Some(found) => found,
            None => file.listen(map, &key, own)?,
        };
        let Some(found) = found.filter(|f| f.not_checked.is_none()) else { continue };
        let there = found.found || found.presence_only;
        if there {
            streams.push(WatermarkStream {
                stream: "sound".to_owned(),
                scheme: colophon_audio::watermark::SCHEME.to_owned(),
                payload: found.payload.map(|p| format!("{p:016x}")),
                segments: found.segments.iter().map(|s| (s.start_s, s.end_s)).collect(),
                log10_p: found.log10_p,
            });
        }
        heard = Some(found.log10_p);
        if there {
            break;
        }
    }
    Ok(answer(streams, pictures.as_ref(), heard, secret.is_none()))
}

/// The streams that are looked at, as ffmpeg maps them.
struct Streams {
    picture: Option<String>,
    /// Width and height as coded.
    coded: (u32, u32),
    sounds: Vec<String>,
}

impl Streams {
    /// From what is known of the file; by asking ffprobe where that leaves a choice.
    fn of(id: &'static str, path: &Path, clip: &Clip, cx: &RenderCx<'_>) -> Result<Self> {
        if let Some(known) = clip.streams {
            let sounds = known.sound.then(|| "0:a:0".to_owned()).into_iter().collect();
            // The capital leaves cover art out.
            return Ok(Self { picture: Some("0:V:0".to_owned()), coded: known.coded, sounds });
        }
        let probe = probe::describe(id, path, cx)?;
        let picture = probe.picture();
        let sounds = probe.streams.iter().filter(|s| s.codec_type == "audio");
        Ok(Self {
            picture: picture.map(|s| format!("0:{}", s.index)),
            coded: picture.map_or((0, 0), |s| (s.width, s.height)),
            sounds: sounds.map(|s| format!("0:{}", s.index)).collect(),
        })
    }
}

/// What pictures showed, and what the first sound gave, where it was listened to meanwhile.
#[derive(Default)]
struct Seen {
    pictures: Option<Reading>,
    /// At most one: listened to, with or without a result.
    heard: Vec<Option<Detection>>,
}

/// A file that is looked at.
struct File<'a> {
    id: &'static str,
    path: &'a Path,
    clip: &'a Clip,
    streams: Streams,
    cx: &'a RenderCx<'a>,
}

impl File<'_> {
    /// A decoder of the file.
    fn decoder(&self) -> Result<Command> {
        let mut command = child::ffmpeg(self.id, self.cx)?;
        command.args(child::REFERENCES);
        command.args(["-threads", "2", "-noautorotate", "-f", self.clip.demuxer, "-i"]);
        command.arg(child::file(self.path));
        Ok(command)
    }

    /// Reads a few pictures of every second, and the first sound from the same decoder where there is time for it.
    fn look(&self, key: &MarkKey, own: bool) -> Result<Seen> {
        let (width, height) = (self.streams.coded.0 as usize, self.streams.coded.1 as usize);
        let size = sampled_size(width, height).filter(|_| self.streams.picture.is_some());
        let Some(size) = size else { return Ok(Seen::default()) };
        let reader =
            || FrameReader::new(size.0, size.1, key).map(|reader| reader.reduced_from(width, height));
        if let (Some(sound), Some(mut reader)) = (self.streams.sounds.first(), reader())
            && child::CAN_TWICE
            && !own
        {
            let mut command = self.watching(size)?;
            command.args(sound::heard(sound, child::SECOND_PIPE));
            let seconds = self.clip.duration_s.unwrap_or(0.0);
            let mut heard = None;
            let done = child::twice(
                self.id,
                command,
                self.cx.limits,
                &mut |pipe| watch(pipe, size, &mut reader, false).map(|_| ()),
                &mut |pipe| {
                    heard = sound::hear(pipe, (key, false), seconds)?.0;
                    // A pipe that closes early would end the child before its pictures.
                    std::io::copy(pipe, &mut std::io::sink())?;
                    Ok(())
                },
            );
            match done {
                Ok(()) => return Ok(Seen { pictures: Some(reader.finish()), heard: vec![heard] }),
                // Sound that cannot be decoded must not hide the pictures, nor pictures the sound: each by itself.
                Err(e) if e.kind() == ErrorKind::Unsupported => {}
                Err(e) => return Err(e),
            }
        }
        let Some(mut reader) = reader() else { return Ok(Seen::default()) };
        let mut enough = false;
        let done = child::stream(self.id, &mut self.watching(size)?, self.cx.limits, &mut |pipe| {
            enough = watch(pipe, size, &mut reader, own)?;
            Ok(())
        });
        // Whoever stops looking ends the child in the middle of a picture.
        if !enough {
            done?;
        }
        Ok(Seen { pictures: Some(reader.finish()), heard: Vec::new() })
    }

    /// A decoder that writes small grey pictures.
    fn watching(&self, (width, height): (usize, usize)) -> Result<Command> {
        let mut command = self.decoder()?;
        command.args(["-map", self.streams.picture.as_deref().unwrap_or_default(), "-an", "-sn", "-dn"]);
        command.args(["-vf", &format!("fps={RATE},scale={width}:{height}:flags=area")]);
        command.args(["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]);
        Ok(command)
    }

    /// Listens to one sound track. One that cannot be decoded carries nothing that can be read.
    fn listen(&self, map: &str, key: &MarkKey, own: bool) -> Result<Option<Detection>> {
        let seconds = self.clip.duration_s.unwrap_or(0.0);
        match sound::read(self.id, (self.path, self.clip.demuxer), map, (key, own), seconds, self.cx) {
            Err(e) if e.kind() == ErrorKind::Unsupported => Ok(None),
            done => done,
        }
    }
}

/// A look at a mark written just now, in the first pictures, which a decoder shows to somebody else as well.
pub(crate) struct Glance {
    size: (usize, usize),
    reader: FrameReader,
}

impl Glance {
    /// `None` where no mark can be looked for.
    ///
    /// # Errors
    /// `Key` for a bad secret.
    pub(crate) fn new(streams: &look::Streams, secret: Option<&[u8]>) -> Result<Option<Self>> {
        let (width, height) = (streams.coded.0 as usize, streams.coded.1 as usize);
        let Some(size) = sampled_size(width, height) else { return Ok(None) };
        let reader = FrameReader::new(size.0, size.1, &pass::key(secret)?);
        Ok(reader.map(|reader| Self { size, reader: reader.reduced_from(width, height) }))
    }

    /// An output of the decoder for [`see`](Self::see).
    pub(crate) fn output(&self, command: &mut Command, pipe: &str) {
        let (width, height) = self.size;
        command.args(["-map", "0:V:0", "-t", GLANCE_S]);
        command.args(["-vf", &format!("fps={RATE},scale={width}:{height}:flags=area")]);
        command.args(["-f", "rawvideo", "-pix_fmt", "gray", pipe]);
    }

    /// Looks until it is sure, and lets the rest pass: a pipe that closes early would end the decoder for the other as well.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn see(&mut self, pipe: &mut dyn Read) -> Result<()> {
        watch(pipe, self.size, &mut self.reader, true)?;
        std::io::copy(pipe, &mut std::io::sink())?;
        Ok(())
    }

    /// What was seen, if that is enough.
    pub(crate) fn seen(self) -> Option<Reading> {
        Some(self.reader.finish()).filter(|reading| reading.payload.is_some())
    }
}

/// Gives a reader the pictures that come through a pipe; says whether it had seen enough before the end.
fn watch(pipe: &mut dyn Read, size: (usize, usize), reader: &mut FrameReader, own: bool) -> Result<bool> {
    let mut picture = vec![0; size.0 * size.1];
    let mut at = 0_u32;
    while sound::fill(pipe, &mut picture)? == picture.len() {
        reader.push(&picture, f64::from(at) / f64::from(RATE));
        at += 1;
        if own && (reader.certain() || at.is_multiple_of(RATE) && reader.peek()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One answer from both senses: the pictures speak first.
fn answer(
    mut streams: Vec<WatermarkStream>,
    pictures: Option<&Reading>,
    heard: Option<f64>,
    public: bool,
) -> Observation {
    // A payload says more than the mere presence of a mark.
    streams.sort_by_key(|s| s.payload.is_none());
    let judged = pictures.filter(|r| r.not_checked.is_none());
    let confidence =
        |log10_p: f64, score: f64| Confidence { score, log10_p: Some(log10_p), threshold: THRESHOLD };
    if let Some(first) = streams.first() {
        let turned = judged.and_then(|r| r.turned).filter(|_| first.scheme == SCHEME);
        return Observation::Watermark {
            state: State::Present,
            why: None,
            confidence: Some(confidence(first.log10_p, judged.map_or(-first.log10_p, |r| r.z))),
            evidence: Some(WatermarkEvidence {
                scheme: first.scheme.clone(),
                payload: first.payload.clone(),
                key: if public { "public" } else { "private" }.to_owned(),
                segments: first.segments.clone(),
                undone: turned.and_then(undone),
                streams,
            }),
        };
    }
    let (state, why) = match (judged, pictures.and_then(|r| r.not_checked), heard) {
        (Some(_), _, _) => (State::Absent, None),
        (None, Some(NotChecked::TooSmall), _) => (State::NotChecked, Some(Why::TooSmall)),
        (None, Some(NotChecked::Empty), _) => (State::NotChecked, Some(Why::Undecodable)),
        (None, None, _) => (State::NotChecked, Some(Why::FormatNotExamined)),
    };
    let confidence = judged.map(|r| confidence(r.log10_p.min(heard.unwrap_or(0.0)), r.z));
    Observation::Watermark { state, why, evidence: None, confidence }
}

fn undone((degrees, mirrored): (f64, bool)) -> Option<String> {
    let mut parts = Vec::new();
    if mirrored {
        parts.push("mirrored".to_owned());
    }
    if degrees.abs() > 0.05 {
        parts.push(format!("rotated by {degrees:.1} degrees"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
