//! Watermarks looked for in the pictures and in the sound of a movie.

use std::path::Path;
use std::process::Command;

use colophon_core::{
    Confidence, Observation, RenderCx, Result, State, WatermarkEvidence, WatermarkStream, Why,
};
use colophon_signal::key::MarkKey;

use crate::look::Clip;
use crate::probe::{self, Probe};
use crate::watermark::{FrameReader, NotChecked, Reading, SCHEME, sampled_size};
use crate::{child, pass, sound};

/// Pictures read in each second.
const RATE: u32 = 6;
/// From how many digits of improbability on a mark counts as found: the bound of the readers over all their searches.
const THRESHOLD: f64 = 8.0;

/// Looks for a mark under this secret. `own`: it was written just now, so that the first sure sight is enough.
///
/// # Errors
/// `Key` for a bad secret; `MissingTool`, `Limit`, `Unsupported`, `Io` of the decoder.
pub(crate) fn look(
    id: &'static str,
    path: &Path,
    clip: &Clip,
    secret: Option<&[u8]>,
    own: bool,
    cx: &RenderCx<'_>,
) -> Result<Observation> {
    let key = pass::key(secret)?;
    let probe = probe::describe(id, path, cx)?;
    let pictures = pictures(id, path, clip, &probe, (&key, own), cx)?;
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
    let seconds = clip.duration_s.unwrap_or(0.0);
    for stream in probe.streams.iter().filter(|s| s.codec_type == "audio") {
        // A track that cannot be decoded carries nothing that can be read.
        let read = sound::read(id, (path, clip.demuxer), stream, (&key, own), seconds, cx);
        let found = match read {
            Ok(found) => found,
            Err(e) if e.kind() == colophon_core::ErrorKind::Unsupported => None,
            Err(e) => return Err(e),
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

/// Reads a few pictures of every second; `None` for pictures that cannot be read at all.
fn pictures(
    id: &'static str,
    path: &Path,
    clip: &Clip,
    probe: &Probe,
    (key, own): (&MarkKey, bool),
    cx: &RenderCx<'_>,
) -> Result<Option<Reading>> {
    let Some(stream) = probe.picture() else { return Ok(None) };
    let size = sampled_size(stream.width as usize, stream.height as usize);
    let Some((width, height)) = size else { return Ok(None) };
    let Some(mut reader) = FrameReader::new(width, height, key) else { return Ok(None) };
    let ffmpeg = child::program(id, cx.tools.ffmpeg.as_deref(), "ffmpeg")?;
    let mut command = Command::new(ffmpeg);
    command.args(["-hide_banner", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"]);
    command.args(["-threads", "2", "-noautorotate", "-f", clip.demuxer, "-i"]).arg(child::file(path));
    command.args(["-map", &format!("0:{}", stream.index), "-an", "-sn"]);
    command.args(["-vf", &format!("fps={RATE},scale={width}:{height}:flags=area")]);
    command.args(["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]);
    let mut enough = false;
    let done = child::stream(id, &mut command, cx.limits, &mut |pipe| {
        let mut picture = vec![0; width * height];
        let mut at = 0_u32;
        while sound::fill(pipe, &mut picture)? == picture.len() {
            reader.push(&picture, f64::from(at) / f64::from(RATE));
            at += 1;
            if own && reader.certain() {
                enough = true;
                return Ok(());
            }
        }
        Ok(())
    });
    // Whoever stops looking ends the child in the middle of a picture.
    if !enough {
        done?;
    }
    Ok(Some(reader.finish()))
}
