//! Small pictures inside a JPEG file that show what the large one showed: they go when the large one changes.

use std::borrow::Cow;
use std::ops::Range;

use colophon_core::{Limits, Result, Source};

use super::{Content, EXIF, Jpeg, Segment, XMP, encode, marker};
use crate::{exif, xmp};

/// Photoshop's thumbnail resources (Photoshop file formats specification: 1033, 1036).
const PHOTOSHOP_THUMBNAILS: [u16; 2] = [0x0409, 0x040c];
/// Namespace of the XMP property with thumbnails.
const XMP_BASIC: &str = "http://ns.adobe.com/xap/1.0/";

/// Names of the previews in a file, for people.
///
/// # Errors
/// Of the source.
pub fn list(jpeg: &Jpeg, source: &dyn Source, limits: &Limits) -> Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for s in &jpeg.segments {
        let bytes = s.bytes_of_application(source)?;
        if let Some(name) = name(s, source, &bytes, limits)? {
            names.push(name);
        }
    }
    Ok(names)
}

/// The segment without the preview in it: `None` when the whole segment goes, its bytes when nothing changes.
///
/// # Errors
/// Of the source.
pub fn without(segment: &Segment, source: &dyn Source, limits: &Limits) -> Result<Option<Vec<u8>>> {
    let bytes = segment.bytes_of_application(source)?;
    let whole = || {
        let len = segment.range.end.saturating_sub(segment.range.start);
        source.bytes(segment.range.start, len).map(Cow::into_owned).map(Some)
    };
    match name(segment, source, &bytes, limits)? {
        None => whole(),
        Some("JFIF thumbnail") => {
            // Everything up to the thumbnail's size, which becomes 0 × 0.
            let mut data = bytes.get(..12).unwrap_or_default().to_vec();
            data.extend_from_slice(&[0, 0]);
            encode(segment.marker, &data).map(Some)
        }
        Some("Exif thumbnail") => {
            let block = bytes.get(EXIF.len()..).unwrap_or_default();
            match exif::without_thumbnail(block, limits)? {
                Some(block) => encode(segment.marker, &[EXIF, &block].concat()).map(Some),
                None => whole(),
            }
        }
        Some("Photoshop thumbnail") => {
            let mut data = bytes.to_vec();
            for range in photoshop_thumbnails(&bytes).into_iter().rev() {
                data.drain(range);
            }
            encode(segment.marker, &data).map(Some)
        }
        Some("XMP thumbnails") => {
            let packet = bytes.get(XMP.len()..).unwrap_or_default();
            let packet = xmp::remove(packet, XMP_BASIC, "Thumbnails")?;
            encode(segment.marker, &[XMP, &packet].concat()).map(Some)
        }
        Some(_) => Ok(None),
    }
}

fn name(s: &Segment, source: &dyn Source, bytes: &[u8], limits: &Limits) -> Result<Option<&'static str>> {
    Ok(match s.marker {
        marker::APP0 if bytes.starts_with(b"JFIF\0") => match bytes.get(12..14) {
            Some([x, y]) if *x > 0 && *y > 0 => Some("JFIF thumbnail"),
            _ => None,
        },
        marker::APP0 if bytes.starts_with(b"JFXX\0") => Some("JFXX thumbnail"),
        marker::APP2 if bytes.starts_with(b"MPF\0") => Some("multi-picture index"),
        marker::APP2 if bytes.starts_with(b"FPXR\0") => Some("FlashPix preview"),
        marker::APP13 if !photoshop_thumbnails(bytes).is_empty() => Some("Photoshop thumbnail"),
        marker::APP1 => match s.content(source)? {
            Content::Exif(_) => {
                let block = bytes.get(EXIF.len()..).unwrap_or_default();
                let read = exif::read(block, limits).ok();
                read.and_then(|e| e.thumbnail).map(|_| "Exif thumbnail")
            }
            Content::Xmp(_) => {
                let packet = bytes.get(XMP.len()..).unwrap_or_default();
                let found = xmp::get(packet, XMP_BASIC, "Thumbnails").is_ok_and(|v| !v.is_empty());
                found.then_some("XMP thumbnails")
            }
            _ => None,
        },
        _ => None,
    })
}

/// The resource blocks of an APP13 segment that hold thumbnails, padding included.
fn photoshop_thumbnails(bytes: &[u8]) -> Vec<Range<usize>> {
    let signature = b"Photoshop 3.0\0";
    let mut found = Vec::new();
    if !bytes.starts_with(signature) {
        return found;
    }
    let mut at = signature.len();
    while let Some([b'8', b'B', b'I', b'M', i0, i1, name_len, ..]) = bytes.get(at..) {
        // A Pascal string, then a length, then the data, each padded to even lengths.
        let name = usize::from(*name_len).saturating_add(2) & !1;
        let len_at = at.saturating_add(6).saturating_add(name);
        let Some([l0, l1, l2, l3]) = bytes.get(len_at..len_at.saturating_add(4)) else { break };
        let len = u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize;
        let end = len_at.saturating_add(4).saturating_add(len).saturating_add(len & 1);
        let end = end.min(bytes.len());
        if PHOTOSHOP_THUMBNAILS.contains(&u16::from_be_bytes([*i0, *i1])) {
            found.push(at..end);
        }
        at = end;
    }
    found
}

impl Segment {
    /// The data of an application segment; nothing for tables and scans.
    fn bytes_of_application<'a>(&self, source: &'a dyn Source) -> Result<Cow<'a, [u8]>> {
        if super::is_application(self.marker) { self.bytes(source) } else { Ok(Cow::Borrowed(&[])) }
    }
}
