use std::path::Path;

use colophon_container::ogg::{Packets, checksum, paginate};
use colophon_container::vorbis_comment::Comments;
use colophon_core::{
    AudibleSpec, ErrorKind, LabelForm, LabelSpec, State, TextPosition, Tools, WatermarkSpec,
};

use super::*;
use crate::ffmpeg::Job;

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

/// Sound as the encoders of the system code it.
fn encoded(rate: u32, channels: u16, seconds: f64, arguments: &[&str]) -> Vec<u8> {
    let limits = Limits::default();
    let job = Job { id: "ogg", tool: Some(Path::new("ffmpeg")), rate, channels, arguments, limits: &limits };
    let samples = rich(rate, usize::from(channels), seconds);
    let file = job.encode(|feed| feed.push(&samples)).unwrap();
    // With a comment that has to survive.
    let format = format_of(&file);
    let edits = [Edit::set(Slot::Field, "TITLE_AIGC_TEST", "kept")];
    format.edit(&file, &edits, &limits).unwrap().apply_to_vec(&file).unwrap()
}

fn vorbis(channels: u16, seconds: f64) -> Vec<u8> {
    encoded(44_100, channels, seconds, &["-c:a", "libvorbis", "-b:a", "96k", "-f", "ogg"])
}

fn opus(channels: u16, seconds: f64) -> Vec<u8> {
    encoded(48_000, channels, seconds, &["-c:a", "libopus", "-b:a", "64k", "-f", "opus"])
}

fn format_of(file: &[u8]) -> &'static Ogg {
    if OPUS.score(file) > 0 { &OPUS } else { &VORBIS }
}

