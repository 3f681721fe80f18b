//! The run of this process, as everything above it sees it: its loop's state, its slices, and what its owner is told.
//!
//! Invariant: there is at most one session at a time, on the PHP thread, and it is only ever shared. What changes in it lies in cells
//! that are borrowed for moments in which no lane is switched and no PHP code runs.
#![expect(
    unsafe_code,
    reason = "hands the run to callbacks that Zend and libc call without arguments"
)]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::time::Instant;

use kqueue_engine::alarm::Alarm;
use kqueue_engine::runner::{Desk, Shared};
use kqueue_engine::scoreboard::Scoreboard;

use crate::exceptions::Fault;
use crate::slices::Slices;
use crate::zend::{self, Ending, Owned, call_function, sys};

/// What a run consists of beside its lanes.
pub(crate) struct Session {
    /// The state of the run's loop.
    pub(crate) desk: Shared,
    /// What the running slice costs.
    pub(crate) slices: Slices,
    /// What lanes have noted for each other, by name.
    pub(crate) notes: RefCell<HashMap<String, String>>,
    alarm: RefCell<Option<Alarm>>,
    /// The exception that escaped a lane or a callback, and ended the run.
    error: Cell<Option<Owned>>,
    /// The fatal error after which nothing may run PHP code in this process once the lanes have ended.
    fatal: RefCell<Option<String>>,
    /// The callable that is told of messages: a level and a text.
    on_message: Option<Owned>,
    board: Option<Arc<Scoreboard>>,
    /// The process that runs it.
    owner: u32,
}

impl Session {
    /// A session over this loop. `on_message` is told of what the run's owner should know.
    pub(crate) fn new(
        desk: Desk,
        board: Option<Arc<Scoreboard>>,
        on_message: Option<Owned>,
    ) -> Self {
        Self {
            desk: Rc::new(RefCell::new(desk)),
            slices: Slices::new(),
            notes: RefCell::default(),
            alarm: RefCell::default(),
            error: Cell::default(),
            fatal: RefCell::default(),
            on_message,
            board,
            owner: std::process::id(),
        }
    }

    /// Gives the run its alarm, which calls `ring` in a signal handler. It also rings for whoever writes to the runner's control socket.
    pub(crate) fn begin_alarm(&self, ring: extern "C" fn(i32)) -> Result<(), Fault> {
        let mut alarm = Alarm::new(ring)
            .map_err(|error| Fault::engine(format!("no timer for deadlines: {error}")))?;
        if let [_, Some(control)] = self.desk.borrow().signal_fds() {
            // Without it a lane that uses the processor hears of signals when it waits.
            let _ = alarm.watch(control);
        }
        *self.alarm.borrow_mut() = Some(alarm);
        Ok(())
    }

    /// Takes the alarm away.
    pub(crate) fn end_alarm(&self) {
        *self.alarm.borrow_mut() = None;
    }

    /// Sets the alarm, or (None) stops it.
    pub(crate) fn set_alarm(&self, moment: Option<Instant>) {
        if let Some(alarm) = &mut *self.alarm.borrow_mut() {
            alarm.set(moment);
        }
    }

    /// Takes the exception that ended the run.
    pub(crate) fn take_error(&self) -> Option<Owned> {
        self.error.take()
    }

    /// Whether a fatal error happened.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.fatal.borrow().is_some()
    }
}

/// The session of this process while its run is under way.
static CURRENT: AtomicPtr<Session> = AtomicPtr::new(ptr::null_mut());

/// The process of an isolated child; 0 in all others.
static CHILD: AtomicU32 = AtomicU32::new(0);

/// The alarm has rung, and nobody has looked why.
static RANG: AtomicBool = AtomicBool::new(false);

/// A session is this process's while this lives.
pub(crate) struct Entered<'session>(std::marker::PhantomData<&'session Session>);

impl<'session> Entered<'session> {
    /// Makes it the session of this process.
    pub(crate) fn new(session: &'session Session) -> Self {
        CURRENT.store(ptr::from_ref(session).cast_mut(), Ordering::Relaxed);
        Self(std::marker::PhantomData)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        forget();
    }
}

/// Forgets the session: its run is over, or this is a forked process, and the run is its parent's.
pub(crate) fn forget() {
    CURRENT.store(ptr::null_mut(), Ordering::Relaxed);
}

/// Looks at the session of this process; None if there is no run.
pub(crate) fn with<R>(body: impl FnOnce(&Session) -> R) -> Option<R> {
    let session = CURRENT.load(Ordering::Relaxed);
    // SAFETY: `Entered` keeps the session borrowed while it is stored here, in a frame of the PHP thread that all callers run above. It
    // is never borrowed mutably.
    unsafe { session.as_ref() }.map(body)
}

/// Whether a run is under way in this process, or in the one that it was forked from.
pub(crate) fn exists() -> bool {
    !CURRENT.load(Ordering::Relaxed).is_null()
}

