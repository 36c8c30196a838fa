//! Writing the mark, frame by frame.

use std::fmt;

use colophon_image::watermark::{EmbedError, Motion, Pattern, Pixels, Strength};
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
/// Seconds after a cut from which on it is known what moves: the mask is measured again there.
const SEEN_S: f64 = 0.12;
/// Time over which motion is averaged, in seconds.
const MEMORY_S: f64 = 0.15;
/// Mean change of a place from one picture to the next, in grey levels, from which on it moves, and from which on it gets no
/// more than [`MOVING`] of the strength. No prediction finds a pattern that stands still under a picture that moves, so an
/// encoder pays for it there in every picture.
const MOTION: (f32, f32) = (1.5, 3.0);
const MOVING: f32 = 0.5;
/// Most by which the share of places that move is raised where there are many of them: something has to carry the mark.
const RAISE: f32 = 1.5;

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
    last_s: f64,
    /// How much each watched place changes from picture to picture, averaged since the last cut, and when that was.
    motion: Vec<f32>,
    cut_s: f64,
    /// Whether the mask was measured since it is known what moves.
    settled: bool,
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
            last_s: f64::NEG_INFINITY,
            motion: Vec::new(),
            cut_s: f64::NEG_INFINITY,
            settled: false,
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
        let cut = unit != self.unit
            || watched.len() != self.watched.len()
            || difference(&watched, &self.last) >= CUT;
        let shares = self.shares(&watched, columns, cut, pts_s);
        let since = pts_s - self.measured_s;
        let due =
            |(level, pause): (f64, f64)| since.abs() >= pause && difference(&watched, &self.watched) >= level;
        let settles = !self.settled && (pts_s - self.cut_s).abs() >= SEEN_S;
        self.last.clone_from(&watched);
        if !cut && !settles && !due(MOVED) && !due(DRIFT) {
            return;
        }
        // What stands still keeps the change it has: an encoder would have to code every other one.
        let mut moved = if cut { Vec::new() } else { moved(&watched, &self.watched, columns) };
        if settles {
            moved.iter_mut().zip(&shares).for_each(|(moved, share)| *moved |= *share < 1.0);
        }
        self.settled = !cut && (self.settled || settles);
        if cut {
            self.watched = watched;
        } else {
            let places = self.watched.iter_mut().zip(&watched).zip(&moved).filter(|(_, moved)| **moved);
            places.for_each(|((old, new), _)| *old = *new);
        }
        (self.measured_s, self.unit) = (pts_s, unit);
        self.scratch.clear();
        self.scratch.reserve(width * height);
        for y in 0..height {
            self.scratch.extend((0..width).map(|x| grey(x, y)));
        }
        let Ok(pixels) = Pixels::packed8(&self.scratch, width, height, 1) else { return };
        let shares = raised(shares);
        let motion = Motion { shares: &shares, columns, pitch: WATCH };
        let made = self.pattern.change(&pixels, self.strength, f32::from(unit), motion).samples;
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

    /// Takes note of how much every place changed since the last picture, and answers what share of the strength it gets.
    fn shares(&mut self, watched: &[u8], columns: usize, cut: bool, pts_s: f64) -> Vec<f32> {
        // What is no number of seconds counts as a long time.
        let seconds = |since: f64| (pts_s - since).abs().min(1.0);
        let (step, seen) = (seconds(self.last_s), seconds(self.cut_s));
        self.last_s = pts_s;
        if cut {
            (self.cut_s, self.settled) = (pts_s, false);
            self.motion = vec![0.0; watched.len()];
            return vec![1.0; watched.len()];
        }
        let kept = (-step / MEMORY_S).exp() as f32;
        let known = 1.0 - (-seen / MEMORY_S).exp() as f32;
        let now = around(&changes(watched, &self.last), columns);
        let (from, to) = MOTION;
        let share = |(motion, (sum, count)): (&mut f32, (u32, u32))| {
            *motion = kept * *motion + (1.0 - kept) * sum as f32 / count as f32;
            let moving = (*motion / known.max(1e-3) - from) / (to - from);
            1.0 - (1.0 - MOVING) * moving.clamp(0.0, 1.0)
        };
        self.motion.iter_mut().zip(now).map(share).collect()
    }
}

/// The shares, raised for what they leave out, as far as places that stand still get no more than all.
fn raised(mut shares: Vec<f32>) -> Vec<f32> {
    let power = shares.iter().map(|s| s * s).sum::<f32>() / shares.len().max(1) as f32;
    let raise = (1.0 / power.max(1e-3)).sqrt().min(RAISE);
    for s in &mut shares {
        *s = (*s * raise).min(1.0);
    }
    shares
}

/// Which places of a grid of so many columns look otherwise than before, with their neighbours: noise alone does not count.
fn moved(now: &[u8], before: &[u8], columns: usize) -> Vec<bool> {
    around(&changes(now, before), columns).iter().map(|(sum, count)| *sum >= PLACE * count).collect()
}

fn changes(now: &[u8], before: &[u8]) -> Vec<u32> {
    now.iter().zip(before).map(|(a, b)| u32::from(a.abs_diff(*b))).collect()
}

/// The sum over every place of a grid and its neighbours, and how many there are.
fn around(values: &[u32], columns: usize) -> Vec<(u32, u32)> {
    let rows = values.len() / columns.max(1);
    let at = |i: usize| {
        let (x, y) = (i % columns, i / columns);
        let (mut sum, mut count) = (0, 0);
        for v in y.saturating_sub(1)..(y + 2).min(rows) {
            for u in x.saturating_sub(1)..(x + 2).min(columns) {
                sum += values[v * columns + u];
                count += 1;
            }
        }
        (sum, count)
    };
    (0..values.len()).map(at).collect()
}

/// Mean difference of two lists of grey levels.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len().max(1) as f64
}
