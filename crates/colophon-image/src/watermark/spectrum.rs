//! The spectrum of a whitened channel: a map of peaks to search in, and exact values between the bins.

use super::plane::Plane;
use colophon_signal::fft2::{Complex32, RealFft2, SizeError};
use colophon_signal::simd::vectorised;
use std::f64::consts::{PI, TAU};
use std::sync::LazyLock;

/// Sides for transforms: products of small primes, even after halving.
const SIDES: [usize; 18] =
    [64, 96, 128, 192, 256, 320, 384, 480, 512, 576, 640, 768, 864, 960, 1024, 1152, 1280, 1536];
/// A transform is at least this much longer than the picture, so that interpolation between bins works.
const PADDING: f64 = 1.28;
/// Half side of the square whose mean power counts as background, in cycles per pixel.
const BACKGROUND: f64 = 0.02;
/// Largest peak height over background that counts.
const PEAK_CLIP: f32 = 10.0;
/// Frequencies, in cycles per pixel along either axis, beyond which nothing is read.
const BAND: f64 = 0.48;
/// Samples on either side of a frequency that take part in its interpolation.
const TAPS: isize = 5;

/// Side of the transform for a picture side; `None` if the picture is too long.
pub(crate) fn side(n: usize) -> Option<usize> {
    let need = (n as f64 * PADDING) as usize;
    SIDES.into_iter().find(|&s| s >= need)
}

/// Peak heights over the local background on the right half plane, mean removed.
///
/// Bin (kx, ky) is at `kx * height + ky + height / 2`.
#[derive(Clone, Debug)]
pub(crate) struct PeakMap {
    pub(crate) width: usize,
    pub(crate) height: usize,
    data: Vec<f32>,
}

/// Transform of one channel.
#[derive(Debug)]
pub(crate) struct Spectrum {
    width: usize,
    height: usize,
    bins: Vec<Complex32>,
    background: Vec<f32>,
    pub(crate) map: PeakMap,
    /// Channel pixels per working pixel, and the picture centre in channel pixels.
    scale: f64,
    centre: (f64, f64),
}

impl Spectrum {
    /// Transforms a whitened channel with sides `width` x `height`. `scale` is its size relative to the working picture,
    /// `centre` the point that phases refer to.
    pub(crate) fn new(
        mut plane: Plane,
        (width, height): (usize, usize),
        scale: f64,
        centre: (f64, f64),
    ) -> Result<Self, SizeError> {
        taper(&mut plane);
        let mut fft = RealFft2::new(width, height)?;
        let mut bins = vec![Complex32::default(); fft.spectrum_len()];
        fft.forward(&plane.data, plane.width, &mut bins)?;
        let half = height / 2;
        let mut power = vec![0f32; bins.len()];
        vectorised(
            #[inline(always)]
            || {
                for (column, out) in bins.chunks_exact(height).zip(power.chunks_exact_mut(height)) {
                    let (low, high) = out.split_at_mut(half);
                    high.iter_mut().zip(column).for_each(|(o, c)| *o = c.re * c.re + c.im * c.im);
                    low.iter_mut().zip(&column[half..]).for_each(|(o, c)| *o = c.re * c.re + c.im * c.im);
                }
            },
        );
        let background = local_mean(&power, width, height);
        let mut data = power;
        vectorised(
            #[inline(always)]
            || {
                for (p, &b) in data.iter_mut().zip(&background) {
                    *p = (*p / (b + 1e-12)).min(PEAK_CLIP);
                }
            },
        );
        soften(&mut data, height);
        let mean = data.iter().sum::<f32>() / data.len().max(1) as f32;
        for v in &mut data {
            *v -= mean;
        }
        Ok(Self { width, height, bins, background, map: PeakMap { width, height, data }, scale, centre })
    }

    /// The value at a frequency in cycles per working pixel, phase about the centre, in units of the local background;
    /// 0 outside the band.
    pub(crate) fn at(&self, fx: f64, fy: f64) -> (f64, f64) {
        let (fx, fy) = (fx / self.scale, fy / self.scale);
        if !(fx.abs() < BAND && fy.abs() < BAND) {
            return (0.0, 0.0);
        }
        if fx < 0.0 {
            let (re, im) = self.right_half(-fx, -fy);
            return (re, -im);
        }
        self.right_half(fx, fy)
    }

