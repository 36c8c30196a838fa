//! The audible label, made for a programme.

use colophon_core::{Error, ErrorKind, LabelForm, LabelRecord, LabelSpec, Result, Span, TextPosition};
use colophon_label::rhythm;

use crate::loudness::Loudness;

/// Highest sampling rate a label is made or looked for at: twice what any recorder offers. It bounds what a header
/// can make us allocate.
pub(crate) const MAX_RATE_HZ: u32 = 1 << 20;

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

/// The error for rates beyond [`MAX_RATE_HZ`].
pub(crate) fn too_fast(rate: u32) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{rate} samples per second are beyond any recorder"))
}
