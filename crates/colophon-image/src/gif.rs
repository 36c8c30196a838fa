//! GIF.

use std::io::Write;

use colophon_container::gif::{self, C2PA, Kind, XMP};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::{entries, observe};

mod decode;
mod palette;
mod render;

const ID: &str = "gif";

/// The format.
pub static FORMAT: Gif = Gif;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "GIF",
    media: Media::Image,
    extensions: &["gif"],
    mime: &["image/gif"],
    magic: &[Magic { offset: 0, bytes: b"GIF87a" }, Magic { offset: 0, bytes: b"GIF89a" }],
    slots: &[SlotInfo { slot: Slot::Xmp, place: "Application Extension XMP", source: "TC260-PG-20259A" }],
    signal: SignalSupport::Label,
    carrier: Carrier::Native("image/gif"),
    note: "the label is on every frame, and only its pixels change; 256 colours leave no room for a watermark",
};

/// GIF.
#[derive(Debug)]
pub struct Gif;

impl Format for Gif {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let (file, damage) = gif::survey(source, limits)?;
        let mut layout = Layout { notes: file.notes.clone(), ..Layout::default() };
        layout.media.extend(file.palette.clone());
        for block in &file.blocks {
            let (slot, key, place, value) = match &block.kind {
                Kind::Control | Kind::Image(_) => {
                    match layout.media.last_mut() {
                        Some(last) if last.end == block.range.start => last.end = block.range.end,
                        _ => layout.media.push(block.range.clone()),
                    }
                    continue;
                }
                Kind::Application(id) if id == XMP => {
                    let value = gif::packet(source, block, limits.metadata_bytes)?;
                    (Slot::Xmp, "xmp", "Application Extension XMP", value)
                }
                Kind::Application(id) if id == C2PA => {
                    let value = gif::joined(source, &block.chain, limits.metadata_bytes)?;
                    (Slot::Jumbf, "c2pa", "Application Extension C2PA_GIF", value)
                }
                Kind::Comment => {
                    let value = gif::joined(source, &block.chain, limits.metadata_bytes)?;
                    (Slot::Comment, "Comment", "Comment Extension", value)
                }
                Kind::Application(_) | Kind::Other(_) => continue,
            };
            let normative = match slot {
                Slot::Xmp => layout.of(Slot::Xmp).next().is_none(),
                Slot::Jumbf => true,
                _ => false,
            };
            let (key, place, range) = (key.to_owned(), place.to_owned(), block.range.clone());
            layout.entries.push(Entry { slot, key, value, place, range, normative });
        }
        layout.properties = Properties {
            dimensions: Some((u32::from(file.width), u32::from(file.height))),
            bit_depth: Some(8),
            color: Some("palette".to_owned()),
            ..Properties::default()
        };
        layout.properties.other.insert("frames".to_owned(), file.images().count().to_string());
        entries::damaged(&mut layout, damage)?;
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let file = gif::walk(source, limits)?;
        let setting = edits.iter().any(|e| matches!(e, Edit::Set { .. }));
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Xmp, value, .. } => file.set_xmp(value, &mut patch)?,
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                Edit::Remove { range } => {
                    let block =
                        file.blocks.iter().find(|b| b.range == *range).filter(|b| {
                            matches!(b.kind, Kind::Application(_) | Kind::Comment | Kind::Other(_))
                        });
                    let Some(block) = block else {
                        let text = "nothing that can be removed stands there";
                        return Err(Error::malformed(ID, text).at_offset(range.start));
                    };
                    // What is set and removed at once is set.
                    if !(setting && block.kind == Kind::Application(*XMP)) {
                        patch.remove(block.range.clone());
                    }
                }
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
        let file = gif::walk(source, cx.limits)?;
        let (patch, placed) = render::render(source, &file, ops, cx.limits)?;
        patch.apply(source, out)?;
        Ok(placed)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        // Of an animation the first frame is looked at: marks are on every one.
        observe::observe(ID, queries, cx, || {
            let file = gif::walk(source, cx.limits)?;
            decode::first(source, &file, cx.limits)
        })
    }
}

#[cfg(test)]
mod tests;
