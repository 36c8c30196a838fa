//! KGW (Kirchenbauer et al., "A watermark for large language models", ICML 2023) as transformers 5.23 does it: a share
//! of the vocabulary is "green" after each context, and green tokens get a bias.
//!
//! The green lists are PyTorch permutations drawn on a CPU. The same settings on a GPU give other lists.

use crate::error::{Error, Result};
use crate::prf::mersenne::{Draws, torch_permutation};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroize;

/// Length of the permutation behind the self-hash, a prime.
const TABLE_LEN: u32 = 1_000_003;
/// Best-scoring candidates the self-hash tries.
const SELF_HASH_CANDIDATES: usize = 40;
/// The hashing key of the library's default configuration.
const PUBLISHED: u64 = 15_485_863;
/// Bytes of green lists kept between calls.
const CACHE_BYTES: usize = 64 << 20;
/// Tokens that are followed one by one before the whole list of their context is made.
const LOOKED_UP: u8 = 2;
/// Contexts whose number of questions is kept.
const MOST_ASKED: usize = 1 << 18;

/// Which tokens seed a green list.
#[derive(Clone)]
enum Seeding {
    /// The last context token alone, whatever the width.
    Left,
    /// The context and the candidate itself, through a table.
    SelfHash(Arc<[u32]>),
}

/// The parameters of KGW.
#[derive(Clone)]
pub struct Kgw {
    hashing_key: u64,
    vocabulary: u32,
    green: u32,
    ratio: f64,
    bias: f32,
    width: usize,
    seeding: Seeding,
    draws: Draws,
}

impl Kgw {
    /// Seeding scheme `lefthash`. `vocabulary` is the number of logits of the model, `ratio` the share of green tokens
    /// (0.25 by default), `bias` what green logits gain (2.0), `width` the context width (1).
    pub fn left_hash(hashing_key: u64, vocabulary: u32, ratio: f64, bias: f32, width: usize) -> Result<Self> {
        Self::new(hashing_key, vocabulary, ratio, bias, width, Seeding::Left)
    }

    /// Seeding scheme `selfhash`; parameters as in [`Self::left_hash`].
    pub fn self_hash(hashing_key: u64, vocabulary: u32, ratio: f64, bias: f32, width: usize) -> Result<Self> {
        let table = torch_permutation(hashing_key, TABLE_LEN, TABLE_LEN);
        Self::new(hashing_key, vocabulary, ratio, bias, width, Seeding::SelfHash(table.into()))
    }

    fn new(
        hashing_key: u64,
        vocabulary: u32,
        ratio: f64,
        bias: f32,
        width: usize,
        seeding: Seeding,
    ) -> Result<Self> {
        let wrong = |name, allowed| Err(Error::Parameter { scheme: "kgw", name, allowed });
        if !(2..=1 << 24).contains(&vocabulary) {
            return wrong("vocabulary size", "2 to 16777216");
        }
        if !(ratio > 0.0 && ratio < 1.0) {
            return wrong("greenlist ratio", "between 0 and 1");
        }
        if !bias.is_finite() {
            return wrong("bias", "finite");
        }
        if !(1..=64).contains(&width) {
            return wrong("context width", "1 to 64");
        }
        let green = (f64::from(vocabulary) * ratio) as u32;
        let draws = Draws::new(vocabulary, green);
        Ok(Self { hashing_key, vocabulary, green, ratio, bias, width, seeding, draws })
    }

    /// Number of ids.
    pub fn vocabulary(&self) -> u32 {
        self.vocabulary
    }

    /// Number of tokens before the scored one in a window.
    pub fn context_len(&self) -> usize {
        match self.seeding {
            Seeding::Left => self.width,
            // the window of the self-hash holds the candidate as its last token
            Seeding::SelfHash(_) => self.width - 1,
        }
    }

    /// Number of green ids per list.
    pub fn green_len(&self) -> u32 {
        self.green
    }

    /// Chance that an unrelated token is green: the list's length over the vocabulary.
    pub fn chance(&self) -> f64 {
        f64::from(self.green) / f64::from(self.vocabulary)
    }

    /// The z score of the reference detector: `green` hits of `scored`, with its nominal ratio.
    pub fn z_score(&self, green: u64, scored: u64) -> f64 {
        let (green, scored) = (green as f64, scored as f64);
        (green - self.ratio * scored) / (scored * self.ratio * (1.0 - self.ratio)).sqrt()
    }

    pub(crate) fn is_published(&self) -> bool {
        self.hashing_key == PUBLISHED
    }

    pub(crate) fn key_bytes(&self) -> [u8; 8] {
        self.hashing_key.to_le_bytes()
    }

