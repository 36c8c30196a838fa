//! The 32-bit MurmurHash3 (Austin Appleby, public domain) over whole words, seed 0.

/// Adds one word to the state.
#[inline(always)]
pub fn absorb(state: u32, word: u32) -> u32 {
    let word = word.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593);
    (state ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64)
}

/// Closes a state that took `words` words.
#[inline(always)]
pub fn finish(state: u32, words: u32) -> u32 {
    let mut h = state ^ words.wrapping_mul(4);
    h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
    h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

/// The hash of `words`.
pub fn murmur3(words: &[u32]) -> u32 {
    finish(words.iter().fold(0, |state, &word| absorb(state, word)), words.len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test values of the reference code's wiki page (murmur3_x86_32, seed 0).
    #[test]
    fn murmur_matches_published_values() {
        assert_eq!(murmur3(&[]), 0);
        assert_eq!(murmur3(&[0x8765_4321]), 0xF55B_516B);
        assert_eq!(murmur3(&[0]), 0x2362_F9DE);
        assert_eq!(murmur3(&[u32::from_le_bytes(*b"test")]), 0xBA6B_D213);
    }
}
