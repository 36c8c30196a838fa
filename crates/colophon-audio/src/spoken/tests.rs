use colophon_core::{
    AudibleSpec, Format, LabelForm, LabelRecord, LabelSound, LabelSpec, Observation, Placed, Query, RenderCx,
    SignalOp, SoundPosition, State, Tools,
};

use super::*;
use crate::wav::FORMAT;

const RATE: u32 = 44_100;

/// A programme of noise in syllables, at `peak`.
fn programme(seconds: f64, peak: f32) -> Vec<f32> {
    let mut state = 1u32;
    (0..(seconds * f64::from(RATE)) as usize)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let syllable = (n as f32 / RATE as f32 * 19.0).sin().max(0.0);
            peak * white * (0.2 + 0.8 * syllable)
        })
        .collect()
}

fn wav(samples: &[f32]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for s in samples {
        writer.write_sample((s * 32_767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn samples(file: &[u8]) -> Vec<f32> {
    read(&file, &Limits::default()).unwrap().0
}

fn spoken(language: &str) -> AudibleSpec {
    AudibleSpec { sound: LabelSound::Spoken { language: language.into() }, ..AudibleSpec::default() }
}

fn placed(file: &[u8], spec: AudibleSpec) -> Result<(Vec<u8>, Vec<LabelRecord>)> {
    let (limits, tools) = (Limits::default(), Tools::default());
    let op = SignalOp::Label(LabelSpec { text: "AI generated".into(), form: LabelForm::Audible(spec) });
    let mut out = Vec::new();
    let placed =
        FORMAT.render(&file, &[op], &RenderCx { limits: &limits, tools: &tools }, &mut out)?.into_iter();
    let record = |p| if let Placed::Label(record) = p { record } else { panic!("no label") };
    Ok((out, placed.map(record).collect()))
}

/// State, where it was heard, and what it says.
fn heard(file: &[u8], record: Option<&LabelRecord>) -> (State, Vec<(f64, f64)>, Option<String>) {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    match FORMAT.observe(&file, &[Query::Label(record)], &cx).unwrap().remove(0) {
        Observation::Label { state, evidence, .. } => {
            let e = evidence.unwrap_or_default();
            (state, e.seen, e.text)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_prompt_is_heard_in_any_file_without_a_record_and_named() {
    let file = wav(&programme(6.0, 0.3));
    assert_eq!(heard(&file, None).0, State::Absent);
    for prompt in PROMPTS {
        let (out, records) = placed(&file, spoken(prompt.language)).unwrap();
        let (state, seen, text) = heard(&out, None);
        assert_eq!((state, text.as_deref()), (State::Present, Some(prompt.words)), "{}", prompt.language);
        let span = records[0].span.unwrap();
        assert_eq!(seen.len(), 1);
        assert!(
            (seen[0].0 - span.start_s).abs() < 0.01 && (seen[0].1 - seen[0].0 - span.duration_s).abs() < 0.01
        );
        assert_eq!(heard(&out, Some(&records[0])).0, State::Present);
        assert_eq!(heard(&file, Some(&records[0])).0, State::Invalid, "the recorded label is gone");
    }
}

#[test]
fn an_inserted_label_leaves_the_programme_bit_for_bit_wherever_it_goes() {
    let programme = programme(9.0, 0.3);
    let file = wav(&programme);
    let before = samples(&file);
    for position in [SoundPosition::Start, SoundPosition::Middle, SoundPosition::End] {
        let (out, records) = placed(&file, AudibleSpec { position, ..spoken("en-GB") }).unwrap();
        let mut after = samples(&out);
        let start = (records[0].span.unwrap().start_s - SILENCE_S) * f64::from(RATE);
        let added = after.len() - before.len();
        after.drain(start.round() as usize..start.round() as usize + added);
        assert!(after == before, "{position:?}");
    }
}

#[test]
fn gb45438_5_3_a_label_comes_again_every_so_often() {
    let file = wav(&programme(65.0, 0.3));
    let spec = AudibleSpec { every_s: Some(20.0), ..AudibleSpec::default() };
    let (out, records) = placed(&file, spec).unwrap();
    assert_eq!(records.len(), 4);
    let (_, seen, _) = heard(&out, None);
    assert_eq!(seen.len(), 4);
    for (record, seen) in records.iter().zip(seen) {
        assert!((record.span.unwrap().start_s - seen.0).abs() < 0.02, "{record:?} {seen:?}");
        assert_eq!(heard(&out, Some(record)).0, State::Present);
    }
    assert!(placed(&file, AudibleSpec { every_s: Some(1.0), ..AudibleSpec::default() }).is_err());
}

#[test]
fn a_label_laid_over_adds_no_time_ducks_and_never_clips() {
    let programme = programme(12.0, 1.0);
    let file = wav(&programme);
    for position in [SoundPosition::Start, SoundPosition::Middle, SoundPosition::End] {
        for spec in [spoken("de"), AudibleSpec::default()] {
            let spec = AudibleSpec { position, overlay: true, ..spec };
            let (out, records) = placed(&file, spec).unwrap();
            let (before, after) = (samples(&file), samples(&out));
            assert_eq!(before.len(), after.len());
            // Two samples in a row at full scale are what clipping looks like.
            assert!(!after.windows(2).any(|w| w[0].abs() >= 0.9999 && w[0] == w[1]));
            let span = records[0].span.unwrap();
            let outside = |n: usize| {
                let t = n as f64 / f64::from(RATE);
                t < span.start_s - 0.2 || t > span.start_s + span.duration_s + 0.2
            };
            assert!((0..before.len()).filter(|n| outside(*n)).all(|n| before[n] == after[n]));
            let (state, seen, _) = heard(&out, None);
            assert_eq!(state, State::Present, "{position:?} {records:?}");
            assert!((seen[0].0 - span.start_s).abs() < 0.03, "{seen:?} {span:?}");
        }
    }
    let short = wav(&programme[..RATE as usize]);
    assert!(placed(&short, AudibleSpec { overlay: true, ..spoken("de") }).is_err());
}

#[test]
fn speech_is_as_loud_as_the_programme() {
    let measure = |mono: &[f32]| {
        let mut meter = EbuR128::new(1, RATE, Mode::I).unwrap();
        meter.add_frames_f32(mono).unwrap();
        meter.loudness_global().unwrap()
    };
    for peak in [0.05, 0.2] {
        let file = wav(&programme(8.0, peak));
        let (out, _) = placed(&file, spoken("fr")).unwrap();
        let (programme, all) = (samples(&file), samples(&out));
        let label = &all[..all.len() - programme.len()];
        // Never quieter than our floor for what must be heard.
        let wanted = measure(&programme).max(colophon_label::rhythm::FLOOR_DBFS);
        assert!((measure(label) - wanted).abs() < 1.0, "{} {wanted}", measure(label));
    }
}

#[test]
fn a_clip_of_the_caller_is_found_at_its_recorded_place_and_missed_when_gone() {
    let clip = wav(&programme(2.5, 0.4)
        .iter()
        .enumerate()
        .map(|(n, s)| s * ((n / 9000 % 3) as f32))
        .collect::<Vec<_>>());
    let file = wav(&programme(10.0, 0.2));
    let sound = LabelSound::Clip { sha256: "0".repeat(64), file: clip };
    for overlay in [false, true] {
        let spec =
            AudibleSpec { position: SoundPosition::Middle, overlay, sound: sound.clone(), every_s: None };
        let (out, records) = placed(&file, spec).unwrap();
        assert_eq!(heard(&out, Some(&records[0])).0, State::Present, "overlay {overlay}");
        assert_eq!(heard(&file, Some(&records[0])).0, State::Invalid);
    }
    let bad = LabelSound::Clip { sha256: String::new(), file: b"no sound".to_vec() };
    let e = placed(&file, AudibleSpec { sound: bad, ..AudibleSpec::default() }).unwrap_err();
    assert!(e.to_string().contains("clip"), "{e}");
    let silent = LabelSound::Clip { sha256: String::new(), file: wav(&vec![0.0; 50_000]) };
    assert!(placed(&file, AudibleSpec { sound: silent, ..AudibleSpec::default() }).is_err());
}
