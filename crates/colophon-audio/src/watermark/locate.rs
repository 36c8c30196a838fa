//! From where to where a known pattern lies in the sound.

use super::analysis::Field;
use super::layout::{BANDS, ROWS};
use super::search::Candidate;

/// A period of the pattern must stand out by this much for a stretch to begin: one in 10⁹ for one place.
const LOCAL_Z: f64 = 6.0;
/// Shortest stretch reported, in rows (1.2 s).
const SHORTEST: usize = 36;

/// Stretches of hops in which `pattern` (signs, row-major) is present at the alignment of `candidate`, whose own limits
/// are ignored.
pub(super) fn locate(field: &Field, pattern: &[i8], candidate: &Candidate) -> Vec<(usize, usize)> {
    let whole = Candidate { from: 0, to: field.len(), ..*candidate };
    let rows: Vec<(usize, usize)> = whole.rows().collect();
    let agreement: Vec<(f64, f64)> = rows
        .iter()
        .map(|&(row, hop)| {
            let signs = &pattern[row * BANDS..(row + 1) * BANDS];
            signs.iter().zip(&field.values[hop]).fold((0.0, 0.0), |(sum, square), (&sign, &value)| {
                let (sign, value) = (f64::from(sign), f64::from(value));
                (sum + sign * value, square + value * value)
            })
        })
        .collect();
    stretches(&agreement)
        .into_iter()
        .map(|(from, to)| {
            let end = rows.get(to).map_or(field.len(), |&(_, hop)| hop);
            (rows[from].1, end)
        })
        .collect()
}

/// Runs of rows that agree, as row ranges. `agreement` holds, per row, the correlation and the energy.
fn stretches(agreement: &[(f64, f64)]) -> Vec<(usize, usize)> {
    let mut sums = vec![(0.0, 0.0)];
    for row in agreement {
        let last = sums[sums.len() - 1];
        sums.push((last.0 + row.0, last.1 + row.1));
    }
    let between = |from: usize, to: usize| (sums[to].0 - sums[from].0, sums[to].1 - sums[from].1);
    let span = ROWS.min(agreement.len());
    let z = |from: usize| {
        let (sum, square) = between(from, from + span);
        if square > 0.0 { sum / square.sqrt() } else { 0.0 }
    };
    let starts = agreement.len() + 1 - span;
    let mut marked = vec![false; agreement.len()];
    for from in (0..starts).filter(|&from| span > 0 && z(from) > LOCAL_Z) {
        marked[from..from + span].fill(true);
    }
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < marked.len() {
        if !marked[at] {
            at += 1;
            continue;
        }
        let from = at;
        while at < marked.len() && marked[at] {
            at += 1;
        }
        found.push(sharpen(agreement, from, at));
    }
    // Sharpening can leave two neighbours a short gap apart.
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (from, to) in found.into_iter().filter(|(from, to)| to - from >= SHORTEST.min(agreement.len())) {
        match joined.last_mut() {
            Some(last) if from <= last.1 + ROWS / 2 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// The sub-range whose agreement, less half the typical one per row, is largest: the most likely borders of a change of
/// mean between there and nothing.
fn sharpen(agreement: &[(f64, f64)], from: usize, to: usize) -> (usize, usize) {
    let rows = &agreement[from..to];
    // The middle of the run is inside the stretch; windows over its borders dilute both ends.
    let margin = (rows.len() / 4).min(ROWS / 2);
    let core = &rows[margin..rows.len() - margin];
    let typical = core.iter().map(|row| row.0).sum::<f64>() / core.len().max(1) as f64;
    let (mut best, mut best_range) = (f64::NEG_INFINITY, (from, to));
    let (mut sum, mut start) = (0.0, 0);
    for (i, row) in rows.iter().enumerate() {
        if sum <= 0.0 {
            sum = 0.0;
            start = i;
        }
        sum += row.0 - typical / 2.0;
        if sum > best {
            best = sum;
            best_range = (from + start, from + i + 1);
        }
    }
    best_range
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(parts: &[(usize, f64)]) -> Vec<(f64, f64)> {
        let mut rows = Vec::new();
        for &(count, mean) in parts {
            for i in 0..count {
                // deviation near the square root of 60 cells of unit energy
                let wobble = ((i * 37 % 17) as f64 - 8.0) * 1.4;
                rows.push((mean + wobble, 60.0));
            }
        }
        rows
    }

    #[test]
    fn a_stretch_inside_nothing_is_found_with_its_borders() {
        let found = stretches(&rows(&[(300, 0.0), (200, 12.0), (300, 0.0)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].0.abs_diff(300) <= 6 && found[0].1.abs_diff(500) <= 6, "{found:?}");
    }

    #[test]
    fn nothing_is_nowhere() {
        assert!(stretches(&rows(&[(500, 0.0)])).is_empty());
        assert!(stretches(&[]).is_empty());
        assert!(stretches(&[(0.0, 0.0); 80]).is_empty());
    }

    #[test]
    fn two_stretches_stay_two() {
        let found = stretches(&rows(&[(100, 10.0), (150, 0.0), (100, 10.0)]));
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
