//! FLAC: the metadata blocks in front of the frames.
//!
//! Source: RFC 9639. An ID3v2 tag in front of the signature is no part of FLAC, but seen, and the C2PA library puts
//! its manifest there.

use std::ops::Range;

use colophon_core::{Error, Limits, Patch, Result, Source};

use crate::id3;
use crate::vorbis_comment::Comments;

const FORMAT: &str = "flac";
/// Largest content of a block: its length has 24 bits.
const MAX_BLOCK: u64 = (1 << 24) - 1;
/// Program name written where a file had no comment block.
const VENDOR: &[u8] = b"colophon";

/// Block types (RFC 9639, 8.1).
pub mod kind {
    /// Rate, channels, depth, length, digest.
    pub const STREAMINFO: u8 = 0;
    /// Room.
    pub const PADDING: u8 = 1;
    /// Places to jump to.
    pub const SEEKTABLE: u8 = 3;
    /// `NAME=value` texts.
    pub const VORBIS_COMMENT: u8 = 4;
}

/// One metadata block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its type, see [`kind`].
    pub kind: u8,
    /// Header and content.
    pub range: Range<u64>,
    /// The content alone.
    pub data: Range<u64>,
}

/// What the `STREAMINFO` block says (RFC 9639, 8.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamInfo {
    /// Samples per second and channel.
    pub rate: u32,
    /// 1 to 8.
    pub channels: u8,
    /// Bits per sample, 4 to 32.
    pub bits: u8,
    /// Samples per channel; 0 when unknown.
    pub samples: u64,
    /// Digest of the samples; zeros when unknown.
    pub md5: [u8; 16],
}

/// A walked file.
#[derive(Clone, Debug)]
pub struct Flac {
    /// The ID3v2 tag in front.
    pub tag: Option<id3::Tag>,
    /// Where `fLaC` stands.
    pub start: u64,
    /// The blocks in order.
    pub blocks: Vec<Block>,
    /// Where the frames begin.
    pub frames: u64,
    /// What the first block says.
    pub info: StreamInfo,
}

/// Walks the blocks.
///
/// # Errors
/// `Malformed` when it is no FLAC file, a block reaches past the end, or the first is no `STREAMINFO`.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Flac> {
    let tag = id3::read(source, 0, limits)?;
    let start = tag.as_ref().map_or(0, |t| t.range.end);
    if *source.bytes_up_to(start, 4)? != *b"fLaC" {
        return Err(Error::malformed(FORMAT, "no fLaC signature").at_offset(start));
    }
    let mut blocks = Vec::new();
    let mut at = start.saturating_add(4);
    loop {
        if blocks.len() >= limits.parts {
            return Err(Error::limit(format!("more than {} blocks", limits.parts)).in_format(FORMAT));
        }
        let head = source.bytes_up_to(at, 4)?;
        let Some(&[flags, a, b, c]) = head.first_chunk::<4>() else {
            return Err(
                Error::malformed(FORMAT, "the file ends where a metadata block should begin").at_offset(at)
            );
        };
        let size = u64::from(u32::from_be_bytes([0, a, b, c]));
        let data = at.saturating_add(4);
        let end = data.saturating_add(size);
        if end > source.len() {
            return Err(Error::malformed(
                FORMAT,
                format!("the block announces {size} bytes, {} are there", source.len().saturating_sub(data)),
            )
            .at_place(format!("block {}", flags & 0x7f))
            .at_offset(at));
        }
        blocks.push(Block { kind: flags & 0x7f, range: at..end, data: data..end });
        at = end;
        if flags & 0x80 != 0 {
            break;
        }
    }
    let first = blocks.first().filter(|b| b.kind == kind::STREAMINFO);
    let info = match first {
        Some(b) => stream_info(&source.bytes(b.data.start, b.data.end.saturating_sub(b.data.start))?),
        None => None,
    };
    let info = info.ok_or_else(|| {
        Error::malformed(FORMAT, "the first block does not describe the stream")
            .at_place("STREAMINFO")
            .at_offset(start)
    })?;
    Ok(Flac { tag, start, blocks, frames: at, info })
}

