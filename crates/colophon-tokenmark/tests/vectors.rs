//! The engines, bit for bit, against values taken from the programs themselves.
//!
//! `tests/vectors` holds a small selection in the format of the full sets; `COLOPHON_TEXT_VECTORS` names another
//! folder of the same format, for instance a second, independent generation.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use colophon_tokenmark::prf::lcg::accumulate_all;
use colophon_tokenmark::prf::mersenne::{torch_bits, torch_permutation};
use colophon_tokenmark::prf::murmur::murmur3;
use colophon_tokenmark::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

fn load(name: &str) -> Value {
    let folder = std::env::var("COLOPHON_TEXT_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors").to_owned());
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).expect("vector file");
    serde_json::from_str(&text).expect("vector file is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A whole number, or one written as a string because it may exceed 2^53.
fn int(value: &Value) -> i128 {
    match value {
        Value::String(s) => s.parse().expect("a number"),
        _ => i128::from(value.as_i64().expect("a number")),
    }
}

fn ids(value: &Value) -> Vec<u32> {
    list(value).iter().map(|v| int(v) as u32).collect()
}

fn keys(value: &Value) -> Vec<i64> {
    list(value).iter().map(|v| int(v) as i64).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value["b64"].as_str().expect("base64")).expect("base64")
}

fn floats(value: &Value) -> Vec<f32> {
    bytes(value).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Packed bits, padded to whole bytes along the last axis; one inner vector per index of the other axes.
fn bits(value: &Value) -> Vec<Vec<bool>> {
    let last = int(list(&value["shape"]).last().expect("a shape")) as usize;
    let packed = bytes(value);
    packed
        .chunks_exact(last.div_ceil(8))
        .map(|row| (0..last).map(|i| row[i / 8] >> (i % 8) & 1 == 1).collect())
        .collect()
}

fn word(bits: &[bool]) -> u64 {
    bits.iter().enumerate().fold(0, |word, (i, &bit)| word | u64::from(bit) << i)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut s, b| {
        write!(s, "{b:02x}").unwrap();
        s
    })
}

fn close(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() <= tolerance, "{what}: {got} is not {want}");
}

fn options() -> GeneratorOptions {
    let mut options = GeneratorOptions::default();
    options.allow_published_key = true;
    options
}

fn detector(scheme: Scheme) -> Detector {
    let mut options = DetectOptions::default();
    options.min_scored = 1;
    options.localise = false;
    Detector::new(scheme, options).unwrap()
}

fn test_of(scheme: Scheme, tokens: &[u32], prompt: Option<&[u32]>) -> (Candidate, Tested) {
    let mut detection = detector(scheme).detect(&Sample { tokens, prompt }).unwrap();
    let candidate = detection.candidates.remove(0);
    let tested = candidate.outcome.tested().expect("enough tokens").clone();
    (candidate, tested)
}

#[test]
fn vllm_uniforms_and_derived_keys() {
    let all = load("engines");
    let section = &all["vllm_gumbel_philox"];
    let mut checked = 0;
    for case in list(&section["uniform"]) {
        let context = ids(&case["context"]);
        let scheme = VllmGumbel::new(Key64::new(int(&case["key"]) as u64), context.len()).unwrap();
        for (&token, want) in ids(&case["tokens"]).iter().zip(ids(&case["uniform_f32_bits"])) {
            assert_eq!((scheme.uniform(&context, token) as f32).to_bits(), want);
            checked += 1;
        }
    }
    assert!(checked > 20);
    for case in list(&section["derived_keys"]) {
        let key = |name: &str| Key64::new(int(&case[name]) as u64);
        let dual = VllmGumbel::dual(&key("key"), 0.5, 4).unwrap();
        let context = [1, 2, 3, 4];
        // with both keys equal in weight, the dual score is the mean of the two single ones
        let (_, both) = test_of(Scheme::Vllm(dual), &context, None);
        let single = |name: &str| {
            test_of(Scheme::Vllm(VllmGumbel::new(key(name), 4).unwrap()), &context, None).1.score
        };
        close(both.score, 0.5 * (single("key_a") + single("key_b")), 1e-9, "derived keys");
    }
}

