//! Exif blocks: texts, orientation, thumbnail (Exif 3.0, CIPA DC-008).
//!
//! A block is a TIFF structure inside another file. Nothing in it moves when it is changed: a text is blanked in place
//! and a thumbnail is unlinked, so that maker notes with absolute offsets stay right.

use std::ops::Range;

use colophon_core::{Limits, Result, Source};

use crate::tiff::{self, Directory, Kind, Tiff};

/// `Orientation` (Exif 3.0, 4.6.4).
const ORIENTATION: u16 = 0x0112;
/// Where the JPEG thumbnail begins, and its length (Exif 3.0, 4.6.4).
const THUMBNAIL: (u16, u16) = (0x0201, 0x0202);
/// `UserComment` (Exif 3.0, 4.6.5).
const USER_COMMENT: u16 = 0x9286;
/// Texts that are read, by tag. 0x9c9b and up are the UTF-16 fields Windows writes.
const TEXTS: [(u16, &str); 8] = [
    (0x010e, "ImageDescription"),
    (0x0131, "Software"),
    (0x013b, "Artist"),
    (0x8298, "Copyright"),
    (USER_COMMENT, "UserComment"),
    (0x9c9b, "XPTitle"),
    (0x9c9c, "XPComment"),
    (0x9c9e, "XPKeywords"),
];

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Name of the tag: `UserComment`.
    pub name: &'static str,
    /// The text, without the character code of `UserComment` and without padding.
    pub value: String,
    /// Its bytes inside the block, without the character code.
    pub range: Range<u64>,
}

/// What a block says.
#[derive(Clone, Debug, Default)]
pub struct Exif {
    /// Texts that are not empty.
    pub texts: Vec<Text>,
    /// How the stored picture is to be turned, 1 to 8; 1 when nothing valid is said.
    pub orientation: u8,
    /// The bytes of an embedded JPEG thumbnail inside the block.
    pub thumbnail: Option<Range<u64>>,
    /// Things a reader should know.
    pub notes: Vec<String>,
}

/// Reads a block, which begins with its byte order mark.
///
/// # Errors
/// As [`tiff::walk`].
pub fn read(block: &[u8], limits: &Limits) -> Result<Exif> {
    let source: &dyn Source = &block;
    let tiff = tiff::walk(source, limits).map_err(|e| e.in_format("exif"))?;
    let mut exif = Exif { orientation: 1, notes: tiff.notes.clone(), ..Exif::default() };
    if let Some(first) = tiff.directories.first() {
        exif.orientation = match tiff.number(source, first, ORIENTATION)? {
            Some(n @ 1..=8) => n as u8,
            Some(n) => {
                exif.notes.push(format!("orientation {n} does not exist; taken as 1"));
                1
            }
            None => 1,
        };
    }
    for directory in tiff.directories.iter().filter(|d| d.kind != Kind::Sub) {
        for field in &directory.fields {
            let Some((_, name)) = TEXTS.iter().find(|(tag, _)| *tag == field.tag) else { continue };
            let Some(range) = field.value.clone() else { continue };
            if range.end.saturating_sub(range.start) > limits.metadata_bytes {
                exif.notes.push(format!("{name} is too long to be read"));
                continue;
            }
            let bytes = source.bytes(range.start, range.end.saturating_sub(range.start))?;
            let (value, skip) = text(field.tag, &bytes, tiff.coding);
            if !value.is_empty() {
                exif.texts.push(Text { name, value, range: range.start.saturating_add(skip)..range.end });
            }
        }
    }
    exif.thumbnail = thumbnail(source, &tiff)?.map(|(_, range)| range);
    Ok(exif)
}

