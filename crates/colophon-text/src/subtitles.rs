//! Subtitles, SubRip and WebVTT: the label is the first line of the first cue, so that times and numbers stay. WebVTT
//! takes the AIGC object in a comment block; SubRip has no place for metadata.

use std::io::Write;
use std::ops::Range;

use colophon_core::{
    Carrier, Edit, Entry, Error, ErrorKind, Format, FormatInfo, LabelForm, Layout, Limits, Media,
    Observation, Patch, Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo,
    Source, TextPosition,
};
use colophon_label::written;

use crate::label::{self, Body};

/// SubRip.
pub static SRT: Srt = Srt;
/// WebVTT.
pub static VTT: Vtt = Vtt;

/// See [`SRT`].
#[derive(Debug)]
pub struct Srt;

/// See [`VTT`].
#[derive(Debug)]
pub struct Vtt;

static SRT_INFO: FormatInfo = FormatInfo {
    id: "srt",
    name: "SubRip",
    media: Media::Text,
    extensions: &["srt"],
    mime: &["application/x-subrip"],
    magic: &[],
    slots: &[],
    signal: SignalSupport::Label,
    carrier: Carrier::Sidecar("application/x-subrip"),
    note: "UTF-8; the label is the first line of the first cue, times and numbers stay; there is no place for metadata",
};

static VTT_INFO: FormatInfo = FormatInfo {
    id: "vtt",
    name: "WebVTT",
    media: Media::Text,
    extensions: &["vtt"],
    mime: &["text/vtt"],
    magic: &[],
    slots: &[SlotInfo {
        slot: Slot::Field,
        place: "comment block NOTE AIGC",
        source: "no guide names WebVTT",
    }],
    signal: SignalSupport::Label,
    carrier: Carrier::Sidecar("text/vtt"),
    note: "the label is the first line of the first cue, times and settings stay",
};

/// First line of a WebVTT file.
const WEBVTT: &str = "WEBVTT";
/// Beginning of the comment block.
const NOTE: &str = "NOTE AIGC ";

impl Format for Srt {
    fn info(&self) -> &'static FormatInfo {
        &SRT_INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let text = String::from_utf8_lossy(head.get(..head.len().min(512)).unwrap_or_default());
        let mut lines = text.trim_start_matches('\u{feff}').lines().filter(|l| !l.trim().is_empty());
        let number = |l: &str| l.trim().bytes().all(|b| b.is_ascii_digit());
        match (lines.next(), lines.next()) {
            _ if !crate::looks_like_text(head) => 0,
            (Some(first), Some(second)) if number(first) && is_timing(second) => 70,
            (Some(first), _) if is_timing(first) => 40,
            _ => 1,
        }
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let text = crate::utf8(SRT_INFO.id, source, limits)?;
        Ok(layout(&text, &[]))
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let _ = (source, limits);
        if edits.is_empty() { Ok(Patch::new()) } else { Err(crate::no_such_slot(SRT_INFO.id)) }
    }

    fn render(
        &self,
        source: &dyn Source,
        ops: &[SignalOp],
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let text = crate::utf8(SRT_INFO.id, source, cx.limits)?;
        render(SRT_INFO.id, &text, source, ops, str::to_owned, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        Ok(observe(&crate::utf8(SRT_INFO.id, source, cx.limits)?, queries))
    }
}

impl Format for Vtt {
    fn info(&self) -> &'static FormatInfo {
        &VTT_INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        match text.strip_prefix(WEBVTT.as_bytes()) {
            _ if !crate::looks_like_text(head) => 0,
            Some([] | [b' ' | b'\t' | b'\n' | b'\r', ..]) => 90,
            _ => 0,
        }
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let text = crate::utf8(VTT_INFO.id, source, limits)?;
        Ok(layout(&text, &notes(&text)))
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let text = crate::utf8(VTT_INFO.id, source, limits)?;
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Field, key, value } if key == "AIGC" => {
                    set_note(&text, value, &mut patch)?;
                }
                Edit::Remove { range } => patch.remove(range.clone()),
                Edit::Set { .. } => return Err(crate::no_such_slot(VTT_INFO.id)),
            }
        }
        Ok(patch)
    }

    fn render(
        &self,
        source: &dyn Source,
        ops: &[SignalOp],
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let text = crate::utf8(VTT_INFO.id, source, cx.limits)?;
        // a cue's text is markup
        let escaped = |words: &str| words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        render(VTT_INFO.id, &text, source, ops, escaped, out)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        Ok(observe(&crate::utf8(VTT_INFO.id, source, cx.limits)?, queries))
    }
}

