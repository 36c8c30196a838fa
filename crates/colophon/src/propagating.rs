//! Labeling Measures Art. 6: what a propagation platform does with an upload.

use colophon_core::{
    Declaration, Error, ErrorKind, Evidence, Finding, MarkKind, Plan, RECORD_SCHEMA, Record, Report, Result,
    SealAct, SealCx, Signer, Slot, Source, State, sha256_hex,
};
use colophon_metadata::aigc;
use sha2::{Digest, Sha256};

use crate::reading::{Depth, Opened};
use crate::{Options, Profiles, writing};

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
    let platform = Profiles::named(&["cn-platform"])?;
    let report = crate::verify(input, &platform, options)?;
    let (class, because) = classify(&report, propagation.declared);
    let mut done =
        Propagated { class, because, bytes: None, sidecar: None, note: None, content_id: None, report };
    let Some(attribute) = class.attribute() else {
        return Ok(done);
    };
    let info = opened.format.info();
    if !info.slots.iter().any(|s| matches!(s.slot, Slot::Field | Slot::Xmp)) {
        done.note = Some(format!("{} has no place for the metadata label; show the notice", info.name));
        return Ok(done);
    }
    let id = propagation.content_id.clone().unwrap_or_else(|| number(options, input));
    let by = aigc::Propagator { provider: &propagation.platform, id: &id, signer };
    let edits = aigc::propagate(info, &opened.layout, &by, attribute)?;
    if edits.is_empty() {
        done.note = Some("the platform's fields are there already".to_owned());
        return Ok(done);
    }
    let seals = opened.findings(&input, options, Depth::Container);
    let held = seals
        .iter()
        .any(|f| f.kind == MarkKind::Manifest && matches!(f.state, State::Valid | State::Trusted));
    if held && signer.is_none() {
        return Err(Error::new(
            ErrorKind::Key,
            "the content is signed and the platform's fields would break the signature; there is no signing key",
        ));
    }
    let content = opened.format.edit(&input, &edits, &options.limits)?.apply_to_vec(&input)?;
    same_media(&opened, input, &content, options)?;
    let (bytes, sidecar) = match signer.filter(|_| held) {
        None => (content, options.sidecar.clone()),
        Some(signer) => seal(&opened, input, &content, propagation, &id, signer, options)?,
    };
    let read = Options { sidecar: sidecar.clone(), ..options.clone() };
    done.report = crate::verify(&bytes, &platform, &read)
        .map_err(|e| Error::new(ErrorKind::Check, "the result cannot be read back").because(e))?;
    read_back(&done.report, propagation, &id, held)?;
    done.bytes = Some(bytes);
    done.sidecar = sidecar.filter(|_| held);
    done.content_id = Some(id);
    Ok(done)
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
fn number(options: &Options, input: &[u8]) -> String {
    let digest = Sha256::new().chain_update(options.seed).chain_update(Sha256::digest(input)).finalize();
    digest.iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// The coded media are the same bytes in the same order.
fn same_media(opened: &Opened, before: &[u8], after: &[u8], options: &Options) -> Result<()> {
    let digest = |bytes: &[u8], ranges: &[std::ops::Range<u64>]| {
        let mut hash = Sha256::new();
        for r in ranges {
            hash.update(bytes.get(r.start as usize..r.end as usize).unwrap_or_default());
        }
        hash.finalize()
    };
    let layout = opened.format.inspect(&after, &options.limits)?;
    if digest(before, &opened.layout.media) == digest(after, &layout.media) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Check, "the edit changed coded media"))
    }
}

/// Signs the platform's statement, with the producer's manifest as the parent.
fn seal(
    opened: &Opened,
    input: &[u8],
    content: &[u8],
    propagation: &Propagation,
    id: &str,
    signer: &dyn Signer,
    options: &Options,
) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
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
        sha256_before: Some(sha256_hex(input)),
    };
    let parent: &dyn Source = &input;
    let cx = SealCx {
        source: &content,
        parent: Some(parent),
        parent_sidecar: options.sidecar.as_deref(),
        format: opened.format,
        act: SealAct::Propagated,
        declaration: &declaration,
        plan: &Plan { manifest: true, ..Plan::default() },
        record: &record,
        signer,
        limits: &options.limits,
        now: &options.now,
    };
    let written = writing::to_memory(content, opened.format, Vec::new(), Some(cx), &options.limits)?;
    Ok((written.content, written.sidecar))
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
