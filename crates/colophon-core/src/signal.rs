//! Operations on the content itself, and questions about it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Confidence, LabelEvidence, LabelRecord, LabelSpec, Limits, PlanNote, State, WatermarkEvidence, Why,
};

/// A watermark to be embedded.
#[derive(Clone)]
pub struct WatermarkSpec {
    /// Payload: 16-bit issuer, 48-bit content id (docs/reference/watermark-payload).
    pub payload: u64,
    /// Secret of a private key schedule; `None` for the public one.
    pub key: Option<Vec<u8>>,
    /// Named strength: `gentle`, `default`, `strong`.
    pub strength: String,
}

impl std::fmt::Debug for WatermarkSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = if self.key.is_some() { "private" } else { "public" };
        f.debug_struct("WatermarkSpec")
            .field("payload", &format_args!("{:016x}", self.payload))
            .field("key", &key)
            .field("strength", &self.strength)
            .finish()
    }
}

/// A watermark as it was embedded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatermarkRecord {
    /// Scheme and version: `org.colophon.image.1`.
    pub scheme: String,
    /// Payload, 16 hex digits.
    pub payload: String,
    /// `public` or `private` key schedule.
    pub key: String,
    /// Measured disturbance in words and numbers: `psnr 44.1 dB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// True for a watermark that was on the input already and was kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// One change to the content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignalOp {
    /// Draw, mix in or write a label.
    Label(LabelSpec),
    /// Embed a watermark.
    Watermark(WatermarkSpec),
}

/// What an operation placed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Placed {
    /// A label.
    Label(LabelRecord),
    /// A watermark.
    Watermark(WatermarkRecord),
    /// Nothing of its own: how the work was done, for people.
    Note(PlanNote),
}

/// One question about the content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Query<'a> {
    /// Is this recorded label still where the record says? Without a record: is there any label?
    Label(Option<&'a LabelRecord>),
    /// Is there a watermark under this secret (`None`: the public schedule)?
    Watermark(Option<&'a [u8]>),
    /// The same about a mark that was written just now, all over the content: the reader stops once it is certain.
    OwnWatermark(Option<&'a [u8]>),
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Observation {
    /// The format does not examine content.
    Unsupported,
    /// About a label.
    Label {
        /// Present, Absent, Invalid (recorded but not there) or NotChecked.
        state: State,
        /// Why it was not checked.
        why: Option<Why>,
        /// What was seen.
        evidence: Option<LabelEvidence>,
        /// How sure, for statistical readers.
        confidence: Option<Confidence>,
    },
    /// About a watermark.
    Watermark {
        /// Present, Absent or NotChecked.
        state: State,
        /// Why it was not checked.
        why: Option<Why>,
        /// What was seen.
        evidence: Option<WatermarkEvidence>,
        /// How sure.
        confidence: Option<Confidence>,
    },
}

/// Programs outside the process that a caller allows. `None`: not to be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// `ffmpeg`, for the pixels and samples of video.
    pub ffmpeg: Option<PathBuf>,
    /// `ffprobe`.
    pub ffprobe: Option<PathBuf>,
    /// `tesseract`, for labels without a record.
    pub tesseract: Option<PathBuf>,
    /// How `ffmpeg` is to encode video.
    pub video: VideoEncoding,
    /// How pictures are to be encoded.
    pub picture: PictureEncoding,
}

/// How labelled and watermarked pictures are encoded, where coding loses something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureEncoding {
    /// Quality, 0 to 100 on the scale of the reference encoders of JPEG and WebP, below which nothing is coded; without it
    /// the quality is the source's.
    pub least_quality: Option<u8>,
}

/// How labelled and watermarked video is encoded. What is absent follows the source: an encoder of its codec, near its quality.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VideoEncoding {
    /// An encoder of ffmpeg's by name, for instance one in hardware. It has to write the codec of the source.
    pub encoder: Option<String>,
    /// Constant quality on the scale of the encoder (CRF and its like): lower is better.
    pub quality: Option<u8>,
    /// Bits a second, in place of a quality.
    pub bit_rate: Option<u64>,
    /// Encode pictures with Dolby Vision or HDR10+ again without their dynamic data, which is refused otherwise.
    pub drop_dynamic_hdr: bool,
}

/// What renderers and observers may use.
#[derive(Clone, Copy, Debug)]
pub struct RenderCx<'a> {
    /// Bounds.
    pub limits: &'a Limits,
    /// Allowed programs.
    pub tools: &'a Tools,
}
