//! RIFF: chunks.
