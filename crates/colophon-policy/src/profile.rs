//! What a profile is made of.

use std::sync::OnceLock;

use colophon_core::{Error, ErrorKind, LabelAt, LabelLook, Media, Origin, Result, TextPosition};
use serde::{Deserialize, Serialize};

/// The built-in profiles: id and text.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("cn", include_str!("../profiles/cn.toml")),
    ("cn-platform", include_str!("../profiles/cn-platform.toml")),
    ("eu", include_str!("../profiles/eu.toml")),
    ("us-ca", include_str!("../profiles/us-ca.toml")),
    ("in", include_str!("../profiles/in.toml")),
    ("kr", include_str!("../profiles/kr.toml")),
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
    /// A signature over the GB 45438 object inside itself, where there is a key.
    #[serde(default)]
    pub protect_aigc: bool,
    /// The IPTC digital source type.
    pub source_type: bool,
    /// The C2PA manifest.
    pub manifest: bool,
    /// The watermark, where the medium has one.
    pub watermark: bool,
    /// Whether the label may be left out.
    pub label: LabelDuty,
    /// A required label may be left out under an agreement with the recipient (Labeling Measures Art. 9).
    #[serde(default)]
    pub unlabelled_by_agreement: bool,
    /// The label on pictures and frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<VisibleWrite>,
    /// The label on the first page of a document; [`Self::visible`] where a profile names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<VisibleWrite>,
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
    /// The document, where it is not the profile's; see [`Profile::citation_of`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub citation: String,
    /// Date from which it applies, where it is later than the profile's. Before it the rule is not applicable.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub effective: String,
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

/// The parts of a latent disclosure (California, Business and Professions Code § 22757.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Name of the provider.
    Provider,
    /// Name of the system.
    System,
    /// Version of the system.
    Version,
    /// Time of creation or alteration.
    Time,
    /// Unique identifier.
    Id,
    /// Created or altered.
    Operation,
}

/// The vocabulary of checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Check {
    /// A label of the medium's form is there.
    LabelPresent {
        /// No label, no verdict: a file does not tell whether the duty exists. A recorded label that is gone fails.
        #[serde(default)]
        optional: bool,
    },
    /// The label stands at the start.
    LabelAtStart,
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
    /// The propagating provider and its number are filled in.
    AigcPropagator,
    /// The propagator's fields repeat the producer's, or a propagator filled in both.
    AigcFirstWrite,
    /// Values mainly consist of the characters of Annex E j).
    AigcCharset,
    /// A signature inside the object fits it, where it can be checked.
    AigcProtection,
    /// Every place and the signed record name the same producer, number and attribute.
    AigcAgrees,
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
    /// Detecting the watermark needs no secret.
    WatermarkPublic,
    /// One part of a provenance disclosure is there.
    Disclosure {
        /// Which.
        part: Part,
    },
    /// A mark that is hard to remove or tamper with: a signed manifest that holds, or a watermark.
    Durable,
    /// A mark of a widely recognised standard: C2PA or IPTC.
    OpenStandard,
    /// A label or a machine-readable mark: either discloses.
    Disclosed,
    /// Any machine-readable mark says AI.
    MachineReadableAi,
    /// No mark is invalid.
    NoneInvalid,
}

impl Profile {
    /// The document a rule comes from: its own, else the profile's.
    pub fn citation_of<'a>(&'a self, rule: &'a Rule) -> &'a str {
        if rule.citation.is_empty() { &self.citation } else { &rule.citation }
    }

    /// The date a rule applies from: its own, else the profile's.
    pub fn effective_of<'a>(&'a self, rule: &'a Rule) -> &'a str {
        if rule.effective.is_empty() { &self.effective } else { &rule.effective }
    }
}

/// A profile from TOML, complete by itself.
///
/// # Errors
/// `Usage` with the line that is wrong.
pub fn from_toml(text: &str) -> Result<Profile> {
    checked(toml::from_str(text).map_err(|e| unusable().because(e))?)
}

/// A profile of the user's own: complete by itself, or `extends = "cn"`, which takes everything from a known profile
/// that the file does not say itself. Rules of the same id are replaced, new ones added.
///
/// # Errors
/// `Usage`, for text that is no profile and for an unknown base.
pub fn from_user_toml(text: &str, known: &[Profile]) -> Result<Profile> {
    let mut table: toml::Table = toml::from_str(text).map_err(|e| unusable().because(e))?;
    let Some(base) = table.remove("extends") else {
        return from_toml(text);
    };
    let base = base
        .as_str()
        .and_then(|id| known.iter().find(|p| p.id == id))
        .ok_or_else(|| unusable().because(format!("extends = {base}: there is no such profile")))?;
    let mut merged = toml::Table::try_from(base).map_err(|e| unusable().because(e))?;
    merge(&mut merged, table);
    checked(merged.try_into().map_err(|e: toml::de::Error| unusable().because(e))?)
}

fn unusable() -> Error {
    Error::new(ErrorKind::Usage, "the profile is not usable")
}

fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(b)), toml::Value::Table(o)) => merge(b, o),
            (Some(toml::Value::Array(rules)), toml::Value::Array(own)) if key == "rule" => {
                for rule in own {
                    let id = rule.get("id").cloned();
                    match rules.iter_mut().find(|r| id.is_some() && r.get("id") == id.as_ref()) {
                        Some(r) => *r = rule,
                        None => rules.push(rule),
                    }
                }
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// What the types cannot say.
fn checked(p: Profile) -> Result<Profile> {
    let wrong = |why: String| Err(unusable().at_place(p.id.clone()).because(why));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if p.id.is_empty() || !p.id.chars().all(plain) {
        return wrong("an id has small letters, digits, points and hyphens".to_owned());
    }
    let date = |d: &str| d.is_empty() || d.len() == 10 && d.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if !date(&p.effective) {
        return wrong(format!("{:?} is not a date like 2025-09-01", p.effective));
    }
    let mut seen = std::collections::BTreeSet::new();
    for r in &p.rules {
        if !seen.insert(&r.id) {
            return wrong(format!("the rule {} stands twice", r.id));
        }
        if r.id.is_empty() || !r.id.chars().all(plain) {
            return wrong(format!("{:?} is no rule id", r.id));
        }
        if !matches!(r.confidence.as_str(), "C" | "S" | "I") {
            return wrong(format!("{}: confidence is C, S or I", r.id));
        }
        if r.clause.is_empty() || r.title.is_empty() || !date(&r.effective) {
            return wrong(format!("{}: title, clause or date is missing or wrong", r.id));
        }
    }
    Ok(p)
}

/// Every built-in profile.
pub fn built_in() -> &'static [Profile] {
    static PARSED: OnceLock<Vec<Profile>> = OnceLock::new();
    // The texts are part of the program; a test parses every one.
    PARSED.get_or_init(|| BUILT_IN.iter().filter_map(|(_, text)| from_toml(text).ok()).collect())
}

/// A built-in profile by its id. No other is parsed for it.
///
/// # Errors
/// `Usage`, naming the known ids.
pub fn find(id: &str) -> Result<&'static Profile> {
    static PARSED: [OnceLock<Option<Profile>>; BUILT_IN.len()] = [const { OnceLock::new() }; BUILT_IN.len()];
    let named = BUILT_IN.iter().zip(&PARSED).find(|((known, _), _)| *known == id);
    named.and_then(|((_, text), parsed)| parsed.get_or_init(|| from_toml(text).ok()).as_ref()).ok_or_else(
        || {
            let known: Vec<&str> = BUILT_IN.iter().map(|(id, _)| *id).collect();
            Error::new(ErrorKind::Usage, format!("no profile {id:?}; known are {}", known.join(", ")))
        },
    )
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
    fn a_user_profile_overrides_rules_by_id_and_adds_its_own() {
        let text = r#"
            extends = "cn"
            id = "acme"
            name = "Acme's house rules"
            [write.visible]
            height = 0.08
            [[rule]]
            id = "cn.gb45438.5.2.height"
            title = "the label's text height is at least 8 % of the shortest side"
            clause = "Acme handbook, 3"
            confidence = "I"
            media = ["image"]
            check = { kind = "label-height", min = 0.08 }
            [[rule]]
            id = "acme.signed"
            title = "everything is signed"
            clause = "Acme handbook, 4"
            confidence = "I"
            check = { kind = "manifest-valid" }
        "#;
        let p = from_user_toml(text, built_in()).unwrap();
        let cn = find("cn").unwrap();
        assert_eq!(p.rules.len(), cn.rules.len() + 1);
        let height = p.rules.iter().find(|r| r.id == "cn.gb45438.5.2.height").unwrap();
        assert_eq!(height.check, Check::LabelHeight { min: 0.08 });
        let visible = p.write.visible.unwrap();
        assert_eq!((visible.height, visible.min_height), (0.08, 0.05));
        assert_eq!(p.effective, cn.effective);
    }

    #[test]
    fn unusable_user_profiles_say_why() {
        let minimal = |rule: &str| {
            format!(
                "id = \"x\"\nname = \"X\"\neffective = \"\"\ncitation = \"\"\n[write]\naigc = false\nsource_type = false\nmanifest = false\nwatermark = false\nlabel = \"optional\"\n{rule}"
            )
        };
        let rule = |id: &str, confidence: &str| {
            format!(
                "[[rule]]\nid = \"{id}\"\ntitle = \"t\"\nclause = \"c\"\nconfidence = \"{confidence}\"\ncheck = {{ kind = \"none-invalid\" }}\n"
            )
        };
        assert!(from_user_toml(&minimal(&rule("x.a", "C")), built_in()).is_ok());
        for (text, part) in [
            ("extends = \"atlantis\"".to_owned(), "no such profile"),
            (minimal(&rule("x.a", "Z")), "confidence"),
            (minimal(&(rule("x.a", "C") + &rule("x.a", "C"))), "twice"),
            (minimal("colour = 1"), "unknown field"),
            ("= 1".to_owned(), "not usable"),
        ] {
            let e = from_user_toml(&text, built_in()).unwrap_err();
            assert!(e.to_string().contains(part), "{part}: {e}");
        }
    }

    #[test]
    fn an_unknown_profile_names_the_known_ones() {
        assert!(find("atlantis").unwrap_err().to_string().contains("cn, cn-platform, eu"));
    }
}
