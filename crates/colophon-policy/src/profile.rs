//! What a profile is made of.

use std::sync::OnceLock;

use colophon_core::{Error, ErrorKind, LabelAt, LabelLook, Media, Origin, Result, TextPosition};
use serde::{Deserialize, Serialize};

/// The built-in profiles: id and text.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("cn", include_str!("../profiles/cn.toml")),
    ("eu", include_str!("../profiles/eu.toml")),
    ("any", include_str!("../profiles/any.toml")),
];

/// A jurisdiction's rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Short id: `cn`.
    pub id: String,
    /// Name shown to people.
    pub name: String,
    /// Date from which it applies, ISO 8601; empty when it is no law.
    pub effective: String,
    /// The documents.
    pub citation: String,
    /// What marking writes.
    pub write: Write,
    /// What verification checks.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// What marking under a profile writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
// One switch per mark; an enum would only rename them.
#[expect(clippy::struct_excessive_bools)]
pub struct Write {
    /// The GB 45438 object.
    pub aigc: bool,
    /// The IPTC digital source type.
    pub source_type: bool,
    /// The C2PA manifest.
    pub manifest: bool,
    /// The watermark, where the medium has one.
    pub watermark: bool,
    /// Whether the label may be left out.
    pub label: LabelDuty,
    /// The label on pictures, frames and pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<VisibleWrite>,
    /// The label in text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<WrittenWrite>,
    /// The label in sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audible: Option<WrittenWrite>,
}

/// Whether a profile leaves a choice about the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelDuty {
    /// Leaving it out breaks the profile.
    Required,
    /// Placed by default; may be left out.
    Optional,
}

/// Wording by operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// For content made by a model.
    pub generated: String,
    /// For content changed by a model.
    pub modified: String,
}

impl Wording {
    /// The words for an origin.
    pub fn of(&self, origin: Origin) -> &str {
        if origin == Origin::Generated { &self.generated } else { &self.modified }
    }
}

/// A label that is seen; see [`colophon_core::VisibleSpec`] for units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisibleWrite {
    /// Words.
    pub text: Wording,
    /// The words follow the language of the content; `text` where there is no wording in it.
    #[serde(default)]
    pub localized: bool,
    /// Corner or edge.
    pub at: LabelAt,
    /// How it is set off from the picture.
    #[serde(default)]
    pub look: LabelLook,
    /// Ink height aimed at, share of the shortest side.
    pub height: f32,
    /// Ink height never fallen short of.
    pub min_height: f32,
    /// Seconds aimed at, for video.
    pub duration_s: f64,
    /// Seconds never fallen short of, for video.
    pub min_duration_s: f64,
}

/// A label that is written or heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenWrite {
    /// Words.
    pub text: Wording,
    /// Start or end.
    pub position: TextPosition,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `jurisdiction.source.clause.point`; never reused.
    pub id: String,
    /// What must hold, in one sentence.
    pub title: String,
    /// Clause.
    pub clause: String,
    /// How well we know it: `C` two or more sources, `S` one, `I` inferred.
    pub confidence: String,
    /// Media it concerns; all when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// How it is checked.
    pub check: Check,
}

/// Word rules for labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Words {
    /// GB 45438: an AI element and a generation element.
    Gb45438,
    /// EU Code: the capitals `AI`.
    Eu,
}

/// The vocabulary of checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Check {
    /// A label of the medium's form is there.
    LabelPresent,
    /// The label's words.
    LabelWording {
        /// Which rule for words.
        words: Words,
        /// No label, no verdict.
        #[serde(default)]
        optional: bool,
    },
    /// The label's ink height over the shortest side.
    LabelHeight {
        /// Least share.
        min: f32,
    },
    /// How long the label is shown from the first frame.
    LabelDuration {
        /// Least seconds.
        min_s: f64,
    },
    /// The label's position is one the clause names.
    LabelPosition,
    /// A spoken label is there.
    LabelSpoken {
        /// No label, no verdict.
        #[serde(default)]
        optional: bool,
    },
    /// An AIGC object is there.
    AigcPresent,
    /// Exactly one.
    AigcSingle,
    /// No fatal problem with its fields.
    AigcFields,
    /// `Label` is 1, 2 or 3.
    AigcLabelValue,
    /// Provider codes check out.
    AigcProviderCode,
    /// It stands in the normative place.
    AigcPlace,
    /// A signed manifest whose signature and content hold.
    ManifestValid,
    /// The manifest names a generative source type.
    ManifestSourceType,
    /// A watermark is there.
    WatermarkPresent {
        /// Texts of at most so many characters are exempt.
        exempt_characters: u64,
    },
    /// Any machine-readable mark says AI.
    MachineReadableAi,
    /// No mark is invalid.
    NoneInvalid,
}

/// A profile from TOML.
///
/// # Errors
/// `Usage` with the line that is wrong.
pub fn from_toml(text: &str) -> Result<Profile> {
    toml::from_str(text).map_err(|e| Error::new(ErrorKind::Usage, "the profile is not usable").because(e))
}

/// Every built-in profile.
pub fn built_in() -> &'static [Profile] {
    static PARSED: OnceLock<Vec<Profile>> = OnceLock::new();
    // The texts are part of the program; a test parses every one.
    PARSED.get_or_init(|| BUILT_IN.iter().filter_map(|(_, text)| from_toml(text).ok()).collect())
}

/// A built-in profile by its id.
///
/// # Errors
/// `Usage`, naming the known ids.
pub fn find(id: &str) -> Result<&'static Profile> {
    built_in().iter().find(|p| p.id == id).ok_or_else(|| {
        let known: Vec<&str> = BUILT_IN.iter().map(|(id, _)| *id).collect();
        Error::new(ErrorKind::Usage, format!("no profile {id:?}; known are {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_parses_and_keeps_its_id() {
        assert_eq!(built_in().len(), BUILT_IN.len());
        for (id, text) in BUILT_IN {
            let p = from_toml(text).unwrap_or_else(|e| panic!("{id}: {e}"));
            assert_eq!(p.id, *id);
        }
    }

    #[test]
    fn rule_ids_start_with_the_profile_and_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for p in built_in() {
            for r in &p.rules {
                assert!(r.id.starts_with(&format!("{}.", p.id)), "{}", r.id);
                assert!(seen.insert(&r.id), "{} stands twice", r.id);
                assert!(matches!(r.confidence.as_str(), "C" | "S" | "I"), "{}", r.id);
                assert!(!r.clause.is_empty() && !r.title.is_empty());
            }
        }
    }

    #[test]
    fn an_unknown_profile_names_the_known_ones() {
        assert!(find("atlantis").unwrap_err().to_string().contains("cn, eu"));
    }
}
