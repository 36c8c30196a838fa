//! Sound at 16 kHz → whitened band levels, the quantity both sides of the mark work on.
//!
//! Power spectrum every 8 ms → energy of 60 bands in decibels → a filter over time and bands that removes what sound has
//! anyway (envelope, loudness, spectral tilt) and keeps what one cell does to it → division by the local fluctuation.

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use std::collections::VecDeque;
use std::f32::consts::PI;
use std::sync::Arc;

use super::layout::{BANDS, BINS, FFT, HOP, HOPS_PER_ROW, RATE, band_edges};

/// Added to every band energy: about the rounding noise of 16-bit samples, so that digital silence has a level.
const ENERGY_FLOOR: f32 = 1e-7;
/// Filter over hops; tap 0 lies [`BEFORE`] hops ahead of the row's first, the centre is the row's second hop.
///
/// The linear discriminant of marked cells against the surrounding levels, measured on clean and attacked sound and
/// rounded; sums to zero.
const TIME_TAPS: [f32; 15] = {
    let half = [-0.135, -0.2, -0.25, -0.3, -0.5, 0.1, 1.0, 0.57];
    let mut taps = [0.0; 15];
    let mut i = 0;
    while i < 15 {
        taps[i] = half[if i < 8 { i } else { 14 - i }] / 2.77;
        i += 1;
    }
    taps
};
/// Hops before the row's first that its value depends on.
pub(super) const BEFORE: usize = 6;
/// Hops after the row's first that its value depends on.
pub(super) const AFTER: usize = 8;
/// Filter over bands, from the centre outwards; same origin as [`TIME_TAPS`], sums to zero over both sides.
const BAND_TAPS: [f32; 5] = [1.0, -0.215, -0.125, -0.095, -0.065];
/// Squared deviations above this, in dB², do not count towards the fluctuation.
const SQUARE_LIMIT: f32 = 100.0;
/// Fluctuation of a perfectly steady band in decibels, added to the measured one.
const FLUCTUATION_FLOOR: f32 = 0.25;
/// Standardised values beyond this are cut: one outlier must not outvote its neighbours.
const CLIP: f32 = 2.2;
/// Hops averaged for the detector's fluctuation, before and from a row's first hop (0.77 s in all).
const SPREAD: usize = 48;

/// One level, deviation or standardised value per band.
pub(super) type Bands = [f32; BANDS];

/// Power spectra of Hann-windowed frames.
pub(super) struct PowerSpectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl PowerSpectrum {
    pub(super) fn new() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(FFT);
        let scratch = fft.make_scratch_vec();
        Self {
            fft,
            window: hann(),
            frame: vec![0.0; FFT],
            spectrum: vec![Complex32::default(); BINS],
            scratch,
        }
    }

    /// Power of every bin of `samples`, which holds [`FFT`] samples.
    pub(super) fn of(&mut self, samples: &[f32], power: &mut [f32]) {
        for ((slot, &sample), &window) in self.frame.iter_mut().zip(samples).zip(&self.window) {
            *slot = sample * window;
        }
        // Fails on mismatched lengths only, and all three are fixed at construction.
        let done = self.fft.process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch);
        debug_assert!(done.is_ok());
        for (slot, bin) in power.iter_mut().zip(&self.spectrum) {
            *slot = bin.norm_sqr();
        }
    }
}

/// Periodic Hann window of [`FFT`] samples.
pub(super) fn hann() -> Vec<f32> {
    (0..FFT).map(|n| 0.5 - 0.5 * (2.0 * PI * n as f32 / FFT as f32).cos()).collect()
}

/// Sound in chunks → one power spectrum per hop.
///
/// Hop `t` is centred on sample `t ·` [`HOP`]; before the start and after the end there is silence.
pub(super) struct Hops {
    spectrum: PowerSpectrum,
    pending: Vec<f32>,
    received: usize,
    done: usize,
    power: Vec<f32>,
}

impl Hops {
    pub(super) fn new() -> Self {
        Self {
            spectrum: PowerSpectrum::new(),
            pending: vec![0.0; FFT / 2],
            received: 0,
            done: 0,
            power: vec![0.0; BINS],
        }
    }

    /// Takes samples and hands every complete spectrum to `each`.
    pub(super) fn push(&mut self, samples: &[f32], each: &mut dyn FnMut(&[f32])) {
        self.received += samples.len();
        self.pending.extend_from_slice(samples);
        self.drain(usize::MAX, each);
    }

