//! Views of decoded pixels: no container, no copy.

use colophon_signal::simd::vectorised;
use std::fmt;

/// Largest width or height accepted.
pub const MAX_SIDE: usize = 1 << 20;

/// Sample values, read only.
///
/// Integers use their full range; floats use 0.0 to 1.0 for black to white and may exceed it.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    /// 8 bits per sample.
    U8(&'a [u8]),
    /// 16 bits per sample.
    U16(&'a [u16]),
    /// Single precision.
    F32(&'a [f32]),
}

/// Sample values that a mark is written to, in place. Ranges as in [`Samples`].
#[derive(Debug)]
pub enum SamplesMut<'a> {
    /// 8 bits per sample.
    U8(&'a mut [u8]),
    /// 16 bits per sample.
    U16(&'a mut [u16]),
    /// Single precision.
    F32(&'a mut [f32]),
}

/// Width, height, channels and row distance of a picture in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Columns, 1 to [`MAX_SIDE`].
    pub width: usize,
    /// Rows, 1 to [`MAX_SIDE`].
    pub height: usize,
    /// 1 grey, 2 grey and alpha, 3 red green blue, 4 red green blue alpha; interleaved, alpha not premultiplied.
    pub channels: usize,
    /// Samples from the start of one row to the next, at least `width * channels`.
    pub stride: usize,
}

impl Layout {
    /// A layout without gaps between rows.
    pub fn packed(width: usize, height: usize, channels: usize) -> Self {
        Self { width, height, channels, stride: width.saturating_mul(channels) }
    }

    /// Number of samples the layout spans: the last row needs no gap after it.
    fn span(&self) -> Option<usize> {
        let row = self.width.checked_mul(self.channels)?;
        let sides = (1..=MAX_SIDE).contains(&self.width) && (1..=MAX_SIDE).contains(&self.height);
        if !sides || !(1..=4).contains(&self.channels) || self.stride < row {
            return None;
        }
        self.stride.checked_mul(self.height - 1)?.checked_add(row)
    }

    /// Channels that carry light: 1 or 3.
    pub(crate) fn colours(&self) -> usize {
        if self.channels < 3 { 1 } else { 3 }
    }

    pub(crate) fn has_alpha(&self) -> bool {
        self.channels.is_multiple_of(2)
    }
}

/// The buffer is shorter than its layout, or the layout is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutError {
    /// The refused layout.
    pub layout: Layout,
    /// Samples in the buffer.
    pub len: usize,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layout { width, height, channels, stride } = self.layout;
        write!(
            f,
            "a picture of {width} x {height} with {channels} channels and stride {stride} does not fit a buffer of {} samples",
            self.len
        )
    }
}

impl std::error::Error for LayoutError {}

/// A picture to read.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    samples: Samples<'a>,
    layout: Layout,
}

/// A picture to mark in place.
#[derive(Debug)]
pub struct PixelsMut<'a> {
    samples: SamplesMut<'a>,
    layout: Layout,
}

impl<'a> Pixels<'a> {
    /// A view of `samples`, checked against `layout`.
    pub fn new(samples: Samples<'a>, layout: Layout) -> Result<Self, LayoutError> {
        let len = match samples {
            Samples::U8(s) => s.len(),
            Samples::U16(s) => s.len(),
            Samples::F32(s) => s.len(),
        };
        check(layout, len)?;
        Ok(Self { samples, layout })
    }

    /// A view of 8-bit samples without gaps between rows.
    pub fn packed8(
        samples: &'a [u8],
        width: usize,
        height: usize,
        channels: usize,
    ) -> Result<Self, LayoutError> {
        Self::new(Samples::U8(samples), Layout::packed(width, height, channels))
    }

