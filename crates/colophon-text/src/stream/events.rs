//! Server-sent events of OpenAI-style services.
//!
//! Each event is a line `data: {…}` with pieces of text in `choices[].delta.content` (chat) or `choices[].text`. Every
//! choice is an answer of its own with a label of its own. Lines that carry no text pass as they are.

use std::collections::BTreeMap;

use colophon_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::{Labeller, Outcome, StreamOptions};

/// Longest line, in bytes.
const MAX_LINE: usize = 16 << 20;
/// Most choices followed at once; more are refused.
const MAX_CHOICES: usize = 256;

/// Labels the answers inside a stream of events.
#[derive(Debug)]
pub struct EventLabeller {
    options: StreamOptions,
    line: Vec<u8>,
    choices: BTreeMap<u64, Choice>,
    line_end: &'static str,
}

#[derive(Debug)]
struct Choice {
    labeller: Labeller,
    /// The last event that carried its text, alone in it: the shape of an event for text of ours.
    shape: Value,
    ended: bool,
}

impl EventLabeller {
    /// A labeller for one stream.
    ///
    /// # Errors
    /// As [`Labeller::new`].
    pub fn new(options: StreamOptions) -> Result<Self> {
        Labeller::new(options.clone())?;
        Ok(Self { options, line: Vec::new(), choices: BTreeMap::new(), line_end: "\n" })
    }

    /// Takes bytes and gives the lines that are complete.
    ///
    /// # Errors
    /// `Limit` for a line over 16 MiB and for more than 256 choices, `Malformed` for text that is not UTF-8.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes.len() + 64);
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() > MAX_LINE {
                return Err(Error::limit(format!("an event of more than {MAX_LINE} bytes")));
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, &mut out)?;
            }
        }
        Ok(out)
    }

    /// Ends the stream: a service that breaks off without `[DONE]` still gets its label.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line, &mut out)?;
            if !out.ends_with(b"\n") {
                out.extend_from_slice(self.line_end.as_bytes());
            }
        }
        self.end_all(&mut out)?;
        Ok(out)
    }

    /// What became of the label of each choice, by index.
    pub fn outcomes(&self) -> Vec<(u64, Outcome)> {
        self.choices.iter().map(|(i, c)| (*i, c.labeller.outcome())).collect()
    }

    fn take_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if line.ends_with(b"\r\n") {
            self.line_end = "\r\n";
        }
        let text = std::str::from_utf8(line).map_err(|e| {
            Error::new(ErrorKind::Malformed, "an event is not UTF-8").at_offset(e.valid_up_to() as u64)
        })?;
        let Some(data) = text.strip_prefix("data:").map(str::trim) else {
            out.extend_from_slice(line);
            return Ok(());
        };
        if data == "[DONE]" {
            self.end_all(out)?;
            out.extend_from_slice(line);
            return Ok(());
        }
        let Ok(mut event) = serde_json::from_str::<Value>(data) else {
            out.extend_from_slice(line);
            return Ok(());
        };
        if self.take_event(&mut event, out)? {
            self.write(&event, out, false);
        } else {
            out.extend_from_slice(line);
        }
        Ok(())
    }

    /// Passes the text of an event through its labellers; true if the event changed.
    fn take_event(&mut self, event: &mut Value, out: &mut Vec<u8>) -> Result<bool> {
        let shape = event.clone();
        let Some(choices) = event.get_mut("choices").and_then(Value::as_array_mut) else {
            return Ok(false);
        };
        let mut changed = false;
        let mut before = Vec::new();
        for (at, choice) in choices.iter_mut().enumerate() {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(at as u64);
            let ends = choice.get("finish_reason").is_some_and(|r| !r.is_null());
            if let Some(text) = text_of(choice) {
                if !self.choices.contains_key(&index) && self.choices.len() >= MAX_CHOICES {
                    return Err(Error::limit(format!("more than {MAX_CHOICES} choices in one stream")));
                }
                let labeller = match self.choices.remove(&index) {
                    Some(known) => known.labeller,
                    None => Labeller::new(self.options.clone())?,
                };
                let mut known = Choice { labeller, shape: alone(&shape, at), ended: false };
                let mut passed = known.labeller.push(text);
                if ends {
                    passed.push_str(&known.labeller.finish()?);
                    known.ended = true;
                }
                self.choices.insert(index, known);
                if passed != *text {
                    *text = passed;
                    changed = true;
                }
            } else if ends && let Some(known) = self.choices.get_mut(&index).filter(|c| !c.ended) {
                known.ended = true;
                let rest = known.labeller.finish()?;
                if !rest.is_empty() {
                    before.push(with_text(&known.shape, rest));
                }
            }
        }
        for event in before {
            self.write(&event, out, true);
        }
        Ok(changed)
    }

    fn end_all(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let mut events = Vec::new();
        for known in self.choices.values_mut().filter(|c| !c.ended) {
            known.ended = true;
            let rest = known.labeller.finish()?;
            if !rest.is_empty() {
                events.push(with_text(&known.shape, rest));
            }
        }
        for event in events {
            self.write(&event, out, true);
        }
        Ok(())
    }

    fn write(&self, event: &Value, out: &mut Vec<u8>, whole: bool) {
        let blank = if whole { self.line_end } else { "" };
        out.extend_from_slice(format!("data: {event}{}{blank}", self.line_end).as_bytes());
    }
}

/// The piece of text in a choice.
fn text_of(choice: &mut Value) -> Option<&mut String> {
    let delta = choice.get("delta").and_then(|d| d.get("content")).is_some_and(Value::is_string);
    let place = if delta { choice.get_mut("delta")?.get_mut("content")? } else { choice.get_mut("text")? };
    match place {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// An event with one of its choices only.
fn alone(event: &Value, at: usize) -> Value {
    let mut event = event.clone();
    if let Some(choices) = event.get_mut("choices").and_then(Value::as_array_mut) {
        if at < choices.len() {
            choices.swap(0, at);
        }
        choices.truncate(1);
    }
    event
}

/// An event of this shape that carries `text` and ends nothing.
fn with_text(shape: &Value, text: String) -> Value {
    let mut event = shape.clone();
    if let Some(choice) = event.get_mut("choices").and_then(|c| c.get_mut(0)) {
        for (key, value) in choice.as_object_mut().into_iter().flatten() {
            if matches!(key.as_str(), "finish_reason" | "logprobs") {
                *value = Value::Null;
            }
        }
        if let Some(place) = text_of(choice) {
            *place = text;
        }
    }
    event
}
