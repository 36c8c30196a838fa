//! How much each cell is raised or lowered: the perceptual half of the embedder.
//!
//! The step of a cell follows the natural fluctuation of its band (small on steady tones, large on noise and consonants),
//! grows where neighbouring bands mask the cell, and leans against what the sound itself says: a cell that already
//! agrees with its sign gets less, one that disagrees more.

use std::collections::VecDeque;

use super::analysis::{AFTER, BEFORE, BandMap, Bands, Fluctuation, deviation, running_sums};
use super::layout::{BANDS, HOPS_PER_ROW, ROWS, band_edges};

/// Step at strength 1 in decibels for a band whose fluctuation is [`REFERENCE_DB`].
const STEP_DB: f32 = 1.15;
const REFERENCE_DB: f32 = 2.5;
/// The step grows with this power of the fluctuation.
const EXPONENT: f32 = 0.7;
/// Smallest and, at strength 1, largest plain step in decibels.
const STEP_MIN_DB: f32 = 0.35;
const STEP_MAX_DB: f32 = 3.0;
/// Share of the sound's own deviation that is made up for.
const LEAN: f32 = 0.2;
/// Deviations beyond this many decibels are not leaned against any harder.
const LEAN_LIMIT_DB: f32 = 6.0;
/// Bounds of the step after leaning, as multiples of the plain step.
const LEAN_RANGE: (f32, f32) = (0.35, 2.0);
/// The step grows with this power of the masking by other bands (amplitude ratio), within the bounds.
const MASKING_EXPONENT: f32 = 0.35;
const MASKING_RANGE: (f32, f32) = (0.5, 3.0);
/// Slopes of masking in decibels per Bark towards lower and higher bands.
const MASKING_SLOPES_DB: (f64, f64) = (27.0, 12.0);
/// Share of a row's gain that is taken back from the rows before and after: the detector subtracts them.
const SHARPEN: f32 = 0.25;
/// Hops that count towards the fluctuation, before and after a row's first: the second is the embedder's delay.
const LOOK_BACK: usize = 64;
const LOOK_AHEAD: usize = 32;
/// Noise-to-mask ratio that the steps are steered to at strength 1, by the estimate in [`GainPlanner::noise_to_mask`].
const NOISE_TO_MASK: f32 = 0.009;
/// How far they follow: 0 not at all, 1 all the way; and within which bounds.
const STEERING: f32 = 0.85;
const STEERING_RANGE: (f32, f32) = (0.75, 1.6);
/// Share of each row in the running estimate: a time constant of 1.3 s.
const STEERING_PACE: f32 = 0.025;
/// Largest gain of a cell in decibels, whatever the strength.
const GAIN_LIMIT_DB: f32 = 8.0;

/// Power spectra, hop by hop → gains in decibels, row by row.
pub(super) struct GainPlanner {
    pattern: Vec<i8>,
    strength: f32,
    map: BandMap,
    sums: Vec<f64>,
    /// `masking[to][from]`: share of the energy of band `from` that counts as masker in band `to`.
    masking: Vec<Bands>,
    /// Levels not yet forgotten; the first belongs to hop `first_level`.
    levels: VecDeque<Bands>,
    first_level: usize,
    deviations: VecDeque<Bands>,
    first_deviation: usize,
    fluctuation: Fluctuation,
    /// Unsharpened gains of the two rows before the next.
    previous: [Bands; 2],
    rows: usize,
    /// Running noise-to-mask ratio of the unsteered steps.
    noise_to_mask: f32,
}

impl GainPlanner {
    /// For the period `pattern` (signs, row-major) at `strength`.
    pub(super) fn new(pattern: Vec<i8>, strength: f32) -> Self {
        Self {
            pattern,
            strength,
            map: BandMap::new(1.0),
            sums: Vec::new(),
            masking: masking(),
            levels: VecDeque::new(),
            first_level: 0,
            deviations: VecDeque::new(),
            first_deviation: 0,
            fluctuation: Fluctuation::new(),
            previous: [[0.0; BANDS]; 2],
            rows: 0,
            noise_to_mask: NOISE_TO_MASK * strength * strength,
        }
    }

    /// Takes the spectrum of the next hop; hands the gains of each row that is settled to `each`, in order.
    pub(super) fn push(&mut self, power: &[f32], each: &mut dyn FnMut(&Bands)) {
        running_sums(power, &mut self.sums);
        let level = self.map.levels(&self.sums);
        self.push_level(level, each);
    }

    /// Ends the sound: gains of all rows up to `rows`.
    pub(super) fn finish(&mut self, rows: usize, each: &mut dyn FnMut(&Bands)) {
        let Some(last) = self.levels.back().copied() else { return };
        // One row is held back for sharpening, so one more than wanted is planned.
        while self.rows < rows + 1 {
            self.push_level(last, each);
        }
    }

    fn push_level(&mut self, level: Bands, each: &mut dyn FnMut(&Bands)) {
        self.levels.push_back(level);
        let newest = self.first_level + self.levels.len() - 1;
        let Some(hop) = newest.checked_sub(AFTER) else { return };
        let first = self.first_level;
        let around =
            std::array::from_fn(|k| self.levels[(hop + k).saturating_sub(BEFORE).max(first) - first]);
        let mut next = [0.0; BANDS];
        deviation(&around, &mut next);
        self.fluctuation.enter(&next);
        self.deviations.push_back(next);
        let Some(hop) = hop.checked_sub(LOOK_AHEAD) else { return };
        if hop - self.first_deviation > LOOK_BACK
            && let Some(old) = self.deviations.pop_front()
        {
            self.fluctuation.leave(&old);
            self.first_deviation += 1;
        }
        if hop.is_multiple_of(HOPS_PER_ROW) {
            let gains = self.row(hop);
            if self.rows > 0 {
                let mut sharpened = self.previous[1];
                for (band, gain) in sharpened.iter_mut().enumerate() {
                    *gain -= SHARPEN * (self.previous[0][band] + gains[band]);
                    *gain = gain.clamp(-GAIN_LIMIT_DB, GAIN_LIMIT_DB);
                }
                each(&sharpened);
            }
            self.previous = [self.previous[1], gains];
            self.rows += 1;
        }
        while self.first_level + BEFORE < hop {
            self.levels.pop_front();
            self.first_level += 1;
        }
    }

