//! The label on the first page: style `page.1`, dark type on a white plate with a hairline, in a corner or at an edge.
//! It is the only look on pages: type without a plate may run into what the page says.
//!
//! A page is text in the sense of GB 45438-2025, 5.1, which asks for legible words at the start, the end or a suitable
//! place, without a size. The size is the profile's; it fits the margin of ordinary pages, so that nothing is covered.

use colophon_core::{
    Canvas, Error, ErrorKind, LabelAt, LabelForm, LabelRecord, LabelSpec, PixelBox, Result, VisibleSpec,
};
use colophon_label::font::LabelFont;
use lopdf::{Dictionary, Object};

use super::file::File;
use super::font::{self, Embedded};
use super::page::{Matrix, Page};
use super::update::{Update, real};
use super::{ID, reading};

/// Id of the style in records.
pub(super) const STYLE: &str = "page.1";
/// Free room between the plate's edge and the ink, in em.
const PAD_X: f32 = 0.55;
const PAD_Y: f32 = 0.38;
/// Free height between the ink of two lines, in em.
const LEADING: f32 = 0.36;
/// Corner radius in em.
const RADIUS: f32 = 0.28;
/// Distance from the edges of the page in points: a quarter of an inch, which printers reach.
const MARGIN: f32 = 18.0;
/// Ink heights in points: aimed at on small pages, and the least that can be read.
const COMFORTABLE: f32 = 9.0;
const READABLE: f32 = 5.0;
/// Longest label in characters.
const MAX_CHARACTERS: usize = 120;
/// Joins the wordings of several rules; a label too wide for the page breaks here.
const SEPARATOR: &str = " · ";

/// Draws the label, unless the page shows it already.
pub(super) fn place(
    file: &File<'_>,
    page: &Page,
    spec: &LabelSpec,
    update: &mut Update<'_>,
) -> Result<LabelRecord> {
    let LabelForm::Visible(visible) = &spec.form else {
        return Err(Error::unsupported(ID, "only a visible label can be placed on a page"));
    };
    let text = spec.text.trim();
    if text.is_empty() || text.chars().count() > MAX_CHARACTERS {
        let text = format!("a label has 1 to {MAX_CHARACTERS} characters");
        return Err(Error::new(ErrorKind::Usage, text));
    }
    // Marking twice leaves one label.
    if let Some(record) = reading::shown_label(file, page, text)? {
        return Ok(record);
    }
    let face = LabelFont::bundled()?;
    let (width, height) = page.shown();
    let set = fit(&face, text, visible, (width, height))?;
    let area = set.place(visible, (width, height))?;
    let font = font::embed(text, &face, update)?;
    // The plate stands at `area`, whose origin is at the upper left of the page as shown.
    let origin = Matrix::translation(area.x as f32, height - (area.y + area.height) as f32);
    let (resources, key) = with_font(file, page, &font)?;
    let drawing = set.drawing(&font, &face, &key)?;
    show(file, page, resources, &drawing, origin.then(page.shown_to_user()), update)?;
    Ok(LabelRecord {
        text: text.to_owned(),
        form: "visible".to_owned(),
        style: STYLE.to_owned(),
        area: Some(area),
        canvas: Some(canvas(page)),
        ink_height: Some(set.ink),
        span: None,
        position: None,
    })
}

/// The page as shown, in whole points.
pub(super) fn canvas(page: &Page) -> Canvas {
    let (width, height) = page.shown();
    Canvas { width: width.round() as u32, height: height.round() as u32 }
}

/// Ink height of the glyph that counts, in em: the tallest Chinese, Japanese or Korean letter, else the tallest capital.
pub(super) fn reference_ink(face: &LabelFont, text: &str) -> f32 {
    let ink = |c: char| {
        face.glyph(c).map_or(0.0, |g| {
            let m = face.metrics(g);
            m.top - m.bottom
        })
    };
    let tallest =
        |wanted: &dyn Fn(char) -> bool| text.chars().filter(|c| wanted(*c)).map(ink).fold(0.0, f32::max);
    let cjk = tallest(&|c| c as u32 >= 0x2e80);
    let capital = if cjk > 0.0 { cjk } else { tallest(&|c| c.is_ascii_uppercase()) };
    if capital > 0.0 { capital } else { tallest(&|_| true) }
}

