//! What the runner and the master tell each other over their socket.

use super::recovery::Next;
use super::report::say;
use super::{Master, Phase};
use crate::error::EngineError;
use crate::link::{ChildLink, stream_pair};
use crate::reaper::Process;
use crate::role::Role;
use crate::signals::STOP;
use crate::zygote::{self, Side};
use kqueue_core::wire::Control;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

impl Master<'_> {
    pub(super) fn handle_message(&mut self, message: Control) {
        let now = Instant::now();
        let grace = self.plan.grace;
        match message {
            Control::Spawn { ticket } => {
                if let Err(error) = self.spawn(ticket) {
                    let reason = error.to_string();
                    self.tell(&Control::SpawnFailed { ticket, reason }, None);
                }
            }
            Control::Deadline { child, in_ms } => {
                let deadline = now.checked_add(Duration::from_millis(in_ms));
                self.with_child(child, |process| process.set_deadline(deadline));
            }
            Control::Clear { child } => {
                self.with_child(child, |process| process.set_deadline(None))
            }
            Control::Kill { child } => {
                self.with_child(child, |process| process.terminate(now, grace));
            }
            Control::Leave { child } => self.with_child(child, |process| process.leave(now, grace)),
            Control::Signal { signal } if STOP.contains(&signal) => {
                self.children.values().for_each(|child| child.tell(signal));
            }
            other => say(&format!(
                "the runner sent a message that only the master sends: {other:?}"
            )),
        }
    }

    /// The runner has let go of its children, or is dead: they see their sockets close.
    pub(super) fn link_closed(&mut self) {
        let now = Instant::now();
        for child in self.children.values_mut() {
            child.leave(now, self.plan.grace);
        }
        if self.standalone {
            self.phase = Phase::Clearing(self.recovery(Vec::new(), Next::Return(0)));
        }
    }

    pub(super) fn spawn(&mut self, ticket: u32) -> Result<(), EngineError> {
        if self.children.len() >= self.plan.children {
            return Err(EngineError::TooManyChildren(self.plan.children));
        }
        let (theirs, ours) = stream_pair()?;
        match zygote::fork(Role::Child)? {
            Side::Parent(pid) => {
                drop(ours);
                self.last_child = self.last_child.wrapping_add(1);
                let child = self.last_child;
                self.children.insert(child, Process::new(pid));
                self.tell(&Control::Spawned { ticket, child, pid }, Some(theirs));
                Ok(())
            }
            Side::Child => zygote::run(|| {
                drop(theirs);
                self.release();
                self.program.child(ChildLink::new(ours))
            }),
        }
    }

    /// In a new process: nothing of the master's stays open.
    pub(super) fn release(&mut self) {
        self.signals = None;
        self.link = None;
        self.children.clear();
        self.runner = None;
    }

    pub(super) fn tell(&mut self, message: &Control, passed: Option<OwnedFd>) {
        if let Some(link) = &mut self.link {
            link.send(message, passed);
        }
    }

    pub(super) fn with_child(&mut self, child: u32, act: impl FnOnce(&mut Process)) {
        if let Some(process) = self.children.get_mut(&child) {
            act(process);
        }
    }
}
