//! Ogg with Vorbis or Opus.

use std::io::Write;

use colophon_container::ogg::{self as container, Codec, Ogg as Stream};
use colophon_container::vorbis_comment;
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::decode::{Container, Decoder, Part, Sound};
use crate::observe;
use crate::pass::{Pass, Programme};

mod encode;
mod opus;

/// Ogg Vorbis.
pub static VORBIS: Ogg = Ogg { info: &VORBIS_INFO, signature: b"\x01vorbis" };
/// Ogg Opus.
pub static OPUS: Ogg = Ogg { info: &OPUS_INFO, signature: b"OpusHead" };

/// Positions of Opus count samples at this rate, whatever the sound came from (RFC 7845, 4).
const OPUS_RATE: u32 = 48_000;
/// Where the first packet stands in a file: behind a page header with one lacing value.
const FIRST_PACKET: usize = 28;

static VORBIS_INFO: FormatInfo = FormatInfo {
    id: "ogg",
    name: "Ogg Vorbis",
    media: Media::Audio,
    extensions: &["ogg", "oga"],
    mime: &["audio/ogg", "audio/vorbis", "application/ogg"],
    magic: &[Magic { offset: FIRST_PACKET, bytes: b"\x01vorbis" }],
    slots: &[SlotInfo { slot: Slot::Field, place: "Vorbis comment AIGC", source: "TC260-PG-202510A" }],
    signal: SignalSupport::Render,
    carrier: Carrier::Sidecar("audio/ogg"),
    note: "a label or watermark encodes the sound anew at no lower bit rate (needs ffmpeg)",
};

static OPUS_INFO: FormatInfo = FormatInfo {
    id: "opus",
    name: "Ogg Opus",
    media: Media::Audio,
    extensions: &["opus"],
    mime: &["audio/opus", "audio/ogg"],
    magic: &[Magic { offset: FIRST_PACKET, bytes: b"OpusHead" }],
    slots: &[SlotInfo { slot: Slot::Field, place: "OpusTags AIGC", source: "TC260-PG-202510A" }],
    signal: SignalSupport::Render,
    carrier: Carrier::Sidecar("audio/ogg"),
    note: "the rhythm is spliced in as packets of its own, packets of the programme stay bit for bit; a watermark \
           encodes anew at no lower bit rate (needs ffmpeg)",
};

/// Ogg with one codec.
#[derive(Debug)]
pub struct Ogg {
    info: &'static FormatInfo,
    signature: &'static [u8],
}

impl Format for Ogg {
    fn info(&self) -> &'static FormatInfo {
        self.info
    }

    fn score(&self, head: &[u8]) -> u8 {
        let first = head.get(FIRST_PACKET..).is_some_and(|h| h.starts_with(self.signature));
        if head.starts_with(b"OggS") && first { 95 } else { 0 }
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = self.open(source, limits)?;
        let stream = &file.stream;
        let mut properties = Properties {
            sample_rate: Some(file.rate),
            channels: Some(file.channels),
            duration_s: Some(file.seconds()),
            ..Properties::default()
        };
        let codec = match stream.codec {
            Codec::Vorbis => "vorbis",
            Codec::Opus => "opus",
        };
        properties.other.insert("codec".to_owned(), codec.to_owned());
        let mut entries = Vec::new();
        for e in &stream.comments.entries {
            let Some((name, value)) = vorbis_comment::split(e) else { continue };
            let aigc = name.to_ascii_uppercase().contains("AIGC");
            if !aigc && !["DESCRIPTION", "COMMENT"].iter().any(|n| name.eq_ignore_ascii_case(n)) {
                continue;
            }
            let key = if name.eq_ignore_ascii_case("AIGC") { "AIGC" } else { name };
            entries.push(Entry {
                slot: if aigc { Slot::Field } else { Slot::Comment },
                key: key.to_owned(),
                value: value.to_vec(),
                place: format!("comment header {name}"),
                // Comments run across pages: the range is that of the header pages.
                range: stream.headers.clone(),
                normative: key == "AIGC",
            });
        }
        Ok(Layout {
            entries,
            media: stream.media.clone(),
            properties,
            notes: stream.notes.clone(),
            ..Layout::default()
        })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let stream = self.open(source, limits)?.stream;
        let mut comments = stream.comments.clone();
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Field, key, value } => comments.set(key, value),
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(self.info.id, format!("no place for {slot:?} {key}")));
                }
                // All comments share the range of the header pages: what is meant is the label.
                Edit::Remove { range } if *range == stream.headers => {
                    comments.entries.retain(|e| !vorbis_comment::is_named(e, "AIGC"));
                }
                Edit::Remove { range } => {
                    return Err(Error::malformed(
                        self.info.id,
                        "no comment occupies the range to be removed",
                    )
                    .at_offset(range.start));
                }
            }
        }
        stream.with_comments(source, &comments, limits).map_err(|e| e.in_format(self.info.id))
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
        let file = self.open(source, cx.limits)?;
        let again = || file.sound(source, cx.limits);
        let programme = Programme {
            id: self.info.id,
            rate: file.rate,
            channels: file.channels,
            frames: Some(file.samples()),
            open: &again,
        };
        if let ([SignalOp::Label(spec)], Codec::Opus) = (ops, file.stream.codec)
            && let label = programme.label(spec)?
            && let Some(end) = label.at_an_end()
        {
            // Between packets, which stay what they are.
            encode::splice(source, &file, &label, end, cx)?.apply(source, out)?;
            return Ok(label.records().into_iter().map(Placed::Label).collect());
        }
        // Everything in one pass through the encoder: sound that is coded with loss is not coded twice.
        encode::anew(source, &file, Pass::new(&programme, ops)?, cx, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let file = self.open(source, cx.limits)?;
        observe::observe(queries, file.seconds(), &|| file.sound(source, cx.limits))
    }
}

