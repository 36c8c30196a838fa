//! Which words a label needs.
