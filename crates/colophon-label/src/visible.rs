//! The label as a picture: drawn once, drawn again from its record, and found again.
//!
//! [`draw`] sets the words in a corner, at an edge or on a strip below and says what it placed; [`redraw`] gives the same
//! pixels from the record; [`check`] looks whether they stand in a picture. Rules: the ink height is at least the share
//! of the shortest side that the profile asks for (GB 45438-2025, 5.2 and 5.4), the contrast at least 4.5:1 on any
//! background (WCAG 2.2, 1.4.3; neither standard gives a number).

mod backdrop;
mod check;
mod layout;
mod outline;
mod pill;
mod plate;
mod style;
mod vector;

use colophon_core::{
    Canvas, Error, ErrorKind, LabelAt, LabelLook, LabelRecord, PixelBox, Result, VisibleSpec,
};

pub use self::backdrop::Backdrop;
pub use self::check::{LabelCheck, Luma, check, check_at};
use self::layout::Setter;
use self::style::{Arranged, Kind, Style};
pub use self::vector::{Shape, vector};
use crate::font::LabelFont;

/// Share of the width above which a label in a corner wraps, and then shrinks towards its floor.
const WIDE: f32 = 0.3;
/// The same for the middle of the upper and the lower edge.
const WIDE_EDGE: f32 = 0.6;
/// Lines a label wraps to before it shrinks.
const WRAP: usize = 2;
/// How far a label shrinks below its aim for being wide alone.
const SHRINK: f32 = 0.7;
/// Ink heights in pixels below which type cannot be read: Chinese, Japanese and Korean letters, and capitals.
const READABLE: (u32, u32) = (8, 6);
/// Ink heights aimed at on small canvases, where a share of the side would be too little.
const COMFORTABLE: (u32, u32) = (13, 10);
/// Most pixels of one label. A label of 5 % on a picture of a gigapixel has a tenth of that.
const MAX_PIXELS: u64 = 1 << 28;

/// A drawn label.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// What was placed: enough for [`redraw`] and [`check`]. Its canvas has the rows of a strip already.
    pub record: LabelRecord,
    /// Its pixels.
    pub overlay: Overlay,
    /// Rows by which the picture grows at its lower edge, for a label on a strip. The overlay covers them.
    pub extend: u32,
}

/// Pixels to be laid over a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Left edge in pixels of the picture as shown.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// `width × height` pixels of red, green, blue and straight alpha, row by row.
    pub rgba: Vec<u8>,
}

/// Draws a label for a picture of the given size as shown, without a look at the picture: an adaptive label becomes a
/// dark plate.
///
/// The ink is at least `ceil(spec.min_height × shortest side)` pixels high, and `spec.height` of it where that fits. A
/// label wider than 30 % of the picture wraps to two lines first, then shrinks towards the floor; on canvases too
/// narrow even for that it wraps further.
///
/// # Errors
/// `Policy` when the canvas cannot carry the label at the height that the rule or the eye needs; `Usage` for texts
/// that are empty, too long, or hold a character without a glyph, for heights outside 0 to 0.5, for opacities below
/// what the contrast needs, and for a pill whose words do not begin with AI.
pub fn draw(text: &str, spec: &VisibleSpec, canvas: Canvas) -> Result<Drawn> {
    draw_on(text, spec, canvas, &|_| None)
}

