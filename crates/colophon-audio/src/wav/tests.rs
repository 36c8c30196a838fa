use colophon_core::{
    AudibleSpec, ErrorKind, LabelForm, LabelSpec, State, TextPosition, Tools, WatermarkSpec,
};
use proptest::prelude::*;

use super::*;

fn chunk(id: [u8; 4], data: &[u8]) -> Vec<u8> {
    riff::encode(id, data).unwrap()
}

fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let align = channels * bits.div_ceil(8);
    let mut f = Vec::new();
    f.extend(tag.to_le_bytes());
    f.extend(channels.to_le_bytes());
    f.extend(rate.to_le_bytes());
    f.extend((rate * u32::from(align)).to_le_bytes());
    f.extend(align.to_le_bytes());
    f.extend(bits.to_le_bytes());
    f
}

fn extensible(channels: u16, rate: u32, bits: u16, valid: u16) -> Vec<u8> {
    let mut f = fmt(0xfffe, channels, rate, bits);
    f.extend(22u16.to_le_bytes());
    f.extend(valid.to_le_bytes());
    f.extend(3u32.to_le_bytes());
    f.extend(1u16.to_le_bytes());
    f.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    f
}

fn form(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let mut out = b"RIFF".to_vec();
    out.extend((body.len() as u32 + 4).to_le_bytes());
    out.extend(b"WAVE");
    out.extend(body);
    out
}

/// A programme: a slow beat of two tones, never the rhythm.
fn programme(format: &SampleFormat, seconds: f32) -> Vec<u8> {
    let rate = format.rate as f32;
    let mono: Vec<f32> = (0..(seconds * rate) as usize)
        .map(|i| {
            let t = i as f32 / rate;
            0.3 * (t * 1400.0).sin() * (t * 3.0).sin() + 0.2 * (t * 5000.0).sin()
        })
        .collect();
    let channels = usize::from(format.channels);
    let all: Vec<f32> = mono.iter().flat_map(|s| std::iter::repeat_n(*s, channels)).collect();
    let mut out = Vec::new();
    format.encode(&all, &mut out).unwrap();
    out
}

fn wav(fmt: &[u8], seconds: f32, more: &[Vec<u8>]) -> Vec<u8> {
    let format = SampleFormat::parse(fmt).unwrap();
    let data = programme(&format, seconds);
    let mut chunks = vec![chunk(*b"fmt ", fmt), chunk(*b"data", &data)];
    chunks.extend_from_slice(more);
    form(&chunks)
}

fn label(position: TextPosition) -> SignalOp {
    SignalOp::Label(LabelSpec {
        text: "AI生成".into(),
        form: LabelForm::Audible(AudibleSpec { position: position.into(), ..AudibleSpec::default() }),
    })
}

