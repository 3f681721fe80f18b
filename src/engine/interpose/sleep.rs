//! `sleep`, `usleep`, `nanosleep`, `clock_nanosleep`: a wait without descriptors.
//!
//! A cancelled sleep looks interrupted, with no time remaining: code that sleeps for the rest until there is none would spin for
//! as long as it wanted to sleep, as every further wait of a cancelled lane returns at once.
//!
//! Where the lane may not be suspended the process sleeps, and this runner's alarm does not cut that short.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::time::Duration;

use libc::{c_int, c_uint, clockid_t, timespec, useconds_t};

use super::Hook;
use super::gate::{self, Deadline, Gate, Waited, errno, set_errno};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("sleep", sleep as *const ()),
    Hook::new("usleep", usleep as *const ()),
    Hook::new("nanosleep", nanosleep as *const ()),
    Hook::new("clock_nanosleep", clock_nanosleep as *const ()),
];

enum Slept {
    Through,
    /// The lane is to end.
    Cancelled {
        rest: Duration,
    },
    /// By a signal.
    Interrupted {
        rest: Duration,
    },
}

/// Where the lane may not be suspended, the process sleeps.
fn sleep_for(gate: Option<Gate>, duration: Duration) -> Slept {
    let deadline = Deadline::after(Some(duration));
    let rest = || deadline.remaining().unwrap_or(duration);
    let Some(gate) = gate else {
        return block(deadline, rest);
    };
    loop {
        match gate.suspend(&[], deadline) {
            Waited::Cancelled => return Slept::Cancelled { rest: rest() },
            Waited::Refused => return block(deadline, rest),
            Waited::Ready | Waited::TimedOut if deadline.passed() => return Slept::Through,
            Waited::Ready | Waited::TimedOut => {}
        }
    }
}

fn block(deadline: Deadline, rest: impl Fn() -> Duration) -> Slept {
    let saved = errno();
    let slept = gate::blocking(|mask| {
        let time = deadline.remaining().map(to_timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: no descriptors; the time and the mask are on their owners' frames.
        unsafe { libc::ppoll(std::ptr::null_mut(), 0, time, mask) }
    });
    let why = errno();
    set_errno(saved);
    match (slept, why) {
        (0.., _) => Slept::Through,
        (_, libc::ECANCELED) => Slept::Cancelled { rest: rest() },
        _ => Slept::Interrupted { rest: rest() },
    }
}

/// A rest as the real calls take it.
pub(super) fn to_timespec(duration: Duration) -> timespec {
    timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(duration.subsec_nanos()),
    }
}

/// `None` for what the real call refuses, and for no time at all.
pub(super) fn from_timespec(time: timespec) -> Option<Duration> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u32::try_from(time.tv_nsec)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos)).filter(|duration| !duration.is_zero())
}

/// Returns the whole seconds not slept.
unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    if seconds == 0 || !gate::in_force() {
        // SAFETY: takes a number.
        return unsafe { libc::sleep(seconds) };
    }
    match sleep_for(gate::open(), Duration::from_secs(u64::from(seconds))) {
        Slept::Through => 0,
        // Rounded down as libc does, so that a caller that sleeps for the rest comes to an end.
        Slept::Cancelled { rest } | Slept::Interrupted { rest } => {
            c_uint::try_from(rest.as_secs()).unwrap_or(c_uint::MAX)
        }
    }
}

unsafe extern "C" fn usleep(micros: useconds_t) -> c_int {
    if micros == 0 || !gate::in_force() {
        // SAFETY: takes a number.
        return unsafe { libc::usleep(micros) };
    }
    match sleep_for(gate::open(), Duration::from_micros(u64::from(micros))) {
        Slept::Through => 0,
        Slept::Cancelled { .. } | Slept::Interrupted { .. } => {
            set_errno(libc::EINTR);
            -1
        }
    }
}

unsafe extern "C" fn nanosleep(wanted: *const timespec, remaining: *mut timespec) -> c_int {
    // SAFETY: the caller's argument, which libc would read too.
    let duration = unsafe { wanted.as_ref() }.copied().and_then(from_timespec);
    let (Some(duration), true) = (duration, gate::in_force()) else {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::nanosleep(wanted, remaining) };
    };
    // SAFETY: the caller's argument, null or writable.
    let error = unsafe { relative_sleep(gate::open(), duration, remaining) };
    if error == 0 {
        return 0;
    }
    set_errno(error);
    -1
}

/// Returns the error as a number; `errno` is not its business.
unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    wanted: *const timespec,
    remaining: *mut timespec,
) -> c_int {
    // SAFETY: the caller's argument, which libc would read too.
    let time = unsafe { wanted.as_ref() }.copied();
    let duration = match flags {
        0 => time.and_then(from_timespec),
        libc::TIMER_ABSTIME => time
            .and_then(from_timespec)
            .and_then(|end| until(clock, end)),
        _ => None,
    };
    let usual = matches!(
        clock,
        libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC | libc::CLOCK_BOOTTIME
    );
    let (true, Some(duration), true) = (usual, duration, gate::in_force()) else {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::clock_nanosleep(clock, flags, wanted, remaining) };
    };
    let remaining = if flags == 0 {
        remaining
    } else {
        std::ptr::null_mut()
    };
    // SAFETY: the caller's argument, null or writable.
    unsafe { relative_sleep(gate::open(), duration, remaining) }
}

/// How long until `clock` shows `end`; `None` if it has passed already. A clock that is set meanwhile is not noticed.
fn until(clock: clockid_t, end: Duration) -> Option<Duration> {
    let mut now = to_timespec(Duration::ZERO);
    // SAFETY: `now` is on this frame.
    if unsafe { libc::clock_gettime(clock, &raw mut now) } != 0 {
        return None;
    }
    let now = from_timespec(now)?;
    end.checked_sub(now).filter(|duration| !duration.is_zero())
}

/// Returns 0 or an error number.
///
/// # Safety
/// `remaining` is null or writable.
unsafe fn relative_sleep(
    gate: Option<Gate>,
    duration: Duration,
    remaining: *mut timespec,
) -> c_int {
    let left = match sleep_for(gate, duration) {
        Slept::Through => return 0,
        Slept::Cancelled { .. } => Duration::ZERO,
        Slept::Interrupted { rest } => rest,
    };
    // SAFETY: null or writable, says the caller.
    if let Some(remaining) = unsafe { remaining.as_mut() } {
        *remaining = to_timespec(left);
    }
    libc::EINTR
}
