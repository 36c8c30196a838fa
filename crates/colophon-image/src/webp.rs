//! WebP.

use std::io::Write;
use std::ops::Range;

use colophon_container::exif;
use colophon_container::riff::{self, Change};
use colophon_container::webp::{self, EXIF, Webp as File, XMP};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::entries::{self, inside, shown};
use crate::{apply, observe};

mod decode;
mod write;

const ID: &str = "webp";

/// The format.
pub static FORMAT: Webp = Webp;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "WebP",
    media: Media::Image,
    extensions: &["webp"],
    mime: &["image/webp"],
    magic: &[Magic { offset: 8, bytes: b"WEBPVP8" }],
    slots: &[SlotInfo { slot: Slot::Xmp, place: "RIFF chunk XMP", source: "TC260-PG-20259A" }],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("image/webp"),
    note: "lossy stays lossy at the source's quality, lossless stays lossless; every frame of an animation is labelled",
};

/// WebP.
#[derive(Debug)]
pub struct Webp;

impl Format for Webp {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") { 95 } else { 0 }
    }

    fn codes_with_loss(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let (file, damage) = webp::survey(source, limits)?;
        let mut layout = Layout { notes: file.riff.notes.clone(), ..Layout::default() };
        let mut orientation = 1;
        for chunk in &file.riff.chunks {
            let place = format!("RIFF chunk {}", riff::name(chunk.id).trim_end());
            let (slot, key, normative) = match &chunk.id {
                id if is_coded(*id) => {
                    match layout.media.last_mut() {
                        Some(last) if last.end == chunk.range.start => last.end = chunk.range.end,
                        _ => layout.media.push(chunk.range.clone()),
                    }
                    continue;
                }
                &EXIF => {
                    let (at, block) = exif_block(source, &chunk.data, limits)?;
                    let block = entries::exif(&block, at, &place, limits);
                    layout.entries.extend(block.entries);
                    layout.notes.extend(block.exif.notes);
                    if block.exif.thumbnail.is_some() {
                        layout.notes.push("there is a thumbnail in the Exif block".to_owned());
                    }
                    orientation = block.exif.orientation;
                    continue;
                }
                &XMP => (Slot::Xmp, "xmp", layout.of(Slot::Xmp).next().is_none()),
                b"C2PA" => (Slot::Jumbf, "c2pa", true),
                b"AIGC" => (Slot::Field, "AIGC", false),
                _ => continue,
            };
            let value = value(source, &chunk.data, &place, limits)?;
            let (key, range) = (key.to_owned(), chunk.range.clone());
            layout.entries.push(Entry { slot, key, value, place, range, normative });
        }
        layout.properties = Properties {
            dimensions: Some(shown(file.width, file.height, orientation)),
            bit_depth: Some(8),
            color: Some(if file.alpha { "rgba" } else { "rgb" }.to_owned()),
            ..Properties::default()
        };
        let coding = if file.lossless { "lossless" } else { "lossy" };
        layout.properties.other.insert("coding".to_owned(), coding.to_owned());
        let frames = file.of(*b"ANMF").count();
        if frames > 0 {
            layout.properties.other.insert("frames".to_owned(), frames.to_string());
        }
        entries::damaged(&mut layout, damage)?;
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        let file = webp::walk(source, limits)?;
        let packets: Vec<Range<u64>> = file.of(XMP).map(|c| c.range.clone()).collect();
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
                Edit::Remove { range } if setting && packets.contains(range) => {}
                Edit::Remove { range } if file.of(EXIF).any(|c| inside_data(range, &c.data)) => {
                    texts.push(range.clone());
                }
                Edit::Remove { range } => changes.push(Change::Remove(range.clone())),
            }
        }
        let mut patch = file.edit(source, &changes, limits)?;
        for range in texts {
            // A text inside an Exif block is emptied; nothing in the block moves.
            let known = self.inspect(source, limits)?.entries;
            if !known.iter().any(|e| e.slot == Slot::Exif && e.range == range) {
                let text = "nothing that can be removed stands there";
                return Err(Error::malformed(ID, text).at_offset(range.start));
            }
            patch.replace(range.clone(), vec![0; (range.end - range.start) as usize]);
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
        let file = webp::walk(source, cx.limits)?;
        if ops.is_empty() {
            Patch::new().apply(source, out)?;
            return Ok(Vec::new());
        }
        let orientation = orientation(source, &file, cx.limits)?;
        let mut frames = decode::Frames::open(source, &file, cx.limits)?;
        let mut writer = write::Writer::new(source, &file, cx.tools.picture);
        let mut painter = apply::Painter::new(ID, ops);
        let mut placed = Vec::new();
        while let Some((stored, duration)) = frames.next_frame()? {
            let mut raster = stored.shown(orientation);
            let done = painter.apply(&mut raster)?;
            if placed.is_empty() {
                placed = done;
            }
            writer.frame(&raster.stored(orientation), duration, cx.limits)?;
        }
        writer.finish(cx.limits, out)?;
        Ok(placed)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        observe::observe(ID, queries, cx, || {
            let file = webp::walk(source, cx.limits)?;
            let orientation = orientation(source, &file, cx.limits)?;
            // Of an animation the first frame is looked at: marks are on every one.
            match decode::Frames::open(source, &file, cx.limits)?.next_frame()? {
                Some((raster, _)) => Ok(raster.shown(orientation)),
                None => Err(Error::malformed(ID, "there is no picture")),
            }
        })
    }
}

/// Chunks that a metadata edit never touches. The extended header is none of them: it lists the metadata.
fn is_coded(id: riff::Id) -> bool {
    matches!(&id, b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP")
}

fn value(source: &dyn Source, data: &Range<u64>, place: &str, limits: &Limits) -> Result<Vec<u8>> {
    let len = data.end - data.start;
    if len > limits.metadata_bytes {
        let text = format!("{len} bytes of metadata, {} are allowed", limits.metadata_bytes);
        return Err(Error::limit(text).in_format(ID).at_place(place).at_offset(data.start));
    }
    Ok(source.bytes(data.start, len)?.into_owned())
}

/// The TIFF structure of an Exif chunk and where it begins: some writers put the signature of JPEG segments before it.
fn exif_block(source: &dyn Source, data: &Range<u64>, limits: &Limits) -> Result<(u64, Vec<u8>)> {
    let mut block = value(source, data, "EXIF", limits)?;
    if block.starts_with(b"Exif\0\0") {
        block.drain(..6);
        return Ok((data.start + 6, block));
    }
    Ok((data.start, block))
}

fn inside_data(range: &Range<u64>, data: &Range<u64>) -> bool {
    inside(range, data.start, data.end - data.start).is_some()
}

fn orientation(source: &dyn Source, file: &File, limits: &Limits) -> Result<u8> {
    let Some(chunk) = file.of(EXIF).next() else { return Ok(1) };
    let (_, block) = exif_block(source, &chunk.data, limits)?;
    Ok(exif::read(&block, limits).map_or(1, |e| e.orientation))
}

#[cfg(test)]
mod tests;
