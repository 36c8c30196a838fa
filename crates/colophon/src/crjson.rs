//! crJSON, the form in which C2PA tools and auditors exchange what they read from manifests (C2PA, crJSON document).

use colophon_core::{Evidence, Finding, Report, State};
use serde_json::{Value, json};

/// The manifests of an input in crJSON. The input has to be read with [`crate::Options::crjson`].
///
/// Every manifest has the status codes of the report, never those of the C2PA library where the two differ, and
/// `extras:colophon` says which file it is, its SHA-256, the state and the three axes in the report's own words. An input
/// without a manifest has an empty list.
pub fn crjson(report: &Report) -> Value {
    let manifests: Vec<&Finding> =
        report.findings.iter().filter(|f| matches!(f.evidence, Some(Evidence::Manifest(_)))).collect();
    let mut document = json!({
        "@context": { "@vocab": "https://c2pa.org/crjson", "extras": "https://c2pa.org/crjson/extras" },
        "manifests": [],
        "jsonGenerator": { "name": "colophon", "version": env!("CARGO_PKG_VERSION") },
    });
    let mut all = Vec::new();
    let mut judged = Vec::new();
    for f in &manifests {
        let Some(Evidence::Manifest(e)) = &f.evidence else { continue };
        if let Some(own) = &e.crjson {
            document["@context"] = own["@context"].clone();
            if let Some(date) = own["jsonGenerator"].get("date") {
                document["jsonGenerator"]["date"] = date.clone();
            }
            all.extend(own["manifests"].as_array().into_iter().flatten().cloned());
        }
        judged.push(json!({
            "active": e.active,
            "state": f.state,
            "why": f.why,
            "axes": e.axes,
            "judgement": e.judgement,
            "carrier": e.carrier,
            "notes": f.notes,
        }));
    }
    document["manifests"] = all.into();
    let absent = report.findings.iter().any(|f| f.mark == "c2pa.manifest" && f.state == State::Absent);
    document["extras:colophon"] = json!({
        "name": report.subject.name,
        "sha256": report.subject.sha256,
        "format": report.subject.format,
        "absent": absent,
        "stores": judged,
    });
    document
}
