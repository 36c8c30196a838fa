//! Labeling Measures Art. 6: a platform adds its name and number to the label of content it spreads.

use colophon_core::{Edit, Error, ErrorKind, FormatInfo, Layout, Result, Signer};
use serde_json::{Map, Value};

use super::mark::{Label, labels_of, normative_slot, place};
use super::object::checked;
use super::parse::json_text;
use super::{AigcObject, Parsed, Role, protect};

/// The platform and its number for the content.
#[derive(Clone, Copy, Debug)]
pub struct Propagator<'a> {
    /// Name, or code of TC260-PG-20252A.
    pub provider: &'a str,
    /// The platform's unique number for this content.
    pub id: &'a str,
    /// Signs the platform's fields, where the platform has a key.
    pub signer: Option<&'a dyn Signer>,
}

/// The edits that add the platform's fields. The producer's fields, and fields that Annex E does not know, keep their
/// names and values; where there is no label, a new one says `attribute` and names no producer.
///
/// No edits when the label names this platform and number already.
///
/// # Errors
/// `Unsupported` when the format has no place for the label, `Conflict` when the label that is there cannot be read or
/// labels contradict each other, `Usage` for values that cannot be written.
pub fn propagate(
    info: &'static FormatInfo,
    layout: &Layout,
    by: &Propagator<'_>,
    attribute: &str,
) -> Result<Vec<Edit>> {
    let slot = normative_slot(info)?;
    checked("ContentPropagator", by.provider)?;
    checked("PropagateID", by.id)?;
    let labels: Vec<Label<'_>> = layout.entries.iter().flat_map(labels_of).collect();
    let Some(first) = labels.first() else {
        let mut object = AigcObject::by_platform(attribute, by.provider, by.id)?;
        if let Some(signer) = by.signer {
            object.reserved_code2 = protect(&object, Role::Propagator, signer)?.unwrap_or_default();
        }
        return place(layout, slot, &[], &object.to_json());
    };
    for label in &labels {
        let conflict =
            |why: String| Err(Error::new(ErrorKind::Conflict, why).at_place(label.entry.place.clone()));
        match &label.parsed {
            Parsed::Label(e) if e.problems.iter().any(|p| p.code == "duplicate-field") => {
                return conflict("the AIGC label says a field twice; it is not altered".to_owned());
            }
            Parsed::Label(e) => {
                let story = first.evidence().map(|f| (&f.label, &f.content_producer, &f.produce_id));
                if story != Some((&e.label, &e.content_producer, &e.produce_id)) {
                    return conflict("the AIGC labels contradict each other; none is altered".to_owned());
                }
            }
            Parsed::Unreadable(why) => {
                return conflict(format!("the AIGC label cannot be read and is not altered: {why}"));
            }
            Parsed::Other => {}
        }
    }
    if let (Some(e), 1) = (first.evidence(), labels.len())
        && (e.content_propagator.as_str(), e.propagate_id.as_str()) == (by.provider, by.id)
    {
        return Ok(Vec::new());
    }
    let json = with_fields(first, by)?;
    place(layout, slot, &labels, &json)
}

/// The object with the platform's fields set, everything else as it was.
fn with_fields(label: &Label<'_>, by: &Propagator<'_>) -> Result<String> {
    let broken = || {
        Error::new(ErrorKind::Conflict, "the AIGC label cannot be read and is not altered")
            .at_place(label.entry.place.clone())
    };
    let text = std::str::from_utf8(&label.value).map_err(|_| broken())?;
    let mut object = object(json_text(text).0).ok_or_else(broken)?;
    let mut protected = String::new();
    if let (Some(e), Some(signer)) = (label.evidence(), by.signer) {
        let object = AigcObject {
            label: e.label.clone(),
            content_propagator: by.provider.to_owned(),
            propagate_id: by.id.to_owned(),
            ..AigcObject::default()
        };
        protected = protect(&object, Role::Propagator, signer)?.unwrap_or_default();
    }
    for (name, value) in
        [("ContentPropagator", by.provider), ("PropagateID", by.id), ("ReservedCode2", &protected)]
    {
        // A key that drifted in spelling keeps its spelling: it is the same field.
        let key = object.keys().find(|k| k.eq_ignore_ascii_case(name)).cloned();
        object.insert(key.unwrap_or_else(|| name.to_owned()), Value::from(value));
    }
    Ok(Value::Object(object).to_string())
}

