//! Findings to judge.

use colophon_core::{
    AigcEvidence, Evidence, Finding, Generator, HardBinding, LabelEvidence, ManifestEvidence, MarkKind,
    Media, Origin, Outcome, Place, Problem, Properties, ProtectionEvidence, ProtectionState, RECORD_SCHEMA,
    Record, SignerEvidence, SourceTypeEvidence, State, WatermarkEvidence, Why,
};
use colophon_policy::{Examined, built_in, judge};

/// One input as the readers saw it.
pub(crate) struct Case {
    media: Media,
    properties: Properties,
    findings: Vec<Finding>,
    date: String,
}

impl Case {
    pub(crate) fn add(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    pub(crate) fn on(mut self, date: &str) -> Self {
        date.clone_into(&mut self.date);
        self
    }
}

pub(crate) fn module_name(rule: &str) -> String {
    rule.replace(['.', '-'], "_")
}

/// Judges the rule of that name and compares.
pub(crate) fn judged(name: &str, case: &Case, expected: Outcome) {
    let (profile, rule) = built_in()
        .iter()
        .find_map(|p| p.rules.iter().find(|r| module_name(&r.id) == name).map(|r| (p, r)))
        .unwrap_or_else(|| panic!("no rule is called {name}"));
    let examined = Examined {
        media: case.media,
        properties: &case.properties,
        has_aigc_slot: true,
        findings: &case.findings,
        date: &case.date,
    };
    let verdicts = judge(profile, &examined);
    let verdict = verdicts.iter().find(|v| v.rule == rule.id).unwrap();
    assert_eq!(verdict.outcome, expected, "{}: {}", verdict.rule, verdict.reason);
    assert!(!verdict.reason.is_empty() && verdict.clause == rule.clause);
    assert!(verdict.because.iter().all(|i| *i < case.findings.len()));
}

pub(crate) fn bare(media: Media) -> Case {
    let properties = Properties { duration_s: Some(30.0), ..Properties::default() };
    Case { media, properties, findings: Vec::new(), date: "2026-11-25".to_owned() }
}

fn finding(mark: &str, kind: MarkKind, state: State) -> Finding {
    Finding {
        mark: mark.to_owned(),
        kind,
        state,
        why: None,
        place: Some(Place { path: "here".to_owned(), range: None, normative: true }),
        evidence: None,
        confidence: None,
        notes: Vec::new(),
    }
}

fn label(evidence: LabelEvidence) -> Finding {
    Finding { evidence: Some(Evidence::Label(evidence)), ..finding("label", MarkKind::Label, State::Present) }
}

pub(crate) fn no_label() -> Finding {
    finding("label", MarkKind::Label, State::Absent)
}

pub(crate) fn lost_label() -> Finding {
    finding("label", MarkKind::Label, State::Invalid)
}

pub(crate) fn unseen_label() -> Finding {
    Finding { why: Some(Why::NoRecord), ..finding("label", MarkKind::Label, State::NotChecked) }
}

pub(crate) fn written(text: &str) -> Case {
    bare(Media::Text).add(label(LabelEvidence {
        text: Some(text.to_owned()),
        method: "text".to_owned(),
        position: Some("start".to_owned()),
        ..LabelEvidence::default()
    }))
}

fn seen(text: &str, height: f32, seen: Vec<(f64, f64)>) -> Finding {
    label(LabelEvidence {
        text: Some(text.to_owned()),
        method: "record".to_owned(),
        height_ratio: Some(height),
        position: Some("bottom-right corner".to_owned()),
        seen,
        ..LabelEvidence::default()
    })
}

pub(crate) fn shown(text: &str, height: f32) -> Case {
    bare(Media::Image).add(seen(text, height, Vec::new()))
}

pub(crate) fn filmed(text: &str, height: f32, span: (f64, f64)) -> Case {
    bare(Media::Video).add(seen(text, height, vec![span]))
}

/// The rhythm label, from that second on.
pub(crate) fn heard(at: f64) -> Case {
    bare(Media::Audio).add(label(LabelEvidence {
        method: "rhythm".to_owned(),
        seen: vec![(at, at + 1.3)],
        ..LabelEvidence::default()
    }))
}

pub(crate) fn spoken() -> Case {
    bare(Media::Audio).add(label(LabelEvidence {
        text: Some("AI GENERATED".to_owned()),
        method: "spoken".to_owned(),
        seen: vec![(0.0, 2.0)],
        ..LabelEvidence::default()
    }))
}

/// A label as its producer first writes it.
pub(crate) fn first() -> AigcEvidence {
    AigcEvidence {
        label: "1".to_owned(),
        content_producer: "acme".to_owned(),
        produce_id: "7".to_owned(),
        content_propagator: "acme".to_owned(),
        propagate_id: "7".to_owned(),
        ..AigcEvidence::default()
    }
}

pub(crate) fn made_by(producer: &str) -> AigcEvidence {
    AigcEvidence { content_producer: producer.to_owned(), content_propagator: producer.to_owned(), ..first() }
}

pub(crate) fn propagated(by: &str, id: &str) -> AigcEvidence {
    AigcEvidence { content_propagator: by.to_owned(), propagate_id: id.to_owned(), ..first() }
}

pub(crate) fn with_problem(code: &str, field: &str) -> AigcEvidence {
    let problem = Problem {
        code: code.to_owned(),
        field: Some(field.to_owned()),
        text: "is wrong".to_owned(),
        fatal: true,
    };
    AigcEvidence { problems: vec![problem], ..first() }
}

fn protection(state: ProtectionState) -> AigcEvidence {
    let protection =
        ProtectionEvidence { field: "ReservedCode1".to_owned(), state, algorithm: None, key_id: None };
    AigcEvidence { protection: vec![protection], ..first() }
}

pub(crate) fn protected(fits: bool) -> AigcEvidence {
    protection(if fits { ProtectionState::Matches } else { ProtectionState::Differs })
}

pub(crate) fn protected_by_others() -> AigcEvidence {
    protection(ProtectionState::NotVerified)
}

pub(crate) fn aigc(evidence: AigcEvidence) -> Finding {
    Finding {
        evidence: Some(Evidence::Aigc(evidence)),
        ..finding("gb45438.aigc", MarkKind::Metadata, State::Present)
    }
}

pub(crate) fn no_aigc() -> Finding {
    finding("gb45438.aigc", MarkKind::Metadata, State::Absent)
}

pub(crate) fn misplaced(mut f: Finding) -> Finding {
    f.place.as_mut().unwrap().normative = false;
    f
}

pub(crate) fn source_type(code: &str) -> Finding {
    let evidence = SourceTypeEvidence { code: code.to_owned(), class: "generated".to_owned() };
    Finding {
        evidence: Some(Evidence::SourceType(evidence)),
        ..finding("iptc.digital-source-type", MarkKind::Metadata, State::Present)
    }
}

fn c2pa(state: State, evidence: ManifestEvidence) -> Finding {
    Finding {
        evidence: Some(Evidence::Manifest(Box::new(evidence))),
        ..finding("c2pa.manifest", MarkKind::Manifest, state)
    }
}

pub(crate) fn manifest(state: State) -> Finding {
    let mut e = ManifestEvidence {
        source_type: Some("trainedAlgorithmicMedia".to_owned()),
        ..ManifestEvidence::default()
    };
    if state == State::Invalid {
        e.axes.content = HardBinding::Mismatch;
    }
    c2pa(state, e)
}

/// A camera's manifest.
pub(crate) fn captured() -> Finding {
    let e =
        ManifestEvidence { source_type: Some("digitalCapture".to_owned()), ..ManifestEvidence::default() };
    c2pa(State::Valid, e)
}

/// A manifest with our record.
pub(crate) fn recorded(producer: &str, id: &str) -> Finding {
    let record = Record {
        schema: RECORD_SCHEMA.to_owned(),
        content_id: id.to_owned(),
        producer: Some(producer.to_owned()),
        origin: Origin::Generated,
        generator: Some(Generator { name: "diffusion".to_owned(), version: Some("3".to_owned()) }),
        time: "2026-11-25T00:00:00Z".to_owned(),
        time_source: "declaration".to_owned(),
        profiles: Vec::new(),
        labels: Vec::new(),
        watermarks: Vec::new(),
        sha256_before: None,
    };
    c2pa(
        State::Valid,
        ManifestEvidence {
            source_type: Some("trainedAlgorithmicMedia".to_owned()),
            signer: Some(SignerEvidence::default()),
            record: Some(record),
            ..ManifestEvidence::default()
        },
    )
}

pub(crate) fn watermark(key: &str) -> Finding {
    let evidence = WatermarkEvidence { key: key.to_owned(), ..WatermarkEvidence::default() };
    Finding {
        evidence: Some(Evidence::Watermark(evidence)),
        ..finding("watermark", MarkKind::Watermark, State::Present)
    }
}

pub(crate) fn no_watermark() -> Finding {
    finding("watermark", MarkKind::Watermark, State::Absent)
}
