//! JPEG segments (ITU-T T.81, Annex B): walking, application segments, edits.

use std::borrow::Cow;
use std::ops::Range;

use colophon_core::{Error, ErrorKind, Limits, Patch, Result, Source};

pub mod jumbf;
pub mod preview;

const FORMAT: &str = "jpeg";
/// Longest data of one segment: a 16-bit length that counts itself.
pub const MAX_DATA: usize = 65_533;
/// Signature of a segment with an XMP packet (XMP specification part 3, 1.1.3).
pub const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Signature of a segment with a part of an extended packet (the same, 1.1.3.1).
pub const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
/// Signature of a segment with an Exif block (Exif 3.0, 4.7.2).
pub const EXIF: &[u8] = b"Exif\0\0";
/// Markers by the names of the standard (T.81, table B.1).
pub mod marker {
    /// Start of image.
    pub const SOI: u8 = 0xd8;
    /// End of image.
    pub const EOI: u8 = 0xd9;
    /// Start of scan.
    pub const SOS: u8 = 0xda;
    /// Quantisation tables.
    pub const DQT: u8 = 0xdb;
    /// Comment.
    pub const COM: u8 = 0xfe;
    /// First application segment.
    pub const APP0: u8 = 0xe0;
    /// Exif and XMP.
    pub const APP1: u8 = 0xe1;
    /// ICC profile and multi-picture index.
    pub const APP2: u8 = 0xe2;
    /// JUMBF.
    pub const APP11: u8 = 0xeb;
    /// Photoshop resources.
    pub const APP13: u8 = 0xed;
    /// Adobe colour transform.
    pub const APP14: u8 = 0xee;
}

/// One marker segment; for a scan, its header without the coded data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The byte after 0xFF.
    pub marker: u8,
    /// Marker, length and data.
    pub range: Range<u64>,
    /// The data behind the length.
    pub data: Range<u64>,
}

/// One colour component of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Identifier.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub horizontal: u8,
    /// Vertical sampling factor, 1 to 4.
    pub vertical: u8,
    /// Which quantisation table, 0 to 3.
    pub table: u8,
}

/// The frame header (T.81, B.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The SOF marker: 0xC0 baseline, 0xC1 extended, 0xC2 progressive, 0xC3 lossless, 0xC9 and up arithmetic.
    pub marker: u8,
    /// Bits per sample.
    pub precision: u8,
    /// Width in pixels as stored, at least 1.
    pub width: u16,
    /// Height in pixels as stored, at least 1.
    pub height: u16,
    /// Components, 1 to 4.
    pub components: Vec<Component>,
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct Jpeg {
    /// Segments with a length, in file order.
    pub segments: Vec<Segment>,
    /// The frame header.
    pub frame: Frame,
    /// Everything a decoder of the picture needs: tables, headers, coded data. Neighbours are joined.
    pub coded: Vec<Range<u64>>,
    /// Behind the end marker.
    pub end: u64,
    /// Things a reader should know.
    pub notes: Vec<String>,
}

/// What a segment holds, by its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An Exif block at this range.
    Exif(Range<u64>),
    /// An XMP packet at this range.
    Xmp(Range<u64>),
    /// A part of an extended XMP packet.
    ExtendedXmp,
    /// A part of a JUMBF box.
    Jumbf,
    /// An AIGC object without any framing, at this range.
    Aigc(Range<u64>),
    /// A comment.
    Comment,
    /// Anything else.
    Other,
}

/// Walks every segment and every scan.
///
/// # Errors
/// `Malformed` when it is no JPEG file, a segment announces more than there is, or the file ends before its end marker;
/// `Unsupported` for a height that only follows the first scan; `Limit` for too many segments.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Jpeg> {
    let (file, damage) = survey(source, limits)?;
    damage.map_or(Ok(file), Err)
}

/// [`walk`] for readers of marks: a file that is damaged behind its frame header gives the segments before the damage,
/// and what the damage is.
///
/// # Errors
/// As [`walk`], for what stands before the frame header and for limits.
pub fn survey(source: &dyn Source, limits: &Limits) -> Result<(Jpeg, Option<Error>)> {
    let head = source.bytes_up_to(0, 2)?;
    if *head != [0xff, marker::SOI] {
        return Err(malformed("no start marker").at_offset(0));
    }
    let mut walked = Walked::default();
    let result = walked.segments(source, limits);
    let Walked { segments, coded, frame, mut notes, at } = walked;
    let Some(frame) = frame else {
        result?;
        return Err(malformed("there is no frame header"));
    };
    let result = result.and_then(|()| {
        let scan = segments.iter().any(|s| s.marker == marker::SOS);
        if scan { Ok(()) } else { Err(malformed("there is no scan")) }
    });
    let damage = match result {
        Err(e) if e.kind() == ErrorKind::Malformed => Some(e),
        other => other.map(|()| None)?,
    };
    let end = if damage.is_some() { source.len() } else { at };
    if end < source.len() {
        notes.push(format!("{} bytes after the end marker", source.len().saturating_sub(end)));
    }
    Ok((Jpeg { segments, frame, coded, end, notes }, damage))
}

