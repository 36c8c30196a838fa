//! JPEG XL: metadata and signature. Pixels are not decoded.
//!
//! The container is a list of boxes without offsets into each other (ISO/IEC 18181-2): a packet is one box more. A bare
//! codestream is put into a container when it takes a packet.

use std::io::Read;
use std::ops::Range;

use colophon_container::bmff::{self, Node};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Patch, Properties, Result,
    SignalSupport, Slot, SlotInfo, Source,
};

use crate::entries;

const ID: &str = "jxl";
/// The signature box (ISO/IEC 18181-2, 9.1).
const SIGNATURE: [u8; 12] = *b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a";
/// The file type box behind it.
const FILE_TYPE: [u8; 20] = *b"\0\0\0\x14ftypjxl \0\0\0\0jxl ";

/// The format.
pub static FORMAT: Jxl = Jxl;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "JPEG XL",
    media: Media::Image,
    extensions: &["jxl"],
    mime: &["image/jxl"],
    magic: &[Magic { offset: 0, bytes: &SIGNATURE }, Magic { offset: 0, bytes: &[0xff, 0x0a] }],
    slots: &[SlotInfo {
        slot: Slot::Xmp,
        place: "box xml",
        source: "ISO/IEC 18181-2; not named by TC260-PG-20259A",
    }],
    signal: SignalSupport::None,
    carrier: Carrier::Native("image/jxl"),
    note: "metadata and signature only: no label and no watermark, because pixels are not decoded; a bare codestream is \
           put into a container",
};

/// JPEG XL.
#[derive(Debug)]
pub struct Jxl;

