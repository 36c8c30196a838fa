//! Behaviour of the formats on the sample clip and on clips that ffmpeg makes.

use std::path::PathBuf;
use std::process::Command;

use colophon_core::{
    ErrorKind, Format, LabelForm, LabelRecord, LabelSpec, Limits, Observation, Placed, Query, RenderCx,
    SignalOp, Span, State, Tools, VisibleSpec,
};

use crate::mp4::{MOV, MP4};

pub(crate) fn sample() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/clip.mp4")).unwrap()
}

pub(crate) fn tools() -> Tools {
    let find = |name: &str| -> Option<PathBuf> {
        std::env::split_paths(&std::env::var_os("PATH")?).map(|d| d.join(name)).find(|p| p.is_file())
    };
    Tools { ffmpeg: find("ffmpeg"), ffprobe: find("ffprobe"), ..Tools::default() }
}

/// A clip of a moving test picture, made by ffmpeg with these arguments behind the inputs.
pub(crate) fn clip(name: &str, seconds: f32, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let done = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-nostdin",
            "-f",
            "lavfi",
            "-i",
            &format!("testsrc2=size=320x240:rate=25:duration={seconds}"),
        ])
        .args(arguments)
        .arg(&path)
        .status()
        .unwrap();
    assert!(done.success());
    std::fs::read(path).unwrap()
}

pub(crate) fn label() -> SignalOp {
    SignalOp::Label(LabelSpec {
        text: "AI生成".to_owned(),
        form: LabelForm::Visible(VisibleSpec {
            height: 0.055,
            min_height: 0.05,
            duration_s: 2.5,
            min_duration_s: 2.0,
            ..VisibleSpec::default()
        }),
    })
}

fn burned(format: &dyn Format, bytes: &[u8]) -> colophon_core::Result<(Vec<u8>, LabelRecord)> {
    let (out, labels) = labelled(format, bytes, label())?;
    Ok((out, labels.into_iter().next().unwrap()))
}

