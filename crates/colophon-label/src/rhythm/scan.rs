//! Finding the rhythm in a signal.
//!
//! A label tone is unlike speech and music in four ways at once: nearly all energy of its moment lies at one
//! frequency, that frequency stands still, the level is flat, and it stops as suddenly as it began. The scanner cuts
//! the signal into such tones; four of them at one pitch and level, with the proportions of the rhythm, are a label.

use std::f32::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

/// Pitches a label may have, in hertz.
const PITCH_HZ: (f32, f32) = (400.0, 2000.0);
/// Units a label may have, in seconds.
const UNIT_S: (f32, f32) = (0.080, 0.200);
/// Rate the analysis works at, at least: twice what the highest pitch needs.
const ANALYSIS_HZ: u32 = 8000;
/// Length of an analysis window in seconds. Half the shortest gap would blur it: a third does not.
const WINDOW_S: f32 = 0.025;
/// Step between windows in seconds.
const HOP_S: f32 = 0.005;
/// Share of a window's energy that must lie at the pitch.
const PURITY: f32 = 0.6;
/// How far the pitch may wander inside a tone, as a ratio.
const WANDER: f32 = 0.025;
/// Standard deviation of the level inside a tone, in decibels: our own watermark over a label moves it by up to 1.7.
const UNSTEADY_DB: f32 = 2.5;
/// By how much the level at the pitch must be lower just before a tone, in decibels.
const GAP_DB: f32 = 12.0;
/// How far the tones of one label may differ in level, in decibels, and in pitch, as a ratio.
const ALIKE: (f32, f32) = (4.0, 0.02);
/// Without the gap between the letters the pattern is also the Morse letter L: then nothing at the same pitch may
/// stand nearer than this many units, or it is part of a message.
const ALONE_UNITS: f32 = 5.0;
/// Lengths in units: tone, gap, tone, gap, tone, gap, tone.
const PATTERNS: [[f32; 7]; 2] = [[1., 1., 3., 3., 1., 1., 1.], [1., 1., 3., 1., 1., 1., 1.]];
/// Tones kept at most: an hour of nothing but beeps is not searched to its end.
const MAX_TONES: usize = 1 << 20;

/// A label that was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Begin of the first tone, seconds from the first sample.
    pub start_s: f64,
    /// End of the last tone.
    pub end_s: f64,
    /// How well the proportions fit: 1 perfectly, 0 just so.
    pub score: f32,
}

/// Every label in one channel of sound at `rate_hz` samples per second, in order.
///
/// Empty below [`super::MIN_RATE_HZ`]. Costs little: a hundredth of what decoding costs.
pub fn find(mono: &[f32], rate_hz: u32) -> Vec<Hit> {
    let mut scanner = Scanner::new(rate_hz);
    scanner.push(mono);
    scanner.finish()
}

/// [`find`] for sound that comes in pieces; memory does not grow with the pieces but with the tones in them.
pub struct Scanner {
    decimator: Option<Decimator>,
    window: Vec<f32>,
    fft: Arc<dyn RealToComplex<f32>>,
    rate: f32,
    hop: usize,
    /// Decimated samples not yet analysed; the first belongs to the next window.
    pending: Vec<f32>,
    /// Windows analysed so far.
    frames: usize,
    /// Spectra of the last windows, newest last.
    recent: std::collections::VecDeque<Vec<f32>>,
    run: Run,
    tones: Vec<Tone>,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner")
            .field("frames", &self.frames)
            .field("tones", &self.tones.len())
            .finish_non_exhaustive()
    }
}

/// A stretch of one steady tone.
#[derive(Clone, Copy, Debug)]
struct Tone {
    start: f32,
    end: f32,
    pitch: f32,
    level: f32,
}

/// The stretch being followed: pitch and level of each of its windows.
#[derive(Default)]
struct Run {
    first: usize,
    pitch: Vec<f32>,
    level: Vec<f32>,
}

impl Scanner {
    /// A scanner for sound at `rate_hz` samples per second.
    pub fn new(rate_hz: u32) -> Self {
        let factor = (rate_hz / ANALYSIS_HZ).max(1);
        let rate = rate_hz as f32 / factor as f32;
        let n = (WINDOW_S * rate).round().max(8.0) as usize;
        let fft = RealFftPlanner::new().plan_fft_forward((2 * n).next_power_of_two());
        Self {
            decimator: (rate_hz >= super::MIN_RATE_HZ).then(|| Decimator::new(factor as usize)),
            window: (0..n).map(|i| 0.5 - 0.5 * (TAU * (i as f32 + 0.5) / n as f32).cos()).collect(),
            fft,
            rate,
            hop: (HOP_S * rate).round().max(1.0) as usize,
            // Half a window of silence in front centres the first window on the first sample.
            pending: vec![0.0; n / 2],
            frames: 0,
            recent: std::collections::VecDeque::new(),
            run: Run::default(),
            tones: Vec::new(),
        }
    }

