//! Marked passages inside unmarked text: windows of doubling length, each paid for by a correction.

use crate::null::Null;
use crate::window::Windows;
use std::cmp::Ordering;

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

/// A window whose score is high.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: usize,
    end: usize,
    scored: usize,
    sum: f64,
    bound: f64,
}

/// How many scored tokens stand before each multiple of [`BLOCK`] tokens: the same for all keys that form contexts alike.
pub(super) fn block_starts(windows: &Windows) -> Vec<u32> {
    let (tokens, positions) = (windows.stream.len() - windows.offset, &windows.positions);
    let mut next = 0;
    (0..=tokens.div_ceil(BLOCK))
        .map(|block| {
            let end = (windows.offset + block * BLOCK) as u32;
            // a few steps from the last one
            while positions.get(next).is_some_and(|&position| position < end) {
                next += 1;
            }
            next as u32
        })
        .collect()
}

/// The sum of all scores before each entry of `starts`, added up block by block.
pub(super) fn block_sums(starts: &[u32], scores: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums = Vec::with_capacity(starts.len());
    sums.push(sum);
    for pair in starts.windows(2) {
        // blocks by themselves, so that additions need not wait for each other
        let block = scores.get(pair[0] as usize..pair[1] as usize).unwrap_or_default();
        sum += block.iter().fold(0.0, |sum, score| sum + score);
        sums.push(sum);
    }
    sums
}

/// Tries every window; regions are those with a corrected `log10 p` of at most `limit`. `starts` and `sums` are those of
/// [`block_starts`] and [`block_sums`].
pub(super) fn look(
    null: &Null,
    windows: &Windows,
    starts: &[u32],
    sums: &[f64],
    scores: &[f64],
    limit: f64,
) -> Looked {
    let tokens = windows.stream.len() - windows.offset;
    let high = High::new(null);
    let mut count = 0usize;
    let mut hopeful = Vec::new();
    let mut length = SHORTEST;
    while length < tokens {
        let blocks = length / BLOCK;
        let ends = starts.iter().zip(sums).skip(blocks).take(tokens / BLOCK + 1 - blocks);
        let pairs = starts.iter().zip(sums).zip(ends).step_by(blocks / 2);
        for (i, ((first, before), (end, until))) in pairs.enumerate() {
            count += 1;
            let (scored, sum) = ((end - first) as usize, until - before);
            if high.is(scored, sum) {
                let start = i * length / 2;
                let bound = null.ln_bound(scored, sum);
                hopeful.push(Window { start, end: start + length, scored, sum, bound });
            }
        }
        length *= 2;
    }
    judge(null, count, hopeful, tokens, limit, |window, level, floor, ceiling| {
        let place = |position: &u32| *position as usize - windows.offset;
        let places: Vec<usize> = windows.positions.iter().map(place).collect();
        trim(window, level, floor, ceiling, &places, scores)
    })
}

/// Which windows are worth a closer look.
#[derive(Clone, Copy)]
struct High {
    mean: f64,
    variance: f64,
}

impl High {
    fn new(null: &Null) -> Self {
        Self { mean: null.mean(), variance: null.deviation().powi(2) }
    }

    /// Whether a sum is more than [`MIN_Z`] standard deviations above its mean.
    #[inline]
    fn is(self, scored: usize, sum: f64) -> bool {
        let n = scored as f64;
        let above = sum - n * self.mean;
        above > 0.0 && above * above > MIN_Z * MIN_Z * self.variance * n
    }
}

/// What the windows with high scores are worth among `count`; `trim` finds the edges of a region.
fn judge(
    null: &Null,
    count: usize,
    mut hopeful: Vec<Window>,
    tokens: usize,
    limit: f64,
    trim: impl Fn(&Window, f64, usize, usize) -> (usize, usize),
) -> Looked {
    if count == 0 {
        return Looked::default();
    }
    let price = (count as f64).log10();
    hopeful.sort_by(by_bound);
    let exact = |w: &Window| (null.log10_tail(w.scored, w.sum) + price).min(0.0);
    let best = hopeful.iter().take(EXACT).map(exact).fold(0.0, f64::min);
    let regions = regions(&hopeful, null.mean(), tokens, |w| Some(exact(w)).filter(|&p| p <= limit), trim);
    Looked { windows: count, log10_p: Some(best), regions }
}

/// The best bound first, then the shorter and earlier window.
fn by_bound(a: &Window, b: &Window) -> Ordering {
    a.bound.total_cmp(&b.bound).then((a.end - a.start, a.start).cmp(&(b.end - b.start, b.start)))
}

