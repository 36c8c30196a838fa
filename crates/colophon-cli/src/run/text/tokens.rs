//! From inputs to token ids.

use std::io::Read;
use std::path::Path;

use colophon::{Error, ErrorKind};
use colophon_tokenmark::text::ModelTokenizer;

use super::failure;
use crate::advice::Failure;
use crate::args::TokenArgs;
use crate::files::Input;

/// Largest tokenizer file, in bytes.
const MAX_TOKENIZER: u64 = 256 << 20;

/// The tokenizer of a command line, its digest checked.
pub(super) fn tokenizer(args: &TokenArgs) -> Result<Option<ModelTokenizer>, Failure> {
    let Some(path) = &args.tokenizer else {
        if args.tokens {
            return Ok(None);
        }
        return Err(Failure::usage("a watermark lives in token ids: which tokenizer does the model use?")
            .hint("name its file with --tokenizer tokenizer.json, or give token ids with --tokens"));
    };
    let tokenizer =
        ModelTokenizer::from_json(&read(path, MAX_TOKENIZER)?).map_err(|e| failure(e).on(path))?;
    if let Some(expected) = &args.tokenizer_sha256 {
        tokenizer.expect_digest(expected).map_err(|e| failure(e).on(path))?;
    }
    Ok(Some(tokenizer))
}

pub(super) fn read(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let input = Input { path: path.to_owned(), relative: path.to_owned() };
    input.read(max).map_err(|mut e| {
        if e.error.kind() == ErrorKind::Limit {
            e.hint = Some("cut the text, or raise --max-bytes".to_owned());
        }
        e
    })
}

/// The text of a file.
pub(super) fn text(path: &Path, max: u64) -> Result<String, Failure> {
    utf8(read(path, max)?).map_err(|f| f.on(path))
}

/// Bytes that must be text.
pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|e| not_utf8(e.utf8_error().valid_up_to() as u64))
}

fn not_utf8(offset: u64) -> Failure {
    Error::new(ErrorKind::Malformed, "the text is not UTF-8").at_offset(offset).into()
}

/// Token ids between white space, commas and square brackets.
pub(super) fn ids(path: &Path, max: u64) -> Result<Vec<u32>, Failure> {
    parse_all(&read(path, max)?).map_err(|f| f.on(path))
}

/// The ids of a whole input.
pub(super) fn parse_all(bytes: &[u8]) -> Result<Vec<u32>, Failure> {
    let mut ids = Vec::new();
    parse(bytes, 0, 0, &mut ids)?;
    Ok(ids)
}

/// Bytes that are read and parsed together.
const PIECE: usize = 1 << 20;

/// Calls `take` with the ids of `reader`, as [`ids`] understands them, some at a time.
pub(super) fn each(
    path: &Path,
    mut reader: impl Read,
    mut take: impl FnMut(&[u32]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut bytes, mut ids) = (Vec::with_capacity(2 * PIECE), Vec::new());
    let (mut before, mut count) = (0u64, 0usize);
    loop {
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut bytes);
        let ended = read.map_err(|e| Failure::from(e).on(path))? == 0;
        // up to the last byte that cannot be inside of an id or a character
        let end = match bytes
            .iter()
            .rposition(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'[' | b']'))
        {
            _ if ended => bytes.len(),
            Some(at) => at + 1,
            None if bytes.len() >= PIECE => bytes.len(),
            None => continue,
        };
        ids.clear();
        parse(&bytes[..end], before, count, &mut ids).map_err(|f| f.on(path))?;
        take(&ids)?;
        count += ids.len();
        before += end as u64;
        bytes.drain(..end);
        if ended {
            return Ok(());
        }
    }
}

/// Adds the ids of `bytes`, which come after as many bytes and ids.
fn parse(bytes: &[u8], before: u64, count: usize, ids: &mut Vec<u32>) -> Result<(), Failure> {
    if bytes.is_ascii() {
        // the common case: digits between single separators
        let mut rest = bytes;
        loop {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (word, after) = rest.split_at(digits);
            let ends =
                matches!(after.first(), None | Some(b' ' | b'\n' | b'\r' | b'\t' | b',' | b'[' | b']'));
            if !ends || digits > 9 {
                break;
            }
            if digits > 0 {
                ids.push(word.iter().fold(0, |id, digit| 10 * id + u32::from(digit - b'0')));
            }
            match after.split_first() {
                Some((_, next)) => rest = next,
                None => return Ok(()),
            }
        }
        return parse_slowly(rest, before + (bytes.len() - rest.len()) as u64, count, ids);
    }
    parse_slowly(bytes, before, count, ids)
}

/// The same for anything: other white space, numbers that are too large, text that holds no ids.
fn parse_slowly(bytes: &[u8], before: u64, count: usize, ids: &mut Vec<u32>) -> Result<(), Failure> {
    let text = std::str::from_utf8(bytes).map_err(|e| not_utf8(before + e.valid_up_to() as u64))?;
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']')) {
        if word.is_empty() {
            continue;
        }
        let id = word.parse().map_err(|_| {
            let shown: String = word.chars().take(20).collect();
            Failure::from(Error::new(
                ErrorKind::Malformed,
                format!("{shown:?} after {} ids is not a token id", count + ids.len()),
            ))
        })?;
        ids.push(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_stream_are_those_of_the_whole() {
        let mut text = String::from("[1,2 ,\u{3000}3]\n0007\t4294967295 +5");
        for i in 0..400_000u32 {
            text += &format!(", {}", i.wrapping_mul(2_654_435_761) % 200_000);
        }
        let mut whole = Vec::new();
        parse(text.as_bytes(), 0, 0, &mut whole).unwrap();
        assert_eq!(whole[..6], [1, 2, 3, 7, u32::MAX, 5]);
        let mut parts = Vec::new();
        each(Path::new("-"), text.as_bytes(), |ids| {
            parts.extend_from_slice(ids);
            Ok(())
        })
        .unwrap();
        assert!(parts == whole && parts.len() == 400_006);
    }

    #[test]
    fn what_is_no_id_is_named() {
        for (text, words) in [
            ("1 2 three 4", "\"three\" after 2 ids"),
            ("1,2,4294967296", "\"4294967296\" after 2 ids"),
            ("1 2-3", "\"2-3\" after 1 ids"),
        ] {
            let refused = each(Path::new("-"), text.as_bytes(), |_| Ok(())).unwrap_err();
            assert!(refused.error.to_string().contains(words), "{}", refused.error);
        }
        let long = "1".repeat(3 << 20);
        assert!(each(Path::new("-"), long.as_bytes(), |_| Ok(())).is_err());
        let mut bytes = "12 ".repeat(500_000).into_bytes();
        bytes[1_400_000] = 0xFF;
        let refused = each(Path::new("-"), &bytes[..], |_| Ok(())).unwrap_err();
        assert!(refused.error.to_string().contains("1400000"), "{}", refused.error);
    }
}
