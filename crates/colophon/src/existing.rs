//! Marks that are on the input already, and what they change of the work to be done.

use colophon_core::{
    Carrier, Declaration, Error, ErrorKind, Evidence, Existing, Finding, Format, LabelForm, LabelRecord,
    LabelSpec, MarkKind, Plan, PlanNote, Result, SignalOp, Source, Span, State, WatermarkRecord,
};

use crate::Options;
use crate::reading::{Depth, Opened};

/// What was found on the input.
pub(crate) struct Incoming {
    /// Everything that was read.
    pub(crate) findings: Vec<Finding>,
    /// A manifest is there: it becomes the parent ingredient.
    pub(crate) manifest: bool,
    /// The label that takes the place of the planned one.
    label: Option<LabelRecord>,
    /// The watermark that takes the place of a new one.
    watermark: Option<WatermarkRecord>,
}

/// Reads the marks of the input. The content is decoded for it only when something in the container says that it was
/// marked before, or when the caller wants to know: content that comes straight from a model carries nothing, and a
/// search for nothing costs the most.
///
/// # Errors
/// `Conflict` when a mark is there and [`Existing::Refuse`] was asked.
pub(crate) fn survey(
    opened: &Opened,
    input: &dyn Source,
    plan: &mut Plan,
    options: &Options,
) -> Result<Incoming> {
    let options = options.reading_own_marks();
    let mut findings = opened.findings(input, &options, Depth::Container);
    let marked = findings.iter().any(|f| !matches!(f.state, State::Absent | State::NotChecked));
    if marked || plan.existing != Existing::Keep {
        findings = opened.findings(input, &options, Depth::Content);
    }
    let refuse = |what: &str| match plan.existing {
        Existing::Refuse => Err(Error::new(ErrorKind::Conflict, format!("{what} is there already"))),
        Existing::Keep | Existing::Replace => Ok(()),
    };
    let manifest = findings.iter().any(|f| f.kind == MarkKind::Manifest && f.evidence.is_some());
    if manifest {
        refuse("a C2PA manifest")?;
    }
    let watermark = findings.iter().find_map(|f| watermark(f, &options));
    if watermark.is_some() {
        refuse("a watermark")?;
    }
    let label = plan.label.as_ref().and_then(|spec| findings.iter().find_map(|f| label(f, spec)));
    if label.is_some() {
        refuse("a label")?;
    }
    let mut incoming = Incoming { findings, manifest, label: None, watermark: None };
    // A manifest is evidence, also under Replace: it is kept as the parent whoever signed it.
    if plan.existing == Existing::Keep {
        let note = |code: &str, text: &str| PlanNote { code: code.to_owned(), text: text.to_owned() };
        if label.is_some() {
            plan.notes.push(note("label-kept", "a label that says the same is there already and was kept"));
        }
        if plan.watermark && watermark.is_some() {
            // Two payloads under one key schedule destroy each other.
            plan.notes.push(note("watermark-kept", "a watermark is there already and was kept"));
        }
        incoming.label = label;
        incoming.watermark = watermark;
    }
    Ok(incoming)
}

impl Incoming {
    /// A manifest beside the input that no new one takes the place of: it goes on standing beside the output, whether it still
    /// holds or not, as an embedded one goes on standing in it.
    pub(crate) fn left_beside(
        &self,
        sealed: bool,
        format: &dyn Format,
        options: &Options,
    ) -> Option<Vec<u8>> {
        let beside = matches!(format.info().carrier, Carrier::Sidecar(_));
        options.sidecar.clone().filter(|_| self.manifest && beside && !sealed)
    }

    /// The number under which the same provider marked this content before: that of its label, else of its record.
    pub(crate) fn content_id(&self, declaration: &Declaration) -> Option<String> {
        let own = |producer: &Option<String>| producer.is_some() && *producer == declaration.producer;
        let label = self.findings.iter().find_map(|f| match &f.evidence {
            Some(Evidence::Aigc(e)) if own(&Some(e.content_producer.clone())) => Some(e.produce_id.clone()),
            _ => None,
        });
        let record = || {
            self.findings.iter().find_map(|f| match &f.evidence {
                Some(Evidence::Manifest(e)) if f.state.is_there() => {
                    e.record.as_ref().filter(|r| own(&r.producer)).map(|r| r.content_id.clone())
                }
                _ => None,
            })
        };
        label.or_else(record).filter(|id| !id.is_empty())
    }

    /// Takes out of the operations what is there already, and answers the records of what was kept.
    pub(crate) fn spare(&self, ops: &mut Vec<SignalOp>) -> (Vec<LabelRecord>, Vec<WatermarkRecord>) {
        let (mut labels, mut watermarks) = (Vec::new(), Vec::new());
        ops.retain(|op| match (op, &self.label, &self.watermark) {
            (SignalOp::Label(_), Some(label), _) => {
                labels.push(label.clone());
                false
            }
            (SignalOp::Watermark(_), _, Some(watermark)) => {
                watermarks.push(watermark.clone());
                false
            }
            _ => true,
        });
        (labels, watermarks)
    }
}

/// A watermark under the key schedule that would be written.
fn watermark(finding: &Finding, options: &Options) -> Option<WatermarkRecord> {
    let Some(Evidence::Watermark(e)) = &finding.evidence else { return None };
    let own = if options.watermark_key.is_some() { "private" } else { "public" };
    let payload = e.payload.clone().filter(|_| finding.state != State::Absent && e.key == own)?;
    Some(WatermarkRecord { scheme: e.scheme.clone(), payload, key: e.key.clone(), quality: None, kept: true })
}

/// A label that does what the planned one would do.
fn label(finding: &Finding, spec: &LabelSpec) -> Option<LabelRecord> {
    let Some(Evidence::Label(e)) = &finding.evidence else { return None };
    if finding.state != State::Present {
        return None;
    }
    match &spec.form {
        // The renderer of text finds its own line.
        LabelForm::Written(_) => None,
        LabelForm::Visible(v) => {
            let tall = e.height_ratio.is_some_and(|h| h >= v.min_height);
            e.record.clone().filter(|r| r.text == spec.text && tall)
        }
        LabelForm::Audible(a) => e.record.clone().or_else(|| {
            let (start, end) = *e.seen.first()?;
            Some(LabelRecord {
                text: spec.text.clone(),
                form: "audible".to_owned(),
                style: e.method.clone(),
                area: None,
                canvas: None,
                ink_height: None,
                span: Some(Span { start_s: start, duration_s: end - start }),
                position: a.position.end(),
            })
        }),
    }
}
