//! Behaviour of the walker, the readers and the editor on files built box by box.

use proptest::prelude::*;

use super::edit::{Change, edit};
use super::*;
use colophon_core::{Entry, ErrorKind, Slot};

const AIGC: &str = r#"{"Label":"1"}"#;

/// A box.
pub(crate) fn bx(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    encode(*kind, &parts.concat()).unwrap()
}

fn be(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn ftyp() -> Vec<u8> {
    bx(b"ftyp", &[b"isom", &be(512), b"isomiso2"])
}

/// A video track of 64 × 48 whose chunks stand at `offsets`.
fn trak(offsets: &[u64], wide: bool, matrix: [i32; 4]) -> Vec<u8> {
    let [a, b, c, d] = matrix.map(|v| (v << 16).to_be_bytes());
    let turn = [&a[..], &b, &be(0), &c, &d, &be(0), &be(0), &be(0), &be(1 << 30)].concat();
    let tkhd = bx(
        b"tkhd",
        &[&be(1), &be(0), &be(0), &be(7), &be(0), &be(100), &[0; 16], &turn, &be(64 << 16), &be(48 << 16)],
    );
    let mdhd = bx(b"mdhd", &[&be(0), &be(0), &be(0), &be(25), &be(100), &be(0)]);
    let hdlr = bx(b"hdlr", &[&[0; 8], b"vide", &[0; 13]]);
    let pasp = bx(b"pasp", &[&be(2), &be(1)]);
    let entry = bx(b"avc1", &[&[0; 24], &64u16.to_be_bytes(), &48u16.to_be_bytes(), &[0; 50], &pasp]);
    let stsd = bx(b"stsd", &[&be(0), &be(1), &entry]);
    let table: Vec<u8> = offsets
        .iter()
        .flat_map(|o| if wide { o.to_be_bytes().to_vec() } else { be(*o as u32).to_vec() })
        .collect();
    let chunks = bx(if wide { b"co64" } else { b"stco" }, &[&be(0), &be(offsets.len() as u32), &table]);
    let stbl = bx(b"stbl", &[&stsd, &chunks]);
    let dref = bx(b"dref", &[&be(0), &be(1), &bx(b"url ", &[&be(1)])]);
    let minf = bx(b"minf", &[&bx(b"dinf", &[&dref]), &stbl]);
    bx(b"trak", &[&tkhd, &bx(b"mdia", &[&mdhd, &hdlr, &minf])])
}

fn moov(trak: &[u8], rest: &[u8]) -> Vec<u8> {
    let identity =
        [&be(1 << 16)[..], &be(0), &be(0), &be(0), &be(1 << 16), &be(0), &be(0), &be(0), &be(1 << 30)]
            .concat();
    let mvhd = bx(
        b"mvhd",
        &[
            &be(0),
            &be(0),
            &be(0),
            &be(1000),
            &be(4000),
            &be(1 << 16),
            &be(0),
            &[0; 8],
            &identity,
            &[0; 24],
            &be(8),
        ],
    );
    bx(b"moov", &[&mvhd, trak, rest])
}

const UPRIGHT: [i32; 4] = [1, 0, 0, 1];

/// `ftyp`, `moov`, what comes between, `mdat` with two chunks `first…` and `second…`.
fn front(between: &[u8], rest: &[u8]) -> Vec<u8> {
    let head =
        |offsets: &[u64]| [ftyp(), moov(&trak(offsets, false, UPRIGHT), rest), between.to_vec()].concat();
    let at = head(&[0, 0]).len() as u64 + 8;
    [head(&[at, at + 5]), bx(b"mdat", &[b"firstsecond"])].concat()
}

fn back(rest: &[u8]) -> Vec<u8> {
    let mdat = bx(b"mdat", &[b"firstsecond"]);
    let at = ftyp().len() as u64 + 8;
    [ftyp(), mdat, moov(&trak(&[at, at + 5], false, UPRIGHT), rest)].concat()
}

fn walked(bytes: &[u8]) -> Boxes {
    walk(&bytes, &Limits::default()).unwrap()
}

fn edited(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let patch = edit(&bytes, &walked(bytes), changes, false, &Limits::default()).unwrap();
    patch.apply_to_vec(&bytes).unwrap()
}

fn set(value: &str) -> Change {
    Change::Key { name: "AIGC".into(), value: value.into() }
}

fn entries(bytes: &[u8]) -> Vec<Entry> {
    metadata::entries(&bytes, &walked(bytes), "AIGC", false, &Limits::default()).unwrap()
}

fn fields(bytes: &[u8]) -> Vec<Entry> {
    entries(bytes).into_iter().filter(|e| e.slot == Slot::Field).collect()
}

/// The bytes every chunk offset of the first track points at.
fn chunks(bytes: &[u8]) -> Vec<String> {
    let boxes = walked(bytes);
    let stbl = boxes.movie().unwrap().find(&[*b"trak", *b"mdia", *b"minf", *b"stbl"]).unwrap();
    let wide = stbl.of(*b"co64").next();
    let node = wide.or(stbl.of(*b"stco").next()).unwrap();
    let body = &bytes[node.body.start as usize + 8..node.body.end as usize];
    body.chunks_exact(if wide.is_some() { 8 } else { 4 })
        .map(|c| c.iter().fold(0_usize, |v, b| v << 8 | usize::from(*b)))
        .map(|at| String::from_utf8_lossy(&bytes[at..at + 5]).into_owned())
        .collect()
}

fn one_normative(bytes: &[u8], value: &str) {
    let found = fields(bytes);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].value.as_slice(), found[0].normative), (value.as_bytes(), true));
    assert_eq!(found[0].place, "moov/udta/meta/ilst[AIGC]");
}

