//! Changing named values, with every size and offset put right.
//!
//! Media never moves inside its box: values grow or shrink the boxes around them, and chunk offsets, fragment bases,
//! segment indexes and item locations are rewritten when what they point at moves. Where a `free` box follows the movie
//! it takes up the difference, and nothing moves at all.

use std::ops::Range;

use colophon_core::{Edit, Error, Limits, Patch, Result, Slot, Source};

use super::metadata::{C2PA_UUID, List, MDTA, NORMATIVE, UTF8, XMP_USER_DATA, XMP_UUID, entries, lists};
use super::{Boxes, FORMAT, Node, SizeForm, encode, offsets};

/// One change to the named values of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Exactly one value under this key: in `moov/udta/meta`, handler `mdta`. The same key elsewhere goes away.
    Key {
        /// The key.
        name: String,
        /// UTF-8 text.
        value: Vec<u8>,
    },
    /// Exactly one XMP packet.
    Xmp(Vec<u8>),
    /// Exactly one C2PA manifest store, in a `uuid` box behind `ftyp` (C2PA 2.x, A.5.1).
    Manifest(Vec<u8>),
    /// The item of a list, or the box, that occupies this range goes away.
    Remove(Range<u64>),
    /// The user data and metadata boxes of the movie (`moov/udta`, `moov/meta`) are exactly these whole boxes, taken from
    /// another file. Keys set in the same call stand in boxes that are replaced: set them in a call of their own.
    UserData(Vec<Vec<u8>>),
    /// One more whole box of the file, at its end.
    Append(Vec<u8>),
}

/// The changes that edits ask for. What is set and removed at once is set: removals come last, and give way to a change of
/// the same range.
///
/// # Errors
/// `Unsupported` for slots these files have no place for.
pub fn changes(format: &'static str, edits: &[Edit]) -> Result<Vec<Change>> {
    let mut changes = edits
        .iter()
        .map(|e| match e {
            Edit::Set { slot: Slot::Field, key, value } => {
                Ok(Change::Key { name: key.clone(), value: value.clone() })
            }
            Edit::Set { slot: Slot::Xmp, value, .. } => Ok(Change::Xmp(value.clone())),
            Edit::Set { slot: Slot::Jumbf, value, .. } => Ok(Change::Manifest(value.clone())),
            Edit::Set { slot, key, .. } => {
                Err(Error::unsupported(format, format!("no place for {slot:?} {key}")))
            }
            Edit::Remove { range } => Ok(Change::Remove(range.clone())),
        })
        .collect::<Result<Vec<Change>>>()?;
    changes.sort_by_key(|c| matches!(c, Change::Remove(_)));
    Ok(changes)
}

/// The splices that make the changes.
///
/// `xmp_in_user_data` as in [`entries`].
///
/// # Errors
/// `Malformed` for a range that is neither item nor box, `Unsupported` for files whose offsets cannot be put right,
/// `Limit` when a 32-bit field would not hold the result.
pub fn edit(
    source: &dyn Source,
    boxes: &Boxes,
    changes: &[Change],
    xmp_in_user_data: bool,
    limits: &Limits,
) -> Result<Patch> {
    if changes.is_empty() {
        return Ok(Patch::new());
    }
    let moov = boxes.movie()?;
    let lists = lists(source, boxes, limits)?;
    let mut draft =
        Draft { source, boxes, moov, drafts: Vec::new(), cuts: Vec::new(), user_data: Vec::new() };
    draft.drafts = lists.iter().map(|list| ListDraft { list, dropped: Vec::new(), set: None }).collect();
    for change in changes {
        match change {
            Change::Key { name, value } => {
                for e in entries(source, boxes, name, xmp_in_user_data, limits)? {
                    if e.slot == Slot::Field && !e.normative {
                        draft.remove(&e.range)?;
                    }
                }
                draft.set_key(name, value)?;
            }
            Change::Xmp(packet) => draft.set_xmp(packet, xmp_in_user_data, limits)?,
            Change::Manifest(store) => draft.set_manifest(store)?,
            Change::Remove(range) => draft.remove(range)?,
            Change::UserData(boxes) => draft.replace_user_data(boxes)?,
            Change::Append(bytes) => {
                let at = tail(boxes);
                draft.cuts.push(Cut { range: at..at, with: bytes.clone(), owner: None });
            }
        }
    }
    draft.finish()
}

