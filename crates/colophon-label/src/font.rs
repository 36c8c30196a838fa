//! The bundled label font: a subset of Noto Sans CJK SC Bold (SIL Open Font License 1.1, see `font/`).
//!
//! Measures are in em: 1.0 is the nominal size of the type. A character without a glyph is an error that names it,
//! never an empty box.

use ab_glyph::{Font as _, FontRef, GlyphId, OutlinedGlyph, PxScale, point};
use colophon_core::{Error, ErrorKind, Result};
use ttf_parser::gpos::{PairAdjustment, PositioningSubtable};
use ttf_parser::{Face, Tag};

/// The font file: OpenType with CFF outlines.
pub const DATA: &[u8] = include_bytes!("../font/label-sc-bold.otf");

/// Checks that every character of a label can be shown.
///
/// # Errors
/// The first character without a glyph. Control characters have none.
pub fn covers(text: &str) -> Result<(), char> {
    let Ok(face) = Face::parse(DATA, 0) else { return Err('\u{fffd}') };
    match text.chars().find(|c| face.glyph_index(*c).is_none()) {
        Some(c) => Err(c),
        None => Ok(()),
    }
}

/// The font, ready to measure and to draw.
pub struct LabelFont {
    outlines: FontRef<'static>,
    face: Face<'static>,
    /// Units per em.
    units: f32,
}

impl std::fmt::Debug for LabelFont {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabelFont").field("glyphs", &self.outlines.glyph_count()).finish_non_exhaustive()
    }
}

/// The ink of a glyph above and below the baseline, and its advance, in em.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Upper edge of the ink over the baseline.
    pub top: f32,
    /// Lower edge of the ink over the baseline; negative below it.
    pub bottom: f32,
    /// Distance to the next glyph's origin.
    pub advance: f32,
}

impl LabelFont {
    /// The bundled font.
    ///
    /// # Errors
    /// `Unsupported` when the bundled file cannot be parsed, which a test excludes.
    pub fn bundled() -> Result<Self> {
        let bad =
            |e: String| Error::new(ErrorKind::Unsupported, format!("the label font is not usable: {e}"));
        let outlines = FontRef::try_from_slice(DATA).map_err(|e| bad(e.to_string()))?;
        let face = Face::parse(DATA, 0).map_err(|e| bad(e.to_string()))?;
        let units = f32::from(face.units_per_em()).max(1.0);
        Ok(Self { outlines, face, units })
    }

    /// The glyph of a character.
    ///
    /// # Errors
    /// `Usage`, naming the character.
    pub fn glyph(&self, c: char) -> Result<GlyphId> {
        self.face.glyph_index(c).map(|g| GlyphId(g.0)).ok_or_else(|| {
            Error::new(
                ErrorKind::Usage,
                format!("the label font has no glyph for {c:?} (U+{:04X})", c as u32),
            )
        })
    }

    /// Ink and advance of a glyph.
    pub fn metrics(&self, glyph: GlyphId) -> Metrics {
        let id = ttf_parser::GlyphId(glyph.0);
        let advance = f32::from(self.face.glyph_hor_advance(id).unwrap_or(0)) / self.units;
        let ink = self.face.glyph_bounding_box(id);
        let edge = |v: Option<i16>| v.map_or(0.0, f32::from) / self.units;
        Metrics { top: edge(ink.map(|r| r.y_max)), bottom: edge(ink.map(|r| r.y_min)), advance }
    }

