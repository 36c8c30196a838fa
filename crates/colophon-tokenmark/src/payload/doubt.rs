//! How likely a payload that was read is another than the one written.
//!
//! Suppose the codeword that was read is wrong. It differs from the one written in some set of at least 11 places, and two
//! independent accidents happened there.
//!
//! 1. Its scores in the set are high, though they have nothing to do with the text: a Gamma distributed sum.
//! 2. The scores of the codeword that was written are low there and high elsewhere, though places are dealt out by a keyed
//!    word of the context that has nothing to do with the scores: a draw without replacement, a hypergeometric number of
//!    high scores.
//!
//! The first chance alone must be small enough to be paid for by every codeword that differs in the set. The second one
//! buys a discount: with a p-value `p` of it, the first may be larger by a factor whose mean is at most 1
//! ([`discount`]), so that the chance of both stays what it was.

use super::Tally;
use super::code::{DATA, DISTANCE, PLACES, PRODUCTS, SYMBOLS, at_distance, spread};
use crate::null::Null;
use colophon_signal::stats::ln_gamma;
use std::f64::consts::{LN_10, LOG10_2};

/// A payload is reported if the bound on its being wrong is at most this, in `log10`.
pub(super) const MAX_LOG10_WRONG: f64 = -4.0;
/// How much of that chance is spent on codewords at each distance, from the least on: the nearest are the likeliest to be
/// taken for each other.
const SHARES: [f64; PLACES - DISTANCE + 1] = [0.6, 0.2, 0.1, 0.05, 0.03, 0.02];
/// Scores from here on count as high: one in five without the mark, about twice as many with it.
pub(super) const HIGH: f64 = 1.609_437_912_434_100_3;
/// Codewords further away than this are too many to be looked at one by one, and need not be.
const MOST_PLACES: usize = 13;
/// Samples beyond this many tokens need no discount.
const MOST_SCORED: usize = 1 << 16;

/// The factor by which a `p`-value that was met by accident may raise another, independent one: half of it whatever `p`,
/// half as `p^(a - 1) a`. Its mean over uniform `p` is 1 (a calibrator in the sense of Vovk and Wang, "E-values: calibration,
/// combination and applications", Annals of Statistics 49, 2021), and smaller where `p` is larger than uniform.
fn discount(ln_p: f64) -> f64 {
    const A: f64 = 0.125;
    0.5 + 0.5 * A * ((A - 1.0) * ln_p).exp()
}

/// Upper bound, over random keys, on the chance that `word` was read and another codeword was written; `log10`, and not
/// below what is needed to tell whether it is at most [`MAX_LOG10_WRONG`].
pub(super) fn log10_wrong(tally: &Tally, word: &[u8; PLACES]) -> f64 {
    const NULL: Null = Null::Gamma { shape: 1.0, scale: 1.0 };
    let own: [f64; PLACES] = std::array::from_fn(|place| tally.sums[place][usize::from(word[place])]);
    // without a discount half of the chance is left
    let prices: [f64; SHARES.len()] =
        std::array::from_fn(|i| (at_distance(DISTANCE + i) / SHARES[i]).log10() + LOG10_2);
    let price = |set: u32| prices[set.count_ones() as usize - DISTANCE];
    let over =
        |set: u32| places(set).fold((0, 0.0), |(n, sum), place| (n + tally.counts[place], sum + own[place]));
    let mut sets: Vec<(f64, u32)> = (0u32..1 << PLACES)
        .filter(|set| set.count_ones() as usize >= DISTANCE)
        .map(|set| {
            let (n, sum) = over(set);
            (NULL.ln_bound(n, sum) / LN_10 + price(set), set)
        })
        .collect();
    sets.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut worst = f64::NEG_INFINITY;
    for (bound, set) in sets {
        // this bound is never below the tail, so all that follow are below the worst too
        if bound <= worst || worst > MAX_LOG10_WRONG {
            break;
        }
        let (n, sum) = over(set);
        let mut chance = NULL.log10_tail(n, sum) + price(set);
        if chance > MAX_LOG10_WRONG {
            chance -= (2.0 * discount(ln_thinned_out(tally, word, set))).log10();
        }
        worst = worst.max(chance);
    }
    worst.min(0.0)
}

fn places(set: u32) -> impl Iterator<Item = usize> {
    (0..PLACES).filter(move |place| set >> place & 1 == 1)
}

/// Natural logarithm of the chance that so few of the high scores of another codeword fall into `set`, for the codeword that
/// differs from `word` exactly there and has the most of them; 0 where that is not looked at.
fn ln_thinned_out(tally: &Tally, word: &[u8; PLACES], set: u32) -> f64 {
    let scored = tally.scored();
    if set.count_ones() as usize > MOST_PLACES || scored > MOST_SCORED {
        return 0.0;
    }
    let outside: u32 = places(!set).map(|place| tally.highs[place][usize::from(word[place])]).sum();
    let inside = most_highs(tally, word, set);
    let drawn: usize = places(set).map(|place| tally.counts[place]).sum();
    ln_at_most(inside, drawn as u32, inside + outside, scored as u32)
}

