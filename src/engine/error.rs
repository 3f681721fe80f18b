//! What can keep KQueue from doing its work. A job that fails is an outcome and never one of these.

use std::io;
use thiserror::Error;

/// An error of the machinery. Every message says what happened and what to do.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A fork copies one thread only; what the others held would stay locked for ever.
    #[error(
        "cannot fork while other threads run ({threads}); start KQueue before whatever starts them, or leave out the \
         extension that does"
    )]
    Threads {
        /// Name and id of each thread.
        threads: String,
    },
    /// `fork` failed.
    #[error(
        "cannot fork a {role} process: {source}; look at the limits for processes and memory (ulimit -u, the \
         container's pids and memory limits)"
    )]
    Fork {
        /// What the process was to be.
        role: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A system call failed that does not fail in a healthy system.
    #[error(
        "cannot {doing}: {source}; look at the limits for open files and memory (ulimit -n, the container's limits)"
    )]
    System {
        /// What was tried.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The runner asked for more children than it may have.
    #[error("{0} isolated children live already, which is the limit of this run")]
    TooManyChildren(usize),
    /// Two parts of one process want the signals.
    #[error("signal handlers of KQueue are installed already; end the other run first")]
    SignalsTaken,
    /// The process that forks the children is dead, and the children with it.
    #[error(
        "the process that forks isolated children has ended, and the children with it; if nobody killed it, look for \
         the system's out-of-memory killer, then start the run again"
    )]
    MasterGone,
    /// The other end of the control socket sent something else.
    #[error(
        "the control socket between runner and master is out of order: {0}; please report this"
    )]
    Control(#[from] kqueue_core::wire::WireError),
}

impl EngineError {
    /// For `map_err`: the last system error, and what was tried.
    pub(crate) fn system(doing: &'static str) -> EngineError {
        EngineError::System {
            doing,
            source: io::Error::last_os_error(),
        }
    }
}
