//! Finding the lattice in a map of spectral peaks: rotation and scale, mirror image, aspect, and fine adjustment.

use super::schedule::{Point, Schedule};
use super::spectrum::PeakMap;
use colophon_signal::fft2::{Complex32, RealFft2, SizeError};
use colophon_signal::simd::vectorised;
use std::sync::OnceLock;

/// Angles over half a turn, and the logarithmic step of the radius.
const ANGLES: usize = 540;
const RADIUS_STEP: f64 = 0.005;
/// Smallest and largest radius of the log-polar map, in cycles per pixel.
const RADII: (f64, f64) = (0.009, 0.49);
/// Length of the radius axis of the transform: no wrapped sum reaches a period in [`PERIODS`].
const RADIUS_LEN: usize = 864;
/// Periods looked for, in working pixels.
const PERIODS: (f64, f64) = (36.0, 430.0);
/// Logarithmic step of the scales tried for an upright picture: between two of them the outermost points stay on their peaks.
const SCALE_STEP: f64 = 0.0015;
/// Relative distance from which on two candidates are two.
const APART: f64 = 0.004;
/// Radius of the innermost lattice points.
const INNER: f64 = 4.0;
/// Steps, each way, and step of the stretches and turns tried for each axis of the lattice about a candidate.
const SWINGS: i32 = 7;
const SWING: f64 = 0.007;
/// Largest distance from an axis, in lattice units, of the points its direction is judged by.
const NEAR_AXIS: f32 = 3.0;
/// Step, start and length of the logarithmic axes of the aspect search, and its range of aspects.
const ASPECT_STEP: f64 = 0.008;
const ASPECT_START: f64 = 0.0045;
const ASPECT_LEN: usize = 640;
const ASPECT_RANGE: f64 = 0.30;
/// Smallest |kx| and |ky| that takes part in the aspect search.
const ASPECT_INNER: i32 = 2;

/// A linear map from lattice points to frequencies in cycles per working pixel, row by row.
pub(crate) type Matrix = [[f64; 2]; 2];

/// A place to look: where the search saw the lattice and how clearly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) matrix: Matrix,
    /// Sum of the map over all points, comparable within one picture.
    pub(crate) score: f64,
}

impl Candidate {
    /// Whether it is more than a step of a climb away: what is nearer, a climb ends at the same place.
    pub(crate) fn apart(&self, other: &Self) -> bool {
        let parts = self.matrix.as_flattened().iter().zip(other.matrix.as_flattened());
        let distance: f64 = parts.map(|(a, b)| (a - b).powi(2)).sum();
        let size: f64 = self.matrix.as_flattened().iter().map(|a| a * a).sum();
        distance > APART * APART * size
    }
}

/// Templates of one key, transformed.
#[derive(Debug)]
pub(crate) struct Templates {
    /// Straight and mirrored.
    polar: [Vec<Complex32>; 2],
    /// Of the aspect search: right and left quadrant.
    aspect: OnceLock<Result<[Vec<Complex32>; 2], SizeError>>,
}

impl Templates {
    /// Templates of the lattice with its x axis stretched by `stretch` and its y axis shrunk by as much.
    pub(crate) fn new(schedule: &Schedule, stretch: f64) -> Result<Self, SizeError> {
        let mut fft = RealFft2::new(RADIUS_LEN, ANGLES)?;
        let mut transformed = |mirror: f64| -> Result<Vec<Complex32>, SizeError> {
            let mut image = vec![0f32; RADIUS_LEN * ANGLES];
            for point in &schedule.points {
                let (x, y) = (mirror * stretch * f64::from(point.kx), f64::from(point.ky) / stretch);
                let turn = (y.atan2(x) / std::f64::consts::PI).rem_euclid(1.0) * ANGLES as f64;
                let radius = (x.hypot(y) / INNER).ln() / RADIUS_STEP;
                splat(&mut image, turn, radius);
            }
            let mut spectrum = vec![Complex32::default(); fft.spectrum_len()];
            fft.forward(&image, RADIUS_LEN, &mut spectrum)?;
            Ok(spectrum)
        };
        Ok(Self { polar: [transformed(1.0)?, transformed(-1.0)?], aspect: OnceLock::new() })
    }

