//! Which tokens are scored: every distinct context once.
//!
//! Repeated contexts carry the same keyed numbers, so counting them again would count the same luck again; on templated
//! text that turns one chance in a thousand into one in a few.

use crate::prf::murmur::murmur3;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// How a scheme forms contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Tokens before the scored one.
    pub(crate) width: usize,
    pub(crate) before: Before,
    pub(crate) once: Once,
    /// Scored contexts after which the engine no longer marks.
    pub(crate) limit: Option<usize>,
}

/// What stands before the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// The engine's padding: the first token is scored.
    Pad(u32),
    /// The prompt, if it is known; else the first tokens have no context.
    Prompt,
    /// Nothing: the first tokens have no context.
    Nothing,
}

/// What must be distinct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Once {
    Context,
    /// SGLang compares hashes of contexts.
    MurmurContext,
    ContextAndToken,
}

/// The tokens of a sample, or of the next part of one, laid out for one [`Rule`].
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// Whatever stands before, then the tokens.
    pub(crate) stream: Vec<u32>,
    /// Index in `stream` of the first token.
    pub(crate) offset: usize,
    /// Indexes in `stream` of scored tokens, rising, each at least `width`.
    pub(crate) positions: Vec<u32>,
}

/// Tokens that are not scored, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Their context was scored before.
    pub(crate) repeats: usize,
    /// They have no full context.
    pub(crate) without_context: usize,
    /// Their n-gram is on the list to ignore.
    pub(crate) ignored: usize,
    /// More contexts occurred than are remembered.
    pub(crate) crowded_out: usize,
    /// Whether tokens after the engine's limit were left out.
    pub(crate) limit_reached: bool,
}

/// Lays out a sample part by part: the parts give what the whole gives.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    rule: Rule,
    seen: Seen,
    /// The last tokens so far, at most as many as a context has.
    before: Vec<u32>,
    scored: usize,
    pub(crate) left_out: LeftOut,
}

impl Layout {
    /// For samples after `prompt`. With `slots`, contexts are remembered in so many times 8 bytes, three quarters of that.
    pub(crate) fn new(rule: Rule, prompt: Option<&[u32]>, slots: Option<usize>) -> Self {
        let before = match rule.before {
            Before::Pad(pad) => vec![pad; rule.width],
            Before::Prompt => {
                let prompt = prompt.unwrap_or_default();
                prompt[prompt.len().saturating_sub(rule.width)..].to_vec()
            }
            Before::Nothing => Vec::new(),
        };
        let seen =
            slots.map_or_else(|| Seen::All(HashSet::default()), |slots| Seen::Some(Bounded::new(slots)));
        Self { rule, seen, before, scored: 0, left_out: LeftOut::default() }
    }

    /// How contexts are formed.
    pub(crate) fn rule(&self) -> Rule {
        self.rule
    }

    /// Gives up memory for contexts above so many slots.
    pub(crate) fn shrink(&mut self, slots: usize) {
        if let Seen::Some(bounded) = &mut self.seen {
            bounded.shrink(slots);
        }
    }

    /// Lays out the next `tokens` in `out`.
    pub(crate) fn push(&mut self, tokens: &[u32], ignore: &HotList, out: &mut Windows) {
        let Rule { width, once, limit, .. } = self.rule;
        let Windows { stream, offset, positions } = out;
        stream.clear();
        positions.clear();
        stream.extend_from_slice(&self.before);
        *offset = stream.len();
        stream.extend_from_slice(tokens);
        self.before.clear();
        self.before.extend_from_slice(&stream[stream.len().saturating_sub(width)..]);
        let first = width.max(*offset);
        self.left_out.without_context += (first - *offset).min(tokens.len());
        if self.left_out.limit_reached {
            return;
        }
        if let Seen::All(set) = &mut self.seen {
            set.reserve(tokens.len().min(1 << 16));
        }
        for position in first..stream.len() {
            let (context, token) = (&stream[position - width..position], stream[position]);
            let digest = match once {
                Once::Context => digest(context),
                Once::MurmurContext => u64::from(murmur3(context)),
                Once::ContextAndToken => digest(&stream[position - width..=position]),
            };
            if limit.is_some_and(|limit| self.scored >= limit) && !self.seen.holds(digest) {
                self.left_out.limit_reached = true;
                break;
            }
            match self.seen.admit(digest) {
                Admission::Repeat => self.left_out.repeats += 1,
                Admission::Full => self.left_out.crowded_out += 1,
                Admission::New if !ignore.is_empty() && ignore.contains(context, token) => {
                    self.left_out.ignored += 1;
                }
                Admission::New => {
                    positions.push(position as u32);
                    self.scored += 1;
                }
            }
        }
    }
}

