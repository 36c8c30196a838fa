//! FLAC: metadata blocks.
