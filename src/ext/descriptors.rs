//! The run's descriptors: whether there are enough for one more job, and those that are kept back for settling jobs.

use std::time::{Duration, Instant};

use kqueue_core::permits::Permit;
use kqueue_core::room::{Room, YOUNG};
use kqueue_engine::limits::{self, Raised};
use kqueue_engine::runner::Seldom;

use crate::lane;
use crate::run::{self, with_desk};

/// How long a count is good for: descriptors are counted by the kernel, which takes a few microseconds.
const FRESH: Duration = Duration::from_millis(1);

/// How often idle lanes are called out of the line to close what they keep.
const CALL: Duration = Duration::from_secs(1);

/// How many lanes settle jobs at the same time when descriptors are short.
const SETTLING: usize = 8;

/// What a run knows of its descriptors.
pub(crate) struct Descriptors {
    raised: Option<Raised>,
    base: usize,
    open: usize,
    counted: Option<Instant>,
    /// Since when the leaders have found too few.
    crowded: Option<Instant>,
    called: Option<Instant>,
    said: Seldom,
}

impl Descriptors {
    /// The limit is not raised yet.
    pub(crate) fn new() -> Self {
        Self {
            raised: None,
            base: 0,
            open: 0,
            counted: None,
            crowded: None,
            called: None,
            said: Seldom::default(),
        }
    }

    /// The run begins.
    pub(crate) fn begin(&mut self) {
        self.raised = limits::raise();
        self.base = limits::open();
    }

    /// It has ended.
    pub(crate) fn end(&mut self) {
        self.raised = None;
    }

    fn room(&mut self, lanes: usize, in_flight: usize) -> Room {
        let now = Instant::now();
        if self.counted.is_none_or(|counted| now - counted > FRESH) {
            self.open = limits::open();
            self.counted = Some(now);
        }
        Room {
            usable: limits::usable(),
            open: self.open,
            base: self.base,
            lanes,
            in_flight,
        }
    }
}

fn look() -> Option<Room> {
    let (lanes, in_flight) =
        with_desk(|desk| (desk.scheduler.lanes(), desk.scheduler.in_flight()))?;
    Some(run::current()?.descriptors.room(lanes, in_flight))
}

/// In a leader: no further job must be taken now, for want of descriptors. The log is told, and idle lanes are asked to close what they keep.
pub(crate) fn are_short() -> bool {
    let (Some(room), Some(run)) = (look(), run::current()) else {
        return false;
    };
    let table = &run.table;
    let short = !room.allows_another(|| table.jobs_younger_than(YOUNG));
    let descriptors = &mut run.descriptors;
    if !short {
        descriptors.crowded = None;
        return false;
    }
    let now = Instant::now();
    let since = *descriptors.crowded.get_or_insert(now);
    if descriptors.called.is_none_or(|called| now - called > CALL) {
        descriptors.called = Some(now);
        run.desk.borrow_mut().call_idle();
    }
    // A burst of jobs is over by then, if they open less than they might.
    if now - since > YOUNG && run.descriptors.said.says(now).is_some() {
        tracing::warn!(
            "takes no further job for the moment: {} of {} descriptors are in use and {} jobs run, which may open more. It goes on when \
             there is room. Raise the hard limit of open files for this process (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= \
             of Docker), or lower --concurrency",
            room.open,
            room.usable,
            room.in_flight,
        );
    }
    true
}

/// In another lane: whether the last leader found too few of them, or jobs may fail for want of one. A lane keeps none that it does not
/// need then.
pub(crate) fn were_short() -> bool {
    run::current().is_some_and(|run| run.descriptors.crowded.is_some())
        || look().is_some_and(Room::is_tight)
}

/// In a lane: it is about to settle a job, for which it may use those that are kept back. If they are short, few lanes do so at a time.
pub(crate) fn begin_settling() -> Result<(), crate::exceptions::Fault> {
    let overdue = with_desk(|desk| lane::current().is_some_and(|lane| desk.is_overdue(lane)));
    // One whose time is over would be woken at once.
    let permit = if overdue != Some(true) && look().is_some_and(|room| room.is_tight()) {
        crate::engine::permit("descriptors that are kept back", SETTLING)?
    } else {
        0
    };
    lane::set_settling(Some(permit));
    // What it holds is held by what failed.
    lane::memory::set(0);
    limits::use_reserve(true);
    Ok(())
}

/// The job is settled.
pub(crate) fn end_settling() {
    limits::use_reserve(false);
    if let Some(permit) = lane::set_settling(None)
        && permit != 0
    {
        with_desk(|desk| desk.give_back(permit));
    }
}

/// A lane that may be settling a job goes on, or gives up the processor.
pub(crate) fn switch(settling: Option<Permit>, on: bool) {
    if settling.is_some() {
        limits::use_reserve(on);
    }
}
