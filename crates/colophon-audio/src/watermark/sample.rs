//! The sample types that can be marked and read.

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i16 {}
    impl Sealed for i32 {}
}

/// A sample: `f32` with full scale 1, `i16` or `i32` with their own full scale.
pub trait Sample: sealed::Sealed + Copy {
    /// As a number with full scale 1; 0 for what is no finite number.
    fn amplitude(self) -> f32;
    /// With `change` (full scale 1) added, rounded to nearest. Where that would pass full scale, or the sample's own excess
    /// over it, only the change is cut.
    #[must_use]
    fn changed(self, change: f32) -> Self;
}

impl Sample for f32 {
    #[inline]
    fn amplitude(self) -> f32 {
        if self.is_finite() { self } else { 0.0 }
    }

    #[inline]
    fn changed(self, change: f32) -> Self {
        let limit = self.abs().max(1.0);
        if self.is_finite() { (self + change).clamp(-limit, limit) } else { self }
    }
}

impl Sample for i16 {
    #[inline]
    fn amplitude(self) -> f32 {
        f32::from(self) / 32_768.0
    }

    #[inline]
    fn changed(self, change: f32) -> Self {
        // Saturates at the limits of the type.
        // Half away from zero; the cast cuts off the fraction.
        let sum = f32::from(self) + change * 32_768.0;
        (sum + 0.5f32.copysign(sum)) as Self
    }
}

impl Sample for i32 {
    #[inline]
    fn amplitude(self) -> f32 {
        (f64::from(self) / 2_147_483_648.0) as f32
    }

    #[inline]
    fn changed(self, change: f32) -> Self {
        (f64::from(self) + f64::from(change) * 2_147_483_648.0).round() as Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_not_passed_and_not_taken_away() {
        assert_eq!(i16::MAX.changed(0.5), i16::MAX);
        assert_eq!(i16::MIN.changed(-0.5), i16::MIN);
        assert_eq!(i32::MAX.changed(0.5), i32::MAX);
        assert_eq!(0.9f32.changed(0.5), 1.0);
        assert_eq!(1.5f32.changed(0.5), 1.5);
        assert_eq!((-1.5f32).changed(0.5), -1.0);
        assert_eq!(100i16.changed(0.4 / 32_768.0), 100);
    }

    #[test]
    fn what_is_no_number_counts_as_silence_and_stays() {
        assert_eq!(f32::NAN.amplitude(), 0.0);
        assert_eq!(f32::INFINITY.amplitude(), 0.0);
        assert!(f32::NAN.changed(0.1).is_nan());
    }
}
