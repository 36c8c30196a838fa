//! MP4 and QuickTime.

use std::io::Write;

use colophon_container::bmff::{
    self, Boxes,
    edit::{changes, edit},
    metadata,
    movie::{self, Movie, Track},
};
use colophon_core::{
    Carrier, Edit, Error, Format, FormatInfo, Layout, Limits, Magic, Media, Observation, Patch, Placed,
    Properties, Query, RenderCx, Result, SignalOp, SignalSupport, Slot, SlotInfo, Source,
};

use crate::{burn, look};

/// MP4, M4V and 3GP.
pub(crate) static MP4: Bmff = Bmff { info: &MP4_INFO, quicktime: false };
/// QuickTime.
pub(crate) static MOV: Bmff = Bmff { info: &MOV_INFO, quicktime: true };

const NOTE: &str = "label through ffmpeg, with the source's codec; streams, timestamps, rotation and user data are kept; \
                    metadata and signature without decoding";
const AIGC_PLACE: &str = "moov/udta/meta key AIGC";

const MANIFEST_SLOT: SlotInfo =
    SlotInfo { slot: Slot::Jumbf, place: "C2PA uuid box", source: "C2PA 2.4, A.5.1" };

static MP4_INFO: FormatInfo = FormatInfo {
    id: "mp4",
    name: "MP4",
    media: Media::Video,
    extensions: &["mp4", "m4v", "3gp"],
    mime: &["video/mp4", "video/x-m4v", "video/3gpp"],
    magic: &[Magic { offset: 4, bytes: b"ftyp" }],
    slots: &[
        SlotInfo { slot: Slot::Field, place: AIGC_PLACE, source: "TC260-PG-20257A" },
        SlotInfo { slot: Slot::Xmp, place: "XMP uuid box", source: "XMP specification part 3, 1.2.5" },
        MANIFEST_SLOT,
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("video/mp4"),
    note: NOTE,
};

static MOV_INFO: FormatInfo = FormatInfo {
    id: "mov",
    name: "QuickTime",
    media: Media::Video,
    extensions: &["mov", "qt"],
    mime: &["video/quicktime"],
    magic: &[Magic { offset: 4, bytes: b"ftypqt  " }, Magic { offset: 4, bytes: b"moov" }],
    slots: &[
        SlotInfo { slot: Slot::Field, place: AIGC_PLACE, source: "TC260-PG-20257A" },
        SlotInfo { slot: Slot::Xmp, place: "moov/udta/XMP_", source: "XMP specification part 3, 1.2.6" },
        MANIFEST_SLOT,
    ],
    signal: SignalSupport::Render,
    carrier: Carrier::Native("video/quicktime"),
    note: NOTE,
};

/// Brands of files that hold sound alone or still pictures (ISO/IEC 14496-12 Annex E, 23008-12, iTunes).
const OTHER_BRANDS: &[&[u8; 4]] = &[
    b"M4A ", b"M4B ", b"M4P ", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis",
    b"crx ",
];

/// A format of the ISO base media family that holds a movie.
#[derive(Debug)]
pub(crate) struct Bmff {
    info: &'static FormatInfo,
    quicktime: bool,
}

/// A walked movie.
pub(crate) struct Opened {
    pub(crate) boxes: Boxes,
    pub(crate) movie: Movie,
}

impl Opened {
    /// The track whose picture is shown: the first enabled one, else the first.
    pub(crate) fn picture(&self) -> Option<&Track> {
        self.movie.tracks.get(self.picture_number()?)
    }

    /// Its number among the tracks.
    pub(crate) fn picture_number(&self) -> Option<usize> {
        let pictures =
            || self.movie.tracks.iter().enumerate().filter(|(_, t)| &t.handler == b"vide" && t.coded.0 > 0);
        pictures().find(|(_, t)| t.enabled).or_else(|| pictures().next()).map(|(i, _)| i)
    }
}

impl Bmff {
    pub(crate) fn open(&self, source: &dyn Source, limits: &Limits) -> Result<Opened> {
        let boxes = bmff::walk(source, limits).map_err(|e| e.in_format(self.info.id))?;
        let movie = movie::read(source, &boxes, limits).map_err(|e| e.in_format(self.info.id))?;
        Ok(Opened { boxes, movie })
    }
}

impl Format for Bmff {
    fn info(&self) -> &'static FormatInfo {
        self.info
    }

    fn score(&self, head: &[u8]) -> u8 {
        let brand = head.get(8..12).filter(|_| head.get(4..8) == Some(b"ftyp"));
        match brand {
            Some(b) if OTHER_BRANDS.iter().any(|o| o.as_slice() == b) => 0,
            Some(b"qt  ") => 90 * u8::from(self.quicktime),
            Some(_) => 90 * u8::from(!self.quicktime),
            // Old QuickTime files begin with the movie or the media.
            None if self.quicktime && matches!(head.get(4..8), Some(b"moov" | b"wide" | b"mdat")) => 60,
            None => 0,
        }
    }

    fn streams(&self) -> bool {
        true
    }

    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout> {
        let file = self.open(source, limits)?;
        let mut layout = Layout {
            entries: metadata::entries(source, &file.boxes, "AIGC", self.quicktime, limits)?,
            media: file.boxes.of(*b"mdat").map(|n| n.range.clone()).collect(),
            notes: file.boxes.notes.clone(),
            properties: Properties { duration_s: file.movie.duration_s, ..Properties::default() },
            ..Layout::default()
        };
        let picture = file.picture().ok_or_else(|| {
            Error::malformed(self.info.id, "there is no video track: no picture to be marked")
        })?;
        let p = &mut layout.properties;
        p.dimensions = Some(picture.displayed());
        p.bit_depth = (picture.bit_depth > 0).then_some(picture.bit_depth);
        p.other.insert("codec".to_owned(), bmff::name(picture.codec));
        if picture.encrypted {
            layout.notes.push("the video is encrypted; its pictures cannot be examined".to_owned());
        }
        if let Some(sound) = file.movie.tracks.iter().find(|t| &t.handler == b"soun") {
            p.channels = Some(sound.channels);
            p.sample_rate = Some(sound.sample_rate);
            p.other.insert("sound codec".to_owned(), bmff::name(sound.codec));
        }
        if file.movie.fragmented {
            p.other.insert("fragmented".to_owned(), "yes".to_owned());
        }
        Ok(layout)
    }

    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch> {
        if edits.is_empty() {
            return Ok(Patch::new());
        }
        let changes = changes(self.info.id, edits)?;
        let boxes = bmff::walk(source, limits).map_err(|e| e.in_format(self.info.id))?;
        edit(source, &boxes, &changes, self.quicktime, limits).map_err(|e| e.in_format(self.info.id))
    }

    fn render(
        &self,
        source: &dyn Source,
        ops: &[SignalOp],
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        if ops.is_empty() {
            Patch::new().apply(source, out)?;
            return Ok(Vec::new());
        }
        let file = self.open(source, cx.limits)?;
        burn::burn(
            &burn::Job { id: self.info.id, quicktime: self.quicktime, source, file: &file, cx },
            ops,
            out,
        )
    }

    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let file = self.open(source, cx.limits)?;
        look::observe(self.info.id, source, look::Clip::of(&file).as_ref(), queries, cx)
    }
}
