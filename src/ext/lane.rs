//! Lanes: a stack, a share of PHP's globals, statics of its own, and what it runs. The only code that switches contexts.
//!
//! A lane says what it wants in its own `pause` and leaves; the runner's loop reads it, and puts its answer into `wake` before it
//! lets the lane go on. So no hook touches the reactor, and no borrow of the desk is open during a switch.
//!
//! Invariant: lanes are entered from the scheduler's context only and leave to it only, never lane to lane.
#![expect(unsafe_code, reason = "switches stacks")]

pub(crate) mod cancellation;
pub(crate) mod concurrent;
pub(crate) mod fresh;
pub(crate) mod interrupt;
pub(crate) mod memory;
pub(crate) mod names;
mod outer;
pub(crate) mod permit;
pub(crate) mod table;
pub(crate) mod waiter;

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use kqueue_core::permits::Permit;
use kqueue_core::scheduler::LaneId;
use kqueue_engine::runner::{Descriptors, Pause, Wake};

use self::cancellation::{CancelAction, CancelState};
use self::outer::Outer;
use crate::session;
use crate::slices::Cost;
use crate::state::globals::Globals;
use crate::state::settings::Settings;
use crate::state::variables::LaneVariables;
use crate::zend::{self, Ending, Owned, sys};

/// What a lane runs, on its own stack. It returns when the lane is to end.
pub(crate) trait Work {
    /// The lane's main function. No frame of it may own anything while it is suspended, or that leaks with an abandoned lane.
    fn run(&self, lane: LaneId);
}

/// What runs beside a lane, for its job, each part of it in a lane of its own.
pub(crate) trait Helpers: Work {
    /// Whether a lane should be made for one of them now.
    fn want_lane(&self) -> bool;
    /// A lane was made for one of them.
    fn have_lane(&self);
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

/// What one job may have of the memory that all lanes share.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MemoryLimit {
    /// 0: none.
    bytes: usize,
    /// With more than this the job gets an exception.
    next: usize,
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
    cancel: CancelState,
    /// What is to be thrown as soon as PHP code runs again: why its last call was not made.
    call_error: Option<String>,
    /// What waits below while a pristine application runs one job here.
    outer: Option<Box<Outer>>,
    cost: Cost,
    memory: MemoryLimit,
    work: *const dyn Work,
    /// It settles a job, perhaps with a permit to use descriptors that are kept back (0: it needed none).
    settling: Option<Permit>,
    /// The job that it ran last, and the seconds that this had, if there was a limit.
    last_job: Option<(String, f64)>,
    /// How many jobs it has taken.
    jobs: u32,
    /// What its job wants to have called when a stop signal comes.
    on_signal: Option<Owned>,
    /// The lane in whose world it runs, since it helps with its job; null for most.
    owner: *mut Lane,
    /// What runs beside it.
    helpers: Option<*const dyn Helpers>,
}

impl Lane {
    /// The lane whose job this one runs: itself for most.
    ///
    /// # Safety
    /// The lane is alive. Its owner then is: it waits for this lane.
    unsafe fn world(lane: *mut Self) -> *mut Self {
        // SAFETY: alive by this function's contract.
        let owner = unsafe { (*lane).owner };
        if owner.is_null() { lane } else { owner }
    }
}

/// The lane that is running; null in the scheduler. Read by hooks before anything else.
static CURRENT: AtomicPtr<Lane> = AtomicPtr::new(ptr::null_mut());

/// The suspended lane in whose world the scheduler's context calls something; null if there is none. To hooks no lane is running then.
static CALLED_IN: AtomicPtr<Lane> = AtomicPtr::new(ptr::null_mut());

/// Off where hooks do not reach the calls: the self-test must find that.
static SUSPENDS: AtomicBool = AtomicBool::new(true);

/// The running lane; null in the scheduler.
fn running() -> *mut Lane {
    CURRENT.load(Ordering::Relaxed)
}

/// Looks at the running lane or changes it; None in the scheduler. The closure must not switch lanes or call PHP.
fn with_running<R>(body: impl FnOnce(&mut Lane) -> R) -> Option<R> {
    // SAFETY: `resume` sets it to a lane that lives until after it has left. Everything here is on the PHP thread, and nobody else
    // looks at the lane while the closure does.
    unsafe { running().as_mut() }.map(body)
}

