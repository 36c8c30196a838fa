//! Signed results: written by `verify --report`, checked by `verify --result`.

use std::path::{Path, PathBuf};

use colophon::exit::Exit;
use colophon::{Error, ErrorKind, Report, Signer, check_result, sha256_hex, sign_result};

use crate::advice::Failure;
use crate::args::{KeyArgs, VerifyArgs};
use crate::config::Config;
use crate::files::{self, Input};
use crate::output::human;
use crate::signer;

/// Where the detached signature of a result stands.
fn signature_of(result: &Path) -> PathBuf {
    files::appended(result, ".sig")
}

/// Writes the result of a run and its signature.
pub(super) fn write(
    path: &Path,
    reports: &[Report],
    args: &VerifyArgs,
    config: &Config,
    now: &str,
) -> Result<(), Failure> {
    let key = KeyArgs { key: args.key.clone(), cert: args.cert.clone() };
    let signer = signer::load(&key, config)?.ok_or_else(|| {
        Failure::from(Error::new(ErrorKind::Key, "a result is signed, and there is no signing key"))
    })?;
    let signed = sign_result(reports, now, "system-clock", &signer as &dyn Signer)?;
    files::write_atomically(&signature_of(path), &signed.signature, args.force)?;
    files::write_atomically(path, &signed.json, args.force)
}

/// Checks a result, and the contents that are named against it.
pub(super) fn check(
    path: &Path,
    args: &VerifyArgs,
    config: &Config,
    pinned: &[String],
) -> Result<Exit, Failure> {
    let limit = super::options(&args.input.limit)?.limits.input_bytes;
    let read = |p: &Path| Input { path: p.to_owned(), relative: p.to_owned() }.read(limit);
    let json = read(path)?;
    let signature = read(&args.signature.clone().unwrap_or_else(|| signature_of(path)))?;
    // One's own key is known; nobody else's is, unless it was named.
    let mut pinned = pinned.to_vec();
    if pinned.is_empty()
        && let Some(own) =
            config.cert.as_deref().map(|c| config.resolve(c)).and_then(|c| std::fs::read_to_string(c).ok())
        && let Ok(chain) = colophon::sign::parse_chain(&own)
        && let Some(key) = chain.first().and_then(|c| c.ed25519)
    {
        pinned.push(sha256_hex(&key));
    }
    let checked = match check_result(&json, &signature, &pinned) {
        Ok(checked) => checked,
        Err(e) if e.kind() == ErrorKind::Check => {
            human::status(human::Word::Fail, &path.display().to_string(), &e.to_string());
            return Ok(Exit::Finding);
        }
        Err(e) => return Err(Failure::from(e).on(path)),
    };
    let d = &checked.document;
    let who = if checked.known_signer { "a key that is known" } else { "a key that nobody named" };
    human::status(
        human::Word::Ok,
        &path.display().to_string(),
        &format!(
            "signature holds · {who} · {} {} · {} ({})",
            d.detector.name, d.detector.version, d.checked_at, d.time_source
        ),
    );
    human::plain(&format!("      key id   {}", d.signer.key_id));
    if !checked.known_signer {
        human::plain(
            "      the key travels with the result: integrity, not identity; name the key you expect with --pubkey",
        );
    }
    let mut exit = Exit::Ok;
    let mut compared = vec![false; d.items.len()];
    for input in files::collect(&args.input.named(), args.input.recursive)? {
        // Without names there is nothing to compare; standard input is only taken when it is asked for.
        if input.is_stdin() && args.input.inputs.is_empty() {
            continue;
        }
        let hash = sha256_hex(&input.read(limit)?);
        let name = input.path.display().to_string();
        if let Some(i) = d.items.iter().position(|i| i.content_sha256 == hash) {
            if let Some(c) = compared.get_mut(i) {
                *c = true;
            }
            human::status(human::Word::Ok, &name, "is the content of the result");
        } else {
            human::status(
                human::Word::Fail,
                &name,
                "is not a content of the result: it was changed, or another was examined",
            );
            exit = exit.and(Exit::Finding);
        }
    }
    for (item, compared) in d.items.iter().zip(compared) {
        let verdicts: Vec<String> =
            item.verdicts.iter().map(|v| format!("{} {}", v.profile, outcome(v.outcome))).collect();
        human::plain(&format!(
            "      content  {} · {} · {}",
            item.name,
            item.content_sha256,
            verdicts.join(", ")
        ));
        if !compared {
            human::plain("               not compared: name the file to compare it");
        }
    }
    human::plain(&format!("      limits   {}", d.limits));
    Ok(exit)
}

fn outcome(o: colophon::Outcome) -> &'static str {
    match o {
        colophon::Outcome::Pass => "pass",
        colophon::Outcome::Fail => "fail",
        colophon::Outcome::NotApplicable => "not applicable",
        colophon::Outcome::Undetermined => "undetermined",
    }
}
