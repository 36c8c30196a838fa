//! A label on every frame.
//!
//! Only the label's pixels are coded anew: what a frame leaves alone stays as it is, a frame that does not touch the
//! label stays byte for byte, and every frame that touches it keeps its other pixels exactly.

use std::collections::BTreeMap;

use colophon_container::gif::{self, Gif as File, Kind};
use colophon_core::{Error, Limits, Patch, Placed, Result, SignalOp, Source};
use colophon_label::visible::Overlay;
use weezl::BitOrder;

use super::ID;
use super::decode::{self, Canvas, Disposal, Frame};
use super::palette;
use crate::label;

/// Columns and rows, ends excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Area {
    fn of(frame: &Frame) -> Self {
        let (left, top) = (frame.left, frame.top);
        Self { left, top, right: left + frame.width, bottom: top + frame.height }
    }

    fn contains(self, x: usize, y: usize) -> bool {
        (self.left..self.right).contains(&x) && (self.top..self.bottom).contains(&y)
    }

    fn touches(self, other: Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn with(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// What changes in the file, and what was placed.
///
/// # Errors
/// `Unsupported` for watermarks and for labels that are not seen; `Policy`, `Limit`, `Malformed`.
pub(super) fn render(
    source: &dyn Source,
    file: &File,
    ops: &[SignalOp],
    limits: &Limits,
) -> Result<(Patch, Vec<Placed>)> {
    let mut patch = Patch::new();
    let mut spec = None;
    for op in ops {
        match op {
            SignalOp::Label(label) if spec.is_none() => spec = Some(label),
            SignalOp::Watermark(_) => {
                return Err(Error::unsupported(ID, "256 colours leave no room for a watermark"));
            }
            _ => return Err(Error::unsupported(ID, "one label is all that is drawn")),
        }
    }
    let Some(spec) = spec else { return Ok((patch, Vec::new())) };
    let mut canvas = Canvas::new(file, limits)?;
    let mut placed = Vec::new();
    let mut label: Option<(Overlay, Area)> = None;
    // Where the written canvas differs from the one it should be.
    let mut dirty: Option<Area> = None;
    for (block, image) in file.images() {
        let control = decode::control(source, file, block)?;
        let frame = decode::frame(source, file, block, image, control.as_deref(), limits)?;
        let before = (frame.disposal == Disposal::Previous).then(|| canvas.clone());
        canvas.draw(&frame);
        if label.is_none() {
            let drawn = label::draw(ID, spec, &canvas.raster())?;
            if drawn.extend > 0 {
                canvas.height += drawn.extend as usize;
                canvas.rgba.resize(canvas.width * canvas.height * 4, 0);
                let height = u16::try_from(canvas.height)
                    .map_err(|_| Error::unsupported(ID, "a GIF picture has at most 65535 rows"))?;
                patch.replace(8..10, height.to_le_bytes());
            }
            let o = drawn.overlay;
            let area = Area {
                left: o.x as usize,
                top: o.y as usize,
                right: (o.x + o.width) as usize,
                bottom: (o.y + o.height) as usize,
            };
            dirty = Some(area);
            label = Some((o, area));
            placed.push(Placed::Label(drawn.record));
        }
        let Some((overlay, area)) = &label else { continue };
        let own = Area::of(&frame);
        let out = dirty.map_or(own, |d| own.with(d));
        if dirty.is_some() || own.touches(*area) {
            let coded = Coded::new(&frame, &canvas, out, dirty, overlay, *area);
            coded.write(source, file, block, control.as_deref(), &mut patch)?;
        }
        match frame.disposal {
            Disposal::Keep => dirty = None,
            Disposal::Background => {
                canvas.clear(&frame);
                dirty = if out.touches(*area) || out != own { Some(out.with(*area)) } else { None };
            }
            // The written canvas, too, becomes what it was: what was wrong stays wrong.
            Disposal::Previous => {
                if let Some(mut before) = before {
                    before.height = canvas.height;
                    before.rgba.resize(canvas.rgba.len(), 0);
                    canvas = before;
                }
            }
        }
    }
    if file.old {
        patch.replace(3..6, *b"89a");
    }
    Ok((patch, placed))
}

/// A frame with the label.
struct Coded {
    area: Area,
    indices: Vec<u8>,
    palette: Vec<[u8; 3]>,
    transparent: Option<u8>,
}

impl Coded {
    fn new(
        frame: &Frame,
        canvas: &Canvas,
        area: Area,
        dirty: Option<Area>,
        overlay: &Overlay,
        label: Area,
    ) -> Self {
        /// What becomes of a pixel.
        enum Pixel {
            Old(u8),
            New([u8; 3]),
            Through,
        }
        let own = Area::of(frame);
        let index = |x: usize, y: usize| {
            let at = (y - frame.top) * frame.width + (x - frame.left);
            frame.indices.get(at).copied().filter(|i| Some(*i) != frame.transparent)
        };
        let pixel = |x: usize, y: usize| -> Pixel {
            let stale = dirty.is_some_and(|d| d.contains(x, y));
            let drawn = if own.contains(x, y) { index(x, y) } else { None };
            if label.contains(x, y) && (stale || drawn.is_some()) {
                let at = ((y - label.top) * overlay.width as usize + (x - label.left)) * 4;
                let over = overlay.rgba.get(at..at + 4).unwrap_or_default();
                return blended(canvas.get(x, y), over).map_or(Pixel::Through, Pixel::New);
            }
            match (drawn, stale) {
                (Some(i), _) => Pixel::Old(i),
                (None, true) => match canvas.get(x, y) {
                    [_, _, _, 0] => Pixel::Through,
                    [r, g, b, _] => Pixel::New([r, g, b]),
                },
                (None, false) => Pixel::Through,
            }
        };
        let mut used = [0_u32; 256];
        let mut wanted: BTreeMap<[u8; 3], u32> = BTreeMap::new();
        let mut through = frame.transparent.is_some();
        let pixels: Vec<Pixel> = (area.top..area.bottom)
            .flat_map(|y| (area.left..area.right).map(move |x| (x, y)))
            .map(|(x, y)| pixel(x, y))
            .collect();
        for p in &pixels {
            match p {
                Pixel::Old(i) => {
                    if let Some(n) = used.get_mut(usize::from(*i)) {
                        *n += 1;
                    }
                }
                Pixel::New(c) => *wanted.entry(*c).or_default() += 1,
                Pixel::Through => through = true,
            }
        }
        let fitted = palette::fit(&frame.palette, &used, &wanted, through);
        let indices = pixels
            .iter()
            .map(|p| match p {
                Pixel::Old(i) => fitted.moved.get(usize::from(*i)).copied().unwrap_or(0),
                Pixel::New(c) => fitted.added.get(c).copied().unwrap_or(0),
                Pixel::Through => fitted.transparent.unwrap_or(0),
            })
            .collect();
        Self { area, indices, palette: fitted.palette, transparent: fitted.transparent }
    }

    /// The blocks of the frame in place of the old ones.
    fn write(
        &self,
        source: &dyn Source,
        file: &File,
        block: &gif::Block,
        control: Option<&[u8]>,
        patch: &mut Patch,
    ) -> Result<()> {
        let side = |v: usize| {
            u16::try_from(v)
                .map_err(|_| Error::unsupported(ID, "a frame reaches beyond 65535 rows or columns"))
        };
        let bits = self.palette.len().max(2).next_power_of_two().ilog2().clamp(1, 8);
        let mut out = vec![0x2c];
        for v in [
            self.area.left,
            self.area.top,
            self.area.right - self.area.left,
            self.area.bottom - self.area.top,
        ] {
            out.extend(side(v)?.to_le_bytes());
        }
        out.push(0x80 | (bits as u8 - 1));
        out.extend(self.palette.iter().flatten());
        out.resize(10 + 3 * (1 << bits), 0);
        let code_size = bits.max(2) as u8;
        out.push(code_size);
        let coded = weezl::encode::Encoder::new(BitOrder::Lsb, code_size)
            .encode(&self.indices)
            .map_err(|e| Error::unsupported(ID, "the pixels cannot be encoded").because(e))?;
        out.extend(gif::chained(&coded));
        patch.replace(block.range.clone(), out);

        let (packed, delay) = match control {
            Some(&[packed, d0, d1, ..]) => (packed & !1, [d0, d1]),
            _ => (0, [0; 2]),
        };
        let [d0, d1] = delay;
        let packed = packed | u8::from(self.transparent.is_some());
        let made = [0x21, 0xf9, 4, packed, d0, d1, self.transparent.unwrap_or(0), 0];
        let at = file.blocks.partition_point(|b| b.range.start < block.range.start);
        let old = file.blocks.get(..at).unwrap_or_default().iter().rev();
        let old = old.take_while(|b| !matches!(b.kind, Kind::Image(_))).find(|b| b.kind == Kind::Control);
        match old {
            Some(old) => {
                let stands = source.bytes(old.range.start, old.range.end - old.range.start)?;
                if *stands != made[..] {
                    patch.replace(old.range.clone(), made);
                }
            }
            None if self.transparent.is_some() => patch.insert(block.range.start, made),
            None => {}
        }
        Ok(())
    }
}

/// A label's pixel over the canvas; `None` where the result is mostly transparent.
fn blended(under: [u8; 4], over: &[u8]) -> Option<[u8; 3]> {
    let &[r, g, b, a] = over else { return None };
    let [x, y, z, w] = under;
    if w == 0 {
        // A GIF pixel is there or not.
        return (a >= 128).then_some([r, g, b]);
    }
    let share = u32::from(a);
    let mix = |over: u8, under: u8| {
        ((u32::from(over) * share + u32::from(under) * (255 - share) + 127) / 255) as u8
    };
    Some([mix(r, x), mix(g, y), mix(b, z)])
}
