//! JUMBF boxes in APP11 segments (ISO/IEC 19566-5, Annex D; C2PA 2.2, A.3.1).

use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};

use super::{Content, FORMAT, Jpeg, marker_name};

/// Type of the description box of a C2PA manifest store (C2PA 2.2, 11.1.4.1).
const C2PA: &[u8] = b"c2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71";

/// One box that was spread over segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jumbf {
    /// The box, joined, with its header.
    pub store: Vec<u8>,
    /// From the first segment to the last.
    pub range: Range<u64>,
    /// Its description box names a C2PA manifest store.
    pub c2pa: bool,
}

/// Every box, in file order.
///
/// # Errors
/// `Limit` when one is longer than [`Limits::metadata_bytes`].
pub fn boxes(jpeg: &Jpeg, source: &dyn Source, limits: &Limits) -> Result<Vec<Jumbf>> {
    let mut found: Vec<(u16, u32, Jumbf)> = Vec::new();
    for s in &jpeg.segments {
        if s.content(source)? != Content::Jumbf {
            continue;
        }
        let bytes = s.bytes(source)?;
        // "JP", box instance, sequence number, then the box header, which every segment repeats.
        let [_, _, n0, n1, z0, z1, z2, z3, rest @ ..] = &*bytes else { continue };
        let (instance, sequence) = (u16::from_be_bytes([*n0, *n1]), u32::from_be_bytes([*z0, *z1, *z2, *z3]));
        let header = if rest.starts_with(&[0, 0, 0, 1]) { 16 } else { 8 };
        let joins = |(i, z, _): &&mut (u16, u32, Jumbf)| *i == instance && z.checked_add(1) == Some(sequence);
        if let Some((_, z, joined)) = found.last_mut().filter(joins) {
            *z = sequence;
            joined.store.extend_from_slice(rest.get(header..).unwrap_or_default());
            joined.range.end = s.range.end;
            if joined.store.len() as u64 > limits.metadata_bytes {
                return Err(Error::limit(format!(
                    "a JUMBF box of more than {} bytes",
                    limits.metadata_bytes
                ))
                .in_format(FORMAT)
                .at_place(marker_name(s.marker))
                .at_offset(joined.range.start));
            }
        } else {
            let jumbf = Jumbf { store: rest.to_vec(), range: s.range.clone(), c2pa: false };
            found.push((instance, sequence, jumbf));
        }
    }
    let named = |mut j: Jumbf| {
        // Box header, then `jumd` with its own header, then the type.
        let header = if j.store.starts_with(&[0, 0, 0, 1]) { 16_usize } else { 8 };
        let description = j.store.get(header..).unwrap_or_default();
        j.c2pa = description.get(4..8) == Some(b"jumd")
            && description.get(8..).is_some_and(|d| d.starts_with(C2PA));
        j
    };
    Ok(found.into_iter().map(|(_, _, j)| named(j)).collect())
}
