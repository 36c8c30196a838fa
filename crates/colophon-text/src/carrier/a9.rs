//! Structured text: a manifest store in one comment line (C2PA 2.5, A.9).
//!
//! `<prefix> -----BEGIN C2PA MANIFEST----- <reference> -----END C2PA MANIFEST----- <suffix>`, where the reference is a
//! URI or `data:application/c2pa;base64,…`. At most one block in a file.

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
    /// One that cannot be read (`manifest.structuredText.corruptedReference`).
    Malformed {
        /// Bytes of the line.
        range: Range<usize>,
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
    let line_end = text.get(begin..).and_then(|t| t.find('\n')).map_or(text.len(), |i| begin + i + 1);
    let broken = |reason| A9Search::Malformed { range: line_start..line_end, reason };
    let rest = text.get(begin + BEGIN.len()..line_end).unwrap_or_default();
    let Some(end) = rest.find(END) else {
        return broken("the block does not end on its line");
    };
    let reference = rest.get(..end).unwrap_or_default().trim();
    if reference.len() > MAX_REFERENCE {
        return broken("the reference is over the limit");
    }
    let Some(encoded) = reference.strip_prefix(DATA) else {
        return broken("the reference is not in the file; nothing is fetched");
    };
    let Ok(store) = STANDARD.decode(encoded) else {
        return broken("the reference is not base64");
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
        assert!(matches!(locate(&one.replace("data:", "https:")), A9Search::Malformed { .. }));
        assert!(matches!(locate(&one.replace(END, "")), A9Search::Malformed { .. }));
        assert!(matches!(locate(&one.replace("base64,", "base64,*")), A9Search::Malformed { .. }));
        assert_eq!(locate("no block"), A9Search::None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(<!-- )?(-----BEGIN C2PA MANIFEST-----)?[ -~\n]{0,40}(-----END C2PA MANIFEST-----)?\n?") {
            let _ = locate(&text);
        }
    }
}
