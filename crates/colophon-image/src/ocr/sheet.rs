//! Lines cut out of a picture and set below one another on one white page, all of a size, dark on light.
//!
//! A reader of text that gets the picture as it is spends its time on what is no text, and decides about black and white once
//! for all of it.

use colophon_label::visible::Luma;

use super::find::{Spot, strokes};
use super::page::{Page, Part};
use super::words::Line;

/// Height of a line's letters on the page in pixels: what Tesseract reads best is 30 to 40.
const LETTER: f32 = 34.0;
/// How far a line is enlarged.
const MOST_ENLARGED: f32 = 4.0;
/// Most pixels of a line from left to right.
const MOST_WIDE: f32 = 2400.0;
/// Best places that are shown twice: as they are, and their strokes alone, which a busy ground does not swallow.
const TWICE: usize = 6;
/// Best places that are shown with their neighbourhood too: a label of two rows, or one of which a part is set in another way.
const AROUND: usize = 3;
/// Longest line, in heights of its letters, that gets a second look: labels are short, lines of a page are not.
const SHORT: f32 = 18.0;
/// Pixels from which on no further line is set on the page: what is read last costs most and is least like type.
const MOST_PIXELS: usize = 300_000;
/// White around every line in pixels.
const GAP: u32 = 24;

/// The page and what stands where on it.
pub(super) struct Sheet {
    pub(super) page: Page,
    strips: Vec<Strip>,
}

/// One line of the page.
struct Strip {
    top: u32,
    bottom: u32,
    /// Where it was cut out, in pixels of the picture.
    origin: (f32, f32),
    scale: f32,
}

impl Sheet {
    pub(super) fn of(picture: &Luma<'_>, spots: &[Spot]) -> Self {
        let mut cut = Vec::new();
        let mut room = 0;
        for (number, spot) in spots.iter().enumerate() {
            let short = spot.right - spot.left < SHORT * (spot.bottom - spot.top);
            let looks = [
                (true, (0.6, 0.35), false),
                (number < TWICE, (0.6, 0.35), true),
                (number < AROUND, (3.2, 1.7), false),
            ];
            for (wanted, around, alone) in looks {
                if wanted && (short || !alone && around.0 < 1.0) && room < MOST_PIXELS {
                    cut.push(cut_out(picture, spot, around, alone, LETTER));
                    room += cut.last().map_or(0, |(page, ..)| page.samples.len());
                }
            }
        }
        Self::composed(cut)
    }

    /// What stands around a line that was read in part: a short first word.
    pub(super) fn around(picture: &Luma<'_>, line: &Line) -> Self {
        Self::closely(picture, line, &[(2.5, 1.8)], &[1.0, 1.6])
    }

    /// What stands above, below and beside a line that was read whole: words of another script, whose letters are higher.
    pub(super) fn beside(picture: &Luma<'_>, line: &Line) -> Self {
        Self::closely(picture, line, &[(2.5, 3.6), (9.0, 1.8)], &[0.6, 1.0])
    }

    /// A line with so much around it, in heights of its letters across and down, at several sizes and in both shades.
    fn closely(picture: &Luma<'_>, line: &Line, reaches: &[(f32, f32)], sizes: &[f32]) -> Self {
        let mut cut = Vec::new();
        for bright in [false, true] {
            let Line { left, top, right, bottom, .. } = *line;
            let spot = Spot { left, top, right, bottom, bright, score: 1.0 };
            for reach in reaches {
                cut.extend(sizes.iter().map(|size| cut_out(picture, &spot, *reach, false, size * LETTER)));
            }
        }
        Self::composed(cut)
    }

    fn composed(cut: Vec<(Page, (f32, f32), f32)>) -> Self {
        let wide = cut.iter().map(|(p, ..)| p.width).max().unwrap_or(0) + 2 * GAP;
        let mut page = Page { samples: vec![255; (wide * GAP) as usize], width: wide, height: GAP };
        let mut strips = Vec::new();
        for (piece, origin, scale) in cut {
            let top = page.height;
            for row in piece.samples.chunks_exact(piece.width.max(1) as usize) {
                page.samples.resize(page.samples.len() + GAP as usize, 255);
                page.samples.extend_from_slice(row);
                page.samples.resize(page.samples.len() + (wide - GAP - piece.width) as usize, 255);
            }
            page.samples.resize(page.samples.len() + (wide * GAP) as usize, 255);
            page.height += piece.height + GAP;
            strips.push(Strip { top, bottom: top + piece.height, origin, scale });
        }
        Self { page, strips }
    }

    /// Lines of the page as lines of the picture.
    pub(super) fn back(&self, lines: Vec<Line>) -> Vec<Line> {
        let home = |line: Line| {
            let middle = 0.5 * (line.top + line.bottom);
            let strip = self.strips.iter().find(|s| middle <= (s.bottom + GAP / 2) as f32)?;
            let x = |v: f32| strip.origin.0 + (v - GAP as f32) / strip.scale;
            let y = |v: f32| strip.origin.1 + (v - strip.top as f32) / strip.scale;
            Some(Line {
                left: x(line.left),
                right: x(line.right),
                top: y(line.top),
                bottom: y(line.bottom),
                text: line.text,
            })
        };
        lines.into_iter().filter_map(home).collect()
    }
}

/// A place with so much around it, in heights of its letters, across and down: dark on light, at the size of the page. With
/// `alone` its strokes without their ground.
fn cut_out(
    picture: &Luma<'_>,
    spot: &Spot,
    (across, down): (f32, f32),
    alone: bool,
    letter: f32,
) -> (Page, (f32, f32), f32) {
    let tall = spot.bottom - spot.top;
    let (width, height) = (picture.width as f32, picture.height as f32);
    let share = [
        (spot.left - across * tall) / width,
        (spot.top - down * tall) / height,
        (spot.right + across * tall) / width,
        (spot.bottom + down * tall) / height,
    ];
    let part = Part::of(&share.map(|v| v.clamp(0.0, 1.0)), picture);
    let scale = (letter / tall).min(MOST_ENLARGED).min(MOST_WIDE / part.width.max(1) as f32);
    let mut page = part.page(picture, scale, spot.bright != alone);
    if alone {
        page.samples = strokes(&page.samples, page.width as usize, page.height as usize);
        page.samples.iter_mut().for_each(|v| *v = 255 - *v);
    }
    stretch(&mut page.samples);
    (page, (part.left as f32, part.top as f32), scale)
}

/// Brings the darkest shades to black and those of the ground to white.
fn stretch(samples: &mut [u8]) {
    let mut counts = [0_u32; 256];
    for v in samples.iter() {
        counts[usize::from(*v)] += 1;
    }
    let of = |share: f32| {
        let wanted = share * samples.len() as f32;
        let mut sum = 0;
        let passed = |n: &u32| {
            sum += n;
            sum as f32 >= wanted
        };
        counts.iter().position(passed).unwrap_or(255) as f32
    };
    let (ink, ground) = (of(0.02), of(0.6));
    let gain = 255.0 / (ground - ink).max(1.0);
    for v in samples {
        *v = ((f32::from(*v) - ink) * gain).clamp(0.0, 255.0) as u8;
    }
}
