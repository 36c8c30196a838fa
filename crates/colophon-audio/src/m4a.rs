//! M4A: sound alone in an ISO base media file, AAC or Apple Lossless.

use std::fs::File as Disk;
use std::io::{Read, Seek, SeekFrom, Write};

use colophon_container::bmff::{
    self, Boxes, Fields,
    edit::{Change, changes, edit},
    metadata,
    movie::{self, Movie, Track},
};
use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch, Placed,
    Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::decode::{Container, Decoder, Part, Sound};
use crate::ffmpeg::Job;
use crate::observe;
use crate::pass::{Pass, Programme};

const ID: &str = "m4a";
/// Bit rates the AAC encoder is asked for, per channel, kilobits per second.
const KBPS: (f64, f64) = (48.0, 256.0);

/// The format.
pub static FORMAT: M4a = M4a;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "M4A",
    media: Media::Audio,
    extensions: &["m4a", "m4b"],
    mime: &["audio/mp4", "audio/x-m4a"],
    // Brands of files that hold sound alone (iTunes); the last is encrypted.
    magic: &[
        Magic { offset: 4, bytes: b"ftypM4A " },
        Magic { offset: 4, bytes: b"ftypM4B " },
        Magic { offset: 4, bytes: b"ftypM4P " },
    ],
    slots: &[
        SlotInfo {
            slot: Slot::Field,
            place: "moov/udta/meta key AIGC",
            source: "TC260-PG-20257A, as for MP4",
        },
        SlotInfo { slot: Slot::Xmp, place: "XMP uuid box", source: "XMP specification part 3, 1.2.5" },
        SlotInfo { slot: Slot::Jumbf, place: "C2PA uuid box", source: "C2PA 2.4, A.5.1" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("audio/mp4"),
    note: "label and watermark through ffmpeg, AAC again as AAC at no lower rate, Apple Lossless without loss; \
           tags and cover are kept; metadata alone never touches coded sound",
};

/// M4A.
#[derive(Debug)]
pub struct M4a;

impl Format for M4a {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = File::open(source, limits)?;
        let mut layout = Layout {
            entries: metadata::entries(source, &file.boxes, "AIGC", false, limits)?,
            media: file.boxes.of(*b"mdat").map(|n| n.range.clone()).collect(),
            notes: file.boxes.notes.clone(),
            properties: Properties {
                sample_rate: Some(file.track.sample_rate),
                channels: Some(file.track.channels),
                duration_s: file.seconds(),
                ..Properties::default()
            },
            ..Layout::default()
        };
        layout.properties.other.insert("codec".to_owned(), bmff::name(file.track.codec));
        if file.track.encrypted {
            layout.notes.push("the sound is encrypted: it can be neither examined nor marked".to_owned());
        }
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        let changes = changes(ID, edits)?;
        let boxes = bmff::walk(source, limits).map_err(|e| e.in_format(ID))?;
        edit(source, &boxes, &changes, false, limits).map_err(|e| e.in_format(ID))
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
        let again = || file.sound(source, cx.limits);
        // Only decoding tells how many samples there are, and of how many channels.
        let mut first = Vec::new();
        let mut sound = again()?;
        if !sound.next_f32(&mut first)? {
            return Err(Error::malformed(ID, "there are no samples"));
        }
        let programme = Programme {
            id: ID,
            rate: sound.rate(),
            channels: sound.channels(),
            frames: file.seconds().map(|s| (s * f64::from(sound.rate())) as u64),
            open: &again,
        };
        let pass = Pass::new(&programme, ops)?;
        file.anew(source, &programme, pass, cx, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let file = File::open(source, cx.limits)?;
        observe::observe(queries, file.seconds().unwrap_or(0.0), &|| file.sound(source, cx.limits))
    }
}

/// The sound of a file.
///
/// # Errors
/// Those of the container and of the decoder.
pub(crate) fn sound<'a>(source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
    File::open(source, limits)?.sound(source, limits)
}

