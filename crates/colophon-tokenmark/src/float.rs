//! Exponential and logarithm in straight-line code, so that loops over candidates become vector code.
//!
//! The library functions are calls per element; over 128,000 candidates they cost more than the watermark.

/// Where [`exp_nonpositive`] becomes 0.
pub(crate) const VANISHES: f32 = -87.0;

/// `exp(x)` for `x` at or below 0; 0 at or below [`VANISHES`].
///
/// Relative error under 2e-7 (degree-6 Taylor polynomial after reduction to half a binade of base 2).
#[inline(always)]
pub(crate) fn exp_nonpositive(x: f32) -> f32 {
    /// Adding it rounds a small float to the nearest integer, kept in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > VANISHES { x } else { VANISHES };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let poly = 1.0
        + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000));
    if x > VANISHES { poly * scale } else { 0.0 }
}

/// Natural logarithm of a positive normal float; about -88 for 0 and subnormal ones.
///
/// Absolute error under 3e-7 near 1, relative error under 2e-7 elsewhere.
#[inline(always)]
pub(crate) fn ln_f32(x: f32) -> f32 {
    // move the mantissa to [sqrt(1/2), sqrt(2))
    let bits = x.to_bits().wrapping_add(0x3F80_0000 - 0x3F35_04F3);
    let exponent = (bits >> 23) as i32 - 127;
    let mantissa = f32::from_bits((bits & 0x007F_FFFF) + 0x3F35_04F3);
    // ln m = 2 atanh f, f = (m - 1) / (m + 1), |f| < 0.172
    let f = (mantissa - 1.0) / (mantissa + 1.0);
    let f2 = f * f;
    let tail = f2 * (2.0 / 3.0 + f2 * (2.0 / 5.0 + f2 * (2.0 / 7.0 + f2 * (2.0 / 9.0))));
    exponent as f32 * std::f32::consts::LN_2 + (2.0 * f + f * tail)
}

/// Natural logarithm of a positive normal double.
///
/// Relative error under 4e-15 away from 1, absolute error under 4e-16 at 1.
#[inline(always)]
pub(crate) fn ln_f64(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;
    /// 2^52 as bits: an integer or-ed into its mantissa is that integer as a double, once 2^52 is taken off again.
    const MAGIC: u64 = 0x4330_0000_0000_0000;
    let bits = x.to_bits().wrapping_add(0x3FF0_0000_0000_0000 - SQRT_HALF);
    let exponent = f64::from_bits(MAGIC | (bits >> 52)) - (4_503_599_627_370_496.0 + 1023.0);
    let mantissa = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) + SQRT_HALF);
    let f = (mantissa - 1.0) / (mantissa + 1.0);
    let f2 = f * f;
    // Horner's rule; written as a loop, which the compiler unrolls, because nesting this deep takes rustfmt 20 seconds
    let mut tail = 0.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        tail = 2.0 / odd + f2 * tail;
    }
    let tail = f2 * tail;
    exponent * std::f64::consts::LN_2 + (2.0 * f + f * tail)
}

/// The highest value, minus infinity for none; not-a-numbers are passed over.
#[inline(always)]
pub(crate) fn highest(values: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut tops = [f32::NEG_INFINITY; LANES];
    let blocks = values.chunks_exact(LANES);
    for (top, &value) in tops.iter_mut().zip(blocks.remainder()) {
        *top = if value > *top { value } else { *top };
    }
    for block in blocks {
        for (top, &value) in tops.iter_mut().zip(block) {
            *top = if value > *top { value } else { *top };
        }
    }
    tops.into_iter().fold(f32::NEG_INFINITY, |top, value| if value > top { value } else { top })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exp_is_close(x in -86.0f32..=0.0) {
            let want = f64::from(x).exp();
            prop_assert!((f64::from(exp_nonpositive(x)) - want).abs() <= 3e-7 * want);
        }

        #[test]
        fn ln_is_close(x in 1e-37f32..1e37) {
            let want = f64::from(x).ln();
            prop_assert!((f64::from(ln_f32(x)) - want).abs() <= 3e-7 * want.abs().max(1.0));
        }

        #[test]
        fn ln_of_doubles_is_close(x in prop_oneof![1e-300f64..1e300, 1e-9f64..1.0, 0.999f64..1.001]) {
            let want = x.ln();
            prop_assert!((ln_f64(x) - want).abs() <= 4e-15 * want.abs() + 4e-16);
        }
    }

    #[test]
    fn exp_vanishes_far_below() {
        assert_eq!(exp_nonpositive(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_nonpositive(-1e9), 0.0);
        assert_eq!(exp_nonpositive(0.0), 1.0);
    }
}
