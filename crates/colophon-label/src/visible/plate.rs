//! Style `plate.1`: white type on a translucent dark plate with rounded corners.
//!
//! The constants are the style. They never change; another look is another style id.

use crate::font::LabelFont;

use super::layout::Block;

/// Id of the style in records.
pub(super) const STYLE: &str = "plate.1";

/// Free room between plate edge and ink, in em.
const PAD_X: f32 = 0.52;
const PAD_Y: f32 = 0.42;
/// Corner radius in em.
const RADIUS: f32 = 0.34;
/// Free room between plate and canvas edge, in em.
pub(super) const MARGIN: f32 = 0.5;
/// Plate colour and share. Over white it gives 90 of 255: contrast to white type 6.9:1, above the 4.5:1 of WCAG 2.2,
/// 1.4.3, on every background.
const PLATE: [f32; 3] = [17.0, 18.0, 22.0];
const PLATE_ALPHA: f32 = 0.7;
/// A hairline inside the edge, so that the plate has a shape on black.
const LINE_ALPHA: f32 = 0.16;
const LINE_WIDTH: f32 = 0.035;

/// Size of the plate around a block, in pixels.
pub(super) fn size(block: &Block) -> (u32, u32) {
    let width = (block.width + 2.0 * PAD_X * block.em).ceil();
    let height = (block.height + 2.0 * PAD_Y * block.em).ceil();
    (width as u32, height as u32)
}

/// Coverage of the type on the plate, row by row, 0 to 255.
pub(super) fn type_mask(font: &LabelFont, block: &Block, width: u32, height: u32) -> Vec<u8> {
    let mut mask = vec![0_u8; width as usize * height as usize];
    let left = (width as f32 - block.width) / 2.0;
    let top = (PAD_Y * block.em).round();
    for g in &block.glyphs {
        let Some(outline) = font.outline(g.id, g.em, left + g.x, top + g.baseline) else { continue };
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

/// Plate and type as straight-alpha RGBA.
pub(super) fn paint(mask: &[u8], em: f32, width: u32, height: u32) -> Vec<u8> {
    let radius = (RADIUS * em).min(height as f32 / 2.0).min(width as f32 / 2.0);
    let line = (LINE_WIDTH * em).clamp(1.0, 4.0);
    let mut out = Vec::with_capacity(mask.len() * 4);
    let (w, h) = (width as f32, height as f32);
    let plain = pixel(1.0, 0.0, 0.0);
    for (y, row) in mask.chunks_exact(width.max(1) as usize).enumerate() {
        let y = y as f32 + 0.5;
        for (x, m) in row.iter().enumerate() {
            let x = x as f32 + 0.5;
            let inside = x.min(w - x).min(y.min(h - y));
            if *m == 0 && inside > radius.max(line + 1.0) {
                out.extend_from_slice(&plain);
                continue;
            }
            let d = distance(x, y, w, h, radius);
            let plate = (0.5 - d).clamp(0.0, 1.0);
            let ring = plate - (0.5 - d - line).clamp(0.0, 1.0);
            out.extend_from_slice(&pixel(plate, ring, f32::from(*m) / 255.0));
        }
    }
    out
}

/// Signed distance to the edge of the rounded rectangle, negative inside.
fn distance(x: f32, y: f32, w: f32, h: f32, radius: f32) -> f32 {
    let dx = (x - w / 2.0).abs() - (w / 2.0 - radius);
    let dy = (y - h / 2.0).abs() - (h / 2.0 - radius);
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
}

/// Type over hairline over plate (Porter and Duff, "over"), as straight alpha.
fn pixel(plate: f32, ring: f32, ink: f32) -> [u8; 4] {
    let (mut color, mut alpha) = (PLATE, PLATE_ALPHA * plate);
    for white in [LINE_ALPHA * ring, ink] {
        let out = white + alpha * (1.0 - white);
        if out > 0.0 {
            color = color.map(|c| (255.0 * white + c * alpha * (1.0 - white)) / out);
        }
        alpha = out;
    }
    let [r, g, b] = color.map(|c| (c + 0.5) as u8);
    [r, g, b, (alpha * 255.0 + 0.5) as u8]
}
