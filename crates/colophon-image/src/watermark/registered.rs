//! The registered layer: the code word in low cosines of the whole frame.
//!
//! Tied to the frame, it needs no search, and quantisation (Chen and Wornell, 2001, with dither and distortion
//! compensation) takes no harm from the picture itself, so a layer far weaker than the lattice survives whatever keeps
//! the frame: resizing, aspect change, compression, blur, denoising. Any crop or turn ends it; those are the lattice's part.

use super::evidence::Reading;
use super::plane::Plane;
use super::reduce::Reducer;
use super::schedule::{Cosine, Schedule};
use colophon_signal::simd::vectorised;
use std::f64::consts::TAU;

/// Side of the square the frame is resampled to.
pub(crate) const SIDE: usize = 256;
/// Cosines per axis that are computed.
const AXIS: usize = 29;
/// The next multiple of a vector.
const LANES: usize = 32;
/// Steps of the cosines' angles to a whole turn.
const TURN: usize = 4 * SIDE;
/// Quantisation step in units of the orthonormal cosine transform of the square, in grey levels.
const STEP: f64 = 32.0;
/// Share of the way to the quantiser point that is gone (distortion compensation).
const PULL: f64 = 0.85;

/// How clearly the layer has to say its word where clipping takes part of it; unclipped it says 0.96.
const CLEAR: f64 = 0.93;
/// Rounds in which what is missing is asked for again, and the largest change of a place then, in levels.
const ROUNDS: usize = 4;
const MOST: f32 = 4.0;

/// What the layer is written into.
pub(crate) struct Frame {
    /// Luma on the square.
    pub(crate) luma: Plane,
    /// Where black and white clip; `None` where they do not.
    pub(crate) room: Option<Room>,
}

/// What clipping leaves of a change upwards and downwards, for every place of the square: from 0 to 1.
pub(crate) struct Room {
    pub(crate) up: Vec<f32>,
    pub(crate) down: Vec<f32>,
}

/// The cosine transform of one axis.
#[derive(Debug)]
pub(crate) struct Registered {
    /// `basis[u * SIDE + x]`.
    basis: Vec<f32>,
    /// The same, `u` along the rows, padded with zeros.
    turned: Vec<[f32; LANES]>,
}

impl Registered {
    pub(crate) fn new() -> Self {
        // the angles are multiples of one, and few of them differ
        let wave: [f64; TURN] = std::array::from_fn(|i| (TAU * i as f64 / TURN as f64).cos());
        let value = |u: usize, x: usize| {
            let scale = if u == 0 { 1.0 } else { 2f64.sqrt() } / (SIDE as f64).sqrt();
            (scale * wave[(2 * x + 1) * u % TURN]) as f32
        };
        let row = |x: usize| std::array::from_fn(|u| if u < AXIS { value(u, x) } else { 0.0 });
        Self {
            basis: (0..AXIS).flat_map(|u| (0..SIDE).map(move |x| value(u, x))).collect(),
            turned: (0..SIDE).map(row).collect(),
        }
    }

    /// The change, in luma levels on the square, that writes `payload` into the square `frame`.
    pub(crate) fn write(&self, frame: &Frame, schedule: &Schedule, payload: u64) -> Plane {
        let word = schedule.encode(payload);
        let (missing, _) = self.missing(&frame.luma, schedule, &word);
        let mut change = self.inverse(&missing);
        let Some(room) = &frame.room else { return change };
        // What black and white clip away is asked of the places that have room.
        for _ in 0..ROUNDS {
            let mut reached = frame.luma.clone();
            let changes = change.data.iter().zip(room.up.iter().zip(&room.down));
            for (level, (&change, (up, down))) in reached.data.iter_mut().zip(changes) {
                *level += change * if change > 0.0 { up } else { down };
            }
            let (missing, clear) = self.missing(&reached, schedule, &word);
            if clear >= CLEAR {
                break;
            }
            let missing = self.inverse(&missing);
            for (change, missing) in change.data.iter_mut().zip(&missing.data) {
                *change = (*change + missing).clamp(-MOST, MOST);
            }
        }
        change
    }

