//! SynthID-Text (Dathathri et al., Nature 634, 2024): tournament sampling over keyed bits.
//!
//! Every token gets one keyed bit per layer after its context. Layer by layer the sampler shifts probability towards
//! tokens whose bit is 1, without changing the distribution on average over keys (two leaves). The detector sees that
//! chosen tokens have more ones than chance gives.
//!
//! Two ways to draw the bits exist. **Hashing**, as in the reference of the paper's authors, is the one to use. The
//! **table** of Hugging Face transformers is for working with that library: its keys count modulo the table size only
//! and its table is public by default, so recovering a key from samples is plausible.

mod bayes;
mod hashing;
mod score;
mod tournament;

pub use bayes::{BayesLikelihood, BayesScorer};
pub use score::{SynthIdMask, SynthIdScores};

use crate::error::{Error, Result};
use crate::prf::lcg::{accumulate, accumulate_all};
use crate::prf::mersenne::torch_bits;
use hashing::{Sums, hash_all, hashed_bit};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroize;

pub(crate) use tournament::{Arena, Leaves, play, write};

/// Most layers, that is keys.
pub const MAX_LAYERS: usize = 64;
/// Largest table for which the bits of every state are stored; the default table has 65,536 entries.
const MAX_STORED_STATES: usize = 1 << 20;
/// Largest table.
const MAX_TABLE: usize = 1 << 26;
/// The keys printed in both libraries' examples; text marked with them could be anybody's.
const PUBLISHED: [i64; 30] = [
    654, 400, 836, 123, 340, 443, 597, 160, 57, 29, 590, 639, 13, 715, 468, 990, 966, 226, 324, 585, 118,
    504, 421, 521, 129, 669, 732, 225, 90, 960,
];

/// The parameters of SynthID-Text.
#[derive(Clone)]
pub struct SynthId {
    keys: Vec<i64>,
    width: usize,
    history: usize,
    skip_first: bool,
    start: u64,
    leaves: u32,
    bits: Bits,
}

/// How bits are drawn.
#[derive(Clone)]
enum Bits {
    /// Twelve rounds of a 64-bit generator per layer.
    Hashing,
    /// A table of bits, looked up per layer.
    Table(Arc<[u8]>),
    /// The bits of all layers for every residue of context hash plus token, for tables with a power of two of entries: low
    /// bits of the generator depend on low bits only. One plane per 32 layers. Consecutive ids stand side by side, and
    /// ids a table length apart have the same bits.
    States { planes: Arc<[Vec<u32>]>, mask: u64 },
}

impl SynthId {
    /// The hashing mode of the DeepMind reference. `ngram_len` counts the token itself (5 in the examples: a context of
    /// 4); `keys` has 1 to 64 entries, 30 in the examples.
    pub fn hashing(keys: &[i64], ngram_len: usize) -> Result<Self> {
        let mut scheme = Self::new(keys, ngram_len, Bits::Hashing)?;
        let mut digest = Sha256::new();
        for key in keys {
            digest.update(key.to_le_bytes());
        }
        // the digest as a big-endian number modulo 2^63 - 1
        scheme.start = digest.finalize().iter().fold(0, |rest: u64, &byte| {
            ((u128::from(rest) << 8 | u128::from(byte)) % ((1 << 63) - 1)) as u64
        });
        Ok(scheme)
    }

    /// The table mode of transformers' `SynthIDTextWatermarkingConfig`, with the table PyTorch draws on a CPU.
    pub fn table(keys: &[i64], ngram_len: usize, table_size: usize, table_seed: u64) -> Result<Self> {
        if !(1..=MAX_TABLE).contains(&table_size) {
            return Err(parameter("sampling table size", "1 to 67108864"));
        }
        Self::explicit_table(keys, ngram_len, torch_bits(table_seed, table_size))
    }

