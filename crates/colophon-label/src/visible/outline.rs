//! Style `outline.1`: letters with an outline and a faint shadow around it, nothing behind them.

use super::plate;
use super::style::{Arranged, Layers};

/// Room around the ink, in em: outline and shadow.
pub(super) const PAD: f32 = 0.2;
/// Width of the outline in em, and its least width in pixels.
const WIDTH: (f32, f32) = (0.075, 1.3);
/// How strong the outline is against the type.
const STRENGTH: f32 = 0.92;
/// Width of the shadow beyond the outline in em, and its strength where it begins.
const SHADOW: (f32, f32) = (0.11, 0.34);

/// Outlined type as straight-alpha RGBA.
pub(super) fn paint(mask: &[u8], a: &Arranged, alpha: f32, dark: bool) -> Vec<u8> {
    let (ink, ring) = if dark { (plate::DARK, plate::LIGHT) } else { ([255.0; 3], plate::DARK) };
    let width = width(a.em);
    let shadow = (SHADOW.0 * a.em).max(1.0);
    let far = distances(mask, a.width as usize);
    let mut out = Vec::with_capacity(mask.len() * 4);
    for (m, d) in mask.iter().zip(far) {
        if d > width + shadow + 1.0 {
            out.extend_from_slice(&[0; 4]);
            continue;
        }
        let line = (width + 0.5 - d).clamp(0.0, 1.0) * STRENGTH;
        let fall = (1.0 - (d - width).max(0.0) / shadow).clamp(0.0, 1.0);
        let layers = Layers::new(ring, SHADOW.1 * fall * fall * alpha)
            .over(ring, line * alpha)
            .over(ink, f32::from(*m) / 255.0 * alpha.max(0.9));
        out.extend_from_slice(&layers.bytes());
    }
    out
}

/// Width of the outline in pixels.
pub(super) fn width(em: f32) -> f32 {
    (WIDTH.0 * em).max(WIDTH.1)
}

/// Distance of every pixel to the type, in pixels; pixels that are partly covered count as partly away.
///
/// The lower envelope of parabolas, first along columns, then along rows (Felzenszwalb and Huttenlocher, Distance
/// Transforms of Sampled Functions, 2012).
pub(super) fn distances(mask: &[u8], width: usize) -> Vec<f32> {
    const FAR: f32 = 1e12;
    let width = width.max(1);
    let height = mask.len() / width;
    let seed = |m: &u8| match *m {
        0 => FAR,
        m => (1.0 - f32::from(m) / 255.0).powi(2),
    };
    let mut field: Vec<f32> = mask.iter().map(seed).collect();
    let mut line = vec![0.0; height];
    let mut envelope = Envelope::default();
    for x in 0..width {
        for (y, v) in line.iter_mut().enumerate() {
            *v = field.get(y * width + x).copied().unwrap_or(FAR);
        }
        envelope.transform(&mut line);
        for (y, v) in line.iter().enumerate() {
            if let Some(f) = field.get_mut(y * width + x) {
                *f = *v;
            }
        }
    }
    for row in field.chunks_exact_mut(width) {
        envelope.transform(row);
    }
    field.into_iter().map(f32::sqrt).collect()
}

/// Parabolas that are lowest somewhere: where each stands, how high, and from where on it is the lowest.
#[derive(Default)]
struct Envelope {
    parts: Vec<(f32, f32, f32)>,
}

impl Envelope {
    fn transform(&mut self, line: &mut [f32]) {
        self.parts.clear();
        for (q, f) in line.iter().enumerate() {
            let q = q as f32;
            let mut from = f32::NEG_INFINITY;
            while let Some((p, g, begin)) = self.parts.last().copied() {
                from = ((f + q * q) - (g + p * p)) / (2.0 * (q - p));
                if from > begin {
                    break;
                }
                self.parts.pop();
                from = f32::NEG_INFINITY;
            }
            self.parts.push((q, *f, from));
        }
        let mut at = 0;
        for (q, v) in line.iter_mut().enumerate() {
            let q = q as f32;
            while self.parts.get(at + 1).is_some_and(|p| p.2 < q) {
                at += 1;
            }
            if let Some((p, f, _)) = self.parts.get(at) {
                *v = (q - p).powi(2) + f;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_euclidean_and_reach_everywhere() {
        let mut mask = vec![0; 9 * 7];
        mask[3 * 9 + 4] = 255;
        let d = distances(&mask, 9);
        for y in 0..7 {
            for x in 0..9 {
                let exact = ((x as f32 - 4.0).powi(2) + (y as f32 - 3.0).powi(2)).sqrt();
                assert!((d[y * 9 + x] - exact).abs() < 1e-3, "{x},{y}: {} {exact}", d[y * 9 + x]);
            }
        }
        assert!(distances(&[0; 12], 4).iter().all(|d| *d > 1e5));
    }
}
