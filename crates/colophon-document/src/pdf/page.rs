//! The page tree and the geometry of a page (ISO 32000-2, 7.7.3 and 14.11.2).

use std::collections::BTreeSet;
use std::rc::Rc;

use colophon_core::{Error, Limits, Result};
use lopdf::{Dictionary, Object, ObjectId};

use super::ID;
use super::file::File;

/// A page without a media box is not legal; readers then take US letter.
const LETTER: [f32; 4] = [0.0, 0.0, 612.0, 792.0];
/// Longest side of a page in default user space units (Annex C.2; with `UserUnit` pages are larger, not their numbers).
const MAX_SIDE: f32 = 14_400.0;

/// A linear map `[a b c d e f]`: x' = ax + cy + e, y' = bx + dy + f (8.3.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Matrix(pub(super) [f32; 6]);

impl Matrix {
    pub(super) const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// First `self`, then `next`.
    pub(super) fn then(self, next: Self) -> Self {
        let [a, b, c, d, e, f] = self.0;
        let [na, nb, nc, nd, ne, nf] = next.0;
        Self([
            a * na + b * nc,
            a * nb + b * nd,
            c * na + d * nc,
            c * nb + d * nd,
            e * na + f * nc + ne,
            e * nb + f * nd + nf,
        ])
    }

    pub(super) fn apply(self, x: f32, y: f32) -> (f32, f32) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + c * y + e, b * x + d * y + f)
    }

    pub(super) fn translation(x: f32, y: f32) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }
}

/// A page with what it inherits.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) id: ObjectId,
    pub(super) dict: Dictionary,
    /// Its resources, resolved; those of an ancestor where it has none.
    pub(super) resources: Dictionary,
    /// What is shown: left, bottom, right, top in user space.
    pub(super) crop: [f32; 4],
    /// Clockwise turn when shown: 0, 90, 180 or 270.
    pub(super) rotate: i64,
}

impl Page {
    /// Width and height as shown, in points.
    pub(super) fn shown(&self) -> (f32, f32) {
        let [l, b, r, t] = self.crop;
        if self.rotate % 180 == 0 { (r - l, t - b) } else { (t - b, r - l) }
    }

    /// From the page as shown (origin at the lower left, y upwards) to user space.
    pub(super) fn shown_to_user(&self) -> Matrix {
        let [l, b, r, t] = self.crop;
        Matrix(match self.rotate {
            90 => [0.0, 1.0, -1.0, 0.0, r, b],
            180 => [-1.0, 0.0, 0.0, -1.0, r, t],
            270 => [0.0, -1.0, 1.0, 0.0, l, t],
            _ => [1.0, 0.0, 0.0, 1.0, l, b],
        })
    }

    /// From user space to the page as shown.
    pub(super) fn user_to_shown(&self) -> Matrix {
        let [l, b, r, t] = self.crop;
        Matrix(match self.rotate {
            90 => [0.0, -1.0, 1.0, 0.0, -b, r],
            180 => [-1.0, 0.0, 0.0, -1.0, r, t],
            270 => [0.0, 1.0, -1.0, 0.0, t, -l],
            _ => [1.0, 0.0, 0.0, 1.0, -l, -b],
        })
    }
}

/// What a walk over the page tree found.
#[derive(Debug)]
pub(super) struct Pages {
    /// The first page.
    pub(super) first: Page,
    /// Content streams of every page, in page order.
    pub(super) contents: Vec<Object>,
    /// Number of pages.
    pub(super) count: u32,
}

#[derive(Clone, Default)]
struct Inherited {
    resources: Option<Object>,
    media: Option<Object>,
    crop: Option<Object>,
    rotate: Option<Object>,
}

impl Inherited {
    fn with(&self, node: &Dictionary) -> Self {
        let own = |key: &[u8], above: &Option<Object>| node.get(key).ok().cloned().or_else(|| above.clone());
        Self {
            resources: own(b"Resources", &self.resources),
            media: own(b"MediaBox", &self.media),
            crop: own(b"CropBox", &self.crop),
            rotate: own(b"Rotate", &self.rotate),
        }
    }
}

