//! Where the pattern starts, and how the sound was stretched since it was marked.
//!
//! A hypothesis multiplies all frequencies by one factor and all durations by another. The first moves the band edges,
//! the second the hops at which rows are read; neither needs the sound to be resampled. For one frequency factor the
//! synchronisation cells of each of the 72 rows are summed once for every hop; every hypothesis and every start is then a
//! sum over entries of that table.

use super::analysis::{BandMap, Field, Spectra};
use super::layout::{BANDS, HOPS_PER_ROW, Layout, ROWS, SYNC_PER_ROW};

/// Hops of one period.
pub(super) const PERIOD_HOPS: usize = ROWS * HOPS_PER_ROW;
/// Silence around the correlation table: more than the longest period searched.
const PAD: usize = 344;
/// Periods in a part of a window that is searched by itself.
const PART_PERIODS: usize = 2;
/// A part must be this much better than a whole window to be tried before it: there are more parts.
const PART_HANDICAP: f64 = 0.6;
/// Head start of no warp, and of a pure change of speed or pitch, in units of z.
const PRIOR_UNWARPED: f64 = 1.0;
const PRIOR_PURE: f64 = 0.3;
/// Two candidates closer than this are one.
const SAME_FREQUENCY: f64 = 0.011;
const SAME_DURATION: f64 = 0.008;
/// Fine search around a candidate's duration factor, relative.
const FINE: [f64; 6] = [-0.003, -0.002, -0.001, 0.001, 0.002, 0.003];
/// How much better a fine position must be to replace the coarse one.
const FINE_HANDICAP: f64 = 0.35;

/// What happened to the sound: all frequencies times `frequency`, all durations times `duration`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub(super) frequency: f64,
    pub(super) duration: f64,
}

impl Stretch {
    pub(super) const NONE: Self = Self { frequency: 1.0, duration: 1.0 };

    /// Hops from the start of the pattern to row `k`.
    pub(super) fn offset(self, k: i64) -> i64 {
        (HOPS_PER_ROW as f64 * self.duration * k as f64).round() as i64
    }

    /// Hops of one period.
    pub(super) fn period(self) -> usize {
        (PERIOD_HOPS as f64 * self.duration).round() as usize
    }

    fn prior(self) -> f64 {
        if self == Self::NONE {
            PRIOR_UNWARPED
        } else if self.duration == 1.0
            || self.frequency == 1.0
            || (self.frequency * self.duration - 1.0).abs() < 1e-3
        {
            PRIOR_PURE
        } else {
            0.0
        }
    }
}

/// A place where the pattern may start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Synchronisation statistic: normal with deviation 1 where there is no mark.
    pub(super) z: f64,
    pub(super) stretch: Stretch,
    /// Hop at which some row 0 starts, within the first period of the window; may lie before `from`.
    pub(super) origin: usize,
    /// Hops that take part.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Candidate {
    /// Rows that lie inside the part, with the hop each is read at.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Self { stretch, origin, from, to, .. } = *self;
        let step = HOPS_PER_ROW as f64 * stretch.duration;
        let first = ((from as f64 - origin as f64) / step).floor() as i64 - 1;
        (first..)
            .map(move |k| (k, origin as i64 + stretch.offset(k)))
            .skip_while(move |&(_, hop)| hop < from as i64)
            .take_while(move |&(_, hop)| hop < to as i64)
            .map(|(k, hop)| (k.rem_euclid(ROWS as i64) as usize, hop as usize))
    }
}

/// Sums of synchronisation cells for every row and every hop, at one frequency factor.
pub(super) struct Correlation {
    frequency: f64,
    hops: usize,
    /// `sums[row][PAD + hop]`.
    sums: Vec<Vec<f32>>,
    /// Energy of synchronisation cells expected up to a hop.
    energy: Vec<f64>,
}

