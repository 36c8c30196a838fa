//! What a generator promises to a server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop")]

use colophon_tokenmark::prf::philox::philox;
use colophon_tokenmark::*;
use proptest::prelude::*;

const VOCABULARY: usize = 300;

fn key() -> Key64 {
    Key64::from_hex("5d0c2b9a7e1f4638").unwrap()
}

fn layer_keys() -> Vec<i64> {
    (0..20u32).map(|i| i64::from(philox([i, 0, 0, 0], [5, 6])[0]) << 13).collect()
}

fn master() -> MasterKey {
    MasterKey::new(&std::array::from_fn::<u8, 32, _>(|i| (i * 29 + 3) as u8)).unwrap()
}

/// Every scheme that marks.
fn schemes() -> Vec<Scheme> {
    let payload = Payload { issuer: 0xBEEF, tag: 7 };
    vec![
        Scheme::Vllm(VllmGumbel::new(key(), 4).unwrap()),
        Scheme::Vllm(VllmGumbel::dual(&key(), 0.3, 4).unwrap()),
        Scheme::Sglang(SglangGumbel::new(key(), 4).unwrap()),
        Scheme::TextSeal(TextSeal::new(key(), 3).unwrap()),
        Scheme::SynthId(SynthId::hashing(&layer_keys(), 5).unwrap()),
        Scheme::SynthId(SynthId::table(&layer_keys(), 5, 1 << 16, 0).unwrap()),
        Scheme::Kgw(Kgw::left_hash(987_654_321, VOCABULARY as u32, 0.25, 2.0, 1).unwrap()),
        Scheme::Kgw(Kgw::self_hash(987_654_321, VOCABULARY as u32, 0.25, 2.0, 3).unwrap()),
        Scheme::Payload(PayloadMark::writer(&master(), "t", 4, payload).unwrap()),
    ]
}

fn generator(scheme: Scheme) -> Generator {
    Generator::new(scheme, GeneratorOptions::default()).unwrap()
}

/// Logits that depend on the last token.
fn model(last: u32) -> Vec<f32> {
    (0..VOCABULARY as u32)
        .map(|id| 6.0 * (philox([id, last, 0, 0], [1, 2])[0] as f32 / u32::MAX as f32))
        .collect()
}

fn extend(generator: &Generator, sequence: &mut Sequence, count: usize, scratch: &mut Scratch) {
    for _ in 0..count {
        let mut logits = model(sequence.tokens().last().copied().unwrap_or(0));
        let mut draws = SeededDraws::new(3, sequence.tokens().len() as u64);
        let pick = generator
            .pick(sequence, &Step::default(), &mut Row::dense(&mut logits), &mut draws, scratch)
            .unwrap();
        sequence.accept(pick.token, pick.fate);
    }
}

const PROMPT: [u32; 5] = [11, 12, 13, 14, 15];

fn detect(scheme: Scheme, tokens: &[u32]) -> f64 {
    let detector = Detector::new(scheme, DetectOptions::default()).unwrap();
    detector.detect(&Sample { tokens, prompt: Some(&PROMPT) }).unwrap().log10_p.unwrap()
}

#[test]
fn every_scheme_finds_its_own_mark_and_no_other() {
    for scheme in schemes() {
        let generator = generator(scheme.clone());
        let (mut sequence, mut scratch) = (generator.begin(&PROMPT), Scratch::default());
        extend(&generator, &mut sequence, 250, &mut scratch);
        assert!(detect(scheme.clone(), sequence.tokens()) < -9.0, "{}", scheme.id());
        for other in schemes() {
            let family = |name: &str| other.id().contains(name) && scheme.id().contains(name);
            let related = other.id() == scheme.id() || family("vllm") || family("synthid");
            if !related {
                let p = detect(other.clone(), sequence.tokens());
                assert!(p > -4.0, "{} reads {} at {p}", other.id(), scheme.id());
            }
        }
    }
}

