//! Labels that nobody recorded: what is read of them, and what is said of those that people do not see. Needs Tesseract, which
//! `scripts/setup` installs.
// Helpers of tests: what cannot be made ends the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use colophon_core::{
    Canvas, LabelAt, LabelEvidence, LabelLook, Limits, Observation, State, VisibleSpec, Why,
};
use colophon_image::read_label;
use colophon_label::visible::{Luma, draw};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 600;

fn tesseract() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|d| d.join("tesseract")).find(|p| p.is_file());
    found.expect("Tesseract is not installed: scripts/setup")
}

/// Type on a plain ground, without a plate: `ground` and `ink` are levels, `height` the share of the shortest side.
fn picture(words: &str, (ground, ink): (u8, u8), height: f32) -> Vec<u8> {
    let spec = VisibleSpec {
        at: LabelAt::BottomRight,
        look: LabelLook::Plate,
        height,
        min_height: height,
        ..VisibleSpec::default()
    };
    let o = draw(words, &spec, Canvas { width: WIDTH, height: HEIGHT }).unwrap().overlay;
    let mut out = vec![ground; (WIDTH * HEIGHT) as usize];
    for (i, p) in o.rgba.chunks_exact(4).enumerate() {
        let at = ((o.y + i as u32 / o.width) * WIDTH + o.x + i as u32 % o.width) as usize;
        // The type is light on a dark plate.
        let share = (f32::from(p[0]) * f32::from(p[3]) / 255.0 - 60.0).max(0.0) / 195.0;
        out[at] = (f32::from(ground) + (f32::from(ink) - f32::from(ground)) * share).round() as u8;
    }
    out
}

fn look(tool: &Path, data: &[u8]) -> (State, Option<Why>, Option<LabelEvidence>) {
    let luma = Luma { width: WIDTH, height: HEIGHT, data };
    match read_label(tool, &luma, &Limits::default()) {
        Observation::Label { state, why, evidence, .. } => (state, why, evidence),
        other => panic!("{other:?}"),
    }
}

#[test]
fn gb45438_5_2_a_label_is_read_with_its_place_and_the_height_of_its_ink() {
    for (height, words) in [(0.06_f32, "AI生成"), (0.1, "AI GENERATED")] {
        for levels in [(30, 235), (225, 20)] {
            let (state, _, e) = look(&tesseract(), &picture(words, levels, height));
            let e = e.unwrap_or_else(|| panic!("{words} {levels:?} is not read"));
            assert_eq!((state, e.text.as_deref(), e.method.as_str()), (State::Present, Some(words), "ocr"));
            let ratio = e.height_ratio.unwrap();
            assert!((ratio - height).abs() < 0.2 * height, "{words}: {ratio}");
            assert!(e.position.is_some_and(|p| p.contains("right")));
        }
    }
}

#[test]
fn gb45438_5_2_ink_below_the_height_of_the_rule_is_measured_as_what_it_is() {
    let (state, _, e) = look(&tesseract(), &picture("AI生成", (30, 235), 0.03));
    assert_eq!(state, State::Present);
    let ratio = e.unwrap().height_ratio.unwrap();
    assert!((0.02..0.045).contains(&ratio), "{ratio}");
}

#[test]
fn gb45438_5_2_a_label_whose_contrast_is_too_small_to_be_seen_is_hidden() {
    for levels in [(120, 136), (140, 124)] {
        let (state, _, e) = look(&tesseract(), &picture("AI生成", levels, 0.06));
        let e = e.unwrap_or_else(|| panic!("{levels:?} is not read"));
        assert_eq!((state, e.method.as_str()), (State::Invalid, "hidden"), "{levels:?}");
        assert!(e.position.unwrap().starts_with("hidden from readers"));
    }
}

#[test]
fn where_nothing_looks_like_type_nothing_is_started() {
    let nobody = Path::new("/does/not/exist");
    let plain = vec![90; (WIDTH * HEIGHT) as usize];
    assert!(matches!(look(nobody, &plain), (State::NotChecked, Some(Why::Unclear), None)));
    let labelled = picture("AI生成", (30, 235), 0.06);
    assert!(matches!(look(nobody, &labelled), (State::NotChecked, Some(Why::MissingTool), None)));
}
