//! PNG chunks (PNG third edition, W3C 2025): walking, texts, edits.
//!
//! Checksums are checked and reported, not enforced: a file with a damaged chunk can still say what it is marked with.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use colophon_core::{Error, ErrorKind, Limits, Patch, Result, Source};

const FORMAT: &str = "png";
/// The signature (clause 5.2).
pub const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Keyword of the text chunk that holds an XMP packet (XMP specification part 3, 1.1.5).
pub const XMP_KEYWORD: &str = "XML:com.adobe.xmp";
/// Longest keyword of a text chunk, in bytes (clause 11.3.3.2).
const MAX_KEYWORD: usize = 79;
/// Length, type and checksum of a chunk.
const FRAMING: u64 = 12;

/// Four letters.
pub type Id = [u8; 4];

/// One chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Type.
    pub id: Id,
    /// The whole chunk.
    pub range: Range<u64>,
    /// Its data.
    pub data: Range<u64>,
}

/// What the header says (clause 11.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// Bits per sample: 1, 2, 4, 8, 16.
    pub depth: u8,
    /// 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
    pub color: u8,
    /// Adam7.
    pub interlaced: bool,
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct Png {
    /// What the header says.
    pub header: Header,
    /// Every chunk from `IHDR` to `IEND`.
    pub chunks: Vec<Chunk>,
    /// Behind `IEND`.
    pub end: u64,
    /// Things a reader should know.
    pub notes: Vec<String>,
}

/// How a text is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// `tEXt`: Latin-1.
    Plain,
    /// `zTXt`: Latin-1, compressed.
    Compressed,
    /// `iTXt`: UTF-8.
    International,
    /// `iTXt`, compressed.
    InternationalCompressed,
}

/// One text chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Keyword.
    pub keyword: String,
    /// The text as UTF-8; bytes of an `iTXt` as they are.
    pub value: Vec<u8>,
    /// How it is kept.
    pub kind: TextKind,
}

/// Walks every chunk and checks every checksum.
///
/// # Errors
/// `Malformed` when it is no PNG file, a chunk announces more than there is, or `IHDR`, `IDAT` or `IEND` is missing;
/// `Limit` for too many chunks.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Png> {
    let (file, damage) = survey(source, limits)?;
    damage.map_or(Ok(file), Err)
}

/// [`walk`] for readers of marks: a file that is damaged behind its header gives the chunks before the damage, and what
/// the damage is.
///
/// # Errors
/// As [`walk`], for the header and for limits.
pub fn survey(source: &dyn Source, limits: &Limits) -> Result<(Png, Option<Error>)> {
    let head = source.bytes_up_to(0, 8)?;
    if *head != SIGNATURE {
        return Err(malformed("no PNG signature").at_offset(0));
    }
    let (mut chunks, mut notes) = (Vec::new(), Vec::new());
    let result = read_chunks(source, limits, &mut chunks, &mut notes);
    if chunks.is_empty() {
        result?;
        return Err(malformed("there is no chunk"));
    }
    let header = header(source, &chunks)?;
    let result = result.and_then(|()| {
        let there = chunks.iter().any(|c| &c.id == b"IDAT");
        if there { Ok(()) } else { Err(malformed("there is no IDAT chunk")) }
    });
    let damage = match result {
        Err(e) if e.kind() == ErrorKind::Malformed => Some(e),
        other => other.map(|()| None)?,
    };
    let at = chunks.last().map_or(8, |c| c.range.end);
    let end = if damage.is_some() { source.len() } else { at };
    if end < source.len() {
        notes.push(format!("{} bytes after IEND", source.len().saturating_sub(end)));
    }
    Ok((Png { header, chunks, end, notes }, damage))
}

