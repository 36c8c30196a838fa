//! TIFF structures: directories of typed fields (TIFF 6.0, section 2; BigTIFF).
//!
//! The walker reads directories and nothing they point to; it is bounded in the number of directories and fields and
//! follows no offset twice. Exif blocks, DNG and plain TIFF files share it.

use std::collections::BTreeSet;
use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};

pub mod edit;

const FORMAT: &str = "tiff";
/// Most directories that are followed in one file.
const MAX_DIRECTORIES: usize = 4096;
/// Most fields over all directories.
const MAX_FIELDS: usize = 200_000;

/// Offset of a directory with sub-images (TIFF supplement 1).
pub const SUB_IFDS: u16 = 330;
/// Offset of the Exif directory (Exif 3.0, 4.6.3).
pub const EXIF_IFD: u16 = 0x8769;

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coding {
    /// Most significant byte first.
    pub big_endian: bool,
    /// BigTIFF: offsets and counts of 64 bits.
    pub wide: bool,
}

/// One field of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Tag.
    pub tag: u16,
    /// Field type: 1 byte, 2 ASCII, 3 short, 4 long, 7 undefined, …
    pub kind: u16,
    /// Number of values.
    pub count: u64,
    /// Where the field itself stands.
    pub at: u64,
    /// Where its values stand: inside the field when they fit, else where it points. `None` when that is no place in
    /// the file, or the type is not known.
    pub value: Option<Range<u64>>,
}

/// One directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Where it begins.
    pub at: u64,
    /// Its fields in file order.
    pub fields: Vec<Field>,
    /// Where the offset of the next directory stands.
    pub next_at: u64,
    /// Which list it belongs to.
    pub kind: Kind,
}

/// How a directory was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In the chain from the header: a page, or the thumbnail of an Exif block.
    Main,
    /// Through [`SUB_IFDS`]: a reduced picture, raw data.
    Sub,
    /// Through [`EXIF_IFD`].
    Exif,
}

/// A walked file or block.
#[derive(Clone, Debug)]
pub struct Tiff {
    /// How numbers are stored.
    pub coding: Coding,
    /// Directories in the order they were reached, the first is the main picture.
    pub directories: Vec<Directory>,
    /// Things a reader should know.
    pub notes: Vec<String>,
}

/// Walks all directories.
///
/// # Errors
/// `Malformed` for a missing signature or a broken first directory, `Limit` for too many directories or fields. What is
/// wrong behind the first directory is a note.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Tiff> {
    let (coding, first) = header(source)?;
    let mut tiff = Tiff { coding, directories: Vec::new(), notes: Vec::new() };
    let mut seen = BTreeSet::new();
    let mut queue = vec![(first, Kind::Main)];
    let mut fields = 0_usize;
    while let Some((at, kind)) = queue.pop() {
        if at == 0 {
            continue;
        }
        if !seen.insert(at) {
            tiff.notes.push(format!("the directory at byte {at} is reached twice"));
            continue;
        }
        if tiff.directories.len() >= MAX_DIRECTORIES.min(limits.parts) {
            return Err(limit(format!("more than {} directories", tiff.directories.len())).at_offset(at));
        }
        let (directory, next) = match directory(source, coding, at, kind) {
            Ok(read) => read,
            Err(e) if tiff.directories.is_empty() => return Err(e),
            Err(e) => {
                tiff.notes.push(e.to_string());
                continue;
            }
        };
        fields = fields.saturating_add(directory.fields.len());
        if fields > MAX_FIELDS.min(limits.parts) {
            return Err(limit(format!("more than {} fields", MAX_FIELDS.min(limits.parts))).at_offset(at));
        }
        // The queue is a stack: what hangs on a directory comes before the next in the chain.
        let mut behind: Vec<(u64, Kind)> = Vec::new();
        for f in &directory.fields {
            let kind = match f.tag {
                SUB_IFDS => Kind::Sub,
                EXIF_IFD => Kind::Exif,
                _ => continue,
            };
            let offsets = tiff.numbers(source, f, MAX_DIRECTORIES)?;
            behind.extend(offsets.into_iter().map(|o| (o, kind)));
        }
        if kind == Kind::Main {
            behind.insert(0, (next, Kind::Main));
        }
        queue.extend(behind);
        tiff.directories.push(directory);
    }
    if tiff.directories.is_empty() {
        return Err(malformed("there is no directory").at_offset(4));
    }
    Ok(tiff)
}

