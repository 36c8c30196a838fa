//! What the key decides: which lattice and cosine points carry the mark, with which phases and in which order.

use colophon_signal::conv::ConvCode;
use colophon_signal::crc::crc16;
use colophon_signal::key::MarkKey;
use std::f64::consts::TAU;

/// Smallest and largest distance of a used lattice point from the origin, in lattice units.
const RADIUS: (i32, i32) = (4, OUTERMOST);
pub(crate) const OUTERMOST: i32 = 24;
/// Points with a known symbol, for finding the offset.
pub(crate) const PILOTS: usize = 72;
/// Points that carry two coded bits each.
pub(crate) const DATA: usize = CODED / 2;
/// All lattice points of a key.
pub(crate) const POINTS: usize = PILOTS + DATA;
/// Coded bits: 64 of payload and 16 of checksum at rate 1/6.
pub(crate) const CODED: usize = 480;
/// Smallest and largest distance of a used cosine from the origin, in half cycles per picture.
const COSINE_RADIUS: (usize, usize) = (5, 28);
/// Distance from the origin at which a cosine counts a quarter.
const QUARTER: f64 = 5.0;
/// Constraint length and generators of the code: the rate 1/6 code of the scheme's definition, in octal.
const CONSTRAINT: u32 = 15;
const GENERATORS: [u32; 6] = [0o46321, 0o51271, 0o63667, 0o70535, 0o73277, 0o76513];
/// End states the decoder traces back.
const ENDS: usize = 16;

/// One lattice point: its integer frequency and its keyed phase in radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) kx: i32,
    pub(crate) ky: i32,
    pub(crate) phase: f64,
}

/// One cosine of the registered layer: half cycles along x and y, and its keyed dither in steps, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cosine {
    pub(crate) u: usize,
    pub(crate) v: usize,
    pub(crate) dither: f32,
}

impl Cosine {
    /// How much this cosine counts when the layer is read, in quarters: whatever re-encodes a picture errs most in what is
    /// coarse, in the same direction over a whole paragraph or sky. Few sizes, because the bound on their sum is cheap then.
    pub(crate) fn weight(&self) -> f64 {
        (((self.u as f64).hypot(self.v as f64) / QUARTER).round() * 0.25).min(1.0)
    }
}

/// Everything derived from a key.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Pilots first, then data points.
    pub(crate) points: Vec<Point>,
    /// Place of coded bit `i` among the bits on the data points.
    pub(crate) order: Vec<usize>,
    pub(crate) cosines: Vec<Cosine>,
    code: Option<ConvCode>,
}

impl Schedule {
    /// Draws, each from its own stream: `image.1/points`, `image.1/phases`, `image.1/order`, `image.1/cosines`,
    /// `image.1/dither`.
    pub(crate) fn new(key: &MarkKey) -> Self {
        let mut grid = lattice();
        key.stream("image.1/points").shuffle(&mut grid);
        let mut phases = key.stream("image.1/phases");
        let point = |(kx, ky): (i32, i32)| Point { kx, ky, phase: TAU * phases.unit_f64() };
        let points = grid.into_iter().take(POINTS).map(point).collect();

        let mut order: Vec<usize> = (0..CODED).collect();
        key.stream("image.1/order").shuffle(&mut order);

        let mut plane = quarter_plane();
        key.stream("image.1/cosines").shuffle(&mut plane);
        let mut dither = key.stream("image.1/dither");
        let cosine = |(u, v)| Cosine { u, v, dither: dither.unit_f64() as f32 };
        let cosines = plane.into_iter().take(CODED).map(cosine).collect();
        Self { points, order, cosines, code: ConvCode::new(CONSTRAINT, &GENERATORS).ok() }
    }

    /// The coded bits of a payload as +1 (bit 0) and -1 (bit 1).
    pub(crate) fn encode(&self, payload: u64) -> Vec<f32> {
        self.encode_bits(&message(payload))
    }

