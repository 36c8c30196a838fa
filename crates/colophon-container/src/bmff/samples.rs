//! The samples of a track, and the beginning of an H.264 track replaced by samples that were encoded anew.
//!
//! Sources: ISO/IEC 14496-12, 8.6 and 8.7 (sample tables); ISO/IEC 14496-15, 5.3.3 (the AVC configuration); ITU-T H.264,
//! 7.3.1 and 7.3.2 (NAL units and parameter sets).

use std::ops::Range;

use colophon_core::{Error, Patch, Result, Source};

use super::edit::{Cut, patch};
use super::{Boxes, FORMAT, Fields, Kind, Node, encode, name};

/// Most samples of a track that are listed: 37 hours at 30 pictures a second.
const MAX_SAMPLES: u64 = 4 << 20;
/// Most bytes of new samples, which are held in memory.
const MAX_NEW: u64 = 256 << 20;
/// Boxes of a sample table that are understood here. Another one may say something of single samples that a change of
/// samples would make wrong.
const KNOWN: &[&Kind] = &[b"stsd", b"stts", b"ctts", b"stsz", b"stsc", b"stco", b"co64", b"stss", b"sdtp"];

/// The samples of a track in the order of decoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Where each stands in the file.
    pub ranges: Vec<Range<u64>>,
    /// When each is shown, in ticks of the track.
    pub shown: Vec<i64>,
    /// Which are points to start from. Without a list, all are.
    pub sync: Vec<bool>,
    /// When each is decoded, in ticks of the track.
    decoded: Vec<i64>,
    /// Number of the chunk that each stands in.
    chunk: Vec<usize>,
}

/// The configuration of an H.264 track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcConfig {
    /// Profile, compatibility and level.
    pub profile: [u8; 3],
    /// Bytes of the length in front of each NAL unit.
    pub length_size: usize,
    /// Sequence parameter sets.
    pub sequences: Vec<Vec<u8>>,
    /// Picture parameter sets.
    pub pictures: Vec<Vec<u8>>,
    /// What follows them: chroma format and depths.
    rest: Vec<u8>,
}

/// Lists the samples of the track with this number.
///
/// # Errors
/// `Unsupported` for tables that are not understood whole, naming the box; `Malformed`; `Limit`.
pub fn read(source: &dyn Source, boxes: &Boxes, track: usize) -> Result<Samples> {
    let table = table(boxes, track)?;
    for child in &table.children {
        if !KNOWN.contains(&&child.kind) {
            return Err(Error::unsupported(FORMAT, format!("a {} box lists samples", name(child.kind)))
                .at_offset(child.range.start));
        }
    }
    let sizes = sizes(source, table)?;
    let count = sizes.len();
    let mut samples = Samples {
        sync: sync(source, table, count)?,
        decoded: times(source, table, count)?,
        ..Samples::default()
    };
    let offsets = composition(source, table, count)?;
    samples.shown = samples.decoded.iter().zip(offsets).map(|(t, o)| t.saturating_add(o)).collect();
    place(source, table, &sizes, &mut samples)?;
    if samples.ranges.iter().any(|r| r.end > source.len()) {
        return Err(table.malformed("a sample stands behind the end of the file"));
    }
    Ok(samples)
}

/// Reads the configuration of the track with this number.
///
/// # Errors
/// `Unsupported` when its samples are not H.264 with the parameter sets in the sample entry alone, or of several kinds;
/// `Malformed`.
pub fn avc_config(source: &dyn Source, boxes: &Boxes, track: usize) -> Result<AvcConfig> {
    let stsd = stsd(boxes, track)?;
    let bytes = stsd.table(source)?;
    let range = avcc(&bytes).ok_or_else(|| {
        Error::unsupported(FORMAT, "the track is not of one kind of H.264 samples")
            .at_offset(stsd.range.start)
    })?;
    let body = bytes.get(range).unwrap_or_default();
    AvcConfig::parse(body.get(8..).unwrap_or_default())
        .ok_or_else(|| stsd.malformed("the avcC box is cut short"))
}

