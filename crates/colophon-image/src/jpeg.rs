//! JPEG.

use std::io::Write;

use colophon_container::jpeg::{self, Content, Jpeg as File, jumbf, marker_name, preview};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::entries::{self, shown};
use crate::{apply, observe};

mod decode;
mod quality;
mod write;

const ID: &str = "jpeg";

/// The format.
pub static FORMAT: Jpeg = Jpeg;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "JPEG",
    media: Media::Image,
    extensions: &["jpg", "jpeg", "jpe", "jfif"],
    mime: &["image/jpeg"],
    magic: &[Magic { offset: 0, bytes: &[0xff, 0xd8, 0xff] }],
    slots: &[
        SlotInfo { slot: Slot::Xmp, place: "APP1 XMP", source: "TC260-PG-20259A" },
        SlotInfo {
            slot: Slot::Jumbf,
            place: "APP11 JUMBF",
            source: "C2PA 2.2, A.3.1; ISO/IEC 19566-5, Annex D",
        },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("image/jpeg"),
    note: "written with the source's quantisation tables and subsampling; embedded previews go when the picture \
           changes; lossless and arithmetic coding take metadata and signature only",
};

/// JPEG.
#[derive(Debug)]
pub struct Jpeg;

impl Format for Jpeg {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn codes_with_loss(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let (file, damage) = jpeg::survey(source, limits)?;
        let mut layout = Layout { notes: file.notes.clone(), media: file.coded.clone(), ..Layout::default() };
        let mut orientation = None;
        for segment in &file.segments {
            let place = marker_name(segment.marker);
            let mut entry = |slot, key: &str, value: Vec<u8>, place: String, normative| {
                let range = segment.range.clone();
                layout.entries.push(Entry { slot, key: key.to_owned(), value, place, range, normative });
            };
            let bytes = |r: &std::ops::Range<u64>| source.bytes(r.start, r.end - r.start);
            match segment.content(source)? {
                Content::Xmp(range) => {
                    let first = layout.entries.iter().all(|e| e.slot != Slot::Xmp);
                    let value = bytes(&range)?.into_owned();
                    let range = segment.range.clone();
                    let place = format!("{place} XMP");
                    if !first {
                        layout.notes.push("there is more than one XMP packet".to_owned());
                    }
                    layout.entries.push(Entry {
                        slot: Slot::Xmp,
                        key: "xmp".to_owned(),
                        value,
                        place,
                        range,
                        normative: first,
                    });
                }
                Content::Exif(range) => {
                    let block = entries::exif(&bytes(&range)?, range.start, &format!("{place} Exif"), limits);
                    layout.entries.extend(block.entries);
                    layout.notes.extend(block.exif.notes);
                    orientation.get_or_insert(block.exif.orientation);
                }
                Content::Aigc(range) => {
                    entry(Slot::Field, "AIGC", bytes(&range)?.into_owned(), format!("{place} AIGC"), false);
                }
                Content::Comment => {
                    entry(Slot::Comment, "COM", segment.bytes(source)?.into_owned(), place, false);
                }
                Content::ExtendedXmp | Content::Jumbf | Content::Other => {}
            }
        }
        for (id, value, range) in file.extended_xmp(source, limits)? {
            let (slot, key, place) =
                (Slot::Xmp, "xmp-extended".to_owned(), format!("APP1 extended XMP {id}"));
            layout.entries.push(Entry { slot, key, value, place, range, normative: false });
        }
        for found in jumbf::boxes(&file, source, limits)? {
            let key = if found.c2pa { "c2pa" } else { "jumbf" }.to_owned();
            let place = "APP11 JUMBF".to_owned();
            let (slot, value, range) = (Slot::Jumbf, found.store, found.range);
            layout.entries.push(Entry { slot, key, value, place, range, normative: found.c2pa });
        }
        layout.entries.sort_by_key(|e| (e.range.start, e.range.end));
        layout
            .notes
            .extend(preview::list(&file, source, limits)?.iter().map(|p| format!("there is a preview: {p}")));
        layout.properties = properties(&file, orientation.unwrap_or(1));
        entries::damaged(&mut layout, damage)?;
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let file = jpeg::walk(source, limits)?;
        let packets: Vec<_> = file.xmp(source)?.into_iter().map(|(s, _)| s.range.clone()).collect();
        let setting = edits.iter().any(|e| matches!(e, Edit::Set { .. }));
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Xmp, value, .. } => file.set_xmp(source, value, &mut patch)?,
                Edit::Set { slot: Slot::Jumbf, value, .. } => {
                    jumbf::set_manifest(&file, source, value, limits, &mut patch)?;
                }
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                // What is set and removed at once is set.
                Edit::Remove { range } if setting && packets.contains(range) => {}
                Edit::Remove { range } => remove(source, &file, range, limits, &mut patch)?,
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
        let file = jpeg::walk(source, cx.limits)?;
        if ops.is_empty() {
            Patch::new().apply(source, out)?;
            return Ok(Vec::new());
        }
        let orientation = orientation(source, &file, cx.limits)?;
        let (stored, transform) = decode::decode(source, &file, cx.limits)?;
        let mut raster = stored.shown(orientation);
        let placed = apply::apply(ID, &mut raster, ops)?;
        write::write(source, &file, &raster.stored(orientation), transform, cx, out)?;
        Ok(placed)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        observe::observe(ID, queries, cx, || {
            let file = jpeg::walk(source, cx.limits)?;
            let orientation = orientation(source, &file, cx.limits)?;
            let raster = if observe::brightness_suffices(queries) {
                decode::brightness(source, &file, cx.limits)?
            } else {
                decode::decode(source, &file, cx.limits)?.0
            };
            Ok(raster.shown(orientation))
        })
    }
}

