//! Changing tags. Clusters and cues stay where they are: new tags take the place of the old ones or of void, or go to the
//! end of the segment, where the seek head finds them. Positions count from the start of the segment's content (RFC 9559,
//! 16), so nothing depends on how long its length is written.

use std::ops::Range;

use colophon_core::{Edit, Error, Limits, Patch, Result, Slot, Source};

use super::{
    CLUSTER, FORMAT, File, SEEK, SEEK_HEAD, SEEK_ID, SEEK_POSITION, SIMPLE_TAG, TAG, TAG_NAME, TAG_STRING,
    TAGS, TARGETS, named, tags, value,
};
use crate::ebml::{self, Element, encode, encode_uint, filled, list, uint, void};

/// The splices that make the changes.
///
/// # Errors
/// `Unsupported` for slots that are not fields; `Malformed` for a range that is no tag; `Limit`.
pub fn edit(source: &dyn Source, file: &File, edits: &[Edit], limits: &Limits) -> Result<Patch> {
    let known = tags(source, file, limits)?;
    let mut dropped: Vec<Range<u64>> = Vec::new();
    let mut added: Vec<(&str, &[u8])> = Vec::new();
    for edit in edits {
        match edit {
            Edit::Set { slot: Slot::Field, key, value } => {
                let same: Vec<_> = known.iter().filter(|t| named(&t.name, key)).collect();
                if let [one] = same.as_slice()
                    && one.name == *key
                    && one.value == *value
                    && one.global
                {
                    continue;
                }
                dropped.extend(same.iter().map(|t| t.range.clone()));
                added.retain(|(k, _)| k != key);
                added.push((key, value));
            }
            Edit::Set { slot, key, .. } => {
                return Err(Error::unsupported(FORMAT, format!("no place for {slot:?} {key}")));
            }
            Edit::Remove { range } => {
                if !known.iter().any(|t| t.range == *range) {
                    return Err(Error::malformed(FORMAT, "no tag occupies the range to be removed")
                        .at_offset(range.start));
                }
                // What is set and removed at once is set.
                dropped.push(range.clone());
            }
        }
    }
    if dropped.is_empty() && added.is_empty() {
        return Ok(Patch::new());
    }
    if added.iter().map(|(_, v)| v.len()).sum::<u64>() > limits.metadata_bytes {
        return Err(Error::limit("the tags would be longer than allowed").in_format(FORMAT));
    }
    let mut left = limits.parts;
    let mut draft = Draft { source, file, patch: Patch::new(), grown: 0, moves: Vec::new() };
    let elements: Vec<&Element> = file.of(TAGS).collect();
    for (i, old) in elements.iter().enumerate() {
        let last = i.checked_add(1) == Some(elements.len());
        let touched = dropped.iter().any(|d| old.body.start <= d.start && d.end <= old.body.end);
        let new = if last { added.as_slice() } else { &[] };
        if touched || !new.is_empty() {
            let body = rewritten(source, old, &dropped, new, &mut left)?;
            draft.place(Some(old), &body);
        }
    }
    if elements.is_empty() {
        let body: Vec<u8> = added.iter().flat_map(|(key, value)| tag(key, value)).collect();
        draft.place(None, &body);
    }
    draft.seek(&mut left)?;
    draft.finish()
}

/// One tag about the whole segment.
fn tag(key: &str, value: &[u8]) -> Vec<u8> {
    let simple = [encode(TAG_NAME, key.as_bytes()), encode(TAG_STRING, value)].concat();
    encode(TAG, &[encode(TARGETS, &[]), encode(SIMPLE_TAG, &simple)].concat())
}

/// The content of tags without some, with others at the end.
fn rewritten(
    source: &dyn Source,
    old: &Element,
    dropped: &[Range<u64>],
    added: &[(&str, &[u8])],
    left: &mut usize,
) -> Result<Vec<u8>> {
    let (mut body, mut checked) = (Vec::new(), false);
    for e in list(source, old.body.clone(), left)? {
        if matches!(e.id, ebml::CRC32 | ebml::VOID) {
            checked |= e.id == ebml::CRC32;
        } else if e.id == TAG && dropped.iter().any(|d| e.body.start <= d.start && d.end <= e.body.end) {
            let kept = without(source, &e, dropped, left)?;
            if kept.1 > 0 {
                body.extend(encode(TAG, &kept.0));
            }
        } else {
            body.extend_from_slice(&whole(source, &e)?);
        }
    }
    body.extend(added.iter().flat_map(|(key, value)| tag(key, value)));
    Ok(if checked && !body.is_empty() { checksummed(body) } else { body })
}

