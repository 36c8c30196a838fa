//! Marking and verifying from file to file: the same answers as in memory, where the library checks everything.
#![cfg(feature = "c2pa")]
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use colophon::sign::{CertifiedSigner, ChainRequest, KeyPair, make_chain};
use colophon::{
    Declaration, Evidence, FileSource, Finding, HardBinding, LabelChoice, ManifestEvidence, MarkedFile,
    Options, Profiles, PropagatedFile, Propagation, Report, State, UploadClass, mark_file, propagate_file,
    verify, verify_file,
};

const NOW: &str = "2026-03-04T05:06:07Z";

/// A chain valid around [`NOW`], the same at every run.
fn signer() -> CertifiedSigner {
    let (root, leaf) = (KeyPair::from_seed(&[8; 32]), KeyPair::from_seed(&[7; 32]));
    let mut request = ChainRequest::new("acme", 3650).unwrap();
    request.not_before = 1_735_689_600;
    let chain = make_chain(&root, &leaf, &request).unwrap();
    CertifiedSigner::new(leaf, &chain.leaf_pem).unwrap()
}

/// Metadata and signature, nothing in the content.
fn options(path: &Path) -> Options {
    let mut options = Options::new(NOW, [3; 32]).with_name(path.display().to_string());
    options.overrides.label = LabelChoice::None;
    options.overrides.no_watermark = true;
    options.overrides.allow_noncompliant = true;
    options.digests = false;
    options
}

fn mark(input: &Path, output: &Path) -> MarkedFile {
    let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
    let file = File::options().read(true).write(true).create(true).truncate(true).open(output).unwrap();
    let source = FileSource::open(input).unwrap();
    let profiles = Profiles::named(&["cn", "eu"]).unwrap();
    mark_file(&source, &file, &declaration, &profiles, Some(&signer()), &options(input))
        .unwrap_or_else(|e| panic!("{}: {e}", input.display()))
        .expect("the format streams")
}

/// Copies of the sample clip in other layouts, without encoding.
fn layouts(folder: &Path) -> Vec<PathBuf> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/clip.mp4");
    let made = [
        ("front.mp4", "+faststart"),
        ("back.mp4", "-faststart"),
        ("fragments.mp4", "+frag_keyframe+empty_moov+default_base_moof"),
        ("fragments_global.mp4", "+frag_keyframe+global_sidx"),
        ("quicktime.mov", "+faststart"),
        ("edited.m4v", "+faststart"),
    ]
    .map(|(name, flags)| {
        let path = folder.join(name);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y"]);
        if name == "edited.m4v" {
            // Starts between two key pictures: the edit list hides what precedes.
            command.args(["-ss", "0.5"]);
        }
        command.arg("-i").arg(&sample).args(["-c", "copy", "-movflags", flags]);
        assert!(command.arg(&path).status().unwrap().success(), "{name}");
        path
    });
    let mut all = made.to_vec();
    // The writer leaves eight bytes free in front of the media: with them the size has 64 bits.
    let mut bytes = std::fs::read(&made[1]).unwrap();
    let at = bytes.windows(8).position(|w| w == b"\0\0\0\x08free").expect("a free box");
    let size = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap());
    assert_eq!(&bytes[at + 12..at + 16], b"mdat");
    bytes[at..at + 8].copy_from_slice(b"\0\0\0\x01mdat");
    bytes[at + 8..at + 16].copy_from_slice(&u64::from(size + 8).to_be_bytes());
    let path = folder.join("largesize.mp4");
    std::fs::write(&path, bytes).unwrap();
    all.push(path);
    all
}

fn manifest(report: &Report) -> (&Finding, &ManifestEvidence) {
    report
        .findings
        .iter()
        .find_map(|f| match &f.evidence {
            Some(Evidence::Manifest(e)) => Some((f, e.as_ref())),
            _ => None,
        })
        .expect("a manifest")
}

/// A report without the order of status codes and the second in which it was made.
fn plain(mut report: Report) -> Report {
    for f in &mut report.findings {
        if let Some(Evidence::Manifest(e)) = &mut f.evidence {
            e.status.success.sort();
            e.status.failure.sort();
            if let Some(j) = &mut e.judgement {
                j.at.clear();
            }
        }
    }
    report
}

