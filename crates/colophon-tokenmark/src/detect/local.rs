//! Marked passages inside unmarked text: windows of doubling length, each paid for by a correction.

use crate::null::Null;
use crate::window::Windows;

/// Tokens of the shortest window.
const SHORTEST: usize = 32;
/// Windows start at multiples of this.
const BLOCK: usize = SHORTEST / 2;
/// Windows whose score is less than this many standard deviations up are not looked at further. Leaving windows out can
/// only raise the p-value.
const MIN_Z: f64 = 2.5;
/// Windows whose exact tail is computed, best first by Chernoff's bound.
const EXACT: usize = 16;
/// Most regions reported.
const MAX_REGIONS: usize = 64;

/// A passage that is marked by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Index of its first token, an estimate: marked and unmarked tokens cannot be told apart one by one.
    pub start: usize,
    /// Index after its last token, an estimate too.
    pub end: usize,
    /// `log10 p` of the window that found it, corrected for all windows tried.
    pub log10_p: f64,
}

/// What looking at windows gave.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) windows: usize,
    pub(super) log10_p: Option<f64>,
    pub(super) regions: Vec<Region>,
}

#[derive(Clone, Copy)]
struct Window {
    start: usize,
    end: usize,
    scored: usize,
    sum: f64,
    bound: f64,
}

/// Tries every window; regions are those with a corrected `log10 p` of at most `limit`.
pub(super) fn look(null: &Null, windows: &Windows, scores: &[f64], limit: f64) -> Looked {
    let tokens = windows.stream.len() - windows.offset;
    let places: Vec<usize> = windows.positions.iter().map(|&p| p as usize - windows.offset).collect();
    let prefix = BlockSums::new(tokens, &places, scores);
    let (mean, deviation) = (null.mean(), null.deviation());
    let mut count = 0usize;
    let mut hopeful = Vec::new();
    let mut length = SHORTEST;
    while length < tokens {
        let mut start = 0;
        while start + length <= tokens {
            count += 1;
            let (scored, sum) = prefix.between(start, start + length);
            let n = scored as f64;
            if sum - n * mean > MIN_Z * deviation * n.sqrt() {
                let bound = null.ln_bound(scored, sum);
                hopeful.push(Window { start, end: start + length, scored, sum, bound });
            }
            start += length / 2;
        }
        length *= 2;
    }
    if count == 0 {
        return Looked::default();
    }
    let price = (count as f64).log10();
    hopeful.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    let exact = |w: &Window| (null.log10_tail(w.scored, w.sum) + price).min(0.0);
    let best = hopeful.iter().take(EXACT).map(exact).fold(0.0, f64::min);
    let regions =
        regions(&hopeful, mean, &places, scores, tokens, |w| Some(exact(w)).filter(|&p| p <= limit));
    Looked { windows: count, log10_p: Some(best), regions }
}

/// Greedy: the best window not touching a region yet becomes one, with edges moved to where the evidence ends.
fn regions(
    hopeful: &[Window],
    mean: f64,
    places: &[usize],
    scores: &[f64],
    tokens: usize,
    significant: impl Fn(&Window) -> Option<f64>,
) -> Vec<Region> {
    let mut found: Vec<Region> = Vec::new();
    for window in hopeful {
        // the bound is never below the tail, so a bad bound ends the list only once the tail is bad too
        if found.len() >= MAX_REGIONS {
            break;
        }
        if found.iter().any(|r| r.start < window.end && window.start < r.end) {
            continue;
        }
        let Some(log10_p) = significant(window) else {
            if window.bound > -2.0 {
                break;
            }
            continue;
        };
        let floor = found.iter().filter(|r| r.end <= window.start).map(|r| r.end).max().unwrap_or(0);
        let ceiling = found.iter().filter(|r| r.start >= window.end).map(|r| r.start).min().unwrap_or(tokens);
        let half = 0.5 * (window.sum / window.scored as f64 - mean);
        let (start, end) = trim(window, mean + half, floor, ceiling, places, scores);
        found.push(Region { start, end, log10_p });
    }
    found.sort_by_key(|r| r.start);
    found
}

