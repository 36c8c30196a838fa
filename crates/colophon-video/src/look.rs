//! Labels looked for in the pictures of a movie, and one file for all who look.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use colophon_core::{
    Confidence, ErrorKind, LabelEvidence, LabelRecord, Observation, Query, RenderCx, Result, Source, State,
    Why,
};
use colophon_label::visible::{self, LabelCheck, Luma};

use crate::child;
use crate::local::Local;
use crate::marks;
use crate::mp4::Opened;

mod pair;

/// Pictures looked at in each second.
const RATE: u32 = 4;
/// Longer side of the pictures looked at, in pixels: labels keep more than enough of their shape, ink of 5 % of the shortest
/// side (GB 45438-2025, 5.4) has 22 pixels in a wide picture.
const SIDE: u32 = 800;
/// The same where a label is read: small type must not be lost.
const READ_SIDE: u32 = 1280;
/// Seconds looked at behind the recorded end, and without a recorded length.
const BEYOND: f64 = 0.5;
const UNKNOWN: f64 = 3.0;
/// Pictures read in each second, the seconds read, and how many pictures are read before one shows a label.
const READ_RATE: u32 = 2;
const READ_SECONDS: f64 = 3.0;
const TRIES: usize = 2;

/// The pictures of a file, as far as looking at them takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clip {
    /// Width and height as shown.
    pub(crate) displayed: (u32, u32),
    /// Seconds.
    pub(crate) duration_s: Option<f64>,
    /// What ffmpeg calls the container.
    pub(crate) demuxer: &'static str,
    /// What is known of its streams without asking ffprobe.
    pub(crate) streams: Option<Streams>,
}

/// The streams of a file with one picture and at most one sound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    /// Width and height as coded.
    pub(crate) coded: (u32, u32),
    /// Whether there is sound.
    pub(crate) sound: bool,
}

impl Clip {
    /// The shown track of a movie; `None` when nobody can look at it.
    pub(crate) fn of(file: &Opened) -> Option<Self> {
        let track = file.picture().filter(|t| !t.encrypted)?;
        let count = |kind: &[u8; 4]| file.movie.tracks.iter().filter(|t| &t.handler == kind).count();
        let streams = (count(b"vide") == 1 && count(b"soun") <= 1)
            .then(|| Streams { coded: track.coded, sound: count(b"soun") == 1 });
        let displayed = track.displayed();
        Some(Self { displayed, duration_s: file.movie.duration_s, demuxer: "mov", streams })
    }
}

/// Answers every query. What cannot be decoded is not checked.
///
/// # Errors
/// `Io`.
pub(crate) fn observe(
    id: &'static str,
    source: &dyn Source,
    clip: Option<&Clip>,
    queries: &[Query<'_>],
    cx: &RenderCx<'_>,
) -> Result<Vec<Observation>> {
    let Some(clip) = clip else {
        return Ok(queries.iter().map(|q| unanswered(q, Why::Undecodable)).collect());
    };
    let (w, h) = clip.displayed;
    if u64::from(w).saturating_mul(h.into()) > cx.limits.pixels || w == 0 || h == 0 {
        return Ok(queries.iter().map(|q| unanswered(q, Why::Limit)).collect());
    }
    // The children want a file. One serves all questions.
    let mut file = None;
    let mut glanced = match pair::of(clip, queries).filter(|_| cx.tools.ffmpeg.is_some()) {
        Some(pair) => pair.glance(id, local(source, &mut file)?.path(), clip, cx)?,
        None => None,
    };
    queries
        .iter()
        .enumerate()
        .map(|(at, query)| {
            if let Some(label) = glanced.as_mut().filter(|g| g.label.0 == at).and_then(|g| g.label.1.take()) {
                return Ok(label);
            }
            let answer = match query {
                Query::Label(None) => {
                    let Some(reader) = &cx.tools.tesseract else {
                        return Ok(unanswered(query, Why::NoRecord));
                    };
                    child::program(id, cx.tools.ffmpeg.as_deref(), "ffmpeg")
                        .and_then(|_| local(source, &mut file))
                        .and_then(|file| read(id, file.path(), clip, reader, cx))
                }
                Query::Label(Some(record)) => child::program(id, cx.tools.ffmpeg.as_deref(), "ffmpeg")
                    .and_then(|_| local(source, &mut file))
                    .and_then(|file| label(id, file.path(), clip, record, cx)),
                Query::Watermark(secret) | Query::OwnWatermark(secret) => {
                    let own = matches!(query, Query::OwnWatermark(_));
                    let already = glanced.as_mut().filter(|g| g.mark.0 == at).and_then(|g| g.mark.1.take());
                    child::program(id, cx.tools.ffmpeg.as_deref(), "ffmpeg")
                        .and_then(|_| local(source, &mut file))
                        .and_then(|file| marks::look(id, file.path(), clip, *secret, (own, already), cx))
                }
                _ => return Ok(Observation::Unsupported),
            };
            answer.or_else(|e| match e.kind() {
                ErrorKind::Io | ErrorKind::Key => Err(e),
                ErrorKind::MissingTool => Ok(unanswered(query, Why::MissingTool)),
                ErrorKind::Limit => Ok(unanswered(query, Why::Limit)),
                _ => Ok(unanswered(query, Why::Undecodable)),
            })
        })
        .collect()
}

/// The source as a file, made at the first call.
fn local<'a>(source: &dyn Source, file: &'a mut Option<Local>) -> Result<&'a Local> {
    match file {
        Some(file) => Ok(file),
        None => Ok(file.insert(Local::of(source)?)),
    }
}