    fn right_half(&self, fx: f64, fy: f64) -> (f64, f64) {
        let (px, py) = (fx * self.width as f64, fy * self.height as f64);
        let (x0, y0) = (px.floor() as isize, py.floor() as isize);
        let (first_x, first_y) = (x0 + 1 - TAPS, y0 + 1 - TAPS);
        let (wx, wy) = (kernel(px.fract()), kernel(py - y0 as f64));
        // phases of the bins about the centre: one turn per step
        let turns = |first: isize, n: usize, c: f64| -> [Complex32; WIDTH] {
            let step = TAU * c / n as f64;
            let (step_sin, step_cos) = step.sin_cos();
            let (mut sin, mut cos) = (first as f64 * step).sin_cos();
            std::array::from_fn(|_| {
                let here = Complex32::new(cos as f32, sin as f32);
                (cos, sin) = (cos * step_cos - sin * step_sin, sin * step_cos + cos * step_sin);
                here
            })
        };
        let mut down = turns(first_y, self.height, self.centre.1);
        down.iter_mut().zip(wy).for_each(|(turn, &weight)| *turn *= weight);
        let across = turns(first_x, self.width, self.centre.0);
        let inner = first_x >= 0
            && first_x + WIDTH as isize <= self.width as isize / 2
            && first_y * (first_y + WIDTH as isize) > 0;
        let mut sum = Complex32::default();
        for (i, (&weight, &turn)) in wx.iter().zip(&across).enumerate() {
            let x = first_x + i as isize;
            let mut column = Complex32::default();
            if inner {
                let start = x as usize * self.height + first_y.rem_euclid(self.height as isize) as usize;
                let bins = self.bins.get(start..start + WIDTH).unwrap_or_default();
                bins.iter().zip(&down).for_each(|(bin, d)| column += bin * d);
            } else {
                for (j, d) in down.iter().enumerate() {
                    column += self.bin(x, first_y + j as isize) * d;
                }
            }
            sum += column * turn * weight;
        }
        let (re, im) = (f64::from(sum.re), f64::from(sum.im));
        let (near_x, near_y) =
            (px.round() as usize, (py.round() as isize + self.height as isize / 2) as usize);
        let place = near_x.min(self.width / 2) * self.height + near_y.min(self.height - 1);
        let level = f64::from(self.background[place]).sqrt() + 1e-9;
        (re / level, im / level)
    }

    fn bin(&self, kx: isize, ky: isize) -> Complex32 {
        let wrap = |k: isize| k.rem_euclid(self.height as isize) as usize;
        let x = kx.unsigned_abs();
        let x = if x > self.width / 2 { self.width - x } else { x };
        // beyond either end the spectrum of a real picture repeats as its conjugate
        let outside = kx < 0 || kx > self.width as isize / 2;
        let value = self.bins[x * self.height + if outside { wrap(-ky) } else { wrap(ky) }];
        if outside { value.conj() } else { value }
    }
}

impl PeakMap {
    /// Interpolated height at a frequency in cycles per pixel; 0 outside.
    #[inline]
    pub(crate) fn at(&self, fx: f32, fy: f32) -> f32 {
        let (fx, fy) = if fx < 0.0 { (-fx, -fy) } else { (fx, fy) };
        let (x, y) = (fx * self.width as f32, (fy + 0.5) * self.height as f32);
        let (ix, iy) = (x as usize, y as usize);
        if !(y >= 0.0 && ix < self.width / 2 && iy + 1 < self.height) {
            return 0.0;
        }
        let (sx, sy) = (x - ix as f32, y - iy as f32);
        let i = ix * self.height + iy;
        let (Some(a), Some(b)) =
            (self.data.get(i..i + 2), self.data.get(i + self.height..i + self.height + 2))
        else {
            return 0.0;
        };
        let (left, right) = (a[0] + sy * (a[1] - a[0]), b[0] + sy * (b[1] - b[0]));
        left + sx * (right - left)
    }