fn data(text: &str) -> Vec<u8> {
    bx(b"data", &[&be(1), &be(0), text.as_bytes()])
}

fn hdlr(kind: &[u8; 4]) -> Vec<u8> {
    bx(b"hdlr", &[&[0; 8], kind, &[0; 13]])
}

/// Keys of `mdta` lists.
fn keys(names: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|n| bx(b"mdta", &[n.as_bytes()])).collect();
    bx(b"keys", &[&be(0), &be(names.len() as u32), &list])
}

fn item(number: u32, text: &str) -> Vec<u8> {
    bx(&be(number), &[&data(text)])
}

fn itunes() -> Vec<u8> {
    let name = bx(b"\xa9nam", &[&data("Title")]);
    let comment = bx(b"\xa9cmt", &[&data("words")]);
    bx(b"meta", &[&be(0), &hdlr(b"mdir"), &bx(b"ilst", &[&name, &comment])])
}

#[test]
fn media_behind_the_movie_moves_and_its_offsets_follow() {
    let out = edited(&front(b"", b""), &[set(AIGC)]);
    one_normative(&out, AIGC);
    assert_eq!(chunks(&out), ["first", "secon"]);
}

#[test]
fn media_in_front_of_the_movie_stays_where_it_is() {
    let file = back(b"");
    let out = edited(&file, &[set(AIGC)]);
    one_normative(&out, AIGC);
    assert_eq!(chunks(&out), ["first", "secon"]);
    assert_eq!(out[..ftyp().len() + 19], file[..ftyp().len() + 19]);
}

#[test]
fn a_free_box_behind_the_movie_takes_up_the_difference() {
    let file = front(&bx(b"free", &[&[0; 400]]), b"");
    let out = edited(&file, &[set(AIGC)]);
    assert_eq!(out.len(), file.len());
    assert_eq!(chunks(&out), ["first", "secon"]);
    let longer = edited(&out, &[set(&"x".repeat(3000))]);
    assert_eq!(chunks(&longer), ["first", "secon"]);
    let shorter = edited(&out, &[set("x")]);
    assert_eq!(shorter.len(), file.len());
    one_normative(&shorter, "x");
}

#[test]
fn a_list_of_itunes_tags_keeps_its_place_beside_the_keys() {
    let file = front(b"", &bx(b"udta", &[&itunes(), &[0; 4]]));
    let before = entries(&file);
    assert!(before.iter().any(|e| e.key == "©cmt" && e.value == b"words"));
    let out = edited(&file, &[set(AIGC)]);
    one_normative(&out, AIGC);
    for e in before {
        assert!(entries(&out).iter().any(|a| (a.slot, &a.key, &a.value) == (e.slot, &e.key, &e.value)));
    }
    assert_eq!(chunks(&out), ["first", "secon"]);
}

