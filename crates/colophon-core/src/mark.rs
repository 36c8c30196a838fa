//! Axis 2: a way to carry the claim.

use serde::Serialize;

use crate::{
    Declaration, Edit, Finding, Format, Layout, Limits, MarkKind, Observation, Plan, Query, Record, RenderCx,
    Result, SealCx, Sealed, Sealing, SignalOp, Signer, Source, Tools, Trust,
};

/// When a mark is written: content first, then metadata, the signature over both last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Changes the content.
    Signal,
    /// Changes the container's metadata.
    Metadata,
    /// Signs everything else.
    Seal,
}

/// Everything about a mark that is data.
#[derive(Clone, Copy, Debug)]
pub struct MarkInfo {
    /// Id, `standard.part`: `gb45438.aigc`.
    pub id: &'static str,
    /// Name shown to people.
    pub name: &'static str,
    /// Kind.
    pub kind: MarkKind,
    /// When it is written.
    pub stage: Stage,
    /// The document and clause it comes from.
    pub source: &'static str,
}

/// What a mark sees when it is read.
#[derive(Clone, Copy)]
pub struct ReadCx<'a> {
    /// The bytes.
    pub source: &'a dyn Source,
    /// Their format.
    pub format: &'a dyn Format,
    /// What the walk found.
    pub layout: &'a Layout,
    /// Bounds.
    pub limits: &'a Limits,
    /// Allowed programs.
    pub tools: &'a Tools,
    /// The record, once a seal has delivered one.
    pub record: Option<&'a Record>,
    /// Whom to believe, and at what time.
    pub trust: &'a Trust,
    /// A manifest that came beside the file.
    pub sidecar: Option<&'a [u8]>,
    /// The digest that was just taken of these very bytes, the way their manifest binds them ([`crate::Signed`]): reading
    /// back what was written does not hash it again.
    pub binding: Option<&'a [u8]>,
    /// Fill [`crate::ManifestEvidence::crjson`].
    pub crjson: bool,
    /// Secrets of private watermark key schedules to try besides the public one.
    pub watermark_keys: &'a [Vec<u8>],
    /// Answers to [`Mark::queries`], in their order; empty while the questions are still being collected.
    pub answers: &'a [Observation],
}

impl<'a> ReadCx<'a> {
    /// The part that observers of content need.
    pub fn render_cx(&self) -> RenderCx<'a> {
        RenderCx { limits: self.limits, tools: self.tools }
    }
}

/// What a mark sees when it is written.
#[derive(Clone, Copy)]
pub struct WriteCx<'a> {
    /// The caller's statement, completed: producer, content id and time are filled in where the plan needs them.
    pub declaration: &'a Declaration,
    /// What is to be done.
    pub plan: &'a Plan,
    /// The format of the bytes.
    pub format: &'a dyn Format,
    /// What the walk over the current bytes found.
    pub layout: &'a Layout,
    /// Bounds.
    pub limits: &'a Limits,
    /// The key, for marks that protect themselves with a signature of their own.
    pub signer: Option<&'a dyn Signer>,
}

/// One step of a plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Change the content.
    Signal(SignalOp),
    /// Change the metadata.
    Edit(Edit),
    /// Sign; [`Mark::seal`] is called.
    Seal,
}

/// A way to carry the claim. One module, one line in its crate's `MARKS`.
pub trait Mark: Send + Sync {
    /// Everything that is data.
    fn info(&self) -> &'static MarkInfo;

    /// What the mark wants to know about the content. The questions of all marks are answered in one decode.
    fn queries<'a>(&self, cx: &ReadCx<'a>) -> Vec<Query<'a>> {
        let _ = cx;
        Vec::new()
    }

    /// Finds the mark in every place it may sit, also the places it is never written to. At least one finding:
    /// absent, or why it could not be looked for.
    fn read(&self, cx: &ReadCx<'_>) -> Vec<Finding>;

    /// The steps that place the mark; none when the plan does not ask for it.
    ///
    /// # Errors
    /// `Policy` when the declaration lacks what the mark must carry, `Conflict` when somebody else's mark is there.
    fn write(&self, cx: &WriteCx<'_>) -> Result<Vec<Step>>;

    /// Signs, for marks of [`Stage::Seal`].
    ///
    /// # Errors
    /// `Key` for signer and certificate failures, `Unsupported` by default.
    fn seal(&self, cx: &SealCx<'_>) -> Result<Sealed> {
        let _ = cx;
        Err(crate::Error::new(crate::ErrorKind::Unsupported, format!("{} does not sign", self.info().id)))
    }

    /// Begins a seal on a file that is not held in memory, for marks of [`Stage::Seal`]. `None` where the format's
    /// carrier needs [`Mark::seal`].
    ///
    /// # Errors
    /// As [`Mark::seal`].
    fn begin_seal<'a>(&self, cx: &SealCx<'a>) -> Result<Option<Box<dyn Sealing + 'a>>> {
        let _ = cx;
        Ok(None)
    }
}
