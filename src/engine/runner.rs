//! The runner's loop: resume ready lanes, wait, mark lanes ready.
//!
//! The loop works over `trait Lanes`, so it is tested with lanes of plain Rust. What lanes and their native calls change while
//! they run lies in `Desk`, behind a RefCell that is borrowed for moments only.
//!
//! Invariant: no borrow of the desk is open during `Lanes::resume`. A lane's own calls borrow it, and a borrow held across a
//! switch would meet itself.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use kqueue_core::scheduler::{Grant, LaneId, Scheduler};

use crate::children::{ChildId, Children, Notice};
use crate::interpose::Woken;
use crate::reactor::{Reactor, Refusal, Token};
use crate::scoreboard::now_ms;
use crate::signals::{self, Signals};

/// How many lanes run before the loop looks for readiness again.
const TURN: usize = 256;

/// Tokens of the loop's own descriptors; a lane's token is `generation << 32 | lane`, with the top bit clear.
const SIGNALS: Token = 1 << 63;
const CONTROL: Token = (1 << 63) + 1;

/// Why a lane gave up the processor.
#[derive(Debug, Clone, Copy)]
pub enum Pause {
    /// It waits for descriptors, or for time to pass. `fds` lies on the lane's stack, which is still while it is suspended.
    Wait {
        /// First of the descriptors.
        fds: *const libc::pollfd,
        /// How many.
        count: usize,
        /// How long at most; None: for ever.
        timeout: Option<Duration>,
    },
    /// It has no work and stands in line.
    Line,
    /// It leads and found nothing: it waits for news, at most this long.
    Idle(Duration),
    /// It wants an isolated child.
    Child {
        /// Among those that want one, the higher first.
        priority: i32,
    },
    /// It waits for the master's word on a child.
    Notice,
    /// It has ended.
    Ended,
}

/// What a lane is told as it goes on.
#[derive(Debug, Clone, Copy)]
pub enum Wake {
    /// Its first turn.
    Start,
    /// The wait is over.
    Woken(Woken),
    /// Its place in line led to this.
    Granted(Grant),
    /// It has a child. None: none can be had; `Desk::child_refusal` tells why.
    Child(Option<ChildId>),
}

/// The lanes themselves: their stacks and what they run.
pub trait Lanes {
    /// Makes a lane that has not run yet.
    fn start(&mut self) -> Result<LaneId, String>;
    /// Runs the lane until it pauses.
    fn resume(&mut self, lane: LaneId, wake: Wake) -> Pause;
    /// The lane ended: frees what it had.
    fn dispose(&mut self, lane: LaneId);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Ready,
    Waiting {
        fds: *const libc::pollfd,
        count: usize,
    },
    InLine,
    Idle,
    WantsChild,
    AwaitsNotice,
}

#[derive(Debug)]
struct Slot {
    state: State,
    generation: u32,
    /// The key of its entry among the timers.
    wakes_at: Option<Instant>,
    deadline: Option<Instant>,
    /// Its waits fail at once.
    cancelled: bool,
    /// Its job has run past its deadline.
    overdue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Wait,
    Deadline,
}

/// Everything about a run that lanes may look at and change.
pub struct Desk {
    /// Who may go on.
    pub scheduler: Scheduler,
    /// Isolated children, if the run has any.
    pub children: Option<Children>,
    reactor: Reactor,
    signals: Option<Signals>,
    slots: Vec<Slot>,
    ready: VecDeque<(LaneId, Wake)>,
    timers: BTreeSet<(Instant, LaneId, Timer)>,
    began: Instant,
    suspensions: u64,
    last_signal: Option<i32>,
    child_refusal: Option<String>,
    control_for_write: bool,
}

/// The desk as the loop, the hooks and native calls hold it.
pub type Shared = Rc<RefCell<Desk>>;

impl Desk {
    /// A desk for one run. `began` is the scheduler's moment zero.
    pub fn new(
        scheduler: Scheduler,
        began: Instant,
        signals: Option<Signals>,
        children: Option<Children>,
    ) -> io::Result<Self> {
        let mut reactor = Reactor::new()?;
        let watched = |result: Result<(), Refusal>| {
            result.map_err(|refusal| io::Error::other(format!("{refusal:?}")))
        };
        if let Some(signals) = &signals {
            watched(reactor.watch(signals.fd(), libc::POLLIN, SIGNALS))?;
        }
        if let Some(children) = &children {
            watched(reactor.watch(children.control_fd(), libc::POLLIN, CONTROL))?;
        }
        Ok(Self {
            scheduler,
            children,
            reactor,
            signals,
            slots: Vec::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            began,
            suspensions: 0,
            last_signal: None,
            child_refusal: None,
            control_for_write: false,
        })
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

    /// Why no child could be had.
    pub fn child_refusal(&mut self) -> String {
        self.child_refusal
            .take()
            .unwrap_or_else(|| "the master is gone".into())
    }

    /// The lane's job must end by then; None: no limit.
    pub fn set_deadline(&mut self, lane: LaneId, deadline: Option<Instant>) {
        let slot = &mut self.slots[lane as usize];
        if let Some(old) = slot.deadline.take() {
            self.timers.remove(&(old, lane, Timer::Deadline));
        }
        slot.deadline = deadline;
        slot.cancelled = false;
        slot.overdue = false;
        if let Some(moment) = deadline {
            self.timers.insert((moment, lane, Timer::Deadline));
        }
    }

    /// The next deadline of a job in flight: when an alarm for a lane that never waits should ring. One that has passed is some
    /// waiting lane's, which the loop ends as soon as it runs.
    pub fn next_deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        self.timers
            .iter()
            .find(|(moment, _, timer)| *timer == Timer::Deadline && *moment > now)
            .map(|(moment, ..)| *moment)
    }

