//! Character references: those that markup needs, and numbers.

/// Text for an attribute in double quotes, or between tags.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    out
}

/// The text that references stand for. Names of other characters stay as they are: no mark is written with them.
pub(crate) fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        // names and numbers are short; a long run without a semicolon is text
        let end = rest.bytes().take(12).position(|b| b == b';');
        if let Some((c, len)) = end.and_then(|end| Some((one(rest.get(1..end)?)?, end + 1))) {
            out.push(c);
            rest = rest.get(len..).unwrap_or_default();
        } else {
            out.push('&');
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn one(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?).filter(|c| *c != '\0');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "middot" => '·',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_reads_back() {
        let text = "{\"a\":\"<b> & 'c'\u{4e2d}\r\n\"}";
        assert_eq!(decode(&encode(text)), text);
        assert!(!encode(text).contains(['"', '<', '>', '\n']));
    }

    #[test]
    fn numbers_names_and_loose_ampersands_are_read() {
        assert_eq!(decode("&#65;&#x4e2D;&nbsp;&foo;&amp;lt; a&b &#0; &"), "A中\u{a0}&foo;&lt; a&b &#0; &");
    }
}
