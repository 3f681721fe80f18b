//! Forking: its conditions, and what every new process does before anything else.
//!
//! Invariant: one thread when forking. A fork copies only the calling thread, and what others hold stays locked.
//! Invariant: all signals are blocked from before the fork until the new process has its own handlers, so none is lost
//! to a handler of the old process.
//! Invariant: a new process ends by `_exit`: none of its parent's shutdown functions, none of its parent's destructors.
#![expect(
    unsafe_code,
    reason = "fork, prctl and _exit have no safe form for a process that goes on"
)]

use crate::error::EngineError;
use crate::role::{self, Role};
use crate::signals;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The status of a process that panicked, EX_SOFTWARE.
const PANICKED: i32 = 70;

/// Where `fork` returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// In the old process, with the new one's pid.
    Parent(i32),
    /// In the new process.
    Child,
}

/// Whether this process may fork: it has one thread.
pub fn check_threads() -> Result<(), EngineError> {
    let failed = |source| EngineError::System {
        doing: "read /proc/self/task",
        source,
    };
    let mut threads = Vec::new();
    for entry in std::fs::read_dir("/proc/self/task").map_err(failed)? {
        threads.push(entry.map_err(failed)?);
    }
    if threads.len() == 1 {
        return Ok(());
    }
    // SAFETY: plain call.
    let own = unsafe { libc::gettid() }.to_string();
    let others = threads
        .iter()
        .filter(|entry| entry.file_name() != own.as_str());
    let names = others.map(|entry| {
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        format!("{} {}", name.trim_end(), entry.file_name().display())
    });
    Err(EngineError::Threads {
        threads: names.collect::<Vec<_>>().join(", "),
    })
}

/// Forks a process with this role. It is killed when the calling process dies, has a process group of its own (the
/// terminal's signals reach only the master, and a job's own processes can be ended with it), and obeys stop signals from
/// nobody else.
pub(crate) fn fork(role: Role) -> Result<Side, EngineError> {
    check_threads()?;
    flush();
    // SAFETY: plain calls.
    let parent = unsafe { libc::getpid() };
    let mask = signals::block_all();
    // SAFETY: there is one thread, so the copy is whole.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        begin(role, parent);
        return Ok(Side::Child);
    }
    let result = if pid < 0 {
        Err(EngineError::Fork {
            role: role.name(),
            source: io::Error::last_os_error(),
        })
    } else {
        // The new process does the same; whoever comes first, the group exists from here on.
        // SAFETY: plain call; it fails harmlessly if the new process is gone.
        unsafe { libc::setpgid(pid, pid) };
        Ok(Side::Parent(pid))
    };
    signals::restore_mask(&mask);
    result
}

/// Runs `body` as all that this new process does. A panic ends the process and nothing else.
pub(crate) fn run(body: impl FnOnce() -> i32) -> ! {
    let status = catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED);
    flush();
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(status) }
}

fn begin(role: Role, parent: i32) {
    // SAFETY: plain call.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: plain call.
    if unsafe { libc::getppid() } != parent {
        // The parent died before the line above.
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: plain call; a new process is never a session leader, so it succeeds.
    unsafe { libc::setpgid(0, 0) };
    role::set(role);
    signals::reset_in_new_process(parent);
}

/// What is buffered would be written twice, or not at all by `_exit`.
fn flush() {
    let _ = io::stdout().flush();
    // SAFETY: null means all streams of the C library.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}
