//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

/// Multiplier of word 0.
const M0: u32 = 0xD251_1F53;
/// Multiplier of word 2.
const M1: u32 = 0xCD9E_8D57;
/// Weyl increment of key word 0 (golden ratio).
const W0: u32 = 0x9E37_79B9;
/// Weyl increment of key word 1 (square root of 3, less 1).
const W1: u32 = 0xBB67_AE85;

/// Ten rounds on one counter.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [[a], [b], [c], [d]] = philox_lanes(counter.map(|word| [word]), key.map(|word| [word]));
    [a, b, c, d]
}

/// Ten rounds on `N` independent counters, word by word (`counter[word][lane]`), which is what vector units like.
#[inline(always)]
pub fn philox_lanes<const N: usize>(counter: [[u32; N]; 4], key: [[u32; N]; 2]) -> [[u32; N]; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        for lane in 0..N {
            let p0 = u64::from(M0) * u64::from(c0[lane]);
            let p1 = u64::from(M1) * u64::from(c2[lane]);
            c0[lane] = (p1 >> 32) as u32 ^ c1[lane] ^ k0[lane];
            c1[lane] = p1 as u32;
            c2[lane] = (p0 >> 32) as u32 ^ c3[lane] ^ k1[lane];
            c3[lane] = p0 as u32;
            k0[lane] = k0[lane].wrapping_add(W0);
            k1[lane] = k1[lane].wrapping_add(W1);
        }
    }
    [c0, c1, c2, c3]
}

/// The same with every word in the low half of 64 bits, as products leave them: vector units multiply those without first
/// spreading and then packing words. High halves are rubbish on both sides.
#[inline(always)]
pub(crate) fn philox_spread<const N: usize>(counter: [[u64; N]; 4], key: [[u64; N]; 2]) -> [[u64; N]; 4] {
    const LOW: u64 = 0xFFFF_FFFF;
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [k0, k1] = key;
    let (mut w0, mut w1) = (0u64, 0u64);
    for _ in 0..10 {
        for lane in 0..N {
            let p0 = u64::from(M0) * (c0[lane] & LOW);
            let p1 = u64::from(M1) * (c2[lane] & LOW);
            c0[lane] = (p1 >> 32) ^ c1[lane] ^ k0[lane].wrapping_add(w0);
            c1[lane] = p1;
            c2[lane] = (p0 >> 32) ^ c3[lane] ^ k1[lane].wrapping_add(w1);
            c3[lane] = p0;
        }
        w0 = w0.wrapping_add(u64::from(W0));
        w1 = w1.wrapping_add(u64::from(W1));
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' Random123 distribution (`kat_vectors`, philox4x32 10).
    #[test]
    fn philox_matches_the_published_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn lanes_do_not_mix() {
        let counter: [[u32; 8]; 4] =
            std::array::from_fn(|w| std::array::from_fn(|l| (w * 8 + l) as u32 * 77));
        let key: [[u32; 8]; 2] = std::array::from_fn(|w| std::array::from_fn(|l| (w * 31 + l) as u32));
        let together = philox_lanes(counter, key);
        for lane in 0..8 {
            let alone = philox(counter.map(|w| w[lane]), key.map(|w| w[lane]));
            assert_eq!(alone, together.map(|w| w[lane]));
        }
    }

    #[test]
    fn spread_words_give_the_same_whatever_is_above_them() {
        let rubbish = |x: u32| u64::from(x) | u64::from(x.wrapping_mul(0x9E37_79B9)) << 32;
        let counter: [[u32; 8]; 4] =
            std::array::from_fn(|w| std::array::from_fn(|l| (w * 8 + l + 1) as u32 * 77_777_777));
        let key: [[u32; 8]; 2] =
            std::array::from_fn(|w| std::array::from_fn(|l| u32::MAX - (w * 31 + l) as u32));
        let spread = philox_spread(counter.map(|w| w.map(rubbish)), key.map(|w| w.map(rubbish)));
        assert_eq!(spread.map(|w| w.map(|x| x as u32)), philox_lanes(counter, key));
    }
}
