//! What the caller states about the content.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the content came to be, in the words that the rules of all jurisdictions can be derived from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// Made by a trained model. GB 45438 label 1; IPTC `trainedAlgorithmicMedia`; C2PA `c2pa.created`.
    #[default]
    Generated,
    /// Existing content changed with a trained model. GB 45438 label 1; IPTC `compositeWithTrainedAlgorithmicMedia`.
    Edited,
    /// A composite with at least one synthetic element. GB 45438 label 1; IPTC `compositeSynthetic`.
    Composite,
}

impl Origin {
    /// IPTC digital source type code (vocabulary `http://cv.iptc.org/newscodes/digitalsourcetype/`).
    pub fn iptc_code(self) -> &'static str {
        match self {
            Self::Generated => "trainedAlgorithmicMedia",
            Self::Edited => "compositeWithTrainedAlgorithmicMedia",
            Self::Composite => "compositeSynthetic",
        }
    }

    /// GB 45438-2025 Annex E, field `Label`: `1` says that the content is generated or synthesised.
    pub fn gb45438_label(self) -> &'static str {
        "1"
    }

    /// The word California and the EU Code use for the operation.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Generated => "created",
            Self::Edited | Self::Composite => "altered",
        }
    }
}

/// The system that produced the content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// Name of the system, for instance `acme-diffusion`.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The trained model behind the system; leads to a `c2pa.ai-disclosure` assertion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name of the model.
    pub name: String,
    /// URI or package URL of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Model type, for instance `c2pa.types.model.pytorch`; `c2pa.types.model` when absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
}

/// The declaration: everything the caller says, nothing the tool makes up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Declaration {
    /// How the content came to be.
    pub origin: Origin,
    /// The system that produced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// The model behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// The provider that offers the service to the public: name, or 27-character code (TC260-PG-20252A).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
    /// The provider's unique number for this content; made from the run's randomness when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// Time of creation or alteration, RFC 3339; the run's clock when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produced_at: Option<String>,
    /// Language of the content, BCP 47; chooses the label's wording where a profile leaves it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Title of the content, for the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}
