//! `colophon demo`: every sample marked, verified, and shown on one page.

use std::path::Path;
use std::process::{Command, Stdio};

use colophon::exit::Exit;
use colophon::sign::{CertifiedSigner, ChainRequest, KeyPair, make_chain};
use colophon::{Declaration, Generator, Media, Model, Options, Outcome, Profiles, Report, Signer};

use crate::advice::Failure;
use crate::args::DemoArgs;
use crate::files::{self, Input};
use crate::output::human;
use crate::output::page::{self, Item};

/// Fictional provider of the standards notes' example; the samples belong to nobody.
const PRODUCER: &str = "001191110000MA0000007710001";

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let named = files::Named { paths: std::slice::from_ref(&args.samples), lines: None, zeros: None };
    let inputs = files::collect(&named, true).map_err(|e| {
        e.on(&args.samples).hint("run it from the root of the repository, or name a directory with --samples")
    })?;
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::from(e).on(&args.out))?;
    let ids: Vec<&str> = args.profile.iter().map(String::as_str).collect();
    let profiles = Profiles::named(&ids)?;
    let (signer, root) = signer()?;
    let declaration = Declaration {
        producer: Some(PRODUCER.to_owned()),
        generator: Some(Generator { name: "colophon demo".to_owned(), version: Some("1".to_owned()) }),
        model: Some(Model { name: "none: drawn by a script".to_owned(), ..Model::default() }),
        ..Declaration::default()
    };
    let mut options = super::options(&[])?;
    options.trust.anchors_pem.push(root);
    let (mut items, mut exit) = (Vec::new(), Exit::Ok);
    for input in &inputs {
        let name = input.relative.display().to_string();
        match one(input, &args.out, &declaration, &profiles, &signer, &options) {
            Ok(item) => {
                let failed = item.report.count(Outcome::Fail);
                let word = if failed == 0 { human::Word::Ok } else { human::Word::Fail };
                human::status(word, &format!("{name:<14}"), &line(&item.report));
                if failed > 0 {
                    exit = exit.and(Exit::Finding);
                }
                items.push(item);
            }
            Err(e) => {
                human::error(&e);
                exit = exit.and(e.exit);
            }
        }
    }
    // What is seen first, then what is heard, then what is read.
    items.sort_by_key(|i| match i.report.subject.media {
        Media::Image => 0,
        Media::Video => 1,
        Media::Audio => 2,
        Media::Document => 3,
        Media::Text => 4,
    });
    let path = args.out.join("index.html");
    files::write_atomically(&path, page::render(&items).as_bytes(), true)?;
    human::plain(&format!(
        "\n{} of {} samples marked and read back; page: {}",
        items.len(),
        inputs.len(),
        path.display()
    ));
    Ok(exit)
}

/// A key for this run only: the demo leaves no key behind.
fn signer() -> Result<(CertifiedSigner, String), Failure> {
    let (root, leaf) = (KeyPair::generate()?, KeyPair::generate()?);
    let chain = make_chain(&root, &leaf, &ChainRequest::new("Colophon demo", 30)?)?;
    Ok((CertifiedSigner::new(leaf, &chain.leaf_pem)?, chain.root_pem))
}

fn one(
    input: &Input,
    out: &Path,
    declaration: &Declaration,
    profiles: &Profiles,
    signer: &CertifiedSigner,
    options: &Options,
) -> Result<Item, Failure> {
    let run = || -> Result<Item, Failure> {
        let bytes = input.read(options.limits.input_bytes)?;
        let name = input.relative.display().to_string();
        let options = options.clone().with_name(&*name);
        let marked = colophon::mark(&bytes, declaration, profiles, Some(signer as &dyn Signer), &options)?;
        let path = out.join(&input.relative);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        files::write_atomically(&path, &marked.bytes, true)?;
        if let Some(store) = &marked.sidecar {
            files::write_atomically(&files::appended(&path, ".c2pa"), store, true)?;
        }
        // What stands on the page is read from the file that was written, not from memory.
        let written = Input { path: path.clone(), relative: input.relative.clone() }
            .read(options.limits.input_bytes)?;
        let sidecar = marked.sidecar.clone();
        let report = colophon::verify(&written, profiles, &Options { sidecar, ..options })?;
        files::write_atomically(
            &files::appended(&path, ".report.json"),
            &serde_json::to_vec_pretty(&report).map_err(|e| Failure::usage(e.to_string()))?,
            true,
        )?;
        let preview = first_page(&path, report.subject.media);
        Ok(Item { name, bytes: written, before: bytes.len() as u64, preview, record: marked.record, report })
    };
    run().map_err(|e| e.on(&input.path))
}

/// The first page of a document as a PNG picture, where poppler is installed; the page then shows what a reader shows, and
/// not our own idea of it.
fn first_page(path: &Path, media: Media) -> Option<Vec<u8>> {
    if media != Media::Document {
        return None;
    }
    let done = Command::new("pdftoppm")
        .args(["-png", "-singlefile", "-r", "110", "-f", "1", "-l", "1"])
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    (done.status.success() && done.stdout.starts_with(b"\x89PNG")).then_some(done.stdout)
}

fn line(report: &Report) -> String {
    let count = |o| report.count(o);
    format!(
        "{} · {} pass, {} fail, {} n/a, {} undetermined",
        human::summary(report),
        count(Outcome::Pass),
        count(Outcome::Fail),
        count(Outcome::NotApplicable),
        count(Outcome::Undetermined)
    )
}
