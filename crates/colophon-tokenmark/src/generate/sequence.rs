//! One answer in the making: its tokens, the contexts it has used, and what became of every token.

use crate::error::{Error, Result};
use crate::prf::lcg::accumulate_all;
use crate::prf::murmur::murmur3;
use crate::scheme::Scheme;
use crate::window::digest;
use std::collections::HashMap;

/// Contexts vLLM looks back over for repeats.
const VLLM_HISTORY: usize = 8192;

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// Its choice carries the mark.
    Marked,
    /// Left alone: its context was used before.
    Repeated,
    /// Left alone: one candidate was nearly certain.
    Gated,
    /// Left alone: the likeliest token was taken.
    Greedy,
    /// Left alone: there was one candidate only.
    Single,
    /// Left alone: too few tokens precede it.
    WithoutContext,
    /// Left alone: the engine's number of contexts is used up.
    LimitReached,
    /// Accepted without a row, for instance when an answer is resumed.
    Unknown,
}

/// How many tokens had which fate: proof of how much of an answer was marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// [`Fate::Marked`].
    pub marked: u64,
    /// [`Fate::Repeated`].
    pub repeated: u64,
    /// [`Fate::Gated`].
    pub gated: u64,
    /// [`Fate::Greedy`].
    pub greedy: u64,
    /// [`Fate::Single`].
    pub single: u64,
    /// [`Fate::WithoutContext`].
    pub without_context: u64,
    /// [`Fate::LimitReached`].
    pub limit_reached: u64,
    /// [`Fate::Unknown`].
    pub unknown: u64,
}

impl Counters {
    /// All tokens.
    pub fn total(&self) -> u64 {
        self.marked
            + self.repeated
            + self.gated
            + self.greedy
            + self.single
            + self.without_context
            + self.limit_reached
            + self.unknown
    }

    fn slot(&mut self, fate: Fate) -> &mut u64 {
        match fate {
            Fate::Marked => &mut self.marked,
            Fate::Repeated => &mut self.repeated,
            Fate::Gated => &mut self.gated,
            Fate::Greedy => &mut self.greedy,
            Fate::Single => &mut self.single,
            Fate::WithoutContext => &mut self.without_context,
            Fate::LimitReached => &mut self.limit_reached,
            Fate::Unknown => &mut self.unknown,
        }
    }
}

/// What a scheme remembers of a sequence.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    width: usize,
    /// Stands before the first generated token; `None` takes the prompt.
    pad: Option<u32>,
    /// Leading tokens that are left alone and not remembered.
    skip: usize,
    /// Contexts looked back over for repeats; 0 for schemes that mark repeats too.
    history: usize,
    limit: Option<usize>,
    name: Name,
}

/// How contexts are compared.
#[derive(Clone, Debug)]
enum Name {
    Tokens,
    Murmur,
    /// SynthID compares its hashes, which begin with this value; its history starts filled with zeros.
    SynthId {
        start: u64,
    },
}

impl Memory {
    pub(super) fn of(scheme: &Scheme) -> Self {
        let width = scheme.context_len();
        let base = Self { width, pad: None, skip: 0, history: usize::MAX, limit: None, name: Name::Tokens };
        match scheme {
            Scheme::Vllm(_) | Scheme::Payload(_) => {
                Self { pad: Some(u32::MAX), history: VLLM_HISTORY, ..base }
            }
            Scheme::Sglang(s) => Self { limit: s.limit(), name: Name::Murmur, ..base },
            Scheme::SynthId(s) => Self {
                pad: Some(0),
                skip: if s.skips_first() { width } else { 0 },
                history: s.history(),
                name: Name::SynthId { start: s.context_hash(&[]) },
                ..base
            },
            Scheme::TextSeal(_) => base,
            Scheme::Kgw(_) | Scheme::Unigram(_) => Self { history: 0, ..base },
        }
    }

    fn name(&self, context: &[u32]) -> u64 {
        match &self.name {
            Name::Tokens => digest(context),
            Name::Murmur => u64::from(murmur3(context)),
            Name::SynthId { start } => accumulate_all(*start, context.iter().map(|&token| u64::from(token))),
        }
    }
}

/// One answer in the making.
#[derive(Clone, Debug)]
pub struct Sequence {
    memory: Memory,
    /// Padding or the end of the prompt, then the accepted tokens.
    stream: Vec<u32>,
    offset: usize,
    fates: Vec<Fate>,
    /// Per accepted token that had a context: its name, and where the same context stood before.
    contexts: Vec<Option<(u64, Option<usize>)>>,
    /// Where each context was used last.
    last: HashMap<u64, usize>,
    counters: Counters,
}

