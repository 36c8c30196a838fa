//! Signal-processing parts shared by the watermarks: keyed streams, codes, soft decoding, statistics.
