//! Everything about a run that changes: which lane waits for what, until when, and who may go on.
//!
//! Invariant: a lane is woken once per pause. Whatever else would wake it finds it ready and does nothing, or carries the token
//! of an earlier wait.
//! Invariant: `waits` and `deadlines` hold exactly what the slots name, so both stay as small as the number of lanes.

mod deadlines;
mod events;
mod permits;
mod shared;
mod turns;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use kqueue_core::permits::Permits;
use kqueue_core::scheduler::{LaneId, Scheduler};

use super::conflict::{Conflict, Resolution};
use super::output::Output;
use super::pause::{Descriptors, Wake};
use crate::children::Children;
use crate::interpose::Woken;
use crate::reactor::{Reactor, Refusal, Token};
use crate::scoreboard::now_ms;
use crate::signals::{Signals, Stops};

/// Tokens of the loop's own descriptors; a lane's token is `generation << 32 | lane`, with the top bit clear.
const SIGNALS: Token = 1 << 63;
const CONTROL: Token = (1 << 63) + 1;

/// Ten years: for ever, and no overflow.
const FOREVER: Duration = Duration::from_secs(315_360_000);

/// How long a lane waits for the master's word before it looks for itself.
const NOTICE: Duration = Duration::from_secs(1);

/// Everything about a run that lanes may look at and change.
pub struct Desk {
    /// Who may go on.
    pub scheduler: Scheduler,
    /// Isolated children, if the run has any.
    pub children: Option<Children>,
    permits: Permits,
    /// How often lanes had to wait for a permit: a lane in line is called out once for each.
    shortages: u64,
    reactor: Reactor,
    signals: Option<Signals>,
    slots: Vec<Slot>,
    ready: VecDeque<(LaneId, Wake)>,
    /// Descriptors that lanes beside each other may share, and the one of them that last waited for it and has not paused for anything
    /// else since: it is in the middle of a request, and the answer is for it.
    held: BTreeMap<RawFd, LaneId>,
    /// How many lanes wait for their turn to send.
    turns: usize,
    /// When lanes that wait wake up by themselves.
    waits: BTreeSet<(Instant, LaneId)>,
    /// When jobs in flight must have ended.
    deadlines: BTreeSet<(Instant, LaneId)>,
    began: Instant,
    suspensions: u64,
    last_signal: Option<i32>,
    /// Stop signals that reached this very process, and not only its master.
    stops: Stops,
    /// Signals that have been obeyed, and that the lanes have not been told of.
    untold: Vec<i32>,
    /// Something happened that the leader has not seen.
    news: bool,
    control_for_write: bool,
    output: Option<Output>,
}

/// The desk as the loop, the hooks and native calls hold it.
pub type Shared = Rc<RefCell<Desk>>;

#[derive(Debug)]
struct Slot {
    state: State,
    /// Part of the token, so that an event of an earlier wait is known as such.
    generation: u32,
    /// Its entry in `waits`.
    wakes_at: Option<Instant>,
    /// Its entry in `deadlines`.
    deadline: Option<Instant>,
    /// Its waits fail at once.
    cancelled: bool,
    /// Its job has run past its deadline.
    overdue: bool,
    /// The shortage of permits for which it was called out of the line last.
    tidied_for: u64,
    /// The lane whose job it helps with, which waits for it. The scheduler knows nothing of such a lane.
    parent: Option<LaneId>,
    /// The lanes that help with its job.
    beside: Vec<LaneId>,
    /// Its entries in `held`.
    holds: Vec<RawFd>,
    /// Whose request it lets go first, until it has had its turn.
    conflict: Option<Conflict>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Free,
    Ready,
    Running,
    Waiting(Descriptors),
    InLine,
    Idle,
    WantsChild,
    WantsPermit,
    AwaitsNotice,
    Joining,
    AwaitsTurn,
}

