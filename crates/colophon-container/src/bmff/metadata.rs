//! Named values in a movie: `mdta` keys, iTunes tags, user data, XMP packets, C2PA manifests.

use std::ops::Range;

use colophon_core::{Entry, Error, Limits, Result, Slot, Source};

use super::{Boxes, FORMAT, Fields, Kind, Node, name};

/// The type of the `uuid` box with an XMP packet (XMP specification part 3, 1.2.5).
pub const XMP_UUID: [u8; 16] =
    [0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8, 0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac];
/// The type of the `uuid` box with a C2PA manifest store (C2PA 2.x, A.5.1).
pub const C2PA_UUID: [u8; 16] =
    [0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c, 0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81];
/// User data that holds an XMP packet in QuickTime (XMP specification part 3, 1.2.6).
pub const XMP_USER_DATA: Kind = *b"XMP_";
/// Handler of lists whose items are numbered after `keys` (QuickTime File Format, "Metadata").
pub(super) const MDTA: Kind = *b"mdta";
/// Well-known type of UTF-8 text in a `data` atom.
pub(super) const UTF8: u32 = 1;
/// Well-known type of UTF-16BE text in a `data` atom.
const UTF16: u32 = 2;
/// Boxes that are user data in the form of 3GPP TS 26.244: full box, language, text.
const ASSET_TEXT: &[&Kind] = &[b"titl", b"dscp", b"cprt", b"perf", b"auth", b"gnre"];

/// A list of items: one `meta` box.
#[derive(Clone, Debug)]
pub(super) struct List<'a> {
    /// The `meta` box.
    pub(super) node: &'a Node,
    /// Path as shown to people.
    pub(super) path: String,
    /// Handler type; zeros when there is none.
    pub(super) handler: Kind,
    /// It is a full box, as ISO wants.
    pub(super) full: bool,
    /// Names with their namespaces, in the order in which items count them (from 1).
    pub(super) keys: Vec<(Kind, Vec<u8>)>,
    /// Items of `ilst`.
    pub(super) items: Vec<Item>,
}

/// An item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Type: a number in `mdta` lists, four characters elsewhere.
    pub(super) kind: Kind,
    pub(super) range: Range<u64>,
    /// Name, where the item carries its own (`----`).
    pub(super) own_name: Option<String>,
    /// Type and bytes of the first `data` atom.
    pub(super) value: Option<(u32, Vec<u8>)>,
}

impl List<'_> {
    /// The name of an item.
    pub(super) fn name_of(&self, item: &Item) -> String {
        if let Some(own) = &item.own_name {
            return own.clone();
        }
        if self.handler == MDTA {
            let index = u32::from_be_bytes(item.kind) as usize;
            if let Some((_, key)) = index.checked_sub(1).and_then(|i| self.keys.get(i)) {
                return String::from_utf8_lossy(key).into_owned();
            }
        }
        name(item.kind)
    }

    /// Whether a key in this list stands where TC260-PG-20257A wants it: `moov/udta/meta`, handler `mdta`.
    pub(super) fn is_normative(&self) -> bool {
        self.full && self.handler == MDTA && self.path == NORMATIVE
    }
}

/// Where the guide puts keys.
pub(super) const NORMATIVE: &str = "moov/udta/meta";

/// Every metadata value, in file order.
///
/// `key` is the name whose values are told apart from free text: values under names that contain it come as
/// [`Slot::Field`] under this very key, other text as [`Slot::Comment`]. XMP packets come as [`Slot::Xmp`] with the
/// key `xmp`, manifests as [`Slot::Jumbf`] with the key `c2pa`.
///
/// `xmp_in_user_data` says which of the two places for a packet is the right one for the kind of file: `XMP_` in the
/// user data of QuickTime, else the `uuid` box.
///
/// # Errors
/// `Limit` for values longer than [`Limits::metadata_bytes`]; `Malformed` for broken lists.
pub fn entries(
    source: &dyn Source,
    boxes: &Boxes,
    key: &str,
    xmp_in_user_data: bool,
    limits: &Limits,
) -> Result<Vec<Entry>> {
    let mut r = Reader { source, key, xmp_in_user_data, limits, out: Vec::new() };
    for node in &boxes.roots {
        r.visit(node, &name(node.kind))?;
    }
    r.out.sort_by_key(|e| (e.range.start, e.range.end));
    Ok(r.out)
}

/// The lists of a file with their paths.
pub(super) fn lists<'a>(source: &dyn Source, boxes: &'a Boxes, limits: &Limits) -> Result<Vec<List<'a>>> {
    fn visit<'a>(
        source: &dyn Source,
        node: &'a Node,
        path: &str,
        limits: &Limits,
        out: &mut Vec<List<'a>>,
    ) -> Result<()> {
        if &node.kind == b"meta" {
            out.push(list(source, node, path, limits)?);
        }
        for (path, child) in below(node, path) {
            visit(source, child, &path, limits, out)?;
        }
        Ok(())
    }
    let mut out = Vec::new();
    for node in &boxes.roots {
        visit(source, node, &name(node.kind), limits, &mut out)?;
    }
    Ok(out)
}

