//! Marking from file to file: the content is copied, not held in memory, and hashed once.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc;

use colophon_core::{
    Binder, Declaration, Edit, Error, ErrorKind, Existing, FileSource, Format, Patch, Patched, Plan, Record,
    Report, Result, SealAct, SealCx, Sealing, Signer, Slot, Source, sha256_source,
};

use crate::reading::{Depth, Opened};
use crate::{Options, Profiles, check, existing, marking};

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
/// with nothing written, where the content itself has to be changed or the format needs all of it: that is done in memory.
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
    let mut ops = opened.signal_ops(&declaration, &plan, signer, options)?;
    let (labels, watermarks) = incoming.spare(&mut ops);
    if !ops.is_empty() {
        return Ok(None);
    }
    let before = if options.digests { Some(sha256_source(input)?) } else { None };
    let record = marking::record(&declaration, &plan, labels, watermarks, before, options);
    let (format, limits) = (opened.format, &options.limits);
    let edits = marking::metadata_edits(format, opened.layout, &declaration, &plan, signer, options)?;
    let sealing = match signer {
        None => None,
        Some(signer) => {
            let parent: &dyn Source = input;
            let cx = SealCx {
                source: input,
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
            match marking::sealer()?.begin_seal(&cx)? {
                Some(sealing) => Some(sealing),
                None => return Ok(None),
            }
        }
    };

    let written = write(input, output, format, edits, sealing, options)?;
    let read = Options { sidecar: written.sidecar.clone(), ..options.reading_own_marks() };
    let depth = Depth::Written { label: plan.label.is_some(), watermark: plan.watermark };
    let binding = written.binding;
    let report = Opened::open(&written.file, &read)
        .and_then(|opened| Opened { binding, ..opened }.judged(&written.file, profiles, &read, depth))
        .map_err(|e| Error::new(ErrorKind::Check, "the result cannot be read back").because(e))?;
    check::against_plan(&plan, &declaration, &record, &incoming.findings, &report)?;
    Ok(Some(MarkedFile { sidecar: written.sidecar, plan, record, report }))
}

/// A file that was written.
struct Written {
    file: FileSource,
    sidecar: Option<Vec<u8>>,
    /// See [`colophon_core::Signed::binding`].
    binding: Option<Vec<u8>>,
}

/// Copies the input with its edits, then signs what was written.
fn write(
    input: &FileSource,
    output: &File,
    format: &'static dyn Format,
    mut edits: Vec<Edit>,
    sealing: Option<Box<dyn Sealing + '_>>,
    options: &Options,
) -> Result<Written> {
    let placeholder = sealing.as_ref().and_then(|s| s.placeholder());
    let embedded = placeholder.is_some();
    edits.extend(placeholder.map(|store| Edit::set(Slot::Jumbf, "c2pa", store)));
    let patch = format.edit(input, &edits, &options.limits)?;
    let opened = || -> Result<Written> {
        Ok(Written { file: FileSource::new(output.try_clone()?)?, sidecar: None, binding: None })
    };
    let Some(sealing) = sealing else {
        patch.apply_to_file(input, output)?;
        return opened();
    };
    let planned = Patched::new(input, &patch)?;
    let digest = hashed(input, output, &patch, sealing.binder(&planned)?)?;
    let signed = sealing.finish(&planned, digest)?;
    let mut written = opened()?;
    if written.file.len() != planned.len() {
        return Err(Error::new(ErrorKind::Check, "the file has not the length that was written"));
    }
    if embedded {
        let fill = [Edit::set(Slot::Jumbf, "c2pa", signed.store)];
        format.edit(&written.file, &fill, &options.limits)?.apply_in_place(output)?;
    } else {
        written.sidecar = Some(signed.store);
    }
    written.binding = Some(signed.binding);
    Ok(written)
}

/// Bytes read, written and hashed at a time; as many pieces as this may wait to be hashed.
const PIECE: usize = 1 << 18;
const WAITING: usize = 8;

/// Writes the changed input, and hashes the very bytes on a thread of its own.
fn hashed(
    input: &dyn Source,
    mut output: &File,
    patch: &Patch,
    mut binder: Box<dyn Binder>,
) -> Result<Vec<u8>> {
    let (pieces, waiting) = mpsc::sync_channel::<Vec<u8>>(WAITING);
    let (done, free) = mpsc::channel();
    // The channel is moved in: an error closes it, and the other thread ends.
    std::thread::scope(move |scope| {
        let hashing = scope.spawn(move || {
            for piece in waiting {
                binder.update(&piece);
                // Whoever writes may be through.
                let _ = done.send(piece);
            }
            binder.finish()
        });
        let crashed = || Error::new(ErrorKind::Check, "what was written could not be hashed");
        patch.pieces(input, PIECE, &mut |piece| {
            output.write_all(&piece)?;
            pieces.send(piece).map_err(|_| crashed())?;
            Ok(free.try_recv().unwrap_or_default())
        })?;
        drop(pieces);
        hashing.join().map_err(|_| crashed())
    })
}