#[test]
fn most_tokens_are_marked_and_counted() {
    for scheme in schemes() {
        let generator = generator(scheme);
        let (mut sequence, mut scratch) = (generator.begin(&PROMPT), Scratch::default());
        extend(&generator, &mut sequence, 200, &mut scratch);
        let counters = sequence.counters();
        assert_eq!(counters.total(), 200);
        assert!(counters.marked > 150, "{counters:?}");
        assert_eq!(sequence.fates().iter().filter(|f| **f == Fate::Marked).count() as u64, counters.marked);
    }
}

#[test]
fn rejected_drafts_leave_no_trace() {
    for scheme in schemes() {
        let generator = generator(scheme);
        let mut scratch = Scratch::default();
        let mut plain = generator.begin(&PROMPT);
        extend(&generator, &mut plain, 120, &mut scratch);
        let mut disturbed = generator.begin(&PROMPT);
        for chunk in 0..12 {
            // tokens that will not be taken, some of them repeating contexts
            for i in 0..7 {
                disturbed.accept((i * chunk) % 5, Fate::Unknown);
            }
            disturbed.rollback(7).unwrap();
            extend(&generator, &mut disturbed, 10, &mut scratch);
        }
        assert_eq!(plain.tokens(), disturbed.tokens());
        assert_eq!(plain.counters(), disturbed.counters());
    }
}

#[test]
fn a_draft_prefix_means_the_same_as_accepted_tokens() {
    for scheme in schemes() {
        let generator = generator(scheme);
        let mut scratch = Scratch::default();
        let mut accepted = generator.begin(&PROMPT);
        extend(&generator, &mut accepted, 40, &mut scratch);
        let whole = accepted.tokens().to_vec();
        for split in [0, 1, 3, 20, 37, 40] {
            let mut short = generator.begin(&PROMPT);
            for (&token, &fate) in whole[..split].iter().zip(accepted.fates()) {
                short.accept(token, fate);
            }
            let (mut a, mut b) = (model(9), model(9));
            let drafted = Step { draft: &whole[split..], ..Step::default() };
            let fate = generator.apply(&short, &drafted, &mut Row::dense(&mut a), &mut scratch).unwrap();
            let want =
                generator.apply(&accepted, &Step::default(), &mut Row::dense(&mut b), &mut scratch).unwrap();
            assert_eq!((fate, a), (want, b));
        }
    }
}

#[test]
fn repeats_inside_a_draft_are_seen() {
    let generator = generator(schemes().remove(0));
    let (sequence, mut scratch) = (generator.begin(&[]), Scratch::default());
    // the context 1 2 3 4 stands twice in this draft
    let draft = [1, 2, 3, 4, 1, 2, 3, 4];
    let mut logits = model(4);
    let step = |len: usize| Step { draft: &draft[..len], ..Step::default() };
    let fate = |len: usize, logits: &mut [f32], scratch: &mut Scratch| {
        generator.apply(&sequence, &step(len), &mut Row::dense(logits), scratch).unwrap()
    };
    assert_eq!(fate(8, &mut logits, &mut scratch), Fate::Repeated);
    assert_eq!(logits, model(4));
    assert_eq!(fate(7, &mut logits, &mut scratch), Fate::Marked);
}

#[test]
fn sparse_candidates_give_what_a_masked_dense_row_gives() {
    for scheme in schemes() {
        let generator = generator(scheme);
        let (mut sequence, mut scratch) = (generator.begin(&PROMPT), Scratch::default());
        for round in 0..30 {
            let logits = model(round);
            let ids: Vec<u32> = (0..VOCABULARY as u32).filter(|id| (id + round) % 6 == 0).collect();
            let mut dense = vec![f32::NEG_INFINITY; VOCABULARY];
            for &id in &ids {
                dense[id as usize] = logits[id as usize];
            }
            let mut sparse: Vec<f32> = ids.iter().map(|&id| logits[id as usize]).collect();
            let a = generator
                .apply(&sequence, &Step::default(), &mut Row::dense(&mut dense), &mut scratch)
                .unwrap();
            let mut row = Row::sparse(&ids, &mut sparse).unwrap();
            let b = generator.apply(&sequence, &Step::default(), &mut row, &mut scratch).unwrap();
            assert_eq!(a, b);
            for (&id, &value) in ids.iter().zip(&sparse) {
                let other = dense[id as usize];
                assert!(value == other || (value - other).abs() < 1e-4, "{value} is not {other}");
            }
            sequence.accept(ids[round as usize % ids.len()], a);
        }
    }
}