/// Children that may hold metadata, with their paths; tracks are counted from 1.
fn below<'a>(node: &'a Node, path: &str) -> Vec<(String, &'a Node)> {
    let mut tracks = 0_usize;
    let mut out = Vec::new();
    for child in &node.children {
        match &child.kind {
            b"trak" => {
                tracks = tracks.saturating_add(1);
                out.push((format!("{path}/trak[{tracks}]"), child));
            }
            b"mdia" | b"minf" | b"stbl" | b"edts" | b"dinf" | b"mvex" | b"traf" => {}
            kind => out.push((format!("{path}/{}", name(*kind)), child)),
        }
    }
    out
}

fn list<'a>(source: &dyn Source, node: &'a Node, path: &str, limits: &Limits) -> Result<List<'a>> {
    let full = node.children.first().is_none_or(|c| c.range.start > node.body.start);
    let mut handler = [0; 4];
    if let Some(hdlr) = node.of(*b"hdlr").next() {
        let head =
            source.bytes_up_to(hdlr.body.start, 12.min(hdlr.body.end.saturating_sub(hdlr.body.start)))?;
        let mut f = Fields::new(&head);
        handler = f.u64().and_then(|_| f.array()).unwrap_or_default();
    }
    let mut keys = Vec::new();
    if let Some(node) = node.of(*b"keys").next() {
        let bytes = bounded(source, node, limits)?;
        let mut f = Fields::new(&bytes);
        let count = f.u32().and_then(|_| f.u32()).ok_or_else(|| node.malformed("the box is too short"))?;
        for _ in 0..count {
            let size = f.u32().ok_or_else(|| node.malformed("fewer keys than announced"))?;
            let namespace = f.array().ok_or_else(|| node.malformed("fewer keys than announced"))?;
            let value = (size as usize)
                .checked_sub(8)
                .and_then(|n| f.take(n))
                .ok_or_else(|| node.malformed("a key has an impossible length"))?;
            keys.push((namespace, value.to_vec()));
        }
    }
    let mut items = Vec::new();
    if let Some(ilst) = node.of(*b"ilst").next() {
        for (kind, range, body) in raw_boxes(source, ilst, ilst.body.clone(), limits)? {
            let mut item = Item { kind, range, own_name: None, value: None };
            for (kind, part, inner) in raw_boxes(source, ilst, body, limits)? {
                match &kind {
                    b"data" if item.value.is_none() => {
                        // Cover pictures may be large; they are no text and stay where they are.
                        let head =
                            source.bytes_up_to(inner.start, 8.min(inner.end.saturating_sub(inner.start)))?;
                        let Some(kind) = Fields::new(&head).u32() else { continue };
                        let value = inner.start.saturating_add(8).min(inner.end)..inner.end;
                        if kind <= UTF16 {
                            item.value = Some((kind, text_bytes(source, &part, value, limits)?));
                        }
                    }
                    b"name" => {
                        let value = inner.start.saturating_add(4).min(inner.end)..inner.end;
                        let bytes = text_bytes(source, &part, value, limits)?;
                        item.own_name = Some(String::from_utf8_lossy(&bytes).into_owned());
                    }
                    _ => {}
                }
            }
            items.push(item);
        }
    }
    Ok(List { node, path: path.to_owned(), handler, full, keys, items })
}

/// Boxes that are walked only here: items of `ilst` and their atoms.
#[expect(clippy::type_complexity, reason = "a triple of type, box and content, used twice above")]
fn raw_boxes(
    source: &dyn Source,
    owner: &Node,
    range: Range<u64>,
    limits: &Limits,
) -> Result<Vec<(Kind, Range<u64>, Range<u64>)>> {
    let mut out = Vec::new();
    let mut at = range.start;
    while range.end.saturating_sub(at) >= 8 {
        let head = source.bytes(at, 8)?;
        let mut f = Fields::new(&head);
        let (Some(size), Some(kind)) = (f.u32(), f.array()) else { break };
        let end = at.saturating_add(u64::from(size));
        if size < 8 || end > range.end {
            return Err(owner.malformed(format!("an item at byte {at} announces {size} bytes")));
        }
        if out.len() >= limits.parts {
            return Err(Error::limit("a list has more items than allowed").in_format(FORMAT).at_offset(at));
        }
        out.push((kind, at..end, at.saturating_add(8)..end));
        at = end;
    }
    Ok(out)
}

fn bounded(source: &dyn Source, node: &Node, limits: &Limits) -> Result<Vec<u8>> {
    text_bytes(source, &node.range, node.body.clone(), limits)
}

fn text_bytes(source: &dyn Source, at: &Range<u64>, value: Range<u64>, limits: &Limits) -> Result<Vec<u8>> {
    let len = value.end.saturating_sub(value.start);
    if len > limits.metadata_bytes {
        return Err(Error::limit(format!("{len} bytes of metadata, {} are allowed", limits.metadata_bytes))
            .in_format(FORMAT)
            .at_offset(at.start));
    }
    Ok(source.bytes(value.start, len)?.into_owned())
}

