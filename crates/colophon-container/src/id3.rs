//! ID3v2 tags: read in 2.2, 2.3 and 2.4, edited frame by frame.
//!
//! Sources: id3.org, "ID3 tag version 2.4.0 - Main Structure" and "- Native Frames", "ID3 tag version 2.3.0",
//! "ID3 tag version 2". An edit keeps the bytes of every frame it is not about; the header, an extended header and
//! the padding are written anew.

use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};

const FORMAT: &str = "id3";
/// Length of a tag header, and of a footer.
const HEADER: u64 = 10;
/// Padding of a tag that is new or grows.
const PADDING: usize = 256;
/// Tag header flag: unsynchronised; in 2.4: every frame is.
const UNSYNC: u8 = 0x80;
/// Tag header flag: an extended header follows; in 2.2: compressed by a method that was never defined.
const EXTENDED: u8 = 0x40;
/// Tag header flag (2.4): a footer follows the tag.
const FOOTER: u8 = 0x10;
/// Frame format flags of 2.4: grouping, compression, encryption, unsynchronisation, data length indicator.
const V4: [u16; 5] = [0x40, 0x08, 0x04, 0x02, 0x01];
/// Frame format flags of 2.3: compression, encryption, grouping.
const V3: [u16; 3] = [0x80, 0x40, 0x20];

/// One frame of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its id; ids of 2.2 have three characters and a NUL here.
    pub id: [u8; 4],
    /// The bytes of the file that hold it, header included.
    pub range: Range<u64>,
    /// The content, with unsynchronisation undone; absent when it is compressed or encrypted.
    pub body: Option<Vec<u8>>,
    /// Header and content as they are written back.
    raw: Vec<u8>,
}

/// A tag in front of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 2, 3 or 4.
    pub version: u8,
    /// The bytes of the file that hold it, footer included.
    pub range: Range<u64>,
    /// Its frames in order.
    pub frames: Vec<Frame>,
    /// What was tolerated, in words.
    pub notes: Vec<String>,
}

/// What a frame holds, as far as marks use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `TXXX`: a description and a text.
    Text {
        /// Description.
        description: String,
        /// Text.
        text: String,
    },
    /// `PRIV`: an owner and bytes.
    Private {
        /// Owner identifier.
        owner: String,
        /// The bytes.
        data: Vec<u8>,
    },
    /// `GEOB`: a file inside the tag.
    Object {
        /// Media type.
        mime: String,
        /// The bytes.
        data: Vec<u8>,
    },
    /// `COMM`: a comment.
    Comment {
        /// Description.
        description: String,
        /// Text.
        text: String,
    },
}

/// One change to the frames of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Exactly one frame of this kind and key (description, owner, media type), with this value: in the place of
    /// the first one, else behind the last frame. `GEOB` frames are matched by any media type of `instead`.
    Set {
        /// What it shall hold.
        content: Content,
        /// Other keys that are replaced too.
        instead: &'static [&'static str],
    },
    /// The frame that occupies this range goes away.
    Remove(Range<u64>),
}

