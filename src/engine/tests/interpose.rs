//! Interposed calls, made by a few lines of C in an object of their own.
//!
//! - `sleeps`, `polls`, `sockets`, `connections`, `files`, `opens`, `queues`, `processes`, `lookups`: one family each, routed or not, and what it returns
//! - `gates`: who may suspend
//! - `walks`: which slots are written, and given back
//! - `lanes`, `recorder`: two waiters; `fixture`, `descriptors`: what the tests are made of
#![expect(unsafe_code, reason = "calls C, and switches stacks by hand")]

#[path = "interpose/descriptors.rs"]
mod descriptors;
#[path = "interpose/fixture.rs"]
mod fixture;
#[path = "interpose/lanes.rs"]
mod lanes;
#[path = "interpose/queues.rs"]
mod queues;
#[path = "interpose/recorder.rs"]
mod recorder;

#[path = "interpose/connections.rs"]
mod connections;
#[path = "interpose/files.rs"]
mod files;
#[path = "interpose/gates.rs"]
mod gates;
#[path = "interpose/lookups.rs"]
mod lookups;
#[path = "interpose/opens.rs"]
mod opens;
#[path = "interpose/polls.rs"]
mod polls;
#[path = "interpose/processes.rs"]
mod processes;
#[path = "interpose/sleeps.rs"]
mod sleeps;
#[path = "interpose/sockets.rs"]
mod sockets;
#[path = "interpose/walks.rs"]
mod walks;
