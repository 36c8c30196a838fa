//! Core Audio Format. Samples that are stored as they are can be labelled and marked; coded ones take metadata only.

use std::io::Write;
use std::ops::Range;

use colophon_container::caf::{self, Chunk};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::decode::Sound;
use crate::observe;
use crate::pass::{Pass, Programme};
use crate::pcm::{Coding, Reader};

const ID: &str = "caf";
/// Chunks whose positions count sample frames: what is inserted in front would make them wrong.
const POSITIONS: [caf::Id; 3] = [*b"mark", *b"regn", *b"midi"];
/// Bytes in front of the samples of a data chunk: how often it was edited.
const EDIT_COUNT: u64 = 4;
/// Flags of linear PCM ("Core Audio Format Specification 1.0", Audio Description Chunk).
const FLOAT: u32 = 1;
const LITTLE: u32 = 2;

/// The format.
pub static FORMAT: Caf = Caf;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "CAF",
    media: Media::Audio,
    extensions: &["caf"],
    mime: &["audio/x-caf"],
    magic: &[Magic { offset: 0, bytes: b"caff\0\x01" }],
    slots: &[SlotInfo { slot: Slot::Field, place: "chunk info AIGC", source: "no standard names CAF" }],
    signal: SignalSupport::Render,
    carrier: Carrier::Sidecar("audio/x-caf"),
    note: "samples of the programme stay bit for bit under a label; compressed sound takes metadata only",
};

/// CAF.
#[derive(Debug)]
pub struct Caf;

impl Format for Caf {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = File::open(source, limits)?;
        let mut notes = Vec::new();
        if file.coding.is_none() {
            notes.push(format!("the samples are coded ({}); metadata only can be written", file.codec));
        }
        let frames = file.coding.map(|c| (file.data.end - file.data.start) / c.align());
        let mut properties = Properties {
            bit_depth: file.coding.map(|c| c.bits),
            sample_rate: Some(file.rate),
            channels: Some(file.channels),
            duration_s: frames.map(|n| n as f64 / f64::from(file.rate)),
            ..Properties::default()
        };
        properties.other.insert("codec".to_owned(), file.codec.clone());
        let media =
            if file.data.is_empty() { Vec::new() } else { std::iter::once(file.data.clone()).collect() };
        Ok(Layout { entries: file.entries(source, limits)?, media, properties, notes, ..Layout::default() })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let file = File::open(source, limits)?;
        let mut gone = Vec::new();
        let mut set: Vec<(&str, &[u8])> = Vec::new();
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Field, key, value } => set.push((key, value)),
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                Edit::Remove { range } => gone.push(range.clone()),
            }
        }
        let mut patch = Patch::new();
        let mut chunks = file.information(source, limits)?;
        if chunks.is_empty() && !set.is_empty() {
            // In front of the samples, which may go on to the end of the file.
            chunks.push((file.sound.start..file.sound.start, Vec::new()));
        }
        for (at, (range, data)) in chunks.into_iter().enumerate() {
            let start = range.end - data.len() as u64;
            let mut values: Vec<(Vec<u8>, Vec<u8>)> = caf::information(&data)
                .into_iter()
                .filter(|i| {
                    let place = start + i.range.start as u64..start + i.range.end as u64;
                    !gone.contains(&place) && !set.iter().any(|(key, _)| *key == i.key)
                })
                .map(|i| (i.key.into_bytes(), i.value))
                .collect();
            if at == 0 {
                values.extend(set.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.to_vec())));
            }
            let new = caf::encode_information(values.iter().map(|(k, v)| (k.as_slice(), v.as_slice())));
            if new != data && !(values.is_empty() && data.is_empty()) {
                patch
                    .replace(range, if values.is_empty() { Vec::new() } else { caf::encode(*b"info", &new) });
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
            frames: Some((file.data.end - file.data.start) / coding.align()),
            open: &again,
        };
        file.passed(source, coding, Pass::new(&programme, ops)?, cx.limits, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let file = File::open(source, cx.limits)?;
        let frames = file.coding.map_or(0, |c| (file.data.end - file.data.start) / c.align());
        observe::observe(queries, frames as f64 / f64::from(file.rate), &|| file.sound(source, cx.limits))
    }
}

/// A file with its description and its samples.
struct File {
    chunks: Vec<Chunk>,
    rate: u32,
    channels: u16,
    codec: String,
    /// How samples are stored, when they are not compressed.
    coding: Option<Coding>,
    /// The data chunk, and its samples: whole frames.
    sound: Range<u64>,
    data: Range<u64>,
}

