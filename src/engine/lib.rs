//! Machinery without PHP: the reactor, interposed calls, processes, the scoreboard.

pub mod children;
pub mod error;
pub mod link;
pub mod master;
mod reaper;
pub mod role;
pub mod scoreboard;
pub mod signals;
pub mod zygote;

pub use error::EngineError;
