//! HEIF with HEVC (HEIC) and with AV1 (AVIF): metadata and signature. Pixels are not decoded.

use colophon_container::bmff::metadata::C2PA_UUID;
use colophon_container::heif::{self, Heif as File, Item};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Patch, Properties, Result,
    SignalSupport, Slot, SlotInfo, Source,
};

use crate::entries;

/// HEIC.
pub static HEIC: Heif =
    Heif { info: &HEIC_INFO, brands: &[b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2"] };
/// AVIF.
pub static AVIF: Heif = Heif { info: &AVIF_INFO, brands: &[b"avif", b"avis"] };

const SLOTS: &[SlotInfo] =
    &[SlotInfo { slot: Slot::Xmp, place: "meta item application/rdf+xml", source: "TC260-PG-20259A" }];
const NOTE: &str = "metadata and signature only: no label and no watermark, because pixels are not decoded; files with a \
                    movie beside the pictures take the signature only";

static HEIC_INFO: FormatInfo = FormatInfo {
    id: "heic",
    name: "HEIC",
    media: Media::Image,
    extensions: &["heic", "heif", "hif"],
    mime: &["image/heic", "image/heif"],
    magic: &[Magic { offset: 4, bytes: b"ftypheic" }, Magic { offset: 4, bytes: b"ftypmif1" }],
    slots: SLOTS,
    signal: SignalSupport::None,
    carrier: Carrier::Native("image/heic"),
    note: NOTE,
};

static AVIF_INFO: FormatInfo = FormatInfo {
    id: "avif",
    name: "AVIF",
    media: Media::Image,
    extensions: &["avif"],
    mime: &["image/avif"],
    magic: &[Magic { offset: 4, bytes: b"ftypavif" }],
    slots: SLOTS,
    signal: SignalSupport::None,
    carrier: Carrier::Native("image/avif"),
    note: NOTE,
};

/// A picture in the HEIF container.
#[derive(Debug)]
pub struct Heif {
    info: &'static FormatInfo,
    /// Brands of its file type box, the strongest first.
    brands: &'static [&'static [u8; 4]],
}

impl Format for Heif {
    fn info(&self) -> &'static FormatInfo {
        self.info
    }

    fn score(&self, head: &[u8]) -> u8 {
        if head.get(4..8) != Some(b"ftyp") {
            return 0;
        }
        let len = head.first_chunk().map_or(0, |b| u32::from_be_bytes(*b)) as usize;
        let list = head.get(8..len.min(head.len())).unwrap_or_default();
        let mut brands = list.chunks_exact(4);
        let mine = |b: &[u8]| self.brands.iter().any(|m| &m[..] == b);
        match brands.next() {
            // The general brand of pictures, with AV1 among the compatible ones, is AVIF.
            Some(major) if mine(major) && major == b"mif1" && brands.clone().any(|b| b == b"avif") => 40,
            Some(major) if mine(major) => 95,
            Some(b"mif1" | b"mif2" | b"miaf") if brands.any(mine) => 94,
            _ => 0,
        }
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = self.walk(source, limits)?;
        let mut layout = Layout { notes: file.boxes.notes.clone(), ..Layout::default() };
        for item in &file.items {
            let range = || {
                let start = item.extents.iter().map(|r| r.start).min().unwrap_or(0);
                start..item.extents.iter().map(|r| r.end).max().unwrap_or(start)
            };
            if &item.kind == b"mime" && item.content_type == heif::XMP_TYPE {
                let value = file.data(source, item, limits.metadata_bytes)?;
                let normative = layout.of(Slot::Xmp).next().is_none();
                let place = format!("meta item {} XMP", item.id);
                layout.entries.push(Entry {
                    slot: Slot::Xmp,
                    key: "xmp".to_owned(),
                    value,
                    place,
                    range: range(),
                    normative,
                });
            } else if &item.kind == b"Exif" {
                layout.media.extend(item.extents.iter().cloned());
                Self::exif(source, &file, item, &mut layout, limits)?;
            } else {
                layout.media.extend(item.extents.iter().cloned());
            }
        }
        for node in file.boxes.roots.iter().filter(|n| n.uuid == Some(C2PA_UUID)) {
            let body = source.bytes(node.body.start, node.body.end - node.body.start)?;
            // Version and flags, the purpose as text, an offset of Merkle trees; then the store (C2PA 2.2, A.5.1).
            let purpose = body.get(4..).and_then(|b| b.iter().position(|b| *b == 0)).map_or(4, |n| n + 5);
            if body.get(4..purpose.saturating_sub(1)) == Some(b"manifest") {
                let value = body.get(purpose + 8..).unwrap_or_default().to_vec();
                let (place, key) = ("uuid C2PA".to_owned(), "c2pa".to_owned());
                let range = node.range.clone();
                layout.entries.push(Entry { slot: Slot::Jumbf, key, value, place, range, normative: true });
            }
        }
        layout.entries.sort_by_key(|e| (e.range.start, e.range.end));
        layout.media.sort_by_key(|r| (r.start, r.end));
        let mut at = 0;
        // Items may share bytes.
        layout.media.retain(|r| {
            let apart = r.start >= at;
            at = at.max(r.end);
            apart
        });
        layout.properties = Properties { dimensions: file.size, ..Properties::default() };
        let pictures = file.items.iter().filter(|i| !matches!(&i.kind, b"mime" | b"Exif")).count();
        layout.properties.other.insert("items".to_owned(), pictures.to_string());
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut packet: Option<Option<&[u8]>> = None;
        let mut removed = Vec::new();
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Xmp, value, .. } => packet = Some(Some(value)),
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(self.info.id, format!("no place for {slot:?} {key}")));
                }
                Edit::Remove { range } => removed.push(range),
            }
        }
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        let layout = self.inspect(source, limits)?;
        let mut blanked = Vec::new();
        for range in removed {
            match layout.entries.iter().find(|e| e.range == *range) {
                Some(e) if e.slot == Slot::Xmp => {
                    packet.get_or_insert(None);
                }
                Some(e) if e.slot == Slot::Exif => blanked.push(range.clone()),
                _ => {
                    let text = "nothing that can be removed stands there";
                    return Err(Error::malformed(self.info.id, text).at_offset(range.start));
                }
            }
        }
        let file = self.walk(source, limits)?;
        let mut patch = match packet {
            Some(packet) => file.set_xmp(source, packet, limits).map_err(|e| e.in_format(self.info.id))?,
            None => Patch::new(),
        };
        for range in blanked {
            patch.replace(range.clone(), vec![0; (range.end - range.start) as usize]);
        }
        Ok(patch)
    }
}

