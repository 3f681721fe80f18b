//! Lanes: a stack, a share of PHP's globals, statics of its own, and what it runs. The only code that switches contexts.
//!
//! A lane says what it wants in its own `pause` and leaves; the runner's loop reads it, and puts its answer into `wake` before it
//! lets the lane go on. So no hook touches the reactor, and no borrow of the desk is open during a switch.
//!
//! Invariant: lanes are entered from the scheduler's context only and leave to it only, never lane to lane.
#![expect(unsafe_code, reason = "switches stacks")]

pub(crate) mod beside;
pub(crate) mod guards;
pub(crate) mod includes;
pub(crate) mod memory;
pub(crate) mod names;
pub(crate) mod nested;
mod select;
mod signals;
pub(crate) mod slices;
mod table;
pub(crate) mod waits;

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use kqueue_core::permits::Permit;
use kqueue_core::scheduler::LaneId;
use kqueue_engine::interpose::{Waiter, Woken};
use kqueue_engine::runner::{Descriptors, Pause, Wake};

use self::beside::Group;
use self::slices::Cost;
pub(crate) use self::table::{Table, drop_own, leave_request};
use crate::run;
use crate::state::globals::Globals;
use crate::state::settings::Settings;
use crate::state::variables::LaneVariables;
use crate::zend::{self, Ending, Owned, sys};

/// What a lane runs, on its own stack. It returns when the lane is to end.
pub(crate) trait Work {
    /// The lane's main function. No frame of it may own anything while it is suspended, or that leaks with an abandoned lane.
    fn run(&self, lane: LaneId);
}

/// How a lane's statics begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Birth {
    /// It uses the process's own: the plain runtime.
    Common,
    /// As declared; the lane boots its application itself.
    Declared,
    /// As a copy of the template's.
    Cloned,
}

/// One lane.
pub(crate) struct Lane {
    context: sys::kq_context,
    id: LaneId,
    globals: Globals,
    settings: Settings,
    /// None: it uses the process's.
    own: Option<LaneVariables>,
    pause: Pause,
    wake: Wake,
    insistence: Insistence,
    /// What is to be thrown as soon as PHP code runs again.
    fault: Option<String>,
    /// What waits below while a pristine application runs one job here.
    below: Option<Box<nested::Below>>,
    cost: Cost,
    memory: memory::Limit,
    work: *const dyn Work,
    /// It settles a job, perhaps with a permit to use descriptors that are kept back (0: it needed none).
    settling: Option<Permit>,
    /// The job that it ran last, and the seconds that this had, if there was a limit.
    last_job: Option<(String, f64)>,
    /// What its job wants to have called when a stop signal comes.
    on_signal: Option<Owned>,
    /// The lane in whose world it runs, since it helps with its job; null for most.
    owner: *mut Lane,
    /// What runs beside it.
    group: *const Group,
}

impl Lane {
    /// The lane whose job this one runs: itself for most.
    ///
    /// # Safety
    /// The lane is alive. Its owner then is: it waits for this lane.
    unsafe fn world(lane: *mut Self) -> *mut Self {
        // SAFETY: as above.
        let owner = unsafe { (*lane).owner };
        if owner.is_null() { lane } else { owner }
    }
}

/// How the exception of a cancelled lane is thrown: at once, again after each wait that failed, and again after a while in which the
/// lane did not wait. An alarm may be another lane's, and must not disturb this one's clearing up before that.
#[derive(Debug, Clone, Copy)]
struct Insistence {
    due: bool,
    thrown: u32,
    again_at: Option<Instant>,
}

impl Insistence {
    const NEW: Self = Self {
        due: true,
        thrown: 0,
        again_at: None,
    };

    fn is_due(&self, now: Instant) -> bool {
        self.due || self.again_at.is_some_and(|moment| moment <= now)
    }
}

/// A lane that goes on computing after its exception gets it again after this time.
const THROW_AGAIN: Duration = Duration::from_millis(100);

/// Code that has caught this many of them catches them all: it is left without asking it.
const THROWN_AT_MOST: u32 = 10;

/// What a cancelled lane gets as it runs PHP code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// Nothing yet.
    Patience,
    /// An exception.
    Throw,
    /// What exit() throws: neither `catch` nor `finally` sees it.
    Leave,
}

/// The lane that is running; null in the scheduler. Read by hooks before anything else.
static CURRENT: AtomicPtr<Lane> = AtomicPtr::new(ptr::null_mut());

/// The suspended lane in whose world the scheduler's context calls something; null if there is none. To hooks no lane is running then.
static VISITED: AtomicPtr<Lane> = AtomicPtr::new(ptr::null_mut());

/// The running lane's number.
pub(crate) fn current() -> Option<LaneId> {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: set by `resume` to a lane that lives until after it has left.
    (!lane.is_null()).then(|| unsafe { (*lane).id })
}

/// The running lane's number, if the job is its own and it does not only help with it.
pub(crate) fn current_owner() -> Option<LaneId> {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: as in `current`.
    (!lane.is_null() && unsafe { (*lane).owner.is_null() })
        .then(current)
        .flatten()
}