#[test]
fn other_keys_are_kept_and_a_stale_key_is_taken_over() {
    let items = bx(b"ilst", &[&item(1, "a"), &item(2, "old"), &item(3, "c"), &item(2, "older")]);
    let meta = bx(b"meta", &[&be(0), &hdlr(b"mdta"), &keys(&["first", "AIGC", "third"]), &items]);
    let file = front(b"", &bx(b"udta", &[&meta]));
    let out = edited(&file, &[set(AIGC)]);
    one_normative(&out, AIGC);
    let text = |key: &str| entries(&out).into_iter().find(|e| e.key == key).unwrap().value;
    assert_eq!((text("first"), text("third")), (b"a".to_vec(), b"c".to_vec()));
    let same = edited(&out, &[set(AIGC)]);
    assert_eq!(same, out);
    let gone = edited(&out, &[Change::Remove(fields(&out)[0].range.clone())]);
    assert!(fields(&gone).is_empty());
    assert!(!gone.windows(4).any(|w| w == b"AIGC"));
    assert_eq!(entries(&gone).into_iter().find(|e| e.key == "third").unwrap().value, b"c");
    assert_eq!(chunks(&gone), ["first", "secon"]);
}

#[test]
fn every_variant_of_the_place_is_read_and_replaced_by_the_normative_one() {
    let list = |full: bool| {
        let version = if full { &[0; 4][..] } else { &[] };
        bx(b"meta", &[version, &hdlr(b"mdta"), &keys(&["AIGC"]), &bx(b"ilst", &[&item(1, "v")])])
    };
    let own = bx(b"----", &[&bx(b"mean", &[&be(0), b"org"]), &bx(b"name", &[&be(0), b"AIGC"]), &data("v")]);
    let freeform = bx(b"meta", &[&be(0), &hdlr(b"mdir"), &bx(b"ilst", &[&own])]);
    let mut track = trak(&[0, 0], false, UPRIGHT);
    let udta = bx(b"udta", &[&list(true)]);
    track.extend_from_slice(&udta);
    let len = track.len() as u32;
    track[..4].copy_from_slice(&be(len));
    let cases = [
        ("moov/meta, full", list(true), "moov/meta/ilst[AIGC]"),
        ("moov/meta, plain", list(false), "moov/meta/ilst[AIGC]"),
        ("moov/udta/meta, plain", bx(b"udta", &[&list(false)]), "moov/udta/meta/ilst[AIGC]"),
        ("freeform tag", bx(b"udta", &[&freeform]), "moov/udta/meta/ilst[AIGC]"),
        ("user data", bx(b"udta", &[&bx(b"AIGC", &[b"v"])]), "moov/udta/AIGC"),
        ("track", track, "moov/trak[2]/udta/meta/ilst[AIGC]"),
    ];
    for (name, rest, place) in cases {
        for file in [front(b"", &rest), back(&rest)] {
            let found = fields(&file);
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(
                (found[0].place.as_str(), found[0].normative, found[0].value.as_slice()),
                (place, false, b"v".as_slice())
            );
            let out = edited(&file, &[set(AIGC)]);
            one_normative(&out, AIGC);
            assert_eq!(chunks(&out), ["first", "secon"], "{name}");
        }
    }
}

#[test]
fn a_comment_without_keys_is_text() {
    let file = back(&bx(b"udta", &[&bx(b"\xa9cmt", &[&5u16.to_be_bytes(), &[0; 2], b"hello"])]));
    let found = entries(&file);
    assert_eq!(
        (found[0].slot, found[0].key.as_str(), found[0].value.as_slice()),
        (Slot::Comment, "©cmt", b"hello".as_slice())
    );
}

#[test]
fn an_xmp_packet_goes_to_the_end_and_is_replaced_there() {
    let file = front(b"", b"");
    let once = edited(&file, &[Change::Xmp(b"<x/>".to_vec())]);
    assert!(once.starts_with(&file));
    let twice = edited(&once, &[Change::Xmp(b"<longer/>".to_vec()), set(AIGC)]);
    let found: Vec<_> = entries(&twice).into_iter().filter(|e| e.slot == Slot::Xmp).collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].value.as_slice(), found[0].normative), (b"<longer/>".as_slice(), true));
    assert_eq!(chunks(&twice), ["first", "secon"]);
}

