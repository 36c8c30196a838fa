//! Manifest stores put together box by box (C2PA 2.4, 11; ISO 19566-5), so that anything about them can be wrong and still be
//! signed: no library makes these.

// Names of boxes are written as literals, which are references.
#![allow(clippy::trivially_copy_pass_by_ref)]

use colophon::sign::KeyPair;
use coset::cbor::value::Value;
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use sha2::{Digest, Sha256};

/// Types of superboxes, the first four bytes of each.
pub(crate) const STORE: &[u8; 4] = b"c2pa";
pub(crate) const MANIFEST: &[u8; 4] = b"c2ma";
pub(crate) const UPDATE: &[u8; 4] = b"c2um";
pub(crate) const CBOR: &[u8; 4] = b"cbor";
pub(crate) const JSON: &[u8; 4] = b"json";

pub(crate) fn text(s: &str) -> Value {
    Value::Text(s.to_owned())
}

pub(crate) fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(k, v)| (text(k), v.clone())).collect())
}

/// Sets or adds an entry of a map; `None` takes it away.
pub(crate) fn set(of: &mut Value, key: &str, value: Option<Value>) {
    let entries = of.as_map_mut().unwrap();
    entries.retain(|(k, _)| k.as_text() != Some(key));
    if let Some(v) = value {
        entries.push((text(key), v));
    }
}

pub(crate) fn cbor(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    coset::cbor::into_writer(value, &mut out).unwrap();
    out
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

pub(crate) fn plain_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&((body.len() + 8) as u32).to_be_bytes()[..], kind, body].concat()
}

pub(crate) fn superbox(kind: &[u8; 4], label: &str, content: &[u8]) -> Vec<u8> {
    let tail = b"\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71";
    let description = [&kind[..], tail, &[3], label.as_bytes(), &[0]].concat();
    plain_box(b"jumb", &[plain_box(b"jumd", &description), content.to_vec()].concat())
}

/// An assertion: its label, and its superbox.
#[derive(Clone)]
pub(crate) struct Assertion {
    pub(crate) label: String,
    pub(crate) bytes: Vec<u8>,
}

impl Assertion {
    pub(crate) fn cbor(label: &str, value: &Value) -> Self {
        Self::raw(CBOR, label, &cbor(value))
    }

    /// With content that need not be what its type says.
    pub(crate) fn raw(kind: &[u8; 4], label: &str, content: &[u8]) -> Self {
        Self { label: label.to_owned(), bytes: superbox(kind, label, &plain_box(kind, content)) }
    }

    /// As a claim names it.
    pub(crate) fn reference(&self) -> Value {
        self.reference_with(sha256(&self.bytes[8..]))
    }

    pub(crate) fn reference_with(&self, hash: Vec<u8>) -> Value {
        map(&[
            ("url", text(&format!("self#jumbf=c2pa.assertions/{}", self.label))),
            ("hash", Value::Bytes(hash)),
        ])
    }
}

pub(crate) fn created(source_type: Option<&str>) -> Value {
    let mut action = map(&[("action", text("c2pa.created"))]);
    let name = |s: &str| text(&format!("http://cv.iptc.org/newscodes/digitalsourcetype/{s}"));
    set(&mut action, "digitalSourceType", source_type.map(name));
    action
}

pub(crate) fn actions(list: Vec<Value>) -> Assertion {
    Assertion::cbor("c2pa.actions.v2", &map(&[("actions", Value::Array(list))]))
}

/// What a manifest is made of; every part can be changed before it is signed.
pub(crate) struct Draft {
    pub(crate) kind: &'static [u8; 4],
    pub(crate) label: String,
    /// In the claim and in the store.
    pub(crate) assertions: Vec<Assertion>,
    /// In the store only.
    pub(crate) undeclared: Vec<Assertion>,
    /// In the claim only.
    pub(crate) absent: Vec<Assertion>,
    /// Binds the content: changes to the assertion, or none of it.
    pub(crate) binding: Option<fn(&mut Value)>,
    /// Label of the binding.
    pub(crate) binding_label: &'static str,
    /// A range of the content that the binding leaves out besides the store: start and length.
    pub(crate) left_out: Option<(u64, u64)>,
    pub(crate) claim: Box<dyn Fn(&mut Value)>,
    /// Changes to the claim's bytes before they are signed.
    pub(crate) claim_bytes: fn(Vec<u8>) -> Vec<u8>,
    /// Changes to the parts of the manifest after they are signed: assertions, claim, signature.
    pub(crate) parts: fn(&mut Vec<Vec<u8>>),
}

impl Draft {
    pub(crate) fn new(label: &str) -> Self {
        Self {
            kind: MANIFEST,
            label: label.to_owned(),
            assertions: vec![actions(vec![created(Some("trainedAlgorithmicMedia"))])],
            undeclared: Vec::new(),
            absent: Vec::new(),
            binding: Some(|_| ()),
            binding_label: "c2pa.hash.data",
            left_out: None,
            claim: Box::new(|_| ()),
            claim_bytes: |b| b,
            parts: |_| (),
        }
    }
}

/// Makes a time stamp token of bytes, DER.
pub(crate) type Stamping = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Who signs.
pub(crate) struct Maker {
    pub(crate) key: KeyPair,
    /// Certificates, DER, the signer's first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// A reply of a time stamp authority to what is covered, DER.
    pub(crate) stamp: Option<Stamping>,
}

