//! Finding the prompts in a sound: matched filters.
//!
//! Sound and prompts are brought to 8 kHz and differentiated, so that vowels do not outweigh everything else; the
//! correlation of a prompt with the sound, normalised by the energy of both, is 1 where the prompt stands alone, and
//! stays within a few hundredths of 0 elsewhere.

use std::sync::Arc;

use colophon_core::Result;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::{PROMPT_HZ, PROMPTS, Prompt, resampled};
use crate::resample::Resampler;

/// Rate of the filters, in hertz.
const RATE: u32 = 8_000;
/// Samples of one transform: twice the longest prompt.
const BLOCK: usize = 1 << 16;
/// Share of the sample before that is taken off.
const PRE: f32 = 0.95;
/// Normalised correlation from which a prompt counts as heard. White noise as loud as the prompt leaves 0.7; sound without a
/// prompt stays within a few hundredths of 0.
pub(crate) const THRESHOLD: f32 = 0.4;

/// A prompt that was heard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    /// What it says.
    pub(crate) words: &'static str,
    /// Begin, in seconds of the sound.
    pub(crate) start_s: f64,
    /// End.
    pub(crate) end_s: f64,
    /// Normalised correlation, up to 1.
    pub(crate) score: f32,
}

/// Listens for prompts in one channel of sound, in memory of a few megabytes.
pub(crate) struct Finder {
    resampler: Resampler,
    templates: Vec<Template>,
    forward: Arc<dyn RealToComplex<f32>>,
    backward: Arc<dyn ComplexToReal<f32>>,
    /// Differentiated sound from sample `first` on.
    pending: Vec<f32>,
    first: u64,
    last: f32,
    heard: Vec<Heard>,
}

struct Template {
    prompt: &'static Prompt,
    len: usize,
    energy: f64,
    /// Conjugate spectrum.
    spectrum: Vec<Complex32>,
}

impl Finder {
    /// For sound at `rate` hertz and the prompt in `language`, or all of them.
    ///
    /// # Errors
    /// Decoder errors of the prompts.
    pub(crate) fn new(rate: u32, language: Option<&str>) -> Result<Self> {
        let mut planner = RealFftPlanner::new();
        let (forward, backward) = (planner.plan_fft_forward(BLOCK), planner.plan_fft_inverse(BLOCK));
        let wanted = PROMPTS.iter().filter(|p| language.is_none_or(|l| p.language == l));
        let templates = wanted.map(|p| Template::new(p, &*forward)).collect::<Result<_>>()?;
        Ok(Self {
            resampler: Resampler::new(rate, RATE),
            templates,
            forward,
            backward,
            pending: Vec::new(),
            first: 0,
            last: 0.0,
            heard: Vec::new(),
        })
    }

    /// Takes samples of the channel.
    pub(crate) fn push(&mut self, mono: &[f32]) {
        for part in mono.chunks(1 << 16) {
            let from = self.pending.len();
            let clean: Vec<f32> =
                part.iter().map(|s| if s.is_finite() { s.clamp(-8.0, 8.0) } else { 0.0 }).collect();
            self.resampler.push(&clean, &mut self.pending);
            differentiate(self.pending.get_mut(from..).unwrap_or_default(), &mut self.last);
            while self.pending.len() >= BLOCK {
                self.examine();
            }
        }
    }

    /// The prompts heard, in order.
    pub(crate) fn finish(mut self) -> Vec<Heard> {
        let from = self.pending.len();
        self.resampler.finish(&mut self.pending);
        differentiate(self.pending.get_mut(from..).unwrap_or_default(), &mut self.last);
        while !self.pending.is_empty() {
            let left = self.pending.len();
            self.pending.resize(left.max(BLOCK), 0.0);
            let step = self.examine();
            self.pending.truncate(left.saturating_sub(step));
        }
        self.heard.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        self.heard
    }

    /// Correlates one block with every prompt and goes on by the places that are settled; how many.
    fn examine(&mut self) -> usize {
        let longest = self.templates.iter().map(|t| t.len).max().unwrap_or(1);
        let step = BLOCK - longest + 1;
        let Some(block) = self.pending.get(..BLOCK) else { return step };
        // Running energy, in f64: differences of it must not go wrong behind loud sound.
        let mut energy = Vec::with_capacity(BLOCK + 1);
        let mut sum = 0.0f64;
        energy.push(sum);
        energy.extend(block.iter().map(|s| {
            sum += f64::from(s * s);
            sum
        }));
        let mut input = block.to_vec();
        let mut spectrum = self.forward.make_output_vec();
        let mut product = spectrum.clone();
        let mut output = vec![0.0f32; BLOCK];
        // Both transforms fail on mismatched lengths only.
        let _ = self.forward.process(&mut input, &mut spectrum);
        let mut found = Vec::new();
        for t in &self.templates {
            for ((p, s), c) in product.iter_mut().zip(&spectrum).zip(&t.spectrum) {
                *p = s * c / BLOCK as f32;
            }
            // The ends of a real signal's spectrum are real.
            for end in [0, BLOCK / 2] {
                if let Some(p) = product.get_mut(end) {
                    p.im = 0.0;
                }
            }
            let _ = self.backward.process(&mut product, &mut output);
            for (at, correlation) in output.iter().enumerate().take(step) {
                let own = energy.get(at + t.len).zip(energy.get(at)).map_or(0.0, |(b, a)| b - a);
                // 60 dB below the prompt's own level nobody hears it.
                let norm = (own.max(1e-6 * t.energy) * t.energy).sqrt();
                let score = (f64::from(*correlation) / norm) as f32;
                if score >= THRESHOLD {
                    found.push((t, self.first + at as u64, score));
                }
            }
        }
        for (t, at, score) in found {
            let start_s = at as f64 / f64::from(RATE);
            let end_s = start_s + t.len as f64 / f64::from(RATE);
            let heard = Heard { words: t.prompt.words, start_s, end_s, score };
            // Of places that overlap the best counts.
            match self.heard.iter_mut().find(|h| h.start_s < end_s && start_s < h.end_s) {
                Some(other) if other.score >= score => {}
                Some(other) => *other = heard,
                None => self.heard.push(heard),
            }
        }
        self.pending.drain(..step.min(self.pending.len()));
        self.first += step as u64;
        step
    }
}

fn differentiate(samples: &mut [f32], last: &mut f32) {
    for s in samples {
        let now = *s;
        *s -= PRE * *last;
        *last = now;
    }
}

impl Template {
    fn new(prompt: &'static Prompt, forward: &dyn RealToComplex<f32>) -> Result<Self> {
        let mut samples = resampled(&prompt.samples()?, PROMPT_HZ, RATE).into_owned();
        differentiate(&mut samples, &mut 0.0);
        let len = samples.len().min(BLOCK / 2);
        samples.truncate(len);
        let energy = samples.iter().map(|s| f64::from(s * s)).sum();
        samples.resize(BLOCK, 0.0);
        let mut spectrum = forward.make_output_vec();
        let _ = forward.process(&mut samples, &mut spectrum);
        for s in &mut spectrum {
            *s = s.conj();
        }
        Ok(Self { prompt, len, energy, spectrum })
    }
}