/// Chunks up to `IEND`.
fn read_chunks(
    source: &dyn Source,
    limits: &Limits,
    chunks: &mut Vec<Chunk>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let mut at = 8;
    loop {
        if chunks.len() >= limits.parts {
            return Err(Error::limit(format!("more than {} chunks", limits.parts))
                .in_format(FORMAT)
                .at_offset(at));
        }
        let framing = source.bytes_up_to(at, 8)?;
        let (Some(len), Some(id)) = (array::<4>(&framing, 0), array::<4>(&framing, 4)) else {
            return Err(malformed("the file ends before IEND").at_offset(at));
        };
        let (len, id) = (u64::from(u32::from_be_bytes(*len)), *id);
        if !id.iter().all(u8::is_ascii_alphabetic) {
            return Err(malformed("where a chunk should begin stands something else").at_offset(at));
        }
        let start = at.saturating_add(8);
        let end = at.saturating_add(len).saturating_add(FRAMING);
        if end > source.len() {
            let there = source.len().saturating_sub(start);
            return Err(malformed(format!("the chunk announces {len} bytes, {there} are there"))
                .at_place(name(id))
                .at_offset(at));
        }
        let data = start..start.saturating_add(len);
        if !checksum_holds(source, &data)? {
            notes.push(format!("the checksum of the chunk {} at byte {at} is wrong", name(id)));
        }
        chunks.push(Chunk { id, range: at..end, data });
        at = end;
        if &id == b"IEND" {
            return Ok(());
        }
    }
}

/// A chunk type as text.
pub fn name(id: Id) -> String {
    String::from_utf8_lossy(&id).into_owned()
}

/// A chunk with its framing.
///
/// # Errors
/// `Limit` beyond 2^31 - 1 bytes (clause 5.3).
pub fn encode(id: Id, data: &[u8]) -> Result<Vec<u8>> {
    let len = i32::try_from(data.len())
        .map_err(|_| Error::limit("a chunk longer than 2 GiB").in_format(FORMAT).at_place(name(id)))?;
    let mut out = Vec::with_capacity(data.len().saturating_add(12));
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&id);
    out.extend_from_slice(data);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id);
    crc.update(data);
    out.extend_from_slice(&crc.finalize().to_be_bytes());
    Ok(out)
}

/// An uncompressed `iTXt` chunk without language (clause 11.3.3.4).
///
/// # Errors
/// As [`encode`].
pub fn international_text(keyword: &str, text: &[u8]) -> Result<Vec<u8>> {
    let mut data = keyword.as_bytes().to_vec();
    data.extend_from_slice(&[0, 0, 0, 0, 0]);
    data.extend_from_slice(text);
    encode(*b"iTXt", &data)
}

