//! Writing the mark: sound in, the change to be added to it out, in pieces of any size.

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::collections::VecDeque;
use std::sync::Arc;

use super::analysis::{BandMap, Bands, Hops};
use super::gains::GainPlanner;
use super::layout::{BINS, FFT, HOP, HOPS_PER_ROW, RATE};
use crate::resample::{Resampler, bessel_i0};

/// Samples at 16 kHz between two synthesis frames.
const STRIDE: usize = FFT / 2;
/// Shape of the synthesis window, see [`window`].
const WINDOW_ALPHA: f64 = 2.75;
/// Synthesis frames per row.
const FRAMES_PER_ROW: usize = HOPS_PER_ROW * HOP / STRIDE;

/// The whole chain for interleaved sound of one rate and channel count.
///
/// What comes out is the change alone, aligned with the input and as long; adding it is left to the caller, so that
/// samples of any type stay exact where nothing changes.
pub(super) struct Engine {
    channels: usize,
    lanes: Vec<Lane>,
    mono: Vec<f32>,
    hops: Hops,
    planner: GainPlanner,
    map: BandMap,
    /// Gains per bin less one, of rows not yet used by every channel.
    gains: VecDeque<Vec<f32>>,
    /// Frames at the input rate: taken in, and handed on.
    received: u64,
    done: u64,
    /// Samples at 16 kHz analysed so far.
    analysed: usize,
}

/// What one channel needs.
struct Lane {
    down: Resampler,
    up: Resampler,
    synthesis: Synthesis,
    /// Input of this channel at 16 kHz, not yet analysed.
    fresh: Vec<f32>,
    /// Change at the input rate, not yet handed on.
    change: Vec<f32>,
}

impl Engine {
    /// `rate` and `channels` are above zero; `pattern` is one period of signs.
    pub(super) fn new(rate: u32, channels: usize, pattern: Vec<i8>, strength: f32) -> Self {
        let lane = Lane {
            down: Resampler::new(rate, RATE),
            up: Resampler::new(RATE, rate),
            synthesis: Synthesis::new(),
            fresh: Vec::new(),
            change: Vec::new(),
        };
        Self {
            channels,
            lanes: (0..channels).map(|_| lane.clone()).collect(),
            mono: Vec::new(),
            hops: Hops::new(),
            planner: GainPlanner::new(pattern, strength),
            map: BandMap::new(1.0),
            gains: VecDeque::new(),
            received: 0,
            done: 0,
            analysed: 0,
        }
    }

    /// Takes interleaved frames; appends the settled part of the change, interleaved.
    pub(super) fn push(&mut self, input: &[f32], change: &mut Vec<f32>) {
        self.received += (input.len() / self.channels) as u64;
        let mut column = Vec::with_capacity(input.len() / self.channels);
        for (channel, lane) in self.lanes.iter_mut().enumerate() {
            column.clear();
            match self.channels {
                1 => column.extend_from_slice(input),
                // Two of two are a pattern the compiler knows; any other number is a step per sample.
                2 => column.extend(input.as_chunks::<2>().0.iter().map(|f| f[channel & 1])),
                n => column.extend(input.iter().skip(channel).step_by(n)),
            }
            lane.down.push(&column, &mut lane.fresh);
        }
        self.analyse(false);
        self.synthesise(false);
        self.hand_on(false, change);
    }

    /// Ends the sound: appends the rest.
    pub(super) fn finish(&mut self, change: &mut Vec<f32>) {
        for lane in &mut self.lanes {
            lane.down.finish(&mut lane.fresh);
        }
        self.analyse(true);
        self.synthesise(true);
        self.hand_on(true, change);
    }

    fn analyse(&mut self, last: bool) {
        let len = self.lanes.iter().map(|lane| lane.fresh.len()).min().unwrap_or(0);
        self.mono.clear();
        self.mono.resize(len, 0.0);
        let share = 1.0 / self.channels as f32;
        for lane in &mut self.lanes {
            for (sum, sample) in self.mono.iter_mut().zip(&lane.fresh) {
                *sum += share * sample;
            }
            lane.synthesis.input.extend_from_slice(&lane.fresh);
            lane.fresh.clear();
        }
        self.analysed += len;
        let Self { hops, planner, map, gains, mono, analysed, .. } = self;
        let mut planned = |row: &Bands| gains.push_back(linear(map, row));
        hops.push(mono, &mut |power| planner.push(power, &mut planned));
        if last {
            hops.finish(&mut |power| planner.push(power, &mut planned));
            planner.finish(*analysed / (STRIDE * FRAMES_PER_ROW) + 2, &mut planned);
        }
    }

