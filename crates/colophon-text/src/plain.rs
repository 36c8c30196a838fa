//! Plain text: a label line, and a C2PA manifest in variation selectors (C2PA 2.5, A.8).

use std::io::Write;

use colophon_core::{
    Carrier, Edit, Entry, Format, FormatInfo, Layout, Limits, Media, Normalisation, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::carrier::a8::{self, A8Search};
use crate::label::{self, Body};

/// Plain text.
pub static PLAIN: Plain = Plain;

/// See [`PLAIN`].
#[derive(Debug)]
pub struct Plain;

static INFO: FormatInfo = FormatInfo {
    id: "txt",
    name: "Plain text",
    media: Media::Text,
    extensions: &["txt", "text"],
    mime: &["text/plain"],
    magic: &[],
    slots: &[SlotInfo {
        slot: Slot::Jumbf,
        place: "variation selectors at the end",
        source: "C2PA 2.5, A.8",
    }],
    signal: SignalSupport::Label,
    carrier: Carrier::Slot("text/plain", Normalisation::Nfc),
    note: "UTF-8; no metadata label exists for plain text; the manifest is invisible characters that strict filters remove",
};

impl Format for Plain {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        if crate::looks_like_text(head) { 10 } else { 0 }
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let text = crate::utf8(INFO.id, source, limits)?;
        let mut layout = Layout::default();
        let mut media: Vec<_> = std::iter::once(0..text.len() as u64).collect();
        let mut carried = 0;
        match a8::locate(&text) {
            A8Search::None => {}
            A8Search::One { range, store } => {
                carried = text.get(range.clone()).map_or(0, |s| s.chars().count());
                media = vec![0..range.start as u64, range.end as u64..text.len() as u64];
                layout.entries.push(Entry {
                    slot: Slot::Jumbf,
                    key: "c2pa".to_owned(),
                    value: store,
                    place: "variation selectors".to_owned(),
                    range: range.start as u64..range.end as u64,
                    normative: true,
                });
            }
            A8Search::Malformed { reason, .. } => {
                layout.notes.push(format!("manifest.text.corruptedWrapper: {reason}"));
            }
            A8Search::Several => {
                layout.notes.push(
                    "manifest.text.multipleWrappers: more than one manifest, so none counts".to_owned(),
                );
            }
        }
        media.retain(|r| !r.is_empty());
        layout.media = media;
        layout.properties =
            Properties { characters: Some((text.chars().count() - carried) as u64), ..Properties::default() };
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let text = crate::utf8(INFO.id, source, limits)?;
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Jumbf, value, .. } => {
                    let wrapper = a8::encode(value);
                    match a8::locate(&text) {
                        A8Search::One { range, .. } => {
                            patch.replace(range.start as u64..range.end as u64, wrapper);
                        }
                        _ => patch.insert(text.len() as u64, wrapper),
                    }
                }
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
        let placed = label::render(INFO.id, &body(&text), ops, &mut patch)?;
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
        Ok(label::observe(&body(&text), queries))
    }
}

/// The text between a byte order mark and the manifest.
fn body(text: &str) -> Body<'_> {
    let start = if text.starts_with('\u{feff}')
        && !matches!(a8::locate(text), A8Search::One { range, .. } if range.start == 0)
    {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let end = match a8::locate(text) {
        // A manifest in the middle stays where it is; what follows it is text.
        A8Search::One { range, .. } if range.end == text.len() => range.start,
        _ => text.len(),
    };
    Body { start, text: text.get(start..end).unwrap_or_default(), prefix: "", open_end: false }
}

#[cfg(test)]
mod tests {
    use colophon_core::{LabelForm, LabelSpec, TextPosition, Tools, WrittenSpec};

    use super::*;

    fn labelled(text: &str, position: TextPosition) -> String {
        let spec = LabelSpec {
            text: "本内容由人工智能生成合成".to_owned(),
            form: LabelForm::Written(WrittenSpec { position }),
        };
        let mut out = Vec::new();
        let cx = RenderCx { limits: &Limits::default(), tools: &Tools::default() };
        PLAIN.render(&text.as_bytes(), &[SignalOp::Label(spec)], &cx, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn gb45438_5_1_label_is_the_first_line_and_stays_single() {
        let once = labelled("Hello.\r\nWorld.", TextPosition::Start);
        assert_eq!(once, "本内容由人工智能生成合成\r\n\r\nHello.\r\nWorld.");
        assert_eq!(labelled(&once, TextPosition::Start), once);
        assert_eq!(labelled(&once, TextPosition::End), once, "a label that is there is not repeated");
    }

    #[test]
    fn gb45438_5_1_label_is_the_last_line() {
        assert_eq!(labelled("Hello.", TextPosition::End), "Hello.\n\n本内容由人工智能生成合成\n");
        assert_eq!(labelled("Hello.\n", TextPosition::End), "Hello.\n\n本内容由人工智能生成合成\n");
        assert_eq!(labelled("", TextPosition::End), "本内容由人工智能生成合成\n");
    }

    #[test]
    fn a_byte_order_mark_stays_first_and_a_manifest_last() {
        let text = format!("\u{feff}Hello.\n{}", a8::encode(b"\0\0\0\x08jumb"));
        assert!(labelled(&text, TextPosition::Start).starts_with("\u{feff}本内容"));
        let end = labelled(&text, TextPosition::End);
        assert!(matches!(a8::locate(&end), A8Search::One { range, .. } if range.end == end.len()));
    }

    #[test]
    fn text_that_is_not_utf8_names_the_byte() {
        let e = PLAIN.inspect(&b"abc\xff".as_slice(), &Limits::default()).unwrap_err();
        assert_eq!(e.offset(), Some(3));
        assert!(PLAIN.inspect(&b"\xff\xfea\0".as_slice(), &Limits::default()).is_err());
    }

    #[test]
    fn conformance() {
        colophon_conformance::check(
            &PLAIN,
            &[
                ("short", b"Hello, world.\n".to_vec()),
                ("chinese", "你好。\r\n第二行".into()),
                ("bom", "\u{feff}Text with a mark.\n".into()),
                ("emoji", "A heart \u{2764}\u{fe0f} with a selector.\n".into()),
            ],
        );
    }
}
