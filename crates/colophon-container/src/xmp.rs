//! XMP packets: reading and changing single properties (ISO 16684-1).
//!
//! A packet is changed by splicing one property element; everything else stays byte for byte, padding included.
//! Properties are matched by namespace and local name, whatever prefix the writer chose, in the element form, the
//! attribute form and the `rdf:resource` form. Document types and entities beyond XML's five are refused.

use std::borrow::Cow;
use std::ops::Range;

use colophon_core::{Error, Result};
use quick_xml::NsReader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

/// Namespace of RDF.
const RDF: &[u8] = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#";
/// Longest packet that is parsed, in bytes.
const MAX_PACKET: usize = 16 << 20;
/// Deepest element nesting that is followed.
const MAX_DEPTH: usize = 64;

/// One simple property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Namespace URI.
    pub namespace: &'a str,
    /// Prefix used where the packet does not bind the namespace yet.
    pub prefix: &'a str,
    /// Local name.
    pub local: &'a str,
    /// Value as text; escaped when written.
    pub value: &'a str,
}

/// Every value of a property, in document order. Items of a bag, sequence or alternative come one by one.
///
/// # Errors
/// `Malformed` when the packet is no well-formed XML, has a document type, or is nested too deeply.
pub fn get(packet: &[u8], namespace: &str, local: &str) -> Result<Vec<String>> {
    let text = text(packet)?;
    Ok(walk(&text, namespace, local)?.found.into_iter().flat_map(|o| o.values).collect())
}

/// The packet with the property set to one value. Other occurrences of it are removed.
///
/// Without a packet a new one is made. Setting the value that is there already changes nothing.
///
/// # Errors
/// As [`get`], and `Malformed` when there is no `rdf:RDF` to put the property into.
pub fn set(packet: Option<&[u8]>, property: &Property<'_>) -> Result<Vec<u8>> {
    let Some(packet) = packet else {
        return Ok(fresh(property).into_bytes());
    };
    let text = text(packet)?;
    let found = walk(&text, property.namespace, property.local)?;
    let mut out = Splicer::new(&text);
    if let [only] = found.found.as_slice()
        && only.values == [property.value]
    {
        return Ok(packet.to_vec());
    }
    let element = |prefix: Option<&str>| {
        let value = escape(property.value);
        let local = property.local;
        if let Some(p) = prefix {
            format!("<{p}:{local}>{value}</{p}:{local}>")
        } else {
            let (p, ns) = (property.prefix, escape(property.namespace));
            format!("<{p}:{local} xmlns:{p}=\"{ns}\">{value}</{p}:{local}>")
        }
    };
    let mut placed = false;
    for o in &found.found {
        match (&o.form, placed) {
            (Form::Element { prefix_in_scope }, false) => {
                out.replace(o.range.clone(), element(prefix_in_scope.as_deref()));
                placed = true;
            }
            _ => out.replace(o.range.clone(), String::new()),
        }
    }
    if !placed {
        let new = element(found.bound.as_deref());
        match (found.description, found.rdf_end) {
            (Some(Description { end: Some(end), .. }), _) => out.replace(end..end, new),
            (Some(Description { end: None, tag }), _) => {
                // `<rdf:Description …/>` becomes a pair around the property.
                let raw = text.get(tag.clone()).unwrap_or_default();
                let name = raw.trim_start_matches('<').split(|c: char| c.is_whitespace() || c == '/').next();
                let slash = tag.end.saturating_sub(2);
                out.replace(slash..tag.end, format!(">{new}</{}>", name.unwrap_or("rdf:Description")));
            }
            (None, Some(end)) => {
                let rdf = String::from_utf8_lossy(RDF);
                out.replace(
                    end..end,
                    format!("<rdf:Description xmlns:rdf=\"{rdf}\" rdf:about=\"\">{new}</rdf:Description>"),
                );
            }
            (None, None) => return Err(malformed("there is no rdf:RDF element")),
        }
    }
    Ok(out.finish().into_bytes())
}

/// The packet without the property.
///
/// # Errors
/// As [`get`].
pub fn remove(packet: &[u8], namespace: &str, local: &str) -> Result<Vec<u8>> {
    let text = text(packet)?;
    let found = walk(&text, namespace, local)?;
    if found.found.is_empty() {
        return Ok(packet.to_vec());
    }
    let mut out = Splicer::new(&text);
    for o in found.found {
        out.replace(o.range, String::new());
    }
    Ok(out.finish().into_bytes())
}