/// Reads the tag that begins at `at`; `None` where there is none.
///
/// # Errors
/// `Malformed` for a tag longer than the file or of an unknown version; `Limit` for a tag that is too large.
pub fn read(source: &dyn Source, at: u64, limits: &Limits) -> Result<Option<Tag>> {
    let head = source.bytes_up_to(at, HEADER)?;
    let Some(&[b'I', b'D', b'3', version, revision, flags, a, b, c, d]) = head.first_chunk::<10>() else {
        return Ok(None);
    };
    let bad = |what: &str| Err(Error::malformed(FORMAT, what).at_offset(at));
    if !(2..=4).contains(&version) || revision == 0xff {
        return bad("a tag version that does not exist");
    }
    let Some(size) = syncsafe([a, b, c, d]) else {
        return bad("the length of the tag is not a sync-safe number");
    };
    if version == 2 && flags & EXTENDED != 0 {
        return bad("a compressed tag of version 2.2, which nobody defined");
    }
    let size = u64::from(size);
    if size > limits.metadata_bytes {
        return Err(Error::limit(format!("the tag has {size} bytes, {} are allowed", limits.metadata_bytes))
            .in_format(FORMAT)
            .at_offset(at));
    }
    let start = at.saturating_add(HEADER);
    let footer = if version == 4 && flags & FOOTER != 0 { HEADER } else { 0 };
    let end = start.saturating_add(size).saturating_add(footer);
    if end > source.len() {
        return bad("the tag is longer than the file");
    }
    let stored = source.bytes(start, size)?;
    // Up to 2.3 unsynchronisation concerns the tag as a whole, and lengths count what is left without it.
    let (body, removed) = if version < 4 && flags & UNSYNC != 0 {
        resynchronise(&stored)
    } else {
        (stored.to_vec(), Vec::new())
    };
    let mut tag = Tag { version, range: at..end, frames: Vec::new(), notes: Vec::new() };
    let mut pos = if flags & EXTENDED == 0 { 0 } else { extended_len(version, &body) };
    while let Some(rest) = body.get(pos..).filter(|r| r.first().is_some_and(|b| *b != 0)) {
        if tag.frames.len() >= limits.parts {
            return Err(Error::limit(format!("more than {} frames", limits.parts)).in_format(FORMAT));
        }
        let Some((mut frame, used)) = frame(version, rest) else {
            tag.notes.push(format!("{} bytes of the tag are no frames", rest.len()));
            break;
        };
        let next = pos.saturating_add(used);
        frame.range =
            start.saturating_add(in_file(pos, &removed))..start.saturating_add(in_file(next, &removed));
        tag.frames.push(frame);
        pos = next;
    }
    let packed = tag.frames.iter().filter(|f| f.body.is_none()).count();
    if packed > 0 {
        tag.notes
            .push(format!("packed frames: {packed} of the tag are compressed or encrypted, and not read"));
    }
    Ok(Some(tag))
}

impl Tag {
    /// What a frame holds, when marks can sit in it.
    pub fn content(&self, frame: &Frame) -> Option<Content> {
        let body = frame.body.as_deref()?;
        match &frame.id {
            b"TXXX" | b"TXX\0" => {
                let (encoding, rest) = body.split_first()?;
                let (description, text) = cut(*encoding, rest)?;
                Some(Content::Text {
                    description: decode(*encoding, description),
                    text: decode(*encoding, text),
                })
            }
            b"PRIV" => {
                let (owner, data) = cut(0, body)?;
                Some(Content::Private { owner: decode(0, owner), data: data.to_vec() })
            }
            b"GEOB" | b"GEO\0" => {
                let (encoding, rest) = body.split_first()?;
                let (mime, rest) = cut(0, rest)?;
                let (_name, rest) = cut(*encoding, rest)?;
                let (_description, data) = cut(*encoding, rest)?;
                Some(Content::Object { mime: decode(0, mime), data: data.to_vec() })
            }
            b"COMM" | b"COM\0" => {
                let (encoding, rest) = body.split_first()?;
                let (description, text) = cut(*encoding, rest.get(3..)?)?;
                Some(Content::Comment {
                    description: decode(*encoding, description),
                    text: decode(*encoding, text),
                })
            }
            _ => None,
        }
    }
}

