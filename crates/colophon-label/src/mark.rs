//! The label as a mark: one for every medium, because the format knows how to place and find it.

use colophon_core::{
    Evidence, Finding, LabelForm, Mark, MarkInfo, MarkKind, Observation, Place, Query, ReadCx, Result,
    SignalOp, SignalSupport, Stage, State, Step, Why, WriteCx,
};

/// The conspicuous label: seen, heard or written.
pub static LABEL: LabelMark = LabelMark;

static INFO: MarkInfo = MarkInfo {
    id: "label",
    name: "Label",
    kind: MarkKind::Label,
    stage: Stage::Signal,
    source: "GB 45438-2025, 5; AI Act Art. 50(4); Code of Practice, Section 2",
};

/// See [`LABEL`].
#[derive(Debug)]
pub struct LabelMark;

impl Mark for LabelMark {
    fn info(&self) -> &'static MarkInfo {
        &INFO
    }

    fn queries<'a>(&self, cx: &ReadCx<'a>) -> Vec<Query<'a>> {
        match cx.record {
            Some(record) if !record.labels.is_empty() => {
                record.labels.iter().map(|l| Query::Label(Some(l))).collect()
            }
            _ => vec![Query::Label(None)],
        }
    }

    fn read(&self, cx: &ReadCx<'_>) -> Vec<Finding> {
        if cx.format.info().signal == SignalSupport::None {
            return vec![Finding::not_checked(&INFO, Why::FormatNotExamined)];
        }
        cx.answers.iter().map(finding).collect()
    }

    fn write(&self, cx: &WriteCx<'_>) -> Result<Vec<Step>> {
        Ok(cx.plan.label.iter().map(|spec| Step::Signal(SignalOp::Label(spec.clone()))).collect())
    }
}

fn finding(answer: &Observation) -> Finding {
    let Observation::Label { state, why, evidence, confidence } = answer else {
        return Finding::not_checked(&INFO, Why::FormatNotExamined);
    };
    let mut finding = Finding { why: *why, confidence: confidence.clone(), ..Finding::new(&INFO, *state) };
    if let Some(e) = evidence {
        if let Some(position) = &e.position {
            finding = finding.at(Place { path: position.clone(), range: None, normative: true });
        }
        finding = finding.with(Evidence::Label(e.clone()));
    }
    if evidence.as_ref().is_some_and(|e| e.method == "hidden") {
        let why = "the label's words are in the file, hidden from readers: not shown, of no size, or in the colour behind them";
        finding = finding.note("label-hidden", why);
    } else if *state == State::Invalid {
        finding = finding
            .note("label-lost", "the signed record names a label that was not found where it should be");
    }
    finding
}

/// The form of a label in one word, as records name it.
pub fn form_name(form: &LabelForm) -> &'static str {
    match form {
        LabelForm::Visible(_) => "visible",
        LabelForm::Audible(_) => "audible",
        LabelForm::Written(_) => "written",
    }
}
