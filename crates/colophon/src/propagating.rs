//! Labeling Measures Art. 6: what a propagation platform does with an upload.

use std::fs::File;

use colophon_core::{
    Declaration, Edit, Error, ErrorKind, Evidence, FileSource, Finding, Layout, MarkKind, Plan,
    RECORD_SCHEMA, Record, Report, Result, SealAct, SealCx, Signer, Slot, Source, State, sha256_source,
};
use colophon_metadata::aigc;
use sha2::{Digest, Sha256};

use crate::reading::{Depth, Opened};
use crate::writing::Written;
use crate::{Options, Profiles, marking, writing};

/// What the platform states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Propagation {
    /// The platform's name, or its code (TC260-PG-20252A).
    pub platform: String,
    /// The platform's unique number for this content; made from the run's randomness when absent.
    pub content_id: Option<String>,
    /// The user declared the content to be AI-generated (Art. 6(2)).
    pub declared: bool,
}

/// What an upload is, in the words of Art. 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UploadClass {
    /// Art. 6(1): the metadata says that it is AI-generated.
    Confirmed,
    /// Art. 6(2): the user, or a label 2, says that it may be.
    Possible,
    /// Art. 6(3): a visible or audible label, a watermark or other metadata was found.
    Suspected,
    /// Nothing was found. Says nothing about how the content was made.
    NotFound,
}

impl UploadClass {
    /// The value of the field `Label` (GB 45438-2025, Annex E).
    pub fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Confirmed => Some("1"),
            Self::Possible => Some("2"),
            Self::Suspected => Some("3"),
            Self::NotFound => None,
        }
    }

    /// The notice to show around the content (Art. 6(1) to (3)), in Chinese.
    pub fn notice(self) -> Option<&'static str> {
        match self {
            Self::Confirmed => Some("该内容为人工智能生成合成内容"),
            Self::Possible => Some("该内容可能为人工智能生成合成内容"),
            Self::Suspected => Some("该内容疑似为人工智能生成合成内容"),
            Self::NotFound => None,
        }
    }

    /// The same notice in English, as an addition.
    pub fn notice_en(self) -> Option<&'static str> {
        match self {
            Self::Confirmed => Some("This content is AI-generated"),
            Self::Possible => Some("This content may be AI-generated"),
            Self::Suspected => Some("This content is suspected to be AI-generated"),
            Self::NotFound => None,
        }
    }
}

/// What became of an upload.
#[derive(Clone, Debug)]
pub struct Propagated {
    /// Its class.
    pub class: UploadClass,
    /// What the class rests on, in words.
    pub because: String,
    /// The bytes with the platform's fields; `None` when nothing is to be written: nothing was found, the fields are
    /// there already, or the format has no metadata.
    pub bytes: Option<Vec<u8>>,
    /// The manifest store to be kept beside the file, where the input's was.
    pub sidecar: Option<Vec<u8>>,
    /// Why nothing was written, when something should have been.
    pub note: Option<String>,
    /// The platform's number, when one was written.
    pub content_id: Option<String>,
    /// What our reader found in the result, judged by `cn-platform`; in the input when nothing was written.
    pub report: Report,
}

/// What became of an upload that was not held in memory.
#[derive(Clone, Debug)]
pub struct PropagatedFile {
    /// Its class.
    pub class: UploadClass,
    /// What the class rests on, in words.
    pub because: String,
    /// The output holds the file with the platform's fields; it is empty when nothing is to be written, as in
    /// [`Propagated::bytes`].
    pub written: bool,
    /// The manifest store to be kept beside the file, where the input's was.
    pub sidecar: Option<Vec<u8>>,
    /// Why nothing was written, when something should have been.
    pub note: Option<String>,
    /// The platform's number, when one was written.
    pub content_id: Option<String>,
    /// What our reader found in the result, judged by `cn-platform`; in the input when nothing was written.
    pub report: Report,
}

/// Classes an upload and adds the platform's fields to its metadata label. The producer's fields and the coded media
/// stay as they were. A file with a manifest that holds is signed again with `signer`, which becomes the platform's
/// statement about its own fields, with the producer's manifest as its parent; a broken manifest stays broken.
///
/// # Errors
/// * `Conflict`: the label that is there cannot be read, or labels contradict each other.
/// * `Key`: the input's signature holds, would be broken by the new fields, and there is no signer.
/// * `Usage`: the platform's name or number cannot be written.
/// * `Check`: the result does not read back, or coded media changed.
/// * `Malformed`, `Unsupported`, `Limit`: the input cannot be examined.
pub fn propagate(
    input: &[u8],
    propagation: &Propagation,
    signer: Option<&dyn Signer>,
    options: &Options,
) -> Result<Propagated> {
    let opened = Opened::open(&input, options)?;
    let format = opened.format;
    let write = |edits, cx: Option<SealCx<'_>>| {
        writing::to_memory(input, format, edits, cx, &options.limits).map(Some)
    };
    let done = work(&opened, &input, propagation, signer, options, Some(write))?;
    let Done { class, because, content, sidecar, note, content_id, report } =
        done.ok_or_else(|| Error::new(ErrorKind::Check, "nothing was written"))?;
    Ok(Propagated { class, because, bytes: content, sidecar, note, content_id, report })
}