#[test]
fn candidates_with_the_same_bits_are_played_together_without_a_difference() {
    // ids a table length apart share their bits; a table of 64 entries puts several into every class
    let scheme = SynthId::table(&layer_keys(), 5, 64, 0).unwrap();
    let generator = generator(Scheme::SynthId(scheme));
    let (sequence, mut scratch) = (generator.begin(&PROMPT), Scratch::default());
    let ids: Vec<u32> = (0..VOCABULARY as u32).collect();
    for round in 0..30 {
        let mut logits = model(round);
        logits[round as usize * 3] = f32::NEG_INFINITY;
        // one that nearly vanishes in company that does not, and one that does
        (logits[7], logits[8]) = (-80.0, -120.0);
        let (mut dense, mut sparse) = (logits.clone(), logits.clone());
        let step = Step::default();
        generator.apply(&sequence, &step, &mut Row::dense(&mut dense), &mut scratch).unwrap();
        let mut row = Row::sparse(&ids, &mut sparse).unwrap();
        generator.apply(&sequence, &step, &mut row, &mut scratch).unwrap();
        for (a, b) in dense.iter().zip(&sparse) {
            assert!(a == b || (a - b).abs() < 1e-4, "{a} is not {b}");
        }
        let total: f64 = dense.iter().map(|&x| f64::from(x).exp()).sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
        let mut pick = |row: &mut Row<'_>| {
            let mut draws = SeededDraws::new(3, u64::from(round));
            generator.pick(&sequence, &step, row, &mut draws, &mut scratch).unwrap()
        };
        let (mut dense, mut sparse) = (logits.clone(), logits);
        let one = pick(&mut Row::dense(&mut dense));
        assert_eq!(one, pick(&mut Row::sparse(&ids, &mut sparse).unwrap()));
    }
}

#[test]
fn greedy_tokens_are_untouched() {
    for scheme in schemes() {
        let generator = generator(scheme);
        let (sequence, mut scratch) = (generator.begin(&PROMPT), Scratch::default());
        let mut logits = model(3);
        let greedy = Step { greedy: true, ..Step::default() };
        let fate = generator.apply(&sequence, &greedy, &mut Row::dense(&mut logits), &mut scratch).unwrap();
        assert_eq!((fate, &logits), (Fate::Greedy, &model(3)));
        let cold = SamplerSpec { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 1 };
        let drawn = cold.draw(&generator, &sequence, &Step::default(), &logits, &mut scratch).unwrap();
        let top = (0..VOCABULARY).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        assert_eq!((drawn.token as usize, drawn.fate), (top, Fate::Greedy));
    }
}

#[test]
fn the_gate_leaves_near_certain_tokens_alone() {
    let mut options = GeneratorOptions::default();
    options.max_top_probability = Some(0.9);
    for scheme in schemes() {
        let generator = Generator::new(scheme, options).unwrap();
        let (sequence, mut scratch) = (generator.begin(&PROMPT), Scratch::default());
        for (lead, fate) in [(20.0, Fate::Gated), (0.0, Fate::Marked)] {
            let mut logits = model(3);
            logits[5] += lead;
            let before = logits.clone();
            let got = generator
                .apply(&sequence, &Step::default(), &mut Row::dense(&mut logits), &mut scratch)
                .unwrap();
            assert_eq!(got, fate);
            assert_eq!(before == logits, fate == Fate::Gated);
        }
    }
}

