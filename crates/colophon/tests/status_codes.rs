//! The validation status codes of the specification (C2PA 2.4, 15.2), each by a store that deserves it: everything about the
//! store is signed by a good signer, and one thing is wrong.
#![cfg(feature = "c2pa")]
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixtures;
// Another test uses the rest of it.
#[allow(dead_code)]
mod pki;
#[allow(dead_code)]
mod store;

use colophon::{Evidence, HardBinding, ManifestEvidence, Options, Report, State, Trust};
use coset::cbor::value::Value;
use pki::{Pki, Usage, at};
use store::{Assertion, Draft, Maker, UPDATE, actions, created, map, set, sha256, text};

fn maker(pki: &Pki) -> Maker {
    Maker::new(pki.leaf.clone(), vec![pki.leaf(Usage::Email, 0, 366, false).der().to_vec()])
}

fn anchored(pki: &Pki) -> Trust {
    Trust { anchors_pem: vec![pki.root_pem.clone()], at: Some(at(10)), ..Trust::default() }
}

fn inspect(bytes: &[u8], trust: &Trust) -> Report {
    let options = Options { trust: trust.clone(), ..Options::new(pki::NOW, [3; 32]) }.with_name("a.wav");
    colophon::inspect(bytes, &options).expect("whatever is wrong with a manifest is no error")
}

fn manifest(report: &Report) -> (State, &ManifestEvidence) {
    let found = report.findings.iter().find_map(|f| match &f.evidence {
        Some(Evidence::Manifest(e)) => Some((f.state, e.as_ref())),
        _ => None,
    });
    found.expect("a manifest")
}

/// A store and what it deserves. The code is a failure unless the state is good.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    state: State,
    code: &'static str,
}