impl Sequence {
    pub(super) fn new(memory: Memory, prompt: &[u32]) -> Self {
        let stream = match memory.pad {
            Some(pad) => vec![pad; memory.width],
            None => prompt[prompt.len().saturating_sub(memory.width)..].to_vec(),
        };
        Self {
            offset: stream.len(),
            memory,
            stream,
            fates: Vec::new(),
            contexts: Vec::new(),
            last: HashMap::new(),
            counters: Counters::default(),
        }
    }

    /// Appends a token. `fate` is what [`super::Generator::apply`] or [`super::Generator::pick`] said of its row.
    pub fn accept(&mut self, token: u32, fate: Fate) {
        let position = self.fates.len();
        let context = if position < self.memory.skip { None } else { self.context() };
        let entry = context.map(|context| self.memory.name(context)).map(|name| {
            let before = self.last.insert(name, position);
            (name, before)
        });
        self.contexts.push(entry);
        self.fates.push(fate);
        *self.counters.slot(fate) += 1;
        self.stream.push(token);
    }

    /// Takes the last `count` tokens back, as if they had never been accepted.
    pub fn rollback(&mut self, count: usize) -> Result<()> {
        let held = self.fates.len();
        if count > held {
            return Err(Error::Rollback { asked: count, held });
        }
        for _ in 0..count {
            if let Some(Some((name, before))) = self.contexts.pop() {
                match before {
                    Some(position) => self.last.insert(name, position),
                    None => self.last.remove(&name),
                };
            }
            if let Some(fate) = self.fates.pop() {
                *self.counters.slot(fate) -= 1;
            }
            self.stream.pop();
        }
        Ok(())
    }

    /// The accepted tokens.
    pub fn tokens(&self) -> &[u32] {
        self.stream.get(self.offset..).unwrap_or_default()
    }

    /// What became of each accepted token.
    pub fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// How many tokens had which fate.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The context after the accepted tokens.
    fn context(&self) -> Option<&[u32]> {
        self.stream.get(self.stream.len().checked_sub(self.memory.width)?..)
    }

    /// Writes the context after the accepted tokens and `draft` to `window`; false if too few tokens precede.
    pub(super) fn window(&self, draft: &[u32], window: &mut Vec<u32>) -> bool {
        let width = self.memory.width;
        window.clear();
        let from_draft = draft.len().min(width);
        let from_stream = width - from_draft;
        let Some(start) = self.stream.len().checked_sub(from_stream) else { return false };
        window.extend_from_slice(&self.stream[start..]);
        window.extend_from_slice(&draft[draft.len() - from_draft..]);
        true
    }

    /// Whether the token after `draft` may be marked, as far as its context goes.
    pub(super) fn outlook(&self, draft: &[u32], window: &mut Vec<u32>) -> Fate {
        let position = self.fates.len() + draft.len();
        if position < self.memory.skip || !self.window(draft, window) {
            return Fate::WithoutContext;
        }
        if self.memory.history == 0 {
            return Fate::Marked;
        }
        let name = self.memory.name(window);
        if self.used(name, position) {
            return Fate::Repeated;
        }
        // contexts inside the draft count as if the draft had been accepted
        let mut fresh_in_draft = 0;
        for len in 0..draft.len() {
            let at = self.fates.len() + len;
            if at < self.memory.skip || !self.window(&draft[..len], window) {
                continue;
            }
            let earlier = self.memory.name(window);
            if earlier == name && position - at <= self.memory.history {
                return Fate::Repeated;
            }
            fresh_in_draft += usize::from(!self.last.contains_key(&earlier));
        }
        if self.memory.limit.is_some_and(|limit| self.last.len() + fresh_in_draft >= limit) {
            return Fate::LimitReached;
        }
        Fate::Marked
    }

    fn used(&self, name: u64, position: usize) -> bool {
        let within = |last: usize| position - last <= self.memory.history;
        if self.last.get(&name).is_some_and(|&last| within(last)) {
            return true;
        }
        // the reference's history starts as zeros, which a hash could equal
        matches!(self.memory.name, Name::SynthId { .. })
            && name == 0
            && position - self.memory.skip.min(position) < self.memory.history
    }
}
