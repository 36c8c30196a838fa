//! `colophon text`.

mod detect;
mod inspect;
mod keys;
mod label;
mod ring;
mod tokens;

use colophon::exit::Exit;
use colophon::{Error, ErrorKind};
use colophon_tokenmark::Error as TokenError;

use crate::advice::Failure;
use crate::args::TextCommand;

pub(super) fn run(command: &TextCommand) -> Result<Exit, Failure> {
    match command {
        TextCommand::Label(args) => label::run(args),
        TextCommand::Detect(args) => detect::run(args),
        TextCommand::Keygen(args) => keys::keygen(args),
        TextCommand::Keyscreen(args) => keys::keyscreen(args),
        TextCommand::Inspect(args) => inspect::run(args),
    }
}

/// An error of the watermark crate, in the classes that decide the exit code.
#[expect(clippy::needless_pass_by_value, reason = "the form `map_err` takes")]
fn failure(e: TokenError) -> Failure {
    let kind = match &e {
        TokenError::TooLong { .. } => ErrorKind::Limit,
        TokenError::TokenBeyondVocabulary { .. } | TokenError::NotUtf8 { .. } => ErrorKind::Malformed,
        TokenError::Read { .. } => ErrorKind::Io,
        // keys, parameters and tokenizers are what the caller brought
        _ => ErrorKind::Usage,
    };
    let hint = match &e {
        TokenError::PublishedKey { .. } => Some("make a key of your own with `colophon text keygen`"),
        TokenError::TokenBeyondVocabulary { .. } | TokenError::TokenizerMismatch { .. } => {
            Some("use the tokenizer and the vocabulary size of the model that may have written the text")
        }
        TokenError::TooLong { .. } => Some("cut the text, or raise --max-bytes"),
        _ => None,
    };
    let mut failure = Failure::from(Error::new(kind, e.to_string()));
    failure.hint = hint.map(str::to_owned);
    failure
}
