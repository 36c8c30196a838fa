use colophon_core::{AudibleSpec, ErrorKind, LabelForm, LabelSpec, State, Tools, WatermarkSpec};
use proptest::prelude::*;

use super::*;
use crate::decode::Sound;

/// A beat of tones with a little noise: 1.6 s at 24 kHz, mono, with the header frame of its encoder.
const PROGRAMME: &[u8] = include_bytes!("../../tests/data/programme-24k-mono.mp3");
/// The rhythm as frames of the same kind.
const RHYTHM: &[u8] = include_bytes!("../../tests/data/rhythm-24k-mono.mp3");

fn open(bytes: &[u8]) -> Mp3File {
    Mp3File::open(&bytes, &Limits::default()).unwrap()
}

fn inserted(bytes: &[u8], in_front: bool) -> Vec<u8> {
    splice::insert(&bytes, &open(bytes), RHYTHM, in_front).unwrap().apply_to_vec(&bytes).unwrap()
}

fn decoded(bytes: &[u8]) -> Vec<f32> {
    let mut d = open(bytes).decoder(&bytes, &Limits::default()).unwrap();
    let (mut all, mut part) = (Vec::new(), Vec::new());
    while d.next_f32(&mut part).unwrap() {
        all.extend_from_slice(&part);
    }
    all
}

fn frames_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Frames::<Header>::new(&bytes, open(bytes).sound);
    let mut all = Vec::new();
    while let Some(f) = frames.next().unwrap() {
        all.push(bytes[f.range.start as usize..f.range.end as usize].to_vec());
    }
    all
}

fn label(position: TextPosition) -> SignalOp {
    SignalOp::Label(LabelSpec {
        text: "AI生成".into(),
        form: LabelForm::Audible(AudibleSpec { position: position.into(), ..AudibleSpec::default() }),
    })
}

