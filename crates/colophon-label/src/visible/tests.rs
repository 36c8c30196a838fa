//! What a drawn label promises: the height of the rule, contrast on anything, the same pixels again, found and missed.

use colophon_core::{Canvas, LabelAt, State, VisibleSpec};

use super::{Luma, Overlay, check, draw, redraw};

const TEXTS: [&str; 3] = ["AI生成", "AI GENERATED", "AI生成 · AI GENERATED"];

fn spec(min_height: f32) -> VisibleSpec {
    VisibleSpec { at: LabelAt::BottomRight, min_height, ..VisibleSpec::default() }
}

/// Backgrounds: black, white, mid grey, a ramp, a checkerboard, noise.
fn backgrounds(canvas: Canvas) -> Vec<(&'static str, Vec<u8>)> {
    let fill = |f: &dyn Fn(u32, u32) -> u8| -> Vec<u8> {
        (0..canvas.height)
            .flat_map(|y| (0..canvas.width).map(move |x| (x, y)))
            .map(|(x, y)| f(x, y))
            .collect()
    };
    vec![
        ("black", fill(&|_, _| 0)),
        ("white", fill(&|_, _| 255)),
        ("grey", fill(&|_, _| 128)),
        ("ramp", fill(&|x, _| (x * 255 / canvas.width) as u8)),
        ("checks", fill(&|x, y| if (x / 7 + y / 7) % 2 == 0 { 30 } else { 220 })),
        (
            "noise",
            fill(&|x, y| {
                ((x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).wrapping_mul(69_069) >> 24) as u8
            }),
        ),
    ]
}

fn blend(picture: &mut [u8], canvas: Canvas, o: &Overlay) {
    for row in 0..o.height {
        for column in 0..o.width {
            let p = &o.rgba[(4 * (row * o.width + column)) as usize..][..4];
            let at = &mut picture[((o.y + row) * canvas.width + o.x + column) as usize];
            let alpha = f32::from(p[3]) / 255.0;
            *at = (f32::from(*at) * (1.0 - alpha) + f32::from(p[0]) * alpha).round() as u8;
        }
    }
}

#[test]
fn gb45438_5_2_ink_is_at_least_five_percent_and_stays_inside() {
    for (width, height) in [(96, 96), (640, 480), (480, 640), (1920, 1080), (12_000, 8_000)] {
        for text in TEXTS {
            let canvas = Canvas { width, height };
            let drawn = draw(text, &spec(0.05), canvas).unwrap();
            let ink = drawn.record.ink_height.unwrap();
            assert!(ink >= (0.05 * width.min(height) as f32).ceil(), "{text} {width}×{height}: {ink}");
            let o = &drawn.overlay;
            assert!(o.x + o.width <= width && o.y + o.height <= height, "{text} {width}×{height}");
            assert_eq!(o.rgba.len(), (4 * o.width * o.height) as usize);
        }
    }
}

#[test]
fn a_record_draws_the_same_pixels_again() {
    let drawn = draw("AI生成 · AI GENERATED", &spec(0.05), Canvas { width: 801, height: 601 }).unwrap();
    assert_eq!(redraw(&drawn.record).unwrap(), drawn.overlay);
}

#[test]
fn wcag_1_4_3_text_has_4_5_to_1_on_any_background() {
    let canvas = Canvas { width: 640, height: 480 };
    let o = draw("AI生成", &spec(0.05), canvas).unwrap().overlay;
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    for (name, background) in backgrounds(canvas) {
        let mut picture = background;
        blend(&mut picture, canvas, &o);
        let inside: Vec<u8> = (o.y..o.y + o.height)
            .flat_map(|y| picture[(y * canvas.width + o.x) as usize..][..o.width as usize].to_vec())
            .collect();
        // Text is the brightest there is; the plate is whatever its most opaque pixels leave of the background.
        let text = linear(*inside.iter().max().unwrap());
        let plate = (0..o.width * o.height)
            .filter(|i| {
                let p = &o.rgba[(4 * i) as usize..][..4];
                p[0] < 60 && p[3] > 120
            })
            .map(|i| linear(inside[i as usize]))
            .fold(0.0, f64::max);
        assert!((text + 0.05) / (plate + 0.05) >= 4.5, "{name}: {:.2}", (text + 0.05) / (plate + 0.05));
    }
}

#[test]
fn a_recorded_label_is_found_and_a_missing_one_is_not() {
    let canvas = Canvas { width: 640, height: 480 };
    for text in TEXTS {
        let drawn = draw(text, &spec(0.05), canvas).unwrap();
        for (name, background) in backgrounds(canvas) {
            let bare = Luma { width: canvas.width, height: canvas.height, data: &background };
            assert_eq!(check(&drawn.record, &bare).state, State::Invalid, "{text} on {name}: not there");
            let mut picture = background.clone();
            blend(&mut picture, canvas, &drawn.overlay);
            let marked = Luma { width: canvas.width, height: canvas.height, data: &picture };
            let seen = check(&drawn.record, &marked);
            assert_eq!(seen.state, State::Present, "{text} on {name}: {} of {}", seen.score, seen.threshold);
            assert!(seen.height_ratio >= 0.05, "{text} on {name}: {}", seen.height_ratio);
        }
    }
}

/// Wordings that differ in one glyph of four (`AI合成` for `AI生成`) correlate at 0.85 and are not told apart: the
/// threshold has to let recompressed and resized labels through. Different words are.
#[test]
fn other_words_in_the_same_place_are_not_taken_for_the_recorded_ones() {
    let canvas = Canvas { width: 640, height: 480 };
    let recorded = draw("AI生成", &spec(0.05), canvas).unwrap().record;
    let other = draw("人工智慧", &spec(0.05), canvas).unwrap();
    let mut picture = vec![128; (canvas.width * canvas.height) as usize];
    blend(&mut picture, canvas, &other.overlay);
    let seen = check(&recorded, &Luma { width: canvas.width, height: canvas.height, data: &picture });
    assert_ne!(seen.state, State::Present, "{} of {}", seen.score, seen.threshold);
}
