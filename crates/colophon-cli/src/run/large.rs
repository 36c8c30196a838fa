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
        let Some(source) = input.file() else { return Ok(None) };
        let format = colophon::registry().probe_source(&source, self.options.hint.as_deref())?;
        if !format.is_some_and(colophon::Format::streams) {
            return Ok(None);
        }
        let file = files::pending(output)?;
        let dir = file.path().parent().unwrap_or(Path::new(".")).to_owned();
        let digests = self.deliveries.is_some() || colophon::Source::len(&source) <= DIGESTS;
        let options = Options { digests, scratch: Some(dir), ..self.options.clone() };
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
        let sidecar = files::place(file, output, marked.sidecar.as_deref(), self.overwrite)?;
        Ok(Some((marked, sidecar)))
    }
}
