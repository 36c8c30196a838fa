//! A decoded picture.

use colophon_signal::simd::vectorised;

use colophon_core::{Canvas, Error, Limits, PixelBox, Result};

use crate::watermark::{Pixels, PixelsMut, Samples as Marked, SamplesMut};

/// Decoded samples, interleaved, rows without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Samples {
    /// 8 bits each.
    U8(Vec<u8>),
    /// 16 bits each, in the machine's order.
    U16(Vec<u16>),
}

/// What the samples of a pixel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// Four inks as light: the full value is no ink. A colour comes out as the product with the last sample.
    Cmyk,
}

impl Color {
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// A picture in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) color: Color,
    pub(crate) samples: Samples,
}

/// Whether a picture may be decoded at all; asked before anything is allocated.
///
/// # Errors
/// `Limit`.
pub(crate) fn check_size(
    id: &'static str,
    width: u32,
    height: u32,
    bytes_per_pixel: u64,
    limits: &Limits,
) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels {
        let text = format!("{width} × {height} pixels are more than the {} allowed", limits.pixels);
        return Err(Error::limit(text).in_format(id));
    }
    let bytes = pixels.saturating_mul(bytes_per_pixel);
    if bytes > limits.decoded_bytes {
        let text = format!("decoding takes {bytes} bytes, more than the {} allowed", limits.decoded_bytes);
        return Err(Error::limit(text).in_format(id));
    }
    Ok(())
}

impl Raster {
    /// The size as a place for labels.
    pub(crate) fn canvas(&self) -> Canvas {
        Canvas { width: self.width, height: self.height }
    }

    /// The picture as shown, when it is stored under an Exif orientation (1 to 8; Exif 3.0, 4.6.4).
    pub(crate) fn shown(self, orientation: u8) -> Self {
        match orientation {
            2 => self.moved(false, |x, y, w, _| (w - 1 - x, y)),
            3 => self.moved(false, |x, y, w, h| (w - 1 - x, h - 1 - y)),
            4 => self.moved(false, |x, y, _, h| (x, h - 1 - y)),
            5 => self.moved(true, |x, y, _, _| (y, x)),
            6 => self.moved(true, |x, y, _, h| (y, h - 1 - x)),
            7 => self.moved(true, |x, y, w, h| (w - 1 - y, h - 1 - x)),
            8 => self.moved(true, |x, y, w, _| (w - 1 - y, x)),
            _ => self,
        }
    }

    /// The reverse of [`Raster::shown`].
    pub(crate) fn stored(self, orientation: u8) -> Self {
        // Turns by a quarter are each other's reverse, all others their own.
        self.shown(match orientation {
            6 => 8,
            8 => 6,
            other => other,
        })
    }

    /// Every pixel of the result from `from(x, y, width, height)` of this one.
    fn moved(self, swapped: bool, from: impl Fn(usize, usize, usize, usize) -> (usize, usize)) -> Self {
        let (w, h) = (self.width as usize, self.height as usize);
        let channels = self.color.channels();
        let (width, height) = if swapped { (h, w) } else { (w, h) };
        let samples = match &self.samples {
            Samples::U8(s) => Samples::U8(move_pixels(s, channels, (w, h), (width, height), from)),
            Samples::U16(s) => Samples::U16(move_pixels(s, channels, (w, h), (width, height), from)),
        };
        Self { width: width as u32, height: height as u32, samples, ..self }
    }

    /// Adds rows at the lower edge, empty until something is laid over them.
    pub(crate) fn extend(&mut self, rows: u32) {
        let more = rows as usize * self.width as usize * self.color.channels();
        match &mut self.samples {
            Samples::U8(s) => s.resize(s.len() + more, 0),
            Samples::U16(s) => s.resize(s.len() + more, 0),
        }
        self.height += rows;
    }

