//! The audible label `短长 短短`.
//!
//! GB 45438-2025, 5.3 allows a rhythm in place of a spoken label: short-long short-short, the Morse letters A and I.
//! The standard gives the pattern only. Pitch, unit and level here are ours: unit T = 120 ms, a dot is T, a dash 3T,
//! the gap inside a letter T, the gap between the letters 3T, 11T or 1.32 s in all, with 100 ms of silence around.
//! Labels in the wild use T for every gap; [`find`] accepts both.

use std::f64::consts::TAU;

mod scan;

pub use scan::{Hit, Scanner, find};

/// Versioned rendering: the same style always sounds the same.
pub const STYLE: &str = "rhythm.1";
/// Unit of the rhythm in seconds.
pub const UNIT_S: f64 = 0.12;
/// Pitch in hertz: C6, in the range where hearing is keen and every codec is transparent.
pub const PITCH_HZ: f64 = 1046.5;
/// Silence before and after the rhythm in seconds.
pub const SILENCE_S: f64 = 0.1;
/// Quietest level of the tone, RMS in dBFS.
pub const FLOOR_DBFS: f64 = -30.0;
/// How far the tone may lie below the programme's RMS, in decibels.
pub const BELOW_PROGRAMME_DB: f64 = 6.0;
/// Lowest sampling rate at which the tone stays well below half the rate.
pub const MIN_RATE_HZ: u32 = 4000;

/// Rise and fall of each tone in seconds: short enough for a clear rhythm, long enough not to click.
const RAMP_S: f64 = 0.008;
/// Highest level of the tone, RMS in dBFS: its peaks, 3.01 dB above, stay 1 dB below full scale.
const CEILING_DBFS: f64 = -4.01;
/// Tone (true) and silence in units of T.
const PATTERN: [(bool, u32); 7] =
    [(true, 1), (false, 1), (true, 3), (false, 3), (true, 1), (false, 1), (true, 1)];

/// The level at which the rhythm is heard like the programme: RMS of the tone in each channel, in dBFS.
///
/// Aims at the integrated loudness of the programme (ITU-R BS.1770, in LUFS; absent for programmes that are silent or
/// too short to gate), where a tone near 1 kHz in `channels` channels of equal weight measures its RMS plus
/// 10·log10(`channels`). Never below the programme's RMS less [`BELOW_PROGRAMME_DB`], never below [`FLOOR_DBFS`], and
/// never so high that it clips.
pub fn level(loudness_lufs: Option<f64>, programme_rms_dbfs: f64, channels: u16) -> f64 {
    let alike = loudness_lufs.map(|l| l - 10.0 * f64::from(channels.max(1)).log10());
    let lowest = FLOOR_DBFS.max(programme_rms_dbfs - BELOW_PROGRAMME_DB);
    // `max` drops a NaN, so silence (RMS of minus infinity) and odd meters end at the floor.
    alike.unwrap_or(lowest).max(lowest).min(CEILING_DBFS)
}

/// Samples of the rhythm at `rate_hz`, silence around it included.
pub fn len(rate_hz: u32) -> usize {
    let units: u32 = PATTERN.iter().map(|(_, n)| n).sum();
    samples(SILENCE_S, rate_hz) * 2 + samples(UNIT_S, rate_hz) * units as usize
}

/// One channel of the rhythm at `rate_hz` samples per second, with a tone of `rms_dbfs`; full scale is 1.
///
/// Below [`MIN_RATE_HZ`] the pitch is lowered to a quarter of the rate.
pub fn synthesize(rate_hz: u32, rms_dbfs: f64) -> Vec<f32> {
    let rate = f64::from(rate_hz);
    let pitch = PITCH_HZ.min(rate / 4.0);
    let peak = std::f64::consts::SQRT_2 * 10f64.powf(rms_dbfs.min(CEILING_DBFS) / 20.0);
    let ramp = (RAMP_S * rate).max(1.0);
    let mut out = Vec::with_capacity(len(rate_hz));
    out.resize(samples(SILENCE_S, rate_hz), 0.0);
    for (on, units) in PATTERN {
        let n = samples(UNIT_S, rate_hz) * units as usize;
        if !on {
            out.resize(out.len() + n, 0.0);
            continue;
        }
        out.extend((0..n).map(|i| {
            let edge = (i.min(n - 1 - i) as f64 + 0.5) / ramp;
            let gain = if edge < 1.0 { 0.5 - 0.5 * (edge * TAU / 2.0).cos() } else { 1.0 };
            (peak * gain * (TAU * pitch * i as f64 / rate).sin()) as f32
        }));
    }
    out.resize(out.len() + samples(SILENCE_S, rate_hz), 0.0);
    out
}

fn samples(seconds: f64, rate_hz: u32) -> usize {
    (seconds * f64::from(rate_hz)).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gb45438_5_3_pattern_is_short_long_short_short() {
        let rate = 48_000;
        let s = synthesize(rate, -20.0);
        assert_eq!(s.len(), len(rate));
        let unit = samples(UNIT_S, rate);
        let sounding = |i: usize| {
            let at = samples(SILENCE_S, rate) + i * unit;
            let power: f32 = s[at..at + unit].iter().map(|x| x * x).sum::<f32>() / unit as f32;
            power > 0.005
        };
        let heard: String = (0..11).map(|i| if sounding(i) { '=' } else { '.' }).collect();
        assert_eq!(heard, "=.===...=.=");
    }

    #[test]
    fn the_tone_has_the_level_asked_for_and_never_clips() {
        for rate in [8000, 44_100, 96_000] {
            let s = synthesize(rate, -20.0);
            // The middle of the dash.
            let from = samples(SILENCE_S + 2.5 * UNIT_S, rate);
            let part = &s[from..from + samples(2.0 * UNIT_S, rate)];
            let power = part.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / part.len() as f64;
            assert!((10.0 * power.log10() + 20.0).abs() < 0.05, "{rate}: {}", 10.0 * power.log10());
            let peak = synthesize(rate, 6.0).iter().fold(0f32, |m, x| m.max(x.abs()));
            assert!(peak < 0.9, "{rate}: {peak}");
        }
    }

    #[test]
    fn label_level_is_the_programmes_loudness_within_its_bounds() {
        assert_eq!(level(Some(-23.0), -26.0, 1), -23.0);
        assert!((level(Some(-23.0), -26.0, 2) + 26.01).abs() < 0.01);
        assert_eq!(level(Some(-40.0), -20.0, 1), -26.0, "programme RMS less 6 dB");
        assert_eq!(level(Some(-60.0), -60.0, 1), FLOOR_DBFS);
        assert_eq!(level(None, f64::NEG_INFINITY, 2), FLOOR_DBFS);
        assert_eq!(level(Some(0.0), 0.0, 1), CEILING_DBFS);
        assert_eq!(level(Some(f64::NAN), f64::NAN, 1), FLOOR_DBFS);
    }
}
