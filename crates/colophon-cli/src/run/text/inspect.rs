//! `colophon text inspect`.

use colophon::exit::Exit;
use colophon_text::carrier::a8::A8Search;
use colophon_text::invisible::{self, Inspection, Run};
use serde_json::{Value, json};

use super::tokens;
use crate::advice::Failure;
use crate::args::TextInspectArgs;
use crate::output::{human, json};

/// Longest text, in bytes; it is held in memory.
const MAX_TEXT: u64 = 256 << 20;

/// Exits 1 where a text carries characters that ordinary writing does not, or a manifest that cannot be read.
pub(super) fn run(args: &TextInspectArgs) -> Result<Exit, Failure> {
    let text = tokens::text(&args.input, MAX_TEXT).map_err(|mut e| {
        // there is no option for it here
        e.hint = e.hint.map(|_| "look at it in parts".to_owned());
        e
    })?;
    let found = invisible::inspect(&text);
    let listed: Vec<&Run> = found.runs.iter().filter(|r| args.all || !r.ordinary).collect();
    let hidden = found.runs.iter().any(|r| !r.ordinary && r.class != invisible::Class::Manifest);
    let broken = matches!(found.manifest, A8Search::Malformed { .. } | A8Search::Several);
    let name = args.input.display().to_string();
    if args.json {
        json::pretty(&json!({
            "file": name,
            "characters": found.characters,
            "manifest": manifest_json(&found),
            "runs": listed.iter().map(|r| run_json(r)).collect::<Vec<_>>(),
            "unlisted": found.unlisted,
        }));
    } else {
        show(&name, &found, &listed);
    }
    Ok(if hidden || broken { Exit::Finding } else { Exit::Ok })
}

fn show(name: &str, found: &Inspection, listed: &[&Run]) {
    let manifest = match &found.manifest {
        A8Search::None => String::new(),
        A8Search::One { store, .. } => {
            format!("; a C2PA manifest of {} bytes, see `colophon inspect`", store.len())
        }
        A8Search::Malformed { reason, .. } => format!("; manifest.text.corruptedWrapper: {reason}"),
        A8Search::Several => "; manifest.text.multipleWrappers: none of the manifests counts".to_owned(),
    };
    let word = if listed.iter().any(|r| !r.ordinary && r.class != invisible::Class::Manifest) {
        human::Word::Fail
    } else {
        human::Word::Ok
    };
    human::status(word, name, &format!("{} characters that are not seen{manifest}", found.characters));
    for r in listed {
        let ordinary = if r.ordinary { "  ordinary here" } else { "" };
        let spelled = r.decoded.as_ref().map(|d| format!("  spells {d:?}")).unwrap_or_default();
        human::plain(&format!(
            "      line {} column {}  byte {}  {} × {}  from U+{:04X}{ordinary}{spelled}",
            r.line,
            r.column,
            r.range.start,
            r.count,
            r.class.name(),
            r.first as u32
        ));
    }
    if found.unlisted > 0 {
        human::plain(&format!("      and {} more places", found.unlisted));
    }
}

fn run_json(r: &Run) -> Value {
    json!({
        "class": r.class.name(), "line": r.line, "column": r.column, "start": r.range.start, "end": r.range.end,
        "count": r.count, "first": format!("U+{:04X}", r.first as u32), "ordinary": r.ordinary,
        "decoded": r.decoded,
    })
}

fn manifest_json(found: &Inspection) -> Value {
    match &found.manifest {
        A8Search::None => Value::Null,
        A8Search::One { range, store } => {
            json!({"start": range.start, "end": range.end, "store_bytes": store.len(), "sha256": colophon::sha256_hex(store)})
        }
        A8Search::Malformed { range, reason } => json!({
            "start": range.start, "end": range.end, "code": "manifest.text.corruptedWrapper", "reason": reason,
        }),
        A8Search::Several => json!({"code": "manifest.text.multipleWrappers"}),
    }
}
