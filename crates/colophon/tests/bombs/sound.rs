//! WAVE, RF64, AIFF, CAF, FLAC, MP3, ADTS, Ogg and M4A.

use super::Want::{Limit, Malformed, Report, Unsupported};
use super::pictures::{bmff_box, full_box, le_chunk, nested};
use super::{Bomb, bomb, join, times};

pub(crate) fn bombs() -> Vec<Bomb> {
    [wave(), stores(), aiff(), caf(), flac(), mp3(), ogg(), m4a()].into_iter().flatten().collect()
}

fn format(kind: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
    let head =
        join(&[&kind.to_le_bytes(), &channels.to_le_bytes(), &rate.to_le_bytes(), &rate.to_le_bytes()]);
    le_chunk(b"fmt ", &join(&[&head, &align.to_le_bytes(), &bits.to_le_bytes()]))
}

fn wave_of(chunks: &[u8]) -> Vec<u8> {
    join(&[b"RIFF", &((chunks.len() + 4) as u32).to_le_bytes(), b"WAVE", chunks])
}

fn wave() -> Vec<Bomb> {
    let plain = format(1, 1, 8000, 2, 16);
    let data = le_chunk(b"data", &[0; 16_000]);
    let lying = join(&[b"data", &u32::MAX.to_le_bytes(), &[0; 100]]);
    let ds64 = |riff: u64, data: u64, table: u32| {
        le_chunk(b"ds64", &join(&[&riff.to_le_bytes(), &data.to_le_bytes(), &[0; 8], &table.to_le_bytes()]))
    };
    let rf64 = |sizes: &[u8]| join(&[b"RF64\xff\xff\xff\xffWAVE", sizes, &plain, &lying]);
    let mut list = b"a".to_vec();
    for _ in 0..2_000 {
        list = le_chunk(b"LIST", &join(&[b"INFO", &list]));
    }
    let label = join(&[&times(b"[", 10_000), &times(b"]", 10_000)]);
    vec![
        bomb("a.wav: 2^32-1 bytes of sound, 100 there", Report, wave_of(&join(&[&plain, &lying]))),
        bomb("a.wav: blocks of no byte", Malformed, wave_of(&join(&[&format(1, 1, 8000, 0, 16), &data]))),
        bomb("a.wav: 65535 channels", Report, wave_of(&join(&[&format(1, 65535, 8000, 65535, 8), &data]))),
        bomb("a.wav: no channel, no rate", Malformed, wave_of(&join(&[&format(1, 0, 0, 0, 0), &data]))),
        bomb(
            "a.wav: 2^32-1 samples a second",
            Report,
            wave_of(&join(&[&format(1, 1, u32::MAX, 2, 16), &data])),
        ),
        bomb("a.wav: one sample a second", Report, wave_of(&join(&[&format(1, 1, 1, 2, 16), &data]))),
        bomb(
            "a.wav: 100 001 empty chunks",
            Limit,
            wave_of(&join(&[&plain, &data, &times(&le_chunk(b"JUNK", b""), 100_001)])),
        ),
        bomb("a.wav: 2000 levels of lists", Report, wave_of(&join(&[&plain, &data, &list]))),
        bomb(
            "a.wav: 10 000 levels of JSON in the label",
            Report,
            wave_of(&join(&[&plain, &data, &le_chunk(b"AIGC", &label)])),
        ),
        bomb(
            "a.wav: a manifest that is not there",
            Report,
            wave_of(&join(&[&plain, &data, &le_chunk(b"C2PA", &nested(b"jumb", 10_000, b""))])),
        ),
        bomb("a.wav: RF64 of 2^64-1 bytes", Malformed, rf64(&ds64(u64::MAX, u64::MAX, 0))),
        bomb("a.wav: RF64 of 2^63 bytes", Malformed, rf64(&ds64(1 << 63, 1 << 63, 0))),
        bomb("a.wav: RF64 with a table of 2^32-1 sizes", Report, rf64(&ds64(200, 100, u32::MAX))),
    ]
}

