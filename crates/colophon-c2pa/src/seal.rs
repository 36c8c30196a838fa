//! Signing, by where the manifest goes.

use std::io::Cursor;
use std::ops::Range;

use c2pa::assertions::DataHash;
use c2pa::{Builder, HashRange, Signer as _};
use colophon_core::{
    Carrier, Edit, Error, ErrorKind, Layout, Normalisation, Result, SealCx, Sealed, Slot, Source,
    SourceReader,
};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use crate::definition::builder;
use crate::guard;
use crate::signer::Adapter;

/// Raw JUMBF, without the framing of any container.
pub(crate) const RAW: &str = "application/c2pa";

pub(crate) fn seal(cx: &SealCx<'_>) -> Result<Sealed> {
    match cx.format.info().carrier {
        Carrier::Native(mime) => native(cx, mime),
        Carrier::Slot(mime, normalisation) => in_slot(cx, mime, normalisation),
        Carrier::Sidecar(mime) => beside(cx, mime),
    }
}

/// The library embeds and hashes.
fn native(cx: &SealCx<'_>, mime: &str) -> Result<Sealed> {
    if guard::store_from_the_walk(cx.format.info().id)
        && let Some(why) = guard::packed(&cx.format.inspect(cx.source, cx.limits)?)
    {
        return Err(
            Error::new(ErrorKind::Unsupported, "a tag with packed frames takes no manifest").because(why)
        );
    }
    let mut builder = builder(cx, mime)?;
    let mut out = Cursor::new(Vec::with_capacity(usize::try_from(cx.source.len()).unwrap_or(0) + 8192));
    let store = builder
        .sign(&Adapter { signer: cx.signer }, mime, &mut SourceReader::new(cx.source), &mut out)
        .map_err(failed)?;
    Ok(Sealed { bytes: out.into_inner(), sidecar: None, manifest_id: manifest_id(&store) })
}

/// The format's own slot carries the store: reserve the place, hash everything else, sign, fill in.
fn in_slot(cx: &SealCx<'_>, mime: &str, normalisation: Normalisation) -> Result<Sealed> {
    let format = cx.format;
    let mut builder = builder(cx, mime)?;
    let adapter = Adapter { signer: cx.signer };
    let placeholder = builder.data_hashed_placeholder(adapter.reserve_size(), RAW).map_err(failed)?;
    let place = |store: &[u8], on: &dyn Source| -> Result<Vec<u8>> {
        let edit = Edit::set(Slot::Jumbf, "c2pa", store);
        format.edit(on, &[edit], cx.limits)?.apply_to_vec(on)
    };
    let reserved = place(&placeholder, cx.source)?;
    let range = slot_range(&format.inspect(&reserved, cx.limits)?)?;
    let hash = hash_without(&reserved, Some(range.clone()), normalisation)?;
    let store = sign(&mut builder, &adapter, Some(range.clone()), hash)?;
    if store.len() != placeholder.len() {
        return Err(Error::new(ErrorKind::Check, "the signed manifest does not have the reserved length"));
    }
    let bytes = place(&store, &reserved)?;
    // What is outside the slot was hashed with the placeholder in it; it must not have moved.
    if slot_range(&format.inspect(&bytes, cx.limits)?)? != range || bytes.len() != reserved.len() {
        return Err(Error::new(ErrorKind::Check, "the manifest moved while it was filled in"));
    }
    Ok(Sealed { bytes, sidecar: None, manifest_id: manifest_id(&store) })
}

/// The store stays beside the file, bound by a hash of all of it.
fn beside(cx: &SealCx<'_>, mime: &str) -> Result<Sealed> {
    let all = cx.source.all(cx.limits.input_bytes)?;
    let store = data_hash(cx, mime, hash_without(&all, None, Normalisation::Raw)?)?;
    Ok(Sealed { bytes: all.into_owned(), manifest_id: manifest_id(&store), sidecar: Some(store) })
}

/// A store that binds a whole file by its SHA-256.
pub(crate) fn data_hash(cx: &SealCx<'_>, mime: &str, hash: Vec<u8>) -> Result<Vec<u8>> {
    let mut builder = builder(cx, mime)?;
    let adapter = Adapter { signer: cx.signer };
    builder.data_hashed_placeholder(adapter.reserve_size(), RAW).map_err(failed)?;
    sign(&mut builder, &adapter, None, hash)
}

pub(crate) fn sign(
    builder: &mut Builder,
    adapter: &Adapter<'_>,
    range: Option<Range<u64>>,
    hash: Vec<u8>,
) -> Result<Vec<u8>> {
    let mut data = DataHash::new("jumbf manifest", "sha256");
    if let Some(range) = range {
        data.add_exclusion(HashRange::new(range.start, range.end - range.start));
    }
    data.set_hash(hash);
    builder.sign_data_hashed_embeddable(adapter, &data, RAW).map_err(failed)
}

/// Where the format keeps the store, as its own reader sees it.
pub(crate) fn slot_range(layout: &Layout) -> Result<Range<u64>> {
    layout
        .of(Slot::Jumbf)
        .next()
        .map(|e| e.range.clone())
        .ok_or_else(|| Error::new(ErrorKind::Check, "the format did not keep the manifest"))
}

/// SHA-256 of everything but a range, normalised as the carrier asks.
pub(crate) fn hash_without(
    bytes: &[u8],
    range: Option<Range<u64>>,
    normalisation: Normalisation,
) -> Result<Vec<u8>> {
    let range = range.map_or(bytes.len()..bytes.len(), |r| r.start as usize..r.end as usize);
    let parts = [bytes.get(..range.start).unwrap_or_default(), bytes.get(range.end..).unwrap_or_default()];
    let mut hash = Sha256::new();
    match normalisation {
        Normalisation::Raw => parts.iter().for_each(|p| hash.update(p)),
        Normalisation::Nfc => {
            // The remaining text is one string: a combining mark after the manifest joins what stands before it.
            let text: Vec<u8> = parts.concat();
            let text = std::str::from_utf8(&text)
                .map_err(|e| Error::new(ErrorKind::Malformed, "the text is not UTF-8").because(e))?;
            hash.update(text.nfc().collect::<String>());
        }
    }
    Ok(hash.finalize().to_vec())
}

/// The label of the active manifest: the last URN in the store.
pub(crate) fn manifest_id(store: &[u8]) -> String {
    let text = String::from_utf8_lossy(store);
    text.match_indices("urn:c2pa:")
        .last()
        .map(|(at, _)| {
            text.get(at..)
                .unwrap_or_default()
                .chars()
                .take_while(|c| c.is_ascii_graphic() && *c != '/')
                .collect()
        })
        .unwrap_or_default()
}

/// Errors of building and signing. A refused certificate, key or format is the caller's to mend.
#[expect(clippy::needless_pass_by_value, reason = "the form `map_err` takes")]
pub(crate) fn failed(e: c2pa::Error) -> Error {
    let kind = match &e {
        c2pa::Error::UnsupportedType => ErrorKind::Unsupported,
        c2pa::Error::IoError(_) => ErrorKind::Io,
        _ => ErrorKind::Key,
    };
    Error::new(kind, "the manifest cannot be signed").because(e.to_string())
}
