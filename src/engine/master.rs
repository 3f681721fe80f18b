//! The master: forks the runner and the children from its own image, watches, reaps, restarts. One thread, one poll(2)
//! loop. Standalone the same loop is the zygote: the runner is its parent, and it ends when the control socket closes.
//!
//! Invariant: it runs no job and starts no thread, so it always answers.
//! Invariant: messages are read before deadlines are looked at (see `children`).
//! Invariant: jobs are given back only when the runner and all its children are dead: nobody works on them any more.
//!
//! Stop signals (and SIGHUP, which is passed on as SIGTERM): the first is passed on to the runner, which drains, and once its
//! lanes know of it told to the children, which are still served. The second, if it comes more than a second later, ends everything at once, gives the jobs back, and the run returns 0, as
//! an interrupted `queue:work` does.

mod control;
mod recovery;
mod report;

pub use kqueue_core::blame::Blame;

use recovery::{Next, Recovery, continue_with};
use report::say;

use crate::error::EngineError;
use crate::link::{ChildLink, ControlSocket, MasterLink, Packet};
use crate::reaper::{self, Process};
use crate::role::{self, Role};
use crate::scoreboard::{JobInfo, Scoreboard, now_ms};
use crate::signals::{self, PAUSE, RESUME, STOP, Signals, Stops};
use crate::zygote::{self, Side};
use kqueue_core::blame::History;
use kqueue_core::wire::Control;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The signals of the master.
const WATCHED: [i32; 6] = [STOP[0], STOP[1], STOP[2], PAUSE, RESUME, libc::SIGCHLD];
/// How often the master looks whether the runner is stuck, and tries again what failed.
const ROUND: Duration = Duration::from_secs(1);
/// How often a runner or a rescue is tried to be forked before the master gives up.
const FORK_ATTEMPTS: u32 = 30;

/// The status of a run that ends because its runners die again and again.
pub const CRASH_LOOP: i32 = 13;

/// A job that was in flight in a runner that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Whose it was.
    pub lane: u32,
    /// The job.
    pub info: JobInfo,
    /// What it has to do with the runner's end.
    pub blame: Blame,
    /// It had ended itself; what it had left behind ran.
    pub ended: bool,
    /// What ended the runner, for the job's record.
    pub cause: String,
}

/// What the processes do. Each function is called in the new process; what it returns is the exit status, and the process
/// then ends by `_exit`: output that PHP holds back must be flushed before.
pub trait Program {
    /// The runner. Returning is saying goodbye; any other end is a death, after which a new runner is forked.
    fn runner(&mut self, link: MasterLink) -> i32;

    /// An isolated child: runs what [`ChildLink::receive`] gives until it gives nothing.
    fn child(&mut self, link: ChildLink) -> i32;

    /// Deals with the jobs that were in flight when a runner ended. Runs in a process of its own, for at most
    /// [`Plan::rescue_limit`].
    fn rescue(&mut self, lost: Vec<Lost>) -> i32;
}

/// The master's settings.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Isolated children that may live at once.
    pub children: usize,
    /// From SIGTERM to SIGKILL; also how long children may take to leave.
    pub grace: Duration,
    /// The run ends when this many runners died one after another without progress, each within [`Plan::restart_window`] of the
    /// one before.
    pub restart_limit: u32,
    /// See [`Plan::restart_limit`].
    pub restart_window: Duration,
    /// How long giving jobs back may take.
    pub rescue_limit: Duration,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            children: 2,
            grace: Duration::from_secs(2),
            restart_limit: 5,
            restart_window: Duration::from_secs(60),
            rescue_limit: Duration::from_secs(30),
        }
    }
}

/// Makes this process the master until the run is over; returns its exit status: the runner's, or 0 after a second stop
/// signal, or that of a death while it was stopping (128 + signal, or the runner's own but never 0), or [`CRASH_LOOP`].
pub fn supervise(
    plan: Plan,
    board: Arc<Scoreboard>,
    program: &mut dyn Program,
) -> Result<i32, EngineError> {
    // A terminal that closes must not end hundreds of jobs in the middle. Under nohup SIGHUP is ignored and stays so.
    let hangup = (!signals::is_ignored(libc::SIGHUP)).then_some(libc::SIGHUP);
    let watched: Vec<i32> = WATCHED.into_iter().chain(hangup).collect();
    let signals = Signals::install(&watched)?;
    let mut master = Master::new(plan, board, program, signals);
    let old = role::set(Role::Master);
    let result = master.fork_runner().and_then(|()| master.serve());
    role::set(old);
    result
}