#[test]
fn vllm_detection() {
    let all = load("engines");
    for case in list(&all["vllm_gumbel_philox"]["detect"]) {
        let (key, width) = (Key64::new(int(&case["key"]) as u64), int(&case["context_width"]) as usize);
        let scheme = match case["alpha"].as_f64() {
            None => VllmGumbel::new(key, width),
            Some(alpha) => VllmGumbel::dual(&key, alpha, width),
        };
        if case["deduplicate_contexts"] == Value::Bool(false) {
            // counting repeats inflates evidence; this detector never does
            continue;
        }
        let (_, tested) = test_of(Scheme::Vllm(scheme.unwrap()), &ids(&case["tokens"]), None);
        assert_eq!(tested.scored as i128, int(&case["num_scored_tokens"]));
        close(tested.score, case["score"].as_f64().unwrap(), 1e-4, "score");
        close(tested.log10_p_whole, case["p_value"].as_f64().unwrap().log10(), 1e-4, "log10 p");
    }
}

#[test]
fn vllm_generation() {
    let all = load("engines");
    let mut generated = 0;
    for case in list(&all["vllm_gumbel_philox"]["detect"]) {
        let Some(encoded) = case["logits_f32_b64"].as_str() else { continue };
        let values = STANDARD.decode(encoded).unwrap();
        let values: Vec<f32> =
            values.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let vocabulary = int(&case["logits_shape"][1]) as usize;
        let scheme =
            VllmGumbel::new(Key64::new(int(&case["key"]) as u64), int(&case["context_width"]) as usize);
        let generator = Generator::new(Scheme::Vllm(scheme.unwrap()), options()).unwrap();
        let (mut sequence, mut scratch) = (generator.begin(&[9, 9]), Scratch::default());
        for (row, token) in values.chunks_exact(vocabulary).zip(ids(&case["tokens"])) {
            let mut row = row.to_vec();
            let mut draws = || 0.5;
            let pick = generator
                .pick(&sequence, &Step::default(), &mut Row::dense(&mut row), &mut draws, &mut scratch)
                .unwrap();
            assert_eq!((pick.token, pick.fate), (token, Fate::Marked));
            sequence.accept(pick.token, pick.fate);
            generated += 1;
        }
    }
    assert!(generated > 0);
}

#[test]
fn sglang_hashes() {
    let all = load("engines");
    let section = &all["sglang_gumbel_murmur3"];
    for case in list(&section["hash_context"]) {
        assert_eq!(i128::from(murmur3(&ids(&case["tokens"]))), int(&case["hash"]));
    }
    let key = |v: &Value| Key64::from_hex(v.as_str().unwrap()).unwrap();
    for case in list(&section["watermark_hash"]) {
        let scheme = SglangGumbel::new(key(&case["key"]), 4).unwrap();
        let (context, token) = (int(&case["context_hash"]) as u32, int(&case["token"]) as u32);
        assert_eq!(i128::from(scheme.token_hash(KeyChoice::A, context, token)), int(&case["hash"]));
    }
    for case in list(&section["coin"]) {
        let scheme = SglangGumbel::new(key(&case["key"]), 4)
            .unwrap()
            .with_second_key(key(&case["key_b"]), 0.5)
            .unwrap();
        let coin = scheme.coin(int(&case["context_hash"]) as u32).unwrap();
        assert_eq!(i128::from(coin), int(&case["coin"]));
    }
}

