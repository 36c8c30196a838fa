//! Script values in the first version of the action message format.

use std::ops::Range;

use colophon_core::{Error, Limits, Result};

use super::FORMAT;

// Markers ("Action Message Format AMF0", 2.1).
const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const REFERENCE: u8 = 7;
const ECMA_ARRAY: u8 = 8;
const STRICT_ARRAY: u8 = 10;
const DATE: u8 = 11;
const LONG_STRING: u8 = 12;
/// An empty name and the marker of the end.
const END: [u8; 3] = [0, 0, 9];

/// A value, as far as anybody here asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Text(Vec<u8>),
    Other,
}

/// A name with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) value: Value,
    /// Both, in the script's data.
    pub(super) range: Range<usize>,
}

/// A script: a name and a list of members.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) members: Vec<Member>,
    /// The second value is a list; members can be added.
    pub(super) listed: bool,
    /// Where the list counts its members; objects do not.
    count: Option<usize>,
    /// Behind the last member.
    end: usize,
    /// Positions of key pictures: where each number stands, and its value.
    pub(super) positions: Vec<(usize, f64)>,
    /// Length of the file as stated: where, and its value.
    pub(super) file_size: Option<(usize, f64)>,
}

impl Script {
    pub(super) fn get(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// The data without some members and with others behind the rest.
    pub(super) fn rewritten(&self, data: &[u8], dropped: &[usize], added: &[u8], count: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(data.len().saturating_add(added.len()));
        let mut at = 0;
        for (_, m) in self.members.iter().enumerate().filter(|(i, _)| dropped.contains(i)) {
            out.extend_from_slice(data.get(at..m.range.start).unwrap_or_default());
            at = m.range.end;
        }
        out.extend_from_slice(data.get(at..self.end).unwrap_or_default());
        out.extend_from_slice(added);
        out.extend_from_slice(data.get(self.end..).unwrap_or_default());
        if let Some(place) = self.count.and_then(|c| out.get_mut(c..c.saturating_add(4))) {
            let old = place.first_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b));
            let new = old.saturating_add(count).saturating_sub(dropped.len() as u32);
            place.copy_from_slice(&new.to_be_bytes());
        }
        out
    }
}

/// Reads the data of a script tag.
///
/// # Errors
/// `Malformed`, `Limit`.
pub(super) fn script(data: &[u8], limits: &Limits) -> Result<Script> {
    let mut r = Reader { data, at: 0, depth: limits.depth, left: limits.parts };
    if r.u8()? != STRING {
        return Err(r.broken("a script without a name"));
    }
    let mut script = Script { name: String::from_utf8_lossy(r.short()?).into_owned(), ..Script::default() };
    match r.data.get(r.at) {
        Some(&ECMA_ARRAY) => {
            script.count = Some(r.at.saturating_add(1));
            r.take(5)?;
        }
        Some(&OBJECT) => {
            r.take(1)?;
        }
        _ => return Ok(script),
    }
    script.listed = true;
    loop {
        script.end = r.at;
        // Some writers leave the end out.
        if r.at == data.len() || r.ends()? {
            break;
        }
        let start = r.at;
        let name = String::from_utf8_lossy(r.short()?).into_owned();
        let at = r.at;
        let value = if name == "keyframes" { r.keyframes(&mut script.positions)? } else { r.value(0)? };
        if let ("filesize", Value::Number(n)) = (name.as_str(), &value) {
            script.file_size = Some((at.saturating_add(1), *n));
        }
        script.members.push(Member { name, value, range: start..r.at });
    }
    Ok(script)
}

