//! ISO base media file format and QuickTime: boxes in boxes.
//!
//! Sources: ISO/IEC 14496-12 (boxes, chunk offsets, fragments), "QuickTime File Format Specification" (`mdta` keys,
//! user data), XMP specification part 3 (the XMP `uuid` box), C2PA 2.x A.5 (the manifest's `uuid` box).
//!
//! [`walk`] lists boxes without reading media; [`metadata`] reads named values; [`edit`] writes them and puts right
//! every size and offset that moves with them; [`movie`] reads what a player would say about the tracks.

use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};

pub mod edit;
pub mod metadata;
pub mod movie;
mod offsets;
pub mod samples;

pub(crate) const FORMAT: &str = "bmff";
/// Length of the shortest header: 32-bit size and type.
const HEADER: u64 = 8;
/// Longest table (chunk offsets, item locations, …) that is read into memory, in bytes. A day of video with one chunk
/// every tenth of a second needs 7 MB.
const MAX_TABLE: u64 = 64 << 20;

/// Four bytes that name a box.
pub type Kind = [u8; 4];

/// Boxes whose content is nothing but boxes.
const CONTAINERS: &[&Kind] = &[
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"mvex", b"moof", b"traf",
    b"mfra", b"meta",
];

/// How a box states its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeForm {
    /// 32 bits.
    Short,
    /// 64 bits behind the type.
    Long,
    /// 0: to the end of the file.
    Open,
}

/// One box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its type.
    pub kind: Kind,
    /// The type of a `uuid` box.
    pub uuid: Option<[u8; 16]>,
    /// Header and content.
    pub range: Range<u64>,
    /// Content alone; behind the extended type of a `uuid` box.
    pub body: Range<u64>,
    /// How the size is stated.
    pub size: SizeForm,
    /// Boxes inside, for the types that hold nothing else.
    pub children: Vec<Self>,
}

impl Node {
    /// Children of one type.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |c| c.kind == kind)
    }

    /// The first box under a path of types.
    pub fn find(&self, path: &[Kind]) -> Option<&Self> {
        path.iter().try_fold(self, |node, kind| node.of(*kind).next())
    }

    /// Length with header.
    pub fn len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// True for a box without content.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The content, when it is not longer than a table may be.
    ///
    /// # Errors
    /// `Limit`, and reading errors.
    pub fn table<'a>(&self, source: &'a dyn Source) -> Result<std::borrow::Cow<'a, [u8]>> {
        let len = self.body.end.saturating_sub(self.body.start);
        if len > MAX_TABLE {
            return Err(Error::limit(format!("a table of {len} bytes, {MAX_TABLE} are allowed"))
                .in_format(FORMAT)
                .at_place(name(self.kind))
                .at_offset(self.range.start));
        }
        source.bytes(self.body.start, len)
    }

    fn malformed(&self, why: impl Into<String>) -> Error {
        Error::malformed(FORMAT, why).at_place(name(self.kind)).at_offset(self.range.start)
    }
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct Boxes {
    /// Boxes of the file in order.
    pub roots: Vec<Node>,
    /// Behind the last box; bytes after it belong to nobody.
    pub end: u64,
    /// What was tolerated, in words.
    pub notes: Vec<String>,
}

impl Boxes {
    /// Boxes of the file of one type.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Node> {
        self.roots.iter().filter(move |c| c.kind == kind)
    }

    /// The movie box.
    ///
    /// # Errors
    /// `Malformed` without one, `Unsupported` when it is compressed.
    pub fn movie(&self) -> Result<&Node> {
        let moov = self
            .of(*b"moov")
            .next()
            .ok_or_else(|| Error::malformed(FORMAT, "there is no moov box: the file holds no movie"))?;
        if moov.of(*b"cmov").next().is_some() {
            return Err(Error::unsupported(FORMAT, "the movie box is compressed")
                .at_place("moov/cmov")
                .at_offset(moov.range.start));
        }
        Ok(moov)
    }
}

/// Walks the boxes of a file.
///
/// # Errors
/// `Malformed` when a box announces more than its parent or the file holds; `Limit` for too many or too deep boxes.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Boxes> {
    let mut walker = Walker { source, parts: limits.parts, depth: limits.depth, notes: Vec::new() };
    let (roots, end) = walker.list(0..source.len(), 0, None)?;
    if end < source.len() {
        if roots.is_empty() {
            return Err(
                Error::malformed(FORMAT, "where a box should begin stands something else").at_offset(0)
            );
        }
        walker.notes.push(format!("{} bytes after the last box", source.len().saturating_sub(end)));
    }
    Ok(Boxes { roots, end, notes: walker.notes })
}

/// A box type as text.
pub fn name(kind: Kind) -> String {
    kind.iter().map(|b| if *b == 0xa9 { '©' } else { char::from(*b) }).collect()
}

/// A box as bytes.
///
/// # Errors
/// `Limit` for content of 4 GiB.
pub fn encode(kind: Kind, body: &[u8]) -> Result<Vec<u8>> {
    let len = (body.len() as u64).saturating_add(HEADER);
    let size = u32::try_from(len)
        .map_err(|_| Error::limit("a box of metadata would be longer than 4 GiB").in_format(FORMAT))?;
    let mut out = Vec::with_capacity(body.len().saturating_add(8));
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&kind);
    out.extend_from_slice(body);
    Ok(out)
}