/// What was walked so far.
#[derive(Default)]
struct Walked {
    segments: Vec<Segment>,
    coded: Vec<Range<u64>>,
    frame: Option<Frame>,
    notes: Vec<String>,
    /// Behind the last segment.
    at: u64,
}

impl Walked {
    fn segments(&mut self, source: &dyn Source, limits: &Limits) -> Result<()> {
        self.at = 2;
        while self.segment(source, limits)? {}
        Ok(())
    }

    /// One segment, with its coded data; false at the end marker.
    fn segment(&mut self, source: &dyn Source, limits: &Limits) -> Result<bool> {
        if self.segments.len() >= limits.parts {
            return Err(Error::limit(format!("more than {} segments", limits.parts))
                .in_format(FORMAT)
                .at_offset(self.at));
        }
        let begin = self.at;
        let found = marker_at(source, &mut self.at)?;
        let at = self.at;
        if found == marker::EOI {
            self.at = at.saturating_add(2);
            return Ok(false);
        }
        let place = |e: Error| e.at_place(marker_name(found)).at_offset(begin);
        if matches!(found, 0x01 | 0xd0..=0xd8) {
            // Markers without a length that do not belong here.
            self.notes.push(format!("a stray marker {} at byte {at}", marker_name(found)));
            self.at = at.saturating_add(2);
            return Ok(true);
        }
        let len = source.bytes_up_to(at.saturating_add(2), 2)?;
        let len = match *len {
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            _ => return Err(place(malformed("the file ends inside a segment"))),
        };
        let start = at.saturating_add(4);
        let end = at.saturating_add(2).saturating_add(len);
        if len < 2 || end > source.len() {
            let there = source.len().saturating_sub(start);
            return Err(place(malformed(format!(
                "the segment announces {} bytes, {there} are there",
                len.saturating_sub(2)
            ))));
        }
        let segment = Segment { marker: found, range: at..end, data: start..end };
        let mut next = end;
        match found {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                if self.frame.is_some() {
                    return Err(place(malformed("a second frame header")));
                }
                self.frame = Some(frame_header(source, &segment).map_err(place)?);
            }
            marker::SOS => {
                if self.frame.is_none() {
                    return Err(place(malformed("a scan before the frame header")));
                }
                next = scan_end(source, end)?.ok_or_else(|| {
                    malformed("the file ends inside a scan").at_place("SOS").at_offset(source.len())
                })?;
            }
            _ => {}
        }
        if !is_application(found) {
            match self.coded.last_mut() {
                Some(last) if last.end == at => last.end = next,
                _ => self.coded.push(at..next),
            }
        }
        self.segments.push(segment);
        self.at = next;
        Ok(true)
    }
}

/// A marker by its name.
pub fn marker_name(marker: u8) -> String {
    match marker {
        0xc4 => "DHT".to_owned(),
        0xcc => "DAC".to_owned(),
        0xc0..=0xcf => format!("SOF{}", marker & 0xf),
        0xd0..=0xd7 => format!("RST{}", marker & 7),
        marker::SOI => "SOI".to_owned(),
        marker::EOI => "EOI".to_owned(),
        marker::SOS => "SOS".to_owned(),
        marker::DQT => "DQT".to_owned(),
        0xdd => "DRI".to_owned(),
        0xe0..=0xef => format!("APP{}", marker & 0xf),
        marker::COM => "COM".to_owned(),
        other => format!("marker {other:02x}"),
    }
}

/// A segment with its marker and length.
///
/// # Errors
/// `Limit` beyond [`MAX_DATA`] bytes.
pub fn encode(marker: u8, data: &[u8]) -> Result<Vec<u8>> {
    let len = u16::try_from(data.len().saturating_add(2)).map_err(|_| {
        Error::limit(format!("{} bytes do not fit into one segment", data.len()))
            .in_format(FORMAT)
            .at_place(marker_name(marker))
    })?;
    let mut out = Vec::with_capacity(data.len().saturating_add(4));
    out.extend_from_slice(&[0xff, marker]);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(data);
    Ok(out)
}

