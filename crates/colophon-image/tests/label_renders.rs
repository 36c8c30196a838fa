//! Every label style over a light, a dark and a busy picture, on a tiny and on a huge one, against committed renders.
//!
//! Only the region around the label is compared. `COLOPHON_BLESS=1 cargo test -p colophon-image --test label_renders`
//! writes the renders anew: look at them before committing.
// Helpers of tests: what cannot be made ends the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(missing_docs)]

use std::path::PathBuf;

use colophon_core::{Canvas, LabelAt, LabelLook, PixelBox, VisibleSpec};
use colophon_label::visible::{Backdrop, draw_on, redraw};
use image::RgbImage;

/// Mean difference in levels of 255 that fonts rasterised elsewhere may have, and the largest of one pixel.
const TOLERANCE: (f64, u8) = (1.0, 60);

type Ground = fn(u32, u32) -> [u8; 3];

fn light(x: u32, y: u32) -> [u8; 3] {
    let v = 226 + ((x + y) / 60 % 12) as u8;
    [v, v - 6, v - 18]
}

fn dark(x: u32, y: u32) -> [u8; 3] {
    let v = 14 + ((x + 2 * y) / 50 % 14) as u8;
    [v, v + 3, v + 10]
}

fn busy(x: u32, y: u32) -> [u8; 3] {
    let wave = ((x * x / 97 + y * 5) / 13 % 4) as u8;
    match (wave + (y / 9 % 3) as u8) % 4 {
        0 => [244, 222, 120],
        1 => [18, 44, 62],
        2 => [196, 70, 40],
        _ => [120, 168, 90],
    }
}

struct Case {
    name: &'static str,
    ground: Ground,
    canvas: (u32, u32),
    look: LabelLook,
    at: LabelAt,
    text: &'static str,
    /// The render is stored at one over this size.
    shrink: u32,
}

fn cases() -> Vec<Case> {
    let looks = [
        ("plate", LabelLook::Plate),
        ("outline", LabelLook::Outline),
        ("adaptive", LabelLook::Adaptive),
        ("pill", LabelLook::Pill),
    ];
    let names: [[&str; 3]; 4] = [
        ["plate-light", "plate-dark", "plate-busy"],
        ["outline-light", "outline-dark", "outline-busy"],
        ["adaptive-light", "adaptive-dark", "adaptive-busy"],
        ["pill-light", "pill-dark", "pill-busy"],
    ];
    let grounds: [Ground; 3] = [light, dark, busy];
    let text = "AI生成 · AI GENERATED";
    let usual = Case {
        name: "",
        ground: busy,
        canvas: (640, 480),
        look: LabelLook::Plate,
        at: LabelAt::BottomRight,
        text,
        shrink: 1,
    };
    let mut out: Vec<Case> = looks
        .iter()
        .zip(names)
        .flat_map(|((_, look), names)| {
            names.into_iter().zip(grounds).map(|(name, ground)| Case { name, ground, look: *look, ..usual })
        })
        .collect();
    out.extend([
        Case { name: "strip", at: LabelAt::Below, ..usual },
        Case { name: "tiny", canvas: (64, 64), text: "AI生成", ..usual },
        Case { name: "korean-top", at: LabelAt::Top, text: "AI 생성", ..usual },
        Case {
            name: "french-left",
            at: LabelAt::BottomLeft,
            text: "AI · GÉNÉRÉ PAR IA",
            ground: dark,
            ..usual
        },
        Case { name: "huge", canvas: (12_000, 8_400), shrink: 10, ..usual },
    ]);
    out
}

/// The region around the label, as it is shown.
fn render(case: &Case) -> RgbImage {
    let (width, height) = case.canvas;
    let level = |x: u32, y: u32| {
        let [r, g, b] = (case.ground)(x / case.shrink, y / case.shrink);
        ((77 * u32::from(r) + 150 * u32::from(g) + 29 * u32::from(b)) >> 8) as u8
    };
    let backdrop = |b: PixelBox| {
        let rows = (b.y..(b.y + b.height).min(height))
            .flat_map(|y| (b.x..(b.x + b.width).min(width)).map(move |x| (x, y)));
        Backdrop::of(rows.map(|(x, y)| level(x, y)))
    };
    let spec = VisibleSpec { at: case.at, look: case.look, min_height: 0.05, ..VisibleSpec::default() };
    let drawn = draw_on(case.text, &spec, Canvas { width, height }, &backdrop).unwrap();
    assert_eq!(
        redraw(&drawn.record).unwrap(),
        drawn.overlay,
        "{}: a record gives the same pixels",
        case.name
    );
    let canvas = drawn.record.canvas.unwrap();
    let o = drawn.overlay;
    let room = 20 * case.shrink;
    let (left, top) = (o.x.saturating_sub(room), o.y.saturating_sub(room));
    let (right, bottom) =
        ((o.x + o.width + room).min(canvas.width), (o.y + o.height + room).min(canvas.height));
    let picture = RgbImage::from_fn(right - left, bottom - top, |x, y| {
        let (x, y) = (left + x, top + y);
        let under = (case.ground)(x / case.shrink, y / case.shrink);
        let inside = (o.x..o.x + o.width).contains(&x) && (o.y..o.y + o.height).contains(&y);
        if !inside {
            return image::Rgb(under);
        }
        let p = &o.rgba[(4 * ((y - o.y) * o.width + (x - o.x))) as usize..][..4];
        let a = f32::from(p[3]) / 255.0;
        image::Rgb(std::array::from_fn(|c| {
            (f32::from(under[c]) * (1.0 - a) + f32::from(p[c]) * a).round() as u8
        }))
    });
    if case.shrink == 1 {
        return picture;
    }
    let (w, h) = (picture.width() / case.shrink, picture.height() / case.shrink);
    image::imageops::resize(&picture, w, h, image::imageops::FilterType::Triangle)
}

#[test]
fn styles_look_as_committed() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/renders");
    let bless = std::env::var_os("COLOPHON_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let made = render(&case);
        let path = dir.join(format!("{}.png", case.name));
        if bless {
            std::fs::create_dir_all(&dir).unwrap();
            made.save(&path).unwrap();
            continue;
        }
        let kept = image::open(&path).unwrap().to_rgb8();
        if kept.dimensions() != made.dimensions() {
            wrong.push(format!("{}: {:?}, {:?} committed", case.name, made.dimensions(), kept.dimensions()));
            continue;
        }
        let far: Vec<u8> = kept.iter().zip(made.iter()).map(|(a, b)| a.abs_diff(*b)).collect();
        let mean = far.iter().map(|v| f64::from(*v)).sum::<f64>() / far.len() as f64;
        let most = far.iter().copied().max().unwrap_or(0);
        if mean > TOLERANCE.0 || most > TOLERANCE.1 {
            wrong.push(format!("{}: mean difference {mean:.2}, largest {most}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
