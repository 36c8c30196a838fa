//! The JSON answer of a chat service.

use colophon_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::{Labeller, Outcome, Places, StreamOptions};

/// Largest answer, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// A labelled answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer as JSON, compact; the bytes of the input where nothing was to be added.
    pub json: String,
    /// What became of each text in it, in order.
    pub outcomes: Vec<Outcome>,
}

/// Labels every text a chat service answers with: OpenAI chat completions, completions and responses, Anthropic
/// messages, Ollama, Gemini. Texts that are JSON themselves and tool calls stay as they are.
///
/// # Errors
/// `Malformed` for what is no JSON, `Unsupported` for JSON without a place known to hold text, `Limit` for an answer
/// over 64 MiB, `Usage` as in [`Labeller::new`].
pub fn label_answer(json: &str, options: &StreamOptions) -> Result<Answer> {
    if json.len() > MAX_ANSWER {
        return Err(Error::limit(format!("a JSON answer of more than {MAX_ANSWER} bytes")));
    }
    let mut value: Value = serde_json::from_str(json)
        .map_err(|e| Error::new(ErrorKind::Malformed, "the answer is not JSON").because(e))?;
    let mut groups = texts(&mut value);
    if groups.is_empty() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the JSON has no place known to hold the text of an answer",
        ));
    }
    let mut outcomes = Vec::new();
    let mut changed = false;
    for group in &mut groups {
        let before: Vec<String> = group.iter().map(|t| (**t).clone()).collect();
        outcomes.push(label_group(group, options)?);
        changed |= group.iter().zip(&before).any(|(now, then)| **now != *then);
    }
    let json = if changed { value.to_string() } else { json.to_owned() };
    Ok(Answer { json, outcomes })
}

/// The parts of one answer: the label goes before the first and after the last.
fn label_group(group: &mut [&mut String], options: &StreamOptions) -> Result<Outcome> {
    let last = group.len().saturating_sub(1);
    let mut outcome = Outcome::Empty;
    for (i, text) in group.iter_mut().enumerate() {
        let places = match (options.places, i == 0, i == last) {
            (places, true, true) => places,
            (Places::Start | Places::Both, true, false) => Places::Start,
            (Places::End | Places::Both, false, true) => Places::End,
            _ => continue,
        };
        let mut labeller = Labeller::new(StreamOptions { places, ..options.clone() })?;
        let mut out = labeller.push(text);
        out.push_str(&labeller.finish()?);
        **text = out;
        if outcome != Outcome::Added {
            outcome = labeller.outcome();
        }
    }
    Ok(outcome)
}

/// The texts of an answer; parts of one answer together.
fn texts(value: &mut Value) -> Vec<Vec<&mut String>> {
    let Value::Object(map) = value else { return Vec::new() };
    let mut groups = Vec::new();
    for (key, value) in map.iter_mut() {
        match (key.as_str(), value) {
            // OpenAI: each choice is an answer of its own
            ("choices", Value::Array(choices)) => {
                for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
                    for (key, value) in choice.iter_mut() {
                        match (key.as_str(), value) {
                            ("message", message) => {
                                groups.push(message.get_mut("content").map_or_else(Vec::new, parts));
                            }
                            ("text", Value::String(text)) => groups.push(vec![text]),
                            _ => {}
                        }
                    }
                }
            }
            // OpenAI responses: messages with parts
            ("output", Value::Array(items)) => {
                groups.push(items.iter_mut().filter_map(|i| i.get_mut("content")).flat_map(parts).collect());
            }
            // Gemini
            ("candidates", Value::Array(candidates)) => {
                for candidate in candidates {
                    groups.push(
                        candidate
                            .get_mut("content")
                            .and_then(|c| c.get_mut("parts"))
                            .map_or_else(Vec::new, parts),
                    );
                }
            }
            // Anthropic, and a bare message
            ("content", content) => groups.push(parts(content)),
            // Ollama
            ("message", message) => groups.push(message.get_mut("content").map_or_else(Vec::new, parts)),
            ("response", Value::String(text)) => groups.push(vec![text]),
            _ => {}
        }
    }
    groups.retain(|g| !g.is_empty());
    groups
}

/// A text, or the texts of a list of parts.
fn parts(content: &mut Value) -> Vec<&mut String> {
    match content {
        Value::String(text) => vec![text],
        Value::Array(list) => list
            .iter_mut()
            .filter_map(|part| match part.get_mut("text") {
                Some(Value::String(text)) => Some(text),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
