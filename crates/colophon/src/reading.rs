//! Reading: every mark in every place, then the profiles' verdicts.

use colophon_core::{
    Error, ErrorKind, Evidence, FileSource, Finding, Format, Layout, Mark, MarkKind, Note, Observation,
    Query, REPORT_SCHEMA, ReadCx, Record, RenderCx, Report, Result, SignalSupport, Slot, Source, Stage,
    State, Subject, Why, sha256_source,
};
use colophon_policy::Examined;

use crate::beside::beside;
use crate::{Options, Profiles, registry};

/// Judges an input against every rule of every profile.
///
/// # Errors
/// Only when the input cannot be examined at all: unknown format, broken container, a limit. Whatever is wrong with a
/// mark is a finding.
pub fn verify(input: &[u8], profiles: &Profiles, options: &Options) -> Result<Report> {
    judged(&input, profiles, options, Depth::asked(options))
}

/// [`verify`] for a file on disk: formats whose files are large are not read into memory.
///
/// # Errors
/// As [`verify`].
pub fn verify_file(input: &FileSource, profiles: &Profiles, options: &Options) -> Result<Report> {
    on_disk(input, options, |source| judged(source, profiles, options, Depth::asked(options)))
}

/// [`inspect`] for a file on disk, as [`verify_file`].
///
/// # Errors
/// As [`verify`].
pub fn inspect_file(input: &FileSource, options: &Options) -> Result<Report> {
    on_disk(input, options, |source| {
        Opened::open(source, options)?.report(source, options, Depth::asked(options))
    })
}

/// Reads a file from disk or, where its format needs that, from memory.
fn on_disk<T>(
    input: &FileSource,
    options: &Options,
    work: impl FnOnce(&dyn Source) -> Result<T>,
) -> Result<T> {
    let format = registry().probe_source(input, options.hint.as_deref())?;
    if format.is_some_and(Format::streams) {
        return work(input);
    }
    let source: &dyn Source = input;
    work(&source.all(options.limits.input_bytes)?.as_ref())
}

/// [`verify`] to a given depth.
///
/// # Errors
/// As [`verify`].
pub(crate) fn judged(
    input: &dyn Source,
    profiles: &Profiles,
    options: &Options,
    depth: Depth,
) -> Result<Report> {
    Opened::open(input, options)?.judged(input, profiles, options, depth)
}

impl Opened {
    /// Reads and judges.
    pub(crate) fn judged(
        &self,
        input: &dyn Source,
        profiles: &Profiles,
        options: &Options,
        depth: Depth,
    ) -> Result<Report> {
        let opened = self;
        let mut report = opened.report(input, options, depth)?;
        let info = opened.format.info();
        let has_aigc_slot = info.slots.iter().any(|s| matches!(s.slot, Slot::Field | Slot::Xmp));
        let examined = Examined {
            media: info.media,
            properties: &report.subject.properties,
            has_aigc_slot,
            findings: &report.findings,
            date: judged_day(options),
        };
        report.verdicts = profiles.iter().flat_map(|p| colophon_policy::judge(p, &examined)).collect();
        Ok(report)
    }
}

/// The day judged for: the caller's clock, which `Trust::at` overrides elsewhere for certificates only.
fn judged_day(options: &Options) -> &str {
    options.now.get(..10).unwrap_or(&options.now)
}

/// Lists every mark without judging.
///
/// # Errors
/// As [`verify`].
pub fn inspect(input: &[u8], options: &Options) -> Result<Report> {
    Opened::open(&input, options)?.report(&input, options, Depth::asked(options))
}

/// An input whose format is known and whose container was walked.
pub(crate) struct Opened {
    pub(crate) format: &'static dyn Format,
    pub(crate) layout: Layout,
    /// See [`ReadCx::binding`].
    pub(crate) binding: Option<Vec<u8>>,
}

/// Which marks to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Metadata and manifests: nothing is decoded.
    Container,
    /// Everything.
    Content,
    /// What was just written: a search for what is not there costs the most.
    Written {
        /// A label was.
        label: bool,
        /// A watermark was, under the schedule of [`Options::watermark_key`].
        watermark: bool,
    },
}

