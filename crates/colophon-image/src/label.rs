//! The visible label: drawing it and finding it again.

use colophon_core::{
    Confidence, Error, LabelEvidence, LabelForm, LabelRecord, LabelSpec, Observation, PixelBox, Result, State,
};
use colophon_label::visible::{self, Backdrop, Drawn, Luma};

use crate::raster::Raster;

/// Draws a label for a picture.
///
/// # Errors
/// `Unsupported` for labels that are not seen, `Policy` for one that cannot meet its rule.
pub(crate) fn draw(id: &'static str, spec: &LabelSpec, raster: &Raster) -> Result<Drawn> {
    let LabelForm::Visible(form) = &spec.form else {
        return Err(Error::unsupported(id, "a picture takes a visible label only"));
    };
    let backdrop = |area: PixelBox| Backdrop::of(raster.levels(area));
    visible::draw_on(&spec.text, form, raster.canvas(), &backdrop).map_err(|e| e.in_format(id))
}

/// Whether a recorded label is still there. `luma` is the brightness of the picture as shown.
pub(crate) fn check(record: &LabelRecord, raster: &Raster, luma: &[u8]) -> Observation {
    let check = visible::check(record, &Luma { width: raster.width, height: raster.height, data: luma });
    let there = check.state.is_there();
    Observation::Label {
        state: check.state,
        why: check.why,
        evidence: (check.state != State::NotChecked).then(|| LabelEvidence {
            text: there.then(|| record.text.clone()),
            method: "record".to_owned(),
            record: Some(record.clone()),
            height_ratio: there.then_some(check.height_ratio),
            seen: Vec::new(),
            position: position(record),
        }),
        confidence: (check.state != State::NotChecked).then(|| Confidence {
            score: f64::from(check.score),
            log10_p: None,
            threshold: f64::from(check.threshold),
        }),
    }
}

/// The place in words.
fn position(record: &LabelRecord) -> Option<String> {
    let (area, canvas) = record.area.zip(record.canvas)?;
    if record.style.starts_with("strip.") {
        return Some("strip below the picture".to_owned());
    }
    place(
        (area.x as f32, area.y as f32, area.width as f32, area.height as f32),
        (canvas.width as f32, canvas.height as f32),
    )
}

/// A box (left, top, width, height) on a canvas in words: a corner, an edge, or inside.
pub(crate) fn place((x, y, w, h): (f32, f32, f32, f32), (width, height): (f32, f32)) -> Option<String> {
    // Near: within a tenth of the side from its end.
    let near = |before: f32, len: f32, all: f32, low: &'static str, high: &'static str| {
        let behind = all - before - len;
        match () {
            () if before <= behind && before <= 0.1 * all => Some(low),
            () if behind < before && behind <= 0.1 * all => Some(high),
            () => None,
        }
    };
    let vertical = near(y, h, height, "top", "bottom");
    let horizontal = near(x, w, width, "left", "right");
    Some(match (vertical, horizontal) {
        (Some(v), Some(h)) => format!("{v}-{h} corner"),
        (Some(v), None) => format!("{v} edge"),
        (None, Some(h)) => format!("{h} edge"),
        (None, None) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gb45438_5_2_corners_and_edges_are_named_and_the_middle_is_neither() {
        let canvas = (1000.0, 500.0);
        let of = |x, y| place((x, y, 100.0, 40.0), canvas);
        assert_eq!(of(880.0, 440.0).as_deref(), Some("bottom-right corner"));
        assert_eq!(of(450.0, 10.0).as_deref(), Some("top edge"));
        assert_eq!(of(10.0, 230.0).as_deref(), Some("left edge"));
        assert_eq!(of(450.0, 230.0), None);
    }
}
