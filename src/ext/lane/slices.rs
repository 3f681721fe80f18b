//! Measures what the job of the running lane costs, slice by slice, and catches slices that hold the loop while they do.
//!
//! A slice costs two readings of the system's clock. The alarm is set once for many slices: it rings when one may have taken too
//! long, and is set again for that one if it has not.
#![expect(
    unsafe_code,
    reason = "reads the thread's clock, and the running lane's cost"
)]

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kqueue_core::profile::{Meter, Slice, Usage};
use kqueue_engine::scoreboard::now_ms;

use super::CURRENT;
use crate::zend;

/// A slice that takes longer is looked at: other lanes wait for so long.
const SLOW: Duration = Duration::from_millis(250);

/// The slice that is running.
pub(crate) struct Slices {
    origin: Instant,
    origin_ms: u64,
    meter: Meter,
    began: Instant,
    memory: usize,
    /// When the alarm is to ring.
    watch: Option<Instant>,
    /// Where the slice was when it became slow.
    places: Vec<String>,
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
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            origin: now,
            origin_ms: now_ms(),
            meter: Meter::default(),
            began: now,
            memory: 0,
            watch: None,
            places: Vec::new(),
        }
    }

    /// A lane goes on. True: the alarm must be set.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        self.began = now;
        self.memory = zend::memory_usage();
        self.places.clear();
        // What was loaded between two slices is nobody's.
        zend::take_loading();
        let moment = now - self.origin;
        if self.meter.is_stale(moment) {
            self.meter.mark(moment, thread_time());
        }
        let late = self.watch.is_none_or(|watch| watch <= now);
        if late {
            self.watch = Some(now + SLOW);
        }
        late
    }

    /// The heartbeat's clock, from a reading that was made for something else.
    pub(super) fn ms(&self, now: Instant) -> u64 {
        self.origin_ms + (now - self.origin).as_millis() as u64
    }

    /// The slice, or the job's part of it, ends.
    fn end(&mut self, cost: &mut Cost, now: Instant) {
        let wall = now - self.began;
        let slice = Slice {
            wall,
            cpu: self
                .meter
                .cpu(self.began - self.origin, now - self.origin, thread_time),
            memory: zend::memory_usage() as i64 - self.memory as i64,
            loading: zend::take_loading(),
        };
        if cost.usage.add(slice) {
            cost.places = std::mem::take(&mut self.places);
        }
    }

    /// What a job has now, in the middle of a slice of its lane; None: there is none.
    pub(super) fn held(&self, cost: &Cost) -> Option<i64> {
        let slice = zend::memory_usage() as i64 - self.memory as i64;
        cost.is_open().then(|| cost.usage.held() + slice)
    }

    /// The lane is suspended, or has ended.
    pub(super) fn leave(&mut self, cost: &mut Cost) {
        if cost.is_open() {
            self.end(cost, Instant::now());
        }
    }

    /// The alarm may have rung for the running slice, or for none.
    pub(super) fn rang(&mut self, in_lane: bool) {
        let now = Instant::now();
        if self.watch.is_none_or(|watch| watch > now) {
            return;
        }
        self.watch = None;
        if !in_lane {
            return;
        }
        let slow = self.began + SLOW;
        if slow > now {
            self.watch = Some(slow);
        } else if self.places.is_empty() {
            self.places = zend::places();
        }
    }

    /// When the alarm is to ring.
    pub(crate) fn watch(&self) -> Option<Instant> {
        self.watch
    }

    /// In the middle of a slice: a job begins. True: the alarm must be set.
    fn job_began(&mut self, cost: &mut Cost) -> bool {
        let now = Instant::now();
        *cost = Cost {
            span: Some((now, None)),
            ..Cost::default()
        };
        self.begin(now)
    }

    /// In the middle of a slice: the job has ended.
    fn job_ended(&mut self, cost: &mut Cost) {
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
    pub(super) fn has_begun_since(&self, moment: Instant) -> bool {
        matches!(self.span, Some((began, None)) if began > moment)
    }

    /// How long the job has run, waits and all.
    pub(crate) fn wall(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(began, ended)| {
            ended.unwrap_or_else(Instant::now) - began
        })
    }
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

/// In a lane: its job has included a file that did what other lanes do not get.
pub(crate) fn note_effects(file: String) {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane.
        unsafe { (*lane).cost.effects = file };
    }
}

/// In a lane: its job has called what lanes refuse.
pub(super) fn note_refused(function: &str) {
    let lane = CURRENT.load(Ordering::Relaxed);
    if !lane.is_null() {
        // SAFETY: the running lane, and the one whose job it is, which waits.
        unsafe { (*super::Lane::world(lane)).cost.refused = Some(function.into()) };
    }
}

/// In a lane: what its job has cost, or its last one.
pub(crate) fn cost<'a>() -> Option<&'a Cost> {
    let lane = CURRENT.load(Ordering::Relaxed);
    // SAFETY: the running lane, which stays while its own code looks.
    unsafe { lane.as_ref() }.map(|lane| &lane.cost)
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
