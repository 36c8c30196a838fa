//! A change to a file as a list of splices.
//!
//! Container editors return a [`Patch`] instead of new bytes. What no splice covers is, by construction, the same
//! byte for byte: the promise that a metadata edit leaves coded media alone needs no trust in the editor, and a
//! large file is rewritten as a stream.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

use crate::{Error, Result, Source};

/// One replaced range. An empty range inserts; empty bytes remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The bytes of the input that go away.
    pub range: Range<u64>,
    /// What stands in their place.
    pub with: Vec<u8>,
}

/// Ordered, disjoint splices over one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    splices: Vec<Splice>,
}

impl Patch {
    /// No change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces `range` with `with`. Splices may be added in any order; insertions at one place keep theirs.
    pub fn replace(&mut self, range: Range<u64>, with: impl Into<Vec<u8>>) {
        let with = with.into();
        if range.start >= range.end && with.is_empty() {
            return;
        }
        let at = self.splices.partition_point(|s| (s.range.start, s.range.end) <= (range.start, range.end));
        self.splices.insert(at, Splice { range, with });
    }

    /// Inserts bytes before `at`.
    pub fn insert(&mut self, at: u64, with: impl Into<Vec<u8>>) {
        self.replace(at..at, with);
    }

    /// Removes `range`.
    pub fn remove(&mut self, range: Range<u64>) {
        self.replace(range, Vec::new());
    }

    /// True when the output equals the input.
    pub fn is_empty(&self) -> bool {
        self.splices.is_empty()
    }

    /// The splices in order.
    pub fn splices(&self) -> &[Splice] {
        &self.splices
    }

    /// Length of the output for an input of `len` bytes.
    pub fn output_len(&self, len: u64) -> u64 {
        let removed: u64 = self.splices.iter().map(|s| s.range.end - s.range.start).sum();
        let added: u64 = self.splices.iter().map(|s| s.with.len() as u64).sum();
        len.saturating_sub(removed).saturating_add(added)
    }

    /// Where the input byte at `offset` stands in the output; `None` when it was removed.
    pub fn map(&self, offset: u64) -> Option<u64> {
        let mut out = offset;
        for s in &self.splices {
            if s.range.start > offset {
                break;
            }
            if offset < s.range.end {
                return None;
            }
            out = (out - (s.range.end - s.range.start)).saturating_add(s.with.len() as u64);
        }
        Some(out)
    }

    /// Streams the changed input to `out`.
    ///
    /// # Errors
    /// `Malformed` when splices overlap or reach past the input; `Io` from either side.
    pub fn apply(&self, source: &dyn Source, out: &mut dyn Write) -> Result<()> {
        self.apply_within(source, 0..source.len(), out)
    }

    /// Streams a stretch of the input to `out`, changed by the splices that lie in it; others are left out.
    ///
    /// # Errors
    /// As [`Patch::apply`].
    pub fn apply_within(&self, source: &dyn Source, range: Range<u64>, out: &mut dyn Write) -> Result<()> {
        self.check(source)?;
        let mut at = range.start;
        let inside = |s: &&Splice| range.start <= s.range.start && s.range.end <= range.end;
        for s in self.splices.iter().filter(inside) {
            source.write_to(at..s.range.start, out)?;
            out.write_all(&s.with)?;
            at = s.range.end;
        }
        Ok(source.write_to(at..range.end, out)?)
    }

    /// Splices stand in order inside the source.
    fn check(&self, source: &dyn Source) -> Result<()> {
        let mut at = 0;
        for s in &self.splices {
            if s.range.start < at || s.range.end < s.range.start || s.range.end > source.len() {
                return Err(Error::new(crate::ErrorKind::Malformed, "edits overlap or reach past the end")
                    .at_offset(s.range.start));
            }
            at = s.range.end;
        }
        Ok(())
    }

    /// Appends the changed input to a file. Unchanged ranges of a file are copied by the system.
    ///
    /// # Errors
    /// As [`Patch::apply`].
    pub fn apply_to_file(&self, source: &dyn Source, mut out: &File) -> Result<()> {
        let Some(file) = source.as_file() else { return self.apply(source, &mut out) };
        self.check(source)?;
        let mut at = 0;
        for s in &self.splices {
            file.copy_to(at..s.range.start, out)?;
            out.write_all(&s.with)?;
            at = s.range.end;
        }
        Ok(file.copy_to(at..source.len(), out)?)
    }

