//! From a located lattice to soft bits: reading the points, finding the offset, weighing the channels, deciding.

use super::schedule::{CODED, PILOTS, POINTS, Schedule};
use super::search::Matrix;
use super::spectrum::Spectrum;
use colophon_signal::fft2::{Complex32, RealFft2, SizeError};
use colophon_signal::stats::{log10_student_t, log10_union};
use std::f64::consts::TAU;

/// Side of the grid of offsets tried per tile.
const GRID: usize = 128;
/// Pilot peaks below this many deviations are not decoded.
const PILOT_SCORE: f64 = 4.2;
/// Largest point in units of the mean size; larger ones are leftovers of the picture.
const LIMIT: f64 = 2.5;
/// Share of the pilot mean over its deviation below which a channel is taken for empty.
const CHANNEL_FLOOR: f64 = 1.5;
/// Payload words (2^64 pass the checksum) and search hypotheses (angle, scales, offset, mirror, channels), as powers of two.
const LOG2_TRIALS: f64 = 64.0 + 34.0;

type Complex = (f64, f64);

/// A decoded word and how well it fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) payload: u64,
    /// Cosine between the received points and the word's, as Student's t with `2 * POINTS - 1` degrees of freedom.
    pub(crate) z: f64,
    pub(crate) log10_p: f64,
}

/// An offset the pilots agree on.
#[derive(Clone, Copy, Debug)]
struct Offset {
    score: f64,
    conjugate: bool,
    x: f64,
    y: f64,
}

/// Reads lattices out of the spectra of one picture.
pub(crate) struct Demodulator<'a> {
    schedule: &'a Schedule,
    fft: RealFft2,
}

impl<'a> Demodulator<'a> {
    pub(crate) fn new(schedule: &'a Schedule) -> Result<Self, SizeError> {
        Ok(Self { schedule, fft: RealFft2::new(GRID, GRID)? })
    }

    /// The best word under `matrix`, if the pilots line up and a checksum holds.
    pub(crate) fn read(
        &mut self,
        spectra: &[&Spectrum],
        matrix: Matrix,
    ) -> Result<Option<Reading>, SizeError> {
        let channels: Vec<Vec<Complex>> = spectra.iter().map(|s| self.points(s, matrix)).collect();
        self.read_points(&channels)
    }

    /// As [`read`](Self::read), from points already read per channel.
    pub(crate) fn read_points(&mut self, channels: &[Vec<Complex>]) -> Result<Option<Reading>, SizeError> {
        let mut offsets = Vec::new();
        for channel in channels {
            self.offsets(channel, &mut offsets)?;
        }
        if let [first, second] = channels {
            let sum: Vec<Complex> = first.iter().zip(second).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect();
            self.offsets(&sum, &mut offsets)?;
        }
        offsets.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut best: Option<Reading> = None;
        for offset in offsets.into_iter().filter(|o| o.score >= PILOT_SCORE).take(2) {
            let combined = self.combine(channels, offset);
            if let Some(reading) = self.decode(&combined)
                && best.is_none_or(|b| reading.z > b.z)
            {
                best = Some(reading);
            }
            if best.is_some_and(|b| b.log10_p < super::detect::THRESHOLD) {
                break;
            }
        }
        Ok(best)
    }

    /// Values of all points in one channel, scaled to a mean square of 1.
    pub(crate) fn points(&self, spectrum: &Spectrum, matrix: Matrix) -> Vec<Complex> {
        let [[a, b], [c, d]] = matrix;
        let frequency = |kx: i32, ky: i32| {
            let (x, y) = (f64::from(kx), f64::from(ky));
            (a * x + b * y, c * x + d * y)
        };
        let mut points: Vec<Complex> = self
            .schedule
            .points
            .iter()
            .map(|p| {
                let (fx, fy) = frequency(p.kx, p.ky);
                spectrum.at(fx, fy)
            })
            .collect();
        normalise(&mut points);
        points
    }

    /// Peaks of the pilots' correlation over one tile, for the points and for their conjugates (a turn by 180 degrees
    /// leaves the power spectrum alone).
    fn offsets(&mut self, points: &[Complex], out: &mut Vec<Offset>) -> Result<(), SizeError> {
        for conjugate in [false, true] {
            let mut spectrum = vec![Complex32::default(); self.fft.spectrum_len()];
            let mut energy = 0.0;
            for (point, &value) in self.schedule.points.iter().zip(points).take(PILOTS) {
                let (re, im) = turned(if conjugate { (value.0, -value.1) } else { value }, -point.phase);
                energy += re * re + im * im;
                let (mut kx, mut ky, mut im) = (point.kx, point.ky, im);
                if kx < 0 {
                    (kx, ky, im) = (-kx, -ky, -im);
                }
                let wrap = |k: i32| k.rem_euclid(GRID as i32) as usize;
                spectrum[kx as usize * GRID + wrap(ky)] += Complex32::new(re as f32, im as f32);
                if kx == 0 {
                    spectrum[wrap(-ky)] += Complex32::new(re as f32, -im as f32);
                }
            }
            let mut surface = vec![0f32; GRID * GRID];
            self.fft.inverse(&mut spectrum, &mut surface, GRID)?;
            let pick = |best: (usize, f32), (i, &v): (usize, &f32)| if v > best.1 { (i, v) } else { best };
            let (at, peak) = surface.iter().enumerate().fold((0, f32::MIN), pick);
            // the real transform counts every point and its mirror image: twice the real part of the sum
            let score = f64::from(peak) * 0.5 / (0.5 * energy + 1e-12).sqrt();
            let place = |i: usize| i as f64 / GRID as f64;
            out.push(Offset { score, conjugate, x: place(at % GRID), y: place(at / GRID) });
        }
        Ok(())
    }

