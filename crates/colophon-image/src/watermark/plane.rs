//! One channel of a picture as numbers, and the filters the mark needs on it.

use super::pixels::{Pixels, Row};
use colophon_signal::simd::vectorised;

/// A picture of one channel, row after row without gaps.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<f32>,
}

/// Weights of red, green and blue in luma (ITU-R BT.601).
pub(crate) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Weights of red, green and blue in the green-magenta difference the reader looks at beside luma.
pub(crate) const CHROMA: [f32; 3] = [-0.5, 1.0, -0.5];

impl Plane {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, data: vec![0.0; width * height] }
    }

    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.width)
    }

    /// Mean of every 2 x 2 block; a last odd row or column is dropped.
    pub(crate) fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut half = Self::new(width, height);
        for (out, pair) in half.data.chunks_exact_mut(width).zip(self.data.chunks_exact(2 * self.width)) {
            let (upper, lower) = pair.split_at(self.width);
            for ((o, a), b) in out.iter_mut().zip(upper.chunks_exact(2)).zip(lower.chunks_exact(2)) {
                *o = (a[0] + a[1] + b[0] + b[1]) * 0.25;
            }
        }
        half
    }

    /// Three passes of a moving mean of `2 * radius + 1` samples along both axes: close to a Gaussian of deviation
    /// `sqrt(radius * (radius + 1))`. Borders repeat.
    pub(crate) fn blur(&mut self, radius: usize) {
        match radius {
            1 => self.smooth(&[1.0, 3.0, 6.0, 7.0]),
            2 => self.smooth(&[1.0, 3.0, 6.0, 10.0, 15.0, 18.0, 19.0]),
            _ => {
                let mut spare = vec![0.0; self.data.len()];
                for _ in 0..3 {
                    vectorised(
                        #[inline(always)]
                        || self.mean_filter(radius, &mut spare),
                    );
                }
            }
        }
    }

    /// One pass of a symmetric filter along both axes, given by its weights from the outermost to the middle one. What the
    /// rows give waits in a few lines, so that every sample is read once and written once.
    fn smooth<const HALF: usize>(&mut self, weights: &[f32; HALF]) {
        vectorised(
            #[inline(always)]
            || self.smooth_here(weights),
        );
    }

    #[inline(always)]
    fn smooth_here<const HALF: usize>(&mut self, weights: &[f32; HALF]) {
        let (w, h, reach) = (self.width, self.height, HALF - 1);
        if w == 0 || h == 0 {
            return;
        }
        let total = 2.0 * weights[..reach].iter().sum::<f32>() + weights[reach];
        let weights = weights.map(|v| v / total);
        let lines = 2 * reach + 1;
        let (mut padded, mut ring) = (vec![0f32; w + 2 * reach], vec![0f32; lines * w]);
        let mut taken = 0;
        for y in 0..h {
            while taken <= (y + reach).min(h - 1) {
                let row = &self.data[taken * w..][..w];
                padded[..reach].fill(row[0]);
                padded[reach..reach + w].copy_from_slice(row);
                padded[reach + w..].fill(row[w - 1]);
                let taps: [&[f32]; HALF] = std::array::from_fn(|k| &padded[k..k + w]);
                let mirrored: [&[f32]; HALF] = std::array::from_fn(|k| &padded[2 * reach - k..][..w]);
                weigh(&weights, &taps, &mirrored, &mut ring[taken % lines * w..][..w]);
                taken += 1;
            }
            let line = |y: usize| &ring[y.min(h - 1) % lines * w..][..w];
            let above: [&[f32]; HALF] = std::array::from_fn(|k| line((y + k).saturating_sub(reach)));
            let below: [&[f32]; HALF] = std::array::from_fn(|k| line(y + reach - k));
            weigh(&weights, &above, &below, &mut self.data[y * w..][..w]);
        }
    }

    /// One pass of a moving mean over a square of side `2 * radius + 1`.
    #[inline(always)]
    fn mean_filter(&mut self, radius: usize, spare: &mut [f32]) {
        let (w, h) = (self.width, self.height);
        if w == 0 || h == 0 || radius == 0 {
            return;
        }
        let scale = 1.0 / ((2 * radius + 1) * (2 * radius + 1)) as f32;
        for (line, out) in self.data.chunks_exact(w).zip(spare.chunks_exact_mut(w)) {
            moving_sum(line, radius, out);
        }
        // sums down the columns, one row at a time; restarted now and then so that rounding does not build up
        let row = |y: isize| -> usize { y.clamp(0, h as isize - 1) as usize * w };
        let mut sums = vec![0f32; w];
        for y in 0..h {
            if y % 64 == 0 {
                sums.fill(0.0);
                for dy in -(radius as isize)..=radius as isize {
                    let from = row(y as isize + dy);
                    sums.iter_mut().zip(&spare[from..from + w]).for_each(|(s, &v)| *s += v);
                }
            } else {
                let (new, old) = (row((y + radius) as isize), row(y as isize - 1 - radius as isize));
                let pair = spare[new..new + w].iter().zip(&spare[old..old + w]);
                sums.iter_mut().zip(pair).for_each(|(s, (&n, &o))| *s += n - o);
            }
            self.data[y * w..(y + 1) * w].iter_mut().zip(&sums).for_each(|(d, &s)| *d = s * scale);
        }
    }

    /// The smallest value in a square of side `2 * radius + 1` around every sample.
    pub(crate) fn eroded(&self, radius: usize) -> Self {
        let mut out = Self::new(self.width, self.height);
        vectorised(
            #[inline(always)]
            || self.erode_into(radius, &mut out),
        );
        out
    }

    #[inline(always)]
    fn erode_into(&self, radius: usize, out: &mut Self) {
        let (w, h, lines) = (self.width, self.height, 2 * radius + 1);
        let mut ring = vec![0f32; lines * w];
        let mut taken = 0;
        for y in 0..h {
            while taken <= (y + radius).min(h - 1) {
                let line = &self.data[taken * w..][..w];
                let least = &mut ring[taken % lines * w..][..w];
                least.copy_from_slice(line);
                for shift in 1..=radius.min(w - 1) {
                    least[shift..].iter_mut().zip(line).for_each(|(o, &v)| *o = o.min(v));
                    least.iter_mut().zip(&line[shift..]).for_each(|(o, &v)| *o = o.min(v));
                }
                taken += 1;
            }
            let least = &mut out.data[y * w..][..w];
            let near = y.saturating_sub(radius)..(y + radius + 1).min(h);
            least.copy_from_slice(&ring[near.start % lines * w..][..w]);
            for other in near.skip(1) {
                let line = &ring[other % lines * w..][..w];
                least.iter_mut().zip(line).for_each(|(o, &v)| *o = o.min(v));
            }
        }
    }
}

