//! One module per command.

mod batch;
mod demo;
mod formats;
mod init;
mod key;
mod large;
mod mark;
mod profile;
mod propagate;
mod read;
mod result;
mod text;
mod trust;
mod watermark;

use std::path::PathBuf;

use colophon::exit::Exit;
use colophon::{Limits, Options, Tools};

use crate::advice::Failure;
use crate::args::Command;
use crate::output;

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Mark(args) => mark::run(&args),
        Command::Verify(args) => read::verify(&args),
        Command::Inspect(args) => read::inspect(&args),
        Command::Propagate(args) => propagate::run(&args),
        Command::Watermark(command) => watermark::run(&command),
        Command::Text(command) => text::run(&command),
        Command::Init(args) => init::run(&args),
        Command::Key(command) => key::run(&command),
        Command::Trust(command) => trust::run(&command),
        Command::Profile(command) => profile::run(&command),
        Command::Formats { json } => Ok(formats::run(json)),
        Command::Schema { name } => {
            output::json::pretty(&match name {
                crate::args::SchemaName::Report => colophon::schema::report(),
                crate::args::SchemaName::Record => colophon::schema::record(),
                crate::args::SchemaName::Result => colophon::schema::result(),
            });
            Ok(Exit::Ok)
        }
        Command::Demo(args) => demo::run(&args),
    }
}

/// Options with the system's clock, randomness and programs, and the limits of the command line.
fn options(limits: &[String]) -> Result<Options, Failure> {
    let mut options = Options::system()?.with_tools(tools());
    options.limits = parse_limits(limits)?;
    Ok(options)
}

/// Programs found on the search path.
fn tools() -> Tools {
    let find = |name: &str| -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|dir| dir.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
            .find(|p| p.is_file())
    };
    Tools {
        ffmpeg: find("ffmpeg"),
        ffprobe: find("ffprobe"),
        tesseract: find("tesseract"),
        ..Tools::default()
    }
}

/// `NAME=VALUE` over the defaults. The names are those of [`Limits`].
fn parse_limits(limits: &[String]) -> Result<Limits, Failure> {
    if limits.is_empty() {
        return Ok(Limits::default());
    }
    let mut table = toml::Table::try_from(Limits::default())
        .map_err(|e| Failure::usage(format!("limits cannot be listed: {e}")))?;
    for l in limits {
        let known = || table.keys().cloned().collect::<Vec<_>>().join(", ");
        let Some((name, value)) = l.split_once('=') else {
            return Err(Failure::usage(format!("--limit {l}: NAME=VALUE is expected")));
        };
        let value: i64 = value
            .replace('_', "")
            .parse()
            .ok()
            .filter(|v| *v >= 0)
            .ok_or_else(|| Failure::usage(format!("--limit {l}: not a whole number")))?;
        if !table.contains_key(name) {
            return Err(Failure::usage(format!("--limit {l}: the limits are {}", known())));
        }
        table.insert(name.to_owned(), value.into());
    }
    table.try_into().map_err(|e| Failure::usage(format!("--limit: {e}")))
}
