//! `ffmpeg` and `ffprobe` as child processes.
//!
//! They decode what strangers sent: no shell, no network (the protocol white list), file names that cannot be options
//! (`file:` in front), a bounded address space, open files and output on Linux, a watchdog on the wall clock that ends
//! the whole process group. Keys never get near them: the environment is cleared.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use colophon_core::{Error, ErrorKind, Limits, RenderCx, Result};

/// How often a running child is looked after.
const PAUSE: Duration = Duration::from_millis(10);
/// Most bytes of an error message that are kept.
const MESSAGE: u64 = 2000;
/// Address space of a child, in bytes.
#[cfg(target_os = "linux")]
const ADDRESS_SPACE: u64 = 8 << 30;
/// Open files of a child.
#[cfg(target_os = "linux")]
const OPEN_FILES: u64 = 64;

/// For children that use the GNU C library: raw pictures in pages that are large and used again. Asking the system for each
/// picture's pages anew takes 3 % of the time of decoding and encoding. Other systems do not know the variable.
const TUNABLES: &str = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1073741824:\
                        glibc.malloc.trim_threshold=1073741824:glibc.malloc.top_pad=67108864";

/// Decoder options for whoever looks at a few pictures of every second: those to which others refer. Encoders spend their
/// bits on them, so that a mark is clearer there, and what refers to them need not be decoded. Codecs without such a
/// distinction give all.
pub(crate) const REFERENCES: [&str; 2] = ["-skip_frame", "noref"];

/// The program, or why there is none.
///
/// # Errors
/// `MissingTool`.
pub(crate) fn program<'a>(id: &'static str, tool: Option<&'a Path>, name: &str) -> Result<&'a Path> {
    tool.ok_or_else(|| {
        Error::new(ErrorKind::MissingTool, format!("{name} is needed for the pictures of a video"))
            .in_format(id)
    })
}

/// An ffmpeg that asks nobody, says only errors, and opens files and pipes and nothing else; its inputs and outputs follow.
///
/// # Errors
/// `MissingTool`.
pub(crate) fn ffmpeg(id: &'static str, cx: &RenderCx<'_>) -> Result<Command> {
    let mut command = Command::new(program(id, cx.tools.ffmpeg.as_deref(), "ffmpeg")?);
    command.args(["-hide_banner", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"]);
    Ok(command)
}

/// A path as an input or output that can be nothing but a file.
pub(crate) fn file(path: &Path) -> std::ffi::OsString {
    let mut arg = std::ffi::OsString::from("file:");
    arg.push(path);
    arg
}

/// Runs a program to its end and answers what it wrote to standard output, at most `cap` bytes.
///
/// # Errors
/// `Io` when it cannot be started; `Limit` when it takes too long or writes too much; `Unsupported` with its own words
/// when it fails.
pub(crate) fn output(id: &'static str, command: &mut Command, cap: u64, limits: &Limits) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    stream(id, command, limits, &mut |pipe| {
        let read = pipe.take(cap.saturating_add(1)).read_to_end(&mut out);
        read.map_err(Error::from)?;
        if out.len() as u64 > cap {
            return Err(Error::limit(format!("a helper program wrote more than {cap} bytes")).in_format(id));
        }
        Ok(())
    })?;
    Ok(out)
}

/// Runs a program and hands its standard output to `each` while it runs.
///
/// # Errors
/// As [`output`], and what `each` returns.
pub(crate) fn stream(
    id: &'static str,
    command: &mut Command,
    limits: &Limits,
    each: &mut Each<'_>,
) -> Result<()> {
    let child = start(id, command, false, limits)?;
    converse(id, child, limits, None, each, None)
}

/// Runs a program that reads what `feed` writes to its standard input; what it writes itself is thrown away.
///
/// # Errors
/// As [`output`], and what `feed` returns.
pub(crate) fn fed(
    id: &'static str,
    command: &mut Command,
    limits: &Limits,
    feed: &mut Feed<'_>,
) -> Result<()> {
    let child = start(id, command, true, limits)?;
    let ignore: &mut Each<'_> = &mut |pipe| {
        std::io::copy(pipe, &mut std::io::sink())?;
        Ok(())
    };
    converse(id, child, limits, Some(feed), ignore, None)
}

/// Writes to the standard input of a child.
pub(crate) type Feed<'a> = dyn FnMut(&mut (dyn Write + Send)) -> Result<()> + Send + 'a;

/// The descriptor of [`twice`]'s second output in the child, and what ffmpeg calls it.
#[cfg(unix)]
const SECOND: i32 = 3;
pub(crate) const SECOND_PIPE: &str = "pipe:3";

/// Runs a program that writes to its standard output and to [`SECOND_PIPE`], and hands each to its own reader while it runs.
///
/// # Errors
/// As [`stream`].
#[cfg(unix)]
pub(crate) fn twice(
    id: &'static str,
    mut command: Command,
    limits: &Limits,
    first: &mut Each<'_>,
    second: &mut Each<'_>,
) -> Result<()> {
    use command_fds::{CommandFdExt, FdMapping};
    let (reader, writer) = std::io::pipe()?;
    let clash = |e| Error::new(ErrorKind::Io, "a second pipe cannot be made").in_format(id).because(e);
    command.fd_mappings(vec![FdMapping { parent_fd: writer.into(), child_fd: SECOND }]).map_err(clash)?;
    let child = start(id, &mut command, false, limits)?;
    // It holds the pipe's other end, which would never be seen to close.
    drop(command);
    converse(id, child, limits, None, first, Some((reader, second)))
}

/// Whether [`twice`] works here.
pub(crate) const CAN_TWICE: bool = cfg!(unix);

