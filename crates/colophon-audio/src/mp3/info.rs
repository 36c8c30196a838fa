//! The frame that describes a stream: `Xing`, `Info` or `VBRI`, with the extension that LAME began.
//!
//! Sources: G. Bouvigne, "MP3 Tag" revision 1 (LAME tag); Xing Technologies' header as published with their SDK;
//! Fraunhofer's VBRI as documented by the same. All numbers are big-endian.

use super::frame::Header;

/// Decoders run this far behind encoders: the delay in the tag leaves it out.
const FLAGS: [u32; 4] = [1, 2, 4, 8];

/// What the describing frame says, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Info {
    /// Frames of sound behind this one.
    pub(super) frames: Option<u32>,
    /// Samples to be left out at the start and at the end; zero when not given.
    pub(super) trim: (u16, u16),
    frames_at: Option<usize>,
    bytes_at: Option<usize>,
    toc_at: Option<usize>,
    /// LAME's extension, 36 bytes.
    lame_at: Option<usize>,
}

/// What is inserted, for [`Info::updated`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Inserted {
    pub(super) frames: u32,
    pub(super) bytes: u32,
    /// In front of the programme, not behind it.
    pub(super) in_front: bool,
}

impl Info {
    /// Reads the frame; `None` when it holds sound.
    pub(super) fn parse(header: &Header, frame: &[u8]) -> Option<Self> {
        let none =
            Self { frames: None, trim: (0, 0), frames_at: None, bytes_at: None, toc_at: None, lame_at: None };
        if frame.get(36..40) == Some(b"VBRI") {
            // Version, delay, quality, bytes, frames.
            let frames_at = Some(50);
            return Some(Self { frames: number(frame, 50), frames_at, bytes_at: Some(46), ..none });
        }
        // Some programs count the checksum into the offset, some do not.
        let at = [header.side_info().end, header.side_info().end - if header.protected { 2 } else { 0 }]
            .into_iter()
            .find(|at| matches!(frame.get(*at..*at + 4), Some(b"Xing" | b"Info")))?;
        let flags = number(frame, at + 4)?;
        let mut next = at + 8;
        let [frames_at, bytes_at, toc_at, quality_at] = FLAGS.map(|flag| {
            let here = (flags & flag != 0).then_some(next);
            if here.is_some() {
                next += if flag == 4 { 100 } else { 4 };
            }
            here
        });
        let _ = quality_at;
        // The extension begins with the name of the program, in text.
        let lame_at =
            frame.get(next..next + 36).filter(|b| b.first().is_some_and(u8::is_ascii_graphic)).map(|_| next);
        let trim = lame_at.and_then(|l| frame.get(l + 21..l + 24)).map_or((0, 0), |b| {
            let packed = b.iter().fold(0_u32, |n, b| (n << 8) | u32::from(*b));
            ((packed >> 12) as u16, (packed & 0xfff) as u16)
        });
        Some(Self {
            frames: frames_at.and_then(|a| number(frame, a)),
            trim,
            frames_at,
            bytes_at,
            toc_at,
            lame_at,
        })
    }

    /// The frame after an insertion: counts, seek table, lengths and checksums brought up to date. `music_crc` gives
    /// the checksum of everything behind this frame, before and after.
    pub(super) fn updated(&self, frame: &[u8], add: Inserted, music_crc: (u16, u16)) -> Vec<u8> {
        let mut out = frame.to_vec();
        let old_frames = self.frames.unwrap_or(0);
        let old_bytes = self.bytes_at.and_then(|a| number(frame, a)).unwrap_or(0);
        let grow = |out: &mut Vec<u8>, at: Option<usize>, by: u32| {
            if let Some((at, was)) = at.and_then(|a| Some((a, number(frame, a)?))) {
                put(out, at, &was.saturating_add(by).to_be_bytes());
            }
        };
        grow(&mut out, self.frames_at, add.frames);
        grow(&mut out, self.bytes_at, add.bytes);
        if let (Some(at), true) = (self.toc_at, old_frames > 0 && old_bytes > 0) {
            let toc = frame.get(at..at + 100).unwrap_or_default();
            put(&mut out, at, &seek_table(toc, old_frames, old_bytes, frame.len() as u32, add));
        }
        if let Some(lame) = self.lame_at {
            grow(&mut out, Some(lame + 28), add.bytes);
            // Checksums that held before hold afterwards; others are left as they are.
            let crc_at = |at: usize| {
                frame.get(at..at + 2).and_then(<[u8]>::first_chunk).map(|b| u16::from_be_bytes(*b))
            };
            if crc_at(lame + 32) == Some(music_crc.0) {
                put(&mut out, lame + 32, &music_crc.1.to_be_bytes());
            }
            let tag_crc = |bytes: &[u8]| crc(0, bytes.get(..lame + 34).unwrap_or_default());
            if crc_at(lame + 34) == Some(tag_crc(frame)) {
                let now = tag_crc(&out);
                put(&mut out, lame + 34, &now.to_be_bytes());
            }
        }
        out
    }
}

