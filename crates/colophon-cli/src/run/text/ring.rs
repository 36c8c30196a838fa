//! The key file, and from it to schemes.
//!
//! One master key stands in the file; every key is derived from it under a label. A key that an engine brought carries
//! its own parameters instead.

use std::path::Path;

use colophon::{Error, ErrorKind};
use colophon_tokenmark::Scheme;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::failure;
use crate::advice::Failure;
use crate::args::RingArgs;

/// Schema of the key file.
pub(super) const SCHEMA: &str = "colophon.text-keys/1";
/// Largest key file, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// A key file.
#[derive(Serialize, Deserialize)]
pub(super) struct Ring {
    pub(super) schema: String,
    /// 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) master: Option<String>,
    pub(super) keys: Vec<Entry>,
}

/// One key.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) scheme: String,
    /// What the key is derived under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    /// Parameters; with the key itself where there is no label.
    #[serde(default)]
    pub(super) config: Map<String, Value>,
}

/// A scheme with the name people know its key by.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) scheme: Scheme,
}

impl Ring {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let ring: Self = serde_json::from_slice(&read_small(path)?)
            .map_err(|e| Failure::usage(format!("not a key file: {e}")).on(path))?;
        if ring.schema != SCHEMA {
            return Err(Failure::usage(format!("not a key file: its schema is not {SCHEMA}")).on(path));
        }
        Ok(ring)
    }

    /// Parameters of a key with what it is derived from.
    pub(super) fn config(&self, entry: &Entry) -> Value {
        let mut config = entry.config.clone();
        if let (Some(master), Some(label)) = (&self.master, &entry.label) {
            config.insert("master".to_owned(), master.clone().into());
            config.insert("label".to_owned(), label.clone().into());
        }
        Value::Object(config)
    }
}

/// The schemes of a command line; published keys are refused.
pub(super) fn schemes(args: &RingArgs) -> Result<Vec<Named>, Failure> {
    let all = read_schemes(args)?;
    if let Some(named) = all.iter().find(|n| !args.allow_published_key && n.scheme.key_is_published()) {
        return Err(failure(colophon_tokenmark::Error::PublishedKey { scheme: named.scheme.id() })
            .hint("everybody could have marked the text; --allow-published-key tests all the same"));
    }
    Ok(all)
}

/// The schemes of a command line, published keys among them.
pub(super) fn read_schemes(args: &RingArgs) -> Result<Vec<Named>, Failure> {
    if let (Some(name), Some(path)) = (&args.scheme, &args.config) {
        let config: Value = serde_json::from_slice(&read_small(path)?)
            .map_err(|e| Failure::usage(format!("not JSON: {e}")).on(path))?;
        let scheme = Scheme::from_json(name, &config).map_err(|e| failure(e).on(path))?;
        return Ok(vec![Named { name: name.clone(), scheme }]);
    }
    let mut all = Vec::new();
    for path in &args.keys {
        let ring = Ring::read(path)?;
        for entry in &ring.keys {
            let scheme = Scheme::from_json(&entry.scheme, &ring.config(entry)).map_err(|e| {
                let text = format!("key {:?}: {e}", entry.name);
                Failure::from(Error::new(ErrorKind::Usage, text)).on(path)
            })?;
            all.push(Named { name: entry.name.clone(), scheme });
        }
    }
    if all.is_empty() {
        return Err(Failure::usage("the key file holds no keys").hint("make one with `colophon text keygen`"));
    }
    Ok(all)
}

pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, Failure> {
    let input = crate::files::Input { path: path.to_owned(), relative: path.to_owned() };
    input.read(MAX_FILE)
}
