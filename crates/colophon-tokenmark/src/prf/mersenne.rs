//! MT19937 (Matsumoto, Nishimura 1998) and the two draws PyTorch makes from it on a CPU.

const N: usize = 624;
const M: usize = 397;

/// The generator behind `torch.Generator(device="cpu")`.
#[derive(Clone)]
pub struct Mersenne {
    state: [u32; N],
    next: usize,
}

impl Mersenne {
    /// Seeds as `torch.manual_seed` does on a CPU: only the low 32 bits of the seed count.
    pub fn new(seed: u64) -> Self {
        let mut state = [0u32; N];
        let mut last = seed as u32;
        for (i, word) in state.iter_mut().enumerate() {
            if i > 0 {
                last = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
            }
            *word = last;
        }
        Self { state, next: N }
    }

    /// The next output, all 32 bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.next >= N {
            self.refill();
        }
        let word = self.state[self.next];
        self.next += 1;
        temper(word)
    }

    /// The next block of outputs: whatever is left of the current 624. Never empty.
    pub fn next_block<'a>(&mut self, out: &'a mut [u32; N]) -> &'a [u32] {
        if self.next >= N {
            self.refill();
        }
        let left = &self.state[self.next..];
        let out = &mut out[..left.len()];
        for (o, &word) in out.iter_mut().zip(left) {
            *o = temper(word);
        }
        self.next = N;
        out
    }

    fn refill(&mut self) {
        let s = &mut self.state;
        // three loops without wrap-around; inside each, reads stay far enough from writes for vector code
        for i in 0..N - M {
            s[i] = s[i + M] ^ twist(s[i], s[i + 1]);
        }
        for i in N - M..N - 1 {
            s[i] = s[i + M - N] ^ twist(s[i], s[i + 1]);
        }
        s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
        self.next = 0;
    }
}

#[inline(always)]
fn twist(high: u32, low: u32) -> u32 {
    let word = (high & 0x8000_0000) | (low & 0x7FFF_FFFF);
    (word >> 1) ^ ((word & 1).wrapping_neg() & 0x9908_B0DF)
}

#[inline(always)]
fn temper(mut y: u32) -> u32 {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9D2C_5680;
    y ^= (y << 15) & 0xEFC6_0000;
    y ^ (y >> 18)
}

/// `torch.randint(0, 2, (len,))` on a CPU generator seeded with `seed`.
pub fn torch_bits(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Mersenne::new(seed);
    (0..len).map(|_| (rng.next_u32() & 1) as u8).collect()
}

/// Calls `step(i, j)` for each swap of `torch.randperm(len)` on a CPU generator, the first `count` of them, until it
/// returns false. Entry `i` of the permutation is final once its swap was made.
///
/// `len` is at most 2^32 - 1 in PyTorch's 32-bit path, which is the only one used here.
pub fn torch_swaps(seed: u64, len: u32, count: u32, mut step: impl FnMut(u32, u32) -> bool) {
    let mut rng = Mersenne::new(seed);
    let mut block = [0u32; N];
    let mut offsets = [0u32; N];
    // the last entry has nothing left to swap with
    let count = count.min(len.saturating_sub(1));
    let mut done = 0;
    while done < count {
        let words = rng.next_block(&mut block);
        let take = words.len().min((count - done) as usize);
        for (k, (offset, &word)) in offsets[..take].iter_mut().zip(words).enumerate() {
            let range = len - done - k as u32;
            // exact: the quotient's distance to the next integer is at least 2^-32 of it, a double resolves 2^-53
            let quotient = (f64::from(word) / f64::from(range)) as u32;
            *offset = word - quotient * range;
        }
        for (k, &offset) in offsets[..take].iter().enumerate() {
            let i = done + k as u32;
            if !step(i, i + offset) {
                return;
            }
        }
        done += take as u32;
    }
}

/// The first `count` entries of `torch.randperm(len)` on a CPU generator seeded with `seed`.
pub fn torch_permutation(seed: u64, len: u32, count: u32) -> Vec<u32> {
    let mut entries: Vec<u32> = (0..len).collect();
    torch_swaps(seed, len, count, |i, j| {
        entries.swap(i as usize, j as usize);
        true
    });
    entries.truncate(count as usize);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outputs of the authors' `mt19937ar.c` for seed 5489, numbers 1 to 3 and 10,000 (ISO C++ 26.5.5 fixes the last).
    #[test]
    fn mersenne_matches_the_reference() {
        let mut rng = Mersenne::new(5489);
        let outputs: Vec<u32> = (0..10_000).map(|_| rng.next_u32()).collect();
        assert_eq!(outputs[..3], [3_499_211_612, 581_869_302, 3_890_346_734]);
        assert_eq!(outputs[9_999], 4_123_659_995);
    }

    #[test]
    fn only_the_low_word_of_a_seed_counts() {
        assert_eq!(torch_bits(7, 100), torch_bits((1 << 32) + 7, 100));
        assert_ne!(torch_bits(7, 100), torch_bits(8, 100));
    }

    #[test]
    fn prefix_of_a_permutation_is_the_prefix_of_the_whole() {
        let whole = torch_permutation(3, 5000, 5000);
        assert_eq!(torch_permutation(3, 5000, 1300), whole[..1300]);
        let mut sorted = whole;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..5000));
    }

    #[test]
    fn division_by_double_is_exact_at_the_edges() {
        for word in [0, 1, 2, u32::MAX - 1, u32::MAX, 0x8000_0000] {
            for range in [1, 2, 3, 5, 7, 641, 65_535, 65_537, 0x7FFF_FFFF, u32::MAX - 1, u32::MAX] {
                assert_eq!((f64::from(word) / f64::from(range)) as u32, word / range, "{word} / {range}");
            }
        }
    }
}
