//! Reading certificate chains.

use colophon_core::Result;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::key_error;

/// Most certificates in one chain.
const MAX_CHAIN: usize = 16;

/// What a certificate says, for people and for checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Distinguished name of the subject.
    pub subject: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Organisation of the subject, when it names one.
    pub organisation: Option<String>,
    /// Serial number, hex.
    pub serial: String,
    /// Begin of validity, RFC 3339.
    pub not_before: String,
    /// End of validity, RFC 3339.
    pub not_after: String,
    /// Begin and end of validity, Unix seconds.
    pub validity: (i64, i64),
    /// The raw public key when it is Ed25519.
    pub ed25519: Option<[u8; 32]>,
    /// True for a certificate authority.
    pub is_ca: bool,
    /// Extended key usages as dotted object identifiers.
    pub extended_key_usage: Vec<String>,
    /// The certificate itself.
    pub der: Vec<u8>,
}

/// Reads a PEM chain, leaf first.
///
/// # Errors
/// `Key` when there is no certificate, one is broken, or the chain is too long.
pub fn parse_chain(pem: &str) -> Result<Vec<CertificateInfo>> {
    let mut chain = Vec::new();
    for block in Pem::iter_from_buffer(pem.as_bytes()) {
        let block =
            block.map_err(|e| key_error("the certificate chain is not PEM").because(e.to_string()))?;
        if block.label != "CERTIFICATE" {
            continue;
        }
        if chain.len() == MAX_CHAIN {
            return Err(key_error(format!("more than {MAX_CHAIN} certificates in the chain")));
        }
        chain.push(parse(&block.contents)?);
    }
    if chain.is_empty() { Err(key_error("there is no certificate in the chain")) } else { Ok(chain) }
}

/// Every certificate of a bundle that can be read; what cannot is left out.
pub fn read_certificates(pem: &str) -> Vec<CertificateInfo> {
    Pem::iter_from_buffer(pem.as_bytes())
        .filter_map(std::result::Result::ok)
        .filter(|b| b.label == "CERTIFICATE")
        .filter_map(|b| parse(&b.contents).ok())
        .collect()
}

fn parse(der: &[u8]) -> Result<CertificateInfo> {
    let broken = |e: String| key_error("a certificate cannot be read").because(e);
    let (_, cert) = X509Certificate::from_der(der).map_err(|e| broken(e.to_string()))?;
    let validity = (cert.validity().not_before.timestamp(), cert.validity().not_after.timestamp());
    let key = &cert.public_key().subject_public_key.data;
    // id-Ed25519, RFC 8410.
    let is_ed25519 = cert.public_key().algorithm.algorithm.to_id_string() == "1.3.101.112";
    let usage = match cert.extended_key_usage() {
        Ok(Some(eku)) => usages(eku.value),
        _ => Vec::new(),
    };
    Ok(CertificateInfo {
        subject: cert.subject().to_string(),
        issuer: cert.issuer().to_string(),
        organisation: cert
            .subject()
            .iter_organization()
            .next()
            .and_then(|o| o.as_str().ok())
            .map(str::to_owned),
        serial: cert.raw_serial().iter().map(|b| format!("{b:02x}")).collect(),
        not_before: rfc3339(validity.0),
        not_after: rfc3339(validity.1),
        validity,
        ed25519: key.as_ref().try_into().ok().filter(|_| is_ed25519),
        is_ca: cert.is_ca(),
        extended_key_usage: usage,
        der: der.to_vec(),
    })
}

fn usages(eku: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (eku.any, "2.5.29.37.0"),
        (eku.server_auth, "1.3.6.1.5.5.7.3.1"),
        (eku.client_auth, "1.3.6.1.5.5.7.3.2"),
        (eku.code_signing, "1.3.6.1.5.5.7.3.3"),
        (eku.email_protection, "1.3.6.1.5.5.7.3.4"),
        (eku.time_stamping, "1.3.6.1.5.5.7.3.8"),
        (eku.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
    ];
    known
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, oid)| (*oid).to_owned())
        .chain(eku.other.iter().map(x509_parser::der_parser::Oid::to_id_string))
        .collect()
}

fn rfc3339(unix: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| unix.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_chains_are_named() {
        for (pem, part) in [
            ("", "no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no certificate"),
        ] {
            assert!(parse_chain(pem).unwrap_err().to_string().contains(part), "{pem}");
        }
    }
}
