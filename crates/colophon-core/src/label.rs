//! What a label is asked to be, and what was placed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A corner of a picture as shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Corner {
    /// Upper left.
    TopLeft,
    /// Upper right: the example place of the EU Code, and a corner in the sense of GB 45438 clause 5.2.
    #[default]
    TopRight,
    /// Lower left.
    BottomLeft,
    /// Lower right.
    BottomRight,
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
    /// Which corner.
    pub corner: Corner,
    /// Ink height to aim at, as a share of the shortest side as shown.
    pub height: f32,
    /// Ink height that must not be fallen short of (GB 45438 clauses 5.2, 5.4: 0.05); 0 where no rule gives one.
    pub min_height: f32,
    /// For video: how long from the first shown frame, in seconds; the whole clip when it is shorter.
    pub duration_s: f64,
    /// For video: the duration that must not be fallen short of (GB 45438 clause 5.4: 2 s).
    pub min_duration_s: f64,
}

/// A label that is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AudibleSpec {
    /// Where in the sound.
    pub position: TextPosition,
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
    /// Heard: the rhythm `短长 短短` (GB 45438 clause 5.3).
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
    /// Versioned rendering, for instance `plate.1` or `rhythm.1`: the same style always renders the same.
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
