//! Who gets which isolated child: a line of waiting lanes, the children and their states, and when another is forked.
//! Pure: the engine tells what happened and does what [`Pool::poll`] says.
//!
//! Invariant: children that live or start are never more than the limit; one that leaves counts until it is reaped.
//! Invariant: a lane waits only while no child is idle; and while one waits, a child is busy, leaving or starting, or a
//! time to try again is set (unless the limit is 0). So nobody waits for nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A child's number, given by the master and never used twice in a run.
pub type ChildId = u32;

/// The first pause after a fork that failed; it doubles with each further failure.
const FIRST_RETRY_MS: u64 = 100;
const LAST_RETRY_MS: u64 = 5_000;

/// What the engine should do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The lane with this ticket has the child to itself.
    Assign {
        /// Which lane.
        ticket: u64,
        /// Which child.
        child: ChildId,
    },
    /// Ask the master for a child; it answers with [`Pool::spawned`] or [`Pool::spawn_failed`].
    Spawn {
        /// Names this wish in the answer.
        request: u32,
    },
}

/// What becomes of a child after a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It waits for the next job.
    Idle,
    /// It has run as many jobs as it may, or cannot be trusted with another: close its socket.
    Retire,
}

/// Numbers for `stats()` and the monitor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Children without a job.
    pub idle: usize,
    /// Children with a job.
    pub busy: usize,
    /// Asked for, not there yet.
    pub starting: usize,
    /// Told to leave, not reaped yet.
    pub leaving: usize,
    /// Lanes in line.
    pub waiting: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Busy(u64),
    Leaving,
}

#[derive(Debug, Clone, Copy)]
struct Child {
    state: State,
    jobs: u32,
}

/// The pool. One owner, the runner's loop.
#[derive(Debug)]
pub struct Pool {
    limit: usize,
    max_jobs: u32,
    /// Higher priority first, then in the order of arrival.
    line: BTreeMap<(Reverse<i32>, u64), u64>,
    places: HashMap<u64, (Reverse<i32>, u64)>,
    arrivals: u64,
    children: HashMap<ChildId, Child>,
    /// Newest last: it is used first, since its memory is warm, and the oldest can be retired when idle for long.
    idle: Vec<ChildId>,
    starting: HashSet<u32>,
    requests: u32,
    failures: u32,
    retry_at_ms: u64,
}

impl Pool {
    /// At most `limit` children; each is retired after `max_jobs` jobs (0 = never).
    pub fn new(limit: usize, max_jobs: u32) -> Pool {
        Pool {
            limit,
            max_jobs,
            line: BTreeMap::new(),
            places: HashMap::new(),
            arrivals: 0,
            children: HashMap::new(),
            idle: Vec::new(),
            starting: HashSet::new(),
            requests: 0,
            failures: 0,
            retry_at_ms: 0,
        }
    }

    /// How many children there may be.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// A lane wants a child. False if it is in line already; it keeps its place then.
    pub fn line_up(&mut self, ticket: u64, priority: i32) -> bool {
        if self.places.contains_key(&ticket) {
            return false;
        }
        let place = (Reverse(priority), self.arrivals);
        self.arrivals += 1;
        self.places.insert(ticket, place);
        self.line.insert(place, ticket);
        true
    }

    /// A lane no longer wants a child. False if it was not in line: it may have been assigned one.
    pub fn leave_line(&mut self, ticket: u64) -> bool {
        let Some(place) = self.places.remove(&ticket) else {
            return false;
        };
        self.line.remove(&place);
        true
    }

    /// The idle child that would be assigned next: to be looked at, and discarded if it is not fit.
    pub fn candidate(&self) -> Option<ChildId> {
        self.idle.last().copied().filter(|_| !self.line.is_empty())
    }

