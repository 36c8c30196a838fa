//! Manifests that others sign: other algorithms than ours, time stamps of a real authority (OpenSSL's), stapled answers
//! about revocation (OpenSSL's too). Each has the state and the status codes of the specification (C2PA 2.4, 15.2).
#![cfg(feature = "c2pa")]
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixtures;
// Other tests use the rest of these.
#[allow(dead_code)]
mod pki;
#[allow(dead_code)]
mod store;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use c2pa::{BoxedSigner, Builder, BuilderIntent, Context, SigningAlg};
use colophon::{Evidence, HardBinding, ManifestEvidence, Options, Report, State, Trust};

/// Days that a signing certificate of these tests lasts.
const DAYS: i64 = 30;

/// Keys and certificates in a folder, made by OpenSSL.
struct Authority {
    folder: tempfile::TempDir,
}

const EXTENSIONS: &str = "\
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[config]
serial = tsa.serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
tsa_name = no
ordering = no
";

impl Authority {
    /// A root, and a signing certificate of this kind under it.
    fn of(algorithm: SigningAlg) -> Self {
        let a = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(a.path("x.cnf"), EXTENSIONS).unwrap();
        std::fs::write(a.path("tsa.serial"), "01\n").unwrap();
        a.key("root", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        let subject = ["-subj", "/O=acme/CN=acme root", "-days", "3650", "-sha256"];
        let usage = [
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ];
        let head = ["req", "-x509", "-new", "-key", "root.key", "-out", "root.crt"];
        a.openssl(&[&head[..], &subject, &usage].concat());
        a.leaf(algorithm);
        a
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn openssl(&self, args: &[&str]) {
        let out = Command::new("openssl").args(args).current_dir(self.folder.path()).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    fn key(&self, name: &str, algorithm: &[&str]) {
        let out = format!("{name}.key");
        self.openssl(&[&["genpkey", "-out", &out][..], algorithm].concat());
    }

    /// A certificate of the root's.
    fn certificate(&self, name: &str, serial: &str, extensions: &str) {
        let (key, csr, out) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
        let subject = format!("/O=acme/CN=acme {name}");
        self.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &csr]);
        let days = DAYS.to_string();
        let issued =
            ["-CA", "root.crt", "-CAkey", "root.key", "-set_serial", serial, "-days", &days, "-sha256"];
        let kind = ["-extfile", "x.cnf", "-extensions", extensions, "-out", &out];
        self.openssl(&[&["x509", "-req", "-in", &csr][..], &issued, &kind].concat());
    }

    /// An authority for time stamps, under the same root.
    fn stamps(&self) {
        self.key("tsa", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        self.certificate("tsa", "99", "tsa");
    }

    fn leaf(&self, algorithm: SigningAlg) {
        let how: &[&str] = match algorithm {
            SigningAlg::Es256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            SigningAlg::Es384 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            SigningAlg::Ps256 => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            _ => &["-algorithm", "ED25519"],
        };
        self.key("leaf", how);
        self.certificate("leaf", "7", "leaf");
    }
}

/// What is done about time.
#[derive(Clone, Copy, PartialEq)]
enum Stamp {
    None,
    Right,
    /// Of other bytes than the signature.
    Other,
}

struct Foreign<'a> {
    inner: BoxedSigner,
    authority: &'a Authority,
    stamp: Stamp,
    /// A stapled answer, DER.
    ocsp: Option<Vec<u8>>,
}

impl<'a> Foreign<'a> {
    fn new(authority: &'a Authority, algorithm: SigningAlg) -> Self {
        let (chain, key) = (authority.text("leaf.crt"), authority.text("leaf.key"));
        let inner =
            c2pa::create_signer::from_keys(chain.as_bytes(), key.as_bytes(), algorithm, None).unwrap();
        Self { inner, authority, stamp: Stamp::None, ocsp: None }
    }
}

impl c2pa::Signer for Foreign<'_> {
    fn sign(&self, data: &[u8]) -> c2pa::Result<Vec<u8>> {
        self.inner.sign(data)
    }

    fn alg(&self) -> SigningAlg {
        self.inner.alg()
    }

