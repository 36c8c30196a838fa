//! Reading the mark.

use super::demodulate::Demodulator;
use super::evidence::THRESHOLD;
use super::pixels::Pixels;
use super::plane::Plane;
use super::reduce::{CHROMA, LUMA, reduce, reduce_colours};
use super::registered::Registered;
use super::schedule::Schedule;
use super::search::{Candidate, Matrix, Search, Templates};
use super::spectrum::{PeakMap, Spectrum, side};
use super::tile::{MIN_MOVING_SIDE, MIN_SIDE, period};
use super::whiten::Whitener;
use colophon_signal::fft2::SizeError;
use colophon_signal::key::MarkKey;
use std::sync::OnceLock;

/// The reader works on pictures reduced to this geometric mean of the sides and this longer side.
const WORKING_SIDE: f64 = 720.0;
const WORKING_LENGTH: f64 = 1000.0;
/// Shortest side, after reduction, that is looked at.
const SMALLEST: usize = 64;
/// Geometric mean of the sides up to which chroma is read at full working size; above, at half.
const CHROMA_SIDE: f64 = 400.0;

/// Stretches of x against y, square roots of the change of aspect, tried together with rotation. Steps of a tenth, as far
/// apart as a candidate can be reshaped.
const STRETCHES: [f64; 6] = [1.05, 0.95, 1.10, 0.91, 1.15, 0.87];

/// Scales of an upright picture that are read before anything else is searched.
const UPRIGHT: usize = 4;

/// How hard to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Nothing is searched: the mark is looked for where it was put or is expected, and in the registered layer.
    Least,
    /// Every change that keeps straight angles, and small shears.
    #[default]
    Default,
    /// Also rotation together with a change of aspect by up to a third, in either order but not of a mirror image: several
    /// times slower when nothing is there.
    Deep,
}

/// Options of [`Reader::detect`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DetectOptions {
    /// How hard to look.
    pub effort: Effort,
    /// Look for the lattice alone: for means of many frames, which show no registered layer.
    pub lattice_only: bool,
    /// Where the lattice is looked for before it is searched, for [`lattice_only`](Self::lattice_only), the likeliest first.
    pub expected: [Option<Pose>; EXPECTED],
}

/// Poses that can be expected at once.
pub const EXPECTED: usize = 4;

/// How the lattice lies in a picture: frequencies of its two axes in cycles per pixel of the size the picture is read at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose(Matrix);

impl Pose {
    /// Upright, with a tile of so many pixels along x and along y.
    pub fn upright(tile: (f64, f64)) -> Self {
        Self([[1.0 / tile.0, 0.0], [0.0, 1.0 / tile.1]])
    }
}

impl DetectOptions {
    /// Options with the given effort.
    pub fn with_effort(effort: Effort) -> Self {
        Self { effort, ..Self::default() }
    }

    /// Options for the mean of many frames of a moving picture.
    pub fn lattice_only() -> Self {
        Self { lattice_only: true, ..Self::default() }
    }

    /// The same, looking first where the lattice is expected: what lies there is read at a tenth of the cost of a search.
    pub fn expecting(mut self, poses: [Option<Pose>; EXPECTED]) -> Self {
        self.expected = poses;
        self
    }
}

/// Which part of the mark was read.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// The layer tied to the frame: the picture shows the whole of what was marked, at any size.
    Registered,
    /// The lattice.
    Lattice(Geometry),
}

/// How the picture lies relative to the one that was marked, as far as a periodic mark can tell.
///
/// The position of the picture in the original is known only up to whole tiles and therefore not given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Counter-clockwise rotation in degrees, from -90 to 90: a turn by 180 degrees is not told apart.
    pub rotation_deg: f64,
    /// Period of the tile along the picture's x and y axis before rotation, in pixels of this picture.
    pub period: (f64, f64),
    /// Mirrored left to right.
    pub mirrored: bool,
}

/// Why a picture could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChecked {
    /// Too few pixels for a mark to be told from chance; nothing found means nothing.
    TooSmall,
    /// One side is more than a few thousand times the other.
    Elongated,
}

