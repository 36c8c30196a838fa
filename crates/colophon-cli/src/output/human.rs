//! Text for people: one line per file, details below, readable without colour.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use colophon::{
    Evidence, Finding, HardBinding, ManifestEvidence, MarkKind, Media, Outcome, Plan, Report, State, Verdict,
};

use crate::advice::Failure;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
const FAINT: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// Lines on standard output; a closed pipe is not an error.
macro_rules! say {
    ($($arg:tt)*) => {{ let _ = writeln!(anstream::stdout().lock(), $($arg)*); }};
}

/// Lines on standard error.
macro_rules! warn {
    ($($arg:tt)*) => {{ let _ = writeln!(anstream::stderr().lock(), $($arg)*); }};
}

/// An error with its advice.
pub(crate) fn error(e: &Failure) {
    let file = e.file.as_ref().map(|p| format!("{}: ", p.display())).unwrap_or_default();
    warn!("{BAD}error{BAD:#}: {file}{}", e.error);
    if let Some(hint) = &e.hint {
        warn!("{FAINT}hint{FAINT:#}: {hint}");
    }
}

/// One line that says how a file fared.
pub(crate) fn status(word: Word, name: &str, detail: &str) {
    let style = word.style();
    say!("{style}{}{style:#}  {name}  {FAINT}{detail}{FAINT:#}", word.text());
}

/// A document as it is.
pub(crate) fn raw(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// A line of plain text.
pub(crate) fn plain(text: &str) {
    say!("{text}");
}

/// How a file fared, in four characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Ok,
    Fail,
    Unknown,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok  ",
            Self::Fail => "fail",
            Self::Unknown => "????",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => GOOD,
            Self::Fail => BAD,
            Self::Unknown => UNSURE,
        }
    }
}

/// A report: what is there, then the verdicts.
pub(crate) fn report(report: &Report, verbose: u8, word: Option<Word>) {
    let s = &report.subject;
    let marks = summary(report);
    match word {
        Some(word) => status(word, &s.name, &marks),
        None => say!("{STRONG}{}{STRONG:#}  {FAINT}{}{FAINT:#}", s.name, describe(report)),
    }
    if word.is_some() {
        say!("      {FAINT}{}{FAINT:#}", describe(report));
    }
    say!("");
    for f in &report.findings {
        finding(f, verbose);
    }
    for note in &report.notes {
        say!("  {FAINT}note   {}{FAINT:#}", note.text);
    }
    let mut profile = "";
    for v in &report.verdicts {
        if v.profile != profile {
            profile = &v.profile;
            say!("");
            say!("  {STRONG}profile {profile}{STRONG:#}");
        }
        if verbose > 0 || v.outcome != Outcome::NotApplicable {
            verdict(v);
        }
    }
    say!("");
    if !report.findings.iter().any(|f| f.state.is_there()) {
        say!("  every mark is absent or could not be looked for; {}", report.limits);
        say!("");
    }
}

/// One of many reports: a line, and below it the rules that do not hold.
pub(crate) fn brief(report: &Report, word: Option<Word>) {
    let marks = summary(report);
    match word {
        Some(word) => status(word, &report.subject.name, &marks),
        None => say!("{STRONG}{}{STRONG:#}  {marks}", report.subject.name),
    }
    for v in report.verdicts.iter().filter(|v| matches!(v.outcome, Outcome::Fail | Outcome::Undetermined)) {
        verdict(v);
    }
}

/// What is there, in one line: `label, gb45438.aigc, c2pa.manifest (valid)`.
pub(crate) fn summary(report: &Report) -> String {
    let mut marks: Vec<String> = Vec::new();
    for f in &report.findings {
        let text = match f.state {
            State::Absent | State::NotChecked => continue,
            State::Present => f.mark.clone(),
            state => format!("{} ({state})", f.mark),
        };
        if !marks.contains(&text) {
            marks.push(text);
        }
    }
    if marks.is_empty() { "no mark found: absent".to_owned() } else { marks.join(", ") }
}

fn describe(report: &Report) -> String {
    let s = &report.subject;
    let p = &s.properties;
    let mut parts =
        vec![colophon::registry().format(&s.format).map_or(s.format.clone(), |f| f.info().name.to_owned())];
    if let Some((w, h)) = p.dimensions {
        parts.push(format!("{w} × {h}"));
    }
    if let Some(color) = &p.color {
        parts.push(p.bit_depth.map_or(color.clone(), |d| format!("{color} {d} bit")));
    }
    if let Some(d) = p.duration_s {
        parts.push(format!("{d:.2} s"));
    }
    if let (Some(rate), Some(channels)) = (p.sample_rate, p.channels) {
        parts.push(format!("{rate} Hz, {channels} ch"));
    }
    if let Some(pages) = p.pages {
        parts.push(format!("{pages} page{}", if pages == 1 { "" } else { "s" }));
    }
    if let (Some(n), Media::Text) = (p.characters, s.media) {
        parts.push(format!("{n} characters"));
    }
    parts.push(size(s.size));
    parts.join(" · ")
}

/// Bytes in a unit that keeps three digits.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

