//! Which lane may go on: the line of idle lanes, the leader, the jobs that wait, and when a run is over.
//!
//! Two ways to feed lanes share one line. With a *leader* (Laravel) the first lane in line talks to the queue and passes the
//! lead on when it has a job. With *jobs* (plain PHP) each lane in line is handed the best waiting job.
//!
//! Invariant: at most one lane leads. Invariant: `in_flight` counts lanes between a reservation (or a handed job) and its end,
//! whatever that end is. One owner, so no lock; time is passed in.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

/// The number of a lane's slot; reused after the lane has ended.
pub type LaneId = u32;
/// The number of a job or timer of the plain runtime, counted from 1.
pub type JobId = u64;
/// Time since the run began.
pub type Moment = Duration;

/// What a lane in line is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// It is the leader now.
    Lead,
    /// It runs this job.
    Job(JobId),
    /// Nothing will come any more: it ends.
    End,
}

/// Why and how a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The exit status of the run.
    pub status: i32,
    /// In Laravel's words: "interrupted", "memory", "max_jobs", "empty" ...
    pub reason: String,
}

/// A job that waits for a lane.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Its number.
    pub id: JobId,
    /// Higher starts first.
    pub priority: i64,
    /// Background work (a repeating timer) does not keep a run going.
    pub background: bool,
}

#[derive(Debug)]
enum Feed {
    Leader { leader: Option<LaneId> },
    Jobs(Jobs),
}

/// Waiting and delayed jobs. Order: priority, then dispatch.
#[derive(Debug, Default)]
struct Jobs {
    ready: BTreeMap<(std::cmp::Reverse<i64>, u64), Waiting>,
    delayed: BTreeMap<(Moment, u64), Waiting>,
    sequence: u64,
    foreground: usize,
}

impl Jobs {
    fn remove(&mut self, id: JobId) -> bool {
        let ready = self
            .ready
            .iter()
            .find(|(_, job)| job.id == id)
            .map(|(key, _)| *key);
        let delayed = self
            .delayed
            .iter()
            .find(|(_, job)| job.id == id)
            .map(|(key, _)| *key);
        let removed = ready
            .and_then(|key| self.ready.remove(&key))
            .or_else(|| delayed.and_then(|key| self.delayed.remove(&key)));
        if let Some(job) = &removed
            && !job.background
        {
            self.foreground -= 1;
        }
        removed.is_some()
    }
}

/// One runner's decisions.
#[derive(Debug)]
pub struct Scheduler {
    feed: Feed,
    limit: usize,
    lanes: usize,
    /// Lanes that were started and have not stood in line yet: no second one is started meanwhile.
    starting: HashSet<LaneId>,
    line: VecDeque<LaneId>,
    busy: HashSet<LaneId>,
    busy_foreground: usize,
    background: HashSet<LaneId>,
    stop: Option<Stop>,
    paused: bool,
    reserved: u64,
    finished: u64,
    last_finished: Option<Moment>,
}

impl Scheduler {
    /// A scheduler whose lanes take turns to lead; at most `limit` lanes.
    pub fn with_leader(limit: usize) -> Self {
        Self::new(limit, Feed::Leader { leader: None })
    }

    /// A scheduler that hands out jobs; at most `limit` lanes.
    pub fn with_jobs(limit: usize) -> Self {
        Self::new(limit, Feed::Jobs(Jobs::default()))
    }

    fn new(limit: usize, feed: Feed) -> Self {
        Self {
            feed,
            limit,
            lanes: 0,
            starting: HashSet::new(),
            line: VecDeque::new(),
            busy: HashSet::new(),
            busy_foreground: 0,
            background: HashSet::new(),
            stop: None,
            paused: false,
            reserved: 0,
            finished: 0,
            last_finished: None,
        }
    }

    /// Whether one more lane is needed now.
    pub fn wants_lane(&self) -> bool {
        if self.lanes >= self.limit || !self.line.is_empty() || !self.starting.is_empty() {
            return false;
        }
        match &self.feed {
            Feed::Leader { leader } => leader.is_none() && self.stop.is_none() && !self.paused,
            Feed::Jobs(jobs) => !jobs.ready.is_empty() && self.stop.is_none(),
        }
    }

    /// A lane was made; it will stand in line.
    pub fn started(&mut self, lane: LaneId) {
        self.lanes += 1;
        self.starting.insert(lane);
    }

    /// A lane is gone, whatever it was doing.
    pub fn ended(&mut self, lane: LaneId, now: Moment) {
        self.lanes -= 1;
        self.starting.remove(&lane);
        self.line.retain(|other| *other != lane);
        if let Feed::Leader { leader } = &mut self.feed
            && *leader == Some(lane)
        {
            *leader = None;
        }
        self.finish(lane, now);
    }

    /// A lane has nothing to do: it stands at the end of the line. A leader that comes back without a job gives up the lead.
    pub fn line_up(&mut self, lane: LaneId) {
        self.starting.remove(&lane);
        if let Feed::Leader { leader } = &mut self.feed
            && *leader == Some(lane)
        {
            *leader = None;
        }
        self.line.push_back(lane);
    }

