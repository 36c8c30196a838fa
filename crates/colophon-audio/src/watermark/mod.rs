//! The audio watermark `org.colophon.audio.1`: 64 bits that stay in the sound.
//!
//! The level of narrow bands is raised or lowered by a fraction of a decibel to a few decibels in rows of 32 ms, in a
//! keyed pattern that repeats every 2.304 s. Nothing is added where there is no sound. The reader needs neither the
//! original nor a hint: it finds the pattern after cuts, codecs, noise and changes of speed, tempo or pitch of up to about
//! ten percent, and accepts a payload only when chance would have produced it in fewer than one of 10⁸ files, a bound
//! that holds whatever the sound is.
//!
//! | need | call |
//! |---|---|
//! | mark sound held in memory | [`embed`], [`embed_planar`] |
//! | mark sound as it is made | [`Embedder`] |
//! | read sound held in memory | [`detect`] |
//! | read sound piece by piece | [`Detector`] |
//!
//! With the public key anyone can read, copy or remove the mark; a secret key keeps that to whoever holds it.

use colophon_signal::key::MarkKey;
use colophon_signal::simd::vectorised;
use std::fmt;

mod analysis;
mod bound;
mod code;
mod detect;
mod embed;
mod gains;
mod layout;
mod locate;

mod sample;
mod search;
mod soft;

use layout::{HOP, Layout, RATE};
pub use sample::Sample;

/// Name of the scheme in records and manifests.
pub const SCHEME: &str = "org.colophon.audio.1";
/// Shortest sound that can carry a payload, in seconds: one period of the pattern.
pub const SHORTEST_S: f64 = (layout::ROWS * layout::HOPS_PER_ROW * HOP) as f64 / RATE as f64;
/// Lowest sampling rate that is marked, in hertz: the bands reach to 6.7 kHz.
pub const LOWEST_RATE: u32 = 16_000;
/// Lowest sampling rate that is read, in hertz.
pub const LOWEST_READ_RATE: u32 = 4_000;
/// Highest sampling rate, in hertz.
pub const HIGHEST_RATE: u32 = 768_000;
/// Most channels.
pub const MOST_CHANNELS: u16 = 64;
/// Most sound an [`Embedder`] holds back, in samples at 16 kHz (0.6 s).
#[cfg(test)]
const LATENCY_SAMPLES_16K: usize = 9_600;
/// Peak below which sound counts as silent: −80 dB of full scale.
const SILENCE: f32 = 1e-4;
/// Frames handled at a time.
const PIECE: usize = 1 << 14;

/// How to write the mark.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EmbedOptions {
    /// Factor on the size of the change, 0.25 to 2; 1 is the setting all published figures are for.
    pub strength: f32,
}

impl Default for EmbedOptions {
    fn default() -> Self {
        Self { strength: 1.0 }
    }
}

impl EmbedOptions {
    /// The default with another strength.
    pub fn with_strength(strength: f32) -> Self {
        Self { strength }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Embedded {
    /// Length of the sound in seconds.
    pub duration_s: f64,
    /// Energy of the change relative to the sound, in decibels; minus infinity when nothing changed.
    pub change_db: f64,
}

/// Why sound was not marked. The samples are as they were.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum EmbedError {
    /// Shorter than [`SHORTEST_S`]; holds the length in seconds.
    TooShort(f64),
    /// No sample above −80 dB of full scale.
    Silent,
    /// Sampling rate outside [`LOWEST_RATE`] to [`HIGHEST_RATE`].
    Rate(u32),
    /// No channels, or more than [`MOST_CHANNELS`].
    Channels(u16),
    /// The samples do not divide into frames, or the planes differ in length.
    Frames,
    /// Strength is not a number from 0.25 to 2.
    Strength(f32),
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(seconds) => {
                write!(
                    f,
                    "sound of {seconds:.2} s is too short for a watermark, which needs {SHORTEST_S:.2} s"
                )
            }
            Self::Silent => f.write_str("silence cannot carry a watermark"),
            Self::Rate(rate) => {
                write!(
                    f,
                    "sampling rate {rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz for a watermark"
                )
            }
            Self::Channels(count) => write!(f, "{count} channels, expected 1 to {MOST_CHANNELS}"),
            Self::Frames => f.write_str("the channels do not hold equally many samples"),
            Self::Strength(strength) => write!(f, "watermark strength {strength} is outside 0.25 to 2"),
        }
    }
}

impl std::error::Error for EmbedError {}