    fn synthesise(&mut self, last: bool) {
        let mut change = Vec::new();
        while let Some(gains) = self.gains.front() {
            // All channels hold equally many samples.
            if !last && self.lanes.iter().any(|lane| !lane.synthesis.can_do(FRAMES_PER_ROW)) {
                break;
            }
            for lane in &mut self.lanes {
                change.clear();
                for _ in 0..FRAMES_PER_ROW {
                    lane.synthesis.frame(gains, &mut change);
                }
                lane.up.push(&change, &mut lane.change);
            }
            self.gains.pop_front();
        }
        if last {
            for lane in &mut self.lanes {
                lane.up.finish(&mut lane.change);
            }
        }
    }

    fn hand_on(&mut self, last: bool, change: &mut Vec<f32>) {
        let mut len = self.lanes.iter().map(|lane| lane.change.len()).min().unwrap_or(0);
        let wanted = usize::try_from(self.received - self.done).unwrap_or(usize::MAX);
        if last {
            // Down and up again rounds to whole samples: make up a missing last one with silence.
            for lane in &mut self.lanes {
                lane.change.resize(wanted, 0.0);
            }
            len = wanted;
        }
        len = len.min(wanted);
        change.reserve(len * self.channels);
        match self.lanes.as_slice() {
            [one] => change.extend_from_slice(&one.change[..len]),
            [left, right] => {
                let start = change.len();
                change.resize(start + 2 * len, 0.0);
                let pairs = change[start..].as_chunks_mut::<2>().0.iter_mut();
                pairs.zip(left.change.iter().zip(&right.change)).for_each(|(pair, (l, r))| *pair = [*l, *r]);
            }
            lanes => {
                for frame in 0..len {
                    change.extend(lanes.iter().map(|lane| lane.change[frame]));
                }
            }
        }
        for lane in &mut self.lanes {
            lane.change.drain(..len);
        }
        self.done += len as u64;
    }
}

/// Window of analysis and synthesis: Kaiser–Bessel derived (Princen and Bradley's condition holds, so frames of gain 1
/// would add up to the sound itself). Beside the bins that are changed it falls off faster than the root of a Hann
/// window: 100 Hz below the lowest band the change is 60 dB down.
fn window() -> Arc<[f32]> {
    let mut sums = Vec::with_capacity(STRIDE + 1);
    let mut sum = 0.0f64;
    for n in 0..=STRIDE {
        let at = 2.0 * n as f64 / STRIDE as f64 - 1.0;
        sum += bessel_i0(std::f64::consts::PI * WINDOW_ALPHA * (1.0 - at * at).max(0.0).sqrt());
        sums.push(sum);
    }
    let rise = sums.iter().take(STRIDE).map(|part| (part / sum).sqrt() as f32);
    rise.clone().chain(rise.rev()).collect()
}

/// Decibels per band → factor less one per bin.
fn linear(map: &BandMap, row: &Bands) -> Vec<f32> {
    let mut bins = vec![0.0; BINS];
    map.spread(row, &mut bins);
    for bin in &mut bins {
        *bin = if *bin == 0.0 { 0.0 } else { 10f32.powf(*bin / 20.0) - 1.0 };
    }
    bins
}

/// Gains on short-time spectra, overlapped and added.
///
/// Square-root Hann windows at analysis and synthesis, half overlapping: unit gains would give the input back. Frame `j`
/// is centred on sample `j ·` [`STRIDE`].
struct Synthesis {
    forward: Arc<dyn RealToComplex<f32>>,
    backward: Arc<dyn ComplexToReal<f32>>,
    window: Arc<[f32]>,
    /// Samples; the next frame begins at `at`.
    input: Vec<f32>,
    at: usize,
    /// Second half of the last frame.
    tail: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
    /// The first half of the first frame lies before the sound.
    started: bool,
}

impl Clone for Lane {
    fn clone(&self) -> Self {
        Self {
            down: self.down.clone(),
            up: self.up.clone(),
            synthesis: Synthesis::new(),
            fresh: Vec::new(),
            change: Vec::new(),
        }
    }
}