/// The tag with the changes made, as bytes that take the place of `tag` (or stand in front of a file without one);
/// `None` when nothing changes. A tag that is left without frames vanishes.
///
/// # Errors
/// `Unsupported` for a frame that 2.2 does not have; `Malformed` when a range to be removed is no frame; `Limit`
/// when the tag would be larger than 256 MiB.
pub fn edit(tag: Option<&Tag>, changes: &[Change]) -> Result<Option<Vec<u8>>> {
    let version = tag.map_or(4, |t| t.version);
    let old: Vec<Vec<u8>> = tag.map(|t| t.frames.iter().map(|f| f.raw.clone()).collect()).unwrap_or_default();
    let mut frames: Vec<Option<Vec<u8>>> = old.iter().cloned().map(Some).collect();
    let mut behind: Vec<Vec<u8>> = Vec::new();
    for change in changes {
        match change {
            Change::Set { content, instead } => {
                let new = encode(version, content)?;
                let mut place = None;
                for (i, frame) in tag.iter().flat_map(|t| t.frames.iter()).enumerate() {
                    let there = tag.and_then(|t| t.content(frame));
                    if there.as_ref().is_some_and(|c| same_key(c, content, instead)) {
                        place.get_or_insert((i, there.as_ref() == Some(content)));
                        if let Some(slot) = frames.get_mut(i) {
                            *slot = None;
                        }
                    }
                }
                match place {
                    // Same value: the frame stays as it was written, whatever its encoding.
                    Some((i, equal)) => {
                        if let Some(slot) = frames.get_mut(i) {
                            *slot = Some(if equal { old.get(i).cloned().unwrap_or(new) } else { new });
                        }
                    }
                    None => behind.push(new),
                }
            }
            Change::Remove(range) => {
                let i = tag
                    .and_then(|t| t.frames.iter().position(|f| f.range == *range))
                    .ok_or_else(|| Error::malformed(FORMAT, "no frame occupies the range to be removed"))?;
                if let Some(slot) = frames.get_mut(i) {
                    *slot = None;
                }
            }
        }
    }
    let now: Vec<Vec<u8>> = frames.into_iter().flatten().chain(behind).collect();
    if now == old {
        return Ok(None);
    }
    let body = now.concat();
    if body.is_empty() {
        return Ok(Some(Vec::new()));
    }
    // Padding takes up the difference, so that the audio stays where it is when there is room. A tag that grows gets
    // some: readers that guess how lengths are written look at what follows the last frame.
    let room = tag.map_or(0, |t| t.range.end.saturating_sub(t.range.start).saturating_sub(HEADER));
    let room = usize::try_from(room).unwrap_or(0);
    let size = if body.len() <= room { room } else { body.len().saturating_add(PADDING) };
    let length = u32::try_from(size).ok().filter(|s| *s < 1 << 28);
    let length =
        length.ok_or_else(|| Error::limit("the tag would be larger than 256 MiB").in_format(FORMAT))?;
    let mut out = Vec::with_capacity(size.saturating_add(10));
    out.extend_from_slice(&[b'I', b'D', b'3', version, 0, 0]);
    out.extend_from_slice(&to_syncsafe(length));
    out.extend_from_slice(&body);
    out.resize(size.saturating_add(10), 0);
    Ok(Some(out))
}

/// One frame from the head of `rest`, with the number of bytes it takes.
fn frame(version: u8, rest: &[u8]) -> Option<(Frame, usize)> {
    if version == 2 {
        let &[a, b, c, x, y, z] = rest.first_chunk::<6>()?;
        let id = [a, b, c];
        let size = u32::from_be_bytes([0, x, y, z]) as usize;
        let used = size.checked_add(6)?;
        let body = rest.get(6..used)?;
        is_id(&id).then_some(())?;
        let raw = rest.get(..used)?.to_vec();
        return Some((Frame { id: [a, b, c, 0], range: 0..0, body: Some(body.to_vec()), raw }, used));
    }
    let &[a, b, c, d, w, x, y, z, f, g] = rest.first_chunk::<10>()?;
    let id = [a, b, c, d];
    is_id(&id).then_some(())?;
    let plain = u32::from_be_bytes([w, x, y, z]);
    let size = match version {
        3 => plain,
        _ => v4_size([w, x, y, z], plain, rest),
    };
    let used = (size as usize).checked_add(10)?;
    let content = rest.get(10..used)?;
    let mut raw = rest.get(..used)?.to_vec();
    if version == 4 {
        // Frames of programs that write plain lengths into 2.4 are written back with right ones.
        if let (Some(field), true) = (raw.get_mut(4..8), size < 1 << 28) {
            field.copy_from_slice(&to_syncsafe(size));
        }
    }
    let flags = u16::from_be_bytes([f, g]);
    Some((Frame { id, range: 0..0, body: plain_content(version, flags, content), raw }, used))
}

