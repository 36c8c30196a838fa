//! How loud a programme is.

use colophon_core::Result;
use ebur128::{EbuR128, Mode};

use crate::decode::Sound;

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

/// Measures everything that is left of `sound`.
///
/// # Errors
/// Decoder errors.
pub(crate) fn measure(sound: &mut dyn Sound) -> Result<Loudness> {
    let mut samples = Vec::new();
    let (mut power, mut count, mut channels) = (0.0_f64, 0_u64, 0_u16);
    let mut meter: Option<EbuR128> = None;
    while sound.next_f32(&mut samples)? {
        if channels != sound.channels() {
            channels = sound.channels();
            meter = EbuR128::new(u32::from(channels), sound.rate(), Mode::I).ok();
        }
        for s in &mut samples {
            // A sample that is no number must not silence the meter.
            if !s.is_finite() {
                *s = 0.0;
            }
            power += f64::from(*s) * f64::from(*s);
        }
        count += samples.len() as u64;
        if let Some(m) = &mut meter {
            // It only fails for a channel count other than its own.
            let _ = m.add_frames_f32(&samples);
        }
    }
    let integrated = meter.and_then(|m| m.loudness_global().ok()).filter(|l| l.is_finite());
    let rms = if count == 0 { f64::NEG_INFINITY } else { 10.0 * (power / count as f64).log10() };
    Ok(Loudness { integrated, rms, channels, frames: count / u64::from(channels.max(1)) })
}
