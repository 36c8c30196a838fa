//! Where tags, comments and raw text begin and end in a page (WHATWG HTML, 13.2.5, as far as places are concerned).
//!
//! The scanner follows the states of the tokenizer that decide where a tag ends: quoted attributes, comments, elements
//! whose content is raw text, scripts with comments in them, CDATA sections in drawings and formulas. It builds no tree.

use std::ops::Range;

/// Elements whose content ends only at their own end tag.
const RAW: [&str; 9] =
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript"];
/// Elements of drawings and formulas inside which HTML is spoken again.
const HTML_AGAIN: [&str; 4] = ["foreignobject", "desc", "title", "annotation-xml"];
/// Nested drawings that are followed; deeper ones are taken for part of the outermost.
const MAX_FOREIGN: usize = 64;

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its bytes.
    pub(crate) range: Range<usize>,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A start tag: its name in lower case, and whether it is HTML (not part of a drawing or formula).
    Start { name: String, html: bool },
    /// An end tag: its name in lower case.
    End { name: String },
    /// Characters; those of raw text carry the name of their element.
    Text { of: Option<&'static str> },
    /// A comment, a document type, a processing instruction.
    Comment,
    /// A CDATA section.
    Cdata,
    /// A piece that the page ends within: a tag, a comment, raw text.
    Open,
}

/// The pieces of a page, at most `limit`.
///
/// # Errors
/// `None` if there are more.
pub(crate) fn scan(text: &str, limit: usize) -> Option<Vec<Token>> {
    let mut scanner = Scanner { text, tokens: Vec::new(), foreign: Vec::new(), xml: is_xml(text) };
    let mut at = 0;
    while at < text.len() {
        if scanner.tokens.len() > limit {
            return None;
        }
        at = scanner.step(at).max(at + 1);
    }
    Some(scanner.tokens)
}

/// Whether a page says that it is XML, where CDATA sections stand anywhere.
fn is_xml(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').starts_with("<?xml")
}

struct Scanner<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// Open drawings and formulas (true), and HTML inside them (false), with their names.
    foreign: Vec<(String, bool)>,
    xml: bool,
}

impl Scanner<'_> {
    /// Reads one piece and gives the place behind it.
    fn step(&mut self, at: usize) -> usize {
        let rest = self.rest(at);
        let end = if rest.starts_with("<!--") {
            comment_end(rest).map(|len| (len, Kind::Comment))
        } else if rest.starts_with("<![CDATA[") && (self.xml || self.in_foreign()) {
            rest.find("]]>").map(|i| (i + 3, Kind::Cdata))
        } else if rest.starts_with("<!") || rest.starts_with("<?") {
            rest.find('>').map(|i| (i + 1, Kind::Comment))
        } else if let Some(after) = rest.strip_prefix("</") {
            match after.bytes().next() {
                Some(b) if b.is_ascii_alphabetic() => {
                    tag_end(rest, 2).map(|len| (len, Kind::End { name: tag_name(after) }))
                }
                // `</>` is dropped, any other `</` begins a comment
                Some(_) => rest.find('>').map(|i| (i + 1, Kind::Comment)),
                None => return self.characters(at),
            }
        } else if rest.strip_prefix('<').is_some_and(|r| r.starts_with(|c: char| c.is_ascii_alphabetic())) {
            let name = tag_name(rest.get(1..).unwrap_or_default());
            tag_end(rest, 1).map(|len| (len, Kind::Start { name, html: !self.in_foreign() }))
        } else {
            return self.characters(at);
        };
        let Some((len, kind)) = end else {
            self.push(at..self.text.len(), Kind::Open);
            return self.text.len();
        };
        let range = at..at + len;
        let after = match &kind {
            Kind::Start { name, .. } => {
                let name = name.clone();
                let closed = rest.get(..len).is_some_and(|t| t.ends_with("/>"));
                self.push(range.clone(), kind);
                return self.behind_start(&name, closed, range.end);
            }
            Kind::End { name } => {
                self.leave(&name.clone());
                range.end
            }
            _ => range.end,
        };
        self.push(range, kind);
        after
    }

    /// Follows drawings, and reads raw text.
    fn behind_start(&mut self, name: &str, closed: bool, at: usize) -> usize {
        let foreign = self.in_foreign();
        if matches!(name, "svg" | "math") || (foreign && HTML_AGAIN.contains(&name)) {
            if !closed && self.foreign.len() < MAX_FOREIGN {
                self.foreign.push((name.to_owned(), matches!(name, "svg" | "math")));
            }
            return at;
        }
        if foreign || (self.xml && closed) {
            return at;
        }
        if name == "plaintext" {
            self.push(at..self.text.len(), Kind::Open);
            return self.text.len();
        }
        let Some(raw) = RAW.iter().find(|r| **r == name).copied() else { return at };
        let rest = self.rest(at);
        let length = if raw == "script" { script_len(rest) } else { raw_len(rest, raw) };
        let Some(length) = length else {
            self.push(at..self.text.len(), Kind::Open);
            return self.text.len();
        };
        if length > 0 {
            self.push(at..at + length, Kind::Text { of: Some(raw) });
        }
        at + length
    }

    fn leave(&mut self, name: &str) {
        if let Some(i) = self.foreign.iter().rposition(|(n, _)| n == name) {
            self.foreign.truncate(i);
        }
    }

    fn in_foreign(&self) -> bool {
        self.foreign.last().is_some_and(|(_, foreign)| *foreign)
    }

    /// Characters up to the next `<`, this one taken as a character.
    fn characters(&mut self, at: usize) -> usize {
        let rest = self.rest(at);
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let len = rest.get(first..).and_then(|r| r.find('<')).map_or(rest.len(), |i| first + i);
        // one run of characters is one piece
        match self.tokens.last_mut() {
            Some(Token { range, kind: Kind::Text { of: None } }) if range.end == at => range.end = at + len,
            _ => self.push(at..at + len, Kind::Text { of: None }),
        }
        at + len
    }

    fn rest(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }

    fn push(&mut self, range: Range<usize>, kind: Kind) {
        self.tokens.push(Token { range, kind });
    }
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | 0x0c | b'\r')
}