/// Lines set at one size.
struct Set {
    lines: Vec<Line>,
    em: f32,
    /// Ink height of the reference glyph in points.
    ink: f32,
    width: f32,
    height: f32,
}

struct Line {
    text: String,
    /// Advance of the line, and its ink over and under the baseline, in points.
    width: f32,
    top: f32,
    bottom: f32,
}

fn fit(face: &LabelFont, text: &str, spec: &VisibleSpec, page: (f32, f32)) -> Result<Set> {
    for share in [spec.height, spec.min_height] {
        if !(0.0..=0.5).contains(&share) {
            let text = format!("a label height of {share} of the shortest side is out of range (0 to 0.5)");
            return Err(Error::new(ErrorKind::Usage, text));
        }
    }
    let reference = reference_ink(face, text);
    if reference <= 0.0 {
        return Err(Error::new(ErrorKind::Usage, "a label without ink is no label"));
    }
    let short = page.0.min(page.1);
    let floor = (spec.min_height * short).max(READABLE);
    let mut ink = (spec.height * short).max(COMFORTABLE).max(floor);
    let whole = vec![text];
    let parts: Vec<&str> = text.split(SEPARATOR).collect();
    loop {
        for lines in [&whole, &parts] {
            let set = Set::new(face, lines, ink / reference, ink)?;
            if set.width <= page.0 - 2.0 && set.height <= page.1 - 2.0 {
                return Ok(set);
            }
        }
        if ink <= floor {
            let text = format!(
                "the label does not fit a page of {:.0} × {:.0} points at an ink height of {floor:.1} points",
                page.0, page.1
            );
            return Err(Error::new(ErrorKind::Policy, text).in_format(ID));
        }
        ink = (ink * 0.95).max(floor);
    }
}

impl Set {
    fn new(face: &LabelFont, texts: &[&str], em: f32, ink: f32) -> Result<Self> {
        let mut lines = Vec::new();
        let mut size = (0.0_f32, 0.0_f32);
        for text in texts {
            let mut line = Line { text: (*text).to_owned(), width: 0.0, top: 0.0, bottom: 0.0 };
            let mut before = None;
            for c in text.chars() {
                let glyph = face.glyph(c)?;
                let m = face.metrics(glyph);
                line.width += em * (m.advance + before.map_or(0.0, |b| face.kern(b, glyph)));
                line.top = line.top.max(em * m.top);
                line.bottom = line.bottom.min(em * m.bottom);
                before = Some(glyph);
            }
            if !lines.is_empty() {
                size.1 += LEADING * em;
            }
            size = (size.0.max(line.width), size.1 + line.top - line.bottom);
            lines.push(line);
        }
        // Whole points, so that the record says exactly where it is.
        let width = (size.0 + 2.0 * PAD_X * em).ceil();
        let height = (size.1 + 2.0 * PAD_Y * em).ceil();
        Ok(Self { lines, em, ink, width, height })
    }

    fn place(&self, spec: &VisibleSpec, page: (f32, f32)) -> Result<PixelBox> {
        let free = ((page.0 - self.width).max(0.0), (page.1 - self.height).max(0.0));
        let margin = spec.margin.map_or(MARGIN, |share| share.clamp(0.0, 0.5) * page.0.min(page.1));
        let low = |free: f32| margin.min(free / 2.0);
        let (x, y) = match spec.at {
            LabelAt::TopLeft => (low(free.0), low(free.1)),
            LabelAt::Top => (free.0 / 2.0, low(free.1)),
            LabelAt::TopRight => (free.0 - low(free.0), low(free.1)),
            LabelAt::Left => (low(free.0), free.1 / 2.0),
            LabelAt::Right => (free.0 - low(free.0), free.1 / 2.0),
            LabelAt::BottomLeft => (low(free.0), free.1 - low(free.1)),
            LabelAt::Bottom => (free.0 / 2.0, free.1 - low(free.1)),
            LabelAt::BottomRight => (free.0 - low(free.0), free.1 - low(free.1)),
            LabelAt::Below => return Err(Error::unsupported(ID, "a strip below is for still pictures")),
        };
        Ok(PixelBox {
            x: x.floor() as u32,
            y: y.floor() as u32,
            width: self.width as u32,
            height: self.height as u32,
        })
    }

