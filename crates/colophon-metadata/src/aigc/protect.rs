//! Protection of the label inside the label: `SecurityData` of TC260-PG-202511A in the reserved fields.
//!
//! The guide's own algorithm is SM3withSM2. We sign with Ed25519 (RFC 8410), in the guide's form, over the guide's
//! message; [`SCHEME`] says so. Signatures of others are told apart from ours by it: how real files build the signed
//! message varies, and one that cannot be checked says nothing against the label.

use colophon_core::{AigcEvidence, ProtectionEvidence, ProtectionState, Result, Signer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::AigcObject;

/// Name of our form of the signature.
pub const SCHEME: &str = "org.colophon.label.1";
/// id-Ed25519 (RFC 8410).
const ED25519: &str = "1.3.101.112";
/// SubjectPublicKeyInfo of an Ed25519 key, up to the 32 bytes of the key (RFC 8410, 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Whose fields are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The producer's, in `ReservedCode1`.
    Producer,
    /// The propagator's, in `ReservedCode2`.
    Propagator,
}

/// The value of the reserved field: a signature over the label's fields and the key that checks it.
///
/// `None` when the field holds somebody's data of another form, or the key is not Ed25519.
///
/// # Errors
/// As [`Signer::sign`].
pub fn protect(object: &AigcObject, role: Role, signer: &dyn Signer) -> Result<Option<String>> {
    let held = match role {
        Role::Producer => &object.reserved_code1,
        Role::Propagator => &object.reserved_code2,
    };
    let public = signer.public_key();
    if !held.is_empty() && !held.contains(SCHEME) || signer.algorithm() != "EdDSA" || public.len() != 32 {
        return Ok(None);
    }
    let (provider, id) = match role {
        Role::Producer => (&object.content_producer, &object.produce_id),
        Role::Propagator => (&object.content_propagator, &object.propagate_id),
    };
    let signature = signer.sign(message(role, &object.label, provider, id).as_bytes())?;
    let spki: Vec<u8> = SPKI_PREFIX.iter().copied().chain(public).collect();
    let data = json!({ "SecurityData": { "Type": "TC260PG", "Version": 1, "PubSD": [
        { "Type": "DS", "AlgID": ED25519, "TBSData": { "Type": "Md" }, "Scheme": SCHEME, "Signature": hex(&signature) },
        { "Type": "PubKey", "AlgID": ED25519, "KeyValue": hex(&spki) },
    ] } });
    Ok(Some(data.to_string()))
}

/// What is signed: the three fields as they stand in the label, in ASCII (TC260-PG-202511A, Annex A.1). The propagator
/// signs its own two fields in the producer's stead; the guide's text on it was not seen.
fn message(role: Role, label: &str, provider: &str, id: &str) -> String {
    let (p, i) = match role {
        Role::Producer => ("ContentProducer", "ProduceID"),
        Role::Propagator => ("ContentPropagator", "PropagateID"),
    };
    let quoted = |s: &str| Value::from(s).to_string();
    format!("\"Label\":{},\"{p}\":{},\"{i}\":{}", quoted(label), quoted(provider), quoted(id))
}

/// What the reserved fields of a label say about it.
pub(super) fn examine(e: &AigcEvidence) -> Vec<ProtectionEvidence> {
    let one = |field: &str, value: &str, role, provider: &str, id: &str| {
        (!value.is_empty()).then(|| {
            let mut found = ProtectionEvidence {
                field: field.to_owned(),
                state: ProtectionState::Opaque,
                algorithm: None,
                key_id: None,
            };
            if let Ok(data) = serde_json::from_str::<Value>(value)
                && let Some(data) = data.get("SecurityData")
            {
                found.state = ProtectionState::NotVerified;
                check(data, &message(role, &e.label, provider, id), &mut found);
            }
            found
        })
    };
    let producer =
        one("ReservedCode1", &e.reserved_code1, Role::Producer, &e.content_producer, &e.produce_id);
    let propagator =
        one("ReservedCode2", &e.reserved_code2, Role::Propagator, &e.content_propagator, &e.propagate_id);
    producer.into_iter().chain(propagator).collect()
}

