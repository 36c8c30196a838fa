//! PDF syntax (ISO 32000-2, 7.2 and 7.3): bytes to objects, bounded in depth and number.

use std::cell::Cell;

use colophon_core::{Error, Result};
use lopdf::{Dictionary, Object, StringFormat};

use super::ID;

/// Deepest nesting of arrays and dictionaries. Real files need fewer than ten.
const MAX_DEPTH: usize = 64;

/// What a file may still cost. Shared by everything that reads one file.
#[derive(Debug)]
pub(super) struct Budget {
    /// Objects still to be parsed.
    objects: Cell<u64>,
    /// Bytes still to be decoded from compressed streams.
    decoded: Cell<u64>,
}

impl Budget {
    pub(super) fn new(objects: u64, decoded: u64) -> Self {
        Self { objects: Cell::new(objects), decoded: Cell::new(decoded) }
    }

    fn object(&self) -> Result<()> {
        match self.objects.get().checked_sub(1) {
            Some(left) => {
                self.objects.set(left);
                Ok(())
            }
            None => Err(Error::limit("more objects than the limit allows").in_format(ID)),
        }
    }

    /// Bytes that one stream may decode to now.
    pub(super) fn decodable(&self) -> usize {
        usize::try_from(self.decoded.get()).unwrap_or(usize::MAX)
    }

    pub(super) fn decoded(&self, bytes: usize) {
        self.decoded.set(self.decoded.get().saturating_sub(bytes as u64));
    }
}

/// One token of a content stream or a file.
#[derive(Debug, PartialEq)]
pub(super) enum Token {
    Object(Object),
    Keyword(Vec<u8>),
    End,
}

