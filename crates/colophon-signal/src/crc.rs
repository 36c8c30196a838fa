//! The checksum that guards a mark's payload.

/// CRC-16 with polynomial 0x1021, initial value 0xFFFF, bits taken most significant first, no reflection, no final
/// complement (the parameters catalogued as CRC-16/IBM-3740).
///
/// `bits` holds one bit per item; any value but 0 counts as 1.
pub fn crc16_bits(bits: &[u8]) -> u16 {
    bits.iter().fold(0xFFFF, |crc, &bit| step(crc, bit != 0))
}

/// [`crc16_bits`] over whole bytes, most significant bit first.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| (0..8).rev().fold(crc, |crc, i| step(crc, byte >> i & 1 != 0)))
}

fn step(crc: u16, bit: bool) -> u16 {
    let feedback = (crc >> 15 != 0) != bit;
    (crc << 1) ^ if feedback { 0x1021 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the catalogue: the digits 1 to 9 in ASCII.
    #[test]
    fn check_value_of_the_nine_digits() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
    }

    #[test]
    fn bits_and_bytes_agree() {
        let bytes = 0x0123_4567_89AB_CDEF_u64.to_be_bytes();
        let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
        assert_eq!(crc16(&bytes), crc16_bits(&bits));
    }

    #[test]
    fn every_single_bit_error_is_seen() {
        let good = crc16(&[0; 8]);
        for bit in 0..64 {
            let mut bytes = [0u8; 8];
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(crc16(&bytes), good);
        }
    }
}
