//! Room for a label's colours in a palette.

use std::collections::BTreeMap;

/// Most colours a label gets: type, plate and what shines through it.
const MOST: usize = 72;
/// Fewest: below this a plate over a photograph shows bands.
const FEWEST: usize = 40;

/// A palette with new colours.
pub(super) struct Fitted {
    pub(super) palette: Vec<[u8; 3]>,
    /// New index of every old one that is kept.
    pub(super) moved: [u8; 256],
    /// Index of every new colour.
    pub(super) added: BTreeMap<[u8; 3], u8>,
    /// Index of the transparent colour.
    pub(super) transparent: Option<u8>,
}

/// Keeps the old colours that are used, exactly as long as there is room, and adds the new ones, as exactly as the rest
/// of the 256 allows. `used` counts pixels by old index, `wanted` by new colour.
pub(super) fn fit(
    old: &[[u8; 3]],
    used: &[u32; 256],
    wanted: &BTreeMap<[u8; 3], u32>,
    transparent: bool,
) -> Fitted {
    let room = 256 - usize::from(transparent);
    let exact = |c: &[u8; 3]| old.iter().zip(used).any(|(o, n)| *n > 0 && o == c);
    let new: BTreeMap<[u8; 3], u32> =
        wanted.iter().filter(|(c, _)| !exact(c)).map(|(c, n)| (*c, *n)).collect();
    let mut kept: Vec<usize> =
        (0..old.len().min(256)).filter(|i| used.get(*i).is_some_and(|n| *n > 0)).collect();
    // Rare colours of the picture make room for a label; their pixels take the nearest that stays.
    let needed = new.len().min(FEWEST);
    if kept.len() + needed > room {
        kept.sort_by_key(|i| std::cmp::Reverse(used.get(*i).copied()));
        kept.truncate(room - needed);
        kept.sort_unstable();
    }
    let mut palette: Vec<[u8; 3]> = kept.iter().filter_map(|i| old.get(*i).copied()).collect();
    let mut moved = [0_u8; 256];
    for (i, color) in old.iter().enumerate().take(256) {
        if let Some(m) = moved.get_mut(i) {
            *m = kept.binary_search(&i).unwrap_or_else(|_| nearest(&palette, *color)) as u8;
        }
    }
    let (colors, place) = cut(&new, (room - palette.len()).min(MOST));
    let first = palette.len();
    palette.extend(&colors);
    let mut added: BTreeMap<[u8; 3], u8> = place.into_iter().map(|(c, at)| (c, (first + at) as u8)).collect();
    for c in wanted.keys() {
        added.entry(*c).or_insert_with(|| nearest(&palette, *c) as u8);
    }
    let transparent = transparent.then(|| {
        palette.push([0; 3]);
        (palette.len() - 1) as u8
    });
    Fitted { palette, moved, added, transparent }
}

/// The nearest colour, weighed as the eye does.
fn nearest(palette: &[[u8; 3]], [r, g, b]: [u8; 3]) -> usize {
    let square = |a: u8, b: u8| i32::from(a.abs_diff(b)).pow(2);
    let far = |c: &[u8; 3]| {
        let [x, y, z] = *c;
        3 * square(r, x) + 6 * square(g, y) + square(b, z)
    };
    palette.iter().enumerate().min_by_key(|(_, c)| far(c)).map_or(0, |(i, _)| i)
}

