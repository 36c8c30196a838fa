//! Unstructured text: a manifest store in variation selectors (C2PA 2.5, A.8).
//!
//! A wrapper is `C2PATXT\0`, a version byte, the store's length (u32, big-endian) and the store. Each byte becomes one
//! variation selector: 0–15 are U+FE00–U+FE0F, 16–255 are U+E0100–U+E01EF. U+FEFF stands right before the run.
//!
//! A selector of a low byte takes three bytes of UTF-8, one of a high byte four, so the run is padded to a length that
//! depends on the store's length alone: signing can reserve the place before the store is known.

use std::ops::Range;

/// First bytes of a wrapper.
const MAGIC: &[u8; 8] = b"C2PATXT\0";
/// The only version.
const VERSION: u8 = 1;
/// Magic, version, length.
const HEADER: usize = 13;
/// Longest store that is decoded, in bytes.
const MAX_STORE: usize = 64 << 20;

/// What a search for a wrapper found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum A8Search {
    /// Nothing that claims to be a wrapper.
    None,
    /// Exactly one.
    One {
        /// Bytes of the text from U+FEFF to the end of the run, padding included.
        range: Range<usize>,
        /// The manifest store.
        store: Vec<u8>,
    },
    /// One that starts as a wrapper and is broken (`manifest.text.corruptedWrapper`).
    Malformed {
        /// Bytes of the text from U+FEFF to the end of the run.
        range: Range<usize>,
        /// What is wrong.
        reason: &'static str,
    },
    /// More than one; none counts (`manifest.text.multipleWrappers`).
    Several,
}

/// Bytes of UTF-8 that the wrapper of a store of `len` bytes takes, whatever the store holds: U+FEFF, four bytes for
/// each byte of header and store, and six bytes so that the gap can always be filled.
pub fn encoded_len(len: usize) -> usize {
    3 + (HEADER + len) * 4 + 6
}

/// The wrapper of a store as text, [`encoded_len`] bytes long.
pub fn encode(store: &[u8]) -> String {
    let total = encoded_len(store.len());
    let mut out = String::with_capacity(total);
    out.push('\u{feff}');
    let length = u32::try_from(store.len()).unwrap_or(u32::MAX).to_be_bytes();
    for b in MAGIC.iter().chain(&[VERSION]).chain(&length).chain(store) {
        out.push(selector(*b));
    }
    // The gap g is filled by a selectors of three bytes and b of four with 3a + 4b = g and b = g mod 3: solvable for
    // every g ≥ 6.
    let gap = total - out.len();
    let long = gap % 3;
    for _ in 0..(gap - 4 * long) / 3 {
        out.push(selector(0));
    }
    for _ in 0..long {
        out.push(selector(16));
    }
    out
}

/// Looks for wrappers. Emoji selectors, byte order marks and runs without the magic are no wrappers.
pub fn locate(text: &str) -> A8Search {
    let mut result = A8Search::None;
    for (at, _) in text.match_indices('\u{feff}') {
        let run = &text[at + '\u{feff}'.len_utf8()..];
        let length = run.find(|c| byte(c).is_none()).unwrap_or(run.len());
        let mut bytes = run.get(..length).unwrap_or_default().chars().filter_map(byte);
        if !MAGIC.iter().all(|m| bytes.next() == Some(*m)) {
            continue;
        }
        let range = at..at + '\u{feff}'.len_utf8() + length;
        let found = match decode(&mut bytes) {
            Ok(store) => A8Search::One { range, store },
            Err(reason) => A8Search::Malformed { range, reason },
        };
        result = match (result, found) {
            (A8Search::One { .. }, A8Search::One { .. }) => return A8Search::Several,
            // A broken candidate beside a good one is ignored, as the specification asks.
            (one @ A8Search::One { .. }, _) => one,
            (_, found) => found,
        };
    }
    result
}

fn decode(bytes: &mut impl Iterator<Item = u8>) -> Result<Vec<u8>, &'static str> {
    if bytes.next() != Some(VERSION) {
        return Err("the version is not 1");
    }
    let mut length = [0; 4];
    for l in &mut length {
        *l = bytes.next().ok_or("the header ends early")?;
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_STORE {
        return Err("the announced length is over the limit");
    }
    let store: Vec<u8> = bytes.take(length).collect();
    if store.len() < length { Err("the store ends before its announced length") } else { Ok(store) }
}

/// The variation selector of a byte.
fn selector(b: u8) -> char {
    let code = if b < 16 { 0xfe00 + u32::from(b) } else { 0xe0100 + u32::from(b) - 16 };
    // Both blocks are assigned scalar values.
    char::from_u32(code).unwrap_or('\u{fe00}')
}

/// The byte of a variation selector.
fn byte(c: char) -> Option<u8> {
    match c as u32 {
        n @ 0xfe00..=0xfe0f => Some((n - 0xfe00) as u8),
        n @ 0xe0100..=0xe01ef => Some((n - 0xe0100 + 16) as u8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c2pa_a8_length_depends_on_the_length_alone() {
        for store in [vec![0; 100], vec![255; 100], (0..100).collect::<Vec<u8>>()] {
            assert_eq!(encode(&store).len(), encoded_len(100));
        }
    }

    #[test]
    fn c2pa_a8_two_wrappers_count_as_none() {
        let one = encode(b"abc");
        assert_eq!(locate(&format!("x{one}y{one}")), A8Search::Several);
    }

    #[test]
    fn c2pa_a8_broken_wrappers_are_named() {
        let one = encode(b"abcdef");
        let cut: String = one.chars().take(1 + HEADER + 3).collect();
        assert!(matches!(
            locate(&cut),
            A8Search::Malformed { reason: "the store ends before its announced length", .. }
        ));
        let header: String = one.chars().take(1 + 10).collect();
        assert!(matches!(locate(&header), A8Search::Malformed { .. }));
        // A broken one beside a good one is ignored.
        assert!(matches!(locate(&format!("{cut}x{one}")), A8Search::One { .. }));
    }

    #[test]
    fn c2pa_a8_emoji_selectors_and_byte_order_marks_are_no_wrapper() {
        assert_eq!(locate("\u{feff}Text \u{2764}\u{fe0f} \u{feff}\u{fe00}"), A8Search::None);
        assert_eq!(locate(""), A8Search::None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(
            store in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            before in "[a-z\u{4e00}-\u{4e10}\u{feff}]{0,20}",
            after in "[a-z ]{0,20}",
        ) {
            let wrapper = encode(&store);
            proptest::prop_assert_eq!(wrapper.len(), encoded_len(store.len()));
            let text = format!("{before}{wrapper}{after}");
            proptest::prop_assert_eq!(locate(&text), A8Search::One { range: before.len()..before.len() + wrapper.len(), store });
        }
    }
}
