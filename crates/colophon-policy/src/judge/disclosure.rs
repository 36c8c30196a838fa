//! What the rules outside China ask a mark to tell, whichever mark tells it.

use colophon_core::{AigcEvidence, Evidence, ManifestEvidence, MarkKind, Outcome, State};

use super::{Examined, Ruling, machine_readable, manifests, of};
use crate::profile::Part;

/// One part of a latent disclosure. A manifest that does not hold tells nothing; unsigned metadata does.
pub(super) fn part(part: Part, x: &Examined<'_>) -> Ruling {
    for (i, f, e) in manifests(x) {
        if let Some(e) = e.filter(|_| f.state.is_there())
            && let Some(value) = from_manifest(part, e)
        {
            return Ruling::new(Outcome::Pass, format!("the manifest says {value}")).on([i]);
        }
    }
    for (i, f) in of(x, |f| f.kind == MarkKind::Metadata && f.state.is_there()) {
        let value = match &f.evidence {
            Some(Evidence::Aigc(e)) => from_aigc(part, e),
            Some(Evidence::SourceType(e)) if part == Part::Operation => operation(&e.code).map(str::to_owned),
            _ => None,
        };
        if let Some(value) = value {
            return Ruling::new(Outcome::Pass, format!("{} says {value}", f.mark)).on([i]);
        }
    }
    let what = match part {
        Part::Provider => "the name of the provider",
        Part::System => "the name of the system",
        Part::Version => "the version of the system",
        Part::Time => "time and date of creation or alteration",
        Part::Id => "a unique identifier",
        Part::Operation => "whether the content was created or altered",
    };
    Ruling::new(Outcome::Fail, format!("no mark tells {what}"))
}

fn from_manifest(part: Part, e: &ManifestEvidence) -> Option<String> {
    let record = e.record.as_ref();
    let generator = record.and_then(|r| r.generator.as_ref());
    let software = e.software.as_deref();
    match part {
        Part::Provider => record
            .and_then(|r| r.producer.clone())
            .or_else(|| e.signer.as_ref().and_then(|s| s.organisation.clone())),
        Part::System => generator
            .map(|g| g.name.clone())
            .or_else(|| software.map(|s| s.split_once('/').map_or(s, |(name, _)| name).to_owned())),
        Part::Version => generator
            .and_then(|g| g.version.clone())
            .or_else(|| software.and_then(|s| s.split_once('/')).map(|(_, v)| v.to_owned())),
        Part::Time => record
            .map(|r| r.time.clone())
            .or_else(|| e.when.clone())
            .or_else(|| e.signer.as_ref().and_then(|s| s.time.clone())),
        Part::Id => record.map(|r| r.content_id.clone()).or_else(|| e.active.clone()),
        Part::Operation => e.source_type.as_deref().and_then(operation).map(str::to_owned),
    }
    .filter(|v| !v.is_empty())
}

fn from_aigc(part: Part, e: &AigcEvidence) -> Option<String> {
    match part {
        Part::Provider => Some(e.content_producer.clone()),
        Part::Id => Some(e.produce_id.clone()),
        _ => None,
    }
    .filter(|v| !v.is_empty())
}

/// `created` or `altered`, from an IPTC code.
fn operation(code: &str) -> Option<&'static str> {
    match code {
        "trainedAlgorithmicMedia" | "trainedAlgorithmicData" | "algorithmicMedia" => Some("created"),
        "compositeWithTrainedAlgorithmicMedia" | "compositeSynthetic" => Some("altered"),
        _ => None,
    }
}

/// A signed manifest that holds, or a watermark.
pub(super) fn durable(x: &Examined<'_>) -> Ruling {
    let held = of(x, |f| {
        f.kind == MarkKind::Manifest && matches!(f.state, State::Valid | State::Trusted)
            || f.kind == MarkKind::Watermark && f.state.is_there()
    });
    if held.is_empty() {
        let why = "neither a signed manifest that holds nor a watermark was found";
        return Ruling::new(Outcome::Fail, why);
    }
    let names: Vec<&str> = held.iter().map(|(_, f)| f.mark.as_str()).collect();
    Ruling::new(Outcome::Pass, names.join(", ")).on(held.iter().map(|(i, _)| *i))
}

/// C2PA or IPTC.
pub(super) fn open_standard(x: &Examined<'_>) -> Ruling {
    let found = of(x, |f| {
        f.state.is_there() && (f.kind == MarkKind::Manifest || f.mark == "iptc.digital-source-type")
    });
    match found.first() {
        Some((i, f)) => Ruling::new(Outcome::Pass, format!("{} is there", f.mark)).on([*i]),
        None => Ruling::new(Outcome::Fail, "neither C2PA nor IPTC metadata that holds was found"),
    }
}

/// A label people notice, or a mark machines read.
pub(super) fn disclosed(x: &Examined<'_>) -> Ruling {
    if let Some((i, _)) = of(x, |f| f.kind == MarkKind::Label && f.state.is_there()).first() {
        return Ruling::new(Outcome::Pass, "a label is there").on([*i]);
    }
    let machine = machine_readable(x);
    if machine.outcome == Outcome::Pass {
        return machine;
    }
    Ruling::new(Outcome::Fail, "neither a label nor a machine-readable mark was found")
}
