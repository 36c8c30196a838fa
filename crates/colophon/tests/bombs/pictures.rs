//! PNG, JPEG, GIF, WebP, TIFF, BMP, SVG, HEIF and JPEG XL.

use super::Want::{Limit, Malformed, Report, Unsupported};
use super::{Bomb, bomb, deflated, join, spaces, times};

pub(crate) fn bombs() -> Vec<Bomb> {
    [png(), jpeg(), gif(), webp(), tiff(), bmp(), svg(), heif(), jxl()].into_iter().flatten().collect()
}

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let body = join(&[kind, data]);
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    join(&[&(data.len() as u32).to_be_bytes(), &body, &crc.sum().to_be_bytes()])
}

fn header(width: u32, height: u32, kind: [u8; 5]) -> Vec<u8> {
    chunk(b"IHDR", &join(&[&width.to_be_bytes(), &height.to_be_bytes(), &kind]))
}

/// A PNG with these chunks between header and data: 64 x 64, grey.
fn png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let pixels = chunk(b"IDAT", &deflated(&[0; 65 * 64]));
    let all = join(&[&header(64, 64, [8, 0, 0, 0, 0]), &chunks.concat(), &pixels, &chunk(b"IEND", b"")]);
    join(&[b"\x89PNG\r\n\x1a\n", &all])
}

fn png() -> Vec<Bomb> {
    let spaces = spaces();
    let xmp = join(&[b"XML:com.adobe.xmp\0\x01\0\0\0", spaces]);
    let raw = |header: Vec<u8>, data: &[u8]| {
        join(&[b"\x89PNG\r\n\x1a\n", &header, &chunk(b"IDAT", data), &chunk(b"IEND", b"")])
    };
    let nested = join(&[b"AIGC\0", &times(b"{\"AIGC\":", 10_000), b"1", &times(b"}", 10_000)]);
    let many = times(&chunk(b"tEXt", b"a\0b"), 100_001);
    let mut lying = png_with(&[chunk(b"tEXt", b"a\0b")]);
    lying[33..37].copy_from_slice(&u32::MAX.to_be_bytes());
    vec![
        bomb("a.png: iTXt unpacks to 256 MiB", Limit, png_with(&[chunk(b"iTXt", &xmp)])),
        bomb(
            "a.png: zTXt unpacks to 256 MiB",
            Limit,
            png_with(&[chunk(b"zTXt", &join(&[b"AIGC\0\0", spaces]))]),
        ),
        bomb(
            "a.png: iCCP unpacks to 256 MiB",
            Report,
            png_with(&[chunk(b"iCCP", &join(&[b"a\0\0", spaces]))]),
        ),
        bomb(
            "a.png: IDAT unpacks to 256 MiB over its picture",
            Report,
            raw(header(64, 64, [8, 0, 0, 0, 0]), spaces),
        ),
        bomb(
            "a.png: 2^31-1 pixels wide and high",
            Report,
            raw(header(i32::MAX as u32, i32::MAX as u32, [8, 0, 0, 0, 0]), spaces),
        ),
        bomb(
            "a.png: 65535 pixels wide and high, nothing behind",
            Report,
            raw(header(65535, 65535, [16, 6, 0, 0, 0]), b""),
        ),
        bomb("a.png: 2^32-1 as length of a chunk", Malformed, lying),
        bomb("a.png: 100 001 chunks", Limit, png_with(&[many])),
        bomb("a.png: 10 000 levels of JSON in the label", Report, png_with(&[chunk(b"tEXt", &nested)])),
        bomb(
            "a.png: 2^32-1 frames",
            Report,
            png_with(&[chunk(b"acTL", &join(&[&u32::MAX.to_be_bytes(), &[0; 4]]))]),
        ),
    ]
}

/// A marker segment.
fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    join(&[&[0xff, marker], &((data.len() + 2) as u16).to_be_bytes(), data])
}

/// A grey progressive picture whose coefficients come in `scans` scans, each of which says that nothing changes.
fn progressive(side: u16, scans: usize) -> Vec<u8> {
    let table = times(&[1], 64);
    let frame = join(&[&[8], &side.to_be_bytes(), &side.to_be_bytes(), &[1, 1, 0x11, 0]]);
    // One code of one bit: a difference of nothing; a run of 2^14 blocks without coefficients.
    let dc = join(&[&[0x00, 1], &[0; 15], &[0]]);
    let ac = join(&[&[0x10, 1], &[0; 15], &[0xe0]]);
    let blocks = usize::from(side).div_ceil(8).pow(2);
    let first = join(&[&segment(0xda, &[1, 1, 0, 0, 0, 0]), &times(&[0], blocks.div_ceil(8))]);
    let next = join(&[&segment(0xda, &[1, 1, 0, 1, 63, 0]), &times(&[0], 2 * blocks.div_ceil(1 << 14))]);
    join(&[
        b"\xff\xd8",
        &segment(0xdb, &join(&[&[0], &table])),
        &segment(0xc2, &frame),
        &segment(0xc4, &dc),
        &segment(0xc4, &ac),
        &first,
        &times(&next, scans),
        b"\xff\xd9",
    ])
}

