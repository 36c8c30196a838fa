//! Inputs found, outputs written: whole or not at all.

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use colophon::exit::Exit;
use colophon::{Error, ErrorKind, FileSource};
use tempfile::NamedTempFile;

use crate::advice::Failure;

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    /// Where it is; `-` for standard input.
    pub(crate) path: PathBuf,
    /// Its place below the directory that was walked; the file name otherwise.
    pub(crate) relative: PathBuf,
}

impl Input {
    /// Standard input.
    pub(crate) fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// The file to be read by position; `None` for standard input, and for what [`Input::read`] reports on.
    pub(crate) fn file(&self) -> Option<FileSource> {
        let file = std::fs::metadata(&self.path).is_ok_and(|m| m.is_file()) && !self.is_stdin();
        if file { FileSource::open(&self.path).ok() } else { None }
    }

    /// The bytes in order.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read>, Failure> {
        if self.is_stdin() {
            return Ok(Box::new(std::io::stdin().lock()));
        }
        let failed = |e: std::io::Error| Failure::from(e).on(&self.path);
        let file = std::fs::File::open(&self.path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(Failure::usage("is a directory").on(&self.path).hint("walk into it with -r"));
        }
        Ok(Box::new(file))
    }

    /// All bytes, bounded.
    pub(crate) fn read(&self, max: u64) -> Result<Vec<u8>, Failure> {
        let failed = |e: std::io::Error| Failure::from(e).on(&self.path);
        let too_large = |len: u64| {
            Failure::from(Error::new(ErrorKind::Limit, format!("{len} bytes exceed the limit of {max}")))
                .on(&self.path)
        };
        let mut bytes = Vec::new();
        if self.is_stdin() {
            std::io::stdin().lock().take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        } else {
            let file = std::fs::File::open(&self.path).map_err(failed)?;
            let meta = file.metadata().map_err(failed)?;
            if meta.is_dir() {
                return Err(Failure::usage("is a directory").on(&self.path).hint("walk into it with -r"));
            }
            if meta.len() > max {
                return Err(too_large(meta.len()));
            }
            bytes.reserve_exact(usize::try_from(meta.len()).unwrap_or(0));
            file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        }
        if bytes.len() as u64 > max {
            return Err(too_large(bytes.len() as u64));
        }
        Ok(bytes)
    }
}

/// Where inputs are named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    /// On the command line.
    pub(crate) paths: &'a [PathBuf],
    /// In a list, one a line.
    pub(crate) lines: Option<&'a Path>,
    /// In a list, each ended by a zero byte, as `find -print0` and `git ls-files -z` write it.
    pub(crate) zeros: Option<&'a Path>,
}

/// Every input of a command line, directories walked in a stable order.
///
/// # Errors
/// Lists that cannot be read. Nothing that matches is `Io` with a hint; the exit code is "no input".
pub(crate) fn collect(named: &Named<'_>, recursive: bool) -> Result<Vec<Input>, Failure> {
    let mut all = named.paths.to_vec();
    for (list, end) in [(named.lines, b'\n'), (named.zeros, 0)] {
        let Some(list) = list else { continue };
        let mut bytes = Vec::new();
        if list.as_os_str() == "-" {
            std::io::stdin().lock().read_to_end(&mut bytes)?;
        } else {
            bytes = std::fs::read(list).map_err(|e| Failure::from(e).on(list))?;
        }
        let paths = bytes.split(|b| *b == end).map(|p| if end == 0 { p } else { p.trim_ascii_end() });
        all.extend(paths.filter(|p| !p.is_empty()).map(path_of));
    }
    let listed = named.lines.is_some() || named.zeros.is_some();
    if all.is_empty() && !listed && !std::io::stdin().is_terminal() {
        all.push(PathBuf::from("-"));
    }
    let mut inputs = Vec::new();
    for path in all {
        if recursive && path.is_dir() {
            let walk = walkdir::WalkDir::new(&path).sort_by_file_name().follow_links(false);
            for entry in walk.into_iter().filter_map(Result::ok).filter(|e| e.file_type().is_file()) {
                // A walk takes what a format of this build claims by extension; a named file is always tried.
                let name = entry.file_name().to_string_lossy();
                if colophon::registry().knows_extension(&name).is_none() {
                    continue;
                }
                let relative = entry.path().strip_prefix(&path).unwrap_or(entry.path()).to_owned();
                inputs.push(Input { path: entry.path().to_owned(), relative });
            }
        } else {
            let relative = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
            inputs.push(Input { path, relative });
        }
    }
    if inputs.is_empty() {
        let e = Failure::usage(
            "no input: nothing was named, or nothing in the directories has a known extension",
        );
        return Err(Failure { exit: Exit::NoInput, ..e }
            .hint("name files, or directories with -r; `colophon formats` lists the extensions"));
    }
    Ok(inputs)
}

