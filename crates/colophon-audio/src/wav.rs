//! WAVE, with RF64 and BW64 for files beyond 4 GiB.

use std::io::Write;

use colophon_container::riff::{self, Change, Riff};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, LabelForm, Layout, Limits, Magic, Media, Normalisation,
    Observation, Patch, Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo,
    Source,
};

use crate::audible::Label;
use crate::decode::{Container, Decoder, Part, Sound};
use crate::observe;
use crate::pass::{Pass, Programme};

mod positions;
mod sample;

use sample::{Coding, SampleFormat};

const ID: &str = "wav";
/// The AIGC object (TC260-PG-202510A: a chunk of this id).
const AIGC: riff::Id = *b"AIGC";
/// An XMP packet (XMP specification part 3, 1.1.4).
const XMP: riff::Id = *b"_PMX";
/// The same under the id WebP uses, as some programs write it into WAVE.
const XMP_OTHER: riff::Id = *b"XMP ";
/// A C2PA manifest store (C2PA 2.x, A.3.4).
const C2PA: riff::Id = *b"C2PA";

/// The format.
pub static FORMAT: Wav = Wav;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "WAVE",
    media: Media::Audio,
    extensions: &["wav", "wave", "bwf", "rf64"],
    mime: &["audio/wav", "audio/wave", "audio/x-wav", "audio/vnd.wave"],
    magic: &[
        Magic { offset: 8, bytes: b"WAVEfmt " },
        Magic { offset: 8, bytes: b"WAVEJUNK" },
        Magic { offset: 8, bytes: b"WAVEbext" },
        Magic { offset: 8, bytes: b"WAVELIST" },
        Magic { offset: 8, bytes: b"WAVEds64" },
        Magic { offset: 8, bytes: b"WAVE" },
    ],
    slots: &[
        SlotInfo { slot: Slot::Field, place: "RIFF chunk AIGC", source: "TC260-PG-202510A" },
        SlotInfo { slot: Slot::Xmp, place: "RIFF chunk _PMX", source: "XMP specification part 3, 1.1.4" },
        SlotInfo { slot: Slot::Jumbf, place: "RIFF chunk C2PA", source: "C2PA 2.1, A.3.4" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Slot("audio/wav", Normalisation::Raw),
    note: "the rhythm is inserted; samples of the programme stay bit for bit",
};

/// WAVE.
#[derive(Debug)]
pub struct Wav;

impl Format for Wav {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let riff = [&b"RIFF"[..], b"RF64", b"BW64"].iter().any(|id| head.starts_with(id));
        if riff && head.get(8..12) == Some(b"WAVE") { 95 } else { 0 }
    }

    fn streams(&self) -> bool {
        true
    }

    fn renders_by_position(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let wave = Wave::open(source, limits)?;
        let mut notes = wave.riff.notes.clone();
        notes.extend(wave.format.note());
        Ok(Layout {
            entries: entries(source, &wave.riff, limits)?,
            media: vec![wave.data.clone()],
            properties: wave.properties(source),
            notes,
            ..Layout::default()
        })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let wave = Wave::open(source, limits)?;
        let mut changes = Vec::new();
        for edit in edits {
            match edit {
                Edit::Set { slot, key, value } => {
                    let (id, other): (_, &[riff::Id]) = match slot {
                        Slot::Field if key == "AIGC" => (AIGC, &[]),
                        Slot::Xmp => (XMP, &[XMP_OTHER]),
                        Slot::Jumbf => (C2PA, &[]),
                        _ => {
                            return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                        }
                    };
                    changes.push(Change::Set(id, value.clone()));
                    let stale = other.iter().flat_map(|id| wave.riff.of(*id)).map(|c| c.range.clone());
                    changes.extend(stale.map(Change::Remove));
                    if id == AIGC {
                        // Exactly one label per file (GB 45438, 6.1): others of the key go, wherever they stand.
                        let found = entries(source, &wave.riff, limits)?.into_iter();
                        let stale =
                            found.filter(|e| e.slot == Slot::Field && e.key == "AIGC" && !e.normative);
                        changes.extend(stale.map(|e| Change::Remove(e.range)));
                    }
                }
                Edit::Remove { range } => changes.push(Change::Remove(range.clone())),
            }
        }
        wave.riff.edit(source, &changes, limits).map_err(|e| e.in_format(ID))
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
        let wave = Wave::open(source, cx.limits)?;
        let open = || wave.sound(source, cx.limits);
        let programme = Programme {
            id: ID,
            rate: wave.format.rate,
            channels: wave.format.channels,
            frames: wave.frames(source),
            open: &open,
        };
        if let [SignalOp::Label(spec)] = ops
            && !matches!(&spec.form, LabelForm::Audible(form) if form.overlay)
        {
            // Inserted and nothing else: what is there stays byte for byte.
            let label = programme.label(spec)?;
            wave.with_label(source, &label, cx.limits)?.apply(source, out)?;
            return Ok(label.records().into_iter().map(Placed::Label).collect());
        }
        wave.passed(source, Pass::new(&programme, ops)?, cx.limits, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let wave = Wave::open(source, cx.limits)?;
        let seconds = wave.properties(source).duration_s.unwrap_or(0.0);
        observe::observe(queries, seconds, &|| wave.sound(source, cx.limits))
    }
}

/// A WAVE file that has a format and samples.
struct Wave {
    riff: Riff,
    format: SampleFormat,
    data: std::ops::Range<u64>,
}

impl Wave {
    fn open(source: &dyn Source, limits: &Limits) -> Result<Self> {
        let riff = riff::walk(source, limits).map_err(|e| e.in_format(ID))?;
        if &riff.form != b"WAVE" {
            return Err(Error::malformed(ID, format!("the form is {}, not WAVE", riff::name(riff.form))));
        }
        let fmt = riff.of(*b"fmt ").next().ok_or_else(|| Error::malformed(ID, "there is no fmt chunk"))?;
        let fmt_at = fmt.range.start;
        let bytes = source.bytes_up_to(fmt.data.start, (fmt.data.end - fmt.data.start).min(64))?;
        let format = SampleFormat::parse(&bytes).map_err(|e| e.at_place("fmt").at_offset(fmt_at))?;
        let data = riff.of(*b"data").next().ok_or_else(|| Error::malformed(ID, "there is no data chunk"))?;
        if data.data.is_empty() {
            return Err(Error::malformed(ID, "there are no samples")
                .at_place("data")
                .at_offset(data.range.start));
        }
        let data = data.data.clone();
        Ok(Self { riff, format, data })
    }

    /// Whole sample frames; for codecs without a fixed frame, what the fact chunk says.
    fn frames(&self, source: &dyn Source) -> Option<u64> {
        if self.format.coding != Coding::Other {
            return Some((self.data.end - self.data.start) / u64::from(self.format.align));
        }
        let fact = self.riff.of(*b"fact").next()?;
        let bytes = source.bytes_up_to(fact.data.start, 4).ok()?;
        bytes.first_chunk().map(|b| u64::from(u32::from_le_bytes(*b)))
    }

    fn properties(&self, source: &dyn Source) -> Properties {
        let f = &self.format;
        let mut p = Properties {
            bit_depth: Some(f.valid_bits).filter(|b| *b > 0),
            sample_rate: Some(f.rate),
            channels: Some(f.channels),
            duration_s: self.frames(source).map(|n| n as f64 / f64::from(f.rate)),
            ..Properties::default()
        };
        p.other.insert("codec".to_owned(), f.name());
        p
    }

    fn sound<'a>(&self, source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
        Ok(match self.format.coding {
            Coding::Other => Box::new(Decoder::open(
                ID,
                Container::Wav,
                Part::new(Vec::new(), source, 0..source.len()),
                limits,
            )?),
            _ => Box::new(sample::Reader::new(source, self.format, self.data.clone(), limits)),
        })
    }

    /// Writes the file with its samples as they come out of `pass`.
    fn passed(
        &self,
        source: &dyn Source,
        pass: Pass<'_>,
        limits: &Limits,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let f = &self.format;
        if f.coding == Coding::Other {
            return Err(Error::unsupported(
                ID,
                format!("labels and watermarks cannot be written into {} samples", f.name()),
            ));
        }
        let inserts = pass.inserts();
        let added: u64 = inserts.iter().map(|(_, len)| len).sum();
        // Everything that stands before or behind the samples, with positions and lengths put right.
        let mut patch = Patch::new();
        if added > 0 {
            positions::shift(source, &self.riff, &inserts, limits, &mut patch)?;
            let frames = self.frames(source).unwrap_or(0) + added;
            let grown = self.riff.grow_data(added * u64::from(f.align), frames, &mut patch);
            grown.map_err(|e| e.in_format(ID))?;
        }
        let mut sound = sample::Reader::new(source, *f, self.data.clone(), limits);
        patch.apply_within(source, 0..self.data.start, out)?;
        let mut bytes = Vec::new();
        let placed = pass.through(&mut sound, |ready| {
            bytes.clear();
            f.encode(ready, &mut bytes)?;
            out.write_all(&bytes)?;
            Ok(())
        })?;
        // A last frame that is not whole, then everything behind the samples.
        let align = u64::from(f.align);
        let whole = self.data.start + (self.data.end - self.data.start) / align * align;
        patch.apply_within(source, whole..source.len(), out)?;
        Ok(placed)
    }

    /// The splices that insert the label wherever it goes.
    fn with_label(&self, source: &dyn Source, label: &Label, limits: &Limits) -> Result<Patch> {
        let frames = self.frames(source).unwrap_or(0);
        let channels = usize::from(self.format.channels);
        let samples: Vec<f32> =
            label.samples.iter().flat_map(|s| std::iter::repeat_n(*s, channels)).collect();
        let mut bytes = Vec::new();
        self.format.encode(&samples, &mut bytes)?;
        let inserts = label.inserts();
        let mut patch = Patch::new();
        positions::shift(source, &self.riff, &inserts, limits, &mut patch)?;
        // Behind the last whole frame, when the data ends inside one.
        let at = |frame: u64| self.data.start + frame.min(frames) * u64::from(self.format.align);
        let parts = inserts.iter().map(|(frame, _)| (at(*frame), bytes.clone())).collect();
        let added: u64 = inserts.iter().map(|(_, len)| len).sum();
        self.riff.insert_data(parts, frames + added, &mut patch).map_err(|e| e.in_format(ID))?;
        Ok(patch)
    }
}

