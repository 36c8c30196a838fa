//! The tournament in probability space: one fused pass over the candidates per layer.

use pulp::{Simd, WithSimd};

use crate::float::{VANISHES, exp_nonpositive, highest, ln_f32};

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
///
/// Candidates with the same bits win and lose together, so those that are a whole number of plane lengths apart are played
/// as one **class**.
#[derive(Default)]
pub(crate) struct Arena {
    /// Bits of the classes, filled before [`play`]; no more of them than candidates.
    pub(crate) planes: Vec<Vec<u32>>,
    /// Masses of the classes.
    weights: Vec<f32>,
    /// The same before the first layer, where classes have several members.
    before: Vec<f32>,
    /// Probabilities of the candidates, where classes have several members.
    members: Vec<f32>,
    /// The highest logit.
    top: f32,
}

impl Arena {
    /// The relative probabilities of the candidates after [`play`] and their sum.
    pub(crate) fn outcome(&mut self, logits: &[f32]) -> (&[f32], f64) {
        let Self { weights, before, members, top, .. } = self;
        let weights: &[f32] = if before.is_empty() {
            weights
        } else {
            crate::simd::vectorized(
                #[inline(always)]
                || {
                    for (before, &after) in before.iter_mut().zip(&*weights) {
                        *before = if *before > 0.0 { after / *before } else { 0.0 };
                    }
                    members.clear();
                    members.resize(logits.len(), 0.0);
                    for (members, logits) in members.chunks_mut(before.len()).zip(logits.chunks(before.len()))
                    {
                        for ((member, &logit), &gain) in members.iter_mut().zip(logits).zip(&*before) {
                            *member = exp_nonpositive(logit - *top) * gain;
                        }
                    }
                },
            );
            members
        };
        let total = weights.chunks(BLOCK).map(|block| f64::from(block.iter().sum::<f32>())).sum();
        (weights, total)
    }
}

/// Turns `logits` into probabilities and lets `layers` rounds be played on the bits in `arena`. Returns the total mass.
///
/// Masses of classes end up in the arena, relative to that total; `None` when no logit is finite.
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

