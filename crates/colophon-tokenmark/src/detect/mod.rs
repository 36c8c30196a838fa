//! One detector for the watermarks of every engine.
//!
//! It answers with p-values: the chance that text made without the key scores as high. It never says that a text was
//! written by a person, and on few tokens it says that they are too few.

mod local;
mod scores;
mod screen;
mod stream;
mod weighted;

pub use local::Region;
pub use screen::{HotNgram, KeyScreen, LengthReport, ScreenReport, ScreenSettings};
pub use stream::DetectStream;

use crate::error::{Error, Result};
use crate::null::Null;
use crate::payload::{PayloadReading, Tally};
use crate::scheme::Scheme;
use crate::window::{HotList, LeftOut, Windows};
use scores::Prepared;
use std::f64::consts::LOG10_2;

/// Version of the statistics, printed in reports: scores and corrections of one version are comparable.
pub const METHOD: &str = "colophon-tokenmark/1";

/// What to test and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DetectOptions {
    /// Fewer scored tokens than this are not tested (25).
    pub min_scored: usize,
    /// Longer samples are refused (16 Mi tokens), except in a [`DetectStream`].
    pub max_tokens: usize,
    /// Also look at windows of the text, for marked passages in unmarked text (on).
    pub localise: bool,
    /// Windows are reported as regions if their corrected `log10 p` is at most this (-4).
    pub region_log10_p: f64,
    /// Number of ids of the tokenizer, if known; larger ids are refused.
    pub vocabulary: Option<u32>,
    /// N-grams to leave out, from [`KeyScreen`].
    pub ignore: HotList,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self {
            min_scored: 25,
            max_tokens: 1 << 24,
            localise: true,
            region_log10_p: -4.0,
            vocabulary: None,
            ignore: HotList::default(),
        }
    }
}

/// A text as token ids.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The tokens to test, without the prompt.
    pub tokens: &'a [u32],
    /// The prompt before them, if it is known. Engines whose contexts reach into the prompt score a few tokens more.
    pub prompt: Option<&'a [u32]>,
}

impl<'a> Sample<'a> {
    /// A sample without a known prompt.
    pub fn new(tokens: &'a [u32]) -> Self {
        Self { tokens, prompt: None }
    }
}

/// Schemes and keys to look for.
#[derive(Debug)]
pub struct Detector {
    candidates: Vec<Prepared>,
    options: DetectOptions,
}

/// The result for one sample.
#[derive(Clone, Debug)]
pub struct Detection {
    /// One entry per scheme and key, in the order they were given.
    pub candidates: Vec<Candidate>,
    /// `log10` of the p-value over all of them (Bonferroni); `None` if nothing could be tested.
    pub log10_p: Option<f64>,
    /// Number of tokens in the sample.
    pub tokens: usize,
}

/// The result for one scheme and key.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// [`Scheme::id`].
    pub scheme: &'static str,
    /// [`Scheme::key_id`].
    pub key_id: String,
    /// The key is known to everybody: the result says nothing about who marked the text.
    pub published_key: bool,
    /// Tokens left out because their context was scored before.
    pub repeats: usize,
    /// Tokens left out because no full context precedes them.
    pub without_context: usize,
    /// Tokens left out by [`DetectOptions::ignore`].
    pub ignored: usize,
    /// Tokens left out by a [`DetectStream`] because more contexts occurred than it remembers.
    pub crowded_out: usize,
    /// The engine marks only so many contexts; tokens after that were left out.
    pub limit_reached: bool,
    /// The evidence.
    pub outcome: Outcome,
}

/// Whether there was enough to test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Too few tokens were scored to say anything.
    TooShort {
        /// Tokens scored.
        scored: usize,
        /// [`DetectOptions::min_scored`].
        needed: usize,
    },
    /// The test was made.
    Tested(Tested),
}

impl Outcome {
    /// The test, if it was made.
    pub fn tested(&self) -> Option<&Tested> {
        match self {
            Self::Tested(tested) => Some(tested),
            Self::TooShort { .. } => None,
        }
    }
}

/// The evidence for one scheme and key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tested {
    /// Tokens scored.
    pub scored: usize,
    /// Sum of their scores.
    pub score: f64,
    /// What the sum is on average without the mark.
    pub expected: f64,
    /// `log10 p` of the text as a whole.
    pub log10_p_whole: f64,
    /// `log10 p` of the best window, corrected for the number of windows; `None` if there is no window to try.
    pub log10_p_window: Option<f64>,
    /// `log10 p` of the text as a whole with weighted tokens; only from [`Detector::detect_weighted`].
    pub log10_p_weighted: Option<f64>,
    /// The better of whole text (weighted, if it was) and window, corrected for having tried both.
    pub log10_p: f64,
    /// Windows tried.
    pub windows: usize,
    /// Passages that are marked by themselves, in order.
    pub regions: Vec<Region>,
    /// What a scheme with a payload carries, if it can be told safely.
    pub payload: Option<PayloadReading>,
}

