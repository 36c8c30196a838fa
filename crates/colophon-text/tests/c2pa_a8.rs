//! C2PA A.8 against vectors of another implementation: wrappers, the ranges the hard binding leaves out, the digest of what
//! remains, and which broken, doubled and padded wrappers are refused with which status code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use colophon_text::carrier::a8::{A8Search, encode, encoded_len, locate};
use serde_json::Value;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/c2pa_a8.json")).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Start, length and payload where the vectors say that a manifest is found.
fn expected(extract: &Value) -> Option<(usize, usize, Vec<u8>)> {
    let number = |name: &str| usize::try_from(extract[name].as_u64().unwrap()).unwrap();
    extract["ok"]
        .as_bool()
        .unwrap()
        .then(|| (number("start"), number("length"), hex(extract["payload_hex"].as_str().unwrap())))
}

fn found(text: &str) -> Option<(usize, usize, Vec<u8>)> {
    match locate(text) {
        A8Search::One { range, store } => Some((range.start, range.len(), store)),
        _ => None,
    }
}

#[test]
fn padded_wrappers_are_written_bit_for_bit() {
    let all = vectors();
    let cases = all["embed"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let payload = hex(case["payload_hex"].as_str().unwrap());
        let host = case["host"].as_str().unwrap();
        assert_eq!(format!("{host}{}", encode(&payload)), case["embedded_padded"].as_str().unwrap());
        assert_eq!(encoded_len(payload.len()) as u64, case["padded_wrapper_len"].as_u64().unwrap());
    }
}

#[test]
fn wrappers_with_and_without_padding_are_read_and_the_rest_hashes_alike() {
    for case in vectors()["embed"].as_array().unwrap() {
        let payload = hex(case["payload_hex"].as_str().unwrap());
        for (name, length) in [("embedded", None), ("embedded_padded", case["padded_wrapper_len"].as_u64())] {
            let text = case[name].as_str().unwrap();
            let (start, found_length, store) = found(text).expect(name);
            assert_eq!(store, payload);
            assert_eq!(start, case["host"].as_str().unwrap().len());
            if let Some(length) = length {
                assert_eq!(found_length as u64, length);
                assert_eq!([start as u64, length], [0, 1].map(|i| case["exclusion"][i].as_u64().unwrap()));
            }
            let rest: String = [&text[..start], &text[start + found_length..]].concat().nfc().collect();
            assert_eq!(Sha256::digest(rest)[..], hex(case["hash_hex"].as_str().unwrap()), "NFC of the host");
        }
    }
}

#[test]
fn broken_doubled_and_misplaced_wrappers_have_the_status_code_of_the_specification() {
    let all = vectors();
    let cases = all["locate"].as_array().unwrap();
    assert!(cases.len() >= 40);
    for case in cases {
        let (name, text) = (case["name"].as_str().unwrap(), case["text"].as_str().unwrap());
        assert_eq!(found(text), expected(&case["extract"]), "{name}");
        let code = match locate(text) {
            A8Search::Malformed { .. } => Some("manifest.text.corruptedWrapper"),
            A8Search::Several => Some("manifest.text.multipleWrappers"),
            A8Search::None | A8Search::One { .. } => None,
        };
        assert_eq!(code, case["extract"]["code"].as_str(), "{name}");
    }
}
