//! Headers of MPEG audio layer III frames.
//!
//! Source: ISO/IEC 11172-3 and 13818-3, 2.4.1 and 2.4.2; the versions below 16 kHz are the common extension "2.5".

use std::ops::Range;

use crate::frames;

/// Kilobits per second by index, MPEG 1 and MPEG 2/2.5, layer III.
const BITRATES: [[u16; 16]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
];
/// Samples per second of MPEG 1 by index; MPEG 2 has half, 2.5 a quarter.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];
/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// MPEG 1, not 2 or 2.5.
    pub(super) mpeg1: bool,
    /// Samples per second and channel.
    pub(super) rate: u32,
    /// Kilobits per second.
    pub(super) kbps: u16,
    /// 1 or 2.
    pub(super) channels: u16,
    /// A checksum follows the header.
    pub(super) protected: bool,
    /// Bytes of the frame, header included.
    pub(super) len: usize,
}

impl Header {
    /// Reads a header; `None` when it is none of layer III with a fixed length.
    pub(super) fn parse(b: [u8; 4]) -> Option<Self> {
        if b[0] != 0xff || b[1] & 0xe0 != 0xe0 || (b[1] >> 1) & 3 != 1 {
            return None;
        }
        let (mpeg1, divisor) = match (b[1] >> 3) & 3 {
            0 => (false, 4),
            2 => (false, 2),
            3 => (true, 1),
            _ => return None,
        };
        let rate = RATES.get(usize::from(b[2] >> 2) & 3)? / divisor;
        let table = if mpeg1 { BITRATES[0] } else { BITRATES[1] };
        // Index 0 is "free", 15 is forbidden.
        let kbps = table.get(usize::from(b[2] >> 4)).copied().filter(|k| *k > 0)?;
        let slots = if mpeg1 { 144_000 } else { 72_000 };
        let len = slots * u32::from(kbps) / rate + u32::from((b[2] >> 1) & 1);
        Some(Self {
            mpeg1,
            rate,
            kbps,
            channels: if b[3] >> 6 == 3 { 1 } else { 2 },
            protected: b[1] & 1 == 0,
            len: len as usize,
        })
    }

    /// The lowest bit rate of layer III that is not below `kbps`.
    pub(super) fn rate_at_least(mpeg1: bool, kbps: f64) -> u16 {
        let table = if mpeg1 { BITRATES[0] } else { BITRATES[1] };
        // An average over frames with and without padding lies a little above the rate.
        table.into_iter().find(|k| f64::from(*k) * 1.01 >= kbps && *k > 0).unwrap_or(if mpeg1 {
            320
        } else {
            160
        })
    }

    /// Samples per channel in a frame.
    pub(super) fn samples(&self) -> u64 {
        if self.mpeg1 { 1152 } else { 576 }
    }

    /// Where the side information stands in the frame.
    pub(super) fn side_info(&self) -> Range<usize> {
        let start = if self.protected { 6 } else { 4 };
        let len = match (self.mpeg1, self.channels) {
            (true, 1) => 17,
            (true, _) => 32,
            (false, 1) => 9,
            (false, _) => 17,
        };
        start..start + len
    }

    /// How many bytes before the frame its data begins (`main_data_begin`).
    pub(super) fn reaches_back(&self, frame: &[u8]) -> Option<usize> {
        let side = frame.get(self.side_info())?;
        Some(match (self.mpeg1, side) {
            (true, [a, b, ..]) => (usize::from(*a) << 1) | usize::from(b >> 7),
            (false, [a, ..]) => usize::from(*a),
            _ => return None,
        })
    }

    /// Bytes of the frame that hold coded sound.
    pub(super) fn main_data(&self) -> usize {
        self.len.saturating_sub(self.side_info().end)
    }
}

impl frames::Header for Header {
    const BYTES: usize = 4;

    fn parse(bytes: &[u8]) -> Option<Self> {
        Self::parse(*bytes.first_chunk()?)
    }

    fn len(&self) -> usize {
        self.len
    }

    /// Frames of one stream agree in these.
    fn alike(&self, other: &Self) -> bool {
        (self.mpeg1, self.rate, self.channels) == (other.mpeg1, other.rate, other.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn iso11172_3_2_4_1_headers_are_read() {
        let h = Header::parse([0xff, 0xfb, 0x90, 0x64]).unwrap();
        assert_eq!((h.rate, h.kbps, h.channels, h.len, h.samples()), (44_100, 128, 2, 417, 1152));
        let h = Header::parse([0xff, 0xf3, 0x84, 0xc4]).unwrap();
        assert_eq!((h.rate, h.kbps, h.channels, h.len, h.samples()), (24_000, 64, 1, 192, 576));
        let h = Header::parse([0xff, 0xe3, 0x28, 0xc4]).unwrap();
        assert_eq!((h.rate, h.kbps, h.len), (8_000, 16, 144));
        for none in
            [[0xff, 0xfb, 0xf0, 0], [0xff, 0xfb, 0x00, 0], [0xff, 0xf1, 0x50, 0x80], [0xff, 0xfd, 0x90, 0]]
        {
            assert_eq!(Header::parse(none), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_walk(bytes in prop::collection::vec(any::<u8>(), 0..3000), lead in 0usize..40) {
            let mut file = vec![0u8; lead];
            file.extend([0xff, 0xfb, 0x10, 0x64]);
            file.extend(bytes);
            let mut frames = frames::Frames::<Header>::new(&file, 0..file.len() as u64);
            let mut at = 0;
            while let Some(f) = frames.next().unwrap() {
                prop_assert!(f.range.start >= at && f.range.end <= file.len() as u64);
                at = f.range.end;
            }
        }
    }
}