    /// Points of each quadrant by the logarithms of |kx| and |ky|, transformed.
    fn aspect(&self, schedule: &Schedule) -> Result<&[Vec<Complex32>; 2], SizeError> {
        let make = || {
            let mut fft = RealFft2::new(ASPECT_LEN, ASPECT_LEN)?;
            let place = |k: i32| (f64::from(k.abs()) / f64::from(ASPECT_INNER)).ln() / ASPECT_STEP;
            let mut transformed = |side: i32| -> Result<Vec<Complex32>, SizeError> {
                let mut image = vec![0f32; ASPECT_LEN * ASPECT_LEN];
                let used =
                    |p: &&Point| p.kx.signum() == side && p.kx.abs() >= ASPECT_INNER && p.ky >= ASPECT_INNER;
                for point in schedule.points.iter().filter(used) {
                    let (x, y) = (place(point.kx).round() as usize, place(point.ky).round() as usize);
                    image[y * ASPECT_LEN + x] += 1.0;
                }
                let mut spectrum = vec![Complex32::default(); fft.spectrum_len()];
                fft.forward(&image, ASPECT_LEN, &mut spectrum)?;
                Ok(spectrum)
            };
            Ok([transformed(1)?, transformed(-1)?])
        };
        self.aspect.get_or_init(make).as_ref().map_err(|&e| e)
    }
}

/// Adds 1 between four cells of the angle-radius image; angles are circular.
fn splat(image: &mut [f32], turn: f64, radius: f64) {
    let (t0, r0) = (turn.floor(), radius.floor().max(0.0));
    let (ft, fr) = ((turn - t0) as f32, (radius - r0) as f32);
    for (t, wt) in [(t0 as usize, 1.0 - ft), (t0 as usize + 1, ft)] {
        for (r, wr) in [(r0 as usize, 1.0 - fr), (r0 as usize + 1, fr)] {
            if r < RADIUS_LEN {
                image[t % ANGLES * RADIUS_LEN + r] += wt * wr;
            }
        }
    }
}

