//! Finding the label again: by the text of the first page, its place and its size.

use colophon_core::{LabelEvidence, LabelRecord, Observation, PixelBox, Query, Result, State, Why};
use colophon_label::font::LabelFont;
use colophon_label::written;

use super::file::File;
use super::page::Page;
use super::text::{self, Run};
use super::{font, label};

/// Ink height of other fonts' letters, in em: Chinese letters fill about nine tenths of it, capitals seven.
const OTHER_CJK: f32 = 0.88;
const OTHER_CAPITALS: f32 = 0.70;
/// Baselines closer than this share of the type size are one line.
const SAME_LINE: f32 = 0.2;
/// Ink lower than this in points cannot be read, so it is no label.
const READABLE: f32 = 4.0;

/// A line of text.
#[derive(Debug)]
struct Line {
    text: String,
    first: Run,
    /// Why nobody reads it, where nobody does.
    hidden: Option<&'static str>,
}

/// Answers questions about labels; watermarks of documents do not exist.
pub(super) fn observe(file: &File<'_>, page: &Page, queries: &[Query<'_>]) -> Result<Vec<Observation>> {
    let (lines, hidden): (Vec<Line>, Vec<Line>) =
        lines(file, page)?.into_iter().partition(|l| l.hidden.is_none());
    Ok(queries
        .iter()
        .map(|query| match query {
            Query::Label(record) => look(page, &lines, &hidden, *record),
            _ => Observation::Watermark {
                state: State::NotChecked,
                why: Some(Why::FormatNotExamined),
                evidence: None,
                confidence: None,
            },
        })
        .collect())
}

/// The record of a label the page shows already.
pub(super) fn shown_label(file: &File<'_>, page: &Page, words: &str) -> Result<Option<LabelRecord>> {
    let mut lines = lines(file, page)?;
    lines.retain(|l| l.hidden.is_none());
    let Some(found) = exactly(&lines, words) else { return Ok(None) };
    let face = LabelFont::bundled()?;
    let run = &found.first;
    let ink = ink_height(&face, run, words);
    let advance: f32 =
        run.text.chars().filter_map(|c| face.glyph(c).ok()).map(|g| face.metrics(g).advance).sum();
    let (_, height) = page.shown();
    let area = PixelBox {
        x: run.x.max(0.0) as u32,
        y: (height - run.y - ink).max(0.0) as u32,
        width: (advance * run.em).ceil().max(1.0) as u32,
        height: ink.ceil().max(1.0) as u32,
    };
    Ok(Some(LabelRecord {
        text: words.to_owned(),
        form: "visible".to_owned(),
        style: label::STYLE.to_owned(),
        area: Some(area),
        canvas: Some(label::canvas(page)),
        ink_height: Some(ink),
        span: None,
        position: None,
    }))
}

fn look(page: &Page, lines: &[Line], hidden: &[Line], record: Option<&LabelRecord>) -> Observation {
    let find = |lines| match record {
        Some(record) => exactly(lines, &record.text),
        None => lines.iter().find(|l| written::is_label(l.text.trim())),
    };
    // Words that are in the file and not shown are no label, and it is said that they are there.
    let found = find(lines).or_else(|| find(hidden));
    let state = match (&found, record) {
        (Some(line), _) if line.hidden.is_some() => State::Invalid,
        (Some(_), _) => State::Present,
        (None, Some(_)) => State::Invalid,
        (None, None) => State::Absent,
    };
    let evidence = found.map(|line| {
        let (width, height) = page.shown();
        let words = record.map_or(line.text.trim(), |r| r.text.as_str());
        let ratio =
            LabelFont::bundled().ok().map(|face| ink_height(&face, &line.first, words) / width.min(height));
        LabelEvidence {
            text: Some(words.to_owned()),
            method: match (line.hidden, record) {
                (Some(_), _) => "hidden",
                (None, Some(_)) => "record",
                (None, None) => "text",
            }
            .to_owned(),
            record: record.cloned(),
            height_ratio: ratio,
            position: Some(
                line.hidden
                    .map_or_else(|| position(page, &line.first), |why| format!("hidden from readers: {why}")),
            ),
            ..LabelEvidence::default()
        }
    });
    Observation::Label { state, why: None, evidence, confidence: None }
}

/// The line, or the neighbouring lines, that say exactly these words.
fn exactly<'l>(lines: &'l [Line], words: &str) -> Option<&'l Line> {
    let same = |a: &str, b: &str| {
        let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        letters(a) == letters(b)
    };
    lines.iter().find(|l| same(&l.text, words)).or_else(|| {
        // Set in several lines, the separator between them is not drawn.
        let parts: Vec<&str> = words.split(" · ").collect();
        lines
            .windows(parts.len())
            .find(|w| parts.len() > 1 && w.iter().zip(&parts).all(|(l, p)| same(&l.text, p)))
            .and_then(|w| w.first())
    })
}

/// Where on the page, in words.
fn position(page: &Page, run: &Run) -> String {
    let (width, height) = page.shown();
    let third = |at: f32, all: f32| (at / all * 3.0).floor().clamp(0.0, 2.0) as u8;
    let across = match third(run.x, width) {
        0 => "left",
        1 => "middle",
        _ => "right",
    };
    let up = match third(run.y, height) {
        0 => "bottom",
        1 => "middle",
        _ => "top",
    };
    format!("{up} {across} of the first page")
}

fn ink_height(face: &LabelFont, run: &Run, words: &str) -> f32 {
    if run.font.contains(font::NAME) {
        return label::reference_ink(face, words) * run.em;
    }
    let cjk = words.chars().any(|c| c as u32 >= 0x2e80);
    run.em * if cjk { OTHER_CJK } else { OTHER_CAPITALS }
}

/// Lines in the order of painting, with why nobody reads those that nobody does.
fn lines(file: &File<'_>, page: &Page) -> Result<Vec<Line>> {
    let (width, height) = page.shown();
    let mut lines: Vec<Line> = Vec::new();
    for run in text::runs(file, page)? {
        let inside = (0.0..=width).contains(&run.x) && (0.0..=height).contains(&run.y);
        let hidden = match run.hidden {
            None if !inside => Some("off the page"),
            None if run.em * OTHER_CAPITALS < READABLE => Some("too small to be read"),
            other => other,
        };
        match lines.last_mut() {
            Some(line)
                if (line.first.y - run.y).abs() < SAME_LINE * run.em
                    && line.first.em == run.em
                    && line.hidden == hidden =>
            {
                line.text.push_str(&run.text);
            }
            _ => lines.push(Line { text: run.text.clone(), first: run, hidden }),
        }
    }
    Ok(lines)
}