/// Application segments and comments: what a decoder of the picture can do without.
pub fn is_application(marker: u8) -> bool {
    matches!(marker, 0xe0..=0xef | marker::COM)
}

impl Segment {
    /// The data. At most 64 KiB.
    ///
    /// # Errors
    /// Of the source.
    pub fn bytes<'a>(&self, source: &'a dyn Source) -> Result<Cow<'a, [u8]>> {
        source.bytes(self.data.start, self.data.end.saturating_sub(self.data.start))
    }

    /// What it holds.
    ///
    /// # Errors
    /// Of the source.
    pub fn content(&self, source: &dyn Source) -> Result<Content> {
        if self.marker == marker::COM {
            return Ok(Content::Comment);
        }
        if !is_application(self.marker) {
            return Ok(Content::Other);
        }
        let bytes = self.bytes(source)?;
        let behind = |prefix: &[u8]| {
            let skip = prefix.len() as u64;
            bytes.starts_with(prefix).then(|| self.data.start.saturating_add(skip)..self.data.end)
        };
        if self.marker == marker::APP1 {
            // Some writers put a stray byte where the second zero belongs.
            if let Some(range) = behind(EXIF).or_else(|| behind(b"Exif\0\xff")) {
                return Ok(Content::Exif(range));
            }
            if let Some(range) = behind(XMP) {
                return Ok(Content::Xmp(range));
            }
            if behind(EXTENDED_XMP).is_some() {
                return Ok(Content::ExtendedXmp);
            }
        }
        if self.marker == marker::APP11 && behind(b"JP").is_some() {
            return Ok(Content::Jumbf);
        }
        // Seen in the wild: `AIGC{…}`, or the object alone.
        let open = bytes.iter().take(8).position(|b| *b == b'{');
        if let Some(open) = open
            && (bytes.starts_with(b"AIGC")
                || bytes.starts_with(b"{\"AIGC\"")
                || bytes.starts_with(b"{\"Label\""))
        {
            return Ok(Content::Aigc(self.data.start.saturating_add(open as u64)..self.data.end));
        }
        Ok(Content::Other)
    }
}

impl Jpeg {
    /// Segments that hold an XMP packet, with the packet's range.
    ///
    /// # Errors
    /// Of the source.
    pub fn xmp<'a>(&'a self, source: &dyn Source) -> Result<Vec<(&'a Segment, Range<u64>)>> {
        let mut found = Vec::new();
        for s in &self.segments {
            if let Content::Xmp(range) = s.content(source)? {
                found.push((s, range));
            }
        }
        Ok(found)
    }

    /// Extended packets, joined by their identifier: identifier, packet, range from the first to the last part.
    ///
    /// # Errors
    /// `Limit` when one is longer than [`Limits::metadata_bytes`].
    #[expect(clippy::type_complexity, reason = "guid, packet and range of each, read in one place")]
    pub fn extended_xmp(
        &self,
        source: &dyn Source,
        limits: &Limits,
    ) -> Result<Vec<(String, Vec<u8>, Range<u64>)>> {
        let mut packets: Vec<(String, Vec<u8>, Range<u64>)> = Vec::new();
        for s in &self.segments {
            if s.content(source)? != Content::ExtendedXmp {
                continue;
            }
            let bytes = s.bytes(source)?;
            let rest = bytes.get(EXTENDED_XMP.len()..).unwrap_or_default();
            let Some((id, rest)) = rest.split_at_checked(32) else { continue };
            let Some((sizes, part)) = rest.split_at_checked(8) else { continue };
            let number = |r: Range<usize>| {
                sizes.get(r).unwrap_or_default().iter().fold(0_u64, |n, b| n << 8 | u64::from(*b))
            };
            let (total, offset) = (number(0..4), number(4..8));
            if total > limits.metadata_bytes {
                return Err(Error::limit(format!("an extended XMP packet of {total} bytes"))
                    .in_format(FORMAT)
                    .at_place("APP1")
                    .at_offset(s.range.start));
            }
            let id = String::from_utf8_lossy(id).into_owned();
            let at = if let Some(at) = packets.iter().position(|p| p.0 == id) {
                at
            } else {
                packets.push((id, vec![0; total as usize], s.range.clone()));
                packets.len().saturating_sub(1)
            };
            let Some((_, packet, range)) = packets.get_mut(at) else { continue };
            range.end = s.range.end;
            let offset = offset as usize;
            if let Some(place) = packet.get_mut(offset..offset.saturating_add(part.len())) {
                place.copy_from_slice(part);
            }
        }
        Ok(packets)
    }

    /// Makes `packet` the XMP packet: in the place of the first one, else behind JFIF and Exif. Others go away.
    ///
    /// # Errors
    /// `Limit` when the packet, without its padding, does not fit into one segment.
    pub fn set_xmp(&self, source: &dyn Source, packet: &[u8], patch: &mut Patch) -> Result<()> {
        let room = MAX_DATA.saturating_sub(XMP.len());
        let packet = if packet.len() > room { without_padding(packet) } else { Cow::Borrowed(packet) };
        let new = encode(marker::APP1, &[XMP, &packet].concat())?;
        let old = self.xmp(source)?;
        for (extra, _) in old.iter().skip(1) {
            patch.remove(extra.range.clone());
        }
        match old.first() {
            Some((first, _)) => {
                let len = first.range.end.saturating_sub(first.range.start);
                if len != new.len() as u64 || *source.bytes(first.range.start, len)? != *new {
                    patch.replace(first.range.clone(), new);
                }
            }
            None => patch.insert(self.xmp_place(source)?, new),
        }
        Ok(())
    }

    /// Behind the JFIF and Exif segments that lead the file: before a multi-picture index, whose offsets count from
    /// itself, and before everything else.
    pub(super) fn xmp_place(&self, source: &dyn Source) -> Result<u64> {
        let mut at = 2;
        for s in &self.segments {
            let leads = s.marker == marker::APP0 || matches!(s.content(source)?, Content::Exif(_));
            if !leads {
                break;
            }
            at = s.range.end;
        }
        Ok(at)
    }
}