impl Png {
    /// Chunks of one type.
    pub fn of(&self, id: Id) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter().filter(move |c| c.id == id)
    }

    /// The chunk that occupies exactly this range.
    pub fn at(&self, range: &Range<u64>) -> Option<&Chunk> {
        self.chunks.iter().find(|c| c.range == *range)
    }

    /// The data of a chunk of metadata.
    ///
    /// # Errors
    /// `Limit` when it is longer than [`Limits::metadata_bytes`].
    pub fn data<'a>(&self, source: &'a dyn Source, chunk: &Chunk, limits: &Limits) -> Result<Cow<'a, [u8]>> {
        let len = chunk.data.end.saturating_sub(chunk.data.start);
        if len > limits.metadata_bytes {
            return Err(too_long(chunk, limits));
        }
        source.bytes(chunk.data.start, len)
    }

    /// Reads a text chunk. `None` for other chunks, and for texts that break their own rules.
    ///
    /// # Errors
    /// `Limit` when the text, inflated, is longer than [`Limits::metadata_bytes`].
    pub fn text(&self, source: &dyn Source, chunk: &Chunk, limits: &Limits) -> Result<Option<Text>> {
        if !matches!(&chunk.id, b"tEXt" | b"zTXt" | b"iTXt") {
            return Ok(None);
        }
        let data = self.data(source, chunk, limits)?;
        let Some((keyword, rest)) = split_zero(data.get(..).unwrap_or_default()) else { return Ok(None) };
        if keyword.is_empty() || keyword.len() > MAX_KEYWORD {
            return Ok(None);
        }
        let keyword = latin1(keyword);
        let inflated =
            |bytes: &[u8]| inflate(bytes, limits).map_err(|e| e.unwrap_or_else(|| too_long(chunk, limits)));
        let (kind, value) = match (&chunk.id, rest) {
            (b"tEXt", text) => (TextKind::Plain, latin1(text).into_bytes()),
            (b"zTXt", [0, text @ ..]) => match inflated(text)? {
                Some(text) => (TextKind::Compressed, latin1(&text).into_bytes()),
                None => return Ok(None),
            },
            (b"iTXt", [flag, _, rest @ ..]) => {
                let text = split_zero(rest).and_then(|(_, rest)| split_zero(rest)).map(|(_, text)| text);
                match (flag, text) {
                    (0, Some(text)) => (TextKind::International, text.to_vec()),
                    (1, Some(text)) => match inflated(text)? {
                        Some(text) => (TextKind::InternationalCompressed, text),
                        None => return Ok(None),
                    },
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(Text { keyword, value, kind }))
    }

    /// Puts a chunk in the place of the first of `old`, or before the first `fcTL` or `IDAT` when there is none; the other `old`
    /// ones go away. A chunk that is there already, byte for byte, stays.
    ///
    /// # Errors
    /// Of the source.
    pub fn set(&self, source: &dyn Source, old: &[&Chunk], new: Vec<u8>, patch: &mut Patch) -> Result<()> {
        for extra in old.iter().skip(1) {
            patch.remove(extra.range.clone());
        }
        if let Some(first) = old.first() {
            let len = first.range.end.saturating_sub(first.range.start);
            if len != new.len() as u64 || *source.bytes(first.range.start, len)? != *new {
                patch.replace(first.range.clone(), new);
            }
        } else {
            // Readers of animations expect nothing between the control of the first frame and its pixels.
            let pixels = self.chunks.iter().find(|c| matches!(&c.id, b"fcTL" | b"IDAT"));
            patch.insert(pixels.map_or(self.end, |c| c.range.start), new);
        }
        Ok(())
    }
}

fn header(source: &dyn Source, chunks: &[Chunk]) -> Result<Header> {
    let wrong = |why: String| malformed(why).at_place("IHDR").at_offset(8);
    let chunk = chunks.first().filter(|c| &c.id == b"IHDR");
    let chunk = chunk.ok_or_else(|| wrong("the first chunk is not IHDR".to_owned()))?;
    let data = source.bytes(chunk.data.start, chunk.data.end.saturating_sub(chunk.data.start).min(14))?;
    let &[w0, w1, w2, w3, h0, h1, h2, h3, depth, color, compression, filter, interlace] = &*data else {
        return Err(wrong("the header is not 13 bytes long".to_owned()));
    };
    let header = Header {
        width: u32::from_be_bytes([w0, w1, w2, w3]),
        height: u32::from_be_bytes([h0, h1, h2, h3]),
        depth,
        color,
        interlaced: interlace == 1,
    };
    if header.width == 0
        || header.height == 0
        || header.width > i32::MAX as u32
        || header.height > i32::MAX as u32
    {
        return Err(wrong(format!("{} × {} pixels", header.width, header.height)));
    }
    if !matches!((color, depth), (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) | (2 | 4 | 6, 8 | 16)) {
        return Err(wrong(format!("colour type {color} with {depth} bits")));
    }
    if (compression, filter) != (0, 0) || interlace > 1 {
        return Err(wrong(format!("compression {compression}, filter {filter}, interlace {interlace}")));
    }
    Ok(header)
}

/// Whether the checksum behind `data` is the one of type and data; read in parts, so that memory stays small.
fn checksum_holds(source: &dyn Source, data: &Range<u64>) -> Result<bool> {
    let mut crc = crc32fast::Hasher::new();
    let mut at = data.start.saturating_sub(4);
    while at < data.end {
        let part = source.bytes(at, data.end.saturating_sub(at).min(1 << 20))?;
        crc.update(&part);
        at = at.saturating_add(part.len() as u64);
    }
    Ok(*source.bytes(data.end, 4)? == crc.finalize().to_be_bytes())
}

/// Inflates a zlib stream: `None` when it is broken, `Err(None)` when it is too long.
fn inflate(bytes: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>, Option<Error>> {
    let mut out = Vec::new();
    let mut stream = flate2::read::ZlibDecoder::new(bytes).take(limits.metadata_bytes.saturating_add(1));
    if stream.read_to_end(&mut out).is_err() {
        return Ok(None);
    }
    if out.len() as u64 > limits.metadata_bytes { Err(None) } else { Ok(Some(out)) }
}

fn split_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == 0)?;
    Some((bytes.get(..at)?, bytes.get(at.saturating_add(1)..)?))
}

/// Latin-1 as the standard says; UTF-8 where the bytes are valid UTF-8, as many programs write it.
fn latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    }
}

