//! A PDF file: objects resolved one at a time, within bounds.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use colophon_core::{Error, Limits, Result};
use lopdf::{Dictionary, Object, ObjectId, Stream};

use super::ID;
use super::lex::{Budget, Lexer};
use super::xref::{At, Xref};

/// References followed from one object to the next.
const MAX_HOPS: usize = 16;
/// Bytes of all streams decoded for one file.
const MAX_DECODED: u64 = 256 << 20;
/// Objects parsed for one file, as a multiple of the limit of parts: a part is a handful of objects.
const OBJECTS_PER_PART: u64 = 16;

/// An indirect object as it stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The object; for a stream its dictionary.
    pub(super) object: Object,
    /// The bytes between `stream` and `endstream`.
    pub(super) stream: Option<Range<usize>>,
    /// From the object number to `endobj`; for a packed object those of its container.
    pub(super) range: Range<usize>,
}

/// A PDF file.
pub(super) struct File<'a> {
    pub(super) data: Cow<'a, [u8]>,
    pub(super) xref: Xref,
    pub(super) root: ObjectId,
    budget: Budget,
    /// Object streams decoded so far.
    packs: RefCell<BTreeMap<u32, Rc<Pack>>>,
}

/// A decoded object stream (7.5.7).
struct Pack {
    data: Vec<u8>,
    /// Object number and offset in `data`, in order.
    index: Vec<(u32, usize)>,
}

impl<'a> File<'a> {
    /// # Errors
    /// `Malformed` when the file cannot be navigated; `Unsupported` when it is encrypted.
    pub(super) fn open(data: Cow<'a, [u8]>, limits: &Limits) -> Result<Self> {
        if !data.starts_with(b"%PDF-") {
            return Err(Error::malformed(ID, "the file does not begin with %PDF-"));
        }
        let objects = (limits.parts as u64).saturating_mul(OBJECTS_PER_PART);
        let budget = Budget::new(objects, limits.decoded_bytes.min(MAX_DECODED));
        let xref = Xref::read(&data, &budget, limits)?;
        let Ok(Object::Reference(root)) = xref.trailer.get(b"Root") else {
            return Err(Error::malformed(ID, "the trailer names no catalog").at_place("trailer /Root"));
        };
        let root = *root;
        let file = Self { data, xref, root, budget, packs: RefCell::default() };
        file.catalog()?;
        Ok(file)
    }