/// Looks at the loop's state or changes it; None outside a run. The closure must not switch lanes or call PHP.
pub(crate) fn with_desk<R>(body: impl FnOnce(&mut Desk) -> R) -> Option<R> {
    with(|session| body(&mut session.desk.borrow_mut()))
}

/// Tells the run's owner, outside of all lanes; with nobody to tell, a warning is PHP's.
pub(crate) fn tell(level: &str, text: &str) {
    let copy = |callback: &Owned| Owned::copy(callback.as_ptr());
    let Some(callback) = with(|session| session.on_message.as_ref().map(copy)) else {
        return;
    };
    let [level_value, text_value] = [level, text].map(|text| zend::string(text.as_bytes()));
    let ending = match callback {
        Some(callback) => {
            let arguments = &mut [level_value.borrowed(), text_value.borrowed()];
            zend::call(callback.as_ptr(), arguments).0
        }
        None if level != "info" => {
            const E_USER_WARNING: i64 = 512;
            let text = zend::string(format!("KQueue: {text}").as_bytes());
            call_function(
                "trigger_error",
                &mut [text.borrowed(), zend::long(E_USER_WARNING)],
            )
            .0
        }
        None => return,
    };
    match ending {
        Ending::BailedOut => poison(),
        // An error handler may throw; there is no job here to throw it in.
        _ => drop(zend::take_exception()),
    }
}

/// Makes this process that of an isolated child.
pub(crate) fn become_child() {
    CHILD.store(std::process::id(), Ordering::Relaxed);
}

/// Whether this is a process that a job forked (`pcntl_fork`): there are no lanes here, though it looks like one, or it looks like an
/// isolated child, and must not speak for the job.
pub(crate) fn forked() -> bool {
    let process = std::process::id();
    let child = CHILD.load(Ordering::Relaxed);
    with(|session| session.owner != process).unwrap_or_default() || child != 0 && child != process
}

/// Whether a run is under way, and it is this very process that runs it.
pub(crate) fn is_ours() -> bool {
    with(|session| session.owner == std::process::id()).unwrap_or_default()
}

/// Ends a process that a job forked. The lanes and what they do next are the parent's alone.
///
/// It ends as our own children do: output is written, but neither shutdown functions nor destructors of the parent run.
pub(crate) fn leave_if_forked(ending: Ending) {
    if !forked() {
        return;
    }
    let status = match ending {
        Ending::Returned => 0,
        Ending::Exited => zend::exit_status(),
        Ending::Threw => {
            zend::show_exception();
            255
        }
        Ending::BailedOut => 255,
    };
    zend::flush_output();
    exit_now(status);
}

/// Ends the process without shutdown functions or destructors.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(status) }
}

/// Takes what escaped a call into PHP that a lane made as its work: an exception is the run's error, and ends it.
pub(crate) fn note_ending(ending: Ending) {
    match ending {
        _ if !exists() => {}
        Ending::Returned | Ending::Exited => drop(zend::take_exception()),
        Ending::Threw => {
            let exception = zend::take_exception();
            let late = with(|session| {
                let first = session.error.take();
                let is_first = first.is_none();
                let (kept, late) = if is_first {
                    (exception, None)
                } else {
                    (first, exception)
                };
                session.error.set(kept);
                session.desk.borrow_mut().stop(1, "error");
                late
            });
            // Its destructors may run PHP code.
            drop(late);
        }
        Ending::BailedOut => poison(),
    }
}

/// Gives the process up after a fatal error: nothing more is reserved, the other lanes end, and the process is replaced. The job in
/// whose lane it happened is guilty.
pub(crate) fn poison() {
    with(|session| {
        let message =
            zend::last_fatal().unwrap_or_else(|| "a fatal error without a message".into());
        if let Some(board) = &session.board
            && let Some(lane) = board.running()
        {
            board.set_fatal(lane, &message);
        }
        session.fatal.borrow_mut().get_or_insert(message);
        // SAFETY: on the PHP thread; the jump left regions that count themselves.
        unsafe { sys::kq_reset_blocks() };
        // SAFETY: on the PHP thread; what still runs may have the memory that there is.
        unsafe { sys::kq_lift_memory_limit() };
        session.desk.borrow_mut().stop(255, "fatal");
    });
}

/// Notes that the alarm has rung. In a signal handler: one atomic store.
pub(crate) fn alarm_rang() {
    RANG.store(true, Ordering::Relaxed);
}

/// If the alarm has rung: looks whether the running slice is slow, and where it is then. Also as a slice ends, for one that spent its
/// time in a single call of C code.
pub(crate) fn look_at_slice(in_lane: bool) {
    if RANG.swap(false, Ordering::Relaxed) {
        with(|session| session.slices.rang(in_lane));
    }
}
