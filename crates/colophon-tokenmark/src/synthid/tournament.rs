//! The tournament in probability space: one fused pass over the candidates per layer.

use crate::float::{exp_nonpositive, highest, ln_f32};

/// Candidates whose sums are kept in single precision before they join the double-precision total.
const BLOCK: usize = 1024;
const LANES: usize = 16;

/// Leaves of each match.
#[derive(Clone, Copy)]
pub(crate) struct Leaves(pub(crate) u32);

impl Leaves {
    /// Factors of losers and winners, given the probability `zeros` of a 0 bit: with `N` leaves `zeros^(N-1)`, and
    /// `(1 - zeros^N) / (1 - zeros)`, written as a geometric sum so that nothing cancels. For two leaves these are
    /// `1 - G` and `1 + (1 - G)`.
    #[inline(always)]
    fn factors(self, zeros: f64) -> (f32, f32) {
        let (mut power, mut sum) = (1.0, 1.0);
        for _ in 1..self.0 {
            power *= zeros;
            sum += power;
        }
        (power as f32, sum as f32)
    }
}

/// Buffers of a tournament, kept between calls.
#[derive(Default)]
pub(crate) struct Arena {
    /// Bits of the candidates, filled before [`play`].
    pub(crate) planes: Vec<Vec<u32>>,
    weights: Vec<f32>,
}

impl Arena {
    /// The relative probabilities after [`play`] and their sum.
    pub(crate) fn outcome(&self) -> (&[f32], f64) {
        let total = self.weights.chunks(BLOCK).map(|block| f64::from(block.iter().sum::<f32>())).sum();
        (&self.weights, total)
    }
}

/// Turns `logits` into probabilities and lets `layers` rounds be played on the bits in `arena`. Returns the total mass.
///
/// Probabilities end up in the arena, relative to that total; `None` when no logit is finite.
pub(crate) fn play(logits: &[f32], layers: usize, leaves: Leaves, arena: &mut Arena) -> Option<f64> {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || play_inlined(logits, layers, leaves, arena),
    )
}

/// Replaces `logits` by the log-probabilities of the outcome; candidates without probability get `excluded`.
pub(crate) fn write(arena: &Arena, total: f64, excluded: f32, logits: &mut [f32]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let shift = total.ln() as f32;
            for (logit, &weight) in logits.iter_mut().zip(&arena.weights) {
                let value = ln_f32(weight) - shift;
                *logit = if weight > 0.0 { value } else { excluded };
            }
        },
    );
}

#[inline(always)]
fn play_inlined(logits: &[f32], layers: usize, leaves: Leaves, arena: &mut Arena) -> Option<f64> {
    let Arena { planes, weights } = arena;
    let top = highest(logits);
    if top == f32::NEG_INFINITY {
        return None;
    }
    weights.clear();
    weights.resize(logits.len(), 0.0);
    for (weight, &logit) in weights.iter_mut().zip(logits) {
        *weight = exp_nonpositive(logit - top);
    }
    let mut masses = [0.0; 2];
    for (plane, words) in planes.iter().enumerate() {
        let first = 32 * plane;
        let count = layers.saturating_sub(first).min(32);
        if count == 0 {
            break;
        }
        masses = pass(weights, words, (1.0, 1.0), 0, 0);
        for layer in 0..count {
            let total = masses[0] + masses[1];
            let (zero, one) = leaves.factors(masses[0] / total);
            // the last pass of a plane measures a bit that is not used
            masses = pass(weights, words, (zero, one), layer as u32, (layer as u32 + 1) % 32);
        }
    }
    Some(masses[0] + masses[1])
}

/// Multiplies each weight by the factor its bit `current` selects, and sums weights by bit `next`.
#[inline(always)]
fn pass(weights: &mut [f32], words: &[u32], (zero, one): (f32, f32), current: u32, next: u32) -> [f64; 2] {
    let mut masses = [0.0f64; 2];
    for (weights, words) in weights.chunks_mut(BLOCK).zip(words.chunks(BLOCK)) {
        let mut ones = [0.0f32; LANES];
        // both classes are summed: one minus the other would cancel when one token holds nearly everything
        let mut zeros = [0.0f32; LANES];
        let mut lanes = weights.chunks_exact_mut(LANES);
        let mut bits = words.chunks_exact(LANES);
        for (weights, words) in (&mut lanes).zip(&mut bits) {
            for lane in 0..LANES {
                let factor = if words[lane] >> current & 1 == 1 { one } else { zero };
                let weight = weights[lane] * factor;
                weights[lane] = weight;
                let bit = words[lane] >> next & 1 == 1;
                zeros[lane] += if bit { 0.0 } else { weight };
                ones[lane] += if bit { weight } else { 0.0 };
            }
        }
        for (lane, (weight, &word)) in lanes.into_remainder().iter_mut().zip(bits.remainder()).enumerate() {
            *weight *= if word >> current & 1 == 1 { one } else { zero };
            if word >> next & 1 == 1 {
                ones[lane] += *weight;
            } else {
                zeros[lane] += *weight;
            }
        }
        masses[0] += f64::from(sum(zeros));
        masses[1] += f64::from(sum(ones));
    }
    masses
}

#[inline(always)]
fn sum(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}
