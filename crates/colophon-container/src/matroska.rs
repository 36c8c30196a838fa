//! Matroska and WebM: a segment of clusters, with tags (RFC 9559).
//!
//! [`open`] lists the parts of the segment without reading media and [`entries`] reads the tags; [`edit`] writes them,
//! without moving anything that a seek head or a cue points at.

use std::ops::Range;

use colophon_core::{Entry, Error, Limits, Result, Slot, Source};

use crate::ebml::{self, Element, element, list, text, uint};

mod edit;
pub use edit::edit;

pub(crate) const FORMAT: &str = "matroska";

// Ids of RFC 9559, section 5.1.
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114D_9B74;
const SEEK: u32 = 0x4DBB;
const SEEK_ID: u32 = 0x53AB;
const SEEK_POSITION: u32 = 0x53AC;
const INFO: u32 = 0x1549_A966;
const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const VIDEO: u32 = 0xE0;
const PIXEL_WIDTH: u32 = 0xB0;
const PIXEL_HEIGHT: u32 = 0xBA;
const DISPLAY_WIDTH: u32 = 0x54B0;
const DISPLAY_HEIGHT: u32 = 0x54BA;
const DISPLAY_UNIT: u32 = 0x54B2;
const AUDIO: u32 = 0xE1;
const SAMPLING_FREQUENCY: u32 = 0xB5;
const CHANNELS: u32 = 0x9F;
const CLUSTER: u32 = 0x1F43_B675;
const CUES: u32 = 0x1C53_BB6B;
const ATTACHMENTS: u32 = 0x1941_A469;
const CHAPTERS: u32 = 0x1043_A770;
const TAGS: u32 = 0x1254_C367;
const TAG: u32 = 0x7373;
const TARGETS: u32 = 0x63C0;
const SIMPLE_TAG: u32 = 0x67C8;
const TAG_NAME: u32 = 0x45A3;
const TAG_STRING: u32 = 0x4487;

/// What stands directly in a segment: where one of them begins, a cluster of unknown length ends (RFC 8794, 6.2).
const LEVEL_1: [u32; 8] = [SEEK_HEAD, INFO, TRACKS, CLUSTER, CUES, ATTACHMENTS, CHAPTERS, TAGS];
/// Targets that bind a tag to a part: `TagTrackUID`, `TagEditionUID`, `TagChapterUID`, `TagAttachmentUID`.
const PARTS: [u32; 4] = [0x63C5, 0x63C9, 0x63C4, 0x63C6];
/// Longest head of a track that is read, in bytes: codec data may be some kilobytes.
const MAX_TRACKS: u64 = 4 << 20;

/// A walked file.
#[derive(Clone, Debug)]
pub struct File {
    /// `matroska` or `webm`.
    pub doc_type: String,
    /// The segment.
    segment: Element,
    /// What stands directly in it, in order; clusters of unknown length with the end that was found.
    parts: Vec<Element>,
    /// What was tolerated, in words.
    pub notes: Vec<String>,
}

/// One track.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// 1 pictures, 2 sound, 17 subtitles.
    pub kind: u64,
    /// `V_VP9`, `A_OPUS`, …
    pub codec: String,
    /// Width and height as shown.
    pub displayed: (u32, u32),
    /// Sound channels.
    pub channels: u16,
    /// Sound samples per second.
    pub sample_rate: u32,
}

/// What a player would say about the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Seconds.
    pub duration_s: Option<f64>,
    /// Tracks in order.
    pub tracks: Vec<Track>,
}

/// The document type in the first bytes of a file; `None` when they are no EBML header.
pub fn doc_type(head: &[u8]) -> Option<String> {
    let source: &dyn Source = &head;
    let e = element(source, 0, source.len()).ok().filter(|e| e.id == ebml::HEADER && !e.open)?;
    let mut parts = 64;
    let inner = list(source, e.body, &mut parts).ok()?;
    let name = inner.into_iter().find(|e| e.id == ebml::DOC_TYPE)?;
    let bytes = source.bytes(name.body.start, name.body.end.checked_sub(name.body.start)?).ok()?;
    String::from_utf8(text(&bytes).to_vec()).ok()
}

