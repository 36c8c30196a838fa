//! What a label says, how it looks and how it sounds: wording, layout, glyphs, rhythm.