    /// The next lane that may leave the line, and with what. Call until it gives None.
    pub fn grant(&mut self) -> Option<(LaneId, Grant)> {
        let first = *self.line.front()?;
        let grant = match &mut self.feed {
            Feed::Leader { .. } if self.stop.is_some() => Grant::End,
            Feed::Leader { leader: Some(_) } => return None,
            Feed::Leader { .. } if self.paused => return None,
            Feed::Leader { leader } => {
                *leader = Some(first);
                Grant::Lead
            }
            Feed::Jobs(jobs) => match jobs.ready.pop_first() {
                Some((_, job)) if self.stop.is_none() => {
                    self.busy.insert(first);
                    if job.background {
                        self.background.insert(first);
                    } else {
                        jobs.foreground -= 1;
                        self.busy_foreground += 1;
                    }
                    self.reserved += 1;
                    Grant::Job(job.id)
                }
                other => {
                    if let Some((key, job)) = other {
                        jobs.ready.insert(key, job);
                    }
                    if !self.nothing_left() {
                        return None;
                    }
                    Grant::End
                }
            },
        };
        self.line.pop_front();
        Some((first, grant))
    }

    /// The leader has a job: the lead passes on. False if the lane was not the leader.
    pub fn reserved(&mut self, lane: LaneId) -> bool {
        match &mut self.feed {
            Feed::Leader { leader } if *leader == Some(lane) => *leader = None,
            _ => return false,
        }
        self.busy.insert(lane);
        self.busy_foreground += 1;
        self.reserved += 1;
        true
    }

    /// The lane's job has ended. False if it had none.
    pub fn finish(&mut self, lane: LaneId, now: Moment) -> bool {
        if !self.busy.remove(&lane) {
            return false;
        }
        if !self.background.remove(&lane) {
            self.busy_foreground -= 1;
            self.finished += 1;
            self.last_finished = Some(now);
        }
        true
    }

    /// Takes in a job of the plain runtime, due at once or at a moment.
    pub fn push(&mut self, job: Waiting, due: Option<Moment>) {
        let Feed::Jobs(jobs) = &mut self.feed else {
            return;
        };
        jobs.sequence += 1;
        if !job.background {
            jobs.foreground += 1;
        }
        match due {
            Some(moment) => jobs.delayed.insert((moment, jobs.sequence), job),
            None => jobs
                .ready
                .insert((std::cmp::Reverse(job.priority), jobs.sequence), job),
        };
    }

    /// Removes a job that has not started. False if there is none.
    pub fn remove(&mut self, id: JobId) -> bool {
        match &mut self.feed {
            Feed::Jobs(jobs) => jobs.remove(id),
            Feed::Leader { .. } => false,
        }
    }

    /// Moves what is due into the line of ready jobs.
    pub fn advance(&mut self, now: Moment) {
        let Feed::Jobs(jobs) = &mut self.feed else {
            return;
        };
        while let Some(entry) = jobs.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, sequence), job) = entry.remove_entry();
            jobs.ready
                .insert((std::cmp::Reverse(job.priority), sequence), job);
        }
    }

    /// When a delayed job becomes due.
    pub fn next_due(&self) -> Option<Moment> {
        match &self.feed {
            Feed::Jobs(jobs) if self.stop.is_none() => {
                jobs.delayed.keys().next().map(|(moment, _)| *moment)
            }
            _ => None,
        }
    }

    /// Nothing new is started from now on. The first call's words stay.
    pub fn stop(&mut self, status: i32, reason: &str) {
        self.stop.get_or_insert_with(|| Stop {
            status,
            reason: reason.to_owned(),
        });
    }

    /// Pauses or resumes reserving; the leader asks.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether nothing is left to do and no lane is left to do it.
    pub fn over(&self) -> bool {
        self.lanes == 0 && self.nothing_left()
    }

    fn nothing_left(&self) -> bool {
        if self.stop.is_some() {
            return self.busy.is_empty() || matches!(self.feed, Feed::Leader { .. });
        }
        match &self.feed {
            Feed::Leader { .. } => false,
            Feed::Jobs(jobs) => jobs.foreground == 0 && self.busy.is_empty(),
        }
    }

    /// The lane that leads.
    pub fn leader(&self) -> Option<LaneId> {
        match &self.feed {
            Feed::Leader { leader } => *leader,
            Feed::Jobs(_) => None,
        }
    }

    /// Why the run ends, if it does.
    pub fn stopping(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// Whether reserving is paused.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Whether this lane has a job.
    pub fn is_busy(&self, lane: LaneId) -> bool {
        self.busy.contains(&lane)
    }

    /// Jobs in flight.
    pub fn in_flight(&self) -> usize {
        self.busy_foreground
    }

    /// Jobs taken so far.
    pub fn reserved_so_far(&self) -> u64 {
        self.reserved
    }

    /// Jobs ended so far.
    pub fn finished_so_far(&self) -> u64 {
        self.finished
    }

    /// When the last job ended.
    pub fn last_finished(&self) -> Option<Moment> {
        self.last_finished
    }

    /// Lanes alive.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Lanes in line.
    pub fn idle(&self) -> usize {
        self.line.len()
    }

    /// Jobs ready and jobs delayed.
    pub fn waiting(&self) -> (usize, usize) {
        match &self.feed {
            Feed::Jobs(jobs) => (jobs.ready.len(), jobs.delayed.len()),
            Feed::Leader { .. } => (0, 0),
        }
    }
}

impl Scheduler {
    /// A stopped scheduler may be run again.
    pub fn resume(&mut self) {
        self.stop = None;
    }
}
