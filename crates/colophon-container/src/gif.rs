//! GIF: blocks of the Graphics Interchange Format, version 89a (CompuServe, 1990).
//!
//! The walker lists blocks with their ranges. XMP stands in an application extension whose content is no chain of
//! sub-blocks but the packet itself, followed by a trailer that makes readers of sub-blocks come out at the end (XMP
//! specification part 3, 1.1.2).

use std::ops::Range;

use colophon_core::{Error, ErrorKind, Limits, Patch, Result, Source};

const FORMAT: &str = "gif";
/// Identifier and authentication code of the XMP extension.
pub const XMP: &[u8; 11] = b"XMP DataXMP";
/// The same of the extension with a C2PA manifest store (C2PA 2.2, A.3.5).
pub const C2PA: &[u8; 11] = b"C2PA_GIF\x01\x00\x00";
/// Length of the trailer behind an XMP packet: 1, then 255 down to 0, then the end of the chain.
const TRAILER: u64 = 258;

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How the next picture is shown.
    Control,
    /// Free text.
    Comment,
    /// An application's own data, with its eleven bytes of identification.
    Application([u8; 11]),
    /// A picture.
    Image(Image),
    /// Text to be drawn, or an extension of a kind not known.
    Other(u8),
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Column of its left edge on the canvas.
    pub left: u16,
    /// Row of its upper edge.
    pub top: u16,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Rows stand in the order of four passes.
    pub interlaced: bool,
    /// Its own colours, three bytes each.
    pub palette: Option<Range<u64>>,
    /// Bits of the smallest code.
    pub code_size: u8,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: Kind,
    /// All of it.
    pub range: Range<u64>,
    /// Its chain of sub-blocks, terminator included.
    pub chain: Range<u64>,
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct Gif {
    /// Width of the canvas in pixels.
    pub width: u16,
    /// Height of the canvas in pixels.
    pub height: u16,
    /// The shared colours.
    pub palette: Option<Range<u64>>,
    /// Version 87a, which has no extensions.
    pub old: bool,
    /// Blocks in file order.
    pub blocks: Vec<Block>,
    /// Where the first block begins.
    pub first: u64,
    /// Things a reader should know.
    pub notes: Vec<String>,
}

/// Walks the blocks.
///
/// # Errors
/// `Malformed` for a missing signature, a block that runs past the end, or no picture; `Limit` for too many blocks.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Gif> {
    let (file, damage) = survey(source, limits)?;
    damage.map_or(Ok(file), Err)
}

/// [`walk`] for readers of marks: a file that is damaged behind its header gives the blocks before the damage, and what
/// the damage is.
///
/// # Errors
/// As [`walk`], for the header and for limits.
pub fn survey(source: &dyn Source, limits: &Limits) -> Result<(Gif, Option<Error>)> {
    let head = source.bytes_up_to(0, 13)?;
    let old = match head.get(..6) {
        Some(b"GIF87a") => true,
        Some(b"GIF89a") => false,
        _ => return Err(malformed("no GIF signature", 0)),
    };
    let &[_, _, _, _, _, _, w0, w1, h0, h1, packed, _, _] = &*head else {
        return Err(malformed("the file ends inside its header", 6));
    };
    let mut at = 13_u64;
    let palette = palette(source, packed, &mut at)?;
    let mut gif = Gif {
        width: u16::from_le_bytes([w0, w1]),
        height: u16::from_le_bytes([h0, h1]),
        palette,
        old,
        blocks: Vec::new(),
        first: at,
        notes: Vec::new(),
    };
    let result = gif.read_blocks(source, limits).and_then(|()| {
        let there = gif.images().next().is_some();
        if there { Ok(()) } else { Err(malformed("there is no picture", source.len())) }
    });
    match result {
        Ok(()) => Ok((gif, None)),
        Err(e) if e.kind() == ErrorKind::Malformed => Ok((gif, Some(e))),
        Err(e) => Err(e),
    }
}