#[test]
fn sglang_detection() {
    let all = load("engines");
    for case in list(&all["sglang_gumbel_murmur3"]["detect"]) {
        let key = |v: &Value| Key64::from_hex(v.as_str().unwrap()).unwrap();
        let width = int(&case["context_window"]) as usize;
        let mut scheme = SglangGumbel::new(key(&case["key"]), width).unwrap();
        if case["key_b"].is_string() {
            let mixing = case["mixing_probability"].as_f64().unwrap();
            scheme = scheme.with_second_key(key(&case["key_b"]), mixing).unwrap();
        }
        let prompt = ids(&case["prompt"]);
        let result = &case["result"];
        let (candidate, tested) = test_of(Scheme::Sglang(scheme), &ids(&case["tokens"]), Some(&prompt));
        let want = &result["combined"];
        assert_eq!(tested.scored as i128, int(&want["num_contexts"]));
        assert_eq!(candidate.repeats as i128, int(&result["repeated_contexts"]));
        assert_eq!(candidate.without_context as i128, int(&result["skipped_initial_tokens"]));
        assert_eq!(candidate.limit_reached, result["prefix_limit_reached"].as_bool().unwrap());
        close(tested.score, want["score"].as_f64().unwrap(), 1e-6, "score");
        let log10_p = want["log_p_value"].as_f64().unwrap() / std::f64::consts::LN_10;
        close(tested.log10_p_whole, log10_p, 1e-6, "log10 p");
        let single = SglangGumbel::new(key(&case["key"]), width).unwrap();
        let (_, tested) = test_of(Scheme::Sglang(single), &ids(&case["tokens"]), Some(&prompt));
        close(tested.score, result["key_a_all_positions"]["score"].as_f64().unwrap(), 1e-6, "first key");
    }
}

#[test]
fn textseal_levels() {
    for case in list(&load("engines")["textseal_uniform"]) {
        let context = ids(&case["context"]);
        let scheme = TextSeal::new(Key64::new(int(&case["secret_key"]) as u64), context.len()).unwrap();
        for (&token, level) in ids(&case["tokens"]).iter().zip(ids(&case["uniform_times_8191"])) {
            assert_eq!(scheme.level(&context, token), level);
        }
    }
}

#[test]
fn unigram_masks_and_scores() {
    for case in list(&load("unigram")["cases"]) {
        let vocabulary = int(&case["vocab"]) as u32;
        let scheme =
            Unigram::new(int(&case["key"]) as i64, vocabulary, case["fraction"].as_f64().unwrap()).unwrap();
        let mask = &bits(&case["mask"])[0];
        assert!((0..vocabulary).all(|id| scheme.is_green(id) == mask[id as usize]));
        let tokens = ids(&case["input_ids"]);
        let green = |tokens: &[u32]| tokens.iter().filter(|&&t| scheme.is_green(t)).count() as u64;
        close(
            scheme.z_score(green(&tokens), tokens.len() as u64),
            case["z_all"].as_f64().unwrap(),
            1e-9,
            "z",
        );
        let (_, tested) = test_of(Scheme::Unigram(scheme.clone()), &tokens, None);
        assert_eq!(tested.scored as i128, int(&case["unique"]));
        let z = scheme.z_score(tested.score as u64, tested.scored as u64);
        close(z, case["z_unique"].as_f64().unwrap(), 1e-9, "z of distinct tokens");
    }
}

fn kgw(case: &Value) -> Kgw {
    let config = &case["config"];
    let make = if config["seeding_scheme"] == "selfhash" { Kgw::self_hash } else { Kgw::left_hash };
    make(
        int(&config["hashing_key"]) as u64,
        int(&case["vocab"]) as u32,
        config["greenlist_ratio"].as_f64().unwrap(),
        config["bias"].as_f64().unwrap() as f32,
        int(&config["context_width"]) as usize,
    )
    .unwrap()
}

