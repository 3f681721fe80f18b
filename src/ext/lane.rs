//! Lanes: a stack, a share of PHP's globals, statics of its own, and what it runs. The only code that switches contexts.
//!
//! A lane says what it wants in its own `pause` and leaves; the runner's loop reads it, and puts its answer into `wake` before it
//! lets the lane go on. So no hook touches the reactor, and no borrow of the desk is open during a switch.
//!
//! Invariant: lanes are entered from the scheduler's context only and leave to it only, never lane to lane.
#![expect(unsafe_code, reason = "switches stacks")]

pub(crate) mod audit;
pub(crate) mod beside;
pub(crate) mod clone;
pub(crate) mod functions;
pub(crate) mod globals;
pub(crate) mod guards;
pub(crate) mod own;
pub(crate) mod rules;
pub(crate) mod settings;
pub(crate) mod statics;
pub(crate) mod symbols;
pub(crate) mod without;

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use kqueue_core::scheduler::LaneId;
use kqueue_engine::interpose::{Waiter, Woken};
use kqueue_engine::runner::{Descriptors, Lanes, Pause, Wake};
use kqueue_engine::scoreboard::{Scoreboard, now_ms};
use kqueue_engine::signals::STOP;

use self::beside::Group;
use self::clone::Template;
use self::globals::Globals;
use self::own::Own;
use self::settings::Settings;
use self::statics::Slots;
use self::without::Without;
use crate::run;
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
    own: Option<Own>,
    pause: Pause,
    wake: Wake,
    insistence: Insistence,
    work: *const dyn Work,
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

/// Gives up the processor until the loop has an answer.
pub(crate) fn suspend(pause: Pause) -> Wake {
    let lane = CURRENT.load(Ordering::Relaxed);
    assert!(!lane.is_null(), "only a lane can be suspended");
    if !matches!(pause, Pause::Wait { .. }) {
        // The hooks do not wait in a process that a job has forked; whatever else would reach the loop must not.
        run::leave_if_forked(Ending::Returned);
    }
    // SAFETY: this runs on the lane's stack; the box does not move. The loop may free the lane only after it has ended.
    unsafe {
        (*lane).pause = pause;
        sys::kq_context_leave(&raw mut (*lane).context);
        (*lane).wake
    }
}

/// In a cancelled lane: what it gets now, and when to look again.
pub(crate) fn sentence() -> (Sentence, Option<Instant>) {
    let lane = CURRENT.load(Ordering::Relaxed);
    if lane.is_null() {
        return (Sentence::Patience, None);
    }
    // SAFETY: the running lane.
    let insistence = unsafe { &mut (*lane).insistence };
    let now = Instant::now();
    if !insistence.due && insistence.again_at.is_none_or(|moment| moment > now) {
        return (Sentence::Patience, insistence.again_at);
    }
    insistence.due = false;
    insistence.thrown += 1;
    insistence.again_at = Some(now + THROW_AGAIN);
    if insistence.thrown > THROWN_AT_MOST {
        return (Sentence::Leave, insistence.again_at);
    }
    (Sentence::Throw, insistence.again_at)
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

/// In a lane: what it has thrown concerned an earlier job.
pub(crate) fn forgive() {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane.
        unsafe { (*lane).insistence = Insistence::NEW };
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
        Settings::reset(unsafe { &raw mut (*lane).settings });
    }
}

/// The settings of the running lane, or of that which it helps. The closure must not switch lanes.
pub(crate) fn with_settings(body: impl FnOnce(&mut Settings)) {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane and its owner; settings are looked at here and between turns only.
        body(unsafe { &mut (*Lane::world(lane)).settings });
    }
}

/// In a lane that uses the processor: lets the loop go round once, if the lane may be suspended here.
pub(crate) fn step_aside() {
    if Hooks.can_suspend() {
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
        // SAFETY: the hook's caller, whose array it is, is suspended with us.
        let fds = unsafe { Descriptors::new(fds) };
        match suspend(Pause::Wait { fds, timeout }) {
            Wake::Woken(Woken::Cancelled) => {
                // The exception follows as soon as PHP code runs again.
                insist();
                Woken::Cancelled
            }
            Wake::Woken(woken) => woken,
            Wake::Start | Wake::Granted(_) | Wake::News | Wake::Child(_) => Woken::Ready,
        }
    }

    fn claim(&self, fd: libc::c_int) -> bool {
        let lane = CURRENT.load(Ordering::Relaxed);
        // SAFETY: the gate is open, so there is a running lane.
        let (id, alone) = unsafe { ((*lane).id, (*lane).owner.is_null()) };
        while !alone && !run::with_desk(|desk| desk.claim(id, fd)).unwrap_or(true) {
            if suspend(Pause::Turn) == Wake::Woken(Woken::Cancelled) {
                insist();
                return false;
            }
        }
        true
    }
}