fn render(bytes: &[u8], ops: &[SignalOp]) -> Result<(Vec<u8>, Vec<Placed>)> {
    let (limits, tools) = (Limits::default(), Tools::default());
    let mut out = Vec::new();
    let placed = FORMAT.render(&bytes, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    Ok((out, placed))
}

fn observe(bytes: &[u8], query: Query<'_>) -> Observation {
    let (limits, tools) = (Limits::default(), Tools::default());
    FORMAT.observe(&bytes, &[query], &RenderCx { limits: &limits, tools: &tools }).unwrap().remove(0)
}

fn state(o: &Observation) -> (State, Vec<(f64, f64)>) {
    match o {
        Observation::Label { state, evidence, .. } => {
            (*state, evidence.as_ref().map(|e| e.seen.clone()).unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

fn data_of(bytes: &[u8]) -> Vec<u8> {
    let wave = Wave::open(&bytes, &Limits::default()).unwrap();
    bytes[wave.data.start as usize..wave.data.end as usize].to_vec()
}

/// A programme with sound in every band: tones that come and go, and a little noise.
fn rich(rate: u32, channels: usize, seconds: f64) -> Vec<f32> {
    let mut noise = 1_u32;
    (0..(seconds * f64::from(rate)) as usize)
        .flat_map(|i| {
            let t = i as f64 / f64::from(rate);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = f64::from(noise >> 8) / f64::from(1 << 24) - 0.5;
            let tones: f64 =
                (1..12).map(|k| (t * 700.0 * f64::from(k) + (t * 2.0).sin()).sin() / f64::from(k)).sum();
            let x = (0.12 * tones * (1.5 + (t * 3.0).sin()) / 2.5 + 0.1 * hiss) as f32;
            std::iter::repeat_n(x, channels)
        })
        .collect()
}

fn watermark() -> SignalOp {
    SignalOp::Watermark(WatermarkSpec {
        payload: 0x0123_4567_89ab_cdef,
        key: None,
        strength: "default".into(),
    })
}

fn payload(bytes: &[u8], secret: Option<&[u8]>) -> (State, Option<String>) {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    match FORMAT.observe(&bytes, &[Query::Watermark(secret)], &cx).unwrap().remove(0) {
        Observation::Watermark { state, evidence, .. } => (state, evidence.and_then(|e| e.payload)),
        other => panic!("{other:?}"),
    }
}

fn rich_wav(fmt: &[u8], seconds: f64) -> Vec<u8> {
    let format = SampleFormat::parse(fmt).unwrap();
    let mut data = Vec::new();
    format.encode(&rich(format.rate, usize::from(format.channels), seconds), &mut data).unwrap();
    form(&[chunk(*b"fmt ", fmt), chunk(*b"data", &data), chunk(*b"tail", b"kept")])
}

#[test]
fn label_and_watermark_go_in_together_and_are_both_found() {
    for f in [fmt(1, 2, 44_100, 16), fmt(3, 1, 16_000, 32)] {
        let file = rich_wav(&f, 8.0);
        for ops in [[label(TextPosition::Start), watermark()], [watermark(), label(TextPosition::End)]] {
            let (out, placed) = render(&file, &ops).unwrap();
            assert!(out.ends_with(b"tail\x04\0\0\0kept"));
            assert_eq!(payload(&out, None), (State::Present, Some("0123456789abcdef".to_owned())));
            assert_eq!(payload(&out, Some(b"another key")).0, State::Absent);
            assert_eq!(state(&observe(&out, Query::Label(None))).0, State::Present);
            assert_eq!(placed.len(), 2);
            assert_eq!(matches!(placed[0], Placed::Label(_)), matches!(ops[0], SignalOp::Label(_)));
        }
        assert_eq!(payload(&file, None).0, State::Absent);
    }
}

#[test]
fn what_cannot_carry_a_watermark_is_refused_by_name() {
    let f = fmt(1, 1, 16_000, 16);
    let e = render(&rich_wav(&f, 2.0), &[watermark()]).unwrap_err();
    assert!(e.to_string().contains("too short"), "{e}");
    let silent = form(&[chunk(*b"fmt ", &f), chunk(*b"data", &vec![0; 160_000])]);
    let e = render(&silent, &[watermark()]).unwrap_err();
    assert!(e.to_string().contains("silence"), "{e}");
    assert_eq!(payload(&rich_wav(&f, 1.0), None).0, State::NotChecked);
    let SignalOp::Watermark(mut spec) = watermark() else { panic!() };
    spec.strength = "enormous".into();
    let e = render(&rich_wav(&f, 4.0), &[SignalOp::Watermark(spec)]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Usage);
}

#[test]
fn conformance() {
    let list = [b"INFO".to_vec(), chunk(*b"ISFT", b"maker"), chunk(*b"AIGC", b"{\"Label\":\"9\"}")].concat();
    colophon_conformance::check(
        &FORMAT,
        &[
            (
                "16 bit stereo",
                wav(&fmt(1, 2, 44_100, 16), 0.1, &[chunk(*b"LIST", &list), chunk(*b"odd ", b"abc")]),
            ),
            ("8 bit mono, odd length", wav(&fmt(1, 1, 8000, 8), 0.100_13, &[])),
            ("extensible 24 bit", wav(&extensible(2, 48_000, 24, 20), 0.05, &[chunk(*b"XMP ", b"<old/>")])),
            ("float", wav(&fmt(3, 1, 16_000, 32), 0.05, &[])),
        ],
    );
}

#[test]
fn every_coding_takes_the_label_and_keeps_every_programme_byte() {
    for f in [
        fmt(1, 1, 8000, 8),
        fmt(1, 2, 44_100, 16),
        fmt(1, 2, 48_000, 24),
        fmt(1, 6, 48_000, 32),
        fmt(3, 2, 44_100, 32),
        fmt(3, 1, 96_000, 64),
        extensible(2, 44_100, 24, 20),
    ] {
        let file = wav(&f, 3.0, &[]);
        for position in [TextPosition::Start, TextPosition::End] {
            let (out, placed) = render(&file, &[label(position)]).unwrap();
            let (before, after) = (data_of(&file), data_of(&out));
            let added = after.len() - before.len();
            match position {
                TextPosition::Start => assert_eq!(after[added..], before[..], "{f:?}"),
                TextPosition::End => assert_eq!(after[..before.len()], before[..], "{f:?}"),
            }
            let [Placed::Label(record)] = &placed[..] else { panic!("{placed:?}") };
            let (found, seen) = state(&observe(&out, Query::Label(Some(record))));
            assert_eq!(found, State::Present, "{f:?} {position:?}");
            assert!((seen[0].0 - record.span.unwrap().start_s).abs() < 0.02);
            assert_eq!(state(&observe(&out, Query::Label(None))).0, State::Present);
        }
    }
}

#[test]
fn a_label_that_was_cut_off_is_invalid_with_a_record_and_absent_without() {
    let file = wav(&fmt(1, 1, 16_000, 16), 2.0, &[]);
    let (_, placed) = render(&file, &[label(TextPosition::Start)]).unwrap();
    let [Placed::Label(record)] = &placed[..] else { panic!() };
    assert_eq!(state(&observe(&file, Query::Label(Some(record)))).0, State::Invalid);
    assert_eq!(state(&observe(&file, Query::Label(None))).0, State::Absent);
}

#[test]
fn label_level_is_within_six_decibels_of_the_programme() {
    let file = wav(&fmt(1, 2, 44_100, 16), 4.0, &[]);
    let (out, _) = render(&file, &[label(TextPosition::Start)]).unwrap();
    let rms = |b: &[u8]| {
        let n = b.len() as f64 / 2.0;
        let p: f64 = b.chunks_exact(2).map(|c| f64::from(i16::from_le_bytes([c[0], c[1]])).powi(2)).sum();
        20.0 * ((p / n).sqrt() / 32768.0).log10()
    };
    let programme = rms(&data_of(&file));
    // The middle of the dash: 0.1 s silence, dot, gap, then half of three units.
    let at = ((0.1 + 3.0 * 0.12) * 44_100.0) as usize * 4;
    let tone = rms(&data_of(&out)[at..at + 4410 * 4]);
    assert!(tone >= programme - 6.0 && tone >= -30.0, "{tone} against {programme}");
    assert!(tone < -3.0);
}

#[test]
fn positions_of_cues_and_loops_move_with_the_samples() {
    let mut cue = 2u32.to_le_bytes().to_vec();
    for at in [0u32, 500] {
        cue.extend(1u32.to_le_bytes());
        cue.extend(at.to_le_bytes());
        cue.extend(b"data");
        cue.extend([0; 8]);
        cue.extend(at.to_le_bytes());
    }
    let mut smpl = vec![0u8; 60];
    smpl[28] = 1;
    smpl[44..48].copy_from_slice(&100u32.to_le_bytes());
    smpl[48..52].copy_from_slice(&900u32.to_le_bytes());
    let file = wav(&fmt(1, 1, 16_000, 16), 1.0, &[chunk(*b"cue ", &cue), chunk(*b"smpl", &smpl)]);
    let n = colophon_label::rhythm::len(16_000) as u32;
    let field = |bytes: &[u8], id: &[u8; 4], at: usize| {
        let riff = riff::walk(&bytes, &Limits::default()).unwrap();
        let c = riff.of(*id).next().unwrap().data.start as usize + at;
        u32::from_le_bytes(bytes[c..c + 4].try_into().unwrap())
    };
    let (out, _) = render(&file, &[label(TextPosition::Start)]).unwrap();
    assert_eq!(field(&out, b"cue ", 4 + 20), n);
    assert_eq!(field(&out, b"cue ", 28 + 4), 500 + n);
    assert_eq!(field(&out, b"smpl", 36 + 8), 100 + n);
    assert_eq!(field(&out, b"smpl", 36 + 12), 900 + n);
    let (out, _) = render(&file, &[label(TextPosition::End)]).unwrap();
    assert_eq!(field(&out, b"cue ", 28 + 4), 500);
}

#[test]
fn a_watermark_beside_the_label_changes_nothing_but_samples() {
    let mut cue = 1u32.to_le_bytes().to_vec();
    cue.extend([1, 0, 0, 0, 0xf4, 1, 0, 0]);
    cue.extend(b"data\0\0\0\0\0\0\0\0\xf4\x01\0\0");
    // An odd number of bytes, with and without its pad; a last frame that is not whole.
    for (f, extra) in [(fmt(1, 1, 16_000, 8), 1), (fmt(1, 1, 16_000, 8), 0), (fmt(1, 2, 16_000, 16), 3)] {
        let format = SampleFormat::parse(&f).unwrap();
        let mut data = Vec::new();
        let channels = usize::from(format.channels);
        let samples = rich(16_000, channels, 4.0);
        format.encode(&samples, &mut data).unwrap();
        data.resize(data.len() + extra, 0);
        let file = form(&[
            chunk(*b"fmt ", &f),
            chunk(*b"cue ", &cue),
            chunk(*b"data", &data),
            chunk(*b"tail", b"kept"),
        ]);
        for position in [TextPosition::Start, TextPosition::End] {
            let (alone, _) = render(&file, &[label(position)]).unwrap();
            for ops in [[label(position), watermark()], [watermark(), label(position)]] {
                let (both, _) = render(&file, &ops).unwrap();
                assert_eq!(both.len(), alone.len());
                let around = |bytes: &[u8]| {
                    let riff = riff::walk(&bytes, &Limits::default()).unwrap();
                    assert!(riff.notes.is_empty(), "{:?}", riff.notes);
                    let data = riff.of(*b"data").next().unwrap().data.clone();
                    let whole = (data.end - data.start) / u64::from(format.align) * u64::from(format.align);
                    [&bytes[..data.start as usize], &bytes[(data.start + whole) as usize..]].concat()
                };
                assert!(around(&both) == around(&alone));
            }
        }
    }
}

#[test]
fn properties_are_exact() {
    let p = FORMAT
        .inspect(&wav(&extensible(2, 48_000, 24, 20), 0.5, &[]), &Limits::default())
        .unwrap()
        .properties;
    assert_eq!(
        (p.sample_rate, p.channels, p.bit_depth, p.duration_s),
        (Some(48_000), Some(2), Some(20), Some(0.5))
    );
}

#[test]
fn bad_input_gets_a_named_error() {
    let err = |bytes: &[u8]| FORMAT.inspect(&bytes, &Limits::default()).unwrap_err();
    let f = chunk(*b"fmt ", &fmt(1, 1, 8000, 16));
    assert!(err(&form(&[f.clone(), chunk(*b"data", b"")])).to_string().contains("there are no samples"));
    assert!(err(&form(std::slice::from_ref(&f))).to_string().contains("no data chunk"));
    assert!(err(&form(&[chunk(*b"data", b"ab")])).to_string().contains("no fmt chunk"));
    assert!(err(&form(&[chunk(*b"fmt ", b"abc"), chunk(*b"data", b"ab")])).to_string().contains("too short"));
    assert!(err(b"").to_string().contains("wav:"));
    let zero = form(&[chunk(*b"fmt ", &fmt(1, 0, 8000, 16)), chunk(*b"data", b"ab")]);
    assert!(err(&zero).to_string().contains("0 channels"));
    let unknown = form(&[chunk(*b"fmt ", &fmt(0x1234, 1, 8000, 16)), chunk(*b"data", &[0; 64])]);
    let e = render(&unknown, &[label(TextPosition::Start)]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(FORMAT.inspect(&unknown, &Limits::default()).unwrap().notes[0].contains("0x1234"));
    assert_eq!(state(&observe(&unknown, Query::Label(None))).0, State::NotChecked);
}

#[test]
fn sound_longer_than_allowed_is_a_limit() {
    let file = wav(&fmt(1, 1, 8000, 8), 3.0, &[]);
    let (limits, tools) = (Limits { seconds: 1, ..Limits::default() }, Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let e = FORMAT.render(&file, &[label(TextPosition::Start)], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Limit);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_files_render_or_fail(hits in prop::collection::vec((0usize..400, any::<u8>()), 1..6)) {
        let mut file = wav(&extensible(2, 8000, 16, 16), 0.2, &[chunk(*b"cue ", &[1, 0, 0, 0, 9, 9])]);
        for (at, b) in hits {
            if let Some(x) = file.get_mut(at) {
                *x = b;
            }
        }
        let _ = render(&file, &[label(TextPosition::End)]);
        let (limits, tools) = (Limits::default(), Tools::default());
        let _ = FORMAT.observe(&file, &[Query::Label(None)], &RenderCx { limits: &limits, tools: &tools });
    }
}

#[test]
fn our_own_mark_is_read_no_further_than_it_takes_to_be_certain() {
    let file = rich_wav(&fmt(1, 1, 16_000, 16), 60.0);
    let (out, _) = render(&file, &[watermark()]).unwrap();
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let heard = |query: Query<'_>| match FORMAT.observe(&out.as_slice(), &[query], &cx).unwrap().remove(0) {
        Observation::Watermark { state: State::Present, evidence: Some(e), .. } => {
            (e.payload, e.segments.last().unwrap().1)
        }
        other => panic!("{other:?}"),
    };
    let (all, to) = heard(Query::Watermark(None));
    let (own, stopped) = heard(Query::OwnWatermark(None));
    assert_eq!(own, all);
    assert!(to > 59.0 && stopped < 30.0, "{to} {stopped}");
    // Where it is not, everything is heard before that is said.
    let absent = FORMAT.observe(&file.as_slice(), &[Query::OwnWatermark(None)], &cx).unwrap().remove(0);
    assert!(matches!(absent, Observation::Watermark { state: State::Absent, .. }));
}