    /// Takes the next samples of the channel.
    pub fn push(&mut self, mono: &[f32]) {
        let Some(decimator) = &mut self.decimator else { return };
        // In blocks, so that a whole file at once costs no second copy of itself.
        for block in mono.chunks(1 << 16) {
            decimator.push(block, &mut self.pending);
            let mut at = 0;
            let mut scratch = vec![0.0; self.fft.len()];
            let mut spectrum = self.fft.make_output_vec();
            while let Some(frame) = self.pending.get(at..at + self.window.len()) {
                for (s, (x, w)) in scratch.iter_mut().zip(frame.iter().zip(&self.window)) {
                    *s = x * w;
                }
                if let Some(rest) = scratch.get_mut(self.window.len()..) {
                    rest.fill(0.0);
                }
                // The lengths come from the plan itself; a failed transform would leave the last spectrum.
                let _ = self.fft.process(&mut scratch, &mut spectrum);
                analyse(
                    &spectrum,
                    self.rate / self.fft.len() as f32,
                    self.frames,
                    &mut self.recent,
                    &mut self.run,
                    &mut self.tones,
                    self.hop as f32 / self.rate,
                );
                self.frames += 1;
                at += self.hop;
            }
            self.pending.drain(..at.min(self.pending.len()));
            // A hop can be longer than what is left only when the window is, too; nothing is skipped.
        }
    }

    /// The labels heard.
    pub fn finish(mut self) -> Vec<Hit> {
        // A label that ends with the file is closed by the silence after it.
        if let Some(decimator) = &self.decimator {
            let tail = vec![0.0; 2 * self.window.len() * decimator.factor + decimator.taps.len()];
            self.push(&tail);
        }
        labels(&self.tones)
    }
}

/// Follows the tone from one window to the next and files it when it ends.
fn analyse(
    spectrum: &[Complex32],
    bin_hz: f32,
    frame: usize,
    recent: &mut std::collections::VecDeque<Vec<f32>>,
    run: &mut Run,
    tones: &mut Vec<Tone>,
    hop_s: f32,
) {
    let mut power = if recent.len() >= MEMORY { recent.pop_front().unwrap_or_default() } else { Vec::new() };
    power.clear();
    power.extend(spectrum.iter().map(Complex32::norm_sqr));
    let peak = strongest(&power, bin_hz);
    recent.push_back(power);
    if let Some((pitch, level)) = peak {
        let (near, loud) = run
            .last()
            .map_or((true, true), |(p, top)| ((pitch / p - 1.0).abs() < WANDER, level > top - 12.0));
        if near && loud {
            run.push(frame, pitch, level);
            return;
        }
    }
    if let Some(tone) = run.close(hop_s, bin_hz, frame, recent)
        && tones.len() < MAX_TONES
    {
        tones.push(tone);
    }
    if let Some((pitch, level)) = peak {
        run.push(frame, pitch, level);
    }
}

/// Windows remembered: the longest tone, and what came before it.
const MEMORY: usize = 200;

/// Pitch in hertz and level in decibels of the strongest component, when it is nearly all there is.
fn strongest(power: &[f32], bin_hz: f32) -> Option<(f32, f32)> {
    let bin = |hz: f32| (hz / bin_hz) as usize;
    let total: f32 = power.get(bin(150.0)..bin(3900.0).min(power.len()))?.iter().sum();
    let (at, _) = power
        .iter()
        .enumerate()
        .take(bin(PITCH_HZ.1) + 2)
        .skip(bin(PITCH_HZ.0))
        .max_by(|a, b| a.1.total_cmp(b.1))?;
    // The main lobe of the window: ±2 bins of the unpadded transform, which is padded about twofold.
    let lobe: f32 = power.get(at.saturating_sub(5)..at + 6)?.iter().sum();
    if lobe < PURITY * total || lobe < 1e-9 {
        return None;
    }
    let db = |i: usize| power.get(i).map(|p| (p + 1e-20).log10());
    let (a, b, c) = (db(at.checked_sub(1)?)?, db(at)?, db(at + 1)?);
    let curve = a - 2.0 * b + c;
    let shift = if curve < 0.0 { (0.5 * (a - c) / curve).clamp(-0.5, 0.5) } else { 0.0 };
    let pitch = (at as f32 + shift) * bin_hz;
    (PITCH_HZ.0..=PITCH_HZ.1).contains(&pitch).then(|| (pitch, 10.0 * lobe.log10()))
}

