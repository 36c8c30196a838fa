//! Arguments of `trust`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Believe what a file holds: a certificate, a bundle such as the official C2PA list, a revocation list, a key.
    Add {
        /// The file, or 64 hex digits with `--kind key`.
        what: String,
        /// What it is.
        #[arg(long, value_enum, default_value = "signer")]
        kind: TrustKind,
        /// Name in the store; the file's name by default.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Replace an entry of that name.
        #[arg(long)]
        force: bool,
    },
    /// List what is believed.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Believe an entry no longer.
    Remove {
        /// Its name.
        name: String,
        /// Its kind, where several have the name.
        #[arg(long, value_enum)]
        kind: Option<TrustKind>,
    },
}

/// What is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrustKind {
    /// Anchors of signers.
    Signer,
    /// Anchors of time stamp authorities.
    TimeStamp,
    /// A signing certificate by itself.
    Pinned,
    /// A revocation list signed by an issuer.
    Revocation,
    /// A public key, or its SHA-256.
    Key,
}

impl TrustKind {
    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::TimeStamp => "time-stamp",
            Self::Pinned => "pinned",
            Self::Revocation => "revocation",
            Self::Key => "key",
        }
    }
}

/// Whom to believe, and when; adds to the trust store and the configuration.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Trust")]
pub(crate) struct TrustArgs {
    /// Believe signers under these certificates, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Vec<PathBuf>,
    /// Believe time stamps under these certificates, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_time_stamps: Vec<PathBuf>,
    /// Believe these signing certificates by themselves, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) pin: Vec<PathBuf>,
    /// Believe this public key: 64 hex digits of the key or of its SHA-256.
    #[arg(long, value_name = "HEX")]
    pub(crate) pubkey: Vec<String>,
    /// A revocation list signed by an issuer, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) revocation: Vec<PathBuf>,
    /// Judge certificates as of this time, RFC 3339; now by default.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Leave the trust store and the configuration out: only what the command line names is believed.
    #[arg(long)]
    pub(crate) no_trust_store: bool,
}