/// The length of a 2.4 frame. Some programs write it as in 2.3; the one that is followed by a frame, padding or the
/// end of the tag is right.
fn v4_size(bytes: [u8; 4], plain: u32, rest: &[u8]) -> u32 {
    let followed = |size: u32| {
        let next = (size as usize).checked_add(10)?;
        match rest.get(next..)? {
            [] | [0, ..] => Some(()),
            more => more.first_chunk::<4>().filter(|id| is_id(*id)).map(|_| ()),
        }
    };
    match syncsafe(bytes) {
        Some(size) if plain < 0x80 || followed(size).is_some() || followed(plain).is_none() => size,
        _ => plain,
    }
}

/// The content of a frame without group, data length and unsynchronisation.
fn plain_content(version: u8, flags: u16, content: &[u8]) -> Option<Vec<u8>> {
    if version == 3 {
        let [compressed, encrypted, grouped] = V3.map(|f| flags & f != 0);
        let skip = usize::from(grouped);
        return if compressed || encrypted { None } else { content.get(skip..).map(<[u8]>::to_vec) };
    }
    let [grouped, compressed, encrypted, unsynchronised, sized] = V4.map(|f| flags & f != 0);
    if compressed || encrypted {
        return None;
    }
    let skip = usize::from(grouped).saturating_add(if sized { 4 } else { 0 });
    let content = content.get(skip..)?;
    Some(if unsynchronised { resynchronise(content).0 } else { content.to_vec() })
}

/// Bytes without the zeros that unsynchronisation put after 0xFF, and where those stood in the result.
fn resynchronise(stored: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let mut out = Vec::with_capacity(stored.len());
    let mut removed = Vec::new();
    let mut last = 0;
    for b in stored {
        if last == 0xff && *b == 0 {
            removed.push(out.len());
        } else {
            out.push(*b);
        }
        last = *b;
    }
    (out, removed)
}

/// The offset in the stored tag of an offset in the resynchronised one.
fn in_file(pos: usize, removed: &[usize]) -> u64 {
    (pos as u64).saturating_add(removed.partition_point(|r| *r <= pos) as u64)
}

/// Length of the extended header, its own length field included.
fn extended_len(version: u8, body: &[u8]) -> usize {
    let Some(field) = body.first_chunk::<4>() else { return 0 };
    match version {
        // 2.3 does not count the field, 2.4 does.
        3 => (u32::from_be_bytes(*field) as usize).saturating_add(4),
        _ => syncsafe(*field).unwrap_or(0) as usize,
    }
}

fn same_key(there: &Content, wanted: &Content, instead: &[&str]) -> bool {
    let matches = |a: &str, b: &str| a == b || instead.contains(&a);
    match (there, wanted) {
        (Content::Text { description: a, .. }, Content::Text { description: b, .. })
        | (Content::Comment { description: a, .. }, Content::Comment { description: b, .. })
        | (Content::Private { owner: a, .. }, Content::Private { owner: b, .. })
        | (Content::Object { mime: a, .. }, Content::Object { mime: b, .. }) => matches(a, b),
        _ => false,
    }
}

