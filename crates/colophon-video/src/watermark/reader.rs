//! Reading the mark from frames, and saying from when to when it was there.

use colophon_image::watermark::{
    DetectOptions, Detection, Effort, Layer, Layout, Pixels, Pose, Reader, Samples, moving_period,
    working_size,
};
use colophon_signal::key::MarkKey;
use colophon_signal::simd::vectorised;

/// Length of the shortest stretch that is read by itself, in seconds.
const BLOCK_S: f64 = 4.0;
/// Frames a stretch needs to be read by itself: fewer are added to the next.
const BLOCK_FRAMES: u32 = 4;
/// Radius of the mean that is taken off every frame, in samples; the longest wave of the lattice is about 36.
const RADIUS: usize = 14;
/// Largest deviation from that mean that counts, in grey levels: edges that move through the picture shall not.
const CLIP: i32 = 20;
/// Stretches of time that are added up, as a power of two of blocks: from here on the sum is left as it is.
const LEVELS: u32 = 12;

/// How many times as large a clip may have been when it was marked, besides as large as it is: half size, 1080 lines made 720,
/// and 2160 made 720.
const SMALLER: [f64; 3] = [2.0, 1.5, 3.0];

/// Geometric mean of the sides and longer side to which frames are reduced. The tile is 1.6 times that of a still picture, so
/// its waves stay as long as a still picture's at the reader's own working size.
const SIDE: f64 = 560.0;
const LENGTH: f64 = 800.0;

/// The size to which frames are reduced before they are given to a [`FrameReader`]; `None` for a side without pixels or a
/// picture too elongated to be read.
pub fn sampled_size(width: usize, height: usize) -> Option<(usize, usize)> {
    if width == 0 || height == 0 {
        return None;
    }
    let (w, h) = (width as f64, height as f64);
    let scale = (SIDE / (w * h).sqrt()).min(LENGTH / w.max(h)).min(1.0);
    let size = |n: f64| (n * scale).round() as usize;
    working_size(size(w), size(h))
}

/// A stretch of time with one payload, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// From this frame on.
    pub start_s: f64,
    /// Until the frame that is shown after the last one.
    pub end_s: f64,
    /// The payload.
    pub payload: u64,
}

/// Why a clip could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChecked {
    /// No frames.
    Empty,
    /// The frames are too small for a mark to be told from chance.
    TooSmall,
}

/// The answer of a reading.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The payload; of several the one that is there longest. `None`: no mark of this key.
    pub payload: Option<u64>,
    /// Strength of the best word, in deviations of its sum on unmarked pictures.
    pub z: f64,
    /// Upper bound, as log10, of the chance that unmarked frames give a word this good in any of the searches made.
    pub log10_p: f64,
    /// Where each payload was read.
    pub segments: Vec<Segment>,
    /// Rotation in degrees and whether the picture is mirrored, as seen on the best stretch.
    pub turned: Option<(f64, bool)>,
    /// Set when the question could not be answered.
    pub not_checked: Option<NotChecked>,
}

/// Frames added up over a stretch of time.
#[derive(Debug)]
struct Window {
    sum: Vec<i32>,
    frames: u32,
    from_s: f64,
    to_s: f64,
    level: u32,
    read: bool,
}

/// Reads marks of one key from the frames of one clip, in memory that does not grow with its length (but for 16 bytes a
/// stretch with a mark).
///
/// A few frames a second are enough; give them in the size [`sampled_size`] names. Every four seconds are read by
/// themselves, and stretches in which nothing was found are added to their neighbours and read again.
#[derive(Debug)]
pub struct FrameReader {
    reader: Reader,
    size: (usize, usize),
    now: Window,
    past: Vec<Window>,
    searches: u32,
    best: Option<Detection>,
    /// Where the lattice is looked for first: where it was put, or where it was seen last.
    pose: Option<Pose>,
    /// Where it is looked for then: where it was put if the clip was made smaller since.
    smaller: [Option<Pose>; 3],
    found: Vec<Segment>,
    last_s: f64,
    step_s: f64,
    means: Vec<i32>,
    columns: Vec<i32>,
}