    /// Hands out the changed input in pieces of at most `len` bytes. Each is given away to `next`, which answers a buffer to be
    /// filled again.
    ///
    /// # Errors
    /// As [`Patch::apply`], and what `next` returns.
    pub fn pieces(
        &self,
        source: &dyn Source,
        len: usize,
        next: &mut dyn FnMut(Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        self.check(source)?;
        let mut buffer = Vec::new();
        let mut at = 0;
        let end = Splice { range: source.len()..source.len(), with: Vec::new() };
        for s in self.splices.iter().chain([&end]) {
            while at < s.range.start {
                let n = (s.range.start - at).min(len.max(1) as u64);
                buffer.resize(n as usize, 0);
                source.read_exact_at(at, &mut buffer)?;
                at += n;
                buffer = next(buffer)?;
            }
            if !s.with.is_empty() {
                buffer.clear();
                buffer.extend_from_slice(&s.with);
                buffer = next(buffer)?;
            }
            at = s.range.end;
        }
        Ok(())
    }

    /// Makes the changes in a file, when none of them moves anything.
    ///
    /// # Errors
    /// `Check` when a splice changes the length; `Io`.
    pub fn apply_in_place(&self, mut file: &File) -> Result<()> {
        self.moves_nothing()?;
        for s in &self.splices {
            file.seek(SeekFrom::Start(s.range.start))?;
            file.write_all(&s.with)?;
        }
        Ok(())
    }

    /// [`Patch::apply_in_place`] for bytes in memory.
    ///
    /// # Errors
    /// `Check` when a splice changes the length or reaches past the end.
    pub fn apply_to_slice(&self, bytes: &mut [u8]) -> Result<()> {
        self.moves_nothing()?;
        for s in &self.splices {
            let place = bytes.get_mut(s.range.start as usize..s.range.end as usize).ok_or_else(|| {
                Error::new(crate::ErrorKind::Check, "an edit in place reaches past the end")
            })?;
            place.copy_from_slice(&s.with);
        }
        Ok(())
    }

    /// Whether everything but the end of `len` bytes stays where it is.
    pub fn only_appends(&self, len: u64) -> bool {
        let stays = |s: &Splice| s.range.end.checked_sub(s.range.start) == Some(s.with.len() as u64);
        self.splices.iter().all(|s| s.range.start >= len || stays(s))
    }

    /// Makes the changes in a file that [`Patch::only_appends`].
    ///
    /// # Errors
    /// `Check` when something would move; `Io`.
    pub fn append_in_place(&self, mut file: &File) -> Result<()> {
        let end = file.metadata()?.len();
        if !self.only_appends(end) {
            return Err(Error::new(crate::ErrorKind::Check, "an edit in place changes a length"));
        }
        let mut appended = false;
        for s in &self.splices {
            if !appended {
                file.seek(SeekFrom::Start(s.range.start))?;
                appended = s.range.start >= end;
            }
            file.write_all(&s.with)?;
        }
        Ok(())
    }

    fn moves_nothing(&self) -> Result<()> {
        if self.splices.iter().any(|s| s.range.end.checked_sub(s.range.start) != Some(s.with.len() as u64)) {
            return Err(Error::new(crate::ErrorKind::Check, "an edit in place changes a length"));
        }
        Ok(())
    }

    /// The changed input in memory.
    ///
    /// # Errors
    /// As [`Patch::apply`].
    pub fn apply_to_vec(&self, source: &dyn Source) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(usize::try_from(self.output_len(source.len())).unwrap_or(0));
        self.apply(source, &mut out)?;
        Ok(out)
    }
}

/// The changed input as it will be, without writing it.
pub struct Patched<'a> {
    source: &'a dyn Source,
    len: u64,
    /// Where each stretch begins in the output, and what it is.
    parts: Vec<(u64, Stretch<'a>)>,
}

enum Stretch<'a> {
    /// Bytes of the input from here on.
    Kept(u64),
    New(&'a [u8]),
}

impl std::fmt::Debug for Patched<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patched")
            .field("len", &self.len)
            .field("parts", &self.parts.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Patched<'a> {
    /// The output of `patch` on `source`.
    ///
    /// # Errors
    /// As [`Patch::apply`].
    pub fn new(source: &'a dyn Source, patch: &'a Patch) -> Result<Self> {
        patch.check(source)?;
        let (mut parts, mut from, mut to) = (Vec::new(), 0, 0);
        for s in &patch.splices {
            parts.push((to, Stretch::Kept(from)));
            to += s.range.start - from;
            parts.push((to, Stretch::New(&s.with)));
            to += s.with.len() as u64;
            from = s.range.end;
        }
        parts.push((to, Stretch::Kept(from)));
        // Of stretches without length the last one begins where bytes are.
        Ok(Self { source, len: to + (source.len() - from), parts })
    }
}

