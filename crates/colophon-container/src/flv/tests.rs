//! Behaviour on files built tag by tag.

use proptest::prelude::*;

use super::*;
use colophon_core::ErrorKind;

const HEADER: [u8; 13] = [b'F', b'L', b'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0];

fn tag(kind: u8, data: &[u8]) -> Vec<u8> {
    encoded(&[kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], data).unwrap()
}

fn number(name: &str, value: f64) -> Vec<u8> {
    [&(name.len() as u16).to_be_bytes(), name.as_bytes(), &[0], &value.to_be_bytes()].concat()
}

/// A file whose metadata holds these members, with an index that points at two tags of video.
fn built(members: &[Vec<u8>]) -> Vec<u8> {
    let build = |first: f64, second: f64, size: f64| {
        let list = [first, second].map(|n| [&[0], n.to_be_bytes().as_slice()].concat()).concat();
        let keyframes =
            [b"\0\x09keyframes\x03\0\x0dfilepositions\x0a\0\0\0\x02".as_slice(), &list, &[0, 0, 9]].concat();
        let all = [members.concat(), keyframes, number("filesize", size)].concat();
        let count = (members.len() as u32 + 2).to_be_bytes();
        let script = [b"\x02\0\x0aonMetaData\x08".as_slice(), &count, &all, &[0, 0, 9]].concat();
        [HEADER.to_vec(), tag(18, &script), tag(9, b"\x17first"), tag(8, b"\xafsound"), tag(9, b"\x17second")]
            .concat()
    };
    let draft = build(0.0, 0.0, 0.0);
    let at = |what: &[u8]| draft.windows(what.len()).position(|w| w == what).unwrap() as f64 - 12.0;
    build(at(b"first"), at(b"second"), draft.len() as f64)
}

fn opened(bytes: &[u8]) -> File {
    open(&bytes, &Limits::default()).unwrap()
}

fn edited(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    edit(&bytes, &opened(bytes), edits, &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap()
}

fn set(value: &str) -> Edit {
    Edit::set(Slot::Field, "AIGC", value)
}

fn fields(bytes: &[u8]) -> Vec<Entry> {
    entries(&opened(bytes), "AIGC").into_iter().filter(|e| e.slot == Slot::Field).collect()
}

/// The index points at tags of video, the lengths behind the tags and of the file are right, members are counted.
fn holds(bytes: &[u8]) {
    let file = opened(bytes);
    let (_, script) = file.scripts.iter().find(|(_, s)| s.name == METADATA).unwrap();
    for (_, to) in &script.positions {
        assert!(file.tags.iter().any(|t| t.kind == VIDEO && t.range.start == *to as u64), "{to}");
    }
    assert_eq!(script.file_size.unwrap().1, bytes.len() as f64);
    for t in &file.tags {
        let back = &bytes[t.data.end as usize..t.range.end as usize];
        assert_eq!(u32::from_be_bytes(back.try_into().unwrap()) as u64, t.data.end - t.range.start);
    }
    let at = bytes.windows(11).position(|w| w == b"onMetaData\x08").unwrap() + 11;
    assert_eq!(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize, script.members.len());
}

proptest! {
    #[test]
    fn the_index_and_every_length_stay_right(len in 0_usize..70_000, more in 0_usize..300, xmp in any::<bool>()) {
        let bytes = built(&[amf::member("title", b"tide").unwrap(), amf::member("aigc_old", b"o").unwrap()]);
        holds(&bytes);
        let mut out = bytes.clone();
        for value in ["v".repeat(len), "w".repeat(more)] {
            let mut edits = vec![set(&value)];
            if xmp {
                edits.push(Edit::set(Slot::Xmp, "xmp", value.as_bytes()));
            }
            out = edited(&out, &edits);
            holds(&out);
            let found = fields(&out);
            prop_assert_eq!(found.len(), 1);
            prop_assert!(found[0].normative && found[0].value == value.as_bytes());
            prop_assert_eq!(&edited(&out, &edits), &out);
        }
        let range = fields(&out)[0].range.clone();
        let gone = edited(&out, &[Edit::Remove { range }]);
        prop_assert!(fields(&gone).is_empty());
        holds(&gone);
    }

    #[test]
    fn hostile_bytes_never_panic(at in 0_usize..2000, value in any::<u8>(), cut in 0_usize..200) {
        let mut bytes = built(&[amf::member("AIGC", b"{}").unwrap()]);
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(bytes.len() - cut.min(bytes.len() / 2));
        if let Ok(file) = open(&bytes, &Limits::default()) {
            let _ = file.facts(&bytes);
            if let Ok(patch) = edit(&bytes, &file, &[set("x")], &Limits::default()) {
                let _ = patch.apply_to_vec(&bytes);
            }
        }
    }
}

#[test]
fn a_file_without_a_metadata_script_gets_one_in_front() {
    let bytes = [HEADER.to_vec(), tag(9, b"\x17first")].concat();
    let out = edited(&bytes, &[set("v")]);
    assert_eq!((fields(&out).len(), opened(&out).tags[0].kind), (1, SCRIPT));
    assert_eq!(out[out.len() - 21..], bytes[13..]);
}

#[test]
fn values_in_other_scripts_are_read_and_replaced() {
    let cue =
        [b"\x02\0\x0aonCuePoint\x03".as_slice(), &amf::member("AIGC", b"c").unwrap(), &[0, 0, 9]].concat();
    let bytes = [HEADER.to_vec(), tag(18, &cue), tag(9, b"\x17first")].concat();
    let found = fields(&bytes);
    assert_eq!((found.len(), found[0].normative), (1, false));
    let out = edited(&bytes, &[set("v")]);
    let found = fields(&out);
    assert_eq!((found.len(), found[0].normative), (1, true));
}

#[test]
fn hostile_files_give_named_errors() {
    let bytes = built(&[]);
    assert_eq!(open(&&b"FLX"[..], &Limits::default()).unwrap_err().kind(), ErrorKind::Malformed);
    let few = Limits { parts: 1, ..Limits::default() };
    assert_eq!(open(&bytes, &few).unwrap_err().kind(), ErrorKind::Limit);
    let small = Limits { metadata_bytes: 2, ..Limits::default() };
    assert_eq!(open(&bytes, &small).unwrap_err().kind(), ErrorKind::Limit);
    let big = "x".repeat(1 << 24);
    let patch =
        edit(&bytes, &opened(&bytes), &[set(&big)], &Limits { metadata_bytes: 1 << 30, ..Limits::default() });
    assert_eq!(patch.unwrap_err().kind(), ErrorKind::Limit, "24 bits of length");
    let mut deep = b"\x02\0\x0aonMetaData\x08\0\0\0\x01\0\x01a".to_vec();
    for _ in 0..100 {
        deep.extend(b"\x03\0\x01a");
    }
    let deep = [HEADER.to_vec(), tag(18, &deep)].concat();
    assert_eq!(open(&deep, &Limits::default()).unwrap_err().kind(), ErrorKind::Limit);
}
