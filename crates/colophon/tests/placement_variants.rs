//! The AIGC object in the places of the formats that no clause of a guide names by itself: HEIC, AVIF and JPEG XL (the image
//! guide's XMP), M4A (as MP4), ADTS, AIFF and CAF (as the sound formats beside them). More: `placements.rs`.
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// Names of boxes are written as literals, which are references.
#![allow(clippy::trivially_copy_pass_by_ref)]

mod aigc;

use std::io::Write as _;

use aigc::{BARE, exif, found, join, text, wrapped, xmp};
use colophon::{Limits, State};
use colophon_container::bmff::{
    self,
    edit::{Change, edit},
    encode,
    metadata::XMP_UUID,
};

/// Exactly one label of our producer in each file, in a place that is the one to write it, or not.
fn check(cases: Vec<(&str, &str, Vec<u8>, bool)>) {
    let mut wrong = Vec::new();
    for (name, case, bytes, normative) in cases {
        let all = found(name, &bytes);
        let right =
            matches!(all.as_slice(), [(State::Present, _, n, who)] if *n == normative && who == "acme a-1");
        if !right {
            wrong.push(format!("{name}, {case}: {all:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn bx(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    encode(*kind, &parts.concat()).unwrap()
}

/// Where the bytes of an item stand (ISO/IEC 14496-12, 8.11.3).
#[derive(Clone, Copy, PartialEq)]
enum Stored {
    InFile,
    InMeta,
    /// In two pieces, the second one first.
    Apart,
}

/// A still picture with one item besides its coded one.
fn heif(brand: &[u8; 4], kind: &[u8; 4], content_type: &str, data: &[u8], stored: Stored) -> Vec<u8> {
    let payload = [7_u8; 40];
    let entry = |id: u16, kind: &[u8; 4], more: &[u8]| {
        bx(b"infe", &[&[2, 0, 0, 0], &id.to_be_bytes(), &[0, 0], kind, &[0], more])
    };
    let mime = if kind == b"mime" { [content_type.as_bytes(), &[0]].concat() } else { Vec::new() };
    let coded: &[u8; 4] = if brand == b"avif" { b"av01" } else { b"hvc1" };
    let infe = [entry(1, coded, &[]), entry(2, kind, &mime)].concat();
    let iinf = bx(b"iinf", &[&[0, 0, 0, 0, 0, 2], &infe]);
    let handler = bx(b"hdlr", &[&[0; 8], b"pict", &[0; 13]]);
    let primary = bx(b"pitm", &[&[0, 0, 0, 0, 0, 1]]);
    let reference = bx(b"iref", &[&[0; 4], &bx(b"cdsc", &[&[0, 2, 0, 1, 0, 1]])]);
    let half = data.len() / 2;
    let build = |start: u32| {
        let extent = |at: u32, len: usize| [at.to_be_bytes(), (len as u32).to_be_bytes()].concat();
        let item = |id: u16, method: u16, extents: &[Vec<u8>]| {
            let head = [id, method, 0, extents.len() as u16].map(u16::to_be_bytes).concat();
            [head, extents.concat()].concat()
        };
        let behind = start + payload.len() as u32;
        let second = match stored {
            Stored::InFile => item(2, 0, &[extent(behind, data.len())]),
            Stored::InMeta => item(2, 1, &[extent(0, data.len())]),
            Stored::Apart => {
                let rest = data.len() - half;
                item(2, 0, &[extent(behind + rest as u32, half), extent(behind, rest)])
            }
        };
        let first = item(1, 0, &[extent(start, payload.len())]);
        let iloc = bx(b"iloc", &[&[1, 0, 0, 0, 0x44, 0, 0, 2], &first, &second]);
        let inside = if stored == Stored::InMeta { bx(b"idat", &[data]) } else { Vec::new() };
        let meta = bx(b"meta", &[&[0; 4], &handler, &primary, &iinf, &reference, &iloc, &inside]);
        let kinds = [brand, &[0; 4], b"mif1", brand].map(|k| k.to_vec()).concat();
        [bx(b"ftyp", &[&kinds]), meta].concat()
    };
    let start = build(0).len() as u32 + 8;
    let outside = match stored {
        Stored::InFile => data.to_vec(),
        Stored::InMeta => Vec::new(),
        Stored::Apart => [&data[half..], &data[..half]].concat(),
    };
    [build(start), bx(b"mdat", &[&payload, &outside])].concat()
}

#[test]
fn tc260_20259a_every_place_in_heic_and_avif_is_read() {
    let packet = xmp();
    let rdf = "application/rdf+xml";
    // Four bytes say where the TIFF structure begins (ISO/IEC 23008-12, A.2.1).
    let block = |text: &str| join(&[&[0; 4], &exif(0x9286, text)]);
    let named = |text: &str| join(&[&[0, 0, 0, 6], b"Exif\0\0", &exif(0x9286, text)]);
    let mut cases = Vec::new();
    for (name, brand) in [("a.heic", b"heic"), ("a.avif", b"avif"), ("a.heif", b"mif1")] {
        cases.extend([
            (name, "XMP item in the file", heif(brand, b"mime", rdf, &packet, Stored::InFile), true),
            (name, "XMP item inside meta", heif(brand, b"mime", rdf, &packet, Stored::InMeta), true),
            (name, "XMP item in two pieces", heif(brand, b"mime", rdf, &packet, Stored::Apart), true),
            (
                name,
                "UserComment, wrapped",
                heif(brand, b"Exif", "", &block(&wrapped()), Stored::InFile),
                false,
            ),
            (name, "UserComment, bare", heif(brand, b"Exif", "", &block(BARE), Stored::InFile), false),
            (
                name,
                "UserComment behind a name",
                heif(brand, b"Exif", "", &named(BARE), Stored::InFile),
                false,
            ),
            (name, "UserComment inside meta", heif(brand, b"Exif", "", &block(BARE), Stored::InMeta), false),
        ]);
    }
    check(cases);
}

fn jxl(boxes: &[Vec<u8>], behind: bool) -> Vec<u8> {
    let head = b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a\0\0\0\x14ftypjxl \0\0\0\0jxl ";
    // Small sizes: height 40 is 4 in five bits, ratio 0, width 64 is 7 in five bits.
    let code = join(&[&[0xff, 0x0a], &(1_u32 | 4 << 1 | 7 << 9).to_le_bytes(), &[9; 60]]);
    let (code, boxes) = (bx(b"jxlc", &[&code]), boxes.concat());
    if behind { join(&[head, &code, &boxes]) } else { join(&[head, &boxes, &code]) }
}

fn brotli(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 4096, 9, 22);
    writer.write_all(data).unwrap();
    drop(writer);
    bx(b"brob", &[kind, &packed])
}

#[test]
fn tc260_20259a_every_place_in_jpeg_xl_is_read() {
    let packet = xmp();
    let block = |text: &str| join(&[&[0; 4], &exif(0x9286, text)]);
    check(vec![
        ("a.jxl", "xml box", jxl(&[bx(b"xml ", &[&packet])], false), true),
        ("a.jxl", "xml box behind the pictures", jxl(&[bx(b"xml ", &[&packet])], true), true),
        ("a.jxl", "xml box, compressed", jxl(&[brotli(b"xml ", &packet)], false), true),
        ("a.jxl", "Exif box, wrapped", jxl(&[bx(b"Exif", &[&block(&wrapped())])], false), false),
        ("a.jxl", "Exif box, bare", jxl(&[bx(b"Exif", &[&block(BARE)])], true), false),
        ("a.jxl", "Exif box, compressed", jxl(&[brotli(b"Exif", &block(BARE))], false), false),
    ]);
}

/// A tenth of a second of sound as M4A, by the encoder of the system.
fn m4a(changes: &[Change]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.m4a");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=d=0.3", "-c:a", "aac", "-map_metadata", "-1", "-y"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let bytes = std::fs::read(path).unwrap();
    let boxes = bmff::walk(&bytes, &Limits::default()).unwrap();
    edit(&bytes, &boxes, changes, false, &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap()
}

#[test]
fn tc260_202510a_every_place_in_m4a_is_read() {
    let data = |text: &str| bx(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], text.as_bytes()]);
    let handler = |kind: &[u8; 4]| bx(b"hdlr", &[&[0; 8], kind, &[0; 13]]);
    let keyed = |key: &str, text: &str| {
        let keys = join(&[&[0, 0, 0, 0, 0, 0, 0, 1], &bx(b"mdta", &[key.as_bytes()])]);
        let list = bx(b"ilst", &[&bx(&[0, 0, 0, 1], &[&data(text)])]);
        bx(b"meta", &[&[0; 4], &handler(b"mdta"), &bx(b"keys", &[&keys]), &list])
    };
    let tagged = |items: &[u8]| bx(b"meta", &[&[0; 4], &handler(b"mdir"), &bx(b"ilst", &[items])]);
    let freeform = |mean: &str| {
        let (mean, name) = (join(&[&[0; 4], mean.as_bytes()]), join(&[&[0; 4], b"AIGC"]));
        bx(b"----", &[&bx(b"mean", &[&mean]), &bx(b"name", &[&name]), &data(BARE)])
    };
    let user = |inner: Vec<u8>| m4a(&[Change::UserData(vec![bx(b"udta", &[&inner])])]);
    check(vec![
        ("a.m4a", "the guide's place", user(keyed("AIGC", BARE)), true),
        ("a.m4a", "the guide's place, wrapped", user(keyed("AIGC", &wrapped())), true),
        ("a.m4a", "meta directly in moov", m4a(&[Change::UserData(vec![keyed("AIGC", BARE)])]), false),
        ("a.m4a", "a freeform iTunes tag", user(tagged(&freeform("com.apple.iTunes"))), false),
        ("a.m4a", "an iTunes comment", user(tagged(&bx(b"\xa9cmt", &[&data(&wrapped())]))), false),
        ("a.m4a", "an XMP uuid box", m4a(&[Change::Append(bx(b"uuid", &[&XMP_UUID, &xmp()]))]), true),
    ]);
}

/// An ID3v2 tag of one frame.
fn id3(version: u8, id: &[u8], body: &[u8]) -> Vec<u8> {
    let safe =
        |n: usize| [(n >> 21) as u8 & 0x7f, (n >> 14) as u8 & 0x7f, (n >> 7) as u8 & 0x7f, n as u8 & 0x7f];
    let n = body.len();
    let frame = match version {
        2 => join(&[id, &(n as u32).to_be_bytes()[1..], body]),
        3 => join(&[id, &(n as u32).to_be_bytes(), &[0, 0], body]),
        _ => join(&[id, &safe(n), &[0, 0], body]),
    };
    join(&[b"ID3", &[version, 0, 0], &safe(frame.len()), &frame])
}

/// The tags that every reader of ID3v2 knows.
fn tags() -> Vec<(&'static str, Vec<u8>, bool)> {
    vec![
        ("TXXX of 2.4 in UTF-8", id3(4, b"TXXX", &text(3, "AIGC", BARE)), true),
        ("TXXX of 2.3 in Latin-1", id3(3, b"TXXX", &text(0, "AIGC", BARE)), true),
        ("TXXX of 2.3 in UTF-16", id3(3, b"TXXX", &text(1, "AIGC", BARE)), true),
        ("TXX of 2.2", id3(2, b"TXX", &text(0, "AIGC", BARE)), true),
        ("TXXX, wrapped", id3(4, b"TXXX", &text(3, "AIGC", &wrapped())), true),
        ("a description in small letters", id3(4, b"TXXX", &text(3, "aigc", BARE)), false),
    ]
}

#[test]
fn tc260_202510a_every_place_in_adts_is_read() {
    // Frames of silence in one channel at 24 kHz: the header, and a block of one element without spectrum.
    let frame = [0xff, 0xf1, 0x58, 0x40, 0x01, 0x5f, 0xfc, 0x00, 0xc8, 0x00];
    let with = |tag: &[u8]| join(&[tag, &frame.repeat(50)]);
    check(tags().into_iter().map(|(case, tag, normative)| ("a.aac", case, with(&tag), normative)).collect());
}

fn aiff(chunk: &[u8; 4], data: &[u8], front: bool) -> Vec<u8> {
    let chunk_of = |id: &[u8; 4], data: &[u8]| {
        let pad: &[u8] = if data.len() % 2 == 1 { &[0] } else { &[] };
        join(&[id, &(data.len() as u32).to_be_bytes(), data, pad])
    };
    let common = join(&[
        &1_u16.to_be_bytes(),
        &4000_u32.to_be_bytes(),
        &16_u16.to_be_bytes(),
        &[0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0],
    ]);
    let own = chunk_of(chunk, data);
    let sound = [chunk_of(b"COMM", &common), chunk_of(b"SSND", &[0; 8008])].concat();
    let body = if front { join(&[b"AIFF", &own, &sound]) } else { join(&[b"AIFF", &sound, &own]) };
    join(&[b"FORM", &(body.len() as u32).to_be_bytes(), &body])
}

#[test]
fn tc260_202510a_every_place_in_aiff_is_read() {
    let mut cases: Vec<(&str, &str, Vec<u8>, bool)> = tags()
        .into_iter()
        .map(|(case, tag, normative)| ("a.aiff", case, aiff(b"ID3 ", &tag, false), normative))
        .collect();
    let tag = id3(4, b"TXXX", &text(3, "AIGC", BARE));
    cases.push(("a.aiff", "the tag in front of the sound", aiff(b"ID3 ", &tag, true), true));
    check(cases);
}

fn caf(chunks: &[(&[u8; 4], Vec<u8>)], front: bool) -> Vec<u8> {
    let chunk = |id: &[u8; 4], data: &[u8]| join(&[id, &(data.len() as u64).to_be_bytes(), data]);
    let mut description = 8000_f64.to_be_bytes().to_vec();
    description.extend(b"lpcm");
    for n in [2_u32, 2, 1, 1, 16] {
        description.extend(n.to_be_bytes());
    }
    let own: Vec<u8> = chunks.iter().flat_map(|(id, data)| chunk(id, data)).collect();
    let sound = chunk(b"data", &[0; 8004]);
    let rest = if front { join(&[&own, &sound]) } else { join(&[&sound, &own]) };
    join(&[b"caff\0\x01\0\0", &chunk(b"desc", &description), &rest])
}

#[test]
fn tc260_202510a_every_place_in_caf_is_read() {
    let information = |pairs: &[(&str, &str)]| {
        let list = pairs.iter().flat_map(|(k, v)| join(&[k.as_bytes(), &[0], v.as_bytes(), &[0]]));
        join(&[&(pairs.len() as u32).to_be_bytes(), &list.collect::<Vec<u8>>()])
    };
    check(vec![
        (
            "a.caf",
            "information",
            caf(&[(b"info", information(&[("title", "rain"), ("AIGC", BARE)]))], true),
            true,
        ),
        (
            "a.caf",
            "information behind the sound",
            caf(&[(b"info", information(&[("AIGC", BARE)]))], false),
            true,
        ),
        (
            "a.caf",
            "information, wrapped",
            caf(&[(b"info", information(&[("AIGC", &wrapped())]))], true),
            true,
        ),
        ("a.caf", "a key in small letters", caf(&[(b"info", information(&[("aigc", BARE)]))], true), false),
        ("a.caf", "comments", caf(&[(b"info", information(&[("comments", &wrapped())]))], true), false),
    ]);
}
