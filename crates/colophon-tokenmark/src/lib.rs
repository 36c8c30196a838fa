//! Watermarks placed while a language model samples: generators and one neutral detector for every serving engine.
