//! Quantisation tables by quality.
//!
//! Source: ISO/IEC 10918-1, Annex K.1, tables K.1 and K.2, in natural order; the scale from 1 to 100 is the one of the Independent
//! JPEG Group, which every encoder follows.

/// Table K.1, luminance.
pub(super) const LUMA: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17,
    22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78,
    87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
/// Table K.2, chrominance.
pub(super) const CHROMA: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// Makes no step of `table` larger than the one that `standard` has at a quality of 1 to 100.
pub(super) fn at_least(table: &mut [u16; 64], standard: &[u16; 64], quality: u8) {
    let quality = u32::from(quality.clamp(1, 100));
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    for (step, standard) in table.iter_mut().zip(standard) {
        let scaled = ((u32::from(*standard) * scale + 50) / 100).clamp(1, 255) as u16;
        *step = (*step).min(scaled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso10918_1_annex_k_tables_scale_as_encoders_do() {
        // The first steps that the Independent JPEG Group's encoder writes for luma.
        for (quality, first) in [(25, [32, 22, 20, 32]), (50, [16, 11, 10, 16]), (90, [3, 2, 2, 3])] {
            let mut table = [255; 64];
            at_least(&mut table, &LUMA, quality);
            assert_eq!(table[..4], first, "{quality}");
        }
        let mut fine = [1; 64];
        at_least(&mut fine, &CHROMA, 50);
        assert_eq!(fine, [1; 64], "finer steps stay");
    }
}
