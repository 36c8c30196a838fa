//! Is a recorded label still in a picture?
//!
//! The label is drawn again from its record, brought to the scale of the picture, and compared with the brightness at
//! the recorded place: normalised correlation between the strokes and the picture inside the plate, the best of a few
//! small shifts. Correlation ignores brightness and contrast, so a second figure asks for visible contrast.

use std::ops::Range;

use colophon_core::{ErrorKind, LabelRecord, PixelBox, State, Why};

use super::{plate, recorded};
use crate::font::LabelFont;

/// Correlation from which a label counts as there. Unlabelled places stay below 0.40, labels in copies at 0.3 of the
/// size with JPEG quality 30 above 0.75 (measured on photographs, drawings, screens and textures).
const THRESHOLD: f32 = 0.6;
/// Steps of brightness between plate and type below which nobody sees a label. As drawn it is 158 at least.
const VISIBLE_STEP: f64 = 40.0;
/// Ink height in pixels below which strokes are not told from texture.
const MIN_INK: f32 = 4.0;
/// Ink height in cells at which the comparison is made: finer says nothing more and costs more.
const WORKING_INK: f32 = 20.0;
/// Shift in cells that is looked for in each direction.
const SHIFT: i64 = 2;
/// Cells this close to the plate's edge, in em, are left out: hairline, corners and rounding.
const INSET: f32 = 0.15;

