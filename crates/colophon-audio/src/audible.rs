//! The audible label: made for a programme, and looked for in one.

use colophon_core::{
    Confidence, Error, ErrorKind, LabelEvidence, LabelForm, LabelRecord, LabelSpec, Observation, Query,
    Result, Span, State, TextPosition, Why,
};
use colophon_label::rhythm;

use crate::decode::Sound;
use crate::loudness::Loudness;

/// Highest sampling rate a label is made or looked for at: twice what any recorder offers. It bounds what a header
/// can make us allocate.
const MAX_RATE_HZ: u32 = 1 << 20;
/// How far from its recorded place a label may be heard and still be the one that was recorded, in seconds: codecs
/// shift by their delay, containers by a frame.
const TOLERANCE_S: f64 = 0.5;
/// A label that begins before this second stands at the start.
const START_S: f64 = 2.0;

/// Gives a sound from its start, as often as it is asked.
pub(crate) type Open<'a> = dyn Fn() -> Result<Box<dyn Sound + 'a>> + 'a;

/// A label ready to be inserted.
pub(crate) struct Insert {
    /// One channel of the rhythm, full scale is 1; every channel gets the same.
    pub(crate) samples: Vec<f32>,
    /// At which end.
    pub(crate) position: TextPosition,
    text: String,
}

impl Insert {
    /// The rhythm a label asks for, at the loudness of the programme.
    ///
    /// # Errors
    /// `Unsupported` for other labels than audible ones; `Policy` at sampling rates too low to carry the tone.
    pub(crate) fn new(id: &'static str, spec: &LabelSpec, rate: u32, loudness: &Loudness) -> Result<Self> {
        let LabelForm::Audible(form) = &spec.form else {
            return Err(Error::unsupported(id, "sound takes audible labels only"));
        };
        if rate < rhythm::MIN_RATE_HZ {
            return Err(Error::new(
                ErrorKind::Policy,
                format!(
                    "a rhythm needs at least {} samples per second, there are {rate}",
                    rhythm::MIN_RATE_HZ
                ),
            )
            .in_format(id));
        }
        if rate > MAX_RATE_HZ {
            return Err(too_fast(rate).in_format(id));
        }
        let level = rhythm::level(loudness.integrated, loudness.rms, loudness.channels);
        Ok(Self {
            samples: rhythm::synthesize(rate, level),
            position: form.position,
            text: spec.text.clone(),
        })
    }

    /// Silence added behind the rhythm, in samples.
    pub(crate) fn pad(&mut self, samples: usize) {
        self.samples.resize(self.samples.len() + samples, 0.0);
    }

    /// The record, for a rhythm that was inserted before sample `at`.
    pub(crate) fn record(&self, rate: u32, at: u64) -> LabelRecord {
        let begin = at as f64 / f64::from(rate) + rhythm::SILENCE_S;
        let round = |s: f64| (s * 1000.0).round() / 1000.0;
        LabelRecord {
            text: self.text.clone(),
            form: "audible".to_owned(),
            style: rhythm::STYLE.to_owned(),
            area: None,
            canvas: None,
            ink_height: None,
            span: Some(Span { start_s: round(begin), duration_s: round(11.0 * rhythm::UNIT_S) }),
            position: Some(self.position),
        }
    }
}

/// Answers every query about a sound. `open` gives it from its start.
///
/// # Errors
/// Decoder errors other than a codec that is not known.
pub(crate) fn observe(queries: &[Query<'_>], open: &Open<'_>) -> Result<Vec<Observation>> {
    queries
        .iter()
        .map(|query| match query {
            Query::Label(record) => match listen(*record, open) {
                Err(e) if e.kind() == ErrorKind::Unsupported => Ok(not_checked(Why::Undecodable)),
                Err(e) if e.kind() == ErrorKind::Limit => Ok(not_checked(Why::Limit)),
                other => other,
            },
            Query::Watermark(_) => Ok(Observation::Watermark {
                state: State::NotChecked,
                why: Some(Why::NotBuilt),
                evidence: None,
                confidence: None,
            }),
            _ => Ok(Observation::Unsupported),
        })
        .collect()
}

fn too_fast(rate: u32) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{rate} samples per second are beyond any recorder"))
}

fn not_checked(why: Why) -> Observation {
    Observation::Label { state: State::NotChecked, why: Some(why), evidence: None, confidence: None }
}

/// Listens where the record says first, then everywhere.
fn listen(record: Option<&LabelRecord>, open: &Open<'_>) -> Result<Observation> {
    let record = record.filter(|r| r.form == "audible");
    if let Some(span) = record.and_then(|r| r.span) {
        let mut sound = open()?;
        let from = if span.start_s > 5.0 { sound.seek(span.start_s - 2.0)? } else { 0.0 };
        let until = span.start_s + span.duration_s + 2.0;
        let hits = scan(&mut *sound, from, until)?;
        if hits.iter().any(|h| (h.start_s - span.start_s).abs() <= TOLERANCE_S) {
            return Ok(heard(State::Present, record, &hits));
        }
    }
    let hits = scan(&mut *open()?, 0.0, f64::INFINITY)?;
    let state = match (hits.is_empty(), record) {
        (false, _) => State::Present,
        (true, Some(_)) => State::Invalid,
        (true, None) => State::Absent,
    };
    Ok(heard(state, record, &hits))
}

fn heard(state: State, record: Option<&LabelRecord>, hits: &[rhythm::Hit]) -> Observation {
    let best = hits.iter().map(|h| h.score).fold(None, |m: Option<f32>, s| Some(m.map_or(s, |m| m.max(s))));
    Observation::Label {
        state,
        why: None,
        evidence: (best.is_some() || record.is_some()).then(|| LabelEvidence {
            // A rhythm has no words.
            text: None,
            method: "rhythm".to_owned(),
            record: record.cloned(),
            height_ratio: None,
            seen: hits.iter().map(|h| (h.start_s, h.end_s)).collect(),
            position: hits.first().map(|h| match h.start_s {
                s if s < START_S => "start of the sound".to_owned(),
                s => format!("{s:.1} s into the sound"),
            }),
        }),
        confidence: best.map(|score| Confidence { score: f64::from(score), log10_p: None, threshold: 0.0 }),
    }
}

/// Rhythms from where the sound is, which is second `from`, to second `until`.
fn scan(sound: &mut dyn Sound, from: f64, until: f64) -> Result<Vec<rhythm::Hit>> {
    if sound.rate() > MAX_RATE_HZ {
        return Err(too_fast(sound.rate()));
    }
    let mut scanner = rhythm::Scanner::new(sound.rate());
    let (mut samples, mut mono) = (Vec::new(), Vec::new());
    let mut at = from;
    while at < until && sound.next_f32(&mut samples)? {
        let channels = usize::from(sound.channels().max(1));
        mono.clear();
        mono.extend(samples.chunks_exact(channels).map(|f| f.iter().sum::<f32>() / channels as f32));
        scanner.push(&mono);
        at += mono.len() as f64 / f64::from(sound.rate());
    }
    let mut hits = scanner.finish();
    for h in &mut hits {
        h.start_s += from;
        h.end_s += from;
    }
    Ok(hits)
}
