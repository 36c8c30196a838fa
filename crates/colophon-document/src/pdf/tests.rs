use colophon_core::{ErrorKind, LabelAt, LabelForm, LabelRecord, LabelSpec, State, Tools, VisibleSpec};
use lopdf::{Document, Object};
use proptest::prelude::*;

use super::*;

/// A file with a cross-reference table. Objects are numbered from 1; `{}` of the trailer follows the size.
fn file(objects: &[&str], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    for (i, body) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend(format!("{} 0 obj\n{body}\nendobj\n", i + 1).into_bytes());
    }
    let start = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    for p in &places {
        out.extend(format!("{p:010} 00000 n \n").into_bytes());
    }
    let size = objects.len() + 1;
    out.extend(format!("trailer\n<< /Size {size} {trailer} >>\nstartxref\n{start}\n%%EOF\n").into_bytes());
    out
}

const CONTENT: &str = "<< /Length 39 >>\nstream\nBT /F1 12 Tf 72 700 Td (Low water.) Tj ET\nendstream";
const FONT: &str = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";

fn page(extra: &str) -> Vec<u8> {
    let content = CONTENT.replace("39", "41");
    let page = format!("<< /Type /Page /Parent 2 0 R /Contents 4 0 R {extra} >>");
    let pages = "<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 595 842] /Resources << /Font << /F1 5 0 R >> >> >>";
    let objects =
        ["<< /Type /Catalog /Pages 2 0 R >>", pages, &page, &content, FONT, "<< /Title (Low water) >>"];
    file(
        &objects,
        "/Root 1 0 R /Info 6 0 R /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]",
    )
}

/// The same document with object streams and a cross-reference stream, as another library writes it.
fn packed() -> Vec<u8> {
    let mut document = Document::load_mem(&page("")).unwrap();
    let mut out = Vec::new();
    document.save_modern(&mut out).unwrap();
    assert!(String::from_utf8_lossy(&out).contains("/ObjStm"), "the sample has an object stream");
    out
}

fn spec(text: &str, at: LabelAt) -> LabelSpec {
    let form = VisibleSpec { at, height: 0.024, ..VisibleSpec::default() };
    LabelSpec { text: text.to_owned(), form: LabelForm::Visible(form) }
}

fn cx<'a>(limits: &'a Limits, tools: &'a Tools) -> RenderCx<'a> {
    RenderCx { limits, tools }
}

fn labelled(input: &[u8], text: &str, at: LabelAt) -> Result<(Vec<u8>, LabelRecord)> {
    let (limits, tools) = (Limits::default(), Tools::default());
    let mut out = Vec::new();
    let placed = PDF.render(&input, &[SignalOp::Label(spec(text, at))], &cx(&limits, &tools), &mut out)?;
    let Some(Placed::Label(record)) = placed.into_iter().next() else { panic!("no label") };
    Ok((out, record))
}

fn observe(input: &[u8], record: Option<&LabelRecord>) -> Observation {
    let (limits, tools) = (Limits::default(), Tools::default());
    PDF.observe(&input, &[Query::Label(record)], &cx(&limits, &tools)).unwrap().remove(0)
}

fn state(input: &[u8], record: Option<&LabelRecord>) -> State {
    match observe(input, record) {
        Observation::Label { state, .. } => state,
        other => panic!("{other:?}"),
    }
}

fn error(input: &[u8]) -> Error {
    PDF.inspect(&input, &Limits::default()).unwrap_err()
}

