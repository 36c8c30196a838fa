//! All formats and marks a program knows.

use crate::{Format, Mark, Media, Result, Source};

/// First bytes of a file that formats are asked about.
const HEAD: u64 = 4096;

/// The formats and marks a program knows, in the order they were registered.
#[derive(Clone, Default)]
pub struct Registry {
    formats: Vec<&'static dyn Format>,
    marks: Vec<&'static dyn Mark>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("formats", &self.formats.iter().map(|f| f.info().id).collect::<Vec<_>>())
            .field("marks", &self.marks.iter().map(|m| m.info().id).collect::<Vec<_>>())
            .finish()
    }
}

impl Registry {
    /// Knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds formats.
    #[must_use]
    pub fn with_formats(mut self, formats: &[&'static dyn Format]) -> Self {
        self.formats.extend_from_slice(formats);
        self
    }

    /// Adds marks.
    #[must_use]
    pub fn with_marks(mut self, marks: &[&'static dyn Mark]) -> Self {
        self.marks.extend_from_slice(marks);
        self
    }

    /// Every format.
    pub fn formats(&self) -> &[&'static dyn Format] {
        &self.formats
    }

    /// Every mark.
    pub fn marks(&self) -> &[&'static dyn Mark] {
        &self.marks
    }

    /// A format by its id.
    pub fn format(&self, id: &str) -> Option<&'static dyn Format> {
        self.formats.iter().copied().find(|f| f.info().id == id)
    }

    /// The format of a file from its first bytes (4 KiB are enough). Content decides; a hint, which is a file
    /// name, an extension or a media type, only breaks ties between scores of at most 30: text has no magic.
    pub fn probe(&self, head: &[u8], hint: Option<&str>) -> Option<&'static dyn Format> {
        self.best(hint, |format| format.score(head))
    }

    /// [`Registry::probe`] with the whole file at hand: formats may look behind a tag that fills the first bytes.
    ///
    /// # Errors
    /// Reading errors.
    pub fn probe_source(
        &self,
        source: &dyn Source,
        hint: Option<&str>,
    ) -> Result<Option<&'static dyn Format>> {
        let head = source.bytes_up_to(0, HEAD)?;
        Ok(self.best(hint, |format| format.score_in(&head, source)))
    }

    fn best(&self, hint: Option<&str>, score: impl Fn(&dyn Format) -> u8) -> Option<&'static dyn Format> {
        let mut best: Option<(u8, &'static dyn Format)> = None;
        for format in &self.formats {
            let mut score = score(*format);
            if (1..=30).contains(&score) && hint.is_some_and(|h| hinted(*format, h)) {
                score += 30;
            }
            if score > best.map_or(0, |(s, _)| s) {
                best = Some((score, *format));
            }
        }
        best.map(|(_, f)| f)
    }

    /// Whether a file name looks like one of a known format, for walks over directories.
    pub fn knows_extension(&self, name: &str) -> Option<Media> {
        self.formats.iter().find(|f| hinted(**f, name)).map(|f| f.info().media)
    }
}

fn hinted(format: &dyn Format, hint: &str) -> bool {
    let info = format.info();
    let hint = hint.to_ascii_lowercase();
    let extension = hint.rsplit('.').next().unwrap_or(&hint);
    info.mime.contains(&hint.as_str()) || info.extensions.contains(&extension)
}
