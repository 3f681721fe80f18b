//! `select`, `pselect`: three bit sets made one list of descriptors and back.
//!
//! `poll` looks and waits; the answer is always the real `select`'s, with no time to wait. A call for more than [`MOST`] descriptors is
//! made for real: how long its sets are, only the kernel can tell, which reads them no further than the process's table.
#![expect(
    unsafe_code,
    reason = "hooks have C signatures and make the real calls"
)]

use std::time::Duration;

use libc::{c_int, c_short, fd_set, pollfd, sigset_t, timespec, timeval};

use super::Hook;
use super::gate::{self, Deadline, Gate, Waited, set_errno};
use super::sleep::{from_timespec, to_timespec};

pub(super) const HOOKS: &[Hook] = &[
    Hook::new("select", select as *const ()),
    Hook::new("pselect", pselect as *const ()),
];

/// As many as an `fd_set` holds: 8 KiB of stack.
const MOST: usize = libc::FD_SETSIZE;
/// Bits in a word of an `fd_set`.
const WORD: usize = usize::BITS as usize;

/// What `select` calls readable, writable, exceptional, in terms of `poll`'s answer. The kernel's own table.
const READABLE: c_short = libc::POLLIN | libc::POLLHUP | libc::POLLERR;
const WRITABLE: c_short = libc::POLLOUT | libc::POLLERR;

struct Sets {
    nfds: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
}

enum Look {
    /// The real call would return at once.
    Answer,
    /// Nothing is ready.
    Nothing,
    /// `poll` sees what `select` does not count: a hang-up on a descriptor that is only to be written, or a descriptor that is none
    /// (`select` overlooks those beyond the process's table). Only the real call can wait for it.
    Unlike,
}

/// # Safety
/// `set` is null or covers descriptor `fd`.
unsafe fn is_set(set: *const fd_set, fd: usize) -> bool {
    if set.is_null() {
        return false;
    }
    // SAFETY: an `fd_set` is an array of words, and the caller says that it covers `fd`.
    let word = unsafe { *set.cast::<usize>().add(fd / WORD) };
    word >> (fd % WORD) & 1 == 1
}

impl Sets {
    /// Writes the wanted descriptors to `list`, and returns how many there are.
    ///
    /// # Safety
    /// The sets are null or cover `nfds` descriptors, of which there are at most [`MOST`].
    unsafe fn list(&self, list: &mut [pollfd; MOST]) -> usize {
        let mut count = 0;
        for fd in 0..self.nfds {
            let bit = fd as usize;
            let mut events = 0;
            // SAFETY: `bit` is below `nfds`.
            if unsafe { is_set(self.read, bit) } {
                events |= libc::POLLIN;
            }
            // SAFETY: `bit` is below `nfds`.
            if unsafe { is_set(self.write, bit) } {
                events |= libc::POLLOUT;
            }
            // SAFETY: `bit` is below `nfds`.
            if unsafe { is_set(self.except, bit) } {
                events |= libc::POLLPRI;
            }
            if events != 0 {
                list[count] = pollfd {
                    fd,
                    events,
                    revents: 0,
                };
                count += 1;
            }
        }
        count
    }

    /// The real call.
    ///
    /// # Safety
    /// As for `select`.
    unsafe fn select(&self, timeout: *mut timeval) -> c_int {
        // SAFETY: the caller's own sets.
        unsafe { libc::select(self.nfds, self.read, self.write, self.except, timeout) }
    }

    /// The real call, for what is left of the time.
    ///
    /// # Safety
    /// As for `pselect`.
    unsafe fn pselect(&self, deadline: Deadline, mask: *const sigset_t) -> c_int {
        let time = deadline.remaining().map(to_timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the caller's own sets and mask; the time is on this frame.
        unsafe { libc::pselect(self.nfds, self.read, self.write, self.except, time, mask) }
    }

    /// The real call, without waiting.
    ///
    /// # Safety
    /// As for `select`.
    unsafe fn answer(&self) -> c_int {
        let mut none = timeval {
            tv_sec: 0,
            tv_usec: 0,
        };
        // SAFETY: the caller's own sets; the time is on this frame.
        unsafe { self.select(&raw mut none) }
    }
}

fn look(list: &mut [pollfd]) -> Look {
    // SAFETY: the slice's own entries; does not wait.
    let ready = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, 0) };
    match ready {
        0 => Look::Nothing,
        1.. if !list.iter().any(counts) => Look::Unlike,
        _ => Look::Answer,
    }
}

