//! The whole sampler, for hooks that run before temperature and truncation.

use super::{Fate, Generator, Row, Scratch, SeededDraws, Sequence, Step};
use crate::error::{Error, Result};
use crate::float::highest;

/// Temperature, truncation and seed of a request.
///
/// Hooks of several servers run before these steps. There the library must do them itself: a mark made before
/// truncation distorts, and is partly cut away again. The server then gets a row that forces the chosen token, which
/// whatever comes after cannot change (its own temperature must not be 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerSpec {
    /// 0 takes the likeliest token and marks nothing.
    pub temperature: f32,
    /// Keeps the likeliest so many candidates; 0 keeps all.
    pub top_k: usize,
    /// Keeps the smallest set of likeliest candidates with at least this probability; 1 keeps all.
    pub top_p: f32,
    /// Keeps candidates with at least this share of the likeliest one's probability; 0 keeps all.
    pub min_p: f32,
    /// Seed of the draws for tokens that are not marked; should differ between sequences.
    pub seed: u64,
}

/// A token drawn by a [`SamplerSpec`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The id.
    pub token: u32,
    /// Hand it to [`Sequence::accept`].
    pub fate: Fate,
    /// Natural logarithm of the token's probability after temperature and truncation, before the mark: what a client
    /// that asks for log-probabilities should get.
    pub log_prob: f32,
}

impl SamplerSpec {
    fn check(&self) -> Result<()> {
        let wrong = |name, allowed| Err(Error::Parameter { scheme: "sampler", name, allowed });
        if !(0.0..=100.0).contains(&self.temperature) {
            return wrong("temperature", "0 to 100");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return wrong("top-p", "above 0, at most 1");
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            return wrong("min-p", "0 to 1");
        }
        Ok(())
    }

    /// Draws the next token from the model's raw logits, one per id.
    pub fn draw(
        &self,
        generator: &Generator,
        sequence: &Sequence,
        step: &Step<'_>,
        logits: &[f32],
        scratch: &mut Scratch,
    ) -> Result<Drawn> {
        self.check()?;
        if let Some(index) = logits.iter().position(|x| x.is_nan() || *x == f32::INFINITY) {
            return Err(Error::BadLogit { index });
        }
        self.truncate(logits, &mut scratch.candidates);
        if scratch.candidates.is_empty() {
            return Err(Error::NoCandidate);
        }
        // taken out while the generator uses the rest of the scratch
        let (mut ids, mut kept) = (std::mem::take(&mut scratch.ids), std::mem::take(&mut scratch.logits));
        ids.clear();
        kept.clear();
        ids.extend(scratch.candidates.iter().map(|c| c.1));
        kept.extend(scratch.candidates.iter().map(|c| c.0));
        let top = highest(&kept);
        let total: f64 = kept.iter().map(|&x| f64::from(x - top).exp()).sum();
        let greedy = step.greedy || self.temperature == 0.0;
        let position = (sequence.tokens().len() + step.draft.len()) as u64;
        let mut draws = SeededDraws::new(self.seed, position);
        let picked = Row::sparse(&ids, &mut kept).and_then(|mut row| {
            generator.pick(sequence, &Step { greedy, ..*step }, &mut row, &mut draws, scratch)
        });
        let drawn = picked.map(|pick| {
            // the row may have been rewritten, the candidates were not
            let own = scratch.candidates.get(pick.index).map_or(top, |c| c.0);
            Drawn { token: pick.token, fate: pick.fate, log_prob: (f64::from(own - top) - total.ln()) as f32 }
        });
        (scratch.ids, scratch.logits) = (ids, kept);
        drawn
    }

    /// Draws the next token and writes a row that forces it: 0 for the token, minus infinity elsewhere.
    pub fn force(
        &self,
        generator: &Generator,
        sequence: &Sequence,
        step: &Step<'_>,
        logits: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<Drawn> {
        let drawn = self.draw(generator, sequence, step, logits, scratch)?;
        logits.fill(f32::NEG_INFINITY);
        if let Some(logit) = logits.get_mut(drawn.token as usize) {
            *logit = 0.0;
        }
        Ok(drawn)
    }

    /// Candidates left after truncation, with scaled logits, in order of id unless they had to be sorted.
    fn truncate(&self, logits: &[f32], kept: &mut Vec<(f32, u32)>) {
        let above = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        kept.clear();
        let all = logits.iter().enumerate().filter(|(_, x)| **x > f32::NEG_INFINITY);
        let count = if self.temperature == 0.0 { 1 } else { self.top_k };
        if count == 0 || count >= logits.len() {
            kept.extend(all.map(|(id, &x)| (x, id as u32)));
        } else {
            // a buffer of a few times k: cut back whenever it is full, and skip what cannot enter any more
            let room = (4 * count).max(256);
            let mut floor = f32::NEG_INFINITY;
            for (id, &x) in all {
                if x > floor {
                    kept.push((x, id as u32));
                    if kept.len() >= room {
                        kept.select_nth_unstable_by(count - 1, above);
                        kept.truncate(count);
                        floor = kept.last().map_or(floor, |c| c.0);
                    }
                }
            }
            if kept.len() > count {
                kept.select_nth_unstable_by(count - 1, above);
                kept.truncate(count);
            }
        }
        let top = kept.iter().fold(f32::NEG_INFINITY, |top, c| top.max(c.0));
        if self.temperature > 0.0 {
            for c in kept.iter_mut() {
                c.0 = (c.0 - top) / self.temperature;
            }
        }
        if self.top_p < 1.0 {
            kept.sort_unstable_by(above);
            let total: f64 = kept.iter().map(|c| f64::from(c.0).exp()).sum();
            let (mut sum, goal) = (0.0, f64::from(self.top_p) * total);
            let count = kept.iter().take_while(|c| {
                let short = sum < goal;
                sum += f64::from(c.0).exp();
                short
            });
            let count = count.count().max(1);
            kept.truncate(count);
        }
        if self.min_p > 0.0 && self.temperature > 0.0 {
            let floor = self.min_p.ln();
            kept.retain(|c| c.0 >= floor);
        }
    }
}
