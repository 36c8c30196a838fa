//! Manifests in text (C2PA 2.5, A.8 and A.9): sound, twice, cut, padded, over another form of the same text.
#![cfg(all(feature = "c2pa", feature = "text"))]
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixtures;

use colophon::sign::{CertifiedSigner, ChainRequest, KeyPair, make_chain};
use colophon::{Declaration, Evidence, LabelChoice, Options, Profiles, State, Trust};

/// A letter that Unicode writes in two ways.
const TEXT: &str = "Caf\u{e9} by the sea.\nThe tide came in twice a day.\n";

fn signer() -> (CertifiedSigner, String) {
    let (root, leaf) = (KeyPair::from_seed(&[8; 32]), KeyPair::from_seed(&[7; 32]));
    let chain = make_chain(&root, &leaf, &ChainRequest::new("acme", 300).unwrap()).unwrap();
    (CertifiedSigner::new(leaf, &chain.leaf_pem).unwrap(), chain.root_pem)
}

/// The text with a manifest and nothing else.
fn signed(name: &str, text: &str, signer: &CertifiedSigner) -> String {
    let mut options = Options::system().unwrap().with_name(name);
    options.overrides.label = LabelChoice::None;
    let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
    let profiles = Profiles::named(&["any"]).unwrap();
    let made = colophon::mark(text.as_bytes(), &declaration, &profiles, Some(signer), &options).unwrap();
    String::from_utf8(made.bytes).unwrap()
}

/// State and failure codes of every manifest that is found.
fn found(name: &str, text: &str, trust: &Trust) -> Vec<(State, Vec<String>)> {
    let options = Options { trust: trust.clone(), ..Options::system().unwrap() }.with_name(name);
    let report = colophon::inspect(text.as_bytes(), &options).unwrap();
    let manifests = report.findings.iter().filter_map(|f| match &f.evidence {
        Some(Evidence::Manifest(e)) => Some((f.state, e.status.failure.clone())),
        _ => None,
    });
    manifests.collect()
}

/// What is wanted of a variant: the state, and a failure code where there has to be one. `Absent`: no manifest at all.
fn check(suite: &str, name: &str, cases: &[(&str, String, State, &str)], trust: &Trust) {
    let mut wrong = Vec::new();
    for (case, text, state, code) in cases {
        let all = found(name, text, trust);
        let mime = if name.ends_with("md") { "text/markdown" } else { "text/plain" };
        let (got, failures) = all.first().cloned().unwrap_or((State::Absent, Vec::new()));
        fixtures::keep(&format!("{suite} {case}"), mime, text.as_bytes(), trust, got, &failures);
        if got != *state || !(code.is_empty() || failures.iter().any(|c| c == code)) {
            wrong.push(format!("{case}: {all:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn believed(root: &str) -> Trust {
    Trust { anchors_pem: vec![root.to_owned()], ..Trust::default() }
}

#[test]
fn c2pa_a8_variants_of_a_manifest_in_plain_text() {
    let (signer, root) = signer();
    // The space that a store leaves free is filled with 0x00, and its last bytes with 0x10 where three does not divide it;
    // one of a few signatures leaves none of those.
    let ends = |zeros: bool| {
        let tries = (0..64).map(|i| signed("a.txt", &format!("{TEXT}{i}\n"), &signer));
        tries.into_iter().find(|t| t.ends_with('\u{fe00}') == zeros).unwrap()
    };
    let (good, filled) = (ends(true), ends(false));
    let at = good.rfind('\u{feff}').unwrap();
    let (words, wrapper) = good.split_at(at);
    let chars: Vec<char> = wrapper.chars().collect();
    // Mark, eight of magic, version, four of length.
    let with = |place: usize, c: char| {
        let mut changed = chars.clone();
        changed[place] = c;
        format!("{words}{}", changed.iter().collect::<String>())
    };
    let decomposed = words.replace('\u{e9}', "e\u{301}");
    let cut: String = chars[..chars.len() / 2].iter().collect();
    let cases = [
        ("sound", good.clone(), State::Trusted, ""),
        ("sound, filled with 0x10", filled, State::Trusted, ""),
        ("in another normal form", format!("{decomposed}{wrapper}"), State::Trusted, ""),
        ("a changed word", good.replace("tide", "tidy"), State::Invalid, "assertion.dataHash.mismatch"),
        ("twice", format!("{good}{wrapper}"), State::Malformed, "manifest.text.multipleWrappers"),
        ("cut", format!("{words}{cut}"), State::Malformed, "manifest.text.corruptedWrapper"),
        ("a length that lies", with(10, '\u{fe0f}'), State::Malformed, "manifest.text.corruptedWrapper"),
        ("another version", with(9, '\u{fe02}'), State::Malformed, "manifest.text.corruptedWrapper"),
        ("another magic", with(1, '\u{fe02}'), State::Absent, ""),
        (
            "padded after signing",
            format!("{good}\u{fe00}\u{fe00}"),
            State::Invalid,
            "assertion.dataHash.mismatch",
        ),
        ("words behind it", format!("{good}More.\n"), State::Invalid, "assertion.dataHash.mismatch"),
    ];
    check("A.8", "a.txt", &cases, &believed(&root));
}

#[test]
fn c2pa_a9_variants_of_a_manifest_in_structured_text() {
    let (signer, root) = signer();
    let good = signed("a.md", TEXT, &signer);
    let line = good.lines().find(|l| l.contains("BEGIN C2PA MANIFEST")).unwrap().to_owned();
    let head = good.split(&line).next().unwrap().to_owned();
    let base64 = line.find("base64,").unwrap() + 7;
    let broken = format!("{}!{}", &line[..base64], &line[base64 + 1..]);
    let cut = format!("{} -----END C2PA MANIFEST----- -->", &line[..base64 + (line.len() - base64) / 2]);
    let cases = [
        ("sound", good.clone(), State::Trusted, ""),
        ("a changed word", good.replace("tide", "tidy"), State::Invalid, "assertion.dataHash.mismatch"),
        (
            "in another normal form",
            good.replace('\u{e9}', "e\u{301}"),
            State::Invalid,
            "assertion.dataHash.mismatch",
        ),
        ("other line ends", good.replace('\n', "\r\n"), State::Invalid, "assertion.dataHash.mismatch"),
        (
            "twice",
            format!("{head}{line}\n{line}\n"),
            State::Malformed,
            "manifest.structuredText.multipleReferences",
        ),
        (
            "no base64",
            good.replace(&line, &broken),
            State::Malformed,
            "manifest.structuredText.malformedReference",
        ),
        ("cut", good.replace(&line, &cut), State::Malformed, "manifest.structuredText.malformedReference"),
        (
            "no end",
            good.replace(" -----END C2PA MANIFEST-----", ""),
            State::Malformed,
            "manifest.structuredText.noManifest",
        ),
        (
            "spaces behind it",
            format!("{}   \n", good.trim_end()),
            State::Invalid,
            "assertion.dataHash.mismatch",
        ),
    ];
    check("A.9", "a.md", &cases, &believed(&root));
}