/// Walks the page tree.
pub(super) fn walk(file: &File<'_>, limits: &Limits) -> Result<Pages> {
    let place = |e: Error| e.at_place("page tree");
    let root = file.catalog()?;
    let mut stack =
        vec![(root.get(b"Pages").cloned().unwrap_or(Object::Null), Rc::new(Inherited::default()), 0)];
    let mut seen = BTreeSet::new();
    let mut first = None;
    let mut contents = Vec::new();
    let mut count = 0_u32;
    while let Some((node, above, depth)) = stack.pop() {
        let Object::Reference(id) = node else { continue };
        if !seen.insert(id) {
            return Err(place(Error::malformed(ID, "a node is its own ancestor, or is there twice")));
        }
        if depth > limits.depth {
            return Err(place(Error::limit(format!("deeper than {} levels", limits.depth)).in_format(ID)));
        }
        if seen.len() > limits.parts {
            return Err(place(Error::limit(format!("more than {} nodes", limits.parts)).in_format(ID)));
        }
        let Object::Dictionary(dict) = file.get(id).map_err(place)?.object else { continue };
        if dict.has(b"Kids") {
            let here = Rc::new(above.with(&dict));
            // The stack gives back the last first.
            for kid in file.array(&dict, b"Kids")?.into_iter().rev() {
                stack.push((kid, Rc::clone(&here), depth + 1));
            }
            continue;
        }
        count = count.saturating_add(1);
        contents.extend(file.array(&dict, b"Contents")?);
        if first.is_none() {
            first = Some(page(file, id, dict, &above)?);
        }
    }
    let Some(first) = first else {
        return Err(place(Error::malformed(ID, "the document has no page")));
    };
    Ok(Pages { first, contents, count })
}

fn page(file: &File<'_>, id: ObjectId, dict: Dictionary, above: &Inherited) -> Result<Page> {
    let all = above.with(&dict);
    let resources = match all.resources.as_ref().map(|o| file.resolve(o)).transpose()? {
        Some(Object::Dictionary(d)) => d,
        _ => Dictionary::new(),
    };
    let media = rectangle(file, all.media.as_ref())?.unwrap_or(LETTER);
    let crop = match rectangle(file, all.crop.as_ref())? {
        // What is outside the media box is not shown (14.11.2.1).
        Some(c) => intersection(c, media).unwrap_or(media),
        None => media,
    };
    let rotate = match all.rotate.as_ref().map(|o| file.resolve(o)).transpose()? {
        Some(Object::Integer(n)) => n.rem_euclid(360),
        Some(Object::Real(n)) => (n as i64).rem_euclid(360),
        _ => 0,
    };
    let [l, b, r, t] = crop;
    if r - l < 1.0 || t - b < 1.0 || r - l > MAX_SIDE || t - b > MAX_SIDE {
        let text = format!("a page of {} × {} points is out of range", r - l, t - b);
        return Err(Error::unsupported(ID, text).at_place("first page"));
    }
    Ok(Page { id, dict, resources, crop, rotate: rotate / 90 * 90 })
}

fn rectangle(file: &File<'_>, object: Option<&Object>) -> Result<Option<[f32; 4]>> {
    let Some(Object::Array(items)) = object.map(|o| file.resolve(o)).transpose()? else { return Ok(None) };
    let mut n = [0.0_f32; 4];
    if items.len() < 4 {
        return Ok(None);
    }
    for (slot, item) in n.iter_mut().zip(&items) {
        match number(&file.resolve(item)?) {
            Some(v) => *slot = v,
            None => return Ok(None),
        }
    }
    let [a, b, c, d] = n;
    // Any two opposite corners (7.9.5).
    Ok(Some([a.min(c), b.min(d), a.max(c), b.max(d)]))
}

fn intersection(a: [f32; 4], b: [f32; 4]) -> Option<[f32; 4]> {
    let c = [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])];
    (c[2] - c[0] >= 1.0 && c[3] - c[1] >= 1.0).then_some(c)
}

/// A finite number.
pub(super) fn number(o: &Object) -> Option<f32> {
    match o {
        Object::Integer(n) => Some(*n as f32),
        Object::Real(n) => Some(*n),
        _ => None,
    }
    .filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_page_maps_its_shown_corners_to_user_space_and_back() {
        for (rotate, lower_left) in
            [(0, (10.0, 20.0)), (90, (110.0, 20.0)), (180, (110.0, 220.0)), (270, (10.0, 220.0))]
        {
            let page = Page {
                id: (1, 0),
                dict: Dictionary::new(),
                resources: Dictionary::new(),
                crop: [10.0, 20.0, 110.0, 220.0],
                rotate,
            };
            assert_eq!(page.shown(), if rotate % 180 == 0 { (100.0, 200.0) } else { (200.0, 100.0) });
            assert_eq!(page.shown_to_user().apply(0.0, 0.0), lower_left, "{rotate}");
            let both = page.shown_to_user().then(page.user_to_shown());
            assert_eq!(both.apply(3.0, 7.0), (3.0, 7.0), "{rotate}");
        }
    }
}
