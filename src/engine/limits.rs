//! How many descriptors this process may have: while a run is under way the soft limit is the hard one, less a few that are kept back.
//!
//! The usual soft limit (1,024) is one for a process that does one thing, and is there for programs that call `select`. Hundreds of lanes
//! need more. What jobs start gets the limit that was there before (see `interpose::spawn`); isolated children never had another one.
//!
//! The kernel keeps the reserve: ordinary calls meet a limit that is a little lower than the true one, and who has to settle a job, or has
//! to take a descriptor that would be lost otherwise, lifts it for that ([`use_reserve`]).
#![expect(unsafe_code, reason = "limits and descriptors are the kernel's")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// More are never asked for: an "unlimited" process would make programs slow that close all that they could have inherited.
const MOST: u64 = 1 << 20;

/// What is kept back, if there is enough of it.
const RESERVE: u64 = 64;

/// The soft limit before the run; 0: there is no run.
static BEFORE: AtomicU64 = AtomicU64::new(0);
/// The soft limit of the run, reserve and all.
static WHOLE: AtomicU64 = AtomicU64::new(0);
/// The process that raised it.
static OWNER: AtomicU64 = AtomicU64::new(0);
/// Whether the reserve may be used now.
static LIFTED: AtomicBool = AtomicBool::new(false);

/// The limit is raised while this lives.
#[derive(Debug)]
pub struct Raised(());

/// The soft and the hard limit.
pub fn limits() -> (u64, u64) {
    let mut limits = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limits` is on this frame.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
    (limits.rlim_cur, limits.rlim_max)
}

/// Async-signal-safe: also for what has just been forked.
fn set_soft(soft: u64) {
    let limits = libc::rlimit {
        rlim_cur: soft,
        rlim_max: self::limits().1,
    };
    // SAFETY: `limits` is on this frame.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) };
}

/// How many of `whole` are kept back.
fn reserve_of(whole: u64) -> u64 {
    RESERVE.min(whole / 8)
}

/// Raises the soft limit of this process. None: a run has raised it already.
pub fn raise() -> Option<Raised> {
    let (soft, hard) = limits();
    if BEFORE
        .compare_exchange(0, soft, Ordering::SeqCst, Ordering::SeqCst)
        .is_err()
    {
        return None;
    }
    let whole = hard.min(MOST).max(soft);
    WHOLE.store(whole, Ordering::SeqCst);
    OWNER.store(u64::from(std::process::id()), Ordering::SeqCst);
    LIFTED.store(false, Ordering::SeqCst);
    set_soft(whole - reserve_of(whole));
    Some(Raised(()))
}

impl Drop for Raised {
    fn drop(&mut self) {
        let before = BEFORE.swap(0, Ordering::SeqCst);
        if OWNER.load(Ordering::SeqCst) == u64::from(std::process::id()) {
            set_soft(before);
        }
    }
}

fn is_raised() -> bool {
    BEFORE.load(Ordering::Relaxed) != 0
}

/// How many descriptors this process may have in all, the reserve left out.
pub fn usable() -> usize {
    let whole = if is_raised() {
        WHOLE.load(Ordering::Relaxed)
    } else {
        limits().0
    };
    usize::try_from(whole - reserve_of(whole)).unwrap_or(usize::MAX)
}

/// Whether the reserve may be used from now on. Returns what was so before.
pub fn use_reserve(on: bool) -> bool {
    if !is_raised() {
        return on;
    }
    let before = LIFTED.swap(on, Ordering::SeqCst);
    if before != on {
        let whole = WHOLE.load(Ordering::SeqCst);
        set_soft(if on { whole } else { whole - reserve_of(whole) });
    }
    before
}

/// How many descriptors are open.
pub fn open() -> usize {
    // Since Linux 6.2 the folder's size is the number; before, it is 0.
    let told = std::fs::metadata("/proc/self/fd").map_or(0, |folder| folder.len());
    if told > 0 {
        return told as usize;
    }
    // Without the one that reads them.
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1))
}

/// The soft limit from before the run, for a program that is started now; None: it is in force.
pub(crate) fn before() -> Option<u64> {
    match BEFORE.load(Ordering::Relaxed) {
        0 => None,
        before if before < WHOLE.load(Ordering::Relaxed) => Some(before),
        _ => None,
    }
}

/// In a forked process that is about to become another program. Async-signal-safe.
pub(crate) fn give_back() {
    if let Some(before) = before() {
        set_soft(before);
    }
}

/// Makes a call that starts a program, with the limit from before.
pub(crate) fn as_before<R>(call: impl FnOnce() -> R) -> R {
    let Some(before) = before() else {
        return call();
    };
    let now = limits().0;
    set_soft(before);
    let result = call();
    // SAFETY: errno of this thread, which the call may have set.
    let errno = unsafe { *libc::__errno_location() };
    set_soft(now);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    result
}
