//! RIFF, RF64 and BW64: a form of chunks, each an id, a length and data padded to an even number of bytes.
//!
//! Sources: "Multimedia Programming Interface and Data Specifications 1.0" (RIFF), EBU Tech 3306 (RF64),
//! ITU-R BS.2088 (BW64).

use std::ops::Range;

use colophon_core::{Error, Limits, Patch, Result, Source};

const FORMAT: &str = "riff";
/// Length of a chunk's id and length fields.
const HEADER: u64 = 8;
/// A length that says "see `ds64`" in RF64, and "unknown" in files written as a stream.
const UNKNOWN: u32 = u32::MAX;

/// Four bytes that name a chunk or a form.
pub type Id = [u8; 4];

/// How lengths beyond 4 GiB are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit lengths only.
    Riff,
    /// `RF64` or `BW64`: the lengths of the form and of `data` stand in the `ds64` chunk.
    Large,
}

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

/// A walked form.
#[derive(Clone, Debug)]
pub struct Riff {
    /// What the form holds: `WAVE`, `WEBP`.
    pub form: Id,
    /// How long lengths are kept.
    pub kind: Kind,
    /// Chunks of the form in file order.
    pub chunks: Vec<Chunk>,
    /// End of the form; bytes behind it belong to nobody.
    pub end: u64,
    /// What was tolerated, in words.
    pub notes: Vec<String>,
    /// The length field of the form as it stands.
    announced: u32,
    /// The length of `data` is left open.
    open: bool,
}

/// One change to the chunks of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Exactly one chunk of this id, with this data: in the place of the first one, else at the end of the form.
    Set(Id, Vec<u8>),
    /// The chunk, or the member of a `LIST` chunk, that occupies this range goes away.
    Remove(Range<u64>),
}

/// Walks the chunks of a form.
///
/// A `data` chunk of WAVE whose length is left open, as programs write it into a pipe, reaches to the end of the file; the notes
/// say so.
///
/// # Errors
/// `Malformed` when it is no RIFF file, or a chunk announces more than there is; `Limit` for too many chunks.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Riff> {
    let len = source.len();
    let head = source.bytes_up_to(0, 12)?;
    let (kind, announced, form) = match (array(&head, 0), array(&head, 4), array(&head, 8)) {
        (Some(b"RIFF"), Some(size), Some(form)) => (Kind::Riff, u32::from_le_bytes(*size), *form),
        (Some(b"RF64" | b"BW64"), Some(size), Some(form)) => (Kind::Large, u32::from_le_bytes(*size), *form),
        (Some(b"RIFF" | b"RF64" | b"BW64"), ..) => {
            return Err(Error::malformed(FORMAT, "the file ends inside its header").at_offset(len));
        }
        _ => return Err(Error::malformed(FORMAT, "no RIFF signature").at_offset(0)),
    };
    let mut notes = Vec::new();
    let mut size = u64::from(announced);
    let mut data_size = None;
    if kind == Kind::Large {
        let (form_size, data) = ds64(source)?;
        data_size = Some(data);
        if announced == UNKNOWN {
            size = form_size;
        }
    }
    let mut end = size.saturating_add(HEADER);
    let unwritten = size == 0 && len > 12;
    if end > len || unwritten {
        let open = unwritten || (announced == UNKNOWN && kind == Kind::Riff);
        notes.push(if open {
            "the length of the form is left open; it reaches to the end of the file".to_owned()
        } else {
            format!("the form announces {size} bytes, {} are there", len.saturating_sub(HEADER))
        });
        end = len;
    }

    let mut chunks = Vec::new();
    let mut open = false;
    let mut at = 12_u64;
    while at < end.max(12) || (form == *b"WAVE" && data_follows(source, at, &chunks)?) {
        if at >= end {
            // The length of the form was written before there were samples.
            end = len;
        }
        if chunks.len() >= limits.parts {
            return Err(Error::limit(format!("more than {} chunks", limits.parts))
                .in_format(FORMAT)
                .at_offset(at));
        }
        if end.saturating_sub(at) < HEADER {
            notes.push(format!("{} bytes after the last chunk", end.saturating_sub(at)));
            end = at;
            break;
        }
        let header = source.bytes(at, HEADER)?;
        let (Some(id), Some(size)) = (array::<4>(&header, 0), array::<4>(&header, 4)) else { break };
        if !id.iter().all(|b| (0x20..0x7f).contains(b)) {
            return Err(
                Error::malformed(FORMAT, "where a chunk should begin stands something else").at_offset(at)
            );
        }
        let id = *id;
        let start = at.saturating_add(HEADER);
        let size32 = u32::from_le_bytes(*size);
        let mut size = u64::from(size32);
        if &id == b"data" && form == *b"WAVE" {
            if let (UNKNOWN, Some(long)) = (size32, data_size) {
                size = long;
            }
            let there = len.saturating_sub(start);
            if there > 0
                && (data_size.is_none() && uncounted(size32) && size > there
                    || size == 0 && uncounted(announced))
            {
                open = true;
                notes.push(
                    "the length of the data chunk is left open; it reaches to the end of the file".to_owned(),
                );
                size = there;
            }
        }
        let stop = start.checked_add(size).filter(|stop| *stop <= len).ok_or_else(|| {
            Error::malformed(
                FORMAT,
                format!("the chunk announces {size} bytes, {} are there", len.saturating_sub(start)),
            )
            .at_place(name(id))
            .at_offset(at)
        })?;
        // The pad byte may be missing at the end of the file.
        let next = stop.saturating_add(size & 1).min(len);
        if next > end {
            notes.push(format!("the length of the form ends inside the chunk {}", name(id)));
            end = next;
        }
        chunks.push(Chunk { id, range: at..next, data: start..stop });
        at = next;
    }
    if end < len {
        notes.push(format!("{} bytes after the end of the form", len.saturating_sub(end)));
    }
    Ok(Riff { form, kind, chunks, end, notes, announced, open })
}

