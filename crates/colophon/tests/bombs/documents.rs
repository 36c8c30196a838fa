//! PDF, HTML, Markdown, plain text, subtitles.

use super::Want::{Limit, Malformed, Report};
use super::{Bomb, bomb, deflated, join, spaces, times};

pub(crate) fn bombs() -> Vec<Bomb> {
    [pdf(), html(), markdown(), text(), subtitles()].into_iter().flatten().collect()
}

/// A PDF of these objects (without `obj`), the first of which is the catalogue.
fn pdf_of(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (i, o) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend(join(&[format!("{} 0 obj\n", i + 1).as_bytes(), o, b"\nendobj\n"]));
    }
    let at = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for p in places {
        out.extend(format!("{p:010} 00000 n \n").bytes());
    }
    out.extend(
        format!("trailer\n<</Size {} /Root 1 0 R {trailer}>>\nstartxref\n{at}\n%%EOF\n", objects.len() + 1)
            .bytes(),
    );
    out
}

fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    join(&[format!("<<{dictionary} /Length {}>>\nstream\n", data.len()).as_bytes(), data, b"\nendstream"])
}

fn pdf() -> Vec<Bomb> {
    let catalogue = || b"<</Type/Catalog/Pages 2 0 R>>".to_vec();
    let pages = || b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec();
    let page = |more: &str| format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]{more}>>").into_bytes();
    let with = |content: Vec<u8>| pdf_of(&[catalogue(), pages(), page("/Contents 4 0 R"), content], "");
    let zeros = spaces();
    let thrice = deflated(&deflated(zeros));
    let metadata = |data: &[u8]| {
        let catalogue = b"<</Type/Catalog/Pages 2 0 R/Metadata 4 0 R>>".to_vec();
        pdf_of(
            &[catalogue, pages(), page(""), stream("/Type/Metadata/Subtype/XML/Filter/FlateDecode", data)],
            "",
        )
    };
    let kids = |list: &str| {
        pdf_of(&[catalogue(), format!("<</Type/Pages/Count 2000000000/Kids[{list}]>>").into_bytes()], "")
    };
    let itself = {
        // The previous cross-reference table of the table is the table.
        let plain = pdf_of(&[catalogue(), pages(), page("")], "/Prev 0000000000");
        let at = plain.windows(4).rposition(|w| w == b"xref").unwrap();
        let at = plain[..at].windows(4).rposition(|w| w == b"xref").unwrap_or(at);
        let text = String::from_utf8(plain).unwrap();
        text.replace("/Prev 0000000000", &format!("/Prev {at:010}")).into_bytes()
    };
    let arrays = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let wide = "3 0 R ".repeat(200_000);
    vec![
        bomb("a.pdf: a page that unpacks to 256 MiB", Report, with(stream("/Filter/FlateDecode", zeros))),
        bomb("a.pdf: a page that unpacks three times", Report, with(stream("/Filter[/FlateDecode/FlateDecode/FlateDecode]", &thrice))),
        bomb("a.pdf: XMP that unpacks to 256 MiB", Limit, metadata(zeros)),
        bomb("a.pdf: a predictor of 2^31-1 columns", Report, with(stream("/Filter/FlateDecode/DecodeParms<</Predictor 15/Columns 2147483647/Colors 32/BitsPerComponent 16>>", &deflated(&[0; 1000])))),
        bomb("a.pdf: pages that are their own children", Malformed, kids("2 0 R")),
        bomb("a.pdf: 200 000 children, one page", Malformed, pdf_of(&[catalogue(), format!("<</Type/Pages/Count 200000/Kids[{wide}]>>").into_bytes(), page("")], "")),
        bomb("a.pdf: a parent that is its own", Report, pdf_of(&[catalogue(), pages(), b"<</Type/Page/Parent 3 0 R>>".to_vec()], "")),
        bomb("a.pdf: 10 000 levels of arrays", Report, pdf_of(&[catalogue(), pages(), page(""), arrays.into_bytes()], "")),
        bomb("a.pdf: 10 000 levels of dictionaries", Report, pdf_of(&[catalogue(), pages(), page(""), times(b"<</a", 10_000)], "")),
        bomb("a.pdf: a table that comes before itself", Malformed, itself),
        bomb("a.pdf: 2^31-1 objects", Malformed, b"%PDF-1.7\nxref\n0 2147483647\n0000000000 65535 f \ntrailer\n<</Size 2147483647/Root 1 0 R>>\nstartxref\n9\n%%EOF\n".to_vec()),
        bomb("a.pdf: a stream of 2^63 bytes", Malformed, with(b"<</Length 9223372036854775807>>\nstream\na\nendstream".to_vec())),
        bomb("a.pdf: a length that is its own object", Malformed, with(b"<</Length 4 0 R>>\nstream\na\nendstream".to_vec())),
        bomb("a.pdf: 10 000 levels of operands", Report, with(stream("", &join(&[b"BT ", &times(b"[", 10_000), b" TJ ET"])))),
        bomb("a.pdf: a form that draws itself", Report, pdf_of(&[catalogue(), pages(), page("/Contents 4 0 R/Resources<</XObject<</a 5 0 R>>>>"), stream("", b"/a Do"), stream("/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</a 5 0 R>>>>", b"/a Do /a Do")], "")),
    ]
}

