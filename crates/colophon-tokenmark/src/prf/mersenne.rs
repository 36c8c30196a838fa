//! MT19937 (Matsumoto, Nishimura 1998) and the two draws PyTorch makes from it on a CPU.

use crate::simd::vectorized;

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

    #[inline(always)]
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

/// Ranges whose quotients single precision knows to within one half, and which fit twice into an `i32`.
const MANY: std::ops::RangeInclusive<u32> = 1 << 12..=1 << 30;

/// `word % range` for ranges from 1 on.
#[inline(always)]
fn remainder(word: u32, range: u32) -> u32 {
    // exact: the quotient's distance to the next integer is at least 2^-32 of it, a double resolves 2^-53
    let quotient = (f64::from(word) / f64::from(range)) as u32;
    word - quotient * range
}

/// `word % range` for ranges of [`MANY`]: twice as many divisions at a time.
#[inline(always)]
fn remainder_of_many(word: u32, range: u32) -> u32 {
    /// Added to a small number, it rounds it to the nearest whole one, which is left in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // halves keep the conversions signed, which vector units have; the quotient is below 2^20 and off by less than 0.2
    let quotient = (word >> 1) as i32 as f32 / (range as i32 as f32 * 0.5) + ROUND;
    let quotient = quotient.to_bits() & 0x003F_FFFF;
    // rounded up or down, the rest is between -0.7 and 0.7 of the range
    let rest = word.wrapping_sub(quotient.wrapping_mul(range));
    if (rest as i32) < 0 { rest.wrapping_add(range) } else { rest }
}

/// `torch.randint(0, 2, (len,))` on a CPU generator seeded with `seed`.
pub fn torch_bits(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Mersenne::new(seed);
    (0..len).map(|_| (rng.next_u32() & 1) as u8).collect()
}

/// The draws of `torch.randperm(len)` on a CPU generator, the first `count` of them. Draw `i` swaps entry `i` with one of
/// the `len - i` entries from `i` on; entry `i` of the permutation is final then.
///
/// `len` is at most 2^32 - 1 in PyTorch's 32-bit path, which is the only one used here.
#[derive(Clone, Copy)]
pub struct Draws {
    len: u32,
    count: u32,
}

impl Draws {
    /// For permutations of `len` entries of which the first `count` are wanted.
    pub fn new(len: u32, count: u32) -> Self {
        // the last entry has nothing left to swap with
        Self { len, count: count.min(len.saturating_sub(1)) }
    }

    /// Calls `step(first, offsets)` for runs of draws from draw `first` on, until it returns false: draw `i` swaps entry `i`
    /// with entry `i + offset`.
    fn runs(self, seed: u64, mut step: impl FnMut(u32, &[u32]) -> bool) {
        let mut rng = Mersenne::new(seed);
        let mut offsets = [0u32; N];
        for first in (0..self.count).step_by(N) {
            let offsets = &mut offsets[..N.min((self.count - first) as usize)];
            vectorized(
                #[inline(always)]
                || {
                    rng.refill();
                    let range = self.len - first;
                    // the slices themselves, not what was captured: their ends must be plain to see for vector code
                    let offsets: &mut [u32] = &mut *offsets;
                    let state = &rng.state[..offsets.len()];
                    // plain indexes: a counter that might overflow keeps these loops from becoming vector code
                    if range - offsets.len() as u32 >= *MANY.start() && range <= *MANY.end() {
                        for k in 0..state.len() {
                            offsets[k] = remainder_of_many(temper(state[k]), range - k as u32);
                        }
                    } else {
                        for k in 0..state.len() {
                            offsets[k] = remainder(temper(state[k]), range - k as u32);
                        }
                    }
                },
            );
            if !step(first, offsets) {
                return;
            }
        }
    }

    /// Calls `swap(i, j)` for every draw.
    pub fn swaps(self, seed: u64, mut swap: impl FnMut(u32, u32)) {
        self.runs(seed, |first, offsets| {
            for (i, offset) in (first..).zip(offsets) {
                swap(i, i + offset);
            }
            true
        });
    }

    /// Sets the bits of `list` to those of the entries drawn, the lowest of 64 first; `list` has room for `len` bits.
    ///
    /// No entry is moved. Draw `i` puts what stood at place `i` into the place it points at and takes what stood there. Of
    /// what is put into a place before it is looked at, only the last thing counts; all others are taken. So, with draws
    /// looked at from the last one on: what stands at place `i` when its turn comes is **spared** if no later draw points
    /// at the same place and that place is spared in its turn, or has none. An entry is spared where it stands at first if no
    /// draw ever points there. All that is one bit per place, "spared and not pointed at so far", which stays in the nearest
    /// cache and is, in the end, the list of what was not drawn. `targets` is kept from call to call for its memory only.
    pub(crate) fn chosen(self, seed: u64, targets: &mut Vec<u32>, list: &mut [u64]) {
        targets.clear();
        self.runs(seed, |first, offsets| {
            targets.extend((first..).zip(offsets).map(|(i, offset)| i + offset));
            true
        });
        list.fill(u64::MAX);
        vectorized(
            #[inline(always)]
            || {
                let spared: &mut [u64] = &mut *list;
                for (word, run) in targets.chunks(64).enumerate().rev() {
                    // draws that point at places of their own run wait for each other: few runs have any
                    let near =
                        run.iter().fold(u32::MAX, |least, &target| least.min(target)) / 64 <= word as u32;
                    let own = if run.len() < 64 || near {
                        spare_slowly(spared, word, run)
                    } else {
                        run.iter().rev().fold(0, |own, &target| own << 1 | take_bit(spared, target))
                    };
                    spared[word] = own;
                }
            },
        );
        for word in &mut *list {
            *word = !*word;
        }
        // no entry has the bits behind the last one
        if let (Some(last), rest @ 1..) = (list.get_mut(self.len as usize / 64), self.len % 64) {
            *last &= !(u64::MAX << rest);
        }
    }

