//! Jobs that must end by a moment, and lanes that must end because of it.

use std::ops::Bound;
use std::time::Instant;

use kqueue_core::scheduler::LaneId;

use super::{Desk, State};
use crate::interpose::Woken;
use crate::runner::pause::{NoChild, Wake};

/// What lanes ask.
impl Desk {
    /// The lane's job must end by then; None: no limit. A cancellation that was under way is over.
    pub fn set_deadline(&mut self, lane: LaneId, deadline: Option<Instant>) {
        let Some(slot) = self.slots.get_mut(lane as usize) else {
            return;
        };
        if let Some(old) = slot.deadline.take() {
            self.deadlines.remove(&(old, lane));
        }
        slot.deadline = deadline;
        slot.cancelled = false;
        slot.overdue = false;
        if let Some(moment) = deadline {
            self.deadlines.insert((moment, lane));
        }
    }

    /// The next deadline of a job in flight: when an alarm for a lane that never waits should ring. One that has passed needs an
    /// alarm only if it is the running lane's: the loop sees the others before it lets their lanes go on.
    pub fn next_deadline(&self, running: Option<LaneId>) -> Option<Instant> {
        let passed = Bound::Excluded((Instant::now(), LaneId::MAX));
        let mut coming = self.deadlines.range((passed, Bound::Unbounded));
        let own = running
            .filter(|lane| self.slots.get(*lane as usize).is_some())
            .and_then(|lane| self.slots[self.owner(lane) as usize].deadline);
        let next = coming.next().map(|(moment, _)| *moment);
        [own, next].into_iter().flatten().min()
    }

    /// Whether the running lane is being cancelled. That it has overrun its deadline without waiting is found out here.
    pub fn check_deadline(&mut self, lane: LaneId) -> bool {
        if self.slots.get(lane as usize).is_none() {
            return false;
        }
        let owner = self.owner(lane);
        let deadline = self.slots[owner as usize].deadline;
        if deadline.is_some_and(|moment| moment <= Instant::now()) {
            self.cancel(owner, true);
        }
        self.is_cancelled(lane)
    }

    /// Whether it is its job's deadline that a lane is being cancelled for.
    pub fn is_overdue(&self, lane: LaneId) -> bool {
        let slot = self.slots.get(lane as usize);
        slot.is_some_and(|slot| slot.overdue)
    }

    /// One of the lanes beside another has failed: those that help with the same are cancelled.
    pub fn cancel_beside(&mut self, lane: LaneId) {
        let parent = self.slots.get(lane as usize).and_then(|slot| slot.parent);
        let Some(parent) = parent else { return };
        for other in self.slots[parent as usize].beside.clone() {
            if other != lane {
                self.cancel(other, false);
            }
        }
    }

    /// Whether the lane is being cancelled: its waits fail at once.
    pub fn is_cancelled(&self, lane: LaneId) -> bool {
        let slot = self.slots.get(lane as usize);
        slot.is_some_and(|slot| slot.cancelled)
    }

    /// Whether the lane's job has overrun its deadline. The lane has taken notice, so it may wait again.
    pub fn timed_out(&mut self, lane: LaneId) -> bool {
        self.slots.get_mut(lane as usize).is_some_and(|slot| {
            slot.cancelled = false;
            slot.overdue
        })
    }
}

impl Desk {
    /// The lane must end, since its deadline has passed or what it helps with has failed: ends its wait; its hooks and the interrupt
    /// handler do the rest. So must those beside it: it waits for them.
    pub(super) fn cancel(&mut self, lane: LaneId, overdue: bool) {
        let slot = &mut self.slots[lane as usize];
        if let Some(moment) = slot.deadline.take() {
            self.deadlines.remove(&(moment, lane));
        }
        slot.cancelled = true;
        slot.overdue |= overdue;
        match slot.state {
            State::Waiting(_) | State::AwaitsNotice | State::AwaitsTurn => {
                self.wake(lane, Wake::Woken(Woken::Cancelled));
            }
            State::WantsChild => {
                if let Some(children) = &mut self.children {
                    children.leave_line(u64::from(lane));
                }
                self.wake(lane, Wake::Child(Err(NoChild::Overdue)));
            }
            State::WantsPermit => {
                self.permits.give_up(lane);
                self.wake(lane, Wake::Woken(Woken::Cancelled));
            }
            State::Free
            | State::Ready
            | State::Running
            | State::InLine
            | State::Idle
            | State::Joining => {}
        }
        for other in self.slots[lane as usize].beside.clone() {
            self.cancel(other, overdue);
        }
    }

    pub(super) fn expire(&mut self) {
        if self.waits.is_empty() && self.deadlines.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(&(moment, lane)) = self.waits.first()
            && moment <= now
        {
            match self.slots[lane as usize].state {
                State::Idle => self.wake(lane, Wake::News),
                State::InLine => {
                    self.slots[lane as usize].wakes_at = None;
                    self.waits.remove(&(moment, lane));
                    self.step_out(lane);
                }
                _ => self.wake(lane, Wake::Woken(Woken::TimedOut)),
            }
        }
        while let Some(&(moment, lane)) = self.deadlines.first()
            && moment <= now
        {
            self.cancel(lane, true);
        }
    }
}