#[test]
fn kgw_green_lists_and_bias() {
    for case in list(&load("kgw")["cases"]) {
        let scheme = kgw(case);
        let own = case["config"]["seeding_scheme"] == "selfhash";
        let vocabulary = scheme.vocabulary() as usize;
        for want in list(&case["greenlists"]) {
            let window = ids(&want["input"]);
            let green = scheme.green_list(&window);
            assert_eq!(green.len() as i128, int(&want["size"]));
            assert_eq!(green[..16], ids(&want["order_first16"])[..]);
            let mut mask = vec![0u8; vocabulary];
            for &id in &green {
                mask[id as usize] = 1;
            }
            assert_eq!(sha256(&mask), want["sha256_mask_u8"].as_str().unwrap());
            for id in (0..vocabulary as u32).step_by(vocabulary / 50) {
                // the self-hash list of a window is asked about the window's own last token
                if !own {
                    assert_eq!(scheme.is_green(&window, id), mask[id as usize] == 1);
                }
            }
        }
        let generator = Generator::new(Scheme::Kgw(scheme), options()).unwrap();
        for step in list(&case["steps"]) {
            // the left hash does not look at logits, so large cases come without them
            let batch = list(&step["input_ids"]).len();
            let logits = if step["logits"].is_object() {
                floats(&step["logits"])
            } else {
                vec![0.0; batch * vocabulary]
            };
            let masks = step["biased_mask"].is_object().then(|| bits(&step["biased_mask"]));
            for (b, logits) in logits.chunks_exact(vocabulary).enumerate() {
                let mut row = logits.to_vec();
                let sequence = generator.begin(&ids(&step["input_ids"][b]));
                generator
                    .apply(&sequence, &Step::default(), &mut Row::dense(&mut row), &mut Scratch::default())
                    .unwrap();
                let biased: Vec<bool> = row.iter().zip(logits).map(|(a, b)| a != b).collect();
                assert_eq!(biased.iter().filter(|&&x| x).count() as i128, int(&step["biased_count"][b]));
                assert!(masks.as_ref().is_none_or(|m| m[b] == biased), "the same tokens must be biased");
            }
        }
    }
}

#[test]
fn kgw_detection() {
    for case in list(&load("kgw")["cases"]) {
        let scheme = kgw(case);
        let tail = scheme.context_len();
        for sample in list(&case["detect"]) {
            let rows = list(&sample["input_ids"]);
            if rows.is_empty() || sample.get("error").is_some() {
                continue;
            }
            let bos = int(&sample["bos_token_id"]);
            let drop = int(&rows[0][0]) == bos;
            for (b, row) in rows.iter().enumerate() {
                let tokens = &ids(row)[usize::from(drop)..];
                let want = |name: &str| sample[name][b].as_f64().unwrap();
                let mut windows: Vec<&[u32]> = tokens.windows(tail + 1).collect();
                let once = sample["ignore_repeated_ngrams"] == Value::Bool(true);
                if once {
                    windows.sort_unstable();
                    windows.dedup();
                }
                let hits = |w: &&[u32]| u64::from(scheme.is_green(&w[..tail], w[tail]));
                let (scored, green) = (windows.len(), windows.iter().map(hits).sum());
                if tokens.iter().any(|&id| id >= scheme.vocabulary()) {
                    // the reference counts special ids that the model never scores; here they are refused by name
                    let refused = detector(Scheme::Kgw(scheme.clone())).detect(&Sample::new(tokens));
                    assert!(matches!(refused, Err(Error::TokenBeyondVocabulary { .. })));
                } else if once {
                    let (_, tested) = test_of(Scheme::Kgw(scheme.clone()), tokens, None);
                    assert_eq!((tested.scored, tested.score as u64), (scored, green));
                }
                assert_eq!(scored as f64, want("num_tokens_scored"));
                assert_eq!(green as f64, want("num_green_tokens"));
                close(scheme.z_score(green, scored as u64), want("z_score"), 1e-9, "z");
            }
        }
    }
}

#[test]
fn torch_draws() {
    let all = load("kgw");
    let table = list(&all["cases"]).iter().find(|c| c.get("table_first16").is_some());
    if let Some(case) = table {
        let key = int(&case["config"]["hashing_key"]) as u64;
        let whole = torch_permutation(key, 1_000_003, 1_000_003);
        assert_eq!(whole[..16], ids(&case["table_first16"])[..]);
        let raw: Vec<u8> = whole.iter().flat_map(|&v| i64::from(v).to_le_bytes()).collect();
        assert_eq!(sha256(&raw), case["table_sha256_i64"].as_str().unwrap());
    }
    for case in list(&load("synthid")["sampling_tables"]) {
        let table = torch_bits(int(&case["seed"]) as u64, int(&case["size"]) as usize);
        assert_eq!(table.iter().map(|&b| i128::from(b)).sum::<i128>(), int(&case["ones"]));
        assert_eq!(sha256(&table), case["sha256_of_u8"].as_str().unwrap());
    }
}

