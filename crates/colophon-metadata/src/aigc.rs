//! The implicit label of GB 45438-2025, clause 6.1 and Annex E: one JSON object named `AIGC`.

mod mark;
mod object;
mod parse;
mod propagate;
mod protect;

pub use mark::{AIGC, NAMESPACE, PREFIX, PROPERTY};
pub use object::{AigcObject, MAX_FIELD};
pub use parse::{Parsed, parse};
pub use propagate::{Propagator, propagate};
pub use protect::{Role, SCHEME, protect};
