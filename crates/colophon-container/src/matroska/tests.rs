//! Behaviour of the walker and the editor on files built element by element.

use proptest::prelude::*;

use super::*;
use crate::ebml::{encode, encode_uint, id_bytes, length, void};
use colophon_core::{Edit, ErrorKind, Patch};

const AIGC: &str = r#"{"Label":"1"}"#;

/// What a built file is like.
#[derive(Clone, Debug)]
struct Shape {
    /// Void behind the seek head.
    room: u64,
    /// Tags in front of the media, with so many bytes of text; none.
    tags: Option<usize>,
    /// Void behind the tags.
    gap: u64,
    /// Tags behind the media as well.
    late: bool,
    /// Cues at the end.
    cues: bool,
    /// Clusters of unknown length.
    live: bool,
    /// Bytes of the segment's length; 0: not known.
    width: usize,
    seek: bool,
    checked: bool,
}

const PLAIN: Shape = Shape {
    room: 60,
    tags: Some(20),
    gap: 0,
    late: false,
    cues: true,
    live: false,
    width: 8,
    seek: true,
    checked: false,
};

fn simple(name: &str, value: &str) -> Vec<u8> {
    encode(SIMPLE_TAG, &[encode(TAG_NAME, name.as_bytes()), encode(TAG_STRING, value.as_bytes())].concat())
}

fn tag_of(targets: &[u8], inner: &[Vec<u8>]) -> Vec<u8> {
    encode(TAG, &[encode(TARGETS, targets), inner.concat()].concat())
}

fn built(shape: &Shape) -> Vec<u8> {
    let checked = |body: Vec<u8>| {
        if shape.checked {
            [encode(ebml::CRC32, &crc32fast::hash(&body).to_le_bytes()), body].concat()
        } else {
            body
        }
    };
    let tags = |n: usize| encode(TAGS, &checked(tag_of(&[], &[simple("TITLE", &"t".repeat(n))])));
    let mut parts: Vec<(u32, Vec<u8>)> = Vec::new();
    parts.push((INFO, encode(INFO, &encode_uint(TIMESTAMP_SCALE, 1_000_000))));
    parts.push((TRACKS, encode(TRACKS, &encode(TRACK_ENTRY, &encode_uint(TRACK_TYPE, 1)))));
    if let Some(n) = shape.tags {
        parts.push((TAGS, tags(n)));
        if shape.gap >= 2 {
            parts.push((ebml::VOID, void(shape.gap)));
        }
    }
    for i in 0..3_u8 {
        let body = [encode_uint(0xE7, i.into()), encode(0xA3, &[i; 30])].concat();
        let open = [id_bytes(CLUSTER), vec![0x01, 255, 255, 255, 255, 255, 255, 255], body.clone()].concat();
        parts.push((CLUSTER, if shape.live { open } else { encode(CLUSTER, &body) }));
    }
    if shape.cues {
        parts.push((CUES, encode(CUES, &[])));
    }
    if shape.late {
        parts.push((TAGS, tags(5)));
    }
    // Positions count with eight bytes each, so that the head's length is known before them.
    let seek = |id: u32, at: u64| {
        let at = encode(SEEK_POSITION, &at.to_be_bytes());
        encode(SEEK, &[encode(SEEK_ID, &id_bytes(id)), at].concat())
    };
    let listed: Vec<usize> =
        (0..parts.len()).filter(|i| !matches!(parts[*i].0, CLUSTER | ebml::VOID)).collect();
    let head = |start: u64| {
        let at = |i: usize| start + parts[..i].iter().map(|(_, b)| b.len() as u64).sum::<u64>();
        encode(SEEK_HEAD, &checked(listed.iter().flat_map(|i| seek(parts[*i].0, at(*i))).collect()))
    };
    let mut front = Vec::new();
    if shape.seek {
        let room = if shape.room >= 2 { void(shape.room) } else { Vec::new() };
        let len = (head(0).len() + room.len()) as u64;
        front = [head(len), room].concat();
    }
    let body: Vec<u8> = front.into_iter().chain(parts.into_iter().flat_map(|(_, b)| b)).collect();
    let size = match shape.width {
        0 => vec![0x01, 255, 255, 255, 255, 255, 255, 255],
        w => length(body.len() as u64, w.max(2)).unwrap(),
    };
    [encode(ebml::HEADER, &encode(ebml::DOC_TYPE, b"webm")), id_bytes(SEGMENT), size, body].concat()
}

