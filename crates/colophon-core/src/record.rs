//! The record behind a mark.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Generator, LabelRecord, Origin, WatermarkRecord};

/// Name and version of the record's form.
pub const RECORD_SCHEMA: &str = "colophon.record/1";

/// What was done to one item: signed inside the manifest, kept by the caller's log, answered by a registry.
///
/// Holds no prompt, no user, no device and no location.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// [`RECORD_SCHEMA`].
    pub schema: String,
    /// The provider's unique number for the content.
    pub content_id: String,
    /// The provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
    /// How the content came to be.
    pub origin: Origin,
    /// The system that produced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// When, RFC 3339.
    pub time: String,
    /// Where the time comes from: `declaration`, `system-clock`.
    pub time_source: String,
    /// Profiles the marking was planned for.
    pub profiles: Vec<String>,
    /// Labels as placed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelRecord>,
    /// Watermarks as embedded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watermarks: Vec<WatermarkRecord>,
    /// SHA-256 of the input before marking. Absent for large files that were marked from file to file: it would take
    /// another pass over them, and the manifest binds the content as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_before: Option<String>,
}
