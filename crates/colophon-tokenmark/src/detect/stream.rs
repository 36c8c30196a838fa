//! Detection in samples that come in parts and are not kept.

use super::local::Running;
use super::scores::Prepared;
use super::{Candidate, Detection, Detector, Outcome, Tested};
use crate::error::{Error, Result};
use crate::payload::Tally;
use crate::scheme::Scheme;
use crate::window::{Layout, Windows};

/// Slots for contexts that are remembered, over all ways to form them: 128 MiB, for 12.5 million contexts.
const SLOTS: usize = 1 << 24;
/// Cells of sums for the edges of regions, over all schemes and keys: 8 MB.
const CELLS: usize = 1 << 20;
/// Tokens that are laid out and scored together.
const PART: usize = 1 << 14;

/// A sample of any length, part by part: memory stays bounded at about 150 MB.
///
/// Up to 12.5 million different contexts (fewer where schemes form them differently) the result is that of [`Detector::detect`], but for the edges of regions, which are
/// estimated to 16 tokens and, in very long samples, more. From then on half of the contexts are no longer looked at, and
/// half of those each time memory is full again; [`Candidate::crowded_out`] counts their tokens. Which ones does not
/// depend on the key, so p-values stay what they say, with less power.
#[derive(Clone, Debug)]
pub struct DetectStream<'d> {
    detector: &'d Detector,
    layouts: Vec<Layout>,
    /// Per scheme: the layout it uses and its evidence.
    evidence: Vec<(usize, Evidence)>,
    tokens: usize,
    vocabulary: Option<u32>,
}

#[derive(Clone, Debug)]
enum Evidence {
    Scores(Running),
    Payload(Box<Tally>),
}

impl Detector {
    /// A stream of tokens after `prompt`, if it is known.
    pub fn stream(&self, prompt: Option<&[u32]>) -> DetectStream<'_> {
        let mut layouts: Vec<Layout> = Vec::new();
        let mut evidence = Vec::with_capacity(self.candidates.len());
        let cells = CELLS / self.candidates.len().max(1);
        let all: Vec<_> = self.candidates.iter().map(Prepared::rule).collect();
        let rules = all.iter().enumerate().filter(|(i, rule)| !all[..*i].contains(rule)).count();
        for prepared in &self.candidates {
            let layout = layouts.iter().position(|l| l.rule() == prepared.rule()).unwrap_or_else(|| {
                layouts.push(Layout::new(prepared.rule(), prompt, Some(SLOTS / rules.max(1))));
                layouts.len() - 1
            });
            let found = match prepared.scheme() {
                Scheme::Payload(_) => Evidence::Payload(Box::default()),
                _ => Evidence::Scores(Running::new(cells)),
            };
            evidence.push((layout, found));
        }
        DetectStream { detector: self, layouts, evidence, tokens: 0, vocabulary: self.smallest_vocabulary() }
    }
}

impl DetectStream<'_> {
    /// Adds the next tokens.
    pub fn push(&mut self, tokens: &[u32]) -> Result<()> {
        if let Some(vocabulary) = self.vocabulary
            && let Some(position) = tokens.iter().position(|&id| id >= vocabulary)
        {
            return Err(Error::TokenBeyondVocabulary {
                position: self.tokens.saturating_add(position),
                id: tokens[position],
                vocabulary,
            });
        }
        self.tokens = self.tokens.saturating_add(tokens.len());
        let (mut windows, mut scores) = (Windows::default(), Vec::new());
        for part in tokens.chunks(PART) {
            for (i, layout) in self.layouts.iter_mut().enumerate() {
                layout.push(part, &self.detector.options.ignore, &mut windows);
                let mine = self.evidence.iter_mut().zip(&self.detector.candidates);
                for ((_, evidence), prepared) in mine.filter(|((layout, _), _)| *layout == i) {
                    evidence.add(prepared, &windows, &mut scores);
                }
            }
        }
        Ok(())
    }

    /// Number of tokens so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Lets the stream have one of `shares` parts of the memory for contexts, for several streams at once. What it holds above
    /// that is forgotten as where memory is full.
    pub fn share_memory(&mut self, shares: usize) {
        let slots = SLOTS / shares.max(1) / self.layouts.len().max(1);
        for layout in &mut self.layouts {
            layout.shrink(slots);
        }
    }

    /// The result.
    pub fn finish(self) -> Detection {
        let Self { detector, layouts, evidence, tokens, .. } = self;
        let candidates = evidence
            .into_iter()
            .zip(&detector.candidates)
            .map(|((layout, evidence), prepared)| {
                let scored = evidence.scored();
                let outcome = if scored < detector.options.min_scored {
                    Outcome::TooShort { scored, needed: detector.options.min_scored }
                } else {
                    Outcome::Tested(evidence.test(prepared, detector))
                };
                Candidate::new(prepared, layouts[layout].left_out, outcome)
            })
            .collect();
        Detection::new(candidates, tokens)
    }
}

impl Evidence {
    fn add(&mut self, prepared: &Prepared, windows: &Windows, scores: &mut Vec<f64>) {
        match (self, prepared.scheme()) {
            (Self::Payload(tally), Scheme::Payload(mark)) => mark.tally(windows, tally),
            (Self::Scores(running), _) => {
                prepared.score(windows, scores);
                running.push(prepared.null(), windows, scores);
            }
            // made for the scheme it is used with
            (Self::Payload(_), _) => {}
        }
    }

    fn scored(&self) -> usize {
        match self {
            Self::Payload(tally) => tally.scored(),
            Self::Scores(running) => running.total().0,
        }
    }

    fn test(self, prepared: &Prepared, detector: &Detector) -> Tested {
        match self {
            Self::Payload(tally) => tally.test(),
            Self::Scores(running) => {
                let (null, (scored, score)) = (prepared.null(), running.total());
                let looked = if detector.options.localise {
                    running.finish(null, detector.options.region_log10_p)
                } else {
                    super::local::Looked::default()
                };
                Tested::new(null, scored, score, looked)
            }
        }
    }
}
