//! SVG: the root's size, its metadata and what may be drawn by other means than elements (SVG 2; XMP part 3, 2.6).
//!
//! The walker reads XML and draws nothing. Document types with declarations are refused, because what they declare could
//! be anything.

use std::ops::Range;

use colophon_core::{Error, Limits, Result, Source};
use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

const FORMAT: &str = "svg";
const SVG: &[u8] = b"http://www.w3.org/2000/svg";
const C2PA: &[u8] = b"http://c2pa.org/manifest";
/// Longest file that is parsed.
const MAX_TEXT: u64 = 256 << 20;
/// Most texts that are kept.
const MAX_TEXTS: usize = 1000;

/// A walked file. Offsets are bytes.
#[derive(Clone, Debug, Default)]
pub struct Svg {
    /// The root's start tag.
    pub root: Range<u64>,
    /// Where its end tag begins; `None` for a root without content.
    pub root_end: Option<u64>,
    /// Left, top, width and height in user units: the view box, or the size.
    pub view: Option<[f64; 4]>,
    /// Elements of the root that are no metadata.
    pub content: Vec<Range<u64>>,
    /// XMP packets inside `metadata` elements of the root.
    pub packets: Vec<Range<u64>>,
    /// C2PA manifests inside `metadata`: the element, and its text (Base64).
    pub manifests: Vec<(Range<u64>, Range<u64>)>,
    /// Elements of the root with the identifier that [`walk`] was asked for.
    pub marked: Vec<Range<u64>>,
    /// Something that can be seen stands behind the last of those.
    pub covered: bool,
    /// What could change the picture when it is shown: scripts, handlers, animation, foreign content, styles of the root.
    pub active: Vec<&'static str>,
    /// Character data of `text` elements.
    pub texts: Vec<String>,
    /// Things a reader should know.
    pub notes: Vec<String>,
}

/// Walks the elements and looks for those of the root with the identifier `id`.
///
/// # Errors
/// `Malformed` for text that is no XML, has another root, or declares entities; `Limit` for depth and length;
/// `Unsupported` for encodings other than UTF-8.
pub fn walk(source: &dyn Source, id: &str, limits: &Limits) -> Result<Svg> {
    let bytes = source.all(limits.input_bytes.min(MAX_TEXT)).map_err(|e| e.in_format(FORMAT))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| Error::unsupported(FORMAT, "the text is not UTF-8").at_offset(e.valid_up_to() as u64))?;
    let mut reader = NsReader::from_str(text);
    let mut svg = Svg::default();
    let mut state = State { depth: 0, parts: limits.parts, ..State::default() };
    loop {
        let start = reader.buffer_position();
        let event = reader.read_event().map_err(|e| malformed("not well-formed", start).because(e))?;
        let end = reader.buffer_position();
        match event {
            Event::DocType(d) if d.contains(&b'[') => {
                return Err(malformed("a document type with declarations is refused", start));
            }
            Event::Start(ref e) | Event::Empty(ref e) => {
                state.parts = state.parts.checked_sub(1).ok_or_else(|| {
                    Error::limit("more elements than allowed").in_format(FORMAT).at_offset(start)
                })?;
                // Elements of pictures nest deeper than boxes do.
                if state.depth > limits.depth.saturating_mul(16) {
                    return Err(Error::limit("elements are nested too deeply")
                        .in_format(FORMAT)
                        .at_offset(start));
                }
                let empty = matches!(event, Event::Empty(_));
                let (ns, name) = reader.resolver().resolve_element(e.name());
                let own = matches!(ns, ResolveResult::Bound(n) if n.as_ref() == SVG);
                let c2pa = matches!(ns, ResolveResult::Bound(n) if n.as_ref() == C2PA);
                let local = name.as_ref();
                if state.depth == 0 {
                    if !own || local != b"svg" {
                        return Err(malformed("the root is no svg element of its namespace", start));
                    }
                    svg.root = start..end;
                    root(e, &mut svg);
                    if empty {
                        return Ok(svg);
                    }
                } else {
                    element(e, own, local, &mut svg);
                }
                if state.depth == 1 {
                    if attribute(e, b"id").as_deref() == Some(id) {
                        state.marked = Some(start);
                        svg.covered = false;
                        if empty {
                            svg.marked.push(start..end);
                            state.marked = None;
                        }
                    } else if !svg.marked.is_empty() && drawn(local) {
                        svg.covered = true;
                    }
                    state.metadata = local == b"metadata" && !empty;
                    state.child = start;
                    if empty && local != b"metadata" {
                        svg.content.push(start..end);
                    }
                }
                if state.metadata && state.depth == 2 {
                    let slice = text.get(start as usize..).unwrap_or_default();
                    // A bare RDF element is a packet when it stands by itself: its namespaces are its own.
                    let alone = local == b"RDF"
                        && slice.get(..slice.find('>').unwrap_or(0)).is_some_and(|t| t.contains("xmlns:rdf"));
                    if (local == b"xmpmeta" || alone) && state.packet.is_none() {
                        state.packet = Some((start, Until::Depth(2)));
                        if empty {
                            svg.packets.push(start..end);
                            state.packet = None;
                        }
                    } else if c2pa && local == b"manifest" && !empty {
                        state.manifest = Some((start, end));
                    }
                }
                if local == b"text" && own && !empty {
                    state.text.get_or_insert((state.depth, String::new()));
                }
                if !empty {
                    state.depth = state.depth.saturating_add(1);
                }
            }
            Event::End(_) => {
                state.depth = state.depth.saturating_sub(1);
                if state.depth == 0 {
                    svg.root_end = Some(start);
                    return Ok(svg);
                }
                if let Some((d, _)) = &state.text
                    && *d == state.depth
                    && let Some((_, words)) = state.text.take()
                    && svg.texts.len() < MAX_TEXTS
                {
                    svg.texts.push(words.split_whitespace().collect::<Vec<_>>().join(" "));
                }
                if state.depth == 2 {
                    if let Some((at, Until::Depth(2))) = state.packet {
                        svg.packets.push(at..end);
                        state.packet = None;
                    }
                    if let Some((at, inner)) = state.manifest.take() {
                        svg.manifests.push((at..end, inner..start));
                    }
                }
                if state.depth == 1 {
                    if !state.metadata {
                        svg.content.push(state.child..end);
                    }
                    state.metadata = false;
                    if let Some(at) = state.marked.take() {
                        svg.marked.push(at..end);
                    }
                }
            }
            Event::PI(p) if state.metadata && state.depth == 2 => {
                let p = p.as_ref();
                if p.starts_with(b"xpacket") && contains(p, b"begin=") {
                    state.packet = Some((start, Until::Instruction));
                } else if p.starts_with(b"xpacket")
                    && contains(p, b"end=")
                    && let Some((at, Until::Instruction)) = state.packet
                {
                    svg.packets.push(at..end);
                    state.packet = None;
                }
            }
            Event::PI(p) if p.as_ref().starts_with(b"xml-stylesheet") => note(&mut svg, "a style sheet"),
            Event::Text(t) => {
                if let Some((_, words)) = &mut state.text {
                    words.push_str(&String::from_utf8_lossy(&t));
                    words.push(' ');
                }
            }
            Event::Eof => return Err(malformed("the text ends inside the root", end)),
            _ => {}
        }
    }
}