/// The lane whose job is running: the running one, or the one that it helps.
fn current_job() -> Option<LaneId> {
    let lane = live();
    // SAFETY: it and its owner are alive.
    (!lane.is_null()).then(|| unsafe { (*Lane::world(lane)).id })
}

/// Gives up the processor until the loop has an answer.
pub(crate) fn suspend(pause: Pause) -> Wake {
    let lane = CURRENT.load(Ordering::Relaxed);
    assert!(!lane.is_null(), "only a lane can be suspended");
    if !matches!(pause, Pause::Wait { .. }) {
        // The hooks do not wait in a process that a job has forked; whatever else would reach the loop must not.
        run::leave_if_forked(Ending::Returned);
    }
    run::look_at_slice();
    // SAFETY: this runs on the lane's stack; the box does not move. The loop may free the lane only after it has ended.
    unsafe {
        (*lane).pause = pause;
        sys::kq_context_leave(&raw mut (*lane).context);
        (*lane).wake
    }
}

/// In a cancelled lane: what it gets now.
pub(crate) fn sentence() -> Sentence {
    let lane = CURRENT.load(Ordering::Relaxed);
    if lane.is_null() {
        return Sentence::Patience;
    }
    // SAFETY: the running lane.
    let insistence = unsafe { &mut (*lane).insistence };
    let now = Instant::now();
    if !insistence.is_due(now) {
        return Sentence::Patience;
    }
    insistence.due = false;
    insistence.thrown += 1;
    insistence.again_at = Some(now + THROW_AGAIN);
    if insistence.thrown > THROWN_AT_MOST {
        return Sentence::Leave;
    }
    Sentence::Throw
}

/// In a cancelled lane: whether it would get something now.
pub(crate) fn is_sentence_due() -> bool {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane.
    unsafe { lane.as_ref() }.is_some_and(|lane| lane.insistence.is_due(Instant::now()))
}

/// When the running lane is to be asked again, if it was told to end and has not.
pub(crate) fn asked_again_at() -> Option<Instant> {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane.
    unsafe { lane.as_ref() }.and_then(|lane| lane.insistence.again_at)
}

/// In a lane: its exception is due again, since a wait has failed.
pub(crate) fn insist() {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane; stores a flag.
        unsafe {
            (*lane).insistence.due = true;
            sys::kq_request_interrupt();
        }
    }
}

/// In a lane: what its last call failed for, if it was not to be made at all.
pub(crate) fn take_fault() -> Option<String> {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane.
    (!lane.is_null())
        .then(|| unsafe { (*lane).fault.take() })
        .flatten()
}

/// In a lane: whether there is such.
pub(crate) fn has_fault() -> bool {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane.
    unsafe { lane.as_ref() }.is_some_and(|lane| lane.fault.is_some())
}

/// In a lane: what it has thrown concerned an earlier job.
pub(crate) fn forgive() {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane.
        unsafe {
            (*lane).insistence = Insistence::NEW;
            (*lane).fault = None;
        }
    }
}

/// In a lane: its last job.
pub(crate) fn last_job<'a>() -> Option<&'a (String, f64)> {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane, which sets it between its jobs only.
    unsafe { lane.as_ref() }.and_then(|lane| lane.last_job.as_ref())
}

/// In a lane: a job begins.
pub(crate) fn set_last_job(name: String, seconds: f64) {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane.
        unsafe { (*lane).last_job = (seconds > 0.0).then_some((name, seconds)) };
    }
}

/// In a lane: what is to be called when a stop signal comes, from now on.
pub(crate) fn on_signal(callback: Option<Owned>) {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane. The old one is dropped after it has been replaced: its destructors may come here again.
        drop(unsafe { std::mem::replace(&mut (*lane).on_signal, callback) });
    }
}

/// In a lane: it settles a job from now on, or does no more. Returns what was so before.
pub(crate) fn set_settling(settling: Option<Permit>) -> Option<Permit> {
    let lane = CURRENT.load(Ordering::Relaxed);
    if lane.is_null() {
        return None;
    }
    // SAFETY: the running lane.
    unsafe { std::mem::replace(&mut (*lane).settling, settling) }
}

/// In a lane, after a job: nothing of its output buffers and handlers is left for the next one.
/// False: a fatal error in an output callback.
pub(crate) fn renew_globals() -> bool {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane; its own code is the only one to look at its globals meanwhile.
    lane.is_null() || (zend::run_shutdown_functions() && unsafe { (*lane).globals.renew() })
}

/// In a lane: the settings that it has changed are as before.
pub(crate) fn reset_settings() {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane, which a job is about to leave, so nothing helps with it.
        unsafe {
            Settings::reset(&raw mut (*lane).settings);
            (*lane).globals.end_modules();
        }
    }
}

/// In a lane that helps with a job: it has ended.
pub(crate) fn end_modules() {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane.
        unsafe { (*lane).globals.end_modules() };
    }
}

