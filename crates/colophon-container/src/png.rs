//! PNG: chunks.
