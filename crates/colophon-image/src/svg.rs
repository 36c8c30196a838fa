//! SVG.
//!
//! The label is the last element of the root: outlines of its letters, which look the same in every viewer whatever
//! fonts it has, with the words as title and for screen readers. What could change the picture when it is shown (scripts,
//! animation, style sheets, foreign content) could also hide the label, so that such files take none.

use std::io::Write;

use base64::Engine as _;
use colophon_container::svg::{self, Svg as File};
use colophon_core::{
    Canvas, Carrier, Edit, Entry, Error, Format, FormatInfo, LabelEvidence, LabelForm, LabelLook,
    LabelRecord, Layout, Limits, Media, Observation, Patch, Placed, Properties, Query, RenderCx, Result,
    SignalOp, SignalSupport, Slot, SlotInfo, Source, State, Why,
};
use colophon_label::{visible, written};

use crate::label;
use crate::observe::unanswered;

const ID: &str = "svg";
/// Identifier of the label's element.
const MARK: &str = "colophon-label";
/// Pixels of the shortest side on which the label is laid out.
const SIDE: f64 = 1000.0;

/// The format.
pub static FORMAT: Svg = Svg;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "SVG",
    media: Media::Image,
    extensions: &["svg"],
    mime: &["image/svg+xml"],
    magic: &[],
    slots: &[SlotInfo {
        slot: Slot::Xmp,
        place: "metadata element",
        source: "XMP part 3, 2.6; not named by TC260-PG-20259A",
    }],
    signal: SignalSupport::Label,
    carrier: Carrier::Native("image/svg+xml"),
    note: "the label is an element of outlines with its words as title; files with scripts, animation, style sheets or \
           foreign content take none; there is no watermark for drawings; declared entities are refused",
};

/// SVG.
#[derive(Debug)]
pub struct Svg;

impl Format for Svg {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let Some(at) = text.find("<svg").or_else(|| text.find(":svg")) else { return 0 };
        let before = text.get(..at).unwrap_or_default().to_ascii_lowercase();
        if text.starts_with('<') && !before.contains("<html") && !before.contains("doctype html") {
            92
        } else {
            0
        }
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = svg::walk(source, MARK, limits)?;
        let mut layout = Layout { notes: file.notes.clone(), ..Layout::default() };
        layout.notes.extend(file.active.iter().map(|what| format!("there is {what}")));
        for range in &file.packets {
            let value = source.bytes(range.start, range.end - range.start)?.into_owned();
            let normative = layout.of(Slot::Xmp).next().is_none();
            let (key, place) = ("xmp".to_owned(), "metadata XMP".to_owned());
            layout.entries.push(Entry {
                slot: Slot::Xmp,
                key,
                value,
                place,
                range: range.clone(),
                normative,
            });
        }
        for (range, inner) in &file.manifests {
            let text = source.bytes(inner.start, inner.end - inner.start)?;
            let text: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            match base64::engine::general_purpose::STANDARD.decode(text) {
                Ok(value) => {
                    let (key, place) = ("c2pa".to_owned(), "metadata c2pa:manifest".to_owned());
                    let range = range.clone();
                    layout.entries.push(Entry {
                        slot: Slot::Jumbf,
                        key,
                        value,
                        place,
                        range,
                        normative: true,
                    });
                }
                Err(_) => layout.notes.push("a C2PA manifest is no Base64".to_owned()),
            }
        }
        layout.entries.sort_by_key(|e| (e.range.start, e.range.end));
        layout.media.clone_from(&file.content);
        layout.properties = Properties {
            dimensions: file.view.map(|[_, _, w, h]| (w.ceil() as u32, h.ceil() as u32)),
            color: Some("drawing".to_owned()),
            ..Properties::default()
        };
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let file = svg::walk(source, MARK, limits)?;
        let setting = edits.iter().any(|e| matches!(e, Edit::Set { .. }));
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Xmp, value, .. } => {
                    if file.root_end.is_none() {
                        return Err(Error::unsupported(ID, "a drawing without content takes no metadata"));
                    }
                    let mut packets = file.packets.iter();
                    if let Some(first) = packets.next() {
                        patch.replace(first.clone(), value.clone());
                    } else {
                        let element = [&b"<metadata>"[..], value, b"</metadata>"].concat();
                        patch.insert(file.root.end, element);
                    }
                    packets.for_each(|other| patch.remove(other.clone()));
                }
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                // What is set and removed at once is set.
                Edit::Remove { range } if file.packets.contains(range) => {
                    if !setting {
                        patch.remove(range.clone());
                    }
                }
                Edit::Remove { range } if file.manifests.iter().any(|(r, _)| r == range) => {
                    patch.remove(range.clone());
                }
                Edit::Remove { range } => {
                    let text = "nothing that can be removed stands there";
                    return Err(Error::malformed(ID, text).at_offset(range.start));
                }
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
        let file = svg::walk(source, MARK, cx.limits)?;
        let mut patch = Patch::new();
        let mut placed = Vec::new();
        for op in ops {
            let SignalOp::Label(spec) = op else {
                return Err(Error::unsupported(ID, "a drawing has no pixels to put a watermark into"));
            };
            let LabelForm::Visible(form) = &spec.form else {
                return Err(Error::unsupported(ID, "a picture takes a visible label only"));
            };
            if let Some(what) = file.active.first() {
                let text = format!("there is {what}, which could hide a label");
                return Err(Error::unsupported(ID, text));
            }
            let (view, end) = place(&file)?;
            if matches!(form.look, LabelLook::Pill) || form.at == colophon_core::LabelAt::Below {
                return Err(Error::unsupported(ID, "capsules and strips are not drawn into drawings"));
            }
            let drawn = visible::draw(&spec.text, form, canvas(view)).map_err(|e| e.in_format(ID))?;
            let element = element(&drawn.record, view)?;
            for old in &file.marked {
                patch.remove(old.clone());
            }
            patch.insert(end, element);
            placed.push(Placed::Label(drawn.record));
        }
        patch.apply(source, out)?;
        Ok(placed)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let file = svg::walk(source, MARK, cx.limits)?;
        queries
            .iter()
            .map(|q| match q {
                Query::Label(Some(record)) => check(source, &file, record),
                Query::Label(None) => Ok(read(&file)),
                other => Ok(unanswered(other, Why::FormatNotExamined)),
            })
            .collect()
    }
}

