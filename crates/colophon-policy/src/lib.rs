//! Rules of the jurisdictions as data: from a declaration to a plan, from findings to verdicts.
//!
//! A [`Profile`] is a TOML file: what to write, which rules to check, with clause, citation and how well the rule is
//! known. Adding one is one file and one line in [`BUILT_IN`]; the vocabulary of checks is [`Check`].
#![forbid(unsafe_code)]

mod judge;
mod planning;
mod profile;

pub use judge::{Examined, judge};
pub use planning::{LabelChoice, Overrides, plan};
pub use profile::{
    BUILT_IN, Check, LabelDuty, Part, Profile, Rule, Words, built_in, find, from_toml, from_user_toml,
};
