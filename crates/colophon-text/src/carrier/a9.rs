//! Structured text: a manifest store in one comment line (C2PA 2.5, A.9).
//!
//! `<prefix> -----BEGIN C2PA MANIFEST----- <reference> -----END C2PA MANIFEST----- <suffix>`, where the reference is a
//! URI or `data:application/c2pa;base64,…`. In front matter the three parts may stand on three lines; this form is read, not
//! written. At most one block in a file.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN C2PA MANIFEST-----";
const END: &str = "-----END C2PA MANIFEST-----";
const DATA: &str = "data:application/c2pa;base64,";
/// Longest reference that is decoded, in bytes.
const MAX_REFERENCE: usize = 96 << 20;

/// How a file type writes a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentStyle {
    /// `<!-- … -->`: Markdown, HTML, XML.
    Html,
    /// `# …`: YAML, TOML, Python, shells.
    Hash,
    /// `// …`: C and its family.
    Slashes,
}

/// What a search for a block found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum A9Search {
    /// No block.
    None,
    /// Exactly one.
    One {
        /// What the hard binding leaves out: the line with its terminator when it is the first, the line end before
        /// it up to the end of the text when it is the last.
        range: Range<usize>,
        /// The manifest store.
        store: Vec<u8>,
    },
    /// One that cannot be read.
    Malformed {
        /// Bytes of its lines.
        range: Range<usize>,
        /// The status code: `manifest.structuredText.` and `noManifest` (one delimiter of two), `emptyReference` or
        /// `malformedReference`; `manifest.inaccessible` for a store that is elsewhere.
        code: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// More than one; none counts (`manifest.structuredText.multipleReferences`).
    Several,
}

/// The line for a store, without a line end.
pub fn line(store: &[u8], style: CommentStyle) -> String {
    let block = format!("{BEGIN} {DATA}{} {END}", STANDARD.encode(store));
    match style {
        CommentStyle::Html => format!("<!-- {block} -->"),
        CommentStyle::Hash => format!("# {block}"),
        CommentStyle::Slashes => format!("// {block}"),
    }
}

/// Looks for blocks.
pub fn locate(text: &str) -> A9Search {
    let mut starts = text.match_indices(BEGIN).map(|(at, _)| at);
    let Some(begin) = starts.next() else {
        return A9Search::None;
    };
    if starts.next().is_some() {
        return A9Search::Several;
    }
    let line_start = text.get(..begin).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1);
    let end_of_line =
        |at: usize| text.get(at..).and_then(|t| t.find('\n')).map_or(text.len(), |i| at + i + 1);
    let broken =
        |end: usize, code, reason| A9Search::Malformed { range: line_start..end_of_line(end), code, reason };
    let Some(length) = text.get(begin + BEGIN.len()..).and_then(|rest| rest.find(END)) else {
        return broken(begin, "manifest.structuredText.noManifest", "the block has no end");
    };
    let end = begin + BEGIN.len() + length;
    let reference = text.get(begin + BEGIN.len()..end).unwrap_or_default().trim();
    let line_end = end_of_line(end);
    if reference.is_empty() {
        return broken(
            end,
            "manifest.structuredText.emptyReference",
            "there is nothing between the delimiters",
        );
    }
    let malformed = |reason| broken(end, "manifest.structuredText.malformedReference", reason);
    if reference.contains(['\n', '\r']) {
        return malformed("the reference is not one line");
    }
    if reference.len() > MAX_REFERENCE {
        return malformed("the reference is over the limit");
    }
    let Some(encoded) = reference.strip_prefix(DATA) else {
        let uri = ["https:", "http:", "file:", "./", "/"].iter().any(|p| reference.starts_with(p));
        return if uri {
            broken(end, "manifest.inaccessible", "the store is not in the file; nothing is fetched")
        } else {
            malformed("the reference is neither a store nor a place")
        };
    };
    let Ok(store) = STANDARD.decode(encoded) else {
        return malformed("the reference is not base64");
    };
    let range = if line_end == text.len() && line_start > 0 {
        // Last: the line end before belongs to the block, `\r\n` as a whole.
        let before = text.get(..line_start).unwrap_or_default();
        let end_len = if before.ends_with("\r\n") { 2 } else { 1 };
        line_start - end_len..text.len()
    } else {
        line_start..line_end
    };
    A9Search::One { range, store }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c2pa_a9_last_line_excludes_the_line_end_before_it() {
        for end in ["\n", "\r\n"] {
            let text = format!("# Title{end}body{end}{}", line(b"store", CommentStyle::Html));
            let A9Search::One { range, store } = locate(&text) else { panic!() };
            assert_eq!(store, b"store");
            assert_eq!(&text[..range.start], format!("# Title{end}body"));
            assert_eq!(range.end, text.len());
        }
    }

    #[test]
    fn c2pa_a9_first_line_excludes_its_terminator() {
        let text = format!("{}\nbody\n", line(b"store", CommentStyle::Hash));
        let A9Search::One { range, .. } = locate(&text) else { panic!() };
        assert_eq!(&text[range.end..], "body\n");
        assert_eq!(range.start, 0);
    }

    #[test]
    fn c2pa_a9_several_foreign_and_broken_blocks_are_named() {
        let one = line(b"store", CommentStyle::Slashes);
        assert_eq!(locate(&format!("{one}\n{one}")), A9Search::Several);
        let code = |text: &str| match locate(text) {
            A9Search::Malformed { code, .. } => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(&one.replace("data:", "https:")), "manifest.inaccessible");
        assert_eq!(code(&one.replace(END, "")), "manifest.structuredText.noManifest");
        assert_eq!(code(&format!("# {BEGIN}  {END}")), "manifest.structuredText.emptyReference");
        assert_eq!(code(&one.replace("base64,", "base64,*")), "manifest.structuredText.malformedReference");
        assert_eq!(code(&format!("# {BEGIN} a\nb {END}")), "manifest.structuredText.malformedReference");
        assert_eq!(locate("no block"), A9Search::None);
    }

    #[test]
    fn c2pa_a9_three_lines_in_front_matter_are_read() {
        let text = format!("---\n{BEGIN}\n{DATA}c3RvcmU=\n{END}\ntitle: a\n---\nbody\n");
        let A9Search::One { range, store } = locate(&text) else { panic!() };
        assert_eq!(
            (store.as_slice(), text.get(..range.start), text.get(range.end..)),
            (b"store".as_slice(), Some("---\n"), Some("title: a\n---\nbody\n"))
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(<!-- )?(-----BEGIN C2PA MANIFEST-----)?[ -~\n]{0,40}(-----END C2PA MANIFEST-----)?\n?") {
            let _ = locate(&text);
        }
    }
}