/// Walks a file.
///
/// # Errors
/// `Malformed` when an element announces more than its parent holds, or there is no segment; `Limit` for too many
/// elements.
pub fn open(source: &dyn Source, limits: &Limits) -> Result<File> {
    let head = source.bytes_up_to(0, 4096)?;
    let doc_type =
        doc_type(&head).ok_or_else(|| Error::malformed(FORMAT, "there is no EBML header").at_offset(0))?;
    let mut left = limits.parts;
    let mut at = 0;
    let segment = loop {
        if at >= source.len() {
            return Err(Error::malformed(FORMAT, "there is no segment").at_offset(at));
        }
        ebml::take(&mut left, at)?;
        let e = element(source, at, source.len()).map_err(|e| e.in_format(FORMAT))?;
        at = e.range.end;
        match e.id {
            SEGMENT => break e,
            ebml::HEADER | ebml::VOID | ebml::CRC32 if !e.open => {}
            _ => {
                return Err(Error::malformed(FORMAT, "where the segment should begin stands something else")
                    .at_offset(e.range.start));
            }
        }
    };
    let mut file = File { doc_type, segment, parts: Vec::new(), notes: Vec::new() };
    let end = file.segment.body.end;
    at = file.segment.body.start;
    while at < end {
        ebml::take(&mut left, at)?;
        let mut e = match element(source, at, end) {
            // A live recording ends anywhere.
            Err(e) if file.segment.open && e.kind() == colophon_core::ErrorKind::Malformed => {
                file.notes.push(format!("{} bytes after the last whole element", end.saturating_sub(at)));
                break;
            }
            read => read.map_err(|e| e.in_format(FORMAT))?,
        };
        if file.segment.open && matches!(e.id, ebml::HEADER | SEGMENT) {
            break;
        }
        if e.open {
            if e.id != CLUSTER {
                return Err(Error::malformed(FORMAT, "the length of an element is not known")
                    .at_place(format!("{:X}", e.id))
                    .at_offset(at));
            }
            let stop = cluster_end(source, &e, &mut left)?;
            e.body.end = stop;
            e.range.end = stop;
        }
        at = e.range.end;
        file.parts.push(e);
    }
    if file.segment.open {
        file.segment.body.end = at;
        file.segment.range.end = at;
    }
    if file.segment.range.end < source.len() {
        let rest = source.len().saturating_sub(file.segment.range.end);
        file.notes.push(format!("{rest} bytes after the segment"));
    }
    Ok(file)
}

/// Where a cluster of unknown length ends: at the next part of the segment, or where nothing whole follows.
fn cluster_end(source: &dyn Source, cluster: &Element, left: &mut usize) -> Result<u64> {
    let mut at = cluster.body.start;
    while at < cluster.body.end {
        ebml::take(left, at)?;
        match element(source, at, cluster.body.end) {
            Ok(e) if LEVEL_1.contains(&e.id) || matches!(e.id, ebml::HEADER | SEGMENT) || e.open => break,
            Ok(e) => at = e.range.end,
            Err(e) if e.kind() == colophon_core::ErrorKind::Malformed => break,
            Err(e) => return Err(e),
        }
    }
    Ok(at)
}

impl File {
    fn of(&self, id: u32) -> impl Iterator<Item = &Element> {
        self.parts.iter().filter(move |e| e.id == id)
    }

    /// The ranges of coded media: the clusters.
    pub fn media(&self) -> Vec<Range<u64>> {
        self.of(CLUSTER).map(|e| e.range.clone()).collect()
    }
}