/// Text of a `data` atom as UTF-8.
fn decoded(kind: u32, bytes: &[u8]) -> Vec<u8> {
    if kind != UTF16 {
        return bytes.to_vec();
    }
    let units = bytes.chunks_exact(2).map(|p| u16::from_be_bytes(p.try_into().unwrap_or_default()));
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect::<String>()
        .into_bytes()
}

struct Reader<'a> {
    source: &'a dyn Source,
    key: &'a str,
    xmp_in_user_data: bool,
    limits: &'a Limits,
    out: Vec<Entry>,
}

impl Reader<'_> {
    fn visit(&mut self, node: &Node, path: &str) -> Result<()> {
        let user_data = path.ends_with("/udta") || path == "udta";
        match &node.kind {
            b"meta" => self.list(&list(self.source, node, path, self.limits)?),
            b"uuid" => self.uuid(node, path)?,
            kind if kind == self.key.as_bytes() => {
                let value = trimmed(&bounded(self.source, node, self.limits)?);
                self.push(Slot::Field, self.key, value, path.to_owned(), node.range.clone(), false);
            }
            _ => {}
        }
        for (path, child) in below(node, path) {
            if user_data && child.children.is_empty() {
                self.user_data(child, &path)?;
            }
            self.visit(child, &path)?;
        }
        Ok(())
    }

    fn list(&mut self, list: &List<'_>) {
        for item in &list.items {
            let Some((kind, bytes)) = &item.value else { continue };
            let value = decoded(*kind, bytes);
            let name = list.name_of(item);
            let place = format!("{}/ilst[{name}]", list.path);
            if name.to_ascii_uppercase().contains(&self.key.to_ascii_uppercase()) {
                let normative = name == self.key && list.is_normative();
                self.push(Slot::Field, self.key, value, place, item.range.clone(), normative);
            } else if std::str::from_utf8(&value).is_ok_and(|v| !v.is_empty()) {
                self.push(Slot::Comment, &name, value, place, item.range.clone(), false);
            }
        }
    }

    fn uuid(&mut self, node: &Node, path: &str) -> Result<()> {
        match node.uuid {
            Some(XMP_UUID) => {
                let value = bounded(self.source, node, self.limits)?;
                let normative = path == "uuid" && !self.xmp_in_user_data;
                self.push(Slot::Xmp, "xmp", value, "uuid XMP".to_owned(), node.range.clone(), normative);
            }
            Some(C2PA_UUID) => {
                let bytes = bounded(self.source, node, self.limits)?;
                let mut f = Fields::new(&bytes);
                // Full box, purpose with a closing zero, offset of the first Merkle box, store.
                let _ = f.full();
                let purpose: Vec<u8> = f.rest().iter().copied().take_while(|b| *b != 0).collect();
                let store = f.take(purpose.len().saturating_add(9)).map(|_| f.rest());
                if let (b"manifest" | b"original" | b"update", Some(store)) = (purpose.as_slice(), store) {
                    self.push(
                        Slot::Jumbf,
                        "c2pa",
                        store.to_vec(),
                        "uuid C2PA".to_owned(),
                        node.range.clone(),
                        true,
                    );
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// One piece of user data that is a value itself.
    fn user_data(&mut self, node: &Node, path: &str) -> Result<()> {
        if node.kind == XMP_USER_DATA {
            let value = bounded(self.source, node, self.limits)?;
            let normative = path == "moov/udta/XMP_" && self.xmp_in_user_data;
            self.push(Slot::Xmp, "xmp", value, path.to_owned(), node.range.clone(), normative);
            return Ok(());
        }
        let international = node.kind.first() == Some(&0xa9);
        if !international && !ASSET_TEXT.contains(&&node.kind) {
            return Ok(());
        }
        let bytes = bounded(self.source, node, self.limits)?;
        let mut f = Fields::new(&bytes);
        let text = if international {
            // QuickTime: length, language, text. Some writers put an iTunes `data` atom here.
            let len = f.u16().map_or(0, usize::from);
            let _ = f.u16();
            f.take(len).or_else(|| bytes.get(16..).filter(|_| bytes.get(4..8) == Some(b"data")))
        } else {
            f.take(6).map(|_| f.rest())
        };
        let value = trimmed(text.unwrap_or_default());
        if !value.is_empty() && std::str::from_utf8(&value).is_ok() {
            self.push(Slot::Comment, &name(node.kind), value, path.to_owned(), node.range.clone(), false);
        }
        Ok(())
    }

    fn push(
        &mut self,
        slot: Slot,
        key: &str,
        value: Vec<u8>,
        place: String,
        range: Range<u64>,
        normative: bool,
    ) {
        self.out.push(Entry { slot, key: key.to_owned(), value, place, range, normative });
    }
}

/// Without closing zeros.
fn trimmed(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |i| i.saturating_add(1));
    bytes.get(..end).unwrap_or_default().to_vec()
}
