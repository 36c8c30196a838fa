//! MP4, QuickTime, Matroska, WebM, AVI and FLV.

use super::Want::{Limit, Malformed, Report};
use super::pictures::{bmff_box, full_box, le_chunk, nested};
use super::{Bomb, bomb, join, times};

pub(crate) fn bombs() -> Vec<Bomb> {
    [mp4(), matroska(), avi(), flv()].into_iter().flatten().collect()
}

/// The sample clip with another brand.
fn clip(brand: [u8; 4]) -> Vec<u8> {
    let mut clip = include_bytes!("../../../../samples/clip.mp4").to_vec();
    clip[8..12].copy_from_slice(&brand);
    clip
}

/// The clip with these bytes in the first box of a kind, `at` bytes behind its type.
fn changed(clip: &[u8], kind: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let start = clip.windows(4).position(|w| w == kind).unwrap() + 4 + at;
    let mut out = clip.to_vec();
    out[start..start + bytes.len()].copy_from_slice(bytes);
    out
}

/// The clip with a box at the end of `moov`, which is its last.
fn with_in_movie(clip: &[u8], inner: &[u8]) -> Vec<u8> {
    let at = clip.windows(4).position(|w| w == b"moov").unwrap() - 4;
    let size = u32::from_be_bytes(clip[at..at + 4].try_into().unwrap());
    let end = at + size as usize;
    let mut out = join(&[&clip[..end], inner, &clip[end..]]);
    out[at..at + 4].copy_from_slice(&(size + inner.len() as u32).to_be_bytes());
    out
}

fn mp4() -> Vec<Bomb> {
    let mut out = Vec::new();
    for (name, brand) in [("a.mp4", b"isom"), ("a.mov", b"qt  ")] {
        let ftyp = bmff_box(b"ftyp", &join(&[brand, &[0; 4], brand]));
        let file = |boxes: &[u8]| join(&[&ftyp, boxes]);
        let clip = clip(*brand);
        let behind = |boxes: &[u8]| join(&[&clip, boxes]);
        let most = u32::MAX.to_be_bytes();
        let far = join(&[&1_u32.to_be_bytes(), b"mdat", &(1_u64 << 63).to_be_bytes()]);
        let endless = join(&[&0_u32.to_be_bytes(), b"moov", &times(&[0], 1000)]);
        let fragment = bmff_box(b"moof", &bmff_box(b"traf", &full_box(b"trun", 0, &most)));
        // C2PA 2.4, A.5: a store in a `uuid` box; the extended type, version, purpose, Merkle offset.
        let uuid =
            [0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c, 0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81];
        let deep = nested(b"jumb", 10_000, b"");
        let store =
            bmff_box(b"uuid", &join(&[&uuid, &[0; 4], b"manifest\0", &u64::MAX.to_be_bytes(), &deep]));
        let keys = |count: [u8; 4], index: [u8; 4]| {
            let handler = full_box(b"hdlr", 0, b"\0\0\0\0mdta\0\0\0\0\0\0\0\0\0\0\0\0\0");
            let list = bmff_box(b"ilst", &bmff_box(&index, b""));
            let meta = bmff_box(b"meta", &join(&[&handler, &full_box(b"keys", 0, &count), &list]));
            with_in_movie(&clip, &bmff_box(b"udta", &meta))
        };
        out.extend([
            bomb(&format!("{name}: 10 000 levels"), Limit, file(&nested(b"moov", 10_000, b""))),
            bomb(
                &format!("{name}: 10 000 levels of user data"),
                Limit,
                with_in_movie(&clip, &nested(b"udta", 10_000, b"")),
            ),
            bomb(&format!("{name}: a box of 2^63 bytes"), Malformed, behind(&far)),
            bomb(&format!("{name}: a box of no size in a box to the end"), Malformed, file(&endless)),
            bomb(
                &format!("{name}: 100 001 empty boxes"),
                Limit,
                behind(&times(&bmff_box(b"free", b""), 100_001)),
            ),
            bomb(&format!("{name}: 2^32-1 sample sizes"), Report, changed(&clip, b"stsz", 8, &most)),
            bomb(&format!("{name}: samples of 2^32-1 bytes"), Report, changed(&clip, b"stsz", 4, &most)),
            bomb(&format!("{name}: 2^32-1 chunk offsets"), Report, changed(&clip, b"stco", 4, &most)),
            bomb(&format!("{name}: 2^32-1 sample descriptions"), Report, changed(&clip, b"stsd", 4, &most)),
            bomb(&format!("{name}: 2^32-1 times"), Report, changed(&clip, b"stts", 4, &most)),
            bomb(
                &format!("{name}: a length of 2^32-1 at a rate of 1"),
                Report,
                changed(&clip, b"mvhd", 12, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]),
            ),
            bomb(&format!("{name}: a rate of 0"), Report, changed(&clip, b"mvhd", 12, &[0; 4])),
            bomb(
                &format!("{name}: 65535 pixels wide and high"),
                Report,
                changed(&clip, b"avc1", 24, &[0xff; 4]),
            ),
            bomb(
                &format!("{name}: 2000 fragments of 2^32-1 samples"),
                Report,
                behind(&times(&fragment, 2000)),
            ),
            bomb(&format!("{name}: 2^32-1 keys"), Malformed, keys(most, [0, 0, 0, 1])),
            bomb(&format!("{name}: a value of key 2^32-1"), Report, keys([0; 4], most)),
            bomb(&format!("{name}: a manifest of 10 000 levels"), Report, behind(&store)),
        ]);
    }
    out
}

