//! A label's pixels over a picture.

use std::ops::Range;

use colophon_label::visible::Overlay;

use crate::raster::{Color, Raster, Samples};

/// Lays the overlay over the picture as shown. Parts outside are cut off.
pub(crate) fn blend(raster: &mut Raster, overlay: &Overlay) {
    let color = raster.color;
    for (place, over) in rows(raster, overlay) {
        let over = over.chunks_exact(4);
        match &mut raster.samples {
            Samples::U8(s) => line(s.get_mut(place).unwrap_or_default(), over, color, 1, 255.0),
            Samples::U16(s) => line(s.get_mut(place).unwrap_or_default(), over, color, 257, 65_535.0),
        }
    }
}

/// The samples of a picture under an overlay, row by row.
pub(crate) fn under(raster: &Raster, overlay: &Overlay) -> Samples {
    let places = rows(raster, overlay).map(|(place, _)| place);
    match &raster.samples {
        Samples::U8(s) => Samples::U8(places.filter_map(|p| s.get(p)).flatten().copied().collect()),
        Samples::U16(s) => Samples::U16(places.filter_map(|p| s.get(p)).flatten().copied().collect()),
    }
}

/// Puts the samples of [`under`] back wherever the overlay shows.
pub(crate) fn put_back(raster: &mut Raster, overlay: &Overlay, samples: &Samples) {
    let mut from = 0;
    let channels = raster.color.channels();
    for (place, over) in rows(raster, overlay) {
        let before = from..from + place.len();
        from = before.end;
        match (&mut raster.samples, samples) {
            (Samples::U8(to), Samples::U8(s)) => shown(to.get_mut(place), s.get(before), over, channels),
            (Samples::U16(to), Samples::U16(s)) => shown(to.get_mut(place), s.get(before), over, channels),
            _ => {}
        }
    }
}

/// One row of [`put_back`].
fn shown<T: Copy>(to: Option<&mut [T]>, from: Option<&[T]>, over: &[u8], channels: usize) {
    let pixels = to.unwrap_or_default().chunks_exact_mut(channels);
    for ((to, from), over) in
        pixels.zip(from.unwrap_or_default().chunks_exact(channels)).zip(over.chunks_exact(4))
    {
        if over.last() != Some(&0) {
            to.copy_from_slice(from);
        }
    }
}

/// Where each row of an overlay lies among the samples of a picture, with as much of that row as lies inside.
fn rows<'a>(
    raster: &Raster,
    overlay: &'a Overlay,
) -> impl Iterator<Item = (Range<usize>, &'a [u8])> + use<'a> {
    let (width, channels) = (raster.width as usize, raster.color.channels());
    let (x, y) = (overlay.x as usize, overlay.y as usize);
    let columns = (overlay.width as usize).min(width.saturating_sub(x));
    let inside = (raster.height as usize).saturating_sub(y);
    let over = overlay.rgba.chunks_exact((4 * overlay.width as usize).max(1)).take(inside);
    over.enumerate().map(move |(row, over)| {
        let begin = ((y + row) * width + x) * channels;
        (begin..begin + columns * channels, over.get(..4 * columns).unwrap_or_default())
    })
}

/// One row. `scale` brings 8-bit levels to the samples' range, whose top is `full`.
fn line<'a, T: Copy + Into<f32> + FromLevel>(
    samples: &mut [T],
    over: impl Iterator<Item = &'a [u8]>,
    color: Color,
    scale: u16,
    full: f32,
) {
    for (pixel, over) in samples.chunks_exact_mut(color.channels()).zip(over) {
        let &[r, g, b, a] = over else { continue };
        if a == 0 {
            continue;
        }
        let alpha = f32::from(a) / 255.0;
        let level = |v: u8| f32::from(v) * f32::from(scale);
        let grey = (0.299 * level(r) + 0.587 * level(g) + 0.114 * level(b)).min(full);
        let mix = |under: T, over: f32, share: f32| {
            let under: f32 = under.into();
            T::from_level(under + (over - under) * share)
        };
        // Straight alpha over straight alpha (Porter and Duff, "over").
        let with_alpha = |under: T| {
            let under: f32 = under.into();
            let under = under / full;
            let out = alpha + under * (1.0 - alpha);
            (T::from_level(out * full), if out > 0.0 { alpha / out } else { 0.0 })
        };
        match (color, pixel) {
            (Color::Grey, [v]) => *v = mix(*v, grey, alpha),
            (Color::GreyAlpha, [v, w]) => {
                let (out, share) = with_alpha(*w);
                (*v, *w) = (mix(*v, grey, share), out);
            }
            (Color::Rgb, [x, y, z]) => {
                (*x, *y, *z) = (mix(*x, level(r), alpha), mix(*y, level(g), alpha), mix(*z, level(b), alpha));
            }
            (Color::Rgba, [x, y, z, w]) => {
                let (out, share) = with_alpha(*w);
                (*x, *y, *z) = (mix(*x, level(r), share), mix(*y, level(g), share), mix(*z, level(b), share));
                *w = out;
            }
            (Color::Cmyk, [c, m, y, k]) => {
                // The darkness of the label goes into black, its hue into the inks: text stays crisp in print.
                let top = level(r.max(g).max(b));
                let hue = |v: u8| if top > 0.0 { level(v) / top * full } else { full };
                (*c, *m, *y) = (mix(*c, hue(r), alpha), mix(*m, hue(g), alpha), mix(*y, hue(b), alpha));
                *k = mix(*k, top, alpha);
            }
            _ => {}
        }
    }
}

