//! What the detector promises to whoever reads its numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop")]

use colophon_tokenmark::prf::philox::philox;
use colophon_tokenmark::*;

fn noise(seed: u32, len: usize, vocabulary: u32) -> Vec<u32> {
    (0..len as u32).map(|i| philox([i, 0, 0, 0], [seed, 4711])[0] % vocabulary).collect()
}

fn key(seed: u32) -> Key64 {
    let words = philox([seed, 1, 0, 0], [8, 8]);
    Key64::new(u64::from(words[0]) << 32 | u64::from(words[1]))
}

fn master(seed: u32) -> MasterKey {
    MasterKey::new(&std::array::from_fn::<u8, 32, _>(|i| philox([i as u32, seed, 0, 0], [2, 3])[0] as u8))
        .unwrap()
}

fn vllm(seed: u32) -> Scheme {
    Scheme::Vllm(VllmGumbel::new(key(seed), 4).unwrap())
}

fn layer_keys(seed: u32) -> Vec<i64> {
    (0..30).map(|i| i64::from(philox([i, seed, 0, 0], [5, 6])[0] as i32) << 9).collect()
}

fn whole(detection: &Detection) -> f64 {
    detection.candidates[0].outcome.tested().unwrap().log10_p_whole
}

/// Text drawn from eight equally likely tokens per context, marked by `scheme`.
fn marked(scheme: Scheme, len: usize) -> Vec<u32> {
    let generator = Generator::new(scheme, GeneratorOptions::default()).unwrap();
    let (mut sequence, mut scratch) = (generator.begin(&[]), Scratch::default());
    for i in 0..len as u32 {
        let last = sequence.tokens().last().copied().unwrap_or(0);
        let ids: Vec<u32> = (0..8).map(|k| philox([k, last, i, 0], [6, 6])[0] % 30_000).collect();
        let mut logits = [0.0f32; 8];
        let mut draws = SeededDraws::new(1, u64::from(i));
        let mut row = Row::sparse(&ids, &mut logits).unwrap();
        let pick = generator.pick(&sequence, &Step::default(), &mut row, &mut draws, &mut scratch).unwrap();
        sequence.accept(pick.token, pick.fate);
    }
    sequence.tokens().to_vec()
}

#[test]
fn p_values_of_unmarked_text_are_uniform_over_keys() {
    type Make = fn(u32) -> Scheme;
    let makes: [(Make, f64); 7] = [
        (vllm, 0.0),
        (|k| Scheme::Vllm(VllmGumbel::dual(&key(k), 0.1, 4).unwrap()), 0.0),
        (|k| Scheme::Sglang(SglangGumbel::new(key(k), 4).unwrap()), 0.0),
        (|k| Scheme::TextSeal(TextSeal::new(key(k), 4).unwrap()), 0.0),
        (|k| Scheme::SynthId(SynthId::hashing(&layer_keys(k), 5).unwrap()), 0.0),
        (|k| Scheme::SynthId(SynthId::table(&layer_keys(k), 5, 1 << 12, 0).unwrap()), 0.0),
        // counts are whole numbers, so p-values are a little too large
        (|k| Scheme::Unigram(Unigram::new(i64::from(k) + 99, 3000, 0.5).unwrap()), 0.05),
    ];
    const TRIALS: u32 = 600;
    for (make, slack) in makes {
        let mut p: Vec<f64> = (0..TRIALS)
            .map(|k| {
                let detector = Detector::new(make(k), DetectOptions::default()).unwrap();
                let tokens = noise(k, 150, 3000);
                10f64.powf(whole(&detector.detect(&Sample::new(&tokens)).unwrap()))
            })
            .collect();
        p.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov's distance: above 1.95 / sqrt(n) once in a thousand
        let distance = p
            .iter()
            .enumerate()
            .map(|(i, p)| (p - (i as f64 + 0.5) / f64::from(TRIALS)).abs())
            .fold(0.0, f64::max);
        assert!(distance < 1.95 / f64::from(TRIALS).sqrt() + slack, "{}: {distance}", make(0).id());
    }
}

#[test]
fn repeated_text_counts_once() {
    let phrase = noise(5, 40, 5000);
    let tokens = phrase.repeat(200);
    for k in 0..30 {
        let detector = Detector::new(vllm(k), DetectOptions::default()).unwrap();
        let detection = detector.detect(&Sample::new(&tokens)).unwrap();
        let candidate = &detection.candidates[0];
        assert!(candidate.repeats > 7000);
        assert!(candidate.outcome.tested().unwrap().scored <= 44);
        assert!(detection.log10_p.unwrap() > -4.0);
    }
}