    /// Adds another channel's map with the same bin spacing, which may cover fewer frequencies.
    pub(crate) fn add(&mut self, other: &Self) {
        let offset = (self.height - other.height.min(self.height)) / 2;
        for (out, column) in
            self.data.chunks_exact_mut(self.height).zip(other.data.chunks_exact(other.height))
        {
            out.iter_mut().skip(offset).zip(column).for_each(|(o, c)| *o += c);
        }
    }
}

/// Raised-cosine borders of a sixteenth of each side.
fn taper(plane: &mut Plane) {
    let edge = |n: usize| -> Vec<f32> {
        let m = (n / 16).max(4).min(n / 2);
        let rise = |i: usize| 0.5 - 0.5 * (PI * (i as f64 + 0.5) / m as f64).cos();
        (0..n).map(|i| i.min(n - 1 - i)).map(|i| if i < m { rise(i) as f32 } else { 1.0 }).collect()
    };
    let (across, down) = (edge(plane.width), edge(plane.height));
    for (line, &d) in plane.data.chunks_exact_mut(plane.width).zip(&down) {
        line.iter_mut().zip(&across).for_each(|(v, &a)| *v *= a * d);
    }
}

/// Bins that take part in an interpolation along one axis.
const WIDTH: usize = 2 * TAPS as usize;
/// Places between two bins for which the kernel is kept; the nearest is used.
const PLACES: usize = 1024;

/// Weights of the bins around a place `fraction` of the way from one bin to the next.
fn kernel(fraction: f64) -> &'static [f32; WIDTH] {
    static KERNELS: LazyLock<Vec<[f32; WIDTH]>> = LazyLock::new(|| {
        let weights = |place: usize| -> [f32; WIDTH] {
            let at = place as f64 / PLACES as f64 + (TAPS - 1) as f64;
            std::array::from_fn(|i| interpolation(at - i as f64) as f32)
        };
        (0..=PLACES).map(weights).collect()
    });
    &KERNELS[((fraction * PLACES as f64).round() as usize).min(PLACES)]
}

/// Kaiser-windowed sinc.
fn interpolation(t: f64) -> f64 {
    const BETA: f64 = 4.5;
    let u = t / TAPS as f64;
    if u.abs() >= 1.0 {
        return 0.0;
    }
    let sinc = if t.abs() < 1e-9 { 1.0 } else { (PI * t).sin() / (PI * t) };
    sinc * bessel_i0(BETA * (1.0 - u * u).sqrt()) / bessel_i0(BETA)
}

fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-10 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

/// Mean over a square around every bin; around the axis the other half plane is the mirror image.
fn local_mean(power: &[f32], width: usize, height: usize) -> Vec<f32> {
    let (mx, my) = (radius(width), radius(height));
    let columns = width / 2 + 1;
    // moving sums along columns, which are circular
    let mut down = vec![0f32; power.len()];
    let mut round = Vec::with_capacity(height + 2 * my + 1);
    for (column, out) in power.chunks_exact(height).zip(down.chunks_exact_mut(height)) {
        round.clear();
        round.extend_from_slice(&column[height - my..]);
        round.extend_from_slice(column);
        round.extend_from_slice(&column[..=my]);
        let enter = &round[2 * my + 1..];
        let mut sum: f64 = round[..=2 * my].iter().map(|&v| f64::from(v)).sum();
        for ((o, &new), &old) in out.iter_mut().zip(enter).zip(&round) {
            *o = sum as f32;
            sum += f64::from(new) - f64::from(old);
        }
    }
    // moving sums across columns
    let mirrored = |x: usize, out: &mut Vec<f32>| {
        out.clear();
        let column = &down[x * height..][..height];
        // index i stands for ky = i - height / 2, so the mirror image of i is height - i, with 0 its own
        out.push(column[0]);
        out.extend(column[1..].iter().rev());
    };
    let mut sums = vec![0f32; height];
    let mut mirror = Vec::with_capacity(height);
    let mut out = vec![0f32; power.len()];
    let mut count = 0usize;
    let mut change = |x: isize, sign: f32, sums: &mut [f32]| -> isize {
        if x >= columns as isize {
            return 0;
        }
        if x < 0 {
            mirrored(x.unsigned_abs(), &mut mirror);
            sums.iter_mut().zip(&mirror).for_each(|(s, v)| *s += sign * v);
        } else {
            let column = &down[x as usize * height..][..height];
            sums.iter_mut().zip(column).for_each(|(s, v)| *s += sign * v);
        }
        sign as isize
    };
    let mx = mx.min(columns.saturating_sub(1)) as isize;
    for x in -mx..mx {
        count = count.saturating_add_signed(change(x, 1.0, &mut sums));
    }
    for (x, line) in out.chunks_exact_mut(height).enumerate() {
        count = count.saturating_add_signed(change(x as isize + mx, 1.0, &mut sums));
        let scale = 1.0 / (count.max(1) * (2 * my + 1)) as f32;
        line.iter_mut().zip(&sums).for_each(|(o, &s)| *o = (s * scale).max(0.0));
        count = count.saturating_add_signed(change(x as isize - mx, -1.0, &mut sums));
    }
    out
}

