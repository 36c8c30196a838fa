//! `colophon propagate`.

use colophon::exit::Exit;
use colophon::{Propagated, Propagation, Signer, UploadClass};
use serde_json::json;

use crate::advice::Failure;
use crate::args::PropagateArgs;
use crate::config::Config;
use crate::files::{self, Input};
use crate::output::{human, json};
use crate::signer;

pub(super) fn run(args: &PropagateArgs) -> Result<Exit, Failure> {
    let config = Config::load()?;
    let platform = args.platform.clone().or_else(|| config.platform.clone()).ok_or_else(|| {
        Failure::usage("the platform has no name").hint(
            "name it with --platform, or as `platform` in colophon.toml: its name, or its 27-character code",
        )
    })?;
    let output = if args.in_place { Some(&args.input) } else { args.output.as_ref() };
    if let Some(path) = output.filter(|p| !args.in_place && !args.force && p.exists()) {
        let e = colophon::Error::new(colophon::ErrorKind::Conflict, "the output exists already");
        return Err(Failure::from(e).on(path).hint("overwrite it with --force"));
    }
    let mut options = super::options(&args.limit)?;
    let input = Input { path: args.input.clone(), relative: args.input.clone() };
    options.hint = Some(args.input.display().to_string());
    if let Some(path) = files::sidecar_of(&args.input) {
        options.sidecar = Some(std::fs::read(&path).map_err(|e| Failure::from(e).on(&path))?);
    }
    let bytes = input.read(options.limits.input_bytes)?;
    let signer = signer::load(&args.key, &config)?;
    let propagation = Propagation { platform, content_id: args.content_id.clone(), declared: args.declared };
    let done = colophon::propagate(&bytes, &propagation, signer.as_ref().map(|s| s as &dyn Signer), &options)
        .map_err(|e| Failure::from(e).on(&args.input))?;
    let mut written = None;
    if let (Some(bytes), Some(path)) = (&done.bytes, output) {
        if let Some(store) = &done.sidecar {
            files::write_atomically(&files::appended(path, ".c2pa"), store, true)?;
        }
        files::write_atomically(path, bytes, args.force || args.in_place)?;
        written = Some(path.display().to_string());
    }
    show(args, &done, written.as_deref());
    Ok(if done.class == UploadClass::NotFound { Exit::Finding } else { Exit::Ok })
}

fn show(args: &PropagateArgs, done: &Propagated, written: Option<&str>) {
    if args.json {
        json::pretty(&json!({
            "type": "propagated", "input": args.input.display().to_string(), "output": written,
            "class": done.class, "because": done.because, "label": done.class.attribute(),
            "notice": done.class.notice(), "notice_en": done.class.notice_en(), "note": done.note,
            "content_id": done.content_id, "report": done.report,
        }));
        return;
    }
    let class = match done.class {
        UploadClass::Confirmed => "confirmed",
        UploadClass::Possible => "possible",
        UploadClass::Suspected => "suspected",
        UploadClass::NotFound => "not found",
    };
    let word = if done.class == UploadClass::NotFound { human::Word::Unknown } else { human::Word::Ok };
    human::status(word, &args.input.display().to_string(), &format!("{class}: {}", done.because));
    if let (Some(zh), Some(en)) = (done.class.notice(), done.class.notice_en()) {
        human::plain(&format!("      notice   {zh}  ({en})"));
    }
    if let Some(path) = written {
        human::plain(&format!("      written  {path}"));
    }
    if let Some(note) = &done.note {
        human::plain(&format!("      note     {note}"));
    }
    if done.class == UploadClass::NotFound {
        human::plain("      absence of a mark is no evidence of how the content was made");
    }
}
