//! Axis 1: a container of content.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Limits, Observation, Patch, Placed, Query, RenderCx, Result, SignalOp, Source};

/// The kind of content a format holds; rules of the jurisdictions are written per medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// Running text.
    Text,
    /// Still pictures.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures, with or without sound.
    Video,
    /// Documents with pages.
    Document,
}

/// Bytes by which a format is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Magic {
    /// Offset from the start of the file.
    pub offset: usize,
    /// The bytes that stand there.
    pub bytes: &'static [u8],
}

/// A metadata place, named by meaning. The format says where it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// A whole XMP packet.
    Xmp,
    /// A named value in the container's own keyed list: a Vorbis comment, an `mdta` key, a PDF Info key, a RIFF
    /// chunk of that name, a front-matter key.
    Field,
    /// An EXIF tag, key = tag name. Read only.
    Exif,
    /// Free text the container allows, key = its kind. Read only.
    Comment,
    /// A C2PA manifest store as raw JUMBF.
    Jumbf,
}

/// A slot a format can write.
#[derive(Clone, Copy, Debug)]
pub struct SlotInfo {
    /// Which one.
    pub slot: Slot,
    /// Where the format keeps it, as shown to people: `iTXt XML:com.adobe.xmp`.
    pub place: &'static str,
    /// The document that says so.
    pub source: &'static str,
}

/// How far a format's content can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalSupport {
    /// Metadata and signature only.
    None,
    /// Labels and watermarks can be looked for, not written.
    Observe,
    /// Labels can be written and looked for, watermarks not written.
    Label,
    /// Labels and watermarks can be written and looked for.
    Render,
}

impl SignalSupport {
    /// Labels can be written.
    pub fn takes_label(self) -> bool {
        matches!(self, Self::Label | Self::Render)
    }
}

/// How the text of a hard binding is normalised before hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// Bytes as they are.
    Raw,
    /// Unicode NFC of the UTF-8 text (C2PA 2.5, A.8).
    Nfc,
}

/// Where a C2PA manifest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The C2PA library embeds it, under this media type.
    Native(&'static str),
    /// The format's own [`Slot::Jumbf`] carries it; the hash covers everything else under this media type.
    Slot(&'static str, Normalisation),
    /// Beside the file, as `.c2pa`, bound by a hash of the whole file.
    Sidecar(&'static str),
}

/// Everything about a format that is data.
#[derive(Clone, Copy, Debug)]
pub struct FormatInfo {
    /// Short id, for instance `png`.
    pub id: &'static str,
    /// Name shown to people.
    pub name: &'static str,
    /// Kind of content.
    pub media: Media,
    /// Usual file name extensions, lower case, the first is the preferred one.
    pub extensions: &'static [&'static str],
    /// Media types, the first is the preferred one.
    pub mime: &'static [&'static str],
    /// Recognised by any of these.
    pub magic: &'static [Magic],
    /// Writable metadata places. The first that is [`Slot::Field`], else [`Slot::Xmp`], takes the AIGC object.
    pub slots: &'static [SlotInfo],
    /// Whether content can be changed and examined.
    pub signal: SignalSupport,
    /// Where the C2PA manifest goes.
    pub carrier: Carrier,
    /// What a user should know.
    pub note: &'static str,
}

impl FormatInfo {
    /// The writable slot of a kind, when the format has one.
    pub fn slot(&self, slot: Slot) -> Option<&'static SlotInfo> {
        self.slots.iter().find(|s| s.slot == slot)
    }
}

/// One metadata value found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What kind of place it sits in.
    pub slot: Slot,
    /// Its name there: `AIGC`, `UserComment`; `xmp` and `c2pa` for whole packets.
    pub key: String,
    /// The decoded value: text as UTF-8, packets as they are, without the container's framing.
    pub value: Vec<u8>,
    /// Path shown to people: `moov/udta/meta/ilst[AIGC]`.
    pub place: String,
    /// The bytes of the file that hold it, framing included.
    pub range: Range<u64>,
    /// False for places that are read but never written: variants seen in the wild.
    pub normative: bool,
}

/// Facts about the content that the rules need. Absent where the format has no such thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Properties {
    /// Width and height in pixels, as shown (orientation and sample aspect applied).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<(u32, u32)>,
    /// Bits per sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u16>,
    /// Colour type or channel count in words: `rgba`, `grey`, `palette`, `cmyk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Duration in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Samples per second and channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Sound channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
    /// Pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// Characters of text (Unicode scalar values), without metadata and label carriers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub characters: Option<u64>,
    /// Anything else worth showing, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, String>,
}

