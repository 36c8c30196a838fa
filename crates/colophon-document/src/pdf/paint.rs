//! What a page paints behind and over its text: colours, filled rectangles, the clipping region, transparency (ISO 32000-2, 8.4
//! to 8.6 and 11.6).
//!
//! Enough to tell text that nobody sees from text that is there. What is not followed, such as patterns, curves and colour
//! spaces of inks, counts as seen: to call a label hidden needs proof.

use lopdf::{Dictionary, Object};

use super::file::File;
use super::page::{Matrix, number};

/// Contrast of text and ground below which nobody reads, as WCAG 2.2 measures it (1:1 is none, 4.5:1 what it asks for).
const SEEN: f32 = 1.25;
/// Opacity below which nothing is seen.
const FAINT: f32 = 0.05;
/// Painted places that are kept; further ones are not looked at.
const MAX_PLACES: usize = 4096;

/// A box on the page as shown: left, bottom, right, top.
pub(super) type Box4 = [f32; 4];

/// A colour as red, green and blue of 0 to 1; `None` where it is not followed.
pub(super) type Colour = Option<[f32; 3]>;

/// What of the graphics state decides whether text is seen.
#[derive(Clone, Debug)]
pub(super) struct Ink {
    pub(super) fill: Colour,
    pub(super) stroke: Colour,
    /// How the operands of `sc` and `SC` are meant.
    fill_known: bool,
    stroke_known: bool,
    pub(super) alpha: f32,
    pub(super) stroke_alpha: f32,
    /// Nothing is painted outside.
    pub(super) clip: Option<Box4>,
}

impl Default for Ink {
    fn default() -> Self {
        let black = Some([0.0; 3]);
        Self {
            fill: black,
            stroke: black,
            fill_known: true,
            stroke_known: true,
            alpha: 1.0,
            stroke_alpha: 1.0,
            clip: None,
        }
    }
}

/// The path that is being made.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    /// All that it touches.
    bounds: Option<Box4>,
    /// It is one rectangle with upright sides.
    rectangle: bool,
    parts: usize,
    clips: bool,
}

/// A place that was painted over: with a colour, or with something that is not followed.
#[derive(Clone, Debug)]
struct Place {
    bounds: Box4,
    colour: Colour,
}

/// What was painted so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Canvas {
    places: Vec<Place>,
}

impl Ink {
    /// Takes a colour operator. Answers whether it was one.
    pub(super) fn colour(
        &mut self,
        operator: &[u8],
        operands: &[Object],
        file: &File<'_>,
        resources: &Dictionary,
    ) -> bool {
        let stroke = operator.first().is_some_and(u8::is_ascii_uppercase);
        let n: Vec<f32> = operands.iter().filter_map(number).collect();
        let named = operands.iter().any(|o| o.as_name().is_ok());
        let colour = match (operator, n.as_slice()) {
            (b"g" | b"G", [v, ..]) => Some([*v; 3]),
            (b"rg" | b"RG", [r, g, b, ..]) => Some([*r, *g, *b]),
            (b"k" | b"K", [c, m, y, k, ..]) => Some(cmyk([*c, *m, *y, *k])),
            (b"cs" | b"CS", _) => {
                let known = operands.first().is_some_and(|o| plain(o, file, resources));
                if stroke {
                    self.stroke_known = known;
                } else {
                    self.fill_known = known;
                }
                // Every plain space begins with black (8.6.8).
                known.then_some([0.0; 3])
            }
            (b"sc" | b"scn" | b"SC" | b"SCN", values) => {
                let known = if stroke { self.stroke_known } else { self.fill_known };
                match values {
                    _ if !known || named => None,
                    [v] => Some([*v; 3]),
                    [r, g, b] => Some([*r, *g, *b]),
                    [c, m, y, k] => Some(cmyk([*c, *m, *y, *k])),
                    _ => None,
                }
            }
            _ => return false,
        };
        if matches!(operator, b"g" | b"rg" | b"k") {
            self.fill_known = true;
        }
        if matches!(operator, b"G" | b"RG" | b"K") {
            self.stroke_known = true;
        }
        if stroke {
            self.stroke = colour;
        } else {
            self.fill = colour;
        }
        true
    }