/// The contexts seen so far.
#[derive(Clone, Debug)]
enum Seen {
    /// All of them.
    All(HashSet<u64, BuildHasherDefault<Digested>>),
    /// As many as there is room for.
    Some(Bounded),
}

enum Admission {
    New,
    Repeat,
    Full,
}

impl Seen {
    fn holds(&self, digest: u64) -> bool {
        match self {
            Self::All(set) => set.contains(&digest),
            Self::Some(bounded) => bounded.holds(digest),
        }
    }

    #[inline]
    fn admit(&mut self, digest: u64) -> Admission {
        match self {
            Self::All(set) => {
                if set.insert(digest) {
                    Admission::New
                } else {
                    Admission::Repeat
                }
            }
            Self::Some(bounded) => bounded.admit(digest),
        }
    }
}

/// Contexts in bounded memory.
///
/// When there is no more room, half of all contexts are forgotten and no longer looked at, by a bit of their digest, which
/// has nothing to do with any key: what is still scored is a fair sample, each context of it once.
#[derive(Clone, Debug)]
struct Bounded {
    /// Open addressing in several tables, so that each can be made anew with little memory; 0 is an empty slot.
    tables: Vec<Vec<u64>>,
    held: usize,
    /// A digest takes part if none of these bits is set.
    thinned: u64,
}

/// Number of tables.
const TABLES: usize = 64;
/// The first bit of digests that thins; the ones below choose the table.
const FIRST_THINNED: u64 = TABLES as u64;
/// All the bits that thin: 2^20 times the room is more than can be read.
const THINNEST: u64 = ((1 << 20) - 1) * FIRST_THINNED;

impl Bounded {
    /// With at most this many slots of 8 bytes, of which three quarters are used.
    fn new(slots: usize) -> Self {
        Self { tables: vec![vec![0; slots_of_table(slots)]; TABLES], held: 0, thinned: 0 }
    }

    fn room(&self) -> usize {
        TABLES * self.tables[0].len() / 4 * 3
    }

    /// Moves everything into at most this many slots.
    fn shrink(&mut self, slots: usize) {
        let slots = slots_of_table(slots);
        if slots < self.tables[0].len() {
            while self.held > TABLES * slots / 4 * 3 && self.thinned != THINNEST {
                self.thin();
            }
            self.renew(slots);
        }
    }

    fn thin(&mut self) {
        if self.thinned != THINNEST {
            self.thinned = self.thinned << 1 | FIRST_THINNED;
            self.renew(self.tables[0].len());
        }
    }

    /// Makes every table anew with what still takes part.
    fn renew(&mut self, slots: usize) {
        self.held = 0;
        for table in &mut self.tables {
            let kept = std::mem::replace(table, vec![0; slots]);
            for digest in kept.into_iter().filter(|digest| *digest != 0 && digest & self.thinned == 0) {
                self.held += usize::from(insert(table, digest));
            }
        }
    }

    fn holds(&self, digest: u64) -> bool {
        let (table, digest) = (&self.tables[table_of(digest)], digest.max(1));
        slot(table, digest).is_some_and(|slot| table[slot] == digest)
    }

    #[inline]
    fn admit(&mut self, digest: u64) -> Admission {
        if digest & self.thinned != 0 || self.held >= self.room() && self.thinned == THINNEST {
            return Admission::Full;
        }
        if !insert(&mut self.tables[table_of(digest)], digest.max(1)) {
            return Admission::Repeat;
        }
        self.held += 1;
        if self.held > self.room() {
            self.thin();
        }
        Admission::New
    }
}