    /// The table mode with the entries (0 or 1) given: PyTorch draws another table on a GPU, which must be exported.
    pub fn explicit_table(keys: &[i64], ngram_len: usize, table: Vec<u8>) -> Result<Self> {
        if table.is_empty() || table.len() > MAX_TABLE {
            return Err(parameter("sampling table size", "1 to 67108864"));
        }
        if table.iter().any(|&bit| bit > 1) {
            return Err(parameter("sampling table", "entries of 0 and 1"));
        }
        let size = table.len();
        let bits = if size.is_power_of_two() && size <= MAX_STORED_STATES {
            let mask = size as u64 - 1;
            let planes = keys
                .chunks(32)
                .map(|keys| {
                    (0..size as u64)
                        .map(|sum| {
                            let state = accumulate(sum, 0);
                            keys.iter().enumerate().fold(0, |bits, (layer, &key)| {
                                let slot = (accumulate(state, key as u64) & mask) as usize;
                                bits | u32::from(table[slot]) << layer
                            })
                        })
                        .collect()
                })
                .collect();
            Bits::States { planes, mask }
        } else {
            Bits::Table(table.into())
        };
        Self::new(keys, ngram_len, bits)
    }

    fn new(keys: &[i64], ngram_len: usize, bits: Bits) -> Result<Self> {
        if !(1..=MAX_LAYERS).contains(&keys.len()) {
            return Err(Error::KeyLength {
                scheme: "synthid",
                expected: "1 to 64 layer keys",
                found: keys.len(),
            });
        }
        if !(2..=65).contains(&ngram_len) {
            return Err(parameter("ngram length", "2 to 65"));
        }
        Ok(Self {
            keys: keys.to_vec(),
            width: ngram_len - 1,
            history: 1024,
            skip_first: false,
            start: 1,
            leaves: 2,
            bits,
        })
    }

    /// Sets how many past contexts count as repeats (`context_history_size`, 1,024 by default, 1 to 2^20).
    pub fn with_history(mut self, contexts: usize) -> Result<Self> {
        if !(1..=1 << 20).contains(&contexts) {
            return Err(parameter("context history size", "1 to 1048576"));
        }
        self.history = contexts;
        Ok(self)
    }

    /// Leaves the first `ngram_len - 1` tokens alone (`skip_first_ngram_calls`).
    pub fn skip_first(mut self, skip: bool) -> Self {
        self.skip_first = skip;
        self
    }

    /// Sets the leaves of each tournament match, 2 to 8. Two do not distort; more mark harder and distort.
    pub fn with_leaves(mut self, leaves: u32) -> Result<Self> {
        if !(2..=8).contains(&leaves) {
            return Err(parameter("leaves", "2 to 8"));
        }
        self.leaves = leaves;
        Ok(self)
    }

