//! EA IFF 85 forms as AIFF uses them: chunks of an id, a big-endian length and data padded to an even number of bytes.
//!
//! Sources: "EA IFF 85 Standard for Interchange Format Files", "Audio Interchange File Format 1.3" (Apple, 1989).

use std::ops::Range;

use colophon_core::{Error, Limits, Patch, Result, Source};

const FORMAT: &str = "iff";
/// Length of a chunk's id and length fields.
const HEADER: u64 = 8;

/// Four bytes that name a chunk or a form.
pub type Id = [u8; 4];

/// One chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its id.
    pub id: Id,
    /// Id, length, data and pad byte.
    pub range: Range<u64>,
    /// The data alone.
    pub data: Range<u64>,
}

/// A change to a form: the place of a chunk, and the chunk that takes it.
pub type Change = (Option<Range<u64>>, Option<Vec<u8>>);

/// A walked form.
#[derive(Clone, Debug)]
pub struct Form {
    /// What it holds: `AIFF`, `AIFC`.
    pub kind: Id,
    /// Its chunks in file order.
    pub chunks: Vec<Chunk>,
    /// End of the form; bytes behind it belong to nobody.
    pub end: u64,
    /// What was tolerated, in words.
    pub notes: Vec<String>,
}

/// Walks the chunks of a form.
///
/// # Errors
/// `Malformed` when it is no form, or a chunk announces more than there is; `Limit` for too many chunks.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Form> {
    let len = source.len();
    let head = source.bytes_up_to(0, 12)?;
    let (Some(b"FORM"), Some(size), Some(kind)) =
        (head.first_chunk::<4>(), number(&head, 4), head.get(8..12).and_then(<[u8]>::first_chunk::<4>))
    else {
        return Err(Error::malformed(FORMAT, "no FORM signature").at_offset(0));
    };
    let mut form = Form {
        kind: *kind,
        chunks: Vec::new(),
        end: u64::from(size).saturating_add(HEADER),
        notes: Vec::new(),
    };
    if form.end > len {
        form.notes.push(format!("the form announces {size} bytes, {} are there", len.saturating_sub(HEADER)));
        form.end = len;
    }
    let mut at = 12_u64;
    while at < form.end {
        if form.chunks.len() >= limits.parts {
            return Err(Error::limit(format!("more than {} chunks", limits.parts))
                .in_format(FORMAT)
                .at_offset(at));
        }
        let header = source.bytes_up_to(at, HEADER)?;
        let (Some(id), Some(size)) = (header.first_chunk::<4>().copied(), number(&header, 4)) else {
            form.notes.push(format!("{} bytes after the last chunk", form.end.saturating_sub(at)));
            form.end = at;
            break;
        };
        if !id.iter().all(|b| (0x20..0x7f).contains(b)) {
            return Err(
                Error::malformed(FORMAT, "where a chunk should begin stands something else").at_offset(at)
            );
        }
        let start = at.saturating_add(HEADER);
        let stop = start.saturating_add(u64::from(size));
        if stop > len {
            let there = len.saturating_sub(start);
            return Err(Error::malformed(
                FORMAT,
                format!("the chunk announces {size} bytes, {there} are there"),
            )
            .at_place(name(id))
            .at_offset(at));
        }
        // The pad byte may be missing at the end of the file.
        let next = stop.saturating_add(u64::from(size & 1)).min(len);
        if next > form.end {
            form.notes.push(format!("the length of the form ends inside the chunk {}", name(id)));
            form.end = next;
        }
        form.chunks.push(Chunk { id, range: at..next, data: start..stop });
        at = next;
    }
    if form.end < len {
        form.notes.push(format!("{} bytes after the end of the form", len.saturating_sub(form.end)));
    }
    Ok(form)
}

/// An id as text.
pub fn name(id: Id) -> String {
    String::from_utf8_lossy(&id).into_owned()
}

/// A chunk as bytes.
///
/// # Errors
/// `Limit` for data of 4 GiB.
pub fn encode(id: Id, data: &[u8]) -> Result<Vec<u8>> {
    let mut out = id.to_vec();
    out.extend(length(data.len() as u64)?);
    out.extend_from_slice(data);
    if data.len() & 1 == 1 {
        out.push(0);
    }
    Ok(out)
}

/// A length field.
///
/// # Errors
/// `Limit` for 4 GiB and more.
pub fn length(len: u64) -> Result<[u8; 4]> {
    u32::try_from(len)
        .map(u32::to_be_bytes)
        .map_err(|_| Error::limit("a form cannot be longer than 4 GiB").in_format(FORMAT))
}

impl Form {
    /// Chunks of one id.
    pub fn of(&self, id: Id) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter().filter(move |c| c.id == id)
    }

    /// The splices that put each chunk in the place of another (removed where `None`) or, without one, at the end of the
    /// form; the length of the form is put right.
    ///
    /// # Errors
    /// `Limit` when the form would be longer than 4 GiB.
    pub fn edit(&self, changes: Vec<Change>) -> Result<Patch> {
        let mut patch = Patch::new();
        let mut tail = Vec::new();
        for (place, chunk) in changes {
            match (place, chunk) {
                (Some(range), chunk) => patch.replace(range, chunk.unwrap_or_default()),
                (None, Some(chunk)) => tail.extend(chunk),
                (None, None) => {}
            }
        }
        if !tail.is_empty() {
            // A chunk of odd length at the end of the file may have come without its pad byte.
            let odd = |c: &Chunk| c.data.end.saturating_sub(c.data.start) & 1 == 1;
            if self.chunks.last().is_some_and(|c| c.range.end == c.data.end && odd(c)) {
                tail.insert(0, 0);
            }
            patch.insert(self.end, tail);
        }
        if !patch.is_empty() {
            let now = patch.splices().iter().filter(|s| s.range.end <= self.end).fold(self.end, |end, s| {
                end.saturating_add(s.with.len() as u64)
                    .saturating_sub(s.range.end.saturating_sub(s.range.start))
            });
            patch.replace(4..8, length(now.saturating_sub(HEADER))?);
        }
        Ok(patch)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_walk_or_fail(body in prop::collection::vec(any::<u8>(), 0..300), size: u32) {
            let mut file = b"FORM".to_vec();
            file.extend(size.to_be_bytes());
            file.extend(b"AIFF");
            file.extend(body);
            if let Ok(form) = walk(&file, &Limits::default()) {
                let mut at = 12;
                for c in &form.chunks {
                    prop_assert!(c.range.start == at && c.data.end <= c.range.end && c.range.end <= file.len() as u64);
                    at = c.range.end;
                }
            }
        }

        #[test]
        fn what_is_appended_or_replaced_walks_again(data in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut file = b"FORM\0\0\0\0AIFF".to_vec();
            file.extend(encode(*b"NAME", b"odd").unwrap());
            let size = length(file.len() as u64 - 8).unwrap();
            file[4..8].copy_from_slice(&size);
            let form = walk(&file, &Limits::default()).unwrap();
            let new = encode(*b"TEST", &data).unwrap();
            let patch = form.edit(vec![(None, Some(new.clone()))]).unwrap();
            let more = patch.apply_to_vec(&file).unwrap();
            let form = walk(&more, &Limits::default()).unwrap();
            prop_assert!(form.notes.is_empty());
            let found = form.of(*b"TEST").next().unwrap();
            prop_assert_eq!(&more[found.data.start as usize..found.data.end as usize], &data[..]);
            let back = form.edit(vec![(Some(found.range.clone()), None)]).unwrap().apply_to_vec(&more).unwrap();
            prop_assert_eq!(back, file);
        }
    }
}