/// The view and where the root ends.
fn place(file: &File) -> Result<([f64; 4], u64)> {
    let view = file.view.ok_or_else(|| Error::unsupported(ID, "the drawing says no size"))?;
    let end = file.root_end.ok_or_else(|| Error::unsupported(ID, "a drawing without content"))?;
    Ok((view, end))
}

/// The canvas on which a label is laid out.
fn canvas([_, _, w, h]: [f64; 4]) -> Canvas {
    let scale = SIDE / w.min(h);
    let side = |v: f64| (v * scale).round().clamp(1.0, 65_535.0) as u32;
    Canvas { width: side(w), height: side(h) }
}

/// The label's element.
fn element(record: &LabelRecord, [x, y, w, h]: [f64; 4]) -> Result<String> {
    let scale = w.min(h) / SIDE;
    let words = record.text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let mut out = format!(
        "<g xmlns=\"http://www.w3.org/2000/svg\" id=\"{MARK}\" role=\"img\" aria-label=\"{words}\" \
         transform=\"translate({x} {y}) scale({scale})\"><title>{words}</title>"
    );
    let hex = |[r, g, b]: [u8; 3]| format!("#{r:02x}{g:02x}{b:02x}");
    for shape in visible::vector(record).map_err(|e| e.in_format(ID))? {
        out.push_str(&format!("<path fill=\"{}\"", hex(shape.fill)));
        if shape.opacity < 1.0 {
            out.push_str(&format!(" fill-opacity=\"{}\"", shape.opacity));
        }
        if let Some((color, width, opacity)) = shape.stroke {
            out.push_str(&format!(
                " stroke=\"{}\" stroke-width=\"{width:.2}\" stroke-opacity=\"{opacity}\" stroke-linejoin=\"round\" \
                 paint-order=\"stroke\"",
                hex(color)
            ));
        }
        out.push_str(&format!(" d=\"{}\"/>", shape.path));
    }
    out.push_str("</g>");
    Ok(out)
}

/// Whether the recorded label is the last thing that is drawn. Its outlines are compared exactly: they are text.
fn check(source: &dyn Source, file: &File, record: &LabelRecord) -> Result<Observation> {
    let not_checked = |why| Observation::Label {
        state: State::NotChecked,
        why: Some(why),
        evidence: None,
        confidence: None,
    };
    let (Some(view), Some(area), Some(canvas_of)) = (file.view, record.area, record.canvas) else {
        return Ok(not_checked(Why::Undecodable));
    };
    let Ok(wanted) = element(record, view) else { return Ok(not_checked(Why::NotBuilt)) };
    let mut same = false;
    for range in &file.marked {
        same |= *source.bytes(range.start, range.end - range.start)? == *wanted.as_bytes();
    }
    let state = match () {
        // What is drawn over it, or changes it when it is shown, is not looked at.
        () if same && (file.covered || !file.active.is_empty()) => return Ok(not_checked(Why::Unclear)),
        () if same && canvas_of == canvas(view) => State::Present,
        () => State::Invalid,
    };
    let there = state == State::Present;
    let short = canvas_of.width.min(canvas_of.height).max(1) as f32;
    let at = (area.x as f32, area.y as f32, area.width as f32, area.height as f32);
    Ok(Observation::Label {
        state,
        why: None,
        evidence: Some(LabelEvidence {
            text: there.then(|| record.text.clone()),
            method: "record".to_owned(),
            record: Some(record.clone()),
            height_ratio: record.ink_height.filter(|_| there).map(|ink| ink / short),
            seen: Vec::new(),
            position: label::place(at, (canvas_of.width as f32, canvas_of.height as f32)),
        }),
        confidence: None,
    })
}

