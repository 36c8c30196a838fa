//! The seven fields and how they are written.

use colophon_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::provider;

/// Longest field we write, in characters. The standard gives no limit; a large cloud vendor's labeling interface
/// stops at this length.
pub const MAX_FIELD: usize = 2048;

/// The object of Annex E b), fields in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AigcObject {
    /// `1` is, `2` is possibly, `3` is suspected to be generated or synthesised.
    #[serde(rename = "Label")]
    pub label: String,
    /// Generating provider: name, or code of TC260-PG-20252A.
    #[serde(rename = "ContentProducer")]
    pub content_producer: String,
    /// The generating provider's unique number for this content.
    #[serde(rename = "ProduceID")]
    pub produce_id: String,
    /// The generating provider's protection data; may be empty.
    #[serde(rename = "ReservedCode1")]
    pub reserved_code1: String,
    /// Propagating provider; equals the producer on first write (note 1).
    #[serde(rename = "ContentPropagator")]
    pub content_propagator: String,
    /// The propagating provider's number; equals `ProduceID` on first write.
    #[serde(rename = "PropagateID")]
    pub propagate_id: String,
    /// The propagating provider's protection data; may be empty.
    #[serde(rename = "ReservedCode2")]
    pub reserved_code2: String,
}

impl AigcObject {
    /// A first label: the propagator's fields repeat the producer's (Annex E, note 1).
    ///
    /// # Errors
    /// `Usage` when a value is empty, too long, or uses characters outside Annex E j).
    pub fn first_write(label: &str, producer: &str, produce_id: &str) -> Result<Self> {
        let object = Self {
            label: label.to_owned(),
            content_producer: producer.to_owned(),
            produce_id: produce_id.to_owned(),
            content_propagator: producer.to_owned(),
            propagate_id: produce_id.to_owned(),
            ..Self::default()
        };
        object.check()?;
        Ok(object)
    }

    /// The seven fields with their names, in order.
    pub fn fields(&self) -> [(&'static str, &str); 7] {
        [
            ("Label", &self.label),
            ("ContentProducer", &self.content_producer),
            ("ProduceID", &self.produce_id),
            ("ReservedCode1", &self.reserved_code1),
            ("ContentPropagator", &self.content_propagator),
            ("PropagateID", &self.propagate_id),
            ("ReservedCode2", &self.reserved_code2),
        ]
    }

    /// Compact JSON of the bare object, as keyed places hold it.
    pub fn to_json(&self) -> String {
        let quoted = |s: &str| serde_json::Value::from(s).to_string();
        let fields: Vec<String> =
            self.fields().iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
        format!("{{{}}}", fields.join(","))
    }

    /// A platform's label on content whose producer is not known (Labeling Measures Art. 6(2), (3)): the attribute,
    /// the platform and its number. The producer's fields stay empty; nobody's identity is made up.
    ///
    /// # Errors
    /// `Usage` as for [`AigcObject::first_write`], and for a label other than 2 and 3.
    pub fn by_platform(label: &str, platform: &str, id: &str) -> Result<Self> {
        if !matches!(label, "2" | "3") {
            let why = "a platform labels content of an unknown producer as possible (2) or suspected (3)";
            return Err(Error::new(ErrorKind::Usage, why).at_place("AIGC Label"));
        }
        checked("ContentPropagator", platform)?;
        checked("PropagateID", id)?;
        Ok(Self {
            label: label.to_owned(),
            content_propagator: platform.to_owned(),
            propagate_id: id.to_owned(),
            ..Self::default()
        })
    }

    fn check(&self) -> Result<()> {
        self.fields()
            .into_iter()
            .filter(|(name, _)| !name.starts_with("Reserved"))
            .try_for_each(|(name, value)| checked(name, value))
    }
}

/// A value that may be written into a field that must be filled.
pub(crate) fn checked(name: &str, value: &str) -> Result<()> {
    let usage = |why: String| Err(Error::new(ErrorKind::Usage, why).at_place(format!("AIGC {name}")));
    if value.is_empty() {
        return usage("must not be empty (Labeling Measures Art. 5, 6)".to_owned());
    }
    if value.len() > MAX_FIELD {
        return usage(format!("longer than {MAX_FIELD} characters"));
    }
    if let Some(c) = value.chars().find(|c| !allowed(*c)) {
        return usage(format!("{c:?} is outside the characters of GB 45438-2025 Annex E j)"));
    }
    if matches!(name, "ContentProducer" | "ContentPropagator")
        && provider::looks_like_code(value)
        && let Err(why) = provider::check(value)
    {
        return usage(format!("looks like a provider code and is none: {why}"));
    }
    Ok(())
}

/// Annex E j): GB 18030 code points 0x21, 0x23–0x5B, 0x5D–0x7E; the quotation mark only escaped, which JSON does.
pub(crate) fn allowed(c: char) -> bool {
    matches!(c, '\u{21}'..='\u{5b}' | '\u{5d}'..='\u{7e}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gb45438_annex_e_object_is_compact_and_in_order() {
        let o = AigcObject::first_write("1", "001191110000MA0000007710001", "5b0f").unwrap();
        assert_eq!(
            o.to_json(),
            r#"{"Label":"1","ContentProducer":"001191110000MA0000007710001","ProduceID":"5b0f","ReservedCode1":"","ContentPropagator":"001191110000MA0000007710001","PropagateID":"5b0f","ReservedCode2":""}"#
        );
    }

    #[test]
    fn gb45438_annex_e_j_charset_is_refused_when_writing() {
        for bad in ["某公司", "two words", "back\\slash", "tab\t"] {
            let e = AigcObject::first_write("1", bad, "1").unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Usage);
            assert!(e.to_string().contains("ContentProducer"), "{e}");
        }
        assert!(AigcObject::first_write("1", "", "1").is_err());
        assert!(AigcObject::first_write("1", "x", &"9".repeat(MAX_FIELD + 1)).is_err());
    }
}
