//! The two hooks: what a server calls, and what the mark does there.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, Tensor};
use colophon_tokenmark::{Generator, Row, SamplerSpec, Scratch, SeededDraws, Sequence, Step};

/// For candle: turns the distribution of the next token into one that is certain of the marked choice.
///
/// Truncation would come after this closure, so a server that truncates sets the probabilities it does not want to 0
/// before it calls this.
pub fn mark_distribution(
    generator: &Generator,
    sequence: &mut Sequence,
    probabilities: &mut [f32],
    scratch: &mut Scratch,
) -> colophon_tokenmark::Result<()> {
    let mut logits: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
    let mut draws = SeededDraws::new(4, sequence.tokens().len() as u64);
    let pick =
        generator.pick(sequence, &Step::default(), &mut Row::dense(&mut logits), &mut draws, scratch)?;
    probabilities.fill(0.0);
    if let Some(chosen) = probabilities.get_mut(pick.index) {
        *chosen = 1.0;
    }
    sequence.accept(pick.token, pick.fate);
    Ok(())
}

/// The trait of mistral.rs for logits processors of a request, signature for signature. `context` is the prompt and what
/// was generated so far. Processors run before temperature and truncation, and more than once for a position where the
/// server guesses ahead, so they keep no state.
pub trait CustomLogitsProcessor: Send + Sync {
    fn apply(&self, logits: &Tensor, context: &[u32]) -> Result<Tensor>;
}

impl<F: Fn(&Tensor, &[u32]) -> Result<Tensor> + Send + Sync> CustomLogitsProcessor for F {
    fn apply(&self, logits: &Tensor, context: &[u32]) -> Result<Tensor> {
        self(logits, context)
    }
}

/// For mistral.rs: truncates, marks and draws itself, and returns a row that forces the token, whatever the server does with
/// it next. The temperature of the request must not be 0 there.
pub struct Mark {
    generator: Arc<Generator>,
    sampler: SamplerSpec,
    prompt_len: usize,
    scratch: Mutex<Scratch>,
}

impl Mark {
    pub fn new(generator: Arc<Generator>, sampler: SamplerSpec, prompt_len: usize) -> Self {
        Self { generator, sampler, prompt_len, scratch: Mutex::default() }
    }
}

impl CustomLogitsProcessor for Mark {
    fn apply(&self, logits: &Tensor, context: &[u32]) -> Result<Tensor> {
        let mut row = logits.flatten_all()?.to_vec1::<f32>()?;
        let (prompt, generated) = context.split_at(self.prompt_len.min(context.len()));
        let sequence = self.generator.resume(prompt, generated);
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        self.sampler
            .force(&self.generator, &sequence, &Step::default(), &mut row, &mut scratch)
            .map_err(candle_core::Error::wrap)?;
        Tensor::from_vec(row, logits.shape(), logits.device())
    }
}
