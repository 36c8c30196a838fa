//! Marks and reads WAV files from the command line, for measurements.
//!
//! ```text
//! auwm embed IN.wav -o OUT.wav --payload 16-HEX-DIGITS --key SECRET [--strength S]
//! auwm detect IN.wav --key SECRET [--no-warp]
//! ```
//!
//! SECRET is `public`, `hex:…`, or the secret itself; `cmd:printf %s SECRET` is read as SECRET, so that the argument line of
//! the finished command serves here too. `detect` prints one JSON object; exit code 0 found, 1 not found, 3 unreadable.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use colophon_audio::watermark::{DetectOptions, Detection, EmbedOptions, SCHEME, detect, embed};
use colophon_signal::key::MarkKey;
use hound::{SampleFormat, WavReader, WavWriter};
use std::error::Error;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufReader, Read};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("auwm: {error}");
            std::process::exit(3);
        }
    }
}

fn run(arguments: &[String]) -> Result<i32, Box<dyn Error>> {
    let option = |name: &str| {
        arguments
            .iter()
            .position(|argument| argument == name)
            .and_then(|at| arguments.get(at + 1))
            .map(String::as_str)
    };
    let (Some(verb), Some(input)) = (arguments.first(), arguments.get(1)) else {
        return Err("expected: auwm embed|detect IN.wav …".into());
    };
    let key = key(option("--key").unwrap_or("public"))?;
    match verb.as_str() {
        "embed" => {
            let output = option("-o").ok_or("expected -o OUT.wav")?;
            let payload = u64::from_str_radix(option("--payload").ok_or("expected --payload HEX")?, 16)?;
            let strength = option("--strength").map_or(Ok(1.0), str::parse)?;
            mark(input, output, payload, &key, EmbedOptions::with_strength(strength))?;
            Ok(0)
        }
        "detect" => {
            let mut options = DetectOptions::default();
            options.warped = !arguments.iter().any(|argument| argument == "--no-warp");
            read(input, &key, options)
        }
        other => Err(format!("unknown verb {other}").into()),
    }
}

fn key(text: &str) -> Result<MarkKey, Box<dyn Error>> {
    if text == "public" {
        return Ok(MarkKey::public());
    }
    let secret = text.strip_prefix("cmd:printf %s ").unwrap_or(text);
    Ok(MarkKey::from_secret(secret.as_bytes())?)
}

fn mark(
    input: &str,
    output: &str,
    payload: u64,
    key: &MarkKey,
    options: EmbedOptions,
) -> Result<(), Box<dyn Error>> {
    let mut reader = WavReader::open(input)?;
    let spec = reader.spec();
    let mut writer = WavWriter::create(output, spec)?;
    match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Float, _) => {
            let mut samples = reader.samples::<f32>().collect::<Result<Vec<_>, _>>()?;
            embed(&mut samples, spec.sample_rate, spec.channels, payload, key, &options)?;
            samples.into_iter().try_for_each(|sample| writer.write_sample(sample))?;
        }
        (SampleFormat::Int, 16) => {
            let mut samples = samples16(reader)?;
            embed(&mut samples, spec.sample_rate, spec.channels, payload, key, &options)?;
            let mut writer = writer.get_i16_writer(samples.len() as u32);
            for sample in samples {
                writer.write_sample(sample);
            }
            writer.flush()?;
        }
        (SampleFormat::Int, bits) => {
            let shift = 32 - u32::from(bits);
            let mut samples = reader.samples::<i32>().collect::<Result<Vec<_>, _>>()?;
            for sample in &mut samples {
                *sample <<= shift;
            }
            embed(&mut samples, spec.sample_rate, spec.channels, payload, key, &options)?;
            samples.into_iter().try_for_each(|sample| writer.write_sample(sample >> shift))?;
        }
    }
    writer.finalize()?;
    Ok(())
}

fn read(input: &str, key: &MarkKey, options: DetectOptions) -> Result<i32, Box<dyn Error>> {
    let mut reader = WavReader::open(input)?;
    let spec = reader.spec();
    if (spec.sample_format, spec.bits_per_sample) == (SampleFormat::Int, 16) {
        let samples = samples16(reader)?;
        return print(&detect(&samples, spec.sample_rate, spec.channels, key, &options));
    }
    let samples = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<Vec<_>, _>>()?,
        SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample - 1)) as f32;
            reader
                .samples::<i32>()
                .map(|sample| Ok(sample? as f32 * scale))
                .collect::<Result<Vec<_>, hound::Error>>()?
        }
    };
    print(&detect(&samples, spec.sample_rate, spec.channels, key, &options))
}

/// 16-bit samples, read as one block: sample by sample the reading would take longer than the watermark.
fn samples16(reader: WavReader<BufReader<File>>) -> Result<Vec<i16>, Box<dyn Error>> {
    let length = reader.len() as usize * 2;
    let mut bytes = Vec::new();
    reader.into_inner().take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

fn print(result: &Detection) -> Result<i32, Box<dyn Error>> {
    let payload = result.payload.map_or("null".to_owned(), |payload| format!("\"{payload:016x}\""));
    let mut segments = String::new();
    for segment in &result.segments {
        let comma = if segments.is_empty() { "" } else { "," };
        write!(segments, "{comma}[{:.3},{:.3}]", segment.start_s, segment.end_s)?;
    }
    let (frequency, duration) = result.warp.map_or((1.0, 1.0), |warp| (warp.frequency, warp.duration));
    println!(
        "{{\"found\":{},\"payload\":{payload},\"log10_p\":{:.3},\"confidence\":{:.3},\"scheme\":\"{SCHEME}\",\
         \"segments\":[{segments}],\"presence_only\":{},\"frequency\":{frequency:.4},\"duration\":{duration:.4},\
         \"not_checked\":{}}}",
        result.found,
        result.log10_p,
        -result.log10_p,
        result.presence_only,
        result.not_checked.map_or("null".to_owned(), |why| format!("\"{why:?}\"")),
    );
    Ok(i32::from(!result.found))
}