    /// The layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Multiplies `sums` by `keep` and adds `weight` times the levels of row `y`, all channels as they lie.
    pub(crate) fn accumulate(&self, y: usize, keep: f32, weight: f32, sums: &mut [f32]) {
        #[inline(always)]
        fn add<S: Sample>(row: &[S], keep: f32, weight: f32, sums: &mut [f32]) {
            sums.iter_mut().zip(row).for_each(|(s, v)| *s = *s * keep + v.level() * weight);
        }
        match self.samples {
            Samples::U8(s) => vectorised(
                #[inline(always)]
                || add(row_of(s, self.layout, y), keep, weight, sums),
            ),
            Samples::U16(s) => vectorised(
                #[inline(always)]
                || add(row_of(s, self.layout, y), keep, weight, sums),
            ),
            Samples::F32(s) => vectorised(
                #[inline(always)]
                || add(row_of(s, self.layout, y), keep, weight, sums),
            ),
        }
    }

    /// Writes row `y` as levels 0 to 255 into `row`.
    pub(crate) fn load(&self, y: usize, row: &mut Row) {
        match self.samples {
            Samples::U8(s) => vectorised(
                #[inline(always)]
                || row.fill_from(row_of(s, self.layout, y), self.layout),
            ),
            Samples::U16(s) => vectorised(
                #[inline(always)]
                || row.fill_from(row_of(s, self.layout, y), self.layout),
            ),
            Samples::F32(s) => vectorised(
                #[inline(always)]
                || row.fill_from(row_of(s, self.layout, y), self.layout),
            ),
        }
    }
}

impl<'a> PixelsMut<'a> {
    /// A view of `samples`, checked against `layout`.
    pub fn new(samples: SamplesMut<'a>, layout: Layout) -> Result<Self, LayoutError> {
        let len = match &samples {
            SamplesMut::U8(s) => s.len(),
            SamplesMut::U16(s) => s.len(),
            SamplesMut::F32(s) => s.len(),
        };
        check(layout, len)?;
        Ok(Self { samples, layout })
    }

    /// A view of 8-bit samples without gaps between rows.
    pub fn packed8(
        samples: &'a mut [u8],
        width: usize,
        height: usize,
        channels: usize,
    ) -> Result<Self, LayoutError> {
        Self::new(SamplesMut::U8(samples), Layout::packed(width, height, channels))
    }

    /// The layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The same picture, read only.
    pub fn view(&self) -> Pixels<'_> {
        let samples = match &self.samples {
            SamplesMut::U8(s) => Samples::U8(s),
            SamplesMut::U16(s) => Samples::U16(s),
            SamplesMut::F32(s) => Samples::F32(s),
        };
        Pixels { samples, layout: self.layout }
    }

    /// Adds `change[x] * direction[c]` levels to every colour of row `y`, rounding and clipping to the sample type;
    /// leaves alpha and fully transparent pixels alone. Returns the sum of the squared changes made, in levels.
    pub(crate) fn add(&mut self, y: usize, change: &[f32], direction: [f32; 3]) -> f32 {
        let layout = self.layout;
        match &mut self.samples {
            SamplesMut::U8(s) => vectorised(
                #[inline(always)]
                || add_row(row_of_mut(s, layout, y), layout, change, direction),
            ),
            SamplesMut::U16(s) => vectorised(
                #[inline(always)]
                || add_row(row_of_mut(s, layout, y), layout, change, direction),
            ),
            SamplesMut::F32(s) => vectorised(
                #[inline(always)]
                || add_row(row_of_mut(s, layout, y), layout, change, direction),
            ),
        }
    }
}

/// One row in levels 0 to 255, channel by channel. Grey rows leave `green` and `blue` equal to `red`.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) red: Vec<f32>,
    pub(crate) green: Vec<f32>,
    pub(crate) blue: Vec<f32>,
    /// 0 to 1; empty without an alpha channel.
    pub(crate) alpha: Vec<f32>,
}

impl Row {
    pub(crate) fn new(layout: Layout) -> Self {
        let colour = || vec![0.0; layout.width];
        let alpha = if layout.has_alpha() { colour() } else { Vec::new() };
        Self { red: colour(), green: colour(), blue: colour(), alpha }
    }

