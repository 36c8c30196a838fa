//! `colophon trust`, and the trust of one run.

use std::path::Path;

use colophon::exit::Exit;
use colophon::{Error, ErrorKind, Trust};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::advice::Failure;
use crate::args::{TrustArgs, TrustCommand, TrustKind};
use crate::config::Config;
use crate::files;
use crate::output::{human, json};
use crate::truststore as store;

pub(super) fn run(command: &TrustCommand) -> Result<Exit, Failure> {
    let dir = store::directory().ok_or_else(|| {
        Failure::usage("there is no place for a trust store").hint("name a directory with COLOPHON_TRUST")
    })?;
    match command {
        TrustCommand::Add { what, kind, name, force } => add(&dir, what, *kind, name.as_deref(), *force),
        TrustCommand::List { json } => {
            list(&dir, *json);
            Ok(Exit::Ok)
        }
        TrustCommand::Remove { name, kind } => remove(&dir, name, *kind),
    }
}

fn add(dir: &Path, what: &str, kind: TrustKind, name: Option<&str>, force: bool) -> Result<Exit, Failure> {
    let inline = kind == TrustKind::Key && store::is_key(what);
    let text =
        if inline { format!("{}\n", what.to_ascii_lowercase()) } else { store::read(Path::new(what), kind)? };
    let default = if inline {
        what.get(..16).unwrap_or(what).to_ascii_lowercase()
    } else {
        Path::new(what).file_stem().map_or_else(|| "entry".to_owned(), |s| s.to_string_lossy().into_owned())
    };
    let name = name.unwrap_or(&default);
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
        return Err(Failure::usage(format!("{name:?} is no name for an entry")));
    }
    let path = store::path(dir, kind, name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|e| Failure::from(e).on(parent))?;
    }
    files::write_atomically(&path, text.as_bytes(), force)?;
    human::plain(&format!("believed: {} {name}", kind.word()));
    Ok(Exit::Ok)
}

fn list(dir: &Path, as_json: bool) {
    let mut rows = Vec::new();
    for kind in TrustKind::ALL {
        for path in store::entries(dir, kind) {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let text = store::read(&path, kind).unwrap_or_default();
            let subjects: Vec<String> = match kind {
                TrustKind::Signer | TrustKind::TimeStamp | TrustKind::Pinned => {
                    colophon::sign::read_certificates(&text)
                        .iter()
                        .map(|c| format!("{}, valid to {}", c.subject, c.not_after))
                        .collect()
                }
                TrustKind::Key => text.split_whitespace().map(str::to_owned).collect(),
                TrustKind::Revocation => Vec::new(),
            };
            rows.push((kind.word(), name, subjects));
        }
    }
    if as_json {
        let list: Vec<_> = rows
            .iter()
            .map(|(kind, name, subjects)| json!({"kind": kind, "name": name, "subjects": subjects}))
            .collect();
        json::pretty(&json!({"directory": dir.display().to_string(), "entries": list}));
        return;
    }
    if rows.is_empty() {
        human::plain(&format!("nobody is believed: {} is empty", dir.display()));
    }
    for (kind, name, subjects) in rows {
        human::plain(&format!("{kind:<11} {name}"));
        for s in subjects {
            human::plain(&format!("            {s}"));
        }
    }
}

fn remove(dir: &Path, name: &str, kind: Option<TrustKind>) -> Result<Exit, Failure> {
    let kinds: Vec<TrustKind> = TrustKind::ALL
        .into_iter()
        .filter(|k| kind.is_none_or(|only| only == *k) && store::path(dir, *k, name).is_file())
        .collect();
    match kinds.as_slice() {
        [one] => {
            let path = store::path(dir, *one, name);
            std::fs::remove_file(&path).map_err(|e| Failure::from(e).on(&path))?;
            human::plain(&format!("no longer believed: {} {name}", one.word()));
            Ok(Exit::Ok)
        }
        [] => {
            Err(Failure::usage(format!("there is no entry {name:?}"))
                .hint("`colophon trust list` shows them"))
        }
        _ => {
            Err(Failure::usage(format!("several entries are called {name:?}")).hint("say which with --kind"))
        }
    }
}

/// Whom one run believes: command line, then configuration, then the store.
pub(super) fn gather(args: &TrustArgs, config: &Config) -> Result<Trust, Failure> {
    let mut trust = Trust::default();
    let named = [
        (TrustKind::Signer, &args.trust),
        (TrustKind::TimeStamp, &args.trust_time_stamps),
        (TrustKind::Pinned, &args.pin),
        (TrustKind::Revocation, &args.revocation),
    ];
    for (kind, paths) in named {
        for path in paths {
            kind.believe(store::read(path, kind)?, &mut trust);
        }
    }
    for key in &args.pubkey {
        if !store::is_key(key) {
            return Err(Failure::usage("--pubkey is 64 hex digits: of the key, or of its SHA-256"));
        }
        trust.pinned_keys.push(key.to_ascii_lowercase());
    }
    if !args.no_trust_store {
        for path in &config.trust {
            TrustKind::Signer.believe(store::read(&config.resolve(path), TrustKind::Signer)?, &mut trust);
        }
        store::load(&mut trust)?;
    }
    if let Some(at) = &args.at {
        let time = OffsetDateTime::parse(at, &Rfc3339).map_err(|e| {
            Failure::from(
                Error::new(ErrorKind::Usage, format!("--at {at}: not a time like 2026-11-25T12:00:00Z"))
                    .because(e),
            )
        })?;
        trust.at = Some(time.unix_timestamp());
    }
    Ok(trust)
}
