//! How many labels without a record are read, and what looking for one costs: `read_labels TESSERACT FOLDER [NAME [COPIES]]`.
//!
//! Every PNG and JPEG of the folder is looked at as it is, then with each style of label, three wordings and a place that
//! changes from one to the next, coded as JPEG at quality 80. Prints what was missed, what was read where nothing stands, and
//! the processor time of this program and of Tesseract. Labelled pictures are written into the folder COPIES, for another
//! reader to try. Linux only: the times come from `/proc/self/stat`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program for people at a terminal"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use colophon_core::{Canvas, LabelAt, LabelLook, Limits, Observation, PixelBox, State, VisibleSpec};
use colophon_label::visible::{Backdrop, Luma, draw_on};
use image::{DynamicImage, GrayImage, RgbImage};

const LOOKS: [(&str, LabelLook); 4] = [
    ("plate", LabelLook::Plate),
    ("outline", LabelLook::Outline),
    ("adaptive", LabelLook::Adaptive),
    ("pill", LabelLook::Pill),
];
const WORDS: [&str; 3] = ["AI生成", "AI生成 · AI GENERATED", "AI GENERATED"];
const PLACES: [LabelAt; 9] = [
    LabelAt::BottomRight,
    LabelAt::TopRight,
    LabelAt::BottomLeft,
    LabelAt::TopLeft,
    LabelAt::Bottom,
    LabelAt::Top,
    LabelAt::Left,
    LabelAt::Right,
    LabelAt::Below,
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(tool), Some(folder)) = (args.first(), args.get(1)) else {
        eprintln!("read_labels TESSERACT FOLDER [NAME [COPIES]]");
        return Ok(());
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|e| e.path()).collect();
    paths.retain(|p| {
        let name = p.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let picture = ["png", "jpg"].iter().any(|e| p.extension().is_some_and(|x| x == *e));
        picture && args.get(2).is_none_or(|only| name.contains(only.as_str()))
    });
    paths.sort();
    let (mut plain, mut labelled, mut read, mut all, mut exact) = (Vec::new(), Vec::new(), 0, 0, 0);
    for (number, path) in paths.iter().enumerate() {
        let picture = image::open(path)?.to_rgb8();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (found, cost) = look(tool, &DynamicImage::from(picture.clone()).to_luma8());
        println!(
            "{name:24} {:5}x{:<5} {:>6.0?} {:>6.0?} {}",
            picture.width(),
            picture.height(),
            cost.0,
            cost.1,
            found.unwrap_or_default()
        );
        plain.push(cost);
        for (i, (style, at)) in LOOKS.iter().enumerate() {
            for (k, words) in WORDS.iter().enumerate() {
                let place = PLACES[(number + i * WORDS.len() + k) % PLACES.len()];
                let Some((grey, jpeg)) = label(&picture, words, *at, place) else { continue };
                if let Some(folder) = args.get(3) {
                    std::fs::write(Path::new(folder).join(format!("{name}-{style}-{k}.jpg")), jpeg)?;
                }
                let (found, cost) = look(tool, &grey);
                labelled.push(cost);
                all += 1;
                match found {
                    Some(text) => {
                        read += 1;
                        let letters = |t: &str| t.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
                        if letters(&text) == letters(words) {
                            exact += 1;
                        } else {
                            println!("    {style} {place:?} {words:?}: read {text:?}");
                        }
                    }
                    None => println!("    {style} {place:?} {words:?}: missed"),
                }
            }
        }
    }
    println!("read {read} of {all}, to the letter {exact}");
    for (what, costs) in [("without a label", &plain), ("with one", &labelled)] {
        let mut sums: Vec<Duration> = costs.iter().map(|(own, theirs)| *own + *theirs).collect();
        sums.sort();
        let mean = |pick: &dyn Fn(&(Duration, Duration)) -> Duration| {
            costs.iter().map(pick).sum::<Duration>() / costs.len().max(1) as u32
        };
        println!(
            "{what}: own {:.0?}, Tesseract {:.0?}, median {:.0?}, most {:.0?}",
            mean(&|c| c.0),
            mean(&|c| c.1),
            sums[sums.len() / 2],
            sums.last().unwrap()
        );
    }
    Ok(())
}

fn label(picture: &RgbImage, words: &str, look: LabelLook, at: LabelAt) -> Option<(GrayImage, Vec<u8>)> {
    let grey = DynamicImage::from(picture.clone()).to_luma8();
    let backdrop = |b: PixelBox| {
        let inside = (b.y..b.y + b.height).flat_map(|y| (b.x..b.x + b.width).map(move |x| (x, y)));
        Backdrop::of(inside.map(|(x, y)| grey[(x, y)].0[0]))
    };
    let spec = VisibleSpec { at, look, min_height: 0.05, ..VisibleSpec::default() };
    let canvas = Canvas { width: picture.width(), height: picture.height() };
    let drawn = draw_on(words, &spec, canvas, &backdrop).ok()?;
    let mut out = RgbImage::new(picture.width(), picture.height() + drawn.extend);
    image::imageops::replace(&mut out, picture, 0, 0);
    for (i, p) in drawn.overlay.rgba.chunks_exact(4).enumerate() {
        let (x, y) = (
            drawn.overlay.x + i as u32 % drawn.overlay.width,
            drawn.overlay.y + i as u32 / drawn.overlay.width,
        );
        let under = out.get_pixel_mut(x, y);
        for c in 0..3 {
            let (below, over, a) = (f32::from(under.0[c]), f32::from(p[c]), f32::from(p[3]) / 255.0);
            under.0[c] = (below + (over - below) * a).round() as u8;
        }
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&out).ok()?;
    let jpeg = bytes.into_inner();
    Some((image::load_from_memory(&jpeg).ok()?.to_luma8(), jpeg))
}

/// What is read, and the processor time of this program and of its children.
fn look(tool: &str, grey: &GrayImage) -> (Option<String>, (Duration, Duration)) {
    let before = times();
    let picture = Luma { width: grey.width(), height: grey.height(), data: grey.as_raw() };
    let answer = colophon_image::read_label(Path::new(tool), &picture, &Limits::default());
    let after = times();
    let text = match answer {
        Observation::Label { state: State::Present, evidence, .. } => evidence.and_then(|e| e.text),
        _ => None,
    };
    (text, (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1)))
}

fn times() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .map(|v| v.parse().unwrap_or(0))
        .collect();
    let ticks = |a: usize, b: usize| {
        Duration::from_millis(10 * (fields.get(a).unwrap_or(&0) + fields.get(b).unwrap_or(&0)))
    };
    (ticks(10, 11), ticks(12, 13))
}
