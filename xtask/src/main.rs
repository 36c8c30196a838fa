//! Checks and generated files of the workspace.
//!
//! `cargo run -p xtask -- check` fails when a crate depends upwards or a generated file is out of date;
//! `cargo run -p xtask -- generate` writes the generated files.
#![forbid(unsafe_code)]
// A program of the build: it prints, and says how it ended.
#![allow(clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The layers, lowest first. A crate may depend on crates of lower layers only.
const LAYERS: &[&[&str]] = &[
    &["colophon-core", "colophon-signal"],
    &["colophon-container", "colophon-sign", "colophon-conformance", "colophon-tokenmark"],
    &["colophon-label"],
    &["colophon-metadata", "colophon-policy", "colophon-c2pa"],
    &["colophon-text", "colophon-image", "colophon-audio", "colophon-document"],
    // A video is pictures and sound: its watermarks are theirs.
    &["colophon-video"],
    &["colophon"],
    &["colophon-cli", "colophon-tokenmark-capi", "xtask"],
];

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned);
    let result = match std::env::args().nth(1).as_deref() {
        Some("check") => check_dependencies(&root)
            .and_then(|()| check_rule_tests(&root))
            .and_then(|()| generated(&root, false)),
        Some("generate") => generated(&root, true),
        _ => Err("usage: xtask check | generate".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|l| l.contains(&name))
}

/// Reads every manifest of the workspace; tests may look sideways, programs may not look up.
fn check_dependencies(root: &Path) -> Result<(), String> {
    let mut manifests: Vec<PathBuf> = vec![root.join("xtask/Cargo.toml")];
    let crates = std::fs::read_dir(root.join("crates")).map_err(|e| e.to_string())?;
    manifests
        .extend(crates.filter_map(Result::ok).map(|e| e.path().join("Cargo.toml")).filter(|p| p.is_file()));
    for path in manifests {
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let manifest: toml::Table = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = manifest
            .get("package")
            .and_then(|p| p.get("name"))
            .and_then(toml::Value::as_str)
            .unwrap_or_default();
        let own = layer(name).ok_or_else(|| format!("{name} stands in no layer of xtask"))?;
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flatten().map(|(d, _)| d.as_str()) {
            if let Some(other) = layer(dependency)
                && other >= own
            {
                return Err(format!("{name} depends on {dependency}, which does not stand below it"));
            }
        }
    }
    Ok(())
}

/// Where the rules' tests stand.
const RULE_TESTS: &str = "crates/colophon-policy/tests/rules.rs";

/// The module of a rule's tests `passes` and `fails`.
fn rule_module(id: &str) -> String {
    id.replace(['.', '-'], "_")
}

/// Every rule of every built-in profile has its passing and its failing case in the table of the tests.
fn check_rule_tests(root: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(root.join(RULE_TESTS)).map_err(|e| format!("{RULE_TESTS}: {e}"))?;
    let table = text
        .split_once("\nrules! {")
        .and_then(|(_, t)| t.split_once("\n}\n"))
        .map(|(t, _)| t)
        .ok_or_else(|| format!("{RULE_TESTS} has no table of rules"))?;
    for rule in colophon::profiles::built_in().iter().flat_map(|p| &p.rules) {
        let module = rule_module(&rule.id);
        let entry = table.split(';').any(|e| {
            e.trim().strip_prefix(&module).is_some_and(|rest| rest.starts_with(':') && rest.contains(','))
        });
        if !entry {
            return Err(format!("{} has no passing and failing test in {RULE_TESTS}", rule.id));
        }
    }
    Ok(())
}

/// Files made from the types and tables of the program.
fn generated(root: &Path, write: bool) -> Result<(), String> {
    let schema = |s: &dyn Fn() -> serde_json::Value| serde_json::to_string_pretty(&s()).map(|t| t + "\n");
    let files = [
        ("docs/reference/report.schema.json", schema(&|| colophon::schema::report().to_value())),
        ("docs/reference/record.schema.json", schema(&|| colophon::schema::record().to_value())),
        ("docs/reference/result.schema.json", schema(&|| colophon::schema::result().to_value())),
        ("docs/reference/formats.md", Ok(formats())),
        ("docs/reference/rules.md", Ok(rules())),
    ];
    for (name, text) in files {
        let text = text.map_err(|e| e.to_string())?;
        let path = root.join(name);
        if write {
            std::fs::write(&path, &text).map_err(|e| format!("{name}: {e}"))?;
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            return Err(format!("{name} is out of date; run `cargo run -p xtask -- generate`"));
        }
    }
    Ok(())
}

fn formats() -> String {
    use colophon::{Carrier, SignalSupport, Slot};
    let mut out = String::from(
        "# Formats\n\nGenerated by `cargo run -p xtask -- generate`.\n\n\
         | format | media | label and watermark | AIGC metadata | C2PA manifest | note |\n|---|---|---|---|---|---|\n",
    );
    for f in colophon::registry().formats() {
        let i = f.info();
        let signal = match i.signal {
            SignalSupport::Render => "written and read",
            SignalSupport::Label => "label only",
            SignalSupport::Observe => "read",
            SignalSupport::None => "no",
        };
        let slot = i.slot(Slot::Field).or_else(|| i.slot(Slot::Xmp));
        let place = slot.map_or("none".to_owned(), |s| format!("{} ({})", s.place, s.source));
        let carrier = match i.carrier {
            Carrier::Native(_) | Carrier::Slot(..) => "embedded",
            Carrier::Sidecar(_) => "beside the file",
        };
        let media = format!("{:?}", i.media).to_lowercase();
        out.push_str(&format!("| {} | {media} | {signal} | {place} | {carrier} | {} |\n", i.name, i.note));
    }
    out
}

fn rules() -> String {
    let mut out = String::from(
        "# Rules\n\nGenerated by `cargo run -p xtask -- generate`. Confidence: C confirmed by two or more sources, S one source, \
         I inferred. Each test name is a module with the tests `passes` and `fails` in `crates/colophon-policy/tests/rules.rs`.\n",
    );
    for p in colophon::profiles::built_in() {
        out.push_str(&format!(
            "\n## {}: {}\n\n{}\n\n| clause | rule | what must hold | confidence | applies from | tests |\n|---|---|---|---|---|---|\n",
            p.id, p.name, p.citation
        ));
        for r in &p.rules {
            out.push_str(&format!(
                "| {} | `{}` | {} | {} | {} | `{}` |\n",
                r.clause,
                r.id,
                r.title,
                r.confidence,
                p.effective_of(r),
                rule_module(&r.id)
            ));
        }
    }
    out
}
