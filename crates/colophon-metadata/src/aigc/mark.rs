//! The mark: where the object is read from and how it is placed.

use colophon_container::xmp;
use colophon_core::{
    AigcEvidence, Edit, Entry, Error, ErrorKind, Evidence, Existing, Finding, FormatInfo, Layout, Mark,
    MarkInfo, MarkKind, Place, ReadCx, Result, Slot, Stage, State, Step, WriteCx,
};

use super::{AigcObject, Parsed, Role, parse, protect};

/// XMP namespace of the property (TC260-PG-20259A).
pub const NAMESPACE: &str = "http://www.tc260.org.cn/ns/AIGC/1.0/";
/// Preferred prefix of the namespace.
pub const PREFIX: &str = "TC260";
/// Name of the property, and of the key in keyed places.
pub const PROPERTY: &str = "AIGC";

/// The GB 45438 implicit label.
pub static AIGC: AigcMark = AigcMark;

static INFO: MarkInfo = MarkInfo {
    id: "gb45438.aigc",
    name: "GB 45438 AIGC metadata",
    kind: MarkKind::Metadata,
    stage: Stage::Metadata,
    source: "GB 45438-2025, 6.1 and Annex E",
};

/// See [`AIGC`].
#[derive(Debug)]
pub struct AigcMark;

impl Mark for AigcMark {
    fn info(&self) -> &'static MarkInfo {
        &INFO
    }

    fn read(&self, cx: &ReadCx<'_>) -> Vec<Finding> {
        let mut findings: Vec<Finding> = cx
            .layout
            .entries
            .iter()
            .flat_map(labels_of)
            .map(|label| label.finding(cx.format.info()))
            .collect();
        if findings.is_empty() {
            findings.push(Finding::new(&INFO, State::Absent));
        }
        findings
    }

    fn write(&self, cx: &WriteCx<'_>) -> Result<Vec<Step>> {
        if !cx.plan.aigc {
            return Ok(Vec::new());
        }
        let slot = normative_slot(cx.format.info())?;
        let labels: Vec<Label<'_>> = cx.layout.entries.iter().flat_map(labels_of).collect();
        let own = cx.declaration.producer.as_deref().unwrap_or_default();
        if let Some(label) = labels.first()
            && cx.plan.existing == Existing::Refuse
        {
            return Err(Error::new(ErrorKind::Conflict, "an AIGC label is there already")
                .at_place(&label.entry.place));
        }
        // Measures Art. 10: nobody alters another provider's label. It stays as it is, also where it stands.
        if labels.iter().any(|l| l.evidence().is_some_and(|e| e.content_producer != own)) {
            return Ok(Vec::new());
        }
        let kept = labels.iter().find_map(Label::evidence).filter(|_| cx.plan.existing == Existing::Keep);
        let object = match kept {
            Some(e) => AigcObject {
                label: cx.declaration.origin.gb45438_label().to_owned(),
                content_producer: e.content_producer.clone(),
                produce_id: e.produce_id.clone(),
                reserved_code1: e.reserved_code1.clone(),
                content_propagator: e.content_propagator.clone(),
                propagate_id: e.propagate_id.clone(),
                reserved_code2: e.reserved_code2.clone(),
            },
            None => AigcObject::first_write(
                cx.declaration.origin.gb45438_label(),
                own,
                cx.declaration.content_id.as_deref().unwrap_or_default(),
            )?,
        };
        let mut object = object;
        if let (true, Some(signer)) = (cx.plan.protect_aigc, cx.signer) {
            object.reserved_code1 =
                protect(&object, Role::Producer, signer)?.unwrap_or(object.reserved_code1);
        }
        let json = object.to_json();
        let edits = place(cx.layout, slot, &labels, &json)?;
        Ok(edits.into_iter().map(Step::Edit).collect())
    }
}

