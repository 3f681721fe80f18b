//! The isolated children as the runner sees them: a pool over the control socket. Who gets which child is decided by
//! `kqueue_core::pool`; this does it.
//!
//! Invariant: nothing here blocks; the runner's loop waits for the descriptors given out here.
//! Invariant: a child that is told to end, or has closed its socket, is given to the master to see to it. So the outcome
//! of every child comes, whatever the child does.
//! Invariant: a child whose deadline may have passed gets no second job: the master's SIGTERM could be on its way. (It is
//! not while our clock says "before" after the message that clears the deadline is in the socket: the master counts from
//! the receipt of the deadline, and reads its messages before it looks at the time.)

mod child;

pub use child::{Ending, Received};
pub use kqueue_core::pool::{ChildId, Counts};

use crate::error::EngineError;
use crate::link::{MasterLink, Packet};
use crate::scoreboard::{ChildInfo, Doing, Scoreboard, now_ms};
use child::{Child, Exit};
use kqueue_core::pool::{Action, Fate, Pool};
use kqueue_core::wire::{Control, Frame};
use std::collections::HashMap;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After this many children in a row that ended before they took up a job, their ends count as the jobs'.
const FALSE_STARTS: u32 = 5;

/// What the runner's loop must know from the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A stop, pause or resume signal reached the master.
    Signal(i32),
    /// This child, which has a job, has ended: its lane must read what is left and ask for the outcome.
    Ended(ChildId),
}

/// The pool. One owner: the runner's loop.
#[derive(Debug)]
pub struct Children {
    // Dropped in this order: the children's sockets first, so that they leave while the link waits for the zygote.
    children: HashMap<ChildId, Child>,
    link: MasterLink,
    board: Arc<Scoreboard>,
    pool: Pool,
    free_slots: Vec<u32>,
    master_gone: bool,
    /// How many children in a row ended before they took up a job.
    false_starts: u32,
}

impl Children {
    /// At most `limit` children, each for at most `max_jobs` jobs (0 = no limit). A limit of 0 makes no child ever.
    pub fn new(link: MasterLink, board: Arc<Scoreboard>, limit: usize, max_jobs: u32) -> Children {
        let slots = board
            .children()
            .min(u32::try_from(limit).unwrap_or(u32::MAX));
        Children {
            children: HashMap::new(),
            link,
            board,
            pool: Pool::new(limit, max_jobs),
            free_slots: (0..slots).rev().collect(),
            master_gone: false,
            false_starts: 0,
        }
    }

    /// How many children there may be.
    pub fn limit(&self) -> usize {
        self.pool.limit()
    }

    /// Whether the master is gone: nobody gets a child any more.
    pub fn is_orphaned(&self) -> bool {
        self.master_gone
    }

    /// A lane wants a child. Higher priority first, first come first served within one. False if it is in line already.
    pub fn line_up(&mut self, ticket: u64, priority: i32) -> bool {
        self.pool.line_up(ticket, priority)
    }

    /// A lane no longer wants one. False if it was not in line; if it has a child by now, [`Children::abandon`] it.
    pub fn leave_line(&mut self, ticket: u64) -> bool {
        self.pool.leave_line(ticket)
    }

    /// Who may go on, with which child; to be called until it says nobody, after whatever could change that: `line_up`,
    /// `finished`, `outcome`, `abandon`, `read_control`, and at [`Children::wakeup`]. Asks the master for children as needed.
    pub fn assign(&mut self) -> Option<(u64, ChildId)> {
        loop {
            while let Some(child) = self.pool.candidate() {
                if self.children.get(&child).is_some_and(Child::is_fit) {
                    break;
                }
                self.send_away(child, &Control::Leave { child });
            }
            match self.pool.poll(now_ms())? {
                Action::Assign { ticket, child } => return Some((ticket, child)),
                Action::Spawn { request } if self.master_gone => {
                    self.pool.spawn_failed(request, now_ms());
                }
                Action::Spawn { request } => {
                    self.link.send(&Control::Spawn { ticket: request });
                }
            }
        }
    }

    /// When [`Children::assign`] must be called although nothing happened, in milliseconds of the monotonic clock.
    pub fn wakeup(&self) -> Option<u64> {
        self.pool.wakeup().filter(|_| !self.master_gone)
    }

    /// Readable when [`Children::read_control`] has something to read.
    pub fn control_fd(&self) -> RawFd {
        self.link.fd()
    }

    /// Whether the control socket is to be watched for writing too: the master is behind. Then call
    /// [`Children::read_control`] when it is writable.
    pub fn control_wants_write(&self) -> bool {
        self.link.is_pending()
    }