    /// What brings every coded cosine of a square near the closest place that says its bit, and how clearly the square says the
    /// word as it is: 1 at best, about 0 where nothing was written.
    fn missing(&self, square: &Plane, schedule: &Schedule, word: &[f32]) -> (Vec<f32>, f64) {
        let coefficients = self.transform(square);
        let mut change = vec![0f32; AXIS * AXIS];
        let mut clear = 0.0;
        for (cosine, &bit) in schedule.cosines.iter().zip(word) {
            let at = cosine.v * AXIS + cosine.u;
            let shift = f64::from(cosine.dither) + if bit < 0.0 { 0.5 } else { 0.0 };
            let steps = f64::from(coefficients[at]) / STEP;
            let way = (steps - shift).round() + shift - steps;
            clear += (TAU * way).cos();
            change[at] = (way * STEP * PULL) as f32;
        }
        (change, clear / word.len().max(1) as f64)
    }

    /// What the layer in luma of any size says about every coded bit: from 1 for a clear 0 to -1 for a clear 1, times the
    /// [weight](Cosine::weight) of its cosine.
    pub(crate) fn soft(&self, luma: &Plane, schedule: &Schedule) -> Vec<f32> {
        let coefficients = self.transform(&square(luma));
        let bit = |cosine: &Cosine| {
            let steps = f64::from(coefficients[cosine.v * AXIS + cosine.u]) / STEP;
            ((TAU * (steps - f64::from(cosine.dither))).cos() * cosine.weight()) as f32
        };
        schedule.cosines.iter().map(bit).collect()
    }

    /// Decodes what [`soft`](Self::soft) returned. Dither makes every phase uniform on an unmarked picture.
    pub(crate) fn read(soft: &[f32], schedule: &Schedule) -> Option<Reading> {
        let sizes: Vec<f64> = schedule.cosines.iter().map(Cosine::weight).collect();
        Reading::of_bits(schedule, soft, &sizes)
    }

    fn transform(&self, square: &Plane) -> Vec<f32> {
        vectorised(
            #[inline(always)]
            || self.transform_here(square),
        )
    }

    #[inline(always)]
    fn transform_here(&self, square: &Plane) -> Vec<f32> {
        // four lines at a time: the sums of one would wait for each other
        const TOGETHER: usize = 4;
        let mut columns = vec![0f32; AXIS * SIDE];
        for (at, lines) in square.data.chunks_exact(TOGETHER * SIDE).enumerate() {
            let sums: [_; TOGETHER] = self.sums(std::array::from_fn(|i| &lines[i * SIDE..][..SIDE]));
            for (y, sums) in (at * TOGETHER..).zip(sums) {
                columns.iter_mut().skip(y).step_by(SIDE).zip(sums).for_each(|(c, s)| *c = s);
            }
        }
        let mut out = vec![0f32; AXIS * AXIS];
        for (u, column) in columns.chunks_exact(SIDE).enumerate() {
            let [sums] = self.sums([column]);
            out.iter_mut().skip(u).step_by(AXIS).zip(sums).for_each(|(o, s)| *o = s);
        }
        out
    }

    /// Sums of lines times every cosine.
    #[inline(always)]
    fn sums<const N: usize>(&self, lines: [&[f32]; N]) -> [[f32; LANES]; N] {
        let mut sums = [[0f32; LANES]; N];
        for (x, waves) in self.turned.iter().enumerate() {
            for (sums, line) in sums.iter_mut().zip(lines) {
                let value = line[x];
                sums.iter_mut().zip(waves).for_each(|(s, w)| *s += value * w);
            }
        }
        sums
    }

    fn inverse(&self, coefficients: &[f32]) -> Plane {
        vectorised(
            #[inline(always)]
            || self.inverse_here(coefficients),
        )
    }

