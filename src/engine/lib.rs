//! Machinery without PHP: the reactor, interposed calls, processes, the scoreboard.
pub mod interpose;