fn labelled(
    format: &dyn Format,
    bytes: &[u8],
    label: SignalOp,
) -> colophon_core::Result<(Vec<u8>, Vec<LabelRecord>)> {
    let (limits, tools) = (Limits::default(), tools());
    let mut out = Vec::new();
    let placed = format.render(&bytes, &[label], &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    let records = placed.into_iter().filter_map(|p| match p {
        Placed::Label(record) => Some(record),
        _ => None,
    });
    Ok((out, records.collect()))
}

pub(crate) fn seen(format: &dyn Format, bytes: &[u8], record: &LabelRecord) -> (State, Vec<(f64, f64)>, f32) {
    let (limits, tools) = (Limits::default(), tools());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let found = format.observe(&bytes, &[Query::Label(Some(record))], &cx).unwrap();
    match found.into_iter().next() {
        Some(Observation::Label { state, evidence, .. }) => {
            let e = evidence.unwrap_or_default();
            (state, e.seen, e.height_ratio.unwrap_or(0.0))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn mp4_and_quicktime_keep_the_promises_of_a_format() {
    colophon_conformance::check(&MP4, &[("sample clip", sample())]);
    let short = clip("a.mov", 0.4, &["-c:v", "libx264", "-preset", "ultrafast"]);
    colophon_conformance::check(&MOV, &[("short clip", short)]);
}

#[test]
fn gb45438_5_4_the_label_stands_for_two_seconds_from_the_first_picture() {
    let bytes = clip("a.mp4", 4.0, &["-c:v", "libx264", "-preset", "ultrafast"]);
    let (out, record) = burned(&MP4, &bytes).unwrap();
    let (state, seen, height) = seen(&MP4, &out, &record);
    assert_eq!(state, State::Present);
    assert_eq!(seen, [(0.0, 2.5)]);
    assert!(height >= 0.05, "{height}");
    // The unlabelled clip does not pass for labelled.
    assert_eq!(super::tests::seen(&MP4, &bytes, &record).0, State::Invalid);
}

#[test]
fn gb45438_5_4_the_label_stands_once_more_at_the_end() {
    let SignalOp::Label(mut spec) = label() else { unreachable!() };
    if let LabelForm::Visible(form) = &mut spec.form {
        form.closing_s = 1.0;
    }
    let bytes = clip("a.mp4", 6.0, &["-c:v", "libx264", "-preset", "ultrafast"]);
    let (out, labels) = labelled(&MP4, &bytes, SignalOp::Label(spec)).unwrap();
    let [opening, closing] = labels.as_slice() else { panic!("{labels:?}") };
    assert_eq!(seen(&MP4, &out, opening).1, [(0.0, 2.5)]);
    assert_eq!(seen(&MP4, &out, closing).1, [(5.0, 6.0)]);
    // It stands nowhere else.
    let between = LabelRecord { span: Some(Span { start_s: 3.0, duration_s: 1.0 }), ..closing.clone() };
    assert_eq!(seen(&MP4, &out, &between).0, State::Invalid);
}

#[test]
fn a_turned_picture_is_labelled_as_it_is_shown() {
    let upright = clip("a.mp4", 3.0, &["-c:v", "libx264", "-preset", "ultrafast"]);
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("a.mp4"), folder.path().join("turned.mp4"));
    std::fs::write(&from, upright).unwrap();
    // ffmpeg 5 sets the matrix by a tag, later versions by an option of the input.
    let turn = |arguments: &[&str], after: &[&str]| {
        let mut c = Command::new("ffmpeg");
        c.args(["-v", "error", "-nostdin", "-y"]).args(arguments).arg("-i").arg(&from);
        c.args(["-c", "copy"]).args(after).arg(&to).status().unwrap();
        MP4.inspect(&std::fs::read(&to).unwrap().as_slice(), &Limits::default())
            .unwrap()
            .properties
            .dimensions
    };
    let shown = turn(&[], &["-metadata:s:v:0", "rotate=90"]);
    let shown = if shown == Some((240, 320)) { shown } else { turn(&["-display_rotation", "90"], &[]) };
    assert_eq!(shown, Some((240, 320)), "the test clip is shown turned");
    let (out, record) = burned(&MP4, &std::fs::read(&to).unwrap()).unwrap();
    assert_eq!(record.canvas.map(|c| (c.width, c.height)), Some((240, 320)));
    assert_eq!(seen(&MP4, &out, &record).0, State::Present);
}

#[test]
fn ten_bits_stay_ten_bits_and_hevc_stays_hevc() {
    let bytes = clip(
        "a.mp4",
        1.0,
        &[
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-pix_fmt",
            "yuv420p10le",
            "-tag:v",
            "hvc1",
            "-x265-params",
            "log-level=error",
        ],
    );
    let (out, record) = burned(&MP4, &bytes).unwrap();
    let layout = MP4.inspect(&out.as_slice(), &Limits::default()).unwrap();
    assert_eq!(layout.properties.bit_depth, Some(10));
    assert_eq!(layout.properties.other["codec"], "hvc1");
    assert_eq!(seen(&MP4, &out, &record).0, State::Present);
}

#[test]
fn without_ffmpeg_a_label_is_refused_by_name() {
    let (limits, tools) = (Limits::default(), Tools::default());
    let bytes = sample();
    let cx = RenderCx { limits: &limits, tools: &tools };
    let error = MP4.render(&bytes.as_slice(), &[label()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingTool, "{error}");
}

#[test]
fn pictures_keep_their_times_where_no_frame_rate_fits_them() {
    // Each picture stands a little longer than the one before; the result is compared inside, tick by tick.
    let bytes = clip(
        "a.mp4",
        2.0,
        &[
            "-vf",
            "settb=1/90000,setpts=3601*N+37*N*N",
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            "1/90000",
            "-video_track_timescale",
            "90000",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
        ],
    );
    let (out, record) = burned(&MP4, &bytes).unwrap();
    assert_eq!(seen(&MP4, &out, &record).0, State::Present);
}

/// What ffprobe says about the first picture.
fn first_picture(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    std::fs::write(&path, bytes).unwrap();
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "V:0", "-read_intervals", "%+#1", "-show_frames"])
        .arg(&path)
        .output()
        .unwrap();
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn hdr10_data_that_only_the_pictures_carry_is_kept() {
    let bytes = clip(
        "a.mp4",
        0.5,
        &[
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-pix_fmt",
            "yuv420p10le",
            "-tag:v",
            "hvc1",
            "-color_trc",
            "smpte2084",
            "-x265-params",
            "log-level=error:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)\
             L(10000000,1):max-cll=1000,400",
        ],
    );
    let (out, _) = burned(&MP4, &bytes).unwrap();
    let facts = |bytes: &[u8]| -> Vec<String> {
        let keys = ["red_x", "green_y", "white_point_x", "max_luminance", "max_content", "color_transfer"];
        let text = first_picture(bytes);
        text.lines().filter(|l| keys.iter().any(|k| l.starts_with(k))).map(str::to_owned).collect()
    };
    assert_eq!(facts(&bytes).len(), 6);
    assert_eq!(facts(&out), facts(&bytes));
}

#[test]
fn what_would_be_lost_is_refused_by_name() {
    let refused = |arguments: &[&str]| {
        let error = burned(&MP4, &clip("a.mp4", 0.5, arguments)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        error.to_string()
    };
    let interlaced = refused(&["-c:v", "libx264", "-flags", "+ildct+ilme", "-x264opts", "tff=1"]);
    assert!(interlaced.contains("interlaced"), "{interlaced}");
    let deep = refused(&["-c:v", "libx264", "-pix_fmt", "yuv444p10le"]);
    assert!(deep.contains("yuv444p10le"), "{deep}");
}

#[test]
fn ten_bits_are_ten_bits_also_behind_the_label() {
    // Levels between those of 8 bits, on a flat picture that no encoder needs to change.
    let level = 502;
    let source = format!("geq=lum={level}:cb=512:cr=512");
    let filter = format!("format=yuv420p10le,{source}");
    let bytes = clip("a.mp4", 3.0, &["-vf", &filter, "-c:v", "libx264", "-qp", "0", "-preset", "ultrafast"]);
    let (out, _) = burned(&MP4, &bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    std::fs::write(&path, out).unwrap();
    let pixels = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-ss", "2.8", "-i"])
        .arg(&path)
        .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "yuv420p10le", "pipe:1"])
        .output()
        .unwrap()
        .stdout;
    let luma = pixels.get(..2 * 320 * 240).unwrap();
    let values: Vec<u16> = luma.chunks_exact(2).map(|p| u16::from_le_bytes([p[0], p[1]])).collect();
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
    assert!((mean - f64::from(level)).abs() < 0.5, "{mean}");
}

#[test]
fn the_labelled_stream_keeps_its_language() {
    let bytes =
        clip("a.mp4", 1.0, &["-c:v", "libx264", "-preset", "ultrafast", "-metadata:s:v:0", "language=deu"]);
    let (out, _) = burned(&MP4, &bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    std::fs::write(&path, out).unwrap();
    let said = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream_tags=language", "-of", "csv=p=0"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "deu");
}

/// The same MP4, `moov` last, with a configuration record of Dolby Vision profile 8 in its HEVC sample entry.
fn with_dolby_vision(mut bytes: Vec<u8>, compatibility: u8) -> Vec<u8> {
    let flags = (8_u16 << 9 | 1 << 3 | 0b101).to_be_bytes();
    let mut record = [&[0, 0, 0, 32], b"dvcC".as_slice(), &[1, 0], &flags, &[compatibility << 4]].concat();
    record.resize(32, 0);
    let at = |bytes: &[u8], kind: &[u8; 4]| bytes.windows(4).rposition(|w| w == kind).unwrap() - 4;
    let size = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let entry = at(&bytes, b"hvc1");
    let end = entry + size(&bytes, entry) as usize;
    for kind in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"] {
        let at = at(&bytes, kind);
        let grown = size(&bytes, at) + record.len() as u32;
        bytes[at..at + 4].copy_from_slice(&grown.to_be_bytes());
    }
    bytes.splice(end..end, record);
    bytes
}

#[test]
fn dolby_vision_is_refused_and_dropped_when_asked() {
    let hevc = ["-c:v", "libx265", "-tag:v", "hvc1", "-pix_fmt", "yuv420p10le", "-x265-params"];
    let hevc = clip("a.mp4", 3.0, &[&hevc[..], &["log-level=error", "-preset", "ultrafast"]].concat());
    let limits = Limits::default();
    let marked = |bytes: &[u8], drop_dynamic_hdr: bool| {
        let mut tools = tools();
        tools.video.drop_dynamic_hdr = drop_dynamic_hdr;
        let mut out = Vec::new();
        let cx = RenderCx { limits: &limits, tools: &tools };
        MP4.render(&bytes, &[label()], &cx, &mut out).map(|placed| (out, placed))
    };
    let source = with_dolby_vision(hevc.clone(), 1);
    let refused = marked(&source, false).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("Dolby Vision"), "{refused}");
    let (out, placed) = marked(&source, true).unwrap();
    let note = |p: &Placed| matches!(p, Placed::Note(n) if n.code == "dropped-dynamic-hdr");
    assert!(placed.iter().any(note), "{placed:?}");
    let Some(Placed::Label(record)) = placed.first() else { panic!("{placed:?}") };
    assert_eq!(seen(&MP4, &out, record).0, State::Present);
    assert!(!out.windows(4).any(|w| w == b"dvcC"));
    assert!(marked(&with_dolby_vision(hevc, 0), true).is_err(), "a base layer that nobody can show");
}
