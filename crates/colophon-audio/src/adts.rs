//! ADTS: frames of AAC one behind the other, as radio and speech services send them (`.aac`).

use std::io::Write;
use std::ops::Range;

use colophon_container::id3;
use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Media, Normalisation, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
    TextPosition,
};

use crate::decode::{Container, Decoder, Part, Sound};
use crate::frames::{self, Frame, Frames, Header as _};
use crate::observe;
use crate::pass::{Pass, Programme};
use crate::tag;

mod encode;
mod header;
mod silence;

use header::{Header, SAMPLES};

const ID: &str = "adts";

/// The format.
pub static FORMAT: Adts = Adts;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "AAC (ADTS)",
    media: Media::Audio,
    extensions: &["aac", "adts"],
    mime: &["audio/aac", "audio/aacp"],
    magic: &[],
    slots: &[
        SlotInfo { slot: Slot::Field, place: "ID3v2 TXXX AIGC", source: "no guide names ADTS; as in MP3" },
        SlotInfo { slot: Slot::Xmp, place: "ID3v2 PRIV XMP", source: "XMP specification part 3, 2.3.3" },
        SlotInfo { slot: Slot::Jumbf, place: "ID3v2 GEOB application/c2pa", source: "C2PA 2.1, A.3.3" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Slot("audio/aac", Normalisation::Raw),
    note: "AAC-LC; the label is spliced in as frames of its own, frames of the programme stay bit for bit; a watermark \
           encodes anew at no lower bit rate; both need ffmpeg; HE-AAC takes metadata and signature only",
};

/// ADTS.
#[derive(Debug)]
pub struct Adts;

impl Format for Adts {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let rest = head.get(tag::end(head).unwrap_or(0)..).unwrap_or_default();
        let header = |at: usize| rest.get(at..).and_then(Header::parse);
        match header(0) {
            Some(first) if header(first.len()).is_some_and(|h| h.alike(&first)) => 90,
            Some(_) => 20,
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
        let file = File::open(source, limits)?;
        let mut notes = file.tag.iter().flat_map(|t| t.notes.clone()).collect::<Vec<_>>();
        let mut frames = Frames::<Header>::new(source, file.sound.clone());
        let (mut count, mut blocks, mut bits) = (0_u64, 0_u64, 0_u64);
        while let Some(f) = frames.next()? {
            count += 1;
            blocks += u64::from(f.header.blocks);
            bits += f.header.len() as u64 * 8;
        }
        if frames.junk > 0 {
            notes.push(format!("{} bytes between the frames are no sound", frames.junk));
        }
        let h = file.first.header;
        let seconds = (blocks * SAMPLES) as f64 / f64::from(h.rate);
        let mut properties = Properties {
            sample_rate: Some(h.rate),
            channels: h.channels(),
            duration_s: Some(seconds),
            ..Properties::default()
        };
        properties.other.insert("codec".to_owned(), "aac".to_owned());
        if count > 0 {
            let rate = bits as f64 / seconds / 1000.0;
            properties.other.insert("bitrate".to_owned(), format!("{rate:.0} kbit/s"));
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
        tag::edit(ID, File::open(source, limits)?.tag.as_ref(), edits)
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
        let channels = file.renderable(source, cx)?;
        let again = || Ok(Box::new(file.sound(source, cx.limits)?) as Box<dyn Sound>);
        let frames = frames::count::<Header>(source, file.sound.clone())?.0 * SAMPLES;
        let rate = file.first.header.rate;
        let programme = Programme { id: ID, rate, channels, frames: Some(frames), open: &again };
        if let [SignalOp::Label(spec)] = ops
            && let label = programme.label(spec)?
            && let Some(end) = label.at_an_end()
        {
            // Between frames, which stay what they are.
            let coded = encode::label(source, &file, channels, &label, cx)?;
            let mut patch = Patch::new();
            let at = if end == TextPosition::Start { file.sound.start } else { file.sound.end };
            patch.insert(at, coded);
            patch.apply(source, out)?;
            return Ok(label.records().into_iter().map(Placed::Label).collect());
        }
        encode::passed(source, &file, channels, Pass::new(&programme, ops)?, cx, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let file = File::open(source, cx.limits)?;
        observe::observe(queries, 0.0, &|| Ok(Box::new(file.sound(source, cx.limits)?)))
    }
}

/// The sound of a file.
///
/// # Errors
/// Those of the container and of the decoder.
pub(crate) fn sound<'a>(source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
    Ok(Box::new(File::open(source, limits)?.sound(source, limits)?))
}

/// A file that has at least one frame.
struct File {
    tag: Option<id3::Tag>,
    first: Frame<Header>,
    /// From the first frame to the tags at the end.
    sound: Range<u64>,
}

impl File {
    fn open(source: &dyn Source, limits: &Limits) -> Result<Self> {
        let tag = id3::read(source, 0, limits).map_err(|e| e.in_format(ID))?;
        let start = tag.as_ref().map_or(0, |t| t.range.end);
        let end = tag::end_of_sound(source, start)?;
        let first = Frames::<Header>::new(source, start..end)
            .next()?
            .ok_or_else(|| Error::malformed(ID, "there are no frames of AAC").at_offset(start))?;
        let sound = first.range.start..end;
        Ok(Self { tag, first, sound })
    }

    fn tag_end(&self) -> u64 {
        self.tag.as_ref().map_or(0, |t| t.range.end)
    }

    fn sound<'a>(&self, source: &'a dyn Source, limits: &Limits) -> Result<Stream<'a>> {
        if self.first.header.blocks > 1 {
            return Err(Error::unsupported(ID, "several blocks of AAC in a frame are not decoded"));
        }
        Stream::open(source, self.sound.clone(), limits)
    }

    /// Channels of a stream that can be labelled and encoded anew.
    ///
    /// # Errors
    /// `Unsupported` for streams that would not be what they were, `MissingTool`.
    fn renderable(&self, source: &dyn Source, cx: &RenderCx<'_>) -> Result<u16> {
        let h = self.first.header;
        let refused = |why: &str| Err(Error::unsupported(ID, why));
        if h.profile != header::LC {
            return refused("only AAC-LC is encoded: metadata and signature alone can be written");
        }
        let Some(channels) = h.channels() else {
            return refused(
                "the channels are described inside the stream: metadata and signature alone can be written",
            );
        };
        // What HE-AAC adds is hidden in frames that look like AAC-LC at half the rate.
        if h.rate <= header::CORE_MAX_HZ && encode::is_high_efficiency(source, self, cx)? {
            return refused("HE-AAC would lose its upper half: metadata and signature alone can be written");
        }
        Ok(channels)
    }
}

