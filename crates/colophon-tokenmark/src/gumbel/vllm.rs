//! vLLM 0.33 `gumbel` and `dual_key_gumbel`: PRF `philox4x32-10-v1`, the native format of this crate too.

use super::pick::{CHUNK, Levels};
use crate::error::{Error, Result};
use crate::float::ln_f64;
use crate::key::Key64;
use crate::prf::philox::{philox, philox_lanes, philox_spread};
use sha2::{Digest, Sha256};

/// First state word, `WMCX`.
const STATE: u32 = 0x574D_4358;
/// Mixed into the key of token draws, `WMTK`.
const TOKEN: u32 = 0x574D_544B;
/// Fills the missing words of the last block of four context tokens: this, less the index in the block.
const FILLER: u32 = u32::MAX;

/// The parameters of vLLM's watermark.
#[derive(Clone, Debug)]
pub struct VllmGumbel {
    keys: Keys,
    width: usize,
    published: bool,
}

#[derive(Clone, Debug)]
enum Keys {
    Single(Key64),
    Dual { a: Key64, b: Key64, alpha: f64 },
}

/// Which of two keys a token was drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChoice {
    /// The first key; the only one of single-key schemes; draft tokens of speculative decoding.
    A,
    /// The second key; target and recovered tokens of speculative decoding.
    B,
}

impl VllmGumbel {
    /// Algorithm `gumbel`. `width` is the number of context tokens, 1 to 64; the engine's default is 4.
    pub fn new(key: Key64, width: usize) -> Result<Self> {
        check_width(width)?;
        let published = key.is_published();
        Ok(Self { keys: Keys::Single(key), width, published })
    }

    /// Algorithm `dual_key_gumbel`: both keys come from `key`; `alpha` (0.1 in the engine) is the share of the second
    /// key without speculation, and its weight in the detector. `alpha` lies strictly between 0 and 1.
    pub fn dual(key: &Key64, alpha: f64, width: usize) -> Result<Self> {
        check_width(width)?;
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(Error::Parameter {
                scheme: "vllm-gumbel",
                name: "alpha",
                allowed: "between 0 and 1",
            });
        }
        let [a, b] = [&b"key_a"[..], b"key_b"].map(|tag| {
            let digest = Sha256::new().chain_update(tag).chain_update(key.value().to_be_bytes()).finalize();
            Key64::new(digest.iter().take(8).fold(0, |word, &byte| word << 8 | u64::from(byte)))
        });
        Ok(Self { keys: Keys::Dual { a, b, alpha }, width, published: key.is_published() })
    }

    /// Number of context tokens.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Weight of the second key, if there is one.
    pub fn alpha(&self) -> Option<f64> {
        match self.keys {
            Keys::Single(_) => None,
            Keys::Dual { alpha, .. } => Some(alpha),
        }
    }

    /// Whether the key the engine is configured with is published.
    pub(crate) fn parent_is_published(&self) -> bool {
        self.published
    }

    /// The keys in order.
    pub(crate) fn keys(&self) -> (&Key64, Option<&Key64>) {
        match &self.keys {
            Keys::Single(key) => (key, None),
            Keys::Dual { a, b, .. } => (a, Some(b)),
        }
    }

    /// The uniform number of `token` after `context` (oldest first, exactly [`Self::width`] tokens).
    pub fn uniform(&self, context: &[u32], token: u32) -> f64 {
        let levels = self.context(context).levels(&[token; CHUNK]);
        VllmContext::uniform(levels[0])
    }

    pub(crate) fn context(&self, context: &[u32]) -> VllmContext {
        self.context_of(KeyChoice::A, context)
    }

    pub(crate) fn context_of(&self, choice: KeyChoice, context: &[u32]) -> VllmContext {
        let key = match (&self.keys, choice) {
            (Keys::Single(key), _) | (Keys::Dual { a: key, .. }, KeyChoice::A) => key,
            (Keys::Dual { b, .. }, KeyChoice::B) => b,
        };
        VllmContext::new(key, context)
    }
}