#[test]
fn a_single_candidate_is_taken_without_a_mark() {
    for scheme in schemes() {
        let generator = generator(scheme);
        let (sequence, mut scratch) = (generator.begin(&PROMPT), Scratch::default());
        let mut logits = vec![f32::NEG_INFINITY; VOCABULARY];
        logits[77] = -3.0;
        let mut draws = || 0.3;
        let pick = generator
            .pick(&sequence, &Step::default(), &mut Row::dense(&mut logits), &mut draws, &mut scratch)
            .unwrap();
        assert_eq!((pick.token, pick.fate), (77, Fate::Single));
    }
}

#[test]
fn bad_rows_are_named() {
    for scheme in schemes() {
        let generator = generator(scheme.clone());
        let (sequence, mut scratch) = (generator.begin(&PROMPT), Scratch::default());
        let mut apply = |logits: &mut [f32]| {
            generator.apply(&sequence, &Step::default(), &mut Row::dense(logits), &mut scratch).unwrap_err()
        };
        assert_eq!(apply(&mut [0.0, f32::NAN]), Error::BadLogit { index: 1 });
        assert_eq!(apply(&mut [f32::INFINITY, 0.0]), Error::BadLogit { index: 0 });
        assert_eq!(apply(&mut [f32::NEG_INFINITY; 4]), Error::NoCandidate);
        assert_eq!(apply(&mut []), Error::NoCandidate);
        if scheme.vocabulary().is_some() {
            assert!(matches!(apply(&mut [0.0; VOCABULARY + 1]), Error::TokenBeyondVocabulary { .. }));
        }
    }
    assert!(matches!(Row::sparse(&[1, 2], &mut [0.0]), Err(Error::RowShape { ids: 2, logits: 1 })));
    assert!(Row::batch(&mut [0.0; 10], 3).is_err());
    let mut sequence = generator(schemes().remove(0)).begin(&[]);
    assert_eq!(sequence.rollback(1), Err(Error::Rollback { asked: 1, held: 0 }));
}

#[test]
fn published_keys_and_readers_do_not_generate() {
    let published = [
        Scheme::Vllm(VllmGumbel::new(Key64::new(42), 4).unwrap()),
        Scheme::Vllm(VllmGumbel::dual(&Key64::new(0), 0.1, 4).unwrap()),
        Scheme::Kgw(Kgw::left_hash(15_485_863, 1000, 0.25, 2.0, 1).unwrap()),
        Scheme::SynthId(SynthId::hashing(&[654, 400, 836, 123], 5).unwrap()),
    ];
    for scheme in published {
        let refused = Generator::new(scheme.clone(), GeneratorOptions::default()).unwrap_err();
        assert!(matches!(refused, Error::PublishedKey { .. }));
        let mut options = GeneratorOptions::default();
        options.allow_published_key = true;
        assert!(Generator::new(scheme, options).is_ok());
    }
    let readers = [
        Scheme::Payload(PayloadMark::reader(&master(), "t", 4).unwrap()),
        Scheme::Unigram(Unigram::new(77, 1000, 0.5).unwrap()),
    ];
    for scheme in readers {
        let refused = Generator::new(scheme, GeneratorOptions::default()).unwrap_err();
        assert!(matches!(refused, Error::Unsupported { .. }));
    }
}

#[test]
fn forced_rows_and_picks_agree_for_gumbel_schemes() {
    let generator = generator(schemes().remove(0));
    let (sequence, mut scratch) = (generator.begin(&[]), Scratch::default());
    let mut forced = model(1);
    generator.apply(&sequence, &Step::default(), &mut Row::dense(&mut forced), &mut scratch).unwrap();
    let (mut logits, mut draws) = (model(1), || 0.5);
    let pick = generator
        .pick(&sequence, &Step::default(), &mut Row::dense(&mut logits), &mut draws, &mut scratch)
        .unwrap();
    assert_eq!(forced[pick.index], 0.0);
    assert_eq!(forced.iter().filter(|x| **x == f32::NEG_INFINITY).count(), VOCABULARY - 1);
}

