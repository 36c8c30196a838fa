//! Positions that are stored in the file, and what becomes of them.

use std::ops::Range;

use colophon_core::{Error, Limits, Patch, Result, Source};

use super::walk::{Chunk, FORMAT, File, number};

/// Longest index that is read, in bytes: sixteen for each of some four million pieces of media.
const MAX_INDEX: u64 = 64 << 20;

/// A number of 64 bits that is a position in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Where it stands.
    at: u64,
    /// What it says.
    to: u64,
}

/// Reads an index of OpenDML ("AVI File Format Extensions", 3.0): an index of indexes in the headers, whose entries lead to
/// indexes among the media with a base of their own, or an index of media itself.
///
/// # Errors
/// `Limit`, reading errors.
pub(super) fn read(
    source: &dyn Source,
    chunk: &Chunk,
    limits: &Limits,
    positions: &mut Vec<Position>,
    indexes: &mut Vec<Range<u64>>,
) -> Result<()> {
    let len = chunk.data.end.saturating_sub(chunk.data.start);
    if len > MAX_INDEX {
        return Err(Error::limit("an index is longer than allowed")
            .in_format(FORMAT)
            .at_offset(chunk.range.start));
    }
    let bytes = source.bytes(chunk.data.start, len)?;
    let (Some(kind), Some(count)) = (bytes.get(3), number(&bytes, 4)) else { return Ok(()) };
    let mut base = |data: &[u8], start: u64| {
        if let Some(to) = data.get(12..).and_then(<[u8]>::first_chunk::<8>) {
            positions.push(Position { at: start.saturating_add(12), to: u64::from_le_bytes(*to) });
        }
    };
    if *kind != 0 {
        base(&bytes, chunk.data.start);
        return Ok(());
    }
    let mut entries = Vec::new();
    for i in 0..(count as usize).min(limits.parts) {
        let at = i.saturating_mul(16).saturating_add(24);
        let Some(to) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) else { break };
        entries
            .push(Position { at: chunk.data.start.saturating_add(at as u64), to: u64::from_le_bytes(*to) });
    }
    for entry in &entries {
        let head = source.bytes_up_to(entry.to, 32)?;
        let Some(size) = number(&head, 4).filter(|_| head.starts_with(b"ix") && head.len() == 32) else {
            continue;
        };
        let end = entry.to.saturating_add(8).saturating_add(size.into()).saturating_add(u64::from(size & 1));
        indexes.push(entry.to..end.min(source.len()));
        base(head.get(8..).unwrap_or_default(), entry.to.saturating_add(8));
    }
    positions.extend(entries);
    Ok(())
}

/// The patch, with the length of the form and every position put right.
///
/// # Errors
/// `Limit` where 32 bits do not hold the result.
pub(super) fn finish(
    source: &dyn Source,
    file: &File,
    splices: Vec<(Range<u64>, Vec<u8>)>,
    limits: &Limits,
) -> Result<Patch> {
    let mut patch = Patch::new();
    for (range, with) in splices {
        patch.replace(range, with);
    }
    let grown = i128::from(patch.output_len(source.len())).saturating_sub(i128::from(source.len()));
    let size = i128::from(file.end).saturating_sub(8).saturating_add(grown);
    let size = u32::try_from(size)
        .map_err(|_| Error::limit("the form would be longer than 4 GiB").in_format(FORMAT))?;
    let mut out = patch.clone();
    for p in &file.positions {
        if let Some(to) = patch.map(p.to).filter(|to| *to != p.to) {
            out.replace(p.at..p.at.saturating_add(8), to.to_le_bytes().to_vec());
        }
    }
    old_index(source, file, &patch, limits, &mut out)?;
    let stated = source.bytes(4, 4)?;
    if stated.as_ref() != size.to_le_bytes() {
        out.replace(4..8, size.to_le_bytes().to_vec());
    }
    Ok(out)
}

/// The index of the first version counts from the media, in files of some writers from the start of the file.
fn old_index(
    source: &dyn Source,
    file: &File,
    patch: &Patch,
    limits: &Limits,
    out: &mut Patch,
) -> Result<()> {
    let movi = file.chunks.iter().find(|c| c.list == Some(*b"movi"));
    let index = file.chunks.iter().find(|c| &c.id == b"idx1");
    let (Some(movi), Some(index)) = (movi, index) else { return Ok(()) };
    if patch.map(movi.range.start) == Some(movi.range.start) {
        return Ok(());
    }
    let len = index.data.end.saturating_sub(index.data.start);
    if len > MAX_INDEX || len / 16 > limits.parts as u64 {
        return Err(Error::limit("the index is longer than allowed")
            .in_format(FORMAT)
            .at_offset(index.range.start));
    }
    let mut bytes = source.bytes(index.data.start, len)?.into_owned();
    let absolute = match (bytes.first_chunk::<4>(), number(&bytes, 8)) {
        (Some(id), Some(to)) => source.bytes_up_to(to.into(), 4)?.as_ref() == id,
        _ => false,
    };
    if !absolute {
        return Ok(());
    }
    for entry in bytes.chunks_exact_mut(16) {
        let to = number(entry, 8).and_then(|to| patch.map(to.into()));
        if let (Some(to), Some(place)) = (to, entry.get_mut(8..12)) {
            let to = u32::try_from(to)
                .map_err(|_| Error::limit("a position would outgrow its 32 bits").in_format(FORMAT))?;
            place.copy_from_slice(&to.to_le_bytes());
        }
    }
    out.replace(index.data.clone(), bytes);
    Ok(())
}
