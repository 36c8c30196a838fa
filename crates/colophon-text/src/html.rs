//! HTML: a label as a paragraph, the AIGC object as a `meta` element, and a C2PA manifest in a `script` element of the
//! head (C2PA 2.5, A.7).
//!
//! Every change is an insertion between two pieces of the page: tags, comments, scripts and everything else the author
//! wrote stay byte for byte.

mod entity;
mod hiding;
mod page;
mod scan;

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use colophon_core::{
    Carrier, Edit, Entry, Error, ErrorKind, Format, FormatInfo, LabelForm, LabelRecord, Layout, Limits,
    Media, Normalisation, Observation, Patch, Placed, Properties, Query, RenderCx, Result, SignalOp,
    SignalSupport, Slot, SlotInfo, Source, TextPosition,
};
use colophon_label::written;

use crate::label::{self, Body};
use page::{Manifest, Page};

/// HTML.
pub static HTML: Html = Html;

/// See [`HTML`].
#[derive(Debug)]
pub struct Html;

static INFO: FormatInfo = FormatInfo {
    id: "html",
    name: "HTML",
    media: Media::Text,
    extensions: &["html", "htm", "xhtml"],
    mime: &["text/html", "application/xhtml+xml"],
    magic: &[],
    slots: &[
        SlotInfo {
            slot: Slot::Field,
            place: "meta element AIGC",
            source: "seen in use; no guide names HTML",
        },
        SlotInfo { slot: Slot::Jumbf, place: "script element in the head", source: "C2PA 2.5, A.7" },
    ],
    signal: SignalSupport::Label,
    carrier: Carrier::Slot("text/html", Normalisation::Raw),
    note: "UTF-8; the label is a paragraph of the body; pages of frames take none",
};

impl Format for Html {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn score(&self, head: &[u8]) -> u8 {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let begins =
            |word: &str| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()));
        let within = |word: &[u8]| head.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
        match () {
            () if !crate::looks_like_text(head) => 0,
            () if begins("<!doctype html") || begins("<html") => 80,
            () if begins("<?xml") && within(b"<html") => 80,
            // a fragment, or a page behind a comment: the name decides
            () if begins("<") && !begins("<?xml") && !begins("<svg") => 15,
            () if within(b"<html") || within(b"<body") => 8,
            () => 1,
        }
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let text = crate::utf8(INFO.id, source, limits)?;
        let page = read(&text, limits)?;
        let mut layout = Layout::default();
        for meta in &page.metas {
            layout.entries.push(Entry {
                slot: Slot::Field,
                key: "AIGC".to_owned(),
                value: meta.value.clone().into_bytes(),
                place: "meta element AIGC".to_owned(),
                range: meta.range.start as u64..meta.range.end as u64,
                normative: meta.in_head,
            });
        }
        match &page.manifest {
            Manifest::None => {}
            Manifest::One { range, store, in_head } => layout.entries.push(Entry {
                slot: Slot::Jumbf,
                key: "c2pa".to_owned(),
                value: store.clone(),
                place: "script element".to_owned(),
                range: range.start as u64..range.end as u64,
                normative: *in_head,
            }),
            Manifest::Malformed { .. } => {
                layout.notes.push("the script element for a manifest holds no base64".to_owned());
            }
            Manifest::Elsewhere { href } => layout.notes.push(format!(
                "manifest.inaccessible: the manifest is said to be at {:?}; nothing is fetched",
                href.chars().take(200).collect::<String>()
            )),
            Manifest::Several => {
                layout.notes.push(
                    "manifest.html.multipleManifests: more than one manifest, so none counts".to_owned(),
                );
            }
        }
        layout.entries.sort_by_key(|e| e.range.start);
        let mut at = 0;
        for entry in &layout.entries {
            layout.media.push(at..entry.range.start);
            at = entry.range.end;
        }
        layout.media.push(at..text.len() as u64);
        layout.media.retain(|r| !r.is_empty());
        let characters = page.visible().chars().filter(|c| *c != '\n').count() as u64;
        layout.properties = Properties { characters: Some(characters), ..Properties::default() };
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let text = crate::utf8(INFO.id, source, limits)?;
        let page = read(&text, limits)?;
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Field, key, value } if key == "AIGC" => {
                    set_meta(&page, value, &mut patch)?;
                }
                Edit::Set { slot: Slot::Jumbf, value, .. } => set_manifest(&page, value, &mut patch)?,
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
        let page = read(&text, cx.limits)?;
        let visible = page.visible();
        let mut patch = Patch::new();
        let mut placed = Vec::new();
        for op in ops {
            let SignalOp::Label(spec) = op else {
                return Err(Error::unsupported(
                    INFO.id,
                    "text is watermarked while it is generated, not afterwards",
                ));
            };
            let LabelForm::Written(wanted) = &spec.form else {
                return Err(Error::unsupported(INFO.id, "only a written label can be placed into text"));
            };
            placed.push(Placed::Label(place(&page, &visible, &spec.text, wanted.position, &mut patch)?));
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
        let text = crate::utf8(INFO.id, source, cx.limits)?;
        let page = read(&text, cx.limits)?;
        let visible = page.visible();
        let seen = label::observe(&Body { start: 0, text: &visible, prefix: "", open_end: false }, queries);
        if seen.iter().all(|o| !matches!(o, Observation::Label { evidence: None, .. })) {
            return Ok(seen);
        }
        // Words that are in the page and not shown are no label, and it is said that they are there.
        let hidden = page.hidden();
        let body = Body { start: 0, text: &hidden, prefix: "", open_end: false };
        let unseen = label::observe(&body, queries);
        Ok(seen.into_iter().zip(unseen).map(|(s, u)| label::hidden(s, u)).collect())
    }
}