/// The search in one picture.
pub(crate) struct Search<'a> {
    map: &'a PeakMap,
    points: Vec<(f32, f32)>,
    polar: Option<(RealFft2, Vec<Complex32>)>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(map: &'a PeakMap, schedule: &Schedule) -> Self {
        let points = schedule.points.iter().map(|p| (p.kx as f32, p.ky as f32)).collect();
        Self { map, points, polar: None }
    }

    /// Rotations and scales, clearest first; with `mirrored`, of the mirror image.
    pub(crate) fn similar(
        &mut self,
        templates: &Templates,
        mirrored: bool,
        count: usize,
    ) -> Result<Vec<Candidate>, SizeError> {
        let template = &templates.polar[usize::from(mirrored)];
        if self.polar.is_none() {
            self.polar = Some(self.transform_polar(1.0)?);
        }
        let Some((fft, spectrum)) = &mut self.polar else { return Ok(Vec::new()) };
        let matrices = matches(fft, spectrum, template, mirrored, count)?;
        Ok(matrices.into_iter().map(|m| self.candidate(m)).collect())
    }

    /// Scales of a picture that was neither turned nor mirrored, clearest first. One unknown instead of two: what is too faint
    /// among all turns stands out among these.
    pub(crate) fn upright(&self, count: usize) -> Vec<Candidate> {
        let steps = ((PERIODS.1 / PERIODS.0).ln() / SCALE_STEP) as usize;
        let scales: Vec<f64> = (0..=steps).map(|i| (i as f64 * SCALE_STEP).exp() / PERIODS.1).collect();
        // Point by point: along its ray neighbours in the map follow each other.
        let mut scores = vec![0f32; scales.len()];
        for &(x, y) in &self.points {
            for (score, &scale) in scores.iter_mut().zip(&scales) {
                let scale = scale as f32;
                *score += self.map.at(scale * x, scale * y);
            }
        }
        let top = |i: &usize| scores[*i] >= scores[i - 1].max(scores[i + 1]);
        let mut tops: Vec<usize> = (1..steps).filter(top).collect();
        tops.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        tops.truncate(count);
        let at =
            |i: usize| Candidate { matrix: [[scales[i], 0.0], [0.0, scales[i]]], score: scores[i].into() };
        tops.into_iter().map(at).collect()
    }

    /// Rotation together with a change of aspect by `stretch` squared: of the picture after it was turned, or, with `before`,
    /// of the picture that was then turned. Clearest first.
    pub(crate) fn skewed(
        &self,
        schedule: &Schedule,
        stretch: f64,
        before: bool,
        count: usize,
    ) -> Result<Vec<Candidate>, SizeError> {
        let (on_lattice, on_picture) = if before { (stretch, 1.0) } else { (1.0, stretch) };
        let templates = Templates::new(schedule, on_lattice)?;
        let (mut fft, spectrum) = self.transform_polar(on_picture)?;
        let matrices = matches(&mut fft, &spectrum, &templates.polar[0], false, count)?;
        let whole = |[[a, b], [c, d]]: Matrix| {
            let (x, y) = (on_picture * on_lattice, on_picture / on_lattice);
            [[a * x, b * y], [c / y, d / x]]
        };
        Ok(matrices.into_iter().map(|m| self.candidate(whole(m))).collect())
    }

    /// Independent scales along x and y without rotation, clearest first.
    pub(crate) fn stretched(
        &self,
        templates: &Templates,
        schedule: &Schedule,
        count: usize,
    ) -> Result<Vec<Candidate>, SizeError> {
        let templates = templates.aspect(schedule)?;
        let mut fft = RealFft2::new(ASPECT_LEN, ASPECT_LEN)?;
        let bins = fft.spectrum_len();
        let (mut sum, mut spectrum) = (vec![Complex32::default(); bins], vec![Complex32::default(); bins]);
        let frequencies: Vec<f32> = (0..ASPECT_LEN)
            .map(|i| (ASPECT_START * (i as f64 * ASPECT_STEP).exp()) as f32)
            .filter(|&f| f < 0.49)
            .collect();
        let mut image = vec![0f32; ASPECT_LEN * ASPECT_LEN];
        for (side, template) in [1f32, -1.0].into_iter().zip(templates) {
            for (line, &fy) in image.chunks_exact_mut(ASPECT_LEN).zip(&frequencies) {
                for (value, &fx) in line.iter_mut().zip(&frequencies) {
                    *value = self.map.at(side * fx, fy);
                }
            }
            fft.forward(&image[..frequencies.len() * ASPECT_LEN], ASPECT_LEN, &mut spectrum)?;
            vectorised(
                #[inline(always)]
                || {
                    for (s, (a, b)) in sum.iter_mut().zip(spectrum.iter().zip(template)) {
                        *s += a * b.conj();
                    }
                },
            );
        }
        fft.inverse(&mut sum, &mut image, ASPECT_LEN)?;
        let shift = |period: f64| (f64::from(ASPECT_INNER) / period / ASPECT_START).ln() / ASPECT_STEP;
        let (first, last) = (shift(PERIODS.1).max(0.0) as usize, shift(PERIODS.0) as usize);
        let grid = Grid { width: ASPECT_LEN, height: last + 1, columns: first..last + 1, circular: false };
        let near = |x: usize, y: usize| y >= first && (x.abs_diff(y) as f64 * ASPECT_STEP) < ASPECT_RANGE;
        let peaks = grid.peaks(&mut image[..(last + 1) * ASPECT_LEN], count, near);
        let scale = |shift: f64| ASPECT_START * (shift * ASPECT_STEP).exp() / f64::from(ASPECT_INNER);
        Ok(peaks.into_iter().map(|(y, x)| self.candidate([[scale(x), 0.0], [0.0, scale(y)]])).collect())
    }

    /// Climbs to a local maximum of the summed map, in scale, rotation, aspect and shear.
    pub(crate) fn refine(&self, candidate: Candidate, steps: &[f64]) -> Candidate {
        self.candidate(climb(candidate.matrix, steps, |matrix| self.candidate(matrix).score))
    }

    /// A candidate with both axes of the lattice turned and stretched on their own until the points near each axis lie
    /// best: the start of a climb that would otherwise begin beyond the width of the peaks, as under shear.
    pub(crate) fn reshaped(&self, candidate: Candidate) -> Candidate {
        let [[a, b], [c, d]] = candidate.matrix;
        let along_x = self.swung((a, c), (b, d), |&(x, y)| (x, y));
        let along_y = self.swung((b, d), (a, c), |&(x, y)| (y, x));
        let mut best = candidate;
        for (x, y) in [(along_x, along_y), (along_x, (b, d)), ((a, c), along_y)] {
            let tried = self.candidate([[x.0, y.0], [x.1, y.1]]);
            if tried.score > best.score {
                best = tried;
            }
        }
        best
    }

    /// The axis near `axis` under which the points close to it have the largest sum. `split` gives a point's coordinates
    /// along the axis and along the `other` one.
    fn swung(
        &self,
        axis: (f64, f64),
        other: (f64, f64),
        split: impl Fn(&(f32, f32)) -> (f32, f32),
    ) -> (f64, f64) {
        let near: Vec<(f32, f32)> =
            self.points.iter().map(split).filter(|p| p.1.abs() <= NEAR_AXIS).collect();
        let (u, v) = (other.0 as f32, other.1 as f32);
        let mut best = (f32::MIN, axis);
        for i in -SWINGS..=SWINGS {
            for j in -SWINGS..=SWINGS {
                let (stretch, turn) = (1.0 + f64::from(i) * SWING, f64::from(j) * SWING);
                let tried = (axis.0 * stretch - axis.1 * turn, axis.1 * stretch + axis.0 * turn);
                let (p, q) = (tried.0 as f32, tried.1 as f32);
                let sum = near.iter().map(|&(x, y)| self.map.at(x * p + y * u, x * q + y * v)).sum::<f32>();
                if sum > best.0 {
                    best = (sum, tried);
                }
            }
        }
        best.1
    }

    fn candidate(&self, matrix: Matrix) -> Candidate {
        let [[a, b], [c, d]] = matrix.map(|row| row.map(|v| v as f32));
        let sum: f32 = self.points.iter().map(|&(x, y)| self.map.at(a * x + b * y, c * x + d * y)).sum();
        Candidate { matrix, score: f64::from(sum) }
    }

    /// The map on angle and radius, read with x stretched by `stretch` and y shrunk by as much, transformed.
    fn transform_polar(&self, stretch: f64) -> Result<(RealFft2, Vec<Complex32>), SizeError> {
        let mut fft = RealFft2::new(RADIUS_LEN, ANGLES)?;
        let inside = ((RADII.1 / RADII.0).ln() / RADIUS_STEP) as usize;
        let radii: Vec<f32> =
            (0..inside).map(|i| (RADII.0 * (i as f64 * RADIUS_STEP).exp()) as f32).collect();
        let mut image = vec![0f32; RADIUS_LEN * ANGLES];
        for (t, line) in image.chunks_exact_mut(RADIUS_LEN).enumerate() {
            let (sin, cos) = (t as f64 * std::f64::consts::PI / ANGLES as f64).sin_cos();
            let (sin, cos) = ((sin / stretch) as f32, (cos * stretch) as f32);
            for (value, &r) in line.iter_mut().zip(&radii) {
                *value = self.map.at(r * cos, r * sin);
            }
        }
        let mut spectrum = vec![Complex32::default(); fft.spectrum_len()];
        fft.forward(&image, RADIUS_LEN, &mut spectrum)?;
        Ok((fft, spectrum))
    }
}