/// Replaces the first samples of a track: `new` are theirs in the order of showing, which is that of decoding for them, with
/// the bytes from another file. Each is decoded when the sample in its place was, and shown when the pictures before were.
/// `config` replaces the configuration.
///
/// # Errors
/// `Unsupported` when tracks share bytes, or times cannot be kept; `Malformed`; `Limit`.
pub fn replace_head(
    source: &dyn Source,
    boxes: &Boxes,
    track: usize,
    samples: &Samples,
    new: (&dyn Source, &[Range<u64>], &[bool]),
    config: &AvcConfig,
) -> Result<Patch> {
    let table = table(boxes, track)?;
    let (from, ranges, sync) = new;
    let head = ranges.len();
    let total: u64 = ranges.iter().map(|r| r.end.saturating_sub(r.start)).fold(0, u64::saturating_add);
    if total > MAX_NEW {
        return Err(Error::limit(format!("{total} bytes of new samples")).in_format(FORMAT));
    }
    let mut cuts = media(source, boxes, samples, (from, ranges))?;
    not_shared(source, boxes, track, &cuts)?;

    if let Some(stsz) = table.of(*b"stsz").next() {
        let sizes = ranges.iter().map(|r| u32::try_from(r.end.saturating_sub(r.start)).unwrap_or(u32::MAX));
        let with: Vec<u8> = sizes.flat_map(u32::to_be_bytes).collect();
        cuts.push(Cut::in_place(stsz.body.start.saturating_add(12), with));
    }
    if let Some(sdtp) = table.of(*b"sdtp").next() {
        // Nothing is said of what the new samples depend on.
        let with = vec![
            0;
            head.min(
                usize::try_from(sdtp.body.end.saturating_sub(sdtp.body.start)).unwrap_or(0).saturating_sub(4)
            )
        ];
        cuts.push(Cut::in_place(sdtp.body.start.saturating_add(4), with));
    }
    if let Some(stss) = table.of(*b"stss").next() {
        let keys = sync.iter().chain(samples.sync.iter().skip(head)).enumerate();
        let keys: Vec<u32> =
            keys.filter(|(_, k)| **k).filter_map(|(i, _)| u32::try_from(i).ok()?.checked_add(1)).collect();
        let mut body = vec![0; 4];
        body.extend((keys.len() as u32).to_be_bytes());
        body.extend(keys.into_iter().flat_map(u32::to_be_bytes));
        let with = encode(*b"stss", &body)?;
        cuts.push(Cut { range: stss.range.clone(), with, owner: Some(table.range.clone()) });
    } else if !sync.iter().all(|s| *s) {
        return Err(Error::unsupported(FORMAT, "every sample is a point to start from"));
    }
    let mut shown: Vec<i64> = samples.shown.iter().take(head).copied().collect();
    shown.sort_unstable();
    let offsets: Vec<i64> = shown
        .iter()
        .chain(samples.shown.iter().skip(head))
        .zip(&samples.decoded)
        .map(|(shown, decoded)| shown.saturating_sub(*decoded))
        .collect();
    if let Some(ctts) = table.of(*b"ctts").next() {
        let with = runs(source, ctts, &offsets)?;
        cuts.push(Cut { range: ctts.range.clone(), with, owner: Some(table.range.clone()) });
    } else if offsets.iter().any(|o| *o != 0) {
        return Err(Error::unsupported(FORMAT, "the order of showing cannot be said"));
    }
    let stsd = stsd(boxes, track)?;
    let bytes = stsd.table(source)?;
    let old = avcc(&bytes).ok_or_else(|| stsd.malformed("there is no avcC box"))?;
    let with = described(&bytes, &old, &encode(*b"avcC", &config.bytes())?)?;
    cuts.push(Cut { range: stsd.range.clone(), with, owner: Some(table.range.clone()) });
    patch(source, boxes, cuts)
}