#[test]
fn short_text_is_not_tested() {
    let detector = Detector::new(vllm(1), DetectOptions::default()).unwrap();
    let detection = detector.detect(&Sample::new(&noise(1, 24, 5000))).unwrap();
    assert!(detection.log10_p.is_none());
    assert!(matches!(detection.candidates[0].outcome, Outcome::TooShort { scored: 24, needed: 25 }));
    assert!(detector.detect(&Sample::new(&[])).unwrap().log10_p.is_none());
}

#[test]
fn a_marked_passage_in_a_long_text_is_found_in_place() {
    let passage = marked(vllm(1), 200);
    let mut tokens = noise(2, 3000, 30_000);
    tokens.splice(1700..1700, passage);
    let detector = Detector::new(vllm(1), DetectOptions::default()).unwrap();
    let detection = detector.detect(&Sample::new(&tokens)).unwrap();
    let tested = detection.candidates[0].outcome.tested().unwrap();
    assert!(tested.log10_p_window.unwrap() < -20.0 && tested.log10_p < tested.log10_p_whole);
    assert_eq!(tested.regions.len(), 1, "{:?}", tested.regions);
    let region = tested.regions[0];
    assert!(region.start.abs_diff(1700) < 20 && region.end.abs_diff(1900) < 20, "{region:?}");
}

#[test]
fn several_keys_are_paid_for() {
    let tokens = marked(vllm(3), 120);
    let one = Detector::new(vllm(3), DetectOptions::default()).unwrap();
    let many = Detector::for_all((0..20).map(vllm).collect(), DetectOptions::default()).unwrap();
    let (one, many) =
        (one.detect(&Sample::new(&tokens)).unwrap(), many.detect(&Sample::new(&tokens)).unwrap());
    assert_eq!(many.candidates.len(), 20);
    let best = many.candidates.iter().position(|c| c.outcome.tested().unwrap().log10_p < -10.0);
    assert_eq!(best, Some(3));
    assert!((many.log10_p.unwrap() - one.log10_p.unwrap() - 20f64.log10()).abs() < 1e-9);
    assert!(Detector::for_all(vec![], DetectOptions::default()).is_err());
}

#[test]
fn schemes_of_all_engines_can_be_tried_together() {
    let schemes = vec![
        vllm(1),
        Scheme::Sglang(SglangGumbel::new(key(1), 4).unwrap()),
        Scheme::TextSeal(TextSeal::new(key(1), 4).unwrap()),
        Scheme::SynthId(SynthId::hashing(&layer_keys(1), 5).unwrap()),
        Scheme::Kgw(Kgw::left_hash(77, 30_000, 0.25, 2.0, 1).unwrap()),
        Scheme::Unigram(Unigram::new(77, 30_000, 0.5).unwrap()),
        Scheme::Payload(PayloadMark::reader(&master(1), "", 4).unwrap()),
    ];
    let tokens = marked(schemes[1].clone(), 200);
    let detector = Detector::for_all(schemes, DetectOptions::default()).unwrap();
    let detection = detector.detect(&Sample::new(&tokens)).unwrap();
    for (i, candidate) in detection.candidates.iter().enumerate() {
        let p = candidate.outcome.tested().unwrap().log10_p;
        assert_eq!(p < -10.0, i == 1, "{}: {p}", candidate.scheme);
    }
}

#[test]
fn ids_beyond_the_vocabulary_are_named() {
    let mut options = DetectOptions::default();
    options.vocabulary = Some(100);
    let mut tokens = noise(1, 50, 100);
    tokens[30] = 100;
    let want = Error::TokenBeyondVocabulary { position: 30, id: 100, vocabulary: 100 };
    let detector = Detector::new(vllm(1), options).unwrap();
    assert_eq!(detector.detect(&Sample::new(&tokens)).unwrap_err(), want);
    let kgw = Scheme::Kgw(Kgw::left_hash(77, 100, 0.25, 2.0, 1).unwrap());
    let detector = Detector::new(kgw, DetectOptions::default()).unwrap();
    assert_eq!(detector.detect(&Sample::new(&tokens)).unwrap_err(), want);
}

#[test]
fn too_many_tokens_are_refused() {
    let mut options = DetectOptions::default();
    options.max_tokens = 99;
    let detector = Detector::new(vllm(1), options).unwrap();
    let error = detector.detect(&Sample::new(&noise(1, 100, 9))).unwrap_err();
    assert_eq!(error, Error::TooLong { limit: 99, unit: "tokens" });
}