/// The running lane's number.
pub(crate) fn current() -> Option<LaneId> {
    with_running(|lane| lane.id)
}

/// The running lane's number, if the job is its own and it does not only help with it.
pub(crate) fn current_owner() -> Option<LaneId> {
    with_running(|lane| lane.owner.is_null().then_some(lane.id)).flatten()
}

/// Gives up the processor until the loop has an answer.
pub(crate) fn suspend(pause: Pause) -> Wake {
    let lane = running();
    assert!(!lane.is_null(), "only a lane can be suspended");
    if !matches!(pause, Pause::Wait { .. }) {
        // The hooks do not wait in a process that a job has forked; whatever else would reach the loop must not.
        session::leave_if_forked(Ending::Returned);
    }
    session::look_at_slice(true);
    // SAFETY: this runs on the lane's stack; the box does not move. The loop may free the lane only after it has ended.
    unsafe {
        (*lane).pause = pause;
        sys::kq_context_leave(&raw mut (*lane).context);
        (*lane).wake
    }
}

/// Decides what the running lane gets now, if it is cancelled; it has it then.
pub(crate) fn take_cancel_action() -> CancelAction {
    with_running(|lane| lane.cancel.take(Instant::now())).unwrap_or(CancelAction::None)
}

/// Whether the running lane would get something now, if it is cancelled.
pub(crate) fn is_cancel_due() -> bool {
    with_running(|lane| lane.cancel.is_due(Instant::now())).unwrap_or_default()
}

/// When the running lane is to be looked at again, if it was told to end and has not.
pub(crate) fn cancel_again_at() -> Option<Instant> {
    with_running(|lane| lane.cancel.again_at()).flatten()
}

/// Makes the running lane's exception due again, since a wait has failed.
pub(crate) fn rethrow() {
    with_running(|lane| {
        lane.cancel.rethrow();
        // SAFETY: stores a flag.
        unsafe { sys::kq_request_interrupt() };
    });
}

/// Forgets what the running lane was told: it concerned an earlier job.
pub(crate) fn reset_cancellation() {
    with_running(|lane| {
        lane.cancel = CancelState::NEW;
        lane.call_error = None;
    });
}

/// Takes what the running lane's last call failed for, if it was not to be made at all.
pub(crate) fn take_call_error() -> Option<String> {
    with_running(|lane| lane.call_error.take()).flatten()
}

/// Whether there is such an error.
pub(crate) fn has_call_error() -> bool {
    with_running(|lane| lane.call_error.is_some()).unwrap_or_default()
}

/// The job that the running lane ran last, and the seconds that it had, if there was a limit.
pub(crate) fn last_job() -> Option<(String, f64)> {
    with_running(|lane| lane.last_job.clone()).flatten()
}

/// Notes that a job begins in the running lane.
pub(crate) fn set_last_job(name: String, seconds: f64) {
    with_running(|lane| {
        lane.last_job = (seconds > 0.0).then_some((name, seconds));
        lane.jobs += 1;
    });
}

/// How many jobs the running lane has taken.
pub(crate) fn jobs() -> u32 {
    with_running(|lane| lane.jobs).unwrap_or_default()
}

/// Sets what is to be called in the running lane when a stop signal comes.
pub(crate) fn on_signal(callback: Option<Owned>) {
    let before = with_running(|lane| std::mem::replace(&mut lane.on_signal, callback));
    // After it has been replaced: its destructors may come here again.
    drop(before);
}

/// Says that the running lane settles a job from now on, or does no more. Returns what was so before.
pub(crate) fn set_settling(settling: Option<Permit>) -> Option<Permit> {
    with_running(|lane| std::mem::replace(&mut lane.settling, settling)).flatten()
}

/// Removes what a job has left of output buffers and handlers in the running lane. False: a fatal error in an output callback.
pub(crate) fn renew_globals() -> bool {
    let lane = running();
    if lane.is_null() {
        return true;
    }
    // Both may suspend the lane, whose globals are exchanged then: nothing of them is borrowed here.
    if !zend::run_shutdown_functions() || !zend::flush_output() {
        return false;
    }
    // SAFETY: the running lane; the borrow ends with the call, which runs no other code.
    let first = unsafe { (*lane).globals.first_handlers() };
    first.put_back();
    true
}

