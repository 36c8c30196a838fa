//! `colophon text keygen` and `keyscreen`.

use std::io::Write;
use std::path::Path;

use colophon::exit::Exit;
use colophon::{Error, ErrorKind};
use colophon_tokenmark::{KeyScreen, Scheme, ScreenReport, ScreenSettings, engine_config};
use serde_json::{Map, Value, json};

use super::ring::{self, Entry, Ring, SCHEMA};
use super::{failure, tokens};
use crate::advice::Failure;
use crate::args::{KeygenArgs, KeyscreenArgs};
use crate::files;
use crate::output::{human, json};

/// A key whose unmarked windows go this low, corrected for their number, is an outlier.
const OUTLIER: f64 = -3.0;

pub(super) fn keygen(args: &KeygenArgs) -> Result<Exit, Failure> {
    if let (Some(name), Some(path)) = (&args.export, &args.keys) {
        let ring = Ring::read(path)?;
        let entry = ring
            .keys
            .iter()
            .find(|k| k.name == *name)
            .ok_or_else(|| Failure::usage(format!("no key is named {name:?}")).on(path))?;
        json::pretty(&engine_config(&entry.scheme, &ring.config(entry)).map_err(|e| failure(e).on(path))?);
        return Ok(Exit::Ok);
    }
    let Some(path) = &args.output else {
        return Err(Failure::usage("where does the key go? -o FILE"));
    };
    let exists = path.exists();
    let mut ring = if exists {
        Ring::read(path)?
    } else {
        Ring { schema: SCHEMA.to_owned(), master: None, keys: Vec::new() }
    };
    if ring.keys.iter().any(|k| k.name == args.name) {
        let e = Error::new(ErrorKind::Conflict, format!("a key is named {:?} already", args.name));
        return Err(Failure::from(e).on(path).hint("choose another --name: keys are never replaced"));
    }
    if ring.master.is_none() {
        ring.master = Some(fresh_master()?);
    }
    let scheme = args.scheme.replace('-', "_");
    let entry = Entry {
        name: args.name.clone(),
        label: Some(format!("{scheme}/{}", args.name)),
        config: Map::new(),
        scheme,
    };
    let made = Scheme::from_json(&entry.scheme, &ring.config(&entry)).map_err(failure)?;
    human::status(
        human::Word::Ok,
        &path.display().to_string(),
        &format!("{}  {}  key {}", entry.name, made.id(), made.key_id()),
    );
    ring.keys.push(entry);
    let mut bytes = serde_json::to_vec_pretty(&ring).map_err(|e| Failure::usage(e.to_string()))?;
    bytes.push(b'\n');
    if exists {
        files::write_atomically(path, &bytes, true)?;
    } else {
        write_private(path, &bytes)?;
    }
    Ok(Exit::Ok)
}

fn fresh_master() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| {
        Failure::from(Error::new(ErrorKind::Key, format!("the system gives no random numbers: {e}")))
    })?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// A new file only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |e: std::io::Error| Failure::from(e).on(path);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_data()).map_err(failed)
}

pub(super) fn keyscreen(args: &KeyscreenArgs) -> Result<Exit, Failure> {
    let tokenizer = tokens::tokenizer(&args.token)?;
    let mut texts = Vec::new();
    for path in &args.inputs {
        texts.push(match &tokenizer {
            None => tokens::ids(path, args.token.held())?,
            Some(t) => t.encode(&tokens::text(path, args.token.held())?).map_err(|e| failure(e).on(path))?,
        });
    }
    let (mut exit, mut reports, mut hot) = (Exit::Ok, Vec::new(), Vec::new());
    for named in ring::schemes(&args.ring)? {
        let (id, key) = (named.scheme.id(), named.scheme.key_id());
        let mut screen = KeyScreen::new(named.scheme, ScreenSettings::default());
        for text in &texts {
            screen.add(text).map_err(failure)?;
        }
        let report = screen.finish();
        let outlier =
            report.lengths.iter().any(|l| l.lowest_corrected <= OUTLIER || l.excess_log10_p <= OUTLIER);
        if outlier {
            exit = exit.and(Exit::Finding);
        }
        if !args.json {
            show(&named.name, id, &key, &report, outlier);
        }
        hot.extend(report.hot.iter().map(|h| json!({"tokens": h.tokens, "texts": h.texts, "z": h.z})));
        reports.push(describe(&named.name, id, &key, &report, outlier));
    }
    if let Some(path) = &args.output {
        let list = json!({"schema": "colophon.text-hot/1", "hot": hot});
        files::write_atomically(path, list.to_string().as_bytes(), args.force)?;
    }
    if args.json {
        json::pretty(&reports);
    }
    Ok(exit)
}

fn show(name: &str, id: &str, key: &str, report: &ScreenReport, outlier: bool) {
    let (word, text) = if outlier {
        (human::Word::Fail, "an outlier: unmarked text looks marked under this key, do not use it")
    } else {
        (human::Word::Ok, "no outlier on these texts")
    };
    human::status(word, name, &format!("{id}  key {key}  {text}"));
    for l in &report.lengths {
        let levels: Vec<String> = l.at_most.iter().map(|(level, n)| format!("{n} at 1e{level:.0}")).collect();
        human::plain(&format!(
            "      windows of {} tokens: {}; lowest log10 p {:.2}; at most: {}",
            l.length,
            l.windows,
            l.lowest,
            levels.join(", ")
        ));
    }
    human::plain(&format!("      {} phrases recur and score high; {} texts", report.hot.len(), report.texts));
}

fn describe(name: &str, id: &str, key: &str, report: &ScreenReport, outlier: bool) -> Value {
    let lengths: Vec<Value> = report
        .lengths
        .iter()
        .map(|l| {
            json!({
                "length": l.length, "windows": l.windows, "lowest": l.lowest,
                "lowest_corrected": l.lowest_corrected, "excess_log10_p": l.excess_log10_p,
                "at_most": l.at_most.iter().map(|(level, n)| json!({"log10_p": level, "windows": n})).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "name": name, "scheme": id, "key_id": key, "outlier": outlier, "texts": report.texts,
        "lengths": lengths, "hot": report.hot.len(), "dropped": report.dropped,
    })
}