/// Standalone: forks the zygote and returns in the caller, which is the runner. Dropping the link ends the zygote.
pub fn zygote(
    plan: Plan,
    board: Arc<Scoreboard>,
    program: &mut dyn Program,
) -> Result<MasterLink, EngineError> {
    let (ours, theirs) = ControlSocket::pair()?;
    match zygote::fork(Role::Master)? {
        Side::Parent(pid) => {
            drop(theirs);
            let patience = plan.grace * 2 + ROUND;
            Ok(MasterLink::with_zygote(ours, pid, patience))
        }
        Side::Child => zygote::run(|| {
            drop(ours);
            let served = Signals::install(&WATCHED).and_then(|signals| {
                let mut master = Master::new(plan, board, program, signals);
                master.link = Some(theirs);
                master.standalone = true;
                master.serve()
            });
            served.unwrap_or_else(|error| {
                say(&format!("the zygote cannot go on: {error}"));
                1
            })
        }),
    }
}

/// All that the loop reacts to, in the order in which it looks.
#[derive(Debug)]
enum Event {
    Signal(i32),
    Control(Control),
    LinkClosed,
    Ended { pid: i32, status: i32 },
    Tick(Instant),
}

/// Where the run is.
#[derive(Debug)]
enum Phase {
    /// A runner lives.
    Serving,
    /// It has ended; its children are on their way out.
    Clearing(Recovery),
    /// Its jobs are being given back.
    Rescuing(Process, Next),
    /// A new runner is due.
    Restarting { at: Instant, attempts: u32 },
    /// The run is over, with this status.
    Over(i32),
}

struct Master<'a> {
    plan: Plan,
    board: Arc<Scoreboard>,
    program: &'a mut dyn Program,
    signals: Option<Signals>,
    link: Option<ControlSocket>,
    runner: Option<Process>,
    children: BTreeMap<u32, Process>,
    last_child: u32,
    phase: Phase,
    standalone: bool,
    stops: Stops,
    /// A runner that takes the place of another is told.
    paused: bool,
    /// Of the runners that died.
    history: History,
    began: Instant,
    restarts: u32,
    /// Lane and heartbeat of the runner at the last round.
    seen: Option<(u32, u64)>,
    next_round: Instant,
    /// For which lane the master itself killed the runner, and why.
    kill_reason: Option<(u32, String)>,
}