fn opened(bytes: &[u8]) -> File {
    open(&bytes, &Limits::default()).unwrap()
}

fn edited(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let patch: Patch = edit(&bytes, &opened(bytes), edits, &Limits::default()).unwrap();
    patch.apply_to_vec(&bytes).unwrap()
}

fn set(value: &str) -> Edit {
    Edit::set(Slot::Field, "AIGC", value)
}

fn read(bytes: &[u8]) -> Vec<Entry> {
    entries(&bytes, &opened(bytes), "AIGC", &Limits::default()).unwrap()
}

fn fields(bytes: &[u8]) -> Vec<Entry> {
    read(bytes).into_iter().filter(|e| e.slot == Slot::Field).collect()
}

/// Positions of the clusters in the segment: what cues say.
fn clusters(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let file = opened(bytes);
    let base = file.segment.body.start;
    file.of(CLUSTER)
        .map(|e| (e.range.start - base, bytes[e.range.start as usize..e.range.end as usize].to_vec()))
        .collect()
}

/// Every entry of the seek head, with the id that stands where it points.
fn sought(bytes: &[u8]) -> Vec<(u64, Option<u32>)> {
    let file = opened(bytes);
    let source: &dyn Source = &bytes;
    let mut left = 1000;
    let mut out = Vec::new();
    for head in file.of(SEEK_HEAD) {
        for e in list(source, head.body.clone(), &mut left).unwrap().iter().filter(|e| e.id == SEEK) {
            let inner = list(source, e.body.clone(), &mut left).unwrap();
            let number =
                |id| uint(&value(source, inner.iter().find(|f| f.id == id).unwrap()).unwrap()).unwrap();
            let at = file.segment.body.start + number(SEEK_POSITION);
            out.push((number(SEEK_ID), file.parts.iter().find(|p| p.range.start == at).map(|p| p.id)));
        }
    }
    out
}

