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

/// Joins the wordings of several rules, each once: `AI生成 · AI GENERATED`.
pub fn combined(words: &[&str]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for w in words {
        if !seen.contains(w) {
            seen.push(w);
        }
    }
    seen.join(" · ")
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
    }
}
