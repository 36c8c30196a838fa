//! The metadata places of a PDF, read and written.
//!
//! * the document information dictionary: key `AIGC` (TC260-PG-20258A, 6.3);
//! * the XMP packet of the catalog (ISO 32000-2, 14.3.2);
//! * the C2PA manifest store: an embedded file of the catalog's associated files whose relationship is `C2PA_Manifest`
//!   (C2PA 2.4, A.4), not compressed, so that the bytes of its stream are the store.

use std::ops::Range;

use colophon_core::{Edit, Entry, Error, Limits, Patch, Result, Slot};
use lopdf::{Dictionary, Object, ObjectId, StringFormat, decode_text_string};

use super::ID;
use super::file::{File, Found};
use super::signature;
use super::update::Update;

/// The information key, and the name of its metadata.
const KEY: &[u8] = b"AIGC";
/// The relationship of the manifest store to the document.
const RELATIONSHIP: &[u8] = b"C2PA_Manifest";
/// Name of the manifest store among the embedded files. The tilde sorts it behind names in ASCII.
const FILE_NAME: &str = "~content_credential.c2pa";
/// Associated files looked at.
const MAX_FILES: usize = 4096;

/// Where an entry sits, for edits.
#[derive(Clone, Debug, PartialEq)]
enum Home {
    Info(Vec<u8>),
    Xmp(Option<ObjectId>),
    /// The file specification as it stands in the catalog's list, and the object of its stream.
    Manifest {
        spec: Object,
        stream: Option<ObjectId>,
        in_place: bool,
    },
}

/// An entry with its home.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) entry: Entry,
    home: Home,
}

/// Every value in every place that may hold a mark.
pub(super) fn locate(file: &File<'_>, limits: &Limits) -> Result<Vec<Located>> {
    let mut out = Vec::new();
    info(file, limits, &mut out)?;
    xmp(file, limits, &mut out)?;
    manifests(file, limits, &mut out)?;
    out.sort_by_key(|l| l.entry.range.start);
    Ok(out)
}

fn info(file: &File<'_>, limits: &Limits, out: &mut Vec<Located>) -> Result<()> {
    let Ok(at) = file.xref.trailer.get(b"Info") else { return Ok(()) };
    let found = file.follow(at).map_err(|e| e.at_place("Info"))?;
    let Object::Dictionary(dict) = &found.object else { return Ok(()) };
    for (key, value) in dict {
        let Ok(Object::String(..)) = file.resolve(value) else { continue };
        let Some(text) = decode_text_string(&file.resolve(value)?).ok() else { continue };
        let name = String::from_utf8_lossy(key).into_owned();
        let named = name.to_ascii_uppercase().contains("AIGC");
        // Free text is of interest only when it may hold the object of Annex E.
        let object = text.contains('{') && text.to_ascii_lowercase().contains("label");
        if !(named || object) {
            continue;
        }
        check_len(text.len(), limits)?;
        out.push(Located {
            entry: Entry {
                slot: if named { Slot::Field } else { Slot::Comment },
                place: format!("Info /{name}"),
                key: name,
                value: text.into_bytes(),
                range: range(&found),
                normative: key == KEY,
            },
            home: Home::Info(key.clone()),
        });
    }
    Ok(())
}

fn xmp(file: &File<'_>, limits: &Limits, out: &mut Vec<Located>) -> Result<()> {
    let catalog = file.catalog()?;
    let Ok(at) = catalog.get(b"Metadata") else { return Ok(()) };
    let found = file.follow(at).map_err(|e| e.at_place("catalog /Metadata"))?;
    if found.stream.is_none() {
        return Ok(());
    }
    let value = file.decoded(&found).map_err(|e| e.at_place("catalog /Metadata"))?;
    check_len(value.len(), limits)?;
    out.push(Located {
        entry: Entry {
            slot: Slot::Xmp,
            key: "xmp".to_owned(),
            value,
            place: "catalog /Metadata".to_owned(),
            range: range(&found),
            normative: true,
        },
        home: Home::Xmp(at.as_reference().ok()),
    });
    Ok(())
}

