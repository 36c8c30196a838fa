//! Chunks that point at samples, and the length of the whole, after an insertion.

use colophon_container::riff::{Chunk, Riff};
use colophon_core::{Limits, Patch, Result, Source};

/// Moves every position by the frames that are inserted at or before it, `(at, frames)` each: cue points, loops of samplers, and the
/// number of samples in `fact`. Chunks that do not hold together are left alone.
///
/// # Errors
/// Reading errors.
pub(super) fn shift(
    source: &dyn Source,
    riff: &Riff,
    inserts: &[(u64, u64)],
    limits: &Limits,
    patch: &mut Patch,
) -> Result<()> {
    let added = |was: u64| inserts.iter().filter(|(at, _)| *at <= was).map(|(_, n)| n).sum::<u64>();
    for chunk in &riff.chunks {
        // Offsets of the 32-bit fields inside the chunk.
        let fields: Vec<u64> = match &chunk.id {
            // A count, then 24 bytes each: name, position in the play order, chunk id, chunk, block, sample offset.
            b"cue " => table(source, chunk, 0, 4, 24, limits)?.flat_map(|p| [p + 4, p + 20]).collect(),
            // Nine fields, the eighth the number of loops of 24 bytes: id, type, start, end, fraction, count.
            b"smpl" => table(source, chunk, 28, 36, 24, limits)?.flat_map(|p| [p + 8, p + 12]).collect(),
            _ => continue,
        };
        for field in fields {
            let offset = chunk.data.start + field;
            let bytes = source.bytes(offset, 4)?;
            let Some(was) = bytes.first_chunk().map(|b| u32::from_le_bytes(*b)) else { continue };
            let more = added(u64::from(was));
            if more > 0 {
                let now = u64::from(was).saturating_add(more).min(u64::from(u32::MAX)) as u32;
                patch.replace(offset..offset + 4, now.to_le_bytes());
            }
        }
    }
    if let Some(fact) = riff.of(*b"fact").next().filter(|c| c.data.end - c.data.start >= 4) {
        let bytes = source.bytes(fact.data.start, 4)?;
        if let Some(was) = bytes.first_chunk().map(|b| u32::from_le_bytes(*b)) {
            // All bits set: the length stands in ds64.
            if was != u32::MAX {
                let now = u64::from(was).saturating_add(added(u64::MAX)).min(u64::from(u32::MAX)) as u32;
                patch.replace(fact.data.start..fact.data.start + 4, now.to_le_bytes());
            }
        }
    }
    Ok(())
}

/// Offsets of the rows of a table in a chunk: the count stands at `count_at`, rows of `row` bytes begin at `first`.
fn table(
    source: &dyn Source,
    chunk: &Chunk,
    count_at: u64,
    first: u64,
    row: u64,
    limits: &Limits,
) -> Result<impl Iterator<Item = u64> + use<>> {
    let len = chunk.data.end - chunk.data.start;
    let mut count = 0;
    if len >= first {
        let bytes = source.bytes(chunk.data.start + count_at, 4)?;
        count = bytes.first_chunk().map_or(0, |b| u64::from(u32::from_le_bytes(*b)));
    }
    let fits = len.saturating_sub(first) / row;
    Ok((0..count.min(fits).min(limits.parts as u64)).map(move |i| first + i * row))
}