/// A replaced range with the box whose size it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) range: Range<u64>,
    pub(super) with: Vec<u8>,
    /// Range of the innermost box that grows or shrinks; `None` for the file itself.
    pub(super) owner: Option<Range<u64>>,
}

impl Cut {
    /// Bytes won (positive) or lost.
    pub(super) fn delta(&self) -> i64 {
        (self.with.len() as i64).saturating_sub_unsigned(self.range.end.saturating_sub(self.range.start))
    }

    /// In place: the box keeps its size.
    pub(super) fn in_place(at: u64, with: Vec<u8>) -> Self {
        Self { range: at..at.saturating_add(with.len() as u64), with, owner: None }
    }
}

struct Draft<'a> {
    source: &'a dyn Source,
    boxes: &'a Boxes,
    moov: &'a Node,
    drafts: Vec<ListDraft<'a>>,
    cuts: Vec<Cut>,
    /// Boxes to be added to the user data of the movie.
    user_data: Vec<u8>,
}

struct ListDraft<'a> {
    list: &'a List<'a>,
    /// Indices of items that go away.
    dropped: Vec<usize>,
    set: Option<(String, Vec<u8>)>,
}

impl Draft<'_> {
    fn remove(&mut self, range: &Range<u64>) -> Result<()> {
        for d in &mut self.drafts {
            if let Some(i) = d.list.items.iter().position(|i| i.range == *range) {
                if !d.dropped.contains(&i) {
                    d.dropped.push(i);
                }
                return Ok(());
            }
        }
        let owner = owner_of(&self.boxes.roots, range).ok_or_else(|| {
            Error::malformed(FORMAT, "no box occupies the range to be removed").at_offset(range.start)
        })?;
        if !self.cuts.iter().any(|c| c.range == *range) {
            self.cuts.push(Cut { range: range.clone(), with: Vec::new(), owner: owner.0 });
        }
        Ok(())
    }

    fn set_key(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let place = self.drafts.iter_mut().find(|d| {
            d.list.path == NORMATIVE
                && d.list.full
                && d.list.handler == MDTA
                && d.set.as_ref().is_none_or(|s| s.0 == name)
        });
        if let Some(d) = place {
            d.set = Some((name.to_owned(), value.to_vec()));
            return Ok(());
        }
        let mut body = vec![0; 4];
        body.extend(handler()?);
        body.extend(encode(*b"keys", &[&[0, 0, 0, 0, 0, 0, 0, 1], key(name)?.as_slice()].concat())?);
        body.extend(encode(*b"ilst", &item(1, value)?)?);
        self.user_data.extend(encode(*b"meta", &body)?);
        Ok(())
    }

    fn set_xmp(&mut self, packet: &[u8], in_user_data: bool, limits: &Limits) -> Result<()> {
        let bytes = if in_user_data {
            encode(XMP_USER_DATA, packet)?
        } else {
            encode(*b"uuid", &[&XMP_UUID, packet].concat())?
        };
        let mut placed = false;
        for e in entries(self.source, self.boxes, "", in_user_data, limits)? {
            if e.slot != Slot::Xmp {
                continue;
            }
            if !e.normative || placed {
                self.remove(&e.range)?;
                continue;
            }
            placed = true;
            if e.value != packet {
                let owner = owner_of(&self.boxes.roots, &e.range).and_then(|o| o.0);
                self.cuts.push(Cut { range: e.range, with: bytes.clone(), owner });
            }
        }
        if placed {
            return Ok(());
        }
        if in_user_data {
            self.user_data.extend(bytes);
        } else {
            let at = tail(self.boxes);
            self.cuts.push(Cut { range: at..at, with: bytes, owner: None });
        }
        Ok(())
    }

    /// All boxes of an older manifest (its store, and hashes of parts of the media) go away; a store of the same length takes
    /// the place of the old one.
    fn set_manifest(&mut self, store: &[u8]) -> Result<()> {
        let old: Vec<Node> = self.boxes.of(*b"uuid").filter(|n| n.uuid == Some(C2PA_UUID)).cloned().collect();
        // Full box, purpose, offset of the first box of hashes: there is none (C2PA 2.x, A.5.1).
        let head = [&C2PA_UUID, [0; 4].as_slice(), b"manifest\0", &[0; 8]].concat();
        let with = encode(*b"uuid", &[&head, store].concat())?;
        let ftyp = self.boxes.roots.first().filter(|n| &n.kind == b"ftyp").ok_or_else(|| {
            Error::unsupported(
                FORMAT,
                "the file does not begin with a file type box: no place for a manifest",
            )
        })?;
        let mut place = ftyp.range.end..ftyp.range.end;
        for (i, node) in old.into_iter().enumerate() {
            if i == 0 {
                place = node.range;
            } else {
                self.remove(&node.range)?;
            }
        }
        if self.source.bytes(place.start, place.end.saturating_sub(place.start))?.as_ref() != with.as_slice()
        {
            self.cuts.push(Cut { range: place, with, owner: None });
        }
        Ok(())
    }

    fn replace_user_data(&mut self, boxes: &[Vec<u8>]) -> Result<()> {
        let moov = self.moov;
        for old in moov.children.iter().filter(|c| matches!(&c.kind, b"udta" | b"meta")) {
            self.remove(&old.range)?;
        }
        let at = moov.children.last().map_or(moov.body.start, |c| c.range.end);
        self.cuts.push(Cut { range: at..at, with: boxes.concat(), owner: Some(moov.range.clone()) });
        Ok(())
    }

    fn finish(mut self) -> Result<Patch> {
        for draft in std::mem::take(&mut self.drafts) {
            self.cuts.extend(draft.cuts()?);
        }
        self.add_user_data()?;
        offsets::absorb(self.boxes, self.moov, &mut self.cuts);
        patch(self.source, self.boxes, self.cuts)
    }

    fn add_user_data(&mut self) -> Result<()> {
        let boxes = std::mem::take(&mut self.user_data);
        if boxes.is_empty() {
            return Ok(());
        }
        let cut = if let Some(udta) = self.moov.of(*b"udta").next() {
            // In front of what may close the user data: four zero bytes.
            let at = udta.children.last().map_or(udta.body.start, |c| c.range.end);
            Cut { range: at..at, with: boxes, owner: Some(udta.range.clone()) }
        } else {
            let at = self.moov.children.last().map_or(self.moov.body.start, |c| c.range.end);
            Cut { range: at..at, with: encode(*b"udta", &boxes)?, owner: Some(self.moov.range.clone()) }
        };
        self.cuts.push(cut);
        Ok(())
    }
}