/// Every case that is not so, by name.
fn check(pki: &Pki, cases: Vec<Case>) {
    let trust = anchored(pki);
    let mut wrong = Vec::new();
    for case in cases {
        let report = inspect(&case.bytes, &trust);
        let (state, e) = manifest(&report);
        fixtures::keep(case.name, "audio/wav", &case.bytes, &trust, state, &e.status.failure);
        let s = &e.status;
        let good = matches!(case.state, State::Valid | State::Trusted);
        let lists = if good { [&s.success, &s.informational] } else { [&s.failure, &s.failure] };
        let coded = case.code.is_empty() || lists.iter().any(|l| l.iter().any(|c| c == case.code));
        if state != case.state || !coded || (good && !s.failure.is_empty()) {
            wrong.push(format!(
                "{}: {state} for {}, wanted {}: failures {:?}, informational {:?}, notes {:?}",
                case.name,
                case.state,
                case.code,
                s.failure,
                s.informational,
                report.findings.iter().flat_map(|f| &f.notes).collect::<Vec<_>>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn invalid(name: &'static str, bytes: Vec<u8>, code: &'static str) -> Case {
    Case { name, bytes, state: State::Invalid, code }
}

fn unreadable(name: &'static str, bytes: Vec<u8>, code: &'static str) -> Case {
    Case { name, bytes, state: State::Malformed, code }
}

fn trusted(name: &'static str, bytes: Vec<u8>, code: &'static str) -> Case {
    Case { name, bytes, state: State::Trusted, code }
}

const LABEL: &str = "urn:c2pa:6d9f9a4e-1111-4111-8111-111111111111";

fn draft() -> Draft {
    Draft::new(LABEL)
}

/// With a change of the claim.
fn claiming(change: impl Fn(&mut Value) + 'static) -> Draft {
    Draft { claim: Box::new(change), ..draft() }
}

fn acting(list: Vec<Value>) -> Draft {
    Draft { assertions: vec![actions(list)], ..draft() }
}

fn with(more: Vec<Assertion>) -> Draft {
    let mut d = draft();
    d.assertions.extend(more);
    d
}

fn action(name: &str) -> Value {
    map(&[("action", text(name))])
}

#[test]
fn c2pa_15_2_a_store_without_faults_is_trusted() {
    let pki = Pki::new();
    let m = maker(&pki);
    let cases = vec![
        trusted("made by hand", m.wav(&[], &draft()), "assertion.dataHash.match"),
        trusted(
            "a second actions assertion without a creation",
            m.wav(
                &[],
                &with(vec![Assertion::cbor(
                    "c2pa.actions.v2__1",
                    &map(&[("actions", Value::Array(vec![action("c2pa.published")]))]),
                )]),
            ),
            "claimSignature.validated",
        ),
        trusted(
            "an assertion of nobody's that is not looked into",
            m.wav(&[], &with(vec![Assertion::cbor("org.example.note", &map(&[("a", text("b"))]))])),
            "",
        ),
    ];
    check(&pki, cases);
}

#[test]
fn c2pa_15_2_claims() {
    let pki = Pki::new();
    let m = maker(&pki);
    let cases = vec![
        invalid(
            "two claims",
            m.wav(&[], &Draft { parts: |p| p.push(p[1].clone()), ..draft() }),
            "claim.multiple",
        ),
        invalid("no claim", m.wav(&[], &Draft { parts: |p| drop(p.remove(1)), ..draft() }), "claim.missing"),
        invalid(
            "no signature",
            m.wav(&[], &Draft { parts: |p| drop(p.remove(2)), ..draft() }),
            "claimSignature.missing",
        ),
        unreadable(
            "a claim that is no CBOR",
            m.wav(&[], &Draft { claim_bytes: |b| b[..b.len() - 3].to_vec(), ..draft() }),
            "claim.cbor.invalid",
        ),
        invalid(
            "a claim without an instance",
            m.wav(&[], &claiming(|c| set(c, "instanceID", None))),
            "claim.malformed",
        ),
        invalid(
            "a claim without a generator",
            m.wav(&[], &claiming(|c| set(c, "claim_generator_info", None))),
            "claim.malformed",
        ),
        invalid(
            "a claim without assertions",
            m.wav(&[], &claiming(|c| set(c, "created_assertions", Some(Value::Array(vec![]))))),
            "claim.malformed",
        ),
        invalid(
            "a claim that names another signature",
            m.wav(
                &[],
                &claiming(|c| set(c, "signature", Some(text("self#jumbf=/c2pa/urn:c2pa:x/c2pa.signature")))),
            ),
            "claimSignature.missing",
        ),
        invalid(
            "a claim signed by another key",
            {
                let other = colophon::sign::KeyPair::from_seed(&[77; 32]);
                Maker::new(other, m.chain.clone()).wav(&[], &draft())
            },
            "claimSignature.mismatch",
        ),
        invalid(
            "a signature without certificates",
            Maker::new(pki.leaf.clone(), Vec::new()).wav(&[], &draft()),
            "signingCredential.invalid",
        ),
        invalid(
            "a certificate that is none",
            Maker::new(pki.leaf.clone(), vec![vec![0x30, 3, 1, 1, 0]]).wav(&[], &draft()),
            "signingCredential.invalid",
        ),
    ];
    check(&pki, cases);
}

#[test]
fn c2pa_15_2_assertions() {
    let pki = Pki::new();
    let m = maker(&pki);
    let note = || Assertion::cbor("org.example.note", &map(&[("a", text("b"))]));
    let cases = vec![
        invalid(
            "an assertion that is not there",
            m.wav(&[], &Draft { absent: vec![note()], ..draft() }),
            "assertion.missing",
        ),
        invalid(
            "an assertion that nobody declares",
            m.wav(&[], &Draft { undeclared: vec![note()], ..draft() }),
            "assertion.undeclared",
        ),
        invalid(
            "an assertion of another manifest",
            m.wav(
                &[],
                &claiming(|c| {
                    let list = c
                        .as_map_mut()
                        .unwrap()
                        .iter_mut()
                        .find(|(k, _)| k.as_text() == Some("created_assertions"));
                    list.unwrap().1.as_array_mut().unwrap().push(map(&[
                        ("url", text("self#jumbf=/c2pa/urn:c2pa:other/c2pa.assertions/org.example.note")),
                        ("hash", Value::Bytes(vec![0; 32])),
                    ]));
                }),
            ),
            "assertion.outsideManifest",
        ),
        invalid(
            "a hash of an assertion that is not its own",
            m.wav(
                &[],
                &claiming(|c| {
                    let list = c
                        .as_map_mut()
                        .unwrap()
                        .iter_mut()
                        .find(|(k, _)| k.as_text() == Some("created_assertions"));
                    let first = &mut list.unwrap().1.as_array_mut().unwrap()[0];
                    set(first, "hash", Some(Value::Bytes(vec![7; 32])));
                }),
            ),
            "assertion.hashedURI.mismatch",
        ),
        invalid(
            "an assertion hashed with an algorithm of nobody's",
            m.wav(
                &[],
                &claiming(|c| {
                    let list = c
                        .as_map_mut()
                        .unwrap()
                        .iter_mut()
                        .find(|(k, _)| k.as_text() == Some("created_assertions"));
                    let first = &mut list.unwrap().1.as_array_mut().unwrap()[0];
                    set(first, "alg", Some(text("md5")));
                }),
            ),
            "algorithm.unsupported",
        ),
        unreadable(
            "actions that are no CBOR",
            m.wav(
                &[],
                &Draft {
                    assertions: vec![Assertion::raw(store::CBOR, "c2pa.actions.v2", &[0xa1, 0x67, b'a'])],
                    ..draft()
                },
            ),
            "assertion.cbor.invalid",
        ),
        unreadable(
            "metadata that is no JSON",
            m.wav(&[], &with(vec![Assertion::raw(store::JSON, "c2pa.metadata", b"{\"@context\":")])),
            "assertion.json.invalid",
        ),
        invalid(
            "an assertion redacts itself",
            m.wav(
                &[],
                &claiming(|c| {
                    let own = text(&format!("self#jumbf=/c2pa/{LABEL}/c2pa.assertions/c2pa.actions.v2"));
                    set(c, "redacted_assertions", Some(Value::Array(vec![own])));
                }),
            ),
            "assertion.selfRedacted",
        ),
    ];
    check(&pki, cases);
}

#[test]
fn c2pa_15_2_bindings() {
    let pki = Pki::new();
    let m = maker(&pki);
    let exclusions = |list: &[(u64, u64)]| {
        let range = |(s, l): &(u64, u64)| map(&[("start", Value::from(*s)), ("length", Value::from(*l))]);
        Some(Value::Array(list.iter().map(range).collect()))
    };
    let second = Assertion::cbor(
        "c2pa.hash.data__1",
        &map(&[
            ("exclusions", exclusions(&[(10, 20)]).unwrap()),
            ("alg", text("sha256")),
            ("hash", Value::Bytes(sha256(b"x"))),
            ("pad", Value::Bytes(vec![])),
        ]),
    );
    let bound = |change: fn(&mut Value)| m.wav(&[], &Draft { binding: Some(change), ..draft() });
    let mut tampered = m.wav(&[], &draft());
    tampered[500] ^= 1;
    let mut longer = m.wav(&[], &draft());
    longer.extend(b"junk\x04\0\0\0aaaa");
    let size = (longer.len() - 8) as u32;
    longer[4..8].copy_from_slice(&size.to_le_bytes());
    let cases = vec![
        invalid("no binding", m.wav(&[], &Draft { binding: None, ..draft() }), "claim.hardBindings.missing"),
        invalid("two bindings", m.wav(&[], &with(vec![second])), "assertion.multipleHardBindings"),
        invalid("changed content", tampered, "assertion.dataHash.mismatch"),
        invalid("content that was added", longer, "assertion.dataHash.mismatch"),
        invalid("a binding without a hash", bound(|b| set(b, "hash", None)), "assertion.dataHash.malformed"),
        invalid(
            "a binding with an empty hash",
            bound(|b| set(b, "hash", Some(Value::Bytes(vec![])))),
            "assertion.dataHash.mismatch",
        ),
        invalid(
            "a binding by an algorithm of nobody's",
            bound(|b| set(b, "alg", Some(text("crc32")))),
            "algorithm.unsupported",
        ),
        invalid(
            "an exclusion beyond the end",
            bound(|b| {
                let range = map(&[("start", Value::from(16_044_u64)), ("length", Value::from(1_u64 << 40))]);
                set(b, "exclusions", Some(Value::Array(vec![range])));
            }),
            "assertion.dataHash.malformed",
        ),
        invalid(
            "exclusions that overflow",
            bound(|b| {
                let range =
                    map(&[("start", Value::from(u64::MAX - 1)), ("length", Value::from(u64::MAX - 1))]);
                set(b, "exclusions", Some(Value::Array(vec![range])));
            }),
            "assertion.dataHash.malformed",
        ),
        invalid(
            "exclusions that overlap",
            bound(|b| {
                let range = |s: u64, l: u64| map(&[("start", Value::from(s)), ("length", Value::from(l))]);
                let old = b.as_map().unwrap()[0].1.as_array().unwrap()[0].clone();
                set(b, "exclusions", Some(Value::Array(vec![range(16_000, 60), old])));
            }),
            "assertion.dataHash.malformed",
        ),
        invalid(
            "exclusions in the wrong order",
            bound(|b| {
                let range = |s: u64, l: u64| map(&[("start", Value::from(s)), ("length", Value::from(l))]);
                let old = b.as_map().unwrap()[0].1.as_array().unwrap()[0].clone();
                set(b, "exclusions", Some(Value::Array(vec![old, range(100, 10)])));
            }),
            "assertion.dataHash.malformed",
        ),
        invalid(
            "an exclusion with a negative start",
            bound(|b| {
                let range = map(&[("start", Value::from(-5)), ("length", Value::from(10))]);
                set(b, "exclusions", Some(Value::Array(vec![range])));
            }),
            "assertion.dataHash.malformed",
        ),
    ];
    check(&pki, cases);
}

#[test]
fn c2pa_15_2_content_that_is_left_out_is_said() {
    let pki = Pki::new();
    let m = maker(&pki);
    let bytes = m.wav(&[], &Draft { left_out: Some((1000, 100)), ..draft() });
    let cases = vec![trusted(
        "an exclusion besides the store",
        bytes.clone(),
        "assertion.dataHash.additionalExclusionsPresent",
    )];
    check(&pki, cases);
    let mut changed = bytes;
    changed[1050] ^= 1;
    let report = inspect(&changed, &anchored(&pki));
    assert_eq!(manifest(&report).1.axes.content, HardBinding::Match, "what is left out may change");
}

/// An ingredient whose manifest is in the store.
fn ingredient(relationship: &str, label: &str, manifest: &[u8]) -> Assertion {
    let signature = manifest.windows(4).rposition(|w| w == b"c2cs").unwrap() - 16;
    let link = |url: String, hash: Vec<u8>| map(&[("url", text(&url)), ("hash", Value::Bytes(hash))]);
    let empty = || Value::Array(Vec::new());
    let results = map(&[("success", empty()), ("informational", empty()), ("failure", empty())]);
    Assertion::cbor(
        "c2pa.ingredient.v3",
        &map(&[
            ("relationship", text(relationship)),
            ("activeManifest", link(format!("self#jumbf=/c2pa/{label}"), sha256(&manifest[8..]))),
            (
                "claimSignature",
                link(format!("self#jumbf=/c2pa/{label}/c2pa.signature"), sha256(&manifest[signature + 8..])),
            ),
            ("validationResults", map(&[("activeManifest", results)])),
        ]),
    )
}

const PARENT: &str = "urn:c2pa:6d9f9a4e-2222-4222-8222-222222222222";

/// A manifest to stand before another, as it was when its content was another file.
fn earlier(m: &Maker, label: &str, more: Vec<Assertion>) -> Vec<u8> {
    let mut d = Draft::new(label);
    d.assertions.extend(more);
    m.manifest(&d, (16_044, 3000), &[9; 32])
}

fn opened(ingredient: &Assertion) -> Assertion {
    let mut action = action("c2pa.opened");
    set(&mut action, "parameters", Some(map(&[("ingredients", Value::Array(vec![ingredient.reference()]))])));
    actions(vec![action])
}

/// A manifest over an opened parent.
fn edited(m: &Maker, parent: &[u8], change: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let parent_of = ingredient("parentOf", PARENT, parent);
    let mut d = Draft { assertions: vec![opened(&parent_of), parent_of], ..draft() };
    change(&mut d);
    m.wav(&[parent.to_vec()], &d)
}

#[test]
fn c2pa_15_2_ingredients() {
    let pki = Pki::new();
    let m = maker(&pki);
    let note = || Assertion::cbor("org.example.note", &map(&[("a", text("b"))]));
    let parent = earlier(&m, PARENT, vec![note()]);
    let mut changed = parent.clone();
    let at = changed.windows(8).position(|w| w == b"somebody").unwrap();
    changed[at] ^= 1;
    let own = ingredient("parentOf", PARENT, &parent);
    let of_two = {
        let body = own.bytes.windows(4).rposition(|w| w == b"cbor").unwrap() + 4;
        let again = Assertion::raw(store::CBOR, "c2pa.ingredient.v3__1", &own.bytes[body..]);
        m.wav(
            std::slice::from_ref(&parent),
            &Draft { assertions: vec![opened(&own), own.clone(), again], ..draft() },
        )
    };
    let redacting = |what: &str| {
        let uri = text(&format!("self#jumbf=/c2pa/{PARENT}/c2pa.assertions/{what}"));
        let list = Value::Array(vec![uri]);
        edited(&m, &parent, |d| {
            d.claim = Box::new(move |c| set(c, "redacted_assertions", Some(list.clone())));
        })
    };
    let cases = vec![
        trusted("a parent whose manifest is there", edited(&m, &parent, |_| ()), "claimSignature.validated"),
        invalid(
            "a parent whose manifest was changed",
            {
                let parent_of = ingredient("parentOf", PARENT, &parent);
                let d = Draft { assertions: vec![opened(&parent_of), parent_of], ..draft() };
                m.wav(&[changed], &d)
            },
            "",
        ),
        invalid(
            "a parent whose manifest is missing",
            {
                let parent_of = ingredient("parentOf", PARENT, &parent);
                m.wav(&[], &Draft { assertions: vec![opened(&parent_of), parent_of], ..draft() })
            },
            "",
        ),
        invalid("two parents", of_two, "manifest.multipleParents"),
        invalid("a redacted assertion that is there", redacting("org.example.note"), "assertion.notRedacted"),
        invalid("redacted actions", redacting("c2pa.actions.v2"), "assertion.action.redacted"),
        invalid(
            "an opened action without a parent",
            m.wav(&[], &acting(vec![action("c2pa.opened")])),
            "assertion.action.ingredientMismatch",
        ),
        invalid(
            "an update that binds content",
            edited(&m, &parent, |d| d.kind = UPDATE),
            "manifest.update.invalid",
        ),
        invalid(
            "an update without a parent",
            m.wav(
                &[],
                &Draft {
                    kind: UPDATE,
                    binding: None,
                    assertions: vec![actions(vec![action("c2pa.edited.metadata")])],
                    ..draft()
                },
            ),
            "manifest.update.wrongParents",
        ),
    ];
    check(&pki, cases);
}

#[test]
fn c2pa_15_2_actions() {
    let pki = Pki::new();
    let m = maker(&pki);
    let made = || created(Some("trainedAlgorithmicMedia"));
    let cases = vec![
        invalid(
            "no actions",
            m.wav(&[], &Draft { assertions: vec![], ..draft() }),
            "assertion.action.malformed",
        ),
        invalid("an empty list of actions", m.wav(&[], &acting(vec![])), "assertion.action.malformed"),
        invalid(
            "a creation without a source type",
            m.wav(&[], &acting(vec![created(None)])),
            "assertion.action.malformed",
        ),
        invalid("two creations", m.wav(&[], &acting(vec![made(), made()])), "assertion.action.malformed"),
        invalid(
            "a first action that neither creates nor opens",
            m.wav(&[], &acting(vec![action("c2pa.edited"), made()])),
            "assertion.action.malformed",
        ),
        invalid(
            "a watermark bound to nothing",
            m.wav(&[], &acting(vec![made(), action("c2pa.watermarked.bound")])),
            "assertion.action.softBindingMissing",
        ),
        trusted(
            "a watermark that leads nowhere",
            m.wav(&[], &acting(vec![made(), action("c2pa.watermarked.unbound")])),
            "",
        ),
        trusted(
            "an action of somebody's own",
            m.wav(&[], &acting(vec![made(), action("org.example.blessed")])),
            "",
        ),
    ];
    check(&pki, cases);
}
