//! Tesseract as a child process.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use colophon_core::Limits;

/// Most seconds of one run.
const SECONDS: u64 = 60;
/// How often a running child is looked after.
const PAUSE: Duration = Duration::from_millis(2);
/// Most bytes of an answer.
const ANSWER: u64 = 4 << 20;

/// The program's table of words; `None` when it cannot be started, fails, or takes too long.
pub(super) fn run(tool: &Path, picture: &[u8], limits: &Limits) -> Option<String> {
    let mut child = Command::new(tool)
        // Sparse text anywhere; one thread, because many pictures may be read at a time.
        .args(["stdin", "stdout", "-l", "chi_sim+eng", "--psm", "11", "tsv"])
        .env("OMP_THREAD_LIMIT", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let deadline = Instant::now() + Duration::from_secs(SECONDS.min(limits.child_seconds));
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut s| s.write_all(picture)));
        let out = scope.spawn(move || {
            let mut out = Vec::new();
            stdout.map(|s| s.take(ANSWER).read_to_end(&mut out));
            out
        });
        let success = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break false;
                }
            }
        };
        let out = out.join().unwrap_or_default();
        success.then(|| String::from_utf8_lossy(&out).into_owned())
    })
}
