//! From findings to verdicts.

mod aigc;
mod disclosure;

use colophon_core::{
    Evidence, Finding, HardBinding, LabelEvidence, ManifestEvidence, MarkKind, Media, Outcome, Properties,
    State, Verdict,
};
use colophon_label::wording;

use crate::profile::{Check, Profile, Rule, Words};

/// What a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Examined<'a> {
    /// Kind of content.
    pub media: Media,
    /// Facts about the content.
    pub properties: &'a Properties,
    /// The format has a writable metadata place for the AIGC object.
    pub has_aigc_slot: bool,
    /// Every finding.
    pub findings: &'a [Finding],
    /// The day judged for, ISO 8601: rules that apply from a later day are not applicable.
    pub date: &'a str,
}

/// Judges every rule of a profile.
pub fn judge(profile: &Profile, x: &Examined<'_>) -> Vec<Verdict> {
    profile.rules.iter().map(|rule| verdict(profile, rule, x)).collect()
}

fn verdict(profile: &Profile, rule: &Rule, x: &Examined<'_>) -> Verdict {
    // ISO dates sort as text. The profile's own date is told, not judged: who names a profile wants its answer.
    let later = !rule.effective.is_empty() && *x.date < *rule.effective;
    let ruling = if later {
        Ruling::new(Outcome::NotApplicable, format!("the rule applies from {}", rule.effective))
    } else if rule.media.is_empty() || rule.media.contains(&x.media) {
        check(&rule.check, x)
    } else {
        Ruling::new(Outcome::NotApplicable, "the rule is about other media")
    };
    Verdict {
        profile: profile.id.clone(),
        rule: rule.id.clone(),
        outcome: ruling.outcome,
        reason: ruling.reason,
        clause: rule.clause.clone(),
        confidence: rule.confidence.clone(),
        effective: profile.effective_of(rule).to_owned(),
        because: ruling.because,
    }
}

/// An outcome with its reason and the findings it rests on.
struct Ruling {
    outcome: Outcome,
    reason: String,
    because: Vec<usize>,
}

impl Ruling {
    fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into(), because: Vec::new() }
    }

    fn pass_if(holds: bool, pass: impl Into<String>, fail: impl Into<String>) -> Self {
        if holds { Self::new(Outcome::Pass, pass) } else { Self::new(Outcome::Fail, fail) }
    }

    fn on(mut self, because: impl IntoIterator<Item = usize>) -> Self {
        self.because = because.into_iter().collect();
        self
    }
}

fn check(check: &Check, x: &Examined<'_>) -> Ruling {
    match check {
        Check::LabelPresent { optional } => {
            with_label(x, *optional, |_, state| Ruling::new(Outcome::Pass, format!("the label is {state}")))
        }
        Check::LabelAtStart => with_label(x, false, |e, _| at_start(e)),
        Check::LabelWording { words, optional } => {
            with_label(x, *optional, |e, _| label_wording(e, *words, x))
        }
        Check::LabelHeight { min } => with_label(x, false, |e, _| match e.height_ratio {
            // Half a pixel of a small picture is more than the last digit shown.
            Some(ratio) => Ruling::pass_if(
                ratio >= min - 1e-4,
                format!("ink height is {:.1} % of the shortest side", ratio * 100.0),
                format!("ink height is {:.1} %, less than {:.1} %", ratio * 100.0, min * 100.0),
            ),
            None => Ruling::new(Outcome::Undetermined, "the label's height could not be measured"),
        }),
        Check::LabelDuration { min_s } => with_label(x, false, |e, _| label_duration(e, *min_s, x)),
        Check::LabelPosition => with_label(x, false, |e, _| match &e.position {
            Some(p) => Ruling::new(Outcome::Pass, format!("it stands at the {p}")),
            None => Ruling::new(Outcome::Undetermined, "the label's position is not known"),
        }),
        Check::LabelSpoken { optional } => with_label(x, *optional, |e, _| match e.method.as_str() {
            "spoken" => Ruling::new(Outcome::Pass, "a spoken label was heard"),
            _ if *optional => {
                Ruling::new(Outcome::NotApplicable, "no spoken label; the duty is the deployer's")
            }
            _ => Ruling::new(Outcome::Fail, "the label is not spoken"),
        }),
        Check::AigcPresent
        | Check::AigcSingle
        | Check::AigcFields
        | Check::AigcLabelValue
        | Check::AigcProviderCode
        | Check::AigcPropagator
        | Check::AigcFirstWrite
        | Check::AigcCharset
        | Check::AigcProtection
        | Check::AigcAgrees
        | Check::AigcPlace => aigc::check(check, x),
        Check::ManifestValid => manifest_valid(x),
        Check::ManifestSourceType => manifest_source_type(x),
        Check::WatermarkPresent { exempt_characters } => watermark(x, *exempt_characters),
        Check::WatermarkPublic => watermark_public(x),
        Check::Disclosure { part } => disclosure::part(*part, x),
        Check::Durable => disclosure::durable(x),
        Check::OpenStandard => disclosure::open_standard(x),
        Check::Disclosed => disclosure::disclosed(x),
        Check::MachineReadableAi => machine_readable(x),
        Check::NoneInvalid => none_invalid(x),
    }
}

