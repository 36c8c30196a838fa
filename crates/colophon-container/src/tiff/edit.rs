//! Metadata fields of the first directory: XMP and C2PA, set and removed without moving a pixel.
//!
//! A value that fits where the old one stood goes there. Everything else is appended, and where the directory needs one
//! field more, a longer copy of it is appended and the header points there: offsets inside a TIFF file are absolute, so
//! nothing that stands may move.

use std::ops::Range;

use colophon_core::{Error, Limits, Patch, Result, Source};

use super::{Directory, Field, Tiff, walk};

/// XMP packet (XMP part 3, 3.3; TC260-PG-20259A: field type 7).
pub const XMP: u16 = 700;
/// C2PA manifest store (C2PA 2.2, A.3.4).
pub const C2PA: u16 = 0xcd41;

/// What to do with a field of the first directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Holds exactly this value, as bytes of no stated type.
    Set(u16, Vec<u8>),
    /// Is not there.
    Remove(u16),
}

/// The splices for changes of the first directory.
///
/// # Errors
/// As [`walk`]; `Limit` when the file would outgrow its offsets.
pub fn edit(source: &dyn Source, changes: &[Change], limits: &Limits) -> Result<Patch> {
    let tiff = walk(source, limits)?;
    let Some(first) = tiff.directories.first() else {
        return Err(Error::malformed(super::FORMAT, "there is no directory"));
    };
    let mut patch = Patch::new();
    let mut tail = Tail { at: source.len(), bytes: Vec::new() };
    let raw = raw(source, &tiff, first)?;
    let mut fields = raw.clone();
    for change in changes {
        let tag = match change {
            Change::Set(tag, _) | Change::Remove(tag) => *tag,
        };
        let old = first.fields.iter().find(|f| f.tag == tag);
        let room = old.and_then(|f| f.value.clone()).filter(|v| !inline(&tiff, old, v));
        match change {
            Change::Set(_, value) => {
                let place = match room {
                    Some(room) if room.end.saturating_sub(room.start) >= value.len() as u64 => {
                        let mut bytes = value.clone();
                        bytes.resize((room.end.saturating_sub(room.start)) as usize, 0);
                        if *source.bytes(room.start, bytes.len() as u64)? != bytes[..] {
                            patch.replace(room.clone(), bytes);
                        }
                        room.start
                    }
                    room => {
                        if let Some(room) = room {
                            patch
                                .replace(room.clone(), vec![0; room.end.saturating_sub(room.start) as usize]);
                        }
                        tail.push(value)
                    }
                };
                let entry = entry(&tiff, tag, value, place)?;
                fields.retain(|(t, _)| *t != tag);
                let at = fields.partition_point(|(t, _)| *t < tag);
                fields.insert(at, (tag, entry));
            }
            Change::Remove(_) => {
                if let Some(room) = room {
                    patch.replace(room.clone(), vec![0; room.end.saturating_sub(room.start) as usize]);
                }
                fields.retain(|(t, _)| *t != tag);
            }
        }
    }
    if fields != raw {
        let (offset_len, count_len) = if tiff.coding.wide { (8_u64, 8_u64) } else { (4, 2) };
        let end = first.next_at.saturating_add(offset_len);
        let next = source.bytes_up_to(first.next_at, offset_len)?;
        let mut body = if count_len == 8 {
            tiff.coding.bytes8(fields.len() as u64)
        } else {
            tiff.coding.bytes2(fields.len() as u16)
        };
        body.extend(fields.iter().flat_map(|(_, e)| e.iter().copied()));
        body.extend_from_slice(&next);
        body.resize(body.len().saturating_add((offset_len as usize).saturating_sub(next.len())), 0);
        let old = end.min(source.len()).saturating_sub(first.at);
        if body.len() as u64 <= old {
            body.resize(old as usize, 0);
            patch.replace(first.at..first.at.saturating_add(old), body);
        } else {
            patch.replace(first.at..first.at.saturating_add(old), vec![0; old as usize]);
            let at = tail.push(&body);
            let header = if tiff.coding.wide { 8..16 } else { 4..8 };
            patch.replace(header, tiff.coding.offset(at));
        }
    }
    if !tail.bytes.is_empty() {
        let end = tail.at.saturating_add(tail.bytes.len() as u64);
        if !tiff.coding.wide && end > u64::from(u32::MAX) {
            return Err(Error::limit("the file would be longer than 4 GiB").in_format(super::FORMAT));
        }
        patch.insert(tail.at, tail.bytes);
    }
    Ok(patch)
}

/// What is appended to the file.
struct Tail {
    /// Where it begins.
    at: u64,
    bytes: Vec<u8>,
}

impl Tail {
    /// Appends on an even place (TIFF 6.0, section 2) and says which.
    fn push(&mut self, value: &[u8]) -> u64 {
        if self.at.saturating_add(self.bytes.len() as u64) % 2 == 1 {
            self.bytes.push(0);
        }
        let place = self.at.saturating_add(self.bytes.len() as u64);
        self.bytes.extend_from_slice(value);
        place
    }
}

/// The fields as they stand, in file order.
fn raw(source: &dyn Source, tiff: &Tiff, directory: &Directory) -> Result<Vec<(u16, Vec<u8>)>> {
    let len = if tiff.coding.wide { 20 } else { 12 };
    directory.fields.iter().map(|f| Ok((f.tag, source.bytes(f.at, len)?.into_owned()))).collect()
}

/// Whether a value stands inside its field.
fn inline(tiff: &Tiff, field: Option<&Field>, value: &Range<u64>) -> bool {
    let len = if tiff.coding.wide { 20 } else { 12 };
    field.is_some_and(|f| value.start >= f.at && value.end <= f.at.saturating_add(len))
}

/// A field of bytes.
fn entry(tiff: &Tiff, tag: u16, value: &[u8], place: u64) -> Result<Vec<u8>> {
    let coding = tiff.coding;
    let mut out = coding.bytes2(tag);
    out.extend(coding.bytes2(7));
    let offset = if coding.wide { 8 } else { 4 };
    let count =
        u32::try_from(value.len()).map_err(|_| Error::limit("a value of 4 GiB").in_format(super::FORMAT))?;
    out.extend(coding.offset(u64::from(count)));
    if value.len() <= offset {
        let mut inline = value.to_vec();
        inline.resize(offset, 0);
        out.extend(inline);
    } else {
        out.extend(coding.offset(place));
    }
    Ok(out)
}
