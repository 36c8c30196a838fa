//! MP3: MPEG audio layer III frames between tags.

use std::io::Write;
use std::ops::Range;

use colophon_container::id3;
use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch, Placed,
    Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source, TextPosition,
};

use crate::decode::{Container, Decoder, Part, Sound};
use crate::frames::{self, Frame, Frames, Header as _};
use crate::observe;
use crate::pass::{Pass, Programme};
use crate::tag;

mod encode;
mod frame;
mod info;
mod splice;

use frame::Header;
use info::Info;

const ID: &str = "mp3";

/// The format.
pub static FORMAT: Mp3 = Mp3;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "MP3",
    media: Media::Audio,
    extensions: &["mp3"],
    mime: &["audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/mpeg3"],
    magic: &[Magic { offset: 0, bytes: b"ID3" }],
    slots: &[
        SlotInfo { slot: Slot::Field, place: "ID3v2 TXXX AIGC", source: "TC260-PG-202510A" },
        SlotInfo { slot: Slot::Xmp, place: "ID3v2 PRIV XMP", source: "XMP specification part 3, 2.3.3" },
        SlotInfo { slot: Slot::Jumbf, place: "ID3v2 GEOB application/c2pa", source: "C2PA 2.1, A.3.3" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("audio/mpeg"),
    note: "the rhythm is spliced in as frames of its own, frames of the programme stay bit for bit; a watermark encodes \
           anew at no lower bit rate; both need ffmpeg",
};

/// MP3.
#[derive(Debug)]
pub struct Mp3;

impl Format for Mp3 {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let tag = tag::end(head);
        let Some(rest) = head.get(tag.unwrap_or(0)..).filter(|r| !r.is_empty()) else {
            // The tag is longer than the head: most files that begin like this are MP3.
            return if tag.is_some() { 25 } else { 0 };
        };
        let header = |at: usize| rest.get(at..).and_then(<[u8]>::first_chunk).and_then(|b| Header::parse(*b));
        match header(0) {
            Some(first) if header(first.len).is_some_and(|h| h.alike(&first)) => 90,
            Some(_) if tag.is_some() => 90,
            Some(_) => 20,
            // Zeros or junk between tag and sound.
            None if tag.is_some() => 15,
            None => 0,
        }
    }

    fn score_in(&self, head: &[u8], source: &dyn Source) -> u8 {
        self.score(tag::head_behind(head, source).as_deref().unwrap_or(head))
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = Mp3File::open(source, limits)?;
        let mut notes = file.tag.iter().flat_map(|t| t.notes.clone()).collect::<Vec<_>>();
        let mut frames = Frames::<Header>::new(source, file.sound.clone());
        let (mut count, mut bits) = (0_u64, 0_u64);
        while let Some(f) = frames.next()? {
            count += 1;
            bits += f.header.len as u64 * 8;
        }
        if frames.junk > 0 {
            notes.push(format!("{} bytes between the frames are no sound", frames.junk));
        }
        let trim = file.info.as_ref().map_or(0, |(_, i)| u64::from(i.trim.0) + u64::from(i.trim.1));
        if let Some(said) = file.info.as_ref().and_then(|(_, i)| i.frames)
            && u64::from(said) != count
        {
            notes.push(format!("the first frame announces {said} frames, {count} are there"));
        }
        let h = file.first.header;
        let samples = (count * h.samples()).saturating_sub(trim);
        let mut properties = Properties {
            sample_rate: Some(h.rate),
            channels: Some(h.channels),
            duration_s: Some(samples as f64 / f64::from(h.rate)),
            ..Properties::default()
        };
        properties.other.insert("codec".to_owned(), "mp3".to_owned());
        let seconds = (count * h.samples()) as f64 / f64::from(h.rate);
        if seconds > 0.0 {
            properties
                .other
                .insert("bitrate".to_owned(), format!("{:.0} kbit/s", bits as f64 / seconds / 1000.0));
        }
        Ok(Layout {
            entries: file.tag.as_ref().map(tag::entries).unwrap_or_default(),
            media: std::iter::once(file.tag_end()..file.sound.end).collect(),
            properties,
            notes,
            ..Layout::default()
        })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        tag::edit(ID, Mp3File::open(source, limits)?.tag.as_ref(), edits)
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
        let file = Mp3File::open(source, cx.limits)?;
        let again = || Ok(Box::new(file.decoder(source, cx.limits)?) as Box<dyn Sound>);
        let header = file.first.header;
        let frames = file.samples(source)?;
        let programme = Programme {
            id: ID,
            rate: header.rate,
            channels: header.channels,
            frames: Some(frames),
            open: &again,
        };
        if let [SignalOp::Label(spec)] = ops
            && let label = programme.label(spec)?
            && let Some(end) = label.at_an_end()
        {
            // Between frames, which stay what they are.
            let coded = encode::label(&file, &label, cx)?;
            splice::insert(source, &file, &coded, end == TextPosition::Start)?.apply(source, out)?;
            return Ok(label.records().into_iter().map(Placed::Label).collect());
        }
        encode::passed(source, &file, Pass::new(&programme, ops)?, cx, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let file = Mp3File::open(source, cx.limits)?;
        observe::observe(queries, 0.0, &|| Ok(Box::new(file.decoder(source, cx.limits)?)))
    }
}

/// The sound of a file.
///
/// # Errors
/// Those of the container and of the decoder.
pub(crate) fn sound<'a>(source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
    Ok(Box::new(Mp3File::open(source, limits)?.decoder(source, limits)?))
}

