//! Whose fault the end of a runner is, and whether runners die in a loop.
//!
//! Blame needs evidence: the fatal error of a lane's job, a fault while a lane was on the processor, a lane that held the loop.
//! A signal of another process is no evidence; nor does it let a job that brings it about run for ever: see [`KILLS`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// In so many runners that were killed one after another a job may have begun until it is charged with it.
pub const KILLS: u32 = 3;

/// A job that was in flight when its runner ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight<Job> {
    /// Whose it was.
    pub lane: u32,
    /// The job.
    pub info: Job,
    /// How far it was.
    pub stage: Stage,
    /// The fatal error of PHP that it ended with.
    pub fatal: Option<String>,
}

/// How far a job was when its runner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It was about to begin, or ran in an isolated child.
    Reserved,
    /// It ran in the runner.
    Begun,
    /// It had ended, and its lane was about to: what ran was what the lane's jobs had left, shutdown functions and destructors.
    Ended {
        /// It was the only one that the lane had run.
        alone: bool,
    },
}

/// How a runner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It returned, or was ended because the run is.
    Meant,
    /// Another process killed it: an operator, or the system for want of memory.
    Killed,
    /// The master did, since this lane did not give the processor back.
    Hung(u32),
    /// A signal or an exit of its own, while this lane was on the processor, or none.
    Fell(Option<u32>),
}

/// What a job that was in flight has to do with its runner's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Nothing: it goes back as if it had never been taken.
    Innocent,
    /// It is one of those that may have brought it about: its attempt counts, and that is all.
    Suspect,
    /// It brought it about.
    Guilty,
}

/// What the master remembers of the runners that died.
#[derive(Debug, Default)]
pub struct History {
    /// In how many runners that were killed in a row each job had begun.
    killed: BTreeMap<String, u32>,
    /// Jobs that were charged since the last job ended.
    charged: BTreeSet<String>,
    finished: u64,
    /// Deaths without progress, and when the last was.
    deaths: u32,
    last: Option<Duration>,
    progress: bool,
}

impl History {
    /// What each of the jobs, which `name` tells apart, has to do with it; in their order.
    pub fn judge<Job>(
        &mut self,
        death: Death,
        jobs: &[InFlight<Job>],
        name: impl Fn(&Job) -> String,
    ) -> Vec<Blame> {
        let blames = self.find(death, jobs, &name);
        for (job, blame) in jobs.iter().zip(&blames) {
            if *blame != Blame::Innocent {
                self.progress |= self.charged.insert(name(&job.info));
            }
        }
        blames
    }

    fn find<Job>(
        &mut self,
        death: Death,
        jobs: &[InFlight<Job>],
        name: &impl Fn(&Job) -> String,
    ) -> Vec<Blame> {
        // What happens to a process after a fatal error is that error's doing, however it ends.
        if jobs.iter().any(|job| job.fatal.is_some()) {
            return each(jobs, |job| blame(job.fatal.is_some(), guilt(job.stage)));
        }
        match death {
            Death::Meant => each(jobs, |_| Blame::Innocent),
            Death::Hung(lane) | Death::Fell(Some(lane))
                if jobs.iter().any(|job| job.lane == lane) =>
            {
                each(jobs, |job| blame(job.lane == lane, guilt(job.stage)))
            }
            // No lane can be named: rather all that may have done it than a loop.
            Death::Fell(None) => each(jobs, |job| blame(job.stage == Stage::Begun, Blame::Suspect)),
            // Nobody, or a lane between two jobs.
            Death::Killed | Death::Hung(_) | Death::Fell(Some(_)) => {
                let before = std::mem::take(&mut self.killed);
                each(jobs, |job| {
                    if job.stage != Stage::Begun {
                        return Blame::Innocent;
                    }
                    let name = name(&job.info);
                    let times = before.get(&name).copied().unwrap_or(0) + 1;
                    self.killed.insert(name, times);
                    blame(times >= KILLS, Blame::Suspect)
                })
            }
        }
    }

    /// A runner has died. `finished` is how many jobs have ended in the run so far. True: it was the last of `limit` runners that
    /// died one after another, each within `window` of the one before, though no job ended and nobody new could be charged.
    pub fn is_loop(&mut self, now: Duration, finished: u64, limit: u32, window: Duration) -> bool {
        if finished != self.finished {
            self.finished = finished;
            self.charged.clear();
            self.progress = true;
        }
        let recent = self
            .last
            .is_some_and(|last| now.saturating_sub(last) < window);
        let progress = std::mem::take(&mut self.progress);
        let goes_on = recent && !progress;
        self.deaths = if goes_on { self.deaths + 1 } else { 1 };
        self.last = Some(now);
        self.deaths >= limit
    }

    /// How many runners have died one after another so.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }
}

fn each<Job>(jobs: &[InFlight<Job>], judge: impl FnMut(&InFlight<Job>) -> Blame) -> Vec<Blame> {
    jobs.iter().map(judge).collect()
}

fn blame(applies: bool, blame: Blame) -> Blame {
    if applies { blame } else { Blame::Innocent }
}

/// What a job has done whose lane brought the end about.
fn guilt(stage: Stage) -> Blame {
    match stage {
        Stage::Ended { alone: false } => Blame::Suspect,
        _ => Blame::Guilty,
    }
}