impl Run {
    /// Pitch of the last window and the highest level so far.
    fn last(&self) -> Option<(f32, f32)> {
        let top = self.level.iter().copied().fold(f32::MIN, f32::max);
        self.pitch.last().map(|p| (*p, top))
    }

    fn push(&mut self, frame: usize, pitch: f32, level: f32) {
        if self.level.is_empty() {
            self.first = frame;
        }
        // What is longer than any dash is no tone of a label: no need to remember more of it.
        if self.level.len() < MEMORY {
            self.pitch.push(pitch);
            self.level.push(level);
        }
    }

    /// Ends the run before window `frame`. A tone when it was long enough, steady, and began out of relative silence.
    fn close(
        &mut self,
        hop_s: f32,
        bin_hz: f32,
        frame: usize,
        recent: &std::collections::VecDeque<Vec<f32>>,
    ) -> Option<Tone> {
        let run = std::mem::take(self);
        let mut sorted = run.level.clone();
        sorted.sort_by(f32::total_cmp);
        let plateau = *sorted.get(sorted.len() * 2 / 3)?;
        // A window centred on the edge of a tone holds half of it: -6 dB. Between two windows it is interpolated.
        let edge = plateau - 6.02;
        let first = run.level.iter().position(|l| *l >= edge)?;
        let last = run.level.iter().rposition(|l| *l >= edge)?;
        let between = |inner: usize, outer: Option<usize>| {
            let inside = run.level.get(inner).copied().unwrap_or(plateau);
            match outer.and_then(|o| run.level.get(o)) {
                Some(outside) if inside > *outside => (inside - edge) / (inside - outside),
                _ => 0.5,
            }
        };
        let start = (run.first + first) as f32 - between(first, first.checked_sub(1));
        let end = (run.first + last) as f32 + between(last, last.checked_add(1));
        let length = (end - start) * hop_s;
        if length < 0.6 * UNIT_S.0 || length > 3.6 * UNIT_S.1 {
            return None;
        }
        // The flat part: windows that lie inside the tone altogether, ramps excluded.
        let inset = ((WINDOW_S / 2.0 + 0.008) / hop_s).ceil() as usize;
        let flat = run.level.get(first + inset..(last + 1).checked_sub(inset)?)?;
        let pitches = run.pitch.get(first + inset..(last + 1).checked_sub(inset)?)?;
        if flat.is_empty() || deviation(flat) > UNSTEADY_DB {
            return None;
        }
        let pitch = mean(pitches);
        if deviation(pitches) > WANDER / 2.0 * pitch {
            return None;
        }
        // The middle of the shortest gap before the tone. Before the first sample there is silence.
        let level = mean(flat);
        let before = (start - UNIT_S.0 / 2.0 / hop_s).round();
        if before >= 0.0 {
            let ago = frame.checked_sub(before as usize)?;
            // The newest entry is window `frame` itself.
            let power = recent.len().checked_sub(ago + 1).and_then(|i| recent.get(i))?;
            let at = (pitch / bin_hz).round() as usize;
            let lobe: f32 = power.get(at.saturating_sub(5)..at + 6)?.iter().sum();
            if 10.0 * (lobe + 1e-20).log10() > level - GAP_DB {
                return None;
            }
        }
        Some(Tone { start: start * hop_s, end: end * hop_s, pitch, level })
    }
}

/// Four tones in a row with the proportions of the rhythm.
fn labels(tones: &[Tone]) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut i = 0;
    while let Some(four) = tones.get(i..i + 4) {
        let [a, b, c, d] = four else { break };
        let alike = [b, c, d]
            .iter()
            .all(|t| (t.level - a.level).abs() < ALIKE.0 && (t.pitch / a.pitch - 1.0).abs() < ALIKE.1);
        let lengths = [
            a.end - a.start,
            b.start - a.end,
            b.end - b.start,
            c.start - b.end,
            c.end - c.start,
            d.start - c.end,
            d.end - d.start,
        ];
        let best = PATTERNS
            .iter()
            .enumerate()
            .filter_map(|(which, p)| fit(&lengths, p).map(|(score, unit)| (score, unit, which)))
            .filter(|(_, unit, which)| {
                let far = |t: Option<&Tone>, gap: &dyn Fn(&Tone) -> f32| {
                    t.is_none_or(|t| (t.pitch / a.pitch - 1.0).abs() > ALIKE.1 || gap(t) > ALONE_UNITS * unit)
                };
                *which == 0
                    || far(i.checked_sub(1).and_then(|p| tones.get(p)), &|t| a.start - t.end)
                        && far(tones.get(i + 4), &|t| t.start - d.end)
            })
            .max_by(|x, y| x.0.total_cmp(&y.0));
        if let Some((score, ..)) = best.filter(|_| alike) {
            hits.push(Hit { start_s: f64::from(a.start.max(0.0)), end_s: f64::from(d.end), score });
            i += 4;
        } else {
            i += 1;
        }
    }
    hits
}