/// A superbox of JUMBF: its type, its label, what it holds.
fn superbox(kind: &[u8], label: &str, content: &[u8]) -> Vec<u8> {
    let tail = [0, 0x11, 0, 0x10, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let description = bmff_box(b"jumd", &join(&[kind, &tail, &[3], label.as_bytes(), &[0]]));
    bmff_box(b"jumb", &join(&[&description, content]))
}

/// Manifest stores, in the container that carries them plainest.
fn stores() -> Vec<Bomb> {
    let store = |manifests: &[u8]| {
        let chunk = le_chunk(b"C2PA", &superbox(b"c2pa", "c2pa", manifests));
        wave_of(&join(&[&format(1, 1, 8000, 2, 16), &le_chunk(b"data", &[0; 16_000]), &chunk]))
    };
    let manifest = |content: &[u8]| superbox(b"c2ma", "urn:c2pa:a", content);
    let claim = |cbor: &[u8]| superbox(b"c2cl", "c2pa.claim.v2", &bmff_box(b"cbor", cbor));
    let signature = |cbor: &[u8]| superbox(b"c2cs", "c2pa.signature", &bmff_box(b"cbor", cbor));
    let packed = {
        let mut out = Vec::new();
        let mut zeros = std::io::Read::take(std::io::repeat(0), 256 << 20);
        let fast = brotli::enc::BrotliEncoderParams { quality: 2, ..Default::default() };
        brotli::BrotliCompress(&mut zeros, &mut out, &fast).unwrap();
        superbox(b"c2ma", "urn:c2pa:a", &bmff_box(b"brob", &out))
    };
    let deep = times(&[0x81], 100_000);
    let mut boxes = claim(b"\xa0");
    for i in 0..2_000 {
        boxes = superbox(b"c2as", &format!("a{i}"), &boxes);
    }
    vec![
        bomb("a.wav: a manifest that unpacks to 256 MiB", Report, store(&packed)),
        bomb(
            "a.wav: a claim of 100 000 levels",
            Report,
            store(&manifest(&join(&[&claim(&deep), &signature(&deep)]))),
        ),
        bomb(
            "a.wav: a claim of 2^64-1 members",
            Report,
            store(&manifest(&claim(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"))),
        ),
        bomb("a.wav: a claim of 2^63 bytes", Report, store(&manifest(&claim(b"\x5b\x80\0\0\0\0\0\0\0")))),
        bomb("a.wav: 2000 levels of boxes", Report, store(&manifest(&boxes))),
        bomb("a.wav: 20 000 empty manifests", Report, store(&times(&manifest(b""), 20_000))),
        bomb("a.wav: 5000 claims", Report, store(&manifest(&times(&claim(b"\xa0"), 5000)))),
    ]
}

fn aiff() -> Vec<Bomb> {
    let chunk = |kind: &[u8], data: &[u8]| join(&[kind, &(data.len() as u32).to_be_bytes(), data]);
    let form = |chunks: &[u8]| join(&[b"FORM", &((chunks.len() + 4) as u32).to_be_bytes(), b"AIFF", chunks]);
    let common = |channels: u16, frames: u32, bits: u16, rate: [u8; 10]| {
        chunk(b"COMM", &join(&[&channels.to_be_bytes(), &frames.to_be_bytes(), &bits.to_be_bytes(), &rate]))
    };
    // 8000 and infinity in the 80 bits of SANE.
    let rate = [0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0];
    let endless = [0x7f, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0];
    let sound = chunk(b"SSND", &[0; 16_008]);
    let lying = join(&[b"SSND", &u32::MAX.to_be_bytes(), &[0; 100]]);
    vec![
        bomb("a.aiff: 2^32-1 frames", Report, form(&join(&[&common(1, u32::MAX, 16, rate), &sound]))),
        bomb(
            "a.aiff: 2^32-1 bytes of sound, 100 there",
            Malformed,
            form(&join(&[&common(1, 8000, 16, rate), &lying])),
        ),
        bomb("a.aiff: an infinite rate", Malformed, form(&join(&[&common(1, 8000, 16, endless), &sound]))),
        bomb("a.aiff: no channel, no bit", Malformed, form(&join(&[&common(0, 8000, 0, rate), &sound]))),
        bomb(
            "a.aiff: 65535 channels of 65535 bits",
            Report,
            form(&join(&[&common(65535, 8000, 65535, rate), &sound])),
        ),
        bomb(
            "a.aiff: 100 001 empty chunks",
            Limit,
            form(&join(&[&common(1, 8000, 16, rate), &sound, &times(&chunk(b"ANNO", b""), 100_001)])),
        ),
        bomb(
            "a.aiff: a tag of 2^28-1 bytes",
            Limit,
            form(&join(&[
                &common(1, 8000, 16, rate),
                &sound,
                &chunk(b"ID3 ", b"ID3\x03\0\0\x7f\x7f\x7f\x7f"),
            ])),
        ),
    ]
}

fn caf() -> Vec<Bomb> {
    let chunk = |kind: &[u8], size: i64, data: &[u8]| join(&[kind, &size.to_be_bytes(), data]);
    let description = |rate: f64, packet: u32, frames: u32, channels: u32| {
        let body = join(&[
            &rate.to_be_bytes(),
            b"lpcm",
            &[0; 4],
            &packet.to_be_bytes(),
            &frames.to_be_bytes(),
            &channels.to_be_bytes(),
            &16_u32.to_be_bytes(),
        ]);
        chunk(b"desc", 32, &body)
    };
    let file = |chunks: &[&[u8]]| join(&[b"caff\0\x01\0\0", &chunks.concat()]);
    let data = chunk(b"data", 16_004, &[0; 16_004]);
    let plain = description(8000.0, 2, 1, 1);
    vec![
        bomb(
            "a.caf: 2^63-1 bytes of sound",
            Malformed,
            file(&[&plain, &chunk(b"data", i64::MAX, &[0; 100])]),
        ),
        bomb("a.caf: -2 bytes of sound", Malformed, file(&[&plain, &chunk(b"data", -2, &[0; 100])])),
        bomb("a.caf: no number as rate", Malformed, file(&[&description(f64::NAN, 2, 1, 1), &data])),
        bomb("a.caf: 2^32-1 channels", Malformed, file(&[&description(8000.0, 2, 1, u32::MAX), &data])),
        bomb(
            "a.caf: 2^32-1 bytes a packet",
            Report,
            file(&[&description(8000.0, u32::MAX, u32::MAX, 1), &data]),
        ),
        bomb(
            "a.caf: 2^63-1 packets",
            Report,
            file(&[&plain, &chunk(b"pakt", 24, &join(&[&i64::MAX.to_be_bytes(), &[0xff; 16]])), &data]),
        ),
        bomb(
            "a.caf: 2^32-1 strings",
            Report,
            file(&[&plain, &chunk(b"info", 4, &u32::MAX.to_be_bytes()), &data]),
        ),
        bomb(
            "a.caf: 100 001 empty chunks",
            Limit,
            file(&[&plain, &times(&chunk(b"free", 0, b""), 100_001), &data]),
        ),
    ]
}

fn comment(vendor: u32, count: u32) -> Vec<u8> {
    join(&[&vendor.to_le_bytes(), &count.to_le_bytes()])
}

fn flac() -> Vec<Bomb> {
    let block = |last: bool, kind: u8, data: &[u8]| {
        join(&[&[kind | u8::from(last) << 7], &(data.len() as u32).to_be_bytes()[1..], data])
    };
    // 4096 samples a block, 8000 a second, 16 bits, and as many samples as can be said.
    let information = |samples: u64| {
        let tail = (8000_u64 << 44) | (15 << 36) | samples;
        block(false, 0, &join(&[&[0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0], &tail.to_be_bytes(), &[0; 16]]))
    };
    let file = |blocks: &[u8]| join(&[b"fLaC", &information((1 << 36) - 1), blocks, b"\xff\xf8\x69\x08\0\0"]);
    let picture = block(true, 6, &join(&[&[0, 0, 0, 3], &u32::MAX.to_be_bytes()]));
    vec![
        bomb("a.flac: 2^36-1 samples, none there", Report, file(&block(true, 1, b""))),
        bomb("a.flac: a vendor of 2^32-1 bytes", Malformed, file(&block(true, 4, &comment(u32::MAX, 0)))),
        bomb("a.flac: 2^32-1 comments", Malformed, file(&block(true, 4, &comment(0, u32::MAX)))),
        bomb("a.flac: a picture of 2^32-1 bytes", Report, file(&picture)),
        bomb(
            "a.flac: 100 001 blocks of padding",
            Limit,
            file(&join(&[&times(&block(false, 1, b""), 100_001), &block(true, 1, b"")])),
        ),
        bomb("a.flac: no last block", Malformed, file(&block(false, 1, b"")[..2])),
        bomb(
            "a.flac: a block of 2^24-1 bytes",
            Malformed,
            join(&[b"fLaC", &information(8), &[0x81, 0xff, 0xff, 0xff]]),
        ),
    ]
}

fn mp3() -> Vec<Bomb> {
    // MPEG 1 layer 3, 32 kbit/s, 44.1 kHz, mono: 104 bytes of silence.
    let frame = join(&[&[0xff, 0xfb, 0x10, 0xc4], &[0; 100]]);
    let frames = times(&frame, 40);
    let tag = |version: u8, flags: u8, size: [u8; 4], body: &[u8]| {
        join(&[b"ID3", &[version, 0, flags], &size, body])
    };
    let text = |size: [u8; 4], flags: [u8; 2]| join(&[b"TXXX", &size, &flags, b"\0AIGC\0{}"]);
    let packed = {
        let body = join(&[&(256_u32 << 20).to_be_bytes(), super::spaces()]);
        let header = join(&[b"TXXX", &(body.len() as u32).to_be_bytes(), &[0, 0x80]]);
        let frame = join(&[&header, &body]);
        let n = frame.len() as u32;
        let size = [(n >> 21) as u8 & 0x7f, (n >> 14) as u8 & 0x7f, (n >> 7) as u8 & 0x7f, n as u8 & 0x7f];
        tag(3, 0, size, &frame)
    };
    let vbr = {
        let mut f = frame.clone();
        f[21..33].copy_from_slice(b"Xing\0\0\0\x03\xff\xff\xff\xff");
        f
    };
    let empty: Vec<u8> = times(&[b"TXXX".as_slice(), &[0; 6]].concat(), 10_000);
    let n = empty.len() as u32;
    let size = [(n >> 21) as u8 & 0x7f, (n >> 14) as u8 & 0x7f, (n >> 7) as u8 & 0x7f, n as u8 & 0x7f];
    vec![
        bomb("a.mp3: a tag of 2^28-1 bytes", Limit, join(&[&tag(3, 0, [0x7f; 4], b""), &frames])),
        bomb(
            "a.mp3: a frame of 2^32-1 bytes in the tag",
            Report,
            join(&[&tag(3, 0, [0, 0, 0, 18], &text([0xff; 4], [0; 2])), &frames]),
        ),
        bomb(
            "a.mp3: an extended header of 2^32-1 bytes",
            Report,
            join(&[&tag(3, 0x40, [0, 0, 0, 18], &[0xff; 18]), &frames]),
        ),
        bomb("a.mp3: a frame that unpacks to 256 MiB", Report, join(&[&packed, &frames])),
        bomb("a.mp3: 10 000 empty frames in the tag", Report, join(&[&tag(3, 0, size, &empty), &frames])),
        bomb("a.mp3: 2^32-1 frames announced", Report, join(&[&vbr, &frames])),
        bomb("a.mp3: 5000 frames", Report, times(&frame, 5000)),
        bomb("a.mp3: 2000 tags in a row", Report, join(&[&times(&tag(3, 0, [0; 4], b""), 2000), &frames])),
        bomb(
            "a.aac: 100 001 frames of seven bytes",
            Unsupported,
            times(&[0xff, 0xf1, 0x50, 0x40, 0, 0xff, 0xfc], 100_001),
        ),
    ]
}

/// A page: flags, granule position, stream, number, the sizes of its segments, their data.
fn page(flags: u8, granule: u64, serial: u32, number: u32, segments: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = join(&[
        b"OggS\0",
        &[flags],
        &granule.to_le_bytes(),
        &serial.to_le_bytes(),
        &number.to_le_bytes(),
        &[0; 4],
        &[segments.len() as u8],
        segments,
        data,
    ]);
    // RFC 3533, 6: the polynomial 0x04c11db7, not reflected, from 0.
    let crc = out.iter().fold(0_u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b) << 24, |c, _| c << 1 ^ if c >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    });
    out[22..26].copy_from_slice(&crc.to_le_bytes());
    out
}

fn ogg() -> Vec<Bomb> {
    let head = |channels: u8| join(&[b"OpusHead\x01", &[channels], &[0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0]]);
    let tags = |body: &[u8]| join(&[b"OpusTags", body]);
    let one =
        |flags, granule, number, data: &[u8]| page(flags, granule, 1, number, &[data.len() as u8], data);
    let start = one(2, 0, 0, &head(1));
    let usual = one(0, 0, 1, &tags(&comment(0, 0)));
    let end = one(4, 48_000, 2, &[0xfc, 0xff, 0xfe]);
    let endless: Vec<u8> =
        (1..20_000).flat_map(|n| page(u8::from(n > 1), u64::MAX, 1, n, &[255; 4], &[0; 4 * 255])).collect();
    let streams: Vec<u8> = (0..5_000).flat_map(|s| page(2, 0, s, 0, &[19], &head(1))).collect();
    let empty: Vec<u8> = (1..100_002).flat_map(|n| page(0, 0, 1, n, &[], &[])).collect();
    vec![
        bomb(
            "a.opus: 2^32-1 comments",
            Malformed,
            join(&[&start, &one(0, 0, 1, &tags(&comment(0, u32::MAX))), &end]),
        ),
        bomb(
            "a.opus: a vendor of 2^32-1 bytes",
            Malformed,
            join(&[&start, &one(0, 0, 1, &tags(&comment(u32::MAX, 0))), &end]),
        ),
        bomb("a.opus: a comment packet over 20 000 pages", Limit, join(&[&start, &endless])),
        bomb("a.opus: 5000 streams at once", Malformed, join(&[&streams, &usual, &end])),
        bomb("a.opus: 100 001 pages of nothing", Limit, join(&[&start, &empty])),
        bomb(
            "a.opus: sound until 2^63-1",
            Report,
            join(&[&start, &usual, &one(4, i64::MAX as u64, 2, &[0xfc, 0xff, 0xfe])]),
        ),
        bomb("a.opus: 255 channels", Report, join(&[&one(2, 0, 0, &head(255)), &usual, &end])),
        bomb("a.opus: no channel", Malformed, join(&[&one(2, 0, 0, &head(0)), &usual, &end])),
    ]
}

fn m4a() -> Vec<Bomb> {
    let ftyp = bmff_box(b"ftyp", b"M4A \0\0\0\0M4A ");
    let table = |kind: &[u8], body: &[u8]| {
        let stbl = bmff_box(b"stbl", &full_box(kind, 0, body));
        let mdia = bmff_box(
            b"mdia",
            &join(&[
                &full_box(b"hdlr", 0, b"\0\0\0\0soun\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                &bmff_box(b"minf", &stbl),
            ]),
        );
        join(&[&ftyp, &bmff_box(b"moov", &bmff_box(b"trak", &mdia))])
    };
    vec![
        bomb("a.m4a: 10 000 levels", Limit, join(&[&ftyp, &nested(b"moov", 10_000, b"")])),
        bomb(
            "a.m4a: 2^32-1 sample sizes",
            Malformed,
            table(b"stsz", &join(&[&[0; 4], &u32::MAX.to_be_bytes()])),
        ),
        bomb("a.m4a: 2^32-1 sample descriptions", Malformed, table(b"stsd", &u32::MAX.to_be_bytes())),
        bomb(
            "a.m4a: 2^32-1 keys",
            Malformed,
            join(&[
                &ftyp,
                &bmff_box(
                    b"moov",
                    &bmff_box(b"udta", &bmff_box(b"meta", &full_box(b"keys", 0, &u32::MAX.to_be_bytes()))),
                ),
            ]),
        ),
    ]
}
