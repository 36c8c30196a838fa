//! Plain text, Markdown, HTML and subtitles: formats, labels, signed-text carriers.
//!
//! The metadata-only edits here are splices; a label is a splice too, so everything the author wrote stays byte for
//! byte.
#![forbid(unsafe_code)]

pub mod carrier;
mod front_matter;
mod html;
pub mod invisible;
mod label;
mod markdown;
mod plain;
pub mod stream;
mod subtitles;

use std::borrow::Cow;

use colophon_core::{Error, ErrorKind, Format, Limits, Result, Source};

pub use html::{HTML, Html};
pub use markdown::{MARKDOWN, Markdown};
pub use plain::{PLAIN, Plain};
pub use subtitles::{SRT, Srt, VTT, Vtt};

/// The formats of this crate.
pub static FORMATS: &[&dyn Format] = &[&PLAIN, &MARKDOWN, &HTML, &SRT, &VTT];

/// Likely text: some bytes, no NUL, few control characters. Formats without magic build their score on it.
fn looks_like_text(head: &[u8]) -> bool {
    let control = head.iter().filter(|b| matches!(b, 0..=8 | 14..=31 | 127) && **b != 0x1b).count();
    !head.is_empty() && !head.contains(&0) && control * 50 <= head.len()
}

/// The whole text.
///
/// # Errors
/// `Limit` for a text longer than the limit, `Malformed` naming the first byte that is not UTF-8.
fn utf8<'a>(format: &'static str, source: &'a dyn Source, limits: &Limits) -> Result<Cow<'a, str>> {
    let bytes = source.all(limits.input_bytes)?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Error::unsupported(format, "the text is UTF-16; only UTF-8 is handled"));
    }
    let not_utf8 = |at: usize| Error::malformed(format, "the text is not UTF-8").at_offset(at as u64);
    match bytes {
        Cow::Borrowed(b) => std::str::from_utf8(b).map(Cow::Borrowed).map_err(|e| not_utf8(e.valid_up_to())),
        Cow::Owned(b) => {
            String::from_utf8(b).map(Cow::Owned).map_err(|e| not_utf8(e.utf8_error().valid_up_to()))
        }
    }
}

/// A format asked to write a slot it does not have.
fn no_such_slot(format: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, "the format has no such metadata place").in_format(format)
}
