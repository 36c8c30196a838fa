//! Judging a signer: validity, chain, revocation, time stamp, against a clock and lists the caller gives.
//!
//! The library has no clock input, one list for signers and time stamps, and 0.90.22 reports a signer as trusted whose
//! stapled answer says revoked. It goes on checking structure, hashes and the signature itself; everything about the
//! credential is judged here, and its codes about it are replaced.

mod chain;
mod revocation;
mod signature;

use c2pa::crypto::cose::CertificateTrustPolicy;
use c2pa::crypto::time_stamp::{tsa_signer_cert_der_from_token, verify_time_stamp};
use c2pa::status_tracker::StatusTracker;
use colophon_core::{Note, StatusCodes, Trust, TrustJudgement};
use coset::cbor::value::Value;
use coset::{CborSerializable, CoseSign1, Label, TaggedCborSerializable};
use x509_parser::prelude::{FromDer, X509Certificate};

use revocation::Status;

/// `x5chain` (RFC 9360).
const X5CHAIN: i64 = 33;
/// Most certificates of a chain that are looked at.
const MAX_CHAIN: usize = 16;
/// How far a time stamp may lie in the future of the verifier's clock, in seconds.
const CLOCK_SKEW: i64 = 300;

/// Codes of the library that are replaced.
const REPLACED: [&str; 7] = [
    "signingCredential.trusted",
    "signingCredential.untrusted",
    "signingCredential.expired",
    "signingCredential.ocsp.",
    "claimSignature.insideValidity",
    "claimSignature.outsideValidity",
    "timeStamp.",
];

/// What was found out about a signer.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Codes.
    pub(crate) status: StatusCodes,
    /// The caller believes the signer, and the credential was good.
    pub(crate) trusted: bool,
    /// How.
    pub(crate) judgement: TrustJudgement,
    /// Remarks.
    pub(crate) notes: Vec<Note>,
}

impl Judged {
    /// Puts these codes in the place of the library's.
    pub(crate) fn replace(&self, status: &mut StatusCodes) {
        for (list, own) in [
            (&mut status.success, &self.status.success),
            (&mut status.informational, &self.status.informational),
            (&mut status.failure, &self.status.failure),
        ] {
            list.retain(|c| !about_credential(c));
            list.extend(own.iter().filter(|c| !list.contains(c)).cloned().collect::<Vec<_>>());
        }
    }
}

/// Whether a code is about the credential: judged here, whatever the library says.
pub(crate) fn about_credential(code: &str) -> bool {
    REPLACED.iter().any(|r| code.starts_with(r))
}

/// The clock that certificates are judged by when no time stamp says more, RFC 3339.
pub(crate) fn clock(trust: &Trust) -> String {
    rfc3339(trust.at.unwrap_or_else(system_clock))
}

/// Judges the signer of a COSE signature over `claim`. `None` when there is no certificate to judge; the library has
/// said why by then.
pub(crate) fn judge(cose: &[u8], claim: &[u8], trust: &Trust) -> Option<Judged> {
    let sign1 = CoseSign1::from_tagged_slice(cose).or_else(|_| CoseSign1::from_slice(cose)).ok()?;
    let chain = x5chain(&sign1)?;
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    let mut j = Judged::default();
    let clock = trust.at.unwrap_or_else(system_clock);
    let stamped = time_stamp(&sign1, claim, trust, clock, &mut j);
    let at = stamped.unwrap_or(clock);
    j.judgement.at = rfc3339(at);
    let source = match (stamped, trust.at) {
        (Some(_), _) => "time-stamp",
        (None, Some(_)) => "given",
        (None, None) => "system-clock",
    };
    source.clone_into(&mut j.judgement.at_source);
    j.judgement.key_id = Some(chain::key_names(&leaf).1);

    let (begin, end) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    j.judgement.validity = Some((rfc3339(begin), rfc3339(end)));
    let inside = begin <= at && at <= end;
    if inside {
        j.status.success.push("claimSignature.insideValidity".to_owned());
    } else {
        j.status.failure.push("claimSignature.outsideValidity".to_owned());
        let text =
            if at < begin { "the certificate was not valid yet" } else { "the certificate had expired" };
        j.notes.push(Note::new("outside-validity", format!("{text} at {}", rfc3339(at))));
    }
    let fault = chain::profile_fault(&leaf);
    if let Some(why) = fault {
        j.status.failure.push("signingCredential.invalid".to_owned());
        j.notes.push(Note::new("credential-invalid", why));
    }
    let revoked = revocation(&sign1, &chain, &leaf, trust, at, stamped, &mut j);
    let believed = chain::believed(&chain, trust, at);
    match &believed {
        Some(b) if fault.is_none() => {
            j.status.success.push("signingCredential.trusted".to_owned());
            j.judgement.believed_by = Some(b.by.to_owned());
            j.judgement.anchor.clone_from(&b.anchor);
        }
        _ => j.status.failure.push("signingCredential.untrusted".to_owned()),
    }
    j.trusted = believed.is_some() && inside && fault.is_none() && !revoked;
    Some(j)
}

