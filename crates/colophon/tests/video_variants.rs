//! The AIGC object in every place of a video where files in the wild have it (TC260-PG-20257A, and what was seen).
// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

use colophon::{Declaration, Evidence, Finding, Limits, Options, Profiles, State};
use colophon_container::bmff::{
    self, Kind,
    edit::{Change, edit},
    encode,
    metadata::XMP_UUID,
};

const BARE: &str = r#"{"Label":"1","ContentProducer":"acme","ProduceID":"a-1","ReservedCode1":"","ContentPropagator":"acme","PropagateID":"a-1","ReservedCode2":""}"#;

fn wrapped() -> String {
    format!(r#"{{"AIGC":{BARE}}}"#)
}

fn lower_camel() -> String {
    r#"{"label":"1","contentProducer":"acme","produceID":"a-1","reservedCode1":"","contentPropagator":"acme","propagateID":"a-1","reservedCode2":""}"#.to_owned()
}

fn sample() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/clip.mp4")).unwrap()
}

fn bx(kind: Kind, parts: &[&[u8]]) -> Vec<u8> {
    encode(kind, &parts.concat()).unwrap()
}

fn data(text: &str) -> Vec<u8> {
    bx(*b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], text.as_bytes()])
}

fn hdlr(kind: Kind) -> Vec<u8> {
    bx(*b"hdlr", &[&[0; 8], &kind, &[0; 13]])
}

/// A list of one item under a key; a full box, or a plain one as QuickTime has it.
fn keyed(key: &str, text: &str, full: bool) -> Vec<u8> {
    let keys = [&[0, 0, 0, 0, 0, 0, 0, 1], bx(*b"mdta", &[key.as_bytes()]).as_slice()].concat();
    let version: &[u8] = if full { &[0; 4] } else { &[] };
    let list = bx(*b"ilst", &[&bx([0, 0, 0, 1], &[&data(text)])]);
    bx(*b"meta", &[version, &hdlr(*b"mdta"), &bx(*b"keys", &[&keys]), &list])
}

/// A list of iTunes tags with one item.
fn tagged(kind: Kind, text: &str) -> Vec<u8> {
    bx(*b"meta", &[&[0; 4], &hdlr(*b"mdir"), &bx(*b"ilst", &[&bx(kind, &[&data(text)])])])
}

fn quicktime_text(kind: Kind, text: &str) -> Vec<u8> {
    bx(kind, &[&(text.len() as u16).to_be_bytes(), &[0x55, 0xc4], text.as_bytes()])
}

