//! XMP packets: reading and changing single properties.