    /// The entries of a graphics state dictionary that matter here (8.4.5).
    pub(super) fn state(&mut self, dict: &Dictionary) {
        let of = |key: &[u8]| dict.get(key).ok().and_then(number);
        self.alpha = of(b"ca").unwrap_or(self.alpha);
        self.stroke_alpha = of(b"CA").unwrap_or(self.stroke_alpha);
    }

    /// Nothing is painted outside of a box from here on.
    pub(super) fn narrow(&mut self, to: Box4) {
        self.clip = Some(match self.clip {
            Some([l, b, r, t]) => [l.max(to[0]), b.max(to[1]), r.min(to[2]), t.min(to[3])],
            None => to,
        });
    }
}

impl Path {
    /// Takes a path operator. Answers whether it was one.
    pub(super) fn construct(&mut self, operator: &[u8], operands: &[Object], ctm: Matrix) -> bool {
        let n: Vec<f32> = operands.iter().filter_map(number).collect();
        match (operator, n.as_slice()) {
            (b"re", [x, y, w, h, ..]) => {
                for (dx, dy) in [(0.0, 0.0), (*w, 0.0), (0.0, *h), (*w, *h)] {
                    self.touch(ctm.apply(x + dx, y + dy));
                }
                self.rectangle = self.parts == 0 && upright(ctm);
            }
            (b"m" | b"l", [x, y, ..]) => {
                self.touch(ctm.apply(*x, *y));
                self.rectangle = false;
            }
            (b"c" | b"v" | b"y", points) => {
                for pair in points.chunks_exact(2) {
                    self.touch(ctm.apply(pair[0], pair[1]));
                }
                self.rectangle = false;
            }
            (b"h", _) => return true,
            (b"W" | b"W*", _) => {
                self.clips = true;
                return true;
            }
            _ => return false,
        }
        self.parts += 1;
        true
    }

    fn touch(&mut self, (x, y): (f32, f32)) {
        self.bounds = Some(match self.bounds {
            Some([l, b, r, t]) => [l.min(x), b.min(y), r.max(x), t.max(y)],
            None => [x, y, x, y],
        });
    }

    /// Takes a painting operator, which ends the path. Answers what was filled.
    pub(super) fn paint(&mut self, operator: &[u8], ink: &mut Ink, canvas: &mut Canvas) -> bool {
        let fills = match operator {
            b"f" | b"F" | b"f*" | b"B" | b"B*" | b"b" | b"b*" => true,
            b"S" | b"s" | b"n" => false,
            _ => return false,
        };
        let path = std::mem::take(self);
        if let (true, Some(bounds)) = (fills, path.bounds) {
            // A shape of another form covers some of its bounds, nobody knows which.
            let colour = ink.fill.filter(|_| path.rectangle && ink.alpha >= 0.999);
            canvas.cover(within(bounds, ink.clip), colour);
        }
        if let (true, Some(bounds)) = (path.clips, path.bounds) {
            ink.narrow(bounds);
        }
        true
    }
}

impl Canvas {
    /// Something was painted on a place.
    pub(super) fn cover(&mut self, bounds: Box4, colour: Colour) {
        if self.places.len() < MAX_PLACES && bounds[2] > bounds[0] && bounds[3] > bounds[1] {
            self.places.push(Place { bounds, colour });
        }
    }

    /// How many places were painted so far.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Whether something opaque was painted over all of a place after the first so many.
    pub(super) fn covered(&self, what: Box4, after: usize) -> bool {
        self.places.iter().skip(after).any(|p| p.colour.is_some() && inside(what, p.bounds))
    }

    /// The colour behind a place: white paper, or what was painted last.
    fn behind(&self, what: Box4) -> Colour {
        if self.places.len() >= MAX_PLACES {
            return None;
        }
        match self.places.iter().rev().find(|p| meet(what, p.bounds)) {
            None => Some([1.0; 3]),
            Some(p) if inside(what, p.bounds) => p.colour,
            _ => None,
        }
    }