impl Depth {
    pub(crate) fn asked(options: &Options) -> Self {
        // As for reading back nothing: every question about the content is answered with "not asked".
        if options.content { Self::Content } else { Self::Written { label: false, watermark: false } }
    }
}

impl Opened {
    pub(crate) fn open(input: &dyn Source, options: &Options) -> Result<Self> {
        if input.is_empty() {
            return Err(Error::new(ErrorKind::Malformed, "the input is empty"));
        }
        let format = registry().probe_source(input, options.hint.as_deref())?.ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "the format is not known: no signature of a known format was found",
            )
        })?;
        let layout = format.inspect(input, &options.limits)?;
        Ok(Self { format, layout, binding: None })
    }

    fn report(&self, input: &dyn Source, options: &Options, depth: Depth) -> Result<Report> {
        let info = self.format.info();
        let findings = || self.findings(input, options, depth);
        let (findings, sha256) = if !options.digests && self.binding.is_some() {
            (findings(), None)
        } else {
            let (sha256, findings) = beside(input.len(), || sha256_source(input), findings);
            (findings, Some(sha256?))
        };
        Ok(Report {
            schema: REPORT_SCHEMA.to_owned(),
            tool: concat!("colophon/", env!("CARGO_PKG_VERSION")).to_owned(),
            subject: Subject {
                name: options.hint.clone().unwrap_or_else(|| "-".to_owned()),
                size: input.len(),
                sha256,
                format: info.id.to_owned(),
                media: info.media,
                properties: self.layout.properties.clone(),
            },
            findings,
            verdicts: Vec::new(),
            limits: Report::LIMITS.to_owned(),
            notes: {
                let damage = self.layout.damage.iter();
                let damage = damage.map(|d| Note::new("damaged", format!("the file is damaged: {d}")));
                let notes = self.layout.notes.iter().map(|n| Note::new("container", n.as_str()));
                damage.chain(notes).collect()
            },
        })
    }

    /// Reads marks: seals first, because they deliver the record that tells where the others should be.
    pub(crate) fn findings(&self, input: &dyn Source, options: &Options, depth: Depth) -> Vec<Finding> {
        let mut cx = ReadCx {
            source: input,
            format: self.format,
            layout: &self.layout,
            limits: &options.limits,
            tools: &options.tools,
            record: None,
            trust: &options.trust,
            sidecar: options.sidecar.as_deref(),
            binding: self.binding.as_deref(),
            crjson: options.crjson,
            watermark_keys: &options.watermark_keys,
            answers: &[],
        };
        let marks = registry().marks();
        let seals: Vec<Finding> =
            marks.iter().filter(|m| m.info().stage == Stage::Seal).flat_map(|m| m.read(&cx)).collect();
        let record = record_of(&seals);
        cx.record = record.as_ref();
        let wanted = |q: &Query<'_>| match (depth, q) {
            (Depth::Container, _) => false,
            (Depth::Written { watermark, .. }, Query::Watermark(key)) => {
                watermark && *key == options.watermark_key.as_deref()
            }
            (Depth::Written { label, .. }, Query::Label(_)) => label,
            _ => true,
        };
        let own = matches!(depth, Depth::Written { .. });
        let answers =
            if depth == Depth::Container { Vec::new() } else { self.answers(marks, &cx, own, &wanted) };
        let mut findings = Vec::new();
        for (mark, range) in answered(marks, &cx) {
            match mark.info().stage {
                Stage::Seal => {}
                Stage::Signal if depth == Depth::Container => {}
                _ => {
                    let answers = answers.get(range).unwrap_or_default();
                    findings.extend(mark.read(&ReadCx { answers, ..cx }));
                }
            }
        }
        name_foreign_watermarks(&mut findings, &seals);
        findings.extend(seals);
        findings.sort_by_key(|f| order(f.kind));
        findings
    }

    /// One decode answers the wanted questions of all marks, in their order. `own`: watermarks are ours, just written.
    fn answers(
        &self,
        marks: &[&'static dyn Mark],
        cx: &ReadCx<'_>,
        own: bool,
        wanted: &dyn Fn(&Query<'_>) -> bool,
    ) -> Vec<Observation> {
        let all: Vec<Query<'_>> = marks.iter().flat_map(|m| m.queries(cx)).collect();
        let asked: Vec<Query<'_>> =
            all.iter().filter(|q| wanted(q)).map(|q| if own { own_mark(q) } else { q.clone() }).collect();
        if all.is_empty() || self.format.info().signal == SignalSupport::None {
            return all.iter().map(|_| Observation::Unsupported).collect();
        }
        let render = RenderCx { limits: cx.limits, tools: cx.tools };
        let answers = if asked.is_empty() {
            Vec::new()
        } else {
            let observed = self.format.observe(cx.source, &asked, &render);
            observed.unwrap_or_else(|e| asked.iter().map(|q| unanswered(q, why(&e))).collect())
        };
        let mut answers = answers.into_iter();
        let next = |q: &Query<'_>| if wanted(q) { answers.next() } else { None };
        let answered: Vec<Option<Observation>> = all.iter().map(next).collect();
        all.iter().zip(answered).map(|(q, a)| a.unwrap_or_else(|| unanswered(q, Why::NotAsked))).collect()
    }
}

/// The question about a mark that we wrote ourselves.
fn own_mark<'a>(query: &Query<'a>) -> Query<'a> {
    match query {
        Query::Watermark(key) => Query::OwnWatermark(*key),
        other => other.clone(),
    }
}

