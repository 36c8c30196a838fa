//! What the library may do: nothing over a network, nothing beside the manifest.

use c2pa::Context;
use colophon_core::{Error, ErrorKind, Result, Trust};
use serde_json::json;

/// Assertions attributed to the signer. Without this list 0.90 puts the actions among the gathered assertions, and
/// the manifest fails the conformance rules.
const CREATED: [&str; 6] = [
    "c2pa.actions.v2",
    "c2pa.soft-binding",
    "c2pa.ai-disclosure",
    super::RECORD_LABEL,
    "c2pa.hash.data",
    "c2pa.hash.bmff.v3",
];

/// A context for writing.
pub(crate) fn writing() -> Result<Context> {
    context(json!({
        "verify": { "verify_after_sign": false, "ocsp_fetch": false, "remote_manifest_fetch": false },
        "builder": {
            "thumbnail": { "enabled": false },
            "created_assertion_labels": CREATED,
            "actions": {
                "auto_created_action": { "enabled": false },
                "auto_opened_action": { "enabled": false },
                "auto_placed_action": { "enabled": false },
            },
        },
    }))
}

/// A context for reading, with the caller's trust lists.
pub(crate) fn reading(trust: &Trust) -> Result<Context> {
    // 0.90 has one list for signers and time stamps.
    let anchors: Vec<&str> =
        trust.anchors_pem.iter().chain(&trust.timestamp_anchors_pem).map(String::as_str).collect();
    let mut lists = json!({});
    if !anchors.is_empty() {
        lists["user_anchors"] = anchors.join("\n").into();
    }
    if !trust.pinned_pem.is_empty() {
        lists["allowed_list"] = trust.pinned_pem.join("\n").into();
    }
    context(json!({
        "verify": { "verify_after_reading": true, "ocsp_fetch": false, "remote_manifest_fetch": false },
        "trust": lists,
    }))
}

fn context(settings: serde_json::Value) -> Result<Context> {
    // The library's message on bad settings quotes all of them; ours does not.
    Context::new()
        .with_settings(settings)
        .map_err(|_| Error::new(ErrorKind::Usage, "the c2pa library refused its settings or a trust list"))
}
