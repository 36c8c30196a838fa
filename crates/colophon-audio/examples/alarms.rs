//! Looks for marks where none are: hours of unmarked sound, and sound marked with another key.
//!
//! ```text
//! alarms HOURS [CLIP.wav …]
//! ```
//!
//! Every trial is about a minute of sound under a key of its own: a clip (16 bit, any rate, any channels; mixed to one)
//! or sound made here, played at another speed, turned round, filtered, under noise, or put together from two, so
//! that no two trials are alike. Every fourth is marked with a key that is not the one looked for. Prints one JSON object.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

use colophon_audio::watermark::{DetectOptions, EmbedOptions, detect, embed};
use colophon_label::rhythm;
use colophon_signal::key::MarkKey;
use std::f64::consts::TAU;

/// Everything is examined at this rate.
const RATE: u32 = 16_000;
/// Length of a trial in seconds.
const TRIAL_S: usize = 60;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let hours: f64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let clips: Vec<Vec<f32>> = arguments.map(|path| clip(&path)).collect();
    let trials = (hours * 3600.0 / TRIAL_S as f64).ceil() as usize;
    let (mut found, mut present, mut rhythms) = (0, 0, 0);
    let (mut lowest, mut seconds) = (0.0f64, 0.0);
    for trial in 0..trials {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (trial as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95));
        let plain = if clips.is_empty() || trial % 5 == 4 {
            made(&mut dice)
        } else {
            clips[trial % clips.len()].clone()
        };
        let other = if clips.is_empty() { made(&mut dice) } else { clips[dice.below(clips.len())].clone() };
        let mut sound = processed(plain, &other, &mut dice);
        if trial % 4 == 3 {
            let key = MarkKey::from_secret(format!("another key {trial}").as_bytes()).unwrap();
            // Silence and such stay unmarked, which is a trial as well.
            let _ = embed(&mut sound, RATE, 1, dice.next(), &key, &EmbedOptions::default());
        }
        let key = MarkKey::from_secret(format!("wrong key {trial}").as_bytes()).unwrap();
        let answer = detect(&sound, RATE, 1, &key, &DetectOptions::default());
        found += usize::from(answer.found);
        present += usize::from(answer.presence_only);
        rhythms += rhythm::find(&sound, RATE).len();
        lowest = lowest.min(answer.log10_p);
        seconds += sound.len() as f64 / f64::from(RATE);
        if answer.found || answer.presence_only {
            eprintln!("trial {trial}: {answer:?}");
        }
    }
    println!(
        "{{\"trials\":{trials},\"seconds\":{seconds:.0},\"found\":{found},\"present\":{present},\
         \"lowest_log10_p\":{lowest:.2},\"rhythms\":{rhythms}}}"
    );
}

/// A file as one channel at [`RATE`].
fn clip(path: &str) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    let samples: Vec<f32> = reader.samples::<i16>().map(|s| f32::from(s.unwrap()) / 32_768.0).collect();
    let width = usize::from(spec.channels);
    let mono: Vec<f32> = samples.chunks_exact(width).map(|f| f.iter().sum::<f32>() / width as f32).collect();
    played(&mono, f64::from(spec.sample_rate) / f64::from(RATE))
}

/// At `speed` times the speed, by linear interpolation: what folds over is one more variety.
fn played(sound: &[f32], speed: f64) -> Vec<f32> {
    if speed == 1.0 || sound.len() < 2 {
        return sound.to_vec();
    }
    (0..((sound.len() - 1) as f64 / speed) as usize)
        .map(|n| {
            let at = n as f64 * speed;
            let (i, x) = (at as usize, at.fract() as f32);
            sound[i] + x * (sound[(i + 1).min(sound.len() - 1)] - sound[i])
        })
        .collect()
}

