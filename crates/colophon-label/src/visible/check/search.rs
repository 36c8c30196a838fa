//! The label somewhere in a cropped copy.

use super::sample::{Grid, Map, patch};
use super::template::{Fit, Label};
use super::{Luma, MIN_INK};

/// Ink height in cells at which the whole picture is looked through.
const COARSE_INK: f32 = 7.0;
/// How much of either side a crop may take: the largest scale over the smallest.
const MOST: f32 = 2.5;
/// Steps of scale.
const STEP: f32 = 1.06;
/// Places that are looked at more closely.
const CANDIDATES: usize = 6;
/// Correlation on the coarse grid below which a place is none.
const LEAST: f32 = 0.35;
/// Most cells of a picture that is looked through.
const MAX_CELLS: f32 = 4e6;

/// The best place of all, or `None` when there is no candidate.
pub(super) fn search(label: &Label<'_>, picture: &Luma<'_>, scale: (f32, f32)) -> Option<Fit> {
    // A crop is never larger than what it is cut from.
    let least = scale.0.max(scale.1);
    let mut scales: Vec<f32> = vec![1.0];
    let mut s = least * 0.98;
    while s <= least * MOST {
        scales.push(s);
        s *= STEP;
    }
    scales.retain(|s| *s >= least * 0.97 && *s <= least * MOST * 1.03);
    let mut found: Vec<(f32, Map)> = Vec::new();
    for s in scales {
        let map = Map { sx: s, sy: s, ox: 0.0, oy: 0.0 };
        let (width, height) = (label.area.width as f32 * s, label.area.height as f32 * s);
        let cell = label.cell(&map, COARSE_INK);
        if label.ink * s < MIN_INK || width > picture.width as f32 || height > picture.height as f32 {
            continue;
        }
        let (w, h) = (picture.width as f32 / cell, picture.height as f32 / cell);
        if w * h > MAX_CELLS {
            continue;
        }
        let seen = patch(picture, (0.0, 0.0), (cell, cell), w as usize, h as usize);
        let template = label.template(&map, cell, 0.6);
        for (score, x, y) in peaks(&template.values, &template.weights, &seen) {
            found.push((score, Map { ox: x as f32 * cell, oy: y as f32 * cell, ..map }));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(CANDIDATES);
    let fits = found.into_iter().map(|(_, map)| label.refine(picture, map, true));
    fits.max_by(|a, b| a.score.total_cmp(&b.score))
}

/// The best few places of a template on a grid, with correlation, left and top.
fn peaks(values: &Grid, weights: &Grid, seen: &Grid) -> Vec<(f32, usize, usize)> {
    let (w, h) = (values.width, values.height);
    if w > seen.width || h > seen.height {
        return Vec::new();
    }
    // The template without its mean under its weights, so that one sum of products is all that a place costs.
    let total: f32 = weights.data.iter().sum::<f32>().max(1e-6);
    let mean = values.data.iter().zip(&weights.data).map(|(t, w)| t * w).sum::<f32>() / total;
    let template: Vec<f32> = values.data.iter().zip(&weights.data).map(|(t, w)| (t - mean) * w).collect();
    let energy = template.iter().map(|t| t * t).sum::<f32>();
    if energy < 1.0 {
        return Vec::new();
    }
    let (sum, square) = (integral(seen, |v| v), integral(seen, |v| v * v));
    let n = (w * h) as f64;
    let mut best: Vec<(f32, usize, usize)> = Vec::new();
    for y in 0..=seen.height - h {
        for x in 0..=seen.width - w {
            let inside = |table: &[f64]| {
                let pitch = seen.width + 1;
                let at = |x: usize, y: usize| table.get(y * pitch + x).copied().unwrap_or(0.0);
                at(x + w, y + h) - at(x, y + h) - at(x + w, y) + at(x, y)
            };
            let s = inside(&sum);
            let variance = inside(&square) - s * s / n;
            if variance < n * 4.0 {
                continue;
            }
            let mut product = 0.0_f32;
            for (row, line) in template.chunks_exact(w).enumerate() {
                let under = seen.row(y + row).get(x..x + w).unwrap_or_default();
                product += line.iter().zip(under).map(|(t, v)| t * v).sum::<f32>();
            }
            let score = (f64::from(product) / (f64::from(energy) * variance).sqrt()) as f32;
            if score < LEAST {
                continue;
            }
            let near = |b: &(f32, usize, usize)| b.1.abs_diff(x) <= 2 && b.2.abs_diff(y) <= 2;
            match best.iter_mut().find(|b| near(b)) {
                Some(b) if b.0 < score => *b = (score, x, y),
                Some(_) => {}
                None => best.push((score, x, y)),
            }
            if best.len() > 4 * CANDIDATES {
                best.sort_by(|a, b| b.0.total_cmp(&a.0));
                best.truncate(CANDIDATES);
            }
        }
    }
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    best.truncate(CANDIDATES);
    best
}

/// Sums over everything above and left of a corner.
fn integral(grid: &Grid, of: impl Fn(f64) -> f64) -> Vec<f64> {
    let pitch = grid.width + 1;
    let mut out = vec![0.0; pitch * (grid.height + 1)];
    for y in 0..grid.height {
        let mut line = 0.0;
        for (x, v) in grid.row(y).iter().enumerate() {
            line += of(f64::from(*v));
            let above = out.get(y * pitch + x + 1).copied().unwrap_or(0.0);
            if let Some(o) = out.get_mut((y + 1) * pitch + x + 1) {
                *o = above + line;
            }
        }
    }
    out
}