/// Reads objects from a position on.
pub(super) struct Lexer<'a> {
    data: &'a [u8],
    pub(super) at: usize,
    budget: &'a Budget,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(data: &'a [u8], at: usize, budget: &'a Budget) -> Self {
        Self { data, at, budget }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.data.get(self.at.checked_add(ahead)?).copied()
    }

    pub(super) fn malformed(&self, why: &str) -> Error {
        Error::malformed(ID, why).at_offset(self.at as u64)
    }

    /// White space and comments (7.2.3, 7.2.4).
    pub(super) fn skip_space(&mut self) {
        while let Some(c) = self.peek(0) {
            match c {
                0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ' => self.at += 1,
                b'%' => {
                    while self.peek(0).is_some_and(|c| c != b'\n' && c != b'\r') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    /// True, and consumed, when the bytes come next as a word of their own.
    pub(super) fn keyword(&mut self, word: &[u8]) -> bool {
        self.skip_space();
        let rest = self.data.get(self.at..).unwrap_or_default();
        let ends = rest.get(word.len()).is_none_or(|c| !is_regular(*c));
        if rest.starts_with(word) && ends {
            self.at += word.len();
            true
        } else {
            false
        }
    }

    /// An unsigned integer.
    pub(super) fn unsigned(&mut self) -> Result<u64> {
        self.skip_space();
        let start = self.at;
        let mut value: u64 = 0;
        while let Some(c @ b'0'..=b'9') = self.peek(0) {
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(u64::from(c - b'0')))
                .ok_or_else(|| self.malformed("a number is too large"))?;
            self.at += 1;
        }
        if self.at == start { Err(self.malformed("a number was expected")) } else { Ok(value) }
    }

    /// The next object. References (`12 0 R`) are objects.
    pub(super) fn object(&mut self) -> Result<Object> {
        match self.token_at(0)? {
            Token::Object(o) => Ok(o),
            Token::Keyword(_) => Err(self.malformed("a keyword stands where an object was expected")),
            Token::End => Err(self.malformed("the data ends where an object was expected")),
        }
    }

    /// The next object or operator.
    pub(super) fn token(&mut self) -> Result<Token> {
        self.token_at(0)
    }

    fn token_at(&mut self, depth: usize) -> Result<Token> {
        if depth > MAX_DEPTH {
            return Err(Error::limit(format!("objects are nested deeper than {MAX_DEPTH}"))
                .in_format(ID)
                .at_offset(self.at as u64));
        }
        self.skip_space();
        self.budget.object()?;
        let Some(c) = self.peek(0) else { return Ok(Token::End) };
        Ok(Token::Object(match c {
            b'/' => Object::Name(self.name()),
            b'(' => Object::String(self.literal()?, StringFormat::Literal),
            b'<' if self.peek(1) == Some(b'<') => Object::Dictionary(self.dictionary(depth)?),
            b'<' => Object::String(self.hex()?, StringFormat::Hexadecimal),
            b'[' => self.array(depth)?,
            b'0'..=b'9' | b'+' | b'-' | b'.' => self.number_or_reference(),
            b']' | b'>' | b')' | b'{' | b'}' => {
                self.at += 1;
                return Ok(Token::Keyword(vec![c]));
            }
            _ => {
                let word = self.word();
                match word.as_slice() {
                    b"true" => Object::Boolean(true),
                    b"false" => Object::Boolean(false),
                    b"null" => Object::Null,
                    _ => return Ok(Token::Keyword(word)),
                }
            }
        }))
    }

    fn word(&mut self) -> Vec<u8> {
        let start = self.at;
        while self.peek(0).is_some_and(is_regular) {
            self.at += 1;
        }
        // A byte that is nothing else is a word of its own, so that reading goes on.
        if self.at == start {
            self.at += 1;
        }
        self.data.get(start..self.at).unwrap_or_default().to_vec()
    }

    fn name(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut out = Vec::new();
        while let Some(c) = self.peek(0).filter(|c| is_regular(*c)) {
            self.at += 1;
            match (c, self.peek(0).and_then(hex_digit), self.peek(1).and_then(hex_digit)) {
                (b'#', Some(high), Some(low)) => {
                    self.at += 2;
                    out.push(high << 4 | low);
                }
                _ => out.push(c),
            }
        }
        out
    }

    fn literal(&mut self) -> Result<Vec<u8>> {
        self.at += 1;
        let mut out = Vec::new();
        let mut open = 1_usize;
        loop {
            let Some(c) = self.peek(0) else { return Err(self.malformed("a string does not end")) };
            self.at += 1;
            match c {
                b'(' => {
                    open += 1;
                    out.push(c);
                }
                b')' => {
                    open -= 1;
                    if open == 0 {
                        return Ok(out);
                    }
                    out.push(c);
                }
                b'\\' => {
                    let Some(e) = self.peek(0) else { return Err(self.malformed("a string does not end")) };
                    self.at += 1;
                    match e {
                        b'n' => out.push(b'\n'),
                        b'r' => out.push(b'\r'),
                        b't' => out.push(b'\t'),
                        b'b' => out.push(8),
                        b'f' => out.push(12),
                        b'0'..=b'7' => {
                            let mut value = u32::from(e - b'0');
                            for _ in 0..2 {
                                let Some(d @ b'0'..=b'7') = self.peek(0) else { break };
                                value = value * 8 + u32::from(d - b'0');
                                self.at += 1;
                            }
                            out.push(value as u8);
                        }
                        // A line end after a backslash is no part of the string.
                        b'\r' if self.peek(0) == Some(b'\n') => self.at += 1,
                        b'\r' | b'\n' => {}
                        _ => out.push(e),
                    }
                }
                b'\r' => {
                    if self.peek(0) == Some(b'\n') {
                        self.at += 1;
                    }
                    out.push(b'\n');
                }
                _ => out.push(c),
            }
        }
    }

    fn hex(&mut self) -> Result<Vec<u8>> {
        self.at += 1;
        let mut out = Vec::new();
        let mut high = None;
        loop {
            let Some(c) = self.peek(0) else { return Err(self.malformed("a hex string does not end")) };
            self.at += 1;
            match (c, hex_digit(c), high) {
                (b'>', ..) => {
                    if let Some(h) = high {
                        out.push(h << 4);
                    }
                    return Ok(out);
                }
                (_, Some(d), None) => high = Some(d),
                (_, Some(d), Some(h)) => {
                    out.push(h << 4 | d);
                    high = None;
                }
                _ => {}
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Object> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            match self.token_at(depth + 1)? {
                Token::Object(o) => items.push(o),
                Token::Keyword(k) if k == b"]" => return Ok(Object::Array(items)),
                Token::Keyword(_) => return Err(self.malformed("a keyword stands inside an array")),
                Token::End => return Err(self.malformed("an array does not end")),
            }
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Dictionary> {
        self.at += 2;
        let mut out = Dictionary::new();
        loop {
            self.skip_space();
            if self.peek(0) == Some(b'>') && self.peek(1) == Some(b'>') {
                self.at += 2;
                return Ok(out);
            }
            let key = match self.token_at(depth + 1)? {
                Token::Object(Object::Name(n)) => n,
                Token::End => return Err(self.malformed("a dictionary does not end")),
                _ => return Err(self.malformed("a dictionary key is not a name")),
            };
            match self.token_at(depth + 1)? {
                Token::Object(o) => out.set(key, o),
                _ => return Err(self.malformed("a dictionary key has no value")),
            }
        }
    }

    fn number_or_reference(&mut self) -> Object {
        let first = self.number();
        let Object::Integer(id) = first else { return first };
        let after = self.at;
        if let (Ok(id), Some(gap)) = (u32::try_from(id), self.peek(0))
            && !is_regular(gap)
        {
            if let Ok(generation) = self.unsigned()
                && let Ok(generation) = u16::try_from(generation)
                && self.peek(0).is_some_and(|c| !is_regular(c))
                && self.keyword(b"R")
            {
                return Object::Reference((id, generation));
            }
            self.at = after;
        }
        first
    }

    fn number(&mut self) -> Object {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_ascii_digit() || matches!(c, b'+' | b'-' | b'.')) {
            self.at += 1;
        }
        let text = std::str::from_utf8(self.data.get(start..self.at).unwrap_or_default()).unwrap_or_default();
        if let Ok(n) = text.parse::<i64>() {
            return Object::Integer(n);
        }
        Object::Real(text.parse::<f32>().ok().filter(|n| n.is_finite()).unwrap_or(0.0))
    }
}

/// Neither white space nor delimiter (7.2.3).
pub(super) fn is_regular(c: u8) -> bool {
    !matches!(
        c,
        0 | b'\t'
            | b'\n'
            | 0x0c
            | b'\r'
            | b' '
            | b'('
            | b')'
            | b'<'
            | b'>'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'/'
            | b'%'
    )
}

fn hex_digit(c: u8) -> Option<u8> {
    char::from(c).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &[u8]) -> Result<Object> {
        let budget = Budget::new(10_000, 0);
        Lexer::new(text, 0, &budget).object()
    }

    #[test]
    fn iso32000_7_3_objects_of_every_kind() {
        assert_eq!(one(b"12 0 R").unwrap(), Object::Reference((12, 0)));
        assert_eq!(one(b"12 0 obj").unwrap(), Object::Integer(12));
        assert_eq!(one(b"-.5").unwrap(), Object::Real(-0.5));
        assert_eq!(one(b"/A#20b").unwrap(), Object::Name(b"A b".to_vec()));
        let s = |o: Object| o.as_str().unwrap().to_vec();
        assert_eq!(s(one(b"(a\\(b\\)\\101(c)\\\nd)").unwrap()), b"a(b)A(c)d");
        assert_eq!(s(one(b"<41 4>").unwrap()), b"A@");
        let d = one(b"<</K [1 (x) null<</L true>>]/M/N>> ").unwrap();
        assert_eq!(d.as_dict().unwrap().get(b"M").unwrap(), &Object::Name(b"N".to_vec()));
        assert_eq!(d.as_dict().unwrap().get(b"K").unwrap().as_array().unwrap().len(), 4);
    }

    #[test]
    fn what_does_not_end_is_malformed_and_what_is_too_deep_is_a_limit() {
        use colophon_core::ErrorKind;
        for cut in [&b"(abc"[..], b"<41", b"[1 2", b"<</A 1", b"", b"<</A>>"] {
            assert_eq!(one(cut).unwrap_err().kind(), ErrorKind::Malformed, "{cut:?}");
        }
        assert_eq!(one(&b"[".repeat(5000)).unwrap_err().kind(), ErrorKind::Limit);
        assert_eq!(one(&[&b"["[..], &b"1 ".repeat(20_000)].concat()).unwrap_err().kind(), ErrorKind::Limit);
    }
}
