//! The label as a line of text.
//!
//! GB 45438-2025, 5.1: the words stand at the start, at the end or at a suitable middle position of the text. A label
//! line is a line of its own that holds nothing but the label; decoration of Markdown around it is ignored.

use std::ops::Range;

use colophon_core::TextPosition;

use crate::wording;

/// Non-empty lines from either end that are looked at: a title may stand before the label.
const WINDOW: usize = 5;
/// Longest label line in characters. Longer lines are prose that happens to mention AI.
const MAX_CHARACTERS: usize = 80;

/// A label line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The words, without decoration.
    pub text: String,
    /// Byte range of the line, without its line end.
    pub range: Range<usize>,
    /// Which end of the text it is near.
    pub position: TextPosition,
}

/// Finds the first label line near the start, else the last one near the end.
pub fn find(text: &str) -> Option<Found> {
    let lines: Vec<(usize, &str)> = lines(text).filter(|(_, line)| !line.trim().is_empty()).collect();
    let near = |mut it: &mut dyn Iterator<Item = &(usize, &str)>, position| {
        (&mut it).take(WINDOW).find_map(|(at, line)| {
            let words = undecorated(line);
            is_label(words).then(|| Found { text: words.to_owned(), range: *at..at + line.len(), position })
        })
    };
    near(&mut lines.iter(), TextPosition::Start).or_else(|| near(&mut lines.iter().rev(), TextPosition::End))
}

/// Finds a line that holds exactly `label`, anywhere; the position is the half of the text it stands in.
pub fn find_exactly(text: &str, label: &str) -> Option<Found> {
    let label = label.trim();
    lines(text).find(|(_, line)| undecorated(line) == label).map(|(at, line)| Found {
        text: label.to_owned(),
        range: at..at + line.len(),
        position: if at * 2 <= text.len() { TextPosition::Start } else { TextPosition::End },
    })
}

/// The line end a text uses: the one of its first line, `\n` where there is none.
pub fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Whether words by themselves are a label: both elements of GB 45438, or the EU's capitals `AI` with `GENERATED` or
/// `MODIFIED`.
pub fn is_label(words: &str) -> bool {
    words.chars().count() <= MAX_CHARACTERS
        && (wording::gb45438_elements(words).complete()
            || (wording::eu_ai(words)
                && ["GENERATED", "MODIFIED"].iter().any(|w| words.to_ascii_uppercase().contains(w))))
}

/// A line without quotation, emphasis, brackets and heading marks around it.
pub fn undecorated(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || ">*_#[]()（）【】「」-—–|`".contains(c))
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gb45438_5_1_label_is_found_at_the_start_and_at_the_end() {
        let f = find("> 本内容由人工智能生成合成\n\nHello.\n").unwrap();
        assert_eq!((f.text.as_str(), f.position), ("本内容由人工智能生成合成", TextPosition::Start));
        let long = format!("{}\n[AI GENERATED]", "line\n".repeat(20));
        let f = find(&long).unwrap();
        assert_eq!((f.text.as_str(), f.position), ("AI GENERATED", TextPosition::End));
    }

    #[test]
    fn prose_about_ai_is_no_label() {
        for prose in [
            "A chapter on how AI systems are generated, trained, evaluated and finally put to use in the field today.",
            "The mail was generated yesterday.",
            "虚拟主播",
            "",
        ] {
            assert_eq!(find(prose), None, "{prose}");
        }
        let middle = format!("{0}AI生成\n{0}", "text\n".repeat(10));
        assert_eq!(find(&middle), None, "the window is near the ends");
        assert!(find_exactly(&middle, "AI生成").is_some());
    }

    #[test]
    fn line_ends_are_recognised() {
        assert_eq!(line_end("a\r\nb\n"), "\r\n");
        assert_eq!(line_end("a\nb"), "\n");
        assert_eq!(line_end("a"), "\n");
    }
}