/// A text element with the words of a label. How high it is depends on fonts, so that nothing is said about it.
fn read(file: &File) -> Observation {
    let found = file.texts.iter().find(|t| written::is_label(t));
    Observation::Label {
        state: if found.is_some() { State::Present } else { State::NotChecked },
        why: found.is_none().then_some(Why::NoRecord),
        evidence: found.map(|words| LabelEvidence {
            text: Some(words.clone()),
            method: "text".to_owned(),
            ..LabelEvidence::default()
        }),
        confidence: None,
    }
}

#[cfg(test)]
mod tests {
    use colophon_conformance::check as conformance;
    use colophon_core::{LabelSpec, Tools, VisibleSpec};

    use super::*;

    fn plain() -> Vec<u8> {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 320 200\">\n\
         <rect width=\"320\" height=\"200\" fill=\"#3a6\"/><circle cx=\"90\" cy=\"90\" r=\"60\"/>\n</svg>\n"
            .into()
    }

    fn label() -> SignalOp {
        let form = VisibleSpec { min_height: 0.05, ..VisibleSpec::default() };
        SignalOp::Label(LabelSpec { text: "AI生成".to_owned(), form: LabelForm::Visible(form) })
    }

    fn render(bytes: &[u8], ops: &[SignalOp]) -> Result<(Vec<u8>, LabelRecord)> {
        let (limits, tools) = (Limits::default(), Tools::default());
        let mut out = Vec::new();
        let placed = FORMAT.render(&bytes, ops, &RenderCx { limits: &limits, tools: &tools }, &mut out)?;
        match placed.as_slice() {
            [Placed::Label(record)] => Ok((out, record.clone())),
            other => panic!("{other:?}"),
        }
    }

    fn state(bytes: &[u8], record: &LabelRecord) -> State {
        let (limits, tools) = (Limits::default(), Tools::default());
        let cx = RenderCx { limits: &limits, tools: &tools };
        match FORMAT.observe(&bytes, &[Query::Label(Some(record))], &cx).unwrap().remove(0) {
            Observation::Label { state, .. } => state,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn svg_keeps_the_promises_of_a_format() {
        let with_packet = {
            let edit = Edit::set(Slot::Xmp, "xmp", "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"></x:xmpmeta>");
            FORMAT.edit(&plain(), &[edit], &Limits::default()).unwrap().apply_to_vec(&plain()).unwrap()
        };
        conformance(&FORMAT, &[("plain", plain()), ("with packet", with_packet)]);
    }

    #[test]
    fn gb45438_5_2_the_label_is_the_last_element_and_is_found_again() {
        let (out, record) = render(&plain(), &[label()]).unwrap();
        let text = String::from_utf8(out.clone()).unwrap();
        assert!(text.contains("<title>AI生成</title>"));
        assert!(record.ink_height.unwrap() >= 0.05 * 1000.0);
        assert_eq!(state(&out, &record), State::Present);
        assert_eq!(state(&plain(), &record), State::Invalid);
        let covered = text.replace("</svg>", "<rect width=\"320\" height=\"200\"/></svg>");
        assert_eq!(state(covered.as_bytes(), &record), State::NotChecked);
        let hidden = text.replace("<svg ", "<svg style=\"display:none\" ");
        assert_eq!(state(hidden.as_bytes(), &record), State::NotChecked);
        let moved = text.replace("translate(0 0)", "translate(900 0)");
        assert_eq!(state(moved.as_bytes(), &record), State::Invalid);
        let (again, _) = render(&out, &[label()]).unwrap();
        assert_eq!(again, out, "labelled twice, there is one label");
    }

    #[test]
    fn drawings_that_could_hide_a_label_take_none() {
        let text = String::from_utf8(plain()).unwrap();
        for inner in ["<script/>", "<style>g{display:none}</style>", "<animate/>"] {
            let e =
                render(text.replace("</svg>", &format!("{inner}</svg>")).as_bytes(), &[label()]).unwrap_err();
            assert!(e.to_string().contains("could hide"), "{e}");
        }
    }
}