/// A frame as bytes.
fn encode(version: u8, content: &Content) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let id: &[u8; 4] = match content {
        Content::Text { description, text } => {
            let encoding = encoding_for(version, &[description, text]);
            body.push(encoding);
            put(&mut body, encoding, description, true);
            put(&mut body, encoding, text, false);
            b"TXXX"
        }
        Content::Private { owner, data } => {
            put(&mut body, 0, owner, true);
            body.extend_from_slice(data);
            b"PRIV"
        }
        Content::Object { mime, data } => {
            body.push(0);
            put(&mut body, 0, mime, true);
            put(&mut body, 0, "c2pa", true);
            put(&mut body, 0, "c2pa manifest store", true);
            body.extend_from_slice(data);
            b"GEOB"
        }
        Content::Comment { description, text } => {
            let encoding = encoding_for(version, &[description, text]);
            body.push(encoding);
            body.extend_from_slice(b"und");
            put(&mut body, encoding, description, true);
            put(&mut body, encoding, text, false);
            b"COMM"
        }
    };
    let too_large = || Error::limit("the value is too large for a frame").in_format(FORMAT);
    let size = u32::try_from(body.len()).ok().filter(|s| *s < 1 << 28).ok_or_else(too_large)?;
    let mut out = Vec::with_capacity(body.len().saturating_add(10));
    match version {
        2 => {
            if id == b"PRIV" {
                return Err(Error::unsupported(FORMAT, "tags of version 2.2 have no place for this value"));
            }
            if size >= 1 << 24 {
                return Err(too_large());
            }
            out.extend_from_slice(id.get(..3).unwrap_or_default());
            out.extend_from_slice(size.to_be_bytes().get(1..).unwrap_or_default());
        }
        3 => {
            out.extend_from_slice(id);
            out.extend_from_slice(&size.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
        }
        _ => {
            out.extend_from_slice(id);
            out.extend_from_slice(&to_syncsafe(size));
            out.extend_from_slice(&[0, 0]);
        }
    }
    out.append(&mut body);
    Ok(out)
}

/// Latin-1 for ASCII, else UTF-8 in 2.4 and UTF-16 before.
fn encoding_for(version: u8, texts: &[&str]) -> u8 {
    match (version, texts.iter().all(|t| t.is_ascii())) {
        (4, _) => 3,
        (_, true) => 0,
        (_, false) => 1,
    }
}

fn put(out: &mut Vec<u8>, encoding: u8, text: &str, end: bool) {
    if encoding == 1 {
        out.extend_from_slice(&[0xff, 0xfe]);
        out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    if end {
        out.extend_from_slice(if encoding == 1 { &[0, 0] } else { &[0] });
    }
}

/// Text of one of the four encodings; what cannot be decoded becomes a replacement character.
fn decode(encoding: u8, bytes: &[u8]) -> String {
    let units = |big: bool, b: &[u8]| {
        let units = b
            .chunks_exact(2)
            .filter_map(|c| c.first_chunk::<2>())
            .map(|c| if big { u16::from_be_bytes(*c) } else { u16::from_le_bytes(*c) });
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
    };
    let text = match (encoding, bytes) {
        (0, _) => bytes.iter().map(|b| char::from(*b)).collect(),
        (1, [0xff, 0xfe, rest @ ..]) => units(false, rest),
        (1 | 2, [0xfe, 0xff, rest @ ..]) => units(true, rest),
        (1, _) => units(false, bytes),
        (2, _) => units(true, bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    // Texts may end with a terminator.
    text.strip_suffix('\0').map(str::to_owned).unwrap_or(text)
}

/// Splits at the terminator of the encoding.
fn cut(encoding: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if encoding == 1 || encoding == 2 {
        let at = bytes.chunks_exact(2).position(|c| c == [0, 0])?.checked_mul(2)?;
        return Some((bytes.get(..at)?, bytes.get(at.checked_add(2)?..)?));
    }
    let at = bytes.iter().position(|b| *b == 0)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(1)?..)?))
}

