//! Flash video: a header, then tags of sound, pictures and script data.
//!
//! Sources: "Adobe Flash Video File Format Specification" 10.1, Annex E (tags, `onMetaData`); "Action Message Format AMF0"
//! (script values); XMP specification part 3, 1.1.6 (`onXMPData`). A script's value under a key is set by rewriting its
//! tag; positions in the index of key pictures are put right when what they point at moves.

use std::ops::Range;

use colophon_core::{Edit, Entry, Error, Limits, Patch, Result, Slot, Source};

mod amf;
use amf::{Script, Value};

pub(crate) const FORMAT: &str = "flv";
/// Length of a tag's head.
const HEAD: u64 = 11;
/// Length of the field behind every tag that repeats its length.
const BACK: u64 = 4;
/// Tag types (E.4.1).
const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const SCRIPT: u8 = 18;
/// The script with facts and names, and the one with an XMP packet under one name.
const METADATA: &str = "onMetaData";
const XMP: (&str, &str) = ("onXMPData", "liveXML");
/// Most a length of 24 bits says.
const MAX_TAG: usize = 0xff_ffff;

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    kind: u8,
    /// Head, data and the length behind.
    range: Range<u64>,
    data: Range<u64>,
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct File {
    /// Behind the header and the first length field.
    start: u64,
    tags: Vec<Tag>,
    scripts: Vec<(Tag, Script)>,
    /// What was tolerated, in words.
    pub notes: Vec<String>,
}

/// What the metadata script says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Width and height.
    pub dimensions: Option<(u32, u32)>,
    /// Seconds.
    pub duration_s: Option<f64>,
    /// Codec numbers of picture and sound (E.4.3.1, E.4.2.1), from the tags.
    pub codecs: (Option<u8>, Option<u8>),
}

/// Walks a file.
///
/// # Errors
/// `Malformed` when it is no FLV or a tag announces more than there is; `Limit` for too many tags.
pub fn open(source: &dyn Source, limits: &Limits) -> Result<File> {
    let head = source.bytes_up_to(0, 9)?;
    let (Some(b"FLV"), Some(start)) = (head.get(..3), head.get(5..9).and_then(<[u8]>::first_chunk::<4>))
    else {
        return Err(Error::malformed(FORMAT, "no FLV signature").at_offset(0));
    };
    let mut at = u64::from(u32::from_be_bytes(*start)).saturating_add(BACK);
    if at < 13 {
        return Err(Error::malformed(FORMAT, "the header is shorter than it can be").at_offset(5));
    }
    if at > source.len() {
        return Err(Error::malformed(FORMAT, "the header is longer than the file").at_offset(5));
    }
    let mut file = File { start: at, tags: Vec::new(), scripts: Vec::new(), notes: Vec::new() };
    while at < source.len() {
        let head = source.bytes_up_to(at, HEAD)?;
        let (Some(kind), Some([a, b, c])) = (head.first(), head.get(1..4).and_then(<[u8]>::first_chunk::<3>))
        else {
            break;
        };
        let len = u64::from(u32::from_be_bytes([0, *a, *b, *c]));
        let data = at.saturating_add(HEAD)..at.saturating_add(HEAD).saturating_add(len);
        if data.end > source.len() {
            // Recordings end anywhere.
            if file.tags.is_empty() {
                return Err(Error::malformed(FORMAT, "a tag announces more than is there").at_offset(at));
            }
            break;
        }
        if file.tags.len() >= limits.parts {
            return Err(Error::limit("the file has more tags than allowed").in_format(FORMAT).at_offset(at));
        }
        let end = data.end.saturating_add(BACK).min(source.len());
        let tag = Tag { kind: kind & 0x1f, range: at..end, data };
        if tag.kind == SCRIPT && kind & 0x20 == 0 {
            if len > limits.metadata_bytes {
                return Err(Error::limit(format!("{len} bytes of script data"))
                    .in_format(FORMAT)
                    .at_offset(at));
            }
            let bytes = source.bytes(tag.data.start, len)?;
            match amf::script(&bytes, limits) {
                Ok(script) => file.scripts.push((tag.clone(), script)),
                Err(e) if e.kind() == colophon_core::ErrorKind::Malformed => {
                    file.notes.push(format!("the script data at byte {at} cannot be read"));
                }
                Err(e) => return Err(e.at_offset(at)),
            }
        }
        file.tags.push(tag);
        at = end;
    }
    if at < source.len() {
        file.notes.push(format!("{} bytes after the last whole tag", source.len().saturating_sub(at)));
    }
    Ok(file)
}

