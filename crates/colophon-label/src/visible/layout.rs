//! From words to placed glyphs: lines, sizes, spacing, kerning.
//!
//! All spacing is in em of the primary size, so that a label looks the same on every canvas. Everything here is a
//! function of the text, the ink height and the number of lines: the same three give the same block for ever, which is
//! what lets a record be drawn again.

use ab_glyph::GlyphId;
use colophon_core::{Error, ErrorKind, Result};

use crate::font::LabelFont;
use crate::wording::SEPARATOR;

/// Longest label in characters; more is prose, not a label.
const MAX_CHARACTERS: usize = 120;
/// Most lines a label wraps to.
pub(super) const MAX_LINES: usize = 6;
/// Space between Latin and Chinese, Japanese or Korean letters that touch.
const AUTOSPACE: f32 = 0.14;
/// Extra space between capitals: text in capitals is set wide to be read at a glance.
const TRACKING: f32 = 0.05;
/// Free height between the ink of two lines.
const LEADING: f32 = 0.36;
/// Size of a Latin line that accompanies a Chinese, Japanese or Korean one.
const SECONDARY: f32 = 0.70;
/// Capitals of an accompanying line are never set lower than this many pixels while the primary size allows it.
const SECONDARY_CAPITALS: f32 = 7.0;
/// Height of the capitals in em, measured on the outlines; the font's header rounds it to 0.733.
const CAPITALS: f32 = 0.741;
/// Words that are not broken between lines.
const KEPT: &[&str] = &["人工智能", "人工智慧", "生成", "合成", "内容", "內容", "加工", "修改"];

/// A glyph with its size and its origin inside the block, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glyph {
    pub(super) c: char,
    pub(super) id: GlyphId,
    pub(super) em: f32,
    pub(super) x: f32,
    pub(super) baseline: f32,
}

/// Text set in lines.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) glyphs: Vec<Glyph>,
    /// Pixels to the em of the primary size.
    pub(super) em: f32,
    /// Extent of the ink.
    pub(super) width: f32,
    pub(super) height: f32,
}

/// A text taken apart once, to be set in several ways.
pub(super) struct Setter<'a> {
    font: &'a LabelFont,
    atoms: Vec<Atom>,
    /// The glyph whose ink height counts.
    reference: GlyphId,
    /// Its ink height in em.
    reference_ink: f32,
    /// Whether the reference is a Chinese, Japanese or Korean letter.
    pub(super) cjk: bool,
}

/// A piece of text that stays on one line.
struct Atom {
    text: String,
    gap: Gap,
    /// Belongs to a wording in Latin letters beside one in Chinese, Japanese or Korean.
    secondary: bool,
}

/// What stands before an atom when it does not begin a line.
#[derive(Clone, Copy, PartialEq)]
enum Gap {
    Nothing,
    Space,
    Separator,
}