    fn certs(&self) -> c2pa::Result<Vec<Vec<u8>>> {
        self.inner.certs()
    }

    fn reserve_size(&self) -> usize {
        16_384
    }

    fn ocsp_val(&self) -> Option<Vec<u8>> {
        self.ocsp.clone()
    }

    fn send_timestamp_request(&self, message: &[u8]) -> Option<c2pa::Result<Vec<u8>>> {
        let stamped = match self.stamp {
            Stamp::None => return None,
            Stamp::Right => message.to_vec(),
            Stamp::Other => b"something else".to_vec(),
        };
        let a = self.authority;
        std::fs::write(a.path("message"), stamped).unwrap();
        a.openssl(&["ts", "-query", "-data", "message", "-sha256", "-cert", "-out", "query.tsq"]);
        let reply = ["ts", "-reply", "-config", "x.cnf", "-section", "config", "-queryfile", "query.tsq"];
        a.openssl(&[&reply[..], &["-signer", "tsa.crt", "-inkey", "tsa.key", "-out", "reply.tsr"]].concat());
        Some(Ok(std::fs::read(a.path("reply.tsr")).unwrap()))
    }
}

/// A second of silence.
fn wav() -> Vec<u8> {
    let samples = vec![0_u8; 16_000];
    let mut out = b"RIFF".to_vec();
    out.extend((36 + samples.len() as u32).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    out.extend((samples.len() as u32).to_le_bytes());
    out.extend(samples);
    out
}

fn photo() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/photo.jpg")).unwrap()
}

fn builder(compressed: bool, actions: &str) -> Builder {
    let settings = format!(
        r#"{{"verify":{{"verify_after_sign":false,"ocsp_fetch":false,"remote_manifest_fetch":false}},
            "core":{{"prefer_compress_manifests":{compressed}}}}}"#
    );
    let assertions = if actions.is_empty() {
        "[]".to_owned()
    } else {
        format!(r#"[{{"label":"c2pa.actions.v2","created":true,"data":{{"actions":[{actions}]}}}}]"#)
    };
    let definition =
        format!(r#"{{"claim_generator_info":[{{"name":"somebody"}}],"assertions":{assertions}}}"#);
    let context = Context::new().with_settings(settings.as_str()).unwrap();
    Builder::from_context(context).with_definition(definition.as_str()).unwrap()
}

/// The action that every new content begins with.
const CREATED: &str = r#"{"action":"c2pa.created",
    "digitalSourceType":"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"}"#;

fn signed_over(mut builder: Builder, signer: &Foreign<'_>, mime: &str, content: &[u8]) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    builder.sign(signer, mime, &mut Cursor::new(content), &mut out).unwrap();
    out.into_inner()
}

fn signed(signer: &Foreign<'_>) -> Vec<u8> {
    signed_over(builder(false, CREATED), signer, "audio/wav", &wav())
}

fn inspect(bytes: &[u8], trust: Trust) -> Report {
    let options = Options { trust, ..Options::system().unwrap() };
    colophon::inspect(bytes, &options).unwrap()
}

fn manifest(report: &Report) -> (State, &ManifestEvidence) {
    let found = report.findings.iter().find_map(|f| match &f.evidence {
        Some(Evidence::Manifest(e)) => Some((f.state, e.as_ref())),
        _ => None,
    });
    found.expect("a manifest")
}

/// The state, and whether these codes are in the lists (success, informational, failure) of the manifest.
fn judged(name: &str, bytes: &[u8], trust: Trust, state: State, codes: [&[&str]; 3]) -> ManifestEvidence {
    let kept = trust.clone();
    let report = inspect(bytes, trust);
    let (found, e) = manifest(&report);
    let s = &e.status;
    let mime = if bytes.starts_with(b"RIFF") { "audio/wav" } else { "image/jpeg" };
    fixtures::keep(name, mime, bytes, &kept, found, &s.failure);
    for (list, wanted) in [&s.success, &s.informational, &s.failure].into_iter().zip(codes) {
        for code in wanted {
            assert!(list.iter().any(|c| c == code), "{code} is not in {list:?}; {s:?}");
        }
    }
    assert_eq!(found, state, "{s:?}");
    assert_eq!(e.axes.content, HardBinding::Match);
    e.clone()
}