/// Greedy: the best window not touching a region yet becomes one, with edges moved to where the evidence ends.
fn regions(
    hopeful: &[Window],
    mean: f64,
    tokens: usize,
    significant: impl Fn(&Window) -> Option<f64>,
    trim: impl Fn(&Window, f64, usize, usize) -> (usize, usize),
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
        let (start, end) = trim(window, mean + half, floor, ceiling);
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

/// The same for a sample that comes in parts and is not kept.
///
/// Windows and their p-values are those of [`look`]. Edges of regions are estimated from sums over cells of some tokens: 16,
/// and twice as many each time there would be too many cells.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// Tokens so far.
    tokens: usize,
    /// Scored tokens before this block and the sum of their scores.
    total: (usize, f64),
    /// The same of this block.
    block: (usize, f64),
    /// Per window length, from the shortest on: windows so far, and `total` at the last two multiples of half the length.
    levels: Vec<(usize, [(usize, f64); 2])>,
    hopeful: Vec<Window>,
    cells: Cells,
}

/// Hopeful windows that are kept: far more than regions are reported.
const KEPT: usize = 1 << 15;

impl Running {
    /// At most `cells` cells of sums are kept.
    pub(super) fn new(cells: usize) -> Self {
        Self {
            tokens: 0,
            total: (0, 0.0),
            block: (0, 0.0),
            levels: Vec::new(),
            hopeful: Vec::new(),
            cells: Cells { most: cells.max(2), grain: BLOCK, sums: Vec::new() },
        }
    }

    /// Number of scored tokens and the sum of their scores.
    pub(super) fn total(&self) -> (usize, f64) {
        (self.total.0 + self.block.0, self.total.1 + self.block.1)
    }

    /// Adds the next part, in which the token of `scores[i]` is at `windows.positions[i]`.
    pub(super) fn push(&mut self, null: &Null, windows: &Windows, scores: &[f64]) {
        let tokens = windows.stream.len() - windows.offset;
        let mut scored =
            windows.positions.iter().map(|&p| p as usize - windows.offset).zip(scores).peekable();
        let mut from = 0;
        while from < tokens {
            // to the end of the block or of the part
            let until = (from + BLOCK - self.tokens % BLOCK).min(tokens);
            let before = self.block;
            while let Some((_, score)) = scored.next_if(|(place, _)| *place < until) {
                self.block.0 += 1;
                self.block.1 += score;
            }
            self.cells.add(self.tokens, self.block.0 - before.0, self.block.1 - before.1);
            self.tokens += until - from;
            from = until;
            if self.tokens.is_multiple_of(BLOCK) {
                self.total = self.total();
                self.block = (0, 0.0);
                self.boundary(null);
            }
        }
    }

    /// Looks at the windows that end here.
    fn boundary(&mut self, null: &Null) {
        let high = High::new(null);
        let mut half = BLOCK;
        let mut level = 0;
        while self.tokens.is_multiple_of(half) {
            let zero = (0, [(0, 0.0); 2]);
            if level == self.levels.len() {
                self.levels.push(zero);
            }
            let (count, last) = &mut self.levels[level];
            if self.tokens >= 2 * half {
                *count += 1;
                let (scored, sum) = (self.total.0 - last[0].0, self.total.1 - last[0].1);
                if high.is(scored, sum) {
                    let bound = null.ln_bound(scored, sum);
                    let start = self.tokens - 2 * half;
                    self.hopeful.push(Window { start, end: self.tokens, scored, sum, bound });
                }
            }
            *last = [last[1], self.total];
            half *= 2;
            level += 1;
        }
        if self.hopeful.len() >= 2 * KEPT {
            self.hopeful.select_nth_unstable_by(KEPT, by_bound);
            self.hopeful.truncate(KEPT);
        }
    }

    /// What the windows are worth.
    pub(super) fn finish(self, null: &Null, limit: f64) -> Looked {
        let tokens = self.tokens;
        let mut hopeful = self.hopeful;
        hopeful.retain(|w| w.end - w.start < tokens);
        let lengths = (0..self.levels.len()).map(|level| SHORTEST << level);
        let count = lengths
            .zip(&self.levels)
            .filter(|(length, _)| *length < tokens)
            .map(|(_, (count, _))| count)
            .sum();
        let mut looked = judge(null, count, hopeful, tokens, limit, |window, level, floor, ceiling| {
            self.cells.trim(window, null.mean(), level, floor, ceiling)
        });
        // what coarse edges cut off may stand out by itself
        let near = if self.cells.grain > BLOCK { self.cells.grain } else { 0 };
        looked.regions.dedup_by(|next, region| {
            let joined = near > 0 && next.start <= region.end + near;
            if joined {
                region.end = region.end.max(next.end);
                region.log10_p = region.log10_p.min(next.log10_p);
            }
            joined
        });
        looked
    }
}

/// Counts and sums of scores of every `grain` tokens.
#[derive(Clone, Debug)]
struct Cells {
    most: usize,
    grain: usize,
    sums: Vec<(u32, f32)>,
}

impl Cells {
    /// Adds scores of tokens inside of one block from token `at` on.
    fn add(&mut self, at: usize, count: usize, sum: f64) {
        let cell = at / self.grain;
        if cell == self.sums.len() {
            if self.sums.len() == self.most {
                self.grain *= 2;
                self.sums = self
                    .sums
                    .chunks(2)
                    .map(|pair| pair.iter().fold((0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1)))
                    .collect();
                return self.add(at, count, sum);
            }
            self.sums.push((0, 0.0));
        }
        if let Some(cell) = self.sums.get_mut(cell) {
            cell.0 += count as u32;
            cell.1 += sum as f32;
        }
    }