    /// Ends the sound: hops up to the one at or before the last sample.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(&[f32])) {
        self.pending.resize(self.pending.len() + FFT, 0.0);
        self.drain(self.received / HOP + 1, each);
    }

    fn drain(&mut self, limit: usize, each: &mut dyn FnMut(&[f32])) {
        let mut at = 0;
        while self.done < limit {
            let Some(samples) = self.pending.get(at..at + FFT) else { break };
            self.spectrum.of(samples, &mut self.power);
            each(&self.power);
            self.done += 1;
            at += HOP;
        }
        self.pending.drain(..at.min(self.pending.len()));
    }
}

/// Power spectra of a stretch of sound, as running sums over the bins: any band of any width is then one difference.
///
/// In `f64`, whose precision leaves 10⁻¹² of the loudest sound, well below [`ENERGY_FLOOR`].
#[derive(Default)]
pub(super) struct Spectra {
    /// Hop of the first spectrum.
    base: usize,
    sums: Vec<f64>,
}

/// `sums` becomes the running sums of `power`.
pub(super) fn running_sums(power: &[f32], sums: &mut Vec<f64>) {
    sums.clear();
    append_sums(power, sums);
}

fn append_sums(power: &[f32], sums: &mut Vec<f64>) {
    let mut sum = 0.0;
    sums.push(sum);
    sums.extend(power.iter().map(|&power| {
        sum += f64::from(power);
        sum
    }));
}

/// Running sums per hop: one more than bins.
const SUMS: usize = BINS + 1;

impl Spectra {
    pub(super) fn push(&mut self, power: &[f32]) {
        append_sums(power, &mut self.sums);
    }

    /// First hop still known.
    pub(super) fn first(&self) -> usize {
        self.base
    }

    /// Hop after the last.
    pub(super) fn end(&self) -> usize {
        self.base + self.sums.len() / SUMS
    }

    /// Forgets everything before `hop`.
    pub(super) fn forget(&mut self, hop: usize) {
        let hops = hop.saturating_sub(self.base).min(self.sums.len() / SUMS);
        self.sums.drain(..hops * SUMS);
        self.base += hops;
    }

    fn between(&self, from: usize, to: usize) -> impl ExactSizeIterator<Item = &[f64]> {
        let at = |hop: usize| (hop.clamp(self.base, self.end()) - self.base) * SUMS;
        self.sums[at(from)..at(to).max(at(from))].chunks_exact(SUMS)
    }
}

/// How bins add up to bands when all band edges are multiplied by one factor.
pub(super) struct BandMap {
    /// Every edge as a bin and the share of that bin that lies below it.
    edges: [(usize, f64); BANDS + 1],
}

impl BandMap {
    /// Bands of sound whose frequencies were multiplied by `scale`, near 1.
    pub(super) fn new(scale: f64) -> Self {
        let width = f64::from(RATE) / FFT as f64;
        let edges = band_edges().map(|edge| {
            // Bin k reaches from k − 1/2 to k + 1/2 bin widths.
            let at = (edge * scale / width + 0.5).clamp(0.0, BINS as f64 - 1e-9);
            (at as usize, at.fract())
        });
        Self { edges }
    }

    /// Level of every band in decibels.
    pub(super) fn levels(&self, sums: &[f64]) -> Bands {
        let mut up_to = [0.0f64; BANDS + 1];
        for (slot, &(bin, share)) in up_to.iter_mut().zip(&self.edges) {
            *slot = sums[bin] + share * (sums[bin + 1] - sums[bin]);
        }
        let mut levels = [0.0; BANDS];
        for (band, level) in levels.iter_mut().enumerate() {
            *level = (up_to[band + 1] - up_to[band]) as f32;
        }
        for level in &mut levels {
            *level = decibels(*level);
        }
        levels
    }

    /// The transpose: a value per bin that is the mean of the bands it belongs to, by share; zero outside all bands.
    pub(super) fn spread(&self, bands: &Bands, bins: &mut [f32]) {
        bins.fill(0.0);
        for (value, edges) in bands.iter().zip(self.edges.windows(2)) {
            let [(first, low), (last, high)] = [edges[0], edges[1]];
            for (bin, slot) in bins.iter_mut().enumerate().take(last + 1).skip(first) {
                let from = if bin == first { low } else { 0.0 };
                let to = if bin == last { high } else { 1.0 };
                *slot += value * (to - from) as f32;
            }
        }
    }
}

