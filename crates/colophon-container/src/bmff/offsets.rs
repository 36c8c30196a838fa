//! What points at bytes by their position in the file, and must follow when they move.

use std::ops::Range;

use colophon_core::{Error, Result, Source};

use super::edit::Cut;
use super::{Boxes, FORMAT, Fields, Node, SizeForm, name};

/// Lets a `free` box behind the movie take up the difference, so that media stays where it is.
pub(super) fn absorb(boxes: &Boxes, moov: &Node, cuts: &mut Vec<Cut>) {
    let within =
        |c: &Cut| moov.range.start <= c.range.start && c.range.end <= moov.range.end && c.owner.is_some();
    if !cuts.iter().all(|c| c.delta() == 0 || within(c)) {
        return;
    }
    let delta = cuts.iter().fold(0_i64, |sum, c| sum.saturating_add(c.delta()));
    let after = boxes.roots.iter().position(|n| n.range == moov.range).map_or(0, |i| i.saturating_add(1));
    let Some(free) = boxes.roots.get(after).filter(|n| matches!(&n.kind, b"free" | b"skip")) else { return };
    // At the end of the file nothing needs to be kept in place.
    if delta == 0 || free.size != SizeForm::Short || after.saturating_add(1) >= boxes.roots.len() {
        return;
    }
    let grow = delta.unsigned_abs();
    let room = free.body.end.saturating_sub(free.body.start);
    if delta < 0 {
        if grow <= u64::from(u32::MAX).saturating_sub(free.len()) && grow < 1 << 24 {
            let at = free.body.start;
            cuts.push(Cut { range: at..at, with: vec![0; grow as usize], owner: Some(free.range.clone()) });
        }
    } else if grow <= room {
        let range = free.body.start..free.body.start.saturating_add(grow);
        cuts.push(Cut { range, with: Vec::new(), owner: Some(free.range.clone()) });
    } else if grow == free.len() {
        cuts.push(Cut { range: free.range.clone(), with: Vec::new(), owner: None });
    }
}

/// The cuts, and those that rewrite every offset whose target moves. Tables of 32-bit chunk offsets that would overflow
/// become tables of 64-bit ones.
///
/// # Errors
/// `Unsupported` where media stands partly in other files; `Limit` where a 32-bit field cannot hold the result.
pub(super) fn fix(source: &dyn Source, boxes: &Boxes, mut cuts: Vec<Cut>) -> Result<Vec<Cut>> {
    let Some(first) = cuts.iter().filter(|c| c.delta() != 0).map(|c| c.range.start).min() else {
        return Ok(cuts);
    };
    let targets = |n: &Node| matches!(&n.kind, b"mdat" | b"moof" | b"sidx" | b"mfra" | b"idat" | b"imda");
    if !boxes.roots.iter().any(|n| targets(n) && n.range.end > first) {
        return Ok(cuts);
    }
    let mut found = Found::default();
    for node in &boxes.roots {
        found.visit(source, node, None)?;
    }
    // A table that is widened moves media too, which may push another one over: until nothing changes.
    let mut wide: Vec<&Table<'_>> = Vec::new();
    let shift = loop {
        let widened = wide.iter().map(|t| (t.node.range.end, t.growth()));
        let shift = Shift::new(cuts.iter().map(|c| (c.range.end, c.delta())).chain(widened));
        let known = wide.len();
        for table in found.chunks.iter().filter(|t| &t.node.kind == b"stco") {
            let listed = wide.iter().any(|t| t.node.range == table.node.range);
            if !listed && table.offsets(source)?.iter().any(|o| shift.of(*o) > u64::from(u32::MAX)) {
                wide.push(table);
            }
        }
        if wide.len() == known {
            break shift;
        }
    };
    for table in &found.chunks {
        let to_wide = wide.iter().any(|t| t.node.range == table.node.range);
        cuts.extend(table.fixed(source, &shift, to_wide)?);
    }
    for node in found.others {
        let cut = match &node.kind {
            b"saio" => saio(source, node, &shift)?,
            b"tfhd" => tfhd(source, node, &shift)?,
            b"tfra" => tfra(source, node, &shift)?,
            b"sidx" => sidx(source, node, &shift)?,
            b"iloc" => iloc(source, node, &shift)?,
            _ => None,
        };
        cuts.extend(cut);
    }
    Ok(cuts)
}

/// Where bytes of the input stand in the output.
struct Shift(Vec<(u64, i64)>);

