//! Labels and watermarks written into a decoded picture.

use colophon_core::{
    Error, ErrorKind, LabelAt, LabelForm, LabelSpec, Placed, Result, SignalOp, WatermarkRecord, WatermarkSpec,
};
use colophon_signal::key::MarkKey;

use crate::blend::blend;
use crate::label;
use crate::raster::Raster;
use crate::watermark::{self, EmbedOptions, SCHEME, Strength};

/// Applies every operation in order to the picture as shown.
///
/// # Errors
/// `Unsupported` for operations that pictures do not have, and for pictures that cannot carry the mark; `Key` for a bad
/// secret; `Usage` for an unknown strength; `Policy` for a label that cannot meet its rule.
pub(crate) fn apply(id: &'static str, raster: &mut Raster, ops: &[SignalOp]) -> Result<Vec<Placed>> {
    let mut placed: Vec<(usize, Placed)> = Vec::new();
    // A strip changes the size of the picture, by which a watermark is laid out: strips come first.
    let grows = |op: &SignalOp| matches!(op, SignalOp::Label(LabelSpec { form: LabelForm::Visible(v), .. }) if v.at == LabelAt::Below);
    let order = ops.iter().enumerate().filter(|(_, op)| grows(op));
    for (at, op) in order.chain(ops.iter().enumerate().filter(|(_, op)| !grows(op))) {
        let done = match op {
            SignalOp::Label(spec) => draw(id, raster, spec)?,
            SignalOp::Watermark(spec) => mark(id, raster, spec)?,
            _ => return Err(Error::unsupported(id, "this operation is not known")),
        };
        placed.push((at, done));
    }
    placed.sort_by_key(|(at, _)| *at);
    Ok(placed.into_iter().map(|(_, p)| p).collect())
}

fn draw(id: &'static str, raster: &mut Raster, spec: &LabelSpec) -> Result<Placed> {
    let drawn = label::draw(id, spec, raster)?;
    raster.extend(drawn.extend);
    blend(raster, &drawn.overlay);
    Ok(Placed::Label(drawn.record))
}

fn mark(id: &'static str, raster: &mut Raster, spec: &WatermarkSpec) -> Result<Placed> {
    let strength = match spec.strength.as_str() {
        "gentle" => Strength::Gentle,
        "" | "default" => Strength::Default,
        "strong" => Strength::Strong,
        other => {
            let text = format!("{other:?} is no strength: gentle, default or strong");
            return Err(Error::new(ErrorKind::Usage, text).in_format(id));
        }
    };
    let key = key(spec.key.as_deref())?;
    let options = EmbedOptions::with_strength(strength);
    let embedded = raster
        .with_pixels_mut(id, |pixels| watermark::embed(pixels, spec.payload, &key, &options))?
        .map_err(|e| Error::unsupported(id, e.to_string()))?;
    Ok(Placed::Watermark(WatermarkRecord {
        scheme: SCHEME.to_owned(),
        payload: format!("{:016x}", spec.payload),
        key: key_name(spec.key.is_none()).to_owned(),
        quality: Some(format!("psnr {:.1} dB", embedded.psnr_db)),
        kept: false,
    }))
}

/// The key schedule of a secret; the public one without.
///
/// # Errors
/// `Key`.
pub(crate) fn key(secret: Option<&[u8]>) -> Result<MarkKey> {
    match secret {
        None => Ok(MarkKey::public()),
        Some(secret) => MarkKey::from_secret(secret).map_err(|e| Error::new(ErrorKind::Key, e.to_string())),
    }
}

pub(crate) fn key_name(public: bool) -> &'static str {
    if public { "public" } else { "private" }
}