/// [`propagate`] from a file into another, which is empty and open for reading and writing: no media are held in memory.
/// Without an output the upload is only classed. `None`, with nothing written, where the format needs all of the content at
/// once.
///
/// # Errors
/// As [`propagate`]. The output may be incomplete after an error.
pub fn propagate_file(
    input: &FileSource,
    output: Option<&File>,
    propagation: &Propagation,
    signer: Option<&dyn Signer>,
    options: &Options,
) -> Result<Option<PropagatedFile>> {
    let opened = Opened::open(input, options)?;
    let format = opened.format;
    if !format.streams() {
        return Ok(None);
    }
    let write = output.map(|output| {
        move |edits, cx: Option<SealCx<'_>>| {
            let sealing = match &cx {
                None => None,
                // Carriers that only the library can embed are written from memory.
                Some(cx) => match marking::sealer()?.begin_seal(cx)? {
                    None => return Ok(None),
                    some => some,
                },
            };
            writing::to_file(input, output, format, edits, sealing, &options.limits).map(Some)
        }
    });
    let done = work(&opened, input, propagation, signer, options, write)?;
    Ok(done.map(|done| {
        let Done { class, because, content, sidecar, note, content_id, report } = done;
        PropagatedFile { class, because, written: content.is_some(), sidecar, note, content_id, report }
    }))
}

/// What became of an upload, with its content wherever it was written.
struct Done<B> {
    class: UploadClass,
    because: String,
    content: Option<B>,
    sidecar: Option<Vec<u8>>,
    note: Option<String>,
    content_id: Option<String>,
    report: Report,
}

/// Everything but where the content goes: `write` makes the edits and the seal, and answers `None` where it cannot. Without it
/// the upload is only classed.
fn work<B: Source>(
    opened: &Opened,
    input: &dyn Source,
    propagation: &Propagation,
    signer: Option<&dyn Signer>,
    options: &Options,
    write: Option<impl FnOnce(Vec<Edit>, Option<SealCx<'_>>) -> Result<Option<Written<B>>>>,
) -> Result<Option<Done<B>>> {
    let platform = Profiles::named(&["cn-platform"])?;
    let report = opened.judged(input, &platform, options, Depth::asked(options))?;
    let (class, because) = classify(&report, propagation.declared);
    let mut done =
        Done { class, because, content: None, sidecar: None, note: None, content_id: None, report };
    let Some(attribute) = class.attribute() else {
        return Ok(Some(done));
    };
    let info = opened.format.info();
    if !info.slots.iter().any(|s| matches!(s.slot, Slot::Field | Slot::Xmp)) {
        done.note = Some(format!("{} has no place for the metadata label; show the notice", info.name));
        return Ok(Some(done));
    }
    let Some(write) = write else { return Ok(Some(done)) };
    let sha256 = match &done.report.subject.sha256 {
        Some(digest) => digest.clone(),
        None => sha256_source(input)?,
    };
    let id = propagation.content_id.clone().unwrap_or_else(|| number(options, &sha256));
    let by = aigc::Propagator { provider: &propagation.platform, id: &id, signer };
    let edits = aigc::propagate(info, &opened.layout, &by, attribute)?;
    if edits.is_empty() {
        done.note = Some("the platform's fields are there already".to_owned());
        return Ok(Some(done));
    }
    let holds =
        |f: &Finding| f.kind == MarkKind::Manifest && matches!(f.state, State::Valid | State::Trusted);
    let held = done.report.findings.iter().any(holds);
    if held && signer.is_none() {
        return Err(Error::new(
            ErrorKind::Key,
            "the content is signed and the platform's fields would break the signature; there is no signing key",
        ));
    }
    let statement = Statement::new(propagation, &id, sha256, options);
    let seal = signer.filter(|_| held).map(|signer| statement.seal(opened, input, signer, options));
    let Some(Written { content, sidecar, binding }) = write(edits, seal)? else { return Ok(None) };
    // What stood beside the input and does not hold goes on standing beside the output.
    let sidecar = if held { sidecar } else { options.sidecar.clone() };
    let read = Options { sidecar: sidecar.clone(), ..options.clone() };
    let unreadable = |e: Error| Error::new(ErrorKind::Check, "the result cannot be read back").because(e);
    let result = Opened::open(&content, &read).map_err(unreadable)?;
    same_media((input, &opened.layout), (&content, &result.layout))?;
    done.report = Opened { binding, ..result }
        .judged(&content, &platform, &read, Depth::asked(options))
        .map_err(unreadable)?;
    read_back(&done.report, propagation, &id, held)?;
    (done.content, done.sidecar, done.content_id) = (Some(content), sidecar, Some(id));
    Ok(Some(done))
}

/// Metadata first, then what the user says, then traces.
fn classify(report: &Report, declared: bool) -> (UploadClass, String) {
    let labels: Vec<&Finding> = report.findings.iter().filter(|f| f.mark == "gb45438.aigc").collect();
    for f in &labels {
        if let Some(Evidence::Aigc(e)) = &f.evidence {
            let class = match e.label.as_str() {
                "1" => UploadClass::Confirmed,
                "2" => UploadClass::Possible,
                "3" => UploadClass::Suspected,
                _ => continue,
            };
            return (class, format!("the metadata label says {}", e.label));
        }
    }
    if declared {
        return (UploadClass::Possible, "the user declared it".to_owned());
    }
    if labels.iter().any(|f| f.state != State::Absent) {
        return (UploadClass::Suspected, "an AIGC metadata label is there and cannot be read".to_owned());
    }
    let trace = report.findings.iter().find(|f| f.state.is_there() && says_ai(f));
    match trace {
        Some(f) => (UploadClass::Suspected, format!("{} was found", f.mark)),
        None => (UploadClass::NotFound, "no label, no metadata and no watermark was found".to_owned()),
    }
}

fn says_ai(f: &Finding) -> bool {
    let generative = |code: &str| {
        matches!(
            code,
            "trainedAlgorithmicMedia" | "compositeWithTrainedAlgorithmicMedia" | "compositeSynthetic"
        )
    };
    match &f.evidence {
        Some(Evidence::Label(_) | Evidence::Watermark(_)) => true,
        Some(Evidence::SourceType(e)) => generative(&e.code),
        Some(Evidence::Manifest(e)) => e.source_type.as_deref().is_some_and(generative),
        _ => false,
    }
}

/// A number of the platform's for this content: from the run's randomness and the content itself.
fn number(options: &Options, sha256: &str) -> String {
    let digest = Sha256::new().chain_update(options.seed).chain_update(sha256).finalize();
    digest.iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// Bytes hashed at a time.
const PIECE: u64 = 1 << 20;

/// The coded media are the same bytes in the same order.
fn same_media(before: (&dyn Source, &Layout), after: (&dyn Source, &Layout)) -> Result<()> {
    let digest = |(source, layout): (&dyn Source, &Layout)| -> Result<Vec<u8>> {
        let mut hash = Sha256::new();
        for range in &layout.media {
            let mut at = range.start;
            while at < range.end {
                let piece = source.bytes(at, (range.end - at).min(PIECE))?;
                hash.update(&piece);
                at += piece.len() as u64;
            }
        }
        Ok(hash.finalize().to_vec())
    };
    if digest(before)? == digest(after)? {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Check, "the edit changed coded media"))
    }
}

