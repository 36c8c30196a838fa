//! From a located lattice to soft bits: reading the points, finding the offset, weighing the channels, deciding.

use super::evidence::Reading;
use super::schedule::{PILOTS, POINTS, Point, Schedule};
use super::search::{Matrix, climb};
use super::spectrum::Spectrum;
use colophon_signal::fft2::{Complex32, RealFft2, SizeError};
use std::f64::consts::{SQRT_2, TAU};

/// Side of the grid of offsets tried per tile.
const GRID: usize = 128;
/// Rounded distances of points from the origin.
const RADII: usize = 25;
/// Pilot peaks below this many deviations are not decoded.
const PILOT_SCORE: f64 = 4.2;
/// Pilot peaks from this many deviations on are worth a closer look at the geometry.
const PILOT_LOCK: f64 = 4.8;
/// Largest point in deviations of the background; larger ones are leftovers of the picture.
const LIMIT: f64 = 2.5;
/// Deviations of the pilots' mean below which a channel is taken for empty, and what it counts then.
const CHANNEL_FLOOR: f64 = 1.5;
const EMPTY_CHANNEL: f64 = 0.2;
/// Width, in lattice units, of the neighbourhood in radius over which the strength of the mark is averaged.
const RING: f64 = 2.5;
/// Least strength, in background power, a point is credited with.
const FAINT: f64 = 0.03;
/// How much a unit of the registered layer tells about a coded bit, in units of the lattice's sum.
const REGISTERED_SHARE: f64 = 0.6;

type Complex = (f64, f64);

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
    /// Distance of every point from the origin, rounded.
    radii: Vec<usize>,
}

impl<'a> Demodulator<'a> {
    pub(crate) fn new(schedule: &'a Schedule) -> Result<Self, SizeError> {
        let radius = |p: &Point| (f64::from(p.kx).hypot(f64::from(p.ky)).round() as usize).min(RADII - 1);
        Ok(Self {
            schedule,
            fft: RealFft2::new(GRID, GRID)?,
            radii: schedule.points.iter().map(radius).collect(),
        })
    }

    /// The best word under `matrix`, if the pilots line up and a checksum holds. `registered` holds what the registered
    /// layer says about the coded bits, if that is to be added.
    pub(crate) fn read(
        &mut self,
        spectra: &[&Spectrum],
        matrix: Matrix,
        registered: Option<&[f32]>,
    ) -> Result<Option<Reading>, SizeError> {
        let channels: Vec<Vec<Complex>> = spectra.iter().map(|s| self.points(s, matrix)).collect();
        let mut offsets = Vec::new();
        for channel in &channels {
            self.offsets(channel, &mut offsets)?;
        }
        if let [first, second] = &channels[..] {
            let sum: Vec<Complex> = first.iter().zip(second).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect();
            self.offsets(&sum, &mut offsets)?;
        }
        offsets.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut best: Option<Reading> = None;
        for offset in offsets.into_iter().filter(|o| o.score >= PILOT_SCORE).take(2) {
            let placed = self.place(&channels, offset);
            self.decode(&self.combine(&channels, placed), None, &mut best);
            if found(best) {
                break;
            }
            if offset.score >= PILOT_LOCK {
                let sharper = self.sharpen(spectra, matrix, placed);
                let channels: Vec<Vec<Complex>> = spectra.iter().map(|s| self.points(s, sharper)).collect();
                let combined = self.combine(&channels, self.place(&channels, placed));
                self.decode(&combined, None, &mut best);
                if !found(best) && registered.is_some() {
                    self.decode(&combined, registered, &mut best);
                }
            }
            if found(best) {
                break;
            }
        }
        Ok(best)
    }

