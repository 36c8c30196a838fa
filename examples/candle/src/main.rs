//! A language model made with candle that marks what it writes, through the hooks two Rust servers offer.
//!
//! ```text
//! cargo run --release --manifest-path examples/candle/Cargo.toml
//! ```
//!
//! A small model of bytes is trained on the texts of this repository, in seconds; to build candle takes minutes. It is sampled from three
//! times: unmarked; with the mark in the closure of candle's `sample_f`; and with the mark in a logits
//! processor of the shape mistral.rs takes. Then all three answers are looked at with the key and with another one. The
//! program fails if a mark is not found, or one is found where there is none.
//!
//! mistral.rs itself is not a dependency: it is a whole inference engine, which takes long to build and needs a model file.
//! Its trait is repeated in `hooks.rs` with the same signature, so the same `impl` fits there. Nor is candle-transformers,
//! whose sampler has its like in `sampler.rs`.

mod hooks;
mod model;
mod sampler;

use std::io::Write;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use colophon_tokenmark::{
    DetectOptions, Detector, Generator, GeneratorOptions, MasterKey, Sample, SamplerSpec, Scheme, Scratch,
    VllmGumbel,
};
use hooks::{CustomLogitsProcessor, Mark, mark_distribution};
use model::{Model, corpus};
use sampler::Sampler;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of every answer.
const LENGTH: usize = 1500;
/// A byte says little, so four of them, the usual context of tokens, come back all the time; eight do not.
const WIDTH: usize = 8;
const PROMPT: &str = "A watermark ";
/// The answers are marked under this name of a key and looked at under both.
const KEYS: [&str; 2] = ["example/2026-11", "example/2026-12"];

fn main() -> Result<(), Failure> {
    let steps = std::env::args().nth(1).map_or(Ok(1200), |steps| steps.parse())?;
    let mut out = std::io::stdout().lock();
    let text = corpus()?;
    writeln!(out, "training on {} bytes, {steps} steps", text.len())?;
    let (model, loss) = Model::train(&text, steps, &Device::Cpu)?;
    writeln!(out, "loss {loss:.2} nats a byte")?;

    let scheme = |key: &str| -> Result<Scheme, Failure> {
        // an example's key keeps nothing secret: a server's comes from `colophon text keygen`
        let master = MasterKey::new(&std::array::from_fn::<u8, 32, _>(|i| (i * 37 + 11) as u8))?;
        Ok(Scheme::Vllm(VllmGumbel::new(master.derive(key), WIDTH)?))
    };
    let generator = Arc::new(Generator::new(scheme(KEYS[0])?, GeneratorOptions::default())?);
    let answers = [
        ("unmarked", unmarked(&model)?),
        ("marked in candle's closure", in_a_closure(&model, &generator)?),
        ("marked in a logits processor as of mistral.rs", in_a_processor(&model, generator)?),
    ];
    let mut wrong = 0;
    for (name, answer) in &answers {
        let bytes: Vec<u8> = answer.iter().map(|&id| id as u8).collect();
        let shown: String = String::from_utf8_lossy(&bytes)
            .chars()
            .take(150)
            .map(|c| if c == '\n' { ' ' } else { c })
            .collect();
        writeln!(out, "\n{name}: {shown} …")?;
        for key in KEYS {
            let found =
                Detector::new(scheme(key)?, DetectOptions::default())?.detect(&Sample::new(answer))?;
            let log10_p = found.log10_p.ok_or("too short")?;
            let is_marked = *name != "unmarked" && key == KEYS[0];
            let good = if is_marked { log10_p < -6.0 } else { log10_p > -4.0 };
            wrong += usize::from(!good);
            writeln!(out, "  log10 p {log10_p:7.1}  key {key}{}", if good { "" } else { "  UNEXPECTED" })?;
        }
    }
    if wrong > 0 { Err(format!("{wrong} results are not as they should be").into()) } else { Ok(()) }
}

/// The sampler of a server, which knows nothing of marks.
fn plain(seed: u64) -> Sampler {
    Sampler::new(seed, 40, 1.0)
}

fn unmarked(model: &Model) -> Result<Vec<u32>, Failure> {
    let (prompt, mut sampler) = (prompt(), plain(1));
    let mut tokens = prompt.clone();
    for _ in 0..LENGTH {
        let next = sampler.sample(&model.logits(&tokens)?)?;
        tokens.push(next);
    }
    Ok(tokens.split_off(prompt.len()))
}

/// candle: a closure that gets the probabilities after temperature, and before truncation.
fn in_a_closure(model: &Model, generator: &Generator) -> Result<Vec<u32>, Failure> {
    let prompt = prompt();
    // everything is left to the closure; the seed does not matter, because only one token is left to draw
    let mut sampler = Sampler::new(0, 0, 1.0);
    let mut sequence = generator.begin(&prompt);
    let (mut tokens, mut scratch, mut failed) = (prompt.clone(), Scratch::default(), None);
    for _ in 0..LENGTH {
        let next = sampler.sample_f(&model.logits(&tokens)?, |probabilities| {
            failed = mark_distribution(generator, &mut sequence, probabilities, &mut scratch).err();
        })?;
        if let Some(e) = failed.take() {
            return Err(e.into());
        }
        tokens.push(next);
    }
    Ok(tokens.split_off(prompt.len()))
}

/// mistral.rs: processors of a request see its logits before temperature and truncation, and all tokens so far.
fn in_a_processor(model: &Model, generator: Arc<Generator>) -> Result<Vec<u32>, Failure> {
    let prompt = prompt();
    let spec = SamplerSpec { temperature: 1.0, top_k: 40, top_p: 1.0, min_p: 0.0, seed: 3 };
    let processors: [Arc<dyn CustomLogitsProcessor>; 2] = [
        // a closure is a processor too; this one forbids a byte, as a server's own rules might
        Arc::new(|logits: &Tensor, _context: &[u32]| {
            logits.slice_assign(&[0..1], &Tensor::new(&[f32::NEG_INFINITY], logits.device())?)
        }),
        Arc::new(Mark::new(generator, spec, prompt.len())),
    ];
    let mut sampler = plain(2);
    let mut tokens = prompt.clone();
    for _ in 0..LENGTH {
        let mut logits = model.logits(&tokens)?;
        for processor in &processors {
            logits = processor.apply(&logits, &tokens)?;
        }
        let next = sampler.sample(&logits)?;
        tokens.push(next);
    }
    Ok(tokens.split_off(prompt.len()))
}

fn prompt() -> Vec<u32> {
    PROMPT.bytes().map(u32::from).collect()
}