/// What the platform signs, with the producer's manifest as the parent.
struct Statement {
    declaration: Declaration,
    plan: Plan,
    record: Record,
}

impl Statement {
    fn new(propagation: &Propagation, id: &str, sha256: String, options: &Options) -> Self {
        let declaration = Declaration {
            producer: Some(propagation.platform.clone()),
            content_id: Some(id.to_owned()),
            ..Declaration::default()
        };
        let record = Record {
            schema: RECORD_SCHEMA.to_owned(),
            content_id: id.to_owned(),
            producer: Some(propagation.platform.clone()),
            origin: declaration.origin,
            generator: None,
            time: options.now.clone(),
            time_source: "system-clock".to_owned(),
            profiles: vec!["cn-platform".to_owned()],
            labels: Vec::new(),
            watermarks: Vec::new(),
            sha256_before: Some(sha256),
        };
        Self { declaration, plan: Plan { manifest: true, ..Plan::default() }, record }
    }

    fn seal<'a>(
        &'a self,
        opened: &Opened,
        input: &'a dyn Source,
        signer: &'a dyn Signer,
        options: &'a Options,
    ) -> SealCx<'a> {
        SealCx {
            source: input,
            parent: Some(input),
            parent_sidecar: options.sidecar.as_deref(),
            format: opened.format,
            act: SealAct::Propagated,
            declaration: &self.declaration,
            plan: &self.plan,
            record: &self.record,
            signer,
            limits: &options.limits,
            now: &options.now,
        }
    }
}

fn read_back(report: &Report, propagation: &Propagation, id: &str, signed: bool) -> Result<()> {
    let written = report.findings.iter().filter(|f| f.mark == "gb45438.aigc").collect::<Vec<_>>();
    let own = matches!(written.as_slice(), [Finding { evidence: Some(Evidence::Aigc(e)), .. }]
        if e.content_propagator == propagation.platform && e.propagate_id == id);
    if !own {
        return Err(Error::new(ErrorKind::Check, "the platform's fields do not read back"));
    }
    let holds = report
        .findings
        .iter()
        .any(|f| f.kind == MarkKind::Manifest && matches!(f.state, State::Valid | State::Trusted));
    if signed && !holds {
        return Err(Error::new(ErrorKind::Check, "the platform's signature does not read back as valid"));
    }
    Ok(())
}