fn check_width(width: usize) -> Result<()> {
    if (1..=64).contains(&width) {
        return Ok(());
    }
    Err(Error::Parameter { scheme: "vllm-gumbel", name: "context width", allowed: "1 to 64" })
}

/// A context under a key, ready to draw.
#[derive(Clone, Copy)]
pub(crate) struct VllmContext {
    state: [u32; 3],
    key: [u32; 2],
}

impl VllmContext {
    pub(crate) fn new(key: &Key64, context: &[u32]) -> Self {
        let [k0, k1] = key.words();
        let mut state = [STATE, context.len() as u32, 0, 0];
        for (block, tokens) in context.chunks(4).enumerate() {
            for (i, word) in state.iter_mut().enumerate() {
                *word ^= tokens.get(i).copied().unwrap_or(FILLER - i as u32);
            }
            state = philox(state, [k0 ^ (4 * block) as u32, k1]);
        }
        Self { state: [state[0], state[1], state[2]], key: [k0 ^ state[3], k1 ^ TOKEN] }
    }

    /// The first state word, a keyed 32-bit value of the context.
    pub(crate) fn word(&self) -> u32 {
        self.state[0]
    }

    #[inline(always)]
    fn words_of_blocks(&self, blocks: [u32; 8]) -> [[u32; 8]; 4] {
        let [s0, s1, s2] = self.state.map(|word| [word; 8]);
        philox_lanes([blocks, s0, s1, s2], self.key.map(|word| [word; 8]))
    }
}

impl Levels for VllmContext {
    /// `u` is at most 1 - 2^-24 as a float: ln(2^24) = 16.64.
    const MAX_NOISE: f64 = 16.7;
    /// `u` is at least 1 / (2^24 + 1): -ln(ln(2^24 + 1)) = -2.812.
    const MIN_NOISE: f64 = -2.82;

    #[inline(always)]
    fn levels(&self, ids: &[u32; CHUNK]) -> [u32; CHUNK] {
        let mut out = [0; CHUNK];
        for (out, ids) in out.chunks_exact_mut(8).zip(ids.chunks_exact(8)) {
            let mut blocks = [0; 8];
            for (block, &id) in blocks.iter_mut().zip(ids) {
                *block = id >> 2;
            }
            let words = self.words_of_blocks(blocks);
            for lane in 0..8 {
                out[lane] =
                    select(ids[lane], [words[0][lane], words[1][lane], words[2][lane], words[3][lane]]) >> 8;
            }
        }
        out
    }

    #[inline(always)]
    fn consecutive(&self, first: u32) -> [u32; CHUNK] {
        // one call serves four neighbouring ids
        let words = self.words_of_blocks(std::array::from_fn(|lane| (first >> 2) + lane as u32));
        let mut out = [0; CHUNK];
        for lane in 0..8 {
            for word in 0..4 {
                out[4 * lane + word] = words[word][lane] >> 8;
            }
        }
        out
    }

    #[inline(always)]
    fn gap(level: u32) -> f32 {
        ((1 << 24) - level as i32) as f32 * (0.999 / 16_777_216.0)
    }

    #[inline(always)]
    fn uniform(level: u32) -> f64 {
        // the engine's rounding, that of a double quotient `(level + 1) / (2^24 + 1)` to a float: the float below
        // `(level + 1) / 2^24`
        let next = (level + 1) as i32 as f32 * (1.0 / 16_777_216.0);
        f64::from(f32::from_bits(next.to_bits() - 1))
    }
}

/// Word `id & 3` of a block, without a branch or an indexed load.
#[inline(always)]
fn select(id: u32, words: [u32; 4]) -> u32 {
    let low = if id & 1 == 0 { words[0] } else { words[1] };
    let high = if id & 1 == 0 { words[2] } else { words[3] };
    if id & 2 == 0 { low } else { high }
}

/// Adds `weight * -ln(1 - u)` of the token at each of `positions`, under `key`, to `out`.
///
/// `stream[p - width..p]` is the context of position `p`; every position is at least `width` and inside the stream.
pub(crate) fn vllm_scores(
    key: &Key64,
    width: usize,
    stream: &[u32],
    positions: &[u32],
    weight: f64,
    out: &mut [f64],
) {
    crate::simd::vectorized(
        #[inline(always)]
        || scores_inlined(key, width, stream, positions, weight, out),
    );
}

