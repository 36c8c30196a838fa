//! What each scheme does to a row, and sampling from the result.

use super::{Generator, Role, Row, Scratch, Sequence, Step, Uniform};
use crate::error::{Error, Result};
use crate::float::{exp_nonpositive, highest};
use crate::gumbel::{KeyChoice, VllmGumbel, pick};
use crate::scheme::Scheme;
use crate::synthid::{SynthId, play, write};

impl Generator {
    /// Changes the row of a token that is to be marked.
    pub(super) fn rewrite(
        &self,
        sequence: &Sequence,
        step: &Step<'_>,
        row: &mut Row<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        match &self.scheme {
            Scheme::SynthId(scheme) => {
                let total = tournament(scheme, sequence, step, row, scratch)?;
                write(&mut scratch.arena, total, scheme.excluded(), row.logits_mut().1);
            }
            Scheme::Kgw(scheme) => {
                sequence.window(step.draft, &mut scratch.window);
                let (ids, logits) = row.logits_mut();
                scheme.bias(&scratch.window, ids, logits, &mut scratch.lists);
            }
            _ => {
                let index = self.winner(sequence, step, row, scratch)?;
                let (_, logits) = row.logits_mut();
                for (i, logit) in logits.iter_mut().enumerate() {
                    *logit = if i == index { 0.0 } else { f32::NEG_INFINITY };
                }
            }
        }
        Ok(())
    }

    /// Chooses the token of a row that is to be marked, as an index.
    pub(super) fn choose(
        &self,
        sequence: &Sequence,
        step: &Step<'_>,
        row: &mut Row<'_>,
        draws: &mut dyn Uniform,
        scratch: &mut Scratch,
    ) -> Result<usize> {
        match &self.scheme {
            Scheme::SynthId(scheme) => {
                tournament(scheme, sequence, step, row, scratch)?;
                let (weights, total) = scratch.arena.outcome(row.logits());
                by_weight(weights, total, draws.next_uniform())
            }
            Scheme::Kgw(_) => {
                self.rewrite(sequence, step, row, scratch)?;
                sample(row.logits(), draws, &mut scratch.weights)
            }
            _ => self.winner(sequence, step, row, scratch),
        }
    }

    /// The index a Gumbel scheme chooses.
    fn winner(
        &self,
        sequence: &Sequence,
        step: &Step<'_>,
        row: &Row<'_>,
        scratch: &mut Scratch,
    ) -> Result<usize> {
        sequence.window(step.draft, &mut scratch.window);
        let context = &scratch.window[..];
        let index = match &self.scheme {
            Scheme::Vllm(scheme) => {
                pick(&scheme.context_of(choice(scheme, step.role, context), context), row)
            }
            Scheme::Sglang(scheme) => {
                let hash = crate::gumbel::SglangGumbel::context_hash(context);
                pick(&scheme.draws(scheme.choice(hash), hash), row)
            }
            Scheme::TextSeal(scheme) => pick(&scheme.draws(context), row),
            Scheme::Payload(mark) => mark.draws(context).and_then(|draws| pick(&draws, row)),
            Scheme::SynthId(_) | Scheme::Kgw(_) | Scheme::Unigram(_) => None,
        };
        index.ok_or(Error::NoCandidate)
    }
}

/// Which of vLLM's two keys draws the token. Without speculation the engine tosses a coin per token; here a keyed word
/// of the context is the coin, so that a token drawn twice is the same.
fn choice(scheme: &VllmGumbel, role: Role, context: &[u32]) -> KeyChoice {
    match (role, scheme.alpha()) {
        (Role::Draft, _) | (_, None) => KeyChoice::A,
        (Role::Target, Some(_)) => KeyChoice::B,
        (Role::Alone, Some(alpha)) => {
            let coin = f64::from(scheme.context(context).word()) / 4_294_967_296.0;
            if coin < alpha { KeyChoice::B } else { KeyChoice::A }
        }
    }
}

fn tournament(
    scheme: &SynthId,
    sequence: &Sequence,
    step: &Step<'_>,
    row: &Row<'_>,
    scratch: &mut Scratch,
) -> Result<f64> {
    sequence.window(step.draft, &mut scratch.window);
    let hash = scheme.context_hash(&scratch.window);
    let logits = row.logits();
    scheme.fill(hash, row.ids(), logits.len(), &mut scratch.arena.planes);
    play(logits, scheme.layers(), scheme.leaves(), &mut scratch.arena).ok_or(Error::NoCandidate)
}

/// Draws an index from the softmax of `logits`.
pub(super) fn sample(logits: &[f32], draws: &mut dyn Uniform, weights: &mut Vec<f32>) -> Result<usize> {
    crate::simd::vectorized(
        #[inline(always)]
        || {
            let top = highest(logits);
            weights.clear();
            weights.resize(logits.len(), 0.0);
            for (weight, &logit) in weights.iter_mut().zip(logits) {
                *weight = exp_nonpositive(logit - top);
            }
        },
    );
    let total = weights.iter().map(|&w| f64::from(w)).sum();
    by_weight(weights, total, draws.next_uniform())
}

/// The first index at which the running sum of weights passes `uniform` of the total.
fn by_weight(weights: &[f32], total: f64, uniform: f64) -> Result<usize> {
    let target = uniform * total;
    let (mut sum, mut last) = (0.0, None);
    for (index, &weight) in weights.iter().enumerate() {
        if weight > 0.0 {
            sum += f64::from(weight);
            last = Some(index);
            if sum > target {
                break;
            }
        }
    }
    last.ok_or(Error::NoCandidate)
}