impl Maker {
    pub(crate) fn new(key: KeyPair, chain: Vec<Vec<u8>>) -> Self {
        Self { key, chain, stamp: None }
    }

    /// The COSE signature of a claim (C2PA 2.4, 13.2).
    pub(crate) fn signature(&self, claim: &[u8]) -> Vec<u8> {
        let chain = Value::Array(self.chain.iter().cloned().map(Value::Bytes).collect());
        let mut protected = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA);
        if !self.chain.is_empty() {
            protected = protected.value(33, chain);
        }
        let mut sign1 = CoseSign1Builder::new()
            .protected(protected.build())
            .payload(claim.to_vec())
            .create_signature(b"", |bytes| self.key.sign(bytes).to_vec())
            .build();
        sign1.payload = None;
        if let Some(stamp) = &self.stamp {
            let covered = coset::sig_structure_data(
                coset::SignatureContext::CounterSignature,
                sign1.protected.clone(),
                None,
                &[],
                &cbor(&Value::Bytes(sign1.signature.clone())),
            );
            let token = map(&[("val", Value::Bytes(stamp(&covered)))]);
            let tokens = map(&[("tstTokens", Value::Array(vec![token]))]);
            sign1.unprotected = HeaderBuilder::new().text_value("sigTst2".to_owned(), tokens).build();
        }
        sign1.to_tagged_vec().unwrap()
    }

    /// A manifest whose binding leaves out this range and has this hash.
    pub(crate) fn manifest(&self, draft: &Draft, excluded: (u64, u64), hash: &[u8]) -> Vec<u8> {
        let mut declared = draft.assertions.clone();
        if let Some(change) = draft.binding {
            let range = |(start, length): (u64, u64)| {
                map(&[("start", Value::from(start)), ("length", Value::from(length))])
            };
            let ranges = draft.left_out.into_iter().chain([excluded]).map(range).collect();
            let mut value = map(&[
                ("exclusions", Value::Array(ranges)),
                ("alg", text("sha256")),
                ("hash", Value::Bytes(hash.to_vec())),
                ("pad", Value::Bytes(vec![0; 8])),
            ]);
            change(&mut value);
            declared.push(Assertion::cbor(draft.binding_label, &value));
        }
        let named = declared.iter().chain(&draft.absent).map(Assertion::reference).collect();
        let mut claim = map(&[
            ("instanceID", text("xmp:iid:6d9f9a4e-0000-4000-8000-000000000001")),
            ("claim_generator_info", map(&[("name", text("somebody"))])),
            ("signature", text(&format!("self#jumbf=/c2pa/{}/c2pa.signature", draft.label))),
            ("created_assertions", Value::Array(named)),
            ("alg", text("sha256")),
        ]);
        (draft.claim)(&mut claim);
        let claim = (draft.claim_bytes)(cbor(&claim));
        let signature = self.signature(&claim);
        let all: Vec<u8> = declared.iter().chain(&draft.undeclared).flat_map(|a| a.bytes.clone()).collect();
        let mut parts = vec![
            superbox(b"c2as", "c2pa.assertions", &all),
            superbox(b"c2cl", "c2pa.claim.v2", &plain_box(CBOR, &claim)),
            superbox(b"c2cs", "c2pa.signature", &plain_box(CBOR, &signature)),
        ];
        (draft.parts)(&mut parts);
        superbox(draft.kind, &draft.label, &parts.concat())
    }

    /// A second of silence with a store of these manifests, the last of which is active and binds it. `before` are manifests
    /// that are made already.
    pub(crate) fn wav(&self, before: &[Vec<u8>], draft: &Draft) -> Vec<u8> {
        let plain = silence();
        let at = plain.len() as u64;
        let whole = |manifest: &[u8]| {
            let store = superbox(STORE, "c2pa", &[&before.concat()[..], manifest].concat());
            let pad = vec![0; store.len() % 2];
            let chunk = [b"C2PA", &(store.len() as u32).to_le_bytes()[..], &store, &pad].concat();
            let mut out = [&plain[..], &chunk].concat();
            let size = (out.len() - 8) as u32;
            out[4..8].copy_from_slice(&size.to_le_bytes());
            (out, chunk.len() as u64)
        };
        // The length of the excluded range is part of what is signed: again, until it stays. Time stamps differ in length.
        let mut length = 1000;
        for _ in 0..100 {
            let (out, now) = whole(&self.manifest(draft, (at, length), &[0; 32]));
            if now == length {
                let mut kept = out[..at as usize].to_vec();
                if let Some((start, length)) = draft.left_out {
                    kept.drain(start as usize..(start + length) as usize);
                }
                let (out, now) = whole(&self.manifest(draft, (at, length), &sha256(&kept)));
                if now == length {
                    return out;
                }
            }
            length = now;
        }
        panic!("the length of the store never stays");
    }
}

/// A second of silence.
pub(crate) fn silence() -> Vec<u8> {
    let samples = vec![0_u8; 16_000];
    let mut out = b"RIFF".to_vec();
    out.extend((36 + samples.len() as u32).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    out.extend((samples.len() as u32).to_le_bytes());
    out.extend(samples);
    out
}