impl FrameReader {
    /// A reader for frames of `width` x `height` samples of brightness. `None` when there are none.
    pub fn new(width: usize, height: usize, key: &MarkKey) -> Option<Self> {
        let area = width.checked_mul(height).filter(|n| *n > 0)?;
        Some(Self {
            reader: Reader::new(key),
            size: (width, height),
            now: Window { sum: vec![0; area], frames: 0, from_s: 0.0, to_s: 0.0, level: 0, read: false },
            past: Vec::new(),
            searches: 0,
            best: None,
            pose: None,
            smaller: [None; 3],
            found: Vec::new(),
            last_s: f64::NEG_INFINITY,
            step_s: 0.0,
            means: Vec::new(),
            columns: Vec::new(),
        })
    }

    /// Says that the frames were reduced from `width` x `height` pixels: a clip that still has the size it was marked at is
    /// read without a search, and so is one that was made smaller by a usual factor.
    #[must_use]
    pub fn reduced_from(mut self, width: usize, height: usize) -> Self {
        if width > 0 && height > 0 {
            let (x, y) = (self.size.0 as f64 / width as f64, self.size.1 as f64 / height as f64);
            let pose = |times: f64| {
                let was = |side: usize| (side as f64 * times).round() as usize;
                let tile = moving_period(was(width), was(height)) as f64 / times;
                Pose::upright((tile * x, tile * y))
            };
            self.pose = Some(pose(1.0));
            self.smaller = SMALLER.map(|times| Some(pose(times)));
        }
        self
    }

    /// Takes the frame shown at `at_s`: `width * height` samples without gaps. Anything shorter is left out.
    pub fn push(&mut self, luma: &[u8], at_s: f64) {
        if luma.len() < self.size.0 * self.size.1 {
            return;
        }
        if self.now.frames >= BLOCK_FRAMES && at_s - self.now.from_s >= BLOCK_S {
            self.close(at_s);
        }
        if self.now.frames == 0 {
            self.now.from_s = at_s;
        }
        if self.last_s.is_finite() {
            self.step_s = (at_s - self.last_s).max(0.0);
        }
        self.last_s = at_s;
        self.add(luma);
        self.now.frames += 1;
    }

    /// Whether a payload was read already.
    pub fn certain(&self) -> bool {
        !self.found.is_empty()
    }

    /// Looks for the mark where it was put, in the frames that were not read yet: for whoever has just written it and wants
    /// to know whether it is there. Does nothing unless [`reduced_from`](Self::reduced_from) was said.
    pub fn peek(&mut self) -> bool {
        if self.pose.is_some() && !self.certain() && self.now.frames > 0 {
            let end_s = self.last_s + self.step_s;
            let found = self.detect(&mean(&self.now), Effort::Least);
            if let Some(payload) = found.and_then(|f| f.payload) {
                self.found.push(Segment { start_s: self.now.from_s, end_s, payload });
                self.best = found;
            }
        }
        self.certain()
    }

    /// Ends the clip and says what was found.
    pub fn finish(mut self) -> Reading {
        if self.now.frames > 0 {
            self.close(self.last_s + self.step_s);
        }
        // What stands side by side unread is read together once.
        while self.past.len() > 1 && self.found.is_empty() {
            self.merge_last_two();
        }
        self.found.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        let mut segments: Vec<Segment> = Vec::new();
        for s in &self.found {
            match segments.last_mut() {
                Some(last) if last.payload == s.payload && s.start_s - last.end_s < 0.5 => {
                    last.end_s = s.end_s;
                }
                _ => segments.push(*s),
            }
        }
        let length =
            |p: u64| -> f64 { segments.iter().filter(|s| s.payload == p).map(|s| s.end_s - s.start_s).sum() };
        let payload = segments.iter().map(|s| s.payload).max_by(|a, b| length(*a).total_cmp(&length(*b)));
        let not_checked = match &self.best {
            None => Some(NotChecked::Empty),
            Some(d) if payload.is_none() && d.not_checked.is_some() => Some(NotChecked::TooSmall),
            Some(_) => None,
        };
        let turned = self.best.and_then(|d| match d.layer {
            Some(Layer::Lattice(g)) => Some((g.rotation_deg, g.mirrored)),
            _ => None,
        });
        let (z, log10_p) = self.best.map_or((0.0, 0.0), |d| (d.z, d.log10_p));
        // Every search has its share of chance.
        let log10_p = (log10_p + f64::from(self.searches.max(1)).log10()).min(0.0);
        Reading { payload, z, log10_p, segments, turned, not_checked }
    }

