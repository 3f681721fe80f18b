//! `waitpid`, `wait4`: children, by a process descriptor where there is one child to wait for.
//!
//! A cancelled wait leaves the child as it is, not reaped: `ECANCELED`.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use libc::{c_int, pid_t, pollfd, rusage};

use super::gate::{self, Deadline, Gate, Pauses, errno, set_errno};
use super::{Hook, Woken};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("waitpid", waitpid as *const ()),
    Hook::new("wait4", wait4 as *const ()),
];

/// Waits by `call(options)`, first with `WNOHANG`.
fn wait_by(gate: Gate, pid: pid_t, options: c_int, call: impl Fn(c_int) -> pid_t) -> pid_t {
    let saved = errno();
    let mut pauses = Pauses::new();
    loop {
        let found = call(options | libc::WNOHANG);
        if found > 0 {
            set_errno(saved);
        }
        if found != 0 {
            return found;
        }
        match until_changed(gate, pid, options, &mut pauses) {
            Woken::Ready | Woken::TimedOut => {}
            Woken::Cancelled => {
                set_errno(libc::ECANCELED);
                return -1;
            }
            Woken::Refused => {
                set_errno(saved);
                return call(options);
            }
        }
    }
}

/// Waits for the end of the child if that is what the caller waits for and the kernel knows how, else for some time.
fn until_changed(gate: Gate, pid: pid_t, options: c_int, pauses: &mut Pauses) -> Woken {
    let only_the_end = options & (libc::WUNTRACED | libc::WCONTINUED) == 0;
    let descriptor = if pid > 0 && only_the_end {
        open_process(pid)
    } else {
        -1
    };
    if descriptor < 0 {
        return gate.pause(pauses.next());
    }
    let ended = pollfd {
        fd: descriptor,
        events: libc::POLLIN,
        revents: 0,
    };
    let woken = gate.suspend(&[ended], Deadline::NEVER);
    // SAFETY: opened above, and known to nobody else. It is left open if the lane is destroyed while it waits.
    unsafe { libc::close(descriptor) };
    woken
}

/// Negative if the kernel does not know how (before Linux 5.3), or has no descriptor left.
fn open_process(pid: pid_t) -> c_int {
    // SAFETY: takes two numbers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    c_int::try_from(descriptor).unwrap_or(-1)
}

unsafe extern "C" fn waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    let real = |options| {
        // SAFETY: the caller's own arguments.
        unsafe { libc::waitpid(pid, status, options) }
    };
    match gate::open().filter(|_| options & libc::WNOHANG == 0) {
        None => real(options),
        Some(gate) => wait_by(gate, pid, options, real),
    }
}

unsafe extern "C" fn wait4(
    pid: pid_t,
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
) -> pid_t {
    let real = |options| {
        // SAFETY: the caller's own arguments.
        unsafe { libc::wait4(pid, status, options, usage) }
    };
    match gate::open().filter(|_| options & libc::WNOHANG == 0) {
        None => real(options),
        Some(gate) => wait_by(gate, pid, options, real),
    }
}