/// [`draw`] with a look at the picture: `backdrop` says how bright it is inside a box.
///
/// # Errors
/// As [`draw`].
pub fn draw_on(
    text: &str,
    spec: &VisibleSpec,
    canvas: Canvas,
    backdrop: &dyn Fn(PixelBox) -> Option<Backdrop>,
) -> Result<Drawn> {
    let font = LabelFont::bundled()?;
    if spec.margin.is_some_and(|m| !(0.0..=0.4).contains(&m)) {
        return Err(Error::new(ErrorKind::Usage, "a label margin is 0 to 0.4 of the shortest side"));
    }
    let below = spec.at == LabelAt::Below;
    let style = match (spec.look, below) {
        (LabelLook::Adaptive, true) => {
            let rows = (canvas.height / 16).max(1);
            let edge = PixelBox { x: 0, y: canvas.height - rows, width: canvas.width, height: rows };
            Style::new(Kind::Strip, backdrop(edge).is_some_and(|b| b.mean >= 128))
        }
        (_, true) => Style::new(Kind::Strip, false),
        (LabelLook::Plate | LabelLook::Adaptive, _) => {
            Style::new(Kind::Plate, false).with_opacity(spec.opacity)?
        }
        (LabelLook::Outline, _) => Style::new(Kind::Outline, false).with_opacity(spec.opacity)?,
        (LabelLook::Pill, _) => Style::new(Kind::Pill, false).with_opacity(spec.opacity)?,
    };
    let mut set = if below {
        fit_below(&font, text, style, spec, canvas)?
    } else {
        fit(&Composer::new(&font, text, style)?, spec, canvas)?
    };
    let mut canvas = canvas;
    let mut extend = 0;
    if below {
        extend = set.arranged.height;
        canvas.height = canvas.height.saturating_add(extend);
    }
    if spec.look == LabelLook::Adaptive
        && !below
        && let Some(seen) = backdrop(place(spec, &set, canvas))
    {
        // The choice is made for the place of the plate; bare type takes less room around it.
        let style = backdrop::choose(seen, spec.opacity)?;
        if style != set.style {
            set = fit(&Composer::new(&font, text, style)?, spec, canvas)?;
        }
    }
    let area = place(spec, &set, canvas);
    let record = LabelRecord {
        text: text.trim().to_owned(),
        form: "visible".to_owned(),
        style: set.style.id(),
        area: Some(area),
        canvas: Some(canvas),
        ink_height: Some(set.ink as f32),
        span: None,
        position: None,
    };
    Ok(Drawn { record, overlay: paint(&font, &set, area), extend })
}

/// Draws a recorded label again: the same pixels as [`draw`] gave.
///
/// # Errors
/// `Unsupported` for a form or style this version does not draw; `Malformed` for a record whose box does not belong to
/// its text and ink height; `Limit` for boxes beyond reason.
pub fn redraw(record: &LabelRecord) -> Result<Overlay> {
    let font = LabelFont::bundled()?;
    let (set, area) = recorded(&font, record)?;
    Ok(paint(&font, &set, area))
}

/// A text set at one size in a number of lines, in one style.
struct Set {
    style: Style,
    arranged: Arranged,
    /// Measured ink height.
    ink: u32,
    /// The glyph whose ink it is.
    reference: ab_glyph::GlyphId,
}

/// A text that can be set in several sizes and lines, in one style.
struct Composer<'a> {
    style: Style,
    /// All of it: decides about sizes.
    whole: Setter<'a>,
    /// What the style sets side by side.
    parts: Vec<Setter<'a>>,
}

impl<'a> Composer<'a> {
    /// # Errors
    /// `Usage` for texts that cannot be set.
    fn new(font: &'a LabelFont, text: &str, style: Style) -> Result<Self> {
        let whole = Setter::new(font, text)?;
        let parts = if style.kind == Kind::Pill {
            let (first, rest) = pill::parts(text)?;
            let mut parts = vec![Setter::new(font, first)?];
            if !rest.is_empty() {
                parts.push(Setter::new(font, &rest)?);
            }
            parts
        } else {
            vec![Setter::new(font, text)?]
        };
        Ok(Self { style, whole, parts })
    }

    fn max_lines(&self) -> usize {
        self.parts.last().map_or(1, Setter::max_lines)
    }

