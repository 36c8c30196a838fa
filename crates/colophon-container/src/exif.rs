//! EXIF: the tags that may hold a mark.
