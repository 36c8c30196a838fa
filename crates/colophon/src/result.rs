//! The result of a verification as a document that stands by itself (EU Code of Practice, 2.1.2): what was examined, by
//! which detector, when, what was found, what it does not say, and a detached signature over its bytes.

use colophon_core::{
    Error, ErrorKind, Evidence, HardBinding, MarkKind, Media, Outcome, Report, Result, Signer, State,
    sha256_hex,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name and version of the document's form.
pub const RESULT_SCHEMA: &str = "colophon.result/1";
/// Longest document that is read, in bytes.
const MAX_BYTES: usize = 256 << 20;

/// A verification result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerificationResult {
    /// [`RESULT_SCHEMA`].
    pub schema: String,
    /// Who looked.
    pub detector: Detector,
    /// When, RFC 3339, UTC.
    pub checked_at: String,
    /// Where that time comes from: `system-clock` or `given`.
    pub time_source: String,
    /// One for each content that was submitted.
    pub items: Vec<ResultItem>,
    /// What the result cannot say.
    pub limits: String,
    /// Who signs the document. The key travels with it: integrity; identity comes from knowing the key.
    pub signer: ResultSigner,
}

/// The detection solution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detector {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Parts of this build: `c2pa`, and what else decides what is looked for.
    pub build: String,
}

/// What was found on one content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResultItem {
    /// Name as submitted.
    pub name: String,
    /// SHA-256 of all bytes of the content, hex.
    pub content_sha256: String,
    /// Length in bytes.
    pub content_length: u64,
    /// Format id.
    pub format: String,
    /// Media type.
    pub media_type: String,
    /// Kind of content.
    pub media: Media,
    /// Every layer of marking that was looked for.
    pub layers: Vec<Layer>,
    /// Profile by profile.
    pub verdicts: Vec<ProfileVerdict>,
}

/// One layer of marking in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Layer {
    /// Kind.
    pub kind: MarkKind,
    /// Id of the mark.
    pub mark: String,
    /// Where it sits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// State.
    pub state: State,
    /// What was read, in one line.
    pub detail: String,
}

/// What one profile makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileVerdict {
    /// Profile.
    pub profile: String,
    /// `fail` when a rule fails, else `undetermined` when one could not be looked at, else `pass`.
    pub outcome: Outcome,
    /// Rules that fail or could not be looked at, with the reason.
    pub open: Vec<OpenRule>,
}

/// A rule that does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenRule {
    /// Rule.
    pub rule: String,
    /// Clause.
    pub clause: String,
    /// Outcome.
    pub outcome: Outcome,
    /// Reason.
    pub reason: String,
}

/// Who signs the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultSigner {
    /// `Ed25519`.
    pub algorithm: String,
    /// Hex SHA-256 of the public key.
    pub key_id: String,
    /// The raw public key, hex.
    pub public_key: String,
}

/// A document with its detached signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedResult {
    /// The JSON text, which is what is signed, byte for byte.
    pub json: Vec<u8>,
    /// 64 bytes of Ed25519 (RFC 8032).
    pub signature: Vec<u8>,
}

/// Makes and signs the document of one or more reports.
///
/// # Errors
/// `Key` for a key that is not Ed25519, `Usage` for a report without a digest, and as [`Signer::sign`].
pub fn sign_result(
    reports: &[Report],
    checked_at: &str,
    time_source: &str,
    signer: &dyn Signer,
) -> Result<SignedResult> {
    let public = signer.public_key();
    if signer.algorithm() != "EdDSA" || public.len() != 32 {
        return Err(Error::new(ErrorKind::Key, "results are signed with Ed25519 keys"));
    }
    if reports.iter().any(|r| r.subject.sha256.is_none()) {
        return Err(Error::new(
            ErrorKind::Usage,
            "a report without the digest of its content names no content",
        ));
    }
    let document = VerificationResult {
        schema: RESULT_SCHEMA.to_owned(),
        detector: Detector {
            name: "colophon".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: build().to_owned(),
        },
        checked_at: checked_at.to_owned(),
        time_source: time_source.to_owned(),
        items: reports.iter().map(item).collect(),
        limits: Report::LIMITS.to_owned(),
        signer: ResultSigner {
            algorithm: "Ed25519".to_owned(),
            key_id: signer.key_id(),
            public_key: public.iter().map(|b| format!("{b:02x}")).collect(),
        },
    };
    let mut json = serde_json::to_vec_pretty(&document)
        .map_err(|e| Error::new(ErrorKind::Check, "the result cannot be written").because(e))?;
    json.push(b'\n');
    let signature = signer.sign(&json)?;
    Ok(SignedResult { json, signature })
}

