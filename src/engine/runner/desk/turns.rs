//! What the loop asks of the desk: which lane goes on, why one has stopped, and how long to wait.

use std::io;
use std::time::Instant;

use kqueue_core::scheduler::{Grant, LaneId};

use super::{Desk, NOTICE, State};
use crate::children::Children;
use crate::interpose::Woken;
use crate::reactor::Token;
use crate::runner::conflict::Conflict;
use crate::runner::pause::{Pause, Wake};

/// What the loop asks.
impl Desk {
    /// A lane was made.
    pub(in crate::runner) fn started(&mut self, lane: LaneId) {
        self.make_room(lane);
        self.set_state(lane, State::Ready);
        self.scheduler.started(lane);
        self.ready.push_back((lane, Wake::Start));
    }

    /// The next lane to run, and what it is told.
    pub(in crate::runner) fn next(&mut self) -> Option<(LaneId, Wake)> {
        let (lane, mut wake) = self.ready.pop_front()?;
        self.slots[lane as usize].state = State::Running;
        // A deadline that passed while it was ready rings no alarm any more.
        let cancelled = self.check_deadline(lane);
        match &mut wake {
            Wake::Woken(woken) if cancelled => *woken = Woken::Cancelled,
            Wake::Granted(Grant::Lead) | Wake::News => self.news = false,
            _ => {}
        }
        Some((lane, wake))
    }

    /// The lane gave up the processor. Another job that waits for the same descriptor is told of, if there is one.
    pub(in crate::runner) fn paused(&mut self, lane: LaneId, pause: Pause) -> Option<Conflict> {
        self.hold(lane, &pause);
        match pause {
            Pause::Wait { fds, timeout } => {
                self.suspensions += 1;
                return self.await_descriptors(lane, fds, timeout);
            }
            Pause::Line => self.line_up(lane),
            Pause::LineFor(time) => {
                self.line_up(lane);
                if matches!(self.slots[lane as usize].state, State::InLine) {
                    self.wake_after(lane, time);
                }
            }
            Pause::Permit => {
                self.set_state(lane, State::WantsPermit);
                if self.is_cancelled(lane) {
                    self.permits.give_up(lane);
                    self.wake(lane, Wake::Woken(Woken::Cancelled));
                }
            }
            Pause::Idle(time) => {
                self.set_state(lane, State::Idle);
                if self.news || self.scheduler.stopping().is_some() {
                    self.wake(lane, Wake::News);
                } else {
                    self.wake_after(lane, time);
                }
            }
            Pause::Child { priority } => {
                self.set_state(lane, State::WantsChild);
                match self.can_have_child() {
                    Ok(children) => {
                        children.line_up(u64::from(lane), priority);
                    }
                    Err(reason) => self.wake(lane, Wake::Child(Err(reason))),
                }
            }
            Pause::Notice => {
                self.set_state(lane, State::AwaitsNotice);
                self.wake_after(lane, NOTICE);
            }
            Pause::Turn => {
                self.set_state(lane, State::AwaitsTurn);
                self.turns += 1;
                if self.is_cancelled(lane) {
                    self.wake(lane, Wake::Woken(Woken::Cancelled));
                }
                return self.slots[lane as usize].conflict;
            }
            Pause::Join => self.set_state(lane, State::Joining),
            Pause::Ended => {
                self.ended(lane);
            }
        }
        None
    }

    /// The lane is gone. The lane that it helped, if it did.
    pub(in crate::runner) fn ended(&mut self, lane: LaneId) -> Option<LaneId> {
        self.set_deadline(lane, None);
        self.set_state(lane, State::Free);
        self.forget_permits(lane);
        self.hold(lane, &Pause::Ended);
        let parent = self.slots[lane as usize].parent.take();
        if let Some(parent) = parent {
            let beside = &mut self.slots[parent as usize].beside;
            beside.retain(|other| *other != lane);
        } else {
            let now = self.now();
            self.scheduler.ended(lane, now);
            self.notify_leader();
        }
        parent
    }

    /// A lane was made to run beside another. What that one is being cancelled for concerns it too.
    pub(in crate::runner) fn forked(&mut self, lane: LaneId, parent: LaneId) {
        self.make_room(lane);
        let of = &mut self.slots[parent as usize];
        of.beside.push(lane);
        let (cancelled, overdue) = (of.cancelled, of.overdue);
        let slot = &mut self.slots[lane as usize];
        slot.state = State::Ready;
        slot.parent = Some(parent);
        slot.cancelled = cancelled;
        slot.overdue = overdue;
        self.ready.push_back((lane, Wake::Start));
    }

    /// A lane that waits for those beside it goes on if there are none.
    pub(in crate::runner) fn joined(&mut self, lane: LaneId) {
        let slot = &self.slots[lane as usize];
        if matches!(slot.state, State::Joining) && slot.beside.is_empty() {
            self.wake(lane, Wake::Woken(Woken::Ready));
        }
    }

    /// Signals that came since the last call, except further ones to stop.
    pub(in crate::runner) fn take_signals(&mut self) -> Vec<i32> {
        std::mem::take(&mut self.untold)
    }

    /// Looks at the time, for jobs that become due.
    pub(in crate::runner) fn advance(&mut self) {
        let now = self.now();
        self.scheduler.advance(now);
    }

    /// Gives lanes in line what there is for them.
    pub(in crate::runner) fn dispatch_grants(&mut self) {
        while let Some((lane, grant)) = self.scheduler.grant() {
            self.wake(lane, Wake::Granted(grant));
        }
        while let Some((ticket, child)) = self.children.as_mut().and_then(Children::assign) {
            self.give(ticket as LaneId, child);
        }
        self.watch_control();
    }

    /// Waits until a lane can go on, or only looks if one can. `tokens` is room to work in.
    pub(in crate::runner) fn wait(&mut self, tokens: &mut Vec<Token>) -> io::Result<()> {
        debug_assert!(
            self.waits
                .len()
                .max(self.deadlines.len())
                .max(self.ready.len())
                <= self.slots.len(),
            "something is kept of a wait that is over"
        );
        let until = self.next_moment();
        if self.ready.is_empty()
            && !self.scheduler.wants_lane()
            && until.is_none_or(|moment| moment > Instant::now())
        {
            self.reactor.wait(until, tokens)?;
        } else {
            self.reactor.poll(tokens)?;
        }
        self.expire();
        self.handle_all(tokens);
        if let Some(output) = &mut self.output {
            output.tick();
        }
        Ok(())
    }

    /// Takes note of what has happened so far.
    pub(in crate::runner) fn look(&mut self, tokens: &mut Vec<Token>) -> io::Result<()> {
        self.reactor.poll(tokens)?;
        self.handle_all(tokens);
        Ok(())
    }

    /// The run is over.
    pub(in crate::runner) fn finish_output(&mut self) {
        if let Some(output) = &mut self.output {
            output.finish();
        }
    }
}
