//! Metadata values that several picture formats keep in the same way.

use std::ops::Range;

use colophon_container::exif::{self, Exif};
use colophon_core::{Entry, Error, Layout, Limits, Result, Slot};

/// An Exif block inside a file.
pub(crate) struct Block {
    /// What it says; nothing when it is broken.
    pub(crate) exif: Exif,
    /// Its texts as entries.
    pub(crate) entries: Vec<Entry>,
}

/// Reads the block that begins at byte `at` of the file and is kept in `place`. A broken one is a note.
pub(crate) fn exif(block: &[u8], at: u64, place: &str, limits: &Limits) -> Block {
    let exif = match exif::read(block, limits) {
        Ok(exif) => exif,
        Err(e) => Exif { orientation: 1, notes: vec![format!("{place}: {e}")], ..Exif::default() },
    };
    let entries = exif
        .texts
        .iter()
        .map(|text| Entry {
            slot: Slot::Exif,
            key: text.name.to_owned(),
            value: text.value.clone().into_bytes(),
            place: format!("{place} {}", text.name),
            range: at + text.range.start..at + text.range.end,
            normative: false,
        })
        .collect();
    Block { exif, entries }
}

/// A range inside a block that begins at `at` and is `len` bytes long, counted from its beginning.
pub(crate) fn inside(range: &Range<u64>, at: u64, len: u64) -> Option<Range<u64>> {
    (range.start >= at && range.end <= at + len).then(|| range.start - at..range.end - at)
}

/// Width and height as shown under an orientation.
pub(crate) fn shown(width: u32, height: u32, orientation: u8) -> (u32, u32) {
    if orientation >= 5 { (height, width) } else { (width, height) }
}

/// Ends the walk of a damaged file: with what was read before the damage, or with the damage itself where none of that may
/// hold a mark. To call marks absent from a file that was hardly read would be a claim without a ground.
///
/// # Errors
/// The damage.
pub(crate) fn damaged(layout: &mut Layout, damage: Option<Error>) -> Result<()> {
    match damage {
        Some(e) if !layout.entries.iter().any(may_hold_a_mark) => Err(e),
        Some(e) => {
            layout.damage = Some(e.to_string());
            Ok(())
        }
        None => Ok(()),
    }
}

/// Places of marks, and free text that names the label or one of its fields (GB 45438-2025, Annex E).
fn may_hold_a_mark(entry: &Entry) -> bool {
    let names = |text: &[u8]| {
        [&b"AIGC"[..], b"ContentProducer"].iter().any(|n| text.windows(n.len()).any(|w| w == *n))
    };
    matches!(entry.slot, Slot::Xmp | Slot::Field | Slot::Jumbf)
        || names(entry.key.as_bytes())
        || names(&entry.value)
}
