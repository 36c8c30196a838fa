//! The lattice as a pattern for moving pictures: the same tile on every frame, the mask refreshed by whoever owns the time.
//!
//! A moving picture needs no registered layer: the mean of many frames shows the lattice far above what one still picture
//! shows, and the registered layer quantises the very content that the mean blurs away.

use super::embed::{EmbedError, Strength};
use super::mask::{FLAT, Mask};
use super::pixels::Pixels;
use super::plane::Plane;
use super::schedule::Schedule;
use super::tile::{MIN_MOVING_SIDE, moving_period, tile};
use colophon_signal::key::MarkKey;
use colophon_signal::simd::vectorised;

/// How much more texture hides than flat places do: less than in a still picture. Where a moving picture is busy an encoder
/// takes most of the mark away again, and what it leaves costs as much of the picture's fidelity as it does anywhere.
const SLOPE: f32 = 0.2;

/// One payload under one key, laid out for pictures of one size.
#[derive(Debug)]
pub struct Pattern {
    width: usize,
    height: usize,
    tile: Plane,
}

/// The shorter its wave, the stronger a point. Long waves are what a viewer and every measure of fidelity notice first, they are
/// what of a picture's own content adds up over its frames, and a reader takes most of them off with the local mean.
fn tilt(distance: f64) -> f64 {
    distance
}

/// Where a picture moves: on a grid of squares from the top left corner, row after row, what share of the mark's strength each
/// gets, from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Motion<'a> {
    /// One value per square.
    pub shares: &'a [f32],
    /// Squares in a row.
    pub columns: usize,
    /// Side of a square in pixels.
    pub pitch: usize,
}

impl Motion<'_> {
    /// The share at a pixel; all of the strength beyond the grid.
    fn at(&self, x: usize, y: usize) -> f32 {
        let column = (x / self.pitch.max(1)).min(self.columns.saturating_sub(1));
        self.shares.get(y / self.pitch.max(1) * self.columns + column).map_or(1.0, |s| s.clamp(0.0, 1.0))
    }
}

/// The change of luma for one picture, in steps of its samples.
#[derive(Debug)]
pub struct Change {
    /// One value per pixel, row after row without gaps.
    pub samples: Vec<i16>,
    /// Peak signal-to-noise ratio of this change in dB, before clipping at black and white.
    pub psnr_db: f64,
}

impl Pattern {
    /// A pattern for pictures of `width` x `height` pixels.
    ///
    /// # Errors
    /// `TooSmall` when a side is below [`MIN_MOVING_SIDE`].
    pub fn new(width: usize, height: usize, payload: u64, key: &MarkKey) -> Result<Self, EmbedError> {
        if width.min(height) < MIN_MOVING_SIDE {
            return Err(EmbedError::TooSmall { width, height });
        }
        let period = moving_period(width, height);
        Ok(Self { width, height, tile: tile(&Schedule::new(key), payload, period, tilt) })
    }

    /// Period of the tile in pixels.
    pub fn period(&self) -> usize {
        self.tile.width
    }

    /// What to add to a picture that looks like `luma` (grey, of the pattern's size; another size gives the change for
    /// nothing), in steps of `1 / unit` grey levels of 255, less where it moves.
    pub fn change(&self, luma: &Pixels<'_>, strength: Strength, unit: f32, motion: Motion<'_>) -> Change {
        let layout = luma.layout();
        if (layout.width, layout.height) != (self.width, self.height) {
            return Change { samples: vec![0; self.width * self.height], psnr_db: f64::INFINITY };
        }
        let mut mask = Mask::measure(luma, self.tile.width as f64 / 128.0, SLOPE);
        let gain = gain(&mask, strength, lack(self.width, self.height));
        mask.lower(|x, y| motion.at(x, y));
        let mut samples = vec![0i16; self.width * self.height];
        let (mut between, mut row, mut step) = (Vec::new(), vec![0f32; self.width], None);
        let period = self.tile.width;
        let factor = gain * unit;
        for (y, out) in samples.chunks_exact_mut(self.width).enumerate() {
            if step != Some(mask.step_of(y)) {
                step = Some(mask.step_of(y));
                mask.row(mask.step_of(y), &mut between, &mut row);
            }
            let wave = &self.tile.data[y % period * period..][..period];
            vectorised(
                #[inline(always)]
                || {
                    for (run, mask) in out.chunks_mut(period).zip(row.chunks(period)) {
                        let values = run.iter_mut().zip(mask).zip(wave);
                        // to the nearest, halves away from zero
                        values.for_each(|((o, &m), &w)| {
                            let v = m * w * factor;
                            *o = (v + 0.5f32.copysign(v)) as i16;
                        });
                    }
                },
            );
        }
        let energy = f64::from(gain).powi(2) * mask.energy;
        Change { samples, psnr_db: 10.0 * (255.0f64.powi(2) / energy.max(1e-9)).log10() }
    }
}

/// Pixels of a moving picture from which on the strength no longer depends on its size: 640 x 360 is read after everything.
const ENOUGH: f64 = 640.0 * 360.0;
/// Most that a small picture is marked more strongly, in dB, and the least signal-to-noise ratio that may lead to.
const MOST_LACK_DB: f64 = 4.0;
const LEAST_DB: f64 = 43.0;

/// What a picture lacks in pixels, in dB: the mark is a sum over all of them.
fn lack(width: usize, height: usize) -> f64 {
    (10.0 * (ENOUGH / (width * height).max(1) as f64).log10()).clamp(0.0, MOST_LACK_DB)
}

/// How far the aim follows what the picture hides: more than half way, as for still pictures, since the mask of moving ones tells
/// busy scenes less from flat ones.
const FOLLOWED: f64 = 0.8;

/// A fixed quality, limits of the aim, in dB of the luma change; cap in flat zones, in grey levels. Like the rule of still
/// pictures, and weaker by what averaging over a second of frames gives back; stronger by what the picture lacks in pixels.
fn gain(mask: &Mask, strength: Strength, lack: f64) -> f32 {
    let (fixed, low, high, cap) = match strength {
        Strength::Gentle => (61.0, 49.0, 53.0, 0.77),
        Strength::Default => (54.0, 48.0, 51.6, 0.96),
        Strength::Strong => (47.0, 44.0, 48.0, 1.5),
    };
    let decibel = |mse: f64| 10.0 * (255.0f64.powi(2) / mse.max(1e-9)).log10();
    let at_visible_gain = decibel(0.36 * mask.energy);
    let usual: f64 = (at_visible_gain + (1.0 - FOLLOWED) * (fixed - at_visible_gain)).clamp(low, high);
    let aim = (usual - lack).max(LEAST_DB.min(usual));
    let wanted = 255.0f64.powi(2) / 10f64.powf(aim / 10.0);
    let cap = cap * 10f64.powf((usual - aim) / 20.0);
    (wanted / mask.energy.max(1e-9)).sqrt().min(cap / f64::from(FLAT)) as f32
}