impl Heif {
    fn walk(&self, source: &dyn Source, limits: &Limits) -> Result<File> {
        heif::walk(source, limits).map_err(|e| e.in_format(self.info.id))
    }

    /// The texts of an Exif item: four bytes say where the TIFF structure begins (ISO/IEC 23008-12, A.2.1).
    fn exif(
        source: &dyn Source,
        file: &File,
        item: &Item,
        layout: &mut Layout,
        limits: &Limits,
    ) -> Result<()> {
        let [extent] = item.extents.as_slice() else { return Ok(()) };
        let data = file.data(source, item, limits.metadata_bytes)?;
        let Some((skip, rest)) = data.split_first_chunk::<4>() else { return Ok(()) };
        let skip = u32::from_be_bytes(*skip) as usize;
        let Some(block) = rest.get(skip..) else { return Ok(()) };
        let block = entries::exif(block, extent.start + 4 + skip as u64, "Exif item", limits);
        layout.entries.extend(block.entries);
        layout.notes.extend(block.exif.notes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use colophon_conformance::check;

    use super::*;

    #[test]
    fn heif_keeps_the_promises_of_a_format() {
        let payload: Vec<u8> = (0..=255).collect();
        let plain = heif::sample(*b"avif", &payload, true);
        let with_packet = {
            let edit = Edit::set(Slot::Xmp, "xmp", "<old/>");
            AVIF.edit(&plain, &[edit], &Limits::default()).unwrap().apply_to_vec(&plain).unwrap()
        };
        check(&AVIF, &[("plain", plain), ("with packet", with_packet)]);
        check(&HEIC, &[("without references", heif::sample(*b"heic", &payload, false))]);
    }

    #[test]
    fn brands_tell_the_two_and_the_movies_apart() {
        let head = |brands: &[&[u8; 4]]| {
            let mut b = ((8 + 4 * (brands.len() + 1)) as u32).to_be_bytes().to_vec();
            b.extend(b"ftyp");
            b.extend(brands[0]);
            b.extend([0; 4]);
            brands[1..].iter().for_each(|x| b.extend(&x[..]));
            b
        };
        let of = |b: &[u8]| (HEIC.score(b), AVIF.score(b));
        let (h, a) = of(&head(&[b"avif", b"mif1", b"miaf"]));
        assert!(a > h);
        let (h, a) = of(&head(&[b"mif1", b"avif", b"miaf"]));
        assert!(a > h);
        let (h, a) = of(&head(&[b"mif1", b"heic"]));
        assert!(h > a);
        assert_eq!(of(&head(&[b"isom", b"mp42"])), (0, 0));
    }
}