/// Lengths of programs that write into a pipe or were stopped before they could count: 0, and numbers at the end of what 31 or
/// 32 bits hold.
fn uncounted(size: u32) -> bool {
    matches!(size, 0 | 0x7fff_0000..=0x7fff_ffff | 0xffff_0000..)
}

/// Whether a `data` chunk begins at `at`, behind a format and where no other came before.
fn data_follows(source: &dyn Source, at: u64, before: &[Chunk]) -> Result<bool> {
    let has = |id: &Id| before.iter().any(|c| c.id == *id);
    Ok(has(b"fmt ") && !has(b"data") && source.bytes_up_to(at, 4)?.starts_with(b"data"))
}

/// An id as text.
pub fn name(id: Id) -> String {
    String::from_utf8_lossy(&id).into_owned()
}

impl Riff {
    /// Chunks of one id.
    pub fn of(&self, id: Id) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter().filter(move |c| c.id == id)
    }

    /// The members of a `LIST` chunk with their type; none when the chunk is not one, or its members do not fit.
    ///
    /// # Errors
    /// Reading errors.
    pub fn list(&self, source: &dyn Source, chunk: &Chunk, limits: &Limits) -> Result<(Id, Vec<Chunk>)> {
        let none = (*b"    ", Vec::new());
        if &chunk.id != b"LIST" || chunk.data.end.saturating_sub(chunk.data.start) > limits.metadata_bytes {
            return Ok(none);
        }
        let head = source.bytes_up_to(chunk.data.start, 4)?;
        let Some(kind) = array::<4>(&head, 0).copied() else { return Ok(none) };
        let mut members = Vec::new();
        let mut at = chunk.data.start.saturating_add(4);
        while at.saturating_add(HEADER) <= chunk.data.end && members.len() < limits.parts {
            let header = source.bytes(at, HEADER)?;
            let (Some(id), Some(size)) = (array::<4>(&header, 0), array::<4>(&header, 4)) else { break };
            let start = at.saturating_add(HEADER);
            let size = u64::from(u32::from_le_bytes(*size));
            let Some(stop) = start.checked_add(size).filter(|s| *s <= chunk.data.end) else { break };
            let next = stop.saturating_add(size & 1).min(chunk.data.end);
            members.push(Chunk { id: *id, range: at..next, data: start..stop });
            at = next;
        }
        Ok((kind, members))
    }

    /// The splices that make the changes, lengths of the form put right.
    ///
    /// # Errors
    /// `Limit` when a 32-bit length would not hold the result; `Malformed` when a range to be removed is no chunk.
    pub fn edit(&self, source: &dyn Source, changes: &[Change], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        let mut lists: Vec<(u64, u64, u64)> = Vec::new();
        let mut tail = Vec::new();
        for change in changes {
            match change {
                Change::Set(id, value) => {
                    let mut same = self.of(*id);
                    let first = same.next();
                    for other in same {
                        patch.remove(other.range.clone());
                    }
                    let Some(first) = first else {
                        tail.extend(encode(*id, value)?);
                        continue;
                    };
                    let size = first.data.end.saturating_sub(first.data.start);
                    let equal =
                        size == value.len() as u64 && *source.bytes(first.data.start, size)? == value[..];
                    if !equal {
                        patch.replace(first.range.clone(), encode(*id, value)?);
                    }
                }
                Change::Remove(range) => {
                    if self.chunks.iter().any(|c| c.range == *range) {
                        patch.remove(range.clone());
                        continue;
                    }
                    let list = self.holder(source, range, limits)?;
                    let gone = range.end.saturating_sub(range.start);
                    match lists.iter_mut().find(|(at, ..)| *at == list.range.start) {
                        Some((.., removed)) => *removed = removed.saturating_add(gone),
                        None => lists.push((
                            list.range.start,
                            list.data.end.saturating_sub(list.data.start),
                            gone,
                        )),
                    }
                    patch.remove(range.clone());
                }
            }
        }
        for (at, size, gone) in lists {
            let field = at.saturating_add(4);
            patch.replace(field..field.saturating_add(4), size32(size.saturating_sub(gone))?.to_le_bytes());
        }
        if !tail.is_empty() {
            // A chunk of odd length at the end of the file may have come without its pad byte.
            let unpadded = self.chunks.last().is_some_and(|c| {
                c.range.end == c.data.end && c.data.end.saturating_sub(c.data.start) & 1 == 1
            });
            if unpadded {
                tail.insert(0, 0);
            }
            patch.insert(self.end, tail);
        }
        if !patch.is_empty() {
            self.fix_lengths(&mut patch, 0, None)?;
        }
        Ok(patch)
    }

    /// Inserts samples, each part before the byte of the file at its place, which lies in the `data` chunk or at its end;
    /// lengths and padding are put right. `frames` is the number of sample frames afterwards, for RF64. Call it once,
    /// last.
    ///
    /// # Errors
    /// `Malformed` without a `data` chunk around a place; `Limit` when a 32-bit length would not hold the result.
    pub fn insert_data(&self, parts: Vec<(u64, Vec<u8>)>, frames: u64, patch: &mut Patch) -> Result<()> {
        let at = parts.first().map_or(0, |(at, _)| *at);
        let data = self
            .of(*b"data")
            .find(|c| parts.iter().all(|(at, _)| c.data.start <= *at && *at <= c.data.end))
            .ok_or_else(|| Error::malformed(FORMAT, "no data chunk where samples are to go").at_offset(at))?;
        let added = parts.iter().fold(0_u64, |sum, (_, samples)| sum.saturating_add(samples.len() as u64));
        for (at, samples) in parts {
            patch.insert(at, samples);
        }
        self.resized(data, added, 0, frames, patch)
    }

    /// Puts lengths and padding right for samples that are written anew, `added` bytes more than there are: as
    /// [`Self::insert_data`] without the samples, so that nothing in the patch lies inside of them.
    ///
    /// # Errors
    /// As [`Self::insert_data`].
    pub fn grow_data(&self, added: u64, frames: u64, patch: &mut Patch) -> Result<()> {
        let data = self.of(*b"data").next();
        let data = data.ok_or_else(|| Error::malformed(FORMAT, "there is no data chunk"))?;
        self.resized(data, added, added, frames, patch)
    }

    /// `unseen` of the `added` bytes are not in the patch.
    fn resized(&self, data: &Chunk, added: u64, unseen: u64, frames: u64, patch: &mut Patch) -> Result<()> {
        let now = data.data.end.saturating_sub(data.data.start).saturating_add(added);
        let padded = data.range.end > data.data.end;
        if now & 1 == 1 && !padded {
            patch.insert(data.data.end, vec![0]);
        } else if now & 1 == 0 && padded {
            patch.remove(data.data.end..data.range.end);
        }
        self.fix_lengths(patch, unseen, Some(now))?;
        if self.kind == Kind::Large {
            patch.replace(36..44, frames.to_le_bytes());
        }
        Ok(())
    }

    /// Adds the splices that make the lengths of the form and of `data` say what the patched file has.
    /// `unseen` bytes more come from elsewhere.
    fn fix_lengths(&self, patch: &mut Patch, unseen: u64, data_now: Option<u64>) -> Result<()> {
        // What is inserted at the end of the form belongs to it.
        let size = patch
            .splices()
            .iter()
            .filter(|s| s.range.end <= self.end)
            .fold(self.end.saturating_add(unseen), |end, s| {
                end.saturating_add(s.with.len() as u64)
                    .saturating_sub(s.range.end.saturating_sub(s.range.start))
            })
            .saturating_sub(HEADER);
        let data = self.of(*b"data").next();
        let was = data.map(|d| d.data.end.saturating_sub(d.data.start));
        match self.kind {
            Kind::Riff => {
                let size = size32(size)?;
                if size != self.announced {
                    patch.replace(4..8, size.to_le_bytes());
                }
                if let (Some(chunk), Some(was)) = (data, was) {
                    let now = data_now.unwrap_or(was);
                    if now != was || self.open {
                        let field = chunk.range.start.saturating_add(4);
                        patch.replace(field..field.saturating_add(4), size32(now)?.to_le_bytes());
                    }
                }
            }
            Kind::Large => {
                // `ds64` is the first chunk: length of the form, of `data`, number of sample frames.
                patch.replace(20..28, size.to_le_bytes());
                if let Some(now) = data_now.or(was) {
                    patch.replace(28..36, now.to_le_bytes());
                }
            }
        }
        Ok(())
    }

    /// The `LIST` chunk that has a member at `range`.
    fn holder(&self, source: &dyn Source, range: &Range<u64>, limits: &Limits) -> Result<&Chunk> {
        for chunk in self.of(*b"LIST") {
            if self.list(source, chunk, limits)?.1.iter().any(|m| m.range == *range) {
                return Ok(chunk);
            }
        }
        Err(Error::malformed(FORMAT, "no chunk occupies the range to be removed").at_offset(range.start))
    }
}