    /// Number of context tokens.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.keys.len()
    }

    /// How many past contexts count as repeats while generating.
    pub fn history(&self) -> usize {
        self.history
    }

    pub(crate) fn skips_first(&self) -> bool {
        self.skip_first
    }

    pub(crate) fn leaves(&self) -> Leaves {
        Leaves(self.leaves)
    }

    pub(crate) fn is_hashing(&self) -> bool {
        matches!(self.bits, Bits::Hashing)
    }

    /// What the reference writes for candidates that cannot be chosen.
    pub(crate) fn excluded(&self) -> f32 {
        if self.is_hashing() { -1e12 } else { f32::MIN }
    }

    /// Bytes that stand for the key in fingerprints.
    pub(crate) fn key_bytes(&self) -> Vec<u8> {
        self.keys.iter().flat_map(|key| key.to_le_bytes()).collect()
    }

    pub(crate) fn is_published(&self) -> bool {
        self.keys.iter().all(|key| PUBLISHED.contains(key))
    }

    /// The hash of a context (oldest token first, [`Self::width`] tokens).
    pub fn context_hash(&self, context: &[u32]) -> u64 {
        accumulate_all(self.start, context.iter().map(|&token| u64::from(token)))
    }

    /// The bits of `token` after the context with this hash; bit `l` belongs to layer `l`.
    pub fn bits(&self, context_hash: u64, token: u32) -> u64 {
        let sum = context_hash.wrapping_add(u64::from(token));
        let state = accumulate(sum, 0);
        match &self.bits {
            Bits::States { planes, mask } => planes.iter().enumerate().fold(0, |bits, (plane, states)| {
                bits | u64::from(states[(sum & mask) as usize]) << (32 * plane)
            }),
            Bits::Table(table) => self.bits_by(|key| {
                let slot = (accumulate(state, key as u64) as i64).rem_euclid(table.len() as i64);
                table[slot as usize]
            }),
            Bits::Hashing => self.bits_by(|key| hashed_bit(accumulate(state, key as u64))),
        }
    }

    /// The same of many tokens, each given as the hash of its context plus its id.
    pub(crate) fn bits_of_each(&self, sums: &[u64]) -> Vec<u64> {
        if !self.is_hashing() {
            return sums.iter().map(|&sum| self.bits(sum, 0)).collect();
        }
        let mut words = vec![0; sums.len()];
        let mut plane = vec![0; sums.len()];
        for (at, keys) in self.keys.chunks(32).enumerate() {
            hash_all(Sums::Each(sums), keys, &mut plane);
            words.iter_mut().zip(&plane).for_each(|(word, &bits)| *word |= u64::from(bits) << (32 * at));
        }
        words
    }

    fn bits_by(&self, bit: impl Fn(i64) -> u8) -> u64 {
        self.keys.iter().enumerate().fold(0, |bits, (layer, &key)| bits | u64::from(bit(key)) << layer)
    }

    /// Writes the bits of candidates to `planes` (one per 32 layers, one word per candidate). `ids` of `None` means ids from
    /// 0 on; of those, candidates that are a table length apart have the same bits, so the planes end after one table length.
    pub(crate) fn fill(
        &self,
        context_hash: u64,
        ids: Option<&[u32]>,
        len: usize,
        planes: &mut Vec<Vec<u32>>,
    ) {
        planes.resize_with(self.keys.len().div_ceil(32), Vec::new);
        match (&self.bits, ids) {
            (Bits::States { planes: states, mask }, None) => {
                let first = (context_hash & mask) as usize;
                for (out, states) in planes.iter_mut().zip(states.iter()) {
                    let len = len.min(states.len());
                    let (wrapped, straight) = states.split_at(first);
                    let straight = straight.get(..len).unwrap_or(straight);
                    out.clear();
                    out.extend_from_slice(straight);
                    out.extend_from_slice(&wrapped[..len - straight.len()]);
                }
            }
            (Bits::States { planes: states, mask }, Some(ids)) => {
                for (out, states) in planes.iter_mut().zip(states.iter()) {
                    out.clear();
                    let sum = |id: u32| (context_hash.wrapping_add(u64::from(id)) & mask) as usize;
                    out.extend(ids.iter().map(|&id| states[sum(id)]));
                }
            }
            (Bits::Hashing, _) => {
                let sums = ids.map_or(Sums::Vocabulary(context_hash), |ids| Sums::Ids(context_hash, ids));
                for (out, keys) in planes.iter_mut().zip(self.keys.chunks(32)) {
                    out.clear();
                    out.resize(len, 0);
                    hash_all(sums, keys, out);
                }
            }
            (Bits::Table(_), _) => {
                for plane in planes.iter_mut() {
                    plane.clear();
                }
                for i in 0..len {
                    let bits = self.bits(context_hash, ids.map_or(i as u32, |ids| ids[i]));
                    for (plane, out) in planes.iter_mut().enumerate() {
                        out.push((bits >> (32 * plane)) as u32);
                    }
                }
            }
        }
    }

    /// How often each word of bits occurs among equally likely states: the exact null distribution of one token where
    /// it is finite, `None` where every bit is a fair coin of its own.
    pub(crate) fn states(&self) -> Option<impl Iterator<Item = u64> + '_> {
        match &self.bits {
            Bits::States { planes, mask } => Some((0..=*mask as usize).map(move |state| {
                planes
                    .iter()
                    .enumerate()
                    .fold(0, |bits, (plane, states)| bits | u64::from(states[state]) << (32 * plane))
            })),
            _ => None,
        }
    }

    /// Weights of the layers in the weighted mean: falling in a line from 10 to 1, as whole numbers `10 (m - 1) - 9 l`
    /// (1 for a single layer). Dividing by their sum gives the weights of the reference.
    pub(crate) fn layer_weights(&self) -> Vec<u32> {
        let m = self.keys.len() as u32;
        if m == 1 { vec![1] } else { (0..m).map(|l| 10 * (m - 1) - 9 * l).collect() }
    }
}

