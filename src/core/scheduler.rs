//! Which lane may go on: the line of idle lanes, the leader, the jobs that wait, and when a run is over.
//!
//! Two ways to feed lanes share one line. With a *leader* (Laravel) the first lane in line talks to the queue and passes the
//! lead on when it has a job. With *jobs* (plain PHP) each lane in line is handed the best waiting job.
//!
//! Invariant: a lane is in one place: it starts, stands in line, leads, has a job, or is between those. So at most one leads, and
//! none that has a job stands in line.
//! Invariant: jobs in flight are those reserved (or handed out) and not finished; background jobs are in none of these counts.
//! Invariant: after `stop` a lane in line gets nothing but its end.
//! One owner, so no lock; time is passed in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// The number of a lane's slot, counted from 0; reused after the lane has ended.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its number. No two that wait have the same.
    pub id: JobId,
    /// Higher starts first.
    pub priority: i64,
    /// Background work (a repeating timer) does not keep a run going, and starts only while something else does.
    pub background: bool,
}

/// One runner's decisions.
#[derive(Debug)]
pub struct Scheduler {
    feed: Feed,
    limit: usize,
    places: Vec<Place>,
    line: VecDeque<LaneId>,
    lanes: usize,
    /// Lanes that were started and have not stood in line yet: no second one is started meanwhile.
    starting: usize,
    busy: usize,
    busy_in_background: usize,
    /// No further lane could be made. Tried again when one has ended.
    full: bool,
    stop: Option<Stop>,
    paused: bool,
    reserved: u64,
    finished: u64,
    last_finished: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Absent,
    Starting,
    Line,
    Leads,
    Busy,
    BusyInBackground,
    /// Its job has ended, or it was told to end.
    Between,
}

#[derive(Debug)]
enum Feed {
    Leader(Option<LaneId>),
    Jobs(Jobs),
}

impl Scheduler {
    /// A scheduler whose lanes take turns to lead; at most `limit` lanes, and at least one.
    pub fn with_leader(limit: usize) -> Self {
        Self::new(limit, Feed::Leader(None))
    }

    /// A scheduler that hands out jobs; at most `limit` lanes, and at least one.
    pub fn with_jobs(limit: usize) -> Self {
        Self::new(limit, Feed::Jobs(Jobs::default()))
    }

    fn new(limit: usize, feed: Feed) -> Self {
        Self {
            feed,
            limit: limit.max(1),
            places: Vec::new(),
            line: VecDeque::new(),
            lanes: 0,
            starting: 0,
            busy: 0,
            busy_in_background: 0,
            full: false,
            stop: None,
            paused: false,
            reserved: 0,
            finished: 0,
            last_finished: None,
        }
    }

    /// Whether one more lane is needed now.
    pub fn wants_lane(&self) -> bool {
        if self.stop.is_some()
            || self.full
            || self.lanes >= self.limit
            || self.starting > 0
            || !self.line.is_empty()
        {
            return false;
        }
        match &self.feed {
            Feed::Leader(leader) => leader.is_none(),
            Feed::Jobs(jobs) => !jobs.ready.is_empty() && self.foreground_left(),
        }
    }

    /// A lane was made; it will stand in line.
    pub fn started(&mut self, lane: LaneId) {
        if self.place(lane) == Place::Absent {
            self.lanes += 1;
            self.move_to(lane, Place::Starting);
        }
    }

    /// A wanted lane could not be made: the run goes on with those it has. False if it has none.
    pub fn refused(&mut self) -> bool {
        self.full = true;
        self.lanes > 0
    }

    /// A lane is gone, whatever it was doing. If it had a job, that is finished.
    pub fn ended(&mut self, lane: LaneId, now: Moment) {
        self.finish(lane, now);
        if self.place(lane) != Place::Absent {
            self.lanes -= 1;
            self.full = false;
            self.move_to(lane, Place::Absent);
        }
    }

