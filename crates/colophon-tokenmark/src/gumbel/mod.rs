//! Gumbel-max watermarks: every token gets a keyed uniform number, the sampler takes the one that wins.
//!
//! Choosing `argmax(logit - ln(-ln u))` draws exactly from the model's distribution when the `u` are random, so over
//! random keys the text is unchanged in law; the holder of the key sees that chosen tokens have high `u`. Three engines
//! do this with three different keyed functions.

mod pick;
mod sglang;
mod textseal;
mod vllm;

pub use sglang::SglangGumbel;
pub use textseal::TextSeal;
pub use vllm::{KeyChoice, VllmGumbel};

pub(crate) use pick::pick;
pub(crate) use vllm::{VllmContext, vllm_scores};
