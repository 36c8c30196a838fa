//! What a label is asked to be, and what was placed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a label stands on a picture as shown. GB 45438-2025, 5.2 asks for an edge or a corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabelAt {
    /// Upper left corner.
    TopLeft,
    /// Middle of the upper edge.
    Top,
    /// Upper right corner: the example place of the EU Code, and a corner in the sense of GB 45438 clause 5.2.
    #[default]
    TopRight,
    /// Middle of the left edge.
    Left,
    /// Middle of the right edge.
    Right,
    /// Lower left corner.
    BottomLeft,
    /// Middle of the lower edge.
    Bottom,
    /// Lower right corner.
    BottomRight,
    /// On a strip that is added below a still picture: nothing of the picture is covered.
    Below,
}

/// How a label is set off from what is behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabelLook {
    /// White type on a translucent dark plate.
    #[default]
    Plate,
    /// White type with a dark outline.
    Outline,
    /// What the background asks for: bare type where it is calm, a dark or a light plate elsewhere.
    Adaptive,
    /// A capsule in two parts: `AI`, and what was done (EU Code of Practice, Section 2). Needs words that begin with AI.
    Pill,
}

/// Start or end of a text or a sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TextPosition {
    /// Before everything else.
    #[default]
    Start,
    /// After everything else.
    End,
}

/// A label that is seen: on a picture, in the frames of a video, on a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VisibleSpec {
    /// Which corner or edge.
    pub at: LabelAt,
    /// How it is set off from the picture.
    pub look: LabelLook,
    /// Free room between label and edge, as a share of the shortest side; the style's own when absent.
    pub margin: Option<f32>,
    /// Opacity of what carries the type, 0 to 1; the style's own when absent. Styles refuse what would fall below a
    /// contrast of 4.5:1 (WCAG 2.2, 1.4.3).
    pub opacity: Option<f32>,
    /// Ink height to aim at, as a share of the shortest side as shown.
    pub height: f32,
    /// Ink height that must not be fallen short of (GB 45438 clauses 5.2, 5.4: 0.05); 0 where no rule gives one.
    pub min_height: f32,
    /// For video: how long from the first shown frame, in seconds; the whole clip when it is shorter.
    pub duration_s: f64,
    /// For video: the duration that must not be fallen short of (GB 45438 clause 5.4: 2 s).
    pub min_duration_s: f64,
    /// For video: how long the label stands once more up to the end, in seconds; 0 for not at all (GB 45438 clause 5.4
    /// allows it beside the one at the start).
    #[serde(default)]
    pub closing_s: f64,
}

impl Default for VisibleSpec {
    /// A plate in the upper right corner at 5.5 % of the shortest side, without a floor, for 2.5 s from the start of a video.
    fn default() -> Self {
        Self {
            at: LabelAt::default(),
            look: LabelLook::default(),
            margin: None,
            opacity: None,
            height: 0.055,
            min_height: 0.0,
            duration_s: 2.5,
            min_duration_s: 0.0,
            closing_s: 0.0,
        }
    }
}

/// Where in a sound a label is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SoundPosition {
    /// Before everything else.
    #[default]
    Start,
    /// In the middle.
    Middle,
    /// After everything else.
    End,
}

impl SoundPosition {
    /// The end it stands for; none for the middle.
    pub fn end(self) -> Option<TextPosition> {
        match self {
            Self::Start => Some(TextPosition::Start),
            Self::Middle => None,
            Self::End => Some(TextPosition::End),
        }
    }
}

impl From<TextPosition> for SoundPosition {
    fn from(position: TextPosition) -> Self {
        match position {
            TextPosition::Start => Self::Start,
            TextPosition::End => Self::End,
        }
    }
}

/// What is heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "sound", rename_all = "kebab-case")]
pub enum LabelSound {
    /// The rhythm `短长 短短` (GB 45438 clause 5.3).
    #[default]
    Rhythm,
    /// A spoken prompt of the program.
    Spoken {
        /// Its language, BCP 47.
        language: String,
    },
    /// A recording of the caller.
    Clip {
        /// SHA-256 of the file, hexadecimal.
        sha256: String,
        /// The file.
        #[serde(skip)]
        file: Vec<u8>,
    },
}

/// A label that is heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AudibleSpec {
    /// Where in the sound.
    pub position: SoundPosition,
    /// And again every so many seconds of the programme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<f64>,
    /// Laid over the programme, which is lowered meanwhile, in place of inserted.
    #[serde(default)]
    pub overlay: bool,
    /// What is heard.
    #[serde(flatten)]
    pub sound: LabelSound,
}

/// A label that is a line of the text itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrittenSpec {
    /// First or last line.
    pub position: TextPosition,
}

/// The form a label takes; follows from the medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "form", rename_all = "lowercase")]
pub enum LabelForm {
    /// Seen.
    Visible(VisibleSpec),
    /// Heard: a rhythm or speech (GB 45438 clause 5.3).
    Audible(AudibleSpec),
    /// Written.
    Written(WrittenSpec),
}

/// A label to be placed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabelSpec {
    /// What it says; for a rhythm, what the rhythm stands for.
    pub text: String,
    /// Its form.
    #[serde(flatten)]
    pub form: LabelForm,
}

/// A rectangle in pixels of the picture as shown, origin at the upper left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PixelBox {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// The size of the picture or page a label was placed on, as shown. Pages are in points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Canvas {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A stretch of time in seconds from the first shown frame or sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Begin.
    pub start_s: f64,
    /// Length.
    pub duration_s: f64,
}

/// A label as it was placed: enough to draw it again and to find it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabelRecord {
    /// What it says.
    pub text: String,
    /// `visible`, `audible` or `written`.
    pub form: String,
    /// Versioned rendering, for instance `plate.1` or `rhythm.1`, with what departs from its defaults, for instance
    /// `plate.1 dark 85%`: the same style always renders the same.
    pub style: String,
    /// The box of plate and text, for visible labels.
    #[serde(default, rename = "box", skip_serializing_if = "Option::is_none")]
    pub area: Option<PixelBox>,
    /// The picture it was placed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canvas: Option<Canvas>,
    /// Height of the ink of the tallest CJK glyph (of the capitals where there is none), in pixels, measured on the
    /// rendered mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ink_height: Option<f32>,
    /// When it is shown or heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// `start` or `end`, for written and audible labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<TextPosition>,
}
