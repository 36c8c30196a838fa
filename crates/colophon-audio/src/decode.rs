//! Coded sound to samples, piece by piece, in bounded memory.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use colophon_core::{Error, ErrorKind, Limits, Result, Source, SourceReader};
use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::units::Time;
use symphonia::default::formats::{AdtsReader, FlacReader, IsoMp4Reader, MpaReader, OggReader, WavReader};

/// Containers the decoder reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// ADTS frames without tags.
    Adts,
    /// FLAC without anything in front.
    Flac,
    /// MPEG audio frames without tags.
    Mp3,
    /// ISO base media file.
    Mp4,
    /// Ogg.
    Ogg,
    /// WAVE.
    Wav,
}

/// Sound as a stream of samples.
pub(crate) trait Sound: Send {
    /// Samples per second and channel.
    fn rate(&self) -> u32;

    /// Channels, 0 when only decoding tells.
    fn channels(&self) -> u16;

    /// Goes to `seconds` or a little before; the second at which the stream goes on.
    ///
    /// # Errors
    /// Decoder errors.
    fn seek(&mut self, seconds: f64) -> Result<f64>;

    /// The next samples, interleaved, full scale is 1; false at the end.
    ///
    /// # Errors
    /// `Limit` for sound longer than allowed, `Malformed` for a broken container, `Io`.
    fn next_f32(&mut self, out: &mut Vec<f32>) -> Result<bool>;

    /// Passes over up to `frames` sample frames where that takes no decoding; how many were passed over. Coded sound
    /// passes over none.
    fn pass_over(&mut self, frames: u64) -> u64 {
        let _ = frames;
        0
    }
}

/// A decoder at some place of a sound. Packets that cannot be decoded are counted and left out.
pub(crate) struct Decoder<'a> {
    id: &'static str,
    reader: Box<dyn FormatReader + 'a>,
    codec: Box<dyn AudioDecoder>,
    track: u32,
    rate: u32,
    channels: u16,
    max_frames: u64,
    frames: u64,
    skipped: u64,
}

impl<'a> Decoder<'a> {
    /// A decoder for `part`, which is a whole file of that container.
    ///
    /// # Errors
    /// `Unsupported` for a codec that is not known, `Malformed` when the headers do not hold together.
    pub(crate) fn open(
        id: &'static str,
        container: Container,
        part: Part<'a>,
        limits: &Limits,
    ) -> Result<Self> {
        let stream = MediaSourceStream::new(Box::new(part), MediaSourceStreamOptions::default());
        let options = FormatOptions::default();
        // The container is known: a probe would look for others, and fail on what it does not need.
        let reader: Result<Box<dyn FormatReader + 'a>, _> = match container {
            Container::Adts => AdtsReader::try_new(stream, options).map(|r| Box::new(r) as _),
            Container::Flac => FlacReader::try_new(stream, options).map(|r| Box::new(r) as _),
            Container::Mp3 => MpaReader::try_new(stream, options).map(|r| Box::new(r) as _),
            Container::Mp4 => IsoMp4Reader::try_new(stream, options).map(|r| Box::new(r) as _),
            Container::Ogg => OggReader::try_new(stream, options).map(|r| Box::new(r) as _),
            Container::Wav => WavReader::try_new(stream, options).map(|r| Box::new(r) as _),
        };
        let reader = reader.map_err(|e| failure(id, "the headers cannot be read", e))?;
        let track = reader
            .default_track(TrackType::Audio)
            .ok_or_else(|| Error::unsupported(id, "there is no sound of a codec that can be decoded"))?;
        let params = track
            .codec_params
            .as_ref()
            .and_then(|p| p.audio())
            .ok_or_else(|| Error::unsupported(id, "there is no sound of a codec that can be decoded"))?;
        let codec = symphonia::default::get_codecs()
            .make_audio_decoder(params, &AudioDecoderOptions::default())
            .map_err(|e| failure(id, "the codec is not supported", e))?;
        let rate = params.sample_rate.filter(|r| *r > 0);
        let rate = rate.ok_or_else(|| Error::malformed(id, "the sampling rate is not given"))?;
        let channels = params.channels.as_ref().map_or(0, |c| c.count() as u16);
        let track = track.id;
        Ok(Self {
            id,
            codec,
            track,
            rate,
            channels,
            max_frames: u64::from(rate).saturating_mul(limits.seconds),
            frames: 0,
            skipped: 0,
            reader,
        })
    }

    /// Packets that could not be decoded so far.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// [`Sound::next_f32`] as integers of 32 bits, smaller depths in the upper bits.
    ///
    /// # Errors
    /// As [`Sound::next_f32`].
    pub(crate) fn next_i32(&mut self, out: &mut Vec<i32>) -> Result<bool> {
        self.next_into(|buffer| buffer.copy_to_vec_interleaved(out))
    }

    fn next_into(&mut self, copy: impl FnOnce(GenericAudioBufferRef<'_>)) -> Result<bool> {
        loop {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(false),
                // A file that ends inside its last packet still has all the others.
                Err(Symphonia::IoError(e)) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(e) => return Err(failure(self.id, "the sound cannot be read", e)),
            };
            if packet.track_id != self.track {
                continue;
            }
            match self.codec.decode(&packet) {
                Ok(buffer) if buffer.frames() == 0 => {}
                Ok(buffer) => {
                    self.channels = buffer.num_planes() as u16;
                    self.frames = self.frames.saturating_add(buffer.frames() as u64);
                    if self.frames > self.max_frames {
                        return Err(Error::limit("the sound is longer than allowed").in_format(self.id));
                    }
                    copy(buffer);
                    return Ok(true);
                }
                Err(Symphonia::DecodeError(_) | Symphonia::IoError(_)) => self.skipped += 1,
                Err(e) => return Err(failure(self.id, "the sound cannot be decoded", e)),
            }
        }
    }
}