impl File {
    /// The names of the scripts, in file order.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.scripts.iter().map(|(_, script)| script.name.as_str())
    }

    /// Whether a script is one whose values this module sets, so that nothing of it is lost when it is written anew.
    pub fn knows(script: &str) -> bool {
        script == METADATA || script == XMP.0
    }

    /// The ranges of coded media.
    pub fn media(&self) -> Vec<Range<u64>> {
        let mut out: Vec<Range<u64>> = Vec::new();
        for t in self.tags.iter().filter(|t| matches!(t.kind, AUDIO | VIDEO)) {
            match out.last_mut() {
                Some(last) if last.end == t.range.start => last.end = t.range.end,
                _ => out.push(t.range.clone()),
            }
        }
        out
    }

    /// Reads what a player would say.
    ///
    /// # Errors
    /// Reading errors.
    pub fn facts(&self, source: &dyn Source) -> Result<Facts> {
        let mut facts = Facts::default();
        if let Some((_, script)) = self.script(METADATA) {
            let number = |name: &str| match script.get(name).map(|m| &m.value) {
                Some(Value::Number(n)) if n.is_finite() && *n > 0.0 => Some(*n),
                _ => None,
            };
            facts.duration_s = number("duration");
            facts.dimensions = number("width").zip(number("height")).map(|(w, h)| (w as u32, h as u32));
        }
        let first = |kind: u8| -> Result<Option<u8>> {
            let tag = self.tags.iter().find(|t| t.kind == kind && t.data.start < t.data.end);
            Ok(tag.map(|t| source.bytes(t.data.start, 1)).transpose()?.and_then(|b| b.first().copied()))
        };
        facts.codecs = (first(VIDEO)?.map(|b| b & 15), first(AUDIO)?.map(|b| b >> 4));
        Ok(facts)
    }

    fn script(&self, name: &str) -> Option<&(Tag, Script)> {
        self.scripts.iter().find(|(_, s)| s.name == name)
    }
}

/// Every text of the scripts, in file order. Values under names that contain `key` come as [`Slot::Field`] under this very
/// key, others as [`Slot::Comment`]; the packet of `onXMPData` as [`Slot::Xmp`].
pub fn entries(file: &File, key: &str) -> Vec<Entry> {
    let mut out = Vec::new();
    for (tag, script) in &file.scripts {
        for member in &script.members {
            let Value::Text(text) = &member.value else { continue };
            let own = member.name.to_ascii_uppercase().contains(&key.to_ascii_uppercase());
            let (slot, key, normative) = if (script.name.as_str(), member.name.as_str()) == XMP {
                (Slot::Xmp, "xmp", true)
            } else if own {
                (Slot::Field, key, script.name == METADATA && member.name == key)
            } else {
                (Slot::Comment, member.name.as_str(), false)
            };
            out.push(Entry {
                slot,
                key: key.to_owned(),
                value: text.clone(),
                place: format!("{}/{}", script.name, member.name),
                range: shifted(&member.range, tag.data.start),
                normative,
            });
        }
    }
    out
}

fn shifted(range: &Range<usize>, by: u64) -> Range<u64> {
    by.saturating_add(range.start as u64)..by.saturating_add(range.end as u64)
}

