//! Marking from file to file: the content is copied, not held in memory, and hashed once.

use std::fs::File;
use std::io::{self, Write};

use colophon_core::{
    Declaration, Error, ErrorKind, Existing, FileSource, Plan, Record, Report, Result, SealAct, SealCx,
    Signer, Source, sha256_source,
};

use crate::marking::Rendering;
use crate::reading::{Depth, Opened};
use crate::{Options, Profiles, check, existing, marking, writing};

/// A marked file.
#[derive(Clone, Debug)]
pub struct MarkedFile {
    /// The manifest store to be kept beside the file, for formats that cannot embed one.
    pub sidecar: Option<Vec<u8>>,
    /// What was done.
    pub plan: Plan,
    /// What was recorded and, with a manifest, signed.
    pub record: Record,
    /// What our own reader found in the result.
    pub report: Report,
}

/// Marks a file into another, which is empty and open for reading and writing, as [`crate::mark`] does in memory. `None`,
/// with nothing written, where the format needs all of the content at once: that is done in memory.
///
/// Labelled and watermarked content is written once, where its metadata stands behind it; else it passes through a file without
/// a name in [`Options::scratch`].
///
/// What the manifest binds is hashed once, from the bytes that are written; the read-back compares what the manifest on disk
/// says with that digest, and everything else as [`crate::mark`] does. The output may be incomplete after an error.
///
/// # Errors
/// As [`crate::mark`].
pub fn mark_file(
    input: &FileSource,
    output: &File,
    declaration: &Declaration,
    profiles: &Profiles,
    signer: Option<&dyn Signer>,
    options: &Options,
) -> Result<Option<MarkedFile>> {
    let opened = Opened::open(input, options)?;
    if !opened.format.streams() {
        return Ok(None);
    }
    let given = declaration.content_id.is_some();
    let mut declaration = marking::complete(declaration, options);
    let mut plan = marking::make_plan(&opened, &declaration, profiles, options)?;
    let signer = match (plan.manifest, signer) {
        (true, None) => {
            return Err(Error::new(ErrorKind::Key, "a manifest is planned and there is no signing key"));
        }
        (false, _) => None,
        (true, some) => some,
    };
    let incoming = existing::survey(&opened, input, &mut plan, options)?;
    if let Some(id) = incoming.content_id(&declaration).filter(|_| !given && plan.existing == Existing::Keep)
    {
        declaration.content_id = Some(id);
    }
    let ops = opened.signal_ops(&declaration, &plan, signer, options)?;
    if !ops.is_empty() && !opened.format.renders_by_position() {
        return Ok(None);
    }
    let rendered = opened.render(input, ops, &mut plan, &incoming, options, &mut Direct(output))?;
    let fresh = if rendered.changed { Some(FileSource::new(output.try_clone()?)?) } else { None };
    let content = fresh.as_ref().unwrap_or(input);
    let before = if options.digests { Some(sha256_source(input)?) } else { None };
    let record = marking::record(&declaration, &plan, rendered.labels, rendered.watermarks, before, options);
    let (format, limits) = (opened.format, &options.limits);
    let layout = if rendered.changed { format.inspect(content, limits)? } else { opened.layout };
    let edits = marking::metadata_edits(format, layout, &declaration, &plan, signer, options)?;
    let sealing = match signer {
        None => None,
        Some(signer) => {
            let parent: &dyn Source = input;
            let cx = SealCx {
                source: content,
                parent: incoming.manifest.then_some(parent),
                parent_sidecar: options.sidecar.as_deref(),
                format,
                act: SealAct::Marked,
                declaration: &declaration,
                plan: &plan,
                record: &record,
                signer,
                limits,
                now: &options.now,
            };
            let begun = marking::sealer()?.begin_seal(&cx)?;
            if begun.is_none() {
                writing::emptied(output)?;
                return Ok(None);
            }
            begun
        }
    };

    let sealed = sealing.is_some();
    let mut written = if rendered.changed {
        writing::in_file(output, options.scratch.as_deref(), format, edits, sealing, limits)?
    } else {
        writing::to_file(input, output, format, edits, sealing, limits)?
    };
    written.sidecar = written.sidecar.or_else(|| incoming.left_beside(sealed, format, options));
    let read = Options { sidecar: written.sidecar.clone(), ..options.reading_own_marks() };
    let depth = Depth::Written { label: plan.label.is_some(), watermark: plan.watermark };
    let binding = written.binding;
    let report = Opened::open(&written.content, &read)
        .and_then(|opened| Opened { binding, ..opened }.judged(&written.content, profiles, &read, depth))
        .map_err(|e| Error::new(ErrorKind::Check, "the result cannot be read back").because(e))?;
    check::against_plan(&plan, &declaration, &record, &incoming.findings, &report)?;
    Ok(Some(MarkedFile { sidecar: written.sidecar, plan, record, report }))
}

/// Rendered content on its way into the output. What is written comes in large pieces.
struct Direct<'a>(&'a File);

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Rendering for Direct<'_> {
    fn restart(&mut self) -> io::Result<()> {
        writing::emptied(self.0)
    }
}