impl Source for Patched<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let i = self.parts.partition_point(|(start, _)| *start <= at);
            let end = self.parts.get(i).map_or(self.len, |(start, _)| *start);
            let Some((start, stretch)) = i.checked_sub(1).and_then(|i| self.parts.get(i)) else { break };
            let n = (end - at).min(rest.len() as u64) as usize;
            let (now, later) = rest.split_at_mut(n);
            match stretch {
                Stretch::Kept(from) => self.source.read_exact_at(from + (at - start), now)?,
                Stretch::New(bytes) => {
                    let from = (at - start) as usize;
                    now.copy_from_slice(bytes.get(from..from + n).ok_or(io::ErrorKind::UnexpectedEof)?);
                }
            }
            at += n as u64;
            rest = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(p: &Patch, s: &str) -> String {
        String::from_utf8(p.apply_to_vec(&s.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn splices_apply_in_order_whatever_the_order_they_came_in() {
        let mut p = Patch::new();
        p.remove(8..9);
        p.insert(0, "<");
        p.replace(2..4, "XY!");
        p.insert(10, ">");
        assert_eq!(apply(&p, "0123456789"), "<01XY!45679>");
        assert_eq!(p.output_len(10), 12);
        assert_eq!(p.map(0), Some(1));
        assert_eq!(p.map(2), None);
        assert_eq!(p.map(4), Some(6));
        assert_eq!(p.map(9), Some(10));
    }

    #[test]
    fn insertions_at_one_place_keep_their_order() {
        let mut p = Patch::new();
        p.insert(1, "a");
        p.insert(1, "b");
        p.replace(1..2, "c");
        assert_eq!(apply(&p, "xyz"), "xabcz");
    }

    #[test]
    fn a_stretch_takes_the_splices_that_lie_in_it() {
        let mut p = Patch::new();
        p.insert(0, "<");
        p.replace(2..4, "XY!");
        p.insert(5, "-");
        p.insert(10, ">");
        let within = |range| {
            let mut out = Vec::new();
            p.apply_within(&b"0123456789".as_slice(), range, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            (within(0..4), within(5..10), within(3..5)),
            ("<01XY!".into(), "-56789>".into(), "34-".into())
        );
    }

    #[test]
    fn an_end_that_grows_is_written_in_place() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut p = Patch::new();
        p.insert(10, "ab");
        p.replace(2..4, "XY");
        p.insert(10, "c");
        assert!(p.only_appends(10));
        p.append_in_place(&file).unwrap();
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        io::Read::read_to_string(&mut file, &mut text).unwrap();
        assert_eq!(text, "01XY456789abc");
        p.insert(0, "<");
        assert!(!p.only_appends(13));
        assert!(p.append_in_place(&file).is_err());
    }

    #[test]
    fn what_will_be_written_reads_as_what_is_written() {
        let input = b"0123456789".as_slice();
        let mut p = Patch::new();
        p.insert(0, "<");
        p.replace(2..4, "XY!");
        p.remove(4..5);
        p.remove(8..9);
        p.insert(10, ">");
        let whole = p.apply_to_vec(&input).unwrap();
        let planned = Patched::new(&input, &p).unwrap();
        assert_eq!(planned.len(), whole.len() as u64);
        for from in 0..=whole.len() {
            for to in from..=whole.len() {
                let mut part = vec![0; to - from];
                planned.read_exact_at(from as u64, &mut part).unwrap();
                assert_eq!(part, &whole[from..to]);
            }
        }
        assert!(planned.read_exact_at(whole.len() as u64, &mut [0]).is_err());
        for len in 1..12 {
            let mut out = Vec::new();
            p.pieces(&input, len, &mut |piece| {
                out.extend_from_slice(&piece);
                Ok(piece)
            })
            .unwrap();
            assert_eq!(out, whole);
        }
    }

    #[test]
    fn a_file_is_patched_as_memory_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        std::fs::write(&path, "0123456789").unwrap();
        let source = crate::FileSource::open(&path).unwrap();
        let mut p = Patch::new();
        p.replace(2..4, "XY!");
        p.insert(10, ">");
        p.remove(8..9);
        let out = folder.path().join("out");
        p.apply_to_file(&source, &File::create(&out).unwrap()).unwrap();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), apply(&p, "0123456789"));
        let mut same = Patch::new();
        same.replace(1..3, "ab");
        let file = File::options().write(true).open(&out).unwrap();
        same.apply_in_place(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "0abY!45679>");
        assert!(p.apply_in_place(&file).is_err(), "it would move what follows");
    }

    #[test]
    fn overlap_is_refused() {
        let mut p = Patch::new();
        p.remove(0..3);
        p.remove(2..4);
        assert!(p.apply_to_vec(&b"abcdef".as_slice()).is_err());
        let mut p = Patch::new();
        p.remove(4..9);
        assert!(p.apply_to_vec(&b"abcdef".as_slice()).is_err());
    }
}