    /// What to do now; to be called until it says nothing.
    pub fn poll(&mut self, now_ms: u64) -> Option<Action> {
        if self.line.is_empty() {
            return None;
        }
        if let Some(child) = self.idle.pop() {
            let (_, ticket) = self.line.pop_first()?;
            self.places.remove(&ticket);
            if let Some(entry) = self.children.get_mut(&child) {
                entry.state = State::Busy(ticket);
            }
            return Some(Action::Assign { ticket, child });
        }
        if !self.wants_another() || now_ms < self.retry_at_ms {
            return None;
        }
        self.requests = self.requests.wrapping_add(1);
        self.starting.insert(self.requests);
        Some(Action::Spawn {
            request: self.requests,
        })
    }

    /// When [`Pool::poll`] must be called although nothing happened: forking failed and is to be tried again.
    pub fn wakeup(&self) -> Option<u64> {
        (self.failures > 0 && self.idle.is_empty() && self.wants_another())
            .then_some(self.retry_at_ms)
    }

    /// The master forked a child. False if nobody asked for it.
    pub fn spawned(&mut self, request: u32, child: ChildId) -> bool {
        if !self.starting.remove(&request) {
            return false;
        }
        self.failures = 0;
        self.retry_at_ms = 0;
        self.children.insert(
            child,
            Child {
                state: State::Idle,
                jobs: 0,
            },
        );
        self.idle.push(child);
        true
    }

    /// The master could not fork. The wish is tried again later, or served by a child that becomes idle.
    pub fn spawn_failed(&mut self, request: u32, now_ms: u64) -> bool {
        if !self.starting.remove(&request) {
            return false;
        }
        let pause = FIRST_RETRY_MS << self.failures.min(6);
        self.failures = self.failures.saturating_add(1);
        self.retry_at_ms = now_ms + pause.min(LAST_RETRY_MS);
        true
    }

    /// A child's job is over and the child lives. `reusable`: it may run another.
    pub fn finished(&mut self, child: ChildId, reusable: bool) -> Fate {
        let Some(entry) = self.children.get_mut(&child) else {
            return Fate::Retire;
        };
        if !matches!(entry.state, State::Busy(_)) {
            return Fate::Retire;
        }
        entry.jobs = entry.jobs.saturating_add(1);
        if !reusable || (self.max_jobs > 0 && entry.jobs >= self.max_jobs) {
            entry.state = State::Leaving;
            return Fate::Retire;
        }
        entry.state = State::Idle;
        self.idle.push(child);
        Fate::Idle
    }

    /// A child that must get no further job: it is being ended, or its socket is found closed. Gives back the ticket it
    /// was working for.
    pub fn discard(&mut self, child: ChildId) -> Option<u64> {
        let entry = self.children.get_mut(&child)?;
        let state = std::mem::replace(&mut entry.state, State::Leaving);
        self.idle.retain(|&other| other != child);
        match state {
            State::Busy(ticket) => Some(ticket),
            State::Idle | State::Leaving => None,
        }
    }

    /// A child is dead and reaped: its place is free. Gives back the ticket it was working for.
    pub fn ended(&mut self, child: ChildId) -> Option<u64> {
        let ticket = self.discard(child);
        self.children.remove(&child);
        ticket
    }

    /// Whom a child works for.
    pub fn holder(&self, child: ChildId) -> Option<u64> {
        match self.children.get(&child)?.state {
            State::Busy(ticket) => Some(ticket),
            State::Idle | State::Leaving => None,
        }
    }

    /// How many of what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            starting: self.starting.len(),
            waiting: self.line.len(),
            ..Counts::default()
        };
        for child in self.children.values() {
            match child.state {
                State::Idle => counts.idle += 1,
                State::Busy(_) => counts.busy += 1,
                State::Leaving => counts.leaving += 1,
            }
        }
        counts
    }

    /// Each child that starts will serve one lane of the line; a further one is worth forking for the others.
    fn wants_another(&self) -> bool {
        self.line.len() > self.starting.len()
            && self.children.len() + self.starting.len() < self.limit
    }
}