    /// Whether the lane overran its deadline. A lane that burns the processor is found out here, not by the loop.
    pub fn check_deadline(&mut self, lane: LaneId) -> bool {
        let Some(slot) = self.slots.get_mut(lane as usize) else {
            return false;
        };
        if let Some(moment) = slot.deadline
            && moment <= Instant::now()
        {
            slot.cancelled = true;
            slot.overdue = true;
            slot.deadline = None;
            self.timers.remove(&(moment, lane, Timer::Deadline));
        }
        slot.cancelled
    }

    /// Whether the lane is being cancelled: its waits fail at once.
    pub fn is_cancelled(&self, lane: LaneId) -> bool {
        self.slots
            .get(lane as usize)
            .is_some_and(|slot| slot.cancelled)
    }

    /// Whether the lane's job has overrun its deadline. The lane has taken notice, so it may wait again.
    pub fn timed_out(&mut self, lane: LaneId) -> bool {
        self.slots.get_mut(lane as usize).is_some_and(|slot| {
            slot.cancelled = false;
            slot.overdue
        })
    }

    /// The lane's job has ended.
    pub fn finished(&mut self, lane: LaneId) {
        self.set_deadline(lane, None);
        let now = self.now();
        if self.scheduler.finish(lane, now) {
            self.wake_leader();
        }
    }

    /// Asks for the end of the run.
    pub fn stop(&mut self, status: i32, reason: &str) {
        self.scheduler.stop(status, reason);
        self.wake_leader();
    }

    /// Pauses or resumes reserving.
    pub fn pause(&mut self, paused: bool) {
        self.scheduler.pause(paused);
        self.wake_leader();
    }

    /// A leader that waits for news gets them.
    fn wake_leader(&mut self) {
        if let Some(leader) = self.scheduler.leader()
            && self.slots[leader as usize].state == State::Idle
        {
            self.wake(leader, Wake::Woken(Woken::Ready));
        }
    }

    fn slot(&mut self, lane: LaneId) -> &mut Slot {
        let index = lane as usize;
        while self.slots.len() <= index {
            self.slots.push(Slot {
                state: State::Free,
                generation: 0,
                wakes_at: None,
                deadline: None,
                cancelled: false,
                overdue: false,
            });
        }
        &mut self.slots[index]
    }

    fn wake(&mut self, lane: LaneId, wake: Wake) {
        let slot = &mut self.slots[lane as usize];
        let state = std::mem::replace(&mut slot.state, State::Ready);
        if state == State::Ready || state == State::Free {
            slot.state = state;
            return;
        }
        slot.generation = slot.generation.wrapping_add(1) & 0x7fff_ffff;
        if let Some(moment) = slot.wakes_at.take() {
            self.timers.remove(&(moment, lane, Timer::Wait));
        }
        if let State::Waiting { fds, count } = state {
            for fd in waited(fds, count) {
                self.reactor.forget(fd.fd);
            }
        }
        self.ready.push_back((lane, wake));
    }

    fn started(&mut self, lane: LaneId) {
        self.slot(lane).state = State::Ready;
        self.scheduler.started(lane);
        self.ready.push_back((lane, Wake::Start));
    }

    fn paused(&mut self, lane: LaneId, pause: Pause) {
        match pause {
            Pause::Wait {
                fds,
                count,
                timeout,
            } => {
                self.suspensions += 1;
                self.await_descriptors(lane, fds, count, timeout);
            }
            Pause::Line => {
                self.slot(lane).state = State::InLine;
                let now = self.now();
                self.scheduler.line_up(lane, now);
            }
            Pause::Idle(time) => {
                self.slot(lane).state = State::Idle;
                self.wake_later(lane, time);
                // News that came while it was still running must not be slept through.
                if self.scheduler.stopping().is_some() {
                    self.wake(lane, Wake::Woken(Woken::Ready));
                }
            }
            Pause::Child { priority } => {
                self.slot(lane).state = State::WantsChild;
                match &mut self.children {
                    Some(children) => {
                        children.line_up(u64::from(lane), priority);
                    }
                    None => self.wake(lane, Wake::Child(None)),
                }
            }
            Pause::Notice => {
                self.slot(lane).state = State::AwaitsNotice;
                self.wake_later(lane, Duration::from_secs(1));
            }
            Pause::Ended => unreachable!("the loop ends lanes itself"),
        }
    }

