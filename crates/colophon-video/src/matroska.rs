//! Matroska and WebM.

use std::io::Write;

use colophon_container::matroska::{self, Facts};
use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch, Placed,
    Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::whole::{self, Names};

const MKV_NAMES: Names = Names { demuxer: "matroska", muxer: "matroska" };
const WEBM_NAMES: Names = Names { demuxer: "matroska", muxer: "webm" };

/// Matroska.
pub(crate) static MKV: Matroska = Matroska { info: &MKV_INFO };
/// WebM.
pub(crate) static WEBM: Matroska = Matroska { info: &WEBM_INFO };

const NOTE: &str = "label through ffmpeg; metadata and signature without touching a cluster; the signature stands beside the file, \
                    because C2PA names no place for it in this container";
const SLOTS: &[SlotInfo] =
    &[SlotInfo { slot: Slot::Field, place: "Segment/Tags/Tag/SimpleTag AIGC", source: "TC260-PG-20257A" }];
const MAGIC: &[Magic] = &[Magic { offset: 0, bytes: &[0x1A, 0x45, 0xDF, 0xA3] }];

static MKV_INFO: FormatInfo = FormatInfo {
    id: "mkv",
    name: "Matroska",
    media: Media::Video,
    extensions: &["mkv", "mk3d"],
    mime: &["video/x-matroska", "video/matroska"],
    magic: MAGIC,
    slots: SLOTS,
    signal: SignalSupport::Render,
    carrier: Carrier::Sidecar("video/x-matroska"),
    note: NOTE,
};

static WEBM_INFO: FormatInfo = FormatInfo {
    id: "webm",
    name: "WebM",
    media: Media::Video,
    extensions: &["webm"],
    mime: &["video/webm"],
    magic: MAGIC,
    slots: SLOTS,
    signal: SignalSupport::Render,
    carrier: Carrier::Sidecar("video/webm"),
    note: NOTE,
};

/// A document type of Matroska.
#[derive(Debug)]
pub(crate) struct Matroska {
    info: &'static FormatInfo,
}

impl Format for Matroska {
    fn info(&self) -> &'static FormatInfo {
        self.info
    }

    fn score(&self, head: &[u8]) -> u8 {
        match matroska::doc_type(head).as_deref() {
            Some("webm") => 90 * u8::from(self.info.id == "webm"),
            Some("matroska") => 90 * u8::from(self.info.id == "mkv"),
            _ => 0,
        }
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let named = |e: Error| e.in_format(self.info.id);
        let file = matroska::open(source, limits).map_err(named)?;
        let facts = matroska::facts(source, &file, limits).map_err(named)?;
        Ok(Layout {
            entries: matroska::entries(source, &file, "AIGC", limits).map_err(named)?,
            media: file.media(),
            notes: file.notes.clone(),
            properties: properties(self.info.id, &facts)?,
            ..Layout::default()
        })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        let named = |e: Error| e.in_format(self.info.id);
        let file = matroska::open(source, limits).map_err(named)?;
        matroska::edit(source, &file, edits, limits).map_err(named)
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
        whole::burn(self, if self.info.id == "webm" { WEBM_NAMES } else { MKV_NAMES }, source, ops, cx, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        whole::observe(self, if self.info.id == "webm" { WEBM_NAMES } else { MKV_NAMES }, source, queries, cx)
    }
}

/// What the tracks say.
fn properties(id: &'static str, facts: &Facts) -> Result<Properties> {
    let of = |kind| facts.tracks.iter().find(move |t| t.kind == kind);
    let picture =
        of(1).ok_or_else(|| Error::unsupported(id, "there is no video track: no picture to be marked"))?;
    let mut p = Properties {
        dimensions: Some(picture.displayed),
        duration_s: facts.duration_s,
        ..Properties::default()
    };
    p.other.insert("codec".to_owned(), picture.codec.clone());
    if let Some(sound) = of(2) {
        p.channels = Some(sound.channels);
        p.sample_rate = Some(sound.sample_rate);
        p.other.insert("sound codec".to_owned(), sound.codec.clone());
    }
    Ok(p)
}

#[cfg(test)]
mod tests;