impl ListDraft<'_> {
    fn cuts(mut self) -> Result<Vec<Cut>> {
        let list = self.list;
        // The item that takes the new value, and what else has the name: exactly one is left.
        let mut replaced = None;
        if let Some((name, _)) = &self.set {
            for (i, it) in list.items.iter().enumerate() {
                if list.name_of(it) == *name {
                    match replaced {
                        None => replaced = Some(i),
                        Some(_) => self.dropped.push(i),
                    }
                }
            }
            self.dropped.retain(|i| Some(*i) != replaced);
        }
        self.dropped.sort_unstable();
        self.dropped.dedup();
        let unchanged = self.set.as_ref().is_none_or(|(_, value)| {
            replaced
                .and_then(|i| list.items.get(i))
                .is_some_and(|i| i.value.as_ref() == Some(&(UTF8, value.clone())))
        });
        if unchanged && self.dropped.is_empty() {
            return Ok(Vec::new());
        }
        let plain =
            list.node.children.iter().all(|c| matches!(&c.kind, b"hdlr" | b"keys" | b"ilst" | b"free"));
        if self.set.is_none() && self.dropped.len() == list.items.len() && plain {
            let owner = Some(list.node.range.clone());
            return Ok(vec![Cut { range: list.node.range.clone(), with: Vec::new(), owner }]);
        }
        let mut cuts = Vec::new();
        let numbers = self.keys(replaced, &mut cuts)?;
        self.items(replaced, unchanged, &numbers, &mut cuts)?;
        Ok(cuts)
    }

    /// Rewrites `keys` where names come or go. Returns the new number of each old key and, last, that of the set one.
    fn keys(&self, replaced: Option<usize>, cuts: &mut Vec<Cut>) -> Result<Vec<u32>> {
        let list = self.list;
        if list.handler != MDTA {
            return Ok(Vec::new());
        }
        let number = |i: &usize| list.items.get(*i).map(|it| u32::from_be_bytes(it.kind));
        let kept: Vec<u32> =
            (0..list.items.len()).filter(|i| !self.dropped.contains(i)).filter_map(|i| number(&i)).collect();
        let gone: Vec<u32> = self.dropped.iter().filter_map(number).filter(|n| !kept.contains(n)).collect();
        let mut numbers = Vec::new();
        let mut next = 0_u32;
        let mut body = Vec::new();
        for (i, (namespace, key)) in list.keys.iter().enumerate() {
            let old = u32::try_from(i).unwrap_or(u32::MAX).saturating_add(1);
            if gone.contains(&old) {
                numbers.push(0);
                continue;
            }
            next = next.saturating_add(1);
            numbers.push(next);
            body.extend(entry(*namespace, key)?);
        }
        if let Some((name, _)) = &self.set {
            let there =
                replaced.and_then(|i| number(&i)).and_then(|n| numbers.get((n as usize).checked_sub(1)?));
            if let Some(number) = there.copied() {
                numbers.push(number);
            } else {
                next = next.saturating_add(1);
                numbers.push(next);
                body.extend(key(name)?);
            }
        }
        if next as usize != list.keys.len() || !gone.is_empty() {
            let full = [&[0; 4], next.to_be_bytes().as_slice(), &body].concat();
            let with = encode(*b"keys", &full)?;
            let owner = Some(list.node.range.clone());
            let range = match (list.node.of(*b"keys").next(), list.node.of(*b"ilst").next()) {
                (Some(node), _) => node.range.clone(),
                (None, Some(ilst)) => ilst.range.start..ilst.range.start,
                (None, None) => end_of(list.node),
            };
            cuts.push(Cut { range, with, owner });
        }
        Ok(numbers)
    }

    fn items(
        &self,
        replaced: Option<usize>,
        unchanged: bool,
        numbers: &[u32],
        cuts: &mut Vec<Cut>,
    ) -> Result<()> {
        let list = self.list;
        let own = numbers.last().copied().unwrap_or(1);
        let ilst = list.node.of(*b"ilst").next();
        let owner = ilst.map_or_else(|| Some(list.node.range.clone()), |n| Some(n.range.clone()));
        for (i, it) in list.items.iter().enumerate() {
            if self.dropped.contains(&i) {
                cuts.push(Cut { range: it.range.clone(), with: Vec::new(), owner: owner.clone() });
            } else if let Some((_, value)) = self.set.as_ref().filter(|_| replaced == Some(i) && !unchanged) {
                cuts.push(Cut { range: it.range.clone(), with: item(own, value)?, owner: owner.clone() });
            } else {
                let old = u32::from_be_bytes(it.kind);
                let new = numbers.get((old as usize).wrapping_sub(1)).copied();
                if let Some(new) = new.filter(|n| list.handler == MDTA && *n != old) {
                    let at = it.range.start.saturating_add(4);
                    cuts.push(Cut::in_place(at, new.to_be_bytes().to_vec()));
                }
            }
        }
        let Some((_, value)) = self.set.as_ref().filter(|_| replaced.is_none()) else { return Ok(()) };
        let bytes = item(own, value)?;
        let (range, with) = match ilst {
            // Behind the last whole item.
            Some(node) => {
                let at = list.items.last().map_or(node.body.start, |i| i.range.end);
                (at..at, bytes)
            }
            None => (end_of(list.node), encode(*b"ilst", &bytes)?),
        };
        cuts.push(Cut { range, with, owner });
        Ok(())
    }
}