    /// Adds what a frame shows beyond its local mean.
    fn add(&mut self, luma: &[u8]) {
        let (w, h) = self.size;
        self.means.resize(w, 0);
        self.columns.clear();
        self.columns.resize(w, 0);
        let row = |y: usize| &luma[y * w..(y + 1) * w];
        // rows under the window above the first one
        let clamp = |y: isize| y.clamp(0, h as isize - 1) as usize;
        for dy in -(RADIUS as isize)..=RADIUS as isize {
            self.columns.iter_mut().zip(row(clamp(dy))).for_each(|(c, v)| *c += i32::from(*v));
        }
        let area = ((2 * RADIUS + 1) * (2 * RADIUS + 1)) as i32;
        for y in 0..h {
            box_row(&self.columns, RADIUS, &mut self.means);
            let sums = &mut self.now.sum[y * w..(y + 1) * w];
            let means = &self.means;
            vectorised(
                #[inline(always)]
                || {
                    for ((s, v), m) in sums.iter_mut().zip(row(y)).zip(means) {
                        // in sixteenths of a grey level
                        let d = i32::from(*v) * 16 - m * 16 / area;
                        *s += d.clamp(-16 * CLIP, 16 * CLIP);
                    }
                },
            );
            let (new, old) =
                (row(clamp((y + RADIUS + 1) as isize)), row(clamp(y as isize - RADIUS as isize)));
            for (c, (n, o)) in self.columns.iter_mut().zip(new.iter().zip(old)) {
                *c += i32::from(*n) - i32::from(*o);
            }
        }
    }

    /// Ends the block of now, reads it, and adds it to what came before.
    fn close(&mut self, end_s: f64) {
        let (from_s, level) = (end_s, 0);
        let next =
            Window { sum: vec![0; self.now.sum.len()], frames: 0, from_s, to_s: from_s, level, read: false };
        let mut done = std::mem::replace(&mut self.now, next);
        done.to_s = end_s;
        self.read(&mut done);
        self.past.push(done);
        while let [.., a, b] = &self.past[..] {
            if a.level != b.level || a.level >= LEVELS {
                break;
            }
            self.merge_last_two();
        }
    }

    fn merge_last_two(&mut self) {
        let (Some(b), Some(mut a)) = (self.past.pop(), self.past.pop()) else { return };
        // What was read in a part of it is known better than the sum could tell.
        let known = a.read || b.read;
        a.sum.iter_mut().zip(&b.sum).for_each(|(x, y)| *x = x.saturating_add(*y));
        a.frames = a.frames.saturating_add(b.frames);
        (a.to_s, a.level, a.read) = (b.to_s, a.level.max(b.level) + 1, known);
        if !known {
            self.read(&mut a);
        }
        self.past.push(a);
    }

    /// Searches one stretch.
    fn read(&mut self, window: &mut Window) {
        let Some(found) = self.detect(&mean(window), Effort::Default) else { return };
        self.searches = self.searches.saturating_add(1);
        if let Some(payload) = found.payload {
            window.read = true;
            self.found.push(Segment { start_s: window.from_s, end_s: window.to_s, payload });
            self.pose = found.pose.or(self.pose);
        }
        if self.best.as_ref().is_none_or(|b| found.log10_p < b.log10_p) {
            self.best = Some(found);
        }
    }

    fn detect(&self, mean: &[f32], effort: Effort) -> Option<Detection> {
        let layout = Layout::packed(self.size.0, self.size.1, 1);
        let [a, b, c] = if effort == Effort::Least { [None; 3] } else { self.smaller };
        let mut options = DetectOptions::lattice_only().expecting([self.pose, a, b, c]);
        options.effort = effort;
        Some(self.reader.detect(&Pixels::new(Samples::F32(mean), layout).ok()?, &options))
    }
}

/// The mean of a stretch, around a middle grey.
fn mean(window: &Window) -> Vec<f32> {
    let scale = 1.0 / (16.0 * 255.0 * window.frames.max(1) as f32);
    window.sum.iter().map(|s| 0.5 + *s as f32 * scale).collect()
}

/// Sum of `2 * radius + 1` neighbours along a line whose ends repeat.
fn box_row(line: &[i32], radius: usize, out: &mut [i32]) {
    let last = line.len() - 1;
    let at = |i: isize| line[i.clamp(0, last as isize) as usize];
    let r = radius as isize;
    let mut sum: i32 = (-r..=r).map(at).sum();
    for (x, o) in out.iter_mut().enumerate() {
        *o = sum;
        sum += at(x as isize + r + 1) - at(x as isize - r);
    }
}
