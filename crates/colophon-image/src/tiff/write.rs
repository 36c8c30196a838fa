//! A changed picture in a new file with the fields of the old one.
//!
//! The file is written anew, because strips of another length do not fit where the old ones stood, and the old picture
//! must not stay behind. Fields that are still true are carried over with their values, the Exif and GPS directories with
//! theirs.

use std::io::Write;

use colophon_container::tiff::{Coding, Tiff as File, type_size};
use colophon_core::{Error, Limits, Result, Source};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use weezl::BitOrder;

use super::ID;
use crate::raster::{Color, Raster, Samples};

/// Bytes of samples in a strip, about: small enough to be read in parts.
const STRIP: usize = 1 << 18;
/// Fields that say how the picture is coded, or point at what goes: they are written anew or left out.
const CODED: [u16; 31] = [
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322,
    323, 324, 325, 330, 332, 334, 338, 339, 347, 512,
];
/// Fields that point at directories: Exif, GPS and interoperability (Exif 3.0, 4.6.3).
const DIRECTORIES: [u16; 3] = [0x8769, 0x8825, 0xa005];
/// Depth of directories below the first.
const DEPTH: usize = 3;

/// One field: tag, type, count, values as bytes in the file's order.
type Field = (u16, u16, u64, Vec<u8>);

/// Writes the file.
///
/// # Errors
/// `Io`, `Limit` for files that outgrow their offsets.
pub(super) fn write(
    source: &dyn Source,
    file: &File,
    raster: &Raster,
    limits: &Limits,
    out: &mut dyn Write,
) -> Result<()> {
    let Some(first) = file.directories.first() else {
        return Err(Error::malformed(ID, "there is no directory"));
    };
    let coding = file.coding;
    let number = |tag| file.number(source, first, tag);
    let compression = match number(259)?.unwrap_or(1) {
        1 => 1_u16,
        5 => 5,
        // The registered number of Deflate (TIFF supplement 2); 32946 is its forerunner.
        _ => 8,
    };
    let predicts = compression != 1 && number(317)?.unwrap_or(1) == 2;
    let mut w = Writer { coding, bytes: header(coding) };

    let row = raster.width as usize * raster.color.channels();
    let rows = (STRIP / row.max(1)).clamp(1, raster.height.max(1) as usize);
    let (mut offsets, mut counts) = (Vec::new(), Vec::new());
    let sample_bytes = if matches!(raster.samples, Samples::U8(_)) { 1 } else { 2 };
    for at in (0..raster.height as usize).step_by(rows) {
        let range = at * row..(at + rows).min(raster.height as usize) * row;
        let strip = strip(raster, range, row, coding, predicts);
        let strip = packed(strip, compression)?;
        offsets.push(w.put(&strip));
        counts.push(strip.len() as u64);
    }

    let channels = raster.color.channels() as u64;
    let (photometric, extra) = match raster.color {
        Color::Grey => (1, false),
        Color::GreyAlpha => (1, true),
        Color::Rgb => (2, false),
        Color::Rgba => (2, true),
        Color::Cmyk => (5, false),
    };
    let short = |v: u64| coding.bytes2(v as u16);
    let long = |v: u64| coding.bytes4(v as u32);
    let mut fields: Vec<Field> = vec![
        (256, 4, 1, long(u64::from(raster.width))),
        (257, 4, 1, long(u64::from(raster.height))),
        (258, 3, channels, short(8 * sample_bytes).repeat(channels as usize)),
        (259, 3, 1, short(u64::from(compression))),
        (262, 3, 1, short(photometric)),
        (277, 3, 1, short(channels)),
        (278, 4, 1, long(rows as u64)),
        (284, 3, 1, short(1)),
    ];
    let wide = if coding.wide { 16 } else { 4 };
    let numbers = |list: &[u64]| list.iter().flat_map(|v| coding.offset(*v)).collect::<Vec<u8>>();
    fields.push((273, wide, offsets.len() as u64, numbers(&offsets)));
    fields.push((279, wide, counts.len() as u64, numbers(&counts)));
    if predicts {
        fields.push((317, 3, 1, short(2)));
    }
    if extra {
        // What the source says about its alpha; unassociated where it says nothing (TIFF 6.0, section 18).
        let kind = number(338)?.filter(|v| *v <= 2).unwrap_or(2);
        fields.push((338, 3, 1, short(kind)));
    }
    for field in &first.fields {
        let Some(range) = field.value.clone() else { continue };
        let len = range.end - range.start;
        if CODED.contains(&field.tag) || (512..=521).contains(&field.tag) || len > limits.metadata_bytes {
            continue;
        }
        if DIRECTORIES.contains(&field.tag) {
            if let Some(at) = w.carried(source, file, field.tag, DEPTH, limits)? {
                fields.push((field.tag, wide_pointer(coding), 1, coding.offset(at)));
            }
            continue;
        }
        fields.push((field.tag, field.kind, field.count, source.bytes(range.start, len)?.into_owned()));
    }
    let at = w.directory(fields);
    let header = if coding.wide { 8..16 } else { 4..8 };
    if let Some(place) = w.bytes.get_mut(header) {
        place.copy_from_slice(&coding.offset(at));
    }
    if !coding.wide && w.bytes.len() as u64 > u64::from(u32::MAX) {
        return Err(Error::limit("the file would be longer than 4 GiB").in_format(ID));
    }
    out.write_all(&w.bytes)?;
    Ok(())
}