    /// Sets the text at a size from [`Setter::em_for`], the last part in `lines` lines.
    fn set(&self, (em, ink): (f32, u32), lines: usize, canvas_width: u32) -> Option<Set> {
        let last = self.parts.len().checked_sub(1)?;
        let blocks: Option<Vec<_>> = self
            .parts
            .iter()
            .enumerate()
            .map(|(i, p)| p.set(em, if i == last { lines } else { 1 }))
            .collect();
        let arranged = self.style.arrange(&blocks?, canvas_width)?;
        let small = u64::from(arranged.width) * u64::from(arranged.height) <= MAX_PIXELS;
        small.then(|| Set { style: self.style, arranged, ink, reference: self.whole.reference() })
    }
}

/// Finds size and number of lines.
fn fit(composer: &Composer<'_>, spec: &VisibleSpec, canvas: Canvas) -> Result<Set> {
    for share in [spec.height, spec.min_height] {
        if !(0.0..=0.5).contains(&share) {
            let text = format!("a label height of {share} of the shortest side is out of range (0 to 0.5)");
            return Err(Error::new(ErrorKind::Usage, text));
        }
    }
    let setter = &composer.whole;
    let short = canvas.width.min(canvas.height);
    let pick = |(cjk, capitals)| if setter.cjk { cjk } else { capitals };
    let floor = with_reserve(share_of(spec.min_height, short)).max(pick(READABLE));
    let aim = share_of(spec.height, short).max(floor).max(pick(COMFORTABLE));
    let modest = floor.max((SHRINK * aim as f32).ceil() as u32).min(aim);
    let fits = |s: &Set| s.arranged.width <= canvas.width && s.arranged.height <= canvas.height;
    let wide = match spec.at {
        LabelAt::Top | LabelAt::Bottom => WIDE_EDGE,
        // A strip takes the whole width.
        LabelAt::Below => 1.0,
        _ => WIDE,
    };
    let narrow = |s: &Set| fits(s) && s.arranged.width as f32 <= wide * canvas.width as f32;

    let most = composer.max_lines();
    let wrapped = |size: (f32, u32), accept: &dyn Fn(&Set) -> bool, lines: usize| {
        (1..=lines.min(most)).find_map(|n| composer.set(size, n, canvas.width).filter(accept))
    };
    if let Some(s) = steps(aim, modest).find_map(|ink| wrapped(setter.em_for(ink), &narrow, WRAP)) {
        return Ok(s);
    }
    // It cannot be narrow: as small as modesty allows in two lines, or whatever fits at all.
    let wrap_first = |ink: u32| {
        let size = setter.em_for(ink);
        let two = composer.set(size, WRAP.min(most), canvas.width).filter(&fits);
        two.or_else(|| wrapped(size, &fits, layout::MAX_LINES))
    };
    if let Some(s) = steps(modest, floor).find_map(wrap_first) {
        return Ok(s);
    }
    Err(Error::new(
        ErrorKind::Policy,
        format!(
            "the label does not fit a canvas of {}×{} at a readable height of {floor} pixels",
            canvas.width, canvas.height
        ),
    ))
}

/// [`fit`] for a strip: the picture it is measured against grows by the strip itself.
fn fit_below(font: &LabelFont, text: &str, style: Style, spec: &VisibleSpec, canvas: Canvas) -> Result<Set> {
    let composer = Composer::new(font, text, style)?;
    let mut height = canvas.height;
    for _ in 0..32 {
        let set = fit(&composer, spec, Canvas { height, ..canvas })?;
        let grown = canvas.height.saturating_add(set.arranged.height);
        if set.ink >= share_of(spec.min_height, grown.min(canvas.width)) {
            return Ok(set);
        }
        height = grown;
    }
    Err(Error::new(ErrorKind::Policy, "the strip below grows without reaching the height of the rule"))
}

/// Pixels that are at least `share` of `short`. The small allowance keeps 0.05 × 100 at 5 in binary fractions.
fn share_of(share: f32, short: u32) -> u32 {
    (f64::from(share) * f64::from(short) - 1e-4).ceil().max(1.0) as u32
}

