//! Arguments of `mark`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::files::Named;

/// Add label, metadata, watermark and signature.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one switch per flag of the command line")]
pub(crate) struct MarkArgs {
    /// Files, directories (with -r), or `-` for standard input.
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Read more input paths from a file, one a line; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from: Option<PathBuf>,
    /// The same with a zero byte after each path, as `git ls-files -z` writes them.
    #[arg(long, value_name = "FILE", conflicts_with = "files_from")]
    pub(crate) files_from0: Option<PathBuf>,
    /// Walk into directories.
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Write to this file; `-` for standard output.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["out_dir", "in_place"])]
    pub(crate) output: Option<PathBuf>,
    /// Write into this directory, keeping the tree.
    #[arg(long, value_name = "DIR", conflicts_with = "in_place")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Replace the inputs.
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Overwrite existing outputs.
    #[arg(long)]
    pub(crate) force: bool,
    /// Name of standard input; a hint for text formats.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Profiles, comma separated; their strictest union is written.
    #[arg(short, long, value_name = "PROFILES", value_delimiter = ',', env = "COLOPHON_PROFILE")]
    pub(crate) profile: Vec<String>,
    #[command(flatten)]
    pub(crate) declaration: DeclarationArgs,
    #[command(flatten)]
    pub(crate) label: LabelArgs,
    #[command(flatten)]
    pub(crate) article9: Article9Args,
    #[command(flatten)]
    pub(crate) sound: SoundArgs,
    #[command(flatten)]
    pub(crate) video: VideoArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Leave the watermark out.
    #[arg(long, help_heading = "Marks")]
    pub(crate) no_watermark: bool,
    /// Watermark strength.
    #[arg(long, value_name = "LEVEL", default_value = "default", help_heading = "Marks")]
    pub(crate) strength: Strength,
    /// Secret of a private watermark key schedule, as a key URI.
    #[arg(long, value_name = "URI", help_heading = "Marks")]
    pub(crate) watermark_key: Option<String>,
    /// Leave the signed manifest out.
    #[arg(long, help_heading = "Marks")]
    pub(crate) no_manifest: bool,
    /// What to do with marks that are on the input already.
    #[arg(long, value_name = "WHAT", default_value = "keep", help_heading = "Marks")]
    pub(crate) on_existing: OnExisting,
    /// Do what breaks a profile all the same, and record it.
    #[arg(long, help_heading = "Marks")]
    pub(crate) allow_noncompliant: bool,
    /// Skip marks that cannot be placed instead of failing; exits 3 when one was skipped.
    #[arg(long, help_heading = "Marks")]
    pub(crate) best_effort: bool,
    /// Jobs at a time.
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    pub(crate) jobs: usize,
    /// Show the plan and write nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// One JSON object per input on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// No lines for successes, no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Raise or lower a limit.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
}

impl MarkArgs {
    /// Where inputs are named.
    pub(crate) fn named(&self) -> Named<'_> {
        Named { paths: &self.inputs, lines: self.files_from.as_deref(), zeros: self.files_from0.as_deref() }
    }
}

/// What is stated about the content. Flags win over the file, the file over colophon.toml.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Declaration")]
pub(crate) struct DeclarationArgs {
    /// Declaration as TOML or JSON.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) declaration: Option<PathBuf>,
    /// How the content came to be.
    #[arg(long, value_name = "WHAT")]
    pub(crate) origin: Option<OriginArg>,
    /// System that produced it: `name` or `name version`.
    #[arg(long, value_name = "NAME")]
    pub(crate) generator: Option<String>,
    /// Model behind it.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Provider that offers the service: name or 27-character code.
    #[arg(long, value_name = "NAME")]
    pub(crate) producer: Option<String>,
    /// The provider's unique number for this content; a fresh UUID by default.
    #[arg(long, value_name = "ID")]
    pub(crate) content_id: Option<String>,
    /// Time of creation, RFC 3339; now by default.
    #[arg(long, value_name = "TIME")]
    pub(crate) produced_at: Option<String>,
    /// Language of the content, BCP 47.
    #[arg(long, value_name = "TAG")]
    pub(crate) language: Option<String>,
    /// Title of the content, for the manifest.
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
}

/// The label, where the profiles leave a choice.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Label")]
pub(crate) struct LabelArgs {
    /// `auto`, `none`, or the words.
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    pub(crate) label: String,
    /// Corner or edge of the label; `below` adds a strip to a picture.
    #[arg(long, value_name = "PLACE")]
    pub(crate) label_at: Option<PlaceArg>,
    /// How the label is set off from the picture.
    #[arg(long, value_name = "STYLE")]
    pub(crate) label_style: Option<StyleArg>,
    /// Free room between label and edge, in percent of the shortest side.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) label_margin: Option<f32>,
    /// Opacity of what carries the type, in percent; refused where the contrast would fall below 4.5:1.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) label_opacity: Option<f32>,
    /// Ink height in percent of the shortest side; never below a profile's floor.
    #[arg(long, value_name = "PERCENT")]
    pub(crate) label_height: Option<f32>,
    /// Seconds the label is shown on video, or `all` for as long as it runs.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) label_duration: Option<f64>,
    /// Seconds for which the label stands once more at the end of a video.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) label_closing: Option<f64>,
}

