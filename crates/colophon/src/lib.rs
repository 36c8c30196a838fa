//! Mark AI-generated content and verify the marks: one pass over text, images, audio, video and documents.
