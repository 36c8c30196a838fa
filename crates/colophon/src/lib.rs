//! Mark AI-generated content, and verify the marks.
//!
//! | you want to | call |
//! |---|---|
//! | mark bytes in memory | [`mark`] |
//! | mark, judge, list a large file on disk, without reading it into memory | [`mark_file`], [`verify_file`], [`inspect_file`] |
//! | judge a file against the rules of one or more jurisdictions | [`verify`] |
//! | list every mark without judging | [`inspect`] |
//! | see what marking would do | [`plan`] |
//! | spread somebody else's content as a platform does (China) | [`propagate`] |
//! | give C2PA tools what they read | [`crjson`](fn@crjson) |
//! | hand out a signed result | [`sign_result`], [`check_result`] |
//! | know the formats and marks of this build | [`registry`] |
//!
//! Everything works on bytes in memory, prints nothing and keeps no global state; clock and randomness are fields of
//! [`Options`]. Video alone starts a child process, and only when [`Tools`] names one.
//!
//! ```
//! use colophon::{Declaration, Options, Profiles};
//!
//! let declaration = Declaration { producer: Some("acme".into()), ..Declaration::default() };
//! let options = Options::new("2026-01-02T03:04:05Z", [7; 32]);
//! let text = b"The tide came in twice a day.\n";
//! // No signer here: the manifest is left out and the profile's label and metadata are written.
//! let options = options.without_manifest().with_name("tide.md");
//! let marked = colophon::mark(text, &declaration, &Profiles::named(&["cn"])?, None, &options)?;
//! let out = String::from_utf8(marked.bytes).unwrap();
//! assert!(out.contains("本内容由人工智能生成合成"));
//! assert!(out.starts_with("---\nAIGC:\n  Label: '1'\n  ContentProducer: 'acme'\n"));
//!
//! let report = colophon::verify(out.as_bytes(), &Profiles::named(&["cn"])?, &options)?;
//! assert!(report.verdicts.iter().all(|v| v.outcome != colophon::Outcome::Fail));
//! # Ok::<(), colophon::Error>(())
//! ```
#![forbid(unsafe_code)]

mod beside;
mod check;
mod crjson;
mod existing;
mod marking;
mod options;
mod propagating;
mod reading;
mod registry;
mod result;
mod streaming;
mod watermark;
mod writing;

pub use colophon_core::{
    AigcEvidence, AudibleSpec, Carrier, Confidence, Declaration, Error, ErrorKind, Evidence, Existing,
    FileSource, Finding, Format, FormatInfo, Generator, HardBinding, LabelAt, LabelEvidence, LabelForm,
    LabelLook, LabelRecord, LabelSound, LabelSpec, Limits, ManifestEvidence, Mark, MarkInfo, MarkKind, Media,
    Model, Note, Observation, Origin, Outcome, PictureEncoding, Place, Placed, Plan, PlanNote,
    ProtectionEvidence, ProtectionState, Query, REPORT_SCHEMA, Record, Registry, RenderCx, Report, Result,
    SignalOp, SignalSupport, Signer, Slot, SlotInfo, SoundPosition, Source, Stage, State, Subject, Tools,
    Trust, Verdict, VideoEncoding, WatermarkEvidence, WatermarkRecord, WatermarkSpec, WatermarkStream, Why,
    exit, sha256_hex,
};
pub use colophon_policy::{LabelChoice, Overrides, Profile, Rule};

/// Profiles: the built-in ones, and how to find one.
pub mod profiles {
    pub use colophon_policy::{BUILT_IN, built_in, find, from_toml, from_user_toml};
}

/// JSON schemas of what is written for machines, generated from the types.
pub mod schema {
    /// Schema of [`crate::Report`].
    pub fn report() -> schemars::Schema {
        schemars::schema_for!(crate::Report)
    }

    /// Schema of [`crate::VerificationResult`].
    pub fn result() -> schemars::Schema {
        schemars::schema_for!(crate::VerificationResult)
    }

    /// Schema of [`crate::Record`].
    pub fn record() -> schemars::Schema {
        schemars::schema_for!(crate::Record)
    }
}
pub use colophon_sign as sign;

pub use crjson::crjson;
pub use marking::{Marked, mark, plan};
pub use options::{Options, Profiles};
pub use propagating::{Propagated, PropagatedFile, Propagation, UploadClass, propagate, propagate_file};
pub use reading::{inspect, inspect_file, verify, verify_file};
pub use registry::registry;
pub use result::{
    CheckedResult, Detector, Layer, OpenRule, ProfileVerdict, RESULT_SCHEMA, ResultItem, ResultSigner,
    SignedResult, VerificationResult, check_result, sign_result,
};
pub use streaming::{MarkedFile, mark_file};
pub use watermark::{Detected, detect_watermark, embed_watermark};
