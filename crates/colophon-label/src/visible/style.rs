//! The styles: how type is arranged, what carries it, how it is painted.
//!
//! A style is a name with a version and what departs from its defaults, written in records as `plate.1`,
//! `plate.1 dark 85%`. Its constants never change; another look is another version.

use colophon_core::{Error, ErrorKind, Result};

use super::layout::{Block, Glyph};
use super::{outline, pill, plate};
use crate::font::LabelFont;

/// Least opacity of plates, capsules and outlines. White type over what 0.6 of them leaves of a white picture has 4.9:1,
/// dark type over a light plate on black 6.5:1; WCAG 2.2, 1.4.3 asks for 4.5:1.
const LEAST_OPACITY: u8 = 60;

/// What carries the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A rounded plate.
    Plate,
    /// An outline around the letters.
    Outline,
    /// Nothing; the picture is calm there.
    Bare,
    /// A capsule in two parts.
    Pill,
    /// A strip that is added to the picture.
    Strip,
}

/// Every kind with its name in records and its opacity in percent.
const KINDS: [(Kind, &str, u8); 5] = [
    (Kind::Plate, "plate.1", 70),
    (Kind::Outline, "outline.1", 100),
    (Kind::Bare, "bare.1", 100),
    (Kind::Pill, "pill.1", 80),
    (Kind::Strip, "strip.1", 100),
];

/// A style as a record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) kind: Kind,
    /// Dark type on something light, instead of light type on something dark.
    pub(super) dark: bool,
    /// Percent.
    pub(super) opacity: u8,
}

impl Style {
    pub(super) fn new(kind: Kind, dark: bool) -> Self {
        let opacity = KINDS.iter().find(|k| k.0 == kind).map_or(100, |k| k.2);
        Self { kind, dark, opacity }
    }

    /// The style at another opacity, 0 to 1.
    ///
    /// # Errors
    /// `Usage` where the contrast would fall below the rule, or where the style has no opacity.
    pub(super) fn with_opacity(self, share: Option<f32>) -> Result<Self> {
        let Some(share) = share else { return Ok(self) };
        let percent = (share * 100.0).round();
        let least = match self.kind {
            Kind::Plate | Kind::Outline | Kind::Pill => LEAST_OPACITY,
            Kind::Bare | Kind::Strip => return Ok(self),
        };
        if !(percent >= f32::from(least) && percent <= 100.0) {
            let text = format!(
                "an opacity of {percent} % is out of range ({least} to 100 %): the contrast would fall below 4.5:1"
            );
            return Err(Error::new(ErrorKind::Usage, text));
        }
        Ok(Self { opacity: percent as u8, ..self })
    }

    /// The name in records.
    pub(super) fn id(self) -> String {
        let (_, name, usual) = *KINDS.iter().find(|k| k.0 == self.kind).unwrap_or(&KINDS[0]);
        let mut id = name.to_owned();
        if self.dark {
            id.push_str(" dark");
        }
        if self.opacity != usual {
            id.push_str(&format!(" {}%", self.opacity));
        }
        id
    }

    /// The style of a name in a record; `None` for one this version does not draw.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let mut words = id.split(' ');
        let name = words.next()?;
        let mut style = Self::new(KINDS.iter().find(|k| k.1 == name)?.0, false);
        let mut rest = words.next();
        if rest == Some("dark") {
            style.dark = true;
            rest = words.next();
        }
        if let Some(percent) = rest {
            style.opacity = percent.strip_suffix('%')?.parse().ok().filter(|p| (1..=100).contains(p))?;
        }
        (words.next().is_none() && style.id() == id).then_some(style)
    }

    /// Distance from the canvas edge in em, where the caller names none.
    pub(super) fn margin(self) -> f32 {
        match self.kind {
            Kind::Plate | Kind::Pill => plate::MARGIN,
            Kind::Outline | Kind::Bare => 0.62,
            Kind::Strip => 0.0,
        }
    }

    /// Places the type on what carries it. `canvas_width` is the width a strip takes.
    pub(super) fn arrange(self, parts: &[Block], canvas_width: u32) -> Option<Arranged> {
        let block = parts.last()?;
        let em = block.em;
        let padded = |x: f32, y: f32| {
            let (width, height) = plate::size(block, x, y);
            let left = (width as f32 - block.width) / 2.0;
            let top = (y * em).round();
            Arranged { glyphs: moved(block, left, top), em, width, height, split: 0.0 }
        };
        Some(match self.kind {
            Kind::Plate => padded(plate::PAD_X, plate::PAD_Y),
            Kind::Outline => padded(outline::PAD, outline::PAD),
            Kind::Bare => padded(0.1, 0.1),
            Kind::Pill => pill::arrange(parts)?,
            Kind::Strip => {
                let top = (STRIP_PAD_Y * em).round();
                let height = (block.height + 2.0 * STRIP_PAD_Y * em).ceil() as u32;
                if block.width + 2.0 * STRIP_PAD_X * em > canvas_width as f32 {
                    return None;
                }
                let glyphs = moved(block, (STRIP_PAD_X * em).round(), top);
                Arranged { glyphs, em, width: canvas_width, height, split: 0.0 }
            }
        })
    }

    /// Straight-alpha RGBA of the whole label.
    pub(super) fn paint(self, a: &Arranged, mask: &[u8]) -> Vec<u8> {
        let alpha = f32::from(self.opacity) / 100.0;
        let (light, dark) = ([255.0; 3], plate::DARK);
        let (ink, ground) = if self.dark { (dark, plate::LIGHT) } else { (light, plate::DARK) };
        match self.kind {
            Kind::Plate => plate::paint(mask, a, &plate::Paint { ground, alpha, ink, line: ink }),
            Kind::Outline => outline::paint(mask, a, alpha, self.dark),
            Kind::Bare => flat(mask, ink, None),
            Kind::Pill => pill::paint(mask, a, alpha, self.dark),
            Kind::Strip => flat(mask, ink, Some(if self.dark { STRIP_LIGHT } else { STRIP_DARK })),
        }
    }
}

