//! What is to be done to one input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::LabelSpec;

/// What to do with marks that are on the input already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// Keep them: an incoming manifest becomes the parent ingredient, a label keeps its producer fields.
    #[default]
    Keep,
    /// Stop with a conflict.
    Refuse,
    /// Replace marks that carry one's own producer; somebody else's are kept as with `Keep`.
    Replace,
}

/// A remark of the planner: what is not done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanNote {
    /// Stable code: `not-in-profile`, `no-slot`, `allowed-noncompliant`.
    pub code: String,
    /// Sentence.
    pub text: String,
}

/// The plan: a value that can be printed, stored and compared with what was found afterwards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
// Independent switches, one per mark: an enum would only rename them.
#[expect(clippy::struct_excessive_bools)]
pub struct Plan {
    /// Profiles it satisfies.
    pub profiles: Vec<String>,
    /// The label, when one is placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelSpec>,
    /// Write the GB 45438 AIGC object.
    pub aigc: bool,
    /// Sign the AIGC object inside itself (TC260-PG-202511A).
    #[serde(default)]
    pub protect_aigc: bool,
    /// Write the IPTC digital source type.
    pub source_type: bool,
    /// Sign a C2PA manifest.
    pub manifest: bool,
    /// Embed a watermark.
    pub watermark: bool,
    /// Treatment of existing marks.
    pub existing: Existing,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<PlanNote>,
}
