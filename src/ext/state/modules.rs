//! What extensions keep in globals of their own: a decision for each that is loaded, and the exchange of those that a lane must have for
//! itself.
//!
//! In a build without threads an extension's globals are a plain piece of memory. Fields that ini settings write to are left out: they
//! follow their settings. What is left is exchanged as bytes, in place, but only for lanes in which it differs from what a request
//! begins with: others cost a comparison.

pub(crate) mod held;
mod libxml;
mod list;
mod loaded;
pub(crate) mod report;