fn manifests(file: &File<'_>, limits: &Limits, out: &mut Vec<Located>) -> Result<()> {
    let protected = signature::covered(file)?;
    for spec in file.array(&file.catalog()?, b"AF")?.into_iter().take(MAX_FILES) {
        let Object::Dictionary(dict) = file.resolve(&spec)? else { continue };
        if file.value(&dict, b"AFRelationship")?.as_name().ok() != Some(RELATIONSHIP) {
            continue;
        }
        let files = file.dict(&dict, b"EF")?;
        let Ok(at) = files.get(b"F").or_else(|_| files.get(b"UF")) else { continue };
        let found = file.follow(at).map_err(|e| e.at_place("catalog /AF"))?;
        let (Some(stream), Object::Dictionary(d)) = (found.stream.clone(), &found.object) else { continue };
        let plain = !d.has(b"Filter");
        let value = file.decoded(&found).map_err(|e| e.at_place("catalog /AF"))?;
        check_len(value.len(), limits)?;
        out.push(Located {
            home: Home::Manifest {
                spec,
                stream: at.as_reference().ok(),
                in_place: plain && stream.start as u64 >= protected,
            },
            entry: Entry {
                slot: Slot::Jumbf,
                key: "c2pa".to_owned(),
                value,
                place: "catalog /AF C2PA_Manifest".to_owned(),
                // The stream's bytes alone: they are what the hash leaves out (C2PA 2.4, A.4).
                range: stream.start as u64..stream.end as u64,
                normative: plain,
            },
        });
    }
    Ok(())
}

fn check_len(len: usize, limits: &Limits) -> Result<()> {
    if len as u64 > limits.metadata_bytes {
        return Err(Error::limit(format!("a metadata value of {len} bytes")).in_format(ID));
    }
    Ok(())
}

fn range(found: &Found) -> Range<u64> {
    found.range.start as u64..found.range.end as u64
}

/// The splices for metadata changes: one incremental update, and a manifest of the same length filled in where it is.
pub(super) fn edit(file: &File<'_>, edits: &[Edit], limits: &Limits) -> Result<Patch> {
    let located = locate(file, limits)?;
    let mut patch = Patch::new();
    let mut update = Update::new(file);
    for edit in edits {
        match edit {
            Edit::Set { slot: Slot::Field, key, value } if key.as_bytes() == KEY => {
                set_info(&located, value, &mut update)?;
            }
            Edit::Set { slot: Slot::Xmp, value, .. } => set_xmp(&located, value, &mut update)?,
            Edit::Set { slot: Slot::Jumbf, value, .. } => {
                set_manifest(file, &located, value, &mut update, &mut patch)?;
            }
            Edit::Set { .. } => {
                return Err(Error::unsupported(ID, "the format has no such metadata place"));
            }
            Edit::Remove { range } => {
                for l in located.iter().filter(|l| l.entry.range == *range) {
                    remove(file, &l.home, &mut update)?;
                }
            }
        }
    }
    if !update.is_empty() {
        signature::may_be_changed(file)?;
        patch.insert(file.data.len() as u64, update.bytes()?);
    }
    Ok(patch)
}

fn set_info(located: &[Located], value: &[u8], update: &mut Update<'_>) -> Result<()> {
    let text =
        std::str::from_utf8(value).map_err(|e| Error::malformed(ID, "the value is not UTF-8").because(e))?;
    let same = located.iter().any(|l| l.home == Home::Info(KEY.to_vec()) && l.entry.value == value);
    if same {
        return Ok(());
    }
    let (id, mut dict) = update.info()?;
    dict.set(KEY, text_string(text));
    update.set(id, dict);
    Ok(())
}

fn set_xmp(located: &[Located], value: &[u8], update: &mut Update<'_>) -> Result<()> {
    let old = located.iter().find(|l| matches!(l.home, Home::Xmp(_)));
    if old.is_some_and(|l| l.entry.value == value) {
        return Ok(());
    }
    let mut dict = Dictionary::new();
    dict.set("Type", Object::Name(b"Metadata".to_vec()));
    dict.set("Subtype", Object::Name(b"XML".to_vec()));
    if let Some(Home::Xmp(Some(id))) = old.map(|l| &l.home) {
        update.set_stream(*id, dict, value.to_vec());
        return Ok(());
    }
    let id = update.add_stream(dict, value.to_vec())?;
    let mut catalog = update.catalog()?;
    catalog.set("Metadata", Object::Reference(id));
    update.set_catalog(catalog);
    Ok(())
}