struct Walker<'a> {
    source: &'a dyn Source,
    parts: usize,
    depth: usize,
    notes: Vec<String>,
}

impl Walker<'_> {
    /// Boxes of a range, and where the last one ends.
    fn list(&mut self, range: Range<u64>, depth: usize, parent: Option<Kind>) -> Result<(Vec<Node>, u64)> {
        if depth > self.depth {
            return Err(Error::limit(format!("boxes are nested more than {} deep", self.depth))
                .in_format(FORMAT)
                .at_offset(range.start));
        }
        let mut nodes = Vec::new();
        let mut at = range.start;
        while range.end.saturating_sub(at) >= HEADER {
            // Writers close user data with four zero bytes; players accept anything behind the last whole box there.
            let lenient = parent == Some(*b"udta") || (parent.is_none() && !nodes.is_empty());
            let node = match self.header(at, &range, parent.is_none()) {
                Ok(node) => node,
                Err(e)
                    if lenient && e.kind() == colophon_core::ErrorKind::Malformed && !self.media(at)? =>
                {
                    break;
                }
                Err(e) => return Err(e),
            };
            self.parts = self.parts.checked_sub(1).ok_or_else(|| {
                Error::limit("the file has more boxes than allowed").in_format(FORMAT).at_offset(at)
            })?;
            at = node.range.end;
            nodes.push(self.fill(node, depth)?);
        }
        // Zero padding and the four zero bytes behind user data are common; what else stands there is worth a note.
        if parent.is_some() && parent != Some(*b"udta") && at < range.end {
            self.notes.push(format!(
                "{} bytes after the last box of {}",
                range.end.saturating_sub(at),
                parent.map(name).unwrap_or_default()
            ));
        }
        Ok((nodes, at))
    }

    /// A truncated box of media or movie is an error wherever it stands; unknown bytes at the end are not.
    fn media(&self, at: u64) -> Result<bool> {
        let head = self.source.bytes_up_to(at, 8)?;
        Ok(matches!(
            head.get(4..8),
            Some(b"mdat" | b"moov" | b"moof" | b"uuid" | b"free" | b"meta" | b"ftyp")
        ))
    }

    fn header(&self, at: u64, range: &Range<u64>, root: bool) -> Result<Node> {
        let head = self.source.bytes_up_to(at, 32.min(range.end.saturating_sub(at)))?;
        let mut f = Fields::new(&head);
        let short = f.u32().unwrap_or(0);
        let kind = f.array::<4>().unwrap_or_default();
        let broken = |why: String| Error::malformed(FORMAT, why).at_place(name(kind)).at_offset(at);
        let rest = range.end.saturating_sub(at);
        let mut header = HEADER;
        let (len, size) = match short {
            0 if root => (rest, SizeForm::Open),
            1 => {
                header = 16;
                let long = f.u64().ok_or_else(|| broken("the file ends inside a box header".into()))?;
                (long, SizeForm::Long)
            }
            n => (u64::from(n), SizeForm::Short),
        };
        if len < header {
            return Err(broken(format!("a size of {len} is shorter than the box header")));
        }
        if len > rest {
            return Err(broken(format!("the box announces {len} bytes, {rest} are there")));
        }
        let mut uuid = None;
        if &kind == b"uuid" {
            header = header.saturating_add(16);
            if len < header {
                return Err(broken("the box ends inside its extended type".into()));
            }
            uuid = f.array::<16>();
        }
        let end = at.saturating_add(len);
        Ok(Node {
            kind,
            uuid,
            range: at..end,
            body: at.saturating_add(header)..end,
            size,
            children: Vec::new(),
        })
    }

    fn fill(&mut self, mut node: Node, depth: usize) -> Result<Node> {
        if CONTAINERS.contains(&&node.kind) {
            let start = if &node.kind == b"meta" { self.meta_start(&node)? } else { node.body.start };
            let inner = start.min(node.body.end)..node.body.end;
            node.children = self.list(inner, depth.saturating_add(1), Some(node.kind))?.0;
        }
        Ok(node)
    }

    /// `meta` is a full box in ISO files, with version and flags in front, and a plain one in QuickTime.
    fn meta_start(&self, node: &Node) -> Result<u64> {
        let head = self
            .source
            .bytes_up_to(node.body.start, node.body.end.saturating_sub(node.body.start).min(12))?;
        let plain = head.get(4..8) == Some(b"hdlr")
            || (head.get(..4) != Some(&[0; 4]) && head.get(8..12) != Some(b"hdlr"));
        Ok(if plain { node.body.start } else { node.body.start.saturating_add(4) })
    }
}

/// Big-endian fields of a byte string, in order; `None` behind the end.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Fields from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        Some(*head)
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(n)?;
        self.rest = tail;
        Some(head)
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    /// 16 bits.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// 32 bits.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// 64 bits.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// 32 or 64 bits, as the version of a full box says.
    pub fn by_version(&mut self, version: u8) -> Option<u64> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// A number of `n` bytes (0 to 8).
    pub fn uint(&mut self, n: usize) -> Option<u64> {
        self.take(n).map(|b| b.iter().fold(0, |v, b| v << 8 | u64::from(*b)))
    }

    /// Version and flags of a full box.
    pub fn full(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        Some(((word >> 24) as u8, word & 0xff_ffff))
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::trivially_copy_pass_by_ref)]
pub(crate) mod tests;
