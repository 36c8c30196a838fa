//! Placing and finding the label line.

use colophon_core::{
    Error, ErrorKind, LabelEvidence, LabelForm, LabelRecord, LabelSpec, Observation, Patch, Placed, Query,
    Result, SignalOp, State, TextPosition, Why,
};
use colophon_label::written;

/// Versioned rendering of a label line: the words on a line of their own, an empty line between them and the text.
const STYLE: &str = "line.1";

/// The part of a file a label may be put into: what remains without byte order mark, front matter and carriers.
pub(crate) struct Body<'a> {
    /// Byte offset of the body in the file.
    pub(crate) start: usize,
    /// The body.
    pub(crate) text: &'a str,
    /// What stands before the words on their line: a Markdown quotation.
    pub(crate) prefix: &'static str,
    /// True when the end of the body is inside something a line must not be put into, such as an open code fence.
    pub(crate) open_end: bool,
}

/// Adds the label lines that are not there yet.
pub(crate) fn render(
    format: &'static str,
    body: &Body<'_>,
    ops: &[SignalOp],
    patch: &mut Patch,
) -> Result<Vec<Placed>> {
    ops.iter()
        .map(|op| match op {
            SignalOp::Label(spec) => place(format, body, spec, patch).map(Placed::Label),
            _ => Err(Error::unsupported(format, "text is watermarked while it is generated, not afterwards")),
        })
        .collect()
}

fn place(format: &'static str, body: &Body<'_>, spec: &LabelSpec, patch: &mut Patch) -> Result<LabelRecord> {
    let LabelForm::Written(written) = &spec.form else {
        return Err(Error::unsupported(format, "only a written label can be placed into text"));
    };
    if spec.text.trim().is_empty() || spec.text.contains(['\n', '\r']) {
        return Err(Error::new(ErrorKind::Usage, "the label's words must be one line that is not empty"));
    }
    let wanted = if body.open_end { TextPosition::Start } else { written.position };
    // Marking twice leaves one label.
    if let Some(found) = written::find(body.text).filter(|f| f.text == spec.text.trim()) {
        return Ok(record(&spec.text, found.position));
    }
    let end = written::line_end(body.text);
    let line = format!("{}{}", body.prefix, spec.text);
    if wanted == TextPosition::Start {
        patch.insert(body.start as u64, format!("{line}{end}{end}"));
    } else {
        let text = body.text;
        let gap = match text {
            "" => String::new(),
            t if t.ends_with(&end.repeat(2)) => String::new(),
            t if t.ends_with('\n') => end.to_owned(),
            _ => end.repeat(2),
        };
        patch.insert((body.start + text.len()) as u64, format!("{gap}{line}{end}"));
    }
    Ok(record(&spec.text, wanted))
}

/// What is noted about a label of these words.
pub(crate) fn record(words: &str, position: TextPosition) -> LabelRecord {
    LabelRecord {
        text: words.to_owned(),
        form: "written".to_owned(),
        style: STYLE.to_owned(),
        area: None,
        canvas: None,
        ink_height: None,
        span: None,
        position: Some(position),
    }
}

/// Answers questions about labels; watermarks of text need the token ids and are looked for elsewhere.
pub(crate) fn observe(body: &Body<'_>, queries: &[Query<'_>]) -> Vec<Observation> {
    queries
        .iter()
        .map(|query| match query {
            Query::Label(record) => look(body, *record),
            _ => Observation::Watermark {
                state: State::NotChecked,
                why: Some(Why::FormatNotExamined),
                evidence: None,
                confidence: None,
            },
        })
        .collect()
}

/// The answer where readers see no label, given the answer for what they do not see: a label that is hidden is invalid.
pub(crate) fn hidden(seen: Observation, unseen: Observation) -> Observation {
    match (&seen, unseen) {
        (
            Observation::Label { evidence: None, .. },
            Observation::Label { evidence: Some(mut e), confidence, .. },
        ) => {
            "hidden".clone_into(&mut e.method);
            e.position = Some("hidden from readers".to_owned());
            Observation::Label { state: State::Invalid, why: None, evidence: Some(e), confidence }
        }
        _ => seen,
    }
}

fn look(body: &Body<'_>, record: Option<&LabelRecord>) -> Observation {
    let found = match record {
        Some(record) => written::find_exactly(body.text, &record.text),
        None => written::find(body.text),
    };
    let state = match (&found, record) {
        (Some(_), _) => State::Present,
        (None, Some(_)) => State::Invalid,
        (None, None) => State::Absent,
    };
    let evidence = found.map(|f| LabelEvidence {
        text: Some(f.text),
        method: if record.is_some() { "record" } else { "text" }.to_owned(),
        record: record.cloned(),
        position: Some(
            if f.position == TextPosition::Start { "start of the text" } else { "end of the text" }
                .to_owned(),
        ),
        ..LabelEvidence::default()
    });
    Observation::Label { state, why: None, evidence, confidence: None }
}