#[derive(Default)]
struct State {
    depth: usize,
    parts: usize,
    /// Where an element with the wanted identifier began.
    marked: Option<u64>,
    metadata: bool,
    /// Where the element of the root that is being read began.
    child: u64,
    packet: Option<(u64, Until)>,
    manifest: Option<(u64, u64)>,
    text: Option<(usize, String)>,
}

/// What ends a packet.
#[derive(Clone, Copy)]
enum Until {
    Depth(usize),
    Instruction,
}

fn root(e: &BytesStart<'_>, svg: &mut Svg) {
    let numbers: Vec<f64> = attribute(e, b"viewBox")
        .map(|v| v.split([' ', ',', '\t', '\n', '\r']).filter_map(|n| n.parse().ok()).collect())
        .unwrap_or_default();
    svg.view = if let [x, y, w, h] = numbers.as_slice() {
        Some([*x, *y, *w, *h])
    } else {
        let side = |name: &[u8]| attribute(e, name).and_then(|v| length(&v));
        side(b"width").zip(side(b"height")).map(|(w, h)| [0.0, 0.0, w, h])
    };
    svg.view =
        svg.view.filter(|[x, y, w, h]| [x, y, w, h].iter().all(|v| v.is_finite()) && *w > 0.0 && *h > 0.0);
    if attribute(e, b"preserveAspectRatio").is_some_and(|v| v.contains("slice")) {
        note(svg, "a view that cuts the picture off");
    }
    for name in [
        &b"style"[..],
        b"class",
        b"display",
        b"visibility",
        b"opacity",
        b"filter",
        b"mask",
        b"clip-path",
        b"transform",
    ] {
        if attribute(e, name).is_some() && name != b"class" {
            let quiet = name == b"style"
                && attribute(e, name).is_some_and(|v| {
                    !["display", "visibility", "opacity", "filter", "mask", "clip", "transform"]
                        .iter()
                        .any(|w| v.contains(w))
                });
            if !quiet {
                note(svg, "a style of the root");
            }
        }
    }
    handlers(e, svg);
}

