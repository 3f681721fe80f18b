//! Lanes for tests: stacks of their own, switched by hand on one thread, and a scheduler that polls.
//!
//! It does in 100 lines what the extension does over Zend, so that hooks are suspended and resumed for real.
use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::time::{Duration, Instant};

use kqueue_engine::interpose::{Waiter, Woken};
use libc::{pollfd, ucontext_t};

const STACK: usize = 512 * 1024;

struct Lane {
    context: UnsafeCell<ucontext_t>,
    _stack: Vec<u8>,
    work: Cell<Option<Box<dyn FnOnce()>>>,
    wanted: Cell<(*const pollfd, usize)>,
    deadline: Cell<Option<Instant>>,
    woken: Cell<Woken>,
    done: Cell<bool>,
    waits: Cell<usize>,
}

thread_local! {
    static CURRENT: Cell<*const Lane> = const { Cell::new(ptr::null()) };
    static SCHEDULER: UnsafeCell<ucontext_t> = const { UnsafeCell::new(empty()) };
    static CANCELLED: Cell<Option<Instant>> = const { Cell::new(None) };
}

const fn empty() -> ucontext_t {
    // SAFETY: a context of zeros is a valid one to be filled.
    unsafe { std::mem::zeroed() }
}

/// The waiter of lanes that [`run`] runs.
pub(crate) struct Lanes;

impl Waiter for Lanes {
    fn can_suspend(&self) -> bool {
        !CURRENT.get().is_null()
    }

    fn wait(&self, fds: &[pollfd], timeout: Option<Duration>) -> Woken {
        // SAFETY: `can_suspend` said that there is a lane; it lives until `run` returns.
        let lane = unsafe { &*CURRENT.get() };
        if CANCELLED.get().is_some_and(|at| Instant::now() >= at) {
            return Woken::Cancelled;
        }
        lane.wanted.set((fds.as_ptr(), fds.len()));
        lane.deadline
            .set(timeout.map(|timeout| Instant::now() + timeout));
        lane.waits.set(lane.waits.get() + 1);
        lane.leave();
        lane.woken.get()
    }
}

extern "C" fn enter() {
    // SAFETY: set by `resume`.
    let lane = unsafe { &*CURRENT.get() };
    let work = lane.work.take().expect("entered once");
    work();
    lane.done.set(true);
    lane.leave();
    unreachable!("resumed after its end");
}

impl Lane {
    fn new(work: Box<dyn FnOnce()>) -> Box<Self> {
        let mut stack = vec![0; STACK];
        let mut context = empty();
        // SAFETY: fills it.
        unsafe { libc::getcontext(&raw mut context) };
        context.uc_stack.ss_sp = stack.as_mut_ptr().cast();
        context.uc_stack.ss_size = STACK;
        let lane = Box::new(Self {
            context: UnsafeCell::new(context),
            _stack: stack,
            work: Cell::new(Some(work)),
            wanted: Cell::new((ptr::null(), 0)),
            deadline: Cell::new(None),
            woken: Cell::new(Woken::Ready),
            done: Cell::new(false),
            waits: Cell::new(0),
        });
        // SAFETY: the context is where it stays, and its stack lives as long.
        unsafe { libc::makecontext(lane.context.get(), enter, 0) };
        lane
    }

    fn resume(&self, woken: Woken) {
        self.woken.set(woken);
        CURRENT.set(self);
        SCHEDULER.with(|scheduler| {
            // SAFETY: a context that `makecontext` or `leave` has left.
            unsafe { libc::swapcontext(scheduler.get(), self.context.get()) }
        });
        CURRENT.set(ptr::null());
    }

    /// Back to the scheduler, until resumed.
    fn leave(&self) {
        SCHEDULER.with(|scheduler| {
            // SAFETY: the scheduler's context was saved by the swap that resumed this lane.
            unsafe { libc::swapcontext(self.context.get(), scheduler.get()) }
        });
    }

    fn fds(&self) -> &[pollfd] {
        let (fds, count) = self.wanted.get();
        if count == 0 {
            return &[];
        }
        // SAFETY: what `wait` was given, and it has not returned.
        unsafe { std::slice::from_raw_parts(fds, count) }
    }
}

/// Runs all `works` side by side, each in a lane, and returns how often each was suspended.
pub(crate) fn run(works: Vec<Box<dyn FnOnce()>>) -> Vec<usize> {
    schedule(works, None)
}

/// As [`run`], but cancels what still waits after `limit`.
pub(crate) fn run_for(limit: Duration, works: Vec<Box<dyn FnOnce()>>) -> Vec<usize> {
    schedule(works, Some(limit))
}

fn schedule(works: Vec<Box<dyn FnOnce()>>, limit: Option<Duration>) -> Vec<usize> {
    let lanes: Vec<_> = works.into_iter().map(Lane::new).collect();
    CANCELLED.set(limit.map(|limit| Instant::now() + limit));
    for lane in &lanes {
        lane.resume(Woken::Ready);
    }
    while lanes.iter().any(|lane| !lane.done.get()) {
        let waiting: Vec<_> = lanes.iter().filter(|lane| !lane.done.get()).collect();
        let mut all: Vec<pollfd> = waiting
            .iter()
            .flat_map(|lane| lane.fds().iter().copied())
            .collect();
        let next = waiting
            .iter()
            .filter_map(|lane| lane.deadline.get())
            .chain(CANCELLED.get())
            .min();
        let millis = next.map_or(-1, |next| {
            next.saturating_duration_since(Instant::now())
                .as_micros()
                .div_ceil(1000) as i32
        });
        // SAFETY: the vector's own entries.
        unsafe { libc::poll(all.as_mut_ptr(), all.len() as libc::nfds_t, millis) };
        let now = Instant::now();
        let mut answers = all.iter();
        let woken: Vec<_> = waiting
            .iter()
            .map(|lane| {
                let ready = answers
                    .by_ref()
                    .take(lane.fds().len())
                    .filter(|entry| entry.revents != 0)
                    .count()
                    > 0;
                match lane.deadline.get() {
                    _ if CANCELLED.get().is_some_and(|at| now >= at) => Some(Woken::Cancelled),
                    _ if ready => Some(Woken::Ready),
                    Some(deadline) if now >= deadline => Some(Woken::TimedOut),
                    _ => None,
                }
            })
            .collect();
        for (lane, woken) in waiting.into_iter().zip(woken) {
            if let Some(woken) = woken {
                lane.resume(woken);
            }
        }
    }
    CANCELLED.set(None);
    lanes.iter().map(|lane| lane.waits.get()).collect()
}
