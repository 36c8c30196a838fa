//! Raw pictures on their way to an encoder: their layout, and a minimal Matroska stream that gives each one its time.
//!
//! Raw video by itself has no time stamps, so a clip with a variable frame rate would come out with a constant one. Matroska
//! with `V_UNCOMPRESSED` (RFC 9559, the codec mappings of Matroska) carries any.

use std::io::Write;

use colophon_container::ebml;
use colophon_core::{Error, Result};

/// Share by which the mean distance of pictures may differ from what the source says of it.
const NEAR: f64 = 0.01;

/// Layout of the planes of one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Bits of a sample; more than 8 stand in two bytes, the lower first.
    pub(crate) depth: u8,
    /// Colour planes are this much smaller, as powers of two.
    chroma: (u32, u32),
    fourcc: [u8; 4],
}

impl Raw {
    /// The layout that ffmpeg calls `pix_fmt`.
    ///
    /// # Errors
    /// `Unsupported` for layouts that are not passed through; `Limit` for pictures that fit no memory.
    pub(crate) fn new(id: &'static str, pix_fmt: &str, width: u32, height: u32) -> Result<Self> {
        let (depth, chroma, fourcc) = match pix_fmt {
            "yuv420p" | "yuvj420p" => (8, (1, 1), *b"I420"),
            "yuv422p" | "yuvj422p" => (8, (1, 0), *b"Y42B"),
            "yuv444p" | "yuvj444p" => (8, (0, 0), *b"444P"),
            "yuv420p10le" => (10, (1, 1), [b'Y', b'3', 11, 10]),
            "yuv422p10le" => (10, (1, 0), [b'Y', b'3', 10, 10]),
            other => {
                let text = format!("{other} pixels are not marked: depth or sampling would be lost");
                return Err(Error::unsupported(id, text));
            }
        };
        let (Ok(width), Ok(height)) = (usize::try_from(width), usize::try_from(height)) else {
            return Err(Error::limit("a picture larger than memory").in_format(id));
        };
        Ok(Self { width, height, depth, chroma, fourcc })
    }

    /// Samples of the brightness plane, which comes first.
    pub(crate) fn luma(&self) -> usize {
        self.width.saturating_mul(self.height)
    }

    /// Bytes of a sample.
    pub(crate) fn bytes(&self) -> usize {
        if self.depth > 8 { 2 } else { 1 }
    }

    /// Bytes of a picture.
    pub(crate) fn len(&self) -> usize {
        let small = |n: usize, by: u32| n.div_ceil(1 << by);
        let plane = small(self.width, self.chroma.0).saturating_mul(small(self.height, self.chroma.1));
        self.luma().saturating_add(plane.saturating_mul(2)).saturating_mul(self.bytes())
    }
}

/// The head of the stream. Times are in microseconds; `times` are those of the pictures, in seconds from the first.
///
/// Their mean distance is said too (`DefaultDuration`): as the source says it, where that is the distance, else as it is. Of large pictures ffmpeg reads too few to find it by itself, and
/// without it the last picture has no duration, and its muxer's edit list then ends before that picture.
pub(crate) fn head(raw: &Raw, times: &[f64], said_s: Option<f64>, out: &mut dyn Write) -> Result<()> {
    let header =
        [ebml::encode(0x4282, b"matroska"), ebml::encode_uint(0x4287, 4), ebml::encode_uint(0x4285, 2)]
            .concat();
    out.write_all(&ebml::encode(0x1A45_DFA3, &header))?;
    // A segment of unknown length: eight bytes with all bits set but the marker.
    out.write_all(&[0x18, 0x53, 0x80, 0x67, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])?;
    let info = [
        ebml::encode_uint(0x002A_D7B1, 1000),
        ebml::encode(0x4D80, b"colophon"),
        ebml::encode(0x5741, b"colophon"),
    ]
    .concat();
    out.write_all(&ebml::encode(0x1549_A966, &info))?;
    let video = [
        ebml::encode_uint(0xB0, raw.width as u64),
        ebml::encode_uint(0xBA, raw.height as u64),
        ebml::encode(0x002E_B524, &raw.fourcc),
    ]
    .concat();
    let track = [
        ebml::encode_uint(0x0023_E383, distance_ns(times, said_s)),
        ebml::encode_uint(0xD7, 1),
        ebml::encode_uint(0x73C5, 1),
        ebml::encode_uint(0x83, 1),
        ebml::encode(0x86, b"V_UNCOMPRESSED"),
        ebml::encode(0xE0, &video),
    ]
    .concat();
    out.write_all(&ebml::encode(0x1654_AE6B, &ebml::encode(0xAE, &track)))?;
    Ok(())
}

/// Mean distance of the pictures in nanoseconds; of a single one, what is said, else a twenty-fifth of a second. Containers
/// round times, so that the mean of a few pictures is near what is said and not the same.
fn distance_ns(times: &[f64], said_s: Option<f64>) -> u64 {
    let gaps = times.len().saturating_sub(1);
    let mean = times.last().map_or(0.0, |last| last / gaps.max(1) as f64);
    let mean = if mean > 0.0 { mean } else { said_s.unwrap_or(0.04) };
    let distance = said_s.filter(|said| (said - mean).abs() < mean * NEAR).unwrap_or(mean);
    (distance * 1e9).round() as u64
}

/// One picture, shown at `at_us` microseconds: a cluster of its own.
pub(crate) fn picture(at_us: u64, bytes: &[u8], out: &mut dyn Write) -> Result<()> {
    let time = ebml::encode_uint(0xE7, at_us);
    // SimpleBlock: track 1, no time of its own, a key frame
    let block = bytes.len() as u64 + 4;
    let length = |n: u64| ebml::length(n, 8).unwrap_or_default();
    let mut front = vec![0x1F, 0x43, 0xB6, 0x75];
    front.extend(length(time.len() as u64 + 1 + 8 + block));
    front.extend(&time);
    front.push(0xA3);
    front.extend(length(block));
    front.extend([0x81, 0, 0, 0x80]);
    out.write_all(&front)?;
    out.write_all(bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_last_as_long_as_they_are_apart_on_the_mean() {
        assert_eq!(distance_ns(&[0.0, 0.04, 0.08], None), 40_000_000);
        assert_eq!(distance_ns(&[0.0, 0.05, 0.2], Some(0.04)), 100_000_000);
        assert_eq!((distance_ns(&[0.0], None), distance_ns(&[], Some(0.02))), (40_000_000, 20_000_000));
        // Times in whole milliseconds, of 24000/1001 pictures a second.
        assert_eq!(distance_ns(&[0.0, 0.042, 0.083], Some(1001.0 / 24000.0)), 41_708_333);
    }

    #[test]
    fn a_picture_of_odd_sides_has_rounded_up_colour_planes() {
        let raw = |format| Raw::new("mp4", format, 5, 3).unwrap();
        assert_eq!(raw("yuv420p").len(), 15 + 2 * 6);
        assert_eq!(raw("yuv422p").len(), 15 + 2 * 9);
        assert_eq!(raw("yuv444p").len(), 45);
        assert_eq!(raw("yuv420p10le").len(), 2 * 27);
        assert!(Raw::new("mp4", "yuv420p12le", 5, 3).is_err());
    }
}
