//! Interposed calls, made by a few lines of C in an object of their own.
#![expect(unsafe_code, reason = "calls C, and switches stacks by hand")]

#[path = "interpose/fixture.rs"]
mod fixture;
#[path = "interpose/lanes.rs"]
mod lanes;
#[path = "interpose/sleeps.rs"]
mod sleeps;
