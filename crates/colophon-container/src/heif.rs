//! HEIF: pictures as items of a `meta` box (ISO/IEC 23008-12; ISO/IEC 14496-12, 8.11). AVIF is the same with AV1.
//!
//! An XMP packet is an item of the type `mime` that describes the primary picture (`cdsc`). Setting one rewrites the
//! `meta` box; the packet itself stands in a box of its own at the end of the file, and the locations of everything that
//! moved are put right.

use std::ops::Range;

use colophon_core::{Error, Limits, Patch, Result, Source};

use crate::bmff::{self, Boxes, Fields, Kind, Node, SizeForm};

const FORMAT: &str = "heif";
/// Content type of an XMP item (ISO/IEC 23008-12, annex A).
pub const XMP_TYPE: &str = "application/rdf+xml";
/// Most items of a file: a picture of 200 megapixels in tiles of 256 has 3000.
const MAX_ITEMS: usize = 65_536;

/// One item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub id: u32,
    /// Its type: `hvc1`, `av01`, `grid`, `Exif`, `mime`.
    pub kind: Kind,
    /// Content type, for `mime` items.
    pub content_type: String,
    /// Where its bytes stand in the file, in order. Empty where they stand elsewhere.
    pub extents: Vec<Range<u64>>,
    /// Its location as it is written: method, reference of the data, extents with index.
    location: Option<Location>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Location {
    method: u8,
    reference: u16,
    /// Index, offset with the base added, length.
    extents: Vec<(u64, u64, u64)>,
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct Heif {
    /// All boxes.
    pub boxes: Boxes,
    /// The items.
    pub items: Vec<Item>,
    /// The primary picture.
    pub primary: Option<u32>,
    /// Width and height of the primary picture as shown, when they are said.
    pub size: Option<(u32, u32)>,
    meta: Node,
}

/// Walks boxes and items.
///
/// # Errors
/// `Malformed` for broken boxes or tables, or without a `meta` box; `Limit` for too many.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Heif> {
    let boxes = bmff::walk(source, limits).map_err(|e| e.in_format(FORMAT))?;
    let Some(meta) = boxes.of(*b"meta").next().cloned() else {
        return Err(Error::malformed(FORMAT, "there is no meta box: the file holds no picture"));
    };
    let mut items = match meta.of(*b"iinf").next() {
        Some(node) => {
            infos(&node.table(source)?).ok_or_else(|| broken(node, "the list of items ends early"))?
        }
        None => Vec::new(),
    };
    if let Some(node) = meta.of(*b"iloc").next() {
        let locations = locations(&node.table(source)?)
            .ok_or_else(|| broken(node, "the list of locations ends early"))?;
        let idat = meta.of(*b"idat").next().map(|n| n.body.clone());
        for (id, location) in locations {
            let Some(item) = items.iter_mut().find(|i| i.id == id) else { continue };
            item.extents = location
                .extents
                .iter()
                .filter_map(|(_, offset, len)| {
                    let start = match (location.method, location.reference, &idat) {
                        (0, 0, _) => *offset,
                        (1, _, Some(idat)) => idat.start.checked_add(*offset)?,
                        _ => return None,
                    };
                    let end = start.checked_add(*len).filter(|end| *end <= source.len())?;
                    Some(start..end)
                })
                .collect();
            item.location = Some(location);
        }
    }
    let primary = match meta.of(*b"pitm").next() {
        Some(node) => {
            let table = node.table(source)?;
            let mut f = Fields::new(&table);
            let (version, _) = f.full().unwrap_or_default();
            if version == 0 { f.u16().map(u32::from) } else { f.u32() }
        }
        None => None,
    };
    let size = match (meta.of(*b"iprp").next(), primary) {
        (Some(node), Some(primary)) => size(&node.table(source)?, primary),
        _ => None,
    };
    Ok(Heif { boxes, items, primary, size, meta })
}

