//! The bridge to the c2pa crate: manifests written and read, none of its types let out.
