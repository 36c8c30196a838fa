//! What a label should look like, on the grid at which it is compared.

use colophon_core::PixelBox;

use super::Luma;
use super::sample::{Grid, Map, blurred, correlate, patch, resample};
use crate::font::LabelFont;
use crate::visible::style::Kind;
use crate::visible::{Set, Style};

/// Ink height in cells at which the comparison is made: finer says nothing more and costs more.
const WORKING_INK: f32 = 20.0;
/// Shift in cells that is looked for in each direction.
pub(super) const SHIFT: usize = 2;
/// Radii in cells by which the drawing is blurred to match a copy that was scaled or compressed.
const BLURS: [f32; 4] = [0.0, 0.6, 1.1, 1.8];
/// Opacity from which a pixel of the label says something about the picture.
const OPAQUE: f32 = 0.3;

/// A label drawn from its record.
pub(super) struct Label<'a> {
    pub(super) font: &'a LabelFont,
    pub(super) set: Set,
    pub(super) area: PixelBox,
    /// Ink height of the reference glyph in pixels of the label.
    pub(super) ink: f32,
    /// Brightness over grey, and weight, of every pixel of the label.
    values: Grid,
    weights: Grid,
}

/// The drawing brought to the grid of a place.
pub(super) struct Template {
    pub(super) values: Grid,
    pub(super) weights: Grid,
}

/// How well a place fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) map: Map,
    pub(super) score: f32,
    /// Blur of the copy in cells.
    pub(super) blur: f32,
}

impl<'a> Label<'a> {
    pub(super) fn new(font: &'a LabelFont, set: Set, area: PixelBox) -> Self {
        let (width, height) = (set.arranged.width as usize, set.arranged.height as usize);
        let mask = set.arranged.mask(font);
        let rgba = set.style.paint(&set.arranged, &mask);
        let bare = set.style.kind == Kind::Bare;
        let (mut values, mut weights) = (Vec::with_capacity(mask.len()), Vec::with_capacity(mask.len()));
        for p in rgba.chunks_exact(4) {
            let &[r, g, b, a] = p else { continue };
            let (level, alpha) =
                (0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b), f32::from(a) / 255.0);
            values.push(128.0 + (level - 128.0) * alpha);
            // Bare type is told by its difference from what is around it.
            weights.push(if bare || alpha >= OPAQUE { 1.0 } else { 0.0 });
        }
        let ink = set.ink as f32;
        let grid = |data| Grid { width, height, data };
        Self { font, set, area, ink, values: grid(values), weights: grid(weights) }
    }

    pub(super) fn style(&self) -> Style {
        self.set.style
    }

    /// Pixels of the picture in a cell, when the label has the scale of `map`.
    pub(super) fn cell(&self, map: &Map, ink: f32) -> f32 {
        (self.ink * map.sy / ink).max(1.0)
    }

    /// The drawing on cells of `cell` picture pixels.
    pub(super) fn template(&self, map: &Map, cell: f32, blur: f32) -> Template {
        let unit = (cell / map.sx, cell / map.sy);
        let width = (self.area.width as f32 / unit.0).floor().max(1.0) as usize;
        let height = (self.area.height as f32 / unit.1).floor().max(1.0) as usize;
        let values = resample(&self.values, (0.0, 0.0), unit, width, height, 128.0);
        let weights = resample(&self.weights, (0.0, 0.0), unit, width, height, 0.0);
        Template { values: blurred(&values, blur), weights }
    }

    /// The best fit near a place. With `scaling` the scale is looked for, too.
    pub(super) fn refine(&self, picture: &Luma<'_>, start: Map, scaling: bool) -> Fit {
        let cell = self.cell(&start, WORKING_INK);
        let sharp = self.template(&start, cell, 0.0);
        let score = |map: &Map, t: &Template| {
            let seen = patch(picture, (map.ox, map.oy), (cell, cell), t.values.width, t.values.height);
            correlate(&t.values, &t.weights, &seen, 0, 0).0
        };
        // Whole cells first.
        let (w, h) = (sharp.values.width + 2 * SHIFT, sharp.values.height + 2 * SHIFT);
        let corner = (start.ox - SHIFT as f32 * cell, start.oy - SHIFT as f32 * cell);
        let seen = patch(picture, corner, (cell, cell), w, h);
        let mut best = Fit { map: start, score: -1.0, blur: 0.0 };
        for dy in 0..=2 * SHIFT {
            for dx in 0..=2 * SHIFT {
                let s = correlate(&sharp.values, &sharp.weights, &seen, dx, dy).0;
                if s > best.score {
                    let (ox, oy) = (corner.0 + dx as f32 * cell, corner.1 + dy as f32 * cell);
                    best = Fit { map: Map { ox, oy, ..start }, score: s, blur: 0.0 };
                }
            }
        }
        if best.score < 0.2 {
            return best;
        }
        for blur in BLURS.into_iter().skip(1) {
            let s = score(&best.map, &self.template(&best.map, cell, blur));
            if s <= best.score {
                break;
            }
            best = Fit { score: s, blur, ..best };
        }
        // Then fractions, then the scale about the label's middle.
        let (width, height) = (self.area.width as f32, self.area.height as f32);
        for step in [0.5, 0.25] {
            for _ in 0..4 {
                let before = best.score;
                for (dx, dy) in [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)] {
                    let map = Map {
                        ox: best.map.ox + dx * step * cell,
                        oy: best.map.oy + dy * step * cell,
                        ..best.map
                    };
                    let s = score(&map, &self.template(&map, cell, best.blur));
                    if s > best.score {
                        best = Fit { map, score: s, ..best };
                    }
                }
                if scaling {
                    for (kx, ky) in
                        [(1.0, 1.0), (-1.0, -1.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)]
                    {
                        let (fx, fy) = (1.0 + 0.02 * step * kx, 1.0 + 0.02 * step * ky);
                        let m = best.map;
                        let map = Map {
                            sx: m.sx * fx,
                            sy: m.sy * fy,
                            ox: m.ox - width * m.sx * (fx - 1.0) / 2.0,
                            oy: m.oy - height * m.sy * (fy - 1.0) / 2.0,
                        };
                        let s = score(&map, &self.template(&map, cell, best.blur));
                        if s > best.score {
                            best = Fit { map, score: s, ..best };
                        }
                    }
                }
                if best.score <= before {
                    break;
                }
            }
        }
        best
    }

    /// The cell of a fit, for those who look closer.
    pub(super) fn working_cell(&self, map: &Map) -> f32 {
        self.cell(map, WORKING_INK)
    }
}