    fn encode_bits(&self, bits: &[u8]) -> Vec<f32> {
        let coded = self.code.as_ref().and_then(|code| code.encode(bits).ok()).unwrap_or_default();
        coded.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect()
    }

    /// Complex symbol of every point for a payload, phase included: 1 on pilots, QPSK on data, all of size 1.
    pub(crate) fn symbols(&self, payload: u64) -> Vec<(f64, f64)> {
        let mut placed = [0f64; CODED];
        for (&place, bit) in self.order.iter().zip(self.encode(payload)) {
            placed[place] = f64::from(bit) * std::f64::consts::FRAC_1_SQRT_2;
        }
        let data = placed.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        let symbols = std::iter::repeat_n((1.0, 0.0), PILOTS).chain(data);
        let turn = |(p, (re, im)): (&Point, (f64, f64))| {
            let (sin, cos) = p.phase.sin_cos();
            (re * cos - im * sin, re * sin + im * cos)
        };
        self.points.iter().zip(symbols).map(turn).collect()
    }

    /// The payload that the surest bits spell, with its code word, if its checksum holds: found without a search where little
    /// was done to a picture.
    pub(crate) fn read_off(&self, soft: &[f32]) -> Vec<(u64, Vec<f32>)> {
        let bits = self.code.as_ref().and_then(|code| code.read_off(soft));
        bits.and_then(|bits| self.checked(&bits)).into_iter().collect()
    }

    /// Payloads whose checksum holds, with their code words, most likely first.
    pub(crate) fn decode(&self, soft: &[f32]) -> Vec<(u64, Vec<f32>)> {
        let words = self.code.as_ref().and_then(|code| code.decode(soft, ENDS).ok()).unwrap_or_default();
        words.into_iter().filter_map(|word| self.checked(&word.bits)).collect()
    }

    fn checked(&self, bits: &[u8]) -> Option<(u64, Vec<f32>)> {
        payload_of(bits).map(|payload| (payload, self.encode_bits(bits)))
    }
}

/// Payload, most significant bit first, then its checksum.
fn message(payload: u64) -> Vec<u8> {
    let crc = crc16(&payload.to_be_bytes());
    let payload_bits = (0..64).rev().map(|i| (payload >> i & 1) as u8);
    payload_bits.chain((0..16).rev().map(|i| (crc >> i & 1) as u8)).collect()
}

fn payload_of(bits: &[u8]) -> Option<u64> {
    let (payload, _) = bits.split_at_checked(64)?;
    let payload = payload.iter().fold(0u64, |p, &bit| p << 1 | u64::from(bit));
    (message(payload) == bits).then_some(payload)
}

/// Candidate lattice points in row order: one of each pair of opposite points.
fn lattice() -> Vec<(i32, i32)> {
    let (low, high) = RADIUS;
    let rows = (0..=high).flat_map(|y| (-high..=high).map(move |x| (x, y)));
    let used =
        |&(x, y): &(i32, i32)| (y > 0 || x > 0) && (low * low..=high * high).contains(&(x * x + y * y));
    rows.filter(used).collect()
}

