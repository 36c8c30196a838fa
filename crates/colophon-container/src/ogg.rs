//! Ogg: pages of logical streams, and the comment packet of the first stream of sound.
//!
//! Sources: RFC 3533 (pages), RFC 7845 (Opus), Xiph.org "Vorbis I specification" appendix A. An edit lays the header
//! packets out anew; packets of sound keep every byte, and when the number of header pages changes, the numbers and
//! checksums of the pages behind them follow.

use std::ops::Range;

use colophon_core::{Error, Limits, Patch, Result, Source};

use crate::vorbis_comment::Comments;

const FORMAT: &str = "ogg";
/// Length of a page header before its lacing values.
const HEADER: u64 = 27;
/// Most lacing values of a page, and most bytes each stands for.
const SEGMENTS: usize = 255;
/// Page flags: continues a packet, begins a stream, ends it.
const CONTINUED: u8 = 1;
const BEGIN: u8 = 2;
const END: u8 = 4;
/// A page on which no packet ends.
const NO_GRANULE: u64 = u64::MAX;
/// Signatures of comment packets.
const VORBIS_COMMENT: &[u8] = b"\x03vorbis";
const OPUS_TAGS: &[u8] = b"OpusTags";

/// What a stream of sound is coded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Vorbis: three header packets.
    Vorbis,
    /// Opus: two header packets.
    Opus,
}

/// One page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it begins.
    pub start: u64,
    /// Where its packets begin.
    pub body: u64,
    /// Where it ends.
    pub end: u64,
    /// Continues a packet, begins a stream, ends a stream.
    pub flags: u8,
    /// Position of the last sample of the last packet that ends here; all bits set when none does.
    pub granule: u64,
    /// Number of the logical stream.
    pub serial: u32,
    /// Number of the page in it.
    pub sequence: u32,
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct Ogg {
    /// Coding of the first stream of sound.
    pub codec: Codec,
    /// Its number.
    pub serial: u32,
    /// The identification packet.
    pub head: Vec<u8>,
    /// The comments.
    pub comments: Comments,
    /// Bytes of the header pages behind the first: comments, and the setup of Vorbis.
    pub headers: Range<u64>,
    /// Bodies of the pages of sound, neighbours merged where nothing stands between.
    pub media: Vec<Range<u64>>,
    /// Position of the last sample, from the last page of the stream that has one.
    pub last_granule: u64,
    /// What was tolerated, in words.
    pub notes: Vec<String>,
    /// Header packets behind the comments.
    setup: Vec<Vec<u8>>,
    /// Number of header pages behind the first.
    header_pages: u32,
}

