//! The master's processes: their last deadlines (SIGTERM, grace, SIGKILL) and their wait status.
//!
//! Signals go by pid and not by pidfd: the master is the only one that reaps, so a pid cannot pass to another process
//! before the master has seen this one's end. That saves a descriptor per process and a kernel that knows pidfds.
//!
//! Invariant: a process that is being ended is ended together with its process group, that is with what its job started;
//! a job that is given back must not still be at work somewhere.
#![expect(
    unsafe_code,
    reason = "waitid with WNOWAIT and signals to process groups"
)]

use crate::signals;
use std::time::{Duration, Instant};

/// How a process is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not at all.
    Running,
    /// It was told to leave, and has until then.
    Leaving(Instant),
    /// It got SIGTERM, and has until then.
    Terminating(Instant),
    /// It got SIGKILL.
    Killed,
}

/// A process of the master.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    stage: Stage,
    deadline: Option<Instant>,
    /// The deadline passed while the process lived.
    pub(crate) overdue: bool,
}

impl Process {
    pub(crate) fn new(pid: i32) -> Process {
        Process {
            pid,
            stage: Stage::Running,
            deadline: None,
            overdue: false,
        }
    }

    /// It must have ended by then; none takes the deadline back.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// It knows that it must leave.
    pub(crate) fn leave(&mut self, now: Instant, grace: Duration) {
        if self.stage == Stage::Running {
            self.stage = Stage::Leaving(now + grace);
        }
    }

    /// Asks it to end, with SIGTERM.
    pub(crate) fn terminate(&mut self, now: Instant, grace: Duration) {
        if matches!(self.stage, Stage::Running | Stage::Leaving(_)) {
            self.stage = Stage::Terminating(now + grace);
            self.signal(libc::SIGTERM);
        }
    }

    /// Ends it.
    pub(crate) fn kill(&mut self) {
        if self.stage != Stage::Killed {
            self.stage = Stage::Killed;
            self.signal(libc::SIGKILL);
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant, grace: Duration) {
        match self.stage {
            Stage::Running if self.deadline.is_some_and(|deadline| now >= deadline) => {
                self.overdue = true;
                self.terminate(now, grace);
            }
            Stage::Leaving(until) if now >= until => self.terminate(now, grace),
            Stage::Terminating(until) if now >= until => self.kill(),
            _ => {}
        }
    }

    /// When [`Process::tick`] will have something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        match self.stage {
            Stage::Running => self.deadline,
            Stage::Leaving(until) | Stage::Terminating(until) => Some(until),
            Stage::Killed => None,
        }
    }

    /// Lets its job know that this stop signal came.
    pub(crate) fn tell(&self, stop: i32) {
        send(self.pid, signals::told(stop));
    }

    /// The process has ended but is not reaped. If it did not end of its own accord, whatever it had started ends too.
    fn clear_group(&self, crashed: bool) {
        if crashed || matches!(self.stage, Stage::Terminating(_) | Stage::Killed) {
            send(-self.pid, libc::SIGKILL);
        }
    }

    fn signal(&self, signal: i32) {
        // The group covers the process itself, except in the moment before it has a group of its own.
        send(self.pid, signal);
        send(-self.pid, signal);
    }
}

/// The next process that has ended, reaped: pid and wait status. `find` gives ours; others are orphans that this process
/// inherited as the first of a container, and only reaped.
pub(crate) fn reap<'a>(find: impl FnOnce(i32) -> Option<&'a Process>) -> Option<(i32, i32)> {
    // SAFETY: all zero bits are a valid siginfo.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is a valid siginfo.
    if unsafe { libc::waitid(libc::P_ALL, 0, &mut info, flags) } != 0 {
        return None;
    }
    // SAFETY: waitid filled it; without a process it stays zero.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return None;
    }
    if let Some(process) = find(pid) {
        process.clear_group(info.si_code != libc::CLD_EXITED);
    }
    let mut status = 0;
    // SAFETY: `status` is an int. The process has ended, so this does not block.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    Some((pid, status))
}

/// "was killed by signal 11 (SIGSEGV)", "ended with exit status 255".
pub(crate) fn describe(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        format!(
            "was killed by {}",
            signals::describe(libc::WTERMSIG(status))
        )
    } else {
        format!("ended with exit status {}", libc::WEXITSTATUS(status))
    }
}

/// The exit status that stands for a wait status, as a shell has it.
pub(crate) fn exit_status(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    }
}

fn send(pid: i32, signal: i32) {
    // SAFETY: plain call. The process, or its group's leader, is our child and not reaped.
    unsafe { libc::kill(pid, signal) };
}
