//! Reading a payload: scores per place and symbol, the best codeword, and a bound on being wrong.

use super::code::{self, DATA, PLACES, PRODUCTS, SYMBOLS, spread};
use super::doubt::{HIGH, MAX_LOG10_WRONG, log10_wrong};
use super::{Payload, PayloadMark};
use crate::detect::Tested;
use crate::gumbel::vllm_scores;
use crate::null::Null;
use crate::window::Windows;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// `log10` of the number of codewords.
const LOG10_CODEWORDS: f64 = 24.0 * std::f64::consts::LOG10_2;
/// A payload is looked for in texts that carry any, by this `log10 p`.
const MAX_LOG10_P: f64 = -5.0;
/// Codewords looked at while searching the best one.
const MAX_TRIED: usize = 20_000;
/// Distribution of the sum of a codeword's scores in text that does not carry it.
const NULL: Null = Null::Gamma { shape: 1.0, scale: 1.0 };

/// A payload that was read safely.
#[derive(Clone, Debug, PartialEq)]
pub struct PayloadReading {
    /// What the text carries.
    pub payload: Payload,
    /// `log10` of an upper bound, over random keys, on the chance of reading another payload than the one written.
    pub log10_wrong: f64,
    /// `log10 p` of the symbol at each place, corrected for its 16 values: how much each place supports the reading.
    pub places: Vec<f64>,
}

/// Sums of scores per place and symbol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(super) counts: [usize; PLACES],
    pub(super) sums: [[f64; SYMBOLS]; PLACES],
    /// Number of scores that are high.
    pub(super) highs: [[u32; SYMBOLS]; PLACES],
}

impl PayloadMark {
    /// Adds the scores of the next part of a sample.
    pub(crate) fn tally(&self, windows: &Windows, tally: &mut Tally) {
        let (stream, positions) = (&windows.stream[..], &windows.positions[..]);
        let places: Vec<usize> =
            positions.iter().map(|&p| self.place(&stream[p as usize - self.width..p as usize])).collect();
        for &place in &places {
            tally.counts[place] += 1;
        }
        let mut scores = Vec::new();
        for (symbol, key) in self.symbol_keys.iter().enumerate() {
            scores.clear();
            scores.resize(positions.len(), 0.0);
            vllm_scores(key, self.width, stream, positions, 1.0, &mut scores);
            for (&place, score) in places.iter().zip(&scores) {
                tally.sums[place][symbol] += score;
                tally.highs[place][symbol] += u32::from(*score >= HIGH);
            }
        }
    }
}

impl Tally {
    /// Number of scored tokens.
    pub(crate) fn scored(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Tests for any payload and reads it.
    pub(crate) fn test(&self) -> Tested {
        let word = self.best();
        let scored = self.scored();
        let score = self.score(&word);
        // the best of 2^24 codewords, each with a Gamma distributed sum
        let log10_p = (NULL.log10_tail(scored, score) + LOG10_CODEWORDS).min(0.0);
        let payload = (log10_p <= MAX_LOG10_P).then(|| log10_wrong(self, &word)).and_then(|log10_wrong| {
            let place = |j: usize| {
                let tail = NULL.log10_tail(self.counts[j], self.sums[j][usize::from(word[j])]);
                (tail + (SYMBOLS as f64).log10()).min(0.0)
            };
            (log10_wrong <= MAX_LOG10_WRONG).then(|| PayloadReading {
                payload: Payload::from_bits(code::decode(&word)),
                log10_wrong,
                places: (0..PLACES).map(place).collect(),
            })
        });
        Tested {
            scored,
            score,
            expected: scored as f64,
            log10_p_whole: log10_p,
            log10_p_window: None,
            log10_p_weighted: None,
            log10_p,
            windows: 0,
            regions: Vec::new(),
            payload,
        }
    }

    fn score(&self, word: &[u8; PLACES]) -> f64 {
        self.sums.iter().zip(word).map(|(sums, &symbol)| sums[usize::from(symbol)]).sum()
    }

    /// The codeword with the highest score: six places that stand out decide the others, and their symbols are tried in
    /// falling order of score until no untried choice can beat the best codeword found.
    fn best(&self) -> [u8; PLACES] {
        let ranked: Vec<[u8; SYMBOLS]> = self
            .sums
            .iter()
            .map(|sums| {
                let mut order: [u8; SYMBOLS] = std::array::from_fn(|s| s as u8);
                order.sort_by(|&a, &b| sums[usize::from(b)].total_cmp(&sums[usize::from(a)]));
                order
            })
            .collect();
        let at = |place: usize, rank: usize| self.sums[place][usize::from(ranked[place][rank])];
        let mut order: [usize; PLACES] = std::array::from_fn(|place| place);
        order.sort_by(|&a, &b| (at(b, 0) - at(b, 1)).total_cmp(&(at(a, 0) - at(a, 1))));
        let known: [usize; DATA] = std::array::from_fn(|i| order[i]);
        let basis = spread(known);
        let rest: f64 = order[DATA..].iter().map(|&place| at(place, 0)).sum();
        let loss = |ranks: &[u8; DATA]| {
            (0..DATA).map(|i| at(known[i], 0) - at(known[i], usize::from(ranks[i]))).sum::<f64>()
        };
        let top: f64 = known.iter().map(|&place| at(place, 0)).sum::<f64>() + rest;
        let mut best = ([0u8; PLACES], f64::NEG_INFINITY);
        let mut open = BinaryHeap::from([Choice { loss: 0.0, ranks: [0; DATA], last: 0 }]);
        for _ in 0..MAX_TRIED {
            let Some(choice) = open.pop() else { break };
            if top - choice.loss <= best.1 {
                break;
            }
            let word: [u8; PLACES] = std::array::from_fn(|place| {
                (0..DATA).fold(0, |sum, i| {
                    let symbol = ranked[known[i]][usize::from(choice.ranks[i])];
                    sum ^ PRODUCTS[usize::from(symbol)][usize::from(basis[i][place])]
                })
            });
            let score = self.score(&word);
            if score > best.1 {
                best = (word, score);
            }
            // each combination has one parent: the one with its last raised rank lowered
            for i in choice.last..DATA {
                let mut ranks = choice.ranks;
                ranks[i] += 1;
                if usize::from(ranks[i]) < SYMBOLS {
                    open.push(Choice { loss: loss(&ranks), ranks, last: i });
                }
            }
        }
        best.0
    }
}

/// A choice of symbols at the known places, by rank.
struct Choice {
    loss: f64,
    ranks: [u8; DATA],
    last: usize,
}

impl Ord for Choice {
    fn cmp(&self, other: &Self) -> Ordering {
        // the heap gives the smallest loss first
        other.loss.total_cmp(&self.loss)
    }
}

impl PartialOrd for Choice {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Choice {}