fn stream_info(data: &[u8]) -> Option<StreamInfo> {
    // 16 + 16 + 24 + 24 bits of block and frame sizes, 20 bits rate, 3 channels, 5 depth, 36 samples, 128 digest.
    let packed = u64::from_be_bytes(*data.get(10..18)?.first_chunk()?);
    Some(StreamInfo {
        rate: (packed >> 44) as u32,
        channels: (((packed >> 41) & 7) as u8).saturating_add(1),
        bits: (((packed >> 36) & 31) as u8).saturating_add(1),
        samples: packed & 0xf_ffff_ffff,
        md5: *data.get(18..34)?.first_chunk()?,
    })
}

impl Flac {
    /// The comments of each comment block; a file should have one at most.
    ///
    /// # Errors
    /// `Malformed` for broken lists; `Limit` for large ones.
    pub fn comments(&self, source: &dyn Source, limits: &Limits) -> Result<Vec<(&Block, Comments)>> {
        let mut all = Vec::new();
        for block in self.blocks.iter().filter(|b| b.kind == kind::VORBIS_COMMENT) {
            let size = block.data.end.saturating_sub(block.data.start);
            if size > limits.metadata_bytes {
                return Err(Error::limit(format!(
                    "{size} bytes of comments, {} are allowed",
                    limits.metadata_bytes
                ))
                .in_format(FORMAT)
                .at_offset(block.range.start));
            }
            let data = source.bytes(block.data.start, size)?;
            let list = Comments::parse(&data, limits).map_err(|e| {
                Error::malformed(FORMAT, e.to_string())
                    .at_place("VORBIS_COMMENT")
                    .at_offset(block.range.start)
            })?;
            all.push((block, list));
        }
        Ok(all)
    }

    /// The splices after which the comment blocks hold these lists, one each; padding takes up the difference where
    /// it can. `lists` are in the order of [`Flac::comments`]; without a block, one is made behind `STREAMINFO`.
    ///
    /// # Errors
    /// `Limit` when a block would be larger than 16 MiB.
    pub fn with_comments(&self, source: &dyn Source, lists: &[Comments], patch: &mut Patch) -> Result<()> {
        let blocks: Vec<&Block> = self.blocks.iter().filter(|b| b.kind == kind::VORBIS_COMMENT).collect();
        let mut growth = 0_i64;
        for (i, list) in lists.iter().enumerate() {
            let data = list.encode();
            if let Some(block) = blocks.get(i) {
                let old = source.bytes(block.data.start, block.data.end.saturating_sub(block.data.start))?;
                if *old == data[..] {
                    continue;
                }
                growth = growth.saturating_add(data.len() as i64).saturating_sub(old.len() as i64);
                patch.replace(block.range.clone(), encode(kind::VORBIS_COMMENT, self.is_last(block), &data)?);
            } else {
                let Some(first) = self.blocks.first() else { continue };
                let data = Comments { vendor: VENDOR.to_vec(), ..list.clone() }.encode();
                growth = growth.saturating_add(data.len() as i64).saturating_add(4);
                let last = self.is_last(first);
                if last {
                    patch.replace(first.range.start..first.range.start.saturating_add(1), [kind::STREAMINFO]);
                }
                patch.insert(first.range.end, encode(kind::VORBIS_COMMENT, last, &data)?);
            }
        }
        self.take_from_padding(growth, patch)
    }

