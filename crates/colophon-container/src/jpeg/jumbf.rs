//! JUMBF boxes in APP11 segments (ISO/IEC 19566-5, Annex D; C2PA 2.2, A.3.1).

use std::ops::Range;

use colophon_core::{Error, Limits, Patch, Result, Source};

use super::{Content, FORMAT, Jpeg, MAX_DATA, encode, marker, marker_name};

/// Type of the description box of a C2PA manifest store (C2PA 2.2, 11.1.4.1).
const C2PA: &[u8] = b"c2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71";

/// Box instance of the manifest store, where no other box of the file has it (C2PA implementations use the same).
const INSTANCE: u16 = 0x0211;
/// "JP", box instance, sequence number.
const HEADER: usize = 2 + 2 + 4;

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

/// Makes `store` the one C2PA manifest store: in the place of the first that is there, else behind JFIF, Exif and XMP. Other
/// boxes stay.
///
/// # Errors
/// `Malformed` for a store that is no box with a header of 8 bytes; as [`boxes`].
pub fn set_manifest(
    jpeg: &Jpeg,
    source: &dyn Source,
    store: &[u8],
    limits: &Limits,
    patch: &mut Patch,
) -> Result<()> {
    let all = boxes(jpeg, source, limits)?;
    let old: Vec<&Jumbf> = all.iter().filter(|b| b.c2pa).collect();
    let new = spread(store)?;
    let inside = |range: &Range<u64>, b: &Jumbf| b.range.start <= range.start && range.end <= b.range.end;
    let mut gone = Vec::new();
    for s in &jpeg.segments {
        if s.content(source)? == Content::Jumbf && old.iter().any(|b| inside(&s.range, b)) {
            gone.push(s.range.clone());
        }
    }
    let Some((first, others)) = gone.split_first() else {
        patch.insert(jpeg.xmp_place(source)?, new);
        return Ok(());
    };
    // Segments of one box follow each other: as one splice, a store of the same length moves nothing.
    let together = others.iter().try_fold(first.end, |end, r| (r.start == end).then_some(r.end));
    if let Some(end) = together {
        patch.replace(first.start..end, new);
    } else {
        patch.replace(first.clone(), new);
        for range in others {
            patch.remove(range.clone());
        }
    }
    Ok(())
}

/// A box as APP11 segments, each of which repeats the header of the box.
fn spread(store: &[u8]) -> Result<Vec<u8>> {
    let (header, mut rest) = match store.split_first_chunk::<8>() {
        Some((header, rest)) if header.first_chunk::<4>() != Some(&[0, 0, 0, 1]) => (header, rest),
        _ => return Err(Error::malformed(FORMAT, "the manifest store is no box")),
    };
    let room = MAX_DATA.saturating_sub(HEADER).saturating_sub(header.len());
    let mut out = Vec::with_capacity(store.len());
    for number in 1_u32.. {
        let (now, later) = rest.split_at(rest.len().min(room));
        let (instance, number) = (INSTANCE.to_be_bytes(), number.to_be_bytes());
        out.extend(encode(marker::APP11, &[b"JP", &instance[..], &number, header, now].concat())?);
        if later.is_empty() {
            break;
        }
        rest = later;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::walk;

    fn store(len: usize) -> Vec<u8> {
        let mut store = (len as u32).to_be_bytes().to_vec();
        store.extend(b"jumb\0\0\0\x1ejumd");
        store.extend(C2PA);
        store.extend((store.len()..len).map(|i| i as u8));
        store
    }

    /// A picture of one grey block with these segments behind the start.
    fn file(segments: &[u8]) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8];
        out.extend(segments);
        out.extend([0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
        out.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x55, 0xff, 0xd9]);
        out
    }

    fn set(bytes: &[u8], store: &[u8]) -> Vec<u8> {
        let (limits, mut patch) = (Limits::default(), Patch::new());
        let jpeg = walk(&bytes, &limits).unwrap();
        set_manifest(&jpeg, &bytes, store, &limits, &mut patch).unwrap();
        patch.apply_to_vec(&bytes).unwrap()
    }

    fn manifests(bytes: &[u8]) -> Vec<Jumbf> {
        let limits = Limits::default();
        boxes(&walk(&bytes, &limits).unwrap(), &bytes, &limits).unwrap()
    }

    #[test]
    fn a_store_of_any_length_is_read_as_it_was_written() {
        for len in [40, MAX_DATA - HEADER, MAX_DATA - HEADER + 1, 200_000] {
            let out = set(&file(&[]), &store(len));
            let found = manifests(&out);
            let one = |found: &[Jumbf]| matches!(found, [f] if f.c2pa && f.store == store(len));
            assert!(one(&found), "{len}");
            let again = set(&out, &store(len));
            assert_eq!(again, out);
        }
    }

    #[test]
    fn there_is_one_manifest_afterwards_and_other_boxes_stay() {
        let other = encode(marker::APP11, b"JP\0\x07\0\0\0\x01\0\0\0\x10jumb12345678").unwrap();
        let two = [spread(&store(70_000)).unwrap(), other.clone(), spread(&store(50)).unwrap()].concat();
        let out = set(&file(&two), &store(60));
        let found = manifests(&out);
        assert_eq!(found.iter().filter(|b| b.c2pa).count(), 1);
        assert_eq!(found.iter().find(|b| b.c2pa).unwrap().store, store(60));
        assert!(out.windows(other.len()).any(|w| w == other));
    }

    #[test]
    fn what_is_no_box_is_refused() {
        assert!(spread(b"short").is_err());
        assert!(spread(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
