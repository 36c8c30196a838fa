//! Tail probabilities, as base-10 logarithms, far beyond where the probability itself underflows.

use std::f64::consts::{LN_10, LOG10_2, PI};

/// `log10 Q(z)`: the chance that a standard normal variable exceeds `z`.
///
/// Relative error of the logarithm below 1e-9 for `z` from -8 to 1e4 (values from -0 to about -2e7). Minus infinity for
/// `z` = infinity, NaN for NaN.
pub fn log10_q(z: f64) -> f64 {
    if z.is_nan() || z == f64::INFINITY {
        return if z.is_nan() { z } else { f64::NEG_INFINITY };
    }
    if z < 0.0 {
        // 1 - Q(-z), kept precise where Q(-z) is small
        return (-(10f64.powf(log10_q(-z)))).ln_1p() / LN_10;
    }
    let log_density = -0.5 * z * z - 0.5 * (2.0 * PI).ln();
    if z < 3.0 {
        // Phi(z) - 1/2 = density * (z + z^3/3 + z^5/(3*5) + ...), Abramowitz and Stegun 26.2.11
        let (mut term, mut sum, mut k) = (z, z, 3.0);
        while term > sum * 1e-17 {
            term *= z * z / k;
            sum += term;
            k += 2.0;
        }
        return (0.5 - log_density.exp() * sum).log10();
    }
    // Q(z) = density / (z + 1/(z + 2/(z + ...))), Abramowitz and Stegun 26.2.14, from the tail inwards
    let fraction = (1..=120).rev().fold(z, |tail, k| z + f64::from(k) / tail);
    (log_density - fraction.ln()) / LN_10
}

/// `log10` of the chance that Student's t with `dof` degrees of freedom exceeds `t`.
///
/// `dof` is any positive number. NaN for other `dof` or NaN.
pub fn log10_student_t(t: f64, dof: f64) -> f64 {
    if t.is_nan() || dof.is_nan() || dof <= 0.0 {
        return f64::NAN;
    }
    if t < 0.0 {
        return (-(10f64.powf(log10_student_t(-t, dof)))).ln_1p() / LN_10;
    }
    // P(T > t) = 1/2 I_x(dof/2, 1/2) with x = dof / (dof + t^2), Abramowitz and Stegun 26.7.1
    let x = dof / (dof + t * t);
    ln_incomplete_beta(dof / 2.0, 0.5, x) / LN_10 - LOG10_2
}

/// Upper bound, as `log10`, of the chance that `sum over k of a_k * cos(phi_k)` reaches `sum` when the angles `phi_k` are
/// independent and uniform, for the `sizes` a_k.
///
/// Chernoff's bound, the least over t of `exp(-t sum) * product of I0(t a_k)`, evaluated near its minimum: true for any
/// sizes, nothing is assumed about what they come from. 0 for sums that are not positive, minus infinity for sums above
/// the largest possible one, NaN if an argument is.
pub fn log10_phase_sum(sum: f64, sizes: &[f64]) -> f64 {
    let largest: f64 = sizes.iter().map(|a| a.abs()).sum();
    if sum.is_nan() || largest.is_nan() {
        return f64::NAN;
    }
    if sum <= 0.0 {
        return 0.0;
    }
    if sum > largest {
        return f64::NEG_INFINITY;
    }
    let energy: f64 = sizes.iter().map(|a| a * a).sum();
    // Of equal sizes one is evaluated for all.
    let mut sorted: Vec<f64> = sizes.iter().map(|a| a.abs()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let runs: Vec<(f64, f64)> =
        sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as f64)).collect();
    let exponent = |t: f64| runs.iter().map(|(a, times)| times * ln_bessel_i0(t * a)).sum::<f64>() - t * sum;
    // the exponent is convex in t with its minimum at or above the one of the normal approximation
    let (mut low, mut high) = (0.0, 2.0 * sum / energy);
    while exponent(2.0 * high) < exponent(high) && high < 1e6 / largest {
        high *= 2.0;
    }
    high *= 2.0;
    // Golden section. The minimum is flat: half as many digits of its place as of its depth.
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let inner = |low: f64, high: f64| (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut a, mut b) = inner(low, high);
    let (mut at_a, mut at_b) = (exponent(a), exponent(b));
    for _ in 0..26 {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = inner(low, high).0;
            at_a = exponent(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = inner(low, high).1;
            at_b = exponent(b);
        }
    }
    (at_a.min(at_b) / LN_10).min(0.0)
}

