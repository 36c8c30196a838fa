//! What is kept of a caller's clip in the record: enough to hear whether it is where it was put.
//!
//! 16 slices of time × 8 pairs of neighbouring bands: one bit each says whether the level difference of the pair grew
//! from the slice before. After Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002, coarser.

use realfft::RealFftPlanner;

/// Style of clips in records; the fingerprint follows.
const STYLE: &str = "clip.1.";
const SLICES: usize = 16;
const PAIRS: usize = 8;
/// Bits that may differ. Of 128 fair coins so few differ once in 10⁸; a place is tried at some 100 offsets.
const DIFFERENT: u32 = 33;
/// Lowest and highest band edge in hertz.
const EDGES_HZ: (f64, f64) = (300.0, 3000.0);
/// Length of a transform in seconds.
const FRAME_S: f64 = 0.032;

/// 128 bits of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    /// Of one channel at `rate` hertz.
    pub(crate) fn of(mono: &[f32], rate: u32) -> Self {
        let n = ((FRAME_S * f64::from(rate)) as usize).max(16);
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(n);
        let mut spectrum = fft.make_output_vec();
        let mut levels = [[0.0f64; PAIRS + 1]; SLICES + 1];
        for (slice, bands) in levels.iter_mut().enumerate() {
            let cut = |slice: usize| mono.len() * slice / (SLICES + 1);
            let part = mono.get(cut(slice)..cut(slice + 1)).unwrap_or_default();
            let mut energy = [1e-9f64; PAIRS + 1];
            for start in (0..part.len().max(1)).step_by(n / 2) {
                let mut frame: Vec<f32> = part.iter().skip(start).take(n).copied().collect();
                frame.resize(n, 0.0);
                for (i, s) in frame.iter_mut().enumerate() {
                    *s *= 0.5 - 0.5 * (std::f32::consts::TAU * i as f32 / n as f32).cos();
                }
                // Fails on mismatched lengths only.
                let _ = fft.process(&mut frame, &mut spectrum);
                for (bin, value) in spectrum.iter().enumerate().skip(1) {
                    let hertz = bin as f64 * f64::from(rate) / n as f64;
                    let at = (hertz / EDGES_HZ.0).ln() / (EDGES_HZ.1 / EDGES_HZ.0).ln();
                    if (0.0..1.0).contains(&at)
                        && let Some(slot) = energy.get_mut((at * (PAIRS + 1) as f64) as usize)
                    {
                        *slot += f64::from(value.norm_sqr());
                    }
                }
            }
            *bands = energy.map(f64::ln);
        }
        let mut bits = 0;
        for [before, now] in levels.array_windows() {
            for ([a, b], [c, d]) in now.array_windows().zip(before.array_windows()) {
                bits = bits << 1 | u128::from(b - a > d - c);
            }
        }
        Self(bits)
    }

    /// The style of a record that carries it.
    pub(crate) fn style(self) -> String {
        format!("{STYLE}{:032x}", self.0)
    }

    /// From the style of a record.
    pub(crate) fn from_style(style: &str) -> Option<Self> {
        u128::from_str_radix(style.strip_prefix(STYLE)?, 16).ok().map(Self)
    }

    /// Where in `mono` a sound of `len` samples with this fingerprint begins, tried every `step` samples.
    pub(crate) fn find(self, mono: &[f32], rate: u32, len: usize, step: usize) -> Option<usize> {
        (0..=mono.len().checked_sub(len)?)
            .step_by(step.max(1))
            .filter_map(|at| {
                let there = Self::of(mono.get(at..at + len)?, rate);
                Some((at, (there.0 ^ self.0).count_ones()))
            })
            .min_by_key(|(_, different)| *different)
            .filter(|(_, different)| *different <= DIFFERENT)
            .map(|(at, _)| at)
    }
}
