use std::process::Command;

use colophon_core::{
    ErrorKind, Format, Limits, Observation, Placed, Query, RenderCx, SignalOp, State, WatermarkSpec,
};

use crate::mp4::{MOV, MP4};
use crate::tests::{clip, label, sample, seen, tools};

/// Six seconds of a moving picture of 640 × 360 with noise on it, and of speech.
fn film(name: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/speech.wav");
    let picture = "testsrc2=size=640x360:rate=25:duration=6,noise=alls=8:all_seed=7:allf=t";
    let done = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-nostdin",
            "-f",
            "lavfi",
            "-i",
            picture,
            "-stream_loop",
            "9",
            "-i",
            speech,
            "-t",
            "6",
        ])
        .args(arguments)
        .arg(&path)
        .status()
        .unwrap();
    assert!(done.success());
    std::fs::read(path).unwrap()
}

fn mark(secret: Option<&[u8]>) -> SignalOp {
    SignalOp::Watermark(WatermarkSpec {
        payload: 0x0123_4567_89ab_cdef,
        key: secret.map(<[u8]>::to_vec),
        strength: "default".to_owned(),
    })
}

fn rendered(
    format: &dyn Format,
    bytes: &[u8],
    ops: &[SignalOp],
) -> colophon_core::Result<(Vec<u8>, Vec<Placed>)> {
    let (limits, tools) = (Limits::default(), tools());
    let mut out = Vec::new();
    let placed = format.render(&bytes, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    Ok((out, placed))
}

fn read(format: &dyn Format, bytes: &[u8], secret: Option<&[u8]>) -> (State, Vec<(String, String)>) {
    let (limits, tools) = (Limits::default(), tools());
    let cx = RenderCx { limits: &limits, tools: &tools };
    match format.observe(&bytes, &[Query::Watermark(secret)], &cx).unwrap().into_iter().next() {
        Some(Observation::Watermark { state, evidence, .. }) => {
            let streams = evidence.unwrap_or_default().streams;
            (state, streams.into_iter().map(|s| (s.stream, s.payload.unwrap_or_default())).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn large_pictures_are_all_shown_after_marking() {
    // Two of these fill what ffmpeg looks at before it begins.
    let large = ["-vf", "scale=1920:1080", "-c:v", "libx264", "-preset", "ultrafast"];
    let bytes = clip("large.mp4", 0.4, &large);
    let (_, placed) = rendered(&MP4, &bytes, &[mark(None)]).unwrap();
    assert_eq!(placed.len(), 1);
}

#[test]
fn one_pass_places_label_and_mark_in_pictures_and_sound() {
    let bytes = film("film.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]);
    let (out, placed) = rendered(&MP4, &bytes, &[label(), mark(None)]).unwrap();
    let schemes: Vec<&str> = placed
        .iter()
        .map(|p| match p {
            Placed::Label(_) => "label",
            Placed::Watermark(w) => w.scheme.as_str(),
            _ => "other",
        })
        .collect();
    assert_eq!(schemes, ["label", "org.colophon.video.1", "org.colophon.audio.1"]);
    let payload = "0123456789abcdef".to_owned();
    let both = vec![("picture".to_owned(), payload.clone()), ("sound".to_owned(), payload)];
    assert_eq!(read(&MP4, &out, None), (State::Present, both));
    assert_eq!(read(&MP4, &out, Some(b"another")), (State::Absent, Vec::new()));
    assert_eq!(read(&MP4, &bytes, None), (State::Absent, Vec::new()));
    let Some(Placed::Label(record)) = placed.first() else { panic!("{placed:?}") };
    assert_eq!(seen(&MP4, &out, record).0, State::Present);
}

#[test]
fn a_mark_under_a_secret_key_is_read_with_that_key_only() {
    let bytes = film("film.mov", &["-c:v", "libx264", "-preset", "ultrafast", "-an"]);
    let (out, _) = rendered(&MOV, &bytes, &[mark(Some(b"studio"))]).unwrap();
    assert_eq!(read(&MOV, &out, Some(b"studio")).0, State::Present);
    assert_eq!(read(&MOV, &out, None).0, State::Absent);
}

#[test]
fn ten_bit_pictures_at_uneven_times_stay_so_when_they_are_marked() {
    // Every third picture is dropped: what remains has uneven times.
    let uneven = "select='mod(n\\,3)',format=yuv420p10le";
    let bytes = film(
        "film.mp4",
        &[
            "-vf",
            uneven,
            "-fps_mode",
            "passthrough",
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=error",
            "-an",
        ],
    );
    // The pass compares times, formats and streams itself and fails when any differs.
    let (out, _) = rendered(&MP4, &bytes, &[mark(None)]).unwrap();
    assert_eq!(read(&MP4, &out, None).0, State::Present);
}

#[test]
fn a_picture_too_small_for_a_mark_is_refused_by_name() {
    let bytes = clip("small.mp4", 1.0, &["-vf", "scale=160:90", "-c:v", "libx264", "-preset", "ultrafast"]);
    let e = rendered(&MP4, &bytes, &[mark(None)]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.to_string().contains("too small"), "{e}");
}

#[test]
fn two_labels_or_two_marks_are_refused() {
    let e = rendered(&MP4, &sample(), &[mark(None), mark(None)]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
}
