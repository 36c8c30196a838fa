//! The report on one input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Finding, Media, Note, Properties};

/// Name and version of the report's form.
pub const REPORT_SCHEMA: &str = "colophon.report/1";

/// What a rule says about an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Satisfied.
    Pass,
    /// Not satisfied.
    Fail,
    /// The rule does not concern this input.
    NotApplicable,
    /// It could not be looked at.
    Undetermined,
}

/// One rule of one profile, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Profile: `cn`.
    pub profile: String,
    /// Rule: `cn.gb45438.5.2.height`.
    pub rule: String,
    /// Outcome.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub reason: String,
    /// Clause: `GB 45438-2025, 5.2`.
    pub clause: String,
    /// How well we know the rule: `C` confirmed, `S` one source, `I` inferred.
    pub confidence: String,
    /// Date from which the rule applies, ISO 8601; empty when it is no law.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub effective: String,
    /// Indices into the report's findings that the outcome rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<usize>,
}

/// What was examined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// Name as given, `-` for standard input.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of all bytes. Absent only from the report on a large file that was marked from file to file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Format id.
    pub format: String,
    /// Kind of content.
    pub media: Media,
    /// Facts about the content.
    pub properties: Properties,
}

/// The report: what is there, and what each profile makes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`REPORT_SCHEMA`].
    pub schema: String,
    /// Program and version that made it.
    pub tool: String,
    /// What was examined.
    pub subject: Subject,
    /// Every mark in every place.
    pub findings: Vec<Finding>,
    /// Rule by rule.
    pub verdicts: Vec<Verdict>,
    /// What this report cannot say.
    pub limits: String,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Report {
    /// The sentence that stands in every report.
    pub const LIMITS: &'static str = "absence of a mark is no evidence of how the content was made";

    /// Verdicts with one outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.verdicts.iter().filter(|v| v.outcome == outcome).count()
    }
}
