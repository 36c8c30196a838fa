//! The bits of the hashing mode: twelve rounds of a 64-bit generator per token and layer.
//!
//! Nearly all of the work is in the products, and two things save some of them. The first two products are linear in the
//! token's state, so they are shared by all layers. And of the result one bit is used: going backwards, each round
//! needs five bits more of its input than of its output, so that the last four rounds need at most 51 bits and fit the
//! 52-bit products of processors that have them, a third of the price of full ones. What remains is a chain of seven full
//! products and four narrow ones; no choice of constants shortens it, because every round drops low bits of its own.

use crate::prf::lcg::{MULTIPLIER, accumulate};

/// Each round adds 1, multiplies and adds 1.
const ADDEND: u64 = MULTIPLIER.wrapping_add(1);

/// The bit of one layer: twelve rounds, each with an arithmetic shift, then bit 30.
#[inline(always)]
pub(super) fn hashed_bit(mut x: u64) -> u8 {
    for _ in 0..12 {
        x = (accumulate(x, 1) as i64 >> 5) as u64;
    }
    (x >> 30 & 1) as u8
}

/// Context hash plus token, of many tokens at once.
#[derive(Clone, Copy)]
pub(super) enum Sums<'a> {
    /// Ids from 0 on after one context.
    Vocabulary(u64),
    /// These ids after one context.
    Ids(u64, &'a [u32]),
    /// One sum per token, each after a context of its own.
    Each(&'a [u64]),
}

/// The bits of up to 32 layers for all tokens: `out[i]` is that of sum `i`.
pub(super) fn hash_all(sums: Sums<'_>, keys: &[i64], out: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    if narrow::hash_all(sums, keys, out) {
        return;
    }
    crate::simd::vectorized(
        #[inline(always)]
        || hash_all_full(sums, keys, out),
    );
}

/// What sums `first` and on bring into the first round of every layer; the layer adds its [`layer_part`].
#[inline(always)]
fn token_parts<const LANES: usize>(sums: Sums<'_>, first: usize) -> [u64; LANES] {
    const SQUARE: u64 = MULTIPLIER.wrapping_mul(MULTIPLIER);
    let mut parts = [0u64; LANES];
    match sums {
        Sums::Vocabulary(context_hash) => {
            for (lane, part) in parts.iter_mut().enumerate() {
                *part = accumulate(context_hash, (first + lane) as u64).wrapping_mul(SQUARE);
            }
        }
        Sums::Ids(context_hash, ids) => {
            for (part, &id) in parts.iter_mut().zip(&ids[first..]) {
                *part = accumulate(context_hash, u64::from(id)).wrapping_mul(SQUARE);
            }
        }
        Sums::Each(sums) => {
            for (part, &sum) in parts.iter_mut().zip(&sums[first..]) {
                *part = accumulate(sum, 0).wrapping_mul(SQUARE);
            }
        }
    }
    parts
}

/// What the key of a layer brings into its first round.
#[inline(always)]
fn layer_part(key: i64) -> u64 {
    accumulate(accumulate(0, key as u64), 1)
}

/// With full products throughout.
#[inline(always)]
fn hash_all_full(sums: Sums<'_>, keys: &[i64], out: &mut [u32]) {
    // independent chains, to keep the multipliers busy
    const LANES: usize = 32;
    for (block, out) in out.chunks_mut(LANES).enumerate() {
        let parts = token_parts::<LANES>(sums, LANES * block);
        let mut bits = [0u64; LANES];
        for (layer, &key) in keys.iter().enumerate() {
            let key = layer_part(key);
            let mut x = parts;
            for x in &mut x {
                *x = (x.wrapping_add(key) as i64 >> 5) as u64;
            }
            for _ in 0..11 {
                for x in &mut x {
                    *x = (x.wrapping_mul(MULTIPLIER).wrapping_add(ADDEND) as i64 >> 5) as u64;
                }
            }
            for (bits, x) in bits.iter_mut().zip(x) {
                *bits |= (x >> 30 & 1) << layer;
            }
        }
        for (out, bits) in out.iter_mut().zip(bits) {
            *out = bits as u32;
        }
    }
}

/// With products of 52 bits where they do.
#[cfg(target_arch = "x86_64")]
mod narrow {
    use super::{ADDEND, MULTIPLIER, Sums, layer_part, token_parts};
    use std::arch::x86_64::__m512i;