/// What a walk over a container found.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Every metadata value in every place that may hold a mark, in file order.
    pub entries: Vec<Entry>,
    /// The ranges of coded media: what a metadata edit must carry over byte for byte.
    pub media: Vec<Range<u64>>,
    /// Facts about the content.
    pub properties: Properties,
    /// Things a reader should know: a repaired checksum, trailing bytes, a part that was not examined.
    pub notes: Vec<String>,
    /// What is broken, for a file whose walk ended early: everything above is what was read before. Such files are
    /// examined and never edited.
    pub damage: Option<String>,
}

impl Layout {
    /// Entries of one slot.
    pub fn of(&self, slot: Slot) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |e| e.slot == slot)
    }
}

/// One change to metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Afterwards the slot holds exactly this value under this key, in the normative place. Other values under the
    /// same key of the same slot are replaced; everything else stays.
    Set {
        /// A writable slot of the format.
        slot: Slot,
        /// The key: `AIGC` for a field, `xmp`, `c2pa`.
        key: String,
        /// The value, without framing.
        value: Vec<u8>,
    },
    /// Removes the entry that occupies exactly this range in the file, as [`Format::inspect`] reported it.
    Remove {
        /// The range of the entry.
        range: Range<u64>,
    },
}

impl Edit {
    /// Shorthand for [`Edit::Set`].
    pub fn set(slot: Slot, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self::Set { slot, key: key.into(), value: value.into() }
    }
}

/// A container of content. One module, one format, one line in its crate's `FORMATS`.
pub trait Format: Send + Sync {
    /// Everything that is data.
    fn info(&self) -> &'static FormatInfo;

    /// How sure the head of a file makes us, 0 (no) to 100. The default asks the magic bytes: 90 when one matches.
    /// Formats without magic (text) answer with low scores, formats that share magic refine it.
    fn score(&self, head: &[u8]) -> u8 {
        let hit = |m: &Magic| head.get(m.offset..).is_some_and(|h| h.starts_with(m.bytes));
        if self.info().magic.iter().any(hit) { 90 } else { 0 }
    }

    /// [`Format::score`] with the whole file at hand, for formats whose own bytes may stand behind a long foreign tag.
    /// Reading errors count as no answer.
    fn score_in(&self, head: &[u8], source: &dyn Source) -> u8 {
        let _ = source;
        self.score(head)
    }

    /// Files of this format are large: walking and editing read by position and hold no more than tables and metadata, so
    /// a file on disk is not read into memory first.
    fn streams(&self) -> bool {
        false
    }

    /// [`Format::render`] too reads by position and writes as it goes, holding a bounded part of the content.
    fn renders_by_position(&self) -> bool {
        false
    }

    /// [`Format::render`] codes pictures with losses, as finely as [`PictureEncoding`](crate::PictureEncoding) asks.
    fn codes_with_loss(&self) -> bool {
        false
    }

    /// Walks the container: checks its structure, lists metadata, media ranges and properties.
    ///
    /// # Errors
    /// `Malformed`, `Unsupported` or `Limit`, with place and offset.
    fn inspect(&self, source: &dyn Source, limits: &Limits) -> Result<Layout>;

    /// Computes the splices for metadata changes. No edits, no splices. Never touches coded media.
    ///
    /// # Errors
    /// As [`Format::inspect`], and `Unsupported` for a slot the format cannot write.
    fn edit(&self, source: &dyn Source, edits: &[Edit], limits: &Limits) -> Result<Patch>;

    /// Changes the content: decodes once, applies every operation in order, encodes once like the input, carries
    /// metadata over, and says what was placed.
    ///
    /// # Errors
    /// `Unsupported` where [`FormatInfo::signal`] does not allow it; decoder and encoder errors; `Policy` when a label
    /// cannot meet its rule.
    fn render(
        &self,
        source: &dyn Source,
        ops: &[SignalOp],
        cx: &RenderCx<'_>,
        out: &mut dyn Write,
    ) -> Result<Vec<Placed>> {
        let _ = (source, ops, cx, out);
        Err(Error::unsupported(self.info().id, "labels and watermarks cannot be written into this format"))
    }

    /// Looks for labels and watermarks in the content: decodes once, answers every query in order.
    ///
    /// # Errors
    /// Decoder errors. What cannot be looked for is an [`Observation`] that says so, not an error.
    fn observe(
        &self,
        source: &dyn Source,
        queries: &[Query<'_>],
        cx: &RenderCx<'_>,
    ) -> Result<Vec<Observation>> {
        let _ = (source, cx);
        Ok(queries.iter().map(|_| Observation::Unsupported).collect())
    }
}
