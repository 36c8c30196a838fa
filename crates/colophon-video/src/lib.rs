//! Video formats, frames through ffmpeg, the visible label on them.