/// Walks the pages. The first stream that is Vorbis or Opus counts.
///
/// # Errors
/// `Malformed` when it is no Ogg file or its headers do not hold together; `Unsupported` without a stream of sound;
/// `Limit` for too many pages or too large headers.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Ogg> {
    let mut pages = Pages::new(source, limits);
    let (codec, head, serial) = loop {
        let Some(page) = pages.next()? else {
            return Err(Error::unsupported(FORMAT, "there is no stream of Vorbis or Opus"));
        };
        let body = source.bytes(page.body, page.end.saturating_sub(page.body))?;
        if page.flags & BEGIN == 0 {
            return Err(
                Error::unsupported(FORMAT, "there is no stream of Vorbis or Opus").at_offset(page.start)
            );
        }
        let codec = match &body {
            b if b.starts_with(b"\x01vorbis") => Codec::Vorbis,
            b if b.starts_with(b"OpusHead") => Codec::Opus,
            _ => continue,
        };
        break (codec, body.into_owned(), page.serial);
    };
    let mut reader = Headers { codec, done: Vec::new(), packet: Vec::new(), limit: limits.metadata_bytes };
    let (mut headers, mut header_pages) = (0..0, 0_u32);
    while reader.done.len() < reader.wanted() {
        let Some(page) = pages.next()? else {
            return Err(Error::malformed(FORMAT, "the file ends inside its headers").at_offset(source.len()));
        };
        if page.serial != serial {
            if header_pages > 0 {
                return Err(Error::unsupported(
                    FORMAT,
                    "another stream stands between the headers of the sound",
                )
                .at_offset(page.start));
            }
            continue;
        }
        if header_pages == 0 {
            headers.start = page.start;
        }
        header_pages = header_pages.saturating_add(1);
        headers.end = page.end;
        reader.page(source, &page)?;
    }
    let mut packets = reader.done.into_iter();
    let signature = match codec {
        Codec::Vorbis => VORBIS_COMMENT,
        Codec::Opus => OPUS_TAGS,
    };
    let comments = packets.next().unwrap_or_default();
    let list = comments.strip_prefix(signature).ok_or_else(|| {
        Error::malformed(FORMAT, "the second packet holds no comments").at_offset(headers.start)
    })?;
    let comments = Comments::parse(list, limits)
        .map_err(|e| Error::malformed(FORMAT, e.to_string()).at_place("comments").at_offset(headers.start))?;

    let (mut media, mut last_granule, mut chained): (Vec<Range<u64>>, _, _) = (Vec::new(), 0, false);
    while let Some(page) = pages.next()? {
        if page.serial == serial && page.granule != NO_GRANULE {
            last_granule = page.granule;
        }
        chained |= page.flags & BEGIN != 0 && !media.is_empty();
        if page.body < page.end {
            media.push(page.body..page.end);
        }
    }
    let mut notes = Vec::new();
    if chained {
        notes.push("further streams follow the first; their comments are not examined".to_owned());
    }
    if pages.junk > 0 {
        notes.push(format!("{} bytes belong to no page", pages.junk));
    }
    Ok(Ogg {
        codec,
        serial,
        head,
        comments,
        headers,
        media,
        last_granule,
        notes,
        setup: packets.collect(),
        header_pages,
    })
}

impl Ogg {
    /// The splices after which the comment packet holds `comments`.
    ///
    /// # Errors
    /// Reading errors; `Limit` for too many pages.
    pub fn with_comments(&self, source: &dyn Source, comments: &Comments, limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if *comments == self.comments {
            return Ok(patch);
        }
        let signature = match self.codec {
            Codec::Vorbis => VORBIS_COMMENT,
            Codec::Opus => OPUS_TAGS,
        };
        let mut packets = vec![[signature, &comments.encode()].concat()];
        packets.extend(self.setup.iter().cloned());
        let (bytes, count) = paginate(&packets, self.serial, 1);
        patch.replace(self.headers.clone(), bytes);
        let shift = count.wrapping_sub(self.header_pages);
        if shift == 0 {
            return Ok(patch);
        }
        let mut pages = Pages::new(source, limits);
        pages.at = self.headers.end;
        while let Some(page) = pages.next()? {
            if page.serial != self.serial {
                continue;
            }
            let mut bytes = source.bytes(page.start, page.end.saturating_sub(page.start))?.into_owned();
            let sequence = page.sequence.wrapping_add(shift).to_le_bytes();
            if let Some(field) = bytes.get_mut(18..22) {
                field.copy_from_slice(&sequence);
            }
            let sum = checksum(&bytes).to_le_bytes();
            let at = page.start.saturating_add(18);
            patch.replace(at..at.saturating_add(8), [sequence, sum].concat());
        }
        Ok(patch)
    }

