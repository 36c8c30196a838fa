//! Vorbis comments: the list of `NAME=value` texts that FLAC, Ogg Vorbis and Opus share.
//!
//! Source: Xiph.org, "Ogg Vorbis I format specification: comment field and header specification". Bytes that an edit
//! is not about are kept as they are, also values that are not UTF-8 and what follows the list.

use colophon_core::{Error, Limits, Result};

const FORMAT: &str = "vorbis comment";

/// A parsed list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    /// Name of the program that encoded the sound.
    pub vendor: Vec<u8>,
    /// The entries, `NAME=value`.
    pub entries: Vec<Vec<u8>>,
    /// What stands behind the list: the framing bit of Vorbis, binary data of Opus.
    pub rest: Vec<u8>,
}

/// Splits an entry into its name and its value.
pub fn split(entry: &[u8]) -> Option<(&str, &[u8])> {
    let at = entry.iter().position(|b| *b == b'=')?;
    Some((std::str::from_utf8(entry.get(..at)?).ok()?, entry.get(at.checked_add(1)?..)?))
}

/// Whether an entry has this name; case does not matter.
pub fn is_named(entry: &[u8], name: &str) -> bool {
    split(entry).is_some_and(|(n, _)| n.eq_ignore_ascii_case(name))
}

impl Comments {
    /// Reads a list.
    ///
    /// # Errors
    /// `Malformed` when a length reaches past the end; `Limit` for too many entries.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let mut rest = bytes;
        let vendor = take(&mut rest)?.to_vec();
        let count = number(&mut rest)?;
        if count as usize > limits.parts {
            return Err(
                Error::limit(format!("{count} comments, {} are allowed", limits.parts)).in_format(FORMAT)
            );
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(take(&mut rest)?.to_vec());
        }
        Ok(Self { vendor, entries, rest: rest.to_vec() })
    }

    /// The list as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |bytes: &[u8]| {
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        };
        put(&self.vendor);
        let mut list = Vec::new();
        for e in &self.entries {
            list.extend_from_slice(&(e.len() as u32).to_le_bytes());
            list.extend_from_slice(e);
        }
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        out.extend(list);
        out.extend_from_slice(&self.rest);
        out
    }

    /// Leaves exactly one entry of this name, with this value: in the place of the first one, else at the end.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        let entry = [name.as_bytes(), b"=", value].concat();
        let place = self.entries.iter().position(|e| is_named(e, name));
        match place.and_then(|i| self.entries.get_mut(i)) {
            Some(first) => *first = entry,
            None => self.entries.push(entry),
        }
        let mut seen = false;
        self.entries.retain(|e| !is_named(e, name) || !std::mem::replace(&mut seen, true));
    }
}

fn number(rest: &mut &[u8]) -> Result<u32> {
    let (head, tail) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| Error::malformed(FORMAT, "the list ends inside a length"))?;
    *rest = tail;
    Ok(u32::from_le_bytes(*head))
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let len = number(rest)? as usize;
    let (head, tail) = rest.split_at_checked(len).ok_or_else(|| {
        Error::malformed(FORMAT, format!("an entry announces {len} bytes, {} are there", rest.len()))
    })?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn set_leaves_one_entry_in_the_first_place() {
        let mut c = Comments {
            entries: [&b"TITLE=x"[..], b"aigc=old", b"odd \xff bytes", b"AIGC=second"]
                .map(<[u8]>::to_vec)
                .into(),
            ..Comments::default()
        };
        c.set("AIGC", b"{}");
        assert_eq!(c.entries, [&b"TITLE=x"[..], b"AIGC={}", b"odd \xff bytes"].map(<[u8]>::to_vec));
    }

    #[test]
    fn lengths_past_the_end_are_refused_before_anything_is_allocated() {
        let limits = Limits::default();
        assert!(Comments::parse(&[0xff; 8], &limits).is_err());
        assert!(Comments::parse(&[0, 0, 0, 0, 0xff, 0xff, 0, 0], &limits).is_err());
        assert!(Comments::parse(&[], &limits).is_err());
    }

    proptest! {
        #[test]
        fn parsing_and_encoding_are_inverse(
            vendor in prop::collection::vec(any::<u8>(), 0..20),
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..8),
            rest in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let c = Comments { vendor, entries, rest };
            prop_assert_eq!(Comments::parse(&c.encode(), &Limits::default()).unwrap(), c);
        }

        #[test]
        fn any_bytes_parse_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(c) = Comments::parse(&bytes, &Limits::default()) {
                prop_assert_eq!(c.encode(), bytes);
            }
        }
    }
}
