//! The visible label burned into the pictures of a movie, through ffmpeg.
//!
//! Everything that is not the shown picture is copied. What must be said to the encoder again is said (pixel format,
//! colour tags, HDR10 data, time base), and what cannot be kept is refused by name. Afterwards the result is compared
//! with the source: the same pictures at the same times, the same orientation, the same streams.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use colophon_container::bmff::edit::{Change, edit};
use colophon_container::bmff::{self, metadata, movie};
use colophon_core::{
    Canvas, Error, ErrorKind, FileSource, LabelForm, LabelRecord, LabelSpec, Patch, Placed, RenderCx, Result,
    SignalOp, Slot, Source,
};
use colophon_label::visible;

use crate::encoding;
use crate::local::Local;
use crate::mp4::{MOV, MP4, Opened};
use crate::overlay::{self, Times};
use crate::pass::{self, Pass};
use crate::probe::{Probe, Stream, Timed};
use crate::{child, cut, loss};

/// Code value of diffuse white, as a share of full scale: about 203 cd/m² (ITU-R BT.2408, 3.2: 58 % PQ, 75 % HLG).
const WHITE_PQ: f32 = 0.58;
const WHITE_HLG: f32 = 0.75;
/// Bits a second below which no picture is held: a label must stay legible.
const LEAST_RATE: u64 = 150_000;

/// One movie to be labelled.
pub(crate) struct Job<'a> {
    pub(crate) id: &'static str,
    pub(crate) quicktime: bool,
    pub(crate) source: &'a dyn Source,
    pub(crate) file: &'a Opened,
    pub(crate) cx: &'a RenderCx<'a>,
}

/// Burns the label in, embeds the mark, and writes the new movie.
///
/// # Errors
/// `MissingTool` without ffmpeg; `Unsupported` for operations, codecs and data that cannot be kept; `Check` when the
/// result differs from the source in more than its pictures and its marked sound; `Limit`; `Io`.
pub(crate) fn burn(job: &Job<'_>, ops: &[SignalOp], out: &mut dyn Write) -> Result<Vec<Placed>> {
    let id = job.id;
    let (label, mark) = pass::split(id, ops)?;
    let track = job
        .file
        .picture()
        .ok_or_else(|| Error::malformed(id, "there is no video track: no picture to be marked"))?;
    if track.encrypted {
        return Err(Error::unsupported(id, "the video is encrypted"));
    }
    if track.orientation.is_none() {
        return Err(Error::unsupported(id, "the picture is shown turned by other than quarters"));
    }
    let (width, height) = track.displayed();
    let pixels = u64::from(width).saturating_mul(height.into());
    if pixels > job.cx.limits.pixels || pixels == 0 {
        return Err(Error::limit(format!("a picture of {width} × {height}")).in_format(id));
    }
    child::program(id, job.cx.tools.ffmpeg.as_deref(), "ffmpeg")?;

    let folder = tempfile::tempdir()?;
    let after = folder.path().join("after.mp4");
    let local = Local::of(job.source)?;
    let before = local.path();
    let timed = Timed::of_picture(id, before, job.cx)?;
    let stream = timed.stream()?;
    let dropped = loss::of(id, &timed.probe, stream, job.cx.tools.video.drop_dynamic_hdr)?;
    let runs = (job.file.movie.duration_s, timed.runs_s());
    let drawn = label.map(|spec| draw(id, spec, Canvas { width, height }, runs)).transpose()?;
    let coded = drawn.as_ref().map(|(d, times)| (overlay::coded(&d.overlay, track, white(stream)), *times));

    let mut notes = dropped;
    if let (Some((coded, times)), None) = (&coded, mark) {
        match cut::cut(job, before, &timed, (coded, *times), folder.path())? {
            Ok(done) => {
                std::io::copy(&mut File::open(&done.path)?, out)?;
                notes.push(done.note());
                return Ok(placed(drawn, notes));
            }
            Err(why) => notes.push(cut::whole(&why)),
        }
    }
    let mut options = Vec::new();
    if let Some(timescale) = stream.timescale() {
        options.extend(["-video_track_timescale".to_owned(), timescale.to_string()]);
    }
    if front(job.file) {
        options.extend(["-movflags", "+faststart"].map(str::to_owned));
    }
    let most = most(&timed.probe, stream, mark.is_some());
    let marks = Pass {
        id,
        cx: job.cx,
        before,
        demuxer: "mov",
        after: &after,
        muxer: if job.quicktime { "mov" } else { "mp4" },
        folder: folder.path(),
        source: &timed,
        label: coded.as_ref().map(|(coded, times)| (coded, *times)),
        mark,
        encoder: &|number| {
            let usual = held(encoder(id, stream, number)?, most, number);
            encoding::chosen(id, usual, &job.cx.tools.video, stream, number)
        },
        options,
    }
    .run()?;

    turn_as_before(job, &after)?;
    compare(job, &after)?;
    hand_over(job, &after, out)?;
    Ok(placed(drawn, marks.into_iter().chain(notes).collect()))
}