#[test]
fn synthid_hash() {
    for case in list(&load("synthid")["accumulate_hash"]) {
        let data = list(&case["data"]).iter().map(|v| int(v) as u64);
        assert_eq!(accumulate_all(int(&case["init"]) as u64, data), int(&case["hash"]) as u64);
    }
}

fn synthid(config: &Value) -> SynthId {
    let (keys, ngram) = (keys(&config["keys"]), int(&config["ngram_len"]) as usize);
    let scheme = match config.get("sampling_table_size") {
        Some(size) => {
            SynthId::table(&keys, ngram, int(size) as usize, int(&config["sampling_table_seed"]) as u64)
                .unwrap()
                .skip_first(config["skip_first_ngram_calls"] == Value::Bool(true))
        }
        None => {
            SynthId::hashing(&keys, ngram).unwrap().with_leaves(int(&config["num_leaves"]) as u32).unwrap()
        }
    };
    scheme.with_history(int(&config["context_history_size"]) as usize).unwrap()
}

/// Single precision spoils tiny probabilities in the reference itself, so logarithms are compared where p > 1e-4 and
/// probabilities everywhere.
fn same_scores(before: &[f32], got: &[f32], want: &[f32], excluded: f32) {
    for ((&before, &got), &want) in before.iter().zip(got).zip(want) {
        if before == f32::NEG_INFINITY {
            assert_eq!(got, excluded);
            assert!(want <= excluded);
            continue;
        }
        let (p, q) = (f64::from(got).exp(), f64::from(want).exp());
        assert!((p - q).abs() <= 2e-6, "{p} is not {q}");
        assert!(q <= 1e-4 || (got - want).abs() <= 1e-3, "{got} is not {want}");
    }
}

#[test]
fn synthid_table_processing() {
    for case in list(&load("synthid")["process"]) {
        let scheme = synthid(&case["config"]);
        let (batch, vocabulary) = (int(&case["batch"]) as usize, int(&case["vocab"]) as usize);
        let generator = Generator::new(Scheme::SynthId(scheme.clone()), options()).unwrap();
        let mut sequences: Vec<Sequence> =
            (0..batch).map(|b| generator.begin(&ids(&case["prompt"][b]))).collect();
        let mut scratch = Scratch::default();
        for step in list(&case["steps"]) {
            let (logits, scores) = (floats(&step["logits"]), floats(&step["scores"]));
            let stored = step.get("g_values").map(bits);
            let next = ids(&step["next"]);
            for b in 0..batch {
                let hash = scheme.context_hash(&ids(&step["context"][b]));
                assert_eq!(hash as i64, int(&step["context_hash"][b]) as i64);
                if let Some(stored) = &stored {
                    for id in 0..vocabulary {
                        assert_eq!(scheme.bits(hash, id as u32), word(&stored[b * vocabulary + id]));
                    }
                }
                let range = b * vocabulary..(b + 1) * vocabulary;
                let mut row = logits[range.clone()].to_vec();
                let fate = generator
                    .apply(&sequences[b], &Step::default(), &mut Row::dense(&mut row), &mut scratch)
                    .unwrap();
                if step["unchanged_rows"][b] == Value::Bool(true) {
                    assert_ne!(fate, Fate::Marked);
                    assert_eq!(row, logits[range.clone()]);
                    assert_eq!(row, scores[range]);
                } else {
                    // one candidate leaves nothing to choose; the reference writes the same certainty
                    if fate != Fate::Single {
                        assert_eq!(fate, Fate::Marked);
                        same_scores(&logits[range.clone()], &row, &scores[range], f32::MIN);
                    }
                }
                if let Some(&token) = next.get(b) {
                    sequences[b].accept(token, fate);
                }
            }
        }
    }
}

