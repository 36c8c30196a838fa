//! The bundled label font.