#[test]
fn conformance() {
    colophon_conformance::check(
        &PDF,
        &[
            ("table", page("")),
            ("object streams", packed()),
            ("marked", {
                let marked = labelled(&packed(), "AI生成", LabelAt::TopRight).unwrap().0;
                let edits = [
                    Edit::set(Slot::Field, "AIGC", r#"{"Label":"1"}"#),
                    Edit::set(Slot::Jumbf, "c2pa", [7; 90]),
                ];
                PDF.edit(&marked, &edits, &Limits::default()).unwrap().apply_to_vec(&marked).unwrap()
            }),
        ],
    );
}

#[test]
fn gb45438_5_1_label_is_found_again_by_text_place_and_size() {
    for input in [page(""), packed(), page("/Rotate 90"), page("/Rotate 270 /CropBox [100 100 500 700]")] {
        assert_eq!(state(&input, None), State::Absent);
        for at in [LabelAt::TopRight, LabelAt::BottomLeft] {
            let (out, record) = labelled(&input, "AI生成 · AI GENERATED", at).unwrap();
            let Observation::Label { state: State::Present, evidence: Some(e), .. } =
                observe(&out, Some(&record))
            else {
                panic!("not found")
            };
            let (canvas, area) = (record.canvas.unwrap(), record.area.unwrap());
            assert!(
                area.x + area.width <= canvas.width && area.y + area.height <= canvas.height,
                "{record:?}"
            );
            let short = canvas.width.min(canvas.height) as f32;
            let ratio = e.height_ratio.unwrap();
            assert!((ratio - record.ink_height.unwrap() / short).abs() < 1e-3, "{ratio} {record:?}");
            assert!(ratio >= 0.0239);
            let wanted = if at == LabelAt::TopRight { "top" } else { "bottom" };
            assert!(e.position.unwrap().starts_with(wanted));
            assert_eq!(state(&out, None), State::Present, "also without a record");
            assert_eq!(state(&input, Some(&record)), State::Invalid, "a recorded label that is not there");
        }
    }
}

#[test]
fn marking_twice_leaves_one_label() {
    let (once, _) = labelled(&page(""), "AI生成", LabelAt::TopRight).unwrap();
    let (twice, record) = labelled(&once, "AI生成", LabelAt::TopRight).unwrap();
    assert_eq!(once, twice);
    assert_eq!(state(&twice, Some(&record)), State::Present);
}

#[test]
fn another_library_reads_label_and_metadata() {
    for input in [page(""), packed()] {
        let (out, _) = labelled(&input, "AI生成 · AI GENERATED", LabelAt::TopRight).unwrap();
        let json = r#"{"Label":"1","ContentProducer":"猫"}"#;
        let edits = [Edit::set(Slot::Field, "AIGC", json), Edit::set(Slot::Xmp, "xmp", "<x/>")];
        let out = PDF.edit(&out, &edits, &Limits::default()).unwrap().apply_to_vec(&out).unwrap();
        assert!(out.starts_with(&input), "the input stays byte for byte");
        let document = Document::load_mem(&out).unwrap();
        let text = document.extract_text(&[1]).unwrap();
        assert!(text.contains("AI生成 · AI GENERATED") && text.contains("Low water."), "{text:?}");
        let info = document.trailer.get(b"Info").unwrap().as_reference().unwrap();
        let info = document.get_dictionary(info).unwrap();
        assert_eq!(lopdf::decode_text_string(info.get(b"AIGC").unwrap()).unwrap(), json);
        assert_eq!(lopdf::decode_text_string(info.get(b"Title").unwrap()).unwrap(), "Low water");
        let metadata = document.catalog().unwrap().get_deref(b"Metadata", &document).unwrap();
        assert_eq!(metadata.as_stream().unwrap().content, b"<x/>");
    }
}

#[test]
fn c2pa_a_4_store_is_an_associated_file_whose_stream_is_the_store() {
    let input = page("");
    let set = |on: &[u8], store: &[u8]| {
        let edit = [Edit::set(Slot::Jumbf, "c2pa", store)];
        PDF.edit(&on, &edit, &Limits::default()).unwrap().apply_to_vec(&on).unwrap()
    };
    let once = set(&input, &[1; 500]);
    let twice = set(&once, &[2; 500]);
    assert_eq!(once.len(), twice.len(), "a store of the same length is filled in where it is");
    let layout = PDF.inspect(&twice, &Limits::default()).unwrap();
    let entry = layout.of(Slot::Jumbf).next().unwrap();
    assert_eq!(&twice[entry.range.start as usize..entry.range.end as usize], [2; 500]);
    let longer = set(&twice, &[3; 501]);
    assert!(longer.starts_with(&twice));
    assert_eq!(PDF.inspect(&longer, &Limits::default()).unwrap().of(Slot::Jumbf).count(), 1);
    // As the c2pa library looks for it: catalog, AF, relationship, EF, F.
    let document = Document::load_mem(&longer).unwrap();
    let files = document.catalog().unwrap().get_deref(b"AF", &document).unwrap().as_array().unwrap();
    let spec = document.get_dictionary(files[0].as_reference().unwrap()).unwrap();
    assert_eq!(spec.get(b"AFRelationship").unwrap().as_name().unwrap(), b"C2PA_Manifest");
    let stream = spec.get(b"EF").unwrap().as_dict().unwrap().get_deref(b"F", &document).unwrap();
    assert_eq!(stream.as_stream().unwrap().content, [3; 501]);
}

/// A signature field whose byte range ends at the first %%EOF, or a certification.
fn signed(permissions: &str) -> Vec<u8> {
    let catalog = format!(
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /SigFlags 3 >> {permissions} >>"
    );
    let content = CONTENT.replace("39", "41");
    file(
        &[
            &catalog,
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
            &content,
            FONT,
            "<< /FT /Sig /T (Signature1) /V 7 0 R >>",
            "<< /Type /Sig /Filter /Adobe.PPKLite /ByteRange [0 100 200 900] /Contents <00> >>",
        ],
        "/Root 1 0 R",
    )
}

#[test]
fn a_signature_keeps_the_bytes_it_covers_and_a_certified_document_is_refused() {
    let input = signed("");
    let (out, _) = labelled(&input, "AI生成", LabelAt::TopRight).unwrap();
    assert!(out.starts_with(&input));
    let layout = PDF.inspect(&out, &Limits::default()).unwrap();
    assert!(layout.notes[0].contains("1 digital signature"), "{:?}", layout.notes);
    let e = labelled(&signed("/Perms << /DocMDP 7 0 R >>"), "AI生成", LabelAt::TopRight).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.to_string().contains("certified"), "{e}");
}

