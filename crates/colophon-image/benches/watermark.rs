//! Time of marking and reading pixels in memory, on one core: `cargo bench -p colophon-image --bench watermark`.
//!
//! The best of several rounds is printed, in processor time where the system tells it (Linux) and wall time elsewhere: on a
//! shared machine that is the least disturbed figure.
#![allow(clippy::expect_used, reason = "a benchmark may stop")]
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use colophon_image::watermark::{DetectOptions, EmbedOptions, Pixels, PixelsMut, Reader, embed};
use colophon_signal::key::MarkKey;
use std::time::Instant;

fn main() {
    // as the command does: glibc then uses large buffers again instead of giving them back
    drop(std::hint::black_box(Vec::<u8>::with_capacity((32 << 20) - (64 << 10))));
    let key = MarkKey::public();
    let reader = Reader::new(&key);
    println!(
        "{:>12} {:>7} {:>12} {:>10} {:>14} {:>12}",
        "size", "MP", "embed ms/MP", "read ms", "read crop ms", "unmarked ms"
    );
    for (width, height) in [(512, 512), (768, 512), (1024, 1024), (2048, 1365), (4000, 3000)] {
        let picture = scene(width, height);
        let megapixels = (width * height) as f64 / 1e6;
        let mut marked = picture.clone();
        let write = best(3, || {
            marked.copy_from_slice(&picture);
            let mut pixels = PixelsMut::packed8(&mut marked, width, height, 3).expect("layout");
            embed(&mut pixels, 0x0123_4567_89ab_cdef, &key, &EmbedOptions::default()).expect("embed");
        });
        let read = |samples: &[u8], width: usize, height: usize, want: bool| {
            best(3, || {
                let pixels = Pixels::packed8(samples, width, height, 3).expect("layout");
                let detection = reader.detect(&pixels, &DetectOptions::default());
                assert_eq!(detection.found, want, "{detection:?}");
            })
        };
        let whole = read(&marked, width, height, true);
        let (cw, ch) = (width * 3 / 4, height * 3 / 4);
        let rows = marked.chunks_exact(width * 3).skip(height / 8).take(ch);
        let crop: Vec<u8> = rows.flat_map(|r| r[width / 8 * 3..][..cw * 3].to_vec()).collect();
        let cropped = read(&crop, cw, ch, true);
        let nothing = read(&picture, width, height, false);
        println!(
            "{width:>7}x{height:<4} {megapixels:>7.2} {:>12.1} {whole:>10.1} {cropped:>14.1} {nothing:>12.1}",
            write / megapixels
        );
    }
}

/// Milliseconds per run in the fastest of `rounds` rounds. A round lasts long enough for a clock that ticks every 4 ms.
fn best(rounds: usize, mut work: impl FnMut()) -> f64 {
    let wall = Instant::now();
    let now = || processor_ms().unwrap_or_else(|| wall.elapsed().as_secs_f64() * 1e3);
    let mut round = || {
        let (start, mut runs) = (now(), 0);
        while runs < 2 || now() - start < 100.0 {
            work();
            runs += 1;
        }
        (now() - start) / f64::from(runs)
    };
    (0..rounds).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// Processor time of this thread in milliseconds.
fn processor_ms() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e6)
}

/// Blobs, gradients and grain: something a mask and a search have work with.
fn scene(width: usize, height: usize) -> Vec<u8> {
    let mut grain = MarkKey::public().stream("bench/scene");
    let blobs: Vec<[f32; 6]> = (0..40).map(|_| std::array::from_fn(|_| grain.unit_f64() as f32)).collect();
    let mut out = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let mut colour = [60.0 + 90.0 * u, 110.0, 160.0 - 80.0 * v];
            for blob in &blobs {
                let distance = ((u - blob[0]).powi(2) + (v - blob[1]).powi(2)) / (0.002 + 0.02 * blob[2]);
                let weight = if distance < 1.0 { 70.0 * (1.0 - distance) } else { 0.0 };
                for (c, b) in colour.iter_mut().zip(&blob[3..]) {
                    *c += weight * (b - 0.5);
                }
            }
            let noise = (grain.next_u32() % 17) as f32 - 8.0;
            out.extend(colour.map(|c| (c + noise) as u8));
        }
    }
    out
}
