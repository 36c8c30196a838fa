use colophon_core::{
    AudibleSpec, ErrorKind, LabelForm, LabelSpec, SoundPosition, State, Tools, WatermarkSpec,
};
use proptest::prelude::*;

use super::*;

const RATE: u32 = 22_050;

/// Noise in syllables, interleaved.
fn programme(channels: usize, seconds: f64) -> Vec<f32> {
    let mut state = 9u32;
    let frames = (seconds * f64::from(RATE)) as usize;
    (0..frames * channels)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            0.4 * white * (0.1 + (n as f32 * 0.0004).sin().max(0.0))
        })
        .collect()
}

/// A file with a name of odd length, a marker at frame 1000 and an unknown chunk around the samples.
fn aiff(samples: &[f32], channels: u16, kind: [u8; 4], bits: u16) -> Vec<u8> {
    let float = &kind == b"fl32" || &kind == b"fl64";
    let coding =
        Coding { float, little: &kind == b"sowt", width: bits.div_ceil(8), bits, channels, rate: RATE };
    let mut common = channels.to_be_bytes().to_vec();
    common.extend((samples.len() as u32 / u32::from(channels)).to_be_bytes());
    common.extend(bits.to_be_bytes());
    common.extend([0x40, 0x0d, 0xac, 0x44, 0, 0, 0, 0, 0, 0]);
    let plain = &kind == b"NONE";
    if !plain {
        common.extend_from_slice(&kind);
        common.extend([0, 0]);
    }
    let mut data = vec![0; 8];
    coding.encode(samples, &mut data);
    let mut marks = vec![0, 1, 0, 7, 0, 0, 3, 232, 3];
    marks.extend(b"abc");
    let mut body = if plain { b"AIFF".to_vec() } else { b"AIFC".to_vec() };
    for (id, data) in [
        (b"NAME", b"odd".to_vec()),
        (b"COMM", common),
        (b"MARK", marks),
        (b"SSND", data),
        (b"QQQQ", vec![1, 2]),
    ] {
        body.extend(iff::encode(*id, &data).unwrap());
    }
    let mut file = b"FORM".to_vec();
    file.extend(iff::length(body.len() as u64).unwrap());
    file.extend(body);
    file
}

fn label(position: SoundPosition) -> SignalOp {
    let spec = AudibleSpec { position, ..AudibleSpec::default() };
    SignalOp::Label(LabelSpec { text: "AI".into(), form: LabelForm::Audible(spec) })
}

fn watermark() -> SignalOp {
    SignalOp::Watermark(WatermarkSpec { payload: 0xfeed, key: None, strength: String::new() })
}

fn render(file: &[u8], ops: &[SignalOp]) -> Result<Vec<u8>> {
    let (limits, tools) = (Limits::default(), Tools::default());
    let mut out = Vec::new();
    FORMAT.render(&file, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    Ok(out)
}

fn states(file: &[u8]) -> Vec<State> {
    let (limits, tools) = (Limits::default(), Tools::default());
    let queries = [Query::Label(None), Query::Watermark(None)];
    let all = FORMAT.observe(&file, &queries, &RenderCx { limits: &limits, tools: &tools }).unwrap();
    let state = |o| match o {
        Observation::Label { state, .. } | Observation::Watermark { state, .. } => state,
        other => panic!("{other:?}"),
    };
    all.into_iter().map(state).collect()
}

fn samples(file: &[u8]) -> Vec<f32> {
    let limits = Limits::default();
    let mut sound = sound(&file, &limits).unwrap();
    let (mut all, mut piece) = (Vec::new(), Vec::new());
    while sound.next_f32(&mut piece).unwrap() {
        all.extend_from_slice(&piece);
    }
    all
}

#[test]
fn conformance() {
    let sound = programme(2, 0.2);
    let file = |kind: &[u8; 4], bits| aiff(&sound, 2, *kind, bits);
    colophon_conformance::check(
        &FORMAT,
        &[
            ("16 bits", file(b"NONE", 16)),
            ("8 bits", file(b"NONE", 8)),
            ("little-endian", file(b"sowt", 16)),
            ("floats", file(b"fl32", 32)),
            ("compressed", aiff(&sound[..400], 1, *b"ima4", 16)),
        ],
    );
}

#[test]
fn every_coding_carries_both_marks_and_keeps_the_programme_under_a_label() {
    let sound = programme(2, 6.0);
    for (kind, bits) in [
        (b"NONE", 16),
        (b"NONE", 24),
        (b"NONE", 32),
        (b"NONE", 12),
        (b"sowt", 16),
        (b"fl32", 32),
        (b"fl64", 64),
    ] {
        let file = aiff(&sound, 2, *kind, bits);
        assert_eq!(states(&file), [State::Absent, State::Absent]);
        let labelled = render(&file, &[label(SoundPosition::Start)]).unwrap();
        let (before, after) = (samples(&file), samples(&labelled));
        assert!(after[after.len() - before.len()..] == before, "{kind:?} {bits}");
        let both = render(&file, &[label(SoundPosition::End), watermark()]).unwrap();
        assert_eq!(states(&both), [State::Present, State::Present], "{kind:?} {bits}");
        assert_eq!(samples(&both).len(), after.len());
        let form = iff::walk(&both, &Limits::default()).unwrap();
        assert!(form.notes.is_empty(), "{:?}", form.notes);
        assert_eq!(form.of(*b"QQQQ").count(), 1);
    }
}

#[test]
fn markers_move_with_the_sound_they_mark() {
    let file = aiff(&programme(1, 1.0), 1, *b"NONE", 16);
    let marker = |bytes: &[u8]| {
        let form = iff::walk(&bytes, &Limits::default()).unwrap();
        let at = form.of(MARKERS).next().unwrap().data.start as usize + 4;
        u64::from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()))
    };
    let added =
        (samples(&render(&file, &[label(SoundPosition::Start)]).unwrap()).len() - RATE as usize) as u64;
    assert_eq!(marker(&file), 1000);
    assert_eq!(marker(&render(&file, &[label(SoundPosition::Start)]).unwrap()), 1000 + added);
    assert_eq!(marker(&render(&file, &[label(SoundPosition::End)]).unwrap()), 1000);
}

#[test]
fn bad_input_gets_a_named_error() {
    let file = aiff(&programme(1, 0.1), 1, *b"NONE", 16);
    let err = |bytes: &[u8]| FORMAT.inspect(&bytes, &Limits::default()).unwrap_err().to_string();
    assert!(err(b"").contains("FORM"));
    assert!(err(&file[..200]).contains("announces"));
    assert!(err(&aiff(&[], 1, *b"NONE", 16)).contains("no samples"));
    let coded = aiff(&programme(1, 0.1), 1, *b"ima4", 16);
    assert_eq!(render(&coded, &[label(SoundPosition::Start)]).unwrap_err().kind(), ErrorKind::Unsupported);
    let silent = aiff(&vec![0.0; RATE as usize * 5], 1, *b"NONE", 16);
    assert!(render(&silent, &[watermark()]).unwrap_err().to_string().contains("silence"));
}

proptest! {
    #[test]
    fn damaged_files_render_or_fail(hits in prop::collection::vec((0usize..200, any::<u8>()), 1..6)) {
        let mut file = aiff(&programme(1, 0.1), 1, *b"sowt", 16);
        for (at, byte) in hits {
            file[at] = byte;
        }
        let _ = render(&file, &[label(SoundPosition::Middle)]);
        let _ = FORMAT.inspect(&file, &Limits::default());
    }
}