/// All lanes of a run.
pub(crate) struct Table {
    lanes: Vec<Option<Box<Lane>>>,
    free: Vec<LaneId>,
    pub(crate) slots: Slots,
    pub(crate) template: Option<Template>,
    pub(crate) birth: Birth,
    pub(crate) without: Without,
    /// The lane that boots the template.
    booting: bool,
    work: Box<dyn Work>,
    board: Option<Arc<Scoreboard>>,
    /// What the run's owner wants to have called, in its own world, for each signal.
    pub(crate) on_signal: Option<Owned>,
    ended: usize,
    pub(crate) clones: u64,
    pub(crate) clone_time: Duration,
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
            without: Without::from_environment(),
            booting: false,
            work,
            board,
            on_signal: None,
            ended: 0,
            clones: 0,
            clone_time: Duration::ZERO,
        }
    }

    /// Takes an ended lane's own variables: they become the template.
    pub(crate) fn take_own(&mut self, lane: LaneId) -> Option<Own> {
        let lane = self.lanes[lane as usize].as_mut()?;
        let mut own = lane.own.take()?;
        own.at_end = lane.globals.at_end();
        Some(own)
    }

    fn own(&mut self) -> Option<Own> {
        match (self.birth, &mut self.template) {
            (Birth::Common, _) => None,
            (Birth::Cloned, Some(template)) => {
                self.slots.scan();
                let started = Instant::now();
                let own = template.clone_own(&mut self.slots);
                self.clones += 1;
                self.clone_time += started.elapsed();
                Some(own)
            }
            _ => Some(Own::declared(&mut self.slots)),
        }
    }

    /// Calls something in a lane's world while the lane is suspended, as a signal handler would on top of its job. It runs in the
    /// scheduler's context: what it waits for stops all lanes.
    fn call_in(&mut self, lane: *mut Lane, callback: &Owned, signal: i32) {
        self.enter(lane);
        // The lane may have been suspended by a destructor while an exception was on its way: then no PHP code can run.
        if !zend::has_exception() {
            call_back(callback, signal);
        }
        self.leave(lane);
    }

    /// Makes a lane's share live. A pending exception is among the globals, and nothing can be called while there is one: so these
    /// come last.
    fn enter(&mut self, lane: *mut Lane) {
        // SAFETY: the lane and its owner are boxed and alive; neither is running while their shares are exchanged.
        unsafe {
            if let Some(board) = &self.board {
                board.beat(now_ms());
                board.enter((*Lane::world(lane)).id);
            }
            let world = Lane::world(lane);
            if !self.without.settings {
                (*world).settings.enter();
            }
            self.exchange_own(world);
            if !self.without.globals {
                (*world).globals.exchange_streams();
                (*lane).globals.exchange();
            }
        }
    }

    fn leave(&mut self, lane: *mut Lane) {
        // SAFETY: as above.
        unsafe {
            let world = Lane::world(lane);
            if !self.without.globals {
                (*lane).globals.exchange();
                (*world).globals.exchange_streams();
            }
            self.exchange_own(world);
            if !self.without.settings {
                (*world).settings.leave();
            }
        }
        if let Some(board) = &self.board {
            board.leave();
        }
    }

    fn exchange_own(&mut self, world: *mut Lane) {
        // SAFETY: as above.
        unsafe {
            if let Some(own) = &mut (*world).own {
                own.exchange(&mut self.slots, self.without);
            }
        }
    }

    /// A lane that has not run yet.
    fn make(
        &mut self,
        globals: Globals,
        own: Option<Own>,
        work: *const dyn Work,
        owner: *mut Lane,
    ) -> Result<LaneId, String> {
        let id = self.free.pop().unwrap_or_else(|| {
            self.lanes.push(None);
            (self.lanes.len() - 1) as LaneId
        });
        let mut lane = Box::new(Lane {
            // SAFETY: plain data, set by kq_context_init below.
            context: unsafe { std::mem::zeroed() },
            id,
            globals,
            settings: Settings::default(),
            own,
            pause: Pause::Ended,
            wake: Wake::Start,
            insistence: Insistence::NEW,
            work,
            on_signal: None,
            owner,
            group: ptr::null(),
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
}

/// Whoever gives the callback catches what it throws.
fn call_back(callback: &Owned, signal: i32) {
    let (ending, _) = zend::call(callback.as_ptr(), &mut [zend::long(i64::from(signal))]);
    match ending {
        Ending::BailedOut => run::poison(),
        _ => drop(zend::take_exception()),
    }
}

extern "C" fn lane_main(argument: *mut c_void) {
    let lane = argument.cast::<Lane>();
    // SAFETY: the box outlives the lane's run.
    let (work, id) = unsafe { (&*(*lane).work, (*lane).id) };
    // SAFETY: as above.
    if let Some(own) = unsafe { &mut (*lane).own } {
        for call in std::mem::take(&mut own.at_end) {
            settings::register_at_end(&call);
        }
    }
    work.run(id);
}

impl Lanes for Table {
    fn start(&mut self) -> Result<LaneId, String> {
        let own = self.own();
        let work = &raw const *self.work;
        self.make(Globals::fresh(!self.booting), own, work, ptr::null_mut())
    }

    fn fork(&mut self, parent: LaneId) -> Option<LaneId> {
        let parent: *mut Lane = &raw mut **self.lanes[parent as usize].as_mut()?;
        // SAFETY: the parent is suspended, and its group lies in its frame until the last of these lanes has ended.
        let (globals, owner, group) = unsafe {
            let group = (*parent).group.as_ref()?;
            if !group.wants_lane() {
                return None;
            }
            let owner = (*parent).owner;
            let owner = if owner.is_null() { parent } else { owner };
            (Globals::beside(&(*parent).globals), owner, group)
        };
        // Without a stack the parent does the rest itself.
        let lane = self.make(globals, None, group, owner).ok()?;
        group.has_lane();
        Some(lane)
    }

    fn resume(&mut self, id: LaneId, wake: Wake) -> Pause {
        let Some(lane) = self.lanes[id as usize].as_mut() else {
            return Pause::Ended;
        };
        lane.wake = wake;
        let lane: *mut Lane = &raw mut **lane;
        self.enter(lane);
        CURRENT.store(lane, Ordering::Relaxed);
        // SAFETY: `lane` is alive; nothing of `self` is borrowed while it runs that it could reach another way.
        unsafe { sys::kq_context_enter(&raw mut (*lane).context) };
        CURRENT.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: as above. The message is still the lane's.
        if unsafe { (*lane).context.bailed_out } {
            run::poison();
        }
        self.leave(lane);
        // SAFETY: as above.
        unsafe {
            if (*lane).context.ended {
                Pause::Ended
            } else {
                (*lane).pause
            }
        }
    }

    fn signalled(&mut self, signal: i32) {
        if let Some(callback) = &self.on_signal {
            call_back(callback, signal);
        }
        if !STOP.contains(&signal) {
            return;
        }
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes[index].as_mut() else {
                continue;
            };
            let lane: *mut Lane = &raw mut **lane;
            // SAFETY: the lane is boxed and alive, and none runs.
            let callback = unsafe { &(*lane).on_signal }
                .as_ref()
                .map(|callback| Owned::copy(callback.as_ptr()));
            if let Some(callback) = callback {
                self.call_in(lane, &callback, signal);
            }
        }
    }

    fn dispose(&mut self, id: LaneId) {
        let helps = self.lanes[id as usize]
            .as_ref()
            .is_none_or(|lane| !lane.owner.is_null());
        self.discard(id);
        if helps {
            return;
        }
        self.ended += 1;
        if self.birth != Birth::Common && self.ended.is_multiple_of(COLLECT_AFTER) {
            // SAFETY: on the PHP thread, in the scheduler's context.
            if !unsafe { sys::kq_collect_cycles() } {
                run::poison();
            }
        }
    }
}

/// The end of a lane's life, on its own stack: its variables are dropped while they are live, since destructors may run and wait.
pub(crate) fn drop_own(table: *mut Table) {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: called from the running lane's main function; the table outlives the run, and `slots` changes only between turns.
    unsafe {
        if (*lane).own.is_some() {
            own::drop_live(&raw mut (*table).slots, (*table).without);
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
        self.booting = true;
        let lane = self.start();
        self.booting = false;
        let lane = lane?;
        match self.resume(lane, Wake::Start) {
            Pause::Ended => Ok(()),
            _ => Err("booting the template asked for a lane's service; it must only boot".into()),
        }
    }

    /// Forgets an ended lane.
    pub(crate) fn discard(&mut self, lane: LaneId) {
        let own = self.lanes[lane as usize]
            .as_mut()
            .and_then(|lane| lane.own.take());
        if let Some(own) = own {
            own.retire(&mut self.slots);
        }
        self.lanes[lane as usize] = None;
        self.free.push(lane);
    }

    /// Copies the template once and drops the copy: what a lane will cost.
    pub(crate) fn trial(&mut self, template: &mut Template) -> Trial {
        self.slots.scan();
        let before = zend::memory_usage();
        let started = Instant::now();
        let copy = template.clone_own(&mut self.slots);
        let seconds = started.elapsed().as_secs_f64();
        let bytes = zend::memory_usage().saturating_sub(before);
        copy.retire(&mut self.slots);
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