/// The sound of a file.
///
/// # Errors
/// Those of the container and of the decoder.
pub(crate) fn sound<'a>(source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
    Wave::open(source, limits)?.sound(source, limits)
}

/// Every metadata value that may hold a mark.
fn entries(source: &dyn Source, riff: &Riff, limits: &Limits) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let value = |chunk: &riff::Chunk| {
        let len = chunk.data.end - chunk.data.start;
        if len > limits.metadata_bytes {
            return Err(Error::limit(format!(
                "{len} bytes of metadata, {} are allowed",
                limits.metadata_bytes
            ))
            .in_format(ID)
            .at_place(riff::name(chunk.id))
            .at_offset(chunk.range.start));
        }
        Ok(source.bytes(chunk.data.start, len)?.into_owned())
    };
    for chunk in &riff.chunks {
        let (slot, key, normative) = match chunk.id {
            AIGC => (Slot::Field, "AIGC", true),
            XMP => (Slot::Xmp, "xmp", true),
            XMP_OTHER => (Slot::Xmp, "xmp", false),
            C2PA => (Slot::Jumbf, "c2pa", true),
            _ => {
                let (kind, members) = riff.list(source, chunk, limits)?;
                for m in members.iter().filter(|_| &kind == b"INFO") {
                    let mut text = value(m)?;
                    let end = text.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
                    text.truncate(end);
                    let aigc = m.id == AIGC;
                    entries.push(Entry {
                        slot: if aigc { Slot::Field } else { Slot::Comment },
                        key: riff::name(m.id),
                        value: text,
                        place: format!("RIFF LIST/INFO/{}", riff::name(m.id)),
                        range: m.range.clone(),
                        normative: false,
                    });
                }
                continue;
            }
        };
        entries.push(Entry {
            slot,
            key: key.to_owned(),
            value: value(chunk)?,
            place: format!("RIFF chunk {}", riff::name(chunk.id)),
            range: chunk.range.clone(),
            normative,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