#[test]
fn an_xmp_packet_of_quicktime_goes_into_the_user_data() {
    let file = front(b"", b"");
    let source: &dyn Source = &file;
    let patch =
        edit(source, &walked(&file), &[Change::Xmp(b"<x/>".to_vec())], true, &Limits::default()).unwrap();
    let out = patch.apply_to_vec(source).unwrap();
    let found = metadata::entries(&out, &walked(&out), "AIGC", true, &Limits::default()).unwrap();
    assert_eq!((found[0].place.as_str(), found[0].normative), ("moov/udta/XMP_", true));
    assert_eq!(chunks(&out), ["first", "secon"]);
}

#[test]
fn a_box_left_open_stays_last() {
    let mut file = front(b"", b"");
    let at = file.len() - 19;
    file[at..at + 4].copy_from_slice(&be(0));
    let out = edited(&file, &[Change::Xmp(b"<x/>".to_vec()), set(AIGC)]);
    one_normative(&out, AIGC);
    assert!(out.ends_with(b"mdatfirstsecond"));
    assert_eq!(chunks(&out), ["first", "secon"]);
}

#[test]
fn sixty_four_bit_sizes_are_read_and_kept() {
    let mut file = [ftyp(), moov(&trak(&[0, 0], true, UPRIGHT), b"")].concat();
    let at = file.len() as u64 + 16;
    file = [ftyp(), moov(&trak(&[at, at + 5], true, UPRIGHT), b"")].concat();
    file.extend([&be(1)[..], b"mdat", &27u64.to_be_bytes(), b"firstsecond"].concat());
    let out = edited(&file, &[set(AIGC)]);
    one_normative(&out, AIGC);
    assert_eq!(chunks(&out), ["first", "secon"]);
}

/// A source that is mostly zeros: a file of more than 4 GiB without its bytes.
struct Sparse {
    len: u64,
    parts: Vec<(u64, Vec<u8>)>,
}

impl Source for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        buf.fill(0);
        for (at, bytes) in &self.parts {
            for (i, b) in bytes.iter().enumerate() {
                let pos = at + i as u64;
                if pos >= offset && pos < offset + buf.len() as u64 {
                    buf[(pos - offset) as usize] = *b;
                }
            }
        }
        Ok(())
    }
}

#[test]
fn offsets_that_would_pass_four_gigabytes_become_64_bit_ones() {
    let last = u64::from(u32::MAX) - 10;
    let head = |first| [ftyp(), moov(&trak(&[first, last], false, UPRIGHT), b"")].concat();
    let at = head(0).len() as u64;
    // Behind the header of the media box.
    let first = at + 16;
    let head = head(first);
    let size: u64 = (1 << 32) + 64;
    let mdat = [&be(1)[..], b"mdat", &size.to_be_bytes()].concat();
    let file = Sparse { len: at + size, parts: vec![(0, head), (at, mdat)] };
    let boxes = walk(&file, &Limits::default()).unwrap();
    let patch = edit(&file, &boxes, &[set(AIGC)], false, &Limits::default()).unwrap();
    // Only the head is looked at: the splices stand there.
    let mut head = Vec::new();
    let mut pos = 0;
    for s in patch.splices() {
        head.extend_from_slice(&(&file as &dyn Source).bytes(pos, s.range.start - pos).unwrap());
        head.extend_from_slice(&s.with);
        pos = s.range.end;
    }
    head.extend_from_slice(&(&file as &dyn Source).bytes(pos, at - pos).unwrap());
    let shift = head.len() as u64 - at;
    let moved = Sparse {
        len: head.len() as u64 + size,
        parts: vec![
            (0, head.clone()),
            (head.len() as u64, [&be(1)[..], b"mdat", &size.to_be_bytes()].concat()),
        ],
    };
    let boxes = walk(&moved, &Limits::default()).unwrap();
    let stbl = boxes.movie().unwrap().find(&[*b"trak", *b"mdia", *b"minf", *b"stbl"]).unwrap();
    let node = stbl.of(*b"co64").next().unwrap();
    let body = &head[node.body.start as usize + 8..node.body.end as usize];
    let offsets: Vec<u64> = body.chunks_exact(8).map(|c| u64::from_be_bytes(c.try_into().unwrap())).collect();
    assert_eq!(offsets, [first + shift, last + shift]);
}

