//! What a label says, how it looks and how it sounds.
//!
//! * [`wording`]: which words a label needs, per language and rule;
//! * [`font`], [`visible`]: the label as a picture: glyphs, plate, place, and finding it again;
//! * [`rhythm`]: the audible label `短长 短短`;
//! * [`written`]: the label as a line of text.
#![forbid(unsafe_code)]

pub mod font;
pub mod mark;
pub mod rhythm;
pub mod visible;
pub mod wording;
pub mod written;
