//! Sound to frames, through ffmpeg: the label alone, or a whole programme.

use std::io::Write;

use colophon_core::{Error, Placed, RenderCx, Result, Source};

use super::frame::Header;
use super::info;
use super::{ID, Mp3File};
use crate::audible::Label;
use crate::ffmpeg::Job;
use crate::frames;
use crate::pass::Pass;

/// Least bit rate of the label's frames per channel, kilobits per second: a tone needs no more.
const LEAST_KBPS: u16 = 32;
/// Samples the encoder puts in front, less the 529 that decoders run behind (LAME tag, field "delay").
const DELAY: u64 = 576;

/// The label as frames of the same version, rate and channels, none of which reaches back into another.
///
/// # Errors
/// Those of the child process.
pub(super) fn label(file: &Mp3File, label: &Label, cx: &RenderCx<'_>) -> Result<Vec<u8>> {
    let h = file.first.header;
    let samples: Vec<f32> =
        label.samples.iter().flat_map(|s| std::iter::repeat_n(*s, usize::from(h.channels))).collect();
    let kbps = format!("{}k", h.kbps.max(LEAST_KBPS * h.channels));
    let arguments =
        ["-c:a", "libmp3lame", "-b:a", &kbps, "-reservoir", "0", "-write_xing", "0", "-id3v2_version", "0"];
    let arguments = [&arguments[..], &["-f", "mp3"]].concat();
    let frames = job(h, &arguments, cx).encode(|feed| feed.push(&samples))?;
    check(&frames, h)?;
    Ok(frames)
}

/// Writes the file anew with every sample as it comes out of `pass`, at no lower bit rate and trimmed to the sample.
///
/// # Errors
/// Those of the child process and of the operations.
pub(super) fn passed(
    source: &dyn Source,
    file: &Mp3File,
    pass: Pass<'_>,
    cx: &RenderCx<'_>,
    out: &mut dyn Write,
) -> Result<Vec<Placed>> {
    let h = file.first.header;
    let (count, bytes) = file.count(source)?;
    let average = bytes as f64 * 8.0 * f64::from(h.rate) / (count * h.samples()).max(1) as f64 / 1000.0;
    let kbps = format!("{}k", Header::rate_at_least(h.mpeg1, average));
    let arguments =
        ["-c:a", "libmp3lame", "-b:a", &kbps, "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"];
    let mut decoder = file.decoder(source, cx.limits)?;
    let (mut placed, mut samples) = (Vec::new(), 0_u64);
    let frames = job(h, &arguments, cx).encode(|feed| {
        placed = pass.through(&mut decoder, |ready| {
            samples += (ready.len() / usize::from(h.channels)) as u64;
            feed.push(ready)
        })?;
        Ok(())
    })?;
    let count = check(&frames, h)?;
    let padding = (count * h.samples()).saturating_sub(DELAY + samples);
    let describing = info::build(&frames, count as u32, (DELAY as u16, padding.min(0xfff) as u16));
    source.write_to(0..file.tag_end(), out)?;
    out.write_all(&describing)?;
    out.write_all(&frames)?;
    source.write_to(file.sound.end..source.len(), out)?;
    Ok(placed)
}

fn job<'a>(header: Header, arguments: &'a [&'a str], cx: &'a RenderCx<'_>) -> Job<'a> {
    Job {
        id: ID,
        tool: cx.tools.ffmpeg.as_deref(),
        rate: header.rate,
        channels: header.channels,
        arguments,
        limits: cx.limits,
    }
}

/// What comes back is checked like any other file: only whole frames of the right kind may go in. Their number.
fn check(bytes: &[u8], like: Header) -> Result<u64> {
    let count = frames::pure(bytes, &like)?;
    count.ok_or_else(|| Error::unsupported(ID, "ffmpeg encoded the sound as something else than asked"))
}
