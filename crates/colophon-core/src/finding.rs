//! What a reader found.

use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{LabelRecord, Record};

/// What kind of mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MarkKind {
    /// Seen, heard or read by people.
    Label,
    /// Read by machines from the container, unsigned.
    Metadata,
    /// Read by machines from the container, signed.
    Manifest,
    /// In the signal itself.
    Watermark,
}

/// The state of a mark. For signed marks the last three are the words of C2PA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Looked for in every place, not there. Says nothing about how the content was made.
    Absent,
    /// Could not be looked for; [`Finding::why`] says the reason.
    NotChecked,
    /// There, but not readable as what it claims to be.
    Malformed,
    /// There and well-formed; nothing vouches for it.
    Present,
    /// There, and contradicted: a broken signature, a changed content, a recorded label that is gone.
    Invalid,
    /// Signature and binding hold; the signer is not on a trust list.
    Valid,
    /// Valid, and the signer is on a trust list.
    Trusted,
}

impl State {
    /// A usable mark is there.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Present | Self::Valid | Self::Trusted)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Absent => "absent",
            Self::NotChecked => "not checked",
            Self::Malformed => "malformed",
            Self::Present => "present",
            Self::Invalid => "invalid",
            Self::Valid => "valid",
            Self::Trusted => "trusted",
        })
    }
}

/// Why something was not looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// There is no record of a label, and no engine that could read one without.
    NoRecord,
    /// The format's content is not examined.
    FormatNotExamined,
    /// A program outside the process is needed and missing or not allowed.
    MissingTool,
    /// Too short to say anything.
    TooShort,
    /// Too small to say anything.
    TooSmall,
    /// Something is there, too blurred or too damaged to tell what.
    Unclear,
    /// A limit was reached.
    Limit,
    /// The content could not be decoded.
    Undecodable,
    /// This build does not have the part that could.
    NotBuilt,
    /// Nobody wanted to know: marking reads back what it wrote, and does not search for what it did not write.
    NotAsked,
}

/// Where a mark sits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Path inside the container: `moov/udta/meta/ilst[AIGC]`, or a region of the content in words.
    pub path: String,
    /// Byte range in the file, `[start, end)`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(u64, u64)>,
    /// False for a place that the standard does not name.
    pub normative: bool,
}

impl Place {
    /// A place with a byte range.
    pub fn at(path: impl Into<String>, range: Range<u64>, normative: bool) -> Self {
        Self { path: path.into(), range: Some((range.start, range.end)), normative }
    }
}

/// A remark with a stable code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// Stable code: `wrapped-json`, `second-manifest`.
    pub code: String,
    /// Sentence.
    pub text: String,
}

impl Note {
    /// A remark.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into() }
    }
}

/// Something wrong with a metadata label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Stable code: `missing-field`, `label-not-1-2-3`, `charset`.
    pub code: String,
    /// The field concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Sentence.
    pub text: String,
    /// True when it makes the label nonconforming; false for a warning.
    pub fatal: bool,
}

/// How sure a statistical reader is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Confidence {
    /// The reader's own score.
    pub score: f64,
    /// Base-10 logarithm of the probability that unmarked content scores as high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log10_p: Option<f64>,
    /// The score from which the mark counts as there.
    pub threshold: f64,
}

/// A GB 45438 Annex E object as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AigcEvidence {
    /// `Label`: 1 is, 2 possibly, 3 suspected.
    pub label: String,
    /// `ContentProducer`.
    pub content_producer: String,
    /// `ProduceID`.
    pub produce_id: String,
    /// `ReservedCode1`.
    pub reserved_code1: String,
    /// `ContentPropagator`.
    pub content_propagator: String,
    /// `PropagateID`.
    pub propagate_id: String,
    /// `ReservedCode2`.
    pub reserved_code2: String,
    /// True for the `{"AIGC":{…}}` form.
    pub wrapped: bool,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Protection data in the reserved fields (TC260-PG-202511A), one for each field that is not empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protection: Vec<ProtectionEvidence>,
}

