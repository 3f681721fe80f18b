//! All lanes of a run: how they begin, are made live one at a time, and end.
#![expect(unsafe_code, reason = "exchanges what the engine has in globals")]

mod prepare;
mod turns;

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use kqueue_core::scheduler::LaneId;
use kqueue_engine::runner::{Pause, RateLimit, Wake};
use kqueue_engine::scoreboard::Scoreboard;

use super::{Birth, CALLED_IN, CancelState, Lane, MemoryLimit, Work};
use crate::slices::Cost;
use crate::state::functions;
use crate::state::globals::Globals;
use crate::state::omissions::TestOmissions;
use crate::state::settings::Settings;
use crate::state::slots::Slots;
use crate::state::variables::{self, LaneVariables};
use crate::template::Template;
use crate::zend::{self, Ending, Owned, sys};
use crate::{builtins, session};

/// All lanes of a run. What their code runs calls back in while a lane is entered, so it is only ever shared.
pub(crate) struct Table {
    /// Boxed lanes, by number; each is freed as it is discarded.
    lanes: RefCell<Vec<*mut Lane>>,
    free: RefCell<Vec<LaneId>>,
    /// A box of its own: includes are watched over it, and lanes' destructors may run while it is used.
    slots: *mut Slots,
    template: RefCell<Option<Template>>,
    birth: Birth,
    without: TestOmissions,
    /// The lane that boots the template.
    booting: Cell<bool>,
    work: Box<dyn Work>,
    board: Option<Arc<Scoreboard>>,
    /// What the run's owner wants to have called, in its own world, for each signal.
    on_signal: Option<Owned>,
    ended: Cell<usize>,
    conflicts: RefCell<RateLimit>,
    /// The collector is to run as soon as no lane does.
    collect: Cell<bool>,
    clones: Cell<u64>,
    clone_time: Cell<Duration>,
}

/// After how many ended lanes the collector runs: a lane's container is cyclic and frees itself no other way.
const COLLECT_AFTER: usize = 16;

/// The table of this process's run, while its loop goes round.
static CURRENT_TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// A table is that of the run while this lives.
pub(crate) struct Entered<'table>(std::marker::PhantomData<&'table Table>);

impl<'table> Entered<'table> {
    /// Makes it the table of this process's run.
    pub(crate) fn new(table: &'table Table) -> Self {
        CURRENT_TABLE.store(ptr::from_ref(table).cast_mut(), Ordering::Relaxed);
        Self(std::marker::PhantomData)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT_TABLE.store(ptr::null_mut(), Ordering::Relaxed);
    }
}

/// Looks at the table of this process's run; None outside a run. The closure may switch lanes: the table is only ever shared.
pub(crate) fn with<R>(body: impl FnOnce(&Table) -> R) -> Option<R> {
    let table = CURRENT_TABLE.load(Ordering::Relaxed);
    // SAFETY: `Entered` keeps the table borrowed while it is stored here, in a frame of the PHP thread that the lanes are entered from.
    unsafe { table.as_ref() }.map(body)
}

impl Table {
    /// No lanes yet.
    pub(crate) fn new(work: Box<dyn Work>, birth: Birth, board: Option<Arc<Scoreboard>>) -> Self {
        Self {
            lanes: RefCell::default(),
            free: RefCell::default(),
            slots: Box::into_raw(Box::default()),
            template: RefCell::default(),
            birth,
            without: TestOmissions::from_environment(),
            booting: Cell::default(),
            work,
            board,
            on_signal: None,
            ended: Cell::default(),
            conflicts: RefCell::default(),
            collect: Cell::default(),
            clones: Cell::default(),
            clone_time: Cell::default(),
        }
    }

    /// The places of what is exchanged, which live as long as the table. Whoever uses them does so for moments in which no lane is
    /// switched and no PHP code runs.
    pub(crate) fn slots(&self) -> *mut Slots {
        self.slots
    }

    /// Looks at the places of what is exchanged, or changes them. The closure must not switch lanes or call PHP.
    fn with_slots<R>(&self, body: impl FnOnce(&mut Slots) -> R) -> R {
        // SAFETY: on the PHP thread; they live as long as the table, and everybody uses them for such moments only.
        body(unsafe { &mut *self.slots })
    }

    /// Whether lanes are copies of a template.
    pub(crate) fn has_template(&self) -> bool {
        self.template.borrow().is_some()
    }

    /// How lanes begin.
    pub(crate) fn birth(&self) -> Birth {
        self.birth
    }