fn packet(text: &str) -> String {
    let text = text.replace('"', "&quot;");
    format!(
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:TC260=\"http://www.tc260.org.cn/ns/AIGC/1.0/\">\
         <TC260:AIGC>{text}</TC260:AIGC></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
}

/// The sample clip with these changes.
fn movie(changes: &[Change]) -> Vec<u8> {
    let bytes = sample();
    let boxes = bmff::walk(&bytes, &Limits::default()).unwrap();
    edit(&bytes, &boxes, changes, false, &Limits::default()).unwrap().apply_to_vec(&bytes).unwrap()
}

fn user_data(boxes: Vec<u8>) -> Vec<u8> {
    movie(&[Change::UserData(vec![boxes])])
}

fn labels(name: &str, bytes: &[u8]) -> Vec<Finding> {
    let options = Options::new("2026-03-04T05:06:07Z", [1; 32]).with_name(name);
    let report = colophon::inspect(bytes, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
    report.findings.into_iter().filter(|f| f.mark == "gb45438.aigc").collect()
}

/// Exactly one label, of our producer, in a place that is or is not the one the guide names.
fn one(case: &str, name: &str, bytes: &[u8], normative: bool) {
    let found = labels(name, bytes);
    assert_eq!(found.len(), 1, "{case}: {found:?}");
    assert_eq!(found[0].state, State::Present, "{case}: {found:?}");
    let Some(Evidence::Aigc(e)) = &found[0].evidence else { panic!("{case}: {found:?}") };
    assert_eq!((e.content_producer.as_str(), e.produce_id.as_str()), ("acme", "a-1"), "{case}");
    assert_eq!(found[0].place.as_ref().map(|p| p.normative), Some(normative), "{case}: {:?}", found[0].place);
}

#[test]
fn gb45438_every_place_in_a_movie_is_read() {
    let udta = |inner: Vec<u8>| bx(*b"udta", &[&inner]);
    let own =
        bx(*b"----", &[&bx(*b"mean", &[&[0; 4], b"org"]), &bx(*b"name", &[&[0; 4], b"AIGC"]), &data(BARE)]);
    let freeform = bx(*b"meta", &[&[0; 4], &hdlr(*b"mdir"), &bx(*b"ilst", &[&own])]);
    let cases = [
        ("the guide's place", user_data(udta(keyed("AIGC", BARE, true))), true),
        ("meta directly in moov", user_data(keyed("AIGC", BARE, true)), false),
        ("meta directly in moov, no full box", user_data(keyed("AIGC", BARE, false)), false),
        ("a key whose name contains AIGC", user_data(udta(keyed("cn.aigc.label", BARE, true))), false),
        ("a list without keys, JSON as its data", user_data(udta(tagged(*b"\0\0\0\x01", BARE))), false),
        ("a list without keys, wrapped", user_data(udta(tagged(*b"desc", &wrapped()))), false),
        ("an iTunes comment", user_data(udta(tagged(*b"\xa9cmt", &wrapped()))), false),
        ("a freeform iTunes tag", user_data(udta(freeform)), false),
        ("a QuickTime comment", user_data(udta(quicktime_text(*b"\xa9cmt", &wrapped()))), false),
        ("a box of that name in the user data", user_data(udta(bx(*b"AIGC", &[BARE.as_bytes()]))), false),
        (
            "an XMP uuid box",
            movie(&[Change::Append(bx(*b"uuid", &[&XMP_UUID, packet(BARE).as_bytes()]))]),
            true,
        ),
        ("XMP in the user data", user_data(udta(bx(*b"XMP_", &[packet(BARE).as_bytes()]))), false),
    ];
    for (case, bytes, normative) in cases {
        one(case, "clip.mp4", &bytes, normative);
    }
}

#[test]
fn gb45438_every_form_of_the_object_is_read_and_what_is_odd_is_said() {
    let quoted = format!(r#"{{"AIGC":"{}"}}"#, BARE.replace('"', "\\\""));
    let number = BARE.replace(r#""Label":"1""#, r#""Label":1"#);
    for (form, text, odd) in [
        ("bare", BARE.to_owned(), false),
        ("wrapped", wrapped(), false),
        ("wrapped as a string", quoted, false),
        ("lower camel", lower_camel(), true),
        ("a number for a label", number, true),
    ] {
        let bytes = user_data(bx(*b"udta", &[&keyed("AIGC", &text, true)]));
        one(form, "clip.mp4", &bytes, true);
        let found = labels("clip.mp4", &bytes);
        let Some(Evidence::Aigc(e)) = &found[0].evidence else { panic!("{form}") };
        assert_eq!(!e.problems.is_empty(), odd, "{form}: {:?}", e.problems);
    }
}

/// The sample clip in another container with tags as ffmpeg writes them.
fn other(name: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/clip.mp4");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(sample).args(arguments).arg(&path);
    assert!(command.status().unwrap().success(), "{name}");
    std::fs::read(path).unwrap()
}

#[test]
fn gb45438_tags_as_other_programs_write_them_are_read() {
    let (plain, wrapped) = (format!("AIGC={BARE}"), format!("comment={}", wrapped()));
    let copy = ["-c", "copy", "-metadata"];
    let old = ["-c:v", "mpeg4", "-c:a", "mp3", "-metadata"];
    let flagged = ["-c", "copy", "-movflags", "use_metadata_tags", "-metadata"];
    let stream = ["-c", "copy", "-metadata:s:v"];
    let cases: [(&str, &str, Vec<&str>, bool); 8] = [
        ("keys", "clip.mp4", [flagged.as_slice(), &[&plain]].concat(), true),
        ("keys of QuickTime", "clip.mov", [flagged.as_slice(), &[&plain]].concat(), true),
        ("a comment", "clip.mp4", [copy.as_slice(), &[&wrapped]].concat(), false),
        ("a tag", "clip.mkv", [copy.as_slice(), &[&plain]].concat(), true),
        ("a tag of a stream", "clip.mkv", [stream.as_slice(), &[&plain]].concat(), false),
        ("a comment", "clip.mkv", [copy.as_slice(), &[&wrapped]].concat(), false),
        ("a script value", "clip.flv", [copy.as_slice(), &[&plain]].concat(), true),
        ("a comment", "clip.avi", [old.as_slice(), &[&wrapped]].concat(), false),
    ];
    for (case, name, arguments, normative) in cases {
        one(&format!("{case} in {name}"), name, &other(name, &arguments), normative);
    }
}

#[test]
fn gb45438_6_1c_marking_leaves_one_label_wherever_the_old_one_stood() {
    let comment = user_data(bx(*b"udta", &[&quicktime_text(*b"\xa9cmt", &wrapped())]));
    let plain = user_data(keyed("AIGC", BARE, false));
    let stream = other("clip.mkv", &["-c", "copy", "-metadata:s:v", &format!("AIGC={BARE}")]);
    for (name, bytes) in [("clip.mp4", comment), ("clip.mp4", plain), ("clip.mkv", stream)] {
        let mut options = Options::new("2026-03-04T05:06:07Z", [1; 32]).with_name(name).without_manifest();
        options.overrides.label = colophon::LabelChoice::None;
        options.overrides.no_watermark = true;
        options.overrides.allow_noncompliant = true;
        let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
        let profiles = Profiles::named(&["cn"]).unwrap();
        let marked = colophon::mark(&bytes, &declaration, &profiles, None, &options).unwrap();
        one("marked again", name, &marked.bytes, true);
    }
}
