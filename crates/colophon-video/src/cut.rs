//! The smart cut: a label alone is burned into the first pictures, up to a keyframe behind it, and the rest of the pictures is
//! copied bit for bit. For H.264 in MP4 and QuickTime.
//!
//! The new pictures are put where the old ones stood, in their chunks; both sets of parameter sets stand in the sample entry under
//! numbers of their own, so that any player finds those of a picture. Every condition is checked, and the result is decoded
//! and compared with the source; where one does not hold, the caller encodes the whole clip.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use colophon_container::bmff::samples::{self, AvcConfig, Samples};
use colophon_core::{Error, ErrorKind, FileSource, Placed, PlanNote, Result, VideoEncoding};

use crate::burn::{self, Job};
use crate::mp4::{MOV, MP4, Opened};
use crate::overlay;
use crate::probe::{Stream, Timed};
use crate::{child, encoding, pass};

/// Most bytes of the list of picture digests.
const DIGESTS: u64 = 256 << 20;

/// A labelled file whose later pictures are those of the source.
pub(crate) struct Cut {
    pub(crate) path: PathBuf,
    /// Pictures that were encoded anew, and all of them.
    pub(crate) head: usize,
    pub(crate) all: usize,
}

impl Cut {
    /// What was done, for the report.
    pub(crate) fn note(&self) -> Placed {
        let rest = self.all.saturating_sub(self.head);
        Placed::Note(PlanNote {
            code: "encoded-in-part".to_owned(),
            text: format!(
                "the first {} pictures were encoded again, up to a keyframe behind the label; the other {rest} are those of \
                 the source, bit for bit",
                self.head
            ),
        })
    }
}

/// Why the whole clip was encoded, for the report.
pub(crate) fn whole(why: &str) -> Placed {
    Placed::Note(PlanNote {
        code: "encoded-whole".to_owned(),
        text: format!("all pictures were encoded again, not the labelled ones alone: {why}"),
    })
}

/// Labels a movie so, into a file in `folder`. The error of the inner result says which condition does not hold.
///
/// # Errors
/// `Io`, `Limit` of time.
pub(crate) fn cut(
    job: &Job<'_>,
    before: &Path,
    timed: &Timed,
    label: (&overlay::Coded, overlay::Times),
    folder: &Path,
) -> Result<std::result::Result<Cut, String>> {
    match attempt(job, before, timed, label, folder) {
        Ok(cut) => Ok(Ok(cut)),
        Err(e) if matches!(e.kind(), ErrorKind::Io) => Err(e),
        Err(e) => Ok(Err(e.to_string())),
    }
}

fn attempt(
    job: &Job<'_>,
    before: &Path,
    timed: &Timed,
    label: (&overlay::Coded, overlay::Times),
    folder: &Path,
) -> Result<Cut> {
    let refuse = |what: &str| Error::unsupported(job.id, what);
    let stream = timed.stream()?;
    if stream.codec_name != "h264" || stream.codec_tag_string != "avc1" {
        return Err(refuse("only H.264 with its parameter sets in the sample entry (avc1) is cut"));
    }
    if job.cx.tools.video != VideoEncoding::default() {
        return Err(refuse("an encoder, a quality or a rate was chosen"));
    }
    if label.1.closing.is_some() {
        return Err(refuse("the label stands at the end too"));
    }
    if job.file.movie.fragmented {
        return Err(refuse("the movie is fragmented"));
    }
    let none = || refuse("there is no video track");
    let track = job.file.picture_number().ok_or_else(none)?;
    let config = samples::avc_config(job.source, &job.file.boxes, track)?;
    let table = samples::read(job.source, &job.file.boxes, track)?;
    let head = head(job, timed, &table, &config, label.1.opening.duration_s)?;
    let number = config.free_number().ok_or_else(|| refuse("no number of a parameter set is free"))?;
    let profile = profile(config.profile).ok_or_else(|| refuse("no encoder is set up for the profile"))?;

    let new = folder.join("head.mp4");
    let mut command = encode(job, before, timed, label, (head, number, profile), &new, folder)?;
    child::output(job.id, &mut command, 1 << 16, job.cx.limits)?;
    let new = FileSource::open(&new)?;
    let opened = MP4.open(&new, job.cx.limits)?;
    let (made, joined) = encoded(job, &new, &opened, &config, head)?;
    let patch = samples::replace_head(
        job.source,
        &job.file.boxes,
        track,
        &table,
        (&new, &made.ranges, &made.sync),
        &joined,
    )?;
    let after = folder.join("cut.mp4");
    patch.apply_to_file(job.source, &File::create_new(&after)?)?;
    verify(job, (before, timed), &after, head)?;
    Ok(Cut { path: after, head, all: table.ranges.len() })
}

