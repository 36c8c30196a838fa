//! An incremental update (ISO 32000-2, 7.5.6): new versions of objects and a cross-reference section after the end.

use std::collections::BTreeMap;

use colophon_core::{Error, Result};
use lopdf::{Dictionary, Object, ObjectId, StringFormat};
use sha2::{Digest, Sha256};

use super::ID;
use super::file::File;

/// New versions of objects, not yet written.
pub(super) struct Update<'a> {
    file: &'a File<'a>,
    objects: BTreeMap<ObjectId, Body>,
    next: u32,
    info: Option<ObjectId>,
}

enum Body {
    Plain(Object),
    Stream(Dictionary, Vec<u8>),
}

impl<'a> Update<'a> {
    pub(super) fn new(file: &'a File<'a>) -> Self {
        let size = file.xref.trailer.get(b"Size").and_then(Object::as_i64).ok();
        let size = size.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let last = file.xref.entries.keys().next_back().copied().unwrap_or(0);
        Self { file, objects: BTreeMap::new(), next: size.max(last.saturating_add(1)), info: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// A dictionary object as this update will leave it.
    pub(super) fn dict(&self, id: ObjectId) -> Result<Dictionary> {
        if let Some(Body::Plain(Object::Dictionary(d))) = self.objects.get(&id) {
            return Ok(d.clone());
        }
        match self.file.get(id)?.object {
            Object::Dictionary(d) => Ok(d),
            _ => Ok(Dictionary::new()),
        }
    }

    /// The catalog as this update will leave it.
    pub(super) fn catalog(&self) -> Result<Dictionary> {
        self.dict(self.file.root)
    }

    pub(super) fn set_catalog(&mut self, catalog: Dictionary) {
        self.set(self.file.root, catalog);
    }

    /// The document information dictionary: its object, made when there is none, and its content.
    pub(super) fn info(&mut self) -> Result<(ObjectId, Dictionary)> {
        if let Some(id) = self.info {
            return Ok((id, self.dict(id)?));
        }
        let (id, dict) = match self.file.xref.trailer.get(b"Info") {
            Ok(Object::Reference(id)) => (*id, self.dict(*id)?),
            // Not legal, seen: the dictionary itself in the trailer.
            Ok(Object::Dictionary(d)) => (self.fresh()?, d.clone()),
            _ => (self.fresh()?, Dictionary::new()),
        };
        self.info = Some(id);
        Ok((id, dict))
    }

    pub(super) fn set(&mut self, id: ObjectId, object: impl Into<Object>) {
        self.objects.insert(id, Body::Plain(object.into()));
    }

    pub(super) fn set_stream(&mut self, id: ObjectId, dict: Dictionary, data: Vec<u8>) {
        self.objects.insert(id, Body::Stream(dict, data));
    }

    pub(super) fn add(&mut self, object: impl Into<Object>) -> Result<ObjectId> {
        let id = self.fresh()?;
        self.set(id, object);
        Ok(id)
    }

    pub(super) fn add_stream(&mut self, dict: Dictionary, data: Vec<u8>) -> Result<ObjectId> {
        let id = self.fresh()?;
        self.set_stream(id, dict, data);
        Ok(id)
    }

    /// An object number nobody uses.
    fn fresh(&mut self) -> Result<ObjectId> {
        let id = (self.next, 0);
        if self.next > 8_388_607 {
            return Err(Error::limit("the document has no object number left").in_format(ID));
        }
        self.next += 1;
        Ok(id)
    }

    /// The bytes to be appended to the file.
    pub(super) fn bytes(mut self) -> Result<Vec<u8>> {
        let base = self.file.data.len();
        let mut out: Vec<u8> = Vec::new();
        if !self.file.data.ends_with(b"\n") {
            out.push(b'\n');
        }
        let mut places: BTreeMap<u32, (usize, u16)> = BTreeMap::new();
        for (id, body) in &self.objects {
            places.insert(id.0, (base + out.len(), id.1));
            out.extend_from_slice(format!("{} {} obj\n", id.0, id.1).as_bytes());
            match body {
                Body::Plain(object) => write(&mut out, object),
                Body::Stream(dict, data) => {
                    let mut dict = dict.clone();
                    dict.set("Length", data.len() as i64);
                    write(&mut out, &Object::Dictionary(dict));
                    out.extend_from_slice(b"\nstream\n");
                    out.extend_from_slice(data);
                    out.extend_from_slice(b"\nendstream");
                }
            }
            out.extend_from_slice(b"\nendobj\n");
        }
        let old = &self.file.xref;
        let mut trailer = Dictionary::new();
        trailer.set("Root", Object::Reference(self.file.root));
        match (self.info, old.trailer.get(b"Info")) {
            (Some(id), _) => trailer.set("Info", Object::Reference(id)),
            (None, Ok(info)) => trailer.set("Info", info.clone()),
            (None, Err(_)) => {}
        }
        trailer.set("Prev", old.start as i64);
        if let Ok(Object::Array(id)) = old.trailer.get(b"ID")
            && let Some(first) = id.first()
        {
            // The second part tells versions of a document apart (14.4); the content decides it, so that the same update
            // gives the same file.
            let digest: Vec<u8> = Sha256::digest(&out).iter().take(16).copied().collect();
            let second = Object::String(digest, StringFormat::Hexadecimal);
            trailer.set("ID", Object::Array(vec![first.clone(), second]));
        }
        let start = base + out.len();
        if old.is_stream {
            let own = self.fresh()?;
            places.insert(own.0, (start, 0));
            trailer.set("Size", i64::from(self.next));
            stream_section(&mut out, own, trailer, &places);
        } else {
            trailer.set("Size", i64::from(self.next));
            out.extend_from_slice(b"xref\n");
            for run in runs(&places) {
                let Some((first, _)) = run.first() else { continue };
                out.extend_from_slice(format!("{first} {}\n", run.len()).as_bytes());
                for (_, (at, generation)) in &run {
                    out.extend_from_slice(format!("{at:010} {generation:05} n \n").as_bytes());
                }
            }
            out.extend_from_slice(b"trailer\n");
            write(&mut out, &Object::Dictionary(trailer));
            out.push(b'\n');
        }
        if base + out.len() > 9_999_999_999 {
            return Err(Error::limit("the file is too large for a cross-reference table").in_format(ID));
        }
        out.extend_from_slice(format!("startxref\n{start}\n%%EOF\n").as_bytes());
        Ok(out)
    }
}

/// A cross-reference stream, uncompressed so that it can be read with the eye.
fn stream_section(
    out: &mut Vec<u8>,
    own: ObjectId,
    mut dict: Dictionary,
    places: &BTreeMap<u32, (usize, u16)>,
) {
    let mut index = Vec::new();
    let mut rows = Vec::new();
    for run in runs(places) {
        let Some((first, _)) = run.first() else { continue };
        index.push(Object::Integer(i64::from(*first)));
        index.push(Object::Integer(run.len() as i64));
        for (_, (at, generation)) in &run {
            rows.push(1);
            rows.extend((*at as u64).to_be_bytes().iter().skip(3));
            rows.extend(generation.to_be_bytes());
        }
    }
    dict.set("Type", Object::Name(b"XRef".to_vec()));
    dict.set("W", Object::Array(vec![1.into(), 5.into(), 2.into()]));
    dict.set("Index", Object::Array(index));
    dict.set("Length", rows.len() as i64);
    out.extend_from_slice(format!("{} {} obj\n", own.0, own.1).as_bytes());
    write(out, &Object::Dictionary(dict));
    out.extend_from_slice(b"\nstream\n");
    out.extend_from_slice(&rows);
    out.extend_from_slice(b"\nendstream\nendobj\n");
}

/// Object numbers without gaps between them.
fn runs(places: &BTreeMap<u32, (usize, u16)>) -> Vec<Vec<(u32, (usize, u16))>> {
    let mut out: Vec<Vec<(u32, (usize, u16))>> = Vec::new();
    for (id, place) in places {
        match out.last_mut() {
            Some(run) if run.last().is_some_and(|(n, _)| n + 1 == *id) => run.push((*id, *place)),
            _ => out.push(vec![(*id, *place)]),
        }
    }
    out
}

/// Writes an object (7.3).
pub(super) fn write(out: &mut Vec<u8>, object: &Object) {
    match object {
        Object::Null | Object::Stream(_) => out.extend_from_slice(b"null"),
        Object::Boolean(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Object::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Object::Real(n) => out.extend_from_slice(real(*n).as_bytes()),
        Object::Name(n) => name(out, n),
        Object::String(s, format) => string(out, s, *format),
        Object::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b' ');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Object::Dictionary(d) => {
            out.extend_from_slice(b"<<");
            for (key, value) in d {
                out.push(b' ');
                name(out, key);
                out.push(b' ');
                write(out, value);
            }
            out.extend_from_slice(b" >>");
        }
        Object::Reference((n, g)) => out.extend_from_slice(format!("{n} {g} R").as_bytes()),
    }
}

/// A number without exponent, which PDF does not know.
pub(super) fn real(n: f32) -> String {
    if !n.is_finite() {
        return "0".to_owned();
    }
    // `Display` of a float writes no exponent and as few digits as tell the number.
    format!("{n}")
}

fn name(out: &mut Vec<u8>, name: &[u8]) {
    out.push(b'/');
    for c in name {
        if super::lex::is_regular(*c) && (0x21..=0x7e).contains(c) && *c != b'#' {
            out.push(*c);
        } else {
            out.extend_from_slice(format!("#{c:02X}").as_bytes());
        }
    }
}

fn string(out: &mut Vec<u8>, s: &[u8], format: StringFormat) {
    let plain = s.iter().all(|c| (0x20..=0x7e).contains(c));
    if format == StringFormat::Hexadecimal || !plain {
        out.push(b'<');
        out.extend(s.iter().flat_map(|c| format!("{c:02X}").into_bytes()));
        out.push(b'>');
        return;
    }
    out.push(b'(');
    for c in s {
        if matches!(c, b'(' | b')' | b'\\') {
            out.push(b'\\');
        }
        out.push(*c);
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::super::lex::{Budget, Lexer};
    use super::*;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let text =
            b"<</A#20b [1 -2.5 (x\\(y\\)\\\\z) <00FF> /N null true 7 0 R<</Deep []>>]/Empty ()/Big 0.0001>>";
        let budget = Budget::new(1000, 0);
        let object = Lexer::new(text, 0, &budget).object().unwrap();
        let mut out = Vec::new();
        write(&mut out, &object);
        let again = Lexer::new(&out, 0, &budget).object().unwrap();
        let mut twice = Vec::new();
        write(&mut twice, &again);
        assert_eq!(object, again, "{}", String::from_utf8_lossy(&out));
        assert_eq!(out, twice);
    }

    #[test]
    fn numbers_have_no_exponent() {
        assert_eq!(real(1e-7), "0.0000001");
        assert_eq!(real(595.2756), "595.2756");
        assert_eq!(real(f32::NAN), "0");
    }
}