impl Ogg {
    /// The sound of a file.
    ///
    /// # Errors
    /// Those of the container and of the decoder.
    pub(crate) fn sound<'a>(&self, source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
        self.open(source, limits)?.sound(source, limits)
    }

    fn open(&self, source: &dyn Source, limits: &Limits) -> Result<OggFile> {
        let id = self.info.id;
        let stream = container::walk(source, limits).map_err(|e| e.in_format(id))?;
        if !stream.head.starts_with(self.signature) {
            return Err(Error::malformed(id, "the first stream of sound has another codec"));
        }
        if stream.media.is_empty() {
            return Err(Error::malformed(id, "there are no samples").at_offset(stream.headers.end));
        }
        let h = &stream.head;
        let short = || Error::malformed(id, "the identification packet is too short").at_offset(0);
        let (rate, channels, skip) = match stream.codec {
            // Signature, version, channels, rate.
            Codec::Vorbis => {
                let rate = h.get(12..16).and_then(<[u8]>::first_chunk).map(|b| u32::from_le_bytes(*b));
                (rate.ok_or_else(short)?, h.get(11), 0)
            }
            // Signature, version, channels, samples to skip.
            Codec::Opus => {
                let skip = h.get(10..12).and_then(<[u8]>::first_chunk).map(|b| u16::from_le_bytes(*b));
                (OPUS_RATE, h.get(9), u64::from(skip.ok_or_else(short)?))
            }
        };
        let channels = u16::from(*channels.ok_or_else(short)?);
        if rate == 0 || channels == 0 {
            return Err(Error::malformed(id, format!("{channels} channels at {rate} Hz")).at_offset(0));
        }
        Ok(OggFile { id, stream, rate, channels, skip })
    }
}

/// A file with its stream of sound.
struct OggFile {
    id: &'static str,
    stream: Stream,
    rate: u32,
    channels: u16,
    /// Samples at the start that are not played.
    skip: u64,
}

impl OggFile {
    /// Samples per channel that are played.
    fn samples(&self) -> u64 {
        self.stream.last_granule.saturating_sub(self.skip)
    }

    fn seconds(&self) -> f64 {
        self.samples() as f64 / f64::from(self.rate)
    }

    fn sound<'a>(&self, source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
        Ok(match self.stream.codec {
            Codec::Vorbis => {
                let part = Part::new(Vec::new(), source, 0..source.len());
                Box::new(Decoder::open(self.id, Container::Ogg, part, limits)?)
            }
            Codec::Opus => Box::new(opus::Reader::new(self, source, limits)?),
        })
    }
}

#[cfg(test)]
mod tests;