/// Turns and scales at which a transformed template lies on a transformed map, clearest first.
fn matches(
    fft: &mut RealFft2,
    spectrum: &[Complex32],
    template: &[Complex32],
    mirrored: bool,
    count: usize,
) -> Result<Vec<Matrix>, SizeError> {
    let mut product: Vec<Complex32> = spectrum.iter().zip(template).map(|(a, b)| a * b.conj()).collect();
    let mut correlation = vec![0f32; RADIUS_LEN * ANGLES];
    fft.inverse(&mut product, &mut correlation, RADIUS_LEN)?;
    // radius shift s means that the innermost points lie at RADII.0 * exp(s * RADIUS_STEP) = INNER / period
    let shift = |period: f64| (INNER / period / RADII.0).ln() / RADIUS_STEP;
    let (first, last) = (shift(PERIODS.1).max(0.0) as usize, shift(PERIODS.0) as usize);
    let grid = Grid { width: RADIUS_LEN, height: ANGLES, columns: first..last + 1, circular: true };
    let peaks = grid.peaks(&mut correlation, count, |_, _| true);
    let matrix = |(turn, radius): (f64, f64)| -> Matrix {
        let angle = turn * std::f64::consts::PI / ANGLES as f64;
        let scale = RADII.0 * (radius * RADIUS_STEP).exp() / INNER;
        let (sin, cos) = angle.sin_cos();
        let flip = if mirrored { -1.0 } else { 1.0 };
        [[cos * scale * flip, -sin * scale], [sin * scale * flip, cos * scale]]
    };
    Ok(peaks.into_iter().map(matrix).collect())
}

