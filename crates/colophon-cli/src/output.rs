//! What people and programs see.

pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod page;
pub(crate) mod tools;