    /// The splices that insert `packets`, each with its length in samples, before the first or behind the last page of
    /// sound. Positions and numbers of the pages behind follow; their packets stay what they are. `tail` is the
    /// position at which the sound truly ends, where its last page says less.
    ///
    /// # Errors
    /// Reading errors; `Limit` for too many pages.
    pub fn insert(
        &self,
        source: &dyn Source,
        packets: &[(Vec<u8>, u64)],
        in_front: bool,
        tail: u64,
        limits: &Limits,
    ) -> Result<Patch> {
        let mut patch = Patch::new();
        let length = packets.iter().fold(0, |n: u64, (_, samples)| n.saturating_add(*samples));
        let (mut position, mut bytes, mut count, mut newest) =
            (if in_front { 0 } else { tail }, Vec::new(), 0, 0);
        let first = if in_front {
            self.header_pages.wrapping_add(1)
        } else {
            self.last_page(source, limits)?.wrapping_add(1)
        };
        for (packet, samples) in packets {
            position = position.saturating_add(*samples);
            let (mut page, n) =
                paginate(std::slice::from_ref(packet), self.serial, first.wrapping_add(count));
            count = count.wrapping_add(n);
            stamp(&mut page, Some(position), None, None);
            newest = bytes.len();
            bytes.extend(page);
        }
        let mut pages = Pages::new(source, limits);
        pages.at = self.headers.end;
        let mut last: Option<Page> = None;
        while let Some(page) = pages.next()? {
            if page.serial != self.serial {
                continue;
            }
            if in_front {
                let mut all = source.bytes(page.start, page.end.saturating_sub(page.start))?.into_owned();
                let granule =
                    Some(page.granule).filter(|g| *g != NO_GRANULE).map(|g| g.saturating_add(length));
                stamp(&mut all, granule, Some(page.sequence.wrapping_add(count)), None);
                all.truncate(26);
                patch.replace(page.start..page.start.saturating_add(26), all);
            }
            last = Some(page);
        }
        let Some(page) = last else { return Err(Error::malformed(FORMAT, "there is no sound")) };
        if in_front {
            patch.insert(self.headers.end, bytes);
        } else {
            // The stream no longer ends on its last page, and nothing is cut from it.
            let mut all = source.bytes(page.start, page.end.saturating_sub(page.start))?.into_owned();
            stamp(&mut all, Some(tail), None, Some(page.flags & !END));
            all.truncate(26);
            patch.replace(page.start..page.start.saturating_add(26), all);
            // The last inserted page ends the stream now.
            if let Some(page) = bytes.get_mut(newest..) {
                stamp(page, None, None, Some(END));
            }
            patch.insert(page.end, bytes);
        }
        Ok(patch)
    }

    fn last_page(&self, source: &dyn Source, limits: &Limits) -> Result<u32> {
        let mut pages = Pages::new(source, limits);
        let mut sequence = 0;
        while let Some(page) = pages.next()? {
            if page.serial == self.serial {
                sequence = page.sequence;
            }
        }
        Ok(sequence)
    }
}

/// Changes fields of a page and its checksum.
fn stamp(page: &mut [u8], granule: Option<u64>, sequence: Option<u32>, flags: Option<u8>) {
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(field) = page.get_mut(at..at.saturating_add(bytes.len())) {
            field.copy_from_slice(bytes);
        }
    };
    if let Some(flags) = flags {
        put(5, &[flags]);
    }
    if let Some(granule) = granule {
        put(6, &granule.to_le_bytes());
    }
    if let Some(sequence) = sequence {
        put(18, &sequence.to_le_bytes());
    }
    let sum = checksum(page);
    if let Some(field) = page.get_mut(22..26) {
        field.copy_from_slice(&sum.to_le_bytes());
    }
}

/// The packets of one stream from some page on.
pub struct Packets<'a> {
    pages: Pages<'a>,
    serial: u32,
    /// Parts of the current page that are not handed out, last first: length, and whether a packet ends there.
    parts: Vec<(u64, bool)>,
    at: u64,
    granule: u64,
    packet: Vec<u8>,
    limit: u64,
}

impl std::fmt::Debug for Packets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("serial", &self.serial).field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'a> Packets<'a> {
    /// The packets of stream `serial` on the pages from `offset` on.
    pub fn new(source: &'a dyn Source, offset: u64, serial: u32, limits: &Limits) -> Self {
        let mut pages = Pages::new(source, limits);
        pages.at = offset;
        Self {
            pages,
            serial,
            parts: Vec::new(),
            at: offset,
            granule: NO_GRANULE,
            packet: Vec::new(),
            limit: limits.metadata_bytes,
        }
    }