impl Format for Jxl {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let mut layout = Layout::default();
        let Some(roots) = boxes(source, limits, &mut layout.notes)? else {
            layout.media.push(0..source.len());
            layout.properties = properties(source, 0..source.len())?;
            return Ok(layout);
        };
        for node in &roots {
            let raw = || -> Result<Vec<u8>> {
                let len = node.body.end - node.body.start;
                if len > limits.metadata_bytes {
                    let text = format!("{len} bytes of metadata");
                    return Err(Error::limit(text).in_format(ID).at_offset(node.range.start));
                }
                Ok(source.bytes(node.body.start, len)?.into_owned())
            };
            // Encoders put metadata into boxes that are compressed, as a rule: the kind, then a Brotli stream (9.8).
            let packed = &node.kind == b"brob";
            let (kind, body) = if packed {
                let data = raw()?;
                let kind = data.first_chunk::<4>().copied().unwrap_or_default();
                if !matches!(&kind, b"xml " | b"Exif") {
                    layout.notes.push("a compressed box was not examined".to_owned());
                    continue;
                }
                let Some(data) = unpacked(data.get(4..).unwrap_or_default(), limits.metadata_bytes) else {
                    let text = "a compressed metadata box is damaged, or larger than the limit";
                    layout.notes.push(text.to_owned());
                    continue;
                };
                (kind, Some(data))
            } else {
                (node.kind, None)
            };
            let body = || body.clone().map_or_else(raw, Ok);
            let (slot, key, place, value) = match &kind {
                b"jxlc" | b"jxlp" => {
                    if layout.media.is_empty() {
                        // A part begins with its number.
                        let skip = if &node.kind == b"jxlp" { 4 } else { 0 };
                        layout.properties = properties(source, node.body.start + skip..node.body.end)?;
                    }
                    layout.media.push(node.body.clone());
                    continue;
                }
                b"xml " if is_packet(&body()?) => {
                    (Slot::Xmp, "xmp", if packed { "box brob xml" } else { "box xml" }, body()?)
                }
                b"jumb" => (
                    Slot::Jumbf,
                    "c2pa",
                    "box jumb",
                    source.bytes(node.range.start, node.len())?.into_owned(),
                ),
                b"Exif" => {
                    let data = body()?;
                    if let Some((skip, rest)) = data.split_first_chunk::<4>() {
                        let skip = u32::from_be_bytes(*skip) as usize;
                        let block = rest.get(skip..).unwrap_or_default();
                        let at = node.body.start + 4 + skip as u64;
                        let name = if packed { "box brob Exif" } else { "box Exif" };
                        let mut block = entries::exif(block, at, name, limits);
                        if packed {
                            // Texts inside cannot be blanked where they stand: the box goes as a whole.
                            block.entries.iter_mut().for_each(|e| e.range = node.range.clone());
                        }
                        layout.entries.extend(block.entries);
                        layout.notes.extend(block.exif.notes);
                    }
                    continue;
                }
                _ => continue,
            };
            let normative = layout.of(slot).next().is_none();
            let (key, place, range) = (key.to_owned(), place.to_owned(), node.range.clone());
            layout.entries.push(Entry { slot, key, value, place, range, normative });
        }
        if layout.media.is_empty() {
            return Err(Error::malformed(ID, "there is no codestream"));
        }
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let known = self.inspect(source, limits)?.entries;
        let roots = boxes(source, limits, &mut Vec::new())?;
        let setting = edits.iter().any(|e| matches!(e, Edit::Set { .. }));
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Xmp, value, .. } => {
                    let made = bmff::encode(*b"xml ", value)?;
                    let mut packets = known.iter().filter(|e| e.slot == Slot::Xmp);
                    match (packets.next(), &roots) {
                        (Some(first), _) => patch.replace(first.range.clone(), made),
                        (None, Some(roots)) => {
                            // Behind the file type, before the pictures: a reader of a stream meets it early.
                            let at = roots.iter().find(|n| &n.kind == b"ftyp").map_or(12, |n| n.range.end);
                            patch.insert(at, made);
                        }
                        (None, None) => {
                            let mut head = [&SIGNATURE[..], &FILE_TYPE].concat();
                            head.extend(made);
                            // libjxl 0.7 takes a box of 64-bit length for a truncated one: only where it must be.
                            if let Ok(short) = u32::try_from(source.len().saturating_add(8)) {
                                head.extend(short.to_be_bytes());
                                head.extend(b"jxlc");
                            } else {
                                head.extend([0, 0, 0, 1]);
                                head.extend(b"jxlc");
                                head.extend(source.len().saturating_add(16).to_be_bytes());
                            }
                            patch.insert(0, head);
                        }
                    }
                    for other in packets {
                        patch.remove(other.range.clone());
                    }
                }
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                Edit::Remove { range } => match known.iter().find(|e| e.range == *range) {
                    // What is set and removed at once is set.
                    Some(e) if e.slot == Slot::Xmp && setting => {}
                    Some(e) if e.slot == Slot::Exif && !e.place.starts_with("box brob") => {
                        patch.replace(range.clone(), vec![0; (range.end - range.start) as usize]);
                    }
                    Some(_) => patch.remove(range.clone()),
                    None => {
                        let text = "nothing that can be removed stands there";
                        return Err(Error::malformed(ID, text).at_offset(range.start));
                    }
                },
            }
        }
        Ok(patch)
    }
}

/// The boxes of a container; `None` for a bare codestream.
fn boxes(source: &dyn Source, limits: &Limits, notes: &mut Vec<String>) -> Result<Option<Vec<Node>>> {
    let head = source.bytes_up_to(0, 12)?;
    if head.starts_with(&[0xff, 0x0a]) {
        return Ok(None);
    }
    if *head != SIGNATURE {
        return Err(Error::malformed(ID, "no JPEG XL signature").at_offset(0));
    }
    let walked = bmff::walk(source, limits).map_err(|e| e.in_format(ID))?;
    notes.extend(walked.notes);
    Ok(Some(walked.roots))
}

/// A Brotli stream; `None` where it is damaged or unpacks to more than `most` bytes.
fn unpacked(packed: &[u8], most: u64) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    brotli_decompressor::Decompressor::new(packed, 4096).take(most + 1).read_to_end(&mut out).ok()?;
    (out.len() as u64 <= most).then_some(out)
}