/// Replaces the `logits` that were played by the log-probabilities of the outcome; candidates without probability get
/// `excluded`.
pub(crate) fn write(arena: &mut Arena, total: f64, excluded: f32, logits: &mut [f32]) {
    crate::simd::vectorized(
        #[inline(always)]
        || {
            let shift = total.ln() as f32;
            let Arena { weights, before, top, .. } = arena;
            if before.is_empty() {
                for (logit, &weight) in logits.iter_mut().zip(&*weights) {
                    let value = ln_f32(weight) - shift;
                    *logit = if weight > 0.0 { value } else { excluded };
                }
                return;
            }
            // what every member of a class gains
            for (gain, &after) in before.iter_mut().zip(&*weights) {
                let value = ln_f32(after / *gain) - shift;
                *gain = if after > 0.0 { value } else { f32::NEG_INFINITY };
            }
            for logits in logits.chunks_mut(before.len()) {
                for (logit, &gain) in logits.iter_mut().zip(&*before) {
                    let below = *logit - *top;
                    let possible = below > VANISHES && gain > f32::NEG_INFINITY;
                    *logit = if possible { below + gain } else { excluded };
                }
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
    let Arena { planes, weights, before, top: kept, .. } = arena;
    let top = highest(logits);
    if top == f32::NEG_INFINITY {
        return None;
    }
    *kept = top;
    let classes = planes.first().map_or(0, Vec::len);
    weights.clear();
    weights.resize(classes, 0.0);
    let (first, others) = logits.split_at(classes.min(logits.len()));
    for (weight, &logit) in weights.iter_mut().zip(first) {
        *weight = exp_nonpositive(logit - top);
    }
    before.clear();
    if !others.is_empty() {
        for logits in others.chunks(classes) {
            for (weight, &logit) in weights.iter_mut().zip(logits) {
                *weight += exp_nonpositive(logit - top);
            }
        }
        before.extend_from_slice(weights);
    }
    let mut masses = [0.0; 2];
    for (plane, words) in planes.iter().enumerate() {
        let first = 32 * plane;
        let count = layers.saturating_sub(first).min(32);
        if count == 0 {
            break;
        }
        let mut sums = pass(simd, weights, words, [1.0; 4], [0, 0], [0, 1]);
        let mut layer = 0;
        while layer < count {
            // sums by the bits of this layer and the next: 00, 01, 10, 11
            let totals = [sums[0] + sums[1], sums[2] + sums[3]];
            let (zero, one) = leaves.factors(totals[0] / (totals[0] + totals[1]));
            let (z, o) = (f64::from(zero), f64::from(one));
            // what the next layer will find once this one has been played
            masses = [z * sums[0] + o * sums[2], z * sums[1] + o * sums[3]];
            let (zero_next, one_next) = if layer + 1 < count {
                leaves.factors(masses[0] / (masses[0] + masses[1]))
            } else {
                (1.0, 1.0)
            };
            let factors = [zero * zero_next, zero * one_next, one * zero_next, one * one_next];
            let bit = |i: usize| (i % 32) as u32;
            // the last pass of a plane measures bits that are not used
            sums = pass(
                simd,
                weights,
                words,
                factors,
                [bit(layer), bit(layer + 1)],
                [bit(layer + 2), bit(layer + 3)],
            );
            layer += 2;
        }
        masses = [sums[0] + sums[1], sums[2] + sums[3]];
    }
    Some(masses[0] + masses[1])
}

/// Multiplies each weight by the factor its two bits `current` select, and sums weights by their two bits `next`. Factors
/// and sums are in the order 00, 01, 10, 11.
///
/// Two layers go together because a whole vocabulary does not fit into the cache closest to the processor: half as many
/// passes read and write it.
#[inline(always)]
fn pass<S: Simd>(
    simd: S,
    weights: &mut [f32],
    words: &[u32],
    factors: [f32; 4],
    current: [u32; 2],
    next: [u32; 2],
) -> [f64; 4] {
    let mut masses = [0.0f64; 4];
    let nothing = simd.splat_u32s(0);
    let none = simd.splat_f32s(0.0);
    let [f00, f01, f10, f11] = factors.map(|f| simd.splat_f32s(f));
    let [c0, c1] = current.map(|bit| simd.splat_u32s(1 << bit));
    let [n0, n1] = next.map(|bit| simd.splat_u32s(1 << bit));
    for (weights, words) in weights.chunks_mut(BLOCK).zip(words.chunks(BLOCK)) {
        // every class is summed: a total minus the others would cancel when one token holds nearly everything
        let (mut s00, mut s01, mut s10, mut s11) = (none, none, none, none);
        let (lanes, rest) = S::as_mut_simd_f32s(weights);
        let (bits, rest_bits) = S::as_simd_u32s(words);
        for (weight, &word) in lanes.iter_mut().zip(bits) {
            let first = simd.equal_u32s(simd.and_u32s(word, c0), nothing);
            let second = simd.equal_u32s(simd.and_u32s(word, c1), nothing);
            let factor = simd.select_f32s(
                first,
                simd.select_f32s(second, f00, f01),
                simd.select_f32s(second, f10, f11),
            );
            let new = simd.mul_f32s(*weight, factor);
            *weight = new;
            let first = simd.equal_u32s(simd.and_u32s(word, n0), nothing);
            let second = simd.equal_u32s(simd.and_u32s(word, n1), nothing);
            let (zeros, ones) = (simd.select_f32s(first, new, none), simd.select_f32s(first, none, new));
            s00 = simd.add_f32s(s00, simd.select_f32s(second, zeros, none));
            s01 = simd.add_f32s(s01, simd.select_f32s(second, none, zeros));
            s10 = simd.add_f32s(s10, simd.select_f32s(second, ones, none));
            s11 = simd.add_f32s(s11, simd.select_f32s(second, none, ones));
        }
        masses[0] += f64::from(simd.reduce_sum_f32s(s00));
        masses[1] += f64::from(simd.reduce_sum_f32s(s01));
        masses[2] += f64::from(simd.reduce_sum_f32s(s10));
        masses[3] += f64::from(simd.reduce_sum_f32s(s11));
        let class =
            |word: u32, [first, second]: [u32; 2]| (2 * (word >> first & 1) + (word >> second & 1)) as usize;
        for (weight, &word) in rest.iter_mut().zip(rest_bits) {
            *weight *= factors[class(word, current)];
            masses[class(word, next)] += f64::from(*weight);
        }
    }
    masses
}