/// The content of a `Tag` or `SimpleTag` without some of its tags, and how many tags are left in it.
fn without(
    source: &dyn Source,
    parent: &Element,
    dropped: &[Range<u64>],
    left: &mut usize,
) -> Result<(Vec<u8>, usize)> {
    let (mut body, mut tags) = (Vec::new(), 0_usize);
    for e in list(source, parent.body.clone(), left)? {
        if e.id != SIMPLE_TAG {
            body.extend_from_slice(&whole(source, &e)?);
        } else if !dropped.contains(&e.range) {
            tags = tags.saturating_add(1);
            let deeper = dropped.iter().any(|d| e.body.start <= d.start && d.end <= e.body.end);
            if deeper {
                body.extend(encode(SIMPLE_TAG, &without(source, &e, dropped, left)?.0));
            } else {
                body.extend_from_slice(&whole(source, &e)?);
            }
        }
    }
    Ok((body, tags))
}

fn whole<'a>(source: &'a dyn Source, e: &Element) -> Result<std::borrow::Cow<'a, [u8]>> {
    source.bytes(e.range.start, e.range.end.saturating_sub(e.range.start))
}

/// Content with its checksum in front (RFC 8794, 11.3.1: little-endian).
fn checksummed(body: Vec<u8>) -> Vec<u8> {
    [encode(ebml::CRC32, &crc32fast::hash(&body).to_le_bytes()), body].concat()
}

struct Draft<'a> {
    source: &'a dyn Source,
    file: &'a File,
    patch: Patch,
    /// Bytes the segment becomes longer, or shorter, at its end.
    grown: i64,
    /// Tags that stood and stand elsewhere, by position.
    moves: Vec<(Option<u64>, Option<u64>)>,
}