/// Median cut (Heckbert, Color Image Quantization for Frame Buffer Display, 1982): at most `most` colours for the given
/// ones, and which each becomes. Fewer than that stay as they are.
fn cut(colors: &BTreeMap<[u8; 3], u32>, most: usize) -> (Vec<[u8; 3]>, BTreeMap<[u8; 3], usize>) {
    type Part = Vec<([u8; 3], u32)>;
    let spread = |part: &Part| -> (usize, u32) {
        (0..3)
            .map(|c| {
                let level = |(p, _): &([u8; 3], u32)| p.get(c).copied().unwrap_or(0);
                let (low, high) = (part.iter().map(level).min(), part.iter().map(level).max());
                (c, u32::from(high.unwrap_or(0) - low.unwrap_or(0)))
            })
            .max_by_key(|(_, s)| *s)
            .unwrap_or((0, 0))
    };
    let mut parts: Vec<Part> = vec![colors.iter().map(|(c, n)| (*c, *n)).collect()];
    while parts.len() < most {
        // The widest part by pixels and range; wide ranges matter more than crowds.
        let weight = |p: &Part| {
            let pixels: u64 = p.iter().map(|(_, n)| u64::from(*n)).sum();
            let range = u64::from(spread(p).1);
            if p.len() < 2 { 0 } else { range * range * (1 + pixels.ilog2() as u64) }
        };
        let Some((at, w)) = parts.iter().map(weight).enumerate().max_by_key(|(_, w)| *w) else { break };
        if w == 0 {
            break;
        }
        let mut part = parts.swap_remove(at);
        let channel = spread(&part).0;
        part.sort_by_key(|(p, _)| p.get(channel).copied());
        let half: u64 = part.iter().map(|(_, n)| u64::from(*n)).sum::<u64>() / 2;
        let mut seen = 0;
        let middle = part
            .iter()
            .position(|(_, n)| {
                seen += u64::from(*n);
                seen > half
            })
            .unwrap_or(0);
        let behind = part.split_off(middle.clamp(1, part.len() - 1));
        parts.push(part);
        parts.push(behind);
    }
    let mut out = Vec::new();
    let mut place = BTreeMap::new();
    for part in parts.iter().filter(|p| !p.is_empty()) {
        let pixels: u64 = part.iter().map(|(_, n)| u64::from(*n)).sum::<u64>().max(1);
        let mean = |c: usize| {
            let sum: u64 =
                part.iter().map(|(p, n)| u64::from(p.get(c).copied().unwrap_or(0)) * u64::from(*n)).sum();
            ((sum + pixels / 2) / pixels) as u8
        };
        out.push([mean(0), mean(1), mean(2)]);
        place.extend(part.iter().map(|(c, _)| (*c, out.len() - 1)));
    }
    (out, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_are_kept_exactly_on_both_sides() {
        let old = [[1, 2, 3], [9, 9, 9], [200, 0, 0]];
        let mut used = [0; 256];
        used[0] = 5;
        used[2] = 1;
        let wanted = BTreeMap::from([([255, 255, 255], 40), ([1, 2, 3], 2), ([60, 61, 62], 9)]);
        let f = fit(&old, &used, &wanted, true);
        let of = |c: [u8; 3]| f.palette[usize::from(f.added[&c])];
        for c in wanted.keys() {
            assert_eq!(of(*c), *c);
        }
        assert_eq!(f.palette[usize::from(f.moved[2])], [200, 0, 0]);
        assert_eq!(f.palette.len(), 5);
        assert_eq!(f.transparent, Some(4));
    }

    #[test]
    fn a_full_palette_makes_room_with_its_rarest_colours() {
        let old: Vec<[u8; 3]> = (0..=255).map(|v| [v, v, v]).collect();
        let mut used = [100; 256];
        used[17] = 1;
        let wanted: BTreeMap<[u8; 3], u32> = (0..200).map(|v| ([v, 255, 0], 3)).collect();
        let f = fit(&old, &used, &wanted, false);
        assert!(f.palette.len() <= 256);
        for (i, c) in old.iter().enumerate() {
            let to = f.palette[usize::from(f.moved[i])];
            assert!(to[0].abs_diff(c[0]) <= 40, "{c:?} {to:?}");
        }
        for c in wanted.keys() {
            let to = f.palette[usize::from(f.added[c])];
            assert!(to[0].abs_diff(c[0]) <= 8, "{c:?} {to:?}");
        }
    }
}
