//! `colophon text detect`.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

use colophon::exit::Exit;
use colophon::{Error, ErrorKind};
use colophon_tokenmark::text::{Cuts, Form, TextDetector};
use colophon_tokenmark::{Candidate, DetectOptions, Detection, Detector, HotList, METHOD, Outcome, Sample};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ring::{self, Named};
use super::{failure, tokens};
use crate::advice::Failure;
use crate::args::{DetectArgs, TokenArgs};
use crate::files::Input;
use crate::output::{human, json};

/// Longest line of `--jsonl`, in bytes.
const MAX_LINE: u64 = 256 << 20;

pub(super) fn run(args: &DetectArgs) -> Result<Exit, Failure> {
    if args.jsonl {
        return lines(args);
    }
    let named = ring::schemes(&args.ring)?;
    let (names, detector) = detector(args, named)?;
    let tokenizer = tokens::tokenizer(&args.token)?;
    let digest = tokenizer.as_ref().map(|t| t.digest().to_owned());
    let engine = match tokenizer {
        Some(tokenizer) => Engine::Text(Box::new(
            TextDetector::new(tokenizer, detector).map_err(failure)?.with_max_bytes(usize::MAX),
        )),
        None => Engine::Tokens(detector),
    };
    let inputs = if args.inputs.is_empty() { vec![PathBuf::from("-")] } else { args.inputs.clone() };
    let (mut exit, mut all) = (Exit::Ok, Vec::new());
    for path in &inputs {
        let result = engine.detect(path, &args.token);
        exit = exit.and(match &result {
            Ok(found) => found.exit(args.threshold),
            Err(e) => e.exit,
        });
        match (args.json, result) {
            (true, Ok(found)) => all.push(found.json(path, &names, args.threshold, digest.as_deref())),
            (true, Err(e)) => all.push(json::error(&e)),
            (false, Ok(found)) => found.show(path, &names, args.threshold),
            (false, Err(e)) => human::error(&e),
        }
    }
    match (args.json, all.as_slice()) {
        (true, [one]) => json::pretty(one),
        (true, several) => json::pretty(&several),
        _ => {}
    }
    Ok(exit)
}

fn detector(args: &DetectArgs, named: Vec<Named>) -> Result<(Vec<String>, Detector), Failure> {
    let mut options = DetectOptions::default();
    options.vocabulary = args.token.vocabulary;
    if let Some(path) = &args.ignore {
        options.ignore = hot_list(path)?;
    }
    let (names, schemes) = named.into_iter().map(|n| (n.name, n.scheme)).unzip();
    Ok((names, Detector::for_all(schemes, options).map_err(failure)?))
}

fn hot_list(path: &Path) -> Result<HotList, Failure> {
    #[derive(Deserialize)]
    struct File {
        hot: Vec<Hot>,
    }
    #[derive(Deserialize)]
    struct Hot {
        tokens: Vec<u32>,
    }
    let file: File = serde_json::from_slice(&ring::read_small(path)?)
        .map_err(|e| Failure::usage(format!("not a list of `colophon text keyscreen`: {e}")).on(path))?;
    let mut list = HotList::default();
    for hot in &file.hot {
        if let Some((&token, context)) = hot.tokens.split_last() {
            list.insert(context, token);
        }
    }
    Ok(list)
}

enum Engine {
    Text(Box<TextDetector>),
    Tokens(Detector),
}

struct Found {
    detection: Detection,
    log10_p: Option<f64>,
    /// The form of the text that scored best, how many were tried, and where the text was cut.
    text: Option<(Form, usize, Cuts)>,
    /// The input was too long to be held in memory.
    in_pieces: bool,
}

