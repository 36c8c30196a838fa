//! ID3v2 tags.