#[cfg(not(unix))]
pub(crate) fn twice(
    id: &'static str,
    _: Command,
    _: &Limits,
    _: &mut Each<'_>,
    _: &mut Each<'_>,
) -> Result<()> {
    Err(Error::unsupported(id, "a child has one output on this system"))
}

/// Reads from a child.
pub(crate) type Each<'a> = dyn FnMut(&mut dyn Read) -> Result<()> + Send + 'a;

fn start(id: &'static str, command: &mut Command, fed: bool, limits: &Limits) -> Result<Child> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.stdin(if fed { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear().env("PATH", path);
    command.env("GLIBC_TUNABLES", TUNABLES);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let child = command.spawn().map_err(|e| {
        let name = command.get_program().to_string_lossy().into_owned();
        Error::new(ErrorKind::Io, format!("{name} cannot be started")).in_format(id).because(e)
    })?;
    bound(&child, limits);
    Ok(child)
}

fn converse(
    id: &'static str,
    mut child: Child,
    limits: &Limits,
    feed: Option<&mut Feed<'_>>,
    each: &mut Each<'_>,
    second: Option<(std::io::PipeReader, &mut Each<'_>)>,
) -> Result<()> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    widen(stdin.as_ref());
    widen(stdout.as_ref());
    let (status, written, read, also, message) = std::thread::scope(|scope| {
        let written = scope.spawn(move || match (feed, stdin) {
            // Dropping the pipe afterwards tells the child that this was all.
            (Some(feed), Some(mut pipe)) => feed(&mut pipe),
            _ => Ok(()),
        });
        let read = scope.spawn(move || match stdout {
            // Dropping the pipe afterwards ends a child that would write on.
            Some(mut pipe) => each(&mut pipe),
            None => Ok(()),
        });
        let also = scope.spawn(move || match second {
            Some((mut pipe, each)) => each(&mut pipe),
            None => Ok(()),
        });
        let message = scope.spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = stderr {
                let _ = pipe.by_ref().take(MESSAGE).read_to_end(&mut text);
                // A full pipe would stop the child.
                let _ = std::io::copy(&mut pipe, &mut std::io::sink());
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        let status = wait(&mut child, limits);
        let read = read.join().unwrap_or_else(|_| Err(Error::limit("the output could not be read")));
        let also = also.join().unwrap_or_else(|_| Err(Error::limit("the output could not be read")));
        let written = written.join().unwrap_or_else(|_| Err(Error::limit("the input could not be written")));
        (status, written, read, also, message.join().unwrap_or_default())
    });
    let status = status.map_err(|e| e.in_format(id))?;
    // A pipe that broke is the child's failure, and the child says why; anything else is what went wrong first.
    let broke = |e: &Error| e.kind() == ErrorKind::Io;
    match written {
        Err(e) if status.success() || !broke(&e) => return Err(e),
        _ => {}
    }
    read.and(also)?;
    if status.success() {
        return Ok(());
    }
    let line = message.lines().last().unwrap_or("it said nothing").trim().to_owned();
    Err(Error::unsupported(id, format!("ffmpeg could not work on the video ({status})")).because(line))
}

/// Bytes a pipe holds, where the system lets us choose: raw pictures are large, and every switch between processes costs.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;

#[cfg(target_os = "linux")]
fn widen(pipe: Option<&impl std::os::fd::AsFd>) {
    if let Some(pipe) = pipe {
        // The system's own size serves as well, only slower.
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
    }
}

#[cfg(not(target_os = "linux"))]
fn widen<P>(_: Option<&P>) {}

/// The exit status; after the time allowed, the end of the whole group.
fn wait(child: &mut Child, limits: &Limits) -> Result<ExitStatus> {
    let end = Instant::now() + Duration::from_secs(limits.child_seconds.max(1));
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > end {
            kill(child);
            let _ = child.wait();
            return Err(Error::limit(format!("ffmpeg took longer than {} s", limits.child_seconds)));
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(target_os = "linux")]
fn kill(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = child.kill();
}

#[cfg(not(target_os = "linux"))]
fn kill(child: &mut Child) {
    let _ = child.kill();
}

/// Resource limits of the child. They count from here on; a child that has not read its input yet has used none.
#[cfg(target_os = "linux")]
fn bound(child: &Child, limits: &Limits) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    let set = |resource, value| {
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        // A container may forbid raising or lowering limits; the watchdog still holds.
        let _ = prlimit(Some(pid), resource, limit);
    };
    set(Resource::As, ADDRESS_SPACE);
    set(Resource::Nofile, OPEN_FILES);
    set(Resource::Cpu, limits.child_seconds.saturating_mul(64).max(1));
    set(Resource::Fsize, limits.decoded_bytes.saturating_mul(4).max(1 << 20));
}

#[cfg(not(target_os = "linux"))]
fn bound(_: &Child, _: &Limits) {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn both(script: &str) -> (Result<()>, Vec<u8>, Vec<u8>) {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let done = twice(
            "mp4",
            shell(script),
            &Limits::default(),
            &mut |pipe| Ok(pipe.read_to_end(&mut one).map(|_| ())?),
            &mut |pipe| Ok(pipe.read_to_end(&mut two).map(|_| ())?),
        );
        (done, one, two)
    }

    #[test]
    fn a_child_with_two_outputs_fills_neither_pipe_while_the_other_is_read() {
        let piece = "head -c 3000000 /dev/zero";
        let (done, one, two) = both(&format!("{piece} >&3; {piece}; {piece} >&3; {piece}"));
        done.unwrap();
        assert_eq!((one.len(), two.len()), (6_000_000, 6_000_000));
    }

    #[test]
    fn a_child_that_never_opens_its_second_output_ends_all_the_same() {
        let (done, one, two) = both("echo pictures; exit 3");
        assert_eq!((one.as_slice(), two.len()), (b"pictures\n".as_slice(), 0));
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