/// Removes what occupies `range`: whole segments, or a text inside an Exif block, which is emptied in place.
fn remove(
    source: &dyn Source,
    file: &File,
    range: &std::ops::Range<u64>,
    limits: &Limits,
    patch: &mut Patch,
) -> Result<()> {
    let segments: Vec<_> =
        file.segments.iter().filter(|s| s.range.start >= range.start && s.range.end <= range.end).collect();
    let whole = segments.first().is_some_and(|s| s.range.start == range.start)
        && segments.last().is_some_and(|s| s.range.end == range.end);
    if whole && segments.iter().all(|s| jpeg::is_application(s.marker)) {
        let same = segments.iter().all(|s| Some(s.marker) == segments.first().map(|f| f.marker));
        // Parts of one box or packet may have strangers between them; those stay.
        let kinds: Vec<Content> = segments.iter().map(|s| s.content(source)).collect::<Result<_>>()?;
        for (s, kind) in segments.iter().zip(&kinds) {
            let alike =
                kinds.first().is_some_and(|k| std::mem::discriminant(k) == std::mem::discriminant(kind));
            if same || alike {
                patch.remove(s.range.clone());
            }
        }
        return Ok(());
    }
    for s in &file.segments {
        if let Content::Exif(block) = s.content(source)? {
            let bytes = source.bytes(block.start, block.end - block.start)?;
            let known = entries::exif(&bytes, block.start, "", limits).entries;
            if known.iter().any(|e| e.range == *range) {
                patch.replace(range.clone(), vec![0; (range.end - range.start) as usize]);
                return Ok(());
            }
        }
    }
    Err(Error::malformed(ID, "nothing that can be removed stands there").at_offset(range.start))
}

fn orientation(source: &dyn Source, file: &File, limits: &Limits) -> Result<u8> {
    for s in &file.segments {
        if let Content::Exif(range) = s.content(source)? {
            let bytes = source.bytes(range.start, range.end - range.start)?;
            return Ok(entries::exif(&bytes, range.start, "", limits).exif.orientation);
        }
    }
    Ok(1)
}

fn properties(file: &File, orientation: u8) -> Properties {
    let f = &file.frame;
    let color = match f.components.len() {
        1 => "grey",
        3 => "rgb",
        4 => "cmyk",
        _ => "two components",
    };
    let coding = match f.marker {
        0xc0 => "baseline",
        0xc1 => "extended sequential",
        0xc2 => "progressive",
        0xc3 => "lossless",
        0xc9..=0xcb | 0xcd..=0xcf => "arithmetic",
        _ => "hierarchical",
    };
    let mut p = Properties {
        dimensions: Some(shown(u32::from(f.width), u32::from(f.height), orientation)),
        bit_depth: Some(u16::from(f.precision)),
        color: Some(color.to_owned()),
        ..Properties::default()
    };
    p.other.insert("coding".to_owned(), coding.to_owned());
    if let [first, second, ..] = f.components.as_slice() {
        let sampling = match (first.horizontal, first.vertical, second.horizontal, second.vertical) {
            (1, 1, 1, 1) => "4:4:4".to_owned(),
            (2, 1, 1, 1) => "4:2:2".to_owned(),
            (2, 2, 1, 1) => "4:2:0".to_owned(),
            (1, 2, 1, 1) => "4:4:0".to_owned(),
            (4, 1, 1, 1) => "4:1:1".to_owned(),
            (a, b, c, d) => format!("{a}x{b} {c}x{d}"),
        };
        p.other.insert("sampling".to_owned(), sampling);
    }
    p
}

#[cfg(test)]
mod tests;