/// Score and unit in seconds when the lengths have the proportions of `pattern`.
fn fit(lengths: &[f32; 7], pattern: &[f32; 7]) -> Option<(f32, f32)> {
    let unit = lengths.iter().sum::<f32>() / pattern.iter().sum::<f32>();
    if !(UNIT_S.0 * 0.97..=UNIT_S.1 * 1.03).contains(&unit) {
        return None;
    }
    // A unit may be off by a quarter; three units in a row by no more than twice that.
    let worst = lengths
        .iter()
        .zip(pattern)
        .map(|(x, n)| (x / unit - n).abs() / if *n > 1.0 { 0.5 } else { 0.25 })
        .fold(0.0, f32::max);
    (worst < 1.0).then_some((1.0 - worst, unit))
}

fn mean(x: &[f32]) -> f32 {
    x.iter().sum::<f32>() / x.len().max(1) as f32
}

fn deviation(x: &[f32]) -> f32 {
    let m = mean(x);
    (x.iter().map(|v| (v - m).powi(2)).sum::<f32>() / x.len().max(1) as f32).sqrt()
}

/// Keeps every `factor`-th sample after a low-pass.
struct Decimator {
    factor: usize,
    taps: Vec<f32>,
    history: Vec<f32>,
}

impl Decimator {
    fn new(factor: usize) -> Self {
        // A Hann-windowed sinc, flat to 2.2 kHz and down by 40 dB where aliases would fall on the pitch range.
        let half = 6 * factor;
        let mut taps: Vec<f32> = (0..=2 * half)
            .map(|i| {
                let t = (i as f32 - half as f32) / factor as f32 * 0.75;
                let sinc = if t == 0.0 { 1.0 } else { (TAU / 2.0 * t).sin() / (TAU / 2.0 * t) };
                sinc * (0.5 + 0.5 * (TAU / 2.0 * (i as f32 - half as f32) / (half as f32 + 1.0)).cos())
            })
            .collect();
        let sum: f32 = taps.iter().sum();
        for t in &mut taps {
            *t /= sum;
        }
        if factor == 1 {
            taps = vec![1.0];
        }
        // Zeros in front make up for the delay of the filter.
        let history = vec![0.0; taps.len() / 2];
        Self { factor, taps, history }
    }

    fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        // Samples that are not numbers must not poison what follows.
        self.history.extend(input.iter().map(|x| if x.is_finite() { x.clamp(-8.0, 8.0) } else { 0.0 }));
        let mut at = 0;
        while let Some(x) = self.history.get(at..at + self.taps.len()) {
            out.push(x.iter().zip(&self.taps).map(|(a, b)| a * b).sum());
            at += self.factor;
        }
        self.history.drain(..at.min(self.history.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rhythm::{self, synthesize};
    use proptest::prelude::*;

    /// Deterministic noise in ±1.
    fn noise(n: usize, mut seed: u32) -> Vec<f32> {
        (0..n)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    /// Tones of `unit` seconds times the pattern, at `pitch`, with 0.3 s of silence around.
    fn keyed(rate: u32, pitch: f32, unit: f32, pattern: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; (0.3 * rate as f32) as usize];
        for (k, n) in pattern.iter().enumerate() {
            let len = (n * unit * rate as f32) as usize;
            let on = if k % 2 == 0 { 0.2 } else { 0.0 };
            out.extend((0..len).map(|i| on * (TAU * pitch * i as f32 / rate as f32).sin()));
        }
        out.resize(out.len() + (0.3 * rate as f32) as usize, 0.0);
        out
    }

    #[test]
    fn the_written_rhythm_is_found_at_every_rate() {
        for rate in [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000] {
            let hits = find(&synthesize(rate, -20.0), rate);
            assert_eq!(hits.len(), 1, "{rate}: {hits:?}");
            let h = hits[0];
            assert!((h.start_s - rhythm::SILENCE_S).abs() < 0.01, "{rate}: {h:?}");
            assert!((h.end_s - rhythm::SILENCE_S - 11.0 * rhythm::UNIT_S).abs() < 0.01, "{rate}: {h:?}");
            assert!(h.score > 0.6, "{rate}: {h:?}");
        }
    }

    #[test]
    fn gb45438_5_3_both_gap_patterns_of_the_wild_are_read() {
        for pattern in PATTERNS {
            for unit in [0.08, 0.1, 0.12, 0.15, 0.2] {
                for pitch in [420.0, 800.0, 1046.5, 1900.0] {
                    let hits = find(&keyed(44_100, pitch, unit, &pattern), 44_100);
                    assert_eq!(hits.len(), 1, "{pattern:?} {unit} s {pitch} Hz");
                }
            }
        }
    }

    #[test]
    fn it_is_found_between_programme_and_in_noise() {
        let rate = 16_000;
        let mut x: Vec<f32> = noise(3 * 16_000, 1).iter().map(|v| v * 0.1).collect();
        let at = x.len() as f64 / f64::from(rate);
        x.extend(synthesize(rate, -20.0));
        x.extend(noise(2 * 16_000, 2).iter().map(|v| v * 0.1));
        // White noise 20 dB below the tone over everything.
        for (v, n) in x.iter_mut().zip(noise(8 * 16_000, 3)) {
            *v += n * 0.0173;
        }
        let hits = find(&x, rate);
        assert_eq!(hits.len(), 1, "{hits:?}");
        assert!((hits[0].start_s - at - 0.1).abs() < 0.02);
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let rate = 44_100;
        let mut x = vec![0.0; 12_345];
        x.extend(synthesize(rate, -12.0));
        x.extend(synthesize(rate, -12.0));
        let whole = find(&x, rate);
        assert_eq!(whole.len(), 2);
        let mut scanner = Scanner::new(rate);
        x.chunks(777).for_each(|c| scanner.push(c));
        assert_eq!(scanner.finish(), whole);
    }

    #[test]
    fn other_rhythms_and_sounds_are_no_label() {
        let rate = 44_100;
        for (name, pattern) in [
            ("dots", &[1., 1., 1., 1., 1., 1., 1.][..]),
            ("dashes", &[3., 1., 3., 1., 3., 1., 3.]),
            ("long first", &[3., 1., 1., 1., 1., 1., 1.]),
            ("letter L in a word", &[1., 3., 1., 1., 3., 1., 1., 1., 1., 3., 3.]),
            ("three tones", &[1., 1., 3., 3., 1.]),
        ] {
            assert_eq!(find(&keyed(rate, 1000.0, 0.12, pattern), rate), [], "{name}");
        }
        assert_eq!(find(&keyed(rate, 1000.0, 0.05, &PATTERNS[0]), rate), [], "too quick");
        assert_eq!(find(&keyed(rate, 3000.0, 0.12, &PATTERNS[0]), rate), [], "too high");
        assert_eq!(find(&noise(rate as usize * 5, 9), rate), [], "noise");
        assert_eq!(find(&vec![0.0; rate as usize * 5], rate), [], "silence");
        let sweep: Vec<f32> = (0..rate * 5).map(|i| (i as f32 * i as f32 * 1e-6).sin() * 0.3).collect();
        assert_eq!(find(&sweep, rate), [], "sweep");
    }

    #[test]
    fn broken_samples_hide_nothing_that_follows() {
        let mut x = vec![f32::NAN, f32::INFINITY, f32::MIN, 1e30];
        x.resize(8000, 0.0);
        x.extend(synthesize(16_000, -20.0));
        assert_eq!(find(&x, 16_000).len(), 1);
        assert_eq!(find(&x, 100), []);
        assert_eq!(find(&[], 44_100), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_label_is_found_where_it_is(
            rate in prop::sample::select(vec![8000u32, 16_000, 44_100, 48_000]),
            lead in 0usize..40_000,
            level in -30.0f64..-6.0,
        ) {
            let mut x = vec![0.0; lead];
            x.extend(synthesize(rate, level));
            let hits = find(&x, rate);
            prop_assert_eq!(hits.len(), 1);
            let at = lead as f64 / f64::from(rate) + 0.1;
            prop_assert!((hits[0].start_s - at).abs() < 0.01, "{} {}", hits[0].start_s, at);
        }
    }
}