fn radius(side: usize) -> usize {
    ((BACKGROUND * side as f64).round() as usize).clamp(1, side / 4)
}

/// A light blur, along and across columns.
fn soften(data: &mut [f32], height: usize) {
    const SIDE: f32 = 0.22;
    const CENTRE: f32 = 1.0 - 2.0 * SIDE;
    let mut round = vec![0f32; height + 2];
    for column in data.chunks_exact_mut(height) {
        round[0] = column[height - 1];
        round[1..=height].copy_from_slice(column);
        round[height + 1] = column[0];
        vectorised(
            #[inline(always)]
            || {
                let around = round.iter().zip(&round[2..]);
                for (v, (&before, &after)) in column.iter_mut().zip(around) {
                    *v = CENTRE * *v + SIDE * (before + after);
                }
            },
        );
    }
    let mut before: Vec<f32> = data[..height].to_vec();
    let columns = data.len() / height;
    for x in 0..columns {
        let (left, right) = data.split_at_mut((x + 1) * height);
        let column = &mut left[x * height..];
        let keep = column.to_vec();
        let after = if x + 1 < columns { &right[..height] } else { &keep[..] };
        for ((c, &b), &a) in column.iter_mut().zip(&before).zip(after) {
            *c = CENTRE * *c + SIDE * (a + b);
        }
        before = keep;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(width: usize, height: usize, fx: f64, fy: f64, phase: f64) -> Plane {
        let mut plane = Plane::new(width, height);
        let (cx, cy) = ((width - 1) as f64 / 2.0, (height - 1) as f64 / 2.0);
        for (i, v) in plane.data.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f64 - cx, (i / width) as f64 - cy);
            *v = (TAU * (fx * x + fy * y) + phase).cos() as f32;
        }
        plane
    }

    #[test]
    fn a_wave_between_bins_is_read_with_its_phase() {
        for (fx, fy) in [(0.1234, 0.0771), (0.0503, -0.2011), (-0.0911, 0.1507), (0.0011, 0.31)] {
            let (w, h) = (150, 201);
            let centre = ((w - 1) as f64 / 2.0, (h - 1) as f64 / 2.0);
            let sides = (side(w).unwrap(), side(h).unwrap());
            let spectrum = Spectrum::new(wave(w, h, fx, fy, 0.7), sides, 1.0, centre).unwrap();
            let (re, im) = spectrum.at(fx, fy);
            assert!((im.atan2(re) - 0.7).abs() < 0.03, "{fx} {fy}: phase {}", im.atan2(re));
            let (far_re, far_im) = spectrum.at(fx + 0.12, fy - 0.1);
            assert!(re.hypot(im) > 20.0 * far_re.hypot(far_im));
        }
    }

    #[test]
    fn the_map_peaks_at_the_wave() {
        let spectrum =
            Spectrum::new(wave(180, 180, 0.11, -0.07, 0.0), (256, 256), 1.0, (89.5, 89.5)).unwrap();
        let peak = spectrum.map.at(0.11, -0.07);
        assert!(peak > 3.0, "{peak}");
        assert_eq!(spectrum.map.at(-0.11, 0.07), peak);
        assert!(spectrum.map.at(0.2, 0.2) < 0.5);
    }
}