#[test]
fn an_encrypted_document_is_refused_by_name() {
    let e = error(&file(&["<< /Type /Catalog >>"], "/Root 1 0 R /Encrypt << /Filter /Standard >>"));
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.to_string().contains("encrypted"), "{e}");
}

#[test]
fn a_page_too_small_for_the_label_is_a_policy_error() {
    let e = labelled(&page("/MediaBox [0 0 40 30]"), "AI生成 · AI GENERATED", LabelAt::TopRight).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Policy);
    let (_, record) =
        labelled(&page("/MediaBox [0 0 120 90]"), "AI生成 · AI GENERATED", LabelAt::TopRight).unwrap();
    assert!(record.ink_height.unwrap() >= 5.0);
}

/// A page with these operators; `extra` are further resources.
fn painted(ops: &str, extra: &str) -> Vec<u8> {
    let content = format!("<< /Length {} >>\nstream\n{ops}\nendstream", ops.len());
    let page = format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> {extra} >> >>"
    );
    let form = "BT /F1 12 Tf 10 10 Td (AI GENERATED) Tj ET";
    let form = |bounds: &str| {
        format!(
            "<< /Subtype /Form /BBox [{bounds}] /Resources << /Font << /F1 5 0 R >> >> /Length {} >>\nstream\n{form}\nendstream",
            form.len()
        )
    };
    file(
        &[
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            &page,
            &content,
            FONT,
            &form("0 0 200 50"),
            &form("0 0 5 5"),
            "<< /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray /Length 1 >>\nstream\n0\nendstream",
        ],
        "/Root 1 0 R",
    )
}