fn unanswered(query: &Query<'_>, why: Why) -> Observation {
    let (state, why) = (State::NotChecked, Some(why));
    match query {
        Query::Watermark(_) | Query::OwnWatermark(_) => {
            Observation::Watermark { state, why, evidence: None, confidence: None }
        }
        _ => Observation::Label { state, why, evidence: None, confidence: None },
    }
}

/// When a recorded label begins, in seconds from the first picture.
fn from(record: &LabelRecord) -> f64 {
    record.span.map_or(0.0, |s| s.start_s)
}

/// How many seconds of pictures are looked at from there on.
fn until(record: &LabelRecord) -> f64 {
    record.span.map_or(UNKNOWN, |s| s.duration_s) + BEYOND
}

/// Looks at pictures until past the recorded end: from the first shown one, or from where the label begins later.
fn label(
    id: &'static str,
    path: &Path,
    clip: &Clip,
    record: &LabelRecord,
    cx: &RenderCx<'_>,
) -> Result<Observation> {
    let mut label = Looking { record, checks: Vec::new() };
    let time = (from(record), until(record));
    pictures(id, path, clip, (SIDE, RATE), time, cx, &mut |picture| label.at(picture))?;
    Ok(answer(record, &label.checks, clip.duration_s))
}

/// What was seen of a recorded label so far.
struct Looking<'a> {
    record: &'a LabelRecord,
    checks: Vec<LabelCheck>,
}

impl Looking<'_> {
    /// Looks at the next picture. Where the label was seen once it is looked for from then on: it does not move.
    fn at(&mut self, picture: &Luma<'_>) {
        let before = self.checks.iter().find(|c| c.state.is_there()).and_then(|c| c.found);
        self.checks.push(match before {
            Some(place) => visible::check_at(self.record, picture, place),
            None => visible::check(self.record, picture),
        });
    }
}

/// Small grey pictures of a clip as it is shown.
#[derive(Clone, Copy)]
struct Scene {
    width: u32,
    height: u32,
}

impl Scene {
    /// No longer side above `longest`.
    fn of(clip: &Clip, longest: u32) -> Self {
        let (w, h) = clip.displayed;
        let scale = (f64::from(longest) / f64::from(w.max(h))).min(1.0);
        let side = |n: u32| ((f64::from(n) * scale).round() as u32).max(1);
        Self { width: side(w), height: side(h) }
    }