impl Shift {
    /// From ends of replaced ranges and what they win or lose.
    fn new(cuts: impl Iterator<Item = (u64, i64)>) -> Self {
        let mut list: Vec<(u64, i64)> = cuts.filter(|(_, delta)| *delta != 0).collect();
        list.sort_unstable();
        let mut sum = 0_i64;
        for (_, delta) in &mut list {
            sum = sum.saturating_add(*delta);
            *delta = sum;
        }
        Self(list)
    }

    fn of(&self, offset: u64) -> u64 {
        let n = self.0.partition_point(|(end, _)| *end <= offset);
        let delta = n.checked_sub(1).and_then(|i| self.0.get(i)).map_or(0, |(_, d)| *d);
        offset.saturating_add_signed(delta)
    }
}

/// A table of chunk offsets.
struct Table<'a> {
    node: &'a Node,
    owner: Range<u64>,
    entries: u64,
}

impl Table<'_> {
    fn growth(&self) -> i64 {
        i64::try_from(self.entries.saturating_mul(4)).unwrap_or(i64::MAX)
    }

    fn offsets(&self, source: &dyn Source) -> Result<Vec<u64>> {
        let bytes = self.node.table(source)?;
        let width: usize = if &self.node.kind == b"co64" { 8 } else { 4 };
        let wanted = usize::try_from(self.entries).unwrap_or(usize::MAX).saturating_mul(width);
        let table = bytes.get(8..wanted.saturating_add(8)).ok_or_else(|| {
            self.node.malformed(format!("{} chunk offsets are announced, fewer are there", self.entries))
        })?;
        Ok(table.chunks_exact(width).map(|c| c.iter().fold(0, |v, b| v << 8 | u64::from(*b))).collect())
    }

    fn fixed(&self, source: &dyn Source, shift: &Shift, widen: bool) -> Result<Option<Cut>> {
        let old = self.offsets(source)?;
        let new: Vec<u64> = old.iter().map(|o| shift.of(*o)).collect();
        let at = self.node.body.start.saturating_add(8);
        if widen {
            let mut body = source.bytes(self.node.body.start, 8)?.into_owned();
            body.extend(new.iter().flat_map(|o| o.to_be_bytes()));
            let with = super::encode(*b"co64", &body)?;
            return Ok(Some(Cut { range: self.node.range.clone(), with, owner: Some(self.owner.clone()) }));
        }
        if old == new {
            return Ok(None);
        }
        let with = if &self.node.kind == b"co64" {
            new.iter().flat_map(|o| o.to_be_bytes()).collect()
        } else {
            new.iter().flat_map(|o| (*o as u32).to_be_bytes()).collect()
        };
        Ok(Some(Cut::in_place(at, with)))
    }
}

/// Everything with absolute offsets.
#[derive(Default)]
struct Found<'a> {
    chunks: Vec<Table<'a>>,
    others: Vec<&'a Node>,
}

impl<'a> Found<'a> {
    fn visit(&mut self, source: &dyn Source, node: &'a Node, parent: Option<&'a Node>) -> Result<()> {
        match (&node.kind, parent.map(|p| p.kind)) {
            (b"minf", _) if elsewhere(source, node)? => return Ok(()),
            (b"stco" | b"co64", Some(_)) => {
                let head = source
                    .bytes_up_to(node.body.start, 8.min(node.body.end.saturating_sub(node.body.start)))?;
                let mut f = Fields::new(&head);
                let entries =
                    f.u32().and_then(|_| f.u32()).ok_or_else(|| node.malformed("the box is too short"))?;
                let owner = parent.map_or(node.range.clone(), |p| p.range.clone());
                self.chunks.push(Table { node, owner, entries: entries.into() });
            }
            // In fragments these offsets count from the base of the fragment.
            (b"saio", Some(p)) if &p == b"stbl" => self.others.push(node),
            (b"tfhd" | b"tfra" | b"iloc" | b"sidx", _) => self.others.push(node),
            _ => {}
        }
        for child in &node.children {
            self.visit(source, child, Some(node))?;
        }
        Ok(())
    }
}

