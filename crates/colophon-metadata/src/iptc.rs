//! IPTC digital source type: `Iptc4xmpExt:DigitalSourceType` in XMP.

use colophon_container::xmp;
use colophon_core::{
    Edit, Evidence, Finding, Mark, MarkInfo, MarkKind, Place, ReadCx, Result, Slot, SourceTypeEvidence,
    Stage, State, Step, WriteCx,
};

/// XMP namespace of the property.
pub const NAMESPACE: &str = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
/// Preferred prefix.
pub const PREFIX: &str = "Iptc4xmpExt";
/// Name of the property.
pub const PROPERTY: &str = "DigitalSourceType";
/// Scheme of the vocabulary; codes are appended. Written with `http`, read with `https` too.
pub const SCHEME: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/";

/// The vocabulary with what each code says about AI.
pub const CODES: &[(&str, &str)] = &[
    ("trainedAlgorithmicMedia", "generated"),
    ("compositeWithTrainedAlgorithmicMedia", "modified"),
    ("compositeSynthetic", "modified"),
    ("algorithmicMedia", "synthetic"),
    ("algorithmicallyEnhanced", "not-ai"),
    ("dataDrivenMedia", "not-ai"),
    ("composite", "possible"),
    ("compositeCapture", "not-ai"),
    ("virtualRecording", "unknown"),
    ("screenCapture", "unknown"),
    ("digitalCapture", "not-ai"),
    ("computationalCapture", "not-ai"),
    ("multiFrameComputationalCapture", "not-ai"),
    ("negativeFilm", "not-ai"),
    ("positiveFilm", "not-ai"),
    ("print", "not-ai"),
    ("humanEdits", "not-ai"),
    ("digitalCreation", "not-ai"),
    ("softwareImage", "unknown"),
    ("digitalArt", "possible"),
    ("minorHumanEdits", "not-ai"),
];

/// The IPTC digital source type in XMP.
pub static DIGITAL_SOURCE_TYPE: IptcMark = IptcMark;

static INFO: MarkInfo = MarkInfo {
    id: "iptc.digital-source-type",
    name: "IPTC digital source type",
    kind: MarkKind::Metadata,
    stage: Stage::Metadata,
    source: "IPTC Photo Metadata Standard, Digital Source Type",
};

/// See [`DIGITAL_SOURCE_TYPE`].
#[derive(Debug)]
pub struct IptcMark;

impl Mark for IptcMark {
    fn info(&self) -> &'static MarkInfo {
        &INFO
    }

    fn read(&self, cx: &ReadCx<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for entry in cx.layout.of(Slot::Xmp) {
            let Ok(values) = xmp::get(&entry.value, NAMESPACE, PROPERTY) else {
                continue;
            };
            for value in values {
                let path = format!("{} {PREFIX}:{PROPERTY}", entry.place);
                let place = Place::at(path, entry.range.clone(), entry.normative);
                findings.push(match classify(&value) {
                    Some(e) => Finding::new(&INFO, State::Present).at(place).with(Evidence::SourceType(e)),
                    None => Finding::new(&INFO, State::Malformed)
                        .at(place)
                        .note("unknown-code", format!("{value:?} is not in the vocabulary")),
                });
            }
        }
        if findings.is_empty() {
            findings.push(Finding::new(&INFO, State::Absent));
        }
        findings
    }

    fn write(&self, cx: &WriteCx<'_>) -> Result<Vec<Step>> {
        if !cx.plan.source_type || cx.format.info().slot(Slot::Xmp).is_none() {
            return Ok(Vec::new());
        }
        let packet = cx.layout.of(Slot::Xmp).find(|e| e.normative).map(|e| e.value.as_slice());
        let value = format!("{SCHEME}{}", cx.declaration.origin.iptc_code());
        let property = xmp::Property { namespace: NAMESPACE, prefix: PREFIX, local: PROPERTY, value: &value };
        Ok(vec![Step::Edit(Edit::set(Slot::Xmp, "xmp", xmp::set(packet, &property)?))])
    }
}

/// Reads a value: the URI with `http` or `https`, or the bare code.
pub fn classify(value: &str) -> Option<SourceTypeEvidence> {
    let value = value.trim();
    let code = value
        .strip_prefix(SCHEME)
        .or_else(|| value.strip_prefix("https://cv.iptc.org/newscodes/digitalsourcetype/"))
        .unwrap_or(value);
    let (code, class) = CODES.iter().find(|(c, _)| *c == code)?;
    Some(SourceTypeEvidence { code: (*code).to_owned(), class: (*class).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iptc_uri_https_and_bare_code_read_alike() {
        for v in [
            "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            "https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            " trainedAlgorithmicMedia",
        ] {
            assert_eq!(classify(v).unwrap().class, "generated");
        }
        assert_eq!(classify("http://example.org/trainedAlgorithmicMedia"), None);
    }
}