/// Coded media of a file, in order.
fn media(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let source: &dyn colophon::Source = &bytes;
    let format = colophon::registry().probe_source(source, None).unwrap().unwrap();
    let layout = format.inspect(source, &colophon::Limits::default()).unwrap();
    let head = |r: &std::ops::Range<u64>| if bytes[r.start as usize..][..4] == [0, 0, 0, 1] { 16 } else { 8 };
    layout.media.iter().flat_map(|r| bytes[r.start as usize + head(r)..r.end as usize].to_vec()).collect()
}

#[test]
fn a_file_marked_from_file_to_file_is_valid_for_the_library_too() {
    let folder = tempfile::tempdir().unwrap();
    for input in layouts(folder.path()) {
        let output = folder.path().join("out");
        let marked = mark(&input, &output);
        assert_eq!(marked.record.sha256_before, None);
        assert_eq!(media(&input), media(&output), "{}", input.display());
        let bytes = std::fs::read(&output).unwrap();
        let profiles = Profiles::named(&["cn", "eu"]).unwrap();
        // In memory the library hashes and judges everything by itself.
        let by_library = verify(&bytes, &profiles, &options(&output)).unwrap();
        let by_us = verify_file(&FileSource::open(&output).unwrap(), &profiles, &options(&output)).unwrap();
        let (by_library, by_us) = (plain(by_library), plain(by_us));
        assert!(
            by_library == by_us,
            "{}: {:?}, {:?}",
            input.display(),
            manifest(&by_library),
            manifest(&by_us)
        );
        let (f, e) = manifest(&by_library);
        assert_eq!((f.state, e.axes.content), (State::Valid, HardBinding::Match), "{}", input.display());
        assert!(e.status.success.iter().any(|c| c == "assertion.bmffHash.match"));
        assert_eq!(by_us.subject.sha256, Some(colophon::sha256_hex(&bytes)));
    }
}

#[test]
fn every_changed_byte_that_is_bound_is_seen_from_file_too() {
    let folder = tempfile::tempdir().unwrap();
    for input in layouts(folder.path()) {
        let output = folder.path().join("out");
        mark(&input, &output);
        let bytes = std::fs::read(&output).unwrap();
        let profiles = Profiles::named(&["any"]).unwrap();
        for part in 1..24 {
            // All over the file: boxes that are bound, the store itself, boxes that are not bound.
            let at = bytes.len() * part / 24;
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            std::fs::write(&output, &changed).unwrap();
            let by_library = verify(&changed, &profiles, &options(&output));
            let by_us = verify_file(&FileSource::open(&output).unwrap(), &profiles, &options(&output));
            match (by_library, by_us) {
                (Ok(a), Ok(b)) => {
                    let (a, b) = (plain(a), plain(b));
                    assert!(a == b, "{} byte {at}: {:#?}, {:#?}", input.display(), a.findings, b.findings);
                }
                (Err(a), Err(b)) => assert_eq!(a.kind(), b.kind()),
                (a, b) => panic!("{} byte {at}: {a:?}, {b:?}", input.display()),
            }
        }
    }
}

#[test]
fn a_marked_file_marked_again_keeps_its_manifest_as_the_parent() {
    let folder = tempfile::tempdir().unwrap();
    let input = layouts(folder.path()).remove(0);
    let (once, twice) = (folder.path().join("once.mp4"), folder.path().join("twice.mp4"));
    mark(&input, &once);
    mark(&once, &twice);
    let bytes = std::fs::read(&twice).unwrap();
    let report = verify(&bytes, &Profiles::named(&["any"]).unwrap(), &options(&twice)).unwrap();
    let (f, e) = manifest(&report);
    assert_eq!(f.state, State::Valid, "{:?}", e.status);
    assert_eq!(e.ingredients.len(), 1);
    assert!(e.status.informational.iter().all(|c| !c.contains("bmffHash")), "{:?}", e.status);
    assert_eq!(e.actions.first().map(String::as_str), Some("c2pa.opened"));
}

#[test]
fn content_that_has_to_be_changed_is_left_to_memory() {
    let folder = tempfile::tempdir().unwrap();
    let input = layouts(folder.path()).remove(0);
    let path = folder.path().join("out");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
    let profiles = Profiles::named(&["cn"]).unwrap();
    let options = Options::new(NOW, [3; 32]).with_name("clip.mp4");
    let source = FileSource::open(&input).unwrap();
    assert!(mark_file(&source, &file, &declaration, &profiles, Some(&signer()), &options).unwrap().is_none());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

/// The sample clip in containers that are not of the MP4 family.
fn containers(folder: &Path) -> Vec<PathBuf> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/clip.mp4");
    [
        ("clip.mkv", ["-c", "copy", "-map", "0"]),
        ("clip.webm", ["-c:v", "libvpx", "-c:a", "libopus"]),
        ("clip.avi", ["-c:v", "mpeg4", "-c:a", "mp3"]),
        ("clip.flv", ["-c", "copy", "-map", "0"]),
    ]
    .map(|(name, codecs)| {
        let path = folder.join(name);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y", "-i"]).arg(&sample).args(codecs).arg(&path);
        assert!(command.status().unwrap().success(), "{name}");
        path
    })
    .to_vec()
}

