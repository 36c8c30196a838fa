//! Sound to packets: the label alone, or a whole programme through ffmpeg.

use std::io::Write;

use colophon_container::ogg::{self as container, Codec, Packets};
use colophon_core::{Error, Patch, Placed, RenderCx, Result, Source, TextPosition};

use super::OggFile;
use super::opus::{self, packet_samples};
use crate::audible::Label;
use crate::ffmpeg::Job;
use crate::pass::Pass;

/// Bit rate of the label's packets, kilobits per second.
const LABEL_KBPS: u32 = 48;
/// 20 ms of silence coded with SILK alone, narrow band, mono: the first packet of an encoder that hears nothing. A
/// decoder clears its state when the mode changes (RFC 6716, 4.5): what follows sounds as at the start of a stream.
const SILENCE: [u8; 7] = [0x08, 0x0b, 0xe4, 0xb9, 0xa0, 0xbc, 0x84];
/// Bit rates the encoders take per channel, kilobits per second.
const KBPS: (f64, f64) = (16.0, 256.0);

/// The splices that put the label into an Opus stream.
///
/// # Errors
/// `Unsupported` for more than two channels.
pub(super) fn splice(
    source: &dyn Source,
    file: &OggFile,
    label: &Label,
    end: TextPosition,
    cx: &RenderCx<'_>,
) -> Result<Patch> {
    // One or two channels in one stream: more would have to be mapped as the programme is.
    let plain = file.stream.head.get(18).copied().unwrap_or(0) == 0 && file.channels <= 2;
    if !plain {
        return Err(Error::unsupported(
            file.id,
            "a label cannot be put into a stream of more than two channels",
        ));
    }
    let mut list = opus::encode_label(&label.samples, LABEL_KBPS)
        .ok_or_else(|| Error::unsupported(file.id, "the label cannot be encoded"))?;
    let in_front = end == TextPosition::Start;
    // The label is coded with CELT alone. A programme that begins with CELT gets a change of mode in between.
    if in_front && starts_with_celt(source, file, cx)? {
        list.push((SILENCE.to_vec(), packet_samples(&SILENCE)));
    }
    let tail = if in_front { 0 } else { end_of_packets(source, file, cx)? };
    file.stream.insert(source, &list, in_front, tail, cx.limits).map_err(|e| e.in_format(file.id))
}

/// Whether the first packet of the programme is coded with CELT alone (RFC 6716, table 2).
fn starts_with_celt(source: &dyn Source, file: &OggFile, cx: &RenderCx<'_>) -> Result<bool> {
    let mut packets = Packets::new(source, file.stream.headers.end, file.stream.serial, cx.limits);
    Ok(packets.next_packet()?.is_some_and(|(p, _)| p.first().is_some_and(|toc| toc >> 3 >= 16)))
}

/// The position behind the last packet, nothing cut off.
fn end_of_packets(source: &dyn Source, file: &OggFile, cx: &RenderCx<'_>) -> Result<u64> {
    let mut packets = Packets::new(source, file.stream.headers.end, file.stream.serial, cx.limits);
    let (mut known, mut behind) = (0, 0);
    // The position of the last page may leave samples out; that of the page before does not.
    let mut before = 0;
    while let Some((packet, granule)) = packets.next_packet()? {
        behind += packet_samples(&packet);
        if let Some(granule) = granule {
            before = known + behind;
            known = granule;
            behind = 0;
        }
    }
    Ok(before.max(known))
}

/// Writes the file anew with every sample as it comes out of `pass`, at no lower bit rate.
///
/// # Errors
/// Those of the child process and of the operations.
pub(super) fn anew(
    source: &dyn Source,
    file: &OggFile,
    pass: Pass<'_>,
    cx: &RenderCx<'_>,
    out: &mut dyn Write,
) -> Result<Vec<Placed>> {
    let coded: u64 = file.stream.media.iter().map(|r| r.end - r.start).sum();
    let average = coded as f64 * 8.0 / file.seconds().max(0.001) / 1000.0;
    let width = f64::from(file.channels);
    let kbps = format!("{:.0}k", average.clamp(KBPS.0 * width, KBPS.1 * width));
    let arguments: &[&str] = match file.stream.codec {
        Codec::Vorbis => &["-c:a", "libvorbis", "-b:a", &kbps, "-f", "ogg"],
        Codec::Opus => &["-c:a", "libopus", "-b:a", &kbps, "-f", "opus"],
    };
    let mut sound = file.sound(source, cx.limits)?;
    let mut placed = Vec::new();
    let encoded = job(file, file.rate, arguments, cx).encode(|feed| {
        placed = pass.through(&mut *sound, |ready| feed.push(ready))?;
        Ok(())
    })?;
    // The comments of the input, under the name of the new encoder.
    let new = container::walk(&encoded, cx.limits).map_err(|e| e.in_format(file.id))?;
    let mut comments = file.stream.comments.clone();
    comments.vendor.clone_from(&new.comments.vendor);
    comments.rest.clone_from(&new.comments.rest);
    new.with_comments(&encoded, &comments, cx.limits)
        .map_err(|e| e.in_format(file.id))?
        .apply(&encoded, out)?;
    Ok(placed)
}

fn job<'a>(file: &OggFile, rate: u32, arguments: &'a [&'a str], cx: &'a RenderCx<'_>) -> Job<'a> {
    Job {
        id: file.id,
        tool: cx.tools.ffmpeg.as_deref(),
        rate,
        channels: file.channels,
        arguments,
        limits: cx.limits,
    }
}
