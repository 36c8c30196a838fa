//! Letter by letter: is it the recorded one, or another?
//!
//! Wordings that differ in one letter correlate as a whole. So every letter is compared by itself, with the recorded
//! glyph and with every other glyph of the font that could stand there.

use ab_glyph::GlyphId;

use super::Luma;
use super::sample::{Grid, blurred, correlate, patch};
use super::template::{Fit, Label, SHIFT};
use crate::font::LabelFont;
use crate::visible::layout::{Glyph, is_cjk_letter};
use crate::visible::outline;
use crate::visible::style::Kind;

/// Correlation from which a letter is the recorded one, unless another does better: of Chinese, Japanese and Korean
/// letters, of which the font has a few only, and of Latin ones, which are all compared.
const ENOUGH: (f32, f32) = (0.80, 0.65);
/// Correlation below which a letter is another one, or none.
const TOO_LITTLE: f32 = 0.5;
/// How much better another letter must do to be taken for what stands there.
const BETTER: f32 = 0.03;
/// Brightness of a letter over its ground that every letter must have.
const LETTER_STEP: f32 = 24.0;

/// What the letters say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every letter is the recorded one.
    Same,
    /// At least one is another, or cannot be seen.
    Others,
    /// At least one cannot be told.
    Unclear,
}

pub(super) struct Letters {
    pub(super) verdict: Verdict,
    /// Lowest correlation.
    pub(super) weakest: f32,
    /// Median step of brightness between type and ground, without its sign.
    pub(super) step: f32,
}

/// Compares every letter at the place of a fit.
pub(super) fn compare(label: &Label<'_>, picture: &Luma<'_>, fit: &Fit) -> Letters {
    let cell = label.working_cell(&fit.map);
    let unit = (cell / fit.map.sx, cell / fit.map.sy);
    let mut letters = Letters { verdict: Verdict::Same, weakest: 1.0, step: 0.0 };
    let mut steps: Vec<f32> = Vec::new();
    for g in &label.set.arranged.glyphs {
        let Some(spot) = Spot::new(label, g, unit) else { continue };
        let left = fit.map.ox + (spot.x - SHIFT as f32) * cell;
        let top = fit.map.oy + (spot.y - SHIFT as f32) * cell;
        let seen = patch(picture, (left, top), (cell, cell), spot.width + 2 * SHIFT, spot.height + 2 * SHIFT);
        let own = spot.score(label, g.id, fit.blur, &seen);
        let (score, step) = own;
        letters.weakest = letters.weakest.min(score);
        steps.push(step);
        let verdict = if score < TOO_LITTLE || step < LETTER_STEP {
            Verdict::Others
        } else {
            // No letter can do better than 1, so beside a letter as it was drawn there is nothing to try.
            let best = if score + BETTER >= 1.0 {
                0.0
            } else {
                alternatives(label.font, g)
                    .map(|id| spot.score(label, id, fit.blur, &seen).0)
                    .fold(0.0_f32, f32::max)
            };
            let enough = if is_cjk_letter(g.c) { ENOUGH.0 } else { ENOUGH.1 };
            match () {
                () if best > score + BETTER => Verdict::Others,
                () if score < enough => Verdict::Unclear,
                () => Verdict::Same,
            }
        };
        letters.verdict = match (letters.verdict, verdict) {
            (Verdict::Others, _) | (_, Verdict::Others) => Verdict::Others,
            (Verdict::Unclear, _) | (_, Verdict::Unclear) => Verdict::Unclear,
            _ => Verdict::Same,
        };
    }
    steps.sort_by(f32::total_cmp);
    letters.step = steps.get(steps.len() / 2).copied().unwrap_or(0.0);
    letters
}

/// The cells in which a letter stands.
struct Spot {
    /// First cell of the label, in cells; whole numbers.
    x: f32,
    y: f32,
    width: usize,
    height: usize,
    /// Origin of the glyph inside the spot, in cells.
    origin: (f32, f32),
    /// Pixels of the glyph's em in cells, in both directions.
    em: (f32, f32),
    /// Dark type on a light ground.
    inverse: bool,
}

