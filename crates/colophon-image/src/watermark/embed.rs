//! Writing the mark.

use super::mask::{FLAT, Mask, SLOPE};
use super::pixels::{Pixels, PixelsMut, Row};
use super::plane::Plane;
use super::reduce::{LUMA, Reducer};
use super::registered::{Frame, Registered, Room, SIDE};
use super::schedule::Schedule;
use super::tile::{MIN_MOVING_SIDE, MIN_SIDE, period, tile};
use colophon_signal::key::MarkKey;
use colophon_signal::simd::vectorised;
use std::fmt;

/// How strongly to mark. All levels follow one rule: half way between a fixed quality and a fixed gain, within limits,
/// and never above a cap in flat zones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strength {
    /// For flat art and critical eyes: about 2 dB less than the default, and two thirds of it in flat zones.
    Gentle,
    /// Chosen for photographs seen at 100 %.
    #[default]
    Default,
    /// For pictures that will be handled roughly; can be seen in flat zones.
    Strong,
}

/// The numbers behind a [`Strength`].
struct Rule {
    /// Middle of the aim, and its limits, in dB of the luma change (the lattice alone).
    middle: f64,
    low: f64,
    high: f64,
    /// Largest deviation of the lattice in perfectly flat zones, in grey levels.
    cap: f64,
}

impl Strength {
    fn rule(self) -> Rule {
        match self {
            Self::Gentle => Rule { middle: 47.0, low: 44.0, high: 48.0, cap: 1.0 },
            Self::Default => Rule { middle: 44.0, low: 42.3, high: 46.0, cap: 1.5 },
            Self::Strong => Rule { middle: 42.0, low: 42.0, high: 42.0, cap: 2.2 },
        }
    }
}

/// Gain at which texture hides the lattice about as well as it hides itself.
const VISIBLE_GAIN: f64 = 0.6;

/// Share of the lattice's energy that is left after clipping where there is as good as none, and where there is so much that
/// the registered layer has to heed it.
const UNCLIPPED: f64 = 0.998;
const CLIPPED: f64 = 0.96;

/// Options of [`embed`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EmbedOptions {
    /// How strongly to mark.
    pub strength: Strength,
}

impl EmbedOptions {
    /// Options with the given strength.
    pub fn with_strength(strength: Strength) -> Self {
        Self { strength }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Embedded {
    /// Peak signal-to-noise ratio over the colour samples of pixels that are not fully transparent, in dB, measured on
    /// the result.
    pub psnr_db: f64,
    /// Period of the tile in pixels.
    pub period: usize,
    /// Deviation of the lattice in perfectly flat zones, in grey levels of 255.
    pub flat_deviation: f64,
}

/// Why a picture was not marked. It is unchanged then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbedError {
    /// A side is below [`MIN_SIDE`]: fewer than two tiles would fit.
    TooSmall {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// Less than a tenth of the picture can be seen; the rest is fully transparent.
    Transparent,
    /// The mark would not survive in the result: clipped away in a picture that is all black or all white.
    Clipped,
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { width, height } => {
                write!(
                    f,
                    "picture of {width} x {height} pixels is too small to mark, the shorter side needs {MIN_SIDE} pixels, \
                     in a video {MIN_MOVING_SIDE}"
                )
            }
            Self::Transparent => f.write_str("picture is almost fully transparent, there is nothing to mark"),
            Self::Clipped => {
                f.write_str("picture is black or white nearly everywhere, the mark would be clipped away")
            }
        }
    }
}

impl std::error::Error for EmbedError {}

/// Marks a picture in place with `payload`.
///
/// Takes two reading passes and one writing pass; working memory stays below 8 bytes per 4 pixels plus fixed tables.
/// Alpha and fully transparent pixels stay as they are.
pub fn embed(
    pixels: &mut PixelsMut<'_>,
    payload: u64,
    key: &MarkKey,
    options: &EmbedOptions,
) -> Result<Embedded, EmbedError> {
    let layout = pixels.layout();
    if layout.width.min(layout.height) < MIN_SIDE {
        return Err(EmbedError::TooSmall { width: layout.width, height: layout.height });
    }
    let period = period(layout.width, layout.height);
    let mask = Mask::measure(&pixels.view(), period as f64 / 128.0, SLOPE);
    if mask.visible < 0.1 {
        return Err(EmbedError::Transparent);
    }
    let schedule = Schedule::new(key);
    let direction = if mask.grey || layout.colours() == 1 { [1.0; 3] } else { along_luma() };
    let rule = options.strength.rule();
    let mut lattice = Lattice {
        tile: tile(&schedule, payload, period, |_| 1.0),
        mask,
        gain: 0.0,
        rows: MaskRows::default(),
    };
    let kept = choose_gain(&mut lattice, &pixels.view(), direction, &rule)?;

    let frame = marked_frame(&mut lattice, &pixels.view(), direction, kept < CLIPPED);
    let change = Registered::new().write(&frame, &schedule, payload);
    let error = apply(&mut lattice, &change, pixels, direction);
    let psnr_db = 10.0 * (255.0f64.powi(2) / error.max(1e-9)).log10();
    Ok(Embedded { psnr_db, period, flat_deviation: f64::from(lattice.gain * FLAT) })
}

