//! Marking: probe, inspect, plan, content, metadata, record, signature, read back.

use std::io::Write;

use colophon_core::{
    Declaration, Edit, Error, ErrorKind, Existing, Format, LabelRecord, Layout, Mark, Placed, Plan, PlanNote,
    RECORD_SCHEMA, Record, RenderCx, Report, Result, SealAct, SealCx, SignalOp, Signer, Slot, Source, Stage,
    Step, WatermarkRecord, WatermarkSpec, WriteCx, sha256_hex,
};
use colophon_policy::{Overrides, Profile};
use sha2::{Digest, Sha256};

use crate::beside::beside;
use crate::existing::{self, Incoming};
use crate::reading::{Depth, Opened};
use crate::writing::{self, Written};
use crate::{Options, Profiles, check, registry, watermark};

/// Marked content.
#[derive(Clone, Debug)]
pub struct Marked {
    /// The marked bytes.
    pub bytes: Vec<u8>,
    /// The manifest store to be kept beside the file, for formats that cannot embed one.
    pub sidecar: Option<Vec<u8>>,
    /// What was done.
    pub plan: Plan,
    /// What was recorded and, with a manifest, signed.
    pub record: Record,
    /// What our own reader found in the result, before it was handed out.
    pub report: Report,
}

/// What marking would do to an input.
///
/// # Errors
/// As [`mark`], without those of encoding and signing.
pub fn plan(input: &[u8], declaration: &Declaration, profiles: &Profiles, options: &Options) -> Result<Plan> {
    let opened = Opened::open(&input, options)?;
    make_plan(&opened, declaration, profiles, options)
}

/// Quality at which a picture is coded when the watermark was lost in coding it as its source was.
const BETTER: u8 = 90;

/// Marks an input with everything its profiles ask for, and reads the result back before handing it out.
///
/// A picture whose watermark was lost because it is coded as coarsely as its source is coded once more at a quality of 90; the
/// plan's notes say so.
///
/// # Errors
/// * `Policy`: an override would break a profile.
/// * `Conflict`: a mark is there already and [`Existing::Refuse`] was asked.
/// * `Key`: a manifest is planned and there is no signer, or it failed.
/// * `Check`: the result does not read back as planned.
/// * `Malformed`, `Unsupported`, `Limit`, `MissingTool`: the input cannot be handled; nothing is returned.
pub fn mark(
    input: &[u8],
    declaration: &Declaration,
    profiles: &Profiles,
    signer: Option<&dyn Signer>,
    options: &Options,
) -> Result<Marked> {
    let opened = Opened::open(&input, options)?;
    let asked = declaration;
    let given = declaration.content_id.is_some();
    let mut declaration = complete(declaration, options);
    let mut plan = make_plan(&opened, &declaration, profiles, options)?;
    let signer = match (plan.manifest, signer) {
        (true, None) => {
            return Err(Error::new(ErrorKind::Key, "a manifest is planned and there is no signing key"));
        }
        (false, _) => None,
        (true, some) => some,
    };
    let incoming = existing::survey(&opened, &input, &mut plan, options)?;
    if let Some(id) = incoming.content_id(&declaration).filter(|_| !given && plan.existing == Existing::Keep)
    {
        // The label that is kept has a number already; record and watermark go by the same.
        declaration.content_id = Some(id);
    }

    let ops = opened.signal_ops(&declaration, &plan, signer, options)?;
    let mut canvas = Vec::with_capacity(if ops.is_empty() { 0 } else { input.len() + input.len() / 8 });
    let (before, rendered) = beside(
        input.len() as u64,
        || sha256_hex(input),
        || opened.render(&input, ops, &mut plan, &incoming, options, &mut canvas),
    );
    let (before, rendered) = (Some(before), rendered?);
    let (format, limits) = (opened.format, &options.limits);
    let (content, layout) = if rendered.changed {
        (canvas.as_slice(), format.inspect(&canvas, limits)?)
    } else {
        (input, opened.layout)
    };
    let edits = metadata_edits(format, layout, &declaration, &plan, signer, options)?;
    let record = record(&declaration, &plan, rendered.labels, rendered.watermarks, before, options);
    let parent: &dyn Source = &input;
    let seal = signer.map(|signer| SealCx {
        source: &content,
        parent: incoming.manifest.then_some(parent),
        parent_sidecar: options.sidecar.as_deref(),
        format,
        act: SealAct::Marked,
        declaration: &declaration,
        plan: &plan,
        record: &record,
        signer,
        limits,
        now: &options.now,
    });
    let Written { content: bytes, sidecar, binding } =
        writing::to_memory(content, format, edits, seal, limits)?;
    // what reading back takes can have this memory
    drop(canvas);
    let sidecar = sidecar.or_else(|| incoming.left_beside(signer.is_some(), format, options));
    let read = Options { sidecar: sidecar.clone(), ..options.reading_own_marks() };
    let depth = Depth::Written { label: plan.label.is_some(), watermark: plan.watermark };
    let report = Opened::open(&bytes, &read)
        .and_then(|opened| Opened { binding, ..opened }.judged(&bytes, profiles, &read, depth))
        .map_err(|e| Error::new(ErrorKind::Check, "the result cannot be read back").because(e))?;
    let lossy = format.codes_with_loss() && options.tools.picture.least_quality.is_none();
    if lossy && rendered.changed && plan.watermark && !check::watermark_reads(&record, &report) {
        let mut better = options.clone();
        better.tools.picture.least_quality = Some(BETTER);
        let mut marked = mark(input, asked, profiles, signer, &better)?;
        let text = format!("coded at quality {BETTER}: coded as its source was, the watermark was lost");
        marked.plan.notes.push(PlanNote { code: "coded-better".to_owned(), text });
        return Ok(marked);
    }
    check::against_plan(&plan, &declaration, &record, &incoming.findings, &report)?;
    Ok(Marked { bytes, sidecar, plan, record, report })
}

