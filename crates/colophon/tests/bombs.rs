//! Small files that ask for much: nesting, sizes and counts that lie, loops, data that unpacks to a thousand times its
//! size. Every format has some, and each ends with the outcome named here, in bounded time and memory, whether it is judged
//! from memory, judged from disk or marked.
#![cfg(all(target_os = "linux", feature = "c2pa"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "bombs/documents.rs"]
mod documents;
#[path = "bombs/pictures.rs"]
mod pictures;
#[path = "bombs/sound.rs"]
mod sound;
#[path = "bombs/video.rs"]
mod video;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use colophon::sign::{CertifiedSigner, ChainRequest, KeyPair, make_chain};
use colophon::{Declaration, Error, ErrorKind, FileSource, Limits, Options, Profiles, Report, State};

/// CPU time of one operation, in seconds: builds for tests are slow, and these files are small.
const SECONDS: f64 = 4.0;
/// Memory of one operation above what the process has, in MiB.
const MEBIBYTES: u64 = 160;

/// A hostile file.
pub(crate) struct Bomb {
    name: String,
    bytes: Vec<u8>,
    want: Want,
}

/// What judging it has to end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// A report in which nothing vouches for anything.
    Report,
    Limit,
    Malformed,
    Unsupported,
}

/// `name`: a file name, which is the hint, and behind a colon what is wrong with it.
pub(crate) fn bomb(name: &str, want: Want, bytes: impl Into<Vec<u8>>) -> Bomb {
    Bomb { name: name.to_owned(), bytes: bytes.into(), want }
}

/// Below the defaults, so that small files reach them.
fn options(name: &str) -> Options {
    let limits = Limits {
        pixels: 8 << 20,
        decoded_bytes: 64 << 20,
        seconds: 3600,
        parts: 100_000,
        metadata_bytes: 1 << 20,
        ..Limits::default()
    };
    let hint = name.split(':').next().unwrap();
    Options { limits, ..Options::new("2026-03-04T05:06:07Z", [3; 32]) }.with_name(hint)
}

/// User and system time of this process and all its threads, seconds.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), counted from the third; in hundredths of a second.
    let ticks: f64 = [11, 12].iter().map(|i| fields[*i].parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

/// A figure of `/proc/self/status`, in KiB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

struct Measured<T> {
    value: Result<T, String>,
    seconds: f64,
    mebibytes: u64,
}

fn measured<T>(work: impl FnOnce() -> T) -> Measured<T> {
    // proc(5): 5 resets the peak.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, start) = (memory("VmRSS"), cpu());
    let value = catch_unwind(AssertUnwindSafe(work)).map_err(|_| "it panicked".to_owned());
    let mebibytes = memory("VmHWM").saturating_sub(before) >> 10;
    Measured { value, seconds: cpu() - start, mebibytes }
}

fn named(result: &Result<Report, Error>) -> Result<Want, String> {
    match result {
        Ok(report) => {
            let vouched = report.findings.iter().find(|f| matches!(f.state, State::Valid | State::Trusted));
            vouched.map_or(Ok(Want::Report), |f| Err(format!("something vouches for it: {f:?}")))
        }
        Err(e) => match e.kind() {
            ErrorKind::Limit => Ok(Want::Limit),
            ErrorKind::Malformed => Ok(Want::Malformed),
            ErrorKind::Unsupported => Ok(Want::Unsupported),
            other => Err(format!("{other:?}: {e}")),
        },
    }
}

#[test]
fn every_bomb_has_a_named_outcome_in_bounded_time_and_memory() {
    let bombs: Vec<Bomb> = [pictures::bombs(), sound::bombs(), video::bombs(), documents::bombs()]
        .into_iter()
        .flatten()
        .collect();
    let only = std::env::var("BOMB").unwrap_or_default();
    let profiles = Profiles::named(&["cn"]).unwrap();
    let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
    let signer = signer();
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for b in bombs.iter().filter(|b| b.name.contains(&only)) {
        let options = options(&b.name);
        let path = folder.path().join("bomb");
        fs::write(&path, &b.bytes).unwrap();
        let mut costs = Vec::new();
        let mut bounded = |what: &str, seconds: f64, mebibytes: u64, wrong: &mut Vec<String>| {
            costs.push(format!("{what} {seconds:.2} s {mebibytes} MiB"));
            if seconds > SECONDS || mebibytes > MEBIBYTES {
                wrong.push(format!("{}: {what}: {seconds:.2} s, {mebibytes} MiB", b.name));
            }
        };
        let memory = measured(|| colophon::verify(&b.bytes, &profiles, &options));
        bounded("memory", memory.seconds, memory.mebibytes, &mut wrong);
        let disk = measured(|| colophon::verify_file(&FileSource::open(&path).unwrap(), &profiles, &options));
        bounded("disk", disk.seconds, disk.mebibytes, &mut wrong);
        for (how, result) in [("memory", &memory.value), ("disk", &disk.value)] {
            let outcome = result.as_ref().map_err(Clone::clone).and_then(named);
            if outcome != Ok(b.want) {
                let said = result.as_ref().ok().and_then(|r| r.as_ref().err().map(ToString::to_string));
                wrong.push(format!("{}, {how}: {outcome:?} instead of {:?}; {said:?}", b.name, b.want));
            }
        }
        let made = measured(|| {
            colophon::mark(&b.bytes, &declaration, &profiles, Some(&signer), &options).map(|_| ())
        });
        bounded("mark", made.seconds, made.mebibytes, &mut wrong);
        match &made.value {
            Err(panicked) => wrong.push(format!("{}: mark: {panicked}", b.name)),
            // What cannot be read is not written to.
            Ok(Ok(())) if b.want != Want::Report => wrong.push(format!("{}: it was marked", b.name)),
            Ok(_) => {}
        }
        let said = match &memory.value {
            Ok(Ok(_)) => "report".to_owned(),
            Ok(Err(e)) => e.to_string(),
            Err(e) => e.clone(),
        };
        println!("{:60} {:>8} bytes  {}  {said}", b.name, b.bytes.len(), costs.join(", "));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn signer() -> CertifiedSigner {
    let (root, leaf) = (KeyPair::from_seed(&[8; 32]), KeyPair::from_seed(&[7; 32]));
    let mut request = ChainRequest::new("acme", 3650).unwrap();
    request.not_before = 1_735_689_600;
    let chain = make_chain(&root, &leaf, &request).unwrap();
    CertifiedSigner::new(leaf, &chain.leaf_pem).unwrap()
}

/// Bytes unpacked from far fewer.
pub(crate) fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// 256 MiB of spaces in 256 KiB.
pub(crate) fn spaces() -> &'static [u8] {
    static SPACES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    SPACES.get_or_init(|| deflated(&vec![b' '; 256 << 20]))
}

/// `n` bytes of `unit`, repeated.
pub(crate) fn times(unit: &[u8], n: usize) -> Vec<u8> {
    unit.repeat(n)
}

/// Parts in one.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
