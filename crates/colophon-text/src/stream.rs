//! Labels for text that is still being written: chunks in, chunks out, the label once.
//!
//! | input | labeller |
//! |---|---|
//! | plain text, Markdown, subtitles in chunks | [`Labeller`] |
//! | a JSON answer of a chat service, whole | [`label_answer`] |
//! | an HTML page, whole | [`label_page`] |
//! | server-sent events of a chat service | [`EventLabeller`] |
//!
//! The output does not depend on how the input was cut into chunks. A little of the beginning is held back until its
//! language and an existing label can be told; after that every chunk passes at once. What was written is never
//! changed: a label is put before the text (behind front matter) or after it.

mod answer;
mod events;
mod language;
mod page;
mod tail;

pub use answer::{Answer, label_answer};
pub use events::EventLabeller;
pub use language::language_of;
pub use page::label_page;

use colophon_core::{Error, ErrorKind, Result};
use colophon_label::{wording, written};

use crate::front_matter::FrontMatter;
use crate::subtitles::cue_start;
use tail::Tail;

/// Characters after which the beginning is known well enough: the language, and whether a label stands there.
const HEAD_CHARACTERS: usize = 160;
/// Lines that are not empty after which it is, too; as far as a label line is looked for.
const HEAD_LINES: usize = 5;
/// Longest front matter that is waited for, in bytes. What is longer is text.
const MAX_FRONT_MATTER: usize = 64 << 10;
/// Lines before the first cue of subtitles that are waited for, in bytes.
const MAX_CUE_HEAD: usize = 64 << 10;

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Plain text.
    Plain,
    /// Markdown: behind front matter, as a quotation, never inside a code block.
    Markdown,
    /// Subtitles, SubRip or WebVTT: the first line of the first cue, whatever place is asked for, so that times and
    /// numbers stay.
    Subtitles,
}

/// Where the label goes (GB 45438-2025, 5.1: start, end, or a suitable middle place).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// Before the text.
    Start,
    /// After it.
    End,
    /// Both.
    Both,
}

/// What the label says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// These words. Only the same words count as the label that is there already.
    Fixed(String),
    /// The wording of a language (BCP 47); any label that is there already is enough.
    Language(String),
    /// The wording of the language the text begins in: Chinese, Japanese, Korean, else English; any label that is
    /// there already is enough.
    OfText,
}

/// How a stream is labelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// What the stream holds.
    pub kind: StreamKind,
    /// Where the label goes.
    pub places: Places,
    /// What it says.
    pub words: Words,
}

/// What became of the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was added, at one place or two.
    Added,
    /// It was there.
    Present,
    /// The text is JSON by its beginning, which words around it would break; it carries no label.
    Structured,
    /// There was no text, or nothing of it that could carry a label.
    Empty,
}

impl StreamOptions {
    fn check(&self) -> Result<()> {
        let usage = |text: String| Err(Error::new(ErrorKind::Usage, text));
        match &self.words {
            Words::Fixed(words) if words.trim().is_empty() || words.contains(['\n', '\r']) => {
                usage("the label's words must be one line that is not empty".to_owned())
            }
            Words::Language(tag) if wording::localized(tag, false).is_none() => {
                usage(format!("no label wording for the language {tag:?}"))
            }
            _ => Ok(()),
        }
    }

    /// The words for a text that begins like this.
    fn words(&self, head: &str) -> String {
        let localized = |tag| wording::localized(tag, false).unwrap_or("AI GENERATED").to_owned();
        match &self.words {
            Words::Fixed(words) => words.trim().to_owned(),
            Words::Language(tag) => localized(tag),
            Words::OfText => localized(language_of(head)),
        }
    }

    /// Whether a label line that was found is the one asked for.
    fn accepts(&self, found: &str) -> bool {
        match &self.words {
            Words::Fixed(words) => found == words.trim(),
            _ => written::is_label(found),
        }
    }
}