/// Changes one byte near the end of a picture.
fn a_changed_pixel_is_a_mismatch(mut picture: Vec<u8>, trust: &Trust) {
    let at = picture.len() - 40;
    picture[at] ^= 0x21;
    let report = inspect(&picture, trust.clone());
    let (state, e) = manifest(&report);
    assert_eq!((state, e.axes.content), (State::Invalid, HardBinding::Mismatch), "{:?}", e.status);
}

fn now() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs())
        .unwrap()
}

/// Believes the root for signers, and for time stamps when told.
fn trust(a: &Authority, stamps: bool) -> Trust {
    let root = vec![a.text("root.crt")];
    Trust {
        timestamp_anchors_pem: if stamps { root.clone() } else { Vec::new() },
        anchors_pem: root,
        ..Trust::default()
    }
}

#[test]
fn signatures_of_every_allowed_kind_are_valid_and_trusted_by_their_root() {
    for algorithm in [SigningAlg::Es256, SigningAlg::Es384, SigningAlg::Ps256, SigningAlg::Ed25519] {
        let a = Authority::of(algorithm);
        let bytes = signed(&Foreign::new(&a, algorithm));
        let success: &[&str] =
            &["claimSignature.validated", "claimSignature.insideValidity", "assertion.dataHash.match"];
        judged(
            &format!("{algorithm:?} nobody believed"),
            &bytes,
            Trust::default(),
            State::Valid,
            [success, &[], &["signingCredential.untrusted"]],
        );
        let trusted: &[&str] = &["signingCredential.trusted"];
        judged(
            &format!("{algorithm:?} anchored"),
            &bytes,
            trust(&a, false),
            State::Trusted,
            [trusted, &[], &[]],
        );

        // One bit of the signed claim: the name of the generator.
        let mut changed = bytes.clone();
        let at = changed.windows(8).position(|w| w == b"somebody").unwrap();
        changed[at] ^= 1;
        let report = inspect(&changed, trust(&a, false));
        assert_eq!(manifest(&report).0, State::Invalid, "{algorithm:?}");
    }
}

#[test]
fn a_time_stamp_keeps_a_signature_good_after_its_certificate_expired() {
    let a = Authority::of(SigningAlg::Es256);
    a.stamps();
    let later = Some(now() + 2 * DAYS * 86_400);
    let plain = signed(&Foreign::new(&a, SigningAlg::Es256));
    let expired: &[&str] = &["claimSignature.outsideValidity"];
    judged(
        "expired, no stamp",
        &plain,
        Trust { at: later, ..trust(&a, true) },
        State::Invalid,
        [&[], &[], expired],
    );

    let signer = Foreign { stamp: Stamp::Right, ..Foreign::new(&a, SigningAlg::Es256) };
    let stamped = signed(&signer);
    let good: &[&str] = &["timeStamp.validated", "timeStamp.trusted", "claimSignature.insideValidity"];
    let e = judged(
        "expired, stamped while valid",
        &stamped,
        Trust { at: later, ..trust(&a, true) },
        State::Trusted,
        [good, &[], &[]],
    );
    let judgement = e.judgement.unwrap();
    assert_eq!(judgement.at_source, "time-stamp");
    assert!(judgement.time_stamp_signer.is_some_and(|s| s.contains("acme tsa")));
}

/// The stamp has this code, and the signature is judged as if there were none: bad once its certificate expired, and good while
/// that lasts.
fn the_stamp_counts_for_nothing(stamp: Stamp, stamps_believed: bool, code: &str) {
    let a = Authority::of(SigningAlg::Es256);
    a.stamps();
    let stamped = signed(&Foreign { stamp, ..Foreign::new(&a, SigningAlg::Es256) });
    let trust = trust(&a, stamps_believed);
    let later = Trust { at: Some(now() + 2 * DAYS * 86_400), ..trust.clone() };
    judged(
        &format!("expired, {code}"),
        &stamped,
        later,
        State::Invalid,
        [&[], &[code], &["claimSignature.outsideValidity"]],
    );
    judged(
        &format!("not expired, {code}"),
        &stamped,
        trust,
        State::Trusted,
        [&["signingCredential.trusted"], &[code], &[]],
    );
}

