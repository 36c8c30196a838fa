//! The hard binding of files that are not held in memory, hashed here.
//!
//! The library does the same (and does it for everything in memory), but reads up to 256 MiB at a time. What is answered
//! here is what it answers, for the forms of the assertion that nearly every file carries; for any other the library is
//! asked. `c2pa.hash.data` (C2PA 2.4, 9.2.3): every byte that no range excludes. `c2pa.hash.bmff` (9.2.5): every box of the
//! file that no exclusion names, with its offset in front; boxes excluded whole, one hash, no tree of hashes.

use std::ops::Range;

use c2pa::assertions::{BmffHash, DataHash, ExclusionsMap};
use colophon_container::bmff;
use colophon_core::{Binder, Error, ErrorKind, Limits, Result, Source};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::store;

/// Bytes read at a time.
const PIECE: u64 = 1 << 18;
/// Label of the binding by ranges.
const DATA: &str = "c2pa.hash.data";
/// Labels of the bindings by boxes; the first form of the assertion did not hash offsets.
const LABELS: [&str; 2] = ["c2pa.hash.bmff.v3", "c2pa.hash.bmff.v2"];

/// What a store binds, as far as it is of the form described above.
pub(crate) struct Bound {
    hash: Vec<u8>,
    algorithm: String,
    form: Form,
}

/// What is not hashed.
enum Form {
    /// Ranges, in order.
    Data(Vec<Range<u64>>),
    /// Boxes.
    Boxes(Vec<ExclusionsMap>),
}

impl Bound {
    /// The binding of the active manifest of a store; `None` for another form.
    pub(crate) fn of(store: &[u8]) -> Option<Self> {
        let active = store::active(store).filter(|a| !a.compressed)?;
        // Several would be an error, which is the library's to report.
        let [(label, cbor)] = active.bindings.as_slice() else { return None };
        if *label == DATA {
            let assertion: DataHash = coset::cbor::de::from_reader(*cbor).ok()?;
            if assertion.url.is_some() {
                return None;
            }
            let ranges = assertion.exclusions.iter().flatten();
            let ranges = ranges.map(|r| Some(r.start()..r.start().checked_add(r.length())?));
            let form = Form::Data(ranges.collect::<Option<_>>()?);
            return Some(Self { hash: assertion.hash, algorithm: assertion.alg?, form });
        }
        if !LABELS.contains(label) {
            return None;
        }
        let assertion: BmffHash = coset::cbor::de::from_reader(*cbor).ok()?;
        if assertion.merkle().is_some() || assertion.is_remote_hash() {
            return None;
        }
        Some(Self {
            hash: assertion.hash()?.clone(),
            algorithm: assertion.alg().cloned()?,
            form: Form::Boxes(assertion.exclusions().to_vec()),
        })
    }

    /// Whether the digest of the same content is the one bound.
    pub(crate) fn is(&self, digest: &[u8]) -> bool {
        self.hash == digest
    }

    /// Whether the file is the one that was bound; `None` when its exclusions are of another form.
    ///
    /// # Errors
    /// Reading errors.
    pub(crate) fn holds(&self, source: &dyn Source, limits: &Limits) -> Result<Option<bool>> {
        let hashed = match &self.form {
            Form::Data(excluded) => kept(excluded, source.len()),
            Form::Boxes(exclusions) => boxes(source, exclusions, limits)?,
        };
        let Some(parts) = hashed else { return Ok(None) };
        Ok(match self.algorithm.as_str() {
            "sha256" => Some(digest::<Sha256>(source, &parts)? == self.hash),
            "sha384" => Some(digest::<Sha384>(source, &parts)? == self.hash),
            "sha512" => Some(digest::<Sha512>(source, &parts)? == self.hash),
            _ => None,
        })
    }

    /// What the library needs to see of a file whose content it is not asked about; `None` when it cannot do without.
    pub(crate) fn head(&self, source: &dyn Source) -> Result<Option<Vec<u8>>> {
        match self.form {
            Form::Data(_) => Ok(Some(vec![0])),
            Form::Boxes(_) => file_type(source),
        }
    }
}

/// A stretch that is hashed, and whether its offset goes in front.
type Part = (Range<u64>, bool);

/// What ranges leave of a file; `None` where they are not in order inside it.
fn kept(excluded: &[Range<u64>], len: u64) -> Option<Vec<Part>> {
    let (mut parts, mut at) = (Vec::new(), 0);
    for r in excluded {
        if r.start < at || r.end > len {
            return None;
        }
        parts.push((at..r.start, false));
        at = r.end;
    }
    parts.push((at..len, false));
    Some(parts)
}