    /// An output of the decoder: so many pictures a second, for so many seconds.
    fn output(self, command: &mut Command, rate: u32, seconds: f64) {
        let Self { width, height } = self;
        command.args(["-map", "0:v:0", "-t", &format!("{seconds:.3}")]);
        command.args(["-vf", &format!("fps={rate},scale={width}:{height}:flags=area,setsar=1")]);
        command.args(["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]);
    }

    /// Hands every picture of that output to `each`.
    fn each(self, pipe: &mut dyn Read, each: &mut dyn FnMut(&Luma<'_>)) {
        let Self { width, height } = self;
        let mut picture = vec![0; width as usize * height as usize];
        while pipe.read_exact(&mut picture).is_ok() {
            each(&Luma { width, height, data: &picture });
        }
    }
}

/// Hands pictures to `each`: no longer side above `longest`, so many a second, from some second on, for so many seconds.
fn pictures(
    id: &'static str,
    path: &Path,
    clip: &Clip,
    (longest, rate): (u32, u32),
    (from, seconds): (f64, f64),
    cx: &RenderCx<'_>,
    each: &mut (dyn FnMut(&Luma<'_>) + Send),
) -> Result<()> {
    let scene = Scene::of(clip, longest);
    let mut command = child::ffmpeg(id, cx)?;
    command.args(child::REFERENCES);
    if from > 0.0 {
        command.args(["-ss", &format!("{from:.3}")]);
    }
    command.args(["-threads", "2", "-f", clip.demuxer, "-i"]).arg(child::file(path));
    scene.output(&mut command, rate, seconds);
    child::stream(id, &mut command, cx.limits, &mut |pipe| {
        scene.each(pipe, each);
        Ok(())
    })
}

/// Reads a label without a record in the first seconds, where the rules put it (GB 45438-2025, 5.4). What is not read proves
/// nothing.
fn read(id: &'static str, path: &Path, clip: &Clip, reader: &Path, cx: &RenderCx<'_>) -> Result<Observation> {
    let mut answers: Vec<Observation> = Vec::new();
    pictures(id, path, clip, (READ_SIDE, READ_RATE), (0.0, READ_SECONDS), cx, &mut |picture| {
        // Where the first pictures show none, a second one is given a chance, and no more: reading takes its time.
        let seen = answers.iter().any(|a| matches!(a, Observation::Label { state: State::Present, .. }));
        if seen || answers.len() < TRIES {
            answers.push(colophon_image::read_label(reader, picture, cx.limits));
        }
    })?;
    Ok(together(answers, clip.duration_s))
}

/// One answer from what was read in pictures, in their order: the first words, the lowest type, when it was seen.
fn together(answers: Vec<Observation>, whole: Option<f64>) -> Observation {
    let step = 1.0 / f64::from(READ_RATE);
    let mut seen: Vec<(f64, f64)> = Vec::new();
    let mut found: Option<LabelEvidence> = None;
    let mut why = None;
    for (i, answer) in answers.into_iter().enumerate() {
        let Observation::Label { state, why: reason, evidence, .. } = answer else { continue };
        why = why.or(reason);
        let Some(evidence) = evidence.filter(|_| state == State::Present) else { continue };
        let at = i as f64 * step;
        let end = whole.map_or(at + step, |w| (at + step).min(w));
        match seen.last_mut() {
            Some(last) if (last.1 - at).abs() < 1e-6 => last.1 = end,
            _ => seen.push((at, end)),
        }
        match &mut found {
            Some(first) => {
                first.height_ratio = first
                    .height_ratio
                    .zip(evidence.height_ratio)
                    .map(|(a, b)| a.min(b))
                    .or(first.height_ratio);
            }
            None => found = Some(evidence),
        }
    }
    match found {
        Some(evidence) => Observation::Label {
            state: State::Present,
            why: None,
            evidence: Some(LabelEvidence { seen, ..evidence }),
            confidence: None,
        },
        None => Observation::Label {
            state: State::NotChecked,
            why: why.or(Some(Why::Undecodable)),
            evidence: None,
            confidence: None,
        },
    }
}

/// One answer from the pictures, in their order.
fn answer(record: &LabelRecord, checks: &[LabelCheck], whole: Option<f64>) -> Observation {
    let step = 1.0 / f64::from(RATE);
    let from = from(record);
    let mut seen: Vec<(f64, f64)> = Vec::new();
    for (i, _) in checks.iter().enumerate().filter(|(_, c)| c.state.is_there()) {
        let at = from + i as f64 * step;
        // A picture stands until the next one that was looked at, and no longer than the clip.
        let end = whole.map_or(at + step, |w| (at + step).min(w));
        match seen.last_mut() {
            Some(last) if (last.1 - at).abs() < 1e-6 => last.1 = end,
            _ => seen.push((at, end)),
        }
    }
    // What follows a recorded end proves it: the label is not counted beyond it.
    if let (Some(span), Some(last)) = (record.span, seen.last_mut()) {
        last.1 = last.1.min(span.start_s + span.duration_s);
    }
    let there = || checks.iter().filter(|c| c.state.is_there());
    let Some(weakest) = there().min_by(|a, b| a.score.total_cmp(&b.score)) else {
        let why = checks.iter().find_map(|c| c.why);
        return match checks.first() {
            Some(c) if c.state != State::NotChecked => Observation::Label {
                state: State::Invalid,
                why: None,
                evidence: Some(LabelEvidence {
                    method: "record".to_owned(),
                    record: Some(record.clone()),
                    ..LabelEvidence::default()
                }),
                confidence: Some(confidence(c)),
            },
            _ => unanswered(&Query::Label(None), why.unwrap_or(Why::Undecodable)),
        };
    };
    let height = there().map(|c| c.height_ratio).fold(f32::INFINITY, f32::min);
    Observation::Label {
        state: State::Present,
        why: None,
        evidence: Some(LabelEvidence {
            text: Some(record.text.clone()),
            method: "record".to_owned(),
            record: Some(record.clone()),
            height_ratio: Some(height),
            seen,
            position: None,
        }),
        confidence: Some(confidence(weakest)),
    }
}

fn confidence(check: &LabelCheck) -> Confidence {
    Confidence { score: f64::from(check.score), log10_p: None, threshold: f64::from(check.threshold) }
}

#[cfg(test)]
mod tests;