/// The packet with the white space before its trailer cut to nothing (XMP specification part 1, 7.3.2).
fn without_padding(packet: &[u8]) -> Cow<'_, [u8]> {
    let trailer = b"<?xpacket end";
    let Some(at) = memchr::memmem::rfind(packet, trailer) else { return Cow::Borrowed(packet) };
    let (body, end) = packet.split_at(at);
    Cow::Owned([body.trim_ascii_end(), b"\n", end].concat())
}

/// The marker at `at`, which moves over fill bytes.
fn marker_at(source: &dyn Source, at: &mut u64) -> Result<u8> {
    loop {
        match *source.bytes_up_to(*at, 2)? {
            [0xff, 0xff] => *at = at.saturating_add(1),
            [0xff, marker] if marker != 0 => return Ok(marker),
            [_, _] => return Err(malformed("where a marker should be stands something else").at_offset(*at)),
            _ => return Err(malformed("the file ends before its end marker").at_offset(*at)),
        }
    }
}

/// Where the coded data that begins at `at` ends: at the next marker that is no restart marker.
fn scan_end(source: &dyn Source, mut at: u64) -> Result<Option<u64>> {
    loop {
        let part = source.bytes_up_to(at, 1 << 20)?;
        for i in memchr::memchr_iter(0xff, &part) {
            match part.get(i.saturating_add(1)) {
                Some(0 | 0xd0..=0xd7 | 0xff) | None => {}
                Some(_) => return Ok(Some(at.saturating_add(i as u64))),
            }
        }
        // The last byte may be the first half of a marker.
        let step = (part.len() as u64).saturating_sub(1);
        if step == 0 || at.saturating_add(part.len() as u64) >= source.len() {
            return Ok(None);
        }
        at = at.saturating_add(step);
    }
}

fn frame_header(source: &dyn Source, segment: &Segment) -> Result<Frame> {
    let bytes = segment.bytes(source)?;
    let [precision, h0, h1, w0, w1, count, rest @ ..] = &*bytes else {
        return Err(malformed("the frame header is too short"));
    };
    let (width, height) = (u16::from_be_bytes([*w0, *w1]), u16::from_be_bytes([*h0, *h1]));
    if width == 0 {
        return Err(malformed("the picture is 0 pixels wide"));
    }
    if height == 0 {
        return Err(Error::unsupported(
            FORMAT,
            "the height is not in the frame header but behind the first scan",
        ));
    }
    let components: Vec<Component> = rest
        .chunks_exact(3)
        .filter_map(|c| match c {
            [id, sampling, table] => Some(Component {
                id: *id,
                horizontal: sampling >> 4,
                vertical: sampling & 0xf,
                table: *table,
            }),
            _ => None,
        })
        .collect();
    let sampled = components.iter().all(|c| (1..=4).contains(&c.horizontal) && (1..=4).contains(&c.vertical));
    if components.len() != usize::from(*count) || !(1..=4).contains(count) || !sampled {
        return Err(malformed("the components of the frame header contradict themselves"));
    }
    Ok(Frame { marker: segment.marker, precision: *precision, width, height, components })
}

fn malformed(why: impl Into<String>) -> Error {
    Error::malformed(FORMAT, why)
}

#[cfg(test)]
mod tests;
