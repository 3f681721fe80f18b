//! Calls that block inside libc, made on a thread of their own while the lane waits.
//!
//! Invariant: the thread owns all that it touches. A lane that is cancelled or destroyed meanwhile leaves it to finish and to clean up.
//! Invariant: the thread has all signals blocked, so that PHP's handlers never run on it.
#![expect(
    unsafe_code,
    reason = "a shared allocation is held as a raw pointer across the wait"
)]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use libc::{c_int, sigset_t};

use super::gate::{Deadline, Gate, Pauses, Waited, ready_now, set_errno};

/// More lanes than this wait for a thread. Counted up on the PHP thread, down on the helpers.
const MOST: usize = 64;
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// What the lane and the thread share; whoever is last drops it.
struct Shared<T> {
    /// An eventfd, written once when the thread is done.
    done: File,
    /// Written by the thread before that, taken by the lane.
    result: Mutex<Option<T>>,
}

/// Tells the lane even if the work has panicked.
struct Finish<T>(Arc<Shared<T>>);

impl<T> Drop for Finish<T> {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        // A fresh eventfd takes one write, so there is nothing to fail.
        let _ = (&self.0.done).write_all(&1_u64.to_ne_bytes());
    }
}

/// How the work ended, as far as the lane is concerned.
pub(super) enum Outcome<T> {
    Done(T),
    /// The work goes on by itself; its result will be dropped.
    Cancelled,
    /// There is no thread, and the work was not begun: make the real call.
    NotStarted,
}

/// Runs `work` on another thread. It is made by `prepare`, once there is a place for it: nothing that needs dropping may exist while
/// the lane waits.
pub(super) fn run<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
    gate: Gate,
    prepare: impl Fn() -> W,
) -> Outcome<T> {
    let mut pauses = Pauses::new();
    while RUNNING.load(Ordering::Relaxed) >= MOST {
        match gate.pause(pauses.next()) {
            Waited::Ready | Waited::TimedOut => {}
            Waited::Cancelled => return Outcome::Cancelled,
            Waited::Refused => return Outcome::NotStarted,
        }
    }
    let Some(shared) = start(prepare()) else {
        return Outcome::NotStarted;
    };
    // From here to the end of the wait this frame may be abandoned; the allocation is then leaked.
    let shared: *const Shared<T> = Arc::into_raw(shared);
    // SAFETY: this frame's own reference is counted.
    let done: RawFd = unsafe { &*shared }.done.as_raw_fd();
    let waited = gate.until_ready(done, libc::POLLIN, Deadline::NEVER);
    // SAFETY: made by `into_raw` above, once.
    let shared = unsafe { Arc::from_raw(shared) };
    if waited == Waited::Cancelled && !ready_now(done, libc::POLLIN) {
        return Outcome::Cancelled;
    }
    if waited == Waited::Refused {
        wait_for_real(done);
    }
    let result = shared
        .result
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    result.map_or(Outcome::NotStarted, Outcome::Done)
}

fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<Arc<Shared<T>>> {
    // SAFETY: takes two numbers.
    let done = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if done < 0 {
        return None;
    }
    let shared = Arc::new(Shared {
        // SAFETY: opened above, and owned by nobody else.
        done: unsafe { File::from_raw_fd(done) },
        result: Mutex::new(None),
    });
    RUNNING.fetch_add(1, Ordering::Relaxed);
    let finish = Finish(Arc::clone(&shared));
    let old = block_signals();
    let spawned = thread::Builder::new()
        .name("kqueue-helper".into())
        .spawn(move || {
            let finish = finish;
            let result = work();
            *finish
                .0
                .result
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
    restore_signals(&old);
    spawned.is_ok().then_some(shared)
}

/// A thread starts with its maker's mask.
fn block_signals() -> sigset_t {
    // SAFETY: a set of zeros is a valid one to be filled.
    let (mut all, mut old): (sigset_t, sigset_t) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: `all` is on this frame.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: both sets are on this frame.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old) };
    old
}

fn restore_signals(old: &sigset_t) {
    // SAFETY: `old` is a mask that this thread had.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, old, std::ptr::null_mut()) };
}

/// Blocks the whole thread until the helper is done.
fn wait_for_real(done: c_int) {
    let mut entry = libc::pollfd {
        fd: done,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, on this frame.
    while unsafe { libc::poll(&raw mut entry, 1, -1) } < 0 {}
    set_errno(0);
}
