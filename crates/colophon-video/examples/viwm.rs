//! The video watermark on raw frames, for measurements: planes in, planes or a line of JSON out.
//!
//! ```text
//! viwm embed WIDTH HEIGHT FRAMES_PER_SECOND PAYLOAD [STRENGTH [SECRET]]   yuv420p on standard input, the same marked on output
//! viwm detect WIDTH HEIGHT FRAMES_PER_SECOND [SECRET]                     gray on standard input
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{Read, Write};

use colophon_signal::key::MarkKey;
use colophon_video::watermark::{FrameMarker, FrameReader, MarkerOptions, Plane, Strength};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |n: usize| args.get(n).map(String::as_str);
    let number = |n: usize| -> Result<usize, String> {
        arg(n).and_then(|a| a.parse().ok()).ok_or_else(|| format!("argument {} is no number", n + 1))
    };
    let (width, height) = (number(1)?, number(2)?);
    let rate: f64 = arg(3).unwrap_or("25").parse()?;
    let key = |secret: Option<&str>| match secret {
        Some(secret) => MarkKey::from_secret(secret.as_bytes()),
        None => Ok(MarkKey::public()),
    };
    let mut input = std::io::stdin().lock();
    match arg(0) {
        Some("embed") => {
            let payload = u64::from_str_radix(arg(4).ok_or("a payload is missing")?, 16)?;
            let strength = match arg(5) {
                Some("gentle") => Strength::Gentle,
                Some("strong") => Strength::Strong,
                _ => Strength::Default,
            };
            let options = MarkerOptions::with_strength(strength);
            let mut marker = FrameMarker::new(width, height, payload, &key(arg(6))?, &options)?;
            let mut frame = vec![0; width * height + 2 * (width.div_ceil(2) * height.div_ceil(2))];
            let mut output = std::io::stdout().lock();
            while input.read_exact(&mut frame).is_ok() {
                let at = marker.frames() as f64 / rate;
                marker.push(Plane::U8 { samples: &mut frame, stride: width }, at)?;
                output.write_all(&frame)?;
            }
            eprintln!("{} frames, {:.2} dB", marker.frames(), marker.psnr_db());
        }
        Some("detect") => {
            let mut reader = FrameReader::new(width, height, &key(arg(4))?).ok_or("an empty frame")?;
            let mut frame = vec![0; width * height];
            let mut n = 0;
            while input.read_exact(&mut frame).is_ok() {
                reader.push(&frame, f64::from(n) / rate);
                n += 1;
            }
            let r = reader.finish();
            let payload = r.payload.map_or("null".to_owned(), |p| format!("\"{p:016x}\""));
            println!(
                "{{\"payload\": {payload}, \"z\": {:.2}, \"log10_p\": {:.1}, \"segments\": {:?}}}",
                r.z,
                r.log10_p,
                r.segments.iter().map(|s| [s.start_s, s.end_s]).collect::<Vec<_>>()
            );
        }
        _ => return Err("embed or detect".into()),
    }
    Ok(())
}