impl Synthesis {
    fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(FFT);
        let backward = planner.plan_fft_inverse(FFT);
        let scratch = forward.get_scratch_len().max(backward.get_scratch_len());
        Self {
            forward,
            backward,
            window: window(),
            input: vec![0.0; STRIDE],
            at: 0,
            tail: vec![0.0; STRIDE],
            frame: vec![0.0; FFT],
            spectrum: vec![Complex32::default(); BINS],
            scratch: vec![Complex32::default(); scratch],
            started: false,
        }
    }

    /// Whether the input for `frames` more frames is there.
    fn can_do(&self, frames: usize) -> bool {
        self.input.len() - self.at >= FFT + (frames - 1) * STRIDE
    }

    /// One frame with these gains; appends [`STRIDE`] samples of the change, none for the first frame.
    fn frame(&mut self, gains: &[f32], change: &mut Vec<f32>) {
        let known = &self.input[self.at..];
        let known = &known[..known.len().min(FFT)];
        for ((slot, sample), window) in self.frame.iter_mut().zip(known).zip(self.window.iter()) {
            *slot = sample * window;
        }
        // Behind the end there is silence.
        self.frame[known.len()..].fill(0.0);
        // Both transforms fail on mismatched lengths only, or on an imaginary part at either end, which the gains of
        // zero there exclude.
        let there = self.forward.process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch);
        for (bin, gain) in self.spectrum.iter_mut().zip(gains) {
            // The inverse transform multiplies by the length.
            *bin *= *gain / FFT as f32;
        }
        let back = self.backward.process_with_scratch(&mut self.spectrum, &mut self.frame, &mut self.scratch);
        debug_assert!(there.is_ok() && back.is_ok());
        for (sample, window) in self.frame.iter_mut().zip(self.window.iter()) {
            *sample *= window;
        }
        let (now, later) = self.frame.split_at(STRIDE);
        if self.started {
            change.extend(self.tail.iter().zip(now).map(|(a, b)| a + b));
        }
        self.tail.copy_from_slice(later);
        self.started = true;
        self.at = (self.at + STRIDE).min(self.input.len());
        // Forget in large steps so that moving the rest costs little.
        if self.at > 16 * FFT {
            self.input.drain(..self.at);
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watermark::layout::CELLS;

    fn sound(len: usize) -> Vec<f32> {
        let mut state = 1u32;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32 - 0.5
            })
            .collect()
    }

    fn pattern() -> Vec<i8> {
        (0..CELLS).map(|i| if (i * 2_654_435_761) & 64 == 0 { 1 } else { -1 }).collect()
    }

    fn change(rate: u32, channels: usize, input: &[f32], chunk: usize) -> Vec<f32> {
        let mut engine = Engine::new(rate, channels, pattern(), 1.0);
        let mut output = Vec::new();
        input.chunks(chunk * channels).for_each(|part| engine.push(part, &mut output));
        engine.finish(&mut output);
        output
    }

    #[test]
    fn the_change_is_as_long_as_the_sound_and_free_of_chunks() {
        let input = sound(60_001 * 2);
        let whole = change(44_100, 2, &input, 60_001);
        assert_eq!(whole.len(), input.len());
        assert_eq!(whole, change(44_100, 2, &input, 313));
        for len in [0, 1, 255, 256, 257, 5000] {
            assert_eq!(change(16_000, 1, &input[..len], 100).len(), len);
        }
    }

    #[test]
    fn overlapping_windows_add_up_to_one() {
        let window = window();
        assert_eq!(window.len(), FFT);
        for (early, late) in window.iter().zip(&window[STRIDE..]) {
            assert!((early * early + late * late - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn silence_gets_no_change() {
        let mut input = sound(80_000);
        input[30_000..60_000].fill(0.0);
        let output = change(16_000, 1, &input, 4000);
        assert!(output[30_600..59_400].iter().all(|&change| change == 0.0));
        assert!(output[..30_000].iter().any(|&change| change.abs() > 1e-3));
    }

    #[test]
    fn delay_is_bounded() {
        let mut engine = Engine::new(16_000, 1, pattern(), 1.0);
        let mut output = Vec::new();
        let input = sound(160_000);
        for (i, part) in input.chunks(160).enumerate() {
            engine.push(part, &mut output);
            assert!(
                (i + 1) * 160 - output.len() <= super::super::LATENCY_SAMPLES_16K,
                "{} at {i}",
                output.len()
            );
        }
    }
}