    /// The catalog.
    pub(super) fn catalog(&self) -> Result<Dictionary> {
        match self.get(self.root)?.object {
            Object::Dictionary(d) => Ok(d),
            _ => Err(Error::malformed(ID, "the catalog is no dictionary").at_place("catalog")),
        }
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// An indirect object; null when there is none (7.3.10).
    pub(super) fn get(&self, id: ObjectId) -> Result<Found> {
        let null = || Found { object: Object::Null, stream: None, range: 0..0 };
        match self.xref.entries.get(&id.0) {
            None | Some(At::Free) => Ok(null()),
            Some(At::Offset(_, generation)) if *generation != id.1 => Ok(null()),
            Some(At::Offset(at, _)) => {
                let found = indirect(&self.data, *at, &self.budget, &|r| self.length(r))?;
                if found.id == id {
                    Ok(Found { object: found.object, stream: found.stream, range: found.range })
                } else {
                    let text = format!("the cross-reference table names object {} here", id.0);
                    Err(Error::malformed(ID, text).at_offset(*at as u64))
                }
            }
            Some(At::Packed(container, index)) => {
                let (pack, range) = self.pack(*container)?;
                let offset = match pack.index.get(*index) {
                    Some((n, at)) if *n == id.0 => Some(*at),
                    _ => pack.index.iter().find(|(n, _)| *n == id.0).map(|(_, at)| *at),
                };
                let Some(offset) = offset else { return Ok(null()) };
                let object = Lexer::new(&pack.data, offset, &self.budget)
                    .object()
                    .map_err(|e| e.at_place(format!("object stream {container}")))?;
                Ok(Found { object, stream: None, range })
            }
        }
    }

    /// Follows references until something else comes.
    pub(super) fn resolve(&self, object: &Object) -> Result<Object> {
        Ok(self.follow(object)?.object)
    }

    /// As [`Self::resolve`], with the place of what was found.
    pub(super) fn follow(&self, object: &Object) -> Result<Found> {
        let mut found = Found { object: object.clone(), stream: None, range: 0..0 };
        for _ in 0..MAX_HOPS {
            let Object::Reference(id) = found.object else { return Ok(found) };
            found = self.get(id)?;
        }
        Err(Error::malformed(ID, "references lead back to themselves"))
    }

    /// The value of a key, resolved; null when it is missing.
    pub(super) fn value(&self, dict: &Dictionary, key: &[u8]) -> Result<Object> {
        dict.get(key).map_or(Ok(Object::Null), |o| self.resolve(o))
    }

    /// The dictionary under a key; empty when it is missing or something else.
    pub(super) fn dict(&self, dict: &Dictionary, key: &[u8]) -> Result<Dictionary> {
        match self.value(dict, key)? {
            Object::Dictionary(d) => Ok(d),
            _ => Ok(Dictionary::new()),
        }
    }

    /// The array under a key; a single value counts as an array of one, nothing as an empty one.
    pub(super) fn array(&self, dict: &Dictionary, key: &[u8]) -> Result<Vec<Object>> {
        Ok(match self.value(dict, key)? {
            Object::Array(a) => a,
            Object::Null => Vec::new(),
            _ => dict.get(key).into_iter().cloned().collect(),
        })
    }

    /// The bytes of a stream, decoded.
    pub(super) fn decoded(&self, found: &Found) -> Result<Vec<u8>> {
        let (Object::Dictionary(dict), Some(range)) = (&found.object, &found.stream) else {
            return Err(Error::malformed(ID, "a stream was expected"));
        };
        let mut dict = dict.clone();
        for key in [&b"Filter"[..], b"DecodeParms"] {
            if dict.has(key) {
                let value = match self.value(&dict, key)? {
                    Object::Array(items) => {
                        Object::Array(items.iter().map(|o| self.resolve(o)).collect::<Result<_>>()?)
                    }
                    o => o,
                };
                dict.set(key, value);
            }
        }
        decode(&dict, self.data.get(range.clone()).unwrap_or_default(), &self.budget)
    }

    /// The value of an indirect `/Length`. It may not stand in an object stream of its own accord (7.5.7), which also
    /// keeps lengths from leading in circles.
    fn length(&self, id: ObjectId) -> Option<usize> {
        let Some(At::Offset(at, _)) = self.xref.entries.get(&id.0) else { return None };
        let found = indirect(&self.data, *at, &self.budget, &|_| None).ok()?;
        (found.id == id).then(|| found.object.as_i64().ok()).flatten().and_then(|n| usize::try_from(n).ok())
    }

    fn pack(&self, container: u32) -> Result<(Rc<Pack>, Range<usize>)> {
        let broken = |why: &str| Error::malformed(ID, why).at_place(format!("object stream {container}"));
        let Some(At::Offset(at, _)) = self.xref.entries.get(&container) else {
            return Err(broken("it is not in the file"));
        };
        let found = indirect(&self.data, *at, &self.budget, &|r| self.length(r))?;
        if let Some(pack) = self.packs.borrow().get(&container) {
            return Ok((Rc::clone(pack), found.range));
        }
        let Object::Dictionary(dict) = &found.object else { return Err(broken("it is no stream")) };
        let dict = dict.clone();
        let number =
            |key: &[u8]| dict.get(key).and_then(Object::as_i64).ok().and_then(|n| usize::try_from(n).ok());
        let (Some(count), Some(first)) = (number(b"N"), number(b"First")) else {
            return Err(broken("N or First is missing"));
        };
        let range = found.range.clone();
        let data = self.decoded(&Found { object: found.object, stream: found.stream, range: found.range })?;
        if first > data.len() || count > data.len() {
            return Err(broken("N or First is larger than the stream"));
        }
        let mut index = Vec::new();
        let mut lexer = Lexer::new(data.get(..first).unwrap_or_default(), 0, &self.budget);
        for _ in 0..count {
            let id =
                u32::try_from(lexer.unsigned()?).map_err(|_| broken("an object number is out of range"))?;
            let at = usize::try_from(lexer.unsigned()?).ok().and_then(|n| n.checked_add(first));
            index.push((id, at.ok_or_else(|| broken("an offset is out of range"))?));
        }
        let pack = Rc::new(Pack { data, index });
        self.packs.borrow_mut().insert(container, Rc::clone(&pack));
        Ok((pack, range))
    }
}

/// An indirect object with its own idea of its number.
pub(super) struct Indirect {
    pub(super) id: ObjectId,
    pub(super) object: Object,
    pub(super) stream: Option<Range<usize>>,
    pub(super) range: Range<usize>,
}

/// Reads `12 0 obj … endobj` at an offset (7.3.10). `length` answers an indirect stream length.
pub(super) fn indirect(
    data: &[u8],
    at: usize,
    budget: &Budget,
    length: &dyn Fn(ObjectId) -> Option<usize>,
) -> Result<Indirect> {
    let mut lexer = Lexer::new(data, at, budget);
    let number = lexer.unsigned()?;
    let generation = lexer.unsigned()?;
    if !lexer.keyword(b"obj") {
        return Err(lexer.malformed("an indirect object was expected"));
    }
    let id = (u32::try_from(number).unwrap_or(u32::MAX), u16::try_from(generation).unwrap_or(u16::MAX));
    let object = lexer.object()?;
    let mut stream = None;
    if let Object::Dictionary(dict) = &object
        && lexer.keyword(b"stream")
    {
        // CR LF or LF; a lone CR is not allowed and read all the same.
        let eol = match (data.get(lexer.at), data.get(lexer.at + 1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(b'\r' | b'\n'), _) => 1,
            _ => 0,
        };
        let start = lexer.at + eol;
        let len = match dict.get(b"Length") {
            Ok(Object::Integer(n)) => usize::try_from(*n).ok(),
            Ok(Object::Reference(r)) => length(*r),
            _ => None,
        };
        let end = len.and_then(|n| start.checked_add(n)).filter(|end| *end <= data.len());
        let Some(end) = end else {
            return Err(lexer.malformed("the length of a stream is missing or runs past the end of the file"));
        };
        lexer.at = end;
        if !lexer.keyword(b"endstream") {
            return Err(lexer.malformed("a stream does not end where its length says"));
        }
        stream = Some(start..end);
    }
    if !lexer.keyword(b"endobj") {
        return Err(lexer.malformed("an indirect object does not end with endobj"));
    }
    Ok(Indirect { id, object, stream, range: at..lexer.at })
}

/// Undoes the filters of a stream.
pub(super) fn decode(dict: &Dictionary, raw: &[u8], budget: &Budget) -> Result<Vec<u8>> {
    if !dict.has(b"Filter") {
        return Ok(raw.to_vec());
    }
    let most = budget.decodable();
    let out =
        Stream::new(dict.clone(), raw.to_vec()).get_plain_content_with_limit(most).map_err(|e| match e {
            lopdf::Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. }) => {
                Error::limit(format!("a stream decodes to more than {most} bytes")).in_format(ID)
            }
            e => Error::malformed(ID, "a stream cannot be decoded").because(e.to_string()),
        })?;
    budget.decoded(out.len());
    Ok(out)
}
