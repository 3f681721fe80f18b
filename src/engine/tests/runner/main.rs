//! The runner's loop over lanes that are small state machines.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod alarm;
mod beside;
mod children;
mod deadlines;
mod lanes;
mod leader;
mod order;
mod output;
mod permits;
mod reactor;
mod schedules;
mod signals;
mod waits;