impl<'a> Master<'a> {
    fn new(
        plan: Plan,
        board: Arc<Scoreboard>,
        program: &'a mut dyn Program,
        signals: Signals,
    ) -> Master<'a> {
        Master {
            plan,
            board,
            program,
            signals: Some(signals),
            link: None,
            runner: None,
            children: BTreeMap::new(),
            last_child: 0,
            phase: Phase::Serving,
            standalone: false,
            stops: Stops::default(),
            paused: false,
            history: History::default(),
            began: Instant::now(),
            restarts: 0,
            seen: None,
            next_round: Instant::now() + ROUND,
            kill_reason: None,
        }
    }

    fn serve(&mut self) -> Result<i32, EngineError> {
        loop {
            self.wait()?;
            for signal in self.signals.as_ref().map(Signals::take).unwrap_or_default() {
                self.handle(Event::Signal(signal));
            }
            while let Some(event) = self.next_message() {
                self.handle(event);
            }
            while let Some((pid, status)) = reaper::reap(|pid| self.process(pid)) {
                self.handle(Event::Ended { pid, status });
            }
            self.handle(Event::Tick(Instant::now()));
            if let Phase::Over(status) = self.phase {
                return Ok(status);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Signal(signal) => self.signalled(signal),
            Event::Control(message) => self.handle_message(message),
            Event::LinkClosed => self.link_closed(),
            Event::Ended { pid, status } => self.ended(pid, status),
            Event::Tick(now) => self.tick(now),
        }
    }

    fn wait(&self) -> Result<(), EngineError> {
        let mut fds = Vec::with_capacity(2);
        if let Some(signals) = &self.signals {
            fds.push(PollFd::new(signals.as_fd(), PollFlags::POLLIN));
        }
        if let Some(link) = &self.link {
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, link.is_pending());
            fds.push(PollFd::new(link.as_fd(), flags));
        }
        match poll(&mut fds, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(EngineError::System {
                doing: "wait for events",
                source: errno.into(),
            }),
        }
    }

    fn timeout(&self) -> PollTimeout {
        let phase = match &self.phase {
            Phase::Serving | Phase::Over(_) => None,
            Phase::Clearing(after) if self.children.is_empty() => Some(after.not_before),
            Phase::Clearing(after) => Some(after.patience),
            Phase::Rescuing(process, _) => process.next(),
            Phase::Restarting { at, .. } => Some(*at),
        };
        let next = self
            .children
            .values()
            .filter_map(Process::next)
            .chain(phase)
            .chain(self.runner.as_ref().map(|_| self.next_round))
            .min();
        let Some(next) = next else {
            return PollTimeout::NONE;
        };
        // Rounded up, or the loop would spin through the last part of a millisecond.
        let left = next.saturating_duration_since(Instant::now());
        let ms = left.as_nanos().div_ceil(1_000_000);
        PollTimeout::from(u16::try_from(ms).unwrap_or(u16::MAX))
    }

    fn next_message(&mut self) -> Option<Event> {
        let link = self.link.as_mut()?;
        link.flush();
        match link.receive() {
            Ok(Packet::WouldBlock) => return None,
            Ok(Packet::Message(message, _)) => return Some(Event::Control(message)),
            Ok(Packet::Closed) => {}
            Err(error) => say(&error.to_string()),
        }
        self.link = None;
        Some(Event::LinkClosed)
    }

    fn signalled(&mut self, signal: i32) {
        if self.standalone || signal == libc::SIGCHLD {
            return;
        }
        let signal = match signal {
            libc::SIGHUP => libc::SIGTERM,
            other => other,
        };
        if STOP.contains(&signal) {
            let Some(count) = self.stops.count(Instant::now()) else {
                return;
            };
            if count > 1 {
                self.runner.as_mut().map(Process::kill);
                self.children.values_mut().for_each(Process::kill);
                return;
            }
        }
        match signal {
            PAUSE => self.paused = true,
            RESUME => self.paused = false,
            _ => {}
        }
        self.tell(&Control::Signal { signal }, None);
    }

    fn ended(&mut self, pid: i32, status: i32) {
        if self.runner.as_ref().is_some_and(|runner| runner.pid == pid) {
            self.runner_ended(pid, status);
            return;
        }
        if let Phase::Rescuing(process, next) = &self.phase
            && process.pid == pid
        {
            if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
                say(&format!(
                    "the process that gives jobs back {}; jobs that it has not dealt with come back when their reservation \
                     expires (retry_after)",
                    reaper::describe(status)
                ));
            }
            self.phase = continue_with(*next);
            return;
        }
        let found = self.children.iter().find(|(_, process)| process.pid == pid);
        if let Some((&child, process)) = found {
            let overdue = process.overdue;
            self.children.remove(&child);
            let message = Control::Exited {
                child,
                status,
                overdue,
            };
            self.tell(&message, None);
        }
    }

    fn tick(&mut self, now: Instant) {
        let grace = self.plan.grace;
        for child in self.children.values_mut() {
            child.tick(now, grace);
        }
        if self.runner.is_some() && now >= self.next_round {
            self.next_round = now + ROUND;
            self.look_after_runner();
        }
        self.phase = match std::mem::replace(&mut self.phase, Phase::Serving) {
            Phase::Clearing(after)
                if now >= after.not_before
                    && (self.children.is_empty() || now >= after.patience) =>
            {
                self.give_back(after, now)
            }
            Phase::Rescuing(mut process, next) => {
                process.tick(now, grace);
                Phase::Rescuing(process, next)
            }
            Phase::Restarting { .. } if self.stops.counted() > 0 => Phase::Over(0),
            Phase::Restarting { at, attempts } if now >= at => self.restart(attempts, now),
            other => other,
        };
    }

    /// A lane that is on the CPU, past its deadline, without the loop going round: it hangs in one call, and nothing in the
    /// runner can end it.
    fn look_after_runner(&mut self) {
        let seen = self
            .board
            .running()
            .map(|lane| (lane, self.board.heartbeat()));
        let same = seen.filter(|_| seen == self.seen);
        self.seen = seen;
        let Some((lane, _)) = same else { return };
        let Ok(Some(job)) = self.board.job(lane) else {
            return;
        };
        let now = now_ms();
        let limit = job
            .deadline_ms
            .saturating_add(self.plan.grace.as_millis() as u64);
        if job.deadline_ms == 0 || now <= limit || self.kill_reason.is_some() {
            return;
        }
        let late = Duration::from_millis(now - job.deadline_ms).as_secs_f64();
        self.kill_reason = Some((
            lane,
            format!(
                "was killed because it hung in one call, {late:.1} s past the timeout of the job,"
            ),
        ));
        self.runner.as_mut().map(Process::kill);
    }

    fn fork_runner(&mut self) -> Result<(), EngineError> {
        let (ours, theirs) = ControlSocket::pair()?;
        self.board.reset();
        self.board.set_restarts(self.restarts);
        match zygote::fork(Role::Runner)? {
            Side::Parent(pid) => {
                self.board.set_runner(pid);
                self.link = Some(ours);
                self.runner = Some(Process::new(pid));
                self.seen = None;
                self.kill_reason = None;
                if self.paused {
                    self.tell(&Control::Signal { signal: PAUSE }, None);
                }
                Ok(())
            }
            Side::Child => zygote::run(|| {
                drop(ours);
                self.release();
                // The same number as the master writes; whoever comes first.
                self.board.set_runner(std::process::id() as i32);
                signals::outside::watch(&self.board);
                let status = self.program.runner(MasterLink::new(theirs));
                self.board.say_goodbye();
                status
            }),
        }
    }

    fn process(&self, pid: i32) -> Option<&Process> {
        let rescue = match &self.phase {
            Phase::Rescuing(process, _) => Some(process),
            _ => None,
        };
        self.children
            .values()
            .chain(&self.runner)
            .chain(rescue)
            .find(|process| process.pid == pid)
    }
}
