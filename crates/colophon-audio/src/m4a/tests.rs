use colophon_core::{AudibleSpec, ErrorKind, LabelForm, LabelSpec, State, Tools, WatermarkSpec};

use super::*;

/// Noise in syllables, interleaved, two channels.
fn programme(rate: u32, seconds: f64) -> Vec<f32> {
    let mut state = 5u32;
    (0..(seconds * f64::from(rate)) as usize * 2)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            0.4 * white * (0.1 + (n as f32 * 0.0002).sin().max(0.0))
        })
        .collect()
}

fn m4a(seconds: f64, codec: &[&str]) -> Vec<u8> {
    let limits = Limits::default();
    let rate = 44_100;
    let arguments =
        [&["-y", "-movie_timescale", "44100", "-metadata", "title=kept"], codec, &["-f", "ipod"]].concat();
    let job = Job {
        id: ID,
        tool: Some("ffmpeg".as_ref()),
        rate,
        channels: 2,
        arguments: &arguments,
        limits: &limits,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.m4a");
    job.encode_into(&path, |feed| feed.push(&programme(rate, seconds))).unwrap();
    std::fs::read(path).unwrap()
}

fn render(file: &[u8], ops: &[SignalOp], ffmpeg: bool) -> Result<Vec<u8>> {
    let limits = Limits::default();
    let tools = Tools { ffmpeg: ffmpeg.then(|| "ffmpeg".into()), ..Tools::default() };
    let mut out = Vec::new();
    FORMAT.render(&file, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
    Ok(out)
}

fn ops() -> [SignalOp; 2] {
    let form = LabelForm::Audible(AudibleSpec::default());
    let watermark = WatermarkSpec { payload: 0xfeed, key: None, strength: String::new() };
    [SignalOp::Label(LabelSpec { text: "AI".into(), form }), SignalOp::Watermark(watermark)]
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

fn frames(file: &[u8]) -> usize {
    let limits = Limits::default();
    let mut sound = sound(&file, &limits).unwrap();
    let (mut count, mut piece) = (0, Vec::new());
    while sound.next_f32(&mut piece).unwrap() {
        count += piece.len() / 2;
    }
    count
}

#[test]
fn conformance() {
    colophon_conformance::check(
        &FORMAT,
        &[("AAC", m4a(0.5, &["-c:a", "aac"])), ("Apple Lossless", m4a(0.5, &["-c:a", "alac"]))],
    );
}

#[test]
fn both_codecs_carry_both_marks_keep_tags_and_the_exact_length() {
    for codec in [&["-c:a", "aac", "-b:a", "128k"][..], &["-c:a", "alac", "-sample_fmt", "s16p"]] {
        let file = m4a(6.1, codec);
        assert_eq!(states(&file), [State::Absent, State::Absent]);
        assert_eq!(frames(&file), (6.1 * 44_100.0) as usize, "{codec:?}");
        let marked = render(&file, &ops()[1..], true).unwrap();
        assert_eq!(frames(&marked), frames(&file), "{codec:?}");
        let both = render(&file, &ops(), true).unwrap();
        assert_eq!(states(&both), [State::Present, State::Present], "{codec:?}");
        let layout = FORMAT.inspect(&both, &Limits::default()).unwrap();
        assert_eq!(layout.properties.sample_rate, Some(44_100));
        assert!(both.windows(4).any(|w| w == b"kept"), "the title is gone");
    }
}

#[test]
fn bad_input_gets_a_named_error() {
    let file = m4a(0.5, &["-c:a", "aac"]);
    assert_eq!(render(&file, &ops()[..1], false).unwrap_err().kind(), ErrorKind::MissingTool);
    assert!(render(&file, &ops()[1..], true).unwrap_err().to_string().contains("too short"));
    assert!(FORMAT.inspect(&&file[..60], &Limits::default()).is_err());
    // Encrypted sound: the sample entry says so.
    let mut locked = file.clone();
    let at = locked.windows(4).position(|w| w == b"mp4a").unwrap();
    locked[at..at + 4].copy_from_slice(b"enca");
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    let answer = FORMAT.observe(&locked, &[Query::Watermark(None)], &cx).unwrap().remove(0);
    assert!(matches!(answer, Observation::Watermark { state: State::NotChecked, .. }), "{answer:?}");
}
