//! When a decoded payload is accepted, and what is claimed for it.
//!
//! For audio without the mark the signs of the data cells are independent fair coins, whatever the audio is. The
//! statistic ρ = Σ cᵢ·lᵢ / √Σ lᵢ² over the cells therefore is a normalised Rademacher sum for every fixed codeword c, and
//!
//! ```text
//! P(ρ ≥ x) ≤ min( exp(−x²/2),                  Hoeffding 1963
//!                 Q(x) / (4·Q(√2)) )           Bentkus and Dzindzalieta, Bernoulli 21(2), 2015, theorem 1.1
//! ```
//!
//! At most 2⁶⁴ codewords carry a right checksum. With attempt k given the share aₖ of the whole error budget (Σ aₖ ≤ 1),
//! the reported `p = 2⁶⁴ · P(ρ ≥ x) / aₖ` bounds the chance that any attempt on an unmarked file reports `p` or less.

use colophon_signal::stats::log10_q;
use std::f64::consts::{LN_10, LOG10_2, SQRT_2};

/// Largest accepted bound on the false-positive probability of a file, as log10.
pub(super) const ACCEPT_LOG10_P: f64 = -8.0;
/// The same for the statement that a mark is present though unreadable.
pub(super) const PRESENT_LOG10_P: f64 = -6.0;
/// Share of a window's budget for its first attempt, the unwarped one.
const FIRST_ATTEMPT: f64 = 0.5;
/// Attempts after the first that share the rest.
pub(super) const FURTHER_ATTEMPTS: usize = 24;

/// log10 of the bound on P(ρ ≥ x) for a normalised sum of independent signs.
pub(super) fn log10_tail(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return 0.0;
    }
    let hoeffding = -x * x / 2.0 / LN_10;
    let gaussian = log10_q(x) - (4.0f64).log10() - log10_q(SQRT_2);
    hoeffding.min(gaussian).min(0.0)
}

/// log10 of the bound for a payload read with statistic `rho` in an attempt that has the share `10^log10_share`.
pub(super) fn log10_payload(rho: f64, log10_share: f64) -> f64 {
    (log10_tail(rho) + 64.0 * LOG10_2 - log10_share).min(0.0)
}

/// log10 of the bound for a synchronisation statistic `z` that is the best of `hypotheses` in a window with the share
/// `10^log10_share`.
pub(super) fn log10_presence(z: f64, hypotheses: f64, log10_share: f64) -> f64 {
    (log10_tail(z) + hypotheses.max(1.0).log10() - log10_share).min(0.0)
}

/// Error budget of window `index` (from 0), as log10, when `expected` windows were announced.
///
/// Half of the budget is spread evenly over the announced windows, half over all further ones as 1/(k(k+1)).
pub(super) fn log10_window_share(index: usize, expected: usize) -> f64 {
    if index < expected {
        return (0.5 / expected as f64).log10();
    }
    let k = (index - expected + 1) as f64;
    (0.5 / (k * (k + 1.0))).log10()
}

/// Share of the window's budget for attempt `index` (from 0) in it, as log10; minus infinity where none is left.
pub(super) fn log10_attempt_share(index: usize) -> f64 {
    match index {
        0 => FIRST_ATTEMPT.log10(),
        1..=FURTHER_ATTEMPTS => ((1.0 - FIRST_ATTEMPT) / FURTHER_ATTEMPTS as f64).log10(),
        _ => f64::NEG_INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_overspent() {
        for expected in [0, 1, 7, 500] {
            let windows: f64 = (0..100_000).map(|i| 10f64.powf(log10_window_share(i, expected))).sum();
            assert!(windows <= 1.0 + 1e-9, "{expected}: {windows}");
        }
        let attempts: f64 = (0..1000).map(|i| 10f64.powf(log10_attempt_share(i))).sum();
        assert!((attempts - 1.0).abs() < 1e-9, "{attempts}");
    }

    #[test]
    fn the_sharper_bound_is_used_where_it_holds() {
        // 1 / (4 Q(sqrt 2)) = 3.178
        let constant = 10f64.powf(log10_tail(9.0) - log10_q(9.0));
        assert!((constant - 3.178).abs() < 1e-3, "{constant}");
        assert!((log10_tail(0.5) + 0.125 / LN_10).abs() < 1e-12);
        assert_eq!(log10_tail(f64::NAN), 0.0);
        assert_eq!(log10_tail(-1.0), 0.0);
    }

    #[test]
    fn one_window_accepts_near_eleven() {
        let share = log10_window_share(0, 1) + log10_attempt_share(0);
        assert!(log10_payload(10.9, share) > ACCEPT_LOG10_P);
        assert!(log10_payload(11.3, share) < ACCEPT_LOG10_P);
    }
}