#[test]
fn fragments_indexes_and_random_access_points_follow() {
    let mvex = bx(b"mvex", &[&bx(b"trex", &[&be(0), &be(7), &be(1), &be(40), &be(0), &be(0)])]);
    let init = [ftyp(), moov(&trak(&[], false, UPRIGHT), &mvex)].concat();
    let fragment = |base: u64| {
        let tfhd = bx(b"tfhd", &[&be(1), &be(7), &base.to_be_bytes()]);
        let trun = bx(b"trun", &[&be(0), &be(50)]);
        let moof = bx(b"moof", &[&bx(b"mfhd", &[&be(0), &be(1)]), &bx(b"traf", &[&tfhd, &trun])]);
        [moof, bx(b"mdat", &[b"firstsecond"])].concat()
    };
    let len = fragment(0).len() as u32;
    let sidx = bx(
        b"sidx",
        &[
            &be(0),
            &be(7),
            &be(25),
            &be(0),
            &be(0),
            &be(2),
            &be(len),
            &be(50),
            &be(0),
            &be(len),
            &be(50),
            &be(0),
        ],
    );
    let first = (init.len() + sidx.len()) as u64;
    let second = first + u64::from(len);
    let tfra = bx(
        b"tfra",
        &[
            &be(0),
            &be(7),
            &be(0),
            &be(2),
            &be(0),
            &be(first as u32),
            &[1, 1, 1],
            &be(50),
            &be(second as u32),
            &[1, 1, 1],
        ],
    );
    let mfra = bx(b"mfra", &[&tfra, &bx(b"mfro", &[&be(0), &be(16 + tfra.len() as u32 + 8)])]);
    let file = [init, sidx, fragment(first), fragment(second), mfra.clone()].concat();
    assert_eq!(movie::read(&file, &walked(&file), &Limits::default()).unwrap().duration_s, Some(4.0));

    let out = edited(&file, &[set(AIGC), Change::Xmp(b"<x/>".to_vec())]);
    one_normative(&out, AIGC);
    let boxes = walked(&out);
    let moofs: Vec<_> = boxes.of(*b"moof").map(|m| m.range.start).collect();
    let bases: Vec<u64> = boxes
        .of(*b"moof")
        .map(|m| m.find(&[*b"traf", *b"tfhd"]).unwrap().body.start as usize + 8)
        .map(|at| u64::from_be_bytes(out[at..at + 8].try_into().unwrap()))
        .collect();
    assert_eq!(bases, moofs);
    let tfra = boxes.of(*b"mfra").next().unwrap().of(*b"tfra").next().unwrap().body.start as usize + 16;
    let access =
        [4, 15].map(|i| u64::from(u32::from_be_bytes(out[tfra + i..tfra + i + 4].try_into().unwrap())));
    assert_eq!(access.as_slice(), moofs);
    let sidx = boxes.of(*b"sidx").next().unwrap();
    assert_eq!(sidx.range.end, moofs[0]);
    assert_eq!(out[sidx.body.start as usize..sidx.range.end as usize], file[sidx_body(&file)]);
    assert_eq!(boxes.roots.last().unwrap().kind, *b"mfra");
    assert!(boxes.roots.iter().any(|n| n.uuid == Some(metadata::XMP_UUID)));
}

fn sidx_body(file: &[u8]) -> Range<usize> {
    let node = walked(file).of(*b"sidx").next().unwrap().clone();
    node.body.start as usize..node.body.end as usize
}

#[test]
fn items_of_still_pictures_follow() {
    // Item 1 in the file, item 2 in the `idat` box: only the first is an offset of the file.
    let iloc = |at: u32| {
        bx(
            b"iloc",
            &[
                &be(1 << 24),
                &[0x44, 0x00],
                &2u16.to_be_bytes(),
                &1u16.to_be_bytes(),
                &0u16.to_be_bytes(),
                &0u16.to_be_bytes(),
                &1u16.to_be_bytes(),
                &be(at),
                &be(5),
                &2u16.to_be_bytes(),
                &1u16.to_be_bytes(),
                &0u16.to_be_bytes(),
                &1u16.to_be_bytes(),
                &be(3),
                &be(5),
            ],
        )
    };
    let build = |at: u32| {
        [
            ftyp(),
            moov(&trak(&[], false, UPRIGHT), b""),
            bx(b"meta", &[&be(0), &hdlr(b"pict"), &iloc(at)]),
            bx(b"mdat", &[b"firstsecond"]),
        ]
        .concat()
    };
    let at = build(0).len() as u32 - 11;
    let out = edited(&build(at), &[set(AIGC)]);
    let node = walked(&out).of(*b"meta").next().unwrap().of(*b"iloc").next().unwrap().clone();
    let field = |i: usize| u32::from_be_bytes(out[node.body.start as usize + i..][..4].try_into().unwrap());
    assert_eq!(&out[field(16) as usize..][..5], b"first");
    assert_eq!(field(32), 3);
}

