//! Tables over simulated languages, and false positives on human text.

use crate::Settings;
use crate::edits::Edit;
use crate::language::{Language, PowerLaw, VOCABULARY, answer, prompt};
use colophon_tokenmark::prf::philox::philox;
use colophon_tokenmark::*;
use std::collections::HashMap;
use std::io::{self, Write};

const LEVELS: [f64; 3] = [-2.0, -4.0, -6.0];

pub(crate) fn key(seed: u32) -> Key64 {
    let words = philox([seed, 0, 0, 5], [19, 23]);
    Key64::new(u64::from(words[0]) << 32 | u64::from(words[1]))
}

fn layer_keys(seed: u32) -> Vec<i64> {
    (0..30).map(|i| i64::from(philox([i, seed, 0, 6], [19, 23])[0])).collect()
}

fn master(seed: u32) -> MasterKey {
    let bytes: [u8; 32] = std::array::from_fn(|i| philox([i as u32, seed, 0, 7], [19, 23])[0] as u8);
    MasterKey::new(&bytes).expect("32 different bytes")
}

/// A scheme by number of its key.
pub(crate) type Make = fn(u32) -> Result<Scheme>;

pub(crate) const SCHEMES: [(&str, Make); 6] = [
    ("vLLM Gumbel", |k| VllmGumbel::new(key(k), 4).map(Scheme::Vllm)),
    ("SGLang Gumbel", |k| SglangGumbel::new(key(k), 4).map(Scheme::Sglang)),
    ("TextSeal", |k| TextSeal::new(key(k), 4).map(Scheme::TextSeal)),
    ("SynthID hashing, 30 layers", |k| SynthId::hashing(&layer_keys(k), 5).map(Scheme::SynthId)),
    ("SynthID table, 30 layers", |k| SynthId::table(&layer_keys(k), 5, 1 << 16, 0).map(Scheme::SynthId)),
    ("KGW left hash, 25 %, bias 2", |k| {
        Kgw::left_hash(u64::from(k) + 1_000_003, VOCABULARY, 0.25, 2.0, 1).map(Scheme::Kgw)
    }),
];

fn detector(scheme: Scheme) -> Detector {
    whole_text_detector(scheme, true)
}

fn whole_text_detector(scheme: Scheme, localise: bool) -> Detector {
    let mut options = DetectOptions::default();
    options.min_scored = 1;
    options.localise = localise;
    Detector::new(scheme, options).expect("options are good")
}

fn tested(detector: &Detector, tokens: &[u32]) -> Tested {
    let detection = detector.detect(&Sample::new(tokens)).expect("tokens are good");
    detection.candidates[0].outcome.tested().cloned().expect("one token is enough here")
}

fn shares(values: &[f64]) -> String {
    let share = |level: f64| values.iter().filter(|&&p| p <= level).count() as f64 / values.len() as f64;
    LEVELS.iter().map(|&level| format!(" {:.3} |", share(level))).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Marked answers, all under one key as in practice.
fn answers(language: &dyn Language, make: Make, rows: usize, len: usize) -> (Detector, Vec<Vec<u32>>) {
    let scheme = make(1).expect("parameters are good");
    let generator = Generator::new(scheme.clone(), GeneratorOptions::default()).expect("the key is private");
    let mut scratch = Scratch::default();
    let texts = (0..rows)
        .map(|row| answer(language, Some(&generator), &prompt(row as u32), len, row as u64, &mut scratch))
        .collect();
    (detector(scheme), texts)
}

fn pool(language: &dyn Language) -> Vec<u32> {
    let mut scratch = Scratch::default();
    (0..200u32)
        .flat_map(|i| answer(language, None, &prompt(9_000 + i), 400, u64::from(i), &mut scratch))
        .collect()
}

pub(crate) fn survival(settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    let language = PowerLaw::new(1.0);
    let pool = pool(&language);
    writeln!(
        out,
        "| 400 tokens at 1 nat, 50 % replaced | median log10 p | TPR at 1e-2 | at 1e-4 | at 1e-6 |"
    )?;
    writeln!(out, "|---|---|---|---|---|")?;
    for (name, make) in SCHEMES {
        let (detector, texts) = answers(&language, make, settings.rows, 400);
        let p: Vec<f64> = texts
            .iter()
            .enumerate()
            .map(|(i, t)| tested(&detector, &Edit::Replace(0.5).apply(t, &pool, i as u32)).log10_p_whole)
            .collect();
        writeln!(out, "| {name} | {:.1} |{}", median(&p), shares(&p))?;
    }
    writeln!(out)
}

pub(crate) fn power(settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "## Untouched text\n")?;
    writeln!(
        out,
        "| scheme | mean entropy (nats) | tokens | median log10 p | TPR at 1e-2 | at 1e-4 | at 1e-6 |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for (name, make) in SCHEMES {
        for entropy in [0.5, 1.0, 2.0] {
            let (detector, texts) = answers(&PowerLaw::new(entropy), make, settings.rows, 400);
            for len in [50, 100, 200, 400] {
                let p: Vec<f64> = texts.iter().map(|t| tested(&detector, &t[..len]).log10_p_whole).collect();
                writeln!(out, "| {name} | {entropy} | {len} | {:.1} |{}", median(&p), shares(&p))?;
            }
        }
    }
    writeln!(out)
}