fn jpeg() -> Vec<Bomb> {
    let start = b"\xff\xd8".as_slice();
    let photo = include_bytes!("../../../../samples/photo.jpg");
    let frame =
        |w: u16, h: u16| segment(0xc0, &join(&[&[8], &h.to_be_bytes(), &w.to_be_bytes(), &[1, 1, 0x11, 0]]));
    let scan = segment(0xda, &[1, 1, 0, 0, 63, 0]);
    let before = |segments: Vec<u8>| join(&[start, &segments, &photo[2..]]);
    // JPEG XT (ISO/IEC 18477-3): identifier, number, packet, then the box.
    let jumbf = |length: u32, packet: u32| {
        segment(0xeb, &join(&[b"JP\0\x01", &packet.to_be_bytes(), &length.to_be_bytes(), b"jumb", &[0; 32]]))
    };
    let guid = b"0123456789ABCDEF0123456789ABCDEF";
    let extended = |total: u32, offset: u32| {
        let head = join(&[
            b"http://ns.adobe.com/xmp/extension/\0",
            guid,
            &total.to_be_bytes(),
            &offset.to_be_bytes(),
        ]);
        segment(0xe1, &join(&[&head, b"<x/>"]))
    };
    let packet = format!(
        "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
         xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description \
         xmlns:n=\"http://ns.adobe.com/xmp/note/\" n:HasExtendedXMP=\"{}\"/></rdf:RDF></x:xmpmeta>",
        std::str::from_utf8(guid).unwrap()
    );
    let packet = segment(0xe1, packet.as_bytes());
    vec![
        bomb(
            "a.jpg: 65535 pixels wide and high",
            Report,
            join(&[start, &frame(65535, 65535), &scan, b"\0\xff\xd9"]),
        ),
        bomb("a.jpg: no pixels", Malformed, join(&[start, &frame(0, 0), &scan, b"\0\xff\xd9"])),
        bomb("a.jpg: 100 001 segments", Limit, before(times(&segment(0xe5, b""), 100_001))),
        bomb("a.jpg: a segment of length 0", Malformed, before(b"\xff\xe1\0\0".to_vec())),
        bomb("a.jpg: 30 000 scans of a progressive picture", Report, progressive(2048, 30_000)),
        bomb("a.jpg: a manifest of 2^32-1 bytes", Report, before(jumbf(u32::MAX, 1))),
        bomb("a.jpg: a manifest in packet 2^32-1", Report, before(jumbf(1 << 20, u32::MAX))),
        bomb(
            "a.jpg: 2000 packets of one manifest, all of them the first",
            Report,
            before(times(&jumbf(1 << 30, 1), 2000)),
        ),
        bomb("a.jpg: extended XMP of 2^32-1 bytes", Limit, before(join(&[&packet, &extended(u32::MAX, 0)]))),
        bomb(
            "a.jpg: extended XMP at byte 2^32-1",
            Report,
            before(join(&[&packet, &extended(1 << 20, u32::MAX)])),
        ),
    ]
}

fn gif() -> Vec<Bomb> {
    let screen = |w: u16, h: u16| {
        join(&[b"GIF89a", &w.to_le_bytes(), &h.to_le_bytes(), &[0x80, 0, 0, 0, 0, 0, 1, 1, 1]])
    };
    let image = |w: u16, h: u16, data: &[u8]| {
        join(&[b",\0\0\0\0", &w.to_le_bytes(), &h.to_le_bytes(), &[0, 2], &[data.len() as u8], data, &[0]])
    };
    // Clear, one index, end: a picture that stops at once.
    let stops = [0x44, 0x01];
    let small = image(1, 1, &stops);
    vec![
        bomb(
            "a.gif: 65535 pixels wide and high",
            Report,
            join(&[&screen(65535, 65535), &image(65535, 65535, &stops), b";"]),
        ),
        bomb("a.gif: 100 001 frames", Limit, join(&[&screen(1, 1), &times(&small, 100_001), b";"])),
        bomb(
            "a.gif: 5000 frames of 2000 x 2000",
            Report,
            join(&[&screen(2000, 2000), &times(&image(2000, 2000, &stops), 5000), b";"]),
        ),
        bomb(
            "a.gif: a comment that never ends",
            Malformed,
            join(&[&screen(1, 1), b"!\xfe", &times(b"\x01a", 100_000)]),
        ),
        bomb(
            "a.gif: 100 001 empty comments",
            Limit,
            join(&[&screen(1, 1), &times(b"!\xfe\0", 100_001), &small, b";"]),
        ),
    ]
}

