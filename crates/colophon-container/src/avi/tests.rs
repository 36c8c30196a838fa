//! Behaviour on files built chunk by chunk: indexes of both versions, long files, hostile ones.

use proptest::prelude::*;

use super::walk::number;
use super::*;
use colophon_core::ErrorKind;

fn list(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    encode(*b"LIST", &[kind.as_slice(), &parts.concat()].concat()).unwrap()
}

fn chunk(id: &[u8; 4], data: &[u8]) -> Vec<u8> {
    encode(*id, data).unwrap()
}

fn form(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[kind.as_slice(), &parts.concat()].concat())
}

/// An index of OpenDML: of indexes (kind 0) or of media (kind 1).
fn index(kind: u8, count: u32, tail: &[u8]) -> Vec<u8> {
    [&[4, 0, 0, kind], count.to_le_bytes().as_slice(), b"00dc", tail].concat()
}

/// A long file: a form of headers and media, another with more media, and indexes that count from the start of the file.
/// The old index counts from there as well.
fn long(junk: usize) -> Vec<u8> {
    let build = |movi: u64, more: u64| {
        let entries: Vec<u8> = [(movi + 12 + 12), (more + 24 + 12)]
            .iter()
            .flat_map(|at| {
                [at.to_le_bytes().as_slice(), &48_u32.to_le_bytes(), &1_u32.to_le_bytes()].concat()
            })
            .collect();
        let of_indexes = index(0, 2, &[&[0; 12], entries.as_slice()].concat());
        let of_media = |base: u64| {
            let tail = [base.to_le_bytes().as_slice(), &[0; 4], &[8, 0, 0, 0, 4, 0, 0, 0], &[0; 8]].concat();
            chunk(b"ix00", &index(1, 1, &tail))
        };
        let mut strh = vec![0; 56];
        strh[..4].copy_from_slice(b"vids");
        strh[20..24].copy_from_slice(&1_u32.to_le_bytes());
        strh[24..28].copy_from_slice(&25_u32.to_le_bytes());
        strh[32..36].copy_from_slice(&50_u32.to_le_bytes());
        let mut strf = vec![0; 40];
        strf[4..8].copy_from_slice(&320_u32.to_le_bytes());
        strf[8..12].copy_from_slice(&(-240_i32).to_le_bytes());
        let strl =
            list(b"strl", &[chunk(b"strh", &strh), chunk(b"strf", &strf), chunk(b"indx", &of_indexes)]);
        let old =
            [b"00dc".as_slice(), &[16, 0, 0, 0], &(movi as u32 + 12).to_le_bytes(), &[4, 0, 0, 0]].concat();
        let mut parts = vec![list(b"hdrl", &[chunk(b"avih", &[0; 56]), strl])];
        if junk > 0 {
            parts.push(chunk(b"JUNK", &vec![0; junk]));
        }
        parts.push(list(b"movi", &[chunk(b"00dc", b"one."), of_media(movi)]));
        parts.push(chunk(b"idx1", &old));
        let second = form(b"AVIX", &[list(b"movi", &[chunk(b"00dc", b"two."), of_media(more)])]);
        [form(b"AVI ", &parts), second].concat()
    };
    let draft = build(0, 0);
    let at = |what: &[u8]| draft.windows(4).position(|w| w == what).unwrap() as u64;
    build(at(b"movi") - 8, at(b"AVIX") - 8)
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
    let all = entries(&bytes, &opened(bytes), "AIGC", &Limits::default()).unwrap();
    all.into_iter().filter(|e| e.slot == Slot::Field).collect()
}

/// Every position leads where it says.
fn indexes_hold(bytes: &[u8]) {
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let indx = bytes.windows(4).position(|w| w == b"indx").unwrap() + 8;
    for i in 0..2 {
        let to = u64_at(indx + 24 + 16 * i);
        assert_eq!(&bytes[to..to + 4], b"ix00", "entry {i} of the index of indexes");
        let base = u64_at(to + 8 + 12);
        assert!(bytes[base..base + 4] == *b"LIST" || bytes[base..base + 4] == *b"RIFF", "base {i}");
    }
    let idx1 = bytes.windows(4).position(|w| w == b"idx1").unwrap() + 8;
    let to = number(bytes, idx1 + 8).unwrap() as usize;
    assert_eq!(&bytes[to..to + 4], b"00dc", "the old index");
    assert_eq!(&bytes[to + 8..to + 12], b"one.");
    let size = number(bytes, 4).unwrap() as usize + 8;
    assert_eq!(&bytes[size..size + 4], b"RIFF", "the second form follows the first");
}

proptest! {
    #[test]
    fn every_position_of_a_long_file_stays_right(junk in 0_usize..400, len in 0_usize..600, more in 0_usize..600) {
        let bytes = long(junk / 2 * 2);
        indexes_hold(&bytes);
        let mut out = bytes.clone();
        for value in ["v".repeat(len), "w".repeat(more)] {
            out = edited(&out, &[set(&value), Edit::set(Slot::Jumbf, "c2pa", value.as_bytes())]);
            indexes_hold(&out);
            let found = fields(&out);
            prop_assert_eq!(found.len(), 1);
            prop_assert!(found[0].normative && found[0].value == value.as_bytes());
            let media = |b: &[u8]| -> Vec<u8> {
                opened(b).media().iter().flat_map(|r| b[r.start as usize + 8..r.end as usize].to_vec()).collect()
            };
            prop_assert_eq!(media(&bytes), media(&out));
        }
        let range = fields(&out)[0].range.clone();
        let gone = edited(&out, &[Edit::Remove { range }]);
        prop_assert!(fields(&gone).is_empty());
        indexes_hold(&gone);
    }

    #[test]
    fn hostile_bytes_never_panic(at in 0_usize..2000, value in any::<u8>(), cut in 0_usize..500) {
        let mut bytes = long(20);
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(bytes.len() - cut.min(bytes.len() / 2));
        if let Ok(file) = open(&bytes, &Limits::default())
            && let Ok(patch) = edit(&bytes, &file, &[set("x")], &Limits::default())
        {
            let _ = patch.apply_to_vec(&bytes);
        }
    }
}

#[test]
fn headers_say_size_and_duration() {
    let facts = opened(&long(0)).facts;
    assert_eq!((facts.dimensions, facts.duration_s), (Some((320, 240)), Some(2.0)));
}

#[test]
fn the_place_of_sound_files_is_read_and_replaced() {
    let bytes = form(b"AVI ", &[list(b"hdrl", &[]), list(b"movi", &[]), chunk(b"AIGC", b"old")]);
    let found = fields(&bytes);
    assert_eq!((found.len(), found[0].normative), (1, false));
    let out = edited(&bytes, &[set("new")]);
    let found = fields(&out);
    assert_eq!((found.len(), found[0].normative, found[0].value.as_slice()), (1, true, b"new".as_slice()));
}

#[test]
fn hostile_files_give_named_errors() {
    let bytes = long(0);
    assert_eq!(open(&&b"RIFF\0\0\0\0WAVE"[..], &Limits::default()).unwrap_err().kind(), ErrorKind::Malformed);
    let few = Limits { parts: 1, ..Limits::default() };
    assert_eq!(open(&bytes, &few).unwrap_err().kind(), ErrorKind::Limit);
    let small = Limits { metadata_bytes: 2, ..Limits::default() };
    let marked = edited(&bytes, &[set("long")]);
    assert_eq!(entries(&marked, &opened(&marked), "AIGC", &small).unwrap_err().kind(), ErrorKind::Limit);
}