/// What was placed: the label first.
pub(crate) fn placed(drawn: Option<(visible::Drawn, Times)>, marks: Vec<Placed>) -> Vec<Placed> {
    let labels = drawn.into_iter().flat_map(|(drawn, times)| {
        times
            .spans()
            .map(move |span| Placed::Label(LabelRecord { span: Some(span), ..drawn.record.clone() }))
            .collect::<Vec<_>>()
    });
    labels.chain(marks).collect()
}

/// Code value of the label's white, as a share of full scale.
pub(crate) fn white(stream: &Stream) -> f32 {
    match stream.color_transfer.as_deref() {
        Some("smpte2084") => WHITE_PQ,
        Some("arib-std-b67") => WHITE_HLG,
        _ => 1.0,
    }
}

/// The drawn label, and when it stands in a clip that runs for some seconds, and its pictures for some, where that is known.
///
/// # Errors
/// `Unsupported` for labels that are not burned into videos; `Policy` for one that cannot meet its rule.
pub(crate) fn draw(
    id: &'static str,
    spec: &LabelSpec,
    canvas: Canvas,
    (whole_s, pictures_s): (Option<f64>, Option<f64>),
) -> Result<(visible::Drawn, Times)> {
    let LabelForm::Visible(form) = &spec.form else {
        return Err(Error::unsupported(id, "a video takes a visible label only"));
    };
    let drawn = visible::draw(&spec.text, form, canvas).map_err(|e| e.in_format(id))?;
    if drawn.extend > 0 {
        return Err(Error::unsupported(id, "a strip below the picture is for still pictures"));
    }
    if form.closing_s > 0.0 && pictures_s.is_none() {
        return Err(Error::unsupported(
            id,
            "how long the video runs is not known: no label is placed at its end",
        ));
    }
    let wanted = form.duration_s.max(form.min_duration_s);
    Ok((drawn, Times::of(wanted, form.closing_s.max(0.0), whole_s, pictures_s)))
}