/// Moves both edges to where the sum of `score - level` from the middle outwards is highest.
fn trim(
    window: &Window,
    level: f64,
    floor: usize,
    ceiling: usize,
    places: &[usize],
    scores: &[f64],
) -> (usize, usize) {
    let middle = places.partition_point(|&p| p < window.start.midpoint(window.end));
    let (mut sum, mut best, mut start) = (0.0, 0.0, window.start.midpoint(window.end));
    for (&place, &score) in places[..middle].iter().zip(scores).rev().take_while(|(p, _)| **p >= floor) {
        sum += score - level;
        if sum > best {
            (best, start) = (sum, place);
        }
    }
    let (mut sum, mut best, mut end) = (0.0, 0.0, window.start.midpoint(window.end) + 1);
    for (&place, &score) in places[middle..].iter().zip(&scores[middle..]).take_while(|(p, _)| **p < ceiling)
    {
        sum += score - level;
        if sum > best {
            (best, end) = (sum, place + 1);
        }
    }
    (start, end)
}

/// Counts and sums of scores before each multiple of [`BLOCK`].
struct BlockSums {
    counts: Vec<usize>,
    sums: Vec<f64>,
}

impl BlockSums {
    fn new(tokens: usize, places: &[usize], scores: &[f64]) -> Self {
        let blocks = tokens.div_ceil(BLOCK);
        let (mut counts, mut sums) = (Vec::with_capacity(blocks + 1), Vec::with_capacity(blocks + 1));
        let (mut next, mut sum) = (0, 0.0);
        for block in 0..=blocks {
            while places.get(next).is_some_and(|&place| place < block * BLOCK) {
                sum += scores[next];
                next += 1;
            }
            counts.push(next);
            sums.push(sum);
        }
        Self { counts, sums }
    }

    fn between(&self, start: usize, end: usize) -> (usize, f64) {
        let (a, b) = (start / BLOCK, end / BLOCK);
        (self.counts[b] - self.counts[a], self.sums[b] - self.sums[a])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prf::philox::philox;
    use crate::window::{Before, HotList, Once, Rule};

    fn uniform(i: u32) -> f64 {
        (f64::from(philox([i, 0, 0, 0], [77, 1])[0]) + 0.5) / 4_294_967_296.0
    }

    fn sample(tokens: usize, marked: std::ops::Range<usize>) -> (Windows, Vec<f64>) {
        let ids: Vec<u32> = (0..tokens as u32).collect();
        let rule = Rule { width: 1, before: Before::Pad(1 << 30), once: Once::Context, limit: None };
        let windows = Windows::new(rule, &ids, None, &HotList::default());
        let scores = (0..tokens)
            .map(|i| -uniform(i as u32).ln() * if marked.contains(&i) { 2.2 } else { 1.0 })
            .collect();
        (windows, scores)
    }

    #[test]
    fn a_marked_passage_is_found_and_bounded() {
        let (windows, scores) = sample(4000, 1300..1500);
        let null = Null::Gamma { shape: 1.0, scale: 1.0 };
        let looked = look(&null, &windows, &scores, -4.0);
        assert!(looked.log10_p.unwrap() < -6.0);
        assert_eq!(looked.regions.len(), 1, "{:?}", looked.regions);
        let region = looked.regions[0];
        assert!(region.start.abs_diff(1300) < 40 && region.end.abs_diff(1500) < 40, "{region:?}");
    }

    #[test]
    fn unmarked_text_has_no_region() {
        let (windows, scores) = sample(20_000, 0..0);
        let looked = look(&Null::Gamma { shape: 1.0, scale: 1.0 }, &windows, &scores, -4.0);
        assert!(looked.regions.is_empty());
        assert!(looked.windows > 2000);
    }

    #[test]
    fn short_text_has_no_window() {
        let (windows, scores) = sample(32, 0..32);
        let looked = look(&Null::Gamma { shape: 1.0, scale: 1.0 }, &windows, &scores, -4.0);
        assert!(looked.log10_p.is_none() && looked.windows == 0);
    }
}