/// A walked file with its track of sound.
struct File {
    boxes: Boxes,
    movie: Movie,
    track: Track,
    /// Samples that are not played at the start, and how many are played, by the edit list.
    played: Option<(u64, u64)>,
}

impl File {
    fn open(source: &dyn Source, limits: &Limits) -> Result<Self> {
        let boxes = bmff::walk(source, limits).map_err(|e| e.in_format(ID))?;
        let movie = movie::read(source, &boxes, limits).map_err(|e| e.in_format(ID))?;
        let number = movie.tracks.iter().position(|t| &t.handler == b"soun");
        let number = number.ok_or_else(|| Error::malformed(ID, "there is no track of sound"))?;
        let track =
            movie.tracks.get(number).cloned().ok_or_else(|| Error::malformed(ID, "there is no track"))?;
        if track.sample_rate == 0 {
            return Err(Error::malformed(ID, "the sampling rate is zero"));
        }
        let played = played(source, &boxes, number, track.sample_rate)?;
        Ok(Self { boxes, movie, track, played })
    }

    fn seconds(&self) -> Option<f64> {
        let rate = f64::from(self.track.sample_rate);
        self.played.map(|(_, n)| n as f64 / rate).or(self.track.duration_s).or(self.movie.duration_s)
    }

    fn sound<'a>(&self, source: &'a dyn Source, limits: &Limits) -> Result<Box<dyn Sound + 'a>> {
        if self.track.encrypted {
            return Err(Error::unsupported(ID, "the sound is encrypted"));
        }
        let decoder =
            Decoder::open(ID, Container::Mp4, Part::new(Vec::new(), source, 0..source.len()), limits)?;
        let (skip, left) = self.played.unwrap_or((0, u64::MAX));
        Ok(Box::new(Trimmed { decoder, skip, left, whole: (skip, left) }))
    }

    /// Writes the sound as it comes out of `pass`, with the tags of this file.
    fn anew(
        &self,
        source: &dyn Source,
        programme: &Programme<'_>,
        pass: Pass<'_>,
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let coded: u64 = self.boxes.of(*b"mdat").map(bmff::Node::len).sum();
        let average = coded as f64 * 8.0 / self.seconds().unwrap_or(0.0).max(0.001) / 1000.0;
        let width = f64::from(programme.channels);
        let kbps = format!("{:.0}k", average.clamp(KBPS.0 * width, KBPS.1 * width));
        let rate = programme.rate.to_string();
        // The duration in the edit list is counted in the movie's time scale: one tick a sample.
        let mut arguments = vec!["-y", "-movie_timescale", &rate];
        match (&self.track.codec, self.track.bit_depth) {
            (b"alac", 17..) => arguments.extend(["-c:a", "alac", "-sample_fmt", "s32p"]),
            (b"alac", _) => arguments.extend(["-c:a", "alac", "-sample_fmt", "s16p"]),
            _ => arguments.extend(["-c:a", "aac", "-b:a", &kbps]),
        }
        arguments.extend(["-f", "ipod"]);
        let job = Job {
            id: ID,
            tool: cx.tools.ffmpeg.as_deref(),
            rate: programme.rate,
            channels: programme.channels,
            arguments: &arguments,
            limits: cx.limits,
        };
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sound.m4a");
        let mut sound = self.sound(source, cx.limits)?;
        let mut placed = Vec::new();
        job.encode_into(&path, |feed| {
            placed = pass.through(&mut *sound, |ready| feed.push(ready))?;
            Ok(())
        })?;
        let mut encoded = Vec::new();
        let mut disk = Disk::open(&path)?;
        let len = disk.seek(SeekFrom::End(0))?;
        if len > cx.limits.decoded_bytes {
            return Err(Error::limit("the encoded sound is larger than allowed").in_format(ID));
        }
        disk.rewind()?;
        disk.read_to_end(&mut encoded)?;

        let boxes = bmff::walk(&encoded, cx.limits).map_err(|e| e.in_format(ID))?;
        let whole = |node: &bmff::Node| Ok(source.bytes(node.range.start, node.len())?.into_owned());
        let moov = self.boxes.movie()?;
        let user = moov.of(*b"udta").chain(moov.of(*b"meta")).map(whole).collect::<Result<Vec<_>>>()?;
        let mut changes = vec![Change::UserData(user)];
        for node in self.boxes.of(*b"uuid").filter(|n| n.uuid == Some(metadata::XMP_UUID)) {
            changes.push(Change::Append(whole(node)?));
        }
        edit(&encoded, &boxes, &changes, false, cx.limits)
            .map_err(|e| e.in_format(ID))?
            .apply(&encoded, out)?;
        Ok(placed)
    }
}

