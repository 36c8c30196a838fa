//! The image watermark alone, for benches and experts.
//!
//! ```text
//! imwm embed IN -o OUT.png --payload HEX --key KEY [--strength gentle|default|strong]
//! imwm detect IN --key KEY [--deep] [--json]
//! imwm pipe
//! ```
//!
//! `KEY` is `public`, `hex:DIGITS`, or `cmd:COMMAND` (its output is the secret). Exit: 0 found, 1 not found, 3 unreadable.
//!
//! `pipe` serves a bench without starting a process per picture: on standard input a line
//! `embed WIDTH HEIGHT PAYLOAD STRENGTH KEYHEX` or `detect WIDTH HEIGHT EFFORT KEYHEX` (`-` for the public key), then
//! `3 * WIDTH * HEIGHT` bytes; on standard output a line of JSON, after `embed` followed by as many bytes.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

use colophon_image::watermark::{
    DetectOptions, Detection, Effort, EmbedOptions, Pixels, PixelsMut, Reader, SCHEME, Strength, embed,
};
use colophon_signal::key::MarkKey;
use std::error::Error;
use std::io::{BufRead, Read, Write};
use std::process::{Command, ExitCode};
use std::time::Instant;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("embed") => run_embed(&args[1..]),
        Some("detect") => run_detect(&args[1..]),
        Some("pipe") => run_pipe(),
        _ => Err("usage: imwm embed|detect|pipe".into()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("imwm: {error}");
        ExitCode::from(3)
    })
}

fn run_embed(args: &[String]) -> Fallible<ExitCode> {
    let payload = u64::from_str_radix(option(args, "--payload")?, 16)?;
    let key = key_of(option(args, "--key")?)?;
    let options = EmbedOptions::with_strength(strength(option(args, "--strength").unwrap_or("default"))?);
    let picture = image::open(args.first().ok_or("no input")?)?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (mut samples, channels, colour) = if picture.color().has_alpha() {
        (picture.into_rgba8().into_raw(), 4, image::ExtendedColorType::Rgba8)
    } else {
        (picture.into_rgb8().into_raw(), 3, image::ExtendedColorType::Rgb8)
    };
    let embedded =
        embed(&mut PixelsMut::packed8(&mut samples, width, height, channels)?, payload, &key, &options)?;
    image::save_buffer(option(args, "-o")?, &samples, width as u32, height as u32, colour)?;
    eprintln!("{embedded:?}");
    Ok(ExitCode::SUCCESS)
}

fn run_detect(args: &[String]) -> Fallible<ExitCode> {
    let key = key_of(option(args, "--key")?)?;
    let effort = if args.iter().any(|a| a == "--deep") { Effort::Deep } else { Effort::Default };
    let picture = image::open(args.first().ok_or("no input")?)?.into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let start = Instant::now();
    let pixels = Pixels::packed8(picture.as_raw(), width, height, 3)?;
    let detection = Reader::new(&key).detect(&pixels, &DetectOptions::with_effort(effort));
    println!("{}", json(&detection, start.elapsed().as_secs_f64()));
    Ok(if detection.found { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn run_pipe() -> Fallible<ExitCode> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut line = String::new();
    let mut readers: Vec<(String, Reader)> = Vec::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |i: usize| words.get(i).copied().ok_or("short line");
        let (width, height): (usize, usize) = (word(1)?.parse()?, word(2)?.parse()?);
        let mut samples = vec![0u8; width * height * 3];
        input.read_exact(&mut samples)?;
        if word(0)? == "embed" {
            let (payload, options) =
                (u64::from_str_radix(word(3)?, 16)?, EmbedOptions::with_strength(strength(word(4)?)?));
            let key = hex_key(word(5)?)?;
            let start = Instant::now();
            match embed(&mut PixelsMut::packed8(&mut samples, width, height, 3)?, payload, &key, &options) {
                Ok(done) => writeln!(
                    output,
                    r#"{{"psnr":{},"period":{},"flat":{},"seconds":{}}}"#,
                    done.psnr_db,
                    done.period,
                    done.flat_deviation,
                    start.elapsed().as_secs_f64()
                )?,
                Err(error) => writeln!(output, r#"{{"error":"{error}"}}"#)?,
            }
            output.write_all(&samples)?;
        } else {
            let (effort, name) =
                (if word(3)? == "deep" { Effort::Deep } else { Effort::Default }, word(4)?.to_owned());
            let at = if let Some(at) = readers.iter().position(|(n, _)| *n == name) {
                at
            } else {
                readers.push((name.clone(), Reader::new(&hex_key(&name)?)));
                readers.len() - 1
            };
            let start = Instant::now();
            let pixels = Pixels::packed8(&samples, width, height, 3)?;
            let detection = readers[at].1.detect(&pixels, &DetectOptions::with_effort(effort));
            writeln!(output, "{}", json(&detection, start.elapsed().as_secs_f64()))?;
        }
        output.flush()?;
    }
}

fn json(detection: &Detection, seconds: f64) -> String {
    let payload = detection.payload.map_or("null".into(), |p| format!("\"{p:016x}\""));
    format!(
        r#"{{"found":{},"payload":{payload},"z":{:.3},"log10_p":{:.2},"scheme":"{SCHEME}","layer":"{:?}","not_checked":"{:?}","timing":{{"detect_s":{seconds:.6}}}}}"#,
        detection.found, detection.z, detection.log10_p, detection.layer, detection.not_checked
    )
}

fn option<'a>(args: &'a [String], name: &str) -> Fallible<&'a str> {
    let at = args.iter().position(|a| a == name).ok_or_else(|| format!("{name} is missing"))?;
    Ok(args.get(at + 1).ok_or_else(|| format!("{name} needs a value"))?)
}

fn strength(name: &str) -> Fallible<Strength> {
    match name {
        "gentle" => Ok(Strength::Gentle),
        "default" => Ok(Strength::Default),
        "strong" => Ok(Strength::Strong),
        other => Err(format!("no strength is called {other}").into()),
    }
}

fn key_of(uri: &str) -> Fallible<MarkKey> {
    if uri == "public" {
        return Ok(MarkKey::public());
    }
    if let Some(command) = uri.strip_prefix("cmd:") {
        let out = Command::new("sh").arg("-c").arg(command).output()?;
        return Ok(MarkKey::from_secret(&out.stdout)?);
    }
    hex_key(uri.strip_prefix("hex:").unwrap_or(uri))
}

fn hex_key(digits: &str) -> Fallible<MarkKey> {
    if digits == "-" {
        return Ok(MarkKey::public());
    }
    let bytes: Result<Vec<u8>, _> = (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(digits.get(i..i + 2).unwrap_or(""), 16))
        .collect();
    Ok(MarkKey::from_secret(&bytes?)?)
}
