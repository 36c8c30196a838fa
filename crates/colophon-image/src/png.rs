//! PNG.

use std::io::{BufRead, Seek, Write};
use std::ops::Range;

use colophon_container::exif;
use colophon_container::png::{self, Chunk, Png as File, TextKind, XMP_KEYWORD};
use colophon_core::{
    Carrier, Edit, Entry, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch,
    Placed, Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
    SourceReader,
};

use crate::entries::{self, inside, shown};
use crate::raster::{Color, Raster, Samples, check_size, luma_of_rgb};
use crate::{apply, observe};

mod animation;
mod only;
mod write;

const ID: &str = "png";

/// The format.
pub static FORMAT: Png = Png;

static INFO: FormatInfo = FormatInfo {
    id: ID,
    name: "PNG",
    media: Media::Image,
    extensions: &["png", "apng"],
    mime: &["image/png", "image/apng"],
    magic: &[Magic { offset: 0, bytes: &png::SIGNATURE }],
    slots: &[
        SlotInfo { slot: Slot::Xmp, place: "iTXt XML:com.adobe.xmp", source: "TC260-PG-20259A" },
        SlotInfo { slot: Slot::Jumbf, place: "caBX", source: "C2PA 2.2, A.3.2" },
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("image/png"),
    note: "colour type, depth, profile and foreign chunks are kept; a palette becomes true colour where a label or \
           watermark needs more than 256 colours; every frame of an animation is labelled",
};

/// PNG.
#[derive(Debug)]
pub struct Png;

impl Format for Png {
    fn info(&self) -> &'static FormatInfo {
        &INFO
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let (file, damage) = png::survey(source, limits)?;
        let mut layout = Layout { notes: file.notes.clone(), ..Layout::default() };
        let mut orientation = 1;
        for chunk in &file.chunks {
            if is_coded(chunk.id) {
                match layout.media.last_mut() {
                    Some(last) if last.end == chunk.range.start => last.end = chunk.range.end,
                    _ => layout.media.push(chunk.range.clone()),
                }
            }
            if &chunk.id == b"eXIf" {
                let block =
                    entries::exif(&file.data(source, chunk, limits)?, chunk.data.start, "eXIf", limits);
                layout.entries.extend(block.entries);
                layout.notes.extend(block.exif.notes);
                if block.exif.thumbnail.is_some() {
                    layout.notes.push("there is a thumbnail in the Exif block".to_owned());
                }
                orientation = block.exif.orientation;
            } else if let Some(entry) = entry(source, &file, chunk, &mut layout, limits)? {
                layout.entries.push(entry);
            }
        }
        let h = file.header;
        layout.properties = Properties {
            dimensions: Some(shown(h.width, h.height, orientation)),
            bit_depth: Some(u16::from(h.depth)),
            color: Some(color_name(h.color).to_owned()),
            ..Properties::default()
        };
        if let Some(frames) = animation::frames(source, &file)? {
            layout.properties.other.insert("frames".to_owned(), frames.to_string());
        }
        entries::damaged(&mut layout, damage)?;
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        let mut patch = Patch::new();
        if edits.is_empty() {
            return Ok(patch);
        }
        let file = png::walk(source, limits)?;
        let packets = packets(source, &file, limits)?;
        let mut blanked: Vec<Range<u64>> = Vec::new();
        let setting = edits.iter().any(|e| matches!(e, Edit::Set { .. }));
        for edit in edits {
            match edit {
                Edit::Set { slot: Slot::Xmp, value, .. } => {
                    let chunk = png::international_text(XMP_KEYWORD, value)?;
                    file.set(source, &packets, chunk, &mut patch)?;
                }
                Edit::Set { slot: Slot::Jumbf, value, .. } => {
                    let old: Vec<&Chunk> = file.of(*b"caBX").collect();
                    file.set(source, &old, png::encode(*b"caBX", value)?, &mut patch)?;
                }
                Edit::Set { slot, key, .. } => {
                    return Err(Error::unsupported(ID, format!("no place for {slot:?} {key}")));
                }
                Edit::Remove { range } => match file.at(range) {
                    // What is set and removed at once is set.
                    Some(chunk) if setting && packets.contains(&chunk) => {}
                    Some(chunk) => patch.remove(chunk.range.clone()),
                    None => blanked.push(range.clone()),
                },
            }
        }
        blank(source, &file, &blanked, limits, &mut patch)?;
        Ok(patch)
    }

    fn render(
        &self,
        source: &dyn Source,
        ops: &[SignalOp],
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let file = png::walk(source, cx.limits)?;
        if ops.is_empty() {
            Patch::new().apply(source, out)?;
            return Ok(Vec::new());
        }
        let orientation = orientation(source, &file, cx.limits)?;
        if file.of(*b"acTL").next().is_some() {
            return animation::render(source, &file, orientation, ops, cx.limits, out);
        }
        let stored = decode(source, &file, cx.limits)?;
        let mut raster = stored.shown(orientation);
        let placed = apply::apply(ID, &mut raster, ops)?;
        let raster = raster.stored(orientation);
        let palette = file.header.color == 3 && !ops.iter().any(|op| matches!(op, SignalOp::Watermark(_)));
        write::write(source, &file, &raster, palette, cx.limits, out)?;
        Ok(placed)
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        observe::observe(ID, queries, cx, || {
            let file = png::walk(source, cx.limits)?;
            let orientation = orientation(source, &file, cx.limits)?;
            let raster = if observe::brightness_suffices(queries) {
                brightness(source, &file, cx.limits)?
            } else {
                decode(source, &file, cx.limits)?
            };
            Ok(raster.shown(orientation))
        })
    }
}

