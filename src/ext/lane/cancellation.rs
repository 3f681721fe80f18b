//! How a cancelled lane is ended: by an exception at once, again after each wait that failed, and again after a while in which the lane
//! did not wait. An alarm may be another lane's, and must not disturb this one's clearing up before that.

use std::time::{Duration, Instant};

/// A lane that goes on computing after its exception gets it again after this time.
const THROW_AGAIN: Duration = Duration::from_millis(100);

/// Code that has caught this many exceptions catches them all: it is left without asking it.
const THROWN_AT_MOST: u32 = 10;

/// What a cancelled lane gets as it runs PHP code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelAction {
    /// Nothing yet.
    None,
    /// An exception.
    Throw,
    /// What exit() throws: neither `catch` nor `finally` sees it.
    Exit,
}

/// What a lane was told of its cancellation so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CancelState {
    due: bool,
    thrown: u32,
    again_at: Option<Instant>,
}

impl CancelState {
    /// The lane was told nothing.
    pub(crate) const NEW: Self = Self {
        due: true,
        thrown: 0,
        again_at: None,
    };

    /// Whether the lane gets something now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due || self.again_at.is_some_and(|moment| moment <= now)
    }

    /// When the lane is to be looked at again.
    pub(crate) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// Makes the exception due again, since a wait has failed.
    pub(crate) fn rethrow(&mut self) {
        self.due = true;
    }

    /// Decides what the lane gets now, and takes note of it.
    pub(crate) fn take(&mut self, now: Instant) -> CancelAction {
        if !self.is_due(now) {
            return CancelAction::None;
        }
        self.due = false;
        self.thrown += 1;
        self.again_at = Some(now + THROW_AGAIN);
        if self.thrown > THROWN_AT_MOST {
            return CancelAction::Exit;
        }
        CancelAction::Throw
    }
}
