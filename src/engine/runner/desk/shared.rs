//! Connections that several lanes use: who may send, who is in the middle of reading, and who must be told of the other.

use std::collections::btree_map::Entry;
use std::os::fd::RawFd;
use std::time::Duration;

use kqueue_core::scheduler::LaneId;

use super::{Desk, SIGNALS, State};
use crate::interpose::Woken;
use crate::reactor::{READING, Token};
use crate::runner::conflict::{Conflict, Resolution};
use crate::runner::pause::{Pause, Wake};

/// What lanes ask.
impl Desk {
    /// Whether a lane may send on a descriptor. False: another one is in the middle of using it; the lane is to ask again after
    /// [`Pause::Turn`].
    ///
    /// For lanes that help with the same job that is from the first request to something else; lanes of different jobs should not
    /// share a connection, and only keep out of each other's answers.
    pub fn claim(&mut self, lane: LaneId, fd: RawFd) -> bool {
        if let Some(&holder) = self.held.get(&fd)
            && holder != lane
            && self.owner(holder) == self.owner(lane)
        {
            return false;
        }
        let reader = self.reactor.reader(fd).filter(|reader| *reader < SIGNALS);
        let first = reader.map(|reader| (reader & 0xffff_ffff) as LaneId);
        let apart = |first: &LaneId| self.owner(*first) != self.owner(lane);
        let busy = first.filter(|first| apart(first) && self.reads_only(*first, fd));
        let conflict =
            busy.and_then(|first| Conflict::over(fd, first, lane, Resolution::SendsLater));
        if let Some(slot) = self.slots.get_mut(lane as usize) {
            slot.conflict = conflict;
        }
        conflict.is_none()
    }
}

impl Desk {
    /// Whether this descriptor is all that a lane waits for, and to read from it: it is in the middle of some call on it.
    fn reads_only(&self, lane: LaneId, fd: RawFd) -> bool {
        let State::Waiting(fds) = self.slots[lane as usize].state else {
            return false;
        };
        matches!(fds.get(), [only] if only.fd == fd && only.events & READING != 0)
    }

    /// Takes note of what a lane that may share connections waits for, and lets go of what it does not wait for any more.
    pub(super) fn hold(&mut self, lane: LaneId, pause: &Pause) {
        if self.slots[lane as usize].parent.is_none() {
            return;
        }
        let fds = match pause {
            // It only stepped aside.
            Pause::Wait {
                fds,
                timeout: Some(Duration::ZERO),
            } if fds.get().is_empty() => return,
            Pause::Wait { fds, .. } => fds.get(),
            _ => &[],
        };
        let mut released = false;
        for fd in std::mem::take(&mut self.slots[lane as usize].holds) {
            if fds.iter().any(|wanted| wanted.fd == fd) {
                self.slots[lane as usize].holds.push(fd);
            } else {
                self.held.remove(&fd);
                released = true;
            }
        }
        if released {
            self.wake_senders();
        }
        for fd in fds.iter().filter(|fd| fd.fd >= 0) {
            if let Entry::Vacant(free) = self.held.entry(fd.fd) {
                free.insert(lane);
                self.slots[lane as usize].holds.push(fd.fd);
            }
        }
    }

    /// Lanes that wait for their turn to send ask again.
    pub(super) fn wake_senders(&mut self) {
        if self.turns == 0 {
            return;
        }
        for lane in 0..self.slots.len() as LaneId {
            if matches!(self.slots[lane as usize].state, State::AwaitsTurn) {
                self.wake(lane, Wake::Woken(Woken::Ready));
            }
        }
    }

    pub(super) fn conflict(&self, fd: RawFd, other: Token, second: LaneId) -> Option<Conflict> {
        if other >= SIGNALS {
            return None;
        }
        let first = (other & 0xffff_ffff) as LaneId;
        if self.reads_only(first, fd) && self.reads_only(second, fd) {
            return Conflict::over(fd, first, second, Resolution::Fails);
        }
        // Lanes that run beside each other for one job share its connections on purpose.
        let apart = self.owner(first) != self.owner(second);
        apart
            .then(|| Conflict::over(fd, first, second, Resolution::Waits))
            .flatten()
    }
}