/// Chunks that a metadata edit never touches: what a decoder turns into pixels.
fn is_coded(id: png::Id) -> bool {
    matches!(
        &id,
        b"IHDR"
            | b"PLTE"
            | b"IDAT"
            | b"tRNS"
            | b"acTL"
            | b"fcTL"
            | b"fdAT"
            | b"iCCP"
            | b"sRGB"
            | b"gAMA"
            | b"cHRM"
            | b"cICP"
    )
}

/// The value of a chunk that may hold a mark.
fn entry(
    source: &dyn Source,
    file: &File,
    chunk: &Chunk,
    layout: &mut Layout,
    limits: &Limits,
) -> Result<Option<Entry>> {
    let entry = |slot, key: &str, value: Vec<u8>, place: String, normative| {
        Some(Entry { slot, key: key.to_owned(), value, place, range: chunk.range.clone(), normative })
    };
    Ok(match &chunk.id {
        b"caBX" => entry(
            Slot::Jumbf,
            "c2pa",
            file.data(source, chunk, limits)?.into_owned(),
            "caBX".to_owned(),
            true,
        ),
        b"AIGC" => {
            let data = file.data(source, chunk, limits)?;
            entry(Slot::Field, "AIGC", data.into_owned(), "chunk AIGC".to_owned(), false)
        }
        _ => match file.text(source, chunk, limits)? {
            None => None,
            Some(text) => {
                let place = format!("{} {}", png::name(chunk.id), text.keyword);
                if text.keyword == XMP_KEYWORD {
                    let first = layout.of(Slot::Xmp).all(|e| !e.normative);
                    if text.kind != TextKind::International {
                        layout
                            .notes
                            .push("the XMP packet is not kept in an uncompressed iTXt chunk".to_owned());
                    }
                    if !first {
                        layout.notes.push("there is more than one XMP packet".to_owned());
                    }
                    entry(Slot::Xmp, "xmp", text.value, place, first)
                } else if text.keyword.to_ascii_uppercase().contains("AIGC") {
                    entry(Slot::Field, &text.keyword, text.value, place, false)
                } else {
                    entry(Slot::Comment, &text.keyword, text.value, place, false)
                }
            }
        },
    })
}

/// Every chunk with an XMP packet.
fn packets<'a>(source: &dyn Source, file: &'a File, limits: &Limits) -> Result<Vec<&'a Chunk>> {
    let mut packets = Vec::new();
    for chunk in &file.chunks {
        if file.text(source, chunk, limits)?.is_some_and(|t| t.keyword == XMP_KEYWORD) {
            packets.push(chunk);
        }
    }
    Ok(packets)
}

/// Empties texts inside Exif blocks; nothing in a block moves.
fn blank(
    source: &dyn Source,
    file: &File,
    ranges: &[Range<u64>],
    limits: &Limits,
    patch: &mut Patch,
) -> Result<()> {
    let mut left: Vec<&Range<u64>> = ranges.iter().collect();
    for chunk in file.of(*b"eXIf") {
        let mut data = None;
        let mut unread = Ok(());
        left.retain(|range| {
            let Some(inner) = inside(range, chunk.data.start, chunk.data.end - chunk.data.start) else {
                return true;
            };
            if data.is_none() {
                match file.data(source, chunk, limits) {
                    Ok(d) => data = Some(d.into_owned()),
                    Err(e) => unread = Err(e),
                }
            }
            if let Some(data) = &mut data {
                exif::blank(data, &inner);
            }
            false
        });
        unread?;
        if let Some(data) = data {
            patch.replace(chunk.range.clone(), png::encode(chunk.id, &data)?);
        }
    }
    match left.first() {
        None => Ok(()),
        Some(range) => {
            Err(Error::malformed(ID, "nothing that can be removed stands there").at_offset(range.start))
        }
    }
}

fn orientation(source: &dyn Source, file: &File, limits: &Limits) -> Result<u8> {
    let Some(chunk) = file.of(*b"eXIf").next() else { return Ok(1) };
    let data = file.data(source, chunk, limits)?;
    Ok(exif::read(&data, limits).map_or(1, |e| e.orientation))
}