fn slots_of_table(slots: usize) -> usize {
    let each = (slots / TABLES).max(16);
    1 << each.ilog2()
}

fn table_of(digest: u64) -> usize {
    digest as usize & (TABLES - 1)
}

/// The slot of a digest, or the empty one where it would be; `None` if the table is full of others.
#[inline]
fn slot(table: &[u64], digest: u64) -> Option<usize> {
    let mask = table.len() - 1;
    let first = (digest.wrapping_mul(SPREAD) >> 32) as usize;
    (0..table.len())
        .map(|step| (first + step) & mask)
        .find(|&slot| matches!(table[slot], 0) || table[slot] == digest)
}

/// Puts a digest into a table; false if it is there already, or if the table is full.
#[inline]
fn insert(table: &mut [u64], digest: u64) -> bool {
    match slot(table, digest) {
        Some(slot) if table[slot] == 0 => {
            table[slot] = digest;
            true
        }
        _ => false,
    }
}

/// Spreads digests over slots (2^64 over the golden ratio).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Windows {
    /// A whole sample.
    pub(crate) fn new(
        rule: Rule,
        tokens: &[u32],
        prompt: Option<&[u32]>,
        ignore: &HotList,
    ) -> (Self, LeftOut) {
        let mut windows = Self::default();
        windows.stream.reserve_exact(tokens.len() + rule.width);
        let mut layout = Layout::new(rule, prompt, None);
        layout.push(tokens, ignore, &mut windows);
        (windows, layout.left_out)
    }
}

/// 64 bits that name a run of tokens, the same for every key.
pub(crate) fn digest(tokens: &[u32]) -> u64 {
    const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
    const ODD: u64 = 0xD6E8_FEB8_6659_FD93;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mut state = SEED ^ tokens.len() as u64;
    let pairs = tokens.chunks_exact(2);
    if let [last] = pairs.remainder() {
        state = fold(state ^ u64::from(*last), ODD);
    }
    for pair in pairs {
        state = fold(state ^ (u64::from(pair[0]) << 32 | u64::from(pair[1])), ODD);
    }
    fold(state, SEED)
}

/// N-grams to leave out: they recur in ordinary text and happen to look marked under one key.
#[derive(Clone, Debug, Default)]
pub struct HotList {
    entries: HashMap<usize, HashSet<u64>>,
}

impl HotList {
    /// Adds the n-gram of `context` and `token`.
    pub fn insert(&mut self, context: &[u32], token: u32) {
        self.entries.entry(context.len()).or_default().insert(ngram(context, token));
    }

