//! Profiles by id or by file.

use std::path::Path;

use colophon::profiles::{built_in, find, from_user_toml};
use colophon::{Error, Profile, Profiles};

use crate::advice::Failure;
use crate::config::Config;

/// Longest profile file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The profiles of this run: built in, with those of `profile_files` added or in their place.
pub(crate) fn known(config: &Config) -> Result<Vec<Profile>, Failure> {
    let mut all = built_in().to_vec();
    for path in &config.profile_files {
        add(&mut all, &config.resolve(path))?;
    }
    Ok(all)
}

/// The profiles named, configured, or `any`. A name with a path separator or ending in `.toml` is a file.
pub(crate) fn named(names: &[String], config: &Config) -> Result<Profiles, Failure> {
    let default = ["any".to_owned()];
    let (names, from_config) = match (names, config.profiles.as_slice()) {
        ([], []) => (&default[..], false),
        ([], configured) => (configured, true),
        (given, _) => (given, false),
    };
    let is_file = |name: &String| {
        name.contains(std::path::is_separator) || Path::new(name).extension().is_some_and(|e| e == "toml")
    };
    if config.profile_files.is_empty() && !names.iter().any(is_file) {
        // None is parsed that is not asked for.
        let found: Result<Vec<Profile>, Error> = names.iter().map(|n| find(n).cloned()).collect();
        return Ok(Profiles::from_profiles(found?));
    }
    let mut all = known(config)?;
    let mut chosen = Vec::new();
    for name in names {
        let id = if is_file(name) {
            let path = Path::new(name);
            add(&mut all, &if from_config { config.resolve(path) } else { path.to_owned() })?
        } else {
            name.clone()
        };
        let profile = all.iter().find(|p| p.id == id).ok_or_else(|| {
            let ids: Vec<&str> = all.iter().map(|p| p.id.as_str()).collect();
            Failure::usage(format!("no profile {id:?}; known are {}", ids.join(", ")))
        })?;
        chosen.push(profile.clone());
    }
    Ok(Profiles::from_profiles(chosen))
}

/// Reads a file and puts its profile in place of one of the same id, or at the end. Returns the id.
fn add(all: &mut Vec<Profile>, path: &Path) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::from(e).on(path);
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(Failure::usage("the profile is longer than 1 MiB").on(path));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let profile = from_user_toml(&text, all).map_err(|e| Failure::from(e).on(path))?;
    let id = profile.id.clone();
    match all.iter_mut().find(|p| p.id == id) {
        Some(p) => *p = profile,
        None => all.push(profile),
    }
    Ok(id)
}