/// The form in which picture and label are blended: the picture's own sampling and depth. What ffmpeg would choose by
/// itself has 8 bits, for the whole clip.
///
/// # Errors
/// `Unsupported` for forms that would lose depth or sampling.
pub(crate) fn blend_format(id: &'static str, pix_fmt: &str) -> Result<&'static str> {
    Ok(match pix_fmt {
        "yuv420p" | "yuvj420p" => "yuv420",
        "yuv422p" | "yuvj422p" => "yuv422",
        "yuv444p" | "yuvj444p" => "yuv444",
        "yuv420p10le" => "yuv420p10",
        "yuv422p10le" => "yuv422p10",
        other => {
            let text = format!("a label is not blended into {other} pixels: depth or sampling would be lost");
            return Err(Error::unsupported(id, text));
        }
    })
}

/// The clock of the encoder: the stream's own. Behind a filter graph ffmpeg would take the frame rate, which moves the
/// pictures of clips with a variable one. MPEG-4 Part 2 counts to 65535 (ISO/IEC 14496-2, 6.3.3).
pub(crate) fn clock(stream: &Stream) -> String {
    let coarse = stream.codec_name == "mpeg4" && stream.tick().is_none_or(|(_, den)| den > 65_535);
    if coarse || stream.tick().is_none() { "-1".to_owned() } else { stream.time_base.clone() }
}

/// The encoder of the source's codec at a quality near the source's.
pub(crate) fn encoder(id: &'static str, stream: &Stream, number: usize) -> Result<Vec<String>> {
    let options: &[&str] = match stream.codec_name.as_str() {
        "h264" => &["libx264", "-crf", "20", "-preset", "veryfast"],
        "hevc" => &["libx265", "-crf", "22", "-preset", "medium"],
        "vp9" => &["libvpx-vp9", "-crf", "24", "-b:v", "0", "-row-mt", "1", "-cpu-used", "3"],
        "av1" => &["libsvtav1", "-crf", "28", "-preset", "8"],
        "mpeg4" => &["mpeg4", "-q:v", "3"],
        other => return Err(Error::unsupported(id, format!("no encoder is set up for {other} video"))),
    };
    let mut out = vec![format!("-c:v:{number}")];
    let mut rest = options.iter();
    out.extend(rest.next().map(|s| (*s).to_owned()));
    // Options of one stream carry its number; other video streams are copied.
    out.extend(rest.map(|s| {
        if s.starts_with('-') && !s.contains(':') { format!("{s}:v:{number}") } else { (*s).to_owned() }
    }));
    if stream.codec_name == "hevc" {
        // A tag of Dolby Vision would promise what was dropped.
        let tag = stream.codec_tag_string.as_str();
        let tag = if tag.starts_with("dv") { "hvc1" } else { tag };
        out.extend([format!("-tag:v:{number}"), tag.to_owned()]);
        let quiet = "log-level=error".to_owned();
        let params = stream.hdr10().map_or(quiet.clone(), |hdr| format!("{quiet}:{hdr}"));
        out.extend([format!("-x265-params:v:{number}"), params]);
    }
    Ok(out)
}

/// Bits a second that a labelled picture may take: those of the source, where they are known, so that the file does not
/// grow. A watermark is not held down: what an encoder saves at, it takes away from the mark.
pub(crate) fn most(probe: &Probe, stream: &Stream, marked: bool) -> Option<u64> {
    probe.bits(stream).filter(|_| !marked).map(|bits| bits.max(LEAST_RATE))
}

/// The arguments of [`encoder`], held to a rate. The buffer is one second: a short clip is held as well.
pub(crate) fn held(mut arguments: Vec<String>, most: Option<u64>, number: usize) -> Vec<String> {
    let name = arguments.get(1).map_or("", String::as_str).to_owned();
    let Some(most) = most else { return arguments };
    match name.as_str() {
        "libx264" | "libx265" => arguments.extend([
            format!("-maxrate:v:{number}"),
            most.to_string(),
            format!("-bufsize:v:{number}"),
            most.to_string(),
        ]),
        // A quality with a rate beside it is a quality within that rate.
        "libvpx" | "libvpx-vp9" => {
            let rate = format!("-b:v:{number}");
            arguments.extend([rate, most.to_string()]);
        }
        _ => {}
    }
    arguments
}

pub(crate) fn threads() -> String {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(16).to_string()
}

/// Whether the movie stands before the media, ready to be played while it arrives.
fn front(file: &Opened) -> bool {
    let at = |kind| file.boxes.of(kind).next().map(|n| n.range.start);
    at(*b"moov") < at(*b"mdat")
}

/// Gives the new movie the source's transformation matrices: a filtered stream comes without.
fn turn_as_before(job: &Job<'_>, after: &Path) -> Result<()> {
    let format = if job.quicktime { &MOV } else { &MP4 };
    let file = FileSource::open(after)?;
    let new = format.open(&file, job.cx.limits)?;
    let (Some(from), Some(to)) = (job.file.picture_number(), new.picture_number()) else {
        return Err(Error::new(ErrorKind::Check, "the labelled file has no video track").in_format(job.id));
    };
    let from = movie::matrices(job.source, &job.file.boxes, from)?;
    let to = movie::matrices(&file, &new.boxes, to)?;
    let mut out = File::options().write(true).open(after)?;
    for (from, to) in from.into_iter().zip(to) {
        let bytes = job.source.bytes(from.start, from.end.saturating_sub(from.start))?;
        out.seek(SeekFrom::Start(to.start))?;
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// The shown picture has the same size and orientation.
fn compare(job: &Job<'_>, after: &Path) -> Result<()> {
    let format = if job.quicktime { &MOV } else { &MP4 };
    let file = FileSource::open(after)?;
    let marked = format.open(&file, job.cx.limits)?;
    let facts = |o: &Opened| o.picture().map(|t| (t.displayed(), t.orientation));
    if facts(&marked) != facts(job.file) {
        let what = format!("size or rotation {:?} became {:?}", facts(job.file), facts(&marked));
        return Err(Error::new(ErrorKind::Check, what).in_format(job.id));
    }
    Ok(())
}

/// Writes the new movie with the source's own user data and extension boxes, byte for byte.
fn hand_over(job: &Job<'_>, after: &Path, out: &mut dyn Write) -> Result<()> {
    let file = FileSource::open(after)?;
    let boxes = bmff::walk(&file, job.cx.limits)?;
    let mut changes = Vec::new();
    let mut kept = Vec::new();
    for node in job.file.boxes.movie()?.children.iter().filter(|n| matches!(&n.kind, b"udta" | b"meta")) {
        kept.push(job.source.bytes(node.range.start, node.len())?.into_owned());
    }
    changes.push(Change::UserData(kept));
    for node in job.file.boxes.of(*b"uuid").filter(|n| n.uuid != Some(metadata::C2PA_UUID)) {
        if node.len() > job.cx.limits.metadata_bytes {
            return Err(Error::limit("an extension box is longer than metadata may be").in_format(job.id));
        }
        if node.uuid == Some(metadata::XMP_UUID) && !job.quicktime {
            continue;
        }
        changes.push(Change::Append(job.source.bytes(node.range.start, node.len())?.into_owned()));
    }
    let layout = metadata::entries(job.source, &job.file.boxes, "AIGC", job.quicktime, job.cx.limits)?;
    if let (false, Some(e)) = (job.quicktime, layout.iter().find(|e| e.slot == Slot::Xmp && e.normative)) {
        changes.push(Change::Xmp(e.value.clone()));
    }
    // A manifest that does not hold any more is still evidence of what was received.
    if let Some(e) = layout.iter().find(|e| e.slot == Slot::Jumbf) {
        changes.push(Change::Manifest(e.value.clone()));
    }
    let patch: Patch = edit(&file, &boxes, &changes, job.quicktime, job.cx.limits)?;
    patch.apply(&file, out)?;
    Ok(())
}