#[test]
fn a_time_stamp_of_nobody_we_know_counts_for_nothing() {
    the_stamp_counts_for_nothing(Stamp::Right, false, "timeStamp.untrusted");
}

#[test]
fn a_time_stamp_of_other_bytes_is_a_mismatch_and_counts_for_nothing() {
    the_stamp_counts_for_nothing(Stamp::Other, true, "timeStamp.mismatch");
}

#[test]
fn a_time_stamp_after_the_verifiers_clock_counts_for_nothing() {
    let a = Authority::of(SigningAlg::Es256);
    a.stamps();
    let stamped = signed(&Foreign { stamp: Stamp::Right, ..Foreign::new(&a, SigningAlg::Es256) });
    let before = Some(now() - 3600);
    let report = inspect(&stamped, Trust { at: before, ..trust(&a, true) });
    let (state, e) = manifest(&report);
    assert!(e.status.informational.iter().any(|c| c == "timeStamp.outsideValidity"), "{:?}", e.status);
    assert_ne!(state, State::Trusted);
}

#[test]
fn a_time_stamp_from_before_the_certificate_began_makes_the_signature_one_from_outside_its_validity() {
    let a = std::rc::Rc::new(Authority::of(SigningAlg::Ed25519));
    a.stamps();
    let pki = pki::Pki::new();
    let day = (now() - pki::at(0)) / 86_400;
    let signed = |begins_in: i64, stamped: bool| {
        let cert = pki.leaf(pki::Usage::Email, day + begins_in, 366, false);
        let mut maker = store::Maker::new(pki.leaf.clone(), vec![cert.der().to_vec()]);
        if stamped {
            let a = std::rc::Rc::clone(&a);
            maker.stamp = Some(Box::new(move |covered| {
                std::fs::write(a.path("message"), covered).unwrap();
                a.openssl(&["ts", "-query", "-data", "message", "-sha256", "-cert", "-out", "query.tsq"]);
                let reply =
                    ["ts", "-reply", "-config", "x.cnf", "-section", "config", "-queryfile", "query.tsq"];
                let signer = ["-signer", "tsa.crt", "-inkey", "tsa.key", "-token_out", "-out", "reply.tsr"];
                a.openssl(&[&reply[..], &signer].concat());
                std::fs::read(a.path("reply.tsr")).unwrap()
            }));
        }
        maker.wav(&[], &store::Draft::new("urn:c2pa:6d9f9a4e-3333-4333-8333-333333333333"))
    };
    let trust = Trust {
        anchors_pem: vec![pki.root_pem.clone()],
        timestamp_anchors_pem: vec![a.text("root.crt")],
        at: Some(now() + 10 * 86_400),
        ..Trust::default()
    };
    let outside: &[&str] = &["claimSignature.outsideValidity"];
    let stamped: &[&str] = &["timeStamp.validated", "timeStamp.trusted"];
    let good: &[&str] = &["timeStamp.trusted", "claimSignature.insideValidity", "signingCredential.trusted"];
    let e = judged(
        "stamped before the certificate began",
        &signed(5, true),
        trust.clone(),
        State::Invalid,
        [stamped, &[], outside],
    );
    assert_eq!(e.judgement.unwrap().at_source, "time-stamp");
    judged("stamped after it began", &signed(-5, true), trust.clone(), State::Trusted, [good, &[], &[]]);
    // Without the stamp the clock decides, and by then the certificate is valid.
    judged("not stamped, begun by now", &signed(5, false), trust, State::Trusted, [&[], &[], &[]]);
}

#[test]
fn an_update_manifest_stands_on_the_binding_of_its_parent() {
    let a = Authority::of(SigningAlg::Es256);
    let signer = Foreign::new(&a, SigningAlg::Es256);
    // Not in WAVE: there the length of the file, which the parent binds, grows with the second manifest.
    let once = signed_over(builder(false, CREATED), &signer, "image/jpeg", &photo());
    let mut update = builder(false, "");
    update.set_intent(BuilderIntent::Update);
    let twice = signed_over(update, &signer, "image/jpeg", &once);
    let e = judged(
        "update manifest",
        &twice,
        trust(&a, false),
        State::Trusted,
        [&["assertion.dataHash.match"], &[], &[]],
    );
    assert_eq!(e.ingredients.len(), 1);

    // The pixels belong to the parent's binding.
    a_changed_pixel_is_a_mismatch(twice, &trust(&a, false));
}

