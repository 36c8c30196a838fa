//! The label in clips that ffmpeg makes, one for each container and codec.

use std::process::Command;

use colophon_core::{
    Edit, ErrorKind, Format, LabelForm, LabelRecord, LabelSpec, Limits, Observation, Placed, Query, RenderCx,
    SignalOp, Slot, State, Tools, VisibleSpec,
};

use crate::foreign::{AIGC, probed};
use crate::{avi::AVI, flv::FLV, matroska::MKV, matroska::WEBM};

fn tools() -> Tools {
    let find = |name: &str| -> Option<std::path::PathBuf> {
        std::env::split_paths(&std::env::var_os("PATH")?).map(|d| d.join(name)).find(|p| p.is_file())
    };
    Tools { ffmpeg: find("ffmpeg"), ffprobe: find("ffprobe"), ..Tools::default() }
}

fn clip(name: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut command = Command::new("ffmpeg");
    command.args([
        "-v",
        "error",
        "-nostdin",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x240:rate=25:duration=4",
    ]);
    command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=4"]);
    assert!(command.args(arguments).arg(&path).status().unwrap().success(), "{name}");
    std::fs::read(path).unwrap()
}

fn label() -> SignalOp {
    SignalOp::Label(LabelSpec {
        text: "AI生成".to_owned(),
        form: LabelForm::Visible(VisibleSpec {
            height: 0.07,
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
    let [Placed::Label(record)] = placed.as_slice() else { panic!("one label") };
    Ok((out, record.clone()))
}

/// From when to when the label is seen.
fn seen(format: &dyn Format, bytes: &[u8], record: &LabelRecord) -> (State, Vec<(f64, f64)>) {
    let (limits, tools) = (Limits::default(), tools());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let mut found = format.observe(&bytes, &[Query::Label(Some(record))], &cx).unwrap();
    match found.pop() {
        Some(Observation::Label { state, evidence, .. }) => (state, evidence.unwrap().seen),
        other => panic!("{other:?}"),
    }
}

#[test]
fn gb45438_5_4_every_container_shows_the_label_for_two_seconds_and_keeps_the_rest() {
    let old = ["-c:v", "mpeg4", "-q:v", "3", "-c:a", "mp3"];
    let cases: [(&dyn Format, &str, &[&str]); 7] = [
        (&MKV, "a.mkv", &["-c:v", "libx264", "-bf", "2", "-c:a", "flac", "-metadata", "title=tide"]),
        (&MKV, "a.mkv", &["-c:v", "libx265", "-x265-params", "log-level=error", "-c:a", "aac"]),
        (&MKV, "a.mkv", &["-c:v", "ffv1", "-an"]),
        (&WEBM, "a.webm", &["-c:v", "libvpx", "-b:v", "500k", "-c:a", "libopus"]),
        (&WEBM, "a.webm", &["-c:v", "libvpx-vp9", "-b:v", "500k", "-cpu-used", "8", "-an"]),
        (&AVI, "a.avi", &old),
        (&FLV, "a.flv", &["-c:v", "libx264", "-c:a", "aac", "-metadata", "title=tide"]),
    ];
    for (format, name, arguments) in cases {
        let bytes = clip(name, arguments);
        let field = Edit::set(Slot::Field, "AIGC", AIGC);
        let bytes = format.edit(&bytes, &[field], &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap();
        let (out, record) = burned(format, &bytes).unwrap_or_else(|e| panic!("{name} {arguments:?}: {e}"));
        let (state, times) = seen(format, &out, &record);
        assert_eq!(state, State::Present, "{name} {arguments:?}");
        assert!(times[0].0 < 0.01 && (2.0..2.6).contains(&times[0].1) && times.len() == 1, "{times:?}");
        assert_ne!(seen_before(format, &bytes, &record), State::Present, "the source has none");
        let sound =
            ["-select_streams", "a", "-show_entries", "packet=pts,size,data_hash", "-show_data_hash", "md5"];
        assert_eq!(probed(&bytes, name, &sound), probed(&out, name, &sound), "{name}: sound is copied");
        let kept = format.inspect(&out, &Limits::default()).unwrap();
        assert!(kept.of(Slot::Field).any(|e| e.normative && e.value == AIGC.as_bytes()), "{name}");
        let tags = probed(&out, name, &["-show_entries", "format_tags=title"]);
        assert_eq!(tags.contains("tide"), arguments.contains(&"title=tide"), "{name}");
    }
}

fn seen_before(format: &dyn Format, bytes: &[u8], record: &LabelRecord) -> State {
    let (limits, tools) = (Limits::default(), tools());
    let cx = RenderCx { limits: &limits, tools: &tools };
    match format.observe(&bytes, &[Query::Label(Some(record))], &cx).unwrap().pop() {
        Some(Observation::Label { state, .. }) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_ffmpeg_cannot_write_is_refused_by_name() {
    let bytes = clip("a.mkv", &["-c:v", "mpeg2video", "-an"]);
    let refused = burned(&MKV, &bytes).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("mpeg2video"), "{refused}");
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let missing = MKV.render(&bytes, &[label()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::MissingTool);
}