/// Climbs from `matrix` to a local maximum of `score`, in scale, rotation, aspect and shear, with shrinking steps.
pub(crate) fn climb(mut matrix: Matrix, steps: &[f64], score: impl Fn(Matrix) -> f64) -> Matrix {
    const MOVES: [Matrix; 4] = [
        [[1.0, 0.0], [0.0, 1.0]],
        [[0.0, -1.0], [1.0, 0.0]],
        [[1.0, 0.0], [0.0, -1.0]],
        [[0.0, 1.0], [1.0, 0.0]],
    ];
    let mut top = score(matrix);
    for &step in steps {
        for _ in 0..6 {
            let before = top;
            for direction in MOVES {
                let [up, down] = [step, -step].map(|s| moved(matrix, direction, s));
                let (plus, minus) = (score(up), score(down));
                let (best, value) = if plus >= minus { (up, plus) } else { (down, minus) };
                if value > top {
                    (matrix, top) = (best, value);
                }
            }
            if top <= before {
                break;
            }
        }
    }
    matrix
}

/// `(1 + step * direction) * matrix`.
fn moved(matrix: Matrix, direction: Matrix, step: f64) -> Matrix {
    let [[a, b], [c, d]] = matrix;
    let [[p, q], [r, s]] = direction.map(|row| row.map(|v| v * step));
    [[a + p * a + q * c, b + p * b + q * d], [c + r * a + s * c, d + r * b + s * d]]
}

/// A correlation surface and the part of it that counts.
struct Grid {
    width: usize,
    height: usize,
    columns: std::ops::Range<usize>,
    /// Whether the rows wrap round.
    circular: bool,
}

impl Grid {
    /// The largest `count` values at least five cells apart, as (row, column) with fractions; erases them.
    fn peaks(
        &self,
        surface: &mut [f32],
        count: usize,
        used: impl Fn(usize, usize) -> bool,
    ) -> Vec<(f64, f64)> {
        const APART: usize = 5;
        let mut found = Vec::with_capacity(count);
        for (y, line) in surface.chunks_exact_mut(self.width).enumerate() {
            for (x, value) in line.iter_mut().enumerate() {
                if !self.columns.contains(&x) || !used(x, y) {
                    *value = f32::MIN;
                }
            }
        }
        // the best of every row, kept up to date, makes each further peak cheap
        let row_best = |surface: &[f32], y: usize| -> (f32, usize) {
            let line = &surface[y * self.width..][..self.width];
            let start = self.columns.start;
            let pick =
                |best: (f32, usize), (i, &v): (usize, &f32)| if v > best.0 { (v, start + i) } else { best };
            line[self.columns.clone()].iter().enumerate().fold((f32::MIN, start), pick)
        };
        let mut rows: Vec<(f32, usize)> = (0..self.height).map(|y| row_best(surface, y)).collect();
        for _ in 0..count {
            let top = rows.iter().enumerate().max_by(|a, b| a.1.0.total_cmp(&b.1.0));
            let Some((y, &(value, x))) = top else { break };
            if value == f32::MIN {
                break;
            }
            found.push(self.vertex(surface, x, y));
            for dy in 0..=2 * APART {
                let line = y + self.height + dy - APART;
                if !self.circular && !(self.height..2 * self.height).contains(&line) {
                    continue;
                }
                let line = line % self.height;
                let from = line * self.width;
                let erased = x.saturating_sub(APART)..(x + APART + 1).min(self.width);
                surface[from + erased.start..from + erased.end].fill(f32::MIN);
                rows[line] = row_best(surface, line);
            }
        }
        found
    }

    /// Top of the parabola through a maximum and its neighbours.
    fn vertex(&self, surface: &[f32], x: usize, y: usize) -> (f64, f64) {
        let at = |x: usize, y: usize| f64::from(surface[y * self.width + x]);
        let offset = |low: f64, mid: f64, high: f64| {
            let bend = low + high - 2.0 * mid;
            if bend < -1e-9 && low > -1e30 && high > -1e30 {
                (0.5 * (low - high) / bend).clamp(-0.5, 0.5)
            } else {
                0.0
            }
        };
        let dx = if x > 0 && x + 1 < self.width { offset(at(x - 1, y), at(x, y), at(x + 1, y)) } else { 0.0 };
        let (up, down) = ((y + self.height - 1) % self.height, (y + 1) % self.height);
        let edge = !self.circular && (y == 0 || y + 1 == self.height);
        let dy = if edge { 0.0 } else { offset(at(x, up), at(x, y), at(x, down)) };
        (y as f64 + dy, x as f64 + dx)
    }
}
