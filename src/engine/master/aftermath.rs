//! What follows a runner's end: its children end, its jobs go back, a new runner comes or the run is over.

use super::report::{obituary, say};
use super::{FORK_ATTEMPTS, Master, Phase, ROUND};
use crate::reaper::{self, Process};
use crate::role::Role;
use crate::scoreboard::Lost;
use crate::zygote::{self, Side};
use nix::libc;
use std::time::{Duration, Instant};

/// How long a killed child may take to die before the run goes on without it.
const STUCK_CHILDREN: Duration = Duration::from_secs(10);

/// What is left to do after a runner's end.
#[derive(Debug)]
pub(super) struct Aftermath {
    pub(super) lost: Vec<Lost>,
    pub(super) death: String,
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
        let mut lost = self.board.in_flight();
        if goodbye || interrupted {
            lost.iter_mut().for_each(|job| job.culprit = false);
        }
        let how = match self.verdict.take() {
            Some(verdict) => verdict,
            None => reaper::describe(status),
        };
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
            say(&obituary(pid, &how, &lost, &self.board.torn()));
            self.after_death(now, status)
        };
        self.phase = Phase::Clearing(self.aftermath(lost, format!("the runner {how}"), next));
    }

    fn after_death(&mut self, now: Instant, status: i32) -> Next {
        let window = self.plan.restart_window;
        self.deaths
            .retain(|&death| now.duration_since(death) < window);
        self.deaths.push(now);
        let exit_status = reaper::exit_status(status).max(1);
        if self.stops.counted() > 0 {
            return Next::Return(exit_status);
        }
        if self.deaths.len() >= self.plan.restart_limit as usize {
            say(&format!(
                "{} runners died within {} s, so this run ends with status {exit_status}. The lines above name the jobs \
                 they were running; run those isolated (KQueueJob::$isolated, or --isolate), or fix what kills them, and \
                 start again",
                self.deaths.len(),
                window.as_secs_f64(),
            ));
            return Next::Return(exit_status);
        }
        Next::Restart
    }

    pub(super) fn aftermath(&self, lost: Vec<Lost>, death: String, next: Next) -> Aftermath {
        let now = Instant::now();
        Aftermath {
            lost,
            death,
            next,
            patience: now + self.plan.grace * 2 + STUCK_CHILDREN,
            attempts: 0,
            not_before: now,
        }
    }

    /// All who worked on the lost jobs are dead: hand them to a rescue.
    pub(super) fn give_back(&mut self, mut after: Aftermath, now: Instant) -> Phase {
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
                self.program.rescue(after.lost, &after.death)
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
