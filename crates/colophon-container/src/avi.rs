//! AVI: a RIFF form of headers, media and indexes, continued in forms `AVIX` when it is long.
//!
//! Sources: "AVI RIFF File Reference" (Microsoft), "OpenDML AVI File Format Extensions" 1.02 (indexes, `AVIX`), XMP
//! specification part 3, 1.1.2 (`_PMX`), C2PA 2.4, A.3.5 (`C2PA` chunk).
//!
//! What changes in front of the media is taken up by `JUNK` where there is some; else every stored position that moves is
//! put right.

use std::ops::Range;

use colophon_core::{Edit, Entry, Error, Limits, Patch, Result, Slot, Source};

mod index;
mod walk;
use walk::{Chunk, FORMAT, chunks, encode};
pub use walk::{Facts, File, open};

/// Ids of chunks.
const INFO: [u8; 4] = *b"INFO";
const XMP: [u8; 4] = *b"_PMX";
const C2PA: [u8; 4] = *b"C2PA";
const JUNK: [u8; 4] = *b"JUNK";

/// Every value, in file order. Texts of `LIST INFO` under ids that contain `key` come as [`Slot::Field`] under this very key,
/// others as [`Slot::Comment`].
///
/// # Errors
/// `Malformed`, `Limit`.
pub fn entries(source: &dyn Source, file: &File, key: &str, limits: &Limits) -> Result<Vec<Entry>> {
    let mut out = Vec::new();
    let mut push = |slot, key: &str, value: Vec<u8>, place: String, chunk: &Chunk, normative| {
        let range = chunk.range.clone();
        out.push(Entry { slot, key: key.to_owned(), value, place, range, normative });
    };
    for chunk in &file.chunks {
        match (chunk.id, chunk.list) {
            (_, Some(INFO)) => {
                for part in chunks(source, chunk.body(), limits)? {
                    let name = walk::name(part.id);
                    let text = bounded(source, &part, limits)?;
                    let text = text.split(|b| *b == 0).next().unwrap_or_default().to_vec();
                    let own = name.eq_ignore_ascii_case(key);
                    if std::str::from_utf8(&text).is_err() {
                        continue;
                    }
                    let (slot, shown) = if own { (Slot::Field, key) } else { (Slot::Comment, name.as_str()) };
                    push(slot, shown, text, format!("LIST INFO/{name}"), &part, own && name == key);
                }
            }
            (XMP, _) => {
                push(Slot::Xmp, "xmp", bounded(source, chunk, limits)?, "_PMX".to_owned(), chunk, true);
            }
            (C2PA, _) => {
                push(Slot::Jumbf, "c2pa", bounded(source, chunk, limits)?, "C2PA".to_owned(), chunk, true);
            }
            (id, None) if walk::name(id).eq_ignore_ascii_case(key) => {
                // Where sound files of the family have it.
                let text = bounded(source, chunk, limits)?;
                let text = text.split(|b| *b == 0).next().unwrap_or_default().to_vec();
                push(Slot::Field, key, text, walk::name(id), chunk, false);
            }
            _ => {}
        }
    }
    Ok(out)
}

fn bounded(source: &dyn Source, chunk: &Chunk, limits: &Limits) -> Result<Vec<u8>> {
    let len = chunk.data.end.saturating_sub(chunk.data.start);
    if len > limits.metadata_bytes {
        return Err(Error::limit(format!("{len} bytes of metadata, {} are allowed", limits.metadata_bytes))
            .in_format(FORMAT)
            .at_offset(chunk.range.start));
    }
    Ok(source.bytes(chunk.data.start, len)?.into_owned())
}

/// The splices that make the changes.
///
/// # Errors
/// `Unsupported` for slots AVI has no place for; `Malformed` for a range that is no value; `Limit` when a form or a position
/// outgrows its 32 bits.
pub fn edit(source: &dyn Source, file: &File, edits: &[Edit], limits: &Limits) -> Result<Patch> {
    let mut dropped: Vec<Range<u64>> = Vec::new();
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    let mut splices: Vec<(Range<u64>, Vec<u8>)> = Vec::new();
    for edit in edits {
        match edit {
            Edit::Set { slot: Slot::Field, key, value } => {
                let found = entries(source, file, key, limits)?;
                let same: Vec<_> = found.iter().filter(|e| e.slot == Slot::Field).collect();
                if matches!(same.as_slice(), [one] if one.normative && one.value == *value) {
                    continue;
                }
                if key.len() != 4 || !key.is_ascii() {
                    return Err(Error::unsupported(FORMAT, format!("{key} is no id of a chunk")));
                }
                dropped.extend(same.iter().map(|e| e.range.clone()));
                fields.push((key.clone(), value.clone()));
            }
            Edit::Set { slot: slot @ (Slot::Xmp | Slot::Jumbf), value, .. } => {
                let id = if *slot == Slot::Xmp { XMP } else { C2PA };
                let old: Vec<&Chunk> = file.chunks.iter().filter(|c| c.id == id).collect();
                let new = encode(id, value)?;
                let place = old.first().map_or(file.end..file.end, |c| c.range.clone());
                if source.bytes(place.start, place.end.saturating_sub(place.start))?.as_ref() != new {
                    splices.push((place, new));
                }
                splices.extend(old.iter().skip(1).map(|c| (c.range.clone(), Vec::new())));
            }
            Edit::Set { slot, key, .. } => {
                return Err(Error::unsupported(FORMAT, format!("no place for {slot:?} {key}")));
            }
            Edit::Remove { range } => dropped.push(range.clone()),
        }
    }
    let set = |splices: &[(Range<u64>, Vec<u8>)], r: &Range<u64>| splices.iter().any(|(s, _)| s == r);
    let mut left: Vec<Range<u64>> = Vec::new();
    for range in dropped {
        if file.chunks.iter().any(|c| c.range == range && c.list.is_none()) {
            if !set(&splices, &range) {
                splices.push((range, Vec::new()));
            }
        } else {
            left.push(range);
        }
    }
    lists(source, file, &left, &fields, limits, &mut splices)?;
    if splices.is_empty() {
        return Ok(Patch::new());
    }
    absorb(file, &mut splices);
    index::finish(source, file, splices, limits)
}