    /// Reads all the master has said. [`EngineError::MasterGone`] means that no child lives any more; the outcome of those
    /// that had jobs can still be asked for.
    pub fn read_control(&mut self) -> Result<Vec<Notice>, EngineError> {
        let mut notices = Vec::new();
        self.link.flush();
        loop {
            match self.link.receive()? {
                Packet::WouldBlock => return Ok(notices),
                Packet::Closed => {
                    self.lose_master();
                    return Err(EngineError::MasterGone);
                }
                Packet::Message(message, passed) => notices.extend(self.handle(message, passed)),
            }
        }
    }

    /// The child's socket, to wait for; none once it is closed.
    pub fn fd(&self, child: ChildId) -> Option<RawFd> {
        self.children.get(&child)?.fd()
    }

    /// The child's process, for messages.
    pub fn pid(&self, child: ChildId) -> Option<i32> {
        Some(self.children.get(&child)?.pid)
    }

    /// Sends a frame, or as much of it as fits: false means that [`Children::flush`] must be called when the socket is
    /// writable. An error means that the frame is too long, and the child is as it was. A dead child takes everything.
    pub fn send(&mut self, child: ChildId, frame: &Frame) -> io::Result<bool> {
        match self.children.get_mut(&child) {
            Some(entry) => entry.send(frame),
            None => Ok(true),
        }
    }

    /// Sends more. False if some is left.
    pub fn flush(&mut self, child: ChildId) -> bool {
        self.children.get_mut(&child).is_none_or(Child::flush)
    }

    /// Whether something is left to send to the child.
    pub fn wants_write(&self, child: ChildId) -> bool {
        self.children.get(&child).is_some_and(Child::is_pending)
    }

    /// The next frame of the child. Does not block.
    pub fn receive(&mut self, child: ChildId) -> Received {
        let Some(entry) = self.children.get_mut(&child) else {
            return Received::Closed;
        };
        let received = entry.receive();
        // It is ending, or its lane can no longer reach it: from here on the master sees to it that it ends.
        let ending = matches!(
            received,
            Received::Closed | Received::Frame(Frame::Exited | Frame::Fatal { .. })
        );
        if ending && !entry.seen_off && entry.exit.is_none() {
            entry.seen_off = true;
            let order = if entry.is_garbled() {
                Control::Kill { child }
            } else {
                Control::Leave { child }
            };
            self.link.send(&Control::Clear { child });
            self.link.send(&order);
        }
        received
    }

    /// The child begins a job: its deadline is set at the master. To be called before the job is sent.
    pub fn started(&mut self, child: ChildId, timeout: Option<Duration>) {
        let Some(entry) = self.children.get_mut(&child) else {
            return;
        };
        entry.jobs += 1;
        entry.started = false;
        entry.timeout = timeout;
        entry.deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if let Some(timeout) = timeout {
            let in_ms = whole_ms(timeout);
            self.link.send(&Control::Deadline { child, in_ms });
        }
        self.show(child, Doing::Busy);
    }

    /// The child has sent [`Frame::Done`] and its lane lets go of it.
    pub fn finished(&mut self, child: ChildId) {
        let Some(entry) = self.children.get_mut(&child) else {
            return;
        };
        let deadline = entry.deadline.take();
        self.false_starts = 0;
        let mut reusable = entry.is_reusable();
        if let Some(deadline) = deadline {
            let cleared = self.link.send(&Control::Clear { child });
            reusable = reusable && cleared && Instant::now() < deadline;
        }
        if entry.exit.is_some() {
            self.forget(child);
            return;
        }
        match self.pool.finished(child, reusable) {
            Fate::Idle => self.show(child, Doing::Idle),
            Fate::Retire => self.send_away(child, &Control::Leave { child }),
        }
    }

    /// The lane lets go of a child whose job is not over; the child is ended, and nobody asks for the outcome.
    pub fn abandon(&mut self, child: ChildId) {
        if self
            .children
            .get(&child)
            .is_some_and(|entry| entry.exit.is_some())
        {
            self.forget(child);
        } else {
            self.send_away(child, &Control::Kill { child });
        }
    }

    /// The lanes have been told of this stop signal; now their children are.
    pub fn tell(&mut self, signal: i32) {
        self.link.send(&Control::Signal { signal });
    }

