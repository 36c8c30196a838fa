//! How much mark a place hides: local texture, brightness, and the edges it must not leak from.

use super::pixels::{Pixels, Row};
use super::plane::Plane;
use super::reduce::{LUMA, Reducer, mix};
use super::registered::SIDE;
use colophon_signal::simd::vectorised;

/// Mask in flat places, its growth with texture (to the power 3/4) in still pictures, and its ceiling, in grey levels per unit
/// of gain.
const FLOOR: f32 = 1.2;
pub(crate) const SLOPE: f32 = 0.45;
const CEILING: f32 = 6.0;
/// Texture (deviation in grey levels) beyond which nothing is gained.
const TEXTURE_CAP: f32 = 40.0;

/// The gain in perfectly flat places per unit of gain: what a cap on flat zones divides by.
pub(crate) const FLAT: f32 = FLOOR;

/// The mask on a grid of cells, and what was learnt on the way.
#[derive(Debug)]
pub(crate) struct Mask {
    cells: Plane,
    /// Side of a cell in pixels.
    cell: usize,
    /// Mean of the squared mask over the picture.
    pub(crate) energy: f64,
    /// Every pixel has equal red, green and blue.
    pub(crate) grey: bool,
    /// Share of pixels that are not fully transparent.
    pub(crate) visible: f64,
    /// The picture's luma resampled to the square of the registered layer.
    pub(crate) frame: Plane,
}

impl Mask {
    /// Measures a picture; `scale` is the tile period divided by 128 and sets the size of the neighbourhood, `slope` how much
    /// more texture hides.
    pub(crate) fn measure(pixels: &Pixels<'_>, scale: f64, slope: f32) -> Self {
        let cell = ((1.5 * scale).round() as usize).max(2);
        let Statistics { mean, mut texture, grey, visible, frame } = statistics(pixels, cell);
        let window = radius(3.0 * scale / cell as f64);
        texture.blur(window);
        let mut level = mean.clone();
        level.blur(window);
        // variance in the window, less what a plain slope of brightness accounts for: a sky is smooth though it is not even
        // (the three means have variance r (r + 1), a cell itself 1/12)
        let spread = (window * (window + 1)) as f32 + 1.0 / 12.0;
        (0..texture.height).for_each(|y| deviations(&mut texture, &level, spread, y));
        let mut inner = texture.eroded(((2.5 * scale / cell as f64).round() as usize).max(1));
        inner.blur(window);
        level = mean;
        level.blur(radius(2.0 * scale / cell as f64));
        let mut cells = inner;
        vectorised(
            #[inline(always)]
            || {
                for ((m, &v), &l) in cells.data.iter_mut().zip(&texture.data).zip(&level.data) {
                    let activity = 0.7 * *m + 0.3 * v;
                    let root = activity.clamp(0.0, TEXTURE_CAP).sqrt();
                    let hidden = (FLOOR + slope * root * root.sqrt()).min(CEILING);
                    let luma = l + 128.0;
                    let dark = 0.75 + 0.25 * (luma / 60.0).clamp(0.0, 1.0);
                    let bright = 1.0 - 0.25 * ((luma - 225.0) / 30.0).clamp(0.0, 1.0);
                    *m = hidden * dark * bright;
                }
            },
        );
        let energy = energy(&cells);
        Self { cells, cell, energy, grey, visible, frame }
    }

    /// Lowers the mask: `share` answers what is left of it around the pixel in this column and row.
    pub(crate) fn lower(&mut self, share: impl Fn(usize, usize) -> f32) {
        let (width, centre) = (self.cells.width, self.cell / 2);
        for (y, row) in self.cells.data.chunks_exact_mut(width).enumerate() {
            for (x, m) in row.iter_mut().enumerate() {
                *m *= share(x * self.cell + centre, y * self.cell + centre);
            }
        }
        self.energy = energy(&self.cells);
    }

    /// The pixel row whose mask row `y` shares: the mask is smooth enough to follow in steps of half a cell.
    pub(crate) fn step_of(&self, y: usize) -> usize {
        y - y % (self.cell / 2).max(1)
    }

    /// The mask along pixel row `y`, interpolated between cell centres.
    pub(crate) fn row(&self, y: usize, between: &mut Vec<f32>, out: &mut [f32]) {
        let (w, h) = (self.cells.width, self.cells.height);
        let (top, share) = position(y, self.cell, h);
        let bottom = (top + 1).min(h - 1);
        let (a, b) = (&self.cells.data[top * w..][..w], &self.cells.data[bottom * w..][..w]);
        between.clear();
        between.extend(a.iter().zip(b).map(|(&a, &b)| a + share * (b - a)));
        expand(between, self.cell, out);
    }
}

