//! The scores of the reference detectors, for comparing with them. P-values come from [`crate::Detector`].

use super::SynthId;
use std::collections::HashMap;

/// The bits of every scored position and which of them count.
#[derive(Clone, Debug)]
pub struct SynthIdScores {
    /// Bits of the tokens from index `width` on; bit `l` belongs to layer `l`.
    pub bits: Vec<u64>,
    /// Which of them count.
    pub mask: Vec<bool>,
    layers: usize,
}

/// Which positions the reference detectors leave out.
#[derive(Clone, Copy, Debug, Default)]
pub struct SynthIdMask {
    /// Id of the end token: it and everything after it is left out.
    pub end: Option<u32>,
}

impl SynthId {
    /// The bits of `tokens` and the reference's mask: a context seen among the last [`Self::history`] ones is a repeat.
    pub fn reference_scores(&self, tokens: &[u32], mask: SynthIdMask) -> SynthIdScores {
        let end = mask.end.and_then(|end| tokens.iter().position(|&t| t == end)).unwrap_or(tokens.len());
        let mut scores = SynthIdScores { bits: Vec::new(), mask: Vec::new(), layers: self.layers() };
        // the ring starts filled with zeros
        let mut seen: HashMap<u64, usize> = HashMap::from([(0, 0)]);
        for (i, window) in tokens.windows(self.width() + 1).enumerate() {
            let (Some(&token), Some(context)) = (window.last(), window.get(..self.width())) else { continue };
            let hash = self.context_hash(context);
            let repeated = seen.insert(hash, i + 1).is_some_and(|last| {
                if hash == 0 && last == 0 { i < self.history() } else { i + 1 - last <= self.history() }
            });
            scores.bits.push(self.bits(hash, token));
            scores.mask.push(!repeated && i + self.width() < end);
        }
        scores
    }
}

impl SynthIdScores {
    /// Number of positions that count.
    pub fn counted(&self) -> usize {
        self.mask.iter().filter(|&&counts| counts).count()
    }

    /// Mean of the counted bits over positions and layers; `None` if no position counts.
    pub fn mean(&self) -> Option<f64> {
        self.weighted(&vec![1.0; self.layers])
    }

    /// The same with layer weights falling in a line from 10 to 1, scaled to a mean of 1.
    pub fn weighted_mean(&self) -> Option<f64> {
        let m = self.layers;
        let last = m.saturating_sub(1).max(1) as f64;
        let weights: Vec<f64> = (0..m).map(|l| 10.0 - 9.0 * l as f64 / last).collect();
        let sum: f64 = weights.iter().sum();
        self.weighted(&weights.iter().map(|w| w * m as f64 / sum).collect::<Vec<_>>())
    }

    fn weighted(&self, weights: &[f64]) -> Option<f64> {
        let counted = self.counted();
        let sum: f64 = self
            .bits
            .iter()
            .zip(&self.mask)
            .filter(|&(_, &counts)| counts)
            .map(|(&bits, _)| {
                weights.iter().enumerate().filter(|(l, _)| bits >> l & 1 == 1).map(|(_, w)| w).sum::<f64>()
            })
            .sum();
        (counted > 0).then(|| sum / (self.layers * counted) as f64)
    }
}
