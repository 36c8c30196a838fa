//! Damaged pictures still say what they are marked with: what was read is reported, what could not be looked at is
//! named, and nothing is marked.
#![cfg(all(feature = "c2pa", feature = "image"))]
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use colophon::sign::{CertifiedSigner, ChainRequest, KeyPair, make_chain};
use colophon::{
    Declaration, Evidence, HardBinding, MarkKind, Options, Outcome, Profiles, Report, State, Tools, Why,
};

const NOW: &str = "2026-03-04T05:06:07Z";

fn signer() -> CertifiedSigner {
    let (root, leaf) = (KeyPair::from_seed(&[8; 32]), KeyPair::from_seed(&[7; 32]));
    let mut request = ChainRequest::new("acme", 3650).unwrap();
    request.not_before = 1_735_689_600;
    let chain = make_chain(&root, &leaf, &request).unwrap();
    CertifiedSigner::new(leaf, &chain.leaf_pem).unwrap()
}

fn options(name: &str) -> Options {
    Options { tools: Tools::default(), ..Options::new(NOW, [3; 32]) }.with_name(name)
}

/// The photograph of the samples in another format, with every mark of the profile `cn`.
fn marked(kind: image::ImageFormat, name: &str) -> Vec<u8> {
    let photo = image::load_from_memory(include_bytes!("../../../samples/photo.jpg")).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    photo.write_to(&mut bytes, kind).unwrap();
    let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
    let (profiles, options) = (Profiles::named(&["cn"]).unwrap(), options(name));
    colophon::mark(&bytes.into_inner(), &declaration, &profiles, Some(&signer()), &options)
        .unwrap_or_else(|e| panic!("{name}: {e}"))
        .bytes
}

/// What is said of a picture whose pixels cannot be decoded and whose metadata can be read.
fn assert_reported(name: &str, report: &Report) {
    let of = |kind| report.findings.iter().filter(move |f| f.kind == kind);
    assert!(of(MarkKind::Metadata).any(|f| f.state == State::Present), "{name}: {:?}", report.findings);
    for kind in [MarkKind::Label, MarkKind::Watermark] {
        for f in of(kind) {
            let undecided = f.state == State::NotChecked
                && matches!(f.why, Some(Why::Undecodable | Why::FormatNotExamined));
            assert!(undecided, "{name}: {f:?}");
        }
    }
    let mismatch = of(MarkKind::Manifest).any(|f| {
        f.state == State::Invalid
            && matches!(&f.evidence, Some(Evidence::Manifest(e)) if e.axes.content == HardBinding::Mismatch)
    });
    assert!(mismatch, "{name}: {:?}", of(MarkKind::Manifest).collect::<Vec<_>>());
    let label = report.verdicts.iter().find(|v| v.rule == "cn.gb45438.5.2.label").unwrap();
    assert_eq!(label.outcome, Outcome::Undetermined, "{name}");
}

#[test]
fn a_damaged_picture_is_reported_with_what_it_still_says() {
    let cases = [
        ("photo.jpg", image::ImageFormat::Jpeg),
        ("photo.png", image::ImageFormat::Png),
        ("photo.gif", image::ImageFormat::Gif),
        ("photo.webp", image::ImageFormat::WebP),
    ];
    let profiles = Profiles::named(&["cn"]).unwrap();
    for (name, kind) in cases {
        let whole = marked(kind, name);
        // What a decoder needs: the header of the picture for WebP, else coded data.
        let at = match kind {
            image::ImageFormat::WebP => whole.windows(4).position(|w| w == b"VP8L").unwrap() + 8,
            _ => whole.len() * 3 / 4,
        };
        let mut overwritten = whole.clone();
        // A second frame header for JPEG, no code at all for the others.
        overwritten[at..at + 4].copy_from_slice(&[0xff, 0xc0, 0x12, 0x34]);
        let mut damaged = vec![("overwritten", overwritten)];
        // In these the marks stand before the pixels: a file that was cut short still has them.
        if kind != image::ImageFormat::WebP {
            damaged.push(("cut short", whole[..whole.len() * 3 / 4].to_vec()));
        }
        for (how, bytes) in damaged {
            let name = format!("{name} {how}");
            let report = colophon::verify(&bytes, &profiles, &options(&name))
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_reported(&name, &report);
        }
    }
}

#[test]
fn a_damaged_picture_takes_no_marks() {
    let whole = marked(image::ImageFormat::Jpeg, "photo.jpg");
    let cut = &whole[..whole.len() * 3 / 4];
    let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
    for profile in ["cn", "any"] {
        let profiles = Profiles::named(&[profile]).unwrap();
        let made = colophon::mark(cut, &declaration, &profiles, Some(&signer()), &options("cut.jpg"));
        let e = made.map(|_| ()).unwrap_err();
        assert_eq!(e.kind(), colophon::ErrorKind::Malformed, "{e}");
        assert!(e.to_string().contains("SOS"), "{e}");
    }
}

#[test]
fn nothing_read_is_an_error_with_place_and_cause() {
    let whole = include_bytes!("../../../samples/photo.jpg");
    let profiles = Profiles::named(&["cn"]).unwrap();
    let e = colophon::verify(&whole[..whole.len() / 2], &profiles, &options("cut.jpg")).unwrap_err();
    assert!(e.to_string().contains("SOS at byte"), "{e}");
}
