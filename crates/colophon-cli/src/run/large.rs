//! Marking from file to file, for formats whose content need not be held in memory.

use std::path::{Path, PathBuf};

use colophon::{Declaration, MarkedFile, Options, Profiles, Signer};

use crate::advice::Failure;
use crate::delivery::Deliveries;
use crate::files::{self, Input};

/// Longest file whose digests before and after go into record and report unasked, in bytes: each is a pass over the file,
/// and the manifest binds the content anyway.
const DIGESTS: u64 = 16 << 20;

/// What marking takes.
pub(super) struct Job<'a> {
    pub(super) declaration: &'a Declaration,
    pub(super) profiles: &'a Profiles,
    pub(super) options: &'a Options,
    pub(super) signer: Option<&'a dyn Signer>,
    pub(super) deliveries: Option<&'a Deliveries>,
    pub(super) overwrite: bool,
}

impl Job<'_> {
    /// Marks `input` into `output`; answers what was done and where a manifest beside it went. `None` where the content is
    /// better held in memory: nothing was written.
    pub(super) fn mark(
        &self,
        input: &Input,
        output: &Path,
    ) -> Result<Option<(MarkedFile, Option<PathBuf>)>, Failure> {
        let failed = |e: std::io::Error| Failure::from(e).on(output);
        let Some(source) = input.file() else { return Ok(None) };
        let format = colophon::registry().probe_source(&source, self.options.hint.as_deref())?;
        if !format.is_some_and(colophon::Format::streams) {
            return Ok(None);
        }
        let dir = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).map_err(|e| Failure::from(e).on(dir))?;
        let file = tempfile::Builder::new().prefix(".colophon-").tempfile_in(dir).map_err(failed)?;
        let digests = self.deliveries.is_some() || colophon::Source::len(&source) <= DIGESTS;
        let options = Options { digests, scratch: Some(dir.to_owned()), ..self.options.clone() };
        let marked = colophon::mark_file(
            &source,
            file.as_file(),
            self.declaration,
            self.profiles,
            self.signer,
            &options,
        )?;
        let Some(marked) = marked else { return Ok(None) };
        if let Some(log) = self.deliveries {
            log.record(&marked.record, &marked.report, &self.options.now)?;
        }
        // The manifest beside the file goes first, as for results in memory.
        let sidecar = marked.sidecar.is_some().then(|| files::appended(output, ".c2pa"));
        if let (Some(path), Some(store)) = (&sidecar, &marked.sidecar) {
            files::write_atomically(path, store, self.overwrite)?;
        }
        let placed = || -> std::io::Result<()> {
            if output.exists() {
                // The old content goes away: the new one has to be on the disk first.
                file.as_file().sync_data()?;
            }
            files::keep_mode(output, file.as_file());
            Ok(())
        };
        let result = placed().and_then(|()| file.persist(output).map(drop).map_err(|e| e.error));
        if let Err(e) = result {
            if let Some(path) = &sidecar {
                let _ = std::fs::remove_file(path);
            }
            return Err(failed(e));
        }
        Ok(Some((marked, sidecar)))
    }
}