#[test]
fn a_manifest_elsewhere_is_inaccessible_and_not_absent() {
    let a = Authority::of(SigningAlg::Es256);
    let signer = Foreign::new(&a, SigningAlg::Es256);
    let mut elsewhere = builder(false, CREATED);
    elsewhere.set_remote_url("https://example.org/manifest.c2pa");
    elsewhere.set_no_embed(true);
    let bytes = signed_over(elsewhere, &signer, "image/jpeg", &photo());
    let report = inspect(&bytes, trust(&a, false));
    let (state, e) = manifest(&report);
    assert_eq!(state, State::NotChecked);
    assert_eq!(e.status.informational, ["manifest.inaccessible"], "{:?}", e.status);
    let said = report.findings.iter().flat_map(|f| &f.notes).any(|n| n.text.contains("example.org"));
    assert!(said, "the place is named: {:?}", report.findings);
}

#[test]
fn a_compressed_manifest_is_read_as_the_one_it_holds() {
    let a = Authority::of(SigningAlg::Es256);
    let signer = Foreign::new(&a, SigningAlg::Es256);
    let sign = |compressed| signed_over(builder(compressed, CREATED), &signer, "image/jpeg", &photo());
    let (plain, packed) = (sign(false), sign(true));
    assert!(packed.windows(4).any(|w| w == b"brob"), "the library compresses");
    assert!(!plain.windows(4).any(|w| w == b"brob"));
    // The clock, the revocation and the pins are the caller's for both.
    let later = Some(now() + 2 * DAYS * 86_400);
    let outside: &[&str] = &["claimSignature.outsideValidity"];
    let expired = Trust { at: later, ..trust(&a, false) };
    judged("compressed, expired", &packed, expired, State::Invalid, [&[], &[], outside]);
    let pinned = Trust { pinned_pem: vec![a.text("leaf.crt")], ..Trust::default() };
    judged("compressed, pinned", &packed, pinned, State::Trusted, [&["signingCredential.trusted"], &[], &[]]);
    let register = "R\t301231235959Z\t250101000000Z\t07\tunknown\t/O=acme/CN=acme leaf\n";
    let ocsp = Some(answer(&a, register, &a.path("leaf.crt")));
    let revoked = Foreign { ocsp, ..Foreign::new(&a, SigningAlg::Es256) };
    let bytes = signed_over(builder(true, CREATED), &revoked, "image/jpeg", &photo());
    let codes: &[&str] = &["signingCredential.ocsp.revoked"];
    judged("compressed, OCSP revoked", &bytes, trust(&a, false), State::Invalid, [&[], &[], codes]);
    for (name, bytes) in [("not compressed", plain), ("compressed", packed)] {
        judged(name, &bytes, trust(&a, false), State::Trusted, [&["signingCredential.trusted"], &[], &[]]);
        a_changed_pixel_is_a_mismatch(bytes, &trust(&a, false));
    }
}

