//! BMP: read, never marked. The format has no place for metadata, so that a marked file could not keep the rules;
//! convert to PNG first. Labels and watermarks of copies that were saved as BMP are still found.

use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch, Properties,
    Query, RenderCx, Result, SignalSupport, Source,
};
use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder};

use crate::observe;
use crate::raster::{Color, Raster, Samples, check_size};

const ID: &str = "bmp";

/// The format.
pub static FORMAT: Bmp = Bmp;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "BMP",
    media: Media::Image,
    extensions: &["bmp", "dib"],
    mime: &["image/bmp"],
    magic: &[Magic { offset: 0, bytes: b"BM" }],
    slots: &[],
    signal: SignalSupport::Observe,
    carrier: Carrier::Sidecar("image/bmp"),
    note: "no place for metadata, and pixels are not written: a manifest beside the file only; convert to PNG to mark",
};

/// BMP.
#[derive(Debug)]
pub struct Bmp;

impl Format for Bmp {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        // Two letters are little: the header's length and the reserved field are asked, too.
        let known = matches!(head.get(14..18), Some(&[12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]));
        if head.starts_with(b"BM") && known { 80 } else { 0 }
    }

    fn inspect(&self, source: &dyn Source, _: &Limits) -> Result<Layout> {
        let head = source.bytes_up_to(0, 30)?;
        let number =
            |at: usize| head.get(at..at + 4).and_then(|b| b.first_chunk()).map(|b| i32::from_le_bytes(*b));
        let short =
            |at: usize| head.get(at..at + 2).and_then(|b| b.first_chunk()).map(|b| u16::from_le_bytes(*b));
        if !head.starts_with(b"BM") {
            return Err(Error::malformed(ID, "no BMP signature").at_offset(0));
        }
        let ends = || Error::malformed(ID, "the file ends inside its header");
        let (width, height, depth) = if number(14).ok_or_else(ends)? == 12 {
            let side = |at| short(at).map(u32::from).ok_or_else(ends);
            (side(18)?, side(20)?, short(24))
        } else {
            let side = |at| number(at).map(i32::unsigned_abs).ok_or_else(ends);
            (side(18)?, side(22)?, short(28))
        };
        let start = number(10).and_then(|v| u64::try_from(v).ok()).unwrap_or(54).min(source.len());
        Ok(Layout {
            media: std::iter::once(start..source.len()).collect(),
            properties: Properties {
                dimensions: Some((width, height)),
                bit_depth: depth,
                ..Properties::default()
            },
            ..Layout::default()
        })
    }

    fn edit(&self, _: &dyn Source, edits: &[Edit], _: &Limits) -> Result<Patch> {
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        Err(Error::unsupported(ID, "there is no place for metadata; convert to PNG"))
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        observe::observe(ID, queries, cx, || decode(source, cx.limits))
    }
}

fn decode(source: &dyn Source, limits: &Limits) -> Result<Raster> {
    let (width, height) = Bmp.inspect(source, limits)?.properties.dimensions.unwrap_or((0, 0));
    check_size(ID, width, height, 4, limits)?;
    let all = source.all(limits.input_bytes)?;
    let bad = |e: image::ImageError| Error::malformed(ID, "the pixels cannot be decoded").because(e);
    let decoder = BmpDecoder::new(std::io::Cursor::new(&*all)).map_err(bad)?;
    let (width, height) = decoder.dimensions();
    check_size(ID, width, height, 4, limits)?;
    let color = match decoder.color_type() {
        ColorType::L8 => Color::Grey,
        ColorType::Rgb8 => Color::Rgb,
        ColorType::Rgba8 => Color::Rgba,
        other => {
            return Err(Error::unsupported(ID, format!("samples of the kind {other:?} are not decoded")));
        }
    };
    let mut samples = vec![0; width as usize * height as usize * color.channels()];
    decoder.read_image(&mut samples).map_err(bad)?;
    Ok(Raster { width, height, color, samples: Samples::U8(samples) })
}

#[cfg(test)]
mod tests {
    use colophon_conformance::check;
    use colophon_core::{State, Tools};

    use super::*;

    fn file(side: u32) -> Vec<u8> {
        let pixels =
            image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        let mut out = std::io::Cursor::new(Vec::new());
        pixels.write_to(&mut out, image::ImageFormat::Bmp).unwrap();
        out.into_inner()
    }

    #[test]
    fn bmp_keeps_the_promises_of_a_format() {
        check(&FORMAT, &[("rgb", file(20))]);
    }

    #[test]
    fn watermarks_are_looked_for_and_marks_are_refused() {
        let bytes = file(300);
        let (limits, tools) = (Limits::default(), Tools::default());
        let cx = RenderCx { limits: &limits, tools: &tools };
        let seen = FORMAT.observe(&bytes, &[Query::Watermark(None)], &cx).unwrap().remove(0);
        assert!(matches!(seen, Observation::Watermark { state: State::Absent, .. }), "{seen:?}");
        let edit = Edit::set(colophon_core::Slot::Xmp, "xmp", "x");
        let e = FORMAT.edit(&bytes, &[edit], &limits).unwrap_err();
        assert!(e.to_string().contains("PNG"), "{e}");
        assert!(FORMAT.render(&bytes, &[], &cx, &mut Vec::new()).is_err());
    }
}