/// Tokens weighted by entropy, beside the plain test.
pub(crate) fn weighted(settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "## Weighted by entropy\n")?;
    writeln!(
        out,
        "`Detector::detect_weighted` with the entropy of the model before each token of the text as it is read, beside the plain \
         test of the whole text. `unmarked` is the share of unmarked texts with a weighted p-value of at most 1e-2.\n"
    )?;
    writeln!(
        out,
        "| scheme | mean entropy (nats) | tokens | edit | median log10 p, plain | weighted | TPR at 1e-4, plain | weighted | at 1e-6, plain | weighted | unmarked |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|---|")?;
    let cases = [
        (0.5, 200, Edit::None),
        (0.5, 400, Edit::None),
        (1.0, 100, Edit::None),
        (1.0, 400, Edit::Replace(0.2)),
    ];
    for (name, make) in SCHEMES {
        for (entropy, len, edit) in cases {
            let language = PowerLaw::new(entropy);
            let pool = pool(&language);
            let (detector, texts) = answers(&language, make, settings.rows, len);
            let (mut plain, mut better, mut unmarked) = (Vec::new(), Vec::new(), Vec::new());
            for (i, text) in texts.iter().enumerate() {
                let test = |text: &[u32]| {
                    let weights = entropies(&language, &prompt(i as u32), text);
                    let found =
                        detector.detect_weighted(&Sample::new(text), &weights).expect("weights are good");
                    let tested =
                        found.candidates[0].outcome.tested().expect("the text is long enough").clone();
                    (tested.log10_p_whole, tested.log10_p_weighted.unwrap_or(0.0))
                };
                let (p, w) = test(&edit.apply(text, &pool, i as u32));
                plain.push(p);
                better.push(w);
                unmarked.push(test(&pool[i * len..][..len]).1);
            }
            let rate =
                |p: &[f64], level: f64| p.iter().filter(|&&p| p <= level).count() as f64 / p.len() as f64;
            writeln!(
                out,
                "| {name} | {entropy} | {len} | {} | {:.1} | {:.1} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
                edit.name(),
                median(&plain),
                median(&better),
                rate(&plain, -4.0),
                rate(&better, -4.0),
                rate(&plain, -6.0),
                rate(&better, -6.0),
                rate(&unmarked, -2.0)
            )?;
        }
    }
    writeln!(out)
}

/// The entropy of the language before each token, in nats.
fn entropies(language: &dyn Language, prompt: &[u32], text: &[u32]) -> Vec<f32> {
    let mut stream = prompt.to_vec();
    let (mut ids, mut logits) = (Vec::new(), Vec::new());
    text.iter()
        .map(|&token| {
            language.next(&stream, &mut ids, &mut logits);
            stream.push(token);
            let weights: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
            let total: f64 = weights.iter().sum();
            weights.iter().map(|w| -(w / total) * (w / total).ln()).sum::<f64>() as f32
        })
        .collect()
}

pub(crate) fn edited(settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    const EDITS: [Edit; 9] = [
        Edit::Replace(0.1),
        Edit::Replace(0.2),
        Edit::Replace(0.3),
        Edit::Delete(0.1),
        Edit::Delete(0.3),
        Edit::Insert(0.1),
        Edit::Insert(0.3),
        Edit::Shuffle(4),
        Edit::Shuffle(20),
    ];
    let language = PowerLaw::new(1.0);
    let pool = pool(&language);
    writeln!(out, "## Edited text\n\n400 tokens at 1 nat.\n")?;
    writeln!(out, "| scheme | edit | median log10 p | TPR at 1e-2 | at 1e-4 | at 1e-6 |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for (name, make) in SCHEMES {
        let (detector, texts) = answers(&language, make, settings.rows, 400);
        for edit in EDITS {
            let p: Vec<f64> = texts
                .iter()
                .enumerate()
                .map(|(i, t)| tested(&detector, &edit.apply(t, &pool, i as u32)).log10_p_whole)
                .collect();
            writeln!(out, "| {name} | {} | {:.1} |{}", edit.name(), median(&p), shares(&p))?;
        }
    }
    writeln!(out)
}