/// An element with a size of eight bytes.
fn element(id: &[u8], size: u64, body: &[u8]) -> Vec<u8> {
    join(&[id, &(size | 1 << 56).to_be_bytes(), body])
}

fn whole(id: &[u8], body: &[u8]) -> Vec<u8> {
    element(id, body.len() as u64, body)
}

fn matroska() -> Vec<Bomb> {
    let mut out = Vec::new();
    for (name, kind) in [("a.mkv", b"matroska".as_slice()), ("a.webm", b"webm")] {
        let head = whole(&[0x1a, 0x45, 0xdf, 0xa3], &whole(&[0x42, 0x82], kind));
        let size = join(&[&whole(&[0xb0], &[1, 0]), &whole(&[0xba], &[1, 0])]);
        let entry = join(&[
            &whole(&[0xd7], &[1]),
            &whole(&[0x83], &[1]),
            &whole(&[0x86], b"V_VP8"),
            &whole(&[0xe0], &size),
        ]);
        let tracks = whole(&[0x16, 0x54, 0xae, 0x6b], &whole(&[0xae], &entry));
        let file = |body: &[u8]| join(&[&head, &whole(&[0x18, 0x53, 0x80, 0x67], &join(&[&tracks, body]))]);
        let (tags, tag, simple) = ([0x12, 0x54, 0xc3, 0x67], [0x73, 0x73], [0x67, 0xc8]);
        let mut deep = b"a".to_vec();
        for _ in 0..1_000 {
            deep = whole(&simple, &deep);
        }
        // Sizes that are not said: every element reaches to the end of its parent.
        let unsaid = times(&join(&[&[0x18, 0x53, 0x80, 0x67], &[0xff]]), 10_000);
        let clusters = times(&join(&[&[0x1f, 0x43, 0xb6, 0x75], &[0xff]]), 100_001);
        out.extend([
            bomb(&format!("{name}: 1000 levels of tags"), Limit, file(&whole(&tags, &whole(&tag, &deep)))),
            bomb(
                &format!("{name}: a segment of 2^56-2 bytes"),
                Malformed,
                join(&[&head, &element(&[0x18, 0x53, 0x80, 0x67], (1 << 56) - 2, &[0; 100])]),
            ),
            bomb(
                &format!("{name}: a tag of 2^56-2 bytes"),
                Malformed,
                file(&element(&tags, (1 << 56) - 2, &[0; 100])),
            ),
            bomb(
                &format!("{name}: 10 000 segments of no said size"),
                Report,
                join(&[&head, &[0x18, 0x53, 0x80, 0x67, 0xff], &tracks, &unsaid]),
            ),
            bomb(&format!("{name}: 100 001 clusters of no said size"), Limit, file(&clusters)),
            bomb(&format!("{name}: 100 001 empty elements"), Limit, file(&times(&[0xec, 0x80], 100_001))),
            bomb(&format!("{name}: an identifier of zeros"), Malformed, file(&[0; 1000])),
        ]);
    }
    out
}

