//! The end of a stream: its last lines, and what is still open there.

use std::collections::VecDeque;

use colophon_label::written;

use super::{HEAD_LINES, Places, StreamOptions};
use crate::markdown::Fence;

/// Longest line that is remembered, in characters; a label line is shorter.
const MAX_LINE: usize = 200;

/// Follows a text and knows its end in bounded memory.
#[derive(Debug)]
pub(super) struct Tail {
    markdown: bool,
    /// Label lines among the last lines that are not empty: the words, if the line is one.
    last: VecDeque<Option<String>>,
    /// The beginning of the line that is not ended yet.
    line: String,
    line_characters: usize,
    /// Number of complete lines that are not empty.
    lines: usize,
    /// The last two bytes.
    ends_with: [u8; 2],
    /// The last line that has ended was empty.
    blank: bool,
    fence: Option<Fence>,
    /// Inside an HTML comment that was not closed.
    comment: bool,
}

impl Tail {
    pub(super) fn new(markdown: bool) -> Self {
        Self {
            markdown,
            last: VecDeque::new(),
            line: String::new(),
            line_characters: 0,
            lines: 0,
            ends_with: [0; 2],
            blank: false,
            fence: None,
            comment: false,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        for b in text.bytes().rev().take(2).collect::<Vec<_>>().into_iter().rev() {
            self.ends_with = [self.ends_with[1], b];
        }
        for c in text.chars() {
            if c == '\n' {
                self.end_line();
                continue;
            }
            self.line_characters += 1;
            if self.line_characters <= MAX_LINE {
                self.line.push(c);
            } else if self.line_characters == MAX_LINE + 1 {
                self.scan_comment();
            }
            if self.line_characters > MAX_LINE && self.markdown && self.fence.is_none() {
                // what a long line opens and closes is followed in a short window over it
                self.line.push(c);
                if self.line.len() >= 4 * MAX_LINE {
                    self.scan_comment();
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let (characters, text) = (std::mem::take(&mut self.line_characters), line.trim_end_matches('\r'));
        self.blank = characters == 0 || text.trim().is_empty();
        if self.markdown {
            if !self.comment && characters <= MAX_LINE {
                self.fence = Fence::after(self.fence.take(), text);
            }
            if self.fence.is_none() {
                self.comment = comment_after(self.comment, text);
            }
        }
        if !self.blank {
            self.lines += 1;
            let words = written::undecorated(text);
            let label = characters <= MAX_LINE && written::is_label(words);
            self.last.push_back(label.then(|| words.to_owned()));
            if self.last.len() > HEAD_LINES {
                self.last.pop_front();
            }
        }
    }

    /// Brings the comment state up to date within a long line, and forgets most of the line.
    fn scan_comment(&mut self) {
        if self.markdown && self.fence.is_none() {
            self.comment = comment_after(self.comment, &self.line);
        }
        // keep what may be the beginning of a mark
        let keep: String = self.line.chars().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect();
        self.line = keep;
    }

    /// The text to add at the end; empty if a label is there.
    pub(super) fn finish(&mut self, options: &StreamOptions, words: &str, line_end: &str) -> String {
        let ended = self.ends_with[1] == b'\n';
        let ends_blank = ended && self.blank;
        if !ended {
            self.end_line();
        }
        // in a short text the label at the start is among the last lines too; it does not count twice
        let at_start = self.lines.saturating_sub(self.last.len());
        let two = options.places == Places::Both;
        let mut labels =
            self.last.iter().enumerate().filter_map(|(i, l)| Some((at_start + i, l.as_deref()?)));
        let is_last = |i: usize| i > 0 && i + 1 == self.lines;
        if labels.any(|(i, l)| (!two || is_last(i)) && options.accepts(l)) {
            return String::new();
        }
        let mut out = String::new();
        if !ended {
            out.push_str(line_end);
        }
        let mut blank = ends_blank;
        if self.comment {
            out.push_str(&format!("-->{line_end}"));
            blank = false;
        }
        if let Some(fence) = &self.fence {
            // an open code block ends with the document; so it ends here
            out.push_str(&format!("{}{line_end}", fence.closing()));
            blank = false;
        }
        if !blank {
            out.push_str(line_end);
        }
        let quote = if self.markdown { "> " } else { "" };
        out.push_str(&format!("{quote}{words}{line_end}"));
        out
    }
}

/// Whether an HTML comment is open behind a line.
fn comment_after(mut open: bool, mut line: &str) -> bool {
    loop {
        let mark = if open { "-->" } else { "<!--" };
        match line.find(mark) {
            Some(at) => {
                line = line.get(at + mark.len()..).unwrap_or_default();
                open = !open;
            }
            None => return open,
        }
    }
}