/// The bare object, unwrapped.
fn object(text: &str) -> Option<Map<String, Value>> {
    let Ok(Value::Object(map)) = serde_json::from_str(text) else { return None };
    match map.iter().find(|(k, _)| k.eq_ignore_ascii_case("AIGC")) {
        Some((_, Value::Object(inner))) => Some(inner.clone()),
        Some((_, Value::String(s))) => match serde_json::from_str(s) {
            Ok(Value::Object(inner)) => Some(inner),
            _ => None,
        },
        Some(_) => None,
        None => Some(map),
    }
}

#[cfg(test)]
mod tests {
    use colophon_core::{Carrier, Entry, Media, SignalSupport, Slot, SlotInfo};

    use super::*;

    static WAV: FormatInfo = FormatInfo {
        id: "wav",
        name: "WAV",
        media: Media::Audio,
        extensions: &["wav"],
        mime: &["audio/wav"],
        magic: &[],
        slots: &[SlotInfo { slot: Slot::Field, place: "AIGC", source: "" }],
        signal: SignalSupport::None,
        carrier: Carrier::Native("audio/wav"),
        note: "",
    };

    fn layout(values: &[&str]) -> Layout {
        let entries = values
            .iter()
            .enumerate()
            .map(|(i, v)| Entry {
                slot: Slot::Field,
                key: "AIGC".to_owned(),
                value: v.as_bytes().to_vec(),
                place: "AIGC".to_owned(),
                range: i as u64..i as u64 + 1,
                normative: true,
            })
            .collect();
        Layout { entries, ..Layout::default() }
    }

    fn written(values: &[&str], attribute: &str) -> Result<Option<String>> {
        let by = Propagator { provider: "001191310000MA0000015F2APP1", id: "p-1", signer: None };
        let edits = propagate(&WAV, &layout(values), &by, attribute)?;
        Ok(edits.into_iter().find_map(|e| match e {
            Edit::Set { value, .. } => String::from_utf8(value).ok(),
            Edit::Remove { .. } => None,
        }))
    }

    #[test]
    fn measures_6_the_producers_fields_and_unknown_fields_stay_as_they_were() {
        let before = r#"{"Label":"1","ContentProducer":"某公司","ProduceID":"7","ReservedCode1":"abc","ContentPropagator":"某公司","PropagateID":"7","ReservedCode2":"","Extra":[1,2]}"#;
        let after = written(&[before], "3").unwrap().unwrap();
        assert_eq!(
            after,
            before
                .replace(
                    r#""ContentPropagator":"某公司""#,
                    r#""ContentPropagator":"001191310000MA0000015F2APP1""#
                )
                .replace(r#""PropagateID":"7""#, r#""PropagateID":"p-1""#)
        );
    }

    #[test]
    fn measures_6_drift_keeps_its_spelling_and_a_wrapped_object_is_unwrapped() {
        let after = written(&[r#"{"AIGC":{"label":1,"contentProducer":"a","produceId":"7"}}"#], "3");
        assert_eq!(
            after.unwrap().unwrap(),
            r#"{"label":1,"contentProducer":"a","produceId":"7","ContentPropagator":"001191310000MA0000015F2APP1","PropagateID":"p-1","ReservedCode2":""}"#
        );
    }

    #[test]
    fn measures_6_without_a_label_the_platform_names_no_producer() {
        let after = written(&[], "2").unwrap().unwrap();
        assert!(after.starts_with(r#"{"Label":"2","ContentProducer":"","ProduceID":"","#), "{after}");
        let Parsed::Label(e) = super::super::parse(after.as_bytes(), true) else { panic!() };
        assert!(e.problems.iter().all(|p| !p.fatal), "{:?}", e.problems);
        assert!(written(&[], "1").is_err(), "a platform cannot confirm what nobody labelled");
    }

    #[test]
    fn measures_10_what_cannot_be_read_or_contradicts_is_not_altered() {
        let a = r#"{"Label":"1","ContentProducer":"a","ProduceID":"7"}"#;
        let b = r#"{"Label":"1","ContentProducer":"b","ProduceID":"7"}"#;
        for values in [vec!["{"], vec![a, b], vec![r#"{"Label":"1","Label":"2","ProduceID":"7"}"#]] {
            assert_eq!(written(&values, "3").unwrap_err().kind(), ErrorKind::Conflict, "{values:?}");
        }
    }

    #[test]
    fn the_same_platform_and_number_again_change_nothing() {
        let once =
            written(&[r#"{"Label":"1","ContentProducer":"a","ProduceID":"7"}"#], "3").unwrap().unwrap();
        assert_eq!(written(&[&once], "3").unwrap(), None);
    }
}