/// What the edit list of a track says is played (ISO/IEC 14496-12, 8.6.6), when it is one plain stretch: samples left
/// out at the start, and samples played.
fn played(source: &dyn Source, boxes: &Boxes, track: usize, rate: u32) -> Result<Option<(u64, u64)>> {
    let moov = boxes.movie()?;
    let trak = moov.of(*b"trak").nth(track);
    let table = |node: Option<&bmff::Node>| node.map(|n| n.table(source)).transpose();
    let Some(list) = table(trak.and_then(|t| t.find(&[*b"edts", *b"elst"])))? else { return Ok(None) };
    let Some(movie) = table(moov.find(&[*b"mvhd"]))? else { return Ok(None) };
    let Some(media) = table(trak.and_then(|t| t.find(&[*b"mdia", *b"mdhd"])))? else { return Ok(None) };
    // Version and flags, two times, the time scale.
    let scale = |bytes: &[u8]| {
        let mut f = Fields::new(bytes);
        let (version, _) = f.full()?;
        f.by_version(version)?;
        f.by_version(version)?;
        f.u32().filter(|s| *s > 0)
    };
    let one = || {
        let mut f = Fields::new(&list);
        let (version, _) = f.full()?;
        (f.u32()? == 1).then_some(())?;
        let (length, start) = (f.by_version(version)?, f.by_version(version)?);
        // All bits set: an empty stretch. A length of 0 stands for everything, in files of fragments.
        let empty = if version == 0 { start == u64::from(u32::MAX) } else { start == u64::MAX };
        (!empty && length > 0).then_some(())?;
        let in_samples = |n: u64, scale: u32| {
            u64::try_from((u128::from(n) * u128::from(rate) + u128::from(scale) / 2) / u128::from(scale)).ok()
        };
        Some((in_samples(start, scale(&media)?)?, in_samples(length, scale(&movie)?)?))
    };
    Ok(one())
}

/// Sound without the samples that are not played.
struct Trimmed<'a> {
    decoder: Decoder<'a>,
    skip: u64,
    left: u64,
    /// Both, at the start.
    whole: (u64, u64),
}

impl Sound for Trimmed<'_> {
    fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    fn channels(&self) -> u16 {
        self.decoder.channels()
    }

    fn seek(&mut self, seconds: f64) -> Result<f64> {
        let rate = f64::from(self.rate());
        let skipped = self.whole.0 as f64 / rate;
        let at = self.decoder.seek(seconds + skipped)?;
        let before = (at * rate).round() as u64;
        self.skip = self.whole.0.saturating_sub(before);
        self.left = self.whole.1.saturating_sub(before.saturating_sub(self.whole.0));
        Ok((at - skipped).max(0.0))
    }

    fn next_f32(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        while self.left > 0 && self.decoder.next_f32(out)? {
            let width = usize::from(self.decoder.channels().max(1));
            let frames = (out.len() / width) as u64;
            let skipped = frames.min(self.skip);
            self.skip -= skipped;
            let played = (frames - skipped).min(self.left);
            self.left -= played;
            out.drain(..skipped as usize * width);
            out.truncate(played as usize * width);
            if played > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