pub(crate) fn mixtures(settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    let language = PowerLaw::new(1.0);
    let pool = pool(&language);
    writeln!(out, "## Marked passages in longer unmarked text\n")?;
    writeln!(
        out,
        "200 marked tokens at 1 nat. `found` is the share of texts with a region that overlaps the passage, `edge` the \
         median distance in tokens of a region's edge from the passage's.\n"
    )?;
    writeln!(
        out,
        "| scheme | share marked | TPR at 1e-4, whole text | with windows | at 1e-6, whole | with windows | found | edge |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    for (name, make) in SCHEMES {
        let (detector, texts) = answers(&language, make, settings.rows, 200);
        for share in [0.5, 0.25, 0.1] {
            let mut counts = [0usize; 5];
            let mut edges = Vec::new();
            for (i, text) in texts.iter().enumerate() {
                let mixed = Edit::Mix(share).apply(text, &pool, i as u32);
                let start = mixed.windows(text.len()).position(|w| w == &text[..]).unwrap_or(0);
                let t = tested(&detector, &mixed);
                let good =
                    [t.log10_p_whole <= -4.0, t.log10_p <= -4.0, t.log10_p_whole <= -6.0, t.log10_p <= -6.0];
                for (count, good) in counts.iter_mut().zip(good) {
                    *count += usize::from(good);
                }
                let end = start + text.len();
                if let Some(region) = t.regions.iter().find(|r| r.start < end && start < r.end) {
                    counts[4] += 1;
                    edges.push(region.start.abs_diff(start) as f64);
                    edges.push(region.end.abs_diff(end) as f64);
                }
            }
            let rate = |k: usize| counts[k] as f64 / texts.len() as f64;
            writeln!(
                out,
                "| {name} | {:.0} % | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.0} |",
                100.0 * share,
                rate(0),
                rate(1),
                rate(2),
                rate(3),
                rate(4),
                median(&edges)
            )?;
        }
    }
    writeln!(out)
}

pub(crate) fn payloads(settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "## 24-bit payload\n")?;
    writeln!(
        out,
        "`reported` is the share of texts whose payload the detector reported; it does so only if the bound on a wrong \
         one is at most 1e-4. `wrong` counts reported payloads that were not the one written.\n"
    )?;
    writeln!(
        out,
        "| mean entropy (nats) | tokens | edit | texts | reported and exact | wrong | TPR at 1e-6 |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let mut scratch = Scratch::default();
    let (mut total, mut total_wrong) = (0, 0);
    for entropy in [0.5, 1.0, 2.0] {
        let language = PowerLaw::new(entropy);
        let pool = pool(&language);
        let texts: Vec<(Payload, Detector, Vec<u32>)> = (0..2 * settings.rows as u32)
            .map(|row| {
                let word = philox([row, 0, 0, 8], [19, 23])[0];
                let payload = Payload { issuer: (word >> 8) as u16, tag: word as u8 };
                let mark = PayloadMark::writer(&master(row), "", 4, payload).expect("the width is good");
                let generator = Generator::new(Scheme::Payload(mark), GeneratorOptions::default());
                let generator = generator.expect("a writer generates");
                let text =
                    answer(&language, Some(&generator), &prompt(row), 800, u64::from(row), &mut scratch);
                let reader = PayloadMark::reader(&master(row), "", 4).expect("the width is good");
                (payload, detector(Scheme::Payload(reader)), text)
            })
            .collect();
        for len in [100, 200, 400, 800] {
            for edit in [Edit::None, Edit::Replace(0.1)] {
                let (mut exact, mut wrong, mut found) = (0, 0, 0);
                for (i, (payload, detector, text)) in texts.iter().enumerate() {
                    let t = tested(detector, &edit.apply(&text[..len], &pool, i as u32));
                    found += usize::from(t.log10_p <= -6.0);
                    match t.payload {
                        Some(reading) if reading.payload == *payload => exact += 1,
                        Some(_) => wrong += 1,
                        None => {}
                    }
                }
                total += texts.len();
                total_wrong += wrong;
                let rate = |n: usize| n as f64 / texts.len() as f64;
                writeln!(
                    out,
                    "| {entropy} | {len} | {} | {} | {:.3} | {wrong} | {:.3} |",
                    edit.name(),
                    texts.len(),
                    rate(exact),
                    rate(found)
                )?;
            }
        }
    }
    writeln!(out, "\n{total_wrong} wrong payloads in {total} readings.\n")
}