/// Marks interleaved samples in place.
///
/// All channels get the same change in decibels, so a downmix or a swap of channels changes nothing for the reader. The
/// first sample is the start of the pattern.
pub fn embed<S: Sample>(
    samples: &mut [S],
    rate: u32,
    channels: u16,
    payload: u64,
    key: &MarkKey,
    options: &EmbedOptions,
) -> Result<Embedded, EmbedError> {
    let mut engine = engine(rate, channels, payload, key, *options)?;
    let width = usize::from(channels);
    if !samples.len().is_multiple_of(width) {
        return Err(EmbedError::Frames);
    }
    check_sound(samples.len() / width, rate, samples.iter().copied())?;
    let mut writer = Writer::default();
    let mut input = Vec::new();
    let mut change = Vec::new();
    for start in (0..samples.len()).step_by(PIECE * width) {
        let end = (start + PIECE * width).min(samples.len());
        input.clear();
        input.extend(samples[start..end].iter().map(|sample| sample.amplitude()));
        engine.push(&input, &mut change);
        writer.add(samples, &mut change);
    }
    engine.finish(&mut change);
    writer.add(samples, &mut change);
    Ok(writer.summary(samples.len() / width, rate))
}

/// Marks samples that lie in one slice per channel, in place; otherwise as [`embed`].
pub fn embed_planar<S: Sample>(
    planes: &mut [&mut [S]],
    rate: u32,
    payload: u64,
    key: &MarkKey,
    options: &EmbedOptions,
) -> Result<Embedded, EmbedError> {
    let channels = u16::try_from(planes.len()).map_err(|_| EmbedError::Channels(u16::MAX))?;
    let mut engine = engine(rate, channels, payload, key, *options)?;
    let frames = planes.first().map_or(0, |plane| plane.len());
    if planes.iter().any(|plane| plane.len() != frames) {
        return Err(EmbedError::Frames);
    }
    check_sound(frames, rate, planes.iter().flat_map(|plane| plane.iter().copied()))?;
    let mut writers = vec![Writer::default(); planes.len()];
    let mut input = Vec::new();
    let mut change = Vec::new();
    let mut column = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + PIECE).min(frames);
        input.clear();
        for frame in start..end {
            input.extend(planes.iter().map(|plane| plane[frame].amplitude()));
        }
        if start < frames {
            engine.push(&input, &mut change);
        } else {
            engine.finish(&mut change);
        }
        for (channel, (writer, plane)) in writers.iter_mut().zip(planes.iter_mut()).enumerate() {
            column.clear();
            column.extend(change.iter().copied().skip(channel).step_by(usize::from(channels)));
            writer.add(plane, &mut column);
        }
        change.clear();
        if start >= frames {
            break;
        }
        start = end;
    }
    let total = writers.iter().fold(Writer::default(), |sum, writer| Writer {
        at: 0,
        sound: sum.sound + writer.sound,
        change: sum.change + writer.change,
    });
    Ok(total.summary(frames, rate))
}

/// Marks sound that is still being made.
///
/// Holds back at most 0.6 s. The result does not depend on how the sound is cut into pieces and is the one [`embed`]
/// gives for `f32` samples. Unlike [`embed`], short or silent sound is passed through, marked as far as it goes.
pub struct Embedder {
    engine: embed::Engine,
    channels: usize,
    rate: u32,
    /// Sound whose change is not settled, from `given` on.
    held: Vec<f32>,
    given: usize,
    /// A piece with silence for what is no number.
    clean: Vec<f32>,
    change: Vec<f32>,
    writer: Writer,
    frames: usize,
}

impl Embedder {
    /// For interleaved sound.
    pub fn new(
        rate: u32,
        channels: u16,
        payload: u64,
        key: &MarkKey,
        options: &EmbedOptions,
    ) -> Result<Self, EmbedError> {
        Ok(Self {
            engine: engine(rate, channels, payload, key, *options)?,
            channels: usize::from(channels),
            rate,
            held: Vec::new(),
            given: 0,
            clean: Vec::new(),
            change: Vec::new(),
            writer: Writer::default(),
            frames: 0,
        })
    }

    /// Takes interleaved samples (whole frames; a part of a frame at the end is left out) and appends what is ready.
    pub fn push(&mut self, samples: &[f32], output: &mut Vec<f32>) {
        let whole = &samples[..samples.len() - samples.len() % self.channels];
        self.frames += whole.len() / self.channels;
        self.held.extend_from_slice(whole);
        for piece in whole.chunks(PIECE * self.channels) {
            self.clean.clear();
            self.clean.extend(piece.iter().map(|sample| sample.amplitude()));
            self.engine.push(&self.clean, &mut self.change);
        }
        self.release(output);
    }

    /// Ends the sound: appends the rest, so that output and input are equally long.
    pub fn finish(mut self, output: &mut Vec<f32>) -> Embedded {
        self.engine.finish(&mut self.change);
        self.release(output);
        self.writer.summary(self.frames, self.rate)
    }