impl Sound for Decoder<'_> {
    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> u16 {
        self.channels
    }

    fn seek(&mut self, seconds: f64) -> Result<f64> {
        let time = Time::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Time::ZERO);
        let to = SeekTo::Time { time, track_id: Some(self.track) };
        let at = self
            .reader
            .seek(SeekMode::Accurate, to)
            .map_err(|e| failure(self.id, "no way to that place", e))?;
        self.codec.reset();
        let base = self.reader.tracks().iter().find(|t| t.id == self.track).and_then(|t| t.time_base);
        Ok(base.and_then(|b| b.calc_time(at.actual_ts)).map_or(seconds, |t| t.as_secs_f64()))
    }

    fn next_f32(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        self.next_into(|buffer| buffer.copy_to_vec_interleaved(out))
    }
}

fn failure(id: &'static str, what: &str, cause: Symphonia) -> Error {
    let kind = match &cause {
        Symphonia::Unsupported(_) => ErrorKind::Unsupported,
        Symphonia::LimitError(_) => ErrorKind::Limit,
        Symphonia::IoError(e) if e.kind() != io::ErrorKind::UnexpectedEof => ErrorKind::Io,
        _ => ErrorKind::Malformed,
    };
    Error::new(kind, what).in_format(id).because(cause)
}

/// Bytes, then a part of a source, as a file of its own: headers can be replaced, tags left out.
pub(crate) struct Part<'a> {
    head: Vec<u8>,
    range: Range<u64>,
    reader: SourceReader<'a>,
    at: u64,
}

impl<'a> Part<'a> {
    /// `head`, then the bytes of `source` in `range`.
    pub(crate) fn new(head: Vec<u8>, source: &'a dyn Source, range: Range<u64>) -> Self {
        Self { head, range, reader: SourceReader::new(source), at: 0 }
    }

    fn len(&self) -> u64 {
        (self.head.len() as u64).saturating_add(self.range.end.saturating_sub(self.range.start))
    }
}

impl Read for Part<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let head = usize::try_from(self.at).ok().and_then(|at| self.head.get(at..)).unwrap_or_default();
        let n = if head.is_empty() {
            let rest = self.len().saturating_sub(self.at).min(buf.len() as u64) as usize;
            let offset = self.at.saturating_sub(self.head.len() as u64);
            self.reader.seek(SeekFrom::Start(self.range.start.saturating_add(offset)))?;
            self.reader.read(buf.get_mut(..rest).unwrap_or_default())?
        } else {
            let n = head.len().min(buf.len());
            buf.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
            n
        };
        self.at = self.at.saturating_add(n as u64);
        Ok(n)
    }
}

impl Seek for Part<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.len().checked_add_signed(n),
            SeekFrom::Current(n) => self.at.checked_add_signed(n),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}

impl MediaSource for Part<'_> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}
