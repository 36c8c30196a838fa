//! AIFF and AIFF-C with samples that are not compressed.

use std::io::Write;
use std::ops::Range;

use colophon_container::id3;
use colophon_container::iff::{self, Form};
use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch, Placed,
    Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::decode::Sound;
use crate::observe;
use crate::pass::{Pass, Programme};
use crate::pcm::{Coding, Reader};
use crate::tag;

mod common;

use common::Common;

const ID: &str = "aiff";
/// A chunk that holds an ID3v2 tag; not part of the specification, written and read by most programs.
const TAG: iff::Id = *b"ID3 ";
/// Positions in the sound with names ("Audio Interchange File Format 1.3", Marker Chunk).
const MARKERS: iff::Id = *b"MARK";

/// The format.
pub static FORMAT: Aiff = Aiff;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "AIFF",
    media: Media::Audio,
    extensions: &["aiff", "aif", "aifc"],
    mime: &["audio/aiff", "audio/x-aiff"],
    magic: &[Magic { offset: 8, bytes: b"AIFF" }, Magic { offset: 8, bytes: b"AIFC" }],
    slots: &[
        SlotInfo {
            slot: Slot::Field,
            place: "chunk ID3 TXXX AIGC",
            source: "as for MP3; no standard names AIFF",
        },
        SlotInfo { slot: Slot::Xmp, place: "chunk ID3 PRIV XMP", source: "as for MP3" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Sidecar("audio/aiff"),
    note: "samples of the programme stay bit for bit under a label; compressed AIFF-C takes metadata only",
};

/// AIFF.
#[derive(Debug)]
pub struct Aiff;

impl Format for Aiff {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let form = head.get(8..12).is_some_and(|k| k == b"AIFF" || k == b"AIFC");
        if head.starts_with(b"FORM") && form { 95 } else { 0 }
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = File::open(source, limits)?;
        let mut notes = file.form.notes.clone();
        notes.extend(file.tag.iter().flat_map(|t| t.notes.clone()));
        let common = &file.common;
        if common.coding.is_none() {
            notes.push(format!("the samples are coded ({}); metadata only can be written", common.codec));
        }
        let mut properties = Properties {
            bit_depth: Some(common.bits),
            sample_rate: Some(common.rate),
            channels: Some(common.channels),
            duration_s: Some(file.frames() as f64 / f64::from(common.rate)),
            ..Properties::default()
        };
        properties.other.insert("codec".to_owned(), common.codec.clone());
        Ok(Layout {
            entries: file.tag.as_ref().map(tag::entries).unwrap_or_default(),
            media: std::iter::once(file.data.clone()).collect(),
            properties,
            notes,
            ..Layout::default()
        })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let file = File::open(source, limits)?;
        let mut changes = Vec::new();
        for edit in edits {
            changes.push(match edit {
                Edit::Set { slot: Slot::Field, key, value } => tag::set_field(key, value),
                Edit::Set { slot: Slot::Xmp, value, .. } => tag::set_xmp(value),
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                Edit::Remove { range } => id3::Change::Remove(range.clone()),
            });
        }
        if changes.is_empty() {
            return Ok(Patch::new());
        }
        let tag = id3::edit(file.tag.as_ref(), &changes).map_err(|e| e.in_format(ID))?;
        let Some(tag) = tag else { return Ok(Patch::new()) };
        let chunk = if tag.is_empty() { None } else { Some(iff::encode(TAG, &tag)?) };
        let mut places = file.form.of(TAG).map(|c| Some(c.range.clone()));
        let mut all = vec![(places.next().flatten(), chunk)];
        // A second tag would hold a second label.
        all.extend(places.map(|p| (p, None)));
        file.form.edit(all).map_err(|e| e.in_format(ID))
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
        let file = File::open(source, cx.limits)?;
        let coding = file.coding()?;
        let again = || file.sound(source, cx.limits);
        let programme = Programme {
            id: ID,
            rate: coding.rate,
            channels: coding.channels,
            frames: Some(file.frames()),
            open: &again,
        };
        let pass = Pass::new(&programme, ops)?;
        file.passed(source, coding, pass, cx.limits, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let file = File::open(source, cx.limits)?;
        let seconds = file.frames() as f64 / f64::from(file.common.rate);
        observe::observe(queries, seconds, &|| file.sound(source, cx.limits))
    }
}

/// The sound of a file.
///
/// # Errors
/// Those of the container; `Unsupported` for compressed samples.
pub(crate) fn sound<'a>(source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
    File::open(source, limits)?.sound(source, limits)
}

/// A file with its description and its samples.
struct File {
    form: Form,
    common: Common,
    /// Place of the description's data.
    common_at: u64,
    /// The chunk of the samples, and the samples in it.
    chunk: Range<u64>,
    data: Range<u64>,
    tag: Option<id3::Tag>,
}

