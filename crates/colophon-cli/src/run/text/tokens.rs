//! From inputs to token ids.

use std::path::Path;

use colophon::{Error, ErrorKind};
use colophon_tokenmark::text::ModelTokenizer;

use super::failure;
use crate::advice::Failure;
use crate::args::TokenArgs;
use crate::files::Input;

/// Largest tokenizer file, in bytes.
const MAX_TOKENIZER: u64 = 256 << 20;

/// The tokenizer of a command line, its digest checked.
pub(super) fn tokenizer(args: &TokenArgs) -> Result<Option<ModelTokenizer>, Failure> {
    let Some(path) = &args.tokenizer else {
        if args.tokens {
            return Ok(None);
        }
        return Err(Failure::usage("a watermark lives in token ids: which tokenizer does the model use?")
            .hint("name its file with --tokenizer tokenizer.json, or give token ids with --tokens"));
    };
    let tokenizer =
        ModelTokenizer::from_json(&read(path, MAX_TOKENIZER)?).map_err(|e| failure(e).on(path))?;
    if let Some(expected) = &args.tokenizer_sha256 {
        tokenizer.expect_digest(expected).map_err(|e| failure(e).on(path))?;
    }
    Ok(Some(tokenizer))
}

pub(super) fn read(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let input = Input { path: path.to_owned(), relative: path.to_owned() };
    input.read(max).map_err(|mut e| {
        if e.error.kind() == ErrorKind::Limit {
            e.hint = Some("cut the text, or raise --max-bytes".to_owned());
        }
        e
    })
}

/// The text of a file.
pub(super) fn text(path: &Path, max: u64) -> Result<String, Failure> {
    String::from_utf8(read(path, max)?).map_err(|e| {
        let offset = e.utf8_error().valid_up_to() as u64;
        Failure::from(Error::new(ErrorKind::Malformed, "the text is not UTF-8").at_offset(offset)).on(path)
    })
}

/// Token ids between white space, commas and square brackets.
pub(super) fn ids(path: &Path, max: u64) -> Result<Vec<u32>, Failure> {
    let text = text(path, max)?;
    let mut ids = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']')) {
        if word.is_empty() {
            continue;
        }
        let id = word.parse().map_err(|_| {
            let shown: String = word.chars().take(20).collect();
            Failure::from(Error::new(
                ErrorKind::Malformed,
                format!("{shown:?} after {} ids is not a token id", ids.len()),
            ))
            .on(path)
        })?;
        ids.push(id);
    }
    Ok(ids)
}
