//! Marking while sampling.
//!
//! A [`Generator`] holds scheme, key and rules; a [`Sequence`] is one answer in the making. For each token the server
//! either lets [`Generator::apply`] rewrite the logits and samples itself, or lets [`Generator::pick`] choose. Neither
//! changes the sequence: [`Sequence::accept`] does, so drafts of speculative decoding cost nothing to throw away.
//!
//! The mark belongs **last**: after penalties, grammar masks, temperature and truncation. Servers whose hook runs
//! earlier hand those steps over to a [`SamplerSpec`].

mod rewrite;
mod row;
mod sampler;
mod sequence;

pub use row::Row;
pub use sampler::{Drawn, SamplerSpec};
pub use sequence::{Counters, Fate, Sequence};

use crate::error::{Error, Result};
use crate::float::{exp_nonpositive, highest};
use crate::kgw::GreenLists;
use crate::prf::philox::philox;
use crate::scheme::Scheme;
use crate::synthid::Arena;
use sequence::Memory;

/// Rules of marking beside the scheme.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct GeneratorOptions {
    /// Leaves a token alone if the model gives one candidate more than this probability: such a token can hardly carry
    /// a mark and is most likely a fact. `None` marks regardless.
    pub max_top_probability: Option<f32>,
    /// Accepts keys that documentation prints, for tests against other programs.
    pub allow_published_key: bool,
}

/// Where a token stands in speculative decoding; only schemes with two keys care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// No speculation.
    #[default]
    Alone,
    /// Proposed by the draft model.
    Draft,
    /// Chosen by the target model, or drawn to recover from a rejection.
    Target,
}

/// The position a row of logits is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step<'a> {
    /// Draft tokens between the accepted ones and this row.
    pub draft: &'a [u32],
    /// Where the token stands in speculative decoding.
    pub role: Role,
    /// The server takes the likeliest token: nothing is marked.
    pub greedy: bool,
}

/// A source of uniform numbers in [0, 1), for tokens that are not marked and for distributions that were rewritten.
pub trait Uniform {
    /// The next number.
    fn next_uniform(&mut self) -> f64;
}

impl<F: FnMut() -> f64> Uniform for F {
    fn next_uniform(&mut self) -> f64 {
        self()
    }
}

/// Uniform numbers that depend on a seed and a position only: drawing again after a rollback gives the same token.
#[derive(Clone, Debug)]
pub struct SeededDraws {
    key: [u32; 2],
    position: u64,
    draws: u32,
}

impl SeededDraws {
    /// The numbers of one position of one sequence; `seed` should differ between sequences.
    pub fn new(seed: u64, position: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], position, draws: 0 }
    }
}

impl Uniform for SeededDraws {
    fn next_uniform(&mut self) -> f64 {
        const DOMAIN: u32 = u32::from_be_bytes(*b"draw");
        let position = [self.position as u32, (self.position >> 32) as u32];
        let words = philox([position[0], position[1], self.draws, DOMAIN], self.key);
        self.draws = self.draws.wrapping_add(1);
        let bits = u64::from(words[0]) << 32 | u64::from(words[1]);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Buffers kept between calls. One per thread; it holds no state that matters.
#[derive(Default)]
pub struct Scratch {
    arena: Arena,
    lists: GreenLists,
    weights: Vec<f32>,
    candidates: Vec<(f32, u32)>,
    ids: Vec<u32>,
    logits: Vec<f32>,
    window: Vec<u32>,
}

/// The token chosen by [`Generator::pick`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Index in the row.
    pub index: usize,
    /// The id.
    pub token: u32,
    /// Whether the choice was marked; hand it to [`Sequence::accept`].
    pub fate: Fate,
}

/// Marks tokens of any number of sequences.
#[derive(Debug)]
pub struct Generator {
    scheme: Scheme,
    options: GeneratorOptions,
}

impl Generator {
    /// A generator. Published keys are refused unless the options allow them, and so is a scheme that is only detected.
    pub fn new(scheme: Scheme, options: GeneratorOptions) -> Result<Self> {
        if scheme.key_is_published() && !options.allow_published_key {
            return Err(Error::PublishedKey { scheme: scheme.id() });
        }
        let reader = matches!(&scheme, Scheme::Payload(mark) if mark.draws(&[]).is_none());
        if reader || matches!(scheme, Scheme::Unigram(_)) {
            return Err(Error::Unsupported { scheme: scheme.id(), operation: "generating" });
        }
        if options.max_top_probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Err(Error::Parameter {
                scheme: "generator",
                name: "max top probability",
                allowed: "0 to 1",
            });
        }
        Ok(Self { scheme, options })
    }

    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// A new answer to `prompt`.
    pub fn begin(&self, prompt: &[u32]) -> Sequence {
        Sequence::new(Memory::of(&self.scheme), prompt)
    }

