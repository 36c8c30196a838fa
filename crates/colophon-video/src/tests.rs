//! Behaviour of the formats on the sample clip and on clips that ffmpeg makes.

use std::path::PathBuf;
use std::process::Command;

use colophon_core::{
    ErrorKind, Format, LabelForm, LabelRecord, LabelSpec, Limits, Observation, Placed, Query, RenderCx,
    SignalOp, State, Tools, VisibleSpec,
};

use crate::mp4::{MOV, MP4};

fn sample() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/clip.mp4")).unwrap()
}

fn tools() -> Tools {
    let find = |name: &str| -> Option<PathBuf> {
        std::env::split_paths(&std::env::var_os("PATH")?).map(|d| d.join(name)).find(|p| p.is_file())
    };
    Tools { ffmpeg: find("ffmpeg"), ffprobe: find("ffprobe"), tesseract: None }
}

/// A clip of a moving test picture, made by ffmpeg with these arguments behind the inputs.
fn clip(name: &str, seconds: f32, arguments: &[&str]) -> Vec<u8> {
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

fn label() -> SignalOp {
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
    let (limits, tools) = (Limits::default(), tools());
    let mut out = Vec::new();
    let placed = format.render(&bytes, &[label()], &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    match placed.into_iter().next() {
        Some(Placed::Label(record)) => Ok((out, record)),
        other => panic!("{other:?}"),
    }
}

fn seen(format: &dyn Format, bytes: &[u8], record: &LabelRecord) -> (State, Vec<(f64, f64)>, f32) {
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
