//! WebP: chunks of a RIFF form (RFC 9649).
//!
//! A file with metadata needs the extended header that says so; it is made where a simple file has none, and its flags
//! follow what is there.

use colophon_core::{Error, ErrorKind, Limits, Patch, Result, Source};

use crate::riff::{self, Change, Chunk, Id, Riff};

const FORMAT: &str = "webp";
/// Flags of the extended header (RFC 9649, 2.7).
pub mod flag {
    /// An `ICCP` chunk.
    pub const ICC: u8 = 0x20;
    /// Some pixel is not opaque.
    pub const ALPHA: u8 = 0x10;
    /// An `EXIF` chunk.
    pub const EXIF: u8 = 0x08;
    /// An `XMP ` chunk.
    pub const XMP: u8 = 0x04;
    /// An animation.
    pub const ANIMATION: u8 = 0x02;
}
/// The extended header.
pub const VP8X: Id = *b"VP8X";
/// The XMP packet.
pub const XMP: Id = *b"XMP ";
/// The Exif block.
pub const EXIF: Id = *b"EXIF";

/// A walked file.
#[derive(Clone, Debug)]
pub struct Webp {
    /// Its chunks.
    pub riff: Riff,
    /// Width of the canvas in pixels.
    pub width: u32,
    /// Height of the canvas in pixels.
    pub height: u32,
    /// Flags of the extended header, when there is one.
    pub flags: Option<u8>,
    /// Some pixel may not be opaque.
    pub alpha: bool,
    /// The first picture is coded without loss.
    pub lossless: bool,
}

/// Walks the chunks.
///
/// # Errors
/// `Malformed` when it is no WebP file, a chunk announces more than there is, or the picture is missing; `Limit` for too
/// many chunks.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Webp> {
    let (file, damage) = survey(source, limits)?;
    damage.map_or(Ok(file), Err)
}

/// [`walk`] for readers of marks: a file whose picture is damaged gives its chunks, and what the damage is.
///
/// # Errors
/// As [`walk`], for the chunks and for limits.
pub fn survey(source: &dyn Source, limits: &Limits) -> Result<(Webp, Option<Error>)> {
    let riff = riff::walk(source, limits).map_err(|e| e.in_format(FORMAT))?;
    if &riff.form != b"WEBP" {
        return Err(malformed(format!("the form is {}, not WEBP", riff::name(riff.form))).at_offset(8));
    }
    let (picture, damage) = match first_picture(source, &riff) {
        Ok(picture) => (picture, None),
        Err(e) if e.kind() == ErrorKind::Malformed => ((0, 0, false, false), Some(e)),
        Err(e) => return Err(e),
    };
    let (width, height, alpha, lossless) = picture;
    let mut webp = Webp { riff, width, height, flags: None, alpha, lossless };
    if let Some(first) = webp.riff.chunks.first().filter(|c| c.id == VP8X) {
        let len = first.data.end.saturating_sub(first.data.start).min(10);
        let data = source.bytes(first.data.start, len)?;
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = &*data else {
            return Err(malformed("the extended header is too short")
                .at_place("VP8X")
                .at_offset(first.range.start));
        };
        webp.flags = Some(flags);
        webp.width = u32::from_le_bytes([w0, w1, w2, 0]).saturating_add(1);
        webp.height = u32::from_le_bytes([h0, h1, h2, 0]).saturating_add(1);
        webp.alpha = flags & flag::ALPHA != 0;
    }
    Ok((webp, damage))
}

/// An extended header.
pub fn header(flags: u8, width: u32, height: u32) -> [u8; 10] {
    let [w0, w1, w2, _] = width.saturating_sub(1).to_le_bytes();
    let [h0, h1, h2, _] = height.saturating_sub(1).to_le_bytes();
    [flags, 0, 0, 0, w0, w1, w2, h0, h1, h2]
}

impl Webp {
    /// Chunks of one id.
    pub fn of(&self, id: Id) -> impl Iterator<Item = &Chunk> {
        self.riff.of(id)
    }

