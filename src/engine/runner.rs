//! The runner's loop: resume ready lanes, wait, mark lanes ready.
//!
//! The loop works over `trait Lanes`, so it is tested with lanes of plain Rust. What lanes and their native calls change while
//! they run lies in [`Desk`], behind a RefCell that is borrowed for moments only.
//!
//! Invariant: no borrow of the desk is open while a lane runs, is made, is disposed of or is told of a signal. Its own calls borrow it, and a borrow
//! held across a switch would meet itself.

mod conflict;
mod desk;
mod output;
mod pause;

use std::io;

use kqueue_core::scheduler::LaneId;

pub use self::conflict::{Conflict, RateLimit, Resolution};
pub use self::desk::{Desk, Shared};
pub use self::pause::{Descriptors, NoChild, Pause, Wake};

/// How many lanes run before the loop looks for readiness again.
const TURN: usize = 256;

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
    fn on_conflict(&self, _conflict: Conflict) {}
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
                    let conflict = desk.borrow_mut().paused(lane, pause);
                    if let Some(conflict) = conflict {
                        lanes.on_conflict(conflict);
                    }
                }
            }
            desk.borrow_mut().dispatch_grants();
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
        desk.borrow_mut().dispatch_grants();
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
