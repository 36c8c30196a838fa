//! Listening: labels and watermarks in one pass.

use colophon_core::{
    Confidence, ErrorKind, LabelEvidence, LabelRecord, Observation, Query, Result, State, Why,
};
use colophon_label::rhythm::Scanner;

use crate::audible::{MAX_RATE_HZ, too_fast};
use crate::decode::Sound;
use crate::inaudible;
use crate::spoken::{self, Finder, Fingerprint};
use crate::watermark::Detector;

/// How far from its recorded place a label may be heard and still be the one that was recorded, in seconds: codecs
/// shift by their delay, containers by a frame.
const TOLERANCE_S: f64 = 0.5;
/// A label that begins before this second stands at the start.
const START_S: f64 = 2.0;
/// Longest label of a record, with what is heard around it, in seconds.
const LONGEST_RECORDED_S: f64 = 90.0;
/// Step between the places at which a recorded clip is looked for, in seconds.
const CLIP_STEP_S: f64 = 0.01;
/// Sound heard before and behind a recorded place, in seconds.
const AROUND_S: f64 = 2.0;

/// Gives a sound from its start, as often as it is asked.
pub(crate) type Open<'a> = dyn Fn() -> Result<Box<dyn Sound + 'a>> + 'a;

/// Answers every query about a sound of about `seconds` (0 when unknown): labels where their record says first, then
/// everything else in one pass over the whole.
///
/// # Errors
/// Decoder errors other than a codec that is not known; `Key` for a bad secret.
pub(crate) fn observe(queries: &[Query<'_>], seconds: f64, open: &Open<'_>) -> Result<Vec<Observation>> {
    match answers(queries, seconds, open) {
        Err(e) if e.kind() == ErrorKind::Unsupported => Ok(nothing(queries, Why::Undecodable)),
        Err(e) if e.kind() == ErrorKind::Limit => Ok(nothing(queries, Why::Limit)),
        other => other,
    }
}

fn nothing(queries: &[Query<'_>], why: Why) -> Vec<Observation> {
    let answer = |q: &Query<'_>| match q {
        Query::Label(_) => {
            Observation::Label { state: State::NotChecked, why: Some(why), evidence: None, confidence: None }
        }
        Query::Watermark(_) | Query::OwnWatermark(_) => inaudible::not_checked(why),
        _ => Observation::Unsupported,
    };
    queries.iter().map(answer).collect()
}

/// A query on its way through the pass.
enum Ear<'q> {
    /// Answered at the recorded place.
    Done(Box<Observation>),
    /// Listens for labels.
    Label(Option<&'q LabelRecord>),
    /// Listens for a watermark.
    Watermark { secret: Option<&'q [u8]>, own: bool, detector: Option<Box<Detector>> },
    /// Something that sound does not have.
    None,
}

impl Ear<'_> {
    /// Whether more sound cannot change the answer.
    fn satisfied(&self) -> bool {
        match self {
            Self::Done(_) | Self::None => true,
            Self::Label(_) => false,
            Self::Watermark { own, detector, .. } => *own && detector.as_ref().is_some_and(|d| d.certain()),
        }
    }
}

fn answers(queries: &[Query<'_>], seconds: f64, open: &Open<'_>) -> Result<Vec<Observation>> {
    let mut ears = Vec::new();
    for query in queries {
        ears.push(match query {
            Query::Label(record) => {
                let record = record.filter(|r| r.form == "audible");
                match at_record(record, open)? {
                    Some(answer) => Ear::Done(Box::new(answer)),
                    None => Ear::Label(record),
                }
            }
            Query::Watermark(secret) => Ear::Watermark { secret: *secret, own: false, detector: None },
            Query::OwnWatermark(secret) => Ear::Watermark { secret: *secret, own: true, detector: None },
            _ => Ear::None,
        });
    }
    let mut hits = Vec::new();
    if ears.iter().any(|e| matches!(e, Ear::Label(_) | Ear::Watermark { .. })) {
        let mut sound = open()?;
        let labels = ears.iter().any(|e| matches!(e, Ear::Label(_)));
        let mut listener = if labels { Some(Listener::new(&*sound, None)?) } else { None };
        let (mut samples, mut mono) = (Vec::new(), Vec::new());
        let mut first = true;
        while sound.next_f32(&mut samples)? {
            if std::mem::take(&mut first) {
                for ear in &mut ears {
                    if let Ear::Watermark { secret, detector, .. } = ear {
                        *detector = inaudible::detector(*secret, sound.rate(), sound.channels(), seconds)?
                            .map(Box::new);
                    }
                }
            }
            if let Some(listener) = &mut listener {
                mix(&samples, sound.channels(), &mut mono);
                listener.push(&mono);
            }
            for ear in &mut ears {
                if let Ear::Watermark { detector: Some(d), .. } = ear {
                    d.push(&samples);
                }
            }
            if ears.iter().all(Ear::satisfied) {
                break;
            }
        }
        hits = listener.map(Listener::finish).unwrap_or_default();
    }
    let answer = |ear| match ear {
        Ear::Done(answer) => *answer,
        Ear::Label(record) => {
            let state = match (hits.is_empty(), record) {
                (false, _) => State::Present,
                (true, Some(_)) => State::Invalid,
                (true, None) => State::Absent,
            };
            heard(state, record, &hits)
        }
        Ear::Watermark { secret, detector, .. } => inaudible::answer(detector.map(|d| *d), secret.is_none()),
        Ear::None => Observation::Unsupported,
    };
    Ok(ears.into_iter().map(answer).collect())
}

/// The label of a record, when it is heard at its place.
fn at_record(record: Option<&LabelRecord>, open: &Open<'_>) -> Result<Option<Observation>> {
    let Some((record, span)) = record.and_then(|r| Some((r, r.span?))) else { return Ok(None) };
    let mut sound = open()?;
    let from = span.start_s - AROUND_S;
    // A container that cannot go there says nothing about the label: everything is heard then.
    let from = if from > 1.0 { sound.seek(from).unwrap_or(f64::NAN) } else { 0.0 };
    if from.is_nan() {
        return Ok(None);
    }
    let clip = Fingerprint::from_style(&record.style);
    let mut listener = Listener::new(&*sound, Some(&record.style))?;
    let (mut samples, mut mono, mut held) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = from;
    let end = span.start_s + span.duration_s + AROUND_S;
    // A record is signed, but its numbers are not ours to trust with memory.
    let held_most = (LONGEST_RECORDED_S * f64::from(sound.rate())) as usize;
    while at < end && held.len() < held_most && sound.next_f32(&mut samples)? {
        mix(&samples, sound.channels(), &mut mono);
        listener.push(&mono);
        if clip.is_some() {
            held.extend_from_slice(&mono);
        }
        at += mono.len() as f64 / f64::from(sound.rate());
    }
    let mut hits = listener.finish();
    if let Some(clip) = clip {
        let rate = f64::from(sound.rate());
        let around = |s: f64| ((s - from).max(0.0) * rate) as usize;
        let (first, last) =
            (around(span.start_s - TOLERANCE_S), around(span.start_s + span.duration_s + TOLERANCE_S));
        let near = held.get(first..last.min(held.len())).unwrap_or_default();
        let len = (span.duration_s * rate) as usize;
        let found = clip.find(near, sound.rate(), len, (CLIP_STEP_S * rate) as usize);
        hits = found
            .map(|at| {
                let start_s = (first + at) as f64 / rate;
                Hit { start_s, end_s: start_s + span.duration_s, score: 1.0, words: None, method: "record" }
            })
            .into_iter()
            .collect();
    }
    for h in &mut hits {
        h.start_s += from;
        h.end_s += from;
    }
    let there = hits.iter().any(|h| (h.start_s - span.start_s).abs() <= TOLERANCE_S);
    if !there && clip.is_some() {
        // Nobody can look for an unknown clip anywhere else.
        return Ok(Some(heard(State::Invalid, Some(record), &[])));
    }
    Ok(there.then(|| heard(State::Present, Some(record), &hits)))
}

/// A label that was heard.
struct Hit {
    start_s: f64,
    end_s: f64,
    score: f32,
    /// What it says; a rhythm has no words.
    words: Option<&'static str>,
    method: &'static str,
}

/// Listens for the rhythm and the prompts.
struct Listener {
    rhythm: Option<Scanner>,
    prompts: Option<Finder>,
}

impl Listener {
    /// For everything, or for what a record with this style names.
    fn new(sound: &dyn Sound, style: Option<&str>) -> Result<Self> {
        let rate = sound.rate();
        if rate > MAX_RATE_HZ {
            return Err(too_fast(rate));
        }
        let language = style.and_then(spoken::language_of);
        let clip = style.and_then(Fingerprint::from_style).is_some();
        let rhythm = (language.is_none() && !clip).then(|| Scanner::new(rate));
        let named = style.is_some_and(|s| s.starts_with("rhythm"));
        let prompts = if clip || named { None } else { Some(Finder::new(rate, language)?) };
        Ok(Self { rhythm, prompts })
    }

    fn push(&mut self, mono: &[f32]) {
        if let Some(rhythm) = &mut self.rhythm {
            rhythm.push(mono);
        }
        if let Some(prompts) = &mut self.prompts {
            prompts.push(mono);
        }
    }

    /// What was heard, in order.
    fn finish(self) -> Vec<Hit> {
        let rhythms = self.rhythm.map(Scanner::finish).unwrap_or_default().into_iter().map(|h| Hit {
            start_s: h.start_s,
            end_s: h.end_s,
            score: h.score,
            words: None,
            method: "rhythm",
        });
        let prompts = self.prompts.map(Finder::finish).unwrap_or_default().into_iter().map(|h| Hit {
            start_s: h.start_s,
            end_s: h.end_s,
            score: h.score,
            words: Some(h.words),
            method: "spoken",
        });
        let mut hits: Vec<Hit> = rhythms.chain(prompts).collect();
        hits.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        hits
    }
}

fn mix(samples: &[f32], channels: u16, mono: &mut Vec<f32>) {
    let channels = usize::from(channels.max(1));
    mono.clear();
    mono.extend(samples.chunks_exact(channels).map(|f| f.iter().sum::<f32>() / channels as f32));
}

fn heard(state: State, record: Option<&LabelRecord>, hits: &[Hit]) -> Observation {
    let best = hits.iter().map(|h| h.score).reduce(f32::max);
    Observation::Label {
        state,
        why: None,
        evidence: (best.is_some() || record.is_some()).then(|| LabelEvidence {
            text: hits.iter().find_map(|h| h.words).map(str::to_owned),
            method: hits.first().map_or("rhythm", |h| h.method).to_owned(),
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
