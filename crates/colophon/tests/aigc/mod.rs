//! The AIGC object as files carry it, and what is found of it.

use colophon::{Evidence, Options, State};

pub(crate) const BARE: &str = r#"{"Label":"1","ContentProducer":"acme","ProduceID":"a-1","ReservedCode1":"","ContentPropagator":"acme","PropagateID":"a-1","ReservedCode2":""}"#;

pub(crate) fn wrapped() -> String {
    format!(r#"{{"AIGC":{BARE}}}"#)
}

pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An XMP packet with the object as the text of its element.
pub(crate) fn xmp() -> Vec<u8> {
    let text = BARE.replace('"', "&quot;");
    format!(
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:TC260=\"http://www.tc260.org.cn/ns/AIGC/1.0/\">\
         <TC260:AIGC>{text}</TC260:AIGC></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    .into_bytes()
}

/// EXIF with one text: in `UserComment`, or in another tag of the first directory.
pub(crate) fn exif(tag: u16, text: &str) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        join(&[&tag.to_be_bytes(), &kind.to_be_bytes(), &count.to_be_bytes(), &value.to_be_bytes()])
    };
    let head = b"MM\0\x2a\0\0\0\x08\0\x01".as_slice();
    if tag == 0x9286 {
        let comment = join(&[b"ASCII\0\0\0", text.as_bytes()]);
        let inner = join(&[&[0, 1], &entry(tag, 7, comment.len() as u32, 44), &[0; 4]]);
        return join(&[head, &entry(0x8769, 4, 1, 26), &[0; 4], &inner, &comment]);
    }
    join(&[head, &entry(tag, 2, text.len() as u32 + 1, 26), &[0; 4], text.as_bytes(), &[0]])
}

/// A text in an encoding of ID3v2: 0 Latin-1, 1 UTF-16 with its mark, 3 UTF-8.
pub(crate) fn text(encoding: u8, description: &str, value: &str) -> Vec<u8> {
    let coded = |s: &str| match encoding {
        1 => join(&[&[0xff, 0xfe], &s.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()]),
        _ => s.as_bytes().to_vec(),
    };
    let end: &[u8] = if encoding == 1 { &[0, 0] } else { &[0] };
    join(&[&[encoding], &coded(description), end, &coded(value)])
}

/// What is found of the object: the place, whether a guide names it, the producer.
pub(crate) fn found(name: &str, bytes: &[u8]) -> Vec<(State, String, bool, String)> {
    let options = Options::new("2026-03-04T05:06:07Z", [1; 32]).with_name(name);
    let report = colophon::inspect(bytes, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
    let labels = report.findings.iter().filter(|f| f.mark == "gb45438.aigc");
    labels
        .map(|f| {
            let producer = match &f.evidence {
                Some(Evidence::Aigc(e)) => format!("{} {}", e.content_producer, e.produce_id),
                _ => String::new(),
            };
            let place = f.place.as_ref();
            (
                f.state,
                place.map(|p| p.path.clone()).unwrap_or_default(),
                place.is_some_and(|p| p.normative),
                producer,
            )
        })
        .collect()
}