fn set_manifest(
    file: &File<'_>,
    located: &[Located],
    store: &[u8],
    update: &mut Update<'_>,
    patch: &mut Patch,
) -> Result<()> {
    let old: Vec<&Located> = located.iter().filter(|l| matches!(l.home, Home::Manifest { .. })).collect();
    // Exactly one is left.
    for extra in old.iter().skip(1) {
        remove(file, &extra.home, update)?;
    }
    let first = old.first().map(|l| (&l.entry, &l.home));
    if let Some((entry, Home::Manifest { stream, in_place, .. })) = first {
        if *in_place && entry.value == store {
            return Ok(());
        }
        if *in_place && entry.value.len() == store.len() {
            patch.replace(entry.range.clone(), store);
            return Ok(());
        }
        if let Some(id) = stream {
            update.set_stream(*id, stream_dict(), store.to_vec());
            return Ok(());
        }
    }
    let stream = update.add_stream(stream_dict(), store.to_vec())?;
    let mut files = Dictionary::new();
    files.set("F", Object::Reference(stream));
    files.set("UF", Object::Reference(stream));
    let mut spec = Dictionary::new();
    spec.set("Type", Object::Name(b"Filespec".to_vec()));
    spec.set("F", text_string(FILE_NAME));
    spec.set("UF", text_string(FILE_NAME));
    spec.set("AFRelationship", Object::Name(RELATIONSHIP.to_vec()));
    spec.set("Desc", text_string("Content Credentials (C2PA)"));
    spec.set("EF", Object::Dictionary(files));
    let spec = update.add(spec)?;
    associate(file, update, spec)?;
    list(file, update, spec)
}

fn stream_dict() -> Dictionary {
    let mut dict = Dictionary::new();
    dict.set("Type", Object::Name(b"EmbeddedFile".to_vec()));
    dict.set("Subtype", Object::Name(b"application/c2pa".to_vec()));
    dict
}

/// Adds a file specification to the catalog's associated files.
fn associate(file: &File<'_>, update: &mut Update<'_>, spec: ObjectId) -> Result<()> {
    let mut catalog = update.catalog()?;
    let mut files = file.array(&catalog, b"AF")?;
    files.push(Object::Reference(spec));
    catalog.set("AF", Object::Array(files));
    update.set_catalog(catalog);
    Ok(())
}

/// Adds a file specification to the name tree of embedded files (7.7.4), which attachment panels show. A tree that would
/// have to be sorted anew is left alone: the associated files are what readers of manifests look at.
fn list(file: &File<'_>, update: &mut Update<'_>, spec: ObjectId) -> Result<()> {
    let mut catalog = update.catalog()?;
    let mut names = file.dict(&catalog, b"Names")?;
    let mut tree = file.dict(&names, b"EmbeddedFiles")?;
    if tree.has(b"Kids") {
        return Ok(());
    }
    let mut pairs = file.array(&tree, b"Names")?;
    let sorts_last =
        |o: &Object| file.resolve(o).is_ok_and(|o| o.as_str().is_ok_and(|s| s < FILE_NAME.as_bytes()));
    if pairs.len() % 2 != 0 || !pairs.iter().step_by(2).all(sorts_last) {
        return Ok(());
    }
    pairs.push(text_string(FILE_NAME));
    pairs.push(Object::Reference(spec));
    tree.set("Names", Object::Array(pairs));
    names.set("EmbeddedFiles", Object::Dictionary(tree));
    catalog.set("Names", Object::Dictionary(names));
    update.set_catalog(catalog);
    Ok(())
}

fn remove(file: &File<'_>, home: &Home, update: &mut Update<'_>) -> Result<()> {
    match home {
        Home::Info(key) => {
            let (id, mut dict) = update.info()?;
            dict.remove(key);
            update.set(id, dict);
        }
        Home::Xmp(_) => {
            let mut catalog = update.catalog()?;
            catalog.remove(b"Metadata");
            update.set_catalog(catalog);
        }
        Home::Manifest { spec, .. } => {
            let mut catalog = update.catalog()?;
            let mut files = file.array(&catalog, b"AF")?;
            files.retain(|o| o != spec);
            catalog.set("AF", Object::Array(files));
            update.set_catalog(catalog);
        }
    }
    Ok(())
}

/// A text string (7.9.2.2): as it is in ASCII, else UTF-16 with its mark.
pub(super) fn text_string(text: &str) -> Object {
    if text.is_ascii() {
        return Object::String(text.as_bytes().to_vec(), StringFormat::Literal);
    }
    let mut bytes = vec![0xfe, 0xff];
    bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    Object::String(bytes, StringFormat::Hexadecimal)
}
