//! Opus packets to samples, and the samples of a label to packets.

use colophon_container::ogg::Packets;
use colophon_core::{Error, ErrorKind, Limits, Result, Source};
use opus_rs::multistream::{ChannelMappingTable, MultistreamDecoder};
use opus_rs::{Application, OpusDecoder, OpusEncoder};

use super::{OPUS_RATE, OggFile};
use crate::decode::Sound;

/// Longest packet in samples per channel: 120 ms (RFC 6716, 3.2.5).
const LONGEST: usize = 5760;

/// Samples of one Opus frame by its configuration, at 48 kHz (RFC 6716, table 2).
fn frame_samples(toc: u8) -> u64 {
    let config = toc >> 3;
    match config {
        // SILK: 10, 20, 40, 60 ms.
        0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        // Hybrid: 10, 20 ms.
        12..=15 => [480, 960][usize::from(config & 1)],
        // CELT: 2.5, 5, 10, 20 ms.
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    }
}

/// Samples per channel of a packet; 0 when it is not valid.
pub(super) fn packet_samples(packet: &[u8]) -> u64 {
    let Some(toc) = packet.first() else { return 0 };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |b| u64::from(b & 0x3f)),
    };
    let samples = frame_samples(*toc) * count;
    if samples <= LONGEST as u64 { samples } else { 0 }
}

/// A label as packets of 20 ms, with the samples of each; coded in mono, which decoders play on both channels of a
/// stereo stream (RFC 7845, 4), and with CELT alone. `None` when the encoder fails.
pub(super) fn encode_label(mono: &[f32], kbps: u32) -> Option<Vec<(Vec<u8>, u64)>> {
    const FRAME: usize = 960;
    let mut encoder = OpusEncoder::new(OPUS_RATE as i32, 1, Application::RestrictedLowDelay).ok()?;
    encoder.bitrate_bps = kbps as i32 * 1000;
    let mut packets = Vec::new();
    let mut packet = vec![0; 4000];
    for frame in mono.chunks(FRAME) {
        let mut samples = frame.to_vec();
        samples.resize(FRAME, 0.0);
        let len = encoder.encode(&samples, FRAME, &mut packet).ok()?;
        let bytes = packet.get(..len).filter(|p| packet_samples(p) == FRAME as u64)?;
        packets.push((bytes.to_vec(), FRAME as u64));
    }
    Some(packets)
}

/// A decoder at some place of a stream.
pub(super) struct Reader<'a> {
    id: &'static str,
    packets: Packets<'a>,
    decoder: Any,
    channels: u16,
    /// Samples not to be played, at the start.
    skip: u64,
    /// Samples still to be played.
    left: u64,
    /// Samples the time limit leaves.
    allowed: u64,
    pcm: Vec<f32>,
}

enum Any {
    One(Box<OpusDecoder>),
    Many(Box<MultistreamDecoder>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &OggFile, source: &'a dyn Source, limits: &Limits) -> Result<Self> {
        let h = &file.stream.head;
        let failed = |e: &'static str| {
            Error::unsupported(file.id, "the stream cannot be decoded").because(e.to_owned())
        };
        let channels = usize::from(file.channels);
        let family = h.get(18).copied().unwrap_or(0);
        let decoder = if family == 0 && channels <= 2 {
            // One stream of one or two channels.
            Any::One(Box::new(OpusDecoder::new(OPUS_RATE as i32, channels).map_err(failed)?))
        } else {
            // Streams, coupled streams, and a table of what goes where (RFC 7845, 5.1.1).
            let table =
                ChannelMappingTable::parse(family, file.channels as u8, h.get(19..).unwrap_or_default());
            let table =
                table.filter(|t| t.stream_count > 0 && t.coupled_count <= t.stream_count).ok_or_else(
                    || Error::malformed(file.id, "the channel mapping does not hold together").at_offset(0),
                )?;
            Any::Many(Box::new(MultistreamDecoder::new(OPUS_RATE as i32, table).map_err(failed)?))
        };
        Ok(Self {
            id: file.id,
            packets: Packets::new(source, file.stream.headers.end, file.stream.serial, limits),
            decoder,
            channels: file.channels,
            skip: file.skip,
            left: file.samples(),
            allowed: limits.seconds.saturating_mul(u64::from(OPUS_RATE)),
            pcm: vec![0.0; LONGEST * channels],
        })
    }
}

impl Sound for Reader<'_> {
    fn rate(&self) -> u32 {
        OPUS_RATE
    }

    fn channels(&self) -> u16 {
        self.channels
    }

    fn seek(&mut self, _seconds: f64) -> Result<f64> {
        Err(Error::new(ErrorKind::Unsupported, "decoding starts at the beginning").in_format(self.id))
    }

    fn next_f32(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        while self.left > 0 {
            let Some((packet, _)) = self.packets.next_packet().map_err(|e| e.in_format(self.id))? else {
                return Ok(false);
            };
            let expected = packet_samples(&packet);
            if expected == 0 {
                continue;
            }
            let decoded = match &mut self.decoder {
                Any::One(d) => d.decode(&packet, expected as usize, &mut self.pcm),
                Any::Many(d) => d.decode(&packet, expected as usize, &mut self.pcm),
            };
            // A packet that cannot be decoded is silent for as long as it says.
            let samples = decoded.unwrap_or_else(|_| {
                self.pcm.fill(0.0);
                expected as usize
            }) as u64;
            let skipped = samples.min(self.skip);
            self.skip -= skipped;
            let played = (samples - skipped).min(self.left);
            self.left -= played;
            self.allowed = self
                .allowed
                .checked_sub(played)
                .ok_or_else(|| Error::limit("the sound is longer than allowed").in_format(self.id))?;
            if played == 0 {
                continue;
            }
            let width = usize::from(self.channels);
            let from = skipped as usize * width;
            out.clear();
            out.extend_from_slice(self.pcm.get(from..from + played as usize * width).unwrap_or_default());
            return Ok(true);
        }
        Ok(false)
    }
}
