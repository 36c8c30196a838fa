//! The trust store: files in a directory, one for each thing believed. `colophon trust` keeps it, `verify` reads it.
//!
//! `signers/*.pem` anchors of signers, `time-stamps/*.pem` anchors of time stamp authorities, `pinned/*.pem` signing
//! certificates believed by themselves, `revocation/*.pem` lists signed by an issuer, `keys/*.txt` public keys.

use std::path::{Path, PathBuf};

use colophon::Trust;

use crate::advice::Failure;
use crate::args::TrustKind;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

impl TrustKind {
    /// Every kind, in the order they are listed.
    pub(crate) const ALL: [Self; 5] =
        [Self::Signer, Self::TimeStamp, Self::Pinned, Self::Revocation, Self::Key];

    fn dir(self) -> &'static str {
        match self {
            Self::Signer => "signers",
            Self::TimeStamp => "time-stamps",
            Self::Pinned => "pinned",
            Self::Revocation => "revocation",
            Self::Key => "keys",
        }
    }

    /// What a file of the kind must hold.
    pub(crate) fn check(self, text: &str) -> Result<(), Failure> {
        let has = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
        let fits = match self {
            Self::Signer | Self::TimeStamp | Self::Pinned => has("CERTIFICATE"),
            Self::Revocation => has("X509 CRL"),
            Self::Key => !keys(text).is_empty() && keys(text).iter().all(|k| is_key(k)),
        };
        let what = match self {
            Self::Signer | Self::TimeStamp | Self::Pinned => "a certificate in PEM form",
            Self::Revocation => "a revocation list in PEM form (X509 CRL)",
            Self::Key => "a public key or key id: 64 hex digits",
        };
        if fits { Ok(()) } else { Err(Failure::usage(format!("this is not {what}"))) }
    }

    /// Adds a text of the kind to what is believed.
    pub(crate) fn believe(self, text: String, trust: &mut Trust) {
        match self {
            Self::Signer => trust.anchors_pem.push(text),
            Self::TimeStamp => trust.timestamp_anchors_pem.push(text),
            Self::Pinned => trust.pinned_pem.push(text),
            Self::Revocation => trust.revocation_pem.push(text),
            Self::Key => trust.pinned_keys.extend(keys(&text)),
        }
    }
}

/// 64 hex digits: a raw Ed25519 key, or the SHA-256 of one.
pub(crate) fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn keys(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_ascii_lowercase).collect()
}

/// `COLOPHON_TRUST`, else `colophon/trust` in the user's configuration directory.
pub(crate) fn directory() -> Option<PathBuf> {
    std::env::var_os("COLOPHON_TRUST").map(PathBuf::from).or_else(|| {
        std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".config")))
            .map(|d| d.join("colophon").join("trust"))
    })
}

/// Where an entry of that name stands.
pub(crate) fn path(dir: &Path, kind: TrustKind, name: &str) -> PathBuf {
    let extension = if kind == TrustKind::Key { "txt" } else { "pem" };
    dir.join(kind.dir()).join(format!("{name}.{extension}"))
}

/// The entries of a kind, by name.
pub(crate) fn entries(dir: &Path, kind: TrustKind) -> Vec<PathBuf> {
    let extension = if kind == TrustKind::Key { "txt" } else { "pem" };
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir.join(kind.dir()))
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

/// Reads a file of the store or of the command line.
pub(crate) fn read(path: &Path, kind: TrustKind) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::from(e).on(path);
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(Failure::usage("longer than 16 MiB").on(path));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    kind.check(&text).map_err(|e| e.on(path))?;
    Ok(text)
}

/// Everything in the store.
pub(crate) fn load(trust: &mut Trust) -> Result<(), Failure> {
    let Some(dir) = directory() else { return Ok(()) };
    for kind in TrustKind::ALL {
        for path in entries(&dir, kind) {
            kind.believe(read(&path, kind)?, trust);
        }
    }
    Ok(())
}