/// How many pictures are encoded anew: those before the first keyframe at or behind the end of the label.
fn head(job: &Job<'_>, timed: &Timed, table: &Samples, config: &AvcConfig, seconds: f64) -> Result<usize> {
    let refuse = |what: &str| Err(Error::unsupported(job.id, what));
    let stream = timed.stream()?;
    if table.shown.len() != timed.stamps.len() {
        return refuse("not every picture of the track is shown");
    }
    let mut shown = table.shown.clone();
    shown.sort_unstable();
    let first = shown.first().copied().unwrap_or(0);
    if shown.iter().zip(&timed.stamps).any(|(a, b)| a.saturating_sub(first) != *b) {
        return refuse("the times of the pictures are not those of the track");
    }
    if shown.windows(2).any(|w| w.first() == w.last()) {
        return refuse("two pictures are shown at once");
    }
    let ticks = stream.timescale().map_or(f64::INFINITY, |t| (seconds * f64::from(t)).ceil());
    let behind = |i: &usize| table.shown.get(*i).is_some_and(|t| t.saturating_sub(first) as f64 >= ticks);
    let key = |i: &usize| table.sync.get(*i) == Some(&true);
    let Some(cut) = (1..table.shown.len()).find(|i| key(i) && behind(i)) else {
        return refuse("there is no keyframe behind the label");
    };
    let at = table.shown.get(cut).copied().unwrap_or(0);
    let (early, late) = table.shown.split_at(cut);
    if early.iter().any(|t| *t >= at) || late.iter().any(|t| *t < at) {
        return refuse("pictures around the keyframe lean on both sides of it (open group of pictures)");
    }
    // A keyframe is one where a decoder may begin (H.264, 7.4.1.2.4), not any picture that is coded by itself.
    let types = match table.ranges.get(cut) {
        Some(sample) => samples::nal_types(job.source, sample, config.length_size)?,
        None => Vec::new(),
    };
    if types.iter().find(|t| (1..=5).contains(*t)) != Some(&5) {
        return refuse("the keyframe behind the label is no IDR picture");
    }
    if types.iter().any(|t| matches!(t, 7 | 8 | 13 | 15)) {
        return refuse("parameter sets stand in the stream");
    }
    Ok(cut)
}

/// The encoder's name of a profile (H.264, A.2).
fn profile(of: [u8; 3]) -> Option<&'static str> {
    Some(match of {
        [66, ..] => "baseline",
        [77, ..] => "main",
        [100, ..] => "high",
        [110, ..] => "high10",
        [122, ..] => "high422",
        [244, ..] => "high444",
        _ => return None,
    })
}

/// Encodes the first pictures with their label, each after the one before: their times of decoding are those of the source.
fn encode(
    job: &Job<'_>,
    before: &Path,
    timed: &Timed,
    (coded, times): (&overlay::Coded, overlay::Times),
    (head, number, profile): (usize, u8, &str),
    to: &Path,
    folder: &Path,
) -> Result<Command> {
    let stream = timed.stream()?;
    let mut command = child::ffmpeg(job.id, job.cx)?;
    command.arg("-y");
    command.args(["-threads", &burn::threads(), "-noautorotate", "-f", "mov", "-i"]).arg(child::file(before));
    coded.input(&mut command, folder)?;
    let blend = burn::blend_format(job.id, &stream.pix_fmt)?;
    let first = timed.probe.starts_s(stream);
    let graph = coded.filter(&format!("[0:{}]", stream.index), 1, blend, times, first);
    command.args(["-filter_complex", &graph]);
    command.args(["-map", "[shown]", "-frames:v", &head.to_string()]);
    let usual = burn::held(burn::encoder(job.id, stream, 0)?, burn::most(&timed.probe, stream, false), 0);
    command.args(encoding::chosen(job.id, usual, &job.cx.tools.video, stream, 0)?);
    command.args(["-profile:v:0", profile, "-bf", "0"]);
    command.args(["-x264-params", &format!("sps-id={number}:scenecut=0:keyint=infinite")]);
    pass::say_colours(&mut command, stream);
    command.args(["-fps_mode", "passthrough", "-enc_time_base", &burn::clock(stream)]);
    if let Some(timescale) = stream.timescale() {
        command.args(["-video_track_timescale", &timescale.to_string()]);
    }
    command.args(["-map_metadata", "-1", "-map_chapters", "-1", "-f", "mp4"]).arg(child::file(to));
    Ok(command)
}