/// A text under a name.
///
/// # Errors
/// `Limit` for names of 64 KiB and texts of 4 GiB.
pub(super) fn member(name: &str, value: &[u8]) -> Result<Vec<u8>> {
    let long = |_| Error::limit("the text is too long for a script value").in_format(FORMAT);
    let mut out = u16::try_from(name.len()).map_err(long)?.to_be_bytes().to_vec();
    out.extend_from_slice(name.as_bytes());
    if let Ok(len) = u16::try_from(value.len()) {
        out.push(STRING);
        out.extend(len.to_be_bytes());
    } else {
        out.push(LONG_STRING);
        out.extend(u32::try_from(value.len()).map_err(long)?.to_be_bytes());
    }
    out.extend_from_slice(value);
    Ok(out)
}

/// A script with one member.
pub(super) fn fresh(name: &str, member: &[u8]) -> Vec<u8> {
    let len = (name.len() as u16).to_be_bytes();
    [&[STRING], len.as_slice(), name.as_bytes(), &[ECMA_ARRAY, 0, 0, 0, 1], member, &END].concat()
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    depth: usize,
    left: usize,
}

impl<'a> Reader<'a> {
    fn broken(&self, why: &str) -> Error {
        Error::malformed(FORMAT, why).at_place("script data").at_offset(self.at as u64)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self.at.saturating_add(n);
        let bytes = self.data.get(self.at..end).ok_or_else(|| self.broken("the data ends inside a value"))?;
        self.at = end;
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?.first().copied().unwrap_or(0))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(self.take(4)?.first_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b)))
    }

    fn short(&mut self) -> Result<&'a [u8]> {
        let len = self.take(2)?.first_chunk::<2>().map_or(0, |b| u16::from_be_bytes(*b));
        self.take(len.into())
    }

    /// Steps over the end of a list where it stands.
    fn ends(&mut self) -> Result<bool> {
        let end = self.data.get(self.at..self.at.saturating_add(3)) == Some(&END);
        if end {
            self.take(3)?;
        }
        Ok(end)
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > self.depth {
            return Err(Error::limit("script values are nested deeper than allowed").in_format(FORMAT));
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Error::limit("the script has more values than allowed").in_format(FORMAT))?;
        Ok(match self.u8()? {
            NUMBER => {
                let bytes = self.take(8)?.first_chunk::<8>().copied().unwrap_or_default();
                Value::Number(f64::from_be_bytes(bytes))
            }
            STRING => Value::Text(self.short()?.to_vec()),
            LONG_STRING => {
                let len = self.u32()?;
                Value::Text(self.take(len as usize)?.to_vec())
            }
            kind @ (OBJECT | ECMA_ARRAY) => {
                if kind == ECMA_ARRAY {
                    self.take(4)?;
                }
                while self.at < self.data.len() && !self.ends()? {
                    self.short()?;
                    self.value(depth.saturating_add(1))?;
                }
                Value::Other
            }
            STRICT_ARRAY => {
                for _ in 0..self.u32()? {
                    self.value(depth.saturating_add(1))?;
                }
                Value::Other
            }
            BOOLEAN => self.other(1)?,
            REFERENCE => self.other(2)?,
            DATE => self.other(10)?,
            NULL | UNDEFINED => Value::Other,
            _ => return Err(self.broken("a script value of an unknown kind")),
        })
    }

    fn other(&mut self, len: usize) -> Result<Value> {
        self.take(len).map(|_| Value::Other)
    }

    /// The index of key pictures: an object with lists of numbers, of which one holds positions in the file.
    fn keyframes(&mut self, positions: &mut Vec<(usize, f64)>) -> Result<Value> {
        if self.data.get(self.at) != Some(&OBJECT) {
            return self.value(0);
        }
        self.take(1)?;
        while self.at < self.data.len() && !self.ends()? {
            let name = self.short()?;
            if name != b"filepositions" || self.data.get(self.at) != Some(&STRICT_ARRAY) {
                self.value(1)?;
                continue;
            }
            self.take(1)?;
            for _ in 0..self.u32()? {
                let at = self.at.saturating_add(1);
                if let Value::Number(n) = self.value(2)? {
                    positions.push((at, n));
                }
            }
        }
        Ok(Value::Other)
    }
}