impl Detector {
    /// A detector for one scheme and key.
    pub fn new(scheme: Scheme, options: DetectOptions) -> Result<Self> {
        Self::for_all(vec![scheme], options)
    }

    /// A detector for several at once; the p-value over all is corrected for their number (at least one).
    pub fn for_all(schemes: Vec<Scheme>, options: DetectOptions) -> Result<Self> {
        if schemes.is_empty() {
            return Err(Error::Parameter { scheme: "detector", name: "schemes", allowed: "at least one" });
        }
        Ok(Self { candidates: schemes.into_iter().map(Prepared::new).collect(), options })
    }

    /// The options.
    pub fn options(&self) -> &DetectOptions {
        &self.options
    }

    /// Tests a sample for every scheme and key.
    pub fn detect(&self, sample: &Sample<'_>) -> Result<Detection> {
        self.check(sample)?;
        let mut candidates: Vec<Option<Candidate>> = self.candidates.iter().map(|_| None).collect();
        let mut scores = Vec::new();
        for (i, prepared) in self.candidates.iter().enumerate() {
            if candidates[i].is_some() {
                continue;
            }
            // contexts are laid out once for all keys that form them alike
            let (windows, left_out) =
                Windows::new(prepared.rule(), sample.tokens, sample.prompt, &self.options.ignore);
            let starts = local::block_starts(&windows);
            for (slot, other) in candidates.iter_mut().zip(&self.candidates).skip(i) {
                if slot.is_none() && other.rule() == prepared.rule() {
                    let outcome = self.outcome(other, &windows, &starts, &mut scores);
                    *slot = Some(Candidate::new(other, left_out, outcome));
                }
            }
        }
        Ok(Detection::new(candidates.into_iter().flatten().collect(), sample.tokens.len()))
    }

    /// The smallest vocabulary any scheme or the options name.
    pub(crate) fn smallest_vocabulary(&self) -> Option<u32> {
        let schemes = self.candidates.iter().filter_map(|c| c.scheme().vocabulary());
        schemes.chain(self.options.vocabulary).min()
    }

    fn check(&self, sample: &Sample<'_>) -> Result<()> {
        if sample.tokens.len() > self.options.max_tokens {
            return Err(Error::TooLong { limit: self.options.max_tokens, unit: "tokens" });
        }
        let Some(vocabulary) = self.smallest_vocabulary() else { return Ok(()) };
        for (position, &id) in sample.tokens.iter().enumerate() {
            if id >= vocabulary {
                return Err(Error::TokenBeyondVocabulary { position, id, vocabulary });
            }
        }
        Ok(())
    }

    fn outcome(
        &self,
        prepared: &Prepared,
        windows: &Windows,
        starts: &[u32],
        scores: &mut Vec<f64>,
    ) -> Outcome {
        let scored = windows.positions.len();
        if scored < self.options.min_scored {
            return Outcome::TooShort { scored, needed: self.options.min_scored };
        }
        if let Scheme::Payload(mark) = prepared.scheme() {
            let mut tally = Tally::default();
            mark.tally(windows, &mut tally);
            return Outcome::Tested(tally.test());
        }
        prepared.score(windows, scores);
        let (null, sums) = (prepared.null(), local::block_sums(starts, scores));
        let looked = if self.options.localise {
            local::look(null, windows, starts, &sums, scores, self.options.region_log10_p)
        } else {
            local::Looked::default()
        };
        Outcome::Tested(Tested::new(null, scored, sums.last().copied().unwrap_or_default(), looked))
    }
}

impl Detection {
    /// The best of several tests, paid for.
    fn new(candidates: Vec<Candidate>, tokens: usize) -> Self {
        let tested = || candidates.iter().filter_map(|c| c.outcome.tested());
        let count = tested().count();
        let best = tested().map(|t| t.log10_p).fold(f64::INFINITY, f64::min);
        let log10_p = (count > 0).then(|| (best + (count as f64).log10()).min(0.0));
        Self { candidates, log10_p, tokens }
    }
}

impl Candidate {
    fn new(prepared: &Prepared, left_out: LeftOut, outcome: Outcome) -> Self {
        let scheme = prepared.scheme();
        Self {
            scheme: scheme.id(),
            key_id: prepared.key_id().to_owned(),
            published_key: scheme.key_is_published(),
            repeats: left_out.repeats,
            without_context: left_out.without_context,
            ignored: left_out.ignored,
            crowded_out: left_out.crowded_out,
            limit_reached: left_out.limit_reached,
            outcome,
        }
    }
}

impl Tested {
    /// The test of a sum of scores and of windows.
    fn new(null: &Null, scored: usize, score: f64, looked: local::Looked) -> Self {
        let whole = null.log10_tail(scored, score);
        Self {
            scored,
            score,
            expected: scored as f64 * null.mean(),
            log10_p_whole: whole,
            log10_p_window: looked.log10_p,
            log10_p_weighted: None,
            log10_p: looked.log10_p.map_or(whole, |window| (whole.min(window) + LOG10_2).min(0.0)),
            windows: looked.windows,
            regions: looked.regions,
            payload: None,
        }
    }
}
