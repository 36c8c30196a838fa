//! The tournament in probability space: one fused pass over the candidates per layer.

use pulp::{Simd, WithSimd};

use crate::float::{exp_nonpositive, highest, ln_f32};

/// Candidates whose sums are kept in single precision before they join the double-precision total.
const BLOCK: usize = 1024;

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
    pulp::Arch::new().dispatch(Play { logits, layers, leaves, arena })
}

struct Play<'a> {
    logits: &'a [f32],
    layers: usize,
    leaves: Leaves,
    arena: &'a mut Arena,
}

impl WithSimd for Play<'_> {
    type Output = Option<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Option<f64> {
        play_inlined(simd, self.logits, self.layers, self.leaves, self.arena)
    }
}

/// Replaces `logits` by the log-probabilities of the outcome; candidates without probability get `excluded`.
pub(crate) fn write(arena: &Arena, total: f64, excluded: f32, logits: &mut [f32]) {
    crate::simd::vectorized(
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
fn play_inlined<S: Simd>(
    simd: S,
    logits: &[f32],
    layers: usize,
    leaves: Leaves,
    arena: &mut Arena,
) -> Option<f64> {
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
        masses = pass(simd, weights, words, (1.0, 1.0), 0, 0);
        for layer in 0..count {
            let total = masses[0] + masses[1];
            let (zero, one) = leaves.factors(masses[0] / total);
            // the last pass of a plane measures a bit that is not used
            masses = pass(simd, weights, words, (zero, one), layer as u32, (layer as u32 + 1) % 32);
        }
    }
    Some(masses[0] + masses[1])
}

/// Multiplies each weight by the factor its bit `current` selects, and sums weights by bit `next`.
#[inline(always)]
fn pass<S: Simd>(
    simd: S,
    weights: &mut [f32],
    words: &[u32],
    (zero, one): (f32, f32),
    current: u32,
    next: u32,
) -> [f64; 2] {
    let mut masses = [0.0f64; 2];
    let (current, next) = (1u32 << current, 1u32 << next);
    let nothing = simd.splat_u32s(0);
    let none = simd.splat_f32s(0.0);
    let (zeros_factor, ones_factor) = (simd.splat_f32s(zero), simd.splat_f32s(one));
    let (current_bit, next_bit) = (simd.splat_u32s(current), simd.splat_u32s(next));
    for (weights, words) in weights.chunks_mut(BLOCK).zip(words.chunks(BLOCK)) {
        // both classes are summed: one minus the other would cancel when one token holds nearly everything
        let (mut ones, mut zeros) = (none, none);
        let (lanes, rest) = S::as_mut_simd_f32s(weights);
        let (bits, rest_bits) = S::as_simd_u32s(words);
        for (weight, &word) in lanes.iter_mut().zip(bits) {
            let lost = simd.equal_u32s(simd.and_u32s(word, current_bit), nothing);
            let new = simd.mul_f32s(*weight, simd.select_f32s(lost, zeros_factor, ones_factor));
            *weight = new;
            let loses = simd.equal_u32s(simd.and_u32s(word, next_bit), nothing);
            zeros = simd.add_f32s(zeros, simd.select_f32s(loses, new, none));
            ones = simd.add_f32s(ones, simd.select_f32s(loses, none, new));
        }
        masses[0] += f64::from(simd.reduce_sum_f32s(zeros));
        masses[1] += f64::from(simd.reduce_sum_f32s(ones));
        for (weight, &word) in rest.iter_mut().zip(rest_bits) {
            *weight *= if word & current == 0 { zero } else { one };
            masses[usize::from(word & next != 0)] += f64::from(*weight);
        }
    }
    masses
}