impl Engine {
    fn detect(&self, path: &Path, args: &TokenArgs) -> Result<Found, Failure> {
        let failed = |e| failure(e).on(path);
        let input = Input { path: path.to_owned(), relative: path.to_owned() };
        // as much as is held in memory, and one byte more to see whether there is more
        let (mut start, mut reader) = (Vec::new(), input.reader()?);
        let held = args.held();
        let read = reader.by_ref().take(held.saturating_add(1)).read_to_end(&mut start);
        read.map_err(|e| Failure::from(e).on(path))?;
        let whole = start.len() as u64 <= held;
        if !whole && args.max_bytes.is_some() {
            let error = Error::new(ErrorKind::Limit, format!("more than the limit of {held} bytes"));
            return Err(Failure::from(error).on(path).hint("cut the text, or raise --max-bytes"));
        }
        match self {
            Self::Text(detector) => {
                let found = if whole {
                    detector.detect(&tokens::utf8(start).map_err(|f| f.on(path))?)
                } else {
                    detector.detect_stream(Replay::new(start).chain(reader))
                };
                let found = found.map_err(failed)?;
                Ok(Found {
                    log10_p: found.log10_p,
                    text: Some((found.form, found.forms, found.cuts)),
                    detection: found.detection,
                    in_pieces: !whole,
                })
            }
            Self::Tokens(detector) => {
                let detection = if whole {
                    let ids = tokens::parse_all(&start).map_err(|f| f.on(path))?;
                    drop(start);
                    detector.detect(&Sample::new(&ids)).map_err(failed)?
                } else {
                    let mut stream = detector.stream(None);
                    tokens::each(path, Replay::new(start).chain(reader), |ids| {
                        stream.push(ids).map_err(failed)
                    })?;
                    stream.finish()
                };
                Ok(Found { log10_p: detection.log10_p, text: None, detection, in_pieces: !whole })
            }
        }
    }
}

/// Bytes that were read already, let go of once they have been read again.
struct Replay(std::io::Cursor<Vec<u8>>);

impl Replay {
    fn new(bytes: Vec<u8>) -> Self {
        Self(std::io::Cursor::new(bytes))
    }
}

impl Read for Replay {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        if count == 0 {
            self.0 = std::io::Cursor::default();
        }
        Ok(count)
    }
}

impl Found {
    fn exit(&self, threshold: f64) -> Exit {
        match self.log10_p {
            None => Exit::Partial,
            Some(p) if p <= threshold => Exit::Ok,
            Some(_) => Exit::Finding,
        }
    }

    fn json(&self, path: &Path, names: &[String], threshold: f64, tokenizer: Option<&str>) -> Value {
        let candidates: Vec<Value> =
            self.detection.candidates.iter().zip(names).map(|(c, name)| candidate(c, name)).collect();
        json!({
            "file": path.display().to_string(),
            "method": METHOD,
            "log10_p": self.log10_p,
            "threshold": threshold,
            "too_short": self.log10_p.is_none(),
            "tokens": self.detection.tokens,
            "form": self.text.map(|(form, _, _)| format!("{form:?}")),
            "forms_tried": self.text.map(|(_, tried, _)| tried),
            "read_in_pieces": self.in_pieces,
            "cuts": self.text.map(|(_, _, cuts)| cuts.made),
            "cuts_that_change_tokens": self.text.map(|(_, _, cuts)| cuts.changing),
            "tokenizer_sha256": tokenizer,
            "candidates": candidates,
        })
    }

    fn show(&self, path: &Path, names: &[String], threshold: f64) {
        let name = path.display().to_string();
        let tokens = self.detection.tokens;
        let (word, text) = match self.log10_p {
            None => (human::Word::Unknown, format!("too short to test: {tokens} tokens")),
            Some(p) if p <= threshold => {
                (human::Word::Ok, format!("log10 p {p:.2}: marked under one of the keys; {tokens} tokens"))
            }
            Some(p) => (
                human::Word::Fail,
                format!(
                    "log10 p {p:.2}: no mark found under these keys, which says nothing else; {tokens} tokens"
                ),
            ),
        };
        human::status(word, &name, &text);
        if let Some((form, tried, _)) = self.text
            && form != Form::AsGiven
            && self.log10_p.is_some()
        {
            human::plain(&format!("      best of {tried} forms of the text: {form:?}"));
        }
        if let Some((_, _, cuts)) = self.text
            && cuts.changing > 0
        {
            human::plain(&format!(
                "      cut into pieces at {} places, at {} of which the tokens may be others than in one piece",
                cuts.made, cuts.changing
            ));
        }
        for (c, name) in self.detection.candidates.iter().zip(names) {
            human::plain(&format!("      {}", line(c, name)));
        }
    }
}

fn line(c: &Candidate, name: &str) -> String {
    let mut out = format!("{name}  {}  key {}", c.scheme, c.key_id);
    match &c.outcome {
        Outcome::Tested(t) => {
            out += &format!("  log10 p {:.2}  {} scored, {} repeats", t.log10_p, t.scored, c.repeats);
            if c.crowded_out > 0 {
                out += &format!(", {} left out: more contexts than are remembered", c.crowded_out);
            }
            if let Some(reading) = &t.payload {
                out += &format!("  issuer {:04x} tag {:02x}", reading.payload.issuer, reading.payload.tag);
            }
            for r in &t.regions {
                out += &format!("\n        tokens {}–{}  log10 p {:.2}", r.start, r.end, r.log10_p);
            }
        }
        Outcome::TooShort { scored, needed } => {
            out += &format!("  too short: {scored} tokens scored, {needed} needed");
        }
        _ => {}
    }
    if c.published_key {
        out += "  (published key: anybody can have marked it)";
    }
    out
}

