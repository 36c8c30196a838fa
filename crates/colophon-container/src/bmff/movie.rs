//! What a player would say about a movie: tracks, dimensions, duration.

use std::ops::Range;

use colophon_core::{Limits, Result, Source};

use super::{Boxes, Fields, Kind, Node};

/// Facts about a movie.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Movie {
    /// Seconds, where the header or the fragments say so.
    pub duration_s: Option<f64>,
    /// Samples stand in fragments.
    pub fragmented: bool,
    /// Tracks in file order.
    pub tracks: Vec<Track>,
}

/// Facts about a track.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// Its number.
    pub id: u32,
    /// What it holds: `vide`, `soun`, `text`, `sbtl`, …
    pub handler: Kind,
    /// Shown unless somebody chooses otherwise.
    pub enabled: bool,
    /// Type of the first sample entry; for encrypted tracks what is inside.
    pub codec: Kind,
    /// Samples are encrypted.
    pub encrypted: bool,
    /// Coded width and height in pixels; zero for anything but pictures.
    pub coded: (u32, u32),
    /// Width to height of one pixel.
    pub pixel_aspect: (u32, u32),
    /// How the coded picture is turned to be shown; `None` for anything but turns by 90° and mirroring.
    pub orientation: Option<Orientation>,
    /// Bits of a colour sample, or of a sound sample; zero where it is not said.
    pub bit_depth: u16,
    /// Sound channels.
    pub channels: u16,
    /// Sound samples per second and channel.
    pub sample_rate: u32,
    /// Seconds of the media.
    pub duration_s: Option<f64>,
}

/// A turn by quarters and a mirroring, as signs of the transformation matrix: a coded point (x, y), taken from the
/// middle of the picture, is shown at (a·x + c·y, b·x + d·y).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation {
    /// x to x.
    pub a: i8,
    /// x to y.
    pub b: i8,
    /// y to x.
    pub c: i8,
    /// y to y.
    pub d: i8,
}

impl Orientation {
    /// As coded.
    pub const UPRIGHT: Self = Self { a: 1, b: 0, c: 0, d: 1 };

    /// From numbers of a matrix in any scale; `None` when it shears, or turns by anything but quarters.
    pub fn from_matrix(a: i64, b: i64, c: i64, d: i64) -> Option<Self> {
        let sign = |n: i64| n.signum() as i8;
        let m = Self { a: sign(a), b: sign(b), c: sign(c), d: sign(d) };
        let straight = m.a != 0 && m.d != 0 && m.b == 0 && m.c == 0;
        let turned = m.a == 0 && m.d == 0 && m.b != 0 && m.c != 0;
        (straight || turned).then_some(m)
    }

    /// Width and height change places.
    pub fn swaps(self) -> bool {
        self.a == 0
    }

    /// First this one, then `next`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let dot = |p: i8, q: i8, r: i8, s: i8| p.wrapping_mul(q).wrapping_add(r.wrapping_mul(s));
        Self {
            a: dot(self.a, next.a, self.b, next.c),
            b: dot(self.a, next.b, self.b, next.d),
            c: dot(self.c, next.a, self.d, next.c),
            d: dot(self.c, next.b, self.d, next.d),
        }
    }
}

impl Track {
    /// Width and height as shown: stretched to square pixels, then turned.
    pub fn displayed(&self) -> (u32, u32) {
        let (w, h) = self.coded;
        let (num, den) = self.pixel_aspect;
        let wide = (u64::from(w).saturating_mul(num.into()).saturating_add(u64::from(den / 2)))
            .checked_div(den.into())
            .map_or(w, |w| u32::try_from(w).unwrap_or(u32::MAX));
        if self.orientation.is_some_and(Orientation::swaps) { (h, wide) } else { (wide, h) }
    }
}

