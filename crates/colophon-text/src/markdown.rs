//! Markdown: a label line, the AIGC mapping in front matter (TC260-PG-20258A §6.5), and a C2PA manifest in a comment
//! line (C2PA 2.5, A.9).

use std::io::Write;

use colophon_core::{
    Carrier, Edit, Entry, Error, ErrorKind, Format, FormatInfo, Layout, Limits, Media, Normalisation,
    Observation, Patch, Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo,
    Source,
};
use colophon_label::written;

use crate::carrier::a9::{self, A9Search, CommentStyle};
use crate::front_matter::{self, FrontMatter};
use crate::label::{self, Body};

/// Markdown.
pub static MARKDOWN: Markdown = Markdown;

/// See [`MARKDOWN`].
#[derive(Debug)]
pub struct Markdown;

static INFO: FormatInfo = FormatInfo {
    id: "md",
    name: "Markdown",
    media: Media::Text,
    extensions: &["md", "markdown", "mdx"],
    mime: &["text/markdown"],
    magic: &[],
    slots: &[
        SlotInfo { slot: Slot::Field, place: "front matter AIGC", source: "TC260-PG-20258A, 6.5" },
        SlotInfo { slot: Slot::Jumbf, place: "comment line at the end", source: "C2PA 2.5, A.9" },
    ],
    signal: SignalSupport::Label,
    carrier: Carrier::Slot("text/markdown", Normalisation::Raw),
    note: "UTF-8; the manifest is one HTML comment line",
};

impl Format for Markdown {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        match text {
            _ if !crate::looks_like_text(head) => 0,
            [b'-', b'-', b'-', b'\n' | b'\r', ..] | [b'#', b' ', ..] => 12,
            _ => 5,
        }
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let text = crate::utf8(INFO.id, source, limits)?;
        let mut layout = Layout::default();
        let parts = Parts::of(&text);
        let mut occupied = Vec::new();
        if let Some(front) = &parts.front {
            for block in front.blocks() {
                occupied.push(block.range.start as u64..block.range.end as u64);
                layout.entries.push(Entry {
                    slot: Slot::Field,
                    key: "AIGC".to_owned(),
                    value: block.value.into_bytes(),
                    place: "front matter AIGC".to_owned(),
                    range: block.range.start as u64..block.range.end as u64,
                    normative: true,
                });
            }
        }
        match &parts.manifest {
            A9Search::None => {}
            A9Search::One { range, store } => {
                occupied.push(range.start as u64..range.end as u64);
                layout.entries.push(Entry {
                    slot: Slot::Jumbf,
                    key: "c2pa".to_owned(),
                    value: store.clone(),
                    place: "comment line".to_owned(),
                    range: range.start as u64..range.end as u64,
                    normative: true,
                });
            }
            A9Search::Malformed { code, reason, .. } => layout.notes.push(format!("{code}: {reason}")),
            A9Search::Several => {
                layout
                    .notes
                    .push("manifest.structuredText.multipleReferences: more than one manifest".to_owned());
            }
        }
        // What the author wrote: the body. The front matter around our block is kept by construction.
        let body = parts.body();
        layout.media = std::iter::once(body.start as u64..(body.start + body.text.len()) as u64)
            .filter(|r| !r.is_empty())
            .collect();
        layout.properties =
            Properties { characters: Some(body.text.chars().count() as u64), ..Properties::default() };
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let text = crate::utf8(INFO.id, source, limits)?;
        let parts = Parts::of(&text);
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Field, key, value } if key == "AIGC" => {
                    parts.set_field(value, &mut patch)?;
                }
                Edit::Set { slot: Slot::Jumbf, value, .. } => parts.set_manifest(value, &mut patch),
                Edit::Remove { range } => patch.remove(range.clone()),
                Edit::Set { .. } => return Err(crate::no_such_slot(INFO.id)),
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
        let text = crate::utf8(INFO.id, source, cx.limits)?;
        let mut patch = Patch::new();
        let placed = label::render(INFO.id, &Parts::of(&text).body(), ops, &mut patch)?;
        patch.apply(source, out)?;
        Ok(placed)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let text = crate::utf8(INFO.id, source, cx.limits)?;
        Ok(label::observe(&Parts::of(&text).body(), queries))
    }
}

