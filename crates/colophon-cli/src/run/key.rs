//! `colophon key`.

use std::path::{Path, PathBuf};

use colophon::Signer;
use colophon::exit::Exit;
use colophon::sign::{ChainRequest, KeyPair, is_encrypted, issue_leaf, key_from_uri};
use serde_json::json;

use crate::advice::Failure;
use crate::args::{KeyArgs, KeyCommand};
use crate::config::Config;
use crate::files;
use crate::output::{human, json};
use crate::signer;

pub(super) fn run(command: &KeyCommand) -> Result<Exit, Failure> {
    match command {
        KeyCommand::Show { key, cert, json } => show(key.as_deref(), cert.as_deref(), *json),
        KeyCommand::Public { key } => public(key.as_deref()),
        KeyCommand::New { output, protect } => new(output, *protect),
        KeyCommand::Rotate { root_key, root_cert, days } => {
            rotate(root_key.as_deref(), root_cert.as_deref(), *days)
        }
    }
}

fn public(uri: Option<&str>) -> Result<Exit, Failure> {
    let config = Config::load()?;
    let uri = uri.map(str::to_owned).or_else(|| config.key_uri()).ok_or_else(no_key)?;
    let key = key_from_uri(&uri, signer::passphrase(config.passphrase.as_deref())?.as_deref())?;
    human::plain(key.public_key_pem().trim_end());
    Ok(Exit::Ok)
}

fn new(output: &Path, protect: bool) -> Result<Exit, Failure> {
    let config = Config::load()?;
    let key = KeyPair::generate()?;
    let pem = if protect {
        let passphrase = signer::passphrase(config.passphrase.as_deref())?.ok_or_else(|| {
            Failure::usage("there is no passphrase")
                .hint("set COLOPHON_PASSPHRASE, or `passphrase` in colophon.toml")
        })?;
        key.to_encrypted_pkcs8_pem(&passphrase)?
    } else {
        key.to_pkcs8_pem()?
    };
    files::write_private(output, &pem, false)?;
    human::plain(&format!("public key   {}\nkey id       {}", hex(&key.public_key()), key.key_id()));
    Ok(Exit::Ok)
}

/// New key and certificate are written under new names first; the old ones are kept beside them by their key id.
fn rotate(root_key: Option<&str>, root_cert: Option<&Path>, days: u16) -> Result<Exit, Failure> {
    let config = Config::load()?;
    let no_config = || {
        Failure::usage("there is no configuration whose key could be rotated")
            .hint("run `colophon init` first")
    };
    let dir = config.path.as_deref().and_then(Path::parent).ok_or_else(no_config)?;
    let (uri, cert) =
        config.key_uri().zip(config.cert.as_deref().map(|c| config.resolve(c))).ok_or_else(no_config)?;
    let path = uri.strip_prefix("file:").map(PathBuf::from).ok_or_else(|| {
        Failure::usage("only a key in a file is rotated here; make the new key where the old one is kept")
    })?;
    let passphrase = signer::passphrase(config.passphrase.as_deref())?;
    let old = signer::open(&uri, &cert, config.passphrase.as_deref())?;
    let root_uri =
        root_key.map_or_else(|| format!("file:{}", dir.join("colophon-root.key").display()), str::to_owned);
    let root = key_from_uri(&root_uri, passphrase.as_deref())?;
    let root_path = root_cert.map_or_else(|| dir.join("colophon-root.crt"), Path::to_owned);
    let root_pem = std::fs::read_to_string(&root_path).map_err(|e| Failure::from(e).on(&root_path))?;
    let organisation = old.chain().first().and_then(|c| c.organisation.clone()).ok_or_else(|| {
        Failure::from(colophon::Error::new(
            colophon::ErrorKind::Key,
            "the old certificate names no organisation",
        ))
    })?;
    let key = KeyPair::generate()?;
    let pem = issue_leaf(&root, &root_pem, &key, &ChainRequest::new(&organisation, days)?)?;
    let was_protected = std::fs::read_to_string(&path).is_ok_and(|t| is_encrypted(&t));
    let key_pem = match passphrase.as_deref().filter(|_| was_protected) {
        Some(p) => key.to_encrypted_pkcs8_pem(p)?,
        None => key.to_pkcs8_pem()?,
    };
    let suffix = format!(".{}", old.key_id().get(..16).unwrap_or_default());
    for p in [&path, &cert] {
        let kept = files::appended(p, &suffix);
        if kept.exists() {
            return Err(Failure::from(colophon::Error::new(colophon::ErrorKind::Conflict, "exists already"))
                .on(&kept));
        }
    }
    // The old pair is moved only when the new one is on disk.
    let (new_key, new_cert) = (files::appended(&path, ".new"), files::appended(&cert, ".new"));
    files::write_private(&new_key, &key_pem, true)?;
    files::write_atomically(&new_cert, pem.as_bytes(), true)?;
    for (from, to) in [
        (&path, &files::appended(&path, &suffix)),
        (&cert, &files::appended(&cert, &suffix)),
        (&new_key, &path),
        (&new_cert, &cert),
    ] {
        std::fs::rename(from, to).map_err(|e| Failure::from(e).on(from))?;
    }
    human::plain(&format!(
        "new key id   {}\nold key id   {}, kept as {}\nMarks of the old key stay valid: both hang under the same root.",
        key.key_id(),
        old.key_id(),
        files::appended(&path, &suffix).display()
    ));
    Ok(Exit::Ok)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn no_key() -> Failure {
    Failure::from(colophon::Error::new(colophon::ErrorKind::Key, "there is no signing key"))
}

fn show(key: Option<&str>, cert: Option<&Path>, json: bool) -> Result<Exit, Failure> {
    let args = KeyArgs { key: key.map(str::to_owned), cert: cert.map(Path::to_owned) };
    let signer = signer::load(&args, &Config::load()?)?.ok_or_else(no_key)?;
    let chain = signer.chain();
    let id = signer.key_id();
    let issuer = id.get(..4).unwrap_or_default();
    if json {
        let list: Vec<_> = chain
            .iter()
            .map(|c| json!({"subject": c.subject, "issuer": c.issuer, "serial": c.serial, "not_before": c.not_before, "not_after": c.not_after}))
            .collect();
        json::pretty(&json!({
            "algorithm": signer.algorithm(), "key_id": id, "public_key": signer.public_key_hex(),
            "issuer": issuer, "certificates": list,
        }));
        return Ok(Exit::Ok);
    }
    human::plain(&format!(
        "algorithm    Ed25519\npublic key   {}\nkey id       {id}\nissuer       {issuer}  (first 16 bits of the key id, carried by watermarks)",
        signer.public_key_hex()
    ));
    for c in chain {
        human::plain(&format!(
            "certificate  {}\n             issued by {}\n             valid {} to {}, serial {}",
            c.subject, c.issuer, c.not_before, c.not_after, c.serial
        ));
    }
    Ok(Exit::Ok)
}
