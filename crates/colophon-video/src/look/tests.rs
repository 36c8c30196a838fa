//! Labels measured in every picture of the first two seconds, and read without a record.

use std::process::Command;

use colophon_core::{
    FileSource, Format, LabelRecord, Limits, Observation, Placed, Query, RenderCx, State, Tools,
};
use colophon_label::visible::{self, Luma};

use crate::tests::{clip, label, tools};
use crate::{matroska, mp4};

fn burned(format: &dyn Format, bytes: &[u8]) -> (Vec<u8>, LabelRecord) {
    let (limits, tools) = (Limits::default(), tools());
    let mut out = Vec::new();
    let cx = RenderCx { limits: &limits, tools: &tools };
    let placed = format.render(&bytes, &[label()], &cx, &mut out).unwrap();
    match placed.into_iter().next() {
        Some(Placed::Label(record)) => (out, record),
        other => panic!("{other:?}"),
    }
}

/// Every picture shown before two seconds.
fn first_pictures(bytes: &[u8]) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("video");
    std::fs::write(&path, bytes).unwrap();
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&path)
        .args(["-t", "2", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .unwrap();
    assert!(out.status.success());
    out.stdout.chunks_exact(320 * 240).map(<[u8]>::to_vec).collect()
}

#[test]
fn gb45438_5_4_the_type_is_5_percent_high_in_every_picture_of_the_first_2_s_whatever_the_codec() {
    let x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"];
    let cases: [(&dyn Format, &str, &[&str]); 4] = [
        (&mp4::MP4, "a.mp4", &["-c:v", "libx264", "-preset", "ultrafast"]),
        (&mp4::MP4, "b.mp4", &[x265.as_slice(), &["-tag:v", "hvc1"]].concat()),
        (&matroska::WEBM, "c.webm", &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]),
        (&matroska::WEBM, "d.webm", &["-c:v", "libsvtav1", "-preset", "12"]),
    ];
    for (format, name, arguments) in cases {
        let bytes = clip(name, 2.4, arguments);
        let (out, record) = burned(format, &bytes);
        let pictures = first_pictures(&out);
        assert_eq!(pictures.len(), 50, "{name}");
        for (i, data) in pictures.iter().enumerate() {
            let found = visible::check(&record, &Luma { width: 320, height: 240, data });
            assert_eq!(found.state, State::Present, "{name}: picture {i}");
            assert!(found.height_ratio >= 0.05, "{name}: picture {i}: {}", found.height_ratio);
        }
        assert_eq!(
            visible::check(&record, &Luma { width: 320, height: 240, data: &first_pictures(&bytes)[0] })
                .state,
            State::Invalid,
            "{name}: unlabelled"
        );
        // Held to the rate of the source.
        let ratio = out.len() as f64 / bytes.len() as f64;
        assert!(ratio <= 1.1, "{name}: {ratio:.2} times the size");
    }
}

#[test]
fn a_label_without_a_record_is_read_and_none_proves_nothing() {
    let Some(reader) = std::env::var_os("PATH")
        .and_then(|p| std::env::split_paths(&p).map(|d| d.join("tesseract")).find(|p| p.is_file()))
    else {
        return;
    };
    let (limits, tools) = (Limits::default(), Tools { tesseract: Some(reader), ..tools() });
    let cx = RenderCx { limits: &limits, tools: &tools };
    let bytes = clip("a.mp4", 3.5, &["-vf", "scale=1280:720", "-c:v", "libx264", "-preset", "ultrafast"]);
    let read = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        std::fs::write(&path, bytes).unwrap();
        let source = FileSource::open(&path).unwrap();
        match mp4::MP4.observe(&source, &[Query::Label(None)], &cx).unwrap().remove(0) {
            Observation::Label { state, evidence, .. } => (state, evidence),
            other => panic!("{other:?}"),
        }
    };
    let (state, evidence) = read(&burned(&mp4::MP4, &bytes).0);
    let evidence = evidence.unwrap();
    assert_eq!((state, evidence.method.as_str()), (State::Present, "ocr"));
    assert!(evidence.text.is_some_and(|t| t.contains("生成")));
    assert!(evidence.seen.first().is_some_and(|s| s.0 == 0.0 && s.1 >= 2.0), "{:?}", evidence.seen);
    assert!(evidence.height_ratio.is_some_and(|h| h >= 0.045), "{:?}", evidence.height_ratio);
    assert_eq!(read(&bytes).0, State::NotChecked);
}
