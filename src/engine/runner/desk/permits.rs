//! Permits: lanes that wait for one, and lanes that are asked to give one back.

use kqueue_core::permits::Permit;
use kqueue_core::scheduler::LaneId;

use super::{Desk, State};
use crate::runner::pause::Wake;

impl Desk {
    /// Asks for a permit of this name. None: there is none now, and the lane must pause for it; never for one that cannot wait. An idle
    /// lane that has one is told.
    pub fn permit(
        &mut self,
        lane: LaneId,
        name: &str,
        limit: usize,
        can_wait: bool,
    ) -> Option<Permit> {
        let owner = self.owner(lane);
        let permit = self.permits.ask(lane, owner, name, limit);
        if permit.is_some() {
            return permit;
        }
        if !can_wait {
            self.permits.give_up(lane);
            return Some(self.permits.take(owner, name));
        }
        self.shortages += 1;
        self.call_holder(name);
        None
    }

    /// Gives a permit back. Whose turn it is goes on.
    pub fn give_back(&mut self, permit: Permit) {
        for (lane, permit) in self.permits.give_back(permit) {
            self.wake(lane, Wake::Permit(permit));
        }
    }

    /// The names of permits that the lane has and others wait for.
    pub fn wanted_of(&self, lane: LaneId) -> Vec<String> {
        self.permits.wanted_of(lane).map(str::to_owned).collect()
    }

    /// The lane is gone.
    pub(super) fn forget_permits(&mut self, lane: LaneId) {
        for (next, permit) in self.permits.gone(lane) {
            self.wake(next, Wake::Permit(permit));
        }
    }

    /// The lane has no job now: if others wait for what it has, it is told.
    pub(super) fn call_if_wanted(&mut self, lane: LaneId) {
        if self.permits.is_anyone_waiting() {
            for name in self.wanted_of(lane) {
                self.call_holder(&name);
            }
        }
    }

    /// Others wait for a permit of this name: one of the lanes that have one, if it is in line and was not called out for this
    /// shortage before (it may be unable to let go), is called out. Else the leader looks. A lane with a job looks after it.
    fn call_holder(&mut self, name: &str) {
        let holders = self.permits.holders(name);
        let holder = holders.iter().copied().find(|lane| {
            let slot = &self.slots[*lane as usize];
            matches!(slot.state, State::InLine) && slot.tidied_for < self.shortages
        });
        if let Some(lane) = holder {
            self.slots[lane as usize].tidied_for = self.shortages;
            self.step_out(lane);
        } else if self
            .scheduler
            .leader()
            .is_some_and(|leader| holders.contains(&leader))
        {
            self.notify_leader();
        }
    }

    /// Calls all idle lanes out of the line: each puts itself in order, and lines up again.
    pub fn call_idle(&mut self) {
        let in_line = |slot: &super::Slot| matches!(slot.state, State::InLine);
        let idle: Vec<LaneId> = (0..self.slots.len() as LaneId)
            .filter(|lane| in_line(&self.slots[*lane as usize]))
            .collect();
        for lane in idle {
            self.step_out(lane);
        }
    }

    pub(super) fn step_out(&mut self, lane: LaneId) {
        if self.scheduler.stopping().is_none() && self.scheduler.step_out(lane) {
            self.wake(lane, Wake::Tidy);
        }
    }
}
