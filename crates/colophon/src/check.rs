//! Nothing counts as marked until it was read back: the result against the plan.

use colophon_core::{
    Declaration, Error, ErrorKind, Evidence, Finding, MarkKind, Plan, Record, Report, Result, State,
};

/// Compares what was found in the result with what was planned.
///
/// # Errors
/// `Check`, naming every difference.
pub(crate) fn against_plan(
    plan: &Plan,
    declaration: &Declaration,
    record: &Record,
    incoming: &[Finding],
    report: &Report,
) -> Result<()> {
    let mut wrong: Vec<String> = Vec::new();
    if plan.label.is_some() {
        // What nobody can look at here (a missing program) was looked at by the renderer itself.
        let unseen = report.findings.iter().filter(|f| f.kind == MarkKind::Label);
        let states: Vec<State> = unseen.map(|f| f.state).collect();
        if record.labels.is_empty() {
            wrong.push("no label was placed".to_owned());
        } else if states.iter().any(|s| matches!(s, State::Absent | State::Invalid)) {
            wrong.push("the label does not read back".to_owned());
        }
    }
    if plan.aigc {
        let labels: Vec<&Finding> =
            report.findings.iter().filter(|f| f.mark == "gb45438.aigc" && f.state != State::Absent).collect();
        let foreign = incoming.iter().any(|f| match &f.evidence {
            Some(Evidence::Aigc(e)) => Some(&e.content_producer) != declaration.producer.as_ref(),
            _ => false,
        });
        match (labels.as_slice(), foreign) {
            (_, true) => {}
            ([one], false) => {
                let own = matches!(&one.evidence, Some(Evidence::Aigc(e))
                    if Some(&e.content_producer) == declaration.producer.as_ref()
                        && e.problems.iter().all(|p| !p.fatal));
                if !own {
                    wrong.push("the AIGC label reads back differently".to_owned());
                }
            }
            (many, false) => wrong.push(format!("{} AIGC labels read back, one was planned", many.len())),
        }
    }
    if plan.manifest {
        let valid = report
            .findings
            .iter()
            .find(|f| f.kind == MarkKind::Manifest && matches!(f.state, State::Valid | State::Trusted));
        match valid {
            None => wrong.push(format!("the manifest does not read back as valid{}", failures(report))),
            Some(f) => {
                let same =
                    matches!(&f.evidence, Some(Evidence::Manifest(e)) if e.record.as_ref() == Some(record));
                if !same {
                    wrong.push("the signed record reads back differently".to_owned());
                }
            }
        }
    }
    if plan.watermark && !watermark_reads(record, report) {
        wrong.push("the watermark does not read back".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Check, wrong.join("; "))) }
}

/// Whether a watermark of the record was read.
pub(crate) fn watermark_reads(record: &Record, report: &Report) -> bool {
    report.findings.iter().any(|f| match &f.evidence {
        Some(Evidence::Watermark(e)) if f.state.is_there() => {
            record.watermarks.iter().any(|w| Some(&w.payload) == e.payload.as_ref())
        }
        _ => false,
    })
}

fn failures(report: &Report) -> String {
    report
        .findings
        .iter()
        .find_map(|f| match &f.evidence {
            Some(Evidence::Manifest(e)) if !e.status.failure.is_empty() => {
                Some(format!(": {}", e.status.failure.join(", ")))
            }
            _ => None,
        })
        .unwrap_or_default()
}