/// Findings of one kind of mark with their indices.
fn of<'a>(x: &Examined<'a>, pick: impl Fn(&Finding) -> bool) -> Vec<(usize, &'a Finding)> {
    x.findings.iter().enumerate().filter(|(_, f)| pick(f)).collect()
}

/// Runs a check on the label that is there, or says why there is none.
fn with_label(x: &Examined<'_>, optional: bool, then: impl Fn(&LabelEvidence, State) -> Ruling) -> Ruling {
    let labels = of(x, |f| f.kind == MarkKind::Label);
    for (i, f) in &labels {
        if f.state.is_there()
            && let Some(Evidence::Label(e)) = &f.evidence
        {
            return then(e, f.state).on([*i]);
        }
    }
    let because = labels.iter().map(|(i, _)| *i);
    let has = |s: State| labels.iter().any(|(_, f)| f.state == s);
    let is_hidden = |f: &Finding| matches!(&f.evidence, Some(Evidence::Label(e)) if e.method == "hidden");
    if labels.iter().any(|(_, f)| is_hidden(f)) {
        let why = "the label's words are in the file, hidden from readers";
        return Ruling::new(Outcome::Fail, why).on(because);
    }
    if has(State::Invalid) {
        return Ruling::new(Outcome::Fail, "the record names a label that is not there any more").on(because);
    }
    let outcome = |o| if optional { Outcome::NotApplicable } else { o };
    if has(State::NotChecked) {
        return Ruling::new(outcome(Outcome::Undetermined), "a label could not be looked for").on(because);
    }
    Ruling::new(outcome(Outcome::Fail), "no label was found").on(because)
}

fn at_start(e: &LabelEvidence) -> Ruling {
    if let Some((start, end)) = e.seen.first() {
        // A lead-in of silence is no content.
        return Ruling::pass_if(
            *start <= 0.5,
            format!("it is heard or seen from {start:.2} s to {end:.2} s"),
            format!("it comes at {start:.2} s, not at the start"),
        );
    }
    match e.position.as_deref() {
        Some(p) if p.contains("start") || p.contains("first") || p.contains("beginning") => {
            Ruling::new(Outcome::Pass, format!("it stands at the {p}"))
        }
        Some(p) => Ruling::new(Outcome::Fail, format!("it stands at the {p}, not at the start")),
        None => Ruling::new(Outcome::Undetermined, "the label's position is not known"),
    }
}

fn label_wording(e: &LabelEvidence, words: Words, x: &Examined<'_>) -> Ruling {
    if x.media == Media::Audio && e.method == "rhythm" {
        return Ruling::new(Outcome::NotApplicable, "a rhythm has no words");
    }
    let Some(text) = &e.text else {
        return Ruling::new(Outcome::Undetermined, "the label's words could not be read");
    };
    match words {
        Words::Gb45438 => {
            let found = wording::gb45438_elements(text);
            Ruling::pass_if(
                found.complete(),
                format!("{text:?} has both elements"),
                format!("{text:?} lacks {}", if found.ai { "a generation element" } else { "an AI element" }),
            )
        }
        Words::Eu => Ruling::pass_if(
            wording::eu_ai(text),
            format!("{text:?} shows AI in capitals"),
            format!("{text:?} does not show AI in capitals"),
        ),
    }
}

fn label_duration(e: &LabelEvidence, min_s: f64, x: &Examined<'_>) -> Ruling {
    // A clip shorter than the rule is labelled for all of it.
    let whole = x.properties.duration_s.unwrap_or(f64::INFINITY);
    let need = min_s.min(whole - 0.1).max(0.0);
    let from_start = e.seen.iter().find(|(start, _)| *start <= 0.05);
    match from_start {
        Some((start, end)) => Ruling::pass_if(
            end - start >= need,
            format!("seen from the first frame for {:.2} s", end - start),
            format!("seen for {:.2} s, less than {min_s} s", end - start),
        ),
        None if e.seen.is_empty() => Ruling::new(Outcome::Undetermined, "no frames were examined"),
        None => Ruling::new(Outcome::Fail, "the label is not on the first frame"),
    }
}

fn manifests<'a>(x: &Examined<'a>) -> Vec<(usize, &'a Finding, Option<&'a ManifestEvidence>)> {
    of(x, |f| f.kind == MarkKind::Manifest)
        .into_iter()
        .map(|(i, f)| match &f.evidence {
            Some(Evidence::Manifest(e)) => (i, f, Some(&**e)),
            _ => (i, f, None),
        })
        .collect()
}

