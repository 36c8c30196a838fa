//! A frame of silence.
//!
//! A frame is windowed by the form of the one in front of it. Behind a frame of plain silence a programme decodes as it did at
//! the start of its stream, to the last bit.
//!
//! Source: ISO/IEC 14496-3, 4.4.2 (`raw_data_block`) and table 1.19 (the elements of a channel configuration).

use super::header::Header;

/// Elements of `raw_data_block` by their number there.
const SINGLE: u32 = 0;
const PAIR: u32 = 1;
const LFE: u32 = 3;
const END: u32 = 7;

/// One frame of the stream that `header` belongs to; `None` where the stream describes its channels itself.
pub(super) fn frame(header: &Header) -> Option<Vec<u8>> {
    let elements: &[u32] = match header.configuration() {
        1 => &[SINGLE],
        2 => &[PAIR],
        3 => &[SINGLE, PAIR],
        4 => &[SINGLE, PAIR, SINGLE],
        5 => &[SINGLE, PAIR, PAIR],
        6 => &[SINGLE, PAIR, PAIR, LFE],
        7 => &[SINGLE, PAIR, PAIR, PAIR, LFE],
        _ => return None,
    };
    let mut bits = Bits::default();
    for (at, element) in elements.iter().enumerate() {
        bits.put(*element, 3);
        // Elements of a kind are told apart by their number among them.
        let tag = elements.iter().take(at).filter(|e| *e == element).count() as u32;
        bits.put(tag, 4);
        if *element == PAIR {
            bits.put(0, 1); // no common window
            bits.channel();
        }
        bits.channel();
    }
    bits.put(END, 3);
    Some(header.framed(&bits.bytes))
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for n in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> n & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// `individual_channel_stream`: gain, one long sine window without bands, no pulses, no noise shaping, no gain control.
    fn channel(&mut self) {
        self.put(0, 8);
        self.put(0, 1 + 2 + 1 + 6 + 1);
        self.put(0, 3);
    }
}
