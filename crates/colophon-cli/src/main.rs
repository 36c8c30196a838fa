//! The `colophon` command: arguments in, library calls, text out. Nothing else in the workspace prints or exits.
#![forbid(unsafe_code)]

mod advice;
mod args;
mod config;
mod delivery;
mod files;
mod output;
mod profiles;
mod run;
mod signer;
mod truststore;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = match args::Cli::try_parse() {
        Ok(args) => args,
        Err(e) => {
            // Help and version go to standard output with code 0, usage errors to standard error with code 2.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { colophon::exit::Exit::Usage.code() } else { 0 });
        }
    };
    args.color.write_global();
    let exit = run::run(args.command).unwrap_or_else(|e| {
        output::human::error(&e);
        e.exit
    });
    ExitCode::from(exit.code())
}
