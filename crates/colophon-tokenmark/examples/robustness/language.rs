//! Languages without meaning, and answers in them.

use colophon_tokenmark::prf::philox::philox;
use colophon_tokenmark::*;
use std::collections::HashMap;

/// Candidates per position.
const CANDIDATES: usize = 64;
/// Ids of the simulated language.
pub(crate) const VOCABULARY: u32 = 32_000;

/// What comes next.
pub(crate) trait Language {
    /// Writes candidates and their log-probabilities after `tail`, which holds at least two tokens.
    fn next(&self, tail: &[u32], ids: &mut Vec<u32>, logits: &mut Vec<f32>);
}

/// A power law over candidates per pair of tokens, of a given mean entropy.
pub(crate) struct PowerLaw {
    scale: f64,
}

impl PowerLaw {
    /// `entropy` is the mean over contexts, in nats.
    pub(crate) fn new(entropy: f64) -> Self {
        let mean = |scale: f64| {
            let total: f64 = (0..2000).map(|i| spread(exponent(scale, (f64::from(i) + 0.5) / 2000.0))).sum();
            total / 2000.0
        };
        let (mut low, mut high) = (0.01f64, 50.0f64);
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            if mean(middle) > entropy { low = middle } else { high = middle }
        }
        Self { scale: low }
    }
}

/// The exponent of a context with the random number `u`: three in ten contexts are much steeper.
fn exponent(scale: f64, u: f64) -> f64 {
    scale * (0.4 + u + 14.0 * (u - 0.7).max(0.0))
}

/// Entropy of a power law.
fn spread(exponent: f64) -> f64 {
    let weights: Vec<f64> = (1..=CANDIDATES).map(|k| (k as f64).powf(-exponent)).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| -(w / total) * (w / total).ln()).sum()
}

impl Language for PowerLaw {
    fn next(&self, tail: &[u32], ids: &mut Vec<u32>, logits: &mut Vec<f32>) {
        let [.., a, b] = tail else { return };
        let u = (f64::from(philox([*a, *b, 0, 1], [31, 7])[0]) + 0.5) / 4_294_967_296.0;
        let exponent = exponent(self.scale, u);
        ids.clear();
        logits.clear();
        for block in 0..CANDIDATES as u32 / 4 {
            let words = philox([*a, *b, block, 2], [31, 7]);
            for (k, word) in words.into_iter().enumerate() {
                ids.push(word % VOCABULARY);
                logits.push((-exponent * f64::from(4 * block + k as u32 + 1).ln()) as f32);
            }
        }
    }
}

/// An interpolated trigram model of real tokens, sharpened.
pub(crate) struct Trigram {
    pairs: HashMap<(u32, u32), Vec<(u32, f64)>>,
    singles: HashMap<u32, Vec<(u32, f64)>>,
    all: Vec<(u32, f64)>,
    /// The tokens it was trained on.
    pub(crate) tokens: Vec<u32>,
}

impl Trigram {
    pub(crate) fn train(tokens: Vec<u32>) -> Self {
        let mut pairs: HashMap<(u32, u32), HashMap<u32, u32>> = HashMap::new();
        let mut singles: HashMap<u32, HashMap<u32, u32>> = HashMap::new();
        let mut all: HashMap<u32, u32> = HashMap::new();
        for window in tokens.windows(3) {
            *pairs.entry((window[0], window[1])).or_default().entry(window[2]).or_default() += 1;
            *singles.entry(window[1]).or_default().entry(window[2]).or_default() += 1;
            *all.entry(window[2]).or_default() += 1;
        }
        Self {
            pairs: pairs.into_iter().map(|(k, v)| (k, likeliest(v))).collect(),
            singles: singles.into_iter().map(|(k, v)| (k, likeliest(v))).collect(),
            all: likeliest(all),
            tokens,
        }
    }
}

fn likeliest(counts: HashMap<u32, u32>) -> Vec<(u32, f64)> {
    let total: f64 = counts.values().map(|&n| f64::from(n)).sum();
    let mut list: Vec<(u32, f64)> = counts.into_iter().map(|(id, n)| (id, f64::from(n) / total)).collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    list.truncate(CANDIDATES);
    list
}

impl Language for Trigram {
    fn next(&self, tail: &[u32], ids: &mut Vec<u32>, logits: &mut Vec<f32>) {
        const TEMPERATURE: f64 = 0.6;
        let [.., a, b] = tail else { return };
        let mut mixed: Vec<(u32, f64)> = Vec::new();
        let mut add = |list: Option<&Vec<(u32, f64)>>, share: f64| {
            for &(id, p) in list.into_iter().flatten() {
                match mixed.iter_mut().find(|m| m.0 == id) {
                    Some(m) => m.1 += share * p,
                    None => mixed.push((id, share * p)),
                }
            }
        };
        add(self.pairs.get(&(*a, *b)), 0.55);
        add(self.singles.get(b), 0.35);
        add(Some(&self.all), 0.1);
        mixed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        mixed.truncate(CANDIDATES);
        ids.clear();
        logits.clear();
        for (id, p) in mixed {
            ids.push(id);
            logits.push((p.ln() / TEMPERATURE) as f32);
        }
    }
}

/// An answer of `len` tokens after `prompt`, marked if there is a generator.
pub(crate) fn answer(
    language: &dyn Language,
    generator: Option<&Generator>,
    prompt: &[u32],
    len: usize,
    seed: u64,
    scratch: &mut Scratch,
) -> Vec<u32> {
    let mut stream = prompt.to_vec();
    let mut sequence = generator.map(|g| g.begin(prompt));
    let (mut ids, mut logits) = (Vec::new(), Vec::new());
    for position in 0..len {
        language.next(&stream, &mut ids, &mut logits);
        let mut draws = SeededDraws::new(seed, position as u64);
        let token = match (&mut sequence, generator) {
            (Some(sequence), Some(generator)) => {
                let row = Row::sparse(&ids, &mut logits);
                let pick = row
                    .and_then(|mut row| {
                        generator.pick(sequence, &Step::default(), &mut row, &mut draws, scratch)
                    })
                    .expect("the language gives good rows");
                sequence.accept(pick.token, pick.fate);
                pick.token
            }
            _ => {
                let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let weights: Vec<f64> = logits.iter().map(|x| f64::from(x - top).exp()).collect();
                let mut goal = draws.next_uniform() * weights.iter().sum::<f64>();
                let index = weights.iter().position(|w| {
                    goal -= w;
                    goal < 0.0
                });
                ids[index.unwrap_or(0)]
            }
        };
        stream.push(token);
    }
    stream.split_off(prompt.len())
}

/// A prompt in a simulated language.
pub(crate) fn prompt(seed: u32) -> Vec<u32> {
    (0..8).map(|i| philox([i, seed, 0, 3], [31, 7])[0] % VOCABULARY).collect()
}
