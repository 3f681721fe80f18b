//! Callables that run side by side for one job: each in a lane of its own, in the world of the lane that has the job. It shares that
//! lane's statics, and has a stack, output buffers and error handlers of its own.
//!
//! Invariant: a group lies in a frame of the lane that waits for it, and that lane goes on only when no lane of the group is left.
//! Invariant: the state is borrowed for moments only; no PHP code runs meanwhile, destructors neither.
#![expect(unsafe_code, reason = "sets a global, and the group of a lane")]

use std::cell::RefCell;
use std::ptr;

use kqueue_core::scheduler::LaneId;
use kqueue_engine::interpose::Woken;
use kqueue_engine::runner::{Pause, Wake};

use super::{Helpers, Work, end_modules, renew_globals, rethrow, running, suspend};
use crate::session::{self, with_desk};
use crate::zend::{self, Ending, Owned, sys};

/// See the module's words.
pub(crate) struct HelperGroup {
    state: RefCell<State>,
    limit: usize,
    /// The code that waits has an output buffer: what is written is for that, in the order of the callables.
    buffered: bool,
    error_reporting: i32,
}

struct State {
    callables: Vec<Option<Owned>>,
    results: Vec<Option<Owned>>,
    outputs: Vec<Option<Owned>>,
    failure: Option<Failure>,
    /// How many have a lane, or had one.
    forked: usize,
    /// How many of these have begun.
    begun: usize,
    running: usize,
}

/// What ended it all. The first one counts.
pub(crate) enum Failure {
    /// A callable threw this.
    Threw(Owned),
    /// A callable called exit(), which is meant for the whole job.
    Exited,
    /// A fatal error.
    Fatal,
}

/// Whether callables can run side by side here: in a lane, and not where it must not be suspended.
pub(crate) fn possible() -> bool {
    session::is_ours() && super::can_suspend()
}

impl HelperGroup {
    /// Of these callables, at most `limit` at once.
    pub(crate) fn new(callables: Vec<Owned>, limit: usize) -> Self {
        let count = callables.len();
        let nothing = || (0..count).map(|_| None).collect();
        Self {
            state: RefCell::new(State {
                callables: callables.into_iter().map(Some).collect(),
                results: nothing(),
                outputs: nothing(),
                failure: None,
                forked: 0,
                begun: 0,
                running: 0,
            }),
            limit,
            // SAFETY: reads globals.
            buffered: unsafe { sys::kq_has_output_buffer() },
            // SAFETY: reads a global.
            error_reporting: unsafe { sys::executor_globals.error_reporting },
        }
    }

    /// In a lane: runs all of them. The results, or what the first failure was.
    pub(crate) fn run_all(&self) -> Result<Vec<Option<Owned>>, Failure> {
        let lane = running();
        // SAFETY: the running lane. A group of this lane that is under way (a Fiber of its may have one) cannot be: it would wait.
        unsafe { (*lane).helpers = Some(ptr::from_ref::<dyn Helpers>(self)) };
        let wake = suspend(Pause::Join);
        // SAFETY: as above.
        unsafe { (*lane).helpers = None };
        if wake == Wake::Woken(Woken::Cancelled) {
            rethrow();
        }
        // Those for which there was no memory for a stack.
        // SAFETY: names the running lane.
        let id = unsafe { (*lane).id };
        while let Some(index) = self.next() {
            self.call(id, index);
        }
        let outputs = std::mem::take(&mut self.state.borrow_mut().outputs);
        for output in outputs.into_iter().flatten() {
            if let Some(text) = zend::bytes(&output) {
                // SAFETY: bytes and their length.
                unsafe { sys::kq_write_output(text.as_ptr().cast(), text.len()) };
            }
        }
        let mut state = self.state.borrow_mut();
        match state.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut state.results)),
        }
    }

    /// One that has no lane and never will.
    fn next(&self) -> Option<usize> {
        let mut state = self.state.borrow_mut();
        if state.failure.is_some() || state.forked >= state.callables.len() {
            return None;
        }
        state.forked += 1;
        state.begun += 1;
        Some(state.begun - 1)
    }

    /// Calls one of them, in whatever lane.
    fn call(&self, lane: LaneId, index: usize) {
        let Some(callable) = self.state.borrow_mut().callables[index].take() else {
            return;
        };
        let (ending, result) = zend::call(callable.as_ptr(), &mut []);
        session::leave_if_forked(ending);
        match ending {
            Ending::Returned => {
                let old = self.state.borrow_mut().results[index].replace(result);
                drop(old);
            }
            Ending::Threw => match zend::take_exception() {
                Some(exception) => self.fail(lane, Failure::Threw(exception)),
                None => self.fail(lane, Failure::Exited),
            },
            Ending::Exited => {
                zend::take_exception();
                // It may be what ends a callable that catches its cancellation again and again.
                let (cancelled, overdue) =
                    with_desk(|desk| (desk.is_cancelled(lane), desk.is_overdue(lane)))
                        .unwrap_or_default();
                if overdue || !cancelled {
                    self.fail(lane, Failure::Exited);
                }
            }
            Ending::BailedOut => {
                session::poison();
                self.fail(lane, Failure::Fatal);
            }
        }
        drop(callable);
    }

    fn fail(&self, lane: LaneId, failure: Failure) {
        let mut state = self.state.borrow_mut();
        let first = state.failure.is_none();
        let late = if first {
            state.failure = Some(failure);
            None
        } else {
            Some(failure)
        };
        drop(state);
        drop(late);
        if first {
            with_desk(|desk| desk.cancel_beside(lane));
        }
    }

    fn keep_output(&self, lane: LaneId, index: usize) {
        let mut text = zend::undef();
        // SAFETY: the buffer was begun in `run`; the text is ours.
        let whole = unsafe { sys::kq_take_output(&raw mut text) };
        let text = Owned::from_raw(text);
        if zend::kind(text.as_ptr()) == sys::IS_STRING {
            self.state.borrow_mut().outputs[index] = Some(text);
        }
        if !whole {
            session::poison();
            self.fail(lane, Failure::Fatal);
        }
    }
}

impl Work for HelperGroup {
    fn run(&self, lane: LaneId) {
        let index = {
            let mut state = self.state.borrow_mut();
            state.begun += 1;
            state.begun - 1
        };
        let wanted = self.state.borrow().failure.is_none()
            && with_desk(|desk| !desk.is_cancelled(lane)).unwrap_or_default();
        if wanted {
            // SAFETY: on the lane's own stack; the engine keeps the level apart for each.
            unsafe {
                sys::executor_globals.error_reporting = self.error_reporting;
                if self.buffered {
                    sys::kq_start_output();
                }
            }
            self.call(lane, index);
            if self.buffered {
                self.keep_output(lane, index);
            }
            if !renew_globals() {
                session::poison();
                self.fail(lane, Failure::Fatal);
            }
            end_modules();
        }
        self.state.borrow_mut().running -= 1;
    }
}

impl Helpers for HelperGroup {
    fn want_lane(&self) -> bool {
        let state = self.state.borrow();
        state.failure.is_none()
            && state.forked < state.callables.len()
            && state.running < self.limit
    }

    fn have_lane(&self) {
        let mut state = self.state.borrow_mut();
        state.forked += 1;
        state.running += 1;
    }
}
