//! Errors as the command shows them: what happened, to which file, and what to do about it.

use std::path::{Path, PathBuf};

use colophon::exit::Exit;
use colophon::{Error, ErrorKind};

/// An error that ends a run or the work on one input.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The file concerned.
    pub(crate) file: Option<PathBuf>,
    /// What happened.
    pub(crate) error: Error,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The exit code.
    pub(crate) exit: Exit,
}

impl Failure {
    /// Bad flags, configuration or declaration.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, text).into()
    }

    /// Names the file.
    pub(crate) fn on(mut self, file: &Path) -> Self {
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }

    /// Adds advice.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { hint: hint(&error), exit: Exit::of_error(error.kind()), file: None, error }
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Error::from(e).into()
    }
}

/// Advice by kind and place; libraries state facts, this is the one place that advises.
fn hint(e: &Error) -> Option<String> {
    let text = e.to_string();
    Some(
        match e.kind() {
            ErrorKind::Key if text.contains("no signing key") => {
                "run `colophon init` to make a key and a certificate, name one with --key and --cert, or leave the \
                 manifest out with --no-manifest"
            }
            ErrorKind::MissingTool => "install ffmpeg (Debian: apt-get install ffmpeg), or mark without a label: --label none",
            ErrorKind::Usage if text.contains("AIGC ContentProducer") => {
                "name the provider with --producer or in colophon.toml: its name, or its 27-character code"
            }
            ErrorKind::Policy if text.contains("requires a label") => {
                "--allow-noncompliant does it all the same and records it"
            }
            ErrorKind::Policy if text.contains("lack an AI element") => {
                "use words such as AI生成 or 人工智能合成; --allow-noncompliant does it all the same and records it"
            }
            ErrorKind::Limit => "raise the limit with --limit NAME=VALUE if the input is to be trusted",
            _ => return None,
        }
        .to_owned(),
    )
}