/// What lanes ask, through hooks and native calls.
impl Desk {
    /// Makes what a run waits by. This may fail, so it comes before anything is handed over to [`Desk::new`].
    ///
    /// # Errors
    /// If the system has no descriptors left, or refuses to watch one.
    pub fn reactor(signals: Option<&Signals>, children: Option<&Children>) -> io::Result<Reactor> {
        let mut reactor = Reactor::new()?;
        let mut watch = |fd, token| {
            reactor.keep(fd, libc::POLLIN, token).map_err(|refusal| {
                io::Error::other(format!("cannot watch a descriptor of its own: {refusal:?}"))
            })
        };
        if let Some(signals) = signals {
            watch(signals.fd(), SIGNALS)?;
        }
        if let Some(children) = children {
            watch(children.control_fd(), CONTROL)?;
        }
        Ok(reactor)
    }

    /// A desk for one run. `began` is the scheduler's moment zero; `reactor` was made for these signals and children.
    pub fn new(
        reactor: Reactor,
        scheduler: Scheduler,
        began: Instant,
        signals: Option<Signals>,
        children: Option<Children>,
    ) -> Self {
        Self {
            scheduler,
            children,
            permits: Permits::default(),
            shortages: 0,
            reactor,
            signals,
            slots: Vec::new(),
            ready: VecDeque::new(),
            held: BTreeMap::new(),
            turns: 0,
            waits: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            began,
            suspensions: 0,
            last_signal: None,
            stops: Stops::default(),
            untold: Vec::new(),
            news: false,
            control_for_write: false,
            output: None,
        }
    }

    /// Time since the run began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// How often lanes were suspended.
    pub fn suspensions(&self) -> u64 {
        self.suspensions
    }

    /// The last stop signal.
    pub fn last_signal(&self) -> Option<i32> {
        self.last_signal
    }

    /// The lane's job has ended.
    pub fn finished(&mut self, lane: LaneId) {
        self.set_deadline(lane, None);
        let now = self.now();
        if self.scheduler.finish(lane, now) {
            self.notify_leader();
        }
    }

    /// Asks for the end of the run.
    pub fn stop(&mut self, status: i32, reason: &str) {
        self.scheduler.stop(status, reason);
        self.notify_leader();
    }

    /// Where signals come from: a lane that uses the processor leaves it for a moment when one of these is readable.
    pub fn signal_fds(&self) -> [Option<RawFd>; 2] {
        [
            self.signals.as_ref().map(Signals::fd),
            self.children.as_ref().map(Children::control_fd),
        ]
    }

    /// Lines of lanes go there, a moment after they were written.
    pub fn print_to(&mut self, fd: BorrowedFd<'static>) {
        self.output = Some(Output::new(fd));
    }

    /// Takes in whole lines. They are lost if nobody has said where they go.
    pub fn print(&mut self, lines: &[u8]) {
        if let Some(output) = &mut self.output {
            output.write(lines);
        }
    }

    /// Pauses or resumes reserving.
    pub fn pause(&mut self, paused: bool) {
        self.scheduler.pause(paused);
        self.notify_leader();
    }
}

impl Desk {
    fn make_room(&mut self, lane: LaneId) {
        let index = lane as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
    }

    /// The lane that has the job: this one, or the one that it helps.
    fn owner(&self, mut lane: LaneId) -> LaneId {
        while let Some(parent) = self.slots[lane as usize].parent {
            lane = parent;
        }
        lane
    }

    fn set_state(&mut self, lane: LaneId, state: State) {
        self.slots[lane as usize].state = state;
    }

    fn line_up(&mut self, lane: LaneId) {
        self.set_state(lane, State::InLine);
        let now = self.now();
        if self.scheduler.line_up(lane, now) {
            self.set_deadline(lane, None);
            self.notify_leader();
        }
        self.call_if_wanted(lane);
    }

    fn token(&self, lane: LaneId) -> Token {
        (u64::from(self.slots[lane as usize].generation) << 32) | u64::from(lane)
    }