/// How video is encoded anew, where label or watermark ask for it; the default follows the source.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Video")]
pub(crate) struct VideoArgs {
    /// An encoder of ffmpeg's for the codec of the source, for instance `h264_nvenc`.
    #[arg(long = "video-encoder", value_name = "NAME")]
    pub(crate) encoder: Option<String>,
    /// Constant quality on the scale of the encoder (CRF): lower is better.
    #[arg(long = "video-quality", value_name = "N", visible_alias = "crf", conflicts_with = "bitrate")]
    pub(crate) quality: Option<u8>,
    /// Bits a second, with `k` or `M` for thousands or millions.
    #[arg(long = "video-bitrate", value_name = "RATE", value_parser = bits)]
    pub(crate) bitrate: Option<u64>,
    /// Encode Dolby Vision and HDR10+ again without their dynamic data, which is refused otherwise.
    #[arg(long)]
    pub(crate) drop_dynamic_hdr: bool,
}

/// Delivery without a label, which China allows under an agreement; metadata, manifest and watermark stay.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Unlabelled delivery (Labeling Measures Art. 9)")]
pub(crate) struct Article9Args {
    /// Leave the label out at the recipient's request.
    #[arg(long, requires = "agreement")]
    pub(crate) no_explicit: bool,
    /// Reference of the agreement that fixes the recipient's duties.
    #[arg(long, value_name = "REF")]
    pub(crate) agreement: Option<String>,
    /// Who asked for it; logged as a keyed hash.
    #[arg(long, value_name = "REF", requires = "recipient_key")]
    pub(crate) recipient: Option<String>,
    /// Secret of the recipient's hash, as a key URI.
    #[arg(long, value_name = "URI")]
    pub(crate) recipient_key: Option<String>,
    /// The log every such delivery is written to before it is handed out.
    #[arg(long, value_name = "FILE")]
    pub(crate) delivery_log: Option<PathBuf>,
    /// Days the log record is to be kept; at least six months.
    #[arg(long, value_name = "DAYS", default_value_t = crate::delivery::MIN_DAYS,
        value_parser = clap::value_parser!(u32).range(i64::from(crate::delivery::MIN_DAYS)..=36_500))]
    pub(crate) retain_days: u32,
}

/// The label of sound; the rhythm at the start when nothing is said.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Label of sound")]
pub(crate) struct SoundArgs {
    /// Speak the label, in English, German, French, Spanish or Italian; without a tag in the content's language.
    #[arg(long, value_name = "TAG", num_args = 0..=1, default_missing_value = "auto")]
    pub(crate) voice: Option<String>,
    /// Play this recording as the label.
    #[arg(long, value_name = "FILE", conflicts_with = "voice")]
    pub(crate) voice_clip: Option<PathBuf>,
    /// Where the label is heard.
    #[arg(long, value_name = "PLACE")]
    pub(crate) heard_at: Option<HeardAtArg>,
    /// Repeat the label every so many minutes.
    #[arg(long, value_name = "MINUTES")]
    pub(crate) heard_every: Option<f64>,
    /// Lay the label over the sound, lowered meanwhile, in place of inserting it.
    #[arg(long)]
    pub(crate) overlay: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum HeardAtArg {
    Start,
    Middle,
    End,
}

/// The signing key.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Signing")]
pub(crate) struct KeyArgs {
    /// Private key as a URI: `file:PATH`, `env:NAME`, `cmd:PROGRAM ARGS`, or `pkcs11:` for a key on a token (RFC 7512).
    #[arg(long, value_name = "URI", env = "COLOPHON_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// Certificate chain, PEM, leaf first.
    #[arg(long, value_name = "FILE", env = "COLOPHON_CERT")]
    pub(crate) cert: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OriginArg {
    /// Made by a model.
    Generated,
    /// Existing content changed with a model.
    Edited,
    /// A composite with a synthetic element.
    Composite,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PlaceArg {
    TopLeft,
    Top,
    TopRight,
    Left,
    Right,
    BottomLeft,
    Bottom,
    BottomRight,
    /// On a strip added below the picture.
    Below,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StyleArg {
    /// White type on a translucent dark plate.
    Plate,
    /// White type with a dark outline.
    Outline,
    /// What the background asks for.
    Adaptive,
    /// A capsule in two parts: AI, and what was done.
    Pill,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnExisting {
    /// Keep them; an incoming manifest becomes the parent.
    Keep,
    /// Stop with exit code 5.
    Refuse,
    /// Replace marks of one's own; others are kept.
    Replace,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Strength {
    /// Least disturbance.
    Gentle,
    /// The balance.
    Default,
    /// Most robustness.
    Strong,
}

impl Strength {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gentle => "gentle",
            Self::Default => "default",
            Self::Strong => "strong",
        }
    }
}

/// Seconds; `all` is longer than any clip.
fn bits(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K', 'M']) {
        Some(digits) if text.ends_with('M') => (digits, 1_000_000),
        Some(digits) => (digits, 1_000),
        None => (text, 1),
    };
    let rate = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).filter(|r| *r >= 1000);
    rate.ok_or_else(|| "a number of bits a second, at least 1000: 2500000, 2500k or 2M".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    if text == "all" {
        return Ok(f64::from(u32::MAX));
    }
    let number = text.parse::<f64>().ok().filter(|s| *s > 0.0 && s.is_finite());
    number.ok_or_else(|| "a number of seconds above 0, or `all`".to_owned())
}
