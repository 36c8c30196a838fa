//! The watermark as a mark, and by itself for experts and benchmarks.

use colophon_core::{
    Carrier, Declaration, Error, ErrorKind, Evidence, Finding, Mark, MarkInfo, MarkKind, Media, Observation,
    Placed, Query, ReadCx, RenderCx, Result, SignalOp, SignalSupport, Stage, State, Step, WatermarkEvidence,
    WatermarkRecord, WatermarkSpec, Why, WriteCx,
};
use sha2::{Digest, Sha256};

use crate::Options;
use crate::reading::Opened;

/// The invisible watermark `org.colophon.{image,audio,video}.1`.
pub(crate) static WATERMARK: WatermarkMark = WatermarkMark;

static INFO: MarkInfo = MarkInfo {
    id: "watermark",
    name: "Watermark",
    kind: MarkKind::Watermark,
    stage: Stage::Signal,
    source: "Code of Practice, 1.1.2; Labeling Measures Art. 5",
};

/// Media this build embeds watermarks into.
pub(crate) fn supported(media: Media) -> bool {
    match media {
        Media::Image => cfg!(feature = "image"),
        Media::Audio => cfg!(feature = "audio"),
        Media::Video => cfg!(feature = "video"),
        Media::Text | Media::Document => false,
    }
}

/// The payload of product record and watermark: 16-bit issuer, 48-bit content id.
///
/// The issuer is the first 16 bits of the SHA-256 of the signer's public key (0 without a signer), a signpost to whose
/// registry to ask. The content id is the first 48 bits of the SHA-256 of the content's unique number, so that the
/// record leads to the payload and a registry can go the other way.
pub(crate) fn payload(key_id: Option<&str>, declaration: &Declaration) -> u64 {
    let issuer = key_id.and_then(|id| u64::from_str_radix(id.get(..4)?, 16).ok()).unwrap_or(0);
    let digest = Sha256::digest(declaration.content_id.as_deref().unwrap_or_default().as_bytes());
    let id = digest.iter().take(6).fold(0_u64, |n, b| n << 8 | u64::from(*b));
    issuer << 48 | id
}

pub(crate) struct WatermarkMark;

impl Mark for WatermarkMark {
    fn info(&self) -> &'static MarkInfo {
        &INFO
    }

    fn queries<'a>(&self, cx: &ReadCx<'a>) -> Vec<Query<'a>> {
        std::iter::once(Query::Watermark(None))
            .chain(cx.watermark_keys.iter().map(|k| Query::Watermark(Some(k))))
            .collect()
    }

    fn read(&self, cx: &ReadCx<'_>) -> Vec<Finding> {
        if matches!(cx.format.info().media, Media::Document) {
            // No scheme exists for paged documents; nothing to report.
            return Vec::new();
        }
        let mut findings: Vec<Finding> = cx.answers.iter().map(|a| finding(a, cx)).collect();
        // One that is there says more than the misses of other keys.
        if findings.iter().any(|f| f.state.is_there()) {
            findings.retain(|f| f.state.is_there());
        } else {
            findings.truncate(1);
        }
        findings
    }

    fn write(&self, _: &WriteCx<'_>) -> Result<Vec<Step>> {
        // Key and payload come from the signer and the options, which marks do not see; the pipeline adds the step.
        Ok(Vec::new())
    }
}

fn finding(answer: &Observation, cx: &ReadCx<'_>) -> Finding {
    let Observation::Watermark { state, why, evidence, confidence } = answer else {
        return Finding::not_checked(&INFO, Why::FormatNotExamined);
    };
    let mut finding = Finding { why: *why, confidence: confidence.clone(), ..Finding::new(&INFO, *state) };
    if let Some(e) = evidence {
        let recorded: Vec<&WatermarkRecord> = cx.record.iter().flat_map(|r| &r.watermarks).collect();
        if state.is_there() && !recorded.is_empty() {
            if recorded.iter().any(|r| Some(&r.payload) == e.payload.as_ref()) {
                finding = finding.note("matches-record", "the payload is the one of the signed record");
            } else {
                finding.state = State::Invalid;
                finding = finding
                    .note("payload-mismatch", "the watermark's payload is not the one of the signed record");
            }
        } else if state.is_there() {
            finding = finding.note("unresolved", "no record says what this payload belongs to");
        }
        let read: Vec<&String> = e.streams.iter().filter_map(|s| s.payload.as_ref()).collect();
        if read.windows(2).any(|pair| pair.first() != pair.last()) {
            finding = finding.note("streams-disagree", "the pictures carry another payload than the sound");
        }
        finding = finding.with(Evidence::Watermark(e.clone()));
    }
    finding
}

/// What [`detect_watermark`] answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Detected {
    /// Present, Absent or NotChecked.
    pub state: State,
    /// Why it was not checked.
    pub why: Option<Why>,
    /// Scheme, payload, segments.
    pub evidence: Option<WatermarkEvidence>,
    /// Score and log10 p.
    pub confidence: Option<colophon_core::Confidence>,
}

/// Embeds a watermark and nothing else; metadata is carried over. For experts and benchmarks: the result is no
/// compliant marking.
///
/// # Errors
/// `Unsupported` for formats without a watermark, encoder and decoder errors, `Policy` when the content cannot carry it.
pub fn embed_watermark(
    input: &[u8],
    spec: &WatermarkSpec,
    options: &Options,
) -> Result<(Vec<u8>, WatermarkRecord)> {
    let opened = Opened::open(&input, options)?;
    let cx = RenderCx { limits: &options.limits, tools: &options.tools };
    let mut out = Vec::new();
    let placed = opened.format.render(&input, &[SignalOp::Watermark(spec.clone())], &cx, &mut out)?;
    match placed.into_iter().next() {
        Some(Placed::Watermark(record)) => Ok((out, record)),
        _ => {
            Err(Error::new(ErrorKind::Check, "the format placed no watermark")
                .in_format(opened.format.info().id))
        }
    }
}

/// Looks for a watermark under one key (`None`: the public schedule) and for nothing else.
///
/// # Errors
/// Unknown format, broken container, decoder errors.
pub fn detect_watermark(input: &[u8], key: Option<&[u8]>, options: &Options) -> Result<Detected> {
    let opened = Opened::open(&input, options)?;
    if opened.format.info().signal == SignalSupport::None {
        return Err(Error::unsupported(
            opened.format.info().id,
            "the content of this format is not examined",
        ));
    }
    let cx = RenderCx { limits: &options.limits, tools: &options.tools };
    match opened.format.observe(&input, &[Query::Watermark(key)], &cx)?.into_iter().next() {
        Some(Observation::Watermark { state, why, evidence, confidence }) => {
            Ok(Detected { state, why, evidence, confidence })
        }
        _ => Ok(Detected {
            state: State::NotChecked,
            why: Some(Why::FormatNotExamined),
            evidence: None,
            confidence: None,
        }),
    }
}

/// Where a manifest of this format is kept, in words.
pub(crate) fn carrier_words(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Native(_) | Carrier::Slot(..) => "embedded",
        Carrier::Sidecar(_) => "sidecar",
    }
}
