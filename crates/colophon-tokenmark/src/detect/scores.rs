//! Per-token scores of each scheme and what they are worth.

use crate::gumbel::vllm_scores;
use crate::kgw::GreenLists;
use crate::null::{Null, Tabulated};
use crate::scheme::Scheme;
use crate::simd::vectorized;
use crate::synthid::SynthId;
use crate::window::{Before, Once, Rule, Windows};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// vLLM stands -1 before the first generated token.
const VLLM_PAD: u32 = u32::MAX;

/// Tokens whose bits are drawn together: enough to fill vectors, few enough to stay in the nearest cache.
const AT_ONCE: usize = 1024;

/// A scheme with what its detection needs.
#[derive(Debug)]
pub(crate) struct Prepared {
    scheme: Scheme,
    key_id: String,
    null: Null,
    /// Weighted sum of bits per state, for SynthID tables.
    sums: Vec<u16>,
    /// What is kept from text to text, for KGW.
    green: Mutex<GreenLists>,
}

impl Prepared {
    pub(crate) fn new(scheme: Scheme) -> Self {
        let (null, sums) = match &scheme {
            Scheme::Vllm(s) => (vllm_null(s.alpha()), Vec::new()),
            Scheme::Sglang(_) | Scheme::Payload(_) => (vllm_null(None), Vec::new()),
            Scheme::TextSeal(_) => (textseal_null(), Vec::new()),
            Scheme::SynthId(s) => synthid_null(s),
            Scheme::Kgw(s) => (Null::Binomial { chance: s.chance() }, Vec::new()),
            Scheme::Unigram(s) => (Null::Binomial { chance: s.chance() }, Vec::new()),
        };
        Self { key_id: scheme.key_id(), scheme, null, sums, green: Mutex::default() }
    }

    pub(crate) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn null(&self) -> &Null {
        &self.null
    }

    /// How the scheme forms contexts.
    pub(crate) fn rule(&self) -> Rule {
        let width = self.scheme.context_len();
        let (before, once, limit) = match &self.scheme {
            Scheme::Vllm(_) | Scheme::Payload(_) => (Before::Pad(VLLM_PAD), Once::Context, None),
            Scheme::Sglang(s) => (Before::Prompt, Once::MurmurContext, s.limit()),
            Scheme::TextSeal(_) => (Before::Prompt, Once::Context, None),
            Scheme::SynthId(_) => (Before::Nothing, Once::Context, None),
            Scheme::Kgw(_) => (Before::Prompt, Once::ContextAndToken, None),
            Scheme::Unigram(_) => (Before::Nothing, Once::ContextAndToken, None),
        };
        Rule { width, before, once, limit }
    }

    /// Writes the score of each scored token to `out`.
    pub(crate) fn score(&self, windows: &Windows, out: &mut Vec<f64>) {
        let (stream, positions) = (&windows.stream[..], &windows.positions[..]);
        out.clear();
        out.resize(positions.len(), 0.0);
        let width = self.scheme.context_len();
        let token_of = |position: u32| stream[position as usize];
        let context_of = |position: u32| &stream[position as usize - width..position as usize];
        match &self.scheme {
            Scheme::Vllm(s) => match (s.keys(), s.alpha()) {
                ((a, Some(b)), Some(alpha)) => {
                    vllm_scores(a, width, stream, positions, 1.0 - alpha, out);
                    vllm_scores(b, width, stream, positions, alpha, out);
                }
                ((key, _), _) => vllm_scores(key, width, stream, positions, 1.0, out),
            },
            Scheme::Sglang(s) => s.scores(stream, positions, out),
            Scheme::TextSeal(s) => s.scores(stream, positions, out),
            Scheme::SynthId(s) => {
                if let Some(mask) = (self.sums.len() as u64).checked_sub(1) {
                    // low bits of the generator depend on low bits only, so this residue is all that counts
                    for (&position, out) in positions.iter().zip(out) {
                        let hash = s.context_hash(context_of(position));
                        let sum = hash.wrapping_add(u64::from(token_of(position)));
                        *out = f64::from(self.sums[(sum & mask) as usize]);
                    }
                } else {
                    let weights = s.layer_weights();
                    for (positions, out) in positions.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
                        let sum = |&position: &u32| {
                            s.context_hash(context_of(position)).wrapping_add(u64::from(token_of(position)))
                        };
                        let sums: Vec<u64> = positions.iter().map(sum).collect();
                        weigh(&weights, &s.bits_of_each(&sums), out);
                    }
                }
            }
            Scheme::Kgw(s) => {
                let mut lists = self.green.lock().unwrap_or_else(PoisonError::into_inner);
                for (&position, out) in positions.iter().zip(out) {
                    let green = s.is_green_again(context_of(position), token_of(position), &mut lists);
                    *out = f64::from(u8::from(green));
                }
            }
            Scheme::Unigram(s) => {
                for (&position, out) in positions.iter().zip(out) {
                    *out = f64::from(u8::from(s.is_green(token_of(position))));
                }
            }
            // scored symbol by symbol, see `PayloadMark::test`
            Scheme::Payload(_) => {}
        }
    }
}