/// The cuts as splices, with every size and offset put right.
///
/// # Errors
/// Those of [`offsets::fix`]; `Limit` when a box would outgrow its size field.
pub(super) fn patch(source: &dyn Source, boxes: &Boxes, cuts: Vec<Cut>) -> Result<Patch> {
    let mut cuts = offsets::fix(source, boxes, cuts)?;
    let growing: Vec<Cut> = cuts.iter().filter(|c| c.delta() != 0 && c.owner.is_some()).cloned().collect();
    cuts.extend(sizes(&boxes.roots, &growing)?);
    // At one place, what belongs to the inner box comes before what belongs to the outer one.
    let width = |c: &Cut| c.owner.as_ref().map_or(u64::MAX, |o| o.end.saturating_sub(o.start));
    cuts.sort_by_key(|c| (c.range.start, c.range.end, width(c)));
    let mut patch = Patch::new();
    for cut in cuts {
        patch.replace(cut.range, cut.with);
    }
    Ok(patch)
}

/// An empty range behind the last child.
fn end_of(node: &Node) -> Range<u64> {
    let at = node.children.last().map_or(node.body.end, |c| c.range.end);
    at..at
}

/// Where a box of the file is added: at its end, in front of a random access index or of a box that is left open.
fn tail(boxes: &Boxes) -> u64 {
    let mut at = boxes.end;
    for node in boxes.roots.iter().rev() {
        if &node.kind != b"mfra" && node.size != SizeForm::Open {
            break;
        }
        at = node.range.start;
    }
    at
}