/// Weighted sums of pairs of lines, and of the middle one, which is the last of both.
#[inline(always)]
fn weigh<const HALF: usize>(
    weights: &[f32; HALF],
    before: &[&[f32]; HALF],
    after: &[&[f32]; HALF],
    out: &mut [f32],
) {
    let n = out.len();
    let before = before.map(|line| &line[..n]);
    let after = after.map(|line| &line[..n]);
    for (x, o) in out.iter_mut().enumerate() {
        let mut sum = weights[HALF - 1] * before[HALF - 1][x];
        for k in 0..HALF - 1 {
            sum += weights[k] * (before[k][x] + after[k][x]);
        }
        *o = sum;
    }
}

/// Sum of `2 * radius + 1` neighbours along a line whose ends repeat.
#[inline(always)]
fn moving_sum(line: &[f32], radius: usize, out: &mut [f32]) {
    let (n, last) = (line.len(), line.len() - 1);
    if radius <= 4 && n > 2 * radius {
        // few enough terms to add afresh, which vectors do faster than one running sum
        let inner = &mut out[radius..n - radius];
        inner.copy_from_slice(&line[..n - 2 * radius]);
        for shift in 1..=2 * radius {
            inner.iter_mut().zip(&line[shift..]).for_each(|(o, &v)| *o += v);
        }
        for x in (0..radius).chain(n - radius..n) {
            let near = (x as isize - radius as isize)..=(x + radius) as isize;
            out[x] = near.map(|i| line[i.clamp(0, last as isize) as usize]).sum();
        }
        return;
    }
    let at = |i: isize| line[i.clamp(0, last as isize) as usize];
    let mut sum = 0f32;
    for (x, o) in out.iter_mut().enumerate() {
        let (x, r) = (x as isize, radius as isize);
        if x % 64 == 0 {
            sum = (x - r..=x + r).map(at).sum();
        } else {
            sum += at(x + r) - at(x - r - 1);
        }
        *o = sum;
    }
}

