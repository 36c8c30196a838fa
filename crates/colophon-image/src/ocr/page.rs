//! Parts of a picture as pages for the reader of text.

use colophon_label::visible::Luma;

/// A part of a picture in pixels.
pub(super) struct Part {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Part {
    pub(super) fn whole(luma: &Luma<'_>) -> Self {
        Self { left: 0, top: 0, width: luma.width, height: luma.height }
    }

    /// A part in shares of the sides: left, top, right, bottom.
    pub(super) fn of(&[left, top, right, bottom]: &[f32; 4], luma: &Luma<'_>) -> Self {
        let at = |share: f32, all: u32| ((share * all as f32) as u32).min(all.saturating_sub(1));
        let (x, y) = (at(left, luma.width), at(top, luma.height));
        let span = |from: u32, to: f32, all: u32| ((to * all as f32) as u32).min(all).max(from + 1) - from;
        Self { left: x, top: y, width: span(x, right, luma.width), height: span(y, bottom, luma.height) }
    }

    /// Its brightness at another scale: means of what a pixel covers, or values between neighbours.
    pub(super) fn page(&self, luma: &Luma<'_>, scale: f32, inverted: bool) -> Page {
        let side = |v: u32| ((v as f32 * scale).round() as u32).max(1);
        let (width, height) = (side(self.width), side(self.height));
        let mut out = Vec::with_capacity(width as usize * height as usize);
        let step = 1.0 / scale;
        let pitch = luma.width as usize;
        let row = |y: u32| {
            let from = (self.top + y) as usize * pitch + self.left as usize;
            luma.data.get(from..from + self.width as usize).unwrap_or_default()
        };
        let spans = |cells: u32, len: u32| -> Vec<(u32, u32)> {
            (0..cells)
                .map(|i| {
                    let from = ((i as f32 * step) as u32).min(len - 1);
                    (from, (((i + 1) as f32 * step) as u32).clamp(from + 1, len))
                })
                .collect()
        };
        let between = |cells: u32, len: u32| -> Vec<(usize, usize, f32)> {
            (0..cells)
                .map(|i| {
                    let at = ((i as f32 + 0.5) * step - 0.5).clamp(0.0, (len - 1) as f32);
                    (at as usize, (at as usize + 1).min(len as usize - 1), at.fract())
                })
                .collect()
        };
        let mut push = |v: u8| out.push(if inverted { 255 - v } else { v });
        if scale > 1.0 {
            let columns = between(width, self.width);
            for (above, below, down) in between(height, self.height) {
                let (above, below) = (row(above as u32), row(below as u32));
                let of = |row: &[u8], x: usize| row.get(x).map_or(0.0, |v| f32::from(*v));
                for (left, right, across) in &columns {
                    let mix = |row: &[u8]| {
                        let (l, r) = (of(row, *left), of(row, *right));
                        l + (r - l) * across
                    };
                    let (a, b) = (mix(above), mix(below));
                    push((a + (b - a) * down).round() as u8);
                }
            }
        } else {
            let columns = spans(width, self.width);
            for (top, bottom) in spans(height, self.height) {
                for (left, right) in &columns {
                    let (mut sum, mut n) = (0_u32, 0_u32);
                    for y in top..bottom {
                        let line = row(y).get(*left as usize..*right as usize).unwrap_or_default();
                        sum += line.iter().map(|v| u32::from(*v)).sum::<u32>();
                        n += line.len() as u32;
                    }
                    push((sum / n.max(1)) as u8);
                }
            }
        }
        Page { samples: out, width, height }
    }
}

/// A grey picture, a byte a pixel.
pub(super) struct Page {
    pub(super) samples: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Pages as one file, uncompressed (TIFF 6.0, sections 2 and 4).
pub(super) fn tiff(pages: &[Page]) -> Vec<u8> {
    /// Entries of a directory, and its bytes: a count, twelve bytes an entry, where the next one stands.
    const ENTRIES: u16 = 9;
    const DIRECTORY: u32 = 2 + 12 * ENTRIES as u32 + 4;
    let mut out = b"II*\0".to_vec();
    let mut at = 8_u32;
    out.extend(at.to_le_bytes());
    for (number, page) in pages.iter().enumerate() {
        let len = page.samples.len() as u32;
        let strip = at.saturating_add(DIRECTORY);
        // Directories begin at even places.
        let next = strip.saturating_add(len).saturating_add(len & 1);
        out.extend(ENTRIES.to_le_bytes());
        let (short, long) = (3_u16, 4_u16);
        for (tag, kind, value) in [
            (256_u16, long, page.width),
            (257, long, page.height),
            (258, short, 8),
            (259, short, 1),
            (262, short, 1),
            (273, long, strip),
            (277, short, 1),
            (278, long, page.height),
            (279, long, len),
        ] {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(1_u32.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        let last = number + 1 == pages.len();
        out.extend(if last { 0 } else { next }.to_le_bytes());
        out.extend_from_slice(&page.samples);
        out.resize(next as usize, 0);
        at = next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiff_6_0_pages_are_read_back_one_after_the_other() {
        let page = |side: u32, shade: u8| Page {
            samples: (0..side * side).map(|i| shade + (i % 7) as u8).collect(),
            width: side,
            height: side,
        };
        let pages = [page(3, 10), page(8, 90)];
        let mut decoder = ::tiff::decoder::Decoder::new(std::io::Cursor::new(tiff(&pages))).unwrap();
        for (i, page) in pages.iter().enumerate() {
            assert_eq!(decoder.dimensions().unwrap(), (page.width, page.height));
            let ::tiff::decoder::DecodingResult::U8(read) = decoder.read_image().unwrap() else { panic!() };
            assert_eq!(read, page.samples);
            assert_eq!(decoder.more_images(), i == 0);
            if i == 0 {
                decoder.next_image().unwrap();
            }
        }
    }
}
