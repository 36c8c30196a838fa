//! Where in a picture something stands that looks like a line of type.
//!
//! Most pictures hold none, and starting a reader of text for them costs more than everything else that is looked at. Type is
//! told from what else is in a picture by five properties: thin strokes that leave their ground, several of them side by side,
//! as high as one another, of one shade, with nothing above and below. What is found is put in order and cut off at a number, so
//! that a picture full of text costs no more than the reader can be given.

use colophon_label::visible::Luma;

use super::page::Part;

/// Shortest side in pixels that a picture is brought to, for small and middle-sized type and for large type.
const SIDES: [f32; 2] = [640.0, 256.0];
/// How far a small picture is enlarged.
const MOST_ENLARGED: f32 = 2.0;
/// Most pixels that are looked at.
const MOST_PIXELS: f32 = 4e6;
/// Strokes up to twice this and one pixel wide are seen: those of letters 80 pixels high.
const REACH: usize = 6;
/// Steps of brightness between stroke and ground: for type that hides, for faint type, and for type whose ground is busy.
const STEPS: [u8; 3] = [14, 36, 100];
/// Heights of letters in pixels.
const HEIGHTS: (u32, u32) = (8, 84);
/// Most pieces that are looked at in one pass. Noise has more, type on a page has not.
const MOST_PIECES: usize = 6000;
/// Longest line in heights of its letters: a label has a few words, lines of a page have more.
const LONGEST: f32 = 30.0;
/// Most places that are reported.
const MOST: usize = 10;
/// Score below which nothing has been read.
const LEAST: f32 = 0.05;

/// A place that looks like a line of type, in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spot {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
    /// Type brighter than its ground.
    pub(super) bright: bool,
    /// How much it looks like type: 0 not at all, 1 as print does.
    pub(super) score: f32,
}

/// The places of a picture that look most like a line of type, best first.
pub(super) fn spots(picture: &Luma<'_>) -> Vec<Spot> {
    let short = picture.width.min(picture.height).max(1) as f32;
    let area = picture.width as f32 * picture.height as f32;
    let mut out: Vec<Spot> = Vec::new();
    for side in SIDES {
        let scale = (side / short).min(MOST_ENLARGED).min((MOST_PIXELS / area).sqrt());
        let page = Part::whole(picture).page(picture, scale, false);
        let (width, height) = (page.width as usize, page.height as usize);
        for bright in [true, false] {
            let level: Vec<u8> =
                if bright { page.samples.clone() } else { page.samples.iter().map(|v| 255 - v).collect() };
            let strokes = strokes(&level, width, height);
            for step in STEPS {
                let mask = Mask { level: &level, strokes: &strokes, step, width, height };
                for mut spot in mask.lines(bright) {
                    for v in [&mut spot.left, &mut spot.top, &mut spot.right, &mut spot.bottom] {
                        *v /= scale;
                    }
                    spot.score *= at_the_edge(&spot, picture);
                    if spot.score >= LEAST {
                        out.push(spot);
                    }
                }
            }
        }
    }
    out.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Spot> = Vec::new();
    for spot in out {
        if kept.len() < MOST && kept.iter().all(|k| !same(k, &spot) && !between(k, &spot)) {
            kept.push(spot);
        }
    }
    kept
}

/// Labels stand at the edge (GB 45438-2025, 5.2): what does not counts for less, and is read where nothing else is.
fn at_the_edge(spot: &Spot, picture: &Luma<'_>) -> f32 {
    let (width, height) = (picture.width as f32, picture.height as f32);
    let near = |before: f32, behind: f32, all: f32| before.min(behind).max(0.0) / all;
    let nearest =
        near(spot.left, width - spot.right, width).min(near(spot.top, height - spot.bottom, height));
    if nearest <= 0.08 { 1.0 } else { 0.6 }
}