impl<'a> Setter<'a> {
    /// # Errors
    /// `Usage` for empty and overlong texts, and for characters without a glyph.
    pub(super) fn new(font: &'a LabelFont, text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > MAX_CHARACTERS {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("a label has 1 to {MAX_CHARACTERS} characters"),
            ));
        }
        let glyphs: Vec<(char, GlyphId)> =
            text.chars().map(|c| Ok((c, font.glyph(c)?))).collect::<Result<_>>()?;
        let ink = |g: GlyphId| {
            let m = font.metrics(g);
            m.top - m.bottom
        };
        let tallest = |wanted: &dyn Fn(char) -> bool| {
            let it = glyphs.iter().filter(|(c, _)| wanted(*c)).map(|(_, g)| (*g, ink(*g)));
            it.filter(|(_, h)| *h > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let cjk = tallest(&is_cjk_letter);
        let is_cjk = cjk.is_some();
        let Some((reference, reference_ink)) = cjk
            .or_else(|| tallest(&|c: char| c.is_ascii_uppercase()))
            .or_else(|| tallest(&|c: char| !c.is_whitespace()))
        else {
            return Err(Error::new(ErrorKind::Usage, "a label without ink is no label"));
        };
        Ok(Self { font, atoms: atoms(text, is_cjk), reference, reference_ink, cjk: is_cjk })
    }

    /// Most lines the text can be set in.
    pub(super) fn max_lines(&self) -> usize {
        self.atoms.len().min(MAX_LINES)
    }

    /// The size at which the rendered reference glyph is at least `ink` pixels high, and the height it then has.
    pub(super) fn em_for(&self, ink: u32) -> (f32, u32) {
        let mut em = ink as f32 / self.reference_ink;
        // Rounding loses at most a pixel; half a pixel a step gets there in three.
        for _ in 0..8 {
            let measured = self.measured(em);
            if measured >= ink {
                return (em, measured);
            }
            em += 0.5 / self.reference_ink;
        }
        (em, self.measured(em))
    }

    /// The glyph whose ink height is the label's.
    pub(super) fn reference(&self) -> GlyphId {
        self.reference
    }

    /// Height of the rendered reference glyph: from the first to the last row in which a pixel is at least half covered.
    /// Rows between strokes, under the dot of an i or inside 二, belong to it.
    fn measured(&self, em: f32) -> u32 {
        let Some(outline) = self.font.outline(self.reference, em, 0.0, 0.0) else { return 0 };
        let mut rows: Option<(u32, u32)> = None;
        outline.draw(|_, y, coverage| {
            if coverage >= 0.5 {
                let (first, last) = rows.unwrap_or((y, y));
                rows = Some((first.min(y), last.max(y)));
            }
        });
        rows.map_or(0, |(first, last)| last - first + 1)
    }

    /// Sets the text in `lines` lines with `em` pixels to the em, each line centred.
    pub(super) fn set(&self, em: f32, lines: usize) -> Option<Block> {
        let breaks = self.breaks(em, lines)?;
        let mut glyphs = Vec::new();
        let mut rows: Vec<(usize, f32)> = Vec::new();
        let mut y = 0.0;
        let mut width: f32 = 0.0;
        for (from, to) in breaks {
            let first = glyphs.len();
            let line = self.line(from, to, em);
            if first > 0 {
                y += LEADING * em;
            }
            // The baseline stands on a pixel edge: horizontal strokes of capitals stay sharp.
            let baseline = (y + line.top).round();
            glyphs.extend(line.glyphs.into_iter().map(|g| Glyph { baseline, ..g }));
            y = baseline - line.bottom;
            width = width.max(line.width);
            rows.push((first, line.width));
        }
        let mut ends = rows.iter().skip(1).map(|r| r.0).chain([glyphs.len()]);
        for (first, line_width) in &rows {
            let end = ends.next().unwrap_or(glyphs.len());
            for g in glyphs.get_mut(*first..end).unwrap_or_default() {
                g.x += (width - line_width) / 2.0;
            }
        }
        Some(Block { glyphs, em, width, height: y })
    }

    /// The ranges of atoms on each of `lines` lines: the widest line as narrow as possible, breaks where they read best.
    fn breaks(&self, em: f32, lines: usize) -> Option<Vec<(usize, usize)>> {
        let n = self.atoms.len();
        if lines == 0 || lines > n {
            return None;
        }
        // best[i] = (cost, begin of the last line) for the atoms before i in the lines so far.
        let penalty = |at: usize| match self.atoms.get(at).map(|a| a.gap) {
            Some(Gap::Nothing) => 2.0 * em,
            Some(Gap::Space) => em,
            _ => 0.0,
        };
        let mut table: Vec<Vec<(f32, usize)>> = Vec::new();
        for line in 0..lines {
            let row = (0..=n).map(|end| {
                let ways = (line..end).filter_map(|begin| {
                    let before = match line {
                        0 if begin == 0 => 0.0,
                        0 => return None,
                        _ => table.get(line - 1)?.get(begin)?.0 + penalty(begin),
                    };
                    let width = self.line(begin, end, em).width;
                    before.is_finite().then_some((before.max(width), begin))
                });
                ways.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f32::INFINITY, 0))
            });
            let row: Vec<_> = row.collect();
            table.push(row);
        }
        let mut end = n;
        let mut out = Vec::new();
        for row in table.iter().rev() {
            let (cost, begin) = *row.get(end)?;
            if !cost.is_finite() {
                return None;
            }
            out.push((begin, end));
            end = begin;
        }
        out.reverse();
        Some(out)
    }

    fn line(&self, from: usize, to: usize, em: f32) -> Line {
        let atoms = self.atoms.get(from..to).unwrap_or_default();
        let scale = if atoms.iter().all(|a| a.secondary) {
            (SECONDARY_CAPITALS / (CAPITALS * em)).clamp(SECONDARY, 1.0)
        } else {
            1.0
        };
        let em = em * scale;
        let mut line = Line { glyphs: Vec::new(), top: 0.0, bottom: f32::MAX, width: 0.0 };
        let mut pen = 0.0;
        let mut before: Option<(char, GlyphId)> = None;
        for (i, atom) in atoms.iter().enumerate() {
            let gap = match atom.gap {
                _ if i == 0 => "",
                Gap::Nothing => "",
                Gap::Space => " ",
                Gap::Separator => SEPARATOR,
            };
            for c in gap.chars().chain(atom.text.chars()) {
                let Ok(id) = self.font.glyph(c) else { continue };
                if let Some((left, left_id)) = before {
                    pen += em * (self.font.kern(left_id, id) + extra(left, c));
                }
                let m = self.font.metrics(id);
                line.glyphs.push(Glyph { c, id, em, x: pen, baseline: 0.0 });
                line.top = line.top.max(m.top * em);
                line.bottom = line.bottom.min(m.bottom * em);
                pen += em * m.advance;
                before = Some((c, id));
            }
        }
        // Dashes and dots alone would make a line without height; descenders keep their room, letters above it do not.
        line.bottom = line.bottom.min(0.0);
        line.width = pen;
        line
    }
}

struct Line {
    glyphs: Vec<Glyph>,
    /// Ink over the baseline.
    top: f32,
    /// Ink under the baseline, not positive.
    bottom: f32,
    width: f32,
}