fn tag_name(rest: &str) -> String {
    let end = rest.bytes().position(|b| is_space(b) || b == b'/' || b == b'>').unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// Length of the tag that begins `rest`, whose name begins at `name`; `None` where the page ends within.
fn tag_end(rest: &str, name: usize) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = name + bytes.get(name..)?.iter().position(|b| is_space(*b) || matches!(b, b'/' | b'>'))?;
    loop {
        // between attributes
        at += bytes.get(at..)?.iter().position(|b| !is_space(*b) && *b != b'/')?;
        if bytes.get(at) == Some(&b'>') {
            return Some(at + 1);
        }
        at = attribute(bytes, at)?.end;
    }
}

/// An attribute.
struct Span {
    name: Range<usize>,
    value: Range<usize>,
    end: usize,
}

/// The attribute that begins at `at`; a `=` in front belongs to its name.
fn attribute(bytes: &[u8], at: usize) -> Option<Span> {
    let ends = |b: &u8| is_space(*b) || matches!(b, b'/' | b'>' | b'=');
    let name_end = at + 1 + bytes.get(at + 1..)?.iter().position(ends)?;
    let name = at..name_end;
    let sign = name_end + bytes.get(name_end..)?.iter().position(|b| !is_space(*b))?;
    if bytes.get(sign) != Some(&b'=') {
        return Some(Span { name, value: name_end..name_end, end: name_end });
    }
    let start = sign + 1 + bytes.get(sign + 1..)?.iter().position(|b| !is_space(*b))?;
    match bytes.get(start)? {
        quote @ (b'"' | b'\'') => {
            let end = start + 1 + bytes.get(start + 1..)?.iter().position(|b| b == quote)?;
            Some(Span { name, value: start + 1..end, end: end + 1 })
        }
        b'>' => Some(Span { name, value: start..start, end: start }),
        _ => {
            let end = start + bytes.get(start..)?.iter().position(|b| is_space(*b) || *b == b'>')?;
            Some(Span { name, value: start..end, end })
        }
    }
}

/// The value of an attribute of a tag, entities decoded; the first of a name counts.
pub(crate) fn value(tag: &str, wanted: &str) -> Option<String> {
    let bytes = tag.as_bytes();
    let mut at = 1 + bytes.get(1..)?.iter().position(|b| is_space(*b) || matches!(b, b'/' | b'>'))?;
    loop {
        at += bytes.get(at..)?.iter().position(|b| !is_space(*b) && *b != b'/')?;
        if bytes.get(at) == Some(&b'>') {
            return None;
        }
        let span = attribute(bytes, at)?;
        if tag.get(span.name)?.eq_ignore_ascii_case(wanted) {
            return Some(super::entity::decode(tag.get(span.value)?));
        }
        at = span.end;
    }
}

/// Length of a comment: `-->` or `--!>` ends it, and `<!-->` and `<!--->` are whole ones.
fn comment_end(rest: &str) -> Option<usize> {
    let inner = rest.get(4..)?;
    if let Some(after) = ["->", ">"].iter().find(|e| inner.starts_with(**e)) {
        return Some(4 + after.len());
    }
    let plain = inner.find("-->").map(|i| i + 3);
    let bang = inner.find("--!>").map(|i| i + 4);
    plain.into_iter().chain(bang).min().map(|len| 4 + len)
}

/// Whether `rest` begins with the tag `<name` or `</name`, given with its `<`.
fn is_tag(rest: &[u8], open: &[u8], name: &str) -> bool {
    let end = open.len() + name.len();
    rest.starts_with(open)
        && rest.get(open.len()..end).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        && rest.get(end).is_some_and(|b| is_space(*b) || matches!(b, b'/' | b'>'))
}

