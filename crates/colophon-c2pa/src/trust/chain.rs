//! From a signing certificate to an anchor, and what the certificate profile asks.

use colophon_core::Trust;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::signature;

/// Longest path from leaf to anchor.
const MAX_PATH: usize = 8;
/// Most certificates in one trust list; the official one has some thirty.
const MAX_ANCHORS: usize = 4096;
/// Usages that let a certificate sign claims (C2PA 2.4, certificate profile): claim signing, e-mail protection,
/// document signing.
const SIGNING_USAGES: [&str; 3] = ["1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36"];

/// DER certificates of PEM texts. What is no certificate is skipped.
pub(super) fn certificates(pem: &[String]) -> Vec<Vec<u8>> {
    pem.iter()
        .flat_map(|text| Pem::iter_from_buffer(text.as_bytes()).filter_map(Result::ok))
        .filter(|p| p.label == "CERTIFICATE")
        .map(|p| p.contents)
        .take(MAX_ANCHORS)
        .collect()
}

/// Why a signer is believed.
pub(super) struct Believed {
    /// `anchor`, `pinned-certificate` or `pinned-key`.
    pub(super) by: &'static str,
    /// Subject of the anchor.
    pub(super) anchor: Option<String>,
}

/// A certificate's issuer, found in the chain or among the anchors.
pub(super) fn issuer_of<'a>(
    cert: &X509Certificate<'_>,
    candidates: &'a [Vec<u8>],
) -> Option<X509Certificate<'a>> {
    candidates
        .iter()
        .filter_map(|der| X509Certificate::from_der(der).ok().map(|(_, c)| c))
        .find(|c| c.subject() == cert.issuer() && signed_by(cert, c))
}

fn signed_by(cert: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    signature::verify(
        &cert.signature_algorithm,
        issuer.public_key(),
        cert.tbs_certificate.as_ref(),
        &cert.signature_value.data,
    )
}

/// Whom the caller believes, among the pinned and along the chain at a time (Unix seconds). The leaf's own validity is
/// a question of its own.
pub(super) fn believed(chain: &[Vec<u8>], trust: &Trust, at: i64) -> Option<Believed> {
    let leaf_der = chain.first()?;
    let (_, leaf) = X509Certificate::from_der(leaf_der).ok()?;
    if certificates(&trust.pinned_pem).iter().any(|p| p == leaf_der) {
        return Some(Believed { by: "pinned-certificate", anchor: None });
    }
    let (key, id) = key_names(&leaf);
    if trust.pinned_keys.iter().any(|p| p.eq_ignore_ascii_case(&key) || p.eq_ignore_ascii_case(&id)) {
        return Some(Believed { by: "pinned-key", anchor: None });
    }
    let anchors = certificates(&trust.anchors_pem);
    let mut current = leaf;
    for _ in 0..MAX_PATH {
        if let Some(anchor) = issuer_of(&current, &anchors) {
            let valid = anchor.validity().not_before.timestamp() <= at
                && at <= anchor.validity().not_after.timestamp();
            return valid.then(|| Believed { by: "anchor", anchor: Some(anchor.subject().to_string()) });
        }
        let next = issuer_of(&current, chain.get(1..).unwrap_or_default())?;
        let valid =
            next.validity().not_before.timestamp() <= at && at <= next.validity().not_after.timestamp();
        let signs = next.is_ca() && next.key_usage().ok().flatten().is_none_or(|u| u.value.key_cert_sign());
        if !valid || !signs {
            return None;
        }
        current = next;
    }
    None
}

/// Hex of the raw public key, and of its SHA-256 (for other keys than Ed25519: of the SubjectPublicKeyInfo).
pub(super) fn key_names(cert: &X509Certificate<'_>) -> (String, String) {
    let spki = cert.public_key();
    let raw = spki.subject_public_key.data.as_ref();
    let is_ed25519 = spki.algorithm.algorithm.to_id_string() == "1.3.101.112";
    let id = colophon_core::sha256_hex(if is_ed25519 { raw } else { spki.raw });
    (raw.iter().map(|b| format!("{b:02x}")).collect(), id)
}

/// What the profile of signing certificates finds wrong (C2PA 2.4, certificate profile), in words.
pub(super) fn profile_fault(leaf: &X509Certificate<'_>) -> Option<&'static str> {
    let usage = leaf.key_usage().ok().flatten();
    if leaf.version() != x509_parser::x509::X509Version::V3 {
        return Some("the certificate is not version 3");
    }
    if leaf.is_ca() {
        return Some("the certificate is a certificate authority's");
    }
    if !usage.is_some_and(|u| u.value.digital_signature()) {
        return Some("the certificate's key usage does not allow signatures");
    }
    let Ok(Some(eku)) = leaf.extended_key_usage() else {
        return Some("the certificate has no extended key usage");
    };
    if eku.value.any {
        return Some("the certificate allows any usage");
    }
    let mut named: Vec<String> =
        eku.value.other.iter().map(x509_parser::der_parser::Oid::to_id_string).collect();
    if eku.value.email_protection {
        named.push("1.3.6.1.5.5.7.3.4".to_owned());
    }
    if !named.iter().any(|n| SIGNING_USAGES.contains(&n.as_str())) {
        return Some("no extended key usage allows signing claims");
    }
    if eku.value.time_stamping || eku.value.ocsp_signing {
        return Some("the certificate also signs time stamps or revocation answers");
    }
    let aki = leaf.iter_extensions().any(|e| e.oid.to_id_string() == "2.5.29.35");
    if !aki && leaf.subject() != leaf.issuer() {
        return Some("the certificate names no authority key");
    }
    None
}
