//! The visible label in containers other than the MP4 family: ffmpeg writes the whole file, and it is compared with the source
//! afterwards.
//!
//! As for MP4: what is not the shown picture is copied, what must be said to the encoder again is said, what cannot be kept
//! is refused by name. Metadata that ffmpeg drops (all of AVI's own) is written again from the source.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use colophon_container::bmff::movie::{Orientation, Track};
use colophon_core::{
    Canvas, Edit, Error, ErrorKind, FileSource, Format, LabelForm, Observation, Placed, Query, RenderCx,
    Result, SignalOp, Slot, Source, SourceReader, Span,
};
use colophon_label::visible;

use crate::probe::{self, Probe, Stream};
use crate::{burn, child, look, overlay};

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
    let [SignalOp::Label(spec)] = ops else {
        return Err(Error::unsupported(
            id,
            "a video in this container takes one visible label and nothing else",
        ));
    };
    let LabelForm::Visible(form) = &spec.form else {
        return Err(Error::unsupported(id, "a video takes a visible label only"));
    };
    let ffmpeg = child::program(id, cx.tools.ffmpeg.as_deref(), "ffmpeg")?;
    let layout = format.inspect(source, cx.limits)?;
    let folder = tempfile::tempdir()?;
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    std::io::copy(&mut SourceReader::new(source), &mut File::create(&before)?)?;
    let mut probe = probe::describe(id, &before, cx)?;
    let none = || Error::unsupported(id, "ffmpeg finds no video stream in the file");
    let index = probe.picture().ok_or_else(none)?.index;
    probe.add(index, probe::picture_data(id, &before, index, cx)?);
    let stream = probe.picture().ok_or_else(none)?;
    burn::refuse_what_would_be_lost(id, &probe, stream)?;
    if stream.side_data_list.iter().any(|d| d.kind.contains("Display Matrix")) {
        return Err(Error::unsupported(id, "the picture is shown turned, which this container would lose"));
    }
    let track = shown(stream);
    let (width, height) = track.displayed();
    let pixels = u64::from(width).saturating_mul(height.into());
    if pixels > cx.limits.pixels || pixels == 0 {
        return Err(Error::limit(format!("a picture of {width} × {height}")).in_format(id));
    }
    let drawn = visible::draw(&spec.text, form, Canvas { width, height }).map_err(|e| e.in_format(id))?;
    if drawn.extend > 0 {
        return Err(Error::unsupported(id, "a strip below the picture is for still pictures"));
    }
    let wanted = form.duration_s.max(form.min_duration_s);
    let duration = layout.properties.duration_s.map_or(wanted, |whole| wanted.min(whole));
    let blend = burn::blend_format(id, &stream.pix_fmt)?;
    let coded = overlay::coded(&drawn.overlay, &track, burn::white(stream));
    let picture = folder.path().join("label.rgba");
    std::fs::write(&picture, &coded.rgba)?;

    let mut command = Command::new(ffmpeg);
    command.args(["-hide_banner", "-nostdin", "-v", "error", "-y", "-protocol_whitelist", "file"]);
    command.args(["-threads", &burn::threads(), "-f", names.demuxer, "-i"]).arg(child::file(&before));
    command.args([
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgba",
        "-s",
        &format!("{}x{}", coded.width, coded.height),
        "-i",
    ]);
    command.arg(child::file(&picture));
    let until = probe.first_picture_s(stream) + duration;
    command.args([
        "-filter_complex",
        &format!(
            "[0:{}][1:0]overlay=x={}:y={}:format={blend}:eof_action=repeat:enable='lt(t,{until})'[shown]",
            stream.index, coded.x, coded.y
        ),
    ]);
    let number = burn::map(&mut command, &probe, stream);
    command.args(encoder(id, stream, number)?);
    for (flag, value) in [
        ("-pix_fmt", Some(&stream.pix_fmt)),
        ("-color_range", stream.color_range.as_ref()),
        ("-colorspace", stream.color_space.as_ref()),
        ("-color_trc", stream.color_transfer.as_ref()),
        ("-color_primaries", stream.color_primaries.as_ref()),
    ] {
        if let Some(value) = value.filter(|v| !v.is_empty() && *v != "unknown") {
            command.args([flag, value]);
        }
    }
    command.args(["-fps_mode", "passthrough", "-enc_time_base", &burn::clock(stream)]);
    command.args(["-threads", &burn::threads(), "-map_metadata", "0", "-map_chapters", "0"]);
    command.args(["-f", names.muxer]).arg(child::file(&after));
    child::output(id, &mut command, 1 << 16, cx.limits)?;

    compare(id, &probe, stream, &before, &after, cx)?;
    let new = FileSource::open(&after)?;
    let marked = format.inspect(&new, cx.limits)?;
    if marked.properties.dimensions != layout.properties.dimensions {
        return Err(Error::new(ErrorKind::Check, "the labelled pictures have another size").in_format(id));
    }
    // Of the metadata whose place is ours, what did not come through.
    let kept = layout.entries.iter().filter(|e| e.normative && matches!(e.slot, Slot::Field | Slot::Xmp));
    let lost: Vec<Edit> = kept
        .filter(|e| !marked.entries.iter().any(|m| (m.slot, &m.key, &m.value) == (e.slot, &e.key, &e.value)))
        .map(|e| Edit::set(e.slot, e.key.clone(), e.value.clone()))
        .collect();
    format.edit(&new, &lost, cx.limits)?.apply(&new, out)?;
    let mut record = drawn.record;
    record.span = Some(Span { start_s: 0.0, duration_s: duration });
    Ok(vec![Placed::Label(record)])
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

/// The same pictures at the same times, the same streams.
fn compare(
    id: &'static str,
    probe: &Probe,
    stream: &Stream,
    before: &Path,
    after: &Path,
    cx: &RenderCx<'_>,
) -> Result<()> {
    let differs = |what: String| Err(Error::new(ErrorKind::Check, what).in_format(id));
    let result = probe::describe(id, after, cx)?;
    let kinds = |p: &Probe| -> Vec<(String, String)> {
        p.streams.iter().map(|s| (s.codec_type.clone(), s.codec_name.clone())).collect()
    };
    if kinds(probe) != kinds(&result) {
        return differs(format!("the streams changed: {:?} became {:?}", kinds(probe), kinds(&result)));
    }
    let Some(same) = result.streams.iter().find(|s| s.index == stream.index) else {
        return differs("the labelled stream is missing".to_owned());
    };
    if same.pix_fmt != stream.pix_fmt || (same.width, same.height) != (stream.width, stream.height) {
        return differs("size or form of the pictures changed".to_owned());
    }
    let old = probe::stamps(id, before, stream.index, cx)?;
    let new = probe::stamps(id, after, same.index, cx)?;
    if old.len() != new.len() {
        return differs(format!("{} pictures became {}", old.len(), new.len()));
    }
    let (Some((num, den)), Some((n, d))) = (stream.tick(), same.tick()) else {
        return differs("the clock of the pictures is not known".to_owned());
    };
    let other = |(a, b): (&i64, &i64)| i128::from(*a) * num * d != i128::from(*b) * n * den;
    if let Some(i) = old.iter().zip(&new).position(other) {
        return differs(format!("picture {i} is shown at another time"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