/// Labels one text as it comes in.
#[derive(Debug)]
pub struct Labeller {
    options: StreamOptions,
    state: State,
    /// Bytes of an unfinished character, for [`Self::push_bytes`].
    partial: Vec<u8>,
    /// Bytes taken by [`Self::push_bytes`], for errors.
    taken: u64,
    outcome: Outcome,
}

#[derive(Debug)]
enum State {
    /// The beginning is being collected.
    Head(String),
    /// Text passes.
    Body(Box<Body>),
}

#[derive(Debug)]
struct Body {
    words: String,
    line_end: &'static str,
    /// A label is to be added after the text unless one is there.
    wants_end: bool,
    tail: Tail,
}

impl Labeller {
    /// A labeller for one text.
    ///
    /// # Errors
    /// `Usage` for words that are no line and for a language without wording.
    pub fn new(options: StreamOptions) -> Result<Self> {
        options.check()?;
        Ok(Self {
            options,
            state: State::Head(String::new()),
            partial: Vec::new(),
            taken: 0,
            outcome: Outcome::Empty,
        })
    }

    /// Takes a chunk and gives what can be passed on.
    pub fn push(&mut self, chunk: &str) -> String {
        match &mut self.state {
            State::Body(body) => {
                body.tail.push(chunk);
                chunk.to_owned()
            }
            State::Head(head) => {
                // character by character, so that the decision is made at the same place for any chunking
                for (at, c) in chunk.char_indices() {
                    head.push(c);
                    if is_complete(head, c, self.options.kind) {
                        let head = std::mem::take(head);
                        let mut out = self.decide(&head);
                        out.push_str(&self.push(chunk.get(at + c.len_utf8()..).unwrap_or_default()));
                        return out;
                    }
                }
                String::new()
            }
        }
    }

    /// Takes a chunk that may end inside a character.
    ///
    /// # Errors
    /// `Malformed` naming the first byte that is not UTF-8.
    pub fn push_bytes(&mut self, chunk: &[u8]) -> Result<String> {
        self.partial.extend_from_slice(chunk);
        let bytes = std::mem::take(&mut self.partial);
        let valid = match std::str::from_utf8(&bytes) {
            Ok(_) => bytes.len(),
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            Err(e) => return Err(not_utf8(self.taken + e.valid_up_to() as u64)),
        };
        let (text, rest) = bytes.split_at(valid);
        self.partial = rest.to_vec();
        self.taken += valid as u64;
        Ok(self.push(std::str::from_utf8(text).unwrap_or_default()))
    }

    /// Ends the text and gives the rest of it.
    ///
    /// # Errors
    /// `Malformed` if [`Self::push_bytes`] was left inside a character.
    pub fn finish(&mut self) -> Result<String> {
        if !self.partial.is_empty() {
            return Err(not_utf8(self.taken));
        }
        let mut out = String::new();
        if let State::Head(head) = &mut self.state {
            let head = std::mem::take(head);
            out = self.decide(&head);
        }
        if let State::Body(body) = &mut self.state
            && std::mem::take(&mut body.wants_end)
        {
            let end = body.tail.finish(&self.options, &body.words, body.line_end);
            self.outcome = if end.is_empty() { self.outcome } else { Outcome::Added };
            out.push_str(&end);
        }
        Ok(out)
    }