    /// Makes a padding block smaller or larger by `growth` bytes, when one has the room.
    fn take_from_padding(&self, growth: i64, patch: &mut Patch) -> Result<()> {
        for block in self.blocks.iter().filter(|b| b.kind == kind::PADDING) {
            let size = block.data.end.saturating_sub(block.data.start);
            let Some(size) = size.checked_add_signed(growth.saturating_neg()) else { continue };
            if growth != 0 && size <= MAX_BLOCK {
                let zeros = vec![0; usize::try_from(size).unwrap_or(0)];
                patch.replace(block.range.clone(), encode(kind::PADDING, self.is_last(block), &zeros)?);
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_last(&self, block: &Block) -> bool {
        block.range.end == self.frames
    }
}

/// A block as bytes.
///
/// # Errors
/// `Limit` for more than 16 MiB.
pub fn encode(kind: u8, last: bool, data: &[u8]) -> Result<Vec<u8>> {
    if data.len() as u64 > MAX_BLOCK {
        return Err(Error::limit("a metadata block would be larger than 16 MiB").in_format(FORMAT));
    }
    let mut out = (data.len() as u32).to_be_bytes().to_vec();
    if let Some(first) = out.first_mut() {
        *first = kind | if last { 0x80 } else { 0 };
    }
    out.extend_from_slice(data);
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream_info_block() -> Vec<u8> {
        let mut d = vec![0; 34];
        let packed: u64 = (44_100 << 44) + (1 << 41) + (15 << 36) + 1000;
        d[10..18].copy_from_slice(&packed.to_be_bytes());
        d
    }

    fn file(blocks: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut out = b"fLaC".to_vec();
        for (i, (kind, data)) in blocks.iter().enumerate() {
            out.extend(encode(*kind, i + 1 == blocks.len(), data).unwrap());
        }
        out.extend(b"\xff\xf8frames");
        out
    }

    fn with_aigc(bytes: &[u8], value: &[u8]) -> Vec<u8> {
        let limits = Limits::default();
        let flac = walk(&bytes, &limits).unwrap();
        let mut lists: Vec<Comments> =
            flac.comments(&bytes, &limits).unwrap().into_iter().map(|(_, c)| c).collect();
        if lists.is_empty() {
            lists.push(Comments::default());
        }
        lists[0].set("AIGC", value);
        let mut patch = Patch::new();
        flac.with_comments(&bytes, &lists, &mut patch).unwrap();
        patch.apply_to_vec(&bytes).unwrap()
    }

    fn kinds(bytes: &[u8]) -> Vec<u8> {
        walk(&bytes, &Limits::default()).unwrap().blocks.iter().map(|b| b.kind).collect()
    }

    #[test]
    fn rfc9639_8_2_stream_description_is_read() {
        let f = file(&[(0, stream_info_block())]);
        let info = walk(&f, &Limits::default()).unwrap().info;
        assert_eq!((info.rate, info.channels, info.bits, info.samples), (44_100, 2, 16, 1000));
    }

    #[test]
    fn a_comment_block_is_made_where_there_is_none() {
        let f = file(&[(0, stream_info_block())]);
        let out = with_aigc(&f, b"{}");
        assert_eq!(kinds(&out), [0, 4]);
        assert!(out.ends_with(b"\xff\xf8frames"));
        assert_eq!(with_aigc(&out, b"{}"), out);
    }

    #[test]
    fn padding_takes_up_the_difference_and_pictures_are_untouched() {
        let comments = Comments { vendor: b"v".to_vec(), entries: vec![b"TITLE=t".to_vec()], rest: vec![] };
        let f =
            file(&[(0, stream_info_block()), (4, comments.encode()), (6, vec![9; 50]), (1, vec![0; 200])]);
        let out = with_aigc(&f, b"{}");
        assert_eq!(out.len(), f.len());
        assert_eq!(kinds(&out), [0, 4, 6, 1]);
        assert!(out.windows(50).any(|w| w == [9; 50]));
        let large = with_aigc(&f, &[b'x'; 300]);
        assert_eq!(kinds(&large), [0, 4, 6, 1]);
        assert!(large.len() > f.len());
    }

    #[test]
    fn lies_are_named() {
        let limits = Limits::default();
        let err = |b: &[u8]| walk(&b, &limits).unwrap_err().to_string();
        assert!(err(b"OggS").contains("no fLaC signature"));
        assert!(err(b"fLaC\x80\xff\xff\xff").contains("announces"));
        assert!(err(b"fLaC").contains("the file ends"));
        assert!(err(b"fLaC\x84\0\0\0").contains("describe the stream"));
    }

    proptest! {
        #[test]
        fn any_bytes_walk_or_fail(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let f = [b"fLaC".to_vec(), body].concat();
            if let Ok(flac) = walk(&f, &Limits::default()) {
                prop_assert!(flac.frames <= f.len() as u64);
                let _ = flac.comments(&f, &Limits::default());
            }
        }
    }
}