/// The colour change of smallest squared size per unit of luma: along the luma weights themselves. At a given PSNR it
/// carries 1.3 dB more luma than an equal change of all three, and a green-magenta part that crops keep.
fn along_luma() -> [f32; 3] {
    let norm: f32 = LUMA.iter().map(|w| w * w).sum();
    LUMA.map(|w| w / norm)
}

/// The lattice layer of one picture.
struct Lattice {
    tile: Plane,
    mask: Mask,
    gain: f32,
    rows: MaskRows,
}

/// The mask row in use.
#[derive(Default)]
struct MaskRows {
    row: Option<usize>,
    mask: Vec<f32>,
    between: Vec<f32>,
}

impl Lattice {
    /// Luma change along row `y`.
    fn row(&mut self, y: usize, out: &mut [f32]) {
        let step = self.mask.step_of(y);
        let rows = &mut self.rows;
        if rows.row != Some(step) || rows.mask.len() != out.len() {
            rows.row = Some(step);
            rows.mask.resize(out.len(), 0.0);
            self.mask.row(step, &mut rows.between, &mut rows.mask);
        }
        let (period, gain) = (self.tile.width, self.gain);
        let wave = &self.tile.data[y % period * period..][..period];
        vectorised(
            #[inline(always)]
            || {
                for (run, mask) in out.chunks_mut(period).zip(rows.mask.chunks(period)) {
                    run.iter_mut().zip(mask).zip(wave).for_each(|((o, &m), &w)| *o = m * w * gain);
                }
            },
        );
    }
}

/// Sets the gain that reaches the aim after clipping, from a sample of rows. Returns the share of the lattice's energy that
/// clipping leaves.
fn choose_gain(
    lattice: &mut Lattice,
    pixels: &Pixels<'_>,
    direction: [f32; 3],
    rule: &Rule,
) -> Result<f64, EmbedError> {
    let decibel = |mse: f64| 10.0 * (255.0f64.powi(2) / mse).log10();
    let at_visible_gain = decibel(VISIBLE_GAIN.powi(2) * lattice.mask.energy);
    let aim = (0.5 * (rule.middle + at_visible_gain)).clamp(rule.low, rule.high);
    let wanted = 255.0f64.powi(2) / 10f64.powf(aim / 10.0);
    let cap = rule.cap / f64::from(FLAT);
    let mut gain = (wanted / lattice.mask.energy).sqrt().min(cap);
    let mut share = 1.0;
    for _ in 0..2 {
        lattice.gain = gain as f32;
        let (kept, asked) = sampled_energy(lattice, pixels, direction);
        if kept < 0.02 * asked {
            return Err(EmbedError::Clipped);
        }
        gain = (gain * (wanted / kept).sqrt()).min(cap);
        share = kept / asked;
        if share > UNCLIPPED {
            // without clipping the energy follows the gain exactly
            break;
        }
    }
    lattice.gain = gain as f32;
    Ok(share)
}

/// Mean squared luma change on a sample of rows: after clipping, and without.
fn sampled_energy(lattice: &mut Lattice, pixels: &Pixels<'_>, direction: [f32; 3]) -> (f64, f64) {
    let layout = pixels.layout();
    // an odd step visits all phases of the tile
    let step = (layout.height / 128).max(1) | 1;
    let mut row = Row::new(layout);
    let mut change = vec![0f32; layout.width];
    let (mut kept, mut asked, mut count) = (0f64, 0f64, 0usize);
    for y in (0..layout.height).step_by(step) {
        pixels.load(y, &mut row);
        lattice.row(y, &mut change);
        asked += energy(&change);
        clip_change(&row, direction, &mut change);
        kept += energy(&change);
        count += layout.width;
    }
    (kept / count.max(1) as f64, asked / count.max(1) as f64)
}

fn energy(line: &[f32]) -> f64 {
    vectorised(
        #[inline(always)]
        || {
            let mut lanes = [0f32; 16];
            for run in line.chunks(16) {
                lanes.iter_mut().zip(run).for_each(|(lane, v)| *lane += v * v);
            }
            f64::from(lanes.iter().sum::<f32>())
        },
    )
}

/// Turns a wanted luma change into the one left after clipping at black and white and skipping transparent pixels.
fn clip_change(row: &Row, direction: [f32; 3], change: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            let colours = row.red.iter().zip(&row.green).zip(&row.blue);
            // a sample outside the range (floats only) is not pulled into it
            let kept = |v: f32, d: f32| (v + d).max(v.min(0.0)).min(v.max(255.0)) - v;
            for (d, ((&r, &g), &b)) in change.iter_mut().zip(colours) {
                let parts =
                    [kept(r, *d * direction[0]), kept(g, *d * direction[1]), kept(b, *d * direction[2])];
                *d = parts[0] * LUMA[0] + parts[1] * LUMA[1] + parts[2] * LUMA[2];
            }
            for (d, &a) in change.iter_mut().zip(&row.alpha) {
                *d = if a > 0.0 { *d * a } else { 0.0 };
            }
        },
    );
}

