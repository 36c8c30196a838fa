//! Stretches of a source that are carried over.

use std::io::Write;
use std::ops::Range;

use colophon_core::{Result, Source};

/// Copies a stretch of a source, piece by piece.
///
/// # Errors
/// Reading and writing errors.
pub(crate) fn copy(source: &dyn Source, range: Range<u64>, out: &mut dyn Write) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        let part = source.bytes(at, (range.end - at).min(1 << 18))?;
        out.write_all(&part)?;
        at += part.len() as u64;
    }
    Ok(())
}
