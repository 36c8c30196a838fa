//! Writing the mark, frame by frame.

use std::fmt;

use colophon_image::watermark::{EmbedError, Pattern, Pixels, Strength};
use colophon_signal::key::MarkKey;
use colophon_signal::simd::vectorised;

/// Every so many pixels, along both axes, one is watched for changes of the scene.
const WATCH: usize = 8;
/// Mean change of the watched pixels from one frame to the next, in grey levels, that makes a cut: the mask is measured
/// again at once.
const CUT: f64 = 12.0;
/// The same since the mask was measured, and seconds after which it is measured again then: a scene that moves away from it,
/// and one that drifts.
const MOVED: (f64, f64) = (12.0, 0.4);
const DRIFT: (f64, f64) = (5.0, 1.0);
/// Mean change of a watched pixel and its neighbours, in grey levels, from which its place is marked by the new mask.
const PLACE: u32 = 6;

/// Options of [`FrameMarker::new`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MarkerOptions {
    /// How strongly to mark.
    pub strength: Strength,
}

impl MarkerOptions {
    /// Options with the given strength.
    pub fn with_strength(strength: Strength) -> Self {
        Self { strength }
    }
}

/// The brightness plane of one frame, to be marked in place. Colour planes stay as they are.
#[derive(Debug)]
pub enum Plane<'a> {
    /// 8 bits a sample.
    U8 {
        /// Rows from the top.
        samples: &'a mut [u8],
        /// Samples from the start of one row to the next.
        stride: usize,
    },
    /// More than 8 bits a sample, in the low bits.
    U16 {
        /// Rows from the top.
        samples: &'a mut [u16],
        /// Samples from the start of one row to the next.
        stride: usize,
        /// Bits used, 9 to 16.
        depth: u8,
    },
}

/// A plane is smaller than its frame, or has a depth that no video has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneError {
    /// Samples that were there.
    pub len: usize,
}

impl fmt::Display for PlaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a brightness plane of {} samples does not hold a frame of this size and depth", self.len)
    }
}

impl std::error::Error for PlaneError {}

/// Marks the frames of one clip in place, in the order they are shown.
///
/// Holds no frames back. Works on what it has seen so far: the same frames give the same result however they arrive.
#[derive(Debug)]
pub struct FrameMarker {
    pattern: Pattern,
    strength: Strength,
    size: (usize, usize),
    /// The change in use, and the steps of a sample per grey level it was made for.
    change: Vec<i16>,
    unit: u16,
    /// The watched pixels of the frame the mask was measured on, in grey levels; empty before the first.
    watched: Vec<u8>,
    /// Those of the last frame.
    last: Vec<u8>,
    measured_s: f64,
    /// Frames, and the sum over them of the mean squared change in grey levels.
    frames: u64,
    error: f64,
    square: f64,
    scratch: Vec<u8>,
}

impl FrameMarker {
    /// A marker for frames of `width` x `height` samples of brightness.
    ///
    /// # Errors
    /// `TooSmall` when a side is below [`MIN_SIDE`](super::MIN_SIDE).
    pub fn new(
        width: usize,
        height: usize,
        payload: u64,
        key: &MarkKey,
        options: &MarkerOptions,
    ) -> Result<Self, EmbedError> {
        Ok(Self {
            pattern: Pattern::new(width, height, payload, key)?,
            strength: options.strength,
            size: (width, height),
            change: Vec::new(),
            unit: 0,
            watched: Vec::new(),
            last: Vec::new(),
            measured_s: f64::NEG_INFINITY,
            frames: 0,
            error: 0.0,
            square: 0.0,
            scratch: Vec::new(),
        })
    }

    /// Marks the frame shown at `pts_s` seconds.
    ///
    /// # Errors
    /// [`PlaneError`] when the plane does not hold a frame; it is unchanged then.
    pub fn push(&mut self, plane: Plane<'_>, pts_s: f64) -> Result<(), PlaneError> {
        let (width, height) = self.size;
        let fits = |len: usize, stride: usize| stride >= width && len >= stride * (height - 1) + width;
        match plane {
            Plane::U8 { samples, stride } => {
                if !fits(samples.len(), stride) {
                    return Err(PlaneError { len: samples.len() });
                }
                self.look(pts_s, 1, |x, y| samples[y * stride + x]);
                for (row, change) in samples.chunks_mut(stride).zip(self.change.chunks_exact(width)) {
                    vectorised(
                        #[inline(always)]
                        || {
                            for (v, &d) in row.iter_mut().zip(change) {
                                *v = (i16::from(*v) + d).clamp(0, 255) as u8;
                            }
                        },
                    );
                }
            }
            Plane::U16 { samples, stride, depth } => {
                if !fits(samples.len(), stride) || !(9..=16).contains(&depth) {
                    return Err(PlaneError { len: samples.len() });
                }
                let top = i32::from(u16::MAX >> (16 - depth));
                self.look(pts_s, 1 << (depth - 8), |x, y| (samples[y * stride + x] >> (depth - 8)) as u8);
                for (row, change) in samples.chunks_mut(stride).zip(self.change.chunks_exact(width)) {
                    vectorised(
                        #[inline(always)]
                        || {
                            for (v, &d) in row.iter_mut().zip(change) {
                                *v = (i32::from(*v) + i32::from(d)).clamp(0, top) as u16;
                            }
                        },
                    );
                }
            }
        }
        self.frames += 1;
        self.error += self.square;
        Ok(())
    }

