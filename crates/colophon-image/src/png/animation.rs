//! Animations: every frame as the whole canvas looks while it is shown, and back.
//!
//! Source: PNG third edition, 11.3.6.1 to 11.3.6.3 (acTL, fcTL, fdAT).

use std::io::{Cursor, Write};
use std::ops::{Range, RangeFrom};

use colophon_container::png::{self, Png as File, SIGNATURE};
use colophon_core::{Error, Limits, Placed, Result, SignalOp, Source};

use super::write::{carried, coded};
use super::{ID, failed, stored};
use crate::apply::Painter;
use crate::raster::{Color, Raster, Samples, check_size};

/// Canvases' worth of pixels that all frames together may decode to, as multiples of what one picture may have.
const CANVASES: u64 = 64;

/// The number of frames a file announces, where it is an animation.
///
/// # Errors
/// Reading errors.
pub(super) fn frames(source: &dyn Source, file: &File) -> Result<Option<u32>> {
    let Some(chunk) = file.of(*b"acTL").next() else { return Ok(None) };
    let data = source.bytes_up_to(chunk.data.start, 4)?;
    Ok(data.first_chunk().map(|b| u32::from_be_bytes(*b)))
}

/// Writes the file with the operations done to every frame, and to the picture that programs without animation show.
///
/// A frame after the first is written as the rectangle in which it differs from the one before.
///
/// # Errors
/// `Unsupported` for interlaced animations and what [`Painter::apply`] refuses; `Limit`, `Malformed`, `Io`.
pub(super) fn render(
    source: &dyn Source,
    file: &File,
    orientation: u8,
    ops: &[SignalOp],
    limits: &Limits,
    out: &mut dyn Write,
) -> Result<Vec<Placed>> {
    if file.header.interlaced {
        return Err(Error::unsupported(
            ID,
            "labels and watermarks are not written into interlaced animations",
        ));
    }
    let bytes = source.all(limits.input_bytes)?;
    let mut frames = Frames::open(&bytes, source, file, limits)?;
    let (mut placed, mut body, mut head) = (Vec::new(), Vec::new(), None);
    let mut painter = Painter::new(ID, ops);
    let mut sequence = 0_u32;
    let mut before: Option<Raster> = None;
    while let Some((whole, delay)) = frames.next_frame()? {
        let mut raster = whole.shown(orientation);
        let done = painter.apply(&mut raster)?;
        if placed.is_empty() {
            placed = done;
        }
        let raster = raster.stored(orientation);
        let area = before.as_ref().map_or(Area::whole(&raster), |b| Area::changed(b, &raster));
        let made = coded(&area.of(&raster))?;
        let walked = png::walk(&made, limits)?;
        let part =
            |range: &Range<u64>| made.get(range.start as usize..range.end as usize).unwrap_or_default();
        if let Some(delay) = delay {
            body.extend(png::encode(*b"fcTL", &area.control(sequence, delay))?);
            sequence += 1;
            before = Some(raster);
        }
        for idat in walked.of(*b"IDAT") {
            if head.is_none() {
                body.extend_from_slice(part(&idat.range));
            } else {
                let mut data = sequence.to_be_bytes().to_vec();
                data.extend_from_slice(part(&idat.data));
                body.extend(png::encode(*b"fdAT", &data)?);
                sequence += 1;
            }
        }
        if head.is_none() {
            let ihdr = walked.chunks.first().map(|c| part(&c.range).to_vec()).unwrap_or_default();
            head = Some((walked.header, ihdr));
        }
    }
    let Some((header, ihdr)) = head else { return Err(Error::malformed(ID, "there is no picture")) };
    out.write_all(&SIGNATURE)?;
    let mut body = Some(body);
    for chunk in &file.chunks {
        match &chunk.id {
            b"IHDR" => out.write_all(&ihdr)?,
            // Written anew, where the first of the pixels stood.
            b"fcTL" | b"fdAT" => {}
            b"IDAT" => out.write_all(&body.take().unwrap_or_default())?,
            _ => out.write_all(&carried(source, file, chunk, header, limits)?.unwrap_or_default())?,
        }
    }
    Ok(placed)
}

