//! The reader's front end: makes picture content look like even noise so that the lattice stands out.
//!
//! Content is suppressed where and in the frequencies in which it is strong: first a limiter on local contrast, then
//! every overlapping block is divided by a power of its own smoothed spectrum. Both act as the matched filter for noise
//! whose strength changes from place to place, and keep text, edges and logos from dominating.

use super::plane::Plane;
use colophon_signal::fft2::Complex32;
use colophon_signal::simd::vectorised;
use rustfft::{Fft, FftPlanner};
use std::f32::consts::PI;
use std::fmt;
use std::sync::Arc;

/// Side of a block in working pixels; blocks overlap by half.
const BLOCK: usize = 32;
const HOP: usize = BLOCK / 2;
const AREA: usize = BLOCK * BLOCK;
/// Radii of the moving means (three passes) for the high pass and for local contrast: deviation 2.4.
const RADIUS: usize = 2;
/// Contrast at which the limiter stops lifting quiet places, as a share of the mean contrast.
const QUIET: f32 = 0.1;
/// Largest value after the limiter, in local deviations.
const CLIP: f32 = 2.0;
/// Amplitude below which a block's spectrum is not lifted further, in units of a block of unit noise.
const SPECTRAL_FLOOR: f32 = 0.7;

/// Plans and working memory of the block transform.
pub(crate) struct Whitener {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    window: [f32; BLOCK],
    block: Vec<Complex32>,
    turned: Vec<Complex32>,
    scratch: Vec<Complex32>,
    power: [Vec<f32>; 2],
    spare: Vec<f32>,
}

impl fmt::Debug for Whitener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Whitener")
    }
}

impl Whitener {
    pub(crate) fn new() -> Self {
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(BLOCK), planner.plan_fft_inverse(BLOCK));
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        let zeros = || vec![Complex32::default(); AREA];
        Self {
            forward,
            inverse,
            window: std::array::from_fn(|i| (PI * (i as f32 + 0.5) / BLOCK as f32).sin()),
            block: zeros(),
            turned: zeros(),
            scratch: vec![Complex32::default(); scratch],
            power: [vec![0.0; AREA], vec![0.0; AREA]],
            spare: vec![0.0; AREA],
        }
    }

    /// Whitens a plane; the result has no unit.
    pub(crate) fn run(&mut self, plane: &Plane) -> Plane {
        let limited = padded(&limit(plane));
        let mut sum = Plane::new(limited.width, limited.height);
        for top in (0..limited.height - HOP).step_by(HOP) {
            for left in (0..limited.width - HOP).step_by(BLOCK) {
                self.load(&limited, left, top);
                self.flatten();
                self.add(&mut sum, left, top);
            }
        }
        let mut out = Plane::new(plane.width, plane.height);
        let rows = sum.data.chunks_exact(sum.width).skip(HOP);
        for (line, row) in out.data.chunks_exact_mut(plane.width).zip(rows) {
            line.copy_from_slice(&row[HOP..HOP + plane.width]);
        }
        out
    }

    /// The block at `left` and its right neighbour, half a block on, as the real and imaginary part of one.
    fn load(&mut self, plane: &Plane, left: usize, top: usize) {
        vectorised(
            #[inline(always)]
            || {
                for (j, line) in self.block.chunks_exact_mut(BLOCK).enumerate() {
                    let row = &plane.data[(top + j) * plane.width + left..][..BLOCK + HOP];
                    let (wy, window) = (self.window[j], &self.window[..]);
                    for ((value, &wx), (&re, &im)) in
                        line.iter_mut().zip(window).zip(row.iter().zip(&row[HOP..]))
                    {
                        let weight = wx * wy;
                        *value = Complex32::new(re * weight, im * weight);
                    }
                }
            },
        );
    }

    /// Divides the spectra of both blocks by their own smoothed amplitude to the power 1.25.
    fn flatten(&mut self) {
        self.forward.process_with_scratch(&mut self.block, &mut self.scratch);
        transpose(&self.block, &mut self.turned);
        self.forward.process_with_scratch(&mut self.turned, &mut self.scratch);
        vectorised(
            #[inline(always)]
            || self.weigh(),
        );
        self.inverse.process_with_scratch(&mut self.turned, &mut self.scratch);
        transpose(&self.turned, &mut self.block);
        self.inverse.process_with_scratch(&mut self.block, &mut self.scratch);
    }

    #[inline(always)]
    fn weigh(&mut self) {
        // `block` becomes the conjugate mirror image of `turned`
        for v in 0..BLOCK {
            let opposite = &self.turned[(BLOCK - v) % BLOCK * BLOCK..][..BLOCK];
            let out = &mut self.block[v * BLOCK..][..BLOCK];
            out[0] = opposite[0].conj();
            for (o, z) in out[1..].iter_mut().zip(opposite[1..].iter().rev()) {
                *o = z.conj();
            }
        }
        let [first, second] = &mut self.power;
        let spectra = self.turned.iter().zip(&self.block);
        for ((z, m), (p, q)) in spectra.zip(first.iter_mut().zip(second.iter_mut())) {
            let (a, b) = (z + m, z - m);
            *p = (a.re * a.re + a.im * a.im) * 0.25;
            *q = (b.re * b.re + b.im * b.im) * 0.25;
        }
        for power in &mut self.power {
            smooth(power, &mut self.spare);
            for p in power.iter_mut() {
                let amplitude = p.sqrt() + SPECTRAL_FLOOR;
                *p = 0.5 / (amplitude * amplitude.sqrt().sqrt());
            }
        }
        // z = a + i b with Hermitian a, b; the weights are even, so only z and its mirror image mix
        let [first, second] = &self.power;
        let weights = first.iter().zip(second);
        for ((z, m), (&ga, &gb)) in self.turned.iter_mut().zip(&self.block).zip(weights) {
            *z = (*z + m) * ga + (*z - m) * gb;
        }
    }

    fn add(&self, out: &mut Plane, left: usize, top: usize) {
        vectorised(
            #[inline(always)]
            || {
                for (j, line) in self.block.chunks_exact(BLOCK).enumerate() {
                    let row = &mut out.data[(top + j) * out.width + left..][..BLOCK + HOP];
                    let (wy, window) = (self.window[j], &self.window[..]);
                    for ((o, value), &wx) in row.iter_mut().zip(line).zip(window) {
                        *o += value.re * (wx * wy);
                    }
                    for ((o, value), &wx) in row[HOP..].iter_mut().zip(line).zip(window) {
                        *o += value.im * (wx * wy);
                    }
                }
            },
        );
    }
}

