//! Machinery without PHP: the reactor, interposed calls, processes, the scoreboard.

pub mod alarm;
pub mod children;
pub mod error;
pub mod interpose;
pub mod limits;
pub mod link;
pub mod master;
pub mod pristine;
pub mod reactor;
mod reaper;
pub mod role;
pub mod runner;
pub mod scoreboard;
pub mod signals;
pub mod zygote;

pub use error::EngineError;
