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

/// The tokens of a sample laid out for one [`Rule`].
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// Whatever stands before, then the tokens.
    pub(crate) stream: Vec<u32>,
    /// Index in `stream` of the first token.
    pub(crate) offset: usize,
    /// Indexes in `stream` of scored tokens, rising, each at least `width`.
    pub(crate) positions: Vec<u32>,
    /// Tokens left out because their context was scored before.
    pub(crate) repeats: usize,
    /// Tokens left out because they have no full context.
    pub(crate) without_context: usize,
    /// Tokens left out because their n-gram is on the list to ignore.
    pub(crate) ignored: usize,
    /// Whether tokens after the engine's limit were left out.
    pub(crate) limit_reached: bool,
}

impl Windows {
    pub(crate) fn new(rule: Rule, tokens: &[u32], prompt: Option<&[u32]>, ignore: &HotList) -> Self {
        let width = rule.width;
        let mut stream = Vec::with_capacity(tokens.len() + width);
        match rule.before {
            Before::Pad(pad) => stream.resize(width, pad),
            Before::Prompt => {
                let prompt = prompt.unwrap_or_default();
                stream.extend_from_slice(&prompt[prompt.len().saturating_sub(width)..]);
            }
            Before::Nothing => {}
        }
        let offset = stream.len();
        stream.extend_from_slice(tokens);
        let first = width.max(offset);
        let mut windows =
            Self { offset, without_context: (first - offset).min(tokens.len()), ..Self::default() };
        let mut seen: HashSet<u64, BuildHasherDefault<Digested>> = HashSet::default();
        seen.reserve(tokens.len().min(1 << 16));
        for position in first..stream.len() {
            let (context, token) = (&stream[position - width..position], stream[position]);
            let digest = match rule.once {
                Once::Context => digest(context),
                Once::MurmurContext => u64::from(murmur3(context)),
                Once::ContextAndToken => digest(&stream[position - width..=position]),
            };
            if seen.contains(&digest) {
                windows.repeats += 1;
                continue;
            }
            if rule.limit.is_some_and(|limit| windows.positions.len() >= limit) {
                windows.limit_reached = true;
                break;
            }
            seen.insert(digest);
            if !ignore.is_empty() && ignore.contains(context, token) {
                windows.ignored += 1;
                continue;
            }
            windows.positions.push(position as u32);
        }
        windows.stream = stream;
        windows
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
        self.0 = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
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
        let windows =
            Windows::new(rule(2, Before::Nothing, Once::Context), &tokens, None, &HotList::default());
        assert_eq!(windows.positions, [2, 3, 4, 6, 7]);
        assert_eq!((windows.repeats, windows.without_context), (2, 2));
        let windows =
            Windows::new(rule(2, Before::Nothing, Once::ContextAndToken), &tokens, None, &HotList::default());
        assert_eq!(windows.positions, [2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn padding_and_prompt_give_the_first_tokens_a_context() {
        let hot = HotList::default();
        let padded = Windows::new(rule(3, Before::Pad(9), Once::Context), &[1, 2], None, &hot);
        assert_eq!((padded.positions, padded.offset), (vec![3, 4], 3));
        let prompted =
            Windows::new(rule(3, Before::Prompt, Once::Context), &[1, 2], Some(&[5, 6, 7, 8]), &hot);
        assert_eq!((prompted.stream, prompted.positions), (vec![6, 7, 8, 1, 2], vec![3, 4]));
        let short = Windows::new(rule(3, Before::Prompt, Once::Context), &[1, 2, 3], Some(&[8]), &hot);
        assert_eq!((short.positions, short.without_context), (vec![3], 2));
    }

    #[test]
    fn listed_ngrams_are_left_out() {
        let mut hot = HotList::default();
        hot.insert(&[1, 2], 3);
        let windows = Windows::new(rule(2, Before::Nothing, Once::Context), &[1, 2, 3, 4, 5], None, &hot);
        assert_eq!((windows.positions, windows.ignored), (vec![3, 4], 1));
    }

    proptest! {
        #[test]
        fn no_input_panics(tokens in prop::collection::vec(any::<u32>(), 0..60), prompt in prop::collection::vec(any::<u32>(), 0..9), width in 0usize..9) {
            for before in [Before::Pad(7), Before::Prompt, Before::Nothing] {
                let windows = Windows::new(rule(width, before, Once::ContextAndToken), &tokens, Some(&prompt), &HotList::default());
                prop_assert_eq!(windows.positions.len() + windows.repeats + windows.without_context, tokens.len());
                prop_assert!(windows.positions.iter().all(|&p| p as usize >= width));
            }
        }
    }
}