/// A file whose packets of sound are not looked into.
fn skeleton(head: &[u8], packets: &[Vec<u8>]) -> Vec<u8> {
    let stamp = |flags: u8, granule: u64, mut page: Vec<u8>| {
        page[5] = flags;
        page[6..14].copy_from_slice(&granule.to_le_bytes());
        let sum = checksum(&page);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        page
    };
    let mut file = stamp(2, 0, paginate(&[head.to_vec()], 9, 0).0);
    let (headers, n) = paginate(packets, 9, 1);
    file.extend(headers);
    for i in 0..8 {
        let page = paginate(&[vec![i as u8; 200]], 9, n + 1 + i).0;
        file.extend(stamp(0, u64::from(i + 1) * 960, page));
    }
    file
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

fn render(file: &[u8], ops: &[SignalOp]) -> Result<(Vec<u8>, Vec<Placed>)> {
    let limits = Limits::default();
    let tools = Tools { ffmpeg: Some("ffmpeg".into()), ..Tools::default() };
    let mut out = Vec::new();
    let placed =
        format_of(file).render(&file, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    Ok((out, placed))
}

/// Where labels are heard, and the payload of the watermark.
fn heard(file: &[u8]) -> (State, Vec<(f64, f64)>, Option<String>) {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let queries = [Query::Label(None), Query::Watermark(None)];
    let mut answers = format_of(file).observe(&file, &queries, &cx).unwrap();
    let Some(Observation::Watermark { evidence: mark, .. }) = answers.pop() else { panic!() };
    let Some(Observation::Label { state, evidence, .. }) = answers.pop() else { panic!() };
    (state, evidence.map(|e| e.seen).unwrap_or_default(), mark.and_then(|e| e.payload))
}

fn properties(file: &[u8]) -> Properties {
    format_of(file).inspect(&file, &Limits::default()).unwrap().properties
}

fn packets(file: &[u8]) -> Vec<Vec<u8>> {
    let limits = Limits::default();
    let stream = container::walk(&file, &limits).unwrap();
    let mut all = Packets::new(&file, stream.headers.end, stream.serial, &limits);
    std::iter::from_fn(|| all.next_packet().unwrap()).map(|p| p.0).collect()
}

fn samples(file: &[u8]) -> Vec<f32> {
    let limits = Limits::default();
    let mut sound = format_of(file).open(&file, &limits).unwrap().sound(&file, &limits).unwrap();
    let (mut all, mut part) = (Vec::new(), Vec::new());
    while sound.next_f32(&mut part).unwrap() {
        all.extend_from_slice(&part);
    }
    all
}

#[test]
fn conformance() {
    let comments = Comments {
        vendor: b"v".to_vec(),
        entries: [&b"TITLE=t"[..], b"DESCRIPTION=about"].map(<[u8]>::to_vec).into(),
        rest: Vec::new(),
    };
    let tags = [b"OpusTags".to_vec(), comments.encode()].concat();
    let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    colophon_conformance::check(&OPUS, &[("skeleton", skeleton(head, &[tags])), ("real", opus(2, 0.3))]);
    let framed = Comments { rest: vec![1], ..comments };
    let comment = [b"\x03vorbis".to_vec(), framed.encode()].concat();
    let head = b"\x01vorbis\0\0\0\0\x02\x44\xac\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xb8\x01";
    let setup = [b"\x05vorbis".to_vec(), vec![5; 4000]].concat();
    colophon_conformance::check(
        &VORBIS,
        &[("skeleton", skeleton(head, &[comment, setup])), ("real", vorbis(2, 0.3))],
    );
}

#[test]
fn opus_packets_of_the_programme_stay_bit_for_bit() {
    let file = opus(2, 3.0);
    let old = packets(&file);
    let before = properties(&file).duration_s.unwrap();
    for position in [TextPosition::Start, TextPosition::End] {
        let (out, placed) = render(&file, &[label(position)]).unwrap();
        let new = packets(&out);
        let added = new.len() - old.len();
        match position {
            TextPosition::Start => assert_eq!(new[added..], old[..]),
            TextPosition::End => assert_eq!(new[..old.len()], old[..]),
        }
        let [Placed::Label(record)] = &placed[..] else { panic!("{placed:?}") };
        let (state, seen, _) = heard(&out);
        assert_eq!(state, State::Present);
        let span = record.span.unwrap();
        assert!((seen[0].0 - span.start_s).abs() < 0.03, "{seen:?} {record:?}");
        assert!((seen[0].1 - seen[0].0 - span.duration_s).abs() < 0.02, "{seen:?}");
        // 20 ms for each packet, and no more than one packet that the end had cut off.
        let after = properties(&out).duration_s.unwrap();
        let grown = after - before - added as f64 * 0.02;
        assert!((-1e-9..=0.0201).contains(&grown), "{position:?} {grown}");
        assert_eq!(samples(&out).len() as f64 / 2.0, (after * 48_000.0).round());
    }
    assert_eq!(heard(&file).0, State::Absent);
}

#[test]
fn opus_sounds_the_same_behind_the_label() {
    let file = opus(1, 3.0);
    let (out, _) = render(&file, &[label(TextPosition::Start)]).unwrap();
    let (old, new) = (samples(&file), samples(&out));
    let behind = &new[new.len() - old.len()..];
    // The decoder settles within the samples that the stream skips and a little more.
    let loudest = old[4800..].iter().zip(&behind[4800..]).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(loudest < 1e-3, "{loudest}");
}

#[test]
fn marks_of_every_kind_survive_the_encoder_and_comments_are_kept() {
    for file in [vorbis(2, 6.0), opus(2, 6.0)] {
        for ops in
            [vec![label(TextPosition::Start), watermark()], vec![watermark(), label(TextPosition::End)]]
        {
            let (out, placed) = render(&file, &ops).unwrap();
            assert_eq!(placed.len(), 2);
            assert_eq!(matches!(placed[0], Placed::Label(_)), matches!(ops[0], SignalOp::Label(_)));
            let (state, _, payload) = heard(&out);
            assert_eq!((state, payload.as_deref()), (State::Present, Some("0123456789abcdef")));
            let layout = format_of(&out).inspect(&out, &Limits::default()).unwrap();
            assert!(layout.entries.iter().any(|e| e.key == "TITLE_AIGC_TEST" && e.value == b"kept"));
        }
        let (out, _) = render(&file, &[watermark()]).unwrap();
        let (a, b) = (properties(&file), properties(&out));
        assert_eq!((a.sample_rate, a.channels), (b.sample_rate, b.channels));
        assert!((a.duration_s.unwrap() - b.duration_s.unwrap()).abs() < 1e-3, "{a:?} {b:?}");
        assert_eq!(heard(&file).0, State::Absent);
    }
    let (out, _) = render(&vorbis(1, 3.0), &[label(TextPosition::Start)]).unwrap();
    assert_eq!(heard(&out).0, State::Present);
}

#[test]
fn properties_are_exact() {
    let p = properties(&vorbis(2, 1.5));
    assert_eq!((p.sample_rate, p.channels, p.duration_s), (Some(44_100), Some(2), Some(1.5)));
    let p = properties(&opus(1, 1.5));
    assert_eq!((p.sample_rate, p.channels, p.duration_s), (Some(48_000), Some(1), Some(1.5)));
}

#[test]
fn bad_input_gets_a_named_error() {
    let file = opus(1, 0.2);
    let err = |b: &[u8]| OPUS.inspect(&b, &Limits::default()).unwrap_err().to_string();
    assert!(err(b"").starts_with("opus:"));
    assert!(err(&file[..60]).contains("ends inside its headers"));
    let headers = container::walk(&file, &Limits::default()).unwrap().headers.end as usize;
    assert!(err(&file[..headers]).contains("there are no samples"));
    assert!(err(&vorbis(1, 0.2)).contains("another codec"));
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let e = OPUS.render(&opus(1, 3.0), &[watermark()], &cx, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::MissingTool);
}

#[test]
fn damaged_sound_never_panics() {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for file in [opus(2, 0.6), vorbis(2, 0.6)] {
        for _ in 0..60 {
            let mut bytes = file.clone();
            for _ in 0..6 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = (state >> 8) as usize % bytes.len();
                bytes[at] = (state >> 40) as u8;
            }
            let _ = format_of(&file).observe(&bytes, &[Query::Label(None)], &cx);
        }
    }
}