    fn release(&mut self, output: &mut Vec<f32>) {
        let held = &self.held[self.given..];
        let ready = self.change.len().min(held.len());
        let from = output.len();
        output.extend_from_slice(&held[..ready]);
        self.given += ready;
        // Forget in large steps so that moving the rest costs little.
        if self.given > self.held.len() / 2 {
            self.held.drain(..self.given);
            self.given = 0;
        }
        self.writer.at = 0;
        self.writer.add(&mut output[from..], &mut self.change);
    }
}

impl fmt::Debug for Embedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedder")
            .field("rate", &self.rate)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

fn engine(
    rate: u32,
    channels: u16,
    payload: u64,
    key: &MarkKey,
    options: EmbedOptions,
) -> Result<embed::Engine, EmbedError> {
    if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate) {
        return Err(EmbedError::Rate(rate));
    }
    if !(1..=MOST_CHANNELS).contains(&channels) {
        return Err(EmbedError::Channels(channels));
    }
    if !(0.25..=2.0).contains(&options.strength) {
        return Err(EmbedError::Strength(options.strength));
    }
    let pattern = Layout::new(key).pattern(payload);
    Ok(embed::Engine::new(rate, usize::from(channels), pattern, options.strength))
}

fn check_sound<S: Sample>(
    frames: usize,
    rate: u32,
    samples: impl Iterator<Item = S>,
) -> Result<(), EmbedError> {
    let seconds = frames as f64 / f64::from(rate);
    if seconds < SHORTEST_S {
        return Err(EmbedError::TooShort(seconds));
    }
    let mut samples = samples;
    if samples.any(|sample| sample.amplitude().abs() > SILENCE) { Ok(()) } else { Err(EmbedError::Silent) }
}

/// Adds change to samples and keeps count.
#[derive(Debug, Clone, Copy, Default)]
struct Writer {
    at: usize,
    sound: f64,
    change: f64,
}

impl Writer {
    /// Adds `change` from where the last call ended, and empties it.
    fn add<S: Sample>(&mut self, samples: &mut [S], change: &mut Vec<f32>) {
        let rest = samples.get_mut(self.at..).unwrap_or_default();
        // Eight sums side by side: one alone waits for itself at every sample.
        let (mut sound, mut changed) = ([0.0_f64; 8], [0.0_f64; 8]);
        vectorised(
            #[inline(always)]
            || {
                for (samples, changes) in rest.chunks_mut(8).zip(change.chunks(8)) {
                    for (((sample, &change), sound), changed) in
                        samples.iter_mut().zip(changes).zip(&mut sound).zip(&mut changed)
                    {
                        let amplitude = sample.amplitude();
                        *sound += f64::from(amplitude * amplitude);
                        *changed += f64::from(change * change);
                        *sample = if change == 0.0 { *sample } else { sample.changed(change) };
                    }
                }
            },
        );
        self.sound += sound.iter().sum::<f64>();
        self.change += changed.iter().sum::<f64>();
        self.at += change.len();
        change.clear();
    }

    fn summary(&self, frames: usize, rate: u32) -> Embedded {
        let change_db =
            if self.change > 0.0 { 10.0 * (self.change / self.sound).log10() } else { f64::NEG_INFINITY };
        Embedded { duration_s: frames as f64 / f64::from(rate), change_db }
    }
}

/// How to look for the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DetectOptions {
    /// Whether changed speed, tempo and pitch are looked for when the mark is not found without. Default: yes.
    pub warped: bool,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self { warped: true }
    }
}

/// What a stretch of sound carries.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Segment {
    /// Where it begins, in seconds of the examined sound; right within about half a second.
    pub start_s: f64,
    /// Where it ends.
    pub end_s: f64,
    /// The payload found there.
    pub payload: u64,
}

/// How the sound was changed since it was marked.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Warp {
    /// All frequencies were multiplied by this.
    pub frequency: f64,
    /// All durations were multiplied by this.
    pub duration: f64,
}

impl Warp {
    /// Playing speed, when frequency and duration changed together: above 1 is faster.
    pub fn speed(&self) -> Option<f64> {
        ((self.frequency * self.duration - 1.0).abs() < 0.01).then_some(self.frequency)
    }

    /// Tempo relative to the marked sound: above 1 is faster.
    pub fn tempo(&self) -> f64 {
        1.0 / self.duration
    }

    /// Change of pitch in semitones.
    pub fn pitch_semitones(&self) -> f64 {
        12.0 * self.frequency.log2()
    }
}

