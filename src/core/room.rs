//! Whether one more job may be taken, by the descriptors that are left.
//!
//! What a job will open is not known before it has. So one that has just begun counts as if it was still to open what jobs usually do, and
//! one that has run for a while has opened what it needs: that is among the open ones. With plenty of room both is the same.

use std::time::Duration;

/// What a job is expected to open: a few connections, a log, the pipes of a program.
pub const USUAL: usize = 8;

/// How long a job counts as one that has just begun.
pub const YOUNG: Duration = Duration::from_secs(1);

/// What is known of a run's descriptors and jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many descriptors there may be.
    pub usable: usize,
    /// How many there are.
    pub open: usize,
    /// Those that were there before the first job.
    pub base: usize,
    /// Lanes, which may keep what their jobs have opened.
    pub lanes: usize,
    /// Jobs that run.
    pub in_flight: usize,
}

/// So much for each is plenty.
const PLENTY: usize = 64;

impl Room {
    /// What one job is expected to open: the usual, or more if so many lanes have more.
    fn each(self, lanes: usize) -> usize {
        let opened = self.open.saturating_sub(self.base);
        USUAL.max(opened.div_ceil(lanes.max(1)))
    }

    fn left(self) -> usize {
        self.usable.saturating_sub(self.open)
    }

    /// Whether one more job may be taken. One always may: if it fails then, waiting would not have helped. `young` is asked for the number
    /// of jobs that have just begun, if it matters.
    pub fn allows_another(self, young: impl FnOnce() -> usize) -> bool {
        let wanted = |jobs: usize, each: usize| jobs.saturating_add(1).saturating_mul(each);
        if self.in_flight == 0 || self.left() >= wanted(self.in_flight, PLENTY) {
            return true;
        }
        let young = young();
        // What the others have opened is shown by what is open.
        self.left() >= wanted(young, self.each(self.lanes.saturating_sub(young)))
    }

    /// Whether so few are left that jobs may fail for want of one.
    pub fn is_tight(self) -> bool {
        self.left() < 8 * self.each(self.lanes)
    }
}
