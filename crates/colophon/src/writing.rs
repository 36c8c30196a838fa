//! Writing metadata and seal: one copy of the content, one hash over what is written, and the store filled in.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::mpsc;

use colophon_core::{
    Binder, Edit, Error, ErrorKind, FileSource, Format, Limits, Patch, Patched, Result, SealCx, Sealing,
    Slot, Source,
};

use crate::marking;

/// Content with its metadata and, where one was asked for, its seal.
pub(crate) struct Written<B> {
    /// The marked bytes.
    pub(crate) content: B,
    /// The manifest store, for formats that cannot embed one.
    pub(crate) sidecar: Option<Vec<u8>>,
    /// See [`colophon_core::Signed::binding`].
    pub(crate) binding: Option<Vec<u8>>,
}

impl<B> Written<B> {
    fn unsealed(content: B) -> Self {
        Self { content, sidecar: None, binding: None }
    }
}

/// Edits and seals `content` in memory.
///
/// # Errors
/// Those of the format and of the seal.
pub(crate) fn to_memory(
    content: &[u8],
    format: &dyn Format,
    edits: Vec<Edit>,
    seal: Option<SealCx<'_>>,
    limits: &Limits,
) -> Result<Written<Vec<u8>>> {
    let edited = |edits: &[Edit]| format.edit(&content, edits, limits)?.apply_to_vec(&content);
    let Some(cx) = seal else { return Ok(Written::unsealed(edited(&edits)?)) };
    let sealer = marking::sealer()?;
    let Some(sealing) = sealer.begin_seal(&cx)? else {
        // Carriers that only the library can embed.
        let sealed = sealer.seal(&SealCx { source: &edited(&edits)?, ..cx })?;
        return Ok(Written { content: sealed.bytes, sidecar: sealed.sidecar, binding: None });
    };
    let bytes = edited(&with_place(edits, Some(&*sealing)))?;
    let mut binder = sealing.binder(&bytes)?;
    binder.update(&bytes);
    sealed(bytes, format, sealing, binder.finish(), limits, |patch, bytes| patch.apply_to_slice(bytes))
}

/// Copies `content` with its edits to `output`, which is empty and open for reading and writing, and seals what was written.
///
/// # Errors
/// As [`to_memory`], and those of the file system.
pub(crate) fn to_file(
    content: &dyn Source,
    output: &File,
    format: &dyn Format,
    edits: Vec<Edit>,
    sealing: Option<Box<dyn Sealing + '_>>,
    limits: &Limits,
) -> Result<Written<FileSource>> {
    let patch = format.edit(content, &with_place(edits, sealing.as_deref()), limits)?;
    copied(content, &patch, output, format, sealing, limits)
}

/// Edits and seals content that stands in `output` already. Where the edits change only lengths and the end, nothing is copied
/// again; else the content passes through a file without a name in `scratch`.
///
/// # Errors
/// As [`to_file`].
pub(crate) fn in_file(
    output: &File,
    scratch: Option<&Path>,
    format: &dyn Format,
    edits: Vec<Edit>,
    sealing: Option<Box<dyn Sealing + '_>>,
    limits: &Limits,
) -> Result<Written<FileSource>> {
    let content = FileSource::new(output.try_clone()?)?;
    let patch = format.edit(&content, &with_place(edits, sealing.as_deref()), limits)?;
    if !patch.only_appends(content.len()) {
        return copied(&moved(&content, output, scratch)?, &patch, output, format, sealing, limits);
    }
    patch.append_in_place(output)?;
    let content = FileSource::new(output.try_clone()?)?;
    let Some(sealing) = sealing else { return Ok(Written::unsealed(content)) };
    let mut binder = sealing.binder(&content)?;
    Patch::new().pieces(&content, PIECE, &mut |piece| {
        binder.update(&piece);
        Ok(piece)
    })?;
    sealed(content, format, sealing, binder.finish(), limits, |patch, _| patch.apply_in_place(output))
}

/// Empties a file that something was written to.
pub(crate) fn emptied(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()
}

/// The edits, with a place for the store where it is to be embedded.
fn with_place(mut edits: Vec<Edit>, sealing: Option<&(dyn Sealing + '_)>) -> Vec<Edit> {
    let placeholder = sealing.and_then(|s| s.placeholder());
    edits.extend(placeholder.map(|store| Edit::set(Slot::Jumbf, "c2pa", store)));
    edits
}

fn copied(
    content: &dyn Source,
    patch: &Patch,
    output: &File,
    format: &dyn Format,
    sealing: Option<Box<dyn Sealing + '_>>,
    limits: &Limits,
) -> Result<Written<FileSource>> {
    let written = || FileSource::new(output.try_clone()?);
    let Some(sealing) = sealing else {
        patch.apply_to_file(content, output)?;
        return Ok(Written::unsealed(written()?));
    };
    let planned = Patched::new(content, patch)?;
    let digest = hashed(content, output, patch, sealing.binder(&planned)?)?;
    let written = written()?;
    if written.len() != planned.len() {
        return Err(Error::new(ErrorKind::Check, "the file has not the length that was written"));
    }
    sealed(written, format, sealing, digest, limits, |patch, _| patch.apply_in_place(output))
}

/// Signs content that was hashed, and puts the store into its place.
fn sealed<B: Source>(
    mut content: B,
    format: &dyn Format,
    sealing: Box<dyn Sealing + '_>,
    digest: Vec<u8>,
    limits: &Limits,
    fill: impl FnOnce(&Patch, &mut B) -> Result<()>,
) -> Result<Written<B>> {
    let embedded = sealing.placeholder().is_some();
    let signed = sealing.finish(&content, digest)?;
    let mut sidecar = None;
    if embedded {
        let patch = format.edit(&content, &[Edit::set(Slot::Jumbf, "c2pa", signed.store)], limits)?;
        fill(&patch, &mut content)?;
    } else {
        sidecar = Some(signed.store);
    }
    Ok(Written { content, sidecar, binding: Some(signed.binding) })
}

/// The content of a file in one without a name; the file is empty afterwards.
fn moved(content: &FileSource, file: &File, folder: Option<&Path>) -> io::Result<FileSource> {
    let copy = match folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    }?;
    content.copy_to(0..content.len(), &copy)?;
    emptied(file)?;
    FileSource::new(copy)
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
