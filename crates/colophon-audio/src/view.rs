//! A source as a patch would make it, without making it.

use std::io::{self, Write};
use std::ops::Range;

use colophon_core::{Patch, Result, Source};

/// Reads through the splices of a patch: what a further operation works on costs no copy of the file.
pub(crate) struct Patched<'a> {
    source: &'a dyn Source,
    /// Stretches of the result in order: where each begins, and what it shows.
    parts: Vec<(u64, Part<'a>)>,
    len: u64,
}

enum Part<'a> {
    /// The source from this offset on.
    Kept(u64),
    /// Bytes of a splice.
    New(&'a [u8]),
}

impl<'a> Patched<'a> {
    /// `source` with `patch` applied. Splices that overlap or reach past the end show as an end of the data.
    pub(crate) fn new(source: &'a dyn Source, patch: &'a Patch) -> Self {
        let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
        for s in patch.splices() {
            let kept = s.range.start.saturating_sub(from);
            if kept > 0 {
                parts.push((at, Part::Kept(from)));
                at += kept;
            }
            if !s.with.is_empty() {
                parts.push((at, Part::New(&s.with)));
                at += s.with.len() as u64;
            }
            from = s.range.end;
        }
        let rest = source.len().saturating_sub(from);
        if rest > 0 {
            parts.push((at, Part::Kept(from)));
        }
        Self { source, parts, len: at + rest }
    }
}

impl Source for Patched<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut at = offset;
        let mut i = self.parts.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        while !buf.is_empty() {
            let (start, part) = self.parts.get(i).ok_or(io::ErrorKind::UnexpectedEof)?;
            let end = self.parts.get(i + 1).map_or(self.len, |(next, _)| *next);
            let n = buf.len().min((end - at) as usize);
            let (now, rest) = buf.split_at_mut(n);
            match part {
                Part::Kept(from) => self.source.read_exact_at(from + (at - start), now)?,
                Part::New(bytes) => (*bytes).read_exact_at(at - start, now)?,
            }
            buf = rest;
            at += n as u64;
            i += 1;
        }
        Ok(())
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_view_shows_what_the_patch_makes(
            data in prop::collection::vec(any::<u8>(), 1..60),
            cuts in prop::collection::vec((0usize..60, 0usize..5, prop::collection::vec(any::<u8>(), 0..6)), 0..5),
            at in 0usize..80, len in 0usize..80,
        ) {
            let mut patch = Patch::new();
            let mut free = 0;
            let mut cuts = cuts;
            cuts.sort();
            for (start, n, with) in cuts {
                if start >= free && start + n <= data.len() {
                    patch.replace(start as u64..(start + n) as u64, with);
                    free = start + n + 1;
                }
            }
            let whole = patch.apply_to_vec(&data).unwrap();
            let view = Patched::new(&data, &patch);
            prop_assert_eq!(view.len(), whole.len() as u64);
            let mut buf = vec![0; len];
            match whole.get(at..at + len) {
                Some(expected) => {
                    view.read_exact_at(at as u64, &mut buf).unwrap();
                    prop_assert_eq!(&buf, expected);
                }
                None => prop_assert!(view.read_exact_at(at as u64, &mut buf).is_err()),
            }
        }
    }
}