/// The certificates: in the protected header under the integer label, which is the form of the specification, or under
/// the text label and in the unprotected header, which are older.
fn x5chain(sign1: &CoseSign1) -> Option<Vec<Vec<u8>>> {
    let headers = sign1.protected.header.rest.iter().chain(&sign1.unprotected.rest);
    let (_, value) = headers
        .into_iter()
        .find(|(l, _)| *l == Label::Int(X5CHAIN) || *l == Label::Text("x5chain".to_owned()))?;
    let list = match value {
        Value::Bytes(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(|v| v.as_bytes().cloned()).take(MAX_CHAIN).collect(),
        _ => return None,
    };
    (!list.is_empty()).then_some(list)
}

fn header<'a>(sign1: &'a CoseSign1, name: &str) -> Option<&'a Value> {
    sign1.unprotected.rest.iter().find(|(l, _)| *l == Label::Text(name.to_owned())).map(|(_, v)| v)
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_map()?.iter().find(|(k, _)| k.as_text() == Some(name)).map(|(_, v)| v)
}

/// The time of a stamp that verifies and whose signer is on the caller's list of time stamp authorities, Unix seconds.
/// Anything else is informational: the signature is then judged as if there were no stamp.
fn time_stamp(sign1: &CoseSign1, claim: &[u8], trust: &Trust, clock: i64, j: &mut Judged) -> Option<i64> {
    // `sigTst2` covers the signature, the deprecated `sigTst` the claim.
    let (holder, data) = match (header(sign1, "sigTst2"), header(sign1, "sigTst")) {
        (Some(v), _) => {
            let mut signature = Vec::new();
            coset::cbor::into_writer(&Value::Bytes(sign1.signature.clone()), &mut signature).ok()?;
            (v, signature)
        }
        (None, Some(v)) => (v, claim.to_vec()),
        (None, None) => return None,
    };
    let tokens = member(holder, "tstTokens").and_then(Value::as_array);
    let token = match tokens.map(Vec::as_slice) {
        Some([one]) => member(one, "val").and_then(Value::as_bytes),
        _ => None,
    };
    let Some(token) = token else {
        j.status.informational.push("timeStamp.malformed".to_owned());
        return None;
    };
    let covered = coset::sig_structure_data(
        coset::SignatureContext::CounterSignature,
        sign1.protected.clone(),
        None,
        &[],
        &data,
    );
    let mut policy = CertificateTrustPolicy::new();
    policy.add_default_valid_ekus();
    for pem in &trust.timestamp_anchors_pem {
        // A list that cannot be read adds nobody.
        let _ = policy.add_trust_anchors(pem.as_bytes());
    }
    let mut log = StatusTracker::default();
    let verified = verify_time_stamp(token, &covered, &policy, &mut log, true);
    for item in log.logged_items() {
        if let Some(code) = item.validation_status.as_deref().filter(|c| c.starts_with("timeStamp.")) {
            let list = if matches!(code, "timeStamp.validated" | "timeStamp.trusted") {
                &mut j.status.success
            } else {
                &mut j.status.informational
            };
            if !list.iter().any(|c| c == code) {
                list.push(code.to_owned());
            }
        }
    }
    let info = verified.ok()?;
    let time = chrono::DateTime::<chrono::Utc>::from(info.gen_time).timestamp();
    let untrusted = j.status.informational.iter().any(|c| c.starts_with("timeStamp."))
        || !j.status.success.iter().any(|c| c == "timeStamp.trusted");
    if untrusted {
        return None;
    }
    if time > clock + CLOCK_SKEW {
        j.status.informational.push("timeStamp.outsideValidity".to_owned());
        j.notes.push(Note::new("time-stamp-in-the-future", "the time stamp lies after the verifier's clock"));
        return None;
    }
    j.judgement.time_stamp = Some(rfc3339(time));
    j.judgement.time_stamp_signer = tsa_signer_cert_der_from_token(token)
        .ok()
        .flatten()
        .and_then(|der| X509Certificate::from_der(&der).ok().map(|(_, c)| c.subject().to_string()));
    Some(time)
}

