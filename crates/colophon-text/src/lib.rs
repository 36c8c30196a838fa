//! Plain text and Markdown: formats, labels, signed-text carriers.