/// Reads a weighted sum of the colours at a working size of `width` x `height` (each at most the picture's) by averaging
/// areas. Transparent pixels count as `ground`.
pub(crate) fn reduce(
    pixels: &Pixels<'_>,
    width: usize,
    height: usize,
    weights: [f32; 3],
    ground: f32,
) -> Plane {
    let layout = pixels.layout();
    if layout.channels == 3 {
        let [out] = reduce_colours(pixels, width, height, [weights]);
        return out;
    }
    let mut line = vec![0f32; layout.width];
    let mut out = Reducer::new(layout.width, layout.height, width, height);
    let mut row = Row::new(layout);
    for y in 0..layout.height {
        pixels.load(y, &mut row);
        mix(&row, weights, ground, &mut line);
        out.push(&line);
    }
    out.finish()
}

/// Several weighted sums of three interleaved colours in one pass, as [`reduce`] gives each.
///
/// Down the columns first, on samples as they lie: colours are told apart on the few rows that are left.
pub(crate) fn reduce_colours<const N: usize>(
    pixels: &Pixels<'_>,
    width: usize,
    height: usize,
    weights: [[f32; 3]; N],
) -> [Plane; N] {
    let layout = pixels.layout();
    let mut line = vec![0f32; layout.width];
    let mut outs = weights.map(|w| (w, Reducer::new(layout.width, layout.height, width, height)));
    let mut down = Down::new(layout.height, height, 3 * layout.width);
    for y in 0..layout.height {
        down.take(
            y,
            |sums, keep, weight| pixels.accumulate(y, keep, weight, sums),
            |sums, row| {
                for (weights, out) in &mut outs {
                    mix_interleaved(sums, *weights, &mut line);
                    out.across(&line, row);
                }
            },
        );
    }
    outs.map(|(_, out)| out.finish())
}

/// Weighted sum of three interleaved colours.
fn mix_interleaved(samples: &[f32], [wr, wg, wb]: [f32; 3], line: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (out, [r, g, b]) in line.iter_mut().zip(samples.as_chunks::<3>().0) {
                *out = wr * r + wg * g + wb * b;
            }
        },
    );
}

/// Weighted sum of the colours of a row, transparent pixels drawn towards `ground`.
pub(crate) fn mix(row: &Row, weights: [f32; 3], ground: f32, line: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || mix_row(row, weights, ground, line),
    );
}

#[inline(always)]
fn mix_row(row: &Row, weights: [f32; 3], ground: f32, line: &mut [f32]) {
    let [wr, wg, wb] = weights;
    let colours = row.red.iter().zip(&row.green).zip(&row.blue);
    for (out, ((&r, &g), &b)) in line.iter_mut().zip(colours) {
        *out = wr * r + wg * g + wb * b;
    }
    for (out, &a) in line.iter_mut().zip(&row.alpha) {
        *out = ground + (*out - ground) * a;
    }
}

/// Area average fed row by row, so that the full-size channel never exists.
#[derive(Debug)]
pub(crate) struct Reducer {
    source_width: usize,
    out: Plane,
    /// Columns of the source under each target column: first index, weights of the first and last, count.
    spans: Vec<Span>,
    down: Down,
    next_source: usize,
}