/// Length of raw text up to its end tag.
fn raw_len(rest: &str, name: &str) -> Option<usize> {
    rest.match_indices("</").map(|(i, _)| i).find(|i| is_tag(&rest.as_bytes()[*i..], b"</", name))
}

/// Length of a script up to the end tag that counts: inside `<!-- <script` … it does not.
fn script_len(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let (mut comment, mut nested) = (false, false);
    let mut at = 0;
    while let Some(i) = bytes.get(at..)?.iter().position(|b| matches!(b, b'<' | b'-')) {
        at += i;
        let here = bytes.get(at..)?;
        if comment && here.starts_with(b"-->") {
            (comment, nested) = (false, false);
            at += 3;
        } else if !comment && here.starts_with(b"<!--") {
            // its own dashes may be those that end it: `<!-->`
            comment = true;
            at += 2;
        } else if !nested && is_tag(here, b"</", "script") {
            return Some(at);
        } else if comment && is_tag(here, b"<", "script") {
            nested = true;
            at += 7;
        } else if nested && is_tag(here, b"</", "script") {
            nested = false;
            at += 8;
        } else {
            at += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(&str, String)> {
        scan(text, 10_000)
            .unwrap()
            .into_iter()
            .map(|t| {
                let kind = match t.kind {
                    Kind::Start { name, html } => format!("<{name}{}", if html { "" } else { " foreign" }),
                    Kind::End { name } => format!("/{name}"),
                    Kind::Text { of } => of.unwrap_or("text").to_owned(),
                    Kind::Comment => "comment".to_owned(),
                    Kind::Cdata => "cdata".to_owned(),
                    Kind::Open => "open".to_owned(),
                };
                (&text[t.range], kind)
            })
            .collect()
    }

    fn names(text: &str) -> String {
        kinds(text).into_iter().map(|(_, k)| k).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_tag_ends_behind_its_quoted_values() {
        assert_eq!(kinds("<a b='>' c=\"</a>\" d=e/>x</a >")[0].0, "<a b='>' c=\"</a>\" d=e/>");
        assert_eq!(names("<p =a>b<>c< d</>e"), "<p text comment text");
        assert_eq!(names("a <b c='"), "text open");
        assert_eq!(names("a </"), "text");
    }

    #[test]
    fn comments_end_as_browsers_end_them() {
        assert_eq!(
            names("<!-- > <b> --><i><!--><u><!---><s><!-- x --!><q>"),
            "comment <i comment <u comment <s comment <q"
        );
        assert_eq!(names("<!-- a"), "open");
        assert_eq!(names("<!DOCTYPE html><?php a ?></1>"), "comment comment comment");
    }

    #[test]
    fn raw_text_ends_at_its_own_end_tag() {
        assert_eq!(
            names("<style></b></styles></STYLE ><title>a<b></title>"),
            "<style style /style <title title /title"
        );
        assert_eq!(names("<textarea></body>"), "<textarea open");
        assert_eq!(names("<plaintext></plaintext><p>"), "<plaintext open");
    }

    #[test]
    fn a_script_in_a_comment_in_a_script_does_not_end_it() {
        assert_eq!(kinds("<script><!--<script></script>--></script>")[1].0, "<!--<script></script>-->");
        assert_eq!(kinds("<script><!-- </script>x")[1].0, "<!-- ");
        assert_eq!(kinds("<script><!--><script></script>x")[1].0, "<!--><script>");
        assert_eq!(names("<script>'</scripty>'"), "<script open");
    }

    #[test]
    fn cdata_counts_in_drawings_alone() {
        assert_eq!(names("<svg><![CDATA[</svg>]]></svg>"), "<svg cdata /svg");
        assert_eq!(names("<p><![CDATA[<b>]]>"), "<p comment text");
        assert_eq!(
            names("<svg><title><b></title><style><p></svg>"),
            "<svg <title foreign <b /title <style foreign <p foreign /svg"
        );
    }

    proptest::proptest! {
        #[test]
        fn the_pieces_are_the_page(text in "([a<>/!\\-='\" \u{e9}]|<!--|-->|<script>|</script|<svg>|<!\\[CDATA\\[|\\]\\]>|<title>|</title>|<b a='){0,40}") {
            let mut at = 0;
            for token in scan(&text, 1000).unwrap() {
                proptest::prop_assert_eq!(token.range.start, at);
                proptest::prop_assert!(text.get(token.range.clone()).is_some());
                at = token.range.end;
            }
            proptest::prop_assert_eq!(at, text.len());
        }

        #[test]
        fn attributes_are_read_without_panic(tag in "<meta [a-z=\"' />&#;\u{e9}]{0,40}>") {
            let _ = value(&tag, "a");
        }
    }
}
