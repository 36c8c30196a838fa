//! Headers of ADTS frames.
//!
//! Source: ISO/IEC 13818-7, 6.2 (`adts_fixed_header`, `adts_variable_header`), and 14496-3, 1.A.2.2.

use crate::frames;

/// Samples per second by index (ISO/IEC 14496-3, table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// Channels by configuration (table 1.19); configuration 0 describes them inside the stream.
const CHANNELS: [u16; 8] = [0, 1, 2, 3, 4, 5, 6, 8];
/// Profile of AAC-LC.
pub(super) const LC: u8 = 1;
/// Samples per channel of a block.
pub(super) const SAMPLES: u64 = 1024;
/// Highest rate of the core of HE-AAC, whose output has twice as much.
pub(super) const CORE_MAX_HZ: u32 = 24_000;

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The stream is MPEG-2 AAC.
    pub(super) mpeg2: bool,
    /// Audio object type less one.
    pub(super) profile: u8,
    /// Samples per second and channel.
    pub(super) rate: u32,
    configuration: u8,
    /// Blocks of 1024 samples in the frame, 1 to 4.
    pub(super) blocks: u8,
    len: usize,
}

impl Header {
    /// Channels, when the header names them.
    pub(super) fn channels(&self) -> Option<u16> {
        CHANNELS.get(usize::from(self.configuration)).copied().filter(|c| *c > 0)
    }

    /// `channel_configuration`, 0 to 7.
    pub(super) fn configuration(&self) -> u8 {
        self.configuration
    }

    /// A block as a frame of the same stream, without a checksum. It has to be shorter than 8 KiB.
    pub(super) fn framed(&self, block: &[u8]) -> Vec<u8> {
        let rate = RATES.iter().position(|r| *r == self.rate).unwrap_or(0) as u8;
        let len = block.len() + 7;
        let mut frame = vec![
            0xff,
            0xf1,
            (self.profile << 6) | (rate << 2) | (self.configuration >> 2),
            (self.configuration << 6) | ((len >> 11) & 3) as u8,
            (len >> 3) as u8,
            // The buffer's fullness is not given: all bits set.
            ((len << 5) & 0xe0) as u8 | 0x1f,
            0xfc,
        ];
        frame.extend_from_slice(block);
        self.stamp(&mut frame);
        frame
    }

    /// Makes the header of a frame one of the stream that `self` belongs to.
    pub(super) fn stamp(&self, frame: &mut [u8]) {
        if let Some(b) = frame.get_mut(1) {
            *b = (*b & !0x08) | if self.mpeg2 { 0x08 } else { 0 };
        }
    }
}

impl frames::Header for Header {
    const BYTES: usize = 7;

    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, d, e, f, g] = bytes.first_chunk::<7>()?;
        // Twelve bits of sync; the layer is always 0.
        if a != 0xff || b & 0xf6 != 0xf0 {
            return None;
        }
        let len = (usize::from(d & 3) << 11) | (usize::from(e) << 3) | usize::from(f >> 5);
        let blocks = (g & 3) + 1;
        // A checksum follows the header, and positions of the blocks where there are several.
        let least = if b & 1 == 1 { 7 } else { 9 + 2 * usize::from(blocks - 1) };
        (len > least).then_some(Self {
            mpeg2: b & 8 != 0,
            profile: c >> 6,
            rate: *RATES.get(usize::from((c >> 2) & 15))?,
            configuration: ((c & 1) << 2) | (d >> 6),
            blocks,
            len,
        })
    }

    fn len(&self) -> usize {
        self.len
    }

    /// Frames of one stream agree in the fixed header.
    fn alike(&self, other: &Self) -> bool {
        (self.mpeg2, self.profile, self.rate, self.configuration)
            == (other.mpeg2, other.profile, other.rate, other.configuration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Header as _;

    #[test]
    fn iso13818_7_6_2_headers_are_read() {
        let h = Header::parse(&[0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc]).unwrap();
        assert_eq!((h.mpeg2, h.profile, h.rate, h.channels()), (false, LC, 44_100, Some(2)));
        assert_eq!((h.len(), h.blocks), (0x2e << 3 | 3, 1));
        let h = Header::parse(&[0xff, 0xf9, 0x69, 0xc0, 0x10, 0x1f, 0xfd]).unwrap();
        assert_eq!((h.mpeg2, h.profile, h.rate, h.channels(), h.blocks), (true, LC, 11_025, Some(8), 2));
        for none in [
            [0xff, 0xfb, 0x90, 0x64, 0, 0x7f, 0xfc],
            [0xff, 0xf1, 0x7c, 0x80, 0x2e, 0x7f, 0xfc],
            [0xff, 0xf1, 0x50, 0x80, 0x00, 0xe0, 0xfc],
        ] {
            assert_eq!(Header::parse(&none), None, "{none:?}");
        }
    }

    #[test]
    fn frames_of_a_label_take_the_version_of_the_stream() {
        let stream = Header::parse(&[0xff, 0xf9, 0x50, 0x80, 0x2e, 0x7f, 0xfc]).unwrap();
        let mut frame = [0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc];
        stream.stamp(&mut frame);
        assert!(Header::parse(&frame).unwrap().alike(&stream));
    }
}
