//! The label as a picture: drawn once, drawn again from its record, and found again.
//!
//! [`draw`] sets the words on a plate in a corner and says what it placed; [`redraw`] gives the same pixels from the
//! record; [`check`] looks whether they stand in a picture. Rules: the ink height is at least the share of the shortest
//! side that the profile asks for (GB 45438-2025, 5.2 and 5.4), the contrast at least 4.5:1 on any background (WCAG
//! 2.2, 1.4.3; neither standard gives a number).

mod check;
mod layout;
mod plate;

use colophon_core::{Canvas, Corner, Error, ErrorKind, LabelRecord, PixelBox, Result, VisibleSpec};

pub use self::check::{LabelCheck, Luma, check};
use self::layout::{Block, Setter};
use crate::font::LabelFont;

/// Share of the width above which a label wraps, and then shrinks towards its floor.
const WIDE: f32 = 0.3;
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
    /// What was placed: enough for [`redraw`] and [`check`].
    pub record: LabelRecord,
    /// Its pixels.
    pub overlay: Overlay,
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

/// Draws a label for a picture of the given size as shown.
///
/// The ink is at least `ceil(spec.min_height × shortest side)` pixels high, and `spec.height` of it where that fits. A
/// label wider than 30 % of the picture wraps to two lines first, then shrinks towards the floor; on canvases too
/// narrow even for that it wraps further.
///
/// # Errors
/// `Policy` when the canvas cannot carry the label at the height that the rule or the eye needs; `Usage` for texts
/// that are empty, too long, or hold a character without a glyph, and for heights outside 0 to 0.5.
pub fn draw(text: &str, spec: &VisibleSpec, canvas: Canvas) -> Result<Drawn> {
    let font = LabelFont::bundled()?;
    let setter = Setter::new(&font, text)?;
    let set = fit(&setter, spec, canvas)?;
    let record = LabelRecord {
        text: text.trim().to_owned(),
        form: "visible".to_owned(),
        style: plate::STYLE.to_owned(),
        area: Some(place(spec.corner, &set, canvas)),
        canvas: Some(canvas),
        ink_height: Some(set.ink as f32),
        span: None,
        position: None,
    };
    let overlay = paint(&font, &set, place(spec.corner, &set, canvas));
    Ok(Drawn { record, overlay })
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

/// A text set at one size in a number of lines.
struct Set {
    block: Block,
    /// Measured ink height.
    ink: u32,
    width: u32,
    height: u32,
}

/// Sets the text at a size from [`Setter::em_for`].
fn set(setter: &Setter<'_>, (em, ink): (f32, u32), lines: usize) -> Option<Set> {
    let block = setter.set(em, lines)?;
    let (width, height) = plate::size(&block);
    (u64::from(width) * u64::from(height) <= MAX_PIXELS).then_some(Set { block, ink, width, height })
}

/// Finds size and number of lines.
fn fit(setter: &Setter<'_>, spec: &VisibleSpec, canvas: Canvas) -> Result<Set> {
    for share in [spec.height, spec.min_height] {
        if !(0.0..=0.5).contains(&share) {
            let text = format!("a label height of {share} of the shortest side is out of range (0 to 0.5)");
            return Err(Error::new(ErrorKind::Usage, text));
        }
    }
    let short = canvas.width.min(canvas.height);
    let pick = |(cjk, capitals)| if setter.cjk { cjk } else { capitals };
    let floor = share_of(spec.min_height, short).max(pick(READABLE));
    let aim = share_of(spec.height, short).max(floor).max(pick(COMFORTABLE));
    let modest = floor.max((SHRINK * aim as f32).ceil() as u32).min(aim);
    let fits = |s: &Set| s.width <= canvas.width && s.height <= canvas.height;
    let narrow = |s: &Set| fits(s) && s.width as f32 <= WIDE * canvas.width as f32;

    let most = setter.max_lines();
    let wrapped = |size: (f32, u32), accept: &dyn Fn(&Set) -> bool, lines: usize| {
        (1..=lines.min(most)).find_map(|n| set(setter, size, n).filter(accept))
    };
    if let Some(s) = steps(aim, modest).find_map(|ink| wrapped(setter.em_for(ink), &narrow, WRAP)) {
        return Ok(s);
    }
    // It cannot be narrow: as small as modesty allows in two lines, or whatever fits at all.
    let wrap_first = |ink: u32| {
        let size = setter.em_for(ink);
        set(setter, size, WRAP.min(most)).filter(&fits).or_else(|| wrapped(size, &fits, layout::MAX_LINES))
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

/// Pixels that are at least `share` of `short`. The small allowance keeps 0.05 × 100 at 5 in binary fractions.
fn share_of(share: f32, short: u32) -> u32 {
    (f64::from(share) * f64::from(short) - 1e-4).ceil().max(1.0) as u32
}

/// Ink heights from `from` down to `to`, five per cent apart, both ends included.
fn steps(from: u32, to: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(from), move |ink| {
        let next = (*ink - 1).min((*ink as f32 * 0.95) as u32).max(to);
        (*ink > to).then_some(next)
    })
}

fn place(corner: Corner, set: &Set, canvas: Canvas) -> PixelBox {
    let free = (canvas.width.saturating_sub(set.width), canvas.height.saturating_sub(set.height));
    let margin = (plate::MARGIN * set.block.em).round() as u32;
    let (mx, my) = (margin.min(free.0 / 2), margin.min(free.1 / 2));
    let (left, top) = match corner {
        Corner::TopLeft => (true, true),
        Corner::TopRight => (false, true),
        Corner::BottomLeft => (true, false),
        Corner::BottomRight => (false, false),
    };
    PixelBox {
        x: if left { mx } else { free.0 - mx },
        y: if top { my } else { free.1 - my },
        width: set.width,
        height: set.height,
    }
}

fn paint(font: &LabelFont, set: &Set, area: PixelBox) -> Overlay {
    let mask = plate::type_mask(font, &set.block, set.width, set.height);
    let rgba = plate::paint(&mask, set.block.em, set.width, set.height);
    Overlay { x: area.x, y: area.y, width: set.width, height: set.height, rgba }
}

/// The setting that a record describes.
fn recorded(font: &LabelFont, record: &LabelRecord) -> Result<(Set, PixelBox)> {
    let unusable = |kind, text: &str| Error::new(kind, format!("label record: {text}"));
    if record.form != "visible" || record.style != plate::STYLE {
        let text = format!("form {:?} in style {:?} is not drawn by this version", record.form, record.style);
        return Err(unusable(ErrorKind::Unsupported, &text));
    }
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
    let setter = Setter::new(font, &record.text)?;
    let size = setter.em_for(ink as u32);
    (1..=setter.max_lines())
        .find_map(|lines| {
            set(&setter, size, lines).filter(|s| (s.width, s.height) == (area.width, area.height))
        })
        .map(|s| (s, area))
        .ok_or_else(|| unusable(ErrorKind::Malformed, "the box does not belong to text and ink height"))
}

#[cfg(test)]
mod tests;