/// Whether two places are one, found twice.
fn same(a: &Spot, b: &Spot) -> bool {
    let across = (a.right.min(b.right) - a.left.max(b.left)).max(0.0);
    let down = (a.bottom.min(b.bottom) - a.top.max(b.top)).max(0.0);
    let of = |s: &Spot| (s.right - s.left) * (s.bottom - s.top);
    a.bright == b.bright
        && across * down > 0.6 * of(a).min(of(b))
        && of(a).max(of(b)) < 2.5 * of(a).min(of(b))
}

/// Whether a place is what the letters of a better one leave between them.
fn between(better: &Spot, spot: &Spot) -> bool {
    let across = (better.right.min(spot.right) - better.left.max(spot.left)).max(0.0);
    let down = (better.bottom.min(spot.bottom) - better.top.max(spot.top)).max(0.0);
    let area = (spot.right - spot.left) * (spot.bottom - spot.top);
    better.bright != spot.bright && across * down > 0.7 * area
}

/// How far each pixel stands out from what is around it: its level over that of the picture without thin bright parts (the
/// white top-hat of Serra, "Image Analysis and Mathematical Morphology", 1982).
pub(super) fn strokes(level: &[u8], width: usize, height: usize) -> Vec<u8> {
    let eroded = extremes(level, width, height, u8::min);
    let opened = extremes(&eroded, width, height, u8::max);
    level.iter().zip(opened).map(|(v, o)| v.saturating_sub(o)).collect()
}

/// The least or the greatest value in the square around each pixel.
fn extremes(level: &[u8], width: usize, height: usize, pick: fn(u8, u8) -> u8) -> Vec<u8> {
    let mut rows = vec![0; level.len()];
    for (row, out) in level.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        windows(row, out, pick);
    }
    // Down the columns by whole rows at a time: a stretch of `2^k` rows, then two stretches that cover the window.
    let mut out = rows.clone();
    let mut stretch = rows.clone();
    let (mut reach, window) = (1, 2 * REACH + 1);
    while 2 * reach <= window {
        let (all, shift) = (stretch.len(), (reach * width).min(stretch.len()));
        let mut next = stretch.clone();
        for (n, s) in next[..all - shift].iter_mut().zip(&stretch[shift..]) {
            *n = pick(*n, *s);
        }
        stretch = next;
        reach *= 2;
    }
    for y in 0..height {
        let (from, to) = (y.saturating_sub(REACH), (y + REACH + 1).min(height));
        let own = &mut out[y * width..(y + 1) * width];
        if to - from < reach {
            // At the edge the window is shorter than a stretch.
            own.copy_from_slice(&rows[from * width..(from + 1) * width]);
            for row in rows[(from + 1) * width..to * width].chunks_exact(width) {
                own.iter_mut().zip(row).for_each(|(o, v)| *o = pick(*o, *v));
            }
            continue;
        }
        let row = |y: usize| &stretch[y * width..(y + 1) * width];
        for ((o, a), b) in own.iter_mut().zip(row(from)).zip(row(to - reach)) {
            *o = pick(*a, *b);
        }
    }
    out
}

/// [`extremes`] along one row (van Herk, Pattern Recognition Letters 13, 1992: three comparisons a pixel).
fn windows(row: &[u8], out: &mut [u8], pick: fn(u8, u8) -> u8) {
    let window = 2 * REACH + 1;
    let n = row.len();
    let mut before = row.to_vec();
    let mut behind = row.to_vec();
    for i in 1..n {
        if i % window != 0 {
            before[i] = pick(before[i], before[i - 1]);
        }
    }
    for i in (0..n.saturating_sub(1)).rev() {
        if (i + 1) % window != 0 {
            behind[i] = pick(behind[i], behind[i + 1]);
        }
    }
    for (i, o) in out.iter_mut().enumerate() {
        let from = i.saturating_sub(REACH);
        let to = (i + REACH).min(n - 1);
        *o = if to - from + 1 == window || from / window != to / window {
            pick(behind[from], before[to])
        } else if from == 0 {
            before[to]
        } else {
            behind[from]
        };
    }
}

/// Pixels of a picture that stand out by a step.
struct Mask<'a> {
    level: &'a [u8],
    strokes: &'a [u8],
    step: u8,
    width: usize,
    height: usize,
}

