//! The text a page shows, with place and size (ISO 32000-2, 8 and 9).
//!
//! Enough of the imaging model to say what stands where: transformations, text state, forms, fonts' ways back to
//! Unicode. Whether it is seen: `paint.rs`.

use colophon_core::{Error, Result};
use lopdf::{Dictionary, Document, Encoding, Object};

use super::ID;
use super::file::File;
use super::lex::{Lexer, Token};
use super::page::{Matrix, Page, number};
use super::paint::{Box4, Canvas, Ink, Path};

/// Forms inside forms.
const MAX_FORMS: usize = 8;
/// Pieces of text on a page.
const MAX_RUNS: usize = 200_000;
/// Saved graphics states.
const MAX_STATES: usize = 4096;
/// Operands of one operator.
const MAX_OPERANDS: usize = 4096;
/// Bytes of one font's map to Unicode.
const MAX_MAP: usize = 4 << 20;
/// An adjustment inside a piece of text that is as wide as a space, in thousandths of an em.
const SPACE: f32 = 200.0;
/// Horizontal scaling in percent below which letters are lines (9.3.4).
const NARROW: f32 = 10.0;
/// Advance of a letter in em where the font is not asked: Latin, and Chinese, Japanese and Korean.
const ADVANCES: (f32, f32) = (0.5, 1.0);

/// A piece of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) text: String,
    /// Begin of the baseline on the page as shown, origin at the lower left, in points.
    pub(super) x: f32,
    pub(super) y: f32,
    /// Size of the type as shown, in points.
    pub(super) em: f32,
    /// Name of the font.
    pub(super) font: String,
    /// Why nobody sees it, where nobody does.
    pub(super) hidden: Option<&'static str>,
}

/// Every piece of text of the page, in the order of painting.
pub(super) fn runs(file: &File<'_>, page: &Page) -> Result<Vec<Run>> {
    let mut content = Vec::new();
    for part in file.array(&page.dict, b"Contents")? {
        let found = file.follow(&part)?;
        if found.stream.is_some() {
            content.extend(file.decoded(&found)?);
            content.push(b'\n');
        }
    }
    let mut reader = Reader { file, empty: Document::new(), out: Vec::new(), canvas: Canvas::default() };
    reader.content(&content, &page.resources, (page.user_to_shown(), Ink::default()), 0)?;
    let canvas = reader.canvas;
    Ok(reader
        .out
        .into_iter()
        .map(|(run, place, painted)| Run {
            hidden: run.hidden.or_else(|| canvas.covered(place, painted).then_some("painted over")),
            ..run
        })
        .collect())
}

struct Reader<'f, 'a> {
    file: &'f File<'a>,
    /// Fonts are asked for their encoding with every reference resolved already.
    empty: Document,
    /// With the room that each takes, and how many places had been painted before.
    out: Vec<(Run, Box4, usize)>,
    canvas: Canvas,
}

#[derive(Clone)]
struct State {
    ctm: Matrix,
    ink: Ink,
    font: Option<usize>,
    size: f32,
    scaling: f32,
    leading: f32,
    rise: f32,
    mode: i64,
}