impl Heif {
    /// The XMP items.
    pub fn xmp(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|i| &i.kind == b"mime" && i.content_type == XMP_TYPE)
    }

    /// The bytes of an item.
    ///
    /// # Errors
    /// `Limit` when there are more than `max`; of the source.
    pub fn data(&self, source: &dyn Source, item: &Item, max: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for r in &item.extents {
            let len = r.end.saturating_sub(r.start);
            if len.saturating_add(out.len() as u64) > max {
                return Err(Error::limit(format!("an item of more than {max} bytes")).in_format(FORMAT));
            }
            out.extend_from_slice(&source.bytes(r.start, len)?);
        }
        Ok(out)
    }

    /// The splices that make `packet` the only XMP packet, or with `None` leave none.
    ///
    /// # Errors
    /// `Unsupported` for files with a movie beside the pictures and for locations that cannot be rewritten; `Limit`.
    pub fn set_xmp(&self, source: &dyn Source, packet: Option<&[u8]>, limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        let old: Vec<&Item> = self.xmp().collect();
        if let ([one], Some(packet)) = (old.as_slice(), packet)
            && self.data(source, one, limits.metadata_bytes)? == packet
        {
            return Ok(patch);
        }
        if old.is_empty() && packet.is_none() {
            return Ok(patch);
        }
        if self.boxes.of(*b"moov").next().is_some() || self.boxes.of(*b"moof").next().is_some() {
            return Err(Error::unsupported(
                FORMAT,
                "a file with a movie beside the pictures takes no XMP packet",
            ));
        }
        if self.boxes.roots.iter().any(|n| n.size == SizeForm::Open) && packet.is_some() {
            return Err(Error::unsupported(FORMAT, "the last box has no stated length"));
        }
        // Old packets go: a box at the end that holds nothing else is cut off, others are emptied in place.
        let mut end = source.len();
        for item in &old {
            for r in &item.extents {
                let alone = self.boxes.roots.last().filter(|n| {
                    n.kind == *b"mdat" && n.body == *r && n.range.end == source.len() && end == source.len()
                });
                if let Some(node) = alone {
                    patch.remove(node.range.clone());
                    end = node.range.start;
                } else if !(self.meta.range.start <= r.start && r.end <= self.meta.range.end) {
                    patch.replace(r.clone(), vec![0; r.end.saturating_sub(r.start) as usize]);
                }
            }
        }
        let gone: Vec<u32> = old.iter().map(|i| i.id).collect();
        let id = gone
            .first()
            .copied()
            .or_else(|| self.items.iter().map(|i| i.id).max().unwrap_or(0).checked_add(1))
            .ok_or_else(|| Error::limit("there is no number left for an item").in_format(FORMAT))?;
        let mut items: Vec<Item> = self.items.iter().filter(|i| !gone.contains(&i.id)).cloned().collect();
        if packet.is_some() {
            let location = Some(Location { extents: vec![(0, 0, 0)], ..Location::default() });
            items.push(Item {
                id,
                kind: *b"mime",
                content_type: XMP_TYPE.to_owned(),
                extents: Vec::new(),
                location,
            });
        }
        // Offsets depend on the length of the box that states them, whose length depends on nothing but the number
        // and the width of the fields: two rounds give the same length.
        let old_end = self.meta.range.end;
        let mut meta = self.meta_box(source, &items, &gone, packet.map(|_| id))?;
        let grown = (meta.len() as i64).saturating_sub_unsigned(self.meta.len());
        for item in &mut items {
            let Some(location) = item.location.as_mut().filter(|l| l.method == 0 && l.reference == 0) else {
                continue;
            };
            for (_, offset, len) in &mut location.extents {
                if packet.is_some() && item.id == id {
                    *offset = end.saturating_add_signed(grown).saturating_add(8);
                    *len = packet.map_or(0, <[u8]>::len) as u64;
                } else if *offset >= old_end {
                    *offset = offset.saturating_add_signed(grown);
                } else if *offset >= self.meta.range.start {
                    let why = "an item stands inside the meta box under a file offset";
                    return Err(Error::unsupported(FORMAT, why).at_offset(*offset));
                }
            }
        }
        let again = self.meta_box(source, &items, &gone, packet.map(|_| id))?;
        if again.len() != meta.len() {
            return Err(Error::unsupported(FORMAT, "the locations of the items cannot be put right"));
        }
        meta = again;
        patch.replace(self.meta.range.clone(), meta);
        if let Some(packet) = packet {
            patch.insert(source.len(), bmff::encode(*b"mdat", packet)?);
        }
        Ok(patch)
    }

    /// The `meta` box with other items. Everything that is not a list of items is copied.
    fn meta_box(
        &self,
        source: &dyn Source,
        items: &[Item],
        gone: &[u32],
        new: Option<u32>,
    ) -> Result<Vec<u8>> {
        let first = self.meta.children.first().map_or(self.meta.body.end, |c| c.range.start);
        let mut body =
            source.bytes(self.meta.body.start, first.saturating_sub(self.meta.body.start))?.into_owned();
        let mut referenced = false;
        for child in &self.meta.children {
            match &child.kind {
                b"iinf" => body.extend(Self::iinf(source, child, gone, new)?),
                b"iloc" => body.extend(iloc(&child.table(source)?, items)?),
                b"iref" => {
                    referenced = true;
                    body.extend(self.iref(source, child, gone, new)?);
                }
                _ => body.extend_from_slice(&source.bytes(child.range.start, child.len())?),
            }
        }
        if let (false, Some(new), Some(primary)) = (referenced, new, self.primary) {
            let wide = new.max(primary) > 0xffff;
            let mut inner = vec![u8::from(wide), 0, 0, 0];
            inner.extend(describes(new, primary, wide)?);
            body.extend(bmff::encode(*b"iref", &inner)?);
        }
        bmff::encode(*b"meta", &body)
    }

    fn iinf(source: &dyn Source, node: &Node, gone: &[u32], new: Option<u32>) -> Result<Vec<u8>> {
        let table = node.table(source)?;
        let mut f = Fields::new(&table);
        let head = f.full();
        let (version, _) = head.unwrap_or_default();
        let _ = if version == 0 { f.u16().map(u32::from) } else { f.u32() };
        let mut count = 0_u32;
        let mut inner = Vec::new();
        for (kind, body, whole) in
            list(f.rest()).ok_or_else(|| broken(node, "the list of items ends early"))?
        {
            let dropped = kind == *b"infe" && info(body).is_some_and(|i| gone.contains(&i.id));
            if !dropped {
                inner.extend_from_slice(whole);
                count = count.saturating_add(1);
            }
        }
        if let Some(id) = new {
            let wide = id > 0xffff;
            let mut entry = vec![if wide { 3 } else { 2 }, 0, 0, 0];
            if wide {
                entry.extend(id.to_be_bytes());
            } else {
                entry.extend((id as u16).to_be_bytes());
            }
            entry.extend([0, 0]);
            entry.extend(b"mime\0");
            entry.extend(XMP_TYPE.as_bytes());
            entry.push(0);
            inner.extend(bmff::encode(*b"infe", &entry)?);
            count = count.saturating_add(1);
        }
        let mut out = table.get(..4).unwrap_or_default().to_vec();
        if version == 0 {
            let count =
                u16::try_from(count).map_err(|_| Error::limit("more than 65535 items").in_format(FORMAT))?;
            out.extend(count.to_be_bytes());
        } else {
            out.extend(count.to_be_bytes());
        }
        out.extend(inner);
        bmff::encode(*b"iinf", &out)
    }

    fn iref(&self, source: &dyn Source, node: &Node, gone: &[u32], new: Option<u32>) -> Result<Vec<u8>> {
        let table = node.table(source)?;
        let wide = table.first() == Some(&1);
        let mut out = table.get(..4).unwrap_or_default().to_vec();
        let refs = list(table.get(4..).unwrap_or_default());
        for (_, body, whole) in refs.ok_or_else(|| broken(node, "the list of references ends early"))? {
            let mut f = Fields::new(body);
            let from = if wide { f.u32() } else { f.u16().map(u32::from) };
            if !from.is_some_and(|id| gone.contains(&id)) {
                out.extend_from_slice(whole);
            }
        }
        if let (Some(new), Some(primary)) = (new, self.primary) {
            if !wide && new.max(primary) > 0xffff {
                return Err(Error::unsupported(FORMAT, "references of 16 bits cannot name the new item"));
            }
            out.extend(describes(new, primary, wide)?);
        }
        bmff::encode(*b"iref", &out)
    }
}

