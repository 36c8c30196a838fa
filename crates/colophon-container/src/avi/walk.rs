//! Chunks and what the headers say.

use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};

use super::index;

pub(super) const FORMAT: &str = "avi";
/// Longest header list that is read, in bytes.
const MAX_HEADERS: u64 = 8 << 20;

/// One chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) id: [u8; 4],
    /// What a `LIST` holds.
    pub(super) list: Option<[u8; 4]>,
    /// Id, length, data and pad byte.
    pub(super) range: Range<u64>,
    /// The data alone, with the type of a list.
    pub(super) data: Range<u64>,
}

impl Chunk {
    /// The content of a list.
    pub(super) fn body(&self) -> Range<u64> {
        self.data.start.saturating_add(4).min(self.data.end)..self.data.end
    }
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct File {
    /// Chunks of the first form.
    pub(super) chunks: Vec<Chunk>,
    /// End of the first form.
    pub(super) end: u64,
    /// Media of the forms that follow.
    more: Vec<Range<u64>>,
    /// Positions stored in the file that count from its start.
    pub(super) positions: Vec<index::Position>,
    /// Chunks of indexes among the media.
    indexes: Vec<Range<u64>>,
    /// What the headers say.
    pub facts: Facts,
    /// What was tolerated, in words.
    pub notes: Vec<String>,
}

/// What a player would say about the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Width and height of the first stream of pictures.
    pub dimensions: Option<(u32, u32)>,
    /// Bits per pixel as the header says.
    pub codec: Option<String>,
    /// Seconds.
    pub duration_s: Option<f64>,
    /// Sound channels.
    pub channels: Option<u16>,
    /// Sound samples per second.
    pub sample_rate: Option<u32>,
}

/// Walks a file.
///
/// # Errors
/// `Malformed` when it is no AVI form, or a chunk announces more than there is; `Limit` for too many chunks.
pub fn open(source: &dyn Source, limits: &Limits) -> Result<File> {
    let head = source.bytes_up_to(0, 12)?;
    if head.get(..4) != Some(b"RIFF") || head.get(8..12) != Some(b"AVI ") {
        return Err(Error::malformed(FORMAT, "no RIFF form of the type AVI").at_offset(0));
    }
    let mut notes = Vec::new();
    let size = u64::from(number(&head, 4).unwrap_or(0));
    let mut end = size.saturating_add(8).saturating_add(size & 1);
    if end > source.len() {
        notes.push(format!("the form announces {size} bytes, {} are there", source.len().saturating_sub(8)));
        end = source.len();
    }
    let list = chunks(source, 12..end, limits)?;
    let mut file = File {
        chunks: list,
        end,
        more: Vec::new(),
        positions: Vec::new(),
        indexes: Vec::new(),
        facts: Facts::default(),
        notes,
    };
    let mut at = end;
    let mut forms = 0_usize;
    while source.len().saturating_sub(at) >= 12 {
        let head = source.bytes(at, 12)?;
        let size = u64::from(number(&head, 4).unwrap_or(0));
        let stop = at.saturating_add(8).saturating_add(size).saturating_add(size & 1);
        forms = forms.saturating_add(1);
        if head.get(..4) != Some(b"RIFF") || head.get(8..12) != Some(b"AVIX") || forms > limits.parts {
            break;
        }
        let inner = chunks(source, at.saturating_add(12)..stop.min(source.len()), limits)?;
        file.more.extend(inner.into_iter().filter(|c| c.list == Some(*b"movi")).map(|c| c.range));
        at = stop.min(source.len());
    }
    if at < source.len() {
        file.notes.push(format!("{} bytes after the last form", source.len().saturating_sub(at)));
    }
    if let Some(headers) = file.chunks.iter().find(|c| c.list == Some(*b"hdrl")).cloned() {
        if headers.data.end.saturating_sub(headers.data.start) > MAX_HEADERS {
            return Err(Error::limit("the headers are longer than allowed").in_format(FORMAT).at_offset(12));
        }
        read_headers(source, &headers, &mut file, limits)?;
    }
    Ok(file)
}