    /// Kerning between two glyphs in em, from the pair adjustments of the `kern` feature (OpenType GPOS, lookup type 2).
    pub fn kern(&self, left: GlyphId, right: GlyphId) -> f32 {
        let (left, right) = (ttf_parser::GlyphId(left.0), ttf_parser::GlyphId(right.0));
        let Some(gpos) = self.face.tables().gpos else { return 0.0 };
        let Some(feature) = gpos.features.find(Tag::from_bytes(b"kern")) else { return 0.0 };
        for lookup in feature.lookup_indices.into_iter().filter_map(|i| gpos.lookups.get(i)) {
            for subtable in lookup.subtables.into_iter::<PositioningSubtable<'_>>() {
                let PositioningSubtable::Pair(pair) = subtable else { continue };
                let Some(index) = pair.coverage().get(left) else { continue };
                let values = match pair {
                    PairAdjustment::Format1 { sets, .. } => sets.get(index).and_then(|s| s.get(right)),
                    PairAdjustment::Format2 { classes, matrix, .. } => {
                        matrix.get((classes.0.get(left), classes.1.get(right)))
                    }
                };
                if let Some((first, _)) = values {
                    return f32::from(first.x_advance) / self.units;
                }
            }
        }
        0.0
    }

    /// The outline of a glyph with an em of `(x, y)` pixels, its origin at `(x, baseline)`.
    pub(crate) fn outline_scaled(
        &self,
        glyph: GlyphId,
        (x, y): (f32, f32),
        (left, baseline): (f32, f32),
    ) -> Option<OutlinedGlyph> {
        let factor = self.outlines.height_unscaled() / self.units;
        let scale = PxScale { x: x * factor, y: y * factor };
        self.outlines.outline_glyph(glyph.with_scale_and_position(scale, point(left, baseline)))
    }

    /// Units to the em.
    pub(crate) fn units(&self) -> f32 {
        self.units
    }

    /// Hands a glyph's outline over, in font units.
    pub(crate) fn trace(&self, glyph: GlyphId, to: &mut dyn ttf_parser::OutlineBuilder) {
        let _ = self.face.outline_glyph(ttf_parser::GlyphId(glyph.0), to);
    }

    /// Every character that has a glyph.
    pub(crate) fn characters(&self) -> impl Iterator<Item = char> + '_ {
        let tables = self.face.tables().cmap.into_iter().flat_map(|c| c.subtables.into_iter());
        let mut all = std::collections::BTreeSet::new();
        for table in tables.filter(ttf_parser::cmap::Subtable::is_unicode) {
            table.codepoints(|c| all.extend(char::from_u32(c)));
        }
        all.into_iter()
    }

    /// The outline of a glyph with `em` pixels to the em, its origin at `(x, baseline)`; `None` for a space.
    pub(crate) fn outline(&self, glyph: GlyphId, em: f32, x: f32, baseline: f32) -> Option<OutlinedGlyph> {
        // The scale of this rasteriser is the height from descender to ascender, not the em.
        let scale = PxScale::from(em * self.outlines.height_unscaled() / self.units);
        self.outlines.outline_glyph(glyph.with_scale_and_position(scale, point(x, baseline)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_without_a_glyph_is_named() {
        assert_eq!(covers("AI生成 · AI GENERATED"), Ok(()));
        assert_eq!(covers("AI 猫"), Err('猫'));
        assert_eq!(covers("a\nb"), Err('\n'));
        let e = LabelFont::bundled().unwrap().glyph('猫').unwrap_err();
        assert!(e.to_string().contains("U+732B"), "{e}");
    }

    #[test]
    fn capitals_and_ideographs_have_the_proportions_of_the_face() {
        let font = LabelFont::bundled().unwrap();
        let cap = font.metrics(font.glyph('H').unwrap());
        assert!((cap.top - 0.741).abs() < 0.002 && cap.bottom == 0.0, "{cap:?}");
        let han = font.metrics(font.glyph('生').unwrap());
        assert!(han.advance == 1.0 && han.top > 0.8 && han.bottom < 0.0, "{han:?}");
    }

    #[test]
    fn pairs_are_kerned() {
        let font = LabelFont::bundled().unwrap();
        let k = |a, b| font.kern(font.glyph(a).unwrap(), font.glyph(b).unwrap());
        assert!(k('A', 'V') < -0.01 && k('A', 'T') < -0.01);
        assert_eq!(k('H', 'H'), 0.0);
    }
}
