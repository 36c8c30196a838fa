//! The visible label in containers other than the MP4 family: ffmpeg writes the whole file, and it is compared with the source
//! afterwards.
//!
//! As for MP4: what is not the shown picture is copied, what must be said to the encoder again is said, what cannot be kept
//! is refused by name. Metadata that ffmpeg drops (all of AVI's own) is written again from the source.

use std::io::Write;

use colophon_container::bmff::movie::{Orientation, Track};
use colophon_core::{
    Canvas, Edit, Error, ErrorKind, FileSource, Format, Observation, Placed, Query, RenderCx, Result,
    SignalOp, Slot, Source,
};

use crate::local::Local;
use crate::pass::{self, Pass};
use crate::probe::{Stream, Timed};
use crate::{burn, child, encoding, look, loss, overlay};

/// How ffmpeg calls a container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    /// When it reads.
    pub(crate) demuxer: &'static str,
    /// When it writes.
    pub(crate) muxer: &'static str,
}

/// Burns the label in and writes the new file.
///
/// # Errors
/// `MissingTool` without ffmpeg; `Unsupported` for operations, codecs and data that cannot be kept; `Check` when the result
/// differs from the source in more than its pictures; `Limit`; `Io`.
pub(crate) fn burn(
    format: &dyn Format,
    names: Names,
    source: &dyn Source,
    ops: &[SignalOp],
    cx: &RenderCx<'_>,
    out: &mut dyn Write,
) -> Result<Vec<Placed>> {
    let id = format.info().id;
    let (label, mark) = pass::split(id, ops)?;
    child::program(id, cx.tools.ffmpeg.as_deref(), "ffmpeg")?;
    let layout = format.inspect(source, cx.limits)?;
    let folder = tempfile::tempdir()?;
    let after = folder.path().join("after");
    let local = Local::of(source)?;
    let before = local.path();
    let mut timed = Timed::of_picture(id, before, cx)?;
    if names.demuxer == "flv" {
        // Scripts, of which none is lost: they are written again below.
        timed.probe.streams.retain(|s| s.codec_type != "data");
    }
    let stream = timed.stream()?;
    let dropped = loss::of(id, &timed.probe, stream, cx.tools.video.drop_dynamic_hdr)?;
    if stream.side_data_list.iter().any(|d| d.kind.contains("Display Matrix")) {
        return Err(Error::unsupported(id, "the picture is shown turned, which this container would lose"));
    }
    if names.muxer == "matroska" && timed.probe.streams.iter().any(|s| s.disposition.attached_pic == 1) {
        return Err(Error::unsupported(id, "an attached picture would become a second video track"));
    }
    let track = shown(stream);
    let (width, height) = track.displayed();
    let pixels = u64::from(width).saturating_mul(height.into());
    if pixels > cx.limits.pixels || pixels == 0 {
        return Err(Error::limit(format!("a picture of {width} × {height}")).in_format(id));
    }
    let runs = (layout.properties.duration_s, timed.runs_s());
    let drawn = label.map(|spec| burn::draw(id, spec, Canvas { width, height }, runs)).transpose()?;
    let coded = drawn.as_ref().map(|(d, s)| (overlay::coded(&d.overlay, &track, burn::white(stream)), *s));
    let most = burn::most(&timed.probe, stream, mark.is_some());
    let marks = Pass {
        id,
        cx,
        before,
        demuxer: names.demuxer,
        after: &after,
        muxer: names.muxer,
        folder: folder.path(),
        source: &timed,
        label: coded.as_ref().map(|(coded, times)| (coded, *times)),
        mark,
        encoder: &|number| {
            let mut usual = burn::held(encoder(id, stream, number)?, most, number);
            if names.muxer == "avi" {
                // Its pictures have no times but their order.
                usual.extend([format!("-bf:v:{number}"), "0".to_owned()]);
            }
            encoding::chosen(id, usual, &cx.tools.video, stream, number)
        },
        options: Vec::new(),
    }
    .run()?;

    let new = FileSource::open(&after)?;
    let marked = format.inspect(&new, cx.limits)?;
    if marked.properties.dimensions != layout.properties.dimensions {
        return Err(Error::new(ErrorKind::Check, "the labelled pictures have another size").in_format(id));
    }
    // Of the metadata whose place is ours, what did not come through. A manifest that does not hold any more is still evidence
    // of what was received.
    let kept = layout
        .entries
        .iter()
        .filter(|e| e.normative && matches!(e.slot, Slot::Field | Slot::Xmp | Slot::Jumbf));
    let lost: Vec<Edit> = kept
        .filter(|e| !marked.entries.iter().any(|m| (m.slot, &m.key, &m.value) == (e.slot, &e.key, &e.value)))
        .map(|e| Edit::set(e.slot, e.key.clone(), e.value.clone()))
        .collect();
    format.edit(&new, &lost, cx.limits)?.apply(&new, out)?;
    Ok(burn::placed(drawn, marks.into_iter().chain(dropped).collect()))
}

/// Looks for the label, as in MP4.
///
/// # Errors
/// `Io`.
pub(crate) fn observe(
    format: &dyn Format,
    names: Names,
    source: &dyn Source,
    queries: &[Query<'_>],
    cx: &RenderCx<'_>,
) -> Result<Vec<Observation>> {
    let properties = format.inspect(source, cx.limits)?.properties;
    let clip = look::Clip {
        displayed: properties.dimensions.unwrap_or_default(),
        duration_s: properties.duration_s,
        demuxer: names.demuxer,
        streams: None,
    };
    look::observe(format.info().id, source, Some(&clip), queries, cx)
}

/// The picture as ffprobe describes it, upright.
fn shown(stream: &Stream) -> Track {
    let aspect = stream.sample_aspect_ratio.as_deref().and_then(|s| {
        let (num, den) = s.split_once(':')?;
        Some((num.parse().ok().filter(|n| *n > 0)?, den.parse().ok().filter(|n| *n > 0)?))
    });
    Track {
        coded: (stream.width, stream.height),
        pixel_aspect: aspect.unwrap_or((1, 1)),
        orientation: Some(Orientation::UPRIGHT),
        ..Track::default()
    }
}

/// The encoder of the source's codec: those of MP4, and those that only these containers have.
fn encoder(id: &'static str, stream: &Stream, number: usize) -> Result<Vec<String>> {
    let options: &[&str] = match stream.codec_name.as_str() {
        "vp8" => &["libvpx", "-crf", "10", "-b:v", "8M", "-cpu-used", "2"],
        "flv1" => &["flv", "-q:v", "3"],
        "ffv1" => &["ffv1", "-level", "3"],
        "mjpeg" => &["mjpeg", "-q:v", "3"],
        "h264" | "vp9" | "av1" | "mpeg4" => return burn::encoder(id, stream, number),
        "hevc" => {
            // The tag of a codec is a matter of MP4.
            let all = burn::encoder(id, stream, number)?;
            let tag = all.iter().position(|a| a.starts_with("-tag:v"));
            let keep = |i: usize| tag.is_none_or(|t| i != t && i != t + 1);
            return Ok(all.into_iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, a)| a).collect());
        }
        other => return Err(Error::unsupported(id, format!("no encoder is set up for {other} video"))),
    };
    let mut out = vec![format!("-c:v:{number}")];
    out.extend(options.iter().map(|s| match s.strip_suffix(":v") {
        Some(flag) if s.starts_with('-') => format!("{flag}:v:{number}"),
        None if s.starts_with('-') => format!("{s}:v:{number}"),
        _ => (*s).to_owned(),
    }));
    Ok(out)
}

#[cfg(test)]
mod tests;