/// How long a frame is shown: a fraction of a second.
type Delay = (u16, u16);

/// The pictures of a file in file order, each as the whole canvas.
struct Frames<'a> {
    reader: ::png::Reader<Cursor<&'a [u8]>>,
    canvas: Raster,
    left: u32,
}

impl<'a> Frames<'a> {
    fn open(bytes: &'a [u8], source: &dyn Source, file: &File, limits: &Limits) -> Result<Self> {
        let h = file.header;
        check_size(ID, h.width, h.height, if h.depth == 16 { 8 } else { 4 }, limits)?;
        let announced = frames(source, file)?.unwrap_or(0);
        let cost = u64::from(announced) * u64::from(h.width) * u64::from(h.height);
        if announced as usize > limits.parts || cost > limits.pixels.saturating_mul(CANVASES) {
            let text = format!("{announced} frames of {} × {} pixels", h.width, h.height);
            return Err(Error::limit(text).in_format(ID));
        }
        let budget = usize::try_from(limits.decoded_bytes).unwrap_or(usize::MAX);
        let mut decoder =
            ::png::Decoder::new_with_limits(Cursor::new(bytes), ::png::Limits { bytes: budget });
        // What a frame leaves open is transparent: the canvas needs to be able to say so.
        let mut wanted = ::png::Transformations::EXPAND;
        if leaves_open(source, file)? {
            wanted |= ::png::Transformations::ALPHA;
        }
        decoder.set_transformations(wanted);
        let reader = decoder.read_info().map_err(failed)?;
        let info = reader.info();
        let (width, height) = (info.width, info.height);
        // A picture in front of the animation has no control of its own.
        let left = announced + u32::from(info.frame_control().is_none());
        let (color, depth) = reader.output_color_type();
        let canvas = stored(width, height, color, depth, Vec::new())?;
        let len = width as usize * height as usize * canvas.color.channels();
        let samples = match canvas.samples {
            Samples::U8(_) => Samples::U8(vec![0; len]),
            Samples::U16(_) => Samples::U16(vec![0; len]),
        };
        Ok(Self { reader, canvas: Raster { samples, ..canvas }, left })
    }

    fn next_frame(&mut self) -> Result<Option<(Raster, Option<Delay>)>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let len = self.reader.output_buffer_size();
        let len = len.ok_or_else(|| Error::limit("the picture is too large").in_format(ID))?;
        let mut samples = vec![0; len];
        let info = self.reader.next_frame(&mut samples).map_err(failed)?;
        samples.truncate(info.buffer_size());
        let frame = stored(info.width, info.height, info.color_type, info.bit_depth, samples)?;
        let Some(control) = self.reader.info().frame_control().copied() else {
            return Ok(Some((frame, None)));
        };
        let area = Area {
            left: control.x_offset as usize,
            top: control.y_offset as usize,
            width: info.width as usize,
            height: info.height as usize,
        };
        if !area.within(&self.canvas) {
            return Err(Error::malformed(ID, "a frame reaches beyond the picture").at_place("fcTL"));
        }
        let before = match control.dispose_op {
            ::png::DisposeOp::Previous => Some(self.canvas.clone()),
            _ => None,
        };
        area.draw(&mut self.canvas, &frame, control.blend_op == ::png::BlendOp::Over);
        let shown = self.canvas.clone();
        match (control.dispose_op, before) {
            (_, Some(before)) => self.canvas = before,
            (::png::DisposeOp::Background, _) => area.clear(&mut self.canvas),
            _ => {}
        }
        Ok(Some((shown, Some((control.delay_num, control.delay_den)))))
    }
}