/// Levels by which clipping is probed: about what the registered layer adds.
const PROBE: f32 = 1.0;

/// The picture with the lattice on it, resampled to the registered layer's square.
///
/// The picture itself was resampled while it was measured. What the lattice adds is smooth enough to be followed on a
/// sample of rows: two rows for its shortest wave, 24 to a period, along the columns. Where black and white clip, the same
/// rows tell what is left of a level more or less.
fn marked_frame(lattice: &mut Lattice, pixels: &Pixels<'_>, direction: [f32; 3], clipped: bool) -> Frame {
    let layout = pixels.layout();
    let step = (lattice.tile.height / 48).clamp(1, (layout.height / SIDE).max(1));
    let mut row = Row::new(layout);
    let mut change = vec![0f32; layout.width];
    let rows = (step / 2..layout.height).step_by(step);
    let reducer = || Reducer::new(layout.width, rows.len(), SIDE, SIDE);
    let mut reducers = [reducer(), reducer(), reducer()];
    let mut probe = change.clone();
    for y in rows.clone() {
        pixels.load(y, &mut row);
        lattice.row(y, &mut change);
        if clipped {
            for (reducer, level) in reducers[1..].iter_mut().zip([PROBE, -PROBE]) {
                probe.iter_mut().zip(&change).for_each(|(p, c)| *p = c + level);
                clip_change(&row, direction, &mut probe);
                reducer.push(&probe);
            }
        }
        clip_change(&row, direction, &mut change);
        reducers[0].push(&change);
    }
    let [kept, up, down] = reducers.map(Reducer::finish);
    let share = |probe: &Plane| {
        let pairs = probe.data.iter().zip(&kept.data);
        pairs.map(|(p, k)| ((p - k).abs() / PROBE).min(1.0)).collect()
    };
    let room = clipped.then(|| Room { up: share(&up), down: share(&down) });
    let mut luma = kept;
    luma.data.iter_mut().zip(&lattice.mask.frame.data).for_each(|(f, &v)| *f += v);
    Frame { luma, room }
}

/// Writes both layers; returns the mean squared error over visible colour samples.
fn apply(lattice: &mut Lattice, frame: &Plane, pixels: &mut PixelsMut<'_>, direction: [f32; 3]) -> f64 {
    let layout = pixels.layout();
    let mut change = vec![0f32; layout.width];
    let mut upsample = Upsample::new(frame, layout.width, layout.height);
    let mut error = 0f64;
    for y in 0..layout.height {
        lattice.row(y, &mut change);
        upsample.add_row(y, &mut change);
        error += f64::from(pixels.add(y, &change, direction));
    }
    let samples = (layout.width * layout.height * layout.colours()) as f64;
    error / (samples * lattice.mask.visible).max(1.0)
}

/// Bilinear enlargement of a small plane, row by row.
struct Upsample<'a> {
    plane: &'a Plane,
    height: usize,
    /// Rows that share one enlarged row: a quarter of a cell of the plane at most.
    hold: usize,
    /// Per target column: left source column and the share of its right neighbour.
    columns: Vec<(u32, f32)>,
    blended: Vec<f32>,
    row: Vec<f32>,
}

impl<'a> Upsample<'a> {
    fn new(plane: &'a Plane, width: usize, height: usize) -> Self {
        let columns = (0..width).map(|x| Self::place(x, width, plane.width)).collect();
        let hold = (height / (4 * plane.height)).max(1);
        Self { plane, height, hold, columns, blended: vec![0.0; plane.width + 1], row: vec![0.0; width] }
    }

    fn place(i: usize, targets: usize, sources: usize) -> (u32, f32) {
        let at = ((i as f64 + 0.5) * sources as f64 / targets as f64 - 0.5).clamp(0.0, (sources - 1) as f64);
        (at as u32, at.fract() as f32)
    }

    /// Adds row `y` to `out`; rows are asked for from the first to the last.
    fn add_row(&mut self, y: usize, out: &mut [f32]) {
        if y.is_multiple_of(self.hold) {
            self.enlarge((y + self.hold / 2).min(self.height - 1));
        }
        vectorised(
            #[inline(always)]
            || out.iter_mut().zip(&self.row).for_each(|(o, &v)| *o += v),
        );
    }

    fn enlarge(&mut self, y: usize) {
        let w = self.plane.width;
        let (top, share) = Self::place(y, self.height, self.plane.height);
        let top = top as usize;
        let bottom = (top + 1).min(self.plane.height - 1);
        let (a, b) = (&self.plane.data[top * w..][..w], &self.plane.data[bottom * w..][..w]);
        for (o, (&a, &b)) in self.blended.iter_mut().zip(a.iter().zip(b)) {
            *o = a + share * (b - a);
        }
        self.blended[w] = self.blended[w - 1];
        for (o, &(left, share)) in self.row.iter_mut().zip(&self.columns) {
            let (a, b) = (self.blended[left as usize], self.blended[left as usize + 1]);
            *o = a + share * (b - a);
        }
    }
}