fn candidate(c: &Candidate, name: &str) -> Value {
    let tested = c.outcome.tested();
    let scored = match &c.outcome {
        Outcome::TooShort { scored, .. } => *scored,
        _ => tested.map_or(0, |t| t.scored),
    };
    json!({
        "name": name,
        "scheme": c.scheme,
        "key_id": c.key_id,
        "published_key": c.published_key,
        "log10_p": tested.map(|t| t.log10_p),
        "log10_p_whole": tested.map(|t| t.log10_p_whole),
        "log10_p_window": tested.and_then(|t| t.log10_p_window),
        "too_short": tested.is_none(),
        "scored": scored,
        "repeats": c.repeats,
        "without_context": c.without_context,
        "ignored": c.ignored,
        "crowded_out": c.crowded_out,
        "limit_reached": c.limit_reached,
        "score": tested.map(|t| t.score),
        "expected": tested.map(|t| t.expected),
        "windows": tested.map(|t| t.windows),
        "regions": tested.map(|t| {
            t.regions.iter().map(|r| json!({"start": r.start, "end": r.end, "log10_p": r.log10_p})).collect::<Vec<_>>()
        }),
        "payload": tested.and_then(|t| t.payload.as_ref()).map(|r| json!({
            "issuer": format!("{:04x}", r.payload.issuer), "tag": r.payload.tag, "log10_wrong": r.log10_wrong,
        })),
    })
}

#[derive(Deserialize)]
struct Row {
    id: Value,
    tokens: Vec<u32>,
    #[serde(default)]
    prompt: Option<Vec<u32>>,
}

/// One answer a line, in order; for benchmarks and pipelines. A published key is answered and said.
fn lines(args: &DetectArgs) -> Result<Exit, Failure> {
    let (_, detector) = detector(args, ring::read_schemes(&args.ring)?)?;
    let (mut input, mut number) = (std::io::stdin().lock(), 0_u64);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        let mut text = Vec::new();
        if input.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        number += 1;
        let at = |kind, what: String| Failure::from(Error::new(kind, format!("line {number}: {what}")));
        if text.len() as u64 > MAX_LINE {
            return Err(at(ErrorKind::Limit, format!("more than {MAX_LINE} bytes")));
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let row: Row = serde_json::from_slice(&text).map_err(|e| at(ErrorKind::Malformed, e.to_string()))?;
        let sample = Sample { tokens: &row.tokens, prompt: row.prompt.as_deref() };
        let found = detector.detect(&sample).map_err(|e| {
            let mut f = failure(e);
            f.error = Error::new(f.error.kind(), format!("line {number}: {}", f.error));
            f
        })?;
        let answer = answer(&row.id, &found);
        if writeln!(out, "{answer}").is_err() {
            return Ok(Exit::Ok);
        }
    }
    // a closed pipe is not an error
    let _ = out.flush();
    Ok(Exit::Ok)
}

/// `p_value` is that of the whole text under the best key, `log10_p` counts the search for passages in too.
fn answer(id: &Value, found: &Detection) -> Value {
    let tested = found.candidates.iter().filter_map(|c| Some((c, c.outcome.tested()?)));
    let count = tested.clone().count().max(1) as f64;
    let published = found.candidates.iter().any(|c| c.published_key);
    let Some((best, t)) = tested.min_by(|a, b| a.1.log10_p_whole.total_cmp(&b.1.log10_p_whole)) else {
        return json!({"id": id, "p_value": 1.0, "too_short": true, "published_key": published});
    };
    json!({
        "id": id,
        "p_value": 10_f64.powf((t.log10_p_whole + count.log10()).min(0.0)),
        "log10_p": found.log10_p,
        "log10_p_whole": t.log10_p_whole,
        "scheme": best.scheme,
        "key_id": best.key_id,
        "published_key": published,
        "scored": t.scored,
        "score": t.score,
        "regions": t.regions.iter().map(|r| [r.start, r.end]).collect::<Vec<_>>(),
        "payload": t.payload.as_ref().map(|r| format!("{:04x}{:02x}", r.payload.issuer, r.payload.tag)),
    })
}