impl Spot {
    /// `None` for letters without ink.
    fn new(label: &Label<'_>, g: &Glyph, unit: (f32, f32)) -> Option<Self> {
        let outline = label.font.outline(g.id, g.em, g.x, g.baseline)?;
        let ink = outline.px_bounds();
        let m = label.font.metrics(g.id);
        let cjk = is_cjk_letter(g.c);
        // The body of an ideograph is a square; other letters have their ink.
        let (top, bottom) =
            if cjk { (g.baseline - 0.88 * g.em, g.baseline + 0.12 * g.em) } else { (ink.min.y, ink.max.y) };
        let pad = 0.06 * g.em;
        let from = ((g.x.min(ink.min.x) - pad) / unit.0, (top - pad) / unit.1);
        let to = (((g.x + m.advance * g.em).max(ink.max.x) + pad) / unit.0, (bottom + pad) / unit.1);
        let (x, y) = (from.0.floor(), from.1.floor());
        let dark_part = label.style().kind == Kind::Pill && g.x < label.set.arranged.split;
        Some(Self {
            x,
            y,
            width: (to.0.ceil() - x).max(1.0) as usize,
            height: (to.1.ceil() - y).max(1.0) as usize,
            origin: (g.x / unit.0 - x, g.baseline / unit.1 - y),
            em: (g.em / unit.0, g.em / unit.1),
            inverse: label.style().dark != dark_part,
        })
    }

    /// Best correlation of a glyph with the cells over small shifts, and its step of brightness.
    fn score(&self, label: &Label<'_>, id: GlyphId, blur: f32, seen: &Grid) -> (f32, f32) {
        let Some((values, weights)) = self.drawn(label, id, blur) else { return (0.0, 0.0) };
        let mut best = (-1.0_f32, 0.0_f32);
        for dy in 0..=2 * SHIFT {
            for dx in 0..=2 * SHIFT {
                let (score, slope) = correlate(&values, &weights, seen, dx, dy);
                if score > best.0 {
                    best = (score, 255.0 * slope);
                }
            }
        }
        best
    }

    /// A glyph in the spot: coverage with the sign of its brightness, and where it is looked at.
    fn drawn(&self, label: &Label<'_>, id: GlyphId, blur: f32) -> Option<(Grid, Grid)> {
        let mut mask = vec![0_u8; self.width * self.height];
        let outline = label.font.outline_scaled(id, self.em, self.origin)?;
        let bounds = outline.px_bounds();
        let (x0, y0) = (bounds.min.x as i64, bounds.min.y as i64);
        outline.draw(|x, y, coverage| {
            let (x, y) = (x0 + i64::from(x), y0 + i64::from(y));
            if x >= 0
                && y >= 0
                && x < self.width as i64
                && let Some(m) = mask.get_mut(y as usize * self.width + x as usize)
            {
                *m = m.saturating_add((coverage * 255.0 + 0.5) as u8);
            }
        });
        let weights: Vec<f32> = if label.style().kind == Kind::Outline {
            // Beyond the outline stands the picture itself.
            let reach = (0.1 * self.em.1).max(1.3);
            outline::distances(&mask, self.width)
                .into_iter()
                .map(|d| if d <= reach { 1.0 } else { 0.0 })
                .collect()
        } else {
            vec![1.0; mask.len()]
        };
        let sign = if self.inverse { -1.0 } else { 1.0 };
        let values = mask.iter().map(|m| sign * f32::from(*m)).collect();
        let grid = |data| Grid { width: self.width, height: self.height, data };
        Some((blurred(&grid(values), blur), grid(weights)))
    }
}

/// Other glyphs that could stand in a letter's place: of the same kind, and not the same shape in another guise.
fn alternatives<'a>(font: &'a LabelFont, g: &Glyph) -> impl Iterator<Item = GlyphId> + 'a {
    let cjk = is_cjk_letter(g.c);
    let (own, c) = (g.id, g.c);
    let pool: Vec<char> = if cjk {
        font.characters().filter(|c| is_cjk_letter(*c)).collect()
    } else {
        ('A'..='Z').chain('0'..='9').chain('a'..='z').collect()
    };
    pool.into_iter()
        .filter(move |o| *o != c && !alike(*o, c))
        .filter_map(|o| font.glyph(o).ok())
        .filter(move |id| *id != own)
}

/// Letters that even people tell apart by their neighbours only.
fn alike(a: char, b: char) -> bool {
    const GROUPS: [&str; 9] = ["IÍÌÎÏĪĮİl1|i", "O0QÓÒÔÖÕŐØo", "5S", "2Z", "8B", "6G", "Cc", "VvUÚÜ", "XxKk"];
    GROUPS.iter().any(|g| g.contains(a) && g.contains(b))
        || a.eq_ignore_ascii_case(&b)
        // Kana in two sizes.
        || (a as u32).abs_diff(b as u32) == 1 && matches!(a as u32, 0x3041..=0x30ff)
}