/// A Markdown file taken apart.
struct Parts<'a> {
    text: &'a str,
    /// Length of a byte order mark.
    bom: usize,
    front: Option<FrontMatter<'a>>,
    manifest: A9Search,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, bom, front: FrontMatter::find(text, bom), manifest: a9::locate(text) }
    }

    fn body(&self) -> Body<'a> {
        let start = self.front.as_ref().map_or(self.bom, |f| f.body);
        let end = match &self.manifest {
            A9Search::One { range, .. } if range.end == self.text.len() && range.start >= start => {
                range.start
            }
            _ => self.text.len(),
        };
        let text = self.text.get(start..end).unwrap_or_default();
        Body { start, text, prefix: "> ", open_end: ends_inside_a_fence(text) }
    }

    fn set_field(&self, json: &[u8], patch: &mut Patch) -> Result<()> {
        let end = written::line_end(self.text);
        let block = front_matter::write(json, end).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "front matter takes a JSON object of single-line strings")
                .in_format(INFO.id)
        })?;
        let Some(front) = &self.front else {
            patch.insert(self.bom as u64, format!("---{end}{block}---{end}"));
            return Ok(());
        };
        let mut blocks = front.blocks().into_iter();
        match blocks.next() {
            Some(first) => patch.replace(first.range.start as u64..first.range.end as u64, block),
            None => patch.insert(front.inner.end as u64, block),
        }
        for other in blocks {
            patch.remove(other.range.start as u64..other.range.end as u64);
        }
        Ok(())
    }

    fn set_manifest(&self, store: &[u8], patch: &mut Patch) {
        let line = a9::line(store, CommentStyle::Html);
        match &self.manifest {
            A9Search::One { range, .. } => {
                // The range starts at the line end before the block; keep that one.
                let old = self.text.get(range.clone()).unwrap_or_default();
                let lead = old.len() - old.trim_start_matches(['\r', '\n']).len();
                let tail = old.trim_end_matches(['\r', '\n']).len();
                patch.replace((range.start + lead) as u64..(range.start + tail) as u64, line);
            }
            _ => patch.insert(self.text.len() as u64, format!("{}{line}", written::line_end(self.text))),
        }
    }
}

/// True when a code fence that was opened is not closed.
fn ends_inside_a_fence(text: &str) -> bool {
    text.lines().fold(None, Fence::after).is_some()
}

/// An open code fence (CommonMark 0.31, 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    /// What is open after a line.
    pub(crate) fn after(open: Option<Self>, line: &str) -> Option<Self> {
        let t = line.trim_start_matches(' ');
        let Some(mark) = t.chars().next().filter(|c| matches!(c, '`' | '~')) else { return open };
        if line.len() - t.len() > 3 {
            return open;
        }
        let length = t.chars().take_while(|c| *c == mark).count();
        let info = t.get(length..).unwrap_or_default();
        match open {
            // the words behind an opening run of backticks hold none: `a` is a code span
            None if length >= 3 && !(mark == '`' && info.contains('`')) => Some(Self { mark, length }),
            Some(f) if f.mark == mark && length >= f.length && info.trim().is_empty() => None,
            _ => open,
        }
    }

    /// The line that closes it.
    pub(crate) fn closing(self) -> String {
        self.mark.to_string().repeat(self.length)
    }
}

#[cfg(test)]
mod tests {
    use colophon_core::{LabelForm, LabelSpec, TextPosition, Tools, WrittenSpec};

    use super::*;

    fn labelled(text: &str, position: TextPosition) -> String {
        let spec =
            LabelSpec { text: "AI GENERATED".to_owned(), form: LabelForm::Written(WrittenSpec { position }) };
        let mut out = Vec::new();
        let cx = RenderCx { limits: &Limits::default(), tools: &Tools::default() };
        MARKDOWN.render(&text.as_bytes(), &[SignalOp::Label(spec)], &cx, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn set(text: &str, slot: Slot, key: &str, value: &[u8]) -> String {
        let source = text.as_bytes();
        let patch = MARKDOWN.edit(&source, &[Edit::set(slot, key, value)], &Limits::default()).unwrap();
        String::from_utf8(patch.apply_to_vec(&source).unwrap()).unwrap()
    }

    #[test]
    fn gb45438_5_1_label_comes_after_the_front_matter() {
        assert_eq!(
            labelled("---\ntitle: a\n---\n# Head\n", TextPosition::Start),
            "---\ntitle: a\n---\n> AI GENERATED\n\n# Head\n"
        );
        assert_eq!(labelled("# Head\n", TextPosition::Start), "> AI GENERATED\n\n# Head\n");
    }

    #[test]
    fn a_label_is_never_put_into_an_open_code_block() {
        let open = "# a\n\n```rust\nfn main() {}\n";
        assert!(labelled(open, TextPosition::End).starts_with("> AI GENERATED"));
        let closed = "```rust\nfn main() {}\n```\n";
        assert!(labelled(closed, TextPosition::End).ends_with("```\n\n> AI GENERATED\n"));
    }

    #[test]
    fn tc260_20258a_6_5_other_front_matter_is_kept() {
        let json = br#"{"Label":"1","ContentProducer":"a"}"#;
        assert_eq!(
            set("---\ntitle: a # x\nAIGC: old\ntags:\n  - b\n---\nbody\n", Slot::Field, "AIGC", json),
            "---\ntitle: a # x\nAIGC:\n  Label: '1'\n  ContentProducer: 'a'\ntags:\n  - b\n---\nbody\n"
        );
        assert_eq!(
            set("body\n", Slot::Field, "AIGC", json),
            "---\nAIGC:\n  Label: '1'\n  ContentProducer: 'a'\n---\nbody\n"
        );
    }

    #[test]
    fn conformance() {
        colophon_conformance::check(
            &MARKDOWN,
            &[
                ("plain", b"# Title\n\nHello.\n".to_vec()),
                ("front matter", b"---\ntitle: x\n---\n\nHello.\n".to_vec()),
                ("crlf", b"---\r\ntitle: x\r\n---\r\n\r\nHello.\r\n".to_vec()),
                ("no final line end", "# 标题\n\n正文".into()),
            ],
        );
    }
}