impl Draft<'_> {
    /// Puts tags where the old ones stand if they fit, else elsewhere.
    fn place(&mut self, old: Option<&Element>, body: &[u8]) {
        let end = self.file.segment.body.end;
        let empty = body.is_empty();
        if let Some(old) = old {
            let room = self.with_void(old.range.clone());
            let len = room.end.saturating_sub(room.start);
            if empty {
                if room.end == end {
                    self.grown = self.grown.saturating_sub_unsigned(len);
                    self.patch.remove(room);
                } else {
                    self.vacate(room);
                }
                return self.moves.push((Some(old.range.start), None));
            }
            if let Some(bytes) = filled(TAGS, body, len) {
                self.patch.replace(room, bytes);
                return;
            }
            let bytes = encode(TAGS, body);
            if room.end == end {
                self.grown = self.grown.saturating_add(bytes.len() as i64).saturating_sub_unsigned(len);
                self.patch.replace(room, bytes);
                return;
            }
            self.vacate(room);
        } else if empty {
            return;
        }
        let bytes = encode(TAGS, body);
        let at = if let Some(room) = self.spare(bytes.len() as u64) {
            let len = room.end.saturating_sub(room.start);
            let at = room.start;
            self.patch.replace(room, filled(TAGS, body, len).unwrap_or(bytes));
            at
        } else {
            self.grown = self.grown.saturating_add(bytes.len() as i64);
            self.patch.insert(end, bytes);
            end
        };
        self.moves.push((old.map(|o| o.range.start), Some(at)));
    }

    /// Leaves void where tags stood. Behind a cluster of unknown length it would belong to the cluster: there, tags without
    /// content end it as before.
    fn vacate(&mut self, room: Range<u64>) {
        let len = room.end.saturating_sub(room.start);
        let before = self.file.parts.iter().rfind(|e| e.range.end <= room.start);
        let bytes = before.filter(|e| e.open).and_then(|_| filled(TAGS, &[], len));
        self.patch.replace(room, bytes.unwrap_or_else(|| void(len)));
    }

    /// A range with the void that follows it.
    fn with_void(&self, range: Range<u64>) -> Range<u64> {
        let mut end = range.end;
        for e in self.file.parts.iter().filter(|e| e.range.start >= range.end) {
            if e.id != ebml::VOID || e.range.start != end {
                break;
            }
            end = e.range.end;
        }
        range.start..end
    }

    /// Void in front of the media that takes `len` bytes. What follows a seek head is left to it.
    fn spare(&self, len: u64) -> Option<Range<u64>> {
        let mut seek = false;
        for e in &self.file.parts {
            if e.id == CLUSTER {
                break;
            }
            let untouched = !self
                .patch
                .splices()
                .iter()
                .any(|s| s.range.start < e.range.end && e.range.start < s.range.end);
            let room = e.range.end.saturating_sub(e.range.start);
            if e.id == ebml::VOID && !seek && untouched && (room == len || room > len.saturating_add(1)) {
                return Some(e.range.clone());
            }
            seek = e.id == SEEK_HEAD || seek && e.id == ebml::VOID;
        }
        None
    }

    /// Makes the seek head point at the tags. Without room for it, what points at nothing goes away.
    fn seek(&mut self, left: &mut usize) -> Result<()> {
        let base = self.file.segment.body.start;
        let Some(head) = self.file.of(SEEK_HEAD).next().filter(|_| !self.moves.is_empty()) else {
            return Ok(());
        };
        let (mut entries, mut checked, mut stale) = (Vec::new(), false, false);
        for e in list(self.source, head.body.clone(), left)? {
            checked |= e.id == ebml::CRC32;
            if e.id != SEEK {
                continue;
            }
            let (mut id, mut position) = (None, None);
            for field in list(self.source, e.body.clone(), left)? {
                match field.id {
                    SEEK_ID => id = uint(&value(self.source, &field)?),
                    SEEK_POSITION => position = uint(&value(self.source, &field)?),
                    _ => {}
                }
            }
            let points = |from: &Option<u64>| from.and_then(|f| f.checked_sub(base)) == position;
            if id == Some(u64::from(TAGS)) && self.moves.iter().any(|(from, _)| points(from)) {
                stale = true;
            } else {
                entries.extend_from_slice(&whole(self.source, &e)?);
            }
        }
        let new = self.moves.iter().find_map(|(_, to)| *to).map(|to| {
            let id = encode(SEEK_ID, &ebml::id_bytes(TAGS));
            encode(SEEK, &[id, encode_uint(SEEK_POSITION, to.saturating_sub(base))].concat())
        });
        let room = self.with_void(head.range.clone());
        let len = room.end.saturating_sub(room.start);
        let body = |new: &[u8]| {
            let all = [entries.as_slice(), new].concat();
            if checked { checksummed(all) } else { all }
        };
        let fits = |new: &[u8]| filled(SEEK_HEAD, &body(new), len);
        match (new.as_deref().and_then(fits), stale) {
            (Some(bytes), _) => self.patch.replace(room, bytes),
            (None, true) => self.patch.replace(room, fits(&[]).unwrap_or_else(|| void(len))),
            (None, false) => {}
        }
        Ok(())
    }

    /// The length of the segment, and a checksum of all of it that no longer holds.
    fn finish(mut self) -> Result<Patch> {
        let segment = &self.file.segment;
        if let Some(crc) = self.file.of(ebml::CRC32).next() {
            self.patch.replace(crc.range.clone(), void(crc.range.end.saturating_sub(crc.range.start)));
        }
        if self.grown == 0 || segment.open {
            return Ok(self.patch);
        }
        let id = ebml::id_bytes(segment.id).len() as u64;
        let place = segment.range.start.saturating_add(id)..segment.body.start;
        let width = place.end.saturating_sub(place.start) as usize;
        let len = segment.body.end.saturating_sub(segment.body.start).saturating_add_signed(self.grown);
        let bytes = ebml::length(len, width)
            .or_else(|| ebml::length(len, 8))
            .ok_or_else(|| Error::limit("the segment would be too long").in_format(FORMAT))?;
        self.patch.replace(place, bytes);
        Ok(self.patch)
    }
}
