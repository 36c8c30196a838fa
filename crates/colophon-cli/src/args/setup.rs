//! Arguments of the commands around marking and verifying.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Make a key, a certificate chain and colophon.toml.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Directory to write into.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Provider that offers the service: name or 27-character code.
    #[arg(long, value_name = "NAME")]
    pub(crate) producer: Option<String>,
    /// Organisation named in the certificate; the producer by default.
    #[arg(long, value_name = "NAME")]
    pub(crate) organisation: Option<String>,
    /// Days the signing certificate is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 366, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) days: u16,
    /// Profiles written into the configuration.
    #[arg(short, long, value_name = "PROFILES", value_delimiter = ',', default_value = "cn,eu")]
    pub(crate) profile: Vec<String>,
    /// Replace an existing configuration, key and certificates.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Show the public part of a key and its certificates.
    Show {
        /// Private key as a URI; the configured one by default.
        #[arg(long, value_name = "URI", env = "COLOPHON_KEY", hide_env_values = true)]
        key: Option<String>,
        /// Certificate chain, PEM; the configured one by default.
        #[arg(long, value_name = "FILE", env = "COLOPHON_CERT")]
        cert: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the public key as PEM, for those who check signed results with other tools.
    Public {
        /// Private key as a URI; the configured one by default.
        #[arg(long, value_name = "URI", env = "COLOPHON_KEY", hide_env_values = true)]
        key: Option<String>,
    },
    /// Make a new private key.
    New {
        /// The file to write, mode 0600.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Protect it with the passphrase of COLOPHON_PASSPHRASE or the configuration.
        #[arg(long)]
        protect: bool,
    },
    /// Replace the signing key and its certificate by new ones under the same root; old marks stay valid.
    Rotate {
        /// Private key of the root, as a URI; `colophon-root.key` beside colophon.toml by default.
        #[arg(long, value_name = "URI")]
        root_key: Option<String>,
        /// Certificate of the root; `colophon-root.crt` beside colophon.toml by default.
        #[arg(long, value_name = "FILE")]
        root_cert: Option<PathBuf>,
        /// Days the new certificate is valid.
        #[arg(long, value_name = "DAYS", default_value_t = 366, value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: u16,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List the profiles.
    List,
    /// Show a profile as the file it is.
    Show {
        /// Its id; with --effective the profiles and settings in force here.
        id: Option<String>,
        /// Show the settings in force and where each comes from.
        #[arg(long)]
        effective: bool,
    },
    /// Explain a rule, or every rule of a profile.
    Explain {
        /// Rule or profile id.
        id: String,
    },
}

/// Mark every sample, verify it, and write a page that shows the result.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Directory with samples.
    #[arg(long, value_name = "DIR", default_value = "samples")]
    pub(crate) samples: PathBuf,
    /// Directory for the marked files and the page.
    #[arg(short, long, value_name = "DIR", default_value = "demo-out")]
    pub(crate) out: PathBuf,
    /// Profiles.
    #[arg(short, long, value_name = "PROFILES", value_delimiter = ',', default_value = "cn,eu")]
    pub(crate) profile: Vec<String>,
}
