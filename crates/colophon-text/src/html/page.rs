//! A page taken apart: where head and body are, which elements are ours, and the text a reader sees.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::hiding;
use super::scan::{Kind, Token, value};

/// Elements that stand in a head; anything else begins the body (WHATWG HTML, 13.2.6.4.4).
const HEAD_CONTENT: [&str; 12] = [
    "html", "head", "base", "basefont", "bgsound", "link", "meta", "title", "noscript", "noframes", "style",
    "script",
];
/// Elements in which a paragraph at the end would not be shown, or be moved elsewhere.
const CLOSED_PLACES: [&str; 11] =
    ["select", "table", "template", "svg", "math", "object", "button", "dialog", "details", "audio", "video"];
/// Elements that go on the same line as the text around them.
const INLINE: [&str; 24] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "kbd", "mark", "q", "rp", "rt",
    "ruby", "s", "small", "span", "strong", "sub", "sup", "u", "wbr",
];
/// Media type of a manifest (C2PA 2.5, A.7).
const C2PA: &str = "application/c2pa";
/// Most elements in each other whose colours are followed.
const MAX_COLOURS: usize = 64;
/// Longest manifest that is decoded, in bytes of base64.
const MAX_BASE64: usize = 96 << 20;

/// An AIGC `meta` element.
pub(super) struct Meta {
    pub(super) range: Range<usize>,
    pub(super) value: String,
    pub(super) in_head: bool,
}

/// What a search for manifests found.
pub(super) enum Manifest {
    None,
    /// One script element, whole: what the hard binding leaves out (A.7.1.3).
    One {
        range: Range<usize>,
        store: Vec<u8>,
        in_head: bool,
    },
    /// A script whose content is no base64. The specification has no code for it.
    Malformed {
        range: Range<usize>,
    },
    /// A link element: the manifest is elsewhere.
    Elsewhere {
        href: String,
    },
    /// Scripts and links together are more than one (`manifest.html.multipleManifests`).
    Several,
}

/// A page taken apart.
pub(super) struct Page<'a> {
    text: &'a str,
    pub(super) metas: Vec<Meta>,
    pub(super) manifest: Manifest,
    /// Where an element can be put last in the head.
    pub(super) head_end: usize,
    /// Where an element can be put first in the body.
    pub(super) body_start: usize,
    /// Where an element can be put last in the body; `None` where the page ends inside something.
    pub(super) body_end: Option<usize>,
    /// A page of frames has no body.
    pub(super) frames: bool,
    tokens: Vec<Token>,
}

impl<'a> Page<'a> {
    pub(super) fn of(text: &'a str, tokens: Vec<Token>) -> Self {
        let mut page = Self {
            text,
            metas: Vec::new(),
            manifest: Manifest::None,
            head_end: text.len(),
            body_start: text.len(),
            body_end: Some(text.len()),
            frames: false,
            tokens,
        };
        page.find_places();
        page.find_marks();
        page
    }