impl Drop for SynthId {
    fn drop(&mut self) {
        self.keys.zeroize();
    }
}

impl fmt::Debug for SynthId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SynthId")
            .field("layers", &self.keys.len())
            .field("width", &self.width)
            .field("leaves", &self.leaves)
            .field("hashing", &self.is_hashing())
            .finish_non_exhaustive()
    }
}

fn parameter(name: &'static str, allowed: &'static str) -> Error {
    Error::Parameter { scheme: "synthid", name, allowed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_agrees_with_single_tokens_in_every_mode() {
        let keys: Vec<i64> = (0..40).map(|k| k * 7919 - 100_003).collect();
        let modes = [
            SynthId::hashing(&keys, 5).unwrap(),
            SynthId::table(&keys, 5, 1 << 16, 3).unwrap(),
            SynthId::table(&keys, 5, 1000, 3).unwrap(),
        ];
        let ids: Vec<u32> = (0..50).map(|i| i * 2711 % 130_000).collect();
        for scheme in modes {
            let hash = scheme.context_hash(&[5, 6, 7, 8]);
            let mut planes = Vec::new();
            scheme.fill(hash, Some(&ids), ids.len(), &mut planes);
            for (i, &id) in ids.iter().enumerate() {
                let bits = scheme.bits(hash, id);
                assert_eq!([bits as u32, (bits >> 32) as u32], [planes[0][i], planes[1][i]]);
            }
            scheme.fill(hash, None, 70_000, &mut planes);
            let period = planes[0].len();
            assert!(period == 70_000 || period == 1 << 16);
            for id in (0..70_000).step_by(41) {
                let bits = scheme.bits(hash, id);
                assert_eq!(
                    [bits as u32, (bits >> 32) as u32],
                    [planes[0][id as usize % period], planes[1][id as usize % period]]
                );
            }
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        assert!(matches!(SynthId::hashing(&[], 5), Err(Error::KeyLength { found: 0, .. })));
        assert!(matches!(SynthId::hashing(&[1; 65], 5), Err(Error::KeyLength { found: 65, .. })));
        assert!(matches!(SynthId::hashing(&[1], 1), Err(Error::Parameter { .. })));
        assert!(matches!(SynthId::table(&[1], 5, 0, 0), Err(Error::Parameter { .. })));
        assert!(matches!(SynthId::explicit_table(&[1], 5, vec![0, 2]), Err(Error::Parameter { .. })));
    }

    #[test]
    fn example_keys_count_as_published() {
        assert!(SynthId::hashing(&PUBLISHED, 5).unwrap().is_published());
        assert!(SynthId::hashing(&PUBLISHED[..9], 5).unwrap().is_published());
        assert!(!SynthId::hashing(&[654, -77_123_456_789], 5).unwrap().is_published());
    }

    #[test]
    fn weights_fall_in_a_line_from_ten_to_one() {
        let scheme = SynthId::hashing(&PUBLISHED, 5).unwrap();
        let weights = scheme.layer_weights();
        assert_eq!((weights[0], weights[29]), (290, 29));
        assert_eq!(weights.iter().sum::<u32>(), 4785);
    }
}