    #[inline(always)]
    fn fill_from<S: Sample>(&mut self, row: &[S], layout: Layout) {
        let targets = self.red.iter_mut().zip(&mut self.green).zip(&mut self.blue);
        match layout.channels {
            3 => {
                for (px, ((r, g), b)) in row.as_chunks::<3>().0.iter().zip(targets) {
                    (*r, *g, *b) = (px[0].level(), px[1].level(), px[2].level());
                }
            }
            4 => {
                for ((px, ((r, g), b)), a) in row.as_chunks::<4>().0.iter().zip(targets).zip(&mut self.alpha)
                {
                    (*r, *g, *b, *a) = (px[0].level(), px[1].level(), px[2].level(), px[3].level() / 255.0);
                }
            }
            2 => {
                for ((px, ((r, g), b)), a) in row.chunks_exact(2).zip(targets).zip(&mut self.alpha) {
                    let grey = px[0].level();
                    (*r, *g, *b, *a) = (grey, grey, grey, px[1].level() / 255.0);
                }
            }
            _ => {
                for (px, ((r, g), b)) in row.iter().zip(targets) {
                    let grey = px.level();
                    (*r, *g, *b) = (grey, grey, grey);
                }
            }
        }
    }
}

/// A sample type and its scale to levels 0 to 255.
trait Sample: Copy {
    fn level(self) -> f32;
    /// This sample changed by `levels`, rounded and clipped.
    fn plus(self, levels: f32) -> Self;

    /// Changes every sample by its own `levels`, rounded and clipped; the sum of the squared changes made, in levels.
    #[inline(always)]
    fn shift_all(samples: &mut [Self], levels: &[f32]) -> f32 {
        let mut errors = [0f32; 16];
        for (samples, levels) in samples.chunks_mut(16).zip(levels.chunks(16)) {
            for ((sample, &levels), e) in samples.iter_mut().zip(levels).zip(&mut errors) {
                let new = sample.plus(levels);
                let moved = new.level() - sample.level();
                *e += moved * moved;
                *sample = new;
            }
        }
        errors.iter().sum()
    }
}

impl Sample for u8 {
    #[inline(always)]
    fn level(self) -> f32 {
        f32::from(self)
    }
    #[inline(always)]
    fn plus(self, levels: f32) -> Self {
        (i16::from(self) + whole(levels)).clamp(0, 255) as u8
    }
    #[inline(always)]
    fn shift_all(samples: &mut [Self], levels: &[f32]) -> f32 {
        // in whole numbers, of which a vector holds twice as many; 2^16 squares of at most 255 fit
        let mut error = 0i32;
        for (sample, &levels) in samples.iter_mut().zip(levels) {
            let old = i16::from(*sample);
            let new = (old + whole(levels)).clamp(0, 255);
            let moved = i32::from(new - old);
            error += moved * moved;
            *sample = new as u8;
        }
        error as f32
    }
}

/// A change of a byte, rounded.
#[inline(always)]
fn whole(levels: f32) -> i16 {
    /// Added to a small number, it rounds it to the nearest whole one, which is left in the low bits.
    const ROUND: f32 = 12_582_912.0;
    (levels.clamp(-255.0, 255.0) + ROUND).to_bits() as i16
}

impl Sample for u16 {
    #[inline(always)]
    fn level(self) -> f32 {
        f32::from(self) * (1.0 / 257.0)
    }
    #[inline(always)]
    fn plus(self, levels: f32) -> Self {
        (f32::from(self) + levels * 257.0 + 0.5).clamp(0.0, 65535.0) as i32 as u16
    }
}

impl Sample for f32 {
    #[inline(always)]
    fn level(self) -> f32 {
        // anything beyond a thousand times white, or no number, would drown the rest of the picture
        if self.abs() <= 1000.0 { self * 255.0 } else { 0.0 }
    }
    #[inline(always)]
    fn plus(self, levels: f32) -> Self {
        self + levels * (1.0 / 255.0)
    }
}

fn check(layout: Layout, len: usize) -> Result<(), LayoutError> {
    match layout.span() {
        Some(span) if span <= len => Ok(()),
        _ => Err(LayoutError { layout, len }),
    }
}

fn row_of<S>(samples: &[S], layout: Layout, y: usize) -> &[S] {
    &samples[y * layout.stride..][..layout.width * layout.channels]
}