/// The answer of a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// A mark of this key is there.
    pub found: bool,
    /// Its payload; `None` unless `found`.
    pub payload: Option<u64>,
    /// Strength of the best word: its sum in deviations of that sum on unmarked pictures. Up to about 10 where nothing is
    /// there, since the best of 2^64 words always fits a little; at most about 30.
    pub z: f64,
    /// Upper bound, as log10, of the chance that an unmarked picture gives a word this good. 0 if no word was read.
    pub log10_p: f64,
    /// Where the payload was read from, if found.
    pub layer: Option<Layer>,
    /// Set when nothing was found and the picture could not be judged.
    pub not_checked: Option<NotChecked>,
    /// How the lattice lies, if it was read.
    pub pose: Option<Pose>,
}

impl Detection {
    const NOTHING: Self = Self {
        found: false,
        payload: None,
        z: 0.0,
        log10_p: 0.0,
        layer: None,
        not_checked: None,
        pose: None,
    };
}

/// Reads marks of one key. Keeps the key's tables, so reading many pictures costs less than calling [`detect`] for each.
#[derive(Debug)]
pub struct Reader {
    schedule: Schedule,
    registered: Registered,
    templates: OnceLock<Result<Templates, SizeError>>,
}

/// Looks for a mark of `key` once; see [`Reader::detect`].
pub fn detect(pixels: &Pixels<'_>, key: &MarkKey, options: &DetectOptions) -> Detection {
    Reader::new(key).detect(pixels, options)
}

impl Reader {
    /// A reader for `key`.
    pub fn new(key: &MarkKey) -> Self {
        Self { schedule: Schedule::new(key), registered: Registered::new(), templates: OnceLock::new() }
    }

    /// Looks for a mark. Any size is accepted; working memory stays below 64 MiB plus a few rows.
    pub fn detect(&self, pixels: &Pixels<'_>, options: &DetectOptions) -> Detection {
        let layout = pixels.layout();
        let unjudged = |why| Detection { not_checked: Some(why), ..Detection::NOTHING };
        if layout.width.min(layout.height) < SMALLEST {
            return unjudged(NotChecked::TooSmall);
        }
        let Some((width, height)) = working_size(layout.width, layout.height) else {
            return unjudged(NotChecked::Elongated);
        };
        // Of a larger picture a pass over all samples costs more than a channel nobody may ask for.
        let (luma, chroma) = if layout.channels == 3 && !options.lattice_only && height < layout.height {
            let [luma, chroma] = reduce_colours(pixels, width, height, [LUMA, CHROMA]);
            (luma, Some(chroma))
        } else {
            (reduce(pixels, width, height, LUMA, 128.0), None)
        };
        let mut result = Detection::NOTHING;
        let soft =
            if options.lattice_only { None } else { Some(self.registered.soft(&luma, &self.schedule)) };
        if let Some(reading) = soft.as_ref().and_then(|soft| Registered::read(soft, &self.schedule)) {
            result.offer(reading.payload, reading.z, reading.log10_p, Layer::Registered, None);
        }
        if !result.found {
            // the sizes were checked, so transforms do not fail; if one did, the lattice stays unread
            let scale = (width as f64 / layout.width as f64, height as f64 / layout.height as f64);
            let tile = period(layout.width, layout.height) as f64;
            if let Ok(mut reading) = LatticeReading::new(self, &luma, scale, soft) {
                // A mean of frames has been brought to another size: who asks knows which.
                let marked = Pose::upright((tile * scale.0, tile * scale.1));
                let still = [Some(marked), None, None, None];
                let expected = if options.lattice_only { options.expected } else { still };
                for pose in expected.into_iter().flatten() {
                    if !result.found {
                        let _ = reading.lying(pose, &mut result);
                    }
                }
                if !result.found && options.effort != Effort::Least {
                    let chroma = chroma.or_else(|| {
                        (layout.colours() == 3).then(|| reduce(pixels, width, height, CHROMA, 0.0))
                    });
                    if let Ok(mut reading) = reading.with_chroma(chroma.as_ref()) {
                        let _ = reading.run(options.effort, &mut result);
                    }
                }
            }
        }
        let least = if options.lattice_only { MIN_MOVING_SIDE } else { MIN_SIDE };
        if !result.found && layout.width.min(layout.height) < least {
            result.not_checked = Some(NotChecked::TooSmall);
        }
        result
    }