/// Space between two letters beyond advance and kerning.
fn extra(left: char, right: char) -> f32 {
    let capital = |c: char| c.is_uppercase();
    if capital(left) && (capital(right) || right == ' ') || left == ' ' && capital(right) {
        TRACKING
    } else if is_cjk_letter(left) && right.is_ascii_alphanumeric()
        || left.is_ascii_alphanumeric() && is_cjk_letter(right)
    {
        AUTOSPACE
    } else {
        0.0
    }
}

fn atoms(text: &str, cjk: bool) -> Vec<Atom> {
    let mut out = Vec::new();
    for (p, part) in text.split(SEPARATOR).enumerate() {
        let secondary = cjk && !part.chars().any(is_cjk_letter);
        for (w, word) in part.split(' ').filter(|w| !w.is_empty()).enumerate() {
            let mut gap = match (p, w) {
                (0, 0) => Gap::Nothing,
                (_, 0) => Gap::Separator,
                _ => Gap::Space,
            };
            for piece in pieces(word) {
                out.push(Atom { text: piece.to_owned(), gap, secondary });
                gap = Gap::Nothing;
            }
        }
    }
    out
}

/// Cuts a word where a line may end inside it: between ideographs and kana, at a change to Latin, never inside
/// [`KEPT`] words and never before closing punctuation. Hangul stays together as Latin does: it has spaces.
fn pieces(word: &str) -> Vec<&str> {
    let mut cuts = Vec::new();
    let mut at = 0;
    while let Some(rest) = word.get(at..).filter(|r| !r.is_empty()) {
        let kept = KEPT.iter().find(|k| rest.starts_with(**k)).map(|k| k.len());
        let mut end = at
            + kept.unwrap_or_else(|| {
                let mut len = 0;
                for c in rest.chars() {
                    if len > 0 && is_ideographic(c) {
                        break;
                    }
                    len += c.len_utf8();
                    if is_ideographic(c) {
                        break;
                    }
                }
                len
            });
        while let Some(c) = word.get(end..).and_then(|r| r.chars().next()).filter(|c| closes(*c)) {
            end += c.len_utf8();
        }
        cuts.push(at..end);
        at = end;
    }
    cuts.into_iter().filter_map(|r| word.get(r)).collect()
}

fn is_ideographic(c: char) -> bool {
    matches!(c as u32, 0x3041..=0x30ff | 0x3400..=0x9fff | 0xf900..=0xfaff)
}

pub(super) fn is_cjk_letter(c: char) -> bool {
    is_ideographic(c) || matches!(c as u32, 0xac00..=0xd7a3)
}

fn closes(c: char) -> bool {
    "，。、；：！？）】」』》〉”’,.;:!?)]".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, n: usize) -> Vec<String> {
        let font = LabelFont::bundled().unwrap();
        let s = Setter::new(&font, text).unwrap();
        let breaks = s.breaks(40.0, n).unwrap();
        breaks.iter().map(|(a, b)| s.atoms[*a..*b].iter().map(|a| a.text.as_str()).collect()).collect()
    }

    #[test]
    fn lines_break_at_separators_then_spaces_then_between_words() {
        assert_eq!(lines("AI生成 · AI GENERATED", 2), ["AI生成", "AIGENERATED"]);
        assert_eq!(lines("AI生成 · AI GENERATED", 3), ["AI生成", "AI", "GENERATED"]);
        assert_eq!(lines("AI GENERATED", 2), ["AI", "GENERATED"]);
        let long = lines("本内容由人工智能生成合成", 2);
        assert!(long.iter().any(|l| l.contains("人工智能")), "{long:?}");
        assert_eq!(lines("（AI生成）。", 2), ["（AI", "生成）。"]);
    }

    #[test]
    fn ink_is_measured_on_the_mask_and_never_short() {
        let font = LabelFont::bundled().unwrap();
        for text in ["AI生成", "AI GENERATED", "ai", "AI 생성", "AI生成 · AI GENERATED"] {
            let s = Setter::new(&font, text).unwrap();
            for ink in [5, 8, 13, 40, 101, 550] {
                let (em, measured) = s.em_for(ink);
                assert!(measured >= ink && measured <= ink + 1, "{text} {ink}: {measured}");
                assert_eq!(s.em_for(measured).1, measured, "{text}: a recorded height gives itself again");
                assert!(em > 0.0);
            }
        }
    }

    #[test]
    fn the_reference_is_the_tallest_cjk_glyph_or_capital() {
        let font = LabelFont::bundled().unwrap();
        assert!(Setter::new(&font, "AI生成").unwrap().cjk);
        let s = Setter::new(&font, "AI GÉNÉRÉ").unwrap();
        assert!(!s.cjk && s.reference_ink < 0.78, "accents do not count: {}", s.reference_ink);
    }

    #[test]
    fn empty_overlong_and_unknown_texts_are_refused() {
        let font = LabelFont::bundled().unwrap();
        for bad in ["", "   ", &"A".repeat(MAX_CHARACTERS + 1), "AI 猫"] {
            assert!(Setter::new(&font, bad).is_err(), "{bad}");
        }
    }
}
