//! Detection in text of any length: read piece by piece, with every form of the text followed side by side.

use super::canonical::{Form, form_of};
use super::tokenized::{PIECE, TextDetection, TextDetector};
use crate::detect::{DetectStream, Detection};
use crate::error::{Error, Result};
use std::io::Read;

/// Bytes behind a piece that are looked at before it is cut.
const AHEAD: usize = 1 << 12;

/// Of the memory for contexts, half is left to the tokenizer.
const SHARES: usize = 2;

/// Forms of the text that have been the same so far.
struct Group<'d> {
    forms: Vec<Form>,
    stream: DetectStream<'d>,
    cuts: Cuts,
}

/// Where a text was cut to be made into tokens piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Cuts made, about one in 256 KiB.
    pub made: usize,
    /// Cuts next to which the tokens are others than without the cut: no better place was found. Each costs the tokens of
    /// about one context.
    pub changing: usize,
}

impl TextDetector {
    /// Tests the UTF-8 text of a reader in bounded memory, whatever its length (but see [`DetectStream`] for what very long
    /// texts cost in power).
    ///
    /// The text is cut where its tokens stay the same if there is such a place. Each form of the text is made piece by piece.
    pub fn detect_stream(&self, mut reader: impl Read) -> Result<TextDetection> {
        let mut stream = self.detector().stream(None);
        stream.share_memory(SHARES);
        let mut groups = vec![Group { forms: Form::ALL.to_vec(), stream, cuts: Cuts::default() }];
        let mut text = String::new();
        let mut source = Source { bytes: Vec::new(), consumed: 0, ended: false };
        loop {
            source.fill(&mut reader, &mut text)?;
            if text.len() <= PIECE && source.ended {
                break;
            }
            let cut = self.tokenizer().cut(&text)?;
            self.add(&mut groups, &text[..cut.at])?;
            for group in &mut groups {
                group.cuts.made += 1;
                group.cuts.changing += usize::from(cut.changes);
            }
            text.drain(..cut.at);
        }
        self.add(&mut groups, &text)?;
        let tried = groups.len();
        let mut best: Option<(Form, Detection, Cuts)> = None;
        let mut tested = 0;
        for group in groups {
            let detection = group.stream.finish();
            tested += usize::from(detection.log10_p.is_some());
            let value = |d: &Detection| d.log10_p.unwrap_or(1.0);
            let form = group.forms.first().copied().unwrap_or(Form::AsGiven);
            if best.as_ref().is_none_or(|(_, known, _)| value(&detection) < value(known)) {
                best = Some((form, detection, group.cuts));
            }
        }
        TextDetection::new(best, tried, tested)
    }

    /// Adds a piece to every form; groups whose forms of it differ are parted.
    fn add<'d>(&'d self, groups: &mut Vec<Group<'d>>, piece: &str) -> Result<()> {
        let mut known: Vec<(String, Vec<u32>)> = Vec::new();
        let others = groups.len() - 1;
        let mut parted = Vec::new();
        for group in groups.drain(..) {
            // which of the texts each form is
            let mut parts: Vec<(usize, Vec<Form>)> = Vec::new();
            for form in group.forms {
                let text = form_of(form, piece);
                let index = if let Some(index) = known.iter().position(|(other, _)| *other == text) {
                    index
                } else {
                    let ids = self.tokenizer().encode(&text)?;
                    known.push((text.into_owned(), ids));
                    known.len() - 1
                };
                match parts.iter_mut().find(|(other, _)| *other == index) {
                    Some((_, forms)) => forms.push(form),
                    None => parts.push((index, vec![form])),
                }
            }
            let (mut stream, cuts) = (Some(group.stream), group.cuts);
            let count = parts.len();
            if let Some(stream) = &mut stream {
                // before it is copied
                stream.share_memory(SHARES * (others + count));
            }
            for (i, (index, forms)) in parts.into_iter().enumerate() {
                let mine = if i + 1 == count { stream.take() } else { stream.clone() };
                parted.extend(mine.map(|stream| (index, Group { forms, stream, cuts })));
            }
        }
        let shares = SHARES * parted.len();
        for (index, mut group) in parted {
            group.stream.share_memory(shares);
            group.stream.push(&known[index].1)?;
            groups.push(group);
        }
        Ok(())
    }
}

/// Text out of a reader, as far as it is needed.
struct Source {
    /// Bytes that were read and are not whole characters yet.
    bytes: Vec<u8>,
    /// Bytes that became text.
    consumed: usize,
    ended: bool,
}