    /// The brightness inside a box, as [`Raster::luma`] gives it, row by row; what reaches outside is left out.
    pub(crate) fn levels(&self, area: PixelBox) -> impl Iterator<Item = u8> + '_ {
        let (left, right) = (area.x.min(self.width), area.x.saturating_add(area.width).min(self.width));
        let (top, bottom) = (area.y.min(self.height), area.y.saturating_add(area.height).min(self.height));
        let channels = self.color.channels();
        (top..bottom).flat_map(move |y| {
            let at = |x: u32| (y as usize * self.width as usize + x as usize) * channels;
            let range = at(left)..at(right);
            match &self.samples {
                Samples::U8(s) => luma(s.get(range).unwrap_or_default(), self.color, u32::from),
                Samples::U16(s) => luma(s.get(range).unwrap_or_default(), self.color, |v| u32::from(v >> 8)),
            }
        })
    }

    /// Brightness, 8 bits a pixel (Rec. 601 weights), transparent parts over white.
    pub(crate) fn luma(&self) -> Vec<u8> {
        match &self.samples {
            // By far the most pictures, and one pattern for the compiler.
            Samples::U8(s) if self.color == Color::Rgb => {
                let mut out = vec![0; s.len() / 3];
                luma_of_rgb(s, &mut out);
                out
            }
            Samples::U8(s) => luma(s, self.color, u32::from),
            Samples::U16(s) => luma(s, self.color, |v| u32::from(v >> 8)),
        }
    }

    /// The picture for a reader of watermarks. Inks are first turned into colours.
    ///
    /// # Errors
    /// `Limit` for a picture that the reader refuses by size.
    pub(crate) fn with_pixels<T>(&self, id: &'static str, read: impl FnOnce(&Pixels<'_>) -> T) -> Result<T> {
        let rgb;
        let (samples, channels) = match (&self.samples, self.color) {
            (Samples::U8(s), Color::Cmyk) => {
                rgb = rgb_of_inks(s);
                (Marked::U8(&rgb), 3)
            }
            (Samples::U8(s), c) => (Marked::U8(s), c.channels()),
            (Samples::U16(s), c) => (Marked::U16(s), c.channels()),
        };
        let pixels = Pixels::new(samples, self.layout(channels)).map_err(|e| refused(id, &e))?;
        Ok(read(&pixels))
    }

    /// The picture for a writer of watermarks, in place. The black of four inks acts as the alpha channel: where it is
    /// solid nothing can be seen, so nothing is marked.
    ///
    /// # Errors
    /// As [`Raster::with_pixels`].
    pub(crate) fn with_pixels_mut<T>(
        &mut self,
        id: &'static str,
        write: impl FnOnce(&mut PixelsMut<'_>) -> T,
    ) -> Result<T> {
        let layout = self.layout(self.color.channels());
        let samples = match &mut self.samples {
            Samples::U8(s) => SamplesMut::U8(s),
            Samples::U16(s) => SamplesMut::U16(s),
        };
        let mut pixels = PixelsMut::new(samples, layout).map_err(|e| refused(id, &e))?;
        Ok(write(&mut pixels))
    }

    fn layout(&self, channels: usize) -> crate::watermark::Layout {
        crate::watermark::Layout::packed(self.width as usize, self.height as usize, channels)
    }
}

fn refused(id: &'static str, e: &crate::watermark::LayoutError) -> Error {
    Error::limit(e.to_string()).in_format(id)
}

fn move_pixels<T: Copy + Default>(
    s: &[T],
    channels: usize,
    (w, h): (usize, usize),
    (width, height): (usize, usize),
    from: impl Fn(usize, usize, usize, usize) -> (usize, usize),
) -> Vec<T> {
    /// Side of the squares that are moved at a time: rows of both pictures stay in the cache.
    const SQUARE: usize = 32;
    let mut out = vec![T::default(); s.len()];
    for top in (0..height).step_by(SQUARE) {
        for left in (0..width).step_by(SQUARE) {
            for y in top..(top + SQUARE).min(height) {
                for x in left..(left + SQUARE).min(width) {
                    let (sx, sy) = from(x, y, w, h);
                    let (to, at) = ((y * width + x) * channels, (sy * w + sx) * channels);
                    if let (Some(to), Some(from)) = (out.get_mut(to..to + channels), s.get(at..at + channels))
                    {
                        to.copy_from_slice(from);
                    }
                }
            }
        }
    }
    out
}

