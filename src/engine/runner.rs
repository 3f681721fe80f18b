//! The runner's loop: resume ready lanes, wait, mark lanes ready.
//!
//! The loop works over `trait Lanes`, so it is tested with lanes of plain Rust. What lanes and their native calls change while
//! they run lies in [`Desk`], behind a RefCell that is borrowed for moments only.
//!
//! Invariant: no borrow of the desk is open while a lane runs, is made, is disposed of or is told of a signal. Its own calls borrow it, and a borrow
//! held across a switch would meet itself.

mod clash;
mod desk;
mod output;

use std::io;
use std::time::Duration;

use kqueue_core::permits::Permit;
use kqueue_core::scheduler::{Grant, LaneId};

pub use self::clash::{Clash, Seldom, Then};
pub use self::desk::{Desk, Shared};
use crate::children::ChildId;
use crate::interpose::Woken;

/// How many lanes run before the loop looks for readiness again.
const TURN: usize = 256;

/// Why a lane gave up the processor.
#[derive(Debug, Clone, Copy)]
pub enum Pause {
    /// It waits for descriptors, or for time to pass.
    Wait {
        /// Which; none is a sleep.
        fds: Descriptors,
        /// How long at most; None: for ever.
        timeout: Option<Duration>,
    },
    /// It has no work and stands in line. A job that it had has ended.
    Line,
    /// The same, and after that long in line it is called out of it once, to look after itself.
    LineFor(Duration),
    /// It waits for the permit that it has asked for.
    Permit,
    /// It leads and found nothing: it waits for news, at most this long. What happened since it last looked (since it was granted
    /// the lead, or went on after the last such pause) is news too.
    Idle(Duration),
    /// It wants an isolated child.
    Child {
        /// Among those that want one, the higher first.
        priority: i32,
    },
    /// It waits for the master's word on a child.
    Notice,
    /// It wants to send on a connection that another lane is in the middle of using. See [`Desk::claim`].
    Turn,
    /// It waits until all lanes that run beside it for its job have ended: those that [`Lanes::fork`] makes for it.
    Join,
    /// It has ended.
    Ended,
}

/// What a lane is told as it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Its first turn.
    Start,
    /// The wait is over.
    Woken(Woken),
    /// Its place in line led to this.
    Granted(Grant),
    /// There are news, or there were none for long enough.
    News,
    /// It stood in line for long, or others wait for what it has: it puts itself in order and lines up again.
    Tidy,
    /// It has the permit.
    Permit(Permit),
    /// It has a child, or will not get one.
    Child(Result<ChildId, NoChild>),
}

/// Why a lane gets no isolated child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoChild {
    /// None is ever made.
    #[error("this run has no isolated children")]
    Disabled,
    /// Nobody is left to fork one.
    #[error("the master is gone")]
    MasterGone,
    /// The deadline came first.
    #[error("it waited for a free child until its deadline")]
    Overdue,
}

/// The descriptors of a wait, as poll(2) takes them. They lie on the lane's stack, which is still while it is suspended.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors(*const [libc::pollfd]);

impl Descriptors {
    /// No descriptors: only time passes.
    pub const NONE: Self = Self(&[]);

    /// These.
    ///
    /// # Safety
    /// They stay where they are, unchanged, until the lane that waits for them has been resumed.
    #[expect(unsafe_code, reason = "the caller promises what no lifetime can say")]
    pub unsafe fn new(fds: &[libc::pollfd]) -> Self {
        Self(fds)
    }

    /// For as long as the wait lasts, and no longer.
    #[expect(unsafe_code, reason = "reads what `new` was promised")]
    fn get<'a>(self) -> &'a [libc::pollfd] {
        // SAFETY: alive and unchanged by the contract of `new`: the desk asks only while the lane is suspended in this wait.
        unsafe { &*self.0 }
    }
}

