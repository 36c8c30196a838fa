//! Labels and watermarks looked for in a decoded picture.

use colophon_core::{
    Confidence, ErrorKind, Observation, Query, RenderCx, Result, State, WatermarkEvidence, Why,
};
use colophon_label::visible::Luma;

use crate::apply::{key, key_name};
use crate::label;
use crate::ocr;
use crate::raster::Raster;
use crate::watermark::{DetectOptions, Detection, Layer, NotChecked, Reader, SCHEME};

/// From how many digits of improbability on a mark counts as found: the bound of the reader.
const THRESHOLD: f64 = 8.0;

/// Answers every query about a picture that `decode` gives as shown. What cannot be decoded is not checked: a damaged
/// picture is no error of the question.
///
/// # Errors
/// `Io`, and `Key` for a bad secret.
pub(crate) fn observe(
    id: &'static str,
    queries: &[Query<'_>],
    cx: &RenderCx<'_>,
    decode: impl FnOnce() -> Result<Raster>,
) -> Result<Vec<Observation>> {
    let reads = cx.tools.tesseract.is_some();
    let asks = |q: &Query<'_>| match q {
        Query::Label(None) => reads,
        Query::Label(Some(_)) | Query::Watermark(_) | Query::OwnWatermark(_) => true,
        _ => false,
    };
    if !queries.iter().any(asks) {
        return Ok(queries.iter().map(|q| unanswered(q, Why::NoRecord)).collect());
    }
    let raster = match decode() {
        Ok(raster) => raster,
        Err(e) if e.kind() == ErrorKind::Io => return Err(e),
        Err(e) => {
            let why = if e.kind() == ErrorKind::Limit { Why::Limit } else { Why::Undecodable };
            return Ok(queries.iter().map(|q| unanswered(q, why)).collect());
        }
    };
    let mut luma = None;
    queries
        .iter()
        .map(|query| match query {
            Query::Label(Some(record)) => {
                let luma = luma.get_or_insert_with(|| raster.luma());
                Ok(label::check(record, &raster, luma))
            }
            Query::Label(None) => {
                let Some(tool) = &cx.tools.tesseract else { return Ok(unanswered(query, Why::NoRecord)) };
                let luma = luma.get_or_insert_with(|| raster.luma());
                let picture = Luma { width: raster.width, height: raster.height, data: luma };
                Ok(ocr::read_label(tool, &picture, cx.limits))
            }
            Query::Watermark(secret) | Query::OwnWatermark(secret) => mark(id, &raster, *secret),
            other => Ok(unanswered(other, Why::NoRecord)),
        })
        .collect()
}

/// Whether the queries are those of reading back what was just written: a label by its record, a watermark known to be
/// ours. Neither looks at colours.
pub(crate) fn brightness_suffices(queries: &[Query<'_>]) -> bool {
    queries.iter().all(|q| matches!(q, Query::Label(Some(_)) | Query::OwnWatermark(_)))
}

/// A query without an answer, with the reason.
pub(crate) fn unanswered(query: &Query<'_>, why: Why) -> Observation {
    match query {
        Query::Label(_) => {
            Observation::Label { state: State::NotChecked, why: Some(why), evidence: None, confidence: None }
        }
        Query::Watermark(_) | Query::OwnWatermark(_) => Observation::Watermark {
            state: State::NotChecked,
            why: Some(why),
            evidence: None,
            confidence: None,
        },
        _ => Observation::Unsupported,
    }
}

fn mark(id: &'static str, raster: &Raster, secret: Option<&[u8]>) -> Result<Observation> {
    let reader = Reader::new(&key(secret)?);
    let found = raster.with_pixels(id, |pixels| reader.detect(pixels, &DetectOptions::default()))?;
    let why = match found.not_checked {
        Some(NotChecked::TooSmall) => Some(Why::TooSmall),
        Some(NotChecked::Elongated) => Some(Why::FormatNotExamined),
        None => None,
    };
    let state = match why {
        Some(_) => State::NotChecked,
        None if found.found => State::Present,
        None => State::Absent,
    };
    Ok(Observation::Watermark {
        state,
        why,
        evidence: found.found.then(|| WatermarkEvidence {
            scheme: SCHEME.to_owned(),
            payload: found.payload.map(|p| format!("{p:016x}")),
            key: key_name(secret.is_none()).to_owned(),
            segments: Vec::new(),
            undone: undone(&found),
            streams: Vec::new(),
        }),
        confidence: why.is_none().then_some(Confidence {
            score: found.z,
            log10_p: Some(found.log10_p),
            threshold: THRESHOLD,
        }),
    })
}

/// What was done to the picture since it was marked, as far as the reader can tell.
fn undone(found: &Detection) -> Option<String> {
    match found.layer? {
        Layer::Registered => None,
        Layer::Lattice(geometry) => {
            let mut parts = Vec::new();
            if geometry.mirrored {
                parts.push("mirrored".to_owned());
            }
            if geometry.rotation_deg.abs() > 0.05 {
                parts.push(format!("rotated by {:.1} degrees", geometry.rotation_deg));
            }
            (!parts.is_empty()).then(|| parts.join(", "))
        }
    }
}