/// A file that has at least one frame.
struct Mp3File {
    tag: Option<id3::Tag>,
    /// The first frame of any kind.
    first: Frame<Header>,
    /// The frame that describes the others.
    info: Option<(Range<u64>, Info)>,
    /// From the first frame of sound to the tags at the end.
    sound: Range<u64>,
}

impl Mp3File {
    fn open(source: &dyn Source, limits: &Limits) -> Result<Self> {
        let tag = id3::read(source, 0, limits).map_err(|e| e.in_format(ID))?;
        let start = tag.as_ref().map_or(0, |t| t.range.end);
        let end = tag::end_of_sound(source, start)?;
        let mut frames = Frames::<Header>::new(source, start..end);
        let first = frames.next()?.ok_or_else(|| {
            Error::malformed(ID, "there are no frames of layer III with a fixed bit rate").at_offset(start)
        })?;
        let bytes = source.bytes(first.range.start, first.header.len as u64)?;
        let info = Info::parse(&first.header, &bytes).map(|i| (first.range.clone(), i));
        let from = if info.is_some() { first.range.end } else { first.range.start };
        if from >= end {
            return Err(Error::malformed(ID, "there is no sound behind the first frame").at_offset(from));
        }
        Ok(Self { tag, first, info, sound: from..end })
    }

    fn tag_end(&self) -> u64 {
        self.tag.as_ref().map_or(0, |t| t.range.end)
    }

    fn decoder<'a>(&self, source: &'a dyn Source, limits: &Limits) -> Result<Decoder<'a>> {
        let range = self.first.range.start..self.sound.end;
        Decoder::open(ID, Container::Mp3, Part::new(Vec::new(), source, range), limits)
    }

    /// Samples per channel that are played.
    fn samples(&self, source: &dyn Source) -> Result<u64> {
        let trim = self.info.as_ref().map_or(0, |(_, i)| u64::from(i.trim.0) + u64::from(i.trim.1));
        Ok((self.count(source)?.0 * self.first.header.samples()).saturating_sub(trim))
    }

    /// Frames of sound, and their bytes.
    fn count(&self, source: &dyn Source) -> Result<(u64, u64)> {
        frames::count::<Header>(source, self.sound.clone())
    }
}

#[cfg(test)]
mod tests;
