//! What a picture looks like where a label goes, and what an adaptive label makes of it.

use colophon_core::Result;

use super::style::{Kind, Style};

/// Spread of brightness up to which a background is calm enough for bare type.
const CALM: u8 = 56;
/// Contrast that text needs (WCAG 2.2, 1.4.3).
const CONTRAST: f64 = 4.5;

/// Brightness of the picture inside a box, 0 black to 255 white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backdrop {
    /// Level that 2 of 100 pixels are darker than.
    pub low: u8,
    /// Mean level.
    pub mean: u8,
    /// Level that 2 of 100 pixels are brighter than.
    pub high: u8,
}

impl Backdrop {
    /// Of the levels of a box; `None` for none.
    pub fn of(levels: impl Iterator<Item = u8>) -> Option<Self> {
        let mut counts = [0_u64; 256];
        for v in levels {
            if let Some(c) = counts.get_mut(usize::from(v)) {
                *c += 1;
            }
        }
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return None;
        }
        let sum: u64 = counts.iter().zip(0_u64..).map(|(n, v)| n * v).sum();
        let reach = |share: u64| {
            let mut seen = 0;
            let wanted = (all * share).div_ceil(100).max(1);
            counts.iter().position(|n| {
                seen += n;
                seen >= wanted
            })
        };
        Some(Self {
            low: reach(2).unwrap_or(0) as u8,
            mean: (sum / all) as u8,
            high: reach(98).unwrap_or(255) as u8,
        })
    }
}

/// Bare type where the background is calm and far enough from the type, else a plate that blends with it: dark on dark
/// pictures, light on light ones.
///
/// # Errors
/// `Usage` for an opacity that the style refuses.
pub(super) fn choose(seen: Backdrop, opacity: Option<f32>) -> Result<Style> {
    let calm = seen.high.saturating_sub(seen.low) <= CALM;
    if calm && contrast(255, seen.high) >= CONTRAST {
        return Ok(Style::new(Kind::Bare, false));
    }
    // Dark type is 17 of 255.
    if calm && contrast(17, seen.low) >= CONTRAST {
        return Ok(Style::new(Kind::Bare, true));
    }
    Style::new(Kind::Plate, seen.mean >= 128).with_opacity(opacity)
}

/// Contrast of two greys (WCAG 2.2, definition of contrast ratio).
fn contrast(a: u8, b: u8) -> f64 {
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let (a, b) = (linear(a), linear(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(levels: &[u8]) -> Style {
        choose(Backdrop::of(levels.iter().copied()).unwrap(), None).unwrap()
    }

    #[test]
    fn wcag_1_4_3_bare_type_only_where_it_can_be_read() {
        assert_eq!(seen(&[20; 100]).id(), "bare.1");
        assert_eq!(seen(&[235; 100]).id(), "bare.1 dark");
        let busy: Vec<u8> = (0..100).map(|i| if i % 2 == 0 { 10 } else { 90 }).collect();
        assert_eq!(seen(&busy).id(), "plate.1");
        let bright: Vec<u8> = (0..100).map(|i| if i % 2 == 0 { 255 } else { 120 }).collect();
        assert_eq!(seen(&bright).id(), "plate.1 dark");
    }
}