    /// Signed steps of the row that begins at `hop`.
    fn row(&mut self, hop: usize) -> Bands {
        let start = (hop / HOPS_PER_ROW % ROWS) * BANDS;
        let signs = &self.pattern[start..start + BANDS];
        let own = &self.deviations[hop - self.first_deviation];
        let spread = self.fluctuation.value();
        let ratios = self.masker_to_own(&self.levels[hop + 1 - self.first_level]);
        let mut sorted = ratios;
        sorted.sort_unstable_by(f32::total_cmp);
        let median = sorted[BANDS / 2].max(f32::MIN_POSITIVE);
        let target = NOISE_TO_MASK * self.strength * self.strength;
        let steering =
            (target / self.noise_to_mask).powf(STEERING / 2.0).clamp(STEERING_RANGE.0, STEERING_RANGE.1);
        let mut gains = [0.0; BANDS];
        let mut noise = 0.0;
        for (band, gain) in gains.iter_mut().enumerate() {
            let sign = f32::from(signs[band]);
            let plain = STEP_DB * self.strength * (spread[band] / REFERENCE_DB).powf(EXPONENT);
            let plain =
                plain.clamp(STEP_MIN_DB.min(STEP_MAX_DB * self.strength), STEP_MAX_DB * self.strength);
            let lean = LEAN * (sign * own[band]).clamp(-LEAN_LIMIT_DB, LEAN_LIMIT_DB);
            let step = (plain - lean).clamp(LEAN_RANGE.0 * plain, LEAN_RANGE.1 * plain);
            let masked = (ratios[band] / median).powf(MASKING_EXPONENT / 2.0);
            *gain = sign * step * masked.clamp(MASKING_RANGE.0, MASKING_RANGE.1);
            // A gain of g dB changes the amplitude by about g · ln 10 / 20.
            noise += (*gain * 0.115_13).powi(2) / ratios[band];
            *gain *= steering;
        }
        self.noise_to_mask += STEERING_PACE * (noise / BANDS as f32 - self.noise_to_mask);
        gains
    }

    /// Energy that masks each band, its own spread included, relative to its own.
    fn masker_to_own(&self, levels: &Bands) -> Bands {
        let energies = levels.map(|level| 10f32.powf(level / 10.0));
        let mut ratios = [1.0f32; BANDS];
        for ((ratio, shares), own) in ratios.iter_mut().zip(&self.masking).zip(&energies) {
            let masker: f32 = shares.iter().zip(&energies).map(|(share, energy)| share * energy).sum();
            *ratio = masker / own.max(f32::MIN_POSITIVE);
        }
        ratios
    }
}

/// Spreading of masking over the bands. Bark scale after Schroeder, Atal and Hall 1979: 7·asinh(f / 650 Hz).
fn masking() -> Vec<Bands> {
    let edges = band_edges();
    let bark: Vec<f64> =
        edges.windows(2).map(|edge| 7.0 * (f64::midpoint(edge[0], edge[1]) / 650.0).asinh()).collect();
    bark.iter()
        .map(|to| {
            let mut shares = [0.0; BANDS];
            for (share, from) in shares.iter_mut().zip(&bark) {
                let distance = to - from;
                let fall = if distance < 0.0 {
                    -distance * MASKING_SLOPES_DB.0
                } else {
                    distance * MASKING_SLOPES_DB.1
                };
                *share = 10f64.powf(-fall / 10.0) as f32;
            }
            shares
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watermark::layout::{BINS, CELLS};

    #[test]
    fn every_row_up_to_the_end_gets_gains() {
        for hops in [1usize, 40, 45, 400] {
            let mut planner = GainPlanner::new(vec![1; CELLS], 1.0);
            let mut rows = 0;
            let power: Vec<f32> = (0..BINS).map(|bin| 1.0 + (bin % 7) as f32).collect();
            (0..hops).for_each(|_| planner.push(&power, &mut |_| rows += 1));
            planner.finish(hops / HOPS_PER_ROW + 2, &mut |_| rows += 1);
            assert_eq!(rows, hops / HOPS_PER_ROW + 2);
        }
    }

    #[test]
    fn steady_sound_gets_small_steps_and_noise_large_ones() {
        let largest = |jump: f32| {
            let mut planner = GainPlanner::new(vec![1; CELLS], 1.0);
            let mut largest = 0.0f32;
            for hop in 0..400usize {
                let power: Vec<f32> =
                    (0..BINS).map(|bin| 1.0 + jump * ((hop * 7919 + bin * 104_729) % 101) as f32).collect();
                planner
                    .push(&power, &mut |gains| largest = gains.iter().fold(largest, |a, b| a.max(b.abs())));
            }
            largest
        };
        assert!(largest(0.0) < 1.3, "{}", largest(0.0));
        assert!(largest(1.0) > 1.1 * largest(0.0));
    }
}