/// Energy as a level; within 0.0001 dB.
#[inline]
fn decibels(energy: f32) -> f32 {
    /// Least-squares fit of (log2(1+x)/x − 1)/(1−x) on 0…1, so that the result is exact at powers of two.
    const FIT: [f32; 4] = [0.441_835_87, -0.266_536_28, 0.147_018_77, -0.044_243_74];
    const DB_PER_OCTAVE: f32 = 3.010_3;
    let bits = (energy + ENERGY_FLOOR).to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let x = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    let fit = FIT[0] + x * (FIT[1] + x * (FIT[2] + x * FIT[3]));
    DB_PER_OCTAVE * (exponent as f32 + x * (1.0 + (1.0 - x) * fit))
}

/// Deviation of a row that begins at hop [`BEFORE`] of `levels`.
pub(super) fn deviation(levels: &[Bands; TIME_TAPS.len()], result: &mut Bands) {
    /// Bands summed at a time: few enough to stay in registers.
    const GROUP: usize = 12;
    let mut over_time = [0.0f32; BANDS];
    for (group, sums) in over_time.chunks_exact_mut(GROUP).enumerate() {
        let mut held = [0.0f32; GROUP];
        for (tap, level) in TIME_TAPS.iter().zip(levels) {
            for (sum, value) in held.iter_mut().zip(&level[group * GROUP..][..GROUP]) {
                *sum += tap * value;
            }
        }
        sums.copy_from_slice(&held);
    }
    let reach = BAND_TAPS.len() - 1;
    let mut padded = [over_time[0]; BANDS + 2 * 4];
    padded[reach..reach + BANDS].copy_from_slice(&over_time);
    padded[reach + BANDS..].fill(over_time[BANDS - 1]);
    for (band, value) in result.iter_mut().enumerate() {
        let centre = band + reach;
        *value = BAND_TAPS[0] * padded[centre]
            + BAND_TAPS[1] * (padded[centre - 1] + padded[centre + 1])
            + BAND_TAPS[2] * (padded[centre - 2] + padded[centre + 2])
            + BAND_TAPS[3] * (padded[centre - 3] + padded[centre + 3])
            + BAND_TAPS[4] * (padded[centre - 4] + padded[centre + 4]);
    }
}

/// Squared deviations over a stretch of hops, each hop entering and leaving once.
pub(super) struct Fluctuation {
    sums: [f64; BANDS],
    count: usize,
}

impl Fluctuation {
    pub(super) fn new() -> Self {
        Self { sums: [0.0; BANDS], count: 0 }
    }

    pub(super) fn enter(&mut self, deviation: &Bands) {
        self.count += 1;
        for (sum, value) in self.sums.iter_mut().zip(deviation) {
            *sum += f64::from((value * value).min(SQUARE_LIMIT));
        }
    }

    pub(super) fn leave(&mut self, deviation: &Bands) {
        self.count = self.count.saturating_sub(1);
        for (sum, value) in self.sums.iter_mut().zip(deviation) {
            *sum -= f64::from((value * value).min(SQUARE_LIMIT));
        }
    }

    /// Root mean square over the stretch and three bands, in decibels, never below the floor.
    pub(super) fn value(&self) -> Bands {
        let mut result = [FLUCTUATION_FLOOR; BANDS];
        let share = 1.0 / (3 * self.count.max(1)) as f64;
        for (band, value) in result.iter_mut().enumerate() {
            let below = self.sums[band.saturating_sub(1)];
            let above = self.sums[(band + 1).min(BANDS - 1)];
            // Running sums can end a little below zero.
            *value += ((below + self.sums[band] + above) * share).max(0.0).sqrt() as f32;
        }
        result
    }
}

/// Standardised values of a stretch of sound: one row of bands per hop, as if a row of cells began there.
pub(super) struct Field {
    pub(super) values: Vec<Bands>,
    /// Levels in decibels, [`BEFORE`] hops ahead of the first value to [`AFTER`] behind the last.
    levels: Vec<Bands>,
}

impl Field {
    /// Of the hops from `from` up to `to`, as far as they are known.
    pub(super) fn new(spectra: &Spectra, from: usize, to: usize, map: &BandMap) -> Self {
        let hops = spectra.between(from, to).len();
        let mut levels = vec![[0.0; BANDS]; hops + BEFORE + AFTER];
        for (level, sums) in levels[BEFORE..].iter_mut().zip(spectra.between(from, to)) {
            *level = map.levels(sums);
        }
        if hops > 0 {
            let (first, last) = (levels[BEFORE], levels[BEFORE + hops - 1]);
            levels[..BEFORE].fill(first);
            levels[BEFORE + hops..].fill(last);
        }
        let mut values = vec![[0.0; BANDS]; hops];
        for (value, near) in values.iter_mut().zip(levels.array_windows()) {
            deviation(near, value);
        }
        standardise(&mut values);
        Self { values, levels }
    }

