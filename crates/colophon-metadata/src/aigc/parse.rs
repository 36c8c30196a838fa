//! Reading the object in the forms found in real files.

use std::fmt;

use colophon_core::{AigcEvidence, Problem, ProtectionState};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::object::allowed;
use super::protect;
use crate::provider;

/// Longest value looked at, in bytes.
const MAX_VALUE: usize = 64 << 10;

/// What a value turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Nothing that claims to be an AIGC label.
    Other,
    /// Claims to be one and cannot be read, with the reason.
    Unreadable(String),
    /// Read; problems are listed inside.
    Label(AigcEvidence),
}

/// Reads a value from a place whose name says AIGC (`keyed`), or from free text that may hold one.
///
/// Accepts the bare and the wrapped object, lower-camel keys and a numeric `Label`, and says so. At least one field of
/// Annex E must be there before a value counts as a label.
pub fn parse(value: &[u8], keyed: bool) -> Parsed {
    if value.len() > MAX_VALUE {
        return if keyed { Parsed::Unreadable("longer than 64 KiB".to_owned()) } else { Parsed::Other };
    }
    let Ok(text) = std::str::from_utf8(value) else {
        return if keyed { Parsed::Unreadable("not UTF-8".to_owned()) } else { Parsed::Other };
    };
    let (bare, prefixed) = json_text(text);
    let keyed = keyed || prefixed;
    let fields: Fields = match serde_json::from_str(bare) {
        Ok(fields) => fields,
        Err(e) if keyed => return Parsed::Unreadable(format!("not a JSON object: {e}")),
        Err(_) => return Parsed::Other,
    };
    match fields.0.iter().find(|(k, _)| k.eq_ignore_ascii_case("AIGC")) {
        Some((_, inner)) => match inner {
            Value::Object(map) => label(&Fields(map.clone().into_iter().collect()), true),
            Value::String(s) => match serde_json::from_str::<Fields>(s) {
                Ok(inner) => label(&inner, true),
                Err(e) => Parsed::Unreadable(format!("not a JSON object: {e}")),
            },
            _ => Parsed::Unreadable("AIGC is not an object".to_owned()),
        },
        None => match label(&fields, false) {
            // Free text needs more than one field name in common to count.
            Parsed::Label(e) if !keyed && e.content_producer.is_empty() && e.produce_id.is_empty() => {
                Parsed::Other
            }
            Parsed::Unreadable(_) if !keyed => Parsed::Other,
            parsed => parsed,
        },
    }
}

/// The JSON inside a text, and whether `AIGC` stood before it: a bare `AIGC{…}` in a JPEG segment or a comment.
pub(super) fn json_text(text: &str) -> (&str, bool) {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    let bare = text.strip_prefix("AIGC").map_or(text, |t| t.trim_start_matches([':', '=', ' ', '\0']));
    (bare, bare.len() != text.len() && bare.starts_with('{'))
}

fn label(fields: &Fields, wrapped: bool) -> Parsed {
    let mut e = AigcEvidence { wrapped, ..AigcEvidence::default() };
    let mut seen: Vec<&'static str> = Vec::new();
    for (key, value) in &fields.0 {
        let Some(name) = NAMES.iter().copied().find(|n| n.eq_ignore_ascii_case(key)) else {
            e.problems.push(problem("unknown-field", Some(key), "not a field of Annex E", false));
            continue;
        };
        if seen.contains(&name) {
            e.problems.push(problem("duplicate-field", Some(name), "stands more than once", true));
            continue;
        }
        seen.push(name);
        if name != key {
            e.problems.push(problem("field-spelling", Some(name), &format!("written as {key}"), false));
        }
        let text = match value {
            Value::String(s) => s.clone(),
            Value::Null => String::new(),
            Value::Number(n) => {
                e.problems.push(problem(
                    "not-a-string",
                    Some(name),
                    "a number where a string is asked",
                    false,
                ));
                n.to_string()
            }
            other => {
                // SecurityData is an escaped string in the guide; some writers put the object itself.
                e.problems.push(problem(
                    "not-a-string",
                    Some(name),
                    "an object where a string is asked",
                    false,
                ));
                other.to_string()
            }
        };
        *slot(&mut e, name) = text;
    }
    if seen.is_empty() {
        return Parsed::Unreadable("no field of Annex E".to_owned());
    }
    for name in NAMES {
        if !seen.contains(&name) {
            // The first three carry what Labeling Measures Art. 5 asks for.
            let required = matches!(name, "Label" | "ContentProducer" | "ProduceID");
            e.problems.push(problem("missing-field", Some(name), "is missing", required));
        }
    }
    check_values(&mut e);
    e.protection = protect::examine(&e);
    if e.protection.iter().any(|p| p.state == ProtectionState::Differs) {
        let text = "holds a signature that does not fit the label";
        e.problems.push(problem("protection-differs", None, text, true));
    }
    Parsed::Label(e)
}