impl Gif {
    /// Blocks up to the trailer.
    fn read_blocks(&mut self, source: &dyn Source, limits: &Limits) -> Result<()> {
        let (mut at, mut parts) = (self.first, 0_usize);
        loop {
            let Some(marker) = source.bytes_up_to(at, 1)?.first().copied() else {
                self.notes.push("the file ends without its trailer".to_owned());
                return Ok(());
            };
            if self.blocks.len() >= limits.parts {
                return Err(Error::limit(format!("more than {} blocks", limits.parts)).in_format(FORMAT));
            }
            match marker {
                0x3b => {
                    let end = at.saturating_add(1);
                    if end < source.len() {
                        let behind = source.len().saturating_sub(end);
                        self.notes.push(format!("{behind} bytes stand behind the end of the file"));
                    }
                    return Ok(());
                }
                0x21 | 0x2c => {
                    let read = if marker == 0x2c { image(source, at)? } else { extension(source, at)? };
                    let (kind, chain_at) = read;
                    let end = chain(source, chain_at, limits, &mut parts)?;
                    self.blocks.push(Block { kind, range: at..end, chain: chain_at..end });
                    at = end;
                }
                other => return Err(malformed(&format!("a block of the kind 0x{other:02x}"), at)),
            }
        }
    }

    /// The pictures with their blocks.
    pub fn images(&self) -> impl Iterator<Item = (&Block, &Image)> {
        self.blocks.iter().filter_map(|b| match &b.kind {
            Kind::Image(image) => Some((b, image)),
            _ => None,
        })
    }

    /// Application extensions of one kind.
    pub fn applications<'a>(&'a self, id: &'a [u8; 11]) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |b| matches!(&b.kind, Kind::Application(i) if i == id))
    }

    /// Makes `packet` the only XMP packet.
    ///
    /// # Errors
    /// `Unsupported` for a packet with a zero byte, which would end the extension.
    pub fn set_xmp(&self, packet: &[u8], patch: &mut Patch) -> Result<()> {
        if packet.contains(&0) {
            return Err(Error::unsupported(FORMAT, "an XMP packet with a zero byte cannot be written"));
        }
        let block = xmp_block(packet);
        let mut packets = self.applications(XMP);
        match packets.next() {
            Some(first) => patch.replace(first.range.clone(), block),
            None => patch.insert(self.first, block),
        }
        for other in packets {
            patch.remove(other.range.clone());
        }
        if self.old {
            patch.replace(3..6, *b"89a");
        }
        Ok(())
    }
}

/// The bytes of a chain of sub-blocks.
///
/// # Errors
/// `Limit` when there are more than `max` bytes; of the source.
pub fn joined(source: &dyn Source, chain: &Range<u64>, max: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = chain.start;
    while at < chain.end {
        let Some(len) = source.bytes_up_to(at, 1)?.first().copied() else { break };
        if len == 0 {
            break;
        }
        out.extend_from_slice(&source.bytes(at.saturating_add(1), u64::from(len))?);
        if out.len() as u64 > max {
            return Err(Error::limit(format!("more than {max} bytes in one block")).in_format(FORMAT));
        }
        at = at.saturating_add(1).saturating_add(u64::from(len));
    }
    Ok(out)
}

/// The packet of an XMP extension: what stands before the trailer, or the joined sub-blocks where a writer used those.
///
/// # Errors
/// `Limit`, and of the source.
pub fn packet(source: &dyn Source, block: &Block, max: u64) -> Result<Vec<u8>> {
    let len = block.chain.end.saturating_sub(block.chain.start);
    if let Some(inner) = len.checked_sub(TRAILER)
        && inner > 0
    {
        if inner > max {
            return Err(Error::limit(format!("an XMP packet of {inner} bytes")).in_format(FORMAT));
        }
        let tail = source.bytes(block.chain.start.saturating_add(inner), TRAILER)?;
        if *tail == trailer()[..] {
            return Ok(source.bytes(block.chain.start, inner)?.into_owned());
        }
    }
    joined(source, &block.chain, max)
}

/// The extension around a packet.
pub fn xmp_block(packet: &[u8]) -> Vec<u8> {
    let mut out = vec![0x21, 0xff, 11];
    out.extend_from_slice(XMP);
    out.extend_from_slice(packet);
    out.extend(trailer());
    out
}

/// A chain of sub-blocks around bytes.
pub fn chained(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_add(bytes.len() / 255).saturating_add(2));
    for part in bytes.chunks(255) {
        out.push(part.len() as u8);
        out.extend_from_slice(part);
    }
    out.push(0);
    out
}

fn trailer() -> Vec<u8> {
    std::iter::once(1).chain((0..=255).rev()).chain([0]).collect()
}

fn palette(source: &dyn Source, packed: u8, at: &mut u64) -> Result<Option<Range<u64>>> {
    if packed & 0x80 == 0 {
        return Ok(None);
    }
    let len = 6_u64 << (packed & 7);
    let range = *at..at.saturating_add(len);
    if range.end > source.len() {
        return Err(malformed("the file ends inside a palette", range.start));
    }
    *at = range.end;
    Ok(Some(range))
}