pub(crate) fn human_text(settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    const KEYS: u32 = 20;
    const WINDOWS: usize = 100;
    const LENGTHS: [usize; 3] = [200, 1000, 5000];
    if settings.english.is_empty() && settings.chinese.is_empty() {
        return Ok(());
    }
    writeln!(out, "## False positives on human text\n")?;
    writeln!(
        out,
        "Words of English books and characters of Chinese ones as ids, every window under each of {KEYS} keys (KGW: one of them in turn), distinct \
         contexts counted once. `tests` is windows times keys; `corrected` is the lowest log10 p times the number of \
         tests.\n"
    )?;
    writeln!(
        out,
        "| text | scheme | window | tests | share p <= 0.01 | <= 0.001 | <= 1e-6 | lowest log10 p | corrected |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    let unigram: Make = |k| Unigram::new(i64::from(k) + 1000, VOCABULARY, 0.5).map(Scheme::Unigram);
    let schemes = SCHEMES.into_iter().chain([("Unigram", unigram)]);
    let mut totals: Vec<Vec<f64>> = vec![Vec::new(); LENGTHS.len() * (SCHEMES.len() + 1)];
    let english = settings.english.iter().map(|f| (f, true));
    for (file, words) in english.chain(settings.chinese.iter().map(|f| (f, false))) {
        let ids = ids_of(&std::fs::read_to_string(file)?, words);
        let name = std::path::Path::new(file).file_stem().map(|s| s.to_string_lossy().into_owned());
        for (number, (scheme, make)) in schemes.clone().enumerate() {
            let detectors: Vec<Detector> = (0..KEYS)
                .map(|k| whole_text_detector(make(100 + k).expect("parameters are good"), false))
                .collect();
            for (at, len) in LENGTHS.into_iter().enumerate() {
                let row = LENGTHS.len() * number + at;
                let stride = len.max((ids.len() - len) / WINDOWS + 1);
                // green lists of KGW are shuffles of the vocabulary: a key for each window in turn
                let in_turn = scheme.starts_with("KGW");
                let mut p = Vec::new();
                for (i, window) in ids.windows(len).step_by(stride).enumerate() {
                    let turn = i % detectors.len();
                    let keys = if in_turn { &detectors[turn..=turn] } else { &detectors[..] };
                    p.extend(keys.iter().map(|detector| tested(detector, window).log10_p_whole));
                }
                totals[row].extend(&p);
                let share = |level: f64| p.iter().filter(|&&x| x <= level).count() as f64 / p.len() as f64;
                let lowest = p.iter().copied().fold(0.0, f64::min);
                writeln!(
                    out,
                    "| {} | {scheme} | {len} | {} | {:.4} | {:.4} | {:.4} | {lowest:.2} | {:.2} |",
                    name.as_deref().unwrap_or("-"),
                    p.len(),
                    share(-2.0),
                    share(-3.0),
                    share(-6.0),
                    (lowest + (p.len() as f64).log10()).min(0.0)
                )?;
            }
        }
    }
    for (number, (scheme, _)) in schemes.enumerate() {
        for (at, len) in LENGTHS.into_iter().enumerate() {
            let p = &totals[LENGTHS.len() * number + at];
            let share = |level: f64| p.iter().filter(|&&x| x <= level).count() as f64 / p.len() as f64;
            let lowest = p.iter().copied().fold(0.0, f64::min);
            writeln!(
                out,
                "| **all** | {scheme} | {len} | {} | {:.4} | {:.5} | {:.6} | {lowest:.2} | {:.2} |",
                p.len(),
                share(-2.0),
                share(-3.0),
                share(-6.0),
                (lowest + (p.len() as f64).log10()).min(0.0)
            )?;
        }
    }
    writeln!(out)
}

/// Words and punctuation, or characters, as ids in order of appearance, spread over the vocabulary.
fn ids_of(text: &str, words: bool) -> Vec<u32> {
    let mut known: HashMap<String, u32> = HashMap::new();
    let mut ids = Vec::new();
    let mut push = |unit: String| {
        let next = philox([known.len() as u32, 0, 0, 9], [19, 23])[0] % VOCABULARY;
        ids.push(*known.entry(unit).or_insert(next));
    };
    let mut word = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if words && (c.is_alphanumeric() || c == '_') {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() {
            push(c.to_string());
        }
    }
    ids
}