/// A plane with mirrored borders: half a block to the left and above, so that every sample lies in two blocks per axis, and
/// to the right and below as much as makes pairs of blocks.
fn padded(plane: &Plane) -> Plane {
    let (width, height) =
        (plane.width.div_ceil(BLOCK) * BLOCK + 2 * HOP + HOP, plane.height.div_ceil(HOP) * HOP + 2 * HOP);
    let mut out = Plane::new(width, height);
    for (y, line) in out.data.chunks_exact_mut(width).enumerate() {
        let row =
            &plane.data[reflect(y as isize - HOP as isize, plane.height) * plane.width..][..plane.width];
        line[HOP..HOP + plane.width].copy_from_slice(row);
        for x in (0..HOP).chain(HOP + plane.width..width) {
            line[x] = row[reflect(x as isize - HOP as isize, plane.width)];
        }
    }
    out
}

/// High pass, then division by local contrast to the power 1.25, clipped.
fn limit(plane: &Plane) -> Plane {
    let mut smooth = plane.clone();
    smooth.blur(RADIUS);
    let mut high = plane.clone();
    high.data.iter_mut().zip(&smooth.data).for_each(|(v, s)| *v -= s);
    let mut contrast = smooth;
    contrast.data.iter_mut().zip(&high.data).for_each(|(c, v)| *c = v * v);
    contrast.blur(RADIUS);
    contrast.data.iter_mut().for_each(|c| *c = c.max(0.0).sqrt());
    let mean = contrast.data.iter().sum::<f32>() / contrast.data.len().max(1) as f32;
    let (quiet, lift) = (QUIET * mean + 1e-6, (mean * (1.0 + QUIET)).sqrt().sqrt());
    for (v, &c) in high.data.iter_mut().zip(&contrast.data) {
        let c = c + quiet;
        *v = (*v * lift / (c * c.sqrt().sqrt())).clamp(-CLIP, CLIP);
    }
    high
}

/// Mean of the 3 x 3 neighbours on the torus of frequencies.
#[inline(always)]
fn smooth(power: &mut [f32], spare: &mut [f32]) {
    for (line, out) in power.chunks_exact(BLOCK).zip(spare.chunks_exact_mut(BLOCK)) {
        out[0] = line[BLOCK - 1] + line[0] + line[1];
        for (o, three) in out[1..BLOCK - 1].iter_mut().zip(line.windows(3)) {
            *o = three[0] + three[1] + three[2];
        }
        out[BLOCK - 1] = line[BLOCK - 2] + line[BLOCK - 1] + line[0];
    }
    for (v, out) in power.chunks_exact_mut(BLOCK).enumerate() {
        let row = |v: usize| &spare[v % BLOCK * BLOCK..][..BLOCK];
        let (a, b, c) = (row(v + BLOCK - 1), row(v), row(v + 1));
        for (o, ((&a, &b), &c)) in out.iter_mut().zip(a.iter().zip(b).zip(c)) {
            *o = (a + b + c) * (1.0 / 9.0);
        }
    }
}

fn transpose(from: &[Complex32], to: &mut [Complex32]) {
    for (y, line) in from.chunks_exact(BLOCK).enumerate() {
        for (x, &value) in line.iter().enumerate() {
            to[x * BLOCK + y] = value;
        }
    }
}

/// Index into a line of `n` samples that is mirrored at its ends, however far outside.
fn reflect(i: isize, n: usize) -> usize {
    let n = n as isize;
    if (0..n).contains(&i) {
        return i as usize;
    }
    let i = i.rem_euclid(2 * n);
    (if i < n { i } else { 2 * n - 1 - i }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use colophon_signal::key::MarkKey;

    #[test]
    fn loud_and_quiet_halves_come_out_alike() {
        let mut noise = MarkKey::public().stream("test/whiten");
        let mut plane = Plane::new(192, 128);
        for (i, v) in plane.data.iter_mut().enumerate() {
            let loud = if i % 192 < 96 { 40.0 } else { 4.0 };
            *v = 128.0 + loud * (noise.unit_f64() as f32 - 0.5);
        }
        let out = Whitener::new().run(&plane);
        let power = |from: usize| -> f32 {
            out.rows().map(|r| r[from..from + 64].iter().map(|v| v * v).sum::<f32>()).sum()
        };
        let ratio = power(16) / power(112);
        assert!((0.4..2.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn tiny_and_flat_planes_give_finite_output() {
        for (w, h) in [(1, 1), (3, 70), (33, 17), (64, 64)] {
            let mut plane = Plane::new(w, h);
            plane.data.fill(77.0);
            assert!(Whitener::new().run(&plane).data.iter().all(|v| v.is_finite()));
        }
    }
}