    /// The next packet, and the position its page gives when it is the last that ends there.
    ///
    /// # Errors
    /// `Limit` for packets that are too large; reading errors.
    pub fn next_packet(&mut self) -> Result<Option<(Vec<u8>, Option<u64>)>> {
        loop {
            while let Some((len, ends)) = self.parts.pop() {
                self.packet.extend_from_slice(&self.pages.source.bytes(self.at, len)?);
                self.at = self.at.saturating_add(len);
                if self.packet.len() as u64 > self.limit {
                    return Err(Error::limit("a packet is too large").in_format(FORMAT).at_offset(self.at));
                }
                if ends {
                    let last = !self.parts.iter().any(|(_, ends)| *ends);
                    return Ok(Some((std::mem::take(&mut self.packet), last.then_some(self.granule))));
                }
            }
            let Some(page) = self.pages.next()? else { return Ok(None) };
            if page.serial != self.serial {
                continue;
            }
            if page.flags & CONTINUED == 0 {
                // What the page before left open is lost.
                self.packet.clear();
            }
            let table = page.start.saturating_add(HEADER);
            let lacing = self.pages.source.bytes(table, page.body.saturating_sub(table))?;
            let mut len = 0_u64;
            for n in lacing.iter() {
                len = len.saturating_add(u64::from(*n));
                if *n < 255 {
                    self.parts.push((len, true));
                    len = 0;
                }
            }
            if len > 0 {
                self.parts.push((len, false));
            }
            self.parts.reverse();
            self.at = page.body;
            self.granule = page.granule;
        }
    }
}

/// Header packets behind the first page, put together.
struct Headers {
    codec: Codec,
    done: Vec<Vec<u8>>,
    packet: Vec<u8>,
    limit: u64,
}

impl Headers {
    fn wanted(&self) -> usize {
        match self.codec {
            Codec::Vorbis => 2,
            Codec::Opus => 1,
        }
    }

    fn page(&mut self, source: &dyn Source, page: &Page) -> Result<()> {
        let table = page.start.saturating_add(HEADER);
        let lacing = source.bytes(table, page.body.saturating_sub(table))?;
        let mut at = page.body;
        for length in lacing.iter() {
            if self.done.len() == self.wanted() {
                return Err(
                    Error::malformed(FORMAT, "sound begins on a page of headers").at_offset(page.start)
                );
            }
            self.packet.extend_from_slice(&source.bytes(at, u64::from(*length))?);
            if self.packet.len() as u64 > self.limit {
                return Err(Error::limit("the header packets are too large")
                    .in_format(FORMAT)
                    .at_offset(page.start));
            }
            at = at.saturating_add(u64::from(*length));
            if *length < 255 {
                self.done.push(std::mem::take(&mut self.packet));
            }
        }
        Ok(())
    }
}

/// The pages of a file in order. Bytes between pages are skipped and counted.
struct Pages<'a> {
    source: &'a dyn Source,
    at: u64,
    left: usize,
    junk: u64,
}

impl<'a> Pages<'a> {
    fn new(source: &'a dyn Source, limits: &Limits) -> Self {
        Self { source, at: 0, left: limits.parts, junk: 0 }
    }