/// Reads the facts.
///
/// # Errors
/// `Malformed` without a movie or for boxes that end too early.
pub fn read(source: &dyn Source, boxes: &Boxes, limits: &Limits) -> Result<Movie> {
    let moov = boxes.movie()?;
    let mut movie = Movie { fragmented: moov.of(*b"mvex").next().is_some(), ..Movie::default() };
    let mut timescale = 0;
    let mut turn = Some(Orientation::UPRIGHT);
    if let Some(mvhd) = moov.of(*b"mvhd").next() {
        let bytes = head(source, mvhd, 120)?;
        if let Some((scale, ticks, matrix)) = header(&bytes, 8) {
            timescale = scale;
            movie.duration_s = seconds(ticks, scale);
            turn = matrix;
        }
    }
    for trak in moov.of(*b"trak").take(limits.parts) {
        let mut track = track(source, trak)?;
        track.orientation = track.orientation.zip(turn).map(|(t, m)| t.then(m));
        movie.tracks.push(track);
    }
    if movie.fragmented {
        let announced = moov.find(&[*b"mvex", *b"mehd"]).map(|n| head(source, n, 12)).transpose()?;
        let announced = announced.and_then(|bytes| {
            let mut f = Fields::new(&bytes);
            let (version, _) = f.full()?;
            seconds(f.by_version(version)?, timescale)
        });
        let longest = movie.duration_s.filter(|d| *d > 0.0);
        movie.duration_s =
            announced.or(longest).or(indexed(source, boxes)?).or(counted(source, boxes, moov)?);
    }
    Ok(movie)
}

/// Length of a transformation matrix in bytes.
const MATRIX: u64 = 36;

/// Where the matrices stand that turn the pictures of a track: the track's own, then the movie's.
///
/// # Errors
/// `Malformed` without such a track or header; reading errors.
pub fn matrices(source: &dyn Source, boxes: &Boxes, track: usize) -> Result<[Range<u64>; 2]> {
    let moov = boxes.movie()?;
    let place = |node: Option<&Node>, short: u64| -> Result<Range<u64>> {
        let node = node.ok_or_else(|| moov.malformed("the header of a track or of the movie is missing"))?;
        // Version 1 has three 64-bit numbers (8.2.2, 8.3.2).
        let long = source.bytes_up_to(node.body.start, 1)?.first() == Some(&1);
        let at = node.body.start.saturating_add(short).saturating_add(if long { 12 } else { 0 });
        let range = at..at.saturating_add(MATRIX);
        if range.end > node.body.end {
            Err(node.malformed("the box is too short for its matrix"))
        } else {
            Ok(range)
        }
    };
    let trak = moov.of(*b"trak").nth(track);
    Ok([place(trak.and_then(|t| t.of(*b"tkhd").next()), 40)?, place(moov.of(*b"mvhd").next(), 36)?])
}

/// The first bytes of a box's content.
fn head(source: &dyn Source, node: &Node, len: u64) -> Result<Vec<u8>> {
    Ok(source
        .bytes_up_to(node.body.start, len.min(node.body.end.saturating_sub(node.body.start)))?
        .into_owned())
}

fn seconds(ticks: u64, timescale: u32) -> Option<f64> {
    // All ones: not known.
    let known = ticks != u64::from(u32::MAX) && ticks != u64::MAX && timescale != 0;
    known.then(|| ticks as f64 / f64::from(timescale))
}

/// Time scale, duration and turn of `mvhd` and, without the turn, `mdhd` (ISO/IEC 14496-12, 8.2.2 and 8.4.2).
/// `skip` bytes stand between the duration and the reserved words before the matrix.
fn header(bytes: &[u8], skip: usize) -> Option<(u32, u64, Option<Orientation>)> {
    let mut f = Fields::new(bytes);
    let (version, _) = f.full()?;
    f.by_version(version)?;
    f.by_version(version)?;
    let scale = f.u32()?;
    let ticks = f.by_version(version)?;
    let turn = f.take(skip).and_then(|_| f.take(8)).and_then(|_| matrix(&mut f));
    Some((scale, ticks, turned(turn)))
}

/// The four numbers of a transformation matrix that turn and stretch.
fn matrix(f: &mut Fields<'_>) -> Option<[i64; 4]> {
    let mut next = || f.u32().map(|v| i64::from(v as i32));
    let (a, b, _u, c, d) = (next()?, next()?, next()?, next()?, next()?);
    Some([a, b, c, d])
}

/// Upright where nothing is said; `None` for turns by other than quarters.
fn turned(matrix: Option<[i64; 4]>) -> Option<Orientation> {
    matrix.map_or(Some(Orientation::UPRIGHT), |[a, b, c, d]| Orientation::from_matrix(a, b, c, d))
}