/// Puts the settings back that the running lane has changed.
pub(crate) fn reset_settings() {
    let lane = running();
    if !lane.is_null() {
        // SAFETY: the running lane, which a job is about to leave, so nothing helps with it.
        unsafe { Settings::reset(&raw mut (*lane).settings) };
        end_modules();
    }
}

/// Ends what extensions keep for the running lane.
pub(crate) fn end_modules() {
    let lane = running();
    if !lane.is_null() {
        // SAFETY: the running lane.
        unsafe { (*lane).globals.end_modules() };
    }
}

/// Measures the running lane's job: it begins, or has ended. True: the alarm must be set.
pub(crate) fn measure_job(begins: bool) -> bool {
    session::look_at_slice(!running().is_null());
    let measure = |lane: &mut Lane| {
        session::with(|session| {
            if begins {
                return session.slices.job_began(&mut lane.cost);
            }
            session.slices.job_ended(&mut lane.cost);
            false
        })
    };
    with_running(measure).flatten().unwrap_or_default()
}

/// Looks at what the running lane's job has cost, or its last one.
pub(crate) fn with_cost<R>(body: impl FnOnce(&Cost) -> R) -> Option<R> {
    with_running(|lane| body(&lane.cost))
}

/// Notes that the running lane's job has included a file that did what other lanes do not get.
pub(crate) fn note_effects(file: String) {
    with_running(|lane| lane.cost.effects = file);
}

/// Notes that the running lane's job has called what lanes refuse.
pub(crate) fn note_refused(function: &str) {
    let lane = running();
    if !lane.is_null() {
        // SAFETY: the running lane, and the one whose job it is, which waits.
        unsafe { (*Lane::world(lane)).cost.refused = Some(function.into()) };
    }
}

/// The lane whose world is live: the running one, or a suspended one in which the scheduler's context calls something.
fn live() -> *mut Lane {
    let running = running();
    if running.is_null() {
        CALLED_IN.load(Ordering::Relaxed)
    } else {
        running
    }
}

/// Whether PHP code that runs now is a lane's.
pub(crate) fn is_live() -> bool {
    !live().is_null()
}

/// The lane in whose world PHP code runs now: the running one, or that which it helps, or a suspended one that is called in.
pub(crate) fn live_owner() -> Option<LaneId> {
    let lane = live();
    // SAFETY: it and its owner are alive.
    (!lane.is_null()).then(|| unsafe { (*Lane::world(lane)).id })
}

/// Looks at the settings of the lane whose world is live, or of that which it helps, or changes them. The closure must not switch lanes.
pub(crate) fn with_settings(body: impl FnOnce(&mut Settings)) {
    let lane = live();
    if !lane.is_null() {
        // SAFETY: it and its owner are alive; settings are looked at here and between turns only.
        body(unsafe { &mut (*Lane::world(lane)).settings });
    }
}

/// Sets whether lanes are suspended at all: what a test leaves out must be found.
pub(crate) fn prepare() {
    let on =
        !cfg!(feature = "test-switches") || std::env::var_os("KQUEUE_TEST_WITHOUT_HOOKS").is_none();
    SUSPENDS.store(on, Ordering::Relaxed);
}

/// Whether there is a running lane, on a stack that may be left.
pub(crate) fn is_suspendable() -> bool {
    // SAFETY: reads globals; the hooks have checked that this is the PHP thread.
    let free = || unsafe { !sys::kq_in_scheduler() && !sys::kq_switch_blocked() };
    !running().is_null() && SUSPENDS.load(Ordering::Relaxed) && free()
}

/// Whether the running lane may be suspended here.
pub(crate) fn can_suspend() -> bool {
    is_suspendable() && !is_midway()
}

/// Whether the running lane is in the middle of what the engine does with state of the process.
pub(crate) fn is_midway() -> bool {
    // SAFETY: reads the frames that are running, on the PHP thread.
    unsafe { sys::kq_is_midway() }
}

/// Lets the loop go round once, in a lane that uses the processor, if the lane may be suspended here.
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
