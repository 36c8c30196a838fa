//! Verdicts in the forms other tools read: SARIF 2.1.0, JUnit XML, CSV, and annotations of GitHub Actions.

use std::fmt::Write as _;

use colophon::{Outcome, Report, Verdict};
use serde_json::{Value, json};

use crate::advice::Failure;
use crate::args::OutputFormat;

/// One input and what became of it.
pub(crate) struct Row {
    name: String,
    verdicts: Vec<Verdict>,
    error: Option<String>,
}

impl Row {
    pub(crate) fn of(result: &Result<Report, Failure>) -> Self {
        match result {
            Ok(r) => Self { name: r.subject.name.clone(), verdicts: r.verdicts.clone(), error: None },
            Err(e) => Self {
                name: e.file.as_ref().map_or_else(|| "-".to_owned(), |p| p.display().to_string()),
                verdicts: Vec::new(),
                error: Some(e.error.to_string()),
            },
        }
    }

    fn open(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|v| matches!(v.outcome, Outcome::Fail | Outcome::Undetermined))
    }
}

/// The document in one of these forms; `None` for the others.
pub(crate) fn document(format: OutputFormat, rows: &[Row]) -> Option<String> {
    match format {
        OutputFormat::Sarif => serde_json::to_string_pretty(&sarif(rows)).ok().map(|t| t + "\n"),
        OutputFormat::Junit => Some(junit(rows)),
        OutputFormat::Csv => Some(csv(rows)),
        OutputFormat::Github => Some(github(rows)),
        OutputFormat::Human | OutputFormat::Json | OutputFormat::Jsonl | OutputFormat::Crjson => None,
    }
}

fn word(o: Outcome) -> &'static str {
    match o {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::NotApplicable => "not-applicable",
        Outcome::Undetermined => "undetermined",
    }
}

fn sarif(rows: &[Row]) -> Value {
    let mut rules: Vec<&Verdict> = Vec::new();
    let mut results = Vec::new();
    let mut unread = Vec::new();
    for row in rows {
        let place = json!([{ "physicalLocation": { "artifactLocation": { "uri": uri(&row.name) } } }]);
        for v in row.open() {
            if !rules.iter().any(|r| r.rule == v.rule) {
                rules.push(v);
            }
            results.push(json!({
                "ruleId": v.rule,
                "level": if v.outcome == Outcome::Fail { "error" } else { "warning" },
                "message": { "text": v.reason },
                "locations": place,
                "properties": { "profile": v.profile, "outcome": word(v.outcome) },
            }));
        }
        if let Some(e) = &row.error {
            unread.push(json!({ "level": "error", "message": { "text": e }, "locations": place }));
        }
    }
    let rules: Vec<Value> = rules
        .iter()
        .map(|v| json!({ "id": v.rule, "shortDescription": { "text": v.clause }, "properties": { "confidence": v.confidence } }))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "colophon", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "invocations": [{ "executionSuccessful": unread.is_empty(), "toolExecutionNotifications": unread }],
            "results": results,
        }],
    })
}

/// A path as a URI reference: everything but unreserved characters and slashes is escaped.
fn uri(path: &str) -> String {
    path.replace('\\', "/").bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

fn junit(rows: &[Row]) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"colophon\">\n");
    for row in rows {
        let failures = row.verdicts.iter().filter(|v| v.outcome == Outcome::Fail).count();
        let skipped = row.verdicts.iter().filter(|v| v.outcome == Outcome::NotApplicable).count();
        let errors = row.open().count() - failures + usize::from(row.error.is_some());
        let tests = row.verdicts.len() + usize::from(row.error.is_some());
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">",
            xml(&row.name)
        );
        for v in &row.verdicts {
            let _ = write!(out, "    <testcase classname=\"{}\" name=\"{}\"", xml(&v.profile), xml(&v.rule));
            let body = match v.outcome {
                Outcome::Pass => None,
                Outcome::Fail => Some(format!("<failure message=\"{}\"/>", xml(&v.reason))),
                Outcome::Undetermined => Some(format!("<error message=\"{}\"/>", xml(&v.reason))),
                Outcome::NotApplicable => Some(format!("<skipped message=\"{}\"/>", xml(&v.reason))),
            };
            let _ = match body {
                None => writeln!(out, "/>"),
                Some(body) => writeln!(out, ">{body}</testcase>"),
            };
        }
        if let Some(e) = &row.error {
            let _ =
                writeln!(out, "    <testcase name=\"examined\"><error message=\"{}\"/></testcase>", xml(e));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn xml(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no other control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
        out
    })
}

