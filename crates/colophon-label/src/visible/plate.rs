//! Style `plate.1`: type on a translucent plate with rounded corners.
//!
//! The constants are the style. They never change; another look is another style id.

use super::layout::Block;
use super::style::{Arranged, Layers};

/// Free room between plate edge and ink, in em.
pub(super) const PAD_X: f32 = 0.52;
pub(super) const PAD_Y: f32 = 0.42;
/// Corner radius in em.
const RADIUS: f32 = 0.34;
/// Free room between plate and canvas edge, in em.
pub(super) const MARGIN: f32 = 0.5;
/// The dark ground, and dark type. At 0.7 over white it gives 90 of 255: contrast to white type 6.9:1, above the 4.5:1
/// of WCAG 2.2, 1.4.3, on every background.
pub(super) const DARK: [f32; 3] = [17.0, 18.0, 22.0];
/// The light ground. At 0.7 over black it gives 175 of 255: contrast to dark type 8.6:1.
pub(super) const LIGHT: [f32; 3] = [250.0, 250.0, 248.0];
/// A hairline inside the edge, so that the plate has a shape on black.
const LINE_ALPHA: f32 = 0.16;
const LINE_WIDTH: f32 = 0.035;

/// Colours of a plate.
pub(super) struct Paint {
    pub(super) ground: [f32; 3],
    pub(super) alpha: f32,
    pub(super) ink: [f32; 3],
    pub(super) line: [f32; 3],
}

/// Size of the plate around a block with free room `(x, y)` in em, in pixels.
pub(super) fn size(block: &Block, x: f32, y: f32) -> (u32, u32) {
    let width = (block.width + 2.0 * x * block.em).ceil();
    let height = (block.height + 2.0 * y * block.em).ceil();
    (width as u32, height as u32)
}

/// Plate and type as straight-alpha RGBA.
pub(super) fn paint(mask: &[u8], a: &Arranged, colors: &Paint) -> Vec<u8> {
    let (w, h) = (a.width as f32, a.height as f32);
    let radius = radius(a.em, h, w);
    let line = line_width(a.em);
    let mut out = Vec::with_capacity(mask.len() * 4);
    let plain = pixel(colors, 1.0, 0.0, 0.0);
    for (y, row) in mask.chunks_exact(a.width.max(1) as usize).enumerate() {
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
            out.extend_from_slice(&pixel(colors, plate, ring, f32::from(*m) / 255.0));
        }
    }
    out
}

/// Corner radius in pixels.
pub(super) fn radius(em: f32, height: f32, width: f32) -> f32 {
    (RADIUS * em).min(height / 2.0).min(width / 2.0)
}

/// Width of the hairline in pixels.
pub(super) fn line_width(em: f32) -> f32 {
    (LINE_WIDTH * em).clamp(1.0, 4.0)
}

/// Signed distance to the edge of the rounded rectangle, negative inside.
pub(super) fn distance(x: f32, y: f32, w: f32, h: f32, radius: f32) -> f32 {
    let dx = (x - w / 2.0).abs() - (w / 2.0 - radius);
    let dy = (y - h / 2.0).abs() - (h / 2.0 - radius);
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
}

/// Type over hairline over plate.
fn pixel(c: &Paint, plate: f32, ring: f32, ink: f32) -> [u8; 4] {
    Layers::new(c.ground, c.alpha * plate).over(c.line, LINE_ALPHA * ring).over(c.ink, ink).bytes()
}
