//! `colophon text label`: text in, labelled text out, in bounded memory.

use std::io::{Read, Write};
use std::path::Path;

use colophon::exit::Exit;
use colophon::{Error, ErrorKind};
use colophon_text::stream::{
    EventLabeller, Labeller, Outcome, Places, StreamKind, StreamOptions, Words, label_answer, label_page,
};

use super::tokens;
use crate::advice::Failure;
use crate::args::{TextKindArg, TextLabelArgs, TextPlaceArg};
use crate::files;
use crate::output::human;

/// Bytes read at a time.
const CHUNK: usize = 16 << 10;
/// Longest text of a kind that is not streamed, in bytes.
const MAX_WHOLE: u64 = 64 << 20;

pub(super) fn run(args: &TextLabelArgs) -> Result<Exit, Failure> {
    let kind = args.kind.unwrap_or_else(|| by_name(&args.input));
    if args.output.as_os_str() == "-" {
        let mut out = std::io::stdout().lock();
        return label(args, kind, &mut out);
    }
    if args.output.exists() && !args.force {
        let e = Error::new(ErrorKind::Conflict, "the output exists already");
        return Err(Failure::from(e).on(&args.output).hint("overwrite it with --force"));
    }
    let failed = |e: std::io::Error| Failure::from(e).on(&args.output);
    let dir = args.output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".colophon-").tempfile_in(dir).map_err(failed)?;
    let exit = label(args, kind, &mut file)?;
    files::keep_mode(&args.output, file.as_file());
    file.persist(&args.output).map_err(|e| failed(e.error))?;
    Ok(exit)
}

fn by_name(path: &Path) -> TextKindArg {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "md" | "markdown" | "mdx" => TextKindArg::Markdown,
        "html" | "htm" | "xhtml" => TextKindArg::Html,
        "srt" => TextKindArg::Srt,
        "vtt" => TextKindArg::Vtt,
        "json" => TextKindArg::Json,
        _ => TextKindArg::Plain,
    }
}

fn options(args: &TextLabelArgs, kind: TextKindArg) -> StreamOptions {
    StreamOptions {
        kind: match kind {
            // of a page, only the words matter
            TextKindArg::Plain | TextKindArg::Html => StreamKind::Plain,
            TextKindArg::Srt | TextKindArg::Vtt => StreamKind::Subtitles,
            // chat answers are Markdown
            TextKindArg::Markdown | TextKindArg::Json | TextKindArg::Sse => StreamKind::Markdown,
        },
        places: match args.at {
            TextPlaceArg::Start => Places::Start,
            TextPlaceArg::End => Places::End,
            TextPlaceArg::Both => Places::Both,
        },
        words: match (&args.words, args.language.as_str()) {
            (Some(words), _) => Words::Fixed(words.clone()),
            (None, "auto") => Words::OfText,
            (None, tag) => Words::Language(tag.to_owned()),
        },
    }
}

fn label(args: &TextLabelArgs, kind: TextKindArg, out: &mut dyn Write) -> Result<Exit, Failure> {
    let options = options(args, kind);
    let on = |e: Error| Failure::from(e).on(&args.input);
    let outcomes = match kind {
        TextKindArg::Json => {
            let answer = label_answer(&tokens::text(&args.input, MAX_WHOLE)?, &options).map_err(on)?;
            write(out, answer.json.as_bytes())?;
            answer.outcomes
        }
        TextKindArg::Html => {
            let (page, outcome) = label_page(&tokens::text(&args.input, MAX_WHOLE)?, &options).map_err(on)?;
            write(out, page.as_bytes())?;
            vec![outcome]
        }
        TextKindArg::Sse => {
            let mut labeller = EventLabeller::new(options).map_err(on)?;
            pump(&args.input, |bytes| {
                let passed = labeller.push(bytes).map_err(on)?;
                write(out, &passed)
            })?;
            let rest = labeller.finish().map_err(on)?;
            write(out, &rest)?;
            labeller.outcomes().into_iter().map(|(_, outcome)| outcome).collect()
        }
        _ => {
            let mut labeller = Labeller::new(options).map_err(on)?;
            pump(&args.input, |bytes| {
                let passed = labeller.push_bytes(bytes).map_err(on)?;
                write(out, passed.as_bytes())
            })?;
            let rest = labeller.finish().map_err(on)?;
            write(out, rest.as_bytes())?;
            vec![labeller.outcome()]
        }
    };
    Ok(report(args, &outcomes))
}

/// Nothing labelled is never passed over in silence.
fn report(args: &TextLabelArgs, outcomes: &[Outcome]) -> Exit {
    let bare = |o: &Outcome| matches!(o, Outcome::Structured | Outcome::Empty);
    if !outcomes.is_empty() && !outcomes.iter().any(bare) {
        return Exit::Ok;
    }
    let why = if outcomes.contains(&Outcome::Structured) {
        "a text is JSON, which words around it would break; it carries no label"
    } else {
        "there was no text to label"
    };
    human::error(&Failure::from(Error::new(ErrorKind::Unsupported, why)).on(&args.input));
    Exit::Partial
}

/// Reads to the end in pieces and hands each on at once.
fn pump(path: &Path, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::from(e).on(path);
    let mut input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(e)),
        };
        take(buffer.get(..n).unwrap_or_default())?;
    }
}

fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<(), Failure> {
    if bytes.is_empty() {
        return Ok(());
    }
    // a reader further on waits for every piece
    Ok(out.write_all(bytes).and_then(|()| out.flush())?)
}
