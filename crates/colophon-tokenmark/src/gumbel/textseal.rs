//! TextSeal's Gumbel-max watermark: a linear hash with 8,191 levels.

use super::pick::{CHUNK, Levels};
use crate::error::{Error, Result};
use crate::float::ln_f64;
use crate::key::Key64;

/// Multipliers of the context tokens, oldest first.
const PRIMES: [u64; 4] = [10_000_019, 10_000_247, 10_000_439, 10_000_643];
/// Number of levels.
pub(crate) const LEVELS: i64 = 8191;

/// The parameters of TextSeal's watermark.
#[derive(Clone, Debug)]
pub struct TextSeal {
    key: Key64,
    width: usize,
}

impl TextSeal {
    /// `width` is the number of context tokens, 1 to 4: the multipliers of longer contexts are not published.
    pub fn new(key: Key64, width: usize) -> Result<Self> {
        if !(1..=PRIMES.len()).contains(&width) {
            return Err(Error::Parameter { scheme: "textseal", name: "context width", allowed: "1 to 4" });
        }
        Ok(Self { key, width })
    }

    /// Number of context tokens.
    pub fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn key(&self) -> &Key64 {
        &self.key
    }

    /// The level of `token` after `context` (oldest first, [`Self::width`] tokens), 0 to 8,190: `u = level / 8191`.
    pub fn level(&self, context: &[u32], token: u32) -> u32 {
        self.draws(context).level(token)
    }

    pub(crate) fn draws(&self, context: &[u32]) -> TextSealContext {
        let window = context
            .iter()
            .zip(PRIMES)
            .fold(0u64, |sum, (&token, prime)| sum.wrapping_add(u64::from(token).wrapping_mul(prime)));
        TextSealContext { state: window.wrapping_add(self.key.value().wrapping_mul(500_001_713)) }
    }

    /// Writes `-ln(1 - u)` of the token at each of `positions` to `out`.
    pub(crate) fn scores(&self, stream: &[u32], positions: &[u32], out: &mut [f64]) {
        for (&position, out) in positions.iter().zip(out) {
            let position = position as usize;
            let level = self.level(&stream[position - self.width..position], stream[position]);
            *out = -ln_f64(1.0 - TextSealContext::uniform(level));
        }
    }
}

/// A context under a key, ready to draw.
#[derive(Clone, Copy)]
pub(crate) struct TextSealContext {
    state: u64,
}

impl TextSealContext {
    #[inline(always)]
    fn level(self, token: u32) -> u32 {
        let hash = self
            .state
            .wrapping_add(u64::from(token).wrapping_mul(100_000_007))
            .wrapping_mul(15_485_863)
            .wrapping_mul(40_499) as i64;
        (hash ^ (hash >> 13)).rem_euclid(LEVELS) as u32
    }
}

impl Levels for TextSealContext {
    /// `u` is at most 8190 / 8191: -ln(-ln u) = 9.01.
    const MAX_NOISE: f64 = 9.02;
    /// `u` may be 0, whose noise is minus infinity: nothing may be ruled out from the top logit alone.
    const MIN_NOISE: f64 = f64::NEG_INFINITY;

    #[inline(always)]
    fn levels(&self, ids: &[u32; CHUNK]) -> [u32; CHUNK] {
        ids.map(|id| self.level(id))
    }

    #[inline(always)]
    fn gap(level: u32) -> f32 {
        (LEVELS as i32 - level as i32) as f32 * (0.999 / 8191.0)
    }

    #[inline(always)]
    fn uniform(level: u32) -> f64 {
        f64::from(level) / LEVELS as f64
    }
}