#[test]
fn matroska_avi_and_flash_are_signed_over_from_file_to_file() {
    let folder = tempfile::tempdir().unwrap();
    for input in containers(folder.path()) {
        let output = folder.path().join("out");
        let marked = mark(&input, &output);
        assert_eq!(marked.sidecar.is_none(), input.extension().is_some_and(|e| e == "avi"));
        let options = Options { sidecar: marked.sidecar.clone(), ..options(&output) };
        let profiles = Profiles::named(&["cn"]).unwrap();
        let mut bytes = std::fs::read(&output).unwrap();
        for state in [State::Valid, State::Invalid] {
            let by_library = plain(verify(&bytes, &profiles, &options).unwrap());
            let by_us = verify_file(&FileSource::open(&output).unwrap(), &profiles, &options).unwrap();
            let by_us = plain(by_us);
            assert!(
                by_library == by_us,
                "{}: {:#?}, {:#?}",
                input.display(),
                by_library.findings,
                by_us.findings
            );
            let (f, e) = manifest(&by_us);
            assert_eq!(f.state, state, "{}: {:?}", input.display(), e.status);
            assert!(by_us.findings.iter().any(|f| f.mark == "gb45438.aigc" && f.state == State::Present));
            // One byte of media.
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            std::fs::write(&output, &bytes).unwrap();
        }
    }
}

/// Six seconds of stereo sound: as WAV, as WAV with metadata in front of the samples, and as RF64.
fn sounds(folder: &Path) -> Vec<PathBuf> {
    let plain = folder.join("plain.wav");
    let mut command = Command::new("ffmpeg");
    let tone = "anoisesrc=d=6:c=pink:a=0.3:r=44100:seed=3,aformat=channel_layouts=stereo";
    command.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", tone, "-c:a", "pcm_s16le"]);
    assert!(command.arg(&plain).status().unwrap().success());
    let bytes = std::fs::read(&plain).unwrap();
    let data = bytes.windows(4).position(|w| w == b"data").unwrap();
    let (head, body) = (&bytes[12..data], &bytes[data..]);

    // An AIGC chunk of somebody else's in front: writing ours moves the samples.
    let front = folder.join("front.wav");
    let foreign = [b"AIGC\x02\0\0\0{}".as_slice(), head, body].concat();
    let form = |id: &[u8; 4], size: u32, rest: &[u8]| [id, &size.to_le_bytes()[..], b"WAVE", rest].concat();
    std::fs::write(&front, form(b"RIFF", foreign.len() as u32 + 4, &foreign)).unwrap();

    // RF64 (EBU Tech 3306): lengths stand in ds64, the fields of 32 bits are all ones.
    let large = folder.join("large.wav");
    let samples = &body[8..];
    let rest = [head, b"data\xff\xff\xff\xff", samples].concat();
    let mut ds64 = b"ds64\x1c\0\0\0".to_vec();
    ds64.extend((rest.len() as u64 + 4 + 36).to_le_bytes());
    ds64.extend((samples.len() as u64).to_le_bytes());
    ds64.extend((samples.len() as u64 / 4).to_le_bytes());
    ds64.extend([0; 4]);
    std::fs::write(&large, form(b"RF64", u32::MAX, &[ds64, rest].concat())).unwrap();
    vec![plain, front, large]
}

