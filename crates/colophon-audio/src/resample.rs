//! Sampling-rate conversion by a fixed polyphase filter, chunk by chunk.
//!
//! Linear phase with the delay taken out: output sample `n` stands for the input time `n · from / to`. The result does
//! not depend on how the input is cut into chunks.

use std::f64::consts::PI;
use std::hint::black_box;
use std::sync::Arc;

use colophon_signal::simd::vectorised;

/// Zero crossings of the sinc kernel on each side, counted at the lower of the two rates.
const CROSSINGS: f64 = 12.0;
/// Kaiser window parameter: about 63 dB of stop-band attenuation.
const KAISER_BETA: f64 = 6.0;
/// Most filter phases kept. Rates whose ratio needs more use the nearest phase: at 2048 phases the error lies 64 dB
/// below a tone at the top of the marked band.
const MAX_PHASES: u64 = 2048;
/// Dot products run in blocks of this many taps, and in [`Blocks`] over this many outputs.
const LANES: usize = 8;
/// Largest table for whole blocks of outputs, in rows of [`LANES`] weights: a mebibyte. 44.1 kHz needs half of it.
const MAX_BLOCK_ROWS: usize = 1 << 15;
/// Sums side by side in a block: one alone would wait for itself at every tap.
const SUMS: usize = 4;

/// Converts one channel from one rate to another.
#[derive(Debug, Clone)]
pub(crate) struct Resampler {
    /// Output samples per [`Self::down`] input samples, in lowest terms.
    up: u64,
    down: u64,
    /// Taps on each side of the output time.
    half: usize,
    /// Taps per phase, a multiple of [`LANES`].
    taps: usize,
    phases: u64,
    /// One row of taps per phase.
    table: Arc<[f32]>,
    /// The same for whole blocks of outputs, where there are few phases.
    blocks: Option<Arc<Blocks>>,
    /// Input not yet used up; the first `half` zeros stand for the time before the start.
    history: Vec<f32>,
    /// Absolute input index of `history[0]`.
    base: i64,
    consumed: u64,
    produced: u64,
    /// Input time of the next output: whole samples and the rest in units of 1 / `up`.
    whole: i64,
    rest: u64,
}

impl Resampler {
    /// From `from` to `to` hertz, both above zero.
    pub(crate) fn new(from: u32, to: u32) -> Self {
        let (from, to) = (u64::from(from.max(1)), u64::from(to.max(1)));
        let divisor = gcd(from, to);
        let (up, down) = (to / divisor, from / divisor);
        let cutoff = (up as f64 / down as f64).min(1.0);
        let half = (CROSSINGS / cutoff).ceil() as usize;
        let taps = (2 * half).next_multiple_of(LANES);
        let phases = up.min(MAX_PHASES);
        let mut table = Vec::new();
        if up != down {
            table.reserve_exact(phases as usize * taps);
            for phase in 0..phases {
                let fraction = phase as f64 / phases as f64;
                for tap in 0..taps {
                    let at = tap as f64 - (half as f64 - 1.0) - fraction;
                    table.push(kernel(at, cutoff, half as f64) as f32);
                }
            }
        }
        Self {
            up,
            down,
            half,
            taps,
            phases,
            blocks: if up == down { None } else { Blocks::new(&table, taps, up, down).map(Arc::new) },
            table: table.into(),
            history: vec![0.0; half],
            base: -(half as i64),
            consumed: 0,
            produced: 0,
            whole: 0,
            rest: 0,
        }
    }

    /// Takes `input` and appends every output sample that is settled by now.
    pub(crate) fn push(&mut self, input: &[f32], output: &mut Vec<f32>) {
        self.consumed += input.len() as u64;
        if self.up == self.down {
            output.extend_from_slice(input);
            return;
        }
        self.history.extend_from_slice(input);
        self.drain(u64::MAX, output);
    }

    /// Ends the input: appends the rest, so that the output covers exactly the time of the input.
    pub(crate) fn finish(&mut self, output: &mut Vec<f32>) {
        if self.up == self.down {
            return;
        }
        let more = self.blocks.as_ref().map_or(self.taps, |b| b.taps);
        self.history.resize(self.history.len() + more, 0.0);
        self.drain((self.consumed * self.up).div_ceil(self.down), output);
    }

    fn drain(&mut self, limit: u64, output: &mut Vec<f32>) {
        vectorised(
            #[inline(always)]
            || self.settled(limit, output),
        );
        // Forget in large steps so that moving the rest costs little.
        let next = self.whole - (self.half as i64 - 1 + self.base);
        let spent = usize::try_from(next).unwrap_or(0).min(self.history.len());
        if spent > 4096 {
            self.history.drain(..spent);
            self.base += spent as i64;
        }
    }

    /// Blocks begin at every [`LANES`]th output, however the input is cut.
    #[inline(always)]
    fn settled_blocks(&mut self, blocks: &Blocks, limit: u64, output: &mut Vec<f32>) {
        let lead = self.half as i64 - 1 + self.base;
        let Self { history, whole, rest, produced, up, down, .. } = self;
        while *produced < limit {
            let (start, row) = ((*whole - lead) as usize, *rest as usize * blocks.taps);
            let (Some(samples), Some(weights)) =
                (history.get(start..start + blocks.taps), blocks.weights.get(row..row + blocks.taps))
            else {
                break;
            };
            let made = block(samples, weights);
            let count = (limit - *produced).min(LANES as u64);
            output.extend_from_slice(made.get(..count as usize).unwrap_or_default());
            *produced += count;
            *rest += count * *down;
            *whole += (*rest / *up) as i64;
            *rest %= *up;
        }
    }

