//! `colophon.toml`: found upwards from the working directory, then in the user's configuration directory.

use std::path::{Path, PathBuf};

use colophon::{Declaration, Error, ErrorKind, Generator, LabelAt, LabelLook, Model, Origin};
use serde::Deserialize;

use crate::advice::Failure;
use crate::args::DeclarationArgs;

/// File name of the configuration.
pub(crate) const FILE_NAME: &str = "colophon.toml";

/// What a configuration file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Profiles used when none is named.
    pub(crate) profiles: Vec<String>,
    /// Files with profiles of one's own, relative to the configuration file; they add to the built-in ones or replace
    /// one of the same id.
    pub(crate) profile_files: Vec<PathBuf>,
    /// The propagation platform that `propagate` writes.
    pub(crate) platform: Option<String>,
    /// Log of deliveries without a label, relative to the configuration file.
    pub(crate) delivery_log: Option<PathBuf>,
    /// Key URI; a relative `file:` path counts from the configuration file.
    pub(crate) key: Option<String>,
    /// Where the passphrase of a protected key comes from, as a URI: `env:NAME`, `file:PATH` or `cmd:PROGRAM`.
    pub(crate) passphrase: Option<String>,
    /// Certificate chain, relative to the configuration file.
    pub(crate) cert: Option<PathBuf>,
    /// Certificates of signers to believe, relative to the configuration file.
    pub(crate) trust: Vec<PathBuf>,
    /// Defaults of the declaration.
    pub(crate) declaration: Declaration,
    /// Defaults of the label.
    pub(crate) label: LabelConfig,
    /// Where it was found.
    #[serde(skip)]
    pub(crate) path: Option<PathBuf>,
}

/// The `[label]` table: what the `--label-*` flags say, in the same units.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LabelConfig {
    /// Corner or edge.
    pub(crate) at: Option<LabelAt>,
    /// How it is set off.
    pub(crate) style: Option<LabelLook>,
    /// Percent of the shortest side.
    pub(crate) margin: Option<f32>,
    /// Percent.
    pub(crate) opacity: Option<f32>,
    /// Percent of the shortest side.
    pub(crate) height: Option<f32>,
}

impl Config {
    /// The configuration in force; an empty one when there is none.
    pub(crate) fn load() -> Result<Self, Failure> {
        let Some(path) = locate() else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(&path).map_err(|e| Failure::from(e).on(&path))?;
        let mut config: Self = toml::from_str(&text).map_err(|e| {
            Failure::from(Error::new(ErrorKind::Usage, "the configuration is not usable").because(e))
                .on(&path)
        })?;
        config.path = Some(path);
        Ok(config)
    }

    /// A path of the configuration, made relative to where it stands.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        match self.path.as_deref().and_then(Path::parent) {
            Some(dir) if path.is_relative() => dir.join(path),
            _ => path.to_owned(),
        }
    }

    /// The key URI with its path made relative to the configuration.
    pub(crate) fn key_uri(&self) -> Option<String> {
        let uri = self.key.as_deref()?;
        Some(match uri.strip_prefix("file:") {
            Some(path) => format!("file:{}", self.resolve(Path::new(path)).display()),
            None => uri.to_owned(),
        })
    }

    /// The declaration: configuration, then file, then flags.
    pub(crate) fn declaration(&self, args: &DeclarationArgs) -> Result<Declaration, Failure> {
        let mut d = self.declaration.clone();
        if let Some(path) = &args.declaration {
            merge(&mut d, read_declaration(path)?);
        }
        merge(&mut d, from_flags(args));
        if let Some(origin) = args.origin {
            d.origin = origin.into();
        }
        Ok(d)
    }
}

/// The first `colophon.toml` upwards, then the user's.
pub(crate) fn locate() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let user = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".config")))
        .map(|d| d.join("colophon").join(FILE_NAME));
    here.ancestors().map(|d| d.join(FILE_NAME)).chain(user).find(|p| p.is_file())
}

fn read_declaration(path: &Path) -> Result<Declaration, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::from(e).on(path))?;
    let broken = |e: Box<dyn std::error::Error + Send + Sync>| {
        Failure::from(Error::new(ErrorKind::Usage, "the declaration is not usable").because(e)).on(path)
    };
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
        serde_json::from_str(&text).map_err(|e| broken(e.into()))
    } else {
        toml::from_str(&text).map_err(|e| broken(e.into()))
    }
}

fn from_flags(args: &DeclarationArgs) -> Declaration {
    Declaration {
        origin: Origin::default(),
        generator: args.generator.as_deref().map(|g| match g.rsplit_once(' ') {
            // `acme-diffusion 3`: a last word with a digit is a version.
            Some((name, v)) if v.contains(|c: char| c.is_ascii_digit()) => {
                Generator { name: name.to_owned(), version: Some(v.to_owned()) }
            }
            _ => Generator { name: g.to_owned(), version: None },
        }),
        model: args.model.as_deref().map(|m| Model { name: m.to_owned(), ..Model::default() }),
        producer: args.producer.clone(),
        content_id: args.content_id.clone(),
        produced_at: args.produced_at.clone(),
        language: args.language.clone(),
        title: args.title.clone(),
    }
}

fn merge(base: &mut Declaration, over: Declaration) {
    if over.origin != Origin::default() {
        base.origin = over.origin;
    }
    base.generator = over.generator.or(base.generator.take());
    base.model = over.model.or(base.model.take());
    base.producer = over.producer.or(base.producer.take());
    base.content_id = over.content_id.or(base.content_id.take());
    base.produced_at = over.produced_at.or(base.produced_at.take());
    base.language = over.language.or(base.language.take());
    base.title = over.title.or(base.title.take());
}

impl From<crate::args::OriginArg> for Origin {
    fn from(o: crate::args::OriginArg) -> Self {
        use crate::args::OriginArg as A;
        match o {
            A::Generated => Self::Generated,
            A::Edited => Self::Edited,
            A::Composite => Self::Composite,
        }
    }
}