impl File {
    /// The ranges of coded media, without the indexes among them.
    pub fn media(&self) -> Vec<Range<u64>> {
        let mut indexes = self.indexes.clone();
        indexes.sort_by_key(|r| r.start);
        let first = self.chunks.iter().filter(|c| c.list == Some(*b"movi")).map(|c| c.range.clone());
        let mut out = Vec::new();
        for movi in first.chain(self.more.iter().cloned()) {
            let mut at = movi.start;
            for i in indexes.iter().filter(|i| i.start >= movi.start && i.end <= movi.end) {
                if i.start > at {
                    out.push(at..i.start);
                }
                at = at.max(i.end);
            }
            if at < movi.end {
                out.push(at..movi.end);
            }
        }
        out
    }
}

/// Chunks of a range.
///
/// # Errors
/// As [`open`].
pub(super) fn chunks(source: &dyn Source, range: Range<u64>, limits: &Limits) -> Result<Vec<Chunk>> {
    let mut out = Vec::new();
    let mut at = range.start;
    while range.end.saturating_sub(at) >= 8 {
        if out.len() >= limits.parts {
            return Err(Error::limit("the file has more chunks than allowed")
                .in_format(FORMAT)
                .at_offset(at));
        }
        let head = source.bytes_up_to(at, 12.min(range.end.saturating_sub(at)))?;
        let (Some(id), Some(size)) = (head.first_chunk::<4>().copied(), number(&head, 4)) else { break };
        let data = at.saturating_add(8)..at.saturating_add(8).saturating_add(size.into());
        if data.end > range.end {
            let there = range.end.saturating_sub(data.start);
            let why = format!("the chunk announces {size} bytes, {there} are there");
            return Err(Error::malformed(FORMAT, why).at_place(name(id)).at_offset(at));
        }
        let next = data.end.saturating_add(u64::from(size & 1)).min(range.end);
        let list = head.get(8..12).and_then(<[u8]>::first_chunk::<4>).copied();
        out.push(Chunk { id, list: list.filter(|_| &id == b"LIST" && size >= 4), range: at..next, data });
        at = next;
    }
    Ok(out)
}

/// A chunk as bytes.
///
/// # Errors
/// `Limit` for data of 4 GiB.
pub(super) fn encode(id: [u8; 4], data: &[u8]) -> Result<Vec<u8>> {
    let size = u32::try_from(data.len())
        .map_err(|_| Error::limit("a chunk cannot be longer than 4 GiB").in_format(FORMAT))?;
    let mut out = [id.as_slice(), &size.to_le_bytes(), data].concat();
    if data.len() & 1 == 1 {
        out.push(0);
    }
    Ok(out)
}

/// An id as text.
pub(super) fn name(id: [u8; 4]) -> String {
    String::from_utf8_lossy(&id).into_owned()
}

/// A 32-bit number.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_le_bytes(*b))
}

/// Streams, and the indexes that count from the start of the file.
fn read_headers(source: &dyn Source, headers: &Chunk, file: &mut File, limits: &Limits) -> Result<()> {
    for part in chunks(source, headers.body(), limits)? {
        if part.list != Some(*b"strl") {
            continue;
        }
        let mut kind = [0; 4];
        let mut rate = None;
        for c in chunks(source, part.body(), limits)? {
            let data =
                |max: u64| source.bytes_up_to(c.data.start, max.min(c.data.end.saturating_sub(c.data.start)));
            match &c.id {
                b"strh" => {
                    let b = data(56)?;
                    kind = b.first_chunk::<4>().copied().unwrap_or_default();
                    rate = number(&b, 20).zip(number(&b, 24)).zip(number(&b, 32));
                }
                b"strf" if &kind == b"vids" && file.facts.dimensions.is_none() => {
                    let b = data(40)?;
                    let side = |at| number(&b, at).map(|n| (n as i32).unsigned_abs());
                    file.facts.dimensions = side(4).zip(side(8));
                    file.facts.codec = b.get(16..).and_then(<[u8]>::first_chunk::<4>).map(|c| name(*c));
                    if let Some(((scale, rate), length @ 1..)) = rate.filter(|((_, rate), _)| *rate > 0) {
                        file.facts.duration_s = Some(f64::from(length) * f64::from(scale) / f64::from(rate));
                    }
                }
                b"strf" if &kind == b"auds" && file.facts.channels.is_none() => {
                    let b = data(16)?;
                    file.facts.channels = number(&b, 0).map(|n| (n >> 16) as u16);
                    file.facts.sample_rate = number(&b, 4);
                }
                b"indx" => {
                    index::read(source, &c, limits, &mut file.positions, &mut file.indexes)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
