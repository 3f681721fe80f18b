//! Lanes: a stack, a share of PHP's globals, statics of its own, and what it runs. The only code that switches contexts.
//!
//! A lane says what it wants in its own `pause` and leaves; the runner's loop reads it, and puts its answer into `wake` before it
//! lets the lane go on. So no hook touches the reactor, and no borrow of the desk is open during a switch.
//!
//! Invariant: lanes are entered from the scheduler's context only and leave to it only, never lane to lane.
#![expect(unsafe_code, reason = "switches stacks")]

pub(crate) mod audit;
pub(crate) mod clone;
pub(crate) mod globals;
pub(crate) mod nested;
pub(crate) mod rules;
pub(crate) mod slices;
pub(crate) mod statics;

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use kqueue_core::scheduler::LaneId;
use kqueue_engine::interpose::{Waiter, Woken};
use kqueue_engine::runner::{Descriptors, Lanes, Pause, Wake};
use kqueue_engine::scoreboard::Scoreboard;

use self::clone::Template;
use self::globals::Globals;
use self::slices::{Cost, Slices};
use self::statics::{Slots, Statics};
use crate::run;
use crate::zend::{self, Ending, sys};

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
    statics: Option<Statics>,
    pause: Pause,
    wake: Wake,
    /// Whether an overdue job is to get its exception: once, and again after each wait that failed. An alarm may be another lane's,
    /// and must not disturb this one's clearing up.
    timeout_due: bool,
    /// What waits below while a pristine application runs one job here.
    below: Option<Box<nested::Below>>,
    cost: Cost,
    work: *const dyn Work,
}

/// The lane that is running; null in the scheduler. Read by hooks before anything else.
static CURRENT: AtomicPtr<Lane> = AtomicPtr::new(ptr::null_mut());

/// The running lane's number.
pub(crate) fn current() -> Option<LaneId> {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: set by `resume` to a lane that lives until after it has left.
    (!lane.is_null()).then(|| unsafe { (*lane).id })
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

/// In a lane: whether its timeout exception is due, if it is overdue. It no longer is.
pub(crate) fn take_timeout() -> bool {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane.
    !lane.is_null() && std::mem::take(unsafe { &mut (*lane).timeout_due })
}

/// In a lane: it is due again.
pub(crate) fn renew_timeout() {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane.
        unsafe { (*lane).timeout_due = true };
    }
}

/// In a lane, after a job: nothing of its output buffers and handlers is left for the next one.
/// False: a fatal error in an output callback.
pub(crate) fn renew_globals() -> bool {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane; its own code is the only one to look at its globals meanwhile.
    lane.is_null() || unsafe { (*lane).globals.renew() }
}

/// In a lane: a job begins here, in the middle of a slice. True: the alarm must be set.
pub(crate) fn job_began(slices: &mut Slices) -> bool {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane.
    !lane.is_null() && slices.job_began(unsafe { &mut (*lane).cost })
}

/// In a lane: its job has ended, in the middle of a slice.
pub(crate) fn job_ended(slices: &mut Slices) {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane.
        slices.job_ended(unsafe { &mut (*lane).cost });
    }
}

