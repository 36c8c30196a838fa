//! Core Audio Format: a header, then chunks with lengths of 64 bits (Apple, "Core Audio Format Specification 1.0").

use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};

/// Type of a chunk.
pub type Id = [u8; 4];

/// Bytes of the file header: `caff`, version, flags.
const HEADER: u64 = 8;
/// Bytes in front of a chunk's data: type and length.
const FRONT: u64 = 12;
/// Length of a data chunk that ends with the file.
const TO_THE_END: u64 = u64::MAX;

/// A chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its type.
    pub id: Id,
    /// All of it.
    pub range: Range<u64>,
    /// What it holds.
    pub data: Range<u64>,
    /// Whether its length says "to the end of the file".
    pub open: bool,
}

/// Lists the chunks of a file, in order.
///
/// # Errors
/// `Malformed` for another header and for chunks that reach behind the file; `Limit` for too many.
pub fn walk(source: &dyn Source, limits: &Limits) -> Result<Vec<Chunk>> {
    let head = source.bytes_up_to(0, HEADER)?;
    if head.get(..6) != Some(b"caff\0\x01") {
        return Err(Error::malformed("caf", "the file does not begin with caff and version 1").at_offset(0));
    }
    let mut chunks = Vec::new();
    let mut at = HEADER;
    while at < source.len() {
        let front = source.bytes_up_to(at, FRONT)?;
        let cut = || Error::malformed("caf", "the file ends inside the head of a chunk").at_offset(at);
        let id: Id = *front.first_chunk().ok_or_else(cut)?;
        let size = front.get(4..).and_then(<[u8]>::first_chunk).map(|b| u64::from_be_bytes(*b));
        let size = size.ok_or_else(cut)?;
        let start = at.saturating_add(FRONT);
        let open = id == *b"data" && size == TO_THE_END;
        let end = if open { Some(source.len()) } else { start.checked_add(size) };
        let end = end.filter(|end| *end <= source.len()).ok_or_else(|| {
            Error::malformed("caf", format!("the chunk announces {size} bytes, which are not there"))
                .at_place(name(id))
                .at_offset(at)
        })?;
        chunks.push(Chunk { id, range: at..end, data: start..end, open });
        if chunks.len() > limits.parts {
            return Err(Error::limit("more chunks than allowed").in_format("caf").at_offset(at));
        }
        at = end;
    }
    Ok(chunks)
}

/// A chunk's type as it is shown.
pub fn name(id: Id) -> String {
    id.escape_ascii().to_string()
}

/// A chunk of this content.
pub fn encode(id: Id, data: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend((data.len() as u64).to_be_bytes());
    out.extend_from_slice(data);
    out
}

/// A value of an information chunk: a key, a value, and where both stand in the chunk's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Information {
    /// `title`, `artist`, …; case matters.
    pub key: String,
    /// The text.
    pub value: Vec<u8>,
    /// Both strings with their terminators, from the start of the chunk's data.
    pub range: Range<usize>,
}

/// The values of an information chunk: a count, then key and value, each ended by a zero byte. What is cut off is left out.
pub fn information(data: &[u8]) -> Vec<Information> {
    let count = data.first_chunk().map_or(0, |b| u32::from_be_bytes(*b));
    let mut values = Vec::new();
    let mut at = 4;
    let string = |from: usize| {
        let rest = data.get(from..)?;
        let len = rest.iter().position(|b| *b == 0)?;
        rest.get(..len).map(|s| (s.to_vec(), from.saturating_add(len).saturating_add(1)))
    };
    for _ in 0..count {
        let Some((key, behind)) = string(at) else { break };
        let Some((value, end)) = string(behind) else { break };
        values.push(Information { key: String::from_utf8_lossy(&key).into_owned(), value, range: at..end });
        at = end;
    }
    values
}

/// The data of an information chunk.
pub fn encode_information<'a>(values: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut out = vec![0; 4];
    let mut count = 0_u32;
    for (key, value) in values {
        for text in [key, value] {
            out.extend(text.iter().copied().filter(|b| *b != 0));
            out.push(0);
        }
        count = count.saturating_add(1);
    }
    if let Some(head) = out.first_chunk_mut() {
        *head = count.to_be_bytes();
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let mut out = b"caff\0\x01\0\0".to_vec();
        out.extend(chunks.concat());
        out
    }

    #[test]
    fn the_sound_may_go_on_to_the_end_of_the_file() {
        let mut open = b"data".to_vec();
        open.extend([0xff; 8]);
        open.extend([0, 0, 0, 0, 1, 2, 3]);
        let bytes = file(&[encode(*b"desc", &[0; 32]), open]);
        let chunks = walk(&bytes, &Limits::default()).unwrap();
        assert_eq!(chunks.len(), 2);
        let last = chunks.last().unwrap();
        assert!(last.open);
        assert_eq!(last.data.end, bytes.len() as u64);
    }

    #[test]
    fn a_chunk_longer_than_the_file_is_named() {
        let mut bytes = file(&[encode(*b"desc", &[0; 32])]);
        bytes.truncate(20);
        let e = walk(&bytes, &Limits::default()).unwrap_err().to_string();
        assert!(e.contains("desc") && e.contains("32"), "{e}");
        assert!(walk(&b"RIFF".as_slice(), &Limits::default()).is_err());
    }

    proptest! {
        #[test]
        fn information_round_trips(values in prop::collection::vec(("[^\0]{0,9}", "[^\0]{0,20}"), 0..6)) {
            let data = encode_information(values.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())));
            let text = |i: Information| (i.key, String::from_utf8(i.value).unwrap());
            let read: Vec<_> = information(&data).into_iter().map(text).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn noise_is_walked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = walk(&bytes, &Limits::default());
            let _ = information(&bytes);
            let _ = walk(&file(&[bytes]), &Limits::default());
        }
    }
}