fn observe(bytes: &[u8], query: Query<'_>) -> (State, Vec<(f64, f64)>) {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    match FORMAT.observe(&bytes, &[query], &cx).unwrap().remove(0) {
        Observation::Label { state, evidence, .. } => (state, evidence.map(|e| e.seen).unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

/// A file of silent frames at 44.1 kHz in stereo, without any header frame.
fn silent(frames: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
    frame.resize(417, 0);
    frame.repeat(frames)
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

/// Sound as MP3 by the encoder of the system.
fn encoded(samples: &[f32], rate: u32, channels: u16, kbps: &str) -> Vec<u8> {
    let limits = Limits::default();
    let arguments = ["-c:a", "libmp3lame", "-b:a", kbps, "-id3v2_version", "0", "-f", "mp3"];
    let tool = Some(std::path::Path::new("ffmpeg"));
    let job = crate::ffmpeg::Job { id: ID, tool, rate, channels, arguments: &arguments, limits: &limits };
    job.encode(|feed| feed.push(samples)).unwrap()
}

#[test]
fn a_watermark_keeps_length_and_bit_rate_and_is_found_beside_the_label() {
    let limits = Limits::default();
    let tools = Tools { ffmpeg: Some("ffmpeg".into()), ..Tools::default() };
    let cx = RenderCx { limits: &limits, tools: &tools };
    let file = encoded(&rich(44_100, 2, 6.0), 44_100, 2, "128k");
    let mut out = Vec::new();
    FORMAT.render(&file, &[watermark()], &cx, &mut out).unwrap();
    assert_eq!(payload(&out, None), (State::Present, Some("0123456789abcdef".to_owned())));
    assert_eq!(decoded(&out).len(), decoded(&file).len());
    assert_eq!(open(&out).first.header.rate, 44_100);
    let layout = FORMAT.inspect(&out, &limits).unwrap();
    assert_eq!(layout.properties.other["bitrate"], "128 kbit/s");
    assert_eq!(layout.notes, Vec::<String>::new());
    for ops in [[label(TextPosition::Start), watermark()], [watermark(), label(TextPosition::End)]] {
        let mut out = Vec::new();
        let placed = FORMAT.render(&file, &ops, &cx, &mut out).unwrap();
        assert_eq!(placed.len(), 2);
        assert_eq!(payload(&out, None).0, State::Present);
        assert_eq!(observe(&out, Query::Label(None)).0, State::Present);
    }
}

#[test]
fn conformance() {
    let id3v1 = |bytes: &[u8]| {
        let mut tag = b"TAG".to_vec();
        tag.resize(128, b' ');
        [bytes, &tag].concat()
    };
    let tagged = |version: u8, bytes: &[u8]| {
        let mut tag = vec![b'I', b'D', b'3', version, 0, 0, 0, 0, 1, 0];
        tag.extend(b"TIT2\0\0\0\x06\0\0\0title");
        tag.extend(b"COMM\0\0\0\x08\0\0\0eng\0abc");
        tag.resize(138, 0);
        [&tag[..], bytes].concat()
    };
    colophon_conformance::check(
        &FORMAT,
        &[
            ("bare", silent(20)),
            ("header frame", PROGRAMME.to_vec()),
            ("ID3v2.3, ID3v1", id3v1(&tagged(3, PROGRAMME))),
            ("ID3v2.4", tagged(4, &silent(30))),
        ],
    );
}

#[test]
fn frames_of_the_programme_stay_bit_for_bit_and_so_do_its_samples() {
    let (before, label) = (frames_of(PROGRAMME), frames_of(RHYTHM).len());
    let out = inserted(PROGRAMME, true);
    assert_eq!(frames_of(&out)[label..], before[..]);
    let (old, new) = (decoded(PROGRAMME), decoded(&out));
    assert_eq!(new.len(), old.len() + label * 576, "exact length");
    assert_eq!(new[label * 576..], old[..], "nothing of the label's last frames sounds on");

    let out = inserted(PROGRAMME, false);
    assert_eq!(frames_of(&out)[..before.len()], before[..]);
    let new = decoded(&out);
    assert_eq!(new.len(), old.len() + label * 576);
    assert_eq!(new[..old.len()], old[..]);
}

#[test]
fn the_header_frame_describes_the_result() {
    // The encoder of the sample sums up its own header frame in a way of its own: here it is as LAME does it.
    let mut file = PROGRAMME.to_vec();
    let lame = file.windows(4).position(|w| w == b"Lavf").unwrap();
    let sum = info::crc(0, &file[..lame + 34]);
    file[lame + 34..lame + 36].copy_from_slice(&sum.to_be_bytes());
    for in_front in [true, false] {
        let out = inserted(&file, in_front);
        let (before, after) = (open(&file), open(&out));
        let frames = frames_of(&out).len() as u32;
        let (range, info) = after.info.unwrap();
        assert_eq!(info.frames, Some(frames));
        assert_eq!(info.trim, before.info.unwrap().1.trim, "gapless information is kept");
        let frame = &out[range.start as usize..range.end as usize];
        let at = frame.windows(4).position(|w| w == b"Xing" || w == b"Info").unwrap();
        let bytes = u32::from_be_bytes(frame[at + 12..at + 16].try_into().unwrap());
        assert_eq!(u64::from(bytes), after.sound.end - range.start);
        let toc = &frame[at + 16..at + 116];
        assert!(toc.windows(2).all(|w| w[0] <= w[1]), "{toc:?}");
        assert!(toc[50].abs_diff(128) < 20, "{toc:?}");
        // Checksums of sound and header frame hold again.
        let stored = |at: usize| u16::from_be_bytes(frame[at..at + 2].try_into().unwrap());
        let sound = &out[after.sound.start as usize..after.sound.end as usize];
        assert_eq!(stored(lame + 32), info::crc(0, sound));
        assert_eq!(stored(lame + 34), info::crc(0, &frame[..lame + 34]));
        let layout = FORMAT.inspect(&out, &Limits::default()).unwrap();
        assert_eq!(layout.notes, Vec::<String>::new());
    }
}

#[test]
fn frames_cut_off_from_their_data_stay_silent_behind_the_label() {
    // Without the header frame and the first frames the next ones reach back into data that is gone.
    let whole = frames_of(PROGRAMME);
    let cut: Vec<u8> = whole[6..].concat();
    let header = Header::parse(cut[..4].try_into().unwrap()).unwrap();
    assert!(header.reaches_back(&cut).unwrap() > 0, "the sample uses its reservoir");
    let label = frames_of(RHYTHM).len();
    let out = inserted(&cut, true);
    let (old, new) = (decoded(&cut), decoded(&out));
    assert_eq!(new.len(), old.len() + label * 576);
    let behind = &new[label * 576..];
    // Where the first whole frame begins to sound both agree; before it there is silence, not label bytes.
    let orphans = frames_of(&out)[label..].iter().zip(&whole[6..]).filter(|(a, b)| a != b).count();
    assert!((1..6).contains(&orphans), "{orphans}");
    let loudest = |x: &[f32]| x.iter().fold(0f32, |m, v| m.max(v.abs()));
    assert!(loudest(&behind[..576]) < 1e-4, "{}", loudest(&behind[..576]));
    assert_eq!(behind[(orphans + 2) * 576..], old[(orphans + 2) * 576..]);
    assert_eq!(observe(&out, Query::Label(None)).0, State::Present);
}

#[test]
fn the_label_is_heard_where_it_was_put() {
    for in_front in [true, false] {
        let (state, seen) = observe(&inserted(PROGRAMME, in_front), Query::Label(None));
        assert_eq!(state, State::Present);
        let at = if in_front { 0.1 } else { 1.7 };
        assert!((seen[0].0 - at).abs() < 0.06, "{seen:?}");
    }
    assert_eq!(observe(PROGRAMME, Query::Label(None)).0, State::Absent);
}

#[test]
fn without_ffmpeg_the_missing_tool_is_named() {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let e = FORMAT.render(&PROGRAMME, &[label(TextPosition::Start)], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::MissingTool);
}

#[test]
fn ffmpeg_encodes_the_label_for_every_kind_of_stream() {
    let limits = Limits::default();
    let tools = Tools { ffmpeg: Some("ffmpeg".into()), ..Tools::default() };
    let cx = RenderCx { limits: &limits, tools: &tools };
    for file in [PROGRAMME.to_vec(), silent(80)] {
        for position in [TextPosition::Start, TextPosition::End] {
            let mut out = Vec::new();
            let placed = FORMAT.render(&file, &[label(position)], &cx, &mut out).unwrap();
            let [Placed::Label(record)] = &placed[..] else { panic!("{placed:?}") };
            let (state, seen) = observe(&out, Query::Label(Some(record)));
            assert_eq!(state, State::Present);
            assert!((seen[0].0 - record.span.unwrap().start_s).abs() < 0.06, "{seen:?} {record:?}");
        }
    }
}

#[test]
fn properties_are_exact() {
    let p = FORMAT.inspect(&PROGRAMME, &Limits::default()).unwrap().properties;
    assert_eq!((p.sample_rate, p.channels), (Some(24_000), Some(1)));
    assert!((p.duration_s.unwrap() - 1.6).abs() < 1e-9, "{:?}", p.duration_s);
    let p = FORMAT.inspect(&silent(100), &Limits::default()).unwrap().properties;
    assert!((p.duration_s.unwrap() - 115_200.0 / 44_100.0).abs() < 1e-9);
}

#[test]
fn bad_input_gets_a_named_error() {
    let err = |b: &[u8]| FORMAT.inspect(&b, &Limits::default()).unwrap_err().to_string();
    assert!(err(b"").contains("there are no frames"));
    assert!(err(&[0; 5000]).contains("there are no frames"));
    assert!(err(b"ID3\x04\0\0\0\0\x7f\x7f").contains("longer than the file"));
    let alone = &PROGRAMME[..open(PROGRAMME).sound.start as usize];
    assert!(err(alone).contains("no sound behind"));
}

#[test]
fn heads_are_told_from_other_formats() {
    assert_eq!(FORMAT.score(&silent(3)), 90);
    assert_eq!(FORMAT.score(b"ID3\x04\0\0\0\x7f\x7f\x7f"), 25);
    assert_eq!(FORMAT.score(b"fLaC\0\0\0\x22"), 0);
    assert_eq!(FORMAT.score(&[0xff, 0xf1, 0x50, 0x80, 1, 2, 3, 4]), 0, "ADTS");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_files_splice_or_fail(hits in prop::collection::vec((0usize..8000, any::<u8>()), 1..12)) {
        let mut file = PROGRAMME.to_vec();
        for (at, b) in hits {
            if let Some(x) = file.get_mut(at) {
                *x = b;
            }
        }
        if let Ok(f) = Mp3File::open(&file, &Limits::default())
            && let Ok(p) = splice::insert(&file, &f, RHYTHM, true)
        {
            let _ = p.apply_to_vec(&file);
        }
        let (limits, tools) = (Limits::default(), Tools::default());
        let _ = FORMAT.observe(&file, &[Query::Label(None)], &RenderCx { limits: &limits, tools: &tools });
    }
}
