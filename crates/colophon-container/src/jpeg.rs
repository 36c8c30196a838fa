//! JPEG: marker segments.
