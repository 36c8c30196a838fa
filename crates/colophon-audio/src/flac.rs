//! FLAC.

use std::io::Write;

use colophon_container::flac::{self as container, Flac as Stream};
use colophon_container::id3;
use colophon_container::vorbis_comment::{self, Comments};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::decode::{Container, Decoder, Part, Sound};
use crate::observe;
use crate::pass::{Pass, Programme};
use crate::tag;

mod encode;
mod verbatim;

const ID: &str = "flac";
/// Fewest samples of a block but the last (RFC 9639, 8.2).
const SMALLEST_BLOCK: u16 = 16;

/// The format.
pub static FORMAT: Flac = Flac;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "FLAC",
    media: Media::Audio,
    extensions: &["flac"],
    mime: &["audio/flac", "audio/x-flac"],
    magic: &[Magic { offset: 0, bytes: b"fLaC" }],
    slots: &[
        SlotInfo { slot: Slot::Field, place: "VORBIS_COMMENT AIGC", source: "TC260-PG-202510A" },
        SlotInfo { slot: Slot::Jumbf, place: "ID3v2 GEOB application/c2pa", source: "C2PA 2.1, A.3.3" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("audio/flac"),
    note: "a label or watermark encodes the samples anew without loss; the signature sits in an ID3v2 tag in front",
};

/// FLAC.
#[derive(Debug)]
pub struct Flac;

impl Format for Flac {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        if head.starts_with(b"fLaC") {
            return 95;
        }
        // Behind a tag: certain when the signature is in view, open when the tag is longer.
        match tag::end(head) {
            Some(at) if head.get(at..).is_some_and(|h| h.starts_with(b"fLaC")) => 95,
            Some(at) if at >= head.len() => 20,
            _ => 0,
        }
    }

    fn score_in(&self, head: &[u8], source: &dyn Source) -> u8 {
        self.score(tag::head_behind(head, source).as_deref().unwrap_or(head))
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let stream = open(source, limits)?;
        let info = stream.info;
        let mut notes = stream.tag.iter().flat_map(|t| t.notes.clone()).collect::<Vec<_>>();
        if info.samples == 0 {
            notes.push("the length of the sound is not given".to_owned());
        }
        let mut properties = Properties {
            bit_depth: Some(u16::from(info.bits)),
            sample_rate: Some(info.rate),
            channels: Some(u16::from(info.channels)),
            duration_s: (info.samples > 0 && info.rate > 0)
                .then(|| info.samples as f64 / f64::from(info.rate)),
            ..Properties::default()
        };
        properties.other.insert("codec".to_owned(), "flac".to_owned());
        Ok(Layout {
            entries: entries(source, &stream, limits)?,
            media: std::iter::once(stream.frames..source.len()).collect(),
            properties,
            notes,
            ..Layout::default()
        })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let stream = open(source, limits)?;
        let comments = stream.comments(source, limits)?;
        let mut lists: Vec<Comments> = comments.iter().map(|(_, c)| c.clone()).collect();
        let mut tag_changes = Vec::new();
        let mut patch = Patch::new();
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Field, key, value } => {
                    if lists.is_empty() {
                        lists.push(Comments::default());
                    }
                    // Exactly one in the file: others under the name go, in whatever list they are.
                    for list in lists.iter_mut().skip(1) {
                        list.entries.retain(|e| !vorbis_comment::is_named(e, key));
                    }
                    if let Some(first) = lists.first_mut() {
                        first.set(key, value);
                    }
                    if let Some(stale) = tag::stale_field(stream.tag.as_ref(), key) {
                        tag_changes.push(stale);
                    }
                }
                Edit::Set { slot: Slot::Jumbf, value, .. } => tag_changes.push(tag::set_jumbf(value)),
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                Edit::Remove { range } if stream.tag.as_ref().is_some_and(|t| range.end <= t.range.end) => {
                    tag_changes.push(id3::Change::Remove(range.clone()));
                }
                Edit::Remove { range } => remove_comment(&comments, &mut lists, range)?,
            }
        }
        stream.with_comments(source, &lists, &mut patch).map_err(|e| e.in_format(ID))?;
        tag::apply(stream.tag.as_ref(), 0, &tag_changes, &mut patch).map_err(|e| e.in_format(ID))?;
        Ok(patch)
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
        let stream = open(source, cx.limits)?;
        let info = stream.info;
        let again = || Ok(Box::new(decoder(source, &stream, cx.limits)?) as Box<dyn Sound>);
        let programme = Programme {
            id: ID,
            rate: info.rate,
            channels: u16::from(info.channels),
            frames: Some(info.samples).filter(|n| *n > 0),
            open: &again,
        };
        let mut pass = Pass::new(&programme, ops)?;
        if let Some(grid) = encode::grid(source, &stream)? {
            pass.keep_to(grid);
        }
        encode::encode(source, &stream, decoder(source, &stream, cx.limits)?, pass, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let stream = open(source, cx.limits)?;
        let seconds = stream.info.samples as f64 / f64::from(stream.info.rate);
        observe::observe(queries, seconds, &|| Ok(Box::new(decoder(source, &stream, cx.limits)?)))
    }
}