/// The lane whose world is live: the running one, or a suspended one in which the scheduler's context calls something.
fn live() -> *mut Lane {
    let running = CURRENT.load(Ordering::Relaxed);
    if running.is_null() {
        VISITED.load(Ordering::Relaxed)
    } else {
        running
    }
}

/// The lane in whose world PHP code runs now: the running one, or that which it helps, or a suspended one that is called in.
pub(crate) fn live_owner() -> Option<LaneId> {
    let lane = live();
    // SAFETY: it and its owner are alive.
    (!lane.is_null()).then(|| unsafe { (*Lane::world(lane)).id })
}

/// The settings of the lane whose world is live, or of that which it helps. The closure must not switch lanes.
pub(crate) fn with_settings(body: impl FnOnce(&mut Settings)) {
    let lane = live();
    if !lane.is_null() {
        // SAFETY: it and its owner are alive; settings are looked at here and between turns only.
        body(unsafe { &mut (*Lane::world(lane)).settings });
    }
}

/// Whether the running lane may be suspended here.
pub(crate) fn can_suspend() -> bool {
    Hooks.can_suspend() && !is_midway()
}

/// Whether the running lane is in the middle of what the engine does with state of the process.
fn is_midway() -> bool {
    // SAFETY: reads the frames that are running, on the PHP thread.
    unsafe { sys::kq_is_midway() }
}

/// In a lane that uses the processor: lets the loop go round once, if the lane may be suspended here.
pub(crate) fn step_aside() {
    if can_suspend() {
        suspend(Pause::Wait {
            fds: Descriptors::NONE,
            timeout: Some(Duration::ZERO),
        });
    }
}

/// In a forked process: there are no lanes here.
pub(crate) fn forget_all() {
    CURRENT.store(ptr::null_mut(), Ordering::Relaxed);
}

/// What the hooks ask.
pub(crate) struct Hooks;

/// Off where hooks do not reach the calls: the self-test must find that.
static SUSPENDS: AtomicBool = AtomicBool::new(true);

impl Hooks {
    /// Takes the tests' switch into account.
    pub(crate) fn prepare() {
        let on = std::env::var_os("KQUEUE_TEST_WITHOUT_HOOKS").is_none();
        SUSPENDS.store(on, Ordering::Relaxed);
    }
}

impl Waiter for Hooks {
    fn can_suspend(&self) -> bool {
        // SAFETY: reads globals; the hooks have checked that this is the PHP thread.
        !CURRENT.load(Ordering::Relaxed).is_null()
            && SUSPENDS.load(Ordering::Relaxed)
            && unsafe { !sys::kq_in_scheduler() && !sys::kq_switch_blocked() }
    }

    fn wait(&self, fds: &[libc::pollfd], timeout: Option<Duration>) -> Woken {
        if is_midway() {
            return Woken::Refused;
        }
        // SAFETY: the hook's caller, whose array it is, is suspended with us.
        let fds = unsafe { Descriptors::new(fds) };
        match suspend(Pause::Wait { fds, timeout }) {
            Wake::Woken(Woken::Cancelled) => {
                // The exception follows as soon as PHP code runs again.
                insist();
                Woken::Cancelled
            }
            Wake::Woken(Woken::Barred) => {
                // SAFETY: stores a flag.
                unsafe { sys::kq_request_interrupt() };
                Woken::Barred
            }
            Wake::Woken(woken) => woken,
            Wake::Start
            | Wake::Granted(_)
            | Wake::News
            | Wake::Tidy
            | Wake::Permit(_)
            | Wake::Child(_) => Woken::Ready,
        }
    }

    fn grew(&self) {
        memory::grew();
    }

    fn lane(&self) -> Option<u32> {
        let lane = CURRENT.load(Ordering::Relaxed);
        // SAFETY: the running lane, and the one that it helps, which is alive.
        (!lane.is_null()).then(|| unsafe { (*Lane::world(lane)).id })
    }

    fn keeps_apart(&self) -> bool {
        let lane = CURRENT.load(Ordering::Relaxed);
        // SAFETY: as above.
        !lane.is_null() && unsafe { (*Lane::world(lane)).own.is_some() }
    }

    fn forks_to_go_on(&self) -> bool {
        // SAFETY: on the PHP thread, as the hooks have checked.
        unsafe { sys::kq_forks_itself() }
    }

    fn must_end(&self) -> bool {
        run::must_end()
    }

    fn claim(&self, fd: libc::c_int) -> bool {
        let lane = CURRENT.load(Ordering::Relaxed);
        // SAFETY: the gate is open, so there is a running lane.
        let id = unsafe { (*lane).id };
        while !run::with_desk(|desk| desk.claim(id, fd)).unwrap_or(true) {
            if is_midway() {
                return true;
            }
            if suspend(Pause::Turn) == Wake::Woken(Woken::Cancelled) {
                insist();
                return false;
            }
        }
        true
    }
}