fn riff(kind: &[u8], chunks: &[u8]) -> Vec<u8> {
    join(&[b"RIFF", &((chunks.len() + 4) as u32).to_le_bytes(), kind, chunks])
}

pub(crate) fn le_chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let pad: &[u8] = if data.len() % 2 == 1 { &[0] } else { &[] };
    join(&[kind, &(data.len() as u32).to_le_bytes(), data, pad])
}

fn webp() -> Vec<Bomb> {
    let canvas = |flags: u8| le_chunk(b"VP8X", &[flags, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    // 16384 x 16384, then nothing.
    let lossless = le_chunk(b"VP8L", &[0x2f, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0]);
    let lossy = le_chunk(b"VP8 ", &[0x10, 0, 0, 0x9d, 1, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0, 0]);
    let frame =
        le_chunk(b"ANMF", &join(&[&[0, 0, 0, 0, 0, 0, 0xff, 0x3f, 0, 0xff, 0x3f, 0, 1, 0, 0, 0], &lossless]));
    let animation = join(&[&canvas(2), &le_chunk(b"ANIM", &[0; 6]), &times(&frame, 2000)]);
    let mut lying = riff(b"WEBP", &join(&[&canvas(4), &lossless, &le_chunk(b"XMP ", b"<x/>")]));
    let at = lying.len() - 8;
    lying[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    vec![
        bomb("a.webp: 2^24 pixels wide and high", Report, riff(b"WEBP", &join(&[&canvas(0), &lossless]))),
        bomb("a.webp: 16384 pixels wide and high, lossless", Report, riff(b"WEBP", &lossless)),
        bomb("a.webp: 16383 pixels wide and high, lossy", Report, riff(b"WEBP", &lossy)),
        bomb("a.webp: 2000 frames of 16384 x 16384", Report, riff(b"WEBP", &animation)),
        bomb("a.webp: 2^32-1 bytes of XMP", Malformed, lying),
        bomb(
            "a.webp: 100 001 empty chunks",
            Limit,
            riff(b"WEBP", &join(&[&canvas(0), &lossless, &times(&le_chunk(b"ABCD", b""), 100_001)])),
        ),
    ]
}

/// An entry of a TIFF directory.
fn entry(tag: u16, kind: u16, count: u32, value: u32) -> Vec<u8> {
    join(&[&tag.to_le_bytes(), &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()])
}

fn directory(entries: &[Vec<u8>], next: u32) -> Vec<u8> {
    join(&[&(entries.len() as u16).to_le_bytes(), &entries.concat(), &next.to_le_bytes()])
}

fn tiff_with(directories: &[u8]) -> Vec<u8> {
    join(&[b"II*\0\x08\0\0\0", directories])
}

fn tiff() -> Vec<Bomb> {
    let size = |w: u32, h: u32| {
        vec![entry(256, 4, 1, w), entry(257, 4, 1, h), entry(258, 3, 1, 8), entry(262, 3, 1, 1)]
    };
    let picture = |w: u32, h: u32, more: &[Vec<u8>]| [size(w, h), more.to_vec()].concat();
    // 20 000 directories of no entry, each pointing to the next.
    let chain: Vec<u8> = (0..20_000_u32).flat_map(|i| directory(&[], 8 + (i + 1) * 6)).collect();
    let spaces = spaces();
    let strip = |w: u32, h: u32| {
        let length = 8 + 2 + 12 * 8 + 4;
        let more = [
            entry(259, 3, 1, 8),
            entry(273, 4, 1, length),
            entry(278, 4, 1, h),
            entry(279, 4, 1, spaces.len() as u32),
        ];
        join(&[&tiff_with(&directory(&picture(w, h, &more), 0)), spaces])
    };
    let big = join(&[b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", &u64::MAX.to_le_bytes(), &[0; 64]]);
    let big_far = join(&[b"II+\0\x08\0\0\0", &(1_u64 << 63).to_le_bytes()]);
    vec![
        bomb("a.tif: a directory that comes after itself", Report, tiff_with(&directory(&size(1, 1), 8))),
        bomb("a.tif: 20 000 directories", Limit, tiff_with(&chain)),
        bomb("a.tif: 65535 entries, none there", Malformed, tiff_with(b"\xff\xff")),
        bomb(
            "a.tif: 2^32-1 values",
            Limit,
            tiff_with(&directory(&picture(1, 1, &[entry(700, 1, u32::MAX, 8)]), 0)),
        ),
        bomb(
            "a.tif: 2^32-1 values of eight bytes",
            Limit,
            tiff_with(&directory(&picture(1, 1, &[entry(700, 12, u32::MAX, 8)]), 0)),
        ),
        bomb(
            "a.tif: 2^32-1 strips",
            Limit,
            tiff_with(&directory(
                &picture(8, 8, &[entry(273, 4, u32::MAX, 8), entry(279, 4, u32::MAX, 8)]),
                0,
            )),
        ),
        bomb("a.tif: 2^32-1 pixels wide and high", Report, strip(u32::MAX, u32::MAX)),
        bomb("a.tif: a strip that unpacks to 256 MiB over its picture", Report, strip(64, 64)),
        bomb(
            "a.tif: a child directory that is its own",
            Report,
            tiff_with(&directory(&picture(1, 1, &[entry(330, 4, 1, 8), entry(34665, 4, 1, 8)]), 0)),
        ),
        bomb("a.tif: BigTIFF with 2^64-1 entries", Limit, big),
        bomb("a.tif: BigTIFF with a directory at byte 2^63", Malformed, big_far),
    ]
}

fn bmp() -> Vec<Bomb> {
    let file = |w: i32, h: i32, bits: u16, compression: u32, data: &[u8]| {
        let info = join(&[
            &40_u32.to_le_bytes(),
            &w.to_le_bytes(),
            &h.to_le_bytes(),
            &1_u16.to_le_bytes(),
            &bits.to_le_bytes(),
            &compression.to_le_bytes(),
            &[0; 12],
            &u32::MAX.to_le_bytes(),
            &[0; 4],
        ]);
        join(&[b"BM", &u32::MAX.to_le_bytes(), &[0; 4], &54_u32.to_le_bytes(), &info, data])
    };
    vec![
        bomb("a.bmp: 2^31-1 pixels wide and high", Report, file(i32::MAX, i32::MAX, 24, 0, b"")),
        bomb("a.bmp: -2^31 pixels high", Report, file(1, i32::MIN, 24, 0, b"")),
        bomb("a.bmp: 8000 x 1000 pixels of runs, none there", Report, file(8000, 1000, 8, 1, b"\0\x01")),
        bomb(
            "a.bmp: runs that go round and round",
            Report,
            file(64, 64, 8, 1, &times(b"\0\x02\0\0", 100_000)),
        ),
    ]
}

fn svg() -> Vec<Bomb> {
    let open = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"100\">";
    let laughs =
        (1..20).fold(String::new(), |s, i| format!("{s}<!ENTITY a{i} \"&a{};&a{};\">", i - 1, i - 1));
    let packed = {
        use std::io::Write;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(open.as_bytes()).unwrap();
        out.write_all(&vec![b' '; 256 << 20]).unwrap();
        out.finish().unwrap()
    };
    let many: String = (0..50_000).map(|i| format!(" a{i}=\"\"")).collect();
    vec![
        bomb(
            "a.svg: 10 000 levels",
            Limit,
            format!("{open}{}{}</svg>", "<g>".repeat(10_000), "</g>".repeat(10_000)),
        ),
        bomb("a.svg: 100 001 elements", Limit, format!("{open}{}</svg>", "<g/>".repeat(100_001))),
        bomb(
            "a.svg: entities of entities",
            Malformed,
            format!("<!DOCTYPE svg [<!ENTITY a0 \"x\">{laughs}]>{open}&a19;</svg>"),
        ),
        bomb("a.svg: 50 000 attributes", Report, format!("{}{many}></svg>", open.trim_end_matches('>'))),
        bomb("a.svg: a start tag that never ends", Malformed, format!("{open}<g{}", " ".repeat(1 << 20))),
        bomb("a.svg: a comment that never ends", Malformed, format!("{open}<!--{}", "-".repeat(1 << 20))),
        bomb("a.svgz: unpacks to 256 MiB", Unsupported, packed),
    ]
}

pub(crate) fn bmff_box(kind: &[u8], body: &[u8]) -> Vec<u8> {
    join(&[&((body.len() + 8) as u32).to_be_bytes(), kind, body])
}

pub(crate) fn full_box(kind: &[u8], version: u8, body: &[u8]) -> Vec<u8> {
    bmff_box(kind, &join(&[&[version, 0, 0, 0], body]))
}

/// `levels` boxes, each in the one before.
pub(crate) fn nested(kind: &[u8], levels: usize, prefix: &[u8]) -> Vec<u8> {
    let step = 8 + prefix.len();
    let mut out = Vec::with_capacity(levels * step);
    for i in 0..levels {
        out.extend(((levels - i) as u32 * step as u32).to_be_bytes());
        out.extend(kind);
        out.extend(prefix);
    }
    out
}

fn heif() -> Vec<Bomb> {
    let mut out = Vec::new();
    for (name, brand) in [("a.avif", b"avif"), ("a.heic", b"heic")] {
        let ftyp = bmff_box(b"ftyp", &join(&[brand, &[0; 4], b"mif1", brand]));
        let meta = |boxes: &[u8]| {
            join(&[
                &ftyp,
                &full_box(
                    b"meta",
                    0,
                    &join(&[&full_box(b"hdlr", 0, &join(&[&[0; 4], b"pict", &[0; 13]])), boxes]),
                ),
            ])
        };
        let items = full_box(b"iinf", 1, &u32::MAX.to_be_bytes());
        let places = full_box(b"iloc", 2, &join(&[&[0x44, 0x40], &u32::MAX.to_be_bytes()]));
        // One item of 2^32-1 bytes at byte 2^32-1.
        let place = full_box(b"iloc", 1, &join(&[&[0x44, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1], &[0xff; 8]]));
        let properties = bmff_box(
            b"iprp",
            &join(&[&bmff_box(b"ipco", b""), &full_box(b"ipma", 1, &u32::MAX.to_be_bytes())]),
        );
        let huge = join(&[&1_u32.to_be_bytes(), b"uuid", &(1_u64 << 63).to_be_bytes()]);
        let size = full_box(b"ispe", 0, &[0xff; 8]);
        let sizes = bmff_box(b"iprp", &bmff_box(b"ipco", &size));
        out.extend([
            bomb(&format!("{name}: 10 000 levels"), Report, meta(&nested(b"iprp", 10_000, b""))),
            bomb(
                &format!("{name}: 10 000 levels of movie boxes"),
                Limit,
                join(&[&ftyp, &nested(b"moov", 10_000, b"")]),
            ),
            bomb(&format!("{name}: 2^32-1 items"), Report, meta(&items)),
            bomb(&format!("{name}: 2^32-1 places"), Malformed, meta(&places)),
            bomb(&format!("{name}: an item at byte 2^32-1"), Report, meta(&place)),
            bomb(&format!("{name}: 2^32-1 associations"), Report, meta(&properties)),
            bomb(&format!("{name}: 2^32-1 pixels wide and high"), Report, meta(&sizes)),
            bomb(&format!("{name}: a box of 2^63 bytes"), Malformed, join(&[&ftyp, &huge])),
            bomb(
                &format!("{name}: 100 001 empty boxes"),
                Limit,
                join(&[&ftyp, &times(&bmff_box(b"free", b""), 100_001)]),
            ),
            bomb(
                &format!("{name}: boxes of length 2"),
                Malformed,
                join(&[&ftyp, &times(&[0, 0, 0, 2], 1000)]),
            ),
        ]);
    }
    out
}

fn jxl() -> Vec<Bomb> {
    let start = join(&[&bmff_box(b"JXL ", b"\r\n\x87\n"), &bmff_box(b"ftyp", b"jxl \0\0\0\0jxl ")]);
    let code = bmff_box(b"jxlc", b"\xff\x0a\xff\xff\xff\xff");
    let huge = join(&[&1_u32.to_be_bytes(), b"jxlc", &u64::MAX.to_be_bytes()]);
    vec![
        bomb("a.jxl: a box of 2^64-1 bytes", Malformed, join(&[&start, &huge])),
        bomb(
            "a.jxl: 100 001 empty boxes",
            Limit,
            join(&[&start, &code, &times(&bmff_box(b"free", b""), 100_001)]),
        ),
        bomb(
            "a.jxl: 10 000 levels of a manifest",
            Report,
            join(&[&start, &code, &nested(b"jumb", 10_000, b"")]),
        ),
        bomb(
            "a.jxl: packed metadata that is none",
            Report,
            join(&[&start, &code, &bmff_box(b"brob", b"xml \xff\xff\xff\xff")]),
        ),
        bomb(
            "a.jxl: a bare codestream of 2^30 pixels wide and high",
            Report,
            join(&[b"\xff\x0a", &[0xff; 16]]),
        ),
    ]
}
