//! A label without a record, read by Tesseract as a child process.
//!
//! What it reads counts when it is the words of a label (GB 45438-2025, 5.2: an AI element and a generation element; EU
//! Code of Practice, Section 2: the capitals AI with what was done). What it does not read proves nothing.

mod find;
mod page;
mod run;
mod sheet;
mod words;

use std::path::Path;

use colophon_core::{LabelEvidence, Limits, Observation, State, Why};
use colophon_label::visible::Luma;

use self::page::tiff;
use self::run::run;
use self::sheet::Sheet;
use self::words::{Line, ideographs, is_part, label, lines};
use crate::label::place;

/// Steps of brightness between type and ground below which nobody reads it, though a program may.
const HIDDEN_STEP: f32 = 24.0;

/// Looks for a label in a picture, upright as it is shown, with the program at `tool` (Tesseract).
///
/// Answers `Present` with what was read and where, `Invalid` where its contrast is too small to be seen, or `NotChecked`: what is
/// not read proves nothing. The program is started where something looks like a line of type, and gets these lines only.
pub fn read_label(tool: &Path, picture: &Luma<'_>, limits: &Limits) -> Observation {
    let not_checked = |why| Observation::Label {
        state: State::NotChecked,
        why: Some(why),
        evidence: None,
        confidence: None,
    };
    let spots = find::spots(picture);
    if spots.is_empty() {
        return not_checked(Why::Unclear);
    }
    let look = |sheet: &Sheet| -> Result<Vec<Line>, Why> {
        if sheet.page.samples.len() as u64 > limits.pixels {
            return Err(Why::Limit);
        }
        let answer = run(tool, &tiff(std::slice::from_ref(&sheet.page)), limits).ok_or(Why::MissingTool)?;
        Ok(sheet.back(lines(&answer)))
    };
    let read = match look(&Sheet::of(picture, &spots)) {
        Ok(read) => read,
        Err(why) => return not_checked(why),
    };
    // A label that was read in part is looked at once more, by itself.
    let again = || {
        let part = read.iter().find(|l| is_part(&l.text))?;
        label(&look(&Sheet::around(picture, part)).ok()?)
    };
    let Some(found) = label(&read).or_else(again) else { return not_checked(Why::Unclear) };
    // One that was read in Latin letters alone may have Chinese ones beside it: they have more strokes, and are higher.
    let whole = || label(&look(&Sheet::beside(picture, &found)).ok()?).filter(|l| ideographs(&l.text));
    let found = if ideographs(&found.text) { found } else { whole().unwrap_or(found) };
    let short = picture.width.min(picture.height).max(1) as f32;
    let (ink, step) = ink(picture, &found);
    let hidden = step < HIDDEN_STEP;
    let position = place(
        (found.left, found.top, found.right - found.left, found.bottom - found.top),
        (picture.width as f32, picture.height as f32),
    );
    Observation::Label {
        state: if hidden { State::Invalid } else { State::Present },
        why: None,
        evidence: Some(LabelEvidence {
            text: Some(found.text),
            method: if hidden { "hidden" } else { "ocr" }.to_owned(),
            record: None,
            height_ratio: Some(ink / short),
            seen: Vec::new(),
            position: if hidden {
                Some(format!("hidden from readers: {step:.0} levels of 255 from what is behind it"))
            } else {
                position
            },
        }),
        confidence: None,
    }
}

/// Height of a line's ink, in rows whose brightness leaves that of the ground by half of what the type does, and how far the type
/// does, in levels of 255.
fn ink(luma: &Luma<'_>, line: &Line) -> (f32, f32) {
    let box_height = line.bottom - line.top;
    let pad = (box_height * 0.15).max(1.0);
    let clamp = |v: f32, most: u32| v.max(0.0).min(most as f32) as usize;
    let (left, right) = (clamp(line.left, luma.width), clamp(line.right.ceil(), luma.width));
    let (top, bottom) = (clamp(line.top - pad, luma.height), clamp((line.bottom + pad).ceil(), luma.height));
    let row = |y: usize| {
        luma.data.get(y * luma.width as usize + left..y * luma.width as usize + right).unwrap_or_default()
    };
    let mut levels: Vec<u8> = (top..bottom).flat_map(|y| row(y).iter().copied()).collect();
    if levels.is_empty() {
        return (box_height, 0.0);
    }
    levels.sort_unstable();
    let ground = i32::from(levels.get(levels.len() / 2).copied().unwrap_or(0));
    let (low, high) =
        (i32::from(levels.first().copied().unwrap_or(0)), i32::from(levels.last().copied().unwrap_or(255)));
    let ink = if high - ground >= ground - low { high } else { low };
    let step = (ink - ground).abs();
    let half = step / 2;
    if half < 3 {
        return (box_height, step as f32);
    }
    let sign = (ink - ground).signum();
    let inked = |y: &usize| row(*y).iter().any(|v| sign * (i32::from(*v) - ground) >= half);
    let (first, last) = ((top..bottom).find(inked), (top..bottom).rev().find(inked));
    let height = match first.zip(last) {
        // What reaches through the padding is not type alone.
        Some((f, l)) if f > top && l + 1 < bottom => (l - f + 1) as f32,
        _ => box_height,
    };
    (height, step as f32)
}
