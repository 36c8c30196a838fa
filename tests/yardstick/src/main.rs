//! `yardstick IN OUT`: decodes a JPEG, PNG, WAV or FLAC file and encodes it again, with the libraries and settings that
//! marking uses, and does nothing else.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr)]

use std::error::Error;
use std::io::Cursor;
use std::path::Path;
use std::process::ExitCode;

use flacenc::component::BitRepr;
use flacenc::error::Verify;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::default::formats::FlacReader;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.as_slice() {
        [input, output] => recode(Path::new(input), Path::new(output)),
        _ => Err("usage: yardstick IN OUT".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn recode(input: &Path, output: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(input)?;
    let out = match input.extension().and_then(|e| e.to_str()) {
        Some("jpg") => jpeg(&bytes)?,
        Some("png") => png(&bytes)?,
        Some("wav") => wav(&bytes)?,
        Some("flac") => flac(bytes)?,
        _ => return Err("a .jpg, .png, .wav or .flac file".into()),
    };
    Ok(std::fs::write(output, out)?)
}

fn jpeg(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(bytes));
    let pixels = decoder.decode().map_err(|e| format!("{e:?}"))?;
    let (width, height) = decoder.dimensions().ok_or("no dimensions")?;
    let mut out = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, 90);
    let [first, second] = tables(bytes);
    let custom = |t: [u16; 64]| jpeg_encoder::QuantizationTableType::Custom(Box::new(t));
    encoder.set_quantization_tables(custom(first), custom(second));
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.set_chroma_subsampling_method(jpeg_encoder::ChromaSubsamplingMethod::Average);
    encoder.encode(&pixels, u16::try_from(width)?, u16::try_from(height)?, jpeg_encoder::ColorType::Rgb)?;
    Ok(out)
}

/// Order in which the steps of a table stand in the file (T.81, figure A.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The quantisation tables 0 and 1 of a file, natural order.
fn tables(bytes: &[u8]) -> [[u16; 64]; 2] {
    let mut tables = [[1; 64]; 2];
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        let len = usize::from(u16::from_be_bytes([high, low]));
        if marker == 0xdb {
            for part in bytes.get(at + 4..at + 2 + len).unwrap_or_default().chunks_exact(65) {
                let (Some((id, values)), true) = (part.split_first(), part.len() == 65) else { continue };
                if let Some(table) = tables.get_mut(usize::from(id & 1)) {
                    for (place, v) in ZIGZAG.iter().zip(values) {
                        table[usize::from(*place)] = u16::from(*v);
                    }
                }
            }
        }
        if marker == 0xda {
            break;
        }
        at += 2 + len;
    }
    // A file with one table uses it for both.
    if tables[1] == [1; 64] {
        tables[1] = tables[0];
    }
    tables
}

fn png(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let info = reader.next_frame(&mut pixels)?;
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, info.width, info.height);
    encoder.set_color(info.color_type);
    encoder.set_depth(info.bit_depth);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels.get(..info.buffer_size()).unwrap_or_default())?;
    writer.finish()?;
    Ok(out)
}

fn wav(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes))?;
    let mut out = Cursor::new(Vec::with_capacity(bytes.len()));
    let mut writer = hound::WavWriter::new(&mut out, reader.spec())?;
    for sample in reader.samples::<i16>() {
        writer.write_sample(sample?)?;
    }
    writer.finalize()?;
    Ok(out.into_inner())
}

fn flac(bytes: Vec<u8>) -> Result<Vec<u8>, Box<dyn Error>> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let mut reader = FlacReader::try_new(stream, FormatOptions::default())?;
    let track = reader.default_track(TrackType::Audio).ok_or("no sound")?;
    let params = track.codec_params.as_ref().and_then(|p| p.audio()).ok_or("no sound")?;
    let rate = params.sample_rate.ok_or("no rate")?;
    let bits = params.bits_per_sample.ok_or("no depth")?;
    let mut codec =
        symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())?;
    let (mut wide, mut samples, mut channels) = (Vec::new(), Vec::new(), 0);
    while let Some(packet) = reader.next_packet()? {
        let buffer = codec.decode(&packet)?;
        channels = buffer.num_planes();
        buffer.copy_to_vec_interleaved::<i32>(&mut wide);
        samples.extend(wide.iter().map(|s| s >> (32 - bits)));
    }
    let mut config = flacenc::config::Encoder::default();
    config.subframe_coding.use_fixed = false;
    config.subframe_coding.qlpc.lpc_order = 8;
    let config = config.into_verified().map_err(|(_, e)| e.to_string())?;
    let source = flacenc::source::MemSource::from_samples(&samples, channels, bits as usize, rate as usize);
    let stream =
        flacenc::encode_with_fixed_block_size(&config, source, 4096).map_err(|e| format!("{e:?}"))?;
    let mut sink = flacenc::bitsink::ByteSink::new();
    stream.write(&mut sink).map_err(|e| format!("{e:?}"))?;
    Ok(sink.as_slice().to_vec())
}