fn too_long(chunk: &Chunk, limits: &Limits) -> Error {
    Error::limit(format!("more than {} bytes of metadata", limits.metadata_bytes))
        .in_format(FORMAT)
        .at_place(name(chunk.id))
        .at_offset(chunk.range.start)
}

fn malformed(why: impl Into<String>) -> Error {
    Error::malformed(FORMAT, why)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        out.extend(encode(*b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 8, 0, 0, 0, 0]).unwrap());
        for (id, data) in chunks {
            out.extend(encode(**id, data).unwrap());
        }
        out.extend(encode(*b"IDAT", b"not looked into").unwrap());
        out.extend(encode(*b"IEND", b"").unwrap());
        out
    }

    fn texts(bytes: &[u8], limits: &Limits) -> Result<Vec<Text>> {
        let png = walk(&bytes, limits)?;
        png.chunks.iter().filter_map(|c| png.text(&bytes, c, limits).transpose()).collect()
    }

    fn deflated(text: &[u8]) -> Vec<u8> {
        let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        z.write_all(text).unwrap();
        z.finish().unwrap()
    }

    #[test]
    fn the_four_kinds_of_text_are_read() {
        let z = |prefix: &[u8], text: &str| [prefix, &deflated(text.as_bytes())].concat();
        let bytes = file(&[
            (b"tEXt", b"AIGC\0{\"a\":1}"),
            (b"zTXt", &z(b"AIGC\0\0", "b")),
            (b"iTXt", "AIGC\0\0\0zh\0key\0生成".as_bytes()),
            (b"iTXt", &z(b"AIGC\0\x01\0\0\0", "合成")),
            (b"tEXt", b"Comment\0caf\xe9"),
            (b"iTXt", b"broken\0\0"),
            (b"zTXt", b"broken\0\0zz"),
        ]);
        let found = texts(&bytes, &Limits::default()).unwrap();
        let values: Vec<String> = found.iter().map(|t| String::from_utf8(t.value.clone()).unwrap()).collect();
        assert_eq!(values, ["{\"a\":1}", "b", "生成", "合成", "café"]);
        assert_eq!(found[3].kind, TextKind::InternationalCompressed);
    }

    #[test]
    fn an_inflated_text_is_bounded() {
        let bomb = [b"AIGC\0\0".as_slice(), &deflated(&vec![b' '; 1 << 20])].concat();
        let limits = Limits { metadata_bytes: 1 << 16, ..Limits::default() };
        let e = texts(&file(&[(b"zTXt", &bomb)]), &limits).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Limit);
    }

    #[test]
    fn checksums_are_reported_and_bounds_enforced() {
        let mut bytes = file(&[]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(walk(&bytes, &Limits::default()).unwrap().notes.len(), 1);
        for len in 0..bytes.len() {
            assert!(walk(&&bytes[..len], &Limits::default()).is_err(), "{len}");
        }
        let e = walk(&b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR".as_slice(), &Limits::default()).unwrap_err();
        assert!(e.to_string().contains("IHDR at byte 8"), "{e}");
    }

    #[test]
    fn header_rules_of_11_2_1_are_enforced() {
        let good = file(&[]);
        for (at, value) in [(19, 0), (24, 3), (25, 1), (26, 1), (27, 1), (28, 2)] {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert!(walk(&bytes, &Limits::default()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_chunk_is_replaced_in_place_and_doubles_go() {
        let bytes = file(&[(b"tEXt", b"a\0one"), (b"tIME", b"1234567"), (b"tEXt", b"a\0two")]);
        let png = walk(&bytes, &Limits::default()).unwrap();
        let old: Vec<&Chunk> = png.of(*b"tEXt").collect();
        let mut patch = Patch::new();
        png.set(&bytes, &old, encode(*b"tEXt", b"a\0three").unwrap(), &mut patch).unwrap();
        let out = patch.apply_to_vec(&bytes).unwrap();
        let ids: Vec<String> =
            walk(&out, &Limits::default()).unwrap().chunks.iter().map(|c| name(c.id)).collect();
        assert_eq!(ids, ["IHDR", "tEXt", "tIME", "IDAT", "IEND"]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let bytes = [SIGNATURE.as_slice(), &noise].concat();
            let _ = walk(&bytes, &Limits::default());
            let _ = texts(&file(&[(b"iTXt", &noise), (b"zTXt", &noise), (b"tEXt", &noise)]), &Limits::default());
        }
    }
}