fn avi() -> Vec<Bomb> {
    let riff = |body: &[u8]| join(&[b"RIFF", &((body.len() + 4) as u32).to_le_bytes(), b"AVI ", body]);
    let list = |kind: &[u8], body: &[u8]| le_chunk(b"LIST", &join(&[kind, body]));
    let main = le_chunk(b"avih", &[0xff; 56]);
    let kind = le_chunk(b"strh", &join(&[b"vidsMJPG", &[0xff; 48]]));
    let look = le_chunk(b"strf", &join(&[&40_u32.to_le_bytes(), &[0xff; 36]]));
    let stream = list(b"strl", &join(&[&kind, &look]));
    let main = join(&[&main, &stream]);
    let mut deep = main.clone();
    for _ in 0..2_000 {
        deep = list(b"hdrl", &deep);
    }
    let movie = list(b"movi", &le_chunk(b"00dc", &[0; 16]));
    let lying = join(&[b"LIST", &u32::MAX.to_le_bytes(), b"movi"]);
    // An index of chunks: longs an entry, kinds, entries in use, the chunk, then where it starts.
    let index = le_chunk(
        b"indx",
        &join(&[
            &2_u16.to_le_bytes(),
            &[0, 1],
            &u32::MAX.to_le_bytes(),
            b"00dc",
            &u64::MAX.to_le_bytes(),
            &[0; 4],
        ]),
    );
    vec![
        bomb("a.avi: 2000 levels", Report, riff(&join(&[&list(b"hdrl", &main), &deep, &movie]))),
        bomb("a.avi: 2^32-1 bytes of film", Malformed, riff(&join(&[&list(b"hdrl", &main), &lying]))),
        bomb("a.avi: 2^32-1 of everything", Report, riff(&join(&[&list(b"hdrl", &main), &movie]))),
        bomb(
            "a.avi: 100 001 empty chunks",
            Limit,
            riff(&join(&[&list(b"hdrl", &main), &movie, &times(&le_chunk(b"JUNK", b""), 100_001)])),
        ),
        bomb(
            "a.avi: an index of 2^32-1 entries",
            Report,
            riff(&join(&[
                &list(b"hdrl", &join(&[&main, &list(b"strl", &join(&[&kind, &look, &index]))])),
                &movie,
            ])),
        ),
        bomb(
            "a.avi: 2000 parts of nothing",
            Report,
            join(&[&riff(&join(&[&list(b"hdrl", &main), &movie])), &times(b"RIFF\x04\0\0\0AVIX", 2000)]),
        ),
    ]
}

fn flv() -> Vec<Bomb> {
    let start = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".as_slice();
    let tag = |kind: u8, size: u32, data: &[u8]| {
        let before = (data.len() as u32 + 11).to_be_bytes();
        join(&[&[kind], &size.to_be_bytes()[1..], &[0; 7], data, &before])
    };
    let picture = tag(9, 5, &[0x12, 0, 0, 0, 0]);
    let script = |data: &[u8]| join(&[start, &tag(18, data.len() as u32, data), &picture]);
    let name = b"\x02\0\x0aonMetaData".as_slice();
    let objects = join(&[name, &times(b"\x03\0\x01a", 10_000)]);
    let arrays = join(&[name, b"\x08\0\0\0\x01\0\x01a", &times(b"\x0a\0\0\0\x01", 10_000)]);
    vec![
        bomb("a.flv: 10 000 levels of objects", Limit, script(&objects)),
        bomb("a.flv: 10 000 levels of arrays", Limit, script(&arrays)),
        bomb("a.flv: an array of 2^32-1 values", Report, script(&join(&[name, b"\x0a\xff\xff\xff\xff"]))),
        bomb(
            "a.flv: a text of 2^32-1 bytes",
            Report,
            script(&join(&[name, b"\x08\0\0\0\x01\0\x01a\x0c\xff\xff\xff\xff"])),
        ),
        bomb("a.flv: a tag of 2^24-1 bytes", Report, join(&[start, &picture, &tag(9, 0xff_ffff, &[0; 100])])),
        bomb("a.flv: 100 001 empty tags", Limit, join(&[start, &picture, &times(&tag(9, 0, b""), 100_001)])),
        bomb("a.flv: a header of 2^32-1 bytes", Malformed, b"FLV\x01\x05\xff\xff\xff\xff\0\0\0\0".to_vec()),
    ]
}
