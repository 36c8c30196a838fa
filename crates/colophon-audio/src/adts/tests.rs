use std::path::Path;

use colophon_core::{AudibleSpec, ErrorKind, LabelForm, LabelSpec, State, Tools, WatermarkSpec};
use proptest::prelude::*;

use super::*;

fn tools() -> Tools {
    Tools { ffmpeg: Some("ffmpeg".into()), ffprobe: Some("ffprobe".into()), ..Tools::default() }
}

/// Tones that come and go over a little noise, as AAC by the encoder of the system.
fn programme(rate: u32, channels: u16, seconds: f64) -> Vec<u8> {
    let mut noise = 1_u32;
    let samples: Vec<f32> = (0..(seconds * f64::from(rate)) as usize)
        .flat_map(|i| {
            let t = i as f64 / f64::from(rate);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = f64::from(noise >> 8) / f64::from(1 << 24) - 0.5;
            let tones: f64 =
                (1..12).map(|k| (t * 700.0 * f64::from(k) + (t * 2.0).sin()).sin() / f64::from(k)).sum();
            let x = (0.12 * tones * (1.5 + (t * 3.0).sin()) / 2.5 + 0.1 * hiss) as f32;
            std::iter::repeat_n(x, usize::from(channels))
        })
        .collect();
    // Noise substitution would draw other noise behind a label: the comparison of samples needs it off.
    let arguments = ["-c:a", "aac", "-aac_pns", "0", "-b:a", "96k", "-f", "adts"];
    let limits = Limits::default();
    let tool = Some(Path::new("ffmpeg"));
    let job = crate::ffmpeg::Job { id: ID, tool, rate, channels, arguments: &arguments, limits: &limits };
    job.encode(|feed| feed.push(&samples)).unwrap()
}

/// Frames of silence in one channel at 24 kHz, with or without something of HE-AAC behind the block.
fn silent(frames: usize, high_efficiency: bool) -> Vec<u8> {
    let header = Header::parse(&[0xff, 0xf1, 0x58, 0x40, 0x10, 0x1f, 0xfc]).unwrap();
    let mut frame = silence::frame(&header).unwrap();
    if high_efficiency {
        // In place of the end (three bits): a fill element of ten bytes, spectral band replication.
        let mut bits: String = frame[7..].iter().map(|b| format!("{b:08b}")).collect();
        bits.truncate(3 + 4 + 8 + 11 + 3);
        bits += "110";
        bits += "1010";
        bits += "1101";
        bits += &"0".repeat(76);
        bits += "111";
        bits += &"0".repeat(7);
        let block: Vec<u8> =
            bits.as_bytes().chunks_exact(8).map(|b| b.iter().fold(0, |n, b| n << 1 | (b - b'0'))).collect();
        frame = header.framed(&block);
    }
    frame.repeat(frames)
}

#[test]
fn silence_is_a_frame_that_decoders_read_for_every_number_of_channels() {
    for configuration in 1..=7u8 {
        let bytes = [0xff, 0xf1, 0x4c | configuration >> 2, configuration << 6, 0x10, 0x1f, 0xfc];
        let header = Header::parse(&bytes).unwrap();
        let file = silence::frame(&header).unwrap().repeat(40);
        assert_eq!(frames::pure(&file, &header).unwrap(), Some(40));
        // The decoder of the system: nothing is missing, nothing is heard.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("silence.aac");
        std::fs::write(&path, &file).unwrap();
        let said = std::process::Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-xerror", "-i"])
            .arg(&path)
            .args(["-f", "f32le", "-"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stderr), "");
        assert_eq!(said.stdout.len(), 40 * 1024 * 4 * usize::from(header.channels().unwrap()));
        let loud = said.stdout.chunks_exact(4).any(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]) != 0.0);
        assert!(!loud, "configuration {configuration}");
    }
}

fn frames_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let source = &bytes;
    let mut frames = Frames::<Header>::new(source, File::open(source, &Limits::default()).unwrap().sound);
    let mut all = Vec::new();
    while let Some(f) = frames.next().unwrap() {
        all.push(bytes[f.range.start as usize..f.range.end as usize].to_vec());
    }
    all
}

fn decoded(bytes: &[u8]) -> Vec<f32> {
    let mut sound = sound(&bytes, &Limits::default()).unwrap();
    let (mut all, mut piece) = (Vec::new(), Vec::new());
    while sound.next_f32(&mut piece).unwrap() {
        all.extend_from_slice(&piece);
    }
    all
}

fn label(position: TextPosition) -> SignalOp {
    SignalOp::Label(LabelSpec {
        text: "AI生成".into(),
        form: LabelForm::Audible(AudibleSpec { position: position.into(), ..AudibleSpec::default() }),
    })
}

fn watermark() -> SignalOp {
    SignalOp::Watermark(WatermarkSpec {
        payload: 0x0123_4567_89ab_cdef,
        key: None,
        strength: "default".into(),
    })
}