impl Source {
    /// Reads until `text` is long enough to be cut, or the reader ends.
    fn fill(&mut self, reader: &mut impl Read, text: &mut String) -> Result<()> {
        let mut buffer = vec![0; 1 << 16];
        while text.len() < PIECE + AHEAD && !self.ended {
            let count = match reader.read(&mut buffer) {
                Ok(count) => count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::Read { cause: e.to_string() }),
            };
            self.ended = count == 0;
            self.bytes.extend_from_slice(&buffer[..count]);
            let valid = match std::str::from_utf8(&self.bytes) {
                Ok(valid) => valid,
                // the rest of a character may still come
                Err(e) if e.error_len().is_none() && !self.ended => {
                    std::str::from_utf8(&self.bytes[..e.valid_up_to()]).unwrap_or_default()
                }
                Err(e) => return Err(Error::NotUtf8 { offset: self.consumed + e.valid_up_to() }),
            };
            text.push_str(valid);
            let len = valid.len();
            self.consumed += len;
            self.bytes.drain(..len);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ModelTokenizer;
    use crate::{DetectOptions, Detector, Key64, Scheme, VllmGumbel};

    /// Byte pairs over words of lower-case letters, cut by the expression of GPT-2, which takes two line breaks before a word
    /// apart and two at the end of a text together.
    fn tokenizer() -> ModelTokenizer {
        let mut vocab = serde_json::Map::new();
        let mut merges = Vec::new();
        let mut add = |token: String| {
            let id = vocab.len();
            vocab.entry(token).or_insert_with(|| id.into());
        };
        let letters: Vec<String> = ('a'..='z').map(String::from).collect();
        for token in letters.iter().map(String::as_str).chain(["\u{120}", "\u{10A}", ".", ","]) {
            add(token.to_owned());
        }
        for letter in &letters {
            merges.push(format!("\u{120} {letter}"));
            add(format!("\u{120}{letter}"));
        }
        merges.push("\u{10A} \u{10A}".to_owned());
        add("\u{10A}\u{10A}".to_owned());
        for (a, b) in letters.iter().zip(letters.iter().skip(7)) {
            merges.push(format!("{a} {b}"));
            add(format!("{a}{b}"));
        }
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "post_processor": null, "decoder": null,
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges},
        });
        ModelTokenizer::from_json(json.to_string().as_bytes()).unwrap()
    }

    fn detector() -> TextDetector {
        let key = Key64::new(0x1234_5678_9ABC_DEF1);
        let scheme = Scheme::Vllm(VllmGumbel::new(key, 4).unwrap());
        TextDetector::new(tokenizer(), Detector::new(scheme, DetectOptions::default()).unwrap()).unwrap()
    }

    fn text(len: usize, between: impl Fn(usize) -> &'static str) -> String {
        let (mut text, mut state) = (String::new(), 9u64);
        for i in 0.. {
            if text.len() >= len {
                break;
            }
            for _ in 0..4 {
                state = crate::prf::lcg::accumulate(state, 7);
                text.push(char::from(b'a' + (state >> 40) as u8 % 26));
            }
            text.push_str(between(i));
        }
        text
    }

    fn agree(text: &str) -> TextDetection {
        let detector = detector();
        let (whole, parts) =
            (detector.detect(text).unwrap(), detector.detect_stream(text.as_bytes()).unwrap());
        assert_eq!((whole.form, whole.forms, whole.cuts), (parts.form, parts.forms, parts.cuts));
        assert_eq!(whole.detection.tokens, parts.detection.tokens);
        assert_eq!(whole.log10_p, parts.log10_p);
        parts
    }

    #[test]
    fn a_stream_has_the_tokens_of_the_whole_text() {
        let lines = text(150_000, |i| if i % 9 == 8 { "\n" } else { " " });
        assert_eq!(agree(&lines).cuts, Cuts { made: 2, changing: 0 });
        // between paragraphs this tokenizer's tokens change: the cuts fall between lines
        let paragraphs = text(75_000, |i| match i % 40 {
            39 => "\n\n",
            9 | 19 | 29 => "\n",
            _ => " ",
        });
        assert_eq!(agree(&paragraphs).cuts, Cuts { made: 1, changing: 0 });
        let ids = tokenizer().encode(&paragraphs).unwrap();
        assert_eq!(tokenizer().tokenizer().encode(paragraphs, false).unwrap().get_ids(), ids);
        assert_eq!(agree("").cuts, Cuts::default());
        assert_eq!(agree("a few words").forms, 1);
    }

    #[test]
    fn a_text_without_a_place_to_cut_is_cut_and_said() {
        let cuts = agree(&text(70_000, |_| "")).cuts;
        assert_eq!(cuts.made, 1);
        let runs = agree(&"ah".repeat(40_001)).cuts;
        assert_eq!(runs.made, 1);
    }

    #[test]
    fn forms_part_where_they_begin_to_differ() {
        let plain = text(80_000, |i| if i % 9 == 8 { "\n\n" } else { " " });
        let detector = detector();
        let mixed = format!("{plain}\nsome\u{200B}thing at the end");
        let found = detector.detect_stream(mixed.as_bytes()).unwrap();
        // as given, visible, unwrapped: quotes and widths change nothing
        assert_eq!(found.forms, 3);
        assert_eq!(detector.detect(&mixed).unwrap().forms, 3);
    }

    #[test]
    fn what_is_not_utf8_is_placed() {
        let mut bytes = text(150_000, |_| "\n").into_bytes();
        bytes[130_000] = 0xFF;
        let refused = detector().detect_stream(&bytes[..]);
        assert!(matches!(refused, Err(Error::NotUtf8 { offset: 130_000 })), "{refused:?}");
        let cut = detector().detect_stream("wor\u{E9}".as_bytes().split_last().unwrap().1);
        assert!(matches!(cut, Err(Error::NotUtf8 { offset: 3 })), "{cut:?}");
    }
}