/// The block without its thumbnail; `None` when there is none. The thumbnail's bytes are zeroed, or cut off when they
/// stand at the end, and its directory is no longer linked.
///
/// # Errors
/// As [`tiff::walk`].
pub fn without_thumbnail(block: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>> {
    let source: &dyn Source = &block;
    let tiff = tiff::walk(source, limits).map_err(|e| e.in_format("exif"))?;
    let Some((directory, range)) = thumbnail(source, &tiff)? else { return Ok(None) };
    let mut out = block.to_vec();
    let first = tiff.directories.first().map_or(0, |d| d.next_at);
    let width = if tiff.coding.wide { 8 } else { 4 };
    let at_end = range.end >= source.len().saturating_sub(1);
    blank(&mut out, &range);
    blank(&mut out, &(first..first.saturating_add(width)));
    // The directory itself would still point at what was blanked.
    blank(&mut out, &(directory.at..directory.next_at.saturating_add(width)));
    if at_end {
        out.truncate(usize::try_from(range.start).unwrap_or(usize::MAX));
    }
    Ok(Some(out))
}

/// The second directory of the chain and the thumbnail it names.
fn thumbnail<'a>(source: &dyn Source, tiff: &'a Tiff) -> Result<Option<(&'a Directory, Range<u64>)>> {
    let Some(second) = tiff.directories.iter().filter(|d| d.kind == Kind::Main).nth(1) else {
        return Ok(None);
    };
    let start = tiff.number(source, second, THUMBNAIL.0)?;
    let len = tiff.number(source, second, THUMBNAIL.1)?;
    Ok(start.zip(len).and_then(|(start, len)| {
        let end = start.checked_add(len).filter(|end| *end <= source.len())?;
        Some((second, start..end))
    }))
}

/// Overwrites a range with zeros, as far as it is inside.
pub fn blank(block: &mut [u8], range: &Range<u64>) {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let end = at(range.end).min(block.len());
    if let Some(part) = block.get_mut(at(range.start).min(end)..end) {
        part.fill(0);
    }
}

/// A field as text, and how many bytes stand before it.
fn text(tag: u16, bytes: &[u8], coding: tiff::Coding) -> (String, u64) {
    let trim = |s: String| s.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned();
    match tag {
        USER_COMMENT => {
            let (code, rest) = bytes.split_at_checked(8).unwrap_or((&[], bytes));
            let value = match code {
                b"UNICODE\0" => utf16(rest, coding.big_endian),
                // ASCII, JIS, or undefined: zeros. UTF-8 is common under all of them.
                _ => String::from_utf8_lossy(rest).into_owned(),
            };
            // Some writers leave the code out.
            let missing = code.first().is_some_and(|b| matches!(b, b'{' | b'['));
            if missing { (trim(String::from_utf8_lossy(bytes).into_owned()), 0) } else { (trim(value), 8) }
        }
        0x9c00.. => (trim(utf16(bytes, false)), 0),
        _ => (trim(String::from_utf8_lossy(bytes).into_owned()), 0),
    }
}