/// What a box stands in: another box, or the file itself.
struct Owner(Option<Range<u64>>);

/// The owner of the box that occupies a range; `None` when no box does.
fn owner_of(nodes: &[Node], range: &Range<u64>) -> Option<Owner> {
    for node in nodes {
        if node.range == *range {
            return Some(Owner(None));
        }
        if node.range.start < range.start && range.end <= node.range.end {
            return owner_of(&node.children, range)
                .map(|inner| Owner(inner.0.or_else(|| Some(node.range.clone()))));
        }
    }
    None
}

/// New size fields of every box that grows or shrinks.
fn sizes(nodes: &[Node], cuts: &[Cut]) -> Result<Vec<Cut>> {
    let mut out = Vec::new();
    for node in nodes {
        let inside = |c: &&Cut| {
            c.owner.as_ref().is_some_and(|o| node.range.start <= o.start && o.end <= node.range.end)
                && c.range != node.range
        };
        let delta = cuts.iter().filter(inside).fold(0_i64, |sum, c| sum.saturating_add(c.delta()));
        if !cuts.iter().any(|c| inside(&c)) {
            continue;
        }
        out.extend(sizes(&node.children, cuts)?);
        if delta == 0 {
            continue;
        }
        let size = node.len().saturating_add_signed(delta);
        match node.size {
            SizeForm::Short => {
                let size = u32::try_from(size).map_err(|_| {
                    Error::limit("the box would outgrow its 32-bit size")
                        .in_format(FORMAT)
                        .at_offset(node.range.start)
                })?;
                out.push(Cut::in_place(node.range.start, size.to_be_bytes().to_vec()));
            }
            SizeForm::Long => {
                out.push(Cut::in_place(node.range.start.saturating_add(8), size.to_be_bytes().to_vec()));
            }
            SizeForm::Open => {}
        }
    }
    Ok(out)
}

/// The handler box of an `mdta` list.
fn handler() -> Result<Vec<u8>> {
    let mut body = vec![0; 8];
    body.extend_from_slice(&MDTA);
    body.extend_from_slice(&[0; 13]);
    encode(*b"hdlr", &body)
}

/// An entry of `keys` in the `mdta` namespace.
fn key(name: &str) -> Result<Vec<u8>> {
    entry(MDTA, name.as_bytes())
}

fn entry(namespace: super::Kind, key: &[u8]) -> Result<Vec<u8>> {
    // The same shape as a box: size, four characters, bytes.
    encode(namespace, key)
}

/// An item with one `data` atom of UTF-8 text.
fn item(number: u32, value: &[u8]) -> Result<Vec<u8>> {
    let data = [&UTF8.to_be_bytes(), [0; 4].as_slice(), value].concat();
    encode(number.to_be_bytes(), &encode(*b"data", &data)?)
}
