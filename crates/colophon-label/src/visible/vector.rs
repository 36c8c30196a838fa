//! A label as outlines, for pictures that are drawn and not stored.

use colophon_core::{Error, ErrorKind, LabelRecord, Result};
use ttf_parser::OutlineBuilder;

use super::recorded;
use super::style::Kind;
use super::{outline, plate};
use crate::font::LabelFont;

/// One shape: an SVG path with its paint.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Path data in pixels of the record's canvas.
    pub path: String,
    /// Red, green and blue.
    pub fill: [u8; 3],
    /// Opacity of the fill.
    pub opacity: f32,
    /// Colour, width and opacity of a line around it, drawn before the fill.
    pub stroke: Option<([u8; 3], f32, f32)>,
}

/// The shapes of a recorded label, the lowest first, at their place on the record's canvas.
///
/// # Errors
/// As [`super::redraw`]; `Unsupported` for capsules and strips.
pub fn vector(record: &LabelRecord) -> Result<Vec<Shape>> {
    let font = LabelFont::bundled()?;
    let (set, area) = recorded(&font, record)?;
    let (x, y) = (area.x as f32, area.y as f32);
    let mut type_path = Path::default();
    for g in &set.arranged.glyphs {
        type_path.place = (x + g.x, y + g.baseline, g.em / font.units());
        font.trace(g.id, &mut type_path);
    }
    let alpha = f32::from(set.style.opacity) / 100.0;
    let bytes = |c: [f32; 3]| c.map(|v| v as u8);
    let (ink, ground) = if set.style.dark { (plate::DARK, plate::LIGHT) } else { ([255.0; 3], plate::DARK) };
    let letters = Shape { path: type_path.data, fill: bytes(ink), opacity: 1.0, stroke: None };
    let em = set.arranged.em;
    Ok(match set.style.kind {
        Kind::Plate => {
            let radius = plate::radius(em, area.height as f32, area.width as f32);
            let path = rounded(x, y, area.width as f32, area.height as f32, radius);
            vec![Shape { path, fill: bytes(ground), opacity: alpha, stroke: None }, letters]
        }
        Kind::Bare => vec![letters],
        Kind::Outline => {
            let width = 2.0 * outline::width(em);
            vec![Shape { stroke: Some((bytes(ground), width, alpha)), ..letters }]
        }
        Kind::Pill | Kind::Strip => {
            return Err(Error::new(ErrorKind::Unsupported, "capsules and strips are not drawn as outlines"));
        }
    })
}

fn rounded(x: f32, y: f32, w: f32, h: f32, r: f32) -> String {
    let n = |v: f32| number(v);
    format!(
        "M{} {}h{}a{r} {r} 0 0 1 {r} {r}v{}a{r} {r} 0 0 1 -{r} {r}h-{}a{r} {r} 0 0 1 -{r} -{r}v-{}a{r} {r} 0 0 1 {r} -{r}z",
        n(x + r),
        n(y),
        n(w - 2.0 * r),
        n(h - 2.0 * r),
        n(w - 2.0 * r),
        n(h - 2.0 * r),
        r = n(r),
    )
}

/// Two digits behind the point: a hundredth of a pixel of a canvas of a thousand.
fn number(v: f32) -> String {
    let mut s = format!("{v:.2}");
    while s.contains('.') && s.ends_with(['0', '.']) {
        s.pop();
    }
    if s == "-0" { "0".to_owned() } else { s }
}

#[derive(Default)]
struct Path {
    data: String,
    /// Left, baseline, pixels to the font unit.
    place: (f32, f32, f32),
}

impl Path {
    fn point(&mut self, command: &str, points: &[(f32, f32)]) {
        self.data.push_str(command);
        let (left, baseline, scale) = self.place;
        for (i, (x, y)) in points.iter().enumerate() {
            if i > 0 {
                self.data.push(' ');
            }
            self.data.push_str(&format!("{} {}", number(left + x * scale), number(baseline - y * scale)));
        }
    }
}

impl OutlineBuilder for Path {
    fn move_to(&mut self, x: f32, y: f32) {
        self.point("M", &[(x, y)]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.point("L", &[(x, y)]);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.point("Q", &[(x1, y1), (x, y)]);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.point("C", &[(x1, y1), (x2, y2), (x, y)]);
    }

    fn close(&mut self) {
        self.data.push('Z');
    }
}