/// Room around the type of a strip, in em.
const STRIP_PAD_X: f32 = 0.62;
const STRIP_PAD_Y: f32 = 0.46;
/// Grounds of a strip.
const STRIP_DARK: [f32; 3] = [22.0, 23.0, 27.0];
const STRIP_LIGHT: [f32; 3] = [246.0, 246.0, 244.0];

/// Type placed on a label of a size.
#[derive(Clone, Debug)]
pub(super) struct Arranged {
    /// With origins in pixels of the label.
    pub(super) glyphs: Vec<Glyph>,
    /// Pixels to the em of the primary size.
    pub(super) em: f32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where the first part of a capsule ends, in pixels; 0 without one.
    pub(super) split: f32,
}

impl Arranged {
    /// Coverage of the type, row by row, 0 to 255.
    pub(super) fn mask(&self, font: &LabelFont) -> Vec<u8> {
        let (width, height) = (self.width, self.height);
        let mut mask = vec![0_u8; width as usize * height as usize];
        for g in &self.glyphs {
            let Some(outline) = font.outline(g.id, g.em, g.x, g.baseline) else { continue };
            let bounds = outline.px_bounds();
            let (x0, y0) = (bounds.min.x as i64, bounds.min.y as i64);
            outline.draw(|x, y, coverage| {
                let (x, y) = (x0 + i64::from(x), y0 + i64::from(y));
                if x < 0 || y < 0 || x >= i64::from(width) || y >= i64::from(height) {
                    return;
                }
                if let Some(m) = mask.get_mut(y as usize * width as usize + x as usize) {
                    *m = m.saturating_add((coverage * 255.0 + 0.5) as u8);
                }
            });
        }
        mask
    }
}

/// The glyphs of a block with its corner at `(left, top)`.
pub(super) fn moved(block: &Block, left: f32, top: f32) -> Vec<Glyph> {
    let shift = |g: &Glyph| Glyph { x: left + g.x, baseline: top + g.baseline, ..*g };
    block.glyphs.iter().map(shift).collect()
}

/// Type of one colour, over a ground or over nothing.
fn flat(mask: &[u8], ink: [f32; 3], ground: Option<[f32; 3]>) -> Vec<u8> {
    let byte = |v: f32| (v + 0.5) as u8;
    mask.iter()
        .flat_map(|m| match ground {
            None => {
                let [r, g, b] = ink.map(byte);
                [r, g, b, *m]
            }
            Some(ground) => {
                let share = f32::from(*m) / 255.0;
                let mix = |i: f32, g: f32| byte(g + (i - g) * share);
                let ([r, g, b], [x, y, z]) = (ink, ground);
                [mix(r, x), mix(g, y), mix(b, z), 255]
            }
        })
        .collect()
}

/// One layer over another (Porter and Duff, "over"), straight alpha.
#[derive(Clone, Copy)]
pub(super) struct Layers {
    color: [f32; 3],
    alpha: f32,
}

impl Layers {
    pub(super) fn new(color: [f32; 3], alpha: f32) -> Self {
        Self { color, alpha }
    }

    pub(super) fn over(self, top: [f32; 3], share: f32) -> Self {
        let out = share + self.alpha * (1.0 - share);
        let [r, g, b] = self.color;
        let [x, y, z] = top;
        let mix = |top: f32, under: f32| (top * share + under * self.alpha * (1.0 - share)) / out;
        let color = if out > 0.0 { [mix(x, r), mix(y, g), mix(z, b)] } else { self.color };
        Self { color, alpha: out }
    }

    pub(super) fn bytes(self) -> [u8; 4] {
        let [r, g, b] = self.color.map(|c| (c + 0.5) as u8);
        [r, g, b, (self.alpha * 255.0 + 0.5) as u8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_gives_its_name_and_the_name_gives_the_style() {
        for (kind, name, usual) in KINDS {
            for dark in [false, true] {
                for opacity in [usual, 61, 100] {
                    let style = Style { kind, dark, opacity };
                    assert!(style.id().starts_with(name));
                    assert_eq!(Style::parse(&style.id()), Some(style));
                }
            }
        }
        for bad in
            ["", "plate.2", "plate.1  dark", "plate.1 70%", "plate.1 0%", "plate.1 85% dark", "plate.1 85"]
        {
            assert_eq!(Style::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn wcag_1_4_3_opacities_below_the_contrast_are_refused() {
        let plate = Style::new(Kind::Plate, false);
        assert_eq!(plate.with_opacity(Some(0.85)).unwrap().opacity, 85);
        let e = plate.with_opacity(Some(0.3)).unwrap_err();
        assert!(e.to_string().contains("4.5:1"), "{e}");
        assert!(plate.with_opacity(Some(f32::NAN)).is_err());
    }
}