fn manifest_valid(x: &Examined<'_>) -> Ruling {
    let all = manifests(x);
    let because: Vec<usize> = all.iter().map(|(i, ..)| *i).collect();
    if let Some((i, f, _)) = all.iter().find(|(_, f, _)| matches!(f.state, State::Valid | State::Trusted)) {
        return Ruling::new(Outcome::Pass, format!("the manifest is {}", f.state)).on([*i]);
    }
    if let Some((i, _, e)) = all.iter().find(|(_, f, _)| matches!(f.state, State::Invalid | State::Malformed))
    {
        let why = match e {
            Some(e) if e.axes.content == HardBinding::Mismatch => {
                "the content is not the one that was signed: the hard binding does not match".to_owned()
            }
            Some(e) => format!("the manifest is not valid: {}", e.status.failure.join(", ")),
            None => "the manifest cannot be read".to_owned(),
        };
        return Ruling::new(Outcome::Fail, why).on([*i]);
    }
    // Signed metadata is asked of formats that carry metadata (1.1.1); free text is exempt.
    if x.media == Media::Text {
        return Ruling::new(Outcome::NotApplicable, "free text; no signed metadata is asked").on(because);
    }
    if all.iter().any(|(_, f, _)| f.state == State::NotChecked) {
        return Ruling::new(Outcome::Undetermined, "signed metadata could not be looked for").on(because);
    }
    Ruling::new(Outcome::Fail, "no signed metadata was found").on(because)
}

fn manifest_source_type(x: &Examined<'_>) -> Ruling {
    for (i, _, e) in manifests(x) {
        if let Some(e) = e {
            return match e.source_type.as_deref() {
                Some(code) => Ruling::pass_if(
                    generative(code),
                    format!("the manifest says {code}"),
                    format!("the manifest says {code}, which is not generative"),
                ),
                None => Ruling::new(Outcome::Fail, "the manifest names no digital source type"),
            }
            .on([i]);
        }
    }
    Ruling::new(Outcome::NotApplicable, "there is no manifest")
}

fn watermark(x: &Examined<'_>, exempt_characters: u64) -> Ruling {
    if x.media == Media::Text && x.properties.characters.is_some_and(|n| n <= exempt_characters) {
        return Ruling::new(Outcome::NotApplicable, "very short text is exempt");
    }
    if x.media == Media::Document {
        return Ruling::new(Outcome::NotApplicable, "no watermark is defined for paged documents");
    }
    let all = of(x, |f| f.kind == MarkKind::Watermark);
    if let Some((i, _)) = all.iter().find(|(_, f)| f.state.is_there()) {
        return Ruling::new(Outcome::Pass, "a watermark was read").on([*i]);
    }
    let because: Vec<usize> = all.iter().map(|(i, _)| *i).collect();
    if all.is_empty() || all.iter().any(|(_, f)| f.state == State::NotChecked) {
        return Ruling::new(Outcome::Undetermined, "a watermark could not be looked for").on(because);
    }
    Ruling::new(Outcome::Fail, "no watermark was found").on(because)
}

fn watermark_public(x: &Examined<'_>) -> Ruling {
    let there = of(x, |f| f.kind == MarkKind::Watermark && f.state.is_there());
    let Some((i, f)) = there.first() else {
        return Ruling::new(Outcome::NotApplicable, "no watermark was found");
    };
    let public = matches!(&f.evidence, Some(Evidence::Watermark(e)) if e.key == "public");
    Ruling::pass_if(
        public,
        "it is read without a secret and names its issuer",
        "it is only read with a secret, and nothing in the content names the detector",
    )
    .on([*i])
}

/// Source types that say a model made or changed it (C2PA conformance rubric).
fn generative(code: &str) -> bool {
    matches!(
        code,
        "trainedAlgorithmicMedia"
            | "compositeWithTrainedAlgorithmicMedia"
            | "compositeSynthetic"
            | "trainedAlgorithmicData"
    )
}

fn machine_readable(x: &Examined<'_>) -> Ruling {
    let says_ai = |f: &Finding| match &f.evidence {
        Some(Evidence::Aigc(e)) => matches!(e.label.as_str(), "1" | "2" | "3"),
        Some(Evidence::SourceType(e)) => matches!(e.class.as_str(), "generated" | "modified"),
        Some(Evidence::Manifest(e)) => e.source_type.as_deref().is_some_and(generative),
        Some(Evidence::Watermark(_)) => true,
        _ => false,
    };
    let found: Vec<(usize, &Finding)> =
        of(x, |f| f.state.is_there() && f.kind != MarkKind::Label && says_ai(f));
    if found.is_empty() {
        return Ruling::new(Outcome::Fail, "machine-readable marks are absent");
    }
    let names: Vec<&str> = found.iter().map(|(_, f)| f.mark.as_str()).collect();
    Ruling::new(Outcome::Pass, names.join(", ")).on(found.iter().map(|(i, _)| *i))
}

fn none_invalid(x: &Examined<'_>) -> Ruling {
    let bad = of(x, |f| matches!(f.state, State::Invalid | State::Malformed));
    let Some((_, first)) = bad.first() else {
        return Ruling::new(Outcome::Pass, "no mark is contradicted");
    };
    let binding = bad.iter().any(|(_, f)| {
        matches!(&f.evidence, Some(Evidence::Manifest(e)) if e.axes.content == HardBinding::Mismatch)
    });
    let detail = if binding { ": the hard binding does not match the content" } else { "" };
    Ruling::new(Outcome::Fail, format!("{} is {}{detail}", first.mark, first.state))
        .on(bad.iter().map(|(i, _)| *i))
}
