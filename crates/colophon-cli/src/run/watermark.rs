//! `colophon watermark`.

use std::path::Path;
use std::time::Instant;

use colophon::exit::Exit;
use colophon::{Error, ErrorKind, State, WatermarkEvidence, WatermarkSpec, WatermarkStream};
use serde_json::json;

use crate::advice::Failure;
use crate::args::WatermarkCommand;
use crate::files::{self, Input};
use crate::output::{human, json};
use crate::signer;

pub(super) fn run(command: &WatermarkCommand) -> Result<Exit, Failure> {
    match command {
        WatermarkCommand::Embed { input, output, payload, key, strength, force, json } => {
            let spec = WatermarkSpec {
                payload: parse_payload(payload)?,
                key: secret(key.as_deref())?,
                strength: strength.name().to_owned(),
            };
            let (bytes, options) = open(input)?;
            let start = Instant::now();
            let (marked, record) =
                colophon::embed_watermark(&bytes, &spec, &options).map_err(|e| Failure::from(e).on(input))?;
            let seconds = start.elapsed().as_secs_f64();
            if output.as_os_str() == "-" {
                files::write_stdout(&marked, false)?;
                return Ok(Exit::Ok);
            }
            let force = *force || same_file(input, output);
            keep_beside(input, output, &marked, &options, force)?;
            files::write_atomically(output, &marked, force)?;
            if *json {
                json::pretty(&json!({"record": record, "timing": {"embed_s": seconds}}));
            } else {
                let quality = record.quality.as_deref().unwrap_or("");
                human::status(
                    human::Word::Ok,
                    &output.display().to_string(),
                    &format!("{} payload {} {quality}", record.scheme, record.payload),
                );
            }
            Ok(Exit::Ok)
        }
        WatermarkCommand::Detect { input, key, json } => {
            let (bytes, options) = open(input)?;
            let key = secret(key.as_deref())?;
            let start = Instant::now();
            let found = colophon::detect_watermark(&bytes, key.as_deref(), &options)
                .map_err(|e| Failure::from(e).on(input))?;
            let seconds = start.elapsed().as_secs_f64();
            let is_found = found.state.is_there();
            let e = found.evidence.unwrap_or_default();
            let p = found.confidence.as_ref().and_then(|c| c.log10_p);
            if *json {
                json::pretty(&json!({
                    "found": is_found,
                    "payload": if is_found { e.payload.as_deref() } else { None },
                    "log10_p": p.unwrap_or(0.0),
                    "score": found.confidence.as_ref().map(|c| c.score),
                    "scheme": e.scheme,
                    "channels": channels(&e),
                    "segments": e.segments,
                    "not_checked": found.why,
                    "timing": {"detect_s": seconds},
                }));
            } else {
                let (word, text) = match (found.state, found.why) {
                    (s, _) if s.is_there() => (
                        human::Word::Ok,
                        format!("{} payload {}", e.scheme, e.payload.as_deref().unwrap_or("none")),
                    ),
                    (State::NotChecked, why) => {
                        (human::Word::Unknown, why.map_or("not checked", human::why_words).to_owned())
                    }
                    _ => (human::Word::Fail, "no watermark under this key".to_owned()),
                };
                human::status(word, &input.display().to_string(), &text);
            }
            Ok(if is_found { Exit::Ok } else { Exit::Finding })
        }
    }
}

/// Payloads by the sense they are read with: `image`, `audio` or `video`, as the name of the scheme says.
fn channels(e: &WatermarkEvidence) -> serde_json::Map<String, serde_json::Value> {
    let one = || WatermarkStream {
        scheme: e.scheme.clone(),
        payload: e.payload.clone(),
        ..WatermarkStream::default()
    };
    let streams = if e.streams.is_empty() { vec![one()] } else { e.streams.clone() };
    let name = |scheme: &str| Some(scheme.strip_prefix("org.colophon.")?.split('.').next()?.to_owned());
    streams.into_iter().filter_map(|s| Some((name(&s.scheme)?, json!(s.payload)))).collect()
}

fn open(path: &Path) -> Result<(Vec<u8>, colophon::Options), Failure> {
    let options = super::options(&[])?.with_name(path.display().to_string());
    let input = Input { path: path.to_owned(), relative: path.to_owned() };
    Ok((input.read(options.limits.input_bytes)?, options))
}

/// A manifest beside the input goes on standing beside the output, as an embedded one goes on standing in it: it does not hold any
/// more, and is still evidence of what was received.
fn keep_beside(
    input: &Path,
    output: &Path,
    marked: &[u8],
    options: &colophon::Options,
    force: bool,
) -> Result<(), Failure> {
    let format = colophon::registry().probe_source(&marked, options.hint.as_deref())?;
    let beside = format.is_some_and(|f| matches!(f.info().carrier, colophon::Carrier::Sidecar(_)));
    let (Some(from), to) = (files::sidecar_of(input).filter(|_| beside), files::appended(output, ".c2pa"))
    else {
        return Ok(());
    };
    if same_file(&from, &to) {
        return Ok(());
    }
    let store = std::fs::read(&from).map_err(|e| Failure::from(e).on(&from))?;
    files::write_atomically(&to, &store, force)
}

fn secret(uri: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    let Some(uri) = uri else { return Ok(None) };
    Ok(signer::secrets(&[uri.to_owned()])?.pop())
}

fn parse_payload(hex: &str) -> Result<u64, Failure> {
    (hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| u64::from_str_radix(hex, 16).ok())
        .flatten()
        .ok_or_else(|| Error::new(ErrorKind::Usage, "a payload is 16 hex digits").into())
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
