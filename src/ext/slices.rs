//! Measures what the job of the running lane costs, slice by slice, and catches slices that hold the loop while they do.
//!
//! A slice costs two readings of the system's clock. The alarm is set once for many slices: it rings when one may have taken too
//! long, and is set again for that one if it has not.
//!
//! Invariant: nothing here allocates in PHP's memory while something of it is borrowed: the allocator asks what a job has, by `held`.
#![expect(unsafe_code, reason = "reads the thread's clock")]

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use kqueue_core::profile::{Meter, Slice, Usage};
use kqueue_engine::scoreboard::now_ms;

use crate::zend;

/// A slice that takes longer is looked at: other lanes wait for so long.
const SLOW: Duration = Duration::from_millis(250);

/// The slice that is running.
pub(crate) struct Slices {
    origin: Instant,
    origin_ms: u64,
    meter: RefCell<Meter>,
    began: Cell<Instant>,
    memory: Cell<usize>,
    /// When the alarm is to ring.
    watch: Cell<Option<Instant>>,
    /// Where the slice was when it became slow.
    places: RefCell<Vec<String>>,
}

/// What the lane's job has cost, or its last one.
#[derive(Default)]
pub(crate) struct Cost {
    pub(crate) usage: Usage,
    /// When it began and ended.
    span: Option<(Instant, Option<Instant>)>,
    /// Where its longest slice was when it became slow: the innermost PHP code and its callers.
    pub(crate) places: Vec<String>,
    /// A file that it included first, and that did what other lanes do not get; empty: none.
    pub(crate) effects: String,
    /// What it called that lanes refuse.
    pub(crate) refused: Option<String>,
}

impl Slices {
    /// No slice has run yet.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            origin: now,
            origin_ms: now_ms(),
            meter: RefCell::default(),
            began: Cell::new(now),
            memory: Cell::new(0),
            watch: Cell::new(None),
            places: RefCell::default(),
        }
    }

    /// A lane goes on. True: the alarm must be set.
    pub(crate) fn begin(&self, now: Instant) -> bool {
        self.began.set(now);
        self.memory.set(zend::memory_usage());
        self.places.borrow_mut().clear();
        // What was loaded between two slices is nobody's.
        zend::take_loading();
        let moment = now - self.origin;
        let mut meter = self.meter.borrow_mut();
        if meter.is_stale(moment) {
            meter.mark(moment, thread_time());
        }
        let late = self.watch.get().is_none_or(|watch| watch <= now);
        if late {
            self.watch.set(Some(now + SLOW));
        }
        late
    }

    /// The heartbeat's clock, from a reading that was made for something else.
    pub(crate) fn ms(&self, now: Instant) -> u64 {
        self.origin_ms + (now - self.origin).as_millis() as u64
    }

    /// The slice, or the job's part of it, ends.
    fn end(&self, cost: &mut Cost, now: Instant) {
        let began = self.began.get();
        let slice = Slice {
            wall: now - began,
            cpu: self
                .meter
                .borrow_mut()
                .cpu(began - self.origin, now - self.origin, thread_time),
            memory: zend::memory_usage() as i64 - self.memory.get() as i64,
            loading: zend::take_loading(),
        };
        if cost.usage.add(slice) {
            cost.places = self.places.take();
        }
    }

    /// What a job has now, in the middle of a slice of its lane; None: there is none.
    pub(crate) fn held(&self, cost: &Cost) -> Option<i64> {
        let slice = zend::memory_usage() as i64 - self.memory.get() as i64;
        cost.is_open().then(|| cost.usage.held() + slice)
    }

    /// The lane is suspended, or has ended.
    pub(crate) fn leave(&self, cost: &mut Cost) {
        if cost.is_open() {
            self.end(cost, Instant::now());
        }
    }

    /// The alarm has rung for the running slice, or for none.
    pub(crate) fn rang(&self, in_lane: bool) {
        let now = Instant::now();
        if self.watch.get().is_none_or(|watch| watch > now) {
            return;
        }
        self.watch.set(None);
        if !in_lane {
            return;
        }
        let slow = self.began.get() + SLOW;
        if slow > now {
            self.watch.set(Some(slow));
        } else if self.places.borrow().is_empty() {
            let places = zend::places();
            *self.places.borrow_mut() = places;
        }
    }

    /// When the alarm is to ring.
    pub(crate) fn watch(&self) -> Option<Instant> {
        self.watch.get()
    }

    /// In the middle of a slice: a job begins. True: the alarm must be set.
    pub(crate) fn job_began(&self, cost: &mut Cost) -> bool {
        let now = Instant::now();
        *cost = Cost {
            span: Some((now, None)),
            ..Cost::default()
        };
        self.begin(now)
    }

    /// In the middle of a slice: the job has ended.
    pub(crate) fn job_ended(&self, cost: &mut Cost) {
        if let Some((began, None)) = cost.span {
            let now = Instant::now();
            self.end(cost, now);
            cost.span = Some((began, Some(now)));
        }
    }
}

impl Cost {
    fn is_open(&self) -> bool {
        matches!(self.span, Some((_, None)))
    }

    /// Whether the job runs, and has begun after this moment.
    pub(crate) fn has_begun_since(&self, moment: Instant) -> bool {
        matches!(self.span, Some((began, None)) if began > moment)
    }

    /// How long the job has run, waits and all.
    pub(crate) fn wall(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(began, ended)| {
            ended.unwrap_or_else(Instant::now) - began
        })
    }
}

/// This thread's processor time.
fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
