//! Characters that are not seen: what they are, where they stand, and which of them are ordinary.
//!
//! Nothing here removes anything. A reader is shown what a text carries besides its words: joiners of emoji and
//! selectors of glyph variants are ordinary, a run of tag characters is not.

use std::ops::Range;

use crate::carrier::a8::{self, A8Search};

/// Runs that are listed; further ones are counted.
const MAX_RUNS: usize = 1000;
/// Decoded characters of a run of tags that are shown.
const MAX_DECODED: usize = 200;

/// Kinds of characters that are not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A C2PA manifest in variation selectors (C2PA 2.5, A.8).
    Manifest,
    /// U+200B, U+200C, U+200D, U+2060, U+FEFF and the like.
    ZeroWidth,
    /// U+FE00–U+FE0F, U+E0100–U+E01EF and the Mongolian ones.
    VariationSelector,
    /// Marks, embeddings, overrides and isolates of direction.
    Bidi,
    /// U+E0000–U+E007F: an invisible copy of ASCII.
    Tag,
    /// Soft hyphens, fillers, and every other code point that is ignored by default.
    Other,
}

impl Class {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "c2pa-manifest",
            Self::ZeroWidth => "zero-width",
            Self::VariationSelector => "variation-selector",
            Self::Bidi => "bidi-control",
            Self::Tag => "tag",
            Self::Other => "other",
        }
    }
}

/// Neighbouring characters of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What they are.
    pub class: Class,
    /// Their bytes in the text.
    pub range: Range<usize>,
    /// Line of the first one, from 1.
    pub line: usize,
    /// Characters before it on its line, plus 1.
    pub column: usize,
    /// How many.
    pub count: usize,
    /// The first code point.
    pub first: char,
    /// Such characters are part of ordinary writing at this place: a selector or joiner of an emoji, a variant of a
    /// Chinese character, a joiner inside a word of a script that has them, a byte order mark at the head.
    pub ordinary: bool,
    /// What a run of tags spells, control characters left out, at most 200 characters.
    pub decoded: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// In text order, at most 1,000.
    pub runs: Vec<Run>,
    /// Runs beyond those.
    pub unlisted: usize,
    /// Characters that are not seen, all together.
    pub characters: usize,
    /// The search for a manifest.
    pub manifest: A8Search,
}

/// Lists the characters that are not seen.
pub fn inspect(text: &str) -> Inspection {
    let manifest = a8::locate(text);
    let wrapper = match &manifest {
        A8Search::One { range, .. } | A8Search::Malformed { range, .. } => Some(range.clone()),
        A8Search::None | A8Search::Several => None,
    };
    let mut found = Inspection { runs: Vec::new(), unlisted: 0, characters: 0, manifest };
    let (mut line, mut column) = (1, 1);
    let mut open: Option<Run> = None;
    let mut before = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let inside = wrapper.as_ref().is_some_and(|w| w.contains(&at));
        let class = if inside { Some(Class::Manifest) } else { class(c) };
        if let Some(class) = class {
            found.characters += 1;
            let ordinary = !inside && is_ordinary(c, at, before, chars.peek().map(|(_, c)| *c));
            match &mut open {
                Some(run) if run.class == class && run.ordinary == ordinary => {
                    run.count += 1;
                    run.range.end = at + c.len_utf8();
                    spell(run, c);
                }
                _ => {
                    found.close(open.take());
                    let range = at..at + c.len_utf8();
                    let decoded = (class == Class::Tag).then(String::new);
                    let mut run = Run { class, range, line, column, count: 1, first: c, ordinary, decoded };
                    spell(&mut run, c);
                    open = Some(run);
                }
            }
        } else {
            found.close(open.take());
            before = Some(c);
        }
        column += 1;
        if c == '\n' {
            (line, column) = (line + 1, 1);
        }
    }
    found.close(open);
    found
}

impl Inspection {
    fn close(&mut self, run: Option<Run>) {
        let Some(run) = run else { return };
        if self.runs.len() < MAX_RUNS { self.runs.push(run) } else { self.unlisted += 1 }
    }
}

/// Adds what a tag character stands for.
fn spell(run: &mut Run, c: char) {
    if let Some(decoded) = &mut run.decoded
        && let Some(ascii) = (c as u32).checked_sub(0xe0000).and_then(char::from_u32)
        && matches!(ascii, ' '..='~')
        && decoded.len() < MAX_DECODED
    {
        decoded.push(ascii);
    }
}

