//! The command line.

mod mark;
mod propagate;
mod read;
mod setup;
mod text;
mod trust;

pub(crate) use mark::{
    DeclarationArgs, HeardAtArg, KeyArgs, LabelArgs, MarkArgs, OnExisting, OriginArg, PlaceArg, SoundArgs,
    StyleArg,
};
pub(crate) use propagate::PropagateArgs;
pub(crate) use read::{InputArgs, OutputFormat, Undetermined, VerifyArgs, WatermarkCommand};
pub(crate) use setup::{DemoArgs, InitArgs, KeyCommand, ProfileCommand};
pub(crate) use text::{
    DetectArgs, KeygenArgs, KeyscreenArgs, RingArgs, TextCommand, TextInspectArgs, TextKindArg,
    TextLabelArgs, TextPlaceArg, TokenArgs,
};
pub(crate) use trust::{TrustArgs, TrustCommand, TrustKind};

use clap::{Parser, Subcommand};

/// Marks AI-generated content and verifies the marks.
///
/// A label people see or hear, GB 45438 and IPTC metadata, a signed C2PA manifest and an invisible watermark, in one
/// pass over text, images, sound, video and documents; every result is read back before it is written.
#[derive(Debug, Parser)]
#[command(
    name = "colophon",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    colophon init --producer acme                    key, certificate and colophon.toml for a new user\n  \
    colophon mark cat.png -o marked.png -p cn,eu      label, metadata, watermark, signature\n  \
    colophon verify marked.png -p cn                  rule by rule; the exit code tells\n  \
    colophon mark -r renders/ --out-dir public/ -j 2  a whole directory\n\n\
    Exit codes: 0 ok, 1 finding, 2 usage, 3 partial, 4 no input, 5 conflict, 6 signing, 7 check."
)]
pub(crate) struct Cli {
    /// When to use colours.
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: ColorWhen,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorWhen {
    /// Sets the choice for everything printed from here on.
    pub(crate) fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add label, metadata, watermark and signature.
    Mark(Box<MarkArgs>),
    /// Judge files against profiles; the exit code tells.
    Verify(VerifyArgs),
    /// List every mark found, without judging.
    Inspect(InputArgs),
    /// Add a platform's fields to the metadata label of an upload (China).
    Propagate(Box<PropagateArgs>),
    /// The invisible watermark alone, for experts and benchmarks.
    #[command(subcommand)]
    Watermark(WatermarkCommand),
    /// Labels in streams, watermarks of language models, characters that are not seen.
    #[command(subcommand)]
    Text(TextCommand),
    /// Make a key, a certificate chain and colophon.toml.
    Init(InitArgs),
    /// Show keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Keep the trust store: whom `verify` believes.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Show profiles and their rules.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// List the formats of this build and what can be done with each.
    Formats {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of a machine-readable output.
    Schema {
        /// Which one.
        #[arg(value_enum, default_value = "report")]
        name: SchemaName,
    },
    /// Mark every sample, verify it, and write a page that shows the result.
    Demo(DemoArgs),
}

/// Machine-readable outputs with a schema.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum SchemaName {
    /// `colophon.report/1`.
    Report,
    /// `colophon.record/1`.
    Record,
    /// `colophon.result/1`.
    Result,
}