    /// Sharpens the offset, takes out the keyed phases and adds the channels by how clearly their pilots speak.
    fn combine(&self, channels: &[Vec<Complex>], offset: Offset) -> Vec<Complex> {
        let line_up = |points: &[Complex], x: f64, y: f64, take: usize| -> Vec<Complex> {
            let turn = |(point, &value): (&super::schedule::Point, &Complex)| {
                let value = if offset.conjugate { (value.0, -value.1) } else { value };
                turned(value, TAU * (f64::from(point.kx) * x + f64::from(point.ky) * y) - point.phase)
            };
            self.schedule.points.iter().zip(points).take(take).map(turn).collect()
        };
        let agreement = |x: f64, y: f64| -> f64 {
            let sum = |c: &Vec<Complex>| line_up(c, x, y, PILOTS).iter().map(|v| v.0).sum::<f64>();
            channels.iter().map(|c| sum(c).abs()).sum()
        };
        let (mut x, mut y, mut best) = (offset.x, offset.y, agreement(offset.x, offset.y));
        for step in [0.004, 0.002, 0.001] {
            let (cx, cy) = (x, y);
            for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
                let (tx, ty) = (cx + step * f64::from(dx), cy + step * f64::from(dy));
                let value = agreement(tx, ty);
                if value > best {
                    (x, y, best) = (tx, ty, value);
                }
            }
        }
        let mut sum = vec![(0.0, 0.0); POINTS];
        for channel in channels {
            let lined = line_up(channel, x, y, POINTS);
            let mean = lined[..PILOTS].iter().map(|v| v.0).sum::<f64>() / PILOTS as f64;
            // both channels have mean square 1, so this is the deviation of the pilots' mean if nothing is there
            let clear = mean.abs() * (2.0 * PILOTS as f64).sqrt();
            let weight = if clear < CHANNEL_FLOOR && channels.len() > 1 { 0.05 } else { 1.0 } * mean
                / (1.0 - mean * mean).max(0.05);
            sum.iter_mut().zip(&lined).for_each(|(s, v)| *s = (s.0 + weight * v.0, s.1 + weight * v.1));
        }
        normalise(&mut sum);
        sum
    }

    fn decode(&self, points: &[Complex]) -> Option<Reading> {
        let limited: Vec<Complex> = points
            .iter()
            .map(|&(re, im)| {
                let scale = (LIMIT / re.hypot(im).max(1e-9)).min(1.0);
                (re * scale, im * scale)
            })
            .collect();
        let (pilots, data) = limited.split_at(PILOTS);
        let flat: Vec<f64> = data.iter().flat_map(|&(re, im)| [re, im]).collect();
        let soft: Vec<f32> = self.schedule.order.iter().map(|&place| flat[place] as f32).collect();
        let energy: f64 = limited.iter().map(|v| v.0 * v.0 + v.1 * v.1).sum();
        let pilot_sum: f64 = pilots.iter().map(|v| v.0).sum();
        let measure = |(payload, word): (u64, Vec<f32>)| {
            let sum: f64 = word.iter().zip(&soft).map(|(&w, &s)| f64::from(w * s)).sum();
            let fit = (pilot_sum + sum * std::f64::consts::FRAC_1_SQRT_2) / (energy * POINTS as f64).sqrt();
            let freedom = (PILOTS * 2 + CODED - 1) as f64;
            let z = fit * freedom.sqrt() / (1.0 - fit * fit).max(1e-9).sqrt();
            Reading { payload, z, log10_p: log10_union(log10_student_t(z, freedom), LOG2_TRIALS) }
        };
        self.schedule.decode(&soft).into_iter().map(measure).max_by(|a, b| a.z.total_cmp(&b.z))
    }
}

fn turned((re, im): Complex, angle: f64) -> Complex {
    let (sin, cos) = angle.sin_cos();
    (re * cos - im * sin, re * sin + im * cos)
}

/// Scales to a mean square of 1.
fn normalise(points: &mut [Complex]) {
    let energy: f64 = points.iter().map(|v| v.0 * v.0 + v.1 * v.1).sum();
    let scale = (points.len() as f64 / energy.max(1e-30)).sqrt();
    for point in points {
        *point = (point.0 * scale, point.1 * scale);
    }
}
