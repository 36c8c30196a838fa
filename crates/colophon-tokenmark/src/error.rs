//! What can be wrong with a key, a parameter, a row of logits or a text.

use std::fmt;

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by name, with the place.
///
/// The crate stands alone inside model servers, so the cases are spelled out here and not folded into the classes of
/// the workspace's shared error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A key has the wrong number of bytes, digits or entries.
    KeyLength {
        /// Scheme the key was meant for.
        scheme: &'static str,
        /// What the scheme takes.
        expected: &'static str,
        /// What was given.
        found: usize,
    },
    /// A key holds a character that is no digit of its notation.
    KeyDigit {
        /// Scheme the key was meant for.
        scheme: &'static str,
        /// Byte offset of the character.
        offset: usize,
    },
    /// The key is printed in documentation or is a library default: text marked with it could be anybody's.
    PublishedKey {
        /// Scheme of the key.
        scheme: &'static str,
    },
    /// A parameter lies outside its range.
    Parameter {
        /// Scheme or part it belongs to.
        scheme: &'static str,
        /// Name of the parameter.
        name: &'static str,
        /// The range.
        allowed: &'static str,
    },
    /// A configuration lacks a parameter, or holds one of the wrong type.
    Config {
        /// Name of the parameter.
        name: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// The operation does not exist for this scheme, for instance generating with a scheme that is only detected.
    Unsupported {
        /// The scheme.
        scheme: &'static str,
        /// What was asked.
        operation: &'static str,
    },
    /// A token id is not in the vocabulary the key or the tokenizer was made for.
    TokenBeyondVocabulary {
        /// Index of the token in the given slice.
        position: usize,
        /// The id.
        id: u32,
        /// Number of ids of the vocabulary.
        vocabulary: u32,
    },
    /// A row has another number of ids than logits, or rows do not fill their buffer.
    RowShape {
        /// Number of ids, or of logits the stride promises.
        ids: usize,
        /// Number of logits.
        logits: usize,
    },
    /// No candidate of the row has a finite logit.
    NoCandidate,
    /// A logit is not a number, or plus infinity.
    BadLogit {
        /// Index in the row.
        index: usize,
    },
    /// More tokens were rolled back than had been accepted.
    Rollback {
        /// Tokens to take back.
        asked: usize,
        /// Tokens accepted so far.
        held: usize,
    },
    /// The text is longer than the limit of the detector.
    TooLong {
        /// The limit.
        limit: usize,
        /// What the limit counts: tokens or bytes.
        unit: &'static str,
    },
    /// The bytes are not UTF-8.
    NotUtf8 {
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// A tokenizer file could not be used.
    Tokenizer {
        /// What its reader said.
        cause: String,
    },
    /// The tokenizer is not the one the text was generated with, as far as its size or digest tells.
    TokenizerMismatch {
        /// What was expected.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// Reading text failed.
    Read {
        /// What the reader said.
        cause: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyLength { scheme, expected, found } => {
                write!(f, "{scheme}: the key has length {found}, expected {expected}")
            }
            Self::KeyDigit { scheme, offset } => {
                write!(f, "{scheme}: the key has a bad digit at offset {offset}")
            }
            Self::PublishedKey { scheme } => {
                write!(f, "{scheme}: the key is published, text marked with it could be anybody's")
            }
            Self::Parameter { scheme, name, allowed } => write!(f, "{scheme}: {name} must be {allowed}"),
            Self::Config { name, expected } => write!(f, "{name} must be {expected}"),
            Self::Unsupported { scheme, operation } => write!(f, "{scheme}: {operation} is not supported"),
            Self::TokenBeyondVocabulary { position, id, vocabulary } => {
                write!(f, "token {position} has id {id}, beyond the vocabulary of {vocabulary}")
            }
            Self::RowShape { ids, logits } => write!(f, "a row of {logits} logits does not fit {ids} ids"),
            Self::NoCandidate => f.write_str("no candidate has a finite logit"),
            Self::BadLogit { index } => write!(f, "logit {index} is not a number below infinity"),
            Self::Rollback { asked, held } => {
                write!(f, "cannot roll back {asked} tokens of {held} accepted ones")
            }
            Self::TooLong { limit, unit } => write!(f, "the text has more than {limit} {unit}"),
            Self::NotUtf8 { offset } => write!(f, "the text is not UTF-8 at byte {offset}"),
            Self::Tokenizer { cause } => write!(f, "tokenizer: {cause}"),
            Self::TokenizerMismatch { expected, found } => {
                write!(f, "the tokenizer does not match: expected {expected}, found {found}")
            }
            Self::Read { cause } => write!(f, "reading the text failed: {cause}"),
        }
    }
}

impl std::error::Error for Error {}
