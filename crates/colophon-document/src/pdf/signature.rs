//! Digital signatures of a PDF (ISO 32000-2, 12.8): what they cover, and whether the document may still be changed.
//!
//! An incremental update leaves the bytes that a signature covers as they are; readers then say that the signature holds
//! and that something was added after it. A certified document (`DocMDP`) forbids additions, and is refused.

use std::collections::BTreeSet;

use colophon_core::{Error, Result};
use lopdf::{Dictionary, Object};

use super::ID;
use super::file::File;

/// Form fields looked at.
const MAX_FIELDS: usize = 20_000;

/// The number of signatures.
pub(super) fn count(file: &File<'_>) -> Result<usize> {
    Ok(signatures(file)?.len())
}

/// The end of the last byte range that a signature covers; 0 without signatures.
pub(super) fn covered(file: &File<'_>) -> Result<u64> {
    let mut end = 0;
    for signature in signatures(file)? {
        let numbers = file.array(&signature, b"ByteRange")?;
        for pair in numbers.chunks_exact(2) {
            let sum: i64 = pair.iter().filter_map(|o| o.as_i64().ok()).fold(0, i64::saturating_add);
            end = end.max(u64::try_from(sum).unwrap_or(0));
        }
    }
    Ok(end)
}

/// # Errors
/// `Unsupported` when the author certified the document and thereby forbade changes.
pub(super) fn may_be_changed(file: &File<'_>) -> Result<()> {
    let permissions = file.dict(&file.catalog()?, b"Perms")?;
    if permissions.has(b"DocMDP") {
        let text =
            "the document is certified: its author's signature forbids additions, so nothing can be marked";
        return Err(Error::unsupported(ID, text).at_place("catalog /Perms /DocMDP"));
    }
    Ok(())
}

fn signatures(file: &File<'_>) -> Result<Vec<Dictionary>> {
    let form = file.dict(&file.catalog()?, b"AcroForm")?;
    let mut open: Vec<Object> = file.array(&form, b"Fields")?;
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    while let Some(field) = open.pop() {
        if let Object::Reference(id) = field
            && !seen.insert(id)
        {
            continue;
        }
        if seen.len() > MAX_FIELDS {
            return Err(Error::limit(format!("more than {MAX_FIELDS} form fields")).in_format(ID));
        }
        let Object::Dictionary(dict) = file.resolve(&field)? else { continue };
        if let Object::Dictionary(value) = file.value(&dict, b"V")?
            && value.has(b"ByteRange")
        {
            out.push(value);
        }
        open.extend(file.array(&dict, b"Kids")?);
    }
    Ok(out)
}
