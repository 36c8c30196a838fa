//! Sound to frames, through ffmpeg: the label alone, or a whole programme.

use std::io::Write;

use colophon_core::{Error, Placed, RenderCx, Result, Source};

use super::header::{Header, SAMPLES};
use super::silence;
use super::{File, ID};
use crate::audible::Label;
use crate::ffmpeg::{Job, Probe};
use crate::frames::{self, Frames};
use crate::pass::Pass;

/// Bit rates the encoder is asked for, per channel, kilobits per second.
const KBPS: (f64, f64) = (32.0, 256.0);
/// Bytes of the stream that tell whether it is HE-AAC.
const PROBED: u64 = 1 << 16;

/// The label as frames of the same rate and channels. The encoder's first frame, which is silence it runs in with, stays: a
/// label is not trimmed. Behind it stands a frame of silence.
///
/// # Errors
/// Those of the child process.
pub(super) fn label(
    source: &dyn Source,
    file: &File,
    channels: u16,
    label: &Label,
    cx: &RenderCx<'_>,
) -> Result<Vec<u8>> {
    let samples: Vec<f32> =
        label.samples.iter().flat_map(|s| std::iter::repeat_n(*s, usize::from(channels))).collect();
    let mut frames = encoded(source, file, channels, cx, |feed| feed.push(&samples))?;
    frames.extend(silence::frame(&file.first.header).unwrap_or_default());
    Ok(frames)
}

/// Writes the file anew with every sample as it comes out of `pass`, at no lower bit rate.
///
/// # Errors
/// Those of the child process and of the operations.
pub(super) fn passed(
    source: &dyn Source,
    file: &File,
    channels: u16,
    pass: Pass<'_>,
    cx: &RenderCx<'_>,
    out: &mut dyn Write,
) -> Result<Vec<Placed>> {
    let mut sound = file.sound(source, cx.limits)?;
    let mut placed = Vec::new();
    let coded = encoded(source, file, channels, cx, |feed| {
        placed = pass.through(&mut sound, |ready| feed.push(ready))?;
        Ok(())
    })?;
    // There is no place that says how many samples to leave out. Without the frame the encoder runs in with, everything
    // stands where it stood.
    let first = Frames::<Header>::new(&coded, 0..coded.len() as u64).next()?.map_or(0, |f| f.range.end);
    source.write_to(0..file.tag_end(), out)?;
    out.write_all(coded.get(first as usize..).unwrap_or_default())?;
    source.write_to(file.sound.end..source.len(), out)?;
    Ok(placed)
}

/// Whether frames that look like AAC-LC carry more than that.
///
/// # Errors
/// `MissingTool` without ffprobe.
pub(super) fn is_high_efficiency(source: &dyn Source, file: &File, cx: &RenderCx<'_>) -> Result<bool> {
    let len = (file.sound.end - file.sound.start).min(PROBED);
    let head = source.bytes(file.sound.start, len)?;
    let probe = Probe { id: ID, tool: cx.tools.ffprobe.as_deref(), limits: cx.limits };
    Ok(probe.profile("aac", &head)?.starts_with("HE-AAC"))
}

fn encoded(
    source: &dyn Source,
    file: &File,
    channels: u16,
    cx: &RenderCx<'_>,
    feed: impl FnOnce(&mut crate::ffmpeg::Feed<'_>) -> Result<()> + Send,
) -> Result<Vec<u8>> {
    let h = file.first.header;
    let (count, bytes) = frames::count::<Header>(source, file.sound.clone())?;
    let average = bytes as f64 * 8.0 * f64::from(h.rate) / (count * SAMPLES).max(1) as f64 / 1000.0;
    let width = f64::from(channels);
    let kbps = format!("{:.0}k", average.clamp(KBPS.0 * width, KBPS.1 * width).ceil());
    let job = Job {
        id: ID,
        tool: cx.tools.ffmpeg.as_deref(),
        rate: h.rate,
        channels,
        arguments: &["-c:a", "aac", "-b:a", &kbps, "-f", "adts"],
        limits: cx.limits,
    };
    let mut coded = job.encode(feed)?;
    let mut frames = Vec::new();
    let mut walk = Frames::<Header>::new(&coded, 0..coded.len() as u64);
    while let Some(f) = walk.next()? {
        frames.push(f.range);
    }
    for range in frames {
        h.stamp(coded.get_mut(range.start as usize..range.end as usize).unwrap_or_default());
    }
    if frames::pure(&coded, &h)?.is_none() {
        return Err(Error::unsupported(ID, "ffmpeg encoded the sound as something else than asked"));
    }
    Ok(coded)
}