fn track(source: &dyn Source, trak: &Node) -> Result<Track> {
    let mut t = Track { pixel_aspect: (1, 1), orientation: Some(Orientation::UPRIGHT), ..Track::default() };
    if let Some(tkhd) = trak.of(*b"tkhd").next() {
        let bytes = head(source, tkhd, 104)?;
        let mut f = Fields::new(&bytes);
        let (version, flags) = f.full().unwrap_or_default();
        t.enabled = flags & 1 == 1;
        let _ = (f.by_version(version), f.by_version(version));
        t.id = f.u32().unwrap_or(0);
        let _ = (f.u32(), f.by_version(version), f.take(16));
        t.orientation = turned(matrix(&mut f));
    }
    if let Some(mdhd) = trak.find(&[*b"mdia", *b"mdhd"]) {
        let bytes = head(source, mdhd, 40)?;
        t.duration_s = header(&bytes, 0).and_then(|(scale, ticks, _)| seconds(ticks, scale));
    }
    if let Some(hdlr) = trak.find(&[*b"mdia", *b"hdlr"]) {
        let bytes = head(source, hdlr, 12)?;
        let mut f = Fields::new(&bytes);
        t.handler = f.u64().and_then(|_| f.array()).unwrap_or_default();
    }
    if let Some(stsd) = trak.find(&[*b"mdia", *b"minf", *b"stbl", *b"stsd"]) {
        // A sample entry with its configuration is short; colour profiles may be some hundred kilobytes.
        let bytes = head(source, stsd, 1 << 20)?;
        let mut f = Fields::new(&bytes);
        let _ = f.u64();
        if let (Some(size), Some(kind)) = (f.u32(), f.array::<4>()) {
            t.codec = kind;
            let body = f.rest();
            let body = body.get(..(size as usize).saturating_sub(8).min(body.len())).unwrap_or(body);
            if &t.handler == b"vide" {
                picture_entry(&mut t, body);
            } else if &t.handler == b"soun" {
                sound_entry(&mut t, body);
            }
        }
    }
    Ok(t)
}

/// A visual sample entry (12.1.3).
fn picture_entry(t: &mut Track, body: &[u8]) {
    let mut f = Fields::new(body);
    let _ = f.take(24);
    t.coded = (f.u16().unwrap_or(0).into(), f.u16().unwrap_or(0).into());
    let _ = f.take(50);
    extensions(f.rest(), &mut |kind, body| {
        let mut f = Fields::new(body);
        match &kind {
            b"pasp" => {
                if let (Some(h @ 1..), Some(v @ 1..)) = (f.u32(), f.u32()) {
                    t.pixel_aspect = (h, v);
                }
            }
            b"hvcC" => t.bit_depth = body.get(17).map_or(0, |b| u16::from(b & 7).saturating_add(8)),
            b"vpcC" => t.bit_depth = body.get(6).map_or(0, |b| u16::from(b >> 4)),
            b"av1C" => t.bit_depth = body.get(2).map_or(0, |b| if b & 0x40 == 0 { 8 } else { 10 }),
            b"avcC" => t.bit_depth = avc_depth(body).unwrap_or(8),
            b"sinf" => protected(t, body),
            _ => {}
        }
    });
}

/// Bit depth of luma from an AVC configuration (ISO/IEC 14496-15, 5.3.3.1): behind the parameter sets, for the profiles
/// that have it.
fn avc_depth(body: &[u8]) -> Option<u16> {
    let mut f = Fields::new(body);
    let [_, profile, ..] = f.array::<5>()?;
    if !matches!(profile, 100 | 110 | 122 | 144 | 244) {
        return Some(8);
    }
    for mask in [0x1f_u8, 0xff] {
        for _ in 0..f.u8()? & mask {
            let len = f.u16()?;
            f.take(len.into())?;
        }
    }
    let [_chroma, luma] = f.array::<2>()?;
    Some(u16::from(luma & 7).saturating_add(8))
}

/// An audio sample entry (12.2.3; versions 1 and 2 of QuickTime).
fn sound_entry(t: &mut Track, body: &[u8]) {
    let mut f = Fields::new(body);
    let _ = f.take(8);
    let version = f.u16().unwrap_or(0);
    let _ = f.take(6);
    t.channels = f.u16().unwrap_or(0);
    t.bit_depth = f.u16().unwrap_or(0);
    let _ = f.u32();
    t.sample_rate = f.u32().unwrap_or(0) >> 16;
    match version {
        1 => {
            let _ = f.take(16);
        }
        2 => {
            let _ = f.u32();
            t.sample_rate = f.u64().map_or(0, |bits| f64::from_bits(bits) as u32);
            t.channels = f.u32().map_or(0, |n| u16::try_from(n).unwrap_or(u16::MAX));
            let _ = f.take(20);
        }
        _ => {}
    }
    extensions(f.rest(), &mut |kind, body| {
        if &kind == b"sinf" {
            protected(t, body);
        }
    });
}

