//! The watermark as an operation on a format, and as an answer to a query.

use colophon_core::{
    Confidence, Error, ErrorKind, Observation, Result, State, WatermarkEvidence, WatermarkRecord,
    WatermarkSpec, Why,
};
use colophon_signal::key::MarkKey;

use crate::watermark::{
    self, DetectOptions, Detection, Detector, EmbedError, EmbedOptions, Embedded, Embedder, NotChecked,
    SCHEME,
};

/// Most digits that a bound on chance is reported with: log10 of the bound for a found mark.
const THRESHOLD: f64 = 8.0;

/// Sound passing through the watermark.
pub(crate) struct Marker<'a> {
    id: &'static str,
    spec: &'a WatermarkSpec,
    embedder: Embedder,
}

impl<'a> Marker<'a> {
    /// A marker for `frames` sample frames of interleaved sound.
    ///
    /// # Errors
    /// `Unsupported` for sound too short or of a rate that cannot carry the mark, `Key` for a bad secret, `Usage` for an
    /// unknown strength.
    pub(crate) fn new(
        id: &'static str,
        spec: &'a WatermarkSpec,
        rate: u32,
        channels: u16,
        frames: u64,
    ) -> Result<Self> {
        let seconds = frames as f64 / f64::from(rate.max(1));
        if seconds < watermark::SHORTEST_S {
            return Err(refused(id, EmbedError::TooShort(seconds)));
        }
        let strength = match spec.strength.as_str() {
            "gentle" => 0.7,
            "" | "default" => 1.0,
            "strong" => 1.4,
            other => {
                let text = format!("{other:?} is no strength: gentle, default or strong");
                return Err(Error::new(ErrorKind::Usage, text).in_format(id));
            }
        };
        let options = EmbedOptions::with_strength(strength);
        let embedder = Embedder::new(rate, channels, spec.payload, &key(spec.key.as_deref())?, &options)
            .map_err(|e| refused(id, e))?;
        Ok(Self { id, spec, embedder })
    }

    /// Takes samples, appends those that are ready.
    pub(crate) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.embedder.push(samples, out);
    }

    /// Appends the rest.
    ///
    /// # Errors
    /// `Unsupported` when everything was silent: nothing carries the mark then.
    pub(crate) fn finish(self, out: &mut Vec<f32>) -> Result<WatermarkRecord> {
        let done: Embedded = self.embedder.finish(out);
        if done.change_db == f64::NEG_INFINITY {
            return Err(refused(self.id, EmbedError::Silent));
        }
        Ok(WatermarkRecord {
            scheme: SCHEME.to_owned(),
            payload: format!("{:016x}", self.spec.payload),
            key: key_name(self.spec.key.is_none()).to_owned(),
            quality: Some(format!("change {:.1} dB below the sound", -done.change_db)),
            kept: false,
        })
    }
}

fn refused(id: &'static str, e: EmbedError) -> Error {
    Error::unsupported(id, e.to_string())
}

fn key(secret: Option<&[u8]>) -> Result<MarkKey> {
    match secret {
        None => Ok(MarkKey::public()),
        Some(secret) => MarkKey::from_secret(secret).map_err(|e| Error::new(ErrorKind::Key, e.to_string())),
    }
}

fn key_name(public: bool) -> &'static str {
    if public { "public" } else { "private" }
}

/// A detector for one query; `None` for sound it cannot read. `seconds` is the length, 0 when unknown.
///
/// # Errors
/// `Key` for a bad secret.
pub(crate) fn detector(
    secret: Option<&[u8]>,
    rate: u32,
    channels: u16,
    seconds: f64,
) -> Result<Option<Detector>> {
    Ok(Detector::new(rate, channels, &key(secret)?, &DetectOptions::default(), seconds))
}

/// What a detector has to say.
pub(crate) fn answer(detector: Option<Detector>, public: bool) -> Observation {
    let Some(found) = detector.map(Detector::finish) else { return not_checked(Why::FormatNotExamined) };
    match found.not_checked {
        Some(NotChecked::TooShort) => return not_checked(Why::TooShort),
        Some(NotChecked::Unsupported) => return not_checked(Why::FormatNotExamined),
        // Nothing at all is there, so no mark is.
        Some(_) | None => {}
    }
    let state = if found.found || found.presence_only { State::Present } else { State::Absent };
    Observation::Watermark {
        state,
        why: None,
        evidence: state.is_there().then(|| WatermarkEvidence {
            scheme: SCHEME.to_owned(),
            payload: found.payload.map(|p| format!("{p:016x}")),
            key: key_name(public).to_owned(),
            segments: found.segments.iter().map(|s| (s.start_s, s.end_s)).collect(),
            undone: undone(&found),
            streams: Vec::new(),
        }),
        confidence: Some(Confidence {
            score: -found.log10_p,
            log10_p: Some(found.log10_p),
            threshold: THRESHOLD,
        }),
    }
}

/// No answer, with the reason.
pub(crate) fn not_checked(why: Why) -> Observation {
    Observation::Watermark { state: State::NotChecked, why: Some(why), evidence: None, confidence: None }
}

fn undone(found: &Detection) -> Option<String> {
    let warp = found.warp?;
    let changed = |x: f64| (x - 1.0).abs() > 0.0005;
    match warp.speed() {
        Some(speed) if changed(speed) => Some(format!("speed × {speed:.4}")),
        Some(_) => None,
        None => {
            let mut parts = Vec::new();
            if changed(warp.tempo()) {
                parts.push(format!("tempo × {:.4}", warp.tempo()));
            }
            if warp.pitch_semitones().abs() > 0.01 {
                parts.push(format!("pitch {:+.2} semitones", warp.pitch_semitones()));
            }
            (!parts.is_empty()).then(|| parts.join(", "))
        }
    }
}
