//! The label font inside a document: a subset as a CID font with its way back to Unicode (ISO 32000-2, 9.7 and 9.10.3).

use std::collections::BTreeMap;

use colophon_core::{Error, ErrorKind, Result};
use colophon_label::font::{self, LabelFont};
use lopdf::{Dictionary, Object, ObjectId, StringFormat};
use sha2::{Digest, Sha256};
use subsetter::GlyphRemapper;
use ttf_parser::{RawFace, Tag};

use super::update::Update;

/// PostScript name of the face the bundled subset was made of.
pub(super) const NAME: &str = "NotoSansCJKsc-Bold";

/// A font in the document.
pub(super) struct Embedded {
    pub(super) id: ObjectId,
    cids: BTreeMap<char, u16>,
}

impl Embedded {
    /// The two bytes that show a character.
    pub(super) fn code(&self, c: char) -> [u8; 2] {
        self.cids.get(&c).copied().unwrap_or(0).to_be_bytes()
    }
}

/// Adds the glyphs of a text.
///
/// # Errors
/// `Usage` for characters without a glyph; `Unsupported` when the bundled font cannot be subset, which a test excludes.
pub(super) fn embed(text: &str, face: &LabelFont, update: &mut Update<'_>) -> Result<Embedded> {
    let mut remapper = GlyphRemapper::new();
    let mut cids = BTreeMap::new();
    let mut widths = BTreeMap::new();
    for c in text.chars() {
        let glyph = face.glyph(c)?;
        let cid = remapper.remap(glyph.0);
        cids.insert(c, cid);
        widths.insert(cid, (face.metrics(glyph).advance * 1000.0).round() as i64);
    }
    let bad =
        |e: String| Error::new(ErrorKind::Unsupported, format!("the label font cannot be embedded: {e}"));
    let subset = subsetter::subset(font::DATA, 0, &remapper).map_err(|e| bad(e.to_string()))?;
    let raw = RawFace::parse(&subset, 0).map_err(|e| bad(e.to_string()))?;
    let cff = raw.table(Tag::from_bytes(b"CFF ")).ok_or_else(|| bad("it has no outlines".to_owned()))?;

    let mut file = Dictionary::new();
    file.set("Subtype", name("CIDFontType0C"));
    let file = update.add_stream(file, cff.to_vec())?;
    // A subset is named by a tag of six capitals (9.9.2); the glyphs decide it.
    let tag: String = Sha256::digest(cff).iter().take(6).map(|b| char::from(b'A' + b % 26)).collect();
    let base = format!("{tag}+{NAME}");

    // Measures of the face in thousandths of an em.
    let mut descriptor = Dictionary::new();
    descriptor.set("Type", name("FontDescriptor"));
    descriptor.set("FontName", name(&base));
    descriptor.set("Flags", 4);
    descriptor.set("FontBBox", Object::Array([-1013, -1046, 2926, 1806].map(Object::from).to_vec()));
    descriptor.set("ItalicAngle", 0);
    descriptor.set("Ascent", 880);
    descriptor.set("Descent", -120);
    descriptor.set("CapHeight", 741);
    descriptor.set("StemV", 140);
    descriptor.set("FontFile3", Object::Reference(file));
    let descriptor = update.add(descriptor)?;

    let mut system = Dictionary::new();
    system.set("Registry", Object::String(b"Adobe".to_vec(), StringFormat::Literal));
    system.set("Ordering", Object::String(b"Identity".to_vec(), StringFormat::Literal));
    system.set("Supplement", 0);
    let mut cid_font = Dictionary::new();
    cid_font.set("Type", name("Font"));
    cid_font.set("Subtype", name("CIDFontType0"));
    cid_font.set("BaseFont", name(&base));
    cid_font.set("CIDSystemInfo", system);
    cid_font.set("FontDescriptor", Object::Reference(descriptor));
    cid_font.set("DW", 1000);
    let list = widths
        .iter()
        .flat_map(|(cid, w)| [Object::Integer(i64::from(*cid)), Object::Array(vec![(*w).into()])]);
    cid_font.set("W", Object::Array(list.collect()));
    let cid_font = update.add(cid_font)?;

    let unicode = update.add_stream(Dictionary::new(), to_unicode(&cids).into_bytes())?;
    let mut outer = Dictionary::new();
    outer.set("Type", name("Font"));
    outer.set("Subtype", name("Type0"));
    outer.set("BaseFont", name(&format!("{base}-Identity-H")));
    outer.set("Encoding", name("Identity-H"));
    outer.set("DescendantFonts", Object::Array(vec![Object::Reference(cid_font)]));
    outer.set("ToUnicode", Object::Reference(unicode));
    Ok(Embedded { id: update.add(outer)?, cids })
}

fn name(text: &str) -> Object {
    Object::Name(text.as_bytes().to_vec())
}

/// The CMap that leads from codes back to characters.
fn to_unicode(cids: &BTreeMap<char, u16>) -> String {
    let mut out = String::from(
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) \
         /Supplement 0 >> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\n\
         endcodespacerange\n",
    );
    let pairs: Vec<(u16, char)> = cids.iter().map(|(c, cid)| (*cid, *c)).collect();
    // At most 100 pairs a block (Adobe Technical Note 5411).
    for block in pairs.chunks(100) {
        out.push_str(&format!("{} beginbfchar\n", block.len()));
        for (cid, c) in block {
            let utf16: String = c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("{u:04X}")).collect();
            out.push_str(&format!("<{cid:04X}> <{utf16}>\n"));
        }
        out.push_str("endbfchar\n");
    }
    out.push_str("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n");
    out
}