fn describes(from: u32, to: u32, wide: bool) -> Result<Vec<u8>> {
    let id = |v: u32| if wide { v.to_be_bytes().to_vec() } else { (v as u16).to_be_bytes().to_vec() };
    bmff::encode(*b"cdsc", &[id(from), vec![0, 1], id(to)].concat())
}

/// The locations of items, without base offsets; fields as wide as they were, or wider where an offset needs it.
fn iloc(old: &[u8], items: &[Item]) -> Result<Vec<u8>> {
    let &[version, _, _, _, sizes, more, ..] = old else {
        return Err(Error::malformed(FORMAT, "the list of locations ends early").at_place("iloc"));
    };
    let located: Vec<(&Item, &Location)> =
        items.iter().filter_map(|i| i.location.as_ref().map(|l| (i, l))).collect();
    let wide_id = located.iter().any(|(i, _)| i.id > 0xffff);
    let version = if wide_id { 2 } else { version };
    // Four bytes hold every offset of files below 4 GiB; a base that made them narrow is gone.
    let offset = (sizes >> 4).max(4);
    let length = (sizes & 15).max(4);
    let index = if version > 0 { more & 15 } else { 0 };
    let mut out = vec![version, 0, 0, 0, offset << 4 | length, index];
    if version < 2 {
        let n = u16::try_from(located.len())
            .map_err(|_| Error::limit("more than 65535 items").in_format(FORMAT))?;
        out.extend(n.to_be_bytes());
    } else {
        out.extend((located.len() as u32).to_be_bytes());
    }
    let number = |out: &mut Vec<u8>, v: u64, width: u8| -> Result<()> {
        let bytes = v.to_be_bytes();
        let (high, low) = bytes.split_at(8_usize.saturating_sub(usize::from(width)));
        if high.iter().any(|b| *b != 0) {
            return Err(Error::limit(format!("{v} does not fit into {width} bytes")).in_format(FORMAT));
        }
        out.extend_from_slice(low);
        Ok(())
    };
    for (item, location) in located {
        if version < 2 {
            out.extend((item.id as u16).to_be_bytes());
        } else {
            out.extend(item.id.to_be_bytes());
        }
        if version > 0 {
            out.extend(u16::from(location.method).to_be_bytes());
        }
        out.extend(location.reference.to_be_bytes());
        out.extend((location.extents.len() as u16).to_be_bytes());
        for (i, at, len) in &location.extents {
            number(&mut out, *i, index)?;
            number(&mut out, *at, offset)?;
            number(&mut out, *len, length)?;
        }
    }
    bmff::encode(*b"iloc", &out)
}

