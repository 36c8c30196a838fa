use colophon_conformance::check;
use colophon_container::jpeg::{EXIF, XMP, encode, marker};
use colophon_core::{LabelForm, LabelRecord, LabelSpec, SignalOp, State, Tools, VisibleSpec, WatermarkSpec};
use jpeg_encoder::{ColorType, Encoder, QuantizationTableType, SamplingFactor};

use super::*;

/// What kind of file.
#[derive(Clone, Copy)]
struct Kind {
    color: ColorType,
    sampling: SamplingFactor,
    progressive: bool,
    /// Huffman tables of its own; a sequential picture then has a scan for each component.
    optimised: bool,
    quality: u8,
}

const PLAIN: Kind = Kind {
    color: ColorType::Rgb,
    sampling: SamplingFactor::F_2_2,
    progressive: false,
    optimised: false,
    quality: 88,
};

fn file(kind: Kind, width: u16, height: u16) -> Vec<u8> {
    let channels = match kind.color {
        ColorType::Luma => 1,
        ColorType::Rgb => 3,
        _ => 4,
    };
    let level = |i: usize| {
        let (x, y) = (i / channels % usize::from(width), i / channels / usize::from(width));
        ((x * 2 + y + i % channels * 40) % 180 + (x / 9 + y / 7) % 2 * 40) as u8
    };
    let samples: Vec<u8> = (0..usize::from(width) * usize::from(height) * channels).map(level).collect();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, kind.quality);
    encoder.set_sampling_factor(kind.sampling);
    encoder.set_progressive(kind.progressive);
    encoder.set_optimized_huffman_tables(kind.optimised);
    encoder.encode(&samples, width, height, kind.color).unwrap();
    out
}

fn kinds() -> Vec<(&'static str, Kind)> {
    use SamplingFactor as S;
    vec![
        ("4:2:0", PLAIN),
        ("4:4:4", Kind { sampling: S::F_1_1, ..PLAIN }),
        ("4:2:2", Kind { sampling: S::F_2_1, ..PLAIN }),
        ("4:4:0", Kind { sampling: S::F_1_2, ..PLAIN }),
        ("progressive", Kind { progressive: true, ..PLAIN }),
        ("grey", Kind { color: ColorType::Luma, sampling: S::F_1_1, ..PLAIN }),
        ("cmyk", Kind { color: ColorType::Cmyk, sampling: S::F_1_1, ..PLAIN }),
        ("ycck", Kind { color: ColorType::CmykAsYcck, sampling: S::F_1_1, ..PLAIN }),
        ("quality 30", Kind { quality: 30, ..PLAIN }),
    ]
}

fn with_segments(bytes: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let new: Vec<u8> = segments.iter().flat_map(|(m, data)| encode(*m, data).unwrap()).collect();
    let mut out = bytes.to_vec();
    out.splice(2..2, new);
    out
}