/// Mean square of the cells.
fn energy(cells: &Plane) -> f64 {
    cells.data.iter().map(|&m| f64::from(m * m)).sum::<f64>() / cells.data.len().max(1) as f64
}

/// Index of the cell centre at or before pixel `i`, and how far along to the next one it lies.
fn position(i: usize, cell: usize, cells: usize) -> (usize, f32) {
    let at = ((i as f32 + 0.5) / cell as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
    (at as usize, at.fract())
}

/// Linear interpolation of values at cell centres to pixels.
fn expand(values: &[f32], cell: usize, out: &mut [f32]) {
    let lead = cell / 2;
    let (head, body) = out.split_at_mut(lead.min(out.len()));
    head.fill(values[0]);
    match cell {
        2 => expand_by::<2>(values, body),
        3 => expand_by::<3>(values, body),
        4 => expand_by::<4>(values, body),
        5 => expand_by::<5>(values, body),
        6 => expand_by::<6>(values, body),
        _ => {
            let pairs = values.iter().zip(values[1..].iter().chain(values.last()));
            for (run, (&a, &b)) in body.chunks_mut(cell).zip(pairs) {
                run.iter_mut().enumerate().for_each(|(at, o)| *o = a + (b - a) * share(at, cell));
            }
        }
    }
}

/// How far pixel `at` behind the first one at or after a cell's centre lies on the way to the next centre.
fn share(at: usize, cell: usize) -> f32 {
    // in halves of a pixel, which are exact
    ((2 * (cell / 2 + at) + 1) as f32 - cell as f32) / (2 * cell) as f32
}

/// The same for cells of a size that is known beforehand: whole cells in vectors.
fn expand_by<const CELL: usize>(values: &[f32], body: &mut [f32]) {
    let shares: [f32; CELL] = std::array::from_fn(|at| share(at, CELL));
    let last = values.len() - 1;
    vectorised(
        #[inline(always)]
        || {
            let (cells, rest) = body.as_chunks_mut::<CELL>();
            let whole = cells.len().min(last);
            let pairs = values[..last].iter().zip(&values[1..]);
            for (run, (&a, &b)) in cells.iter_mut().zip(pairs) {
                for (o, share) in run.iter_mut().zip(shares) {
                    *o = a + (b - a) * share;
                }
            }
            // Behind the last centre nothing is left to go to.
            cells[whole..].as_flattened_mut().fill(values[last]);
            let (a, b) = (values[whole.min(last)], values[(whole + 1).min(last)]);
            rest.iter_mut().zip(shares).for_each(|(o, share)| *o = a + (b - a) * share);
        },
    );
}

/// Radius of three moving means that come closest to a Gaussian of deviation `sigma`.
fn radius(sigma: f64) -> usize {
    ((0.25 + sigma * sigma).sqrt() - 0.5).round().max(1.0) as usize
}

/// Turns mean squares along row `y` into deviations from a plane: less the square of the mean, and less what a slope of the
/// means accounts for, `spread` times its square.
fn deviations(squares: &mut Plane, means: &Plane, spread: f32, y: usize) {
    let (w, h) = (means.width, means.height);
    let row = |y: usize| &means.data[y * w..][..w];
    let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(h - 1)));
    let out = &mut squares.data[y * w..][..w];
    let deviation = |square: f32, mean: f32, across: f32, down: f32| {
        let (dx, dy) = (across * 0.5, down * 0.5);
        (square - mean * mean - spread * (dx * dx + dy * dy)).max(0.0).sqrt()
    };
    for x in [0, w - 1] {
        let across = here[(x + 1).min(w - 1)] - here[x.saturating_sub(1)];
        out[x] = deviation(out[x], here[x], across, below[x] - above[x]);
        if w == 1 {
            return;
        }
    }
    vectorised(
        #[inline(always)]
        || {
            let inner = out[1..w - 1].iter_mut().zip(&here[1..w - 1]);
            let across = here[2..].iter().zip(&here[..w - 2]);
            let down = below[1..w - 1].iter().zip(&above[1..w - 1]);
            for (((o, &mean), (right, left)), (lower, upper)) in inner.zip(across).zip(down) {
                *o = deviation(*o, mean, right - left, lower - upper);
            }
        },
    );
}

struct Statistics {
    /// Mean luma per cell, less 128.
    mean: Plane,
    /// Mean of the square of luma less 128, per cell.
    texture: Plane,
    grey: bool,
    visible: f64,
    frame: Plane,
}