fn element(e: &BytesStart<'_>, own: bool, local: &[u8], svg: &mut Svg) {
    match local {
        b"script" => note(svg, "a script"),
        b"foreignObject" => note(svg, "foreign content"),
        b"animate" | b"set" | b"animateTransform" | b"animateMotion" if own => note(svg, "an animation"),
        b"style" if own => note(svg, "a style sheet"),
        _ => {}
    }
    handlers(e, svg);
    let target = attribute(e, b"href").or_else(|| attribute(e, b"xlink:href"));
    if target.is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("javascript:")) {
        note(svg, "a script");
    }
}

/// `onload` and its like.
fn handlers(e: &BytesStart<'_>, svg: &mut Svg) {
    if e.attributes().flatten().any(|a| a.key.as_ref().to_ascii_lowercase().starts_with(b"on")) {
        note(svg, "a script");
    }
}

fn note(svg: &mut Svg, what: &'static str) {
    if !svg.active.contains(&what) {
        svg.active.push(what);
    }
}

/// Elements of the root that are drawn, or hold what is.
fn drawn(local: &[u8]) -> bool {
    !matches!(local, b"metadata" | b"title" | b"desc" | b"defs" | b"style" | b"namedview")
}

fn attribute(e: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    e.attributes()
        .flatten()
        .find(|a| a.key.as_ref() == name)
        .map(|a| String::from_utf8_lossy(&a.value).into_owned())
}

/// A length in user units (CSS Values, 96 to the inch); percentages have none.
fn length(value: &str) -> Option<f64> {
    let value = value.trim();
    let at = value.find(|c: char| c.is_ascii_alphabetic() && c != 'e' || c == '%').unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(at)?;
    let factor = match unit {
        "" | "px" => 1.0,
        "pt" => 96.0 / 72.0,
        "pc" => 16.0,
        "mm" => 96.0 / 25.4,
        "cm" => 96.0 / 2.54,
        "in" => 96.0,
        _ => return None,
    };
    Some(number.trim().parse::<f64>().ok()? * factor)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

fn malformed(why: &str, at: u64) -> Error {
    Error::malformed(FORMAT, why).at_offset(at)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn walked(text: &str) -> Result<Svg> {
        walk(&text.as_bytes(), "mark", &Limits::default())
    }

    #[test]
    fn size_packets_texts_and_marks_are_found() {
        let text = "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 -5 200 100\">\
            <metadata><?xpacket begin=\"\u{feff}\" id=\"x\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/><?xpacket end=\"w\"?></metadata>\
            <rect/><text>AI <tspan>生成</tspan></text><g id=\"mark\"><path/></g></svg>";
        let s = walked(text).unwrap();
        assert_eq!(s.view, Some([0.0, -5.0, 200.0, 100.0]));
        let packet = &text[s.packets[0].start as usize..s.packets[0].end as usize];
        assert!(packet.starts_with("<?xpacket begin") && packet.ends_with("?>") && s.packets.len() == 1);
        assert_eq!(s.texts, ["AI 生成"]);
        assert_eq!(&text[s.marked[0].start as usize..s.marked[0].end as usize], "<g id=\"mark\"><path/></g>");
        assert!(!s.covered && s.active.is_empty());
        let after = text.replace("</svg>", "<rect/></svg>");
        assert!(walked(&after).unwrap().covered);
    }

    #[test]
    fn bombs_scripts_and_strangers_are_told() {
        let e = walked("<!DOCTYPE svg [<!ENTITY a \"b\">]><svg xmlns=\"http://www.w3.org/2000/svg\"/>")
            .unwrap_err();
        assert!(e.to_string().contains("declarations"), "{e}");
        let head = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10mm\" height=\"20\"";
        for (inner, what) in [
            ("><script/></svg>", "a script"),
            (" onload=\"x()\"></svg>", "a script"),
            ("><a href=\"javascript:x\"/></svg>", "a script"),
            ("><style/></svg>", "a style sheet"),
            (" style=\"display:none\"></svg>", "a style of the root"),
            ("><animate/></svg>", "an animation"),
        ] {
            assert_eq!(walked(&format!("{head}{inner}")).unwrap().active, [what], "{inner}");
        }
        assert!(walked("<html/>").is_err() && walked("<svg/>").is_err() && walked("").is_err());
        assert!(walked(&format!("{head}>")).is_err());
        let deep = format!("{head}>{}", "<g>".repeat(2000));
        assert_eq!(walked(&deep).unwrap_err().kind(), colophon_core::ErrorKind::Limit);
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_a_result(text: String) {
            let _ = walked(&text);
            let _ = walked(&format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{text}</svg>"));
        }
    }
}
