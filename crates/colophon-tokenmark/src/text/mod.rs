//! From text to tokens: canonical forms, and the model's own tokenizer.

mod canonical;
#[cfg(feature = "tokenizer")]
mod stream;
#[cfg(feature = "tokenizer")]
mod tokenized;

pub use canonical::{Form, forms};
#[cfg(feature = "tokenizer")]
pub use stream::Cuts;
#[cfg(feature = "tokenizer")]
pub use tokenized::{ModelTokenizer, TextDetection, TextDetector};