/// What a check of a signed result found.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedResult {
    /// The document.
    pub document: VerificationResult,
    /// The signer is one the caller named.
    pub known_signer: bool,
}

/// Checks the signature of a document. With `pinned` keys (hex of the raw public key, or of its SHA-256) the signer must
/// be one of them; without, the key inside the document is used, which shows integrity and no identity.
///
/// # Errors
/// `Check` when the signature does not fit or the signer is another, `Malformed` for what is no result.
pub fn check_result(json: &[u8], signature: &[u8], pinned: &[String]) -> Result<CheckedResult> {
    let malformed = |why: &str| Error::new(ErrorKind::Malformed, why).at_place("result");
    if json.len() > MAX_BYTES {
        return Err(Error::limit("the result is longer than 256 MiB"));
    }
    let document: VerificationResult =
        serde_json::from_slice(json).map_err(|e| malformed("not a verification result").because(e))?;
    if document.schema != RESULT_SCHEMA || document.signer.algorithm != "Ed25519" {
        return Err(malformed("a result of another form"));
    }
    let public = unhex(&document.signer.public_key)
        .ok_or_else(|| malformed("the public key is not 32 bytes of hex"))?;
    let fails = |why: &str| Err(Error::new(ErrorKind::Check, why).at_place("result"));
    if !colophon_sign::verify_ed25519(&public, json, signature) {
        return fails("the signature does not fit the result: one of them was changed");
    }
    if sha256_hex(&public) != document.signer.key_id {
        return fails("the key id is not that of the key");
    }
    let known = pinned.iter().any(|p| {
        p.eq_ignore_ascii_case(&document.signer.public_key) || p.eq_ignore_ascii_case(&document.signer.key_id)
    });
    if !pinned.is_empty() && !known {
        return fails("the result is signed by another key than the one expected");
    }
    Ok(CheckedResult { document, known_signer: known })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        (0..64).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect();
    bytes?.try_into().ok()
}

/// What decides what this build can look for.
fn build() -> &'static str {
    match (cfg!(feature = "c2pa"), cfg!(debug_assertions)) {
        (true, false) => "release, c2pa",
        (true, true) => "debug, c2pa",
        (false, false) => "release, without c2pa",
        (false, true) => "debug, without c2pa",
    }
}

fn item(report: &Report) -> ResultItem {
    let s = &report.subject;
    let media_type = crate::registry()
        .format(&s.format)
        .and_then(|f| f.info().mime.first())
        .map_or("application/octet-stream", |m| m);
    let layers = report
        .findings
        .iter()
        .map(|f| Layer {
            kind: f.kind,
            mark: f.mark.clone(),
            place: f.place.as_ref().map(|p| p.path.clone()),
            state: f.state,
            detail: detail(f),
        })
        .collect();
    let mut profiles: Vec<&str> = report.verdicts.iter().map(|v| v.profile.as_str()).collect();
    profiles.dedup();
    ResultItem {
        name: s.name.clone(),
        content_sha256: s.sha256.clone().unwrap_or_default(),
        content_length: s.size,
        format: s.format.clone(),
        media_type: media_type.to_owned(),
        media: s.media,
        layers,
        verdicts: profiles.into_iter().map(|p| verdict(p, report)).collect(),
    }
}

fn verdict(profile: &str, report: &Report) -> ProfileVerdict {
    let open: Vec<OpenRule> = report
        .verdicts
        .iter()
        .filter(|v| v.profile == profile && matches!(v.outcome, Outcome::Fail | Outcome::Undetermined))
        .map(|v| OpenRule {
            rule: v.rule.clone(),
            clause: v.clause.clone(),
            outcome: v.outcome,
            reason: v.reason.clone(),
        })
        .collect();
    let has = |o: Outcome| open.iter().any(|r| r.outcome == o);
    let outcome = if has(Outcome::Fail) {
        Outcome::Fail
    } else if has(Outcome::Undetermined) {
        Outcome::Undetermined
    } else {
        Outcome::Pass
    };
    ProfileVerdict { profile: profile.to_owned(), outcome, open }
}