fn finding(f: &Finding, verbose: u8) {
    let style = match f.state {
        State::Present | State::Valid | State::Trusted => GOOD,
        State::Malformed | State::Invalid => BAD,
        State::Absent | State::NotChecked => FAINT,
    };
    let state = match f.why {
        Some(why) => format!("not checked: {}", why_words(why)),
        None => f.state.to_string(),
    };
    let kind = match f.kind {
        MarkKind::Label => "label",
        MarkKind::Metadata => "metadata",
        MarkKind::Manifest => "signature",
        MarkKind::Watermark => "watermark",
    };
    say!("  {kind:<10} {:<24} {style}{state}{style:#}", f.mark);
    for line in details(f, verbose) {
        say!("  {:<10} {FAINT}{line}{FAINT:#}", "");
    }
    if verbose > 0
        && let Some(place) = &f.place
    {
        let range = place.range.map(|(a, b)| format!(", bytes {a}–{b}")).unwrap_or_default();
        say!("  {:<10} {FAINT}at {}{range}{FAINT:#}", "", place.path);
    }
    for note in &f.notes {
        say!("  {:<10} {FAINT}{}{FAINT:#}", "", note.text);
    }
}

/// Why something was not looked for, in words.
pub(crate) fn why_words(why: colophon::Why) -> &'static str {
    use colophon::Why as W;
    match why {
        W::NoRecord => "no record says where it should be",
        W::FormatNotExamined => "the content of this format is not examined",
        W::MissingTool => "a program that is needed is missing",
        W::TooShort => "too short",
        W::TooSmall => "too small",
        W::Limit => "a limit was reached",
        W::Undecodable => "the content could not be decoded",
        W::NotBuilt => "this build cannot look for it",
        W::Unclear => "the picture is too small or too blurred to tell",
        W::NotAsked => "not asked for",
        _ => "not looked for",
    }
}

fn details(f: &Finding, verbose: u8) -> Vec<String> {
    match &f.evidence {
        Some(Evidence::Label(e)) => {
            let mut s: Vec<String> = e.text.iter().map(|t| format!("“{t}”")).collect();
            s.extend(e.position.clone());
            s.extend(e.height_ratio.map(|r| format!("ink height {:.1} % of the shortest side", r * 100.0)));
            s.extend(e.seen.iter().map(|(a, b)| format!("{a:.2}–{b:.2} s")));
            vec![s.join(" · ")]
        }
        Some(Evidence::Aigc(e)) => {
            let mut lines =
                vec![format!("label {} · producer {} · id {}", e.label, e.content_producer, e.produce_id)];
            lines.extend(e.problems.iter().filter(|p| p.fatal || verbose > 0).map(|p| {
                format!(
                    "{}: {} {}",
                    if p.fatal { "fault" } else { "remark" },
                    p.field.as_deref().unwrap_or("AIGC"),
                    p.text
                )
            }));
            lines
        }
        Some(Evidence::SourceType(e)) => vec![format!("{} ({})", e.code, e.class)],
        Some(Evidence::Manifest(e)) => manifest(e, verbose),
        Some(Evidence::Watermark(e)) => {
            let payload = e.payload.as_deref().unwrap_or("none");
            let p = f
                .confidence
                .as_ref()
                .and_then(|c| c.log10_p)
                .map(|p| format!(" · log10 p {p:.1}"))
                .unwrap_or_default();
            vec![format!("{} · payload {payload} · {} key{p}", e.scheme, e.key)]
        }
        _ => Vec::new(),
    }
}

fn manifest(e: &ManifestEvidence, verbose: u8) -> Vec<String> {
    let yes = |b: bool| if b { "yes" } else { "no" };
    let content = match e.axes.content {
        HardBinding::Match => "is what was signed",
        HardBinding::Mismatch => "was changed after signing (hard binding does not match)",
        HardBinding::NotChecked => "not checked",
    };
    let mut lines = vec![format!(
        "content {content} · manifest valid: {} · signer trusted: {}",
        yes(e.axes.valid),
        yes(e.axes.trusted)
    )];
    if let Some(s) = &e.signer {
        let who = s.common_name.as_deref().or(s.organisation.as_deref()).unwrap_or("unnamed");
        lines.push(format!("signed by {who} · {}", s.algorithm.as_deref().unwrap_or("?")));
    }
    if !e.status.failure.is_empty() {
        lines.push(format!("failures: {}", e.status.failure.join(", ")));
    }
    if verbose > 0 {
        lines.extend(e.generator.iter().map(|g| format!("made with {g}")));
        lines.extend(e.actions.iter().map(|a| format!("action {a}")));
        lines.extend(e.ai_disclosure.iter().map(|m| format!("model {m}")));
    }
    // Whoever verifies a file that was signed before wants to know by whom.
    let shown = |i: &&String| verbose > 0 || i.contains(", signed by ");
    lines.extend(e.ingredients.iter().filter(shown).map(|i| format!("ingredient {i}")));
    lines
}

fn verdict(v: &Verdict) {
    let (style, word) = match v.outcome {
        Outcome::Pass => (GOOD, "pass"),
        Outcome::Fail => (BAD, "fail"),
        Outcome::NotApplicable => (FAINT, "n/a "),
        Outcome::Undetermined => (UNSURE, "????"),
    };
    say!("  {style}{word}{style:#} {:<34} {} {FAINT}[{}]{FAINT:#}", v.rule, v.reason, v.clause);
}

/// The plan, for a dry run.
pub(crate) fn plan(name: &str, plan: &Plan) {
    say!("{STRONG}{name}{STRONG:#}  profiles {}", plan.profiles.join(", "));
    let label = plan.label.as_ref().map_or("none".to_owned(), |l| format!("“{}”", l.text));
    say!("  label       {label}");
    say!("  AIGC        {}", plan.aigc);
    say!("  source type {}", plan.source_type);
    say!("  manifest    {}", plan.manifest);
    say!("  watermark   {}", plan.watermark);
    for n in &plan.notes {
        say!("  {FAINT}note        {}{FAINT:#}", n.text);
    }
}