/// Fills in what the run supplies: a content id from its randomness.
pub(crate) fn complete(declaration: &Declaration, options: &Options) -> Declaration {
    let mut d = declaration.clone();
    d.content_id.get_or_insert_with(|| uuid(&options.seed, options.hint.as_deref()));
    d
}

/// A version 4 UUID (RFC 9562) from the run's randomness. The name takes part, so that one seed serves a batch.
fn uuid(seed: &[u8; 32], name: Option<&str>) -> String {
    let digest = Sha256::new().chain_update(seed).chain_update(name.unwrap_or_default()).finalize();
    let mut b: Vec<u8> = digest.iter().take(16).copied().collect();
    if let Some(v) = b.get_mut(6) {
        *v = *v & 0x0f | 0x40;
    }
    if let Some(v) = b.get_mut(8) {
        *v = *v & 0x3f | 0x80;
    }
    let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
    let part = |range| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

pub(crate) fn make_plan(
    opened: &Opened,
    declaration: &Declaration,
    profiles: &Profiles,
    options: &Options,
) -> Result<Plan> {
    let info = opened.format.info();
    let over =
        Overrides { watermark_unavailable: !watermark::supported(info.media), ..options.overrides.clone() };
    let list: Vec<&Profile> = profiles.iter().collect();
    let mut plan = colophon_policy::plan(&list, info, declaration, &over)?;
    if plan.manifest && !cfg!(feature = "c2pa") {
        plan.manifest = false;
        plan.notes.push(PlanNote {
            code: "no-manifest".to_owned(),
            text: "this build writes no manifests; build it with the feature c2pa".to_owned(),
        });
    }
    if plan.manifest {
        plan.notes.push(PlanNote {
            code: "manifest-carrier".to_owned(),
            text: format!("the manifest is {}", watermark::carrier_words(info.carrier)),
        });
    }
    Ok(plan)
}

/// The record of a marking.
pub(crate) fn record(
    declaration: &Declaration,
    plan: &Plan,
    labels: Vec<LabelRecord>,
    watermarks: Vec<WatermarkRecord>,
    sha256_before: Option<String>,
    options: &Options,
) -> Record {
    Record {
        schema: RECORD_SCHEMA.to_owned(),
        content_id: declaration.content_id.clone().unwrap_or_default(),
        producer: declaration.producer.clone(),
        origin: declaration.origin,
        generator: declaration.generator.clone(),
        time: declaration.produced_at.clone().unwrap_or_else(|| options.now.clone()),
        time_source: if declaration.produced_at.is_some() { "declaration" } else { "system-clock" }
            .to_owned(),
        profiles: plan.profiles.clone(),
        labels,
        watermarks,
        sha256_before,
    }
}

/// The mark that signs.
///
/// # Errors
/// `Unsupported` in a build without.
pub(crate) fn sealer() -> Result<&'static dyn Mark> {
    registry().marks().iter().copied().find(|m| m.info().stage == Stage::Seal).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "this build writes no manifests; build it with the feature c2pa")
    })
}

/// What rendering made.
pub(crate) struct Rendered {
    /// Whether anything was: the content was not touched otherwise.
    pub(crate) changed: bool,
    pub(crate) labels: Vec<LabelRecord>,
    pub(crate) watermarks: Vec<WatermarkRecord>,
}

/// Where rendered content goes.
pub(crate) trait Rendering: Write {
    /// Forgets what was written.
    fn restart(&mut self) -> std::io::Result<()>;
}

impl Rendering for Vec<u8> {
    fn restart(&mut self) -> std::io::Result<()> {
        self.clear();
        Ok(())
    }
}

