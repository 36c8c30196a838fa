//! Watermarks placed while a language model samples: generators and one neutral detector for every serving engine.
//!
//! | need | entry point |
//! |---|---|
//! | mark while sampling, last in the chain | [`Generator::apply`], [`Generator::pick`] |
//! | mark from a hook that runs before temperature and truncation | [`SamplerSpec`] |
//! | carry the issuer | [`PayloadMark`] |
//! | look for marks of any engine in token ids | [`Detector`] |
//! | the same with tokens weighted by entropy | [`Detector::detect_weighted`] |
//! | the same in samples that do not fit into memory | [`Detector::stream`] |
//! | the same in text | [`text`] (feature `tokenizer`) |
//! | schemes and keys from JSON | [`Scheme::from_json`] (feature `config`) |
//! | try a new key on unmarked text | [`KeyScreen`] |
//!
//! Engines are matched bit for bit: vLLM's Philox watermark (also the native format), SGLang, TextSeal, SynthID-Text as
//! DeepMind and as transformers compute it, KGW of transformers, Unigram. Results are p-values from the distribution of
//! unmarked text; no function here calls a text human.
//!
//! ```
//! use colophon_tokenmark::*;
//! let key = Key64::from_hex("5d0c2b9a7e1f4638")?;
//! let scheme = || VllmGumbel::new(key.clone(), 4).map(Scheme::Vllm);
//! let generator = Generator::new(scheme()?, GeneratorOptions::default())?;
//! let (mut sequence, mut scratch) = (generator.begin(&[]), Scratch::default());
//! let sampler = SamplerSpec { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 7 };
//! for _ in 0..100 {
//!     let logits = vec![0.0f32; 50]; // from the model
//!     let drawn = sampler.draw(&generator, &sequence, &Step::default(), &logits, &mut scratch)?;
//!     sequence.accept(drawn.token, drawn.fate);
//! }
//! let detector = Detector::new(scheme()?, DetectOptions::default())?;
//! let found = detector.detect(&Sample::new(sequence.tokens()))?;
//! assert!(found.log10_p.is_some_and(|p| p < -20.0));
//! # Ok::<(), Error>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "config")]
mod config;
mod detect;
mod error;
mod float;
mod generate;
mod gumbel;
mod key;
mod kgw;
mod null;
mod payload;
pub mod prf;
mod scheme;
mod simd;
mod synthid;
pub mod text;
mod unigram;
mod window;

#[cfg(feature = "config")]
pub use config::{SCHEME_NAMES, engine_config};
pub use detect::{
    Candidate, DetectOptions, DetectStream, Detection, Detector, HotNgram, KeyScreen, LengthReport, METHOD,
    Outcome, Region, Sample, ScreenReport, ScreenSettings, Tested,
};
pub use error::{Error, Result};
pub use generate::{
    BatchRow, Counters, Drawn, Fate, Generator, GeneratorOptions, Pick, Role, Row, SamplerSpec, Scratch,
    SeededDraws, Sequence, Step, Uniform,
};
pub use gumbel::{KeyChoice, SglangGumbel, TextSeal, VllmGumbel};
pub use key::{Key64, MasterKey};
pub use kgw::Kgw;
pub use payload::{Payload, PayloadMark, PayloadReading};
pub use scheme::Scheme;
pub use synthid::{BayesLikelihood, BayesScorer, MAX_LAYERS, SynthId, SynthIdMask, SynthIdScores};
pub use unigram::Unigram;
pub use window::HotList;
