//! Writing metadata and seal: one copy of the content, one hash over what is written, and the store filled in.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc;

use colophon_core::{
    Binder, Edit, Error, ErrorKind, FileSource, Format, Limits, Patch, Patched, Result, Sealing, Slot, Source,
};

/// Content with its metadata and, where one was asked for, its seal.
pub(crate) struct Written<B> {
    /// The marked bytes.
    pub(crate) content: B,
    /// The manifest store, for formats that cannot embed one.
    pub(crate) sidecar: Option<Vec<u8>>,
    /// See [`colophon_core::Signed::binding`].
    pub(crate) binding: Option<Vec<u8>>,
}

/// Edits and seals `content` in memory.
///
/// # Errors
/// Those of the format and of the seal.
pub(crate) fn to_memory(
    content: &[u8],
    format: &dyn Format,
    mut edits: Vec<Edit>,
    sealing: Option<Box<dyn Sealing + '_>>,
    limits: &Limits,
) -> Result<Written<Vec<u8>>> {
    let embedded = reserve(&mut edits, sealing.as_deref());
    let bytes = format.edit(&content, &edits, limits)?.apply_to_vec(&content)?;
    let mut written = Written { content: bytes, sidecar: None, binding: None };
    let Some(sealing) = sealing else { return Ok(written) };
    let mut binder = sealing.binder(&written.content)?;
    binder.update(&written.content);
    let signed = sealing.finish(&written.content, binder.finish())?;
    if embedded {
        let fill = [Edit::set(Slot::Jumbf, "c2pa", signed.store)];
        format.edit(&written.content, &fill, limits)?.apply_to_slice(&mut written.content)?;
    } else {
        written.sidecar = Some(signed.store);
    }
    written.binding = Some(signed.binding);
    Ok(written)
}

/// Copies `content` with its edits to `output`, which is empty and open for reading and writing, and seals what was written.
///
/// # Errors
/// As [`to_memory`], and those of the file system.
pub(crate) fn to_file(
    content: &dyn Source,
    output: &File,
    format: &dyn Format,
    mut edits: Vec<Edit>,
    sealing: Option<Box<dyn Sealing + '_>>,
    limits: &Limits,
) -> Result<Written<FileSource>> {
    let embedded = reserve(&mut edits, sealing.as_deref());
    let patch = format.edit(content, &edits, limits)?;
    let opened = || -> Result<Written<FileSource>> {
        Ok(Written { content: FileSource::new(output.try_clone()?)?, sidecar: None, binding: None })
    };
    let Some(sealing) = sealing else {
        patch.apply_to_file(content, output)?;
        return opened();
    };
    let planned = Patched::new(content, &patch)?;
    let digest = hashed(content, output, &patch, sealing.binder(&planned)?)?;
    let signed = sealing.finish(&planned, digest)?;
    let mut written = opened()?;
    if written.content.len() != planned.len() {
        return Err(Error::new(ErrorKind::Check, "the file has not the length that was written"));
    }
    if embedded {
        let fill = [Edit::set(Slot::Jumbf, "c2pa", signed.store)];
        format.edit(&written.content, &fill, limits)?.apply_in_place(output)?;
    } else {
        written.sidecar = Some(signed.store);
    }
    written.binding = Some(signed.binding);
    Ok(written)
}

/// Edits and seals content that stands in `output` already, where the edits change only lengths and the end: what was rendered
/// is not copied again. `None`, with nothing written, where they reach further.
///
/// # Errors
/// As [`to_file`].
pub(crate) fn in_place(
    output: &File,
    format: &dyn Format,
    edits: &[Edit],
    sealing: &mut Option<Box<dyn Sealing + '_>>,
    limits: &Limits,
) -> Result<Option<Written<FileSource>>> {
    let mut edits = edits.to_vec();
    let embedded = reserve(&mut edits, sealing.as_deref());
    let rendered = FileSource::new(output.try_clone()?)?;
    let patch = format.edit(&rendered, &edits, limits)?;
    if !patch.only_appends(rendered.len()) {
        return Ok(None);
    }
    patch.append_in_place(output)?;
    let mut written =
        Written { content: FileSource::new(output.try_clone()?)?, sidecar: None, binding: None };
    let Some(sealing) = sealing.take() else { return Ok(Some(written)) };
    let mut binder = sealing.binder(&written.content)?;
    Patch::new().pieces(&written.content, PIECE, &mut |piece| {
        binder.update(&piece);
        Ok(piece)
    })?;
    let signed = sealing.finish(&written.content, binder.finish())?;
    if embedded {
        let fill = [Edit::set(Slot::Jumbf, "c2pa", signed.store)];
        format.edit(&written.content, &fill, limits)?.apply_in_place(output)?;
    } else {
        written.sidecar = Some(signed.store);
    }
    written.binding = Some(signed.binding);
    Ok(Some(written))
}

/// Keeps a place for the store among the edits, when it is to be embedded; whether it is.
fn reserve(edits: &mut Vec<Edit>, sealing: Option<&(dyn Sealing + '_)>) -> bool {
    let placeholder = sealing.and_then(|s| s.placeholder());
    let embedded = placeholder.is_some();
    edits.extend(placeholder.map(|store| Edit::set(Slot::Jumbf, "c2pa", store)));
    embedded
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