/// `-ln(1 - u)` of a uniform number is Gamma(1, 1). With two keys the score is a mean of two with weights `1 - alpha`
/// and `alpha`; the engine's test takes the Gamma distribution with the same mean and variance.
fn vllm_null(alpha: Option<f64>) -> Null {
    let variance = alpha.map_or(1.0, |alpha| (1.0 - alpha).powi(2) + alpha * alpha);
    Null::Gamma { shape: 1.0 / variance, scale: variance }
}

fn textseal_null() -> Null {
    let atoms: Vec<(f64, f64)> =
        (0..8191).map(|level| (-(-f64::from(level) / 8191.0).ln_1p(), 1.0)).collect();
    Null::Tabulated(Arc::new(Tabulated::from_atoms(&atoms, 0.0)))
}

/// The weighted sum of a token's bits: whole numbers, so that the distribution over the states is a short list.
fn synthid_null(scheme: &SynthId) -> (Null, Vec<u16>) {
    let weights = scheme.layer_weights();
    // with 4, 10 or 28 layers all weights have a common factor
    let span = f64::from(weights.iter().fold(0, |divisor, &weight| greatest_divisor(divisor, weight)));
    let Some(states) = scheme.states() else {
        return match &weights[..] {
            [_] => (Null::Binomial { chance: 0.5 }, Vec::new()),
            _ => (Null::Tabulated(Arc::new(Tabulated::from_coins(&weights, span))), Vec::new()),
        };
    };
    let states: Vec<u64> = states.collect();
    let mut sums = vec![0.0; states.len()];
    weigh(&weights, &states, &mut sums);
    // at most 10 * 63 * 64 = 40,320
    let sums: Vec<u16> = sums.into_iter().map(|sum| sum as u16).collect();
    let mut counts: HashMap<u16, u32> = HashMap::new();
    for &sum in &sums {
        *counts.entry(sum).or_default() += 1;
    }
    if weights.len() == 1 {
        let ones = f64::from(counts.get(&1).copied().unwrap_or_default());
        return (Null::Binomial { chance: ones / sums.len() as f64 }, sums);
    }
    let mut atoms: Vec<(f64, f64)> =
        counts.into_iter().map(|(sum, n)| (f64::from(sum), f64::from(n))).collect();
    atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
    (Null::Tabulated(Arc::new(Tabulated::from_atoms(&atoms, span))), sums)
}

fn greatest_divisor(a: u32, b: u32) -> u32 {
    if a == 0 { b } else { greatest_divisor(b % a, a) }
}

/// The weights of the bits that are set, summed up for every word: layer by layer, which vectors do for several words at once.
fn weigh(weights: &[u32], words: &[u64], out: &mut [f64]) {
    vectorized(
        #[inline(always)]
        || {
            for (words, out) in words.chunks(32).zip(out.chunks_mut(32)) {
                let mut sums = [0u64; 32];
                for (layer, &weight) in weights.iter().enumerate() {
                    for (sum, word) in sums.iter_mut().zip(words) {
                        // all ones where the bit is set
                        *sum += (word >> layer & 1).wrapping_neg() & u64::from(weight);
                    }
                }
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f64);
            }
        },
    );
}