/// The sound after a random chain of changes, repeated or cut to about [`TRIAL_S`].
fn processed(mut sound: Vec<f32>, other: &[f32], dice: &mut Dice) -> Vec<f32> {
    if dice.below(2) == 0 {
        sound = played(&sound, 0.75 + 0.5 * dice.unit());
    }
    if dice.below(4) == 0 {
        sound.reverse();
    }
    let length = TRIAL_S * RATE as usize - dice.below(20 * RATE as usize);
    let start = dice.below(sound.len().max(1));
    let mut sound: Vec<f32> = sound.iter().copied().cycle().skip(start).take(length).collect();
    if dice.below(3) == 0 && !other.is_empty() {
        let share = dice.unit() as f32;
        let from = dice.below(other.len());
        sound.iter_mut().zip(other.iter().cycle().skip(from)).for_each(|(a, b)| *a += share * b);
    }
    let power = (sound.iter().map(|s| f64::from(s * s)).sum::<f64>() / sound.len().max(1) as f64).sqrt();
    if dice.below(3) == 0 {
        let level = power * 10f64.powf(-dice.unit() * 1.5);
        for s in &mut sound {
            *s += (level * dice.normal()) as f32;
        }
    }
    if dice.below(3) == 0 {
        // One-pole low-pass.
        let share = 0.05 + 0.9 * dice.unit() as f32;
        let mut state = 0.0f32;
        for s in &mut sound {
            state += share * (*s - state);
            *s = state;
        }
    }
    if dice.below(4) == 0 {
        // Loudness that swells and falls, down to hard clipping.
        let (rate, depth) = (0.1 + 8.0 * dice.unit(), 4.0 * dice.unit());
        for (n, s) in sound.iter_mut().enumerate() {
            let swell = 1.0 + depth * (TAU * rate * n as f64 / f64::from(RATE)).sin().abs();
            *s = (*s * swell as f32).clamp(-1.0, 1.0);
        }
    }
    if dice.below(6) == 0 {
        // Eight bits.
        for s in &mut sound {
            *s = (*s * 127.0).round() / 127.0;
        }
    }
    sound
}

/// A quarter of a minute of sound of a random kind: noise, notes, beats, beeps, gliding tones, pulses.
fn made(dice: &mut Dice) -> Vec<f32> {
    let length = 15 * RATE as usize;
    let rate = f64::from(RATE);
    let mut sound = vec![0.0f32; length];
    let layers = 1 + dice.below(4);
    for _ in 0..layers {
        let kind = dice.below(6);
        let (pace, level) = (0.5 + 12.0 * dice.unit(), 0.05 + 0.3 * dice.unit());
        let base = 60.0 * 2f64.powf(5.0 * dice.unit());
        let (mut phase, mut pitch, mut slow) = (0.0f64, base, 0.0f64);
        for (n, slot) in sound.iter_mut().enumerate() {
            let t = n as f64 / rate;
            if n.is_multiple_of((rate / pace) as usize) {
                pitch = base * 2f64.powf(dice.below(25) as f64 / 12.0);
            }
            let beat = (t * pace).fract();
            phase += pitch / rate;
            let value = match kind {
                0 => 0.4 * dice.normal() * (1.0 - beat),
                1 => {
                    (1..8).map(|k| (TAU * phase * f64::from(k)).sin() / f64::from(k)).sum::<f64>()
                        * (-3.0 * beat).exp()
                }
                2 => (TAU * phase).sin() * f64::from(u8::from(beat < 0.5)),
                3 => (TAU * base * (t + 0.3 * (pace * t).sin())).sin(),
                4 => {
                    slow += 0.02 * (dice.normal() - slow);
                    3.0 * slow
                }
                _ => f64::from(u8::from(phase.fract() < 0.05)),
            };
            *slot += (level * value) as f32;
        }
    }
    sound
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }

    /// 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal: mean 0, deviation 1.
    fn normal(&mut self) -> f64 {
        (0..4).map(|_| self.unit()).sum::<f64>() * 1.732 - 3.464
    }
}