#[test]
fn sglang_stops_at_its_context_limit_unless_told() {
    let scheme = || SglangGumbel::new(key(1), 4).unwrap();
    let tokens = noise(1, 6000, 30_000);
    let look = |scheme| {
        let detector = Detector::new(Scheme::Sglang(scheme), DetectOptions::default()).unwrap();
        let candidate = detector.detect(&Sample::new(&tokens)).unwrap().candidates.remove(0);
        (candidate.limit_reached, candidate.outcome.tested().unwrap().scored)
    };
    assert_eq!(look(scheme()), (true, 4096));
    let (reached, scored) = look(scheme().with_context_limit(None));
    assert!(!reached && scored > 5900);
}

#[test]
fn a_known_prompt_gives_the_first_tokens_a_context() {
    let scheme = Scheme::Sglang(SglangGumbel::new(key(1), 4).unwrap());
    let detector = Detector::new(scheme, DetectOptions::default()).unwrap();
    let tokens = noise(1, 60, 30_000);
    let without = detector.detect(&Sample::new(&tokens)).unwrap().candidates.remove(0);
    let with = detector.detect(&Sample { tokens: &tokens, prompt: Some(&[1, 2, 3, 4, 5]) }).unwrap();
    assert_eq!(without.without_context, 4);
    assert_eq!(with.candidates[0].without_context, 0);
}

#[test]
fn published_keys_are_flagged_not_refused() {
    let scheme = Scheme::Vllm(VllmGumbel::new(Key64::new(42), 4).unwrap());
    let detector = Detector::new(scheme, DetectOptions::default()).unwrap();
    let detection = detector.detect(&Sample::new(&noise(1, 60, 30_000))).unwrap();
    assert!(detection.candidates[0].published_key);
}

#[test]
fn keys_are_named_but_not_shown() {
    let (a, b) = (vllm(1), vllm(2));
    assert_eq!(a.key_id(), vllm(1).key_id());
    assert_ne!(a.key_id(), b.key_id());
    assert_eq!(a.key_id().len(), 16);
    assert!(format!("{a:?}").contains("hidden"));
}

#[test]
fn payloads_are_read_exactly_from_enough_text() {
    let mut read = 0;
    const TRIALS: u32 = 25;
    for trial in 0..TRIALS {
        let payload = Payload { issuer: (trial * 2603) as u16, tag: (trial * 11) as u8 };
        let tokens =
            marked(Scheme::Payload(PayloadMark::writer(&master(trial), "a", 4, payload).unwrap()), 200);
        let reader = |label: &str| {
            let scheme = Scheme::Payload(PayloadMark::reader(&master(trial), label, 4).unwrap());
            let detector = Detector::new(scheme, DetectOptions::default()).unwrap();
            let detection = detector.detect(&Sample::new(&tokens)).unwrap();
            detection.candidates[0].outcome.tested().unwrap().clone()
        };
        let found = reader("a");
        assert!(found.log10_p < -10.0);
        if let Some(reading) = found.payload {
            assert_eq!(reading.payload, payload);
            assert!(reading.log10_wrong <= -5.0 && reading.places.len() == 16);
            read += 1;
        }
        let other = reader("b");
        assert!(other.payload.is_none() && other.log10_p > -4.0);
    }
    assert!(read >= TRIALS - 2, "{read} of {TRIALS}");
}

#[test]
fn half_replaced_text_never_gives_a_wrong_payload() {
    for trial in 0..40 {
        let payload = Payload { issuer: (trial * 997) as u16, tag: 1 };
        let mark = |write: bool| {
            if write {
                PayloadMark::writer(&master(trial), "a", 4, payload)
            } else {
                PayloadMark::reader(&master(trial), "a", 4)
            }
        };
        let mut tokens = marked(Scheme::Payload(mark(true).unwrap()), 60 + 10 * trial as usize);
        for (i, token) in tokens.iter_mut().enumerate() {
            if philox([i as u32, trial, 0, 0], [1, 1])[0].is_multiple_of(8) {
                *token = i as u32;
            }
        }
        let detector =
            Detector::new(Scheme::Payload(mark(false).unwrap()), DetectOptions::default()).unwrap();
        let detection = detector.detect(&Sample::new(&tokens)).unwrap();
        if let Some(tested) = detection.candidates[0].outcome.tested()
            && let Some(reading) = &tested.payload
        {
            assert_eq!(reading.payload, payload);
        }
    }
}

