//! The AIGC object in every place that a guide names, and in those where files in the wild have it, for pictures, sound and
//! documents (TC260-PG-20258A, -20259A, -202510A and GB 45438 Annex B). Films: `video_variants.rs`.
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod aigc;

use aigc::{BARE, exif, found, join, text, wrapped, xmp};
use colophon::State;

/// A picture of one colour in one of the formats of the `image` library.
fn picture(kind: image::ImageFormat) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(16, 16).write_to(&mut out, kind).unwrap();
    out.into_inner()
}

fn png(kind: &[u8], data: &[u8], at_end: bool) -> Vec<u8> {
    let plain = picture(image::ImageFormat::Png);
    let body = join(&[kind, data]);
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    let chunk = join(&[&(data.len() as u32).to_be_bytes(), &body, &crc.sum().to_be_bytes()]);
    // Behind the header (8 + 25 bytes), or before the end (12 bytes).
    let at = if at_end { plain.len() - 12 } else { 33 };
    join(&[&plain[..at], &chunk, &plain[at..]])
}

fn jpeg(marker: u8, data: &[u8]) -> Vec<u8> {
    let plain = picture(image::ImageFormat::Jpeg);
    let length = ((data.len() + 2) as u16).to_be_bytes();
    join(&[&plain[..2], &[0xff, marker], &length, data, &plain[2..]])
}

fn le_chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let pad: &[u8] = if data.len() % 2 == 1 { &[0] } else { &[] };
    join(&[kind, &(data.len() as u32).to_le_bytes(), data, pad])
}

fn riff(kind: &[u8], chunks: &[u8]) -> Vec<u8> {
    join(&[b"RIFF", &((chunks.len() + 4) as u32).to_le_bytes(), kind, chunks])
}

