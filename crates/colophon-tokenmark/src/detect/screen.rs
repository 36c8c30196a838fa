//! Trying a new key on text that is known to be unmarked, before it is used.
//!
//! A p-value holds over random keys. One key is fixed, and phrases that recur across documents carry the same luck
//! everywhere: a licence text may look marked under one key in a thousand. Screening shows such keys, and lists the
//! n-grams to leave out.

use super::scores::Prepared;
use crate::error::Result;
use crate::scheme::Scheme;
use crate::window::{HotList, Windows, ngram};
use colophon_signal::stats::log10_binomial_tail;
use std::collections::HashMap;

/// Levels of `log10 p` that are counted.
const LEVELS: [f64; 4] = [-2.0, -3.0, -4.0, -6.0];
/// N-grams that score this many standard deviations above the mean may become hot.
const HOT_Z: f64 = 1.0;

/// How to screen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScreenSettings {
    /// Lengths of the windows each text is cut into, in tokens (200, 1,000 and 5,000).
    pub lengths: Vec<usize>,
    /// An n-gram is hot if it occurs in at least this many texts (3).
    pub min_texts: u32,
    /// Most hot n-grams listed (1,000).
    pub max_hot: usize,
    /// Most n-grams remembered while counting (2^20); further ones are dropped.
    pub max_ngrams: usize,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self { lengths: vec![200, 1000, 5000], min_texts: 3, max_hot: 1000, max_ngrams: 1 << 20 }
    }
}

/// A screening in progress: add texts, then finish.
#[derive(Debug)]
pub struct KeyScreen {
    prepared: Prepared,
    settings: ScreenSettings,
    windows: Vec<Vec<f64>>,
    ngrams: HashMap<u64, Recurring>,
    texts: usize,
    dropped: usize,
    scores: Vec<f64>,
}

#[derive(Debug)]
struct Recurring {
    window: Vec<u32>,
    texts: u32,
    z: f64,
}

/// The outcome of a screening.
#[derive(Clone, Debug)]
pub struct ScreenReport {
    /// One entry per window length.
    pub lengths: Vec<LengthReport>,
    /// N-grams worth leaving out, the worst first.
    pub hot: Vec<HotNgram>,
    /// Texts added.
    pub texts: usize,
    /// N-grams not counted because [`ScreenSettings::max_ngrams`] was reached.
    pub dropped: usize,
}

/// P-values of unmarked windows of one length.
#[derive(Clone, Debug)]
pub struct LengthReport {
    /// Tokens per window.
    pub length: usize,
    /// Windows tested.
    pub windows: usize,
    /// How many windows had a `log10 p` of at most each level.
    pub at_most: Vec<(f64, usize)>,
    /// Lowest `log10 p` of all windows.
    pub lowest: f64,
    /// The same, corrected for the number of windows: what makes the key an outlier.
    pub lowest_corrected: f64,
    /// `log10` of the chance of so many windows with p at most 0.01, if windows were independent.
    pub excess_log10_p: f64,
}

/// An n-gram that recurs and scores high.
#[derive(Clone, Debug)]
pub struct HotNgram {
    /// The tokens, the scored one last.
    pub tokens: Vec<u32>,
    /// Texts that hold it.
    pub texts: u32,
    /// Its score in standard deviations above the mean.
    pub z: f64,
}

impl ScreenReport {
    /// The hot n-grams as a list for [`super::DetectOptions::ignore`].
    pub fn hot_list(&self) -> HotList {
        let mut list = HotList::default();
        for hot in &self.hot {
            if let Some((&token, context)) = hot.tokens.split_last() {
                list.insert(context, token);
            }
        }
        list
    }
}

impl KeyScreen {
    /// Screens the key of `scheme`.
    pub fn new(scheme: Scheme, settings: ScreenSettings) -> Self {
        Self {
            prepared: Prepared::new(scheme),
            windows: settings.lengths.iter().map(|_| Vec::new()).collect(),
            settings,
            ngrams: HashMap::new(),
            texts: 0,
            dropped: 0,
            scores: Vec::new(),
        }
    }

    /// Adds an unmarked text. Texts should be separate documents: an n-gram counts once per text.
    pub fn add(&mut self, tokens: &[u32]) -> Result<()> {
        self.texts += 1;
        let none = HotList::default();
        let (null, rule) = (self.prepared.null().clone(), self.prepared.rule());
        for (&length, found) in self.settings.lengths.iter().zip(&mut self.windows) {
            for part in tokens.chunks_exact(length.max(1)) {
                let (windows, _) = Windows::new(rule, part, None, &none);
                self.prepared.score(&windows, &mut self.scores);
                found.push(null.log10_tail(self.scores.len(), self.scores.iter().sum()));
            }
        }
        let (windows, _) = Windows::new(rule, tokens, None, &none);
        self.prepared.score(&windows, &mut self.scores);
        for (&position, score) in windows.positions.iter().zip(&self.scores) {
            let z = (score - null.mean()) / null.deviation();
            if z < HOT_Z {
                continue;
            }
            let position = position as usize;
            let window = &windows.stream[position - rule.width..=position];
            let name = ngram(&window[..rule.width], windows.stream[position]);
            let full = self.ngrams.len() >= self.settings.max_ngrams;
            match self.ngrams.get_mut(&name) {
                Some(known) => known.texts += 1,
                None if full => self.dropped += 1,
                None => {
                    self.ngrams.insert(name, Recurring { window: window.to_vec(), texts: 1, z });
                }
            }
        }
        Ok(())
    }

    /// The report.
    pub fn finish(self) -> ScreenReport {
        let lengths = self
            .settings
            .lengths
            .iter()
            .zip(&self.windows)
            .map(|(&length, found)| {
                let count = |level: f64| found.iter().filter(|&&p| p <= level).count();
                let lowest = found.iter().copied().fold(0.0, f64::min);
                LengthReport {
                    length,
                    windows: found.len(),
                    at_most: LEVELS.iter().map(|&level| (level, count(level))).collect(),
                    lowest,
                    lowest_corrected: (lowest + (found.len().max(1) as f64).log10()).min(0.0),
                    excess_log10_p: log10_binomial_tail(count(-2.0) as u64, found.len() as u64, 0.01),
                }
            })
            .collect();
        let mut hot: Vec<HotNgram> = self
            .ngrams
            .into_values()
            .filter(|n| n.texts >= self.settings.min_texts)
            .map(|n| HotNgram { tokens: n.window, texts: n.texts, z: n.z })
            .collect();
        let weight = |n: &HotNgram| f64::from(n.texts) * n.z;
        hot.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.tokens.cmp(&b.tokens)));
        hot.truncate(self.settings.max_hot);
        ScreenReport { lengths, hot, texts: self.texts, dropped: self.dropped }
    }
}