#[test]
fn a_track_in_another_file_keeps_its_offsets() {
    let file = front(b"", b"");
    let at = file.windows(4).position(|w| w == b"url ").unwrap();
    let mut outside = file.clone();
    outside[at + 7] = 0;
    let out = edited(&outside, &[set(AIGC)]);
    let offsets = |b: &[u8]| {
        let at = b.windows(4).position(|w| w == b"stco").unwrap();
        b[at + 12..at + 20].to_vec()
    };
    assert_eq!(offsets(&out), offsets(&file));
}

#[test]
fn a_manifest_is_found_without_its_framing() {
    let uuid = bx(b"uuid", &[&metadata::C2PA_UUID, &be(0), b"manifest\0", &[0; 8], b"JUMBF"]);
    let file = [ftyp(), uuid, back(b"")[ftyp().len()..].to_vec()].concat();
    let found = entries(&file);
    assert_eq!((found[0].slot, found[0].value.as_slice()), (Slot::Jumbf, b"JUMBF".as_slice()));
}

#[test]
fn c2pa_a5_a_manifest_stands_behind_the_file_type_and_takes_the_place_of_older_ones() {
    let hashes = bx(b"uuid", &[&metadata::C2PA_UUID, &be(0), b"merkle\0", b"tree"]);
    let out = edited(&front(b"", &hashes), &[Change::Manifest(b"JUMBF".to_vec()), set(AIGC)]);
    one_normative(&out, AIGC);
    assert_eq!(chunks(&out), ["first", "secon"]);
    let boxes = walked(&out);
    assert_eq!(boxes.roots.iter().filter(|n| &n.kind == b"uuid").count(), 1, "old hashes of parts go away");
    assert_eq!(boxes.roots[1].uuid, Some(metadata::C2PA_UUID));
    let found = entries(&out);
    assert_eq!((found[0].slot, found[0].value.as_slice()), (Slot::Jumbf, b"JUMBF".as_slice()));

    let filled = edit(&out, &walked(&out), &[Change::Manifest(b"jumbf".to_vec())], false, &Limits::default());
    let filled = filled.unwrap();
    assert_eq!(filled.output_len(out.len() as u64), out.len() as u64);
    assert_eq!(filled.splices().len(), 1, "a store of the same length moves nothing");
    let old = back(b"")[ftyp().len()..].to_vec();
    assert_eq!(
        edit(&old, &walked(&old), &[Change::Manifest(vec![1])], true, &Limits::default()).unwrap_err().kind(),
        ErrorKind::Unsupported,
        "old QuickTime without a file type has no place for it"
    );
}

#[test]
fn displayed_dimensions_have_square_pixels_and_are_turned() {
    let shown = |matrix| {
        let file = [ftyp(), moov(&trak(&[], false, matrix), b"")].concat();
        let movie = movie::read(&file, &walked(&file), &Limits::default()).unwrap();
        (movie.tracks[0].displayed(), movie.tracks[0].orientation, movie.duration_s)
    };
    assert_eq!(shown(UPRIGHT), ((128, 48), Some(movie::Orientation::UPRIGHT), Some(4.0)));
    assert_eq!(shown([0, 1, -1, 0]).0, (48, 128));
    assert_eq!(shown([-1, 0, 0, -1]).0, (128, 48));
    assert_eq!(shown([1, 1, -1, 1]).1, None);
}

#[test]
fn a_file_without_a_movie_is_named_so() {
    let error = |bytes: &[u8]| {
        walk(&bytes, &Limits::default()).and_then(|b| b.movie().map(|_| ())).unwrap_err().to_string()
    };
    assert_eq!(error(b""), "bmff: there is no moov box: the file holds no movie");
    assert_eq!(error(&ftyp()), "bmff: there is no moov box: the file holds no movie");
}