fn color_name(color: u8) -> &'static str {
    match color {
        0 => "grey",
        2 => "rgb",
        3 => "palette",
        4 => "grey-alpha",
        _ => "rgba",
    }
}

/// The stored pixels: palettes and transparent colours resolved, depths below 8 widened.
fn decode(source: &dyn Source, file: &File, limits: &Limits) -> Result<Raster> {
    match open(source, file, limits)? {
        Reader::Memory(reader) => pixels(reader),
        Reader::Stream(reader) => pixels(reader),
    }
}

/// The same with nothing but the brightness where that is all a viewer needs, row by row: colours are never all in memory.
fn brightness(source: &dyn Source, file: &File, limits: &Limits) -> Result<Raster> {
    match open(source, file, limits)? {
        Reader::Memory(reader) => grey(reader),
        Reader::Stream(reader) => grey(reader),
    }
}

/// A decoder behind the header, on bytes in memory or on a source that is read piece by piece.
enum Reader<'a> {
    Memory(::png::Reader<std::io::Cursor<&'a [u8]>>),
    Stream(::png::Reader<std::io::BufReader<SourceReader<'a>>>),
}

fn open<'a>(source: &'a dyn Source, file: &File, limits: &Limits) -> Result<Reader<'a>> {
    let h = file.header;
    let bytes = if h.depth == 16 { 8 } else { 4 };
    check_size(ID, h.width, h.height, bytes, limits)?;
    let budget = usize::try_from(limits.decoded_bytes).unwrap_or(usize::MAX);
    let limits = ::png::Limits { bytes: budget };
    Ok(match source.as_bytes() {
        Some(bytes) => Reader::Memory(expanding(std::io::Cursor::new(bytes), limits)?),
        None => Reader::Stream(expanding(std::io::BufReader::new(SourceReader::new(source)), limits)?),
    })
}

fn expanding<R: BufRead + Seek>(input: R, limits: ::png::Limits) -> Result<::png::Reader<R>> {
    let mut decoder = ::png::Decoder::new_with_limits(input, limits);
    decoder.set_transformations(::png::Transformations::EXPAND);
    decoder.read_info().map_err(failed)
}

fn pixels<R: BufRead + Seek>(mut reader: ::png::Reader<R>) -> Result<Raster> {
    let len =
        reader.output_buffer_size().ok_or_else(|| Error::limit("the picture is too large").in_format(ID))?;
    let mut samples = vec![0; len];
    let info = reader.next_frame(&mut samples).map_err(failed)?;
    samples.truncate(info.buffer_size());
    stored(info.width, info.height, info.color_type, info.bit_depth, samples)
}

fn grey<R: BufRead + Seek>(mut reader: ::png::Reader<R>) -> Result<Raster> {
    let (width, height, interlaced) = {
        let info = reader.info();
        (info.width, info.height, info.interlaced)
    };
    if interlaced || reader.output_color_type() != (::png::ColorType::Rgb, ::png::BitDepth::Eight) {
        return pixels(reader);
    }
    let mut samples = vec![0; width as usize * height as usize];
    for line in samples.chunks_exact_mut(width as usize) {
        let row = reader.next_row().map_err(failed)?;
        let row =
            row.ok_or_else(|| Error::malformed(ID, "there are fewer rows than the header announces"))?;
        luma_of_rgb(row.data(), line);
    }
    // The rest of the data is decoded too, checksums included.
    reader.next_row().map_err(failed)?;
    Ok(Raster { width, height, color: Color::Grey, samples: Samples::U8(samples) })
}

/// Decoded bytes as a picture.
fn stored(
    width: u32,
    height: u32,
    color: ::png::ColorType,
    depth: ::png::BitDepth,
    samples: Vec<u8>,
) -> Result<Raster> {
    let color = match color {
        ::png::ColorType::Grayscale => Color::Grey,
        ::png::ColorType::GrayscaleAlpha => Color::GreyAlpha,
        ::png::ColorType::Rgb => Color::Rgb,
        ::png::ColorType::Rgba => Color::Rgba,
        ::png::ColorType::Indexed => return Err(Error::malformed(ID, "there is no palette").at_place("PLTE")),
    };
    let samples = match depth {
        ::png::BitDepth::Sixteen => {
            let pair = |b: &[u8]| {
                u16::from_be_bytes([b.first().copied().unwrap_or(0), b.get(1).copied().unwrap_or(0)])
            };
            Samples::U16(samples.chunks_exact(2).map(pair).collect())
        }
        _ => Samples::U8(samples),
    };
    Ok(Raster { width, height, color, samples })
}

fn failed(e: ::png::DecodingError) -> Error {
    match e {
        ::png::DecodingError::LimitsExceeded => {
            Error::limit("the decoder ran into its memory limit").in_format(ID)
        }
        e => Error::malformed(ID, "the pixels cannot be decoded").because(e),
    }
}

#[cfg(test)]
mod tests;
