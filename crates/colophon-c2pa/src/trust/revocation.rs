//! Revocation: an OCSP answer stapled to the signature, and revocation lists the caller has.

use rasn_ocsp::{BasicOcspResponse, CertStatus, OcspResponse, OcspResponseStatus};
use x509_parser::pem::Pem;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::signature;

/// Largest answer or list that is read, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// How long an answer without an end is good for, in seconds.
const DEFAULT_LIFE: i64 = 24 * 3600;

/// What is known about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The issuer says that it is good, for the time judged.
    Good,
    /// Revoked at that time, Unix seconds.
    Revoked(i64),
    /// An answer is there and says nothing that counts: unsigned by the issuer, for another certificate, stale.
    Unknown,
}

/// Judges a stapled OCSP answer (RFC 6960).
pub(super) fn ocsp(der: &[u8], leaf: &X509Certificate<'_>, issuer: &X509Certificate<'_>, at: i64) -> Status {
    read_ocsp(der, leaf, issuer, at).unwrap_or(Status::Unknown)
}

fn read_ocsp(
    der: &[u8],
    leaf: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    at: i64,
) -> Option<Status> {
    if der.len() > MAX_BYTES {
        return None;
    }
    let outer: OcspResponse = rasn::der::decode(der).ok()?;
    if outer.status != OcspResponseStatus::Successful {
        return None;
    }
    let basic: BasicOcspResponse = rasn::der::decode(&outer.bytes?.response).ok()?;
    let data = rasn::der::encode(&basic.tbs_response_data).ok()?;
    let algorithm = rasn::der::encode(&basic.signature_algorithm).ok()?;
    let (_, algorithm) = x509_parser::x509::AlgorithmIdentifier::from_der(&algorithm).ok()?;
    let signed = basic.signature.as_raw_slice();
    let by_issuer = signature::verify(&algorithm, issuer.public_key(), &data, signed);
    // RFC 6960, 4.2.2.2: the issuer, or somebody the issuer certified for this purpose.
    let by_delegate = || {
        basic.certs.iter().flatten().take(8).any(|c| {
            let Ok(der) = rasn::der::encode(c) else { return false };
            let Ok((_, responder)) = X509Certificate::from_der(&der) else { return false };
            let may = matches!(responder.extended_key_usage(), Ok(Some(e)) if e.value.ocsp_signing);
            may && responder.issuer() == issuer.subject()
                && signature::verify(
                    &responder.signature_algorithm,
                    issuer.public_key(),
                    responder.tbs_certificate.as_ref(),
                    &responder.signature_value.data,
                )
                && signature::verify(&algorithm, responder.public_key(), &data, signed)
        })
    };
    if !by_issuer && !by_delegate() {
        return None;
    }
    let serial = leaf.serial.to_string();
    let answer =
        basic.tbs_response_data.responses.iter().find(|r| r.cert_id.serial_number.to_string() == serial)?;
    Some(match &answer.cert_status {
        CertStatus::Revoked(info) => Status::Revoked(info.revocation_time.timestamp()),
        CertStatus::Good => {
            let begin = answer.this_update.timestamp();
            let end = answer.next_update.as_ref().map_or(begin + DEFAULT_LIFE, chrono::DateTime::timestamp);
            // An answer fetched right after signing counts for the signing.
            if begin - DEFAULT_LIFE <= at && at <= end { Status::Good } else { Status::Unknown }
        }
        CertStatus::Unknown(()) => Status::Unknown,
    })
}

/// Looks a certificate up in the lists that its issuer signed (RFC 5280, 5). `None` when there is none.
pub(super) fn lists(
    pem: &[String],
    leaf: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
) -> Option<Status> {
    let mut answer = None;
    for text in pem.iter().filter(|t| t.len() <= MAX_BYTES) {
        for block in Pem::iter_from_buffer(text.as_bytes()).filter_map(Result::ok) {
            let Ok((_, list)) = CertificateRevocationList::from_der(&block.contents) else { continue };
            let by_issuer = list.issuer() == issuer.subject()
                && signature::verify(
                    &list.signature_algorithm,
                    issuer.public_key(),
                    list.tbs_cert_list.as_ref(),
                    &list.signature_value.data,
                );
            if !by_issuer {
                continue;
            }
            let entry = list.iter_revoked_certificates().find(|r| r.raw_serial() == leaf.raw_serial());
            match entry {
                Some(r) => return Some(Status::Revoked(r.revocation_date.timestamp())),
                None => answer = Some(Status::Good),
            }
        }
    }
    answer
}
