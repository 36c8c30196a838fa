//! The hard binding of ISO base media files, hashed here for files that are not held in memory.
//!
//! C2PA 2.4, 9.2.5: every box of the file that no exclusion names is hashed, with its offset in front. The library does
//! the same (and does it for everything in memory), but reads up to 256 MiB at a time. What is answered here is what it
//! answers, for the form of the assertion that nearly every file carries: boxes of the file excluded whole, one hash,
//! no tree of hashes. For any other form the library is asked.

use c2pa::assertions::{BmffHash, ExclusionsMap};
use colophon_container::bmff::{self, Boxes, Node};
use colophon_core::{Error, ErrorKind, Limits, Result, Source};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::store;

/// Bytes read at a time.
const PIECE: u64 = 1 << 18;
/// Labels of the forms that are hashed this way; the first form of the assertion did not hash offsets.
const LABELS: [&str; 2] = ["c2pa.hash.bmff.v3", "c2pa.hash.bmff.v2"];

/// What a store binds, as far as it is of the form described above.
pub(crate) struct Bound {
    hash: Vec<u8>,
    algorithm: String,
    exclusions: Vec<ExclusionsMap>,
}

impl Bound {
    /// The binding of the active manifest of a store; `None` for another form.
    pub(crate) fn of(store: &[u8]) -> Option<Self> {
        let active = store::active(store).filter(|a| !a.compressed)?;
        // Several would be an error, which is the library's to report.
        let [(label, cbor)] = active.bindings.as_slice() else { return None };
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
            exclusions: assertion.exclusions().to_vec(),
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
        let boxes = bmff::walk(source, limits)?;
        let simple = |e: &ExclusionsMap| {
            let root = e.xpath.strip_prefix('/').is_some_and(|name| name.len() == 4 && name.is_ascii());
            let whole = e.length.is_none() && e.subset.is_none() && e.version.is_none() && e.flags.is_none();
            root && whole && e.exact.is_none()
        };
        // Trailing bytes belong to no box: the library's answer to them is kept.
        if boxes.end != source.len() || self.exclusions.is_empty() || !self.exclusions.iter().all(simple) {
            return Ok(None);
        }
        let excluded = |node: &Node| -> Result<bool> {
            for e in &self.exclusions {
                if e.xpath.as_bytes().get(1..) != Some(node.kind.as_slice()) {
                    continue;
                }
                let mut all = true;
                for d in e.data.iter().flatten() {
                    let at = node.range.start.saturating_add(d.offset);
                    all &= source.bytes_up_to(at, d.value.len() as u64)?.as_ref() == d.value.as_slice();
                }
                if all {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        Ok(match self.algorithm.as_str() {
            "sha256" => Some(digest::<Sha256>(source, &boxes, &excluded)? == self.hash),
            "sha384" => Some(digest::<Sha384>(source, &boxes, &excluded)? == self.hash),
            "sha512" => Some(digest::<Sha512>(source, &boxes, &excluded)? == self.hash),
            _ => None,
        })
    }
}

/// The digest that a manifest with the library's usual exclusions binds: the manifest's own box, and boxes that players
/// and packagers may change (`ftyp`, `mfra`, `free`, `skip`).
///
/// # Errors
/// Reading errors; `Unsupported` for bytes outside of every box.
pub(crate) fn usual(source: &dyn Source, limits: &Limits) -> Result<Vec<u8>> {
    let boxes = bmff::walk(source, limits)?;
    if boxes.end != source.len() {
        return Err(Error::new(ErrorKind::Unsupported, "bytes after the last box cannot be signed over")
            .at_offset(boxes.end));
    }
    digest::<Sha256>(source, &boxes, &|node| {
        Ok(match &node.kind {
            b"ftyp" | b"mfra" | b"free" | b"skip" => true,
            b"uuid" => node.uuid == Some(bmff::metadata::C2PA_UUID),
            _ => false,
        })
    })
}

/// The first box of the file: what the library needs to see of a file whose content it is not asked about.
pub(crate) fn file_type(source: &dyn Source) -> Result<Option<Vec<u8>>> {
    let head = source.bytes_up_to(0, 8)?;
    let (Some(size), Some(b"ftyp")) = (head.first_chunk::<4>(), head.get(4..8)) else { return Ok(None) };
    let size = u64::from(u32::from_be_bytes(*size));
    if !(8..=4096).contains(&size) || size > source.len() {
        return Ok(None);
    }
    Ok(Some(source.bytes(0, size)?.into_owned()))
}

fn digest<D: Digest>(
    source: &dyn Source,
    boxes: &Boxes,
    excluded: &dyn Fn(&Node) -> Result<bool>,
) -> Result<Vec<u8>> {
    let mut hash = D::new();
    let mut buffer = vec![0; PIECE as usize];
    for node in &boxes.roots {
        if excluded(node)? {
            continue;
        }
        hash.update(node.range.start.to_be_bytes());
        let mut at = node.range.start;
        while at < node.range.end {
            let len = (node.range.end - at).min(PIECE);
            let piece = buffer.get_mut(..len as usize).unwrap_or_default();
            source.read_exact_at(at, piece)?;
            hash.update(&*piece);
            at += len;
        }
    }
    Ok(hash.finalize().to_vec())
}
