//! EBML elements: an id, a length, content (RFC 8794).

use std::ops::Range;

use colophon_core::{Error, Result, Source};

pub(crate) const FORMAT: &str = "ebml";
/// `EBML`: the header of a document (RFC 8794, 11.2.1).
pub const HEADER: u32 = 0x1A45_DFA3;
/// `DocType` in it (11.2.7).
pub const DOC_TYPE: u32 = 0x4282;
/// `Void`: bytes that mean nothing (11.3.2).
pub const VOID: u32 = 0xEC;
/// `CRC-32` of what follows in the parent (11.3.1).
pub const CRC32: u32 = 0xBF;
/// The shortest element: an id of one byte and a length of one byte.
const SHORTEST: u64 = 2;

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its id with the length marker, as the specifications print it.
    pub id: u32,
    /// Id, length and content.
    pub range: Range<u64>,
    /// The content. To the end of the parent when the length is not known.
    pub body: Range<u64>,
    /// The length is not known: the element ends where its parent does, or where one begins that cannot stand in it (6.2).
    pub open: bool,
}

/// Reads the head of the element at `at`, which stands in something that ends at `end`.
///
/// # Errors
/// `Malformed` when there is no element, or it announces more than there is.
pub fn element(source: &dyn Source, at: u64, end: u64) -> Result<Element> {
    let head = source.bytes_up_to(at, 12.min(end.saturating_sub(at)))?;
    let broken = |why: &str| Error::malformed(FORMAT, why).at_offset(at);
    let first = *head.first().ok_or_else(|| broken("the file ends where an element should begin"))?;
    let width = first.leading_zeros() as usize;
    if width >= 4 {
        return Err(broken("where an element should begin stands something else"));
    }
    let id_bytes = head.get(..=width).ok_or_else(|| broken("the file ends inside an element's id"))?;
    let id = id_bytes.iter().fold(0_u32, |v, b| v << 8 | u32::from(*b));
    let rest = head.get(id_bytes.len()..).unwrap_or_default();
    let (len, used) = number(rest).ok_or_else(|| broken("the length of the element cannot be read"))?;
    let start = at.saturating_add(id_bytes.len() as u64).saturating_add(used as u64);
    let (stop, open) = match len {
        Some(len) => (start.checked_add(len).filter(|stop| *stop <= end), false),
        None => (Some(end), true),
    };
    let stop = stop.ok_or_else(|| {
        let there = end.saturating_sub(start);
        broken(&format!("the element announces {} bytes, {there} are there", len.unwrap_or_default()))
            .at_place(format!("{id:X}"))
    })?;
    Ok(Element { id, range: at..stop, body: start..stop, open })
}

/// Elements of a range, one after the other; each takes one of the `parts` that may still be looked at.
///
/// # Errors
/// As [`element`]; `Malformed` for a length that is not known where it must be, `Limit` for too many.
pub fn list(source: &dyn Source, range: Range<u64>, parts: &mut usize) -> Result<Vec<Element>> {
    let mut out = Vec::new();
    let mut at = range.start;
    while at < range.end {
        take(parts, at)?;
        let e = element(source, at, range.end)?;
        if e.open {
            return Err(Error::malformed(FORMAT, "the length of an element inside another is not known")
                .at_offset(at));
        }
        at = e.range.end;
        out.push(e);
    }
    Ok(out)
}

/// Counts one element.
///
/// # Errors
/// `Limit`.
pub(crate) fn take(parts: &mut usize, at: u64) -> Result<()> {
    *parts = parts.checked_sub(1).ok_or_else(|| {
        Error::limit("the file has more elements than allowed").in_format(FORMAT).at_offset(at)
    })?;
    Ok(())
}

/// A variable-length number (4): its value, `None` where all bits are set, and how many bytes it takes.
fn number(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let width = (first.leading_zeros() as usize).checked_add(1).filter(|w| *w <= 8)?;
    let value = bytes.get(..width)?.iter().fold(0_u64, |v, b| v << 8 | u64::from(*b)) & all(width);
    Some(((value != all(width)).then_some(value), width))
}

/// All bits of a number of `width` bytes.
fn all(width: usize) -> u64 {
    u64::MAX >> 64_usize.saturating_sub(width.saturating_mul(7)).min(63)
}

/// The bytes of an id.
pub fn id_bytes(id: u32) -> Vec<u8> {
    let bytes = id.to_be_bytes();
    bytes.iter().copied().skip_while(|b| *b == 0).collect()
}

