//! TIFF.

use std::io::Write;
use std::ops::Range;

use colophon_container::tiff::edit::{C2PA, Change, XMP};
use colophon_container::tiff::{self, Directory, Kind, Tiff as File};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::entries::{self, shown};
use crate::{apply, observe};

mod decode;
mod write;

const ID: &str = "tiff";
/// Field values together may be this many times as long as the file: real ones are shorter than it, and readers that
/// follow crafted ones need minutes.
const MOST_VALUES: u64 = 2;

/// The format.
pub static FORMAT: Tiff = Tiff;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "TIFF",
    media: Media::Image,
    extensions: &["tif", "tiff"],
    mime: &["image/tiff"],
    magic: &[
        Magic { offset: 0, bytes: b"II\x2a\0" },
        Magic { offset: 0, bytes: b"MM\0\x2a" },
        Magic { offset: 0, bytes: b"II\x2b\0" },
        Magic { offset: 0, bytes: b"MM\0\x2b" },
    ],
    slots: &[SlotInfo { slot: Slot::Xmp, place: "IFD0 tag 700", source: "TC260-PG-20259A" }],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("image/tiff"),
    note: "grey, RGB, palette and CMYK pictures of 8 and 16 bits, without compression or with LZW or Deflate (others \
           become Deflate); files of several pages take metadata and signature only",
};

/// TIFF.
#[derive(Debug)]
pub struct Tiff;

impl Format for Tiff {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = walk(source, limits)?;
        let mut layout = Layout { notes: file.notes.clone(), ..Layout::default() };
        layout.media = media(source, &file)?;
        let Some(first) = file.directories.first() else { return Ok(layout) };
        for (tag, slot, key, place) in
            [(XMP, Slot::Xmp, "xmp", "IFD0 tag 700"), (C2PA, Slot::Jumbf, "c2pa", "IFD tag 0xCD41")]
        {
            // The C2PA library puts the manifest into a directory of its own behind the pages.
            let last = || file.directories.iter().skip(1).find_map(|d| d.field(tag));
            let Some(field) = first.field(tag).or_else(|| last().filter(|_| tag == C2PA)) else { continue };
            let Some(range) = field.value.clone() else {
                layout.notes.push(format!("{place} points outside the file"));
                continue;
            };
            if range.end - range.start > limits.metadata_bytes {
                let text = format!("{} bytes of metadata", range.end - range.start);
                return Err(Error::limit(text).in_format(ID).at_place(place));
            }
            let mut value = source.bytes(range.start, range.end - range.start)?.into_owned();
            // A shorter value in the place of a longer one is followed by zeros.
            while slot == Slot::Xmp && value.last() == Some(&0) {
                value.pop();
            }
            if value.is_empty() {
                continue;
            }
            let (key, place) = (key.to_owned(), place.to_owned());
            layout.entries.push(Entry { slot, key, value, place, range, normative: true });
        }
        let all = source.all(limits.input_bytes)?;
        let block = entries::exif(&all, 0, "Exif", limits);
        layout.entries.extend(block.entries);
        layout.entries.sort_by_key(|e| (e.range.start, e.range.end));
        layout.properties = properties(source, &file, first, block.exif.orientation)?;
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        let file = walk(source, limits)?;
        let value = |tag| file.directories.first().and_then(|d| d.field(tag)).and_then(|f| f.value.clone());
        let setting = edits.iter().any(|e| matches!(e, Edit::Set { .. }));
        let mut changes = Vec::new();
        let mut texts = Vec::new();
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Xmp, value, .. } => changes.push(Change::Set(XMP, value.clone())),
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                // What is set and removed at once is set.
                Edit::Remove { range } if value(XMP).as_ref() == Some(range) => {
                    if !setting {
                        changes.push(Change::Remove(XMP));
                    }
                }
                Edit::Remove { range } if value(C2PA).as_ref() == Some(range) => {
                    changes.push(Change::Remove(C2PA));
                }
                Edit::Remove { range } => texts.push(range.clone()),
            }
        }
        let mut patch = tiff::edit::edit(source, &changes, limits)?;
        if !texts.is_empty() {
            let known = self.inspect(source, limits)?.entries;
            for range in texts {
                if !known.iter().any(|e| e.slot == Slot::Exif && e.range == range) {
                    let text = "nothing that can be removed stands there";
                    return Err(Error::malformed(ID, text).at_offset(range.start));
                }
                // A text is emptied in place; nothing moves.
                patch.replace(range.clone(), vec![0; (range.end - range.start) as usize]);
            }
        }
        Ok(patch)
    }

    fn render(
        &self,
        source: &dyn Source,
        ops: &[SignalOp],
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let file = walk(source, cx.limits)?;
        if ops.is_empty() {
            Patch::new().apply(source, out)?;
            return Ok(Vec::new());
        }
        let pages = pages(&file);
        if pages > 1 {
            let text = format!(
                "the file has {pages} pages; labels and watermarks are written into one picture only"
            );
            return Err(Error::unsupported(ID, text));
        }
        let orientation = orientation(source, &file)?;
        let mut raster = decode::decode(source, &file, cx.limits)?.shown(orientation);
        let placed = apply::apply(ID, &mut raster, ops)?;
        write::write(source, &file, &raster.stored(orientation), cx.limits, out)?;
        Ok(placed)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        observe::observe(ID, queries, cx, || {
            let file = walk(source, cx.limits)?;
            Ok(decode::decode(source, &file, cx.limits)?.shown(orientation(source, &file)?))
        })
    }
}

