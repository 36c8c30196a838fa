//! Marks that are on the input already: kept, refused, never written twice.
#![cfg(feature = "c2pa")]
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use colophon::sign::{CertifiedSigner, ChainRequest, KeyPair, make_chain};
use colophon::{
    Declaration, ErrorKind, Evidence, Existing, ManifestEvidence, Marked, Options, Outcome, Profiles, State,
    Tools,
};

const NOW: &str = "2026-03-04T05:06:07Z";
/// Samples whose marks need no program outside the process.
const SAMPLES: [&str; 6] = ["picture.png", "photo.jpg", "speech.wav", "music.flac", "story.md", "story.txt"];

fn sample(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A chain valid around [`NOW`], the same at every run.
fn signer() -> CertifiedSigner {
    let (root, leaf) = (KeyPair::from_seed(&[8; 32]), KeyPair::from_seed(&[7; 32]));
    let mut request = ChainRequest::new("acme", 3650).unwrap();
    request.not_before = 1_735_689_600;
    let chain = make_chain(&root, &leaf, &request).unwrap();
    CertifiedSigner::new(leaf, &chain.leaf_pem).unwrap()
}

fn declaration() -> Declaration {
    Declaration { producer: Some("acme".into()), ..Declaration::default() }
}

fn options(name: &str, seed: u8) -> Options {
    Options { tools: Tools::default(), ..Options::new(NOW, [seed; 32]) }.with_name(name)
}

fn mark(name: &str, bytes: &[u8], seed: u8, change: impl FnOnce(&mut Options)) -> colophon::Result<Marked> {
    let mut options = options(name, seed);
    change(&mut options);
    let profiles = Profiles::named(&["cn"]).unwrap();
    colophon::mark(bytes, &declaration(), &profiles, Some(&signer()), &options)
}

fn manifest(marked: &Marked) -> &ManifestEvidence {
    marked
        .report
        .findings
        .iter()
        .find_map(|f| match &f.evidence {
            Some(Evidence::Manifest(e)) => Some(e.as_ref()),
            _ => None,
        })
        .expect("a manifest")
}

#[test]
fn marking_a_marked_file_keeps_its_marks_and_its_manifest_as_the_parent() {
    for name in SAMPLES {
        let once = mark(name, &sample(name), 1, |_| {}).unwrap_or_else(|e| panic!("{name}: {e}"));
        let twice = mark(name, &once.bytes, 2, |_| {}).unwrap_or_else(|e| panic!("{name} again: {e}"));
        let failed: Vec<_> =
            twice.report.verdicts.iter().filter(|v| v.outcome == Outcome::Fail).map(|v| &v.rule).collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
        assert_eq!(once.record.content_id, twice.record.content_id, "{name}: one content, one number");
        let m = manifest(&twice);
        assert_eq!(m.ingredients.len(), 1, "{name}: {:?}", m.ingredients);
        assert!(m.ingredients[0].starts_with("ParentOf"), "{name}: {:?}", m.ingredients);
        assert_eq!(m.actions.first().map(String::as_str), Some("c2pa.opened"), "{name}");
        let payloads =
            |m: &Marked| -> Vec<String> { m.record.watermarks.iter().map(|w| w.payload.clone()).collect() };
        assert_eq!(payloads(&once), payloads(&twice), "{name}: the first watermark stays");
        assert!(twice.record.watermarks.iter().all(|w| w.kept), "{name}");
        let labels = twice.report.findings.iter().filter(|f| f.mark == "label" && f.state == State::Present);
        assert_eq!(labels.count(), 1, "{name}: one label");
    }
}

#[test]
fn a_kept_label_is_not_drawn_a_second_time() {
    for name in ["picture.png", "speech.wav", "story.txt"] {
        let once = mark(name, &sample(name), 1, |_| {}).unwrap();
        let twice = mark(name, &once.bytes, 2, |_| {}).unwrap();
        let length = |m: &Marked| {
            let p = &m.report.subject.properties;
            (p.dimensions, p.duration_s.map(f64::to_bits), p.characters)
        };
        assert_eq!(length(&once), length(&twice), "{name}");
    }
}

#[test]
fn refusing_existing_marks_is_a_conflict_for_each_kind_of_mark() {
    for name in ["picture.png", "speech.wav", "story.md"] {
        let marked = mark(name, &sample(name), 1, |_| {}).unwrap();
        let error = mark(name, &marked.bytes, 2, |o| o.overrides.existing = Existing::Refuse).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{name}: {error}");
        // Unmarked input is nothing to refuse.
        mark(name, &sample(name), 2, |o| o.overrides.existing = Existing::Refuse).unwrap();
    }
}

#[test]
fn a_private_watermark_is_read_back_with_the_key_it_was_written_with() {
    let key = b"a private key schedule".to_vec();
    let marked =
        mark("picture.png", &sample("picture.png"), 1, |o| o.watermark_key = Some(key.clone())).unwrap();
    assert_eq!(marked.record.watermarks[0].key, "private");
    let read = marked.report.findings.iter().any(
        |f| matches!(&f.evidence, Some(Evidence::Watermark(e)) if e.key == "private" && f.state == State::Present),
    );
    assert!(read, "the report of marking shows the private watermark");
}