/// A length in `width` bytes (1 to 8); `None` where it does not fit.
pub fn length(len: u64, width: usize) -> Option<Vec<u8>> {
    if !(1..=8).contains(&width) || len >= all(width) {
        return None;
    }
    let marked = len | 1_u64 << width.saturating_mul(7);
    let bytes = marked.to_be_bytes();
    bytes.get(8_usize.saturating_sub(width)..).map(<[u8]>::to_vec)
}

/// A length in as few bytes as it takes, and at least `width`.
fn shortest(len: u64, width: usize) -> Vec<u8> {
    (width..=8).find_map(|w| length(len, w)).unwrap_or_default()
}

/// An element as bytes.
pub fn encode(id: u32, body: &[u8]) -> Vec<u8> {
    [id_bytes(id), shortest(body.len() as u64, 1), body.to_vec()].concat()
}

/// An unsigned number as an element, in as few bytes as it takes.
pub fn encode_uint(id: u32, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let skip = bytes.iter().take(7).take_while(|b| **b == 0).count();
    encode(id, bytes.get(skip..).unwrap_or_default())
}

/// Exactly `total` bytes that mean nothing; at least two.
pub fn void(total: u64) -> Vec<u8> {
    let (width, head) = if total <= 128 { (1, SHORTEST) } else { (8, 9) };
    let len = total.saturating_sub(head);
    let mut out = id_bytes(VOID);
    out.extend(length(len, width).unwrap_or_default());
    out.resize(out.len().saturating_add(len as usize), 0);
    out
}

/// An element that, with nothing behind it, takes exactly `total` bytes; `None` when it is longer.
pub fn filled(id: u32, body: &[u8], total: u64) -> Option<Vec<u8>> {
    let plain = encode(id, body);
    match total.checked_sub(plain.len() as u64)? {
        0 => Some(plain),
        // One byte cannot be void: the length takes it.
        1 => {
            let width = plain.len().saturating_sub(body.len()).saturating_sub(id_bytes(id).len());
            Some([id_bytes(id), length(body.len() as u64, width.saturating_add(1))?, body.to_vec()].concat())
        }
        rest => Some([plain, void(rest)].concat()),
    }
}

/// An unsigned number (7.2).
pub fn uint(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |v, b| v << 8 | u64::from(*b)))
}

/// A floating point number (7.3).
pub fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        0 => Some(0.0),
        4 => bytes.first_chunk().map(|b| f32::from_be_bytes(*b).into()),
        8 => bytes.first_chunk().map(|b| f64::from_be_bytes(*b)),
        _ => None,
    }
}

/// Text without what stands behind a closing zero (7.4, 7.5).
pub fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn rfc8794_4_4_lengths_are_written_as_the_examples_say() {
        assert_eq!(length(2, 1).unwrap(), [0x82]);
        assert_eq!(length(2, 2).unwrap(), [0x40, 0x02]);
        assert_eq!(length(127, 1), None, "all bits set is not a length");
        assert_eq!(length(127, 2).unwrap(), [0x40, 0x7f]);
        assert_eq!(number(&[0xff]).unwrap(), (None, 1));
        assert_eq!(number(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).unwrap(), (None, 8));
        assert_eq!(number(&[0x40, 0x02]).unwrap(), (Some(2), 2));
        assert_eq!(number(&[0]), None);
    }

    #[test]
    fn every_length_of_filling_is_met_exactly() {
        for total in 2..600 {
            let bytes = void(total);
            assert_eq!(bytes.len() as u64, total);
            assert_eq!(element(&bytes, 0, total).unwrap().range, 0..total);
        }
        let body = [7; 40];
        for total in 44..400 {
            let bytes = filled(0x1254_C367, &body, total).unwrap_or_default();
            if total < 45 {
                assert!(bytes.is_empty());
                continue;
            }
            let mut parts = 9;
            let all = list(&bytes, 0..total, &mut parts).unwrap();
            assert_eq!(all.last().unwrap().range.end, total);
            assert_eq!(all[0].body.end - all[0].body.start, 40);
        }
    }

    #[test]
    fn no_head_panics() {
        for first in 0..=255_u8 {
            for len in 0..12 {
                let bytes = vec![first; len];
                let _ = element(&bytes, 0, len as u64);
            }
        }
    }
}