impl Directory {
    /// The field of a tag.
    pub fn field(&self, tag: u16) -> Option<&Field> {
        self.fields.iter().find(|f| f.tag == tag)
    }
}

impl Tiff {
    /// The values of a field as numbers, at most `max` of them; empty for types that hold no integers.
    ///
    /// # Errors
    /// Of the source.
    pub fn numbers(&self, source: &dyn Source, field: &Field, max: usize) -> Result<Vec<u64>> {
        let Some(range) = &field.value else { return Ok(Vec::new()) };
        let size = match field.kind {
            1 | 3 | 4 | 13 | 16 | 18 => type_size(field.kind).unwrap_or(1),
            _ => return Ok(Vec::new()),
        };
        let wanted = field.count.min(max as u64).saturating_mul(size);
        let bytes = source.bytes_up_to(range.start, wanted)?;
        let size = usize::try_from(size).unwrap_or(1);
        Ok(bytes.chunks_exact(size).map(|b| number(self.coding, b)).collect())
    }

    /// The first value of a field as a number.
    ///
    /// # Errors
    /// Of the source.
    pub fn number(&self, source: &dyn Source, directory: &Directory, tag: u16) -> Result<Option<u64>> {
        let Some(field) = directory.field(tag) else { return Ok(None) };
        Ok(self.numbers(source, field, 1)?.first().copied())
    }
}

impl Coding {
    /// Bytes of `value` as an offset or count field of this coding.
    pub fn offset(self, value: u64) -> Vec<u8> {
        if self.wide { self.bytes8(value) } else { self.bytes4(u32::try_from(value).unwrap_or(u32::MAX)) }
    }

    /// A 16-bit number.
    pub fn bytes2(self, value: u16) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    /// A 32-bit number.
    pub fn bytes4(self, value: u32) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    /// A 64-bit number.
    pub fn bytes8(self, value: u64) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }
}

/// Bytes of one value of a field type (TIFF 6.0, section 2; BigTIFF adds 16 to 18; 13 and 129 are common extensions).
pub fn type_size(kind: u16) -> Option<u64> {
    Some(match kind {
        1 | 2 | 6 | 7 | 129 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => return None,
    })
}

fn header(source: &dyn Source) -> Result<(Coding, u64)> {
    let head = source.bytes_up_to(0, 16)?;
    let big_endian = match head.get(..2) {
        Some(b"II") => false,
        Some(b"MM") => true,
        _ => return Err(malformed("no byte order mark").at_offset(0)),
    };
    let coding = Coding { big_endian, wide: false };
    let read = |coding, range: Range<usize>| head.get(range).map(|b| number(coding, b));
    match read(coding, 2..4) {
        Some(42) => {
            let first = read(coding, 4..8).ok_or_else(|| malformed("the file ends inside its header"))?;
            Ok((coding, first))
        }
        Some(43) => {
            let first = read(coding, 8..16).ok_or_else(|| malformed("the file ends inside its header"))?;
            if read(coding, 4..6) != Some(8) {
                return Err(malformed("BigTIFF offsets that are not 8 bytes long").at_offset(4));
            }
            Ok((Coding { wide: true, ..coding }, first))
        }
        _ => Err(malformed("no TIFF signature").at_offset(2)),
    }
}