/// Decoded frames, with a way to any of them: the decoder's reader has none.
struct Stream<'a> {
    source: &'a dyn Source,
    range: Range<u64>,
    limits: Limits,
    decoder: Decoder<'a>,
}

impl<'a> Stream<'a> {
    fn open(source: &'a dyn Source, range: Range<u64>, limits: &Limits) -> Result<Self> {
        let part = Part::new(Vec::new(), source, range.clone());
        let decoder = Decoder::open(ID, Container::Adts, part, limits)?;
        Ok(Self { source, range, limits: limits.clone(), decoder })
    }
}

impl Sound for Stream<'_> {
    fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    fn channels(&self) -> u16 {
        self.decoder.channels()
    }

    fn seek(&mut self, seconds: f64) -> Result<f64> {
        let rate = f64::from(self.rate());
        // One frame earlier: it overlaps with the one asked for.
        let wanted = ((seconds.max(0.0) * rate) as u64 / SAMPLES).saturating_sub(1);
        let mut frames = Frames::<Header>::new(self.source, self.range.clone());
        let mut passed = 0;
        let mut from = self.range.start;
        while let Some(f) = frames.next()? {
            from = f.range.start;
            if passed == wanted {
                break;
            }
            passed += 1;
        }
        let part = Part::new(Vec::new(), self.source, from..self.range.end);
        self.decoder = Decoder::open(ID, Container::Adts, part, &self.limits)?;
        Ok((passed * SAMPLES) as f64 / rate)
    }

    fn next_f32(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        self.decoder.next_f32(out)
    }
}

#[cfg(test)]
mod tests;
