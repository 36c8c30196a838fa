//! The bridge to the `c2pa` crate: manifests written and read, none of its types let out.
//!
//! The crate brings some 240 packages and a breaking release every two months; both stop here. It is used without
//! network features, without thumbnails, without remote manifests. What version 0.90.22 does differently from what a
//! verifier needs is put right in `guard`; each case names what was observed.
#![forbid(unsafe_code)]

mod binding;
mod crjson;
mod definition;
mod guard;
mod read;
mod seal;
mod sealing;
mod settings;
mod signer;
mod store;
mod structure;
mod trust;

use colophon_core::{
    Finding, Mark, MarkInfo, MarkKind, ReadCx, Result, SealCx, Sealed, Sealing, Stage, Step, WriteCx,
};

/// The marks of this crate.
pub static MARKS: &[&dyn Mark] = &[&MANIFEST];

/// The signed C2PA manifest.
pub static MANIFEST: ManifestMark = ManifestMark;

pub(crate) static INFO: MarkInfo = MarkInfo {
    id: "c2pa.manifest",
    name: "C2PA manifest",
    kind: MarkKind::Manifest,
    stage: Stage::Seal,
    source: "C2PA Technical Specification 2.4",
};

/// Label of the assertion that carries our record.
pub(crate) const RECORD_LABEL: &str = "org.colophon.record";

/// See [`MANIFEST`].
#[derive(Debug)]
pub struct ManifestMark;

impl Mark for ManifestMark {
    fn info(&self) -> &'static MarkInfo {
        &INFO
    }

    fn read(&self, cx: &ReadCx<'_>) -> Vec<Finding> {
        read::read(cx)
    }

    fn write(&self, cx: &WriteCx<'_>) -> Result<Vec<Step>> {
        Ok(if cx.plan.manifest { vec![Step::Seal] } else { Vec::new() })
    }

    fn seal(&self, cx: &SealCx<'_>) -> Result<Sealed> {
        seal::seal(cx)
    }

    fn begin_seal<'a>(&self, cx: &SealCx<'a>) -> Result<Option<Box<dyn Sealing + 'a>>> {
        sealing::begin(cx)
    }
}
