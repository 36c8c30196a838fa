//! Everything that is done to the samples of a sound, in one go.

use colophon_core::{Error, LabelForm, LabelSpec, Placed, Result, SignalOp};

use crate::audible::{Label, Placer};
use crate::decode::Sound;
use crate::inaudible::Marker;
use crate::loudness::{self, Loudness};
use crate::observe::Open;

/// The sound that operations are done to.
pub(crate) struct Programme<'a> {
    /// Its format.
    pub(crate) id: &'static str,
    /// Samples per second and channel.
    pub(crate) rate: u32,
    /// Channels.
    pub(crate) channels: u16,
    /// Sample frames, where the container says so.
    pub(crate) frames: Option<u64>,
    /// Gives it from its start, to be measured.
    pub(crate) open: &'a Open<'a>,
}

/// Operations in their order; what is placed first passes through what comes after it.
pub(crate) struct Pass<'a> {
    id: &'static str,
    steps: Vec<Step<'a>>,
    /// What the steps hand to one another.
    between: [Vec<f32>; 2],
}

enum Step<'a> {
    Label(Placer),
    Mark(Box<Marker<'a>>),
}

impl<'a> Pass<'a> {
    /// Measures what has to be measured and makes the labels.
    ///
    /// # Errors
    /// Those of labels and watermark; `Unsupported` for an operation that is not known or given twice.
    pub(crate) fn new(programme: &Programme<'_>, ops: &'a [SignalOp]) -> Result<Self> {
        let mut steps: Vec<Step<'a>> = Vec::new();
        let mut added = 0;
        for op in ops {
            let twice = steps.iter().any(|s| {
                matches!(
                    (s, op),
                    (Step::Label(_), SignalOp::Label(_)) | (Step::Mark(_), SignalOp::Watermark(_))
                )
            });
            steps.push(match op {
                _ if twice => return Err(unknown(programme.id)),
                SignalOp::Label(spec) => {
                    let label = programme.label(spec)?;
                    added = label.inserts().iter().map(|(_, len)| len).sum();
                    Step::Label(Placer::new(label, programme.channels))
                }
                SignalOp::Watermark(spec) => {
                    // A stream that does not say how long it is counts as long enough; the marker finds out.
                    let frames = programme.frames.map_or(u64::MAX, |n| n.saturating_add(added));
                    let marker = Marker::new(programme.id, spec, programme.rate, programme.channels, frames)?;
                    Step::Mark(Box::new(marker))
                }
                _ => return Err(unknown(programme.id)),
            });
        }
        Ok(Self { id: programme.id, steps, between: Default::default() })
    }

    /// Lengthens the label by silence to a multiple of `grid` sample frames, for containers whose positions keep to one.
    pub(crate) fn keep_to(&mut self, grid: u64) {
        for step in &mut self.steps {
            if let Step::Label(placer) = step {
                placer.keep_to(grid);
            }
        }
    }

    /// Where sample frames are inserted, and how many, in the programme as it was.
    pub(crate) fn inserts(&self) -> Vec<(u64, u64)> {
        let label = self.steps.iter().find_map(|s| match s {
            Step::Label(placer) => Some(placer.label().inserts()),
            Step::Mark(_) => None,
        });
        label.unwrap_or_default()
    }

    /// Takes interleaved samples, appends those that are ready.
    pub(crate) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        run(&mut self.steps, samples, &mut self.between, out);
    }

    /// Sends a whole sound through, and what comes out to `to`, piece by piece; says what was placed.
    ///
    /// # Errors
    /// Decoder errors, those of `to`, and as [`Pass::finish`].
    pub(crate) fn through(
        mut self,
        sound: &mut dyn Sound,
        mut to: impl FnMut(&[f32]) -> Result<()>,
    ) -> Result<Vec<Placed>> {
        let (mut piece, mut ready) = (Vec::new(), Vec::new());
        while sound.next_f32(&mut piece)? {
            self.push(&piece, &mut ready);
            to(&ready)?;
            ready.clear();
        }
        let placed = self.finish(&mut ready)?;
        to(&ready)?;
        Ok(placed)
    }

    /// Ends the sound: appends the rest, and says what was placed.
    ///
    /// # Errors
    /// `Unsupported` when a watermark found nothing but silence.
    pub(crate) fn finish(mut self, out: &mut Vec<f32>) -> Result<Vec<Placed>> {
        let mut placed = Vec::new();
        let mut steps = std::mem::take(&mut self.steps);
        while !steps.is_empty() {
            let mut rest = Vec::new();
            match steps.remove(0) {
                Step::Label(mut placer) => {
                    placer.finish(&mut rest);
                    placed.extend(placer.label().records().into_iter().map(Placed::Label));
                }
                Step::Mark(marker) => placed.push(Placed::Watermark(marker.finish(&mut rest)?)),
            }
            run(&mut steps, &rest, &mut self.between, out);
        }
        if placed.is_empty() {
            return Err(unknown(self.id));
        }
        Ok(placed)
    }
}

fn run(steps: &mut [Step<'_>], samples: &[f32], between: &mut [Vec<f32>; 2], out: &mut Vec<f32>) {
    let Some((last, others)) = steps.split_last_mut() else {
        out.extend_from_slice(samples);
        return;
    };
    let [now, next] = between;
    now.clear();
    now.extend_from_slice(samples);
    for step in others {
        next.clear();
        step.push(now, next);
        std::mem::swap(now, next);
    }
    last.push(now, out);
}

impl Step<'_> {
    fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        match self {
            Self::Label(placer) => placer.push(samples, out),
            Self::Mark(marker) => marker.push(samples, out),
        }
    }
}

impl Programme<'_> {
    /// A label made for this programme.
    ///
    /// # Errors
    /// Decoder errors, and those of [`Label::new`].
    pub(crate) fn label(&self, spec: &LabelSpec) -> Result<Label> {
        if !matches!(spec.form, LabelForm::Audible(_)) {
            return Err(Error::unsupported(self.id, "sound takes audible labels only"));
        }
        let loudness: Loudness = loudness::measure(self.open, self.frames)?;
        Label::new(self.id, spec, self.rate, &loudness)
    }
}

fn unknown(id: &'static str) -> Error {
    Error::unsupported(id, "this operation is not known, or given twice")
}