/// A new packet with one property.
fn fresh(p: &Property<'_>) -> String {
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n \
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n  \
         <rdf:Description rdf:about=\"\" xmlns:{prefix}=\"{ns}\">\
         <{prefix}:{local}>{value}</{prefix}:{local}></rdf:Description>\n \
         </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>",
        prefix = p.prefix,
        local = p.local,
        ns = escape(p.namespace),
        value = escape(p.value),
    )
}

/// What a walk over a packet found.
#[derive(Default)]
struct Walked {
    found: Vec<Occurrence>,
    /// The first `rdf:Description`.
    description: Option<Description>,
    /// Offset of the end tag of `rdf:RDF`.
    rdf_end: Option<usize>,
    /// A prefix bound to the namespace at the first description.
    bound: Option<String>,
}

struct Description {
    /// Its start tag.
    tag: Range<usize>,
    /// Offset of its end tag; `None` while open or when the tag is self-closing.
    end: Option<usize>,
}

struct Occurrence {
    range: Range<usize>,
    form: Form,
    values: Vec<String>,
}

enum Form {
    /// A child element of a description, with the prefix it was written with when that is bound outside of it.
    Element { prefix_in_scope: Option<String> },
    /// An attribute of a description, with the space before it.
    Attribute,
}

fn walk(text: &str, namespace: &str, local: &str) -> Result<Walked> {
    let mut reader = NsReader::from_str(text);
    let mut walked = Walked::default();
    let mut depth = 0_usize;
    // Depth at which a description is open, whether it is the first, and the property being read.
    let mut description: Option<(usize, bool)> = None;
    let mut open: Option<(usize, Occurrence)> = None;
    let wanted = |ns: &ResolveResult<'_>, name: &[u8]| {
        matches!(ns, ResolveResult::Bound(n) if n.as_ref() == namespace.as_bytes())
            && name == local.as_bytes()
    };
    let is_rdf = |ns: &ResolveResult<'_>| matches!(ns, ResolveResult::Bound(n) if n.as_ref() == RDF);
    loop {
        let start = position(&reader);
        let event = reader.read_event().map_err(|e| malformed("not well-formed").because(e))?;
        match event {
            Event::DocType(_) => return Err(malformed("a document type is refused")),
            Event::Start(e) | Event::Empty(e) if depth >= MAX_DEPTH => {
                let _ = e;
                return Err(malformed("nested too deeply"));
            }
            Event::Start(ref e) | Event::Empty(ref e) => {
                let empty = matches!(event, Event::Empty(_));
                let (ns, name) = reader.resolver().resolve_element(e.name());
                let end = position_of(&reader, text);
                if is_rdf(&ns) && name.as_ref() == b"Description" {
                    let first = walked.description.is_none();
                    if first {
                        walked.description = Some(Description { tag: start..end, end: None });
                        walked.bound = bound_prefix(&reader, e, namespace);
                    }
                    for (attribute, range) in attributes(text, &(start..end)) {
                        let (ns, attr_local) =
                            reader.resolver().resolve_attribute(quick_xml::name::QName(attribute.as_bytes()));
                        if wanted(&ns, attr_local.as_ref()) {
                            let value = attribute_value(text.get(range.clone()).unwrap_or_default())?;
                            walked.found.push(Occurrence {
                                range,
                                form: Form::Attribute,
                                values: vec![value],
                            });
                        }
                    }
                    if !empty {
                        description = Some((depth, first));
                    }
                } else if open.is_none()
                    && description.is_some_and(|(d, _)| depth == increment(d))
                    && wanted(&ns, name.as_ref())
                {
                    let inside = e.attributes().flatten().any(|a| a.key.as_namespace_binding().is_some());
                    let prefix = e.name().prefix().map(|p| String::from_utf8_lossy(p.as_ref()).into_owned());
                    let resource = e
                        .attributes()
                        .flatten()
                        .find(|a| a.key.local_name().as_ref() == b"resource")
                        .map(|a| unescaped(&String::from_utf8_lossy(&a.value)))
                        .transpose()?;
                    let occurrence = Occurrence {
                        range: start..end,
                        form: Form::Element { prefix_in_scope: prefix.filter(|_| !inside) },
                        values: resource.into_iter().collect(),
                    };
                    if empty {
                        walked.found.push(occurrence);
                    } else {
                        open = Some((depth, occurrence));
                    }
                }
                if !empty {
                    depth = increment(depth);
                }
            }
            Event::End(ref e) => {
                depth = depth.saturating_sub(1);
                let end = position_of(&reader, text);
                if let Some((d, mut o)) = open.take() {
                    if d == depth {
                        o.range.end = end;
                        walked.found.push(o);
                    } else {
                        open = Some((d, o));
                    }
                } else if let Some((d, first)) = description
                    && d == depth
                {
                    if first && let Some(description) = &mut walked.description {
                        description.end = Some(start);
                    }
                    description = None;
                } else {
                    let (ns, name) = reader.resolver().resolve_element(e.name());
                    if is_rdf(&ns) && name.as_ref() == b"RDF" {
                        walked.rdf_end = Some(start);
                    }
                }
            }
            Event::Text(ref t) => {
                if let Some((_, o)) = &mut open {
                    let raw = String::from_utf8_lossy(t.as_ref()).into_owned();
                    push_text(o, &unescaped(&raw)?);
                }
            }
            Event::GeneralRef(ref r) => {
                let raw = format!("&{};", String::from_utf8_lossy(r.as_ref()));
                let value = unescaped(&raw)?;
                if let Some((_, o)) = &mut open {
                    match o.values.last_mut() {
                        Some(last) => last.push_str(&value),
                        None => o.values.push(value),
                    }
                }
            }
            Event::CData(ref c) => {
                if let Some((_, o)) = &mut open {
                    push_text(o, &String::from_utf8_lossy(c.as_ref()));
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    for o in &mut walked.found {
        // White space between the items of a list is no value; a list's items were separated by it.
        o.values = std::mem::take(&mut o.values).into_iter().map(|v| v.trim().to_owned()).collect();
        if o.values.len() > 1 || matches!(o.form, Form::Element { .. }) {
            o.values.retain(|v| !v.is_empty());
        }
        if o.values.is_empty() {
            o.values.push(String::new());
        }
    }
    Ok(walked)
}

/// Text continues the value before it unless an element boundary, seen as white space, lies between.
fn push_text(o: &mut Occurrence, text: &str) {
    let blank = text.trim().is_empty();
    match o.values.last_mut() {
        Some(last) if !blank && !last.is_empty() => last.push_str(text),
        Some(last) if !blank => last.push_str(text),
        _ if blank => o.values.push(String::new()),
        _ => o.values.push(text.to_owned()),
    }
}

fn increment(n: usize) -> usize {
    n.saturating_add(1)
}

fn position(reader: &NsReader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn position_of(reader: &NsReader<&[u8]>, text: &str) -> usize {
    position(reader).min(text.len())
}

/// The prefix an element in this description can use for `namespace` without declaring it.
fn bound_prefix(reader: &NsReader<&[u8]>, _: &BytesStart<'_>, namespace: &str) -> Option<String> {
    reader.resolver().bindings().find_map(|(prefix, ns)| match prefix {
        quick_xml::name::PrefixDeclaration::Named(p) if ns.as_ref() == namespace.as_bytes() => {
            Some(String::from_utf8_lossy(p).into_owned())
        }
        _ => None,
    })
}

/// The attributes of a start tag with their ranges, each with the white space before it.
fn attributes<'a>(text: &'a str, tag: &Range<usize>) -> Vec<(&'a str, Range<usize>)> {
    let raw = text.get(tag.clone()).unwrap_or_default();
    let bytes = raw.as_bytes();
    let mut found = Vec::new();
    let mut at = raw.find(|c: char| c.is_ascii_whitespace()).unwrap_or(raw.len());
    while at < raw.len() {
        let rest = raw.get(at..).unwrap_or_default();
        let name_at = at.saturating_add(rest.len().saturating_sub(rest.trim_start().len()));
        let Some(equals) = raw.get(name_at..).and_then(|r| r.find('=')).map(|i| name_at.saturating_add(i))
        else {
            break;
        };
        let name = raw.get(name_at..equals).unwrap_or_default().trim();
        let after = raw.get(increment(equals)..).unwrap_or_default();
        let quote_at = increment(equals).saturating_add(after.len().saturating_sub(after.trim_start().len()));
        let Some(quote) = bytes.get(quote_at).copied().filter(|q| matches!(q, b'"' | b'\'')) else { break };
        let close = raw.get(increment(quote_at)..).and_then(|r| r.find(char::from(quote)));
        let Some(end) = close.map(|i| increment(quote_at).saturating_add(i).saturating_add(1)) else { break };
        found.push((name, tag.start.saturating_add(at)..tag.start.saturating_add(end)));
        at = end;
    }
    found
}

fn attribute_value(raw: &str) -> Result<String> {
    let quoted = raw.split_once('=').map_or("", |(_, v)| v.trim());
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    unescaped(inner)
}

fn unescaped(raw: &str) -> Result<String> {
    unescape(raw).map(Cow::into_owned).map_err(|e| malformed("an entity is refused").because(e))
}

fn malformed(why: &str) -> Error {
    Error::malformed("xmp", why)
}

/// The packet as text: UTF-8, or UTF-16 with a byte order mark; trailing zero bytes are padding.
fn text(packet: &[u8]) -> Result<Cow<'_, str>> {
    if packet.len() > MAX_PACKET {
        return Err(Error::limit("the XMP packet is longer than 16 MiB").in_format("xmp"));
    }
    let decode16 = |read: fn([u8; 2]) -> u16| {
        let units = packet
            .chunks_exact(2)
            .skip(1)
            .map(|c| read([c.first().copied().unwrap_or(0), c.get(1).copied().unwrap_or(0)]));
        char::decode_utf16(units)
            .collect::<std::result::Result<String, _>>()
            .map_err(|_| malformed("not UTF-16"))
    };
    match packet {
        [0xfe, 0xff, ..] => decode16(u16::from_be_bytes).map(Cow::Owned),
        [0xff, 0xfe, ..] => decode16(u16::from_le_bytes).map(Cow::Owned),
        _ => {
            let end = packet.iter().rposition(|b| *b != 0).map_or(0, increment);
            let used = packet.get(..end).unwrap_or_default();
            std::str::from_utf8(used).map(Cow::Borrowed).map_err(|e| malformed("not UTF-8").because(e))
        }
    }
}

/// Builds a text from ranges replaced in order of their position.
struct Splicer<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, String)>,
}

