//! The cross-reference data (ISO 32000-2, 7.5.4 to 7.5.8): where every object stands.

use std::collections::{BTreeMap, BTreeSet};

use colophon_core::{Error, Limits, Result};
use lopdf::{Dictionary, Object};

use super::ID;
use super::file::{decode, indirect};
use super::lex::{Budget, Lexer};

/// Sections followed through `/Prev`: one for every time the file was saved incrementally.
const MAX_SECTIONS: usize = 4096;
/// Bytes from the end of the file in which `startxref` is looked for; 7.5.5 asks for it in the last lines.
const TAIL: usize = 2048;

/// Where an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Deleted, or never there.
    Free,
    /// At this offset, with this generation.
    Offset(usize, u16),
    /// In this object stream, at this index.
    Packed(u32, usize),
}

/// Cross-reference data of all sections, the newest first.
#[derive(Debug)]
pub(super) struct Xref {
    pub(super) entries: BTreeMap<u32, At>,
    /// The newest trailer.
    pub(super) trailer: Dictionary,
    /// Offset of the newest section.
    pub(super) start: usize,
    /// Whether the newest section is a stream; an update has to be of the same kind.
    pub(super) is_stream: bool,
}

impl Xref {
    /// Follows the chain of sections from the end of the file.
    pub(super) fn read(data: &[u8], budget: &Budget, limits: &Limits) -> Result<Self> {
        let start = startxref(data, budget)?;
        let mut out = Self { entries: BTreeMap::new(), trailer: Dictionary::new(), start, is_stream: false };
        let mut seen = BTreeSet::new();
        let mut next = Some(start);
        let mut first = true;
        while let Some(at) = next {
            if !seen.insert(at) {
                return Err(broken("the cross-reference sections lead back to themselves", at));
            }
            if seen.len() > MAX_SECTIONS {
                let text = format!("more than {MAX_SECTIONS} cross-reference sections");
                return Err(Error::limit(text).in_format(ID));
            }
            let mut lexer = Lexer::new(data, at, budget);
            let is_stream = !lexer.keyword(b"xref");
            let trailer = if is_stream {
                out.stream(data, at, budget, limits)?
            } else {
                let trailer = out.table(&mut lexer, limits)?;
                // A hybrid file keeps what old readers shall not see in a stream beside the table (7.5.8.4).
                if let Ok(hidden) = trailer.get(b"XRefStm").and_then(Object::as_i64) {
                    let hidden = offset(hidden, data.len(), at)?;
                    if seen.insert(hidden) {
                        out.stream(data, hidden, budget, limits)?;
                    }
                }
                trailer
            };
            next = match trailer.get(b"Prev") {
                Ok(Object::Integer(n)) => Some(offset(*n, data.len(), at)?),
                Ok(Object::Real(n)) if n.fract() == 0.0 => Some(offset(*n as i64, data.len(), at)?),
                _ => None,
            };
            if first {
                out.is_stream = is_stream;
                out.trailer = trailer;
                first = false;
            }
        }
        if out.trailer.get(b"Encrypt").is_ok_and(|o| !matches!(o, Object::Null)) {
            return Err(Error::unsupported(ID, "the document is encrypted; remove the password first")
                .at_place("trailer /Encrypt"));
        }
        Ok(out)
    }

    fn insert(&mut self, id: u64, at: At, limits: &Limits) -> Result<()> {
        // Annex C: object numbers end at 8,388,607.
        let Some(id) = u32::try_from(id).ok().filter(|id| *id <= 8_388_607) else {
            return Err(broken("an object number is out of range", self.start));
        };
        if self.entries.len() >= limits.parts {
            return Err(Error::limit(format!("more than {} objects", limits.parts)).in_format(ID));
        }
        self.entries.entry(id).or_insert(at);
        Ok(())
    }