    fn next(&mut self) -> Result<Option<Page>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(Error::limit("too many pages").in_format(FORMAT).at_offset(self.at));
        };
        self.left = left;
        loop {
            if let Some(page) = self.page()? {
                self.at = page.end;
                return Ok(Some(page));
            }
            if self.at == 0 {
                return Err(Error::malformed(FORMAT, "no OggS signature").at_offset(0));
            }
            // The next signature, or the end.
            let window = self.source.bytes_up_to(self.at.saturating_add(1), 1 << 16)?;
            let found = window.windows(4).position(|w| w == b"OggS");
            let step = match found {
                Some(n) => (n as u64).saturating_add(1),
                None if window.len() < 1 << 16 => {
                    self.junk = self.junk.saturating_add(self.source.len().saturating_sub(self.at));
                    self.at = self.source.len();
                    return Ok(None);
                }
                None => (window.len() as u64).saturating_sub(3),
            };
            self.junk = self.junk.saturating_add(step);
            self.at = self.at.saturating_add(step);
        }
    }

    /// The page at the current place, when there is a whole one.
    fn page(&self) -> Result<Option<Page>> {
        let head = self.source.bytes_up_to(self.at, HEADER.saturating_add(SEGMENTS as u64))?;
        let Some(fixed) = head.first_chunk::<27>().filter(|h| h.starts_with(b"OggS\0")) else {
            return Ok(None);
        };
        let &[_, _, _, _, _, flags, ..] = fixed;
        let number = |at: usize| fixed.get(at..)?.first_chunk::<4>().map(|b| u32::from_le_bytes(*b));
        let count = usize::from(fixed.last().copied().unwrap_or(0));
        let Some(lacing) = head.get(27..count.saturating_add(27)) else { return Ok(None) };
        let size: u64 = lacing.iter().map(|b| u64::from(*b)).sum();
        let body = self.at.saturating_add(HEADER).saturating_add(count as u64);
        let end = body.saturating_add(size);
        if end > self.source.len() {
            return Ok(None);
        }
        let granule = fixed.get(6..14).and_then(<[u8]>::first_chunk).map(|b| u64::from_le_bytes(*b));
        Ok(Some(Page {
            start: self.at,
            body,
            end,
            flags,
            granule: granule.unwrap_or(NO_GRANULE),
            serial: number(14).unwrap_or(0),
            sequence: number(18).unwrap_or(0),
        }))
    }
}

