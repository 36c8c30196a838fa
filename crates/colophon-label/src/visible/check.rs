//! Is a recorded label still in a picture?
//!
//! The label is drawn again from its record, brought to the scale of the picture, and compared with the brightness at
//! the recorded place, or, in a copy that was cropped, wherever it is found. Three things must hold: the drawing as a
//! whole correlates with the picture; every letter correlates, and no other letter of the font does better; the letters
//! stand out from what is behind them. Correlation ignores brightness and contrast, which is why the last is asked.

mod glyphs;
mod height;
mod sample;
mod search;
mod template;

use colophon_core::{ErrorKind, LabelRecord, State, Why};

use self::glyphs::Verdict;
use self::sample::Map;
use self::template::Label;
use super::recorded;
use crate::font::LabelFont;

/// Correlation from which a label as a whole counts as there. Unlabelled places stay below 0.45 (measured on
/// photographs, drawings, screens and textures), labels in copies at half size with JPEG quality 30 above 0.8.
const THRESHOLD: f32 = 0.6;
/// Steps of brightness between type and ground below which nobody sees a label. As drawn it is 120 at least.
const VISIBLE_STEP: f32 = 40.0;
/// Ink height in pixels below which strokes are not told from texture.
const MIN_INK: f32 = 4.0;

/// A picture's brightness, as shown.
#[derive(Clone, Copy, Debug)]
pub struct Luma<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width × height` values, 0 black to 255 white, row by row.
    pub data: &'a [u8],
}

/// What [`check`] saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelCheck {
    /// Present, Invalid (the record says it is there and it is not), Malformed (the record contradicts itself) or
    /// NotChecked.
    pub state: State,
    /// Why it was not checked.
    pub why: Option<Why>,
    /// Correlation of the picture with the label, -1 to 1; 0 when it was not checked.
    pub score: f32,
    /// The score from which the label counts as there.
    pub threshold: f32,
    /// Lowest correlation of one letter.
    pub weakest: f32,
    /// Brightness of the type over that of the ground, in levels of 255, without its sign.
    pub step: f32,
    /// Ink height over the shortest side, measured in this picture; 0 when it could not be measured.
    pub height_ratio: f32,
    /// Where the label was found, in pixels of this picture: left, top, width, height.
    pub found: Option<(f32, f32, f32, f32)>,
}

/// Looks for a recorded label in a picture that may be a resized, recompressed or cropped copy.
///
/// Tolerates scaling from 0.3 to 2, the two directions apart, recompression, moderate changes of brightness and
/// contrast, and crops that keep at least two fifths of either side and all of the label. A label whose letters cannot be
/// told apart any more is NotChecked; one whose letters are others is Invalid.
pub fn check(record: &LabelRecord, picture: &Luma<'_>) -> LabelCheck {
    look(record, picture, None)
}

/// Looks at a later picture of a moving one, of the same size: only where the label was seen `before`, in pixels as in
/// [`LabelCheck::found`]. Not searching is most of the time saved where it is gone.
pub fn check_at(record: &LabelRecord, picture: &Luma<'_>, before: (f32, f32, f32, f32)) -> LabelCheck {
    look(record, picture, Some(before))
}

fn look(record: &LabelRecord, picture: &Luma<'_>, before: Option<(f32, f32, f32, f32)>) -> LabelCheck {
    let none = LabelCheck {
        state: State::NotChecked,
        why: None,
        score: 0.0,
        threshold: THRESHOLD,
        weakest: 0.0,
        step: 0.0,
        height_ratio: 0.0,
        found: None,
    };
    let not_checked = |why| LabelCheck { why: Some(why), ..none };
    if picture.data.len() as u64 != u64::from(picture.width) * u64::from(picture.height)
        || picture.data.is_empty()
    {
        return not_checked(Why::Undecodable);
    }
    let Ok(font) = LabelFont::bundled() else { return not_checked(Why::NotBuilt) };
    let (set, area) = match recorded(&font, record) {
        Ok(set) => set,
        Err(e) if e.kind() == ErrorKind::Unsupported => return not_checked(Why::NotBuilt),
        Err(e) if e.kind() == ErrorKind::Limit => return not_checked(Why::Limit),
        Err(_) => return LabelCheck { state: State::Malformed, ..none },
    };
    let Some(canvas) = record.canvas else { return LabelCheck { state: State::Malformed, ..none } };
    let scale = (
        picture.width as f32 / canvas.width.max(1) as f32,
        picture.height as f32 / canvas.height.max(1) as f32,
    );
    let label = Label::new(&font, set, area);
    let ink = label.ink * scale.0.min(scale.1);
    if ink < MIN_INK && label.ink * scale.0.max(scale.1) < MIN_INK {
        return not_checked(Why::TooSmall);
    }
    let place = match before {
        Some((ox, oy, width, height)) => {
            let side = |n: u32| n.max(1) as f32;
            Map { sx: width / side(area.width), sy: height / side(area.height), ox, oy }
        }
        None => Map { sx: scale.0, sy: scale.1, ox: area.x as f32 * scale.0, oy: area.y as f32 * scale.1 },
    };
    let mut best = label.refine(picture, place, false);
    let mut letters = (best.score >= THRESHOLD).then(|| glyphs::compare(&label, picture, &best));
    // A copy of another size may have been cropped: then something else stands at the recorded place.
    let copied = (picture.width, picture.height) != (canvas.width, canvas.height);
    let unlike = letters.as_ref().is_none_or(|l| copied && l.verdict != Verdict::Same);
    if unlike
        && before.is_none()
        && let Some(found) = search::search(&label, picture, scale)
        && found.score > best.score
    {
        best = found;
        letters = (best.score >= THRESHOLD).then(|| glyphs::compare(&label, picture, &best));
    }
    let (width, height) = (area.width as f32 * best.map.sx, area.height as f32 * best.map.sy);
    let seen = LabelCheck {
        score: best.score,
        found: (best.score >= THRESHOLD).then_some((best.map.ox, best.map.oy, width, height)),
        ..none
    };
    let Some(letters) = letters else { return LabelCheck { state: State::Invalid, ..seen } };
    let seen = LabelCheck { weakest: letters.weakest, step: letters.step, ..seen };
    if letters.step < VISIBLE_STEP {
        return LabelCheck { state: State::Invalid, ..seen };
    }
    match letters.verdict {
        Verdict::Others => LabelCheck { state: State::Invalid, ..seen },
        Verdict::Unclear => LabelCheck { state: State::NotChecked, why: Some(Why::Unclear), ..seen },
        Verdict::Same => {
            let ink = height::measure(&label, picture, &best.map);
            let short = picture.width.min(picture.height).max(1) as f32;
            LabelCheck { state: State::Present, height_ratio: ink.unwrap_or(0.0) / short, ..seen }
        }
    }
}
