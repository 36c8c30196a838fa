//! The vocabulary of Colophon.
//!
//! Two axes, each declared in one place and combined by the facade:
//!
//! * a [`Format`] is a container of content: it lists the metadata [`Slot`]s it has, edits them without touching
//!   coded media, and renders signal operations (a label, a watermark) into the content;
//! * a [`Mark`] is a way to carry the claim "this was made by AI": it knows which slot or signal it uses, reads
//!   itself back from every place it may sit, and turns a [`Plan`] into [`Step`]s.
//!
//! Everything else here is what they talk about: the [`Declaration`] of the caller, the [`Plan`] made from it, the
//! [`Record`] of what was placed, the [`Finding`]s of a reader, the [`Report`] with its verdicts, [`Limits`] and
//! [`Error`]s. This crate decodes nothing, signs nothing and does no input or output.
#![forbid(unsafe_code)]

mod declaration;
mod digest;
mod error;
pub mod exit;
mod finding;
mod format;
mod label;
mod limits;
mod mark;
mod patch;
mod plan;
mod record;
mod registry;
mod report;
mod seal;
mod signal;
mod source;

pub use declaration::{Declaration, Generator, Model, Origin};
pub use digest::{Sha256Hex, sha256_hex, sha256_source};
pub use error::{Error, ErrorKind, Result};
pub use finding::{
    AigcEvidence, Confidence, Evidence, Finding, HardBinding, LabelEvidence, ManifestEvidence, MarkKind,
    Note, Place, Problem, ProtectionEvidence, ProtectionState, SignerEvidence, SourceTypeEvidence, State,
    StatusCodes, TrustAxes, TrustJudgement, WatermarkEvidence, WatermarkStream, Why,
};
pub use format::{
    Carrier, Edit, Entry, Format, FormatInfo, Layout, Magic, Media, Normalisation, Properties, SignalSupport,
    Slot, SlotInfo,
};
pub use label::{
    AudibleSpec, Canvas, LabelAt, LabelForm, LabelLook, LabelRecord, LabelSound, LabelSpec, PixelBox,
    SoundPosition, Span, TextPosition, VisibleSpec, WrittenSpec,
};
pub use limits::Limits;
pub use mark::{Mark, MarkInfo, ReadCx, Stage, Step, WriteCx};
pub use patch::{Patch, Patched, Splice};
pub use plan::{Existing, Plan, PlanNote};
pub use record::{RECORD_SCHEMA, Record};
pub use registry::Registry;
pub use report::{Outcome, REPORT_SCHEMA, Report, Subject, Verdict};
pub use seal::{Binder, SealAct, SealCx, Sealed, Sealing, Signed, Signer, Trust};
pub use signal::{
    Observation, PictureEncoding, Placed, Query, RenderCx, SignalOp, Tools, VideoEncoding, WatermarkRecord,
    WatermarkSpec,
};
pub use source::{FileSource, Source, SourceReader};
