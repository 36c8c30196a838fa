//! Labels and watermarks written into a decoded picture.

use colophon_core::{Error, ErrorKind, LabelSpec, Placed, Result, SignalOp, WatermarkRecord, WatermarkSpec};
use colophon_label::visible::Drawn;
use colophon_signal::key::MarkKey;

use crate::blend::{blend, put_back, under};
use crate::label;
use crate::raster::{Raster, Samples};
use crate::watermark::{self, EmbedError, EmbedOptions, SCHEME, Strength};

/// Applies every operation to the picture as shown, labels before watermarks.
///
/// # Errors
/// As [`Painter::apply`].
pub(crate) fn apply(id: &'static str, raster: &mut Raster, ops: &[SignalOp]) -> Result<Vec<Placed>> {
    Painter::new(id, ops).apply(raster)
}

/// Applies the same operations to one picture after the other: frames get the label of the first, so that it does not
/// change its looks while they move.
pub(crate) struct Painter<'a> {
    id: &'static str,
    ops: &'a [SignalOp],
    /// Labels that were drawn, by the place of their operation.
    drawn: Vec<(usize, Drawn)>,
}

impl<'a> Painter<'a> {
    /// For pictures of one size.
    pub(crate) fn new(id: &'static str, ops: &'a [SignalOp]) -> Self {
        Self { id, ops, drawn: Vec::new() }
    }

    /// Applies every operation to a picture as shown, labels before watermarks.
    ///
    /// # Errors
    /// `Unsupported` for operations that pictures do not have, and for pictures that cannot carry the mark; `Key` for a bad
    /// secret; `Usage` for an unknown strength; `Policy` for a label that cannot meet its rule.
    pub(crate) fn apply(&mut self, raster: &mut Raster) -> Result<Vec<Placed>> {
        let mut placed: Vec<(usize, Placed)> = Vec::new();
        // A label changes the whole frame, to which a layer of the watermark is tied, and a strip its size: labels come first.
        // On the label itself the mark would only be seen, and is taken away again. A strip keeps it, being part of the frame.
        let labels = |op: &SignalOp| matches!(op, SignalOp::Label(_));
        let ops = self.ops.iter().enumerate();
        let order: Vec<_> =
            ops.clone().filter(|(_, op)| labels(op)).chain(ops.filter(|(_, op)| !labels(op))).collect();
        let mut clean: Vec<(usize, Samples)> = Vec::new();
        for (at, op) in order {
            let done = match op {
                SignalOp::Label(spec) => {
                    let record =
                        self.draw(at, raster, spec).map_err(|e| self.too_small(raster).unwrap_or(e))?;
                    let inside = self.label(at).filter(|drawn| drawn.extend == 0);
                    clean.extend(inside.map(|drawn| (at, under(raster, &drawn.overlay))));
                    record
                }
                SignalOp::Watermark(spec) => mark(self.id, raster, spec)?,
                _ => return Err(Error::unsupported(self.id, "this operation is not known")),
            };
            placed.push((at, done));
        }
        for (at, samples) in &clean {
            if let Some(drawn) = self.label(*at) {
                put_back(raster, &drawn.overlay, samples);
            }
        }
        placed.sort_by_key(|(at, _)| *at);
        Ok(placed.into_iter().map(|(_, p)| p).collect())
    }

    fn draw(&mut self, at: usize, raster: &mut Raster, spec: &LabelSpec) -> Result<Placed> {
        if !self.drawn.iter().any(|(n, _)| *n == at) {
            self.drawn.push((at, label::draw(self.id, spec, raster)?));
        }
        let drawn = self.label(at).ok_or_else(|| Error::unsupported(self.id, "the label was not drawn"))?;
        raster.extend(drawn.extend);
        blend(raster, &drawn.overlay);
        Ok(Placed::Label(drawn.record.clone()))
    }

    /// A picture too small for its watermark, of which a label that does not fit says less.
    fn too_small(&self, raster: &Raster) -> Option<Error> {
        let (width, height) = (raster.width as usize, raster.height as usize);
        let marked = self.ops.iter().any(|op| matches!(op, SignalOp::Watermark(_)));
        let small = marked && width.min(height) < watermark::MIN_SIDE;
        small.then(|| Error::unsupported(self.id, EmbedError::TooSmall { width, height }.to_string()))
    }

    /// The label drawn for the operation at this place.
    fn label(&self, at: usize) -> Option<&Drawn> {
        self.drawn.iter().find(|(n, _)| *n == at).map(|(_, drawn)| drawn)
    }
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

#[cfg(test)]
mod tests {
    use colophon_core::{LabelForm, VisibleSpec};

    use super::*;
    use crate::raster::Color;
    use crate::watermark::{DetectOptions, Layer, Reader};

    #[test]
    fn the_layer_tied_to_the_whole_frame_holds_in_a_labelled_picture() {
        let (width, height) = (640_u32, 480_u32);
        let wave = |i: u32| {
            let (x, y) = ((i % width) as f32 / 40.0, (i / width) as f32 / 25.0);
            [(x + y).sin(), (2.0 * x - y).cos(), (y * x / 3.0).sin()].map(|v| (128.0 + 90.0 * v) as u8)
        };
        let samples = Samples::U8((0..width * height).flat_map(wave).collect());
        let mut raster = Raster { width, height, color: Color::Rgb, samples };
        let payload = 0x0123_4567_89ab_cdef;
        let mark = WatermarkSpec { payload, key: None, strength: String::new() };
        let form = LabelForm::Visible(VisibleSpec { min_height: 0.05, ..VisibleSpec::default() });
        let label = LabelSpec { text: "AI生成".to_owned(), form };
        let mut labelled = raster.clone();
        apply("png", &mut labelled, &[SignalOp::Label(label.clone())]).unwrap();
        let placed = apply("png", &mut raster, &[SignalOp::Watermark(mark), SignalOp::Label(label)]).unwrap();
        assert!(matches!(placed[..], [Placed::Watermark(_), Placed::Label(_)]), "{placed:?}");
        let Placed::Label(record) = &placed[1] else { unreachable!() };
        let area = record.area.unwrap();
        let row = |raster: &Raster| {
            let Samples::U8(samples) = &raster.samples else { unreachable!() };
            let begin = ((area.y + area.height / 2) * width + area.x) as usize * 3;
            samples[begin..begin + area.width as usize * 3].to_vec()
        };
        assert_eq!(row(&raster), row(&labelled), "the label is as it was drawn");
        let reader = Reader::new(&MarkKey::public());
        let read =
            raster.with_pixels("png", |pixels| reader.detect(pixels, &DetectOptions::default())).unwrap();
        assert_eq!((read.payload, read.layer), (Some(payload), Some(Layer::Registered)));
    }
}
