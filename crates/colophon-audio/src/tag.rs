//! ID3v2 tags as metadata slots, for MP3 and for tags in front of other formats.

use colophon_container::id3::{self, Change, Content, Tag};
use colophon_core::{Edit, Entry, Error, Patch, Result, Slot, Source};

/// Media type of a manifest (C2PA 2.1, A.3.3), and the one it had before.
const C2PA: &str = "application/c2pa";
const C2PA_OLD: &str = "application/x-c2pa-manifest-store";
/// Owner of the private frame that holds XMP (XMP specification part 3, 2.3.3).
const XMP_OWNER: &str = "XMP";

/// Where the tag at the head of a file ends, when there is one. The head may be shorter than the tag.
pub(crate) fn end(head: &[u8]) -> Option<usize> {
    let &[b'I', b'D', b'3', _, _, flags, a, b, c, d] = head.first_chunk::<10>()? else { return None };
    let size = [a, b, c, d].iter().fold(0_usize, |n, b| (n << 7) | usize::from(b & 0x7f));
    Some(size + 10 + if flags & 0x10 != 0 { 10 } else { 0 })
}

/// The head of a file as it would be with an empty tag, when the tag it begins with is longer than `head`.
pub(crate) fn head_behind(head: &[u8], source: &dyn Source) -> Option<Vec<u8>> {
    let at = end(head).filter(|at| *at >= head.len())?;
    let mut shown = b"ID3\x04\0\0\0\0\0\0".to_vec();
    shown.extend_from_slice(&source.bytes_up_to(at as u64, head.len() as u64).ok()?);
    Some(shown)
}

/// Where the tags at the end of the file begin: ID3v1, and APEv2 before it.
///
/// # Errors
/// Reading errors.
pub(crate) fn end_of_sound(source: &dyn Source, start: u64) -> Result<u64> {
    let mut end = source.len();
    if let Some(at) = end.checked_sub(128).filter(|at| *at >= start)
        && *source.bytes(at, 3)? == *b"TAG"
    {
        end = at;
    }
    if let Some(at) = end.checked_sub(32).filter(|at| *at >= start) {
        let footer = source.bytes(at, 32)?;
        if footer.starts_with(b"APETAGEX") {
            let number = |at: usize| {
                footer
                    .get(at..)
                    .and_then(<[u8]>::first_chunk)
                    .map_or(0, |b| u64::from(u32::from_le_bytes(*b)))
            };
            // The size counts the footer, not the header that may stand in front.
            let header = if number(20) & 0x8000_0000 == 0 { 0 } else { 32 };
            end = end.checked_sub(number(12) + header).filter(|e| *e >= start && *e <= at).unwrap_or(end);
        }
    }
    Ok(end)
}

/// Every value of a tag that may hold a mark.
pub(crate) fn entries(tag: &Tag) -> Vec<Entry> {
    let mut entries = Vec::new();
    for frame in &tag.frames {
        let Some(content) = tag.content(frame) else { continue };
        let (slot, key, value, place) = match content {
            Content::Text { description, text } if description.to_ascii_uppercase().contains("AIGC") => {
                let place = format!("ID3v2 TXXX {description}");
                (Slot::Field, description, text.into_bytes(), place)
            }
            Content::Private { owner, data } if owner == XMP_OWNER => {
                (Slot::Xmp, "xmp".to_owned(), data, "ID3v2 PRIV XMP".to_owned())
            }
            Content::Object { mime, data } if mime == C2PA || mime == C2PA_OLD => {
                (Slot::Jumbf, "c2pa".to_owned(), data, format!("ID3v2 GEOB {mime}"))
            }
            Content::Comment { description, text } => {
                let place = format!("ID3v2 COMM {description}");
                (Slot::Comment, "COMM".to_owned(), text.into_bytes(), place)
            }
            _ => continue,
        };
        let normative = key == "AIGC" || slot != Slot::Field;
        entries.push(Entry { slot, key, value, place, range: frame.range.clone(), normative });
    }
    entries
}

/// The frame that carries a field.
pub(crate) fn set_field(key: &str, value: &[u8]) -> Change {
    let text = String::from_utf8_lossy(value).into_owned();
    Change::Set { content: Content::Text { description: key.to_owned(), text }, instead: &[] }
}

/// The frame that carries an XMP packet.
pub(crate) fn set_xmp(value: &[u8]) -> Change {
    let content = Content::Private { owner: XMP_OWNER.to_owned(), data: value.to_vec() };
    Change::Set { content, instead: &[] }
}

/// The frame that carries a manifest.
pub(crate) fn set_jumbf(value: &[u8]) -> Change {
    let content = Content::Object { mime: C2PA.to_owned(), data: value.to_vec() };
    Change::Set { content, instead: &[C2PA_OLD] }
}

/// The removal of a field that stands in a tag where another place is the normative one.
pub(crate) fn stale_field(tag: Option<&Tag>, key: &str) -> Option<Change> {
    let tag = tag?;
    let stale = |f: &&id3::Frame| matches!(tag.content(f), Some(Content::Text { description, .. }) if description == key);
    tag.frames.iter().find(stale).map(|f| Change::Remove(f.range.clone()))
}

/// Adds the splice that makes the changes to `tag`, or puts a new tag at `at`.
///
/// # Errors
/// As [`id3::edit`].
pub(crate) fn apply(tag: Option<&Tag>, at: u64, changes: &[Change], patch: &mut Patch) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    if let Some(new) = id3::edit(tag, changes)? {
        patch.replace(tag.map_or(at..at, |t| t.range.clone()), new);
    }
    Ok(())
}

/// The edits of a file whose metadata is a tag at its start.
///
/// # Errors
/// `Unsupported` for slots a tag does not have, and as [`id3::edit`].
pub(crate) fn edit(id: &'static str, tag: Option<&Tag>, edits: &[Edit]) -> Result<Patch> {
    let mut changes = Vec::new();
    for edit in edits {
        changes.push(match edit {
            Edit::Set { slot: Slot::Field, key, value } => set_field(key, value),
            Edit::Set { slot: Slot::Xmp, value, .. } => set_xmp(value),
            Edit::Set { slot: Slot::Jumbf, value, .. } => set_jumbf(value),
            Edit::Set { slot, key, .. } => {
                return Err(Error::unsupported(id, format!("no place for {slot:?} {key}")));
            }
            Edit::Remove { range } => Change::Remove(range.clone()),
        });
    }
    let mut patch = Patch::new();
    apply(tag, 0, &changes, &mut patch).map_err(|e| e.in_format(id))?;
    Ok(patch)
}