    /// Whether the draws put `entry` among the first ones, by following that one entry: no permutation is made.
    pub fn take(self, seed: u64, entry: u32) -> bool {
        let (mut place, mut taken) = (entry, false);
        self.runs(seed, |first, offsets| {
            let mut at = 0;
            loop {
                // the entry is drawn by whoever points at its place, up to the draw that moves it away
                let moves = place.checked_sub(first).map(|k| k as usize).filter(|k| *k < offsets.len());
                let until = moves.map_or(offsets.len(), |k| k + 1);
                let wanted = place.wrapping_sub(first + at as u32);
                if points_at(&offsets[at..until], wanted) {
                    taken = true;
                    return false;
                }
                let Some(k) = moves else { return true };
                place += offsets[k];
                at = until;
            }
        });
        taken
    }
}

/// The bit of a place, which is cleared.
#[inline(always)]
fn take_bit(bits: &mut [u64], place: u32) -> u64 {
    let word = &mut bits[place as usize / 64];
    let bit = *word >> (place % 64) & 1;
    *word &= !(1 << (place % 64));
    bit
}

/// The bits of the places of `run`, the draws from place `64 * word` on, which may point at each other; and of the places
/// behind it in the same word, which have no draw.
fn spare_slowly(spared: &mut [u64], word: usize, run: &[u32]) -> u64 {
    for (bit, &target) in run.iter().enumerate().rev() {
        // a draw that points at its own place takes what is there: nothing spared
        spared[word] &= !(1 << bit);
        let found = take_bit(spared, target);
        spared[word] |= found << bit;
    }
    spared[word]
}

/// Whether an offset reaches what is `wanted` entries behind the first of them.
fn points_at(offsets: &[u32], wanted: u32) -> bool {
    vectorized(
        #[inline(always)]
        || {
            let mut hits = 0u32;
            for (k, &offset) in (0u32..).zip(offsets) {
                hits |= u32::from(offset.wrapping_add(k) == wanted);
            }
            hits != 0
        },
    )
}

/// The first `count` entries of `torch.randperm(len)` on a CPU generator seeded with `seed`.
pub fn torch_permutation(seed: u64, len: u32, count: u32) -> Vec<u32> {
    let mut entries: Vec<u32> = (0..len).collect();
    Draws::new(len, count).swaps(seed, |i, j| entries.swap(i as usize, j as usize));
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
    fn offsets_are_remainders_at_the_edges() {
        for len in [2u32, 3, 5, 7, 641, 1000, 65_537, 1 << 24] {
            let count = len.min(3000);
            let mut rng = Mersenne::new(u64::from(len));
            let mut i = 0;
            Draws::new(len, count).swaps(u64::from(len), |at, to| {
                assert_eq!((at, to), (i, i + rng.next_u32() % (len - i)));
                i += 1;
            });
            assert_eq!(i, count.min(len - 1));
        }
    }

    #[test]
    fn division_by_double_is_exact_at_the_edges() {
        for word in [0, 1, 2, u32::MAX - 1, u32::MAX, 0x8000_0000] {
            for range in [1, 2, 3, 5, 7, 641, 65_535, 65_537, 0x7FFF_FFFF, u32::MAX - 1, u32::MAX] {
                assert_eq!((f64::from(word) / f64::from(range)) as u32, word / range, "{word} / {range}");
            }
        }
    }

    #[test]
    fn division_in_single_precision_is_mended() {
        let words = (0..2000u32).map(|i| u32::MAX - i).chain((0..2000).map(|i| i * 2_147_483)).chain(0..5);
        for word in words.flat_map(|word| [word, word ^ 0x8000_0000, word.rotate_left(13)]) {
            for range in [4096, 4097, 6561, 8191, 65_537, 96_193, 128_256, 1 << 24, (1 << 30) - 1, 1 << 30] {
                assert_eq!(remainder_of_many(word, range), word % range, "{word} {range}");
                // right below, at and above multiples
                for near in (0..3).map(|d| (word / range * range).wrapping_add(d).wrapping_sub(1)) {
                    assert_eq!(remainder_of_many(near, range), near % range, "{near} {range}");
                }
            }
        }
    }

    #[test]
    fn the_set_of_chosen_entries_is_that_of_the_permutation() {
        let mut targets = Vec::new();
        for (len, count) in
            [(2, 1), (7, 3), (64, 63), (65, 64), (100, 25), (129, 128), (700, 690), (5000, 1250)]
        {
            for seed in 0..20 {
                let mut want = vec![0u64; (len as usize).div_ceil(64)];
                for entry in torch_permutation(seed, len, count) {
                    want[entry as usize / 64] |= 1 << (entry % 64);
                }
                let mut list = vec![0; want.len()];
                Draws::new(len, count).chosen(seed, &mut targets, &mut list);
                assert_eq!(list, want, "{len} {count} {seed}");
            }
        }
    }

    #[test]
    fn following_one_entry_agrees_with_the_permutation() {
        for (len, count) in [(2, 1), (7, 3), (100, 25), (700, 690), (5000, 1250), (1300, 1300)] {
            for seed in 0..3 {
                let taken = torch_permutation(seed, len, count);
                let draws = Draws::new(len, count);
                for entry in 0..len {
                    // whatever is left when nothing is drawn any more is among them too
                    let last = count == len && !draws.take(seed, entry);
                    assert_eq!(draws.take(seed, entry) || last, taken.contains(&entry), "{len} {entry}");
                }
            }
        }
    }
}