/// A picture's descriptor, and where its chain begins.
fn image(source: &dyn Source, at: u64) -> Result<(Kind, u64)> {
    let head = source.bytes(at, 10)?;
    let &[_, l0, l1, t0, t1, w0, w1, h0, h1, packed] = &*head else {
        return Err(malformed("the file ends inside a picture", at));
    };
    let mut behind = at.saturating_add(10);
    let palette = palette(source, packed, &mut behind)?;
    let code_size = source.bytes(behind, 1)?.first().copied().unwrap_or(0);
    let image = Image {
        left: u16::from_le_bytes([l0, l1]),
        top: u16::from_le_bytes([t0, t1]),
        width: u16::from_le_bytes([w0, w1]),
        height: u16::from_le_bytes([h0, h1]),
        interlaced: packed & 0x40 != 0,
        palette,
        code_size,
    };
    Ok((Kind::Image(image), behind.saturating_add(1)))
}

/// An extension's kind, and where its chain begins: behind the eleven bytes that name an application.
fn extension(source: &dyn Source, at: u64) -> Result<(Kind, u64)> {
    let head = source.bytes_up_to(at, 14)?;
    let label = head.get(1).copied().ok_or_else(|| malformed("the file ends inside an extension", at))?;
    let chain = at.saturating_add(2);
    Ok(match (label, head.get(2), head.get(3..14)) {
        (0xf9, ..) => (Kind::Control, chain),
        (0xfe, ..) => (Kind::Comment, chain),
        (0xff, Some(11), Some(id)) => match <[u8; 11]>::try_from(id) {
            Ok(id) => (Kind::Application(id), at.saturating_add(14)),
            Err(_) => (Kind::Other(label), chain),
        },
        _ => (Kind::Other(label), chain),
    })
}

/// The end of a chain of sub-blocks.
fn chain(source: &dyn Source, mut at: u64, limits: &Limits, parts: &mut usize) -> Result<u64> {
    loop {
        let Some(len) = source.bytes_up_to(at, 1)?.first().copied() else {
            return Err(malformed("the file ends inside a chain of sub-blocks", at));
        };
        at = at.saturating_add(1).saturating_add(u64::from(len));
        if at > source.len() {
            return Err(malformed("a sub-block runs past the end of the file", at));
        }
        if len == 0 {
            return Ok(at);
        }
        *parts = parts.saturating_add(1);
        // A sub-block holds 255 bytes at most: the bound is on the bytes of the file, not on real pictures.
        if *parts > limits.parts.saturating_mul(64) {
            return Err(Error::limit("too many sub-blocks").in_format(FORMAT).at_offset(at));
        }
    }
}

fn malformed(why: &str, at: u64) -> Error {
    Error::malformed(FORMAT, why).at_offset(at)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut b = b"GIF87a\x02\0\x01\0\x80\0\0".to_vec();
        b.extend([0, 0, 0, 255, 255, 255]);
        b.extend([0x2c, 0, 0, 0, 0, 2, 0, 1, 0, 0, 2, 2, 0x44, 0x0a, 0, 0x3b]);
        b
    }

    #[test]
    fn blocks_are_found() {
        let b = file();
        let g = walk(&b, &Limits::default()).unwrap();
        assert_eq!((g.width, g.height, g.old, g.blocks.len()), (2, 1, true, 1));
        assert_eq!(joined(&b, &g.blocks[0].chain, 10).unwrap(), [0x44, 0x0a]);
    }

    #[test]
    fn xmp_part_3_a_packet_reads_back_and_old_readers_skip_it() {
        let b = file();
        let g = walk(&b, &Limits::default()).unwrap();
        let mut patch = Patch::new();
        let text = "<x:xmpmeta>".repeat(40);
        g.set_xmp(text.as_bytes(), &mut patch).unwrap();
        let out = patch.apply_to_vec(&b).unwrap();
        assert!(out.starts_with(b"GIF89a"));
        let g = walk(&out, &Limits::default()).unwrap();
        let block = g.applications(XMP).next().unwrap();
        assert_eq!(packet(&out, block, 1000).unwrap(), text.as_bytes());
        assert!(packet(&out, block, 10).is_err());
        assert_eq!(g.images().count(), 1);
        assert!(g.set_xmp(b"a\0b", &mut Patch::new()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_in_a_result(mut b: Vec<u8>) {
            let _ = walk(&b, &Limits::default());
            b.splice(0..0, *b"GIF89a\x02\0\x01\0\0\0\0");
            let _ = walk(&b, &Limits::default());
        }
    }
}