/// What a reserved field of an AIGC object holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProtectionEvidence {
    /// `ReservedCode1` or `ReservedCode2`.
    pub field: String,
    /// What was made of it.
    pub state: ProtectionState,
    /// Signature algorithm as a dotted object identifier, when one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// Hex SHA-256 of the raw public key that travels with it, for algorithms this build knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// What a reserved field says about its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProtectionState {
    /// Data of the provider's own form.
    Opaque,
    /// A `SecurityData` object whose signature cannot be checked here. Says nothing against the label.
    NotVerified,
    /// The signature fits the label. The key travels inside: integrity, not identity.
    Matches,
    /// The signature is of a form known here and does not fit the label.
    Differs,
}

/// An IPTC digital source type as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceTypeEvidence {
    /// Code: `trainedAlgorithmicMedia`.
    pub code: String,
    /// `generated`, `modified`, `synthetic`, `possible`, `not-ai`, `unknown`.
    pub class: String,
}

/// Validation status codes of C2PA, by severity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusCodes {
    /// What holds.
    pub success: Vec<String>,
    /// What is worth knowing.
    pub informational: Vec<String>,
    /// What fails.
    pub failure: Vec<String>,
}

/// Whether the content is the one that was signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HardBinding {
    /// The hash matches.
    Match,
    /// The hash does not match: the content was changed after signing.
    Mismatch,
    /// It could not be checked.
    #[default]
    NotChecked,
}

/// The three questions of provenance, answered apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrustAxes {
    /// Is the content the one that was signed?
    pub content: HardBinding,
    /// Is the manifest well-formed?
    pub well_formed: bool,
    /// Do its signature, certificate and assertions hold?
    pub valid: bool,
    /// Is the signer on a trust list of the caller?
    pub trusted: bool,
}

/// Who signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SignerEvidence {
    /// Common name of the certificate.
    pub common_name: Option<String>,
    /// Organisation of the certificate.
    pub organisation: Option<String>,
    /// Signature algorithm.
    pub algorithm: Option<String>,
    /// Time of the time stamp, RFC 3339, when there is one.
    pub time: Option<String>,
    /// Serial number of the certificate.
    pub serial: Option<String>,
}

/// A C2PA manifest store as it was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManifestEvidence {
    /// Label of the active manifest.
    pub active: Option<String>,
    /// The three questions.
    pub axes: TrustAxes,
    /// Status codes of the active manifest.
    pub status: StatusCodes,
    /// Who signed it.
    pub signer: Option<SignerEvidence>,
    /// Claim generator, `name/version`.
    pub generator: Option<String>,
    /// Actions with their digital source types, in order: `c2pa.created (trainedAlgorithmicMedia)`.
    pub actions: Vec<String>,
    /// IPTC code of the first action that has one.
    pub source_type: Option<String>,
    /// `when` of the first action that has one, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Software agent of the first action that names one, `name/version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Model name of the `c2pa.ai-disclosure` assertion.
    pub ai_disclosure: Option<String>,
    /// Labels of all assertions.
    pub assertions: Vec<String>,
    /// Ingredients: relationship and title.
    pub ingredients: Vec<String>,
    /// Our record, when the manifest carries one.
    pub record: Option<Record>,
    /// How trust was judged: against which clock, which lists, with which answers about revocation and time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judgement: Option<TrustJudgement>,
    /// `embedded` or `sidecar`.
    pub carrier: String,
    /// All manifests of the store in the form of C2PA's crJSON, with the codes of this report. Only where it was asked for
    /// ([`crate::ReadCx::crjson`]); no part of the report.
    #[serde(skip)]
    pub crjson: Option<serde_json::Value>,
}