    /// A lane has nothing to do: it stands at the end of the line. A leader that comes back without a job gives up the lead. True
    /// if it still had a job: that is finished.
    pub fn line_up(&mut self, lane: LaneId, now: Moment) -> bool {
        let had_job = self.finish(lane, now);
        if self.place(lane) != Place::Absent {
            self.move_to(lane, Place::Line);
        }
        had_job
    }

    /// A lane leaves the line to look after itself; it lines up again afterwards. False if it is not in line.
    pub fn step_out(&mut self, lane: LaneId) -> bool {
        let in_line = self.place(lane) == Place::Line;
        if in_line {
            self.move_to(lane, Place::Between);
        }
        in_line
    }

    /// The next lane that may leave the line, and with what. Call until it gives None.
    pub fn grant(&mut self) -> Option<(LaneId, Grant)> {
        let lane = *self.line.front()?;
        let foreground_left = self.foreground_left();
        let none_busy = self.busy + self.busy_in_background == 0;
        let (grant, place) = match &mut self.feed {
            _ if self.stop.is_some() => (Grant::End, Place::Between),
            Feed::Leader(Some(_)) => return None,
            Feed::Leader(None) => (Grant::Lead, Place::Leads),
            Feed::Jobs(jobs) if foreground_left => {
                let job = jobs.pop()?;
                if job.background {
                    (Grant::Job(job.id), Place::BusyInBackground)
                } else {
                    self.reserved += 1;
                    (Grant::Job(job.id), Place::Busy)
                }
            }
            // A background job that runs may still hand in others.
            Feed::Jobs(_) if !none_busy => return None,
            Feed::Jobs(_) => (Grant::End, Place::Between),
        };
        self.move_to(lane, place);
        Some((lane, grant))
    }

    /// The leader has a job: the lead passes on. False if the lane was not the leader.
    pub fn reserved(&mut self, lane: LaneId) -> bool {
        let leads = self.place(lane) == Place::Leads;
        if leads {
            self.move_to(lane, Place::Busy);
            self.reserved += 1;
        }
        leads
    }

    /// The lane's job has ended. False if it had none.
    pub fn finish(&mut self, lane: LaneId, now: Moment) -> bool {
        let place = self.place(lane);
        if place == Place::Busy {
            self.finished += 1;
            self.last_finished = Some(now);
        }
        let had_job = matches!(place, Place::Busy | Place::BusyInBackground);
        if had_job {
            self.move_to(lane, Place::Between);
        }
        had_job
    }

    /// Takes in a job of the plain runtime, due at once or at a moment.
    pub fn push(&mut self, job: Waiting, due: Option<Moment>) {
        if let Feed::Jobs(jobs) = &mut self.feed {
            jobs.push(job, due);
        }
    }

    /// Removes a job that has not started. False if there is none.
    pub fn remove(&mut self, id: JobId) -> bool {
        match &mut self.feed {
            Feed::Jobs(jobs) => jobs.remove(id),
            Feed::Leader(_) => false,
        }
    }