#[test]
fn a_watermark_that_is_said_to_lead_back_needs_a_soft_binding() {
    let a = Authority::of(SigningAlg::Es256);
    let signer = Foreign::new(&a, SigningAlg::Es256);
    let bound = format!(r#"{CREATED},{{"action":"c2pa.watermarked.bound"}}"#);
    let bytes = signed_over(builder(false, &bound), &signer, "audio/wav", &wav());
    let missing: &[&str] = &["assertion.action.softBindingMissing"];
    judged("watermark bound, no soft binding", &bytes, trust(&a, false), State::Invalid, [&[], &[], missing]);
    // A watermark that leads nowhere needs none.
    let unbound = format!(r#"{CREATED},{{"action":"c2pa.watermarked.unbound"}}"#);
    let bytes = signed_over(builder(false, &unbound), &signer, "audio/wav", &wav());
    judged("watermark unbound", &bytes, trust(&a, false), State::Trusted, [&[], &[], &[]]);
}

/// What OpenSSL's responder says about certificate 7, given the line of its register.
fn answer(a: &Authority, register: &str, about: &Path) -> Vec<u8> {
    std::fs::write(a.path("index.txt"), register).unwrap();
    std::fs::write(a.path("index.txt.attr"), "unique_subject = no\n").unwrap();
    let about = about.display().to_string();
    a.openssl(&["ocsp", "-issuer", "root.crt", "-cert", &about, "-reqout", "request.der"]);
    let who = ["-index", "index.txt", "-CA", "root.crt", "-rsigner", "root.crt", "-rkey", "root.key"];
    let what = ["-reqin", "request.der", "-respout", "response.der", "-ndays", "10"];
    a.openssl(&[&["ocsp"][..], &who, &what].concat());
    std::fs::read(a.path("response.der")).unwrap()
}

#[test]
fn stapled_answers_about_revocation_are_taken_at_their_word() {
    let a = Authority::of(SigningAlg::Es256);
    let leaf = a.path("leaf.crt");
    let good = answer(&a, "V\t301231235959Z\t\t07\tunknown\t/O=acme/CN=acme leaf\n", &leaf);
    let revoked = answer(&a, "R\t301231235959Z\t250101000000Z\t07\tunknown\t/O=acme/CN=acme leaf\n", &leaf);
    let unknown = answer(&a, "V\t301231235959Z\t\t0A\tunknown\t/O=acme/CN=acme other\n", &leaf);
    let file = |ocsp: Vec<u8>| signed(&Foreign { ocsp: Some(ocsp), ..Foreign::new(&a, SigningAlg::Es256) });
    let codes: &[&str] = &["signingCredential.ocsp.notRevoked"];
    judged("OCSP good", &file(good.clone()), trust(&a, false), State::Trusted, [codes, &[], &[]]);
    let codes: &[&str] = &["signingCredential.ocsp.revoked"];
    judged("OCSP revoked", &file(revoked), trust(&a, false), State::Invalid, [&[], &[], codes]);
    let codes: &[&str] = &["signingCredential.ocsp.unknown"];
    judged("OCSP unknown", &file(unknown), trust(&a, false), State::Trusted, [&[], codes, &[]]);
    // An answer that is out of date says nothing.
    let later = Some(now() + 20 * 86_400);
    judged(
        "OCSP out of date",
        &file(good),
        Trust { at: later, ..trust(&a, false) },
        State::Trusted,
        [&[], codes, &[]],
    );
}

/// The codes of the first manifest of a crJSON document: success, informational, failure.
fn exported(bytes: &[u8], trust: Trust) -> (serde_json::Value, [Vec<String>; 3]) {
    let options = Options { trust, crjson: true, ..Options::system().unwrap() };
    let document = colophon::crjson(&colophon::inspect(bytes, &options).unwrap());
    let results = &document["manifests"][0]["validationResults"];
    let codes = ["success", "informational", "failure"].map(|list| {
        let items = results[list].as_array().into_iter().flatten();
        items.map(|i| i["code"].as_str().unwrap().to_owned()).collect()
    });
    (document, codes)
}

#[test]
fn crjson_says_what_the_report_says_where_the_library_says_otherwise() {
    let a = Authority::of(SigningAlg::Es256);
    let register = "R\t301231235959Z\t250101000000Z\t07\tunknown\t/O=acme/CN=acme leaf\n";
    let ocsp = Some(answer(&a, register, &a.path("leaf.crt")));
    let plain = signed(&Foreign::new(&a, SigningAlg::Es256));
    let revoked = signed(&Foreign { ocsp, ..Foreign::new(&a, SigningAlg::Es256) });
    let later = Some(now() + 2 * DAYS * 86_400);
    let has = |list: &[String], code: &str| list.iter().any(|c| c == code);

    let (document, [success, _, failure]) = exported(&plain, trust(&a, false));
    assert!(has(&success, "signingCredential.trusted") && failure.is_empty(), "{document}");
    assert_eq!(document["extras:colophon"]["stores"][0]["state"], "trusted");
    assert_eq!(document["jsonGenerator"]["name"], "colophon");
    assert!(document["jsonGenerator"]["date"].as_str().is_some_and(|d| d.contains('T')), "{document}");
    // What the schema of the c2pa project asks of every manifest, and nothing else in it.
    let known =
        ["label", "assertions", "claim", "claim.v2", "signature", "validationResults", "ingredientDeltas"];
    for manifest in document["manifests"].as_array().unwrap() {
        let fields: Vec<&String> = manifest.as_object().unwrap().keys().collect();
        assert!(
            ["label", "assertions", "claim.v2", "signature", "validationResults"]
                .iter()
                .all(|k| manifest.get(*k).is_some())
        );
        let extra: Vec<&&String> = fields.iter().filter(|f| !known.contains(&f.as_str())).collect();
        assert!(extra.is_empty(), "{extra:?}");
    }
    let manifest = &document["manifests"][0];
    assert_eq!(manifest["claim.v2"]["claim_generator_info"]["name"], "somebody");
    assert_eq!(manifest["assertions"]["c2pa.actions.v2"]["actions"][0]["action"], "c2pa.created");
    // What the library said about a code of both keeps its place.
    let bound = manifest["validationResults"]["success"].as_array().unwrap().iter();
    let bound = bound.clone().find(|i| i["code"] == "assertion.dataHash.match").unwrap();
    assert!(bound["url"].as_str().unwrap().ends_with("c2pa.assertions/c2pa.hash.data"), "{bound}");

    // Revoked: the library drops the answer and calls the signer trusted. The revocation's failure is exported.
    let (document, [success, _, failure]) = exported(&revoked, trust(&a, false));
    assert!(has(&failure, "signingCredential.ocsp.revoked"), "{document}");
    assert_eq!(document["extras:colophon"]["stores"][0]["state"], "invalid");
    assert!(!has(&success, "signingCredential.ocsp.notRevoked"));

    // A clock after the end: the library has none.
    let (document, [success, _, failure]) = exported(&plain, Trust { at: later, ..trust(&a, false) });
    assert!(has(&failure, "claimSignature.outsideValidity"), "{document}");
    assert!(!has(&success, "claimSignature.insideValidity"));

    // Nobody is believed.
    let (document, [success, _, failure]) = exported(&plain, Trust::default());
    assert!(!document.to_string().contains("signingCredential.trusted"), "{document}");
    assert!(has(&failure, "signingCredential.untrusted") && has(&success, "claimSignature.validated"));
}

#[test]
fn crjson_judges_the_signers_of_ingredients_too() {
    let a = Authority::of(SigningAlg::Es256);
    let signer = Foreign::new(&a, SigningAlg::Es256);
    let once = signed_over(builder(false, CREATED), &signer, "image/jpeg", &photo());
    let mut update = builder(false, "");
    update.set_intent(BuilderIntent::Update);
    let twice = signed_over(update, &signer, "image/jpeg", &once);
    let of_parent = |trust: Trust| {
        let (document, _) = exported(&twice, trust);
        assert_eq!(document["manifests"].as_array().unwrap().len(), 2);
        document["manifests"][1]["validationResults"].to_string()
    };
    assert!(of_parent(trust(&a, false)).contains("signingCredential.trusted"));
    let later = Trust { at: Some(now() + 2 * DAYS * 86_400), ..trust(&a, false) };
    assert!(of_parent(later).contains("claimSignature.outsideValidity"));
    assert!(!of_parent(Trust::default()).contains("signingCredential.trusted"));
}

#[test]
fn crjson_of_a_file_without_a_manifest_has_none_and_of_a_broken_one_its_failure() {
    let (document, _) = exported(&wav(), Trust::default());
    assert_eq!(document["manifests"], serde_json::json!([]));
    assert_eq!(document["extras:colophon"]["absent"], true);
    let a = Authority::of(SigningAlg::Es256);
    let mut bytes = signed(&Foreign::new(&a, SigningAlg::Es256));
    let at = bytes.windows(13).position(|w| w == b"c2pa.claim.v2").unwrap();
    bytes[at] ^= 1;
    let (document, [_, _, failure]) = exported(&bytes, trust(&a, false));
    assert!(!failure.is_empty(), "{document}");
    assert_eq!(document["extras:colophon"]["stores"][0]["state"], "invalid");
}
