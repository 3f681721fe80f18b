//! What the loop's own descriptors tell: signals, and the master's word on children.

use std::time::Instant;

use kqueue_core::scheduler::LaneId;

use super::{CONTROL, Desk, SIGNALS, State};
use crate::children::{ChildId, Children, Notice};
use crate::interpose::Woken;
use crate::reactor::Token;
use crate::runner::pause::{NoChild, Wake};
use crate::signals::{self, Signals};

impl Desk {
    pub(super) fn handle_all(&mut self, tokens: &mut Vec<Token>) {
        for token in tokens.drain(..) {
            self.handle(token);
        }
    }

    pub(super) fn handle(&mut self, token: Token) {
        match token {
            SIGNALS => self.handle_signals(),
            CONTROL => self.handle_control(),
            token => {
                let lane = (token & 0xffff_ffff) as LaneId;
                if self.token(lane) == token
                    && matches!(self.slots[lane as usize].state, State::Waiting(_))
                {
                    self.wake(lane, Wake::Woken(Woken::Ready));
                }
            }
        }
    }

    fn handle_signals(&mut self) {
        let arrived = self.signals.as_ref().map(Signals::take).unwrap_or_default();
        for signal in arrived {
            if signals::STOP.contains(&signal) {
                match self.stops.count(Instant::now()) {
                    None => continue,
                    Some(1) => {}
                    Some(_) => {
                        self.restore_handlers();
                        signals::raise(signal);
                    }
                }
            }
            self.on_signal(signal);
        }
    }

    /// After the lanes: so that what the runner does about a stop signal comes before what the jobs do.
    pub(in crate::runner) fn tell_children(&mut self, signal: i32) {
        if signals::STOP.contains(&signal)
            && let Some(children) = &mut self.children
        {
            children.tell(signal);
        }
    }

    /// From here on signals do what they would without us.
    fn restore_handlers(&mut self) {
        if let Some(signals) = self.signals.take() {
            self.reactor.forget(signals.fd(), SIGNALS);
        }
    }

    fn on_signal(&mut self, signal: i32) {
        match signal {
            signals::PAUSE => {
                self.untold.push(signal);
                self.pause(true);
            }
            signals::RESUME => {
                self.untold.push(signal);
                self.pause(false);
            }
            signal => {
                // Ctrl-C reaches this process twice: from the terminal, and from its master.
                if self.last_signal.replace(signal).is_none() {
                    self.untold.push(signal);
                }
                self.stop(0, "interrupted");
            }
        }
    }

    fn handle_control(&mut self) {
        let Some(children) = &mut self.children else {
            return;
        };
        match children.read_control() {
            Ok(notices) => {
                for notice in notices {
                    if let Notice::Signal(signal) = notice {
                        self.on_signal(signal);
                    }
                }
            }
            Err(error) => {
                // Without a master there are no children, but the jobs in lanes can still end well.
                tracing::error!(%error, "the run stops");
                self.reactor.forget(children.control_fd(), CONTROL);
                self.stop(1, "error");
                self.refuse_children();
            }
        }
        for lane in 0..self.slots.len() as LaneId {
            if matches!(self.slots[lane as usize].state, State::AwaitsNotice) {
                self.wake(lane, Wake::Woken(Woken::Ready));
            }
        }
    }

    /// What could not be sent to the master at once is sent when it takes more.
    pub(super) fn watch_control(&mut self) {
        let Some(children) = &self.children else {
            return;
        };
        let for_write = children.control_wants_write();
        if for_write != self.control_for_write {
            self.control_for_write = for_write;
            let events = libc::POLLIN | if for_write { libc::POLLOUT } else { 0 };
            self.reactor.change(children.control_fd(), events, CONTROL);
        }
    }

    pub(super) fn can_have_child(&mut self) -> Result<&mut Children, NoChild> {
        let children = self.children.as_mut().ok_or(NoChild::Disabled)?;
        if children.is_orphaned() {
            return Err(NoChild::MasterGone);
        }
        if children.limit() == 0 {
            return Err(NoChild::Disabled);
        }
        Ok(children)
    }

    /// The lane's turn for a child has come.
    pub(super) fn give(&mut self, lane: LaneId, child: ChildId) {
        if matches!(self.slots[lane as usize].state, State::WantsChild) {
            self.wake(lane, Wake::Child(Ok(child)));
        } else if let Some(children) = &mut self.children {
            children.abandon(child);
        }
    }

    /// Lanes that want a child would wait for ever.
    pub(super) fn refuse_children(&mut self) {
        for lane in 0..self.slots.len() as LaneId {
            if matches!(self.slots[lane as usize].state, State::WantsChild) {
                if let Some(children) = &mut self.children {
                    children.leave_line(u64::from(lane));
                }
                self.wake(lane, Wake::Child(Err(NoChild::MasterGone)));
            }
        }
    }
}
