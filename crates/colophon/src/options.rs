//! What a call may use and how it may depart from the profiles.

use std::path::PathBuf;

use colophon_core::{Error, ErrorKind, Limits, Result, Tools, Trust};
use colophon_policy::{Overrides, Profile};

/// The profiles of one call, in the order they were named.
#[derive(Clone, Debug)]
pub struct Profiles(Vec<Profile>);

impl Profiles {
    /// Built-in profiles by id.
    ///
    /// # Errors
    /// `Usage` for an unknown id, naming the known ones.
    pub fn named(ids: &[&str]) -> Result<Self> {
        ids.iter().map(|id| colophon_policy::find(id).cloned()).collect::<Result<_>>().map(Self)
    }

    /// Profiles of the caller's own.
    pub fn from_profiles(profiles: Vec<Profile>) -> Self {
        Self(profiles)
    }

    /// The profiles.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.iter()
    }

    /// Their ids.
    pub fn ids(&self) -> Vec<String> {
        self.0.iter().map(|p| p.id.clone()).collect()
    }
}

/// What a call may use. Same input, same declaration, same options: same bytes, for formats whose encoders are
/// deterministic.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each switches something of its own, and any may be on")]
pub struct Options {
    /// File name or media type of the input. Content decides; the hint breaks ties between text formats.
    pub hint: Option<String>,
    /// The run's clock, RFC 3339.
    pub now: String,
    /// The run's randomness: content ids, watermark ids.
    pub seed: [u8; 32],
    /// Bounds.
    pub limits: Limits,
    /// Programs that may be started.
    pub tools: Tools,
    /// Departures from the profiles.
    pub overrides: Overrides,
    /// Whom to believe, and when.
    pub trust: Trust,
    /// A manifest that came beside the input.
    pub sidecar: Option<Vec<u8>>,
    /// Secret of a private watermark key schedule for marking; the public schedule when absent.
    pub watermark_key: Option<Vec<u8>>,
    /// Named watermark strength: `gentle`, `default`, `strong`.
    pub watermark_strength: String,
    /// Secrets to try when reading, besides the public schedule.
    pub watermark_keys: Vec<Vec<u8>>,
    /// Decode the content, for labels and watermarks. Without it metadata and manifests are read, and the others are said not
    /// to have been asked for.
    pub content: bool,
    /// Export manifests as crJSON too, for [`crate::crjson`].
    pub crjson: bool,
    /// Skip marks that cannot be placed instead of failing.
    pub best_effort: bool,
    /// Marking from file to file: state the SHA-256 of the whole file before and after in record and report. Each takes a
    /// pass over the file of its own.
    pub digests: bool,
    /// Marking from file to file: the folder for intermediate content, as large as the file; the system's when absent.
    pub scratch: Option<PathBuf>,
}

impl Options {
    /// Options with a given clock (RFC 3339) and randomness, no programs, default limits.
    pub fn new(now: impl Into<String>, seed: [u8; 32]) -> Self {
        Self {
            hint: None,
            now: now.into(),
            seed,
            limits: Limits::default(),
            tools: Tools::default(),
            overrides: Overrides::default(),
            trust: Trust::default(),
            sidecar: None,
            watermark_key: None,
            watermark_strength: "default".to_owned(),
            watermark_keys: Vec::new(),
            content: true,
            crjson: false,
            best_effort: false,
            digests: true,
            scratch: None,
        }
    }

    /// Options with the system's clock and randomness.
    ///
    /// # Errors
    /// `Io` when the system gives no randomness.
    pub fn system() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| {
            Error::new(ErrorKind::Io, "the system gives no randomness").because(e.to_string())
        })?;
        let now =
            time::OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let now = now
            .format(&time::format_description::well_known::Rfc3339)
            .map_err(|e| Error::new(ErrorKind::Io, "the system clock is not usable").because(e))?;
        Ok(Self::new(now, seed))
    }

    /// The same for reading what was marked with them: the secret of the own watermark is tried too.
    pub(crate) fn reading_own_marks(&self) -> Self {
        let mut read = self.clone();
        if let Some(key) = &self.watermark_key
            && !read.watermark_keys.contains(key)
        {
            read.watermark_keys.push(key.clone());
        }
        read
    }

    /// Names the input.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.hint = Some(name.into());
        self
    }

    /// Allows programs.
    #[must_use]
    pub fn with_tools(mut self, tools: Tools) -> Self {
        self.tools = tools;
        self
    }

    /// Leaves the manifest out.
    #[must_use]
    pub fn without_manifest(mut self) -> Self {
        self.overrides.no_manifest = true;
        self
    }
}