    #[inline(always)]
    fn settled(&mut self, limit: u64, output: &mut Vec<f32>) {
        if let Some(blocks) = self.blocks.clone() {
            return self.settled_blocks(&blocks, limit, output);
        }
        let (step, step_rest) = ((self.down / self.up) as i64, self.down % self.up);
        let lead = self.half as i64 - 1 + self.base;
        let Self { history, table, whole, rest, produced, .. } = self;
        while *produced < limit {
            // With few phases this is exact; with many the nearest phase below is taken.
            let phase = if self.phases == self.up { *rest } else { *rest * self.phases / self.up };
            let start = (*whole - lead) as usize;
            let row = phase as usize * self.taps;
            let (Some(samples), Some(taps)) =
                (history.get(start..start + self.taps), table.get(row..row + self.taps))
            else {
                break;
            };
            output.push(dot(samples, taps));
            *produced += 1;
            *whole += step;
            *rest += step_rest;
            if *rest >= self.up {
                *rest -= self.up;
                *whole += 1;
            }
        }
    }
}

/// Filter rows for [`LANES`] outputs that follow each other: every sample of the input is read once for all of them.
#[derive(Debug)]
struct Blocks {
    /// Samples of the input that a block looks at, a multiple of [`SUMS`].
    taps: usize,
    /// For every phase of the first output, `taps` rows with the weight that each of the outputs gives that sample.
    weights: Vec<[f32; LANES]>,
}

impl Blocks {
    /// From the rows of the single phases; `None` when the table would be too large.
    fn new(table: &[f32], taps: usize, up: u64, down: u64) -> Option<Self> {
        let offset = |rest: u64, lane: u64| ((rest + lane * down) / up) as usize;
        let wide = (taps + offset(up - 1, LANES as u64 - 1)).next_multiple_of(SUMS);
        if wide as u64 * up > MAX_BLOCK_ROWS as u64 {
            return None;
        }
        let mut weights = vec![[0.0; LANES]; wide * up as usize];
        for (rest, rows) in weights.chunks_mut(wide).enumerate() {
            for lane in 0..LANES {
                let (rest, at) = (rest as u64, lane as u64);
                let phase = (rest + at * down) % up;
                let row = table.iter().skip(phase as usize * taps).take(taps);
                for (weights, tap) in rows.iter_mut().skip(offset(rest, at)).zip(row) {
                    weights[lane] = *tap;
                }
            }
        }
        Some(Self { taps: wide, weights })
    }
}

#[inline(always)]
fn block(samples: &[f32], weights: &[[f32; LANES]]) -> [f32; LANES] {
    let mut sums = [[0.0f32; LANES]; SUMS];
    for (samples, weights) in samples.as_chunks::<SUMS>().0.iter().zip(weights.as_chunks::<SUMS>().0) {
        for ((sum, sample), weights) in sums.iter_mut().zip(samples).zip(weights) {
            for (lane, weight) in sum.iter_mut().zip(weights) {
                *lane += sample * weight;
            }
        }
    }
    let [a, b, c, d] = sums;
    std::array::from_fn(|i| (a[i] + b[i]) + (c[i] + d[i]))
}

/// Windowed sinc at `at` input samples from its centre.
fn kernel(at: f64, cutoff: f64, half: f64) -> f64 {
    let edge = at / half;
    if edge.abs() >= 1.0 {
        return 0.0;
    }
    let x = PI * cutoff * at;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    cutoff * sinc * bessel_i0(KAISER_BETA * (1.0 - edge * edge).sqrt()) / bessel_i0(KAISER_BETA)
}

/// Modified Bessel function of the first kind, order zero, by its power series.
pub(crate) fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (x, y) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    // With the final sum in sight the compiler lays the lanes out for that instead of for the loop.
    let [a, b, c, d, e, f, g, h] = black_box(lanes);
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, len: usize) -> Vec<f32> {
        (0..len).map(|n| (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn convert(from: u32, to: u32, input: &[f32], chunk: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to);
        let mut output = Vec::new();
        for part in input.chunks(chunk) {
            resampler.push(part, &mut output);
        }
        resampler.finish(&mut output);
        output
    }

    #[test]
    fn a_tone_stays_the_tone_at_its_time() {
        for (from, to) in [
            (44_100, 16_000),
            (16_000, 44_100),
            (48_000, 16_000),
            (22_050, 16_000),
            (16_000, 96_000),
            (47_999, 16_000),
        ] {
            let output = convert(from, to, &tone(from, 3000.0, from as usize), 1000);
            let wanted = tone(to, 3000.0, output.len());
            assert_eq!(output.len(), to as usize, "{from} to {to}");
            let margin = to as usize / 100;
            let worst = output[margin..output.len() - margin]
                .iter()
                .zip(&wanted[margin..])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 3e-3, "{from} to {to}: {worst}");
        }
    }

    #[test]
    fn chunks_do_not_matter() {
        let input = tone(44_100, 997.0, 30_000);
        let whole = convert(44_100, 16_000, &input, 30_000);
        assert_eq!(whole, convert(44_100, 16_000, &input, 1));
        assert_eq!(whole, convert(44_100, 16_000, &input, 4097));
    }

    #[test]
    fn what_folds_over_is_suppressed() {
        let output = convert(44_100, 16_000, &tone(44_100, 9500.0, 44_100), 44_100);
        let worst = output[500..15_500].iter().fold(0.0f32, |a, b| a.max(b.abs()));
        assert!(worst < 2e-3, "{worst}");
    }
}