impl File {
    fn open(source: &dyn Source, limits: &Limits) -> Result<Self> {
        let form = iff::walk(source, limits).map_err(|e| e.in_format(ID))?;
        if &form.kind != b"AIFF" && &form.kind != b"AIFC" {
            return Err(Error::malformed(ID, format!("the form is {}, not AIFF", iff::name(form.kind))));
        }
        let missing = |what: &str| Error::malformed(ID, format!("there is no {what} chunk"));
        let common = form.of(*b"COMM").next().ok_or_else(|| missing("COMM"))?;
        let common_at = common.data.start;
        let bytes = source.bytes_up_to(common_at, (common.data.end - common_at).min(280))?;
        let common = Common::parse(&bytes, &form.kind == b"AIFC")
            .map_err(|e| e.at_place("COMM").at_offset(common_at))?;
        let chunk = form.of(*b"SSND").next().ok_or_else(|| missing("SSND"))?;
        // Where the first sample stands behind the two fields, and a block size that nobody uses.
        let head = source.bytes_up_to(chunk.data.start, 8)?;
        let offset = head.first_chunk::<4>().map_or(0, |b| u64::from(u32::from_be_bytes(*b)));
        let start = chunk.data.start + 8 + offset;
        if start >= chunk.data.end {
            return Err(Error::malformed(ID, "there are no samples")
                .at_place("SSND")
                .at_offset(chunk.range.start));
        }
        let (chunk, mut data) = (chunk.range.clone(), start..chunk.data.end);
        if let Some(coding) = &common.coding {
            // What the description counts; what is behind belongs to no frame.
            let announced = u64::from(common.frames).saturating_mul(coding.align());
            data.end = data.end.min(data.start.saturating_add(announced));
            data.end = data.start + (data.end - data.start) / coding.align() * coding.align();
        }
        let tag = match form.of(TAG).next() {
            Some(c) => id3::read(source, c.data.start, limits).map_err(|e| e.in_format(ID))?,
            None => None,
        };
        Ok(Self { form, common, common_at, chunk, data, tag })
    }

    fn frames(&self) -> u64 {
        let counted = u64::from(self.common.frames);
        self.common.coding.as_ref().map_or(counted, |c| (self.data.end - self.data.start) / c.align())
    }

    fn coding(&self) -> Result<Coding> {
        self.common.coding.ok_or_else(|| {
            Error::unsupported(ID, format!("{} samples cannot be read or written", self.common.codec))
        })
    }

    fn sound<'a>(&self, source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
        Ok(Box::new(Reader::new(ID, source, self.coding()?, self.data.clone(), limits)))
    }

    /// Writes the file with its samples as they come out of `pass`.
    fn passed(
        &self,
        source: &dyn Source,
        coding: Coding,
        pass: Pass<'_>,
        limits: &Limits,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let inserts = pass.inserts();
        let added: u64 = inserts.iter().map(|(_, n)| n).sum();
        let frames = self.frames() + added;
        let too_long = || Error::limit("AIFF cannot hold more than 4 GiB").in_format(ID);
        // Everything that stands before or behind the samples, with positions and lengths put right.
        let mut patch = Patch::new();
        let count = u32::try_from(frames).map_err(|_| too_long())?;
        patch.replace(self.common_at + 2..self.common_at + 6, count.to_be_bytes());
        let size = self.data.end - self.data.start + added * coding.align();
        let head = self.data.start - self.chunk.start - 8;
        let length = iff::length(head + size).map_err(|e| e.in_format(ID))?;
        patch.replace(self.chunk.start + 4..self.chunk.start + 8, length);
        let padded = (head + size) & 1;
        let grown = (self.form.end + size + padded).saturating_sub(self.chunk.end - self.data.start);
        patch.replace(4..8, iff::length(grown - 8).map_err(|e| e.in_format(ID))?);
        self.shift_markers(source, &inserts, limits, &mut patch)?;

        patch.apply_within(source, 0..self.data.start, out)?;
        let mut sound = Reader::new(ID, source, coding, self.data.clone(), limits);
        let mut bytes = Vec::new();
        let placed = pass.through(&mut sound, |ready| {
            bytes.clear();
            coding.encode(ready, &mut bytes);
            out.write_all(&bytes)?;
            Ok(())
        })?;
        out.write_all(&vec![0; padded as usize])?;
        patch.apply_within(source, self.chunk.end..source.len(), out)?;
        Ok(placed)
    }

    /// Moves markers behind what is inserted: a count, then id, position and a name padded to an even length each.
    fn shift_markers(
        &self,
        source: &dyn Source,
        inserts: &[(u64, u64)],
        limits: &Limits,
        patch: &mut Patch,
    ) -> Result<()> {
        for chunk in self.form.of(MARKERS) {
            let data = source
                .bytes(chunk.data.start, (chunk.data.end - chunk.data.start).min(limits.metadata_bytes))?;
            let count = data.first_chunk::<2>().map_or(0, |b| u16::from_be_bytes(*b));
            let mut at = 2;
            for _ in 0..count {
                let Some(was) =
                    data.get(at + 2..).and_then(<[u8]>::first_chunk).map(|b| u32::from_be_bytes(*b))
                else {
                    break;
                };
                let more: u64 =
                    inserts.iter().filter(|(place, _)| *place <= u64::from(was)).map(|(_, n)| n).sum();
                let place = chunk.data.start + at as u64 + 2;
                if more > 0 {
                    let now = u64::from(was).saturating_add(more).min(u64::from(u32::MAX)) as u32;
                    patch.replace(place..place + 4, now.to_be_bytes());
                }
                let name = usize::from(data.get(at + 6).copied().unwrap_or(0)) + 1;
                at += 6 + name.next_multiple_of(2);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