/// Rewrites the lists of texts: without some, with others in the first list, or in a new one in front of the media.
fn lists(
    source: &dyn Source,
    file: &File,
    dropped: &[Range<u64>],
    fields: &[(String, Vec<u8>)],
    limits: &Limits,
    splices: &mut Vec<(Range<u64>, Vec<u8>)>,
) -> Result<()> {
    let mut found = 0_usize;
    let mut fresh = fields;
    for list in file.chunks.iter().filter(|c| c.list == Some(INFO)) {
        let parts = chunks(source, list.body(), limits)?;
        let gone = |c: &Chunk| dropped.contains(&c.range);
        let hits = parts.iter().filter(|c| gone(c)).count();
        found = found.saturating_add(hits);
        if hits == 0 && fresh.is_empty() {
            continue;
        }
        let mut body = INFO.to_vec();
        for part in parts.iter().filter(|c| !gone(c)) {
            let len = part.range.end.saturating_sub(part.range.start);
            if len > limits.metadata_bytes {
                return Err(Error::limit("a text is longer than metadata may be").in_format(FORMAT));
            }
            body.extend_from_slice(&source.bytes(part.range.start, len)?);
            if body.len() & 1 == 1 {
                body.push(0);
            }
        }
        for (key, value) in std::mem::take(&mut fresh) {
            body.extend(text(key, value)?);
        }
        let with = if body.len() > 4 { encode(*b"LIST", &body)? } else { Vec::new() };
        splices.push((list.range.clone(), with));
    }
    if found < dropped.len() {
        return Err(Error::malformed(FORMAT, "no value occupies the range to be removed")
            .at_offset(dropped.first().map_or(0, |r| r.start)));
    }
    if !fresh.is_empty() {
        let mut body = INFO.to_vec();
        for (key, value) in fresh {
            body.extend(text(key, value)?);
        }
        // In front of the media, where readers of headers look; in front of the junk there, which gives way.
        let at = file.chunks.iter().position(|c| c.list == Some(*b"movi"));
        let place = at.and_then(|at| {
            let before = at.checked_sub(1).and_then(|i| file.chunks.get(i)).filter(|c| c.id == JUNK);
            before.or(file.chunks.get(at)).map(|c| c.range.start)
        });
        let place = place.unwrap_or(file.end);
        splices.push((place..place, encode(*b"LIST", &body)?));
    }
    Ok(())
}

/// A text with its closing zero.
fn text(key: &str, value: &[u8]) -> Result<Vec<u8>> {
    let id = key.as_bytes().first_chunk::<4>().copied().unwrap_or(*b"AIGC");
    encode(id, &[value, &[0]].concat())
}

/// Lets junk in front of the media take up what the changes in front of it win or lose.
fn absorb(file: &File, splices: &mut Vec<(Range<u64>, Vec<u8>)>) {
    let Some(movi) = file.chunks.iter().find(|c| c.list == Some(*b"movi")) else { return };
    let before = splices.iter().filter(|(r, _)| r.end <= movi.range.start);
    let delta = before.clone().fold(0_i64, |d, (r, with)| {
        d.saturating_add(with.len() as i64).saturating_sub_unsigned(r.end.saturating_sub(r.start))
    });
    let from = before.map(|(r, _)| r.end).max().unwrap_or(0);
    if delta == 0 {
        return;
    }
    let junk =
        file.chunks.iter().find(|c| c.id == JUNK && c.range.start >= from && c.range.end <= movi.range.start);
    if let Some(junk) = junk {
        let whole =
            junk.range.end.saturating_sub(junk.range.start).saturating_add_signed(delta.saturating_neg());
        if delta > 0 && whole > junk.range.end.saturating_sub(junk.range.start) {
            return;
        }
        if whole == 0 {
            splices.push((junk.range.clone(), Vec::new()));
        } else if whole >= 8
            && let Ok(bytes) = encode(JUNK, &vec![0; whole.saturating_sub(8) as usize])
        {
            splices.push((junk.range.clone(), bytes));
        }
    } else if delta <= -8
        && let Ok(bytes) = encode(JUNK, &vec![0; delta.unsigned_abs().saturating_sub(8) as usize])
    {
        splices.push((movi.range.start..movi.range.start, bytes));
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::trivially_copy_pass_by_ref)]
mod tests;