    /// Rounds with full products after the shared one, and with narrow ones before the last.
    const FULL: usize = 7;
    const NARROW: usize = 3;
    /// The bit of the last product that is the layer's: bit 30 after the last shift by 5.
    const RESULT: usize = 35;
    /// Vectors that are computed side by side. A product takes as long as ten others can be started; more than that lets the
    /// compiler group them as it likes.
    const VECTORS: usize = 16;

    pulp::simd_type! {
        /// AVX-512 with its 52-bit products, which the levels of `pulp` leave out.
        struct Ifma {
            avx: "avx",
            avx2: "avx2",
            fma: "fma",
            avx512f: "avx512f",
            avx512bw: "avx512bw",
            avx512cd: "avx512cd",
            avx512dq: "avx512dq",
            avx512vl: "avx512vl",
            avx512ifma: "avx512ifma",
        }
    }

    struct HashAll<'a> {
        simd: Ifma,
        sums: Sums<'a>,
        keys: &'a [i64],
        out: &'a mut [u32],
    }

    /// False where the processor has no such products.
    pub(super) fn hash_all(sums: Sums<'_>, keys: &[i64], out: &mut [u32]) -> bool {
        let Some(simd) = Ifma::try_new() else { return false };
        simd.vectorize(HashAll { simd, sums, keys: keys.get(..32).unwrap_or(keys), out });
        true
    }

    impl pulp::NullaryFnOnce for HashAll<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            const LANES: usize = 8 * VECTORS;
            let Self { simd, sums, keys, out } = self;
            let Ifma { avx512f: base, avx512dq: full, avx512ifma: narrow, .. } = simd;
            let all = |word: u64| base._mm512_set1_epi64(word as i64);
            let (factor, addend, result) = (all(MULTIPLIER), all(ADDEND), all(1 << RESULT));
            for (block, out) in out.chunks_mut(LANES).enumerate() {
                let parts = token_parts::<LANES>(sums, LANES * block);
                let parts: [__m512i; VECTORS] = pulp::cast(parts);
                let mut bits = [all(0); VECTORS];
                for &key in keys {
                    let key = all(layer_part(key));
                    let mut x = parts;
                    for x in &mut x {
                        *x = base._mm512_srai_epi64::<5>(base._mm512_add_epi64(*x, key));
                    }
                    for _ in 0..FULL {
                        for x in &mut x {
                            let product = full._mm512_mullo_epi64(*x, factor);
                            *x = base._mm512_srai_epi64::<5>(base._mm512_add_epi64(product, addend));
                        }
                    }
                    for _ in 0..NARROW {
                        for x in &mut x {
                            let product = narrow._mm512_madd52lo_epu64(addend, *x, factor);
                            *x = base._mm512_srli_epi64::<5>(product);
                        }
                    }
                    for (bits, x) in bits.iter_mut().zip(x) {
                        let product = narrow._mm512_madd52lo_epu64(addend, x, factor);
                        // the bits so far move down, the new one joins them: a | b & c
                        *bits = base._mm512_ternarylogic_epi64::<0xF8>(
                            base._mm512_srli_epi64::<1>(*bits),
                            product,
                            result,
                        );
                    }
                }
                // the last layer's bit has not been moved, the first one's most often
                let bits: [u64; LANES] = pulp::cast(bits);
                let down = RESULT + 1 - keys.len();
                for (out, bits) in out.iter_mut().zip(bits) {
                    *out = (bits >> down) as u32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Shared and narrow products give the bits of twelve full rounds per layer.
        #[test]
        fn all_bits_are_those_of_single_ones(
            context: u64,
            keys in proptest::collection::vec(any::<i64>(), 1..=32),
            ids in proptest::collection::vec(any::<u32>(), 1..200),
        ) {
            let word = |id: u32| {
                let state = accumulate(context, u64::from(id));
                keys.iter().enumerate().fold(0u32, |bits, (layer, &key)| {
                    bits | u32::from(hashed_bit(accumulate(state, key as u64))) << layer
                })
            };
            let want: Vec<u32> = ids.iter().map(|&id| word(id)).collect();
            let mut out = vec![0; ids.len()];
            let each: Vec<u64> = ids.iter().map(|&id| context.wrapping_add(u64::from(id))).collect();
            for sums in [Sums::Ids(context, &ids), Sums::Each(&each)] {
                hash_all(sums, &keys, &mut out);
                prop_assert_eq!(&out, &want);
                hash_all_full(sums, &keys, &mut out);
                prop_assert_eq!(&out, &want);
            }
            let want: Vec<u32> = (0..ids.len() as u32).map(word).collect();
            hash_all(Sums::Vocabulary(context), &keys, &mut out);
            prop_assert_eq!(&out, &want);
        }
    }
}
