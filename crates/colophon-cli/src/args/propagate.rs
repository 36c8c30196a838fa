//! Arguments of `propagate`.

use std::path::PathBuf;

use clap::Args;

use super::KeyArgs;

/// Add a platform's fields to the metadata label of an upload (China, Labeling Measures Art. 6).
///
/// Says whether the upload is confirmed, possible or suspected AI content and prints the notice to show with it. The
/// producer's fields and the coded media stay as they were. Exits 1 when nothing was found.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one switch per flag of the command line")]
pub(crate) struct PropagateArgs {
    /// The upload.
    #[arg(value_name = "INPUT")]
    pub(crate) input: PathBuf,
    /// The result; without it and without --in-place the upload is only classed.
    #[arg(short, long, value_name = "FILE", conflicts_with = "in_place")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the upload.
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Overwrite an existing output.
    #[arg(long)]
    pub(crate) force: bool,
    /// The platform: name or 27-character code; `platform` of colophon.toml by default.
    #[arg(long, value_name = "NAME", env = "COLOPHON_PLATFORM")]
    pub(crate) platform: Option<String>,
    /// The platform's unique number for this content; a fresh one by default.
    #[arg(long, value_name = "ID")]
    pub(crate) content_id: Option<String>,
    /// The user declared the content to be AI-generated.
    #[arg(long)]
    pub(crate) declared: bool,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Raise or lower a limit.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
}
