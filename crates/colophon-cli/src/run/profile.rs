//! `colophon profile`.

use colophon::exit::Exit;
use colophon::{Profile, Rule};

use crate::advice::Failure;
use crate::args::ProfileCommand;
use crate::config::Config;
use crate::output::human;
use crate::profiles;

pub(super) fn run(command: &ProfileCommand) -> Result<Exit, Failure> {
    match command {
        ProfileCommand::List => {
            for p in &profiles::known(&Config::load()?)? {
                let since =
                    if p.effective.is_empty() { String::new() } else { format!("  since {}", p.effective) };
                human::plain(&format!("{:<12} {}{since}", p.id, p.name));
            }
        }
        ProfileCommand::Show { id, effective } => match (id, effective) {
            (Some(id), _) => {
                let all = profiles::known(&Config::load()?)?;
                let p = all.iter().find(|p| p.id == *id);
                let p = p.map_or_else(|| colophon::profiles::find(id).map_err(Failure::from), Ok)?;
                // A built-in profile is shown with its comments, one of a file as it is in force.
                let text = colophon::profiles::BUILT_IN
                    .iter()
                    .find(|(known, text)| {
                        known == id && colophon::profiles::from_toml(text).is_ok_and(|b| b == *p)
                    })
                    .map_or_else(|| toml::to_string(p).unwrap_or_default(), |(_, t)| (*t).to_owned());
                human::plain(text.trim_end());
            }
            (None, true) => show_effective()?,
            (None, false) => return Err(Failure::usage("name a profile, or ask for --effective")),
        },
        ProfileCommand::Explain { id } => {
            let all = profiles::known(&Config::load()?)?;
            let hits: Vec<(&Profile, &Rule)> = all
                .iter()
                .flat_map(|p| p.rules.iter().map(move |r| (p, r)))
                .filter(|(p, r)| p.id == *id || r.id == *id)
                .collect();
            if hits.is_empty() {
                return Err(Failure::usage(format!("no rule or profile {id:?}"))
                    .hint("`colophon profile list` shows the profiles, `colophon profile explain cn` the rules of one"));
            }
            for (p, r) in hits {
                explain(p, r);
            }
        }
    }
    Ok(Exit::Ok)
}

fn explain(p: &Profile, r: &Rule) {
    let known = match r.confidence.as_str() {
        "C" => "confirmed by two or more sources",
        "S" => "known from one source",
        _ => "inferred; not the words of a text",
    };
    let media: Vec<String> = r.media.iter().map(|m| format!("{m:?}").to_lowercase()).collect();
    let media = if media.is_empty() { "all".to_owned() } else { media.join(", ") };
    human::plain(&format!(
        "{}\n  {}\n  clause      {}\n  applies     {}\n  media       {media}\n  confidence  {}: {known}\n  source      {}\n",
        r.id,
        r.title,
        r.clause,
        if p.effective_of(r).is_empty() {
            "always; it is no law".to_owned()
        } else {
            format!("from {}", p.effective_of(r))
        },
        r.confidence,
        p.citation_of(r)
    ));
}

fn show_effective() -> Result<(), Failure> {
    let config = Config::load()?;
    let from = config.path.as_ref().map_or("built in".to_owned(), |p| p.display().to_string());
    let env = std::env::var("COLOPHON_PROFILE").ok();
    let (profiles, source) = match (&env, config.profiles.is_empty()) {
        (Some(p), _) => (p.clone(), "COLOPHON_PROFILE".to_owned()),
        (None, false) => (config.profiles.join(","), from.clone()),
        (None, true) => ("any".to_owned(), "built in".to_owned()),
    };
    human::plain(&format!("profiles = {profiles}  # {source}"));
    let key = std::env::var("COLOPHON_KEY").ok().map(|_| ("set".to_owned(), "COLOPHON_KEY".to_owned()));
    let key = key.or_else(|| config.key_uri().map(|k| (colophon::sign::shown_uri(&k), from.clone())));
    if let Some((key, source)) = key {
        human::plain(&format!("key = {key}  # {source}"));
    }
    if let Some(producer) = &config.declaration.producer {
        human::plain(&format!("producer = {producer}  # {from}"));
    }
    Ok(())
}
