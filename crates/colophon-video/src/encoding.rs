//! Encoders that the caller chooses.

use colophon_core::{Error, ErrorKind, Result, VideoEncoding};

use crate::probe::Stream;

/// What the names of a codec's encoders in ffmpeg contain.
const FAMILIES: [(&str, &[&str]); 6] = [
    ("h264", &["264"]),
    ("hevc", &["265", "hevc"]),
    ("vp8", &["vpx", "vp8"]),
    ("vp9", &["vp9"]),
    ("av1", &["av1"]),
    ("mpeg4", &["mpeg4", "xvid"]),
];
/// Options by which a constant quality is set, by what the name of the encoder ends with (`ffmpeg -h encoder=NAME`).
const QUALITY: [(&str, &str); 5] = [
    ("_nvenc", "-cq"),
    ("_qsv", "-global_quality"),
    ("_vaapi", "-qp"),
    ("_videotoolbox", "-q"),
    ("mpeg4", "-q"),
];

/// The usual arguments for the stream of this number (`-c:v:N ENCODER …`), changed as the caller asks.
///
/// # Errors
/// `Usage` for an encoder of another codec than the stream's, and for a name that is none; `Unsupported` when static HDR
/// metadata would be lost, which only `libx265` is told.
pub(crate) fn chosen(
    id: &'static str,
    usual: Vec<String>,
    choice: &VideoEncoding,
    stream: &Stream,
    number: usize,
) -> Result<Vec<String>> {
    if *choice == VideoEncoding::default() {
        return Ok(usual);
    }
    let default = usual.get(1).cloned().unwrap_or_default();
    let name = choice.encoder.clone().unwrap_or_else(|| default.clone());
    if let Some(asked) = &choice.encoder {
        fits(id, asked, stream)?;
    }
    let mut out = if name == default {
        usual
    } else {
        if stream.hdr10().is_some() && name != "libx265" {
            let text =
                format!("{name} is not told of the mastering display, which would be lost: use libx265");
            return Err(Error::unsupported(id, text));
        }
        // Of the options of another encoder only the codec's tag means the same to this one.
        let tag = format!("-tag:v:{number}");
        let at = usual.iter().position(|a| *a == tag);
        let kept = at.and_then(|at| usual.get(at..at + 2)).unwrap_or_default();
        [&[format!("-c:v:{number}"), name.clone()], kept].concat()
    };
    let option = QUALITY.iter().find(|(end, _)| name.ends_with(end)).map_or("-crf", |(_, option)| option);
    match (choice.bit_rate, choice.quality) {
        (Some(rate), _) => {
            for old in ["-crf", "-q", "-b", "-maxrate", "-bufsize"] {
                without(&mut out, &format!("{old}:v:{number}"));
            }
            out.extend([format!("-b:v:{number}"), rate.to_string()]);
        }
        (None, Some(quality)) => {
            let flag = format!("{option}:v:{number}");
            without(&mut out, &flag);
            out.extend([flag, quality.to_string()]);
        }
        (None, None) => {}
    }
    Ok(out)
}

fn fits(id: &'static str, name: &str, stream: &Stream) -> Result<()> {
    let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let codec = stream.codec_name.as_str();
    let family = FAMILIES.iter().find(|(c, _)| *c == codec).map_or(&[] as &[&str], |(_, parts)| parts);
    if plain && family.iter().any(|part| name.contains(part)) {
        return Ok(());
    }
    let text = format!("{name:?} is no encoder for {codec}, the codec of this video, which is kept");
    Err(Error::new(ErrorKind::Usage, text).in_format(id))
}

/// Removes an option and its value.
fn without(arguments: &mut Vec<String>, flag: &str) {
    while let Some(at) = arguments.iter().position(|a| a == flag) {
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(codec: &str) -> Stream {
        let mut stream = Stream::default();
        codec.clone_into(&mut stream.codec_name);
        stream
    }

    fn usual() -> Vec<String> {
        [
            "-c:v:0",
            "libx264",
            "-crf:v:0",
            "20",
            "-preset:v:0",
            "veryfast",
            "-maxrate:v:0",
            "9",
            "-bufsize:v:0",
            "9",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn with(choice: &VideoEncoding) -> String {
        chosen("mp4", usual(), choice, &stream("h264"), 0).unwrap().join(" ")
    }

    #[test]
    fn what_is_not_chosen_follows_the_source() {
        assert_eq!(with(&VideoEncoding::default()), usual().join(" "));
        let quality = VideoEncoding { quality: Some(28), ..VideoEncoding::default() };
        assert!(with(&quality).ends_with("-crf:v:0 28") && !with(&quality).contains("-crf:v:0 20"));
        let rate = VideoEncoding { bit_rate: Some(2_000_000), ..VideoEncoding::default() };
        assert_eq!(with(&rate), "-c:v:0 libx264 -preset:v:0 veryfast -b:v:0 2000000");
    }

    #[test]
    fn hardware_encoders_get_their_own_options_only() {
        let nvenc = |quality| VideoEncoding {
            encoder: Some("h264_nvenc".into()),
            quality,
            ..VideoEncoding::default()
        };
        assert_eq!(with(&nvenc(None)), "-c:v:0 h264_nvenc");
        assert_eq!(with(&nvenc(Some(23))), "-c:v:0 h264_nvenc -cq:v:0 23");
    }

    #[test]
    fn an_encoder_of_another_codec_or_no_encoder_is_a_usage_error() {
        for name in ["libx265", "-i", "x264 -i /etc/passwd", "", "h264;rm"] {
            let choice = VideoEncoding { encoder: Some(name.to_owned()), ..VideoEncoding::default() };
            let e = chosen("mp4", usual(), &choice, &stream("h264"), 0).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Usage, "{name}");
        }
    }
}