/// Whether the credential was revoked when it signed. Without a trusted time nobody knows when that was, and a revoked
/// credential counts as revoked.
fn revocation(
    sign1: &CoseSign1,
    chain: &[Vec<u8>],
    leaf: &X509Certificate<'_>,
    trust: &Trust,
    at: i64,
    stamped: Option<i64>,
    j: &mut Judged,
) -> bool {
    let anchors = chain::certificates(&trust.anchors_pem);
    // The specification leaves the root out of the chain: the issuer may be an anchor.
    let issuer = chain::issuer_of(leaf, chain.get(1..).unwrap_or_default())
        .or_else(|| chain::issuer_of(leaf, &anchors));
    let stapled = header(sign1, "rVals")
        .and_then(|v| member(v, "ocspVals"))
        .and_then(Value::as_array)
        .and_then(|list| list.first())
        .and_then(Value::as_bytes);
    if stapled.is_none() {
        // Nothing is stapled, and nothing is asked over a network.
        j.status.informational.push("signingCredential.ocsp.skipped".to_owned());
    }
    let Some(issuer) = issuer else {
        if stapled.is_some() {
            j.status.informational.push("signingCredential.ocsp.unknown".to_owned());
            j.judgement.revocation = Some("unknown".to_owned());
        }
        return false;
    };
    let mut revoked = false;
    let mut take = |status: Status, source: &str, codes: [&str; 2], j: &mut Judged| {
        let (word, code) = match status {
            Status::Good => ("not-revoked", codes[0]),
            Status::Unknown => ("unknown", "signingCredential.ocsp.unknown"),
            // A signature stamped before the revocation keeps its worth.
            Status::Revoked(when) if stamped.is_some_and(|t| t < when) => ("not-revoked", codes[0]),
            Status::Revoked(_) => ("revoked", codes[1]),
        };
        if j.judgement.revocation.as_deref() != Some("revoked") {
            j.judgement.revocation = Some(word.to_owned());
            j.judgement.revocation_source = Some(source.to_owned());
        }
        match word {
            "not-revoked" => j.status.success.push(code.to_owned()),
            "unknown" => j.status.informational.push(code.to_owned()),
            _ => {
                revoked = true;
                j.status.failure.push(code.to_owned());
            }
        }
    };
    if let Some(der) = stapled {
        let codes = ["signingCredential.ocsp.notRevoked", "signingCredential.ocsp.revoked"];
        take(revocation::ocsp(der, leaf, &issuer, at), "stapled-ocsp", codes, j);
    }
    if let Some(status) = revocation::lists(&trust.revocation_pem, leaf, &issuer) {
        // The specification has no lists; codes of one's own carry a reverse domain name.
        let codes = ["org.colophon.revocationList.notRevoked", "org.colophon.revocationList.revoked"];
        take(status, "revocation-list", codes, j);
    }
    revoked
}

fn system_clock() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

fn rfc3339(unix: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| unix.to_string())
}