/// Brightness of interleaved red, green and blue, as [`Raster::luma`] gives it.
pub(crate) fn luma_of_rgb(samples: &[u8], out: &mut [u8]) {
    vectorised(
        #[inline(always)]
        || {
            for (to, [r, g, b]) in out.iter_mut().zip(samples.as_chunks::<3>().0) {
                *to = ((77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b)) >> 8) as u8;
            }
        },
    );
}

fn luma<T: Copy>(s: &[T], color: Color, level: impl Fn(T) -> u32) -> Vec<u8> {
    // 77 + 150 + 29 = 256.
    let weigh = |r: T, g: T, b: T| (77 * level(r) + 150 * level(g) + 29 * level(b)) >> 8;
    let over_white = |v: u32, a: u32| (v * a + 255 * (255 - a) + 127) / 255;
    s.chunks_exact(color.channels())
        .map(|p| match *p {
            [v] => level(v) as u8,
            [v, a] => over_white(level(v), level(a)) as u8,
            [r, g, b] => weigh(r, g, b) as u8,
            [c, m, y, k] if color == Color::Cmyk => (weigh(c, m, y) * level(k) / 255) as u8,
            [r, g, b, a] => over_white(weigh(r, g, b), level(a)) as u8,
            _ => 0,
        })
        .collect()
}

fn rgb_of_inks(s: &[u8]) -> Vec<u8> {
    let product = |v: u8, k: u8| ((u32::from(v) * u32::from(k) + 127) / 255) as u8;
    s.chunks_exact(4)
        .flat_map(|p| match *p {
            [c, m, y, k] => [product(c, k), product(m, k), product(y, k)],
            _ => [0; 3],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32, samples: &[u8]) -> Raster {
        Raster { width, height, color: Color::Grey, samples: Samples::U8(samples.to_vec()) }
    }

    /// What a viewer shows for the stored rows `ab` / `cd` / `ef` (Exif 3.0, 4.6.4: row 0 and column 0 of the stored
    /// picture are at the named sides of the shown one).
    #[test]
    fn exif_orientations_show_as_the_standard_says() {
        let stored = grey(2, 3, b"abcdef");
        let expected: [(u8, u32, &[u8]); 8] = [
            (1, 2, b"abcdef"),
            (2, 2, b"badcfe"),
            (3, 2, b"fedcba"),
            (4, 2, b"efcdab"),
            (5, 3, b"acebdf"),
            (6, 3, b"ecafdb"),
            (7, 3, b"fdbeca"),
            (8, 3, b"bdface"),
        ];
        for (orientation, width, samples) in expected {
            let shown = stored.clone().shown(orientation);
            assert_eq!(
                (shown.width, &shown.samples),
                (width, &Samples::U8(samples.to_vec())),
                "{orientation}"
            );
            assert_eq!(shown.stored(orientation), stored, "{orientation}");
        }
    }

    #[test]
    fn luma_weighs_colours_alpha_and_inks() {
        let of = |color, s: &[u8]| {
            Raster { width: 1, height: 1, color, samples: Samples::U8(s.to_vec()) }.luma()[0]
        };
        assert_eq!(of(Color::Rgb, &[255, 255, 255]), 255);
        assert_eq!(of(Color::Rgb, &[0, 255, 0]), 149);
        assert_eq!(of(Color::GreyAlpha, &[0, 0]), 255);
        assert_eq!(of(Color::Rgba, &[0, 0, 0, 255]), 0);
        assert_eq!(of(Color::Cmyk, &[255, 255, 255, 128]), 128);
        let wide = Raster { width: 1, height: 1, color: Color::Grey, samples: Samples::U16(vec![0x80ff]) };
        assert_eq!(wide.luma(), [0x80]);
    }

    #[test]
    fn sizes_beyond_the_limits_are_refused() {
        let limits = Limits::default();
        assert!(check_size("png", 100_000, 100_000, 4, &limits).is_err());
        assert!(check_size("png", 14_000, 14_000, 16, &limits).is_err());
        assert!(check_size("png", 10_000, 10_000, 8, &limits).is_ok());
    }
}