    /// An answer of which `generated` is known already, for hooks without state. Costs a hash per token.
    pub fn resume(&self, prompt: &[u32], generated: &[u32]) -> Sequence {
        let mut sequence = self.begin(prompt);
        for &token in generated {
            sequence.accept(token, Fate::Unknown);
        }
        sequence
    }

    /// Rewrites a row of log-probabilities or logits so that sampling from it marks the token.
    ///
    /// SynthID and KGW change the distribution. Gumbel schemes choose the token: all other logits become minus
    /// infinity, so log-probabilities for the client must be taken before. A row that is not to be marked stays as it
    /// is. Excluded candidates are minus infinity.
    pub fn apply(
        &self,
        sequence: &Sequence,
        step: &Step<'_>,
        row: &mut Row<'_>,
        scratch: &mut Scratch,
    ) -> Result<Fate> {
        self.check(row)?;
        let fate = self.fate(sequence, step, row, scratch)?;
        if fate == Fate::Marked {
            self.rewrite(sequence, step, row, scratch)?;
        }
        Ok(fate)
    }

    /// Chooses the token of a row, marked or not.
    pub fn pick(
        &self,
        sequence: &Sequence,
        step: &Step<'_>,
        row: &mut Row<'_>,
        draws: &mut dyn Uniform,
        scratch: &mut Scratch,
    ) -> Result<Pick> {
        self.check(row)?;
        let fate = self.fate(sequence, step, row, scratch)?;
        let index = match fate {
            Fate::Marked => self.choose(sequence, step, row, draws, scratch)?,
            Fate::Greedy | Fate::Single => likeliest(row.logits()).ok_or(Error::NoCandidate)?,
            _ => rewrite::sample(row.logits(), draws, &mut scratch.weights)?,
        };
        Ok(Pick { index, token: row.id(index), fate })
    }

    /// [`Self::apply`] on every row of a batch. Rows are not requests: several rows may belong to one sequence.
    pub fn apply_batch(&self, rows: &mut [BatchRow<'_>], scratch: &mut Scratch) -> Vec<Result<Fate>> {
        rows.iter_mut().map(|r| self.apply(r.sequence, &r.step, &mut r.row, scratch)).collect()
    }

    fn check(&self, row: &Row<'_>) -> Result<()> {
        row.check(self.scheme.vocabulary())
    }

    /// Whether the token of this row is to be marked, and if not, why.
    fn fate(
        &self,
        sequence: &Sequence,
        step: &Step<'_>,
        row: &Row<'_>,
        scratch: &mut Scratch,
    ) -> Result<Fate> {
        let logits = row.logits();
        let mut finite = logits.iter().filter(|&&x| x > f32::NEG_INFINITY);
        if finite.next().is_none() {
            return Err(Error::NoCandidate);
        }
        if step.greedy {
            return Ok(Fate::Greedy);
        }
        let fate = sequence.outlook(step.draft, &mut scratch.window);
        if fate != Fate::Marked {
            return Ok(fate);
        }
        if finite.next().is_none() {
            return Ok(Fate::Single);
        }
        if let Some(limit) = self.options.max_top_probability
            && top_probability(logits) > limit
        {
            return Ok(Fate::Gated);
        }
        Ok(Fate::Marked)
    }
}

/// One row of a batch.
#[derive(Debug)]
pub struct BatchRow<'a> {
    /// The sequence the row belongs to.
    pub sequence: &'a Sequence,
    /// Its position.
    pub step: Step<'a>,
    /// The logits.
    pub row: Row<'a>,
}

fn likeliest(logits: &[f32]) -> Option<usize> {
    let top = highest(logits);
    logits.iter().position(|&x| x == top && x > f32::NEG_INFINITY)
}

/// The probability of the likeliest candidate.
fn top_probability(logits: &[f32]) -> f32 {
    crate::simd::vectorized(
        #[inline(always)]
        || {
            const LANES: usize = 16;
            let top = highest(logits);
            let mut sums = [0.0f32; LANES];
            let blocks = logits.chunks_exact(LANES);
            for (sum, &x) in sums.iter_mut().zip(blocks.remainder()) {
                *sum += exp_nonpositive(x - top);
            }
            for block in blocks {
                for (sum, &x) in sums.iter_mut().zip(block) {
                    *sum += exp_nonpositive(x - top);
                }
            }
            1.0 / sums.iter().sum::<f32>()
        },
    )
}
