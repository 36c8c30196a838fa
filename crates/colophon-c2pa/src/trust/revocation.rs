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

#[cfg(test)]
mod tests {
    use colophon_sign::{ChainRequest, KeyPair, make_chain, read_certificates};
    use rasn::types::{BitString, OctetString};
    use rasn_ocsp::{CertId, ResponderId, ResponseBytes, ResponseData, RevokedInfo, SingleResponse};

    use super::*;

    /// Seconds; the chain begins here.
    const BEGIN: i64 = 1_735_689_600;

    struct Fixture {
        root: KeyPair,
        leaf_der: Vec<u8>,
        root_der: Vec<u8>,
    }

    fn fixture() -> Fixture {
        let (root, leaf) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let mut request = ChainRequest::new("Acme", 366).unwrap();
        request.not_before = BEGIN;
        let chain = make_chain(&root, &leaf, &request).unwrap();
        let der = |pem: &str| read_certificates(pem)[0].der.clone();
        Fixture { root, leaf_der: der(&chain.leaf_pem), root_der: der(&chain.root_pem) }
    }

    fn time(at: i64) -> rasn::types::GeneralizedTime {
        chrono::DateTime::from_timestamp(at, 0).unwrap().fixed_offset()
    }

    /// An answer about the leaf, signed by `by`.
    fn answer(by: &KeyPair, status: CertStatus, serial: &[u8]) -> Vec<u8> {
        let ed25519 = [0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
        let data = ResponseData {
            version: 0.into(),
            responder_id: ResponderId::ByKey(OctetString::from(vec![1; 20])),
            produced_at: time(BEGIN),
            responses: vec![SingleResponse {
                cert_id: CertId {
                    hash_algorithm: rasn::der::decode(&ed25519).unwrap(),
                    issuer_name_hash: OctetString::from(vec![1; 20]),
                    issuer_key_hash: OctetString::from(vec![1; 20]),
                    serial_number: rasn::der::decode(&[&[2, serial.len() as u8], serial].concat()).unwrap(),
                },
                cert_status: status,
                this_update: time(BEGIN),
                next_update: Some(time(BEGIN + 7 * 86_400)),
                single_extensions: None,
            }],
            response_extensions: None,
        };
        let signature = by.sign(&rasn::der::encode(&data).unwrap());
        let basic = BasicOcspResponse {
            tbs_response_data: data,
            signature_algorithm: rasn::der::decode(&ed25519).unwrap(),
            signature: BitString::from_slice(&signature),
            certs: None,
        };
        // id-pkix-ocsp-basic.
        let kind = rasn::der::decode(&[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1]).unwrap();
        rasn::der::encode(&OcspResponse {
            status: OcspResponseStatus::Successful,
            bytes: Some(ResponseBytes { r#type: kind, response: rasn::der::encode(&basic).unwrap().into() }),
        })
        .unwrap()
    }

    #[test]
    fn rfc6960_answers_of_the_issuer_count_and_no_others() {
        let f = fixture();
        let (_, leaf) = X509Certificate::from_der(&f.leaf_der).unwrap();
        let (_, root) = X509Certificate::from_der(&f.root_der).unwrap();
        let serial = leaf.raw_serial();
        let revoked =
            || CertStatus::Revoked(RevokedInfo { revocation_time: time(BEGIN + 5), revocation_reason: None });
        let judge = |der: &[u8], at| ocsp(der, &leaf, &root, at);
        assert_eq!(judge(&answer(&f.root, CertStatus::Good, serial), BEGIN + 9), Status::Good);
        assert_eq!(judge(&answer(&f.root, revoked(), serial), BEGIN + 9), Status::Revoked(BEGIN + 5));
        // Stale, of somebody else, about another certificate, cut short: as if it were not there.
        assert_eq!(judge(&answer(&f.root, CertStatus::Good, serial), BEGIN + 30 * 86_400), Status::Unknown);
        let stranger = KeyPair::from_seed(&[9; 32]);
        assert_eq!(judge(&answer(&stranger, revoked(), serial), BEGIN + 9), Status::Unknown);
        assert_eq!(judge(&answer(&f.root, revoked(), &[5, 6, 7]), BEGIN + 9), Status::Unknown);
        let der = answer(&f.root, CertStatus::Good, serial);
        for cut in 0..der.len() {
            assert_eq!(judge(&der[..cut], BEGIN + 9), Status::Unknown, "{cut}");
        }
    }
}
