//! The 64-bit linear congruential step under SynthID-Text, with Knuth's MMIX multiplier.

/// Multiplier (Knuth, The Art of Computer Programming 2, 3.3.4, line 26).
pub const MULTIPLIER: u64 = 0x5851_F42D_4C95_7F2D;

/// Adds one word: `(state + word) * A + 1` modulo 2^64.
#[inline(always)]
pub fn accumulate(state: u64, word: u64) -> u64 {
    state.wrapping_add(word).wrapping_mul(MULTIPLIER).wrapping_add(1)
}

/// Adds several words in order.
#[inline(always)]
pub fn accumulate_all(state: u64, words: impl IntoIterator<Item = u64>) -> u64 {
    words.into_iter().fold(state, accumulate)
}