/// `ln I0(x)` for x >= 0: the power series, and Hankel's expansion (Abramowitz and Stegun 9.6.12 and 9.7.1) beyond 20.
fn ln_bessel_i0(x: f64) -> f64 {
    if x < 20.0 {
        let (quarter, mut term, mut sum, mut k) = (0.25 * x * x, 1.0, 1.0, 1.0);
        while term > sum * 1e-16 {
            term *= quarter / (k * k);
            sum += term;
            k += 1.0;
        }
        return sum.ln();
    }
    let r = 1.0 / (8.0 * x);
    let series = 1.0 + r * (1.0 + r * (4.5 + r * (37.5 + r * (459.375 + r * 7_441.875))));
    x - 0.5 * (2.0 * PI * x).ln() + series.ln()
}

/// `log10` of the chance that at least `k` of `n` trials succeed, each with probability `p` from 0 to 1.
///
/// 0 for `k` = 0; minus infinity for `k` > `n`; NaN for a `p` outside its range.
pub fn log10_binomial_tail(k: u64, n: u64, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if k == 0 {
        return 0.0;
    }
    if k > n {
        return f64::NEG_INFINITY;
    }
    // P(X >= k) = I_p(k, n - k + 1), Abramowitz and Stegun 26.5.24
    ln_incomplete_beta(k as f64, (n - k) as f64 + 1.0, p) / LN_10
}

/// `log10` of the chance that a chi-square variable with `dof` degrees of freedom exceeds `x`.
///
/// NaN unless `dof` is positive and `x` is a number; 0 for `x` of 0 and below.
pub fn log10_chi_square(x: f64, dof: f64) -> f64 {
    if x.is_nan() || dof.is_nan() || dof <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    let (a, y) = (dof / 2.0, x / 2.0);
    let log_front = a * y.ln() - y - ln_gamma(a);
    if y < a + 1.0 {
        // series for the lower tail, Abramowitz and Stegun 6.5.29
        let (mut term, mut sum, mut k) = (1.0 / a, 1.0 / a, a);
        for _ in 0..10_000 {
            k += 1.0;
            term *= y / k;
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return (-((log_front + sum.ln()).exp().min(1.0))).ln_1p() / LN_10;
    }
    // continued fraction for the upper tail, Abramowitz and Stegun 6.5.31, in even form
    let mut lentz = Lentz::new(y + 1.0 - a);
    for i in 1..10_000 {
        let i = f64::from(i);
        if lentz.step(-i * (i - a), y + 2.0 * i + 1.0 - a) {
            break;
        }
    }
    (log_front - lentz.value.ln()) / LN_10
}

/// The bound for the best of `2^log2_trials` tries, each with chance `10^log10_p`: their sum, never above 1 (0 in log10).
pub fn log10_union(log10_p: f64, log2_trials: f64) -> f64 {
    (log10_p + log2_trials * LOG10_2).min(0.0)
}

/// Natural logarithm of the gamma function for `x` > 0.
pub fn ln_gamma(x: f64) -> f64 {
    // Stirling's series, Abramowitz and Stegun 6.1.41, after moving the argument above 12 by recurrence
    let mut x = x;
    let mut shift = 0.0;
    while x < 12.0 {
        shift += x.ln();
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y * (1.0 / 1680.0 - y / 1188.0)))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - shift
}

