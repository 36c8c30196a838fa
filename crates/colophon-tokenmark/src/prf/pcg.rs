//! NumPy's `default_rng(seed)`: SeedSequence, PCG64 (XSL-RR) and the shuffle built on them.
//!
//! Written from O'Neill, "PCG: a family of simple fast space-efficient statistically good algorithms" (2014), and
//! NumPy's documentation of `SeedSequence`; the shuffle was found by comparing with NumPy 2.

const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

/// A PCG64 stream as `numpy.random.default_rng(seed)` makes it for a seed of one 32-bit word.
#[derive(Clone)]
pub struct Pcg64 {
    state: u128,
    increment: u128,
    /// Upper half of the last 64-bit output, handed out by the next 32-bit draw.
    spare: Option<u32>,
}

impl Pcg64 {
    /// Seeds through `SeedSequence(seed)`.
    pub fn new(seed: u32) -> Self {
        let words = seed_state(seed);
        let wide = |i: usize| u128::from(words[i]) << 64 | u128::from(words[i + 1]);
        let mut rng = Self { state: 0, increment: wide(2) << 1 | 1, spare: None };
        rng.step();
        rng.state = rng.state.wrapping_add(wide(0));
        rng.step();
        rng
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(high) = self.spare.take() {
            return high;
        }
        let word = self.next_u64();
        self.spare = Some((word >> 32) as u32);
        word as u32
    }

    /// A number from 0 to `last`, both included: masked draws until one is small enough, as NumPy's `random_interval`.
    fn bounded(&mut self, last: u32) -> u32 {
        let mask = u32::MAX.checked_shr(last.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.next_u32() & mask;
            if value <= last {
                return value;
            }
        }
    }

    /// `Generator.shuffle` on a one-dimensional array.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.bounded(u32::try_from(i).unwrap_or(u32::MAX));
            items.swap(i, j as usize);
        }
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)`.
fn seed_state(seed: u32) -> [u64; 4] {
    let mut constant = 0x43B0_D7E5_u32;
    let mut hash = |value: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x931E_8875);
        let value = value.wrapping_mul(constant);
        value ^ (value >> 16)
    };
    let mut pool = [seed, 0, 0, 0].map(&mut hash);
    for source in 0..4 {
        for target in 0..4 {
            if source != target {
                let mixed = pool[target]
                    .wrapping_mul(0xCA01_F9DD)
                    .wrapping_sub(hash(pool[source]).wrapping_mul(0x4973_F715));
                pool[target] = mixed ^ (mixed >> 16);
            }
        }
    }
    let mut constant = 0x8B51_F9DD_u32;
    let words: [u32; 8] = std::array::from_fn(|i| {
        let value = pool[i % 4] ^ constant;
        constant = constant.wrapping_mul(0x58F3_8DED);
        let value = value.wrapping_mul(constant);
        value ^ (value >> 16)
    });
    std::array::from_fn(|i| u64::from(words[2 * i + 1]) << 32 | u64::from(words[2 * i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.default_rng(0).bit_generator.random_raw(2)`, NumPy 2.
    #[test]
    fn stream_matches_numpy() {
        let mut rng = Pcg64::new(0);
        assert_eq!([rng.next_u64(), rng.next_u64()], PCG_SEED_0);
    }

    const PCG_SEED_0: [u64; 2] = [11_749_869_230_777_074_271, 4_976_686_463_289_251_617];

    /// `numpy.random.default_rng(9).shuffle(numpy.arange(10))`, NumPy 2.
    #[test]
    fn shuffle_matches_numpy() {
        let mut items: Vec<u32> = (0..10).collect();
        Pcg64::new(9).shuffle(&mut items);
        assert_eq!(items, [7, 2, 5, 9, 8, 3, 6, 4, 0, 1]);
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut items: Vec<u32> = (0..1000).collect();
        Pcg64::new(9).shuffle(&mut items);
        assert!(items.iter().enumerate().any(|(i, &v)| i as u32 != v));
        items.sort_unstable();
        assert!(items.into_iter().eq(0..1000));
    }
}