/// Whether a frame clears its place, or one that is not a picture of its own leaves some of the canvas as it was.
fn leaves_open(source: &dyn Source, file: &File) -> Result<bool> {
    let mut pixels = false;
    for chunk in &file.chunks {
        match &chunk.id {
            b"IDAT" => pixels = true,
            b"fcTL" => {
                let data = source.bytes_up_to(chunk.data.start, 26)?;
                // Of the frames the first may be one that covers a part only, if it is not the picture itself.
                if data.get(24) == Some(&1) || pixels && file.of(*b"fcTL").next() == Some(chunk) {
                    return Ok(true);
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

/// A rectangle of the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Area {
    fn whole(raster: &Raster) -> Self {
        Self { left: 0, top: 0, width: raster.width as usize, height: raster.height as usize }
    }

    /// Where two pictures of one size and form differ; one pixel where they do not.
    fn changed(a: &Raster, b: &Raster) -> Self {
        let (width, channels) = (a.width as usize, a.color.channels());
        let found = match (&a.samples, &b.samples) {
            (Samples::U8(a), Samples::U8(b)) => differing(a, b, width, channels),
            (Samples::U16(a), Samples::U16(b)) => differing(a, b, width, channels),
            _ => Some(Self::whole(b)),
        };
        found.unwrap_or(Self { left: 0, top: 0, width: 1, height: 1 })
    }

    fn within(self, canvas: &Raster) -> bool {
        self.left + self.width <= canvas.width as usize && self.top + self.height <= canvas.height as usize
    }

    /// The pixels of the rectangle.
    fn of(self, raster: &Raster) -> Raster {
        let channels = raster.color.channels();
        let row = raster.width as usize * channels;
        let range = |y: usize| (self.top + y) * row + self.left * channels..;
        let samples = match &raster.samples {
            Samples::U8(s) => Samples::U8(cut(s, (0..self.height).map(range), self.width * channels)),
            Samples::U16(s) => Samples::U16(cut(s, (0..self.height).map(range), self.width * channels)),
        };
        Raster { width: self.width as u32, height: self.height as u32, color: raster.color, samples }
    }

    /// `fcTL`: what stood there is replaced, and stays (PNG third edition, 11.3.6.2).
    fn control(self, sequence: u32, delay: Delay) -> Vec<u8> {
        let numbers = [sequence, self.width as u32, self.height as u32, self.left as u32, self.top as u32];
        let mut data: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        data.extend(delay.0.to_be_bytes());
        data.extend(delay.1.to_be_bytes());
        data.extend([0, 0]);
        data
    }

    fn draw(self, canvas: &mut Raster, frame: &Raster, over: bool) {
        let (width, color) = (canvas.width as usize, canvas.color);
        let over = over && matches!(color, Color::GreyAlpha | Color::Rgba);
        match (&mut canvas.samples, &frame.samples) {
            (Samples::U8(to), Samples::U8(from)) => {
                self.rows(to, from, width, color.channels(), |under, above| {
                    if over { blend(under, above, 255, |v| v as u8) } else { under.copy_from_slice(above) }
                });
            }
            (Samples::U16(to), Samples::U16(from)) => {
                self.rows(to, from, width, color.channels(), |under, above| {
                    if over {
                        blend(under, above, 65_535, |v| v as u16);
                    } else {
                        under.copy_from_slice(above);
                    }
                });
            }
            _ => {}
        }
    }

    fn clear(self, canvas: &mut Raster) {
        let (width, channels) = (canvas.width as usize, canvas.color.channels());
        match &mut canvas.samples {
            Samples::U8(s) => {
                let none = vec![0; self.width * self.height * channels];
                self.rows(s, &none, width, channels, |under, above| under.copy_from_slice(above));
            }
            Samples::U16(s) => {
                let none = vec![0; self.width * self.height * channels];
                self.rows(s, &none, width, channels, |under, above| under.copy_from_slice(above));
            }
        }
    }

    /// Goes through the pixels of the rectangle in a canvas of `width`, beside those of a picture of its size.
    fn rows<T>(
        self,
        canvas: &mut [T],
        picture: &[T],
        width: usize,
        channels: usize,
        mut pixel: impl FnMut(&mut [T], &[T]),
    ) {
        let rows = canvas.chunks_exact_mut((width * channels).max(1)).skip(self.top);
        for (to, from) in rows.zip(picture.chunks_exact((self.width * channels).max(1))).take(self.height) {
            let to = to.get_mut(self.left * channels..).unwrap_or_default();
            to.chunks_exact_mut(channels).zip(from.chunks_exact(channels)).for_each(|(a, b)| pixel(a, b));
        }
    }
}

/// One pixel over another, alpha last (PNG third edition, 13.16).
fn blend<T: Copy + Into<u64>>(under: &mut [T], above: &[T], full: u64, back: impl Fn(u64) -> T) {
    let (Some((alpha, _)), Some((covered, _))) = (above.split_last(), under.split_last()) else { return };
    let (a, c): (u64, u64) = ((*alpha).into(), (*covered).into());
    // What shows of the pixel below, and of both together, in units of 1 / full².
    let below = c * (full - a);
    let all = a * full + below;
    if all == 0 {
        under.copy_from_slice(above);
        return;
    }
    let last = under.len() - 1;
    for (i, (u, v)) in under.iter_mut().zip(above).enumerate() {
        let (x, y): (u64, u64) = ((*u).into(), (*v).into());
        *u = back(if i == last {
            (all + full / 2) / full
        } else {
            (y * a * full + x * below + all / 2) / all
        });
    }
}

fn cut<T: Copy>(samples: &[T], rows: impl Iterator<Item = RangeFrom<usize>>, len: usize) -> Vec<T> {
    rows.flat_map(|from| samples.get(from).and_then(|r| r.get(..len)).unwrap_or_default()).copied().collect()
}

fn differing<T: PartialEq>(a: &[T], b: &[T], width: usize, channels: usize) -> Option<Area> {
    let row = (width * channels).max(1);
    let mut found: Option<(usize, usize, usize, usize)> = None;
    for (y, (a, b)) in a.chunks_exact(row).zip(b.chunks_exact(row)).enumerate() {
        if a == b {
            continue;
        }
        let apart = |(x, y): (&T, &T)| x != y;
        let first = a.iter().zip(b).position(apart).unwrap_or(0) / channels;
        let last = a.iter().zip(b).rposition(apart).unwrap_or(0) / channels;
        found = Some(match found {
            None => (first, y, last, y),
            Some((left, top, right, _)) => (left.min(first), top, right.max(last), y),
        });
    }
    found.map(|(left, top, right, bottom)| Area {
        left,
        top,
        width: right - left + 1,
        height: bottom - top + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_13_16_pixels_are_laid_over_one_another() {
        let over = |mut under: [u8; 4], above: [u8; 4]| {
            blend(&mut under, &above, 255, |v| v as u8);
            under
        };
        assert_eq!(over([10, 20, 30, 255], [200, 100, 50, 255]), [200, 100, 50, 255]);
        assert_eq!(over([10, 20, 30, 255], [200, 100, 50, 0]), [10, 20, 30, 255]);
        assert_eq!(over([0, 0, 0, 0], [200, 100, 50, 128]), [200, 100, 50, 128]);
        assert_eq!(over([0, 0, 0, 255], [255, 255, 255, 128]), [128, 128, 128, 255]);
    }

    #[test]
    fn the_smallest_rectangle_that_changed_is_found() {
        let raster = |samples: Vec<u8>| Raster {
            width: 4,
            height: 3,
            color: Color::Grey,
            samples: Samples::U8(samples),
        };
        let a = raster(vec![0; 12]);
        let mut other = vec![0; 12];
        (other[5], other[11]) = (1, 1);
        assert_eq!(Area::changed(&a, &raster(other)), Area { left: 1, top: 1, width: 3, height: 2 });
        assert_eq!(Area::changed(&a, &a), Area { left: 0, top: 0, width: 1, height: 1 });
    }
}