    /// How a child ended, once [`Received::Closed`] was read and the master has reaped it; none until then. Asking for it
    /// lets go of the child. After [`Ending::NotStarted`] the lane should line up again: its job has not begun. (Several
    /// of these in a row are reported as what they are, so this cannot go on for ever.)
    pub fn outcome(&mut self, child: ChildId) -> Option<Ending> {
        let Some(entry) = self.children.get(&child) else {
            // Unknown is not "not yet": who asks twice must not wait for ever.
            return Some(Ending::MasterGone);
        };
        let ending = entry.ending()?;
        let started = entry.started || ending == Ending::MasterGone;
        self.forget(child);
        if started {
            self.false_starts = 0;
            return Some(ending);
        }
        self.false_starts += 1;
        // If children cannot even begin, trying for ever would hide it.
        if self.false_starts >= FALSE_STARTS {
            return Some(ending);
        }
        tracing::warn!(
            "an isolated child {ending} before its job began; the job gets another child"
        );
        Some(Ending::NotStarted)
    }

    /// How many of what.
    pub fn counts(&self) -> Counts {
        self.pool.counts()
    }

    fn handle(&mut self, message: Control, passed: Option<OwnedFd>) -> Option<Notice> {
        match message {
            Control::Signal { signal } => return Some(Notice::Signal(signal)),
            Control::Spawned { ticket, child, pid } => self.welcome(ticket, child, pid, passed),
            Control::SpawnFailed { ticket, reason } => {
                tracing::warn!(reason, "cannot start an isolated child; trying again later");
                self.pool.spawn_failed(ticket, now_ms());
            }
            Control::Exited {
                child,
                status,
                overdue,
            } => return self.bury(child, Exit::Reaped { status, overdue }),
            other => tracing::error!(?other, "the master sent a message that only runners send"),
        }
        None
    }

    fn welcome(&mut self, ticket: u32, child: ChildId, pid: i32, passed: Option<OwnedFd>) {
        let Some(socket) = passed else {
            // The kernel drops a passed socket if this process may open no more files. The child sees it closed.
            tracing::warn!(
                "cannot take over an isolated child: too many open files; raise the limit (ulimit -n). Trying again later"
            );
            self.link.send(&Control::Leave { child });
            self.pool.spawn_failed(ticket, now_ms());
            return;
        };
        if !self.pool.spawned(ticket, child) {
            tracing::error!(child, "the master sent a child that nobody asked for");
            self.link.send(&Control::Leave { child });
            return;
        }
        let slot = self.free_slots.pop().unwrap_or(u32::MAX);
        self.children.insert(child, Child::new(socket, pid, slot));
        self.show(child, Doing::Idle);
    }

    /// The child is dead. Its place in the pool is free at once; if a lane works with it, what it said is kept.
    fn bury(&mut self, child: ChildId, exit: Exit) -> Option<Notice> {
        let holder = self.pool.ended(child);
        let entry = self.children.get_mut(&child)?;
        entry.exit = Some(exit);
        if holder.is_none() {
            self.forget(child);
            return None;
        }
        Some(Notice::Ended(child))
    }

    fn lose_master(&mut self) {
        self.master_gone = true;
        let all: Vec<_> = self.children.keys().copied().collect();
        for child in all {
            let reaped = self.children[&child].exit.is_some();
            if !reaped {
                self.bury(child, Exit::MasterGone);
            }
        }
    }

    /// No lane will use the child again: its socket is closed, and the master does the rest.
    fn send_away(&mut self, child: ChildId, order: &Control) {
        self.pool.discard(child);
        self.link.send(order);
        if let Some(entry) = self.children.get_mut(&child) {
            entry.close();
        }
        self.show(child, Doing::Leaving);
    }

    fn forget(&mut self, child: ChildId) {
        if let Some(entry) = self.children.remove(&child)
            && entry.slot != u32::MAX
        {
            self.board.clear_child(entry.slot);
            self.free_slots.push(entry.slot);
        }
    }

    fn show(&self, child: ChildId, doing: Doing) {
        let Some(entry) = self.children.get(&child) else {
            return;
        };
        let busy = doing == Doing::Busy;
        let now = now_ms();
        self.board.set_child(
            entry.slot,
            &ChildInfo {
                pid: entry.pid,
                doing,
                ticket: self.pool.holder(child).unwrap_or(0),
                jobs: entry.jobs,
                started_ms: if busy { now } else { 0 },
                deadline_ms: entry
                    .timeout
                    .filter(|_| busy)
                    .map_or(0, |timeout| now.saturating_add(whole_ms(timeout))),
            },
        );
    }
}

/// Rounded up: the master's deadline is never before ours.
fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