/// A box in a byte string: type, content, all of it.
type Listed<'a> = (Kind, &'a [u8], &'a [u8]);

/// Boxes in a byte string. `None` where one runs past the end.
fn list(mut rest: &[u8]) -> Option<Vec<Listed<'_>>> {
    let mut out = Vec::new();
    while rest.len() >= 8 {
        let mut f = Fields::new(rest);
        let len = f.u32()? as usize;
        let kind = f.array::<4>()?;
        let (whole, behind) = rest.split_at_checked(len)?;
        out.push((kind, whole.get(8..)?, whole));
        if out.len() > MAX_ITEMS {
            return None;
        }
        rest = behind;
    }
    Some(out)
}

fn infos(table: &[u8]) -> Option<Vec<Item>> {
    let mut f = Fields::new(table);
    let (version, _) = f.full()?;
    if version == 0 {
        f.u16()?;
    } else {
        f.u32()?;
    }
    Some(
        list(f.rest())?
            .into_iter()
            .filter(|(k, ..)| k == b"infe")
            .filter_map(|(_, body, _)| info(body))
            .collect(),
    )
}

/// An `infe` box. Versions 0 and 1 have no type; they are older than HEIF.
fn info(body: &[u8]) -> Option<Item> {
    let mut f = Fields::new(body);
    let (version, _) = f.full()?;
    let id = match version {
        2 => u32::from(f.u16()?),
        3 => f.u32()?,
        _ => return None,
    };
    f.u16()?;
    let kind = f.array::<4>()?;
    let mut texts = f.rest().split(|b| *b == 0);
    let _name = texts.next();
    let content_type = texts.next().filter(|_| &kind == b"mime").unwrap_or_default();
    Some(Item {
        id,
        kind,
        content_type: String::from_utf8_lossy(content_type).into_owned(),
        ..Item::default()
    })
}

