use colophon_conformance::check;
use colophon_container::webp::flag;
use colophon_core::{LabelForm, LabelRecord, LabelSpec, SignalOp, State, Tools, VisibleSpec, WatermarkSpec};

use super::*;

/// A simple file: `quality` of the lossy encoder, or without loss.
fn file(side: u32, alpha: bool, quality: Option<f32>) -> Vec<u8> {
    let samples = pixels(side, alpha, 0);
    let encoder = if alpha {
        ::webp::Encoder::from_rgba(&samples, side, side)
    } else {
        ::webp::Encoder::from_rgb(&samples, side, side)
    };
    match quality {
        Some(q) => encoder.encode(q).to_vec(),
        None => encoder.encode_lossless().to_vec(),
    }
}

fn pixels(side: u32, alpha: bool, shift: u32) -> Vec<u8> {
    let (side, channels) = (side as usize, if alpha { 4 } else { 3 });
    let level = |i: usize| {
        let (x, y, c) = (i / channels % side, i / channels / side, i % channels);
        if c == 3 {
            return if y < side / 8 { 0 } else { 255 };
        }
        ((x * 3 + y * 2 + c * 40 + shift as usize * 9) % 200 + (x / 9 + y / 7) % 2 * 30) as u8
    };
    (0..side * side * channels).map(level).collect()
}

fn animation(side: u32) -> Vec<u8> {
    let config = ::webp::WebPConfig::new().unwrap();
    let frames: Vec<Vec<u8>> = (0..3).map(|i| pixels(side, false, i)).collect();
    let mut encoder = ::webp::AnimEncoder::new(side, side, &config);
    for (i, frame) in frames.iter().enumerate() {
        encoder.add_frame(::webp::AnimFrame::from_rgb(frame, side, side, i as i32 * 100));
    }
    encoder.encode().to_vec()
}

fn samples(side: u32) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("lossy", file(side, false, Some(80.0))),
        ("lossy with alpha", file(side, true, Some(80.0))),
        ("lossless", file(side, false, None)),
        ("lossless with alpha", file(side, true, None)),
        ("animation", animation(side)),
    ]
}

