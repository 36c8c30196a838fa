//! How loud a programme is.

use colophon_core::Result;
use ebur128::{EbuR128, Mode};

use crate::decode::Sound;
use crate::observe::Open;

/// Programmes up to this long are measured whole, in seconds; of longer ones as much, and [`SHARE`] of the rest.
const WHOLE_S: f64 = 60.0;
const SHARE: f64 = 0.05;
/// Length of the stretches that are measured of a long programme, evenly spread over it, in seconds. Nine of ten gating blocks
/// lie inside one then; those across a seam are as loud as neither side, which the relative gate must not see too often.
const STRETCH_S: f64 = 3.0;

/// The two measures a label's level follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loudness {
    /// Integrated loudness, LUFS (ITU-R BS.1770-4); absent for silence and less than one gating block of 0.4 s.
    pub(crate) integrated: Option<f64>,
    /// Root mean square over all samples of all channels, dBFS; minus infinity for silence.
    pub(crate) rms: f64,
    /// Channels.
    pub(crate) channels: u16,
    /// Sample frames.
    pub(crate) frames: u64,
}

/// Measures a programme: all of it, or of a long one whose length in sample frames is known, stretches all over it. The
/// level of a label is wanted, not a statement about the programme.
///
/// # Errors
/// Decoder errors.
pub(crate) fn measure(open: &Open<'_>, frames: Option<u64>) -> Result<Loudness> {
    let mut sound = open()?;
    let stretches = frames.and_then(|n| Stretches::of(n, sound.rate()));
    let found = measured(&mut *sound, stretches)?;
    if stretches.is_some() && found.integrated.is_none() {
        // Silent wherever it was heard: what is not may lie between.
        return measured(&mut *open()?, None);
    }
    Ok(found)
}

/// What is measured of a long programme, in sample frames.
#[derive(Clone, Copy)]
struct Stretches {
    len: u64,
    /// From the start of one to the start of the next.
    apart: u64,
    /// Of the whole programme.
    frames: u64,
}

impl Stretches {
    fn of(frames: u64, rate: u32) -> Option<Self> {
        let seconds = frames as f64 / f64::from(rate.max(1));
        if seconds <= 2.0 * WHOLE_S {
            return None;
        }
        let wanted = WHOLE_S + SHARE * (seconds - WHOLE_S);
        let len = (STRETCH_S * f64::from(rate)) as u64;
        Some(Self { len, apart: (len as f64 * seconds / wanted) as u64, frames })
    }

    /// The part of `count` frames from `at` on that is measured first, relative to `at`; its end may lie behind `count`.
    fn next(self, at: u64) -> (u64, u64) {
        let inside = at % self.apart;
        if inside < self.len {
            (0, self.len - inside)
        } else {
            (self.apart - inside, self.apart - inside + self.len)
        }
    }
}

fn measured(sound: &mut dyn Sound, stretches: Option<Stretches>) -> Result<Loudness> {
    let mut samples = Vec::new();
    let (mut power, mut count, mut channels, mut at) = (0.0_f64, 0_u64, 0_u16, 0_u64);
    let mut meter: Option<EbuR128> = None;
    while sound.next_f32(&mut samples)? {
        if channels != sound.channels() {
            channels = sound.channels();
            meter = EbuR128::new(u32::from(channels), sound.rate(), Mode::I).ok();
        }
        let width = usize::from(channels.max(1));
        let end = at + (samples.len() / width) as u64;
        while at < end {
            let left = (end - at) as usize;
            let (from, to) = stretches.map_or((0, left), |s| {
                let (from, to) = s.next(at);
                (left.min(from as usize), left.min(to as usize))
            });
            let start = samples.len() - left * width;
            let part = samples.get_mut(start + from * width..start + to * width).unwrap_or_default();
            let mut sums = [0.0_f64; 4];
            for four in part.chunks_mut(4) {
                for (s, sum) in four.iter_mut().zip(&mut sums) {
                    // A sample that is no number must not silence the meter.
                    if !s.is_finite() {
                        *s = 0.0;
                    }
                    *sum += f64::from(*s) * f64::from(*s);
                }
            }
            power += sums.iter().sum::<f64>();
            count += part.len() as u64;
            if let Some(m) = &mut meter {
                // It only fails for a channel count other than its own.
                let _ = m.add_frames_f32(part);
            }
            at += to.max(1) as u64;
        }
        if let Some(s) = stretches {
            at += sound.pass_over(s.next(at).0);
        }
    }
    let integrated = meter.and_then(|m| m.loudness_global().ok()).filter(|l| l.is_finite());
    let rms = if count == 0 { f64::NEG_INFINITY } else { 10.0 * (power / count as f64).log10() };
    Ok(Loudness { integrated, rms, channels, frames: stretches.map_or(at, |s| s.frames) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    /// Stereo sound that hums twelve times a minute, in chunks of an odd length.
    struct Hum {
        at: u64,
        frames: u64,
        coded: bool,
        heard: u64,
    }

    impl Sound for Hum {
        fn rate(&self) -> u32 {
            RATE
        }

        fn channels(&self) -> u16 {
            2
        }

        fn seek(&mut self, _: f64) -> Result<f64> {
            Ok(0.0)
        }

        fn next_f32(&mut self, out: &mut Vec<f32>) -> Result<bool> {
            let end = (self.at + 3_001).min(self.frames);
            out.clear();
            for n in self.at..end {
                let t = n as f32 / RATE as f32;
                let level = 0.2 + 0.19 * (t * 1.2566).sin();
                out.extend([level * (t * 2764.6).sin(), 0.5 * level * (t * 1382.3).sin()]);
            }
            self.heard += end - self.at;
            self.at = end;
            Ok(!out.is_empty())
        }

        fn pass_over(&mut self, frames: u64) -> u64 {
            let frames = if self.coded { 0 } else { frames.min(self.frames - self.at) };
            self.at += frames;
            frames
        }
    }

    #[test]
    fn a_long_programme_is_as_loud_as_its_stretches() {
        let frames = 400 * u64::from(RATE);
        let hum = |coded| Hum { at: 0, frames, coded, heard: 0 };
        let whole = measured(&mut hum(false), None).unwrap();
        let stretches = Stretches::of(frames, RATE);
        assert!(stretches.is_some());
        let mut passed = hum(false);
        let part = measured(&mut passed, stretches).unwrap();
        let coded = measured(&mut hum(true), stretches).unwrap();
        // The same samples, summed in other pieces.
        assert!((part.rms - coded.rms).abs() < 1e-6, "{part:?} {coded:?}");
        assert!((part.integrated.unwrap() - coded.integrated.unwrap()).abs() < 1e-6);
        assert_eq!((part.frames, part.channels), (whole.frames, 2));
        assert!(passed.heard < frames * 2 / 5, "{} of {frames}", passed.heard);
        assert!((part.integrated.unwrap() - whole.integrated.unwrap()).abs() < 0.5, "{part:?} {whole:?}");
        assert!((part.rms - whole.rms).abs() < 0.5, "{part:?} {whole:?}");
    }

    #[test]
    fn two_minutes_are_measured_whole() {
        assert!(Stretches::of(120 * u64::from(RATE), RATE).is_none());
    }
}
