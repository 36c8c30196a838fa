//! The check of the visible label on pictures that went through the world: recompressed, scaled, cropped, forged.
// Helpers of tests: what cannot be made ends the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(missing_docs)]

use std::io::Cursor;

use colophon_core::{Canvas, LabelAt, LabelLook, PixelBox, State, VisibleSpec};
use colophon_label::visible::{Backdrop, Drawn, LabelCheck, Luma, Overlay, check, draw_on};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, RgbImage};

const LOOKS: [LabelLook; 4] = [LabelLook::Plate, LabelLook::Outline, LabelLook::Adaptive, LabelLook::Pill];

/// Pictures of the kinds people label: a photograph, noise over a ramp, flat art, a dark and a light one.
fn pictures() -> Vec<(&'static str, RgbImage)> {
    let photo = image::load_from_memory(include_bytes!("../../../samples/photo.jpg")).unwrap().to_rgb8();
    let photo = image::imageops::resize(&photo, 640, 480, FilterType::Triangle);
    let mut state = 7_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let busy = RgbImage::from_fn(640, 480, |x, y| {
        let v = (noise() / 3) as u32 + x / 6 + (y / 11 % 2) * 40;
        image::Rgb([v as u8, (v * 3 / 4) as u8, (255 - v.min(255)) as u8])
    });
    let flat = RgbImage::from_fn(640, 480, |x, y| {
        if (x / 90 + y / 70) % 2 == 0 { image::Rgb([230, 180, 60]) } else { image::Rgb([40, 90, 160]) }
    });
    let plain = |v: u8| RgbImage::from_pixel(640, 480, image::Rgb([v; 3]));
    vec![("photo", photo), ("busy", busy), ("flat", flat), ("dark", plain(12)), ("light", plain(244))]
}

fn label(picture: &RgbImage, text: &str, look: LabelLook, at: LabelAt) -> (RgbImage, Drawn) {
    let (width, height) = picture.dimensions();
    let grey = DynamicImage::from(picture.clone()).to_luma8();
    let backdrop = |b: PixelBox| {
        Backdrop::of(
            (b.y..b.y + b.height)
                .flat_map(|y| (b.x..b.x + b.width).map(move |x| (x, y)))
                .map(|(x, y)| grey[(x, y)].0[0]),
        )
    };
    let spec = VisibleSpec { at, look, min_height: 0.05, ..VisibleSpec::default() };
    let drawn = draw_on(text, &spec, Canvas { width, height }, &backdrop).unwrap();
    let mut out = picture.clone();
    blend(&mut out, &drawn.overlay);
    (out, drawn)
}

fn blend(picture: &mut RgbImage, o: &Overlay) {
    for (i, p) in o.rgba.chunks_exact(4).enumerate() {
        let at = picture.get_pixel_mut(o.x + i as u32 % o.width, o.y + i as u32 / o.width);
        for c in 0..3 {
            let (under, over, a) = (f32::from(at.0[c]), f32::from(p[c]), f32::from(p[3]) / 255.0);
            at.0[c] = (under + (over - under) * a).round() as u8;
        }
    }
}

fn jpeg(picture: &RgbImage, quality: u8) -> RgbImage {
    let mut bytes = Cursor::new(Vec::new());
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).unwrap();
    image::load_from_memory(bytes.get_ref()).unwrap().to_rgb8()
}

fn resized(picture: &RgbImage, factor: f32) -> RgbImage {
    let side = |v: u32| (v as f32 * factor).round() as u32;
    image::imageops::resize(picture, side(picture.width()), side(picture.height()), FilterType::Triangle)
}

/// What is left when a share of the area goes, on the sides away from the label.
fn cropped(picture: &RgbImage, share: f32) -> RgbImage {
    let keep = (1.0 - share).sqrt();
    let (w, h) = ((picture.width() as f32 * keep) as u32, (picture.height() as f32 * keep) as u32);
    image::imageops::crop_imm(picture, picture.width() - w, picture.height() - h, w, h).to_image()
}

fn seen(drawn: &Drawn, picture: &RgbImage) -> LabelCheck {
    let grey: GrayImage = DynamicImage::from(picture.clone()).to_luma8();
    check(&drawn.record, &Luma { width: grey.width(), height: grey.height(), data: grey.as_raw() })
}

#[test]
fn a_label_is_found_after_what_happens_to_pictures() {
    let mut failed = Vec::new();
    for (name, picture) in pictures() {
        for look in LOOKS {
            for text in ["AI生成", "AI生成 · AI GENERATED"] {
                let (marked, drawn) = label(&picture, text, look, LabelAt::BottomRight);
                let copies = [
                    ("as it is", marked.clone()),
                    ("JPEG 50", jpeg(&marked, 50)),
                    ("half size", resized(&marked, 0.5)),
                    ("crop 20 %", cropped(&marked, 0.2)),
                    ("crop 20 %, 0.8, JPEG 60", jpeg(&resized(&cropped(&marked, 0.2), 0.8), 60)),
                ];
                for (what, copy) in copies {
                    let c = seen(&drawn, &copy);
                    if c.state != State::Present || c.height_ratio < 0.045 || c.height_ratio > 0.08 {
                        failed.push(format!("{text} {} on {name}, {what}: {c:?}", drawn.record.style));
                    }
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} of 200:\n{}", failed.len(), failed.join("\n"));
}

/// The words of the record, and words that differ in one letter.
const FORGED: [(&str, &str); 8] = [
    ("AI生成", "AI合成"),
    ("AI合成", "AI生成"),
    ("AI生成", "AI主成"),
    ("AI生成", "AI生戍"),
    ("AI生成", "AI完成"),
    ("AI GENERATED", "AI GENERATEO"),
    ("AI GENERATED", "AI OENERATED"),
    ("人工智能生成", "八工智能生成"),
];

#[test]
fn words_that_differ_in_one_letter_are_not_the_recorded_ones() {
    let mut taken = Vec::new();
    for (name, picture) in pictures() {
        for look in [LabelLook::Plate, LabelLook::Outline, LabelLook::Adaptive] {
            for (recorded, forged) in FORGED {
                let (_, drawn) = label(&picture, recorded, look, LabelAt::BottomRight);
                let (other, _) = label(&picture, forged, look, LabelAt::BottomRight);
                for (what, copy) in [
                    ("as it is", other.clone()),
                    ("JPEG 50", jpeg(&other, 50)),
                    ("half", resized(&other, 0.5)),
                ] {
                    let c = seen(&drawn, &copy);
                    if c.state == State::Present {
                        taken.push(format!("{forged} for {recorded} on {name}, {what}: {c:?}"));
                    }
                }
            }
        }
    }
    assert!(taken.is_empty(), "{}:\n{}", taken.len(), taken.join("\n"));
}

#[test]
fn unlabelled_pictures_and_hidden_labels_do_not_pass() {
    for (name, picture) in pictures() {
        for look in LOOKS {
            let (marked, drawn) = label(&picture, "AI生成", look, LabelAt::BottomRight);
            let c = seen(&drawn, &picture);
            assert_eq!(c.state, State::Invalid, "{name} without a label: {c:?}");
            // The label at an eighth of its strength: readable for a correlation, not for people.
            let mut faint = picture.clone();
            for (f, m) in faint.iter_mut().zip(marked.iter()) {
                *f = (f32::from(*f) + (f32::from(*m) - f32::from(*f)) / 8.0).round() as u8;
            }
            let c = seen(&drawn, &faint);
            assert_ne!(c.state, State::Present, "{name}, faint: {c:?}");
        }
    }
}