/// In a lane: what its job has cost, or its last one.
pub(crate) fn cost<'a>() -> Option<&'a Cost> {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane, which stays while its own code looks.
    unsafe { lane.as_ref() }.map(|lane| &lane.cost)
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
        // SAFETY: the hook's caller, whose array it is, is suspended with us.
        let fds = unsafe { Descriptors::new(fds) };
        match suspend(Pause::Wait { fds, timeout }) {
            Wake::Woken(Woken::Cancelled) => {
                // The exception follows as soon as PHP code runs again.
                renew_timeout();
                // SAFETY: stores a flag.
                unsafe { sys::kq_request_interrupt() };
                Woken::Cancelled
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
}

/// All lanes of a run.
pub(crate) struct Table {
    lanes: Vec<Option<Box<Lane>>>,
    free: Vec<LaneId>,
    pub(crate) slots: Slots,
    pub(crate) template: Option<Template>,
    pub(crate) birth: Birth,
    pub(crate) exchange_statics: bool,
    work: Box<dyn Work>,
    board: Option<Arc<Scoreboard>>,
    ended: usize,
    /// The collector is to run as soon as no lane does.
    collect: bool,
    pub(crate) clones: u64,
    pub(crate) clone_time: Duration,
    pub(crate) slices: Slices,
}

/// After how many ended lanes the collector runs: a lane's container is cyclic and frees itself no other way.
const COLLECT_AFTER: usize = 16;

impl Table {
    /// No lanes yet.
    pub(crate) fn new(work: Box<dyn Work>, birth: Birth, board: Option<Arc<Scoreboard>>) -> Self {
        Self {
            lanes: Vec::new(),
            free: Vec::new(),
            slots: Slots::default(),
            template: None,
            birth,
            // The torture test must fail without it; nobody else should want that.
            exchange_statics: std::env::var_os("KQUEUE_TEST_WITHOUT_STATICS").is_none(),
            work,
            board,
            ended: 0,
            collect: false,
            clones: 0,
            clone_time: Duration::ZERO,
            slices: Slices::new(),
        }
    }

    /// Takes the statics of an ended lane: they become the template.
    pub(crate) fn take_statics(&mut self, lane: LaneId) -> Vec<zend::Value> {
        let statics = self.lanes[lane as usize]
            .as_mut()
            .and_then(|lane| lane.statics.take());
        statics.map(Statics::into_values).unwrap_or_default()
    }

    fn statics(&mut self) -> Option<Statics> {
        match (self.birth, &mut self.template) {
            (Birth::Common, _) => None,
            (Birth::Cloned, Some(template)) => {
                self.slots.scan();
                let started = std::time::Instant::now();
                let statics = template.clone_statics(&self.slots);
                self.clones += 1;
                self.clone_time += started.elapsed();
                Some(statics)
            }
            _ => Some(Statics::declared()),
        }
    }

    fn exchange(&mut self, lane: *mut Lane) {
        // SAFETY: the lane is boxed and alive; it is not running while its shares are exchanged.
        unsafe {
            (*lane).globals.exchange();
            if self.exchange_statics
                && let Some(statics) = &mut (*lane).statics
            {
                statics.exchange(&mut self.slots);
            }
        }
    }
}

extern "C" fn lane_main(argument: *mut c_void) {
    let lane = argument.cast::<Lane>();
    // SAFETY: the box outlives the lane's run.
    let (work, id) = unsafe { (&*(*lane).work, (*lane).id) };
    work.run(id);
}

impl Lanes for Table {
    fn start(&mut self) -> Result<LaneId, String> {
        let statics = self.statics();
        let id = self.free.pop().unwrap_or_else(|| {
            self.lanes.push(None);
            (self.lanes.len() - 1) as LaneId
        });
        let mut lane = Box::new(Lane {
            // SAFETY: plain data, set by kq_context_init below.
            context: unsafe { std::mem::zeroed() },
            id,
            globals: Globals::fresh(),
            statics,
            pause: Pause::Ended,
            wake: Wake::Start,
            timeout_due: true,
            below: None,
            cost: Cost::default(),
            work: &raw const *self.work,
        });
        let argument = (&raw mut *lane).cast::<c_void>();
        // SAFETY: the context lies in the box, which does not move.
        if !unsafe { sys::kq_context_init(&raw mut lane.context, Some(lane_main), argument) } {
            self.free.push(id);
            return Err(format!(
                "no stack for lane {}: memory or vm.max_map_count is used up. Lower --concurrency, or raise vm.max_map_count.",
                id
            ));
        }
        self.lanes[id as usize] = Some(lane);
        Ok(id)
    }

    fn resume(&mut self, id: LaneId, wake: Wake) -> Pause {
        let Some(lane) = self.lanes[id as usize].as_mut() else {
            return Pause::Ended;
        };
        lane.wake = wake;
        let lane: *mut Lane = &raw mut **lane;
        let now = Instant::now();
        if let Some(board) = &self.board {
            board.beat(self.slices.ms(now));
            board.enter(id);
        }
        if self.birth != Birth::Common && self.slices.begin(now) {
            run::set_alarm();
        }
        self.exchange(lane);
        CURRENT.store(lane, Ordering::Relaxed);
        // SAFETY: `lane` is alive; nothing of `self` is borrowed while it runs that it could reach another way.
        unsafe { sys::kq_context_enter(&raw mut (*lane).context) };
        CURRENT.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: `lane` is alive.
        self.slices.leave(unsafe { &mut (*lane).cost });
        self.exchange(lane);
        if let Some(board) = &self.board {
            board.leave();
        }
        self.collect_if_due();
        // SAFETY: as above.
        unsafe {
            if (*lane).context.bailed_out {
                run::poison();
            }
            if (*lane).context.ended {
                Pause::Ended
            } else {
                (*lane).pause
            }
        }
    }

    fn dispose(&mut self, id: LaneId) {
        self.lanes[id as usize] = None;
        self.free.push(id);
        self.count_ended();
        self.collect_if_due();
    }
}

/// The end of a lane's life, on its own stack: its statics are dropped while they are live, since destructors may run and wait.
pub(crate) fn drop_own_statics(table: *const Table) {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: called from the running lane's main function; the table outlives the run, and `slots` changes only between turns.
    unsafe {
        if (*table).exchange_statics && (*lane).statics.is_some() {
            statics::drop_live(&raw const (*table).slots);
        }
    }
}

/// What a trial copy of the template cost.
pub(crate) struct Trial {
    pub(crate) counts: clone::Counts,
    pub(crate) bytes: usize,
    pub(crate) seconds: f64,
}

impl Table {
    /// One application has ended; the collector gets what is left of it, in the scheduler's context.
    fn count_ended(&mut self) {
        self.ended += 1;
        self.collect |= self.birth != Birth::Common && self.ended.is_multiple_of(COLLECT_AFTER);
    }

    fn collect_if_due(&mut self) {
        // SAFETY: on the PHP thread, in the scheduler's context.
        if std::mem::take(&mut self.collect) && !unsafe { sys::kq_collect_cycles() } {
            run::poison();
        }
    }

    /// The alarm has rung.
    pub(crate) fn look_at_slice(&mut self, in_lane: bool) {
        self.slices.rang(in_lane);
    }

    /// The same slots and template for another kind of lane.
    pub(crate) fn reuse(
        mut self,
        work: Box<dyn Work>,
        birth: Birth,
        board: Option<Arc<Scoreboard>>,
    ) -> Self {
        self.work = work;
        self.birth = birth;
        self.board = board;
        self
    }

    /// Runs the work in one lane to its end, with no loop: nothing in it waits.
    pub(crate) fn boot_template(&mut self) -> Result<(), String> {
        // SAFETY: the calling context is the one that enters the lane.
        unsafe { sys::kq_scheduler_here() };
        let lane = self.start()?;
        match self.resume(lane, Wake::Start) {
            Pause::Ended => Ok(()),
            _ => Err("booting the template asked for a lane's service; it must only boot".into()),
        }
    }

    /// Forgets an ended lane.
    pub(crate) fn discard(&mut self, lane: LaneId) {
        self.lanes[lane as usize] = None;
        self.free.push(lane);
    }

    /// Copies the template once and drops the copy: what a lane will cost.
    pub(crate) fn trial(&mut self, template: &mut Template) -> Trial {
        self.slots.scan();
        let before = zend::memory_usage();
        let started = std::time::Instant::now();
        let copy = template.clone_statics(&self.slots);
        let seconds = started.elapsed().as_secs_f64();
        let bytes = zend::memory_usage().saturating_sub(before);
        drop(copy);
        // Destructors of the copy may have thrown.
        zend::take_exception();
        // SAFETY: on the PHP thread.
        if !unsafe { sys::kq_collect_cycles() } {
            zend::bailout();
        }
        Trial {
            counts: template.counts(),
            bytes,
            seconds,
        }
    }
}
