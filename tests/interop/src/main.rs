//! `interop FILE MIME [STORE]`: what the plain `c2pa` library says about a file. `STORE` is a manifest store that another
//! program took out of the file, for carriers this version of the library does not look into.
//!
//! Prints `Valid` or `Trusted` and exits 0; prints the failing status codes and exits 1 otherwise.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::fs::File;
use std::process::ExitCode;

use c2pa::{Context, Reader, ValidationState};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match examine(&args) {
        Ok(reader) => {
            let state = reader.validation_state();
            println!("{state:?}");
            let codes =
                reader.validation_results().and_then(|r| r.active_manifest()).map(|m| m.failure().clone());
            for status in codes.unwrap_or_default() {
                println!("{}", status.code());
            }
            if matches!(state, ValidationState::Valid | ValidationState::Trusted) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(e) => {
            println!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn examine(args: &[String]) -> Result<Reader, Box<dyn std::error::Error>> {
    let settings = r#"{"verify":{"ocsp_fetch":false,"remote_manifest_fetch":false}}"#;
    let reader = Reader::from_context(Context::new().with_settings(settings)?);
    match args {
        [file, mime] => Ok(reader.with_stream(mime, File::open(file)?)?),
        [file, mime, store] => {
            Ok(reader.with_manifest_data_and_stream(&std::fs::read(store)?, mime, File::open(file)?)?)
        }
        _ => Err("usage: interop FILE MIME [STORE]".into()),
    }
}