    #[inline(always)]
    fn inverse_here(&self, coefficients: &[f32]) -> Plane {
        let mut lines = vec![[0f32; SIDE]; AXIS];
        for (line, row) in lines.iter_mut().zip(coefficients.chunks_exact(AXIS)) {
            for (&c, wave_u) in row.iter().zip(self.basis.chunks_exact(SIDE)) {
                line.iter_mut().zip(wave_u).for_each(|(l, &w)| *l += c * w);
            }
        }
        let mut plane = Plane::new(SIDE, SIDE);
        for (out, waves) in plane.data.chunks_exact_mut(SIDE).zip(&self.turned) {
            for (line, &wv) in lines.iter().zip(waves) {
                out.iter_mut().zip(line).for_each(|(o, &l)| *o += wv * l);
            }
        }
        plane
    }
}

/// Resamples a plane to the square by area.
fn square(luma: &Plane) -> Plane {
    let mut reducer = Reducer::new(luma.width, luma.height, SIDE, SIDE);
    luma.rows().for_each(|line| reducer.push(line));
    reducer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use colophon_signal::key::MarkKey;

    fn scene(width: usize, height: usize) -> Plane {
        let mut plane = Plane::new(width, height);
        for (i, v) in plane.data.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f32 / width as f32, (i / width) as f32 / height as f32);
            *v = 120.0 + 60.0 * (9.0 * x + 4.0 * y * y).sin() + 30.0 * (31.0 * x * y).cos();
        }
        plane
    }

    #[test]
    fn what_is_written_is_read_at_any_size() {
        let schedule = Schedule::new(&MarkKey::public());
        let layer = Registered::new();
        let mut frame = scene(SIDE, SIDE);
        let open = Frame { luma: frame.clone(), room: None };
        let change = layer.write(&open, &schedule, 0x0123_4567_89ab_cdef);
        frame.data.iter_mut().zip(&change.data).for_each(|(f, c)| *f += c);
        let reading = Registered::read(&layer.soft(&frame, &schedule), &schedule).unwrap();
        assert_eq!(reading.payload, 0x0123_4567_89ab_cdef);
        assert!(reading.log10_p < -40.0, "{reading:?}");
        // the change stays near 52 dB
        let rms = (change.data.iter().map(|c| c * c).sum::<f32>() / (SIDE * SIDE) as f32).sqrt();
        assert!((0.4..0.9).contains(&rms), "{rms}");
    }

    #[test]
    fn a_white_page_carries_the_word_by_what_darkens_it() {
        let schedule = Schedule::new(&MarkKey::public());
        let layer = Registered::new();
        let mut luma = Plane::new(SIDE, SIDE);
        // three quarters of the frame are white, where half of what the layer asks for is clipped
        let white = |i: usize| i / SIDE > SIDE / 4;
        luma.data.iter_mut().enumerate().for_each(|(i, v)| *v = if white(i) { 255.0 } else { 90.0 });
        let room = Room {
            up: (0..SIDE * SIDE).map(|i| if white(i) { 0.0 } else { 1.0 }).collect(),
            down: vec![1.0; SIDE * SIDE],
        };
        let read = |room: Option<Room>| {
            let change = layer.write(&Frame { luma: luma.clone(), room }, &schedule, 77);
            let mut page = luma.clone();
            page.data.iter_mut().zip(&change.data).for_each(|(v, c)| *v = (*v + c).min(255.0));
            Registered::read(&layer.soft(&page, &schedule), &schedule).map(|r| (r.payload, r.log10_p))
        };
        let (payload, log10_p) = read(Some(room)).unwrap();
        assert_eq!(payload, 77);
        assert!(log10_p < -200.0, "{log10_p}");
        assert!(read(None).is_none_or(|(_, p)| p > -120.0), "{:?}", read(None));
    }

    #[test]
    fn an_unmarked_picture_and_a_wrong_key_read_nothing() {
        let layer = Registered::new();
        let schedule = Schedule::new(&MarkKey::from_secret(b"other").unwrap());
        let mut frame = scene(SIDE, SIDE);
        let reads =
            |f: &Plane| Registered::read(&layer.soft(f, &schedule), &schedule).map_or(0.0, |r| r.log10_p);
        assert!(reads(&frame) > -3.0);
        let open = Frame { luma: frame.clone(), room: None };
        let change = layer.write(&open, &Schedule::new(&MarkKey::public()), 7);
        frame.data.iter_mut().zip(&change.data).for_each(|(f, c)| *f += c);
        assert!(reads(&frame) > -3.0);
    }
}