/// UTF-16 in the order its mark says, else in the order in which it has more ASCII: writers disagree with their own
/// byte order mark of the block.
fn utf16(bytes: &[u8], big_endian: bool) -> String {
    let (first, second): (Vec<u8>, Vec<u8>) = bytes
        .chunks_exact(2)
        .map(|c| (c.first().copied().unwrap_or(0), c.get(1).copied().unwrap_or(0)))
        .unzip();
    #[expect(clippy::naive_bytecount, reason = "a tag value is short")]
    let zeros = |v: &[u8]| v.iter().filter(|b| **b == 0).count();
    let big = match (first.first(), second.first()) {
        (Some(0xfe), Some(0xff)) => true,
        (Some(0xff), Some(0xfe)) => false,
        _ if zeros(&first) == zeros(&second) => big_endian,
        _ => zeros(&first) > zeros(&second),
    };
    let units =
        first.iter().zip(&second).map(|(a, b)| u16::from_be_bytes(if big { [*a, *b] } else { [*b, *a] }));
    let decoded = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    decoded.filter(|c| *c != '\u{feff}').collect()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    /// A block with orientation 6, a description, a user comment and a thumbnail of 6 bytes at its end.
    pub(crate) fn block(comment: &[u8]) -> Vec<u8> {
        let mut b = b"MM\0\x2a\0\0\0\x08".to_vec();
        let text = b"a picture\0";
        let exif_at: u32 = 8 + 2 + 3 * 12 + 4;
        let second_at: u32 = exif_at + 2 + 12 + 4;
        let text_at: u32 = second_at + 2 + 2 * 12 + 4;
        let comment_at = text_at + text.len() as u32;
        let thumb_at = comment_at + comment.len() as u32;
        let field = |b: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32| {
            b.extend(tag.to_be_bytes());
            b.extend(kind.to_be_bytes());
            b.extend(count.to_be_bytes());
            b.extend(value.to_be_bytes());
        };
        b.extend([0, 3]);
        field(&mut b, 0x010e, 2, text.len() as u32, text_at);
        field(&mut b, ORIENTATION, 3, 1, 6 << 16);
        field(&mut b, tiff::EXIF_IFD, 4, 1, exif_at);
        b.extend(second_at.to_be_bytes());
        b.extend([0, 1]);
        field(&mut b, USER_COMMENT, 7, comment.len() as u32, comment_at);
        b.extend([0; 4]);
        b.extend([0, 2]);
        field(&mut b, THUMBNAIL.0, 4, 1, thumb_at);
        field(&mut b, THUMBNAIL.1, 4, 1, 6);
        b.extend([0; 4]);
        b.extend(text);
        b.extend(comment);
        b.extend(b"\xff\xd8thum"[..6].iter());
        b
    }

    fn comment(block: &[u8]) -> Text {
        let exif = read(block, &Limits::default()).unwrap();
        exif.texts.into_iter().find(|t| t.name == "UserComment").unwrap()
    }

    #[test]
    fn texts_orientation_and_thumbnail_are_read() {
        let b = block(b"ASCII\0\0\0{\"AIGC\":{}}  ");
        let exif = read(&b, &Limits::default()).unwrap();
        assert_eq!(exif.orientation, 6);
        assert_eq!(exif.texts[0].value, "a picture");
        let c = comment(&b);
        assert_eq!(c.value, "{\"AIGC\":{}}");
        assert_eq!(&b[c.range.start as usize..][..1], b"{");
        assert_eq!(exif.thumbnail.unwrap().end, b.len() as u64);
    }

    #[test]
    fn user_comment_is_read_in_either_utf16_order_and_without_a_code() {
        let wide = |f: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let units = "{\"x\":\"生成\"}".encode_utf16().flat_map(f);
            b"UNICODE\0".iter().copied().chain(units).collect()
        };
        assert_eq!(comment(&block(&wide(u16::to_be_bytes))).value, "{\"x\":\"生成\"}");
        assert_eq!(comment(&block(&wide(u16::to_le_bytes))).value, "{\"x\":\"生成\"}");
        assert_eq!(comment(&block(b"{\"Label\":\"1\"}")).value, "{\"Label\":\"1\"}");
    }

    #[test]
    fn a_thumbnail_goes_and_nothing_else_moves() {
        let b = block(b"ASCII\0\0\0abc");
        let out = without_thumbnail(&b, &Limits::default()).unwrap().unwrap();
        assert_eq!(out.len(), b.len() - 6);
        let (before, after) =
            (read(&b, &Limits::default()).unwrap(), read(&out, &Limits::default()).unwrap());
        assert_eq!(after.thumbnail, None);
        assert_eq!(before.texts, after.texts);
        assert_eq!(after.orientation, 6);
        assert_eq!(without_thumbnail(&out, &Limits::default()).unwrap(), None);
    }

    proptest::proptest! {
        #[test]
        fn no_damage_panics(at in 0_usize..140, value: u8, cut in 0_usize..140) {
            let mut b = block(b"ASCII\0\0\0abc");
            if let Some(byte) = b.get_mut(at) { *byte = value; }
            b.truncate(cut.max(at));
            let _ = read(&b, &Limits::default());
            let _ = without_thumbnail(&b, &Limits::default());
        }
    }
}