/// Whether a line holds the times of a cue.
fn is_timing(line: &str) -> bool {
    let time = |t: &str| t.trim_start().starts_with(|c: char| c.is_ascii_digit()) && t.contains(':');
    line.split_once("-->").is_some_and(|(from, to)| time(from) && time(to))
}

/// Where the text of the first cue begins: behind the first line of times, if that line has ended.
pub(crate) fn cue_start(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if is_timing(line.trim_start_matches('\u{feff}')) {
            return line.ends_with('\n').then_some(at);
        }
    }
    None
}

/// The text of all cues, a line for each of theirs: without numbers, names, times, comments and styles.
fn spoken(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            inside = false;
        } else if is_timing(line) {
            inside = true;
        } else if inside {
            out.push_str(line);
        }
    }
    out
}

fn layout(text: &str, notes: &[(Range<usize>, String)]) -> Layout {
    let mut layout = Layout::default();
    let mut at = 0;
    for (range, value) in notes {
        layout.media.push(at..range.start as u64);
        at = range.end as u64;
        layout.entries.push(Entry {
            slot: Slot::Field,
            key: "AIGC".to_owned(),
            value: value.clone().into_bytes(),
            place: "comment block NOTE AIGC".to_owned(),
            range: range.start as u64..range.end as u64,
            normative: true,
        });
    }
    layout.media.push(at..text.len() as u64);
    layout.media.retain(|r| !r.is_empty());
    let characters = spoken(text).chars().filter(|c| !matches!(c, '\n' | '\r')).count() as u64;
    layout.properties = Properties { characters: Some(characters), ..Properties::default() };
    layout
}

/// Comment blocks of ours before the first cue, the empty line behind each included, and their values.
fn notes(text: &str) -> Vec<(Range<usize>, String)> {
    let head = text.get(..cue_start(text).unwrap_or(text.len())).unwrap_or_default();
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    let (mut at, mut blank) = (0, false);
    let mut open = false;
    for line in head.split_inclusive('\n') {
        let (start, words) = (at, line.trim_end_matches(['\n', '\r']));
        at += line.len();
        match found.last_mut() {
            // the empty line that ends the block is part of it
            Some((range, _)) if open && words.is_empty() => range.end = at,
            _ => {
                if blank && let Some(value) = words.strip_prefix(NOTE) {
                    found.push((start..at, value.to_owned()));
                    (open, blank) = (true, false);
                    continue;
                }
            }
        }
        open = false;
        blank = words.is_empty();
    }
    found
}

fn set_note(text: &str, json: &[u8], patch: &mut Patch) -> Result<()> {
    let refused = |why: &str| Error::new(ErrorKind::Usage, why.to_owned()).in_format(VTT_INFO.id);
    let json = std::str::from_utf8(json).map_err(|e| refused("the value is not UTF-8").because(e))?;
    if json.contains(['\n', '\r']) {
        return Err(refused("a comment block takes a value of one line"));
    }
    if json.contains("-->") {
        return Err(refused("a comment block cannot hold an arrow"));
    }
    let end = written::line_end(text);
    let mut block = Some(format!("{NOTE}{json}{end}{end}"));
    for (range, _) in notes(text) {
        patch.replace(range.start as u64..range.end as u64, block.take().unwrap_or_default());
    }
    let Some(block) = block else { return Ok(()) };
    // behind the empty line that ends the head
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() {
            patch.insert(at as u64, block);
            return Ok(());
        }
    }
    Err(refused("a file without an empty line after its head holds no block"))
}

