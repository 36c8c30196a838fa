//! One error type for the workspace: what kind, in which format, at which place, why.

use std::fmt;

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an [`Error`]; it decides the exit code and the advice a program gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Reading or writing failed outside our control.
    Io,
    /// The bytes contradict the format they claim to be, or end too early.
    Malformed,
    /// Valid, or possibly valid, but something we do not handle.
    Unsupported,
    /// A limit of [`crate::Limits`] was reached; the input may be valid.
    Limit,
    /// An existing mark, or an existing output, forbids the operation.
    Conflict,
    /// A key, a certificate or a signer failed.
    Key,
    /// The request would break a rule of the chosen profile.
    Policy,
    /// Reading back what was written gave something else than the plan.
    Check,
    /// The caller's own input (declaration, option, profile) is not usable.
    Usage,
    /// A program outside the process is needed and missing.
    MissingTool,
}

/// What went wrong, with place and cause.
///
/// The text is lower case, without a full stop, and states facts; advice belongs to the program that shows it.
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    format: Option<&'static str>,
    place: Option<String>,
    offset: Option<u64>,
    context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a statement of what happened.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                format: None,
                place: None,
                offset: None,
                context: context.into(),
                source: None,
            }),
        }
    }

    /// The bytes of `format` are broken.
    pub fn malformed(format: &'static str, context: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, context).in_format(format)
    }

    /// `format` has something we do not handle.
    pub fn unsupported(format: &'static str, context: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, context).in_format(format)
    }

    /// A limit was reached.
    pub fn limit(context: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, context)
    }

    /// Names the format.
    #[must_use]
    pub fn in_format(mut self, format: &'static str) -> Self {
        self.inner.format = Some(format);
        self
    }

    /// Names the place inside the container, for instance `IHDR` or `moov/udta`.
    #[must_use]
    pub fn at_place(mut self, place: impl Into<String>) -> Self {
        self.inner.place = Some(place.into());
        self
    }

    /// Names the byte offset in the input.
    #[must_use]
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.inner.offset = Some(offset);
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The format in which it happened, by short id.
    pub fn format(&self) -> Option<&'static str> {
        self.inner.format
    }

    /// The place inside the container.
    pub fn place(&self) -> Option<&str> {
        self.inner.place.as_deref()
    }

    /// The byte offset in the input.
    pub fn offset(&self) -> Option<u64> {
        self.inner.offset
    }

    /// The input itself could not be examined: it is malformed, unsupported, too large, or could not be read.
    pub fn is_unreadable(&self) -> bool {
        matches!(
            self.inner.kind,
            ErrorKind::Io
                | ErrorKind::Malformed
                | ErrorKind::Unsupported
                | ErrorKind::Limit
                | ErrorKind::MissingTool
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(format) = self.inner.format {
            write!(f, "{format}: ")?;
        }
        match (&self.inner.place, self.inner.offset) {
            (Some(place), Some(offset)) => write!(f, "{place} at byte {offset}: ")?,
            (Some(place), None) => write!(f, "{place}: ")?,
            (None, Some(offset)) => write!(f, "at byte {offset}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.inner.context)?;
        if let Some(source) = &self.inner.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|e| e as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, "reading or writing failed").because(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_format_place_offset_and_cause() {
        let e = Error::malformed("png", "length runs past the end of the file").at_place("IHDR").at_offset(8);
        assert_eq!(e.to_string(), "png: IHDR at byte 8: length runs past the end of the file");
        let e = Error::from(std::io::Error::other("disk full"));
        assert_eq!(e.to_string(), "reading or writing failed: disk full");
        assert!(e.is_unreadable());
    }
}
