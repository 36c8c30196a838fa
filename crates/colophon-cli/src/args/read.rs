//! Arguments of the reading commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::files::Named;

/// What is read, and how the result is shown.
#[derive(Args, Debug)]
pub(crate) struct InputArgs {
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
    /// Name of standard input; a hint for text formats.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A manifest kept beside the file; FILE.c2pa is looked for by default.
    #[arg(long, value_name = "FILE")]
    pub(crate) sidecar: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: super::TrustArgs,
    /// Secret of a private watermark key schedule to try, as a key URI.
    #[arg(long, value_name = "URI")]
    pub(crate) watermark_key: Vec<String>,
    /// Read metadata and manifests only: nothing is decoded, labels and watermarks are not checked.
    #[arg(long)]
    pub(crate) metadata_only: bool,
    /// How the result is shown.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: OutputFormat,
    /// Short for `--format json`.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Show places, notes and passed rules too.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Jobs at a time.
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    pub(crate) jobs: usize,
    /// Raise or lower a limit.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
}

impl InputArgs {
    /// Where inputs are named.
    pub(crate) fn named(&self) -> Named<'_> {
        Named { paths: &self.inputs, lines: self.files_from.as_deref(), zeros: self.files_from0.as_deref() }
    }

    /// The format asked for.
    pub(crate) fn output(&self) -> OutputFormat {
        if self.json { OutputFormat::Json } else { self.format }
    }
}

/// Judge files against profiles.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Profiles, comma separated; each is judged apart.
    #[arg(short, long, value_name = "PROFILES", value_delimiter = ',', env = "COLOPHON_PROFILE")]
    pub(crate) profile: Vec<String>,
    /// How a rule that could not be looked at counts.
    #[arg(long, value_name = "AS", default_value = "fail")]
    pub(crate) undetermined: Undetermined,
    /// Exit 0 whatever the verdicts; errors still count.
    #[arg(long)]
    pub(crate) exit_zero: bool,
    /// Write the result as a document that stands by itself, with a detached Ed25519 signature in FILE.sig.
    #[arg(long, value_name = "FILE", help_heading = "Signed result", conflicts_with = "result")]
    pub(crate) report: Option<PathBuf>,
    /// Check such a document, and the inputs against it, instead of examining anything.
    #[arg(long, value_name = "FILE", help_heading = "Signed result")]
    pub(crate) result: Option<PathBuf>,
    /// The document's signature; FILE.sig by default.
    #[arg(long, value_name = "FILE", help_heading = "Signed result", requires = "result")]
    pub(crate) signature: Option<PathBuf>,
    /// Private key that signs the document, as a URI; the configured one by default.
    #[arg(
        long,
        value_name = "URI",
        help_heading = "Signed result",
        env = "COLOPHON_KEY",
        hide_env_values = true
    )]
    pub(crate) key: Option<String>,
    /// Its certificate chain, PEM; the configured one by default.
    #[arg(long, value_name = "FILE", help_heading = "Signed result", env = "COLOPHON_CERT")]
    pub(crate) cert: Option<PathBuf>,
    /// Overwrite an existing document.
    #[arg(long, help_heading = "Signed result")]
    pub(crate) force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Human,
    /// One JSON object; an array for several inputs.
    Json,
    /// One typed JSON object a line: begin, report, error, summary.
    Jsonl,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// One line for each rule and input.
    Csv,
    /// JUnit XML, for test reports.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
    /// The manifests in C2PA's crJSON; an array for several inputs.
    Crjson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Undetermined {
    /// As a failure.
    Fail,
    /// As a pass.
    Pass,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WatermarkCommand {
    /// Embed a payload.
    Embed {
        /// The file.
        input: PathBuf,
        /// The result.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// 16 hex digits.
        #[arg(long, value_name = "HEX")]
        payload: String,
        /// Secret of a private key schedule, as a key URI; the public schedule when absent.
        #[arg(long, value_name = "URI")]
        key: Option<String>,
        /// Strength.
        #[arg(long, value_name = "LEVEL", default_value = "default")]
        strength: super::mark::Strength,
        /// Overwrite an existing output.
        #[arg(long)]
        force: bool,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Look for a payload; exits 0 found, 1 not found, 3 unreadable.
    Detect {
        /// The file.
        input: PathBuf,
        /// Secret of a private key schedule, as a key URI; the public schedule when absent.
        #[arg(long, value_name = "URI")]
        key: Option<String>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}
