//! Colours weighed into one channel, at the size it is worked on.

use super::pixels::{Pixels, Row};
use super::plane::Plane;
use colophon_signal::simd::vectorised;

/// Weights of red, green and blue in luma (ITU-R BT.601).
pub(crate) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Weights of red, green and blue in the green-magenta difference the reader looks at beside luma.
pub(crate) const CHROMA: [f32; 3] = [-0.5, 1.0, -0.5];

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
}