    /// Seed of the green list for a window whose last token is the candidate (self-hash) or the last context token.
    fn seed(&self, window: &[u32]) -> u64 {
        const MODULUS: u64 = u64::MAX;
        let last = window.last().copied().unwrap_or_default();
        match &self.seeding {
            Seeding::Left => {
                // the library multiplies Python integers, which do not wrap
                (u128::from(self.hashing_key) * u128::from(last) % u128::from(MODULUS)) as u64
            }
            Seeding::SelfHash(table) => {
                let entry = |token: u32| u64::from(table[(token % TABLE_LEN) as usize]) + 1;
                let own = entry(last);
                let least = window
                    .iter()
                    .map(|&token| self.hashing_key.wrapping_mul(entry(token)).wrapping_mul(own) as i64)
                    .min()
                    .unwrap_or_default();
                // Python's modulus is never negative
                i128::from(least).rem_euclid(i128::from(MODULUS)) as u64
            }
        }
    }

    /// The green ids, in the order of the permutation. For the self-hash, `window` ends with the candidate.
    pub fn green_list(&self, window: &[u32]) -> Vec<u32> {
        torch_permutation(self.seed(self.relevant(window)), self.vocabulary, self.green)
    }

    /// Whether `token` is green after `context`.
    pub fn is_green(&self, context: &[u32], token: u32) -> bool {
        let seed = match self.seeding {
            Seeding::Left => self.seed(context),
            Seeding::SelfHash(_) => {
                let mut window = context.to_vec();
                window.push(token);
                self.seed(self.relevant(&window))
            }
        };
        self.draws.take(seed, token)
    }

    fn relevant<'w>(&self, window: &'w [u32]) -> &'w [u32] {
        window.get(window.len().saturating_sub(self.width)..).unwrap_or_default()
    }

    /// [`Self::is_green`] for running text, where the last token repeats soon: lists of the left hash that are asked for again and
    /// again are made once and kept, within [`CACHE_BYTES`].
    pub(crate) fn is_green_again(&self, context: &[u32], token: u32, lists: &mut GreenLists) -> bool {
        match self.seeding {
            Seeding::Left => lists.holds(self, self.seed(context), token),
            Seeding::SelfHash(_) => self.is_green(context, token),
        }
    }

    /// Adds the bias to green candidates. `tail` holds the last tokens before the candidate, at least [`Self::context_len`].
    pub(crate) fn bias(&self, tail: &[u32], ids: Option<&[u32]>, logits: &mut [f32], lists: &mut GreenLists) {
        let id_of = |i: usize| ids.map_or(i as u32, |ids| ids[i]);
        match &self.seeding {
            Seeding::Left => {
                let seed = self.seed(tail);
                let list = lists.get(self, seed);
                match ids {
                    None => {
                        bias_listed(logits, list, self.bias);
                    }
                    Some(ids) => {
                        for (&id, value) in ids.iter().zip(logits) {
                            *value += if is_set(list, id) { self.bias } else { 0.0 };
                        }
                    }
                }
            }
            Seeding::SelfHash(_) => {
                let mut order: Vec<u32> = (0..logits.len() as u32).collect();
                let count = SELF_HASH_CANDIDATES.min(order.len());
                let by_logit =
                    |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
                if count < order.len() {
                    order.select_nth_unstable_by(count, by_logit);
                }
                let mut window = tail.to_vec();
                let green: Vec<usize> = order
                    .into_iter()
                    .take(count)
                    .map(|i| i as usize)
                    .filter(|&i| {
                        let id = id_of(i);
                        window.push(id);
                        let seed = self.seed(self.relevant(&window));
                        window.pop();
                        self.draws.take(seed, id)
                    })
                    .collect();
                for i in green {
                    logits[i] += self.bias;
                }
            }
        }
    }
}

/// Adds `bias` to the values whose bit is set, the first of 64 being the lowest.
fn bias_listed(values: &mut [f32], list: &[u64], bias: f32) {
    #[inline(always)]
    fn add(values: &mut [f32], word: u64, bias: f32) {
        for (bit, value) in values.iter_mut().enumerate() {
            *value += if word & (1 << bit) == 0 { 0.0 } else { bias };
        }
    }
    crate::simd::vectorized(
        #[inline(always)]
        || {
            let (whole, rest) = values.as_chunks_mut::<64>();
            for (values, &word) in whole.iter_mut().zip(list) {
                // in halves, which are as many bits as vector masks take
                let (low, high) = values.split_at_mut(32);
                add(low, word & 0xFFFF_FFFF, bias);
                add(high, word >> 32, bias);
            }
            if let Some(&word) = list.get(whole.len()) {
                add(rest, word, bias);
            }
        },
    );
}

impl Drop for Kgw {
    fn drop(&mut self) {
        self.hashing_key.zeroize();
    }
}

impl fmt::Debug for Kgw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kgw")
            .field("vocabulary", &self.vocabulary)
            .field("ratio", &self.ratio)
            .field("width", &self.width)
            .field("self_hash", &matches!(self.seeding, Seeding::SelfHash(_)))
            .finish_non_exhaustive()
    }
}