/// Candidate cosines in row order.
fn quarter_plane() -> Vec<(usize, usize)> {
    let (low, high) = COSINE_RADIUS;
    let rows = (0..=high).flat_map(|v| (0..=high).map(move |u| (u, v)));
    rows.filter(|&(u, v)| (low * low..=high * high).contains(&(u * u + v * v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a second implementation has to reproduce: the draws of the public key and of the secret `studio`.
    #[test]
    fn the_key_schedule_matches_the_committed_vectors() {
        for (key, points, phases, order, cosines, dither) in [
            (MarkKey::public(), PUBLIC.0, PUBLIC.1, PUBLIC.2, PUBLIC.3, PUBLIC.4),
            (MarkKey::from_secret(b"studio").unwrap(), STUDIO.0, STUDIO.1, STUDIO.2, STUDIO.3, STUDIO.4),
        ] {
            let schedule = Schedule::new(&key);
            let place = |p: &Point| (p.kx, p.ky);
            assert_eq!(schedule.points.iter().take(6).map(place).collect::<Vec<_>>(), points);
            for (point, phase) in schedule.points.iter().zip(phases) {
                assert!((point.phase - phase).abs() < 1e-6, "{} is not {phase}", point.phase);
            }
            assert_eq!(schedule.order[..8], order);
            let place = |c: &Cosine| (c.u, c.v);
            assert_eq!(schedule.cosines.iter().take(6).map(place).collect::<Vec<_>>(), cosines);
            for (cosine, want) in schedule.cosines.iter().zip(dither) {
                assert!((cosine.dither - want).abs() < 1e-6, "{} is not {want}", cosine.dither);
            }
        }
    }

    /// The 480 coded bits, eight to a byte, first bit highest.
    #[test]
    fn the_code_word_matches_the_committed_vector() {
        let schedule = Schedule::new(&MarkKey::public());
        let coded = schedule.encode(0x0123_4567_89ab_cdef);
        let byte = |bits: &[f32]| bits.iter().fold(0u8, |b, &s| b << 1 | u8::from(s < 0.0));
        let hex: String = coded.chunks(8).map(|c| format!("{:02x}", byte(c))).collect();
        assert_eq!(hex, CODE_WORD);
    }

    #[test]
    fn a_noisy_code_word_gives_its_payload_first() {
        let schedule = Schedule::new(&MarkKey::public());
        let mut noise = MarkKey::public().stream("test/schedule");
        let soft: Vec<f32> = schedule
            .encode(0xfeed_0000_dead_beef)
            .into_iter()
            .map(|bit| bit + 5.0 * (noise.unit_f64() as f32 - 0.5))
            .collect();
        assert_eq!(schedule.decode(&soft)[0].0, 0xfeed_0000_dead_beef);
        assert!(schedule.decode(&soft[1..]).is_empty());
    }

    #[test]
    fn no_point_or_cosine_is_used_twice() {
        let schedule = Schedule::new(&MarkKey::public());
        let mut points: Vec<(i32, i32)> = schedule.points.iter().map(|p| (p.kx, p.ky)).collect();
        points.extend(points.clone().iter().map(|&(x, y)| (-x, -y)));
        points.sort_unstable();
        points.dedup();
        assert_eq!(points.len(), 2 * POINTS);
        let mut cosines: Vec<(usize, usize)> = schedule.cosines.iter().map(|c| (c.u, c.v)).collect();
        cosines.sort_unstable();
        cosines.dedup();
        assert_eq!(cosines.len(), CODED);
    }

    type Draws = ([(i32, i32); 6], [f64; 3], [usize; 8], [(usize, usize); 6], [f32; 3]);
    const PUBLIC: Draws = (
        [(-4, 14), (2, 22), (18, 0), (9, 16), (-6, 15), (9, 18)],
        [4.313937841, 6.068219855, 3.444674922],
        [317, 61, 473, 52, 325, 447, 321, 119],
        [(7, 26), (2, 25), (1, 11), (21, 14), (17, 1), (16, 0)],
        [0.6775013, 0.9378332, 0.8752404],
    );
    const STUDIO: Draws = (
        [(10, 9), (18, 13), (12, 20), (4, 10), (7, 5), (16, 3)],
        [3.554935980, 1.697868286, 1.339510663],
        [130, 236, 30, 133, 241, 247, 435, 309],
        [(0, 21), (26, 4), (13, 9), (13, 7), (3, 23), (7, 19)],
        [0.4881335, 0.7542958, 0.2499312],
    );
    const CODE_WORD: &str = "f0492fe3313948b86d90dee3eb73a7300c4ca0856da16fdc26710f04a79e\
                             a1845efc912f873c6b5c4380cccaa1cd2010b68d6b41177e4481b45a382a";
}