impl AvcConfig {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut f = Fields::new(body);
        let [_version, profile, compatibility, level, lengths] = f.array()?;
        let sequences = sets(&mut f, 0x1f)?;
        let pictures = sets(&mut f, 0xff)?;
        let length_size = usize::from(lengths & 3).saturating_add(1);
        Some(Self {
            profile: [profile, compatibility, level],
            length_size,
            sequences,
            pictures,
            rest: f.rest().to_vec(),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let lengths = u8::try_from(self.length_size.saturating_sub(1)).unwrap_or(3) & 3;
        let [profile, compatibility, level] = self.profile;
        let mut out = vec![1, profile, compatibility, level, 0xfc | lengths];
        for (list, mask) in [(&self.sequences, 0xe0_u8), (&self.pictures, 0)] {
            out.push(mask | u8::try_from(list.len()).unwrap_or(u8::MAX));
            for set in list {
                out.extend(u16::try_from(set.len()).unwrap_or(u16::MAX).to_be_bytes());
                out.extend(set);
            }
        }
        out.extend(&self.rest);
        out
    }

    /// A number that no parameter set of this configuration has.
    pub fn free_number(&self) -> Option<u8> {
        let sequences: Option<Vec<u32>> = self.sequences.iter().map(|s| number(s, 4)).collect();
        let pictures: Option<Vec<u32>> = self.pictures.iter().map(|s| number(s, 1)).collect();
        let (sequences, pictures) = (sequences?, pictures?);
        (1..31_u8).find(|n| !sequences.contains(&u32::from(*n)) && !pictures.contains(&u32::from(*n)))
    }

    /// This configuration with the parameter sets of another one; `None` where the two are not of one profile and form, or
    /// numbers meet.
    pub fn joined(&self, other: &Self) -> Option<Self> {
        let numbers = |c: &Self| -> Option<(Vec<u32>, Vec<u32>)> {
            let sequences: Option<Vec<u32>> = c.sequences.iter().map(|s| number(s, 4)).collect();
            let pictures: Option<Vec<u32>> = c.pictures.iter().map(|s| number(s, 1)).collect();
            Some((sequences?, pictures?))
        };
        let (own, others) = (numbers(self)?, numbers(other)?);
        let meet = own.0.iter().any(|n| others.0.contains(n)) || own.1.iter().any(|n| others.1.contains(n));
        let [profile, compatibility, level] = self.profile;
        let [p, c, l] = other.profile;
        let few = self.sequences.len().saturating_add(other.sequences.len()) <= 31
            && self.pictures.len().saturating_add(other.pictures.len()) <= 255;
        // Of what follows the sets, extensions of sequence parameter sets are the last part: none are joined.
        let plain = |c: &Self| matches!(c.rest.as_slice(), [] | [_, _, _, 0]);
        let same = profile == p && self.length_size == other.length_size && plain(self) && plain(other);
        let alike = self.rest.is_empty() || other.rest.is_empty() || self.rest == other.rest;
        (!meet && few && same && alike).then(|| Self {
            profile: [profile, compatibility & c, level.max(l)],
            length_size: self.length_size,
            sequences: [self.sequences.as_slice(), &other.sequences].concat(),
            pictures: [self.pictures.as_slice(), &other.pictures].concat(),
            rest: if self.rest.is_empty() { other.rest.clone() } else { self.rest.clone() },
        })
    }
}

/// The types of the NAL units of a sample, in order.
///
/// # Errors
/// `Malformed` for lengths that do not fill the sample; reading errors.
pub fn nal_types(source: &dyn Source, sample: &Range<u64>, length_size: usize) -> Result<Vec<u8>> {
    let broken = || Error::malformed(FORMAT, "a sample is not a list of NAL units").at_offset(sample.start);
    let mut types = Vec::new();
    let mut at = sample.start;
    while at < sample.end {
        let head = source.bytes_up_to(at, (length_size as u64).saturating_add(1))?;
        let mut f = Fields::new(&head);
        let len = f.uint(length_size).filter(|n| *n > 0).ok_or_else(broken)?;
        types.push(f.u8().ok_or_else(broken)? & 31);
        at = at.saturating_add(length_size as u64).saturating_add(len);
        if types.len() > 10_000 {
            return Err(broken());
        }
    }
    if at == sample.end { Ok(types) } else { Err(broken()) }
}

fn table(boxes: &Boxes, track: usize) -> Result<&Node> {
    let moov = boxes.movie()?;
    let trak = moov.of(*b"trak").nth(track);
    trak.and_then(|t| t.find(&[*b"mdia", *b"minf", *b"stbl"]))
        .ok_or_else(|| moov.malformed("a track has no sample table"))
}

fn stsd(boxes: &Boxes, track: usize) -> Result<&Node> {
    let table = table(boxes, track)?;
    table.of(*b"stsd").next().ok_or_else(|| table.malformed("a track says nothing of its samples"))
}

/// Where `avcC` stands in the content of `stsd`, when there is one sample entry, `avc1`.
fn avcc(stsd: &[u8]) -> Option<Range<usize>> {
    let mut f = Fields::new(stsd);
    let (_, count, size, kind) = (f.u32()?, f.u32()?, f.u32()?, f.array::<4>()?);
    if count != 1 || &kind != b"avc1" {
        return None;
    }
    let end = (size as usize).checked_add(8).filter(|e| *e <= stsd.len())?;
    // A visual sample entry has 78 bytes in front of its boxes (12.1.3).
    let mut at = 8_usize.saturating_add(8).saturating_add(78);
    while at < end {
        let mut f = Fields::new(stsd.get(at..end)?);
        let (len, kind) = (f.u32()? as usize, f.array::<4>()?);
        let next = at.checked_add(len).filter(|n| len >= 8 && *n <= end)?;
        if &kind == b"avcC" {
            return Some(at..next);
        }
        at = next;
    }
    None
}

/// `stsd` with another `avcC` in the place of the old one.
fn described(stsd: &[u8], old: &Range<usize>, avcc: &[u8]) -> Result<Vec<u8>> {
    let part = |r: Range<usize>| stsd.get(r).unwrap_or_default();
    let size = Fields::new(part(8..12)).u32().unwrap_or(0);
    let grown = i64::from(size)
        .saturating_add(avcc.len() as i64)
        .saturating_sub(old.end.saturating_sub(old.start) as i64);
    let size = u32::try_from(grown).map_err(|_| Error::limit("a sample entry of 4 GiB").in_format(FORMAT))?;
    let body =
        [part(0..8), &size.to_be_bytes(), part(12..old.start), avcc, part(old.end..stsd.len())].concat();
    encode(*b"stsd", &body)
}

fn sets(f: &mut Fields<'_>, mask: u8) -> Option<Vec<Vec<u8>>> {
    (0..f.u8()? & mask)
        .map(|_| {
            let len = f.u16()?;
            f.take(len.into()).map(<[u8]>::to_vec)
        })
        .collect()
}

/// The number of a parameter set: the Exp-Golomb code (H.264, 9.1) behind `skip` bytes.
fn number(set: &[u8], skip: usize) -> Option<u32> {
    let word =
        set.get(skip..)?.iter().chain([0; 4].iter()).take(4).fold(0_u32, |w, b| w << 8 | u32::from(*b));
    let zeros = word.leading_zeros();
    (zeros < 12).then(|| (word >> 31_u32.saturating_sub(zeros.saturating_mul(2))).saturating_sub(1))
}

/// Content of a box of the table behind version and flags, with the version.
fn entries<'a>(bytes: &'a [u8], node: &Node) -> Result<(u8, Fields<'a>)> {
    let mut f = Fields::new(bytes);
    let (version, _) = f.full().ok_or_else(|| node.malformed("the box is too short"))?;
    Ok((version, f))
}