fn directory(source: &dyn Source, coding: Coding, at: u64, kind: Kind) -> Result<(Directory, u64)> {
    let place = |e: Error| e.in_format(FORMAT).at_place("directory").at_offset(at);
    let (count_len, entry_len, offset_len) = if coding.wide { (8, 20, 8) } else { (2, 12, 4) };
    let count = number(coding, &source.bytes(at, count_len).map_err(place)?);
    if count > MAX_FIELDS as u64 {
        return Err(limit(format!("{count} fields are announced")).at_place("directory").at_offset(at));
    }
    let start = at.saturating_add(count_len);
    let body = count.saturating_mul(entry_len);
    let raw = source.bytes(start, body).map_err(place)?;
    let mut fields = Vec::new();
    let mut field_at = start;
    for entry in raw.chunks_exact(usize::try_from(entry_len).unwrap_or(12)) {
        let part = |range: Range<usize>| number(coding, entry.get(range).unwrap_or_default());
        let kind = part(2..4) as u16;
        let (count, inline_at) = if coding.wide { (part(4..12), 12) } else { (part(4..8), 8) };
        let len = type_size(kind).and_then(|size| size.checked_mul(count));
        let value = len.and_then(|len| {
            let start = if len <= offset_len {
                field_at.saturating_add(inline_at as u64)
            } else {
                part(inline_at..entry.len())
            };
            start.checked_add(len).filter(|end| *end <= source.len()).map(|end| start..end)
        });
        fields.push(Field { tag: part(0..2) as u16, kind, count, at: field_at, value });
        field_at = field_at.saturating_add(entry_len);
    }
    // A block that ends with its last field has no next directory.
    let next = source.bytes_up_to(field_at, offset_len)?;
    let next = if next.len() as u64 == offset_len { number(coding, &next) } else { 0 };
    Ok((Directory { at, fields, next_at: field_at, kind }, next))
}

/// A number of up to 8 bytes.
pub(crate) fn number(coding: Coding, bytes: &[u8]) -> u64 {
    let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
    if coding.big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
}

fn malformed(why: &str) -> Error {
    Error::malformed(FORMAT, why)
}

fn limit(why: String) -> Error {
    Error::limit(why).in_format(FORMAT)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    /// A little-endian file: two chained directories, the first with an Exif directory.
    fn file() -> Vec<u8> {
        let mut b = b"II\x2a\0\x08\0\0\0".to_vec();
        b.extend([2, 0]); // directory at 8
        b.extend([0, 1, 3, 0, 1, 0, 0, 0, 64, 0, 0, 0]); // width 64
        b.extend([0x69, 0x87, 4, 0, 1, 0, 0, 0, 38, 0, 0, 0]); // Exif at 38
        b.extend([56, 0, 0, 0]); // next at 56
        b.extend([1, 0]); // Exif directory at 38
        b.extend([0x86, 0x92, 7, 0, 4, 0, 0, 0]);
        b.extend(b"abcd");
        b.extend([0, 0, 0, 0]);
        b.extend([1, 0]); // at 56
        b.extend([0, 1, 4, 0, 1, 0, 0, 0, 9, 0, 0, 0]);
        b.extend([0, 0, 0, 0]);
        b
    }

    #[test]
    fn directories_fields_and_values_are_found() {
        let b = file();
        let t = walk(&b, &Limits::default()).unwrap();
        assert_eq!(t.directories.len(), 3);
        assert_eq!(t.number(&b, &t.directories[0], 0x100).unwrap(), Some(64));
        let exif = t.directories.iter().find(|d| d.kind == Kind::Exif).unwrap();
        assert_eq!(exif.fields[0].value, Some(48..52));
        let second = t.directories.iter().filter(|d| d.kind == Kind::Main).nth(1).unwrap();
        assert_eq!(t.number(&b, second, 0x100).unwrap(), Some(9));
    }

    #[test]
    fn loops_end() {
        let mut b = file();
        let n = b.len();
        b[n - 4] = 8; // the second directory points back to the first
        let t = walk(&b, &Limits::default()).unwrap();
        assert_eq!((t.directories.len(), t.notes.len()), (3, 1));
    }

    #[test]
    fn values_outside_the_file_are_no_place() {
        let mut b = file();
        b[14] = 0xff; // a count that does not fit inline
        let t = walk(&b, &Limits::default()).unwrap();
        assert_eq!(t.directories[0].fields[0].value, None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(mut noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            let _ = walk(&noise, &Limits::default());
            for (i, b) in b"II\x2a\0\x08\0\0\0".iter().enumerate() {
                if let Some(n) = noise.get_mut(i) { *n = *b; }
            }
            let _ = walk(&noise, &Limits::default());
        }
    }
}