/// How the signer of a manifest was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TrustJudgement {
    /// The time the certificate had to be valid at, RFC 3339.
    pub at: String,
    /// Where that time comes from: `time-stamp`, `given` (the caller's clock) or `system-clock`.
    pub at_source: String,
    /// Begin and end of the certificate's validity, RFC 3339.
    pub validity: Option<(String, String)>,
    /// `anchor`, `pinned-certificate` or `pinned-key`: why the signer is believed; absent when it is not.
    pub believed_by: Option<String>,
    /// Subject of the trust anchor the chain ends in.
    pub anchor: Option<String>,
    /// `not-revoked`, `revoked`, `unknown`, or absent when nothing says anything about it.
    pub revocation: Option<String>,
    /// Where the answer about revocation comes from: `stapled-ocsp` or `revocation-list`.
    pub revocation_source: Option<String>,
    /// Time of the time stamp, RFC 3339, when one was verified.
    pub time_stamp: Option<String>,
    /// Subject of the time stamp's signer.
    pub time_stamp_signer: Option<String>,
    /// Hex SHA-256 of the signer's raw public key (Ed25519), or of its SubjectPublicKeyInfo.
    pub key_id: Option<String>,
}

/// A label as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LabelEvidence {
    /// What it says, as far as it was read.
    pub text: Option<String>,
    /// How it was found: `record`, `rhythm`, `text`, `ocr`; `hidden` where the words are in the file and readers do not see
    /// them.
    pub method: String,
    /// The record it was compared with.
    pub record: Option<LabelRecord>,
    /// Ink height over the shortest side, as found in the content.
    pub height_ratio: Option<f32>,
    /// Stretches of time in which it was seen or heard, seconds: `[start, end]`.
    pub seen: Vec<(f64, f64)>,
    /// Where in words: `top-right corner`, `first line`.
    pub position: Option<String>,
}

/// A watermark as it was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WatermarkEvidence {
    /// Scheme and version.
    pub scheme: String,
    /// Payload, 16 hex digits.
    pub payload: Option<String>,
    /// `public` or `private` key schedule.
    pub key: String,
    /// Stretches of time with this payload, seconds.
    pub segments: Vec<(f64, f64)>,
    /// Geometry or speed that was undone, in words.
    pub undone: Option<String>,
    /// Each stream that carries a mark, for content made of several: the pictures of a video and its sound. The fields
    /// above repeat the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<WatermarkStream>,
}

/// A mark in one stream of the content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WatermarkStream {
    /// `picture` or `sound`.
    pub stream: String,
    /// Scheme and version.
    pub scheme: String,
    /// Payload, 16 hex digits.
    pub payload: Option<String>,
    /// Stretches of time with this payload, seconds.
    pub segments: Vec<(f64, f64)>,
    /// Bound, as log10, on the chance that an unmarked stream reads like this.
    pub log10_p: f64,
}

/// What was read, by kind of mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Evidence {
    /// GB 45438 object.
    Aigc(AigcEvidence),
    /// IPTC digital source type.
    SourceType(SourceTypeEvidence),
    /// C2PA manifest.
    Manifest(Box<ManifestEvidence>),
    /// Label.
    Label(LabelEvidence),
    /// Watermark.
    Watermark(WatermarkEvidence),
}

/// One mark in one place, or its absence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Id of the mark.
    pub mark: String,
    /// Kind of the mark.
    pub kind: MarkKind,
    /// State.
    pub state: State,
    /// Why it was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Where it sits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// How sure the reader is, for statistical readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Finding {
    /// A finding without place or evidence.
    pub fn new(info: &crate::MarkInfo, state: State) -> Self {
        Self {
            mark: info.id.to_owned(),
            kind: info.kind,
            state,
            why: None,
            place: None,
            evidence: None,
            confidence: None,
            notes: Vec::new(),
        }
    }

    /// Not looked for, with the reason.
    pub fn not_checked(info: &crate::MarkInfo, why: Why) -> Self {
        Self { why: Some(why), ..Self::new(info, State::NotChecked) }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds what was read.
    #[must_use]
    pub fn with(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(evidence);
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn note(mut self, code: &str, text: impl Into<String>) -> Self {
        self.notes.push(Note::new(code, text));
        self
    }
}