/// The splices that make the changes.
///
/// # Errors
/// `Unsupported` for slots FLV has no place for; `Malformed` for a range that is no value; `Limit` for script data that
/// outgrows its tag.
pub fn edit(source: &dyn Source, file: &File, edits: &[Edit], limits: &Limits) -> Result<Patch> {
    // Of each script: what goes away (by its place in the list of members) and what is put behind the rest.
    let mut plans: Vec<Plan> = file.scripts.iter().map(|_| Plan::default()).collect();
    let mut fresh: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut known = entries(file, "\0");
    for edit in edits {
        if let Edit::Set { slot: Slot::Field, key, .. } = edit {
            known = entries(file, key);
        }
        match edit {
            Edit::Set { slot: slot @ (Slot::Field | Slot::Xmp), key, value } => {
                let same = |e: &&Entry| e.slot == *slot && (e.key == *key || *slot == Slot::Xmp);
                let found: Vec<&Entry> = known.iter().filter(same).collect();
                if matches!(found.as_slice(), [one] if one.normative && one.value == *value) {
                    continue;
                }
                for e in &found {
                    drop_member(file, &mut plans, &e.range)?;
                }
                let (script, name) = if *slot == Slot::Xmp { XMP } else { (METADATA, key.as_str()) };
                let member = amf::member(name, value)?;
                match file.scripts.iter().position(|(_, s)| s.name == script && s.listed) {
                    Some(i) => plans.get_mut(i).into_iter().for_each(|p| p.added.extend_from_slice(&member)),
                    None => fresh.push((script, member)),
                }
                if let Some(p) = file.scripts.iter().position(|(_, s)| s.name == script && s.listed)
                    && let Some(p) = plans.get_mut(p)
                {
                    p.count = p.count.saturating_add(1);
                }
            }
            Edit::Set { slot, key, .. } => {
                return Err(Error::unsupported(FORMAT, format!("no place for {slot:?} {key}")));
            }
            Edit::Remove { range } => drop_member(file, &mut plans, range)?,
        }
    }
    let mut patch = Patch::new();
    let mut splices: Vec<(Range<u64>, Vec<u8>)> = Vec::new();
    for ((tag, script), plan) in file.scripts.iter().zip(&plans) {
        if plan.dropped.is_empty() && plan.added.is_empty() {
            continue;
        }
        let head = source.bytes(tag.range.start, HEAD)?;
        let data = source.bytes(tag.data.start, tag.data.end.saturating_sub(tag.data.start))?;
        let new = script.rewritten(&data, &plan.dropped, &plan.added, plan.count);
        splices.push((tag.range.clone(), encoded(&head, &new)?));
    }
    for (name, member) in fresh {
        splices.push((
            file.start..file.start,
            encoded(&[SCRIPT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &amf::fresh(name, &member))?,
        ));
    }
    if splices.iter().map(|(_, b)| b.len()).sum::<usize>() as u64 > limits.metadata_bytes {
        return Err(Error::limit("the script data would be longer than allowed").in_format(FORMAT));
    }
    for (range, with) in &splices {
        patch.replace(range.clone(), with.clone());
    }
    index(source, file, &patch, splices)
}

#[derive(Clone, Debug, Default)]
struct Plan {
    dropped: Vec<usize>,
    added: Vec<u8>,
    count: u32,
}

fn drop_member(file: &File, plans: &mut [Plan], range: &Range<u64>) -> Result<()> {
    for ((tag, script), plan) in file.scripts.iter().zip(plans) {
        if let Some(i) = script.members.iter().position(|m| shifted(&m.range, tag.data.start) == *range) {
            if !plan.dropped.contains(&i) {
                plan.dropped.push(i);
            }
            return Ok(());
        }
    }
    Err(Error::malformed(FORMAT, "no value occupies the range to be removed").at_offset(range.start))
}

/// A tag with its length in front and behind.
fn encoded(head: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    if data.len() > MAX_TAG {
        return Err(Error::limit("the script data would outgrow its tag").in_format(FORMAT));
    }
    let len = (data.len() as u32).to_be_bytes();
    let mut out = head.to_vec();
    if let (Some(to), Some(from)) = (out.get_mut(1..4), len.get(1..)) {
        to.copy_from_slice(from);
    }
    out.extend_from_slice(data);
    out.extend((data.len() as u32).saturating_add(HEAD as u32).to_be_bytes());
    Ok(out)
}

/// The patch with the positions of key pictures, and the length of the file, put right. Both are numbers of fixed length,
/// so nothing moves again.
fn index(
    source: &dyn Source,
    file: &File,
    patch: &Patch,
    splices: Vec<(Range<u64>, Vec<u8>)>,
) -> Result<Patch> {
    let after = patch.output_len(source.len());
    if after == source.len() {
        return Ok(patch.clone());
    }
    let mut out = Patch::new();
    let mut rest = splices;
    for (tag, script) in &file.scripts {
        if script.positions.is_empty() && script.file_size.is_none() {
            continue;
        }
        let spliced = rest.iter().position(|(range, _)| *range == tag.range);
        let mut bytes = match spliced {
            Some(i) => rest.swap_remove(i).1,
            None => {
                source.bytes(tag.range.start, tag.range.end.saturating_sub(tag.range.start))?.into_owned()
            }
        };
        // Read anew: values before the index may have gone.
        let end = bytes.len().saturating_sub(BACK as usize);
        let data = bytes.get(HEAD as usize..end).unwrap_or_default().to_vec();
        let now = amf::script(&data, &Limits::default())?;
        let mut put = |at: usize, value: f64| {
            let at = at.saturating_add(HEAD as usize);
            if let Some(slot) = bytes.get_mut(at..at.saturating_add(8)) {
                slot.copy_from_slice(&value.to_be_bytes());
            }
        };
        for (at, value) in &now.positions {
            if let Some(to) = patch.map(*value as u64).filter(|_| *value >= 0.0) {
                put(*at, to as f64);
            }
        }
        if let Some((at, _)) = now.file_size {
            put(at, after as f64);
        }
        out.replace(tag.range.clone(), bytes);
    }
    for (range, with) in rest {
        out.replace(range, with);
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests;
