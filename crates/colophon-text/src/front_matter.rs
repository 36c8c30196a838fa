//! The AIGC mapping in Markdown front matter (TC260-PG-20258A §6.5).
//!
//! Front matter is YAML between two `---` lines at the head of the file. Only one block of it is ours: the top-level
//! key `AIGC` with seven scalar values. It is read and written by lines, so that everything else in the front matter,
//! comments and spelling included, stays as it is.

use std::ops::Range;

use serde_json::{Map, Value};

/// The front matter of a file.
pub(crate) struct FrontMatter<'a> {
    /// Byte range between the two marker lines.
    pub(crate) inner: Range<usize>,
    /// Byte offset of the line after the closing marker.
    pub(crate) body: usize,
    text: &'a str,
}

/// The AIGC block inside.
pub(crate) struct Block {
    /// Byte range of its lines, line ends included.
    pub(crate) range: Range<usize>,
    /// Its value as JSON, or its raw text where it is not a mapping of scalars.
    pub(crate) value: String,
}

impl<'a> FrontMatter<'a> {
    /// Finds the front matter behind `start` (after a byte order mark).
    pub(crate) fn find(text: &'a str, start: usize) -> Option<Self> {
        let rest = text.get(start..)?;
        let first = rest.split_inclusive('\n').next()?;
        if first.trim_end() != "---" || !first.ends_with('\n') {
            return None;
        }
        let inner_start = start + first.len();
        let mut at = inner_start;
        for line in text.get(inner_start..)?.split_inclusive('\n') {
            if matches!(line.trim_end(), "---" | "...") {
                return Some(Self { inner: inner_start..at, body: at + line.len(), text });
            }
            at += line.len();
        }
        None
    }

    /// Every top-level `AIGC` block; more than one is an error of the file that the caller reports.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open: Option<(usize, String, Vec<&str>)> = None;
        let mut at = self.inner.start;
        let inner = self.text.get(self.inner.clone()).unwrap_or_default();
        for line in inner.split_inclusive('\n') {
            let top_level = !line.starts_with([' ', '\t', '#']) && !line.trim().is_empty();
            if top_level {
                if let Some((start, head, lines)) = open.take() {
                    blocks.push(Block { range: start..at, value: value(&head, &lines) });
                }
                if let Some((key, head)) = line.split_once(':')
                    && unquoted(key.trim()).eq_ignore_ascii_case("AIGC")
                {
                    open = Some((at, head.trim().to_owned(), Vec::new()));
                }
            } else if let Some((_, _, lines)) = &mut open {
                lines.push(line);
            }
            at += line.len();
        }
        if let Some((start, head, lines)) = open {
            blocks.push(Block { range: start..self.inner.end, value: value(&head, &lines) });
        }
        blocks
    }
}

/// The block for a JSON object of scalars; `None` when the value is something else.
pub(crate) fn write(json: &[u8], line_end: &str) -> Option<String> {
    let Ok(Value::Object(map)) = serde_json::from_slice(json) else {
        return None;
    };
    let mut out = format!("AIGC:{line_end}");
    for (key, value) in &map {
        let text = match value {
            Value::String(s) => s.clone(),
            Value::Object(_) | Value::Array(_) => return None,
            other => other.to_string(),
        };
        if key.contains([':', '\n', '\r', '#']) || text.contains(['\n', '\r']) {
            return None;
        }
        out.push_str(&format!("  {key}: '{}'{line_end}", text.replace('\'', "''")));
    }
    Some(out)
}

/// JSON of a block: a flow mapping or a quoted JSON text behind the key, else `key: scalar` lines below it.
fn value(head: &str, lines: &[&str]) -> String {
    let head = comment_free(head);
    if !head.is_empty() {
        let continued: String =
            std::iter::once(head).chain(lines.iter().map(|l| l.trim())).collect::<Vec<_>>().join(" ");
        return scalar(continued.trim());
    }
    let mut map = Map::new();
    for line in lines {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, v)) = line.split_once(':') else {
            // Not a mapping of scalars: hand out what stands there, for the reader to call unreadable.
            return lines.concat();
        };
        map.insert(unquoted(key.trim()).to_owned(), Value::from(scalar(comment_free(v.trim()))));
    }
    Value::Object(map).to_string()
}

/// A YAML scalar as text: single-quoted, double-quoted (the JSON escapes), or plain.
fn scalar(text: &str) -> String {
    if let Some(inner) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        return inner.replace("''", "'");
    }
    if text.starts_with('"')
        && let Ok(s) = serde_json::from_str::<String>(text)
    {
        return s;
    }
    text.to_owned()
}

fn unquoted(key: &str) -> &str {
    key.trim_matches(['\'', '"'])
}

/// Cuts a trailing comment off a plain scalar; quoted ones are left alone.
fn comment_free(text: &str) -> &str {
    if text.starts_with(['\'', '"', '{']) { text } else { text.split(" #").next().unwrap_or(text).trim_end() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Vec<String> {
        FrontMatter::find(text, 0)
            .map(|f| f.blocks().into_iter().map(|b| b.value).collect())
            .unwrap_or_default()
    }

    #[test]
    fn tc260_20258a_6_5_mapping_reads_as_json() {
        let text = "---\ntitle: x\nAIGC:\n  Label: '1'\n  ContentProducer: \"a\\\"b\" \n  ProduceID: 7 # note\ntags: [a]\n---\nbody\n";
        assert_eq!(blocks(text), [r#"{"Label":"1","ContentProducer":"a\"b","ProduceID":"7"}"#]);
    }

    #[test]
    fn flow_and_quoted_json_read_alike() {
        assert_eq!(blocks("---\nAIGC: {\"Label\":\"1\"}\n---\n"), [r#"{"Label":"1"}"#]);
        assert_eq!(blocks("---\nAIGC: '{\"Label\":\"1\"}'\n---\n"), [r#"{"Label":"1"}"#]);
    }

    #[test]
    fn a_rule_or_an_open_marker_is_no_front_matter() {
        assert!(FrontMatter::find("---\nno end", 0).is_none());
        assert!(FrontMatter::find("text\n---\na: b\n---\n", 0).is_none());
        assert!(FrontMatter::find("--- \r\na: b\r\n...\r\nbody", 0).is_some());
        assert!(FrontMatter::find("", 0).is_none());
    }

    #[test]
    fn what_is_written_reads_back() {
        let json = r#"{"Label":"1","ContentProducer":"it's","ReservedCode1":"{\"k\":\"v\"}"}"#;
        let block = write(json.as_bytes(), "\n").unwrap();
        assert_eq!(blocks(&format!("---\n{block}---\n")), [json]);
        assert!(write(b"[1]", "\n").is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_front_matter_is_walked_without_panic(inner in "[ -~\n\t\u{e9}]{0,200}") {
            let text = format!("---\n{inner}\n---\nbody");
            for b in FrontMatter::find(&text, 0).map(|f| f.blocks()).unwrap_or_default() {
                proptest::prop_assert!(text.get(b.range).is_some());
            }
        }
    }
}