fn sizes(source: &dyn Source, table: &Node) -> Result<Vec<u32>> {
    let node = table.of(*b"stsz").next();
    let node = node.ok_or_else(|| Error::unsupported(FORMAT, "the sizes of samples stand in no stsz box"))?;
    let bytes = node.table(source)?;
    let (_, mut f) = entries(&bytes, node)?;
    let (Some(uniform), Some(count)) = (f.u32(), f.u32()) else {
        return Err(node.malformed("the box is too short"));
    };
    if u64::from(count) > MAX_SAMPLES {
        return Err(Error::limit(format!("a track of {count} samples")).in_format(FORMAT));
    }
    if uniform != 0 {
        return Err(Error::unsupported(FORMAT, "the samples are said to be of one size"));
    }
    let list: Option<Vec<u32>> = (0..count).map(|_| f.u32()).collect();
    list.ok_or_else(|| node.malformed("fewer entries than announced"))
}

/// Values that are listed as runs, one for each sample.
fn spread(node: &Node, f: &mut Fields<'_>, count: usize, signed: bool) -> Result<Vec<i64>> {
    let mut out = Vec::with_capacity(count);
    let short = || node.malformed("the entries do not belong to the number of samples");
    for _ in 0..f.u32().ok_or_else(short)? {
        let (Some(run), Some(value)) = (f.u32(), f.u32()) else { return Err(short()) };
        let run = run as usize;
        if run > count.saturating_sub(out.len()) {
            return Err(short());
        }
        let value = if signed { i64::from(value as i32) } else { i64::from(value) };
        out.extend(std::iter::repeat_n(value, run));
    }
    if out.len() == count { Ok(out) } else { Err(short()) }
}

