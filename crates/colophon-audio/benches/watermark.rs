//! How many seconds of sound one core marks and reads per second.
//!
//! `cargo bench -p colophon-audio --bench watermark`. Best of five runs each, sound already in memory. On Linux the time
//! is that of the thread on a processor, so that neighbours do not count.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use colophon_audio::watermark::{DetectOptions, EmbedOptions, detect, embed};
use colophon_signal::key::MarkKey;
use std::time::Instant;

const SECONDS: usize = 60;

fn main() {
    let key = MarkKey::public();
    println!("{:<12} {:>12} {:>18} {:>14}", "sound", "embed", "detect, marked", "full search");
    for (name, rate, channels) in
        [("16 kHz mono", 16_000u32, 1u16), ("44.1 stereo", 44_100, 2), ("48 stereo", 48_000, 2)]
    {
        let clean = sound(rate, channels);
        let mut marked = clean.clone();
        let writing = best(|| {
            marked.clone_from(&clean);
            embed(&mut marked, rate, channels, 1, &key, &EmbedOptions::default()).unwrap();
        });
        let options = DetectOptions::default();
        let reading = best(|| assert!(detect(&marked, rate, channels, &key, &options).found));
        let searching = best(|| assert!(!detect(&clean, rate, channels, &key, &options).found));
        println!("{name:<12} {writing:>10.0} × {reading:>16.0} × {searching:>12.0} ×");
    }
}

/// Seconds of sound per second, best of five.
fn best(mut run: impl FnMut()) -> f64 {
    let shortest = (0..5)
        .map(|_| {
            let (start, start_cpu) = (Instant::now(), on_processor());
            run();
            let elapsed = start.elapsed().as_secs_f64();
            on_processor().zip(start_cpu).map_or(elapsed, |(now, then)| now - then)
        })
        .fold(f64::INFINITY, f64::min);
    SECONDS as f64 / shortest
}

/// Seconds this thread has run so far, where the system tells: the first field of its `schedstat`, in nanoseconds.
fn on_processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(|nanoseconds: f64| nanoseconds * 1e-9)
}

/// Noise in syllables.
fn sound(rate: u32, channels: u16) -> Vec<i16> {
    let mut state = 1u32;
    let mut samples = Vec::new();
    for n in 0..SECONDS * rate as usize {
        let loudness = 3000.0 + 9000.0 * (n as f32 / rate as f32 * 20.0).sin().max(0.0);
        for _ in 0..channels {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            samples.push(((state >> 8) as f32 / (1 << 23) as f32 * loudness - loudness) as i16);
        }
    }
    samples
}