    /// The splices that make the changes; the extended header is made or its flags are put right.
    ///
    /// # Errors
    /// As [`Riff::edit`].
    pub fn edit(&self, source: &dyn Source, changes: &[Change], limits: &Limits) -> Result<Patch> {
        let made = self.riff.edit(source, changes, limits).map_err(|e| e.in_format(FORMAT))?;
        let there = |id: Id| {
            let removed = |c: &&Chunk| {
                changes.iter().any(|change| matches!(change, Change::Remove(range) if *range == c.range))
            };
            let set = changes.iter().any(|change| matches!(change, Change::Set(set, _) if *set == id));
            set || !self.of(id).all(|c| removed(&c))
        };
        let mut flags = self.flags.unwrap_or(if self.alpha { flag::ALPHA } else { 0 });
        for (id, bit) in [(XMP, flag::XMP), (EXIF, flag::EXIF)] {
            flags = if there(id) { flags | bit } else { flags & !bit };
        }
        let mut patch = Patch::new();
        for splice in made.splices().iter().filter(|s| s.range != (4..8)) {
            patch.replace(splice.range.clone(), splice.with.clone());
        }
        match (self.flags, self.riff.chunks.first()) {
            (Some(old), Some(first)) if old != flags => {
                patch.replace(first.data.start..first.data.start.saturating_add(1), vec![flags]);
            }
            (None, _) if flags & (flag::XMP | flag::EXIF) != 0 => {
                let chunk = riff::encode(VP8X, &header(flags, self.width, self.height))?;
                // Before what may already be inserted there: a header comes first.
                let mut first = Patch::new();
                first.insert(12, chunk);
                for splice in patch.splices() {
                    first.replace(splice.range.clone(), splice.with.clone());
                }
                patch = first;
            }
            _ => {}
        }
        if !patch.is_empty() {
            let size = patch.output_len(self.riff.end).saturating_sub(8);
            let size = u32::try_from(size).map_err(|_| Error::limit("more than 4 GiB").in_format(FORMAT))?;
            patch.replace(4..8, size.to_le_bytes());
        }
        Ok(patch)
    }
}

/// Width, height, alpha and losslessness of the first picture, which may be inside a frame of an animation.
fn first_picture(source: &dyn Source, riff: &Riff) -> Result<(u32, u32, bool, bool)> {
    let mut alpha = false;
    for chunk in &riff.chunks {
        match &chunk.id {
            b"ALPH" => alpha = true,
            b"VP8 " => return lossy(source, chunk.data.start).map(|(w, h)| (w, h, alpha, false)),
            b"VP8L" => return lossless(source, chunk.data.start),
            b"ANMF" => {
                // Behind the frame's place, size, duration and flags stand chunks of the same kind.
                let mut at = chunk.data.start.saturating_add(16);
                while at < chunk.data.end {
                    let head = source.bytes_up_to(at, 8)?;
                    let (Some(id), Some(size)) = (head.first_chunk::<4>(), head.last_chunk::<4>()) else {
                        break;
                    };
                    let data = at.saturating_add(8);
                    match id {
                        b"ALPH" => alpha = true,
                        b"VP8 " => return lossy(source, data).map(|(w, h)| (w, h, alpha, false)),
                        b"VP8L" => return lossless(source, data),
                        _ => {}
                    }
                    let size = u64::from(u32::from_le_bytes(*size));
                    at = data.saturating_add(size).saturating_add(size & 1);
                }
            }
            _ => {}
        }
    }
    Err(malformed("there is no picture"))
}

/// Size in the header of a lossy key frame (RFC 6386, 9.1).
fn lossy(source: &dyn Source, at: u64) -> Result<(u32, u32)> {
    let head = source.bytes_up_to(at, 10)?;
    let &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = &*head else {
        return Err(malformed("the picture does not begin with a key frame").at_place("VP8").at_offset(at));
    };
    let (w, h) = (u16::from_le_bytes([w0, w1]) & 0x3fff, u16::from_le_bytes([h0, h1]) & 0x3fff);
    if w == 0 || h == 0 {
        return Err(malformed(format!("{w} × {h} pixels")).at_place("VP8").at_offset(at));
    }
    Ok((u32::from(w), u32::from(h)))
}