/// Green lists as bit sets, kept up to a number of bytes; common last tokens come back often.
#[derive(Default)]
pub(crate) struct GreenLists {
    lists: HashMap<(u64, u32, u32), Vec<u64>>,
    /// Seeds that were asked for once or twice: following one token is cheaper than making a list for it.
    asked: HashMap<(u64, u32, u32), u8>,
    /// Keys of the lists, the oldest first.
    order: VecDeque<(u64, u32, u32)>,
    bytes: usize,
    /// Memory for the draws of a list.
    targets: Vec<u32>,
}

/// Whether a list holds a token.
fn is_set(list: &[u64], token: u32) -> bool {
    list.get(token as usize / 64).is_some_and(|word| word >> (token % 64) & 1 == 1)
}

impl fmt::Debug for GreenLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GreenLists").field("lists", &self.lists.len()).finish_non_exhaustive()
    }
}

impl GreenLists {
    /// Whether the list of a seed holds a token.
    fn holds(&mut self, scheme: &Kgw, seed: u64, token: u32) -> bool {
        let key = (seed & 0xFFFF_FFFF, scheme.vocabulary, scheme.green);
        if self.lists.contains_key(&key) {
            return is_set(self.get(scheme, seed), token);
        }
        if self.asked.len() >= MOST_ASKED {
            self.asked.clear();
        }
        let times = self.asked.entry(key).or_default();
        if *times < LOOKED_UP {
            *times += 1;
            return scheme.draws.take(seed, token);
        }
        self.asked.remove(&key);
        is_set(self.get(scheme, seed), token)
    }

    fn get(&mut self, scheme: &Kgw, seed: u64) -> &[u64] {
        // only the low 32 bits of a seed count
        let key = (seed & 0xFFFF_FFFF, scheme.vocabulary, scheme.green);
        let size = 8 * (scheme.vocabulary as usize).div_ceil(64);
        if !self.lists.contains_key(&key) {
            let list = self.make(scheme, seed, size / 8);
            self.bytes += size;
            self.order.push_back(key);
            self.lists.insert(key, list);
        }
        self.lists.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Makes a list, in place of the oldest ones if there is no more room.
    fn make(&mut self, scheme: &Kgw, seed: u64, words: usize) -> Vec<u64> {
        let mut list = Vec::new();
        while self.bytes + 8 * words > CACHE_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            list = self.lists.remove(&oldest).unwrap_or_default();
            self.bytes = self.bytes.saturating_sub(8 * list.len());
        }
        list.resize(words, 0);
        scheme.draws.chosen(seed, &mut self.targets, &mut list);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn following_one_token_agrees_with_the_list() {
        for vocabulary in [2, 7, 100, 700, 5000] {
            for ratio in [0.25, 0.5, 0.99] {
                let scheme = Kgw::left_hash(77_777, vocabulary, ratio, 2.0, 1).unwrap();
                let list = scheme.green_list(&[vocabulary / 2]);
                for token in 0..vocabulary {
                    assert_eq!(
                        scheme.is_green(&[vocabulary / 2], token),
                        list.contains(&token),
                        "{vocabulary} {token}"
                    );
                }
            }
        }
    }

    #[test]
    fn sparse_and_dense_rows_get_the_same_bias() {
        let left = Kgw::left_hash(77_777, 1000, 0.25, 2.0, 1).unwrap();
        let own = Kgw::self_hash(77_777, 1000, 0.25, 2.0, 3).unwrap();
        for scheme in [left, own] {
            let tail = [4, 5, 6];
            let logits: Vec<f32> = (0..1000).map(|i| (i * 37 % 101) as f32 + i as f32 * 1e-4).collect();
            let mut dense = logits.clone();
            scheme.bias(&tail, None, &mut dense, &mut GreenLists::default());
            let ids: Vec<u32> = (0..1000).rev().collect();
            let mut sparse: Vec<f32> = logits.iter().rev().copied().collect();
            scheme.bias(&tail, Some(&ids), &mut sparse, &mut GreenLists::default());
            sparse.reverse();
            assert_eq!(dense, sparse);
            assert!(dense.iter().zip(&logits).any(|(a, b)| a != b));
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        assert!(matches!(
            Kgw::left_hash(5, 1, 0.25, 2.0, 1),
            Err(Error::Parameter { name: "vocabulary size", .. })
        ));
        assert!(matches!(
            Kgw::left_hash(5, 100, 1.0, 2.0, 1),
            Err(Error::Parameter { name: "greenlist ratio", .. })
        ));
        assert!(matches!(
            Kgw::left_hash(5, 100, 0.5, f32::NAN, 1),
            Err(Error::Parameter { name: "bias", .. })
        ));
        assert!(matches!(
            Kgw::left_hash(5, 100, 0.5, 1.0, 0),
            Err(Error::Parameter { name: "context width", .. })
        ));
    }
}
