//! JSON and JSON Lines.

use std::io::Write;

use serde::Serialize;
use serde_json::json;

/// One value, pretty, on standard output. A closed pipe is not an error.
pub(crate) fn pretty(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }
}

/// One value on one line.
pub(crate) fn line(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }
}

/// An error as an object.
pub(crate) fn error(e: &crate::advice::Failure) -> serde_json::Value {
    json!({
        "type": "error",
        "file": e.file.as_ref().map(|p| p.display().to_string()),
        "kind": format!("{:?}", e.error.kind()).to_lowercase(),
        "message": e.error.to_string(),
        "hint": e.hint,
        "exit": e.exit.code(),
    })
}