impl Correlation {
    pub(super) fn new(field: &Field, layout: &Layout, frequency: f64) -> Self {
        let hops = field.len();
        let mut columns = vec![vec![0.0f32; hops]; BANDS];
        let mut energy = Vec::with_capacity(hops + 1);
        let mut total = 0.0f64;
        energy.push(total);
        for (t, row) in field.values.iter().enumerate() {
            let mut square = 0.0f32;
            for (column, &value) in columns.iter_mut().zip(row) {
                column[t] = value;
                square += value * value;
            }
            total += f64::from(square) * (SYNC_PER_ROW as f64 / (BANDS * HOPS_PER_ROW) as f64);
            energy.push(total);
        }
        let sums = layout
            .sync
            .chunks_exact(BANDS)
            .map(|signs| {
                let mut sums = vec![0.0f32; hops + 2 * PAD];
                for (&sign, column) in signs.iter().zip(&columns).filter(|&(&sign, _)| sign != 0) {
                    let sign = f32::from(sign);
                    for (sum, value) in sums[PAD..].iter_mut().zip(column) {
                        *sum += sign * value;
                    }
                }
                sums
            })
            .collect();
        Self { frequency, hops, sums, energy }
    }

    fn energy_between(&self, from: i64, to: i64) -> f64 {
        let at = |hop: i64| self.energy[hop.clamp(0, self.hops as i64) as usize];
        at(to) - at(from)
    }

    /// Best start for the whole window and best start and part for parts of it, at one duration factor.
    fn best(&self, duration: f64, parts: bool) -> (Candidate, Option<Candidate>) {
        let stretch = Stretch { frequency: self.frequency, duration };
        let period = stretch.period().min(PAD - 8);
        let blocks = self.blocks(stretch, period);
        let mut whole = Candidate { z: f64::NEG_INFINITY, stretch, origin: 0, from: 0, to: self.hops };
        let total = self.energy_between(0, self.hops as i64).max(1e-6).sqrt();
        for origin in 0..period {
            let sum: f32 = blocks.iter().map(|block| block[origin]).sum();
            let z = f64::from(sum) / total;
            if z > whole.z {
                whole = Candidate { z, origin, ..whole };
            }
        }
        if !parts || blocks.len() <= PART_PERIODS + 1 {
            return (whole, None);
        }
        let mut part = whole;
        part.z = f64::NEG_INFINITY;
        for first in 0..=blocks.len() - PART_PERIODS {
            // Block i holds the rows from hop (i − 1) · period + origin on.
            let begin = (first as i64 - 1) * period as i64;
            let length = (PART_PERIODS * period) as i64;
            // Energy changes little over one period: take it at the middle start.
            let middle = begin + period as i64 / 2;
            let norm = self.energy_between(middle, middle + length);
            if norm < 0.5 * total * total * length as f64 / self.hops as f64 {
                continue;
            }
            let norm = norm.sqrt();
            for origin in 0..period {
                let sum: f32 = blocks[first..first + PART_PERIODS].iter().map(|block| block[origin]).sum();
                let z = f64::from(sum) / norm;
                if z > part.z {
                    let from = (begin + origin as i64).clamp(0, self.hops as i64);
                    let to = (begin + origin as i64 + length).clamp(0, self.hops as i64);
                    part = Candidate { z, stretch, origin, from: from as usize, to: to as usize };
                }
            }
        }
        (whole, part.z.is_finite().then_some(part))
    }

    /// Sums over one period of rows each, for every start: the first covers what lies before the start.
    fn blocks(&self, stretch: Stretch, period: usize) -> Vec<Vec<f32>> {
        let mut blocks = Vec::new();
        let mut k = -(ROWS as i64);
        while stretch.offset(k) < self.hops as i64 {
            let mut block = vec![0.0f32; period];
            for row in &self.sums {
                let start = PAD as i64 + stretch.offset(k);
                k += 1;
                let Some(values) = usize::try_from(start).ok().and_then(|start| row.get(start..)) else {
                    continue;
                };
                for (sum, value) in block.iter_mut().zip(values) {
                    *sum += value;
                }
            }
            blocks.push(block);
        }
        blocks
    }

    /// The same candidate with a finer duration factor and start.
    fn refined(&self, candidate: Candidate) -> Candidate {
        let whole = candidate.from == 0 && candidate.to == self.hops;
        let mut best = candidate;
        let mut best_z = candidate.z;
        for fine in FINE {
            let (other, part) = self.best(candidate.stretch.duration * (1.0 + fine), !whole);
            let other = if whole { Some(other) } else { part };
            if let Some(other) = other
                && other.z - FINE_HANDICAP > best_z
            {
                best_z = other.z - FINE_HANDICAP;
                best = other;
            }
        }
        best
    }
}