/// A picture's brightness, as shown.
#[derive(Clone, Copy, Debug)]
pub struct Luma<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width × height` values, 0 black to 255 white, row by row.
    pub data: &'a [u8],
}

/// What [`check`] saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelCheck {
    /// Present, Invalid (the record says it is there and it is not), Malformed (the record contradicts itself) or
    /// NotChecked.
    pub state: State,
    /// Why it was not checked.
    pub why: Option<Why>,
    /// Correlation of the picture with the label's strokes, -1 to 1; 0 when it was not checked.
    pub score: f32,
    /// The score from which the label counts as there.
    pub threshold: f32,
    /// Brightness of the type over that of the plate, in levels of 255.
    pub step: f32,
    /// Ink height over the shortest side, in this picture.
    pub height_ratio: f32,
}

/// Looks for a recorded label at its place in a picture that may be a resized or recompressed copy.
///
/// Tolerates scaling from 0.3 to 2, the two directions apart, recompression, moderate changes of brightness and
/// contrast, and shifts of two pixels. A copy that was cropped is told Invalid: its label is not at the recorded place.
pub fn check(record: &LabelRecord, picture: &Luma<'_>) -> LabelCheck {
    let none = LabelCheck {
        state: State::NotChecked,
        why: None,
        score: 0.0,
        threshold: THRESHOLD,
        step: 0.0,
        height_ratio: 0.0,
    };
    let not_checked = |why| LabelCheck { why: Some(why), ..none };
    if picture.data.len() as u64 != u64::from(picture.width) * u64::from(picture.height)
        || picture.data.is_empty()
    {
        return not_checked(Why::Undecodable);
    }
    let Ok(font) = LabelFont::bundled() else { return not_checked(Why::NotBuilt) };
    let (set, area) = match recorded(&font, record) {
        Ok(set) => set,
        Err(e) if e.kind() == ErrorKind::Unsupported => return not_checked(Why::NotBuilt),
        Err(e) if e.kind() == ErrorKind::Limit => return not_checked(Why::Limit),
        Err(_) => return LabelCheck { state: State::Malformed, ..none },
    };
    let Some(canvas) = record.canvas else { return LabelCheck { state: State::Malformed, ..none } };
    let scale = (
        picture.width as f32 / canvas.width.max(1) as f32,
        picture.height as f32 / canvas.height.max(1) as f32,
    );
    let ink = set.ink as f32 * scale.0.min(scale.1);
    if ink < MIN_INK {
        return not_checked(Why::TooSmall);
    }
    let mask = Mask {
        data: &plate::type_mask(&font, &set.block, set.width, set.height),
        area,
        inset: INSET * set.block.em,
    };
    let cell = ((set.ink as f32 * scale.1 / WORKING_INK) as usize).max(1);
    let (score, step) = correlate(&mask, picture, scale, cell);
    let there = score >= THRESHOLD && f64::from(step) >= VISIBLE_STEP;
    LabelCheck {
        state: if there { State::Present } else { State::Invalid },
        score,
        step,
        height_ratio: set.ink as f32 * scale.1 / picture.width.min(picture.height) as f32,
        ..none
    }
}

/// The strokes on the plate, at the scale of the record.
struct Mask<'a> {
    data: &'a [u8],
    area: PixelBox,
    inset: f32,
}

/// Best correlation and step of brightness over the shifts, on a grid of `cell × cell` pixels.
fn correlate(mask: &Mask<'_>, picture: &Luma<'_>, scale: (f32, f32), cell: usize) -> (f32, f32) {
    let columns = Axis::new(mask.area.x, mask.area.width, scale.0, cell, picture.width, mask.inset);
    let rows = Axis::new(mask.area.y, mask.area.height, scale.1, cell, picture.height, mask.inset);
    let strokes = mask_cells(mask, &columns, &rows);
    let wide = (columns.cells + 2 * SHIFT as usize, rows.cells + 2 * SHIFT as usize);
    let seen = picture_cells(picture, &columns, &rows, cell, wide);
    let mut best = (0.0_f32, 0.0_f32);
    for dy in 0..=2 * SHIFT as usize {
        for dx in 0..=2 * SHIFT as usize {
            let mut sums = Sums::default();
            for (y, line) in strokes.chunks_exact(columns.cells.max(1)).enumerate() {
                let at = (y + dy) * wide.0 + dx;
                let under = seen.get(at..at + columns.cells).unwrap_or_default();
                line.iter().zip(under).for_each(|(t, v)| sums.add(f64::from(*t), f64::from(*v)));
            }
            let (score, step) = sums.correlation();
            if score as f32 > best.0 {
                best = (score as f32, step as f32);
            }
        }
    }
    best
}

/// One direction of the grid: which cells lie on the plate, and where.
struct Axis {
    /// First pixel of the first cell in the picture.
    begin: i64,
    cells: usize,
    /// Pixels of the mask that a cell covers: begin and end, fractional.
    spans: Vec<(f32, f32)>,
}

impl Axis {
    fn new(at: u32, len: u32, scale: f32, cell: usize, picture: u32, inset: f32) -> Self {
        let (from, to) = ((at as f32 + inset) * scale, (at as f32 + len as f32 - inset) * scale);
        let begin = from.ceil() as i64;
        let end = (to.floor() as i64).min(i64::from(picture));
        let cells = ((end - begin).max(0) as usize) / cell;
        let spans = (0..cells)
            .map(|i| {
                let first = (begin + (i * cell) as i64) as f32;
                let (a, b) = (first / scale - at as f32, (first + cell as f32) / scale - at as f32);
                // A cell smaller than a pixel of the mask still looks at a pixel's width: linear interpolation.
                let half = ((b - a) / 2.0).max(0.5);
                (f32::midpoint(a, b) - half, f32::midpoint(a, b) + half)
            })
            .collect();
        Self { begin, cells, spans }
    }
}

/// Mean coverage of the strokes in every cell, 0 to 255.
fn mask_cells(mask: &Mask<'_>, columns: &Axis, rows: &Axis) -> Vec<f32> {
    let width = mask.area.width as usize;
    let mut across = vec![0.0_f32; columns.cells * mask.area.height as usize];
    for (line, out) in mask.data.chunks_exact(width.max(1)).zip(across.chunks_exact_mut(columns.cells.max(1)))
    {
        for (cell, span) in out.iter_mut().zip(&columns.spans) {
            *cell = mean(*span, width, |i| line.get(i).map_or(0.0, |v| f32::from(*v)));
        }
    }
    let mut out = Vec::with_capacity(columns.cells * rows.cells);
    for span in &rows.spans {
        for x in 0..columns.cells {
            let at = |i: usize| across.get(i * columns.cells + x).copied().unwrap_or(0.0);
            out.push(mean(*span, mask.area.height as usize, at));
        }
    }
    out
}

/// Mean of `values` over a fractional span, clamped to `0..len`.
fn mean(span: (f32, f32), len: usize, value: impl Fn(usize) -> f32) -> f32 {
    let (from, to) = (span.0.clamp(0.0, len as f32), span.1.clamp(0.0, len as f32));
    let range: Range<usize> = from as usize..(to.ceil() as usize).min(len);
    let (mut sum, mut weight) = (0.0, 0.0);
    for i in range {
        let share = (to.min(i as f32 + 1.0) - from.max(i as f32)).max(0.0);
        sum += share * value(i);
        weight += share;
    }
    if weight > 0.0 { sum / weight } else { 0.0 }
}

/// Mean brightness of every cell, with [`SHIFT`] cells more on each side. Outside, the edge of the picture goes on.
fn picture_cells(
    picture: &Luma<'_>,
    columns: &Axis,
    rows: &Axis,
    cell: usize,
    wide: (usize, usize),
) -> Vec<f32> {
    let (width, height) = (i64::from(picture.width), i64::from(picture.height));
    let mut out = Vec::with_capacity(wide.0 * wide.1);
    let first = |begin: i64, i: usize| begin + (i as i64 - SHIFT) * cell as i64;
    for row in 0..wide.1 {
        let y0 = first(rows.begin, row);
        for column in 0..wide.0 {
            let x0 = first(columns.begin, column);
            let mut sum = 0_u32;
            for y in y0..y0 + cell as i64 {
                let at = y.clamp(0, height - 1) * width;
                for x in x0..x0 + cell as i64 {
                    let i = at + x.clamp(0, width - 1);
                    sum += u32::from(picture.data.get(i as usize).copied().unwrap_or(0));
                }
            }
            out.push(sum as f32 / (cell * cell) as f32);
        }
    }
    out
}

#[derive(Default)]
struct Sums {
    n: f64,
    t: f64,
    v: f64,
    tt: f64,
    vv: f64,
    tv: f64,
}

impl Sums {
    fn add(&mut self, t: f64, v: f64) {
        self.n += 1.0;
        self.t += t;
        self.v += v;
        self.tt += t * t;
        self.vv += v * v;
        self.tv += t * v;
    }

    /// Correlation, and the step of brightness from no coverage to full coverage (slope of the regression).
    fn correlation(&self) -> (f64, f64) {
        let n = self.n.max(1.0);
        let var_t = self.tt / n - (self.t / n).powi(2);
        let var_v = self.vv / n - (self.v / n).powi(2);
        let cov = self.tv / n - self.t / n * (self.v / n);
        // Flat pictures correlate with nothing.
        if var_t < 1.0 || var_v < 1.0 {
            return (0.0, 0.0);
        }
        (cov / (var_t * var_v).sqrt(), 255.0 * cov / var_t)
    }
}