fn render(
    format: &'static str,
    text: &str,
    source: &dyn Source,
    ops: &[SignalOp],
    escaped: impl Fn(&str) -> String,
    out: &mut dyn Write,
) -> Result<Vec<Placed>> {
    let spoken = spoken(text);
    let mut patch = Patch::new();
    let mut placed = Vec::new();
    for op in ops {
        let SignalOp::Label(spec) = op else {
            return Err(Error::unsupported(
                format,
                "text is watermarked while it is generated, not afterwards",
            ));
        };
        let LabelForm::Written(_) = &spec.form else {
            return Err(Error::unsupported(format, "only a written label can be placed into text"));
        };
        if spec.text.trim().is_empty() || spec.text.contains(['\n', '\r']) {
            return Err(Error::new(ErrorKind::Usage, "the label's words must be one line that is not empty"));
        }
        if written::find(&spoken).is_none_or(|f| f.text != spec.text.trim()) {
            let at = cue_start(text)
                .ok_or_else(|| Error::unsupported(format, "there is no cue that could carry a label"))?;
            patch.insert(at as u64, format!("{}{}", escaped(&spec.text), written::line_end(text)));
        }
        placed.push(Placed::Label(label::record(&spec.text, TextPosition::Start)));
    }
    patch.apply(source, out)?;
    Ok(placed)
}

fn observe(text: &str, queries: &[Query<'_>]) -> Vec<Observation> {
    label::observe(&Body { start: 0, text: &spoken(text), prefix: "", open_end: false }, queries)
}

#[cfg(test)]
mod tests {
    use colophon_core::{LabelSpec, Tools, WrittenSpec};

    use super::*;

    const SUBRIP: &str = "1\r\n00:00:01,000 --> 00:00:02,000\r\nHello -> there\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nBye\r\n";
    const WEB: &str =
        "WEBVTT - title\nX: y\n\nSTYLE\n::cue {}\n\nintro\n00:01.000 --> 00:02.000 line:0\n<v A>Hello\n";

    fn labelled(format: &dyn Format, text: &str) -> Result<String> {
        let form = LabelForm::Written(WrittenSpec { position: TextPosition::End });
        let spec = LabelSpec { text: "AI生成".to_owned(), form };
        let mut out = Vec::new();
        let cx = RenderCx { limits: &Limits::default(), tools: &Tools::default() };
        format.render(&text.as_bytes(), &[SignalOp::Label(spec)], &cx, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn gb45438_5_1_label_is_the_first_line_of_the_first_cue_once() {
        let once = labelled(&SRT, SUBRIP).unwrap();
        assert_eq!(once, SUBRIP.replace("Hello", "AI生成\r\nHello"));
        assert_eq!(labelled(&SRT, &once).unwrap(), once);
        let once = labelled(&VTT, WEB).unwrap();
        assert_eq!(once, WEB.replace("<v A>", "AI生成\n<v A>"));
        assert_eq!(labelled(&VTT, &once).unwrap(), once);
    }

    #[test]
    fn an_arrow_without_times_begins_no_cue() {
        assert_eq!(cue_start("WEBVTT a --> b\n\nNOTE 1 --> 2\n"), None);
        assert_eq!(cue_start("1\n00:00:01,000 --> 00:00:02,000"), None, "its line has not ended");
        let e = labelled(&VTT, "WEBVTT\n").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_comment_block_takes_the_aigc_object_and_no_arrow() {
        let set = |text: &str, value: &[u8]| {
            let source = text.as_bytes();
            let patch = VTT.edit(&source, &[Edit::set(Slot::Field, "AIGC", value)], &Limits::default())?;
            Ok::<_, Error>(String::from_utf8(patch.apply_to_vec(&source)?).unwrap())
        };
        let out = set(WEB, b"{\"Label\":\"1\"}").unwrap();
        assert_eq!(out, WEB.replacen("\n\nSTYLE", "\n\nNOTE AIGC {\"Label\":\"1\"}\n\nSTYLE", 1));
        assert_eq!(set(WEB, b"{\"a\":\"-->\"}").unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(set("WEBVTT", b"{}").unwrap_err().kind(), ErrorKind::Usage);
    }

    #[test]
    fn contents_tell_the_formats_apart() {
        assert!(SRT.score(SUBRIP.as_bytes()) > 30 && VTT.score(WEB.as_bytes()) > 30);
        assert_eq!(VTT.score(b"WEBVTTX"), 0);
        assert!(SRT.score(b"1\nnot a time --> at all\n") < 5);
    }

    #[test]
    fn conformance() {
        colophon_conformance::check(
            &SRT,
            &[("crlf", SUBRIP.into()), ("bom", format!("\u{feff}{SUBRIP}").into())],
        );
        colophon_conformance::check(
            &VTT,
            &[("styled", WEB.into()), ("crlf", WEB.replace('\n', "\r\n").into())],
        );
    }
}