/// Candidates at the true speed and pitch: best whole window, best part of it.
pub(super) fn unwarped(correlation: &Correlation) -> (Candidate, Option<Candidate>) {
    correlation.best(1.0, true)
}

/// Number of (stretch, start) pairs that [`warped`] and [`unwarped`] look at, parts counted too, in a window of `hops`.
pub(super) fn hypotheses(hops: usize) -> f64 {
    let parts = (hops / PERIOD_HOPS + 1) as f64;
    let stretches = (durations().count() + frequencies().count() * 4 + 6 * KEEP) as f64;
    stretches * PERIOD_HOPS as f64 * 1.1 * (1.0 + parts)
}

/// Whole-window candidates that are refined and tried.
const KEEP: usize = 3;
/// Part candidates that are tried.
const KEEP_PARTS: usize = 2;

fn durations() -> impl Iterator<Item = f64> {
    (-21..=21).map(|step| 1.0 + f64::from(step) * 0.005)
}

fn frequencies() -> impl Iterator<Item = f64> {
    (-12..=12).filter(|&step| step != 0).map(|step| 1.0 + f64::from(step) * 0.01)
}

/// A candidate with the field and correlation it was found in.
pub(super) struct Found {
    pub(super) candidate: Candidate,
    /// Index into the fields returned along.
    pub(super) field: usize,
}

/// Candidates over all hypotheses, best first, with the fields of the frequency factors they need.
///
/// `fields[0]` of the result is always the one given for factor 1.
pub(super) fn warped(
    (spectra, from, to): (&Spectra, usize, usize),
    layout: &Layout,
    straight: &Correlation,
) -> (Vec<(f64, Field)>, Vec<Found>) {
    let mut all: Vec<(f64, Candidate)> = Vec::new();
    let mut parts: Vec<(f64, Candidate)> = Vec::new();
    let mut consider = |correlation: &Correlation, duration: f64| {
        let (whole, part) = correlation.best(duration, true);
        all.push((whole.z + whole.stretch.prior(), whole));
        if let Some(part) = part {
            parts.push((part.z + part.stretch.prior() - PART_HANDICAP, part));
        }
    };
    for duration in durations() {
        consider(straight, duration);
    }
    for frequency in frequencies() {
        let field = Field::new(spectra, from, to, &BandMap::new(frequency));
        let correlation = Correlation::new(&field, layout, frequency);
        for duration in [1.0 / frequency, 1.004 / frequency, 0.996 / frequency, 1.0] {
            consider(&correlation, duration);
        }
    }
    let mut chosen = separate(all, KEEP);
    chosen.extend(separate(parts, KEEP_PARTS));
    let mut fields: Vec<(f64, Field)> = Vec::new();
    let mut found = Vec::new();
    for (_, candidate) in chosen {
        let frequency = candidate.stretch.frequency;
        let field = fields.iter().position(|(known, _)| *known == frequency).unwrap_or_else(|| {
            fields.push((frequency, Field::new(spectra, from, to, &BandMap::new(frequency))));
            fields.len() - 1
        });
        let built;
        let correlation = if frequency == 1.0 {
            straight
        } else {
            built = Correlation::new(&fields[field].1, layout, frequency);
            &built
        };
        let refined = correlation.refined(candidate);
        found.push(Found { candidate: refined, field });
        if refined.stretch != candidate.stretch {
            found.push(Found { candidate, field });
        }
    }
    found.sort_by(|a, b| b.candidate.z.total_cmp(&a.candidate.z));
    (fields, found)
}

/// The best `keep` that differ from one another.
fn separate(mut all: Vec<(f64, Candidate)>, keep: usize) -> Vec<(f64, Candidate)> {
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<(f64, Candidate)> = Vec::new();
    for (score, candidate) in all {
        let near = |other: &Candidate| {
            (candidate.stretch.frequency - other.stretch.frequency).abs() < SAME_FREQUENCY
                && (candidate.stretch.duration - other.stretch.duration).abs() < SAME_DURATION
        };
        if !kept.iter().any(|(_, other)| near(other)) {
            kept.push((score, candidate));
            if kept.len() == keep {
                break;
            }
        }
    }
    kept
}
