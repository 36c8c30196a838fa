//! Where secrets come from: `file:PATH`, `env:NAME`, `cmd:PROGRAM ARGS`.
//!
//! A secret never stands on the command line, where every user of a machine can read it.

use std::io::Read;
use std::process::{Command, Stdio};

use colophon_core::Result;
use zeroize::Zeroizing;

use crate::key_error;

/// Longest secret that is read, in bytes. A PKCS#8 key has some hundred.
const MAX_SECRET: u64 = 64 << 10;

/// Reads a secret.
///
/// `cmd:` is split at white space and started without a shell; what it prints is the secret. One line end at the end of
/// a file's or program's text is not part of the secret.
///
/// # Errors
/// `Key`, naming the place but never the content.
pub fn secret_from_uri(uri: &str) -> Result<Zeroizing<Vec<u8>>> {
    let (scheme, rest) = uri
        .split_once(':')
        .ok_or_else(|| key_error("a key is named as file:PATH, env:NAME or cmd:PROGRAM"))?;
    let secret = match scheme {
        "file" => read_file(rest)?,
        "env" => Zeroizing::new(
            std::env::var(rest)
                .map_err(|_| key_error(format!("the environment variable {rest} is not set")))?
                .into_bytes(),
        ),
        "cmd" => run(rest)?,
        "pkcs11" => {
            return Err(key_error(
                "a key on a token signs, but does not come out: it cannot be used for this",
            ));
        }
        other => return Err(key_error(format!("no key source {other:?}; there are file:, env: and cmd:"))),
    };
    let end =
        secret.strip_suffix(b"\r\n").or_else(|| secret.strip_suffix(b"\n")).map_or(secret.len(), <[u8]>::len);
    let secret = Zeroizing::new(secret.get(..end).unwrap_or_default().to_vec());
    if secret.is_empty() { Err(key_error("the secret is empty").at_place(scheme)) } else { Ok(secret) }
}

/// A key URI as it may be shown or logged: without the PIN that a `pkcs11:` URI may hold.
pub fn shown_uri(uri: &str) -> String {
    crate::pkcs11::without_pin(uri)
}

fn read_file(path: &str) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |e: std::io::Error| key_error("the key file cannot be read").at_place(path).because(e);
    let mut secret = Zeroizing::new(Vec::new());
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_SECRET + 1).read_to_end(&mut secret).map_err(failed)?;
    within_limit(secret, path)
}

fn run(command: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or_else(|| key_error("cmd: names no program"))?;
    let failed = |e: std::io::Error| key_error("the program cannot be started").at_place(program).because(e);
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut secret = Zeroizing::new(Vec::new());
    if let Some(out) = child.stdout.take() {
        out.take(MAX_SECRET + 1).read_to_end(&mut secret).map_err(failed)?;
    }
    // The pipe is closed by now: a program that prints more than the limit ends by its signal.
    let status = child.wait().map_err(failed)?;
    let secret = within_limit(secret, program)?;
    if !status.success() {
        return Err(key_error(format!("the program ended with {status}")).at_place(program));
    }
    Ok(secret)
}

fn within_limit(secret: Zeroizing<Vec<u8>>, place: &str) -> Result<Zeroizing<Vec<u8>>> {
    if secret.len() as u64 > MAX_SECRET {
        return Err(key_error(format!("the secret is longer than {MAX_SECRET} bytes")).at_place(place));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_prints_the_secret_without_its_line_end() {
        assert_eq!(secret_from_uri("cmd:printf %s abc").unwrap().as_slice(), b"abc");
        assert_eq!(secret_from_uri("cmd:echo abc").unwrap().as_slice(), b"abc");
    }

    #[test]
    fn every_failure_names_its_place() {
        for (uri, part) in [
            ("abc", "file:PATH"),
            ("https://x", "no key source"),
            ("file:/nonexistent/key", "/nonexistent/key"),
            ("env:COLOPHON_TEST_NOT_SET", "COLOPHON_TEST_NOT_SET"),
            ("cmd:", "no program"),
            ("cmd:false", "false"),
            ("cmd:true", "empty"),
            ("cmd:head -c 70000 /dev/zero", "longer"),
        ] {
            let e = secret_from_uri(uri).unwrap_err().to_string();
            assert!(e.contains(part), "{uri}: {e}");
        }
    }
}