impl<'a> Splicer<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, edits: Vec::new() }
    }

    fn replace(&mut self, range: Range<usize>, with: String) {
        self.edits.push((range, with));
    }

    fn finish(mut self) -> String {
        self.edits.sort_by_key(|(r, _)| (r.start, r.end));
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        for (range, with) in self.edits {
            out.push_str(self.text.get(at..range.start).unwrap_or_default());
            out.push_str(&with);
            at = range.end.max(at);
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: &str = "http://www.tc260.org.cn/ns/AIGC/1.0/";
    const JSON: &str = r#"{"Label":"1","x":"<&>"}"#;

    fn aigc(value: &str) -> Property<'_> {
        Property { namespace: NS, prefix: "TC260", local: "AIGC", value }
    }

    fn wrap(description: &str) -> String {
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">{description}</rdf:RDF></x:xmpmeta>\n   \
             <?xpacket end=\"w\"?>"
        )
    }

    fn values(packet: &[u8]) -> Vec<String> {
        get(packet, NS, "AIGC").unwrap()
    }

    #[test]
    fn a_new_packet_reads_back() {
        let packet = set(None, &aigc(JSON)).unwrap();
        assert_eq!(values(&packet), [JSON]);
        assert_eq!(set(Some(&packet), &aigc(JSON)).unwrap(), packet);
    }

    #[test]
    fn element_attribute_resource_and_list_forms_are_read() {
        let own = format!("xmlns:T=\"{NS}\"");
        for (form, expected) in [
            (format!("<rdf:Description {own}><T:AIGC>a&quot;b</T:AIGC></rdf:Description>"), vec!["a\"b"]),
            (format!("<rdf:Description {own} T:AIGC='a&amp;b'/>"), vec!["a&b"]),
            (format!("<rdf:Description {own}><T:AIGC rdf:resource=\"u\"/></rdf:Description>"), vec!["u"]),
            (
                format!(
                    "<rdf:Description {own}><T:AIGC>\n<rdf:Bag>\n<rdf:li>a</rdf:li>\n<rdf:li>b</rdf:li>\n</rdf:Bag>\n</T:AIGC></rdf:Description>"
                ),
                vec!["a", "b"],
            ),
            (
                "<rdf:Description xmlns:T=\"urn:other\"><T:AIGC>a</T:AIGC></rdf:Description>".to_owned(),
                vec![],
            ),
        ] {
            assert_eq!(values(wrap(&form).as_bytes()), expected, "{form}");
        }
    }

    #[test]
    fn one_property_changes_and_the_rest_stays() {
        let packet = wrap(
            "<rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:format>image/png</dc:format>\
             <!-- kept --></rdf:Description>",
        );
        let out = String::from_utf8(set(Some(packet.as_bytes()), &aigc(JSON)).unwrap()).unwrap();
        assert_eq!(values(out.as_bytes()), [JSON]);
        let start = out.find("<TC260:AIGC").unwrap();
        let end = out.find("</TC260:AIGC>").unwrap() + "</TC260:AIGC>".len();
        assert_eq!(format!("{}{}", &out[..start], &out[end..]), packet);
        assert_eq!(remove(out.as_bytes(), NS, "AIGC").unwrap(), packet.as_bytes());
    }

    #[test]
    fn every_form_ends_as_exactly_one_value() {
        let own = format!("xmlns:T=\"{NS}\"");
        for form in [
            format!("<rdf:Description {own} T:AIGC=\"old\" rdf:about=\"\"/>"),
            format!(
                "<rdf:Description {own} rdf:about='' T:AIGC=\"old\"><T:AIGC>older</T:AIGC></rdf:Description>"
            ),
            format!(
                "<rdf:Description {own}><T:AIGC>a</T:AIGC></rdf:Description><rdf:Description {own} T:AIGC='b'/>"
            ),
            "<rdf:Description/>".to_owned(),
            String::new(),
        ] {
            let out = set(Some(wrap(&form).as_bytes()), &aigc(JSON)).unwrap();
            assert_eq!(values(&out), [JSON], "{form} → {}", String::from_utf8_lossy(&out));
            assert_eq!(set(Some(&out), &aigc(JSON)).unwrap(), out, "{form}");
            assert_eq!(values(&set(Some(&out), &aigc("2")).unwrap()), ["2"]);
        }
    }

    #[test]
    fn two_properties_live_in_one_packet() {
        let iptc = Property { namespace: "http://iptc.org/x/", prefix: "I", local: "T", value: "v" };
        let packet = set(Some(&set(None, &aigc(JSON)).unwrap()), &iptc).unwrap();
        assert_eq!(values(&packet), [JSON]);
        assert_eq!(get(&packet, "http://iptc.org/x/", "T").unwrap(), ["v"]);
    }

    #[test]
    fn document_types_entities_and_depth_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"x\">]><a>&b;</a>";
        assert!(get(bomb.as_bytes(), NS, "AIGC").is_err());
        let own = format!("<rdf:Description xmlns:T=\"{NS}\"><T:AIGC>&b;</T:AIGC></rdf:Description>");
        assert!(get(wrap(&own).as_bytes(), NS, "AIGC").is_err());
        assert!(get("<a>".repeat(100).as_bytes(), NS, "AIGC").is_err());
        assert!(get(b"<a", NS, "AIGC").is_err());
    }

    #[test]
    fn utf16_is_read() {
        let packet = set(None, &aigc("{}")).unwrap();
        let text = String::from_utf8(packet).unwrap();
        let mut wide = vec![0xff, 0xfe];
        wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(values(&wide), ["{}"]);
    }

    proptest::proptest! {
        #[test]
        fn no_packet_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = get(&bytes, NS, "AIGC");
            let _ = set(Some(&bytes), &aigc(JSON));
        }

        #[test]
        fn any_value_reads_back(value in "[!-~\u{4e00}-\u{4eff}]{1,60}") {
            proptest::prop_assert_eq!(values(&set(None, &aigc(&value)).unwrap()), vec![value.clone()]);
        }
    }
}
