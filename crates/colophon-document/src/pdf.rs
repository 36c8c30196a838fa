//! PDF (ISO 32000-2).

mod file;
mod font;
mod label;
mod lex;
mod metadata;
mod page;
mod paint;
mod reading;
mod signature;
mod text;
mod update;
mod xref;

use std::io::Write;

use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Normalisation, Observation,
    Patch, Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use self::file::File;

/// Short id, as errors name it.
const ID: &str = "pdf";
/// Largest file that is taken into memory: what is read of it stays far below, but it has to be there as a whole.
const MAX_BYTES: u64 = 1 << 30;
/// Content streams whose place is listed.
const MAX_LISTED: usize = 65_536;

/// PDF.
pub static PDF: Pdf = Pdf;

/// See [`PDF`].
#[derive(Debug)]
pub struct Pdf;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "PDF",
    media: Media::Document,
    extensions: &["pdf"],
    mime: &["application/pdf"],
    magic: &[Magic { offset: 0, bytes: b"%PDF-" }],
    slots: &[
        SlotInfo { slot: Slot::Field, place: "Info /AIGC", source: "TC260-PG-20258A, 6.3" },
        SlotInfo { slot: Slot::Xmp, place: "catalog /Metadata", source: "ISO 32000-2, 14.3.2" },
        SlotInfo { slot: Slot::Jumbf, place: "catalog /AF C2PA_Manifest", source: "C2PA 2.4, A.4" },
    ],
    signal: SignalSupport::Label,
    carrier: Carrier::Slot("application/pdf", Normalisation::Raw),
    note: "every change is an incremental update, so signatures keep what they cover; encrypted and certified documents \
           are refused",
};

impl Format for Pdf {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = open(source, limits)?;
        let pages = page::walk(&file, limits)?;
        let entries = metadata::locate(&file, limits)?.into_iter().map(|l| l.entry).collect();
        let mut media = Vec::new();
        for content in pages.contents.iter().take(MAX_LISTED) {
            if let Some(stream) = file.follow(content)?.stream {
                media.push(stream.start as u64..stream.end as u64);
            }
        }
        media.sort_by_key(|r| (r.start, r.end));
        media.dedup();
        media.retain(|r| !r.is_empty());
        let (width, height) = pages.first.shown();
        let mut properties = Properties { pages: Some(pages.count), ..Properties::default() };
        properties.other.insert("page size".to_owned(), format!("{} × {} pt", round(width), round(height)));
        let mut notes = Vec::new();
        let signatures = signature::count(&file)?;
        if signatures > 0 {
            properties.other.insert("digital signatures".to_owned(), signatures.to_string());
            notes.push(format!(
                "{signatures} digital signature(s): an update after them leaves what they cover unchanged"
            ));
        }
        Ok(Layout { entries, media, properties, notes, ..Layout::default() })
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        metadata::edit(&open(source, limits)?, edits, limits)
    }

    fn render(
        &self,
        source: &dyn Source,
        ops: &[SignalOp],
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let file = open(source, cx.limits)?;
        let page = page::walk(&file, cx.limits)?.first;
        let mut update = update::Update::new(&file);
        let mut placed = Vec::new();
        for op in ops {
            match op {
                SignalOp::Label(spec) => {
                    placed.push(Placed::Label(label::place(&file, &page, spec, &mut update)?));
                }
                _ => return Err(Error::unsupported(ID, "no watermark is defined for paged documents")),
            }
        }
        let mut patch = Patch::new();
        if !update.is_empty() {
            signature::may_be_changed(&file)?;
            patch.insert(source.len(), update.bytes()?);
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
        let file = open(source, cx.limits)?;
        let page = page::walk(&file, cx.limits)?.first;
        reading::observe(&file, &page, queries)
    }
}

fn open<'a>(source: &'a dyn Source, limits: &Limits) -> Result<File<'a>> {
    let data = source.all(limits.input_bytes.min(MAX_BYTES)).map_err(|e| e.in_format(ID))?;
    File::open(data, limits)
}

/// Points with one decimal, for people.
fn round(points: f32) -> f32 {
    (points * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