impl File {
    fn open(source: &dyn Source, limits: &Limits) -> Result<Self> {
        let chunks = caf::walk(source, limits)?;
        let missing = |what: &str| Error::malformed(ID, format!("there is no {what} chunk"));
        let desc = chunks.iter().find(|c| &c.id == b"desc").ok_or_else(|| missing("desc"))?;
        let bytes = source.bytes_up_to(desc.data.start, (desc.data.end - desc.data.start).min(32))?;
        let u32_at =
            |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map(|b| u32::from_be_bytes(*b));
        let bad = |what: String| Error::malformed(ID, what).at_place("desc").at_offset(desc.range.start);
        let (Some(rate), Some(flags), Some(packet), Some(channels), Some(bits)) = (
            bytes.first_chunk().map(|b| f64::from_be_bytes(*b)),
            u32_at(12),
            u32_at(16),
            u32_at(24),
            u32_at(28),
        ) else {
            return Err(bad("the chunk is too short".to_owned()));
        };
        if !(1.0..=f64::from(u32::MAX)).contains(&rate) || !(1..=u32::from(u16::MAX)).contains(&channels) {
            return Err(bad(format!("{channels} channels at {rate} Hz")));
        }
        let codec = bytes.get(8..12).unwrap_or_default().escape_ascii().to_string();
        let (rate, channels) = (rate as u32, channels as u16);
        let width = packet / u32::from(channels);
        let float = flags & FLOAT != 0;
        let stored = codec == "lpcm"
            && width * u32::from(channels) == packet
            && if float {
                matches!((width, bits), (4, 32) | (8, 64))
            } else {
                (1..=4).contains(&width) && (1..=width * 8).contains(&bits)
            };
        let coding = stored.then_some(Coding {
            float,
            little: flags & LITTLE != 0,
            width: width as u16,
            bits: bits as u16,
            channels,
            rate,
        });
        let sound = chunks.iter().find(|c| &c.id == b"data").ok_or_else(|| missing("data"))?;
        let start = sound.data.start + EDIT_COUNT;
        if start >= sound.data.end {
            return Err(Error::malformed(ID, "there are no samples")
                .at_place("data")
                .at_offset(sound.range.start));
        }
        let align = coding.map_or(1, |c| c.align());
        let data = start..start + (sound.data.end - start) / align * align;
        let sound = sound.range.clone();
        Ok(Self { chunks, rate, channels, codec, coding, sound, data })
    }

    /// Every information chunk: its place and its data.
    fn information(&self, source: &dyn Source, limits: &Limits) -> Result<Vec<(Range<u64>, Vec<u8>)>> {
        let mut all = Vec::new();
        for c in self.chunks.iter().filter(|c| &c.id == b"info") {
            let len = c.data.end - c.data.start;
            if len > limits.metadata_bytes {
                let text = format!("{len} bytes of metadata, {} are allowed", limits.metadata_bytes);
                return Err(Error::limit(text).in_format(ID).at_place("info").at_offset(c.range.start));
            }
            all.push((c.range.clone(), source.bytes(c.data.start, len)?.into_owned()));
        }
        Ok(all)
    }

    fn entries(&self, source: &dyn Source, limits: &Limits) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for (range, data) in self.information(source, limits)? {
            let start = range.end - data.len() as u64;
            for i in caf::information(&data) {
                let aigc = i.key.to_ascii_uppercase().contains("AIGC");
                entries.push(Entry {
                    slot: if aigc { Slot::Field } else { Slot::Comment },
                    place: format!("chunk info {}", i.key),
                    range: start + i.range.start as u64..start + i.range.end as u64,
                    normative: i.key == "AIGC",
                    key: i.key,
                    value: i.value,
                });
            }
        }
        Ok(entries)
    }

    fn coding(&self) -> Result<Coding> {
        self.coding.ok_or_else(|| {
            Error::unsupported(ID, format!("{} samples cannot be read or written", self.codec))
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
        let added: u64 = pass.inserts().iter().map(|(_, n)| n).sum();
        if added > 0
            && let Some(c) = self.chunks.iter().find(|c| POSITIONS.contains(&c.id))
        {
            let text = "a label would move the positions named here; lay it over the sound instead";
            return Err(Error::unsupported(ID, text).at_place(caf::name(c.id)).at_offset(c.range.start));
        }
        let samples_len = self.data.end - self.data.start + added * coding.align();
        source.write_to(0..self.sound.start, out)?;
        out.write_all(b"data")?;
        out.write_all(&(EDIT_COUNT + samples_len).to_be_bytes())?;
        source.write_to(self.data.start - EDIT_COUNT..self.data.start, out)?;
        let mut sound = Reader::new(ID, source, coding, self.data.clone(), limits);
        let mut bytes = Vec::new();
        let placed = pass.through(&mut sound, |ready| {
            bytes.clear();
            coding.encode(ready, &mut bytes);
            out.write_all(&bytes)?;
            Ok(())
        })?;
        source.write_to(self.sound.end..source.len(), out)?;
        Ok(placed)
    }
}

/// The sound of a file.
///
/// # Errors
/// Those of the container; `Unsupported` for compressed samples.
pub(crate) fn sound<'a>(source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
    File::open(source, limits)?.sound(source, limits)
}

#[cfg(test)]
mod tests;