/// Field type of an offset of a directory.
fn wide_pointer(coding: Coding) -> u16 {
    if coding.wide { 16 } else { 4 }
}

fn header(coding: Coding) -> Vec<u8> {
    let mut out = if coding.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    if coding.wide {
        out.extend(coding.bytes2(43));
        out.extend(coding.bytes2(8));
        out.extend([0; 10]);
    } else {
        out.extend(coding.bytes2(42));
        out.extend([0; 4]);
    }
    out
}

/// The bytes of a strip in the file's order, differences along the rows with `predicts` (TIFF 6.0, section 14).
fn strip(
    raster: &Raster,
    range: std::ops::Range<usize>,
    row: usize,
    coding: Coding,
    predicts: bool,
) -> Vec<u8> {
    let channels = raster.color.channels();
    match &raster.samples {
        Samples::U8(s) => {
            let mut out = s.get(range).unwrap_or_default().to_vec();
            if raster.color == Color::Cmyk {
                for v in &mut out {
                    *v = 255 - *v;
                }
            }
            if predicts {
                for line in out.chunks_exact_mut(row.max(1)) {
                    for i in (channels..line.len()).rev() {
                        let before = line.get(i - channels).copied().unwrap_or(0);
                        if let Some(v) = line.get_mut(i) {
                            *v = v.wrapping_sub(before);
                        }
                    }
                }
            }
            out
        }
        Samples::U16(s) => {
            let mut out = Vec::with_capacity(range.len() * 2);
            for line in s.get(range).unwrap_or_default().chunks_exact(row.max(1)) {
                for (i, v) in line.iter().enumerate() {
                    let before = if predicts {
                        i.checked_sub(channels).and_then(|i| line.get(i)).copied().unwrap_or(0)
                    } else {
                        0
                    };
                    let v = v.wrapping_sub(before);
                    out.extend(if coding.big_endian { v.to_be_bytes() } else { v.to_le_bytes() });
                }
            }
            out
        }
    }
}

fn packed(strip: Vec<u8>, compression: u16) -> Result<Vec<u8>> {
    match compression {
        1 => Ok(strip),
        5 => weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8)
            .encode(&strip)
            .map_err(|e| Error::unsupported(ID, "the pixels cannot be encoded").because(e)),
        _ => {
            let mut z = ZlibEncoder::new(Vec::with_capacity(strip.len() / 2), Compression::new(5));
            z.write_all(&strip)?;
            Ok(z.finish()?)
        }
    }
}

