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

/// A file with a title, an unknown chunk in front and `more` behind the samples.
fn file(samples: &[f32], codec: [u8; 4], flags: u32, width: u16, bits: u16, more: &[u8]) -> Vec<u8> {
    let channels = 2_u16;
    let coding = Coding { float: flags & 1 != 0, little: flags & 2 != 0, width, bits, channels, rate: RATE };
    let mut desc = f64::from(RATE).to_be_bytes().to_vec();
    desc.extend(codec);
    for n in [flags, u32::from(width * channels), 1, u32::from(channels), u32::from(bits)] {
        desc.extend(n.to_be_bytes());
    }
    let mut data = vec![0, 0, 0, 7];
    coding.encode(samples, &mut data);
    let title = caf::encode_information([(b"title".as_slice(), b"rain".as_slice())].into_iter());
    let mut out = b"caff\0\x01\0\0".to_vec();
    for (id, data) in [(*b"desc", desc), (*b"info", title), (*b"QQQQ", vec![1, 2, 3]), (*b"data", data)] {
        out.extend(caf::encode(id, &data));
    }
    out.extend_from_slice(more);
    out
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

/// The file with a data chunk that goes on to the end.
fn open_ended(mut file: Vec<u8>) -> Vec<u8> {
    let at = file.windows(4).position(|w| w == b"data").unwrap() + 4;
    file[at..at + 8].fill(0xff);
    file
}

#[test]
fn conformance() {
    let sound = programme(2, 0.2);
    let plain = file(&sound, *b"lpcm", 0, 2, 16, &[]);
    colophon_conformance::check(
        &FORMAT,
        &[
            ("16 bits", plain.clone()),
            ("to the end of the file", open_ended(plain)),
            ("little-endian 24 bits", file(&sound, *b"lpcm", 2, 3, 24, &caf::encode(*b"tail", b"kept"))),
            ("floats", file(&sound, *b"lpcm", 1, 4, 32, &[])),
            ("compressed", file(&sound[..400], *b"aac ", 0, 2, 16, &[])),
        ],
    );
}

#[test]
fn every_coding_carries_both_marks_and_keeps_the_programme_under_a_label() {
    let sound = programme(2, 6.0);
    for (flags, width, bits) in [(0, 2, 16), (2, 2, 16), (2, 3, 24), (0, 4, 32), (1, 4, 32), (3, 8, 64)] {
        let whole = file(&sound, *b"lpcm", flags, width, bits, &caf::encode(*b"tail", b"kept"));
        for file in [whole.clone(), open_ended(file(&sound, *b"lpcm", flags, width, bits, &[]))] {
            let labelled = render(&file, &[label(SoundPosition::Start)]).unwrap();
            let (before, after) = (samples(&file), samples(&labelled));
            assert!(after.len() > before.len());
            assert!(after[after.len() - before.len()..] == before, "{flags} {bits}");
        }
        assert_eq!(states(&whole), [State::Absent, State::Absent]);
        let both = render(&whole, &[label(SoundPosition::End), watermark()]).unwrap();
        assert_eq!(states(&both), [State::Present, State::Present], "{flags} {bits}");
        assert!(both.ends_with(&caf::encode(*b"tail", b"kept")));
        assert!(both.windows(4).any(|w| w == b"QQQQ"));
    }
}

#[test]
fn positions_that_a_label_would_move_are_a_refusal_not_a_wrong_file() {
    let marked = file(&programme(2, 3.0), *b"lpcm", 0, 2, 16, &caf::encode(*b"mark", &[0; 8]));
    let e = render(&marked, &[label(SoundPosition::Start)]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.to_string().contains("mark"), "{e}");
    assert!(render(&marked, &[watermark()]).is_ok());
}

#[test]
fn bad_input_gets_a_named_error() {
    let good = file(&programme(2, 0.1), *b"lpcm", 0, 2, 16, &[]);
    let err = |bytes: &[u8]| FORMAT.inspect(&bytes, &Limits::default()).unwrap_err().to_string();
    assert!(err(b"").contains("caff"));
    assert!(err(&good[..200]).contains("announces"));
    assert!(err(&file(&[], *b"lpcm", 0, 2, 16, &[])).contains("no samples"));
    let coded = file(&programme(2, 0.1), *b"aac ", 0, 2, 16, &[]);
    assert_eq!(render(&coded, &[label(SoundPosition::Start)]).unwrap_err().kind(), ErrorKind::Unsupported);
}

proptest! {
    #[test]
    fn damaged_files_render_or_fail(hits in prop::collection::vec((0usize..160, any::<u8>()), 1..6)) {
        let mut bytes = file(&programme(2, 0.1), *b"lpcm", 2, 2, 16, &[]);
        for (at, byte) in hits {
            bytes[at] = byte;
        }
        let _ = render(&bytes, &[label(SoundPosition::Middle)]);
        let _ = FORMAT.inspect(&bytes, &Limits::default());
    }
}