    /// Why text on a place is not seen, where it is not. `mode` is the rendering mode (9.3.6).
    pub(super) fn hides(&self, what: Box4, ink: &Ink, mode: i64) -> Option<&'static str> {
        let (fills, strokes) = (matches!(mode, 0 | 2 | 4 | 6), matches!(mode, 1 | 2 | 5 | 6));
        if !fills && !strokes {
            return Some("not painted");
        }
        if ink.clip.is_some_and(|clip| !meet(what, clip)) {
            return Some("outside of what the page shows");
        }
        let faint = |paints: bool, alpha: f32| !paints || alpha <= FAINT;
        if faint(fills, ink.alpha) && faint(strokes, ink.stroke_alpha) {
            return Some("transparent");
        }
        let ground = self.behind(what)?;
        let like =
            |paints: bool, colour: Colour| !paints || colour.is_some_and(|c| contrast(c, ground) < SEEN);
        (like(fills, ink.fill) && like(strokes, ink.stroke)).then_some("in the colour behind it")
    }
}

/// The plain conversion of 10.4.2.4.
fn cmyk([c, m, y, k]: [f32; 4]) -> [f32; 3] {
    [c, m, y].map(|v| 1.0 - (v + k).min(1.0))
}

/// Whether numbers in a colour space are amounts of light or of the four inks, as far as black and white are concerned.
fn plain(name: &Object, file: &File<'_>, resources: &Dictionary) -> bool {
    let Ok(name) = name.as_name() else { return false };
    if matches!(name, b"DeviceGray" | b"DeviceRGB" | b"DeviceCMYK") {
        return true;
    }
    let spaces = file.dict(resources, b"ColorSpace").unwrap_or_default();
    let Ok(space) = file.array(&spaces, name) else { return false };
    let kind = space.first().and_then(|o| o.as_name().ok()).unwrap_or_default();
    matches!(kind, b"ICCBased" | b"CalRGB" | b"CalGray" | b"DeviceGray" | b"DeviceRGB" | b"DeviceCMYK")
}

/// Contrast of two colours (WCAG 2.2, definition of contrast ratio).
fn contrast(a: [f32; 3], b: [f32; 3]) -> f32 {
    let light = |c: [f32; 3]| {
        let linear = c.map(|v| {
            let v = v.clamp(0.0, 1.0);
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05
    };
    let (a, b) = (light(a), light(b));
    a.max(b) / a.min(b)
}

fn upright(ctm: Matrix) -> bool {
    let [a, b, c, d, ..] = ctm.0;
    (b.abs() < 1e-4 && c.abs() < 1e-4) || (a.abs() < 1e-4 && d.abs() < 1e-4)
}

fn within(bounds: Box4, clip: Option<Box4>) -> Box4 {
    let Some(c) = clip else { return bounds };
    [bounds[0].max(c[0]), bounds[1].max(c[1]), bounds[2].min(c[2]), bounds[3].min(c[3])]
}

fn inside(what: Box4, of: Box4) -> bool {
    what[0] >= of[0] && what[1] >= of[1] && what[2] <= of[2] && what[3] <= of[3]
}

fn meet(a: Box4, b: Box4) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wcag_2_2_contrast_is_that_of_the_recommendation() {
        assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 0.01);
        // #767676 on white is the lightest grey that passes 4.5:1.
        let grey = [0x76 as f32 / 255.0; 3];
        assert!((contrast(grey, [1.0; 3]) - 4.54).abs() < 0.01);
    }

    #[test]
    fn iso_32000_10_4_2_4_inks_become_light() {
        assert_eq!(cmyk([0.0; 4]), [1.0; 3]);
        assert_eq!(cmyk([0.0, 0.0, 0.0, 1.0]), [0.0; 3]);
        assert_eq!(cmyk([1.0, 0.0, 0.0, 0.0]), [0.0, 1.0, 1.0]);
    }
}