/// One line. Names of people, devices and places are not part of it.
fn detail(f: &colophon_core::Finding) -> String {
    let mut parts: Vec<String> = Vec::new();
    match &f.evidence {
        Some(Evidence::Aigc(e)) => {
            parts
                .push(format!("label {}, producer {}, number {}", e.label, e.content_producer, e.produce_id));
        }
        Some(Evidence::SourceType(e)) => parts.push(format!("{} ({})", e.code, e.class)),
        Some(Evidence::Manifest(e)) => {
            let content = match e.axes.content {
                HardBinding::Match => "content intact",
                HardBinding::Mismatch => "content changed after signing",
                HardBinding::NotChecked => "content not checked",
            };
            parts.push(content.to_owned());
            parts.push(format!("manifest {}", if e.axes.valid { "valid" } else { "not valid" }));
            parts.push(format!("signer {}", if e.axes.trusted { "trusted" } else { "not trusted" }));
            parts.extend(e.source_type.clone());
            parts.extend(e.status.failure.iter().cloned());
        }
        Some(Evidence::Label(e)) => parts.extend(e.text.iter().chain(&e.position).cloned()),
        Some(Evidence::Watermark(e)) => {
            parts.push(format!("{}, payload {}", e.scheme, e.payload.as_deref().unwrap_or("none")));
        }
        _ => {}
    }
    parts.extend(f.confidence.as_ref().and_then(|c| c.log10_p).map(|p| format!("log10 p {p:.1}")));
    parts.extend(f.why.map(|w| format!("{w:?}")));
    parts.extend(f.notes.iter().map(|n| n.text.clone()));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use colophon_sign::{CertifiedSigner, ChainRequest, KeyPair, make_chain};

    use super::*;
    use crate::{Options, Profiles};

    fn signer() -> CertifiedSigner {
        let (root, leaf) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let chain = make_chain(&root, &leaf, &ChainRequest::new("Acme", 30).unwrap()).unwrap();
        CertifiedSigner::new(leaf, &chain.leaf_pem).unwrap()
    }

    fn signed() -> SignedResult {
        let options = Options::new("2026-11-25T00:00:00Z", [0; 32]).with_name("a.md");
        let report =
            crate::verify(b"# Title\n\nText.\n", &Profiles::named(&["cn", "any"]).unwrap(), &options)
                .unwrap();
        sign_result(&[report], &options.now, "given", &signer()).unwrap()
    }

    #[test]
    fn code_of_practice_2_1_2_fields_are_there_and_the_signature_holds() {
        let r = signed();
        let checked = check_result(&r.json, &r.signature, &[signer().key_id()]).unwrap();
        assert!(checked.known_signer);
        let d = checked.document;
        let item = &d.items[0];
        assert_eq!(item.content_sha256, sha256_hex(b"# Title\n\nText.\n"));
        assert_eq!((d.checked_at.as_str(), d.time_source.as_str()), ("2026-11-25T00:00:00Z", "given"));
        assert_eq!((d.detector.name.as_str(), item.media_type.as_str()), ("colophon", "text/markdown"));
        assert!(!item.layers.is_empty() && d.limits.contains("no evidence"));
        assert_eq!(item.verdicts.iter().map(|v| v.profile.as_str()).collect::<Vec<_>>(), ["cn", "any"]);
        assert_eq!(item.verdicts[0].outcome, Outcome::Fail);
        assert_eq!(signed(), r, "same input, same clock, same key, same bytes");
    }

    #[test]
    fn code_of_practice_2_1_2_any_changed_byte_breaks_it() {
        let r = signed();
        for at in 0..r.json.len() {
            let mut changed = r.json.clone();
            changed[at] ^= 1;
            assert!(check_result(&changed, &r.signature, &[]).is_err(), "byte {at}");
        }
        for at in 0..r.signature.len() {
            let mut changed = r.signature.clone();
            changed[at] ^= 1;
            assert!(check_result(&r.json, &changed, &[]).is_err(), "byte {at}");
        }
        let other = KeyPair::from_seed(&[9; 32]).key_id();
        assert!(
            check_result(&r.json, &r.signature, &[other]).unwrap_err().to_string().contains("another key")
        );
    }
}