#[inline(always)]
fn scores_inlined(
    key: &Key64,
    width: usize,
    stream: &[u32],
    positions: &[u32],
    weight: f64,
    out: &mut [f64],
) {
    const LANES: usize = 16;
    let [k0, k1] = key.words().map(u64::from);
    for (positions, out) in positions.chunks(LANES).zip(out.chunks_mut(LANES)) {
        let first = positions[0] as usize;
        let row = positions.len() == LANES && positions[LANES - 1] as usize == first + LANES - 1;
        // the last block's empty lanes repeat its first position
        let mut at = [first; LANES];
        for (slot, &position) in at.iter_mut().zip(positions) {
            *slot = position as usize;
        }
        // the words `back` tokens before each position
        let words = |back: usize| -> [u64; LANES] {
            let mut words = [0; LANES];
            if row {
                // neighbours, as most are
                for (word, &token) in words.iter_mut().zip(&stream[first - back..][..LANES]) {
                    *word = u64::from(token);
                }
            } else {
                for (word, &position) in words.iter_mut().zip(&at) {
                    *word = u64::from(stream[position - back]);
                }
            }
            words
        };
        let mut state = [[u64::from(STATE); LANES], [width as u64; LANES], [0; LANES], [0; LANES]];
        for offset in (0..width).step_by(4) {
            for (i, state) in state.iter_mut().enumerate() {
                if offset + i < width {
                    for (state, word) in state.iter_mut().zip(words(width - offset - i)) {
                        *state ^= word;
                    }
                } else {
                    for state in state.iter_mut() {
                        *state ^= u64::from(FILLER - i as u32);
                    }
                }
            }
            state = philox_spread(state, [[k0 ^ offset as u64; LANES], [k1; LANES]]);
        }
        let [s0, s1, s2, s3] = state;
        let tokens = words(0);
        let drawn = philox_spread(
            [tokens.map(|t| t >> 2), s0, s1, s2],
            [s3.map(|s| k0 ^ s), [k1 ^ u64::from(TOKEN); LANES]],
        );
        let mut scores = [0.0; LANES];
        for lane in 0..LANES {
            let token = tokens[lane] as u32;
            let word = select(
                token,
                [drawn[0][lane], drawn[1][lane], drawn[2][lane], drawn[3][lane]].map(|w| w as u32),
            );
            scores[lane] = -weight * ln_f64(1.0 - VllmContext::uniform(word >> 8));
        }
        for (out, score) in out.iter_mut().zip(scores) {
            *out += score;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uniform_number_is_the_rounded_quotient() {
        for level in 0..1u32 << 24 {
            let quotient = f64::from((f64::from(level + 1) / 16_777_217.0) as f32);
            assert_eq!(VllmContext::uniform(level), quotient, "{level}");
        }
    }

    #[test]
    fn scores_agree_with_single_draws() {
        let key = Key64::new(0x1234_5678_9ABC_DEF1);
        for width in [1, 3, 4, 5, 8] {
            let scheme = VllmGumbel::new(key.clone(), width).unwrap();
            let stream: Vec<u32> = (0..40u32).map(|i| i * i * 7919 % 130_000).collect();
            // neighbours, gaps, and a last block that is not full
            let positions: Vec<u32> = (8..25).chain((26..40).step_by(2)).collect();
            let mut out = vec![0.0; positions.len()];
            vllm_scores(&key, width, &stream, &positions, 1.0, &mut out);
            for (&p, got) in positions.iter().zip(out) {
                let p = p as usize;
                let want = -(-scheme.uniform(&stream[p - width..p], stream[p])).ln_1p();
                assert!((got - want).abs() < 1e-12, "{got} is not {want}");
            }
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        let key = Key64::new(9);
        assert!(matches!(
            VllmGumbel::new(key.clone(), 0),
            Err(Error::Parameter { name: "context width", .. })
        ));
        assert!(matches!(VllmGumbel::dual(&key, 1.0, 4), Err(Error::Parameter { name: "alpha", .. })));
    }
}
