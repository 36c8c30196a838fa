//! Frames of a label between the frames of a programme that stay what they are.

use std::ops::Range;

use colophon_core::{Patch, Result, Source};

use super::Mp3File;
use super::frame::Header;
use super::info::{self, Inserted};
use crate::frames::{self, Frames};

/// Frames at the start of a programme that may reach back into something that is not there: 511 bytes are not more
/// than so many of the smallest frames.
const FIRST: usize = 32;

/// The splices that put `label`, whole frames of the same kind, before the first or behind the last frame of sound.
///
/// A file that was cut out of another begins with frames whose data lay in frames that are gone. Decoders stay silent
/// there; behind the label they would take its bytes for data. Their side information is emptied, so that they stay
/// silent; the data in them that later frames use stays.
///
/// # Errors
/// Reading errors.
pub(super) fn insert(source: &dyn Source, file: &Mp3File, label: &[u8], in_front: bool) -> Result<Patch> {
    let mut patch = Patch::new();
    let at = if in_front { file.sound.start } else { file.sound.end };
    patch.insert(at, label);
    if in_front {
        silence_orphans(source, file.sound.clone(), &mut patch)?;
    }
    let Some((range, description)) = &file.info else { return Ok(patch) };
    let (frames, _) = frames::count::<Header>(&label, 0..label.len() as u64)?;
    let crc = (
        checksum(0, source, file.sound.clone())?,
        if in_front {
            checksum(info::crc(0, label), source, file.sound.clone())?
        } else {
            info::crc(checksum(0, source, file.sound.clone())?, label)
        },
    );
    let frame = source.bytes(range.start, range.end - range.start)?;
    let add = Inserted { frames: frames as u32, bytes: label.len() as u32, in_front };
    patch.replace(range.clone(), description.updated(&frame, add, crc));
    Ok(patch)
}

fn silence_orphans(source: &dyn Source, sound: Range<u64>, patch: &mut Patch) -> Result<()> {
    let mut frames = Frames::<Header>::new(source, sound);
    let mut available = 0;
    for _ in 0..FIRST {
        let Some(frame) = frames.next()? else { break };
        let header = frame.header;
        let bytes = source.bytes(frame.range.start, header.len as u64)?;
        if header.reaches_back(&bytes).is_some_and(|n| n > available) {
            let side = header.side_info();
            let empty = vec![0; side.len()];
            let start = frame.range.start;
            if header.protected {
                // The checksum covers the last two bytes of the header and the side information.
                let covered = [bytes.get(2..4).unwrap_or_default(), &empty].concat();
                patch.replace(start + 4..start + 6, protection(&covered).to_be_bytes());
            }
            patch.replace(start + side.start as u64..start + side.end as u64, empty);
        }
        available += header.main_data();
    }
    Ok(())
}

/// CRC-16 of ISO/IEC 11172-3, 2.4.3.1: polynomial 0x8005, all bits set at the start.
fn protection(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |mut crc: u16, b| {
        crc ^= u16::from(*b) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x8005 };
        }
        crc
    })
}

fn checksum(start: u16, source: &dyn Source, range: Range<u64>) -> Result<u16> {
    let (mut crc, mut at) = (start, range.start);
    while at < range.end {
        let part = source.bytes(at, (range.end - at).min(1 << 18))?;
        crc = info::crc(crc, &part);
        at += part.len() as u64;
    }
    Ok(crc)
}
