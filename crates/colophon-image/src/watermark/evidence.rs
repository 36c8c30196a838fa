//! When a word counts: the bound on the chance of a false one.
//!
//! The key draws the phase of every lattice point and the dither of every cosine, independently of any picture that was
//! made without it. On such a picture the angle between a received value and a fixed code word is therefore uniform at
//! every point, whatever the picture is: text, fabric, halftone, noise, a picture marked with another key. The sum that
//! a word scores is a sum of known sizes times cosines of independent uniform angles, and Chernoff's bound
//! ([`log10_phase_sum`]) holds without any model of pictures. What the reader chooses, it chooses by sizes (the geometry,
//! the weights) or by pilots (offset, fine geometry, signs of the channels); data points have phases of their own and
//! only they are counted. What is left to unite over: the 2^64 words and the times per picture that words are decoded.

use super::schedule::Schedule;
use colophon_signal::stats::{log10_phase_sum, log10_union};

/// A word counts when the bound on the chance of a false one, over all words and decodings, is below 10 to this.
pub(crate) const THRESHOLD: f64 = -12.0;
/// Payload words, and decodings per picture (at most 2^8, in the deep search), as a power of two.
const LOG2_TRIALS: f64 = 64.0 + 8.0;

/// A decoded word and how well it fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) payload: u64,
    /// The word's sum in deviations of that sum on unmarked pictures.
    pub(crate) z: f64,
    /// Upper bound of the chance that an unmarked picture reads this well.
    pub(crate) log10_p: f64,
}

impl Reading {
    /// Judges a word with the score `sum` from values of these sizes.
    fn of_phases(payload: u64, sum: f64, sizes: &[f64]) -> Self {
        let deviation = (0.5 * sizes.iter().map(|a| a * a).sum::<f64>()).sqrt();
        let log10_p = log10_union(log10_phase_sum(sum, sizes), LOG2_TRIALS);
        Self { payload, z: sum / deviation.max(1e-12), log10_p }
    }

    /// The best word in `soft`, whose bits come from values of these sizes: the one that the surest bits spell if that counts,
    /// or else of those that are searched for. Whichever way a word was come by, the bound is over all words.
    pub(crate) fn of_bits(schedule: &Schedule, soft: &[f32], sizes: &[f64]) -> Option<Self> {
        let judge = |(payload, word): (u64, Vec<f32>)| {
            let sum: f64 = word.iter().zip(soft).map(|(&w, &s)| f64::from(w * s)).sum();
            Self::of_phases(payload, sum, sizes)
        };
        let best = |words: Vec<(u64, Vec<f32>)>| {
            words.into_iter().map(judge).min_by(|a, b| a.log10_p.total_cmp(&b.log10_p))
        };
        best(schedule.read_off(soft)).filter(Self::counts).or_else(|| best(schedule.decode(soft)))
    }

    /// Good enough to count.
    pub(crate) fn counts(&self) -> bool {
        self.log10_p < THRESHOLD
    }
}