    /// What became of the label so far.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Chooses words and places from the beginning of the text, and passes the beginning on.
    fn decide(&mut self, head: &str) -> String {
        let options = &self.options;
        let body_at = body_start(head, options.kind);
        let (before, body) = head.split_at_checked(body_at).unwrap_or((head, ""));
        let words = options.words(body);
        let line_end = written::line_end(head);
        let mut tail = Tail::new(options.kind == StreamKind::Markdown);
        tail.push(body);
        let structured = options.kind != StreamKind::Subtitles && looks_like_json(body);
        let empty = body.trim().is_empty();
        let found = first_label(body, options.kind).is_some_and(|l| options.accepts(l));
        let subtitles = options.kind == StreamKind::Subtitles;
        // front matter that was too long to wait for: nothing may stand before it
        let no_start = options.kind == StreamKind::Markdown
            && head.len() >= MAX_FRONT_MATTER
            && may_be_front_matter(body);
        let wants_start = (options.places != Places::End || subtitles) && !no_start;
        let adds_start = wants_start && !found && !structured && !empty;
        let is_two = options.places == Places::Both && !subtitles;
        self.outcome = match () {
            () if structured => Outcome::Structured,
            () if empty => Outcome::Empty,
            () if adds_start => Outcome::Added,
            () if found => Outcome::Present,
            () => Outcome::Empty,
        };
        let wants_end = !structured
            && !empty
            && !subtitles
            // a label at the start is enough where one place was asked for
            && (is_two || ((options.places == Places::End || no_start) && !found));
        let label = match options.kind {
            _ if !adds_start => String::new(),
            StreamKind::Plain => format!("{words}{line_end}{line_end}"),
            StreamKind::Markdown => format!("> {words}{line_end}{line_end}"),
            StreamKind::Subtitles => format!("{words}{line_end}"),
        };
        let out = format!("{before}{label}{body}");
        self.state = State::Body(Box::new(Body { words, line_end, wants_end, tail }));
        out
    }
}

fn not_utf8(at: u64) -> Error {
    Error::new(ErrorKind::Malformed, "the text is not UTF-8").at_offset(at)
}

/// Whether the beginning tells enough; `last` is the character that was just added.
fn is_complete(head: &str, last: char, kind: StreamKind) -> bool {
    if kind == StreamKind::Subtitles {
        // the first line of the first cue, whole
        return head.len() >= MAX_CUE_HEAD
            || (last == '\n' && cue_start(head).is_some_and(|at| at < head.len()));
    }
    let start = bom_len(head);
    let mut at = start;
    if kind == StreamKind::Markdown && may_be_front_matter(head.get(start..).unwrap_or_default()) {
        match FrontMatter::find(head, start) {
            Some(front) => at = front.body,
            None => return head.len() >= MAX_FRONT_MATTER,
        }
    }
    let body = head.get(at..).unwrap_or_default();
    (last == '\n' && body.lines().filter(|l| !l.trim().is_empty()).count() >= HEAD_LINES)
        || body.chars().take(HEAD_CHARACTERS).count() == HEAD_CHARACTERS
}

/// Where the text begins behind a byte order mark, front matter, or the head of subtitles.
fn body_start(head: &str, kind: StreamKind) -> usize {
    let start = bom_len(head);
    match kind {
        StreamKind::Plain => start,
        StreamKind::Markdown => FrontMatter::find(head, start).map_or(start, |f| f.body),
        StreamKind::Subtitles => cue_start(head).unwrap_or(head.len()),
    }
}

fn bom_len(head: &str) -> usize {
    if head.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
}

/// Whether the text may turn out to begin with front matter.
fn may_be_front_matter(text: &str) -> bool {
    match text.split_once('\n') {
        Some((first, _)) => first.trim_end() == "---",
        None => "---".starts_with(text) || (text.starts_with("---") && text.trim_end() == "---"),
    }
}

/// JSON by its first two characters that are not white space. A Markdown link begins with a bracket too, but is not
/// followed by one of these.
fn looks_like_json(text: &str) -> bool {
    let mut chars = text.chars().filter(|c| !c.is_whitespace());
    matches!(
        (chars.next(), chars.next()),
        (Some('{'), Some('"' | '}')) | (Some('['), Some('{' | '"' | '[' | ']'))
    )
}

/// The label line near the beginning.
fn first_label(body: &str, kind: StreamKind) -> Option<&str> {
    let lines = if kind == StreamKind::Subtitles { 1 } else { HEAD_LINES };
    body.lines()
        .filter(|l| !l.trim().is_empty())
        .take(lines)
        .map(written::undecorated)
        .find(|words| written::is_label(words))
}

#[cfg(test)]
mod tests;