/// Weighted sums of rows, down the columns.
#[derive(Debug)]
struct Down {
    sources: usize,
    targets: usize,
    sums: Vec<f32>,
    next_target: usize,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    first: usize,
    last: usize,
    first_weight: f32,
    last_weight: f32,
}

impl Span {
    fn of(index: usize, targets: usize, sources: usize) -> Self {
        let ratio = sources as f64 / targets as f64;
        let (start, end) = (index as f64 * ratio, ((index + 1) as f64 * ratio).min(sources as f64));
        let first = (start as usize).min(sources - 1);
        let last = ((end.ceil() as usize).max(1) - 1).clamp(first, sources - 1);
        if first == last {
            return Self { first, last, first_weight: 1.0, last_weight: 0.0 };
        }
        let norm = 1.0 / ratio;
        let first_weight = ((first + 1) as f64 - start) * norm;
        Self {
            first,
            last,
            first_weight: first_weight as f32,
            last_weight: ((end - last as f64) * norm) as f32,
        }
    }
}

impl Down {
    fn new(sources: usize, targets: usize, width: usize) -> Self {
        Self { sources, targets, sums: vec![0.0; width], next_target: 0 }
    }

    /// Takes source row `y`: `add(sums, keep, weight)` has to add it, `emit(sums, row)` gets every row that is done.
    #[inline(always)]
    fn take(
        &mut self,
        y: usize,
        mut add: impl FnMut(&mut [f32], f32, f32),
        mut emit: impl FnMut(&[f32], usize),
    ) {
        let inner = (self.targets as f64 / self.sources as f64) as f32;
        while self.next_target < self.targets {
            let span = Span::of(self.next_target, self.targets, self.sources);
            if y < span.first {
                break;
            }
            let weight = if y == span.first {
                span.first_weight
            } else if y == span.last {
                span.last_weight
            } else {
                inner
            };
            add(&mut self.sums, if y == span.first { 0.0 } else { 1.0 }, weight);
            if y < span.last {
                break;
            }
            emit(&self.sums, self.next_target);
            self.next_target += 1;
            // the same source row may also begin the next target row
        }
    }
}

impl Reducer {
    /// From `source_width` x `source_height` to `width` x `height`; also enlarges, by repeating.
    pub(crate) fn new(source_width: usize, source_height: usize, width: usize, height: usize) -> Self {
        Self {
            source_width,
            out: Plane::new(width, height),
            spans: (0..width).map(|x| Span::of(x, width, source_width)).collect(),
            down: Down::new(source_height, height, source_width),
            next_source: 0,
        }
    }

    /// Takes the next source row.
    pub(crate) fn push(&mut self, line: &[f32]) {
        let Self { source_width, out, spans, down, next_source } = self;
        let add = |sums: &mut [f32], keep: f32, weight: f32| {
            vectorised(
                #[inline(always)]
                || sums.iter_mut().zip(line).for_each(|(s, &v)| *s = *s * keep + v * weight),
            );
        };
        down.take(*next_source, add, |sums, row| across(sums, *source_width, spans, out, row));
        *next_source += 1;
    }

    /// Takes a row that is already reduced down the columns as target row `row`.
    fn across(&mut self, line: &[f32], row: usize) {
        across(line, self.source_width, &self.spans, &mut self.out, row);
    }

    /// The reduced channel, once every source row was given.
    pub(crate) fn finish(self) -> Plane {
        self.out
    }
}