/// The most high scores in `set` of any codeword that differs from `word` in all places of `set` and nowhere else.
fn most_highs(tally: &Tally, word: &[u8; PLACES], set: u32) -> u32 {
    // differences of codewords are codewords: they are 0 outside, and what is left free decides the rest
    let mut known = [0; DATA];
    for (known, place) in known.iter_mut().zip(places(!set).chain(places(set))) {
        *known = place;
    }
    let basis = spread(known);
    let fixed = PLACES - set.count_ones() as usize;
    let free = DATA - fixed;
    let mut most = 0;
    // every choice of non-zero values
    for mut choice in 0..(SYMBOLS - 1).pow(free as u32) {
        let mut difference = [0u8; PLACES];
        for row in &basis[fixed..] {
            let value = choice % (SYMBOLS - 1) + 1;
            choice /= SYMBOLS - 1;
            for (d, &factor) in difference.iter_mut().zip(row) {
                *d ^= PRODUCTS[value][usize::from(factor)];
            }
        }
        if places(set).all(|place| difference[place] != 0) {
            let highs = |place: usize| tally.highs[place][usize::from(word[place] ^ difference[place])];
            most = most.max(places(set).map(highs).sum());
        }
    }
    most
}

/// Natural logarithm of the chance that at most `k` of `drawn` things are high, out of `all` of which `high` are.
fn ln_at_most(k: u32, drawn: u32, high: u32, all: u32) -> f64 {
    let ln_choose = |n: u32, k: u32| {
        let [n, k] = [n, k].map(f64::from);
        ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
    };
    let least = high.saturating_sub(all - drawn);
    let most = high.min(drawn);
    if k >= most {
        return 0.0;
    }
    if k < least {
        return f64::NEG_INFINITY;
    }
    let first = ln_choose(drawn, k) + ln_choose(all - drawn, high - k) - ln_choose(all, high);
    let (mut term, mut sum) = (1.0, 0.0);
    for i in (least..=k).rev() {
        sum += term;
        // the term of i - 1 over that of i
        term *= f64::from(i) * (f64::from(all - drawn) - f64::from(high - i))
            / (f64::from(drawn - i + 1) * f64::from(high - i + 1));
        if term < 1e-17 * sum {
            break;
        }
    }
    (first + sum.ln()).min(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::code::{encode, mul};
    use super::*;
    use proptest::prelude::*;

    /// By counting: 5 high ones among 12, 7 drawn.
    #[test]
    fn draws_without_replacement_are_counted() {
        let choose = |n: u64, k: u64| (0..k).fold(1, |c, i| c * (n - i) / (i + 1));
        for k in 0..=5 {
            let want: u64 = (0..=k).map(|i| choose(7, i) * choose(5, 5 - i)).sum();
            let want = (want as f64 / choose(12, 5) as f64).ln();
            assert!((ln_at_most(k as u32, 7, 5, 12) - want).abs() < 1e-9, "{k}");
        }
        assert_eq!(ln_at_most(0, 10, 5, 12), f64::NEG_INFINITY);
    }

    #[test]
    fn a_discount_has_a_mean_of_one() {
        // substitution p = q^8 makes the integrand smooth
        let steps = 100_000;
        let mean = (0..steps).map(|i| (f64::from(i) + 0.5) / f64::from(steps)).map(|q| {
            let slope = 8.0 * q.powi(7);
            discount(8.0 * q.ln()) * slope / f64::from(steps)
        });
        assert!((mean.sum::<f64>() - 1.0).abs() < 1e-6);
        assert_eq!(discount(f64::NEG_INFINITY), f64::INFINITY);
    }

    proptest! {
        /// The search over differences finds what a search over all codewords finds.
        #[test]
        fn all_codewords_of_a_set_are_looked_at(bits in 0u32..1 << 24, other in 0u32..1 << 24, seed: u64) {
            let (word, other) = (encode(bits), encode(other));
            let set = (0..PLACES).fold(0u32, |set, place| set | u32::from(word[place] != other[place]) << place);
            prop_assume!(set != 0 && set.count_ones() as usize <= MOST_PLACES + 1);
            let mut tally = Tally::default();
            let mut state = seed;
            for symbol in tally.highs.iter_mut().flatten() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *symbol = (state >> 60) as u32;
            }
            let mine: u32 = places(set).map(|place| tally.highs[place][usize::from(other[place])]).sum();
            let most = most_highs(&tally, &word, set);
            prop_assert!(most >= mine);
            // multiples of the difference are differences too
            for factor in 1..16u8 {
                let highs = |place: usize| {
                    let symbol = word[place] ^ mul(factor, word[place] ^ other[place]);
                    tally.highs[place][usize::from(symbol)]
                };
                prop_assert!(most >= places(set).map(highs).sum::<u32>());
            }
            if set.count_ones() as usize == DISTANCE {
                let best = (1..16u8).map(|factor| {
                    places(set)
                        .map(|place| {
                            let symbol = word[place] ^ mul(factor, word[place] ^ other[place]);
                            tally.highs[place][usize::from(symbol)]
                        })
                        .sum::<u32>()
                });
                prop_assert_eq!(best.max(), Some(most));
            }
        }
    }
}
