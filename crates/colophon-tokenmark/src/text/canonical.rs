//! Forms a text may have had before other software cleaned it up.
//!
//! A token watermark lives in exact token ids. Software that normalises characters changes them: NFKC turns the
//! full-width punctuation of Chinese into ASCII and leaves a fifth of the 5-grams. So a short, fixed list of forms is
//! tried, each paid for by a correction.

use std::borrow::Cow;

/// A form of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// As given.
    AsGiven,
    /// Without characters that are ignored by default (selectors, zero-width characters, byte order marks).
    Visible,
    /// Visible, with the lines of a paragraph joined.
    Unwrapped,
    /// Visible, with `, ! ? : ; ( )` and dots full width next to Chinese or Japanese, as before NFKC.
    FullWidth,
    /// The same with full stops and straight quotes next to Chinese or Japanese turned back too.
    FullWidthStops,
    /// Unwrapped and full width.
    UnwrappedFullWidth,
    /// Visible, with straight quotes and double hyphens made typographic.
    CurlyQuotes,
    /// Visible, with typographic quotes, dashes and ellipses made ASCII.
    StraightQuotes,
}

impl Form {
    /// All forms, in the order they are tried.
    pub(crate) const ALL: [Self; 8] = [
        Self::AsGiven,
        Self::Visible,
        Self::Unwrapped,
        Self::FullWidth,
        Self::FullWidthStops,
        Self::UnwrappedFullWidth,
        Self::CurlyQuotes,
        Self::StraightQuotes,
    ];
}

/// The forms of `text`, each once, the given one first. At most eight, and as long as the text or shorter by count.
pub fn forms(text: &str) -> Vec<(Form, String)> {
    let mut forms: Vec<(Form, String)> = Vec::with_capacity(Form::ALL.len());
    for form in Form::ALL {
        let candidate = form_of(form, text);
        if forms.iter().all(|(_, known)| *known != candidate) {
            forms.push((form, candidate.into_owned()));
        }
    }
    forms
}

/// One form of `text`.
pub(crate) fn form_of(form: Form, text: &str) -> Cow<'_, str> {
    if form == Form::AsGiven {
        return Cow::Borrowed(text);
    }
    let visible = visible(text);
    Cow::Owned(match form {
        Form::AsGiven | Form::Visible => visible,
        Form::Unwrapped => unwrapped(&visible),
        Form::FullWidth => full_width(&visible, false),
        Form::FullWidthStops => full_width(&visible, true),
        Form::UnwrappedFullWidth => full_width(&unwrapped(&visible), false),
        Form::CurlyQuotes => curly(&visible),
        Form::StraightQuotes => straight(&visible),
    })
}

/// Default-ignorable code points (Unicode Character Database, `DerivedCoreProperties`, Default_Ignorable_Code_Point).
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // a selector or joiner after a symbol is part of an emoji
        let emoji = matches!(c, '\u{FE0F}' | '\u{200D}')
            && out.chars().next_back().is_some_and(|last| last >= '\u{2190}' && !is_cjk(last));
        if emoji || !is_ignorable(c) {
            out.push(c);
        }
    }
    out
}

/// Joins the lines of each paragraph: with nothing next to Chinese or Japanese and where all lines but the last are
/// equally long (cut at a column), else with a space.
fn unwrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, paragraph) in text.split("\n\n").enumerate() {
        if i > 0 {
            out.push_str("\n\n");
        }
        let lines: Vec<&str> = paragraph.split('\n').collect();
        let widths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
        let cut = match widths.split_last() {
            Some((_, full)) => {
                full.len() > 1 && full.iter().all(|w| *w == full[0]) && widths.iter().all(|w| *w <= full[0])
            }
            None => false,
        };
        for (k, line) in lines.iter().enumerate() {
            if k > 0 {
                let near = |c: Option<char>| c.is_some_and(is_cjk);
                if !cut && !near(out.chars().next_back()) && !near(line.chars().next()) {
                    out.push(' ');
                }
            }
            out.push_str(line);
        }
    }
    out
}

/// Chinese and Japanese letters and their own punctuation.
fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{2E80}'..='\u{2FDF}' | '\u{3001}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Punctuation that takes its width from what is around it.
fn is_neutral(c: char) -> bool {
    c.is_ascii_punctuation() || c == ' ' || matches!(c, '\u{2013}'..='\u{2026}')
}

/// For each character, whether the nearest letter on either side is Chinese or Japanese.
fn near_cjk(chars: &[char]) -> Vec<bool> {
    fn sweep<'a>(chars: impl Iterator<Item = (usize, &'a char)>, near: &mut [bool]) {
        let mut side = false;
        for (i, &c) in chars {
            if is_neutral(c) {
                near[i] |= side;
            } else {
                side = is_cjk(c);
            }
        }
    }
    let mut near = vec![false; chars.len()];
    sweep(chars.iter().enumerate(), &mut near);
    sweep(chars.iter().enumerate().rev(), &mut near);
    near
}