fn read<'a>(text: &'a str, limits: &Limits) -> Result<Page<'a>> {
    let tokens = scan::scan(text, limits.parts).ok_or_else(|| {
        Error::limit(format!("a page of more than {} pieces", limits.parts)).in_format(INFO.id)
    })?;
    Ok(Page::of(text, tokens))
}

/// What a reader sees of a page, one line per block.
pub(crate) fn visible(text: &str, limits: &Limits) -> Result<String> {
    Ok(read(text, limits)?.visible())
}

fn place(
    page: &Page<'_>,
    visible: &str,
    words: &str,
    position: TextPosition,
    patch: &mut Patch,
) -> Result<LabelRecord> {
    if words.trim().is_empty() || words.contains(['\n', '\r']) {
        return Err(Error::new(ErrorKind::Usage, "the label's words must be one line that is not empty"));
    }
    // Marking twice leaves one label.
    if let Some(found) = written::find(visible).filter(|f| f.text == words.trim()) {
        return Ok(label::record(words, found.position));
    }
    if page.frames {
        return Err(Error::unsupported(INFO.id, "a page of frames has no body that a label could stand in"));
    }
    let paragraph = format!("<p role=\"note\">{}</p>", entity::encode(words));
    let (at, position) = match (position, page.body_end) {
        (TextPosition::End, Some(end)) => (end, TextPosition::End),
        _ => (page.body_start, TextPosition::Start),
    };
    patch.insert(at as u64, paragraph);
    Ok(label::record(words, position))
}

/// One `meta` element at the end of the head, so that a declaration of the character set stays within the first bytes.
fn set_meta(page: &Page<'_>, json: &[u8], patch: &mut Patch) -> Result<()> {
    let json = std::str::from_utf8(json)
        .map_err(|e| Error::new(ErrorKind::Usage, "the value is not UTF-8").in_format(INFO.id).because(e))?;
    // the slash is what XHTML needs and HTML ignores
    let element = format!("<meta name=\"AIGC\" content=\"{}\"/>", entity::encode(json));
    let kept = page.metas.iter().position(|m| m.in_head);
    for (i, meta) in page.metas.iter().enumerate() {
        let range = meta.range.start as u64..meta.range.end as u64;
        if kept == Some(i) {
            patch.replace(range, element.clone());
        } else {
            patch.remove(range);
        }
    }
    if kept.is_none() {
        patch.insert(page.head_end as u64, element);
    }
    Ok(())
}

fn set_manifest(page: &Page<'_>, store: &[u8], patch: &mut Patch) -> Result<()> {
    let element = format!("<script type=\"application/c2pa\">{}</script>", STANDARD.encode(store));
    match &page.manifest {
        Manifest::One { range, in_head: true, .. } | Manifest::Malformed { range } => {
            patch.replace(range.start as u64..range.end as u64, element);
        }
        Manifest::One { range, .. } => {
            patch.remove(range.start as u64..range.end as u64);
            patch.insert(page.head_end as u64, element);
        }
        Manifest::None => patch.insert(page.head_end as u64, element),
        Manifest::Elsewhere { .. } => {
            return Err(
                Error::new(ErrorKind::Conflict, "the page links to a manifest elsewhere").in_format(INFO.id)
            );
        }
        Manifest::Several => {
            return Err(
                Error::new(ErrorKind::Conflict, "the page carries several manifests").in_format(INFO.id)
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
