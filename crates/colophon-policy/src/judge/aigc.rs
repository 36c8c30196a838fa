//! Checks of the GB 45438 object.

use colophon_core::{AigcEvidence, Evidence, Finding, Outcome, ProtectionState, State};

use super::{Examined, Ruling, manifests, of};
use crate::profile::Check;

/// One check on the AIGC objects of an input. With several, the first that can be read is judged, except by the checks
/// that are about all of them.
pub(super) fn check(check: &Check, x: &Examined<'_>) -> Ruling {
    if !x.has_aigc_slot {
        return Ruling::new(
            Outcome::NotApplicable,
            "the file type has no metadata; implicit labels in plain text are not mandatory for now",
        );
    }
    let there = of(x, |f| f.mark == "gb45438.aigc" && f.state != State::Absent);
    let because: Vec<usize> = there.iter().map(|(i, _)| *i).collect();
    let labels: Vec<(&Finding, &AigcEvidence)> = there
        .iter()
        .filter_map(|(_, f)| match &f.evidence {
            Some(Evidence::Aigc(e)) => Some((*f, e)),
            _ => None,
        })
        .collect();
    if *check == Check::AigcSingle && there.len() > 1 {
        return Ruling::new(Outcome::Fail, format!("{} labels are there", there.len())).on(because);
    }
    let Some((finding, e)) = labels.first() else {
        let reason =
            if there.is_empty() { "no AIGC label was found" } else { "the AIGC label cannot be read" };
        let outcome = match check {
            Check::AigcPresent | Check::AigcSingle => Outcome::Fail,
            Check::AigcFields if !there.is_empty() => Outcome::Fail,
            _ => Outcome::NotApplicable,
        };
        return Ruling::new(outcome, reason).on(because);
    };
    let fatal = |codes: &[&str]| e.problems.iter().find(|p| p.fatal && codes.contains(&p.code.as_str()));
    let by_problem = |codes: &[&str], pass: &str| match fatal(codes) {
        Some(p) => Ruling::new(Outcome::Fail, format!("{} {}", p.field.as_deref().unwrap_or("AIGC"), p.text)),
        None => Ruling::new(Outcome::Pass, pass),
    };
    match check {
        Check::AigcPresent => Ruling::new(Outcome::Pass, "an AIGC label was found"),
        Check::AigcSingle => Ruling::new(Outcome::Pass, "exactly one label is there"),
        Check::AigcFields => {
            by_problem(&["missing-field", "empty-field", "duplicate-field"], "the required fields are filled")
        }
        Check::AigcLabelValue => by_problem(&["label-value", "empty-field", "missing-field"], attribute(e)),
        Check::AigcProviderCode => by_problem(&["provider-code"], "names, or codes that check out"),
        Check::AigcPropagator => propagator(e),
        Check::AigcFirstWrite => first_write(e),
        Check::AigcCharset => charset(e),
        Check::AigcProtection => protection(e),
        Check::AigcAgrees => agrees(&labels, x),
        _ if finding.notes.iter().any(|n| n.code == "place-unnamed") => Ruling::new(
            Outcome::NotApplicable,
            format!(
                "no guide names a place in this type of file; it stands at {}",
                finding.place.as_ref().map_or("an unnamed place", |p| p.path.as_str())
            ),
        ),
        _ => Ruling::pass_if(
            finding.place.as_ref().is_some_and(|p| p.normative),
            "it stands in the place the guide names",
            "it stands in a place the guide does not name",
        ),
    }
    .on(because)
}

/// What the attribute says, in the words of Measures Art. 6.
fn attribute(e: &AigcEvidence) -> &'static str {
    match e.label.as_str() {
        "1" => "Label 1: the content is AI-generated",
        "2" => "Label 2: the content may be AI-generated",
        _ => "Label 3: the content is suspected to be AI-generated",
    }
}

fn propagator(e: &AigcEvidence) -> Ruling {
    match (e.content_propagator.is_empty(), e.propagate_id.is_empty()) {
        (false, false) => Ruling::new(Outcome::Pass, format!("propagated by {:?}", e.content_propagator)),
        (true, true) => Ruling::new(Outcome::Fail, "ContentPropagator and PropagateID are empty"),
        (true, false) => Ruling::new(Outcome::Fail, "ContentPropagator is empty"),
        (false, true) => Ruling::new(Outcome::Fail, "PropagateID is empty"),
    }
}