/// Logarithm of the regularised incomplete beta function `I_x(a, b)`.
fn ln_incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if x >= 1.0 {
        return 0.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        // the fraction converges fast only on the other side
        return (-(ln_incomplete_beta(b, a, 1.0 - x).exp().min(1.0))).ln_1p();
    }
    let log_front = a * x.ln() + b * (-x).ln_1p() - a.ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    // Abramowitz and Stegun 26.5.8
    let mut lentz = Lentz::new(1.0);
    for i in 1..10_000 {
        let m = f64::from(i / 2);
        let coefficient = if i % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        if lentz.step(coefficient, 1.0) {
            break;
        }
    }
    log_front - lentz.value.ln()
}

/// A continued fraction `b0 + a1/(b1 + a2/(b2 + ...))` evaluated forwards (modified Lentz).
struct Lentz {
    value: f64,
    c: f64,
    d: f64,
}

impl Lentz {
    const TINY: f64 = 1e-300;

    fn new(b0: f64) -> Self {
        let value = if b0 == 0.0 { Self::TINY } else { b0 };
        Self { value, c: value, d: 0.0 }
    }

    /// Adds one level; true once the value no longer moves.
    fn step(&mut self, a: f64, b: f64) -> bool {
        let guard = |x: f64| if x.abs() < Self::TINY { Self::TINY } else { x };
        self.d = 1.0 / guard(b + a * self.d);
        self.c = guard(b + a / self.c);
        let factor = self.c * self.d;
        self.value *= factor;
        (factor - 1.0).abs() < 1e-15
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance * want.abs().max(1e-3), "{got} is not {want}");
    }

    /// Reference values from 50-digit arithmetic (mpmath).
    #[test]
    fn normal_tail_matches_reference_to_minus_300() {
        for (z, want) in NORMAL {
            close(log10_q(z), want, 1e-9);
        }
        assert_eq!(log10_q(f64::INFINITY), f64::NEG_INFINITY);
        assert!(log10_q(f64::NAN).is_nan());
    }

    const NORMAL: [(f64, f64); 15] = [
        (-5.0, -1.2449121373882918e-07),
        (-1.0, -0.07502601295781802),
        (0.0, -LOG10_2),
        (0.5, -0.5106919892652407),
        (1.0, -0.7995455414919705),
        (2.5, -2.206931805795301),
        (2.999, -2.868273406123219),
        (3.0, -2.869699035929369),
        (3.001, -2.871125069386535),
        (5.0, -6.5426456723906545),
        (8.0, -15.206142551017155),
        (13.0, -38.21344984762744),
        (20.0, -88.56009534307559),
        (37.2, -302.4669840604819),
        (100.0, -2173.8715428690343),
    ];

    #[test]
    fn student_tail_matches_reference() {
        for (t, dof, want) in STUDENT {
            close(log10_student_t(t, dof), want, 1e-8);
        }
    }

    const STUDENT: [(f64, f64, f64); 7] = [
        (0.0, 5.0, -LOG10_2),
        (1.0, 1.0, -0.6020599913279624),
        (2.5, 10.0, -1.8034529261495502),
        (13.0, 623.0, -33.933481508631104),
        (30.0, 623.0, -122.61075257646223),
        (200.0, 623.0, -566.94261227985),
        (12.0, 2.5, -2.848290841495588),
    ];

    #[test]
    fn binomial_and_chi_square_tails_match_reference() {
        for (k, n, p, want) in BINOMIAL {
            close(log10_binomial_tail(k, n, p), want, 1e-8);
        }
        for (x, dof, want) in CHI_SQUARE {
            close(log10_chi_square(x, dof), want, 1e-8);
        }
        assert_eq!(log10_binomial_tail(0, 10, 0.5), 0.0);
        assert_eq!(log10_binomial_tail(11, 10, 0.5), f64::NEG_INFINITY);
    }

    const BINOMIAL: [(u64, u64, f64, f64); 6] = [
        (1, 10, 0.5, -0.00042432292765179444),
        (10, 10, 0.5, -3.010299956639812),
        (60, 64, 0.5, -13.433972562425474),
        (500, 1000, 0.25, -63.89230560639443),
        (3, 100, 1e-06, -12.791321574953177),
        (40, 100, 0.5, -0.007711690458530917),
    ];
    const CHI_SQUARE: [(f64, f64, f64); 6] = [
        (1.0, 1.0, -0.4985155458279893),
        (3.0, 10.0, -0.00814329765139988),
        (50.0, 10.0, -6.573637851686658),
        (1000.0, 100.0, -147.6371262450245),
        (90.0, 100.0, -0.12309086169037166),
        (2000.0, 2.0, -434.29448190325184),
    ];

    /// Reference values from arithmetic with 40 digits (mpmath).
    #[test]
    fn the_bessel_logarithm_matches_reference() {
        for (x, want) in [
            (0.5, 0.061_549_719_185_481_3),
            (2.0, 0.823_993_541_482_956_3),
            (19.9, 17.492_149_818_621_352),
            (20.1, 17.687_083_876_788_98),
            (500.0, 495.974_007_668_106_7),
        ] {
            close(ln_bessel_i0(x), want, 1e-9);
        }
    }

    #[test]
    fn the_bound_on_phase_sums_holds_and_is_near_the_normal_tail() {
        // equal sizes: close to the normal tail of a sum with variance n / 2, never below the exact chance
        let sizes = [1.0; 400];
        let z = 8.0;
        let bound = log10_phase_sum(z * (200f64).sqrt(), &sizes);
        assert!(bound < -13.0 && bound > -0.5 * z * z / LN_10 - 2.0, "{bound}");
        // one cosine reaches 0.5 with chance 1/3
        assert!(log10_phase_sum(0.5, &[1.0]) > (1f64 / 3.0).log10());
        // two cosines reach 1.9 with chance of about 0.016
        assert!((-1.8..0.0).contains(&log10_phase_sum(1.9, &[1.0, 1.0])));
        assert_eq!(log10_phase_sum(-1.0, &sizes), 0.0);
        assert_eq!(log10_phase_sum(401.0, &sizes), f64::NEG_INFINITY);
        assert!(log10_phase_sum(f64::NAN, &sizes).is_nan());
        assert!(log10_phase_sum(1.0, &[f64::NAN]).is_nan());
        // scale does not matter
        let scaled = sizes.map(|a| 7.0 * a);
        close(log10_phase_sum(7.0 * z * (200f64).sqrt(), &scaled), bound, 1e-6);
        // large sums and few terms stay finite
        assert!(log10_phase_sum(0.999_999 * 400.0, &sizes).is_finite());
    }

    #[test]
    fn union_bound_never_exceeds_certainty() {
        close(log10_union(-30.0, 64.0), -30.0 + 64.0 * LOG10_2, 1e-12);
        assert_eq!(log10_union(-3.0, 64.0), 0.0);
    }

    proptest! {
        #[test]
        fn tails_fall_as_the_argument_grows(z in -8.0f64..2000.0, step in 0.001f64..1.0, dof in 0.5f64..5000.0) {
            prop_assert!(log10_q(z + step) < log10_q(z) || z < -5.0);
            prop_assert!(log10_student_t(z + step, dof) <= log10_student_t(z, dof));
            // a t tail is heavier than the normal one
            prop_assert!(z < 2.0 || log10_student_t(z, dof) >= log10_q(z));
        }

        #[test]
        fn nothing_panics(z in any::<f64>(), dof in any::<f64>(), k in any::<u64>(), n in any::<u64>()) {
            let _ = (log10_q(z), log10_student_t(z, dof), log10_chi_square(z, dof), log10_binomial_tail(k, n, z));
        }
    }
}