fn rendered(file: &[u8], ops: &[SignalOp]) -> Result<(Vec<u8>, Vec<Placed>)> {
    let (limits, tools) = (Limits::default(), tools());
    let mut out = Vec::new();
    let placed = FORMAT.render(&file, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    Ok((out, placed))
}

fn observe(bytes: &[u8], query: Query<'_>) -> Observation {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    FORMAT.observe(&bytes, &[query], &cx).unwrap().remove(0)
}

#[test]
fn conformance() {
    let tagged = |bytes: &[u8]| {
        let mut tag = b"ID3\x04\0\0\0\0\0\x20".to_vec();
        tag.extend(b"TIT2\0\0\0\x06\0\0\0title");
        tag.resize(42, 0);
        [&tag[..], bytes].concat()
    };
    let bare = silent(20, false);
    let checked =
        vec![("bare", bare.clone()), ("ID3v2.4", tagged(&bare)), ("sound", programme(44_100, 2, 0.5))];
    colophon_conformance::check(&FORMAT, &checked);
}

#[test]
fn frames_of_the_programme_stay_bit_for_bit_and_so_do_its_samples() {
    for (rate, channels) in [(44_100, 2), (24_000, 1)] {
        let file = programme(rate, channels, 1.5);
        let (before, old) = (frames_of(&file), decoded(&file));
        let block = 1024 * usize::from(channels);
        for position in [TextPosition::Start, TextPosition::End] {
            let (out, placed) = rendered(&file, &[label(position)]).unwrap();
            let (after, new) = (frames_of(&out), decoded(&out));
            let added = after.len() - before.len();
            let at = if position == TextPosition::Start { added } else { 0 };
            assert_eq!(after[at..at + before.len()], before[..]);
            assert_eq!(new.len(), old.len() + added * block, "exact length");
            assert_eq!(new[at * block..][..old.len()], old[..], "nothing of the label sounds on");
            let [Placed::Label(record)] = &placed[..] else { panic!("{placed:?}") };
            let Observation::Label { state, evidence, .. } = observe(&out, Query::Label(Some(record))) else {
                panic!()
            };
            assert_eq!(state, State::Present);
            let seen = evidence.unwrap().seen[0].0;
            assert!((seen - record.span.unwrap().start_s).abs() < 0.1, "{seen} {record:?}");
        }
        let Observation::Label { state, .. } = observe(&file, Query::Label(None)) else { panic!() };
        assert_eq!(state, State::Absent);
    }
}

#[test]
fn a_watermark_keeps_length_place_and_bit_rate_and_is_found_beside_the_label() {
    let file = programme(44_100, 2, 6.0);
    let (out, _) = rendered(&file, &[watermark()]).unwrap();
    let Observation::Watermark { state, evidence, .. } = observe(&out, Query::Watermark(None)) else {
        panic!()
    };
    assert_eq!((state, evidence.unwrap().payload.as_deref()), (State::Present, Some("0123456789abcdef")));
    let (old, new) = (decoded(&file), decoded(&out));
    assert_eq!(new.len(), old.len());
    // What was at a place is there still: the mark and the codec change it a little, a shift would change it more.
    let energy: f32 = old.iter().map(|x| x * x).sum();
    let apart: f32 = old.iter().zip(&new).map(|(a, b)| (a - b) * (a - b)).sum();
    assert!(apart < energy / 20.0, "{apart} of {energy}");
    let bit_rate = |b: &[u8]| b.len() as f64 / frames_of(b).len() as f64;
    assert!(bit_rate(&out) > 0.9 * bit_rate(&file), "{} {}", bit_rate(&out), bit_rate(&file));
    let (out, placed) = rendered(&file, &[label(TextPosition::Start), watermark()]).unwrap();
    assert_eq!(placed.len(), 2);
    let Observation::Watermark { state, .. } = observe(&out, Query::Watermark(None)) else { panic!() };
    assert_eq!(state, State::Present);
    let Observation::Label { state, .. } = observe(&out, Query::Label(None)) else { panic!() };
    assert_eq!(state, State::Present);
}

#[test]
fn what_cannot_be_encoded_again_is_refused_with_the_reason() {
    let refused = |file: &[u8], why: &str| {
        let e = rendered(file, &[label(TextPosition::Start)]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        assert!(e.to_string().contains(why), "{e}");
    };
    refused(&silent(80, true), "HE-AAC");
    let with = |at: usize, change: fn(u8) -> u8| {
        let mut file = silent(80, false);
        let len = file.len() / 80;
        file.chunks_exact_mut(len).for_each(|f| f[at] = change(f[at]));
        file
    };
    refused(&with(2, |b| b & 0x3f), "only AAC-LC");
    refused(&with(3, |b| b & 0x3f), "described inside the stream");
    assert!(
        rendered(&silent(80, false), &[label(TextPosition::Start)]).is_ok(),
        "the plain stream is labelled"
    );
    let (limits, none) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &none };
    let e = FORMAT.render(&silent(80, false), &[watermark()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::MissingTool);
}

#[test]
fn properties_are_exact() {
    let p = FORMAT.inspect(&silent(100, false), &Limits::default()).unwrap().properties;
    assert_eq!((p.sample_rate, p.channels), (Some(24_000), Some(1)));
    assert!((p.duration_s.unwrap() - 102_400.0 / 24_000.0).abs() < 1e-9);
    assert!(FORMAT.inspect(&vec![0; 5000], &Limits::default()).is_err());
}

#[test]
fn heads_are_told_from_other_formats() {
    assert_eq!(FORMAT.score(&silent(3, false)), 90);
    assert_eq!(FORMAT.score(&[0xff, 0xfb, 0x90, 0x64, 0, 0, 0, 0]), 0, "MP3");
    assert_eq!(FORMAT.score(b"ID3\x04\0\0\0\x7f\x7f\x7f"), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_walk_and_decode_or_fail(hits in prop::collection::vec((0usize..2000, any::<u8>()), 1..12)) {
        let mut file = silent(120, false);
        for (at, b) in hits {
            if let Some(x) = file.get_mut(at) {
                *x = b;
            }
        }
        let limits = Limits::default();
        let _ = FORMAT.inspect(&file, &limits);
        let (limits, tools) = (Limits::default(), Tools::default());
        let _ = FORMAT.observe(&file, &[Query::Label(None)], &RenderCx { limits: &limits, tools: &tools });
    }
}
