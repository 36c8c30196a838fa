//! AVI.

use std::io::Write;

use colophon_container::avi;
use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Normalisation, Observation,
    Patch, Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::whole::{self, Names};

const NAMES: Names = Names { demuxer: "avi", muxer: "avi" };

/// AVI.
pub(crate) static AVI: Avi = Avi;

static INFO: FormatInfo = FormatInfo {
    id: "avi",
    name: "AVI",
    media: Media::Video,
    extensions: &["avi"],
    mime: &["video/x-msvideo", "video/avi", "video/msvideo"],
    magic: &[Magic { offset: 8, bytes: b"AVI " }],
    slots: &[
        SlotInfo { slot: Slot::Field, place: "LIST INFO chunk AIGC", source: "TC260-PG-20257A" },
        SlotInfo { slot: Slot::Xmp, place: "_PMX chunk", source: "XMP specification part 3, 1.1.2" },
        SlotInfo { slot: Slot::Jumbf, place: "C2PA chunk", source: "C2PA 2.4, A.3.5" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Slot("video/x-msvideo", Normalisation::Raw),
    note: "label through ffmpeg; metadata and signature without touching media; indexes of both versions are kept right",
};

/// AVI, and its continuation beyond 1 GB.
#[derive(Debug)]
pub(crate) struct Avi;

impl Format for Avi {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        90 * u8::from(head.starts_with(b"RIFF") && head.get(8..12) == Some(b"AVI "))
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let named = |e: Error| e.in_format(INFO.id);
        let file = avi::open(source, limits).map_err(named)?;
        let facts = &file.facts;
        let dimensions = facts.dimensions.ok_or_else(|| {
            Error::unsupported(INFO.id, "there is no video stream: no picture to be marked")
        })?;
        let mut properties = Properties {
            dimensions: Some(dimensions),
            duration_s: facts.duration_s,
            channels: facts.channels,
            sample_rate: facts.sample_rate,
            ..Properties::default()
        };
        properties.other.extend(facts.codec.clone().map(|c| ("codec".to_owned(), c)));
        Ok(Layout {
            entries: avi::entries(source, &file, "AIGC", limits).map_err(named)?,
            media: file.media(),
            notes: file.notes.clone(),
            properties,
            ..Layout::default()
        })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        let named = |e: Error| e.in_format(INFO.id);
        let file = avi::open(source, limits).map_err(named)?;
        avi::edit(source, &file, edits, limits).map_err(named)
    }

    fn render(
        &self,
        source: &dyn Source,
        ops: &[SignalOp],
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        if ops.is_empty() {
            Patch::new().apply(source, out)?;
            return Ok(Vec::new());
        }
        whole::burn(self, NAMES, source, ops, cx, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        whole::observe(self, NAMES, source, queries, cx)
    }
}

#[cfg(test)]
mod tests;