    /// The label as operators of the page, origin at the lower left of the plate. Not as a form: simple readers of text
    /// do not look into forms.
    fn drawing(&self, font: &Embedded, face: &LabelFont, key: &str) -> Result<String> {
        let mut out = String::from("q 1 g 0.2 G 0.6 w\n");
        out.push_str(&rounded(0.3, 0.3, self.width - 0.6, self.height - 0.6, RADIUS * self.em));
        out.push_str("B Q\nBT 0.07 g\n");
        out.push_str(&format!("/{key} {} Tf\n", real(self.em)));
        let mut y = self.height;
        let inner: f32 = self.lines.iter().map(|l| l.top - l.bottom).sum::<f32>()
            + LEADING * self.em * (self.lines.len().saturating_sub(1)) as f32;
        y -= (self.height - inner) / 2.0;
        for line in &self.lines {
            let baseline = y - line.top;
            let x = (self.width - line.width) / 2.0;
            out.push_str(&format!("1 0 0 1 {} {} Tm [", real(x), real(baseline)));
            let mut before = None;
            for c in line.text.chars() {
                let glyph = face.glyph(c)?;
                let kern = before.map_or(0.0, |b| face.kern(b, glyph));
                if kern != 0.0 {
                    // Positive numbers move to the left, in thousandths (9.4.3).
                    out.push_str(&format!("{} ", real((-1000.0 * kern).round())));
                }
                let [high, low] = font.code(c);
                out.push_str(&format!("<{high:02X}{low:02X}> "));
                before = Some(glyph);
            }
            out.push_str("] TJ\n");
            y = baseline + line.bottom - LEADING * self.em;
        }
        out.push_str("ET\n");
        Ok(out)
    }
}

/// A rectangle with rounded corners as a path; 0.5523 is the handle of a quarter circle.
fn rounded(x: f32, y: f32, w: f32, h: f32, radius: f32) -> String {
    let r = radius.min(w / 2.0).min(h / 2.0);
    let k = r * (1.0 - 0.5523);
    let (right, top) = (x + w, y + h);
    let n = |values: &[f32]| {
        values.iter().map(|v| real((v * 1000.0).round() / 1000.0)).collect::<Vec<_>>().join(" ")
    };
    format!(
        "{} m {} l {} c\n{} l {} c\n{} l {} c\n{} l {} c h\n",
        n(&[x + r, y]),
        n(&[right - r, y]),
        n(&[right - k, y, right, y + k, right, y + r]),
        n(&[right, top - r]),
        n(&[right, top - k, right - k, top, right - r, top]),
        n(&[x + r, top]),
        n(&[x + k, top, x, top - k, x, top - r]),
        n(&[x, y + r]),
        n(&[x, y + k, x + k, y, x + r, y]),
    )
}

/// The page's resources with the label's font, and the name it has there.
fn with_font(file: &File<'_>, page: &Page, font: &Embedded) -> Result<(Dictionary, String)> {
    let mut fonts = file.dict(&page.resources, b"Font")?;
    let mut key = "ColophonLabel".to_owned();
    for n in 1_u32.. {
        if !fonts.has(key.as_bytes()) {
            break;
        }
        key = format!("ColophonLabel{n}");
    }
    fonts.set(key.as_bytes(), Object::Reference(font.id));
    let mut resources = page.resources.clone();
    resources.set("Font", fonts);
    Ok((resources, key))
}

/// Draws on top of a page: what the page draws itself is put between `q` and `Q`, so that nothing of its state reaches
/// the label.
fn show(
    file: &File<'_>,
    page: &Page,
    resources: Dictionary,
    drawing: &str,
    at: Matrix,
    update: &mut Update<'_>,
) -> Result<()> {
    let numbers: Vec<String> = at.0.iter().map(|n| real(*n)).collect();
    let tail = format!("\nQ q {} cm\n{drawing}Q\n", numbers.join(" "));
    let head = update.add_stream(Dictionary::new(), b"q\n".to_vec())?;
    let tail = update.add_stream(Dictionary::new(), tail.into_bytes())?;
    let mut contents = vec![Object::Reference(head)];
    contents.extend(file.array(&page.dict, b"Contents")?);
    contents.push(Object::Reference(tail));

    let mut dict = page.dict.clone();
    dict.set("Resources", resources);
    dict.set("Contents", Object::Array(contents));
    update.set(page.id, dict);
    Ok(())
}