fn webp(flags: u8, kind: &[u8], data: &[u8]) -> Vec<u8> {
    let plain = picture(image::ImageFormat::WebP);
    let head = le_chunk(b"VP8X", &[flags, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
    riff(b"WEBP", &join(&[&head, &plain[12..], &le_chunk(kind, data)]))
}

fn gif() -> Vec<u8> {
    // XMP part 3, 1.1.2: the packet is no sub-blocks; 258 bytes of trailer lead every reader out of it.
    let trailer: Vec<u8> = [1].into_iter().chain((0..=255).rev()).chain([0]).collect();
    let image = b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;";
    join(&[b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\x01\x01\x01", b"!\xff\x0bXMP DataXMP", &xmp(), &trailer, image])
}

fn tiff(kind: u16) -> Vec<u8> {
    let packet = xmp();
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        join(&[&tag.to_le_bytes(), &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()])
    };
    let entries = [
        entry(256, 4, 1, 1),
        entry(257, 4, 1, 1),
        entry(258, 3, 1, 8),
        entry(259, 3, 1, 1),
        entry(262, 3, 1, 1),
        entry(273, 4, 1, 8),
        entry(278, 4, 1, 1),
        entry(279, 4, 1, 1),
        // Behind the pixel and the directory.
        entry(700, kind, packet.len() as u32, 10 + 2 + 9 * 12 + 4),
    ];
    join(&[b"II*\0\x0a\0\0\0\x80\0", &9_u16.to_le_bytes(), &entries.concat(), &[0; 4], &packet])
}

/// A second of silence with a chunk in front of the sound, or behind it.
fn wav(chunk: &[u8], front: bool) -> Vec<u8> {
    let format = le_chunk(b"fmt ", b"\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0");
    let sound = le_chunk(b"data", &[0; 16_000]);
    let parts: [&[u8]; 3] = if front { [chunk, &format, &sound] } else { [&format, &sound, chunk] };
    riff(b"WAVE", &parts.concat())
}

/// Frames of silence behind an ID3v2 tag of one frame.
fn mp3(version: u8, id: &[u8], body: &[u8]) -> Vec<u8> {
    let safe =
        |n: usize| [(n >> 21) as u8 & 0x7f, (n >> 14) as u8 & 0x7f, (n >> 7) as u8 & 0x7f, n as u8 & 0x7f];
    let n = body.len();
    let frame = match version {
        2 => join(&[id, &(n as u32).to_be_bytes()[1..], body]),
        3 => join(&[id, &(n as u32).to_be_bytes(), &[0, 0], body]),
        _ => join(&[id, &safe(n), &[0, 0], body]),
    };
    let silence = join(&[&[0xff, 0xfb, 0x10, 0xc4], &[0; 100]]).repeat(40);
    join(&[b"ID3", &[version, 0, 0], &safe(frame.len()), &frame, &silence])
}

fn comments(name: &str) -> Vec<u8> {
    let comment = format!("{name}={BARE}");
    let length = (comment.len() as u32).to_le_bytes();
    join(&[&0_u32.to_le_bytes(), &1_u32.to_le_bytes(), &length, comment.as_bytes()])
}

/// The sample with a comment block behind its first block.
fn flac(name: &str) -> Vec<u8> {
    let sample = include_bytes!("../../../samples/music.flac");
    let body = comments(name);
    let block = join(&[&[4], &(body.len() as u32).to_be_bytes()[1..], &body]);
    join(&[&sample[..42], &block, &sample[42..]])
}

fn opus(name: &str) -> Vec<u8> {
    let page = |flags: u8, granule: u64, number: u32, data: &[u8]| {
        let whole = data.len() / 255;
        let segments = [vec![255; whole], vec![(data.len() % 255) as u8]].concat();
        let place = join(&[&granule.to_le_bytes(), &1_u32.to_le_bytes(), &number.to_le_bytes(), &[0; 4]]);
        let mut out = join(&[b"OggS\0", &[flags], &place, &[segments.len() as u8], &segments, data]);
        let crc = out.iter().fold(0_u32, |crc, b| {
            (0..8).fold(crc ^ u32::from(*b) << 24, |c, _| c << 1 ^ if c >> 31 == 1 { 0x04c1_1db7 } else { 0 })
        });
        out[22..26].copy_from_slice(&crc.to_le_bytes());
        out
    };
    let head = b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0";
    let tags = join(&[b"OpusTags", &comments(name)]);
    join(&[&page(2, 0, 0, head), &page(0, 0, 1, &tags), &page(4, 960, 2, &[0xfc, 0xff, 0xfe])])
}

fn pdf(object: &str) -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>",
        object,
    ];
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut places = String::new();
    for (i, o) in objects.iter().enumerate() {
        places += &format!("{:010} 00000 n \n", out.len());
        out.extend(format!("{} 0 obj\n{o}\nendobj\n", i + 1).bytes());
    }
    let at = out.len();
    let tail = format!(
        "xref\n0 5\n0000000000 65535 f \n{places}trailer\n<</Size 5/Root 1 0 R/Info 4 0 R>>\nstartxref\n{at}\n%%EOF\n"
    );
    out.extend(tail.bytes());
    out
}

fn front_matter(quote: &str) -> String {
    let fields = [
        ("Label", "1"),
        ("ContentProducer", "acme"),
        ("ProduceID", "a-1"),
        ("ReservedCode1", ""),
        ("ContentPropagator", "acme"),
        ("PropagateID", "a-1"),
        ("ReservedCode2", ""),
    ];
    let lines: String = fields.iter().map(|(k, v)| format!("  {k}: {quote}{v}{quote}\n")).collect();
    format!("---\ntitle: a\nAIGC:\n{lines}---\n\nThe tide came in.\n")
}

#[test]
fn gb45438_every_place_in_pictures_sound_and_documents_is_read() {
    let quoted = |s: &str| s.replace('(', "\\(").replace(')', "\\)");
    let utf16: String = BARE.encode_utf16().fold("<FEFF".to_owned(), |s, u| format!("{s}{u:04X}")) + ">";
    let packet = xmp();
    let head = b"http://ns.adobe.com/xap/1.0/\0";
    // One vendor's own keys beside those of Annex E, in a description.
    let vendor = BARE.replacen('{', r#"{"ServiceProvider":"x","ServiceUser":"y","#, 1);
    let meta = |text: &str| {
        format!(
            "<!DOCTYPE html><html><head><meta name=\"AIGC\" content='{text}'></head><body><p>a</p></body></html>"
        )
    };
    let cases: Vec<(&str, &str, Vec<u8>, bool)> = vec![
        ("a.jpg", "XMP in APP1", jpeg(0xe1, &join(&[head, &packet])), true),
        (
            "a.jpg",
            "wrapped in UserComment",
            jpeg(0xe1, &join(&[b"Exif\0\0", &exif(0x9286, &wrapped())])),
            false,
        ),
        ("a.jpg", "bare in UserComment", jpeg(0xe1, &join(&[b"Exif\0\0", &exif(0x9286, BARE)])), false),
        (
            "a.jpg",
            "ImageDescription of a vendor",
            jpeg(0xe1, &join(&[b"Exif\0\0", &exif(0x010e, &vendor)])),
            false,
        ),
        ("a.jpg", "AIGC{…} in an application segment", jpeg(0xe9, format!("AIGC{BARE}").as_bytes()), false),
        ("a.jpg", "a comment", jpeg(0xfe, wrapped().as_bytes()), false),
        (
            "a.png",
            "XMP in iTXt",
            png(b"iTXt", &join(&[b"XML:com.adobe.xmp\0\0\0\0\0", &packet]), false),
            true,
        ),
        ("a.png", "bare in tEXt", png(b"tEXt", format!("AIGC\0{BARE}").as_bytes(), false), false),
        ("a.png", "wrapped in tEXt", png(b"tEXt", format!("AIGC\0{}", wrapped()).as_bytes(), false), false),
        ("a.png", "tEXt behind the pixels", png(b"tEXt", format!("AIGC\0{BARE}").as_bytes(), true), false),
        ("a.png", "zTXt", png(b"zTXt", &join(&[b"AIGC\0\0", &deflated(BARE.as_bytes())]), false), false),
        ("a.png", "iTXt", png(b"iTXt", format!("AIGC\0\0\0\0\0{BARE}").as_bytes(), false), false),
        ("a.png", "a chunk of that name behind the pixels", png(b"AIGC", BARE.as_bytes(), true), false),
        ("a.png", "eXIf", png(b"eXIf", &exif(0x9286, &wrapped()), false), false),
        ("a.webp", "XMP", webp(4, b"XMP ", &packet), true),
        ("a.webp", "UserComment", webp(8, b"EXIF", &exif(0x9286, &wrapped())), false),
        ("a.gif", "XMP application extension", gif(), true),
        ("a.tif", "tag 700 of type 7", tiff(7), true),
        ("a.tif", "tag 700 of type 1", tiff(1), true),
        (
            "a.svg",
            "metadata element",
            join(&[
                b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><metadata>",
                &packet,
                b"</metadata></svg>",
            ]),
            true,
        ),
        ("a.wav", "chunk behind the sound", wav(&le_chunk(b"AIGC", BARE.as_bytes()), false), true),
        ("a.wav", "chunk in front of the format", wav(&le_chunk(b"AIGC", BARE.as_bytes()), true), true),
        ("a.wav", "wrapped", wav(&le_chunk(b"AIGC", wrapped().as_bytes()), false), true),
        ("a.mp3", "TXXX of 2.4 in UTF-8", mp3(4, b"TXXX", &text(3, "AIGC", BARE)), true),
        ("a.mp3", "TXXX of 2.3 in Latin-1", mp3(3, b"TXXX", &text(0, "AIGC", BARE)), true),
        ("a.mp3", "TXXX of 2.3 in UTF-16", mp3(3, b"TXXX", &text(1, "AIGC", BARE)), true),
        ("a.mp3", "TXX of 2.2", mp3(2, b"TXX", &text(0, "AIGC", BARE)), true),
        ("a.mp3", "a description in small letters", mp3(4, b"TXXX", &text(3, "aigc", BARE)), false),
        ("a.flac", "comment", flac("AIGC"), true),
        ("a.flac", "comment in small letters", flac("aigc"), true),
        ("a.opus", "comment", opus("AIGC"), true),
        ("a.pdf", "Info key", pdf(&format!("<</AIGC ({})>>", quoted(BARE))), true),
        ("a.pdf", "Info key in UTF-16", pdf(&format!("<</AIGC {utf16}>>")), true),
        ("a.pdf", "Info key, wrapped", pdf(&format!("<</AIGC ({})>>", quoted(&wrapped()))), true),
        ("a.md", "front matter", front_matter("'").into_bytes(), true),
        ("a.md", "front matter in double quotes", front_matter("\"").into_bytes(), true),
        ("a.html", "meta element", meta(BARE).into_bytes(), true),
        (
            "a.vtt",
            "comment block",
            format!("WEBVTT\n\nNOTE AIGC {BARE}\n\n00:01.000 --> 00:02.000\na\n").into_bytes(),
            true,
        ),
    ];
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

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn gb45438_annex_e_a_text_without_one_of_its_fields_is_no_label() {
    for text in [r#"{"AIGC":{"model":"x"}}"#, r#"{"AIGC":"yes"}"#, "AIGC"] {
        let all = found("a.png", &png(b"tEXt", format!("parameters\0{text}").as_bytes(), false));
        assert!(all.iter().all(|(s, ..)| !s.is_there()), "{text}: {all:?}");
    }
}