#[test]
fn synthid_reference_detection() {
    for case in list(&load("synthid")["detect"]) {
        let scheme = synthid(&case["config"]);
        let end = case["eos"].as_i64().map(|id| id as u32);
        let (g, context_mask, eos) =
            (bits(&case["g_values"]), bits(&case["context_mask"]), bits(&case["eos_mask"]));
        for (b, tokens) in list(&case["input_ids"]).iter().map(ids).enumerate() {
            let scores = scheme.reference_scores(&tokens, SynthIdMask { end });
            let len = tokens.len() - scheme.width();
            assert_eq!(scores.bits.len(), len);
            for i in 0..len {
                assert_eq!(scores.bits[i], word(&g[b * len + i]));
                assert_eq!(scores.mask[i], context_mask[b][i] && eos[b][i + scheme.width()]);
            }
            close(scores.mean().unwrap(), case["mean_score"][b].as_f64().unwrap(), 1e-9, "mean");
            close(
                scores.weighted_mean().unwrap(),
                case["weighted_mean_score"][b].as_f64().unwrap(),
                1e-9,
                "weighted",
            );
            let wide = |v: &Value| floats(v).into_iter().map(f64::from).collect::<Vec<_>>();
            let likelihood =
                BayesLikelihood::new(wide(&case["bayes"]["beta"]), wide(&case["bayes"]["delta"])).unwrap();
            let bayes = BayesScorer::new(likelihood, case["bayes"]["prior"].as_f64().unwrap()).unwrap();
            let want = case["bayes"]["posterior"][b].as_f64().unwrap();
            close(bayes.ln_posterior(&scores), want.ln(), 1e-3, "ln posterior");
        }
    }
}

#[test]
fn synthid_hashing_mode() {
    for case in list(&load("synthid")["deepmind_reference"]) {
        let scheme = synthid(&case["config"]);
        assert_eq!(i128::from(scheme.context_hash(&[]) as i64), int(&case["hash_iv"]));
        let generator = Generator::new(Scheme::SynthId(scheme.clone()), options()).unwrap();
        let first = &list(&case["steps"])[0];
        let batch = list(&first["context"]).len();
        let mut sequences: Vec<Sequence> =
            (0..batch).map(|b| generator.begin(&ids(&case["prompt"][b]))).collect();
        let mut scratch = Scratch::default();
        for step in list(&case["steps"]) {
            let (stored, before, after) =
                (bits(&step["g_values"]), floats(&step["scores_top_k"]), floats(&step["scores"]));
            let next = ids(&step["next"]);
            for b in 0..batch {
                let hash = scheme.context_hash(&ids(&step["context"][b]));
                assert_eq!(hash as i64, int(&step["context_hash"][b]) as i64);
                let candidates = ids(&step["top_k_indices"][b]);
                let k = candidates.len();
                for (i, &id) in candidates.iter().enumerate() {
                    assert_eq!(scheme.bits(hash, id), word(&stored[b * k + i]));
                }
                let mut row = before[b * k..(b + 1) * k].to_vec();
                let fate = generator
                    .apply(
                        &sequences[b],
                        &Step::default(),
                        &mut Row::sparse(&candidates, &mut row).unwrap(),
                        &mut scratch,
                    )
                    .unwrap();
                if fate == Fate::Marked {
                    let range = b * k..(b + 1) * k;
                    same_scores(&before[range.clone()], &row, &after[range], -1e12);
                } else {
                    assert_eq!(row, after[b * k..(b + 1) * k]);
                }
                sequences[b].accept(next[b], fate);
            }
        }
        let detect = &case["detect"];
        let (g, mask) = (bits(&detect["g_values"]), bits(&detect["context_mask"]));
        for (b, tokens) in list(&detect["input_ids"]).iter().map(ids).enumerate() {
            let scores = scheme.reference_scores(&tokens, SynthIdMask::default());
            let len = scores.bits.len();
            assert!(
                (0..len).all(|i| scores.bits[i] == word(&g[b * len + i]) && scores.mask[i] == mask[b][i])
            );
            close(
                scores.weighted_mean().unwrap(),
                detect["weighted_mean_score"][b].as_f64().unwrap(),
                1e-6,
                "weighted",
            );
        }
    }
}