/// Whether a track's media stands in other files, so that its offsets are none of this one.
fn elsewhere(source: &dyn Source, minf: &Node) -> Result<bool> {
    let Some(dref) = minf.find(&[*b"dinf", *b"dref"]) else { return Ok(false) };
    let bytes = dref.table(source)?;
    let mut f = Fields::new(&bytes);
    let _ = f.u64();
    let (mut inside, mut outside) = (0_usize, 0_usize);
    while let (Some(size), Some(_kind), Some((_, flags))) = (f.u32(), f.u32(), f.full()) {
        if flags & 1 == 1 {
            inside = inside.saturating_add(1);
        } else {
            outside = outside.saturating_add(1);
        }
        if (size as usize).checked_sub(12).and_then(|n| f.take(n)).is_none() {
            break;
        }
    }
    match (inside, outside) {
        (_, 0) => Ok(false),
        (0, _) => Ok(true),
        _ => Err(Error::unsupported(FORMAT, "a track's media stands partly in other files")
            .at_place(name(dref.kind))
            .at_offset(dref.range.start)),
    }
}

fn short(node: &Node) -> Error {
    node.malformed("fewer entries than announced")
}

fn narrow(node: &Node, value: u64) -> Result<u32> {
    u32::try_from(value).map_err(|_| {
        Error::limit("an offset would outgrow its 32-bit field")
            .in_format(FORMAT)
            .at_place(name(node.kind))
            .at_offset(node.range.start)
    })
}

/// The changed content of a box as a cut; none when nothing changed.
fn changed(node: &Node, old: &[u8], new: Vec<u8>) -> Option<Cut> {
    (old != new.as_slice()).then(|| Cut::in_place(node.body.start, new))
}

/// Overwrites bytes inside a copy of a box.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(slot) = bytes.get_mut(at..at.saturating_add(value.len())) {
        slot.copy_from_slice(value);
    }
}

/// Offsets of auxiliary information (ISO/IEC 14496-12, 8.7.9).
fn saio(source: &dyn Source, node: &Node, shift: &Shift) -> Result<Option<Cut>> {
    let bytes = node.table(source)?;
    let mut new = bytes.to_vec();
    let mut f = Fields::new(&bytes);
    let (version, flags) = f.full().ok_or_else(|| short(node))?;
    if flags & 1 == 1 {
        let _ = f.u64();
    }
    let count = f.u32().ok_or_else(|| short(node))?;
    for _ in 0..count {
        let at = bytes.len().saturating_sub(f.rest().len());
        let to = shift.of(f.by_version(version).ok_or_else(|| short(node))?);
        if version == 1 {
            put(&mut new, at, &to.to_be_bytes());
        } else {
            put(&mut new, at, &narrow(node, to)?.to_be_bytes());
        }
    }
    Ok(changed(node, &bytes, new))
}

/// The base of a fragment's samples, where it is stated (8.8.7).
fn tfhd(source: &dyn Source, node: &Node, shift: &Shift) -> Result<Option<Cut>> {
    let bytes = source.bytes_up_to(node.body.start, 16.min(node.body.end.saturating_sub(node.body.start)))?;
    let mut f = Fields::new(&bytes);
    let flags = f.full().map_or(0, |(_, flags)| flags);
    if flags & 1 == 0 {
        return Ok(None);
    }
    let base = f.u32().and_then(|_| f.u64()).ok_or_else(|| short(node))?;
    let to = shift.of(base);
    Ok((to != base).then(|| Cut::in_place(node.body.start.saturating_add(8), to.to_be_bytes().to_vec())))
}

/// Random access points of fragments (8.8.10).
fn tfra(source: &dyn Source, node: &Node, shift: &Shift) -> Result<Option<Cut>> {
    let bytes = node.table(source)?;
    let mut new = bytes.to_vec();
    let mut f = Fields::new(&bytes);
    let (version, _) = f.full().ok_or_else(|| short(node))?;
    let _track = f.u32();
    let lengths = f.u32().ok_or_else(|| short(node))?;
    let count = f.u32().ok_or_else(|| short(node))?;
    // Three numbers of one to four bytes each.
    let numbers = [4, 2, 0]
        .iter()
        .fold(0_usize, |n, s| n.saturating_add((lengths >> s & 3) as usize).saturating_add(1));
    for _ in 0..count {
        f.by_version(version).ok_or_else(|| short(node))?;
        let at = bytes.len().saturating_sub(f.rest().len());
        let to = shift.of(f.by_version(version).ok_or_else(|| short(node))?);
        if version == 1 {
            put(&mut new, at, &to.to_be_bytes());
        } else {
            put(&mut new, at, &narrow(node, to)?.to_be_bytes());
        }
        f.take(numbers).ok_or_else(|| short(node))?;
    }
    Ok(changed(node, &bytes, new))
}

