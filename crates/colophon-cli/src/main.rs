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
    keep_freed_memory();
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

/// Makes glibc reuse large buffers instead of giving each back to the system: pictures and coded files of 10 to 30 MB follow each
/// other, and new pages cost a tenth of the time. Freeing a block raises the size up to which blocks come from the heap to that of
/// the block, at most to 32 MB (`mallopt(3)`, `M_MMAP_THRESHOLD`); the block itself is never touched. Other allocators do not mind.
fn keep_freed_memory() {
    const JUST_BELOW: usize = (32 << 20) - (64 << 10);
    drop(std::hint::black_box(Vec::<u8>::with_capacity(JUST_BELOW)));
}