    fn str(&self, range: &Range<usize>) -> &'a str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn find_places(&mut self) {
        let mut head_close = None;
        let mut begun = None;
        let mut template = 0_usize;
        for token in &self.tokens {
            match &token.kind {
                Kind::Comment | Kind::Text { of: Some(_) } => {}
                Kind::Text { of: None } if template > 0 => {}
                Kind::Text { of: None } => {
                    let text = self.str(&token.range);
                    let blank = text
                        .trim_start_matches('\u{feff}')
                        .trim_start_matches([' ', '\t', '\n', '\u{c}', '\r']);
                    if !blank.is_empty() {
                        begun = Some((token.range.end - blank.len(), None));
                    }
                }
                Kind::Start { name, .. } if name == "template" => template += 1,
                Kind::End { name } if name == "template" => template = template.saturating_sub(1),
                _ if template > 0 => {}
                Kind::End { name } if name == "head" => {
                    head_close = head_close.or(Some(token.range.start));
                }
                // stray end tags are dropped, except those that begin a body
                Kind::End { name } if matches!(name.as_str(), "body" | "html" | "br") => {
                    begun = Some((token.range.start, None));
                }
                Kind::End { .. } => {}
                Kind::Start { name, html: true } if HEAD_CONTENT.contains(&name.as_str()) => {}
                Kind::Start { name, .. } => {
                    begun = Some((token.range.start, Some((name.as_str(), token.range.end))));
                }
                Kind::Cdata | Kind::Open => begun = Some((token.range.start, None)),
            }
            if begun.is_some() {
                break;
            }
        }
        let (start, tag) = begun.unwrap_or((self.text.len(), None));
        self.head_end = head_close.unwrap_or(start);
        self.frames = matches!(tag, Some(("frameset", _)));
        self.body_start = match tag {
            Some(("body", end)) => end,
            _ => start,
        };
        self.body_end = self.last_place();
    }

    /// Before the end tags of body and page, if nothing is open there.
    fn last_place(&self) -> Option<usize> {
        let mut end = self.text.len();
        for token in self.tokens.iter().rev() {
            match &token.kind {
                Kind::End { name } if matches!(name.as_str(), "html" | "body") => end = token.range.start,
                Kind::Text { of: None } if self.str(&token.range).trim().is_empty() => {}
                Kind::Comment => {}
                _ => break,
            }
        }
        let mut open = [0_i64; CLOSED_PLACES.len()];
        for token in &self.tokens {
            let (name, by) = match &token.kind {
                Kind::Start { name, .. } if !self.str(&token.range).ends_with("/>") => (name, 1),
                Kind::End { name } => (name, -1),
                Kind::Open => return None,
                _ => continue,
            };
            if let Some(n) = CLOSED_PLACES.iter().position(|c| c == name).and_then(|i| open.get_mut(i)) {
                *n = (*n + by).max(0);
            }
        }
        (end >= self.body_start && open.iter().all(|n| *n == 0)).then_some(end)
    }

    fn find_marks(&mut self) {
        let (mut metas, mut found, mut template) = (Vec::new(), Vec::new(), 0_usize);
        for (i, token) in self.tokens.iter().enumerate() {
            let name = match &token.kind {
                Kind::Start { name, html: true } => name.as_str(),
                Kind::End { name } if name == "template" => {
                    template = template.saturating_sub(1);
                    continue;
                }
                _ => continue,
            };
            let tag = self.str(&token.range);
            let in_head = token.range.start < self.body_start;
            match name {
                "template" => template += 1,
                _ if template > 0 => {}
                "meta" if value(tag, "name").is_some_and(|n| n.trim().eq_ignore_ascii_case("AIGC")) => {
                    let value = value(tag, "content").unwrap_or_default();
                    metas.push(Meta { range: token.range.clone(), value, in_head });
                }
                "script" if value(tag, "type").is_some_and(|t| t.trim().eq_ignore_ascii_case(C2PA)) => {
                    found.push(self.script(i, in_head));
                }
                "link"
                    if value(tag, "rel").is_some_and(|r| {
                        r.split_ascii_whitespace().any(|w| w.eq_ignore_ascii_case("c2pa-manifest"))
                    }) =>
                {
                    found.push(Manifest::Elsewhere { href: value(tag, "href").unwrap_or_default() });
                }
                _ => {}
            }
        }
        self.metas = metas;
        self.manifest = match found.len() {
            0 => Manifest::None,
            1 => found.pop().unwrap_or(Manifest::None),
            _ => Manifest::Several,
        };
    }

    /// The script element whose start tag is the `i`th piece.
    fn script(&self, i: usize, in_head: bool) -> Manifest {
        let start = self.tokens.get(i).map_or(0, |t| t.range.start);
        let mut content = "";
        let mut end = self.text.len();
        for token in self.tokens.iter().skip(i + 1).take(2) {
            match &token.kind {
                Kind::Text { of: Some(_) } => content = self.str(&token.range),
                Kind::End { .. } => {
                    end = token.range.end;
                    break;
                }
                _ => break,
            }
        }
        let range = start..end;
        let packed: String = content.split_ascii_whitespace().collect();
        match STANDARD.decode(&packed) {
            Ok(store) if !store.is_empty() && packed.len() <= MAX_BASE64 => {
                Manifest::One { range, store, in_head }
            }
            _ => Manifest::Malformed { range },
        }
    }

    /// What a reader sees of the body, one line per block; what [`hiding`] says is hidden is left out.
    pub(super) fn visible(&self) -> String {
        self.text_where(false)
    }

    /// What is in the body and is not shown.
    pub(super) fn hidden(&self) -> String {
        self.text_where(true)
    }

    fn text_where(&self, wanted: bool) -> String {
        let mut out = String::new();
        // Name and depth of the hidden element the pieces are in.
        let mut hidden: Option<(&str, usize)> = None;
        // Elements that name the colour behind their text: name, depth, colour. Where nothing styles the page it is white.
        let mut behind: Vec<(&str, usize, String)> = Vec::new();
        let page = if self.styled() { None } else { Some("#ffffff") };
        for token in self.tokens.iter().filter(|t| t.range.end >= self.body_start) {
            let tag = self.str(&token.range);
            if let Some((name, depth)) = &mut hidden {
                match &token.kind {
                    Kind::Start { name: n, .. } if n == name && !tag.ends_with("/>") => *depth += 1,
                    Kind::End { name: n } if n == name => *depth -= 1,
                    Kind::Text { of: None } if wanted => out.push_str(&super::entity::decode(tag)),
                    _ => {}
                }
                if *depth == 0 {
                    hidden = None;
                    out.push('\n');
                }
                continue;
            }
            match &token.kind {
                Kind::Text { of: None } if !wanted && token.range.start >= self.body_start => {
                    out.push_str(&super::entity::decode(tag));
                }
                Kind::Start { name, .. } => {
                    if !tag.ends_with("/>") {
                        let colour = behind.last().map(|(_, _, c)| c.as_str()).or(page);
                        let effect = hiding::effect(name, tag, colour);
                        match behind.last_mut() {
                            Some((n, depth, _)) if *n == name => *depth += 1,
                            _ => {}
                        }
                        if effect.hidden {
                            hidden = Some((name, 1));
                        } else if let Some(colour) = effect.behind
                            && behind.len() < MAX_COLOURS
                        {
                            behind.push((name, 1, colour));
                        }
                    }
                    if !INLINE.contains(&name.as_str()) {
                        out.push('\n');
                    }
                }
                Kind::End { name } => {
                    if let Some((n, depth, _)) = behind.last_mut()
                        && *n == name
                    {
                        *depth -= 1;
                        if *depth == 0 {
                            behind.pop();
                        }
                    }
                    if !INLINE.contains(&name.as_str()) {
                        out.push('\n');
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// Whether a style sheet may give the page another colour than white.
    fn styled(&self) -> bool {
        self.tokens.iter().any(|t| match &t.kind {
            Kind::Start { name, .. } if name == "style" => true,
            Kind::Start { name, .. } if name == "link" => value(self.str(&t.range), "rel")
                .is_some_and(|r| r.to_ascii_lowercase().contains("stylesheet")),
            _ => false,
        })
    }
}