fn html() -> Vec<Bomb> {
    let page = |body: String| {
        format!("<!DOCTYPE html><html><head><title>a</title></head><body>{body}</body></html>")
    };
    let many: String = (0..50_000).map(|i| format!(" a{i}=b")).collect();
    vec![
        bomb(
            "a.html: 10 000 levels",
            Report,
            page(format!("{}{}", "<div>".repeat(10_000), "</div>".repeat(10_000))),
        ),
        bomb("a.html: 100 001 elements", Limit, page("<p>a</p>".repeat(100_001))),
        bomb("a.html: 50 000 attributes", Report, page(format!("<p{many}>a</p>"))),
        bomb("a.html: 50 000 comments that never end", Report, page("<!--".repeat(50_000))),
        bomb("a.html: 50 000 scripts that never end", Report, page("<script>".repeat(50_000))),
        bomb("a.html: 200 000 opening brackets", Report, page("<".repeat(200_000))),
        bomb("a.html: 20 000 labels", Report, page("<meta name=\"AIGC\" content=\"{}\">".repeat(20_000))),
        bomb(
            "a.html: 20 000 manifests",
            Report,
            page("<script type=\"application/c2pa\">AAAA</script>".repeat(20_000)),
        ),
        bomb(
            "a.html: a manifest of 8 MiB",
            Report,
            page(format!("<script type=\"application/c2pa\">{}</script>", "A".repeat(8 << 20))),
        ),
    ]
}

fn markdown() -> Vec<Bomb> {
    let laughs =
        (1..20).fold("a0: &a0 x\n".to_owned(), |s, i| format!("{s}a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1));
    vec![
        bomb("a.md: aliases of aliases", Report, format!("---\n{laughs}---\ntext\n")),
        bomb("a.md: front matter that never ends", Report, format!("---\n{}", "a: b\n".repeat(200_000))),
        bomb("a.md: 10 000 levels of quotation", Report, format!("{}text\n", "> ".repeat(10_000))),
        bomb("a.md: 10 000 levels of lists in the front matter", Report, format!("---\na: {}\n---\ntext\n", "[".repeat(10_000))),
        bomb("a.md: 20 000 labels", Report, format!("---\n{}---\ntext\n", "AIGC:\n  Label: '1'\n".repeat(20_000))),
        bomb("a.md: 50 000 comments that never end", Report, "<!--\n".repeat(50_000)),
        bomb("a.md: 20 000 manifest lines", Report, "<!-- -----BEGIN C2PA MANIFEST----- data:application/c2pa;base64,AAAA -----END C2PA MANIFEST----- -->\n".repeat(20_000)),
    ]
}

/// A byte as a variation selector (C2PA 2.5, A.8).
fn selector(b: u8) -> char {
    char::from_u32(if b < 16 { 0xfe00 + u32::from(b) } else { 0xe0100 + u32::from(b) - 16 }).unwrap()
}

fn text() -> Vec<Bomb> {
    let hidden = |bytes: &[u8]| -> String { bytes.iter().map(|b| selector(*b)).collect() };
    let wrapper = |length: u32, body: &[u8]| {
        format!("a\u{feff}{}", hidden(&join(&[b"C2PATXT\0\x01", &length.to_be_bytes(), body])))
    };
    let accents = format!("a{}", "\u{301}\u{323}".repeat(200_000));
    vec![
        bomb("a.txt: a hidden manifest of 2^32-1 bytes", Report, wrapper(u32::MAX, b"")),
        bomb("a.txt: 1000 hidden manifests", Report, wrapper(1, b"a").repeat(1000)),
        bomb(
            "a.txt: 20 000 beginnings of hidden manifests",
            Report,
            format!("a\u{feff}{}", hidden(b"C2PATXT\0")).repeat(20_000),
        ),
        bomb(
            "a.txt: a hidden manifest of 10 000 levels",
            Report,
            wrapper(80_000, &super::pictures::nested(b"jumb", 10_000, b"")),
        ),
        bomb("a.txt: 400 000 accents on one letter", Report, accents),
        bomb(
            "a.txt: 400 000 invisible characters",
            Report,
            format!("a{}", "\u{200b}\u{200d}".repeat(200_000)),
        ),
        bomb(
            "a.txt: 20 000 visible manifests that never end",
            Report,
            "-----BEGIN C2PA MANIFEST-----\n".repeat(20_000),
        ),
        bomb("a.txt: one line of 8 MiB", Report, "word ".repeat((8 << 20) / 5)),
        bomb("a.json: 10 000 levels", Report, format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))),
        bomb(
            "a.json: 10 000 levels of a label",
            Report,
            format!("{}1{}", "{\"AIGC\":".repeat(10_000), "}".repeat(10_000)),
        ),
        bomb("a.txt: bytes that are no text", Malformed, vec![0x80; 1000]),
    ]
}

fn subtitles() -> Vec<Bomb> {
    let cue = "1\n00:00:01,000 --> 00:00:02,000\na\n\n";
    let web = "00:01.000 --> 00:02.000\na\n\n";
    vec![
        bomb("a.srt: 100 001 cues", Report, cue.repeat(100_001)),
        bomb(
            "a.srt: a time of 2^64 hours",
            Report,
            "1\n18446744073709551616:00:01,000 --> 99999999999999999999:00:02,000\na\n",
        ),
        bomb(
            "a.srt: one cue of 8 MiB",
            Report,
            format!("1\n00:00:01,000 --> 00:00:02,000\n{}\n", "a ".repeat(4 << 20)),
        ),
        bomb("a.vtt: 100 001 cues", Report, format!("WEBVTT\n\n{}", web.repeat(100_001))),
        bomb("a.vtt: 50 000 labels", Report, format!("WEBVTT\n\n{}", "NOTE AIGC {}\n\n".repeat(50_000))),
        bomb("a.vtt: a note that never ends", Report, format!("WEBVTT\n\nNOTE {}", "a\n".repeat(1 << 20))),
        bomb(
            "a.vtt: 10 000 levels of JSON in the label",
            Report,
            format!("WEBVTT\n\nNOTE AIGC {}\n\n{web}", "[".repeat(10_000)),
        ),
    ]
}
