//! Pieces of a picture, averaged to the cells of a grid.

use super::Luma;

/// Where the label's pixels stand in a picture: `x` of the label is `ox + sx·x` of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Map {
    pub(super) sx: f32,
    pub(super) sy: f32,
    pub(super) ox: f32,
    pub(super) oy: f32,
}

/// Values on a grid, row by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<f32>,
}

impl Grid {
    pub(super) fn row(&self, y: usize) -> &[f32] {
        self.data.get(y * self.width..(y + 1) * self.width).unwrap_or_default()
    }

    pub(super) fn get(&self, x: usize, y: usize) -> f32 {
        if x < self.width { self.data.get(y * self.width + x).copied().unwrap_or(0.0) } else { 0.0 }
    }
}

/// The picture from `(x, y)` on, in `width × height` cells of `step` pixels each, fractions and all. Outside, the edge
/// of the picture goes on.
pub(super) fn patch(
    picture: &Luma<'_>,
    (x, y): (f32, f32),
    step: (f32, f32),
    width: usize,
    height: usize,
) -> Grid {
    let columns = taps(x, step.0, width, picture.width);
    let rows = taps(y, step.1, height, picture.height);
    let pitch = picture.width as usize;
    let mut data = vec![0.0; width * height];
    for (row, out) in rows.iter().zip(data.chunks_exact_mut(width.max(1))) {
        for (line, share) in row {
            let at = *line as usize * pitch;
            let line = picture.data.get(at..at + pitch).unwrap_or_default();
            for (column, cell) in columns.iter().zip(out.iter_mut()) {
                let sum: f32 = column
                    .iter()
                    .map(|(x, share)| share * line.get(*x as usize).map_or(0.0, |v| f32::from(*v)))
                    .sum();
                *cell += share * sum;
            }
        }
    }
    Grid { width, height, data }
}

/// For every cell the pixels it covers with their shares. A cell smaller than a pixel looks at a pixel's width: linear
/// interpolation.
fn taps(at: f32, step: f32, cells: usize, len: u32) -> Vec<Vec<(u32, f32)>> {
    let last = i64::from(len.max(1)) - 1;
    (0..cells)
        .map(|i| {
            let middle = at + (i as f32 + 0.5) * step;
            let half = (step / 2.0).max(0.5);
            let (from, to) = (middle - half, middle + half);
            let width = to - from;
            (from.floor() as i64..to.ceil() as i64)
                .map(|p| {
                    let share = (to.min(p as f32 + 1.0) - from.max(p as f32)).max(0.0) / width;
                    (p.clamp(0, last) as u32, share)
                })
                .filter(|(_, share)| *share > 0.0)
                .collect()
        })
        .collect()
}

/// The values of a grid averaged to other cells: `at` and `step` in cells of the source; outside is `beyond`.
pub(super) fn resample(
    source: &Grid,
    (x, y): (f32, f32),
    step: (f32, f32),
    width: usize,
    height: usize,
    beyond: f32,
) -> Grid {
    // One cell of margin that holds `beyond`, then as with pictures.
    let spans = |at: f32, step: f32, cells: usize, len: usize| -> Vec<Vec<(usize, f32)>> {
        taps(at + 1.0, step, cells, len as u32 + 2)
            .into_iter()
            .map(|t| t.into_iter().map(|(p, s)| (p as usize, s)).collect())
            .collect()
    };
    let columns = spans(x, step.0, width, source.width);
    let rows = spans(y, step.1, height, source.height);
    // Across first: every source row once.
    let mut across = vec![0.0; width * (source.height + 2)];
    for (line, out) in across.chunks_exact_mut(width.max(1)).enumerate() {
        let row = if line == 0 || line > source.height { &[][..] } else { source.row(line - 1) };
        for (taps, cell) in columns.iter().zip(out) {
            *cell = taps
                .iter()
                .map(|(p, s)| {
                    let inside = p.checked_sub(1).and_then(|p| row.get(p)).copied();
                    s * inside.unwrap_or(beyond)
                })
                .sum();
        }
    }
    let mut data = vec![0.0; width * height];
    for (taps, out) in rows.iter().zip(data.chunks_exact_mut(width.max(1))) {
        for (p, s) in taps {
            let row = across.get(p * width..(p + 1) * width).unwrap_or_default();
            row.iter().zip(out.iter_mut()).for_each(|(v, o)| *o += s * v);
        }
    }
    Grid { width, height, data }
}

/// A grid smoothed by a triangle of `radius` cells, in both directions.
pub(super) fn blurred(source: &Grid, radius: f32) -> Grid {
    if radius < 0.3 {
        return source.clone();
    }
    let reach = radius.ceil() as i64;
    let kernel: Vec<f32> =
        (-reach..=reach).map(|i| (1.0 - (i as f32).abs() / (radius + 0.5)).max(0.0)).collect();
    let sum: f32 = kernel.iter().sum();
    let pass = |source: &Grid, dx: i64, dy: i64| {
        let mut data = Vec::with_capacity(source.data.len());
        for y in 0..source.height as i64 {
            for x in 0..source.width as i64 {
                let mut v = 0.0;
                for (k, i) in kernel.iter().zip(-reach..=reach) {
                    let (x, y) = (
                        (x + i * dx).clamp(0, source.width as i64 - 1),
                        (y + i * dy).clamp(0, source.height as i64 - 1),
                    );
                    v += k * source.get(x as usize, y as usize);
                }
                data.push(v / sum);
            }
        }
        Grid { width: source.width, height: source.height, data }
    };
    let across = pass(source, 1, 0);
    pass(&across, 0, 1)
}

/// Weighted sums of two signals.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    w: f64,
    t: f64,
    v: f64,
    tt: f64,
    vv: f64,
    tv: f64,
}

impl Sums {
    #[inline]
    pub(super) fn add(&mut self, w: f32, t: f32, v: f32) {
        let (w, t, v) = (f64::from(w), f64::from(t), f64::from(v));
        self.w += w;
        self.t += w * t;
        self.v += w * v;
        self.tt += w * t * t;
        self.vv += w * v * v;
        self.tv += w * t * v;
    }

    /// Correlation, and the slope of the regression of the second on the first.
    pub(super) fn correlation(&self) -> (f32, f32) {
        let n = self.w.max(1e-9);
        let var_t = self.tt / n - (self.t / n).powi(2);
        let var_v = self.vv / n - (self.v / n).powi(2);
        let cov = self.tv / n - self.t / n * (self.v / n);
        // Flat pictures correlate with nothing.
        if var_t < 1e-6 || var_v < 1.0 {
            return (0.0, 0.0);
        }
        ((cov / (var_t * var_v).sqrt()) as f32, (cov / var_t) as f32)
    }
}

/// Correlation and slope of a template (values and weights) with the picture's cells at `(dx, dy)` of `seen`.
pub(super) fn correlate(values: &Grid, weights: &Grid, seen: &Grid, dx: usize, dy: usize) -> (f32, f32) {
    let mut sums = Sums::default();
    for y in 0..values.height {
        let under = seen.row(y + dy).get(dx..).unwrap_or_default();
        for ((t, w), v) in values.row(y).iter().zip(weights.row(y)).zip(under) {
            if *w > 0.0 {
                sums.add(*w, *t, *v);
            }
        }
    }
    sums.correlation()
}