/// The kind of a character that is not seen (Unicode, Default_Ignorable_Code_Point and the controls of direction).
fn class(c: char) -> Option<Class> {
    Some(match c {
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{180e}' | '\u{34f}' => Class::ZeroWidth,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}' => {
            Class::VariationSelector
        }
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Class::Bidi
        }
        '\u{e0000}'..='\u{e007f}' => Class::Tag,
        '\u{ad}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{2061}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0080}'..='\u{e00ff}'
        | '\u{e01f0}'..='\u{e0fff}' => Class::Other,
        _ => return None,
    })
}

/// `before` is the last character that is seen, `after` the next character of any kind.
fn is_ordinary(c: char, at: usize, before: Option<char>, after: Option<char>) -> bool {
    let symbol = |c: char| (c >= '\u{203c}' && !is_han(c)) || matches!(c, '#' | '*' | '0'..='9' | '©' | '®');
    match c {
        '\u{feff}' => at == 0,
        '\u{fe0e}' | '\u{fe0f}' => before.is_some_and(symbol),
        '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}' => {
            // one selector for one character
            before.is_some_and(is_han) && after.is_none_or(|a| class(a) != Some(Class::VariationSelector))
        }
        '\u{200c}' | '\u{200d}' => {
            // joiners of emoji, and inside words of Arabic, Indic and other scripts that shape
            let shapes = |c: char| matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{109f}' | '\u{1780}'..='\u{18af}');
            let joins = |c: char| shapes(c) || (symbol(c) && c != '\u{feff}');
            before.is_some_and(joins) && after.is_some_and(joins)
        }
        // marks of direction, and the soft hyphen
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{ad}' => true,
        // flags of regions: a black flag, then tags
        '\u{e0020}'..='\u{e007f}' => before == Some('\u{1f3f4}'),
        _ => false,
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Class, usize, bool)> {
        inspect(text).runs.iter().map(|r| (r.class, r.count, r.ordinary)).collect()
    }

    #[test]
    fn emoji_and_glyph_variants_are_ordinary() {
        for text in [
            "\u{2764}\u{fe0f}",
            "\u{1f469}\u{200d}\u{1f4bb}",
            "葛\u{e0100}城",
            "می\u{200c}خواهم",
            "1\u{fe0f}\u{20e3}",
        ] {
            assert!(inspect(text).runs.iter().all(|r| r.ordinary), "{text:?} {:?}", kinds(text));
        }
        assert_eq!(kinds("plain text, 汉字."), []);
    }

    #[test]
    fn hidden_characters_are_listed_with_their_place() {
        let found = inspect("first\nsec\u{200b}\u{200b}ond \u{202e}x");
        assert_eq!((found.characters, found.runs.len()), (3, 2));
        let run = &found.runs[0];
        assert_eq!(
            (run.class, run.line, run.column, run.count, run.ordinary),
            (Class::ZeroWidth, 2, 4, 2, false)
        );
        assert_eq!(run.range, 9..15);
        assert_eq!(found.runs[1].class, Class::Bidi);
    }

    #[test]
    fn tags_are_spelled_out() {
        let hidden: String = "hi there".chars().filter_map(|c| char::from_u32(0xe0000 + c as u32)).collect();
        let found = inspect(&format!("a{hidden}b"));
        assert_eq!(found.runs[0].decoded.as_deref(), Some("hi there"));
        assert!(!found.runs[0].ordinary);
    }

    #[test]
    fn a_manifest_is_one_run() {
        let text = format!("Hello.{}", a8::encode(b"store"));
        let found = inspect(&text);
        assert_eq!(found.runs.len(), 1);
        assert_eq!((found.runs[0].class, found.runs[0].range.clone()), (Class::Manifest, 6..text.len()));
        assert!(matches!(found.manifest, A8Search::One { .. }));
        let twice = format!("{text}{}", a8::encode(b"x"));
        assert_eq!(inspect(&twice).manifest, A8Search::Several);
    }

    proptest::proptest! {
        #[test]
        fn runs_are_in_order_and_inside_the_text(text in "[a\n\u{200b}\u{fe0f}\u{e0041}\u{4e00}\u{feff}]{0,60}") {
            let mut at = 0;
            for run in inspect(&text).runs {
                proptest::prop_assert!(run.range.start >= at && text.get(run.range.clone()).is_some());
                at = run.range.end;
            }
        }
    }
}
