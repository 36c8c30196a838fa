//! Which words a label needs.

/// The two elements of a Chinese label (GB 45438-2025, 5.1 to 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// `人工智能` or `AI` stands there.
    pub ai: bool,
    /// `生成` or `合成` stands there.
    pub generation: bool,
}

impl Elements {
    /// Both elements stand there.
    pub fn complete(self) -> bool {
        self.ai && self.generation
    }
}

/// Looks for the elements of GB 45438-2025: `人工智能` or `AI` (any case, as a word of its own), and `生成` or `合成`.
/// The order does not matter; the traditional forms count too, since they are the same words.
pub fn gb45438_elements(text: &str) -> Elements {
    Elements {
        ai: text.contains("人工智能") || text.contains("人工智慧") || has_word(text, "ai", false),
        generation: ["生成", "合成"].iter().any(|w| text.contains(w)),
    }
}

/// The capitals `AI` as a word of its own (EU Code of Practice, Section 2).
pub fn eu_ai(text: &str) -> bool {
    has_word(text, "AI", true)
}

/// Joins the wordings of several rules, each part once: `AI生成 · AI GENERATED`. A lone `AI` goes where another part
/// shows the capitals already.
pub fn combined(words: &[&str]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for part in words.iter().flat_map(|w| w.split(SEPARATOR)) {
        if !seen.contains(&part) {
            seen.push(part);
        }
    }
    if seen.iter().any(|p| *p != "AI" && eu_ai(p)) {
        seen.retain(|p| *p != "AI");
    }
    seen.join(SEPARATOR)
}

/// What stands between the wordings of several rules.
pub const SEPARATOR: &str = " · ";

/// Wordings by language: BCP 47 primary tag, for content made by a model, for content changed by one.
///
/// The EU Code (Section 2) asks for the capitals `AI` in every language; a national acronym may stand beside them.
/// Bulgarian and Greek are missing: the label font has no Cyrillic and no Greek letters.
const WORDINGS: &[(&str, &str, &str)] = &[
    ("cs", "VYGENEROVÁNO AI", "UPRAVENO AI"),
    ("da", "AI-GENERERET", "AI-ÆNDRET"),
    ("de", "AI · KI-GENERIERT", "AI · KI-VERÄNDERT"),
    ("en", "AI GENERATED", "AI MODIFIED"),
    ("es", "AI · GENERADO CON IA", "AI · MODIFICADO CON IA"),
    ("et", "AI · TEHISARU LOODUD", "AI · TEHISARU MUUDETUD"),
    ("fi", "AI · TEKOÄLYN LUOMA", "AI · TEKOÄLYN MUOKKAAMA"),
    ("fr", "AI · GÉNÉRÉ PAR IA", "AI · MODIFIÉ PAR IA"),
    ("ga", "AI · GINTE LE IS", "AI · ATHRAITHE LE IS"),
    ("hr", "AI · GENERIRALA UI", "AI · IZMIJENILA UI"),
    ("hu", "AI · MI ÁLTAL GENERÁLT", "AI · MI ÁLTAL MÓDOSÍTOTT"),
    ("it", "AI · GENERATO CON IA", "AI · MODIFICATO CON IA"),
    ("ja", "AI生成", "AI加工"),
    ("ko", "AI 생성", "AI 수정"),
    ("lt", "AI · SUKURTA DI", "AI · PAKEISTA DI"),
    ("lv", "AI · MI RADĪTS", "AI · MI PĀRVEIDOTS"),
    ("mt", "AI · PRODOTT BL-IA", "AI · MODIFIKAT BL-IA"),
    ("nl", "AI-GEGENEREERD", "AI-BEWERKT"),
    ("pl", "WYGENEROWANE PRZEZ AI", "ZMIENIONE PRZEZ AI"),
    ("pt", "AI · GERADO POR IA", "AI · MODIFICADO POR IA"),
    ("ro", "AI · GENERAT DE IA", "AI · MODIFICAT DE IA"),
    ("sk", "VYTVORENÉ AI", "UPRAVENÉ AI"),
    ("sl", "AI · USTVARILA UI", "AI · SPREMENILA UI"),
    ("sv", "AI-GENERERAT", "AI-ÄNDRAT"),
    ("zh", "AI生成", "AI合成"),
];
/// The same for traditional characters, tags `zh-Hant`, `zh-TW`, `zh-HK` and `zh-MO`.
const TRADITIONAL: (&str, &str) = ("AI生成", "AI修改");

/// The words in a language (BCP 47), where there are any.
pub fn localized(language: &str, modified: bool) -> Option<&'static str> {
    let mut parts = language.split(['-', '_']);
    let primary = parts.next()?.to_ascii_lowercase();
    let traditional = primary == "zh"
        && parts.any(|p| ["hant", "tw", "hk", "mo"].contains(&p.to_ascii_lowercase().as_str()));
    let (generated, changed) = if traditional {
        TRADITIONAL
    } else {
        WORDINGS.iter().find(|(tag, ..)| *tag == primary).map(|(_, g, c)| (*g, *c))?
    };
    Some(if modified { changed } else { generated })
}

/// Whether `word` stands in `text` with no Latin letter or digit at either side: MAIL holds no AI, `AI生成` does.
fn has_word(text: &str, word: &str, exact_case: bool) -> bool {
    let folded = if exact_case { text.to_owned() } else { text.to_ascii_lowercase() };
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && (c as u32) < 0x250);
    folded.match_indices(word).any(|(at, _)| {
        let before = folded.get(..at).and_then(|t| t.chars().next_back());
        let after = folded.get(at + word.len()..).and_then(|t| t.chars().next());
        !joins(before) && !joins(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gb45438_5_1_both_elements_in_any_order_and_case() {
        for valid in
            ["AI生成", "人工智能生成合成", "由AI合成", "生成（ai）", "Ai 合成", "本内容由人工智能生成"]
        {
            assert!(gb45438_elements(valid).complete(), "{valid}");
        }
        for invalid in ["AI播客", "虚拟主播", "AI GENERATED", "MAIL生成", "生成", "", "AI2生成"] {
            assert!(!gb45438_elements(invalid).complete(), "{invalid}");
        }
    }

    #[test]
    fn eu_code_section_2_asks_for_capitals() {
        assert!(eu_ai("AI GENERATED") && eu_ai("AI生成 · AI GENERATED"));
        assert!(!eu_ai("ai generated") && !eu_ai("MAIL") && !eu_ai(""));
    }

    #[test]
    fn two_wordings_join_once_each() {
        assert_eq!(combined(&["AI生成", "AI GENERATED", "AI生成"]), "AI生成 · AI GENERATED");
        assert_eq!(combined(&["AI · GÉNÉRÉ PAR IA"]), "AI · GÉNÉRÉ PAR IA");
        assert_eq!(combined(&["AI生成", "AI · GÉNÉRÉ PAR IA"]), "AI生成 · GÉNÉRÉ PAR IA");
    }

    #[test]
    fn eu_code_section_2_every_language_shows_the_capitals_and_has_its_glyphs() {
        for (tag, ..) in WORDINGS {
            for modified in [false, true] {
                let words = localized(tag, modified).unwrap();
                assert!(eu_ai(words), "{tag}: {words}");
                assert_eq!(crate::font::covers(words), Ok(()), "{tag}: {words}");
            }
        }
        assert_eq!(localized("zh-Hant-TW", true), Some("AI修改"));
        assert_eq!(localized("de-AT", false), Some("AI · KI-GENERIERT"));
        assert_eq!(localized("", false), None);
        assert_eq!(localized("bg", false), None);
    }
}