/// A piece of what stands out: pixels that touch, as a box with its edges inside.
#[derive(Clone, Copy, Debug)]
struct Piece {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
    area: u32,
}

impl Piece {
    fn width(&self) -> u32 {
        self.right - self.left + 1
    }

    fn height(&self) -> u32 {
        self.bottom - self.top + 1
    }

    fn join(&mut self, other: &Self) {
        self.left = self.left.min(other.left);
        self.top = self.top.min(other.top);
        self.right = self.right.max(other.right);
        self.bottom = self.bottom.max(other.bottom);
        self.area += other.area;
    }
}

impl Mask<'_> {
    fn is(&self, at: usize) -> bool {
        self.strokes.get(at).is_some_and(|v| *v >= self.step)
    }

    /// Pixels that touch, over corners too.
    fn pieces(&self) -> Vec<Piece> {
        let mut roots: Vec<u32> = Vec::new();
        let mut boxes: Vec<Piece> = Vec::new();
        let mut above: Vec<(u32, u32, u32)> = Vec::new();
        let mut runs: Vec<(u32, u32, u32)> = Vec::new();
        for y in 0..self.height {
            let row = &self.strokes[y * self.width..(y + 1) * self.width];
            runs.clear();
            let mut x = 0;
            let mut near = 0;
            while let Some(from) = row[x..].iter().position(|v| *v >= self.step).map(|d| x + d) {
                let to = row[from..].iter().position(|v| *v < self.step).map_or(self.width, |d| from + d) - 1;
                x = to + 1;
                let piece = Piece {
                    left: from as u32,
                    top: y as u32,
                    right: to as u32,
                    bottom: y as u32,
                    area: (to - from + 1) as u32,
                };
                while above.get(near).is_some_and(|a| (a.1 as usize) + 1 < from) {
                    near += 1;
                }
                let mut mine = None;
                for run in above[near..].iter().take_while(|a| a.0 as usize <= to + 1) {
                    let root = find(&mut roots, run.2);
                    match mine {
                        None => mine = Some(root),
                        Some(m) if m != root => {
                            let other = boxes[root as usize];
                            boxes[m as usize].join(&other);
                            boxes[root as usize].area = 0;
                            roots[root as usize] = m;
                        }
                        Some(_) => {}
                    }
                }
                let label = if let Some(m) = mine {
                    boxes[m as usize].join(&piece);
                    m
                } else {
                    roots.push(roots.len() as u32);
                    boxes.push(piece);
                    roots.len() as u32 - 1
                };
                runs.push((from as u32, to as u32, label));
                if x >= self.width {
                    break;
                }
            }
            std::mem::swap(&mut above, &mut runs);
        }
        boxes.retain(|b| b.area > 0);
        boxes
    }

    /// Pieces of the height of letters that stand side by side.
    fn lines(&self, bright: bool) -> Vec<Spot> {
        let mut letters: Vec<Piece> = self
            .pieces()
            .into_iter()
            .filter(|p| {
                let (w, h) = (p.width(), p.height());
                (HEIGHTS.0..=HEIGHTS.1).contains(&h) && w <= 14 * h && 8 * p.area >= w * h && h <= 10 * w
            })
            .collect();
        if letters.len() > MOST_PIECES {
            return Vec::new();
        }
        letters.sort_by_key(|p| p.left);
        let mut roots: Vec<u32> = (0..letters.len() as u32).collect();
        for (i, a) in letters.iter().enumerate() {
            let reach = a.right + 2 * HEIGHTS.1.min(a.height() * 2);
            for (j, b) in letters.iter().enumerate().skip(i + 1).take_while(|(_, b)| b.left <= reach) {
                if beside(a, b) {
                    let (x, y) = (find(&mut roots, i as u32), find(&mut roots, j as u32));
                    roots[y as usize] = x;
                }
            }
        }
        let mut groups: std::collections::BTreeMap<u32, Vec<Piece>> = std::collections::BTreeMap::new();
        for (i, letter) in letters.iter().enumerate() {
            groups.entry(find(&mut roots, i as u32)).or_default().push(*letter);
        }
        groups.values().filter_map(|g| self.line(g, bright)).collect()
    }

    fn line(&self, letters: &[Piece], bright: bool) -> Option<Spot> {
        let mut all = *letters.first()?;
        for letter in letters {
            all.join(letter);
        }
        let mut heights: Vec<u32> = letters.iter().map(Piece::height).collect();
        heights.sort_unstable();
        let tall = heights[heights.len() * 4 / 5] as f32;
        let (width, height) = (all.width() as f32, all.height() as f32);
        // What the edge cuts off is no line that somebody set.
        let cut = all.left == 0
            || all.top == 0
            || all.right as usize + 1 == self.width
            || all.bottom as usize + 1 == self.height;
        if cut || width < tall || width > LONGEST * tall || height > 1.8 * tall {
            return None;
        }
        // As high as one another: tops and bottoms of the tall ones lie on two lines.
        let tallest = || letters.iter().filter(|l| l.height() as f32 >= 0.7 * tall);
        let spread = |of: &dyn Fn(&Piece) -> f32| {
            let n = tallest().count().max(1) as f32;
            let mean = tallest().map(of).sum::<f32>() / n;
            (tallest().map(|l| (of(l) - mean).powi(2)).sum::<f32>() / n).sqrt() / tall
        };
        let uneven = spread(&|l| l.top as f32) + spread(&|l| l.bottom as f32);
        // Nothing above and below.
        let share = |top: f32, bottom: f32| {
            let (top, bottom) = (top.max(0.0) as usize, (bottom.max(0.0) as usize).min(self.height));
            let (left, right) = (all.left as usize, all.right as usize + 1);
            let (mut n, mut set) = (0_u32, 0_u32);
            for y in top..bottom {
                for x in left..right {
                    n += 1;
                    set += u32::from(self.is(y * self.width + x));
                }
            }
            if n == 0 { 0.0 } else { set as f32 / n as f32 }
        };
        let (top, bottom) = (all.top as f32, all.bottom as f32 + 1.0);
        let inside = share(top, bottom);
        let margin = (0.3 * tall).max(2.0);
        let around =
            0.5 * (share(top - margin, top - 1.0) + share(bottom + 1.0, bottom + margin)) / inside.max(0.01);
        // Of one shade, where the strokes are: the brightest half of what stands out.
        let (mut shades, mut steps) = (Vec::new(), Vec::new());
        for l in letters {
            for y in l.top as usize..=l.bottom as usize {
                for x in l.left as usize..=l.right as usize {
                    let at = y * self.width + x;
                    if self.is(at) {
                        shades.push(self.level[at]);
                        steps.push(self.strokes[at]);
                    }
                }
            }
        }
        shades.sort_unstable();
        steps.sort_unstable();
        let at = |list: &[u8], share: f32| f32::from(list[((list.len() - 1) as f32 * share) as usize]);
        if shades.is_empty() {
            return None;
        }
        let step = at(&steps, 0.8);
        let mottled = (at(&shades, 0.95) - at(&shades, 0.55)) / step.max(1.0);
        // Letters that touch are one piece.
        let merged =
            |l: &Piece| if l.width() as f32 > 2.2 * tall { l.width() as f32 / (0.8 * tall) } else { 1.0 };
        let count: f32 = letters.iter().map(merged).sum();
        let many = (count / 4.0).min(1.0) * if letters.len() == 1 { 0.6 } else { 1.0 };
        let score = (step / 120.0).min(1.0)
            * (-3.0 * uneven).exp()
            * (-2.0 * around).exp()
            * (-2.0 * mottled).exp()
            * (0.4 + 0.6 * many);
        Some(Spot { left: all.left as f32, top, right: all.right as f32 + 1.0, bottom, bright, score })
    }
}

