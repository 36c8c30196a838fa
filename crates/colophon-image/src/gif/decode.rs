//! GIF pixels.

use colophon_container::gif::{self, Block, Gif as File, Image};
use colophon_core::{Error, Limits, Result, Source};
use weezl::decode::Decoder;
use weezl::{BitOrder, LzwStatus};

use super::ID;
use crate::raster::{Color, Raster, Samples, check_size};

/// What becomes of a frame when its time is over (GIF 89a, 23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposal {
    Keep,
    /// Its rectangle becomes transparent.
    Background,
    /// The canvas becomes what it was before.
    Previous,
}

/// One decoded frame.
pub(super) struct Frame {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Rows from top to bottom.
    pub(super) indices: Vec<u8>,
    pub(super) palette: Vec<[u8; 3]>,
    pub(super) transparent: Option<u8>,
    pub(super) disposal: Disposal,
}

/// The canvas, red, green, blue and alpha (0 or 255).
#[derive(Clone)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgba: Vec<u8>,
}

impl Canvas {
    /// # Errors
    /// `Limit`.
    pub(super) fn new(file: &File, limits: &Limits) -> Result<Self> {
        let (width, height) = (u32::from(file.width), u32::from(file.height));
        check_size(ID, width, height, 4, limits)?;
        if width == 0 || height == 0 {
            return Err(Error::malformed(ID, "the canvas has no pixels"));
        }
        let frames = file.images().count() as u64;
        let cost = frames.saturating_mul(u64::from(width) * u64::from(height));
        if cost > limits.pixels.saturating_mul(64) {
            return Err(Error::limit(format!("{frames} frames of {width} × {height} pixels")).in_format(ID));
        }
        let (width, height) = (width as usize, height as usize);
        Ok(Self { width, height, rgba: vec![0; width * height * 4] })
    }

    pub(super) fn get(&self, x: usize, y: usize) -> [u8; 4] {
        if x >= self.width {
            return [0; 4];
        }
        let at = (y * self.width + x) * 4;
        self.rgba.get(at..).and_then(|p| p.first_chunk()).copied().unwrap_or([0; 4])
    }

    fn set(&mut self, x: usize, y: usize, pixel: [u8; 4]) {
        if x >= self.width {
            return;
        }
        let at = (y * self.width + x) * 4;
        if let Some(p) = self.rgba.get_mut(at..at + 4) {
            p.copy_from_slice(&pixel);
        }
    }

    /// Lays a frame over the canvas.
    pub(super) fn draw(&mut self, frame: &Frame) {
        for (y, row) in frame.indices.chunks_exact(frame.width.max(1)).enumerate() {
            for (x, index) in row.iter().enumerate() {
                if Some(*index) != frame.transparent
                    && let Some([r, g, b]) = frame.palette.get(usize::from(*index))
                {
                    self.set(frame.left + x, frame.top + y, [*r, *g, *b, 255]);
                }
            }
        }
    }

    pub(super) fn clear(&mut self, frame: &Frame) {
        for y in 0..frame.height {
            for x in 0..frame.width {
                self.set(frame.left + x, frame.top + y, [0; 4]);
            }
        }
    }

    pub(super) fn raster(&self) -> Raster {
        let samples = Samples::U8(self.rgba.clone());
        Raster { width: self.width as u32, height: self.height as u32, color: Color::Rgba, samples }
    }
}

/// The canvas while the first frame is shown.
///
/// # Errors
/// `Limit`, `Malformed`.
pub(super) fn first(source: &dyn Source, file: &File, limits: &Limits) -> Result<Raster> {
    let mut canvas = Canvas::new(file, limits)?;
    let Some((block, image)) = file.images().next() else {
        return Err(Error::malformed(ID, "there is no picture"));
    };
    let control = control(source, file, block)?;
    canvas.draw(&frame(source, file, block, image, control.as_deref(), limits)?);
    Ok(canvas.raster())
}

/// The control block that belongs to a picture: the last before it.
///
/// # Errors
/// Of the source.
pub(super) fn control(source: &dyn Source, file: &File, image: &Block) -> Result<Option<Vec<u8>>> {
    let at = file.blocks.partition_point(|b| b.range.start < image.range.start);
    let before = file.blocks.get(..at).unwrap_or_default();
    for block in before.iter().rev() {
        match block.kind {
            gif::Kind::Control => {
                let data = gif::joined(source, &block.chain, 255)?;
                return Ok((data.len() >= 4).then_some(data));
            }
            gif::Kind::Image(_) => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

/// Decodes one frame.
///
/// # Errors
/// `Limit`, `Malformed`.
pub(super) fn frame(
    source: &dyn Source,
    file: &File,
    block: &Block,
    image: &Image,
    control: Option<&[u8]>,
    limits: &Limits,
) -> Result<Frame> {
    let bad = |why: &str| Error::malformed(ID, why).at_offset(block.range.start);
    let (width, height) = (usize::from(image.width), usize::from(image.height));
    check_size(ID, u32::from(image.width), u32::from(image.height), 4, limits)?;
    if !(2..=8).contains(&image.code_size) {
        return Err(bad("the size of the smallest code is none of 2 to 8"));
    }
    let range =
        image.palette.clone().or_else(|| file.palette.clone()).ok_or_else(|| bad("there is no palette"))?;
    let palette = source.bytes(range.start, range.end - range.start)?;
    let palette = palette.chunks_exact(3).filter_map(|p| p.first_chunk().copied()).collect();
    let data = gif::joined(source, &block.chain, limits.input_bytes)?;
    let mut indices = vec![0; width * height];
    let mut decoder = Decoder::new(BitOrder::Lsb, image.code_size);
    let (mut read, mut written) = (0, 0);
    while written < indices.len() {
        let (input, output) =
            (data.get(read..).unwrap_or_default(), indices.get_mut(written..).unwrap_or_default());
        let result = decoder.decode_bytes(input, output);
        read += result.consumed_in;
        written += result.consumed_out;
        match result.status {
            Ok(LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
            Ok(_) => break,
            Err(e) => return Err(bad("the pixels cannot be decoded").because(e)),
        }
    }
    if written < indices.len() {
        return Err(bad("a picture has fewer pixels than its size announces"));
    }
    if image.interlaced {
        indices = woven(&indices, width, height);
    }
    let (packed, index) = match control {
        Some(&[packed, _, _, index, ..]) => (packed, index),
        _ => (0, 0),
    };
    Ok(Frame {
        left: usize::from(image.left),
        top: usize::from(image.top),
        width,
        height,
        indices,
        palette,
        transparent: (packed & 1 == 1).then_some(index),
        disposal: match packed >> 2 & 7 {
            2 => Disposal::Background,
            3 => Disposal::Previous,
            _ => Disposal::Keep,
        },
    })
}

/// Rows of four passes in their order (GIF 89a, appendix E).
fn woven(indices: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut out = vec![0; indices.len()];
    let rows =
        [(0, 8), (4, 8), (2, 4), (1, 2)].into_iter().flat_map(|(first, step)| (first..height).step_by(step));
    for (row, line) in rows.zip(indices.chunks_exact(width.max(1))) {
        if let Some(to) = out.get_mut(row * width..(row + 1) * width) {
            to.copy_from_slice(line);
        }
    }
    out
}