fn times(source: &dyn Source, table: &Node, count: usize) -> Result<Vec<i64>> {
    let node = table.of(*b"stts").next().ok_or_else(|| table.malformed("no times are said"))?;
    let bytes = node.table(source)?;
    let (_, mut f) = entries(&bytes, node)?;
    let mut at = 0_i64;
    let durations = spread(node, &mut f, count, false)?;
    Ok(durations
        .into_iter()
        .map(|d| {
            let now = at;
            at = at.saturating_add(d);
            now
        })
        .collect())
}

fn composition(source: &dyn Source, table: &Node, count: usize) -> Result<Vec<i64>> {
    let Some(node) = table.of(*b"ctts").next() else { return Ok(vec![0; count]) };
    let bytes = node.table(source)?;
    let (_, mut f) = entries(&bytes, node)?;
    // QuickTime counts with a sign in either version, and no clip needs 2³¹ ticks of another.
    spread(node, &mut f, count, true)
}

/// The composition offsets as a box of runs, in the version of the old one.
fn runs(source: &dyn Source, old: &Node, offsets: &[i64]) -> Result<Vec<u8>> {
    let head = source.bytes(old.body.start, 4)?.into_owned();
    let mut list: Vec<(u32, i32)> = Vec::new();
    for offset in offsets {
        let value = i32::try_from(*offset).ok().filter(|v| *v >= 0 || head.first() == Some(&1));
        let value = value
            .ok_or_else(|| Error::unsupported(FORMAT, "a picture would be shown before it is decoded"))?;
        match list.last_mut() {
            Some((run, last)) if *last == value => *run = run.saturating_add(1),
            _ => list.push((1, value)),
        }
    }
    let mut body = head;
    body.extend(u32::try_from(list.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend(list.into_iter().flat_map(|(run, v)| [run.to_be_bytes(), v.to_be_bytes()].concat()));
    encode(*b"ctts", &body)
}

fn sync(source: &dyn Source, table: &Node, count: usize) -> Result<Vec<bool>> {
    let Some(node) = table.of(*b"stss").next() else { return Ok(vec![true; count]) };
    let bytes = node.table(source)?;
    let (_, mut f) = entries(&bytes, node)?;
    let mut out = vec![false; count];
    let short = || node.malformed("fewer entries than announced");
    for _ in 0..f.u32().ok_or_else(short)? {
        let number = f.u32().ok_or_else(short)? as usize;
        if let Some(s) = number.checked_sub(1).and_then(|i| out.get_mut(i)) {
            *s = true;
        }
    }
    Ok(out)
}

/// Where the samples stand, from chunks and what they hold.
fn place(source: &dyn Source, table: &Node, sizes: &[u32], samples: &mut Samples) -> Result<()> {
    let offsets = chunk_offsets(source, table)?;
    let node = table.of(*b"stsc").next().ok_or_else(|| table.malformed("nothing is said of chunks"))?;
    let bytes = node.table(source)?;
    let (_, mut f) = entries(&bytes, node)?;
    let short = || node.malformed("fewer entries than announced");
    let mut runs: Vec<(usize, u32)> = Vec::new();
    for _ in 0..f.u32().ok_or_else(short)? {
        let (Some(first), Some(each), Some(kind)) = (f.u32(), f.u32(), f.u32()) else { return Err(short()) };
        if kind != 1 {
            return Err(Error::unsupported(FORMAT, "the samples of the track are of several kinds"));
        }
        runs.push(((first as usize).saturating_sub(1), each));
    }
    let mut sizes = sizes.iter();
    let mut run = 0_usize;
    for (chunk, offset) in offsets.into_iter().enumerate() {
        while runs.get(run.saturating_add(1)).is_some_and(|(first, _)| *first <= chunk) {
            run = run.saturating_add(1);
        }
        let mut at = offset;
        for _ in 0..runs.get(run).map_or(0, |(_, each)| *each) {
            let Some(size) = sizes.next() else { break };
            let end = at.saturating_add(u64::from(*size));
            samples.ranges.push(at..end);
            samples.chunk.push(chunk);
            at = end;
        }
    }
    if sizes.next().is_some() {
        return Err(node.malformed("there are more samples than the chunks hold"));
    }
    Ok(())
}

fn chunk_offsets(source: &dyn Source, table: &Node) -> Result<Vec<u64>> {
    let (node, width) = match (table.of(*b"stco").next(), table.of(*b"co64").next()) {
        (Some(node), _) => (node, 4),
        (None, Some(node)) => (node, 8),
        (None, None) => return Err(table.malformed("no chunk is said to stand anywhere")),
    };
    let bytes = node.table(source)?;
    let (_, mut f) = entries(&bytes, node)?;
    let short = || node.malformed("fewer entries than announced");
    let count = f.u32().ok_or_else(short)?;
    if u64::from(count) > MAX_SAMPLES {
        return Err(Error::limit(format!("a track of {count} chunks")).in_format(FORMAT));
    }
    let list: Option<Vec<u64>> = (0..count).map(|_| f.uint(width)).collect();
    list.ok_or_else(short)
}

/// The new bytes in the place of the old ones, chunk by chunk.
fn media(
    source: &dyn Source,
    boxes: &Boxes,
    samples: &Samples,
    (from, ranges): (&dyn Source, &[Range<u64>]),
) -> Result<Vec<Cut>> {
    let mut cuts: Vec<Cut> = Vec::new();
    let mut last = None;
    let places = samples.ranges.iter().zip(&samples.chunk);
    for ((old, chunk), new) in places.zip(ranges) {
        let bytes = from.bytes(new.start, new.end.saturating_sub(new.start))?;
        match cuts.last_mut() {
            Some(cut) if last == Some(*chunk) => {
                cut.range.end = old.end;
                cut.with.extend_from_slice(&bytes);
            }
            _ => cuts.push(Cut { range: old.clone(), with: bytes.into_owned(), owner: None }),
        }
        last = Some(*chunk);
    }
    for cut in &mut cuts {
        let holds = |n: &&Node| n.body.start <= cut.range.start && cut.range.end <= n.body.end;
        let mdat = boxes.of(*b"mdat").find(holds).ok_or_else(|| {
            Error::unsupported(FORMAT, "samples stand outside the media box").at_offset(cut.range.start)
        })?;
        cut.owner = Some(mdat.range.clone());
    }
    cuts.sort_by_key(|c| c.range.start);
    let overlap = cuts.windows(2).any(|w| matches!(w, [a, b] if a.range.end > b.range.start));
    if overlap || cuts.iter().any(|c| c.range.end > source.len()) {
        return Err(Error::unsupported(FORMAT, "samples of the track share bytes"));
    }
    Ok(cuts)
}

/// No chunk of another track, and no later one of this track, begins inside what is replaced.
fn not_shared(source: &dyn Source, boxes: &Boxes, track: usize, cuts: &[Cut]) -> Result<()> {
    let tracks = boxes.movie()?.of(*b"trak").count();
    for other in 0..tracks {
        for offset in chunk_offsets(source, table(boxes, other)?)? {
            let inside = |c: &Cut| {
                (c.range.start < offset && offset < c.range.end)
                    || (other != track && offset == c.range.start && !c.range.is_empty())
            };
            let near = cuts.partition_point(|c| c.range.end <= offset);
            if cuts.get(near).is_some_and(inside) {
                return Err(Error::unsupported(FORMAT, "tracks share bytes").at_offset(offset));
            }
        }
    }
    Ok(())
}