/// The lanes themselves: their stacks and what they run.
///
/// Methods take `&self`: what a lane runs calls back into whoever owns the lanes, while `resume` is on the stack.
pub trait Lanes {
    /// Makes a lane that has not run yet. The error says why it cannot be made; the run then goes on with the lanes it has.
    fn start(&self) -> Result<LaneId, String>;
    /// Makes the next of the lanes that run beside one, for its job; that one is in [`Pause::Join`]. None: no further one now. Asked
    /// again whenever one of them has ended.
    fn fork(&self, _parent: LaneId) -> Option<LaneId> {
        None
    }
    /// Runs the lane until it pauses.
    fn resume(&self, lane: LaneId, wake: Wake) -> Pause;
    /// The lane ended: frees what it had. Its number may be used again.
    fn dispose(&self, lane: LaneId);
    /// Two lanes use one descriptor at the same time. No lane runs meanwhile.
    fn clashed(&self, _clash: Clash) {}
    /// A signal has come, and the desk has obeyed it: tells whoever wants to know. No lane runs meanwhile.
    fn signalled(&self, _signal: i32) {}
}

/// Runs lanes until the run is over. Two runs at once in one process are allowed, and know nothing of each other.
///
/// # Errors
/// If there is no lane and none can be made, or if the system refuses to wait. Lanes may then be left suspended.
pub fn run(desk: &Shared, lanes: &dyn Lanes) -> io::Result<()> {
    let result = go(desk, lanes);
    desk.borrow_mut().finish_output();
    result
}

fn go(desk: &Shared, lanes: &dyn Lanes) -> io::Result<()> {
    let mut tokens = Vec::with_capacity(1024);
    // What the master had to say to this process comes before its first job.
    desk.borrow_mut().look(&mut tokens)?;
    tell(desk, lanes);
    loop {
        desk.borrow_mut().advance();
        start_wanted(desk, lanes)?;
        for _ in 0..TURN {
            let Some((lane, wake)) = desk.borrow_mut().next() else {
                break;
            };
            match lanes.resume(lane, wake) {
                Pause::Ended => {
                    lanes.dispose(lane);
                    let parent = desk.borrow_mut().ended(lane);
                    if let Some(parent) = parent {
                        fork(desk, lanes, parent);
                    }
                }
                Pause::Join => {
                    desk.borrow_mut().paused(lane, Pause::Join);
                    fork(desk, lanes, lane);
                }
                pause => {
                    let clash = desk.borrow_mut().paused(lane, pause);
                    if let Some(clash) = clash {
                        lanes.clashed(clash);
                    }
                }
            }
            desk.borrow_mut().hand_out();
        }
        if desk.borrow().scheduler.over() {
            return Ok(());
        }
        desk.borrow_mut().wait(&mut tokens)?;
        tell(desk, lanes);
    }
}

fn tell(desk: &Shared, lanes: &dyn Lanes) {
    let signals = desk.borrow_mut().take_signals();
    for signal in signals {
        lanes.signalled(signal);
        desk.borrow_mut().tell_children(signal);
    }
}

/// The lanes that are to run beside one now.
fn fork(desk: &Shared, lanes: &dyn Lanes, parent: LaneId) {
    while let Some(lane) = lanes.fork(parent) {
        desk.borrow_mut().forked(lane, parent);
    }
    desk.borrow_mut().joined(parent);
}

/// New lanes are made between turns, one at a time: it, or one that is ready now, may stand in line before the next is needed.
fn start_wanted(desk: &Shared, lanes: &dyn Lanes) -> io::Result<()> {
    loop {
        desk.borrow_mut().hand_out();
        if !desk.borrow().scheduler.wants_lane() {
            return Ok(());
        }
        match lanes.start() {
            Ok(lane) => desk.borrow_mut().started(lane),
            Err(reason) => {
                let mut desk = desk.borrow_mut();
                if !desk.scheduler.refused() {
                    return Err(io::Error::other(reason));
                }
                let lanes = desk.scheduler.lanes();
                tracing::warn!(lanes, reason, "no further lane; the run goes on with these");
            }
        }
    }
}