impl Opened {
    /// What is to be done to the content.
    pub(crate) fn signal_ops(
        &self,
        declaration: &Declaration,
        plan: &Plan,
        signer: Option<&dyn Signer>,
        options: &Options,
    ) -> Result<Vec<SignalOp>> {
        let mut ops: Vec<SignalOp> = Vec::new();
        if plan.watermark {
            let key_id = signer.map(Signer::key_id);
            ops.push(SignalOp::Watermark(WatermarkSpec {
                payload: watermark::payload(key_id.as_deref(), declaration),
                key: options.watermark_key.clone(),
                strength: options.watermark_strength.clone(),
            }));
        }
        let cx = WriteCx {
            declaration,
            plan,
            format: self.format,
            layout: &self.layout,
            limits: &options.limits,
            signer,
        };
        for mark in registry().marks().iter().filter(|m| m.info().stage == Stage::Signal) {
            for step in mark.write(&cx)? {
                if let Step::Signal(op) = step {
                    ops.push(op);
                }
            }
        }
        Ok(ops)
    }

    /// Label and watermark, in one decode and one encode.
    pub(crate) fn render(
        &self,
        input: &dyn Source,
        mut ops: Vec<SignalOp>,
        plan: &mut Plan,
        incoming: &Incoming,
        options: &Options,
        to: &mut dyn Rendering,
    ) -> Result<Rendered> {
        let (labels, watermarks) = incoming.spare(&mut ops);
        let mut out = Rendered { changed: false, labels, watermarks };
        let cx = RenderCx { limits: &options.limits, tools: &options.tools };
        let placed = loop {
            if ops.is_empty() {
                return Ok(out);
            }
            match self.format.render(input, &ops, &cx, &mut *to) {
                Ok(placed) => {
                    out.changed = true;
                    break placed;
                }
                // What cannot carry a watermark says so; with best effort the rest is done without it.
                Err(e) if options.best_effort && plan.watermark => {
                    plan.watermark = false;
                    plan.notes.push(PlanNote { code: "no-watermark".to_owned(), text: e.to_string() });
                    ops.retain(|op| !matches!(op, SignalOp::Watermark(_)));
                }
                Err(e) if options.best_effort && plan.label.is_some() => {
                    plan.label = None;
                    plan.notes.push(PlanNote { code: "no-label".to_owned(), text: e.to_string() });
                    ops.clear();
                }
                Err(e) => return Err(e),
            }
            to.restart()?;
        };
        for p in placed {
            match p {
                Placed::Label(l) => out.labels.push(l),
                Placed::Watermark(w) => out.watermarks.push(w),
                Placed::Note(note) => plan.notes.push(note),
                _ => {}
            }
        }
        Ok(out)
    }
}

/// What all metadata marks write into a file of this layout. Each mark sees what the marks before it are about to write.
pub(crate) fn metadata_edits(
    format: &'static dyn Format,
    mut layout: Layout,
    declaration: &Declaration,
    plan: &Plan,
    signer: Option<&dyn Signer>,
    options: &Options,
) -> Result<Vec<Edit>> {
    let mut edits: Vec<Edit> = Vec::new();
    for mark in registry().marks().iter().filter(|m| m.info().stage == Stage::Metadata) {
        let limits = &options.limits;
        let cx = WriteCx { declaration, plan, format, layout: &layout, limits, signer };
        let steps = mark.write(&cx)?;
        for step in steps {
            if let Step::Edit(edit) = step {
                foresee(&mut layout, &edit);
                edits.retain(|e| !same_target(e, &edit));
                edits.push(edit);
            }
        }
    }
    Ok(edits)
}

/// Changes the walk's result as the edit will change the file.
fn foresee(layout: &mut Layout, edit: &Edit) {
    match edit {
        Edit::Remove { range } => layout.entries.retain(|e| e.range != *range),
        Edit::Set { slot, key, value } => {
            let same = |e: &colophon_core::Entry| e.slot == *slot && (e.key == *key || *slot == Slot::Xmp);
            match layout.entries.iter_mut().find(|e| same(e) && e.normative) {
                Some(e) => e.value.clone_from(value),
                None => layout.entries.push(colophon_core::Entry {
                    slot: *slot,
                    key: key.clone(),
                    value: value.clone(),
                    place: String::new(),
                    range: 0..0,
                    normative: true,
                }),
            }
        }
    }
}

fn same_target(a: &Edit, b: &Edit) -> bool {
    match (a, b) {
        (Edit::Set { slot, key, .. }, Edit::Set { slot: s, key: k, .. }) => (slot, key) == (s, k),
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_id_is_a_version_4_uuid_and_depends_on_seed_and_name() {
        let id = uuid(&[1; 32], Some("a.png"));
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_ne!(id, uuid(&[1; 32], Some("b.png")));
        assert_ne!(id, uuid(&[2; 32], Some("a.png")));
        assert_eq!(id, uuid(&[1; 32], Some("a.png")));
    }
}
