//! Keys, Ed25519 signatures and the certificate chains that carry them.
