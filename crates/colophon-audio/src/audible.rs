//! The audible label, made for a programme.

use colophon_core::{
    AudibleSpec, Error, ErrorKind, LabelForm, LabelRecord, LabelSound, LabelSpec, Result, SoundPosition,
    Span, TextPosition,
};
use colophon_label::rhythm;

use crate::loudness::Loudness;
use crate::spoken::{self, Fingerprint};

/// Highest sampling rate a label is made or looked for at: twice what any recorder offers. It bounds what a header
/// can make us allocate.
pub(crate) const MAX_RATE_HZ: u32 = 1 << 20;
/// Most labels in one file: one a minute for a day.
const MOST: usize = 1440;
/// Shortest time from one label to the next, in seconds.
const LEAST_EVERY_S: f64 = 10.0;
/// Level of the programme under a label laid over it: −12 dB.
const DUCKED: f32 = 0.25;
/// How fast the programme is lowered and raised, in seconds.
const DUCK_S: f64 = 0.08;

/// A label ready to be put into a programme.
pub(crate) struct Label {
    /// One channel, full scale is 1; every channel gets the same.
    pub(crate) samples: Vec<f32>,
    /// Sample frames of the programme before which it goes, ascending.
    pub(crate) places: Vec<u64>,
    /// Laid over the programme in place of inserted.
    pub(crate) overlay: bool,
    /// How long it is heard, silence around it left out, in seconds.
    heard_s: f64,
    text: String,
    style: String,
    position: SoundPosition,
    rate: u32,
}

impl Label {
    /// What a label asks for, at the loudness of the programme.
    ///
    /// # Errors
    /// `Unsupported` for other labels than audible ones and for clips that cannot be decoded; `Policy` at sampling rates
    /// too low to carry the label, and for a label longer than the programme it is to be laid over; `Usage` for labels
    /// too close to one another.
    pub(crate) fn new(id: &'static str, spec: &LabelSpec, rate: u32, loudness: &Loudness) -> Result<Self> {
        let LabelForm::Audible(form) = &spec.form else {
            return Err(Error::unsupported(id, "sound takes audible labels only"));
        };
        if rate < rhythm::MIN_RATE_HZ {
            let text = format!(
                "a label needs at least {} samples per second, there are {rate}",
                rhythm::MIN_RATE_HZ
            );
            return Err(Error::new(ErrorKind::Policy, text).in_format(id));
        }
        if rate > MAX_RATE_HZ {
            return Err(too_fast(rate).in_format(id));
        }
        let level = rhythm::level(loudness.integrated, loudness.rms, loudness.channels);
        let mut text = spec.text.clone();
        let (samples, style) = match &form.sound {
            LabelSound::Rhythm => (rhythm::synthesize(rate, level), rhythm::STYLE.to_owned()),
            LabelSound::Spoken { language } => {
                let prompt = spoken::prompt(language).ok_or_else(|| {
                    Error::new(ErrorKind::Usage, format!("there is no spoken label in {language:?}"))
                        .in_format(id)
                })?;
                prompt.words.clone_into(&mut text);
                (spoken::levelled(&prompt.samples()?, spoken::PROMPT_HZ, rate, level), prompt.style())
            }
            LabelSound::Clip { file, .. } => {
                let (clip, clip_rate) = spoken::decode(file).map_err(|e| e.in_format(id))?;
                let samples = spoken::levelled(&clip, clip_rate, rate, level);
                let silence = (rhythm::SILENCE_S * f64::from(rate)).round() as usize;
                let heard = samples.get(silence..samples.len() - silence).unwrap_or_default();
                let style = Fingerprint::of(heard, rate).style();
                (samples, style)
            }
        };
        let heard_s = match form.sound {
            LabelSound::Rhythm => 11.0 * rhythm::UNIT_S,
            _ => samples.len() as f64 / f64::from(rate) - 2.0 * rhythm::SILENCE_S,
        };
        let mut label = Self {
            samples,
            places: Vec::new(),
            overlay: form.overlay,
            heard_s,
            text,
            style,
            position: form.position,
            rate,
        };
        label.places = label.placed(id, form, loudness.frames)?;
        Ok(label)
    }

    fn placed(&self, id: &'static str, form: &AudibleSpec, frames: u64) -> Result<Vec<u64>> {
        let own = self.samples.len() as u64;
        // What lies over the programme ends with it.
        let last = if form.overlay { frames.checked_sub(own) } else { Some(frames) };
        let last = last.ok_or_else(|| {
            let text = "the programme is shorter than the label that is to be laid over it";
            Error::new(ErrorKind::Policy, text).in_format(id)
        })?;
        let mut places = vec![match form.position {
            SoundPosition::Start => 0,
            SoundPosition::Middle => last / 2,
            SoundPosition::End => last,
        }];
        if let Some(every) = form.every_s {
            if !(every >= LEAST_EVERY_S && every.is_finite()) {
                let text =
                    format!("labels every {every} s: at least {LEAST_EVERY_S} s must lie between them");
                return Err(Error::new(ErrorKind::Usage, text).in_format(id));
            }
            let step = (every * f64::from(self.rate)) as u64;
            let apart = own.saturating_add(step / 2);
            let first = places[0];
            let again = (1..MOST as u64).map(|n| n.saturating_mul(step)).take_while(|at| *at < last);
            places.extend(again.filter(|at| at.abs_diff(first) > apart));
            places.sort_unstable();
        }
        Ok(places)
    }

