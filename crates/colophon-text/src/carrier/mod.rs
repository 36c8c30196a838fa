//! C2PA manifests carried by text: invisible characters (A.8) and comment lines (A.9).
//!
//! Pure functions over text and raw manifest stores (JUMBF); nothing here knows what a store says.

pub mod a8;
pub mod a9;
