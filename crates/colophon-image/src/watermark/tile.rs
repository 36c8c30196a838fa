//! The tile that the lattice repeats: its period for a size of picture, and its waves.

use super::plane::Plane;
use super::schedule::{OUTERMOST, Schedule};
use colophon_signal::simd::vectorised;
use std::f64::consts::TAU;

/// Tile period in pixels at a picture side of [`REFERENCE_SIDE`], and its limits.
const PERIOD: (f64, f64, f64) = (128.0, 96.0, 400.0);
/// Geometric mean of width and height at which the period is [`PERIOD`]`.0`.
const REFERENCE_SIDE: f64 = 640.0;
/// Shortest side that holds two of the smallest tiles.
pub const MIN_SIDE: usize = 192;
/// Shortest side of a moving picture that is marked: the mean of many frames shows more than one still picture.
pub const MIN_MOVING_SIDE: usize = 120;
/// The tile of a moving picture against that of a still one of its size: waves half as long again keep what encoders of
/// video quantise away first, and what half and third size leave.
const STRETCH: f64 = 1.6;

/// Tile period for a picture size: grows with the square root of the side, so that a large picture can be made small and
/// a small one cropped.
pub(crate) fn period(width: usize, height: usize) -> usize {
    let (reference, low, high) = PERIOD;
    let side = (width as f64 * height as f64).sqrt();
    (reference * (side / REFERENCE_SIDE).sqrt()).clamp(low, high).round() as usize
}

/// Period of the tile on a moving picture of this size, in pixels.
pub fn moving_period(width: usize, height: usize) -> usize {
    let period = (period(width, height) as f64 * STRETCH).round() as usize;
    // at least a tile and a half along the shorter side, for small pictures
    period.min(width.min(height) * 2 / 3)
}

/// One period of the lattice, RMS 1: the waves of all points, each as strong as `weight` says of its distance from the origin
/// in lattice units. Many points share a frequency along x, so that they are added up along y first.
pub(crate) fn tile(schedule: &Schedule, payload: u64, period: usize, weight: impl Fn(f64) -> f64) -> Plane {
    let turn = Wave::turn(period);
    let waves: Vec<Wave> = (0..=OUTERMOST as usize).map(|k| turn.times(k)).collect();
    let mut sums = vec![Wave { cos: vec![0.0; period], sin: vec![0.0; period] }; waves.len()];
    for (point, (re, im)) in schedule.points.iter().zip(schedule.symbols(payload)) {
        let strength = weight(f64::from(point.kx).hypot(f64::from(point.ky)));
        let (re, im) = ((re * strength) as f32, (im * strength) as f32);
        // a point and the one opposite are one wave
        let (ky, im) = if point.kx < 0 { (-point.ky, -im) } else { (point.ky, im) };
        let (Some(sum), Some(wave)) =
            (sums.get_mut(point.kx.unsigned_abs() as usize), waves.get(ky.unsigned_abs() as usize))
        else {
            continue;
        };
        let way = ky.signum() as f32;
        let along = wave.cos.iter().zip(&wave.sin);
        for ((a, b), (cos, sin)) in sum.cos.iter_mut().zip(&mut sum.sin).zip(along) {
            *a += re * cos - im * way * sin;
            *b += im * cos + re * way * sin;
        }
    }
    let mut plane = Plane::new(period, period);
    vectorised(
        #[inline(always)]
        || {
            for (y, line) in plane.data.chunks_exact_mut(period).enumerate() {
                for (wave, sum) in waves.iter().zip(&sums) {
                    let (a, b) = (sum.cos[y], sum.sin[y]);
                    for (o, (cos, sin)) in line.iter_mut().zip(wave.cos.iter().zip(&wave.sin)) {
                        *o += a * cos - b * sin;
                    }
                }
            }
        },
    );
    let power = plane.data.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / plane.data.len() as f64;
    let scale = (1.0 / power.max(1e-30).sqrt()) as f32;
    plane.data.iter_mut().for_each(|v| *v *= scale);
    plane
}

/// Cosine and sine of whole turns of a period, or sums of them.
#[derive(Clone)]
struct Wave {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Wave {
    fn turn(period: usize) -> Self {
        let angle = |i: usize| TAU * i as f64 / period as f64;
        let (sin, cos) = (0..period).map(|i| angle(i).sin_cos()).map(|(s, c)| (s as f32, c as f32)).unzip();
        Self { cos, sin }
    }

    /// So many turns in the place of one.
    fn times(&self, turns: usize) -> Self {
        let period = self.cos.len();
        let step = turns % period.max(1);
        let places = std::iter::successors(Some(0), |i| Some((i + step) % period)).take(period);
        let (cos, sin) = places.map(|i| (self.cos[i], self.sin[i])).unzip();
        Self { cos, sin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use colophon_signal::key::MarkKey;

    #[test]
    fn a_tile_is_the_sum_of_its_waves() {
        let schedule = Schedule::new(&MarkKey::public());
        let (payload, period) = (0x0123_4567_89ab_cdef, 113);
        let weight = |distance: f64| 1.0 + distance;
        let tile = tile(&schedule, payload, period, weight);
        let value = |x: usize, y: usize| -> f64 {
            let waves = schedule.points.iter().zip(schedule.symbols(payload)).map(|(point, (re, im))| {
                let along = f64::from(point.kx) * x as f64 + f64::from(point.ky) * y as f64;
                let (sin, cos) = (TAU * along / period as f64).sin_cos();
                weight(f64::from(point.kx).hypot(f64::from(point.ky))) * (re * cos - im * sin)
            });
            waves.sum()
        };
        let scale = f64::from(tile.data[0]) / value(0, 0);
        for (x, y) in [(1, 0), (0, 1), (50, 77), (112, 112), (31, 100)] {
            let got = f64::from(tile.data[y * period + x]);
            assert!((got - scale * value(x, y)).abs() < 1e-3, "{x}, {y}: {got}");
        }
        let power = tile.data.iter().map(|v| v * v).sum::<f32>() / tile.data.len() as f32;
        assert!((power - 1.0).abs() < 1e-3);
    }
}
