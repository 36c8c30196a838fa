//! crJSON: the library's export of a store, with the codes that are reported here in the place of its own.
//!
//! The library fills `validationResults` with its own verdict. Whoever reads the document must find the verdict of the
//! report it came with, or two tools that asked the same program would hear that a signer is trusted and that it is not.

use c2pa::Reader;
use colophon_core::{ManifestEvidence, Trust};
use serde_json::{Value, json};

use crate::{store, trust};

/// The three lists of `validationResults`.
const LISTS: [&str; 3] = ["success", "informational", "failure"];

/// The library's document. Credentials of manifests that are not active are judged like the active one's, which
/// [`settle`] fills in.
pub(crate) fn export(reader: &Reader, raw: Option<&[u8]>, trust: &Trust) -> c2pa::Result<Value> {
    let mut document = reader.to_crjson_value()?;
    let active = reader.active_label().unwrap_or_default();
    let mut all_trusted = true;
    let manifests = document.get_mut("manifests").and_then(Value::as_array_mut);
    for manifest in manifests.into_iter().flatten() {
        let Some(label) = manifest.get("label").and_then(Value::as_str).map(str::to_owned) else { continue };
        if label == active {
            continue;
        }
        let judged = raw
            .and_then(|r| store::named(r, &label))
            .and_then(|m| trust::judge(m.signature?, m.claim?, trust));
        all_trusted &= judged.as_ref().is_some_and(|j| j.trusted);
        let own = judged.map(|j| j.status).unwrap_or_default();
        for (name, own) in LISTS.iter().zip([&own.success, &own.informational, &own.failure]) {
            let Some(list) = list(manifest, name) else { continue };
            list.retain(|item| !code(item).is_some_and(trust::about_credential));
            list.extend(own.iter().map(|c| item(c, &label)));
        }
    }
    if !all_trusted {
        distrust_ingredients(&mut document);
    }
    Ok(document)
}

/// What the library found better about ingredients than their signer recorded, where it is about credentials that are
/// judged otherwise here.
fn distrust_ingredients(document: &mut Value) {
    let manifests = document.get_mut("manifests").and_then(Value::as_array_mut);
    let deltas = |m: &mut Value| m.get_mut("ingredientDeltas").map(Value::take);
    for manifest in manifests.into_iter().flatten() {
        let Some(mut all) = deltas(manifest) else { continue };
        for delta in all.as_array_mut().into_iter().flatten() {
            let successes = delta.pointer_mut("/validationDeltas/success").and_then(Value::as_array_mut);
            if let Some(successes) = successes {
                successes.retain(|item| !code(item).is_some_and(trust::about_credential));
            }
        }
        manifest["ingredientDeltas"] = all;
    }
}

/// Gives the active manifest the codes of the finished evidence. A store that the library did not open has a manifest
/// with nothing but them.
pub(crate) fn settle(e: &mut ManifestEvidence, trust: &Trust) {
    let label = e.active.clone().unwrap_or_default();
    let mut document = e.crjson.take().unwrap_or_else(|| {
        json!({
            "@context": { "@vocab": "https://c2pa.org/crjson", "extras": "https://c2pa.org/crjson/extras" },
            "manifests": [{ "label": label, "assertions": {}, "signature": {}, "validationResults": {} }],
        })
    });
    let now = trust::clock(trust);
    document["jsonGenerator"] =
        json!({ "name": "colophon", "version": env!("CARGO_PKG_VERSION"), "date": now.as_str() });
    let manifests = document.get_mut("manifests").and_then(Value::as_array_mut);
    for (i, manifest) in manifests.into_iter().flatten().enumerate() {
        manifest["validationResults"]["validationTime"] = now.as_str().into();
        if i > 0 {
            // The active one comes first.
            continue;
        }
        let before: Vec<Value> = LISTS.iter().filter_map(|n| list(manifest, n).cloned()).flatten().collect();
        for (name, codes) in LISTS.iter().zip([&e.status.success, &e.status.informational, &e.status.failure])
        {
            // Failures of ingredients have a place of their own, `ingredientDeltas`.
            let codes = codes.iter().filter(|c| !c.starts_with("ingredient: "));
            let items = codes.flat_map(|c| {
                let known: Vec<Value> = before.iter().filter(|i| code(i) == Some(c)).cloned().collect();
                if known.is_empty() { vec![item(c, &label)] } else { known }
            });
            manifest["validationResults"][name] = items.collect();
        }
    }
    e.crjson = Some(document);
}

fn list<'a>(manifest: &'a mut Value, name: &str) -> Option<&'a mut Vec<Value>> {
    manifest.get_mut("validationResults")?.get_mut(name)?.as_array_mut()
}

fn code(item: &Value) -> Option<&str> {
    item.get("code")?.as_str()
}

/// A status of ours.
fn item(code: &str, label: &str) -> Value {
    let part = if trust::about_credential(code) { "/c2pa.signature" } else { "" };
    json!({
        "code": code,
        "url": format!("self#jumbf=/c2pa/{label}{part}"),
        "explanation": "judged by colophon",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_active_manifest_has_the_codes_of_the_report_and_keeps_what_the_library_said_about_the_same_ones() {
        let mut e = ManifestEvidence { active: Some("urn:c2pa:x".to_owned()), ..ManifestEvidence::default() };
        e.status.success = vec!["assertion.hashedURI.match".to_owned()];
        e.status.informational = vec!["ingredient: signingCredential.untrusted".to_owned()];
        e.status.failure = vec!["claimSignature.outsideValidity".to_owned()];
        let said = |code: &str, url: &str| json!({ "code": code, "url": url });
        e.crjson = Some(json!({ "manifests": [
            { "label": "urn:c2pa:x", "validationResults": {
                "success": [
                    said("assertion.hashedURI.match", "a"),
                    said("assertion.hashedURI.match", "b"),
                    said("signingCredential.trusted", "c"),
                ],
                "informational": [],
                "failure": [],
            } },
        ] }));
        settle(&mut e, &Trust { at: Some(0), ..Trust::default() });
        let document = e.crjson.unwrap();
        let results = &document["manifests"][0]["validationResults"];
        let codes = |name: &str| -> Vec<String> {
            results[name].as_array().unwrap().iter().map(|i| code(i).unwrap().to_owned()).collect()
        };
        assert_eq!(codes("success"), ["assertion.hashedURI.match"; 2]);
        assert!(codes("informational").is_empty());
        assert_eq!(codes("failure"), ["claimSignature.outsideValidity"]);
        assert_eq!(results["failure"][0]["url"], "self#jumbf=/c2pa/urn:c2pa:x/c2pa.signature");
        assert_eq!(results["validationTime"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_store_that_was_not_opened_has_a_manifest_with_its_failure() {
        let mut e = ManifestEvidence::default();
        e.status.failure = vec!["claim.missing".to_owned()];
        settle(&mut e, &Trust::default());
        let document = e.crjson.unwrap();
        assert_eq!(document["manifests"][0]["validationResults"]["failure"][0]["code"], "claim.missing");
    }
}
