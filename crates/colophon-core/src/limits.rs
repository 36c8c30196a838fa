//! Bounds on what an input may cost.

use serde::{Deserialize, Serialize};

/// What one input may cost. Every default is finite; a limit that is reached is [`crate::ErrorKind::Limit`], which
/// says nothing about the validity of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Input length in bytes when it is held in memory.
    pub input_bytes: u64,
    /// Pixels of one decoded picture or frame (width × height).
    pub pixels: u64,
    /// Bytes a decoder may produce for one item (pixels × channels × depth, or samples × width).
    pub decoded_bytes: u64,
    /// Seconds of sound or video.
    pub seconds: u64,
    /// Chunks, boxes, segments or frames walked in one container.
    pub parts: usize,
    /// Depth of nested boxes or objects.
    pub depth: usize,
    /// Bytes of one metadata value.
    pub metadata_bytes: u64,
    /// Wall-clock seconds a child process may take.
    pub child_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_bytes: 2 << 30,
            pixels: 200_000_000,
            decoded_bytes: 2 << 30,
            seconds: 24 * 3600,
            parts: 1_000_000,
            depth: 32,
            metadata_bytes: 16 << 20,
            child_seconds: 3600,
        }
    }
}