/// Averages along a row.
fn across(sums: &[f32], source_width: usize, spans: &[Span], out: &mut Plane, row: usize) {
    let width = out.width;
    let line = &mut out.data[row * width..][..width];
    if width == source_width {
        line.copy_from_slice(sums);
        return;
    }
    let inner = (width as f64 / source_width as f64) as f32;
    for (out, span) in line.iter_mut().zip(spans) {
        let mut sum = sums[span.first] * span.first_weight;
        if span.last > span.first {
            sum += sums[span.first + 1..span.last].iter().sum::<f32>() * inner;
            sum += sums[span.last] * span.last_weight;
        }
        *out = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_means_keep_the_mean_and_ramps() {
        for (sw, sh, w, h) in [(7, 5, 3, 2), (100, 37, 33, 37), (8, 8, 4, 2), (5, 4, 5, 4), (3, 2, 7, 5)] {
            let mut reducer = Reducer::new(sw, sh, w, h);
            for y in 0..sh {
                let line: Vec<f32> = (0..sw).map(|x| 3.0 + x as f32 + 10.0 * y as f32).collect();
                reducer.push(&line);
            }
            let plane = reducer.finish();
            let mean = plane.data.iter().sum::<f32>() / plane.data.len() as f32;
            let want = 3.0 + (sw as f32 - 1.0) / 2.0 + 5.0 * (sh as f32 - 1.0);
            let enlarged = w > sw || h > sh;
            assert!(
                (mean - want).abs() < if enlarged { 0.8 } else { 1e-2 },
                "{sw}x{sh}: {mean} is not {want}"
            );
        }
    }

    #[test]
    fn filters_keep_a_constant_and_repeat_borders() {
        let mut plane = Plane::new(13, 70);
        plane.data.fill(4.0);
        plane.blur(3);
        let plane = plane.eroded(2);
        assert!(plane.data.iter().all(|v| (v - 4.0).abs() < 1e-4));
    }

    #[test]
    fn one_pass_of_the_kernel_is_three_passes_of_the_mean() {
        for radius in [1, 2] {
            let mut plane = Plane::new(61, 47);
            plane.data.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7919 % 251) as f32);
            let mut passes = plane.clone();
            let mut spare = vec![0.0; plane.data.len()];
            (0..3).for_each(|_| passes.mean_filter(radius, &mut spare));
            plane.blur(radius);
            // at the borders the two repeat different things
            let inner = |i: &usize| (6..55).contains(&(i % 61)) && (6..41).contains(&(i / 61));
            for i in (0..plane.data.len()).filter(inner) {
                assert!((plane.data[i] - passes.data[i]).abs() < 1e-3, "{radius}: {i}");
            }
        }
    }

    #[test]
    fn erosion_is_the_least_of_a_square() {
        let (w, h) = (23, 17);
        let mut plane = Plane::new(w, h);
        plane.data.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7919 % 251) as f32);
        for radius in [1, 2, 30] {
            let out = plane.eroded(radius);
            for (i, &least) in out.data.iter().enumerate() {
                let near = |n: usize, i: usize| i.saturating_sub(radius)..(i + radius + 1).min(n);
                let square = near(h, i / w).flat_map(|y| near(w, i % w).map(move |x| y * w + x));
                let want = square.map(|i| plane.data[i]).fold(f32::INFINITY, f32::min);
                assert!((least - want).abs() < 1e-6, "{radius}: {i}");
            }
        }
    }

    #[test]
    fn blurring_repeats_the_borders_of_any_size() {
        for (w, h) in [(1, 1), (2, 9), (9, 2), (5, 5)] {
            for radius in [1, 2, 3] {
                let mut plane = Plane::new(w, h);
                plane.data.fill(4.0);
                plane.blur(radius);
                assert!(plane.data.iter().all(|v| (v - 4.0).abs() < 1e-4), "{w} x {h}, {radius}");
            }
        }
    }

    #[test]
    fn the_mean_filter_is_the_mean_of_a_square() {
        let mut plane = Plane::new(200, 150);
        let value = |i: usize| (i * 7919 % 251) as f32;
        plane.data.iter_mut().enumerate().for_each(|(i, v)| *v = value(i));
        let mut spare = vec![0.0; plane.data.len()];
        plane.mean_filter(2, &mut spare);
        for (x, y) in [(2, 2), (100, 70), (197, 147), (65, 129)] {
            let square = (y - 2..=y + 2).flat_map(|v| (x - 2..=x + 2).map(move |u| value(v * 200 + u)));
            assert!((plane.data[y * 200 + x] - square.sum::<f32>() / 25.0).abs() < 1e-2);
        }
    }
}
