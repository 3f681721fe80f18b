//! The run's descriptors: whether there are enough for one more job, and those that are kept back for settling jobs.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use kqueue_core::room::{Room, YOUNG};
use kqueue_engine::limits;
use kqueue_engine::runner::RateLimit;

use crate::lane::{self, memory, permit, table};
use crate::session::{self, with_desk};

/// How long a count is good for: descriptors are counted by the kernel, which takes a few microseconds.
const FRESH: Duration = Duration::from_millis(1);

/// How often idle lanes are called out of the line to close what they keep.
const CALL: Duration = Duration::from_secs(1);

/// How many lanes settle jobs at the same time when descriptors are short.
const SETTLING: usize = 8;

thread_local! {
    /// What the run of this process knows of its descriptors.
    static KNOWN: RefCell<Known> = RefCell::default();
}

#[derive(Default)]
struct Known {
    base: usize,
    open: usize,
    counted: Option<Instant>,
    /// Since when the leaders have found too few.
    crowded: Option<Instant>,
    called: Option<Instant>,
    said: RateLimit,
}

/// The process may have as many descriptors as the system allows while this lives.
pub(crate) struct Raised {
    _limit: Option<limits::Raised>,
}

impl Raised {
    /// Raises the limit: a run begins.
    pub(crate) fn begin() -> Self {
        let limit = limits::raise();
        KNOWN.set(Known {
            base: limits::open(),
            ..Known::default()
        });
        Self { _limit: limit }
    }
}

impl Known {
    /// Takes note of whether descriptors are short. Whether idle lanes are to be asked to close what they keep, and whether the log is
    /// to be told.
    fn note(&mut self, short: bool, now: Instant) -> (bool, bool) {
        if !short {
            self.crowded = None;
            return (false, false);
        }
        let since = *self.crowded.get_or_insert(now);
        let asks = self.called.is_none_or(|called| now - called > CALL);
        if asks {
            self.called = Some(now);
        }
        // A burst of jobs is over by then, if they open less than they might.
        let says = now - since > YOUNG && self.said.allow(now).is_some();
        (asks, says)
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
    Some(KNOWN.with_borrow_mut(|known| known.room(lanes, in_flight)))
}

/// In a leader: no further job must be taken now, for want of descriptors. The log is told, and idle lanes are asked to close what they keep.
pub(crate) fn are_short() -> bool {
    let Some(room) = look() else {
        return false;
    };
    let young = || table::with(|table| table.jobs_younger_than(YOUNG)).unwrap_or_default();
    let short = !room.allows_another(young);
    let (asks, says) = KNOWN.with_borrow_mut(|known| known.note(short, Instant::now()));
    if asks {
        with_desk(|desk| desk.call_idle());
    }
    if says {
        tracing::warn!(
            "takes no further job for the moment: {} of {} descriptors are in use and {} jobs run, which may open more. It goes on when \
             there is room. Raise the hard limit of open files for this process (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= \
             of Docker), or lower --concurrency",
            room.open,
            room.usable,
            room.in_flight,
        );
    }
    short
}

/// In another lane: whether the last leader found too few of them, or jobs may fail for want of one. A lane keeps none that it does not
/// need then.
pub(crate) fn were_short() -> bool {
    let crowded = KNOWN.with_borrow(|known| known.crowded.is_some());
    crowded && session::exists() || look().is_some_and(Room::is_tight)
}

/// In a lane: it is about to settle a job, for which it may use those that are kept back. If they are short, few lanes do so at a time.
pub(crate) fn begin_settling() -> Result<(), crate::exceptions::Fault> {
    let overdue = with_desk(|desk| lane::current().is_some_and(|lane| desk.is_overdue(lane)));
    // One whose time is over would be woken at once.
    let permit = if overdue != Some(true) && look().is_some_and(|room| room.is_tight()) {
        permit::acquire("descriptors that are kept back", SETTLING)?
    } else {
        0
    };
    lane::set_settling(Some(permit));
    // What it holds is held by what failed.
    memory::set(0);
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
