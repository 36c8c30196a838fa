//! Sound formats, samples, the audible label in them and the audio watermark.