    /// Where it goes and how many sample frames it adds there, in the programme as it was.
    pub(crate) fn inserts(&self) -> Vec<(u64, u64)> {
        if self.overlay {
            return Vec::new();
        }
        self.places.iter().map(|at| (*at, self.samples.len() as u64)).collect()
    }

    /// At which end it goes, when it is inserted once at the start or the end.
    pub(crate) fn at_an_end(&self) -> Option<TextPosition> {
        match (self.overlay, self.places.len(), self.position) {
            (false, 1, SoundPosition::Start) => Some(TextPosition::Start),
            (false, 1, SoundPosition::End) => Some(TextPosition::End),
            _ => None,
        }
    }

    /// One record for every time it is heard.
    pub(crate) fn records(&self) -> Vec<LabelRecord> {
        let added = if self.overlay { 0 } else { self.samples.len() as u64 };
        let round = |s: f64| (s * 1000.0).round() / 1000.0;
        let seconds = |frames: u64| frames as f64 / f64::from(self.rate);
        let records = self.places.iter().enumerate().map(|(i, at)| LabelRecord {
            text: self.text.clone(),
            form: "audible".to_owned(),
            style: self.style.clone(),
            area: None,
            canvas: None,
            ink_height: None,
            span: Some(Span {
                start_s: round(seconds(at + added * i as u64) + rhythm::SILENCE_S),
                duration_s: round(self.heard_s),
            }),
            position: match (i, self.position) {
                (0, SoundPosition::Start) => Some(TextPosition::Start),
                (_, SoundPosition::End) if i + 1 == self.places.len() => Some(TextPosition::End),
                _ => None,
            },
        });
        records.collect()
    }

    /// How much the programme is lowered under the label: sum and label stay below full scale.
    fn ducked(&self) -> f32 {
        let peak = self.samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        DUCKED.min((0.999 - peak).max(0.0))
    }
}

/// A label going into a stream of samples.
pub(crate) struct Placer {
    label: Label,
    channels: usize,
    /// Sample frames taken so far.
    at: u64,
    /// Places done.
    next: usize,
    ducked: f32,
}

impl Placer {
    pub(crate) fn new(label: Label, channels: u16) -> Self {
        let ducked = label.ducked();
        Self { label, channels: usize::from(channels.max(1)), at: 0, next: 0, ducked }
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }

    /// Lengthens an inserted label by silence to a multiple of `grid` sample frames.
    pub(crate) fn keep_to(&mut self, grid: u64) {
        let len = self.label.samples.len() as u64;
        if let Some(more) = len.checked_next_multiple_of(grid).filter(|_| !self.label.overlay) {
            self.label.samples.resize(more as usize, 0.0);
        }
    }

    /// Takes interleaved samples, appends them with the label where it is due.
    pub(crate) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        if self.label.overlay {
            self.lay_over(samples, out);
            return;
        }
        let mut rest = samples;
        while let Some(due) = self.due(rest.len()) {
            let (now, later) = rest.split_at(due);
            out.extend_from_slice(now);
            self.at += (due / self.channels) as u64;
            self.insert(out);
            rest = later;
        }
        out.extend_from_slice(rest);
        self.at += (rest.len() / self.channels) as u64;
    }

    /// Appends what is due at the end.
    pub(crate) fn finish(&mut self, out: &mut Vec<f32>) {
        while !self.label.overlay && self.next < self.label.places.len() {
            self.insert(out);
        }
    }

    /// How many of the next samples come before the next label, when it is due among them.
    fn due(&self, samples: usize) -> Option<usize> {
        let place = self.label.places.get(self.next)?;
        let before = place.saturating_sub(self.at).saturating_mul(self.channels as u64);
        // A label at the very end waits for the end: the programme may be longer than it says.
        usize::try_from(before).ok().filter(|before| *before < samples)
    }

    fn insert(&mut self, out: &mut Vec<f32>) {
        let channels = self.channels;
        out.extend(self.label.samples.iter().flat_map(|s| std::iter::repeat_n(*s, channels)));
        self.next += 1;
    }

    fn lay_over(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let ramp = ((DUCK_S * f64::from(self.label.rate)) as u64).max(1);
        let len = self.label.samples.len() as u64;
        for frame in samples.chunks_exact(self.channels) {
            while self.label.places.get(self.next).is_some_and(|p| self.at >= p + len + ramp) {
                self.next += 1;
            }
            let place = self.label.places.get(self.next).filter(|p| self.at + ramp >= **p);
            if let Some(place) = place {
                // Down before the label, up behind it.
                let outside = place.saturating_sub(self.at).max((self.at + 1).saturating_sub(place + len));
                let share = outside.min(ramp) as f32 / ramp as f32;
                let gain = self.ducked + (1.0 - self.ducked) * share;
                let heard = self.at.checked_sub(*place).and_then(|i| self.label.samples.get(i as usize));
                let heard = heard.copied().unwrap_or(0.0);
                out.extend(frame.iter().map(|s| {
                    // Sound beyond full scale stays beyond it, but the label adds nothing to that.
                    let limit = (s.abs() * gain).max(1.0);
                    (s * gain + heard).clamp(-limit, limit)
                }));
            } else {
                out.extend_from_slice(frame);
            }
            self.at += 1;
        }
    }
}

/// The error for rates beyond [`MAX_RATE_HZ`].
pub(crate) fn too_fast(rate: u32) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{rate} samples per second are beyond any recorder"))
}
