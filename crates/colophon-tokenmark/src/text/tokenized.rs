//! Detection in text, through the tokenizer file of the model.

use super::canonical::{Form, forms};
use crate::detect::{Detection, Detector, Sample};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io::Read;
use tokenizers::Tokenizer;

/// Texts are tokenised in pieces of about this many bytes, cut after line breaks.
const PIECE: usize = 1 << 20;
/// Longest accepted tokenizer file, in bytes.
const MAX_FILE: usize = 256 << 20;

/// The tokenizer of the model that may have written a text.
pub struct ModelTokenizer {
    tokenizer: Tokenizer,
    vocabulary: u32,
    digest: String,
}

impl ModelTokenizer {
    /// From the bytes of a `tokenizer.json`.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        if json.len() > MAX_FILE {
            return Err(Error::Tokenizer { cause: format!("the file has more than {MAX_FILE} bytes") });
        }
        let tokenizer = Tokenizer::from_bytes(json).map_err(|e| Error::Tokenizer { cause: e.to_string() })?;
        let vocabulary = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id.saturating_add(1));
        let digest = Sha256::digest(json).iter().fold(String::with_capacity(64), |mut text, byte| {
            // writing to a string cannot fail
            let _ = write!(text, "{byte:02x}");
            text
        });
        Ok(Self { tokenizer, vocabulary, digest })
    }

    /// One more than the largest id.
    pub fn vocabulary(&self) -> u32 {
        self.vocabulary
    }

    /// SHA-256 of the file, in hexadecimal: what a record of the text should name.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Refuses the tokenizer unless its digest is `expected`.
    pub fn expect_digest(&self, expected: &str) -> Result<()> {
        if self.digest.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(Error::TokenizerMismatch {
            expected: format!("sha-256 {expected}"),
            found: format!("sha-256 {}", self.digest),
        })
    }

    /// The ids of `text`, without special tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(text.len() / 4);
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = split_piece(rest);
            let encoding = self
                .tokenizer
                .encode_fast(piece, false)
                .map_err(|e| Error::Tokenizer { cause: e.to_string() })?;
            ids.extend_from_slice(encoding.get_ids());
            rest = after;
        }
        Ok(ids)
    }
}

/// A first piece of at most about [`PIECE`] bytes that ends after line breaks if there are any, and the rest.
fn split_piece(text: &str) -> (&str, &str) {
    if text.len() <= PIECE {
        return (text, "");
    }
    let mut end = PIECE;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = text[..end].rfind('\n').map_or(end, |at| at + 1);
    text.split_at(cut)
}

/// A detector with the tokenizer of the model.
pub struct TextDetector {
    tokenizer: ModelTokenizer,
    detector: Detector,
    max_bytes: usize,
}

/// The result for a text.
#[derive(Clone, Debug)]
pub struct TextDetection {
    /// The form that gave the lowest p-value.
    pub form: Form,
    /// Forms tried.
    pub forms: usize,
    /// The result for that form, not corrected for the number of forms.
    pub detection: Detection,
    /// `log10` of the p-value over all keys and forms; `None` if nothing could be tested.
    pub log10_p: Option<f64>,
}

impl TextDetector {
    /// Refuses a tokenizer that is too large for a scheme's vocabulary, or whose size is not the one in the options.
    pub fn new(tokenizer: ModelTokenizer, detector: Detector) -> Result<Self> {
        if let Some(expected) = detector.smallest_vocabulary()
            && tokenizer.vocabulary() > expected
        {
            return Err(Error::TokenizerMismatch {
                expected: format!("at most {expected} ids"),
                found: format!("{} ids", tokenizer.vocabulary()),
            });
        }
        Ok(Self { tokenizer, detector, max_bytes: 256 << 20 })
    }

    /// Sets the longest accepted text in bytes (256 MiB).
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Tests a text in all its forms.
    pub fn detect(&self, text: &str) -> Result<TextDetection> {
        if text.len() > self.max_bytes {
            return Err(Error::TooLong { limit: self.max_bytes, unit: "bytes" });
        }
        let mut best: Option<(Form, Detection)> = None;
        let (mut tried, mut tested) = (0, 0);
        for (form, text) in forms(text) {
            let ids = self.tokenizer.encode(&text)?;
            let detection = self.detector.detect(&Sample::new(&ids))?;
            tried += 1;
            tested += usize::from(detection.log10_p.is_some());
            let value = |d: &Detection| d.log10_p.unwrap_or(1.0);
            if best.as_ref().is_none_or(|(_, known)| value(&detection) < value(known)) {
                best = Some((form, detection));
            }
        }
        let Some((form, detection)) = best else {
            return Err(Error::Parameter { scheme: "text", name: "forms", allowed: "at least one" });
        };
        let log10_p = detection.log10_p.map(|p| (p + (tested.max(1) as f64).log10()).min(0.0));
        Ok(TextDetection { form, forms: tried, detection, log10_p })
    }

    /// Tests the UTF-8 text of a reader, which is read no further than the limit.
    pub fn detect_reader(&self, reader: impl Read) -> Result<TextDetection> {
        let mut bytes = Vec::new();
        let limit = self.max_bytes as u64;
        reader
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| Error::Read { cause: e.to_string() })?;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLong { limit: self.max_bytes, unit: "bytes" });
        }
        let text = std::str::from_utf8(&bytes).map_err(|e| Error::NotUtf8 { offset: e.valid_up_to() })?;
        self.detect(text)
    }
}