/// The new samples, and the configuration for them and the old ones.
fn encoded(
    job: &Job<'_>,
    new: &FileSource,
    opened: &Opened,
    config: &AvcConfig,
    head: usize,
) -> Result<(Samples, AvcConfig)> {
    let refuse = |what: &str| Error::unsupported(job.id, what);
    let track = opened.picture_number().ok_or_else(|| refuse("the encoder wrote no picture"))?;
    let table = samples::read(new, &opened.boxes, track)?;
    if table.ranges.len() != head {
        return Err(refuse(&format!("{} pictures were encoded in place of {head}", table.ranges.len())));
    }
    if table.shown.windows(2).any(|w| w.first() >= w.last()) {
        return Err(refuse("the encoder changed the order of the pictures"));
    }
    let coded = |o: &Opened| o.picture().map(|t| (t.coded, t.pixel_aspect));
    if coded(opened) != coded(job.file) {
        return Err(refuse("the new pictures have another size or pixel aspect"));
    }
    let own = samples::avc_config(new, &opened.boxes, track)?;
    let joined = config.joined(&own).ok_or_else(|| {
        let text =
            format!("profile {:?} of the new pictures does not go with {:?}", own.profile, config.profile);
        refuse(&text)
    })?;
    Ok((table, joined))
}

/// The result has the same streams, the same pictures at the same times, behind the cut to the bit, and the same packets in every
/// other stream.
fn verify(job: &Job<'_>, (before, timed): (&Path, &Timed), after: &Path, head: usize) -> Result<()> {
    let differs = |what: &str| Err(Error::new(ErrorKind::Check, what).in_format(job.id));
    let result = Timed::of_stream(job.id, after, timed.number(), job.cx)?;
    timed.same(job.id, &result)?;
    let (stream, new) = (timed.stream()?, result.stream()?);
    if colours(stream) != colours(new) {
        return differs("the colours of the new pictures are said otherwise");
    }
    let format = if job.quicktime { &MOV } else { &MP4 };
    let opened = format.open(&FileSource::open(after)?, job.cx.limits)?;
    let facts = |o: &Opened| o.picture().map(|t| (t.displayed(), t.orientation));
    if facts(&opened) != facts(job.file) {
        return differs("size or rotation changed");
    }
    let (old, new) = (pictures(job, before, stream)?, pictures(job, after, new)?);
    if old.len() != timed.stamps.len() || old.len() != new.len() {
        return differs("another number of pictures is decoded");
    }
    for (i, (a, b)) in old.iter().zip(&new).enumerate() {
        if a.0 != b.0 {
            return differs(&format!("picture {i} is decoded for another time"));
        }
        if i >= head && a.1 != b.1 {
            return differs(&format!("picture {i} behind the cut is decoded to other pixels"));
        }
    }
    if others(job, before, stream)? != others(job, after, stream)? {
        return differs("another stream changed");
    }
    Ok(())
}

fn colours(stream: &Stream) -> [&Option<String>; 5] {
    [
        &stream.color_range,
        &stream.color_space,
        &stream.color_transfer,
        &stream.color_primaries,
        &stream.sample_aspect_ratio,
    ]
}

/// When each picture of a stream is shown, with a digest of its pixels.
fn pictures(job: &Job<'_>, path: &Path, stream: &Stream) -> Result<Vec<(String, String)>> {
    let mut command = child::ffmpeg(job.id, job.cx)?;
    command.arg("-xerror");
    command.args(["-threads", &burn::threads(), "-noautorotate", "-f", "mov", "-i"]).arg(child::file(path));
    command.args(["-map", &format!("0:{}", stream.index), "-fps_mode", "passthrough"]);
    command.args(["-enc_time_base", &burn::clock(stream), "-f", "framehash", "-hash", "murmur3", "pipe:1"]);
    let text = child::output(job.id, &mut command, DIGESTS, job.cx.limits)?;
    // Stream, decoding time, time, duration, size, digest.
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    Ok(lines
        .filter_map(|line| {
            let mut fields = line.split(',').map(str::trim);
            let time = fields.nth(2)?.to_owned();
            Some((time, fields.nth(2)?.to_owned()))
        })
        .collect())
}

/// Digests of the packets of every other stream.
fn others(job: &Job<'_>, path: &Path, stream: &Stream) -> Result<Vec<u8>> {
    let mut command = child::ffmpeg(job.id, job.cx)?;
    command.args(["-f", "mov", "-i"]).arg(child::file(path));
    // The shown stream is copied too: without any other there would be no output.
    command.args([
        "-map",
        "0",
        "-map",
        &format!("-0:{}", stream.index),
        "-map",
        &format!("0:{}", stream.index),
    ]);
    command.args(["-copy_unknown", "-c", "copy", "-f", "streamhash", "-hash", "murmur3", "pipe:1"]);
    let text = child::output(job.id, &mut command, 1 << 20, job.cx.limits)?;
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.pop();
    Ok(lines.join("\n").into_bytes())
}

#[cfg(test)]
mod tests;