#[test]
fn batches_are_rows_not_requests() {
    let generator = generator(schemes().remove(4));
    let (one, two) = (generator.begin(&[]), generator.begin(&[]));
    let mut scratch = Scratch::default();
    let mut buffer = [model(1), model(2), model(3)].concat();
    let rows = Row::batch(&mut buffer, VOCABULARY).unwrap();
    let drafts: [&[u32]; 3] = [&[], &[8], &[]];
    let mut batch: Vec<BatchRow<'_>> = rows
        .zip([&one, &one, &two])
        .zip(drafts)
        .map(|((row, sequence), draft)| BatchRow { sequence, step: Step { draft, ..Step::default() }, row })
        .collect();
    assert!(generator.apply_batch(&mut batch, &mut scratch).into_iter().all(|f| f == Ok(Fate::Marked)));
    let mut alone = model(2);
    let step = Step { draft: &[8], ..Step::default() };
    generator.apply(&one, &step, &mut Row::dense(&mut alone), &mut scratch).unwrap();
    assert_eq!(buffer[VOCABULARY..2 * VOCABULARY], alone);
}

#[test]
fn two_keys_follow_the_role_in_speculation() {
    let generator = generator(Scheme::Vllm(VllmGumbel::dual(&key(), 0.1, 4).unwrap()));
    let mut scratch = Scratch::default();
    let sequence = generator.begin(&[]);
    let chosen = |role: Role, draft: &[u32], scratch: &mut Scratch| {
        let (mut logits, mut draws) = (vec![0.0; 2000], || 0.5);
        let step = Step { role, draft, ..Step::default() };
        generator.pick(&sequence, &step, &mut Row::dense(&mut logits), &mut draws, scratch).unwrap().token
    };
    let (mut draft, mut target) = (0, 0);
    for i in 0..400 {
        let context = [i, 1, 2, 3];
        let alone = chosen(Role::Alone, &context, &mut scratch);
        draft += u32::from(alone == chosen(Role::Draft, &context, &mut scratch));
        target += u32::from(alone == chosen(Role::Target, &context, &mut scratch));
    }
    assert_eq!(draft + target, 400);
    assert!((15..80).contains(&target), "{target} of 400 with the second key");
}

/// Over random keys the mark must not change the distribution.
#[test]
fn marks_without_distortion_keep_the_distribution() {
    let logits: Vec<f32> = vec![1.0, 0.2, -0.5, 0.7, -2.0];
    let weights: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
    let total: f64 = weights.iter().sum();
    const TRIALS: u32 = 20_000;
    type Make = fn(u64) -> Scheme;
    let makes: [Make; 4] = [
        |k| Scheme::Vllm(VllmGumbel::new(Key64::new(k), 4).unwrap()),
        |k| Scheme::Sglang(SglangGumbel::new(Key64::new(k), 4).unwrap()),
        |k| {
            let keys: Vec<i64> = (0..12).map(|i| (k as i64).wrapping_mul(i * 2 + 3)).collect();
            Scheme::SynthId(SynthId::hashing(&keys, 5).unwrap())
        },
        |k| {
            let master =
                MasterKey::new(&std::array::from_fn::<u8, 32, _>(|i| (k >> (i % 8)) as u8 ^ i as u8));
            Scheme::Payload(
                PayloadMark::writer(&master.unwrap(), "", 4, Payload { issuer: 5, tag: 5 }).unwrap(),
            )
        },
    ];
    for make in makes {
        let mut counts = [0u32; 5];
        let mut scratch = Scratch::default();
        for trial in 0..TRIALS {
            let words = philox([trial, 0, 0, 0], [9, 9]);
            let seed = u64::from(words[0]) << 32 | u64::from(words[1]);
            let generator = generator(make(seed));
            let sequence = generator.begin(&[]);
            let mut draws = SeededDraws::new(seed ^ 1, 0);
            let mut row = logits.clone();
            let pick = generator
                .pick(&sequence, &Step::default(), &mut Row::dense(&mut row), &mut draws, &mut scratch)
                .unwrap();
            counts[pick.index] += 1;
        }
        // chi-square with 4 degrees of freedom: above 23.5 once in ten thousand
        let chi: f64 = counts
            .iter()
            .zip(&weights)
            .map(|(&n, w)| {
                let expected = f64::from(TRIALS) * w / total;
                (f64::from(n) - expected).powi(2) / expected
            })
            .sum();
        assert!(chi < 23.5, "{}: {counts:?}", make(3).id());
    }
}