#[test]
fn user_data_of_another_file_replaces_all_of_it() {
    let file = edited(&front(b"", b""), &[set(AIGC)]);
    let foreign = bx(b"udta", &[&bx(b"name", &[b"ours"])]);
    let out =
        edited(&file, &[Change::UserData(vec![foreign.clone()]), Change::Append(bx(b"free", &[b"tail"]))]);
    let boxes = walked(&out);
    let moov = boxes.movie().unwrap();
    let kept: Vec<&[u8]> =
        moov.of(*b"udta").map(|n| &out[n.range.start as usize..n.range.end as usize]).collect();
    assert_eq!(kept, [foreign.as_slice()]);
    assert_eq!(chunks(&out), ["first", "secon"]);
    assert!(out.ends_with(b"tail"));
}

#[test]
fn hostile_files_give_named_errors() {
    let walk = |bytes: &[u8], limits: &Limits| walk(&bytes, limits).unwrap_err().to_string();
    let limits = Limits::default();
    let mut short = front(b"", b"");
    short.truncate(short.len() - 3);
    assert!(walk(&short, &limits).contains("the box announces 19 bytes, 16 are there"));
    assert!(walk(&bx(b"moov", &[&be(4), b"trak"]), &limits).contains("shorter than the box header"));
    let mut deep = Vec::new();
    for _ in 0..100 {
        deep = bx(b"trak", &[&deep]);
    }
    assert!(walk(&deep, &limits).contains("nested more than 32 deep"));
    let many: Vec<u8> = std::iter::repeat_n(bx(b"free", &[]), 50).flatten().collect();
    assert!(walk(&many, &Limits { parts: 49, ..limits.clone() }).contains("more boxes than allowed"));
    let long = [&be(1)[..], b"mdat", &u64::MAX.to_be_bytes(), &[0; 64]].concat();
    assert!(walk(&long, &limits).contains("announces 18446744073709551615 bytes"));
    // A table that announces four billion entries is looked at only as far as it goes.
    let mut lying = front(b"", b"");
    let at = lying.windows(4).position(|w| w == b"stco").unwrap();
    lying[at + 8..at + 12].copy_from_slice(&[0xff; 4]);
    let e = edit(&lying, &walked(&lying), &[set(AIGC)], false, &limits).unwrap_err();
    assert!(e.to_string().contains("4294967295 chunk offsets are announced"), "{e}");
    let packed = [ftyp(), bx(b"moov", &[&bx(b"cmov", &[&[0; 20]])])].concat();
    assert!(walked(&packed).movie().unwrap_err().to_string().contains("compressed"));
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back_and_media_is_found(
        values in prop::collection::vec("[ -~]{1,300}", 1..5),
        between in prop::option::of(0_usize..600),
        tags in any::<bool>(),
        at_front in any::<bool>(),
    ) {
        let rest = if tags { bx(b"udta", &[&itunes()]) } else { Vec::new() };
        let free = between.map_or(Vec::new(), |n| bx(b"free", &[&vec![0; n]]));
        let mut file = if at_front { front(&free, &rest) } else { back(&rest) };
        for value in &values {
            file = edited(&file, &[set(value), Change::Xmp(value.as_bytes().to_vec())]);
            one_normative(&file, value);
            prop_assert_eq!(chunks(&file), ["first", "secon"]);
        }
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
        let mut file = front(&bx(b"free", &[&[0; 20]]), &bx(b"udta", &[&itunes()]));
        let n = file.len();
        for (i, b) in bytes.iter().enumerate().filter(|(i, _)| i % 7 == 0) {
            file[(at * 3 + i) % n] = *b;
        }
        for input in [file, bytes] {
            let source: &dyn Source = &input;
            if let Ok(boxes) = walk(source, &Limits::default()) {
                let _ = movie::read(source, &boxes, &Limits::default());
                let _ = metadata::entries(source, &boxes, "AIGC", false, &Limits::default());
                if let Ok(patch) = edit(source, &boxes, &[set(AIGC), Change::Xmp(b"<x/>".to_vec())], false, &Limits::default()) {
                    let _ = patch.apply_to_vec(source);
                }
            }
        }
    }
}
