//! `colophon propagate`.

use std::path::PathBuf;

use colophon::exit::Exit;
use colophon::{Options, Propagated, PropagatedFile, Propagation, Signer, UploadClass};
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
    let signer = signer::load(&args.key, &config)?;
    let signer = signer.as_ref().map(|s| s as &dyn Signer);
    let propagation = Propagation { platform, content_id: args.content_id.clone(), declared: args.declared };
    let failed = |e: colophon::Error| Failure::from(e).on(&args.input);
    let overwrite = args.force || args.in_place;
    let done = if let Some(done) = large(args, &input, output, &propagation, signer, &options)? {
        done
    } else {
        let bytes = input.read(options.limits.input_bytes)?;
        let done = colophon::propagate(&bytes, &propagation, signer, &options).map_err(failed)?;
        let Propagated { class, because, bytes, sidecar, note, content_id, report } = done;
        if let (Some(bytes), Some(path)) = (&bytes, output) {
            if let Some(store) = &sidecar {
                files::write_atomically(&files::appended(path, ".c2pa"), store, true)?;
            }
            files::write_atomically(path, bytes, overwrite)?;
        }
        let written = bytes.is_some() && output.is_some();
        PropagatedFile { class, because, written, sidecar, note, content_id, report }
    };
    let written = output.filter(|_| done.written).map(|path| path.display().to_string());
    show(args, &done, written.as_deref());
    Ok(if done.class == UploadClass::NotFound { Exit::Finding } else { Exit::Ok })
}

/// From file to file, for formats whose content need not be held in memory; `None` for the others.
fn large(
    args: &PropagateArgs,
    input: &Input,
    output: Option<&PathBuf>,
    propagation: &Propagation,
    signer: Option<&dyn Signer>,
    options: &Options,
) -> Result<Option<PropagatedFile>, Failure> {
    let failed = |e: colophon::Error| Failure::from(e).on(&args.input);
    let Some(source) = input.file() else { return Ok(None) };
    let format = colophon::registry().probe_source(&source, options.hint.as_deref()).map_err(failed)?;
    if !format.is_some_and(colophon::Format::streams) {
        return Ok(None);
    }
    let file = output.map(|path| files::pending(path)).transpose()?;
    let to = file.as_ref().map(tempfile::NamedTempFile::as_file);
    let done = colophon::propagate_file(&source, to, propagation, signer, options).map_err(failed)?;
    if let (Some(done), Some(file), Some(path)) = (done.as_ref().filter(|d| d.written), file, output) {
        files::place(file, path, done.sidecar.as_deref(), args.force || args.in_place)?;
    }
    Ok(done)
}

fn show(args: &PropagateArgs, done: &PropagatedFile, written: Option<&str>) {
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