fn row_of_mut<S>(samples: &mut [S], layout: Layout, y: usize) -> &mut [S] {
    &mut samples[y * layout.stride..][..layout.width * layout.channels]
}

#[inline(always)]
fn add_row<S: Sample>(row: &mut [S], layout: Layout, change: &[f32], direction: [f32; 3]) -> f32 {
    let [red, green, blue] = direction;
    match layout.channels {
        3 => spread::<S, 3>(row, change, |d, _| [d * red, d * green, d * blue]),
        4 => spread::<S, 4>(row, change, |d, px| {
            let d = if px[3].level() > 0.0 { d } else { 0.0 };
            [d * red, d * green, d * blue, 0.0]
        }),
        2 => spread::<S, 2>(row, change, |d, px| [if px[1].level() > 0.0 { d * red } else { 0.0 }, 0.0]),
        _ => spread::<S, 1>(row, change, |d, _| [d * red]),
    }
}

/// Changes pixels of `N` samples by what `parts` makes of the change of each, a run of pixels at a time: spread to samples
/// first, so that both loops work on whole vectors.
#[inline(always)]
fn spread<S: Sample, const N: usize>(
    row: &mut [S],
    change: &[f32],
    parts: impl Fn(f32, &[S; N]) -> [f32; N],
) -> f32 {
    const RUN: usize = 64;
    let mut levels = [[0f32; N]; RUN];
    let mut error = 0f32;
    for (run, changes) in row.as_chunks_mut::<N>().0.chunks_mut(RUN).zip(change.chunks(RUN)) {
        for ((levels, &d), px) in levels.iter_mut().zip(changes).zip(&*run) {
            *levels = parts(d, px);
        }
        error += S::shift_all(run.as_flattened_mut(), levels.as_flattened());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_layouts_are_refused() {
        let data = [0u8; 64];
        let bad = [
            Layout { width: 0, height: 1, channels: 1, stride: 4 },
            Layout { width: 4, height: 4, channels: 5, stride: 20 },
            Layout { width: 4, height: 4, channels: 3, stride: 11 },
            Layout { width: 4, height: 6, channels: 3, stride: 12 },
            Layout { width: usize::MAX, height: 2, channels: 4, stride: usize::MAX },
            Layout { width: 1, height: MAX_SIDE + 1, channels: 1, stride: 0 },
        ];
        for layout in bad {
            assert!(Pixels::new(Samples::U8(&data), layout).is_err(), "{layout:?}");
        }
        // the last row needs no gap behind it
        let tight = Layout { width: 4, height: 5, channels: 3, stride: 13 };
        assert!(Pixels::new(Samples::U8(&data), tight).is_ok());
    }

    #[test]
    fn alpha_and_transparent_pixels_stay() {
        let mut data = [10u8, 20, 30, 0, 10, 20, 30, 200];
        let mut pixels = PixelsMut::packed8(&mut data, 2, 1, 4).unwrap();
        pixels.add(0, &[5.0, 5.0], [1.0, 2.0, -4.0]);
        assert_eq!(data, [10, 20, 30, 0, 15, 30, 10, 200]);
    }

    #[test]
    fn sixteen_bits_scale_by_257() {
        let mut data = [1000u16, 65535, 3];
        let layout = Layout::packed(3, 1, 1);
        let mut pixels = PixelsMut::new(SamplesMut::U16(&mut data), layout).unwrap();
        pixels.add(0, &[2.0, 1.0, -1.0], [1.0; 3]);
        assert_eq!(data, [1514, 65535, 0]);
    }

    #[test]
    fn floats_that_are_no_numbers_read_as_black() {
        let data = [f32::NAN, f32::INFINITY, 0.5, 1e30];
        let pixels = Pixels::new(Samples::F32(&data), Layout::packed(4, 1, 1)).unwrap();
        let mut row = Row::new(pixels.layout());
        pixels.load(0, &mut row);
        assert_eq!(row.red, [0.0, 0.0, 127.5, 0.0]);
    }
}