    /// Number of hops.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Levels of the row that begins at `hop` in decibels: mean of the three hops that carry most of it.
    pub(super) fn row_levels(&self, hop: usize) -> Bands {
        let mut row = [0.0; BANDS];
        for near in self.levels.iter().skip(hop + BEFORE).take(3) {
            for (slot, level) in row.iter_mut().zip(near) {
                *slot += level / 3.0;
            }
        }
        row
    }

    /// The hops from `from` up to `to` alone.
    pub(super) fn part(&self, from: usize, to: usize) -> Self {
        Self {
            values: self.values[from..to].to_vec(),
            levels: self.levels[from..to + BEFORE + AFTER].to_vec(),
        }
    }
}

/// Divides deviations by their fluctuation around them and cuts off the outliers.
fn standardise(deviations: &mut [Bands]) {
    let mut fluctuation = Fluctuation::new();
    // What has left the front is overwritten, so the tail of the stretch is kept aside.
    let mut trail: VecDeque<Bands> = VecDeque::with_capacity(SPREAD + 2);
    deviations.iter().take(SPREAD).for_each(|deviation| fluctuation.enter(deviation));
    let mut inverse = [0.0f32; BANDS];
    for t in 0..deviations.len() {
        if let Some(next) = deviations.get(t + SPREAD) {
            fluctuation.enter(next);
        }
        if trail.len() > SPREAD
            && let Some(old) = trail.pop_front()
        {
            fluctuation.leave(&old);
        }
        // It changes little from hop to hop.
        if t.is_multiple_of(HOPS_PER_ROW) {
            inverse = fluctuation.value().map(|spread| 1.0 / spread);
        }
        trail.push_back(deviations[t]);
        for (value, inverse) in deviations[t].iter_mut().zip(&inverse) {
            *value = (*value * inverse).clamp(-CLIP, CLIP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_exact_enough() {
        for i in 0..20_000 {
            let energy = 1e-7 * 1.002f32.powi(i);
            if energy.is_finite() && energy < 1e12 {
                let exact = 10.0 * f64::from(energy + ENERGY_FLOOR).log10();
                assert!((f64::from(decibels(energy)) - exact).abs() < 2e-4, "{energy}");
            }
        }
    }

    #[test]
    fn filters_remove_constants() {
        assert!(TIME_TAPS.iter().sum::<f32>().abs() < 1e-6);
        assert!((BAND_TAPS[0] + 2.0 * BAND_TAPS[1..].iter().sum::<f32>()).abs() < 1e-6);
        let level = [-31.0; BANDS];
        let mut result = [1.0; BANDS];
        deviation(&[level; 15], &mut result);
        assert!(result.iter().all(|value| value.abs() < 1e-4));
    }

    #[test]
    fn bands_share_every_bin_between_them_once() {
        for scale in [0.88, 1.0, 1.12] {
            let map = BandMap::new(scale);
            let mut total = vec![0.0; BINS];
            map.spread(&[1.0; BANDS], &mut total);
            let width = f64::from(RATE) / FFT as f64;
            let edges = band_edges();
            let inside =
                (edges[0] * scale / width + 1.5) as usize..(edges[BANDS] * scale / width - 0.5) as usize;
            assert!(total[inside].iter().all(|share| (share - 1.0).abs() < 1e-5), "{scale}");
            assert!(total.iter().all(|&share| share <= 1.0 + 1e-5));
        }
    }

    #[test]
    fn hops_do_not_depend_on_chunks() {
        let sound: Vec<f32> = (0..5000).map(|n| ((n * n) as f32 * 1e-3).sin()).collect();
        let run = |chunk: usize| {
            let mut all = Vec::new();
            let mut hops = Hops::new();
            sound.chunks(chunk).for_each(|part| hops.push(part, &mut |power| all.extend_from_slice(power)));
            hops.finish(&mut |power| all.extend_from_slice(power));
            all
        };
        assert_eq!(run(5000).len(), (5000 / HOP + 1) * BINS);
        assert_eq!(run(5000), run(77));
    }
}