/// A tag of the file, wherever it stands.
#[derive(Clone, Debug)]
struct Tag {
    name: String,
    value: Vec<u8>,
    /// The `SimpleTag`.
    range: Range<u64>,
    /// Directly in a `Tag` that is about the whole segment.
    global: bool,
}

/// Every text tag, in file order. Values under names that contain `key` come as [`Slot::Field`] under this very key, others as
/// [`Slot::Comment`].
///
/// # Errors
/// `Malformed`, `Limit`.
pub fn entries(source: &dyn Source, file: &File, key: &str, limits: &Limits) -> Result<Vec<Entry>> {
    let mut out = Vec::new();
    for tag in tags(source, file, limits)? {
        let own = named(&tag.name, key);
        out.push(Entry {
            slot: if own { Slot::Field } else { Slot::Comment },
            key: if own { key.to_owned() } else { tag.name.clone() },
            normative: own && tag.global && tag.name == key,
            place: format!("Segment/Tags/Tag/SimpleTag[{}]", tag.name),
            value: tag.value,
            range: tag.range,
        });
    }
    Ok(out)
}

/// GB 45438-2025, Annex E a): the name contains the key.
fn named(name: &str, key: &str) -> bool {
    name.to_ascii_uppercase().contains(&key.to_ascii_uppercase())
}

fn tags(source: &dyn Source, file: &File, limits: &Limits) -> Result<Vec<Tag>> {
    let mut left = limits.parts;
    let mut out = Vec::new();
    for tags in file.of(TAGS) {
        let len = tags.body.end.saturating_sub(tags.body.start);
        if len > limits.metadata_bytes {
            return Err(Error::limit(format!("{len} bytes of tags, {} are allowed", limits.metadata_bytes))
                .in_format(FORMAT)
                .at_offset(tags.range.start));
        }
        for tag in list(source, tags.body.clone(), &mut left)?.iter().filter(|e| e.id == TAG) {
            let inner = list(source, tag.body.clone(), &mut left)?;
            let mut global = true;
            for targets in inner.iter().filter(|e| e.id == TARGETS) {
                for t in list(source, targets.body.clone(), &mut left)? {
                    // A UID of zero is the whole segment (RFC 9559, 5.1.8.1.1).
                    global &= !PARTS.contains(&t.id) || uint(&value(source, &t)?) == Some(0);
                }
            }
            for simple in inner.iter().filter(|e| e.id == SIMPLE_TAG) {
                simple_tag(source, simple, global, limits.depth, &mut left, &mut out)?;
            }
        }
    }
    out.sort_by_key(|t| (t.range.start, t.range.end));
    Ok(out)
}

fn simple_tag(
    source: &dyn Source,
    simple: &Element,
    global: bool,
    depth: usize,
    left: &mut usize,
    out: &mut Vec<Tag>,
) -> Result<()> {
    let depth = depth.checked_sub(1).ok_or_else(|| {
        Error::limit("tags are nested deeper than allowed").in_format(FORMAT).at_offset(simple.range.start)
    })?;
    let (mut name, mut string) = (String::new(), None);
    for e in list(source, simple.body.clone(), left)? {
        match e.id {
            TAG_NAME => name = String::from_utf8_lossy(text(&value(source, &e)?)).into_owned(),
            TAG_STRING => string = Some(text(&value(source, &e)?).to_vec()),
            SIMPLE_TAG => simple_tag(source, &e, false, depth, left, out)?,
            _ => {}
        }
    }
    if let Some(value) = string.filter(|v| std::str::from_utf8(v).is_ok()) {
        out.push(Tag { name, value, range: simple.range.clone(), global });
    }
    Ok(())
}

/// The content of an element that is known to be short enough.
fn value<'a>(source: &'a dyn Source, e: &Element) -> Result<std::borrow::Cow<'a, [u8]>> {
    source.bytes(e.body.start, e.body.end.saturating_sub(e.body.start))
}