#[test]
fn truncation_keeps_what_it_should() {
    let generator = generator(schemes().remove(0));
    let mut scratch = Scratch::default();
    let logits: Vec<f32> = (0..1000).map(|i| -(i as f32) * 0.01).collect();
    let allowed = |spec: SamplerSpec, scratch: &mut Scratch| {
        (0..3000u64)
            .map(|seed| {
                let sequence = generator.resume(&[], &[seed as u32, 1]);
                let spec = SamplerSpec { seed, ..spec };
                spec.draw(&generator, &sequence, &Step::default(), &logits, scratch).unwrap().token
            })
            .max()
            .unwrap()
    };
    let all = SamplerSpec { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 0 };
    assert_eq!(allowed(SamplerSpec { top_k: 30, ..all }, &mut scratch), 29);
    // ln 2 / 0.01 tokens have at least half the probability of the first
    assert_eq!(allowed(SamplerSpec { min_p: 0.5, ..all }, &mut scratch), 69);
    // 1 - exp(-0.01 n) = 0.5 of a nearly geometric law
    assert_eq!(allowed(SamplerSpec { top_p: 0.5, ..all }, &mut scratch), 69);
    assert!(allowed(all, &mut scratch) > 300);
    for bad in [
        SamplerSpec { temperature: -1.0, ..all },
        SamplerSpec { top_p: 0.0, ..all },
        SamplerSpec { min_p: 2.0, ..all },
        SamplerSpec { temperature: f32::NAN, ..all },
    ] {
        let sequence = generator.begin(&[]);
        assert!(bad.draw(&generator, &sequence, &Step::default(), &logits, &mut scratch).is_err());
    }
}

#[test]
fn log_probabilities_are_those_before_the_mark() {
    let generator = generator(schemes().remove(0));
    let (sequence, mut scratch) = (generator.begin(&[]), Scratch::default());
    let spec = SamplerSpec { temperature: 2.0, top_k: 3, top_p: 1.0, min_p: 0.0, seed: 0 };
    let mut logits = [4.0, 2.0, 0.0, -50.0];
    let drawn = spec.force(&generator, &sequence, &Step::default(), &mut logits, &mut scratch).unwrap();
    let weights = [1.0f32, (-1.0f32).exp(), (-2.0f32).exp()];
    let want = (weights[drawn.token as usize] / weights.iter().sum::<f32>()).ln();
    assert!((drawn.log_prob - want).abs() < 1e-5);
    assert_eq!(logits[drawn.token as usize], 0.0);
}

proptest! {
    #[test]
    fn no_row_panics(values in prop::collection::vec(prop_oneof![-90.0f32..90.0, Just(f32::NEG_INFINITY)], 0..70), role in 0..3) {
        for scheme in schemes() {
            let generator = generator(scheme);
            let (sequence, mut scratch) = (generator.begin(&[3]), Scratch::default());
            let role = [Role::Alone, Role::Draft, Role::Target][role as usize];
            let mut row = values.clone();
            let step = Step { role, ..Step::default() };
            let fate = generator.apply(&sequence, &step, &mut Row::dense(&mut row), &mut scratch);
            prop_assert_eq!(fate.is_ok(), values.iter().any(|x| x.is_finite()));
            prop_assert!(row.iter().all(|x| !x.is_nan()));
        }
    }
}
