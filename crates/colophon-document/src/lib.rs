//! Documents with pages: PDF.
