//! Manifests that are sound, tampered with, expired, revoked, signed by the wrong certificate or damaged: each has a
//! state and the status code of the specification, and every one has a report.
#![cfg(feature = "c2pa")]
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixtures;
mod pki;

use colophon::{
    Evidence, HardBinding, LabelChoice, ManifestEvidence, Options, Profiles, Report, State, Trust, sha256_hex,
};
use pki::{Pki, Usage, at, resigned, wav};

fn inspect(bytes: &[u8], trust: Trust) -> Report {
    let options = Options { trust, ..Options::new(pki::NOW, [3; 32]) }.with_name("a.wav");
    colophon::inspect(bytes, &options).expect("a damaged manifest is no reason for an error")
}

fn manifest(report: &Report) -> (State, &ManifestEvidence) {
    report
        .findings
        .iter()
        .find_map(|f| match &f.evidence {
            Some(Evidence::Manifest(e)) => Some((f.state, e.as_ref())),
            _ => None,
        })
        .expect("a manifest finding")
}

fn signed(pki: &Pki) -> Vec<u8> {
    let mut options = Options::new(pki::NOW, [3; 32]).with_name("a.wav");
    options.overrides.label = LabelChoice::None;
    options.overrides.no_watermark = true;
    let profiles = Profiles::named(&["any"]).unwrap();
    let declaration = colophon::Declaration { producer: Some("acme".into()), ..Default::default() };
    let now = colophon::mark(&wav(), &declaration, &profiles, Some(&pki.signer()), &options).unwrap().bytes;
    // The library signs with a certificate of today only; the fixture's has fixed dates.
    resigned(&now, pki, &pki.leaf(Usage::Email, 0, 366, false))
}

struct Expected {
    state: State,
    code: &'static str,
    content: HardBinding,
    valid: bool,
    trusted: bool,
}