fn counts(entry: &pollfd) -> bool {
    let asked = |event, seen| entry.events & event != 0 && entry.revents & seen != 0;
    asked(libc::POLLIN, READABLE)
        || asked(libc::POLLOUT, WRITABLE)
        || asked(libc::POLLPRI, libc::POLLPRI)
}

fn from_timeval(time: timeval) -> Option<Duration> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let micros = u64::try_from(time.tv_usec).ok()?;
    Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))
}

fn to_timeval(rest: Duration) -> timeval {
    timeval {
        tv_sec: libc::time_t::try_from(rest.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(rest.subsec_micros() as i32),
    }
}

/// Waits until `sets` have an answer. `real` waits for what is left of the time.
///
/// # Safety
/// As for `select`, with at most [`MOST`] descriptors.
unsafe fn select_until(
    gate: Gate,
    sets: &Sets,
    deadline: Deadline,
    real: impl Fn() -> c_int,
) -> c_int {
    let mut list = [pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }; MOST];
    // SAFETY: the caller's own sets, not longer than that.
    let count = unsafe { sets.list(&mut list) };
    let list = &mut list[..count];
    loop {
        match look(list) {
            Look::Nothing if !deadline.passed() => {}
            // SAFETY: the caller's own sets. If nothing is ready, this clears them.
            Look::Nothing | Look::Answer => return unsafe { sets.answer() },
            Look::Unlike => return real(),
        }
        match gate.suspend(list, deadline) {
            Waited::Ready | Waited::TimedOut => {}
            Waited::Refused => return real(),
            Waited::Cancelled if matches!(look(list), Look::Answer) => {
                // SAFETY: the caller's own sets.
                return unsafe { sets.answer() };
            }
            Waited::Cancelled => {
                set_errno(libc::ECANCELED);
                return -1;
            }
        }
    }
}

fn usual(nfds: c_int) -> bool {
    usize::try_from(nfds).is_ok_and(|nfds| nfds <= MOST)
}

unsafe extern "C" fn select(
    nfds: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    timeout: *mut timeval,
) -> c_int {
    let sets = Sets {
        nfds,
        read,
        write,
        except,
    };
    // SAFETY: the caller's argument, null or readable.
    let wanted = match unsafe { timeout.as_ref() } {
        None => Some(None),
        Some(time) => from_timeval(*time).filter(|time| !time.is_zero()).map(Some),
    };
    let (Some(wanted), true) = (wanted, usual(nfds) && gate::in_force()) else {
        // SAFETY: the caller's own arguments.
        return unsafe { sets.select(timeout) };
    };
    let deadline = Deadline::after(wanted);
    let write_rest = || {
        // SAFETY: null or writable, as Linux writes the rest of the time there.
        if let (Some(timeout), Some(rest)) = (unsafe { timeout.as_mut() }, deadline.remaining()) {
            *timeout = to_timeval(rest);
        }
    };
    let block = || {
        gate::blocking(|mask| {
            // SAFETY: the caller's own sets.
            unsafe { sets.pselect(deadline, mask) }
        })
    };
    let result = match gate::open() {
        None => block(),
        // SAFETY: the caller's own sets.
        Some(gate) => unsafe { select_until(gate, &sets, deadline, block) },
    };
    if result >= 0 {
        write_rest();
    }
    result
}

/// A signal mask asks for something that cannot be done while other lanes run on the same thread: then the real call is made.
unsafe extern "C" fn pselect(
    nfds: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    let sets = Sets {
        nfds,
        read,
        write,
        except,
    };
    // SAFETY: the caller's argument, null or readable.
    let wanted = match unsafe { timeout.as_ref() } {
        None => Some(None),
        Some(time) => from_timespec(*time).map(Some),
    };
    let usual = usual(nfds) && mask.is_null() && gate::in_force();
    let (Some(wanted), true) = (wanted, usual) else {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::pselect(nfds, read, write, except, timeout, mask) };
    };
    let deadline = Deadline::after(wanted);
    let block = || {
        gate::blocking(|mask| {
            // SAFETY: the caller's own sets.
            unsafe { sets.pselect(deadline, mask) }
        })
    };
    match gate::open() {
        None => block(),
        // SAFETY: the caller's own sets.
        Some(gate) => unsafe { select_until(gate, &sets, deadline, block) },
    }
}
