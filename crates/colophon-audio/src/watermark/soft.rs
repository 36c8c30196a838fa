//! Aligned cells → soft bits.
//!
//! Cells of the same place in the period are added up. Each is weighted by how well synchronisation cells like it have
//! survived: of the same band, and of the same level. Those signs are known, so the weights are learnt from the sound at
//! hand; they never look at a data cell's sign, on which the false-positive bound rests.

use super::analysis::{Bands, Field};
use super::code::CODED_BITS;
use super::layout::{BANDS, CELLS, Layout};
use super::search::Candidate;

/// Level classes.
const CLASSES: usize = 8;
/// Cells worth of the overall mean mixed into each group's mean.
const SHRINK: f64 = 60.0;
/// Smallest overall mean assumed: below it, groups are noise.
const MEAN_FLOOR: f64 = 0.05;
/// Bounds of a weight relative to the average.
const WEIGHT_RANGE: (f64, f64) = (0.05, 2.0);
/// Bands on each side that a band's weight is smoothed over, and classes likewise.
const BAND_REACH: usize = 2;
const CLASS_REACH: usize = 1;

/// What one alignment says about the coded bits.
pub(super) struct SoftBits {
    /// One value per coded bit, positive for +1.
    pub(super) bits: [f32; CODED_BITS],
    /// Sum of squares over the folded data cells: the norm of the acceptance statistic, squared.
    pub(super) energy: f64,
    /// Synchronisation statistic with the exact norm.
    pub(super) sync_z: f64,
    /// The folded, weighted cells themselves.
    pub(super) cells: Vec<f32>,
}

impl SoftBits {
    /// Folds the cells at `candidate`.
    pub(super) fn new(field: &Field, layout: &Layout, candidate: &Candidate) -> Self {
        let rows: Vec<(usize, usize)> = candidate.rows().filter(|&(_, hop)| hop < field.len()).collect();
        let borders = class_borders(field, &rows);
        let weights = Weights::learn(field, layout, &rows, &borders);
        let mut cells = vec![0.0f32; CELLS];
        let mut plain = vec![0.0f32; CELLS];
        for &(row, hop) in &rows {
            let values = &field.values[hop];
            let levels = field.row_levels(hop);
            let start = row * BANDS;
            let folded = cells[start..start + BANDS].iter_mut().zip(&mut plain[start..start + BANDS]);
            for (band, (cell, plain)) in folded.enumerate() {
                *cell += weights.of(band, class(&borders, levels[band])) * values[band];
                *plain += values[band];
            }
        }
        let (mut sync, mut square) = (0.0f64, 0.0f64);
        for (&sign, &value) in layout.sync.iter().zip(&plain).filter(|&(&sign, _)| sign != 0) {
            sync += f64::from(sign) * f64::from(value);
            square += f64::from(value) * f64::from(value);
        }
        Self::from_cells(cells, layout, sync / square.max(1e-12).sqrt())
    }

    /// From folded cells, one per cell of the period.
    pub(super) fn from_cells(cells: Vec<f32>, layout: &Layout, sync_z: f64) -> Self {
        let mut bits = [0.0f32; CODED_BITS];
        let mut energy = 0.0f64;
        for data in &layout.data {
            let value = cells[data.cell as usize];
            bits[data.bit as usize] += f32::from(data.sign) * value;
            energy += f64::from(value) * f64::from(value);
        }
        Self { bits, energy, sync_z, cells }
    }
}

/// Levels that split the cells of these rows into classes of equal size.
fn class_borders(field: &Field, rows: &[(usize, usize)]) -> [f32; CLASSES - 1] {
    // A few thousand levels place the borders well enough.
    let stride = (rows.len() * BANDS / 4096).max(1);
    let levels = rows.iter().flat_map(|&(_, hop)| field.row_levels(hop));
    let mut sample: Vec<f32> = levels.step_by(stride | 1).collect();
    sample.sort_unstable_by(f32::total_cmp);
    std::array::from_fn(|i| sample.get(sample.len() * (i + 1) / CLASSES).copied().unwrap_or(0.0))
}

fn class(borders: &[f32; CLASSES - 1], level: f32) -> usize {
    borders.iter().map(|&border| usize::from(level > border)).sum()
}

struct Weights {
    table: Vec<[f32; CLASSES]>,
}

impl Weights {
    fn learn(field: &Field, layout: &Layout, rows: &[(usize, usize)], borders: &[f32; CLASSES - 1]) -> Self {
        let mut by_band = [(0.0f64, 0.0f64); BANDS];
        let mut by_class = [(0.0f64, 0.0f64); CLASSES];
        let mut total = (0.0f64, 0.0f64);
        for &(row, hop) in rows {
            let signs = &layout.sync[row * BANDS..(row + 1) * BANDS];
            let (values, levels): (&Bands, Bands) = (&field.values[hop], field.row_levels(hop));
            for (band, &sign) in signs.iter().enumerate().filter(|&(_, &sign)| sign != 0) {
                let value = f64::from(sign) * f64::from(values[band]);
                for group in [&mut by_band[band], &mut by_class[class(borders, levels[band])], &mut total] {
                    group.0 += value;
                    group.1 += 1.0;
                }
            }
        }
        let mean = (total.0 / total.1.max(1.0)).max(MEAN_FLOOR);
        let bands = relative(&by_band, BAND_REACH, mean);
        let classes = relative(&by_class, CLASS_REACH, mean);
        let table =
            bands.iter().map(|band| std::array::from_fn(|class| (band * classes[class]) as f32)).collect();
        Self { table }
    }

    fn of(&self, band: usize, class: usize) -> f32 {
        self.table[band][class]
    }
}

/// Mean of each group and its neighbours relative to the overall mean, shrunk towards 1.
fn relative(groups: &[(f64, f64)], reach: usize, mean: f64) -> Vec<f64> {
    (0..groups.len())
        .map(|i| {
            let near = &groups[i.saturating_sub(reach)..(i + reach + 1).min(groups.len())];
            let (sum, count) = near.iter().fold((0.0, 0.0), |acc, group| (acc.0 + group.0, acc.1 + group.1));
            let shrunk = (sum + SHRINK * mean) / (count + SHRINK);
            (shrunk / mean).clamp(WEIGHT_RANGE.0, WEIGHT_RANGE.1)
        })
        .collect()
}