    /// As [`trim`], with the share of the outermost cells that is marked estimated from their sums. Windows that are no
    /// longer than two cells are taken as they are. `mean` is that of unmarked tokens.
    fn trim(&self, window: &Window, mean: f64, level: f64, floor: usize, ceiling: usize) -> (usize, usize) {
        let grain = self.grain;
        if window.end - window.start <= 2 * grain {
            return (window.start.max(floor), window.end.min(ceiling));
        }
        let middle = window.start.midpoint(window.end) / grain;
        let cell = |i: usize| self.sums.get(i).copied().unwrap_or_default();
        let gain = |i: usize| f64::from(cell(i).1) - f64::from(cell(i).0) * level;
        let share = |i: usize| {
            let (n, sum) = cell(i);
            let share = (f64::from(sum) / f64::from(n.max(1)) - mean) / (2.0 * (level - mean));
            if n == 0 { 0.0 } else { share.clamp(0.0, 1.0) }
        };
        // tokens of the marked passage that lie outside of the best run of cells, less those inside that are unmarked
        let beyond = |inner: usize, outer: Option<usize>| {
            ((outer.map_or(0.0, share) - (1.0 - share(inner))) * grain as f64).round() as isize
        };
        let (mut sum, mut best, mut first) = (0.0, 0.0, middle);
        for i in (floor.div_ceil(grain)..middle).rev() {
            sum += gain(i);
            if sum > best {
                (best, first) = (sum, i);
            }
        }
        let (mut sum, mut best, mut last) = (0.0, 0.0, middle);
        for i in middle..ceiling.div_ceil(grain) {
            sum += gain(i);
            if sum > best {
                (best, last) = (sum, i);
            }
        }
        let start = (first * grain).saturating_add_signed(-beyond(first, first.checked_sub(1)));
        let end = ((last + 1) * grain).saturating_add_signed(beyond(last, Some(last + 1)));
        let start = start.max(floor).min(middle * grain);
        (start, end.min(ceiling).max(start + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prf::philox::philox;
    use crate::window::{Before, HotList, Once, Rule};

    /// [`super::look`] from nothing but scores.
    fn look(null: &Null, windows: &Windows, scores: &[f64], limit: f64) -> Looked {
        let starts = block_starts(windows);
        super::look(null, windows, &starts, &block_sums(&starts, scores), scores, limit)
    }

    fn uniform(i: u32) -> f64 {
        (f64::from(philox([i, 0, 0, 0], [77, 1])[0]) + 0.5) / 4_294_967_296.0
    }

    fn sample(tokens: usize, marked: std::ops::Range<usize>) -> (Windows, Vec<f64>) {
        let ids: Vec<u32> = (0..tokens as u32).collect();
        let rule = Rule { width: 1, before: Before::Pad(1 << 30), once: Once::Context, limit: None };
        let (windows, _) = Windows::new(rule, &ids, None, &HotList::default());
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
    fn parts_are_looked_at_as_the_whole_is() {
        let null = Null::Gamma { shape: 1.0, scale: 1.0 };
        for (tokens, marked) in
            [(4000, 1300..1500), (20_000, 0..0), (16_384, 3000..9000), (32, 0..32), (33, 0..9), (5, 0..5)]
        {
            let (windows, scores) = sample(tokens, marked);
            let whole = look(&null, &windows, &scores, -4.0);
            for part in [1, 7, 16, 333, 50_000] {
                let mut running = Running::new(1 << 20);
                for (i, scores) in scores.chunks(part).enumerate() {
                    let first = part * i;
                    let mut windows =
                        Windows { stream: windows.stream[first..].to_vec(), ..Windows::default() };
                    windows.offset = 1;
                    windows.stream.truncate(1 + scores.len());
                    windows.positions = (1..=scores.len() as u32).collect();
                    running.push(&null, &windows, scores);
                }
                let parts = running.finish(&null, -4.0);
                assert_eq!((parts.windows, parts.log10_p), (whole.windows, whole.log10_p), "{tokens} {part}");
                assert_eq!(parts.regions.len(), whole.regions.len());
                for (a, b) in parts.regions.iter().zip(&whole.regions) {
                    assert_eq!(a.log10_p, b.log10_p);
                    assert!(a.start.abs_diff(b.start) < 40 && a.end.abs_diff(b.end) < 40, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn few_cells_give_coarse_edges() {
        let (windows, scores) = sample(40_000, 13_000..15_000);
        let null = Null::Gamma { shape: 1.0, scale: 1.0 };
        let mut running = Running::new(64);
        running.push(&null, &windows, &scores);
        let regions = running.finish(&null, -4.0).regions;
        assert_eq!(regions.len(), 1, "{regions:?}");
        // 40,000 tokens in at most 64 cells: 1,024 tokens each
        assert!(regions[0].start.abs_diff(13_000) <= 1024 && regions[0].end.abs_diff(15_000) <= 1024);
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
