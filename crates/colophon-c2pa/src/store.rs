//! The parts of a manifest store that trust is judged by: the active manifest's claim and its COSE signature.
//!
//! A walk over JUMBF boxes (ISO 19566-5), bounded by the store itself: no box reaches over its parent, and only the
//! few levels that lead to the signature are entered. Assertions are the library's business.

use std::io::Read;

/// Most boxes looked at on one level.
const MAX_BOXES: usize = 4096;
/// Longest manifest that is unpacked, in bytes: the library's own bound.
const MAX_UNPACKED: u64 = 32 << 20;

/// What was found of a manifest; the active one is the last of the store (C2PA 2.4, 11.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Active<'a> {
    /// The claim's CBOR, which the signature covers.
    pub(crate) claim: Option<&'a [u8]>,
    /// The COSE_Sign1.
    pub(crate) signature: Option<&'a [u8]>,
    /// Claim boxes; one is legal.
    pub(crate) claims: usize,
    /// Labels and CBOR of the hash assertions: one binds the content.
    pub(crate) bindings: Vec<(&'a str, &'a [u8])>,
    /// Its label.
    pub(crate) label: Option<&'a str>,
    /// It is an update manifest (C2PA 2.4, 11.2.3).
    pub(crate) update: bool,
    /// Every assertion of the store: label, kind of its first content box, content.
    pub(crate) assertions: Vec<(&'a str, [u8; 4], &'a [u8])>,
    /// The manifest is Brotli-compressed: its parts were not looked at.
    pub(crate) compressed: bool,
}

/// Finds the active manifest of a store. `None` when it is no store.
pub(crate) fn active(store: &[u8]) -> Option<Active<'_>> {
    manifests(store)?.last().map(parts)
}

/// Finds the manifest with this label, as [`active`].
pub(crate) fn named<'a>(store: &'a [u8], label: &str) -> Option<Active<'a>> {
    manifests(store)?.find(|m| m.label() == Some(label)).map(parts)
}

/// The active manifest's bytes where it is Brotli-compressed (C2PA 2.4, 11.1.4.3), for [`of_manifest`]. `None` when it is
/// not, or does not unpack within [`MAX_UNPACKED`].
pub(crate) fn unpacked(store: &[u8]) -> Option<Vec<u8>> {
    let packed = manifests(store)?.last()?.children().find(|b| b.kind == *b"brob")?.body;
    let mut out = Vec::new();
    let reader = brotli_decompressor::Decompressor::new(packed, 4096);
    reader.take(MAX_UNPACKED + 1).read_to_end(&mut out).ok()?;
    (out.len() as u64 <= MAX_UNPACKED).then_some(out)
}

/// The parts of one manifest that stands by itself.
pub(crate) fn of_manifest(bytes: &[u8]) -> Option<Active<'_>> {
    boxes(bytes).find(|b| b.kind == *b"jumb").map(parts)
}

fn manifests(store: &[u8]) -> Option<impl Iterator<Item = JumbfBox<'_>>> {
    let root = boxes(store).find(|b| b.label() == Some("c2pa"))?;
    Some(root.children().filter(|b| b.kind == *b"jumb"))
}

