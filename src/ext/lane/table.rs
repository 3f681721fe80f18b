//! All lanes of a run: how they begin, are made live one at a time, and end.
#![expect(unsafe_code, reason = "exchanges what the engine has in globals")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kqueue_core::scheduler::LaneId;
use kqueue_engine::runner::{Clash, Lanes, Pause, Seldom, Then, Wake};
use kqueue_engine::scoreboard::Scoreboard;
use kqueue_engine::signals::STOP;

use super::slices::{Cost, Slices};
use super::{Birth, CURRENT, Insistence, Lane, VISITED, Work, memory, names};
use crate::copy::audit::Audit;
use crate::copy::copier::Counts;
use crate::state::functions;
use crate::state::globals::Globals;
use crate::state::omissions::TestOmissions;
use crate::state::settings::Settings;
use crate::state::slots::Slots;
use crate::state::variables::{self, LaneVariables};
use crate::template::Template;
use crate::zend::{self, Ending, Owned, sys};
use crate::{builtins, descriptors, run};

/// All lanes of a run.
pub(crate) struct Table {
    lanes: Vec<Option<Box<Lane>>>,
    free: Vec<LaneId>,
    pub(crate) slots: Slots,
    pub(crate) template: Option<Template>,
    pub(crate) birth: Birth,
    pub(crate) without: TestOmissions,
    /// The lane that boots the template.
    booting: bool,
    work: Box<dyn Work>,
    board: Option<Arc<Scoreboard>>,
    /// What the run's owner wants to have called, in its own world, for each signal.
    pub(crate) on_signal: Option<Owned>,
    ended: usize,
    clashes: Seldom,
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
            without: TestOmissions::from_environment(),
            booting: false,
            work,
            board,
            on_signal: None,
            ended: 0,
            clashes: Seldom::default(),
            collect: false,
            clones: 0,
            clone_time: Duration::ZERO,
            slices: Slices::new(),
        }
    }

    /// Takes an ended lane's own variables: they become the template.
    pub(crate) fn take_own(&mut self, lane: LaneId) -> Option<LaneVariables> {
        let lane = self.lanes[lane as usize].as_mut()?;
        let mut own = lane.own.take()?;
        own.at_end = lane.globals.at_end();
        Some(own)
    }

    pub(super) fn own(&mut self) -> Option<LaneVariables> {
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
            _ => Some(LaneVariables::declared()),
        }
    }

    /// Calls something in a lane's world while the lane is suspended, as a signal handler would on top of its job. It runs in the
    /// scheduler's context: what it waits for stops all lanes.
    fn call_in(&mut self, lane: *mut Lane, callback: &Owned, signal: i32) {
        self.enter(lane, Instant::now());
        // The lane may have been suspended by a destructor while an exception was on its way: then no PHP code can run.
        if !zend::has_exception() {
            VISITED.store(lane, Ordering::Relaxed);
            call_back(callback, signal);
            VISITED.store(ptr::null_mut(), Ordering::Relaxed);
        }
        self.leave(lane);
    }

    fn enter(&mut self, lane: *mut Lane, now: Instant) {
        if let Some(board) = &self.board {
            board.beat(self.slices.ms(now));
            // SAFETY: the lane and its owner are boxed and alive.
            board.enter(unsafe { (*Lane::world(lane)).id });
        }
        self.bring_in(lane);
    }

    fn leave(&mut self, lane: *mut Lane) {
        self.take_out(lane);
        if let Some(board) = &self.board {
            board.leave();
        }
    }

    /// Makes a lane's share live. A pending exception is among the globals, and nothing can be called while there is one: so these
    /// come last.
    pub(super) fn bring_in(&mut self, lane: *mut Lane) {
        // SAFETY: the lane and its owner are boxed and alive; neither is running while their shares are exchanged.
        unsafe {
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

    /// Makes the base's share live again.
    pub(super) fn take_out(&mut self, lane: *mut Lane) {
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
        own: Option<LaneVariables>,
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
            fault: None,
            below: None,
            cost: Cost::default(),
            memory: memory::Limit::default(),
            work,
            settling: None,
            last_job: None,
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
    unsafe { begin(lane) };
    work.run(id);
}

/// The first that happens in a lane.
///
/// # Safety
/// It is the running one.
pub(super) unsafe fn begin(lane: *mut Lane) {
    // SAFETY: as above.
    if let Some(own) = unsafe { &mut (*lane).own } {
        for call in std::mem::take(&mut own.at_end) {
            builtins::register_at_end(&call);
        }
    }
}

impl Lanes for Table {
    fn start(&mut self) -> Result<LaneId, String> {
        let mut own = self.own();
        let handlers = own.as_mut().and_then(|own| own.handlers.take());
        let work = &raw const *self.work;
        let globals = Globals::fresh(!self.booting, handlers);
        self.make(globals, own, work, ptr::null_mut())
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
        // What the last one has loaded may be what this one waits in.
        crate::hooks::refresh();
        let lane: *mut Lane = &raw mut **lane;
        let now = Instant::now();
        self.enter(lane, now);
        memory::enter(lane);
        // SAFETY: `lane` is alive.
        descriptors::switch(unsafe { (*lane).settling }, true);
        CURRENT.store(lane, Ordering::Relaxed);
        let measured = self.birth != Birth::Common && self.slices.begin(now);
        // Of a lane that has not obeyed yet, the alarm may have been set for others meanwhile.
        if measured || super::asked_again_at().is_some() {
            run::set_alarm();
        }
        if run::with_desk(|desk| desk.is_cancelled(id)).unwrap_or_default() {
            // What it was woken by may not say so.
            // SAFETY: stores a flag.
            unsafe { sys::kq_request_interrupt() };
        }
        // SAFETY: `lane` is alive; nothing of `self` is borrowed while it runs that it could reach another way.
        unsafe { sys::kq_context_enter(&raw mut (*lane).context) };
        // SAFETY: `lane` is alive. The message is still its own, and so is the blame.
        if unsafe { (*lane).context.bailed_out } {
            run::poison();
        }
        CURRENT.store(ptr::null_mut(), Ordering::Relaxed);
        memory::leave(lane);
        // SAFETY: as above.
        descriptors::switch(unsafe { (*lane).settling }, false);
        // SAFETY: `lane` and its owner are alive, and neither runs.
        self.slices.leave(unsafe { &mut (*Lane::world(lane)).cost });
        self.leave(lane);
        self.hand_out_wrappers();
        self.collect_if_due();
        crate::diagnostics::tell();
        // SAFETY: as above.
        unsafe {
            if (*lane).context.ended {
                Pause::Ended
            } else {
                (*lane).pause
            }
        }
    }

    fn clashed(&mut self, clash: Clash) {
        let job = |id: LaneId| {
            self.lanes[id as usize].as_deref().map_or(id, |lane| {
                // SAFETY: the lane is alive, and so is its owner.
                unsafe { (*Lane::world(ptr::from_ref(lane).cast_mut())).id }
            })
        };
        let [first, second] = [clash.first, clash.second].map(|id| names::of(job(id)));
        let then = match clash.then {
            Then::Waits => "They wait in turn, and each may get what is meant for the other",
            Then::SendsLater => "It sends nothing until the other has its answer",
            Then::Fails => "Its call failed",
        };
        let mut message = format!(
            "{second} uses {} while {first} waits for it. {then}. Open a connection inside each job instead of handing one to \
             several, or let the job run isolated.",
            clash.what()
        );
        if clash.then == Then::Fails
            && let Some(lane) = &mut self.lanes[clash.second as usize]
        {
            lane.fault = Some(message.clone());
        }
        let Some(unsaid) = self.clashes.says(Instant::now()) else {
            return;
        };
        if unsaid > 0 {
            message += &format!(" ({unsaid} more such cases since the last message.)");
        }
        run::tell("warning", &message);
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
        self.count_ended();
        self.collect_if_due();
    }
}

/// What a trial copy of the template cost.
#[derive(Default)]
pub(crate) struct Trial {
    pub(crate) counts: Counts,
    pub(crate) bytes: usize,
    pub(crate) seconds: f64,
}

impl Table {
    /// One application has ended; the collector gets what is left of it, in the scheduler's context.
    pub(super) fn count_ended(&mut self) {
        self.ended += 1;
        self.collect |= self.birth != Birth::Common && self.ended.is_multiple_of(COLLECT_AFTER);
    }

    fn collect_if_due(&mut self) {
        // SAFETY: on the PHP thread, in the scheduler's context.
        if std::mem::take(&mut self.collect) && !unsafe { sys::kq_collect_cycles() } {
            run::poison();
        }
    }

    /// How many jobs have begun within this time.
    pub(crate) fn jobs_younger_than(&self, age: Duration) -> usize {
        let Some(moment) = Instant::now().checked_sub(age) else {
            return 0;
        };
        let lanes = self.lanes.iter().flatten();
        lanes
            .filter(|lane| lane.cost.has_begun_since(moment))
            .count()
    }

    /// Stream wrappers that are for every lane are given to those that there are, and to the base, from which new ones have them.
    fn hand_out_wrappers(&mut self) {
        if self.slots.late.wrappers.is_empty() {
            return;
        }
        for wrapper in std::mem::take(&mut self.slots.late.wrappers) {
            // SAFETY: on the PHP thread, in the scheduler's context: the base's streams are live.
            unsafe { sys::kq_streams_add(ptr::null_mut(), &raw const wrapper) };
            for lane in self.lanes.iter_mut().flatten() {
                lane.globals.add_wrapper(&wrapper);
            }
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
        self.booting = true;
        let lane = self.start();
        self.booting = false;
        let lane = lane?;
        match self.resume(lane, Wake::Start) {
            Pause::Ended => Ok(()),
            _ => Err("booting the template asked for a lane's service; it must only boot".into()),
        }
    }

    /// Makes the process as it is now the template: what lanes get is what `fork()` would give them. Nothing is made of it if the
    /// audit refuses something in it.
    pub(crate) fn take_process(&mut self, shared: &[String]) -> Audit {
        self.slots.late.share(shared);
        let mut live = Template::new(LaneVariables::live(&mut self.slots), shared);
        let found = live.audit(&self.slots);
        if found.refused.is_empty() {
            // The process goes on with its own; what lanes are copied from must not change any more.
            let frozen = live.clone_own(&mut self.slots);
            self.template = Some(Template::new(frozen, shared));
        }
        live.let_go();
        found
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

    /// Copies the template, if there is one, and drops the copy: what a lane will cost.
    pub(crate) fn trial(&mut self) -> Trial {
        self.slots.scan();
        let Some(template) = &mut self.template else {
            return Trial::default();
        };
        let before = zend::memory_usage();
        let started = Instant::now();
        let copy = template.clone_silently(&mut self.slots);
        let seconds = started.elapsed().as_secs_f64();
        let bytes = zend::memory_usage().saturating_sub(before);
        let counts = template.copier().counts();
        copy.retire(&mut self.slots);
        // Destructors of the copy may have thrown.
        zend::take_exception();
        // SAFETY: on the PHP thread.
        if !unsafe { sys::kq_collect_cycles() } {
            zend::bailout();
        }
        Trial {
            counts,
            bytes,
            seconds,
        }
    }
}

/// The end of a lane's life, on its own stack: its variables are dropped while they are live, since destructors may run and wait.
pub(crate) fn drop_own(table: *mut Table) {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: called from the running lane's main function; the table outlives the run, and `slots` changes only between turns.
    unsafe {
        if (*lane).own.is_some() {
            variables::drop_live(&raw mut (*table).slots, (*table).without);
        }
    }
}

thread_local! {
    /// Templates of runs that are over.
    static LEFT: RefCell<Vec<(LaneVariables, Slots)>> = const { RefCell::new(Vec::new()) };
}

/// The template's values stay until the request ends, and PHP then throws all memory away. A debug build of PHP complains of that.
impl Drop for Table {
    fn drop(&mut self) {
        if sys::ZEND_DEBUG != 0
            && let Some(template) = self.template.take()
        {
            let left = (template.into_own(), std::mem::take(&mut self.slots));
            LEFT.with_borrow_mut(|all| all.push(left));
        }
    }
}

/// At the request's end, when PHP has called all destructors.
pub(crate) fn leave_request() {
    for (own, mut slots) in LEFT.take() {
        own.retire(&mut slots);
    }
    functions::leave_request();
}
