//! The ink height in the picture itself.

use super::Luma;
use super::sample::{Map, patch};
use super::template::Label;

/// Share of the ink in which its upper and lower ends are looked at: the strokes that reach farthest.
const END: f32 = 0.04;
/// Share of the ink behind the edge in which the level of the stroke is taken.
const INSIDE: f32 = 0.17;
/// How far outside and inside the expected edge the real one is looked for, as a share of the ink.
const REACH: f32 = 0.3;

/// Height of the reference glyph's ink in pixels of the picture: from the row in which its topmost strokes begin to the
/// row in which its lowest ones end, both where the brightness is half way between type and ground. `None` where no
/// such rows are found.
pub(super) fn measure(label: &Label<'_>, picture: &Luma<'_>, map: &Map) -> Option<f32> {
    let inverse = label.style().dark;
    let mut heights: Vec<f32> = Vec::new();
    for g in label.set.arranged.glyphs.iter().filter(|g| g.id == label.set.reference) {
        let outline = label.font.outline(g.id, g.em, g.x, g.baseline)?;
        let bounds = outline.px_bounds();
        let (width, height) = (bounds.width().ceil() as usize, bounds.height().ceil() as usize);
        let mut mask = vec![0.0_f32; width * height];
        outline.draw(|x, y, coverage| {
            if let Some(m) = mask.get_mut(y as usize * width + x as usize) {
                *m = coverage;
            }
        });
        let split = label.set.arranged.split;
        let inverse = inverse != (split > 0.0 && g.x < split);
        let edge = |upper: bool| {
            edge(picture, map, &mask, width, height, (bounds.min.x, bounds.min.y), upper, inverse)
        };
        if let (Some(top), Some(bottom)) = (edge(true), edge(false)) {
            heights.push(bottom - top);
        }
    }
    heights.sort_by(f32::total_cmp);
    heights.get(heights.len() / 2).copied().filter(|h| *h > 0.0)
}

/// Row of the picture, with a fraction, at which the strokes at one end of a glyph begin or end.
#[expect(clippy::too_many_arguments, reason = "one glyph, one place, one end")]
fn edge(
    picture: &Luma<'_>,
    map: &Map,
    mask: &[f32],
    width: usize,
    height: usize,
    (left, top): (f32, f32),
    upper: bool,
    inverse: bool,
) -> Option<f32> {
    let covered =
        |y: usize| mask.get(y * width..(y + 1) * width).unwrap_or_default().iter().any(|m| *m >= 0.5);
    let first = (0..height).find(|y| covered(*y))?;
    let last = (0..height).rev().find(|y| covered(*y))?;
    let ink = (last - first + 1) as f32;
    let deep = (END * ink).floor().max(1.0) as usize;
    let rows =
        if upper { first..(first + deep).min(height) } else { (last + 1).saturating_sub(deep)..last + 1 };
    // Columns that the end of the glyph covers, by how much.
    let shares: Vec<f32> = (0..width)
        .map(|x| rows.clone().filter_map(|y| mask.get(y * width + x)).fold(0.0_f32, |a, m| a.max(*m)))
        .map(|m| if m >= 0.5 { 1.0 } else { 0.0 })
        .collect();
    let expected = map.oy + (top + if upper { first as f32 } else { (last + 1) as f32 }) * map.sy;
    let reach = (REACH * ink * map.sy).max(2.5);
    // A profile across the edge, in quarters of a pixel, over the covered columns.
    const FINE: f32 = 0.25;
    let steps = (2.0 * reach / FINE) as usize;
    let from = expected - reach;
    let columns = shares.iter().enumerate().filter(|(_, s)| **s > 0.0);
    let mut profile = vec![0.0_f32; steps];
    let mut n = 0.0;
    for (x, _) in columns {
        let at = map.ox + (left + x as f32) * map.sx;
        let strip = patch(picture, (at, from), (map.sx.max(0.2), FINE), 1, steps);
        strip.data.iter().zip(&mut profile).for_each(|(v, p)| *p += if inverse { 255.0 - v } else { *v });
        n += 1.0;
    }
    if n == 0.0 || steps < 4 {
        return None;
    }
    for p in &mut profile {
        *p /= n;
    }
    if !upper {
        profile.reverse();
    }
    // From outside to inside: ground first, then the brightest of the stroke near the edge.
    let middle = steps / 2;
    let ground = profile.get(..middle)?.iter().copied().fold(f32::MAX, f32::min);
    let inside = (middle + ((INSIDE * ink * map.sy / FINE) as usize).max(3)).min(steps);
    let stroke = profile.get(..inside)?.iter().copied().fold(f32::MIN, f32::max);
    if stroke - ground < 12.0 {
        return None;
    }
    let half = f32::midpoint(ground, stroke);
    let lowest = profile.iter().take(middle).enumerate().min_by(|a, b| a.1.total_cmp(b.1))?.0;
    let at = (lowest..steps).find(|i| profile.get(*i).is_some_and(|p| *p >= half))?;
    let fraction = match (at.checked_sub(1).and_then(|i| profile.get(i)), profile.get(at)) {
        (Some(before), Some(after)) if after > before => (half - before) / (after - before) - 1.0,
        _ => 0.0,
    };
    // Cell `i` is centred at (i + 0.5) steps.
    let along = (at as f32 + fraction + 0.5) * FINE;
    Some(if upper { from + along } else { from + 2.0 * reach - along })
}