/// Reads what a player would say.
///
/// # Errors
/// `Malformed`, `Limit`.
pub fn facts(source: &dyn Source, file: &File, limits: &Limits) -> Result<Facts> {
    let mut left = limits.parts;
    let mut facts = Facts::default();
    if let Some(info) = file.of(INFO).next() {
        let (mut scale, mut ticks) = (1_000_000, None);
        for e in bounded(source, info, &mut left)? {
            match e.id {
                TIMESTAMP_SCALE => scale = uint(&value(source, &e)?).unwrap_or(scale),
                DURATION => ticks = ebml::float(&value(source, &e)?),
                _ => {}
            }
        }
        let seconds = ticks.map(|t| t * scale as f64 / 1e9);
        facts.duration_s = seconds.filter(|s| s.is_finite() && *s > 0.0);
    }
    for tracks in file.of(TRACKS) {
        for entry in bounded(source, tracks, &mut left)?.iter().filter(|e| e.id == TRACK_ENTRY) {
            facts.tracks.push(track(source, entry, &mut left)?);
        }
    }
    Ok(facts)
}

fn bounded(source: &dyn Source, e: &Element, left: &mut usize) -> Result<Vec<Element>> {
    if e.body.end.saturating_sub(e.body.start) > MAX_TRACKS {
        return Err(Error::limit("the description of the tracks is longer than allowed")
            .in_format(FORMAT)
            .at_offset(e.range.start));
    }
    list(source, e.body.clone(), left)
}

fn track(source: &dyn Source, entry: &Element, left: &mut usize) -> Result<Track> {
    let mut t = Track::default();
    for e in list(source, entry.body.clone(), left)? {
        match e.id {
            TRACK_TYPE => t.kind = uint(&value(source, &e)?).unwrap_or(0),
            CODEC_ID => t.codec = String::from_utf8_lossy(text(&value(source, &e)?)).into_owned(),
            VIDEO => {
                let (mut pixels, mut shown, mut unit) = ((0, 0), (None, None), 0);
                for e in list(source, e.body, left)? {
                    let number = || -> Result<u64> { Ok(uint(&value(source, &e)?).unwrap_or(0)) };
                    match e.id {
                        PIXEL_WIDTH => pixels.0 = number()?,
                        PIXEL_HEIGHT => pixels.1 = number()?,
                        DISPLAY_WIDTH => shown.0 = Some(number()?),
                        DISPLAY_HEIGHT => shown.1 = Some(number()?),
                        DISPLAY_UNIT => unit = number()?,
                        _ => {}
                    }
                }
                t.displayed = displayed(pixels, shown, unit);
            }
            AUDIO => {
                t.channels = 1;
                t.sample_rate = 8000;
                for e in list(source, e.body, left)? {
                    match e.id {
                        SAMPLING_FREQUENCY => {
                            t.sample_rate = ebml::float(&value(source, &e)?).unwrap_or(0.0) as u32;
                        }
                        CHANNELS => t.channels = uint(&value(source, &e)?).unwrap_or(1) as u16,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(t)
}

/// Square pixels: the height is kept, the width follows the ratio of the displayed sizes (RFC 9559, 5.1.4.1.28.14).
fn displayed(pixels: (u64, u64), shown: (Option<u64>, Option<u64>), unit: u64) -> (u32, u32) {
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let ratio = match (shown, unit) {
        ((Some(w @ 1..), Some(h @ 1..)), 0..=3) => Some((w, h)),
        _ => None,
    };
    let width = ratio
        .and_then(|(w, h)| {
            let wide = u128::from(pixels.1).saturating_mul(u128::from(w)).saturating_add(u128::from(h / 2));
            u64::try_from(wide.checked_div(u128::from(h))?).ok()
        })
        .unwrap_or(pixels.0);
    (narrow(width), narrow(pixels.1))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::struct_excessive_bools)]
mod tests;