fn parts(manifest: JumbfBox<'_>) -> Active<'_> {
    let mut found = Active { label: manifest.label(), ..Active::default() };
    let description = manifest.children().next();
    found.update = description.is_some_and(|d| d.kind == *b"jumd" && d.body.starts_with(b"c2um"));
    for part in manifest.children() {
        match (&part.kind, part.label()) {
            (b"brob", _) => found.compressed = true,
            (b"jumb", Some(l)) if l == "c2pa.claim" || l.starts_with("c2pa.claim.v") => {
                found.claims += 1;
                found.claim = part.children().find(|b| b.kind == *b"cbor").map(|b| b.body);
            }
            (b"jumb", Some("c2pa.assertions")) => {
                for assertion in part.children() {
                    if let (Some(label), Some(content)) = (assertion.label(), assertion.children().nth(1)) {
                        found.assertions.push((label, content.kind, content.body));
                    }
                    let cbor = || assertion.children().find(|b| b.kind == *b"cbor").map(|b| b.body);
                    if let Some(label) = assertion.label().filter(|l| l.starts_with("c2pa.hash.")) {
                        found.bindings.push((label, cbor().unwrap_or_default()));
                    }
                }
            }
            (b"jumb", Some("c2pa.signature")) => {
                found.signature = part.children().find(|b| b.kind == *b"cbor").map(|b| b.body);
            }
            _ => {}
        }
    }
    // A compressed manifest may hold the compressed box inside a superbox of its own.
    found.compressed |= manifest.body.windows(4).take(64).any(|w| w == b"brob");
    found
}

#[derive(Clone, Copy, Debug)]
struct JumbfBox<'a> {
    kind: [u8; 4],
    body: &'a [u8],
}

impl<'a> JumbfBox<'a> {
    /// The boxes inside a superbox.
    fn children(self) -> impl Iterator<Item = JumbfBox<'a>> {
        boxes(if self.kind == *b"jumb" { self.body } else { &[] })
    }

    /// The label of a superbox's description box: a type of 16 bytes, toggles, then the label ended by a zero.
    fn label(self) -> Option<&'a str> {
        let description = self.children().next().filter(|b| b.kind == *b"jumd")?;
        let toggles = *description.body.get(16)?;
        let text = description.body.get(17..).filter(|_| toggles & 0x02 != 0)?;
        std::str::from_utf8(text.split(|b| *b == 0).next()?).ok()
    }
}

fn boxes(mut data: &[u8]) -> impl Iterator<Item = JumbfBox<'_>> {
    std::iter::from_fn(move || {
        let head: [u8; 8] = data.get(..8)?.try_into().ok()?;
        let [a, b, c, d, kind @ ..] = head;
        let (start, len) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, data.len()),
            1 => {
                let long = u64::from_be_bytes(data.get(8..16)?.try_into().ok()?);
                (16, usize::try_from(long).ok()?)
            }
            n => (8, usize::try_from(n).ok()?),
        };
        let body = data.get(start..len)?;
        data = data.get(len..)?;
        Some(JumbfBox { kind, body })
    })
    .take(MAX_BOXES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jbox(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = ((body.len() + 8) as u32).to_be_bytes().to_vec();
        out.extend_from_slice(&kind);
        out.extend_from_slice(body);
        out
    }

    fn superbox(label: &str, content: &[Vec<u8>]) -> Vec<u8> {
        let mut description = vec![0; 16];
        description.push(3);
        description.extend_from_slice(label.as_bytes());
        description.push(0);
        jbox(*b"jumb", &[jbox(*b"jumd", &description), content.concat()].concat())
    }

    fn manifest(claim: &[u8]) -> Vec<u8> {
        superbox(
            "urn:c2pa:x",
            &[
                superbox("c2pa.claim.v2", &[jbox(*b"cbor", claim)]),
                superbox("c2pa.signature", &[jbox(*b"cbor", b"sig")]),
            ],
        )
    }

    #[test]
    fn c2pa_11_1_the_last_manifest_is_the_active_one() {
        let store = superbox("c2pa", &[manifest(b"one"), manifest(b"two")]);
        let found = active(&store).unwrap();
        assert_eq!((found.claim, found.signature), (Some(&b"two"[..]), Some(&b"sig"[..])));
        assert_eq!(active(b"no store"), None);
        assert_eq!(active(&superbox("other", &[])), None);
    }

    #[test]
    fn no_cut_or_changed_store_panics() {
        let store = superbox("c2pa", &[manifest(b"one")]);
        for at in 0..store.len() {
            let _ = active(&store[..at]);
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = store.clone();
                changed[at] = value;
                let _ = active(&changed);
            }
        }
    }
}