/// Directories that hold a picture; the one of a manifest has no width.
fn pages(file: &File) -> usize {
    const WIDTH: u16 = 256;
    file.directories.iter().filter(|d| d.kind == Kind::Main && d.field(WIDTH).is_some()).count()
}

/// Walks the directories and refuses those whose values cannot be what they say.
fn walk(source: &dyn Source, limits: &Limits) -> Result<File> {
    let file = tiff::walk(source, limits)?;
    let values = file.directories.iter().flat_map(|d| &d.fields);
    let total: u64 = values
        .map(|f| tiff::type_size(f.kind).unwrap_or(1).saturating_mul(f.count))
        .fold(0, u64::saturating_add);
    if total > source.len().saturating_mul(MOST_VALUES).saturating_add(1 << 16) {
        return Err(Error::limit(format!("fields announce {total} bytes of values")).in_format(ID));
    }
    Ok(file)
}

/// Where the pixels stand: strips (273, 279) or tiles (324, 325) of every directory, and JPEG streams (513, 514).
fn media(source: &dyn Source, file: &File) -> Result<Vec<Range<u64>>> {
    const MOST: usize = 1 << 20;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for directory in &file.directories {
        for (offsets, counts) in [(273, 279), (324, 325), (513, 514)] {
            let (Some(offsets), Some(counts)) = (directory.field(offsets), directory.field(counts)) else {
                continue;
            };
            let offsets = file.numbers(source, offsets, MOST)?;
            let counts = file.numbers(source, counts, MOST)?;
            ranges.extend(offsets.iter().zip(&counts).filter_map(|(at, len)| {
                let end = at.checked_add(*len).filter(|end| *end <= source.len() && *len > 0)?;
                Some(*at..end)
            }));
        }
    }
    ranges.sort_by_key(|r| (r.start, r.end));
    let mut out: Vec<Range<u64>> = Vec::new();
    for r in ranges {
        match out.last_mut() {
            Some(last) if r.start <= last.end => last.end = last.end.max(r.end),
            _ => out.push(r),
        }
    }
    Ok(out)
}

fn properties(source: &dyn Source, file: &File, first: &Directory, orientation: u8) -> Result<Properties> {
    let number = |tag| file.number(source, first, tag);
    let side = |v: Option<u64>| v.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
    let (width, height) = (side(number(256)?), side(number(257)?));
    let color = match (number(262)?, number(277)?) {
        (Some(0 | 1), Some(2)) => "grey-alpha",
        (Some(0 | 1), _) => "grey",
        (Some(2), Some(4)) => "rgba",
        (Some(2), _) => "rgb",
        (Some(3), _) => "palette",
        (Some(5), _) => "cmyk",
        (Some(6), _) => "ycbcr",
        (Some(8), _) => "lab",
        _ => "other",
    };
    let pages = pages(file);
    let mut p = Properties {
        dimensions: Some(shown(width, height, orientation)),
        bit_depth: number(258)?.and_then(|v| u16::try_from(v).ok()),
        color: Some(color.to_owned()),
        pages: (pages > 1).then_some(pages as u32),
        ..Properties::default()
    };
    let coding = match number(259)?.unwrap_or(1) {
        1 => "none",
        2..=4 => "fax",
        5 => "lzw",
        6 | 7 => "jpeg",
        8 | 32_946 => "deflate",
        32_773 => "packbits",
        _ => "other",
    };
    p.other.insert("coding".to_owned(), coding.to_owned());
    Ok(p)
}

fn orientation(source: &dyn Source, file: &File) -> Result<u8> {
    let Some(first) = file.directories.first() else { return Ok(1) };
    Ok(match file.number(source, first, 274)? {
        Some(n @ 1..=8) => n as u8,
        _ => 1,
    })
}

#[cfg(test)]
mod tests;
