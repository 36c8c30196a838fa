//! The visible label: drawing it and finding it again.

use colophon_core::{
    Confidence, Error, LabelEvidence, LabelForm, LabelRecord, LabelSpec, Observation, Result, State,
};
use colophon_label::visible::{self, Drawn, Luma};

use crate::raster::Raster;

/// Draws a label for a picture.
///
/// # Errors
/// `Unsupported` for labels that are not seen, `Policy` for one that cannot meet its rule.
pub(crate) fn draw(id: &'static str, spec: &LabelSpec, raster: &Raster) -> Result<Drawn> {
    let LabelForm::Visible(form) = &spec.form else {
        return Err(Error::unsupported(id, "a picture takes a visible label only"));
    };
    visible::draw(&spec.text, form, raster.canvas()).map_err(|e| e.in_format(id))
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
    let vertical = if area.y.saturating_add(area.height / 2) < canvas.height / 2 { "top" } else { "bottom" };
    let horizontal = if area.x.saturating_add(area.width / 2) < canvas.width / 2 { "left" } else { "right" };
    Some(format!("{vertical}-{horizontal} corner"))
}