/// The file with chunks at its end; simple files get their extended header first.
fn with_chunks(bytes: &[u8], chunks: &[(riff::Id, &[u8])]) -> Vec<u8> {
    let changes: Vec<Change> = chunks.iter().map(|(id, data)| Change::Set(*id, data.to_vec())).collect();
    let file = webp::walk(&bytes, &Limits::default()).unwrap();
    file.edit(&bytes, &changes, &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap()
}

/// An Exif block in big-endian order with an orientation and a description.
fn exif(orientation: u8, text: &str) -> Vec<u8> {
    let mut b = b"MM\0\x2a\0\0\0\x08\0\x02\x01\x0e\0\x02".to_vec();
    b.extend((text.len() as u32).to_be_bytes());
    b.extend([0, 0, 0, 38, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    b.extend(text.as_bytes());
    b
}

fn inspect(bytes: &[u8]) -> Layout {
    FORMAT.inspect(&bytes, &Limits::default()).unwrap()
}

fn render(bytes: &[u8], ops: &[SignalOp]) -> (Vec<u8>, Vec<Placed>) {
    let (limits, tools) = (Limits::default(), Tools::default());
    let mut out = Vec::new();
    let placed = FORMAT.render(&bytes, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out).unwrap();
    (out, placed)
}

fn observe(bytes: &[u8], query: Query<'_>) -> Observation {
    let (limits, tools) = (Limits::default(), Tools::default());
    FORMAT.observe(&bytes, &[query], &RenderCx { limits: &limits, tools: &tools }).unwrap().remove(0)
}

fn label() -> SignalOp {
    let form = VisibleSpec { min_height: 0.05, ..VisibleSpec::default() };
    SignalOp::Label(LabelSpec { text: "AI生成".to_owned(), form: LabelForm::Visible(form) })
}

fn record(placed: &[Placed]) -> LabelRecord {
    match placed {
        [.., Placed::Label(record)] => record.clone(),
        other => panic!("no label in {other:?}"),
    }
}

fn state(bytes: &[u8], record: &LabelRecord) -> State {
    match observe(bytes, Query::Label(Some(record))) {
        Observation::Label { state, .. } => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn conformance() {
    let mut all = samples(24);
    let chunks: &[(riff::Id, &[u8])] =
        &[(EXIF, &exif(6, "{\"AIGC\":{}}")), (*b"AIGC", b"{}"), (*b"abcd", b"x")];
    all.push(("rich", with_chunks(&all[0].1, chunks)));
    check(&FORMAT, &all);
}

#[test]
fn every_kind_takes_the_label_and_stays_its_kind() {
    for (name, bytes) in samples(160) {
        let (out, placed) = render(&bytes, &[label()]);
        let record = record(&placed);
        assert_eq!(state(&out, &record), State::Present, "{name}");
        assert_ne!(state(&bytes, &record), State::Present, "{name}");
        assert_eq!(inspect(&bytes).properties, inspect(&out).properties, "{name}");
    }
}

#[test]
fn every_frame_of_an_animation_is_labelled_and_shown_as_long() {
    let bytes = animation(160);
    let (out, placed) = render(&bytes, &[label()]);
    let record = record(&placed);
    let all = |bytes: &[u8]| {
        let file = webp::walk(&bytes, &Limits::default()).unwrap();
        let source: &dyn Source = &bytes;
        let mut frames = decode::Frames::open(source, &file, &Limits::default()).unwrap();
        std::iter::from_fn(|| frames.next_frame().unwrap()).collect::<Vec<_>>()
    };
    let (before, after) = (all(&bytes), all(&out));
    assert_eq!(before.iter().map(|f| f.1).collect::<Vec<_>>(), after.iter().map(|f| f.1).collect::<Vec<_>>());
    for (raster, _) in &after {
        let answer = crate::label::check(&record, raster, &raster.luma());
        assert!(matches!(answer, Observation::Label { state: State::Present, .. }));
    }
}

#[test]
fn metadata_survives_and_the_orientation_is_heeded() {
    let bytes = with_chunks(
        &file(160, false, Some(80.0)),
        &[(EXIF, &exif(6, "a cat")), (XMP, b"<packet/>"), (*b"abcd", b"foreign")],
    );
    let (out, placed) = render(&bytes, &[label()]);
    assert_eq!(state(&out, &record(&placed)), State::Present);
    let keys = |bytes: &[u8]| inspect(bytes).entries.iter().map(|e| e.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&out), keys(&bytes));
    let file = webp::walk(&out, &Limits::default()).unwrap();
    assert_eq!(file.flags, Some(flag::EXIF | flag::XMP));
    assert_eq!(file.of(*b"abcd").count(), 1);
}

#[test]
fn a_text_in_exif_is_emptied_without_touching_the_rest() {
    let bytes = with_chunks(&file(24, false, None), &[(EXIF, &exif(6, "{\"AIGC\":{}}"))]);
    let range = inspect(&bytes).entries[0].range.clone();
    let patch = FORMAT.edit(&bytes, &[Edit::Remove { range }], &Limits::default()).unwrap();
    let layout = inspect(&patch.apply_to_vec(&bytes).unwrap());
    assert!(layout.entries.is_empty() && layout.notes.is_empty(), "{layout:?}");
    assert!(FORMAT.edit(&bytes, &[Edit::Remove { range: 13..14 }], &Limits::default()).is_err());
}

#[test]
fn watermark_and_label_go_in_together_and_are_both_found() {
    for (name, bytes) in samples(384).into_iter().filter(|(name, _)| *name != "animation") {
        let spec =
            WatermarkSpec { payload: 0x0123_4567_89ab_cdef, key: None, strength: "default".to_owned() };
        let (out, placed) = render(&bytes, &[SignalOp::Watermark(spec), label()]);
        assert_eq!(state(&out, &record(&placed)), State::Present, "{name}");
        let Observation::Watermark { state, evidence, .. } = observe(&out, Query::Watermark(None)) else {
            panic!("{name}")
        };
        assert_eq!(state, State::Present, "{name}");
        assert_eq!(evidence.unwrap().payload.as_deref(), Some("0123456789abcdef"), "{name}");
    }
}

#[test]
fn huge_headers_are_a_limit() {
    let bytes = with_chunks(&file(24, false, None), &[(XMP, b"<x/>")]);
    let mut huge = bytes.clone();
    huge.splice(24..30, [0xff; 6]);
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let e = FORMAT.render(&huge, &[label()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Limit, "{e}");
}