/// The edits after which `json` is the only label, in the normative place (6.1 c: exactly one). Labels in other places
/// go away; a packet keeps its other properties.
pub(super) fn place(layout: &Layout, slot: Slot, labels: &[Label<'_>], json: &str) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for label in labels {
        match label.entry.slot {
            Slot::Xmp if slot != Slot::Xmp && label.entry.normative => {
                let packet = xmp::remove(&label.entry.value, NAMESPACE, PROPERTY)?;
                edits.push(Edit::set(Slot::Xmp, "xmp", packet));
            }
            s if s != slot || !label.entry.normative => {
                edits.push(Edit::Remove { range: label.entry.range.clone() });
            }
            _ => {}
        }
    }
    edits.push(match slot {
        Slot::Xmp => {
            let packet = layout.of(Slot::Xmp).find(|e| e.normative).map(|e| e.value.as_slice());
            let property =
                xmp::Property { namespace: NAMESPACE, prefix: PREFIX, local: PROPERTY, value: json };
            Edit::set(Slot::Xmp, "xmp", xmp::set(packet, &property)?)
        }
        _ => Edit::set(Slot::Field, PROPERTY, json),
    });
    Ok(edits)
}

/// How the sources of slots begin that a practice guide names.
const GUIDES: &str = "TC260-PG";

/// The keyed list where the container has one, else the XMP packet (TC260-PG-20257A to 202510A).
pub(super) fn normative_slot(info: &'static FormatInfo) -> Result<Slot> {
    [Slot::Field, Slot::Xmp]
        .into_iter()
        .find(|s| info.slot(*s).is_some())
        .ok_or_else(|| Error::unsupported(info.id, "the format has no place for the AIGC metadata label"))
}

/// One value in one entry that claims to be a label.
pub(super) struct Label<'a> {
    pub(super) entry: &'a Entry,
    /// The value: of the property where the entry is a packet.
    pub(super) value: Vec<u8>,
    pub(super) parsed: Parsed,
}

impl Label<'_> {
    pub(super) fn evidence(&self) -> Option<&AigcEvidence> {
        match &self.parsed {
            Parsed::Label(e) => Some(e),
            _ => None,
        }
    }

    fn finding(&self, info: &FormatInfo) -> Finding {
        let e = self.entry;
        let path =
            if e.slot == Slot::Xmp { format!("{} {PREFIX}:{PROPERTY}", e.place) } else { e.place.clone() };
        let place = Place::at(path, e.range.clone(), e.normative);
        match &self.parsed {
            Parsed::Label(evidence) => {
                let mut finding = Finding::new(&INFO, State::Present).at(place);
                if !e.normative {
                    finding =
                        finding.note("place-variant", "this place is read, but the guides do not name it");
                } else if !info.slot(e.slot).is_some_and(|s| s.source.starts_with(GUIDES)) {
                    finding = finding.note("place-unnamed", "no guide names a place in this type of file");
                }
                finding.with(Evidence::Aigc(evidence.clone()))
            }
            Parsed::Unreadable(why) => {
                Finding::new(&INFO, State::Malformed).at(place).note("unreadable", why.as_str())
            }
            Parsed::Other => Finding::new(&INFO, State::Absent),
        }
    }
}

pub(super) fn labels_of(entry: &Entry) -> Vec<Label<'_>> {
    let (values, keyed): (Vec<Vec<u8>>, bool) = match entry.slot {
        Slot::Xmp => match xmp::get(&entry.value, NAMESPACE, PROPERTY) {
            Ok(values) => (values.into_iter().map(String::into_bytes).collect(), true),
            // A broken packet is the packet's problem; it is no label.
            Err(_) => (Vec::new(), true),
        },
        // Annex E a): the name of the field contains AIGC.
        Slot::Field => (vec![entry.value.clone()], entry.key.to_ascii_uppercase().contains("AIGC")),
        Slot::Exif | Slot::Comment => (vec![entry.value.clone()], false),
        Slot::Jumbf => (Vec::new(), false),
    };
    values
        .into_iter()
        .map(|value| Label { entry, parsed: parse(&value, keyed), value })
        .filter(|label| label.parsed != Parsed::Other)
        .collect()
}