    /// Number of n-grams.
    pub fn len(&self) -> usize {
        self.entries.values().map(HashSet::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn contains(&self, context: &[u32], token: u32) -> bool {
        self.entries.get(&context.len()).is_some_and(|set| set.contains(&ngram(context, token)))
    }
}

/// The name of an n-gram.
pub(crate) fn ngram(context: &[u32], token: u32) -> u64 {
    digest(context).rotate_left(17) ^ digest(&[token])
}

/// Digests are spread already; hashing them again would be waste.
#[derive(Default)]
pub(crate) struct Digested(u64);

impl Hasher for Digested {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value.wrapping_mul(SPREAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(width: usize, before: Before, once: Once) -> Rule {
        Rule { width, before, once, limit: None }
    }

    #[test]
    fn every_context_counts_once() {
        let tokens = [1, 2, 3, 1, 2, 4, 1, 2, 3];
        let (windows, left_out) =
            Windows::new(rule(2, Before::Nothing, Once::Context), &tokens, None, &HotList::default());
        assert_eq!(windows.positions, [2, 3, 4, 6, 7]);
        assert_eq!((left_out.repeats, left_out.without_context), (2, 2));
        let (windows, _) =
            Windows::new(rule(2, Before::Nothing, Once::ContextAndToken), &tokens, None, &HotList::default());
        assert_eq!(windows.positions, [2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn padding_and_prompt_give_the_first_tokens_a_context() {
        let hot = HotList::default();
        let (padded, _) = Windows::new(rule(3, Before::Pad(9), Once::Context), &[1, 2], None, &hot);
        assert_eq!((padded.positions, padded.offset), (vec![3, 4], 3));
        let (prompted, _) =
            Windows::new(rule(3, Before::Prompt, Once::Context), &[1, 2], Some(&[5, 6, 7, 8]), &hot);
        assert_eq!((prompted.stream, prompted.positions), (vec![6, 7, 8, 1, 2], vec![3, 4]));
        let (short, left_out) =
            Windows::new(rule(3, Before::Prompt, Once::Context), &[1, 2, 3], Some(&[8]), &hot);
        assert_eq!((short.positions, left_out.without_context), (vec![3], 2));
    }

    #[test]
    fn listed_ngrams_are_left_out() {
        let mut hot = HotList::default();
        hot.insert(&[1, 2], 3);
        let (windows, left_out) =
            Windows::new(rule(2, Before::Nothing, Once::Context), &[1, 2, 3, 4, 5], None, &hot);
        assert_eq!((windows.positions, left_out.ignored), (vec![3, 4], 1));
    }

    #[test]
    fn a_full_memory_keeps_a_fair_sample_and_scores_nothing_twice() {
        let rule = rule(1, Before::Nothing, Once::Context);
        // 16 slots in each of 64 tables, of which 12 are used
        let mut layout = Layout::new(rule, None, Some(1024));
        let (hot, mut windows) = (HotList::default(), Windows::default());
        let mut contexts = Vec::new();
        for round in 0..2 {
            // every context twice, 40,000 apart
            for first in (0..40_000u32).step_by(500) {
                let tokens: Vec<u32> = (first..first + 500).collect();
                layout.push(&tokens, &hot, &mut windows);
                contexts.extend(windows.positions.iter().map(|&p| windows.stream[p as usize - 1]));
            }
            if round == 0 {
                // 768, then half as many after each halving
                assert!((1800..3600).contains(&contexts.len()), "{}", contexts.len());
                let late = contexts.iter().filter(|&&c| c >= 20_000).count();
                assert!((250..1200).contains(&late), "{late}");
            }
        }
        let count = contexts.len();
        contexts.sort_unstable();
        contexts.dedup();
        assert_eq!(contexts.len(), count);
        assert_eq!(layout.left_out.repeats + layout.left_out.crowded_out + count + 1, 80_000);
    }

    proptest! {
        #[test]
        fn parts_give_what_the_whole_gives(tokens in prop::collection::vec(0u32..6, 0..90), cuts in prop::collection::vec(0usize..90, 0..6), width in 0usize..5) {
            for (before, once) in [(Before::Pad(7), Once::Context), (Before::Prompt, Once::MurmurContext), (Before::Nothing, Once::ContextAndToken)] {
                for limit in [None, Some(8)] {
                    let (rule, hot) = (Rule { width, before, once, limit }, HotList::default());
                    let (whole, left_out) = Windows::new(rule, &tokens, Some(&[9, 9]), &hot);
                    let want: Vec<usize> = whole.positions.iter().map(|&p| p as usize - whole.offset).collect();
                    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (tokens.len() + 1)).collect();
                    ends.push(tokens.len());
                    ends.sort_unstable();
                    let (mut layout, mut part, mut got, mut start) = (Layout::new(rule, Some(&[9, 9]), Some(1 << 14)), Windows::default(), Vec::new(), 0);
                    for end in ends {
                        layout.push(&tokens[start..end], &hot, &mut part);
                        got.extend(part.positions.iter().map(|&p| start + p as usize - part.offset));
                        start = end;
                    }
                    prop_assert_eq!(got, want);
                    prop_assert_eq!(layout.left_out, left_out);
                }
            }
        }

        #[test]
        fn no_input_panics(tokens in prop::collection::vec(any::<u32>(), 0..60), prompt in prop::collection::vec(any::<u32>(), 0..9), width in 0usize..9) {
            for before in [Before::Pad(7), Before::Prompt, Before::Nothing] {
                let (windows, left_out) = Windows::new(rule(width, before, Once::ContextAndToken), &tokens, Some(&prompt), &HotList::default());
                prop_assert_eq!(windows.positions.len() + left_out.repeats + left_out.without_context, tokens.len());
                prop_assert!(windows.positions.iter().all(|&p| p as usize >= width));
            }
        }
    }
}
