//! The language of a text, as far as label wordings go.

/// `zh`, `zh-Hant`, `ja`, `ko` or `en`, by the letters of the text: kana are Japanese, Hangul is Korean, other Han is
/// Chinese. Every other script gets English: the capitals `AI` are asked for in every language of the EU, and a
/// language cannot be told from a few Latin words. Who knows it better names it.
pub fn language_of(text: &str) -> &'static str {
    let (mut han, mut kana, mut hangul, mut latin, mut traditional) =
        (0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
    for c in text.chars() {
        match c {
            '\u{3041}'..='\u{30ff}' => kana += 1,
            '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{11ff}' => hangul += 1,
            '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => {
                han += 1;
                traditional += usize::from(TRADITIONAL.contains(c));
            }
            c if c.is_alphabetic() => latin += 1,
            _ => {}
        }
    }
    // a Chinese character says about as much as three letters
    if (han + kana + hangul) * 3 < latin || han + kana + hangul == 0 {
        "en"
    } else if kana * 10 > han {
        "ja"
    } else if hangul > han {
        "ko"
    } else if traditional > 0 {
        "zh-Hant"
    } else {
        "zh"
    }
}

/// Frequent characters that are written otherwise in simplified Chinese.
const TRADITIONAL: &str = "這個們來說時對過還會國學為從電開關間問題長見話請讓點實經業應與無";

#[cfg(test)]
mod tests {
    use super::language_of;

    #[test]
    fn letters_tell_the_language() {
        for (text, language) in [
            ("你好，世界", "zh"),
            ("這個問題", "zh-Hant"),
            ("これは本です", "ja"),
            ("안녕하세요 世", "ko"),
            ("Bonjour", "en"),
            ("", "en"),
            ("GPT-4 是一个语言模型", "zh"),
            ("An essay about 道 in English prose", "en"),
        ] {
            assert_eq!(language_of(text), language, "{text}");
        }
    }
}