    /// How many places are exchanged.
    pub(crate) fn slot_count(&self) -> usize {
        self.with_slots(|slots| slots.len())
    }

    /// How many lanes were copied, and how long that took.
    pub(crate) fn clones(&self) -> (u64, Duration) {
        (self.clones.get(), self.clone_time.get())
    }

    /// The lane of this number; null: there is none.
    fn lane(&self, id: LaneId) -> *mut Lane {
        let lanes = self.lanes.borrow();
        lanes.get(id as usize).copied().unwrap_or(ptr::null_mut())
    }

    /// All lanes. None of them is running while they are looked at.
    fn all(&self) -> Vec<*mut Lane> {
        let lanes = self.lanes.borrow();
        lanes
            .iter()
            .copied()
            .filter(|lane| !lane.is_null())
            .collect()
    }

    pub(super) fn own(&self) -> Option<LaneVariables> {
        match (self.birth, &mut *self.template.borrow_mut()) {
            (Birth::Common, _) => None,
            (Birth::Cloned, Some(template)) => {
                let started = Instant::now();
                let own = self.with_slots(|slots| {
                    slots.scan();
                    template.clone_own(slots)
                });
                self.clones.set(self.clones.get() + 1);
                self.clone_time
                    .set(self.clone_time.get() + started.elapsed());
                Some(own)
            }
            _ => Some(LaneVariables::declared()),
        }
    }

    /// Ends what was a lane's own, after the lane.
    pub(super) fn retire(&self, own: LaneVariables) {
        // SAFETY: on the PHP thread, where nobody else uses the slots while what is not live is dropped.
        own.retire(unsafe { &mut *self.slots });
    }

    /// Calls something in a lane's world while the lane is suspended, as a signal handler would on top of its job. It runs in the
    /// scheduler's context: what it waits for stops all lanes.
    fn call_in(&self, lane: *mut Lane, callback: &Owned, signal: i32) {
        self.enter(lane, Instant::now());
        // The lane may have been suspended by a destructor while an exception was on its way: then no PHP code can run.
        if !zend::has_exception() {
            CALLED_IN.store(lane, Ordering::Relaxed);
            call_back(callback, signal);
            CALLED_IN.store(ptr::null_mut(), Ordering::Relaxed);
        }
        self.leave(lane);
    }

    fn enter(&self, lane: *mut Lane, now: Instant) {
        if let Some(board) = &self.board {
            session::with(|session| board.beat(session.slices.ms(now)));
            // SAFETY: the lane and its owner are boxed and alive.
            board.enter(unsafe { (*Lane::world(lane)).id });
        }
        self.bring_in(lane);
    }

    fn leave(&self, lane: *mut Lane) {
        self.take_out(lane);
        if let Some(board) = &self.board {
            board.leave();
        }
    }