fn first_write(e: &AigcEvidence) -> Ruling {
    let empty = (e.content_propagator.is_empty(), e.propagate_id.is_empty());
    let same_provider = e.content_propagator == e.content_producer;
    match empty {
        (true, true) => Ruling::new(
            Outcome::NotApplicable,
            "the propagator's fields are empty; note 1 asks the first writer to repeat the producer's",
        ),
        (false, false) if same_provider && e.propagate_id == e.produce_id => {
            Ruling::new(Outcome::Pass, "the propagator's fields repeat the producer's")
        }
        (false, false) if same_provider => {
            Ruling::new(Outcome::Fail, "the producer is the propagator and the two numbers differ")
        }
        (false, false) => Ruling::new(Outcome::Pass, "a propagator has filled in its own fields"),
        _ => Ruling::new(Outcome::Fail, "one of the propagator's two fields is empty"),
    }
}

/// "Mainly" (主要): more than half of a value's characters.
fn charset(e: &AigcEvidence) -> Ruling {
    let listed = |c: char| matches!(c, '!' | '#'..='[' | ']'..='~' | '"');
    let fields = [
        ("Label", &e.label),
        ("ContentProducer", &e.content_producer),
        ("ProduceID", &e.produce_id),
        ("ReservedCode1", &e.reserved_code1),
        ("ContentPropagator", &e.content_propagator),
        ("PropagateID", &e.propagate_id),
        ("ReservedCode2", &e.reserved_code2),
    ];
    for (name, value) in fields {
        let (all, good) = (value.chars().count(), value.chars().filter(|c| listed(*c)).count());
        if good * 2 < all {
            return Ruling::new(
                Outcome::Fail,
                format!("{name} mainly consists of characters that the annex does not list"),
            );
        }
    }
    Ruling::new(Outcome::Pass, "the values mainly consist of the listed characters")
}

fn protection(e: &AigcEvidence) -> Ruling {
    let has = |s: ProtectionState| e.protection.iter().find(|p| p.state == s);
    if let Some(p) = has(ProtectionState::Differs) {
        return Ruling::new(Outcome::Fail, format!("the signature in {} does not fit the label", p.field));
    }
    if let Some(p) = has(ProtectionState::Matches) {
        return Ruling::new(Outcome::Pass, format!("the signature in {} fits the label", p.field));
    }
    let reason = match e.protection.first() {
        Some(p) if p.state == ProtectionState::NotVerified => {
            format!("a signature is present in {} and was not verified", p.field)
        }
        Some(p) => format!("{} holds data of the provider's own form", p.field),
        None => "the reserved fields are empty; their use is optional".to_owned(),
    };
    Ruling::new(Outcome::NotApplicable, reason)
}

/// Labels in several places, and the signed record, tell one story.
fn agrees(labels: &[(&Finding, &AigcEvidence)], x: &Examined<'_>) -> Ruling {
    let story = |e: &AigcEvidence| (e.label.clone(), e.content_producer.clone(), e.produce_id.clone());
    if let [(_, first), rest @ ..] = labels
        && let Some((f, e)) = rest.iter().find(|(_, e)| story(e) != story(first))
    {
        let place = f.place.as_ref().map_or("another place", |p| p.path.as_str());
        return Ruling::new(
            Outcome::Fail,
            format!(
                "the labels contradict each other: {} by {:?}, and in {place} {} by {:?}",
                first.label, first.content_producer, e.label, e.content_producer
            ),
        );
    }
    let record = manifests(x)
        .into_iter()
        .filter(|(_, f, _)| f.state.is_there())
        .find_map(|(_, _, e)| e.and_then(|e| e.record.as_ref()));
    let (Some(record), [(_, e), ..]) = (record, labels) else {
        return Ruling::new(Outcome::Pass, "the labels agree");
    };
    let producer = record.producer.as_deref().unwrap_or(&e.content_producer);
    Ruling::pass_if(
        producer == e.content_producer && record.content_id == e.produce_id,
        "the label agrees with the signed record",
        format!(
            "the label names {:?} number {:?}, the signed record {producer:?} number {:?}",
            e.content_producer, e.produce_id, record.content_id
        ),
    )
}