    /// Values of all points in one channel in units of the background, weighted by how strong the mark is at their radius.
    ///
    /// The strength is what the mean power around a radius exceeds the background by. It depends on sizes only, so the
    /// phases, which alone decide, keep the distribution they have on unmarked pictures.
    fn points(&self, spectrum: &Spectrum, matrix: Matrix) -> Vec<Complex> {
        let [[a, b], [c, d]] = matrix;
        let read = |p: &Point| {
            let (x, y) = (f64::from(p.kx), f64::from(p.ky));
            let (re, im) = spectrum.at(a * x + b * y, c * x + d * y);
            let scale = (LIMIT / re.hypot(im).max(1e-9)).min(1.0);
            (re * scale, im * scale)
        };
        let mut points: Vec<Complex> = self.schedule.points.iter().map(read).collect();
        let mut sums = [(0f64, 0f64); RADII];
        for (&radius, &(re, im)) in self.radii.iter().zip(&points) {
            let power = re * re + im * im;
            if power > 0.0 {
                sums[radius] = (sums[radius].0 + power, sums[radius].1 + 1.0);
            }
        }
        let strength: [f64; RADII] = std::array::from_fn(|r| {
            let near = sums.iter().enumerate().map(|(i, &(power, count))| {
                let weight = (-0.5 * ((i as f64 - r as f64) / RING).powi(2)).exp();
                (weight * power, weight * count)
            });
            let (power, count) = near.fold((0.0, 1e-9), |s, n| (s.0 + n.0, s.1 + n.1));
            (power / count - 1.0).max(FAINT).sqrt()
        });
        for (point, &radius) in points.iter_mut().zip(&self.radii) {
            *point = (point.0 * strength[radius], point.1 * strength[radius]);
        }
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

    /// Climbs to the offset at which the pilots agree best.
    fn place(&self, channels: &[Vec<Complex>], offset: Offset) -> Offset {
        let agreement = |x: f64, y: f64| -> f64 {
            let here = Offset { x, y, ..offset };
            channels.iter().map(|c| self.pilot_sum(c, here).abs()).sum()
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
        Offset { x, y, ..offset }
    }

    /// The matrix near `matrix` at which the pilots agree best under `offset`.
    fn sharpen(&self, spectra: &[&Spectrum], matrix: Matrix, offset: Offset) -> Matrix {
        let agreement = |matrix: Matrix| -> f64 {
            let [[a, b], [c, d]] = matrix;
            let sum = |spectrum: &&Spectrum| {
                let pilots = self.schedule.points.iter().take(PILOTS).map(|p| {
                    let (x, y) = (f64::from(p.kx), f64::from(p.ky));
                    let (re, im) = spectrum.at(a * x + b * y, c * x + d * y);
                    let scale = (LIMIT / re.hypot(im).max(1e-9)).min(1.0);
                    (re * scale, im * scale)
                });
                self.pilot_sum(&pilots.collect::<Vec<_>>(), offset).abs()
            };
            spectra.iter().map(sum).sum()
        };
        climb(matrix, &[0.003, 0.0015, 0.0007], agreement)
    }

    fn pilot_sum(&self, points: &[Complex], offset: Offset) -> f64 {
        let pairs = self.schedule.points.iter().zip(points).take(PILOTS);
        pairs.map(|(point, &value)| line_up(point, value, offset).0).sum()
    }

    /// Takes out offset and keyed phases and adds the channels, each with the sign its pilots have.
    fn combine(&self, channels: &[Vec<Complex>], offset: Offset) -> Vec<Complex> {
        let mut sum = vec![(0.0, 0.0); POINTS];
        for channel in channels {
            let lined: Vec<Complex> =
                self.schedule.points.iter().zip(channel).map(|(p, &v)| line_up(p, v, offset)).collect();
            let pilots = &lined[..PILOTS];
            let (mean, energy) =
                pilots.iter().fold((0.0, 1e-12), |s, v| (s.0 + v.0, s.1 + v.0 * v.0 + v.1 * v.1));
            let clear = mean.abs() / (0.5 * energy).sqrt();
            let weight =
                if clear < CHANNEL_FLOOR && channels.len() > 1 { EMPTY_CHANNEL } else { 1.0 } * mean.signum();
            sum.iter_mut().zip(&lined).for_each(|(s, v)| *s = (s.0 + weight * v.0, s.1 + weight * v.1));
        }
        sum
    }

    /// Decodes and keeps the most certain word.
    fn decode(&self, points: &[Complex], registered: Option<&[f32]>, best: &mut Option<Reading>) {
        let data = points.get(PILOTS..).unwrap_or_default();
        let flat: Vec<f64> = data.iter().flat_map(|&(re, im)| [re, im]).collect();
        let mut soft: Vec<f32> = self.schedule.order.iter().map(|&place| flat[place] as f32).collect();
        // coded bits come in pairs, one on each axis of a point whose phase the key draws
        let mut sizes: Vec<f64> = data.iter().map(|&(re, im)| re.hypot(im) * SQRT_2).collect();
        if let Some(registered) = registered {
            soft.iter_mut().zip(registered).for_each(|(s, &r)| *s += REGISTERED_SHARE as f32 * r);
            sizes.extend(self.schedule.cosines.iter().map(|c| REGISTERED_SHARE * c.weight()));
        }
        if let Some(reading) = Reading::of_bits(self.schedule, &soft, &sizes)
            && best.is_none_or(|b| reading.log10_p < b.log10_p)
        {
            *best = Some(reading);
        }
    }
}

fn found(reading: Option<Reading>) -> bool {
    reading.is_some_and(|r| r.counts())
}

fn line_up(point: &Point, (re, im): Complex, offset: Offset) -> Complex {
    let value = if offset.conjugate { (re, -im) } else { (re, im) };
    turned(value, TAU * (f64::from(point.kx) * offset.x + f64::from(point.ky) * offset.y) - point.phase)
}

fn turned((re, im): Complex, angle: f64) -> Complex {
    let (sin, cos) = angle.sin_cos();
    (re * cos - im * sin, re * sin + im * cos)
}