    /// Frames marked so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Peak signal-to-noise ratio of the mark alone, over all frames, in dB of brightness; infinite before the first.
    pub fn psnr_db(&self) -> f64 {
        10.0 * (255.0f64.powi(2) * self.frames as f64 / self.error).log10()
    }

    /// Measures the frame anew when it is not the scene any more that was measured last.
    fn look(&mut self, pts_s: f64, unit: u16, grey: impl Fn(usize, usize) -> u8) {
        let (width, height) = self.size;
        let place = |at: usize, size: usize| (at * WATCH + WATCH / 2).min(size - 1);
        let (columns, rows) = (width.div_ceil(WATCH), height.div_ceil(WATCH));
        let watched: Vec<u8> = (0..columns * rows)
            .map(|i| grey(place(i % columns, width), place(i / columns, height)))
            .collect();
        let since = pts_s - self.measured_s;
        let stays = |before: &[u8]| {
            let moved = difference(&watched, before);
            let due = |(level, pause): (f64, f64)| moved >= level && since.abs() >= pause;
            !due(MOVED) && !due(DRIFT) && difference(&watched, &self.last) < CUT
        };
        let keep = unit == self.unit && watched.len() == self.watched.len() && stays(&self.watched);
        if keep {
            self.last = watched;
            return;
        }
        // What stands still keeps the change it has: an encoder would have to code every other one.
        let cut = unit != self.unit
            || watched.len() != self.watched.len()
            || difference(&watched, &self.last) >= CUT;
        let moved = if cut { Vec::new() } else { moved(&watched, &self.watched, columns) };
        if cut {
            self.watched.clone_from(&watched);
        } else {
            let places = self.watched.iter_mut().zip(&watched).zip(&moved).filter(|(_, moved)| **moved);
            places.for_each(|((old, new), _)| *old = *new);
        }
        (self.last, self.measured_s, self.unit) = (watched, pts_s, unit);
        self.scratch.clear();
        self.scratch.reserve(width * height);
        for y in 0..height {
            self.scratch.extend((0..width).map(|x| grey(x, y)));
        }
        let Ok(pixels) = Pixels::packed8(&self.scratch, width, height, 1) else { return };
        let made = self.pattern.change(&pixels, self.strength, f32::from(unit)).samples;
        if cut || made.len() != self.change.len() {
            self.change = made;
        } else {
            let rows = self.change.chunks_exact_mut(width).zip(made.chunks_exact(width));
            for (y, (old, new)) in rows.enumerate() {
                let moved = &moved[y / WATCH * columns..][..columns];
                for ((old, new), _) in
                    old.chunks_mut(WATCH).zip(new.chunks(WATCH)).zip(moved).filter(|(_, moved)| **moved)
                {
                    old.copy_from_slice(new);
                }
            }
        }
        let sum: u64 = self.change.iter().map(|v| u64::from(v.unsigned_abs()).pow(2)).sum();
        self.square = sum as f64 / self.change.len().max(1) as f64 / f64::from(unit).powi(2);
    }
}

/// Which places of a grid of so many columns look otherwise than before, with their neighbours: noise alone does not count.
fn moved(now: &[u8], before: &[u8], columns: usize) -> Vec<bool> {
    let changes: Vec<u32> = now.iter().zip(before).map(|(a, b)| u32::from(a.abs_diff(*b))).collect();
    let rows = changes.len() / columns.max(1);
    let at = |i: usize| {
        let (x, y) = (i % columns, i / columns);
        let (mut sum, mut count) = (0, 0);
        for v in y.saturating_sub(1)..(y + 2).min(rows) {
            for u in x.saturating_sub(1)..(x + 2).min(columns) {
                sum += changes[v * columns + u];
                count += 1;
            }
        }
        sum >= PLACE * count
    };
    (0..changes.len()).map(at).collect()
}

/// Mean difference of two lists of grey levels.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len().max(1) as f64
}
