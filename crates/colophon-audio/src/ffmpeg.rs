//! `ffmpeg` as a child process, for the codecs that have no encoder under a permissive licence.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use colophon_core::{Error, ErrorKind, Limits, Result};

/// How often a running child is looked after.
const PAUSE: Duration = Duration::from_millis(5);
/// Most bytes of an error message that are kept.
const MESSAGE: usize = 400;

/// Samples to be encoded.
pub(crate) struct Pcm<'a> {
    /// Interleaved, full scale is 1.
    pub(crate) samples: &'a [f32],
    pub(crate) rate: u32,
    pub(crate) channels: u16,
}

/// Encodes samples; `arguments` name codec and container. No files, no network: the child reads its standard input
/// and writes its standard output.
///
/// # Errors
/// `MissingTool` without a program; `Limit` when it takes too long; `Unsupported` with its message when it fails.
pub(crate) fn encode(
    id: &'static str,
    tool: Option<&Path>,
    pcm: &Pcm<'_>,
    arguments: &[&str],
    limits: &Limits,
) -> Result<Vec<u8>> {
    let Some(tool) = tool else {
        return Err(Error::new(ErrorKind::MissingTool, "ffmpeg is needed to encode the label").in_format(id));
    };
    let mut child = Command::new(tool)
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-f", "f32le"])
        .args(["-ar", &pcm.rate.to_string(), "-ac", &pcm.channels.to_string(), "-i", "pipe:0"])
        .args(["-map_metadata", "-1", "-bitexact"])
        .args(arguments)
        .arg("pipe:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| {
            Error::new(ErrorKind::MissingTool, "ffmpeg cannot be started").in_format(id).because(e)
        })?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (status, out, message) = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                let bytes: Vec<u8> = pcm.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
                // A child that stops reading has failed; its status says so.
                let _ = stdin.write_all(&bytes);
            }
        });
        let cap = limits.decoded_bytes;
        let out = scope.spawn(move || read(stdout, cap));
        let message = scope.spawn(move || read(stderr, MESSAGE as u64));
        let mut turns = limits.child_seconds.saturating_mul(1000) / PAUSE.as_millis() as u64;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if turns == 0 => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break Err(Error::limit("ffmpeg takes longer than allowed"));
                }
                Ok(None) => turns -= 1,
                Err(e) => break Err(e.into()),
            }
            std::thread::sleep(PAUSE);
        };
        (status, out.join().unwrap_or_default(), message.join().unwrap_or_default())
    });
    if status.map_err(|e| e.in_format(id))?.success() {
        return Ok(out);
    }
    let message = String::from_utf8_lossy(&message);
    let line = message.lines().next().unwrap_or_default().trim().to_owned();
    Err(Error::unsupported(id, "ffmpeg could not encode the label").because(line))
}

/// Everything up to `cap` bytes; the rest is read and dropped, so that the child does not block.
fn read(from: Option<impl Read>, cap: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(mut from) = from {
        let _ = (&mut from).take(cap).read_to_end(&mut out);
        let _ = std::io::copy(&mut from, &mut std::io::sink());
    }
    out
}
