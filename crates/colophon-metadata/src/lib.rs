//! Claims carried in metadata: the GB 45438 AIGC object and the IPTC digital source type.