    fn templates(&self) -> Result<&Templates, SizeError> {
        self.templates.get_or_init(|| Templates::new(&self.schedule, 1.0)).as_ref().map_err(|&e| e)
    }
}

impl Detection {
    /// Takes a reading if it is the best so far.
    fn offer(&mut self, payload: u64, z: f64, log10_p: f64, layer: Layer, pose: Option<Pose>) {
        if self.found || (log10_p, -z) >= (self.log10_p, -self.z) && self.z > 0.0 {
            return;
        }
        let found = log10_p < THRESHOLD;
        *self = Self {
            found,
            payload: found.then_some(payload),
            z,
            log10_p,
            layer: found.then_some(layer),
            not_checked: None,
            pose: pose.filter(|_| found),
        };
    }
}

/// The size a picture is reduced to before it is read; `None` if it is too elongated to be reduced sensibly. A picture that
/// comes in this size is read as it is.
pub fn working_size(width: usize, height: usize) -> Option<(usize, usize)> {
    let (w, h) = (width as f64, height as f64);
    let scale = (WORKING_SIDE / (w * h).sqrt()).min(WORKING_LENGTH / w.max(h)).min(1.0);
    let size = |n: f64| (n * scale).round() as usize;
    (size(w).min(size(h)) >= SMALLEST / 2).then_some((size(w), size(h)))
}

/// The lattice layer of one picture.
struct LatticeReading<'a> {
    reader: &'a Reader,
    luma: Spectrum,
    chroma: Option<Spectrum>,
    map: PeakMap,
    scale: (f64, f64),
    /// The registered layer's coded bits.
    registered: Option<Vec<f32>>,
    whitener: Whitener,
    demodulator: Demodulator<'a>,
}

impl<'a> LatticeReading<'a> {
    fn new(
        reader: &'a Reader,
        luma: &Plane,
        scale: (f64, f64),
        registered: Option<Vec<f32>>,
    ) -> Result<Self, SizeError> {
        let mut whitener = Whitener::new();
        let luma = spectrum(&mut whitener, luma, (luma.width, luma.height), false)?;
        let demodulator = Demodulator::new(&reader.schedule)?;
        Ok(Self {
            reader,
            map: luma.map.clone(),
            luma,
            chroma: None,
            scale,
            registered,
            whitener,
            demodulator,
        })
    }

    /// Reads the lattice where it is expected: a picture that still has the size it was marked at costs no search.
    fn lying(&mut self, pose: Pose, result: &mut Detection) -> Result<(), SizeError> {
        let whole = self.registered.as_deref().filter(|_| upright(pose.0));
        if let Some(reading) = self.demodulator.read(&[&self.luma], pose.0, whole)? {
            let layer = Layer::Lattice(geometry(pose.0, self.scale));
            result.offer(reading.payload, reading.z, reading.log10_p, layer, Some(pose));
        }
        Ok(())
    }

    fn with_chroma(mut self, chroma: Option<&Plane>) -> Result<Self, SizeError> {
        let Some(plane) = chroma else { return Ok(self) };
        let whole = (plane.width, plane.height);
        let large = (whole.0 as f64 * whole.1 as f64).sqrt() > CHROMA_SIDE;
        let chroma = if large {
            spectrum(&mut self.whitener, &plane.halved(), whole, true)?
        } else {
            spectrum(&mut self.whitener, plane, whole, false)?
        };
        self.map.add(&chroma.map);
        self.chroma = Some(chroma);
        Ok(self)
    }