/// A height that is still reached when it is measured in a picture that was scaled or compressed: edges of letters are
/// found to half a pixel.
fn with_reserve(ink: u32) -> u32 {
    if ink <= 1 { ink } else { ink + (ink / 25).max(1) }
}

/// Ink heights from `from` down to `to`, five per cent apart, both ends included.
fn steps(from: u32, to: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(from), move |ink| {
        let next = (*ink - 1).min((*ink as f32 * 0.95) as u32).max(to);
        (*ink > to).then_some(next)
    })
}

fn place(spec: &VisibleSpec, set: &Set, canvas: Canvas) -> PixelBox {
    let (width, height) = (set.arranged.width, set.arranged.height);
    let free = (canvas.width.saturating_sub(width), canvas.height.saturating_sub(height));
    let margin = match spec.margin {
        Some(share) => share * canvas.width.min(canvas.height) as f32,
        None => set.style.margin() * set.arranged.em,
    };
    let margin = margin.round() as u32;
    let (mx, my) = (margin.min(free.0 / 2), margin.min(free.1 / 2));
    let (left, middle, right) = (mx, free.0 / 2, free.0 - mx);
    let (top, centre, bottom) = (my, free.1 / 2, free.1 - my);
    let (x, y) = match spec.at {
        LabelAt::TopLeft => (left, top),
        LabelAt::Top => (middle, top),
        LabelAt::TopRight => (right, top),
        LabelAt::Left => (left, centre),
        LabelAt::Right => (right, centre),
        LabelAt::BottomLeft => (left, bottom),
        LabelAt::Bottom => (middle, bottom),
        LabelAt::BottomRight => (right, bottom),
        LabelAt::Below => (0, free.1),
    };
    PixelBox { x, y, width, height }
}

fn paint(font: &LabelFont, set: &Set, area: PixelBox) -> Overlay {
    let mask = set.arranged.mask(font);
    let rgba = set.style.paint(&set.arranged, &mask);
    Overlay { x: area.x, y: area.y, width: area.width, height: area.height, rgba }
}

/// The setting that a record describes.
fn recorded(font: &LabelFont, record: &LabelRecord) -> Result<(Set, PixelBox)> {
    let unusable = |kind, text: &str| Error::new(kind, format!("label record: {text}"));
    let style = Style::parse(&record.style).filter(|_| record.form == "visible").ok_or_else(|| {
        let text = format!("form {:?} in style {:?} is not drawn by this version", record.form, record.style);
        unusable(ErrorKind::Unsupported, &text)
    })?;
    let (Some(area), Some(canvas), Some(ink)) = (record.area, record.canvas, record.ink_height) else {
        return Err(unusable(ErrorKind::Malformed, "box, canvas or ink height is missing"));
    };
    let inside = |at: u32, len: u32, all: u32| at.checked_add(len).is_some_and(|end| end <= all) && len > 0;
    if !inside(area.x, area.width, canvas.width) || !inside(area.y, area.height, canvas.height) {
        return Err(unusable(ErrorKind::Malformed, "the box reaches outside the canvas"));
    }
    if u64::from(area.width) * u64::from(area.height) > MAX_PIXELS {
        return Err(unusable(ErrorKind::Limit, "the box is too large to draw"));
    }
    if !(ink >= 1.0 && ink <= area.height as f32 && ink.fract() == 0.0) {
        return Err(unusable(ErrorKind::Malformed, "the ink height does not belong to the box"));
    }
    let composer = Composer::new(font, &record.text, style)?;
    let size = composer.whole.em_for(ink as u32);
    (1..=composer.max_lines())
        .find_map(|lines| {
            let set = composer.set(size, lines, canvas.width);
            set.filter(|s| (s.arranged.width, s.arranged.height) == (area.width, area.height))
        })
        .map(|s| (s, area))
        .ok_or_else(|| unusable(ErrorKind::Malformed, "the box does not belong to text and ink height"))
}

#[cfg(test)]
mod tests;
