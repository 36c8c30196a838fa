//! What this build knows.

use std::sync::OnceLock;

use colophon_core::Registry;

/// Every format and mark of this build.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut r = Registry::new();
        #[cfg(feature = "image")]
        {
            r = r.with_formats(colophon_image::FORMATS);
        }
        #[cfg(feature = "audio")]
        {
            r = r.with_formats(colophon_audio::FORMATS);
        }
        #[cfg(feature = "video")]
        {
            r = r.with_formats(colophon_video::FORMATS);
        }
        #[cfg(feature = "document")]
        {
            r = r.with_formats(colophon_document::FORMATS);
        }
        #[cfg(feature = "text")]
        {
            r = r.with_formats(colophon_text::FORMATS);
        }
        r = r.with_marks(&[&colophon_label::mark::LABEL, &crate::watermark::WATERMARK]);
        r = r.with_marks(colophon_metadata::MARKS);
        #[cfg(feature = "c2pa")]
        {
            r = r.with_marks(colophon_c2pa::MARKS);
        }
        r
    })
}