#[test]
fn c2pa_states_and_codes_by_fixture() {
    let pki = Pki::new();
    let good = signed(&pki);
    let anchored = || Trust { anchors_pem: vec![pki.root_pem.clone()], at: Some(at(10)), ..Trust::default() };
    let mut tampered = good.clone();
    let middle = 44 + 2000;
    tampered[middle] ^= 1;
    let swapped = |usage, begin, days, own| resigned(&good, &pki, &pki.leaf(usage, begin, days, own));
    let wrong_usage = swapped(Usage::ServerAuth, 0, 366, false);
    let expired = swapped(Usage::Email, -400, 366, false);
    let self_signed = swapped(Usage::Email, 0, 366, true);
    let two = pki::with_second_store(&good);
    let revoked = || Trust { revocation_pem: vec![pki.revocation_list(true)], ..anchored() };
    let ok = HardBinding::Match;
    let success = |s, trusted| Expected { state: s, code: "", content: ok, valid: true, trusted };
    let fails = |code, trusted| Expected { state: State::Invalid, code, content: ok, valid: false, trusted };
    let outside = "claimSignature.outsideValidity";
    let changed = |from: &[u8], to: &[u8]| pki::with_changed(&good, from, to);
    let assertion = changed(b"system-clock", b"system-clack");
    let claim = changed(b"specVersion", b"specVersiom");
    let no_signature = changed(b"c2pa.signature\0", b"c2pa.signaturx\0");
    let no_claim = changed(b"c2pa.claim.v2\0", b"c2pa.klaim.v2\0");
    let no_assertion = changed(b"c2pa.actions.v2\0", b"c2pa.actionx.v2\0");
    let no_algorithm = pki::with_algorithm(&good, 0x2f);
    let cases: Vec<(&str, &[u8], Trust, Expected)> = vec![
        (
            "nobody believed",
            &good,
            Trust { at: Some(at(10)), ..Trust::default() },
            Expected { code: "signingCredential.untrusted", ..success(State::Valid, false) },
        ),
        ("anchored", &good, anchored(), success(State::Trusted, true)),
        (
            "pinned key",
            &good,
            Trust { pinned_keys: vec![pki.leaf.key_id()], at: Some(at(10)), ..Trust::default() },
            success(State::Trusted, true),
        ),
        (
            "pinned certificate",
            &good,
            Trust { pinned_pem: vec![pki.leaf_pem()], at: Some(at(10)), ..Trust::default() },
            success(State::Trusted, true),
        ),
        (
            "a pinned key of somebody else",
            &good,
            Trust { pinned_keys: vec!["ab".repeat(32)], at: Some(at(10)), ..Trust::default() },
            Expected { code: "signingCredential.untrusted", ..success(State::Valid, false) },
        ),
        (
            "tampered",
            &tampered,
            anchored(),
            Expected {
                state: State::Invalid,
                code: "assertion.dataHash.mismatch",
                content: HardBinding::Mismatch,
                valid: true,
                trusted: true,
            },
        ),
        ("clock after the end", &good, Trust { at: Some(at(400)), ..anchored() }, fails(outside, false)),
        ("clock before the begin", &good, Trust { at: Some(at(-2)), ..anchored() }, fails(outside, false)),
        ("expired when signed", &expired, anchored(), fails(outside, false)),
        (
            "expired, judged while it was valid",
            &expired,
            Trust { at: Some(at(-100)), ..anchored() },
            success(State::Trusted, true),
        ),
        ("wrong usage", &wrong_usage, anchored(), fails("signingCredential.invalid", false)),
        (
            "self-signed",
            &self_signed,
            anchored(),
            Expected { code: "signingCredential.untrusted", ..success(State::Valid, false) },
        ),
        ("revoked by a list", &good, revoked(), fails("org.colophon.revocationList.revoked", false)),
        (
            "not on the list",
            &good,
            Trust { revocation_pem: vec![pki.revocation_list(false)], ..anchored() },
            success(State::Trusted, true),
        ),
        (
            "a list of another issuer",
            &good,
            Trust { revocation_pem: vec![Pki::other().revocation_list(true)], ..anchored() },
            success(State::Trusted, true),
        ),
        ("a changed assertion", &assertion, anchored(), fails("assertion.hashedURI.mismatch", true)),
        ("a changed claim", &claim, anchored(), fails("claimSignature.mismatch", true)),
        ("no signature box", &no_signature, anchored(), fails("claimSignature.missing", false)),
        ("no claim box", &no_claim, anchored(), fails("claim.missing", false)),
        (
            "a missing assertion",
            &no_assertion,
            anchored(),
            Expected { content: HardBinding::NotChecked, ..fails("assertion.missing", true) },
        ),
        ("an algorithm that signs nothing", &no_algorithm, anchored(), fails("algorithm.unsupported", true)),
        (
            "two stores",
            &two,
            anchored(),
            Expected {
                state: State::Invalid,
                code: "org.colophon.manifestStore.multiple",
                content: HardBinding::Mismatch,
                valid: false,
                trusted: true,
            },
        ),
    ];
    let mut wrong = Vec::new();
    for (name, bytes, trust, want) in cases {
        let report = inspect(bytes, trust.clone());
        let (state, e) = manifest(&report);
        fixtures::keep(name, "audio/wav", bytes, &trust, state, &e.status.failure);
        let coded = want.code.is_empty() || e.status.failure.iter().any(|c| c == want.code);
        let axes = (e.axes.content, e.axes.valid, e.axes.trusted);
        if state != want.state || !coded || axes != (want.content, want.valid, want.trusted) {
            wrong.push(format!("{name}: {state} {axes:?} {:?} {:?}", e.status, e.judgement));
        }
        if want.state == State::Trusted && !e.status.failure.is_empty() {
            wrong.push(format!("{name}: {:?}", e.status.failure));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_report_says_how_trust_was_judged() {
    let pki = Pki::new();
    let trust = Trust { anchors_pem: vec![pki.root_pem.clone()], at: Some(at(10)), ..Trust::default() };
    let report = inspect(&signed(&pki), trust);
    let j = manifest(&report).1.judgement.clone().unwrap();
    assert_eq!((j.at_source.as_str(), j.believed_by.as_deref()), ("given", Some("anchor")));
    assert_eq!(j.key_id, Some(pki.leaf.key_id()));
    assert!(j.anchor.unwrap().contains("acme root") && j.time_stamp.is_none());
}

#[test]
fn every_damaged_store_has_a_report_and_none_is_trusted_with_another_claim() {
    let pki = Pki::new();
    let good = signed(&pki);
    let store = good.windows(4).position(|w| w == b"C2PA").unwrap() + 8;
    let trust = Trust { anchors_pem: vec![pki.root_pem.clone()], at: Some(at(10)), ..Trust::default() };
    let before = manifest(&inspect(&good, trust.clone())).1.clone();
    for at in (store..good.len()).step_by(41) {
        for value in [0x00, 0xff, good[at] ^ 1] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let report = inspect(&bytes, trust.clone());
            let (state, e) = manifest(&report);
            // Padding is nobody's claim; everything else is noticed.
            let same = e.actions == before.actions && e.record == before.record && e.signer == before.signer;
            assert!(state != State::Trusted || same, "byte {at} = {value:#x}: {e:?}");
        }
    }
    for cut in (store..good.len()).step_by(97) {
        let mut bytes = good[..cut].to_vec();
        let size = (bytes.len() - 8) as u32;
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        let chunk = (bytes.len() - store) as u32;
        bytes[store - 4..store].copy_from_slice(&chunk.to_le_bytes());
        let options = Options { trust: trust.clone(), ..Options::new(pki::NOW, [3; 32]) }.with_name("a.wav");
        if let Ok(report) = colophon::inspect(&bytes, &options) {
            assert!(!matches!(manifest(&report).0, State::Valid | State::Trusted), "cut at {cut}");
        }
    }
}

#[test]
fn same_input_same_clock_same_report() {
    let pki = Pki::new();
    let good = signed(&pki);
    assert_eq!(sha256_hex(&good), sha256_hex(&good.clone()));
    let trust = || Trust { anchors_pem: vec![pki.root_pem.clone()], at: Some(at(10)), ..Trust::default() };
    assert_eq!(inspect(&good, trust()), inspect(&good, trust()));
}