fn check(data: &Value, message: &str, found: &mut ProtectionEvidence) {
    // Real files write `PubSd` for `PubSD`.
    let parts = data.get("PubSD").or_else(|| data.get("PubSd")).and_then(Value::as_array);
    let part = |kind: &str| {
        parts.into_iter().flatten().find(|p| p.get("Type").and_then(Value::as_str) == Some(kind))
    };
    let text =
        |v: Option<&Value>, key: &str| v.and_then(|v| v.get(key)).and_then(Value::as_str).map(str::to_owned);
    let (ds, key) = (part("DS"), part("PubKey"));
    found.algorithm = text(ds, "AlgID").or_else(|| text(key, "AlgID"));
    let spki = text(key, "KeyValue").and_then(|k| unhex(&k)).unwrap_or_default();
    let Some(public) = spki.strip_prefix(&SPKI_PREFIX).and_then(|k| <[u8; 32]>::try_from(k).ok()) else {
        return;
    };
    found.key_id = Some(hex(&Sha256::digest(public)));
    if text(ds, "Scheme").as_deref() != Some(SCHEME) || found.algorithm.as_deref() != Some(ED25519) {
        return;
    }
    let signature = text(ds, "Signature").and_then(|s| unhex(&s)).unwrap_or_default();
    found.state = if colophon_sign::verify_ed25519(&public, message.as_bytes(), &signature) {
        ProtectionState::Matches
    } else {
        ProtectionState::Differs
    };
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use colophon_sign::{CertifiedSigner, ChainRequest, KeyPair, make_chain};

    use super::super::{Parsed, parse};
    use super::*;

    fn signer() -> CertifiedSigner {
        let (root, leaf) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let chain = make_chain(&root, &leaf, &ChainRequest::new("Acme", 30).unwrap()).unwrap();
        CertifiedSigner::new(leaf, &chain.leaf_pem).unwrap()
    }

    fn protected() -> AigcObject {
        let mut o = AigcObject::first_write("1", "acme", "7").unwrap();
        o.reserved_code1 = protect(&o, Role::Producer, &signer()).unwrap().unwrap();
        o
    }

    fn read(json: &str) -> AigcEvidence {
        let Parsed::Label(e) = parse(json.as_bytes(), true) else { panic!("{json}") };
        e
    }

    #[test]
    fn tc260_202511a_own_signature_fits_and_a_changed_field_does_not() {
        let o = protected();
        let e = read(&o.to_json());
        assert_eq!(e.problems, []);
        assert_eq!(e.protection[0].state, ProtectionState::Matches);
        assert_eq!(e.protection[0].key_id.as_deref(), Some(signer().key_id().as_str()));
        assert!(o.reserved_code1.len() < 2048 && o.reserved_code1.is_ascii());
        let changed = AigcObject { produce_id: "8".to_owned(), ..o };
        let e = read(&changed.to_json());
        assert_eq!(e.protection[0].state, ProtectionState::Differs);
        assert!(e.problems.iter().any(|p| p.code == "protection-differs" && p.fatal));
    }

    #[test]
    fn tc260_202511a_a_propagator_leaves_the_producers_signature_valid() {
        let mut o = protected();
        o.content_propagator = "platform".to_owned();
        o.propagate_id = "p9".to_owned();
        o.reserved_code2 = protect(&o, Role::Propagator, &signer()).unwrap().unwrap();
        let states: Vec<ProtectionState> = read(&o.to_json()).protection.iter().map(|p| p.state).collect();
        assert_eq!(states, [ProtectionState::Matches, ProtectionState::Matches]);
    }

    #[test]
    fn tc260_202511a_sm2_of_others_is_present_and_not_verified() {
        let sm2 = r#"{"SecurityData":{"Type":"TC260PG","Version":1,"PubSd":[{"Type":"DS","AlgID":"1.2.156.10197.1.501","TBSData":{"Type":"LabelMataData"},"Signature":"3045"},{"Type":"PubKey","AlgID":"1.2.156.10197.1.501","KeyValue":"04ab"}]}}"#;
        let o =
            AigcObject { reserved_code1: sm2.to_owned(), ..AigcObject::first_write("1", "a", "7").unwrap() };
        let e = read(&o.to_json());
        assert_eq!(e.protection[0].state, ProtectionState::NotVerified);
        assert_eq!(e.protection[0].algorithm.as_deref(), Some("1.2.156.10197.1.501"));
        assert!(e.problems.iter().all(|p| !p.fatal), "{:?}", e.problems);
        // Ours never replaces it.
        assert_eq!(protect(&o, Role::Producer, &signer()).unwrap(), None);
        let digest = AigcObject { reserved_code1: "ab".repeat(20), ..o };
        assert_eq!(read(&digest.to_json()).protection[0].state, ProtectionState::Opaque);
    }

    proptest::proptest! {
        #[test]
        fn no_protection_data_panics(text in "\\PC{0,200}") {
            let o = AigcObject { reserved_code1: text, ..AigcObject::default() };
            let _ = parse(o.to_json().as_bytes(), true);
        }
    }
}