    fn run(&mut self, effort: Effort, result: &mut Detection) -> Result<(), SizeError> {
        let Self { reader, luma, chroma, map, scale, registered, demodulator, .. } = self;
        let mut search = Search::new(map, &reader.schedule);
        let spectra: Vec<&Spectrum> = std::iter::once(&*luma).chain(&*chroma).collect();
        let mut read = |candidate: Candidate, result: &mut Detection| {
            let upright = registered.as_deref().filter(|_| upright(candidate.matrix));
            if let Some(reading) = demodulator.read(&spectra, candidate.matrix, upright)? {
                let layer = Layer::Lattice(geometry(candidate.matrix, *scale));
                let pose = Some(Pose(candidate.matrix));
                result.offer(reading.payload, reading.z, reading.log10_p, layer, pose);
            }
            Ok::<(), SizeError>(())
        };
        for candidate in search.upright(UPRIGHT) {
            read(candidate, result)?;
            if result.found {
                return Ok(());
            }
        }
        let mut attempt =
            |candidates: Vec<Candidate>, search: &Search<'_>, take: usize, result: &mut Detection| {
                // Where the mark is faint, a climb leads away from it: the clearest places are read as they are.
                for &candidate in candidates.iter().take(take - 1) {
                    read(candidate, result)?;
                    if result.found {
                        return Ok(());
                    }
                }
                let mut refined: Vec<Candidate> =
                    candidates.into_iter().map(|c| search.refine(search.reshaped(c), &[0.004])).collect();
                refined.sort_by(|a, b| b.score.total_cmp(&a.score));
                let mut apart: Vec<Candidate> = Vec::new();
                for candidate in refined {
                    if apart.iter().all(|other| other.apart(&candidate)) {
                        apart.push(candidate);
                    }
                }
                apart.truncate(take + 2);
                for candidate in &mut apart {
                    *candidate = search.refine(*candidate, &[0.002, 0.001, 0.0005]);
                }
                apart.sort_by(|a, b| b.score.total_cmp(&a.score));
                for candidate in apart.into_iter().take(take) {
                    read(candidate, result)?;
                    if result.found {
                        break;
                    }
                }
                Ok::<(), SizeError>(())
            };
        let templates = reader.templates()?;
        let straight = search.similar(templates, false, 12)?;
        attempt(straight, &search, 3, result)?;
        if !result.found {
            let mirrored = search.similar(templates, true, 8)?;
            attempt(mirrored, &search, 2, result)?;
        }
        if !result.found {
            let stretched = search.stretched(templates, &reader.schedule, 5)?;
            attempt(stretched, &search, 2, result)?;
        }
        if effort == Effort::Deep {
            for (stretch, before) in STRETCHES.into_iter().flat_map(|s| [(s, false), (s, true)]) {
                if !result.found {
                    let skewed = search.skewed(&reader.schedule, stretch, before, 5)?;
                    attempt(skewed, &search, 1, result)?;
                }
            }
        }
        Ok(())
    }
}

/// The spectrum of a plane, of working size or of half of it where `whole` is the working size.
fn spectrum(
    whitener: &mut Whitener,
    plane: &Plane,
    whole: (usize, usize),
    halved: bool,
) -> Result<Spectrum, SizeError> {
    let flat = whitener.run(plane);
    let sides = (side(whole.0).ok_or(SizeError)?, side(whole.1).ok_or(SizeError)?);
    let centre = ((whole.0 - 1) as f64 / 2.0, (whole.1 - 1) as f64 / 2.0);
    if halved {
        // Pixel j of the half-size channel covers 2 j and 2 j + 1.
        let middle = ((centre.0 - 0.5) / 2.0, (centre.1 - 0.5) / 2.0);
        return Spectrum::new(flat, (sides.0 / 2, sides.1 / 2), 0.5, middle);
    }
    Spectrum::new(flat, sides, 1.0, centre)
}

/// Whether a matrix may belong to a picture that still shows its whole frame.
fn upright(matrix: Matrix) -> bool {
    let [[a, b], [c, d]] = matrix;
    a > 0.0 && d > 0.0 && b.abs() < 0.02 * a && c.abs() < 0.02 * d
}

/// What a matrix in working pixels says about the picture.
fn geometry(matrix: Matrix, scale: (f64, f64)) -> Geometry {
    // frequencies per picture pixel
    let [[a, b], [c, d]] = [matrix[0].map(|v| v * scale.0), matrix[1].map(|v| v * scale.1)];
    let mirrored = a * d - b * c < 0.0;
    let (a, c) = if mirrored { (-a, -c) } else { (a, c) };
    // picture rows grow downwards, so a positive angle here is clockwise
    let rotation = -(c - b).atan2(a + d).to_degrees();
    let rotation = if rotation > 90.0 {
        rotation - 180.0
    } else if rotation <= -90.0 {
        rotation + 180.0
    } else {
        rotation
    };
    Geometry {
        rotation_deg: rotation,
        period: (1.0 / a.hypot(c).max(1e-9), 1.0 / b.hypot(d).max(1e-9)),
        mirrored,
    }
}