    /// Makes a lane's share live. A pending exception is among the globals, and nothing can be called while there is one: so these
    /// come last.
    pub(super) fn bring_in(&self, lane: *mut Lane) {
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
    pub(super) fn take_out(&self, lane: *mut Lane) {
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

    fn exchange_own(&self, world: *mut Lane) {
        // SAFETY: as above.
        unsafe {
            if let Some(own) = &mut (*world).own {
                own.exchange(&mut *self.slots, self.without);
            }
        }
    }

    /// A lane that has not run yet.
    fn make(
        &self,
        globals: Globals,
        own: Option<LaneVariables>,
        work: *const dyn Work,
        owner: *mut Lane,
    ) -> Result<LaneId, String> {
        let free = self.free.borrow_mut().pop();
        let id = free.unwrap_or_else(|| {
            let mut lanes = self.lanes.borrow_mut();
            lanes.push(ptr::null_mut());
            (lanes.len() - 1) as LaneId
        });
        let lane = Box::into_raw(Box::new(Lane {
            // SAFETY: plain data, set by kq_context_init below.
            context: unsafe { std::mem::zeroed() },
            id,
            globals,
            settings: Settings::default(),
            own,
            pause: Pause::Ended,
            wake: Wake::Start,
            cancel: CancelState::NEW,
            call_error: None,
            outer: None,
            cost: Cost::default(),
            memory: MemoryLimit::default(),
            work,
            settling: None,
            last_job: None,
            jobs: 0,
            on_signal: None,
            owner,
            helpers: None,
        }));
        // SAFETY: the context lies in the box, which does not move.
        let made =
            unsafe { sys::kq_context_init(&raw mut (*lane).context, Some(lane_main), lane.cast()) };
        if !made {
            // SAFETY: the box of above, which nobody knows.
            drop(unsafe { Box::from_raw(lane) });
            self.free.borrow_mut().push(id);
            return Err(format!(
                "no stack for lane {id}: memory or vm.max_map_count is used up. Lower --concurrency, or raise vm.max_map_count."
            ));
        }
        self.lanes.borrow_mut()[id as usize] = lane;
        Ok(id)
    }
}

/// Whoever gives the callback catches what it throws.
fn call_back(callback: &Owned, signal: i32) {
    let (ending, _) = zend::call(callback.as_ptr(), &mut [zend::long(i64::from(signal))]);
    match ending {
        Ending::BailedOut => session::poison(),
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

impl Table {
    /// One application has ended; the collector gets what is left of it, in the scheduler's context.
    pub(super) fn count_ended(&self) {
        let ended = self.ended.get() + 1;
        self.ended.set(ended);
        if self.birth != Birth::Common && ended.is_multiple_of(COLLECT_AFTER) {
            self.collect.set(true);
        }
    }

    fn collect_if_due(&self) {
        // SAFETY: on the PHP thread, in the scheduler's context.
        if self.collect.take() && !unsafe { sys::kq_collect_cycles() } {
            session::poison();
        }
    }

    /// How many jobs have begun within this time.
    pub(crate) fn jobs_younger_than(&self, age: Duration) -> usize {
        let Some(moment) = Instant::now().checked_sub(age) else {
            return 0;
        };
        let lanes = self.lanes.borrow();
        // SAFETY: boxed and alive; what the running one costs changes only as its job begins and ends.
        let costs = lanes.iter().filter_map(|lane| unsafe { lane.as_ref() });
        costs
            .filter(|lane| lane.cost.has_begun_since(moment))
            .count()
    }

    /// Stream wrappers that are for every lane are given to those that there are, and to the base, from which new ones have them.
    fn hand_out_wrappers(&self) {
        let wrappers = self.with_slots(|slots| std::mem::take(&mut slots.late.wrappers));
        for wrapper in wrappers {
            // SAFETY: on the PHP thread, in the scheduler's context: the base's streams are live.
            unsafe { sys::kq_streams_add(ptr::null_mut(), &raw const wrapper) };
            for lane in self.all() {
                // SAFETY: boxed and alive, and none runs.
                unsafe { (*lane).globals.add_wrapper(&wrapper) };
            }
        }
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

    /// Signals are told to this from now on.
    pub(crate) fn tell_signals(mut self, callback: Option<Owned>) -> Self {
        self.on_signal = callback;
        self
    }

    /// Forgets an ended lane.
    pub(crate) fn discard(&self, id: LaneId) {
        let lane = std::mem::replace(&mut self.lanes.borrow_mut()[id as usize], ptr::null_mut());
        if lane.is_null() {
            return;
        }
        // SAFETY: the lane has ended, and nobody knows it any more.
        let mut lane = unsafe { Box::from_raw(lane) };
        if let Some(own) = lane.own.take() {
            self.retire(own);
        }
        drop(lane);
        self.free.borrow_mut().push(id);
    }

    /// Ends the running lane's life, on its own stack: its variables are dropped while they are live, since destructors may run and wait.
    pub(crate) fn drop_own(&self) {
        let lane = super::running();
        // SAFETY: called from the running lane's main function.
        if unsafe { (*lane).own.is_some() } {
            // SAFETY: the variables are the running lane's, it runs no other code afterwards, and the slots live as long as the table.
            unsafe { variables::drop_live(self.slots, self.without) };
        }
    }
}

thread_local! {
    /// Templates of runs that are over.
    static LEFT: RefCell<Vec<(LaneVariables, Slots)>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Table {
    fn drop(&mut self) {
        for lane in self.all() {
            // SAFETY: lanes that are left when a run could not go on; nobody knows them any more.
            drop(unsafe { Box::from_raw(lane) });
        }
        // SAFETY: the box of `new`, which nobody uses any more.
        let slots = unsafe { Box::from_raw(self.slots) };
        // The template's values stay until the request ends, and PHP then throws all memory away. A debug build of PHP complains of that.
        if sys::ZEND_DEBUG != 0
            && let Some(template) = self.template.take()
        {
            LEFT.with_borrow_mut(|all| all.push((template.into_own(), *slots)));
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
