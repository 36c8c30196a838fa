//! The choice of a token by keyed Gumbel noise, over sparse candidates or a whole vocabulary.

use crate::float::highest;
use crate::generate::Row;

/// Candidates handled together; a multiple of every engine's block of ids.
pub(crate) const CHUNK: usize = 32;

/// The keyed uniforms of one context, as integers ("levels") that are cheap to draw and to compare.
pub(crate) trait Levels {
    /// No candidate's noise `-ln(-ln u)` exceeds this.
    const MAX_NOISE: f64;
    /// No candidate's noise is below this.
    const MIN_NOISE: f64;

    /// Levels of arbitrary ids.
    fn levels(&self, ids: &[u32; CHUNK]) -> [u32; CHUNK];

    /// Levels of consecutive ids from `first`, a multiple of [`CHUNK`].
    #[inline(always)]
    fn consecutive(&self, first: u32) -> [u32; CHUNK] {
        self.levels(&std::array::from_fn(|i| first + i as u32))
    }

    /// An upper bound of `1 / (1 - u)` for the level is `2^-exponent(gap)`: the gap `1 - u`, times at most 1.001.
    fn gap(level: u32) -> f32;

    /// The uniform number of a level.
    fn uniform(level: u32) -> f64;
}

/// The index in `row` that wins, or `None` if no logit is finite. The lowest index wins ties.
pub(crate) fn pick<L: Levels>(levels: &L, row: &Row<'_>) -> Option<usize> {
    crate::simd::vectorized(
        #[inline(always)]
        || pick_inlined(levels, row),
    )
}

#[inline(always)]
fn pick_inlined<L: Levels>(levels: &L, row: &Row<'_>) -> Option<usize> {
    let (logits, ids) = (row.logits(), row.ids());
    let top = highest(logits);
    if top == f32::NEG_INFINITY {
        return None;
    }
    let mut best = Best { score: f64::NEG_INFINITY, index: None };
    // whatever the noise, a candidate this far below the top cannot win
    let mut floor = f64::from(top) + L::MIN_NOISE - L::MAX_NOISE;
    for (chunk, values) in logits.chunks(CHUNK).enumerate() {
        let start = chunk * CHUNK;
        let bound = floor as f32 - 1e-3;
        let mut alive = false;
        for &value in values {
            alive |= value > bound;
        }
        if !alive {
            continue;
        }
        let drawn = match ids {
            None => levels.consecutive(start as u32),
            Some(ids) => {
                let mut block = [0; CHUNK];
                for (slot, &id) in block.iter_mut().zip(&ids[start..]) {
                    *slot = id;
                }
                levels.levels(&block)
            }
        };
        // noise <= -ln(1 - u) <= -ln 2 * exponent of the gap: one shift instead of two logarithms
        let mut hopeful = [false; CHUNK];
        let mut any = false;
        let score = best.score as f32 - 1e-3;
        for ((hope, &level), &value) in hopeful.iter_mut().zip(&drawn).zip(values) {
            let exponent = (L::gap(level).to_bits() >> 23) as i32 - 127;
            *hope = value - exponent as f32 * std::f32::consts::LN_2 + 2e-3 > score;
            any |= *hope;
        }
        if !any {
            continue;
        }
        for (i, (&hope, (&level, &value))) in hopeful.iter().zip(drawn.iter().zip(values)).enumerate() {
            if hope && value > f32::NEG_INFINITY {
                best.offer(start + i, f64::from(value) - (-L::uniform(level).ln()).ln());
            }
        }
        floor = floor.max(best.score - L::MAX_NOISE);
    }
    // a level of 0 has a score of minus infinity; if no other was drawn, the likeliest candidate stands in
    best.index.or_else(|| logits.iter().position(|&x| x == top))
}

struct Best {
    score: f64,
    index: Option<usize>,
}

impl Best {
    fn offer(&mut self, index: usize, score: f64) {
        if score > self.score {
            *self = Self { score, index: Some(index) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gumbel::VllmGumbel;
    use crate::key::Key64;
    use crate::prf::philox::philox;
    use proptest::prelude::*;

    /// The definition without any pruning.
    fn plain<L: Levels>(levels: &L, row: &Row<'_>) -> Option<usize> {
        let mut best = Best { score: f64::NEG_INFINITY, index: None };
        for (i, &logit) in row.logits().iter().enumerate() {
            let id = row.ids().map_or(i as u32, |ids| ids[i]);
            let level = levels.levels(&[id; CHUNK])[0];
            best.offer(i, f64::from(logit) - (-L::uniform(level).ln()).ln());
        }
        best.index
    }

    proptest! {
        #[test]
        fn pruning_never_changes_the_choice(seed in any::<u32>(), len in 1usize..300, spread in 0.0f32..30.0, sparse in any::<bool>()) {
            let mut logits: Vec<f32> = (0..len as u32)
                .map(|i| spread * (philox([i, 0, 0, 0], [seed, 1])[0] as f32 / u32::MAX as f32))
                .collect();
            logits[len / 2] = f32::NEG_INFINITY;
            let ids: Vec<u32> = (0..len as u32).map(|i| i * 37 % 100_000).collect();
            let scheme = VllmGumbel::new(Key64::new(u64::from(seed) | 1 << 40), 4).unwrap();
            let context = scheme.context(&[seed, 2, 3, 4]);
            let row = if sparse { Row::sparse(&ids, &mut logits) } else { Ok(Row::dense(&mut logits)) };
            let row = row.unwrap();
            prop_assert_eq!(pick(&context, &row), plain(&context, &row));
        }
    }
}