fn locations(table: &[u8]) -> Option<Vec<(u32, Location)>> {
    let mut f = Fields::new(table);
    let (version, _) = f.full()?;
    let (sizes, more) = (f.u8()?, f.u8()?);
    let (offset, length, base) = (usize::from(sizes >> 4), usize::from(sizes & 15), usize::from(more >> 4));
    let index = if version > 0 { usize::from(more & 15) } else { 0 };
    if version > 2 || [offset, length, base, index].iter().any(|w| ![0, 4, 8].contains(w)) {
        return None;
    }
    let count = if version < 2 { u32::from(f.u16()?) } else { f.u32()? } as usize;
    let mut out = Vec::new();
    let mut extents = 0_usize;
    for _ in 0..count.min(MAX_ITEMS) {
        let id = if version < 2 { u32::from(f.u16()?) } else { f.u32()? };
        let method = if version > 0 { (f.u16()? & 15) as u8 } else { 0 };
        let reference = f.u16()?;
        let start = f.uint(base)?;
        let n = usize::from(f.u16()?);
        extents = extents.checked_add(n).filter(|n| *n <= MAX_ITEMS * 4)?;
        let mut location = Location { method, reference, extents: Vec::new() };
        for _ in 0..n {
            let (i, at, len) = (f.uint(index)?, f.uint(offset)?, f.uint(length)?);
            location.extents.push((i, start.checked_add(at)?, len));
        }
        out.push((id, location));
    }
    Some(out)
}

/// Width and height of an item from its properties: `ispe`, turned by `irot` (ISO/IEC 23008-12, 6.5).
fn size(iprp: &[u8], item: u32) -> Option<(u32, u32)> {
    let parts = list(iprp)?;
    let properties = list(parts.iter().find(|(k, ..)| k == b"ipco")?.1)?;
    let mut mine: Vec<usize> = Vec::new();
    for (_, body, _) in parts.iter().filter(|(k, ..)| k == b"ipma") {
        let mut f = Fields::new(body);
        let (version, flags) = f.full()?;
        for _ in 0..f.u32()?.min(MAX_ITEMS as u32) {
            let id = if version < 1 { u32::from(f.u16()?) } else { f.u32()? };
            for _ in 0..f.u8()? {
                let index = if flags & 1 == 1 { f.u16()? & 0x7fff } else { u16::from(f.u8()? & 0x7f) };
                if id == item {
                    mine.push(usize::from(index));
                }
            }
        }
    }
    let mut size = None;
    let mut turned = false;
    for (kind, body, _) in mine.iter().filter_map(|i| properties.get(i.checked_sub(1)?)) {
        let mut f = Fields::new(body);
        match kind {
            b"ispe" => {
                f.full()?;
                size = Some((f.u32()?, f.u32()?));
            }
            b"irot" => turned = f.u8()? & 1 == 1,
            _ => {}
        }
    }
    size.map(|(w, h)| if turned { (h, w) } else { (w, h) })
}

fn broken(node: &Node, why: &str) -> Error {
    Error::malformed(FORMAT, why).at_place(bmff::name(node.kind)).at_offset(node.range.start)
}