/// Segments count from the end of the index (8.16.3): distance and lengths change when something is put in between.
fn sidx(source: &dyn Source, node: &Node, shift: &Shift) -> Result<Option<Cut>> {
    let bytes = node.table(source)?;
    let mut new = bytes.to_vec();
    let mut f = Fields::new(&bytes);
    let (version, _) = f.full().ok_or_else(|| short(node))?;
    let _ = f.u64();
    let _ = f.by_version(version);
    let at = bytes.len().saturating_sub(f.rest().len());
    let first = f.by_version(version).ok_or_else(|| short(node))?;
    // What is inserted right behind the index lies between it and its first segment.
    let anchor = shift.of(node.range.end.saturating_sub(1)).saturating_add(1);
    let mut from = node.range.end.saturating_add(first);
    let distance = shift.of(from).saturating_sub(anchor);
    if version == 1 {
        put(&mut new, at, &distance.to_be_bytes());
    } else {
        put(&mut new, at, &narrow(node, distance)?.to_be_bytes());
    }
    let count = f.u32().ok_or_else(|| short(node))? & 0xffff;
    for _ in 0..count {
        let at = bytes.len().saturating_sub(f.rest().len());
        let word = f.u32().ok_or_else(|| short(node))?;
        let to = from.saturating_add(u64::from(word & 0x7fff_ffff));
        // The last segment ends before what is added behind it.
        let end = shift.of(to.saturating_sub(1)).saturating_add(1);
        let len = narrow(node, end.saturating_sub(shift.of(from)))?;
        put(&mut new, at, &(word & 0x8000_0000 | len & 0x7fff_ffff).to_be_bytes());
        f.u64().ok_or_else(|| short(node))?;
        from = to;
    }
    Ok(changed(node, &bytes, new))
}

/// Places of items in the file (8.11.3).
fn iloc(source: &dyn Source, node: &Node, shift: &Shift) -> Result<Option<Cut>> {
    let bytes = node.table(source)?;
    let mut new = bytes.to_vec();
    let mut f = Fields::new(&bytes);
    let (version, _) = f.full().ok_or_else(|| short(node))?;
    let sizes = f.u16().ok_or_else(|| short(node))?;
    let nibble = |shift: u32| usize::from(sizes >> shift & 15);
    let (offset_size, length_size, base_size) = (nibble(12), nibble(8), nibble(4));
    let index_size = if version == 0 { 0 } else { nibble(0) };
    let id_size = if version < 2 { 2 } else { 4 };
    let count = f.uint(id_size).ok_or_else(|| short(node))?;
    for _ in 0..count {
        f.take(id_size).ok_or_else(|| short(node))?;
        let method = if version == 0 { 0 } else { f.u16().ok_or_else(|| short(node))? & 15 };
        let reference = f.u16().ok_or_else(|| short(node))?;
        let base_at = bytes.len().saturating_sub(f.rest().len());
        let base = f.uint(base_size).ok_or_else(|| short(node))?;
        let absolute = method == 0 && reference == 0;
        if absolute && offset_size == 0 && base_size > 0 {
            write_uint(node, &mut new, base_at, base_size, shift.of(base))?;
        }
        let extents = f.u16().ok_or_else(|| short(node))?;
        // Extents without any field take no bytes: their number would be the only bound of the work.
        let sized = index_size.saturating_add(offset_size).saturating_add(length_size) > 0;
        for _ in 0..if sized { extents } else { 0 } {
            f.take(index_size).ok_or_else(|| short(node))?;
            let at = bytes.len().saturating_sub(f.rest().len());
            let offset = f.uint(offset_size).ok_or_else(|| short(node))?;
            if absolute && offset_size > 0 {
                let to = shift.of(base.saturating_add(offset)).checked_sub(base);
                let to = to.ok_or_else(|| node.malformed("an item would stand before its base"))?;
                write_uint(node, &mut new, at, offset_size, to)?;
            }
            f.take(length_size).ok_or_else(|| short(node))?;
        }
    }
    Ok(changed(node, &bytes, new))
}

fn write_uint(node: &Node, bytes: &mut [u8], at: usize, size: usize, value: u64) -> Result<()> {
    let all = value.to_be_bytes();
    let (zero, low) = all.split_at_checked(8_usize.saturating_sub(size)).unwrap_or((&[], &[]));
    if zero.iter().any(|b| *b != 0) {
        return Err(Error::limit("an offset would outgrow its field")
            .in_format(FORMAT)
            .at_place(name(node.kind))
            .at_offset(node.range.start));
    }
    put(bytes, at, low);
    Ok(())
}
