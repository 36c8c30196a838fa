//! Style `pill.1`: a capsule in two parts, `AI` and what was done (EU Code of Practice, Section 2: the capitals AI, and
//! `GENERATED` or `MODIFIED` as a second layer).

use colophon_core::{Error, ErrorKind, Result};

use super::layout::Block;
use super::plate;
use super::style::{Arranged, Layers, moved};
use crate::wording::SEPARATOR;

/// Room around the type, in em: above and below, at the round ends, beside the seam.
const PAD_Y: f32 = 0.36;
const PAD_END: f32 = 0.62;
const PAD_SEAM: f32 = 0.44;
/// Strength of the light part.
const LIGHT_ALPHA: f32 = 0.96;
/// Strength of the hairline: light around the dark part, dark around the light one.
const LINE_ALPHA: f32 = 0.28;

/// The two parts of the words: `AI`, and the rest with every further lone `AI` left out.
///
/// # Errors
/// `Usage` for words that do not begin with the capitals AI.
pub(super) fn parts(text: &str) -> Result<(&'static str, String)> {
    let bad = || {
        let text = format!("the pill shows AI first, and {text:?} does not begin with the capitals AI");
        Error::new(ErrorKind::Usage, text)
    };
    let rest = text.trim().strip_prefix("AI").ok_or_else(bad)?;
    if rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(bad());
    }
    let first = rest.trim_start_matches([' ', '·', '-']);
    let words: Vec<&str> = first
        .split(SEPARATOR)
        .map(|w| w.strip_prefix("AI ").or_else(|| w.strip_prefix("AI-")).unwrap_or(w))
        .filter(|w| !w.is_empty() && *w != "AI")
        .collect();
    Ok(("AI", words.join(SEPARATOR)))
}

/// One or two blocks side by side.
pub(super) fn arrange(parts: &[Block]) -> Option<Arranged> {
    let (first, second) = match parts {
        [one] => (one, None),
        [first, second, ..] => (first, Some(second)),
        [] => return None,
    };
    let em = second.map_or(first.em, |s| s.em);
    let inner = second.map_or(first.height, |s| s.height.max(first.height));
    let height = (inner + 2.0 * PAD_Y * em).ceil();
    let split = (first.width + (PAD_END + if second.is_some() { PAD_SEAM } else { PAD_END }) * em).round();
    let middle = |b: &Block| ((height - b.height) / 2.0).round();
    let mut glyphs = moved(first, (PAD_END * em).round(), middle(first));
    let mut width = split;
    if let Some(second) = second {
        // One line beside one line: both stand on one baseline.
        let line = |b: &Block| b.glyphs.first().map(|g| g.baseline);
        let level = second.glyphs.iter().all(|g| Some(g.baseline) == line(second));
        if let (true, Some(a), Some(b)) = (level, line(first), line(second)) {
            glyphs = moved(first, (PAD_END * em).round(), middle(second) + b - a);
        }
        glyphs.extend(moved(second, (split + PAD_SEAM * em).round(), middle(second)));
        width = (split + second.width + (PAD_SEAM + PAD_END) * em).ceil();
    }
    Some(Arranged { glyphs, em, width: width as u32, height: height as u32, split })
}

/// The capsule as straight-alpha RGBA: a light part with dark type, a dark part with light type; `swapped` the other
/// way round.
pub(super) fn paint(mask: &[u8], a: &Arranged, alpha: f32, swapped: bool) -> Vec<u8> {
    let (w, h) = (a.width as f32, a.height as f32);
    let radius = h.min(w) / 2.0;
    let line = plate::line_width(a.em);
    let mut out = Vec::with_capacity(mask.len() * 4);
    for (y, row) in mask.chunks_exact(a.width.max(1) as usize).enumerate() {
        for (x, m) in row.iter().enumerate() {
            let d = plate::distance(x as f32 + 0.5, y as f32 + 0.5, w, h, radius);
            let inside = (0.5 - d).clamp(0.0, 1.0);
            let ink = f32::from(*m) / 255.0;
            let light = ((x as f32) < a.split) != swapped;
            let ring = inside - (0.5 - d - line).clamp(0.0, 1.0);
            let layers = if light {
                Layers::new(plate::LIGHT, LIGHT_ALPHA * inside)
                    .over(plate::DARK, LINE_ALPHA * ring)
                    .over(plate::DARK, ink)
            } else {
                Layers::new(plate::DARK, alpha * inside)
                    .over([255.0; 3], LINE_ALPHA * ring)
                    .over([255.0; 3], ink)
            };
            out.extend_from_slice(&layers.bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eu_code_section_2_the_pill_shows_ai_first_and_once() {
        let rest = |t| parts(t).unwrap().1;
        assert_eq!(rest("AI GENERATED"), "GENERATED");
        assert_eq!(rest("AI生成 · AI GENERATED"), "生成 · GENERATED");
        assert_eq!(rest("AI · GÉNÉRÉ PAR IA"), "GÉNÉRÉ PAR IA");
        assert_eq!(rest("AI-GENERERAT"), "GENERERAT");
        assert_eq!(rest("AI"), "");
        assert!(parts("由AI合成").is_err() && parts("AIR").is_err() && parts("人工智能生成").is_err());
    }
}