fn check_values(e: &mut AigcEvidence) {
    let mut found = Vec::new();
    for name in NAMES {
        let value = slot(e, name).clone();
        let required = matches!(name, "Label" | "ContentProducer" | "ProduceID");
        let missing =
            e.problems.iter().any(|p| p.code == "missing-field" && p.field.as_deref() == Some(name));
        if required && value.is_empty() && !missing {
            // Measures Art. 6(2), (3): a platform that labels what it received does not know the producer.
            let platform = matches!(e.label.as_str(), "2" | "3")
                && name != "Label"
                && !e.content_propagator.is_empty()
                && !e.propagate_id.is_empty();
            let text = if platform { "is empty: a platform labelled the content" } else { "is empty" };
            found.push(problem(
                if platform { "producer-unknown" } else { "empty-field" },
                Some(name),
                text,
                !platform,
            ));
        }
        if name == "Label" && !value.is_empty() && !matches!(value.as_str(), "1" | "2" | "3") {
            found.push(problem("label-value", Some(name), &format!("{value:?} is none of 1, 2, 3"), true));
        }
        // Annex E j) says "mainly": a warning. The quotation mark is listed too, as its escape.
        if let Some(c) = value.chars().find(|c| !allowed(*c) && *c != '"') {
            found.push(problem("charset", Some(name), &format!("holds {c:?}"), false));
        }
        if matches!(name, "ContentProducer" | "ContentPropagator")
            && provider::looks_like_code(&value)
            && let Err(why) = provider::check(&value)
        {
            found.push(problem("provider-code", Some(name), &why.to_string(), true));
        }
    }
    if e.content_propagator.is_empty() != e.propagate_id.is_empty() {
        found.push(problem("propagator-half", None, "one of the two propagator fields is empty", false));
    }
    e.problems.extend(found);
}

fn problem(code: &str, field: Option<&str>, text: &str, fatal: bool) -> Problem {
    Problem { code: code.to_owned(), field: field.map(str::to_owned), text: text.to_owned(), fatal }
}

const NAMES: [&str; 7] = [
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
];

fn slot<'a>(e: &'a mut AigcEvidence, name: &str) -> &'a mut String {
    match name {
        "Label" => &mut e.label,
        "ContentProducer" => &mut e.content_producer,
        "ProduceID" => &mut e.produce_id,
        "ReservedCode1" => &mut e.reserved_code1,
        "ContentPropagator" => &mut e.content_propagator,
        "PropagateID" => &mut e.propagate_id,
        _ => &mut e.reserved_code2,
    }
}

/// A JSON object with its keys in order and repeated keys kept, which `serde_json::Map` would drop.
struct Fields(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        d.deserialize_map(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> AigcEvidence {
        match parse(text.as_bytes(), true) {
            Parsed::Label(e) => e,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn codes(e: &AigcEvidence) -> Vec<(&str, bool)> {
        e.problems.iter().map(|p| (p.code.as_str(), p.fatal)).collect()
    }

    const FULL: &str = r#"{"Label":"1","ContentProducer":"acme","ProduceID":"7","ReservedCode1":"","ContentPropagator":"acme","PropagateID":"7","ReservedCode2":""}"#;

    #[test]
    fn gb45438_annex_e_bare_and_wrapped_forms_read_alike() {
        let bare = read(FULL);
        assert_eq!(bare.problems, []);
        let wrapped = read(&format!(r#"{{"AIGC":{FULL}}}"#));
        assert!(wrapped.wrapped && !bare.wrapped);
        assert_eq!(wrapped.produce_id, "7");
        let prefixed = read(&format!("AIGC{FULL}"));
        assert_eq!(prefixed.content_producer, "acme");
    }

    #[test]
    fn gb45438_annex_e_drift_is_read_and_named() {
        let e = read(r#"{"label":1,"contentProducer":"acme","produceId":"7"}"#);
        assert_eq!((e.label.as_str(), e.produce_id.as_str()), ("1", "7"));
        assert!(codes(&e).contains(&("field-spelling", false)));
        assert!(codes(&e).contains(&("not-a-string", false)));
        assert!(!codes(&e).iter().any(|(_, fatal)| *fatal));
    }

    #[test]
    fn gb45438_annex_e_faults_are_fatal_one_by_one() {
        for (text, code) in [
            (FULL.replace(r#""Label":"1","#, ""), "missing-field"),
            (FULL.replace(r#""Label":"1""#, r#""Label":"AIGC""#), "label-value"),
            (FULL.replace(r#""ContentProducer":"acme""#, r#""ContentProducer":"""#), "empty-field"),
            (FULL.replace(r#""Label":"1""#, r#""Label":"1","Label":"2""#), "duplicate-field"),
            (
                FULL.replace(
                    r#""ContentProducer":"acme""#,
                    r#""ContentProducer":"001191110000MA0000007810001""#,
                ),
                "provider-code",
            ),
        ] {
            assert!(codes(&read(&text)).contains(&(code, true)), "{code}: {text}");
        }
    }

    #[test]
    fn free_text_is_not_taken_for_a_label() {
        for text in ["", "hello", r#"{"Label":"my picture"}"#, r#"{"a":1}"#, "[1,2]", "AIGC is a word"] {
            assert_eq!(parse(text.as_bytes(), false), Parsed::Other, "{text}");
        }
        assert!(matches!(parse(b"{\"a\":1}", true), Parsed::Unreadable(_)));
        assert!(matches!(parse(b"\xff\xfe", true), Parsed::Unreadable(_)));
        assert!(matches!(parse(&vec![b' '; 70_000], true), Parsed::Unreadable(_)));
    }

    proptest::proptest! {
        #[test]
        fn any_value_written_reads_back(producer in "[!#-\\[\\]-~]{1,40}", id in "[!#-\\[\\]-~]{1,40}") {
            let o = super::super::AigcObject::first_write("1", &producer, &id).unwrap();
            let e = read(&o.to_json());
            proptest::prop_assert_eq!(e.content_producer, producer);
            proptest::prop_assert_eq!(e.propagate_id, id);
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), keyed: bool) {
            let _ = parse(&bytes, keyed);
        }
    }
}