/// Packets as whole pages of a stream with granule position 0, numbered from `first`; the bytes, and how many pages.
pub fn paginate(packets: &[Vec<u8>], serial: u32, first: u32) -> (Vec<u8>, u32) {
    let mut segments: Vec<(u8, &[u8])> = Vec::new();
    for packet in packets {
        segments.extend(packet.chunks(255).map(|c| (c.len() as u8, c)));
        // A packet that ends with a full segment is closed by an empty one.
        if packet.len().is_multiple_of(255) {
            segments.push((0, &[]));
        }
    }
    let mut out = Vec::new();
    let (mut count, mut continued) = (0_u32, false);
    for page in segments.chunks(SEGMENTS) {
        // A packet ends on the page unless every segment is full.
        let granule = if page.iter().any(|(n, _)| *n < 255) { 0 } else { NO_GRANULE };
        let mut bytes = b"OggS\0".to_vec();
        bytes.push(if continued { CONTINUED } else { 0 });
        bytes.extend_from_slice(&granule.to_le_bytes());
        bytes.extend_from_slice(&serial.to_le_bytes());
        bytes.extend_from_slice(&first.wrapping_add(count).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.push(page.len() as u8);
        bytes.extend(page.iter().map(|(n, _)| *n));
        for (_, data) in page {
            bytes.extend_from_slice(data);
        }
        let sum = checksum(&bytes);
        if let Some(field) = bytes.get_mut(22..26) {
            field.copy_from_slice(&sum.to_le_bytes());
        }
        out.extend(bytes);
        count = count.wrapping_add(1);
        continued = page.last().is_some_and(|(n, _)| *n == 255);
    }
    (out, count)
}

/// CRC-32 of RFC 3533, 6: polynomial 0x04c11db7, nothing reflected, over the page with a zero checksum field.
pub fn checksum(page: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    page.iter().enumerate().fold(0, |crc: u32, (i, b)| {
        let b = if (22..26).contains(&i) { 0 } else { *b };
        let index = usize::from((crc >> 24) as u8 ^ b);
        (crc << 8) ^ TABLE.get(index).copied().unwrap_or(0)
    })
}

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // evaluated by the compiler
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = (i as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One page that holds one packet.
    fn page(flags: u8, granule: u64, sequence: u32, packet: &[u8]) -> Vec<u8> {
        let (mut bytes, n) = paginate(&[packet.to_vec()], 7, sequence);
        assert_eq!(n, 1);
        bytes[5] = flags;
        bytes[6..14].copy_from_slice(&granule.to_le_bytes());
        let sum = checksum(&bytes);
        bytes[22..26].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn opus(comments: &Comments, sound: usize) -> Vec<u8> {
        let mut file = page(BEGIN, 0, 0, b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0");
        let (headers, n) = paginate(&[[OPUS_TAGS, &comments.encode()].concat()], 7, 1);
        file.extend(headers);
        for i in 0..sound {
            file.extend(page(
                if i + 1 == sound { 4 } else { 0 },
                960 * (i as u64 + 1),
                n + 1 + i as u32,
                &[i as u8; 300],
            ));
        }
        file
    }

    fn edited(file: &[u8], value: &[u8]) -> Vec<u8> {
        let limits = Limits::default();
        let ogg = walk(&file, &limits).unwrap();
        let mut comments = ogg.comments.clone();
        comments.set("AIGC", value);
        ogg.with_comments(&file, &comments, &limits).unwrap().apply_to_vec(&file).unwrap()
    }

    /// Every page has the right checksum, and the numbers run without a gap.
    fn assert_whole(file: &[u8]) {
        let limits = Limits::default();
        let mut pages = Pages::new(&file, &limits);
        let mut next = 0;
        while let Some(p) = pages.next().unwrap() {
            let bytes = &file[p.start as usize..p.end as usize];
            assert_eq!(u32::from_le_bytes(bytes[22..26].try_into().unwrap()), checksum(bytes), "page {next}");
            assert_eq!(p.sequence, next);
            next += 1;
        }
        assert_eq!(pages.junk, 0);
    }

    #[test]
    fn rfc3533_checksum_of_a_known_page() {
        // A page without packets: only the fixed header counts.
        let page = b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(checksum(page), {
            let mut crc = 0_u32;
            for b in page {
                crc ^= u32::from(*b) << 24;
                for _ in 0..8 {
                    crc = if crc >> 31 == 1 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 };
                }
            }
            crc
        });
    }

    #[test]
    fn comments_are_set_and_pages_stay_whole() {
        let file = opus(&Comments { vendor: b"v".to_vec(), ..Comments::default() }, 5);
        assert_whole(&file);
        let out = edited(&file, b"{}");
        assert_whole(&out);
        let (before, after) =
            (walk(&file, &Limits::default()).unwrap(), walk(&out, &Limits::default()).unwrap());
        assert_eq!(after.comments.entries, [b"AIGC={}".to_vec()]);
        assert_eq!(after.last_granule, 4800);
        let sound = |f: &[u8], o: &Ogg| -> Vec<u8> {
            o.media.iter().flat_map(|r| f[r.start as usize..r.end as usize].to_vec()).collect()
        };
        assert_eq!(sound(&file, &before), sound(&out, &after));
        assert_eq!(edited(&out, b"{}"), out);
    }

    #[test]
    fn more_header_pages_renumber_what_follows() {
        let file = opus(&Comments { vendor: b"v".to_vec(), ..Comments::default() }, 4);
        let large = edited(&file, &vec![b'x'; 200_000]);
        assert_whole(&large);
        assert_eq!(walk(&large, &Limits::default()).unwrap().header_pages, 4);
        let small = edited(&large, b"{}");
        assert_whole(&small);
        assert_eq!(walk(&small, &Limits::default()).unwrap().header_pages, 1);
    }

    #[test]
    fn inserted_packets_move_positions_and_nothing_else() {
        let limits = Limits::default();
        let file = opus(&Comments::default(), 4);
        let ogg = walk(&file, &limits).unwrap();
        let all = |f: &[u8]| {
            let o = walk(&f, &limits).unwrap();
            let mut packets = Packets::new(&f, o.headers.end, o.serial, &limits);
            let mut out = Vec::new();
            while let Some((packet, at)) = packets.next_packet().unwrap() {
                out.push((packet, at.unwrap()));
            }
            out
        };
        let label: Vec<(Vec<u8>, u64)> = (0..3).map(|i| (vec![100 + i; 40], 960)).collect();
        let old = all(&file);
        for in_front in [true, false] {
            let patch = ogg.insert(&file, &label, in_front, 3840, &limits).unwrap();
            let out = patch.apply_to_vec(&file).unwrap();
            assert_whole(&out);
            let new = all(&out);
            let (from, by) = if in_front { (3, 2880) } else { (0, 0) };
            for (i, (packet, at)) in old.iter().enumerate() {
                assert_eq!(new[from + i], (packet.clone(), at + by));
            }
            let first = if in_front { 0 } else { 4 };
            for (i, (packet, _)) in label.iter().enumerate() {
                assert_eq!(new[first + i], (packet.clone(), (first + i + 1) as u64 * 960));
            }
            assert_eq!(walk(&out, &limits).unwrap().last_granule, 7 * 960);
            let ends: Vec<u8> = {
                let mut pages = Pages::new(&out, &limits);
                std::iter::from_fn(|| pages.next().unwrap()).map(|p| p.flags & END).collect()
            };
            assert_eq!(ends.iter().filter(|e| **e != 0).count(), 1);
            assert_eq!(ends.last(), Some(&END));
        }
    }

    #[test]
    fn lies_are_named() {
        let err = |b: &[u8]| walk(&b, &Limits::default()).unwrap_err().to_string();
        assert!(err(b"RIFF").contains("no OggS signature"));
        let file = opus(&Comments::default(), 2);
        assert!(err(&file[..60]).contains("ends inside its headers"));
        assert!(err(&page(BEGIN, 0, 0, b"\x80theora")).contains("no stream of Vorbis or Opus"));
        let few = Limits { parts: 3, ..Limits::default() };
        let e = walk(&opus(&Comments::default(), 9), &few).unwrap_err();
        assert_eq!(e.kind(), colophon_core::ErrorKind::Limit);
    }

    proptest! {
        #[test]
        fn packets_come_back_from_pages(lengths in prop::collection::vec(0usize..70_000, 1..4)) {
            let packets: Vec<Vec<u8>> = lengths.iter().map(|n| vec![*n as u8; *n]).collect();
            let (bytes, count) = paginate(&packets, 7, 0);
            assert_whole(&bytes);
            let limits = Limits::default();
            let mut pages = Pages::new(&bytes, &limits);
            let (mut seen, mut packet, mut out) = (0, Vec::new(), Vec::new());
            while let Some(p) = pages.next().unwrap() {
                prop_assert_eq!(p.flags & CONTINUED != 0, !packet.is_empty());
                let mut at = p.body as usize;
                for n in &bytes[p.start as usize + 27..p.body as usize] {
                    packet.extend_from_slice(&bytes[at..at + usize::from(*n)]);
                    at += usize::from(*n);
                    if *n < 255 {
                        out.push(std::mem::take(&mut packet));
                    }
                }
                seen += 1;
            }
            prop_assert_eq!(seen, count);
            prop_assert_eq!(out, packets);
        }

        #[test]
        fn damaged_files_walk_or_fail(hits in prop::collection::vec((0usize..900, any::<u8>()), 1..8)) {
            let mut file = opus(&Comments { vendor: b"v".to_vec(), entries: vec![b"A=b".to_vec()], rest: vec![] }, 3);
            for (at, b) in hits {
                if let Some(x) = file.get_mut(at) {
                    *x = b;
                }
            }
            if let Ok(ogg) = walk(&file, &Limits::default()) {
                let mut c = ogg.comments.clone();
                c.set("AIGC", b"{}");
                if let Ok(p) = ogg.with_comments(&file, &c, &Limits::default()) {
                    let _ = p.apply_to_vec(&file);
                }
            }
        }
    }
}