/// The sound of a file.
///
/// # Errors
/// Those of the container and of the decoder.
pub(crate) fn sound<'a>(source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
    Ok(Box::new(decoder(source, &open(source, limits)?, limits)?))
}

fn open(source: &dyn Source, limits: &Limits) -> Result<Stream> {
    let stream = container::walk(source, limits).map_err(|e| e.in_format(ID))?;
    if stream.info.rate == 0 {
        return Err(Error::malformed(ID, "the sampling rate is zero")
            .at_place("STREAMINFO")
            .at_offset(stream.start));
    }
    if stream.frames >= source.len() {
        return Err(Error::malformed(ID, "there are no samples").at_offset(stream.frames));
    }
    Ok(stream)
}

/// A decoder that sees the description of the stream and the frames, and nothing of the metadata.
fn decoder<'a>(source: &'a dyn Source, stream: &Stream, limits: &Limits) -> Result<Decoder<'a>> {
    let mut head = b"fLaC".to_vec();
    if let Some(first) = stream.blocks.first() {
        let mut data = source.bytes(first.data.start, first.data.end - first.data.start)?.into_owned();
        // Some encoders count the last, shorter block into the smallest size; the decoder takes the sizes for the
        // strategy, which the second byte of every frame states (RFC 9639, 9.1).
        let fixed = source.bytes_up_to(stream.frames, 2)?.get(1).is_some_and(|b| b & 1 == 0);
        if let Some((smallest, rest)) = data.split_first_chunk_mut::<2>() {
            let largest = rest.first_chunk::<2>().copied().unwrap_or_default();
            if fixed {
                *smallest = largest;
            } else if *smallest == largest {
                *smallest = SMALLEST_BLOCK.to_be_bytes();
            }
        }
        head.extend(container::encode(first.kind, true, &data).map_err(|e| e.in_format(ID))?);
    }
    Decoder::open(ID, Container::Flac, Part::new(head, source, stream.frames..source.len()), limits)
}

/// Every metadata value that may hold a mark: the tag in front, then the comments.
fn entries(source: &dyn Source, stream: &Stream, limits: &Limits) -> Result<Vec<Entry>> {
    // The tag is not FLAC's own: what programs write there besides the manifest is read, not written.
    let mut entries: Vec<Entry> = stream.tag.iter().flat_map(tag::entries).collect();
    for e in &mut entries {
        e.normative = e.slot == Slot::Jumbf;
    }
    for (i, (block, list)) in stream.comments(source, limits)?.into_iter().enumerate() {
        for (name, value, range) in placed_comments(block, &list) {
            let aigc = name.to_ascii_uppercase().contains("AIGC");
            if !aigc && !["DESCRIPTION", "COMMENT"].iter().any(|n| name.eq_ignore_ascii_case(n)) {
                continue;
            }
            let key = if name.eq_ignore_ascii_case("AIGC") { "AIGC" } else { name };
            entries.push(Entry {
                slot: if aigc { Slot::Field } else { Slot::Comment },
                key: key.to_owned(),
                value: value.to_vec(),
                place: format!("VORBIS_COMMENT {name}"),
                range,
                normative: aigc && key == "AIGC" && i == 0,
            });
        }
    }
    Ok(entries)
}

/// Name, value and byte range of every comment.
fn placed_comments<'a>(
    block: &container::Block,
    list: &'a Comments,
) -> Vec<(&'a str, &'a [u8], std::ops::Range<u64>)> {
    // Length and text of the vendor, then a count.
    let mut at = block.data.start + 4 + list.vendor.len() as u64 + 4;
    let mut all = Vec::new();
    for e in &list.entries {
        let end = at + 4 + e.len() as u64;
        if let Some((name, value)) = vorbis_comment::split(e) {
            all.push((name, value, at..end));
        }
        at = end;
    }
    all
}

fn remove_comment(
    comments: &[(&container::Block, Comments)],
    lists: &mut [Comments],
    range: &std::ops::Range<u64>,
) -> Result<()> {
    for ((block, original), list) in comments.iter().zip(lists) {
        let mut at = block.data.start + 4 + original.vendor.len() as u64 + 4;
        for e in &original.entries {
            let end = at + 4 + e.len() as u64;
            if (at..end) == *range {
                if let Some(i) = list.entries.iter().position(|x| x == e) {
                    list.entries.remove(i);
                }
                return Ok(());
            }
            at = end;
        }
    }
    Err(Error::malformed(ID, "no comment occupies the range to be removed").at_offset(range.start))
}

#[cfg(test)]
mod tests;
