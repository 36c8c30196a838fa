//! ISO base media file format: boxes.