/// Marks with the range of answers that are theirs.
fn answered(
    marks: &[&'static dyn Mark],
    cx: &ReadCx<'_>,
) -> impl Iterator<Item = (&'static dyn Mark, std::ops::Range<usize>)> {
    let mut at = 0;
    let lengths: Vec<usize> = marks.iter().map(|m| m.queries(cx).len()).collect();
    marks.iter().copied().zip(lengths).map(move |(mark, n)| {
        at += n;
        (mark, at - n..at)
    })
}

/// The container is sound but its content could not be decoded: said per question, never an error of the report.
fn why(e: &Error) -> Why {
    match e.kind() {
        ErrorKind::Limit => Why::Limit,
        ErrorKind::MissingTool => Why::MissingTool,
        _ => Why::Undecodable,
    }
}

fn unanswered(query: &Query<'_>, why: Why) -> Observation {
    let (state, why) = (State::NotChecked, Some(why));
    match query {
        Query::Watermark(_) | Query::OwnWatermark(_) => {
            Observation::Watermark { state, why, evidence: None, confidence: None }
        }
        _ => Observation::Label { state, why, evidence: None, confidence: None },
    }
}

/// The record of the first manifest that carries one. An invalid manifest's record still tells where to look; what it
/// claims is judged by the manifest's own state.
fn record_of(seals: &[Finding]) -> Option<Record> {
    seals.iter().find_map(|f| match &f.evidence {
        Some(Evidence::Manifest(e)) => e.record.clone(),
        _ => None,
    })
}

/// A watermark carries the first 16 bits of its issuer's key id. One that is not the signer's, and not the one of the
/// signed record, is said to be somebody else's: copied in, or left from before the signature.
fn name_foreign_watermarks(findings: &mut [Finding], seals: &[Finding]) {
    let signer = seals.iter().find_map(|f| match &f.evidence {
        Some(Evidence::Manifest(e)) => e.judgement.as_ref()?.key_id.clone(),
        _ => None,
    });
    let Some(own) = signer.as_deref().and_then(|id| id.get(..4)) else { return };
    for f in findings.iter_mut().filter(|f| f.kind == MarkKind::Watermark) {
        let Some(Evidence::Watermark(e)) = &f.evidence else { continue };
        let issuer = e.payload.as_deref().and_then(|p| p.get(..4)).map(str::to_owned);
        let known = f.notes.iter().any(|n| n.code == "matches-record");
        if let Some(issuer) = issuer.filter(|i| i != own && !known) {
            let text = format!("the watermark is of issuer {issuer}, the manifest is signed by issuer {own}");
            f.notes.push(Note::new("foreign-watermark", text));
        }
    }
}

/// People first, then what machines read.
fn order(kind: MarkKind) -> u8 {
    match kind {
        MarkKind::Label => 0,
        MarkKind::Metadata => 1,
        MarkKind::Manifest => 2,
        MarkKind::Watermark => 3,
    }
}
