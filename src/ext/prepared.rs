//! What a runner process keeps between the calls of its PHP code: its way to the master, the template, and what the last run left.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kqueue_engine::children::Children;
use kqueue_engine::link::MasterLink;
use kqueue_engine::runner::Desk;
use kqueue_engine::scoreboard::{Counter, Scoreboard};

use crate::intercept::includes::Watch;
use crate::lane::table::{self, Table};

/// What supervise() was told.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) children: usize,
    pub(crate) memory_limit_mb: u64,
    pub(crate) grace: Duration,
    pub(crate) child_jobs: u32,
    /// After so long without a job a child that had one leaves; None: never.
    pub(crate) flush: Option<Duration>,
    pub(crate) board: Arc<Scoreboard>,
}

/// What a runner process keeps between the calls of its PHP code.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) children: Option<Children>,
    pub(crate) options: Option<Options>,
    /// Holds the template; files that are included before the run are watched over its slots.
    pub(crate) table: Option<Table>,
    /// From the moment in which the process was taken for the template.
    pub(crate) watch: Option<Watch>,
    /// What the last run left to be asked for.
    pub(crate) after: After,
}

#[derive(Default, Clone)]
pub(crate) struct After {
    pub(crate) status: i32,
    pub(crate) reason: Option<String>,
    pub(crate) signal: Option<i32>,
    pub(crate) reserved: u64,
    pub(crate) finished: u64,
    pub(crate) last_finished: Option<Instant>,
    pub(crate) suspensions: u64,
}

impl After {
    /// What is to be said of a run, as it is now.
    pub(crate) fn of(desk: &Desk) -> Self {
        let scheduler = &desk.scheduler;
        let stop = scheduler.stopping();
        let since = |moment| desk.now().saturating_sub(moment);
        Self {
            status: stop.map_or(0, |stop| stop.status),
            reason: stop.map(|stop| stop.reason.clone()),
            signal: desk.last_signal(),
            reserved: counted(Counter::Reserved, scheduler.reserved_so_far()),
            finished: counted(Counter::Finished, scheduler.finished_so_far()),
            last_finished: scheduler
                .last_finished()
                .and_then(|moment| Instant::now().checked_sub(since(moment))),
            suspensions: desk.suspensions(),
        }
    }
}

/// Over the whole run, runners that died included; without a master this runner's own count.
pub(crate) fn counted(counter: Counter, own: u64) -> u64 {
    board().map_or(own, |board| board.counter(counter))
}

thread_local! {
    pub(crate) static PREPARED: RefCell<Prepared> = RefCell::new(Prepared::default());
}

/// In the new runner: keeps its way to the master.
pub(crate) fn become_runner(link: MasterLink, options: &Options) {
    PREPARED.with_borrow_mut(|prepared| {
        prepared.children = Some(Children::new(
            link,
            Arc::clone(&options.board),
            options.children,
            options.child_jobs,
        ));
        prepared.options = Some(options.clone());
    });
}

/// At the request's end: what is kept for a run that never came goes while PHP can still free it.
pub(crate) fn leave_request() {
    PREPARED.with_borrow_mut(|prepared| *prepared = Prepared::default());
    table::leave_request();
}

/// In an isolated child: no lane will be copied here.
pub(crate) fn forget_template() {
    PREPARED.with_borrow_mut(|prepared| prepared.watch = None);
}

/// At the runner's end: its children are let go.
pub(crate) fn leave_runner() {
    PREPARED.with_borrow_mut(|prepared| prepared.children = None);
}

/// The memory shared with the master, if there is one.
pub(crate) fn board() -> Option<Arc<Scoreboard>> {
    PREPARED.with_borrow(|prepared| {
        prepared
            .options
            .as_ref()
            .map(|options| Arc::clone(&options.board))
    })
}
