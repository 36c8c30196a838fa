//! Counts false positives of the image watermark on pictures without the mark.
//!
//! ```text
//! imwm_trials TRIALS[:SEED] [PICTURE...]
//! ```
//!
//! Every trial reads one unmarked picture, every 20 trials with a new key: crops, at a random scale, of the pictures given, bare or
//! marked with another key, and drawn patterns that are periodic like the mark: halftones, screens, weaves, tiles, gratings,
//! noise. Prints one line of JSON: trials and finds per kind, and the smallest bound and largest `z` met.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

use colophon_image::watermark::{DetectOptions, EmbedOptions, Pixels, PixelsMut, Reader, embed};
use colophon_signal::key::{KeyStream, MarkKey};
use std::error::Error;
use std::f64::consts::TAU;

/// A picture of 8-bit red, green and blue.
struct Picture {
    width: usize,
    height: usize,
    samples: Vec<u8>,
}

/// Trials per key; the first ones read with the public key.
const KEY_TRIALS: usize = 20;
const KINDS: [&str; 8] = ["crop", "wrong key", "halftone", "screen", "weave", "tiles", "gratings", "noise"];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let first = args.first().ok_or("usage: imwm_trials TRIALS[:SEED] [PICTURE...]")?;
    let (trials, seed) = first.split_once(':').unwrap_or((first, "0"));
    let trials: usize = trials.parse()?;
    let mut photos = Vec::new();
    for path in &args[1..] {
        let picture = image::open(path)?.into_rgb8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        photos.push(Picture { width, height, samples: picture.into_raw() });
    }
    let mut draw = MarkKey::from_secret(format!("trials {seed}").as_bytes())?.stream("trials");
    let (mut counts, mut finds) = ([0usize; KINDS.len()], [0usize; KINDS.len()]);
    let (mut least, mut largest) = (0f64, 0f64);
    let mut reader = Reader::new(&MarkKey::public());
    for trial in 0..trials {
        // half of the trials on real pictures, if there are any
        let kind = match trial % 12 {
            0..6 if !photos.is_empty() => trial % 2,
            n => 2 + n % (KINDS.len() - 2),
        };
        let mut picture = match photos.get(draw.below(photos.len().max(1) as u32) as usize) {
            Some(photo) if kind < 2 => crop(photo, &mut draw),
            _ => pattern(kind, &mut draw),
        };
        let (width, height) = (picture.width, picture.height);
        if kind == 1 {
            let other = MarkKey::from_secret(format!("other {seed} {trial}").as_bytes())?;
            let mut pixels = PixelsMut::packed8(&mut picture.samples, width, height, 3)?;
            // a crop that cannot be marked is tried as it is
            let _ = embed(&mut pixels, draw.next_u64(), &other, &EmbedOptions::default());
        }
        if trial % KEY_TRIALS == KEY_TRIALS - 1 {
            reader = Reader::new(&MarkKey::from_secret(format!("reader {seed} {trial}").as_bytes())?);
        }
        let pixels = Pixels::packed8(&picture.samples, width, height, 3)?;
        let detection = reader.detect(&pixels, &DetectOptions::default());
        counts[kind] += 1;
        finds[kind] += usize::from(detection.found);
        (least, largest) = (least.min(detection.log10_p), largest.max(detection.z));
        if detection.found {
            eprintln!("trial {trial} ({}): {detection:?}", KINDS[kind]);
        }
        if (trial + 1).is_multiple_of(500) {
            eprintln!("{} trials, {} found", trial + 1, finds.iter().sum::<usize>());
        }
    }
    let kinds: Vec<String> = (0..KINDS.len())
        .map(|i| format!(r#""{}":{{"trials":{},"found":{}}}"#, KINDS[i], counts[i], finds[i]))
        .collect();
    println!(
        r#"{{"trials":{trials},"found":{},"least_log10_p":{least:.2},"largest_z":{largest:.2},"kinds":{{{}}}}}"#,
        finds.iter().sum::<usize>(),
        kinds.join(",")
    );
    Ok(())
}

/// A random part of a picture at a random scale, by nearest neighbour.
fn crop(photo: &Picture, draw: &mut KeyStream) -> Picture {
    let scale = 0.5 + 1.5 * draw.unit_f64();
    let side = |full: usize, draw: &mut KeyStream| {
        (200 + draw.below(360) as usize).min((full as f64 * scale) as usize).max(1)
    };
    let (width, height) = (side(photo.width, draw), side(photo.height, draw));
    let span = |full: usize, part: usize| full - ((part as f64 / scale) as usize).min(full);
    let left = draw.below(span(photo.width, width) as u32 + 1) as usize;
    let top = draw.below(span(photo.height, height) as u32 + 1) as usize;
    let mut samples = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        let row = (top + (y as f64 / scale) as usize).min(photo.height - 1);
        for x in 0..width {
            let column = (left + (x as f64 / scale) as usize).min(photo.width - 1);
            samples.extend_from_slice(&photo.samples[(row * photo.width + column) * 3..][..3]);
        }
    }
    Picture { width, height, samples }
}

/// A drawn pattern of the given kind with random period, turn and grain.
fn pattern(kind: usize, draw: &mut KeyStream) -> Picture {
    let (width, height) = (200 + draw.below(360) as usize, 200 + draw.below(360) as usize);
    let turn = TAU * draw.unit_f64();
    let (sin, cos) = turn.sin_cos();
    let period = 4.0 + 60.0 * draw.unit_f64() * draw.unit_f64();
    let grain = 20.0 * draw.unit_f64() * draw.unit_f64();
    let waves: Vec<[f64; 4]> = (0..12)
        .map(|_| {
            let (f, a) = (0.02 + 0.3 * draw.unit_f64(), TAU * draw.unit_f64());
            [f * a.cos(), f * a.sin(), TAU * draw.unit_f64(), 4.0 + 12.0 * draw.unit_f64()]
        })
        .collect();
    let side = 24 + draw.below(150) as usize;
    let tile: Vec<f64> = (0..side * side).map(|_| 255.0 * draw.unit_f64()).collect();
    let mut samples = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f64 * cos + y as f64 * sin, y as f64 * cos - x as f64 * sin);
            let (p, q) = ((TAU * u / period).sin(), (TAU * v / period).sin());
            let slope = x as f64 / width as f64;
            let level = match kind {
                2 => 255.0 * f64::from(p + q + 2.0 - 4.0 * slope > 0.0),
                3 => 128.0 + 100.0 * f64::from(p > 0.6) - 100.0 * f64::from(q > 0.6),
                4 => 128.0 + 60.0 * if (u / period).floor() as i64 & 1 == 0 { p } else { q },
                5 => 60.0 + 0.5 * tile[y % side * side + x % side],
                6 => {
                    128.0
                        + waves
                            .iter()
                            .map(|w| w[3] * (TAU * (w[0] * x as f64 + w[1] * y as f64) + w[2]).sin())
                            .sum::<f64>()
                }
                _ => 128.0 + 60.0 * (draw.unit_f64() + draw.unit_f64() - 1.0),
            };
            for _ in 0..3 {
                samples.push((level + grain * (draw.unit_f64() - 0.5)) as u8);
            }
        }
    }
    Picture { width, height, samples }
}