struct Writer {
    coding: Coding,
    bytes: Vec<u8>,
}

impl Writer {
    /// Appends at an even place and says which.
    fn put(&mut self, value: &[u8]) -> u64 {
        if self.bytes.len() % 2 == 1 {
            self.bytes.push(0);
        }
        let at = self.bytes.len() as u64;
        self.bytes.extend_from_slice(value);
        at
    }

    /// Writes a directory with what it points to, and says where it begins.
    fn directory(&mut self, mut fields: Vec<Field>) -> u64 {
        fields.sort_by_key(|f| f.0);
        fields.dedup_by_key(|f| f.0);
        let coding = self.coding;
        let room = if coding.wide { 8 } else { 4 };
        let mut body =
            if coding.wide { coding.bytes8(fields.len() as u64) } else { coding.bytes2(fields.len() as u16) };
        for (tag, kind, count, value) in fields {
            body.extend(coding.bytes2(tag));
            body.extend(coding.bytes2(kind));
            body.extend(coding.offset(count));
            if value.len() <= room {
                let mut inline = value;
                inline.resize(room, 0);
                body.extend(inline);
            } else {
                let at = self.put(&value);
                body.extend(coding.offset(at));
            }
        }
        body.extend(vec![0; room]);
        self.put(&body)
    }

    /// A directory of the source that `tag` points to, with those below it.
    fn carried(
        &mut self,
        source: &dyn Source,
        file: &File,
        tag: u16,
        depth: usize,
        limits: &Limits,
    ) -> Result<Option<u64>> {
        let Some(pointer) = file.directories.first().and_then(|d| d.field(tag)) else { return Ok(None) };
        let Some(at) = file.numbers(source, pointer, 1)?.first().copied() else { return Ok(None) };
        self.copied(source, at, depth, limits)
    }

    fn copied(&mut self, source: &dyn Source, at: u64, depth: usize, limits: &Limits) -> Result<Option<u64>> {
        let coding = self.coding;
        let (count_len, entry_len, room) = if coding.wide { (8_u64, 20_u64, 8) } else { (2, 12, 4) };
        let number = |b: &[u8]| {
            let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
            if coding.big_endian { b.iter().fold(0, fold) } else { b.iter().rev().fold(0, fold) }
        };
        // A directory that cannot be read is left out: the picture is what is written here.
        let Ok(head) = source.bytes(at, count_len) else { return Ok(None) };
        let count = number(&head);
        if count == 0 || count > 1000 || depth == 0 {
            return Ok(None);
        }
        let Ok(raw) = source.bytes(at + count_len, count * entry_len) else { return Ok(None) };
        let mut fields: Vec<Field> = Vec::new();
        let mut at_entry = at + count_len;
        for entry in raw.chunks_exact(entry_len as usize) {
            let part = |r: std::ops::Range<usize>| number(entry.get(r).unwrap_or_default());
            let (tag, kind) = (part(0..2) as u16, part(2..4) as u16);
            let (n, inline) = if coding.wide { (part(4..12), 12) } else { (part(4..8), 8) };
            let len = type_size(kind).unwrap_or(1).saturating_mul(n);
            let place = if len <= room { at_entry + inline as u64 } else { part(inline..entry.len()) };
            at_entry += entry_len;
            if len > limits.metadata_bytes {
                continue;
            }
            let Ok(value) = source.bytes(place, len) else { continue };
            if DIRECTORIES.contains(&tag) {
                let below = number(&value);
                if let Some(at) = self.copied(source, below, depth - 1, limits)? {
                    fields.push((tag, wide_pointer(coding), 1, coding.offset(at)));
                }
                continue;
            }
            fields.push((tag, kind, n, value.into_owned()));
        }
        Ok(Some(self.directory(fields)))
    }
}