/// Whether two pieces can be neighbours in a line: next to one another at the same height.
fn beside(a: &Piece, b: &Piece) -> bool {
    let (low, high) = (a.height().min(b.height()), a.height().max(b.height()));
    let across = b.left as f32 - a.right as f32;
    let down = a.bottom.min(b.bottom) as f32 - a.top.max(b.top) as f32 + 1.0;
    high as f32 <= 2.4 * low as f32 && across <= 1.1 * high as f32 && down >= 0.6 * low as f32
}

/// The root of a set, with its path halved on the way (Tarjan and van Leeuwen, J. ACM 31, 1984).
fn find(roots: &mut [u32], mut at: u32) -> u32 {
    while roots[at as usize] != at {
        roots[at as usize] = roots[roots[at as usize] as usize];
        at = roots[at as usize];
    }
    at
}

#[cfg(test)]
mod tests {
    use colophon_core::{Canvas, LabelAt, LabelLook, VisibleSpec};
    use colophon_label::visible::draw;

    use super::*;

    const SIDES: (u32, u32) = (800, 600);

    fn found(data: &[u8]) -> Vec<Spot> {
        spots(&Luma { width: SIDES.0, height: SIDES.1, data })
    }

    /// Noise over waves.
    fn busy() -> Vec<u8> {
        let mut state = 7_u32;
        (0..SIDES.0 * SIDES.1)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let wave = (f64::from(i % SIDES.0) / 17.0).sin() * 40.0;
                (100.0 + wave + f64::from(state >> 27)) as u8
            })
            .collect()
    }

    #[test]
    fn a_picture_without_type_has_no_place_to_read() {
        assert_eq!(found(&vec![200; 480_000]), []);
        let slope: Vec<u8> = (0..480_000_u32).map(|i| (i % SIDES.0 * 255 / SIDES.0) as u8).collect();
        assert_eq!(found(&slope), []);
        let halves: Vec<u8> = (0..480_000_u32).map(|i| if i % SIDES.0 < 400 { 20 } else { 230 }).collect();
        assert_eq!(found(&halves), []);
    }

    #[test]
    fn gb45438_5_2_a_label_at_any_edge_is_among_the_best_places() {
        for at in [LabelAt::BottomRight, LabelAt::TopLeft, LabelAt::Left, LabelAt::Bottom] {
            for look in [LabelLook::Plate, LabelLook::Outline, LabelLook::Pill] {
                let spec = VisibleSpec { at, look, min_height: 0.05, ..VisibleSpec::default() };
                let canvas = Canvas { width: SIDES.0, height: SIDES.1 };
                let o = draw("AI生成", &spec, canvas).unwrap().overlay;
                let mut picture = busy();
                for (i, p) in o.rgba.chunks_exact(4).enumerate() {
                    let at = ((o.y + i as u32 / o.width) * SIDES.0 + o.x + i as u32 % o.width) as usize;
                    let (under, over, a) = (u32::from(picture[at]), u32::from(p[0]), u32::from(p[3]));
                    picture[at] = ((under * (255 - a) + over * a) / 255) as u8;
                }
                let inside = |s: &Spot| {
                    let (x, y) = (0.5 * (s.left + s.right), 0.5 * (s.top + s.bottom));
                    (o.x as f32..(o.x + o.width) as f32).contains(&x)
                        && (o.y as f32..(o.y + o.height) as f32).contains(&y)
                };
                assert!(found(&picture).iter().take(3).any(inside), "{at:?} {look:?}: {:?}", found(&picture));
            }
        }
    }

    #[test]
    fn windows_are_the_extremes_of_every_window() {
        let (width, height) = (37_usize, 29_usize);
        let mut state = 3_u32;
        let level: Vec<u8> = (0..width * height)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        for pick in [u8::min as fn(u8, u8) -> u8, u8::max] {
            let fast = extremes(&level, width, height, pick);
            for y in 0..height {
                for x in 0..width {
                    let rows = y.saturating_sub(REACH)..(y + REACH + 1).min(height);
                    let columns = x.saturating_sub(REACH)..(x + REACH + 1).min(width);
                    let all = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
                    let slow = all.map(|(x, y)| level[y * width + x]).reduce(pick).unwrap();
                    assert_eq!(fast[y * width + x], slow, "{x} {y}");
                }
            }
        }
    }
}