fn full_width(text: &str, stops: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let near = near_cjk(&chars);
    let at = |i: usize| chars.get(i).copied().unwrap_or('\n');
    let mut out = String::with_capacity(text.len());
    let mut open = false;
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        if c == '\n' {
            open = false;
        }
        let line_start = i == 0 || at(i - 1) == '\n' || (at(i - 1) == ' ' && out.ends_with('\u{3000}'));
        let wide = match c {
            // a paragraph's indent
            ' ' if line_start && near[i] => '\u{3000}',
            _ if !near[i] => c,
            ',' => '，',
            '!' => '！',
            '?' => '？',
            ':' => '：',
            ';' => '；',
            '(' => '（',
            ')' => '）',
            '~' => '～',
            '.' if at(i + 1) == '.' && at(i + 2) == '.' => {
                i += 2;
                '…'
            }
            '.' if stops && !at(i + 1).is_ascii_alphanumeric() => '。',
            '-' if stops && at(i + 1) == '-' => {
                i += 1;
                out.push('—');
                '—'
            }
            '"' if stops => {
                open = !open;
                if open { '“' } else { '”' }
            }
            _ => c,
        };
        out.push(wide);
        i += 1;
    }
    out
}

fn curly(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = '\n';
    while let Some(c) = chars.next() {
        let opens = before.is_whitespace() || matches!(before, '(' | '[' | '{' | '“' | '‘' | '—');
        match c {
            '"' => out.push(if opens { '“' } else { '”' }),
            '\'' => out.push(if opens { '‘' } else { '’' }),
            '-' if chars.peek() == Some(&'-') => {
                chars.next();
                out.push('—');
            }
            _ => out.push(c),
        }
        before = out.chars().next_back().unwrap_or(c);
    }
    out
}

fn straight(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '“' | '”' => out.push('"'),
            '‘' | '’' => out.push('\''),
            '–' => out.push('-'),
            '—' => out.push_str("--"),
            '…' => out.push_str("..."),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(text: &str, wanted: Form) -> Option<String> {
        forms(text).into_iter().find(|(form, _)| *form == wanted).map(|(_, text)| text)
    }

    #[test]
    fn nfkc_of_chinese_punctuation_is_turned_back() {
        let original = "他说：“好，走吧！”（其实不想……）真的吗？是；用GPT-4，对。";
        let nfkc = "他说:“好,走吧!”(其实不想......)真的吗?是;用GPT-4,对。";
        assert_eq!(form(nfkc, Form::FullWidth).unwrap(), original);
    }

    #[test]
    fn half_width_stops_and_quotes_are_turned_back() {
        let original = "她笑道：“来。”然后走了。价格3.5元——不贵。";
        let half = "她笑道:\"来.\"然后走了.价格3.5元--不贵.";
        assert_eq!(form(half, Form::FullWidthStops).unwrap(), original);
    }

    #[test]
    fn english_punctuation_stays() {
        let text = "Well, (yes) it is: 3:20, \"no\"; why? Really!";
        assert_eq!(full_width(text, true), text);
    }

    #[test]
    fn indents_before_chinese_are_full_width() {
        assert_eq!(
            full_width("  话说。\n  却说。 x", false),
            "\u{3000}\u{3000}话说。\n\u{3000}\u{3000}却说。 x"
        );
    }

    #[test]
    fn invisible_characters_go_but_emoji_stay_whole() {
        assert_eq!(form("a\u{FE01}b\u{200B}.", Form::Visible).unwrap(), "ab.");
        assert_eq!(visible("❤\u{FE0F} 👩\u{200D}💻"), "❤\u{FE0F} 👩\u{200D}💻");
    }

    #[test]
    fn wrapped_lines_are_joined() {
        assert_eq!(unwrapped("one two\nthree\n\nfour"), "one two three\n\nfour");
        assert_eq!(unwrapped("abcd\nefgh\nij"), "abcdefghij");
        assert_eq!(unwrapped("一二\n三四五"), "一二三四五");
    }

    #[test]
    fn quotes_go_both_ways() {
        assert_eq!(curly("\"It's\" -- 'so'"), "“It’s” — ‘so’");
        assert_eq!(straight("“It’s” — ‘so’…"), "\"It's\" -- 'so'...");
    }

    #[test]
    fn plain_text_has_one_form() {
        assert_eq!(forms("Nothing to change here.").len(), 1);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_forms_differ(text in "\\PC{0,40}|[ \\n\\.,\"'a一？!-]{0,40}") {
            let all = forms(&text);
            prop_assert!(all.len() <= 8 && all[0].1 == text);
            for (i, a) in all.iter().enumerate() {
                prop_assert!(all[..i].iter().all(|b| b.1 != a.1));
            }
        }
    }
}
