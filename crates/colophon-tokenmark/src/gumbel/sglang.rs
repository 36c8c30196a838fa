//! SGLang 0.5.23's watermark: Gumbel-max over MurmurHash3, contexts that reach into the prompt, an optional second key.

use super::pick::{CHUNK, Levels};
use super::vllm::KeyChoice;
use crate::error::{Error, Result};
use crate::float::ln_f64;
use crate::key::Key64;
use crate::prf::murmur::{absorb, finish, murmur3};

/// Contexts after which the engine stops marking a sequence, and its detector stops counting.
pub(crate) const CONTEXT_LIMIT: usize = 4096;

/// The parameters of SGLang's watermark.
#[derive(Clone, Debug)]
pub struct SglangGumbel {
    key: Key64,
    second: Option<(Key64, f64)>,
    width: usize,
    limit: Option<usize>,
}

impl SglangGumbel {
    /// One key. `width` is the number of context tokens, 1 to 64; the engine's default is 4.
    pub fn new(key: Key64, width: usize) -> Result<Self> {
        if !(1..=64).contains(&width) {
            return Err(Error::Parameter {
                scheme: "sglang-gumbel",
                name: "context window",
                allowed: "1 to 64",
            });
        }
        Ok(Self { key, second: None, width, limit: Some(CONTEXT_LIMIT) })
    }

    /// Adds a second key: a context uses the first one with probability `mixing` (0 to 1), by a keyed coin.
    pub fn with_second_key(mut self, key: Key64, mixing: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&mixing) {
            return Err(Error::Parameter {
                scheme: "sglang-gumbel",
                name: "mixing probability",
                allowed: "0 to 1",
            });
        }
        self.second = Some((key, mixing));
        Ok(self)
    }

    /// Sets how many contexts the engine marks per answer and its detector counts: 4,096 unless its pool is smaller.
    /// `None` lifts the limit for detection, for documents that hold several answers.
    pub fn with_context_limit(mut self, limit: Option<usize>) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Number of context tokens.
    pub fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn keys(&self) -> (&Key64, Option<&Key64>) {
        (&self.key, self.second.as_ref().map(|(key, _)| key))
    }

    /// The engine's name of a context: the hash of its tokens. It does not depend on the key.
    pub fn context_hash(context: &[u32]) -> u32 {
        murmur3(context)
    }

    /// The keyed coin of a context; `None` without a second key.
    pub fn coin(&self, context_hash: u32) -> Option<u32> {
        let ([a0, a1], [b0, b1]) = (self.key.words(), self.second.as_ref()?.0.words());
        Some(murmur3(&[a0, a1, b0, b1, context_hash]))
    }

    /// Which key the engine uses for a context.
    pub fn choice(&self, context_hash: u32) -> KeyChoice {
        match (self.coin(context_hash), &self.second) {
            // a probability of 1 has a threshold of 2^32, above every coin
            (Some(coin), Some((_, mixing))) if f64::from(coin) >= (mixing * 4_294_967_296.0).floor() => {
                KeyChoice::B
            }
            _ => KeyChoice::A,
        }
    }

    /// The hash whose place in 32 bits is the uniform number of `token`: `u = (hash + 0.5) / 2^32`.
    pub fn token_hash(&self, choice: KeyChoice, context_hash: u32, token: u32) -> u32 {
        self.draws(choice, context_hash).levels(&[token; CHUNK])[0]
    }

    pub(crate) fn draws(&self, choice: KeyChoice, context_hash: u32) -> SglangContext {
        let key = match (choice, &self.second) {
            (KeyChoice::B, Some((key, _))) => key,
            _ => &self.key,
        };
        let [k0, k1] = key.words();
        SglangContext { state: absorb(absorb(absorb(0, k0), k1), context_hash) }
    }

    /// Writes `-ln(1 - u)` of the token at each of `positions` to `out`; contexts as in the engine.
    pub(crate) fn scores(&self, stream: &[u32], positions: &[u32], out: &mut [f64]) {
        for (&position, out) in positions.iter().zip(out) {
            let position = position as usize;
            let hash = murmur3(&stream[position - self.width..position]);
            let level = finish(absorb(self.draws(self.choice(hash), hash).state, stream[position]), 4);
            *out = -ln_f64(1.0 - SglangContext::uniform(level));
        }
    }
}

/// A context under a key, ready to draw.
#[derive(Clone, Copy)]
pub(crate) struct SglangContext {
    state: u32,
}

impl Levels for SglangContext {
    /// `u` is at most 1 - 2^-33: ln(2^33) = 22.87.
    const MAX_NOISE: f64 = 22.9;
    /// `u` is at least 2^-33: -ln(33 ln 2) = -3.13.
    #[expect(clippy::approx_constant, reason = "a bound, not pi")]
    const MIN_NOISE: f64 = -3.14;

    #[inline(always)]
    fn levels(&self, ids: &[u32; CHUNK]) -> [u32; CHUNK] {
        ids.map(|id| finish(absorb(self.state, id), 4))
    }

    #[inline(always)]
    fn gap(level: u32) -> f32 {
        // halves keep the conversion signed, which vector units have
        let half = (!level >> 1) as i32 as f32;
        (half + 0.25) * (0.999 / 2_147_483_648.0)
    }

    #[inline(always)]
    fn uniform(level: u32) -> f64 {
        (f64::from(level) + 0.5) / 4_294_967_296.0
    }
}
