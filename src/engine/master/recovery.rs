//! What follows a runner's end: its children end, its jobs go back, a new runner comes or the run is over.

use super::report::{death_report, say};
use super::{CRASH_LOOP, FORK_ATTEMPTS, Lost, Master, Phase, ROUND};
use crate::reaper::{self, Process};
use crate::role::Role;
use crate::scoreboard::{Counter, JobInfo};
use crate::zygote::{self, Side};
use kqueue_core::blame::{Blame, Death, Stage};
use nix::libc;
use std::time::{Duration, Instant};

/// How long a killed child may take to die before the run goes on without it.
const STUCK_CHILDREN: Duration = Duration::from_secs(10);

/// What is left to do after a runner's end.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) lost: Vec<Lost>,
    pub(super) next: Next,
    /// A child that cannot be killed (it hangs in the kernel) is waited for until then.
    pub(super) patience: Instant,
    /// Forking the rescue failed this often, and is tried again then.
    pub(super) attempts: u32,
    pub(super) not_before: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Restart,
    Return(i32),
}

impl Master<'_> {
    pub(super) fn runner_ended(&mut self, pid: i32, status: i32) {
        let now = Instant::now();
        self.runner = None;
        self.link = None;
        let goodbye = self.board.said_goodbye() && libc::WIFEXITED(status);
        let interrupted = self.stops.counted() > 1;
        let sent = libc::WIFSIGNALED(status) && self.board.was_killed();
        let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
        let kill_reason = self.kill_reason.take();
        let (death, how) = match kill_reason {
            _ if goodbye || interrupted => (Death::Meant, reaper::describe(status)),
            Some((lane, kill_reason)) => (Death::Hung(lane), kill_reason),
            None if sent => {
                let how = reaper::describe(status) + ", which another process sent";
                (Death::Killed, how)
            }
            None if killed => (Death::Killed, reaper::describe(status)),
            None => (Death::Fell(self.board.running()), reaper::describe(status)),
        };
        let lost = self.judge(death, &how);
        for child in self.children.values_mut() {
            if goodbye && !interrupted {
                child.leave(now, self.plan.grace);
            } else {
                child.kill();
            }
        }
        let next = if goodbye {
            Next::Return(libc::WEXITSTATUS(status))
        } else if interrupted {
            Next::Return(0)
        } else {
            say(&death_report(pid, &how, &lost, &self.board.torn()));
            self.after_death(now, status)
        };
        self.phase = Phase::Clearing(self.recovery(lost, next));
    }

    /// The jobs that were in flight, and what each of them has to do with it.
    fn judge(&mut self, death: Death, how: &str) -> Vec<Lost> {
        let jobs = self.board.in_flight();
        let name = |job: &JobInfo| format!("{}\0{}\0{}", job.connection, job.queue, job.id);
        let blames = self.history.judge(death, &jobs, name);
        let lost = jobs.into_iter().zip(blames).map(|(job, blame)| Lost {
            lane: job.lane,
            cause: match job.fatal {
                Some(message) => format!("fatal error: {message}"),
                None => format!("the runner {how}"),
            },
            info: job.info,
            blame,
            ended: matches!(job.stage, Stage::Ended { .. }),
        });
        lost.filter(|job| !job.ended || job.blame != Blame::Innocent)
            .collect()
    }

    fn after_death(&mut self, now: Instant, status: i32) -> Next {
        let now = now.duration_since(self.began);
        let finished = self.board.counter(Counter::Finished);
        let (limit, window) = (self.plan.restart_limit, self.plan.restart_window);
        let is_loop = self.history.is_loop(now, finished, limit, window);
        if self.stops.counted() > 0 {
            return Next::Return(reaper::exit_status(status).max(1));
        }
        if is_loop {
            say(&format!(
                "{} runners died one after another, and no job ended meanwhile: this run ends with status {CRASH_LOOP}. The lines \
                 above tell how they died, and name jobs that were guilty of it: run those isolated (KQueueJob::$isolated, or \
                 --isolate), or fix what kills them, and start again",
                self.history.deaths(),
            ));
            return Next::Return(CRASH_LOOP);
        }
        Next::Restart
    }

    pub(super) fn recovery(&self, lost: Vec<Lost>, next: Next) -> Recovery {
        let now = Instant::now();
        Recovery {
            lost,
            next,
            patience: now + self.plan.grace * 2 + STUCK_CHILDREN,
            attempts: 0,
            not_before: now,
        }
    }

    /// All who worked on the lost jobs are dead: hand them to a rescue.
    pub(super) fn give_back(&mut self, mut after: Recovery, now: Instant) -> Phase {
        if !self.children.is_empty() {
            say("some isolated children do not die; going on without them");
            self.children.clear();
        }
        if after.lost.is_empty() {
            return continue_with(after.next);
        }
        match zygote::fork(Role::Rescue) {
            Ok(Side::Parent(pid)) => {
                let mut process = Process::new(pid);
                process.set_deadline(now.checked_add(self.plan.rescue_limit));
                Phase::Rescuing(process, after.next)
            }
            Ok(Side::Child) => zygote::run(|| {
                self.release();
                self.program.rescue(after.lost)
            }),
            Err(error) => {
                after.attempts += 1;
                if after.attempts >= FORK_ATTEMPTS {
                    say(&format!(
                        "{} jobs cannot be given back now; they come back when their reservation expires (retry_after): \
                         {error}",
                        after.lost.len()
                    ));
                    return continue_with(after.next);
                }
                after.not_before = now + ROUND;
                Phase::Clearing(after)
            }
        }
    }

    pub(super) fn restart(&mut self, attempts: u32, now: Instant) -> Phase {
        self.restarts += 1;
        match self.fork_runner() {
            Ok(()) => Phase::Serving,
            Err(error) if attempts + 1 >= FORK_ATTEMPTS => {
                say(&format!(
                    "no new runner can be started, so this run ends: {error}"
                ));
                Phase::Over(1)
            }
            Err(_) => {
                self.restarts -= 1;
                Phase::Restarting {
                    at: now + ROUND,
                    attempts: attempts + 1,
                }
            }
        }
    }
}

pub(super) fn continue_with(next: Next) -> Phase {
    match next {
        Next::Restart => Phase::Restarting {
            at: Instant::now(),
            attempts: 0,
        },
        Next::Return(status) => Phase::Over(status),
    }
}