fn csv(rows: &[Row]) -> String {
    let mut out = String::from("file,profile,rule,outcome,reason,clause\n");
    for row in rows {
        for v in &row.verdicts {
            let fields = [&row.name, &v.profile, &v.rule, word(v.outcome), &v.reason, &v.clause];
            out.push_str(&fields.map(quoted).join(","));
            out.push('\n');
        }
        if let Some(e) = &row.error {
            out.push_str(&[row.name.as_str(), "", "", "error", e, ""].map(quoted).join(","));
            out.push('\n');
        }
    }
    out
}

/// RFC 4180, 2.6 and 2.7. A cell that a spreadsheet would run as a formula is shown as text.
fn quoted(field: &str) -> String {
    let guard = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !field.contains([',', '"', '\n', '\r']) {
        return field.to_owned();
    }
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

fn github(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        let file = property(&row.name);
        for v in row.open() {
            let level = if v.outcome == Outcome::Fail { "error" } else { "warning" };
            let _ = writeln!(out, "::{level} file={file},title={}::{}", property(&v.rule), data(&v.reason));
        }
        if let Some(e) = &row.error {
            let _ = writeln!(out, "::error file={file}::{}", data(e));
        }
    }
    out
}

/// Escapes of workflow commands.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let verdict = |rule: &str, outcome| Verdict {
            profile: "cn".to_owned(),
            rule: rule.to_owned(),
            outcome,
            reason: "it says \"a, b\" <c>\nand more".to_owned(),
            clause: "5.2".to_owned(),
            confidence: "C".to_owned(),
            effective: String::new(),
            because: Vec::new(),
        };
        vec![
            Row {
                name: "=a b.png".to_owned(),
                verdicts: vec![verdict("cn.a", Outcome::Fail), verdict("cn.b", Outcome::Pass)],
                error: None,
            },
            Row {
                name: "c.wav".to_owned(),
                verdicts: Vec::new(),
                error: Some("the input is empty".to_owned()),
            },
        ]
    }

    #[test]
    fn every_form_names_the_open_rule_and_the_unreadable_file() {
        for format in [OutputFormat::Sarif, OutputFormat::Junit, OutputFormat::Csv, OutputFormat::Github] {
            let text = document(format, &rows()).unwrap();
            assert!(text.contains("cn.a") && text.contains("the input is empty"), "{format:?}: {text}");
        }
        assert_eq!(document(OutputFormat::Json, &rows()), None);
    }

    #[test]
    fn names_and_reasons_cannot_break_out() {
        let csv = document(OutputFormat::Csv, &rows()).unwrap();
        assert!(csv.contains("\"'=a b.png\"") && csv.contains("\"\"a, b\"\""), "{csv}");
        let junit = document(OutputFormat::Junit, &rows()).unwrap();
        assert!(junit.contains("&quot;a, b&quot; &lt;c&gt; and more"), "{junit}");
        let github = document(OutputFormat::Github, &rows()).unwrap();
        assert_eq!(github.lines().count(), 2, "{github}");
        let sarif: Value = serde_json::from_str(&document(OutputFormat::Sarif, &rows()).unwrap()).unwrap();
        let place =
            &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(place, "%3Da%20b.png");
    }
}
