//! A model of bytes: the last sixteen, each by a learnt vector, through one hidden layer.

use std::path::Path;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{
    AdamW, Embedding, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, embedding, linear, loss,
};

const BYTES: usize = 256;
/// Bytes the model sees.
const SEEN: usize = 16;
const WIDE: usize = 24;
const HIDDEN: usize = 192;
const BATCH: usize = 256;

/// The prose of the repository.
pub fn corpus() -> std::io::Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut text = Vec::new();
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docs/compare.md",
        "docs/benchmarks.md",
    ] {
        text.extend(std::fs::read(root.join(name))?);
    }
    Ok(text)
}

pub struct Model {
    vectors: Embedding,
    inner: Linear,
    outer: Linear,
    device: Device,
}

impl Model {
    /// A trained model, and its loss over the last steps in nats per byte.
    pub fn train(text: &[u8], steps: usize, device: &Device) -> Result<(Self, f32)> {
        let variables = VarMap::new();
        let build = VarBuilder::from_varmap(&variables, DType::F32, device);
        let model = Self {
            vectors: embedding(BYTES, WIDE, build.pp("vectors"))?,
            inner: linear(SEEN * WIDE, HIDDEN, build.pp("inner"))?,
            outer: linear(HIDDEN, BYTES, build.pp("outer"))?,
            device: device.clone(),
        };
        let mut optimizer =
            AdamW::new(variables.all_vars(), ParamsAdamW { lr: 4e-3, ..ParamsAdamW::default() })?;
        let places = text.len().saturating_sub(SEEN).max(1);
        let (mut state, mut recent) = (1u64, 0.0);
        for step in 0..steps {
            let (mut seen, mut next) = (Vec::with_capacity(BATCH * SEEN), Vec::with_capacity(BATCH));
            for _ in 0..BATCH {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % places;
                let window = text.get(at..=at + SEEN).unwrap_or(&[b' '; SEEN + 1]);
                seen.extend(window[..SEEN].iter().map(|&b| u32::from(b)));
                next.push(u32::from(window[SEEN]));
            }
            let seen = Tensor::from_vec(seen, (BATCH, SEEN), device)?;
            let next = Tensor::from_vec(next, BATCH, device)?;
            let loss = loss::cross_entropy(&model.forward(&seen)?, &next)?;
            // falling to nothing in a line
            optimizer.set_learning_rate(4e-3 * (1.0 - step as f64 / steps as f64) + 1e-4);
            optimizer.backward_step(&loss)?;
            recent = 0.95 * recent + 0.05 * loss.to_scalar::<f32>()?;
        }
        Ok((model, recent))
    }

    fn forward(&self, seen: &Tensor) -> Result<Tensor> {
        let vectors = self.vectors.forward(seen)?.flatten_from(D::Minus2)?;
        self.outer.forward(&self.inner.forward(&vectors)?.relu()?)
    }

    /// Logits of the next byte after `tokens`.
    pub fn logits(&self, tokens: &[u32]) -> Result<Tensor> {
        let mut seen = [u32::from(b' '); SEEN];
        for (slot, &token) in seen.iter_mut().rev().zip(tokens.iter().rev()) {
            *slot = token;
        }
        self.forward(&Tensor::new(&[seen], &self.device)?)?.squeeze(0)
    }
}