#[test]
fn screening_shows_hot_ngrams_and_the_list_silences_them() {
    // a phrase that looks marked under this key, in every text
    let scheme = vllm(9);
    let phrase = marked(scheme.clone(), 60);
    let mut screen = KeyScreen::new(scheme.clone(), ScreenSettings::default());
    let texts: Vec<Vec<u32>> = (0..12)
        .map(|i| [noise(100 + i, 400, 30_000), phrase.clone(), noise(200 + i, 400, 30_000)].concat())
        .collect();
    for text in &texts {
        screen.add(text).unwrap();
    }
    let report = screen.finish();
    assert_eq!((report.texts, report.lengths[0].windows), (12, 48));
    assert!(report.lengths[0].lowest_corrected < -6.0 && report.lengths[0].excess_log10_p < -3.0);
    assert!(report.hot.len() > 30 && report.hot.iter().all(|h| h.texts >= 3 && h.tokens.len() == 5));
    let quiet = |ignore: HotList| {
        let mut options = DetectOptions::default();
        options.ignore = ignore;
        let detector = Detector::new(scheme.clone(), options).unwrap();
        detector.detect(&Sample::new(&texts[0])).unwrap().log10_p.unwrap()
    };
    assert!(quiet(HotList::default()) < -6.0);
    assert!(quiet(report.hot_list()) > -3.0);
}

#[test]
fn screening_a_good_key_shows_nothing_unusual() {
    let mut screen = KeyScreen::new(vllm(2), ScreenSettings::default());
    for i in 0..40 {
        screen.add(&noise(i, 1000, 30_000)).unwrap();
    }
    let report = screen.finish();
    assert!(report.hot.is_empty());
    assert!(report.lengths[0].lowest_corrected > -3.0 && report.lengths[0].excess_log10_p > -3.0);
}

#[test]
fn a_stream_gives_what_the_whole_sample_gives() {
    let payload = Payload { issuer: 0x1234, tag: 5 };
    let schemes = || {
        vec![
            vllm(1),
            vllm(2),
            Scheme::Vllm(VllmGumbel::dual(&key(3), 0.1, 4).unwrap()),
            Scheme::Sglang(SglangGumbel::new(key(1), 4).unwrap()),
            Scheme::TextSeal(TextSeal::new(key(1), 3).unwrap()),
            Scheme::SynthId(SynthId::hashing(&layer_keys(1), 5).unwrap()),
            Scheme::SynthId(SynthId::table(&layer_keys(1), 5, 1 << 12, 0).unwrap()),
            Scheme::Kgw(Kgw::left_hash(987_654_321, 30_000, 0.25, 2.0, 1).unwrap()),
            Scheme::Unigram(Unigram::new(99, 30_000, 0.5).unwrap()),
            Scheme::Payload(PayloadMark::reader(&master(1), "t", 4).unwrap()),
        ]
    };
    let detector = Detector::for_all(schemes(), DetectOptions::default()).unwrap();
    let writer = Scheme::Payload(PayloadMark::writer(&master(1), "t", 4, payload).unwrap());
    // repeats, a marked passage, a payload
    let tokens =
        [noise(1, 900, 40), noise(2, 3000, 30_000), marked(vllm(1), 700), marked(writer, 500)].concat();
    for (tokens, prompt) in [(&tokens[..], None), (&tokens[3000..], Some(&tokens[..7])), (&tokens[..9], None)]
    {
        let want = detector.detect(&Sample { tokens, prompt }).unwrap();
        for part in [1, 60, 1000, 100_000] {
            let mut stream = detector.stream(prompt);
            for tokens in tokens.chunks(part) {
                stream.push(tokens).unwrap();
            }
            let got = stream.finish();
            assert_eq!((got.log10_p, got.tokens), (want.log10_p, want.tokens));
            for (got, want) in got.candidates.iter().zip(&want.candidates) {
                assert_eq!(
                    (got.repeats, got.without_context, got.limit_reached, got.crowded_out),
                    (want.repeats, want.without_context, want.limit_reached, 0)
                );
                let (Some(got), Some(want)) = (got.outcome.tested(), want.outcome.tested()) else {
                    assert!(got.outcome.tested().is_none() && want.outcome.tested().is_none());
                    continue;
                };
                assert_eq!((got.scored, got.windows), (want.scored, want.windows));
                assert_eq!(got.log10_p_window, want.log10_p_window);
                assert!((got.log10_p_whole - want.log10_p_whole).abs() < 1e-9);
                assert_eq!(got.payload, want.payload);
                assert_eq!(got.regions.len(), want.regions.len());
                for (got, want) in got.regions.iter().zip(&want.regions) {
                    assert!(got.start.abs_diff(want.start) < 64 && got.end.abs_diff(want.end) < 64);
                }
            }
        }
    }
}

#[test]
fn a_stream_names_ids_beyond_the_vocabulary_by_their_place() {
    let mut options = DetectOptions::default();
    options.vocabulary = Some(100);
    let detector = Detector::new(vllm(1), options).unwrap();
    let mut stream = detector.stream(None);
    stream.push(&[5, 6, 7]).unwrap();
    let refused = stream.push(&[8, 100, 9]);
    assert!(matches!(refused, Err(Error::TokenBeyondVocabulary { position: 4, id: 100, vocabulary: 100 })));
}