/// Checksums of seek heads and tags hold.
fn checksums_hold(bytes: &[u8]) {
    let file = opened(bytes);
    let source: &dyn Source = &bytes;
    for e in file.parts.iter().filter(|e| matches!(e.id, SEEK_HEAD | TAGS)) {
        let inner = list(source, e.body.clone(), &mut 1000).unwrap();
        if let Some(crc) = inner.first().filter(|e| e.id == ebml::CRC32) {
            let rest = &bytes[crc.range.end as usize..e.body.end as usize];
            assert_eq!(
                bytes[crc.body.start as usize..crc.body.end as usize],
                crc32fast::hash(rest).to_le_bytes()
            );
        }
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let lengths = (0_u64..90, proptest::option::of(0_usize..200), 0_u64..300);
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (lengths, switches, prop_oneof![Just(0_usize), Just(2), Just(8)]).prop_map(
        |((room, tags, gap), (late, cues, live, seek, checked), width)| Shape {
            room,
            tags,
            gap,
            late,
            cues,
            live,
            width,
            seek,
            checked,
        },
    )
}

proptest! {
    #[test]
    fn clusters_keep_their_positions_and_the_seek_head_points_at_what_it_names(
        shape in shapes(),
        first in 0_usize..400,
        second in 0_usize..400,
    ) {
        let bytes = built(&shape);
        let before: Vec<_> = read(&bytes).into_iter().map(|e| e.value).collect();
        let mut out = bytes.clone();
        for len in [first, second] {
            let value = "x".repeat(len);
            out = edited(&out, &[set(&value)]);
            let found = fields(&out);
            prop_assert_eq!(found.len(), 1);
            prop_assert!(found[0].normative && found[0].value == value.as_bytes());
            prop_assert_eq!(clusters(&bytes), clusters(&out));
            for (id, there) in sought(&out) {
                prop_assert_eq!(Some(id as u32), there, "a stale entry");
            }
            checksums_hold(&out);
            prop_assert_eq!(opened(&out).notes.len(), 0);
            prop_assert_eq!(edited(&out, &[set(&value)]), out.clone());
        }
        let range = fields(&out)[0].range.clone();
        let gone = edited(&out, &[Edit::Remove { range }]);
        prop_assert_eq!(read(&gone).into_iter().map(|e| e.value).collect::<Vec<_>>(), before);
        prop_assert_eq!(clusters(&bytes), clusters(&gone));
        checksums_hold(&gone);
    }

    #[test]
    fn hostile_bytes_never_panic(shape in shapes(), at in 0_usize..2000, value in any::<u8>(), cut in 0_usize..2000) {
        let mut bytes = built(&shape);
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(bytes.len() - cut.min(bytes.len() / 2));
        if let Ok(file) = open(&bytes, &Limits::default()) {
            let _ = facts(&bytes, &file, &Limits::default());
            if let Ok(patch) = edit(&bytes, &file, &[set(AIGC)], &Limits::default()) {
                let _ = patch.apply_to_vec(&bytes);
            }
        }
    }
}

#[test]
fn room_behind_the_old_tags_is_used_and_nothing_moves() {
    let bytes = built(&Shape { gap: 200, ..PLAIN });
    assert_eq!(edited(&bytes, &[set(AIGC)]).len(), bytes.len());
}

#[test]
fn tags_without_room_go_to_the_end_and_are_found_there() {
    let bytes = built(&PLAIN);
    let out = edited(&bytes, &[set(AIGC)]);
    assert!(out.len() > bytes.len());
    assert!(sought(&out).contains(&(TAGS.into(), Some(TAGS))));
    assert_eq!(opened(&out).of(TAGS).count(), 1);
}

#[test]
fn tags_of_a_part_and_inside_other_tags_are_read_and_replaced() {
    let track = tag_of(&encode_uint(0x63C5, 7), &[simple("AIGC", "of a track"), simple("KEPT", "k")]);
    let nested = tag_of(
        &[],
        &[encode(
            SIMPLE_TAG,
            &[encode(TAG_NAME, b"OUTER"), encode(TAG_STRING, b"o"), simple("aigc", "n")].concat(),
        )],
    );
    let whole = tag_of(&encode_uint(0x63C5, 0), &[simple("My-AIGC-label", "m")]);
    let tags = encode(TAGS, &[track, nested, whole].concat());
    let size = length(tags.len() as u64, 8).unwrap();
    let head = encode(ebml::HEADER, &encode(ebml::DOC_TYPE, b"matroska"));
    let bytes = [head, id_bytes(SEGMENT), size, tags].concat();
    let found = fields(&bytes);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|e| !e.normative));
    let out = edited(&bytes, &[set(AIGC)]);
    let found = fields(&out);
    assert_eq!((found.len(), found[0].normative), (1, true));
    let kept: Vec<_> = read(&out).into_iter().filter(|e| e.slot == Slot::Comment).map(|e| e.key).collect();
    assert_eq!(kept, ["KEPT", "OUTER"]);
}

#[test]
fn hostile_files_give_named_errors() {
    let bytes = built(&PLAIN);
    let few = Limits { parts: 4, ..Limits::default() };
    assert_eq!(open(&bytes, &few).unwrap_err().kind(), ErrorKind::Limit);
    let small = Limits { metadata_bytes: 10, ..Limits::default() };
    assert_eq!(entries(&bytes, &opened(&bytes), "AIGC", &small).unwrap_err().kind(), ErrorKind::Limit);
    let cut = &bytes[..bytes.len() - 5];
    assert_eq!(open(&cut, &Limits::default()).unwrap_err().kind(), ErrorKind::Malformed);
    let mut deep = simple("AIGC", "x");
    for _ in 0..40 {
        deep = encode(SIMPLE_TAG, &deep);
    }
    let tags = encode(TAGS, &encode(TAG, &deep));
    let head = encode(ebml::HEADER, &encode(ebml::DOC_TYPE, b"webm"));
    let bytes = [head, id_bytes(SEGMENT), length(tags.len() as u64, 8).unwrap(), tags].concat();
    assert_eq!(
        entries(&bytes, &opened(&bytes), "AIGC", &Limits::default()).unwrap_err().kind(),
        ErrorKind::Limit
    );
}