fn statistics(pixels: &Pixels<'_>, cell: usize) -> Statistics {
    let layout = pixels.layout();
    let (w, h) = (layout.width.div_ceil(cell), layout.height.div_ceil(cell));
    let (mut mean, mut texture) = (Plane::new(w, h), Plane::new(w, h));
    let mut row = Row::new(layout);
    let mut line = vec![0f32; layout.width];
    let (mut column_sums, mut column_squares) = (line.clone(), line.clone());
    let (mut grey, mut seen) = (true, 0usize);
    let mut frame = Reducer::new(layout.width, layout.height, SIDE, SIDE);
    for y in 0..layout.height {
        pixels.load(y, &mut row);
        mix(&row, LUMA, 128.0, &mut line);
        frame.push(&line);
        if grey && layout.colours() == 3 {
            grey = row.red == row.green && row.green == row.blue;
        }
        seen +=
            if layout.has_alpha() { row.alpha.iter().filter(|&&a| a > 0.0).count() } else { layout.width };
        vectorised(
            #[inline(always)]
            || {
                for ((m, t), &v) in column_sums.iter_mut().zip(&mut column_squares).zip(&line) {
                    *m += v - 128.0;
                    *t += (v - 128.0) * (v - 128.0);
                }
            },
        );
        if (y + 1).is_multiple_of(cell) || y + 1 == layout.height {
            let from = y / cell * w;
            let total = |sums: &mut [f32], out: &mut [f32]| {
                match cell {
                    2 => totals::<2>(sums, out),
                    3 => totals::<3>(sums, out),
                    4 => totals::<4>(sums, out),
                    _ => sums.chunks(cell).zip(out).for_each(|(run, o)| *o = run.iter().sum()),
                }
                sums.fill(0.0);
            };
            total(&mut column_sums, &mut mean.data[from..from + w]);
            total(&mut column_squares, &mut texture.data[from..from + w]);
        }
    }
    for (y, (m_row, t_row)) in mean.data.chunks_exact_mut(w).zip(texture.data.chunks_exact_mut(w)).enumerate()
    {
        let rows = cell.min(layout.height - y * cell);
        let scaled = |sums: &mut [f32], columns: usize| {
            let scale = 1.0 / (rows * columns) as f32;
            for sum in sums {
                *sum *= scale;
            }
        };
        for row in [m_row, t_row] {
            let (whole, last) = row.split_at_mut(w - 1);
            scaled(whole, cell);
            scaled(last, layout.width - (w - 1) * cell);
        }
    }
    let visible = seen as f64 / (layout.width * layout.height) as f64;
    Statistics { mean, texture, grey, visible, frame: frame.finish() }
}

/// Sums of every `CELL` neighbours; what is left over makes the last one.
fn totals<const CELL: usize>(sums: &[f32], out: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            let (cells, rest) = sums.as_chunks::<CELL>();
            out.iter_mut().zip(cells).for_each(|(o, run)| *o = run.iter().sum());
            if let (Some(o), false) = (out.get_mut(cells.len()), rest.is_empty()) {
                *o = rest.iter().sum();
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask_of(picture: impl Fn(usize, usize) -> u8) -> Vec<f32> {
        let data: Vec<u8> = (0..256 * 256).map(|i| picture(i % 256, i / 256)).collect();
        let pixels = Pixels::packed8(&data, 256, 256, 1).unwrap();
        let mask = Mask::measure(&pixels, 1.0, SLOPE);
        let mut row = vec![0.0; 256];
        mask.row(128, &mut Vec::new(), &mut row);
        row
    }

    #[test]
    fn flat_and_sloping_places_get_the_floor() {
        let floor = |m: &[f32]| m[40..216].iter().all(|&v| (v - FLOOR).abs() < 0.1);
        assert!(floor(&mask_of(|_, _| 128)));
        let ramp = mask_of(|x, _| (40 + x / 2) as u8);
        assert!(ramp[40..216].iter().all(|&v| v < FLOOR + 0.5), "{ramp:?}");
    }

    #[test]
    fn texture_gets_more_and_an_edge_does_not_leak() {
        let noise = |x: usize, y: usize| (x * 7919 + y * 104_729 + x * y * 31) % 61;
        let busy = mask_of(|x, y| (90 + noise(x, y)) as u8);
        assert!(busy[128] > 2.0 * FLOOR);
        // flat on the left, busy on the right: 12 pixels inside the flat side the floor holds
        let edge = mask_of(|x, y| if x < 128 { 90 } else { (90 + noise(x, y)) as u8 });
        assert!(edge[112] < FLOOR + 0.3, "{}", edge[112]);
        assert!(edge[180] > 2.0 * FLOOR);
    }

    #[test]
    fn interpolation_meets_the_cell_centres() {
        let mut out = [0.0; 12];
        expand(&[0.0, 3.0, 6.0, 9.0], 3, &mut out);
        assert_eq!(out, [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 9.0]);
    }
}