/// The boxes of a file that no exclusion names; `None` for exclusions of another form.
fn boxes(source: &dyn Source, exclusions: &[ExclusionsMap], limits: &Limits) -> Result<Option<Vec<Part>>> {
    let boxes = bmff::walk(source, limits)?;
    let simple = |e: &ExclusionsMap| {
        let root = e.xpath.strip_prefix('/').is_some_and(|name| name.len() == 4 && name.is_ascii());
        let whole = e.length.is_none() && e.subset.is_none() && e.version.is_none() && e.flags.is_none();
        root && whole && e.exact.is_none()
    };
    // Trailing bytes belong to no box: the library's answer to them is kept.
    if boxes.end != source.len() || exclusions.is_empty() || !exclusions.iter().all(simple) {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for node in &boxes.roots {
        let mut excluded = false;
        for e in exclusions.iter().filter(|e| e.xpath.as_bytes().get(1..) == Some(node.kind.as_slice())) {
            let mut all = true;
            for d in e.data.iter().flatten() {
                let at = node.range.start.saturating_add(d.offset);
                all &= source.bytes_up_to(at, d.value.len() as u64)?.as_ref() == d.value.as_slice();
            }
            excluded |= all;
        }
        if !excluded {
            parts.push((node.range.clone(), true));
        }
    }
    Ok(Some(parts))
}

/// What a manifest with the library's usual exclusions binds: all but the manifest's own box, and boxes that players and
/// packagers may change (`ftyp`, `mfra`, `free`, `skip`).
///
/// # Errors
/// Reading errors; `Unsupported` for bytes outside of every box.
pub(crate) fn usual(source: &dyn Source, limits: &Limits) -> Result<Rolling> {
    let boxes = bmff::walk(source, limits)?;
    if boxes.end != source.len() {
        return Err(Error::new(ErrorKind::Unsupported, "bytes after the last box cannot be signed over")
            .at_offset(boxes.end));
    }
    let parts = boxes.roots.iter().filter(|node| match &node.kind {
        b"ftyp" | b"mfra" | b"free" | b"skip" => false,
        b"uuid" => node.uuid != Some(bmff::metadata::C2PA_UUID),
        _ => true,
    });
    Ok(Rolling::new(parts.map(|node| (node.range.clone(), true)).collect()))
}

/// Everything but a range.
pub(crate) fn without(source: &dyn Source, range: Option<&Range<u64>>) -> Rolling {
    let excluded = range.map(std::slice::from_ref).unwrap_or_default();
    Rolling::new(kept(excluded, source.len()).unwrap_or_default())
}

/// Hashes the parts of a file from its bytes in order.
pub(crate) struct Rolling {
    hash: Sha256,
    /// Parts to come, the next one last.
    parts: Vec<Part>,
    /// Bytes seen.
    at: u64,
}

impl Rolling {
    fn new(mut parts: Vec<Part>) -> Self {
        parts.reverse();
        Self { hash: Sha256::new(), parts, at: 0 }
    }
}

impl Binder for Rolling {
    fn update(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len() as u64;
        while let Some((range, located)) = self.parts.last_mut() {
            if range.start >= end && range.start < range.end {
                break;
            }
            if std::mem::take(located) {
                self.hash.update(range.start.to_be_bytes());
            }
            let (from, to) = (range.start.max(self.at) - self.at, range.end.min(end).max(self.at) - self.at);
            self.hash.update(bytes.get(from as usize..to as usize).unwrap_or_default());
            if range.end > end {
                break;
            }
            self.parts.pop();
        }
        self.at = end;
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.hash.finalize().to_vec()
    }
}

/// The first box of the file: what the library needs to see of a file whose content it is not asked about.
fn file_type(source: &dyn Source) -> Result<Option<Vec<u8>>> {
    let head = source.bytes_up_to(0, 8)?;
    let (Some(size), Some(b"ftyp")) = (head.first_chunk::<4>(), head.get(4..8)) else { return Ok(None) };
    let size = u64::from(u32::from_be_bytes(*size));
    if !(8..=4096).contains(&size) || size > source.len() {
        return Ok(None);
    }
    Ok(Some(source.bytes(0, size)?.into_owned()))
}

fn digest<D: Digest>(source: &dyn Source, parts: &[Part]) -> Result<Vec<u8>> {
    let mut hash = D::new();
    let mut buffer = vec![0; PIECE as usize];
    for (range, located) in parts {
        if *located {
            hash.update(range.start.to_be_bytes());
        }
        let mut at = range.start;
        while at < range.end {
            let len = (range.end - at).min(PIECE);
            let piece = buffer.get_mut(..len as usize).unwrap_or_default();
            source.read_exact_at(at, piece)?;
            hash.update(&*piece);
            at += len;
        }
    }
    Ok(hash.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolling_over_pieces_of_any_length_is_hashing_the_parts() {
        let bytes: Vec<u8> = (0..=255).collect();
        let parts: Vec<Part> =
            vec![(0..0, true), (3..10, true), (10..11, false), (40..200, true), (256..256, true)];
        let whole = digest::<Sha256>(&bytes, &parts).unwrap();
        for len in 1..=256 {
            let mut rolling = Rolling::new(parts.clone());
            bytes.chunks(len).for_each(|piece| rolling.update(piece));
            assert_eq!(Box::new(rolling).finish(), whole, "pieces of {len}");
        }
    }
}
