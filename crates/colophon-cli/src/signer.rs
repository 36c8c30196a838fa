//! From key URI and certificate file to a signer.

use std::path::Path;

use colophon::sign::{CertifiedSigner, secret_from_uri};

use crate::advice::Failure;
use crate::args::KeyArgs;
use crate::config::Config;

/// The signer named by flags, environment or configuration; `None` when nothing names one.
pub(crate) fn load(args: &KeyArgs, config: &Config) -> Result<Option<CertifiedSigner>, Failure> {
    let Some(uri) = args.key.clone().or_else(|| config.key_uri()) else {
        return Ok(None);
    };
    let cert = args.cert.clone().or_else(|| config.cert.as_deref().map(|c| config.resolve(c)));
    let Some(cert) = cert else {
        return Err(Failure::usage("a key needs its certificate chain")
            .hint("name it with --cert, or run `colophon init`"));
    };
    open(&uri, &cert, config.passphrase.as_deref()).map(Some)
}

/// A signer from a key URI and a PEM file.
pub(crate) fn open(uri: &str, cert: &Path, passphrase: Option<&str>) -> Result<CertifiedSigner, Failure> {
    let chain = std::fs::read_to_string(cert).map_err(|e| {
        Failure::from(
            colophon::Error::new(colophon::ErrorKind::Key, "the certificate chain cannot be read").because(e),
        )
        .on(cert)
    })?;
    let passphrase = self::passphrase(passphrase)?;
    CertifiedSigner::from_uri_with_passphrase(uri, passphrase.as_deref(), &chain).map_err(|e| {
        // A file is named; what `env:` and `cmd:` say is no path.
        match uri.strip_prefix("file:") {
            Some(path) => Failure::from(e).on(Path::new(path)),
            None => e.into(),
        }
    })
}

/// The passphrase of a protected key: `COLOPHON_PASSPHRASE`, else from where the configuration says.
pub(crate) fn passphrase(uri: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    if let Ok(text) = std::env::var("COLOPHON_PASSPHRASE") {
        return Ok(Some(text.into_bytes()));
    }
    uri.map(|u| Ok(secret_from_uri(u)?.to_vec())).transpose()
}

/// Secrets of private watermark key schedules.
pub(crate) fn secrets(uris: &[String]) -> Result<Vec<Vec<u8>>, Failure> {
    uris.iter().map(|u| Ok(secret_from_uri(u)?.to_vec())).collect()
}
