//! Flash video.

use std::io::Write;

use colophon_container::flv;
use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch, Placed,
    Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::whole::{self, Names};

const NAMES: Names = Names { demuxer: "flv", muxer: "flv" };

/// Flash video.
pub(crate) static FLV: Flv = Flv;

static INFO: FormatInfo = FormatInfo {
    id: "flv",
    name: "Flash video",
    media: Media::Video,
    extensions: &["flv"],
    mime: &["video/x-flv"],
    magic: &[Magic { offset: 0, bytes: b"FLV\x01" }],
    slots: &[
        SlotInfo { slot: Slot::Field, place: "onMetaData key AIGC", source: "TC260-PG-20257A" },
        SlotInfo { slot: Slot::Xmp, place: "onXMPData liveXML", source: "XMP specification part 3, 1.1.6" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Sidecar("video/x-flv"),
    note: "label through ffmpeg; metadata and signature without touching media; the signature stands beside the file, because C2PA names no \
           place for it in this container",
};

/// Names of the codecs of pictures and of sound ("Video File Format Specification" 10.1, E.4.3.1 and E.4.2.1).
const PICTURES: [(u8, &str); 6] = [
    (2, "Sorenson H.263"),
    (3, "Screen video"),
    (4, "VP6"),
    (5, "VP6 with alpha"),
    (6, "Screen video 2"),
    (7, "AVC"),
];
const SOUNDS: [(u8, &str); 4] = [(2, "MP3"), (10, "AAC"), (11, "Speex"), (14, "MP3 8 kHz")];

/// Flash video.
#[derive(Debug)]
pub(crate) struct Flv;

impl Format for Flv {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let named = |e: Error| e.in_format(INFO.id);
        let file = flv::open(source, limits).map_err(named)?;
        let facts = file.facts(source).map_err(named)?;
        let picture = facts.codecs.0.ok_or_else(|| {
            Error::unsupported(INFO.id, "there is no tag of video: no picture to be marked")
        })?;
        let mut properties = Properties {
            dimensions: facts.dimensions,
            duration_s: facts.duration_s,
            ..Properties::default()
        };
        let name = |list: &[(u8, &str)], code: u8| {
            list.iter()
                .find(|(c, _)| *c == code)
                .map_or_else(|| format!("codec {code}"), |(_, n)| (*n).to_owned())
        };
        properties.other.insert("codec".to_owned(), name(&PICTURES, picture));
        if let Some(sound) = facts.codecs.1 {
            properties.other.insert("sound codec".to_owned(), name(&SOUNDS, sound));
        }
        Ok(Layout {
            entries: flv::entries(&file, "AIGC"),
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
        let file = flv::open(source, limits).map_err(named)?;
        flv::edit(source, &file, edits, limits).map_err(named)
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
        let file = flv::open(source, cx.limits).map_err(|e| e.in_format(INFO.id))?;
        if let Some(name) = file.scripts().find(|name| !flv::File::knows(name)) {
            return Err(Error::unsupported(INFO.id, format!("the script {name} would be lost")));
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