    /// The leader looks again, if it waits for news; if it does not, it will before it waits.
    fn notify_leader(&mut self) {
        self.news = true;
        if let Some(leader) = self.scheduler.leader()
            && matches!(self.slots[leader as usize].state, State::Idle)
        {
            self.wake(leader, Wake::News);
        }
    }

    /// Ends a lane's pause, whatever it waits for. Does nothing if it does not wait.
    fn wake(&mut self, lane: LaneId, wake: Wake) {
        let token = self.token(lane);
        let mut frees = false;
        let slot = &mut self.slots[lane as usize];
        match slot.state {
            State::Free | State::Ready | State::Running => return,
            State::Waiting(fds) => {
                for fd in fds.get() {
                    self.reactor.forget(fd.fd, token);
                    frees = true;
                }
            }
            State::AwaitsTurn => self.turns -= 1,
            State::InLine
            | State::Idle
            | State::WantsChild
            | State::WantsPermit
            | State::AwaitsNotice
            | State::Joining => {}
        }
        slot.state = State::Ready;
        slot.generation = slot.generation.wrapping_add(1) & 0x7fff_ffff;
        if let Some(moment) = slot.wakes_at.take() {
            self.waits.remove(&(moment, lane));
        }
        self.ready.push_back((lane, wake));
        if frees {
            self.wake_senders();
        }
    }

    fn wake_after(&mut self, lane: LaneId, time: Duration) {
        let moment = Instant::now() + time.min(FOREVER);
        self.slots[lane as usize].wakes_at = Some(moment);
        self.waits.insert((moment, lane));
    }

    fn await_descriptors(
        &mut self,
        lane: LaneId,
        fds: Descriptors,
        timeout: Option<Duration>,
    ) -> Option<Conflict> {
        self.set_state(lane, State::Waiting(fds));
        if self.is_cancelled(lane) {
            self.wake(lane, Wake::Woken(Woken::Cancelled));
            return None;
        }
        let token = self.token(lane);
        let mut conflict = None;
        for fd in fds.get().iter().filter(|fd| fd.fd >= 0) {
            let watched = match self.reactor.watch(fd.fd, fd.events, token) {
                Ok(watched) => watched,
                Err(refusal) => {
                    let woken = match refusal {
                        Refusal::AlwaysReady => Woken::Ready,
                        Refusal::Bad => Woken::Refused,
                    };
                    self.wake(lane, Wake::Woken(woken));
                    return None;
                }
            };
            // Somebody closed a descriptor that other lanes wait for: they must look again.
            for stale in watched.ended {
                self.handle(stale);
            }
            if let Some(other) = watched.beside {
                conflict = conflict.or_else(|| self.conflict(fd.fd, other, lane));
            }
        }
        if conflict.is_some_and(|conflict| conflict.then == Resolution::Fails) {
            self.wake(lane, Wake::Woken(Woken::Barred));
            return conflict;
        }
        if let Some(time) = timeout {
            self.wake_after(lane, time);
        }
        conflict
    }

    /// When something happens that no descriptor tells of.
    fn next_moment(&self) -> Option<Instant> {
        let wait = self.waits.first().map(|(moment, _)| *moment);
        let deadline = self.deadlines.first().map(|(moment, _)| *moment);
        let due = self.scheduler.next_due().map(|due| self.began + due);
        let spawn = self
            .children
            .as_ref()
            .and_then(Children::wakeup)
            .map(|at| Instant::now() + Duration::from_millis(at.saturating_sub(now_ms())));
        let lines = self.output.as_ref().and_then(Output::due);
        [wait, deadline, due, spawn, lines]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            state: State::Free,
            generation: 0,
            wakes_at: None,
            deadline: None,
            cancelled: false,
            overdue: false,
            tidied_for: 0,
            parent: None,
            beside: Vec::new(),
            holds: Vec::new(),
            conflict: None,
        }
    }
}
