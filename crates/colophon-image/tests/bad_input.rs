//! Pictures that nobody expects: one pixel, one row, nothing but transparency, nothing but one colour.
// Helpers of tests: what cannot be made ends the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(missing_docs)]

use std::io::Cursor;

use colophon_core::{
    ErrorKind, Format, LabelForm, LabelSpec, Limits, Observation, Query, RenderCx, SignalOp, State, Tools,
    VisibleSpec, WatermarkSpec,
};
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

fn encoded(picture: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let picture = DynamicImage::from(picture.clone());
    let picture = if format == ImageFormat::Jpeg { DynamicImage::from(picture.to_rgb8()) } else { picture };
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn formats() -> [(&'static dyn Format, ImageFormat); 2] {
    [(&colophon_image::png::FORMAT, ImageFormat::Png), (&colophon_image::jpeg::FORMAT, ImageFormat::Jpeg)]
}

fn label() -> SignalOp {
    let form = VisibleSpec { min_height: 0.05, ..VisibleSpec::default() };
    SignalOp::Label(LabelSpec { text: "AI生成".to_owned(), form: LabelForm::Visible(form) })
}

fn watermark() -> SignalOp {
    SignalOp::Watermark(WatermarkSpec { payload: 0x1234_5678_9abc_def0, key: None, strength: String::new() })
}

#[test]
fn pictures_too_small_for_a_mark_refuse_it_and_none_is_claimed() {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    for (width, height) in [(1, 1), (65_500, 1), (1, 3000), (3, 3), (40, 24)] {
        let picture = RgbaImage::from_fn(width, height, |x, y| Rgba([x as u8, y as u8, 90, 255]));
        for (format, kind) in formats() {
            let bytes = encoded(&picture, kind);
            let name = format!("{} {width}×{height}", format.info().id);
            let e = format.render(&bytes, &[watermark()], &cx, &mut Vec::new()).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported, "{name}: {e}");
            let seen = format.observe(&bytes, &[Query::Watermark(None)], &cx).unwrap().remove(0);
            assert!(
                matches!(seen, Observation::Watermark { state: State::NotChecked, .. }),
                "{name}: {seen:?}"
            );
            if width.min(height) < 8 {
                let e = format.render(&bytes, &[label()], &cx, &mut Vec::new()).unwrap_err();
                assert_eq!(e.kind(), ErrorKind::Policy, "{name}: {e}");
            }
        }
    }
}

#[test]
fn transparent_and_flat_pictures_are_marked_or_refused_with_a_reason() {
    let (limits, tools) = (Limits::default(), Tools::default());
    let cx = RenderCx { limits: &limits, tools: &tools };
    for pixel in
        [[0, 0, 0, 0], [255, 255, 255, 0], [0, 0, 0, 255], [255, 255, 255, 255], [120, 130, 140, 255]]
    {
        let picture = RgbaImage::from_pixel(420, 300, Rgba(pixel));
        for (format, kind) in formats() {
            let bytes = encoded(&picture, kind);
            let mut out = Vec::new();
            let placed = format.render(&bytes, &[label()], &cx, &mut out).unwrap();
            let [colophon_core::Placed::Label(record)] = placed.as_slice() else { panic!("{placed:?}") };
            let seen = format.observe(&out, &[Query::Label(Some(record))], &cx).unwrap().remove(0);
            assert!(
                matches!(seen, Observation::Label { state: State::Present, .. }),
                "{} {pixel:?}: {seen:?}",
                format.info().id
            );
            // Flat content may be too calm to carry a watermark at the cap. Then it is refused, or the reader, which
            // every marking asks, does not find it; it never finds another.
            let mut out = Vec::new();
            if let Err(e) = format.render(&bytes, &[watermark()], &cx, &mut out) {
                assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
                continue;
            }
            let seen = format.observe(&out, &[Query::Watermark(None)], &cx).unwrap().remove(0);
            let Observation::Watermark { state, evidence, .. } = seen else { panic!() };
            if state == State::Present {
                let payload = evidence.and_then(|e| e.payload);
                assert_eq!(payload.as_deref(), Some("123456789abcdef0"), "{} {pixel:?}", format.info().id);
            }
        }
    }
}