/// A small picture file for tests: `n` picture items in one `mdat` behind the `meta` box.
#[doc(hidden)]
pub fn sample(brand: Kind, payload: &[u8], with_references: bool) -> Vec<u8> {
    let bx = |kind: &Kind, body: Vec<u8>| bmff::encode(*kind, &body).unwrap_or_default();
    let full = |version: u8, body: Vec<u8>| [vec![version, 0, 0, 0], body].concat();
    let ftyp = bx(b"ftyp", [&brand[..], &[0; 4], b"mif1", &brand[..]].concat());
    let build = |at: u32| {
        let infe =
            |id: u8, kind: &Kind| bx(b"infe", full(2, [vec![0, id, 0, 0], kind.to_vec(), vec![0]].concat()));
        let iinf = bx(b"iinf", full(0, [vec![0, 2], infe(1, b"av01"), infe(2, b"Exif")].concat()));
        let half = (payload.len() / 2) as u32;
        let entry = |id: u8, from: u32, len: u32| {
            [vec![0, id, 0, 0, 0, 1], from.to_be_bytes().to_vec(), len.to_be_bytes().to_vec()].concat()
        };
        let iloc = full(
            0,
            [
                vec![0x44, 0x00, 0, 2],
                entry(1, at, half),
                entry(2, at.saturating_add(half), (payload.len() as u32).saturating_sub(half)),
            ]
            .concat(),
        );
        let ispe = bx(b"ispe", full(0, vec![0, 0, 0, 40, 0, 0, 0, 30]));
        let ipco = bx(b"ipco", [ispe, bx(b"irot", vec![1])].concat());
        let ipma = bx(b"ipma", full(0, vec![0, 0, 0, 1, 0, 1, 2, 0x81, 2]));
        let mut body = full(0, Vec::new());
        body.extend(bx(b"hdlr", full(0, [&[0; 4][..], b"pict", &[0; 13]].concat())));
        body.extend(bx(b"pitm", full(0, vec![0, 1])));
        body.extend(bx(b"iloc", iloc));
        body.extend(iinf);
        body.extend(bx(b"iprp", [ipco, ipma].concat()));
        if with_references {
            body.extend(bx(b"iref", full(0, bx(b"cdsc", vec![0, 2, 0, 1, 0, 1]))));
        }
        bx(b"meta", body)
    };
    let at = ftyp.len().saturating_add(build(0).len()).saturating_add(8) as u32;
    [ftyp, build(at), bx(b"mdat", payload.to_vec())].concat()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn payload() -> Vec<u8> {
        (0..200_u8).collect()
    }

    #[test]
    fn iso_23008_12_items_sizes_and_places_are_found() {
        let b = sample(*b"avif", &payload(), true);
        let h = walk(&b, &Limits::default()).unwrap();
        assert_eq!(h.primary, Some(1));
        assert_eq!(h.size, Some((30, 40)), "turned by a quarter");
        assert_eq!(h.data(&b, &h.items[0], 1000).unwrap(), payload()[..100]);
    }

    #[test]
    fn an_xmp_item_is_set_replaced_and_removed_and_pictures_stay_where_their_places_say() {
        for with_references in [false, true] {
            let mut b = sample(*b"heic", &payload(), with_references);
            for packet in ["<x/>", "<a longer packet/>", "<y/>"] {
                let h = walk(&b, &Limits::default()).unwrap();
                let patch = h.set_xmp(&b, Some(packet.as_bytes()), &Limits::default()).unwrap();
                b = patch.apply_to_vec(&b).unwrap();
                let h = walk(&b, &Limits::default()).unwrap();
                assert_eq!(h.xmp().count(), 1);
                assert_eq!(h.data(&b, h.xmp().next().unwrap(), 1000).unwrap(), packet.as_bytes());
                assert_eq!(h.data(&b, &h.items[0], 1000).unwrap(), payload()[..100]);
                assert_eq!(h.data(&b, &h.items[1], 1000).unwrap(), payload()[100..]);
                let again = h.set_xmp(&b, Some(packet.as_bytes()), &Limits::default()).unwrap();
                assert!(again.is_empty());
                assert_eq!(h.boxes.of(*b"mdat").count(), 2, "one box for the packet, not one for each edit");
            }
            let h = walk(&b, &Limits::default()).unwrap();
            let out = h.set_xmp(&b, None, &Limits::default()).unwrap().apply_to_vec(&b).unwrap();
            let h = walk(&out, &Limits::default()).unwrap();
            assert_eq!((h.xmp().count(), h.items.len()), (0, 2));
            assert_eq!(h.data(&out, &h.items[1], 1000).unwrap(), payload()[100..]);
        }
    }

    proptest::proptest! {
        #[test]
        fn damaged_tables_end_in_a_result(at in 0_usize..400, value: u8) {
            let mut b = sample(*b"avif", &payload(), true);
            if let Some(v) = b.get_mut(at) {
                *v = value;
            }
            if let Ok(h) = walk(&b, &Limits::default())
                && let Ok(patch) = h.set_xmp(&b, Some(b"<x/>"), &Limits::default())
            {
                let _ = patch.apply_to_vec(&b);
            }
        }
    }
}
