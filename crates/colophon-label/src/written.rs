//! The label as a line of text.