/// Size and alpha in the header of a lossless picture (RFC 9649, 3.4).
fn lossless(source: &dyn Source, at: u64) -> Result<(u32, u32, bool, bool)> {
    let head = source.bytes_up_to(at, 5)?;
    let &[0x2f, a, b, c, d] = &*head else {
        return Err(malformed("the lossless picture has no signature").at_place("VP8L").at_offset(at));
    };
    let bits = u32::from_le_bytes([a, b, c, d]);
    let side = |n: u32| (n & 0x3fff).saturating_add(1);
    Ok((side(bits), side(bits >> 14), bits >> 28 & 1 == 1, true))
}

fn malformed(why: impl Into<String>) -> Error {
    Error::malformed(FORMAT, why)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    /// A lossless picture's header for 7 × 5 pixels with alpha, and nothing behind it.
    const PICTURE: [u8; 5] = [0x2f, 6, 0, 1, 0x10];

    fn file(chunks: &[(Id, &[u8])]) -> Vec<u8> {
        let body: Vec<u8> = chunks.iter().flat_map(|(id, data)| riff::encode(*id, data).unwrap()).collect();
        let mut out = b"RIFF".to_vec();
        out.extend((body.len() as u32 + 4).to_le_bytes());
        out.extend(b"WEBP");
        out.extend(body);
        out
    }

    fn edited(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
        let limits = Limits::default();
        walk(&bytes, &limits).unwrap().edit(&bytes, changes, &limits).unwrap().apply_to_vec(&bytes).unwrap()
    }

    fn ids(bytes: &[u8]) -> Vec<String> {
        let webp = walk(&bytes, &Limits::default()).unwrap();
        assert!(webp.riff.notes.is_empty(), "{:?}", webp.riff.notes);
        webp.riff.chunks.iter().map(|c| riff::name(c.id)).collect()
    }

    #[test]
    fn a_simple_file_gets_an_extended_header_with_its_metadata() {
        let bytes = file(&[(*b"VP8L", &PICTURE)]);
        let out = edited(&bytes, &[Change::Set(XMP, b"<x/>".to_vec())]);
        assert_eq!(ids(&out), ["VP8X", "VP8L", "XMP "]);
        let webp = walk(&out, &Limits::default()).unwrap();
        assert_eq!(webp.flags, Some(flag::ALPHA | flag::XMP));
        assert_eq!((webp.width, webp.height), (7, 5));
        assert_eq!(edited(&out, &[Change::Set(XMP, b"<x/>".to_vec())]), out);
    }

    #[test]
    fn flags_follow_what_is_there() {
        let bytes = file(&[(VP8X, &header(flag::EXIF, 7, 5)), (*b"VP8L", &PICTURE), (EXIF, b"II")]);
        let out = edited(&bytes, &[Change::Set(XMP, b"<x/>".to_vec())]);
        let webp = walk(&out, &Limits::default()).unwrap();
        assert_eq!(webp.flags, Some(flag::EXIF | flag::XMP));
        let xmp = webp.of(XMP).next().unwrap().range.clone();
        let back = edited(&out, &[Change::Remove(xmp)]);
        assert_eq!(back, bytes);
    }

    #[test]
    fn pictures_without_size_or_picture_are_refused() {
        assert!(walk(&file(&[]), &Limits::default()).is_err());
        assert!(
            walk(&file(&[(*b"VP8 ", &[0, 0, 0, 0x9d, 1, 0x2a, 0, 0, 1, 0])]), &Limits::default()).is_err()
        );
        assert!(walk(&file(&[(VP8X, &[0; 4]), (*b"VP8L", &PICTURE)]), &Limits::default()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let bytes = file(&[(*b"ANMF", &noise), (*b"VP8L", &PICTURE)]);
            let _ = walk(&bytes, &Limits::default());
            let _ = walk(&[b"RIFF\xff\0\0\0WEBP", noise.as_slice()].concat(), &Limits::default());
        }
    }
}
