//! The tests of kqueue-core.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod blame;
mod layers;
mod permits;
mod pool;
mod profile;
mod room;
mod scheduler;
mod wire;
mod words;
