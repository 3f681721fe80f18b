//! `sigtimedwait`, `sigwaitinfo`: asked for again and again, since nothing tells when a blocked signal is pending.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::time::Duration;

use libc::{c_int, siginfo_t, sigset_t, timespec};

use super::Hook;
use super::gate::{self, Deadline, Gate, Pauses, Waited, errno, set_errno};
use super::sleep::{from_timespec, to_timespec};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("sigtimedwait", sigtimedwait as *const ()),
    Hook::new("sigwaitinfo", sigwaitinfo as *const ()),
];

/// `call` takes the time to wait; `None` is for ever.
fn wait_by(gate: Gate, deadline: Deadline, call: impl Fn(Option<Duration>) -> c_int) -> c_int {
    let saved = errno();
    let mut pauses = Pauses::new();
    loop {
        let signal = call(Some(Duration::ZERO));
        if signal >= 0 {
            set_errno(saved);
            return signal;
        }
        if errno() != libc::EAGAIN || deadline.passed() {
            return signal;
        }
        let pause = pauses.next();
        let pause = deadline.remaining().map_or(pause, |rest| rest.min(pause));
        match gate.pause(pause) {
            Waited::Ready | Waited::TimedOut => {}
            Waited::Refused => return call(deadline.remaining()),
            Waited::Cancelled => {
                set_errno(libc::ECANCELED);
                return -1;
            }
        }
    }
}

unsafe extern "C" fn sigtimedwait(
    set: *const sigset_t,
    info: *mut siginfo_t,
    timeout: *const timespec,
) -> c_int {
    // SAFETY: the caller's argument, null or readable.
    let wanted = match unsafe { timeout.as_ref() } {
        None => Some(None),
        Some(time) => from_timespec(*time).map(Some),
    };
    let (Some(wanted), Some(gate)) = (wanted, gate::open()) else {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::sigtimedwait(set, info, timeout) };
    };
    wait_by(gate, Deadline::after(wanted), |rest| {
        let rest = rest.map(to_timespec);
        let rest = rest.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the caller's own arguments; the time is on this frame.
        unsafe { libc::sigtimedwait(set, info, rest) }
    })
}

unsafe extern "C" fn sigwaitinfo(set: *const sigset_t, info: *mut siginfo_t) -> c_int {
    if gate::open().is_none() {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::sigwaitinfo(set, info) };
    }
    // SAFETY: the caller's own arguments; the same call by its general form.
    unsafe { sigtimedwait(set, info, std::ptr::null()) }
}