    fn await_descriptors(
        &mut self,
        lane: LaneId,
        fds: *const libc::pollfd,
        count: usize,
        timeout: Option<Duration>,
    ) {
        let generation = self.slot(lane).generation;
        self.slots[lane as usize].state = State::Waiting { fds, count };
        let token = (u64::from(generation) << 32) | u64::from(lane);
        let mut outcome = None;
        for (index, fd) in waited(fds, count).iter().enumerate() {
            if fd.fd < 0 {
                continue;
            }
            match self.reactor.watch(fd.fd, fd.events, token) {
                Ok(()) => {}
                Err(Refusal::AlwaysReady) => outcome = Some(Woken::Ready),
                Err(Refusal::Taken)
                    if waited(fds, index).iter().any(|earlier| earlier.fd == fd.fd) =>
                {
                    // poll(2) allows a descriptor twice; the set does not.
                    let events = waited(fds, count)
                        .iter()
                        .filter(|other| other.fd == fd.fd)
                        .fold(0, |all, other| all | other.events);
                    if self.reactor.change(fd.fd, events, token).is_err() {
                        outcome = Some(Woken::Refused);
                    }
                }
                Err(Refusal::Taken | Refusal::Bad) => {
                    // Only what this lane registered may be forgotten.
                    self.slots[lane as usize].state = State::Waiting { fds, count: index };
                    outcome = Some(Woken::Refused);
                    break;
                }
            }
        }
        if let Some(woken) = outcome {
            self.wake(lane, Wake::Woken(woken));
        } else if self.slots[lane as usize].cancelled {
            self.wake(lane, Wake::Woken(Woken::Cancelled));
        } else if let Some(time) = timeout {
            self.wake_later(lane, time);
        }
    }

    fn wake_later(&mut self, lane: LaneId, time: Duration) {
        // Ten years is for ever, and does not overflow.
        let moment = Instant::now() + time.min(Duration::from_secs(315_360_000));
        self.slots[lane as usize].wakes_at = Some(moment);
        self.timers.insert((moment, lane, Timer::Wait));
    }

    fn expire(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(&(moment, lane, timer)) = self.timers.first() {
            if moment > now {
                break;
            }
            self.timers.pop_first();
            match timer {
                Timer::Wait => {
                    self.slots[lane as usize].wakes_at = None;
                    self.wake(lane, Wake::Woken(Woken::TimedOut));
                }
                Timer::Deadline => self.cancel(lane),
            }
        }
    }

    /// Ends the lane's wait; its hooks and the interrupt handler do the rest.
    pub fn cancel(&mut self, lane: LaneId) {
        let slot = &mut self.slots[lane as usize];
        slot.deadline = None;
        slot.cancelled = true;
        slot.overdue = true;
        match slot.state {
            State::Waiting { .. } | State::AwaitsNotice => {
                self.wake(lane, Wake::Woken(Woken::Cancelled))
            }
            State::WantsChild => {
                if let Some(children) = &mut self.children {
                    children.leave_line(u64::from(lane));
                }
                self.child_refusal = Some("it waited for a free child until its deadline".into());
                self.wake(lane, Wake::Child(None));
            }
            State::Free | State::Ready | State::InLine | State::Idle => {}
        }
    }

    fn handle(&mut self, token: Token) -> io::Result<()> {
        match token {
            SIGNALS => self.handle_signals(),
            CONTROL => self.handle_control()?,
            token => {
                let lane = (token & 0xffff_ffff) as LaneId;
                let generation = (token >> 32) as u32;
                if let Some(slot) = self.slots.get(lane as usize)
                    && slot.generation == generation
                    && matches!(slot.state, State::Waiting { .. })
                {
                    self.wake(lane, Wake::Woken(Woken::Ready));
                }
            }
        }
        Ok(())
    }

    fn handle_signals(&mut self) {
        let arrived = self.signals.as_ref().map(Signals::take).unwrap_or_default();
        for signal in arrived {
            if signals::STOP.contains(&signal) && self.last_signal.is_some() {
                // The second: as if there were no handler. Dropping ours brings the old ones back.
                if let Some(signals) = self.signals.take() {
                    self.reactor.forget(signals.fd());
                }
                signals::raise(signal);
            }
            self.on_signal(signal);
        }
    }