/// An `xml ` box may hold anything; a packet of XMP says so.
fn is_packet(value: &[u8]) -> bool {
    let has = |needle: &[u8]| value.windows(needle.len()).any(|w| w == needle);
    has(b"xpacket") || has(b"xmpmeta") || has(b"http://www.w3.org/1999/02/22-rdf-syntax-ns#") || has(b"TC260")
}

/// Width and height from the size header (ISO/IEC 18181-1, annex D.2): bits from the least significant on.
fn properties(source: &dyn Source, codestream: Range<u64>) -> Result<Properties> {
    let head =
        source.bytes_up_to(codestream.start, 16.min(codestream.end.saturating_sub(codestream.start)))?;
    let mut at = 16_usize;
    let mut bits = |n: usize| -> Option<u32> {
        let mut v = 0;
        for i in 0..n {
            let bit = head.get(at / 8)? >> (at % 8) & 1;
            v |= u32::from(bit) << i;
            at += 1;
        }
        Some(v)
    };
    let mut size = || -> Option<(u32, u32)> {
        let small = bits(1)? == 1;
        let height = side_of(small, &mut bits)?;
        // The ratio stands between the sides: three bits.
        let (above, below) = match bits(3)? {
            0 => return Some((side_of(small, &mut bits)?, height)),
            1 => (1, 1),
            2 => (12, 10),
            3 => (4, 3),
            4 => (3, 2),
            5 => (16, 9),
            6 => (5, 4),
            _ => (2, 1),
        };
        let width = u64::from(height) * above / below;
        Some((u32::try_from(width).ok()?, height))
    };
    Ok(Properties { dimensions: size(), ..Properties::default() })
}

/// One side: in units of 8, or in one of four widths.
fn side_of(small: bool, bits: &mut dyn FnMut(usize) -> Option<u32>) -> Option<u32> {
    if small {
        return Some((bits(5)? + 1) * 8);
    }
    let n = match bits(2)? {
        0 => 9,
        1 => 13,
        2 => 18,
        _ => 30,
    };
    bits(n)?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use colophon_conformance::check;

    use super::*;

    /// The first bytes of a codestream of 64 × 40 pixels, and filler.
    fn codestream() -> Vec<u8> {
        // Small sizes: height 40 is 4 in five bits, ratio 0, width 64 is 7 in five bits.
        let bits: u32 = 1 | 4 << 1 | 7 << 9;
        let mut b = vec![0xff, 0x0a];
        b.extend(bits.to_le_bytes());
        b.extend((0..100_u8).map(|i| i.wrapping_mul(31)));
        b
    }

    fn container(open: bool) -> Vec<u8> {
        let code = codestream();
        let size = if open { 0 } else { code.len() as u32 + 8 };
        let codes = [size.to_be_bytes().to_vec(), b"jxlc".to_vec(), code].concat();
        [SIGNATURE.to_vec(), FILE_TYPE.to_vec(), bmff::encode(*b"xml ", b"<other/>").unwrap(), codes].concat()
    }

    #[test]
    fn jxl_keeps_the_promises_of_a_format() {
        check(&FORMAT, &[("container", container(false)), ("open", container(true))]);
    }

    #[test]
    fn a_bare_codestream_is_put_into_a_container_unchanged() {
        let bare = codestream();
        let edit = Edit::set(Slot::Xmp, "xmp", "<?xpacket?>");
        let limits = Limits::default();
        let out = FORMAT.edit(&bare, &[edit], &limits).unwrap().apply_to_vec(&bare).unwrap();
        let layout = FORMAT.inspect(&out, &limits).unwrap();
        assert_eq!(layout.properties.dimensions, Some((64, 40)));
        assert_eq!(layout.of(Slot::Xmp).count(), 1);
        assert!(out.ends_with(&bare));
        assert_eq!(FORMAT.inspect(&bare, &limits).unwrap().properties.dimensions, Some((64, 40)));
    }
}
