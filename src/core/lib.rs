//! Decisions: what runs when, what crosses a process border, what options may be. No PHP, no I/O, no clock.
#![forbid(unsafe_code)]

pub mod blame;
pub mod options;
pub mod permits;
pub mod pool;
pub mod profile;
pub mod room;
pub mod scheduler;
pub mod wire;