    /// Moves what is due to the jobs that are ready.
    pub fn advance(&mut self, now: Moment) {
        if let Feed::Jobs(jobs) = &mut self.feed {
            jobs.advance(now);
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

    /// Makes ready for another run. Lanes that the last one left are gone; jobs that wait stay.
    pub fn resume(&mut self) {
        self.finished += self.busy as u64;
        self.places.clear();
        self.line.clear();
        if let Feed::Leader(leader) = &mut self.feed {
            *leader = None;
        }
        (self.lanes, self.starting) = (0, 0);
        (self.busy, self.busy_in_background) = (0, 0);
        self.full = false;
        self.stop = None;
    }

    /// Pauses or resumes reserving. There is a leader meanwhile, which looks whether the run should end but takes no job.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether nothing is left to do and no lane is left to do it.
    pub fn over(&self) -> bool {
        let done = match &self.feed {
            Feed::Jobs(jobs) => jobs.foreground == 0,
            Feed::Leader(_) => false,
        };
        self.lanes == 0 && (done || self.stop.is_some())
    }

    /// The lane that leads.
    pub fn leader(&self) -> Option<LaneId> {
        match &self.feed {
            Feed::Leader(leader) => *leader,
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

    /// Jobs in flight.
    pub fn in_flight(&self) -> usize {
        self.busy
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
            Feed::Leader(_) => (0, 0),
        }
    }

    /// Whether there is a job that keeps the run going.
    fn foreground_left(&self) -> bool {
        match &self.feed {
            Feed::Jobs(jobs) => jobs.foreground + self.busy > 0,
            Feed::Leader(_) => true,
        }
    }

    fn place(&self, lane: LaneId) -> Place {
        let place = self.places.get(lane as usize);
        place.copied().unwrap_or(Place::Absent)
    }

    /// The only way to another place: leaves the old one, enters the new one.
    fn move_to(&mut self, lane: LaneId, place: Place) {
        let index = lane as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, Place::Absent);
        }
        match std::mem::replace(&mut self.places[index], place) {
            Place::Starting => self.starting -= 1,
            // Nearly always the first.
            Place::Line if self.line.front() == Some(&lane) => drop(self.line.pop_front()),
            Place::Line => self.line.retain(|other| *other != lane),
            Place::Leads => self.feed = Feed::Leader(None),
            Place::Busy => self.busy -= 1,
            Place::BusyInBackground => self.busy_in_background -= 1,
            Place::Absent | Place::Between => {}
        }
        match place {
            Place::Starting => self.starting += 1,
            Place::Line => self.line.push_back(lane),
            Place::Leads => self.feed = Feed::Leader(Some(lane)),
            Place::Busy => self.busy += 1,
            Place::BusyInBackground => self.busy_in_background += 1,
            Place::Absent | Place::Between => {}
        }
    }
}

/// Waiting and delayed jobs. Order: priority, then dispatch.
#[derive(Debug, Default)]
struct Jobs {
    ready: BTreeMap<ReadyKey, Waiting>,
    delayed: BTreeMap<DelayedKey, Waiting>,
    /// Where each of them is.
    keys: HashMap<JobId, Key>,
    sequence: u64,
    foreground: usize,
}

type ReadyKey = (Reverse<i64>, u64);
type DelayedKey = (Moment, u64);

#[derive(Debug, Clone, Copy)]
enum Key {
    Ready(ReadyKey),
    Delayed(DelayedKey),
}

impl Jobs {
    fn push(&mut self, job: Waiting, due: Option<Moment>) {
        self.remove(job.id);
        self.sequence += 1;
        if !job.background {
            self.foreground += 1;
        }
        match due {
            None => self.make_ready(job, self.sequence),
            Some(moment) => {
                let key = (moment, self.sequence);
                self.delayed.insert(key, job);
                self.keys.insert(job.id, Key::Delayed(key));
            }
        }
    }

    fn make_ready(&mut self, job: Waiting, sequence: u64) {
        let key = (Reverse(job.priority), sequence);
        self.ready.insert(key, job);
        self.keys.insert(job.id, Key::Ready(key));
    }

    fn advance(&mut self, now: Moment) {
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, sequence), job) = entry.remove_entry();
            self.make_ready(job, sequence);
        }
    }

    fn pop(&mut self) -> Option<Waiting> {
        let (_, job) = self.ready.pop_first()?;
        self.keys.remove(&job.id);
        self.gone(job);
        Some(job)
    }

    fn remove(&mut self, id: JobId) -> bool {
        let job = match self.keys.remove(&id) {
            Some(Key::Ready(key)) => self.ready.remove(&key),
            Some(Key::Delayed(key)) => self.delayed.remove(&key),
            None => None,
        };
        if let Some(job) = job {
            self.gone(job);
        }
        job.is_some()
    }

    fn gone(&mut self, job: Waiting) {
        if !job.background {
            self.foreground -= 1;
        }
    }
}
