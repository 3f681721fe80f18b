//! Which lane has started which process, so that a lane that waits for any process waits for its own.
//!
//! Known are those of `fork` and `posix_spawn`; what libc starts by itself (`popen`) is waited for by libc too, and by nobody else.
//!
//! Invariant: a process of which nothing is known here, KQueue's own among them, is never found by a wait for any process.
//! Invariant: used on the PHP thread only; the lock is never held across a wait or a fork.
#![expect(unsafe_code, reason = "reaps and asks by process number")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{c_int, pid_t};

use super::gate;

/// A process that a lane has started.
struct Started {
    pid: pid_t,
    /// None: its lane has ended.
    lane: Option<u32>,
}

/// In the order of their numbers.
static STARTED: Mutex<Vec<Started>> = Mutex::new(Vec::new());

fn started() -> MutexGuard<'static, Vec<Started>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The running lane has started this process.
pub(super) fn note(pid: pid_t) {
    let Some(lane) = gate::lane() else { return };
    let mut started = started();
    reap_orphans(&mut started);
    let entry = Started {
        pid,
        lane: Some(lane),
    };
    match started.binary_search_by_key(&pid, |known| known.pid) {
        // Its number was another's that was reaped by a way that is not seen here.
        Ok(place) => started[place] = entry,
        Err(place) => started.insert(place, entry),
    }
}

/// The lane's next process after this number.
pub(super) fn next(lane: u32, after: pid_t) -> Option<pid_t> {
    let started = started();
    let first = started.partition_point(|known| known.pid <= after);
    started[first..]
        .iter()
        .find(|known| known.lane == Some(lane))
        .map(|known| known.pid)
}

/// Whether another lane that still runs has started it.
pub(super) fn is_anothers(lane: u32, pid: pid_t) -> bool {
    started()
        .iter()
        .any(|known| known.pid == pid && known.lane.is_some_and(|other| other != lane))
}

/// A wait has found it: forgotten if that was its end.
pub(super) fn found(pid: pid_t) {
    let saved = gate::errno();
    // SAFETY: information of zeros is a valid one to be filled.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let any = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the place is on this frame, and nothing is reaped.
    let gone = unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, any) } != 0;
    gate::set_errno(saved);
    if gone {
        started().retain(|known| known.pid != pid);
    }
}

/// See [`super::lane_begins`].
pub(super) fn disown(lane: u32) {
    let mut started = started();
    for known in started.iter_mut().filter(|known| known.lane == Some(lane)) {
        known.lane = None;
    }
    reap_orphans(&mut started);
}

/// What lanes have left is reaped as the system does it for a process that has ended.
fn reap_orphans(started: &mut Vec<Started>) {
    let saved = gate::errno();
    started.retain(|known| {
        let mut status: c_int = 0;
        // SAFETY: the place is on this frame; without waiting.
        known.lane.is_some() || unsafe { libc::waitpid(known.pid, &mut status, libc::WNOHANG) } == 0
    });
    gate::set_errno(saved);
}