/// The format inside an encrypted entry (8.12.2).
fn protected(t: &mut Track, body: &[u8]) {
    t.encrypted = true;
    extensions(body, &mut |kind, body| {
        if let (b"frma", Some(inner)) = (&kind, body.first_chunk::<4>()) {
            t.codec = *inner;
        }
    });
}

/// Boxes behind the fixed part of a sample entry.
fn extensions(bytes: &[u8], each: &mut dyn FnMut(Kind, &[u8])) {
    let mut f = Fields::new(bytes);
    while let (Some(size), Some(kind)) = (f.u32(), f.array::<4>()) {
        let Some(body) = (size as usize).checked_sub(8).and_then(|n| f.take(n)) else { break };
        each(kind, body);
    }
}

/// Duration by the segment index.
fn indexed(source: &dyn Source, boxes: &Boxes) -> Result<Option<f64>> {
    let mut total = 0.0;
    for node in boxes.of(*b"sidx") {
        let bytes = node.table(source)?;
        let mut f = Fields::new(&bytes);
        let Some((version, _)) = f.full() else { return Ok(None) };
        let (Some(_), Some(scale)) = (f.u32(), f.u32()) else { return Ok(None) };
        let _ = (f.by_version(version), f.by_version(version));
        let count = f.u32().unwrap_or(0) & 0xffff;
        let mut ticks = 0_u64;
        for _ in 0..count {
            let (Some(word), Some(duration), Some(_)) = (f.u32(), f.u32(), f.u32()) else { return Ok(None) };
            // A reference to another index says nothing that one does not say itself.
            if word >> 31 == 0 {
                ticks = ticks.saturating_add(duration.into());
            }
        }
        total += seconds(ticks, scale).unwrap_or(0.0);
    }
    Ok((total > 0.0).then_some(total))
}

/// Duration of the first track by counting the samples of its fragments.
fn counted(source: &dyn Source, boxes: &Boxes, moov: &Node) -> Result<Option<f64>> {
    let Some(trak) = moov.of(*b"trak").next() else { return Ok(None) };
    let id = track(source, trak)?.id;
    let Some(mdhd) = trak.find(&[*b"mdia", *b"mdhd"]) else { return Ok(None) };
    let Some((scale, ..)) = header(&head(source, mdhd, 40)?, 0) else { return Ok(None) };
    let mut default = 0;
    for trex in moov.of(*b"mvex").flat_map(|m| m.of(*b"trex")) {
        let bytes = head(source, trex, 24)?;
        let mut f = Fields::new(&bytes);
        if let (Some(_), Some(track), Some(_), Some(duration)) = (f.u32(), f.u32(), f.u32(), f.u32())
            && track == id
        {
            default = duration;
        }
    }
    let mut ticks = 0_u64;
    for traf in boxes.of(*b"moof").flat_map(|m| m.of(*b"traf")) {
        let Some(tfhd) = traf.of(*b"tfhd").next() else { continue };
        let bytes = head(source, tfhd, 40)?;
        let mut f = Fields::new(&bytes);
        let (Some((_, flags)), Some(track)) = (f.full(), f.u32()) else { continue };
        if track != id {
            continue;
        }
        let _ = (flags & 1 != 0).then(|| f.u64());
        let _ = (flags & 2 != 0).then(|| f.u32());
        let duration = if flags & 8 == 0 { default } else { f.u32().unwrap_or(default) };
        for trun in traf.of(*b"trun") {
            ticks = ticks.saturating_add(run(&trun.table(source)?, duration));
        }
    }
    Ok(seconds(ticks, scale).filter(|d| *d > 0.0))
}

/// Ticks of one run of samples (8.8.8).
fn run(bytes: &[u8], default: u32) -> u64 {
    let mut f = Fields::new(bytes);
    let (Some((_, flags)), Some(count)) = (f.full(), f.u32()) else { return 0 };
    if flags & 0x100 == 0 {
        return u64::from(count).saturating_mul(default.into());
    }
    let _ = (flags & 1 != 0).then(|| f.u32());
    let _ = (flags & 4 != 0).then(|| f.u32());
    // Of duration, size, flags and composition offset, what is there stands in this order.
    let others = [0x200, 0x400, 0x800].iter().filter(|bit| flags & **bit != 0).count();
    let mut ticks = 0_u64;
    for _ in 0..count {
        let Some(duration) = f.u32() else { break };
        ticks = ticks.saturating_add(duration.into());
        if f.take(others.saturating_mul(4)).is_none() {
            break;
        }
    }
    ticks
}