    fn table(&mut self, lexer: &mut Lexer<'_>, limits: &Limits) -> Result<Dictionary> {
        loop {
            if lexer.keyword(b"trailer") {
                break;
            }
            let first = lexer.unsigned()?;
            let count = lexer.unsigned()?;
            for i in 0..count {
                let place = lexer.unsigned()?;
                let generation = lexer.unsigned()?;
                let at = if lexer.keyword(b"n") {
                    At::Offset(place as usize, u16::try_from(generation).unwrap_or(u16::MAX))
                } else if lexer.keyword(b"f") {
                    At::Free
                } else {
                    return Err(lexer.malformed("a cross-reference entry is neither n nor f"));
                };
                self.insert(first.saturating_add(i), at, limits)?;
            }
        }
        match lexer.object()? {
            Object::Dictionary(d) => Ok(d),
            _ => Err(lexer.malformed("the trailer is no dictionary")),
        }
    }

    fn stream(&mut self, data: &[u8], at: usize, budget: &Budget, limits: &Limits) -> Result<Dictionary> {
        let found = indirect(data, at, budget, &|_| None)
            .map_err(|e| broken("there is no cross-reference section here", at).because(e))?;
        let (Object::Dictionary(dict), Some(range)) = (found.object, found.stream) else {
            return Err(broken("there is no cross-reference section here", at));
        };
        if dict.get(b"Type").and_then(Object::as_name).ok() != Some(b"XRef") {
            return Err(broken("there is no cross-reference section here", at));
        }
        let rows = decode(&dict, data.get(range).unwrap_or_default(), budget)?;
        let integers = |key: &[u8]| -> Option<Vec<u64>> {
            let list = dict.get(key).ok()?.as_array().ok()?;
            list.iter().map(|o| o.as_i64().ok().and_then(|n| u64::try_from(n).ok())).collect()
        };
        let widths = integers(b"W").filter(|w| w.len() >= 3 && w.iter().all(|n| *n <= 8));
        let Some([kind_width, second, third, ..]) = widths.as_deref() else {
            return Err(broken("the widths of a cross-reference stream are missing", at));
        };
        let width = (kind_width + second + third) as usize;
        if width == 0 {
            return Err(broken("the widths of a cross-reference stream are all 0", at));
        }
        let size = dict.get(b"Size").and_then(Object::as_i64).ok().and_then(|n| u64::try_from(n).ok());
        let index = integers(b"Index").unwrap_or_else(|| vec![0, size.unwrap_or(0)]);
        let mut rows = rows.chunks_exact(width);
        let field = |row: &[u8], from: u64, len: u64| -> u64 {
            let bytes = row.get(from as usize..(from + len) as usize).unwrap_or_default();
            bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
        };
        for pair in index.chunks_exact(2) {
            let (Some(first), Some(count)) = (pair.first(), pair.get(1)) else { break };
            for i in 0..*count {
                let Some(row) = rows.next() else { break };
                let kind = if *kind_width == 0 { 1 } else { field(row, 0, *kind_width) };
                let a = field(row, *kind_width, *second);
                let b = field(row, kind_width + second, *third);
                let at = match kind {
                    1 => At::Offset(a as usize, u16::try_from(b).unwrap_or(u16::MAX)),
                    2 => At::Packed(u32::try_from(a).unwrap_or(u32::MAX), b as usize),
                    _ => At::Free,
                };
                self.insert(first.saturating_add(i), at, limits)?;
            }
        }
        Ok(dict)
    }
}

fn startxref(data: &[u8], budget: &Budget) -> Result<usize> {
    let from = data.len().saturating_sub(TAIL);
    let tail = data.get(from..).unwrap_or_default();
    let word = b"startxref";
    let Some(at) = tail.windows(word.len()).rposition(|w| w == word) else {
        return Err(Error::malformed(ID, "the end of the file has no startxref: it is cut short"));
    };
    let value = Lexer::new(data, from + at + word.len(), budget).unsigned()?;
    offset(i64::try_from(value).unwrap_or(-1), data.len(), from + at)
}

fn offset(value: i64, len: usize, at: usize) -> Result<usize> {
    usize::try_from(value)
        .ok()
        .filter(|o| *o < len)
        .ok_or_else(|| broken("a cross-reference section is said to stand outside the file", at))
}

fn broken(why: &str, at: usize) -> Error {
    Error::malformed(ID, why).at_place("xref").at_offset(at as u64)
}
