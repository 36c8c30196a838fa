//! `ffmpeg` as a child process, for the codecs that have no encoder under a permissive licence.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use colophon_core::{Error, ErrorKind, Limits, Result};

/// How often a running child is looked after.
const PAUSE: Duration = Duration::from_millis(5);
/// Most bytes of an error message that are kept.
const MESSAGE: u64 = 400;

/// Sound to be encoded.
pub(crate) struct Job<'a> {
    /// Format on whose behalf.
    pub(crate) id: &'static str,
    /// The program; `None` when the caller allows none.
    pub(crate) tool: Option<&'a Path>,
    /// Samples per second and channel.
    pub(crate) rate: u32,
    /// Channels, interleaved.
    pub(crate) channels: u16,
    /// Codec and container.
    pub(crate) arguments: &'a [&'a str],
    /// Bounds.
    pub(crate) limits: &'a Limits,
}

impl Job<'_> {
    /// Encodes the samples that `feed` writes, as floats. No network: the child reads its standard input and
    /// writes its standard output.
    ///
    /// # Errors
    /// `MissingTool` without a program; `Limit` when it takes too long; `Unsupported` with its message when it fails;
    /// what `feed` returns.
    pub(crate) fn encode(&self, feed: impl FnOnce(&mut Feed<'_>) -> Result<()> + Send) -> Result<Vec<u8>> {
        self.run("pipe:1".as_ref(), feed)
    }

    /// [`Job::encode`] into a file, for containers that are written back and forth.
    ///
    /// # Errors
    /// As [`Job::encode`].
    pub(crate) fn encode_into(
        &self,
        path: &Path,
        feed: impl FnOnce(&mut Feed<'_>) -> Result<()> + Send,
    ) -> Result<()> {
        let mut target = OsString::from("file:");
        target.push(path);
        self.run(&target, feed).map(drop)
    }

    fn run(&self, target: &OsStr, feed: impl FnOnce(&mut Feed<'_>) -> Result<()> + Send) -> Result<Vec<u8>> {
        let mut child = self.spawn(target)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (status, fed, out, message) = std::thread::scope(|scope| {
            let fed = scope.spawn(move || match stdin {
                Some(mut stdin) => feed(&mut Feed { to: &mut stdin, bytes: Vec::new() }),
                None => Ok(()),
            });
            let cap = self.limits.decoded_bytes;
            let out = scope.spawn(move || read(stdout, cap));
            let message = scope.spawn(move || read(stderr, MESSAGE));
            let status = wait(&mut child, self.limits);
            let fed =
                fed.join().unwrap_or_else(|_| Err(Error::limit("the samples could not be handed over")));
            (status, fed, out.join().unwrap_or_default(), message.join().unwrap_or_default())
        });
        if status.map_err(|e| e.in_format(self.id))?.success() {
            fed?;
            return Ok(out);
        }
        // A child that failed closes the pipe: what it says is the cause, not the pipe. Errors of the samples are.
        match fed {
            Err(e) if e.kind() != ErrorKind::Io => Err(e),
            _ => {
                let message = String::from_utf8_lossy(&message);
                let line = message.lines().next().unwrap_or_default().trim().to_owned();
                Err(Error::unsupported(self.id, "ffmpeg could not encode the sound").because(line))
            }
        }
    }

    fn spawn(&self, target: &OsStr) -> Result<Child> {
        let Some(tool) = self.tool else {
            return Err(
                Error::new(ErrorKind::MissingTool, "ffmpeg is needed to encode sound").in_format(self.id)
            );
        };
        Command::new(tool)
            .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-f", "f32le"])
            .args(["-ar", &self.rate.to_string(), "-ac", &self.channels.to_string(), "-i", "pipe:0"])
            .args(["-map_metadata", "-1", "-bitexact"])
            .args(self.arguments)
            .arg(target)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| {
                Error::new(ErrorKind::MissingTool, "ffmpeg cannot be started").in_format(self.id).because(e)
            })
    }
}

/// A question to `ffprobe`.
pub(crate) struct Probe<'a> {
    /// Format on whose behalf.
    pub(crate) id: &'static str,
    /// The program; `None` when the caller allows none.
    pub(crate) tool: Option<&'a Path>,
    /// Bounds.
    pub(crate) limits: &'a Limits,
}

impl Probe<'_> {
    /// The profile of the first stream of sound in `head`, the start of a file in `container`; empty when it names none.
    ///
    /// # Errors
    /// `MissingTool` without a program; `Limit` when it takes too long.
    pub(crate) fn profile(&self, container: &str, head: &[u8]) -> Result<String> {
        let missing = |text: &str| Error::new(ErrorKind::MissingTool, text).in_format(self.id);
        let tool = self.tool.ok_or_else(|| missing("ffprobe is needed to tell AAC-LC from HE-AAC"))?;
        let mut child = Command::new(tool)
            .args(["-hide_banner", "-loglevel", "error", "-f", container, "-i", "pipe:0"])
            .args(["-select_streams", "a:0", "-show_entries", "stream=profile", "-of", "csv=p=0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| missing("ffprobe cannot be started").because(e))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (status, said) = std::thread::scope(|scope| {
            // A child that has seen enough closes the pipe.
            scope.spawn(move || stdin.map(|mut to| to.write_all(head)));
            let said = scope.spawn(move || read(stdout, MESSAGE));
            let status = wait(&mut child, self.limits);
            (status, said.join().unwrap_or_default())
        });
        status.map_err(|e| e.in_format(self.id))?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }
}

/// Where samples go in.
pub(crate) struct Feed<'a> {
    to: &'a mut dyn Write,
    bytes: Vec<u8>,
}

impl Feed<'_> {
    /// Hands over interleaved samples.
    ///
    /// # Errors
    /// `Io` when the child has gone.
    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<()> {
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        Ok(self.to.write_all(&self.bytes)?)
    }
}

/// Waits for the child, and ends it when its time is up.
fn wait(child: &mut Child, limits: &Limits) -> Result<ExitStatus> {
    let mut turns = limits.child_seconds.saturating_mul(1000) / PAUSE.as_millis() as u64;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if turns == 0 => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::limit("ffmpeg takes longer than allowed"));
            }
            Ok(None) => turns -= 1,
            Err(e) => return Err(e.into()),
        }
        std::thread::sleep(PAUSE);
    }
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