impl Reader<'_, '_> {
    fn content(
        &mut self,
        content: &[u8],
        resources: &Dictionary,
        begin: (Matrix, Ink),
        depth: usize,
    ) -> Result<()> {
        let fonts = self.fonts(resources)?;
        let empty = std::mem::take(&mut self.empty);
        let encodings: Vec<(&Vec<u8>, &str, Option<Encoding<'_>>)> = fonts
            .iter()
            .map(|(key, name, dict)| {
                (key, name.as_str(), dict.get_font_encoding_with_limit(&empty, MAX_MAP).ok())
            })
            .collect();
        let result = self.interpret(content, resources, begin, depth, &encodings);
        drop(encodings);
        self.empty = empty;
        result
    }

    fn interpret(
        &mut self,
        content: &[u8],
        resources: &Dictionary,
        (ctm, ink): (Matrix, Ink),
        depth: usize,
        fonts: &[(&Vec<u8>, &str, Option<Encoding<'_>>)],
    ) -> Result<()> {
        let mut state =
            State { ctm, ink, font: None, size: 0.0, scaling: 100.0, leading: 0.0, rise: 0.0, mode: 0 };
        let mut path = Path::default();
        let mut saved: Vec<State> = Vec::new();
        let (mut line, mut text) = (Matrix::IDENTITY, Matrix::IDENTITY);
        let mut operands: Vec<Object> = Vec::new();
        let file = self.file;
        let mut lexer = Lexer::new(content, 0, file.budget());
        loop {
            let operator = match lexer.token()? {
                Token::End => return Ok(()),
                Token::Object(o) => {
                    if operands.len() < MAX_OPERANDS {
                        operands.push(o);
                    }
                    continue;
                }
                Token::Keyword(k) => k,
            };
            let n = |i: usize| operands.get(i).and_then(number).unwrap_or(0.0);
            match operator.as_slice() {
                b"q" if saved.len() < MAX_STATES => saved.push(state.clone()),
                b"Q" => {
                    if let Some(s) = saved.pop() {
                        state = s;
                    }
                }
                b"cm" => state.ctm = Matrix([n(0), n(1), n(2), n(3), n(4), n(5)]).then(state.ctm),
                b"BT" => (line, text) = (Matrix::IDENTITY, Matrix::IDENTITY),
                b"Tf" => {
                    let key = operands.first().and_then(|o| o.as_name().ok()).unwrap_or_default();
                    state.font = fonts.iter().position(|(k, ..)| k.as_slice() == key);
                    state.size = n(1);
                }
                b"Tz" => state.scaling = n(0),
                b"TL" => state.leading = n(0),
                b"Ts" => state.rise = n(0),
                b"Tr" => state.mode = n(0) as i64,
                b"Tm" => {
                    line = Matrix([n(0), n(1), n(2), n(3), n(4), n(5)]);
                    text = line;
                }
                b"Td" | b"TD" => {
                    if operator == b"TD" {
                        state.leading = -n(1);
                    }
                    line = Matrix::translation(n(0), n(1)).then(line);
                    text = line;
                }
                b"T*" | b"'" | b"\"" => {
                    line = Matrix::translation(0.0, -state.leading).then(line);
                    text = line;
                    if operator != b"T*" {
                        self.show(operands.last().into_iter(), &state, text, fonts)?;
                    }
                }
                b"Tj" => self.show(operands.first().into_iter(), &state, text, fonts)?,
                b"TJ" => {
                    let items = operands.first().and_then(|o| o.as_array().ok());
                    self.show(items.into_iter().flatten(), &state, text, fonts)?;
                }
                b"Do" => {
                    let key = operands.first().and_then(|o| o.as_name().ok()).unwrap_or_default();
                    self.object(key, resources, &state, depth)?;
                }
                b"gs" => {
                    let key = operands.first().and_then(|o| o.as_name().ok()).unwrap_or_default();
                    let states = file.dict(resources, b"ExtGState").unwrap_or_default();
                    if let Ok(Object::Dictionary(d)) = file.value(&states, key) {
                        state.ink.state(&d);
                    }
                }
                // A shading fills all that the clipping region leaves (8.7.4.2).
                b"sh" => self.canvas.cover(state.ink.clip.unwrap_or([-1e6, -1e6, 1e6, 1e6]), None),
                // Data of an inline picture is no syntax (8.9.7): on to the EI that stands between white space.
                b"ID" => {
                    let rest = content.get(lexer.at..).unwrap_or_default();
                    let end = rest.windows(4).position(|w| {
                        matches!(w, [a, b'E', b'I', b] if a.is_ascii_whitespace() && b.is_ascii_whitespace())
                    });
                    lexer.at = end.map_or(content.len(), |at| lexer.at + at + 3);
                }
                k => {
                    let _ = state.ink.colour(k, &operands, file, resources)
                        || path.construct(k, &operands, state.ctm)
                        || path.paint(k, &mut state.ink, &mut self.canvas);
                }
            }
            operands.clear();
        }
    }

    fn show<'o>(
        &mut self,
        items: impl Iterator<Item = &'o Object>,
        state: &State,
        text: Matrix,
        fonts: &[(&Vec<u8>, &str, Option<Encoding<'_>>)],
    ) -> Result<()> {
        let Some((_, name, Some(encoding))) = state.font.and_then(|f| fonts.get(f)) else { return Ok(()) };
        let mut shown = String::new();
        for item in items {
            match item {
                Object::String(bytes, _) => {
                    shown.push_str(&encoding.bytes_to_string(bytes).unwrap_or_default());
                }
                o if number(o).is_some_and(|n| n < -SPACE) && !shown.ends_with(' ') => shown.push(' '),
                _ => {}
            }
        }
        if shown.is_empty() {
            return Ok(());
        }
        if self.out.len() >= MAX_RUNS {
            return Err(Error::limit(format!("more than {MAX_RUNS} pieces of text on a page")).in_format(ID));
        }
        let all = text.then(state.ctm);
        let (x, y) = all.apply(0.0, state.rise);
        let (ux, uy) = all.apply(0.0, state.rise + 1.0);
        let em = state.size.abs() * (ux - x).hypot(uy - y);
        let wide = |c: char| if c as u32 >= 0x2e80 { ADVANCES.1 } else { ADVANCES.0 };
        let advance = shown.chars().map(wide).sum::<f32>() * state.size * state.scaling / 100.0;
        let place = room(all, state.rise, advance, 0.7 * state.size);
        let hidden = if state.scaling.abs() < NARROW {
            Some("too narrow to be read")
        } else {
            self.canvas.hides(place, &state.ink, state.mode)
        };
        let run = Run { text: shown, x, y, em, font: (*name).to_owned(), hidden };
        self.out.push((run, place, self.canvas.count()));
        Ok(())
    }

    /// A form, whose text is looked at, or a picture, which covers what is below it.
    fn object(&mut self, key: &[u8], resources: &Dictionary, state: &State, depth: usize) -> Result<()> {
        let objects = self.file.dict(resources, b"XObject")?;
        let Ok(at) = objects.get(key) else { return Ok(()) };
        let found = self.file.follow(at)?;
        let Object::Dictionary(dict) = &found.object else { return Ok(()) };
        if found.stream.is_none() {
            return Ok(());
        }
        if dict.get(b"Subtype").and_then(Object::as_name).ok() != Some(b"Form") {
            self.canvas.cover(room(state.ctm, 0.0, 1.0, 1.0), None);
            return Ok(());
        }
        if depth >= MAX_FORMS {
            return Err(Error::limit(format!("forms are nested deeper than {MAX_FORMS}")).in_format(ID));
        }
        let own = self.file.array(dict, b"Matrix")?;
        let matrix = match own.iter().filter_map(number).collect::<Vec<_>>().as_slice() {
            [a, b, c, d, e, f] => Matrix([*a, *b, *c, *d, *e, *f]),
            _ => Matrix::IDENTITY,
        };
        let inner = match self.file.value(dict, b"Resources")? {
            Object::Dictionary(d) => d,
            // Old files leave it out and mean the page's.
            _ => resources.clone(),
        };
        let ctm = matrix.then(state.ctm);
        let mut ink = state.ink.clone();
        let bounds = self.file.array(dict, b"BBox")?;
        if let [l, b, r, t] = bounds.iter().filter_map(number).collect::<Vec<_>>().as_slice() {
            ink.narrow(room(Matrix::translation(*l, *b).then(ctm), 0.0, r - l, t - b));
        }
        let content = self.file.decoded(&found)?;
        self.content(&content, &inner, (ctm, ink), depth + 1)
    }

    /// The fonts of some resources: key, name, and a dictionary without references.
    fn fonts(&self, resources: &Dictionary) -> Result<Vec<(Vec<u8>, String, Dictionary)>> {
        let mut out = Vec::new();
        for (key, at) in &self.file.dict(resources, b"Font")? {
            let Ok(Object::Dictionary(mut dict)) = self.file.resolve(at) else { continue };
            let name = dict.get(b"BaseFont").and_then(Object::as_name).unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            if let Ok(map) = dict.get(b"ToUnicode")
                && let Ok(found) = self.file.follow(map)
                && let Ok(data) = self.file.decoded(&found)
            {
                dict.set("ToUnicode", Object::Stream(lopdf::Stream::new(Dictionary::new(), data)));
            }
            if let Ok(mut encoding) = self.file.value(&dict, b"Encoding") {
                if let Object::Dictionary(d) = &mut encoding
                    && let Ok(differences) = self.file.value(d, b"Differences")
                    && differences != Object::Null
                {
                    d.set("Differences", differences);
                }
                if encoding == Object::Null {
                    dict.remove(b"Encoding");
                } else {
                    dict.set("Encoding", encoding);
                }
            }
            dict.remove(b"FontDescriptor");
            dict.remove(b"DescendantFonts");
            out.push((key.clone(), name, dict));
        }
        Ok(out)
    }
}

/// The room of a rectangle that begins at a height over the origin, as shown.
fn room(all: Matrix, from: f32, width: f32, height: f32) -> Box4 {
    let corners = [(0.0, from), (width, from), (0.0, from + height), (width, from + height)];
    corners
        .map(|(x, y)| all.apply(x, y))
        .into_iter()
        .fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, (x, y)| {
            [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)]
        })
}