#[test]
fn words_that_nobody_sees_are_a_hidden_label_and_said_to_be_why() {
    let shown = "BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET";
    assert_eq!(state(&painted(shown, ""), None), State::Present);
    let kerned = "BT /F1 12 Tf 72 700 Td [(AI) -250 (GENER) 20 (ATED)] TJ ET";
    assert_eq!(state(&painted(kerned, ""), None), State::Present);
    let seen = [
        "1 g BT 0.2 g /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
        // White on a dark bar, on something that is not followed, and on a bar that was painted before.
        "0 g 0 680 595 60 re f 1 g BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
        "q 595 0 0 842 0 0 cm /I Do Q 1 g BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
        "0.2 g 72 690 m 300 690 l 300 720 l h f 1 g BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
        "/Pattern cs /P scn 0 0 595 842 re f 1 g BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
        "0 600 595 200 re W n BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
        "BT 1 Tr 1 g 0 G /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
        "/A gs BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
        "/F Do",
        "1 g 300 0 200 842 re f BT 0 g /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET 1 g 0 0 595 600 re f",
        "q 1 g Q BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
    ];
    let extra = "/XObject << /F 6 0 R /G 7 0 R /I 8 0 R >> /ExtGState << /A << /ca 0.6 >> /B << /ca 0 >> >>";
    for ops in seen {
        assert_eq!(state(&painted(ops, extra), None), State::Present, "{ops}");
    }
    for (ops, why) in [
        ("BT 3 Tr /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "not painted"),
        ("BT 7 Tr /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "not painted"),
        ("BT /F1 1 Tf 72 700 Td (AI GENERATED) Tj ET", "too small to be read"),
        ("BT 0.1 0 0 0.1 72 700 Tm /F1 12 Tf (AI GENERATED) Tj ET", "too small to be read"),
        ("BT 1 Tz /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "too narrow to be read"),
        ("BT /F1 12 Tf 72 900 Td (AI GENERATED) Tj ET", "off the page"),
        ("BT /F1 12 Tf -400 700 Td (AI GENERATED) Tj ET", "off the page"),
        ("1 g BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "in the colour behind it"),
        ("1 1 1 rg BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "in the colour behind it"),
        ("0 0 0 0 k BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "in the colour behind it"),
        ("0.97 g BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "in the colour behind it"),
        ("/DeviceRGB cs 1 1 1 sc BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "in the colour behind it"),
        (
            "1 0 0 rg 0 680 595 60 re f BT 0.98 0 0 rg /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET",
            "in the colour behind it",
        ),
        ("BT 1 Tr 1 G /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "in the colour behind it"),
        ("/B gs BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "transparent"),
        ("0 0 50 50 re W n BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "outside of what the page shows"),
        ("/G Do", "outside of what the page shows"),
        ("BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET 1 g 0 600 595 200 re f", "painted over"),
    ] {
        let Observation::Label { state, evidence: Some(e), .. } = observe(&painted(ops, extra), None) else {
            panic!("{ops}: nothing is said of the words");
        };
        assert_eq!((state, e.method.as_str()), (State::Invalid, "hidden"), "{ops}");
        assert_eq!(e.text.as_deref(), Some("AI GENERATED"), "{ops}");
        assert_eq!(e.position, Some(format!("hidden from readers: {why}")), "{ops}");
    }
    // Data of a picture is no text.
    let picture = "BI /W 1 /H 1 ID BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET EI";
    assert_eq!(state(&painted(picture, ""), None), State::Absent);
}

#[test]
fn a_hidden_copy_beside_a_label_that_is_seen_changes_nothing_and_a_recorded_label_may_not_hide() {
    let both = "BT 3 Tr /F1 12 Tf 72 600 Td (AI GENERATED) Tj 0 Tr 0 100 Td (AI GENERATED) Tj ET";
    assert_eq!(state(&painted(both, ""), None), State::Present);
    let (out, record) = labelled(&page(""), "AI GENERATED", LabelAt::TopRight).unwrap();
    assert_eq!(state(&out, Some(&record)), State::Present);
    let hidden = painted("1 g BT /F1 12 Tf 72 700 Td (AI GENERATED) Tj ET", "");
    let Observation::Label { state, evidence: Some(e), .. } = observe(&hidden, Some(&record)) else {
        panic!()
    };
    assert_eq!((state, e.method.as_str()), (State::Invalid, "hidden"));
}

#[test]
fn hostile_files_end_in_a_named_error() {
    let whole = page("");
    let malformed = |bytes: &[u8], what: &str| {
        let e = error(bytes);
        assert_eq!(e.kind(), ErrorKind::Malformed, "{what}: {e}");
        assert!(e.to_string().starts_with("pdf: "), "{e}");
    };
    malformed(&whole[..whole.len() / 2], "cut in the middle");
    malformed(b"%PDF-1.7\n", "nothing but a header");
    let text = String::from_utf8_lossy(&whole).into_owned();
    let start: usize = text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
    let replaced = |a: &str, b: &str| {
        let at = whole.windows(a.len()).rposition(|w| w == a.as_bytes()).unwrap();
        [&whole[..at], b.as_bytes(), &whole[at + a.len()..]].concat()
    };
    malformed(&replaced("/Size", &format!("/Prev {start} /Size")), "a section that leads to itself");
    malformed(&replaced(&format!("startxref\n{start}"), "startxref\n99999999"), "a section outside the file");
    malformed(&replaced("/Root 1 0 R", "/Root 9 0 R"), "a catalog that is not there");
    // A stream that says it is longer than it is.
    let lying = page("").windows(10).position(|w| w == b"/Length 41").unwrap();
    let mut bytes = page("");
    bytes[lying + 8..lying + 10].copy_from_slice(b"99");
    malformed(&bytes, "a lying length");
    // A page tree that contains itself, and one that is deep.
    let catalog = "<< /Type /Catalog /Pages 2 0 R >>";
    malformed(&file(&[catalog, "<< /Type /Pages /Kids [2 0 R] >>"], "/Root 1 0 R"), "a tree in itself");
    malformed(&file(&[catalog, "<< /Type /Pages /Kids [] >>"], "/Root 1 0 R"), "no page");
    let deep: Vec<String> = std::iter::once(catalog.to_owned())
        .chain((3..2000).map(|n| format!("<< /Type /Pages /Kids [{n} 0 R] >>")))
        .collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    assert_eq!(error(&file(&deep, "/Root 1 0 R")).kind(), ErrorKind::Limit);
}

/// A file whose page tree sits in an object stream that is made of the given bytes.
fn bomb(content: &[u8], header: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    let packed = encoder.finish().unwrap();
    let mut out = b"%PDF-1.7\n".to_vec();
    let one = out.len();
    out.extend(b"1 0 obj\n<< /Type /Catalog /Pages 3 0 R >>\nendobj\n");
    let two = out.len();
    out.extend(
        format!(
            "2 0 obj\n<< /Type /ObjStm {header} /Filter /FlateDecode /Length {} >>\nstream\n",
            packed.len()
        )
        .into_bytes(),
    );
    out.extend(&packed);
    out.extend(b"\nendstream\nendobj\n");
    let start = out.len();
    let mut rows = Vec::new();
    for (kind, a, b) in [(0_u8, 0_usize, 0_u8), (1, one, 0), (1, two, 0), (2, 2, 0), (1, start, 0)] {
        rows.push(kind);
        rows.extend((a as u32).to_be_bytes());
        rows.push(b);
    }
    out.extend(
        format!("4 0 obj\n<< /Type /XRef /Size 5 /W [1 4 1] /Root 1 0 R /Length {} >>\nstream\n", rows.len())
            .into_bytes(),
    );
    out.extend(&rows);
    out.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").into_bytes());
    out
}

#[test]
fn an_object_stream_that_inflates_without_end_is_a_limit() {
    let small = Limits { decoded_bytes: 1 << 20, ..Limits::default() };
    let bytes = bomb(&vec![b' '; 64 << 20], "/N 1 /First 10");
    assert!(bytes.len() < 100_000);
    let e = PDF.inspect(&bytes, &small).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Limit, "{e}");
    // Numbers that lie about what is inside.
    assert_eq!(error(&bomb(b"3 0 << >>", "/N 99999999 /First 4")).kind(), ErrorKind::Malformed);
    // A great many members that all name one large object cost one reading each, and only when they are asked for.
    let many: String = (0..20_000).map(|_| "3 0 ").collect();
    let content = format!("{many}[{}]", "1 ".repeat(100_000));
    let e = error(&bomb(content.as_bytes(), &format!("/N 20000 /First {}", many.len())));
    assert_eq!(e.kind(), ErrorKind::Malformed, "no page, found without reading it 20,000 times: {e}");
}

#[test]
fn more_objects_than_allowed_are_a_limit() {
    let limits = Limits { parts: 3, ..Limits::default() };
    assert_eq!(PDF.inspect(&page(""), &limits).unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn info_keys_in_other_spellings_are_read_and_removed() {
    let content = CONTENT.replace("39", "41");
    let input = file(
        &[
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 595 842] >>",
            "<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>",
            &content,
            "<< /aigc (\\173\"Label\":\"1\"}) /Keywords (tide) >>",
        ],
        "/Root 1 0 R /Info 5 0 R",
    );
    let layout = PDF.inspect(&input, &Limits::default()).unwrap();
    let [entry] = layout.entries.as_slice() else { panic!("{:?}", layout.entries) };
    assert!(!entry.normative && entry.value == br#"{"Label":"1"}"#, "{entry:?}");
    let edits = [Edit::Remove { range: entry.range.clone() }, Edit::set(Slot::Field, "AIGC", "{}")];
    let out = PDF.edit(&input, &edits, &Limits::default()).unwrap().apply_to_vec(&input).unwrap();
    let document = Document::load_mem(&out).unwrap();
    let info = document.get_dictionary((5, 0)).unwrap();
    assert!(!info.has(b"aigc") && info.has(b"AIGC"));
    assert_eq!(info.get(b"Keywords").unwrap(), &Object::string_literal("tide"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_an_error_or_a_layout(noise in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..900) {
        let mut bytes = page("");
        let at = at.min(bytes.len());
        bytes.splice(at..(at + noise.len() / 4).min(bytes.len()), noise);
        let _ = PDF.inspect(&bytes, &Limits::default());
        let _ = labelled(&bytes, "AI生成", LabelAt::TopRight);
    }
}
