//! A frame whose samples are stored as they are (RFC 9639, 9): the encoder does not take blocks of fewer than 32
//! samples, and the last block of a stream may have any length.

/// Fewest samples per channel the encoder takes.
pub(super) const SHORTEST: usize = 32;

/// A frame of fewer than [`SHORTEST`] interleaved samples per channel; rate and depth are those of the stream.
pub(super) fn frame(samples: &[i32], channels: usize, bits: u32, number: u32) -> Vec<u8> {
    let size = samples.len() / channels.max(1);
    // Fixed block size; an 8-bit length follows, the rate is the stream's; channels one by one, depth the stream's.
    let mut out = vec![0xff, 0xf8, 0x60, ((channels.max(1) - 1) as u8) << 4];
    coded_number(number, &mut out);
    out.push(size.saturating_sub(1) as u8);
    out.push(crc8(&out));
    let (mut held, mut count) = (0_u64, 0_u32);
    let mut put = |value: u64, width: u32, out: &mut Vec<u8>| {
        held = (held << width) | (value & ((1 << width) - 1));
        count += width;
        while count >= 8 {
            count -= 8;
            out.push((held >> count) as u8);
        }
    };
    for channel in 0..channels {
        // A zero, the type "verbatim", no wasted bits.
        put(0b0000_0010, 8, &mut out);
        for s in samples.iter().skip(channel).step_by(channels) {
            put(*s as u64, bits, &mut out);
        }
    }
    // Seven zeros fill the last byte; those that begin another are dropped with it.
    put(0, 7, &mut out);
    let sum = crc16(&out);
    out.extend_from_slice(&sum.to_be_bytes());
    out
}

/// The frame number in the manner of UTF-8, up to 31 bits (RFC 9639, 9.1.5).
fn coded_number(n: u32, out: &mut Vec<u8>) {
    if n < 0x80 {
        out.push(n as u8);
        return;
    }
    let more = (1..6_u32).find(|more| n < 1 << (5 * more + 6)).unwrap_or(5);
    out.push((0xff_u32 << (7 - more)) as u8 | (n >> (6 * more)) as u8);
    out.extend((0..more).rev().map(|i| 0x80 | ((n >> (6 * i)) & 0x3f) as u8));
}

/// Polynomial x⁸ + x² + x + 1.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc: u8, b| {
        (0..8).fold(crc ^ b, |c, _| if c & 0x80 == 0 { c << 1 } else { (c << 1) ^ 0x07 })
    })
}

/// Polynomial x¹⁶ + x¹⁵ + x² + 1.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, b| {
        (0..8)
            .fold(crc ^ (u16::from(*b) << 8), |c, _| if c & 0x8000 == 0 { c << 1 } else { (c << 1) ^ 0x8005 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9639_9_1_5_numbers_are_coded_like_utf_8() {
        let coded = |n| {
            let mut out = Vec::new();
            coded_number(n, &mut out);
            out
        };
        for c in ['\0', '\x7f', '\u{80}', '\u{7ff}', '\u{800}', '\u{ffff}', '\u{10000}', '\u{10ffff}'] {
            assert_eq!(coded(u32::from(c)), c.to_string().into_bytes());
        }
        assert_eq!(coded(0x7fff_ffff), [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]);
    }
}