/// A frame that describes `frames`, a stream of constant bit rate: how many they are, how to seek in them, and how many
/// samples are to be left out at the start and at the end.
pub(super) fn build(frames: &[u8], count: u32, trim: (u16, u16)) -> Vec<u8> {
    let Some(mut head) = frames.first_chunk::<4>().copied() else { return Vec::new() };
    // No checksum; the lowest bit rate whose frames have the room.
    head[1] |= 1;
    let fitting = (1..15).find_map(|index| {
        head[2] = (head[2] & 0x0d) | (index << 4);
        Header::parse(head).filter(|h| h.len >= h.side_info().end + 156)
    });
    let Some(header) = fitting else { return Vec::new() };
    let mut out = head.to_vec();
    out.resize(header.len, 0);
    let at = header.side_info().end;
    put(&mut out, at, b"Info\0\0\0\x0f");
    put(&mut out, at + 8, &count.to_be_bytes());
    let bytes = frames.len() as u32 + header.len as u32;
    put(&mut out, at + 12, &bytes.to_be_bytes());
    let table: Vec<u8> = (0..100_u32).map(|i| (i * 256 / 100) as u8).collect();
    put(&mut out, at + 16, &table);
    let lame = at + 120;
    put(&mut out, lame, b"Lavc lame");
    let packed = (u32::from(trim.0 & 0xfff) << 12) | u32::from(trim.1 & 0xfff);
    put(&mut out, lame + 21, packed.to_be_bytes().get(1..).unwrap_or_default());
    put(&mut out, lame + 28, &bytes.to_be_bytes());
    put(&mut out, lame + 32, &crc(0, frames).to_be_bytes());
    let sum = crc(0, out.get(..lame + 34).unwrap_or_default());
    put(&mut out, lame + 34, &sum.to_be_bytes());
    out
}

/// A hundred entries: which part of the bytes, in 256ths, lies before each percent of the time.
fn seek_table(toc: &[u8], frames: u32, bytes: u32, own: u32, add: Inserted) -> Vec<u8> {
    let (n, m) = (f64::from(frames), f64::from(add.frames));
    let total = f64::from(bytes) + f64::from(add.bytes);
    // The old byte position at a share of the old time, between two entries.
    let old = |share: f64| {
        let x = (share * 100.0).clamp(0.0, 100.0);
        let entry = |i: usize| toc.get(i).map_or(256.0, |b| f64::from(*b));
        let i = x as usize;
        (entry(i) + (entry(i + 1) - entry(i)) * x.fract()) / 256.0 * f64::from(bytes)
    };
    (0..100)
        .map(|percent| {
            let f = f64::from(percent) / 100.0 * (n + m);
            let inserted = |f: f64| f / m * f64::from(add.bytes);
            let at = match (add.in_front, f) {
                (true, f) if f < m => f64::from(own) + inserted(f),
                (true, f) => old((f - m) / n) + f64::from(add.bytes),
                (false, f) if f < n => old(f / n),
                (false, f) => f64::from(bytes) + inserted(f - n),
            };
            (at / total * 256.0).clamp(0.0, 255.0) as u8
        })
        .collect()
}

/// CRC-16 with the polynomial 0x8005, bits reversed, as LAME uses it; continues from `crc`.
pub(super) fn crc(crc: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(crc, |mut crc, b| {
        crc ^= u16::from(*b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xa001 } else { crc >> 1 };
        }
        crc
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = out.get_mut(at..at + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}