/// A sample from a level in its own range.
trait FromLevel {
    fn from_level(level: f32) -> Self;
}

impl FromLevel for u8 {
    fn from_level(level: f32) -> Self {
        (level + 0.5) as Self
    }
}

impl FromLevel for u16 {
    fn from_level(level: f32) -> Self {
        (level + 0.5) as Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(rgba: [u8; 4]) -> Overlay {
        Overlay { x: 1, y: 0, width: 1, height: 1, rgba: rgba.to_vec() }
    }

    fn blended(color: Color, pixel: &[u8], rgba: [u8; 4]) -> Vec<u8> {
        let samples = Samples::U8([pixel, pixel].concat());
        let mut r = Raster { width: 2, height: 1, color, samples };
        blend(&mut r, &dot(rgba));
        let Samples::U8(s) = r.samples else { unreachable!() };
        assert_eq!(&s[..pixel.len()], pixel, "the pixel beside the label changed");
        s[pixel.len()..].to_vec()
    }

    #[test]
    fn every_colour_type_takes_the_label() {
        assert_eq!(blended(Color::Rgb, &[10, 20, 30], [255, 255, 255, 255]), [255, 255, 255]);
        assert_eq!(blended(Color::Rgb, &[100, 100, 100], [0, 0, 0, 128]), [50, 50, 50]);
        assert_eq!(blended(Color::Grey, &[100], [255, 255, 255, 255]), [255]);
        assert_eq!(blended(Color::Rgba, &[9, 9, 9, 0], [40, 50, 60, 128]), [40, 50, 60, 128]);
        assert_eq!(blended(Color::Rgba, &[0, 0, 0, 255], [255, 255, 255, 255]), [255, 255, 255, 255]);
        assert_eq!(blended(Color::GreyAlpha, &[7, 0], [255, 255, 255, 255]), [255, 255]);
        assert_eq!(blended(Color::Cmyk, &[0, 0, 0, 0], [255, 255, 255, 255]), [255, 255, 255, 255]);
        assert_eq!(blended(Color::Cmyk, &[9, 8, 7, 255], [0, 0, 0, 255]), [255, 255, 255, 0]);
    }

    #[test]
    fn sixteen_bits_keep_their_range() {
        let mut r = Raster { width: 2, height: 1, color: Color::Grey, samples: Samples::U16(vec![5, 5]) };
        blend(&mut r, &dot([255, 255, 255, 255]));
        assert_eq!(r.samples, Samples::U16(vec![5, 65_535]));
    }

    #[test]
    fn what_reaches_over_the_edge_is_cut_off() {
        let mut r = Raster { width: 2, height: 1, color: Color::Grey, samples: Samples::U8(vec![5, 5]) };
        let overlay = Overlay { x: 1, y: 0, width: 9, height: 9, rgba: vec![255; 4 * 81] };
        blend(&mut r, &overlay);
        assert_eq!(r.samples, Samples::U8(vec![5, 255]));
        blend(&mut r, &Overlay { x: 7, y: 7, ..overlay });
    }
}
