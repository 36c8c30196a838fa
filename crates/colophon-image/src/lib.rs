//! Picture formats, pixels, the visible label on them and the image watermark.