/// Why sound could not be examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChecked {
    /// Shorter than 2 s.
    TooShort,
    /// Nothing but digital silence.
    Silent,
    /// Sampling rate outside [`LOWEST_READ_RATE`] to [`HIGHEST_RATE`], or a bad channel count.
    Unsupported,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// Whether a payload was read.
    pub found: bool,
    /// The payload; of several the one that covers most of the sound.
    pub payload: Option<u64>,
    /// log10 of the bound on the chance that unmarked sound gives this result; for `found` at most −8, for
    /// `presence_only` at most −6.
    pub log10_p: f64,
    /// Where each payload lies.
    pub segments: Vec<Segment>,
    /// A mark of this key is there, but the payload cannot be read.
    pub presence_only: bool,
    /// How the sound was changed since it was marked, if a mark is there.
    pub warp: Option<Warp>,
    /// Set when the question could not be answered.
    pub not_checked: Option<NotChecked>,
}

impl Detection {
    fn unanswered(why: NotChecked) -> Self {
        Self {
            found: false,
            payload: None,
            log10_p: 0.0,
            segments: Vec::new(),
            presence_only: false,
            warp: None,
            not_checked: Some(why),
        }
    }
}

/// Looks for a mark of `key` in interleaved samples.
///
/// Channels are averaged; of two that cancel the difference is read.
pub fn detect<S: Sample>(
    samples: &[S],
    rate: u32,
    channels: u16,
    key: &MarkKey,
    options: &DetectOptions,
) -> Detection {
    if !(LOWEST_READ_RATE..=HIGHEST_RATE).contains(&rate) || !(1..=MOST_CHANNELS).contains(&channels) {
        return Detection::unanswered(NotChecked::Unsupported);
    }
    let expected = samples.len() as f64 / f64::from(channels) / f64::from(rate);
    let reader = detect::Reader::new(rate, Layout::new(key), expected, options.warped);
    let mut detector = Detector { reader, channels, turned: out_of_phase(samples, channels) };
    detector.push(samples);
    detector.finish()
}

/// Whether two channels cancel in their mean, as when one of them has its polarity turned.
fn out_of_phase<S: Sample>(samples: &[S], channels: u16) -> bool {
    if channels != 2 {
        return false;
    }
    // Every 16th frame tells as much as all.
    let (mut sum, mut difference) = (0.0f64, 0.0f64);
    for frame in samples.chunks_exact(2).step_by(16) {
        let (left, right) = (frame[0].amplitude(), frame[1].amplitude());
        sum += f64::from((left + right) * (left + right));
        difference += f64::from((left - right) * (left - right));
    }
    difference > 4.0 * sum
}

/// Looks for a mark in sound that arrives piece by piece, in memory of a few megabytes however long it is.
pub struct Detector {
    reader: detect::Reader,
    channels: u16,
    /// Whether the second of two channels counts with its polarity turned.
    turned: bool,
}

impl Detector {
    /// For interleaved sound. `expected_s` is its length in seconds if known: the error budget is spread over it; 0 if
    /// unknown. `None` for a rate or channel count that cannot be read.
    pub fn new(
        rate: u32,
        channels: u16,
        key: &MarkKey,
        options: &DetectOptions,
        expected_s: f64,
    ) -> Option<Self> {
        let fits =
            (LOWEST_READ_RATE..=HIGHEST_RATE).contains(&rate) && (1..=MOST_CHANNELS).contains(&channels);
        fits.then(|| Self {
            reader: detect::Reader::new(rate, Layout::new(key), expected_s, options.warped),
            channels,
            turned: false,
        })
    }

    /// Takes interleaved samples, whole frames.
    pub fn push<S: Sample>(&mut self, samples: &[S]) {
        let width = usize::from(self.channels);
        let share = 1.0 / width as f32;
        let mut mono = Vec::with_capacity(PIECE.min(samples.len() / width));
        for piece in samples.chunks(PIECE * width) {
            mono.clear();
            let frames = piece.chunks_exact(width);
            if self.turned {
                mono.extend(frames.map(|frame| 0.5 * (frame[0].amplitude() - frame[1].amplitude())));
            } else {
                mono.extend(
                    frames.map(|frame| share * frame.iter().map(|sample| sample.amplitude()).sum::<f32>()),
                );
            }
            self.reader.push(&mono);
        }
    }

    /// Whether a payload has been accepted already, with the bound of the whole sound. Its segments are known only as far
    /// as the sound was heard.
    pub fn certain(&self) -> bool {
        self.reader.certain()
    }

    /// Ends the sound and says what was found.
    pub fn finish(self) -> Detection {
        self.reader.finish()
    }
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detector").field("channels", &self.channels).finish_non_exhaustive()
    }
}
