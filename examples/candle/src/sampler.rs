//! A server's sampler: temperature, truncation, a draw.

use candle_core::{D, Result, Tensor};

/// As `LogitsProcessor` of candle-transformers, which is a large crate to build for one function: `sample_f` takes the same
/// closure at the same place, after temperature and softmax and before truncation.
pub struct Sampler {
    state: u64,
    top_k: usize,
    temperature: f64,
}

impl Sampler {
    /// Keeps the likeliest `top_k` candidates; all for 0.
    pub fn new(seed: u64, top_k: usize, temperature: f64) -> Self {
        Self { state: seed, top_k, temperature }
    }

    pub fn sample(&mut self, logits: &Tensor) -> Result<u32> {
        self.sample_f(logits, |_| {})
    }

    pub fn sample_f(&mut self, logits: &Tensor, change: impl FnOnce(&mut [f32])) -> Result<u32> {
        let mut weights =
            candle_nn::ops::softmax(&(logits / self.temperature)?, D::Minus1)?.to_vec1::<f32>()?;
        change(&mut weights);
        if self.top_k > 0 && self.top_k < weights.len() {
            let mut sorted = weights.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let least = sorted[self.top_k - 1];
            weights.iter_mut().filter(|w| **w < least).for_each(|w| *w = 0.0);
        }
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = (self.state >> 11) as f64 / (1u64 << 53) as f64;
        let mut left = uniform * weights.iter().map(|&w| f64::from(w)).sum::<f64>();
        let chosen = weights.iter().position(|&w| {
            left -= f64::from(w);
            w > 0.0 && left < 0.0
        });
        // rounding may leave nothing at the very end
        let last = || weights.iter().rposition(|&w| w > 0.0).unwrap_or_default();
        Ok(chosen.unwrap_or_else(last) as u32)
    }
}
