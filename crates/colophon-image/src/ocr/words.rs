//! What the reader of text answers: words with their places, lines, and whether these are a label.

use colophon_label::written;

/// Least confidence of a word in percent.
const LEAST: f32 = 30.0;

/// One line of text that was read, in pixels of the picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

/// A word with the capitals AI as people see them: the reader takes the second letter for a small l, a one or a bar.
fn capitals(word: &str) -> String {
    // A border beside a letter is taken for one more.
    for done in ["GENERATED", "MODIFIED"] {
        let Some((before, behind)) = word.split_once(done) else { continue };
        let letters: Vec<char> = before.chars().collect();
        let ai = letters.windows(2).any(|w| w[0] == 'A' && matches!(w[1], 'I' | 'l' | '1' | '|'));
        if ai && letters.len() <= 3 {
            return format!("AI {done}{behind}");
        }
    }
    let mut rest = word.chars();
    let (first, second) = (rest.next(), rest.next());
    let rest = rest.as_str();
    let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    match (first, second) {
        (Some('A'), Some('l' | '1' | '|')) if ends => format!("AI{rest}"),
        _ => word.to_owned(),
    }
}

/// The words of a table (level, page, block, paragraph, line, word, left, top, width, height, confidence, text),
/// by line.
pub(super) fn lines(table: &str) -> Vec<Line> {
    let mut out: Vec<(Vec<&str>, Line)> = Vec::new();
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let [level, page, block, paragraph, line, _, left, top, width, height, confidence, text] = *cells
        else {
            continue;
        };
        let sure = confidence.parse().is_ok_and(|c: f32| c >= LEAST);
        let number = |s: &str| s.parse().unwrap_or(0.0_f32);
        if level != "5" || text.trim().is_empty() || !sure {
            continue;
        }
        let (left, top) = (number(left), number(top));
        let word = Line {
            text: capitals(text.trim()),
            left,
            top,
            right: left + number(width),
            bottom: top + number(height),
        };
        let key = vec![page, block, paragraph, line];
        match out.last_mut() {
            Some((k, l)) if *k == key => {
                let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                if latin(l.text.chars().next_back()) && latin(word.text.chars().next()) {
                    l.text.push(' ');
                }
                l.text.push_str(&word.text);
                l.left = l.left.min(word.left);
                l.top = l.top.min(word.top);
                l.right = l.right.max(word.right);
                l.bottom = l.bottom.max(word.bottom);
            }
            _ => out.push((key, word)),
        }
    }
    out.into_iter().map(|(_, l)| l).collect()
}

/// Whether a line is the second half of a label: the first, two letters, is what a busy ground swallows.
pub(super) fn is_part(text: &str) -> bool {
    ["GENERATED", "MODIFIED", "生成", "合成"].iter().any(|w| text.contains(w)) && text.chars().count() <= 40
}

/// Whether a text has Chinese characters.
pub(super) fn ideographs(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{4e00}'..='\u{9fff}'))
}

/// A line that is a label by itself, one with Chinese words before others; else two lines that are one together, as in a
/// capsule or on two rows.
pub(super) fn label(lines: &[Line]) -> Option<Line> {
    let alone = || lines.iter().filter(|l| written::is_label(&l.text));
    if let Some(one) = alone().find(|l| ideographs(&l.text)).or_else(|| alone().next()) {
        return Some(one.clone());
    }
    // As people read: from above, then from the left.
    let before = |a: &Line, b: &Line| {
        let row = a.bottom.min(b.bottom) - a.top.max(b.top) > 0.5 * (a.bottom - a.top).min(b.bottom - b.top);
        if row { a.left <= b.left } else { a.top <= b.top }
    };
    for (i, a) in lines.iter().enumerate() {
        for b in lines.get(i + 1..).unwrap_or_default() {
            let height = (a.bottom - a.top).max(b.bottom - b.top);
            let near = a.left < b.right + 2.0 * height
                && b.left < a.right + 2.0 * height
                && (a.top - b.bottom).max(b.top - a.bottom) < 1.2 * height;
            for (first, second) in if before(a, b) { [(a, b), (b, a)] } else { [(b, a), (a, b)] } {
                let text = format!("{} {}", first.text, second.text);
                if near && written::is_label(&text) {
                    // The larger of the two is measured.
                    let tall = if a.bottom - a.top >= b.bottom - b.top { a } else { b };
                    return Some(Line { text, ..tall.clone() });
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
        1\t1\t0\t0\t0\t0\t0\t0\t800\t600\t-1\t\n\
        5\t1\t1\t1\t1\t1\t600\t500\t40\t30\t91.2\tAI\n\
        5\t1\t1\t1\t1\t2\t642\t498\t70\t34\t88.0\t生成\n\
        5\t1\t2\t1\t1\t1\t20\t20\t90\t20\t12.0\tAI生成\n\
        5\t1\t3\t1\t1\t1\t20\t90\t90\t20\t95.0\tHello\n";

    #[test]
    fn gb45438_5_2_a_line_with_both_elements_is_a_label() {
        let lines = lines(TABLE);
        assert_eq!(lines.len(), 2);
        let found = label(&lines).unwrap();
        assert_eq!(found.text, "AI生成");
        assert_eq!((found.left, found.top, found.bottom), (600.0, 498.0, 532.0));
        assert_eq!(label(&lines[1..]), None);
    }

    #[test]
    fn a_small_l_after_a_capital_a_is_read_as_people_read_it() {
        for (read, seen) in [
            ("Al", "AI"),
            ("A1", "AI"),
            ("Al生成", "AI生成"),
            ("AlGENERATED", "AI GENERATED"),
            ("AIGENERATED", "AI GENERATED"),
            ("[AlGENERATED]", "AI GENERATED]"),
            ("MAIGENERATED", "AI GENERATED"),
            ("REGENERATED", "REGENERATED"),
            ("DETAILGENERATED", "DETAILGENERATED"),
            ("Also", "Also"),
            ("Alte", "Alte"),
            ("A", "A"),
            ("生成", "生成"),
        ] {
            assert_eq!(capitals(read), seen);
        }
    }

    #[test]
    fn eu_code_section_2_two_parts_side_by_side_are_one_label() {
        let part = |text: &str, left: f32| Line {
            text: text.to_owned(),
            left,
            top: 10.0,
            right: left + 60.0,
            bottom: 30.0,
        };
        assert_eq!(label(&[part("AI", 0.0), part("GENERATED", 80.0)]).unwrap().text, "AI GENERATED");
        assert_eq!(label(&[part("AI", 0.0), part("GENERATED", 400.0)]), None);
    }
}