#[test]
fn labelled_and_watermarked_sound_goes_from_file_to_file_as_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = Profiles::named(&["cn"]).unwrap();
    let declaration =
        Declaration { producer: Some("001191110000MA0000007710001".into()), ..Declaration::default() };
    for input in sounds(folder.path()) {
        let output = folder.path().join("out.wav");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&output).unwrap();
        let source = FileSource::open(&input).unwrap();
        let options = Options {
            scratch: Some(folder.path().to_owned()),
            ..Options::new(NOW, [3; 32]).with_name(input.display().to_string())
        };
        let marked = mark_file(&source, &file, &declaration, &profiles, Some(&signer()), &options)
            .unwrap_or_else(|e| panic!("{}: {e}", input.display()))
            .expect("sound is marked from file to file");
        assert_eq!((marked.record.labels.len(), marked.record.watermarks.len()), (1, 1));
        let bytes = std::fs::read(&output).unwrap();
        let in_memory = colophon::mark(
            &std::fs::read(&input).unwrap(),
            &declaration,
            &profiles,
            Some(&signer()),
            &options,
        );
        let in_memory = in_memory.unwrap_or_else(|e| panic!("{}: {e}", input.display()));
        let store = bytes.windows(4).rposition(|w| w == b"C2PA").expect("a manifest");
        assert_eq!(in_memory.bytes.len(), bytes.len());
        // The same bytes up to the signed store, which holds random salts and the digest of the input.
        assert!(in_memory.bytes[8..store] == bytes[8..store], "{}", input.display());
        let report = verify(&bytes, &profiles, &options).unwrap();
        let (f, e) = manifest(&report);
        assert_eq!((f.state, e.axes.content), (State::Valid, HardBinding::Match), "{}", input.display());
        let failed: Vec<&str> = report
            .verdicts
            .iter()
            .filter(|v| v.outcome == colophon::Outcome::Fail)
            .map(|v| v.rule.as_str())
            .collect();
        assert!(failed.is_empty(), "{}: {failed:?}", input.display());
    }
}

#[test]
fn an_output_that_takes_no_bytes_is_an_error_and_not_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let input = layouts(folder.path()).remove(0);
    let path = folder.path().join("read-only");
    std::fs::write(&path, "").unwrap();
    let source = FileSource::open(&input).unwrap();
    let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
    let profiles = Profiles::named(&["any"]).unwrap();
    let output = File::open(&path).unwrap();
    let done = mark_file(&source, &output, &declaration, &profiles, Some(&signer()), &options(&input));
    assert_eq!(done.unwrap_err().kind(), colophon::ErrorKind::Io);
}

/// A platform's fields, from file to file.
fn propagated(input: &Path, output: &Path, signer: Option<&CertifiedSigner>) -> PropagatedFile {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(output).unwrap();
    let source = FileSource::open(input).unwrap();
    let signer = signer.map(|s| s as &dyn colophon::Signer);
    propagate_file(&source, Some(&file), &platform(), signer, &options(input))
        .unwrap_or_else(|e| panic!("{}: {e}", input.display()))
        .expect("the format streams")
}

fn platform() -> Propagation {
    Propagation { platform: "square".into(), content_id: Some("p1".into()), declared: false }
}

#[test]
fn labeling_measures_art_6_a_platform_writes_the_same_from_file_to_file_as_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let [bare, signed, out] = ["bare.mp4", "signed.mp4", "out.mp4"].map(|name| folder.path().join(name));
    for input in layouts(folder.path()) {
        // Without a signature nothing depends on chance: byte for byte.
        let bytes = std::fs::read(&input).unwrap();
        let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
        let unsigned = options(&input).without_manifest();
        let profiles = Profiles::named(&["cn"]).unwrap();
        let marked = colophon::mark(&bytes, &declaration, &profiles, None, &unsigned).unwrap().bytes;
        std::fs::write(&bare, &marked).unwrap();
        let done = propagated(&bare, &out, None);
        assert!(done.written && done.class == UploadClass::Confirmed, "{}", input.display());
        let memory = colophon::propagate(&marked, &platform(), None, &options(&bare)).unwrap();
        assert_eq!(memory.bytes.unwrap(), std::fs::read(&out).unwrap(), "{}", input.display());
        // A signature that holds is followed by the platform's own, or nothing is written.
        mark(&input, &signed);
        let done = propagated(&signed, &out, Some(&signer()));
        assert_eq!(done.class, UploadClass::Confirmed);
        let manifest = done.report.findings.iter().find(|f| f.mark == "c2pa.manifest").unwrap();
        assert_eq!(manifest.state, State::Valid, "{}", input.display());
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&out).unwrap();
        let source = FileSource::open(&signed).unwrap();
        let refused = propagate_file(&source, Some(&file), &platform(), None, &options(&signed)).unwrap_err();
        assert_eq!((refused.kind(), file.metadata().unwrap().len()), (colophon::ErrorKind::Key, 0));
        // Without an output it is classed all the same.
        let classed = propagate_file(&source, None, &platform(), None, &options(&signed)).unwrap().unwrap();
        assert!(!classed.written && classed.class == UploadClass::Confirmed);
    }
}