/// An Exif block in little-endian order with an orientation and a thumbnail.
fn exif_block(orientation: u8) -> Vec<u8> {
    let mut b = EXIF.to_vec();
    b.extend(b"II\x2a\0\x08\0\0\0\x01\0");
    b.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 26, 0, 0, 0]);
    b.extend([2, 0, 1, 2, 4, 0, 1, 0, 0, 0, 56, 0, 0, 0]);
    b.extend([2, 2, 4, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    b.extend(b"\xff\xd8old");
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

fn walked(bytes: &[u8]) -> File {
    jpeg::walk(&bytes, &Limits::default()).unwrap()
}

fn luma(bytes: &[u8]) -> Vec<u8> {
    decode::decode(&bytes, &walked(bytes), &Limits::default()).unwrap().0.luma()
}

#[test]
fn conformance() {
    let mut samples: Vec<(&str, Vec<u8>)> = kinds().into_iter().map(|(n, k)| (n, file(k, 40, 24))).collect();
    let rich = with_segments(
        &file(PLAIN, 40, 24),
        &[
            (marker::APP1, &exif_block(6)),
            (marker::APP2, b"ICC_PROFILE\0\x01\x01profile"),
            (marker::APP0 + 8, b"AIGC{\"Label\":\"1\"}"),
            (marker::COM, b"a comment"),
            (marker::APP13, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x02ab"),
        ],
    );
    samples.push(("rich", rich));
    check(&FORMAT, &samples);
}

#[test]
fn every_place_of_an_aigc_object_is_read() {
    let bytes = with_segments(
        &file(PLAIN, 16, 16),
        &[
            (marker::APP1, &[XMP, b"<packet/>"].concat()),
            (marker::APP0 + 9, b"AIGC{\"Label\":\"1\"}"),
            (marker::COM, b"{\"AIGC\":{}}"),
        ],
    );
    let layout = inspect(&bytes);
    let found: Vec<(Slot, &str, bool)> =
        layout.entries.iter().map(|e| (e.slot, e.key.as_str(), e.normative)).collect();
    assert_eq!(
        found,
        [(Slot::Xmp, "xmp", true), (Slot::Field, "AIGC", false), (Slot::Comment, "COM", false)]
    );
    let range = layout.entries[1].range.clone();
    let patch = FORMAT.edit(&bytes, &[Edit::Remove { range }], &Limits::default()).unwrap();
    assert_eq!(inspect(&patch.apply_to_vec(&bytes).unwrap()).entries.len(), 2);
}

#[test]
fn every_kind_takes_the_label_and_stays_its_kind() {
    for (name, kind) in kinds() {
        let bytes = file(kind, 240, 160);
        let (out, placed) = render(&bytes, &[label()]);
        let record = record(&placed);
        assert_eq!(state(&out, &record), State::Present, "{name}");
        assert_ne!(state(&bytes, &record), State::Present, "{name}");
        let (before, after) = (walked(&bytes), walked(&out));
        assert_eq!(inspect(&bytes).properties, inspect(&out).properties, "{name}");
        assert_eq!(before.frame.components.len(), after.frame.components.len(), "{name}");
        for (b, a) in before.frame.components.iter().zip(&after.frame.components) {
            assert_eq!((b.id, b.horizontal, b.vertical), (a.id, a.horizontal, a.vertical), "{name}");
        }
        // Tables that a component names; the encoder also writes one that nobody does.
        let tables = |f: &File, bytes: &[u8]| -> Vec<Vec<u8>> {
            let dqt = f.segments.iter().filter(|s| s.marker == marker::DQT);
            let named = |t: &Vec<u8>| f.frame.components.iter().any(|c| c.table == t[0]);
            dqt.map(|s| s.bytes(&bytes).unwrap().into_owned()).filter(named).collect()
        };
        assert_eq!(tables(&before, &bytes), tables(&after, &out), "{name}");
        // Away from the label nothing but rounding happens.
        let area = record.area.unwrap();
        let far = luma(&bytes).into_iter().zip(luma(&out)).enumerate().filter(|(i, _)| {
            let (x, y) = (*i as u32 % 240, *i as u32 / 240);
            x + 16 < area.x || y > area.y + area.height + 16
        });
        let worst = far.map(|(_, (b, a))| b.abs_diff(a)).max().unwrap();
        assert!(worst <= 24, "{name}: {worst}");
    }
}

#[test]
fn custom_tables_are_written_again_in_their_order() {
    let table: [u16; 64] = std::array::from_fn(|i| i as u16 + 1);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 50);
    encoder.set_quantization_tables(
        QuantizationTableType::Custom(Box::new(table)),
        QuantizationTableType::Custom(Box::new(table.map(|v| v + 64))),
    );
    encoder.encode(&vec![90; 128 * 128 * 3], 128, 128, ColorType::Rgb).unwrap();
    let (out, _) = render(&bytes, &[label()]);
    let first = |bytes: &[u8]| {
        let f = walked(bytes);
        let s = f.segments.iter().find(|s| s.marker == marker::DQT).unwrap();
        s.bytes(&bytes).unwrap().into_owned()
    };
    assert_eq!(first(&out), first(&bytes));
    assert_eq!(first(&out)[1..4], [1, 2, 9]);
}

/// The sample picture: 4:2:0, one scan, Huffman tables of its own.
#[test]
fn own_tables_of_the_source_still_give_one_scan_and_a_label_that_is_found() {
    let bytes = include_bytes!("../../../../samples/photo.jpg");
    let scans = |b: &[u8]| walked(b).segments.iter().filter(|s| s.marker == marker::SOS).count();
    assert_eq!(scans(bytes), 1);
    let (out, placed) = render(bytes, &[label()]);
    assert_eq!(scans(&out), 1);
    assert_eq!(state(&out, &record(&placed)), State::Present);
}

#[test]
fn separate_scans_are_decoded_rightly_and_written_as_one() {
    let one = file(PLAIN, 64, 48);
    let bytes = file(Kind { optimised: true, ..PLAIN }, 64, 48);
    let scans = |b: &[u8]| walked(b).segments.iter().filter(|s| s.marker == marker::SOS).count();
    assert!(scans(&bytes) > 1);
    let limits = Limits::default();
    let raster = |b: &[u8]| decode::decode(&b, &walked(b), &limits).unwrap().0;
    let (a, b) = (raster(&one).luma(), raster(&bytes).luma());
    let far = a.iter().zip(&b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>() as f32 / a.len() as f32;
    assert!(far < 2.0, "mean difference {far}");
    let big = file(Kind { optimised: true, ..PLAIN }, 240, 160);
    let (out, placed) = render(&big, &[label()]);
    assert_eq!((scans(&out), state(&out, &record(&placed))), (1, State::Present));
}

#[test]
fn segments_survive_and_previews_do_not() {
    let mut bytes = with_segments(
        &file(PLAIN, 128, 128),
        &[
            (marker::APP1, &exif_block(1)),
            (marker::APP1, &[XMP, b"<packet/>"].concat()),
            (marker::APP2, b"ICC_PROFILE\0\x01\x01profile"),
            (marker::APP2, b"MPF\0index"),
            (marker::APP11, b"JP\0\x01\0\0\0\x01\0\0\0\x10jumbinside"),
            (marker::COM, b"a comment"),
        ],
    );
    bytes.extend(file(PLAIN, 16, 16));
    assert_eq!(inspect(&bytes).notes.iter().filter(|n| n.contains("preview")).count(), 2);
    let (out, _) = render(&bytes, &[label()]);
    let layout = inspect(&out);
    assert!(layout.notes.is_empty(), "{:?}", layout.notes);
    let slots: Vec<Slot> = layout.entries.iter().map(|e| e.slot).collect();
    assert_eq!(slots, [Slot::Xmp, Slot::Jumbf, Slot::Comment]);
    let f = walked(&out);
    let icc = f.segments.iter().filter(|s| s.marker == marker::APP2).count();
    assert_eq!(icc, 1);
}

#[test]
fn the_label_stands_upright_under_an_exif_orientation() {
    for orientation in 1..=8 {
        let bytes = with_segments(&file(PLAIN, 240, 128), &[(marker::APP1, &exif_block(orientation))]);
        let shown = inspect(&bytes).properties.dimensions.unwrap();
        let (out, placed) = render(&bytes, &[label()]);
        let record = record(&placed);
        let canvas = record.canvas.unwrap();
        assert_eq!((canvas.width, canvas.height), shown, "{orientation}");
        assert_eq!(state(&out, &record), State::Present, "{orientation}");
        assert_eq!(inspect(&out).properties.dimensions.unwrap(), shown, "{orientation}");
    }
}

#[test]
fn watermark_and_label_go_in_together_and_are_both_found() {
    for (name, kind) in kinds() {
        if kind.quality < 50 {
            continue;
        }
        let bytes = file(kind, 512, 384);
        let spec = WatermarkSpec { payload: 0xfeed_0000_0000_0001, key: None, strength: String::new() };
        let (out, placed) = render(&bytes, &[SignalOp::Watermark(spec), label()]);
        assert_eq!(state(&out, &record(&placed)), State::Present, "{name}");
        // Reading back looks at the brightness alone; the answer has to be the same.
        for query in [Query::Watermark(None), Query::OwnWatermark(None)] {
            let Observation::Watermark { state, evidence, .. } = observe(&out, query) else {
                panic!("{name}")
            };
            assert_eq!(state, State::Present, "{name}");
            assert_eq!(evidence.unwrap().payload.as_deref(), Some("feed000000000001"), "{name}");
        }
    }
}

#[test]
fn what_is_not_decoded_is_said() {
    let mut bytes = file(PLAIN, 64, 64);
    let sof = walked(&bytes).segments.iter().find(|s| s.marker == 0xc0).unwrap().range.start as usize;
    bytes[sof + 1] = 0xc9;
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let e = FORMAT.render(&bytes, &[label()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Unsupported);
    let answer = observe(&bytes, Query::Watermark(None));
    assert!(matches!(answer, Observation::Watermark { state: State::NotChecked, .. }));
    let small = Limits { pixels: 1000, ..limits };
    let cx = RenderCx { limits: &small, tools: &tools };
    let e = FORMAT.render(&file(PLAIN, 64, 64), &[label()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), colophon_core::ErrorKind::Limit);
}
