//! Labels and watermarks written into a decoded picture.

use colophon_core::{Error, ErrorKind, LabelSpec, Placed, Result, SignalOp, WatermarkRecord, WatermarkSpec};
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
    ops.iter()
        .map(|op| match op {
            SignalOp::Label(spec) => draw(id, raster, spec),
            SignalOp::Watermark(spec) => mark(id, raster, spec),
            _ => Err(Error::unsupported(id, "this operation is not known")),
        })
        .collect()
}

fn draw(id: &'static str, raster: &mut Raster, spec: &LabelSpec) -> Result<Placed> {
    let drawn = label::draw(id, spec, raster)?;
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