fn is_id(id: &[u8]) -> bool {
    id.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Four bytes of seven bits; `None` when an eighth is set.
fn syncsafe(bytes: [u8; 4]) -> Option<u32> {
    bytes.iter().all(|b| *b < 0x80).then(|| bytes.iter().fold(0, |n, b| (n << 7) | u32::from(*b)))
}

fn to_syncsafe(n: u32) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| ((n >> shift) & 0x7f) as u8)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag(version: u8, flags: u8, frames: &[u8], padding: usize) -> Vec<u8> {
        let mut out = vec![b'I', b'D', b'3', version, 0, flags];
        out.extend(to_syncsafe((frames.len() + padding) as u32));
        out.extend(frames);
        out.resize(out.len() + padding, 0);
        out
    }

    fn text(description: &str, text: &str) -> Content {
        Content::Text { description: description.into(), text: text.into() }
    }

    fn set(content: Content) -> Change {
        Change::Set { content, instead: &[] }
    }

    fn parsed(bytes: &[u8]) -> Tag {
        read(&bytes, 0, &Limits::default()).unwrap().unwrap()
    }

    /// The file after the changes.
    fn edited(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
        let old = read(&bytes, 0, &Limits::default()).unwrap();
        let end = old.as_ref().map_or(0, |t| t.range.end as usize);
        match edit(old.as_ref(), changes).unwrap() {
            Some(new) => [&new[..], &bytes[end..]].concat(),
            None => bytes.to_vec(),
        }
    }

    fn contents(bytes: &[u8]) -> Vec<Content> {
        let t = parsed(bytes);
        t.frames.iter().filter_map(|f| t.content(f)).collect()
    }

    #[test]
    fn a_file_without_a_tag_gets_version_2_4() {
        let out = edited(b"\xff\xfbaudio", &[set(text("AIGC", r#"{"Label":"1"}"#))]);
        assert_eq!(&out[..4], b"ID3\x04");
        assert_eq!(contents(&out), [text("AIGC", r#"{"Label":"1"}"#)]);
        assert!(out.ends_with(b"\xff\xfbaudio"));
    }

    #[test]
    fn other_frames_are_kept_byte_for_byte_and_padding_takes_up_the_difference() {
        for version in [3, 4] {
            let mut frames = b"TIT2\0\0\0\x06\0\0\x03Title".to_vec();
            frames.extend(b"XYZ9\0\0\0\x03\x40\x00odd");
            let file = [tag(version, 0, &frames, 300), b"audio".to_vec()].concat();
            let out = edited(&file, &[set(text("AIGC", "{}"))]);
            assert_eq!(out.len(), file.len());
            assert_eq!(out[10..10 + frames.len()], frames[..]);
            assert!(out.ends_with(b"audio"));
            assert_eq!(contents(&out), [text("AIGC", "{}")]);
            assert_eq!(edited(&out, &[set(text("AIGC", "{}"))]), out);
            let again = edited(&out, &[set(text("AIGC", "{\"a\":1}"))]);
            assert_eq!(contents(&again), [text("AIGC", "{\"a\":1}")]);
        }
    }

    #[test]
    fn unsynchronised_tags_of_2_3_are_read_with_true_ranges_and_written_plain() {
        // The picture holds 0xFF 0xE0, stored as 0xFF 0x00 0xE0; the frame lengths count it without the zero.
        let mut stored = b"APIC\0\0\0\x03\0\0\xff\x00\xe0x".to_vec();
        let priv_at = stored.len();
        stored.extend(b"PRIV\0\0\0\x06\0\0XMP\0ab");
        let file = [tag(3, UNSYNC, &stored, 8), b"audio".to_vec()].concat();
        let t = parsed(&file);
        assert_eq!(t.frames[0].body.as_deref(), Some(&b"\xff\xe0x"[..]));
        assert_eq!(t.frames[1].range, (10 + priv_at) as u64..(10 + stored.len()) as u64);
        assert_eq!(
            t.content(&t.frames[1]),
            Some(Content::Private { owner: "XMP".into(), data: b"ab".to_vec() })
        );
        let out = edited(&file, &[set(text("AIGC", "{}"))]);
        let t = parsed(&out);
        assert_eq!(out[5], 0);
        assert_eq!(t.frames[0].body.as_deref(), Some(&b"\xff\xe0x"[..]));
    }

    #[test]
    fn frames_of_2_4_with_unsynchronisation_and_length_indicator_are_undone() {
        let body = b"\0\0\0\x03\xff\x00\xe0x";
        let mut frame = b"GEOB".to_vec();
        frame.extend(to_syncsafe(body.len() as u32));
        frame.extend([0, 0x03]);
        frame.extend(body);
        let t = parsed(&tag(4, UNSYNC, &frame, 0));
        assert_eq!(t.frames[0].body.as_deref(), Some(&b"\xff\xe0x"[..]));
    }

    #[test]
    fn plain_lengths_in_2_4_are_understood_and_mended() {
        let mut frames = b"TXXX\0\0\x01\x00\0\0\x03AIGC\0".to_vec();
        frames.resize(10 + 256, b'x');
        frames.extend(b"TIT2\0\0\0\x02\0\0\x03t");
        let file = tag(4, 0, &frames, 0);
        assert_eq!(parsed(&file).frames.len(), 2);
        let out = edited(&file, &[set(text("other", "v"))]);
        let t = parsed(&out);
        assert_eq!(t.frames.len(), 3);
        assert_eq!(syncsafe(out[14..18].try_into().unwrap()), Some(256));
    }

    #[test]
    fn version_2_2_takes_text_and_objects_only() {
        let file = [tag(2, 0, b"TT2\0\0\x02\0t", 4), b"audio".to_vec()].concat();
        let out = edited(&file, &[set(text("AIGC", "{}"))]);
        assert_eq!(contents(&out), [text("AIGC", "{}")]);
        assert_eq!(parsed(&out).frames[1].id, *b"TXX\0");
        let t = parsed(&file);
        let private = Content::Private { owner: "XMP".into(), data: vec![1] };
        assert!(edit(Some(&t), &[set(private)]).is_err());
    }

    #[test]
    fn utf_16_is_read_in_both_byte_orders() {
        for (bom, f) in
            [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)]
        {
            let wide = |s: &str| [bom.to_vec(), s.encode_utf16().flat_map(f).collect()].concat();
            let body = [vec![1], wide("AIGC"), vec![0, 0], wide("标识")].concat();
            let frame =
                [b"TXXX".to_vec(), (body.len() as u32).to_be_bytes().to_vec(), vec![0, 0], body].concat();
            assert_eq!(contents(&tag(3, 0, &frame, 0)), [text("AIGC", "标识")]);
        }
    }

    #[test]
    fn duplicates_collapse_and_removal_of_the_last_frame_removes_the_tag() {
        let one = encode(4, &text("AIGC", "1")).unwrap();
        let two = encode(4, &text("AIGC", "2")).unwrap();
        let file = tag(4, 0, &[one, two].concat(), 0);
        let out = edited(&file, &[set(text("AIGC", "3"))]);
        assert_eq!(contents(&out), [text("AIGC", "3")]);
        let t = parsed(&out);
        assert_eq!(edit(Some(&t), &[Change::Remove(t.frames[0].range.clone())]).unwrap(), Some(Vec::new()));
    }

    #[test]
    fn hostile_tags_are_refused_by_name() {
        let limits = Limits::default();
        let err = |b: &[u8]| read(&b, 0, &limits).unwrap_err().to_string();
        assert!(err(b"ID3\x04\0\0\0\0\x7f\x7f").contains("longer than the file"));
        assert!(err(b"ID3\x05\0\0\0\0\0\0").contains("version"));
        assert!(err(b"ID3\x04\0\0\xff\xff\xff\xff").contains("sync-safe"));
        let small = Limits { metadata_bytes: 100, ..Limits::default() };
        assert_eq!(
            read(&tag(4, 0, b"", 200), 0, &small).unwrap_err().kind(),
            colophon_core::ErrorKind::Limit
        );
    }

    proptest! {
        #[test]
        fn any_bytes_read_or_fail(version in 0u8..6, flags: u8, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let file = tag(version, flags, &body, 0);
            if let Ok(Some(t)) = read(&file, 0, &Limits::default()) {
                for f in &t.frames {
                    prop_assert!(f.range.start < f.range.end && f.range.end <= file.len() as u64);
                    let _ = t.content(f);
                }
                let _ = edit(Some(&t), &[set(text("AIGC", "{}"))]);
            }
        }

        #[test]
        fn what_is_set_is_read_back(
            version in 2u8..5, value in "\\PC{0,80}", object in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let file = tag(version, 0, b"", 0);
            let wanted = [
                text("AIGC", &value),
                Content::Object { mime: "application/c2pa".into(), data: object },
            ];
            let out = edited(&file, &wanted.clone().map(set));
            prop_assert_eq!(contents(&out), wanted);
        }
    }
}
