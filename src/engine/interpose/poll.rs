//! `poll`, `ppoll`, `epoll_wait`, `epoll_pwait`: the caller's own descriptors, which nearly all libraries wait by.
//!
//! Regular files and bad descriptors are answered by the real call at once, so they never reach the waiter.
//! A signal mask (`ppoll`, `epoll_pwait`) asks for something that cannot be done while other lanes run on the same thread: the real call is made.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::time::Duration;

use libc::{c_int, epoll_event, nfds_t, pollfd, sigset_t, size_t, timespec};

use super::Hook;
use super::gate::{self, Deadline, Gate, Waited, set_errno};
use super::sleep::to_timespec;

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("poll", poll as *const ()),
    Hook::new("__poll_chk", poll_chk as *const ()),
    Hook::new("ppoll", ppoll as *const ()),
    Hook::new("__ppoll_chk", ppoll_chk as *const ()),
    Hook::new("epoll_wait", epoll_wait as *const ()),
    Hook::new("epoll_pwait", epoll_pwait as *const ()),
];

unsafe extern "C" {
    fn __poll_chk(fds: *mut pollfd, nfds: nfds_t, timeout: c_int, size: size_t) -> c_int;
    fn __ppoll_chk(
        fds: *mut pollfd,
        nfds: nfds_t,
        timeout: *const timespec,
        mask: *const sigset_t,
        size: size_t,
    ) -> c_int;
}

/// A `poll` timeout; negative is for ever.
pub(super) fn from_millis(timeout: c_int) -> Option<Duration> {
    u64::try_from(timeout).ok().map(Duration::from_millis)
}

/// The rest of a wait as the real call takes it, rounded up.
pub(super) fn to_millis(deadline: Deadline) -> c_int {
    match deadline.remaining() {
        None => -1,
        Some(rest) => c_int::try_from(rest.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX),
    }
}

/// # Safety
/// As for `poll`.
unsafe fn poll_until(gate: Gate, fds: *mut pollfd, nfds: nfds_t, deadline: Deadline) -> c_int {
    loop {
        // SAFETY: the caller's own array; does not wait.
        let ready = unsafe { libc::poll(fds, nfds, 0) };
        if ready != 0 {
            return ready;
        }
        if deadline.passed() {
            return 0;
        }
        let waited = if nfds == 0 {
            &[]
        } else {
            // SAFETY: the kernel has just read and written these `nfds` entries, and the caller, suspended, cannot touch them.
            unsafe { std::slice::from_raw_parts(fds, nfds as usize) }
        };
        match gate.suspend(waited, deadline) {
            Waited::Ready | Waited::TimedOut => {}
            Waited::Cancelled => {
                // SAFETY: the caller's own array; does not wait.
                let ready = unsafe { libc::poll(fds, nfds, 0) };
                if ready == 0 {
                    set_errno(libc::ECANCELED);
                    return -1;
                }
                return ready;
            }
            // SAFETY: the caller's own array.
            Waited::Refused => return unsafe { blocking_poll(fds, nfds, deadline) },
        }
    }
}

/// # Safety
/// As for `poll`.
unsafe fn blocking_poll(fds: *mut pollfd, nfds: nfds_t, deadline: Deadline) -> c_int {
    gate::blocking(|mask| {
        let time = deadline.remaining().map(to_timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the caller's own array; the time and the mask are on their owners' frames.
        unsafe { libc::ppoll(fds, nfds, time, mask) }
    })
}

unsafe extern "C" fn poll(fds: *mut pollfd, nfds: nfds_t, timeout: c_int) -> c_int {
    if timeout == 0 || !gate::in_force() {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::poll(fds, nfds, timeout) };
    }
    let deadline = Deadline::after(from_millis(timeout));
    // SAFETY: the caller's own arguments.
    unsafe {
        match gate::open() {
            Some(gate) => poll_until(gate, fds, nfds, deadline),
            None => blocking_poll(fds, nfds, deadline),
        }
    }
}

unsafe extern "C" fn poll_chk(
    fds: *mut pollfd,
    nfds: nfds_t,
    timeout: c_int,
    size: size_t,
) -> c_int {
    if size / size_of::<pollfd>() < nfds as usize {
        // SAFETY: the caller's own arguments; it reports the overflow and aborts.
        return unsafe { __poll_chk(fds, nfds, timeout, size) };
    }
    // SAFETY: the caller's own arguments.
    unsafe { poll(fds, nfds, timeout) }
}

unsafe extern "C" fn ppoll(
    fds: *mut pollfd,
    nfds: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the caller's argument, null or readable.
    let wanted = match unsafe { timeout.as_ref() } {
        None => Some(None),
        Some(timeout) => super::sleep::from_timespec(*timeout).map(Some),
    };
    let (Some(timeout_or_never), true) = (wanted, mask.is_null() && gate::in_force()) else {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::ppoll(fds, nfds, timeout, mask) };
    };
    let deadline = Deadline::after(timeout_or_never);
    // SAFETY: the caller's own arguments.
    unsafe {
        match gate::open() {
            Some(gate) => poll_until(gate, fds, nfds, deadline),
            None => blocking_poll(fds, nfds, deadline),
        }
    }
}

unsafe extern "C" fn ppoll_chk(
    fds: *mut pollfd,
    nfds: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
    size: size_t,
) -> c_int {
    if size / size_of::<pollfd>() < nfds as usize {
        // SAFETY: the caller's own arguments; it reports the overflow and aborts.
        return unsafe { __ppoll_chk(fds, nfds, timeout, mask, size) };
    }
    // SAFETY: the caller's own arguments.
    unsafe { ppoll(fds, nfds, timeout, mask) }
}

/// An epoll descriptor is itself readable when it has events. It is no socket: cancelled, the call fails.
unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut epoll_event,
    max: c_int,
    timeout: c_int,
) -> c_int {
    let real = |timeout: c_int| {
        // SAFETY: the caller's own arguments, but for the time.
        unsafe { libc::epoll_wait(epoll, events, max, timeout) }
    };
    if timeout == 0 || !gate::in_force() {
        return real(timeout);
    }
    let deadline = Deadline::after(from_millis(timeout));
    let block = || {
        gate::blocking(|mask| {
            // SAFETY: the caller's own arguments, but for the time and the mask.
            unsafe { libc::epoll_pwait(epoll, events, max, to_millis(deadline), mask) }
        })
    };
    let Some(gate) = gate::open() else {
        return block();
    };
    loop {
        let ready = real(0);
        if ready != 0 || deadline.passed() {
            return ready;
        }
        match gate.until_ready(epoll, libc::POLLIN, deadline) {
            Waited::Ready | Waited::TimedOut => {}
            Waited::Cancelled => {
                set_errno(libc::ECANCELED);
                return -1;
            }
            Waited::Refused => return block(),
        }
    }
}

unsafe extern "C" fn epoll_pwait(
    epoll: c_int,
    events: *mut epoll_event,
    max: c_int,
    timeout: c_int,
    mask: *const sigset_t,
) -> c_int {
    if !mask.is_null() {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::epoll_pwait(epoll, events, max, timeout, mask) };
    }
    // SAFETY: the caller's own arguments.
    unsafe { epoll_wait(epoll, events, max, timeout) }
}
