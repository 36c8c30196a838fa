//! Detection in text, through the tokenizer file of the model.

use super::canonical::{Form, forms};
use super::stream::Cuts;
use crate::detect::{Detection, Detector, Sample};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io::Read;
use tokenizers::Tokenizer;

/// Texts are tokenised in pieces of about this many bytes, for which the tokenizer needs some 25 MB; in tests of shorter ones,
/// to be quick.
pub(super) const PIECE: usize = if cfg!(test) { 1 << 16 } else { 1 << 18 };
/// A cut is looked for in this many last bytes of a piece.
const REACH: usize = PIECE / 16;
/// Bytes on either side of a cut whose tokens are compared.
const BESIDE: usize = 256;
/// Places of each kind that are tried.
const TRIES: usize = 6;
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

    /// The ids of `text`, without special tokens. Long texts are cut first, where that leaves the tokens alone if there is
    /// such a place.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.encode_pieces(text)?.0)
    }

    #[cfg(test)]
    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    pub(super) fn encode_pieces(&self, text: &str) -> Result<(Vec<u32>, Cuts)> {
        let mut ids = Vec::with_capacity(text.len() / 4);
        let mut cuts = Cuts::default();
        let mut rest = text;
        while rest.len() > PIECE {
            let cut = self.cut(rest)?;
            let (piece, after) = rest.split_at(cut.at);
            ids.extend_from_slice(&self.ids(piece)?);
            cuts.made += 1;
            cuts.changing += usize::from(cut.changes);
            rest = after;
        }
        ids.extend_from_slice(&self.ids(rest)?);
        Ok((ids, cuts))
    }

    fn ids(&self, piece: &str) -> Result<Vec<u32>> {
        if piece.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = self
            .tokenizer
            .encode_fast(piece, false)
            .map_err(|e| Error::Tokenizer { cause: e.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Where to end the first piece of a `text` longer than [`PIECE`]: the last place in it next to which the tokens stay as
    /// they are. Between paragraphs is better than between lines, for the sake of forms that join lines, and that is
    /// better than between words.
    pub(super) fn cut(&self, text: &str) -> Result<Cut> {
        let end = floor_boundary(text, PIECE);
        let from = floor_boundary(text, end.saturating_sub(REACH));
        let mut first = None;
        for kind in [Between::Paragraphs, Between::Lines, Between::Words] {
            let mut tries = 0;
            let mut before = end;
            while tries < TRIES
                && let Some(at) = kind.last_place(text, from, before)
            {
                if !self.changes(text, at)? {
                    return Ok(Cut { at, changes: false });
                }
                first = first.or(Some(at));
                (before, tries) = (at - 1, tries + 1);
                before = floor_boundary(text, before);
            }
        }
        let at = first.unwrap_or(end);
        Ok(Cut { at, changes: self.changes(text, at)? })
    }

    /// Whether a cut changes the tokens next to it.
    fn changes(&self, text: &str, at: usize) -> Result<bool> {
        let from = floor_boundary(text, at.saturating_sub(BESIDE));
        let until = floor_boundary(text, at.saturating_add(BESIDE));
        let (left, right) = (&text[from..at], &text[at..until]);
        let mut parts = self.ids(left)?;
        parts.extend(self.ids(right)?);
        Ok(parts != self.ids(&text[from..until])?)
    }
}

/// A place to cut.
pub(super) struct Cut {
    pub(super) at: usize,
    /// Whether tokens next to it change.
    pub(super) changes: bool,
}

/// What a cut falls between.
#[derive(Clone, Copy)]
enum Between {
    Paragraphs,
    Lines,
    Words,
}

impl Between {
    /// The last such place of `text` behind `from` and up to `until`.
    fn last_place(self, text: &str, from: usize, until: usize) -> Option<usize> {
        let part = text.get(from..until)?;
        let at = from
            + match self {
                Self::Paragraphs => part.rfind("\n\n")? + 2,
                Self::Lines => part.rfind('\n')? + 1,
                // tokenizers count the space to the word after it
                Self::Words => part.rfind(' ')?,
            };
        (at > from).then_some(at)
    }
}

/// The last start of a character at or before `at`, at most the length.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
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
    /// How the text was cut to be made into tokens.
    pub cuts: Cuts,
}

impl TextDetection {
    /// The best form of `tried` ones, of which `tested` could be tested.
    pub(super) fn new(best: Option<(Form, Detection, Cuts)>, tried: usize, tested: usize) -> Result<Self> {
        let Some((form, detection, cuts)) = best else {
            return Err(Error::Parameter { scheme: "text", name: "forms", allowed: "at least one" });
        };
        let log10_p = detection.log10_p.map(|p| (p + (tested.max(1) as f64).log10()).min(0.0));
        Ok(Self { form, forms: tried, detection, log10_p, cuts })
    }
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
        let mut best: Option<(Form, Detection, Cuts)> = None;
        let (mut tried, mut tested) = (0, 0);
        for (form, text) in forms(text) {
            let (ids, cuts) = self.tokenizer.encode_pieces(&text)?;
            let detection = self.detector.detect(&Sample::new(&ids))?;
            tried += 1;
            tested += usize::from(detection.log10_p.is_some());
            let value = |d: &Detection| d.log10_p.unwrap_or(1.0);
            if best.as_ref().is_none_or(|(_, known, _)| value(&detection) < value(known)) {
                best = Some((form, detection, cuts));
            }
        }
        TextDetection::new(best, tried, tested)
    }

    pub(super) fn detector(&self) -> &Detector {
        &self.detector
    }

    pub(super) fn tokenizer(&self) -> &ModelTokenizer {
        &self.tokenizer
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