/// A path from the bytes of a list.
#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// The manifest kept beside a file: `FILE.c2pa`, or FILE with the extension replaced.
pub(crate) fn sidecar_of(path: &Path) -> Option<PathBuf> {
    [appended(path, ".c2pa"), path.with_extension("c2pa")].into_iter().find(|p| p.is_file())
}

/// A path with text behind its file name.
pub(crate) fn appended(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes a file whole or not at all: a temporary file beside it, then a rename.
///
/// # Errors
/// `Conflict` when it exists and `force` is not set; `Io`.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::from(e).on(path);
    if !force && path.exists() {
        let e = Error::new(ErrorKind::Conflict, "the output exists already");
        return Err(Failure::from(e).on(path).hint("overwrite it with --force"));
    }
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".colophon-").tempfile_in(dir).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_data().map_err(failed)?;
    keep_mode(path, file.as_file());
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// An empty file beside the output, into which content is written before it takes the output's place.
///
/// # Errors
/// `Io`.
pub(crate) fn pending(output: &Path) -> Result<NamedTempFile, Failure> {
    let dir = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(|e| Failure::from(e).on(dir))?;
    tempfile::Builder::new().prefix(".colophon-").tempfile_in(dir).map_err(|e| Failure::from(e).on(output))
}

/// Puts a file that was written beside the output into its place, behind the manifest that stands beside it; answers where
/// that went.
///
/// # Errors
/// `Conflict` for a manifest that exists and may not be overwritten; `Io`.
pub(crate) fn place(
    file: NamedTempFile,
    output: &Path,
    manifest: Option<&[u8]>,
    overwrite: bool,
) -> Result<Option<PathBuf>, Failure> {
    // The manifest goes first: a file that names no manifest is honest, one without its manifest is not.
    let sidecar = manifest.map(|store| (appended(output, ".c2pa"), store));
    if let Some((path, store)) = &sidecar {
        write_atomically(path, store, overwrite)?;
    }
    let sidecar = sidecar.map(|(path, _)| path);
    let placed = || -> std::io::Result<()> {
        if output.exists() {
            // The old content goes away: the new one has to be on the disk first.
            file.as_file().sync_data()?;
        }
        keep_mode(output, file.as_file());
        Ok(())
    };
    let result = placed().and_then(|()| file.persist(output).map(drop).map_err(|e| e.error));
    if let Err(e) = result {
        if let Some(path) = &sidecar {
            let _ = std::fs::remove_file(path);
        }
        return Err(Failure::from(e).on(output));
    }
    Ok(sidecar)
}

/// A temporary file is private; the result gets the replaced file's mode, else what the umask leaves of 0666.
#[cfg(unix)]
pub(crate) fn keep_mode(path: &Path, file: &std::fs::File) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0o644, |m| m.permissions().mode());
    // Failing to widen the mode leaves a readable-by-owner file, which is no reason to lose the result.
    let _ = file.set_permissions(std::fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
pub(crate) fn keep_mode(_: &Path, _: &std::fs::File) {}

/// Writes to standard output; media is not written to a terminal.
pub(crate) fn write_stdout(bytes: &[u8], is_text: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if !is_text && out.is_terminal() {
        return Err(Failure::usage("binary output to a terminal").hint("name a file with -o, or pipe it"));
    }
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever read it had enough.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(Failure::from),
    }
}

/// A private key file is never readable by others, not even for a moment.
pub(crate) fn write_private(path: &Path, pem: &str, force: bool) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::from(e).on(path);
    if force && path.exists() {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}