/// A chunk as bytes, pad byte included.
///
/// # Errors
/// `Limit` for data of 4 GiB and more.
pub fn encode(id: Id, data: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len().saturating_add(9));
    out.extend_from_slice(&id);
    out.extend_from_slice(&size32(data.len() as u64)?.to_le_bytes());
    out.extend_from_slice(data);
    if data.len() & 1 == 1 {
        out.push(0);
    }
    Ok(out)
}

fn size32(size: u64) -> Result<u32> {
    u32::try_from(size).ok().filter(|s| *s != UNKNOWN).ok_or_else(|| {
        Error::limit("the result would not fit into the 32-bit lengths of a RIFF file").in_format(FORMAT)
    })
}

/// Lengths of the form and of `data` from the `ds64` chunk, which must come first.
fn ds64(source: &dyn Source) -> Result<(u64, u64)> {
    let bytes = source.bytes_up_to(12, 24)?;
    match (array(&bytes, 0), array(&bytes, 4), array(&bytes, 8), array(&bytes, 16)) {
        (Some(b"ds64"), Some(size), Some(form), Some(data)) if u32::from_le_bytes(*size) >= 28 => {
            Ok((u64::from_le_bytes(*form), u64::from_le_bytes(*data)))
        }
        _ => Err(Error::malformed(FORMAT, "the chunk with the 64-bit lengths is missing")
            .at_place("ds64")
            .at_offset(12)),
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let body: Vec<u8> = chunks.iter().flat_map(|(id, data)| encode(**id, data).unwrap()).collect();
        let mut out = b"RIFF".to_vec();
        out.extend((body.len() as u32 + 4).to_le_bytes());
        out.extend(b"WAVE");
        out.extend(body);
        out
    }

    fn edited(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
        let limits = Limits::default();
        walk(&bytes, &limits).unwrap().edit(&bytes, changes, &limits).unwrap().apply_to_vec(&bytes).unwrap()
    }

    fn ids(bytes: &[u8]) -> Vec<String> {
        walk(&bytes, &Limits::default()).unwrap().chunks.iter().map(|c| name(c.id)).collect()
    }

    #[test]
    fn odd_chunks_are_padded_and_the_form_length_follows() {
        let file = form(&[(b"fmt ", &[1; 16]), (b"data", &[7; 5])]);
        let out = edited(&file, &[Change::Set(*b"AIGC", b"{}x".to_vec())]);
        assert_eq!(ids(&out), ["fmt ", "data", "AIGC"]);
        assert_eq!(u32::from_le_bytes(out[4..8].try_into().unwrap()) as usize, out.len() - 8);
        assert_eq!(out.len() % 2, 0);
    }

    #[test]
    fn a_missing_pad_byte_at_the_end_is_supplied() {
        let mut file = form(&[(b"fmt ", &[1; 16]), (b"data", &[7; 5])]);
        file.pop();
        let out = edited(&file, &[Change::Set(*b"AIGC", b"{}".to_vec())]);
        assert_eq!(ids(&out), ["fmt ", "data", "AIGC"]);
        assert_eq!(u32::from_le_bytes(out[4..8].try_into().unwrap()) as usize, out.len() - 8);
    }

    #[test]
    fn setting_keeps_one_chunk_and_its_place() {
        let file = form(&[(b"AIGC", b"old"), (b"data", &[7; 4]), (b"AIGC", b"second")]);
        let out = edited(&file, &[Change::Set(*b"AIGC", b"new!".to_vec())]);
        assert_eq!(ids(&out), ["AIGC", "data"]);
        assert_eq!(edited(&out, &[Change::Set(*b"AIGC", b"new!".to_vec())]), out);
    }

    #[test]
    fn members_of_lists_can_be_removed() {
        let mut list = b"INFO".to_vec();
        list.extend(encode(*b"ISFT", b"a b").unwrap());
        list.extend(encode(*b"AIGC", b"{}").unwrap());
        let file = form(&[(b"LIST", &list), (b"data", &[7; 4])]);
        let limits = Limits::default();
        let riff = walk(&file, &limits).unwrap();
        let (kind, members) = riff.list(&file, &riff.chunks[0], &limits).unwrap();
        assert_eq!((&kind, members.len()), (b"INFO", 2));
        let out = edited(&file, &[Change::Remove(members[1].range.clone())]);
        let riff = walk(&out, &limits).unwrap();
        assert_eq!(riff.list(&out, &riff.chunks[0], &limits).unwrap().1.len(), 1);
        assert_eq!(out.len(), file.len() - 10);
    }

    #[test]
    fn lengths_left_open_by_a_pipe_are_read_to_the_end_and_repaired() {
        let mut file = form(&[(b"fmt ", &[1; 16]), (b"data", &[7; 6])]);
        file[4..8].copy_from_slice(&[0xff; 4]);
        file[40..44].copy_from_slice(&[0xff; 4]);
        let riff = walk(&file, &Limits::default()).unwrap();
        assert_eq!(riff.chunks[1].data, 44..50);
        assert!(!riff.notes.is_empty());
        let out = edited(&file, &[Change::Set(*b"AIGC", b"{}".to_vec())]);
        assert_eq!(ids(&out), ["fmt ", "data", "AIGC"]);
        assert!(walk(&out, &Limits::default()).unwrap().notes.is_empty());
    }

    #[test]
    fn samples_that_were_never_counted_are_read_to_the_end_and_repaired() {
        // Lengths of the form and of the samples as recorders and servers leave them behind.
        for (whole, samples) in
            [(0_u32, 0_u32), (0xffff_ffff, 0), (0x14, 0xffff_fff0), (0x7fff_ffff, 0x7fff_ffdb)]
        {
            let mut file = form(&[(b"fmt ", &[1; 16]), (b"data", &[7; 6])]);
            file[4..8].copy_from_slice(&whole.to_le_bytes());
            file[40..44].copy_from_slice(&samples.to_le_bytes());
            let riff = walk(&file, &Limits::default()).unwrap();
            assert_eq!(riff.chunks[1].data, 44..50);
            assert!(riff.notes.iter().any(|n| n.contains("data chunk is left open")), "{:?}", riff.notes);
            let out = edited(&file, &[Change::Set(*b"AIGC", b"{}".to_vec())]);
            assert_eq!(ids(&out), ["fmt ", "data", "AIGC"]);
            assert_eq!(walk(&out, &Limits::default()).unwrap().notes, Vec::<String>::new());
        }
        // A length of 0 in a form that is finished is what it says.
        let file = form(&[(b"fmt ", &[1; 16]), (b"data", &[]), (b"LIST", b"INFO")]);
        assert_eq!(ids(&file), ["fmt ", "data", "LIST"]);
    }

    #[test]
    fn rf64_lengths_live_in_ds64() {
        let mut ds64 = [0; 28];
        let data = [7u8; 10];
        let mut file = form(&[(b"ds64", &ds64), (b"fmt ", &[1; 16]), (b"data", &data), (b"LIST", b"INFO")]);
        ds64[..8].copy_from_slice(&(file.len() as u64 - 8).to_le_bytes());
        ds64[8..16].copy_from_slice(&(data.len() as u64).to_le_bytes());
        file[..8].copy_from_slice(b"RF64\xff\xff\xff\xff");
        file[20..48].copy_from_slice(&ds64);
        let at = file.windows(4).position(|w| w == b"data").unwrap();
        file[at + 4..at + 8].copy_from_slice(&[0xff; 4]);
        assert_eq!(ids(&file), ["ds64", "fmt ", "data", "LIST"]);
        let out = edited(&file, &[Change::Set(*b"AIGC", b"{}".to_vec())]);
        assert_eq!(ids(&out), ["ds64", "fmt ", "data", "LIST", "AIGC"]);
        assert_eq!(u64::from_le_bytes(out[20..28].try_into().unwrap()) as usize, out.len() - 8);
        assert_eq!(&out[28..36], &10u64.to_le_bytes());
    }

    #[test]
    fn lies_are_named() {
        let limits = Limits::default();
        let mut file = form(&[(b"fmt ", &[1; 16]), (b"data", &[7; 6])]);
        file[40..44].copy_from_slice(&700u32.to_le_bytes());
        let e = walk(&file, &limits).unwrap_err().to_string();
        assert_eq!(e, "riff: data at byte 36: the chunk announces 700 bytes, 6 are there");
        let e = walk(&b"RIFF".as_slice(), &limits).unwrap_err().to_string();
        assert!(e.contains("ends inside its header"), "{e}");
        let few = Limits { parts: 1, ..Limits::default() };
        assert_eq!(
            walk(&form(&[(b"a   ", b""), (b"b   ", b"")]), &few).unwrap_err().kind(),
            colophon_core::ErrorKind::Limit
        );
    }

    #[test]
    fn a_wrong_form_length_loses_no_chunk() {
        let mut file = form(&[(b"fmt ", &[1; 16]), (b"data", &[7; 6])]);
        file[4..8].copy_from_slice(&40u32.to_le_bytes());
        assert_eq!(ids(&file), ["fmt ", "data"]);
        let out = edited(&file, &[Change::Set(*b"AIGC", b"{}".to_vec())]);
        assert_eq!(ids(&out), ["fmt ", "data", "AIGC"]);
    }

    proptest! {
        #[test]
        fn any_bytes_walk_or_fail(body in prop::collection::vec(any::<u8>(), 0..200), large: bool) {
            let mut file = if large { b"RF64".to_vec() } else { b"RIFF".to_vec() };
            file.extend(body);
            let limits = Limits::default();
            if let Ok(riff) = walk(&file, &limits) {
                for c in &riff.chunks {
                    prop_assert!(c.range.end <= file.len() as u64);
                }
                if let Ok(p) = riff.edit(&file, &[Change::Set(*b"AIGC", b"v".to_vec())], &limits) {
                    let _ = p.apply_to_vec(&file);
                }
            }
        }

        #[test]
        fn what_is_set_is_read_back_and_the_rest_is_kept(
            chunks in prop::collection::vec(("[a-z]{4}", prop::collection::vec(any::<u8>(), 0..40)), 1..6),
            value in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let list: Vec<([u8; 4], Vec<u8>)> =
                chunks.iter().map(|(id, d)| (id.as_bytes().try_into().unwrap(), d.clone())).collect();
            let refs: Vec<(&[u8; 4], &[u8])> = list.iter().map(|(i, d)| (i, d.as_slice())).collect();
            let file = form(&refs);
            let out = edited(&file, &[Change::Set(*b"AIGC", value.clone())]);
            let riff = walk(&out, &Limits::default()).unwrap();
            prop_assert_eq!(riff.chunks.len(), list.len() + 1);
            for (c, (id, data)) in riff.chunks.iter().zip(&list) {
                prop_assert_eq!(&c.id, id);
                prop_assert_eq!(&out[c.data.start as usize..c.data.end as usize], data.as_slice());
            }
            let last = riff.chunks.last().unwrap();
            prop_assert_eq!(&out[last.data.start as usize..last.data.end as usize], value.as_slice());
        }
    }
}