    fn on_signal(&mut self, signal: i32) {
        match signal {
            signals::PAUSE => self.pause(true),
            signals::RESUME => self.pause(false),
            signal => {
                self.last_signal = Some(signal);
                self.stop(0, "interrupted");
            }
        }
    }

    fn handle_control(&mut self) -> io::Result<()> {
        let Some(children) = &mut self.children else {
            return Ok(());
        };
        let notices = match children.read_control() {
            Ok(notices) => notices,
            Err(error) => {
                // Without a master there are no children, but the jobs in lanes can still end well.
                self.reactor.forget(children.control_fd());
                self.child_refusal = Some(error.to_string());
                self.stop(1, "error");
                Vec::new()
            }
        };
        for notice in notices {
            if let Notice::Signal(signal) = notice {
                self.on_signal(signal);
            }
        }
        let waiting: Vec<LaneId> = (0..self.slots.len() as LaneId)
            .filter(|lane| self.slots[*lane as usize].state == State::AwaitsNotice)
            .collect();
        for lane in waiting {
            self.wake(lane, Wake::Woken(Woken::Ready));
        }
        Ok(())
    }

    fn hand_out(&mut self) {
        let now = self.now();
        self.scheduler.advance(now);
        while let Some((lane, grant)) = self.scheduler.grant() {
            self.wake(lane, Wake::Granted(grant));
        }
        while let Some((ticket, child)) = self.children.as_mut().and_then(Children::assign) {
            self.wake(ticket as LaneId, Wake::Child(Some(child)));
        }
        let wants_write = self
            .children
            .as_ref()
            .is_some_and(Children::control_wants_write);
        if wants_write != self.control_for_write
            && let Some(children) = &self.children
        {
            let events = if wants_write {
                libc::POLLIN | libc::POLLOUT
            } else {
                libc::POLLIN
            };
            let _ = self.reactor.change(children.control_fd(), events, CONTROL);
            self.control_for_write = wants_write;
        }
    }

    fn next_moment(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(moment, ..)| *moment);
        let due = self.scheduler.next_due().map(|due| self.began + due);
        let spawn = self
            .children
            .as_ref()
            .and_then(Children::wakeup)
            .map(|at| Instant::now() + Duration::from_millis(at.saturating_sub(now_ms())));
        [timer, due, spawn].into_iter().flatten().min()
    }
}

fn waited<'a>(fds: *const libc::pollfd, count: usize) -> &'a [libc::pollfd] {
    if count == 0 {
        return &[];
    }
    #[expect(
        unsafe_code,
        reason = "a suspended lane's descriptors lie on its stack"
    )]
    // SAFETY: the pointer comes from a lane that is suspended in that very wait; its stack does not change until it is resumed,
    // and the loop resumes it only after it has let go of the slice.
    unsafe {
        std::slice::from_raw_parts(fds, count)
    }
}

/// Runs lanes until the run is over. A second runner in one process would share nothing with this one.
pub fn run(desk: &Shared, lanes: &mut dyn Lanes) -> io::Result<()> {
    let mut tokens: Vec<Token> = Vec::with_capacity(1024);
    loop {
        // New lanes are made between turns, one at a time: each may stand in line before the next is needed.
        loop {
            desk.borrow_mut().hand_out();
            if !desk.borrow().scheduler.wants_lane() {
                break;
            }
            let lane = lanes.start().map_err(io::Error::other)?;
            desk.borrow_mut().started(lane);
        }
        for _ in 0..TURN {
            let Some((lane, wake)) = desk.borrow_mut().ready.pop_front() else {
                break;
            };
            match lanes.resume(lane, wake) {
                Pause::Ended => {
                    lanes.dispose(lane);
                    desk.borrow_mut().end(lane);
                }
                pause => desk.borrow_mut().paused(lane, pause),
            }
            let mut desk = desk.borrow_mut();
            desk.hand_out();
            if desk.scheduler.wants_lane() {
                break;
            }
        }
        let mut desk = desk.borrow_mut();
        if desk.scheduler.over() {
            return Ok(());
        }
        tokens.clear();
        let until = desk.next_moment();
        if desk.ready.is_empty()
            && !desk.scheduler.wants_lane()
            && until.is_none_or(|moment| moment > Instant::now())
        {
            desk.reactor.wait(until, &mut tokens)?;
        } else {
            desk.reactor.poll(&mut tokens)?;
        }
        desk.expire();
        for token in tokens.drain(..) {
            desk.handle(token)?;
        }
    }
}

impl Desk {
    fn end(&mut self, lane: LaneId) {
        self.set_deadline(lane, None);
        let slot = &mut self.slots[lane as usize];
        slot.state = State::Free;
        slot.generation = slot.generation.wrapping_add(1) & 0x7fff_ffff;
        let now = self.now();
        self.scheduler.ended(lane, now);
        self.wake_leader();
    }
}
